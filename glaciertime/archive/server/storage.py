"""The archive of a team: tables on a PostGIS server, which many write and read at once."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from glaciertime.archive.over_sql import StorageOverSQL
from glaciertime.archive.places import Server
from glaciertime.archive.reading import Tell
from glaciertime.archive.schema import TABLES, VERSION
from glaciertime.archive.server.connection import connected, is_passing
from glaciertime.archive.server.session import Session
from glaciertime.archive.server.tables import SCHEMA, layout_on, make_tables
from glaciertime.archive.storage import Database, Scope
from glaciertime.errors import ArchiveError

__all__ = ["PostGISServer"]

_TRIES = 10
_TELL_AFTER_SECONDS = 2.0
T = TypeVar("T")


class PostGISServer(StorageOverSQL):
    """A :class:`~glaciertime.archive.storage.Storage` on a server; only writers of the same glacier wait."""

    def __init__(self, place: Server, *, tell: Tell, wait_seconds: float) -> None:
        super().__init__(place, tell=tell, wait_seconds=wait_seconds)
        self.place = place

    def exists(self) -> bool:
        """Return whether the database has the tables of an archive."""
        with connected(self.place) as connection:
            return layout_on(connection, self.place).version > 0

    def check_place(self) -> None:
        """Refuse a server that does not answer, a database of something else, or one that cannot be written."""
        with connected(self.place) as connection:
            layout = layout_on(connection, self.place)
            if connection.execute("SHOW transaction_read_only").fetchone()[0] == "on":
                raise ArchiveError(f"archive {self.place} is read-only; name a server or a user that may write")
            if layout.version:
                asked = ", ".join(f"has_table_privilege('{SCHEMA}.{name}', 'INSERT')" for name in layout.columns)
                may = connection.execute(
                    f"SELECT has_schema_privilege('{SCHEMA}', 'USAGE')"  # nosec B608
                ).fetchone() + (connection.execute(f"SELECT {asked}").fetchone() if asked else ())  # nosec B608
                remedy = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO the user"
            else:
                may = connection.execute("SELECT has_database_privilege(current_database(), 'CREATE')").fetchone()
                if may[0] is False and self._has_schema(connection):
                    may = connection.execute(f"SELECT has_schema_privilege('{SCHEMA}', 'CREATE')").fetchone()
                remedy = f"CREATE SCHEMA {SCHEMA} AUTHORIZATION the user"
            if not all(may):
                raise ArchiveError(
                    f"archive {self.place}: this user may not write; who owns the database allows it with {remedy}"
                )

    @staticmethod
    def _has_schema(connection: Any) -> bool:
        return connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,)).fetchone() is not None

    @contextmanager
    def reading(self, glaciers: Collection[str] | None = None) -> Iterator[Database | None]:
        """Open one state of the tables."""
        with connected(self.place) as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            layout = layout_on(connection, self.place)
            yield Session(connection, layout) if layout.version else None

    def change(self, work: Callable[[Database], T], scope: Scope, *, keep: bool = True) -> T:
        """Do some work in one transaction, again where another change was in its way and both could not be."""
        start = time.monotonic()
        tries = 0
        wait = min(_TELL_AFTER_SECONDS, self._wait_seconds)
        while True:
            try:
                with connected(self.place) as connection:
                    try:
                        return self._change(connection, work, scope, keep=keep, wait_seconds=wait)
                    except Exception as error:
                        if not is_passing(error) or tries >= _TRIES:
                            raise
                    tries += 1
                time.sleep(random.uniform(0, 0.02 * 2**tries))  # nosec B311
            except ArchiveError as error:
                left = self._wait_seconds - (time.monotonic() - start)
                if not isinstance(error.__cause__, BlockingIOError) or left <= 0:
                    raise
                self._tell(
                    f"archive {self.place} is in use by another process; waiting for it, up to {left:.0f} s more"
                )
                wait = left

    def _change(
        self, connection: Any, work: Callable[[Database], T], scope: Scope, *, keep: bool, wait_seconds: float
    ) -> T:
        with connection.transaction(force_rollback=not keep):
            layout = layout_on(connection, self.place)
            is_old = layout.version < VERSION
            connection.execute(f"SET LOCAL lock_timeout = {max(int(wait_seconds * 1000), 1)}")
            self._lock(connection, scope, whole=is_old)
            connection.execute("SET LOCAL lock_timeout = 0")
            if is_old:
                layout = layout_on(connection, self.place)  # another process may have made them meanwhile
                if layout.version < VERSION:
                    make_tables(connection, layout)
                    if layout.version:
                        self._tell(f"archive {self.place}: brought from schema {layout.version} to {VERSION}")
                    layout = layout_on(connection, self.place)
            lacking = [name for name in TABLES if name not in layout.columns]
            if lacking:
                raise ArchiveError(
                    f"archive {self.place} lacks table {', '.join(lacking)}; restore a dump of the schema {SCHEMA}"
                )
            return work(Session(connection, layout))

    def _lock(self, connection: Any, scope: Scope, *, whole: bool) -> None:
        """Take the locks of a change, in one order everywhere, so that no two wait for each other; they go with it."""
        whole = whole or scope.glaciers is None or bool(scope.also)
        shared = "" if whole else "_shared"
        connection.execute(f"SELECT pg_advisory_xact_lock{shared}(%s)", (_number("archive"),))
        if not whole:
            names = [f"glacier {name}" for name in scope.glaciers or ()] + [f"run {run}" for run in scope.runs]
            for number in sorted(set(map(_number, names))):
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (number,))


def _number(name: str) -> int:
    """Return the number that stands for a name among the locks of a database."""
    return int.from_bytes(hashlib.sha256(f"{SCHEMA} {name}".encode(errors="replace")).digest()[:8], signed=True)
