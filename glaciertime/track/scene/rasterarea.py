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


def zone_areas_km2(
    runs: Runs, polygon: shapely.Polygon | shapely.MultiPolygon | None, *, transform: Affine, crs: object
) -> NDArray[np.float64]:
    """Return the true area that each zone covers inside a polygon.

    Parameters
    ----------
    runs : Runs
    polygon : Polygon, MultiPolygon or None
        In the coordinates of ``transform``; None: the whole raster. A pixel on its edge counts with the share of it
        that lies inside, which is exact.
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
        rows = 2 * np.arange(height + 1)
        edges = np.tile([[0.0, 0.0, 1.0], [width, width, -1.0]], (height, 1))
    else:
        rows, edges = _row_edges(_segments(polygon, transform), height)
    areas = _sum(runs.rows, runs.starts, runs.stops, runs.values, rows, edges, node_rows, cumulative, width)
    return np.abs(areas) / M2_PER_KM2


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


def _segments(polygon: shapely.Polygon | shapely.MultiPolygon, transform: Affine) -> NDArray[np.float64]:
    """Return the edges of a polygon in pixels, (N, 4): its outer rings all one way round, its holes the other."""
    back = ~transform
    pieces = []
    for part in shapely.get_parts(shapely.orient_polygons(polygon)):
        for ring in (part.exterior, *part.interiors):
            x, y = shapely.get_coordinates(ring).T
            column, row = back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
            pieces.append(np.column_stack([column[:-1], row[:-1], column[1:], row[1:]]))
    return np.vstack(pieces)


@njit(cache=True)
def _row_edges(segments, height):  # type: ignore[no-untyped-def]  # compiled
    """Cut edges at the pixel rows: for each row (by pointers) the columns where each piece starts and ends, and its
    height, positive downwards."""
    counts = np.zeros(height, dtype=np.int64)
    pointers = np.zeros(height + 1, dtype=np.int64)
    edges = np.empty((0, 3))
    for turn in range(2):
        if turn == 1:
            # A loop: an assignment to a slice takes seconds to compile.
            for r in range(height):
                pointers[r + 1] = pointers[r] + counts[r]
                counts[r] = 0
            edges = np.empty((pointers[height], 3))
        for i in range(segments.shape[0]):
            x0, y0, x1, y1 = segments[i, 0], segments[i, 1], segments[i, 2], segments[i, 3]
            sign = 1.0
            if y0 > y1:
                x0, y0, x1, y1, sign = x1, y1, x0, y0, -1.0
            low, high = max(0.0, y0), min(float(height), y1)
            if high <= low:
                continue
            for r in range(int(np.floor(low)), min(height, int(np.ceil(high)))):
                top, bottom = max(low, float(r)), min(high, float(r + 1))
                if bottom <= top:
                    continue
                if turn == 1:
                    at = pointers[r] + counts[r]
                    slope = (x1 - x0) / (y1 - y0)
                    edges[at, 0] = x0 + (top - y0) * slope
                    edges[at, 1] = x0 + (bottom - y0) * slope
                    edges[at, 2] = sign * (bottom - top)
                counts[r] += 1
    return pointers, edges


@njit(cache=True)
def _add(cover, a, b, tall, width):  # type: ignore[no-untyped-def]  # compiled
    """Add one piece of an edge to a row: what lies right of it, by pixel, as differences from pixel to pixel."""
    if a > b:
        a, b = b, a
    if b <= 0:
        cover[0] += tall
        return
    if a >= width:
        return
    if b - a < 1e-12:
        column = int(a) if a > 0 else 0
        share = column + 1 - a
        cover[column] += tall * share
        cover[column + 1] += tall * (1 - share)
        return
    per_column = tall / (b - a)
    if a < 0:
        cover[0] += per_column * -a
        a = 0.0
    column = int(a)
    while a < b and column < width:
        end = min(b, column + 1.0)
        piece = per_column * (end - a)
        share = column + 1 - 0.5 * (a + end)
        cover[column] += piece * share
        cover[column + 1] += piece * (1 - share)
        a = end
        column += 1


@njit(cache=True)
def _sum(  # type: ignore[no-untyped-def]  # compiled
    rows, starts, stops, values, pointers, edges, node_rows, cumulative, width
):
    areas = np.zeros(256)
    cover = np.zeros(width + 2)
    node, last = 0, node_rows.shape[0] - 2
    for r in range(rows.shape[0] - 1):
        while node < last and node_rows[node + 1] <= r:
            node += 1
        if pointers[r] == pointers[r + 1]:
            continue
        step = node_rows[node + 1] - node_rows[node]
        share = (r - node_rows[node]) / step if step > 0 else 0.0
        low, high = float(width), 0.0
        for k in range(pointers[r], pointers[r + 1]):
            _add(cover, edges[k, 0], edges[k, 1], edges[k, 2], width)
            low = min(low, edges[k, 0], edges[k, 1])
            high = max(high, edges[k, 0], edges[k, 1])
        first = max(0, int(np.floor(low)))
        # The polygon ends where its last edge does: right of it nothing is covered.
        stop = min(width, int(np.ceil(high)) + 1)
        inside = 0.0
        k = rows[r]
        for c in range(first, stop):
            inside += cover[c]
            cover[c] = 0.0
            while stops[k] <= c:
                k += 1
            if inside != 0.0:
                upper = cumulative[node, c + 1] - cumulative[node, c]
                lower = cumulative[node + 1, c + 1] - cumulative[node + 1, c]
                areas[values[k]] += inside * ((1 - share) * upper + share * lower)
        cover[stop] = 0.0
    return areas
