"""How many columns a text file of features names: the readers of such files look each up among all others."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO

from glaciertime import limits

__all__ = ["check_field_names"]

_CHUNK_BYTES, _LONGEST_NAME = 1 << 20, 300
#: So small a file is read at once, whatever stands in it.
_SMALL_BYTES = 1 << 16
#: Of so many times the limit no more are counted.
_ENOUGH = 10
_KEY = re.compile(rb'"((?:[^"\\]|\\.){1,%d})"\s{0,20}:' % _LONGEST_NAME, re.DOTALL)
_ELEMENT = re.compile(
    rb"<(?:\w+:)?(?:SimpleData|SimpleField|Data)\s[^<>]{0,200}?name\s*=\s*[\"']([^\"'<>]{1,%d})"
    rb"|<([A-Za-z_][\w:.-]{0,%d})" % (_LONGEST_NAME, _LONGEST_NAME)
)
_PATTERNS = {".geojson": _KEY, ".json": _KEY, ".kml": _ELEMENT, ".kmz": _ELEMENT, ".gml": _ELEMENT}
#: What every GeoJSON has, and is no column.
_STRUCTURE = frozenset(
    (b"type", b"features", b"geometry", b"geometries", b"coordinates", b"properties", b"crs", b"name", b"bbox")
)


def check_field_names(path: Path, *, member: str, what: str) -> None:
    """Refuse a text file of features that names more columns, or holds more cells, than a layer may have.

    Parameters
    ----------
    path : Path
        GeoJSON, KML or GML, or a zip of such; other kinds say in their header what they hold, and pass.
    member : str
        The file in the zip; empty for the file itself.
    what : str
        Whose they are, as the subject of the sentence.

    Raises
    ------
    InputError
    """
    ending = Path(member or path.name).suffix.lower()
    if ending in _PATTERNS:
        state = path.stat()
        names, features = _counts(path, member, ending, state.st_mtime_ns, state.st_size)
        limits.check("fields", names, f"{what}, as far as it was counted")
        limits.check("cells", float(names) * features, what)


@lru_cache(maxsize=64)
def _counts(path: Path, member: str, ending: str, _mtime_ns: int, _size: int) -> tuple[int, int]:
    """Return how many columns are named, and how many features there are, of a file that is not small."""
    names: set[bytes] = set()
    features, most = 0, _ENOUGH * limits.limit("fields")
    for stream in _opened(path, member, ending):
        tail = b""
        while chunk := stream.read(_CHUNK_BYTES):
            text, end = tail + chunk, 0
            if not tail and len(chunk) < _SMALL_BYTES:
                break
            for found in _PATTERNS[ending].finditer(text):
                names.add(found[found.lastindex or 0])
                end = found.end()
            features += chunk.count(b'"Feature"') + chunk.count(b"<Placemark") + chunk.count(b"featureMember>") // 2
            if len(names - _STRUCTURE) > most:
                return len(names - _STRUCTURE), features
            tail = text[max(end, len(text) - 2 * _LONGEST_NAME) :]
    return len(names - _STRUCTURE), features


def _opened(path: Path, member: str, ending: str) -> Iterator[IO[bytes]]:
    if not member and ending != ".kmz":
        with path.open("rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(path) as archive:
        inside = [member] if member else [name for name in archive.namelist() if name.lower().endswith(".kml")]
        for name in inside:
            with archive.open(name) as stream:
                yield stream
