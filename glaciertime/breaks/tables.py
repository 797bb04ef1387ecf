"""The breaks of every series, and what lies between them, as tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.breaks.changes import LEAST_VALUES, Break
from glaciertime.breaks.records import is_dense, record_breaks
from glaciertime.combining import one_per_day, yearly_means
from glaciertime.slopes import robust_ends, theil_sen_slope
from glaciertime.tables import SERIES_KEY, by_series
from glaciertime.units import DAYS_PER_YEAR, rate_years

__all__ = ["CHANGE_COLUMNS", "SEGMENT_COLUMNS", "change_table", "segment_table"]

CHANGE_COLUMNS = (
    *SERIES_KEY, "after", "before", "step", "sigma", "p_value", "values_after", "qualifier", "unit", "source",
)  # fmt: skip

SEGMENT_COLUMNS = (
    *SERIES_KEY, "start_date", "end_date", "n", "mean", "rate_per_year", "low", "high", "reading", "qualifier", "unit",
    "source",
)  # fmt: skip

# From fewer there is no 95 % interval of a rate (see theil_sen_slope).
_LEAST_DAYS = 5


def _records(observations: pd.DataFrame) -> list[tuple[tuple[Any, ...], pd.DataFrame, pd.DataFrame, NDArray[Any]]]:
    """Return key, rows, days and decimal years of every series of which breaks can be told."""
    rows = observations[observations["value"].notna()]
    found = []
    for key, series in by_series(rows):
        daily = one_per_day(series)
        if len(daily) >= LEAST_VALUES:
            days = daily["date"].to_numpy().astype("datetime64[D]").astype(float)
            found.append((key, series, daily, days / DAYS_PER_YEAR))
    return found


def change_table(observations: pd.DataFrame, *, level: float = 0.05) -> pd.DataFrame:
    """Return the breaks of every series of at least six days; see :func:`~glaciertime.breaks.record_breaks`.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished; bounds (``censored``) are kept in it.
    level : float
        Of :func:`~glaciertime.breaks.record_breaks`.

    Returns
    -------
    DataFrame
        Columns :data:`CHANGE_COLUMNS`: the break lies after the date ``after`` and not after ``before``. Where one of
        the segments rests on bounds, ``qualifier`` is ``at least``, or ``bound`` where the table says of which side
        they are, so that a mean of them and of values is neither.
    """
    table = []
    for key, series, daily, years in _records(observations):
        points = record_breaks(years, daily["value"], sigmas=daily["sigma"], level=level)
        for k, point in enumerate(points):
            before = points[k - 1].end if k else 0
            after = points[k + 1].start + 1 if k + 1 < len(points) else len(daily)
            bound = daily["censored"].iloc[before:after].any()
            table.append(
                {
                    **dict(zip(SERIES_KEY, key, strict=True)),
                    "after": daily["date"].iloc[point.start],
                    "before": daily["date"].iloc[point.end],
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
        Of :func:`~glaciertime.breaks.record_breaks`.
    stable_per_year : float, optional
        A rate below this, in the unit of the series per year, reads as stable whatever its interval.

    Returns
    -------
    DataFrame
        Columns :data:`SEGMENT_COLUMNS`. ``reading`` is ``growing`` or ``shrinking`` where the 95 % interval of the rate
        excludes zero, ``stable`` where it does not, ``bound`` where all values of the segment are bounds, ``short``
        with fewer than five days, ``brief`` over less than eleven months, ``break`` for what was observed in the middle
        of one. Other segments hold no step: their rate is what goes on between the breaks. Of a dense record the years
        of a segment are counted, alike, not its days.
    """
    table = []
    for key, series, daily, years in _records(observations):
        points = record_breaks(years, daily["value"], sigmas=daily["sigma"], level=level)
        for start, stop, is_break in _stretches(points, len(daily)):
            part = daily.iloc[start:stop].assign(start=daily["date"], end=daily["date"])
            if is_dense(years) and not is_break:
                # One image in a year stands for a season: years count alike.
                part = yearly_means(part).assign(sigma=math.nan)
            rate, low, high, reading = math.nan, math.nan, math.nan, "short"
            if is_break:
                reading = "break"
            elif part["censored"].all():
                reading = "bound"
            elif len(part) >= _LEAST_DAYS and math.isnan(rate_years(part["start"].iloc[0], part["end"].iloc[-1])):
                reading = "brief"
            elif len(part) >= _LEAST_DAYS:
                days = (part["date"] - pd.Timestamp("1970-01-01")).dt.days
                fit = theil_sen_slope(days, part["value"])
                rate = fit.slope_per_year
                known = daily["sigma"].iloc[start:stop].dropna()
                usual = float(known.median()) if len(known) else math.nan
                sigmas = part["sigma"].fillna(usual)
                low, high = robust_ends(fit, days, part["value"], sigmas)
                # What a whole record moves by less than its errors' hundredth is rounding.
                median = float(sigmas.median()) if sigmas.notna().any() else 0.0
                least = 0.01 * median / max(float(np.ptp(days)) / DAYS_PER_YEAR, 1e-9)
                reading = "growing" if low > least else "shrinking" if high < -least else "stable"
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
