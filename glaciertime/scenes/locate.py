"""From a glacier's name and a folder to its dated scenes: the best source at hand, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import shapely

from glaciertime.catalog import Glacier, Line, Source
from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.scenes.acquisition import ImageScene, Scene, UnreadableScene
from glaciertime.scenes.caffe import caffe_has_zones, caffe_root, caffe_scenes
from glaciertime.scenes.crane_simulation import DATASET, simulated_crane, simulated_scenes
from glaciertime.scenes.folder import RASTER_ENDINGS, MaskReading, mask_files, masks_in_folder
from glaciertime.scenes.images import caffe_images, landsat_front_images, upright_glacier
from glaciertime.scenes.vectors import (
    VECTOR_ENDINGS,
    glacier_in_file,
    outline_scenes,
    read_layer,
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


def locate(
    glacier: Glacier,
    *,
    data: Path | None,
    downloads: Path | None = None,
    reading: MaskReading | None = None,
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
        How masks are to be read.
    dataset : str
        Only that source of the catalog's; or, for input that the catalog does not know, the name it is to have,
        default the folder's or the file's.

    Raises
    ------
    DataNotFoundError
        Where nothing of the glacier is found; the message says what was looked for.
    """
    reading = reading or MaskReading()
    sources = glacier.sources
    if dataset:
        sources = tuple(source for source in sources if source.dataset.casefold() == dataset.casefold())
        if not sources and data is None:
            raise DataNotFoundError(
                f"{glacier.name}: no source is called '{dataset}'; known are {_names(glacier)}. For data of your own "
                "give --data FOLDER too"
            )
    if data is not None:
        return _from_data(glacier, data, reading, dataset, sources=sources)
    glacier = glacier.model_copy(update={"sources": sources})
    if downloads is not None and downloads.is_dir():
        for source in glacier.sources:
            if _is_there(source, downloads):
                return _from_source(glacier, source, downloads / source.path, reading)
    if any(source.format == "simulation" for source in glacier.sources):
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


def _names(glacier: Glacier) -> str:
    return ", ".join(dict.fromkeys(source.dataset for source in glacier.sources)) or "none"


def _sources(glacier: Glacier) -> str:
    paths = [f"{source.path} ({source.dataset})" for source in glacier.sources if source.path]
    return ", ".join(paths) or "none"


def _from_data(
    glacier: Glacier, data: Path, reading: MaskReading, dataset: str, *, sources: tuple[Source, ...]
) -> Located:
    if not data.exists():
        raise DataNotFoundError(f"--data {data}: there is no such folder or file")
    if data.is_file() and data.suffix.lower() in RASTER_ENDINGS:
        source = Source(dataset=dataset or data.resolve().parent.name, format="masks")
        return _from_source(glacier, source, data, reading)
    if data.is_file():
        return _from_file(glacier, data, dataset)
    for source in sources:
        if _is_there(source, data):
            return _from_source(glacier, source, data / source.path, reading)
        if source.format == "caffe" and caffe_root(data) is not None:
            return _from_source(glacier, source, data, reading)
    # Under a name of its own, only what the catalog does not know may pass.
    known = {data / source.path for source in glacier.sources if source.path} if dataset else set()
    for folder in (data / glacier.name, data):
        if folder not in known and folder.is_dir() and mask_files(folder):
            source = Source(dataset=dataset or folder.resolve().name, format="masks")
            return _from_source(glacier, source, folder, reading)
    for path in _vector_files(data):
        if path not in known and glacier_in_file(path, glacier):
            return _from_file(glacier, path, dataset)
    if not any(data.iterdir()):
        raise DataNotFoundError(f"--data {data} is empty; expected {_expected(glacier)}")
    of_it = f"{glacier.name} called '{dataset}'" if dataset else glacier.name
    raise DataNotFoundError(f"--data {data} holds nothing of {of_it}; expected {_expected(glacier)}")


def _expected(glacier: Glacier) -> str:
    return f"one of: {_sources(glacier)}; a CaFFe tree; dated masks (*.tif); or a vector file that names the glacier"


def _vector_files(folder: Path) -> list[Path]:
    """Return the vector files of a folder and of its sub-folders, nearest first."""
    files = [path for path in folder.glob("*") if path.suffix.lower() in VECTOR_ENDINGS]
    deeper = [path for path in folder.glob("*/*") if path.suffix.lower() in VECTOR_ENDINGS]
    return sorted(files) + sorted(deeper)


def _from_source(glacier: Glacier, source: Source, path: Path, reading: MaskReading) -> Located:
    scenes: Iterator[Scene | ImageScene | UnreadableScene]
    if source.format == "outlines":
        scenes = outline_scenes(path, glacier=glacier, source=source)
    elif source.format == "traces":
        scenes = trace_scenes(path, glacier=glacier, source=source)
        glacier = _with_centreline(glacier, source, path)
    elif source.format == "caffe":
        code = source.code or glacier.name
        if caffe_has_zones(path, code):
            scenes = caffe_scenes(path, glacier=glacier.name, code=code, dataset=source.dataset)
        else:
            scenes = caffe_images(path, glacier=glacier.name, code=code, dataset=source.dataset)
    elif source.format == "masks":
        told = _told_of_masks(reading, source, glacier)
        scenes = masks_in_folder(path, glacier=glacier.name, dataset=source.dataset, reading=told)
    elif source.format == "landsat-fronts":
        images = list(landsat_front_images(path, glacier=glacier.name, code=source.code, dataset=source.dataset))
        scenes = iter(images)
        height, width = next((scene.shape for scene in images if isinstance(scene, ImageScene)), (0, 0))
        glacier = upright_glacier(glacier, width_px=width, height_px=height)
    else:
        raise UsageError(f"{glacier.name}: source {source.dataset} is no folder of input")
    return Located(glacier=glacier, dataset=source.dataset, origin=str(path), simulated=False, scenes=scenes)


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


def _from_file(glacier: Glacier, path: Path, dataset: str) -> Located:
    """Use one vector file that the catalog does not know: its geometry tells outlines from traces."""
    if path.suffix.lower() not in VECTOR_ENDINGS:
        raise InputError(f"--data {path.name} is no folder and no vector file ({', '.join(VECTOR_ENDINGS)})")
    known = next((source for source in glacier.sources if source.path and Path(source.path).name == path.name), None)
    if known is not None:
        return _from_source(glacier, known, path, MaskReading())
    layer, areal = glacier_in_file(path, glacier) or ("", None)
    table = read_layer(path, layer)
    if areal is None:
        areal = bool(table.geom_type.isin(["Polygon", "MultiPolygon"]).mean() > 0.5)
    source = Source(dataset=dataset or path.stem, format="outlines" if areal else "traces", layer=layer)
    if glacier.crs is None:
        glacier = glacier.model_copy(update={"crs": table.crs.to_string()})
    return _from_source(glacier, source, path, MaskReading())


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


def glacier_in_data(name: str, data: Path, *, dataset: str = "") -> Glacier | None:
    """Return a glacier that the catalog does not know but that a vector file of the data names, or None.

    The data set is called ``dataset``, or as the file is.
    """
    candidate = Glacier(name=name)
    files = [data] if data.is_file() else _vector_files(data) if data.is_dir() else []
    for path in files:
        if path.suffix.lower() not in VECTOR_ENDINGS:
            continue
        found = glacier_in_file(path, candidate)
        if found is not None:
            layer, areal = found
            boxes = "boxes" if areal else ""
            crs = read_layer(path, layer).crs.to_string()
            relative = path.name if data.is_file() else str(path.relative_to(data))
            source = Source(
                dataset=dataset or path.stem, format="outlines" if areal else "traces", path=relative, layer=layer,
                boxes_layer=boxes, centreline_layer="" if areal else "centreline", code=name,
            )  # fmt: skip
            return Glacier(name=name, crs=crs, sources=(source,))
    return None
