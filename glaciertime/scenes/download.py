"""Downloads that resume and are verified before they count.

Bytes go to ``NAME.part`` beside their place; what is there is continued, checked against its checksum and size, and
only then moved to its name. A file that has its name is whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from glaciertime.catalog import DataFile, DataSet
from glaciertime.errors import DataNotFoundError, InputError

__all__ = ["downloads_folder", "fetch", "fetch_file", "unpack"]

_CHUNK_BYTES = 1 << 18
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
    dataset: DataSet, *, folder: Path, progress: Callable[[str], Progress] | None = None, timeout_s: float = 30.0
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
        Where what came is not what the manifest says.
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

    Bytes of a partial file that turn out wrong are fetched once more from the start.
    """
    path = folder / file.path
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataNotFoundError(
            f"folder {path.parent} cannot be made ({error.strerror}); set GLACIERTIME_DOWNLOADS to one you can write"
        ) from error
    part = path.with_name(path.name + ".part")
    resumed = part.is_file() and part.stat().st_size > 0
    _download(file, part, progress, timeout_s, tries, wait_s)
    wrong = _difference(file, part)
    if wrong and resumed:
        part.unlink()
        _download(file, part, progress, timeout_s, tries, wait_s)
        wrong = _difference(file, part)
    if wrong:
        part.unlink()
        raise InputError(
            f"{file.url} gave a file that is not the one the manifest describes ({wrong}); it was discarded. "
            "Try again; if it stays so, the server's file has changed: check the manifest"
        )
    part.replace(path)
    return path


def _download(
    file: DataFile, part: Path, progress: Progress | None, timeout_s: float, tries: int, wait_s: float
) -> None:
    """Fetch until the file is whole; a connection that breaks is taken up where it stopped."""
    failures = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _continue(file, part, progress, timeout_s):
                return
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            if error.code == 416:  # what is there already reaches or passes the end
                return
            if error.code < 500:
                raise DataNotFoundError(f"{file.url}: the server answers {error.code} {error.reason}") from error
            reason = f"the server answers {error.code} {error.reason}"
        except (TimeoutError, urllib.error.URLError, HTTPException, ConnectionError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        except OSError as error:
            raise DataNotFoundError(
                f"{part} cannot be written: {error.strerror}; free some space and run this again"
            ) from error
        after = part.stat().st_size if part.is_file() else 0
        failures = 1 if after > before else failures + 1
        if failures >= tries:
            raise DataNotFoundError(
                f"{file.url}: {reason}; {after} bytes are kept, run this again to continue from there"
            )
        time.sleep(wait_s * failures)


def _continue(file: DataFile, part: Path, progress: Progress | None, timeout_s: float) -> bool:
    """Append to the partial file; return whether it is whole as far as the server tells."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=timeout_s) as response:
        resumes = response.status == 206
        if not resumes:
            have = 0
        total = _total_bytes(response, have)
        with part.open("ab" if resumes else "wb") as target:
            while chunk := response.read(_CHUNK_BYTES):
                target.write(chunk)
                have += len(chunk)
                if progress is not None:
                    progress(have, total)
    return total is None or have >= total


def _total_bytes(response: HTTPResponse, have: int) -> int | None:
    length = response.headers.get("Content-Length")
    return None if length is None else have + int(length)


def _difference(file: DataFile, part: Path) -> str:
    """Return how the downloaded bytes differ from what the manifest says, or an empty text."""
    size = part.stat().st_size if part.is_file() else 0
    if file.size_bytes is not None and size != file.size_bytes:
        return f"{size} bytes, expected {file.size_bytes}"
    for name, expected in (("sha256", file.sha256), ("md5", file.md5)):
        if expected is not None:
            with part.open("rb") as stream:
                found = hashlib.file_digest(stream, name).hexdigest()
            if found != expected:
                return f"{name} {found}, expected {expected}"
    return ""


def unpack(path: Path) -> None:
    """Unpack a zip archive into its own folder, once; members that point outside it are refused."""
    done = path.with_name(path.name + ".unpacked")
    if done.is_file():
        return
    try:
        with zipfile.ZipFile(path) as archive:
            root = path.parent.resolve()
            for member in archive.namelist():
                if not (root / member).resolve().is_relative_to(root):
                    raise InputError(
                        f"{path.name} holds '{member}', which lies outside its folder; it was not unpacked"
                    )
            archive.extractall(root)
    except (zipfile.BadZipFile, shutil.Error) as error:
        raise InputError(f"{path.name} is no zip archive; delete it and fetch it again") from error
    done.touch()
