"""Downloads that resume and are verified before they count.

Bytes go to ``NAME.part`` beside their place, counted and summed as they come; what an earlier attempt left is continued
where it is sure to be of the same file. Only what is whole and right is moved to its name. Where no checksum is
published, that of the first download is written to ``NAME.sha256``, and later ones are compared with it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from glaciertime import limits
from glaciertime.catalog import DataFile, DataSet
from glaciertime.errors import DataNotFoundError, InputError, WritingError
from glaciertime.scenes.transfer import Answer, BrokenOffError, StartOverError, request
from glaciertime.scenes.unpacking import unpack
from glaciertime.writing import check_target, write_bytes
from glaciertime.writing.parts import Part

__all__ = ["came_of", "downloads_folder", "fetch", "fetch_file"]

_CHUNK_BYTES = 1 << 18
#: An attempt that brings less made no progress; a connection that brings less in a minute is taken for dead.
_LEAST_BYTES = 1 << 14
_SLOWEST_S = 60.0
#: Called with (bytes so far, bytes in all or None).
Progress = Callable[[int, int | None], None]


def downloads_folder() -> Path:
    """Return where downloads go: ``GLACIERTIME_DOWNLOADS``, else a folder in the user's cache."""
    given = os.environ.get("GLACIERTIME_DOWNLOADS")
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "glaciertime"


def fetch(
    dataset: DataSet,
    *,
    folder: Path,
    progress: Callable[[str], Progress] | None = None,
    timeout_s: float = 30.0,
) -> list[Path]:
    """Download every file of a data set that is not there yet, and unpack archives.

    Parameters
    ----------
    dataset : DataSet
    folder : Path
        Files go to their relative paths in it.
    progress : callable, optional
        Given a file's name, returns what is called as its bytes arrive.
    timeout_s : float
        How long a silent server is waited for.

    Returns
    -------
    list of Path
        The files, in the order of the manifest.

    Raises
    ------
    DataNotFoundError
        Where the data set has no files to download, or the server does not give one.
    InputError
        Where what came is not what the manifest says, or is beyond a limit: ``download-gb`` for a file whose size the
        manifest does not tell, and those of :func:`glaciertime.scenes.unpacking.unpack`.
    WritingError
        Where it could not be written.
    """
    if not dataset.files:
        raise DataNotFoundError(f"{dataset.name} cannot be downloaded by itself. {dataset.by_hand}".strip())
    paths = []
    for file in dataset.files:
        report = progress(Path(file.path).name) if progress is not None else None
        path = fetch_file(file, folder=folder, progress=report, timeout_s=timeout_s)
        if file.unpack:
            unpack(path)
        paths.append(path)
    return paths


def came_of(dataset: DataSet, folder: Path) -> list[str]:
    """Return what has come of a data set, in sentences: files that are whole, and the beginnings of others."""
    out = []
    for file in dataset.files:
        path = folder / file.path
        part = path.with_name(f"{path.name}.part")
        for kept, what in ((path, "whole"), (part, "so far")):
            if kept.is_file():
                out.append(f"{kept.stat().st_size} bytes in {kept}, {what}")
    return out


def fetch_file(
    file: DataFile,
    *,
    folder: Path,
    progress: Progress | None = None,
    timeout_s: float = 30.0,
    tries: int = 5,
    wait_s: float = 1.0,
) -> Path:
    """Download one file, continuing what an earlier attempt left.

    Bytes of an earlier attempt that turn out wrong are fetched once more from the start.
    """
    path = folder / file.path
    if path.is_file():
        if file.size_bytes is not None and path.stat().st_size != file.size_bytes:
            raise InputError(
                f"{path} has {path.stat().st_size} bytes, expected {file.size_bytes}; delete it and fetch it again"
            )
        _check_there(file, path)
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataNotFoundError(
            f"folder {path.parent} cannot be made ({error.strerror}); set GLACIERTIME_DOWNLOADS to one you can write"
        ) from error
    check_target(path)
    known = _known_sums(file, path)
    with Part(path) as part:
        for _ in range(2):
            resumed = part.size > 0
            sums = _download(file, part, known, progress, timeout_s, tries, wait_s)
            wrong = _difference(file, part, known, sums)
            if not wrong:
                break
            part.restart()
            if not resumed:
                break
        if wrong:
            part.discard()
            kind, remedy = "of before", f"delete {path.name}.sha256 to accept it"
            if _published(file) or not known:
                kind, remedy = "the manifest describes", "check the manifest"
            raise InputError(
                f"{file.url} gave a file that is not the one {kind} ({wrong}); it was discarded. Try again; if it "
                f"stays so, the server's file has changed: {remedy}"
            )
        part.finish()
    if not _published(file):
        told = f"{sums['sha256'].hexdigest()}  {path.name}\n"
        write_bytes(path.with_name(f"{path.name}.sha256"), told.encode(), overwrite=True)
    return path


def _check_there(file: DataFile, path: Path) -> None:
    """Refuse a file that is there and is not the one that was published, or that came first."""
    for name, expected in _known_sums(file, path).items():
        total = hashlib.new(name, usedforsecurity=False)
        with path.open("rb") as stream:
            while content := stream.read(_CHUNK_BYTES):
                total.update(content)
        if total.hexdigest() != expected:
            raise InputError(
                f"{path} has the {name} {total.hexdigest()}, expected {expected}: it was changed or damaged since; "
                "delete it and fetch it again"
            )


def _published(file: DataFile) -> bool:
    return file.sha256 is not None or file.md5 is not None


def _known_sums(file: DataFile, path: Path) -> dict[str, str]:
    """Return the checksums that the file must have: published, else those of the first download."""
    known = {name: value for name, value in (("sha256", file.sha256), ("md5", file.md5)) if value is not None}
    if not known:
        noted = path.with_name(f"{path.name}.sha256")
        if noted.is_file():
            text = noted.read_bytes()[:200].decode(errors="replace").split()
            if not text or not re.fullmatch("[0-9a-f]{64}", text[0]):
                raise InputError(f"{noted} holds no checksum; delete it and fetch again")
            known["sha256"] = text[0]
    return known


def _download(
    file: DataFile,
    part: Part,
    known: dict[str, str],
    progress: Progress | None,
    timeout_s: float,
    tries: int,
    wait_s: float,
) -> dict[str, Any]:
    """Fetch until the file is whole; a connection that breaks is taken up where it stopped."""
    failures, restarts = 0, 0
    while True:
        etag = str(part.note.get("etag", "")) if part.note.get("url") == file.url else ""
        if part.size and not (known or etag):
            part.restart()  # nothing could tell that it is of the same file
        before = part.size
        sums = part.digests({"sha256", *known})
        try:
            with request(file.url, have=before, etag=etag, timeout_s=timeout_s) as answer:
                _check_same_length(part, answer)
                if answer is None or _receive(file, part, answer, sums, progress):
                    return sums
            reason = "the connection broke off"
        except StartOverError as error:
            reason = str(error)
            restarts += 1
            part.restart()
            if restarts < tries:
                continue
        except BrokenOffError as error:
            reason = str(error)
        failures = 1 if part.size - before >= _LEAST_BYTES else failures + 1
        if failures >= tries or restarts >= tries:
            raise DataNotFoundError(
                f"{file.url}: {reason}; {part.size} bytes are kept, run this again to continue from there"
            )
        time.sleep(wait_s * failures)


def _check_same_length(part: Part, answer: Answer | None) -> None:
    """Refuse the rest of a file that is of another length than its beginning was promised to be of."""
    if not part.size or (answer is not None and not answer.start):
        return
    promised, total = part.note.get("total"), part.size if answer is None else answer.total
    if isinstance(promised, int) and promised != total:
        raise StartOverError("the file on the server has another length by now")


def _receive(file: DataFile, part: Part, answer: Answer, sums: dict[str, Any], progress: Progress | None) -> bool:
    """Take the bytes of an answer; return whether the file is whole as far as the server tells."""
    if not answer.start and part.size:
        part.restart()
        for name in sums:
            sums[name] = part.digests([name])[name]
    if not answer.ends_surely and file.size_bytes is None and not _published(file):
        raise InputError(
            f"{file.url}: the server tells no size, so that a broken connection would look like the end of the file; "
            "add size_bytes or sha256 to the manifest"
        )
    promised = file.size_bytes if answer.total is None else answer.total
    if promised == 0:
        raise InputError(f"{file.url}: the server gives an empty file; check the address in the manifest")
    wanted = file.size_bytes
    if wanted is not None and answer.total not in (None, wanted):
        part.discard()
        raise InputError(
            f"{file.url} gave a file that is not the one the manifest describes ({answer.total} bytes, "
            f"expected {wanted}); it was discarded. If it stays so, the server's file has changed: check the manifest"
        )
    if wanted is None and promised is not None:
        limits.check("download-gb", promised / 1e9, f"{file.url} announces {promised:,} bytes")
    free = shutil.disk_usage(part.path.parent).free
    if promised is not None and promised - part.size > free:
        raise WritingError(
            f"{part.path}: {promised - part.size} bytes are to come and {free} are free; free some space, or name "
            "another folder with --folder"
        )
    part.tell({"url": file.url, "etag": answer.etag, "total": promised})
    most = limits.limit("download-gb") * 1e9 if promised is None else promised
    since, came = time.monotonic(), 0
    for chunk in answer.chunks(_CHUNK_BYTES):
        if part.size + len(chunk) > most:
            part.discard()
            if promised is None:
                limits.check(
                    "download-gb", (part.size + len(chunk)) / 1e9, f"{file.url} tells no size and was discarded"
                )
            raise InputError(
                f"{file.url} sends more than the {promised} bytes expected; it was discarded. If it stays so, the "
                "server's file has changed: check the manifest"
            )
        part.append(chunk)
        for found in sums.values():
            found.update(chunk)
        if progress is not None:
            progress(part.size, promised)
        came += len(chunk)
        if time.monotonic() - since > _SLOWEST_S:
            if came < _LEAST_BYTES:
                raise BrokenOffError(f"the server sent {came} bytes in {_SLOWEST_S:.0f} s")
            since, came = time.monotonic(), 0
    return promised is None or part.size >= promised


def _difference(file: DataFile, part: Part, known: dict[str, str], sums: dict[str, Any]) -> str:
    """Return how the downloaded bytes differ from what is known of the file, or an empty text."""
    if file.size_bytes is not None and part.size != file.size_bytes:
        return f"{part.size} bytes, expected {file.size_bytes}"
    for name, expected in known.items():
        if sums[name].hexdigest() != expected:
            return f"{name} {sums[name].hexdigest()}, expected {expected}"
    return ""
