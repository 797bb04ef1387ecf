"""One writer at a time for each glacier: a lock of the system on a small file, which goes with its process."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from glaciertime.archive.folder.partitions import encoded
from glaciertime.archive.reading import Tell
from glaciertime.errors import ArchiveError

try:
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]

__all__ = ["LOCKS", "locked", "try_lock"]

LOCKS = ".locks"
_TELL_AFTER_SECONDS = 2.0
_TELL_AGAIN_SECONDS = 60.0
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@contextlib.contextmanager
def locked(root: Path, glaciers: Collection[str], *, tell: Tell, wait_seconds: float) -> Iterator[None]:
    """Hold the locks of some glaciers; in one order everywhere, so that no two wait for each other.

    Raises
    ------
    ArchiveError
        Where others hold one for too long, or the disk keeps no locks.
    """
    with contextlib.ExitStack() as held:
        for name in sorted(set(glaciers)):
            _wait_for(held, root, name, tell=tell, wait_seconds=wait_seconds)
        yield


def _wait_for(held: contextlib.ExitStack, root: Path, glacier: str, *, tell: Tell, wait_seconds: float) -> None:
    start = time.monotonic()
    told = start + _TELL_AFTER_SECONDS - _TELL_AGAIN_SECONDS
    while True:
        handle = try_lock(root, glacier)
        if handle is not None:
            held.callback(os.close, handle)
            return
        now = time.monotonic()
        named = f"{glacier} in archive {root}" if glacier else f"archive {root}"
        if now - start >= wait_seconds:
            raise ArchiveError(
                f"{named} is being written by another process; wait until it has finished, then run this again"
            ) from BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        if now - told >= _TELL_AGAIN_SECONDS:
            left = wait_seconds - (now - start)
            tell(f"{named} is in use by another process; waiting for it, up to {left:.0f} s more")
            told = now
        time.sleep(random.uniform(0.005, 0.05))  # nosec B311


def try_lock(root: Path, glacier: str) -> int | None:
    """Return the handle of a lock, held until it is closed; None where another process has it.

    Raises
    ------
    ArchiveError
        Where the disk keeps no locks: two writers could each take out what the other stored.
    """
    path = root / LOCKS / f"glacier={encoded(glacier)}"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        if fcntl is None:  # pragma: no cover
            raise OSError(errno.ENOTSUP, "this system has no such locks")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError as error:
        os.close(handle)
        if error.errno in _NO_LOCKS:
            raise ArchiveError(
                f"archive {root}: this disk keeps no locks ({error.strerror}), so two processes could write over each "
                "other; keep the folder on a local disk or one that does, or use a file or a server"
            ) from error
        raise
    return handle
