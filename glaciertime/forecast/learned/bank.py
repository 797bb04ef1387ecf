"""What many glaciers did after many past dates: the examples that global models learn from, and are judged on.

For every series and every origin in it (a date with at least eight values up to it), the bank holds scale-free
features made of the values up to that origin, the Kalman forecast from there, and what was observed later. A row is
known at a cutoff if its target date does not lie after it; nothing else about a row depends on later values, so a
bank made from series cut off at a date is the part of the full bank that was known at that date.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.features import FEATURES
from glaciertime.forecast.learned.past import Past, pasts_of
from glaciertime.forecast.screening import on_straight_line
from glaciertime.forecast.series import Series

__all__ = ["FOLDS", "MOST_SERIES", "Bank", "bank_of", "build_bank", "fold_of"]

#: Glaciers are dealt into so many groups by name; a model for one group learns from the others.
FOLDS = 5
#: More series than these teach a model no more that is worth their time: of more, those whose names hash lowest teach.
MOST_SERIES = 250


def fold_of(glacier: str) -> int:
    """Return the group of a glacier, which depends on its name alone.

    Examples
    --------
    >>> 0 <= fold_of("Crane") < FOLDS
    True
    """
    return zlib.crc32(glacier.encode()) % FOLDS


@dataclass(frozen=True, eq=False)
class Bank:
    """Origins of many series, and a row for every origin and target.

    Attributes
    ----------
    glaciers : (S,) object
        Glacier of each series.
    origin_series, origin_year : (O,)
        Series and date of each origin; sorted by series, then date.
    origin_features : (O, F)
    origin : (R,) int
        Origin of each row.
    ahead, mean, spread, walk, drift, target : (R,) float64
        Years ahead; Kalman mean and spread, spread of a random walk, drift and observed change, all in scales
        of the origin.
    target_year : (R,) float64
    dropped_from : (R,) float64
        The year from which the target is known to lie on a straight line between its neighbours; infinite if not.
    """

    glaciers: NDArray[np.object_]
    origin_series: NDArray[np.int64]
    origin_year: NDArray[np.float64]
    origin_features: NDArray[np.float64]
    origin: NDArray[np.int64]
    ahead: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    walk: NDArray[np.float64]
    drift: NDArray[np.float64]
    target: NDArray[np.float64]
    target_year: NDArray[np.float64]
    dropped_from: NDArray[np.float64]

    @cached_property
    def series(self) -> NDArray[np.int64]:
        """Series of each row, (R,)."""
        return self.origin_series[self.origin]

    @cached_property
    def fold(self) -> NDArray[np.int64]:
        """Fold of each row's glacier, (R,)."""
        folds = np.array([fold_of(name) for name in self.glaciers], dtype=np.int64)
        return folds[self.series] if len(folds) else np.empty(0, dtype=np.int64)

    @cached_property
    def origins_by_year(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The origins in order of their dates, and these, (O,) each."""
        order = np.argsort(self.origin_year, kind="stable")
        return order, self.origin_year[order]

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """Place of each series in an order that depends on the names of glaciers alone, (S,)."""
        hashes = np.array([zlib.crc32(f"order {name}".encode()) for name in self.glaciers], dtype=np.int64)
        place = np.empty(len(hashes), dtype=np.int64)
        place[np.argsort(hashes, kind="stable")] = np.arange(len(hashes))
        return place

    def first_series(self, series: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some rows or origins are of the first ``MOST_SERIES`` series among them, by their rank."""
        there = np.unique(series)
        if len(there) <= MOST_SERIES:
            return np.ones(len(series), dtype=bool)
        is_first = np.zeros(len(self.glaciers), dtype=bool)
        is_first[there[np.argsort(self.rank[there])[:MOST_SERIES]]] = True
        return is_first[series]

    def known_at(self, year: float) -> NDArray[np.bool_]:
        """Return which rows were known at a date, (R,)."""
        return (self.target_year <= year) & (self.dropped_from > year)


def build_bank(
    series_list: Sequence[Series], *, jobs: int = 1, report: Callable[[int, int], None] | None = None
) -> Bank:
    """Return the bank of some series, which should be cut off at the last date of interest.

    Parameters
    ----------
    series_list : sequence of Series
        Of one variable; those with fewer than eight values give no origin.
    jobs : int
        Processes.
    report : callable, optional
        Called with (series done, series in all).
    """
    ordered = sorted(series_list, key=lambda series: series.key)
    return bank_of(ordered, pasts_of(ordered, jobs=jobs, report=report))


def bank_of(series_list: Sequence[Series], pasts: Sequence[Past]) -> Bank:
    """Return the bank of series, in their order, from the past of each; a past of later values is cut off."""
    origins, rows = [], []
    count = 0
    for index, (series, past) in enumerate(zip(series_list, pasts, strict=True)):
        years, straight, end = series.years, on_straight_line(series), len(series)
        here = past.index < end
        rank = np.cumsum(here) - 1
        seen = past.target < end
        # A row's origin lies before its target: where the target was seen, the origin was.
        owner, target = past.owner[seen], past.target[seen]
        first = past.index[owner]
        after = years[np.minimum(target + 1, end - 1)]
        rows.append(
            (
                rank[owner] + count, past.ahead[seen], past.mean[seen], past.spread[seen], past.walk[seen],
                past.drift[owner] * past.ahead[seen],
                (series.values[target] - series.values[first]) / past.scale[owner],
                years[target], np.where(straight[target], after, np.inf),
            )
        )  # fmt: skip
        origins.append((np.full(int(here.sum()), index, dtype=np.int64), years[past.index[here]], past.features[here]))
        count += int(here.sum())
    columns = [np.concatenate(held) for held in zip(*rows, strict=True)] if rows else [np.empty(0)] * 9
    of_origins = [np.concatenate(held) for held in zip(*origins, strict=True)] if origins else []
    which, when, features = of_origins or (np.empty(0, dtype=np.int64), np.empty(0), np.empty((0, len(FEATURES))))
    return Bank(
        np.array([series.glacier for series in series_list], dtype=object), which, when, features,
        columns[0].astype(np.int64), *columns[1:],
    )  # fmt: skip
