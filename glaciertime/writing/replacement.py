"""The one way to write a file: a draft beside the target, checked by opening it, renamed at the end.

Whoever writes does ``with draft(target, ...) as draft`` and gives the path that it gets to the library that writes. The
draft has the target's own name in a hidden folder ``.NAME.PID-START-HOST.draft`` beside it, so that sets of files (a
shapefile) and names kept inside files come out right. Until the block ends well, what was at the target stays as it
was; a full disk, a signal, a lost mount or an exception takes only the draft away. A killed process leaves its draft;
the next one that writes into the folder removes it, or finishes it where the draft was whole and being moved.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from glaciertime.errors import GlacierTimeError, UsageError, WritingError
from glaciertime.writing.leftovers import draft_name, finish, remove_stale_drafts
from glaciertime.writing.targets import Target, beside, check_target, is_same

__all__ = ["draft", "drafts", "sentence_of", "signals_as_exceptions", "sync", "write_bytes"]

_LIBRARIES = ("rasterio", "pyogrio", "pyarrow", "sqlite3", "safetensors", "geopandas", "fiona")
_PROBE_BYTES = 1 << 20
_REMEDIES = {
    errno.ENOSPC: "free some space, then run this again",
    errno.EDQUOT: "free some of your quota, then run this again",
    errno.EFBIG: "this file system or your limits allow no file of that size",
    errno.EROFS: "name a place that can be written",
    errno.EACCES: "make the folder writable, or name another",
    errno.EPERM: "make the folder writable, or name another",
    errno.ENOENT: "the folder is gone; is its disk still mounted?",
    errno.EIO: "check the disk or the connection to it",
    errno.ESTALE: "check the connection to the disk",
}


@contextlib.contextmanager
def draft(
    path: Path,
    *,
    option: str = "--out",
    own: Callable[[Path], bool] | None = None,
    check: Callable[[Path], None] | None = None,
    inputs: Iterable[Path] = (),
    archive: object = None,
    overwrite: bool = False,
) -> Iterator[Path]:
    """Give the path of a draft; when the block ends well, it is checked and takes the target's place.

    One target of :func:`drafts`, where the parameters and errors are told.
    """
    target = Target(Path(path), option, own, check)
    with drafts([target], inputs=inputs, archive=archive, overwrite=overwrite) as (made,):
        yield made


@contextlib.contextmanager
def drafts(
    targets: Sequence[Target], *, inputs: Iterable[Path] = (), archive: object = None, overwrite: bool = False
) -> Iterator[tuple[Path, ...]]:
    """Give a draft for each target; when the block ends well, all are checked, then all are moved.

    Parameters
    ----------
    targets : sequence of Target
    inputs, archive, overwrite
        As in :func:`check_target`.

    Yields
    ------
    tuple of Path
        Where to write; each has the name of its target.

    Raises
    ------
    UsageError
        Where a target must not be written to.
    WritingError
        Where a draft could not be written whole; what was at the targets is unchanged.
    """
    inputs = tuple(inputs)
    for place, target in enumerate(targets):
        check_target(target, inputs=inputs, archive=archive, overwrite=overwrite)
        for earlier in targets[:place]:
            if is_same(target.path, earlier.path):
                raise UsageError(f"{earlier.option} and {target.option} are both {target.path}; name two files")
    for folder in {target.path.parent for target in targets}:
        remove_stale_drafts(folder)
    rooms: list[Path] = []
    current = targets[0]
    try:
        for current in targets:
            room = current.path.parent / draft_name(current.path)
            rooms.append(room)
            room.mkdir()
        # What fails without saying where is taken to be about the first: the others are beside it.
        current = targets[0]
        with signals_as_exceptions():
            yield tuple(room / target.path.name for room, target in zip(rooms, targets, strict=True))
        for current, room in zip(targets, rooms, strict=True):
            _check_whole(current, room)
        for current, room in zip(targets, rooms, strict=True):
            _move(room, current.path)
    except GlacierTimeError:
        raise
    except Exception as error:
        sentence = sentence_of(error, targets, rooms, current)
        if sentence is None:
            raise
        raise WritingError(sentence) from error
    finally:
        for room in rooms:
            shutil.rmtree(room, ignore_errors=True)


@contextlib.contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Let a signal that ends the process end the block first, so that the draft is taken away."""

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    ending = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    changed = []
    if threading.current_thread() is threading.main_thread():
        changed = [number for number in ending if signal.getsignal(number) == signal.SIG_DFL]
    for number in changed:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _check_whole(target: Target, room: Path) -> None:
    """Raise where a draft is missing, empty, not on the disk, or not what it should be."""
    made = room / target.path.name
    if not made.is_file() or not made.stat().st_size:
        raise OSError(errno.EIO, "nothing was written", str(made))
    for part in room.iterdir():
        sync(part)
    if target.check is None:
        return
    try:
        target.check(made)
    except (GlacierTimeError, OSError, MemoryError):
        raise
    except Exception as error:  # what cannot be opened was not written whole, whatever its reader says
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise OSError(errno.EIO, f"it cannot be read back: {reason}", str(made)) from error


def _move(room: Path, target: Path) -> None:
    """Let a finished draft take its place, with what belongs to it, and take away what described the old file."""
    made = room / target.name
    with contextlib.suppress(OSError):
        old = os.stat(target)
        with contextlib.suppress(OSError):
            os.chown(made, old.st_uid, old.st_gid)
        os.chmod(made, stat.S_IMODE(old.st_mode))
    if len(list(room.iterdir())) > 1 or any(other.exists() for other in beside(target)):
        # Several files cannot be exchanged at once: from here on, the next run finishes what a kill breaks off.
        room = room.rename(room.with_suffix(".ready"))
        finish(room, target)
    else:
        made.replace(target)
        room.rmdir()
    with contextlib.suppress(OSError):  # what counts is done, and not every system syncs folders
        sync(target.parent)


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk; here a full disk shows at the latest."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems without it
            raise
    finally:
        os.close(handle)


def sentence_of(error: Exception, targets: Sequence[Target], rooms: list[Path], current: Target) -> str | None:
    """Return what went wrong in writing as one sentence; None for anything that is not about writing."""
    root = type(error).__module__.split(".")[0]
    if isinstance(error, BrokenPipeError) or not (isinstance(error, OSError) or root in _LIBRARIES):
        return None
    named = getattr(error, "filename", None)
    if named is not None and not any(os.path.abspath(named).startswith(os.path.abspath(room)) for room in rooms):
        return None  # an input, not a draft
    inside = (place for place, room in enumerate(rooms) if named and str(named).startswith(str(room)))
    current = targets[next(inside, targets.index(current))]
    code = error.errno if isinstance(error, OSError) else None
    reason = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0] or type(error).__name__
    if code in _REMEDIES and code != errno.EIO:
        reason = os.strerror(code)
    else:
        # Libraries say that a write failed, not why: ask the disk.
        for target, room in zip(targets, rooms, strict=False):
            asked = _probe(room)
            if asked is not None:
                current, code, reason = target, asked.errno, asked.strerror or str(asked)
                break
    remedy = _REMEDIES.get(code or 0, "check the folder and the disk")
    kept = "the file that was there is unchanged" if current.path.exists() else "nothing was left there"
    return f"{current.path} could not be written ({reason}): {remedy}; {kept}"


def _probe(room: Path) -> OSError | None:
    """Write beside the draft; return what the system says of it, None where it can be done."""
    probe = room / ".probe"
    try:
        with probe.open("wb") as stream:
            stream.write(bytes(_PROBE_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        probe.unlink()
    except OSError as error:
        return error
    return None


def write_bytes(
    path: Path,
    content: bytes,
    *,
    option: str = "--out",
    own: Callable[[Path], bool] | None = None,
    check: Callable[[Path], None] | None = None,
    inputs: Iterable[Path] = (),
    archive: object = None,
    overwrite: bool = False,
) -> None:
    """Write a file that is known whole; read back, it must be the same. Parameters as of :func:`draft`."""

    def same(made: Path) -> None:
        if made.read_bytes() != content:
            raise OSError(errno.EIO, "what was written reads back differently", str(made))
        if check is not None:
            check(made)

    with draft(path, option=option, own=own, check=same, inputs=inputs, archive=archive, overwrite=overwrite) as made:
        made.write_bytes(content)
