"""Tracking: from masks, outlines and traced lines to areas, calving fronts and dated series."""

from __future__ import annotations

from glaciertime.track.retreat import RETREAT_COLUMNS, retreat_table, sum_row
from glaciertime.track.series import Tracked, track_scenes
from glaciertime.track.settings import METHODS, TrackSettings

__all__ = [
    "METHODS",
    "RETREAT_COLUMNS",
    "TrackSettings",
    "Tracked",
    "retreat_table",
    "sum_row",
    "track_scenes",
]
