"""Single dates and whole columns of them: a day for every value, the reason why there is none, or a refusal."""

from __future__ import annotations

import datetime as dt
import math
import numbers
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.dates.forms import (
    EARLIEST,
    Dated,
    DateReading,
    Found,
    readings_of_decimal,
    readings_of_number,
    readings_of_text,
)
from glaciertime.errors import AmbiguousDateError, InputError

__all__ = ["DateColumn", "as_date", "last_day", "read_date", "read_dates"]

_NOTHING = {"", "nan", "nat", "none", "null", "na", "n/a", "<na>", "-", "--", "?", "unknown", "nodata", "no date"}
#: Excel's day zero, and the first day that it can write, are no dates of anything; nor are eight ones.
_EMPTY_DAYS = {dt.date(1899, 12, 30), dt.date(1899, 12, 31), dt.date(1111, 11, 11)}
#: Where numbers land that somebody read as nanoseconds or milliseconds.
_EPOCH = {dt.date(1969, 12, 31), dt.date(1970, 1, 1)}
_TOLD = "YYYY-MM-DD"
_SHOWN_ROWS = 5

# What a family of forms is read as where its values leave a choice; one that is not here is refused then.
_DEFAULT = {"slash": "hydrological-year", "dash": "year-month"}
_REMEDY = {
    "order": "--day-first or --month-first",
    "decimal": "--date-format decimal-year (or year-month, day-of-year)",
    "six": "--date-format year-month, or with a pattern such as %d%m%y",
    "dash": "--date-format year-month or --date-format hydrological-year",
}


@dataclass(frozen=True)
class DateColumn:
    """The days of a column: for every value a :class:`Dated`, or the reason why it is none."""

    rows: tuple[Dated | str, ...]
    #: Whether what was told about the dates decided any of them.
    used: bool


def read_dates(values: Iterable[Any], *, reading: DateReading | None = None, where: str = "") -> DateColumn:
    """Read a column of dates.

    Parameters
    ----------
    values : iterable
        Texts, whole or decimal numbers, dates and times, missing values, mixed as they are.
    reading : DateReading, optional
        What was told about how they are written.
    where : str
        What is read, for messages: ``column date of fronts.shp``.

    Returns
    -------
    DateColumn
        One bad date is the reason of its row.

    Raises
    ------
    AmbiguousDateError
        Where a date can mean several days; rows are counted from 1.

    Examples
    --------
    >>> [row.date.isoformat() for row in read_dates(["13/08/2003", 20030812]).rows]
    ['2003-08-13', '2003-08-12']
    >>> read_dates(["12/08/2003", "13/08/2003"], reading=DateReading(order="day-first")).rows[0].date
    datetime.date(2003, 8, 12)
    """
    reading = reading or DateReading()
    given = list(values)
    found = _each_found(given, reading)
    chosen, used = _choose(given, found, reading, where)
    rows = tuple(_checked(value, row, reading) for value, row in zip(given, chosen, strict=True))
    return DateColumn(rows, used)


def read_date(value: Any, *, reading: DateReading | None = None) -> Dated:
    """Read one date.

    Raises
    ------
    InputError
        Where it is none; an :class:`AmbiguousDateError` where it can mean several days.
    """
    row = read_dates([value], reading=reading).rows[0]
    if isinstance(row, str):
        raise InputError(row)
    return row


def as_date(value: Any) -> dt.date:
    """Return the calendar day (UTC) of a date given as text, ``date``, ``datetime`` or numpy datetime.

    Days to come are dates too; of a year its 1 January is returned, of a month its first day.

    Raises
    ------
    InputError
        If the value is not a date, or can mean several days.

    Examples
    --------
    >>> as_date("2002-03-15"), as_date("2030")
    (datetime.date(2002, 3, 15), datetime.date(2030, 1, 1))
    """
    if type(value) is dt.date:
        return value
    return read_date(value, reading=DateReading(may_be_future=True)).date


def last_day(value: Any) -> dt.date:
    """Return the last day of what is given: of a year its 31 December, of a month its last, of a day itself.

    For the end of a span, where :func:`as_date` is for its beginning.

    Examples
    --------
    >>> [last_day(text).isoformat() for text in ("2003", "2004-02", "2004-02-03")]
    ['2003-12-31', '2004-02-29', '2004-02-03']
    """
    if type(value) is dt.date:
        return value
    found = read_date(value, reading=DateReading(may_be_future=True))
    if found.flag == "year-only" and (found.date.month, found.date.day) == (1, 1):
        return found.date.replace(month=12, day=31)
    if found.flag == "month-only":
        return (found.date.replace(day=1) + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    return found.date


def _each_found(values: Sequence[Any], reading: DateReading) -> list[Found | str]:
    """Return what every value may mean; texts that a layer repeats are read once."""
    texts: dict[str, Found | str] = {}
    out = []
    for value in values:
        if type(value) is not str:
            out.append(_found(value, reading))
            continue
        if value not in texts:
            texts[value] = _found(value, reading)
        out.append(texts[value])
    return out


def _found(value: Any, reading: DateReading) -> Found | str:
    """Return what a value may mean, or the reason why it is no date."""
    try:
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            return _found_in_text(value, reading)
        if value is None or value is pd.NaT or value is pd.NA:
            return "no date is given"
        if isinstance(value, (dt.date, np.datetime64)):
            return _found_in_time(value)
        if isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_)):
            return _found_in_number(float(value), str(value), reading)
    except InputError as error:
        why = f" ({error})" if str(error) else ""
        return f"'{_shown(value)}' is not a date{why}; give it as {_TOLD}"
    return f"'{_shown(value)}' is not a date; give it as {_TOLD}"


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 40 else text[:37] + "..."


def _found_in_time(value: dt.date | np.datetime64) -> Found | str:
    if not isinstance(value, dt.datetime) and isinstance(value, dt.date):
        return Found("", {"": Dated(value)})
    stamp = pd.Timestamp(value)
    if stamp is pd.NaT:
        return "no date is given"
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC").tz_localize(None)
    if stamp.date() in _EPOCH and (stamp.microsecond or stamp.nanosecond):
        raise InputError("it is a number that was read as time since 1970: write the numbers as they were")
    return Found("", {"": Dated(stamp.date())})


def _found_in_number(number: float, text: str, reading: DateReading) -> Found | str:
    if math.isnan(number):
        return "no date is given"
    if number <= 0 or not math.isfinite(number):
        raise InputError("it stands for an unknown date")
    if "%" in reading.form:
        return _found_by_pattern(str(int(number)) if number == int(number) else text, reading)
    if number != int(number):
        year, _, fraction = repr(number).partition(".")
        if len(year) != 4 or year[0] not in "12" or not fraction.isdigit():
            raise InputError("a number is only read as a year, a decimal year or YYYYMMDD")
        return readings_of_decimal(year, fraction, is_number=True)
    if number >= 1e15:
        return readings_of_number(f"{number:.0f}", reading)
    if 1000 <= number < 3000 and "." in text and reading.form != "hydrological-year":
        return readings_of_decimal(str(int(number)), "0", is_number=True)
    return readings_of_number(str(int(number)), reading)


def _found_in_text(value: str, reading: DateReading) -> Found | str:
    text = " ".join(unicodedata.normalize("NFKC", value).split())
    if text.casefold() in _NOTHING:
        return "no date is given"
    if re.fullmatch(r"-\d+(\.\d+)?", text):
        raise InputError("it stands for an unknown date")
    if "%" in reading.form:
        return _found_by_pattern(text, reading)
    if re.fullmatch(r"\d{5,}\.0+", text):
        text = text.partition(".")[0]
    return readings_of_text(text, reading)


def _found_by_pattern(text: str, reading: DateReading) -> Found:
    try:
        stamp = dt.datetime.strptime(text, reading.form)
    except ValueError as error:
        raise InputError(f"it is not written as {reading.form}") from error
    if stamp.tzinfo is not None:
        stamp = stamp.astimezone(dt.UTC)
    holds_day = "%d" in reading.form or "%j" in reading.form
    return Found("told", {reading.form: Dated(stamp.date(), "" if holds_day else "month-only")})


def _choose(
    given: Sequence[Any], found: Sequence[Found | str], reading: DateReading, where: str
) -> tuple[list[Dated | str], bool]:
    """Return the one reading of every value, or refuse the column where there are several."""
    possible: dict[str, set[str]] = {}
    for one in found:
        if isinstance(one, Found):
            forms = set(one.forms)
            possible[one.family] = possible[one.family] & forms if one.family in possible else forms
    told = {reading.form, reading.order} - {""}
    used = False
    rows: list[Dated | str] = []
    unclear: dict[str, list[int]] = {}
    for index, (value, one) in enumerate(zip(given, found, strict=True)):
        if isinstance(one, str):
            rows.append(one)
            continue
        days = dict(one.forms)
        named = told & set(days)
        used |= bool(named)
        if one.family == "order" and reading.order and not named:
            rows.append(f"'{_shown(value)}' is not a date ({reading.order}, as was told); give it as {_TOLD}")
            continue
        if named:
            days = {form: days[form] for form in named}
        elif one.family != "order" and len(possible[one.family] & set(days)) == 1:
            days = {form: days[form] for form in possible[one.family]}
        elif one.family in _DEFAULT and _DEFAULT[one.family] in days and not _all_years(one.family, given, found):
            days = {_DEFAULT[one.family]: days[_DEFAULT[one.family]]}
        if len({day.date for day in days.values()}) > 1:
            unclear.setdefault(one.family, []).append(index)
        rows.append(next(iter(days.values())))
    if unclear:
        raise AmbiguousDateError(_sentence(given, found, unclear, where))
    return _without_false_years(found, rows), used


def _all_years(family: str, given: Sequence[Any], found: Sequence[Found | str]) -> bool:
    """Return whether all of several values like 2002-03 name the following year: then they may be no months."""
    ours = {
        str(value): one.forms
        for value, one in zip(given, found, strict=True)
        if isinstance(one, Found) and one.family == family
    }
    return family == "dash" and len(ours) > 2 and all("hydrological-year" in forms for forms in ours.values())


def _without_false_years(found: Sequence[Found | str], rows: list[Dated | str]) -> list[Dated | str]:
    """Return the days of decimal years; among fractions of a year 2003.0 is a day, not a year alone."""
    decimal = [index for index, one in enumerate(found) if isinstance(one, Found) and one.family == "decimal"]
    if all(getattr(rows[index], "flag", "") == "year-only" for index in decimal):
        return rows
    months = any(getattr(rows[index], "flag", "") == "month-only" for index in decimal)
    for index in decimal:
        row = rows[index]
        if isinstance(row, Dated) and row.flag == "year-only" and not months:
            rows[index] = Dated(row.date)
    return rows


def _sentence(given: Sequence[Any], found: Sequence[Found | str], unclear: dict[str, list[int]], where: str) -> str:
    """Return which rows can mean several days, what they can mean, and what tells."""
    family, rows = next(iter(unclear.items()))
    first = found[rows[0]]
    assert isinstance(first, Found)
    days = " or ".join(f"{day.date} ({form})" for form, day in first.forms.items())
    shown = ", ".join(f"{index + 1}" for index in rows[:_SHOWN_ROWS]) + (", ..." if len(rows) > _SHOWN_ROWS else "")
    numbered = f"{'row' if len(rows) == 1 else f'{len(rows)} rows,'} {shown}"
    hint = ""
    if family == "order":
        for index, one in enumerate(found):
            if isinstance(one, Found) and one.family == "order" and len(one.forms) == 1:
                hint = f" (row {index + 1}, '{_shown(given[index])}', can only be {next(iter(one.forms))})"
                break
    start = f"{where}: " if where else ""
    single = len(given) == 1
    return (
        f"{start}'{_shown(given[rows[0]])}' may be {days}; {'' if single else f'{numbered}: '}"
        f"give {_REMEDY.get(family, '--date-format')}{hint}, or write dates as {_TOLD}"
    )


def _checked(value: Any, row: Dated | str, reading: DateReading) -> Dated | str:
    """Return a day, or the reason why no observation can be of it."""
    if isinstance(row, str):
        return row
    if row.date in _EMPTY_DAYS:
        return f"'{_shown(value)}' is how an empty date is written; give it as {_TOLD}"
    if row.date < EARLIEST:
        return f"'{_shown(value)}' is before the year {EARLIEST.year}; correct the date"
    if row.date > dt.date.today() and not reading.may_be_future:
        return f"'{_shown(value)}' is in the future; correct the date"
    return row
