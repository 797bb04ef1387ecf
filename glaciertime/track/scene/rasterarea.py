"""True areas of zones inside a polygon, from runs of pixels, with the polygon's edge cut through the pixels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import shapely
from affine import Affine
from numba import njit
from numpy.typing import NDArray

from glaciertime.track.scene.runs import Runs
from glaciertime.units import M2_PER_KM2, pixel_area_m2

__all__ = ["zone_areas_km2"]

# Pixel areas are computed at nodes this far apart and interpolated linearly between them.
_NODE_PIXELS = 64
# Lines per pixel row on which the polygon's edge is cut.
_SUBLINES = 4


def zone_areas_km2(
    runs: Runs, polygon: shapely.Polygon | shapely.MultiPolygon | None, *, transform: Affine, crs: object
) -> NDArray[np.float64]:
    """Return the true area that each zone covers inside a polygon.

    Parameters
    ----------
    runs : Runs
    polygon : Polygon, MultiPolygon or None
        In the coordinates of ``transform``; None: the whole raster. Pixels on its edge count with their share, along
        rows exactly and across rows to a quarter of a pixel.
    transform : Affine
    crs : anything pyproj reads, or None for a local metric frame

    Returns
    -------
    (256,) float64
        km2, by the value of the zone.
    """
    node_rows, cumulative = _pixel_areas(transform, runs.shape, None if crs is None else crs)
    height, width = runs.shape
    if polygon is None:
        pointers = np.arange(height * _SUBLINES + 1) * 2
        spans = np.tile([0.0, float(width)], height * _SUBLINES)
    else:
        pointers, spans = _spans(polygon, transform, runs.shape)
    areas = _sum(runs.rows, runs.starts, runs.stops, runs.values, pointers, spans, node_rows, cumulative, _SUBLINES)
    return areas / M2_PER_KM2


@lru_cache(maxsize=4)
def _pixel_areas(
    transform: Affine, shape: tuple[int, int], crs: object
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rows of nodes and, for each, the area of the pixels up to each column, (n, W + 1) m2."""
    height, width = shape
    node_rows = np.linspace(0, height - 1, max(2, (height - 1) // _NODE_PIXELS + 2))
    node_columns = np.linspace(0, width - 1, max(2, (width - 1) // _NODE_PIXELS + 2))
    rows, columns = np.meshgrid(node_rows, node_columns, indexing="ij")
    areas = pixel_area_m2(rows.ravel(), columns.ravel(), transform=transform, crs=crs).reshape(rows.shape)
    per_column = np.array([np.interp(np.arange(width), node_columns, row) for row in areas])
    return node_rows, np.concatenate([np.zeros((len(node_rows), 1)), np.cumsum(per_column, axis=1)], axis=1)


def _spans(
    polygon: shapely.Polygon | shapely.MultiPolygon, transform: Affine, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return, per line of a raster cut into sub-lines, the columns between which it lies inside a polygon."""
    back = ~transform
    starts, stops = [], []
    for part in shapely.get_parts(polygon):
        for ring in (part.exterior, *part.interiors):
            x, y = np.asarray(ring.coords)[:, :2].T
            columns = back.a * x + back.b * y + back.c
            rows = (back.d * x + back.e * y + back.f) * _SUBLINES - 0.5
            vertices = np.column_stack([columns, rows])
            starts.append(vertices[:-1])
            stops.append(vertices[1:])
    return _cuts(np.vstack(starts), np.vstack(stops), shape[0] * _SUBLINES, float(shape[1]))


@njit(cache=True)
def _cuts(starts, stops, n_lines, width):  # type: ignore[no-untyped-def]  # compiled
    counts = np.zeros(n_lines + 1, dtype=np.int64)
    for turn in range(2):
        if turn == 1:
            pointers = np.zeros(n_lines + 1, dtype=np.int64)
            # A loop: an assignment to a slice takes seconds to compile.
            for line in range(n_lines):
                pointers[line + 1] = pointers[line] + counts[line]
            spans = np.empty(pointers[-1])
            filled = np.zeros(n_lines, dtype=np.int64)
        for i in range(starts.shape[0]):
            x0, y0, x1, y1 = starts[i, 0], starts[i, 1], stops[i, 0], stops[i, 1]
            if y0 > y1:
                x0, y0, x1, y1 = x1, y1, x0, y0
            first, last = max(0, int(np.ceil(y0))), min(n_lines - 1, int(np.ceil(y1)) - 1)
            for line in range(first, last + 1):
                if turn == 0:
                    counts[line] += 1
                else:
                    x = x0 + (line - y0) / (y1 - y0) * (x1 - x0)
                    spans[pointers[line] + filled[line]] = min(max(x, 0.0), width)
                    filled[line] += 1
    for line in range(n_lines):
        # Few crossings a line: insertion sort.
        for i in range(pointers[line] + 1, pointers[line + 1]):
            x, j = spans[i], i
            while j > pointers[line] and spans[j - 1] > x:
                spans[j] = spans[j - 1]
                j -= 1
            spans[j] = x
    return pointers, spans


@njit(cache=True)
def _up_to(cumulative, node, share, column):  # type: ignore[no-untyped-def]  # compiled
    """Return the area of a row's pixels up to a fractional column, between two rows of nodes."""
    whole = min(int(column), cumulative.shape[1] - 2)
    part = column - whole
    low = cumulative[node, whole] + part * (cumulative[node, whole + 1] - cumulative[node, whole])
    high = cumulative[node + 1, whole] + part * (cumulative[node + 1, whole + 1] - cumulative[node + 1, whole])
    return (1 - share) * low + share * high


@njit(cache=True)
def _sum(  # type: ignore[no-untyped-def]  # compiled
    rows, starts, stops, values, pointers, spans, node_rows, cumulative, sublines
):
    areas = np.zeros(256)
    node, last = 0, node_rows.shape[0] - 2
    for r in range(rows.shape[0] - 1):
        while node < last and node_rows[node + 1] <= r:
            node += 1
        step = node_rows[node + 1] - node_rows[node]
        share = (r - node_rows[node]) / step if step > 0 else 0.0
        for sub in range(sublines):
            line = r * sublines + sub
            k = rows[r]
            for s in range(pointers[line], pointers[line + 1] - 1, 2):
                low, high = spans[s], spans[s + 1]
                if high <= low:
                    continue
                while k > rows[r] and starts[k] > low:
                    k -= 1
                while stops[k] <= low and k < rows[r + 1] - 1:
                    k += 1
                at = _up_to(cumulative, node, share, low)
                while True:
                    end = min(high, float(stops[k]))
                    to = _up_to(cumulative, node, share, end)
                    areas[values[k]] += (to - at) / sublines
                    at = to
                    if end >= high or k == rows[r + 1] - 1:
                        break
                    k += 1
    return areas
