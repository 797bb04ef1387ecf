"""A fjord's own coordinates: metres along a smoothed centreline, and metres across it.

In them a calving front is a curve over the distance across, and the lines of equal distance across are the flowlines
along which its positions are forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from glaciertime.errors import InputError

__all__ = ["FjordFrame", "fjord_frame"]

_STEP_M = 50.0
_MARGIN_M = 15_000.0
#: The axis may nowhere bend more tightly than so many times the half width, or flowlines would cross.
_RADIUS_FACTOR = 1.5
_SMOOTHINGS_M = (0.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0, 32000.0)

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FjordFrame:
    """Curvilinear coordinates about an axis.

    Attributes
    ----------
    axis : (M, 2) float64
        Points of the axis in metres, from the start of the centreline to its end, straight beyond both.
    origin_m : float
        Distance along the centreline at which the axis starts; may be negative.
    smoothing_m : float
        Standard deviation of the Gaussian that the centreline was smoothed with.
    """

    axis: Array
    origin_m: float
    smoothing_m: float

    @cached_property
    def _distance(self) -> Array:
        return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(self.axis, axis=0).T))])

    @cached_property
    def _tangent(self) -> Array:
        return np.gradient(self.axis, self._distance, axis=0)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.axis)

    def _at(self, along: Array) -> tuple[Array, Array]:
        point = np.column_stack([np.interp(along, self._distance, self.axis[:, k]) for k in (0, 1)])
        turned = np.column_stack([np.interp(along, self._distance, self._tangent[:, k]) for k in (0, 1)])
        return point, turned / np.linalg.norm(turned, axis=1, keepdims=True)

    def to_frame(self, xy: Array) -> tuple[Array, Array]:
        """Return distance along and across the axis, (N,) each, of points (N, 2); left of the axis is positive."""
        along = self._distance[self._tree.query(xy)[1]]
        # From the nearest vertex to the foot of the smooth normal.
        for _ in range(6):
            point, tangent = self._at(along)
            along = along + np.sum((xy - point) * tangent, axis=1) * 0.7
        point, tangent = self._at(along)
        offset = xy - point
        return along + self.origin_m, tangent[:, 0] * offset[:, 1] - tangent[:, 1] * offset[:, 0]

    def to_plane(self, along: Array, across: Array) -> Array:
        """Return points (N, 2) at distances along and across the axis, (N,) each."""
        point, tangent = self._at(np.asarray(along, dtype=float) - self.origin_m)
        normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
        return point + np.asarray(across, dtype=float)[:, None] * normal

    def points_of(self, front: shapely.Geometry, *, spacing_m: float) -> Array:
        """Return points along a front as (N, 3): along, across, and the metres of front that each stands for."""
        parts = [part for part in shapely.get_parts(front) if part.length > 0]
        rows = []
        for part in parts:
            count = max(2, int(np.ceil(part.length / spacing_m)) + 1)
            xy = shapely.get_coordinates(shapely.line_interpolate_point(part, np.linspace(0, part.length, count)))
            along, across = self.to_frame(xy)
            weight = np.full(count, part.length / (count - 1))
            weight[[0, -1]] /= 2
            rows.append(np.column_stack([along, across, weight]))
        return np.concatenate(rows) if rows else np.empty((0, 3))


def fjord_frame(centreline: shapely.LineString, fronts: list[shapely.Geometry]) -> FjordFrame:
    """Return the coordinates about a centreline, wide enough for some fronts.

    The centreline is cut to the reach of the fronts and 15 km more at either end, continued straight, and smoothed
    no more than it takes for flowlines over the whole width of the fronts not to cross one another.

    Parameters
    ----------
    centreline : LineString
        In metres, like the fronts.
    fronts : list of line geometries

    Raises
    ------
    InputError
        If the centreline is shorter than a metre, or no front is given.

    Examples
    --------
    >>> line = shapely.LineString([(0, 0), (10_000, 0)])
    >>> frame = fjord_frame(line, [shapely.LineString([(4000, -500), (4000, 500)])])
    >>> [values.round(3).tolist() for values in frame.to_frame(np.array([[4000.0, 250.0]]))]
    [[4000.0], [250.0]]
    """
    if not fronts:
        raise InputError("no front was given; at least one is needed to lay flowlines")
    if centreline is None or centreline.is_empty or centreline.length < 1.0:
        raise InputError("the centreline is empty or shorter than a metre; give one in metres along the fjord")
    points = shapely.get_coordinates(fronts)
    along = shapely.line_locate_point(centreline, shapely.points(points))
    half = float(max(shapely.distance(centreline, shapely.points(points)).max(), 1.0))
    start, end = max(along.min() - _MARGIN_M, 0.0), min(along.max() + _MARGIN_M, centreline.length)
    count = max(3, int((end - start) / _STEP_M) + 1)
    reach = shapely.get_coordinates(shapely.line_interpolate_point(centreline, np.linspace(start, end, count)))
    step = (end - start) / (count - 1)
    extra = int(np.ceil((2 * _MARGIN_M + half) / step))
    long = _extended(reach, extra)
    for smoothing in _SMOOTHINGS_M:
        axis = long if smoothing == 0 else gaussian_filter1d(long, smoothing / step, axis=0, mode="nearest")
        inner = slice(extra // 2, len(axis) - extra // 2)
        if _radius(axis[inner]) >= _RADIUS_FACTOR * half:
            break
    else:
        axis = np.linspace(long[0], long[-1], len(long))
        inner = slice(0, len(axis))
    kept = axis[inner]
    first = float(inner.start or 0)
    return FjordFrame(kept, start - (extra - first) * step, smoothing)


def _extended(reach: Array, extra: int) -> Array:
    """Return the reach continued straight by ``extra`` steps at both ends."""
    steps = np.arange(1, extra + 1)[:, None]
    span = min(len(reach) - 1, 20)
    before = (reach[0] - reach[span]) / span
    after = (reach[-1] - reach[-1 - span]) / span
    return np.concatenate([reach[0] + before * steps[::-1], reach, reach[-1] + after * steps])


def _radius(axis: Array) -> float:
    """Return the smallest radius of curvature in metres, over stretches of half a kilometre."""
    stride = max(1, round(500.0 / max(float(np.hypot(*(axis[1] - axis[0]))), 1e-9)))
    coarse = axis[::stride]
    if len(coarse) < 3:
        return float("inf")
    step = np.diff(coarse, axis=0)
    heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    turn = np.abs(np.diff(heading)) / np.maximum(np.hypot(*step[1:].T), 1e-9)
    return float(1 / turn.max()) if turn.max() > 1e-12 else float("inf")
