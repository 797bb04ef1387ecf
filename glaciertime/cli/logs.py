"""The log of a command: on stderr, or added to a file, for bug reports; passwords and keys stand in neither."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from glaciertime.errors import UsageError
from glaciertime.provenance.secrets import without_secrets

__all__ = ["LEVELS", "logging_to"]

LEVELS = ("debug", "info", "warning", "error")
#: The first line of a log file: what begins otherwise is somebody else's, and is not added to.
_HEAD = b"# log of glaciertime\n"


class _Plain(logging.Formatter):
    """One line an event, and below it a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        head, *rest = without_secrets(super().format(record)).splitlines() or [""]
        return "\n".join([head, *(f"    {line}" for line in rest)])


class _OnStderr(logging.Handler):
    """Prints what the command does not print itself."""

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "told", False) or record.exc_info:
            with contextlib.suppress(OSError, ValueError):
                print(self.format(record), file=sys.stderr)


class _InFile(logging.Handler):
    """Adds to an open file, a line at once; that the disk is full is said once, and stops nothing."""

    def __init__(self, handle: int, path: Path) -> None:
        super().__init__()
        self._handle = handle
        self._path = path
        self._has_failed = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(self._handle, f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except OSError as error:
            if not self._has_failed:
                print(f"the log {self._path} cannot be written ({error.strerror}): it has gaps", file=sys.stderr)
            self._has_failed = True


@contextlib.contextmanager
def logging_to(file: Path | None, *, level: str = "") -> Iterator[None]:
    """Log what the package says, in the block, to a file or, where only a level is given, to stderr.

    Without either, what the package warns of goes to stderr.

    Parameters
    ----------
    file : Path, optional
        Added to; made where it is not there.
    level : str
        One of :data:`LEVELS`; default ``info`` where a file is given, else no log.

    Raises
    ------
    UsageError
        For an unknown level, or a file that is no log of glaciertime.
    """
    if level and level.lower() not in LEVELS:
        raise UsageError(f"--log-level '{level}' is not known; known are {', '.join(LEVELS)}")
    is_wanted = bool(file or level)
    log = logging.getLogger("glaciertime")
    with contextlib.nullcontext() if file is None else _appended(file) as handle:
        handler: logging.Handler = _OnStderr() if file is None or handle is None else _InFile(handle, file)
        form = "%(asctime)s %(levelname)s %(name)s: %(message)s" if is_wanted else "%(message)s"
        handler.setFormatter(_Plain(form, "%Y-%m-%d %H:%M:%S"))
        before, passed_on = log.level, log.propagate
        if is_wanted:
            # Where the parent logs only what it warns of, its workers hand their warnings back as notes.
            absolute = None if file is None else file.absolute()
            handler.for_workers = functools.partial(_log_in_worker, absolute, level)  # type: ignore[attr-defined]
        log.addHandler(handler)
        log.setLevel((level or "info").upper() if is_wanted else logging.WARNING)
        log.propagate = passed_on and not is_wanted
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(before)
            log.propagate = passed_on


def _log_in_worker(file: Path | None, level: str) -> None:
    """Log in a process of the package's own, until it ends, to where its parent logs."""
    held = logging_to(file, level=level)
    held.__enter__()
    _HELD.append(held)


#: The logs of this process, where another one has started it.
_HELD: list[contextlib.AbstractContextManager[None]] = []


@contextlib.contextmanager
def _appended(path: Path) -> Iterator[int]:
    """Open a log file at its end; refuse what is none."""
    remedy = "name a new file with --log-file"
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, flags, 0o666)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--log-file {path} cannot be written ({reason}); {remedy}") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UsageError(f"--log-file {path} is no file but a device or a pipe; {remedy}")
        with path.open("rb") as stream:
            first = stream.read(len(_HEAD))
        if first not in (b"", _HEAD):
            raise UsageError(f"--log-file {path} is there and is no log of glaciertime; {remedy}")
        if not first:
            with contextlib.suppress(OSError):
                os.write(handle, _HEAD)
        yield handle
    finally:
        os.close(handle)
