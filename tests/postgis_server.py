"""A PostGIS server of our own on 127.0.0.1, for the time of the tests, from Debian's packages."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

USER = "glaciertime_tests"
_VERSIONS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))


class NoServerError(Exception):
    """Why no server can be started here."""


@dataclass(frozen=True)
class LocalServer:
    """A running server; ``new_database`` gives the address of an empty one with PostGIS."""

    binaries: Path
    folder: Path
    port: int
    owner: str
    _numbers: count[int]

    def address(self, database: str, *, user: str = USER, password: str = "") -> str:
        """Return the address of a database."""
        return f"postgresql://{user}{f':{password}' if password else ''}@127.0.0.1:{self.port}/{database}"

    def sql(self, text: str, *, database: str = "postgres") -> str:
        """Run SQL as the owner of the server."""
        ran = subprocess.run(
            [str(self.binaries / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.address(database), "-c", text],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return ran.stdout.strip()

    def new_database(self, *, with_postgis: bool = True) -> str:
        """Make a database; return its address."""
        name = f"test_{next(self._numbers)}"
        template = " TEMPLATE with_postgis" if with_postgis else ""
        self.sql(f"CREATE DATABASE {name}{template}")
        return self.address(name)

    def control(self, *arguments: str) -> None:
        """Start or stop it."""
        subprocess.run(
            _as_user(self.owner, [str(self.binaries / "pg_ctl"), "-D", str(self.folder / "data"), "-w", *arguments]),
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def _as_user(owner: str, command: Sequence[str]) -> list[str]:
    return ["runuser", "-u", owner, "--", *command] if os.geteuid() == 0 else list(command)


def _owner() -> str:
    if os.geteuid():
        return pwd.getpwuid(os.geteuid()).pw_name
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise NoServerError("root may not run a server, and there is neither a user postgres nor nobody")


@contextmanager
def local_server() -> Iterator[LocalServer]:
    """Start a server on a free port of 127.0.0.1, and stop it at the end.

    Raises
    ------
    NoServerError
        Where PostgreSQL or PostGIS is not installed.
    """
    if not _VERSIONS:
        raise NoServerError("PostgreSQL is not installed here: apt-get install postgresql postgresql-15-postgis-3")
    binaries = _VERSIONS[-1].parent
    share = Path("/usr/share/postgresql") / binaries.parent.name / "extension" / "postgis.control"
    if not share.exists():
        raise NoServerError(f"PostGIS is not installed here: apt-get install postgresql-{share.parts[4]}-postgis-3")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        raise NoServerError("root may not run a server, and there is no runuser")
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="glaciertime-postgis-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, owner)
        made = subprocess.run(
            _as_user(owner, [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-E",
                             "UTF8", "--locale=C.UTF-8", "--no-sync"]),
            capture_output=True, text=True, cwd="/",
        )  # fmt: skip
        if made.returncode:
            raise NoServerError(f"initdb failed: {made.stderr.strip().splitlines()[-1:]}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "listen_addresses": "'127.0.0.1'", "port": port, "unix_socket_directories": "''", "fsync": "off",
            "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "'64MB'", "max_connections": 60,
            "deadlock_timeout": "'200ms'",
        }  # fmt: skip
        with (folder / "data" / "postgresql.conf").open("a") as stream:
            stream.writelines(f"{name} = {value}\n" for name, value in settings.items())
        server = LocalServer(binaries, folder, port, owner, count())
        server.control("-l", str(folder / "data" / "log"), "start")
        try:
            server.sql("CREATE DATABASE with_postgis")
            server.sql("CREATE EXTENSION postgis", database="with_postgis")
            yield server
        finally:
            server.control("-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
