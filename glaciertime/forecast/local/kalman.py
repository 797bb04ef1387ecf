"""Level, damped rate, mean rate and annual cycle at exact dates, averaged over what the likelihood allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.local.events import find_events
from glaciertime.forecast.local.regression import FittedRegression, fit_regression
from glaciertime.forecast.local.scaled import ScaledRecord
from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, quantiles_of
from glaciertime.forecast.series import Series, as_years

__all__ = ["FittedKalman", "Kalman"]

#: Fewer observations cannot tell an outlier.
_MIN_FOR_EVENTS = 8


@dataclass(frozen=True, eq=False)
class FittedKalman:
    """The models that the likelihood allows, with their weights.

    Attributes
    ----------
    grid : (K, 7) float64
        Parameters, in units of the series' scale squared; see :mod:`glaciertime.forecast.local.filter`.
    weights : (K,) float64
    known_variance : float
        Of an observation to come, as known beforehand: that of a typical recent sigma, in scaled units.
    step : float
        Typical step of the series, trend and all, in its unit; ``scale`` is that about the trend.
    log_likelihood : float
        Of the most likely parameters, given the first two observations and flat priors on level and rate, in the
        unit of the series.
    best_row : (7,) float64
        The most likely parameters.
    outliers, breaks : tuple of int
        Observations set aside, and observations before which the level jumped.
    """

    years: NDArray[np.float64]
    values: NDArray[np.float64]
    noise: NDArray[np.float64]
    shift: NDArray[np.float64]
    grid: NDArray[np.float64]
    weights: NDArray[np.float64]
    harmonics: int
    centre: float
    scale: float
    known_variance: float
    step: float
    log_likelihood: float
    best_row: NDArray[np.float64]
    outliers: tuple[int, ...]
    breaks: tuple[int, ...]

    def moments(self, dates: NDArray[np.datetime64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and variance of an observation under each model, (K, D) each, in scaled units."""
        return self._moments(self.grid, dates)

    def _moments(
        self, grid: NDArray[np.float64], dates: NDArray[np.datetime64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        from glaciertime.forecast.local.filter_rows import forecast_moments

        means, variances = forecast_moments(
            self.years, self.values, self.noise, self.shift, grid, self.harmonics, as_years(dates),
        )  # fmt: skip
        return means, variances + self.known_variance

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        """Return the quantiles of the mixture of the models' normal distributions."""
        from scipy.special import ndtri

        from glaciertime.forecast.local.filter_rows import mixture_quantiles

        # The lightest models together hold one part in two hundred: they move no quantile that is asked for.
        order = np.argsort(self.weights, kind="stable")[::-1]
        keep = order[: int(np.searchsorted(np.cumsum(self.weights[order]), 0.995)) + 1]
        means, variances = self._moments(self.grid[keep], dates)
        quantiles = quantiles_of(levels)
        weights = self.weights[keep] / self.weights[keep].sum()
        values = mixture_quantiles(means, np.sqrt(variances), weights, quantiles, ndtri(quantiles))
        return Prediction(dates, quantiles, self.centre + self.scale * values)


@dataclass(frozen=True)
class Kalman:
    """State-space model at exact dates, fitted by its closed-form likelihood.

    The likelihood is evaluated on a grid of variance ratios, its scale in closed form where no sigma is known;
    the forecast is the mixture of all models weighted by it, so that what the record cannot tell widens the
    interval. An observation's own sigma enters as known variance, and a typical recent one is that of the observation
    forecast. Observations are set aside as outliers, or given a jump of the level before them, where that raises the
    log-likelihood, maximised with and without, by more than 10 each; the last two are left as they are, because an
    outlier and a jump look alike there.

    Attributes
    ----------
    cycle : bool or None
        Whether to model an annual cycle; None for records denser than five a year and longer than two.
    robust : bool
        Whether to look for outliers and change points.
    covariates : Covariates, optional
        Whose values from the first observation to the last target date are given.
    """

    cycle: bool | None = None
    robust: bool = True
    covariates: Covariates | None = None

    def fit(self, series: Series) -> FittedKalman | FittedRegression:
        """Return the model fitted to at least three observations.

        Raises
        ------
        InputError
            If a covariate does not cover the observations.
        """
        return self.fit_alone(series) if self.covariates is None else self._regress(series)

    def fit_alone(self, series: Series, *, search: bool = True) -> FittedKalman:
        """Return the model without covariates, fitted to at least three observations.

        Parameters
        ----------
        series : Series
        search : bool
            Whether to search for the most likely parameters, which forecasts do not use; without, the best ones of
            the grid are given, and their log-likelihood as NaN.
        """
        record = self._scaled(series)
        if self.robust and len(series) >= _MIN_FOR_EVENTS:
            outliers, breaks = find_events(record)
            if outliers or breaks:
                # Again from the start: the scale, too, is that of what is left.
                record = self._scaled(series, apart=outliers, breaks=breaks)
        grid, weights = record.weigh()
        best_row, best = record.refine() if search else (grid[int(np.argmax(weights))], float("nan"))
        likelihood = best - (len(series) - 2) * float(np.log(record.scale))
        return FittedKalman(record.years, record.values, record.noise, record.shift, grid, weights, record.harmonics,
                            record.centre, record.scale, (series.recent_sigma / record.scale) ** 2,
                            record.steps.whole, likelihood, best_row, record.apart, record.breaks)  # fmt: skip

    def _scaled(self, series: Series, *, apart: tuple[int, ...] = (), breaks: tuple[int, ...] = ()) -> ScaledRecord:
        years = series.years
        dense = float(np.median(np.diff(years))) < 0.2 and years[-1] - years[0] > 2
        has_cycle = self.cycle if self.cycle is not None else dense
        return ScaledRecord(years, series.values, series.sigma, harmonics=2 if has_cycle else 0, apart=apart,
                            breaks=breaks)  # fmt: skip

    def _regress(self, series: Series) -> FittedRegression:
        """Fit with covariates; outliers and change points are those of what the covariates leave."""
        assert self.covariates is not None
        record = self._scaled(series)
        self.covariates.check(series.label, series.dates[0], series.dates[-1])
        raw = self.covariates.at(record.years)
        column_centre, column_scale = raw.mean(axis=0), raw.std(axis=0)
        column_scale[column_scale <= 1e-12 * np.abs(raw).max(axis=0)] = 1.0
        columns = (raw - column_centre) / column_scale
        grid, weights, means, covariances = fit_regression(record, columns)
        if self.robust and len(series) >= _MIN_FOR_EVENTS:
            rest = series.values - record.scale * (columns @ (weights @ means))
            outliers, breaks = find_events(self._scaled(replace(series, values=rest)))
            if outliers or breaks:
                record = self._scaled(series, apart=outliers, breaks=breaks)
                grid, weights, means, covariances = fit_regression(record, columns)
        return FittedRegression(record.years, record.values, record.noise, record.shift, grid, weights,
                                record.harmonics, record.centre, record.scale,
                                (series.recent_sigma / record.scale) ** 2, self.covariates, columns, column_centre,
                                column_scale, means, covariances, series.label)  # fmt: skip
