"""The table that models across glaciers are taught from: features of origins, of the other glaciers, of targets."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.bank import Bank
from glaciertime.forecast.learned.features import FEATURES

__all__ = ["COMMON", "TARGET_FEATURES", "common_signals", "design_matrix"]

#: Of the other glaciers: medians of their rates at the same date.
COMMON = (*(f"others: {name}" for name in FEATURES[:7]), "others: recent against long rate",
          "others: share retreating", "others: glaciers")  # fmt: skip


#: Of the date asked for.
TARGET_FEATURES = ("years ahead", "Kalman mean over its spread", "log spread", "Kalman mean", "drift",
                   "others: change at 3 years' rate", "others: change at 5 years' rate",
                   "change at 3 years' rate")  # fmt: skip
_STALE_YEARS = 2.1


def common_signals(
    bank: Bank, years: NDArray[np.float64], excluded: NDArray[np.object_]
) -> NDArray[np.float64]:  # fmt: skip
    """Return what the glaciers other than one did up to a date, (K, len(COMMON)); NaN where fewer than three did.

    Each series counts with its latest origin, if that lies no more than 2.1 years back; of very many, the first
    ``MOST_SERIES``.

    Parameters
    ----------
    bank : Bank
    years : (K,) float64
    excluded : (K,) object
        The glacier that does not count at each date.
    """
    if not len(years):
        return np.empty((0, len(COMMON)))
    order, sorted_years = bank.origins_by_year
    found = np.full((len(years), len(COMMON)), np.nan)
    dates, place, counts = np.unique(years, return_inverse=True, return_counts=True)
    asked = np.split(np.argsort(place, kind="stable"), np.cumsum(counts)[:-1])
    for year, rows in zip(dates, asked, strict=True):
        ends = np.searchsorted(sorted_years, [year - _STALE_YEARS, year + 1e-9], side="right")
        live = np.sort(order[ends[0] : ends[1]])
        # Origins are sorted by series and date: the last of each series is its latest.
        series = bank.origin_series[live]
        latest = live[np.append(series[1:] != series[:-1], True)] if len(live) else live
        names = bank.glaciers[bank.origin_series[latest]]
        for row in rows:
            heard = latest[names != excluded[row]]
            heard = heard[bank.first_series(bank.origin_series[heard])]
            found[row, -1] = len(heard)
            if len(heard) >= 3:
                rates = bank.origin_features[heard, :7]
                recent = rates[:, 3] - rates[:, 6]
                found[row, :7], found[row, 7] = np.median(rates, axis=0), np.median(recent)
                found[row, 8] = np.mean(rates[:, 2] < 0)
    return found


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
