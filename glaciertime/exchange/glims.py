"""Glacier outlines as GLIMS takes them, and what a layer breaks of its form.

Polygons in longitude and latitude on WGS84, holes where rock looks out, with the attributes that the information for
data providers asks for (https://nsidc.org/glims/information-glims-data-providers): whose outline, of which image and
day, how well it is known, and who traced it.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from glaciertime.errors import InputError, UsageError
from glaciertime.exchange.simulation import simulation_problem
from glaciertime.exchange.submitter import Submitter
from glaciertime.units import polygon_area_km2

__all__ = ["GLIMS_COLUMNS", "glims_problems", "to_glims"]

GLIMS_COLUMNS = (
    "line_type", "glac_id", "glac_name", "src_date", "anlys_time", "image_id", "area", "loc_unc_x", "loc_unc_y",
    "glob_unc_x", "glob_unc_y", "anlst_surn", "anlst_givn", "anlst_affl", "proc_desc",
)  # fmt: skip
_LINE_TYPES = ("glac_bound", "debris_cov", "supra_lake", "pro_lake", "intrnl_rock")
#: A glacier is named by where it lies: G, degrees east times 1000, degrees north or south times 1000.
_ID = re.compile(r"G(\d{6})E(\d{5})([NS])")
_AREA_SHARE = 0.02
_LONGEST_TEXT = 254


def glims_id(point: shapely.Point) -> str:
    """Return the name that a glacier has by a point on it, in longitude and latitude.

    Examples
    --------
    >>> glims_id(shapely.Point(-62.5, -65.4))
    'G297500E65400S'
    """
    east, north = round(point.x % 360 * 1000) % 360_000, round(abs(point.y) * 1000)
    return f"G{east:06d}E{north:05d}{'N' if point.y >= 0 else 'S'}"


def to_glims(outlines: gpd.GeoDataFrame, submitter: Submitter) -> gpd.GeoDataFrame:
    """Return dated outlines of glaciers in the form of GLIMS.

    Parameters
    ----------
    outlines : GeoDataFrame
        Columns ``glacier, date, image_id, sigma_m, source`` and ice polygons with a coordinate system.
    submitter : Submitter
        Whose ``ids`` name glaciers that GLIMS knows; others are named by a point inside of them.

    Raises
    ------
    UsageError
        Where the outlines are simulated.
    InputError
        Where they have no coordinate system.
    """
    if outlines.crs is None:
        raise InputError("outlines without a coordinate system have no place on Earth")
    if (outlines["source"] == "simulated").any():
        raise UsageError("these outlines are simulated: nothing of them is submitted to an archive of observations")
    placed = outlines.to_crs("EPSG:4326")
    given, _, surname = submitter.investigator.rpartition(" ")
    names = {
        name: submitter.ids.get(str(name)) or glims_id(rows.geometry.iloc[0].representative_point())
        for name, rows in placed.groupby("glacier", sort=False)
    }
    sigma = placed["sigma_m"].to_numpy(float).round(1)
    return gpd.GeoDataFrame(
        {
            "line_type": "glac_bound", "glac_id": placed["glacier"].map(names), "glac_name": placed["glacier"],
            "src_date": pd.to_datetime(placed["date"]).dt.strftime("%Y-%m-%d"), "anlys_time": f"{dt.date.today()}",
            "image_id": placed["image_id"],
            "area": [round(polygon_area_km2(one, crs=placed.crs), 4) for one in placed.geometry],
            "loc_unc_x": sigma, "loc_unc_y": sigma, "glob_unc_x": sigma, "glob_unc_y": sigma, "anlst_surn": surname,
            "anlst_givn": given, "anlst_affl": submitter.agency[:_LONGEST_TEXT],
            "proc_desc": "ice of a classified image as polygons, glaciertime",
        },
        geometry=placed.geometry.to_numpy(), crs="EPSG:4326",
    )[[*GLIMS_COLUMNS, "geometry"]]  # fmt: skip


def glims_problems(layer: pd.DataFrame) -> list[str]:
    """Return what a layer breaks of the form, a sentence each.

    Parameters
    ----------
    layer : GeoDataFrame
        As read from a file.
    """
    missing = [name for name in GLIMS_COLUMNS if name not in layer]
    if missing:
        return [f"the columns {', '.join(missing)} are missing"]
    if not isinstance(layer, gpd.GeoDataFrame):
        return ["it has no geometry"]
    if layer.empty:
        return ["it has no outline"]
    found = []
    if layer.crs is None or not layer.crs.equals("EPSG:4326", ignore_axis_order=True):
        name = layer.crs.to_string() if layer.crs else "unknown"
        found.append(f"its coordinate system is {name}, longitude and latitude on WGS84 expected")
    for place, row in enumerate(layer.itertuples(), start=1):
        told = [*_of_row(row), *simulation_problem(row._asdict())]
        found += [f"outline {place}: {said}" for said in told]
    twice = layer.duplicated(["line_type", "glac_id", "src_date"])
    found += [f"outline {place + 1}: the same glacier and day as an earlier one" for place in np.flatnonzero(twice)]
    return found


def _of_row(row: Any) -> list[str]:
    found = []
    if row.line_type not in _LINE_TYPES:
        found.append(f"line_type '{row.line_type}' is none of {', '.join(_LINE_TYPES)}")
    named = _ID.fullmatch(str(row.glac_id))
    if not named or int(named[1]) >= 360_000 or int(named[2]) > 90_000:
        found.append(f"glac_id '{row.glac_id}' is none, such as G297500E65400S")
    if not str(row.anlst_surn or "").strip():
        found.append("anlst_surn is empty: whose outline it is has to be known")
    for name in ("src_date", "anlys_time"):
        text = f"{getattr(row, name):%Y-%m-%d}" if hasattr(getattr(row, name), "year") else str(getattr(row, name))
        try:
            if dt.date.fromisoformat(text[:10]) > dt.date.today():
                found.append(f"{name} {text} lies in the future")
        except ValueError:
            found.append(f"{name} '{text}' is not YYYY-MM-DD")
    for name in ("loc_unc_x", "loc_unc_y", "glob_unc_x", "glob_unc_y"):
        value = getattr(row, name)
        if value is not None and value == value and not (isinstance(value, int | float) and value >= 0):
            found.append(f"{name} '{value}' is no length in metres")
    return found + _of_shape(row)


def _of_shape(row: Any) -> list[str]:
    shape = row.geometry
    if shape is None or shape.is_empty:
        return ["it has no polygon"]
    if shape.geom_type not in ("Polygon", "MultiPolygon"):
        return [f"it is a {shape.geom_type}, a polygon expected"]
    if not shape.is_valid:
        return ["its outline crosses itself"]
    west, south, east, north = shape.bounds
    if west < -180 or east > 360 or south < -90 or north > 90:
        return ["its coordinates are no longitude and latitude"]
    if any(part.bounds[2] - part.bounds[0] > 180 for part in shapely.get_parts(shape)):
        return ["it goes more than half around the Earth: cut it at the 180th meridian"]
    area = polygon_area_km2(shape, crs="EPSG:4326")
    try:
        told = float(row.area)
    except (TypeError, ValueError):
        return [f"area '{row.area}' is no number"]
    if told == told and abs(told - area) > max(_AREA_SHARE * area, 0.001):
        return [f"area {told} km2 is not that of its polygon, {area:.4f}"]
    return []
