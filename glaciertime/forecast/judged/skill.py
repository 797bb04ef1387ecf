"""Skill against a reference forecast, with a paired bootstrap over glaciers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from glaciertime.errors import InputError
from glaciertime.forecast.judged.backtest import Backtest, common_rows
from glaciertime.forecast.judged.metrics import relative_error
from glaciertime.tables import SERIES_KEY, by_series, empty, validate

__all__ = ["diebold_mariano", "skill_scores", "skill_table"]

#: Successive origins that are drawn together where a single series is resampled.
_BLOCK = 5
#: From fewer series, or blocks of one series, there is no interval: their resamples are hardly more than themselves.
_LEAST_BLOCKS = 8
#: From fewer forecasts no test.
_LEAST_FORECASTS = 8


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
        ``dataset, variable, model, horizon, skill, lower, upper, p_worse, p_value, n_series, n_left_out``; ``p_worse``
        is the share of resamples in which the model is no better than the reference, NaN like the interval with fewer
        than eight series, or eight blocks of a single one. ``p_value`` is that of :func:`diebold_mariano` on the
        forecasts of a single series; NaN for several.

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
            worse = float(np.mean(drawn >= 1))
            if len(mine) < _LEAST_BLOCKS:
                lower = upper = worse = np.nan
            p_value = np.nan
            if len(series) == 1:
                loss = (good[model] - good[reference]).to_numpy()
                p_value = diebold_mariano(loss, overlap=_overlap(good))
            found.append((dataset, variable, model, horizon, 1 - float(ratio), float(lower), float(upper), worse,
                          p_value, len(series), len(part) - len(good)))  # fmt: skip
    columns = [
        "dataset",
        "variable",
        "model",
        "horizon",
        "skill",
        "lower",
        "upper",
        "p_worse",
        "p_value",
        "n_series",
        "n_left_out",
    ]
    return pd.DataFrame(found, columns=columns)


def diebold_mariano(difference: ArrayLike, *, overlap: int = 1) -> float:
    r"""Return the two-sided chance that two forecasts of equal worth differ so much in their mean loss.

    Diebold and Mariano (1995, doi:10.1080/07350015.1995.10524599) with the correction for few forecasts of Harvey,
    Leybourne and Newbold (1997, doi:10.1016/S0169-2070(96)00719-4): with *n* differences *d* whose targets overlap
    over *h* of them,

    .. math:: S = \frac{\bar d}{\sqrt{V / n}} \sqrt{\frac{n + 1 - 2 h + h (h - 1) / n}{n}}, \quad
       V = \gamma_0 + 2 \sum_{k < h} (1 - k / h) \gamma_k

    is compared with Student's t of *n* - 1 degrees of freedom.

    Parameters
    ----------
    difference : (N,) float
        Loss of one forecast less that of the other, in order of time.
    overlap : int
        Forecasts that one forecast's time ahead reaches over, at least 1.

    Returns
    -------
    float
        In 0..1; NaN with fewer than eight differences, or fewer than twice the overlap, and where none differs.

    Examples
    --------
    >>> round(diebold_mariano([1.0, 2.0, 1.5, 0.5, 1.0, 2.0, 1.5, 0.5, -0.5, 1.0]), 3)
    0.002
    """
    from scipy.special import stdtr

    loss = np.asarray(difference, dtype=float)
    count = len(loss)
    if count < max(_LEAST_FORECASTS, 2 * overlap) or (loss == loss[0]).all():
        return float("nan") if count == 0 or loss[0] == 0 or count < max(_LEAST_FORECASTS, 2 * overlap) else 0.0
    rest = loss - loss.mean()
    variance = float(rest @ rest) / count
    for lag in range(1, overlap):
        variance += 2 * (1 - lag / overlap) * float(rest[lag:] @ rest[:-lag]) / count
    if variance <= 0:
        return float("nan")
    few = (count + 1 - 2 * overlap + overlap * (overlap - 1) / count) / count
    statistic = loss.mean() / np.sqrt(variance / count) * np.sqrt(max(few, 0.0))
    return float(2 * stdtr(count - 1, -abs(statistic)))


def _overlap(rows: pd.DataFrame) -> int:
    """Return how many origins the time of a forecast reaches over where they lie closest, at least 1.

    Origins are as uneven as the record: ten within one year share their target's weather, whatever the others do.
    """
    origin = np.sort(rows["cutoff"].to_numpy().astype("M8[D]"))
    target = np.sort(rows["target_date"].to_numpy().astype("M8[D]"))
    return max(1, int((np.searchsorted(origin, target) - np.arange(len(origin))).max(initial=1)))


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

    Metrics ``skill_last``, ``skill_last_lower``, ``skill_last_upper`` and ``skill_last_p_value``, by the name of the
    reference: see :func:`skill_table`, whose resamples are of blocks of five origins where there is one series.

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
    ['skill_last', 'skill_last_lower', 'skill_last_upper', 'skill_last_p_value']
    """
    keys = result.rows[list(SERIES_KEY)].drop_duplicates()
    if len(keys) != 1:
        raise InputError(f"the backtest holds {len(keys)} series; skill is stored for one at a time")
    # Of the same forecasts as the other scores.
    shared = common_rows(result.rows)
    if reference not in set(result.rows.loc[shared, "model"]):
        return empty("scores")
    table = skill_table(replace(result, rows=result.rows[shared], values=result.values[shared]), reference=reference)
    table = table[table["model"] != reference]
    counts = result.rows.assign(n=shared, n_failed=result.rows["status"] != "ok")
    counts = counts.groupby(["model", "horizon"])[["n", "n_failed"]].sum()
    found = []
    for row in table.itertuples():
        n, n_failed = (int(count) for count in counts.loc[(row.model, row.horizon)])
        made = (("", row.skill), ("_lower", row.lower), ("_upper", row.upper), ("_p_value", row.p_value))
        for suffix, value in made:
            found.append((*keys.iloc[0], row.model, row.horizon, f"skill_{reference}{suffix}", value, n, n_failed,
                          result.rows["source"].iloc[0]))  # fmt: skip
    columns = [*SERIES_KEY, "model", "horizon", "metric", "value", "n", "n_failed", "source"]
    return validate(pd.DataFrame(found, columns=columns), "scores")
