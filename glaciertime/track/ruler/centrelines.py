"""Centrelines drawn automatically: from zones, from traced fronts, or from an elevation model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import MCP_Geometric, route_through_array

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN
from glaciertime.track.measurement import front_ends
from glaciertime.track.ruler.tongues import end_of_tongue, longest_tongue, of_the_tongue
from glaciertime.track.scene.masks import to_map

__all__ = ["centreline_from_elevation", "centreline_from_traces", "centreline_from_zones"]

# Larger rasters are thinned to about this many pixels a side: a centreline needs no more.
_SIDE_PIXELS = 400
_SMOOTH_PIXELS = 8
_EIGHT = np.ones((3, 3), bool)
# A point of the front so much nearer to rock than its freest one is not the middle of a fjord; one as free as that is.
_HEMMED, _FREE = 0.5, 0.9
# A line drawn from traces reaches so many widths of the fjord beyond the outermost of them.
_WIDTHS_BEYOND = 2.0
# Fronts whose directions agree less than this (1: all parallel, 0: any direction) have no common one.
_LEAST_AGREEMENT = 0.5


def _thinned(raster: NDArray[np.generic]) -> tuple[NDArray[np.generic], int]:
    step = max(1, max(raster.shape) // _SIDE_PIXELS)
    return raster[step // 2 :: step, step // 2 :: step], step


def centreline_from_zones(
    zones: NDArray[np.uint8],
    *,
    transform: Affine,
    region: NDArray[np.bool_] | None = None,
    fronts: Sequence[shapely.Geometry] = (),
    others: NDArray[np.bool_] | None = None,
) -> shapely.LineString:
    """Return a line down the middle of a fjord, from inland to the sea, through the middle of the calving front.

    Where the straight line square to the front meets no rock up to the edge of what was seen, it is that line. Else it
    runs from the middle of the open edge of the ice to that of the ocean by way of ice and ocean only, not through
    other glaciers that end in the same sea, and keeps away from rock: its cost per step is the inverse square of the
    distance to it, up to twice that at the front. An open edge, of the raster, of the region or of what was seen, keeps
    nothing away and attracts nothing.

    Parameters
    ----------
    zones : (H, W) uint8
        0 no data, 64 rock, 127 glacier, 254 ocean.
    transform : Affine
    region : (H, W) bool, optional
        Only inside it, for example the box; by default the whole raster.
    fronts : sequence of lines, optional
        In the coordinates of ``transform``: finer than the pixels, they say where the front stands and how it faces, by
        the median of their middles and of their directions.
    others : (H, W) bool, optional
        Where other glaciers are; by default what :func:`~glaciertime.track.ruler.tongues.longest_tongue` finds.

    Returns
    -------
    LineString
        In the coordinates of ``transform``.

    Raises
    ------
    InputError
        Where the region holds no glacier or no ocean, or the two do not touch.
    """
    small, step = _thinned(zones)
    if region is not None:
        small = np.where(_thinned(region)[0].astype(bool), small, NO_DATA)
    ice, ocean = small == GLACIER, small == OCEAN
    if not ice.any() or not ocean.any():
        missing = "glacier" if not ice.any() else "ocean"
        raise InputError(f"no {missing} in the region: a centreline needs ice and ocean; choose another mask")
    seen = small != NO_DATA
    elsewhere = longest_tongue(ice, ocean, seen=seen)[1] if others is None else _thinned(others)[0].astype(bool)
    ice, ocean = ice & ~elsewhere, ocean & ~elsewhere
    middle, seaward, front = _front_of(ice, ocean)
    ours = [
        of_the_tongue(shapely.transform(line, lambda xy: to_map(xy, ~transform) / step - 0.5), ice, elsewhere)
        for line in fronts
    ]
    if any(line is not None for line in ours):
        middle, seaward = _median_axis([end_of_tongue(line) for line in ours if line is not None], seaward)
    passable = ice | ocean
    line = _straight(middle, seaward, seen, passable)
    if line is None:
        line = _through_the_fjord(middle, front, ice, ocean, seen)
    vertices = to_map((line + 0.5) * step, transform)
    spacing = np.sqrt(abs(transform.determinant)) * step
    return shapely.simplify(shapely.LineString(vertices), 0.25 * spacing)


def _front_of(
    ice: NDArray[np.bool_], ocean: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the middle of the longest front (column, row), the unit vector square to it out to sea, and its ice."""
    touching = ice & ndimage.binary_dilation(ocean)
    labels, count = ndimage.label(touching, structure=_EIGHT)
    if not count:
        raise InputError("glacier and ocean do not touch in the region; choose another mask")
    front = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    points, normals = [], []
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beside = np.roll(ocean, -sign, axis=axis)
        beside[(slice(None),) * axis + ((-1 if sign > 0 else 0),)] = False
        at = np.argwhere(front & beside)[:, ::-1].astype(float)
        normal = np.zeros(2)
        normal[1 - axis] = sign
        points.append(at + normal / 2)
        normals.append(len(at) * normal)
    # The edges' normals add up to that of the straight line between the ends of the front.
    seaward = np.sum(normals, axis=0)
    size = float(np.hypot(*seaward))
    if size < 1:
        raise InputError("the ice is surrounded by ocean: no direction leads to the sea; give a centreline")
    return np.vstack(points).mean(axis=0), seaward / size, front


def _median_axis(
    axes: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], seaward: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the median of middles, and the median direction square to their chords, to the side of a vector."""
    normals = []
    for _, chord in axes:
        normal = np.array([-chord[1], chord[0]])
        normals.append(normal * np.sign(normal @ seaward) / max(float(np.hypot(*normal)), 1e-9))
    direction = np.median(normals, axis=0)
    size = float(np.hypot(*direction))
    middle = np.median([middle for middle, _ in axes], axis=0)
    return middle, direction / size if size > 0.1 else seaward


def _straight(
    middle: NDArray[np.float64], seaward: NDArray[np.float64], seen: NDArray[np.bool_], passable: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Return the straight line square to the front up to the edge of what was seen; None where it meets rock."""
    ends = []
    for direction in (-1.0, 1.0):
        at = np.arange(0.0, float(np.hypot(*seen.shape)), 0.25)
        points = middle + direction * at[:, None] * seaward
        column, row = np.round(points).astype(int).T
        inside = (row >= 0) & (row < seen.shape[0]) & (column >= 0) & (column < seen.shape[1])
        inside[inside] &= seen[row[inside], column[inside]]
        last = len(at) - 1 - int(np.argmax(inside[::-1]))
        ways = np.zeros(len(at), bool)
        ways[inside] = passable[row[inside], column[inside]]
        if last < 4 or not ways[: last + 1][inside[: last + 1]].all():
            return None
        ends.append(points[last])
    return np.array(ends)


def _through_the_fjord(
    middle: NDArray[np.float64],
    front: NDArray[np.bool_],
    ice: NDArray[np.bool_],
    ocean: NDArray[np.bool_],
    seen: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the way from the open edge of the ice to that of the ocean by the middle of the front (column, row)."""
    passable = ice | ocean
    walk, _ = MCP_Geometric(np.where(passable, 1.0, -1.0), fully_connected=True).find_costs(np.argwhere(front))
    walk = np.where(np.isfinite(walk), walk, -1.0)
    edge = passable & ndimage.binary_dilation(np.pad(~seen, 1, constant_values=True), structure=_EIGHT)[1:-1, 1:-1]
    wall = seen & ~passable
    clearance = ndimage.distance_transform_edt(~wall) if wall.any() else np.full(wall.shape, float(max(wall.shape)))
    on_front = np.argwhere(front)
    away = np.hypot(*(on_front[:, ::-1] - middle).T)
    free = clearance[front]
    if free[np.argmin(away)] < _HEMMED * free.max():
        # A nunatak parts the front in its middle: the line runs down the middle of one arm, not along the rock.
        away = np.where(free >= _FREE * free.max(), away, np.inf)
    start = tuple(on_front[np.argmin(away)])
    cost = np.where(passable, 1 / np.clip(clearance, 0.5, max(1.0, 2 * float(clearance[front].max()))) ** 2, -1.0)
    inland = _way(cost, start, _exit(ice, edge, walk))
    out = _way(cost, start, _exit(ocean, edge, walk))
    path = np.array([*inland[::-1], *out[1:]], dtype=float)
    if len(path) < 3:
        raise InputError("the way from the inland end to the sea is shorter than three pixels; choose another mask")
    return _smooth(path[:, ::-1])


def _exit(zone: NDArray[np.bool_], edge: NDArray[np.bool_], walk: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the middle of the open edge of a zone that lies farthest from the front, or its farthest pixel."""
    reached = zone & (walk >= 0)
    labels, count = ndimage.label(reached & edge, structure=_EIGHT)
    if count:
        farthest = ndimage.maximum(walk, labels, index=np.arange(1, count + 1))
        cells = np.argwhere(labels == 1 + int(np.argmax(farthest)))
        nearest = np.argmin(np.hypot(*(cells - cells.mean(axis=0)).T))
        return tuple(int(index) for index in cells[nearest])
    return tuple(int(index) for index in np.unravel_index(np.argmax(np.where(reached, walk, -1.0)), zone.shape))


def centreline_from_traces(traces: Sequence[shapely.Geometry], *, kinds: Sequence[str] = ()) -> shapely.LineString:
    """Return the straight line through traced fronts, square to their common direction.

    It runs through the median of the middles of the traces, and reaches two fjord widths beyond the outermost. Traces
    do not tell ice from ocean: it is drawn so that they retreat over the record, as most glaciers do.

    Parameters
    ----------
    traces : sequence of lines
        In order of time, in a metric plane.
    kinds : sequence of str, optional
        What each is a front of: between two kinds nothing retreats.

    Raises
    ------
    InputError
        Where there are fewer than two traces, or they have no common direction.
    """
    if len(traces) < 2:
        raise InputError("one trace tells no direction; give the line to measure along with --centreline FILE")
    ends = np.array([front_ends(line) for line in traces])
    chords = ends[:, 1] - ends[:, 0]
    lengths = np.hypot(*chords.T)
    if not (lengths > 0).all():
        raise InputError("a trace ends where it starts: no line can be drawn square to it; give --centreline FILE")
    # A trace and its reverse are one: directions are averaged with their angles doubled.
    doubled = np.sum(lengths * np.exp(2j * np.arctan2(chords[:, 1], chords[:, 0]))) / lengths.sum()
    if abs(doubled) < _LEAST_AGREEMENT:
        raise InputError("the traces have no common direction; give the line to measure along with --centreline FILE")
    along_front = np.angle(doubled) / 2
    axis = np.array([-np.sin(along_front), np.cos(along_front)])
    middles = ends.mean(axis=1)
    centre = np.median(middles, axis=0)
    every = np.vstack([shapely.get_coordinates(line) for line in traces])
    reach = (every - centre) @ axis
    stands = np.array([(shapely.get_coordinates(line).mean(axis=0) - centre) @ axis for line in traces])
    order, kind_of = np.arange(len(stands)), np.array(list(kinds) or [""] * len(stands))
    trend = sum(
        float(np.dot(order[same] - order[same].mean(), stands[same]))
        for same in (kind_of == kind for kind in dict.fromkeys(kind_of))
    )
    if trend > 0:
        axis, reach = -axis, -reach
    beyond = _WIDTHS_BEYOND * float(np.median(lengths))
    return shapely.LineString([centre + (reach.min() - beyond) * axis, centre + (reach.max() + beyond) * axis])


def centreline_from_elevation(
    elevation_m: NDArray[np.floating], *, transform: Affine, start: tuple[float, float], glacier: NDArray[np.bool_]
) -> shapely.LineString:
    """Return the line that ice follows downhill over a glacier's surface, from a point inland to the lowest edge.

    The line is the cheapest way from the start to the lowest pixel at the glacier's edge, where a step costs its
    length over the square of the clearance to the edge, and climbing costs ten times as much as going down.

    Parameters
    ----------
    elevation_m : (H, W) float
        Surface elevation; NaN where unknown.
    transform : Affine
    start : (float, float)
        Map coordinates of a point inland.
    glacier : (H, W) bool
        Where the line may run.

    Raises
    ------
    InputError
        Where the start lies outside the glacier.
    """
    height, step = _thinned(elevation_m)
    passable = _thinned(glacier)[0].astype(bool) & np.isfinite(height)
    column, row = np.floor(to_map(np.array([start], dtype=float), ~transform)[0] / step)
    r, c = int(row), int(column)
    if not (0 <= r < height.shape[0] and 0 <= c < height.shape[1] and passable[r, c]):
        raise InputError(f"the start {start} lies outside the glacier; give a point on it")
    labels, _ = ndimage.label(passable, structure=_EIGHT)
    passable = labels == labels[r, c]
    edge = passable & ~ndimage.binary_erosion(passable)
    lowest = np.unravel_index(np.argmin(np.where(edge, height, np.inf)), height.shape)
    clearance = ndimage.distance_transform_edt(np.pad(passable, 1))[1:-1, 1:-1]
    filled = np.where(passable, height, np.nan)
    # Higher than the start means climbing; a little cost for height leads down the valley floor.
    climb = 1 + 10 * np.clip((filled - filled[r, c]) / max(float(np.nanstd(filled)), 1.0), 0, None)
    low = 1 + (filled - np.nanmin(filled)) / max(float(np.nanmax(filled) - np.nanmin(filled)), 1.0)
    cost = np.where(passable, climb * low / np.maximum(clearance, 0.5) ** 2, -1.0)
    path = np.array(_way(cost, (r, c), lowest), dtype=float)
    if len(path) < 3:
        raise InputError("the way from the inland end to the sea is shorter than three pixels; choose another mask")
    vertices = to_map((_smooth(path[:, ::-1]) + 0.5) * step, transform)
    spacing = np.sqrt(abs(transform.determinant)) * step
    return shapely.simplify(shapely.LineString(vertices), 0.5 * spacing)


def _way(cost: NDArray[np.float64], start: Sequence[Any], stop: Sequence[Any]) -> list[tuple[int, int]]:
    try:
        path, _ = route_through_array(cost, start, stop, fully_connected=True, geometric=True)
    except ValueError as error:
        raise InputError("no way leads from the inland end to the sea through glacier and ocean") from error
    return path


def _smooth(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a path (column, row) smoothed over eight pixels; smoothing pulls the ends in, and they are put back."""
    sigma = min(_SMOOTH_PIXELS, len(path) / 8)
    out = np.column_stack([ndimage.gaussian_filter1d(values, sigma, mode="nearest") for values in path.T])
    out[0], out[-1] = path[0], path[-1]
    return out
