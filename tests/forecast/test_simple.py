"""The plain forecasters against values read off the record."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.forecast.example import make_series
from glaciertime.forecast.local.simple import Drift, SeasonalLast


def median(dates, values, *asked):
    return SeasonalLast().fit(make_series(dates, values)).predict(np.array(asked, "M8[D]")).median.tolist()


def test_two_years_over_a_leap_day_take_the_last_year_and_not_the_one_before():
    # cases/series/four.csv
    dates = ["2000-01-01", "2001-01-01", "2002-01-01", "2003-01-01"]
    assert median(dates, [5.0, 4.0, 3.5, 3.4], "2004-01-01", "2005-01-01", "2009-01-01") == [3.4, 3.4, 3.4]


def test_a_season_that_was_missed_last_year_is_taken_from_years_before():
    dates = ["2009-03-01", "2009-08-01", "2010-03-01", "2010-08-01", "2011-03-01", "2012-03-01"]
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert median(dates, values, "2012-08-01", "2013-03-01", "2013-08-10", "2019-08-01") == [4.0, 6.0, 4.0, 4.0]


def test_a_season_never_seen_gets_the_last_value():
    dates = ["2009-03-01", "2010-03-01", "2011-03-05", "2012-03-01"]
    assert median(dates, [1.0, 2.0, 3.0, 7.0], "2012-09-01") == [7.0]


def test_forty_five_days_are_near_and_forty_six_are_not():
    dates = ["2008-06-01", "2009-06-01", "2010-06-01", "2010-11-20"]
    values = [1.0, 2.0, 3.0, 9.0]
    near = np.datetime64("2011-06-01") + 45
    assert median(dates, values, str(near), str(near + 1)) == pytest.approx([3.0, 9.0])


def test_the_nearest_day_of_the_season_is_taken_through_leap_years():
    dates = np.arange("2014-01-01", "2016-03-01", dtype="M8[D]")
    found = median(dates, np.arange(len(dates), dtype=float), "2016-03-01", "2017-02-28", "2020-02-29")
    days = [int((np.datetime64(day) - dates[0]) / np.timedelta64(1, "D")) for day in
            ("2015-03-01", "2016-02-28", "2016-02-29")]  # fmt: skip
    assert found == days


def test_the_scatter_about_a_drift_is_divided_by_the_steps_less_the_rate() -> None:
    """Steps of +3, -1, +3, -1 a year about a rate of 1: departures of 2, so that q = 4 x 4 / 3."""
    dates = [f"{year}-01-01" for year in range(2001, 2006)]
    series = make_series(dates, [0.0, 3.0, 2.0, 5.0, 4.0])
    walk = Drift().fit(series)
    years = np.diff(series.years)
    departure = np.diff(series.values) - 4.0 / (series.years[-1] - series.years[0]) * years
    assert walk.variance_per_year == pytest.approx(float(np.sum(departure**2 / years)) / 3)
