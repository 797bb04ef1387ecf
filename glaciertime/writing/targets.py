"""Where a file may be written: never over an input, an archive, a folder, a device, a link, or somebody else's file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from glaciertime.errors import UsageError, WritingError

__all__ = ["WORLD_FILE", "Target", "beside", "check_target", "file_name", "file_names", "is_same"]

#: Files beside a file that describe its content: with another content they would be wrong.
_BESIDE_SHP = (".shx", ".dbf", ".prj", ".cpg", ".qpj", ".qix", ".sbn", ".sbx", ".idx", ".shp.xml")
#: What places the pixels of a PNG for programs that read no other note.
WORLD_FILE = ".pgw"
_BESIDE = {
    ".gpkg": ("-journal", "-wal", "-shm"),
    ".tif": (".aux.xml", ".ovr", ".msk"),
    ".tiff": (".aux.xml", ".ovr", ".msk"),
    ".png": (".aux.xml", ".ovr", ".msk"),
}


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
    archive: object = None,
    overwrite: bool = False,
) -> None:
    """Refuse a place that must not be written to; call it before the work whose result goes there.

    Parameters
    ----------
    target : Target or Path
    inputs : iterable of Path
        Files that are read; the target must be none of them, by whatever name.
    archive : Path or server, optional
        The archive in use; the target must be neither it, nor in it, nor one of the files SQLite keeps beside it.
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
        if is_same(path, given):
            raise UsageError(f"{named} is the input {given}; name another file, the input is never written over")
    if isinstance(archive, Path):  # on a server there is nothing that a file could be written over
        if is_same(path, archive):
            raise UsageError(f"{named} is the archive; name another file")
        if any(is_same(path, Path(f"{archive}{end}")) for end in _BESIDE[".gpkg"]):
            raise UsageError(f"{named} belongs to the archive {archive}; name another file")
        if archive.is_dir() and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(archive)):
            raise UsageError(f"{named} is in the folder of the archive {archive}; name a file elsewhere")
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
        taken = [other for other in beside(path) if path.suffix.lower() in (".shp", ".png") and other.exists()]
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


def is_same(one: Path, other: Path) -> bool:
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


def beside(target: Path) -> list[Path]:
    """Return the files that describe the content of a file, or belong to it."""
    if target.suffix.lower() == ".shp":
        return [target.with_suffix(end) for end in _BESIDE_SHP]
    world = [target.with_suffix(WORLD_FILE)] if target.suffix.lower() == ".png" else []
    return world + [Path(f"{target}{end}") for end in _BESIDE.get(target.suffix.lower(), ())]


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


def file_names(names: Iterable[str], suffix: str, *, taken: Iterable[str] = ()) -> dict[str, str]:
    """Return each of several names as the name of a file, no two alike, on a disk that knows no case either.

    Of those that would be alike, each gets more digits of its own; the others are as :func:`file_name` has them.

    Parameters
    ----------
    names : iterable of str
    suffix : str
    taken : iterable of str
        Names of files that are none of theirs.

    Examples
    --------
    >>> sorted(file_names(["Crane", "CRANE", "Jorum", "index"], ".html", taken=["index.html"]).values())
    ['CRANE-c23ff4e88ada.html', 'Crane-cf5445e943f7.html', 'Jorum.html', 'index-1bc04b5291c2.html']
    """
    every = list(dict.fromkeys(names))
    found = {name: file_name(name, suffix) for name in every}
    counts = Counter(map(_folded, [*found.values(), *taken]))
    for name in every:
        if counts[_folded(found[name])] > 1:
            digits = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:12]
            stem = found[name].removesuffix(suffix).encode()[:100].decode(errors="ignore")
            found[name] = f"{stem}-{digits}{suffix}"
    return found


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
