"""How fast the ice flows at its fronts, from a velocity field: the limit of what an advance can be."""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.track.scene.masks import to_map

__all__ = ["front_speed_m_per_year"]


def front_speed_m_per_year(
    speed_m_per_year: NDArray[np.floating],
    *,
    transform: Affine,
    centreline: shapely.LineString,
    reach_m: tuple[float, float] | None = None,
    spacing_m: float = 100.0,
    quantile: float = 0.95,
) -> float:
    """Return the speed of the ice along the centreline where fronts stand, for :class:`ScreeningSettings`.

    Parameters
    ----------
    speed_m_per_year : (H, W) float
        Magnitude of the velocity; NaN where unknown.
    transform : Affine
        Of the field, in the coordinates of the centreline.
    centreline : LineString
    reach_m : (float, float), optional
        Distances along the centreline between which the fronts stand; by default its whole length.
    spacing_m : float
        Between the samples; each takes its pixel.
    quantile : float
        Of the samples: high, since a limit must not flag what the fastest ice can do.

    Returns
    -------
    float
        m per year.

    Raises
    ------
    InputError
        Where the field says nothing along the centreline.

    Examples
    --------
    >>> field = np.full((10, 10), 4000.0)
    >>> front_speed_m_per_year(
    ...     field, transform=Affine.scale(100, 100), centreline=shapely.LineString([(0, 50), (900, 50)])
    ... )
    4000.0
    """
    start, stop = reach_m or (0.0, centreline.length)
    along = np.linspace(start, stop, max(2, int((stop - start) / spacing_m) + 1))
    points = shapely.get_coordinates(shapely.line_interpolate_point(centreline, along))
    column, row = np.floor(to_map(points, ~transform)).astype(int).T
    height, width = speed_m_per_year.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    samples = speed_m_per_year[row[inside], column[inside]]
    samples = samples[np.isfinite(samples)]
    if not len(samples):
        raise InputError("the velocity field says nothing along the centreline; check its extent and its CRS")
    return float(np.quantile(samples, quantile))
