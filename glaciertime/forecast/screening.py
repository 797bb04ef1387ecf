"""Values that were not measured: points on exact straight lines between their neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.series import Series
from glaciertime.tables import OUTLIER_FLAGS, flags_of, join_flags

__all__ = [
    "FROM_THE_WHOLE_RECORD",
    "flag_interpolated",
    "forget_later_flags",
    "on_straight_line",
    "without_later_flags",
]

#: Flags that are made by looking at later values too: at an earlier cutoff they would tell of what came later.
FROM_THE_WHOLE_RECORD = ("interpolated", "unconfirmed", *OUTLIER_FLAGS)


def on_straight_line(series: Series) -> NDArray[np.bool_]:
    """Return, per observation, whether it lies exactly between its two neighbours on a line that is not flat.

    Exactly is one part in a million of the change between the neighbours. Time is counted in days; where the three
    dates are the same day of their years, as in records that know the year only, a line in calendar years counts
    too. Nothing but the three observations is looked at, so that what is known of a point does not change later.

    Returns
    -------
    (N,) bool
        False at both ends.

    Examples
    --------
    >>> from glaciertime.forecast.example import make_series
    >>> dates = ["2000-01-01", "2001-01-01", "2002-01-01", "2003-01-01"]
    >>> on_straight_line(make_series(dates, [0.0, 10.0, 20.0, 25.0])).tolist()
    [False, True, False, False]
    """
    flags = np.zeros(len(series), dtype=bool)
    if len(series) < 3:
        return flags
    day_of_year = np.array([text[-5:] for text in series.dates.astype(str)])
    same_day = (day_of_year[1:-1] == day_of_year[:-2]) & (day_of_year[1:-1] == day_of_year[2:])
    y = series.values
    change = y[2:] - y[:-2]
    for t, counts in ((series.dates, np.ones(len(same_day), dtype=bool)), (series.dates.astype("M8[Y]"), same_day)):
        when = t.astype(np.int64)
        share = np.divide(when[1:-1] - when[:-2], when[2:] - when[:-2], where=counts, out=np.zeros(len(counts)))
        is_near = np.abs(y[1:-1] - y[:-2] - change * share) <= 1e-6 * np.abs(change)
        flags[1:-1] |= counts & is_near & (change != 0)
    return flags


def flag_interpolated(series: Series) -> Series:
    """Return the series with ``interpolated`` added to the quality of values on exact straight lines."""
    flags = on_straight_line(series)
    quality = [
        join_flags({**flags_of(text), "interpolated": ""}) if flag else text
        for flag, text in zip(flags, series.quality, strict=True)
    ]
    return replace(series, quality=np.array(quality, dtype=object))


def without_later_flags(quality: str) -> str:
    """Return the quality of an observation without the flags that are made from the whole record.

    Examples
    --------
    >>> without_later_flags("year-only; interpolated")
    'year-only'
    """
    return join_flags({flag: why for flag, why in flags_of(quality).items() if flag not in FROM_THE_WHOLE_RECORD})


def forget_later_flags(series: Series) -> Series:
    """Return the series without the flags that are made from the whole record."""
    return replace(series, quality=np.array([without_later_flags(text) for text in series.quality], dtype=object))
