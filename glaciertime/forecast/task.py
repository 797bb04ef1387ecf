"""What a forecast task and its outcome are: one series cut off at a date, the dates asked for, the quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.series import Series
from glaciertime.tables import ALONG_A_LINE
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["MIN_MIXED", "Outcome", "Task", "bound"]

#: Of fewer values no mix of models can be told: ``auto`` is the last one.
MIN_MIXED = 4
#: Below this share of the last value a forecast is drawn away from zero.
_NEAR = 0.3
#: The share of the upper half at which a quantity that goes on as ever is reached: the quantile 0.95.
_AT_LEAST = 0.9


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


def bound(values: NDArray[np.float64], task: Task, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return quantiles (D, Q) in order, and none beyond what physics lets a quantity come to.

    An area, a length, a width or a volume is not negative; a front does not retreat beyond the inland end of the line
    it is measured along. Above 0.3 of the last value *L* nothing is changed. What a model forecasts below approaches
    zero without reaching it, smoothly,

    .. math:: q' = c \exp(q / c - 1), \quad c = 0.3 L

    and, as the median comes near zero, the upper quantiles are at least those of a quantity that goes on losing the
    share a year that it lost over its whole record: that it is gone by then is not sure.

    Parameters
    ----------
    values : (D, Q) float64
    task : Task
        Whose series is that of the present regime.
    quantiles : (Q,) float64
        In (0, 1), increasing.
    """
    values = np.sort(values, axis=1)
    series = task.series
    if not _has_floor(series):
        return values
    last = float(series.values[-1])
    near = _NEAR * last
    if near <= 0:
        return np.maximum(values, 0.0)
    out = np.where(values < near, near * np.exp(np.minimum(values / near - 1, 0.0)), values)
    middle = out[:, int(np.argmin(np.abs(quantiles - 0.5)))]
    positive = series.values > 0
    first = int(np.argmax(positive))
    years = series.years
    span = years[-1] - years[first]
    share = np.log(last / series.values[first]) / span if span > 0 else 0.0
    ahead = (task.dates - series.dates[-1]) / np.timedelta64(1, "D") / DAYS_PER_YEAR
    left = last * np.exp(min(share, 0.0) * ahead)
    weight = np.clip((near - middle) / near, 0.0, 1.0)
    least = middle + weight * np.maximum(left - middle, 0.0) * np.ones_like(middle)
    upward = np.maximum(2 * quantiles - 1, 0.0) / _AT_LEAST
    reached = middle[:, None] + (least - middle)[:, None] * upward[None, :]
    return np.where(quantiles[None, :] > 0.5, np.maximum(out, reached), out)


def _has_floor(series: Series) -> bool:
    along = series.variable == "front_position_m" and series.method in ALONG_A_LINE
    return series.is_ratio_scale or (along and bool((series.values >= 0).all()))
