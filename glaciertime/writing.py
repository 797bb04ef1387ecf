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
import hashlib
import itertools
import os
import re
import shutil
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glaciertime.errors import GlacierTimeError, UsageError, WritingError

__all__ = ["Target", "check_target", "draft", "drafts", "file_name", "remove_stale_drafts"]

#: Files beside a file that describe its content: with another content they would be wrong.
_BESIDE_SHP = (".shx", ".dbf", ".prj", ".cpg", ".qpj", ".qix", ".sbn", ".sbx", ".idx", ".shp.xml")
_BESIDE = {
    ".gpkg": ("-journal", "-wal", "-shm"),
    ".tif": (".aux.xml", ".ovr", ".msk"),
    ".tiff": (".aux.xml", ".ovr", ".msk"),
    ".png": (".aux.xml", ".ovr", ".msk"),
}
_DRAFT = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)-(?P<start>\d+)-(?P<host>[0-9a-f]{8})-\d+\.(?P<state>draft|ready)")
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
_count = itertools.count()


@dataclass(frozen=True)
class Target:
    """A file to be written.

    Attributes
    ----------
    path : Path
    option : str
        What the user typed to name it, for messages.
    own : callable, optional
        Given a file that is there, says whether this command made it, so that it may be replaced.
    check : callable, optional
        Given the finished draft, raises where it is not what was to be written.
    """

    path: Path
    option: str = "--out"
    own: Callable[[Path], bool] | None = None
    check: Callable[[Path], None] | None = None


def check_target(
    target: Target | Path,
    *,
    inputs: Iterable[Path] = (),
    archive: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Refuse a place that must not be written to; call it before the work whose result goes there.

    Parameters
    ----------
    target : Target or Path
    inputs : iterable of Path
        Files that are read; the target must be none of them, by whatever name.
    archive : Path, optional
        The archive in use; the target must be neither it nor one of the files SQLite keeps beside it.
    overwrite : bool
        Let a file be replaced that this command did not make.

    Raises
    ------
    UsageError
        With what to type instead: the folder is missing, or the target is an input, the archive, a folder, a device,
        a link, or a file of somebody else's.
    WritingError
        Where the folder cannot be written.
    """
    target = target if isinstance(target, Target) else Target(target)
    path, named = target.path, f"{target.option} {target.path}".strip()
    found = _status(path, named)
    for given in inputs:
        if _same(path, given):
            raise UsageError(f"{named} is the input {given}; name another file, the input is never written over")
    if archive is not None:
        if _same(path, archive):
            raise UsageError(f"{named} is the archive; name another file")
        if any(_same(path, Path(f"{archive}{end}")) for end in _BESIDE[".gpkg"]):
            raise UsageError(f"{named} belongs to the archive {archive}; name another file")
    if found is not None and stat.S_ISLNK(found.st_mode):
        raise UsageError(f"{named} is a link to {os.path.realpath(path)}; name that file itself, or another")
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{named} is a folder; name a file in it")
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{named} is no file but a device or a pipe; name a file")
    folder = path.parent
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist; create it first"
        raise UsageError(f"{named}: folder {folder} {what}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WritingError(f"{named}: folder {folder} cannot be written (read-only?); name another")
    _check_replaceable(target, named, found, overwrite)


def _check_replaceable(target: Target, named: str, found: os.stat_result | None, overwrite: bool) -> None:
    path = target.path
    if found is None:
        taken = [other for other in _beside(path) if path.suffix.lower() == ".shp" and other.exists()]
        if taken and not overwrite:
            raise UsageError(f"{named}: its {taken[0].name} would replace a file; add --overwrite, or name another")
        return
    if not os.access(path, os.W_OK):
        raise UsageError(f"{named} is write-protected; name another file")
    if _is_archive(path):
        raise UsageError(f"{named} is an archive of glaciertime, which is never written over; name another file")
    if not overwrite and not (target.own is not None and target.own(path)):
        raise UsageError(
            f"{named} exists and was not made by this command; add --overwrite to replace it, or name another file"
        )


def _status(path: Path, named: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{named} cannot be written ({reason}); name another file") from error


def _same(one: Path, other: Path) -> bool:
    """Return whether two names are one file: by a link, a hard link, case, or another spelling too."""
    try:
        if os.path.samefile(one, other):
            return True
    except (OSError, ValueError):
        pass
    return os.path.realpath(one) == os.path.realpath(other)


def _is_archive(path: Path) -> bool:
    """Return whether a file is a GeoPackage with the tables of an archive: years of work, whoever asks."""
    import sqlite3

    with path.open("rb") as stream:
        if stream.read(16) != b"SQLite format 3\0":
            return False
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as held:
            names = {row[0] for row in held.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return False
    return {"observations", "forecasts", "scores", "inputs"} <= names


@contextlib.contextmanager
def draft(
    path: Path,
    *,
    option: str = "--out",
    own: Callable[[Path], bool] | None = None,
    check: Callable[[Path], None] | None = None,
    inputs: Iterable[Path] = (),
    archive: Path | None = None,
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
    targets: Sequence[Target], *, inputs: Iterable[Path] = (), archive: Path | None = None, overwrite: bool = False
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
            if _same(target.path, earlier.path):
                raise UsageError(f"{earlier.option} and {target.option} are both {target.path}; name two files")
    for folder in {target.path.parent for target in targets}:
        remove_stale_drafts(folder)
    rooms: list[Path] = []
    current = targets[0]
    try:
        for current in targets:
            room = current.path.parent / _draft_name(current.path)
            rooms.append(room)
            room.mkdir()
        yield tuple(room / target.path.name for room, target in zip(rooms, targets, strict=True))
        for current, room in zip(targets, rooms, strict=True):
            _check_whole(current, room)
        for current, room in zip(targets, rooms, strict=True):
            _move(room, current.path)
    except GlacierTimeError:
        raise
    except Exception as error:
        sentence = _sentence(error, targets, rooms, current)
        if sentence is None:
            raise
        raise WritingError(sentence) from error
    finally:
        for room in rooms:
            shutil.rmtree(room, ignore_errors=True)


def _check_whole(target: Target, room: Path) -> None:
    """Raise where a draft is missing, empty, not on the disk, or not what it should be."""
    made = room / target.path.name
    if not made.is_file() or not made.stat().st_size:
        raise OSError(errno.EIO, "nothing was written", str(made))
    for part in room.iterdir():
        _sync(part)
    if target.check is not None:
        target.check(made)


def _move(room: Path, target: Path) -> None:
    """Let a finished draft take its place, with what belongs to it, and take away what described the old file."""
    made = room / target.name
    with contextlib.suppress(FileNotFoundError):
        os.chmod(made, stat.S_IMODE(os.stat(target).st_mode))
    if len(list(room.iterdir())) > 1 or any(other.exists() for other in _beside(target)):
        # Several files cannot be exchanged at once: from here on, the next run finishes what a kill breaks off.
        room = room.rename(room.with_suffix(".ready"))
        _finish(room, target)
    else:
        made.replace(target)
        room.rmdir()
    with contextlib.suppress(OSError):  # what counts is done, and not every system syncs folders
        _sync(target.parent)


def _finish(room: Path, target: Path) -> None:
    """Move a set of files; its main file is gone first and comes last, so that no mixture can be read."""
    made = room / target.name
    others = [part for part in room.iterdir() if part != made]
    if others:
        target.unlink(missing_ok=True)
    for old in _beside(target):
        old.unlink(missing_ok=True)
    for part in others:
        part.replace(target.parent / part.name)
    made.replace(target)
    room.rmdir()


def _beside(target: Path) -> list[Path]:
    """Return the files that describe the content of a file, or belong to it."""
    if target.suffix.lower() == ".shp":
        return [target.with_suffix(end) for end in _BESIDE_SHP]
    return [Path(f"{target}{end}") for end in _BESIDE.get(target.suffix.lower(), ())]


def _sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk; here a full disk shows at the latest."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems without it
            raise
    finally:
        os.close(handle)


def _sentence(error: Exception, targets: Sequence[Target], rooms: list[Path], current: Target) -> str | None:
    """Return what went wrong in writing as one sentence; None for anything that is not about writing."""
    root = type(error).__module__.split(".")[0]
    if isinstance(error, BrokenPipeError) or not (isinstance(error, OSError) or root in _LIBRARIES):
        return None
    named = getattr(error, "filename", None)
    if named is not None and not any(os.path.abspath(named).startswith(os.path.abspath(room)) for room in rooms):
        return None  # an input, not a draft
    code = error.errno if isinstance(error, OSError) else None
    reason = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0] or type(error).__name__
    if code not in _REMEDIES or code == errno.EIO:
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


def _draft_name(target: Path) -> str:
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
        if room.is_symlink() or not room.is_dir():
            continue
        with contextlib.suppress(OSError):
            if found["state"] == "ready":
                _finish_left(room)
            shutil.rmtree(room, ignore_errors=True)
            gone.append(room)
    return gone


def _finish_left(room: Path) -> None:
    """Finish moving a set of files, unless something newer is there by now."""
    found = _DRAFT.fullmatch(room.name)
    main = [part for part in room.iterdir() if found is not None and _short(part.name) == found["name"]]
    if len(main) != 1:
        return
    target = room.parent / main[0].name
    if not target.exists() or target.stat().st_mtime <= main[0].stat().st_mtime:
        _finish(room, target)


def file_name(name: str, suffix: str) -> str:
    """Return a name from data as the name of a file: in no folder, with no hidden or reserved meaning.

    Spaces become underscores. A name that holds more than letters, digits, ``.``, ``-`` and ``_`` gets a few digits
    that keep it apart from others.

    Examples
    --------
    >>> file_name("Pine Island", ".html")
    'Pine_Island.html'
    >>> file_name("../../etc/passwd", ".html")
    'etc_passwd-3754.html'
    """
    plain = name.replace(" ", "_")
    safe = re.sub(r"[^\w.-]+|\.\.+", "_", plain).strip("._-").encode()[:120].decode(errors="ignore")
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", safe):
        safe = f"_{safe}"
    if safe != plain or not safe:
        safe = f"{safe or 'file'}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:4]}"
    return f"{safe}{suffix}"
