"""A catalogue on disk, named by the user: its files, and the rasters beside them, and nothing outside its folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from glaciertime.documents import read_json
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.walls import wall

__all__ = ["LocalFile", "is_on_disk", "place_on_disk", "reader"]


def is_on_disk(address: str) -> bool:
    """Return whether the address of a catalogue is a path.

    Examples
    --------
    >>> is_on_disk("/data/catalog.json"), is_on_disk("https://a.org/v1"), is_on_disk("file:///etc/passwd")
    (True, False, False)
    """
    return not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", address)


def place_on_disk(href: object, *, base: str, root: Path) -> str:
    """Return the path, or the address on the web, of a file that a catalogue on disk names.

    Parameters
    ----------
    href : str
        As the catalogue has it; a relative one counts from ``base``.
    base : str
        The file that names it.
    root : Path
        The folder of the catalogue, without links in it.

    Raises
    ------
    InputError
        Where it leads out of that folder, or is on neither.
    """
    if not isinstance(href, str) or not href.strip():
        raise InputError("it names no address of the file")
    if re.match("https?:", href, re.IGNORECASE):
        return href
    if re.match("file:", href, re.IGNORECASE):
        href = unquote(urlsplit(href).path)
    elif not is_on_disk(href):
        raise InputError(f"its address begins with {href.partition(':')[0]}:, which is not read")
    with wall(f"its address {href[:100]!r} is none of a file", "correct the catalogue"):
        path = (Path(base).parent / href).resolve()
    if not path.is_relative_to(root):
        raise InputError(f"its address {href[:100]!r} leads out of {root}, the folder of the catalogue; not followed")
    return str(path)


def reader(root: Path) -> Callable[[str], Mapping[str, Any]]:
    """Return what reads the files of a catalogue on disk."""

    def read(place: str) -> Mapping[str, Any]:
        if not is_on_disk(place):
            raise InputError(f"the catalogue in {root} leads to {place[:100]!r}; a catalogue on disk expected whole")
        found = read_json(Path(place), what=f"{place}", remedy="correct the catalogue")
        if not isinstance(found, dict):
            raise InputError(f"{place} is no object of JSON; a catalogue, a collection or items expected")
        return found

    return read


class LocalFile:
    """A file on disk, read as one on a server is: see :class:`glaciertime.scenes.sources.web.Ranges`."""

    def __init__(self, path: Path) -> None:
        self.url = str(path)
        with wall(f"{path} cannot be read", "is it there?"):
            if not path.is_file():
                raise DataNotFoundError(f"{path}: there is no such file, and the catalogue names it")
            told = path.stat()
            self._stream: IO[bytes] = path.open("rb")
        self.size = told.st_size
        self.etag, self.modified = "", str(told.st_mtime_ns)

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes, fewer at the end."""
        return self._stream.read(count)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in the file."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._stream.tell()

    def close(self) -> None:
        """Go back to the start; it is closed when nobody holds it any more."""
        self._stream.seek(0)

    def __enter__(self) -> LocalFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
