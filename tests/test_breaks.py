"""Breaks of known size, and what lies between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glaciertime.breaks import change_points, change_table, segment_table

from .track.test_screening import series


def test_a_segment_of_one_value_has_the_scatter_of_the_others():
    rng = np.random.default_rng(1)
    (point,) = change_points(np.append(rng.normal(size=59), 12.0))
    assert point.index == 59
    # One value against the mean of 59, all of scatter 1: 1.01.
    assert point.sigma == pytest.approx(np.hypot(1, 1 / np.sqrt(59)), rel=0.2)


def test_a_step_is_no_surer_than_the_sigmas_of_its_values():
    (point,) = change_points([0.0] * 6 + [100.0] * 6, sigmas=[9.0] * 12)
    assert point.sigma == pytest.approx(9 * np.sqrt(2 / 6))


def dense(*, months_of) -> pd.DataFrame:
    """Values on the 15th of the first months of each year, on a straight line of -100 a year."""
    dates = [pd.Timestamp(year, month, 15) for year, last in months_of.items() for month in range(1, last + 1)]
    table = series([0.0] * len(dates)).assign(date=dates)
    return table.assign(value=-100 * (table["date"] - dates[0]).dt.days / 365.25)


def test_a_straight_line_has_its_rate_whatever_months_its_years_hold():
    table = dense(months_of={year: 12 if year % 2 == 0 else 6 for year in range(2000, 2008)})
    segments = segment_table(table, level=1e-4)
    assert segments["rate_per_year"].tolist() == pytest.approx([-100], abs=0.5)
    assert segments[["start_date", "end_date"]].values.astype("datetime64[D]").astype(str).tolist() == [
        ["2000-01-15", "2007-06-15"]
    ]


def test_a_break_of_years_lies_between_days_that_were_seen():
    table = dense(months_of=dict.fromkeys(range(2000, 2012), 12))
    table["value"] = np.where(table["date"] < pd.Timestamp("2006-01-01"), 0.0, -5000.0) + table["value"] / 1e4
    (row,) = change_table(table).itertuples()
    assert (str(row.after.date()), str(row.before.date())) == ("2005-12-15", "2006-01-15")


def test_four_days_between_two_breaks_have_no_rate():
    values = [0.0] * 12 + [-500.0, -501.0, -500.0, -501.0] + [-900.0] * 12
    readings = segment_table(series(values))
    assert readings["reading"].tolist()[1] == "short"
    assert np.isnan(readings["rate_per_year"].iloc[1])


def test_the_means_of_segments_differ_by_the_steps_between_them():
    """A value of a large sigma drew the mean of its segment from 0 to 50, but not the step."""
    table = series([0.0, 0, 0, 0, 0, 0, 0, 400, -100, -100, -100, -100, -100, -100, -100, -100], every_days=400)
    table["sigma"] = [1.0] * 7 + [1e3] + [1.0] * 8
    (step,) = change_table(table)["step"]
    means = segment_table(table)["mean"].tolist()
    assert means[1] - means[0] == pytest.approx(step, abs=1e-9)
    assert step == pytest.approx(-100, abs=0.1)
