"""One standard deviation of front positions, areas, changes and rates, from what is known of the boundary.

Only the boundary that moves carries an error: the edges of a box are exact, and rock that bounds the ice on every date
cancels in every difference.

Four errors are told apart, and each averages out over its own length along the front. *Delineation* errs at each point,
square to the front, alike within the correlation length and independently far beyond it. *Rounding* to pixels is new at
every pixel, but for stretches that run along the pixels. The *georeferencing* shifts all of an image by one vector.
What *several dates share*, such as the offset of a sensor, cancels in their
differences.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import Acquisition
from glaciertime.track.measurement import Rounding
from glaciertime.track.settings import TrackSettings
from glaciertime.units import M2_PER_KM2

__all__ = [
    "area_sigma_km2",
    "averaged_sigma_m",
    "boundary_sigma_m",
    "change_sigma",
    "correlated_length_m",
    "correlation_of",
    "covariance",
    "delineation_sigma_m",
    "ensemble_sigma",
    "partial_sigma_m",
    "position_sigma_m",
]


def delineation_sigma_m(acquisition: Acquisition, *, settings: TrackSettings) -> float:
    """Return the error of a boundary at one point by its delineation alone: zero where only pixels are known.

    A boundary that a model drew errs by several pixels: where nobody measured by how many, its error is unknown (NaN),
    not that of the rounding. So is it where neither the delineation nor the size of the pixels is known.
    """
    delineation = acquisition.delineation_sigma_m
    if math.isnan(delineation):
        delineation = settings.delineation_sigma_m
    if math.isnan(delineation) and not acquisition.model and not math.isnan(acquisition.resolution_m):
        return 0.0
    return delineation


def boundary_sigma_m(acquisition: Acquisition, *, settings: TrackSettings, rounding: Rounding | None = None) -> float:
    """Return the error of a boundary's position at one point, without that of the image's place; NaN if unknown.

    The rounding to pixels (resolution / sqrt(12) where the scene does not tell more) and the delineation add in
    quadrature.
    """
    pixels = Rounding.of_pixels(acquisition.resolution_m) if rounding is None else rounding
    return math.hypot(delineation_sigma_m(acquisition, settings=settings), pixels.sigma_m)


def correlation_of(apart_m: NDArray[np.float64], *, correlation_m: float) -> NDArray[np.float64]:
    """Return the correlation of a delineation's error at two points of a front: ``exp(-pi d^2 / c^2)``.

    It integrates to ``correlation_m`` over both directions.
    """
    return np.exp(-np.pi * (apart_m / correlation_m) ** 2)


def correlated_length_m(length_m: float, *, correlation_m: float) -> float:
    """Return the length along which an error would have to be the same to average out as a correlated one does.

    The variance of the mean over a length ``L`` of an error whose correlation is that of :func:`correlation_of` is
    ``sigma^2 * correlated_length / L`` with ``correlated_length = c erf(sqrt(pi) x) - c / (pi x) (1 - exp(-pi x^2))``
    and ``x = L / c``: ``L`` for a short front, ``c`` for a long one.

    Examples
    --------
    >>> round(correlated_length_m(1e6, correlation_m=1000), 1), round(correlated_length_m(10, correlation_m=1000), 1)
    (999.7, 10.0)
    """
    ratio = length_m / correlation_m
    if ratio < 1e-4:
        return length_m
    return correlation_m * (math.erf(math.sqrt(math.pi) * ratio) + math.expm1(-math.pi * ratio**2) / (math.pi * ratio))


def position_sigma_m(boundary_m: float, *, georeferencing_m: float, obliquity: float = 1.0) -> float:
    """Return the error of a position read off at one point of the front; NaN if that of the boundary is unknown.

    Parameters
    ----------
    boundary_m, georeferencing_m : float
        The latter along one axis; unknown counts as none.
    obliquity : float
        One over the cosine of the angle between the front's normal and the centreline: an error square to a slanted
        front moves its crossing by more.

    Examples
    --------
    >>> position_sigma_m(30.0, georeferencing_m=40.0)
    50.0
    """
    return obliquity * math.hypot(boundary_m, 0.0 if math.isnan(georeferencing_m) else georeferencing_m)


def area_sigma_km2(
    *,
    front_length_m: float,
    front_width_m: float,
    boundary_m: float,
    georeferencing_m: float,
    correlation_m: float,
    rounding: Rounding | None = None,
) -> float:
    """Return the error of an area whose moving boundary is a front.

    The error of the boundary adds up to ``boundary_m * sqrt(length * correlated_length)``. A shift of the whole image
    sweeps the straight line between the ends of the front: ``georeferencing_m * width``. Rounding to pixels adds up
    over its own length. All add in quadrature.

    Examples
    --------
    >>> round(
    ...     area_sigma_km2(
    ...         front_length_m=1e5, front_width_m=0, boundary_m=100, georeferencing_m=float("nan"), correlation_m=1000
    ...     ),
    ...     3,
    ... )
    0.998
    """
    if front_length_m <= 0:
        return 0.0
    correlated = correlated_length_m(front_length_m, correlation_m=correlation_m)
    shifted = 0.0 if math.isnan(georeferencing_m) else georeferencing_m * front_width_m
    pixels = rounding or Rounding()
    rounded = pixels.sigma_m * math.sqrt(front_length_m * pixels.length_m)
    return math.hypot(boundary_m * math.sqrt(front_length_m * correlated), shifted, rounded) / M2_PER_KM2


def averaged_sigma_m(
    boundary_m: float,
    *,
    front_length_m: float,
    width_m: float,
    correlation_m: float,
    georeferencing_m: float = math.nan,
    chord_m: float | None = None,
    rounding: Rounding | None = None,
) -> float:
    """Return the error of a position that is an area behind a front divided by a width.

    Parameters
    ----------
    boundary_m, georeferencing_m : float
    front_length_m : float
        Length of the front inside the box.
    width_m : float
    correlation_m : float
    chord_m : float, optional
        Straight distance between the two ends of the front inside the box; by default its width.
    rounding : Rounding, optional
        To pixels, where it is not in ``boundary_m``.

    Examples
    --------
    >>> round(averaged_sigma_m(30.0, front_length_m=4000, width_m=4000, correlation_m=1000), 1)
    14.4
    """
    sigma_km2 = area_sigma_km2(
        front_length_m=front_length_m,
        front_width_m=width_m if chord_m is None else chord_m,
        boundary_m=boundary_m,
        georeferencing_m=georeferencing_m,
        correlation_m=correlation_m,
        rounding=rounding,
    )
    return sigma_km2 * M2_PER_KM2 / width_m


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


def ensemble_sigma(members: ArrayLike, *, axis: int = 0) -> NDArray[np.float64]:
    """Return the spread of an ensemble of predictions as one standard deviation.

    Positions or areas measured on the masks of several models, or on masks drawn from a model's probabilities, are
    given; members that are NaN are left out, fewer than two give NaN. The spread is what the models disagree on: an
    error that all of them share is not in it.

    Examples
    --------
    >>> ensemble_sigma([10.0, 14.0]).round(3).tolist()
    2.828
    """
    values = np.asarray(members, dtype=float)
    count = np.isfinite(values).sum(axis=axis)
    mean = np.where(count > 0, np.nansum(values, axis=axis) / np.maximum(count, 1), np.nan)
    squares = np.nansum((values - np.expand_dims(mean, axis)) ** 2, axis=axis)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def change_sigma(first: float, second: float, *, shared: float = 0.0) -> float:
    """Return the error of a difference of two values that share a part of their errors.

    ``sqrt(first^2 + second^2 - 2 shared^2)``: what both share cancels.

    Parameters
    ----------
    first, second : float
        One standard deviation of each value.
    shared : float
        One standard deviation of the part both have in common; at most the smaller of the two.

    Raises
    ------
    InputError
        Where the shared part is larger than either error.

    Examples
    --------
    >>> change_sigma(5.0, 5.0, shared=4.0), change_sigma(3.0, 4.0)
    (4.242640687119285, 5.0)
    """
    if shared > min(first, second) * (1 + 1e-12):
        raise InputError(f"the shared error {shared:g} is larger than one of the errors {first:g} and {second:g}")
    return math.sqrt(max(0.0, first**2 + second**2 - 2 * shared**2))


def covariance(sigmas: ArrayLike, *, shared: float = 0.0, groups: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the covariance matrix of dates of which some share a part of their errors.

    Parameters
    ----------
    sigmas : array_like, (N,)
        One standard deviation of each value, the shared part included.
    shared : float
        One standard deviation of what the dates of one group have in common.
    groups : array_like, (N,), optional
        For example the sensor of each date; without, all dates are one group.

    Returns
    -------
    (N, N) float64

    Examples
    --------
    >>> covariance([5.0, 5.0, 5.0], shared=3.0, groups=["A", "A", "B"]).tolist()
    [[25.0, 9.0, 0.0], [9.0, 25.0, 0.0], [0.0, 0.0, 25.0]]
    """
    sigma = np.asarray(sigmas, dtype=float)
    if shared > sigma.min(initial=np.inf):
        raise InputError(f"the shared error {shared:g} is larger than the smallest error {sigma.min():g}")
    same = np.ones((len(sigma), len(sigma)), dtype=bool)
    if groups is not None:
        names = np.asarray(groups)
        same = names[:, None] == names[None, :]
    matrix = np.where(same, shared**2, 0.0)
    np.fill_diagonal(matrix, sigma**2)
    return matrix
