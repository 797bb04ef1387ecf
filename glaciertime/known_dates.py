"""How much of a date is known: the day, its month or only its year; a date says no more than that.

A record of which only the year is known has a day in the archive all the same, 1 January or the end of a hydrological
year, and a flag beside it. What is said of it names the year.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pandas as pd

from glaciertime.tables import has_flag

__all__ = ["DAY", "MONTH", "YEAR", "KnownDate", "date_text", "known_date", "known_on"]

DAY, MONTH, YEAR = "day", "month", "year"
_FORMS = {DAY: "%Y-%m-%d", MONTH: "%Y-%m", YEAR: "%Y"}


@dataclass(frozen=True)
class KnownDate:
    """A date of which the month or the year alone is known: the day that stands for it, and how much is known."""

    date: dt.date
    known: str

    def isoformat(self) -> str:
        """Return it as ISO 8601 writes a date of less than a day: ``2003`` or ``2003-07``."""
        return date_text(self.date, self.known)


def date_text(date: dt.date, known: str = DAY) -> str:
    """Return a date to what is known of it.

    Examples
    --------
    >>> date_text(dt.date(2003, 1, 1), YEAR), date_text(dt.date(2003, 7, 1), MONTH), date_text(dt.date(2003, 7, 9))
    ('2003', '2003-07', '2003-07-09')
    """
    return date.strftime(_FORMS[known]) if date.year > 999 else date.isoformat()[: {DAY: 10, MONTH: 7, YEAR: 4}[known]]


def known_on(rows: pd.DataFrame, date: object) -> str:
    """Return how much is known of a date of a series: the day where one of its values bears the day.

    Parameters
    ----------
    rows : DataFrame
        Observations of one series, with ``date`` and ``quality``.
    date : date
        One of theirs; of another nothing is known against the day.

    Examples
    --------
    >>> rows = pd.DataFrame({"date": pd.to_datetime(["2003-01-01", "2004-07-01"]), "quality": ["year-only", "ok"]})
    >>> known_on(rows, "2003-01-01"), known_on(rows, "2004-07-01")
    ('year', 'day')
    """
    held = rows.loc[rows["date"] == pd.Timestamp(date), "quality"]  # type: ignore[arg-type]
    if held.empty:
        return DAY
    is_year, is_month = has_flag(held, "year-only"), has_flag(held, "month-only")
    if not (is_year | is_month).all():
        return DAY
    return YEAR if is_year.all() else MONTH


def known_date(rows: pd.DataFrame, date: object) -> dt.date | KnownDate:
    """Return a date of a series as it may be said.

    Examples
    --------
    >>> rows = pd.DataFrame({"date": pd.to_datetime(["2003-01-01"]), "quality": ["year-only"]})
    >>> known_date(rows, "2003-01-01").isoformat()
    '2003'
    """
    day, known = pd.Timestamp(date).date(), known_on(rows, date)  # type: ignore[arg-type]
    return day if known == DAY else KnownDate(day, known)
