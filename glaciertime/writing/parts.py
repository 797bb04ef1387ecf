"""What has come so far of a file that arrives slowly: kept from run to run, written by one process at a time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from glaciertime.errors import WritingError
from glaciertime.writing.replacement import write_bytes

__all__ = ["Part"]

_CHUNK_BYTES = 1 << 20
_LONGEST_NOTE_BYTES = 10_000


class Part:
    """``NAME.part`` beside a target, to be used as a context; what is in it stays when the context ends early.

    Parameters
    ----------
    target : Path
        The file that it becomes.

    Attributes
    ----------
    size : int
        Bytes that have come so far.
    note : dict
        What was noted with :meth:`tell` about them; empty where nothing was.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._note_path = target.with_name(f"{target.name}.part.json")
        self.size = 0
        self.note: dict[str, Any] = {}

    def __enter__(self) -> Part:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._stream = os.fdopen(os.open(self.path, flags, 0o666), "r+b")
        except OSError as error:
            raise WritingError(f"{self.path} cannot be written ({error.strerror}); name another folder") from error
        if not self._lock():
            self._stream.close()
            raise WritingError(f"{self.path} is being written by another process; wait until it has finished")
        self.size = self._stream.seek(0, os.SEEK_END)
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._note_path.read_bytes()[:_LONGEST_NOTE_BYTES])
            self.note = found if isinstance(found, dict) else {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()
        if self.path.is_file() and not self.path.stat().st_size:
            self.discard()

    def _lock(self) -> bool:
        try:
            import fcntl
        except ImportError:
            return True
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
        return True

    def tell(self, note: dict[str, Any]) -> None:
        """Note something about the bytes, such as which version of the file they are of."""
        self.note = note
        write_bytes(self._note_path, json.dumps(note).encode(), option="", overwrite=True)

    def restart(self) -> None:
        """Forget what has come so far."""
        self._stream.seek(0)
        self._stream.truncate()
        self.size = 0

    def append(self, content: bytes) -> None:
        """Add bytes at the end."""
        try:
            self._stream.seek(self.size)
            self._stream.write(content)
            self._stream.flush()
        except OSError as error:
            raise WritingError(
                f"{self.path} cannot be written ({error.strerror}): free some space and run this again, "
                f"the {self.size} bytes that came before are kept"
            ) from error
        self.size += len(content)

    def digests(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the checksums of what has come so far, to be carried on."""
        sums = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        self._stream.seek(0)
        while content := self._stream.read(_CHUNK_BYTES):
            for found in sums.values():
                found.update(content)
        return sums

    def finish(self) -> None:
        """Give the file its name."""
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self.path.replace(self.target)
        except OSError as error:
            raise WritingError(f"{self.target} cannot be written ({error.strerror}); run this again") from error
        self._note_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Take away what has come so far."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)
