"""Intervals from past errors: of other glaciers, at a similar lead, with targets no later than the cutoff."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_ERRORS", "error_quantiles", "weighted_quantile"]

#: Fewer past errors at a similar lead, and they say nothing yet.
MIN_ERRORS = 60
_LEAD_WIDTH = 0.35
_HALF_LIFE_YEARS = 20.0


def weighted_quantile(
    values: NDArray[np.float64], weights: NDArray[np.float64], quantiles: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return quantiles of weighted values, interpolated between the middles of their steps.

    Examples
    --------
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([0.5]))
    array([2.])
    """
    order = np.argsort(values, kind="stable")
    x, w = values[order], weights[order]
    middle = (np.cumsum(w) - w / 2) / w.sum()
    return np.interp(quantiles, middle, x)


def error_quantiles(
    errors: NDArray[np.float64],
    *,
    lead_years: NDArray[np.float64],
    age_years: NDArray[np.float64],
    group: NDArray[np.int64],
    ahead: float,
    quantiles: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """Return quantiles of past scaled errors at a lead, or None where too few are known.

    Errors count by how near their lead is (on a log scale) and by their age (half after 20 years). The outer
    quantiles are moved out by the finite number of glaciers, as split conformal prediction does
    (Lei et al. 2018, doi:10.1080/01621459.2017.1307116).

    Parameters
    ----------
    errors, lead_years, age_years : (N,)
        Observed minus forecast in units of the forecast's spread; years ahead; years since the target.
    group : (N,) int
        Series of each error.
    ahead : float
        Years ahead that are asked for.
    quantiles : (Q,)

    Returns
    -------
    (Q,) float64 or None
    """
    weight = np.exp(-0.5 * (np.log(lead_years / ahead) / _LEAD_WIDTH) ** 2) * 0.5 ** (age_years / _HALF_LIFE_YEARS)
    near = weight > 1e-3
    if near.sum() < MIN_ERRORS:
        return None
    weight, errors, group = weight[near], errors[near], group[near]
    count = len(np.unique(group))
    # With n exchangeable glaciers, the p-quantile is covered by the p (n + 1) / n one.
    outward = np.clip(0.5 + (quantiles - 0.5) * (count + 1) / count, 1e-4, 1 - 1e-4)
    return weighted_quantile(errors, weight, outward)
