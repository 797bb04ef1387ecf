"""How much of each candidate goes into the blend: what would have served other glaciers best, up to the cutoff."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["blend_weights", "own_weights", "relative_errors", "simplex"]

_STEPS = 10
#: Mixes whose penalised mean log relative error lies within this of the best one's are averaged.
_NEAR = 0.004
#: The mix that evidence has to speak against, and how strongly: equal shares are hard to beat (Smith and Wallis 2009,
#: doi:10.1111/j.1468-0084.2008.00541.x). Of the candidates only these two adapt to a record.
_EQUAL, _PULL = {"kalman": 0.5, "gbm": 0.5}, 0.05
#: Ice shelves break off rather than go on, so that their last area is what is hard to beat.
_AREA_EQUAL, _AREA_PULL = {"last": 0.5, "gbm": 0.5}, 0.15
_MIN_SERIES = 5
#: Of last, drift and kalman: what is used where nothing is known of other glaciers, and how many own targets weigh as
#: much.
_PRIOR = (0.3, 0.0, 0.7)
_PRIOR_TARGETS = 20.0
#: Standard deviation of the kernel over how sure the Kalman forecast was, in its natural logarithm.
_ALIKE = 0.5


@lru_cache(maxsize=8)
def simplex(count: int) -> NDArray[np.float64]:
    """Return all mixes of ``count`` candidates in steps of a tenth, (M, count).

    Examples
    --------
    >>> len(simplex(2))
    11
    """
    rows = [row for row in itertools.product(range(_STEPS + 1), repeat=count - 1) if sum(row) <= _STEPS]
    return np.array([(*row, _STEPS - sum(row)) for row in rows], dtype=float) / _STEPS


def relative_errors(
    candidates: NDArray[np.float64], target: NDArray[np.float64], series: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return log relative errors of every mix for every series, (S, M): MAE over that of no change.

    Parameters
    ----------
    candidates : (R, C)
        Forecast changes.
    target : (R,)
        Observed changes.
    series : (R,) int
        Increasing.
    """
    starts = np.flatnonzero(np.append(True, series[1:] != series[:-1]))
    mixes = simplex(candidates.shape[1]).astype(np.float32)
    error = np.abs(target[:, None].astype(np.float32) - candidates.astype(np.float32) @ mixes.T)
    totals = np.add.reduceat(error, starts, axis=0).astype(float)
    naive = np.add.reduceat(np.abs(target), starts)[:, None]
    moved = naive[:, 0] > 0
    ratio: NDArray[np.float64] = np.log(np.clip(totals[moved] / naive[moved], 1e-2, 1e2))
    return ratio


def blend_weights(
    names: Sequence[str], candidates: NDArray[np.float64], target: NDArray[np.float64], series: NDArray[np.int64], *,
    is_area: bool = False,
) -> NDArray[np.float64] | None:  # fmt: skip
    """Return the mix with the least geometric mean relative error over other glaciers, (C,).

    It is drawn slightly towards equal shares of ``kalman`` and ``gbm``, for areas more so towards those of ``last``
    and ``gbm``; mixes nearly as good are averaged with it. None where fewer than five series tell.

    Parameters
    ----------
    names : sequence of str
        Of the candidates.
    candidates, target, series
        As in :func:`relative_errors`.
    is_area : bool
    """
    if len(target) == 0:
        return None
    errors = relative_errors(candidates, target, series)
    if len(errors) < _MIN_SERIES:
        return None
    mixes = simplex(candidates.shape[1])
    shares, pull = (_AREA_EQUAL, _AREA_PULL) if is_area else (_EQUAL, _PULL)
    equal = np.array([shares.get(name, 0.0) for name in names])
    loss = errors.mean(axis=0) + pull * np.sum((mixes - equal / equal.sum()) ** 2, axis=1)
    weights: NDArray[np.float64] = mixes[loss <= loss.min() + _NEAR].mean(axis=0)
    return weights


def own_weights(
    candidates: NDArray[np.float64], target: NDArray[np.float64], narrowed: NDArray[np.float64],
    asked: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Return the mixes of last, drift and kalman that served the glacier itself at its earlier origins, (D, 3).

    Of the earlier origins those count whose Kalman forecast was as sure beside a random walk as it is now: before a
    cycle has come twice it is not known, and how the parts erred then does not tell how they err after it. Each mix
    is the one with the least weighted mean absolute error, drawn towards a fixed one.

    Parameters
    ----------
    candidates : (R, 3) float64
        Forecast changes at earlier origins, by last, drift and kalman.
    target : (R,) float64
        Observed changes.
    narrowed, asked : (R,), (D,) float64
        Natural logarithm of the spread of the Kalman forecast over that of a random walk, there and of what is asked.
    """
    mixes, prior = simplex(len(_PRIOR)), np.array(_PRIOR)
    if len(target) == 0 or not np.abs(target).any():
        return np.tile(prior, (len(asked), 1))
    penalty = _PRIOR_TARGETS / len(target) * np.sum((mixes - prior) ** 2, axis=1)
    distance = ((asked[:, None] - narrowed[None]) / _ALIKE) ** 2
    # The nearest counts fully: where none is near, they are told apart all the same.
    alike = np.exp(-0.5 * (distance - distance.min(axis=1, keepdims=True)))
    naive = (alike @ np.abs(target))[:, None]
    error = alike @ np.abs(target[:, None] - candidates @ mixes.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(naive > 0, error / naive, 0.0)
    best: NDArray[np.float64] = mixes[np.argmin(relative + penalty, axis=1)]
    return best
