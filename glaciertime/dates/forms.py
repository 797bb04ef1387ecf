"""What a single value may mean as a date: every reading of it, not the likeliest one."""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from glaciertime.dates.months import month_of
from glaciertime.errors import InputError, UsageError, nearest_names

__all__ = [
    "EARLIEST",
    "FORMATS",
    "DateReading",
    "Dated",
    "Found",
    "date_of_decimal_year",
    "day_or_none",
    "hydrological_year",
    "month_only",
    "readings_of_number",
    "readings_of_text",
    "year_only",
]

#: A year has four digits.
EARLIEST = dt.date(1000, 1, 1)

#: What may be told of how dates are written, beside the directives of ``strptime`` such as ``%d.%m.%y``.
FORMATS = {
    "decimal-year": "2003.62 is a day in August 2003",
    "year-month": "2003.08 or 200308 is August 2003",
    "day-of-year": "2003.224 is the 224th day of 2003",
    "hydrological-year": "2003 or 2002/03 is the year that ends on 30 September 2003 (south: 31 March)",
    "spreadsheet": "37845 is the day that Excel counts so, 2003-08-12",
}

_SPREADSHEET_ZERO = dt.date(1899, 12, 30)
_UNKNOWN = (0, 99)


@dataclass(frozen=True)
class Dated:
    """A day, and what flag says that only a year or a month is known."""

    date: dt.date
    flag: str = ""
    note: str = ""

    @property
    def flags(self) -> dict[str, str]:
        """Flags for the quality of an observation."""
        return {self.flag: self.note} if self.flag else {}


@dataclass(frozen=True, kw_only=True)
class DateReading:
    """What was told about how dates are written; what was not told is empty.

    Parameters
    ----------
    form : str
        A key of :data:`FORMATS`, or a pattern of ``strptime`` (``%d.%m.%y``).
    order : "day-first", "month-first" or ""
        How 12/08/2003 is meant.
    hemisphere : "north", "south" or None
        When a hydrological year ends; None is taken for north, and the note of the date says so.
    may_be_future : bool
        Whether days after today are dates: those of covariates and of forecasts, not of observations.
    """

    form: str = ""
    order: Literal["", "day-first", "month-first"] = ""
    hemisphere: Literal["north", "south"] | None = None
    may_be_future: bool = False

    def __post_init__(self) -> None:
        if self.form and "%" not in self.form and self.form not in FORMATS:
            near = nearest_names(self.form, FORMATS)
            hint = f", did you mean {near[0]}" if near else ""
            raise UsageError(
                f"'{self.form}' is no format of dates{hint}; expected {', '.join(FORMATS)} or a pattern like %d.%m.%y"
            )
        if "%" in self.form:
            missing = [part for part, any_of in (("year", "Yy"), ("month", "mbB")) if not _holds(self.form, any_of)]
            if missing and not _holds(self.form, "j"):
                raise UsageError(f"the pattern '{self.form}' names no {' and no '.join(missing)}; give e.g. %d.%m.%y")


def _holds(pattern: str, directives: str) -> bool:
    return any(f"%{letter}" in pattern for letter in directives)


@dataclass(frozen=True)
class Found:
    """Every day that a value may mean, by the form it is read in; values of one family are judged together."""

    family: str
    forms: Mapping[str, Dated]


class _NoDateError(InputError):
    """The reason why a value is no date, without its value."""


def day_or_none(year: int, month: int, day: int) -> dt.date | None:
    """Return a day of the calendar, or None where there is none such."""
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def year_only(year: int) -> Dated:
    """Return a year as its 1 January, flagged."""
    return Dated(dt.date(year, 1, 1), "year-only")


def month_only(year: int, month: int) -> Dated:
    """Return a month as its first day, flagged."""
    return Dated(dt.date(year, month, 1), "month-only")


def hydrological_year(year: int, hemisphere: str | None) -> Dated:
    """Return a hydrological year by the calendar year it ends in, as its last day, flagged.

    Examples
    --------
    >>> hydrological_year(2003, "south").date
    datetime.date(2003, 3, 31)
    """
    end = dt.date(year, 3, 31) if hemisphere == "south" else dt.date(year, 9, 30)
    assumed = ", as in the north" if hemisphere is None else ""
    years = f"{year - 1}/{year % 100:02d}"
    return Dated(end, "year-only", f"hydrological year {years} written as its end{assumed}")


def date_of_decimal_year(value: float) -> dt.date:
    """Return the day nearest to a decimal year: the inverse of :func:`glaciertime.units.decimal_year`.

    An instant half way between the beginnings of two days, such as the middle of a year, is on the earlier one.

    Examples
    --------
    >>> date_of_decimal_year(2004.0), date_of_decimal_year(2002.5)
    (datetime.date(2004, 1, 1), datetime.date(2002, 7, 2))
    """
    year = int(value)
    days = 366 if calendar.isleap(year) else 365
    return dt.date(year, 1, 1) + dt.timedelta(days=min(max(0, math.ceil((value - year) * days - 0.5)), days - 1))


def _certain(date: dt.date | Dated) -> Found:
    return Found("", {"": date if isinstance(date, Dated) else Dated(date)})


def _calendar(year: int, month: int, day: int) -> Dated:
    """Return a day; inventories write 00 or 99 where the day, or month and day, are not known."""
    if month in _UNKNOWN and day in _UNKNOWN:
        return year_only(year)
    if day in _UNKNOWN and 1 <= month <= 12:
        return month_only(year, month)
    found = day_or_none(year, month, day)
    if found is None:
        raise _NoDateError(f"there is no day {day} in month {month} of {year}")
    return Dated(found)


def _day_of_year(year: int, number: int) -> Dated:
    if not 1 <= number <= (366 if calendar.isleap(year) else 365):
        raise _NoDateError(f"{year} has no day {number}")
    return Dated(dt.date(year, 1, 1) + dt.timedelta(days=number - 1))


def _either_order(first: int, second: int, year: int) -> Found:
    """Return what two numbers before a year may mean."""
    forms = {}
    for order, month, day in (("day-first", second, first), ("month-first", first, second)):
        found = day_or_none(year, month, day)
        if found is not None:
            forms[order] = Dated(found)
    if not forms:
        raise _NoDateError(f"there is no day and month {first} and {second} in {year}")
    return Found("order", forms)


# What stands after a day: a time, and a zone.
_ZONE = r"\s*(?P<zone>Z|UTC|GMT|UT|[+-]\d\d(?::?\d\d)?)"
_TIMED = (
    re.compile(
        rf"(?P<day>.+?)(?:(?<=\d)T(?P<hour>\d\d):?|\s+(?P<hour_>\d{{1,2}}):)(?P<minute>\d\d)"
        rf"(?::?(?P<second>\d\d)(?:[.,]\d+)?)?(?:{_ZONE})?",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<day>[12]\d{7})(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?"),
    re.compile(rf"(?P<day>[12]\d{{3}}-\d\d-\d\d){_ZONE}", re.IGNORECASE),
)

_YEAR_MONTH_DAY = re.compile(r"([12]\d{3})([-/._ ])(\d{1,2})\2(\d{1,2})")
_PARTS_YEAR = re.compile(r"(\d{1,2})([-/._ ])(\d{1,2})\2([12]\d{3})")
_SHORT_YEAR = re.compile(r"\d{1,2}([-/._ ])(?:\d{1,2}|[^\W\d_]+)\1\d{2}|'\d\d")
_YEAR_DAY = re.compile(r"([12]\d{3})[-/_ ](\d{3})")
_MONTH_YEAR = re.compile(r"(\d{1,2})[-/._ ]([12]\d{3})")
_YEAR_OTHER = re.compile(r"([12]\d{3})([-/_ ])(\d{1,2}|[12]\d{3})")
_DECIMAL = re.compile(r"([12]\d{3})[.,](\d+)")
_WORDS = re.compile(r"\d+|[^\W\d_]+")
_FILLERS = {"de", "del", "of", "er", "st", "nd", "rd", "th", "den", "o", "º"}


def readings_of_text(text: str, reading: DateReading) -> Found:
    """Return every day that a text may mean.

    Raises
    ------
    InputError
        Where it means none; the reason, without the text itself.
    """
    timed = next((match for pattern in _TIMED if (match := pattern.fullmatch(text))), None)
    return _day_of_text(text, reading) if timed is None else _with_time(timed.groupdict(), reading)


def _with_time(parts: Mapping[str, str | None], reading: DateReading) -> Found:
    """Return the day in UTC of a day with a time."""
    found = _day_of_text(parts["day"] or "", reading)
    hour, minute = int(parts.get("hour") or parts.get("hour_") or 0), int(parts.get("minute") or 0)
    second = int(parts.get("second") or 0)
    # 24:00 is the end of a day, the next one's midnight.
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and minute + second > 0):
        raise _NoDateError("its time is none")
    zone, offset = parts.get("zone") or "", dt.timedelta()
    if zone[:1] in ("+", "-"):
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if zone[0] == "-" else 1)
    day_and_time = dt.datetime(2000, 1, 1) + dt.timedelta(hours=hour, minutes=minute)
    shift = (day_and_time - offset).date() - dt.date(2000, 1, 1)
    return Found(found.family, {form: Dated(day.date + shift, day.flag, day.note) for form, day in found.forms.items()})


def _day_of_text(text: str, reading: DateReading) -> Found:
    if re.fullmatch(r"\d+", text):
        return readings_of_number(text, reading)
    if match := _YEAR_MONTH_DAY.fullmatch(text):
        return _certain(_calendar(int(match[1]), int(match[3]), int(match[4])))
    if match := _PARTS_YEAR.fullmatch(text):
        return _either_order(int(match[1]), int(match[3]), int(match[4]))
    if _SHORT_YEAR.fullmatch(text):
        raise _NoDateError("its year has two digits: write four, or give --date-format with a pattern like %d.%m.%y")
    if match := _YEAR_DAY.fullmatch(text):
        return _certain(_day_of_year(int(match[1]), int(match[2])))
    if match := _MONTH_YEAR.fullmatch(text):
        return _certain(_month(int(match[2]), int(match[1])))
    if match := _YEAR_OTHER.fullmatch(text):
        return _year_and_another(int(match[1]), match[2], match[3], reading)
    if match := _DECIMAL.fullmatch(text):
        return readings_of_decimal(match[1], match[2])
    return _certain(_day_in_words(text))


def _month(year: int, month: int) -> Dated:
    if not 1 <= month <= 12:
        raise _NoDateError(f"there is no month {month}")
    return month_only(year, month)


def _year_and_another(year: int, mark: str, text: str, reading: DateReading) -> Found:
    """Return what 2002/03, 2002-08 or 2002/2003 may mean: a hydrological year, a month, or both."""
    forms: dict[str, Dated] = {}
    other = int(text)
    if len(text) > 1 and other == (year + 1) % 10 ** len(text):
        forms["hydrological-year"] = hydrological_year(year + 1, reading.hemisphere)
    if len(text) < 3 and 1 <= other <= 12:
        forms["year-month"] = month_only(year, other)
    if not forms and len(text) == 2 and other in _UNKNOWN:
        return _certain(year_only(year))
    if not forms:
        raise _NoDateError("it is neither a month nor a year that begins in one year and ends in the next")
    return Found("slash" if mark == "/" else "dash", forms)


def readings_of_decimal(year: str, fraction: str, *, is_number: bool = False) -> Found:
    """Return what digits after a year may mean: a share of the year, a month, or a day of the year.

    A number has lost the last zero of 2002.10.
    """
    if not fraction.strip("0"):
        return Found("decimal", {"decimal-year": year_only(int(year))})
    forms = {"decimal-year": Dated(date_of_decimal_year(float(f"{year}.{fraction}")))}
    if len(fraction) <= 2 and 1 <= int(fraction) <= 12:
        forms["year-month"] = month_only(int(year), 10 if is_number and fraction == "1" else int(fraction))
    if len(fraction) == 3 and 1 <= int(fraction) <= (366 if calendar.isleap(int(year)) else 365):
        forms["day-of-year"] = _day_of_year(int(year), int(fraction))
    return Found("decimal", forms)


def readings_of_number(digits: str, reading: DateReading) -> Found:
    """Return every day that a whole number may mean.

    Raises
    ------
    InputError
        Where it means none, or is a count of days or seconds from somewhere.
    """
    count = len(digits)
    if not digits.strip("0") or (count != 5 and not digits.strip("9")):
        raise _NoDateError("it stands for an unknown date")
    if reading.form == "spreadsheet" and count == 5:
        return Found("number", {"spreadsheet": Dated(_SPREADSHEET_ZERO + dt.timedelta(days=int(digits)))})
    has_year = digits[0] in "12"
    if count == 4 and has_year:
        forms = {"year": year_only(int(digits))}
        if reading.form == "hydrological-year":
            forms = {"hydrological-year": hydrological_year(int(digits), reading.hemisphere)}
        return Found("year", forms)
    if count == 5:
        raise _NoDateError(
            "it may be the day number of a spreadsheet "
            f"({_SPREADSHEET_ZERO + dt.timedelta(days=int(digits))}): give --date-format spreadsheet if it is"
        )
    if count == 6:
        return _six_digits(digits)
    if count == 7 and has_year:
        return _certain(_day_of_year(int(digits[:4]), int(digits[4:])))
    if count == 8:
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
        last = int(digits[4:])
        backwards = not (has_year and (month <= 12 or month == 99)) and 1000 <= last <= dt.date.today().year
        if backwards:
            return _either_order(int(digits[:2]), int(digits[2:4]), last)
        if has_year:
            return _certain(_calendar(year, month, day))
    if count in (12, 14) and has_year and digits[8:10] < "25" and digits[10:12] < "60":
        return _certain(_calendar(int(digits[:4]), int(digits[4:6]), int(digits[6:8])))
    if count in (10, 13, 16, 19):
        raise _NoDateError("it may be a count of seconds since 1970: a number is only read as YYYYMMDD")
    if count <= 2:
        raise _NoDateError("it stands for an unknown date, or its year has two digits")
    raise _NoDateError("a number is only read as a year, YYYYMMDD or a year and its day (2002313)")


def _six_digits(digits: str) -> Found:
    """Return what 200308 may mean: August 2003, or a day whose year has two digits."""
    forms: dict[str, Dated] = {}
    if digits[0] in "12" and 1 <= int(digits[4:]) <= 12:
        forms["year-month"] = month_only(int(digits[:4]), int(digits[4:]))
    a, b, c = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    for month, day in ((b, c), (b, a), (a, b)):
        found = day_or_none(2000, month, day)
        if found is not None:
            forms["two digits for the year"] = Dated(found)
    if "year-month" not in forms:
        raise _NoDateError("its year may have two digits: write YYYYMMDD, or give --date-format with a pattern")
    return Found("six", forms)


def _day_in_words(text: str) -> Dated:
    """Return a day or a month with its name: 12 Aug 2003, 12 de agosto de 2003, August 2003, 2003-Aug-12."""
    parts = [part for part in _WORDS.findall(text) if part.casefold() not in _FILLERS]
    months = [index for index, part in enumerate(parts) if month_of(part)]
    rest = re.sub(r"[\w\s,./\-ºª]", "", text)
    if len(months) != 1 or rest or len(parts) not in (2, 3) or sum(part.isdigit() for part in parts) != len(parts) - 1:
        raise _NoDateError("")
    month = month_of(parts[months[0]]) or 0
    digits = [part for part in parts if part.isdigit()]
    years = [part for part in digits if len(part) == 4 and part[0] in "12"]
    days = [part for part in digits if len(part) <= 2]
    if not years:
        raise _NoDateError("its year has two digits: write four, or give --date-format with a pattern like %d-%b-%y")
    if len(years) != 1 or len(years) + len(days) != len(digits):
        raise _NoDateError("")
    return _calendar(int(years[0]), month, int(days[0])) if days else month_only(int(years[0]), month)
