"""ARIMA on a regular grid with its gaps open, in the state-space form of statsmodels, by a compiled likelihood."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import FitError
from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.local.arma import differences, mean_log_likelihood, with_slopes
from glaciertime.forecast.local.grid import Grid, to_grid
from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, from_normal
from glaciertime.forecast.series import Series, as_years

__all__ = ["Arima"]

#: Prior standard deviation of the effect of one standard deviation of a covariate, in that of the values.
_PRIOR = 3.0


@dataclass(frozen=True, eq=False)
class _Regressors:
    """Covariates, centred and scaled by what they were up to the last observation."""

    covariates: Covariates
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    label: str

    def at(self, years: NDArray[np.float64]) -> NDArray[np.float64]:
        return (self.covariates.at(years) - self.centre) / self.scale


@dataclass(frozen=True)
class _FittedArima:
    grid: Grid
    result: Any
    order: tuple[int, int, int]
    #: The series was divided by this before fitting, so that a change of unit changes nothing.
    scale: float
    centre: float
    regressors: _Regressors | None = None

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        ahead = self.grid.steps_ahead(dates)
        count = int(np.ceil(ahead.max()))
        now, at_dates = 0.0, np.zeros(len(dates))
        exog = None
        if self.regressors is not None:
            self.regressors.covariates.check(self.regressors.label, dates[0], dates[-1])
            named = dict(zip(self.result.param_names, self.result.params, strict=True))
            beta = np.array([named[f"x{k + 1}"] for k in range(len(self.regressors.centre))]) * self.scale
            # The covariates' part is taken at the exact dates; the path on the grid is that of the errors.
            exog = np.zeros((count, len(beta)))
            now = float(self.regressors.at(np.array([self.grid.last_years]))[0] @ beta)
            at_dates = self.regressors.at(as_years(dates)) @ beta
        forecast = self.result.get_forecast(count, exog=exog)
        mean = np.asarray(forecast.predicted_mean) * self.scale + self.centre
        variance = np.asarray(forecast.var_pred_mean) * self._spare * self.scale**2
        unsure = self._unsure(dates, ahead, count) * self.scale**2
        centre = self.grid.at(ahead, mean, start=float(self.grid.values[-1]) - now) + at_dates
        spread = np.sqrt(np.maximum(self.grid.at(ahead, variance, start=0.0), 0.0) + unsure)
        if not (np.isfinite(centre).all() and np.isfinite(spread).all()):
            raise FitError("the fitted ARIMA gives no finite forecast")
        return from_normal(dates, centre, spread, levels=levels)

    @property
    def _spare(self) -> float:
        """By how much the variance of the innovations is larger than their mean square: what was fitted took some."""
        count = int(np.isfinite(self.result.model.endog).sum()) - self.order[1]
        return count / max(count - len(self.result.params), 1)

    def _unsure(
        self, dates: NDArray[np.datetime64], ahead: NDArray[np.float64], count: int
    ) -> NDArray[np.float64]:  # fmt: skip
        r"""Return the variances (D,) that the coefficients bring, of covariates and of the drift together.

        The filter is linear in the data (de Jong 1991, doi:10.1214/aos/1176348139): run over each column in the place
        of the values it leaves innovations *X*, of unit variance, so that with the variance :math:`s^2` of those of the
        values, of *n* with *k* parameters, and what the filter makes of the columns up to now taken out of their
        future, *z*,

        .. math:: z^T (X^T X / s^2 + P)^{-1} z, \quad s^2 = \frac{n}{n - k} \hat s^2

        with a prior *P* that is wide against what the record shows.
        """
        from statsmodels.tsa.statespace.sarimax import SARIMAX

        model, (p, d, q) = self.result.model, self.order
        named = dict(zip(self.result.param_names, self.result.params, strict=True))
        process = [named[f"{part}.L{lag}"] for part, most in (("ar", p), ("ma", q)) for lag in range(1, most + 1)]
        columns, future = np.empty((len(model.endog), 0)), np.empty((len(dates), 0))
        if self.regressors is not None:
            columns, future = model.exog, self.regressors.at(as_years(dates))
        if model.trend == "c":
            steps = np.arange(len(columns)) / len(columns)
            columns = np.column_stack([columns, steps**d])
            future = np.column_stack([future, ((len(steps) - 1 + ahead) / len(steps)) ** d])
        if columns.shape[1] == 0:
            return np.zeros(len(dates))
        values = model.endog[:, 0]
        innovations, carried = [], []
        for column in columns.T:
            plain = SARIMAX(np.where(np.isfinite(values), column, np.nan), order=self.order, trend="n")
            found = plain.filter([*process, 1.0], cov_type="none")
            innovations.append(found.standardized_forecasts_error[0][np.isfinite(values)][d:])
            path = np.asarray(found.get_forecast(count).predicted_mean)
            carried.append(self.grid.at(ahead, path, start=float(column[-1])))
        table, news = np.column_stack(innovations), future - np.column_stack(carried)
        square = float(self.result.filter_results.scale) * self._spare
        wide = (_PRIOR * max(float(np.nanstd(values)), 1.0)) ** 2
        known = np.linalg.inv(table.T @ table / square + np.eye(len(table.T)) / wide)
        return np.asarray(np.einsum("dc,ce,de->d", news, known, news))


@dataclass(frozen=True)
class Arima:
    """ARIMA(p, d, q) whose order is chosen by the corrected Akaike criterion, d by a KPSS test.

    A series is put on a regular grid with its gaps open and fitted in the state-space form by an exact Kalman filter,
    with and without drift, the orders searched stepwise (Hyndman and Khandakar 2008, doi:10.18637/jss.v027.i03);
    nothing is interpolated.

    Attributes
    ----------
    max_order : int
        Largest p and q.
    covariates : Covariates, optional
        Regressors of the state-space form, whatever the gaps; what remains unknown of their coefficients, and of the
        drift beside them, widens the interval.
    """

    max_order: int = 2
    covariates: Covariates | None = None

    def fit(self, series: Series) -> _FittedArima:
        """Return the fitted model.

        Raises
        ------
        FitError
            If no order converges.
        InputError
            If a covariate does not cover the observations.
        """
        # Imported before warnings are silenced: the package sets filters of its own on import.
        import statsmodels.tsa.statespace.sarimax  # noqa: F401

        grid = to_grid(series)
        centre = float(np.nanmedian(grid.values))
        scale = float(np.nanmean(np.abs(grid.values - centre)))
        if scale == 0:
            raise FitError(f'{series.label}: all values are equal, there is no order to choose; use model "last"')
        # Rounded, so that the last bit of a unit change does not set the optimiser on another path.
        values = np.round((grid.values - centre) / scale, 9)
        regressors, exog = self._regressors(series, grid) if self.covariates is not None else (None, None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            order, result = self._search(values, exog, is_even=grid.is_even and regressors is None)
        if result is None:
            raise FitError(f'{series.label}: no ARIMA order converged on {len(series)} observations; use "drift"')
        return _FittedArima(grid, result, order, scale, centre, regressors)

    def _regressors(self, series: Series, grid: Grid) -> tuple[_Regressors, NDArray[np.float64]]:
        assert self.covariates is not None
        self.covariates.check(series.label, series.dates[0], series.dates[-1])
        years = grid.last_years + grid.step_years * np.arange(1 - len(grid.values), 1)
        # The first grid date may lie a little before the first observation.
        raw = self.covariates.at(np.maximum(years, series.years[0]))
        spread = raw.std(axis=0)
        spread = np.where(spread <= 1e-12 * np.abs(raw).max(axis=0), 1.0, spread)
        found = _Regressors(self.covariates, raw.mean(axis=0), spread, series.label)
        return found, (raw - found.centre) / found.scale

    def _search(
        self, values: NDArray[np.float64], exog: NDArray[np.float64] | None, *, is_even: bool
    ) -> tuple[tuple[int, int, int], Any]:
        """Return the order of the smallest criterion, and its result; None where none converged."""
        observed = values[np.isfinite(values)]
        typical_gap = float(np.median(np.diff(np.flatnonzero(np.isfinite(values)))))
        d = differences(observed)
        # The constant is one of the differenced values: their drift. A level about the median instead of one that is
        # found spares a parameter, and serves worse where it is found from values between gaps.
        trends = ["n"] * (d > 0 or is_even) + ["c"] * (d < 2)
        extra = 0 if exog is None else exog.shape[1]
        best = float("inf")
        found: list[_Candidate] = []
        tried: set[tuple[int, int, str]] = set()
        queue = [(p, q, trend) for trend in trends for p, q in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 2))]
        while queue:
            p, q, trend = queue.pop(0)
            is_known = (p, q, trend) in tried or max(p, q) > self.max_order or min(p, q) < 0
            if is_known or p + q + (trend != "n") + 1 + extra > len(observed) - d - 2:
                continue
            tried.add((p, q, trend))
            try:
                one = _fitted(values, exog, (p, d, q), trend)
            except (ValueError, np.linalg.LinAlgError):
                continue
            # A swing faster than the record is sampled is seen nowhere in it, and would be forecast between its dates.
            if typical_gap > 1 and one.has_swing_above(np.pi / typical_gap):
                continue
            if np.isfinite(one.criterion) and one.criterion < best:
                best = one.criterion
                found.append(one)
                queue += [(p, q, other) for other in trends if other != trend]
                queue += [(p + dp, q + dq, trend) for dp, dq in ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1))]
        for one in reversed(found):
            try:
                return one.order, one.model.filter(one.parameters, cov_type="none")
            except (ValueError, np.linalg.LinAlgError):
                # At a unit root the process has no variance to begin with, as of values that repeat to the last digit.
                continue
        return (0, d, 0), None


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A model of one order at its most likely parameters, and the corrected Akaike criterion of it."""

    model: Any
    order: tuple[int, int, int]
    parameters: NDArray[np.float64]
    criterion: float

    def has_swing_above(self, angle: float) -> bool:
        """Return whether the process swings faster than so many radians a step."""
        named = dict(zip(self.model.param_names, self.parameters, strict=True))
        roots = np.roots([1.0, *(-named[f"ar.L{lag}"] for lag in range(1, self.order[0] + 1))])
        return bool((np.abs(np.angle(roots)) > angle + 1e-9).any())


def _fitted(
    values: NDArray[np.float64], exog: NDArray[np.float64] | None, order: tuple[int, int, int], trend: str
) -> _Candidate:
    from scipy.optimize import fmin_l_bfgs_b
    from statsmodels.tools.eval_measures import aicc
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    model = SARIMAX(values, exog, order=order, trend=trend, concentrate_scale=True)
    regressors = np.empty((len(values), 0)) if exog is None else np.ascontiguousarray(exog)
    told = (np.ascontiguousarray(values), regressors, order, trend == "c")
    free = np.asarray(model.untransform_params(model.start_params), dtype=float)
    if len(free):
        free, _, _ = fmin_l_bfgs_b(with_slopes, free, args=told, maxiter=50)
    log_likelihood = len(values) * mean_log_likelihood(free, *told)
    parameters = np.asarray(model.transform_params(free))
    criterion = float(aicc(log_likelihood, len(values) - order[1], len(free) + 1))
    return _Candidate(model, order, parameters, criterion)
