"""How the archive is opened: made by one process only, in one transaction, patiently, and recovered after a crash.

The journal of SQLite is that which rolls back, not the one that writes ahead: it works on network drives, leaves one
file, and a reader never needs more than the file and its journal.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from glaciertime import __version__
from glaciertime.archive.geopackage import read_geometries, register_functions, to_blobs, update_contents
from glaciertime.archive.migrations import Layout, layout_of, migrate
from glaciertime.archive.schema import TABLES, VERSION, ArchiveTable, create, quoted
from glaciertime.errors import ArchiveError, GlacierTimeError
from glaciertime.walls import first_line

__all__ = [
    "GeoPackageDatabase",
    "check_place",
    "has_content",
    "is_in_use",
    "opened_to_read",
    "reading",
    "sentence",
    "writing",
]

#: How long to wait for another process at least; a finished work waits longer.
WAIT_SECONDS = 300.0
_TELL_AFTER_SECONDS = 2.0
_TELL_AGAIN_SECONDS = 60.0
_JOURNALS = ("-journal", "-wal")

Tell = Callable[[str], None]
Prepare = Callable[[sqlite3.Connection, Path, Tell], None]


class GeoPackageDatabase(sqlite3.Connection):
    """A connection to a GeoPackage file, as a :class:`~glaciertime.archive.storage.Database`."""

    path: Path
    #: What it holds, where that is known already.
    known_layout: Layout | None = None

    def in_parts(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Run a query whose rows are fetched in parts."""
        return self.execute(sql, values)

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows to a table."""
        names = ", ".join(map(quoted, columns))
        marks = ", ".join("?" * len(columns))
        self.executemany(f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks})", rows)  # nosec B608

    def cells(self, shapes: Sequence[Any], table: ArchiveTable) -> Sequence[Any]:
        """Return geometries in the binary form of GeoPackage."""
        return to_blobs(shapes, geometry_type=table.geometry_type, srs=table.srs)

    def shapes(self, cells: Sequence[Any], table: ArchiveTable) -> list[Any]:
        """Return the geometries of cells; None for what is damaged."""
        return read_geometries(cells, geometry_type=table.geometry_type)

    def note_change(self, table: str) -> None:
        """State anew when a table changed and, of a layer, its extent."""
        update_contents(self, table, spatial=TABLES[table].is_layer)

    def layout(self) -> Layout:
        """Return which tables and columns the file has."""
        return self.known_layout or layout_of(self, self.path)


def _connected(path: Path, mode: str) -> GeoPackageDatabase:
    address = f"{path.resolve().as_uri()}?mode={mode}"
    database = sqlite3.connect(address, uri=True, timeout=0.1, isolation_level=None, factory=GeoPackageDatabase)
    database.path = path
    return database


def check_place(path: Path) -> None:
    """Refuse a place where no archive can live.

    Raises
    ------
    ArchiveError
        For a folder, a device, a pipe, a link, or a folder that is not there or cannot be written.
    """
    remedy = "give --archive FILE in a folder you can write"
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        found = None
    except OSError as error:
        raise ArchiveError(f"archive {path} cannot be made ({error.strerror}); {remedy}") from error
    if found is not None and stat.S_ISLNK(found.st_mode):
        raise ArchiveError(
            f"archive {path} is a link to {os.path.realpath(path)}; give that file itself with --archive"
        )
    if found is not None and not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe"
        raise ArchiveError(f"archive {path} is {what}, no file; {remedy}")
    folder = path.parent
    if not folder.is_dir():
        raise ArchiveError(f"archive {path} cannot be made (there is no folder {folder}); {remedy}")
    writable = os.access(folder, os.W_OK | os.X_OK)
    if found is None and not writable:
        raise ArchiveError(f"archive {path} cannot be made (folder {folder} cannot be written); {remedy}")
    if found is not None and not (writable and os.access(path, os.W_OK)):
        raise ArchiveError(
            f"archive {path} cannot be written (read-only?); make it and its folder writable, or {remedy}"
        )


def has_content(path: Path) -> bool:
    """Return whether there is an archive to read: an empty file is one whose making was broken off.

    Raises
    ------
    ArchiveError
        For a folder or a device.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ArchiveError(f"archive {path} cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe"
        raise ArchiveError(f"archive {path} is {what}, no file; name the archive with --archive FILE")
    return found.st_size > 0


@contextmanager
def writing(
    path: Path, *, tell: Tell, wait_seconds: float, keep: bool = True, prepare: Prepare | None = None
) -> Iterator[GeoPackageDatabase]:
    """Open an archive for one change that happens as a whole or not at all; make it where it is not, or is empty.

    ``keep=False`` takes the change back at the end: what it would do is known then. ``prepare`` stands in for the
    usual checks at the beginning.

    Raises
    ------
    ArchiveError
        Where it cannot be written, is no archive, or was made by a newer release; nothing is changed.
    """
    check_place(path)
    try:
        database = _connected(path, "rwc")
        try:
            register_functions(database)
            database.execute("PRAGMA legacy_alter_table = 1")  # a user's views must not stop a migration
            _patiently(database, "BEGIN IMMEDIATE", path, tell=tell, wait_seconds=wait_seconds)
            try:
                (prepare or _prepare)(database, path, tell)
                yield database
                if keep:
                    _patiently(database, "COMMIT", path, tell=tell, wait_seconds=wait_seconds)
                else:
                    database.rollback()
            except BaseException:
                if database.in_transaction:
                    database.rollback()
                raise
        finally:
            database.close()
    except sqlite3.Error as error:
        raise ArchiveError(sentence(path, error)) from error


def _prepare(database: sqlite3.Connection, path: Path, tell: Tell) -> None:
    """Make the tables of a new file, or bring those of an older release up to date; in the open transaction."""
    layout = layout_of(database, path)
    if layout.version == 0:
        create(database, written_by=__version__)
    elif layout.version < VERSION:
        migrate(database, layout, path, written_by=__version__, tell=tell)


@contextmanager
def reading(path: Path, *, tell: Tell, wait_seconds: float) -> Iterator[tuple[GeoPackageDatabase, Layout] | None]:
    """Open an archive to read one state of it; None where there is none yet.

    What a crash left half-written is rolled back first. An archive of an older release is brought up to date where
    it can be written, and read as it is where it cannot.

    Raises
    ------
    ArchiveError
        Where it cannot be read, is no archive, or was made by a newer release.
    """
    if not has_content(path):
        yield None
        return
    with opened_to_read(path, tell=tell, wait_seconds=wait_seconds) as database:
        layout = layout_of(database, path)
        if 0 < layout.version < VERSION and _brought_up_to_date(database, path, tell=tell):
            _patiently(database, "BEGIN", path, tell=tell, wait_seconds=wait_seconds, then=_FIRST_READ)
            layout = layout_of(database, path)
        yield None if layout.version == 0 else (database, layout)


_FIRST_READ = "SELECT count(*) FROM sqlite_master"


@contextmanager
def opened_to_read(path: Path, *, tell: Tell, wait_seconds: float) -> Iterator[GeoPackageDatabase]:
    """Open one state of a file for reading, whatever it holds, as a crash has not left it half-written.

    Raises
    ------
    ArchiveError
        For whatever SQLite complains of.
    """
    try:
        with _opened(path, tell=tell, wait_seconds=wait_seconds) as database:
            yield database
    except sqlite3.Error as error:
        raise ArchiveError(sentence(path, error)) from error
    except (GlacierTimeError, OSError):
        raise
    except Exception as error:  # cells of another kind than their column's, texts that are none, ...
        raise ArchiveError(
            f"archive {path} holds what no archive does ({first_line(error)}); glaciertime archive repair {path} saves "
            "what can be read"
        ) from error


@contextmanager
def _opened(path: Path, *, tell: Tell, wait_seconds: float) -> Iterator[GeoPackageDatabase]:
    """Open for reading; where a journal left by a crash cannot be rolled back in place, a copy of both is read."""
    try:
        database = _reader(path, tell=tell, wait_seconds=wait_seconds)
    except sqlite3.Error as error:
        left = [end for end in _JOURNALS if Path(f"{path}{end}").exists()]
        if not left or not _cannot_write(error):
            raise
        tell(f"archive {path} was left in the middle of a write and cannot be written here: a recovered copy is read")
        with TemporaryDirectory(prefix="glaciertime-") as folder:
            copy = Path(folder) / path.name
            for end in ("", *left):
                shutil.copyfile(f"{path}{end}", f"{copy}{end}")
            database = _reader(copy, tell=tell, wait_seconds=wait_seconds)
            try:
                yield database
            finally:
                database.close()
        return
    try:
        yield database
    finally:
        database.close()


def _reader(path: Path, *, tell: Tell, wait_seconds: float) -> GeoPackageDatabase:
    # mode=rw, because a reader that may not write cannot roll back what a crash left; it falls back to ro by itself.
    database = _connected(path, "rw")
    try:
        database.execute("PRAGMA query_only = 1")
        _patiently(database, "BEGIN", path, tell=tell, wait_seconds=wait_seconds, then=_FIRST_READ)
    except BaseException:
        database.close()
        raise
    return database


def _brought_up_to_date(database: sqlite3.Connection, path: Path, *, tell: Tell) -> bool:
    """Bring an archive of an older release up to date; False where that cannot be now, and it is read as it is."""
    if os.path.islink(path) or not (os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)):
        return False
    database.rollback()
    try:
        with writing(path, tell=tell, wait_seconds=_TELL_AFTER_SECONDS):
            pass
    except ArchiveError as error:
        tell(f"{error}; it is read as it is")
        database.execute("BEGIN")
        return False
    return True


def _patiently(
    database: sqlite3.Connection, statement: str, path: Path, *, tell: Tell, wait_seconds: float, then: str = ""
) -> None:
    """Run a statement that needs a lock; wait for the processes that hold it, and say so."""
    start = time.monotonic()
    told = start + _TELL_AFTER_SECONDS - _TELL_AGAIN_SECONDS
    while True:
        try:
            if not (statement.startswith("BEGIN") and database.in_transaction):
                database.execute(statement)
            if then:
                database.execute(then).fetchone()
            return
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            if not _is_busy(error) or now - start >= wait_seconds:
                if statement == "BEGIN" and database.in_transaction:
                    database.rollback()
                raise
            if now - told >= _TELL_AGAIN_SECONDS:
                left = wait_seconds - (now - start)
                tell(f"archive {path} is in use by another process; waiting for it, up to {left:.0f} s more")
                told = now
        time.sleep(random.uniform(0.01, 0.1))


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _is_busy(error: sqlite3.Error) -> bool:
    return _name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def is_in_use(error: ArchiveError) -> bool:
    """Return whether an archive could not be had now: another process holds it, or its server does not answer."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return _is_busy(cause)
    return isinstance(cause, (BlockingIOError, TimeoutError, ConnectionError))


def _cannot_write(error: sqlite3.Error) -> bool:
    return _name(error).startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"))


def sentence(path: Path, error: sqlite3.Error) -> str:
    """Return what SQLite complains of as one sentence that says what to do."""
    text = str(error)
    if _is_busy(error):
        return (
            f"archive {path} is being written by another process, or is open for editing; wait until it has finished, "
            "then run this again"
        )
    if _cannot_write(error):
        return f"archive {path} cannot be written (read-only?); make it and its folder writable, or give --archive"
    if _name(error).startswith("SQLITE_FULL") or "full" in text:
        return f"archive {path}: the disk is full; free some space, nothing was changed"
    if _name(error).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return (
            f"archive {path} is damaged or is no GeoPackage; glaciertime archive repair {path} saves what can be read, "
            "or restore a copy, or name another with --archive"
        )
    if _name(error).startswith("SQLITE_IOERR"):
        return f"archive {path}: the disk failed ({text}); check it and the connection to it, nothing was changed"
    return f"archive {path}: {text}; nothing was changed"
