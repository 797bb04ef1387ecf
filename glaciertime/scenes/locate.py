"""From a glacier's name and a folder to its dated scenes: the best source at hand, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas as gpd
import shapely

from glaciertime.catalog import Glacier, Line, Source
from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.scenes.acquisition import ImageScene, Scene, UnreadableScene
from glaciertime.scenes.caffe import caffe_has_zones, caffe_root, caffe_scenes
from glaciertime.scenes.contents import holds_masks, left_beside_masks, missing_files, vector_input, vectors_in
from glaciertime.scenes.crane_simulation import DATASET, simulated_crane, simulated_scenes
from glaciertime.scenes.folder import RASTER_ENDINGS, MaskReading, mask_files, masks_in_folder, named_with_date
from glaciertime.scenes.glacier_rows import VectorReading, rows_of_glacier
from glaciertime.scenes.image_folder import format_of_rasters, images_in_folder
from glaciertime.scenes.images import caffe_images, landsat_front_images, upright_glacier
from glaciertime.scenes.layers import (
    VECTOR_ENDINGS,
    geometry_kinds,
    is_one_file,
    is_vector,
    layers_of,
    read_layer,
    vector_files,
)
from glaciertime.scenes.names import order_decides
from glaciertime.scenes.vectors import (
    VectorInput,
    find_in_vectors,
    is_surging_in,
    outline_scenes,
    source_centreline,
    trace_scenes,
)

__all__ = ["Located", "glacier_in_data", "locate"]


@dataclass(frozen=True, kw_only=True)
class Located:
    """A glacier with the geometry that goes with its source, and its scenes in order of date."""

    glacier: Glacier
    dataset: str
    #: Where the scenes come from, as a text for a person.
    origin: str
    simulated: bool
    scenes: Iterator[Scene | ImageScene | UnreadableScene]
    #: What was done to the input, in sentences: complete once the scenes have been read.
    notes: list[str] = field(default_factory=list)
    #: What the catalog says of where they come from; None for the simulation.
    source: Source | None = None


def locate(
    glacier: Glacier,
    *,
    data: Path | None,
    downloads: Path | None = None,
    reading: MaskReading | None = None,
    columns: VectorReading | None = None,
    dataset: str = "",
) -> Located:
    """Find the scenes of a glacier.

    A folder or a file that was given is used or is an error. Without one, what was downloaded earlier is used, and
    last the simulation, where the glacier has one.

    Parameters
    ----------
    glacier : Glacier
    data : Path, optional
        A folder of real input with the relative paths of the catalog, a CaFFe tree, a folder of dated masks, or one
        vector file.
    downloads : Path, optional
        The folder that downloads go to.
    reading : MaskReading, optional
        How masks are to be read; a coordinate system and dates of files hold for vector files too.
    columns : VectorReading, optional
        Which columns of vector layers hold what, and how dates are written.
    dataset : str
        Only that source of the catalog's; or, for input that the catalog does not know, the name it is to have,
        default the folder's or the file's.

    Raises
    ------
    DataNotFoundError
        Where nothing of the glacier is found; the message says what was looked for.
    """
    reading = reading or MaskReading()
    columns = columns or VectorReading()
    sources = glacier.sources
    if dataset:
        sources = tuple(source for source in sources if source.dataset.casefold() == dataset.casefold())
        if not sources and data is None:
            raise DataNotFoundError(
                f"{glacier.name}: no source is called '{dataset}'; known are {_names(glacier)}. For data of your own "
                "give --data FOLDER too"
            )
    if data is not None:
        return _from_data(glacier, data, reading, columns, dataset, sources=sources)
    glacier = glacier.model_copy(update={"sources": sources})
    if downloads is not None and downloads.is_dir():
        for source in glacier.sources:
            if _is_there(source, downloads):
                return _from_source(glacier, source, downloads / source.path, reading, columns)
    if any(source.format == "simulation" for source in glacier.sources):
        _refuse_columns(columns, "the simulation")
        return Located(
            glacier=simulated_crane(glacier),
            dataset=DATASET,
            origin="the built-in simulation",
            simulated=True,
            scenes=simulated_scenes(glacier),
        )
    raise DataNotFoundError(
        f"{glacier.name}: no data at hand; give --data FOLDER or set GLACIERTIME_DATA (known sources: "
        f"{_sources(glacier)}), or try --glacier Crane, which has a built-in simulation"
    )


def _is_there(source: Source, folder: Path) -> bool:
    if not source.path or not (folder / source.path).exists():
        return False
    return source.format != "caffe" or caffe_root(folder / source.path) is not None


def _source_at(sources: tuple[Source, ...], folder: Path) -> Source | None:
    """Return the source of rasters whose path leads to a folder that was given itself."""
    for source in sources:
        parts = Path(source.path or "").parts
        if source.format in ("masks", "images") and parts and folder.parts[-len(parts) :] == parts:
            return source
    return None


def _told_of_others(glacier: Glacier, used: Source) -> list[str]:
    """Return, as sentences, what a manifest says of masks elsewhere that does not count for these."""
    return [
        f"what the manifest says of {source.dataset} (sigma, flags) is of its folder {source.path} and not used for "
        f"these masks; give --data the folder that holds {source.path}"
        for source in glacier.sources
        if source.format == used.format == "masks"
        and source.path
        and (source.flags or source.delineation_sigma_m is not None or source.georeferencing_sigma_m is not None)
    ]


def _names(glacier: Glacier) -> str:
    return ", ".join(dict.fromkeys(source.dataset for source in glacier.sources)) or "none"


def _sources(glacier: Glacier) -> str:
    paths = [f"{source.path} ({source.dataset})" for source in glacier.sources if source.path]
    return ", ".join(paths) or "none"


def _from_data(
    glacier: Glacier,
    data: Path,
    reading: MaskReading,
    columns: VectorReading,
    dataset: str,
    *,
    sources: tuple[Source, ...],
) -> Located:
    if not data.exists():
        raise DataNotFoundError(f"--data {data}: there is no such folder or file")
    if data.is_file() and data.suffix.lower() in RASTER_ENDINGS:
        known_here = _source_at(sources, data.resolve().parent)
        if known_here is not None:
            return _from_source(glacier, known_here, data, reading, columns)
        source = Source(dataset=dataset or data.resolve().parent.name, format=format_of_rasters(data, reading))
        return _from_source(glacier, source, data, reading, columns)
    if is_one_file(data):
        return _from_file(glacier, data, reading, columns, dataset)
    for source in sources:
        if _is_there(source, data):
            return _from_source(glacier, source, data / source.path, reading, columns)
        if source.format == "caffe" and caffe_root(data) is not None:
            return _from_source(glacier, source, data, reading, columns)
    known_here = _source_at(sources, data.resolve())
    if known_here is not None:
        return _from_source(glacier, known_here, data, reading, columns)
    # Under a name of its own, only what the catalog does not know may pass.
    known = {data / source.path for source in glacier.sources if source.path} if dataset else set()
    for folder in (data / glacier.name, data):
        if folder not in known and folder.is_dir() and holds_masks(glacier, folder, reading, columns):
            source = Source(dataset=dataset or folder.resolve().name, format=format_of_rasters(folder, reading))
            located = _from_source(glacier, source, folder, reading, columns)
            located.notes.extend(left_beside_masks(glacier, folder, vector_input(reading, columns)))
            located.notes.extend(_told_of_others(glacier, source))
            return located
    path = vectors_in(glacier, data, vector_input(reading, columns), known)
    if path is not None:
        return _from_file(glacier, path, reading, columns, dataset)
    if not any(data.iterdir()):
        raise DataNotFoundError(f"--data {data} is empty; expected {_expected(glacier)}")
    for file in vector_files(data) if not dataset else []:
        # What its columns tell is nearer than what could lie there.
        _say_why_not(file, glacier, vector_input(reading, columns))
    of_it = f"{glacier.name} called '{dataset}'" if dataset else glacier.name
    raise DataNotFoundError(f"--data {data} holds nothing of {of_it}; expected {_expected(glacier)}")


def _refuse_columns(columns: VectorReading, what: str) -> None:
    """Refuse options about the columns of layers for input that has none."""
    for option in ("name_column", "date_column", "id_column"):
        if getattr(columns, option):
            raise UsageError(f"--{option.replace('_', '-')}: {what} has no columns; leave it out")


def _expected(glacier: Glacier) -> str:
    return f"one of: {_sources(glacier)}; a CaFFe tree; dated masks (*.tif); or a vector file that names the glacier"


def _refuse_dates(reading: MaskReading, folder: Path) -> None:
    """Refuse what was told of dates where file names do not need it."""
    told = reading.date_reading
    if reading.dates or not (told.form or told.order):
        return
    if told.form:
        raise UsageError(f"--date-format {told.form}: it is of columns; file names are read as they are")
    if not order_decides(named_with_date(path) for path in mask_files(folder)):
        raise UsageError(f"--{told.order}: no file name of {folder.name} needs it; leave it out")


def _from_source(glacier: Glacier, source: Source, path: Path, reading: MaskReading, columns: VectorReading) -> Located:
    scenes: Iterator[Scene | ImageScene | UnreadableScene]
    given = vector_input(reading, columns)
    if reading.dates and source.format in ("outlines", "traces", "masks"):
        given.notes.extend(missing_files(reading, path))
    if source.format not in ("outlines", "traces"):
        _refuse_columns(columns, f"{path.name} ({source.format})")
    elif not glacier.surging and is_surging_in(path, glacier=glacier, source=source, given=given):
        glacier = glacier.model_copy(update={"surging": True})
    if source.format == "outlines":
        scenes = outline_scenes(path, glacier=glacier, source=source, given=given)
    elif source.format == "traces":
        scenes = trace_scenes(path, glacier=glacier, source=source, given=given)
        glacier = _with_centreline(glacier, source, path)
    elif source.format == "caffe":
        code = source.code or glacier.name
        if caffe_has_zones(path, code):
            scenes = caffe_scenes(path, glacier=glacier.name, code=code, dataset=source.dataset)
        else:
            scenes = caffe_images(path, glacier=glacier.name, code=code, dataset=source.dataset)
    elif source.format == "masks":
        _refuse_dates(reading, path)
        told = _told_of_masks(reading, source, glacier)
        scenes = masks_in_folder(path, glacier=glacier.name, dataset=source.dataset, reading=told)
    elif source.format == "images":
        _refuse_dates(reading, path)
        # What a manifest calls images is not looked at for masks.
        told_images = replace(reading, are_images=True) if source in glacier.sources else reading
        scenes = images_in_folder(path, glacier=glacier.name, dataset=source.dataset, reading=told_images)
    elif source.format == "landsat-fronts":
        images = list(landsat_front_images(path, glacier=glacier.name, code=source.code, dataset=source.dataset))
        scenes = iter(images)
        height, width = next((scene.shape for scene in images if isinstance(scene, ImageScene)), (0, 0))
        glacier = upright_glacier(glacier, width_px=width, height_px=height)
    else:
        raise UsageError(f"{glacier.name}: source {source.dataset} is no folder of input")
    return Located(
        glacier=glacier, dataset=source.dataset, origin=str(path), simulated=False, scenes=scenes, notes=given.notes,
        source=source,
    )  # fmt: skip


def _told_of_masks(reading: MaskReading, source: Source, glacier: Glacier) -> MaskReading:
    """Return how masks are to be read, with what the manifest says of their source."""

    def known(value: float | None, otherwise: float) -> float:
        return otherwise if value is None else value

    return replace(
        reading,
        delineation_sigma_m=known(source.delineation_sigma_m, reading.delineation_sigma_m),
        georeferencing_sigma_m=known(source.georeferencing_sigma_m, reading.georeferencing_sigma_m),
        image_resolution_m=source.resolution_m or reading.image_resolution_m,
        flags={**reading.flags, **source.flags},
        on_land=reading.on_land or glacier.terminus_type == "land",
    )


def _from_file(glacier: Glacier, path: Path, reading: MaskReading, columns: VectorReading, dataset: str) -> Located:
    """Use vector files that the catalog does not know: their geometry tells outlines from traces."""
    if is_one_file(path) and not is_vector(path):
        raise InputError(f"--data {path.name} is no folder and no vector file ({', '.join(VECTOR_ENDINGS)})")
    known = next((source for source in glacier.sources if source.path and Path(source.path).name == path.name), None)
    if known is not None:
        return _from_source(glacier, known, path, reading, columns)
    given = vector_input(reading, columns)
    found = find_in_vectors(path, glacier, given=given)
    if found is not None:
        layer, kind, crs = found.layer, found.kind, found.crs
    else:
        layers = layers_of(path)
        table = read_layer(layers[0] if layers else path, crs=given.crs)
        layer, kind, crs = "", next(geometry_kinds(table), "traces"), table.crs
    name = path.stem if is_one_file(path) else path.resolve().name
    source = Source(dataset=dataset or name, format="outlines" if kind == "outlines" else "traces", layer=layer)
    if glacier.crs is None:
        glacier = glacier.model_copy(update={"crs": crs.to_string()})
    return _from_source(glacier, source, path, reading, columns)


def _with_centreline(glacier: Glacier, source: Source, path: Path) -> Glacier:
    """Return the glacier with the centreline that its source brings along, where the catalog has none."""
    found = None if glacier.centreline is not None else source_centreline(path, source=source)
    if found is None:
        return glacier
    line, crs = found
    if glacier.crs is not None and glacier.projection is not None and not glacier.projection.equals(crs):
        moved = gpd.GeoSeries([line.linestring], crs=crs).to_crs(glacier.crs).iloc[0]
        line = Line(
            coordinates=[(float(x), float(y)) for x, y in shapely.get_coordinates(moved)], drawn_by=line.drawn_by
        )
    return glacier.model_copy(update={"centreline": line, "crs": glacier.crs or crs})


def glacier_in_data(
    name: str,
    data: Path,
    *,
    dataset: str = "",
    reading: MaskReading | None = None,
    columns: VectorReading | None = None,
) -> Glacier | None:
    """Return a glacier that the catalog does not know but that vector files of the data name, or None.

    It is called as they call it; the data set is called ``dataset``, or as the file or the folder is.
    """
    given = vector_input(reading or MaskReading(), columns or VectorReading())
    candidate = Glacier(name=name)
    if is_one_file(data):
        path = data if is_vector(data) else None
    else:
        path = vectors_in(candidate, data, given, set()) if data.is_dir() else None
    found = None if path is None else find_in_vectors(path, candidate, given=given)
    if path is None or found is None:
        if path is not None and path == data:
            _say_why_not(path, candidate, given)
        return None
    areal = found.kind == "outlines"
    source = Source(
        dataset=dataset or (path.stem if is_one_file(path) else path.resolve().name),
        format="outlines" if areal else "traces",
        path=path.name if is_one_file(data) else str(path.relative_to(data)),
        layer=found.layer,
        boxes_layer="boxes" if areal else "",
        centreline_layer="" if areal else "centreline",
        code=name,
    )
    return Glacier(name=found.name or name, crs=found.crs.to_string(), sources=(source,))


def _say_why_not(path: Path, glacier: Glacier, given: VectorInput) -> None:
    """Raise why no layer of a file that the user named is of a glacier, as far as its columns tell."""
    for layer in layers_of(path):
        table = read_layer(layer, crs=given.crs)
        if next(geometry_kinds(table), ""):
            rows_of_glacier(table, glacier, reading=given.reading, where=layer.label)
