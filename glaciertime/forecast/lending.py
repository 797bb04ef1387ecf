"""What packages that count in steps are given of our forecasters: values with made-up dates, and steps behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.forecast.models import Model, get_model
from glaciertime.forecast.prediction import Prediction
from glaciertime.forecast.series import Series
from glaciertime.naming import counted

__all__ = ["local_model", "predict_steps", "series_of_values"]

Array = NDArray[np.float64]


def local_model(name: str) -> Model:
    """Return a model that can be lent; one that learns from other glaciers is refused."""
    model = get_model(name)
    if model.is_global:
        raise InputError(f"model {name!r} learns from other glaciers; only models of one series can be lent")
    return model


def series_of_values(values: Array, season_length: int) -> Series:
    """Return values as a series of simulated dates: a year apart, or a year's part for a season."""
    step = 365.25 / season_length
    if step * len(values) > 365.25 * 250:
        raise InputError(
            f"{counted(len(values), 'values')} a year apart leave the calendar; give the season_length of the data"
        )
    days = np.datetime64("2000-01-01") + np.rint(step * np.arange(len(values))).astype("timedelta64[D]")
    count = len(values)
    return Series("values", "front_position_m", "-", "-", "-", "m", "simulated", days, np.asarray(values, dtype=float),
                  np.full(count, np.nan), np.full(count, "ok", dtype=object))  # fmt: skip


def predict_steps(fitted: Any, series: Series, season_length: int, count: int, levels: Sequence[float]) -> Prediction:
    """Return what a model fitted to :func:`series_of_values` forecasts for the steps behind them."""
    step = 365.25 / season_length
    ahead = np.rint(step * np.arange(1, count + 1)).astype("timedelta64[D]")
    prediction: Prediction = fitted.predict(series.dates[-1] + ahead, levels=tuple(levels))
    return prediction
