"""What the archive knows of where its rows come from: rows by their name, runs, and images by the file they came from.

Nothing here is of the corridor: what is returned are the rows as the archive holds them, as dictionaries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from glaciertime.archive.archive import Archive
from glaciertime.archive.schema import LOCAL_FRONTS, RUN, TABLES, quoted
from glaciertime.archive.storage import Database
from glaciertime.provenance.digests import row_digest
from glaciertime.provenance.rows import key_of, tables_of
from glaciertime.provenance.tags import told_safely

__all__ = ["Origins", "origins_of"]

Row = dict[str, Any]


@contextmanager
def origins_of(archive: Archive) -> Iterator[Origins | None]:
    """Open one state of an archive to ask where its rows come from; None where there is no archive."""
    with archive.storage.reading() as held:
        yield None if held is None else Origins(held)


class Origins:
    """What one state of an archive knows of where its rows come from."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._columns = {name: set(columns) for name, columns in database.layout().columns.items()}

    def row(self, name: str) -> tuple[str, Row] | None:
        """Return the table and the row that has a name; None where no row has it."""
        for table in tables_of(name):
            if table not in self._columns:
                continue
            key = [column if column in self._columns[table] else "" for column in key_of(table)]
            for row in self._each_row(table):
                if row_digest(name[0], tuple(row.get(column, "") for column in key)) == name:
                    return table, row
        return None

    def run(self, name: str) -> Row | None:
        """Return a run with its settings as they were before they became JSON; None where it is not held."""
        found = self._rows("runs", "run = ?", (name,))
        if not found:
            return None
        try:
            settings = json.loads(found[0]["settings"] or "{}")
        except (ValueError, TypeError, RecursionError):
            settings = {}
        return {**found[0], "settings": told_safely(settings) if isinstance(settings, dict) else {}}

    def files(self, run: str, *, image: tuple[str, str, str] | None = None) -> list[Row]:
        """Return what a run read: all, or what an image was made of with what was read for all images."""
        if image is None:
            return self._rows("run_inputs", "run = ?", (run,))
        return self._rows(
            "run_inputs",
            "run = ? AND (coalesce(image_id, '') = '' OR (glacier = ? AND dataset = ? AND image_id = ?))",
            (run, *image),
        )

    def images_of_file(self, sha256: str) -> list[Row]:
        """Return the images that a file of this content was read for, with the runs."""
        return self._rows("run_inputs", "sha256 = ?", (sha256,))

    def images_of_path(self, path: str) -> list[Row]:
        """Return the images that a file of this place was read for, whatever it held."""
        return self._rows("run_inputs", "input = ?", (path,))

    def images_named(self, image: str) -> list[tuple[str, str, str]]:
        """Return the images (glacier, data set, image) of a name."""
        rows = self._rows("inputs", "image_id = ?", (image,))
        return [(row["glacier"], row["dataset"], row["image_id"]) for row in rows]

    def source_of(self, image: tuple[str, str, str]) -> str:
        """Return the file that an image came from, as the archive has it; empty where it does not know."""
        rows = self._rows("inputs", "glacier = ? AND dataset = ? AND image_id = ?", image)
        return str(rows[0]["input"]) if rows else ""

    def rows_of_image(self, image: tuple[str, str, str]) -> dict[str, list[Row]]:
        """Return the rows that came from an image, by table."""
        found = {
            "observations": self._rows("observations", "glacier = ? AND dataset = ? AND image_id = ?", image),
            **{
                table: self._rows(table, '"GlacierID" = ? AND dataset = ? AND "ImageID" = ?', image)
                for table in ("fronts", LOCAL_FRONTS)
            },
        }
        return {table: rows for table, rows in found.items() if rows}

    def rows_of_run(self, run: str, glacier: str) -> dict[str, int]:
        """Return how many rows a run stored of a glacier, or of all where it is empty, by table."""
        counts = {}
        for name, table in TABLES.items():
            if table.names_run and RUN in self._columns.get(name, ()):
                where = f"run = ? AND {quoted(table.glacier_column)} = ?" if glacier else "run = ?"
                query = f"SELECT count(*) FROM {quoted(name)} WHERE {where}"  # nosec B608
                counts[name] = self._database.execute(query, (run, glacier) if glacier else (run,)).fetchone()[0]
        return {name: count for name, count in counts.items() if count}

    def runs_of(self, glacier: str) -> list[str]:
        """Return the runs that stored what is held of a glacier, or read a file for it; the order says nothing."""
        found: dict[str, None] = {}
        for name, table in TABLES.items():
            if table.names_run and table.glacier_column and RUN in self._columns.get(name, ()):
                query = (
                    f"SELECT DISTINCT run FROM {quoted(name)} "  # nosec B608
                    f"WHERE {quoted(table.glacier_column)} = ? AND run <> '' ORDER BY run"
                )
                found |= dict.fromkeys(str(run) for (run,) in self._database.execute(query, (glacier,)))
        read = self._rows("run_inputs", "glacier = ?", (glacier,))
        return list(found | dict.fromkeys(str(row["run"]) for row in read))

    def runs_behind(self, key: dict[str, str]) -> list[tuple[str, int, str, str]]:
        """Return the runs that stored the values of a series: name, how many rows, the first and the last date."""
        if RUN not in self._columns.get("observations", ()):
            return []
        where = " AND ".join(f"coalesce({quoted(name)}, '') = ?" for name in key)
        return self._database.execute(
            f"SELECT run, count(*), min(date), max(date) FROM observations WHERE {where} "  # nosec B608
            "AND run <> '' GROUP BY run ORDER BY min(date), run",
            tuple(key.values()),
        ).fetchall()

    def _rows(self, table: str, where: str, values: tuple[Any, ...]) -> list[Row]:
        if table not in self._columns:
            return []
        columns = [name for name in TABLES[table].columns if name in self._columns[table]]
        chosen = ", ".join(map(quoted, columns))
        query = f"SELECT {chosen} FROM {quoted(table)} WHERE {where} ORDER BY {quoted(table)}.rowid"  # nosec B608
        found = self._database.execute(query, values)
        return [dict(zip(columns, row, strict=True)) for row in found]

    def _each_row(self, table: str) -> Iterator[Row]:
        columns = [name for name in TABLES[table].columns if name in self._columns[table]]
        chosen = ", ".join(map(quoted, columns))
        query = f"SELECT {chosen} FROM {quoted(table)} ORDER BY {quoted(table)}.rowid"  # nosec B608
        for row in self._database.execute(query):
            yield dict(zip(columns, row, strict=True))
