"""ARIMA: pmdarima on even series without gaps, the state-space form of statsmodels where there are gaps."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import FitError
from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.local.grid import Grid, to_grid
from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, from_normal
from glaciertime.forecast.series import Series, as_years

__all__ = ["Arima"]

#: Of fewer values the KPSS test, its variance smoothed over lags, hardly ever rejects: a clean line of eight is level.
_FEW = 20
#: Critical value of the KPSS statistic of a level, 5 %.
_KPSS_LEVEL = 0.463


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
        variance = np.asarray(forecast.var_pred_mean) * self.scale**2
        centre = self.grid.at(ahead, mean, start=float(self.grid.values[-1]) - now) + at_dates
        spread = np.sqrt(np.maximum(self.grid.at(ahead, variance, start=0.0), 0.0))
        if not (np.isfinite(centre).all() and np.isfinite(spread).all()):
            raise FitError("the fitted ARIMA gives no finite forecast")
        return from_normal(dates, centre, spread, levels=levels)


@dataclass(frozen=True)
class Arima:
    """ARIMA(p, d, q) whose order is chosen by the corrected Akaike criterion, d by a KPSS test.

    An even series without gaps goes to ``pmdarima.auto_arima`` (stepwise search). Any other is put on a regular
    grid with its gaps open and fitted in the state-space form by an exact Kalman filter, with and without drift,
    the orders searched stepwise from the small ones (Hyndman and Khandakar 2008, doi:10.18637/jss.v027.i03);
    nothing is interpolated.

    Attributes
    ----------
    max_order : int
        Largest p and q.
    covariates : Covariates, optional
        Regressors of the state-space form, whatever the gaps; the intervals take their coefficients as known.
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
        # Imported before warnings are silenced: both packages set filters of their own on import.
        import pmdarima  # noqa: F401
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
            even = grid.is_even and regressors is None
            order, result = self._even(values) if even else self._gaps(values, exog)
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
        found = _Regressors(self.covariates, raw.mean(axis=0), np.where(spread < 1e-12, 1.0, spread), series.label)
        return found, (raw - found.centre) / found.scale

    def _even(self, values: NDArray[np.float64]) -> tuple[tuple[int, int, int], Any]:
        import pmdarima

        model = pmdarima.auto_arima(
            values, d=_differences(values), seasonal=False, max_p=self.max_order, max_q=self.max_order,
            information_criterion="aicc", error_action="ignore", suppress_warnings=True,
        )  # fmt: skip
        return model.order, model.arima_res_

    def _gaps(
        self, values: NDArray[np.float64], exog: NDArray[np.float64] | None = None
    ) -> tuple[tuple[int, int, int], Any]:
        from statsmodels.tsa.statespace.sarimax import SARIMAX

        observed = values[np.isfinite(values)]
        typical_gap = float(np.median(np.diff(np.flatnonzero(np.isfinite(values)))))
        d = _differences(observed)
        # The trend is one of the differenced values: a constant of theirs is the drift.
        trends = {0: ["c"], 1: ["n", "c"]}.get(d, ["n"])
        extra = 0 if exog is None else exog.shape[1]
        best: tuple[float, tuple[int, int, int], Any] = (np.inf, (0, d, 0), None)
        tried: set[tuple[int, int, str]] = set()
        queue = [(p, q, trend) for trend in trends for p, q in ((0, 0), (1, 0), (0, 1), (1, 1))]
        while queue:
            p, q, trend = queue.pop(0)
            is_known = (p, q, trend) in tried or max(p, q) > self.max_order or min(p, q) < 0
            if is_known or p + q + (trend != "n") + 1 + extra > len(observed) - d - 2:
                continue
            tried.add((p, q, trend))
            try:
                model = SARIMAX(values, exog, order=(p, d, q), trend=trend, concentrate_scale=True)
                # The covariance of the parameters is not used, and costs more than the fit.
                result = model.fit(disp=False, maxiter=50, cov_type="none")
            except (ValueError, np.linalg.LinAlgError):
                continue
            # A swing faster than the record is sampled is seen nowhere in it, and would be forecast between its dates.
            if typical_gap > 1 and (np.abs(np.angle(result.arroots)) > np.pi / typical_gap + 1e-9).any():
                continue
            if np.isfinite(result.aicc) and result.aicc < best[0]:
                best = (float(result.aicc), (p, d, q), result)
                queue += [(p + dp, q + dq, trend) for dp, dq in ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1))]
        return best[1], best[2]


def _differences(values: NDArray[np.float64]) -> int:
    r"""Return how often values (N,) are to be differenced, 0 to 2: by the KPSS test, of few without smoothing it.

    .. math:: \sum_i S_i^2 / (N^2 s^2), \quad S_i = \sum_{j \le i} (y_j - \bar y)

    with the variance :math:`s^2` (Kwiatkowski et al. 1992, doi:10.1016/0304-4076(92)90104-Y).
    """
    import pmdarima

    if len(values) <= 5:
        return 1
    try:
        found = int(pmdarima.arima.ndiffs(values, test="kpss", max_d=2))
    except ValueError:
        return 1
    if found == 0 and len(values) < _FEW:
        about = values - values.mean()
        variance = float(np.mean(about**2))
        if variance > 0 and float(np.mean(np.cumsum(about) ** 2)) / (len(values) * variance) > _KPSS_LEVEL:
            return 1
    return found
