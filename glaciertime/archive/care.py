"""Care of an archive of any kind: is it sound, and all of it in an archive of another kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glaciertime.archive.archive import Archive
from glaciertime.archive.file import GeoPackageFile
from glaciertime.archive.maintenance import Condition
from glaciertime.archive.maintenance import check as check_file
from glaciertime.archive.places import is_same_place
from glaciertime.archive.relations import relations
from glaciertime.archive.schema import TABLES, VERSION, ArchiveTable, quoted
from glaciertime.archive.storage import Database, Scope
from glaciertime.errors import ArchiveError, DataNotFoundError, UsageError

__all__ = ["check", "convert", "file_of_archive"]

#: What the refusal of a command that is for a file says of the other kinds.
_INSTEAD = {
    "backup": ("copy the folder while nothing writes to it", "pg_dump --schema=glaciertime makes one"),
    "repair": ("its files are whole or are told by archive check", "a server keeps its own files sound"),
}


def file_of_archive(archive: Archive, *, command: str) -> Path:
    """Return the file of an archive that is one, for a command that only files need.

    Raises
    ------
    UsageError
        For a folder or a server, with what to do instead.
    """
    storage = archive.storage
    if isinstance(storage, GeoPackageFile):
        return storage.place
    of_folder, of_server = _INSTEAD[command]
    kind, instead = ("a folder", of_folder) if isinstance(archive.path, Path) else ("on a server", of_server)
    raise UsageError(f"archive {command} is for a GeoPackage file, and {archive.path} is {kind}: {instead}")


def check(archive: Archive) -> Condition:
    """Return the condition of an archive; nothing in it is changed.

    Raises
    ------
    DataNotFoundError
        Where there is none.
    ArchiveError
        Where it is no archive, or a newer release made it.
    """
    storage = archive.storage
    if isinstance(storage, GeoPackageFile):
        return check_file(storage.place)
    if not storage.exists():
        raise DataNotFoundError(f"there is no archive {archive.path}")
    notes: list[str] = []
    problems: list[str] = []
    told = Archive(archive.path, tell=problems.append)
    counts = dict.fromkeys(TABLES, 0)
    for name in TABLES:
        try:
            for rows in told.stream(name):
                counts[name] += len(rows) + rows.attrs.get("left_out", 0)
        except ArchiveError as error:
            problems.append(str(error))
    if not problems:
        names = [[name] for name in _glaciers(archive)] if storage.keeps_glaciers_apart else [None]
        for some in names:
            with storage.reading(some) as database:
                if database is not None:
                    more, worth_knowing = relations(database)
                    whose = f"{some[0]}: " if some else ""
                    problems += [whose + text for text in more]
                    notes += [whose + text for text in worth_knowing]
    return Condition(VERSION, "", counts, tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(notes)))


def _glaciers(archive: Archive) -> list[str]:
    """Return every glacier that an archive holds a row of."""
    return sorted({name for table in TABLES.values() if table.glacier_column for name in archive.glaciers(table.name)})


def convert(source: Archive, target: Archive) -> dict[str, int]:
    """Copy every row of every table into a new archive, as it is, with the runs and what they read.

    Parameters
    ----------
    source : Archive
    target : Archive
        Of any kind; it must hold nothing yet.

    Returns
    -------
    dict of str to int
        How many rows were copied, by table.

    Raises
    ------
    UsageError
        Where the target holds something.
    ArchiveError
        Where either cannot be used, or not every row arrived.
    """
    if not source.exists():
        raise DataNotFoundError(f"there is no archive {source.path}")
    if is_same_place(source.path, target.path):
        raise UsageError(f"{source.path} was given twice; name a new archive")
    target.check_place()
    if target.exists() and (_glaciers(target) or any(len(part) for part in target.stream("runs"))):
        raise UsageError(f"archive {target.path} holds something already; name a new one, or use archive merge")
    storage = target.storage
    names = [*_glaciers(source), ""]
    groups = [[name] for name in names] if storage.keeps_glaciers_apart else [names]
    apart = source.storage.keeps_glaciers_apart
    with source.storage.reading([] if apart else None) as whole:
        if whole is None:
            raise DataNotFoundError(f"archive {source.path} holds nothing yet")
        for group in groups:

            def work(database: Database, group: list[str] = group) -> None:
                for name in group:
                    if apart:
                        with source.storage.reading([name]) as held:
                            assert held is not None
                            _copy(held, database, name)
                    else:
                        _copy(whole, database, name)
                for name in TABLES:
                    database.note_change(name)

            storage.change(work, Scope(group))
    given, arrived = _counts(source), _counts(target)
    if given != arrived:
        lost = [f"{name} {arrived[name]} of {given[name]}" for name in given if given[name] != arrived[name]]
        raise ArchiveError(f"archive {target.path}: not every row arrived ({', '.join(lost)}); do not use it")
    return arrived


def _counts(archive: Archive) -> dict[str, int]:
    quiet = Archive(archive.path, tell=lambda _: None)
    return {name: sum(len(part) + part.attrs.get("left_out", 0) for part in quiet.stream(name)) for name in TABLES}


def _copy(source: Database, target: Database, glacier: str) -> None:
    """Copy the rows of a glacier, and the runs that they name; of no glacier, those that no glacier's rows name."""
    for table in TABLES.values():
        which = [] if not table.glacier_column else [_of_glacier(table, glacier)]
        if table.glacier_column == "" or table.name == "run_inputs":  # several glaciers may name one run
            which = [*which[: 1 if glacier else 0], _of_runs(source, table, glacier)]
        for where, values in which:
            of_runs = (where, values) == which[-1] and not (table.glacier_column and table.name != "run_inputs")
            new: dict[str, bool] = {}
            for columns, rows in _rows(source, table, where, values):
                if of_runs:
                    place = columns.index("run")
                    for row in rows:
                        if row[place] not in new:
                            new[row[place]] = not _is_there(target, table, row[place])
                    rows = [row for row in rows if new[row[place]]]
                if table.is_layer:
                    shapes = source.shapes([row[0] for row in rows], table)
                    rows = [(cell, *row[1:]) for cell, row in zip(target.cells(shapes, table), rows, strict=True)]
                if rows:
                    target.add(table.name, columns, rows)


def _is_there(database: Database, table: ArchiveTable, run: str) -> bool:
    """Return whether what a run is, or read for no glacier of its own, is held already."""
    of_none = " AND coalesce(glacier, '') = ''" if table.glacier_column else ""
    query = f"SELECT 1 FROM {table.name} WHERE run = ?{of_none} LIMIT 1"  # nosec B608
    return database.execute(query, (run,)).fetchone() is not None


_CHUNK_ROWS = 5_000


def _rows(
    source: Database, table: ArchiveTable, where: str, values: list[Any]
) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
    """Yield columns and rows that match, in parts."""
    held = source.layout().columns.get(table.name, {})
    columns = [name for name in (*(["geom"] if table.is_layer else []), *table.columns) if name in held]
    if not columns:
        return
    chosen = ", ".join(f"{quoted(table.name)}.{quoted(name)}" for name in columns)
    query = f"SELECT {chosen} FROM {quoted(table.name)} WHERE {where} ORDER BY {quoted(table.name)}.rowid"  # nosec B608
    cursor = source.in_parts(query, values)
    while rows := cursor.fetchmany(_CHUNK_ROWS):
        yield columns, rows


def _of_glacier(table: ArchiveTable, glacier: str) -> tuple[str, list[Any]]:
    """Return which rows are of a glacier, as SQL without its WHERE and its parameters."""
    return f"coalesce({quoted(table.glacier_column)}, '') = ?", [glacier]


def _of_runs(source: Database, table: ArchiveTable, glacier: str) -> tuple[str, list[Any]]:
    """Return which rows are of no glacier but of a run that rows of the glacier name; of none: that no row names."""
    held = source.layout().columns
    where = "= ?" if glacier else "<> ''"
    asked = [
        f"SELECT run FROM {quoted(one.name)} WHERE {quoted(one.glacier_column)} {where} AND run <> ''"  # nosec B608
        for one in TABLES.values()
        if (one.names_run or one.name == "run_inputs") and "run" in held.get(one.name, {})
    ]
    of_none = "coalesce(glacier, '') = '' AND " if table.glacier_column else ""
    named = " UNION ".join(asked) or "SELECT ''"
    return f"{of_none}run {'' if glacier else 'NOT '}IN ({named})", [glacier] * len(asked) if glacier else []
