"""Values that were not measured: points on exact straight lines between their neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.series import Series
from glaciertime.tables import OUTLIER_FLAGS, flags_of, join_flags

__all__ = ["FROM_THE_WHOLE_RECORD", "flag_interpolated", "forget_later_flags", "on_straight_line"]

#: Flags that are made by looking at later values too: at an earlier cutoff they would tell of what came later.
FROM_THE_WHOLE_RECORD = ("interpolated", "unconfirmed", *OUTLIER_FLAGS)


def on_straight_line(series: Series) -> NDArray[np.bool_]:
    """Return, per observation, whether it lies exactly between its two neighbours on a line that is not flat.

    Exactly is one part in a million of the change between the neighbours. Where all dates are 1 January, as in
    records that know the year only, the line is drawn in calendar years.

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
    year = series.dates.astype("M8[Y]")
    is_annual = bool((series.dates == year.astype("M8[D]")).all())
    t = (year if is_annual else series.dates).astype(np.int64)
    y = series.values
    change = y[2:] - y[:-2]
    line = y[:-2] + change * (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    flags[1:-1] = (np.abs(y[1:-1] - line) <= 1e-6 * np.abs(change)) & (change != 0)
    return flags


def flag_interpolated(series: Series) -> Series:
    """Return the series with ``interpolated`` added to the quality of values on exact straight lines."""
    flags = on_straight_line(series)
    quality = [
        join_flags({**flags_of(text), "interpolated": ""}) if flag else text
        for flag, text in zip(flags, series.quality, strict=True)
    ]
    return replace(series, quality=np.array(quality, dtype=object))


def forget_later_flags(series: Series) -> Series:
    """Return the series without the flags that are made from the whole record."""
    quality = [
        join_flags({flag: why for flag, why in flags_of(text).items() if flag not in FROM_THE_WHOLE_RECORD})
        for text in series.quality
    ]
    return replace(series, quality=np.array(quality, dtype=object))
