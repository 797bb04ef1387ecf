"""Dates and sensors in the names of files, and the table that names them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from glaciertime.dates import Dated, DateReading
from glaciertime.errors import AmbiguousDateError, InputError
from glaciertime.scenes.names import date_in_name, dates_of_files, sensor_in_name


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("Crane_2002-11-09_ERS_20_2_061_zones.png", "2002-11-09"),
        ("mask_20021109.tif", "2002-11-09"),
        ("mask_2002_11_09.tif", "2002-11-09"),
        ("2002.11.09.tif", "2002-11-09"),
        ("front-09Nov2002.tif", "2002-11-09"),
        ("9_November_2002.tif", "2002-11-09"),
        ("MOD_2002313.tif", "2002-11-09"),
        ("front_2002_313.shp", "2002-11-09"),
        ("LE71400412000304SGS00_B4.tif", "2000-10-30"),
        ("LT05_L1TP_009011_19940712_20170113_01_T1_B2.png", "1994-07-12"),
        ("S1A_IW_GRDH_1SDV_20200101T101010_20200101T101035.tif", "2020-01-01"),
        ("PSScene_20200101101010_udm.tif", "2020-01-01"),
        ("mask_20029999_20030315.tif", "2003-03-15"),
        ("Aug_12_2003.tif", "2003-08-12"),
        ("2003Aug12.tif", "2003-08-12"),
        ("Zunge_3.Jänner.2003.tif", "2003-01-03"),
        ("front_3_août_2003.tif", "2003-08-03"),
        ("12_de_agosto_de_2003.tif", "2003-08-12"),
        ("bre_3_des_1998.tif", "1998-12-03"),
        ("jokull_12_ágúst_2003.tif", "2003-08-12"),
        ("13_08_2003.tif", "2003-08-13"),
        ("mask_13082003.tif", "2003-08-13"),
        ("moraine_1600-05-03.shp", "1600-05-03"),
    ],
)
def test_days_in_names(name: str, date: str) -> None:
    assert date_in_name(name) == Dated(dt.date.fromisoformat(date))


@pytest.mark.parametrize(
    ("name", "date", "flag"),
    [
        ("glacier_1990.png", "1990-01-01", "year-only"),
        ("1_marked_2010.tif", "2010-01-01", "year-only"),
        ("1_des_Bossons_2010.tif", "2010-01-01", "year-only"),
        ("mask_2000m_2010.tif", "2010-01-01", "year-only"),
        ("front_2003-08.shp", "2003-08-01", "month-only"),
        ("Aug2003.tif", "2003-08-01", "month-only"),
        ("front_2002-2003.shp", "2003-09-30", "year-only"),
    ],
)
def test_a_year_or_a_month_alone_says_so(name: str, date: str, flag: str) -> None:
    found = date_in_name(name)
    assert found is not None
    assert (found.date.isoformat(), found.flag) == (date, flag)


@pytest.mark.parametrize(
    "name", ["mask_99991231.tif", "scene_1234.tif", "mask_2003-02-30.tif", "20030230.tif", "from_1990_to_2000.tif",
             "result5.tif", "img_2126.tif"],
)  # fmt: skip
def test_a_name_that_holds_no_date_or_two_has_none(name: str) -> None:
    assert date_in_name(name) is None


def test_day_and_month_that_can_change_places_are_refused_unless_told() -> None:
    with pytest.raises(AmbiguousDateError, match="2003-08-12 or 2003-12-08; give --day-first or --month-first"):
        date_in_name("mask_12_08_2003.tif")
    assert date_in_name("mask_12_08_2003.tif", reading=DateReading(order="day-first")) == Dated(dt.date(2003, 8, 12))
    assert date_in_name("mask_12082003.tif", reading=DateReading(order="month-first")) == Dated(dt.date(2003, 12, 8))


@pytest.mark.parametrize(
    ("name", "sensor"),
    [
        ("result5_2001.tif", ""), ("default8.tif", ""), ("ersfjord_2003.tif", ""), ("LT05_L1TP_x.tif", "Landsat 5"),
        ("LT50100111990061XXX03.tif", "Landsat 5"), ("LC80100112014123LGN00.tif", "Landsat 8"),
        ("mask_LC09_2022.tif", "Landsat 9"), ("landsat_7_2001.tif", "Landsat 7"), ("Crane_2002_ERS_20.png", "ERS"),
        ("S1A_IW_2014.tif", "Sentinel-1"), ("S2B_MSIL1C_2016.tif", "Sentinel-2"),
    ],
)  # fmt: skip
def test_a_sensor_is_a_word_of_the_name(name: str, sensor: str) -> None:
    assert sensor_in_name(name) == sensor


def test_a_file_with_two_dates_in_a_csv_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("file,date\na.tif,2001-01-01\na.tif,2002-01-01\n")
    with pytest.raises(InputError, match=r"a\.tif has two dates"):
        dates_of_files(tmp_path / "d.csv")
    (tmp_path / "e.csv").write_text("name,when\na.tif,2001-01-01\n")
    with pytest.raises(InputError, match="column date and file missing"):
        dates_of_files(tmp_path / "e.csv")


def test_one_bad_date_of_a_csv_is_the_reason_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("\ufeffFile;Date\nmasks/a.tif;2001-02-30\nb.tif;20010203\nc.tif;2001\n")
    dates = dates_of_files(tmp_path / "d.csv")
    assert "no day 30 in month 2" in str(dates["a.tif"])
    assert dates["b.tif"] == Dated(dt.date(2001, 2, 3))
    assert dates["c.tif"] == Dated(dt.date(2001, 1, 1), "year-only")


def test_a_csv_whose_days_and_months_can_change_places_is_refused_unless_told(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("file,date\na.tif,03/04/2001\n")
    with pytest.raises(AmbiguousDateError, match=r"d\.csv, column date: '03/04/2001'"):
        dates_of_files(tmp_path / "d.csv")
    told = dates_of_files(tmp_path / "d.csv", reading=DateReading(order="day-first"))
    assert told["a.tif"] == Dated(dt.date(2001, 4, 3))
