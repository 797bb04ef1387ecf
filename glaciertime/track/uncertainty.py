"""One standard deviation of a front position and of an area, from what is known of the boundary.

Only the boundary that moves carries an error: the edges of a box are exact, and rock that bounds the ice on every date
cancels in every difference.
"""

from __future__ import annotations

import math

from glaciertime.scenes.acquisition import Acquisition
from glaciertime.track.settings import TrackSettings
from glaciertime.units import M2_PER_KM2

__all__ = ["area_sigma_km2", "averaged_sigma_m", "boundary_sigma_m", "partial_sigma_m", "position_sigma_m"]


def boundary_sigma_m(acquisition: Acquisition, *, settings: TrackSettings) -> float:
    """Return the error of a boundary's position at one point, without that of the image's place; NaN if unknown.

    The rounding to pixels (resolution / sqrt(12)) and the delineation add in quadrature.
    """
    delineation = acquisition.delineation_sigma_m
    if math.isnan(delineation):
        delineation = settings.delineation_sigma_m
    known = [value for value in (acquisition.resolution_m / math.sqrt(12), delineation) if not math.isnan(value)]
    return math.hypot(*known) if known else math.nan


def position_sigma_m(boundary_m: float, *, georeferencing_m: float) -> float:
    """Return the error of a position read off at one point of the front; NaN if that of the boundary is unknown.

    Examples
    --------
    >>> position_sigma_m(30.0, georeferencing_m=40.0)
    50.0
    """
    return math.hypot(boundary_m, 0.0 if math.isnan(georeferencing_m) else georeferencing_m)


def area_sigma_km2(
    *, front_length_m: float, front_width_m: float, boundary_m: float, georeferencing_m: float, correlation_m: float
) -> float:
    """Return the error of an area whose moving boundary is a front.

    Along the front the error is the same within ``correlation_m`` and independent beyond: it adds up to
    ``boundary_m * sqrt(length * min(length, correlation_m))``. A shift of the whole image sweeps the width of the
    front: ``georeferencing_m * width``. The two add in quadrature.

    Examples
    --------
    >>> area_sigma_km2(
    ...     front_length_m=4000, front_width_m=4000, boundary_m=100, georeferencing_m=float("nan"), correlation_m=1000
    ... )
    0.2
    """
    swept = boundary_m * math.sqrt(front_length_m * min(front_length_m, correlation_m))
    shifted = 0.0 if math.isnan(georeferencing_m) else georeferencing_m * front_width_m
    return math.hypot(swept, shifted) / M2_PER_KM2


def averaged_sigma_m(boundary_m: float, *, front_length_m: float, width_m: float, correlation_m: float) -> float:
    """Return the error of a position that is an area behind a front divided by a width.

    The error of the area, ``boundary_m * sqrt(length * min(length, correlation_m))``, over the width: along the front
    the delineation errs alike within ``correlation_m`` and independently beyond.

    Examples
    --------
    >>> averaged_sigma_m(30.0, front_length_m=4000, width_m=4000, correlation_m=1000)
    15.0
    """
    return boundary_m * math.sqrt(front_length_m * min(front_length_m, correlation_m)) / width_m


def partial_sigma_m(coverage: float, *, width_m: float) -> float:
    """Return the error of a position whose front covers a share of the width only.

    The missing part is taken to leave the end of the front at any slope up to 45 degrees, all alike: its mean differs
    by up to half its width, uniformly, and enters with its share.

    Examples
    --------
    >>> round(partial_sigma_m(0.5, width_m=2000), 1)
    144.3
    """
    gap = 1 - coverage
    return gap * (gap * width_m / 2) / math.sqrt(3)
