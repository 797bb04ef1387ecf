"""What a forecast task and its outcome are: one series cut off at a date, the dates asked for, the quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.series import Series

__all__ = ["Outcome", "Task", "bound"]


@dataclass(frozen=True, eq=False)
class Task:
    """A series up to its cutoff, and the dates to forecast.

    Attributes
    ----------
    series : Series
        Nothing after the cutoff.
    cutoff : datetime64[D]
    dates : (D,) datetime64[D]
        After the cutoff, increasing.
    """

    series: Series
    cutoff: np.datetime64
    dates: NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a model made of a task: quantiles (D, Q) and ``ok``, or NaN and the reason."""

    values: NDArray[np.float64]
    status: str


def bound(values: NDArray[np.float64], series: Series) -> NDArray[np.float64]:
    """Return quantiles in order and, where zero means none, not below zero."""
    values = np.sort(values, axis=1)
    return np.maximum(values, 0.0) if series.is_ratio_scale else values
