"""Small made-up series for docstrings, tests and first steps; they say that they are simulated."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from glaciertime.forecast.series import Series, as_days

__all__ = ["make_series", "straight_series"]


def make_series(
    dates: ArrayLike,
    values: ArrayLike,
    *,
    sigma: ArrayLike | float = np.nan,
    glacier: str = "Example",
    variable: str = "front_position_m",
    unit: str = "m",
) -> Series:
    """Return a simulated series of the given dates and values.

    Examples
    --------
    >>> len(make_series(["2001-01-01", "2002-01-01"], [1.0, 2.0]))
    2
    """
    days, numbers = as_days(dates), np.asarray(values, dtype=float)
    spread = np.broadcast_to(np.asarray(sigma, dtype=float), numbers.shape)
    return Series(glacier, variable, "-", "-", "-", unit, "simulated", days, numbers, spread,
                  np.full(len(days), "ok", dtype=object))  # fmt: skip


def straight_series(*, rate_per_year: float, count: int = 11, start: float = 100.0, first_year: int = 2000) -> Series:
    """Return yearly values on a straight line, on 1 January of each year.

    Examples
    --------
    >>> straight_series(rate_per_year=-2.0).values[[0, -1]].round(1)
    array([100.,  80.])
    """
    dates = np.array([f"{first_year + step:04d}-01-01" for step in range(count)], dtype="datetime64[D]")
    return make_series(dates, start + rate_per_year * np.arange(count))
