"""The archive of a project in one file: a GeoPackage, which QGIS and SQL open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pandas as pd

from glaciertime.archive import connection
from glaciertime.archive.reading import Tell, condition, distinct_glaciers, empty_table, read_rows, stream_rows
from glaciertime.archive.schema import ArchiveTable, quoted
from glaciertime.archive.storage import Condition, Database, Scope
from glaciertime.errors import ArchiveError

__all__ = ["GeoPackageFile"]

T = TypeVar("T")


class GeoPackageFile:
    """A :class:`~glaciertime.archive.storage.Storage` in a file; one process writes at a time, the others wait."""

    keeps_glaciers_apart = False

    def __init__(self, place: Path, *, tell: Tell, wait_seconds: float) -> None:
        self.place = place
        self._tell = tell
        self._wait_seconds = wait_seconds

    def exists(self) -> bool:
        """Return whether the file is there and holds something."""
        return connection.has_content(self.place)

    def check_place(self) -> None:
        """Refuse a place where no file can be made, or a file that is no archive."""
        connection.check_place(self.place)
        try:
            with connection.reading(self.place, tell=self._tell, wait_seconds=0):
                pass
        except ArchiveError as error:
            if not connection.is_in_use(error):  # who holds it now may be done before the work is
                raise

    @contextmanager
    def reading(self, glaciers: Collection[str] | None = None) -> Iterator[Database | None]:
        """Open one state of the file."""
        with connection.reading(self.place, tell=self._tell, wait_seconds=self._wait_seconds) as held:
            yield None if held is None else held[0]

    def change(self, work: Callable[[Database], T], scope: Scope, *, keep: bool = True) -> T:
        """Do some work in one transaction."""
        with connection.writing(self.place, tell=self._tell, wait_seconds=self._wait_seconds, keep=keep) as database:
            return work(database)

    def read(self, table: ArchiveTable, where: Condition, *, glaciers: Collection[str] | None) -> pd.DataFrame:
        """Return rows by the index."""
        with connection.reading(self.place, tell=self._tell, wait_seconds=self._wait_seconds) as held:
            if held is None:
                return empty_table(table)
            return read_rows(*held, self.place, table, where, tell=self._tell)

    def stream(
        self, table: ArchiveTable, where: Condition, *, glaciers: Collection[str] | None, rows: int
    ) -> Iterator[pd.DataFrame]:
        """Yield rows in parts, all of one state of the file."""
        with connection.reading(self.place, tell=self._tell, wait_seconds=self._wait_seconds) as held:
            if held is not None:
                yield from stream_rows(*held, self.place, table, where, rows=rows, tell=self._tell)

    def glaciers(self, table: ArchiveTable) -> list[str]:
        """Return the glaciers that a table holds rows of, in steps along the index."""
        with connection.reading(self.place, tell=self._tell, wait_seconds=self._wait_seconds) as held:
            return [] if held is None else distinct_glaciers(*held, table)

    def holds(self, table: ArchiveTable, glacier: str) -> bool:
        """Return whether a table holds a row of a glacier."""
        where, values = condition(table, names={"glacier": glacier})
        with connection.reading(self.place, tell=self._tell, wait_seconds=self._wait_seconds) as held:
            if held is None or table.name not in held[1].columns:
                return False
            query = f"SELECT 1 FROM {quoted(table.name)}{where} LIMIT 1"  # nosec B608
            return held[0].execute(query, values).fetchone() is not None
