"""The exact likelihood of an ARIMA process with gaps, and the test by which the number of differences is chosen.

The state-space form is that of Harvey (1989, ISBN 978-0-521-32196-9), its parameters in the order and on the
unconstrained scale of ``statsmodels.tsa.statespace.SARIMAX``, whose likelihood this is, compiled. A difference quotient
of all parameters costs what that one's single value does.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["differences", "mean_log_likelihood", "with_slopes"]

#: Variance of a level of which nothing is known, with the variance of the innovations as unit.
_UNKNOWN = 1e6
#: 2^50 past shocks of a process that hardly forgets.
_DOUBLINGS = 50
#: Change of a parameter in a difference quotient.
_STEP = 1e-5
#: Value of the statistic that a level series exceeds in one of twenty (Kwiatkowski et al. 1992).
_KPSS_LIMIT = 0.463
_MAX_DIFFERENCES = 2
#: Of fewer values the smoothed test tells a line from a level no more; of so few no test does.
_FEW, _TOO_FEW = 20, 5


def differences(values: NDArray[np.float64]) -> int:
    r"""Return how often values (N,) are differenced until a KPSS test takes them for level, 0 to 2.

    .. math:: \sum_i S_i^2 / (N^2 s^2), \quad S_i = \sum_{j \le i} (y_j - \bar y)

    with the variance :math:`s^2` smoothed over 4 (N / 100)^(1/4) lags, of fewer than 20 values also without smoothing
    (Kwiatkowski et al. 1992, doi:10.1016/0304-4076(92)90104-Y). Five values and fewer are differenced once.

    Examples
    --------
    >>> differences(np.arange(20.0)), differences(np.array([1.0, -1.0] * 10))
    (1, 0)
    """
    if len(values) <= _TOO_FEW:
        return 1
    for count in range(_MAX_DIFFERENCES):
        if (values == values[0]).all():
            return count
        if not _wanders(values, lags=int(4 * (len(values) / 100) ** 0.25)):
            return 1 if count == 0 and len(values) < _FEW and _wanders(values, lags=0) else count
        values = np.diff(values)
    return _MAX_DIFFERENCES


def _wanders(values: NDArray[np.float64], *, lags: int) -> bool:
    count = len(values)
    error = values - values.mean()
    long_run = error @ error / count
    for lag in range(1, lags + 1):
        long_run += 2 / count * (1 - lag / (lags + 1)) * (error[lag:] @ error[:-lag])
    return bool((np.cumsum(error) ** 2).sum() / count**2 > _KPSS_LIMIT * long_run)


@njit(cache=True, error_model="numpy")
def _stationary(free: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coefficients of a stationary process for any numbers (Monahan 1984, doi:10.1093/biomet/71.2.403)."""
    count = len(free)
    table = np.zeros((count, count))
    for k in range(count):
        partial = free[k] / np.sqrt(1.0 + free[k] ** 2)
        for i in range(k):
            table[k, i] = table[k - 1, i] + partial * table[k - 1, k - i - 1]
        table[k, k] = partial
    return -table[count - 1] if count else np.zeros(0)


@njit(cache=True, error_model="numpy")
def _carry(move: NDArray[np.float64], spread: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write move @ spread @ move.T: in loops, since calls of BLAS take longer to compile than all of this."""
    count = len(move)
    for i in range(count):
        for j in range(count):
            out[i, j] = 0.0
    for i in range(count):
        for k in range(count):
            along = 0.0
            for j in range(count):
                along += move[i, j] * spread[j, k]
            for j in range(count):
                out[i, j] += along * move[j, k]


@njit(cache=True, error_model="numpy")
def _start(
    move: NDArray[np.float64], shock: NDArray[np.float64], d: int, constant: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and covariance before the first date: of the process as it always was, of the levels unknown."""
    states = len(move)
    state, spread = np.zeros(states), np.zeros((states, states))
    left = 1.0
    for i in range(d, states):
        left -= move[i, d]
    for i in range(d, states):
        for k in range(i, states):
            state[i] += move[k, d] * constant / left
    state[d] = constant / left
    # The sum of all past shocks, by doubling how many are added up.
    power, other, rest = np.zeros((states, states)), np.zeros((states, states)), np.zeros((states, states))
    for i in range(d, states):
        for k in range(d, states):
            power[i, k], spread[i, k] = move[i, k], shock[i] * shock[k]
    for _ in range(_DOUBLINGS):
        _carry(power, spread, rest)
        largest = 0.0
        for i in range(states):
            for k in range(states):
                spread[i, k] += rest[i, k]
                other[i, k] = 0.0
                for j in range(states):
                    other[i, k] += power[i, j] * power[j, k]
                largest = max(largest, abs(other[i, k]))
        power, other = other, power
        if largest < 1e-20:
            break
    for i in range(d):
        spread[i, i] = _UNKNOWN
    return state, spread


@njit(cache=True, error_model="numpy")
def mean_log_likelihood(
    free: NDArray[np.float64], values: NDArray[np.float64], regressors: NDArray[np.float64],
    order: tuple[int, int, int], has_constant: bool,
) -> float:  # fmt: skip
    """Return the log-likelihood over the number of dates, the variance of the innovations at its best.

    Parameters
    ----------
    free : (K,) float64
        Constant of the differences (where there is one), coefficients of the regressors, then what partial
        autocorrelations of the AR and MA parts are made of; any number is allowed.
    values : (N,) float64
        NaN where nothing was observed.
    regressors : (N, C) float64
    order : (int, int, int)
        p, d, q.
    has_constant : bool
    """
    p, d, q = order
    constant, start = (free[0], 1) if has_constant else (0.0, 0)
    width = regressors.shape[1]
    ar = _stationary(free[start + width : start + width + p])
    ma = _stationary(free[start + width + p : start + width + p + q])
    states = d + max(p, q + 1)
    move, shock = np.zeros((states, states)), np.zeros(states)
    for i in range(d):
        for k in range(i, d + 1):
            move[i, k] = 1.0
    shock[d] = 1.0
    for i in range(states - d):
        if i < p:
            move[d + i, d] = ar[i]
        if d + i + 1 < states:
            move[d + i, d + i + 1] = 1.0
        if 0 < i <= q:
            shock[d + i] = -ma[i - 1]
    state, spread = _start(move, shock, d, constant)
    gain, rest = np.zeros(states), np.zeros((states, states))
    total, squares, count = 0.0, 0.0, 0
    for t in range(len(values)):
        if np.isfinite(values[t]):
            error, variance = values[t], 0.0
            for k in range(width):
                error -= regressors[t, k] * free[start + k]
            # A value is the sum of the first states: the levels of the differences, and the process itself.
            for k in range(states):
                gain[k] = 0.0
                for j in range(d + 1):
                    gain[k] += spread[k, j]
            for k in range(d + 1):
                error -= state[k]
                variance += gain[k]
            if t >= d:
                total += np.log(2 * np.pi * variance)
                squares += error * error / variance
                count += 1
            for k in range(states):
                state[k] += gain[k] * error / variance
                for j in range(states):
                    spread[k, j] -= gain[k] * gain[j] / variance
        for k in range(states):
            gain[k] = 0.0
            for j in range(states):
                gain[k] += move[k, j] * state[j]
        for k in range(states):
            state[k] = gain[k]
        state[d] += constant
        _carry(move, spread, rest)
        for k in range(states):
            for j in range(states):
                spread[k, j] = 0.5 * (rest[k, j] + rest[j, k]) + shock[k] * shock[j]
    return -0.5 * (total + count * (1.0 + np.log(squares / count))) / len(values)


@njit(cache=True, error_model="numpy")
def with_slopes(
    free: NDArray[np.float64], values: NDArray[np.float64], regressors: NDArray[np.float64],
    order: tuple[int, int, int], has_constant: bool,
) -> tuple[float, NDArray[np.float64]]:  # fmt: skip
    """Return what an optimiser makes small, the negative of :func:`mean_log_likelihood`, and its slopes (K,)."""
    here = -mean_log_likelihood(free, values, regressors, order, has_constant)
    slopes = np.empty(len(free))
    for k in range(len(free)):
        moved = free.copy()
        moved[k] += _STEP
        there = -mean_log_likelihood(moved, values, regressors, order, has_constant)
        slopes[k] = (there - here) / (moved[k] - free[k])
    return here, slopes
