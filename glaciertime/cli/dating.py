"""The options by which a command is told how dates are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from glaciertime.dates import DateReading

__all__ = ["DateFormatOption", "DayFirstOption", "HemisphereOption", "MonthFirstOption", "date_reading"]

DayFirstOption = Annotated[bool, typer.Option("--day-first", help="03/04/2002 is 3 April.")]
MonthFirstOption = Annotated[bool, typer.Option("--month-first", help="03/04/2002 is 4 March.")]
DateFormatOption = Annotated[
    str,
    typer.Option(
        "--date-format", help="decimal-year, hydrological-year, year-month, day-of-year, or a pattern like %d.%m.%y."
    ),
]
HemisphereOption = Annotated[
    str, typer.Option("--hemisphere", metavar="north|south", help="Where a hydrological year ends: September or March.")
]


def date_reading(*, day_first: bool, month_first: bool, form: str, hemisphere: str) -> DateReading:
    """Return what was told about dates.

    Raises
    ------
    UsageError
        Where it contradicts itself, or names what is not known.
    """
    from glaciertime.dates import DateReading
    from glaciertime.errors import UsageError

    if day_first and month_first:
        raise UsageError("--day-first and --month-first contradict each other; give one")
    if hemisphere not in ("", "north", "south"):
        raise UsageError(f"--hemisphere '{hemisphere}' is not known; known are north and south")
    return DateReading(
        form=form,
        order="day-first" if day_first else "month-first" if month_first else "",
        hemisphere=hemisphere or None,  # type: ignore[arg-type]
    )
