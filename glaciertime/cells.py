"""Cells of a CSV that a spreadsheet would run: text that begins like a formula is quoted, and can be unquoted.

A glacier or a file may have any name, ``=HYPERLINK(...)`` too. A spreadsheet that opens a CSV takes such a cell for a
formula; with an apostrophe before it, it is text. Numbers are left as they are.
"""

from __future__ import annotations

import re

import pandas as pd

__all__ = ["quote_formulas", "unquote_formula", "unquote_formulas"]

#: What spreadsheets take for the start of a formula, in full width too; a tab or a line break before it is passed over.
_STARTS = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
#: Alone, such a sign runs nothing: ``-`` stands for "none" in many tables.
_QUOTABLE = re.compile(f"'*[{_STARTS}].", re.DOTALL)
_QUOTED = re.compile(f"'+[{_STARTS}].", re.DOTALL)


def quote_formulas(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text cells, and names of columns, are no formulas.

    Text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break gets an apostrophe before it, and so does
    text that begins with apostrophes and then one of these: so that :func:`unquote_formulas` gives back what was there.

    Examples
    --------
    >>> quote_formulas(pd.DataFrame({"name": ["=1+1", "Crane", "'=x"], "value": [-1.0, 2.0, 3.0]})).values.tolist()
    [["'=1+1", -1.0], ['Crane', 2.0], ["''=x", 3.0]]
    """
    return _each_text(rows, lambda text: f"'{text}" if _QUOTABLE.match(text) else text)


def unquote_formulas(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table that :func:`quote_formulas` was given.

    Examples
    --------
    >>> unquote_formulas(quote_formulas(pd.DataFrame({"name": ["=1+1", "'Crane'", "'=x", "-"]})))["name"].tolist()
    ['=1+1', "'Crane'", "'=x", '-']
    """
    return _each_text(rows, unquote_formula)


def unquote_formula(text: str) -> str:
    """Return one cell as it was before :func:`quote_formulas`.

    Examples
    --------
    >>> unquote_formula("'=1+1"), unquote_formula("'Crane'")
    ('=1+1', "'Crane'")
    """
    return text[1:] if _QUOTED.match(text) else text


def _each_text(rows: pd.DataFrame, change) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    out = pd.DataFrame(
        {
            position: [change(value) if isinstance(value, str) else value for value in rows.iloc[:, position]]
            if pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)
            else rows.iloc[:, position]
            for position, kind in enumerate(rows.dtypes)
        },
        index=rows.index,
    )
    out.columns = [change(name) if isinstance(name, str) else name for name in rows.columns]
    return out
