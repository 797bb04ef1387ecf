"""From dated satellite scenes to glacier areas, calving fronts, time series and forecasts, with uncertainties."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

# Public name -> module; imported on first use, so that the command line starts fast.
_PUBLIC = {
    "Archive": "archive",
    "Catalog": "catalog",
    "Glacier": "catalog",
    "GlacierTimeError": "errors",
    "Series": "forecast",
    "TrackRequest": "pipeline",
    "TrackSettings": "track",
    "backtest": "forecast",
    "forecast_series": "forecast",
    "load_catalog": "catalog",
    "retreat_table": "track",
    "series_from_observations": "forecast",
    "track_glacier": "pipeline",
    "track_many": "pipeline",
    "track_scenes": "track",
    "validate": "tables",
}

__all__ = [
    "Archive",
    "Catalog",
    "Glacier",
    "GlacierTimeError",
    "Series",
    "TrackRequest",
    "TrackSettings",
    "backtest",
    "forecast_series",
    "load_catalog",
    "retreat_table",
    "series_from_observations",
    "track_glacier",
    "track_many",
    "track_scenes",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        from importlib import import_module

        return getattr(import_module(f"glaciertime.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'glaciertime' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
