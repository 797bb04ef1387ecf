"""Interpolated points: recognised from their two neighbours alone."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.forecast.example import make_series
from glaciertime.forecast.screening import on_straight_line

YEARS = range(1990, 2006)
#: Straight between 1990, 1995, 2000 and 2005 in calendar years.
VALUES = np.interp(np.arange(16), [0, 5, 10, 15], [0.0, -50.0, -20.0, -90.0])
INNER = [year % 5 != 0 for year in YEARS]


def flags(dates, values):
    return on_straight_line(make_series(dates, values)).tolist()


@pytest.mark.parametrize("day", ["01-01", "09-01"])
def test_yearly_points_are_found_on_lines_in_calendar_years(day):
    assert flags([f"{year}-{day}" for year in YEARS], VALUES) == INNER


def test_a_later_date_of_another_kind_does_not_hide_earlier_points():
    dates = [f"{year}-01-01" for year in YEARS]
    assert flags([*dates, "2006-08-17"], np.append(VALUES, -95.0)) == [*INNER, False]


def test_lines_in_days_are_found_too_among_yearly_dates():
    dates = np.array([f"{year}-01-01" for year in range(2000, 2006)], "M8[D]")
    values = np.interp(dates.astype(int), dates[[0, 3, 5]].astype(int), [0.0, 900.0, 100.0])
    assert flags(dates, values) == [False, True, True, False, True, False]


def test_a_point_that_misses_both_lines_is_a_value():
    # Half way in time, in years and in days alike, but a thousandth off.
    assert flags(["2001-01-01", "2002-01-01", "2003-01-01"], [0.0, 50.05, 100.0]) == [False, False, False]
    # Half way in calendar years, but of different days of them.
    assert flags(["2001-06-01", "2002-01-01", "2003-01-01"], [0.0, 50.0, 100.0]) == [False, False, False]
    assert flags(["2001-01-01", "2002-01-01", "2003-06-01"], [0.0, 50.0, 100.0]) == [False, False, False]
    assert flags(["2001-01-01", "2002-01-15", "2003-01-31"], [0.0, 50.0, 100.0]) == [False, False, False]


def test_what_is_known_of_a_point_does_not_change_when_values_are_added():
    rng = np.random.default_rng(0)
    dates = np.concatenate([
        np.array([f"{year}-01-01" for year in YEARS], "M8[D]"),
        np.datetime64("2006-01-01") + np.sort(rng.choice(3000, 20, replace=False)),
    ])  # fmt: skip
    values = np.concatenate([VALUES, rng.normal(0, 10, 20)])
    whole = flags(dates, values)
    for count in range(3, len(dates)):
        assert flags(dates[:count], values[:count])[:-1] == whole[: count - 1]
