"""Care of an archive: is it sound, a copy of it, and making it sound again."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glaciertime import __version__
from glaciertime.archive import connection
from glaciertime.archive.geopackage import (
    APPLICATION_ID,
    USER_VERSION,
    create_metadata,
)
from glaciertime.archive.migrations import layout_of, rebuild
from glaciertime.archive.reading import read_rows
from glaciertime.archive.relations import relations
from glaciertime.archive.salvage import salvage
from glaciertime.archive.schema import (
    TABLES,
    VERSION,
    ArchiveTable,
    create_styles,
    create_version_table,
    quoted,
    record_version,
)
from glaciertime.errors import ArchiveError, DataNotFoundError
from glaciertime.writing import draft

__all__ = ["Condition", "back_up", "check", "repair"]

_PROBLEMS_SHOWN = 10
_EXTENT_DEGREES = 1e-4


@dataclass(frozen=True)
class Condition:
    """What a check found: the schema, rows by table, what is wrong, and what is only worth knowing."""

    version: int
    written_by: str
    counts: dict[str, int]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def _must_exist(path: Path) -> None:
    if not connection.has_content(path):
        raise DataNotFoundError(f"there is no archive {path}")


def check(path: Path, *, wait_seconds: float = connection.WAIT_SECONDS) -> Condition:
    """Return the condition of an archive; nothing in it is changed, but what a crash left half-written is taken back.

    Raises
    ------
    DataNotFoundError
        Where there is none.
    ArchiveError
        Where it is no archive, or a newer release made it.
    """
    _must_exist(path)
    problems: list[str] = []
    notes: list[str] = []
    with connection.opened_to_read(path, tell=notes.append, wait_seconds=wait_seconds) as database:
        problems += [f"SQLite: {text}" for text in _integrity(database)]
        if problems:
            return Condition(0, "", {}, tuple(problems), tuple(notes))
        layout = layout_of(database, path, strict=False)
        problems += [f"{what} is missing" for what in layout.lacks()]
        if 0 < layout.version < VERSION:
            notes.append(
                f"schema {layout.version}; this release writes {VERSION}, and brings it up to date on first use"
            )
        held = [table for table in TABLES.values() if table.name in layout.columns]
        counts = {table.name: _count(database, f"FROM {quoted(table.name)}") for table in held}
        if not layout.lacks():
            for table in held:
                read_rows(database, layout, path, table, ("", []), tell=problems.append)
        if not layout.lacks() and layout.version == VERSION:
            problems += _conformity(database, held)
            more_problems, more_notes = relations(database)
            problems += more_problems
            notes += more_notes
    return Condition(layout.version, layout.written_by, counts, tuple(problems), tuple(notes))


def _integrity(database: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong with the pages of the file."""
    try:
        rows = database.execute(f"PRAGMA integrity_check({_PROBLEMS_SHOWN})").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [str(row[0]) for row in rows if row[0] != "ok"]


def _count(database: sqlite3.Connection, rest: str, values: tuple[Any, ...] = ()) -> int:
    return int(database.execute(f"SELECT count(*) {rest}", values).fetchone()[0])


def _conformity(database: sqlite3.Connection, tables: list[ArchiveTable]) -> Iterator[str]:
    """Yield where the file is not the GeoPackage that it should be."""
    if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        yield "GeoPackage: the file is not marked as one"
    if database.execute("PRAGMA user_version").fetchone()[0] != USER_VERSION:
        yield "GeoPackage: the version is not 1.2"
    contents = {row[0]: row[1:] for row in database.execute(
        "SELECT table_name, data_type, min_x, min_y, max_x, max_y FROM gpkg_contents")}  # fmt: skip
    types = dict(database.execute("SELECT table_name, geometry_type_name FROM gpkg_geometry_columns"))
    names = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    for table in tables:
        if table.name not in contents:
            yield f"GeoPackage: table {table.name} is not listed in gpkg_contents"
        for number in range(len(table.indexes)):
            if f"{table.name}_by_{number}" not in names:
                yield f"table {table.name} lacks an index: it is slow"
        if not table.is_layer:
            continue
        if types.get(table.name) != table.geometry_type:
            yield f"GeoPackage: layer {table.name} is not declared as {table.geometry_type}"
        if f"rtree_{table.name}_geom" not in names:
            yield f"layer {table.name} lacks its spatial index"
            continue
        indexed = _count(database, f'FROM "rtree_{table.name}_geom"')
        shown = _count(database, f"FROM {quoted(table.name)} WHERE geom NOTNULL AND (substr(geom, 4, 1) <> x'11')")
        if indexed != shown:
            yield f"layer {table.name}: its spatial index has {indexed} entries for {shown} geometries"
        stated = contents.get(table.name, (None,) * 5)[1:]
        row = database.execute(
            f'SELECT min(minx), min(miny), max(maxx), max(maxy) FROM "rtree_{table.name}_geom"'  # nosec B608
        ).fetchone()
        scale = _EXTENT_DEGREES * max(1.0, *(abs(value) for value in row if value is not None), 1.0)
        if any(_differ(a, b, by=scale) for a, b in zip(stated, row, strict=True)):
            yield f"layer {table.name}: its stated extent is not that of its rows"


def _differ(stated: object, found: float | None, *, by: float) -> bool:
    """Return whether an edge of an extent is not where it is said to be; what is no number is nowhere."""
    if stated is None or found is None:
        return (stated is None) != (found is None)
    return not isinstance(stated, (int, float)) or not abs(stated - found) <= by


def back_up(path: Path, out: Path | None = None, *, wait_seconds: float = connection.WAIT_SECONDS) -> Path:
    """Copy an archive as it is at one moment, even while others write, and check the copy.

    Parameters
    ----------
    path : Path
    out : Path, optional
        Default the archive's name with the day, beside it.

    Returns
    -------
    Path
        The copy.
    """
    _must_exist(path)
    target = out or _free_name(path, f"backup-{dt.date.today().isoformat()}")
    with (
        draft(target, archive=path, check=_is_whole) as made,
        connection.opened_to_read(path, tell=lambda _: None, wait_seconds=wait_seconds) as database,
    ):
        layout_of(database, path, strict=False)
        with closing(sqlite3.connect(made)) as copy:
            database.backup(copy)
    return target


def _free_name(path: Path, what: str) -> Path:
    names = (f"{path.stem}.{what}{f'-{i}' if i > 1 else ''}{path.suffix}" for i in range(1, 1000))
    return next(free for name in names if not (free := path.with_name(name)).exists())


def _is_whole(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        found = _integrity(database)
    if found:
        raise ArchiveError(
            f"{path.name}: the copy is not sound ({found[0]}); glaciertime archive repair makes a sound one"
        )


def repair(
    path: Path, out: Path | None = None, *, wait_seconds: float = connection.WAIT_SECONDS
) -> tuple[Path, list[str]]:
    """Make an archive sound again, as far as it can be.

    Tables, columns that may be unknown, indexes, extents and the metadata are made anew in place, in one transaction. A
    file that SQLite finds damaged is left as it is: what can be read of it goes into a new one.

    Parameters
    ----------
    path : Path
    out : Path, optional
        For what is saved of a damaged file; default the archive's name with ``repaired``, beside it.

    Returns
    -------
    path : Path
        The sound archive.
    done : list of str
        What was done, as sentences.

    Raises
    ------
    ArchiveError
        Where it is no archive, or lost what cannot be unknown.
    """
    _must_exist(path)
    done: list[str] = []
    try:
        damaged = _damage(path, wait_seconds)
        if not damaged:
            with connection.writing(
                path, tell=done.append, wait_seconds=wait_seconds,
                prepare=lambda database, place, _: _make_sound(database, place, done),
            ):  # fmt: skip
                pass
            return path, done
    except ArchiveError as error:
        if not isinstance(error.__cause__, sqlite3.DatabaseError):
            raise
        damaged = str(error.__cause__)
    target = out or _free_name(path, "repaired")
    with draft(target, archive=path, check=_is_whole) as made:
        done += salvage(path, made)
    return target, [f"SQLite: {damaged}", f"{path} is left as it is; what could be read is in {target}", *done]


def _damage(path: Path, wait_seconds: float) -> str:
    with connection.opened_to_read(path, tell=lambda _: None, wait_seconds=wait_seconds) as database:
        found = _integrity(database)
    # An index can be made anew; a page of a table cannot.
    return next((text for text in found if "index" not in text.lower()), "")


def _make_sound(database: sqlite3.Connection, path: Path, done: list[str]) -> None:
    layout = layout_of(database, path, strict=False)
    for what in layout.lacks():
        column, _, name = what.removeprefix("column ").partition(" of table ")
        if name and column not in TABLES[name].schema.nullable and column != "fid":
            raise ArchiveError(f"archive {path}: {what} is gone, and nothing can bring it back; restore a copy")
        done.append(f"{what} was missing: made anew" + (", unknown in every row" if name else ", without rows"))
    database.execute("REINDEX")
    create_metadata(database)
    for table in TABLES.values():
        rebuild(database, table, layout)
    create_styles(database)
    create_version_table(database)
    if layout.version < VERSION:
        done.append(f"brought from schema {layout.version} to {VERSION}")
    record_version(database, written_by=__version__)
    done.append("indexes, spatial indexes, extents and metadata made anew")
