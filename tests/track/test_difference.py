"""What a variable did between two dates: at which values a difference begins and ends."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from glaciertime.track.record.difference import difference_table
from glaciertime.track.record.retreat import retreat_table

from .test_screening import series


def yearly(*qualities: str) -> pd.DataFrame:
    values = [10.0, 8.0, 5_000.0][: len(qualities)]
    return series(values, every_days=365).assign(quality=qualities, bound="")


def test_a_difference_neither_begins_nor_ends_at_a_flagged_value_where_there_are_others():
    """The change was +4,990 m, of a value that the screening had flagged."""
    for flag in ("outlier-jump: 4992 m ahead", "unclear-front"):
        (row,) = difference_table(yearly("ok", "ok", flag)).itertuples()
        assert (row.start_value, row.end_value, row.change, row.note) == (10.0, 8.0, -2.0, "")


def test_a_difference_of_flagged_values_alone_says_so():
    (row,) = difference_table(yearly("outlier-jump: a", "outlier-jump: b")).itertuples()
    assert row.change == -2.0
    assert row.note == "every value is flagged as an outlier or unclear"


def test_a_difference_begins_and_ends_at_what_its_days_are_to_every_product():
    table = yearly("ok", "ok")
    twins = table.assign(image_id=["p", "q"], value=[14.0, 90.0], sigma=[1.0, 1.0], quality=["ok", "censored"])
    first, second = (pd.concat(order, ignore_index=True) for order in ((table, twins), (twins, table)))
    for rows in (first, second):
        (row,) = difference_table(rows.assign(sigma=2.0)).itertuples()
        # The mean of 10 and 14; the 90 beside the 8 is a bound.
        assert (row.start_value, row.end_value, row.change, row.qualifier) == (12.0, 8.0, -4.0, "")
        # 12 +- 2, as both lie 2 off it: chi-square 2 where 1 is expected, times 4 / 2.
        assert row.change_sigma == pytest.approx((4.0 + 4.0) ** 0.5)


def test_nothing_rests_on_a_value_with_a_flag_that_is_not_known():
    (row,) = difference_table(yearly("ok", "ok", "unknown-flag: melted")).itertuples()
    assert row.change == -2.0


def test_two_days_apart_have_a_change_and_no_rate_per_year():
    """A loss of 2 m in two days was told as 365 m per year, and of 2 km2 as 365 km2 per year."""
    table = yearly("ok", "ok").assign(date=pd.to_datetime(["2020-07-01", "2020-07-03"]))
    (row,) = difference_table(table).itertuples()
    assert (row.change, row.note) == (-2.0, "the dates lie less than eleven months apart: no rate per year")
    assert math.isnan(row.change_per_year)
    (row,) = retreat_table(table.assign(variable="area_km2", footprint="box", coverage=1.0)).itertuples()
    assert (row.loss_km2, row.note) == (2.0, "the dates lie less than eleven months apart: no rate per year")
    assert math.isnan(row.loss_per_year_km2)
    assert math.isnan(row.loss_per_year_sigma_km2)
    (row,) = difference_table(yearly("ok", "ok")).itertuples()
    assert row.change_per_year == pytest.approx(-2.0 * 365.25 / 365)


def test_what_is_not_known_of_the_ends_stands_in_the_note():
    """A retreat whose sign was assumed, and a year written as its 1 January, stood in the table like any other."""
    (row,) = difference_table(yearly("year-only", "month-only: August")).itertuples()
    assert row.note == "only the year of the start is known; only the month of the end is known"
    (row,) = difference_table(yearly("assumed-seaward: drawn", "assumed-seaward: drawn")).itertuples()
    assert row.note == "which way the sea lies is assumed, by a retreat: it may be an advance"
    areas = yearly("year-only", "ok").assign(variable="area_km2", footprint="box", coverage=1.0)
    areas.loc[1, "date"] = pd.Timestamp("2021-08-15")
    (row,) = retreat_table(areas).itertuples()
    assert row.note == "only the year of the start is known"


def test_a_bound_of_a_table_without_sides_is_told_as_in_areas():
    (row,) = difference_table(yearly("censored: the ice fills the box", "ok")).itertuples()
    assert (row.change, row.qualifier) == (-2.0, "at most")
