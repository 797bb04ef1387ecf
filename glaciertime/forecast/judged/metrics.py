"""Scores of point forecasts and of intervals, each with its formula."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["covered", "crps", "interval_score", "mae", "mape", "pinball", "relative_error", "rmse", "smape"]

Array = NDArray[np.float64]


def mae(observed: Array, forecast: Array) -> float:
    """Mean absolute error, in the unit of the values.

    Examples
    --------
    >>> mae(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    1.5
    """
    return float(np.mean(np.abs(forecast - observed)))


def rmse(observed: Array, forecast: Array) -> float:
    """Root mean squared error, in the unit of the values.

    Examples
    --------
    >>> rmse(np.array([0.0, 0.0]), np.array([3.0, 3.0]))
    3.0
    """
    return float(np.sqrt(np.mean((forecast - observed) ** 2)))


def mape(observed: Array, forecast: Array) -> float:
    """Mean absolute error relative to the observed value, in percent; for values whose zero means none.

    Examples
    --------
    >>> mape(np.array([100.0, 200.0]), np.array([110.0, 180.0]))
    10.0
    """
    return float(100 * np.mean(np.abs(forecast - observed) / np.abs(observed)))


def smape(observed: Array, forecast: Array) -> float:
    """Symmetric form, ``200 |f - y| / (|y| + |f|)`` on average: 0 to 200 percent; 0 where both are zero.

    Some libraries leave the 2 out and return half of it.

    Examples
    --------
    >>> smape(np.array([1.0]), np.array([3.0]))
    100.0
    """
    total = np.abs(observed) + np.abs(forecast)
    ratio = np.divide(np.abs(forecast - observed), total, out=np.zeros_like(total), where=total > 0)
    return float(200 * np.mean(ratio))


def pinball(observed: Array, forecasts: Array, *, quantiles: Array) -> Array:
    r"""Quantile (pinball) loss per observation and quantile, (N, Q), in the unit of the values.

    .. math:: L_p = \max(p (y - q), (p - 1)(y - q))

    Examples
    --------
    >>> pinball(np.array([1.0]), np.array([[0.0]]), quantiles=np.array([0.9]))
    array([[0.9]])
    """
    error = observed[:, None] - forecasts
    return np.maximum(quantiles * error, (quantiles - 1) * error)


def crps(observed: Array, forecasts: Array, *, quantiles: Array) -> Array:
    """Continuous ranked probability score per observation, (N,), from quantiles (N, Q).

    Twice the integral of the pinball loss over the quantiles, by the trapezoid rule between the outermost ones,
    which stand for the tails beyond them (Gneiting and Raftery 2007, doi:10.1198/016214506000001437). It equals
    the absolute error where all quantiles coincide.

    Examples
    --------
    >>> crps(np.array([1.0]), np.zeros((1, 3)), quantiles=np.array([0.1, 0.5, 0.9])).round(6)
    array([1.])
    """
    loss = pinball(observed, forecasts, quantiles=quantiles)
    edges = np.concatenate([[0.0], quantiles, [1.0]])
    # A tail keeps the value of its outermost quantile: its loss is linear in p down to p = 0 (or up to 1).
    error = observed - forecasts[:, 0], observed - forecasts[:, -1]
    first = np.maximum(0.0, -error[0])
    final = np.maximum(0.0, error[1])
    full = np.column_stack([first, loss, final])
    return 2 * np.sum((full[:, 1:] + full[:, :-1]) / 2 * np.diff(edges), axis=1)


def covered(observed: Array, lower: Array, upper: Array) -> NDArray[np.bool_]:
    """Return whether each observation lies within its interval, bounds included."""
    return (observed >= lower) & (observed <= upper)


def interval_score(observed: Array, lower: Array, upper: Array, *, level: float) -> Array:
    r"""Interval (Winkler) score per observation, (N,), in the unit of the values; smaller is better.

    .. math:: S = (u - l) + \frac{2}{\alpha} (l - y)_+ + \frac{2}{\alpha} (y - u)_+, \quad \alpha = 1 - level

    Gneiting and Raftery 2007, doi:10.1198/016214506000001437.

    Examples
    --------
    >>> interval_score(np.array([3.0]), np.array([0.0]), np.array([2.0]), level=0.9).round(6)
    array([22.])
    """
    miss = np.maximum(lower - observed, 0.0) + np.maximum(observed - upper, 0.0)
    return upper - lower + 2 / (1 - level) * miss


def relative_error(error: ArrayLike, reference: ArrayLike) -> Array:
    """Return errors over those of a reference on the same targets, within 0.001..1000; 1 where both are zero.

    Parameters
    ----------
    error, reference : (...,)
        Sums or means of absolute errors, or of scores, zero or positive; NaN where there are none.

    Examples
    --------
    >>> relative_error([1.0, 0.0, 1.0], [2.0, 0.0, 0.0]).tolist()
    [0.5, 1.0, 1000.0]
    """
    top, bottom = np.asarray(error, dtype=float), np.asarray(reference, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((top == 0) & (bottom == 0), 1.0, top / bottom)
    return np.clip(ratio, 1e-3, 1e3)
