"""The rows of some glaciers in memory as SQL: each table out of its files when a statement first names it.

What is stored replaces what it is the news of by the very statements that a GeoPackage gets; what they changed is then
written as files. So all kinds of archive do the same, and what a change costs is what its glaciers hold.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from glaciertime.archive.folder.changes import FileChange
from glaciertime.archive.folder.files import as_rows, columns_of, read_file, table_of_rows
from glaciertime.archive.folder.partitions import ROWS, encoded, file_of, files_of, region_of
from glaciertime.archive.geopackage import fitting, single_parts
from glaciertime.archive.migrations import Layout
from glaciertime.archive.schema import RUN, TABLES, VERSION, ArchiveTable, quoted
from glaciertime.errors import ArchiveError

__all__ = ["Memory", "in_memory", "shapes_of"]

_NAMED = re.compile(r"\b(" + "|".join(sorted(TABLES, key=len, reverse=True)) + r")\b")
_CHANGED = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+\"?(\w+)")


class Memory(sqlite3.Connection):
    """Some glaciers of a folder as a :class:`~glaciertime.archive.storage.Database`."""

    root: Path
    #: The glaciers whose rows it holds; None for all, to read only.
    glaciers: list[str] | None
    _held: dict[str, dict[str, pa.Table]]
    _changed: set[str]

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
        """Run a statement on the tables that it names."""
        self._prepare(sql)
        return super().execute(sql, values)

    def executemany(self, sql: str, rows: Any, /) -> sqlite3.Cursor:
        """Run a statement for each of some rows of values."""
        self._prepare(sql)
        return super().executemany(sql, rows)

    def in_parts(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Run a query whose rows are fetched in parts."""
        return self.execute(sql, values)

    def _prepare(self, sql: str) -> None:
        for name in _NAMED.findall(sql):
            if name not in self._held:
                self._load(TABLES[name])
        changed = _CHANGED.match(sql)
        if changed:
            self._changed.add(changed[1])

    def _load(self, table: ArchiveTable) -> None:
        self._held[table.name] = held = {}
        table.create(self)
        for number, columns in enumerate(table.indexes):
            names = ", ".join(map(quoted, columns))
            super().execute(f"CREATE INDEX {quoted(f'{table.name}_by_{number}')} ON {quoted(table.name)} ({names})")
        if self.glaciers is None:
            parts = ((str(path), path) for path in files_of(self.root, table.name))
        else:
            found = ((name, file_of(self.root, table.name, name)) for name in self.glaciers)
            parts = ((name, path) for name, path in found if path is not None)
        rows: list[tuple[Any, ...]] = []
        for name, path in parts:
            arrow = read_file(path)
            if arrow is not None:
                held[name] = arrow
                rows += as_rows(table, arrow)
        if not table.glacier_column or table.name == "run_inputs":  # each glacier keeps the runs that name it
            rows = list(dict.fromkeys(rows))
        names = ", ".join("geom" if name == "geometry" else quoted(name) for name in columns_of(table))
        marks = ", ".join("?" * len(columns_of(table)))
        super().executemany(f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({marks})", rows)  # nosec B608

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows to a table."""
        names = ", ".join(map(quoted, columns))
        marks = ", ".join("?" * len(columns))
        self.executemany(f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks})", rows)  # nosec B608

    def cells(self, shapes: Sequence[Any], table: ArchiveTable) -> Sequence[Any]:
        """Return geometries as two-dimensional WKB."""
        array = np.array([fitting(one, table.geometry_type) for one in shapes] + [None], dtype=object)[:-1]
        return list(shapely.to_wkb(shapely.force_2d(array), byte_order=1, flavor="iso"))

    def shapes(self, cells: Sequence[Any], table: ArchiveTable) -> list[Any]:
        """Return the geometries of WKB; None for what is damaged."""
        return shapes_of(cells, table)

    def note_change(self, table: str) -> None:
        """Do nothing: a file tells its own extent."""

    def layout(self) -> Layout:
        """Return the tables of this release: what older files lack is unknown."""
        return Layout(VERSION, {name: {**table.columns, "fid": "", "geom": ""} for name, table in TABLES.items()})

    def file_changes(self) -> Iterator[FileChange]:
        """Yield the files that are to be written, or to go, because their rows are others now."""
        assert self.glaciers is not None
        for name in [name for name in TABLES if name in self._changed]:  # the rest of TABLES may be loaded meanwhile
            table = TABLES[name]
            self._check_none_astray(table)
            for glacier in self.glaciers:
                rows = table_of_rows(table, self._rows_of(table, glacier))
                before = self._held[name].get(glacier)
                if (before is None and not rows.num_rows) or (before is not None and before.equals(rows)):
                    continue
                path = file_of(self.root, name, glacier) or self._new_file(name, glacier)
                yield name, glacier, path, rows if rows.num_rows else None

    def _check_none_astray(self, table: ArchiveTable) -> None:
        """Raise where there is a row of a glacier that is not held: it would be in no file."""
        assert self.glaciers is not None
        if not table.glacier_column:
            return
        column = f"coalesce({quoted(table.glacier_column)}, '')"
        for (name,) in self.execute(f"SELECT DISTINCT {column} FROM {quoted(table.name)}").fetchall():  # nosec B608
            if name not in self.glaciers and (name or table.name != "run_inputs"):
                raise ArchiveError(
                    f"table {table.name}: rows of '{name}' came with those of other glaciers; none is stored"
                )

    def _new_file(self, table: str, glacier: str) -> Path:
        region = region_of(self.root, glacier)
        return self.root / table / f"region={encoded(region)}" / f"glacier={encoded(glacier)}" / ROWS

    def _rows_of(self, table: ArchiveTable, glacier: str) -> list[tuple[Any, ...]]:
        names = ", ".join("geom" if name == "geometry" else quoted(name) for name in columns_of(table))
        query = f"SELECT {names} FROM {quoted(table.name)}"  # nosec B608
        if not table.glacier_column:
            where, values = self._run_condition(glacier)
        elif table.name == "run_inputs":
            where, values = self._run_condition(glacier)
            where = f"coalesce(glacier, '') IN ('', ?) AND {where}"
            values = [glacier, *values]
        else:
            where, values = f"{quoted(table.glacier_column)} = ?", [glacier]
        return self.execute(f"{query} WHERE {where} ORDER BY rowid", values).fetchall()

    def _run_condition(self, glacier: str) -> tuple[str, list[Any]]:
        """Return which runs go with a glacier: those that its rows name, and those that no glacier's rows do."""
        assert self.glaciers is not None
        if len(self.glaciers) == 1:
            return "1", []
        named = [
            f"SELECT {RUN} FROM {quoted(table.name)} WHERE {quoted(table.glacier_column)} {{}} AND {RUN} <> ''"  # nosec B608
            for table in (*(one for one in TABLES.values() if one.names_run), TABLES["run_inputs"])
        ]
        mine = " UNION ".join(one.format("= ?") for one in named)
        any_named = " UNION ".join(one.format("<> ''") for one in named)
        return f"(run IN ({mine}) OR run NOT IN ({any_named}))", [glacier] * len(named)


def shapes_of(cells: Sequence[Any], table: ArchiveTable) -> list[Any]:
    """Return the geometries of WKB; None for what is damaged."""
    array = shapely.from_wkb(np.array([*cells, None], dtype=object)[:-1], on_invalid="ignore")
    return single_parts(array, table.geometry_type)


@contextmanager
def in_memory(root: Path, glaciers: Collection[str] | None) -> Iterator[Memory]:
    """Open the rows of some glaciers of a folder, or of all."""
    database = sqlite3.connect(":memory:", isolation_level=None, factory=Memory)
    database.root = root
    database.glaciers = None if glaciers is None else list(glaciers)
    database._held = {}
    database._changed = set()
    try:
        sqlite3.Connection.execute(database, "BEGIN")
        yield database
    finally:
        database.close()
