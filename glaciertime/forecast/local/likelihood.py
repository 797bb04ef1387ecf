"""The most likely parameters of the exact-date model, with nothing assumed of level and rate; compiled.

The likelihood is that of all observations but the first two, given these, under flat priors on level and mean rate:
the diffuse likelihood of state-space packages. On even dates and without decay of the rate, the model holds the
discrete local linear trend with level variance *a* and slope variance *b* as the one with ``level = a + b / 6`` and
``rate = b``, so that its maximum is no lower.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from glaciertime.forecast.local.filter import N_PARAMETERS, filter_one

__all__ = ["diffuse_likelihood", "most_likely"]

_FLAT = 1e7
_LOG_2PI = math.log(2 * math.pi)
_TAU_MAX = 13.8
_RATIO_MAX = 18.0


@njit(cache=True, error_model="numpy")
def diffuse_likelihood(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    row: NDArray[np.float64],
    harmonics: int,
    free_scale: bool,
) -> tuple[float, float]:
    """Return the log-likelihood given the first two of at least three values, and the scale of the variances.

    Parameters
    ----------
    years, values, noise, shift, row, harmonics
        As in :func:`glaciertime.forecast.local.filter.filter_one`; the prior of the mean rate is not used.
    free_scale : bool
        Whether all variances may be multiplied by the factor that makes them most likely; it is the scale returned,
        1 otherwise.
    """
    size = 3 + 2 * harmonics
    mean, cov, nothing = np.empty(size), np.empty((size, size)), np.empty(0)
    flat = row.copy()
    gap = years[1] - years[0]
    flat[5] = _FLAT / (gap * gap)
    all_log, all_square, all_count = filter_one(years, values, noise, shift, flat, harmonics, mean, cov, nothing)
    two_log, two_square, two_count = filter_one(
        years[:2], values[:2], noise[:2], shift[:2], flat, harmonics, mean, cov, nothing
    )
    logs, square, count = all_log - two_log, all_square - two_square, all_count - two_count
    scale = max(square / count, 1e-12) if free_scale else 1.0
    return -0.5 * (logs + count * (_LOG_2PI + math.log(scale)) + square / scale), scale


@njit(cache=True, error_model="numpy")
def _row_of(x: NDArray[np.float64], gap: float, base: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return parameters from logs of level and rate over noise, the memory of the rate, and the whole variance."""
    row = base.copy()
    level = math.exp(min(max(x[0], -_RATIO_MAX), _RATIO_MAX))
    rate = math.exp(min(max(x[1], -_RATIO_MAX), _RATIO_MAX))
    total = math.exp(min(max(x[3], -40.0), 40.0)) / (1.0 + level + rate)
    row[0], row[1], row[2] = total, total * level / gap, total * rate / gap**3
    row[3] = gap * math.exp(min(max(x[2], -3.0), _TAU_MAX))
    return row


@njit(cache=True, error_model="numpy")
def _climb(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    base: NDArray[np.float64],
    harmonics: int,
    gap: float,
    free_scale: bool,
    start: NDArray[np.float64],
    axes: NDArray[np.int64],
) -> tuple[NDArray[np.float64], float]:
    """Return the place (4,) and value of the maximum that Nelder and Mead's simplex finds along some axes."""
    size = len(axes)
    points = np.empty((size + 1, 4))
    worth = np.empty(size + 1)
    for i in range(size + 1):
        points[i] = start
        if i > 0:
            points[i, axes[i - 1]] += 0.8
        worth[i] = -diffuse_likelihood(
            years, values, noise, shift, _row_of(points[i], gap, base), harmonics, free_scale
        )[0]
    for _ in range(60 * size):
        order = np.argsort(worth)
        points, worth = points[order], worth[order]
        if worth[size] - worth[0] < 1e-5:
            break
        centre = np.zeros(4)
        for i in range(size):
            centre += points[i] / size
        move = centre - points[size]
        tried = centre + move
        value = -diffuse_likelihood(years, values, noise, shift, _row_of(tried, gap, base), harmonics, free_scale)[0]
        if value < worth[0]:
            far = centre + 2.0 * move
            beyond = -diffuse_likelihood(years, values, noise, shift, _row_of(far, gap, base), harmonics, free_scale)[0]
            if beyond < value:
                tried, value = far, beyond
        elif value >= worth[size - 1]:
            near = centre + (0.5 if value < worth[size] else -0.5) * move
            inner = -diffuse_likelihood(years, values, noise, shift, _row_of(near, gap, base), harmonics, free_scale)[0]
            if inner < min(value, worth[size]):
                tried, value = near, inner
            else:
                for i in range(1, size + 1):
                    points[i] = points[0] + 0.5 * (points[i] - points[0])
                    worth[i] = -diffuse_likelihood(
                        years, values, noise, shift, _row_of(points[i], gap, base), harmonics, free_scale
                    )[0]
                continue
        points[size], worth[size] = tried, value
    best = int(np.argmin(worth))
    return points[best], -worth[best]


def most_likely(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    noise: NDArray[np.float64],
    shift: NDArray[np.float64],
    rows: NDArray[np.float64],
    likelihood: NDArray[np.float64],
    *,
    harmonics: int,
    free_scale: bool,
) -> tuple[NDArray[np.float64], float]:
    """Return the most likely parameters (7,) and their log-likelihood, searched from the best rows of a grid.

    Parameters
    ----------
    years, values, noise, shift : (N,)
        At least four observations.
    rows, likelihood : (K, 7), (K,)
        Where to start: the best row, and the best of those whose rate does not decay.
    harmonics : int
    free_scale : bool
        As in :func:`diffuse_likelihood`.
    """
    gap = float(np.median(np.diff(years)))
    lasting = np.flatnonzero(rows[:, 3] >= 1e5 * gap)
    starts = [(lasting[int(np.argmax(likelihood[lasting]))], (0, 1)), (int(np.argmax(likelihood)), (0, 1, 2))]
    best_row, best = np.empty(N_PARAMETERS), -np.inf
    for index, axes in starts:
        row = rows[index]
        parts = np.array([row[0], row[1] * gap, row[2] * gap**3])
        start = np.array([*np.log(parts[1:] / parts[0]), np.log(row[3] / gap), np.log(parts.sum())])
        free = axes if free_scale else (*axes, 3)
        place, value = _climb(years, values, noise, shift, row, harmonics, gap, free_scale, start, np.array(free))
        if value > best:
            found = _row_of(place, gap, row)
            scale = diffuse_likelihood(years, values, noise, shift, found, harmonics, free_scale)[1]
            found[:3] *= scale
            best_row, best = found, value
    return best_row, best
