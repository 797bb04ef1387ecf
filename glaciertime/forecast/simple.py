"""The forecasters any other must beat: the last value, and the mean rate carried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, from_student
from glaciertime.forecast.series import Series, as_years

__all__ = ["Drift", "Last"]


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
