"""What a backtest amounts to: which model to use for a series, how much better than the last value, how sure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from glaciertime.forecast.covariates import is_conditional
from glaciertime.naming import counted
from glaciertime.tables import SERIES_KEY, by_series

__all__ = ["VERDICT_COLUMNS", "prognosis_texts", "verdicts"]

VERDICT_COLUMNS = (*SERIES_KEY, "horizon", "use", "best", "error_ratio", "p_value", "n", "verdict", "source")

#: A model is used where the last value would be beaten so by chance more rarely than this, of all models tried.
_LEVEL = 0.05
_REFERENCE = "last"


def verdicts(scores: pd.DataFrame) -> pd.DataFrame:
    """Return, per series and horizon of a backtest, the model that is to be used and why.

    The model with the least error is used where it beats the last value by more than chance: Diebold and Mariano's
    test, its p-value multiplied by the number of models that were tried (Bonferroni). Else the last value is, for
    nothing is known to beat it. What was given the future of a covariate is no forecast, and no model to be used.

    Parameters
    ----------
    scores : DataFrame
        The corridor's ``scores``, with the rows of :func:`glaciertime.forecast.judged.skill.skill_scores`.

    Returns
    -------
    DataFrame
        Columns :data:`VERDICT_COLUMNS`: ``use`` the model, ``best`` the one of least error besides the last value,
        ``error_ratio`` its summed absolute error over that of the last value, ``p_value`` corrected, NaN where there
        were too few forecasts to test, ``n`` forecasts, ``verdict`` a sentence.

    Examples
    --------
    >>> from glaciertime.forecast import run_backtest
    >>> from glaciertime.forecast.example import straight_series
    >>> from glaciertime.forecast.judged.skill import skill_scores
    >>> result = run_backtest([straight_series(rate_per_year=2.0, count=30)], models=["last", "drift"])
    >>> verdicts(skill_scores(result))["use"].tolist()
    ['drift', 'drift', 'drift']
    """
    found = []
    kept = scores[scores["metric"].isin([f"skill_{_REFERENCE}", f"skill_{_REFERENCE}_p_value"])]
    kept = kept[~kept["model"].map(is_conditional).astype(bool)]
    for key, rows in by_series(kept, sort=False):
        for horizon, part in rows.groupby("horizon", sort=False):
            wide = part.pivot_table(index=["model", "n"], columns="metric", values="value", dropna=False, sort=False)
            wide = wide[wide[f"skill_{_REFERENCE}"].notna()].reset_index()
            if wide.empty:
                continue
            best = wide.loc[wide[f"skill_{_REFERENCE}"].idxmax()]
            ratio = 1 - float(best[f"skill_{_REFERENCE}"])
            chance = float(best.get(f"skill_{_REFERENCE}_p_value", np.nan))
            chance = min(1.0, chance * len(wide)) if np.isfinite(chance) else np.nan
            is_better = ratio < 1 and chance < _LEVEL
            use = str(best["model"]) if is_better else _REFERENCE
            text = _sentence(str(best["model"]), ratio, chance, int(best["n"]), len(wide), is_better)
            found.append((*key, horizon, use, best["model"], ratio, chance, int(best["n"]), f"{horizon}: {text}",
                          part["source"].iloc[0]))  # fmt: skip
    return pd.DataFrame(found, columns=list(VERDICT_COLUMNS))


def _sentence(best: str, ratio: float, chance: float, count: int, tried: int, is_better: bool) -> str:
    models = "model" if tried == 1 else f"of {counted(tried, 'models')}"
    if not np.isfinite(chance) and ratio >= 1:
        # As where a model is the last value itself: there is nothing to test.
        told = f"{best}, the best {models}, errs {ratio:.2f} times as much"
        return f"nothing beats the last value in {counted(count, 'forecasts')}, {told}; use last"
    if not np.isfinite(chance):
        return f"{counted(count, 'forecasts', 'are')} too few to say what beats the last value; use last"
    sure = "p < 0.001" if chance < 1e-3 else f"p {chance:.2g}"
    told = f"{best}, the best {models}, errs {ratio:.2f} times as much ({sure}, {counted(count, 'forecasts')})"
    if is_better:
        return (
            f"use {best}: it errs {ratio:.2f} times as much as the last value ({sure}, {counted(count, 'forecasts')})"
        )
    if ratio >= 1:
        return f"nothing beats the last value, {told}; use last"
    return f"nothing surely beats the last value, {told}; use last"


def prognosis_texts(scores: pd.DataFrame) -> list[str]:
    """Return what the future of covariates, had it been known, would have been worth: a sentence per horizon and model.

    Parameters
    ----------
    scores : DataFrame
        The corridor's ``scores`` of one series, with models that were given the covariates as they came and the same
        models without them; only where their ``mae`` is of the same forecasts is anything said.
    """
    rows = scores[scores["metric"] == "mae"].set_index(["horizon", "model"])
    texts = []
    for horizon, model in rows.index[rows.index.get_level_values("model").map(is_conditional).astype(bool)]:
        name, _, given = str(model).partition("+")
        if (horizon, name) not in rows.index:
            continue
        mine, other = rows.loc[(horizon, model)], rows.loc[(horizon, name)]
        if mine["n"] == other["n"] and other["value"] > 0:
            ratio, given = mine["value"] / other["value"], given.replace("+", " and ")
            told = f"with {given} as it came, {name} errs {ratio:.2f} times as much as without ({mine['n']} forecasts)"
            texts.append(f"{horizon}: {told}")
    return texts
