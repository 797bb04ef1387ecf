"""How large the changes of a record typically are: with its trend, and about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Steps", "typical_steps"]

#: The median absolute normal value.
_MEDIAN_NORMAL = 0.6745
#: A typical step is at least so much of the root mean square: records that mostly stand still do not get none.
_OF_MEAN_SQUARE = 0.2
#: What varies about an exact line is taken as at least so much of its steps.
_OF_LINE = 1e-3


@dataclass(frozen=True)
class Steps:
    """Typical changes over the median gap of a record.

    Attributes
    ----------
    gap : float
        Median gap, years.
    rate : float
        Median rate, weighted by time, per year.
    whole : float
        Typical step, trend and all, in the unit of the values; 0 where nothing ever changed.
    about_trend : float
        Typical step less the change at the median rate.
    """

    gap: float
    rate: float
    whole: float
    about_trend: float


def typical_steps(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    apart: tuple[int, ...] = (),
    breaks: tuple[int, ...] = (),
) -> Steps:
    """Return the typical steps of a record.

    Parameters
    ----------
    years, values : (N,) float64
        At least three.
    apart : tuple of int
        Observations that are left out.
    breaks : tuple of int
        Observations that a jump leads to, which is no step.

    Examples
    --------
    >>> found = typical_steps(np.arange(6.0), np.array([0.0, -9.0, -21.0, -30.0, -39.0, -51.0]))
    >>> found.rate, round(found.about_trend, 1)
    (-9.0, 2.2)
    """
    kept = np.setdiff1d(np.arange(len(years)), apart)
    start, end = kept[:-1], kept[1:]
    if len(breaks) < len(end) - 1:
        jumped = np.zeros(len(end), dtype=bool)
        for index in breaks:
            jumped |= (start < index) & (index <= end)
        start, end = start[~jumped], end[~jumped]
    steps, gaps = values[end] - values[start], years[end] - years[start]
    gap = float(np.median(np.diff(years)))
    rate = _weighted_median(steps / gaps, gaps)
    whole = _typical(steps / np.sqrt(gaps), spent=0) * np.sqrt(gap)
    about = _typical((steps - rate * gaps) / np.sqrt(gaps), spent=1) * np.sqrt(gap)
    return Steps(gap, rate, float(whole), float(max(about, _OF_LINE * whole)))


def _typical(changes: NDArray[np.float64], *, spent: int) -> float:
    """Return a robust standard deviation of changes, of which ``spent`` went into their middle."""
    size = np.sort(np.abs(changes))
    left = max(len(size) - spent, 1)
    # The rate is that of one of the steps, whose rest is zero.
    robust = float(np.median(size[-left:])) / _MEDIAN_NORMAL
    return max(robust, _OF_MEAN_SQUARE * float(np.sqrt(np.sum(size**2) / left)))


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    return float(values[order][int(np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum()))])
