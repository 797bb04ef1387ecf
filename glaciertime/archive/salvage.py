"""What can still be read of a damaged archive."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from glaciertime.archive import connection
from glaciertime.archive.geopackage import read_geometries, to_blobs, update_contents
from glaciertime.archive.migrations import Layout, layout_of
from glaciertime.archive.schema import TABLES, ArchiveTable, quoted
from glaciertime.errors import ArchiveError
from glaciertime.naming import counted

__all__ = ["salvage"]


def salvage(path: Path, target: Path) -> list[str]:
    """Copy what can be read of a damaged file into a new archive; return what was saved and lost, as sentences."""
    done: list[str] = []
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as damaged:
        try:
            layout = layout_of(damaged, path, strict=False)
        except sqlite3.Error as error:
            raise ArchiveError(
                f"archive {path}: not even its list of tables can be read ({error}); restore a copy"
            ) from error
        with connection.writing(target, tell=done.append, wait_seconds=1.0) as database:
            for table in TABLES.values():
                if table.name not in layout.columns:
                    continue
                saved, lost = _salvage_table(damaged, database, table, layout)
                update_contents(database, table.name, spatial=table.is_layer)
                if saved or lost:
                    done.append(
                        f"{table.name}: {counted(saved, 'rows')} saved" + (f", at most {lost} lost" if lost else "")
                    )
    return done


def _salvage_table(
    damaged: sqlite3.Connection, database: sqlite3.Connection, table: ArchiveTable, layout: Layout
) -> tuple[int, int]:
    held = layout.columns[table.name]
    columns = [*(["geom"] if table.is_layer else []), *(name for name in table.columns if name in held)]
    names = ", ".join(map(quoted, columns))
    try:
        last = damaged.execute(f"SELECT max(rowid) FROM {quoted(table.name)}").fetchone()[0] or 0  # nosec B608
    except sqlite3.Error:
        try:
            last = damaged.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()[0]
        except (sqlite3.Error, TypeError):
            return 0, 0
    saved = lost = 0
    ranges = [(1, int(last))]
    while ranges:
        low, high = ranges.pop()
        if low > high:
            continue
        try:
            within = "WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
            query = f"SELECT {names} FROM {quoted(table.name)} {within}"  # nosec B608
            rows = damaged.execute(query, (low, high)).fetchall()
            if table.is_layer:
                shapes = read_geometries([row[0] for row in rows], geometry_type="")
                blobs = to_blobs(shapes, geometry_type=table.geometry_type, srs=table.srs)
                rows = [(blob, *row[1:]) for blob, row in zip(blobs, rows, strict=True)]
        except Exception:  # a damaged page, a damaged text or a damaged geometry
            if low == high:
                lost += 1
            else:
                middle = (low + high) // 2
                ranges += [(middle + 1, high), (low, middle)]
            continue
        marks = ", ".join("?" * len(columns))
        database.executemany(f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({marks})", rows)  # nosec B608
        saved += len(rows)
    return saved, lost
