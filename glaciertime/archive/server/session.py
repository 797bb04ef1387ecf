"""A transaction on the server as a database of the package."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import shapely

from glaciertime.archive.geopackage import fitting, single_parts
from glaciertime.archive.migrations import Layout
from glaciertime.archive.schema import RUN, TABLES, ArchiveTable, quoted
from glaciertime.archive.server.dialect import to_postgres

__all__ = ["Session", "srid_of"]

_names = count()


class _Counted:
    """How many rows statements changed."""

    def __init__(self, rowcount: int) -> None:
        self.rowcount = rowcount


class Session:
    """An open transaction as a :class:`~glaciertime.archive.storage.Database`."""

    def __init__(self, connection: Any, layout: Layout) -> None:
        self._connection = connection
        self._layout = layout

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Any:
        """Run a statement."""
        return self._connection.execute(to_postgres(sql, with_unknown=None in values), tuple(values))

    def executemany(self, sql: str, rows: Any, /) -> Any:
        """Run a statement for each of some rows of values."""
        every = [tuple(row) for row in rows]
        total = 0
        for with_unknown in (False, True):
            some = [row for row in every if (None in row) is with_unknown]
            if some:
                cursor = self._connection.cursor()
                cursor.executemany(to_postgres(sql, with_unknown=with_unknown), some)
                total += max(cursor.rowcount, 0)
        return _Counted(total)

    def in_parts(self, sql: str, values: Sequence[Any] = (), /) -> Any:
        """Run a query whose rows stay on the server until they are fetched."""
        cursor = self._connection.cursor(name=f"glaciertime_{next(_names)}")
        return cursor.execute(to_postgres(sql, with_unknown=None in values), tuple(values))

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows by COPY; a text that is not known is an empty one, as everywhere in the corridor."""
        if not rows:
            return
        kinds = TABLES[table].columns
        nullable = [name == "geom" or kinds[name] != "TEXT" or (name == RUN and TABLES[table].names_run)
                    for name in columns]  # fmt: skip
        names = ", ".join(map(quoted, columns))
        with self._connection.cursor().copy(f"COPY {quoted(table)} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(
                    ["" if cell is None and not may else cell for cell, may in zip(row, nullable, strict=True)]
                )

    def cells(self, shapes: Sequence[Any], table: ArchiveTable) -> Sequence[Any]:
        """Return geometries as two-dimensional EWKB in hexadecimal."""
        array = np.array([fitting(one, table.geometry_type) for one in shapes] + [None], dtype=object)[:-1]
        flat = shapely.set_srid(shapely.force_2d(array), srid_of(table))
        return list(shapely.to_wkb(flat, hex=True, byte_order=1, include_srid=True))

    def shapes(self, cells: Sequence[Any], table: ArchiveTable) -> list[Any]:
        """Return the geometries of EWKB."""
        array = shapely.from_wkb(np.array([*cells, None], dtype=object)[:-1], on_invalid="ignore")
        return single_parts(shapely.set_srid(array, 0), table.geometry_type)

    def note_change(self, table: str) -> None:
        """Do nothing: the server keeps its own indexes."""

    def layout(self) -> Layout:
        """Return which tables and columns there are."""
        return self._layout


def srid_of(table: ArchiveTable) -> int:
    """Return the number of a layer's coordinate system on the server: 0 is what PostGIS calls an unknown one."""
    return max(table.srs, 0)
