"""What a layer of fronts breaks of the form of TermPicks.

Goliber, S., et al. (2022), TermPicks: a century of Greenland glacier terminus data, doi:10.5194/tc-16-3215-2022: traces
in the polar stereographic plane of Greenland, with the attributes of :data:`glaciertime.track.record.formats.ARCHIVES`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from glaciertime.exchange.simulation import simulation_problem
from glaciertime.track.record.formats import ARCHIVES
from glaciertime.units import decimal_year

__all__ = ["PLANE", "termpicks_problems"]

#: The plane of the archive.
PLANE = "EPSG:3413"
_COLUMNS = tuple(name for name in ARCHIVES["termpicks"] if name != "geometry")
#: Of the decimal year of a day: half a day, and that of a leap year against another.
_YEAR_TOLERANCE = 0.006
#: The middle of a front is on it, within what a Shapefile's digits leave.
_CENTRE_M = 5_000.0
_SOUTH_M, _NORTH_M = -3_500_000.0, -500_000.0


def termpicks_problems(layer: pd.DataFrame) -> list[str]:
    """Return what a layer breaks of the form, a sentence each.

    Parameters
    ----------
    layer : GeoDataFrame
        As read from a file.
    """
    missing = [name for name in _COLUMNS if name not in layer]
    if missing:
        return [f"the columns {', '.join(missing)} are missing"]
    if not isinstance(layer, gpd.GeoDataFrame):
        return ["it has no geometry"]
    if layer.empty:
        return ["it has no front"]
    found = []
    if layer.crs is None or not layer.crs.equals(PLANE, ignore_axis_order=True):
        found.append(f"its coordinate system is {layer.crs.to_string() if layer.crs else 'unknown'}, {PLANE} expected")
    for place, row in enumerate(layer.itertuples(), start=1):
        told = [*_of_row(row), *simulation_problem(row._asdict())]
        found += [f"front {place}: {said}" for said in told]
    twice = layer.duplicated(["GlacierID", "Date", "ImageID", "Author"])
    return found + [f"front {place + 1}: the same as an earlier one" for place in np.flatnonzero(twice)]


def _of_row(row: Any) -> list[str]:
    found = [f"{name} is empty" for name in ("GlacierID", "Author") if _is_empty(getattr(row, name))]
    text = f"{row.Date:%Y-%m-%d}" if hasattr(row.Date, "year") else str(row.Date)
    try:
        date = dt.date.fromisoformat(text[:10])
    except ValueError:
        date = None
        found.append(f"Date '{text}' is not YYYY-MM-DD")
    if date is not None:
        if date > dt.date.today():
            found.append(f"Date {text} lies in the future")
        try:
            parts = (int(row.Year), int(row.Month), int(row.Day))
            apart = abs(float(row.DecDate) - decimal_year(pd.Timestamp(date)))
        except (TypeError, ValueError):
            found.append("Year, Month, Day or DecDate is no number")
        else:
            if parts != (date.year, date.month, date.day):
                found.append(f"Year, Month and Day are {parts[0]}-{parts[1]:02d}-{parts[2]:02d}, Date is {text}")
            if not apart <= _YEAR_TOLERANCE:
                found.append(f"DecDate {row.DecDate} is not that of {text}")
    if not str(row.QualFlag).strip().isdecimal():
        found.append(f"QualFlag '{row.QualFlag}' is no number")
    return found + _of_line(row)


def _is_empty(value: Any) -> bool:
    return value is None or value != value or not str(value).strip()


def _of_line(row: Any) -> list[str]:
    line = row.geometry
    if line is None or line.is_empty:
        return ["it has no line"]
    if line.geom_type not in ("LineString", "MultiLineString"):
        return [f"it is a {line.geom_type}, a line expected"]
    found = []
    if not np.isfinite(shapely.get_coordinates(line)).all():
        return ["a coordinate is no number"]
    if line.length == 0:
        found.append("its line has no length")
    middle_y = line.centroid.y
    if not _SOUTH_M <= middle_y <= _NORTH_M:
        found.append("it lies outside of Greenland")
    try:
        centre = shapely.Point(float(row.Center_X), float(row.Center_Y))
    except (TypeError, ValueError):
        return [*found, "Center_X or Center_Y is no number"]
    if not shapely.distance(centre, line) <= _CENTRE_M:
        found.append(f"its centre {row.Center_X}, {row.Center_Y} is not on it")
    return found
