"""What a killed process left: names that tell whose a draft is, and what becomes of it."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import socket
import stat
from pathlib import Path

from glaciertime.writing.targets import beside

__all__ = ["draft_name", "finish", "remove_stale_drafts"]

_DRAFT = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)-(?P<start>\d+)-(?P<host>[0-9a-f]{8})-\d+\.(?P<state>draft|ready)")
_count = itertools.count()


def draft_name(target: Path) -> str:
    pid = os.getpid()
    return f".{_short(target.name)}.{pid}-{_start_of(pid)}-{_host()}-{next(_count)}.draft"


def _short(name: str) -> str:
    return name.encode(errors="surrogateescape")[:120].decode(errors="ignore")


def _host() -> str:
    """Return what tells machines, and containers on one, apart: the same number means another process there."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _start_of(pid: int) -> int:
    """Return when a process began, in ticks; 0 where the system does not tell. A number is used again, a start not."""
    try:
        return int(
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        )
    except (OSError, ValueError, IndexError):
        return 0


def _is_dead(pid: int, start: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return _start_of(pid) not in (0, start)


def remove_stale_drafts(folder: Path) -> list[Path]:
    """Remove the drafts that dead processes of this machine left in a folder; finish those that were being moved.

    Drafts of other machines, of processes that live, and files of other names are left alone.

    Returns
    -------
    list of Path
        The drafts that are gone.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith((".draft", ".ready"))]
    except OSError:
        return []
    gone = []
    for name in names:
        found = _DRAFT.fullmatch(name)
        room = folder / name
        if found is None or found["host"] != _host() or not _is_dead(int(found["pid"]), int(found["start"])):
            continue
        if not _is_own_folder(room):
            continue
        with contextlib.suppress(OSError):
            if found["state"] == "ready":
                _finish_left(room)
            shutil.rmtree(room, ignore_errors=True)
            gone.append(room)
    return gone


def _is_own_folder(room: Path) -> bool:
    """Return whether a folder is one, and of this user: others may write to a folder that is shared."""
    try:
        found = os.lstat(room)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid())


def _finish_left(room: Path) -> None:
    """Finish moving a set of files, unless something newer is there by now."""
    found = _DRAFT.fullmatch(room.name)
    main = [part for part in room.iterdir() if found is not None and _short(part.name) == found["name"]]
    if len(main) != 1:
        return
    target = room.parent / main[0].name
    if not target.exists() or target.stat().st_mtime <= main[0].stat().st_mtime:
        finish(room, target)


def finish(room: Path, target: Path) -> None:
    """Move a set of files; its main file is gone first and comes last, so that no mixture can be read."""
    made = room / target.name
    others = [part for part in room.iterdir() if part != made]
    if others:
        target.unlink(missing_ok=True)
    for old in beside(target):
        old.unlink(missing_ok=True)
    for part in others:
        part.replace(target.parent / part.name)
    made.replace(target)
    room.rmdir()
