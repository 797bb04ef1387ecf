"""Connections to a server: kept while they are of use; what is wrong is one sentence, never with a password."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from glaciertime.archive.places import Server
from glaciertime.archive.server.tables import SCHEMA
from glaciertime.errors import ArchiveError, MissingExtraError

try:
    import psycopg
    from psycopg.adapt import Loader
except ImportError as error:
    raise MissingExtraError("an archive on a server", "postgis") from error

__all__ = ["connected", "is_passing", "told"]

_CONNECT_SECONDS = 10
#: How long to try where the server is starting, or takes no more connections now.
_PATIENCE_SECONDS = 30.0
_BUSY_SERVER = ("57P03", "53300")
#: Two changes were in each other's way, and one was taken back as a whole: it is done again.
_PASSING = ("40001", "40P01")

_lock = threading.Lock()
_idle: dict[tuple[int, str], list[Any]] = {}


class _Text(Loader):
    """Dates as the text that the server gives, YYYY-MM-DD: those before year 1 and after 9999 too."""

    def load(self, data: Any) -> str:
        return bytes(data).decode()


@contextmanager
def connected(server: Server) -> Iterator[Any]:
    """Give a connection in no transaction; where it is sound at the end, the next one gets it.

    Raises
    ------
    ArchiveError
        For whatever the server, or the way to it, complains of.
    """
    key = (os.getpid(), server.address)
    try:
        connection = _kept(key) or _new(server)
        try:
            yield connection
        finally:
            idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            if not connection.closed and idle:
                with _lock:
                    _idle.setdefault(key, []).append(connection)
            else:
                connection.close()
    except psycopg.Error as error:
        raise told(server, error) from _cause(error)


def _kept(key: tuple[int, str]) -> Any:
    """Return a connection that was kept and still answers; None where there is none."""
    while True:
        with _lock:
            connections = _idle.get(key)
            if not connections:
                return None
            connection = connections.pop()
        with suppress(psycopg.Error):
            connection.execute("SELECT 1")
            return connection
        connection.close()


def _new(server: Server) -> Any:
    start = time.monotonic()
    while True:
        try:
            return _opened(server)
        except psycopg.OperationalError as error:
            busy = error.sqlstate in _BUSY_SERVER or any(
                text in str(error) for text in ("starting up", "too many clients", "remaining connection slots")
            )
            if not busy or time.monotonic() - start > _PATIENCE_SECONDS:
                raise
        time.sleep(random.uniform(0.1, 0.5))  # nosec B311


def _opened(server: Server) -> Any:
    given = psycopg.conninfo.conninfo_to_dict(server.address)
    own: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, "application_name": "glaciertime"}
    connection = psycopg.connect(server.address, autocommit=True, **{k: v for k, v in own.items() if k not in given})
    try:
        connection.adapters.register_loader("date", _Text)
        found = connection.execute(
            "SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace "
            "WHERE e.extname = 'postgis'"
        ).fetchone()
        if found is None:
            raise ArchiveError(
                f"archive {server}: the database has no PostGIS; who owns it can add it with CREATE EXTENSION postgis"
            )
        path = ", ".join('"' + name.replace('"', '""') + '"' for name in (SCHEMA, found[0]))
        connection.execute(f"SET datestyle = 'ISO, YMD'; SET client_encoding = 'UTF8'; SET search_path = {path}")
    except BaseException:
        connection.close()
        raise
    return connection


def is_passing(error: BaseException) -> bool:
    """Return whether a change failed only because another was in its way: it may be done again."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _PASSING


def _cause(error: Any) -> BaseException | None:
    """Return what tells others why, without the words of the error: those could hold what was typed."""
    if error.sqlstate == "55P03":
        return BlockingIOError("the lock is held by another process")
    lost = error.sqlstate is None or error.sqlstate[:2] in ("08", "57", "53")
    return ConnectionError("no connection") if isinstance(error, psycopg.OperationalError) and lost else None


_SENTENCES = (
    ("password authentication failed", "the server refuses the user or the password; check them: the password belongs "
     "into ~/.pgpass or PGPASSWORD"),
    ("no password supplied", "the server asks for a password; put it into ~/.pgpass or PGPASSWORD"),
    ("does not exist", "the server does not know the database or the user"),
    ("refused", "no server answers there; is it running, and are host and port right?"),
    ("timeout", "no server answers there in time; are host and port right?"),
    ("could not translate host name", "there is no such host"),
    ("failed to resolve host", "there is no such host"),
    ("no such file or directory", "no server answers there; is it running, and are host and port right?"),
    ("definition of service", "there is no such service in ~/.pg_service.conf"),
)  # fmt: skip


def told(server: Server, error: Any) -> ArchiveError:
    """Return what a server complains of as one sentence that says what to do."""
    text = server.without_password(str(error).strip().partition("\n")[0])
    state = error.sqlstate or ""
    where = f"archive {server}"
    if state == "42501":
        return ArchiveError(f"{where}: this user may not do that ({text}); ask the owner of the database to grant it")
    if state == "25006":
        return ArchiveError(f"{where} is read-only ({text}); name a server or a user that may write")
    if state == "55P03":
        return ArchiveError(
            f"{where} is being written by another process; wait until it has finished, then run this again"
        )
    if state in ("53100", "53200"):
        return ArchiveError(f"{where}: the server is full ({text}); free some space, nothing was changed")
    if isinstance(error, psycopg.OperationalError) and not state.startswith(("4", "2")):
        low = str(error).lower()
        reason = next((sentence for part, sentence in _SENTENCES if part in low), "")
        return ArchiveError(f"{where}: {reason or f'the connection failed ({text})'}; run this again once it answers")
    return ArchiveError(f"{where}: {text or type(error).__name__}; nothing was changed")
