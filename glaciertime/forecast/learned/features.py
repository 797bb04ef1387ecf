"""Scale-free features of a record up to an origin, and of what the other glaciers did up to the same date."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from glaciertime.forecast.learned.bank import Bank

__all__ = ["COMMON", "FEATURES", "TARGET_FEATURES", "common_signal", "design_matrix", "origin_features"]

_WINDOWS_YEARS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)

#: Of one record; rates and steps in units of a typical step, per year where they are rates.
FEATURES = (
    *(f"rate over {years:g} years" for years in _WINDOWS_YEARS),
    "rate over the record", "last step", "step before", "values", "record years", "last gap years",
    "mean step of the last five", "mean step", "correlation of successive steps", "observation noise",
    "memory of the rate", "noise of the rate", "largest step", "height above the mean", "height above the minimum",
    "depth below the maximum", "share of steps without change",
)  # fmt: skip
#: Of the other glaciers: medians of their rates at the same date.
COMMON = (*(f"others: {name}" for name in FEATURES[:7]), "others: recent against long rate",
          "others: share retreating", "others: glaciers")  # fmt: skip
#: Of the date asked for.
TARGET_FEATURES = ("years ahead", "Kalman mean over its spread", "log spread", "Kalman mean", "drift",
                   "others: change at 3 years' rate", "others: change at 5 years' rate",
                   "change at 3 years' rate")  # fmt: skip
_STALE_YEARS = 2.1


def origin_features(
    years: NDArray[np.float64],
    values: NDArray[np.float64],
    scale: float,
    grid: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the features of a record, (F,) in the order of :data:`FEATURES`.

    Parameters
    ----------
    years, values : (N,) float64
        At least three, the last one the origin.
    scale : float
        A typical step, in the unit of the values.
    grid, weights : (K, 7), (K,)
        Models that the Kalman likelihood allows; see :class:`glaciertime.forecast.local.kalman.FittedKalman`.
    """
    now, last = years[-1], values[-1]
    rates = []
    for window in _WINDOWS_YEARS:
        start = max(now - window, years[0])
        rates.append((last - np.interp(start, years, values)) / (now - start) / scale)
    gaps = np.diff(years)
    steps = np.diff(values) / np.sqrt(gaps) / scale
    drift = (last - values[0]) / (now - years[0]) / scale
    correlation = 0.0
    if len(steps) > 3 and steps[1:].std() > 0 and steps[:-1].std() > 0:
        correlation = float(np.corrcoef(steps[1:], steps[:-1])[0, 1])
    found = [
        *rates, drift, steps[-1], steps[-2], len(values), now - years[0], gaps[-1],
        np.mean(np.abs(steps[-5:])), np.mean(np.abs(steps)), correlation,
        np.log(weights @ grid[:, 0] + 1e-9), weights @ np.log(np.minimum(grid[:, 3], 1000.0)),
        np.log(weights @ grid[:, 2] + 1e-9), np.max(np.abs(steps)), (last - values.mean()) / scale,
        (last - values.min()) / scale, (values.max() - last) / scale, np.mean(steps == 0),
    ]  # fmt: skip
    return np.array(found, dtype=float)


def common_signal(bank: Bank, year: float, exclude: str) -> NDArray[np.float64]:
    """Return what the glaciers other than one did up to a date, (len(COMMON),); NaN where fewer than three did.

    Each series counts with its latest origin, if that lies no more than 2.1 years back.
    """
    live = (bank.origin_year <= year + 1e-9) & (bank.origin_year > year - _STALE_YEARS)
    index = np.flatnonzero(live)
    # Origins are sorted by series and date: the last of each series is its latest.
    series = bank.origin_series[index]
    latest = index[np.append(series[1:] != series[:-1], True)] if len(index) else index
    latest = latest[bank.glaciers[bank.origin_series[latest]] != exclude]
    if len(latest) < 3:
        return np.append(np.full(len(COMMON) - 1, np.nan), float(len(latest)))
    rates = bank.origin_features[latest, :7]
    recent = rates[:, 3] - rates[:, 6]
    return np.concatenate(
        [np.median(rates, axis=0), [np.median(recent), float(np.mean(rates[:, 2] < 0)), float(len(latest))]]
    )


def design_matrix(
    features: NDArray[np.float64],
    common: NDArray[np.float64],
    *,
    ahead: NDArray[np.float64],
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
    drift: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return what the trees see, (R, features): rounded, so that the last bit of a unit change alters no split.

    Parameters
    ----------
    features, common : (R, F), (R, C)
    ahead, mean, spread, drift : (R,)
    """
    safe = np.maximum(spread, 1e-9)
    target = np.column_stack(
        [ahead, mean / safe, np.log(safe), mean, drift, common[:, 2] * ahead, common[:, 3] * ahead,
         features[:, 2] * ahead]
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.concatenate([target, features, common], axis=1).astype(np.float32)
