"""For every small table of the shared cases, two more of its kind, written here: no case is the only one of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glaciertime.dates import DateReading
from glaciertime.errors import InputError
from glaciertime.scenes.series import SeriesOptions, SeriesTable, raw_table_from_file, series_of_table

HEAD = "glacier,date,variable,value,unit"


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Read lines of a table as a file."""

    def call(*lines: str, head: str = HEAD, encoding: str = "utf-8", **told: Any) -> SeriesTable:
        path = tmp_path / "table.csv"
        path.write_bytes("\n".join([head, *lines, ""]).encode(encoding))
        return series_of_table(raw_table_from_file(path), SeriesOptions(**told))

    return call


def rows(found: SeriesTable) -> list[tuple[str, float]]:
    table = found.observations
    return [
        (f"{day:%Y-%m-%d}", round(float(value), 6)) for day, value in zip(table["date"], table["value"], strict=True)
    ]


LENGTHS = [("2001-01-01", 1234.5), ("2002-01-01", 1200.25)]


@pytest.mark.parametrize(
    ("mark", "one", "other", "encoding"),
    [
        (";", "1234,5", "1.200,25", "utf-8"), ("\t", "1234,5", "1200,25", "utf-16"),
        (",", "1'234.5", "1'200.25", "latin-1"),
        (",", "1\u202f234.5", "1\u00a0200.25", "utf-8"),
    ],
)  # fmt: skip
def test_numbers_as_they_are_written_elsewhere(read: Any, mark: str, one: str, other: str, encoding: str) -> None:
    lines = [mark.join(["A", day, "length_m", each, "m"]) for (day, _), each in zip(LENGTHS, (one, other), strict=True)]
    assert rows(read(*lines, head=HEAD.replace(",", mark), encoding=encoding)) == LENGTHS


@pytest.mark.parametrize("written", ["1.234", "1,234"])
def test_a_number_of_thousands_or_of_decimals_is_asked_about(read: Any, written: str) -> None:
    with pytest.raises(InputError, match="give --decimal comma or --decimal point"):
        read(f"A;2001-01-01;length_m;{written};m", "A;2002-01-01;length_m;1.200;m", head=HEAD.replace(",", ";"))


@pytest.mark.parametrize(
    ("value", "unit", "variable", "right"),
    [
        ("-1.6e14", "kg", "mass_gt", -160.0), ("-160000", "Mt", "mass_gt", -160.0),
        ("9842.52", "ft", "snowline_m", 3000.000096), ("3000", "m a.s.l.", "snowline_m", 3000.0),
        ("150", "ha", "area_km2", 1.5), ("1500000", "m²", "lake_area_km2", 1.5),
        ("1.5", "km", "length_m", 1500.0), ("1500", "ft", "length_m", 457.2),
    ],
)  # fmt: skip
def test_units_are_taken_by_their_names(read: Any, value: str, unit: str, variable: str, right: float) -> None:
    assert rows(read(f"A,2001-08-01,{variable},{value},{unit}"))[0] == ("2001-08-01", pytest.approx(right))


@pytest.mark.parametrize(("unit", "variable"), [("m", "area_km2"), ("km2", "length_m")])
def test_a_unit_that_the_variable_cannot_have_is_refused(read: Any, unit: str, variable: str) -> None:
    with pytest.raises(InputError, match=f"{variable} cannot be in {unit}"):
        read(f"A,2001-08-01,{variable},5,{unit}", f"A,2002-08-01,{variable},4,{unit}")


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("20010315", "2001-03-15"), ("20010315.0", "2001-03-15"), ("2001-03-15T12:00:00Z", "2001-03-15"),
        ("2001-03-15T23:30:00-05:00", "2001-03-16"), ("2001-03-15T00:30:00+01:00", "2001-03-14"),
        ("15 March 2001", "2001-03-15"), ("15. März 2001", "2001-03-15"),
    ],
)  # fmt: skip
def test_a_day_however_it_is_written(read: Any, written: str, day: str) -> None:
    assert rows(read(f"A,{written},length_m,5,m")) == [(day, 5.0)]


@pytest.mark.parametrize(
    ("written", "day"), [("1999/00", "2000-09-30"), ("1999/2000", "2000-09-30"), ("1999-2000", "2000-09-30")]
)
def test_hydrological_years_over_the_turn_of_a_century(read: Any, written: str, day: str) -> None:
    found = read(f"A,{written},length_m,5,m")
    assert rows(found) == [(day, 5.0)]
    assert found.observations["quality"].str.startswith("year-only").all()


@pytest.mark.parametrize("written", ["03.04.99", "Sep-65", "36526", "978307200"])
def test_what_may_be_many_days_is_none(read: Any, written: str) -> None:
    """Years of two digits, and the day counts of spreadsheets and computers."""
    found = read(f"A,{written},length_m,5,m", "A,2002-01-01,length_m,4,m")
    assert rows(found) == [("2002-01-01", 4.0)]
    assert "1 row left out" in found.told.problems()[0]


@pytest.mark.parametrize("column", [("03/04/2002", "05/06/2003"), ("3.4.2002", "13.4.2003")])
def test_a_column_in_which_day_and_month_can_change_places_is_refused(read: Any, column: tuple[str, str]) -> None:
    lines = [f"A,{each},length_m,{k},m" for k, each in enumerate(column)]
    with pytest.raises(InputError, match="give --day-first or --month-first"):
        read(*lines)
    assert rows(read(*lines, dates=DateReading(order="day-first")))[0][0] == "2002-04-03"


@pytest.mark.parametrize("column", [("2002.2904", "2003.35"), ("1870.123", "1870.987")])
def test_decimal_years_are_days_of_the_year(read: Any, column: tuple[str, str]) -> None:
    found = rows(read(*(f"A,{each},length_m,5,m" for each in column)))
    assert [day[:4] for day, _ in found] == [each[:4] for each in column]
    assert not any(day.endswith("01-01") for day, _ in found)


@pytest.mark.parametrize("figure", ["-99999", "1e20", "NA", "-", "k.A.", "n/a"])
def test_what_stands_for_no_value_is_none(read: Any, figure: str) -> None:
    found = read("A,2001-01-01,length_m,500,m", f"A,2002-01-01,length_m,{figure},m", "A,2003-01-01,length_m,400,m")
    assert rows(found) == [("2001-01-01", 500.0), ("2003-01-01", 400.0)]
    assert found.told.remarks() or found.told.problems()


@pytest.mark.parametrize("written", ["<0.1", "≤ 0.1", "< 0,1"])
def test_what_is_only_a_bound_stays_one(read: Any, written: str) -> None:
    found = read("A;2001-01-01;area_km2;2,5;km2", f"A;2002-01-01;area_km2;{written.replace('.', ',')};km2",
                 head=HEAD.replace(",", ";"))  # fmt: skip
    assert rows(found) == [("2001-01-01", 2.5), ("2002-01-01", 0.1)]
    assert found.observations["bound"].tolist() == ["", "at-most"]


def test_a_sigma_beside_a_value_is_kept_and_one_below_zero_is_not_known(read: Any) -> None:
    found = read("A,2001-01-01,length_m,5,m,1000", "A,2002-01-01,length_m,5,m,-1", head=HEAD + ",sigma")
    assert found.observations["sigma"].fillna(-9).tolist() == [1000.0, -9.0]
    beside = read("A,2001-01-01,length_m,100 ± 5,m")
    assert (beside.observations["value"].tolist(), beside.observations["sigma"].tolist()) == ([100.0], [5.0])


def test_lakes_and_lengths_below_zero_are_refused(read: Any) -> None:
    for variable, unit in (("lake_area_km2", "km2"), ("length_m", "m")):
        found = read(*(f"A,{2000 + k}-01-01,{variable},-{k}.5,{unit}" for k in range(6)))
        assert found.observations.empty
        assert "negative, which cannot be" in found.told.problems()[0]


def test_gaps_of_decades_are_not_filled(read: Any) -> None:
    for year in (1905, 1950):
        found = rows(
            read(f"A,{year}-09-01,length_m,900,m", "A,2001-09-01,length_m,500,m", "A,2002-09-01,length_m,490,m")
        )
        assert [day[:4] for day, _ in found] == [str(year), "2001", "2002"]


def test_changes_of_a_growing_and_of_a_shrinking_glacier_are_asked_about(read: Any) -> None:
    for sign in (1, -1):
        changes = [sign * (10 + (k * 7) % 5) for k in range(14)]
        lines = [f"A,{1990 + k}-09-01,length_change_m,{each},m" for k, each in enumerate(changes)]
        with pytest.raises(InputError, match="give --per-period"):
            read(*lines)
        assert rows(read(*lines, per_period=True))[-1][1] == pytest.approx(
            sign * sum(10 + (k * 7) % 5 for k in range(14))
        )
