"""From dated satellite scenes to glacier areas, calving fronts, time series and forecasts, with uncertainties."""

from __future__ import annotations

from glaciertime.lazy import names_on_first_use

__version__ = "0.1.0"

__all__ = [
    "Archive",
    "Catalog",
    "Glacier",
    "GlacierRecord",
    "GlacierTimeError",
    "Series",
    "TrackRequest",
    "TrackSettings",
    "backtest",
    "forecast_series",
    "load_catalog",
    "read_record",
    "read_series",
    "records",
    "retreat_table",
    "series_from_observations",
    "track_glacier",
    "track_many",
    "track_scenes",
    "validate",
]

__getattr__, __dir__ = names_on_first_use(
    __name__,
    {
        "archive": ("Archive",),
        "catalog": (
            "Catalog",
            "Glacier",
            "load_catalog",
        ),
        "errors": ("GlacierTimeError",),
        "forecast": (
            "Series",
            "backtest",
            "forecast_series",
            "series_from_observations",
        ),
        "pipeline": (
            "TrackRequest",
            "track_glacier",
            "track_many",
        ),
        "record": ("GlacierRecord", "read_record", "records"),
        "scenes.series": ("read_series",),
        "tables": ("validate",),
        "track": (
            "TrackSettings",
            "retreat_table",
            "track_scenes",
        ),
    },
)
