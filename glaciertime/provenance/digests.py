"""The SHA-256 of what was read: of files, streamed and each once, and of rows of a table."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["Digest", "digest_of", "row_digest", "table_digest", "value_digest"]

_CHUNK_BYTES = 1 << 20
#: What a shapefile is made of: each part can change what is read.
_BESIDE = (".dbf", ".shx", ".prj", ".cpg")
_SOURCE_OF_VRT = re.compile(r"<Source(?:Filename|Dataset)\b([^>]*)>([^<]*)</Source(?:Filename|Dataset)>")
_ROW_LETTERS = 12


@dataclass(frozen=True)
class Digest:
    """A file as it was when it was read: its SHA-256, its size, and when it was last changed (UTC)."""

    path: str
    sha256: str
    size_bytes: int
    modified: str


def digest_of(path: str | Path) -> list[Digest]:
    """Return a file's digest, followed by those of the files that are read with it.

    These are the parts of a shapefile, and the files whose pixels a virtual raster shows. A file that has not changed
    since it was read last in this process is not read again.

    Returns
    -------
    list of Digest
        Empty for what is no file that can be read, a folder or a name, and for a virtual raster that shows such.
    """
    path = Path(path)
    parts = _parts(path)
    found = [digest for one in parts if (digest := _one(one)) is not None]
    is_whole = path.suffix.lower() != ".vrt" or len(found) == len(parts)
    return found if found and found[0].path == str(path) and is_whole else []


def _parts(path: Path) -> list[Path]:
    if path.suffix.lower() == ".vrt":
        return _shown(path)
    if path.suffix.lower() != ".shp":
        return [path]
    return [path, *(path.with_suffix(end) for end in _BESIDE if path.with_suffix(end).is_file())]


def _shown(path: Path) -> list[Path]:
    """Return a virtual raster, and every file that it, or a virtual raster in it, shows."""
    found: dict[Path, None] = {path: None}
    left = [path]
    while left:
        one = left.pop()
        if one.suffix.lower() != ".vrt":
            continue
        try:
            text = one.read_text(encoding="utf-8", errors="surrogateescape")
        except (OSError, ValueError):
            continue
        for given, name in _SOURCE_OF_VRT.findall(text):
            shown = Path(unescape(name.strip()))
            if "1" in given.rpartition("relativeToVRT")[2][:6]:
                shown = Path(os.path.normpath(one.parent / shown))
            if shown not in found:
                found[shown] = None
                left.append(shown)
    return list(found)


def _one(path: Path) -> Digest | None:
    try:
        found = os.stat(path)
        if not os.path.isfile(path):
            return None
        sha256 = _sha256(str(path), found.st_ino, found.st_size, found.st_mtime_ns)
    except (OSError, ValueError):
        return None
    changed = dt.datetime.fromtimestamp(found.st_mtime, dt.UTC).isoformat(timespec="milliseconds")
    return Digest(str(path), sha256, found.st_size, changed)


@lru_cache(maxsize=100_000)
def _sha256(path: str, inode: int, size_bytes: int, modified_ns: int) -> str:
    """Return the SHA-256 of a file's bytes; the other arguments tell its versions apart."""
    total = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            total.update(chunk)
    return total.hexdigest()


def table_digest(rows: pd.DataFrame) -> str:
    """Return the SHA-256 of the rows of a table, in whatever order they stand; geometry counts as its bytes.

    Examples
    --------
    >>> rows = pd.DataFrame({"glacier": ["A", "B"], "value": [1.0, float("nan")]})
    >>> table_digest(rows) == table_digest(rows.iloc[::-1])
    True
    >>> table_digest(rows) == table_digest(rows.assign(value=[1.0, 2.0]))
    False
    """
    columns = [_texts(rows[name]) for name in rows.columns]
    lines = sorted("\x1f".join(cells) for cells in zip(*columns, strict=True))
    head = "\x1f".join(map(str, rows.columns))
    return hashlib.sha256("\n".join([head, *lines]).encode(errors="surrogatepass")).hexdigest()


def _texts(values: pd.Series) -> list[str]:
    if values.dtype == "geometry":
        return [str(text or "") for text in values.to_wkb(hex=True)]
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return [str(text or "") for text in values.dt.strftime("%Y-%m-%d").where(values.notna(), "")]
    return [cell_text(value) for value in values.tolist()]


def cell_text(value: Any) -> str:
    """Return a value of a table as one text, the same whether it comes from SQL or from pandas."""
    if value is None or value is pd.NaT:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return f"{value:%Y-%m-%d}" if isinstance(value, dt.date) else str(value)


def row_digest(letter: str, cells: tuple[Any, ...]) -> str:
    """Return the name of a row: a letter for its table, and twelve of the SHA-256 of what makes it one fact.

    It holds on to the fact, not to the value: measured again, in whatever archive, the row has the same name.

    Examples
    --------
    >>> row_digest("o", ("Crane", "area_km2", None)) == row_digest("o", ("Crane", "area_km2", ""))
    True
    """
    text = "\x1f".join(map(cell_text, cells))
    return letter + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_ROW_LETTERS]


def value_digest(value: Any) -> str:
    """Return the SHA-256 of settings: of plain values, mappings, sequences, and data classes of these.

    Raises
    ------
    TypeError
        For a value of which nobody can say what decides it, such as a function.

    Examples
    --------
    >>> value_digest({"a": 1, "b": (2.0, None)}) == value_digest({"b": [2.0, None], "a": 1})
    True
    >>> value_digest({"a": 1}) == value_digest({"a": True})
    False
    """
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode(errors="surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return ["number", repr(value)]
    if isinstance(value, Mapping):
        return ["mapping", sorted([_plain(name), _plain(held)] for name, held in value.items())]
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    if isinstance(value, set | frozenset):
        return ["set", *sorted(json.dumps(_plain(held), sort_keys=True) for held in value)]
    if isinstance(value, Enum | Path | dt.date):
        return [type(value).__name__, str(value)]
    if hasattr(value, "to_wkt"):
        return ["crs", value.to_wkt()]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *([held.name, _plain(getattr(value, held.name))] for held in fields(value))]
    raise TypeError(f"{type(value).__name__}: no digest of such a value")
