"""The middle line of an outline: the path from its far end to its tongue that keeps away from its sides.

As Kienholz et al. (2014, doi:10.5194/tc-8-503-2014) draw lines by least cost, here on the Voronoi edges of the outline
alone: without a terrain model the far end is the one farthest along the ice from the tongue, not the highest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import QhullError, Voronoi

from glaciertime.naming import first_column

__all__ = ["Terminus", "beyond_the_tongue", "middle_line", "terminus_by_attributes"]

_SIDES = 150
# Wiggles of a side below this part of the outline's length move no middle line.
_DETAIL = 2000
# How far a line goes on behind the tongue, and how much of its length may lie between its end and that of the tongue.
_BEYOND_M, _BEYOND_SHARE, _MOST_INSIDE = 200.0, 0.1, 0.2
# The cost of a step is its length by the square of how near the side is, as of a path that keeps to the middle.
_POWER = 2
# The line between the two ends may turn so far away from the mean aspect and still be said to go downhill.
_ASPECT_DEG = 60.0


@dataclass(frozen=True)
class Terminus:
    """What is known of where a tongue ends: a point, or the mean aspect in degrees clockwise from north."""

    point: tuple[float, float] | None = None
    aspect_deg: float | None = None


def terminus_by_attributes(row: Mapping[str, Any]) -> Terminus:
    """Return what the attributes of RGI 5 to 7 say: ``termlon, termlat``, or ``Aspect`` and ``aspect_deg``.

    Examples
    --------
    >>> terminus_by_attributes({"termlon": 10.8, "termlat": 46.8}).point
    (10.8, 46.8)
    >>> terminus_by_attributes({"Aspect": 71}).aspect_deg, terminus_by_attributes({"Aspect": -9}).aspect_deg
    (71.0, None)
    """
    lon, lat = (_number(row, name) for name in ("termlon", "termlat"))
    if not math.isnan(lon) and not math.isnan(lat) and abs(lat) <= 90 and abs(lon) <= 360:
        return Terminus(point=(lon, lat))
    aspect = _number(row, "aspectdeg", "aspect")
    return Terminus(aspect_deg=aspect if 0 <= aspect <= 360 else None)


def _number(row: Mapping[str, Any], *names: str) -> float:
    column = first_column(row, names)
    try:
        return float(row[column]) if column is not None else math.nan
    except (TypeError, ValueError):
        return math.nan


def middle_line(outline: shapely.Geometry, *, terminus: Terminus) -> shapely.LineString | None:
    """Return the middle line of an outline, from inland to the end of its tongue; None where its end is not known.

    Parameters
    ----------
    outline : polygon or multi-polygon on a plane in metres
        Of several parts the largest.
    terminus : Terminus
        Its point in the same plane; one that is farther from the outline than the outline is long is none.
    """
    shape = max(shapely.get_parts(outline), key=lambda part: part.area)
    shape = shapely.Polygon(shape.exterior)
    plain = shapely.simplify(shape, shape.length / _DETAIL)
    shape = plain if plain.geom_type == "Polygon" and not plain.is_empty else shape
    graph = _edges(shape)
    if graph is None:
        return None
    points, weights, lengths = graph
    if terminus.point is not None:
        end = shapely.Point(terminus.point)
        if end.distance(shape) > math.sqrt(shape.area):
            return None
        last = int(np.hypot(points[:, 0] - end.x, points[:, 1] - end.y).argmin())
        along = dijkstra(lengths, directed=False, indices=last)
        along[np.isinf(along)] = -1
        first = int(along.argmax())
    else:
        start = dijkstra(lengths, directed=False, indices=0)
        one = int(np.where(np.isinf(start), -1, start).argmax())
        along = dijkstra(lengths, directed=False, indices=one)
        other = int(np.where(np.isinf(along), -1, along).argmax())
        ends = _downhill(points, one, other, terminus.aspect_deg)
        if ends is None:
            return None
        first, last = ends
    path = _path(weights, first, last)
    if len(path) < 2:
        return None
    line = shapely.LineString(points[path])
    if terminus.point is not None:
        tip = shapely.get_coordinates(shapely.shortest_line(shape.exterior, shapely.Point(terminus.point)))[0]
        line = shapely.LineString([*line.coords, tuple(tip)])
    return shapely.simplify(line, 0.005 * line.length)


def beyond_the_tongue(line: shapely.LineString, outline: shapely.Geometry) -> shapely.LineString:
    """Return a line drawn straight on from its end to behind the outline: a front has to cross it, an advance too.

    Its direction is that of its last tenth; it goes on for a tenth of its length, at least 200 m, beyond the last time
    that it leaves the outline. On the rest of a glacier's length no bend is invented.

    Examples
    --------
    >>> tongue = shapely.box(0, 0, 5000, 400)
    >>> beyond_the_tongue(shapely.LineString([(100, 200), (4900, 200)]), tongue).coords[-1]
    (5480.0, 200.0)
    """
    end = np.asarray(line.coords[-1])
    way = end - np.asarray(line.interpolate(0.9, normalized=True).coords[0])
    if not np.hypot(*way):
        return line
    way = way / np.hypot(*way)
    far = shapely.LineString([end, end + way * line.length])
    inside = shapely.intersection(far, outline)
    leaves = 0.0 if inside.is_empty else max(far.project(shapely.Point(*xy)) for xy in shapely.get_coordinates(inside))
    reach = min(leaves, _MOST_INSIDE * line.length) + max(_BEYOND_M, _BEYOND_SHARE * line.length)
    return shapely.LineString([*line.coords, tuple(end + way * reach)])


def _edges(shape: shapely.Polygon) -> tuple[np.ndarray, coo_matrix, coo_matrix] | None:
    """Return the points of the Voronoi edges inside, and the edges with their cost and with their length."""
    ring = shapely.segmentize(shape.exterior, shape.exterior.length / _SIDES)
    sides = np.unique(shapely.get_coordinates(ring), axis=0)
    if len(sides) < 4:
        return None
    middle = sides.mean(axis=0)
    try:
        diagram = Voronoi(sides - middle)
    except QhullError:
        return None
    points = diagram.vertices + middle
    shapely.prepare(shape)
    inside = shapely.contains_xy(shape, points[:, 0], points[:, 1])
    pairs = np.array([pair for pair in diagram.ridge_vertices if min(pair) >= 0]).reshape(-1, 2)
    pairs = pairs[inside[pairs].all(axis=1)]
    if not len(pairs):
        return None
    used, pairs = np.unique(pairs, return_inverse=True)
    pairs = pairs.reshape(-1, 2)
    points = points[used]
    lengths = np.maximum(np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T), 1e-9)
    room = shapely.distance(shapely.points(points), shape.exterior)
    near = room[pairs].mean(axis=1) / room.max()
    size = (len(points), len(points))
    cost = coo_matrix((lengths / near**_POWER, pairs.T), shape=size).tocsr()
    return points, cost, coo_matrix((lengths, pairs.T), shape=size).tocsr()


def _downhill(points: np.ndarray, one: int, other: int, aspect_deg: float | None) -> tuple[int, int] | None:
    """Return two ends, the upper first, where the way between them goes along the mean aspect."""
    if aspect_deg is None or one == other:
        return None
    east, north = points[other] - points[one]
    angle = (math.degrees(math.atan2(east, north)) - aspect_deg + 180) % 360 - 180
    if abs(angle) <= _ASPECT_DEG:
        return one, other
    return (other, one) if abs(angle) >= 180 - _ASPECT_DEG else None


def _path(weights: coo_matrix, first: int, last: int) -> list[int]:
    _, before = dijkstra(weights, directed=False, indices=first, return_predecessors=True)
    path = [last]
    while path[-1] != first:
        step = int(before[path[-1]])
        if step < 0:
            return []
        path.append(step)
    return path[::-1]
