"""What is made of one series alone for the bank: its origins, what each looks like, and the Kalman forecast from it.

It depends on the values of the series up to each origin and on the dates of its targets, and on nothing else: where it
is kept, values that come later leave most of it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.features import FEATURES, origin_features
from glaciertime.forecast.local.kalman import FittedKalman, Kalman
from glaciertime.forecast.local.scaled import PER_SCALE
from glaciertime.forecast.series import Series, as_years
from glaciertime.processes import process_pool
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["MIN_HISTORY", "OriginRow", "Past", "describe_origin", "past_of", "pasts_of"]

MIN_HISTORY = 8
_LEADS = (1, 2, 3, 4, 5, 8)
_YEARS_AHEAD = (0.25, 0.5, 1.0, 2.0, 5.0)


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


class _Values:
    """A series, which equals another with the same dates, values and sigmas: all that a fit depends on."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self.name = (series.dates.tobytes(), series.values.tobytes(), series.sigma.tobytes())

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Values) and self.name == other.name


@lru_cache(maxsize=64)
def _fit_of(values: _Values) -> FittedKalman:
    """Return the fit to a series, once: a backtest asks for the same past as a task and as an origin of later ones."""
    return Kalman().fit_alone(values.series, search=False)


def describe_origin(history: Series, dates: NDArray[np.datetime64]) -> OriginRow:
    """Return the row of an origin, the last date of ``history``, for dates after it."""
    fitted = _fit_of(_Values(history))
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
class Past:
    """What is made of the values of one series alone: its origins, and the Kalman forecast from each.

    Attributes
    ----------
    days, values, sigma : (N,)
        The values that it is of; days since 1970.
    index, scale, drift : (O,)
        Place of each origin among the values; see :class:`OriginRow`.
    features : (O, F)
    owner, target : (R,) int
        Origin of each row, and place of its target among the values; sorted by both.
    ahead, mean, spread, walk : (R,)
        See :class:`OriginRow`.
    """

    days: NDArray[np.int64]
    values: NDArray[np.float64]
    sigma: NDArray[np.float64]
    index: NDArray[np.int64]
    scale: NDArray[np.float64]
    drift: NDArray[np.float64]
    features: NDArray[np.float64]
    owner: NDArray[np.int64]
    target: NDArray[np.int64]
    ahead: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    walk: NDArray[np.float64]

    def begins(self, series: Series) -> int:
        """Return how many values at its begin a series has in common with those that this is of."""
        count = min(len(series), len(self.days))
        one, other = series.sigma[:count], self.sigma[:count]
        is_same = (one == other) | (np.isnan(one) & np.isnan(other))
        is_same &= (_days(series)[:count] == self.days[:count]) & (series.values[:count] == self.values[:count])
        return count if is_same.all() else int(np.argmin(is_same))

    def is_of(self, series: Series) -> bool:
        """Return whether it is of all values of a series, and of no others."""
        return len(series) == len(self.days) == self.begins(series)


def _days(series: Series) -> NDArray[np.int64]:
    return series.dates.astype("datetime64[D]").astype(np.int64)


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


def pasts_of(
    series_list: Sequence[Series],
    before: Sequence[Past | None] = (),
    *,
    jobs: int = 1,
    report: Callable[[int, int], None] | None = None,
) -> list[Past]:
    """Return the past of each series; of those whose past is known of earlier values, only what is new is computed.

    Parameters
    ----------
    series_list : sequence of Series
    before : sequence of Past or None, optional
        What is known of each, of whatever values it had then.
    jobs, report
        As of :func:`build_bank`.
    """
    known = list(before) or [None] * len(series_list)
    done: list[Past] = []
    if jobs > 1 and len(series_list) > 3:
        with process_pool(jobs) as pool:
            for past in pool.map(past_of, series_list, known, chunksize=2):
                done.append(past)
                if report is not None:
                    report(len(done), len(series_list))
        return done
    return [past_of(series, past) for series, past in zip(series_list, known, strict=True)]


def past_of(series: Series, before: Past | None = None) -> Past:
    """Return the past of a series; from what is known of an earlier state of it, what its new values do not change."""
    if before is not None and before.is_of(series):
        return before
    common = 0 if before is None else before.begins(series)
    held: dict[int, tuple[list[int], _Origin]] = {} if before is None else dict(_origins_of(before))
    found: list[_Origin] = []
    targets: list[list[int]] = []
    for origin in _origins(len(series)):
        wanted = _target_indices(series, origin)
        known, made = held.get(origin, ([], None))
        # Of an origin only the values up to it count, and the dates that are asked for.
        if made is None or known != wanted or max([origin, *wanted]) >= common:
            history = series.take(slice(0, origin + 1))
            row = describe_origin(history, series.dates[wanted] if wanted else series.dates[:0])
            made = _Origin(origin, row.scale, row.drift, row.features, row.ahead, row.mean, row.spread, row.walk)
        found.append(made)
        targets.append(wanted)
    counts = [len(wanted) for wanted in targets]

    def joined(name: str) -> NDArray[np.float64]:
        return np.concatenate([np.empty(0), *(getattr(one, name) for one in found)])

    return Past(
        days=_days(series), values=series.values, sigma=series.sigma,
        index=np.array([one.index for one in found], dtype=np.int64),
        scale=np.array([one.scale for one in found], dtype=float),
        drift=np.array([one.drift for one in found], dtype=float),
        features=np.array([one.features for one in found], dtype=float).reshape(len(found), len(FEATURES)),
        owner=np.repeat(np.arange(len(found)), counts),
        target=np.array([place for wanted in targets for place in wanted], dtype=np.int64),
        ahead=joined("ahead"), mean=joined("mean"), spread=joined("spread"), walk=joined("walk"),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Origin:
    """One origin of a past."""

    index: int
    scale: float
    drift: float
    features: NDArray[np.float64]
    ahead: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    walk: NDArray[np.float64]


def _origins_of(past: Past) -> Iterator[tuple[int, tuple[list[int], _Origin]]]:
    """Yield the origins of a past by their places, with those of their targets."""
    ends = np.searchsorted(past.owner, np.arange(len(past.index) + 1))
    for place, index in enumerate(past.index.tolist()):
        here = slice(int(ends[place]), int(ends[place + 1]))
        parts = (past.ahead[here], past.mean[here], past.spread[here], past.walk[here])
        yield (
            index,
            (
                past.target[here].tolist(),
                _Origin(index, float(past.scale[place]), float(past.drift[place]), past.features[place], *parts),
            ),
        )
