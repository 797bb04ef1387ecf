"""How far the methods of measuring a front disagree."""

from __future__ import annotations

import numpy as np
import pandas as pd

from glaciertime.errors import InputError

__all__ = ["COMPARISON_COLUMNS", "compare_methods", "disagreement"]

COMPARISON_COLUMNS = (
    "glacier", "dataset", "front_of", "source", "method", "reference", "n", "n_failed", "offset_m",
    "median_abs_m", "p95_abs_m", "max_abs_m", "sd_m",
)  # fmt: skip


def disagreement(values: pd.Series, reference: pd.Series) -> dict[str, float]:
    """Return how far two series of positions differ after one constant, the median difference, is removed.

    Parameters
    ----------
    values, reference : Series
        m, on the same index; pairs with a missing value are left out.

    Returns
    -------
    dict
        ``n`` pairs, ``offset_m`` (the constant), and of what remains ``median_abs_m``, ``p95_abs_m``, ``max_abs_m``
        and ``sd_m``; NaN without a pair.

    Examples
    --------
    >>> disagreement(pd.Series([11.0, 12.0, 13.5]), pd.Series([1.0, 2.0, 3.0]))["max_abs_m"]
    0.5
    """
    difference = (values - reference).dropna().to_numpy(dtype=float)
    if not len(difference):
        return {"n": 0, **dict.fromkeys(("offset_m", "median_abs_m", "p95_abs_m", "max_abs_m", "sd_m"), np.nan)}
    offset = float(np.median(difference))
    rest = np.abs(difference - offset)
    return {
        "n": len(difference),
        "offset_m": offset,
        "median_abs_m": float(np.median(rest)),
        "p95_abs_m": float(np.quantile(rest, 0.95)),
        "max_abs_m": float(rest.max()),
        "sd_m": float(difference.std(ddof=1)) if len(difference) > 1 else 0.0,
    }


def compare_methods(observations: pd.DataFrame, *, reference: str = "curvilinear-box") -> pd.DataFrame:
    """Return how far every method's front positions differ from those of one method, image by image.

    The fronts of different kinds that one image shows are compared each by itself.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``; only front positions are looked at.
    reference : str
        The method to compare with.

    Returns
    -------
    DataFrame
        Columns :data:`COMPARISON_COLUMNS`, one row per glacier, data set, kind of front and method; ``n_failed`` counts
        images that the method could not measure and the reference could.

    Raises
    ------
    InputError
        Where there are no positions by the reference method.
    """
    rows = observations[observations["variable"] == "front_position_m"]
    if reference not in set(rows["method"]):
        methods = ", ".join(sorted(rows["method"].unique())) or "none"
        raise InputError(f"no front positions by '{reference}'; there are some by {methods}")
    table = []
    kinds = rows["front_of"].fillna("") if "front_of" in rows else ""
    rows = rows.assign(front_of=kinds)
    key = ["glacier", "dataset", "front_of", "source"]
    for names, series in rows.groupby(key, sort=True):
        wide = series.pivot_table(index=["date", "image_id"], columns="method", values="value", dropna=False)
        if reference not in wide:
            continue
        measured = wide[wide[reference].notna()]
        for method in wide.columns:
            row = {**dict(zip(key, names, strict=True)), "method": method, "reference": reference}
            failed = int(measured[method].isna().sum())
            table.append({**row, **disagreement(measured[method], measured[reference]), "n_failed": failed})
    return pd.DataFrame(table, columns=list(COMPARISON_COLUMNS))
