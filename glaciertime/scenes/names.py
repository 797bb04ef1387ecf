"""Dates and sensors out of file names.

Archives write the day of acquisition into the name in a handful of ways; the first plausible date of a name is
taken, which in the product names of Landsat and Sentinel is the acquisition, not the processing.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pandas as pd

from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.units import as_date

__all__ = ["DATE_FORMS", "EARLIEST", "date_in_name", "read_dates", "sensor_in_name"]

#: No photograph of a glacier is older.
EARLIEST = dt.date(1850, 1, 1)

DATE_FORMS = "2002-11-09, 20021109, 2002_11_09, 2002.11.09, 09Nov2002, 2002313 (day of year), or a year alone"

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_LANDSAT_SCENE_ID = re.compile(r"L[CEMOT]\d\d{6}(\d{4})(\d{3})", re.IGNORECASE)
_YEAR_MONTH_DAY = re.compile(r"(?<!\d)(\d{4})([-_.]?)(\d{2})\2(\d{2})(?!\d)")
_DAY_MONTH_YEAR = re.compile(r"(?<!\d)(\d{1,2})[-_. ]?([A-Za-z]{3})[a-z]*[-_. ]?(\d{4})(?!\d)")
_YEAR_DAY_OF_YEAR = re.compile(r"(?<!\d)(\d{4})(\d{3})(?!\d)")
_YEAR = re.compile(r"(?<!\d)(\d{4})(?!\d)")

_SENSORS = (
    (re.compile(r"L[CO]0?8", re.IGNORECASE), "Landsat 8"),
    (re.compile(r"LC0?9", re.IGNORECASE), "Landsat 9"),
    (re.compile(r"LE0?7", re.IGNORECASE), "Landsat 7"),
    (re.compile(r"LT0?5", re.IGNORECASE), "Landsat 5"),
    (re.compile(r"LT0?4", re.IGNORECASE), "Landsat 4"),
    (re.compile(r"(?<![A-Za-z0-9])S(?:EN)?1[A-D]?(?![A-Za-z0-9])|SENTINEL-?1", re.IGNORECASE), "Sentinel-1"),
    (re.compile(r"(?<![A-Za-z0-9])S2[A-D]?(?![A-Za-z0-9])|SENTINEL-?2", re.IGNORECASE), "Sentinel-2"),
    (re.compile(r"(?<![A-Za-z])(?:TSX|TERRASAR)", re.IGNORECASE), "TerraSAR-X"),
    (re.compile(r"(?<![A-Za-z])(?:TDX|TANDEM)", re.IGNORECASE), "TanDEM-X"),
    (re.compile(r"ENVISAT", re.IGNORECASE), "ENVISAT"),
    (re.compile(r"(?<![A-Za-z])ERS", re.IGNORECASE), "ERS"),
    (re.compile(r"RADARSAT|(?<![A-Za-z])RSAT", re.IGNORECASE), "RADARSAT"),
    (re.compile(r"PALSAR", re.IGNORECASE), "PALSAR"),
)


def date_in_name(name: str) -> tuple[dt.date, bool] | None:
    """Return the day of acquisition that a file name holds, and whether only the year is known.

    Parameters
    ----------
    name : str
        File name with or without folder and ending.

    Returns
    -------
    (date, year_only) or None
        None where the name holds no date between 1850 and today.

    Examples
    --------
    >>> date_in_name("Crane_2002-11-09_ERS_20_2_061.png")
    (datetime.date(2002, 11, 9), False)
    >>> date_in_name("LT05_L1TP_009011_19940712_20170113_01_T1.tif")
    (datetime.date(1994, 7, 12), False)
    >>> date_in_name("glacier_1990.png")
    (datetime.date(1990, 1, 1), True)
    >>> date_in_name("mask_final.tif") is None
    True
    """
    stem = Path(name).stem
    for match in _LANDSAT_SCENE_ID.finditer(stem):
        if day := _day_of_year(match[1], match[2]):
            return day, False
    for match in _YEAR_MONTH_DAY.finditer(stem):
        if day := _day(match[1], match[3], match[4]):
            return day, False
    for match in _DAY_MONTH_YEAR.finditer(stem):
        month = match[2].lower()
        if month in _MONTHS and (day := _day(match[3], str(_MONTHS.index(month) + 1), match[1])):
            return day, False
    for match in _YEAR_DAY_OF_YEAR.finditer(stem):
        if day := _day_of_year(match[1], match[2]):
            return day, False
    for match in _YEAR.finditer(stem):
        if day := _day(match[1], "1", "1"):
            return day, True
    return None


def _day(year: str, month: str, day: str) -> dt.date | None:
    try:
        date = dt.date(int(year), int(month), int(day))
    except ValueError:
        return None
    return date if EARLIEST <= date <= dt.date.today() else None


def _day_of_year(year: str, day_of_year: str) -> dt.date | None:
    try:
        date = dt.date(int(year), 1, 1) + dt.timedelta(days=int(day_of_year) - 1)
    except (ValueError, OverflowError):
        return None
    return date if date.year == int(year) and EARLIEST <= date <= dt.date.today() else None


def sensor_in_name(name: str) -> str:
    """Return the sensor that a product name tells, or an empty text.

    Examples
    --------
    >>> sensor_in_name("LE07_L1TP_021006_20010727"), sensor_in_name("mask_2001.tif")
    ('Landsat 7', '')
    """
    stem = Path(name).stem
    return next((sensor for pattern, sensor in _SENSORS if pattern.search(stem)), "")


def read_dates(path: Path) -> dict[str, dt.date]:
    """Read the dates of files from a CSV with the columns ``file`` and ``date``.

    Raises
    ------
    DataNotFoundError
        Where the CSV is not there.
    InputError
        Where a column is missing, a date is not one, or a file has two dates.
    """
    try:
        table = pd.read_csv(path, dtype=str)
    except OSError as error:
        raise DataNotFoundError(f"{path} cannot be read: {error.strerror}; --dates takes a CSV file") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a CSV table: {error}") from error
    missing = {"file", "date"} - set(table.columns)
    if missing:
        raise InputError(f"{path}: column {' and '.join(sorted(missing))} missing; expected the columns file and date")
    dates: dict[str, dt.date] = {}
    for file, date in table[["file", "date"]].itertuples(index=False):
        day = as_date(date)
        if dates.setdefault(Path(str(file)).name, day) != day:
            raise InputError(f"{path}: {file} has two dates, {dates[Path(str(file)).name]} and {day}; keep one")
    return dates
