"""Centrelines drawn automatically, from masks or from an elevation model."""

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
from glaciertime.scenes.acquisition import GLACIER, OCEAN
from glaciertime.track.scene.components import clean_zones
from glaciertime.track.scene.masks import to_map

__all__ = ["centreline_from_elevation", "centreline_from_zones"]

# Larger rasters are thinned to about this many pixels a side: a centreline needs no more.
_SIDE_PIXELS = 400
_SMOOTH_PIXELS = 8


def _thinned(raster: NDArray[np.generic]) -> tuple[NDArray[np.generic], int]:
    step = max(1, max(raster.shape) // _SIDE_PIXELS)
    return raster[step // 2 :: step, step // 2 :: step], step


def centreline_from_zones(
    zones: NDArray[np.uint8], *, transform: Affine, region: NDArray[np.bool_] | None = None
) -> shapely.LineString:
    """Return a line down the middle of a fjord, from inland to the sea.

    The line runs from the glacier pixel farthest from the front to the ocean pixel farthest from it, both by way of
    glacier and ocean only, and keeps away from rock, missing data and the edge of the region: its cost per step is the
    inverse square of the distance to them. It is smoothed over eight pixels.

    Parameters
    ----------
    zones : (H, W) uint8
        0 no data, 64 rock, 127 glacier, 254 ocean.
    transform : Affine
    region : (H, W) bool, optional
        Only inside it, for example the box; by default the whole raster.

    Returns
    -------
    LineString
        In the coordinates of ``transform``.

    Raises
    ------
    InputError
        Where the region holds no glacier or no ocean, or no way leads from one to the other.
    """
    small, step = _thinned(clean_zones(zones))
    passable = (small == GLACIER) | (small == OCEAN)
    if region is not None:
        passable &= _thinned(region)[0].astype(bool)
    ice, ocean = passable & (small == GLACIER), passable & (small == OCEAN)
    if not ice.any() or not ocean.any():
        missing = "glacier" if not ice.any() else "ocean"
        raise InputError(f"no {missing} in the region: a centreline needs ice and ocean; choose another mask")
    front = ice & ndimage.binary_dilation(ocean, structure=np.ones((3, 3), bool))
    if not front.any():
        raise InputError("glacier and ocean do not touch in the region; choose another mask")
    cost = np.where(passable, 1.0, -1.0)
    walk, _ = MCP_Geometric(cost, fully_connected=True).find_costs(np.argwhere(front))
    walk = np.where(np.isfinite(walk), walk, -1.0)
    inland = np.unravel_index(np.argmax(np.where(ice, walk, -1.0)), small.shape)
    sea = np.unravel_index(np.argmax(np.where(ocean, walk, -1.0)), small.shape)
    clearance = ndimage.distance_transform_edt(np.pad(passable, 1))[1:-1, 1:-1]
    keep_away = np.where(passable, 1 / np.maximum(clearance, 0.5) ** 2, -1.0)
    return _route(keep_away, inland, sea, step, transform)


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
    labels, _ = ndimage.label(passable, structure=np.ones((3, 3), bool))
    passable = labels == labels[r, c]
    edge = passable & ~ndimage.binary_erosion(passable)
    lowest = np.unravel_index(np.argmin(np.where(edge, height, np.inf)), height.shape)
    clearance = ndimage.distance_transform_edt(np.pad(passable, 1))[1:-1, 1:-1]
    filled = np.where(passable, height, np.nan)
    # Higher than the start means climbing; a little cost for height leads down the valley floor.
    climb = 1 + 10 * np.clip((filled - filled[r, c]) / max(float(np.nanstd(filled)), 1.0), 0, None)
    low = 1 + (filled - np.nanmin(filled)) / max(float(np.nanmax(filled) - np.nanmin(filled)), 1.0)
    cost = np.where(passable, climb * low / np.maximum(clearance, 0.5) ** 2, -1.0)
    return _route(cost, (r, c), lowest, step, transform)


def _route(
    cost: NDArray[np.float64], start: Sequence[Any], stop: Sequence[Any], step: int, transform: Affine
) -> shapely.LineString:
    try:
        path, _ = route_through_array(cost, start, stop, fully_connected=True, geometric=True)
    except ValueError as error:
        raise InputError("no way leads from the inland end to the sea through glacier and ocean") from error
    rows, columns = np.array(path, dtype=float).T
    if len(rows) < 3:
        raise InputError("the way from the inland end to the sea is shorter than three pixels; choose another mask")
    sigma = min(_SMOOTH_PIXELS, len(rows) / 8)
    smooth = [ndimage.gaussian_filter1d(values, sigma, mode="nearest") for values in (columns, rows)]
    # Smoothing pulls the ends in: they are put back.
    pixels = np.column_stack(smooth)
    pixels[0], pixels[-1] = (columns[0], rows[0]), (columns[-1], rows[-1])
    vertices = to_map((pixels + 0.5) * step, transform)
    spacing = np.sqrt(abs(transform.determinant)) * step
    return shapely.simplify(shapely.LineString(vertices), 0.5 * spacing)
