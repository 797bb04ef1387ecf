"""Tracking: from masks, outlines and traced lines to areas, calving fronts and dated series.

:func:`track_scenes` measures a glacier's scenes and screens what it finds; :func:`retreat_table` compares two dates.
What is made of a series lies in :mod:`~glaciertime.track.record.periods` (months, seasons, years, seasonal cycle,
annual rates), :mod:`~glaciertime.track.record.trends` (slopes with intervals), :mod:`~glaciertime.breaks` (breaks) and
:mod:`~glaciertime.track.ruler.flowlines` (retreat along parallel lines).

Areas and lengths (positions, widths, rates and their sigmas) are true ones on the ellipsoid, whatever map the work is
done on. Front archives and other tools give lengths in metres of the map, which are off by its scale: 1.9 % too long at
Crane (EPSG:3031), 0.3 % at Jakobshavn (EPSG:3413).

Loss of area is not loss of mass: frontal ablation, retreat plus the flow of ice, is not measured here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glaciertime.lazy import names_on_first_use

if TYPE_CHECKING:
    from glaciertime.breaks import change_table, segment_table
    from glaciertime.track.record.comparison import compare_methods
    from glaciertime.track.record.periods import annual_rates, period_means, seasonal_cycle
    from glaciertime.track.record.retreat import RETREAT_COLUMNS, retreat_table, sum_row
    from glaciertime.track.record.screening import keep
    from glaciertime.track.record.trends import rate_table
    from glaciertime.track.ruler.ruler import front_position
    from glaciertime.track.series import Tracked, track_scenes
    from glaciertime.track.settings import METHODS, ScreeningSettings, TrackSettings

__all__ = [
    "METHODS",
    "RETREAT_COLUMNS",
    "ScreeningSettings",
    "TrackSettings",
    "Tracked",
    "annual_rates",
    "change_table",
    "compare_methods",
    "front_position",
    "keep",
    "period_means",
    "rate_table",
    "retreat_table",
    "seasonal_cycle",
    "segment_table",
    "sum_row",
    "track_scenes",
]

__getattr__, __dir__ = names_on_first_use(
    __name__,
    {
        "glaciertime.breaks": (
            "change_table",
            "segment_table",
        ),
        "record.comparison": ("compare_methods",),
        "record.periods": (
            "annual_rates",
            "period_means",
            "seasonal_cycle",
        ),
        "record.retreat": (
            "RETREAT_COLUMNS",
            "retreat_table",
            "sum_row",
        ),
        "record.screening": ("keep",),
        "record.trends": ("rate_table",),
        "ruler.ruler": ("front_position",),
        "series": (
            "Tracked",
            "track_scenes",
        ),
        "settings": (
            "METHODS",
            "ScreeningSettings",
            "TrackSettings",
        ),
    },
)
