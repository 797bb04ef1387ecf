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
    r"""Continuous ranked probability score per observation, (N,), of the quantile function through quantiles (N, Q).

    Between two quantiles, and beyond the outermost ones through these and their neighbours, the quantile function is
    that of a normal distribution, :math:`Q(p) = a + b \,\Phi^{-1}(p)`: it goes through all that was given, and is
    exact where the forecast is normal. Its score is in closed form, twice the integral of the pinball loss over all
    *p* (Gneiting and Raftery 2007, doi:10.1198/016214506000001437), with *F* the distribution function,

    .. math:: CRPS = 2 \int_{F(y)}^1 (Q(p) - y) \, dp - 2 \int_0^1 p \, (Q(p) - y) \, dp

    It equals the absolute error where all quantiles coincide.

    Parameters
    ----------
    observed : (N,) float64
    forecasts : (N, Q) float64
        Increasing along the second axis; at least two.
    quantiles : (Q,) float64
        In (0, 1), increasing.

    Examples
    --------
    >>> crps(np.array([1.0]), np.zeros((1, 3)), quantiles=np.array([0.1, 0.5, 0.9])).round(6)
    array([1.])
    """
    from scipy.special import ndtr, ndtri

    # From the observation on: a spread that is small beside the values keeps its digits.
    forecasts = forecasts - observed[:, None]
    z = ndtri(quantiles)
    slope = np.diff(forecasts, axis=1) / np.diff(z)
    slope = np.concatenate([slope[:, :1], slope, slope[:, -1:]], axis=1)
    anchor = np.concatenate([[z[0]], z])
    level = np.concatenate([forecasts[:, :1], forecasts], axis=1) - slope * anchor
    low, high = np.concatenate([[-np.inf], z]), np.concatenate([z, [np.inf]])
    # Where the observation lies: the fraction of every piece that is below it.
    with np.errstate(divide="ignore", invalid="ignore"):
        place = -level / slope
    is_step = slope <= 0
    place = np.where(is_step, np.where(level < 0, np.inf, -np.inf), place)
    cut = np.clip(place, low, high)

    def integral(lower: Array, upper: Array) -> Array:
        """Integral of Q over p from one z to another."""
        return level * (ndtr(upper) - ndtr(lower)) - slope * (_density(upper) - _density(lower))

    above = integral(cut, np.broadcast_to(high, cut.shape)).sum(axis=1)
    weighted = level * (ndtr(high) ** 2 - ndtr(low) ** 2) / 2 + slope * (_moment(high) - _moment(low))
    return np.asarray(2 * above - 2 * weighted.sum(axis=1))


def _density(z: Array) -> Array:
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))


def _moment(z: Array) -> Array:
    """Integral of z' Phi(z') phi(z') up to z."""
    from scipy.special import ndtr

    return np.asarray(-_density(z) * ndtr(z) + ndtr(np.sqrt(2.0) * z) / (2 * np.sqrt(np.pi)))


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
