"""The one reader of dates: columns, tables, options, manifests and file names."""

from __future__ import annotations

from glaciertime.dates.columns import DateColumn, as_date, last_day, read_date, read_dates
from glaciertime.dates.forms import EARLIEST, FORMATS, Dated, DateReading, date_of_decimal_year
from glaciertime.dates.months import MONTH_NAMES, month_of

__all__ = [
    "EARLIEST",
    "FORMATS",
    "MONTH_NAMES",
    "DateColumn",
    "DateReading",
    "Dated",
    "as_date",
    "date_of_decimal_year",
    "last_day",
    "month_of",
    "read_date",
    "read_dates",
]
