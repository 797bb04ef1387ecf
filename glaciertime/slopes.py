"""Slopes of a dated series: the robust and the weighted one, each with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glaciertime.errors import SeriesTooShortError
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["Slope", "theil_sen_slope", "weighted_slope"]


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A rate per year of 365.25 days with its interval; ``sigma_per_year`` is NaN where the method gives none."""

    slope_per_year: float
    low: float
    high: float
    sigma_per_year: float
    n: int


def theil_sen_slope(days: ArrayLike, values: ArrayLike, *, level: float = 0.95) -> Slope:
    """Return the median slope of all pairs of dates, which a third of outliers cannot move far.

    The interval is Sen's, from the distribution of Kendall's statistic; pairs of one day are left out.

    Parameters
    ----------
    days : array_like, (N,)
        In any order.
    values : array_like, (N,)
    level : float
        Probability that the interval is meant to hold.

    Raises
    ------
    SeriesTooShortError
        With fewer than three different days.

    References
    ----------
    Sen, P. K. (1968), doi:10.1080/01621459.1968.10480934.

    Examples
    --------
    >>> fit = theil_sen_slope([0, 365.25, 730.5, 1095.75], [0.0, -10.0, -20.0, -300.0])
    >>> round(fit.slope_per_year, 1)
    -55.0
    """
    day, value = np.asarray(days, dtype=float), np.asarray(values, dtype=float)
    if len(np.unique(day)) < 3:
        raise SeriesTooShortError("theil_sen_slope", len(np.unique(day)), "a slope", 3, "widen the window")
    from scipy import stats

    slope, _, low, high = stats.theilslopes(value, day, alpha=level)
    return Slope(
        slope_per_year=float(slope) * DAYS_PER_YEAR,
        low=float(low) * DAYS_PER_YEAR,
        high=float(high) * DAYS_PER_YEAR,
        sigma_per_year=float("nan"),
        n=len(value),
    )


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
    # Imported here: scipy.stats takes longer to import than most commands take.
    from scipy import stats

    factor = float(stats.norm.ppf(0.5 + level / 2))
    if extra_scatter:
        rest = value - design @ estimate
        reduced = float(rest @ np.linalg.solve(matrix, rest)) / (len(value) - 2)
        # Without any known sigma the scatter is all there is to go by, even below one.
        variance *= max(1.0, reduced) if len(known) or covariance is not None else reduced
        factor = float(stats.t.ppf(0.5 + level / 2, len(value) - 2))
    spread = float(np.sqrt(variance))
    return Slope(
        slope_per_year=float(estimate[1]),
        low=float(estimate[1]) - factor * spread,
        high=float(estimate[1]) + factor * spread,
        sigma_per_year=spread,
        n=len(value),
    )
