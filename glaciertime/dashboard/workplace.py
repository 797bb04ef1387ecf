"""The folder of one session: what was brought, what was made of it, and its own copy of the archive."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from glaciertime import limits
from glaciertime.errors import InputError

if TYPE_CHECKING:
    from glaciertime.archive import Place

__all__ = ["Workplace", "at_key"]

_MB = 1e6
#: So much of a disk is left free: others write to it too.
_FREE_MB = 500
_BY_KEY: dict[str, Workplace] = {}


class Workplace:
    """The folder of one session; it goes with everything in it when the session ends.

    Parameters
    ----------
    shared : path or address, optional
        The archive that the dashboard was started with. Sessions read it; none writes to it.

    Attributes
    ----------
    folder : Path
        Readable by this user alone.
    key : str
        What an upload has to show to get in here; nobody else is told it.
    """

    def __init__(self, shared: Place | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="glaciertime-dashboard-"))
        self.key = secrets.token_urlsafe(24)
        self.shared = shared
        self._number = 0
        _BY_KEY[self.key] = self

    @property
    def own_archive(self) -> Path:
        """Where what this session measures is stored; it may not be there yet."""
        return self.folder / "session.gpkg"

    @property
    def archive(self) -> Place | None:
        """The archive to read: the session's own, the shared one before there is one, or none."""
        return self.own_archive if self.own_archive.exists() else self.shared

    def new_folder(self, what: str) -> Path:
        """Return a new folder here, named for what it holds."""
        self._number += 1
        path = self.folder / f"{what}-{self._number}"
        path.mkdir()
        return path

    def hold_mb(self) -> float:
        """Return how much lies here, MB."""
        held = 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):  # a command takes its drafts away meanwhile
                held += path.stat().st_size if path.is_file() else 0
        return held / _MB

    def check_room(self, name: str, size_mb: float) -> None:
        """Refuse a file for which there is no room.

        Raises
        ------
        InputError
            Beyond ``upload-mb`` of one file, ``session-mb`` of all, or of what the disk has left.
        """
        limits.check("upload-mb", size_mb, name)
        limits.check("session-mb", self.hold_mb() + size_mb, f"{name} with what was brought before")
        free = shutil.disk_usage(self.folder).free / _MB
        if size_mb > free - _FREE_MB:
            raise InputError(f"{name}: {size_mb:,.0f} MB, and the disk of the server is nearly full; bring a cut of it")

    def room_mb(self) -> float:
        """Return how large a file may be that comes in now, MB."""
        free = shutil.disk_usage(self.folder).free / _MB - _FREE_MB
        return min(limits.limit("upload-mb"), limits.limit("session-mb") - self.hold_mb(), free)

    def close(self) -> None:
        """Remove it all."""
        _BY_KEY.pop(self.key, None)
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder, ignore_errors=True)


def at_key(key: str) -> Workplace | None:
    """Return the session that a key opens, or None."""
    return _BY_KEY.get(key)
