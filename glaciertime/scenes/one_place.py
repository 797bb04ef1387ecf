"""Whether rows that no column gives to a glacier can all be of one: by where they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from glaciertime.errors import InputError
from glaciertime.meridian import joined_at_180
from glaciertime.scenes.dated_rows import DatedRow
from glaciertime.scenes.glacier_rows import ALL_ROWS

__all__ = ["check_one_place"]

#: Traces of one glacier lie within so many times their own length of each other.
_REACH = 5.0
#: Pieces of one front are no farther apart than this share of what was traced of it.
_GAP_SHARE = 0.5
#: Outlines of one glacier share this much of the smaller with another one of it: neighbours only touch.
_SHARED = 0.1


def check_one_place(rows: Sequence[DatedRow], kind: str, path: Path) -> None:
    """Refuse rows that no column gives to a glacier where they lie apart, or lie side by side on one day.

    Parameters
    ----------
    rows : sequence of DatedRow
    kind : "outlines" or "traces"
    path : Path
        For the message.

    Raises
    ------
    InputError
        Where they may be of several glaciers.
    """
    remedy = f"cut the file to one glacier, or give --name-column {ALL_ROWS} where all rows are of one"
    there = _on_globe([row for row in rows if row.geometry is not None and not row.geometry.is_empty])
    if kind == "traces":
        lie_apart = len(shapely.get_parts(shapely.union_all([_reach(shape) for _, shape in there]))) > 1
        lie_apart |= any(_are_fronts_of_several(shapes) for shapes in _by_day(there) if len(shapes) > 1)
    else:
        lie_apart = _outlines_lie_apart(there)
    if lie_apart:
        raise InputError(
            f"{path.name}: no column names the glaciers, and the rows lie apart as if of several; {remedy}"
        )
    if kind == "outlines":
        days: dict[Any, set[bytes]] = {}
        for row, _ in there:
            if row.geometry is not None and not row.line_type:
                days.setdefault((row.dated, row.author, row.image_id), set()).add(row.geometry.normalize().wkb)
        if any(len(held) > 1 for held in days.values()):
            raise InputError(f"{path.name}: no column names the glaciers, and one day has several outlines; {remedy}")


def _on_globe(rows: Sequence[DatedRow]) -> list[tuple[DatedRow, shapely.Geometry]]:
    """Return rows with their geometry in degrees, valid; those on both sides of the 180th meridian side by side."""
    there = []
    for row in rows:
        shape = gpd.GeoSeries([shapely.force_2d(row.geometry)], crs=row.crs).to_crs("EPSG:4326").iloc[0]
        there.append((row, shapely.make_valid(joined_at_180(shape))))
    x = shapely.bounds([shape for _, shape in there])[:, [0, 2]]
    if len(there) and np.ptp(x) > 180:
        there = [
            (row, shapely.transform(shape, lambda xy: xy + np.array([360.0, 0.0])) if shape.bounds[2] < 0 else shape)
            for row, shape in there
        ]
    return there


def _by_day(there: Sequence[tuple[DatedRow, shapely.Geometry]]) -> list[list[shapely.Geometry]]:
    days: dict[Any, list[shapely.Geometry]] = {}
    for row, shape in there:
        days.setdefault((row.dated, row.author, row.image_id), []).append(shape)
    return list(days.values())


def _are_fronts_of_several(shapes: list[shapely.Geometry]) -> bool:
    """Return whether the traces of one day lie too far apart to be pieces of one front."""
    if len(shapes) < 2:
        return False
    latitude = float(np.mean([shape.centroid.y for shape in shapes]))
    narrow = max(math.cos(math.radians(latitude)), 0.01)
    flat = [shapely.transform(shape, lambda xy: xy * (narrow, 1.0)) for shape in shapes]
    reach = _GAP_SHARE * sum(shape.length for shape in flat)
    first, second = shapely.STRtree(flat).query(flat, predicate="dwithin", distance=reach)
    return _count_groups(len(flat), first, second) > 1


def _outlines_lie_apart(there: Sequence[tuple[DatedRow, shapely.Geometry]]) -> bool:
    """Return whether outlines are no chain of which each shares ground with the next; parts of a row may touch."""
    shapes = [shape for _, shape in there]
    if len(shapes) < 2:
        return False
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    areas = shapely.area(shapes)
    typed = np.array([bool(row.line_type) for row, _ in there], dtype=bool)
    shared = [
        typed[a] or typed[b] or shapes[a].intersection(shapes[b]).area >= _SHARED * min(areas[a], areas[b])
        for a, b in zip(first, second, strict=True)
    ]
    return _count_groups(len(shapes), first[shared], second[shared]) > 1


def _count_groups(count: int, first: np.ndarray, second: np.ndarray) -> int:
    links = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    return int(connected_components(links, directed=False)[0])


def _reach(shape: shapely.Geometry) -> shapely.Polygon:
    """Return the ground within reach of a trace, in degrees."""
    x_min, y_min, x_max, y_max = shape.bounds
    narrow = max(math.cos(math.radians((y_min + y_max) / 2)), 0.01)
    dy = _REACH * math.hypot((x_max - x_min) * narrow, y_max - y_min) / 2
    return shapely.box(x_min - dy / narrow, y_min - dy, x_max + dy / narrow, y_max + dy)
