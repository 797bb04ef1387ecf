"""Tables as the field writes them, small ones made up for these tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import glaciertime
from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.series import SeriesOptions, SeriesTable, raw_table_from_file, series_of_table


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Write a text as a file and read its series."""

    def call(text: str, *, name: str = "table.csv", encoding: str = "utf-8", **told: Any) -> SeriesTable:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return series_of_table(raw_table_from_file(path), SeriesOptions(**told))

    return call


def rows(found: SeriesTable, *columns: str) -> list[tuple[Any, ...]]:
    table = found.observations.assign(day=found.observations["date"].dt.strftime("%Y-%m-%d"))
    return [tuple(row) for row in table[list(columns or ("glacier", "day", "value"))].itertuples(index=False)]


FOG = """POLITICAL_UNIT,NAME,WGMS_ID,Year,SURVEY_DATE,REFERENCE_DATE,FRONT_VARIATION,FRONT_VARIATION_UNC,REMARKS
CH,RHÔNE,473,1990,19900915,19890920,-12,3,
CH,RHÔNE,473,1991,19910910,19900915,-8.5,4,
CH,RHÔNE,473,1992,19920999,19910910,,,retreat only
CH,RHÔNE,473,1995,19959999,19920999,-30,5,
NO,NIGARDSBREEN,290,1991,19911001,19901001,15,,
"""


def test_front_variations_of_the_wgms_are_summed_and_a_gap_parts_them(read: Any) -> None:
    found = read(FOG, encoding="latin-1")
    assert rows(found, "glacier", "footprint", "day", "value", "sigma") [1:] == [
        ("NIGARDSBREEN", "-", "1991-10-01", 15.0, pytest.approx(float("nan"), nan_ok=True)),
        ("RHÔNE", "since 1989-09-20", "1989-09-20", 0.0, 0.0),
        ("RHÔNE", "since 1989-09-20", "1990-09-15", -12.0, 3.0),
        ("RHÔNE", "since 1989-09-20", "1991-09-10", -20.5, 5.0),
        ("RHÔNE", "since 1992-09-01", "1992-09-01", 0.0, 0.0),
        ("RHÔNE", "since 1992-09-01", "1995-01-01", -30.0, 5.0),
    ]  # fmt: skip
    assert found.observations["quality"].tolist()[-2:] == ["month-only", "year-only"]
    assert any("no change is given between 1991-09-10 and 1992-09-01" in note for note in found.told.remarks())


def test_periods_that_overlap_refuse_the_glacier(read: Any) -> None:
    text = FOG + "NO,NIGARDSBREEN,290,1992,19921001,19901001,22,,\n"
    found = read(text)
    assert set(found.observations["glacier"]) == {"RHÔNE"}
    assert "NIGARDSBREEN, length_change_m: periods overlap" in found.told.problems()[0]


def test_a_table_of_glamos(read: Any) -> None:
    text = (
        "# Swiss Glacier Length Change, release 2099\n#\n"
        "glacier name;glacier id;start date of observation;quality of start;end date of observation;quality of end;"
        "length change;elevation of glacier tongue;observer\n"
        "(-);(inventory);(yyyy-mm-dd);(-);(yyyy-mm-dd);(-);(m);(m asl.);(-)\n"
        "Rhonegletscher;B43-03;1879-09-01;20;1880-09-01;20;-43;;unknown\n"
        "Rhonegletscher;B43-03;1880-09-01;20;1881-09-01;20;-24.5;1777;unknown\n"
    )
    found = read(text)
    assert rows(found) == [
        ("Rhonegletscher", "1879-09-01", 0.0),
        ("Rhonegletscher", "1880-09-01", -43.0),
        ("Rhonegletscher", "1881-09-01", -67.5),
    ]


def test_lengths_in_kilometres_before_1677(read: Any) -> None:
    text = (
        "id,name,lat,lon,year,length (km),uncertainty (m)\n"
        "23,Pasterze,47.1,12.7,1535,11.5,500\n"
        "23,Pasterze,47.1,12.7,1850,10.9,100\n"
    )
    assert rows(read(text), "day", "value", "sigma", "quality") == [
        ("1535-01-01", 11500.0, 500.0, "year-only"), ("1850-01-01", 10900.0, 100.0, "year-only"),
    ]  # fmt: skip


def test_a_norwegian_table_with_decimal_commas_takes_the_cumulative_column(read: Any) -> None:
    text = (
        "Brenr;Brenavn;År;Endring (m);Kumulativ endring (m)\n"
        "2297;Nigardsbreen;2001;-5,5;-5,5\n2297;Nigardsbreen;2002;-12,0;-17,5\n"
    )
    found = read(text, encoding="cp1252")
    assert rows(found, "glacier", "value") == [("Nigardsbreen", -5.5), ("Nigardsbreen", -17.5)]
    assert "cumulative one is read" in found.told.remarks()[0]


def test_a_table_of_mascon_masses_without_a_head(read: Any) -> None:
    text = (
        "HDR Greenland Mass\nHDR\nHDR column description\nHDR 1 TIME (year.decimal)\n"
        "HDR 2 Greenland mass (Gigatonnes)\n"
        "HDR 3 Greenland mass 1-sigma uncertainty (Gigatonnes)\nHDR\nHDR Header_End-----\n"
        "2002.29      0.00    131.91\n2002.35     68.38    109.75\n2018.45  -4000.10     70.00\n"
    )
    with pytest.raises(InputError, match="give --glacier NAME"):
        read(text, name="mass.txt")
    found = read(text, name="mass.txt", glacier="Greenland")
    assert rows(found, "glacier", "variable", "unit", "day", "value", "sigma")[-1] == (
        "Greenland", "mass_gt", "Gt", "2018-06-14", -4000.1, 70.0,
    )  # fmt: skip


def test_rates_are_no_values(read: Any) -> None:
    with pytest.raises(InputError, match="is a rate, not a value at a date"):
        read("year,mass change (Gt/yr)\n2000,-100\n2001,-120\n", glacier="A")
    text = (
        "Year,Mass balance (Gt/yr),Cumulative mass balance (Gt),Cumulative mass balance uncertainty (Gt)\n"
        "1992.0833,85,7,5\n"
    )
    assert rows(read(text, glacier="A"), "variable", "value", "sigma") == [("mass_gt", 7.0, 5.0)]


@pytest.mark.parametrize("unit", ["Cumulative length change (m)\n", ""])
def test_a_column_per_glacier(read: Any, unit: str) -> None:
    text = f"{unit}Year;Rhone;Aletsch\n1990;0;0\n1991;-10,5;-20\n1992;-22;\n"
    told = {} if unit else {"variable": "length_change_m", "cumulative": True}
    found = read(text, **told)
    assert rows(found, "glacier", "value") == [
        ("Aletsch", 0.0), ("Aletsch", -20.0), ("Rhone", 0.0), ("Rhone", -10.5), ("Rhone", -22.0),
    ]  # fmt: skip
    assert "one column a glacier: Rhone, Aletsch" in found.told.remarks()


def test_a_column_per_year(read: Any) -> None:
    found = read("glacier,area 1990 (km2),area 2000 (km2)\nA,12.5,11.2\nB,3.4,\n")
    assert rows(found) == [("A", "1990-01-01", 12.5), ("A", "2000-01-01", 11.2), ("B", "1990-01-01", 3.4)]
    bare = read("glacier,1990,2000\nA,12.5,11.2\n", variable="area_km2")
    assert rows(bare) == [("A", "1990-01-01", 12.5), ("A", "2000-01-01", 11.2)]


@pytest.mark.parametrize(
    ("header", "given", "variable", "value", "unit"),
    [
        ("area (km²)", "5.5", "area_km2", 5.5, "km2"),
        ("Fläche [ha]", "550", "area_km2", 5.5, "km2"),
        ("lake_area_km2", "5.5", "lake_area_km2", 5.5, "km2"),
        ("lake area (m2)", "5500000", "lake_area_km2", 5.5, "km2"),
        ("Length, km", "5.5", "length_m", 5500.0, "m"),
        ("snowline_m", "2950", "snowline_m", 2950.0, "m"),
        ("cumulative mass change (Mt)", "-5500", "mass_gt", -5.5, "Gt"),
        ("mass loss (Gt)", "5.5", "mass_gt", -5.5, "Gt"),
        ("Retreat (m)", "55", "length_change_m", -55.0, "m"),
        ("ELA (m a.s.l.)", "2950", "ela_m", 2950.0, "m"),
        ("volume (10^6 m3)", "550", "volume_km3", 0.55, "km3"),
        ("volume [x 10⁶ m³]", "550", "volume_km3", 0.55, "km3"),
        ("area, 10^3 km2", "5.5", "area_km2", 5500.0, "km2"),
        ("length (1990, km)", "5.5", "length_m", 5500.0, "m"),
    ],
)
def test_units_and_names_of_columns(read: Any, header: str, given: str, variable: str, value: float, unit: str) -> None:
    found = read(f'glacier,year,"{header}"\nA,2000,{given}\n')
    assert rows(found, "variable", "value", "unit") == [(variable, pytest.approx(value), unit)]


def test_a_unit_that_is_not_told_is_asked_for(read: Any) -> None:
    with pytest.raises(InputError, match="the unit of column area is not told; give --unit"):
        read("glacier,year,area\nA,2000,5\n")
    assert rows(read("glacier,year,area\nA,2000,5\n", unit="ha"), "value") == [(0.05,)]
    with pytest.raises(InputError, match="area_km2 cannot be in m"):
        read("glacier,year,area (m)\nA,2000,5\n")
    with pytest.raises(InputError, match="--unit km2, but the table says ha"):
        read("glacier,year,area (ha)\nA,2000,5\n", unit="km2")


@pytest.mark.parametrize(
    "header",
    ["volume (106 m3)", "volume (x 1000 m3)", "volume_10^6_m3", "volume, million m3", "length [nautical miles]"],
)
def test_a_unit_of_another_size_is_not_taken_for_its_last_word(read: Any, header: str) -> None:
    with pytest.raises(InputError, match=r"the unit of column .* is not told; give --unit"):
        read(f'glacier,year,"{header}"\nA,2000,5\n')
    with pytest.raises(InputError, match=r"the unit of column error .* is not known"):
        read(f'glacier,year,volume_km3,"error {header.partition(" ")[2] or "million m3"}"\nA,2000,5,1\n')


def test_a_row_of_units_tells_their_size_too(read: Any) -> None:
    found = read("glacier,year,volume\n,,10^6 m3\nA,2000,550\nA,2001,540\n")
    assert rows(found, "value") == [(pytest.approx(0.55),), (pytest.approx(0.54),)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("year,Alpha,alpha\n2001,1,2\n2002,2,3\n2003,9,\n", {"variable": "length_change_m", "cumulative": True}),
        ("glacier,year,area (km2)\nAlpha,2001,8\nalpha,2001,8.1\nAlpha,2002,7\nalpha,2003,9\n", {}),
    ],
)
def test_two_spellings_of_one_day_are_not_joined(read: Any, text: str, told: dict[str, Any]) -> None:
    found = read(text, **told)
    assert rows(found)[-1] == ("Alpha", "2003-01-01", 9.0)
    assert ("2001-01-01") not in found.observations["date"].dt.strftime("%Y-%m-%d").tolist()
    assert any("contradict each other" in problem for problem in found.told.problems())


@pytest.mark.parametrize(
    ("header", "line", "sigmas"),
    [
        ("glacier,year,area_km2,length_m,area_err", "A,2000,5,900,0.1", {"area_km2": 0.1, "length_m": None}),
        ("glacier,year,area_km2,altitude,altitude_error", "A,2000,5,900,40", {"area_km2": None}),
        ("glacier,year,area_km2,date unc,sigma", "A,2000,5,15,0.1", {"area_km2": 0.1}),
        ("glacier,year,area_km2,sigma,length_m", "A,2000,5,0.1,900", {"area_km2": 0.1, "length_m": None}),
    ],
)
def test_an_uncertainty_of_another_column_is_not_taken(
    read: Any, header: str, line: str, sigmas: dict[str, float | None]
) -> None:
    found = read(f"{header}\n{line}\n").observations.set_index("variable")["sigma"]
    assert {name: None if pd.isna(sigma) else sigma for name, sigma in found.items()} == sigmas


def test_an_uncertainty_of_another_quantity_of_a_year_is_not_taken(read: Any) -> None:
    text = "name,area 1990 (km2),area 2000 (km2),length err 1990,length err 2000,error 2000\nA,10,9,50,40,0.3\n"
    assert read(text).observations["sigma"].fillna(-1).tolist() == [-1, 0.3]


def test_uncertainties_in_another_unit_are_refused(read: Any) -> None:
    text = "glacier,year,variable,value,unit,error,error unit\nA,2001,area,10,km2,0.1,{}\n"
    assert rows(read(text.format("km²")), "sigma") == [(0.1,)]
    with pytest.raises(
        InputError, match="column error unit holds 'm2', the unit of an uncertainty, of a value in 'km2'"
    ):
        read(text.format("m2"))


def test_what_is_no_uncertainty_in_the_unit_of_the_values_is_not_taken_for_one(read: Any) -> None:
    assert read("glacier,year,area_km2,error_flag\nA,2001,10,1\n").observations["sigma"].isna().all()
    with pytest.raises(InputError, match="relative error does not say of what it is a share"):
        read("glacier,year,area_km2,relative error\nA,2001,10,0.05\n")
    assert rows(read("glacier,year,area_km2,relative error (%)\nA,2001,10,5\n"), "sigma") == [(0.5,)]


def test_uncertainties_that_are_not_used_are_told(read: Any) -> None:
    found = read("glacier,year,area_km2,random error,systematic error\nA,2001,10,0.1,0.5\n")
    assert any("uncertainties of systematic error are not used" in remark for remark in found.told.remarks())
    assert not any("uncertainties" in r for r in read("glacier,year,area_km2,sigma\nA,2001,10,0.1\n").told.remarks())


def test_an_uncertainty_of_another_glacier_is_not_taken(read: Any) -> None:
    found = read("year,Alpha [km],Beta [m],Alpha error [m]\n2001,1.5,1400,10\n", variable="length_m").observations
    assert found["sigma"].fillna(-1).tolist() == [10, -1]


def test_bounds_stay_bounds_and_turn_with_the_sign(read: Any) -> None:
    found = read("glacier,year,area (km2)\nA,2000,5\nA,2001,<0.1\nA,2002,>1500\n")
    assert rows(found, "value", "bound") == [(5.0, ""), (0.1, "at-most"), (1500.0, "at-least")]
    assert found.observations["quality"].str.contains("censored").tolist() == [False, True, True]
    turned = read("glacier,year,Retreat (m)\nA,2000,10\nA,2005,>130\n")
    assert rows(turned, "value", "bound") == [(-10.0, ""), (-130.0, "at-most")]
    column = read("glacier,date,snowline_m,qualifier\nA,2001-07-01,2900,\nA,2002-07-01,3100,>\n")
    assert rows(column, "bound") == [("",), ("at-least",)]
    unsure = read("glacier,date,snowline_m,censored\nA,2001-07-01,2900,no\nA,2002-07-01,3100,yes\n")
    assert "not of which side" in unsure.told.problems()[0]


def test_a_bound_makes_every_later_sum_a_bound(read: Any) -> None:
    text = (
        "glacier,start,date,length change (m)\nA,2000-09-01,2001-09-01,-5\n"
        "A,2001-09-01,2002-09-01,<-50\nA,2002-09-01,2003-09-01,-6\n"
    )
    assert rows(read(text), "value", "bound") == [(0.0, ""), (-5.0, ""), (-55.0, "at-most"), (-61.0, "at-most")]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0,5", "1.234"], [0.5, 1234.0]), (["1'234.5", "2"], [1234.5, 2.0]), (["1 234,5", "7"], [1234.5, 7.0]),
        (["−12", "-3"], [-12.0, -3.0]), (["-1.050,5", "2"], [-1050.5, 2.0]), (["1.5e3", "2"], [1500.0, 2.0]),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(read: Any, cells: list[str], expected: list[float]) -> None:
    found = read(f"glacier;year;cumulative length change (m)\nA;2000;{cells[0]}\nA;2001;{cells[1]}\n")
    assert [value for (value,) in rows(found, "value")] == expected


def test_thousands_or_decimals_are_asked_about(read: Any) -> None:
    text = 'glacier,year,area (ha)\nA,2000,"1,234"\nA,2001,"1,300"\n'
    with pytest.raises(InputError, match="--decimal comma or --decimal point"):
        read(text)
    assert rows(read(text, decimal="."), "value") == [(12.34,), (13.0,)]
    with pytest.raises(InputError, match="written in two ways"):
        read('glacier,year,area (ha)\nA,2000,"1,5"\nA,2001,2.5\n')


def test_decimal_commas_between_commas_are_refused(read: Any) -> None:
    with pytest.raises(InputError, match="decimal commas in a table separated by commas need quotes"):
        read("glacier,date,variable,value,unit\nA,2000-01-01,length_m,1,5,m\nA,2001-01-01,length_m,2,5,m\n")


def test_one_name_with_two_identifiers_is_two_glaciers(read: Any) -> None:
    text = "glacier,glacier_id,year,area_km2\nNorth,101,2000,5\nNorth,102,2000,9\n"
    assert [name for (name,) in rows(read(text), "glacier")] == ["North [101]", "North [102]"]
    assert rows(read(text, glacier="102"), "glacier", "value") == [("North [102]", 9.0)]
    with pytest.raises(InputError, match="several glaciers named North"):
        read(text, glacier="North")


def test_a_glacier_that_a_table_does_not_hold_is_never_another_one(read: Any) -> None:
    with pytest.raises(InputError, match="holds no glacier 'Crane'; it holds"):
        read("glacier,year,area_km2\nJorum,2000,5\n", glacier="Crane")


def test_columns_can_be_told(read: Any) -> None:
    text = "when,how much,plus\n2000,5,0.5\n2001,4,0.5\n"
    with pytest.raises(InputError, match="no column of dates is known among when, how much, plus"):
        read(text, glacier="A")
    found = read(text, glacier="A", columns="date=when,value=how much,sigma=plus", variable="area_km2")
    assert rows(found, "value", "sigma") == [(5.0, 0.5), (4.0, 0.5)]
    with pytest.raises(UsageError, match="there is no column 'whem'; there are when"):
        read(text, glacier="A", columns="date=whem,value=how much")
    with pytest.raises(UsageError, match="'valve' is not known, did you mean value"):
        read(text, glacier="A", columns="date=when,valve=plus")
    bare = read("2000-01-01,5\n2001-01-01,4\n", glacier="A", columns="date=1,value=2", variable="area_km2")
    assert rows(bare, "value") == [(5.0,), (4.0,)]


def test_excel_and_parquet(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    import datetime as dt

    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["My lengths"], [], ["Glacier", "Date", "Length [km]"], ["Rhone", dt.datetime(2000, 9, 1), 5.5],
                ["Rhone", 2005, "5,0"]):  # fmt: skip
        sheet.append(row)
    book.save(tmp_path / "x.xlsx")
    found = glaciertime.read_series(tmp_path / "x.xlsx")
    assert found["value"].tolist() == [5500.0, 5000.0]
    assert [f"{day:%Y-%m-%d}" for day in found["date"]] == ["2000-09-01", "2005-01-01"]
    book.create_sheet("more").append(["a", "b"])
    book.save(tmp_path / "two.xlsx")
    with pytest.raises(InputError, match="say which with --sheet NAME"):
        glaciertime.read_series(tmp_path / "two.xlsx")
    table = pd.DataFrame({"glacier": "A", "date": pd.to_datetime(["2000-01-01"]), "area_km2": [5.0]})
    table.to_parquet(tmp_path / "p.parquet")
    assert glaciertime.read_series(tmp_path / "p.parquet")["value"].tolist() == [5.0]


def test_what_was_left_out_is_told_in_python_too(caplog: pytest.LogCaptureFixture) -> None:
    table = pd.DataFrame({"glacier": "A", "year": [2000, 2001], "area_km2": ["5", "banana"]})
    found = glaciertime.read_series(table)
    assert "'banana' is not a number" in found.attrs["problems"][0]
    assert "banana" in caplog.text
    with pytest.raises(InputError, match="no column of values is known"):
        glaciertime.read_series(table.tail(1).rename(columns={"area_km2": "area (km2)"}))
    with pytest.raises(InputError, match=r"nothing could be read. 1 row left out, the value cannot be read"):
        glaciertime.read_series(table.tail(1))
    with pytest.raises(InputError, match=r"nothing could be read. 1 row left out"):
        glaciertime.read_series(table.head(1).assign(year=2950))


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02" * 50, b"just words\n", b"a,b\n"])
def test_files_that_are_no_table(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(InputError):
        glaciertime.read_series(tmp_path / "x.csv")


def test_a_unit_that_does_not_fit_is_that_rows_reason(read: Any) -> None:
    text = (
        "glacier,date,variable,value,unit\nA,2000-01-01,area_km2,5,km2\n"
        "A,2001-01-01,area_km2,480,ha\nA,2002-01-01,area_km2,4,m\n"
    )
    found = read(text)
    assert rows(found, "value") == [(5.0,), (4.8,)]
    assert "the unit does not fit (first: line 4" in found.told.problems()[0]


def test_what_is_assumed_is_said(read: Any) -> None:
    changes = read("glacier,year,length change (m)\nA,2000,-10\nA,2001,-25\n")
    assert any("taken as counted from one reference; give --per-period" in note for note in changes.told.remarks())
    positions = read("glacier,year,front position (m)\nA,2000,500\n")
    assert any("growing towards the sea" in note for note in positions.told.remarks())
    assert read("glacier,year,front_position_m\nA,2000,500\n").told.remarks() == []


def test_surveys_of_one_glacier_by_several_methods_are_one_series(read: Any) -> None:
    text = "glacier,year,length (m),method,source\nA,1850,900,painting,Smith 1900\nA,1950,700,map,Jones 1960\n"
    found = read(text)
    assert rows(found, "method", "dataset", "value") == [("-", "table.csv", 900.0), ("-", "table.csv", 700.0)]
    assert "column source differs within a glacier" in found.told.remarks()[0]
    assert "--columns dataset=source" in found.told.remarks()[0]


def test_named_losses_that_are_negative_are_refused(read: Any) -> None:
    text = "glacier,year,retreat (m)\nA,2000,-10\nA,2001,-20\n"
    with pytest.raises(InputError, match="give --variable length_change_m if a negative number is a loss"):
        read(text)
    assert rows(read(text, variable="length_change_m"), "value") == [(-10.0,), (-20.0,)]
    assert rows(read(text, variable="retreat_m"), "value") == [(10.0,), (20.0,)]


def test_periods_written_as_years(read: Any) -> None:
    found = read("glacier,period,front variation (m)\nA,1980-1985,-50\nA,1985-1990,-40\nA,1990-1991,-9\n")
    assert rows(found, "day", "value") == [
        ("1980-01-01", 0.0), ("1985-01-01", -50.0), ("1990-01-01", -90.0), ("1991-01-01", -99.0),
    ]  # fmt: skip


def test_a_missing_year_parts_changes_without_starts(read: Any) -> None:
    years = (2000, 2001, 2002, 2003, 2007, 2008)
    text = "glacier,year,annual length change (m)\n" + "".join(f"A,{year},-10\n" for year in years)
    found = read(text)
    assert rows(found, "footprint", "value") == [
        *[("since 2000-01-01", -10.0 * k) for k in (1, 2, 3, 4)], *[("since 2007-01-01", -10.0 * k) for k in (1, 2)],
    ]  # fmt: skip


def test_sigma_of_two_is_halved(read: Any) -> None:
    assert rows(read("glacier,year,area (km2),2-sigma (km2)\nA,2000,5,0.4\n"), "sigma") == [(0.2,)]
    assert rows(read("glacier,year,length (km),error (m)\nA,2000,5,40\n"), "value", "sigma") == [(5000.0, 40.0)]
    assert rows(read("glacier,year,length (m)\nA,2000,380 ± 20\n"), "value", "sigma") == [(380.0, 20.0)]


def test_the_index_of_a_data_frame(read: Any) -> None:
    dates = pd.to_datetime(["1990-09-01", "1991-09-01"])
    frame = pd.DataFrame({"Rhone": [0, -10], "Aletsch": [0, -20]}, index=dates)
    told = {"variable": "length_change_m", "cumulative": True}
    from_frame = glaciertime.read_series(frame, **told)
    assert from_frame["value"].tolist() == [0, -20, 0, -10]
    for written in (frame.to_csv(), frame.rename_axis("date").reset_index().to_csv()):
        found = read(written, **told)
        assert found.observations["value"].tolist() == [0, -20, 0, -10]
        assert set(found.observations["glacier"]) == {"Rhone", "Aletsch"}


def test_sigma_is_in_its_own_unit_wherever_that_of_the_values_stands(read: Any) -> None:
    """Taken in the unit of the values, 20 m of a length in kilometres were 20 km."""
    column = read("glacier,year,length,unit,error (m)\nA,2000,10.1,km,20\nA,2001,10000,m,20\n")
    assert rows(column, "value", "sigma") == [(10100.0, 20.0), (10000.0, 20.0)]
    option = read("glacier,year,length,error (m)\nA,2000,10.1,20\n", unit="km", variable="length_m")
    assert rows(option, "value", "sigma") == [(10100.0, 20.0)]
    cell = read("glacier,year,length,error_m\nA,2000,10.1 km,20\nA,2001,10 ± 0.5 km,20\n")
    assert rows(cell, "value", "sigma") == [(10100.0, 20.0), (10000.0, 500.0)]


def test_sigma_in_percent_is_a_share_of_the_value(read: Any) -> None:
    assert rows(read("glacier,year,area (ha),error (%)\nA,2000,250,2\n"), "value", "sigma") == [(2.5, 0.05)]
    assert rows(read("glacier,year,area (km2),2-sigma (%)\nA,2000,5,4\n"), "sigma") == [(0.1,)]


def test_sigma_of_another_quantity_is_refused(read: Any) -> None:
    with pytest.raises(InputError, match=r"error \(m\): uncertainties in m of values in km2; name another column"):
        read("glacier,year,area (km2),error (m)\nA,2000,5,30\n")


def test_ends_of_an_interval_are_no_uncertainties_of_their_own_size(read: Any) -> None:
    """250 within 240 and 260 was 250 with a sigma of 133."""
    ends = "glacier,year,area (km2),95% CI lower,95% CI upper\nA,2000,250,240.2,259.8\nA,2001,240,230.2,244\n"
    assert [row[0] for row in rows(read(ends), "sigma")] == pytest.approx([5.0, 5.0])
    mass = "glacier,year,cumulative mass change (Gt),error upper,error lower\nA,2000,-250,-240,-262\n"
    assert rows(read(mass), "sigma") == [(12.0,)]
    reach = "glacier,year,area (km2),error lower,error upper\nA,2000,250,10,20\nA,2001,240,-10,20\n"
    assert rows(read(reach), "sigma") == [(20.0,), (20.0,)]
    with pytest.raises(InputError, match="may be the ends of an interval, or how far it reaches"):
        read("glacier,year,cumulative length change (m),error lower,error upper\nA,2000,3,-10,20\nA,2001,5,-10,20\n")


@pytest.mark.parametrize(
    ("header", "sigma"), [("90% uncertainty", 10 / 1.645), ("3-sigma", 10 / 3), ("99% CI", 10 / 2.576), ("error", 10)]
)
def test_what_a_column_of_uncertainties_covers_is_read_from_its_name(read: Any, header: str, sigma: float) -> None:
    found = read(f"glacier,year,area (km2),{header}\nA,2000,250,10\n")
    assert found.observations["sigma"].tolist() == pytest.approx([sigma])


def test_uncertainties_below_zero_are_unknown_and_said(read: Any) -> None:
    found = read("date,length_m,sigma\n2000-09-01,5000,-5\n2001-09-01,4990,3\n", glacier="A")
    assert found.observations["sigma"].isna().tolist() == [True, False]
    assert "1 of 2 uncertainties in column sigma are below zero and taken as unknown" in found.told.notes
    known = read("date,length_m,sigma\n2000-09-01,5000,5\n", glacier="A")
    assert not any("below zero" in text for text in known.told.notes)


def test_a_column_that_tells_of_bounds_under_another_name_is_refused_until_it_is_named(read: Any) -> None:
    text = "date,area_km2,quality\n2000-09-01,50,\n2001-09-01,49,at least\n"
    with pytest.raises(InputError, match=r"column quality holds 'at least'.*give --columns bound=quality"):
        read(text, glacier="A")
    found = read(text, glacier="A", columns="bound=quality")
    assert found.observations["quality"].str.contains("censored").tolist() == [False, True]


def test_one_column_of_uncertainties_beside_two_of_values_is_said_to_be_of_which(read: Any) -> None:
    found = read("date,area_km2,length_m,sigma\n2000-09-01,50,5000,15\n", glacier="A")
    assert any("sigma is taken for the uncertainty of length_m, which it stands beside" in n for n in found.told.notes)
    named = read("date,area_km2,length_m,length_m_sigma\n2000-09-01,50,5000,15\n", glacier="A")
    assert not any("stands beside" in text for text in named.told.notes)
