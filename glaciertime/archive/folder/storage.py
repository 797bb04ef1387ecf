"""The archive of very many glaciers: a folder of GeoParquet, in which what one glacier costs stays what it is."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pandas as pd

from glaciertime import __version__
from glaciertime.archive.folder.changes import CHANGES, finish_stored, settle, store_change
from glaciertime.archive.folder.files import read_file
from glaciertime.archive.folder.locks import LOCKS, locked
from glaciertime.archive.folder.memory import in_memory, shapes_of
from glaciertime.archive.folder.partitions import decoded, file_of, files_of, glaciers_of
from glaciertime.archive.folder.query import distinct, query_rows
from glaciertime.archive.places import MARK
from glaciertime.archive.reading import Tell, checked_rows, empty_table, read_rows
from glaciertime.archive.schema import TABLES, VERSION, ArchiveTable
from glaciertime.archive.storage import Condition, Database, Scope
from glaciertime.errors import ArchiveError
from glaciertime.writing import write_bytes

__all__ = ["ParquetFolder"]

_TRIES = 5
T = TypeVar("T")


class ParquetFolder:
    """A :class:`~glaciertime.archive.storage.Storage` in a folder; writers of other glaciers do not wait."""

    keeps_glaciers_apart = True

    def __init__(self, place: Path, *, tell: Tell, wait_seconds: float) -> None:
        self.place = place
        self._tell = tell
        self._wait_seconds = wait_seconds

    def exists(self) -> bool:
        """Return whether the folder is an archive; one without anything in it is none yet."""
        return self._version() > 0

    def _version(self) -> int:
        """Return the schema of the archive; 0 where there is none yet.

        Raises
        ------
        ArchiveError
            For a folder of something else, and for an archive of a newer release.
        """
        root = self.place
        try:
            text = (root / MARK).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            text = ""
        except (OSError, UnicodeError) as error:
            raise ArchiveError(f"archive {root}: {MARK} cannot be read ({error}); restore a copy") from error
        if not text:
            self._refuse_other_content()
            return 0
        try:
            told = json.loads(text)
            version, by = int(told["schema"]), str(told.get("written_by", ""))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ArchiveError(
                f"{root / MARK} is damaged or is not that of an archive of glaciertime; restore a copy of it, or name "
                "another folder with --archive"
            ) from error
        if version > VERSION:
            raise ArchiveError(
                f"archive {root} has schema {version}, written by glaciertime {by}; this is glaciertime {__version__}, "
                f"which knows schemas up to {VERSION}: update glaciertime, or name another archive"
            )
        return version

    def _refuse_other_content(self) -> None:
        try:
            with os.scandir(self.place) as entries:
                strange = sorted(entry.name for entry in entries if entry.name not in (LOCKS, CHANGES)
                                 and not entry.name.endswith(".draft"))  # fmt: skip
        except FileNotFoundError:
            return
        except OSError as error:
            raise ArchiveError(f"archive {self.place} cannot be read ({error.strerror})") from error
        if strange:
            raise ArchiveError(
                f"{self.place} is a folder, and no archive of glaciertime (it holds {strange[0]}, and no {MARK}); give "
                "--archive a new or an empty folder, the folder of an archive, or a FILE.gpkg"
            )

    def check_place(self) -> None:
        """Refuse a place where no folder can be made or written, or a folder of something else."""
        root, remedy = self.place, "give --archive a place that you can write"
        try:
            found: os.stat_result | None = os.lstat(root)
        except FileNotFoundError:
            found = None
        except OSError as error:
            raise ArchiveError(f"archive {root} cannot be made ({error.strerror}); {remedy}") from error
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise ArchiveError(
                f"archive {root} is a link to {os.path.realpath(root)}; give that folder itself with --archive"
            )
        if found is None and not root.parent.is_dir():
            raise ArchiveError(f"archive {root} cannot be made (there is no folder {root.parent}); {remedy}")
        if not os.access(root if found is not None else root.parent, os.W_OK | os.X_OK):
            raise ArchiveError(f"archive {root} cannot be written (read-only?); {remedy}")
        self._version()

    def _make(self) -> None:
        """Make the folder an archive where it is none yet, and keep what it says of its schema true."""
        self.check_place()
        try:
            self.place.mkdir(exist_ok=True)
            for name in (LOCKS, CHANGES):
                (self.place / name).mkdir(exist_ok=True)
        except OSError as error:
            raise ArchiveError(f"archive {self.place} cannot be written ({error.strerror})") from error
        if self._version() < VERSION:
            told = json.dumps({"archive": "glaciertime", "schema": VERSION, "written_by": __version__}) + "\n"
            write_bytes(self.place / MARK, told.encode(), option="--archive", overwrite=True)

    @contextmanager
    def reading(self, glaciers: Collection[str] | None = None) -> Iterator[Database | None]:
        """Open the rows of some glaciers, or of all, as a database in memory."""
        if not self.exists():
            yield None
            return
        self._settle()
        with in_memory(self.place, glaciers) as database:
            yield database

    def _settle(self) -> None:
        if not settle(self.place):
            self._tell(
                f"archive {self.place} was left in the middle of a write and cannot be written here: of what was last "
                "stored, a part may be missing"
            )

    def change(self, work: Callable[[Database], T], scope: Scope, *, keep: bool = True) -> T:
        """Do some work on the rows of some glaciers, and write the files whose rows are others then."""
        self._make()
        names = set(scope.glaciers or ()) if scope.glaciers is not None else self._all()
        while True:
            names |= self._found(scope)
            with locked(self.place, names, tell=self._tell, wait_seconds=self._wait_seconds):
                finish_stored(self.place, names)
                if not self._found(scope) <= names:  # somebody stored more of them meanwhile
                    continue
                with in_memory(self.place, sorted(names)) as database:
                    result = work(database)
                    if keep:
                        store_change(self.place, list(database.file_changes()))
                    return result

    def _all(self) -> set[str]:
        return {name for table in TABLES.values() if table.glacier_column for name in self.glaciers(table)}

    def _found(self, scope: Scope) -> set[str]:
        """Return the glaciers of the rows that a change may touch besides those it names."""

        def ask() -> set[str]:
            asked = (distinct(list(files_of(self.place, table.name)), table, where) for table, where in scope.also)
            return set().union(*asked)

        return self._patiently(ask)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask again where a file went while it was to be read."""
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                return ask()
        raise ArchiveError(f"archive {self.place}: files come and go faster than they can be read; run this again")

    def read(self, table: ArchiveTable, where: Condition, *, glaciers: Collection[str] | None) -> pd.DataFrame:
        """Return rows of the glaciers that are named by their files, of all by a query over them."""
        if not self.exists():
            return empty_table(table)
        if glaciers is not None:
            with self.reading(sorted(set(glaciers))) as held:
                assert held is not None
                return read_rows(held, held.layout(), self.place, table, where, tell=self._tell)
        self._settle()

        def ask() -> pd.DataFrame:
            (frame,) = query_rows(list(files_of(self.place, table.name)), table, where)
            return frame

        return self._checked(self._patiently(ask), table)

    def _checked(self, frame: pd.DataFrame, table: ArchiveTable) -> pd.DataFrame:
        if not table.glacier_column or table.name == "run_inputs":  # each glacier keeps the runs that name it
            frame = frame.drop_duplicates(ignore_index=True)
        shapes = shapes_of(frame["geom"].tolist(), table) if table.is_layer else None
        return checked_rows(frame, shapes, self.place, table, tell=self._tell)

    def stream(
        self, table: ArchiveTable, where: Condition, *, glaciers: Collection[str] | None, rows: int
    ) -> Iterator[pd.DataFrame]:
        """Yield rows in parts: of so many files at a time."""
        if not self.exists():
            return
        self._settle()
        if not table.glacier_column or table.name == "run_inputs":
            frame = self.read(table, where, glaciers=glaciers)
            yield from (frame.iloc[start : start + rows] for start in range(0, len(frame), rows))
            return
        if glaciers is None:
            files = list(files_of(self.place, table.name))
        else:
            found = (file_of(self.place, table.name, name) for name in sorted(set(glaciers)))
            files = [path for path in found if path is not None]
        for frame in query_rows(files, table, where, rows=rows):
            if len(frame):
                yield self._checked(frame, table)

    def glaciers(self, table: ArchiveTable) -> list[str]:
        """Return the glaciers that a table holds rows of, as the names of its folders tell."""
        if not self.exists():
            return []
        self._settle()
        names = set()
        for folder, path in glaciers_of(self.place, table.name).items():
            name = decoded(folder)
            if name is None and (held := read_file(path)) is not None:  # cut off: the rows have it whole
                name = str(held.column(table.glacier_column)[0])
            names.add(name)
        return sorted(name for name in names if name)

    def holds(self, table: ArchiveTable, glacier: str) -> bool:
        """Return whether a table holds a row of a glacier."""
        if not self.exists():
            return False
        self._settle()
        return file_of(self.place, table.name, glacier) is not None
