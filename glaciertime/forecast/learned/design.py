"""The table that models across glaciers are taught from: features of origins, of the other glaciers, of targets."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.bank import Bank
from glaciertime.forecast.learned.features import FEATURES

__all__ = ["COMMON", "TARGET_FEATURES", "common_signal", "design_matrix"]

#: Of the other glaciers: medians of their rates at the same date.
COMMON = (*(f"others: {name}" for name in FEATURES[:7]), "others: recent against long rate",
          "others: share retreating", "others: glaciers")  # fmt: skip


#: Of the date asked for.
TARGET_FEATURES = ("years ahead", "Kalman mean over its spread", "log spread", "Kalman mean", "drift",
                   "others: change at 3 years' rate", "others: change at 5 years' rate",
                   "change at 3 years' rate")  # fmt: skip
_STALE_YEARS = 2.1


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
