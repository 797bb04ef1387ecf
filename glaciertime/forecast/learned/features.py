"""Scale-free features of a record up to an origin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURES", "origin_features"]

_WINDOWS_YEARS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)

#: Of one record; rates and steps in units of a typical step, per year where they are rates.
FEATURES = (
    *(f"rate over {years:g} years" for years in _WINDOWS_YEARS),
    "rate over the record", "last step", "step before", "values", "record years", "last gap years",
    "mean step of the last five", "mean step", "correlation of successive steps", "observation noise",
    "memory of the rate", "noise of the rate", "largest step", "height above the mean", "height above the minimum",
    "depth below the maximum", "share of steps without change",
)  # fmt: skip


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
