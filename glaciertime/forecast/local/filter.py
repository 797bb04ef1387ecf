"""A Kalman filter at exact dates for a level with a damped rate, a mean rate and an annual cycle; compiled.

State: level, departure of the rate from its mean, mean rate, then a cosine and a sine coefficient per harmonic of
the year. Between dates the level is a Brownian motion driven by the rate, and the departure of the rate is an
Ornstein-Uhlenbeck process, both integrated exactly: a gap split in two changes nothing.

Parameters of a model, as one row: ``obs`` (variance of an observation besides its own sigma squared), ``level``
(variance per year of the level), ``rate`` (variance per year of the rate), ``tau`` (years in which a departure of
the rate decays by e), ``cycle`` (variance per year of the cycle's coefficients), ``mean_rate`` and ``cycle_0``
(prior variances of the mean rate and of each coefficient of the cycle). With a ``mean_rate`` of 0 there is none, and
the rate reverts to zero.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "N_PARAMETERS",
    "added_over",
    "decay_over",
    "fill_design",
    "filter_one",
    "innovations",
    "predict_state",
    "rate_variance",
    "transition",
]

N_PARAMETERS = 7
_LOG_2PI = math.log(2 * math.pi)
_TWO_PI = 2 * math.pi


@njit(cache=True, error_model="numpy")
def decay_over(dt: float, tau: float) -> tuple[float, float, float, float, float, bool]:
    """Return what a time does to a rate of some memory: its decay, its effect on the level, three factors of what is
    added to the variances, and whether these are those of a short time."""
    x = dt / tau
    if x < 0.02:
        # Series in x, exact in the limit of a rate that never decays.
        return (math.exp(-x), dt * (1 - x / 2 + x * x / 6), 1 / 3 - x / 4 + 7 * x * x / 60,
                0.5 - x / 2 + 7 * x * x / 24, 1 - x + 2 * x * x / 3, True)  # fmt: skip
    a = math.exp(-x)
    return a, tau * (1 - a), dt - 2 * tau * (1 - a) + tau / 2 * (1 - a * a), (1 - a) ** 2, 1 - a * a, False


@njit(cache=True, error_model="numpy")
def added_over(
    dt: float, level: float, rate: float, tau: float, of_level: float, of_both: float, of_rate: float, is_short: bool
) -> tuple[float, float, float]:
    """Return the variances LL, Lr, rr that a time adds, with the factors of :func:`decay_over`."""
    if is_short:
        return level * dt + rate * dt**3 * of_level, rate * dt**2 * of_both, rate * dt * of_rate
    return level * dt + rate * tau * tau * of_level, rate * tau * tau / 2 * of_both, rate * tau / 2 * of_rate


@njit(cache=True, error_model="numpy")
def transition(dt: float, level: float, rate: float, tau: float, out: NDArray[np.float64]) -> None:
    """Fill out with: decay of the rate, its effect on the level, and the variances LL, Lr, rr added over dt."""
    out[0], out[1], of_level, of_both, of_rate, is_short = decay_over(dt, tau)
    out[2], out[3], out[4] = added_over(dt, level, rate, tau, of_level, of_both, of_rate, is_short)


@njit(cache=True, error_model="numpy")
def predict_state(
    mean: NDArray[np.float64], cov: NDArray[np.float64], dt: float, step: NDArray[np.float64], cycle: float
) -> None:
    """Move mean (S,) and covariance (S, S) ahead by dt in place."""
    size = len(mean)
    decay, reach = step[0], step[1]
    mean[0] += reach * mean[1] + dt * mean[2]
    mean[1] *= decay
    for j in range(size):
        cov[0, j] += reach * cov[1, j] + dt * cov[2, j]
        cov[1, j] *= decay
    for i in range(size):
        cov[i, 0] += reach * cov[i, 1] + dt * cov[i, 2]
        cov[i, 1] *= decay
    cov[0, 0] += step[2]
    cov[0, 1] += step[3]
    cov[1, 0] += step[3]
    cov[1, 1] += step[4]
    for j in range(3, size):
        cov[j, j] += cycle * dt


@njit(cache=True, error_model="numpy")
def rate_variance(rate: float, tau: float, mean_rate_variance: float) -> float:
    """Return how uncertain the departure of the rate is at first."""
    # A rate that reverts to zero has no mean; else what of it departs from the mean cannot be much wider.
    return min(rate * tau / 2, 4 * mean_rate_variance) if mean_rate_variance > 0 else rate * tau / 2


@njit(cache=True, error_model="numpy")
def fill_design(design: NDArray[np.float64], year: float) -> None:
    design[0], design[1], design[2] = 1.0, 0.0, 0.0
    for k in range((len(design) - 3) // 2):
        phase = _TWO_PI * (k + 1) * year
        design[3 + 2 * k] = math.cos(phase)
        design[4 + 2 * k] = math.sin(phase)


@njit(cache=True, error_model="numpy")
def _filter_three(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    parameters: NDArray[np.float64],
    mean: NDArray[np.float64],
    cov: NDArray[np.float64],
    scaled: NDArray[np.float64],
) -> tuple[float, float, int]:
    """The loop of :func:`filter_one` without a cycle, written out: it is where a fit spends its time."""
    obs, level, rate, tau = parameters[0], parameters[1], parameters[2], parameters[3]
    step = np.empty(5)
    m0, m1, m2 = mean[0], mean[1], mean[2]
    p00, p01, p02, p11, p12, p22 = cov[0, 0], cov[0, 1], cov[0, 2], cov[1, 1], cov[1, 2], cov[2, 2]
    # A product of variances needs one logarithm at the end, or whenever it grows out of range.
    product, sum_log, sum_square, last_dt = 1.0, 0.0, 0.0, -1.0
    for t in range(1, len(years)):
        dt = years[t] - years[t - 1]
        if dt != last_dt:
            transition(dt, level, rate, tau, step)
            last_dt = dt
        decay, reach = step[0], step[1]
        m0 += reach * m1 + dt * m2
        m1 *= decay
        c0 = p00 + reach * p01 + dt * p02
        c1 = p01 + reach * p11 + dt * p12
        c2 = p02 + reach * p12 + dt * p22
        p00 = c0 + reach * c1 + dt * c2 + step[2] + shift[t]
        p01 = decay * c1 + step[3]
        p02 = c2
        p11 = decay * decay * p11 + step[4]
        p12 = decay * p12
        innovation = values[t] - m0
        variance = max(p00 + obs + noise[t], 1e-14)
        product *= variance
        if product > 1e200 or product < 1e-200:
            sum_log += math.log(product)
            product = 1.0
        inverse = 1.0 / variance
        sum_square += innovation * innovation * inverse
        if len(scaled):
            scaled[t] = innovation * math.sqrt(inverse)
        g0, g1, g2 = p00 * inverse, p01 * inverse, p02 * inverse
        m0 += g0 * innovation
        m1 += g1 * innovation
        m2 += g2 * innovation
        p22 -= g2 * p02
        p12 -= g1 * p02
        p11 -= g1 * p01
        p02 -= g0 * p02
        p01 -= g0 * p01
        p00 -= g0 * p00
    mean[0], mean[1], mean[2] = m0, m1, m2
    cov[0, 0], cov[0, 1], cov[0, 2] = p00, p01, p02
    cov[1, 0], cov[1, 1], cov[1, 2] = p01, p11, p12
    cov[2, 0], cov[2, 1], cov[2, 2] = p02, p12, p22
    return sum_log + math.log(product), sum_square, len(years) - 1


@njit(cache=True, error_model="numpy")
def filter_one(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    parameters: NDArray[np.float64],
    harmonics: int,
    mean: NDArray[np.float64],
    cov: NDArray[np.float64],
    scaled: NDArray[np.float64],
) -> tuple[float, float, int]:
    """Filter one series with one row of parameters; the first value starts the level.

    Parameters
    ----------
    years, values : (N,)
    noise : (N,)
        Known variance of each observation.
    shift : (N,)
        Variance added to the level before each observation: a change point.
    parameters : (7,)
    harmonics : int
    mean, cov : (S,), (S, S)
        Overwritten with the state after the last observation.
    scaled : (N,) or (0,)
        Overwritten, if not empty, with the innovations over their standard deviations.

    Returns
    -------
    sum_log_variance, sum_square, count : float, float, int
        Sums over the observations after the first of the log of the innovation's variance and of its square over
        its variance; the log-likelihood given the first observation is minus half of their sum and of
        ``count log(2 pi)``.
    """
    size = 3 + 2 * harmonics
    obs, level, rate, tau, cycle = parameters[0], parameters[1], parameters[2], parameters[3], parameters[4]
    mean_rate_variance, cycle_variance = parameters[5], parameters[6]
    step = np.empty(5)
    design = np.empty(size)
    gain = np.empty(size)
    for i in range(size):
        mean[i] = 0.0
        for j in range(size):
            cov[i, j] = 0.0
    first = obs + noise[0]
    mean[0] = values[0]
    fill_design(design, years[0])
    # Given the first value with a flat prior on the level: level = value - cycle - error.
    cov[0, 0] = first
    for j in range(3, size):
        cov[j, j] = cycle_variance
        cov[0, 0] += design[j] ** 2 * cycle_variance
        cov[0, j] = -design[j] * cycle_variance
        cov[j, 0] = cov[0, j]
    cov[1, 1] = rate_variance(rate, tau, mean_rate_variance)
    cov[2, 2] = mean_rate_variance
    if harmonics == 0:
        return _filter_three(years, values, noise, shift, parameters, mean, cov, scaled)
    sum_log, sum_square, count = 0.0, 0.0, 0
    last_dt = -1.0
    for t in range(1, len(years)):
        dt = years[t] - years[t - 1]
        if dt != last_dt:
            transition(dt, level, rate, tau, step)
            last_dt = dt
        predict_state(mean, cov, dt, step, cycle)
        cov[0, 0] += shift[t]
        fill_design(design, years[t])
        innovation = values[t]
        for i in range(size):
            innovation -= design[i] * mean[i]
            total = 0.0
            for j in range(size):
                total += cov[i, j] * design[j]
            gain[i] = total
        variance = obs + noise[t]
        for i in range(size):
            variance += design[i] * gain[i]
        variance = max(variance, 1e-14)
        sum_log += math.log(variance)
        sum_square += innovation * innovation / variance
        count += 1
        if len(scaled):
            scaled[t] = innovation / math.sqrt(variance)
        for i in range(size):
            mean[i] += gain[i] * innovation / variance
        for i in range(size):
            for j in range(i, size):
                cov[i, j] -= gain[i] * gain[j] / variance
                cov[j, i] = cov[i, j]
    return sum_log, sum_square, count


@njit(cache=True, error_model="numpy")
def innovations(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    parameters: NDArray[np.float64],
    harmonics: int,
) -> NDArray[np.float64]:
    """Return the innovations over their standard deviations, (N,), zero for the first."""
    size = 3 + 2 * harmonics
    scaled = np.zeros(len(years))
    filter_one(years, values, noise, shift, parameters, harmonics, np.empty(size), np.empty((size, size)), scaled)
    return scaled
