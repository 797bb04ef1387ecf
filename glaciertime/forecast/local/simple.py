"""The forecasters any other must beat: the last value, the last of the same season, and rates carried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, from_student
from glaciertime.forecast.series import Series, as_years
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["DampedDrift", "Drift", "Last", "SeasonalLast"]

_SEASON_DAYS = 45.0


@dataclass(frozen=True)
class _Walk:
    """A random walk in continuous time, with or without a drift."""

    last_years: float
    last_value: float
    rate_per_year: float
    #: Variance that one year adds, unit squared.
    variance_per_year: float
    #: Length of the record that the rate was estimated from; infinite where it was not estimated.
    record_years: float
    degrees: float

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        ahead = as_years(dates) - self.last_years
        centre = self.last_value + self.rate_per_year * ahead
        scale = np.sqrt(self.variance_per_year * ahead * (1 + ahead / self.record_years))
        return from_student(dates, centre, scale, degrees=self.degrees, levels=levels)


@dataclass(frozen=True)
class Last:
    r"""The last value, with the uncertainty of a random walk.

    .. math:: \hat y(t) = y_n, \quad s^2 = \frac{t - t_n}{n - 1} \sum_i \frac{(y_i - y_{i-1})^2}{t_i - t_{i-1}}

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_series
    >>> Last().fit(straight_series(rate_per_year=-2.0)).predict(np.array(["2011-01-01"], "M8[D]")).median
    array([80.])
    """

    def fit(self, series: Series) -> _Walk:
        """Return the walk fitted to at least two observations."""
        step, change = np.diff(series.years), np.diff(series.values)
        variance = float(np.mean(change**2 / step))
        return _Walk(series.years[-1], series.values[-1], 0.0, variance, np.inf, len(step))


@dataclass(frozen=True)
class Drift:
    r"""The mean rate between the first and the last observation, carried on from the last.

    .. math:: \hat y(t) = y_n + r (t - t_n), \quad r = \frac{y_n - y_1}{t_n - t_1}, \quad
       s^2 = q (t - t_n) \left(1 + \frac{t - t_n}{t_n - t_1}\right)

    with *q* the mean squared departure of a step from the rate, per year.

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_series
    >>> fitted = Drift().fit(straight_series(rate_per_year=-2.0))
    >>> fitted.predict(np.array(["2011-01-01"], "M8[D]")).median.round(2)
    array([78.])
    """

    def fit(self, series: Series) -> _Walk:
        """Return the walk with drift fitted to at least three observations."""
        years, values = series.years, series.values
        record = years[-1] - years[0]
        rate = (values[-1] - values[0]) / record
        step = np.diff(years)
        departure = np.diff(values) - rate * step
        degrees = len(step) - 1
        return _Walk(years[-1], values[-1], rate, float(np.sum(departure**2 / step)) / degrees, record, degrees)


@dataclass(frozen=True, eq=False)
class _FittedSeasonal:
    series: Series
    walk: _Walk
    #: Variance of a change over one year.
    variance_per_year: float

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        years = self.series.years
        centre, scale = [], []
        for date, when in zip(dates, as_years(dates), strict=True):
            same = _same_season(self.series.dates, date)
            value = self.walk.last_value if same is None else self.series.values[same]
            rate = self.walk.variance_per_year if same is None else self.variance_per_year
            centre.append(value)
            scale.append(np.sqrt(rate * (when - years[-1 if same is None else same])))
        return from_student(dates, np.array(centre), np.array(scale), degrees=self.walk.degrees, levels=levels)


def _same_season(dates: NDArray[np.datetime64], date: np.datetime64) -> int | None:
    """Return the index of the latest observation (N,) of a date's season, None where there is none.

    The nearest to the latest anniversary of the date, whole calendar years before it, that has one within 45 days.
    """
    month = date.astype("M8[M]")
    day = date - month.astype("M8[D]")
    for back in range(1, int((date - dates[0]) / np.timedelta64(365, "D")) + 2):
        # The 29 February of a year that has none is 1 March.
        anniversary = (month - np.timedelta64(12 * back, "M")).astype("M8[D]") + day
        away = np.abs((dates - anniversary) / np.timedelta64(1, "D"))
        # Of two as near as each other, the later.
        nearest = len(away) - 1 - int(np.argmin(away[::-1]))
        if away[nearest] <= _SEASON_DAYS:
            return nearest
    return None


@dataclass(frozen=True)
class SeasonalLast:
    """The latest value of the same season: within 45 days of the date a whole number of calendar years before.

    Where no earlier year has one, the last value.
    """

    def fit(self, series: Series) -> _FittedSeasonal:
        """Return the model fitted to at least three observations."""
        walk = Last().fit(series)
        years, values = series.years, series.values
        nearest = np.abs(years[None, :] - (years[:, None] - 1.0)).argmin(axis=1)
        gap = years - years[nearest]
        near = np.abs(gap - 1.0) <= _SEASON_DAYS / DAYS_PER_YEAR
        if near.sum() < 3:
            return _FittedSeasonal(series, walk, walk.variance_per_year)
        variance = float(np.mean((values - values[nearest])[near] ** 2))
        return _FittedSeasonal(series, walk, variance)


_MEMORY_STEPS = (2.0, 5.0, 15.0)
_DAMPING_STEPS = (2.0, 5.0, 15.0, 60.0)


@dataclass(frozen=True)
class _Damped:
    last_years: float
    last_value: float
    rate_per_year: float
    damping_years: float
    variance_per_year: float
    degrees: float

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        ahead = as_years(dates) - self.last_years
        reach = self.damping_years * (1 - np.exp(-ahead / self.damping_years))
        scale = np.sqrt(self.variance_per_year * ahead)
        return from_student(dates, self.last_value + self.rate_per_year * reach, scale, degrees=self.degrees,
                            levels=levels)  # fmt: skip


@dataclass(frozen=True)
class DampedDrift:
    r"""The recent rate carried on, and fading.

    .. math:: \hat y(t) = y_n + r \tau (1 - e^{-(t - t_n) / \tau})

    The rate *r* is that of the exponentially weighted past. Its memory and the damping time are those with the
    least mean absolute error, one to five observations ahead, over the record's own earlier origins.
    """

    def fit(self, series: Series) -> _Damped:
        """Return the model fitted to at least five observations."""
        years, values = series.years, series.values
        gap = float(np.median(np.diff(years)))
        best: tuple[float, float, float, float] = (np.inf, 0.0, gap, 0.0)
        for memory in _MEMORY_STEPS:
            rates = _smoothed_rates(years, values, memory * gap)
            for damping in _DAMPING_STEPS:
                error, variance = _replay(years, values, rates, damping * gap)
                if error < best[0]:
                    best = (error, float(rates[-1]), damping * gap, variance)
        return _Damped(years[-1], values[-1], best[1], best[2], best[3], len(values) - 2)


def _smoothed_rates(
    years: NDArray[np.float64], values: NDArray[np.float64], memory_years: float
) -> NDArray[np.float64]:
    """Return the rate known at each observation, (N,), zero at the first."""
    rates = np.zeros(len(years))
    moved = elapsed = 0.0
    for i in range(1, len(years)):
        step = years[i] - years[i - 1]
        fade = np.exp(-step / memory_years)
        moved, elapsed = fade * moved + values[i] - values[i - 1], fade * elapsed + step
        rates[i] = moved / elapsed
    return rates


def _replay(
    years: NDArray[np.float64], values: NDArray[np.float64], rates: NDArray[np.float64], damping_years: float
) -> tuple[float, float]:
    """Return mean absolute error per root year, and mean squared error per year, over earlier origins."""
    errors = []
    for lead in range(1, min(6, len(years) - 2)):
        ahead = years[2 + lead :] - years[2:-lead]
        reach = damping_years * (1 - np.exp(-ahead / damping_years))
        errors.append((values[2 + lead :] - values[2:-lead] - rates[2:-lead] * reach) / np.sqrt(ahead))
    joined = np.concatenate(errors)
    return float(np.mean(np.abs(joined))), float(np.mean(joined**2))
