"""Several values of one day made one: the weighted mean that every product of a series starts from."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["one_per_day", "weighted_mean"]


def weighted_mean(values: np.ndarray, sigmas: np.ndarray) -> tuple[float, float]:
    """Return the mean weighted by the inverse variances, and its sigma.

    Values of unknown sigma take the median of the known ones; if none is known, all count the same and the sigma of the
    mean is unknown. Scatter beyond the sigmas widens the sigma of the mean.

    Parameters
    ----------
    values, sigmas : (N,) float64

    Examples
    --------
    >>> weighted_mean(np.array([10.0, 13.0]), np.array([1.0, 2.0]))
    (10.6, 1.2)
    """
    if len(values) == 1:
        return float(values[0]), float(sigmas[0])
    known = np.isfinite(sigmas) & (sigmas > 0)
    if not known.any():
        return float(values.mean()), float("nan")
    sigma = np.where(known, sigmas, np.median(sigmas[known]))
    weight = 1 / sigma**2
    mean = float(np.sum(weight * values) / weight.sum())
    inflation = max(1.0, float(np.sum(weight * (values - mean) ** 2)) / (len(values) - 1))
    return mean, float(np.sqrt(inflation / weight.sum()))


def one_per_day(series: pd.DataFrame) -> pd.DataFrame:
    """Return one row a day of one series: weighted mean, its sigma, and how many values it stands for.

    Parameters
    ----------
    series : DataFrame
        Rows of one series of the table ``observations``; rows without a value are left out.

    Returns
    -------
    DataFrame
        Columns ``date, value, sigma, n, censored`` in order of time.
    """
    rows = series[series["value"].notna()].sort_values(["date", "image_id"])
    out = []
    for date, day in rows.groupby("date", sort=True):
        mean, sigma = weighted_mean(day["value"].to_numpy(dtype=float), day["sigma"].to_numpy(dtype=float))
        censored = bool(day["quality"].str.contains("censored").any())
        out.append({"date": date, "value": mean, "sigma": sigma, "n": len(day), "censored": censored})
    return pd.DataFrame(out, columns=["date", "value", "sigma", "n", "censored"])
