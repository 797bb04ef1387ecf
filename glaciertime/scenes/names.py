"""Dates and sensors out of file names, and the dates of files that a table tells.

Archives write the day of acquisition into the name in a handful of ways; the first plausible date of a name is
taken, which in the product names of Landsat and Sentinel is the acquisition, not the processing.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from glaciertime import limits
from glaciertime.dates import EARLIEST, Dated, DateReading, month_of, read_dates
from glaciertime.dates.forms import hydrological_year, month_only, year_only
from glaciertime.errors import AmbiguousDateError, DataNotFoundError, InputError
from glaciertime.naming import column_key
from glaciertime.scenes.listing import entries
from glaciertime.walls import wall

__all__ = ["DATE_FORMS", "date_in_name", "dated_folders", "dates_of_files", "order_decides", "sensor_in_name"]

DATE_FORMS = (
    "2002-11-09, 20021109, 2002_11_09, 09Nov2002, 2002313 or 2002_313 (day of year), 2002-11, Nov2002, or a year alone"
)

#: Of digits that nothing parts into year, month and day, and of a year alone, only those are a date.
_FIRST_PHOTOGRAPH = 1850

_LANDSAT_SCENE_ID = re.compile(r"(?<![A-Za-z])L[CEMOT]\d\d{6}(\d{4})(\d{3})", re.IGNORECASE)
_YEAR_MONTH_DAY = re.compile(r"(?<!\d)(\d{4})([-_. ])(\d{1,2})\2(\d{1,2})(?!\d)")
_EIGHT_DIGITS = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?:[0-2]\d[0-5]\d(?:[0-5]\d)?)?(?!\d)")
_WORD = r"([^\W\d_]{3,})"
_OF = r"[-_. ]*(?:de[l]?[-_. ])?"
_DAY_WORD_YEAR = re.compile(rf"(?<!\d)(\d{{1,2}}){_OF}{_WORD}{_OF}(\d{{4}})(?!\d)")
_WORD_DAY_YEAR = re.compile(rf"(?<![^\W\d_]){_WORD}[-_. ]*(\d{{1,2}})[-_., ]+(\d{{4}})(?!\d)")
_YEAR_WORD_DAY = re.compile(rf"(?<!\d)(\d{{4}})[-_. ]*{_WORD}[-_. ]*(\d{{1,2}})(?!\d)")
_WORD_YEAR = re.compile(rf"(?<![^\W\d_]){_WORD}[-_. ]*(\d{{4}})(?!\d)")
_YEAR_WORD = re.compile(rf"(?<!\d)(\d{{4}})[-_. ]*{_WORD}(?![^\W\d_])")
_YEAR_DAY_OF_YEAR = re.compile(r"(?<!\d)(\d{4})[-_]?(\d{3})(?!\d)")
_PARTS_YEAR = re.compile(r"(?<!\d)(\d{1,2})([-_. ])(\d{1,2})\2(\d{4})(?!\d)|(?<!\d)(\d\d)()(\d\d)(\d{4})(?!\d)")
_YEAR_MONTH = re.compile(r"(?<!\d)(\d{4})[-_.](\d{2})(?!\d)")
_YEARS = re.compile(r"(?<!\d)(\d{4})[-_](\d{4})(?!\d)")
_YEAR = re.compile(r"(?<!\d)(\d{4})(?!\d|m(?![A-Za-z])|px|x\d)", re.IGNORECASE)

# A product's name begins with it, alone or before digits; inside a word (result5) it is none.
_START, _END = r"(?<![A-Za-z0-9])", r"(?=\d{13}|[^A-Za-z0-9]|$)"
_SENSORS = (
    (re.compile(rf"{_START}(?:L[CO]0?8{_END}|LANDSAT[-_ ]?8(?!\d))", re.IGNORECASE), "Landsat 8"),
    (re.compile(rf"{_START}(?:L[CO]0?9{_END}|LANDSAT[-_ ]?9(?!\d))", re.IGNORECASE), "Landsat 9"),
    (re.compile(rf"{_START}(?:LE0?7{_END}|LANDSAT[-_ ]?7(?!\d))", re.IGNORECASE), "Landsat 7"),
    (re.compile(rf"{_START}(?:L[TM]0?5{_END}|LANDSAT[-_ ]?5(?!\d))", re.IGNORECASE), "Landsat 5"),
    (re.compile(rf"{_START}(?:L[TM]0?4{_END}|LANDSAT[-_ ]?4(?!\d))", re.IGNORECASE), "Landsat 4"),
    (re.compile(rf"{_START}(?:LM0?[1-3]{_END}|LANDSAT[-_ ]?[1-3](?!\d))", re.IGNORECASE), "Landsat 1-3"),
    (re.compile(r"(?<![A-Za-z0-9])S(?:EN)?1[A-D]?(?![A-Za-z0-9])|SENTINEL-?1", re.IGNORECASE), "Sentinel-1"),
    (re.compile(r"(?<![A-Za-z0-9])S2[A-D]?(?![A-Za-z0-9])|SENTINEL-?2", re.IGNORECASE), "Sentinel-2"),
    (re.compile(r"(?<![A-Za-z])(?:TSX|TERRASAR)", re.IGNORECASE), "TerraSAR-X"),
    (re.compile(r"(?<![A-Za-z])(?:TDX|TANDEM)", re.IGNORECASE), "TanDEM-X"),
    (re.compile(r"(?<![A-Za-z])ENVISAT", re.IGNORECASE), "ENVISAT"),
    (re.compile(r"(?<![A-Za-z])ERS(?![A-Za-z])", re.IGNORECASE), "ERS"),
    (re.compile(r"(?<![A-Za-z])(?:RADARSAT|RSAT)", re.IGNORECASE), "RADARSAT"),
    (re.compile(r"(?<![A-Za-z])(?:ALOS[-_ ]?)?PALSAR", re.IGNORECASE), "PALSAR"),
)


def date_in_name(name: str, *, reading: DateReading | None = None) -> Dated | None:
    """Return the day of acquisition that a file name holds; a month or a year alone is flagged.

    Parameters
    ----------
    name : str
        File name with or without folder and ending.
    reading : DateReading, optional
        What was told about how dates are written.

    Returns
    -------
    Dated or None
        None where the name holds no date up to today.

    Raises
    ------
    AmbiguousDateError
        Where day and month stand before the year and can change places.

    Examples
    --------
    >>> date_in_name("Crane_2002-11-09_ERS_20_2_061.png")
    Dated(date=datetime.date(2002, 11, 9), flag='', note='')
    >>> date_in_name("LT05_L1TP_009011_19940712_20170113_01_T1.tif").date
    datetime.date(1994, 7, 12)
    >>> date_in_name("glacier_1990.png")
    Dated(date=datetime.date(1990, 1, 1), flag='year-only', note='')
    >>> date_in_name("mask_final.tif") is None
    True
    """
    reading = reading or DateReading()
    path = Path(name)
    stem = path.stem if re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]{1,10}", path.suffix) else path.name
    found = next((dated for dated in _days(stem) if _is_past(dated)), None)
    if found is None:
        found = _day_before_year(name, stem, reading)
    return found or next((dated for dated in _months_and_years(stem, reading) if _is_past(dated)), None)


def dated_folders(folder: Path) -> list[Path]:
    """Return the sub-folders of a folder that only sort by date: all of them bear a date or a number and no other word.

    Examples
    --------
    A folder with the sub-folders ``2003`` and ``2004-08`` has two of them, one with ``2003`` and ``drafts`` none.
    """
    inner = [path for path in entries(folder) if path.is_dir() and not path.name.startswith(".")]
    words = [word for path in inner for word in re.findall(r"[^\W\d_]+", path.name)]
    return inner if all(month_of(word) for word in words) else []


def order_decides(names: Iterable[str]) -> bool:
    """Return whether any file name needs to be told which of two numbers is the day."""
    for name in names:
        try:
            date_in_name(name)
        except AmbiguousDateError:
            return True
    return False


def _is_past(dated: Dated) -> bool:
    return EARLIEST <= dated.date <= dt.date.today()


def _days(stem: str) -> Iterator[Dated]:
    for match in _LANDSAT_SCENE_ID.finditer(stem):
        yield from _day_of_year(match[1], match[2])
    for match in _YEAR_MONTH_DAY.finditer(stem):
        yield from _day(match[1], match[3], match[4])
    for match in _EIGHT_DIGITS.finditer(stem):
        if int(match[1]) >= _FIRST_PHOTOGRAPH:
            yield from _day(match[1], match[2], match[3])
    for pattern, day, word, year in ((_DAY_WORD_YEAR, 1, 2, 3), (_WORD_DAY_YEAR, 2, 1, 3), (_YEAR_WORD_DAY, 3, 2, 1)):
        for match in pattern.finditer(stem):
            if month := month_of(match[word]):
                yield from _day(match[year], str(month), match[day])
    for match in _YEAR_DAY_OF_YEAR.finditer(stem):
        if int(match[1]) >= _FIRST_PHOTOGRAPH:
            yield from _day_of_year(match[1], match[2])


def _day_before_year(name: str, stem: str, reading: DateReading) -> Dated | None:
    for match in _PARTS_YEAR.finditer(stem):
        first, second, year = (match[1], match[3], match[4]) if match[1] else (match[5], match[7], match[8])
        if not _FIRST_PHOTOGRAPH <= int(year) <= dt.date.today().year:
            continue
        days = {
            "day-first": next(_day(year, second, first), None), "month-first": next(_day(year, first, second), None),
        }  # fmt: skip
        told = days.get(reading.order) if reading.order else None
        possible = {dated.date for dated in days.values() if dated is not None}
        if told is not None or len(possible) == 1:
            return told or next(dated for dated in days.values() if dated is not None)
        if len(possible) > 1:
            raise AmbiguousDateError(
                f"{Path(name).name} may be of {' or '.join(map(str, sorted(possible)))}; give --day-first or "
                "--month-first, or write dates as YYYY-MM-DD"
            )
    return None


def _months_and_years(stem: str, reading: DateReading) -> Iterator[Dated]:
    stem = _YEAR_MONTH_DAY.sub(" ", stem)  # a day that does not exist is no month and no year
    for match in _YEAR_MONTH.finditer(stem):
        if int(match[1]) >= _FIRST_PHOTOGRAPH and 1 <= int(match[2]) <= 12:
            yield month_only(int(match[1]), int(match[2]))
    for pattern, word, year in ((_WORD_YEAR, 1, 2), (_YEAR_WORD, 2, 1)):
        for match in pattern.finditer(stem):
            month = month_of(match[word])
            if month and int(match[year]) >= _FIRST_PHOTOGRAPH:
                yield month_only(int(match[year]), month)
    for match in _YEARS.finditer(stem):
        if int(match[2]) == int(match[1]) + 1 and int(match[1]) >= _FIRST_PHOTOGRAPH:
            yield hydrological_year(int(match[2]), reading.hemisphere)
    years = {int(match[1]) for match in _YEAR.finditer(stem)}
    plausible = [year for year in years if _FIRST_PHOTOGRAPH <= year <= dt.date.today().year]
    if len(plausible) == 1:
        yield year_only(plausible[0])


def _day(year: str, month: str, day: str) -> Iterator[Dated]:
    if year[0] in "12" and 1 <= int(month) <= 12 and 1 <= int(day) <= calendar.monthrange(int(year), int(month))[1]:
        yield Dated(dt.date(int(year), int(month), int(day)))


def _day_of_year(year: str, number: str) -> Iterator[Dated]:
    if year[0] in "12" and 1 <= int(number) <= (366 if calendar.isleap(int(year)) else 365):
        yield Dated(dt.date(int(year), 1, 1) + dt.timedelta(days=int(number) - 1))


def sensor_in_name(name: str) -> str:
    """Return the sensor that a product name tells, or an empty text.

    Examples
    --------
    >>> sensor_in_name("LE07_L1TP_021006_20010727"), sensor_in_name("result5_2001.tif")
    ('Landsat 7', '')
    """
    stem = Path(name).stem
    return next((sensor for pattern, sensor in _SENSORS if pattern.search(stem)), "")


def dates_of_files(path: Path, *, reading: DateReading | None = None) -> Mapping[str, Dated | str]:
    """Read the dates of files from a CSV with the columns ``file`` and ``date``.

    Returns
    -------
    dict
        For every file a date, or the reason why there is none.

    Raises
    ------
    DataNotFoundError
        Where the CSV is not there.
    InputError
        Where a column is missing, dates can mean several days, or a file has two dates.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataNotFoundError(f"{path} cannot be read: {error.strerror}; --dates takes a CSV file") from error
    limits.check("table-mb", size / 1e6, path.name)
    with wall(f"{path} is not a CSV table in UTF-8", "--dates takes one with the columns file and date"):
        first = path.read_text(encoding="utf-8-sig").partition("\n")[0]
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", sep=max(",;\t", key=first.count))
    table.columns = pd.Index([column_key(column) for column in table.columns])
    missing = {"file", "date"} - set(table.columns)
    if missing:
        raise InputError(f"{path}: column {' and '.join(sorted(missing))} missing; expected the columns file and date")
    rows = read_dates(table["date"], reading=reading, where=f"{path.name}, column date").rows
    dates: dict[str, Dated | str] = {}
    for file, dated in zip(table["file"], rows, strict=True):
        key = Path(str(file).strip()).name
        found = dated if isinstance(dated, Dated) else f"{key}: {dated}"
        if dates.setdefault(key, found) != found:
            raise InputError(f"{path}: {key} has two dates, {_told(dates[key])} and {_told(found)}; keep one")
    return dates


def _told(dated: Dated | str) -> str:
    return str(dated.date) if isinstance(dated, Dated) else dated
