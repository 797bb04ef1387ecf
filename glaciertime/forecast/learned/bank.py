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

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.features import FEATURES, origin_features
from glaciertime.forecast.local.kalman import Kalman
from glaciertime.forecast.local.scaled import PER_SCALE
from glaciertime.forecast.screening import on_straight_line
from glaciertime.forecast.series import Series, as_years
from glaciertime.processes import process_pool
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["FOLDS", "Bank", "OriginRow", "build_bank", "describe_origin", "fold_of"]

#: Glaciers are dealt into so many groups by name; a model for one group learns from the others.
FOLDS = 5
MIN_HISTORY = 8
_LEADS = (1, 2, 3, 4, 5, 8)
_YEARS_AHEAD = (0.25, 0.5, 1.0, 2.0, 5.0)


def fold_of(glacier: str) -> int:
    """Return the group of a glacier, which depends on its name alone.

    Examples
    --------
    >>> 0 <= fold_of("Crane") < FOLDS
    True
    """
    return zlib.crc32(glacier.encode()) % FOLDS


@dataclass(frozen=True, eq=False)
class OriginRow:
    """One origin: what its past looks like, and the local forecasts from it.

    Attributes
    ----------
    features : (F,) float64
        See :data:`glaciertime.forecast.learned.features.FEATURES`.
    year, last : float
        Date of the origin in years since 1970, and the value there.
    scale : float
        A typical step of the series, in its unit.
    drift : float
        Mean rate of the record, in scales per year.
    ahead, mean, spread : (D,) float64
        Years to the dates asked for; mean and standard deviation of the Kalman forecast of the change, in scales.
    walk : (D,) float64
        Standard deviation of a random walk with the mean squared step of the record, which knows of no outliers.
    """

    features: NDArray[np.float64]
    year: float
    last: float
    scale: float
    drift: float
    ahead: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    walk: NDArray[np.float64]


def describe_origin(history: Series, dates: NDArray[np.datetime64]) -> OriginRow:
    """Return the row of an origin, the last date of ``history``, for dates after it."""
    fitted = Kalman().fit_alone(history, search=False)
    years, last = history.years, float(history.values[-1])
    ahead = as_years(dates) - years[-1]
    mean = spread = np.empty(0)
    steps, gaps = np.diff(history.values), np.diff(years)
    # Pasts are compared in steps with the trend in them: about a clean trend there may be hardly any.
    scale = fitted.step or fitted.scale
    unit = fitted.scale / scale
    walk = np.sqrt(np.mean(steps**2 / gaps) * ahead) / scale
    if len(dates):
        means, variances = fitted.moments(dates)
        # Date by date: a product of matrices rounds by how many dates are asked for.
        columns = [(np.ascontiguousarray(means[:, d]), variances[:, d]) for d in range(len(dates))]
        mean = np.array([unit * (fitted.weights @ column) for column, _ in columns])
        total = [
            fitted.weights @ (unit**2 * variance + (unit * column - centre) ** 2)
            for (column, variance), centre in zip(columns, mean, strict=True)
        ]
        spread = np.sqrt(np.array(total))
    drift = float((last - history.values[0]) / (years[-1] - years[0]) / scale)
    grid = fitted.grid * np.where(PER_SCALE, unit**2, 1.0)
    features = origin_features(years, history.values, scale, grid, fitted.weights)
    return OriginRow(features, float(years[-1]), last, scale, drift, ahead, mean, spread, walk)


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

    @property
    def series(self) -> NDArray[np.int64]:
        """Series of each row, (R,)."""
        return self.origin_series[self.origin]

    @property
    def fold(self) -> NDArray[np.int64]:
        """Fold of each row's glacier, (R,)."""
        folds = np.array([fold_of(name) for name in self.glaciers], dtype=np.int64)
        return folds[self.series] if len(folds) else np.empty(0, dtype=np.int64)

    def known_at(self, year: float) -> NDArray[np.bool_]:
        """Return which rows were known at a date, (R,)."""
        return (self.target_year <= year) & (self.dropped_from > year)


def _target_indices(series: Series, origin: int) -> list[int]:
    ahead = series.years[origin + 1 :] - series.years[origin]
    found = {origin + lead for lead in _LEADS if origin + lead < len(series)}
    for years in _YEARS_AHEAD:
        # The first value at or after the horizon, so that the choice needs no later value.
        index = int(np.searchsorted(ahead, years - 1 / DAYS_PER_YEAR))
        if index < len(ahead) and ahead[index] < 1.5 * years:
            found.add(origin + 1 + index)
    return sorted(found)


def _origins(count: int) -> list[int]:
    """Every origin of a short record; fewer later on in a long one, whatever its end."""
    every = range(MIN_HISTORY - 1, count)
    return [i for i in every if i < 120 or (i < 480 and i % 3 == 0) or i % 10 == 0]


def _one_series(series: Series) -> list[tuple[OriginRow, list[int]]]:
    found = []
    for origin in _origins(len(series)):
        targets = _target_indices(series, origin)
        history = series.take(slice(0, origin + 1))
        found.append((describe_origin(history, series.dates[targets] if targets else series.dates[:0]), targets))
    return found


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
    parts: list[list[tuple[OriginRow, list[int]]]] = []
    if jobs > 1 and len(ordered) > 3:
        with process_pool(jobs) as pool:
            for part in pool.map(_one_series, ordered, chunksize=2):
                parts.append(part)
                if report is not None:
                    report(len(parts), len(ordered))
    else:
        parts = [_one_series(series) for series in ordered]
    origins: list[tuple[int, float, NDArray[np.float64]]] = []
    rows: list[tuple[float, ...]] = []
    for index, (series, part) in enumerate(zip(ordered, parts, strict=True)):
        years, straight = series.years, on_straight_line(series)
        for row, targets in part:
            for place, target in enumerate(targets):
                dropped = years[target + 1] if straight[target] else np.inf
                change = (series.values[target] - row.last) / row.scale
                rows.append((len(origins), row.ahead[place], row.mean[place], row.spread[place], row.walk[place],
                             row.drift * row.ahead[place], change, years[target], dropped))  # fmt: skip
            origins.append((index, row.year, row.features))
    table = np.array(rows, dtype=float).reshape(len(rows), 9)
    return Bank(
        np.array([series.glacier for series in ordered], dtype=object),
        np.array([origin[0] for origin in origins], dtype=np.int64),
        np.array([origin[1] for origin in origins], dtype=float),
        np.array([origin[2] for origin in origins], dtype=float).reshape(len(origins), len(FEATURES)),
        table[:, 0].astype(np.int64), *(table[:, column] for column in range(1, 9)),
    )  # fmt: skip
