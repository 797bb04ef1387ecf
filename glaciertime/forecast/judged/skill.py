"""Skill against a reference forecast, with a paired bootstrap over glaciers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.forecast.judged.backtest import Backtest
from glaciertime.forecast.judged.metrics import relative_error
from glaciertime.tables import SERIES_KEY, by_series, validate

__all__ = ["skill_scores", "skill_table"]

#: Successive origins that are drawn together where a single series is resampled.
_BLOCK = 5


def skill_table(
    result: Backtest, *, reference: str = "last", level: float = 0.95, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    r"""Return how each model compares with a reference over the same origins and targets of the same glaciers.

    .. math:: skill = 1 - \exp \frac{1}{G} \sum_g \log \frac{MAE_g(model)}{MAE_g(reference)}

    Rows on which either failed are left out for both, and counted. Ratios are clipped to 0.001..1000. Series are
    resampled; where there is one alone, its origins are, in blocks of five that follow each other, and the skill of
    a resample is again one minus the ratio of its mean errors.

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
    wide = _paired_errors(rows)
    found = []
    for (dataset, variable, horizon), part in wide.groupby(["dataset", "variable", "horizon"], sort=False):
        for model in dict.fromkeys(rows["model"]):
            good = part[part[model].notna() & part[reference].notna()]
            if len(good) == 0:
                continue
            series = by_series(good, sort=False)
            # One row per series, or per block of successive origins of a single one.
            if len(series) > 1:
                mine, other = (series[name].mean().to_numpy() for name in (model, reference))
            else:
                starts = np.arange(0, len(good), _BLOCK)
                mine, other = (np.add.reduceat(good[name].to_numpy(), starts) for name in (model, reference))
            picks = np.random.default_rng(seed).integers(0, len(mine), (draws, len(mine)))
            ratio = _ratio(mine[None], other[None], pooled=len(series) == 1)[0]
            drawn = _ratio(mine[picks], other[picks], pooled=len(series) == 1)
            lower, upper = 1 - np.quantile(drawn, [(1 + level) / 2, (1 - level) / 2])
            found.append((dataset, variable, model, horizon, 1 - float(ratio), float(lower), float(upper),
                          float(np.mean(drawn >= 1)), len(series), len(part) - len(good)))  # fmt: skip
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


def _paired_errors(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per series, horizon, origin and target, in order of origin: a column of errors per model.

    An error is NaN where the model failed. Only what was forecast is a row, so that the table grows with it.
    """
    keys = [*SERIES_KEY, "horizon", "cutoff", "target_date"]
    error = rows[[*keys, "model"]].assign(error=np.abs(rows["forecast"] - rows["observed"]))
    error.loc[(rows["status"] != "ok").to_numpy(), "error"] = np.nan
    error["place"] = error.groupby(keys, sort=False, observed=True).ngroup()
    error = error.drop_duplicates(["place", "model"])
    wide = error.pivot(index="place", columns="model", values="error")
    return error.drop_duplicates("place").set_index("place")[keys].join(wide).sort_values("cutoff", kind="stable")


def _ratio(mine: NDArray[np.float64], other: NDArray[np.float64], *, pooled: bool) -> NDArray[np.float64]:
    """Return relative errors of resamples (B, N): of the sums, or the geometric mean over series."""
    if pooled:
        return relative_error(mine.sum(axis=1), other.sum(axis=1))
    return np.asarray(np.exp(np.log(relative_error(mine, other)).mean(axis=1)))


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
