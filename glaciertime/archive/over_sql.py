"""What a storage in which all rows are asked for by SQL does, on a file or on a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from typing import ClassVar

import pandas as pd

from glaciertime.archive.places import Place
from glaciertime.archive.reading import Tell, condition, distinct_glaciers, empty_table, read_rows, stream_rows
from glaciertime.archive.schema import ArchiveTable, quoted
from glaciertime.archive.storage import Condition, Database

__all__ = ["StorageOverSQL"]


class StorageOverSQL(ABC):
    """The reading part of a :class:`~glaciertime.archive.storage.Storage`: each answer is of one state."""

    keeps_glaciers_apart: ClassVar[bool] = False

    def __init__(self, place: Place, *, tell: Tell, wait_seconds: float) -> None:
        self._place = place
        self._tell = tell
        self._wait_seconds = wait_seconds

    @abstractmethod
    def reading(self, glaciers: Collection[str] | None = None) -> AbstractContextManager[Database | None]:
        """Open one state to ask; None where there is no archive yet."""

    def read(self, table: ArchiveTable, where: Condition, *, glaciers: Collection[str] | None) -> pd.DataFrame:
        """Return rows by the index."""
        with self.reading() as held:
            if held is None:
                return empty_table(table)
            return read_rows(held, held.layout(), self._place, table, where, tell=self._tell)

    def stream(
        self, table: ArchiveTable, where: Condition, *, glaciers: Collection[str] | None, rows: int
    ) -> Iterator[pd.DataFrame]:
        """Yield rows in parts."""
        with self.reading() as held:
            if held is not None:
                yield from stream_rows(held, held.layout(), self._place, table, where, rows=rows, tell=self._tell)

    def glaciers(self, table: ArchiveTable) -> list[str]:
        """Return the glaciers that a table holds rows of, in steps along the index."""
        with self.reading() as held:
            return [] if held is None else distinct_glaciers(held, held.layout(), table)

    def holds(self, table: ArchiveTable, glacier: str) -> bool:
        """Return whether a table holds a row of a glacier."""
        where, values = condition(table, names={"glacier": glacier})
        with self.reading() as held:
            if held is None or table.name not in held.layout().columns:
                return False
            query = f"SELECT 1 FROM {quoted(table.name)}{where} LIMIT 1"  # nosec B608
            return held.execute(query, values).fetchone() is not None
