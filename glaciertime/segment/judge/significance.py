"""Whether models differ: tests over glaciers or scenes, corrected for how many were made, with effect sizes.

What is drawn from is a place, not a training: units are glaciers or scenes, each one value per model. Seeds of a
training are no such units; what they scatter is the noise of the training alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.naming import counted
from glaciertime.segment.judge.intervals import LEAST_UNITS, drawn_ends

__all__ = [
    "METHODS",
    "Anova",
    "Friedman",
    "PairedTest",
    "adjusted",
    "cohens_d_interval",
    "compare_groups",
    "compare_pair",
    "compare_ranks",
]

METHODS = ("bonferroni", "holm")
_LEVEL = 0.95
# Means of the same scores in another order differ behind them: a tie is a tie.
_DECIMALS = 12


@dataclass(frozen=True)
class Anova:
    """A one-way analysis of variance.

    Attributes
    ----------
    f, p : float
        NaN where there is none, see ``reason``.
    between, within : int
        Degrees of freedom.
    eta_squared : float
        Share of the variance that lies between the groups, 0 to 1.
    reason : str
        Why there is no test; empty where there is one.
    """

    f: float
    p: float
    between: int
    within: int
    eta_squared: float
    reason: str = ""


@dataclass(frozen=True)
class PairedTest:
    """Two models on the same units, the first minus the second.

    Attributes
    ----------
    units : int
        With a value of both.
    difference, low, high : float
        Mean difference, and the 95 % interval of units drawn with replacement, see :func:`.intervals.drawn_ends`.
    t, p_t : float
        Paired t test, two-sided.
    w, p_wilcoxon : float
        Wilcoxon's signed ranks, two-sided; units without a difference are left out of it.
    d_z, d_z_low, d_z_high : float
        Cohen's d of the differences: their mean over their standard deviation; its 95 % interval by the noncentral t.
    d_av, d_av_low, d_av_high : float
        Mean difference over the mean of the two standard deviations, with the 95 % interval of units drawn with
        replacement.
    reason : str
        Why there is no test; empty where there are both.
    """

    units: int
    difference: float
    low: float
    high: float
    t: float
    p_t: float
    w: float
    p_wilcoxon: float
    d_z: float
    d_z_low: float
    d_z_high: float
    d_av: float
    d_av_low: float
    d_av_high: float
    reason: str = ""


@dataclass(frozen=True)
class Friedman:
    """Ranks of three models or more on the same units.

    Attributes
    ----------
    units : int
    chi_squared, p : float
    mean_ranks : (K,) float64
        1 is the best; ties share their ranks.
    critical_difference : float
        Of two mean ranks, at 5 % (Nemenyi): q / sqrt(2) * sqrt(K (K + 1) / (6 N)).
    reason : str
        Why there is no test; empty where there is one.
    """

    units: int
    chi_squared: float
    p: float
    mean_ranks: NDArray[np.float64]
    critical_difference: float
    reason: str = ""


def compare_groups(groups: Mapping[str, NDArray[np.floating]] | Sequence[NDArray[np.floating]]) -> Anova:
    """Return a one-way analysis of variance of independent groups of units.

    Parameters
    ----------
    groups : mapping or sequence of (N,) float
        Values of the units of each group; NaN is left out.

    Raises
    ------
    InputError
        For fewer than two groups.

    Examples
    --------
    >>> found = compare_groups([np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 3, 4, 5, 6])])
    >>> found.between, found.within, round(found.f, 6), round(found.p, 4)
    (1, 8, 1.0, 0.3466)
    """
    from scipy import stats

    held = [_known(values) for values in (groups.values() if isinstance(groups, Mapping) else groups)]
    if len(held) < 2:
        raise InputError(f"{len(held)} group given, two or more expected")
    sizes = [len(values) for values in held]
    between, within = len(held) - 1, sum(sizes) - len(held)
    if min(sizes) < LEAST_UNITS:
        return _no_anova(between, within, f"a group has {_units(min(sizes))}: no p-value of fewer than {LEAST_UNITS}")
    pooled = np.concatenate(held)
    inner = sum(float(((values - values.mean()) ** 2).sum()) for values in held)
    whole = float(((pooled - pooled.mean()) ** 2).sum())
    if inner <= _tiny(pooled) * len(pooled):
        return _no_anova(between, within, "the units of each group are all equal: nothing to compare the groups with")
    found = stats.f_oneway(*held)
    return Anova(float(found.statistic), float(found.pvalue), between, within, 1 - inner / whole)


def compare_pair(
    first: NDArray[np.floating], second: NDArray[np.floating], *, draws: int = 2000, seed: int = 0
) -> PairedTest:
    """Return how two models differ on the same units.

    Parameters
    ----------
    first, second : (N,) float
        A value per unit, in the same order; a unit that lacks one (NaN) is left out.
    draws, seed : int
        Of the intervals that are drawn.

    Raises
    ------
    InputError
        If the two are of different lengths.

    Examples
    --------
    >>> found = compare_pair(np.array([3.0, 5, 4, 6, 7]), np.array([2.0, 3, 3, 4, 4]))
    >>> found.units, round(found.difference, 2), round(found.t, 4), round(found.d_z, 4)
    (5, 1.8, 4.8107, 2.1514)
    """
    from scipy import stats

    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape or one.ndim != 1:
        raise InputError(
            f"values of {one.shape} and {other.shape} given; one of each unit, in the same order, expected"
        )
    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both].round(_DECIMALS), other[both].round(_DECIMALS)
    gap, count = (one - other).round(_DECIMALS), int(both.sum())
    nothing = dict.fromkeys(
        ("low", "high", "t", "p_t", "w", "p_wilcoxon", "d_z", "d_z_low", "d_z_high", "d_av", "d_av_low", "d_av_high"),
        math.nan,
    )
    mean = float(gap.mean()) if count else math.nan
    if count < LEAST_UNITS:
        why = f"{_units(count)} in common: no p-value of fewer than {LEAST_UNITS}"
        return PairedTest(units=count, difference=mean, reason=why, **nothing)
    spread = float(gap.std(ddof=1))
    if spread <= _tiny(np.concatenate([one, other])):
        why = (
            "the two are equal on every unit"
            if abs(mean) <= _tiny(np.concatenate([one, other]))
            else "the difference is the same on every unit: it has no spread to be compared with"
        )
        return PairedTest(units=count, difference=mean, reason=why, **nothing)
    t = stats.ttest_rel(one, other)
    # Of the rounded differences: behind the decimals ties of ranks would not be ties.
    w = stats.wilcoxon(gap)
    d_z = mean / spread
    drawn = np.random.default_rng(seed).integers(0, count, size=(draws, count))
    with np.errstate(invalid="ignore", divide="ignore"):
        d_av_drawn = _d_av(one[drawn], other[drawn])
    ends = drawn_ends(count, level=_LEVEL)
    low, high = np.quantile(gap[drawn].mean(axis=1), ends)
    known = np.isfinite(d_av_drawn)
    d_av_ends = np.quantile(d_av_drawn[known], ends) if known.mean() > 0.5 else (math.nan, math.nan)
    z_low, z_high = cohens_d_interval(d_z, units=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        d_av = float(_d_av(one, other))
    return PairedTest(
        units=count, difference=mean, low=float(low), high=float(high), t=float(t.statistic), p_t=float(t.pvalue),
        w=float(w.statistic), p_wilcoxon=float(w.pvalue), d_z=d_z, d_z_low=z_low, d_z_high=z_high,
        d_av=d_av if math.isfinite(d_av) else math.nan, d_av_low=float(d_av_ends[0]), d_av_high=float(d_av_ends[1]),
    )  # fmt: skip


def cohens_d_interval(d_z: float, *, units: int, level: float = _LEVEL) -> tuple[float, float]:
    """Return the interval of Cohen's d of paired differences: the noncentral t that have the observed at their ends.

    Parameters
    ----------
    d_z : float
        Mean of the differences over their standard deviation; t = d_z sqrt(units).
    units : int
        Two or more.

    References
    ----------
    Cumming and Finch 2001, doi:10.1177/0013164401614002

    Examples
    --------
    >>> low, high = cohens_d_interval(0.0, units=10)
    >>> round(low, 3), round(high, 3)
    (-0.62, 0.62)
    """
    from scipy import optimize, stats

    # The distribution of a negative t far from its shift is NaN in scipy: the interval is that of -t, mirrored.
    if d_z < 0:
        low, high = cohens_d_interval(-d_z, units=units, level=level)
        return -high, -low
    t, df = d_z * math.sqrt(units), units - 1

    def off(shift: float, share: float) -> float:
        return float(stats.nct.cdf(t, df, shift)) - share

    ends = []
    # At a larger shift less of the distribution lies below t.
    for share in (0.5 + level / 2, 0.5 - level / 2):
        reach = 5 + abs(t)
        try:
            ends.append(float(optimize.brentq(off, t - reach, t + reach, args=(share,))) / math.sqrt(units))
        except ValueError:
            ends.append(math.nan)
    return (ends[0], ends[1]) if all(map(math.isfinite, ends)) else (math.nan, math.nan)


def adjusted(p_values: Sequence[float], *, method: str) -> list[float]:
    """Return p-values corrected for their number, by ``bonferroni`` or ``holm``; NaN stays, and is none of them.

    Bonferroni multiplies each by the number of tests, Holm the smallest by it, the next by one less and so on, none
    below the one before it; neither goes past 1. (That of statsmodels, which is equal, collects garbage at each call:
    half a second in a process that has torch.)

    References
    ----------
    Holm 1979, Scandinavian Journal of Statistics 6, 65-70

    Examples
    --------
    >>> [round(p, 4) for p in adjusted([0.01, 0.02, float("nan"), 0.5], method="holm")]
    [0.03, 0.04, nan, 0.5]
    """
    if method not in METHODS:
        raise InputError(f"correction '{method}' given, one of {', '.join(METHODS)} expected")
    values = np.array(p_values, dtype=np.float64)
    places = np.flatnonzero(np.isfinite(values))
    places = places[np.argsort(values[places], kind="stable")]
    if method == "bonferroni":
        corrected = values[places] * len(places)
    else:
        corrected = np.maximum.accumulate(values[places] * np.arange(len(places), 0, -1))
    values[places] = np.minimum(corrected, 1)
    return [float(value) for value in values]


def compare_ranks(values: NDArray[np.floating], *, larger_is_better: bool = True) -> Friedman:
    """Return Friedman's test of three models or more on the same units, and Nemenyi's critical difference of ranks.

    Parameters
    ----------
    values : (N, K) float
        A row per unit, a column per model; a unit that lacks a value (NaN) is left out.
    larger_is_better : bool

    References
    ----------
    Demsar 2006, Journal of Machine Learning Research 7, 1-30

    Examples
    --------
    >>> found = compare_ranks(np.array([[0.9, 0.8, 0.7]] * 6))
    >>> found.mean_ranks.tolist(), round(found.critical_difference, 3), round(found.p, 5)
    ([1.0, 2.0, 3.0], 1.353, 0.00248)
    """
    from scipy import stats

    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 2:
        raise InputError(f"values of {given.shape} given; a row per unit and a column per model expected")
    whole = given[np.isfinite(given).all(axis=1)].round(_DECIMALS)
    count, models = whole.shape
    none = np.full(models, math.nan)
    if models < 3:
        return Friedman(
            count, math.nan, math.nan, none, math.nan, f"{counted(models, 'models')}: ranks are tested from three on"
        )
    if count < LEAST_UNITS:
        why = f"{_units(count)} in common: no p-value of fewer than {LEAST_UNITS}"
        return Friedman(count, math.nan, math.nan, none, math.nan, why)
    ranks = stats.rankdata(-whole if larger_is_better else whole, axis=1)
    mean_ranks = ranks.mean(axis=0)
    if (np.ptp(whole, axis=1) == 0).all():
        return Friedman(count, math.nan, math.nan, mean_ranks, math.nan, "all models are equal on every unit")
    found = stats.friedmanchisquare(*whole.T)
    critical = _studentized(models) / math.sqrt(2) * math.sqrt(models * (models + 1) / (6 * count))
    return Friedman(count, float(found.statistic), float(found.pvalue), mean_ranks, critical)


@functools.lru_cache
def _studentized(models: int) -> float:
    """Return the quantile of the studentized range that Nemenyi's test is by: a slow one, and the same for all."""
    from scipy import stats

    return float(stats.studentized_range.ppf(_LEVEL, models, np.inf))


def _d_av(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation = (one.std(axis=-1, ddof=1) + other.std(axis=-1, ddof=1)) / 2
    return np.asarray((one - other).mean(axis=-1) / deviation)


def _known(values: NDArray[np.floating]) -> NDArray[np.float64]:
    given = np.asarray(values, dtype=np.float64)
    return given[np.isfinite(given)]


def _tiny(values: NDArray[np.float64]) -> float:
    """Return what a spread must be above to be more than the rounding of the values."""
    return 1e-12 * max(float(np.abs(values).max(initial=0.0)), 1e-300)


def _units(count: int) -> str:
    return f"{count} unit" if count == 1 else f"{count} units"


def _no_anova(between: int, within: int, reason: str) -> Anova:
    return Anova(math.nan, math.nan, between, within, math.nan, reason)
