"""Several values made one: those of a day, by which every product of a series starts, and those of a year or month."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.tables import flags_of, join_flags, side_of_bound

__all__ = [
    "are_bounds",
    "days_of_each",
    "days_since_1970",
    "evened",
    "in_seconds",
    "mean_of_days",
    "of_its_day",
    "one_per_day",
    "rows_of_day",
    "weighted_mean",
    "yearly_means",
]


def days_since_1970(dates: pd.Series) -> pd.Series:
    """Return dates as days since 1970-01-01, float64, with their index; of any century, which Timedelta cannot span.

    Examples
    --------
    >>> days_since_1970(pd.Series(np.array(["1600-01-01", "1970-01-02"], "datetime64[s]"))).tolist()
    [-135140.0, 1.0]
    """
    moments = dates.to_numpy().astype("datetime64[s]")
    days = moments.astype(np.int64) / 86_400.0
    return pd.Series(np.where(np.isnat(moments), np.nan, days), index=dates.index)


def weighted_mean(values: np.ndarray, sigmas: np.ndarray) -> tuple[float, float]:
    """Return the mean weighted by the inverse variances, and its sigma.

    Values of unknown sigma take the median of the known ones; if none is known, all count the same and the sigma of the
    mean is unknown. A sigma of zero says that a value is exact: where there are such, the others do not count. Scatter
    beyond the sigmas widens the sigma of the mean. The order of the values changes nothing, not even the last bit.

    Parameters
    ----------
    values, sigmas : (N,) float64

    Examples
    --------
    >>> weighted_mean(np.array([10.0, 13.0]), np.array([1.0, 2.0]))
    (10.6, 1.2)
    >>> weighted_mean(np.array([10.0, 13.0, 15.0]), np.array([0.0, 2.0, 0.0]))
    (12.5, 2.5)
    """
    if len(values) == 1:
        return float(values[0]), float(sigmas[0])
    order = np.lexsort((sigmas, values))
    values, sigmas = values[order], sigmas[order]
    exact = sigmas == 0
    if exact.any():
        values = values[exact]
        spread = values.var(ddof=1) / len(values) if len(values) > 1 else 0.0
        return float(values.mean()), float(np.sqrt(spread))
    known = np.isfinite(sigmas)
    if not known.any():
        return float(values.mean()), float("nan")
    sigma = np.where(known, sigmas, np.median(sigmas[known]))
    weight = 1 / sigma**2
    mean = float(np.sum(weight * values) / weight.sum())
    inflation = max(1.0, float(np.sum(weight * (values - mean) ** 2)) / (len(values) - 1))
    return mean, float(np.sqrt(inflation / weight.sum()))


def in_seconds(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return a table whose dates are counted in seconds: made of single dates, pandas counts them as it can."""
    return table.astype(dict.fromkeys(columns, "datetime64[s]"))


def are_bounds(series: pd.DataFrame) -> pd.Series:
    """Return, row by row of the table ``observations``, whether the value is a bound."""
    bounds = series["bound"] if "bound" in series else pd.Series("", index=series.index)
    pairs = list(zip(series["quality"], bounds, strict=True))
    is_bound = {pair: bool(side_of_bound(*pair)) for pair in dict.fromkeys(pairs)}
    return pd.Series([is_bound[pair] for pair in pairs], index=series.index, dtype=bool)


def of_its_day(row: pd.Series, series: pd.DataFrame) -> pd.Series:
    """Return a row of one series with the value, sigma and flags of all rows of its day, as :func:`one_per_day` has it.

    The share of the image is the smallest of them.
    """
    held = rows_of_day(row, series)
    if len(held) < 2:
        return row if held.empty else held.iloc[0]
    day = one_per_day(held).iloc[0]
    out = held.iloc[0].copy()
    out[["value", "sigma", "quality"]] = day[["value", "sigma", "quality"]]
    out["coverage"] = held["coverage"].min() if "coverage" in held else np.nan
    return out


def rows_of_day(row: pd.Series, series: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one series that count on the day of one of them: those with a value, bounds where all are."""
    same = series[(series["date"] == row["date"]) & series["value"].notna()]
    if len(same) < 2:
        return same
    bounds = are_bounds(same)
    return same if bounds.all() else same[~bounds]


def one_per_day(series: pd.DataFrame) -> pd.DataFrame:
    """Return one row a day of one series: weighted mean, its sigma, and how many values it stands for.

    A bound (``censored``) counts only on a day without a value: beside one it tells nothing more.

    Parameters
    ----------
    series : DataFrame
        Rows of one series of the table ``observations``, in any order; rows without a value are left out.

    Returns
    -------
    DataFrame
        Columns ``date, value, sigma, n, censored, quality`` in order of time; the flags are those of all values of the
        day.
    """
    return days_of_each(series, np.zeros(len(series), dtype=np.int64))[0]


def days_of_each(
    table: pd.DataFrame, which: NDArray[np.int64]
) -> tuple[pd.DataFrame, NDArray[np.int64]]:  # fmt: skip
    """Return :func:`one_per_day` of each of several series, one after the other, and of which each row is.

    Parameters
    ----------
    table : DataFrame
        Rows of the table ``observations``, in any order.
    which : (N,) int
        The number of each row's series.
    """
    held = (table["value"].notna() & table["date"].notna()).to_numpy()
    rows, which = table[held], which[held]
    days = rows["date"].to_numpy().astype("datetime64[D]")
    texts = rows["quality"].to_numpy(dtype=object)
    # The flags of many rows are the same few; and most days have one row, which says all of them.
    plain = {text: join_flags(flags_of(text)) for text in dict.fromkeys(texts)}
    order = np.lexsort((days.astype(np.int64), which))
    is_new = (days[order][1:] != days[order][:-1]) | (which[order][1:] != which[order][:-1])
    first = np.append(True, is_new)[: len(order)]
    chosen = order[first]
    out = {
        "date": days[chosen].astype("datetime64[s]"),
        "value": rows["value"].to_numpy(dtype=float)[chosen],
        "sigma": rows["sigma"].to_numpy(dtype=float)[chosen],
        "n": np.ones(len(chosen), dtype=np.int64),
        "censored": are_bounds(rows).to_numpy()[chosen],
        "quality": np.array([plain[text] for text in texts[chosen]], dtype=object),
    }
    place = np.cumsum(first) - 1
    for at in np.flatnonzero(np.bincount(place) > 1) if len(place) else ():
        for name, value in _combined(rows.iloc[order[place == at]]).items():
            out[name][at] = value
    return pd.DataFrame(out).astype({"quality": rows["quality"].dtype}), which[chosen]


def _combined(found: pd.DataFrame) -> dict[str, Any]:
    """Return what the rows of one day are together."""
    bounds = are_bounds(found)
    day = found if bounds.all() else found[~bounds]
    mean, sigma = weighted_mean(day["value"].to_numpy(dtype=float), day["sigma"].to_numpy(dtype=float))
    flags = {flag: reason for text in sorted(day["quality"]) for flag, reason in flags_of(text).items()}
    return {
        "value": mean, "sigma": sigma, "n": len(day), "censored": bool(bounds.all()), "quality": join_flags(flags)
    }  # fmt: skip


def mean_of_days(days: pd.DataFrame) -> tuple[pd.Timestamp, float, float]:
    """Return the date, the mean and the sigma of daily values: the mean of their months' means, since images crowd.

    The date is the same mean of the days' dates, so that the means of a straight line lie on it whatever months they
    hold. The sigma holds both the errors and the changes within the months; it is NaN where neither is known.

    Parameters
    ----------
    days : DataFrame
        Of :func:`one_per_day`.
    """
    dates, means, variances = [], [], []
    number = days_since_1970(days["date"])
    for _, month in days.assign(number=number).groupby([days["date"].dt.year, days["date"].dt.month]):
        values = month["value"].to_numpy()
        dates.append(month["number"].mean())
        means.append(values.mean())
        spread = values.var(ddof=1) / len(values) if len(values) > 1 else np.nan
        errors = float(np.mean(month["sigma"].to_numpy() ** 2)) / len(values)
        variances.append(np.fmax(spread, errors))
    date = pd.Timestamp(np.datetime64("1970-01-01", "s") + np.timedelta64(round(float(np.mean(dates))), "D"))
    return date, float(np.mean(means)), float(np.sqrt(np.mean(variances) / len(means)))


def yearly_means(daily: pd.DataFrame) -> pd.DataFrame:
    """Return one row a calendar year that holds a value: the means of :func:`mean_of_days`.

    Parameters
    ----------
    daily : DataFrame
        Of :func:`one_per_day`.

    Returns
    -------
    DataFrame
        Columns ``start, end, date, value, sigma, n, censored``: the first and the last day, the mean date and value,
        its sigma, the number of days, whether one of them is a bound.
    """
    out = []
    for _, days in daily.groupby(daily["date"].dt.year, sort=True):
        date, value, sigma = mean_of_days(days)
        out.append(
            {
                "start": days["date"].iloc[0], "end": days["date"].iloc[-1], "date": date, "value": value,
                "sigma": sigma, "n": len(days), "censored": bool(days["censored"].any()),
            }
        )  # fmt: skip
    means = pd.DataFrame(out, columns=["start", "end", "date", "value", "sigma", "n", "censored"])
    return in_seconds(means, "start", "end", "date")


def evened(daily: pd.DataFrame) -> pd.DataFrame:
    """Return what a rate is taken from: the means of the years where some year holds more than three days.

    A slope through weekly dates of some years and yearly ones of others is the slope of the dense years. Fewer than
    three years, and series that hold a bound, are left as they are.

    Parameters
    ----------
    daily : DataFrame
        Of :func:`one_per_day`.

    Returns
    -------
    DataFrame
        Columns of :func:`yearly_means`.
    """
    per_year = daily.groupby(daily["date"].dt.year).size()
    if len(per_year) >= 3 and per_year.max() > 3 and not daily["censored"].any():
        return yearly_means(daily)
    return daily.assign(start=daily["date"], end=daily["date"])
