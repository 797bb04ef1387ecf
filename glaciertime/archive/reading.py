"""Rows of the archive as tables of the corridor: only those asked for are read, and only those read are checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import geopandas as gpd
import pandas as pd

from glaciertime.archive.migrations import Layout
from glaciertime.archive.places import Place
from glaciertime.archive.schema import TABLES, ArchiveTable, quoted
from glaciertime.archive.storage import Condition, Database
from glaciertime.dates import as_date, last_day
from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.naming import agreeing, counted
from glaciertime.tables import QUALITY_FLAGS, empty, validate

__all__ = [
    "GEOGRAPHIC",
    "Tell",
    "checked_rows",
    "condition",
    "distinct_glaciers",
    "empty_table",
    "names_given",
    "read_rows",
    "stream_rows",
    "table_named",
]

GEOGRAPHIC = "EPSG:4326"
Tell = Callable[[str], None]
#: What a table calls a thing, where that is not the thing's own name.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "glacier": ("glacier", "GlacierID"),
    "image": ("image_id", "ImageID"),
    "date": ("date", "Date", "target_date"),
}


def table_named(name: str) -> ArchiveTable:
    """Return a table by its name.

    Raises
    ------
    UsageError
        For one that does not exist.
    """
    if name not in TABLES:
        near = nearest_names(name, TABLES)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no table '{name}'{hint}; known are {', '.join(TABLES)}")
    return TABLES[name]


def empty_table(table: ArchiveTable) -> pd.DataFrame:
    """Return a table without rows, in longitude and latitude where it has a place on Earth."""
    frame = empty(table.schema.name)
    return frame.set_crs(GEOGRAPHIC) if isinstance(frame, gpd.GeoDataFrame) and table.srs > 0 else frame


def condition(
    table: ArchiveTable,
    *,
    names: Mapping[str, str | Iterable[str] | None],
    since: Any = None,
    until: Any = None,
) -> Condition:
    """Return what rows are asked for as SQL (with its leading WHERE, empty for all) and its parameters.

    Parameters
    ----------
    table : ArchiveTable
    names : mapping
        ``glacier``, ``variable``, ``method``, ... -> one text or several; None lets all pass.
    since, until : date or text, optional
        First and last day.

    Raises
    ------
    UsageError
        Where the table has no such column.
    """
    parts: list[str] = []
    values: list[Any] = []
    for name, wanted in names.items():
        if wanted is None:
            continue
        column = _column(table, name)
        if isinstance(wanted, str):
            parts.append(f"{column} = ?")
            values.append(wanted)
        else:
            parts.append(f"{column} IN (SELECT value FROM json_each(?))")  # nosec B608
            values.append(json.dumps([str(one) for one in wanted]))
    days = ((">=", since, as_date), ("<=", until, last_day))
    for sign, day, meant in days:
        if day is not None:
            parts.append(f"{_column(table, 'date')} {sign} ?")
            values.append(meant(day).isoformat())
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


def _column(table: ArchiveTable, name: str) -> str:
    held = [column for column in _COLUMNS.get(name, (name,)) if column in table.columns]
    if not held:
        raise UsageError(f"table {table.name} has no {name} to choose rows by")
    return f"{quoted(table.name)}.{quoted(held[0])}"


def read_rows(
    database: Database,
    layout: Layout,
    path: Place,
    table: ArchiveTable,
    where: Condition,
    *,
    tell: Tell,
) -> pd.DataFrame:
    """Return rows in the order in which they were stored, checked; see :func:`checked_rows`."""
    query = _query(layout, table, where)
    if query is None:
        return empty_table(table)
    text, values, columns = query
    frame = pd.DataFrame(database.execute(text, values).fetchall(), columns=columns)
    shapes = database.shapes(frame["geom"].tolist(), table) if table.is_layer else None
    return checked_rows(frame, shapes, path, table, tell=tell)


def stream_rows(
    database: Database, layout: Layout, path: Place, table: ArchiveTable, where: Condition, *, rows: int, tell: Tell
) -> Iterator[pd.DataFrame]:
    """Yield the same in parts of at most so many rows."""
    query = _query(layout, table, where)
    if query is None:
        return
    text, values, columns = query
    cursor = database.in_parts(text, values)
    while part := cursor.fetchmany(rows):
        frame = pd.DataFrame(part, columns=columns)
        shapes = database.shapes(frame["geom"].tolist(), table) if table.is_layer else None
        yield checked_rows(frame, shapes, path, table, tell=tell)


def _query(layout: Layout, table: ArchiveTable, where: Condition) -> tuple[str, list[Any], list[str]] | None:
    """Return the rows asked for as SQL, its parameters, and the columns that it gives; None without the table."""
    held = layout.columns.get(table.name)
    if held is None:
        return None
    # An archive of an older release lacks columns that are unknown in it; the table's name before each column keeps
    # SQLite from taking an unknown one for a text.
    columns = [name for name in (*(["geom"] if table.is_layer else []), *table.columns) if name in held]
    text, values = where
    missing = [name for name in table.columns if name not in held and f".{quoted(name)}" in text]
    if missing:  # in an older archive all its values are unknown: nothing can match but that
        text, values = " WHERE 1 = 0", []
    selected = ", ".join(f"{quoted(table.name)}.{quoted(name)}" for name in columns)
    name = quoted(table.name)
    return f"SELECT {selected} FROM {name}{text} ORDER BY {name}.rowid", values, columns  # nosec B608


def checked_rows(
    frame: pd.DataFrame, shapes: Sequence[Any] | None, path: Place, table: ArchiveTable, *, tell: Tell
) -> pd.DataFrame:
    """Return rows as a table of the corridor.

    A flag that this release does not know becomes ``unknown-flag``; a row that breaks the rules of its table is left
    out, and counted in ``attrs["left_out"]``. Both are told.

    Parameters
    ----------
    frame : DataFrame
        As the archive holds them; of a layer with their cells as ``geom``.
    shapes : sequence of geometries, optional
        Of a layer, those of the cells.
    """
    damaged = 0
    if shapes is not None:
        cells = frame.pop("geom").tolist()
        whole = [shape is not None or cell is None for shape, cell in zip(shapes, cells, strict=True)]
        frame = gpd.GeoDataFrame(frame, geometry=list(shapes), crs=GEOGRAPHIC if table.srs > 0 else None)
        damaged = len(whole) - sum(whole)
        frame = frame[whole].reset_index(drop=True) if damaged else frame
    for column in {"quality", "QualFlag"} & set(frame.columns):
        frame[column], unknown = _known_flags(frame[column])
        if unknown:
            count = int(frame[column].str.contains("unknown-flag").sum())
            tell(
                f"archive {path}: {counted(count, 'rows')} of {table.name} {agreeing(count, 'bear')} a flag that "
                "this release does not know "
                f"({', '.join(sorted(unknown))}), kept as unknown-flag: nothing rests on that"
            )
    good, problems = _valid(frame, table.schema.name)
    left_out = len(frame) - len(good) + damaged
    good.attrs["left_out"] = left_out
    if left_out:
        why = problems[0] if problems else "a geometry is damaged"
        tell(
            f"archive {path}: {counted(left_out, 'rows')} of {table.name} cannot be used and "
            f"{agreeing(left_out, 'are')} left out ({why}); "
            f"glaciertime archive check {path} lists them"
        )
    return good


def _known_flags(quality: pd.Series) -> tuple[pd.Series, set[str]]:
    """Return quality texts in which unknown flags stand as the reasons of one known flag, and those unknown."""
    unknown: set[str] = set()
    changed: dict[Any, str] = {}
    for text in quality.unique():
        parts = [part.strip() for part in str("" if pd.isna(text) else text).split(";")]
        strange = [part for part in parts if part.partition(":")[0] not in QUALITY_FLAGS and part]
        if strange:
            unknown.update(part.partition(":")[0] for part in strange)
            known = [part for part in parts if part not in strange and part not in ("", "ok")]
            changed[text] = ";".join([*known, f"unknown-flag: {', '.join(strange)}"])
    return (quality.map(lambda text: changed.get(text, text)) if changed else quality), unknown


def _valid(frame: pd.DataFrame, schema: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that pass the checks of their table, and what is wrong with the others."""
    try:
        return validate(frame, schema), []
    except InputError as error:
        if len(frame) <= 1:
            return validate(frame.iloc[:0], schema), [str(error)]
    half = len(frame) // 2
    parts, problems = zip(*(_valid(part, schema) for part in (frame.iloc[:half], frame.iloc[half:])), strict=True)
    filled = [part for part in parts if len(part)] or [parts[0]]
    return pd.concat(filled, ignore_index=True), [text for some in problems for text in some]


def distinct_glaciers(database: Database, layout: Layout, table: ArchiveTable) -> list[str]:
    """Return the glaciers that a table holds rows of, sorted; in steps along the index, not over the rows."""
    column = f"{quoted(table.name)}.{quoted(table.glacier_column)}"
    if table.name not in layout.columns:
        return []
    rows = database.execute(
        f"WITH RECURSIVE held(name) AS (SELECT min({column}) FROM {quoted(table.name)} UNION ALL "  # nosec B608
        f"SELECT (SELECT min({column}) FROM {quoted(table.name)} WHERE {column} > held.name) FROM held "
        "WHERE held.name IS NOT NULL) SELECT name FROM held WHERE name IS NOT NULL"
    )
    return sorted(str(row[0]) for row in rows)


def names_given(given: str | Iterable[str] | None) -> list[str] | None:
    """Return one name or several as a list; None where all are meant."""
    return None if given is None else [given] if isinstance(given, str) else [str(one) for one in given]
