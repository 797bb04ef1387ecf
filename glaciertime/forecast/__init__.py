"""Forecasts of dated series at exact dates, with intervals, and the backtest that says what they are worth."""

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
