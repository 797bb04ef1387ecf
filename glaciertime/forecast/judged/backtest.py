"""Rolling-origin backtest: forecast again from past dates with what was known then, and score on what came.

The series is cut off at each origin before a model sees it. A forecast that failed is counted and left out of the
means; it is never replaced by another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.errors import InputError, SeriesTooShortError
from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.judged import metrics
from glaciertime.forecast.judged.origins import Origins, parse_horizon, targets_at
from glaciertime.forecast.learned.kept import Kept
from glaciertime.forecast.learned.network_weights import NetworkWeights
from glaciertime.forecast.prediction import DEFAULT_LEVELS, quantiles_of
from glaciertime.forecast.screening import FROM_THE_WHOLE_RECORD, forget_later_flags
from glaciertime.forecast.series import Series
from glaciertime.forecast.task import Task
from glaciertime.forecast.tasks import Progress, run_tasks, which_take_covariates
from glaciertime.tables import SERIES_KEY, by_series, validate

__all__ = [
    "METRICS",
    "OWN",
    "PERCENTAGES",
    "Backtest",
    "backtest",
    "check_metrics",
    "common_rows",
    "percentages_refused",
    "run_backtest",
    "scores_of",
]

#: What is added to the name of a metric that is over all forecasts of a model, not over those of all models.
OWN = "_own"
#: Quantiles nearer to each other than this are the same.
_SAME = 1e-6

METRICS = {
    "mae": "mean absolute error, unit of the value",
    "rmse": "root mean squared error, unit of the value",
    "bias": "mean of forecast minus observed, unit of the value",
    "mape": "mean absolute percentage error; areas and total lengths only",
    "smape": "symmetric percentage error, 0 to 200; areas and total lengths only",
    "mase": "absolute error over the mean absolute step before the origin",
    "rmsse": "root of squared error over the mean squared step before the origin",
    "pinball": "mean quantile loss over all quantiles, unit of the value",
    "crps": "continuous ranked probability score, unit of the value",
    "coverage_90": "share of observations inside the nominal 90 % interval",
    "interval_score_90": "width plus penalty of the nominal 90 % interval, unit of the value",
}


#: Those that mean nothing of a value whose zero is arbitrary.
PERCENTAGES = ("mape", "smape")


@dataclass(frozen=True, eq=False)
class Backtest:
    """Every forecast of a backtest beside what was observed.

    Attributes
    ----------
    rows : DataFrame
        One row per series, model, origin and target: the key, ``model, horizon, cutoff, target_date, observed,
        forecast, mean_step, mean_square_step, status, unit, source``.
    quantiles : (Q,) float64
    values : (N, Q) float64
        Quantiles of each row, NaN where the model failed.
    """

    rows: pd.DataFrame
    quantiles: NDArray[np.float64]
    values: NDArray[np.float64]

    def bounds(self, level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and upper bounds, (N,) each, of a nominal central interval."""
        return _bounds(self.quantiles, self.values, level)


def _bounds(
    quantiles: NDArray[np.float64], values: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    edges = []
    for p in ((1 - level) / 2, (1 + level) / 2):
        index = int(np.argmin(np.abs(quantiles - p)))
        if abs(quantiles[index] - p) > _SAME:
            raise InputError(f"the backtest has no {level:.0%} interval; ask for it in levels")
        edges.append(values[:, index])
    return edges[0], edges[1]


def run_backtest(
    series_list: Sequence[Series],
    *,
    models: Sequence[str],
    horizons: Sequence[str | int] = ("1y", "2y", "5y"),
    origins: Origins | Callable[[Series], Origins] | None = None,
    window_years: float | None = None,
    training: Sequence[Series] = (),
    levels: Sequence[float] = DEFAULT_LEVELS,
    jobs: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
    kept: Kept | None = None,
    weights: Sequence[NetworkWeights] = (),
    covariates: Covariates | None = None,
) -> Backtest:
    """Return every forecast of a rolling-origin backtest beside what was observed.

    With covariates every model that takes them is scored twice, without them and, as ``gbm+melt``, with them. That is
    *perfect prognosis*: a forecast is given the covariates up to its target date as they came, which a real one has to
    know beforehand. It is no forecast that could have been made, unless the covariate is the season alone.

    Parameters
    ----------
    series_list : sequence of Series
    models : sequence of str
    horizons : sequence of int or str
        Observations ahead (``5``) or times (``"30d"``, ``"2y"``); see
        :func:`glaciertime.forecast.judged.origins.targets_at`.
    origins : Origins, or callable that returns one for a series, optional
        Every observation with at least 10 values up to it by default.
    window_years : float, optional
        Sliding window: a model sees only so many years before the origin; all of them by default.
    training : sequence of Series
        More series that global models may learn from, besides ``series_list`` itself.
    levels : sequence of float in (0, 1)
    jobs, seed, progress, kept, weights
        As in :func:`glaciertime.forecast.forecast_series`.
    covariates : Covariates, optional
        Given from the first observation of each series to its last target. A model learns of what they were up to an
        origin, between whose dates they are straight.

    Raises
    ------
    SeriesTooShortError
        If no series has an origin with a target.
    InputError
        If a covariate does not cover the dates.
    UsageError
        If covariates are given and no model takes any.
    """
    able = which_take_covariates(models) if covariates is not None else []
    rule_of = origins if callable(origins) else lambda _: origins or Origins()
    asked = [parse_horizon(horizon) for horizon in horizons]
    tasks: list[Task] = []
    meta: list[tuple[Series, list[tuple[str, int]]]] = []
    for series in series_list:
        scored = ~series.has_flag(*FROM_THE_WHOLE_RECORD)
        for origin in rule_of(series).indices(series):
            targets = [(h.label, index) for h, index in targets_at(series, origin, asked) if scored[index]]
            if not targets:
                continue
            history = forget_later_flags(series.take(slice(0, origin + 1)))
            if window_years is not None:
                history = history.take(history.years > history.years[-1] - window_years)
            dates = series.dates[sorted({index for _, index in targets})]
            tasks.append(Task(history, series.dates[origin], dates))
            meta.append((series, targets))
    if not tasks:
        longest = max(series_list, key=len, default=None)
        rule = rule_of(longest) if longest is not None else Origins()
        raise SeriesTooShortError(
            longest.label if longest is not None else "no series", len(longest) if longest is not None else 0,
            "a backtest", rule.min_train + rule.ahead, "lower the minimum history (--min-train) or the horizons",
        )  # fmt: skip
    known = {series.key for series in training}
    everything = [*(series for series in series_list if series.key not in known), *training]
    run = partial(run_tasks, tasks, levels=levels, training=everything, jobs=jobs, seed=seed, progress=progress,
                  kept=kept, weights=weights)  # fmt: skip
    outcomes = run(models=models)
    if covariates is not None:
        for task in tasks:
            covariates.check(task.series.label, task.series.dates[0], task.dates[-1], earlier="shorter horizons")
        given = run(models=able, covariates=covariates)
        outcomes |= {f"{name}+{covariates.label}": results for name, results in given.items()}
    rows, values = [], []
    for model, results in outcomes.items():
        for task, (series, targets), outcome in zip(tasks, meta, results, strict=True):
            steps = np.diff(task.series.values)
            mean_step = float(np.mean(np.abs(steps))) if len(steps) else np.nan
            mean_square = float(np.mean(steps**2)) if len(steps) else np.nan
            for label, index in targets:
                at = int(np.searchsorted(task.dates, series.dates[index]))
                rows.append((*series.key, model, label, task.cutoff, series.dates[index], series.values[index],
                             mean_step, mean_square, outcome.status, series.unit, series.source))  # fmt: skip
                values.append(outcome.values[at])
    columns = [*SERIES_KEY, "model", "horizon", "cutoff", "target_date", "observed", "mean_step",
               "mean_square_step", "status", "unit", "source"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    quantiles, matrix = quantiles_of(levels), np.array(values)
    table.insert(columns.index("observed"), "forecast", matrix[:, int(np.argmin(np.abs(quantiles - 0.5)))])
    return Backtest(table, quantiles, matrix)


def backtest(
    series_list: Sequence[Series],
    *,
    models: Sequence[str],
    horizons: Sequence[str | int] = ("1y", "2y", "5y"),
    metrics: Sequence[str] | None = None,
    origins: Origins | None = None,
    window_years: float | None = None,
    training: Sequence[Series] = (),
    jobs: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return the scores of a rolling-origin backtest, per series, model, horizon and metric.

    Parameters
    ----------
    metrics : sequence of str, optional
        Names of :data:`METRICS`; by default all that are defined for the variable.
    series_list, models, horizons, origins, window_years, training, jobs, seed, progress
        As in :func:`run_backtest`.

    Returns
    -------
    DataFrame
        The corridor's ``scores``; ``n`` forecasts were scored, ``n_failed`` failed and are not in the value.

    Raises
    ------
    InputError
        If a metric is unknown, or nothing but percentages is asked for, of variables whose zero is arbitrary.
    SeriesTooShortError
        If no series has an origin with a target.

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_series
    >>> table = backtest([straight_series(rate_per_year=-2.0)], models=["last"], horizons=["1y"],
    ...                  metrics=["mae"], origins=Origins(min_train=4))
    >>> table["value"].round(2).tolist()
    [2.0]
    """
    check_metrics(metrics, series_list)
    result = run_backtest(series_list, models=models, horizons=horizons, origins=origins, window_years=window_years,
                          training=training, jobs=jobs, seed=seed, progress=progress)  # fmt: skip
    return scores_of(result, metrics=metrics)


def check_metrics(names: Sequence[str] | None, series_list: Sequence[Series]) -> None:
    """Refuse metrics that are not known, and where nothing but percentages of arbitrary zeros would be left.

    Beside other metrics, or other series, a percentage is left out where it means nothing, and the rest is given.

    Raises
    ------
    InputError
        Naming the metric, and what would work.
    """
    for name in names or ():
        if name not in METRICS:
            raise InputError(f"metric {name!r} is not known; known are {', '.join(METRICS)}")
    refused = percentages_refused(names, series_list)
    if names and refused and set(names) <= set(PERCENTAGES) and len(refused) == len(series_list):
        raise InputError(f"{names[0]} is refused for {refused[0].label}: its zero is arbitrary, so a percentage "
                         "means nothing; use mae, rmse or mase")  # fmt: skip


def percentages_refused(names: Sequence[str] | None, series_list: Sequence[Series]) -> list[Series]:
    """Return the series of which a percentage among the metrics asked for means nothing."""
    if not set(names or ()) & set(PERCENTAGES):
        return []
    return [series for series in series_list if not series.is_ratio_scale]


def scores_of(result: Backtest, *, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the scores of a backtest as the corridor's ``scores`` table; see :func:`backtest`.

    The models of one series and horizon are scored on the same forecasts: those that every model gave which answered
    at least half of them. Where a model gave others too, or answered less, its scores over all of its own follow under
    the names of the metrics with ``_own``: these are no comparison.
    """
    from glaciertime.tables import variable_named

    out = []
    common = common_rows(result.rows)
    groups = by_series(result.rows, "model", "horizon", sort=False)
    for group, index in groups.indices.items():
        key = [str(name) for name in np.ravel(np.array(group, dtype=object))]
        rows, values, shared = result.rows.iloc[index], result.values[index], common[index]
        ok = (rows["status"] == "ok").to_numpy()
        is_ratio = variable_named(key[1]).ratio_scale
        blocks = [(shared, "")] if shared.any() or not ok.any() else []
        if ok.sum() > shared.sum():
            blocks.append((ok, OWN))
        for kept, suffix in blocks:
            computed = _compute(rows[kept], values[kept], result.quantiles, is_ratio)
            for name in metrics if metrics is not None else computed:
                if name in computed:
                    out.append((*key, f"{name}{suffix}", computed[name], int(kept.sum()), int((~ok).sum()),
                                rows["source"].iloc[0]))  # fmt: skip
    columns = [*SERIES_KEY, "model", "horizon", "metric", "value", "n", "n_failed", "source"]
    return validate(pd.DataFrame(out, columns=columns), "scores")


def common_rows(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are of a target that all models answered, (N,); of models that answered half and more."""
    ok = (rows["status"] == "ok").to_numpy()
    series = [*SERIES_KEY, "horizon"]
    answered = rows.assign(ok=ok).groupby([*series, "model"], sort=False)["ok"].transform("mean").to_numpy() >= 0.5
    counted = rows.assign(lost=answered & ~ok)
    lost = counted.groupby([*series, "cutoff", "target_date"], sort=False)["lost"].transform("any").to_numpy()
    return np.asarray(ok & answered & ~lost)


def _compute(
    rows: pd.DataFrame, values: NDArray[np.float64], quantiles: NDArray[np.float64], is_ratio: bool
) -> dict[str, float]:
    names = [name for name in METRICS if is_ratio or name not in PERCENTAGES]
    if len(rows) == 0:
        return dict.fromkeys(names, float("nan"))
    observed, forecast = rows["observed"].to_numpy(), rows["forecast"].to_numpy()
    error = forecast - observed
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.abs(error) / rows["mean_step"].to_numpy()
        scaled_square = error**2 / rows["mean_square_step"].to_numpy()
        percentage = metrics.mape(observed, forecast)
    found = {
        "mae": metrics.mae(observed, forecast),
        "rmse": metrics.rmse(observed, forecast),
        "bias": float(np.mean(error)),
        "mape": percentage if np.isfinite(percentage) else float("nan"),
        "smape": metrics.smape(observed, forecast),
        "mase": float(np.mean(scaled)) if np.isfinite(scaled).all() else float("nan"),
        "rmsse": float(np.sqrt(np.mean(scaled_square))) if np.isfinite(scaled_square).all() else float("nan"),
        "pinball": float(metrics.pinball(observed, values, quantiles=quantiles).mean()),
        "crps": float(metrics.crps(observed, values, quantiles=quantiles).mean()),
        "coverage_90": float("nan"),
        "interval_score_90": float("nan"),
    }
    if np.isclose(quantiles, 0.05, atol=_SAME).any():
        bounds = _bounds(quantiles, values, 0.9)
        found["coverage_90"] = float(metrics.covered(observed, *bounds).mean())
        found["interval_score_90"] = float(metrics.interval_score(observed, *bounds, level=0.9).mean())
    return {name: found[name] for name in names}
