"""Vector layers of ice outlines and of traced calving fronts, as dated scenes.

A source is a file, a zip of one or several, or a folder of files. The columns that name the glacier, the date and the
image are looked for under the names that the inventories and archives of the field use (:mod:`glaciertime.naming`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyproj
import shapely

from glaciertime import naming
from glaciertime.catalog import Glacier, Line, Source, is_surging
from glaciertime.dates import Dated, month_of
from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError, UsageError
from glaciertime.meridian import joined_at_180
from glaciertime.naming import counted, first_column, fold_name
from glaciertime.scenes.acquisition import Acquisition, OutlineScene, TraceScene, UnreadableScene
from glaciertime.scenes.dated_rows import DatedRow, GlacierLayer, glacier_layer
from glaciertime.scenes.glacier_rows import ALL_ROWS, VectorReading, rows_of_glacier, wanted_names
from glaciertime.scenes.layers import VECTOR_ENDINGS, Layer, geometry_kinds, is_one_file, layers_of, read_layer
from glaciertime.scenes.names import sensor_in_name
from glaciertime.scenes.one_place import check_one_place
from glaciertime.scenes.parts import Observed, is_of_glacier, lines_of, merged_outlines, merged_traces, polygons_of

__all__ = [
    "VECTOR_ENDINGS",
    "GlacierFound",
    "VectorInput",
    "find_in_vectors",
    "is_surging_in",
    "outline_scenes",
    "read_layer",
    "source_centreline",
    "trace_scenes",
]

#: Layers beside the outlines or traces of a file, by their usual names.
_BESIDE = ("boxes", "centreline", "centerline")


@dataclass(frozen=True, kw_only=True)
class VectorInput:
    """What the command line says of vector files beside their columns."""

    reading: VectorReading = field(default_factory=VectorReading)
    crs: pyproj.CRS | None = None
    #: Dates of files, by their names.
    dates: Mapping[str, Dated | str] = field(default_factory=dict)
    #: What was done to the rows, in sentences that the readers add.
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class GlacierFound:
    """Where a glacier is in vector files, and what they call it."""

    name: str
    kind: str
    layer: str
    crs: pyproj.CRS
    is_named: bool


def find_in_vectors(path: Path, glacier: Glacier, *, given: VectorInput | None = None) -> GlacierFound | None:
    """Return how a file, a zip or a folder of files holds a glacier; None where none of its layers names it.

    Layers without a column that names glaciers count where the name of the file, or of the layer, is the glacier's.
    """
    given = given or VectorInput()
    several = not is_one_file(path) or path.suffix.lower() == ".zip"
    found: list[tuple[str, GlacierFound]] = []
    for layer in layers_of(path):
        try:
            table = read_layer(layer, crs=given.crs)
            chosen = rows_of_glacier(table, glacier, reading=given.reading, where=layer.label)
        except GlacierTimeError:
            continue
        named_by_file = not chosen.is_named and _stem_names(layer, glacier)
        if not chosen.is_named and not named_by_file:
            continue
        kind = next(geometry_kinds(chosen.table), "")
        if kind and layer.name not in _BESIDE:
            one = GlacierFound(
                name=chosen.name or glacier.name, kind=kind, layer="", crs=table.crs, is_named=chosen.is_named
            )  # fmt: skip
            if several:
                return one
            found.append((layer.name, one))
    return replace(found[0][1], layer=found[0][0] if len(found) == 1 else "") if found else None


def outline_scenes(
    path: Path, *, glacier: Glacier, source: Source, given: VectorInput | None = None
) -> Iterator[OutlineScene | UnreadableScene]:
    """Yield the ice outlines of a glacier in order of date.

    Parts of one day are one outline, the rock that GLIMS draws as rows of their own is taken off, and equal rows are
    counted once.

    Parameters
    ----------
    path : Path
        Vector file, zip or folder with polygons, dates and, where it holds several glaciers, a column that names them.
    glacier, source
        From the catalog; ``source.boxes_layer`` names a layer of boxes that wins over the catalog's box.
    given : VectorInput, optional
        What the user said of it.
    """
    given = given or VectorInput()
    rows, problems = _gather(path, glacier, source, given, "outlines")
    yield from problems
    boxes: dict[str, shapely.Polygon | None] = {}
    merged = list(merged_outlines(rows))
    given.notes.extend(_what_was_done(rows, merged))
    for acquisition, geometry in _acquisitions(merged, path, glacier, source, problems := []):
        crs = acquisition.crs
        key = crs.to_wkt() if crs is not None else ""
        if key not in boxes:
            boxes[key] = _box(path, glacier, source, given, crs)
        yield OutlineScene(acquisition=acquisition, ice=geometry, box=boxes[key])
    yield from problems


def trace_scenes(
    path: Path, *, glacier: Glacier, source: Source, given: VectorInput | None = None
) -> Iterator[TraceScene | UnreadableScene]:
    """Yield the traced calving fronts of a glacier in order of date; pieces of one day and image are one front."""
    given = given or VectorInput()
    rows, problems = _gather(path, glacier, source, given, "traces")
    yield from problems
    merged = list(merged_traces(rows))
    given.notes.extend(_what_was_done(rows, merged))
    for acquisition, geometry in _acquisitions(merged, path, glacier, source, problems := []):
        yield TraceScene(acquisition=acquisition, line=geometry)
    yield from problems


def _gather(
    path: Path, glacier: Glacier, source: Source, given: VectorInput, kind: str
) -> tuple[list[DatedRow], list[UnreadableScene]]:
    """Return the dated rows of a glacier out of all layers of a source, and what could not be read."""
    layers = _layers_to_read(path, source)
    single = len(layers) == 1
    in_one_file = is_one_file(path) and path.suffix.lower() != ".zip"
    problems: list[UnreadableScene] = []
    left_out: list[Layer] = []
    read: list[tuple[Layer, GlacierLayer]] = []
    errors: list[GlacierTimeError] = []
    for layer in layers:
        try:
            found = glacier_layer(
                layer, glacier, source=source, reading=given.reading, crs=given.crs, dates=given.dates
            )  # fmt: skip
        except GlacierTimeError as error:
            if single:
                raise
            errors.append(error)
            if in_one_file and not isinstance(error, DataNotFoundError):
                given.notes.append(f"a layer was left out: {error}")
            elif not isinstance(error, DataNotFoundError) and _may_hold(layer, kind):
                problems.append(UnreadableScene(input=str(layer.path), reason=str(error)))
            continue
        if single or any(_is_of_kind(row, kind) for row in found.rows):
            read.append((layer, found))
        else:
            left_out.append(layer)
    if not read:
        raise errors[0] if errors else DataNotFoundError(f"{path.name} holds no {kind} of {glacier.name}")
    told = given.reading.dates
    if (told.form or told.order) and not any(found.used for _, found in read) and not given.dates:
        raise UsageError(
            f"{'--date-format ' + told.form if told.form else '--' + told.order}: no date of {path.name} needs it; "
            "leave it out"
        )
    read = _of_the_glacier(read, glacier, path)
    if left_out:
        other = "traces" if kind == "outlines" else "outlines"
        given.notes.append(
            f"{len(left_out)} with {other} left out beside the {kind} ({left_out[0].label}); to measure them give "
            "--data a file or a folder with nothing else"
        )
    rows: list[DatedRow] = []
    for layer, found in read:
        given.notes.extend(found.notes)
        for row in found.rows:
            if isinstance(row.dated, str):
                problems.append(
                    UnreadableScene(input=str(layer.path), reason=f"{layer.label}, row {row.number}: {row.dated}")
                )
            else:
                rows.append(row)
    if not all(found.is_named for _, found in read) and given.reading.name_column.casefold() != ALL_ROWS:
        check_one_place(rows, kind, path)
    return rows, problems


def _layers_to_read(path: Path, source: Source) -> list[Layer]:
    layers = layers_of(path)
    beside = {*_BESIDE, source.boxes_layer, source.centreline_layer} - {""}
    if source.layer:
        named = [layer for layer in layers if source.layer in (layer.name, layer.member)]
        if not named:
            read_layer(path, source.layer)
        return named
    layers = [layer for layer in layers if layer.name not in beside]
    if not layers:
        read_layer(path)
        return [Layer(path)]
    return layers


def _may_hold(layer: Layer, kind: str) -> bool:
    """Return whether a layer that gave no rows could have some of a kind: one that cannot be read could."""
    try:
        return kind in geometry_kinds(read_layer(layer, crs="EPSG:4326"))
    except GlacierTimeError:
        return True


def _is_of_kind(row: DatedRow, kind: str) -> bool:
    if kind == "outlines":
        return not polygons_of(row.geometry)[0].is_empty
    return bool(lines_of(row.geometry))


def _stem_names(layer: Layer, glacier: Glacier) -> bool:
    """Return whether the name of a file or of a layer holds one of the glacier's names as whole words."""
    words = f" {_words(layer.stem)} {_words(layer.name)} "
    return any(f" {_words(name)} " in words for name in wanted_names(glacier))


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", fold_name(text)))


def _of_the_glacier(
    read: list[tuple[Layer, GlacierLayer]], glacier: Glacier, path: Path
) -> list[tuple[Layer, GlacierLayer]]:
    """Return the layers of a glacier where no column names it: those whose names do, or all that are named alike.

    Raises
    ------
    InputError
        Where the files are named differently, and none after the glacier: they may be of several.
    """
    named = [pair for pair in read if pair[1].is_named]
    if named or len(read) == 1:
        return named or read
    named = [pair for pair in read if _stem_names(pair[0], glacier)]
    if named:
        return named
    kinds = {_undated(layer) for layer, _ in read}
    if len(kinds) > 1:
        shown = ", ".join(layer.label for layer, _ in read[:4])
        raise InputError(
            f"{path.name}: neither a column nor the names of the files ({shown}, ...) tell which are of "
            f"{glacier.name}; put its name into the names of its files, or each glacier's files into a folder"
        )
    return read


def _undated(layer: Layer) -> str:
    """Return the words of a file's name that are no date, number or sensor."""
    words = _words(layer.stem if is_one_file(layer.path) else layer.name).split()
    return " ".join(word for word in words if word.isalpha() and not month_of(word))


def _what_was_done(rows: Sequence[DatedRow], merged: Sequence[Observed | tuple[DatedRow, str]]) -> list[str]:
    """Return in sentences what became of rows that are no observation of their own."""
    observed = [one for one in merged if isinstance(one, Observed)]
    twice = sum(one.twice for one in observed)
    told = {
        "parts of one day were joined: {rows} in {observations}": [one for one in observed if len(one.rows) > 1],
        "rock was taken off {outlines}": [one for one in observed if one.rock],
        "an outline that crosses itself was mended: {observations}": [one for one in observed if "mended" in one.flags],
    }
    sentences = [
        text.format(
            rows=counted(sum(len(one.rows) for one in ones), "rows"),
            **{things: counted(len(ones), things) for things in ("observations", "outlines")},
        )
        for text, ones in told.items() if ones
    ]  # fmt: skip
    if twice:
        sentences.append(f"rows that are there twice were counted once: {twice}")
    days: dict[Any, int] = {}
    for one in observed:
        key = (one.rows[0].dated, one.rows[0].author, one.rows[0].image_id)
        days[key] = days.get(key, 0) + 1
    several = [key for key, count in days.items() if count > 1]
    if several:
        first = min(dated.date for dated, _, _ in several)
        sentences.append(
            f"{counted(len(several), 'days', 'have')} several geometries of the same ground that differ ({first}): "
            "each is an "
            "observation of its own; keep one where only one is right"
        )
    left = sorted({row.line_type for row in rows if not is_of_glacier(row.line_type)})
    if left:
        sentences.append(f"rows of line_type {', '.join(left)} are no ice and were left out")
    return sentences


def _acquisitions(
    observed: Sequence[Observed | tuple[DatedRow, str]],
    path: Path,
    glacier: Glacier,
    source: Source,
    problems: list[UnreadableScene],
) -> list[tuple[Acquisition, Any]]:
    """Return what was observed in order of date; observations of one image and day get numbered names."""
    found = []
    for one in observed:
        if isinstance(one, Observed):
            found.append((_acquisition(one.rows, path, glacier, source, one.flags), one.geometry))
            continue
        row, reason = one
        acquisition = _acquisition([row], path, glacier, source, {})
        problems.append(
            UnreadableScene(
                input=acquisition.input,
                reason=f"{row.layer.label}, {acquisition.date}: {reason}",
                date=acquisition.date,
                acquisition=acquisition,
            )
        )
    found.sort(key=lambda pair: (pair[0].date, pair[0].image_id))
    seen: dict[str, int] = {}
    numbered = []
    for acquisition, geometry in found:
        count = seen[acquisition.image_id] = seen.get(acquisition.image_id, 0) + 1
        if count > 1:
            image_id = f"{acquisition.image_id}#{count}"
            acquisition = Acquisition(**{**acquisition.__dict__, "image_id": image_id})
        numbered.append((acquisition, geometry))
    return numbered


def _acquisition(
    rows: Sequence[DatedRow], path: Path, glacier: Glacier, source: Source, flags: Mapping[str, str]
) -> Acquisition:
    first = rows[0]
    assert isinstance(first.dated, Dated)
    image = next((row.image_id for row in rows if row.image_id), "")
    author = next((row.author for row in rows if row.author), "")
    sensor = next((row.sensor for row in rows if row.sensor), "")
    dataset = source.dataset or author or path.stem
    told = {flag: why for row in rows for flag, why in row.flags.items()}
    kinds = {row.front_of for row in rows} - {""}
    return Acquisition(
        glacier=glacier.name,
        date=first.dated.date,
        dataset=dataset,
        image_id=image or f"{first.layer.stem}_{first.dated.date.isoformat()}",
        source="observed",
        input=str(first.layer.path.resolve()),
        sensor=sensor or sensor_in_name(image or first.layer.stem),
        author=author or dataset,
        crs=first.crs,
        resolution_m=source.resolution_m or math.nan,
        delineation_sigma_m=source.delineation_sigma_m or math.nan,
        georeferencing_sigma_m=source.georeferencing_sigma_m or math.nan,
        flags={**source.flags, **told, **first.dated.flags, **flags},
        front_of=kinds.pop() if len(kinds) == 1 else "",
        parts=tuple(dict.fromkeys(str(row.layer.path.resolve()) for row in rows)),
    )


def _layer_beside(path: Path, name: str) -> Layer | None:
    """Return a layer that a source names beside its scenes; one that is not named is not there."""
    return next((layer for layer in layers_of(path) if name and layer.name == name), None)


def _box(
    path: Path, glacier: Glacier, source: Source, given: VectorInput, crs: pyproj.CRS | None
) -> shapely.Polygon | None:
    """Return the box that a source brings along, in the coordinates of the outlines."""
    layer = _layer_beside(path, source.boxes_layer)
    if layer is None:
        return None
    table = read_layer(layer, crs=given.crs)
    try:
        chosen = rows_of_glacier(table, glacier, code=source.code, reading=VectorReading(), where=layer.label)
    except DataNotFoundError:
        return None
    if chosen.table.empty:
        return None
    if len(chosen.table) > 1:
        raise InputError(f"{layer.label}: {len(chosen.table)} boxes of {glacier.name}; keep one")
    box = chosen.table.geometry
    if crs is not None and not table.crs.equals(crs):
        edge = 0.005 if table.crs.is_geographic else 500.0
        box = gpd.GeoSeries(shapely.segmentize(box.to_numpy(), edge), crs=table.crs).to_crs(crs)
    geometry = box.iloc[0]
    return joined_at_180(geometry) if crs is not None and crs.is_geographic else geometry


def is_surging_in(path: Path, *, glacier: Glacier, source: Source, given: VectorInput) -> bool:
    """Return whether an attribute of a glacier's rows speaks of a surge, see :func:`glaciertime.catalog.is_surging`."""
    for layer in _layers_to_read(path, source):
        try:
            table = read_layer(layer, crs=given.crs)
            column = first_column(table.columns, naming.SURGE_COLUMNS)
            if column is None:
                continue
            rows = rows_of_glacier(table, glacier, code=source.code, reading=given.reading, where=layer.label)
        except GlacierTimeError:
            continue
        if any(is_surging(code) for code in rows.table[column].unique()):
            return True
    return False


def source_centreline(path: Path, *, source: Source) -> tuple[Line, str] | None:
    """Return the centreline that a source brings along, from inland to the sea, with its CRS as text."""
    layer = _layer_beside(path, source.centreline_layer)
    if layer is None:
        return None
    table = read_layer(layer)
    if table.empty:
        raise InputError(f"{path.name}: the layer {source.centreline_layer} is empty; expected one line")
    geometry = shapely.line_merge(shapely.force_2d(table.geometry.iloc[0]))
    if geometry.geom_type != "LineString":
        raise InputError(f"{path.name}: the centreline in layer {source.centreline_layer} is not one connected line")
    if table.crs.is_geographic:
        geometry = joined_at_180(geometry)
    coordinates = [(float(x), float(y)) for x, y in geometry.coords]
    if source.centreline_runs_inland:
        coordinates.reverse()
    return Line(coordinates=coordinates, drawn_by=source.dataset), table.crs.to_string()
