"""Skill against a reference forecast, with a paired bootstrap over glaciers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from glaciertime.errors import InputError
from glaciertime.forecast.judged.backtest import Backtest
from glaciertime.tables import SERIES_KEY, validate

__all__ = ["skill_scores", "skill_table"]


def skill_table(
    result: Backtest, *, reference: str = "last", level: float = 0.95, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    r"""Return how each model compares with a reference over the same origins and targets of the same glaciers.

    .. math:: skill = 1 - \exp \frac{1}{G} \sum_g \log \frac{MAE_g(model)}{MAE_g(reference)}

    Rows on which either failed are left out for both, and counted. Ratios are clipped to 0.001..1000. With a single
    glacier, dates are resampled in blocks of five origins instead.

    Parameters
    ----------
    result : Backtest
    reference : str
        A model of the backtest.
    level : float
        Of the bootstrap interval.
    draws, seed : int

    Returns
    -------
    DataFrame
        ``dataset, variable, model, horizon, skill, lower, upper, p_worse, n_series, n_left_out``; ``p_worse`` is the
        share of resamples in which the model is no better than the reference.

    Raises
    ------
    InputError
        If the reference is not in the backtest.

    Examples
    --------
    >>> from glaciertime.forecast import run_backtest
    >>> from glaciertime.forecast.example import straight_series
    >>> result = run_backtest([straight_series(rate_per_year=2.0, count=20)], models=["last", "drift"])
    >>> bool((skill_table(result).query("model == 'drift'")["skill"] > 0.9).all())
    True
    """
    rows = result.rows
    if reference not in set(rows["model"]):
        raise InputError(f"model {reference!r} is not in the backtest; it has {', '.join(rows['model'].unique())}")
    keys = [*SERIES_KEY, "horizon", "cutoff", "target_date"]
    error = rows.assign(error=np.abs(rows["forecast"] - rows["observed"]).where(rows["status"] == "ok"))
    wide = error.pivot_table(index=keys, columns="model", values="error", dropna=False, aggfunc="first", observed=True)
    wide = wide.dropna(how="all")
    found = []
    for (dataset, variable, horizon), part in wide.groupby(level=["dataset", "variable", "horizon"], sort=False):
        for model in dict.fromkeys(rows["model"]):
            both = part[[model, reference]] if model != reference else part[[reference]].assign(own=part[reference])
            good = both.dropna()
            logs, count = _log_ratios(good, reference)
            if len(logs) == 0:
                continue
            picks = np.random.default_rng(seed).integers(0, len(logs), (draws, len(logs)))
            means = logs[picks].mean(axis=1)
            lower, upper = 1 - np.exp(np.quantile(means, [(1 + level) / 2, (1 - level) / 2]))
            found.append((dataset, variable, model, horizon, 1 - float(np.exp(logs.mean())), float(lower),
                          float(upper), float(np.mean(means >= 0)), count, len(both) - len(good)))  # fmt: skip
    columns = [
        "dataset",
        "variable",
        "model",
        "horizon",
        "skill",
        "lower",
        "upper",
        "p_worse",
        "n_series",
        "n_left_out",
    ]
    return pd.DataFrame(found, columns=columns)


def _log_ratios(errors: pd.DataFrame, reference: str) -> tuple[np.ndarray, int]:
    """Log relative errors per glacier, or per block of five origins of a single one; and the number of glaciers."""
    own = next((name for name in errors.columns if name != reference), reference)
    series = errors.groupby(level=list(SERIES_KEY), sort=False)
    count = len(series)
    if count == 1:
        block = np.arange(len(errors)) // 5
        sums = errors.groupby(block).mean()
    else:
        sums = series.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((sums[own] == 0) & (sums[reference] == 0), 1.0, sums[own] / sums[reference])
    return np.log(np.clip(ratio, 1e-3, 1e3)), count


def skill_scores(result: Backtest, *, reference: str = "last") -> pd.DataFrame:
    """Return the skill of one series' backtest as rows of the corridor's ``scores``.

    Metrics ``skill_last``, ``skill_last_lower`` and ``skill_last_upper``, by the name of the reference: see
    :func:`skill_table`, whose resamples are of blocks of five origins where there is one series.

    Parameters
    ----------
    result : Backtest
        Of one series, the reference among its models.
    reference : str

    Examples
    --------
    >>> from glaciertime.forecast import run_backtest
    >>> from glaciertime.forecast.example import straight_series
    >>> result = run_backtest([straight_series(rate_per_year=2.0, count=20)], models=["last", "drift"])
    >>> skill_scores(result)["metric"].unique().tolist()
    ['skill_last', 'skill_last_lower', 'skill_last_upper']
    """
    keys = result.rows[list(SERIES_KEY)].drop_duplicates()
    if len(keys) != 1:
        raise InputError(f"the backtest holds {len(keys)} series; skill is stored for one at a time")
    table = skill_table(result, reference=reference)
    table = table[table["model"] != reference]
    good = result.rows["status"] == "ok"
    counts = result.rows.assign(n=good, n_failed=~good).groupby(["model", "horizon"])[["n", "n_failed"]].sum()
    found = []
    for row in table.itertuples():
        n, n_failed = (int(count) for count in counts.loc[(row.model, row.horizon)])
        for suffix, value in (("", row.skill), ("_lower", row.lower), ("_upper", row.upper)):
            found.append((*keys.iloc[0], row.model, row.horizon, f"skill_{reference}{suffix}", value, n, n_failed,
                          result.rows["source"].iloc[0]))  # fmt: skip
    columns = [*SERIES_KEY, "model", "horizon", "metric", "value", "n", "n_failed", "source"]
    return validate(pd.DataFrame(found, columns=columns), "scores")
