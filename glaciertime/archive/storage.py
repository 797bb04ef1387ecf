"""What an archive is kept in: a GeoPackage file, a folder of GeoParquet or a PostGIS server; each does the same acts.

:class:`~glaciertime.archive.archive.Archive` says what is stored and what it replaces, once for all three, as SQL on a
:class:`Database`; a :class:`Storage` gives it the database to say it to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pandas as pd

from glaciertime.archive.migrations import Layout
from glaciertime.archive.places import Place
from glaciertime.archive.schema import ArchiveTable

__all__ = ["Condition", "Database", "Scope", "Storage"]

#: What rows are asked for, as SQL with its leading WHERE (empty for all), and its parameters.
Condition = tuple[str, list[Any]]
T = TypeVar("T")


class Database(Protocol):
    """One state of an archive, or one change of it: SQL with ``?`` for values, in the words that SQLite knows."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Any:
        """Run a statement; return what has ``fetchone``, ``fetchall``, ``rowcount`` and is an iterator of rows."""
        ...

    def executemany(self, sql: str, rows: Any, /) -> Any:
        """Run a statement for each of some rows of values; return what has ``rowcount``."""
        ...

    def in_parts(self, sql: str, values: Sequence[Any] = ..., /) -> Any:
        """Run a query whose rows are fetched in parts, by ``fetchmany``, and never all in memory."""
        ...

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows, values in the order of the columns; the fast way where there is one."""
        ...

    def cells(self, shapes: Sequence[Any], table: ArchiveTable) -> Sequence[Any]:
        """Return geometries as the column ``geom`` of a layer holds them."""
        ...

    def shapes(self, cells: Sequence[Any], table: ArchiveTable) -> list[Any]:
        """Return the geometries that cells of the column ``geom`` hold; None for what is damaged."""
        ...

    def note_change(self, table: str) -> None:
        """Say that rows of a table came or went."""
        ...

    def layout(self) -> Layout:
        """Return which tables and columns there are."""
        ...


@dataclass(frozen=True)
class Scope:
    """What a change may touch, so that others who touch the same wait, and nobody else.

    Attributes
    ----------
    glaciers : collection of str, optional
        Names as the archive has them; None where it may be any.
    also : sequence of (table, condition)
        Glaciers of rows that match, besides.
    runs : collection of str
        The runs that are stored with it.
    """

    glaciers: Collection[str] | None = None
    also: Sequence[tuple[ArchiveTable, Condition]] = ()
    runs: Collection[str] = ()


class Storage(Protocol):
    """What keeps an archive."""

    @property
    def place(self) -> Place:
        """Where it is."""
        ...

    @property
    def keeps_glaciers_apart(self) -> bool:
        """Whether what is stored of each glacier is a change of its own: an archive of very many never is in memory."""
        ...

    def exists(self) -> bool:
        """Return whether there is an archive that holds something.

        Raises
        ------
        ArchiveError
            Where something else is there, or it cannot be asked.
        """
        ...

    def check_place(self) -> None:
        """Refuse a place where no archive can live, or that holds something else; call it before long work.

        Raises
        ------
        ArchiveError
        """
        ...

    def reading(self, glaciers: Collection[str] | None = None) -> AbstractContextManager[Database | None]:
        """Open one state, of some glaciers or of all, to ask; None where there is no archive yet."""
        ...

    def change(self, work: Callable[[Database], T], scope: Scope, *, keep: bool = True) -> T:
        """Do some work that happens as a whole or not at all; make the archive where it is not.

        The work may be done more than once, each time on a fresh state, where others were in its way. ``keep=False``
        takes it back at the end: what it would do is known then.
        """
        ...

    def read(self, table: ArchiveTable, where: Condition, *, glaciers: Collection[str] | None) -> pd.DataFrame:
        """Return rows in the order in which they were stored; ``glaciers`` are those that the condition names."""
        ...

    def stream(
        self, table: ArchiveTable, where: Condition, *, glaciers: Collection[str] | None, rows: int
    ) -> Iterator[pd.DataFrame]:
        """Yield the same as :meth:`read` in parts of at most so many rows, with the memory of a few parts."""
        ...

    def glaciers(self, table: ArchiveTable) -> list[str]:
        """Return the glaciers that a table holds rows of, sorted."""
        ...

    def holds(self, table: ArchiveTable, glacier: str) -> bool:
        """Return whether a table holds a row of a glacier."""
        ...
