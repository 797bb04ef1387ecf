"""What variables did between two dates, as a person reads it."""

from __future__ import annotations

import math

import pandas as pd

from glaciertime.report.retreat_text import text_in_form
from glaciertime.tables import variable_named
from glaciertime.track.record.difference import is_length
from glaciertime.units import rate_years

__all__ = ["difference_rows", "difference_text"]


def difference_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return changes with their one-sigma uncertainties as short texts, one row per series; retreat is positive.

    Parameters
    ----------
    table : DataFrame
        From :func:`glaciertime.track.record.difference.difference_table`.
    """
    rows = []
    for row in table.itertuples():
        sign = -1 if is_length(row.variable) else 1
        turned = {"at least": "at most", "at most": "at least", "": ""}
        side = turned[row.qualifier] if sign < 0 else row.qualifier
        bound = f"{side} " if side else ""
        rows.append(
            {
                "Glacier": row.glacier,
                "What": _what(row.variable),
                "Start": f"{row.start_date:%Y-%m-%d}",
                "End": f"{row.end_date:%Y-%m-%d}",
                "At start": _number(row.start_value),
                "At end": _number(row.end_value),
                "Change": ""
                if math.isnan(row.change)
                else f"{bound}{_number(sign * row.change)}{_sigma(row.change_sigma)}",
                "Per year": ""
                if math.isnan(row.change_per_year)
                else f"{bound}{_number(sign * row.change_per_year)}"
                f"{_sigma(row.change_sigma / rate_years(row.start_date, row.end_date))}",
                "Unit": row.unit,
                "Measured": " ".join(
                    part for part in (row.method, row.footprint, row.front_of) if part not in ("-", "")
                ),
                "Source": f"{row.source}: {row.dataset}",
                "Note": row.note,
            }
        )
    return pd.DataFrame(rows)


def _what(variable: str) -> str:
    label = variable_named(variable).label
    return f"{label}, retreat" if is_length(variable) else label if label.endswith("change") else f"{label}, change"


def _number(value: float) -> str:
    """Return a number to four digits at least, without an exponent and without ``-0``."""
    if value == 0:
        return "0"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else max(4, 1 - math.floor(math.log10(size)))
    return f"{value:z,.{digits}f}"


def _sigma(value: float) -> str:
    return "" if math.isnan(value) else f" ± {_number(value)}"


def difference_text(table: pd.DataFrame, *, form: str) -> str:
    """Return the table of changes in one of the formats of ``table``; CSV has plain numbers.

    Raises
    ------
    UsageError
        For an unknown format.
    """
    text = text_in_form(table, difference_rows, form=form)
    if form == "text":
        text += "\nPositive retreat: a shorter glacier. Other changes: end minus start. One standard deviation.\n"
        if (table["source"] == "simulated").any():
            text += "Rows marked simulated are no observations.\n"
    return text
