"""Theta and exponential smoothing of statsforecast, auto_arima of pmdarima: on the last stretch that is free of gaps.

All need even steps. Where the record has gaps, what lies before the last one is left out rather than filled in:
interpolation before fitting makes intervals too narrow.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import FitError, SeriesTooShortError
from glaciertime.forecast.local.grid import Grid, to_grid
from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, quantiles_of
from glaciertime.forecast.series import Series

__all__ = ["AutoArima", "Ets", "Theta"]

_MIN_STRETCH = 8


@dataclass(frozen=True, eq=False)
class _FittedSteps:
    grid: Grid
    values: NDArray[np.float64]
    model: Any
    centre: float
    scale: float

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        ahead = self.grid.steps_ahead(dates)
        count = int(np.ceil(ahead.max()))
        quantiles = quantiles_of(levels)
        asked = sorted({round(100 * abs(1 - 2 * p), 6) for p in quantiles if abs(p - 0.5) > 1e-9})
        answer = self.model.forecast(y=self.values, h=count, level=asked)
        columns = []
        for p in quantiles:
            if abs(p - 0.5) < 1e-9:
                path = answer["mean"]
            else:
                level = round(100 * abs(1 - 2 * p), 6)
                side = "lo" if p < 0.5 else "hi"
                key = next(k for k in answer if k.startswith(side) and abs(float(k[3:]) - level) < 1e-6)
                path = answer[key]
            columns.append(self.grid.at(ahead, np.asarray(path, dtype=float), start=float(self.values[-1])))
        table = np.column_stack(columns)
        # Some bounds come from random draws: the errors are symmetric, so both sides tell of the same width.
        middle = table[:, [int(np.argmin(np.abs(quantiles - 0.5)))]]
        table = middle + (table - table[:, ::-1]) / 2
        return Prediction(dates, quantiles, self.centre + self.scale * table)


def _stretch(series: Series, name: str) -> tuple[Grid, NDArray[np.float64], float, float]:
    grid = to_grid(series)
    gaps = np.flatnonzero(np.isnan(grid.values))
    values = grid.values[gaps[-1] + 1 :] if len(gaps) else grid.values
    if len(values) < _MIN_STRETCH:
        raise SeriesTooShortError(series.label, len(values), f"{name}, which needs even steps,", _MIN_STRETCH,
                                  "count since the last gap; use kalman, which takes any dates")  # fmt: skip
    centre = float(values[-1])
    scale = float(np.mean(np.abs(np.diff(values)))) or 1.0
    # Rounded, so that the last bit of a unit change does not set the search on another path.
    return grid, np.round((values - centre) / scale, 9), centre, scale


@dataclass(frozen=True)
class Theta:
    """The theta method (Assimakopoulos and Nikolopoulos 2000, doi:10.1016/S0169-2070(00)00066-2)."""

    def fit(self, series: Series) -> _FittedSteps:
        """Return the model for the last stretch without gaps, at least eight values."""
        from statsforecast.models import Theta as Model

        grid, values, centre, scale = _stretch(series, "theta")
        season = grid.season_length if len(values) >= 3 * grid.season_length else 1
        return _FittedSteps(grid, values, Model(season_length=season, decomposition_type="additive"), centre, scale)


@dataclass(frozen=True)
class Ets:
    """Exponential smoothing with additive errors, trend and season chosen by information criterion."""

    def fit(self, series: Series) -> _FittedSteps:
        """Return the model for the last stretch without gaps, at least eight values."""
        from statsforecast.models import AutoETS

        grid, values, centre, scale = _stretch(series, "ets")
        season = grid.season_length if len(values) >= 3 * grid.season_length and grid.season_length <= 24 else 1
        model = AutoETS(season_length=season, model="AZA" if season > 1 else "AZN")
        return _FittedSteps(grid, values, model, centre, scale)


class _Pmdarima:
    """A fitted ARIMA that answers as the models of statsforecast do."""

    def __init__(self, fitted: Any) -> None:
        self._fitted = fitted

    def forecast(self, *, y: NDArray[np.float64], h: int, level: Sequence[float]) -> dict[str, NDArray[np.float64]]:
        """Return ``mean`` and, for each level in percent, ``lo-L`` and ``hi-L``, (h,) each, after the fitted values."""
        answer = {"mean": np.asarray(self._fitted.predict(n_periods=h), dtype=float)}
        for one in level:
            _, bounds = self._fitted.predict(n_periods=h, return_conf_int=True, alpha=1 - one / 100)
            answer[f"lo-{one}"], answer[f"hi-{one}"] = np.asarray(bounds, dtype=float).T
        return answer


@dataclass(frozen=True)
class AutoArima:
    """ARIMA without a season, by the search of pmdarima (Hyndman and Khandakar 2008, doi:10.18637/jss.v027.i03).

    Orders by the corrected Akaike criterion, differences by a KPSS test. ``arima`` is the same idea for any dates: gaps
    stay open there, where pmdarima refuses them.
    """

    def fit(self, series: Series) -> _FittedSteps:
        """Return the model for the last stretch without gaps, at least eight values.

        Raises
        ------
        SeriesTooShortError
            With fewer.
        FitError
            Where no order can be fitted.
        """
        # Imported before warnings are silenced: the package sets filters of its own on import.
        import pmdarima

        grid, values, centre, scale = _stretch(series, "auto-arima")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fitted = pmdarima.auto_arima(
                    values, seasonal=False, information_criterion="aicc", error_action="ignore",
                    suppress_warnings=True,
                )  # fmt: skip
            except ValueError as error:
                raise FitError(
                    f'{series.label}: no order of auto-arima can be fitted ({error}); use "arima"'
                ) from error
        return _FittedSteps(grid, values, _Pmdarima(fitted), centre, scale)
