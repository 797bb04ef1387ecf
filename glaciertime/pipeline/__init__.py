"""Composes the rooms: track a glacier or many, forecast and backtest what an archive holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glaciertime.lazy import names_on_first_use

if TYPE_CHECKING:
    from glaciertime.pipeline.forecasting import (
        choose_series,
        default_models,
        front_of_contours,
        predict_contours,
    )
    from glaciertime.pipeline.learning import other_glaciers
    from glaciertime.pipeline.tracking import (
        TrackOutcome,
        TrackRequest,
        find_glacier,
        store,
        track_glacier,
    )
    from glaciertime.pipeline.tracking_many import track_many

__all__ = [
    "TrackOutcome",
    "TrackRequest",
    "choose_series",
    "default_models",
    "find_glacier",
    "front_of_contours",
    "other_glaciers",
    "predict_contours",
    "store",
    "track_glacier",
    "track_many",
]

__getattr__, __dir__ = names_on_first_use(
    __name__,
    {
        "forecasting": (
            "choose_series",
            "default_models",
            "front_of_contours",
            "predict_contours",
        ),
        "learning": ("other_glaciers",),
        "tracking": ("TrackOutcome", "TrackRequest", "find_glacier", "store", "track_glacier"),
        "tracking_many": ("track_many",),
    },
)
