"""Dates as people write them: read where they can mean one day, refused where they can mean two."""

from __future__ import annotations

import contextlib
import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glaciertime.dates import DateReading, as_date, date_of_decimal_year, month_of, read_date, read_dates
from glaciertime.errors import AmbiguousDateError, InputError, UsageError
from glaciertime.units import decimal_year

DAYS = {
    "2003-08-12": "2003-08-12", "2003/08/12": "2003-08-12", "2003.8.12": "2003-08-12", "2003_08_12": "2003-08-12",
    "20030812": "2003-08-12", "20030812.0": "2003-08-12", "2002313": "2002-11-09", "2002_313": "2002-11-09",
    "2003-224": "2003-08-12", "2003-07-30T00:00:00": "2003-07-30", "20030812T053000Z": "2003-08-12",
    "20030812053000": "2003-08-12", "2002-01-01T23:30:00-05:00": "2002-01-02", "2003/08/12 00:00:00+00": "2003-08-12",
    "2002-12-31T24:00:00Z": "2003-01-01", "2003-08-12 24:00": "2003-08-13",
    "2003-08-12 10:30 UTC": "2003-08-12", "12Aug2003": "2003-08-12", "12-Aug-2003": "2003-08-12",
    "Aug 12, 2003": "2003-08-12", "2003-Aug-12": "2003-08-12", "12. August 2003": "2003-08-12",
    "12. Jänner 2003": "2003-01-12", "1er août 2003": "2003-08-01", "12 de agosto de 2003": "2003-08-12",
    "3. desember 1998": "1998-12-03", "12. maj 1998": "1998-05-12", "12. ágúst 2003": "2003-08-12",
    "13/08/2003": "2003-08-13", "08/13/2003": "2003-08-13", "8.8.2003": "2003-08-08", "13082003": "2003-08-13",
    "13.08.2003 10:15": "2003-08-13", "1600-05-03": "1600-05-03", "2004-02-29": "2004-02-29",
}  # fmt: skip


@pytest.mark.parametrize(("text", "day"), DAYS.items())
def test_a_day_is_read(text: str, day: str) -> None:
    read = read_date(text)
    assert (read.date.isoformat(), read.flags) == (day, {})


COARSE = {
    "2003": ("2003-01-01", "year-only"), "1530": ("1530-01-01", "year-only"), "2003.0": ("2003-01-01", "year-only"),
    "19990000": ("1999-01-01", "year-only"), "19999999": ("1999-01-01", "year-only"),
    "1999-99-99": ("1999-01-01", "year-only"), "20030799": ("2003-07-01", "month-only"),
    "20030700": ("2003-07-01", "month-only"), "2003-07-00": ("2003-07-01", "month-only"),
    "2003-08": ("2003-08-01", "month-only"), "08/2003": ("2003-08-01", "month-only"),
    "2003/08": ("2003-08-01", "month-only"), "August 2003": ("2003-08-01", "month-only"),
    "maí 2003": ("2003-05-01", "month-only"), "2002/03": ("2003-09-30", "year-only"),
    "1999/00": ("2000-09-30", "year-only"), "2002/2003": ("2003-09-30", "year-only"),
    "199907": ("1999-07-01", "month-only"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "read"), COARSE.items())
def test_what_is_only_a_month_or_a_year_is_flagged(text: str, read: tuple[str, str]) -> None:
    found = read_date(text)
    assert (found.date.isoformat(), found.flag) == read


NO_DATES = [
    "soon", "2003-02-29", "20030229", "2003-13-01", "2003366", "0", "99", "-9999", "-9999999", "9999", "99999999",
    "9999-12-31", "0001-01-01", "0987-01-01", "1899-12-30", "1111-11-11",
    "12/08/03", "12.8.03", "01-Sep-65", "Aug-03", "030812",
    "37845", "1060646400", "1060646400000", "731805", "1850s", "ca. 2003", "2003-08-12?", "2003-08-12 25:30",
    "2003-08-12/2003-08-14", "marked 1 2010", "1_marked_2010", "", "nan", None, math.nan, pd.NaT, True, 0, 99, -9999999,
    1e300, math.inf, pd.Timestamp(20030812), pd.Timestamp(20030812, unit="us"), "2126-01-01",
]  # fmt: skip


@pytest.mark.parametrize("value", NO_DATES, ids=str)
def test_what_is_no_date_is_the_reason_of_its_row(value: object) -> None:
    column = read_dates([value, "2004-02-29"])
    assert isinstance(column.rows[0], str)
    assert column.rows[1].date == dt.date(2004, 2, 29)


AMBIGUOUS = ["12/08/2003", "12.8.2003", "12-08-2003", "12082003", "2002.11", "2002.5", "2002.313", 2002.1, "200308"]


@pytest.mark.parametrize("value", AMBIGUOUS)
def test_what_can_mean_two_days_is_refused_and_says_what_to_type(value: object) -> None:
    with pytest.raises(AmbiguousDateError, match=r"give --(day-first or --month-first|date-format)"):
        read_date(value)


@pytest.mark.parametrize("value", [20030812, 20030812.0, np.int32(20030812), np.float64(20030812)])
def test_a_number_is_a_day_and_no_count_of_nanoseconds(value: object) -> None:
    assert as_date(value) == dt.date(2003, 8, 12)


@pytest.mark.parametrize(
    "value",
    [np.datetime64("1600-08-12"), dt.date(1600, 8, 12), dt.datetime(1600, 8, 12, 23), pd.Timestamp("1600-08-12")],
)
def test_days_before_1677_are_read(value: object) -> None:
    assert as_date(value) == dt.date(1600, 8, 12)


def test_a_later_row_is_a_hint_but_does_not_settle_the_order() -> None:
    with pytest.raises(AmbiguousDateError) as caught:
        read_dates(["2001-01-01", "12/08/2003", "13/08/2003"], where="a.gpkg, column date")
    assert str(caught.value).startswith("a.gpkg, column date: '12/08/2003' may be 2003-08-12 (day-first)")
    assert "row 2" in str(caught.value)
    assert "(row 3, '13/08/2003', can only be day-first)" in str(caught.value)


@pytest.mark.parametrize(("order", "days"), [("day-first", [(8, 12), (8, 13)]), ("month-first", [(12, 8), None])])
def test_the_order_that_was_told_is_used(order: str, days: list[tuple[int, int] | None]) -> None:
    column = read_dates(["12/08/2003", "13/08/2003"], reading=DateReading(order=order))
    assert column.used
    assert [None if isinstance(row, str) else (row.date.month, row.date.day) for row in column.rows] == days


def test_what_was_told_and_decides_nothing_is_not_used() -> None:
    assert not read_dates(["2003-08-12", "20030813"], reading=DateReading(order="day-first")).used
    assert not read_dates(["2003-08-12"], reading=DateReading(form="decimal-year")).used


def test_a_column_that_cannot_hold_months_holds_decimal_years() -> None:
    column = read_dates([2002.29, 2002.62, 2003.04, 2004.0])
    assert [row.date for row in column.rows] == [date_of_decimal_year(y) for y in (2002.29, 2002.62, 2003.04, 2004)]
    assert {row.flag for row in column.rows} == {""}


def test_years_beside_nothing_else_stay_years() -> None:
    assert {row.flag for row in read_dates([2002.0, 2003.0, math.nan]).rows[:2]} == {"year-only"}


def test_a_column_that_cannot_hold_years_holds_months() -> None:
    assert [row.date.month for row in read_dates(["2002/03", "2002/08"]).rows] == [3, 8]


def test_months_that_all_look_like_the_following_year_are_refused() -> None:
    assert read_date("2002-03").flag == "month-only"
    with pytest.raises(AmbiguousDateError, match="hydrological-year"):
        read_dates(["2002-03", "2003-04", "2004-05"])


@pytest.mark.parametrize(
    ("form", "value", "day"),
    [
        ("decimal-year", "2002.11", "2002-02-10"), ("decimal-year", 2002.5, "2002-07-02"),
        ("year-month", "2002.11", "2002-11-01"), ("year-month", 2002.1, "2002-10-01"),
        ("year-month", 200308, "2003-08-01"), ("day-of-year", "2002.313", "2002-11-09"),
        ("hydrological-year", 2003, "2003-09-30"), ("hydrological-year", "2002-03", "2003-09-30"),
        ("spreadsheet", 37845, "2003-08-12"), ("%d.%m.%y", "12.08.03", "2003-08-12"),
        ("%Y%j", 2002313, "2002-11-09"), ("%d-%b-%y", "01-Sep-75", "1975-09-01"),
    ],
)  # fmt: skip
def test_the_format_that_was_told_is_used(form: str, value: object, day: str) -> None:
    column = read_dates([value], reading=DateReading(form=form))
    assert column.used
    assert column.rows[0].date.isoformat() == day


def test_an_unknown_format_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean decimal-year"):
        DateReading(form="decimal_year")
    with pytest.raises(UsageError, match="names no year"):
        DateReading(form="%d.%m.")


def test_the_hydrological_year_ends_in_march_in_the_south() -> None:
    south = read_dates(["2002/03"], reading=DateReading(hemisphere="south")).rows[0]
    assert (south.date, south.note) == (dt.date(2003, 3, 31), "hydrological year 2002/03 written as its end")


def test_days_to_come_are_dates_of_forecasts_only() -> None:
    assert as_date("2126-01-01") == dt.date(2126, 1, 1)
    with pytest.raises(InputError, match="in the future"):
        read_date("2126-01-01")


@given(st.dates(dt.date(1000, 1, 1), dt.date(2100, 1, 1)))
def test_decimal_years_come_back(day: dt.date) -> None:
    assert date_of_decimal_year(decimal_year(day)) == day


@given(st.dates(dt.date(1000, 1, 1), dt.date(2020, 1, 1)), st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%Y_%j", "%d %b %Y"]))
def test_no_certain_form_is_read_as_another_day(day: dt.date, form: str) -> None:
    assert read_date(day.strftime(form)).date == day


@given(st.text(alphabet="0123456789-/._ T:abjuginry", max_size=14))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(InputError):
        read_date(text)


def test_months_are_whole_words() -> None:
    assert [month_of(word) for word in ("Mar", "marked", "SEPT", "août", "des", "august")] == [3, None, 9, 8, 12, 8]
