"""From a file to a raw table: cells as they were written, the lines they stand on, and what stands above them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glaciertime import limits
from glaciertime.cells import unquote_formula
from glaciertime.errors import DataNotFoundError, InputError, MissingExtraError, UsageError, nearest_names
from glaciertime.scenes.packed import check_parquet, check_zip
from glaciertime.walls import wall

__all__ = ["RawTable", "raw_table_from_file", "raw_table_from_frame"]

_COMMENT = re.compile(r"^\s*(#|%|//|!|HDR\b)\s?")
_NUMBERED_COLUMN = re.compile(r"^\s*(?:column\s*)?(\d{1,2})\s*[:.)-]?\s+(\S.*)$", re.IGNORECASE)
_YEAR = re.compile(r"(1[5-9]|20)\d\d")
_SNIFFED = (";", "\t", "|", ",")
_MOST_UNIT_ROWS = 3


@dataclass(frozen=True)
class RawTable:
    """Cells as they were written: text, or the numbers and dates of files that know their types.

    Attributes
    ----------
    cells : DataFrame
        Columns as the file names them, text made unique; one row per row of data.
    lines : tuple of int
        The line, or row, of the file that each row stands on, from 1.
    preamble : tuple of str
        What stands above the table, or between its head and its rows.
    units : dict of str to str
        What a second row of the head says below a column's name.
    ragged : tuple of (int, str)
        Rows that have another number of cells than the head, with the reason.
    delimiter : str
        Of a text file.
    has_head : bool
        Whether the columns have names of their own.
    """

    name: str
    cells: pd.DataFrame
    lines: tuple[int, ...]
    preamble: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    ragged: tuple[tuple[int, str], ...] = ()
    delimiter: str = ""
    has_head: bool = True


def raw_table_from_frame(frame: pd.DataFrame, *, name: str = "table") -> RawTable:
    """Return a data frame as a raw table; an index with names becomes columns."""
    if isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex) and frame.index.name is None:
        frame = frame.rename_axis("date")
    if any(label is not None for label in frame.index.names):
        frame = frame.reset_index()
    return _from_cells(name, [str(column) for column in frame.columns], frame.to_numpy(dtype=object).tolist(), 1)


def raw_table_from_file(path: Path, *, sheet: str | None = None) -> RawTable:
    """Return the table of a CSV, text, Excel or Parquet file.

    Parameters
    ----------
    path : Path
    sheet : str, optional
        Which sheet of an Excel file; needed where several hold something.

    Raises
    ------
    DataNotFoundError
        Where there is no such file.
    InputError
        Where it holds no table.
    UsageError
        For a sheet that a file does not have.
    """
    if not path.exists():
        raise DataNotFoundError(f"there is no file {path}; give a CSV, an Excel (.xlsx) or a Parquet file")
    if not path.is_file():
        raise InputError(f"{path} is no file; give a CSV, an Excel (.xlsx) or a Parquet file")
    limits.check("table-mb", path.stat().st_size / 1e6, path.name)
    ending = path.suffix.lower()
    if ending in (".xlsx", ".xlsm"):
        return _from_excel(path, sheet)
    if sheet is not None:
        raise UsageError(f"--sheet belongs to Excel files; {path.name} is none")
    if ending in (".parquet", ".pq", ".geoparquet"):
        return _from_parquet(path)
    if ending in (".xls", ".ods", ".xlsb"):
        raise InputError(f"{path}: {ending} is not read; save it as .xlsx or as CSV")
    return _from_text(path.name, _decoded(path))


def _from_parquet(path: Path) -> RawTable:
    with wall(f"{path} is no Parquet file that can be read", "export it again"):
        check_parquet(path, what=path.name)
        return raw_table_from_frame(pd.read_parquet(path), name=path.name)


def _from_excel(path: Path, sheet: str | None) -> RawTable:
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError(f"reading {path.name}", "excel") from error
    with wall(f"{path} is no Excel file that can be read", "save it again as .xlsx or as CSV"):
        check_zip(path, what=path.name)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            held = {name: _rows_of(book[name], path.name) for name in _sheets(book)}
        finally:
            book.close()
    held = {name: rows for name, rows in held.items() if any(_filled(row) for row in rows)}
    if sheet is None and len(held) > 1:
        raise InputError(f"{path} holds the sheets {', '.join(held)}; say which with --sheet NAME")
    if sheet is not None and sheet not in held:
        near = nearest_names(sheet, held) or list(held)
        raise UsageError(f"{path} holds no sheet '{sheet}'; it holds {', '.join(near) or 'none with content'}")
    if not held:
        raise InputError(f"{path} holds no table")
    return _from_rows(path.name, list(enumerate(held[sheet or next(iter(held))], 1)), preamble=[], delimiter="")


def _rows_of(sheet: Any, name: str) -> list[list[Any]]:
    rows, cells = [], 0
    for row in sheet.iter_rows(values_only=True):
        cells += len(row)
        limits.check("cells", cells, name)
        rows.append(list(row))
    return rows


def _sheets(book: Any) -> list[str]:
    return [sheet.title for sheet in book.worksheets]


def _filled(row: list[Any]) -> int:
    return sum(not _is_empty(cell) for cell in row)


def _is_empty(cell: Any) -> bool:
    if isinstance(cell, str):
        return not cell or cell.isspace()
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ["utf-16"]
    elif b"\x00" in content[:4096]:
        raise InputError(f"{path} is no text; give a CSV, an Excel (.xlsx) or a Parquet file")
    else:
        encodings = ["utf-8-sig", "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path}: its characters cannot be read; save it as UTF-8")


def _from_text(name: str, text: str) -> RawTable:
    # Before any is made: each cell takes fifty times the two bytes that it can have in the file.
    cells = text.count("\n") + text.count("\r") + max(text.count(each) for each in _SNIFFED)
    limits.check("text-cells", cells, name, advice="split it")
    preamble, kept = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if _COMMENT.match(line):
            preamble.append(_COMMENT.sub("", line).strip())
        elif line.strip():
            kept.append((number, line))
    if not kept:
        raise InputError(f"{name} holds no table: it is empty, or all its lines are comments")
    delimiter = _delimiter([line for _, line in kept])
    rows = _split(kept, delimiter)
    return _from_rows(name, rows, preamble=preamble, delimiter=delimiter)


def _split(lines: list[tuple[int, str]], delimiter: str) -> list[tuple[int, list[Any]]]:
    if not delimiter:
        return [(number, line.split()) for number, line in lines]
    # A quoted cell may hold a line break: the reader counts lines itself.
    reader = csv.reader(io.StringIO("\n".join(line for _, line in lines)), delimiter=delimiter, skipinitialspace=True)
    rows, start = [], 0
    try:
        for row in reader:
            rows.append((lines[min(start, len(lines) - 1)][0], [unquote_formula(cell.strip()) for cell in row]))
            start = reader.line_num
    except csv.Error as error:
        raise InputError(f"the table cannot be read as text ({error}); save it as CSV again") from error
    return rows


def _delimiter(lines: list[str]) -> str:
    """Return what separates the cells: what most lines have equally often; nothing for blanks."""
    sample = lines[:400]
    best, best_score = "", 0.0
    for candidate in _SNIFFED:
        counts = Counter(len(row) for _, row in _split(list(enumerate(sample, 1)), candidate))
        width, lines_of_it = max(counts.items(), key=lambda pair: (pair[0] > 1, pair[1], pair[0]))
        if width > 1 and lines_of_it / len(sample) > best_score + 0.2:
            best, best_score = candidate, lines_of_it / len(sample)
    return best


def _from_rows(name: str, rows: list[tuple[int, list[Any]]], *, preamble: list[str], delimiter: str) -> RawTable:
    """Find the head of a table among its rows, and what stands above it."""
    widths = Counter(_width(row) for _, row in rows if _filled(row) > 1)
    if not widths:
        raise InputError(f"{name} holds no table: no line has more than one cell")
    width = max(widths.items(), key=lambda pair: (pair[1], pair[0]))[0]
    first = next(index for index, (_, row) in enumerate(rows) if _width(row) >= width and _filled(row) > 1)
    above = [" ".join(str(cell) for cell in row if not _is_empty(cell)) for _, row in rows[:first]]
    preamble = [*preamble, *filter(None, above)]
    _number, head = rows[first]
    if _looks_like_data(head):
        names = _numbered_columns(preamble, width) or _commented_head(preamble, width, delimiter)
        _refuse_shifted(name, rows[:first], width, delimiter)
        table = _from_cells(
            name, names or [str(index + 1) for index in range(width)], [row for _, row in rows[first:]],
            [number for number, _ in rows[first:]], preamble=preamble, delimiter=delimiter, has_head=bool(names),
        )  # fmt: skip
        return table
    names = [" ".join(str(cell).split()) if not _is_empty(cell) else "" for cell in head[: max(width, _width(head))]]
    body = rows[first + 1 :]
    units: dict[str, str] = {}
    for _ in range(_MOST_UNIT_ROWS):
        if not body or _looks_like_data(body[0][1]) or not _filled(body[0][1]):
            break
        if not any(_looks_like_data(row) for _, row in body[1:5]):
            break
        for label, cell in zip(names, body[0][1], strict=False):
            if not _is_empty(cell) and str(cell).strip("-[]() "):
                units[label] = f"{units[label]} {cell}" if label in units else str(cell)
        body = body[1:]
    return _from_cells(name, names, [row for _, row in body], [number for number, _ in body],
                       preamble=preamble, units=units, delimiter=delimiter)  # fmt: skip


def _width(row: list[Any]) -> int:
    return next((count for count in range(len(row), 0, -1) if not _is_empty(row[count - 1])), 0)


def _looks_like_data(row: list[Any]) -> bool:
    """Return whether a row holds a number or a date that cannot be the name of a column."""
    years = sum(_is_year(cell) for cell in row)
    data = sum(_is_datum(cell) for cell in row)
    # A head of years names the columns of a wide table.
    return data > 0 and not (years >= 2 and years == data and not _is_year(row[0]))


def _is_year(cell: Any) -> bool:
    text = str(cell).strip()
    return bool(_YEAR.fullmatch(text.removesuffix(".0")))


def _is_datum(cell: Any) -> bool:
    if isinstance(cell, dt.date | np.datetime64):
        return True
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return not np.isnan(cell)
    text = str(cell).strip() if cell is not None else ""
    return bool(re.fullmatch(r"[-+−<>≤≥=~ ]*\d[\d.,'’  \-/:TZ+]*([eE][-+]?\d+)?", text)) and any(map(str.isdigit, text))


def _numbered_columns(preamble: list[str], width: int) -> list[str]:
    """Return the names that the text above a table without a head gives its columns: ``1 TIME (year.decimal)``."""
    found: dict[int, str] = {}
    for line in preamble:
        match = _NUMBERED_COLUMN.match(line)
        if match and int(match[1]) == len(found) + 1:
            found[len(found) + 1] = match[2].strip()
    if len(found) == width:
        return list(found.values())
    return []


def _commented_head(preamble: list[str], width: int, delimiter: str) -> list[str]:
    """Return the names of columns where the last line of comments has as many words as the rows have cells."""
    for line in reversed(preamble):
        words = [word.strip() for word in (line.split(delimiter) if delimiter else line.split())]
        if len(words) == width and all(words) and not any(_is_datum(word) for word in words):
            return words
        if line.strip("-=* "):
            break
    return []


def _refuse_shifted(name: str, above: list[tuple[int, list[Any]]], width: int, delimiter: str) -> None:
    """Refuse rows that have more cells than the head above them has names."""
    for _, row in above:
        if _filled(row) >= 3 and not any(_is_datum(cell) for cell in row):
            hint = " (decimal commas in a table separated by commas need quotes)" if delimiter == "," else ""
            raise InputError(
                f"{name}: rows have {width} cells where the head has {_width(row)} names{hint}; save it again"
            )


def _from_cells(
    name: str,
    names: list[str],
    rows: list[list[Any]],
    lines: int | list[int],
    *,
    preamble: list[str] | tuple[str, ...] = (),
    units: dict[str, str] | None = None,
    delimiter: str = "",
    has_head: bool = True,
) -> RawTable:
    width = len(names)
    numbers = list(range(lines, lines + len(rows))) if isinstance(lines, int) else lines
    kept, kept_lines, ragged = [], [], []
    for number, row in zip(numbers, rows, strict=True):
        if not _filled(row):
            continue
        if _width(row) > width:
            ragged.append((number, f"{_width(row)} cells where the head has {width}"))
            continue
        kept.append([*row[:width], *[None] * (width - len(row))])
        kept_lines.append(number)
    if ragged and len(ragged) >= len(kept):
        hint = " (decimal commas in a table that is separated by commas need quotes)" if delimiter == "," else ""
        raise InputError(f"{name}: most rows have more cells than the head has names{hint}; save it again")
    if not kept:
        raise InputError(f"{name} holds a head and no rows")
    cells = pd.DataFrame(kept, columns=_unique(names), dtype=object)
    filled = [
        column for index, column in enumerate(cells) if names[index] or cells[column].map(_is_empty).sum() < len(cells)
    ]
    return RawTable(name, cells[filled], tuple(kept_lines), tuple(preamble), units or {}, tuple(ragged), delimiter,
                    has_head)  # fmt: skip


def _unique(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    out = []
    for index, name in enumerate(names):
        label = name or f"column {index + 1}"
        seen[label] += 1
        out.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return out
