"""Breaks of known size, and what lies between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glaciertime.breaks import change_table, find_breaks, record_breaks, segment_table
from glaciertime.errors import InputError
from glaciertime.track.record.trends import rate_table

from .track.test_screening import series


def walk(seed: int, count: int = 24) -> np.ndarray:
    """Changes of -3 +- 1 a year."""
    return np.cumsum(np.random.default_rng(seed).normal(-3, 1, count))


def places(values, **options) -> list[tuple[int, int]]:
    return [(one.start, one.end) for one in find_breaks(range(len(values)), values, **options)]


def test_a_jump_is_found_with_its_size_and_sigma():
    values = walk(0)
    values[15:] -= 12
    (found,) = find_breaks(range(24), values)
    assert (found.start, found.end, found.values_after) == (14, 15, 9)
    # The change itself holds the usual -3 +- 1, too.
    assert found.step == pytest.approx(-12, abs=2.5)
    assert found.sigma == pytest.approx(1.0, rel=0.4)
    assert found.p_value < 1e-4


def test_steady_and_steepening_records_have_no_break():
    years = np.arange(20)
    assert places(-50.0 * years) == []
    assert places(-50.0 * years + np.random.default_rng(1).normal(0, 30, 20)) == []
    assert places(-2.0 * years**2) == []


def test_false_breaks_are_as_rare_as_stated():
    found = sum(bool(places(walk(seed))) for seed in range(400))
    # 5 % of 400, three standard errors.
    assert found <= 20 + 3 * np.sqrt(400 * 0.05 * 0.95)


def test_jumps_of_six_sigma_are_found_in_95_of_100():
    found = 0
    for seed in range(200):
        values = walk(seed)
        at = 4 + seed % 16
        values[at:] -= 6
        found += any(start < at <= end for start, end in places(values))
    assert found >= 190


def test_a_loss_over_three_years_is_one_break_and_two_losses_are_two():
    values = walk(3, 30)
    values[10:] -= 20
    values[11:] -= 25
    values[12:] -= 20
    assert places(values) == [(9, 12)]
    values[22:] -= 30
    assert places(values) == [(9, 12), (21, 22)]


def test_a_single_wrong_value_is_no_break():
    values = walk(4)
    values[12] += 40
    assert places(values) == []


def test_a_break_under_way_says_so():
    values = walk(5)
    values[-2:] -= [20, 45]
    (found,) = find_breaks(range(24), values)
    assert found.is_ongoing
    assert found.values_after == 1
    values = walk(5)
    values[-1] -= 20
    (found,) = find_breaks(range(24), values)
    assert not found.is_ongoing


def test_what_the_sigmas_explain_is_no_break():
    values = walk(6)
    values[12:] -= 15
    assert places(values) == [(11, 12)]
    assert places(values, sigmas=np.full(24, 15.0)) == []


def test_over_a_gap_a_change_may_be_larger():
    years = np.array([*range(10), *range(30, 40)])
    values = -3.0 * years + np.random.default_rng(7).normal(0, 1, 20)
    assert find_breaks(years, values) == []


def test_too_few_values_have_none_and_days_must_increase():
    assert places([0, 0, 0, 0, 900]) == []
    with pytest.raises(InputError, match="must increase"):
        find_breaks([0, 1, 1, 2, 3, 4], [0.0] * 6)


def dense(*, months_of) -> pd.DataFrame:
    """Values on the 15th of the first months of each year, on a straight line of -100 a year."""
    dates = [pd.Timestamp(year, month, 15) for year, last in months_of.items() for month in range(1, last + 1)]
    table = series([0.0] * len(dates)).assign(date=dates)
    return table.assign(value=-100 * (table["date"] - dates[0]).dt.days / 365.25)


def test_a_straight_line_has_its_rate_whatever_months_its_years_hold():
    table = dense(months_of={year: 12 if year % 2 == 0 else 6 for year in range(2000, 2008)})
    segments = segment_table(table)
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
    values = [0.0, 1.0] * 6 + [-500.0, -501.0, -500.0, -501.0] + [-900.0, -901.0] * 6
    readings = segment_table(series(values))
    assert readings["reading"].tolist()[1] == "short"
    assert np.isnan(readings["rate_per_year"].iloc[1])


def test_what_was_seen_in_the_middle_of_a_break_belongs_to_no_segment():
    values = walk(8, 30)
    values[10:] -= 400
    values[11:] -= 450
    segments = segment_table(series(values, every_days=365))
    assert segments["reading"].tolist()[1] == "break"
    assert segments["n"].tolist() == [10, 1, 19]
    assert segments["rate_per_year"].iloc[[0, 2]].tolist() == pytest.approx([-3, -3], abs=1.5)


def test_uneven_dense_records_have_as_few_false_breaks_as_stated():
    """Nine days a year by chance, a cycle of twice the change of a year, and a last year that has only begun."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        years = np.sort(rng.choice(15 * 365, size=135, replace=False)) / 365.25
        years = years[years < 14 + rng.uniform(0.1, 0.9)]
        steps = rng.normal(-60, 100, len(years)) * np.sqrt(np.diff(years, prepend=years[0] - 0.1))
        found += bool(record_breaks(years, np.cumsum(steps) + 200 * np.cos(2 * np.pi * years)))
    assert found <= 6


def test_a_year_that_is_known_in_part_is_no_break():
    """Of the last year only January: its mean is that of a winter."""
    dates = pd.date_range("2000-01-15", periods=85, freq="MS")
    cycle = 100 * np.cos(2 * np.pi * np.arange(85) / 12) + np.random.default_rng(0).normal(0, 3, 85)
    table = series(cycle).assign(date=dates, sigma=np.nan)
    assert change_table(table).empty
    table.loc[dates >= "2004-06-01", "value"] -= 90
    (row,) = change_table(table).itertuples()
    assert [str(day.date()) for day in (row.after, row.before)] == ["2004-05-01", "2004-06-01"]
    assert row.step == pytest.approx(-90, abs=12)


def falls_and_season(years, *, scatter: float, seed: int) -> np.ndarray:
    """Ten a year down, and a cycle of fifty."""
    noise = np.random.default_rng(seed).normal(0, scatter, len(years))
    return -10 * (years - 2000) + 50 * np.cos(2 * np.pi * years) + noise


def test_a_first_year_that_is_known_in_part_is_no_break_of_a_record_that_falls():
    """Years are counted back from March: of the first only January and February are left."""
    years = np.arange(2000, 2010.2, 1 / 12)
    found = sum(bool(record_breaks(years, falls_and_season(years, scatter=1, seed=seed))) for seed in range(40))
    assert found <= 5


def test_a_fall_at_the_end_makes_no_break_at_the_begin():
    years = np.arange(2000, 2010.2, 1 / 12)
    for seed in range(5):
        values = falls_and_season(years, scatter=1, seed=seed)
        # Two values alone may be outliers, three are a break.
        assert record_breaks(years, values - np.where(years > 2010.01, 900, 0)) == []
        (one,) = record_breaks(years, values - np.where(years > 2009.95, 900, 0))
        assert one.end == len(years) - 3
        assert one.step == pytest.approx(-900, abs=5)


def test_five_images_of_every_summer_show_a_season_and_no_breaks():
    every = np.arange(2000, 2012, 1 / 12)
    years = every[np.round(every % 1 * 12) < 4.5]
    assert not any(record_breaks(years, falls_and_season(years, scatter=1, seed=seed)) for seed in range(5))
    (one,) = record_breaks(years, falls_and_season(years, scatter=1, seed=0) - np.where(years > 2006, 300, 0))
    assert one.step == pytest.approx(-300, abs=10)


def test_equal_values_on_a_grid_have_a_rate_that_is_as_sure_as_their_sigmas():
    rows = series([100.0] * 12, every_days=365).assign(sigma=50.0)
    part = segment_table(rows).iloc[-1]
    assert part["rate_per_year"] == 0
    assert part["low"] == pytest.approx(-part["high"])
    assert part["high"] > 1
    assert part["reading"] == "stable"


def test_values_that_differ_by_the_last_digits_of_a_length_do_not_shrink():
    # The true length of one and the same width on a map falls by a tenth of a millimetre as the front retreats.
    table = series([1773.0 - 1e-5 * i for i in range(48)], every_days=120).assign(sigma=10.0)
    (row,) = segment_table(table).itertuples()
    assert row.reading == "stable"
    assert row.low < -0.3 < 0.3 < row.high
    (rate,) = rate_table(table).itertuples()
    assert rate.robust_low < -0.3 < 0.3 < rate.robust_high
    # Widths of a few pixels make a wide interval whose upper end is that rounding.
    at = [0, 0, 0, 0, -1, 4, 4, 2, 2, 0, 2, 2, 0, 0, 0, 2, 0, 0, -2, -1]
    values = [1773.0 + step - 2e-5 * i for i, step in enumerate(at)]
    (row,) = segment_table(series(values, every_days=365).assign(sigma=10.0)).itertuples()
    assert -0.01 < row.high < 0
    assert row.low < -0.1
    assert row.reading == "stable"
    # A retreat that is straight is one still, as surely as the sigmas have it.
    (row,) = segment_table(series([1773.0 - 50 * i for i in range(12)], every_days=365).assign(sigma=10.0)).itertuples()
    assert (row.reading, round(row.rate_per_year)) == ("shrinking", -50)
    assert row.high - row.low > 1


@pytest.mark.filterwarnings("error")
def test_values_of_unknown_sigma_have_a_rate_without_a_warning():
    rows = series(100.0 - 2.0 * np.arange(8), every_days=90).assign(sigma=np.nan)
    (segment,) = segment_table(rows).itertuples()
    assert (segment.reading, segment.n) == ("shrinking", 8)


def test_a_segment_of_a_season_has_no_rate_per_year():
    """Ten values in ninety days, 10 m less each time, were told as a retreat of 365 m per year."""
    (segment,) = segment_table(series(100.0 - 10.0 * np.arange(10))).itertuples()
    assert (segment.reading, segment.n) == ("brief", 10)
    assert np.isnan(segment.rate_per_year)
