"""Rates of change of a series: the robust and the weighted slope, each with an interval."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from glaciertime.combining import evened, one_per_day
from glaciertime.dates import as_date, last_day
from glaciertime.slopes import robust_ends, theil_sen_slope, weighted_slope
from glaciertime.tables import SERIES_KEY, by_series
from glaciertime.units import rate_years

__all__ = ["RATE_COLUMNS", "rate_table"]

RATE_COLUMNS = (
    *SERIES_KEY, "start_date", "end_date", "n", "of", "rate_per_year", "low", "high", "robust_rate_per_year",
    "robust_low", "robust_high", "level", "unit", "qualifier", "source",
)  # fmt: skip
_RATES = ("rate_per_year", "low", "high", "robust_rate_per_year", "robust_low", "robust_high")


def rate_table(
    observations: pd.DataFrame, *, date_from: Any = None, date_to: Any = None, level: float = 0.95
) -> pd.DataFrame:
    """Return the rate of every series over a window of time, weighted and robust.

    Values of one day are combined first, and those of a year where some year holds more than three
    (:func:`glaciertime.combining.evened`): every product and page gives the same rate. Bounds (``censored``) count as
    values; where there are any, ``qualifier`` says ``bound``, and where all are the rates are NaN. Rates are NaN too,
    and ``qualifier`` is ``short``, where the days span less than eleven months: the slope of a season is none of a
    year. Series with fewer than three days in the window are left out.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished.
    date_from, date_to : date or text, optional
        Both included.
    level : float
        Probability that the intervals are meant to hold.

    Returns
    -------
    DataFrame
        Columns :data:`RATE_COLUMNS`; rates in the unit of the series per year of 365.25 days. ``of`` says what the
        ``n`` values are: dates or annual means. The robust interval is NaN where so few cannot hold it.
    """
    rows = observations[observations["value"].notna()].copy()
    rows["date"] = pd.to_datetime(rows["date"])
    if date_from is not None:
        rows = rows[rows["date"] >= pd.Timestamp(as_date(date_from))]
    if date_to is not None:
        rows = rows[rows["date"] <= pd.Timestamp(last_day(date_to))]
    table = []
    for key, series in by_series(rows):
        every = one_per_day(series)
        if len(every) < 3:
            continue
        daily = evened(every)
        days = (daily["date"] - pd.Timestamp("1970-01-01")).dt.days.to_numpy(dtype=float)
        told = dict.fromkeys(_RATES, math.nan)
        is_short = math.isnan(rate_years(daily["start"].iloc[0], daily["end"].iloc[-1]))
        # Of bounds alone the slope is that of the footprint, not of the ice.
        if not is_short and not every["censored"].all():
            weighted = weighted_slope(days, daily["value"], daily["sigma"], level=level)
            robust = theil_sen_slope(days, daily["value"], level=level)
            ends = robust_ends(robust, days, daily["value"], daily["sigma"], level=level)
            held = (weighted.slope_per_year, weighted.low, weighted.high, robust.slope_per_year, *ends)
            told = dict(zip(_RATES, held, strict=True))
        table.append(
            {
                **dict(zip(SERIES_KEY, key, strict=True)),
                "start_date": daily["start"].iloc[0],
                "end_date": daily["end"].iloc[-1],
                "n": len(daily),
                "of": "dates" if len(daily) == len(every) else "annual means",
                **told,
                "level": level,
                "unit": series["unit"].iloc[0],
                "qualifier": "short" if is_short else "bound" if every["censored"].any() else "",
                "source": series["source"].iloc[0],
            }
        )
    return pd.DataFrame(table, columns=list(RATE_COLUMNS))
