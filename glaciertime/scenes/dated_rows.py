"""The rows of one layer that are of one glacier, each with its day or with the reason why it has none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from glaciertime import naming
from glaciertime.catalog import Glacier, Source
from glaciertime.dates import Dated, DateReading, read_dates
from glaciertime.errors import InputError
from glaciertime.front_kinds import front_kind_told
from glaciertime.meridian import joined_at_180
from glaciertime.naming import clean_name, column_called, column_key, columns_among, first_column
from glaciertime.scenes.geometries import check_geometry
from glaciertime.scenes.glacier_rows import GlacierRows, VectorReading, rows_of_glacier
from glaciertime.scenes.layers import Layer, read_layer
from glaciertime.scenes.names import date_in_name
from glaciertime.scenes.source_flags import flags_told

__all__ = ["DatedRow", "GlacierLayer", "days_of_rows", "glacier_layer"]


@dataclass(frozen=True, kw_only=True)
class DatedRow:
    """A geometry of a glacier and its day, or the reason why it cannot be used."""

    dated: Dated | str
    geometry: shapely.Geometry | None
    crs: pyproj.CRS
    layer: Layer
    number: int
    image_id: str = ""
    sensor: str = ""
    author: str = ""
    line_type: str = ""
    #: What the row says that its front is made of.
    front_of: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GlacierLayer:
    """What one layer holds of a glacier."""

    rows: tuple[DatedRow, ...]
    name: str
    #: Whether a column named the glacier.
    is_named: bool
    #: Whether what was told about dates decided any of them.
    used: bool
    #: What was left out of it, in sentences.
    notes: tuple[str, ...] = ()


def glacier_layer(
    layer: Layer,
    glacier: Glacier,
    *,
    source: Source,
    reading: VectorReading,
    crs: Any = None,
    dates: Mapping[str, Dated | str] | None = None,
) -> GlacierLayer:
    """Read the rows of a glacier.

    Parameters
    ----------
    layer : Layer
    glacier, source
        From the catalog; ``source.code`` is what the layer calls the glacier.
    reading : VectorReading
        What was told of columns and dates.
    crs : optional
        The coordinate system of a layer that names none.
    dates : dict, optional
        Dates of files by name; they win over what the file says.

    Raises
    ------
    GlacierTimeError
        Where the layer cannot be read, is empty, holds others only, or tells no dates.
    """
    whole = read_layer(layer, crs=crs)
    if whole.empty:
        raise InputError(f"{layer.label}: the layer is empty")
    chosen = rows_of_glacier(whole, glacier, code=source.code, reading=reading, where=layer.label)
    told = replace(reading.dates, hemisphere=reading.dates.hemisphere or glacier.hemisphere or _hemisphere(whole))
    days, used = days_of_rows(whole, layer, reading, told, dates or {})
    positions = np.flatnonzero(whole.index.isin(chosen.table.index))
    ends = _ends(whole, told)
    columns = {
        "image_id": first_column(whole.columns, naming.IMAGE_COLUMNS),
        "sensor": first_column(whole.columns, naming.SENSOR_COLUMNS),
        "author": first_column(whole.columns, naming.AUTHOR_COLUMNS),
        "line_type": first_column(whole.columns, naming.LINE_TYPE_COLUMNS),
    }
    geographic = whole.crs.is_geographic
    own_columns = whole.columns.drop(whole.geometry.name)
    rows = []
    for position in positions:
        geometry = whole.geometry.iloc[position]
        told_of_row, dated, front_of = whole.iloc[position], days[position], ""
        try:
            check_geometry(geometry, crs=whole.crs)
            front_of = front_kind_told(told_of_row, own_columns)
        except InputError as error:
            dated, geometry = str(error), None
        texts = {what: _text(whole[column].iloc[position]) if column else "" for what, column in columns.items()}
        rows.append(
            DatedRow(
                dated=dated,
                front_of=front_of,
                geometry=joined_at_180(geometry) if geographic and geometry is not None else geometry,
                crs=whole.crs,
                layer=layer,
                number=int(position) + 1,
                flags={
                    **flags_told(told_of_row, own_columns),
                    **(_period(days[position], ends[position]) if ends else {}),
                },
                **texts,
            )
        )
    return GlacierLayer(
        rows=tuple(rows), name=chosen.name, is_named=chosen.is_named, used=used, notes=_unnamed(chosen, layer, glacier)
    )


def _unnamed(chosen: GlacierRows, layer: Layer, glacier: Glacier) -> tuple[str, ...]:
    """Tell of rows that name no glacier and lie where this one is: nobody knows whether they are of it."""
    shapes = chosen.unnamed.geometry[chosen.unnamed.geometry.notna()]
    if shapes.empty or chosen.table.geometry.isna().all():
        return ()
    count = int(shapes.intersects(shapely.box(*chosen.table.total_bounds)).sum())
    if not count:
        return ()
    what = "a row without a name lies" if count == 1 else f"{count} rows without a name lie"
    return (f"{layer.label}: {what} where {glacier.name} is, left out; name the glacier in every row of its",)


def _text(value: Any) -> str:
    return clean_name(value)


def _hemisphere(table: gpd.GeoDataFrame) -> Any:
    """Return where a layer lies: on which side of the equator its middle is."""
    x_min, y_min, x_max, y_max = table.total_bounds
    if not math.isfinite(x_min):
        return None
    transformer = pyproj.Transformer.from_crs(table.crs, "EPSG:4326", always_xy=True)
    _, latitude = transformer.transform((x_min + x_max) / 2, (y_min + y_max) / 2)
    return None if not math.isfinite(latitude) else "north" if latitude >= 0 else "south"


def days_of_rows(
    table: gpd.GeoDataFrame, layer: Layer, reading: VectorReading, told: DateReading, dates: Mapping[str, Dated | str]
) -> tuple[tuple[Dated | str, ...], bool]:
    """Return the day of every row of a layer: from a column, else from the name of the layer or of its file."""
    names = (Path(layer.member or layer.path.name).name, layer.path.name)
    of_file = next((dates[name] for name in names if name in dates), None)
    if of_file is not None:
        return (of_file,) * len(table), False
    columns = [column for column in table.columns if column != table.geometry.name]
    if reading.date_column:
        column = column_called(columns, reading.date_column, option="--date-column", where=layer.label)
        return _column(table[column], layer, told)
    for keys in (naming.DATE_COLUMNS, naming.DECIMAL_YEAR_COLUMNS):
        for column in columns_among(columns, keys):
            if table[column].notna().any():
                return _column(table[column], layer, told)
    parts = _year_month_day(table, columns)
    if parts is not None:
        return _column(parts, layer, told)
    for name in dict.fromkeys((layer.name, names[0])):
        dated = date_in_name(name, reading=told) if name else None
        if dated is not None:
            return (dated,) * len(table), bool(told.order)
    for column in columns_among(columns, (*naming.NAME_COLUMNS, "label", "title")):
        if table[column].notna().all() and all(date_in_name(str(text), reading=told) for text in table[column]):
            found = [date_in_name(str(text), reading=told) for text in table[column]]
            return tuple(dated for dated in found if dated is not None), False
    raise InputError(
        f"{layer.label} has no column of dates and none in its name; its columns are {', '.join(columns) or 'none'}. "
        "Give --date-column, or --dates FILE.csv with the columns file and date"
    )


def _column(values: pd.Series, layer: Layer, told: DateReading) -> tuple[tuple[Dated | str, ...], bool]:
    where = f"{layer.label}, column {values.name}"
    if column_key(values.name) in naming.DECIMAL_YEAR_COLUMNS and not told.form:
        column = read_dates(values, reading=replace(told, form="decimal-year"), where=where)
        return column.rows, False
    column = read_dates(values, reading=told, where=where)
    return column.rows, column.used


def _year_month_day(table: gpd.GeoDataFrame, columns: list[str]) -> pd.Series | None:
    """Return the column of years, joined with those of months and days where there are such."""
    found = [first_column(columns, keys) for keys in (naming.YEAR_COLUMNS, naming.MONTH_COLUMNS, naming.DAY_COLUMNS)]
    year, month = found[:2]
    if year is None or not table[year].notna().any():
        return None
    if month is None:
        return table[year]

    def joined(row: tuple[Any, ...]) -> str:
        texts = [clean_name(value) for value in row]
        known = [text for text in texts if text and text.strip("0")]
        return "-".join(known) if known == texts[: len(known)] else "-".join(texts)

    held = [column for column in found if column is not None]
    return pd.Series(
        [joined(row) for row in table[held].itertuples(index=False, name=None)], index=table.index, name=year
    )


def _ends(table: gpd.GeoDataFrame, told: DateReading) -> tuple[Dated | str, ...]:
    """Return the last day of what every row was drawn on, where a column tells it."""
    column = first_column(table.columns, naming.END_DATE_COLUMNS)
    if column is None:
        return ()
    try:
        return read_dates(table[column], reading=told).rows
    except InputError:
        return ()


def _period(start: Dated | str, end: Dated | str) -> dict[str, str]:
    """Return the flag of an outline that was drawn on images of several days."""
    if isinstance(start, str) or isinstance(end, str) or end.date <= start.date:
        return {}
    return {"nominal-date": f"images of {_as_known(start)} to {_as_known(end)}"}


def _as_known(dated: Dated) -> str:
    return dated.date.isoformat()[: {"year-only": 4, "month-only": 7}.get(dated.flag, 10)]
