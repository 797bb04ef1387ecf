"""The models of a grid on one series: what the filter sums up under each, and what their mixture forecasts; compiled.

Rows of parameters are those of :mod:`glaciertime.forecast.local.filter`. Without a cycle many rows are filtered side by
side, each exactly as :func:`~glaciertime.forecast.local.filter.filter_one` does it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from glaciertime.forecast.local.filter import (
    added_over,
    decay_over,
    fill_design,
    filter_one,
    predict_state,
    rate_variance,
    transition,
)

__all__ = ["filter_grid", "filter_without", "forecast_moments", "mixture_quantiles"]

#: So many rows are filtered side by side.
_LANES = 32


@njit(cache=True, error_model="numpy")
def _filter_lanes(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    lanes: NDArray[np.float64],
    tau: float,
) -> None:
    """The loop of :func:`_filter_three` for many rows of one memory, side by side: the processor does some at once.

    ``lanes`` holds their state, one quantity after the other, each of ``_LANES`` rows: mean (3), covariance (6), what a
    step adds (3), variances of observation, level and rate, product of the variances, and the two sums. It is one array
    with distances known beforehand, or the compiler could not know that the rows are independent.
    """
    decay, reach, last_dt = 0.0, 0.0, -1.0
    for t in range(1, len(years)):
        dt = years[t] - years[t - 1]
        if dt != last_dt:
            decay, reach, of_level, of_both, of_rate, is_short = decay_over(dt, tau)
            for k in range(_LANES):
                lanes[9 * _LANES + k], lanes[10 * _LANES + k], lanes[11 * _LANES + k] = added_over(
                    dt, lanes[13 * _LANES + k], lanes[14 * _LANES + k], tau, of_level, of_both, of_rate, is_short
                )
            last_dt = dt
        value, known, jump = values[t], noise[t], shift[t]
        out_of_range = 0
        for k in range(_LANES):
            m1, m2 = lanes[_LANES + k], lanes[2 * _LANES + k]
            p01, p02 = lanes[4 * _LANES + k], lanes[5 * _LANES + k]
            p11, p12, p22 = lanes[6 * _LANES + k], lanes[7 * _LANES + k], lanes[8 * _LANES + k]
            m0 = lanes[k] + (reach * m1 + dt * m2)
            m1 = m1 * decay
            c0 = lanes[3 * _LANES + k] + reach * p01 + dt * p02
            c1 = p01 + reach * p11 + dt * p12
            c2 = p02 + reach * p12 + dt * p22
            p00 = c0 + reach * c1 + dt * c2 + lanes[9 * _LANES + k] + jump
            p01 = decay * c1 + lanes[10 * _LANES + k]
            p02 = c2
            p11 = decay * decay * p11 + lanes[11 * _LANES + k]
            p12 = decay * p12
            innovation = value - m0
            variance = p00 + lanes[12 * _LANES + k] + known
            variance = 1e-14 if variance < 1e-14 else variance
            product = lanes[15 * _LANES + k] * variance
            lanes[15 * _LANES + k] = product
            out_of_range += int(product > 1e200) + int(product < 1e-200)
            inverse = 1.0 / variance
            lanes[17 * _LANES + k] += innovation * innovation * inverse
            g0, g1, g2 = p00 * inverse, p01 * inverse, p02 * inverse
            lanes[k] = m0 + g0 * innovation
            lanes[_LANES + k] = m1 + g1 * innovation
            lanes[2 * _LANES + k] = m2 + g2 * innovation
            lanes[8 * _LANES + k] = p22 - g2 * p02
            lanes[7 * _LANES + k] = p12 - g1 * p02
            lanes[6 * _LANES + k] = p11 - g1 * p01
            lanes[5 * _LANES + k] = p02 - g0 * p02
            lanes[4 * _LANES + k] = p01 - g0 * p01
            lanes[3 * _LANES + k] = p00 - g0 * p00
        if out_of_range:
            for k in range(_LANES):
                product = lanes[15 * _LANES + k]
                if product > 1e200 or product < 1e-200:
                    lanes[16 * _LANES + k] += math.log(product)
                    lanes[15 * _LANES + k] = 1.0


@njit(cache=True, error_model="numpy")
def _filter_rows(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    grid: NDArray[np.float64],
    sums: NDArray[np.float64],
    states: NDArray[np.float64],
) -> None:
    """Fill the sums (K, 3) and, where it has rows, the states (K, 9) of all rows of a grid without a cycle."""
    order = np.argsort(grid[:, 3], kind="mergesort")
    lanes = np.empty(18 * _LANES)
    start = 0
    while start < len(order):
        tau = grid[order[start], 3]
        end = start
        while end < len(order) and end < start + _LANES and grid[order[end], 3] == tau:
            end += 1
        lanes[:] = 0.0
        for k in range(_LANES):
            # Where rows are fewer than lanes, the last one fills the rest.
            row = grid[order[min(start + k, end - 1)]]
            obs, level, rate, mean_rate = row[0], row[1], row[2], row[5]
            lanes[k] = values[0]
            lanes[3 * _LANES + k] = obs + noise[0]
            lanes[6 * _LANES + k] = rate_variance(rate, tau, mean_rate)
            lanes[8 * _LANES + k] = mean_rate
            lanes[12 * _LANES + k], lanes[13 * _LANES + k], lanes[14 * _LANES + k] = obs, level, rate
            lanes[15 * _LANES + k] = 1.0
        _filter_lanes(years, values, noise, shift, lanes, tau)
        for k in range(end - start):
            place = order[start + k]
            sums[place, 0] = lanes[16 * _LANES + k] + math.log(lanes[15 * _LANES + k])
            sums[place, 1] = lanes[17 * _LANES + k]
            sums[place, 2] = len(years) - 1
            if len(states):
                for i in range(9):
                    states[place, i] = lanes[i * _LANES + k]
        start = end


@njit(cache=True, error_model="numpy")
def filter_grid(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    grid: NDArray[np.float64],
    harmonics: int,
) -> NDArray[np.float64]:
    """Return, per row of parameters (K, 7), the two sums of :func:`filter_one` and the count, (K, 3)."""
    size = 3 + 2 * harmonics
    out = np.empty((len(grid), 3))
    if harmonics == 0 and len(grid) >= _LANES:
        _filter_rows(years, values, noise, shift, grid, out, np.empty((0, 9)))
        return out
    mean, cov = np.empty(size), np.empty((size, size))
    nothing = np.empty(0)
    for k in range(len(grid)):
        a, b, n = filter_one(years, values, noise, shift, grid[k], harmonics, mean, cov, nothing)
        out[k, 0], out[k, 1], out[k, 2] = a, b, n
    return out


@njit(cache=True, error_model="numpy")
def _take_state(state: NDArray[np.float64], mean: NDArray[np.float64], cov: NDArray[np.float64]) -> None:
    """Fill a mean and a covariance with a state of :func:`_filter_rows`."""
    mean[0], mean[1], mean[2] = state[0], state[1], state[2]
    cov[0, 0], cov[0, 1], cov[0, 2] = state[3], state[4], state[5]
    cov[1, 0], cov[1, 1], cov[1, 2] = state[4], state[6], state[7]
    cov[2, 0], cov[2, 1], cov[2, 2] = state[5], state[7], state[8]


@njit(cache=True, error_model="numpy")
def filter_without(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    grid: NDArray[np.float64],
    harmonics: int,
    places: NDArray[np.int64],
    is_break: NDArray[np.bool_],
    wide: float,
) -> NDArray[np.float64]:
    """Return what :func:`filter_grid` does without one event each, (E, K, 3).

    Parameters
    ----------
    places, is_break : (E,)
        An observation, and whether the level jumped before it or it is set aside itself.
    wide : float
        The variance that does either.
    """
    out = np.empty((len(places), len(grid), 3))
    for e in range(len(places)):
        changed = shift if is_break[e] else noise
        held = changed[places[e]]
        changed[places[e]] = held + wide
        out[e] = filter_grid(years, values, noise, shift, grid, harmonics)
        changed[places[e]] = held
    return out


@njit(cache=True, error_model="numpy")
def forecast_moments(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    grid: NDArray[np.float64],
    harmonics: int,
    ahead: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of an observation (K, D) at increasing years (D,) after the last."""
    size = 3 + 2 * harmonics
    mean, cov = np.empty(size), np.empty((size, size))
    design, step = np.empty(size), np.empty(5)
    nothing = np.empty(0)
    means, variances = np.empty((len(grid), len(ahead))), np.empty((len(grid), len(ahead)))
    is_beside = harmonics == 0 and len(grid) >= _LANES
    states = np.empty((len(grid) if is_beside else 0, 9))
    if is_beside:
        _filter_rows(years, values, noise, shift, grid, np.empty((len(grid), 3)), states)
    for k in range(len(grid)):
        if is_beside:
            _take_state(states[k], mean, cov)
        else:
            filter_one(years, values, noise, shift, grid[k], harmonics, mean, cov, nothing)
        now = years[-1]
        for d in range(len(ahead)):
            transition(ahead[d] - now, grid[k, 1], grid[k, 2], grid[k, 3], step)
            predict_state(mean, cov, ahead[d] - now, step, grid[k, 4])
            now = ahead[d]
            fill_design(design, now)
            centre, variance = 0.0, grid[k, 0]
            for i in range(size):
                centre += design[i] * mean[i]
                for j in range(size):
                    variance += design[i] * cov[i, j] * design[j]
            means[k, d], variances[k, d] = centre, variance
    return means, variances


@njit(cache=True, error_model="numpy")
def mixture_quantiles(
    means: NDArray[np.float64],
    sds: NDArray[np.float64],
    weights: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    normal: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return quantiles (D, Q) of mixtures of K normal distributions with means and sds (K, D), weights (K,).

    Newton's method from the normal quantiles (Q,), kept inside a shrinking bracket.
    """
    out = np.empty((means.shape[1], len(quantiles)))
    for d in range(means.shape[1]):
        centre, square = 0.0, 0.0
        for k in range(len(weights)):
            centre += weights[k] * means[k, d]
        for k in range(len(weights)):
            square += weights[k] * (sds[k, d] ** 2 + (means[k, d] - centre) ** 2)
        spread = math.sqrt(square)
        if spread <= 1e-12:
            for j in range(len(quantiles)):
                out[d, j] = centre
            continue
        for j in range(len(quantiles)):
            x = centre + spread * normal[j]
            low, high = centre - 40 * spread, centre + 40 * spread
            for _ in range(60):
                cdf, density = 0.0, 0.0
                for k in range(len(weights)):
                    sd = max(sds[k, d], 1e-12)
                    z = (x - means[k, d]) / sd
                    cdf += weights[k] * 0.5 * math.erfc(-z * 0.7071067811865476)
                    density += weights[k] * math.exp(-0.5 * z * z) / (sd * 2.5066282746310002)
                error = cdf - quantiles[j]
                if error > 0:
                    high = x
                else:
                    low = x
                if abs(error) < 1e-8:
                    break
                move = x - error / density if density > 0 else low - 1.0
                x = move if low < move < high else 0.5 * (low + high)
            out[d, j] = x
    return out
