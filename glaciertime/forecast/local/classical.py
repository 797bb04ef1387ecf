"""Theta and exponential smoothing from statsforecast, on the last stretch of a record that is free of gaps.

Both need even steps. Where the record has gaps, what lies before the last one is left out rather than filled in:
interpolation before fitting makes intervals too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import SeriesTooShortError
from glaciertime.forecast.local.grid import Grid, to_grid
from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, quantiles_of
from glaciertime.forecast.series import Series

__all__ = ["Ets", "Theta"]

_MIN_STRETCH = 8


@dataclass(frozen=True, eq=False)
class _FittedSmoother:
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
    return grid, (values - centre) / scale, centre, scale


@dataclass(frozen=True)
class Theta:
    """The theta method (Assimakopoulos and Nikolopoulos 2000, doi:10.1016/S0169-2070(00)00066-2)."""

    def fit(self, series: Series) -> _FittedSmoother:
        """Return the model for the last stretch without gaps, at least eight values."""
        from statsforecast.models import Theta as Model

        grid, values, centre, scale = _stretch(series, "theta")
        season = grid.season_length if len(values) >= 3 * grid.season_length else 1
        return _FittedSmoother(grid, values, Model(season_length=season, decomposition_type="additive"), centre, scale)


@dataclass(frozen=True)
class Ets:
    """Exponential smoothing with additive errors, trend and season chosen by information criterion."""

    def fit(self, series: Series) -> _FittedSmoother:
        """Return the model for the last stretch without gaps, at least eight values."""
        from statsforecast.models import AutoETS

        grid, values, centre, scale = _stretch(series, "ets")
        season = grid.season_length if len(values) >= 3 * grid.season_length and grid.season_length <= 24 else 1
        model = AutoETS(season_length=season, model="AZA" if season > 1 else "AZN")
        return _FittedSmoother(grid, values, model, centre, scale)
