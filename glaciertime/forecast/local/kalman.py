"""Level, damped rate, mean rate and annual cycle at exact dates, averaged over what the likelihood allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.local.regression import FittedRegression, fit_regression
from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, quantiles_of
from glaciertime.forecast.series import Series, as_years

__all__ = ["FittedKalman", "Kalman"]

#: Ratios that span what records of glaciers show: observation and rate noise against that of the level, and the
#: memory of the rate, all in units of the record's median step.
_OBS = (1e-3, 0.05, 0.3, 1.0, 3.0, 15.0)
_RATE = (1e-5, 1e-3, 1e-2, 0.06, 0.3, 1.5, 8.0)
_TAU = (1.0, 3.0, 9.0, 27.0, 1e6)
#: Prior standard deviation of the mean rate, in units of a typical step.
_MEAN_RATE_STEPS = 3.0
#: How much the log-likelihood must gain for an outlier or a change point to be believed.
_GAIN = 8.0
_MAX_BREAKS = 3
#: Scales that are tried where a known sigma fixes the unit of the noise.
_SCALES = (1e-3, 0.03, 0.12, 0.4, 1.0, 2.5, 6.0)
_SURPRISE = 2.5
#: Which of a row's parameters is no variance: the memory of the rate.
_FIXED = np.array([False, False, False, True, False, False, False])


@lru_cache(maxsize=4)
def _ratios() -> NDArray[np.float64]:
    obs, rate, tau = (axis.ravel() for axis in np.meshgrid(_OBS, _RATE, _TAU, indexing="ij"))
    rows = np.column_stack([obs, np.ones_like(obs), rate, tau])
    # A level that hardly moves by itself: a smooth trend under noise.
    smooth = rows.copy()
    smooth[:, 1] = 1e-4
    keep = (rows[:, 0] >= 0.3) & (rows[:, 2] >= 1e-3)
    return np.concatenate([rows, smooth[keep]])


@dataclass(frozen=True, eq=False)
class FittedKalman:
    """The models that the likelihood allows, with their weights.

    Attributes
    ----------
    grid : (K, 7) float64
        Parameters, in units of the series' scale squared; see :mod:`glaciertime.forecast.local.filter`.
    weights : (K,) float64
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
    log_likelihood: float
    best_row: NDArray[np.float64]
    outliers: tuple[int, ...]
    breaks: tuple[int, ...]

    def moments(self, dates: NDArray[np.datetime64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and variance of an observation under each model, (K, D) each, in scaled units."""
        from glaciertime.forecast.local.filter import forecast_moments

        return forecast_moments(
            self.years, self.values, self.noise, self.shift, self.grid, self.harmonics, as_years(dates),
        )  # fmt: skip

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        """Return the quantiles of the mixture of the models' normal distributions."""
        from scipy.special import ndtri

        from glaciertime.forecast.local.filter import forecast_moments, mixture_quantiles

        # The lightest models together hold one part in two hundred: they move no quantile that is asked for.
        order = np.argsort(self.weights, kind="stable")[::-1]
        keep = order[: int(np.searchsorted(np.cumsum(self.weights[order]), 0.995)) + 1]
        means, variances = forecast_moments(self.years, self.values, self.noise, self.shift, self.grid[keep],
                                            self.harmonics, as_years(dates))  # fmt: skip
        quantiles = quantiles_of(levels)
        weights = self.weights[keep] / self.weights[keep].sum()
        values = mixture_quantiles(means, np.sqrt(variances), weights, quantiles, ndtri(quantiles))
        return Prediction(dates, quantiles, self.centre + self.scale * values)


@dataclass(frozen=True)
class Kalman:
    """State-space model at exact dates, fitted by its closed-form likelihood.

    The likelihood is evaluated on a grid of variance ratios, its scale in closed form where no sigma is known;
    the forecast is the mixture of all models weighted by it, so that what the record cannot tell widens the
    interval. An observation's own sigma enters as known variance. One observation at a time is set aside as an
    outlier, or given a jump of the level before it, where that raises the log-likelihood by more than 8; the last
    two observations are left as they are, because an outlier and a jump look alike there.

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
        work, centre, scale = self._scaled(series)
        outliers, breaks = work.find_breaks() if self.robust and len(series) >= 8 else ((), ())
        grid, weights = work.weigh()
        best_row, best = work.refine() if search else (grid[int(np.argmax(weights))], float("nan"))
        likelihood = best - (len(series) - 2) * float(np.log(scale))
        return FittedKalman(work.years, work.values, work.noise, work.shift, grid, weights, work.harmonics, centre,
                            scale, likelihood, best_row, outliers, breaks)  # fmt: skip

    def _scaled(self, series: Series) -> tuple[_Work, float, float]:
        """Return the series in scaled units, with centre and scale."""
        years, raw = series.years, series.values
        steps, gaps = np.diff(raw), np.diff(years)
        gap = float(np.median(gaps))
        # Robust and never zero unless nothing ever changed.
        typical = float(np.median(np.abs(steps) / np.sqrt(gaps))) * np.sqrt(gap) / 0.6745
        scale = max(typical, 0.2 * float(np.sqrt(np.mean(steps**2 / gaps)) * np.sqrt(gap)))
        known = np.where(np.isnan(series.sigma), 0.0, series.sigma)
        if scale == 0:
            scale = float(np.max(known)) or 1.0
        centre = float(raw[-1])
        values, noise = (raw - centre) / scale, (known / scale) ** 2
        has_cycle = self.cycle if self.cycle is not None else gap < 0.2 and years[-1] - years[0] > 2
        work = _Work(years, values, noise, gap, 2 if has_cycle else 0, bool((steps == 0).all()))
        return work, centre, scale

    def _regress(self, series: Series) -> FittedRegression:
        """Fit with covariates; outliers and change points are those of what the covariates leave."""
        assert self.covariates is not None
        work, centre, scale = self._scaled(series)
        self.covariates.check(series.label, series.dates[0], series.dates[-1])
        raw = self.covariates.at(work.years)
        column_centre, column_scale = raw.mean(axis=0), raw.std(axis=0)
        column_scale[column_scale < 1e-12] = 1.0
        columns = (raw - column_centre) / column_scale

        def fitted() -> tuple[NDArray[np.float64], ...]:
            return fit_regression(
                work.years, work.values, work.noise, work.shift, work.with_scales(work.grid()), columns,
                harmonics=work.harmonics, has_sigma=work.has_sigma, constant=work.constant,
            )  # fmt: skip

        grid, weights, means, covariances = fitted()
        if self.robust and len(work.years) >= 8:
            rest = work.values - columns @ (weights @ means)
            other = _Work(work.years, rest, work.noise, work.gap, work.harmonics, work.constant)
            if any(other.find_breaks()):
                work.noise, work.shift = other.noise, other.shift
                grid, weights, means, covariances = fitted()
        return FittedRegression(work.years, work.values, work.noise, work.shift, grid, weights, work.harmonics, centre,
                                scale, self.covariates, columns, column_centre, column_scale, means, covariances,
                                series.label)  # fmt: skip


class _Work:
    """One series in scaled units while it is being fitted."""

    def __init__(
        self, years: NDArray[np.float64], values: NDArray[np.float64], noise: NDArray[np.float64], gap: float,
        harmonics: int, constant: bool,
    ) -> None:  # fmt: skip
        self.years, self.values, self.noise = years, values, noise.copy()
        self.shift = np.zeros(len(years))
        self.gap, self.harmonics, self.constant = gap, harmonics, constant
        self.cycle_variance = float(np.var(values)) if harmonics else 0.0
        self.has_sigma = bool((noise > 0).any())
        #: The grid evaluated for the breaks as they are, kept for the weights.
        self.last: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def grid(self) -> NDArray[np.float64]:
        """Return the ratios in scaled units, for a variance of one per median step."""
        ratios = _ratios()
        rows = np.zeros((len(ratios), 7))
        rows[:, :4] = ratios
        rows[:, 1] /= self.gap
        rows[:, 2] /= self.gap**3
        rows[:, 3] *= self.gap
        # The typical variance of a step is one under every row.
        step = rows[:, 0] * 2 + rows[:, 1] * self.gap + rows[:, 2] * self.gap**3
        rows[:, :3] /= step[:, None]
        rows[:, 5] = (_MEAN_RATE_STEPS / self.gap) ** 2
        rows[:, 6] = self.cycle_variance
        return rows

    def with_scales(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rows with every scale that is tried: where no sigma is known, it has a closed form."""
        return np.concatenate([np.where(_FIXED, rows, rows * factor) for factor in _SCALES]) if self.has_sigma else rows

    def evaluate(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rows with their scale, and their log-likelihoods."""
        from glaciertime.forecast.local.filter import filter_grid

        rows = self.with_scales(rows)
        sums = filter_grid(self.years, self.values, self.noise, self.shift, rows, self.harmonics)
        if self.has_sigma:
            return rows, -0.5 * (sums[:, 0] + sums[:, 1] + sums[:, 2] * np.log(2 * np.pi))
        count = sums[:, 2]
        # Two pseudo-observations at the scale of the record keep short or nearly constant records proper.
        scale = (sums[:, 1] + (0.0 if self.constant else 1.0)) / (count + 1.0)
        scale = np.maximum(scale, 1e-12)
        likelihood = -0.5 * (sums[:, 0] + count * np.log(2 * np.pi * scale) + sums[:, 1] / scale)
        return np.where(_FIXED, rows, rows * scale[:, None]), likelihood

    def weigh(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the parameter rows that matter, and their weights."""
        rows, likelihood = self.last if self.last is not None else self.evaluate(self.grid())
        best = float(likelihood.max())
        keep = likelihood > best - 7.0
        weights = np.exp(likelihood[keep] - best)
        return rows[keep], weights / weights.sum()

    def refine(self) -> tuple[NDArray[np.float64], float]:
        """Return the most likely row and its log-likelihood given the first two values.

        It is not added to the mixture, in which every row stands for its neighbourhood.
        """
        from glaciertime.forecast.local.likelihood import most_likely

        rows, likelihood = self.last if self.last is not None else self.evaluate(self.grid())
        if self.constant or len(self.years) < 4:
            return rows[int(np.argmax(likelihood))], float(likelihood.max())
        return most_likely(self.years, self.values, self.noise, self.shift, rows, likelihood,
                           harmonics=self.harmonics, free_scale=not self.has_sigma)  # fmt: skip

    def find_breaks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Set outliers aside and open change points, greedily; return their indices."""
        from glaciertime.forecast.local.filter import innovations

        outliers: list[int] = []
        breaks: list[int] = []
        spread = max(float(np.max(np.abs(self.values))) ** 2, 1.0) * 10
        for _ in range(_MAX_BREAKS):
            rows, likelihood = self.last = self.evaluate(self.grid())
            best = rows[int(np.argmax(likelihood))]

            base, gains = self._fit_of(best), []
            surprise = np.abs(innovations(self.years, self.values, self.noise, self.shift, best, self.harmonics))
            # What is unlike the rest surprises when it comes, or when the next value does not follow it.
            large = np.flatnonzero(surprise > _SURPRISE)
            for index in sorted({int(i) for i in large} | {int(i) - 1 for i in large}):
                if not 1 <= index < len(self.years) - 2 or index in outliers or index in breaks:
                    continue
                for kind, array in (("outlier", self.noise), ("break", self.shift)):
                    before = array[index]
                    array[index] += spread
                    gains.append((self._fit_of(best) - base, index, kind))
                    array[index] = before
            gain, index, kind = max(gains, default=(0.0, 0, ""))
            if gain < _GAIN:
                break
            (self.noise if kind == "outlier" else self.shift)[index] += spread
            self.last = None
            (outliers if kind == "outlier" else breaks).append(index)
        return tuple(sorted(outliers)), tuple(sorted(breaks))

    def _fit_of(self, row: NDArray[np.float64]) -> float:
        """Return the log-likelihood of one row of parameters, up to a constant."""
        from glaciertime.forecast.local.filter import filter_grid

        sums = filter_grid(self.years, self.values, self.noise, self.shift, row[None, :], self.harmonics)
        return -0.5 * float(sums[0, 0] + sums[0, 1])
