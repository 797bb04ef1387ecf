"""Vector layers of ice outlines and of traced calving fronts, as dated scenes.

The columns that name the glacier, the date and the image are looked for under the names that the front archives of
the field use (TermPicks, MEaSUREs, CALFIN and their kin).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely

from glaciertime.catalog import Glacier, Line, Source
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.acquisition import Acquisition, OutlineScene, TraceScene, UnreadableScene
from glaciertime.scenes.names import EARLIEST, sensor_in_name
from glaciertime.scenes.source_flags import flags_told
from glaciertime.units import as_date

__all__ = ["VECTOR_ENDINGS", "glacier_in_file", "outline_scenes", "read_layer", "source_centreline", "trace_scenes"]

VECTOR_ENDINGS = (".gpkg", ".shp", ".geojson", ".json", ".parquet", ".fgb")

_GLACIER_COLUMNS = ("glacier", "GlacierID", "Glacier_ID", "GlacierName", "Glacier", "Name", "name", "OfficialN")
_DATE_COLUMNS = ("date", "Date", "SourceDate", "Source_Date", "DATE")
_IMAGE_COLUMNS = ("ImageID", "Image_ID", "image_id", "SceneID", "Scene_ID")
_AUTHOR_COLUMNS = ("Author", "author", "Dataset", "dataset", "source", "Source")
_SENSOR_COLUMNS = ("Satellite", "Sensor", "satellite", "sensor")


def read_layer(path: Path, layer: str = "") -> gpd.GeoDataFrame:
    """Read one layer of a vector file; without a name, its only or first layer with a geometry.

    Raises
    ------
    DataNotFoundError, InputError
        Where the file is absent, cannot be opened, lacks the layer, or has no CRS.
    """
    if not path.is_file():
        raise DataNotFoundError(f"{path}: there is no such file")
    try:
        if path.suffix.lower() == ".parquet":
            table = gpd.read_parquet(path)
        else:
            layers = _layers(path)
            if layer and layer not in layers:
                raise InputError(f"{path.name} has no layer '{layer}'; it has {', '.join(layers) or 'none'}")
            table = gpd.read_file(path, layer=layer or layers[0])
    except InputError:
        raise
    except Exception as error:  # pyogrio, pyarrow and GDAL each raise their own kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path.name} cannot be read as a vector file ({reason}); is it damaged?") from error
    if table.crs is None:
        raise InputError(f"{path.name} has no coordinate system; assign one, for example with ogr2ogr -a_srs EPSG:CODE")
    return table


def _column(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in table.columns), None)


def _rows(path: Path, glacier: Glacier, source: Source) -> gpd.GeoDataFrame:
    """Return the rows of a layer that belong to a glacier."""
    table = read_layer(path, source.layer)
    column = _column(table, _GLACIER_COLUMNS)
    wanted = {name.casefold() for name in (source.code or glacier.name, glacier.name, *glacier.aliases)}
    if column is not None:
        rows = table[table[column].astype(str).str.casefold().isin(wanted)]
        if rows.empty:
            known = sorted(table[column].astype(str).unique())
            raise DataNotFoundError(
                f"{path.name} holds nothing of {glacier.name}; its column {column} names {', '.join(known[:8])}"
                + (", ..." if len(known) > 8 else "")
            )
        table = rows
    if table.empty:
        raise DataNotFoundError(f"{path.name}: the layer {source.layer or 'read'} is empty")
    if _column(table, _DATE_COLUMNS) is None:
        raise InputError(f"{path.name} has no column of dates; expected one of {', '.join(_DATE_COLUMNS)}")
    return table


def _acquisition(
    row: dict[Any, Any], table: gpd.GeoDataFrame, path: Path, glacier: Glacier, source: Source
) -> Acquisition | UnreadableScene:
    date_text = row[_column(table, _DATE_COLUMNS)]
    try:
        date = as_date(date_text)
    except InputError as error:
        return UnreadableScene(input=str(path), reason=f"{path.name}: {error}")
    if not EARLIEST <= date <= dt.date.today():
        return UnreadableScene(
            input=str(path), reason=f"{path.name}: {date} is before {EARLIEST.year} or in the future; correct the date"
        )

    def text(columns: tuple[str, ...]) -> str:
        column = _column(table, columns)
        value = row[column] if column is not None else None
        return "" if value is None or pd.isna(value) else str(value)

    image = text(_IMAGE_COLUMNS)
    own_dataset = source.dataset or text(_AUTHOR_COLUMNS) or path.stem
    return Acquisition(
        glacier=glacier.name,
        date=date,
        dataset=own_dataset,
        image_id=image or f"{path.stem}_{date.isoformat()}",
        source="observed",
        input=str(path.resolve()),
        sensor=text(_SENSOR_COLUMNS) or sensor_in_name(image),
        author=text(_AUTHOR_COLUMNS) or own_dataset,
        crs=table.crs,
        resolution_m=source.resolution_m or math.nan,
        delineation_sigma_m=source.delineation_sigma_m or math.nan,
        georeferencing_sigma_m=source.georeferencing_sigma_m or math.nan,
        flags={**source.flags, **flags_told(row, table.columns.drop(table.geometry.name))},
    )


def _scenes(
    path: Path, glacier: Glacier, source: Source
) -> Iterator[tuple[Acquisition, shapely.Geometry] | UnreadableScene]:
    """Yield the dated rows of a layer in order of date; rows that bear the same image get numbered names."""
    table = _rows(path, glacier, source)
    seen: dict[str, int] = {}
    found: list[tuple[Acquisition, shapely.Geometry]] = []
    for row in table.to_dict("records"):
        acquisition = _acquisition(row, table, path, glacier, source)
        if isinstance(acquisition, UnreadableScene):
            yield acquisition
            continue
        count = seen[acquisition.image_id] = seen.get(acquisition.image_id, 0) + 1
        if count > 1:
            acquisition = _renamed(acquisition, f"{acquisition.image_id}#{count}")
        found.append((acquisition, row[table.geometry.name]))
    yield from sorted(found, key=lambda pair: (pair[0].date, pair[0].image_id))


def _renamed(acquisition: Acquisition, image_id: str) -> Acquisition:
    return Acquisition(**{**acquisition.__dict__, "image_id": image_id})


def glacier_in_file(path: Path, glacier: Glacier) -> tuple[str, bool] | None:
    """Return the first dated layer of a vector file that names a glacier, and whether it holds polygons."""
    wanted = {name.casefold() for name in (glacier.name, *glacier.aliases)}
    for layer in _layers(path):
        try:
            table = read_layer(path, layer)
        except InputError:
            continue
        column = _column(table, _GLACIER_COLUMNS)
        if column is None or _column(table, _DATE_COLUMNS) is None:
            continue
        rows = table[table[column].astype(str).str.casefold().isin(wanted)]
        if not rows.empty:
            return layer, bool(rows.geom_type.isin(["Polygon", "MultiPolygon"]).mean() > 0.5)
    return None


def _layers(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        return [""]
    try:
        return [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except pyogrio.errors.DataSourceError:
        return []


def outline_scenes(path: Path, *, glacier: Glacier, source: Source) -> Iterator[OutlineScene | UnreadableScene]:
    """Yield the ice outlines of a glacier in order of date.

    Parameters
    ----------
    path : Path
        Vector file with polygons, a column of dates and, where it holds several glaciers, one that names them.
    glacier, source
        From the catalog; ``source.boxes_layer`` names a layer of boxes that wins over the catalog's box.
    """
    boxes = _boxes(path, glacier, source)
    for scene in _scenes(path, glacier, source):
        if isinstance(scene, UnreadableScene):
            yield scene
            continue
        acquisition, geometry = scene
        if geometry is None or geometry.is_empty:
            yield UnreadableScene(
                input=str(path), reason=f"{path.name}, {acquisition.date}: the row has no geometry",
                date=acquisition.date, acquisition=acquisition,
            )  # fmt: skip
            continue
        ice = shapely.make_valid(shapely.force_2d(geometry))
        yield OutlineScene(acquisition=acquisition, ice=_polygons(ice), box=boxes)


def _polygons(geometry: shapely.Geometry) -> shapely.MultiPolygon:
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.MultiPolygon([polygon for part in parts for polygon in shapely.get_parts(part)])


def _boxes(path: Path, glacier: Glacier, source: Source) -> shapely.Polygon | None:
    if source.boxes_layer not in _layers(path):
        return None
    table = read_layer(path, source.boxes_layer)
    column = _column(table, _GLACIER_COLUMNS)
    if column is not None:
        wanted = {name.casefold() for name in (source.code, glacier.name, *glacier.aliases)}
        table = table[table[column].astype(str).str.casefold().isin(wanted)]
    return None if table.empty else table.geometry.iloc[0]


def trace_scenes(path: Path, *, glacier: Glacier, source: Source) -> Iterator[TraceScene | UnreadableScene]:
    """Yield the traced calving fronts of a glacier in order of date."""
    for scene in _scenes(path, glacier, source):
        if isinstance(scene, UnreadableScene):
            yield scene
            continue
        acquisition, geometry = scene
        lines = [
            part for part in shapely.get_parts(shapely.force_2d(geometry)) if part.geom_type == "LineString"
        ] if geometry is not None else []  # fmt: skip
        if not lines:
            yield UnreadableScene(
                input=str(path), reason=f"{path.name}, {acquisition.date}: the row holds no line",
                date=acquisition.date, acquisition=acquisition,
            )  # fmt: skip
            continue
        line = lines[0] if len(lines) == 1 else shapely.MultiLineString(lines)
        yield TraceScene(acquisition=acquisition, line=line)


def source_centreline(path: Path, *, source: Source) -> tuple[Line, str] | None:
    """Return the centreline that a source brings along, from inland to the sea, with its CRS as text."""
    if source.centreline_layer not in _layers(path):
        return None
    table = read_layer(path, source.centreline_layer)
    if table.empty:
        raise InputError(f"{path.name}: the layer {source.centreline_layer} is empty; expected one line")
    geometry = shapely.line_merge(shapely.force_2d(table.geometry.iloc[0]))
    if geometry.geom_type != "LineString":
        raise InputError(f"{path.name}: the centreline in layer {source.centreline_layer} is not one connected line")
    coordinates = [(float(x), float(y)) for x, y in geometry.coords]
    if source.centreline_runs_inland:
        coordinates.reverse()
    return Line(coordinates=coordinates, drawn_by=source.dataset), table.crs.to_string()
