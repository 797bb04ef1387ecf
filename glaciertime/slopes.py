"""Slopes of a dated series: the robust and the weighted one, each with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from glaciertime.errors import InputError, SeriesTooShortError
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["Slope", "robust_ends", "theil_sen_slope", "weighted_slope"]


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A rate per year of 365.25 days with its interval.

    ``sigma_per_year`` is NaN where the method gives none, ``low`` and ``high`` are where so few dates cannot hold the
    interval asked for.
    """

    slope_per_year: float
    low: float
    high: float
    sigma_per_year: float
    n: int


#: Ends nearer to each other than this are told apart by rounding alone.
_OF_A_SIGMA = 0.01
# Above so many dates the statistic is normal to well below a thousandth.
_EXACT_UP_TO = 50


@lru_cache(maxsize=64)
def _share_of_orders(n: int) -> NDArray[np.float64]:
    """Return, for every count k, which share of the orders of n values has at most k pairs in the wrong order."""
    counts = np.ones(1)
    for size in range(2, n + 1):
        counts = np.convolve(counts, np.full(size, 1 / size))
    return np.cumsum(counts)


def _sen_rank(day: NDArray[np.float64], level: float) -> int:
    """Return how many slopes, counted from the outside, lie beyond Sen's interval on each side; -1 where none can.

    The number of slopes below the true one is that of pairs of independent errors in the wrong order: exact for up to
    fifty different days (Kendall 1938), else normal with the variance of days that repeat.
    """
    n, (_, repeats) = len(day), np.unique(day, return_counts=True)
    tail = (1 - level) / 2
    if n <= _EXACT_UP_TO and len(repeats) == n:
        return int(np.searchsorted(_share_of_orders(n), tail, side="right")) - 1
    pairs = n * (n - 1) / 2 - float(np.sum(repeats * (repeats - 1))) / 2
    variance = (n * (n - 1) * (2 * n + 5) - float(np.sum(repeats * (repeats - 1) * (2 * repeats + 5)))) / 18
    return int(np.floor((pairs - ndtri(1 - tail) * np.sqrt(variance)) / 2)) - 1


def theil_sen_slope(days: ArrayLike, values: ArrayLike, *, level: float = 0.95) -> Slope:
    """Return the median slope of all pairs of dates, which a third of outliers cannot move far.

    The interval is Sen's, from the exact distribution of Kendall's statistic: it holds the slope at least as often as
    asked. From three dates no more than 66.7 % can be had, from four 91.7 %: beyond that there is no interval (NaN).
    Pairs of one day are left out.

    Parameters
    ----------
    days : array_like, (N,)
        In any order.
    values : array_like, (N,)
    level : float
        Probability that the interval holds the slope, if errors are independent.

    Raises
    ------
    SeriesTooShortError
        With fewer than three different days.
    InputError
        Where ``level`` is not between 0 and 1.

    References
    ----------
    Sen, P. K. (1968), doi:10.1080/01621459.1968.10480934; Kendall, M. G. (1938), doi:10.1093/biomet/30.1-2.81.

    Examples
    --------
    >>> fit = theil_sen_slope([0, 365.25, 730.5, 1095.75], [0.0, -10.0, -20.0, -300.0], level=0.9)
    >>> round(fit.slope_per_year, 1), round(fit.low, 1), round(fit.high, 1)
    (-55.0, -280.0, -10.0)
    """
    _check_level(level)
    day, value = np.asarray(days, dtype=float), np.asarray(values, dtype=float)
    if len(np.unique(day)) < 3:
        raise SeriesTooShortError("theil_sen_slope", len(np.unique(day)), "a slope", 3, "widen the window")
    first, second = np.triu_indices(len(day), 1)
    apart = day[second] - day[first]
    slopes = np.sort((value[second] - value[first])[apart != 0] / apart[apart != 0]) * DAYS_PER_YEAR
    outside = _sen_rank(day, level)
    return Slope(
        slope_per_year=float(np.median(slopes)),
        low=float(slopes[outside]) if outside >= 0 else float("nan"),
        high=float(slopes[-1 - outside]) if outside >= 0 else float("nan"),
        sigma_per_year=float("nan"),
        n=len(value),
    )


def robust_ends(
    fit: Slope, days: ArrayLike, values: ArrayLike, sigmas: ArrayLike, *, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of a robust slope, where values hardly differ no narrower than their sigmas allow.

    Values that a grid rounds are equal, or equal but for the last digits of a length: by their scatter alone such a
    slope is beyond doubt. Where the ends lie, over the whole record, less than a hundredth of a sigma apart, the
    interval has the half width of that of the weighted slope.

    Parameters
    ----------
    fit : Slope
        Of :func:`theil_sen_slope` of the same days and values.
    days, values, sigmas : array_like, (N,)
    level : float

    Examples
    --------
    >>> days = [0, 365.25, 730.5, 1095.75, 1461.0, 1826.25]
    >>> fit = theil_sen_slope(days, [100.0] * 6)
    >>> [round(end, 1) for end in robust_ends(fit, days, [100.0] * 6, [10.0] * 6)]
    [-6.6, 6.6]
    """
    day, sigma = np.asarray(days, dtype=float), np.asarray(sigmas, dtype=float)
    known = sigma[np.isfinite(sigma) & (sigma > 0)]
    years = float(np.ptp(day)) / DAYS_PER_YEAR
    if not len(known) or not (fit.high - fit.low) * years < _OF_A_SIGMA * float(np.median(known)):
        return fit.low, fit.high
    sure = weighted_slope(day, values, sigma, level=level)
    half = max(fit.slope_per_year - sure.low, sure.high - fit.slope_per_year)
    return fit.slope_per_year - half, fit.slope_per_year + half


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a probability between 0 and 1")


def weighted_slope(
    days: ArrayLike,
    values: ArrayLike,
    sigmas: ArrayLike,
    *,
    covariance: NDArray[np.float64] | None = None,
    extra_scatter: bool = True,
    level: float = 0.95,
) -> Slope:
    """Return the generalised least-squares slope of values of known uncertainty.

    Parameters
    ----------
    days, values, sigmas : array_like, (N,)
        Unknown sigmas (NaN) take the median of the known ones; if none is known, all count the same.
    covariance : (N, N) float64, optional
        Of :func:`glaciertime.track.ruler.uncertainty.covariance`, in place of independent sigmas.
    extra_scatter : bool
        Whether scatter beyond the sigmas (the front moves not only steadily) widens the interval: sigma is multiplied
        by the square root of the reduced chi-square where that exceeds one, and the interval follows Student's t. With
        False the sigmas are all that errs, and the interval is normal.
    level : float

    Raises
    ------
    SeriesTooShortError
        With fewer than two different days, three with ``extra_scatter``.

    Examples
    --------
    >>> fit = weighted_slope([0, 365.25, 730.5], [0.0, 10.0, 20.0], [1.0, 1.0, 1.0], extra_scatter=False)
    >>> round(fit.slope_per_year, 6), round(fit.sigma_per_year, 6)
    (10.0, 0.707107)
    """
    _check_level(level)
    day, value, sigma = (np.asarray(each, dtype=float) for each in (days, values, sigmas))
    needed = 3 if extra_scatter else 2
    if len(np.unique(day)) < needed:
        raise SeriesTooShortError("weighted_slope", len(np.unique(day)), "a slope", needed, "widen the window")
    known = sigma[np.isfinite(sigma) & (sigma > 0)]
    sigma = np.where(np.isfinite(sigma) & (sigma > 0), sigma, np.median(known) if len(known) else 1.0)
    matrix = np.diag(sigma**2) if covariance is None else covariance
    years = (day - day.mean()) / DAYS_PER_YEAR
    design = np.column_stack([np.ones_like(years), years])
    solved = np.linalg.solve(matrix, np.column_stack([design, value]))
    normal = design.T @ solved[:, :2]
    estimate = np.linalg.solve(normal, design.T @ solved[:, 2])
    variance = float(np.linalg.inv(normal)[1, 1])
    factor = float(ndtri(0.5 + level / 2))
    if extra_scatter:
        rest = value - design @ estimate
        reduced = float(rest @ np.linalg.solve(matrix, rest)) / (len(value) - 2)
        # Without any known sigma the scatter is all there is to go by, even below one.
        variance *= max(1.0, reduced) if len(known) or covariance is not None else reduced
        factor = float(stdtrit(len(value) - 2, 0.5 + level / 2))
    spread = float(np.sqrt(variance))
    return Slope(
        slope_per_year=float(estimate[1]),
        low=float(estimate[1]) - factor * spread,
        high=float(estimate[1]) + factor * spread,
        sigma_per_year=spread,
        n=len(value),
    )
