"""Breaks: when a series changed by more in one go than it otherwise does, by how much, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from glaciertime.combining import one_per_day, yearly_means
from glaciertime.errors import InputError
from glaciertime.slopes import theil_sen_slope
from glaciertime.tables import SERIES_KEY, by_series
from glaciertime.units import DAYS_PER_YEAR

__all__ = [
    "CHANGE_COLUMNS",
    "LEAST_VALUES",
    "SEGMENT_COLUMNS",
    "Break",
    "change_table",
    "find_breaks",
    "matched_years",
    "segment_table",
]

CHANGE_COLUMNS = (
    *SERIES_KEY, "after", "before", "step", "sigma", "p_value", "values_after", "qualifier", "unit", "source",
)  # fmt: skip

SEGMENT_COLUMNS = (
    *SERIES_KEY, "start_date", "end_date", "n", "mean", "rate_per_year", "low", "high", "reading", "qualifier", "unit",
    "source",
)  # fmt: skip

#: Fewer values do not tell what is ordinary.
LEAST_VALUES = 6
#: More than this share of the steps cannot be out of the ordinary: the ordinary is then uneven itself.
_MOST = 0.25
#: A jump whose opposite follows at once, to less than this share of it, is an outlier.
_RETURNED = 0.5
#: A break is at least so many times as large as the largest ordinary change.
_APART = 1.5
# From fewer there is no 95 % interval of a rate (see theil_sen_slope).
_LEAST_DAYS = 5
# From so many days in some year on, a season would pass for a break: years are searched instead.
_DENSE_PER_YEAR = 6


@dataclass(frozen=True, kw_only=True)
class Break:
    """A change out of the ordinary between the observations ``start`` and ``end``, which need not be neighbours.

    Attributes
    ----------
    start, end : int
        The last observation before it and the first behind it.
    step : float
        The change from one to the other less what the ordinary rate makes of that time, in the unit of the values.
    sigma : float
        Its standard deviation: the scatter of ordinary changes over that time, at least that of the values' sigmas.
    p_value : float
        Chance that a series without a break shows a change like this anywhere.
    values_after : int
        Observations from ``end`` on: of one value alone it cannot be said whether it is a break or an outlier.
    is_ongoing : bool
        Whether it consists of several steps of which the last observation is the latest: nothing says that it is over.
    """

    start: int
    end: int
    step: float
    sigma: float
    p_value: float
    values_after: int
    is_ongoing: bool = False


def find_breaks(
    years: ArrayLike, values: ArrayLike, *, sigmas: ArrayLike | None = None, level: float = 0.05
) -> list[Break]:
    r"""Return the breaks of a series: changes between neighbours that its other changes do not explain.

    A change over the time :math:`g_i` is compared with the median rate *r* of the record in units of a random walk,

    .. math:: x_i = (y_{i+1} - y_i - r g_i) / \sqrt{g_i}

    and the :math:`x_i` are searched for up to a quarter of outliers by the generalised test of the extreme
    studentised deviate (Rosner 1983, doi:10.1080/00401706.1983.10487848), whose level is that of the whole search.
    Neighbouring changes of one sign are one break. A change that is taken back at once is an outlier, no break. A
    steady trend has none, nor does one that steepens by and by: what counts is a change beside its own kind.

    Parameters
    ----------
    years, values : array_like, (N,)
        In order of time, years strictly increasing.
    sigmas : array_like, (N,), optional
        Standard deviations of the values, NaN where unknown: no change is out of the ordinary that they explain.
    level : float
        Chance of finding any break where changes are normal and there is none.

    Returns
    -------
    list of Break
        In order of time; none with fewer than six values.

    Raises
    ------
    InputError
        If the level is no probability, or the years do not increase.

    Examples
    --------
    >>> found = find_breaks(range(1996, 2003), [1200, 1196, 1190, 1185, 1181, 1175, 640])
    >>> [(one.start, one.end, round(one.step)) for one in found]
    [(5, 6, -530)]
    """
    year, value = np.asarray(years, dtype=float), np.asarray(values, dtype=float)
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a probability between 0 and 1")
    gaps, changes = np.diff(year), np.diff(value)
    if (gaps <= 0).any():
        raise InputError("breaks: the dates must increase; combine the rows of one day first")
    if len(value) < LEAST_VALUES:
        return []
    sigma = np.nan_to_num(np.full(len(value), math.nan) if sigmas is None else np.asarray(sigmas, dtype=float))
    rate = _weighted_median(changes / gaps, gaps)
    # What the values' own errors make of a change, and their last digit.
    noise = np.sqrt(sigma[:-1] ** 2 + sigma[1:] ** 2 + _digit(value) ** 2 / 6) / np.sqrt(gaps)
    x = (changes - rate * gaps) / np.sqrt(gaps)
    order, probability = _outlying(x, noise, level)
    if not order:
        return []
    flagged = np.zeros(len(x), dtype=bool)
    flagged[order] = True
    ordinary = ~flagged
    usual = float(changes[ordinary].sum() / gaps[ordinary].sum())
    rest = (changes - usual * gaps)[ordinary] / np.sqrt(gaps[ordinary])
    scatter = float(np.sqrt(np.sum(rest**2) / max(len(rest) - 1, 1)))
    found = []
    for first, last in _runs(flagged, x, scatter):
        part = slice(first, last + 1)
        step = float((changes[part] - usual * gaps[part]).sum())
        time = float(gaps[part].sum())
        own = math.hypot(sigma[first], sigma[last + 1])
        p_value = min(probability[i] for i in range(first, last + 1) if flagged[i])
        found.append(Break(start=first, end=last + 1, step=step, sigma=max(scatter * math.sqrt(time), own),
                           p_value=p_value, values_after=len(value) - last - 1,
                           is_ongoing=last + 1 == len(value) - 1 and last > first))  # fmt: skip
    return _without_spikes(found)


def _outlying(x: NDArray[np.float64], noise: NDArray[np.float64], level: float) -> tuple[list[int], dict[int, float]]:
    """Return the indices of outlying numbers, and for each the chance of one as far out among all of them."""
    from scipy import special

    # One loss in the middle of a year is two changes of years.
    most = max(2 if len(x) > LEAST_VALUES else 1, int(_MOST * len(x)))
    left = np.arange(len(x))
    taken: list[int] = []
    count = 0
    probability: dict[int, float] = {}
    for number in range(most):
        held = x[left]
        size = len(left)
        spread = float(held.std(ddof=1))
        far = np.abs(held - held.mean()) / np.maximum(np.maximum(spread, noise[left]), 1e-12 * (np.abs(x).max() or 1))
        at = int(np.argmax(far))
        share = level / (2 * size)
        t = float(special.stdtrit(size - 2, 1 - share))
        if far[at] > (size - 1) * t / math.sqrt((size - 2 + t**2) * size):
            count = number + 1
        # The same number as a chance: the deviation studentised without the value itself.
        inside = max((size - 1) ** 2 - size * far[at] ** 2, 1e-12)
        studentised = math.sqrt(size * (size - 2) * far[at] ** 2 / inside)
        probability[int(left[at])] = min(1.0, 2 * size * float(special.stdtr(size - 2, -studentised)))
        taken.append(int(left[at]))
        left = np.delete(left, at)
        if len(left) < 4:
            break
    found = taken[:count]
    # Of heavy tails the largest are followed closely by others: a break stands apart from what is ordinary.
    rest = np.delete(x, found)
    reach = float(np.abs(rest - rest.mean()).max())
    found = [index for index in found if abs(x[index] - rest.mean()) >= _APART * reach]
    # One that is found with others is as sure as the least sure of them: alone, each hides the other.
    worst = max((min(probability[index], level) for index in found), default=0.0)
    return found, {index: min(probability[index], worst) for index in found}


def _runs(flagged: NDArray[np.bool_], x: NDArray[np.float64], scatter: float) -> list[tuple[int, int]]:
    """Return first and last of the flagged steps that go one way, with at most one lesser step of that way between."""
    runs: list[tuple[int, int]] = []
    for index in np.flatnonzero(flagged):
        if runs:
            first, last = runs[-1]
            one_way = np.sign(x[index]) == np.sign(x[last])
            between = x[last + 1 : index]
            is_near = len(between) == 0 or (len(between) == 1 and between[0] * np.sign(x[index]) > scatter)
            if one_way and is_near:
                runs[-1] = (first, int(index))
                continue
        runs.append((int(index), int(index)))
    return runs


def _without_spikes(found: list[Break]) -> list[Break]:
    """Return the breaks without pairs of which the second takes the first back at once."""
    kept: list[Break] = []
    for one in found:
        if kept and kept[-1].end == one.start and abs(kept[-1].step + one.step) < _RETURNED * abs(kept[-1].step):
            kept.pop()
            continue
        kept.append(one)
    return kept


def _digit(values: NDArray[np.float64]) -> float:
    """Return the unit of the last decimal digit that the values are written with, 0 where they have nine and more."""
    for digits in range(9):
        if np.allclose(values, np.round(values, digits), rtol=0, atol=1e-9):
            return 10.0**-digits
    return 0.0


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    return float(values[order][int(np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum()))])


def matched_years(
    dates: NDArray[np.datetime64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the calendar years of a dense record, and how its level went from year to year, season for season.

    From one year to the next the level changes by the mean change of the months that both hold: a last year of which
    only January is known is no jump to the winter. A year that has less than half of the usual months in common with
    the one before is taken to stand as that did, and the next is compared with that.

    Parameters
    ----------
    dates : (N,) datetime64[D]
        Increasing.
    values : (N,) float64

    Returns
    -------
    years : (Y,) int64
    levels : (Y,) float64
        The first is the mean of the first year's months.

    Examples
    --------
    >>> dates = np.arange("2000-01", "2002-02", dtype="M8[M]").astype("M8[D]")
    >>> season = np.cos(2 * np.pi * np.arange(25) / 12)
    >>> matched_years(dates, season)[1]+ 1
    array([1., 1., 1.])
    """
    year = dates.astype("M8[Y]").astype(np.int64) + 1970
    month = dates.astype("M8[M]").astype(np.int64) % 12
    years = np.unique(year)
    table = np.full((len(years), 12), np.nan)
    for row, held in enumerate(years):
        for column in np.unique(month[year == held]):
            table[row, column] = values[(year == held) & (month == column)].mean()
    held = np.isfinite(table)
    enough = max(1.0, float(np.median((held[1:] & held[:-1]).sum(axis=1))) / 2) if len(years) > 1 else 1.0
    levels = np.full(len(years), np.nanmean(table[0]))
    base = 0
    for row in range(1, len(years)):
        both = held[row] & held[base]
        levels[row] = levels[base]
        if both.sum() >= enough:
            levels[row] += float((table[row, both] - table[base, both]).mean())
            base = row
    return years, levels


def _steps_of(observations: pd.DataFrame, least: int) -> list[tuple[tuple[Any, ...], pd.DataFrame, pd.DataFrame]]:
    """Return key, rows and what is searched for breaks of every series: its days, or its years where it is dense."""
    rows = observations[observations["value"].notna()]
    found = []
    for key, series in by_series(rows):
        daily = one_per_day(series)
        per_year = daily.groupby(daily["date"].dt.year)["value"].size()
        if len(per_year) >= least and per_year.max() >= _DENSE_PER_YEAR:
            # One image in a year stands for a season: years count alike.
            days = daily
            daily = yearly_means(days).assign(sigma=math.nan)
            daily["searched"] = matched_years(days["date"].to_numpy().astype("M8[D]"), days["value"].to_numpy())[1]
        else:
            daily = daily.assign(start=daily["date"], end=daily["date"], searched=daily["value"])
        if len(daily) >= least:
            found.append((key, series, daily))
    return found


def change_table(observations: pd.DataFrame, *, level: float = 0.05) -> pd.DataFrame:
    """Return the breaks of every series of at least six days; see :func:`find_breaks`.

    Of a series with six days or more in some year, and six years or more, the years are searched, season for season
    (:func:`matched_years`): else every season is a break.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished; bounds (``censored``) are kept in it.
    level : float
        Of :func:`find_breaks`.

    Returns
    -------
    DataFrame
        Columns :data:`CHANGE_COLUMNS`: the break lies after the date ``after`` and not after ``before``. Where one of
        the segments rests on bounds, ``qualifier`` is ``at least``, or ``bound`` where the table says of which side
        they are, so that a mean of them and of values is neither.
    """
    table = []
    for key, series, daily in _steps_of(observations, LEAST_VALUES):
        points = _breaks_of(daily, level)
        for k, point in enumerate(points):
            before = points[k - 1].end if k else 0
            after = points[k + 1].start + 1 if k + 1 < len(points) else len(daily)
            bound = daily["censored"].iloc[before:after].any()
            table.append(
                {
                    **dict(zip(SERIES_KEY, key, strict=True)),
                    "after": daily["end"].iloc[point.start],
                    "before": daily["start"].iloc[point.end],
                    "step": point.step,
                    "sigma": point.sigma,
                    "p_value": point.p_value,
                    "values_after": point.values_after,
                    "qualifier": _qualifier(series, bound),
                    "unit": series["unit"].iloc[0],
                    "source": series["source"].iloc[0],
                }
            )
    return pd.DataFrame(table, columns=list(CHANGE_COLUMNS))


def _breaks_of(daily: pd.DataFrame, level: float) -> list[Break]:
    days = daily["date"].to_numpy().astype("datetime64[D]").astype(float)
    return find_breaks(days / DAYS_PER_YEAR, daily["searched"], sigmas=daily["sigma"], level=level)


def _qualifier(series: pd.DataFrame, is_bound: bool) -> str:
    if not is_bound:
        return ""
    return "bound" if "bound" in series and (series["bound"] != "").any() else "at least"


def segment_table(
    observations: pd.DataFrame, *, level: float = 0.05, stable_per_year: float | None = None
) -> pd.DataFrame:
    """Return, between the breaks of every series, the mean, the robust rate and what it reads as.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished.
    level : float
        Of :func:`find_breaks`.
    stable_per_year : float, optional
        A rate below this, in the unit of the series per year, reads as stable whatever its interval.

    Returns
    -------
    DataFrame
        Columns :data:`SEGMENT_COLUMNS`. ``reading`` is ``growing`` or ``shrinking`` where the 95 % interval of the rate
        excludes zero, ``stable`` where it does not, ``bound`` where all values of the segment are bounds, ``short``
        with fewer than five days, ``break`` for what was observed in the middle of one. Other segments hold no step:
        their rate is what goes on between the breaks.
    """
    table = []
    for key, series, daily in _steps_of(observations, LEAST_VALUES):
        for start, stop, is_break in _stretches(_breaks_of(daily, level), len(daily)):
            part = daily.iloc[start:stop]
            rate, low, high, reading = math.nan, math.nan, math.nan, "short"
            if is_break:
                reading = "break"
            elif part["censored"].all():
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
                    "mean": _weighted_mean(part),
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


def _stretches(breaks: list[Break], count: int) -> list[tuple[int, int, bool]]:
    """Return start, stop and whether it lies within a break, of what the breaks part a series of so many days into."""
    found, start = [], 0
    for one in breaks:
        found.append((start, one.start + 1, False))
        if one.end > one.start + 1:
            found.append((one.start + 1, one.end, True))
        start = one.end
    return [*found, (start, count, False)]


def _weighted_mean(rows: pd.DataFrame) -> float:
    """Return the mean by inverse squares of the sigmas, unknown ones counted as the median."""
    sigma = rows["sigma"].to_numpy(dtype=float)
    known = np.isfinite(sigma) & (sigma > 0)
    if not known.any():
        return float(rows["value"].mean())
    weights = 1 / np.where(known, sigma, np.median(sigma[known])) ** 2
    return float(np.average(rows["value"], weights=weights))
