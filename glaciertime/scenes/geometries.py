"""What a geometry must be to be measured at all: coordinates that lie on Earth, and no more of them than a limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from glaciertime import limits
from glaciertime.errors import InputError

__all__ = ["check_geometry"]

#: Twice round the Earth in metres, and in degrees: no map reaches farther.
_FARTHEST_M, _FARTHEST_DEGREES = 8.1e7, 720.0
_AT_A_TIME = 256
#: The longest front on Earth, that of the Ross ice shelf, has 800 km and hundreds of vertices.
_LONGEST_STEP_M = 500_000.0
_RADIUS_M = 6_371_000.0


def check_geometry(geometry: shapely.Geometry | None, *, crs: Any, what: str = "the geometry") -> None:
    """Refuse a geometry that nothing on Earth is, or that would take minutes to mend.

    Raises
    ------
    InputError
    """
    if geometry is None or geometry.is_empty:
        return
    xy = shapely.get_coordinates(geometry)
    limits.check("vertices", len(xy), what, advice="simplify it")
    if not np.isfinite(xy).all():
        raise InputError(f"{what} has coordinates that are no numbers; draw it again")
    far = float(np.abs(xy).max())
    geographic = crs is not None and pyproj.CRS.from_user_input(crs).is_geographic
    if far > (_FARTHEST_DEGREES if geographic else _FARTHEST_M):
        unit = "degrees" if geographic else "m"
        raise InputError(f"{what} reaches to {far:g} {unit}, which is not on Earth; check its coordinates and its CRS")
    parts = shapely.get_parts(geometry, return_index=False)
    lines = [part for part in parts if part.geom_type in ("LineString", "LinearRing")]
    for line in (*lines, *shapely.get_rings(parts)):
        step_m = _longest_step_m(shapely.get_coordinates(line), geographic=geographic)
        if step_m > _LONGEST_STEP_M:
            raise InputError(
                f"{what} has a step of {step_m / 1000:,.0f} km from one vertex to the next, at most "
                f"{_LONGEST_STEP_M / 1000:.0f} expected; check its coordinates"
            )
    areal = [part for part in parts if part.geom_type.endswith("Polygon")]
    if areal and not all(shapely.is_valid(areal)):
        limits.check("crossings", _crossings(areal, at_most=limits.limit("crossings")), what, advice="draw it again")


def _longest_step_m(xy: NDArray[np.float64], *, geographic: bool) -> float:
    """Return the longest way from one vertex, (N, 2), to the next: on the map, or round the globe."""
    steps = np.diff(xy, axis=0)
    if not geographic:
        return float(np.hypot(*steps.T).max(initial=0.0))
    longitudes, latitudes = np.radians(xy).T
    half = np.sin(np.diff(latitudes) / 2) ** 2
    half += np.cos(latitudes[1:]) * np.cos(latitudes[:-1]) * np.sin(np.diff(longitudes) / 2) ** 2
    return float((2 * _RADIUS_M * np.arcsin(np.sqrt(half.clip(0, 1)))).max(initial=0.0))


def _crossings(areal: list[shapely.Geometry], *, at_most: float) -> int:
    """Return how often the rings of polygons cross, counted no further than to see that there are too many."""
    rings = [shapely.get_coordinates(ring) for ring in shapely.get_rings(areal)]
    ends = np.concatenate([np.stack([ring[:-1], ring[1:]], axis=1) for ring in rings])
    segments = shapely.linestrings(ends[(ends[:, 0] != ends[:, 1]).any(axis=1)])
    tree = shapely.STRtree(segments)
    found = 0
    for start in range(0, len(segments), _AT_A_TIME):
        first, second = tree.query(segments[start : start + _AT_A_TIME], predicate="crosses")
        found += int((second > first + start).sum())
        if found > at_most:
            break
    return found
