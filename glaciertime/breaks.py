"""Change points: the dates at which a series breaks, how large each break is, and how sure it is one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from glaciertime.combining import one_per_day, yearly_means
from glaciertime.errors import InputError, SeriesTooShortError
from glaciertime.slopes import theil_sen_slope
from glaciertime.tables import SERIES_KEY, by_series

__all__ = ["CHANGE_COLUMNS", "SEGMENT_COLUMNS", "ChangePoint", "change_points", "change_table", "segment_table"]

CHANGE_COLUMNS = (
    *SERIES_KEY, "after", "before", "step", "sigma", "p_value", "qualifier", "unit", "source",
)  # fmt: skip

SEGMENT_COLUMNS = (
    *SERIES_KEY, "start_date", "end_date", "n", "mean", "rate_per_year", "low", "high", "reading", "qualifier", "unit",
    "source",
)  # fmt: skip

_PERMUTATIONS = 999
# From fewer there is no 95 % interval of a rate (see theil_sen_slope).
_LEAST_DAYS = 5
# From so many days in some year on, a season would pass for a break: years are searched instead.
_DENSE_PER_YEAR = 6


@dataclass(frozen=True, kw_only=True)
class ChangePoint:
    """A break between two neighbouring observations, ``index - 1`` and ``index``.

    ``step`` is the mean of the segment after less that before, ``sigma`` its standard deviation from the scatter within
    all segments together, at least that of the values' own sigmas; ``p_value`` is the chance of a break as strong in a
    series without one.
    """

    index: int
    step: float
    sigma: float
    p_value: float


def _best_split(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[int, float]:
    """Return where a step explains most of the weighted variance of a series, and how much."""
    total_weight, total = np.cumsum(weights), np.cumsum(weights * values)
    left_weight, left = total_weight[:-1], total[:-1]
    right_weight, right = total_weight[-1] - left_weight, total[-1] - left
    gain = left**2 / left_weight + right**2 / right_weight - total[-1] ** 2 / total_weight[-1]
    best = int(np.argmax(gain))
    return best + 1, float(gain[best])


def _best_splits(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gain of the best split of each row."""
    left = np.cumsum(values * weights, axis=1)
    left_weight = np.cumsum(np.broadcast_to(weights, values.shape), axis=1)
    total, total_weight = left[:, -1:], left_weight[:, -1:]
    left, left_weight = left[:, :-1], left_weight[:, :-1]
    gain = left**2 / left_weight + (total - left) ** 2 / (total_weight - left_weight) - total**2 / total_weight
    return gain.max(axis=1)


def change_points(
    values: ArrayLike, *, sigmas: ArrayLike | None = None, level: float = 0.05, seed: int = 0, max_count: int = 10
) -> list[ChangePoint]:
    """Return the steps of a series by binary segmentation, each tested by permutation.

    The split that explains most of the variance of a segment is kept if, of 999 random orders of the segment, no more
    than a share ``level`` has a split as good; both halves are then searched in turn. The test assumes nothing of the
    distribution, but that without a break every order is as likely as any other: a steady trend breaks, too.

    Parameters
    ----------
    values : array_like, (N,)
        In order of time.
    sigmas : array_like, (N,), optional
        Weights are their inverse squares; unknown ones take the median.
    level : float
        Shared out over the searches (Bonferroni), so that a series without a break rarely shows one.
    seed : int
        Of the random orders.
    max_count : int

    Returns
    -------
    list of ChangePoint
        In order of time.

    Raises
    ------
    SeriesTooShortError
        With fewer than six values.

    Examples
    --------
    >>> [point.index for point in change_points([5, 5.1, 4.9, 5, 1, 1.1, 0.9, 1, 1.05])]
    [4]
    """
    value = np.asarray(values, dtype=float)
    if len(value) < 6:
        raise SeriesTooShortError("change points", len(value), "the permutation test", 6, "give a longer series")
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a probability between 0 and 1")
    weight, known_sigmas = _weights(np.full(len(value), math.nan) if sigmas is None else sigmas)
    rng = np.random.default_rng(seed)
    breaks: dict[int, float] = {}
    pending = [(0, len(value))]
    searches = 0
    while pending and len(breaks) < max_count:
        start, stop = pending.pop(0)
        if stop - start < 4:
            continue
        searches += 1
        segment, weights = value[start:stop] - value[start:stop].mean(), weight[start:stop]
        at, gain = _best_split(segment, weights)
        order = rng.permuted(np.tile(np.arange(len(segment)), (_PERMUTATIONS, 1)), axis=1)
        shuffled = _best_splits(segment[order], weights[order])
        # Small segments have few orders: equality counts against the break.
        p_value = (1 + int((shuffled >= gain * (1 - 1e-9)).sum())) / (_PERMUTATIONS + 1)
        few_orders = 1 / math.comb(len(segment), at)
        p_value = max(p_value, few_orders)
        if p_value <= level / (1 if searches == 1 else 2):
            breaks[start + at] = p_value
            pending += [(start, start + at), (start + at, stop)]
    edges = [0, *sorted(breaks), len(value)]
    segments = [slice(*pair) for pair in pairwise(edges)]
    means = [float(np.average(value[part], weights=weight[part])) for part in segments]
    rest = np.concatenate([value[part] - mean for part, mean in zip(segments, means, strict=True)])
    # The scatter is that of all segments together: a segment of one value says nothing of its own.
    scatter = float(np.sum(weight * rest**2)) / max(1, len(value) - len(segments))
    if known_sigmas:
        scatter = max(scatter, 1.0)
    out = []
    for k, index in enumerate(sorted(breaks)):
        variance = sum(scatter / float(weight[part].sum()) for part in segments[k : k + 2])
        out.append(
            ChangePoint(
                index=index, step=means[k + 1] - means[k], sigma=math.sqrt(variance), p_value=breaks[index]
            )
        )  # fmt: skip
    return out


def _weights(sigmas: ArrayLike) -> tuple[NDArray[np.float64], bool]:
    """Return inverse variances, unknown sigmas counted as the median, and whether any is known."""
    sigma = np.asarray(sigmas, dtype=float)
    known = np.isfinite(sigma) & (sigma > 0)
    if not known.any():
        return np.ones(len(sigma)), False
    return 1 / np.where(known, sigma, np.median(sigma[known])) ** 2, True


def _steps_of(observations: pd.DataFrame, least: int) -> list[tuple[tuple[Any, ...], pd.DataFrame, pd.DataFrame]]:
    """Return key, rows and what is searched for breaks of every series: its days, or its years where it is dense."""
    rows = observations[observations["value"].notna()]
    found = []
    for key, series in by_series(rows):
        daily = one_per_day(series)
        per_year = daily.groupby(daily["date"].dt.year)["value"].size()
        if len(per_year) >= least and per_year.max() >= _DENSE_PER_YEAR:
            # One image in a year stands for a season: years count alike.
            daily = yearly_means(daily).assign(sigma=math.nan)
        else:
            daily = daily.assign(start=daily["date"], end=daily["date"])
        if len(daily) >= least:
            found.append((key, series, daily))
    return found


def change_table(observations: pd.DataFrame, *, level: float = 0.05, seed: int = 0) -> pd.DataFrame:
    """Return the change points of every series of at least six days.

    Of a series with six days or more in some year, and six years or more, the means of the years (of their months'
    means) are searched: else every season is a break.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished; bounds (``censored``) are kept in it.
    level, seed
        Of :func:`change_points`.

    Returns
    -------
    DataFrame
        Columns :data:`CHANGE_COLUMNS`: the break lies after the date ``after`` and not after ``before``. Where one of
        the segments rests on bounds, ``qualifier`` is ``at least``, or ``bound`` where the table says of which side
        they are, so that a mean of them and of values is neither.
    """
    table = []
    for key, series, daily in _steps_of(observations, 6):
        points = change_points(daily["value"], sigmas=daily["sigma"], level=level, seed=seed)
        edges = [0, *[point.index for point in points], len(daily)]
        for k, point in enumerate(points):
            bound = daily["censored"].iloc[edges[k] : edges[k + 2]].any()
            table.append(
                {
                    **dict(zip(SERIES_KEY, key, strict=True)),
                    "after": daily["end"].iloc[point.index - 1],
                    "before": daily["start"].iloc[point.index],
                    "step": point.step,
                    "sigma": point.sigma,
                    "p_value": point.p_value,
                    "qualifier": _qualifier(series, bound),
                    "unit": series["unit"].iloc[0],
                    "source": series["source"].iloc[0],
                }
            )
    return pd.DataFrame(table, columns=list(CHANGE_COLUMNS))


def _qualifier(series: pd.DataFrame, is_bound: bool) -> str:
    if not is_bound:
        return ""
    return "bound" if "bound" in series and (series["bound"] != "").any() else "at least"


def segment_table(
    observations: pd.DataFrame, *, level: float = 0.05, seed: int = 0, stable_per_year: float | None = None
) -> pd.DataFrame:
    """Return, between the change points of every series, the mean, the robust rate and what it reads as.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished.
    level, seed
        Of :func:`change_points`.
    stable_per_year : float, optional
        A rate below this, in the unit of the series per year, reads as stable whatever its interval.

    Returns
    -------
    DataFrame
        Columns :data:`SEGMENT_COLUMNS`. ``reading`` is ``growing`` or ``shrinking`` where the 95 % interval of the rate
        excludes zero, ``stable`` where it does not, ``bound`` where all values of the segment are bounds, ``short``
        with fewer than five days. Segments hold no step: their rate is what goes on between the breaks.
    """
    table = []
    for key, series, daily in _steps_of(observations, 6):
        points = change_points(daily["value"], sigmas=daily["sigma"], level=level, seed=seed)
        edges = [0, *[point.index for point in points], len(daily)]
        weights, _ = _weights(daily["sigma"])
        for start, stop in pairwise(edges):
            part = daily.iloc[start:stop]
            rate, low, high, reading = math.nan, math.nan, math.nan, "short"
            if part["censored"].all():
                reading = "bound"
            elif len(part) >= _LEAST_DAYS:
                days = (part["date"] - pd.Timestamp("1970-01-01")).dt.days
                fit = theil_sen_slope(days, part["value"])
                rate, low, high = fit.slope_per_year, fit.low, fit.high
                reading = "growing" if low > 0 else "shrinking" if high < 0 else "stable"
                if stable_per_year is not None and abs(rate) < stable_per_year:
                    reading = "stable"
            table.append(
                {
                    **dict(zip(SERIES_KEY, key, strict=True)),
                    "start_date": part["start"].iloc[0],
                    "end_date": part["end"].iloc[-1],
                    "n": len(part),
                    # As the steps between segments have it.
                    "mean": float(np.average(part["value"], weights=weights[start:stop])),
                    "rate_per_year": rate,
                    "low": low,
                    "high": high,
                    "reading": reading,
                    "qualifier": _qualifier(series, part["censored"].any()),
                    "unit": series["unit"].iloc[0],
                    "source": series["source"].iloc[0],
                }
            )
    return pd.DataFrame(table, columns=list(SEGMENT_COLUMNS))
