"""Intervals from past errors: of other glaciers, at a similar lead, with targets no later than the cutoff."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_ERRORS", "half_widths", "weighted_quantile"]

#: Fewer past errors at a similar lead, and they say nothing yet.
MIN_ERRORS = 60
_LEAD_WIDTH = 0.35
_HALF_LIFE_YEARS = 5.0
_HALF_TRUST = 200.0


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


def half_widths(
    errors: NDArray[np.float64],
    native: NDArray[np.float64],
    *,
    lead_years: NDArray[np.float64],
    age_years: NDArray[np.float64],
    group: NDArray[np.int64],
    ahead: float,
    levels: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the half-widths of central intervals at a lead, in units of the forecast's own spread.

    The half-width that covered past errors as often as nominal is the conformal one. Errors count by how near
    their lead is (on a log scale) and by their age (half after 5 years); the level is moved out by the finite
    number of glaciers (Lei et al. 2018, doi:10.1080/01621459.2017.1307116). Errors of one date share their causes,
    so that few glaciers say little: the result lies between the native and the conformal half-width, on a log
    scale, nearer to the latter the more glaciers there are (half way at 200).

    Parameters
    ----------
    errors : (N,)
        Absolute errors in units of the forecast's spread.
    native : (Q,)
        Half-widths of the model itself, zero or positive.
    lead_years, age_years : (N,)
        Years ahead, and years since the target.
    group : (N,) int
        Series of each error.
    ahead : float
        Years ahead that are asked for.
    levels : (Q,)
        Nominal coverages, 0 to 1.

    Returns
    -------
    (Q,) float64
        The native ones where fewer than 60 errors of a similar lead are known.

    Examples
    --------
    >>> many = np.arange(1.0, 10_001.0) / 10_000
    >>> half_widths(many, np.array([0.9]), lead_years=np.ones(10_000), age_years=np.zeros(10_000),
    ...             group=np.arange(10_000), ahead=1.0, levels=np.array([0.9])).round(3)
    array([0.9])
    """
    if len(errors) == 0:
        return native
    weight = np.exp(-0.5 * (np.log(lead_years / ahead) / _LEAD_WIDTH) ** 2) * 0.5 ** (age_years / _HALF_LIFE_YEARS)
    near = weight > 1e-3
    if near.sum() < MIN_ERRORS:
        return native
    count = len(np.unique(group[near]))
    outward = np.clip(levels * (count + 1) / count, 0.0, 1 - 1e-4)
    conformal = weighted_quantile(errors[near], weight[near], outward)
    trust = count / (count + _HALF_TRUST)
    ratio = np.divide(conformal, native, out=np.ones_like(native), where=(native > 0) & (conformal > 0))
    return np.asarray(native * ratio**trust)
