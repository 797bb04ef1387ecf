"""Names of rows: what a table prints beside a number, and ``glaciertime why`` is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glaciertime.provenance.digests import row_digest
from glaciertime.tables import SCHEMAS

__all__ = ["LETTERS", "key_of", "name_of_row", "names_of_rows", "tables_of", "with_names"]

#: The tables that a row may be of, by the first letter of its name.
LETTERS = {
    "o": ("observations",), "f": ("fronts", "fronts_local"), "p": ("forecasts",), "s": ("scores",), "c": ("contours",),
    "v": ("verdicts",), "h": ("hazards",),
}  # fmt: skip
_ROW_LENGTH = 13
_LETTER_OF = {table: letter for letter, tables in LETTERS.items() for table in tables}


def key_of(table: str) -> tuple[str, ...]:
    """Return the columns that make a row of a table one fact."""
    if table in ("fronts", "fronts_local"):
        return (*SCHEMAS["fronts"].key, "dataset", "source")
    return tuple(dict.fromkeys((*SCHEMAS[table].key, "source")))


def names_of_rows(rows: pd.DataFrame, table: str) -> list[str]:
    """Return the name of every row of a table of the corridor.

    Examples
    --------
    >>> from glaciertime.tables import empty
    >>> names_of_rows(empty("observations"), "observations")
    []
    """
    letter = _LETTER_OF[table]
    columns = [rows[name] if name in rows else [""] * len(rows) for name in key_of(table)]
    return [row_digest(letter, cells) for cells in zip(*columns, strict=True)]


def name_of_row(row: Mapping[Any, Any], table: str) -> str:
    """Return the name of one row of a table of the corridor."""
    return row_digest(_LETTER_OF[table], tuple(row.get(name, "") for name in key_of(table)))


def with_names(rows: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return a table with the names of its rows as the last column ``row``, a geometry aside; others as they are."""
    if table not in _LETTER_OF:
        return rows
    named = rows.assign(row=names_of_rows(rows, table))
    shape = [name for name in ("geometry",) if name in named]
    return named[[*(name for name in named if name not in shape), *shape]]


def tables_of(name: str) -> tuple[str, ...]:
    """Return the tables that a row may be of; none for a text that is no name of a row.

    Examples
    --------
    >>> tables_of("o3fa9c1d2e07b"), tables_of("Crane")
    (('observations',), ())
    """
    is_name = len(name) == _ROW_LENGTH and set(name[1:]) <= set("0123456789abcdef")
    return LETTERS.get(name[0], ()) if is_name else ()
