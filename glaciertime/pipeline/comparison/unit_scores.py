"""Scores of glaciers, scenes or whole test parts, out of the counts of their images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from glaciertime.segment.judge.intervals import LEAST_UNITS

__all__ = ["class_scores", "unit_of", "unit_scores"]

_COUNTS = ("tp", "fp", "fn", "tn")
_FRONT = ("front_sum_px", "front_count")


def unit_of(rows: pd.DataFrame) -> str:
    """Return what is drawn from in test rows: ``glacier`` where there are five or more, else ``scene``.

    Scenes of one glacier are alike: where they are the units, what is found is of these glaciers alone.
    """
    glaciers = set(rows["glacier"]) - {""}
    return "glacier" if len(glaciers) >= LEAST_UNITS else "scene"


def _with_unit(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    if unit == "glacier":
        # Images of no known glacier are of many: they are no glacier together.
        named = rows[rows["glacier"] != ""]
        return named.assign(unit=named["glacier"])
    if unit == "scene":
        return rows.assign(unit=rows["glacier"] + "|" + rows["scene"])
    return rows.assign(unit="")


def class_scores(rows: pd.DataFrame, *, by: Sequence[str], unit: str) -> pd.DataFrame:
    """Return the scores of each class, from counts summed over the images of each unit.

    Parameters
    ----------
    rows : DataFrame
        Of the test part.
    by : sequence of str
        Columns that tell trainings apart.
    unit : str
        ``glacier``, ``scene``, or empty for the whole test part.

    Returns
    -------
    DataFrame
        Columns ``by``, ``unit``, ``class``, ``iou``, ``dice``, ``precision``, ``recall`` (NaN without a denominator),
        and the counts.
    """
    counts = _with_unit(rows[rows["metric"].isin(_COUNTS)], unit)
    keys = [*by, "unit", "class", "metric"]
    wide = counts.groupby(keys, sort=True, observed=True)["value"].sum().unstack("metric").reindex(columns=_COUNTS)
    tp, fp, fn = (wide[name].to_numpy(dtype=float) for name in ("tp", "fp", "fn"))
    scored = wide.assign(
        iou=_ratio(tp, tp + fp + fn), dice=_ratio(2 * tp, 2 * tp + fp + fn), precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
    )  # fmt: skip
    return scored.reset_index()


def unit_scores(rows: pd.DataFrame, *, by: Sequence[str], unit: str) -> pd.DataFrame:
    """Return the scores of each unit: means over the classes that have each, and those of all pixels and fronts.

    Parameters as of :func:`class_scores`.

    Returns
    -------
    DataFrame
        Columns ``by``, ``unit``, ``iou``, ``dice``, ``precision``, ``recall``, ``pixel_accuracy``,
        ``front_error_px``.
    """
    keys = [*by, "unit"]
    of_classes = class_scores(rows, by=by, unit=unit)
    grouped = of_classes.groupby(keys, sort=True, observed=True)
    out = grouped[["iou", "dice", "precision", "recall"]].mean()
    sums = grouped[["tp", "fn"]].sum()
    out["pixel_accuracy"] = _ratio(sums["tp"].to_numpy(), (sums["tp"] + sums["fn"]).to_numpy())
    front = _with_unit(rows[rows["metric"].isin(_FRONT)], unit)
    if front.empty:
        out["front_error_px"] = np.nan
    else:
        wide = front.groupby([*keys, "metric"], observed=True)["value"].sum().unstack("metric").reindex(out.index)
        out["front_error_px"] = _ratio(wide["front_sum_px"].to_numpy(float), wide["front_count"].to_numpy(float))
    return out.reset_index()


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    under = np.asarray(below, dtype=np.float64)
    known = np.nan_to_num(under) > 0
    return np.divide(above, under, out=np.full(under.shape, np.nan), where=known)
