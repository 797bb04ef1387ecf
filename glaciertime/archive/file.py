"""The archive of a project in one file: a GeoPackage, which QGIS and SQL open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from glaciertime.archive import connection
from glaciertime.archive.over_sql import StorageOverSQL
from glaciertime.archive.reading import Tell
from glaciertime.archive.storage import Database, Scope
from glaciertime.errors import ArchiveError

__all__ = ["GeoPackageFile"]

T = TypeVar("T")


class GeoPackageFile(StorageOverSQL):
    """A :class:`~glaciertime.archive.storage.Storage` in a file; one process writes at a time, the others wait."""

    def __init__(self, place: Path, *, tell: Tell, wait_seconds: float) -> None:
        super().__init__(place, tell=tell, wait_seconds=wait_seconds)
        self.place = place

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
            if held is not None:
                held[0].known_layout = held[1]
            yield None if held is None else held[0]

    def change(self, work: Callable[[Database], T], scope: Scope, *, keep: bool = True) -> T:
        """Do some work in one transaction."""
        with connection.writing(self.place, tell=self._tell, wait_seconds=self._wait_seconds, keep=keep) as database:
            return work(database)
