"""The values of a series as they are drawn: a date, a value, its sigma, and what speaks against it."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.forecast.series import Series, series_from_observations
from glaciertime.tables import OUTLIER_FLAGS, has_flag, side_of_bound

__all__ = ["FanPoints", "Point", "bars_of", "doubtful", "fan_points", "has_bars", "of_kind", "points_of_rows"]

#: A fan stands behind at least so many days of what was observed, and five times as many as it looks ahead.
_LEAST_DAYS, _TIMES_AHEAD = 3653, 5


@dataclass(frozen=True, kw_only=True)
class Point:
    """A value of a series; ``kind``: ok, flagged, at-least or at-most."""

    date: dt.date
    value: float
    sigma: float = math.nan
    kind: str = "ok"


@dataclass(frozen=True, kw_only=True)
class FanPoints:
    """A forecast as it is drawn.

    Attributes
    ----------
    seen : sequence of Point
        What was observed, as far back as the forecast needs behind it.
    last : Point or None
        What the forecast starts from.
    dates : sequence of date, (T,)
    quantiles : mapping of probability, 0 to 1, to T values
    """

    seen: Sequence[Point]
    last: Point | None
    dates: Sequence[dt.date]
    quantiles: Mapping[float, Sequence[float]]


def doubtful(quality: pd.Series) -> np.ndarray:
    """Return which observations have something against them that is of their own, not of all their data set.

    Parameters
    ----------
    quality : Series of str, (N,)

    Returns
    -------
    (N,) bool
    """
    flags = (*OUTLIER_FLAGS, "unclear-front", "failed", "unknown-flag")
    return np.any([has_flag(quality, flag).to_numpy() for flag in flags], axis=0)


def points_of_rows(rows: pd.DataFrame) -> tuple[Point, ...]:
    """Return observations as points, in the order of their dates.

    Parameters
    ----------
    rows : DataFrame, (N,)
        With ``date, value, sigma, quality`` and where there is one ``bound``; each has a value.

    Returns
    -------
    tuple of N Point
        Values and sigmas in the unit of the rows; an unknown sigma is NaN.
    """
    rows = rows.sort_values("date")
    against = doubtful(rows["quality"])
    bounds = rows["bound"] if "bound" in rows else [""] * len(rows)
    sides = [side_of_bound(*pair) for pair in zip(rows["quality"], bounds, strict=True)]
    return tuple(
        Point(
            date=pd.Timestamp(row.date).date(),
            value=float(row.value),
            sigma=float(row.sigma),
            kind=side or ("flagged" if bad else "ok"),
        )
        for row, side, bad in zip(rows.itertuples(), sides, against, strict=True)
    )


def fan_points(observations: pd.DataFrame, rows: pd.DataFrame) -> dict[str, FanPoints]:
    """Return what is drawn of forecasts of one series, by the name of the model.

    Parameters
    ----------
    observations : DataFrame
        Rows of one series.
    rows : DataFrame
        Rows of the table ``forecasts`` of that series, none of a failure.

    Returns
    -------
    dict of str to FanPoints
        In the order of the rows; values in the unit of the series.
    """
    # The series as a forecast sees it: one value a day, no bounds and no parts of a footprint.
    whole = series_from_observations(observations)[0]
    cutoff = pd.Timestamp(rows["cutoff"].max())
    ahead = pd.Timestamp(rows["target_date"].max()) - cutoff
    since = (cutoff - max(_TIMES_AHEAD * ahead, pd.Timedelta(days=_LEAST_DAYS))).date()
    seen = tuple(point for point in _of_series(whole) if point.date >= since)
    # A fan starts where the series that it was made from ends: what the screening set aside was no part of it.
    used = [point for point in _of_series(whole.screened()) if point.date <= cutoff.date()]
    found = {}
    for model, one in rows.groupby("model", sort=False):
        wide = one.assign(quantile=one["quantile"].round(4)).pivot_table(
            index="target_date", columns="quantile", values="value"
        )
        found[str(model)] = FanPoints(
            seen=seen, last=used[-1] if used else None, dates=tuple(pd.Timestamp(date).date() for date in wide.index),
            quantiles={float(name): tuple(map(float, wide[name])) for name in wide.columns},
        )  # fmt: skip
    return found


def has_bars(points: Iterable[Point]) -> bool:
    """Return whether any of the points is drawn with an error bar: bounds and flagged ones have none."""
    return bool(bars_of([point.sigma for point in of_kind(points, "ok")]))


def bars_of(sigmas: Any) -> dict[str, Any]:
    """Return how matplotlib is told of errors: where none is known the legend shows no bar either.

    Examples
    --------
    >>> bars_of([math.nan, 0.0]), bars_of([2.0, math.nan])
    ({}, {'yerr': [2.0, nan]})
    """
    return {"yerr": sigmas} if any(math.isfinite(sigma) and sigma > 0 for sigma in sigmas) else {}


def of_kind(points: Iterable[Point], kind: str) -> list[Point]:
    """Return the points of one kind."""
    return [point for point in points if point.kind == kind]


def _of_series(series: Series) -> list[Point]:
    against = doubtful(pd.Series(series.quality, dtype=object))
    return [
        Point(
            date=pd.Timestamp(np.datetime64(date, "s")).date(), value=float(value), sigma=float(sigma),
            kind="flagged" if bad else "ok",
        )
        for date, value, sigma, bad in zip(series.dates, series.values, series.sigma, against, strict=True)
    ]  # fmt: skip
