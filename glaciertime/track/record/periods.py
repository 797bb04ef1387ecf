"""What is made of a series: monthly, seasonal and annual values, and the seasonal cycle. A gap stays a gap."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from glaciertime.combining import in_seconds, mean_of_days, one_per_day
from glaciertime.errors import InputError
from glaciertime.tables import SERIES_KEY, by_series
from glaciertime.units import DAYS_PER_YEAR

__all__ = [
    "ANNUAL_RATE_COLUMNS",
    "CYCLE_COLUMNS",
    "PERIOD_COLUMNS",
    "annual_rates",
    "period_means",
    "seasonal_cycle",
]

Period = Literal["month", "season", "year"]

PERIOD_COLUMNS = (
    *SERIES_KEY, "period", "start_date", "end_date", "mean_date", "value", "sigma", "low", "high", "n", "unit",
    "source",
)  # fmt: skip

CYCLE_COLUMNS = (
    *SERIES_KEY, "year", "n", "minimum", "minimum_date", "mean", "mean_sigma", "maximum", "maximum_date", "amplitude",
    "amplitude_sigma", "months", "unit", "source",
)  # fmt: skip

ANNUAL_RATE_COLUMNS = (
    *SERIES_KEY, "year", "months", "rate_per_year", "sigma", "low", "high", "level", "unit", "source",
)  # fmt: skip

# Meteorological seasons start in December, March, June and September.
_SEASON_START = {12: 12, 1: 12, 2: 12, 3: 3, 4: 3, 5: 3, 6: 6, 7: 6, 8: 6, 9: 9, 10: 9, 11: 9}


def _start(date: pd.Timestamp, period: Period) -> pd.Timestamp:
    if period == "month":
        return pd.Timestamp(date.year, date.month, 1)
    if period == "season":
        month = _SEASON_START[date.month]
        return pd.Timestamp(date.year - (date.month < 3), month, 1)
    return pd.Timestamp(date.year, 1, 1)


_MONTHS = {"month": 1, "season": 3, "year": 12}


def period_means(observations: pd.DataFrame, *, period: Period = "month") -> pd.DataFrame:
    """Return the mean of every series over calendar months, seasons or years that hold an observation.

    Values of one day are combined first; days of a period count alike, so that the sigma of the mean holds both the
    errors and the changes within the period. Years and seasons are means of their months' means, since images crowd in
    some months.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished.
    period : {"month", "season", "year"}
        Seasons are December to February, and so on; a season is named by its first month.

    Returns
    -------
    DataFrame
        Columns :data:`PERIOD_COLUMNS`: first and last day of the period, the date and the value of the mean, its sigma
        (NaN with one day of unknown error), lowest and highest daily value, number of days. Periods without an
        observation have no row.

    Raises
    ------
    InputError
        For an unknown period.
    """
    if period not in _MONTHS:
        raise InputError(f"unknown period '{period}'; expected one of {', '.join(_MONTHS)}")
    table: list[dict[str, Any]] = []
    for key, series in by_series(observations[observations["value"].notna()]):
        daily = one_per_day(series)
        for start, days in daily.groupby(daily["date"].map(lambda date: _start(date, period)), sort=True):
            mean_date, value, sigma = mean_of_days(days)
            table.append(
                {
                    **dict(zip(SERIES_KEY, key, strict=True)),
                    "period": period,
                    "start_date": start,
                    "end_date": start + pd.DateOffset(months=_MONTHS[period]) - pd.DateOffset(days=1),
                    "mean_date": mean_date,
                    "value": value,
                    "sigma": sigma,
                    "low": days["value"].min(),
                    "high": days["value"].max(),
                    "n": len(days),
                    "unit": series["unit"].iloc[0],
                    "source": series["source"].iloc[0],
                }
            )
    return in_seconds(pd.DataFrame(table, columns=list(PERIOD_COLUMNS)), "start_date", "end_date", "mean_date")


def seasonal_cycle(observations: pd.DataFrame, *, least_months: int = 6) -> pd.DataFrame:
    """Return, per series and year, the lowest, mean and highest value, their dates and the amplitude.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished.
    least_months : int
        Years with observations in fewer calendar months have no cycle to speak of and are left out.

    Returns
    -------
    DataFrame
        Columns :data:`CYCLE_COLUMNS`. ``amplitude`` is maximum less minimum, peak to peak; it grows with noise, which
        ``amplitude_sigma`` (of the two values alone) does not show.

    Examples
    --------
    >>> dates = pd.date_range("2018-01-15", "2018-12-15", freq="MS")
    >>> rows = pd.DataFrame({
    ...     "glacier": "Toy", "variable": "front_position_m", "method": "centreline", "footprint": "centreline",
    ...     "dataset": "toy", "date": dates, "image_id": range(11), "sigma": 10.0, "unit": "m", "source": "simulated",
    ...     "quality": "ok", "value": [0, 50, 100, 50, 0, -50, -100, -50, 0, 0, 0],
    ... })
    >>> seasonal_cycle(rows)[["year", "amplitude", "months"]].values.tolist()
    [[2018.0, 200.0, 11.0]]
    """
    table: list[dict[str, Any]] = []
    for key, series in by_series(observations[observations["value"].notna()]):
        daily = one_per_day(series)
        for year, days in daily.groupby(daily["date"].dt.year, sort=True):
            months = days["date"].dt.month.nunique()
            if months < least_months:
                continue
            low, high = days.loc[days["value"].idxmin()], days.loc[days["value"].idxmax()]
            _, mean, mean_sigma = mean_of_days(days)
            table.append(
                {
                    **dict(zip(SERIES_KEY, key, strict=True)),
                    "year": int(year),
                    "n": len(days),
                    "minimum": low["value"],
                    "minimum_date": low["date"],
                    "mean": mean,
                    "mean_sigma": mean_sigma,
                    "maximum": high["value"],
                    "maximum_date": high["date"],
                    "amplitude": high["value"] - low["value"],
                    "amplitude_sigma": float(np.hypot(high["sigma"], low["sigma"])),
                    "months": int(months),
                    "unit": series["unit"].iloc[0],
                    "source": series["source"].iloc[0],
                }
            )
    return in_seconds(pd.DataFrame(table, columns=list(CYCLE_COLUMNS)), "minimum_date", "maximum_date")


def annual_rates(observations: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Return how far every series moved from one year to the next, month against the same month.

    The rate is the mean of what the monthly means that both years have differ by over the time between their mean
    dates, so that a year seen only in summer is not compared with one seen only in winter, nor the start of a month
    with its end.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished.
    level : float
        Probability that the interval is meant to hold.

    Returns
    -------
    DataFrame
        Columns :data:`ANNUAL_RATE_COLUMNS`, one row per year that shares a month with the year before. The interval
        holds the scatter of the months' differences (Student's t) where three or more are shared, else the errors of
        the two months alone (NaN where unknown); neighbouring months are not independent, so it is rather too narrow.
    """
    table: list[dict[str, Any]] = []
    monthly = period_means(observations, period="month")
    for key, series in by_series(monthly):
        by_month = series.set_index([series["start_date"].dt.year, series["start_date"].dt.month])
        years = sorted(set(series["start_date"].dt.year))
        for year in years:
            if year - 1 not in years:
                continue
            columns = ["mean_date", "value", "sigma"]
            before = by_month.loc[year - 1][columns].add_suffix("_before")
            pair = by_month.loc[year][columns].join(before, how="inner")
            count = len(pair)
            if count == 0:
                continue
            years_apart = (pair["mean_date"] - pair["mean_date_before"]) / pd.Timedelta(days=DAYS_PER_YEAR)
            change = (pair["value"] - pair["value_before"]) / years_apart
            errors = float(np.mean((pair["sigma"] ** 2 + pair["sigma_before"] ** 2) / years_apart**2)) / count
            sigma, factor = float(np.sqrt(errors)), float(ndtri(0.5 + level / 2))
            if count >= 3:
                sigma = float(np.sqrt(np.fmax(change.var(ddof=1) / count, errors)))
                factor = float(stdtrit(count - 1, 0.5 + level / 2))
            rate = float(change.mean())
            table.append(
                {
                    **dict(zip(SERIES_KEY, key, strict=True)),
                    "year": int(year),
                    "months": count,
                    "rate_per_year": rate,
                    "sigma": sigma,
                    "low": rate - factor * sigma,
                    "high": rate + factor * sigma,
                    "level": level,
                    "unit": series["unit"].iloc[0],
                    "source": series["source"].iloc[0],
                }
            )
    return pd.DataFrame(table, columns=list(ANNUAL_RATE_COLUMNS))
