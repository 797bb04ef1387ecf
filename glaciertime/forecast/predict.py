"""Forecast one series at dates, as a table; a model that fails is a row that says why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.errors import InputError, SeriesTooShortError
from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.learned.kept import Kept
from glaciertime.forecast.learned.network_weights import NetworkWeights
from glaciertime.forecast.prediction import DEFAULT_LEVELS, quantiles_of
from glaciertime.forecast.screening import forget_later_flags
from glaciertime.forecast.series import Series, as_days
from glaciertime.forecast.task import Outcome, Task
from glaciertime.forecast.tasks import Progress, run_tasks
from glaciertime.naming import counted
from glaciertime.tables import empty, validate
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["forecast_series", "reach_text", "target_dates_until"]

_MAX_TARGETS = 1_200
#: A record says little of what lies so many times its own length ahead.
_FARTHEST = 3.0


def target_dates_until(series: Series, until: Any) -> NDArray[np.datetime64]:
    """Return the dates to forecast up to a year or a date, at the season and the pace of the series.

    A series of about one value a year gets one date a year, on the day of the year of its last observation; a
    sub-annual one a date a month, on the first.

    Parameters
    ----------
    series : Series
    until : int, str or date
        A year (to its end) or a date; the date itself is then the last one.

    Returns
    -------
    (D,) datetime64[D]
        After the last observation, increasing, at least one.

    Raises
    ------
    InputError
        If it does not lie after the last observation, or lies more than 1,200 dates ahead.

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_series
    >>> target_dates_until(straight_series(rate_per_year=1.0), 2012)
    array(['2011-01-01', '2012-01-01'], dtype='datetime64[D]')
    """
    last = series.dates[-1].astype(dt.date)
    text = str(until).strip()
    is_year = text.isdigit() and len(text) == 4
    end = dt.date(int(text), 12, 31) if is_year else as_days([until])[0].astype(dt.date)
    if end <= last:
        raise InputError(f"{series.label}: until {until} does not lie after the last observation, {last}; "
                         "give a later date, or an earlier cutoff to forecast what is known")  # fmt: skip
    recent = series.years[-12:]
    is_subannual = len(recent) > 2 and float(np.median(np.diff(recent))) < 0.4
    if is_subannual:
        first = (last.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
        month = np.arange(np.datetime64(first, "M"), np.datetime64(end, "M") + np.timedelta64(1, "M"))
        dates = month.astype("datetime64[D]")
    else:
        years = range(last.year + 1, end.year + 1)
        day = 28 if (last.month, last.day) == (2, 29) else last.day
        dates = np.array([f"{year:04d}-{last.month:02d}-{day:02d}" for year in years], dtype="datetime64[D]")
    dates = dates[(dates <= np.datetime64(end)) & (dates > np.datetime64(last))]
    if not is_year or len(dates) == 0:
        dates = np.union1d(dates, [np.datetime64(end, "D")])
    if len(dates) > _MAX_TARGETS:
        raise InputError(
            f"{series.label}: until {until} is {counted(len(dates), 'dates')} ahead; at most {_MAX_TARGETS}"
        )
    return dates


def reach_text(series: Series, dates: NDArray[np.datetime64]) -> str:
    """Return a sentence that says that dates lie farther ahead than a record tells of, empty where they do not.

    Parameters
    ----------
    series : Series
        Up to the cutoff.
    dates : (D,) datetime64[D]
        Increasing.

    Examples
    --------
    >>> from glaciertime.forecast.example import make_series
    >>> days = make_series(["2020-06-01", "2020-06-08", "2020-06-15"], [5000.0, 4990.0, 4980.0])
    >>> print(reach_text(days, np.array(["2020-07-01", "2025-06-15"], "M8[D]")))  # doctest: +ELLIPSIS
    2025-06-15 lies 130 times as far ahead as the record is long (14 days); from 2020-07-27 on nothing in it says ...
    >>> reach_text(days, np.array(["2020-07-01"], "M8[D]"))
    ''
    """
    days = int((series.dates[-1] - series.dates[0]) / np.timedelta64(1, "D"))
    ahead = int((dates[-1] - series.dates[-1]) / np.timedelta64(1, "D")) if len(dates) else 0
    if days == 0 or ahead <= _FARTHEST * days:
        return ""
    length = f"{days} day{'s' * (days != 1)}" if days < DAYS_PER_YEAR else f"{days / DAYS_PER_YEAR:.1f} years"
    from_then = series.dates[-1] + int(_FARTHEST * days)
    return (
        f"{dates[-1]} lies {ahead / days:.0f} times as far ahead as the record is long ({length}); from {from_then} on "
        "nothing in it says how it goes on, and how unsure that is, whatever the intervals are"
    )


def forecast_series(
    series: Series,
    *,
    models: Sequence[str],
    target_dates: Any,
    levels: Sequence[float] = DEFAULT_LEVELS,
    cutoff: Any = None,
    training: Sequence[Series] = (),
    jobs: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
    covariates: Covariates | None = None,
    kept: Kept | None = None,
    weights: Sequence[NetworkWeights] = (),
) -> pd.DataFrame:
    """Return forecasts of one series by several models at exact dates.

    Parameters
    ----------
    series : Series
    models : sequence of str
        Names of :func:`glaciertime.forecast.model_names`.
    target_dates : (D,) dates
        After the cutoff.
    levels : sequence of float in (0, 1)
        Nominal coverages of the central intervals; their bounds and the median become ``quantile`` rows.
    cutoff : date, optional
        Values after it are not seen; the last observation by default.
    training : sequence of Series
        Other glaciers for the models that learn from them, each seen up to the cutoff only.
    jobs, seed, progress
        Processes, seed of the models that draw, and a callback (done, total).
    covariates : Covariates, optional
        Given from the first observation to the last target date, for ``kalman``, ``arima`` and ``gbm``. The name of
        the model then names them too, as in ``kalman+melt``: the forecast is conditional on the given future.
    kept : Kept, optional
        What models across glaciers learned before; it changes no number.
    weights : sequence of NetworkWeights
        Of :func:`~glaciertime.forecast.learned.network_weights.networks_of_files`, in place of the shipped ones of
        their model.

    Returns
    -------
    DataFrame
        The corridor's ``forecasts``. A model that failed has one row per date with quantile 0.5, no value, and
        the reason in ``status``, which is ``ok`` otherwise.

    Raises
    ------
    InputError
        If a target date does not lie after the cutoff, nothing was observed before it, the series holds a
        single observation, or a covariate does not cover the dates.
    UsageError
        If a model is not known, or covariates are given to one that takes none.

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_series
    >>> table = forecast_series(straight_series(rate_per_year=-2.0), models=["last"], target_dates=["2011-01-01"])
    >>> table.loc[table["quantile"] == 0.5, "value"].item()
    80.0
    """
    task = make_task(series, cutoff=cutoff, target_dates=target_dates)
    if covariates is not None:
        covariates.check(series.label, task.series.dates[0], task.dates[-1])
    outcomes = run_tasks([task], models=models, levels=levels, training=training, jobs=jobs, seed=seed,
                         progress=progress, covariates=covariates, kept=kept, weights=weights)  # fmt: skip
    if covariates is not None:
        outcomes = {f"{name}+{covariates.label}": results for name, results in outcomes.items()}
    quantiles = quantiles_of(levels)
    parts = [outcome_table(task, name, results[0], quantiles) for name, results in outcomes.items()]
    return validate(pd.concat(parts, ignore_index=True), "forecasts") if parts else empty("forecasts")


def make_task(series: Series, *, cutoff: Any, target_dates: Any) -> Task:
    """Return the series cut off and the dates checked, ready for :func:`~glaciertime.forecast.tasks.run_tasks`."""
    last = series.dates[-1]
    cut = last if cutoff is None else as_days([cutoff])[0]
    # Outlier flags are made from the whole record: at an earlier cutoff they would tell of what came later.
    seen = series.screened() if cut >= last else forget_later_flags(series.until(cut))
    if len(seen) == 0:
        raise InputError(f"{series.label}: no observation up to {cut}, the first is of {series.dates[0]}; "
                         "give a later cutoff")  # fmt: skip
    if len(seen) == 1:
        raise SeriesTooShortError(series.label, 1, "a forecast", 2, "one value says nothing of change: add another")
    dates = np.unique(as_days(target_dates))
    if len(dates) == 0:
        raise InputError(f"{series.label}: no target date was given")
    if dates[0] <= cut:
        raise InputError(f"{series.label}: target date {dates[0]} does not lie after the cutoff {cut}; "
                         "give a later date, or an earlier cutoff")  # fmt: skip
    return Task(seen, cut, dates)


def outcome_table(task: Task, model: str, outcome: Outcome, quantiles: NDArray[np.float64]) -> pd.DataFrame:
    """Return the rows of the ``forecasts`` table for one outcome."""
    series = task.series
    if outcome.status != "ok":
        quantiles = np.array([0.5])
    values = outcome.values[:, : len(quantiles)]
    count, width = len(task.dates), len(quantiles)
    horizon = (task.dates - task.cutoff) / np.timedelta64(1, "D")
    return pd.DataFrame(
        {
            "glacier": series.glacier, "variable": series.variable, "method": series.method,
            "footprint": series.footprint, "dataset": series.dataset, "front_of": series.front_of, "model": model,
            "cutoff": pd.Timestamp(task.cutoff), "target_date": np.repeat(task.dates.astype("M8[ns]"), width),
            "horizon_days": np.repeat(horizon, width), "quantile": np.tile(quantiles, count),
            "value": values.ravel(), "unit": series.unit, "status": outcome.status, "source": series.source,
        }
    )  # fmt: skip
