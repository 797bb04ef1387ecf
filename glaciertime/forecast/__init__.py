"""Forecasts of dated series at exact dates, with intervals, and the backtest that says what they are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glaciertime.lazy import names_on_first_use

if TYPE_CHECKING:
    from glaciertime.forecast.judged.backtest import METRICS, Backtest, backtest, run_backtest, scores_of
    from glaciertime.forecast.judged.origins import Origins
    from glaciertime.forecast.models import MODELS, model_names, model_table
    from glaciertime.forecast.predict import forecast_series, target_dates_until
    from glaciertime.forecast.prediction import DEFAULT_LEVELS
    from glaciertime.forecast.screening import flag_interpolated
    from glaciertime.forecast.series import Series, observations_from_table, series_from_observations

__all__ = [
    "DEFAULT_LEVELS",
    "METRICS",
    "MODELS",
    "Backtest",
    "Origins",
    "Series",
    "backtest",
    "flag_interpolated",
    "forecast_series",
    "model_names",
    "model_table",
    "observations_from_table",
    "run_backtest",
    "scores_of",
    "series_from_observations",
    "target_dates_until",
]

__getattr__, __dir__ = names_on_first_use(
    __name__,
    {
        "judged.backtest": (
            "METRICS",
            "Backtest",
            "backtest",
            "run_backtest",
            "scores_of",
        ),
        "judged.origins": ("Origins",),
        "models": (
            "MODELS",
            "model_names",
            "model_table",
        ),
        "predict": (
            "forecast_series",
            "target_dates_until",
        ),
        "prediction": ("DEFAULT_LEVELS",),
        "screening": ("flag_interpolated",),
        "series": (
            "Series",
            "observations_from_table",
            "series_from_observations",
        ),
    },
)
