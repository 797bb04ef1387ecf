"""Where in the folder the rows of a glacier are: ``TABLE/region=REGION/glacier=NAME/rows.parquet``, hive's way.

Names are written as hive, DuckDB and pyarrow read them back: what is no letter of ASCII, digit, ``-``, ``_`` or ``.``
as ``%`` and its bytes. Two names that differ in upper and lower case alone are two folders also on a disk that tells
no case apart: a letter whose case is not the usual one is written with ``%``, too.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from glaciertime.archive.schema import TABLES

__all__ = ["ROWS", "decoded", "encoded", "file_of", "files_of", "glaciers_of", "region_of"]

ROWS = "rows.parquet"
#: What hive calls the empty name: of rows that belong to no one glacier.
_NO_NAME = "__HIVE_DEFAULT_PARTITION__"
#: A longer name is cut off, and its digest tells it; the rows themselves hold it whole.
_MOST_LETTERS = 180
_WORD = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]+")
_RGI = re.compile(r"RGI(?:\d0-|2000-v[\d.]+-[GC]-)(\d\d)\b")
_OTHER = "other"


def encoded(name: str) -> str:
    """Return a name as the name of a folder.

    Examples
    --------
    >>> encoded("Pine Island"), encoded("Mill"), encoded("mill"), encoded("RGI60-01.00001")
    ('Pine%20Island', 'Mill', '%6Dill', 'RGI60-01.00001')
    """
    if not name:
        return _NO_NAME
    text = "".join(_word(word) for word in _WORD.findall(name))
    if name == _NO_NAME:
        text = "%5F" + text[1:]
    if len(text) > _MOST_LETTERS:
        text = f"{text[:_MOST_LETTERS]}%~{hashlib.sha256(_bytes(name)).hexdigest()[:16]}"
    return text


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _word(word: str) -> str:
    if not word[0].isascii() or not word[0].isalnum():
        return "".join(one if one in "-_." else "".join(f"%{byte:02X}" for byte in _bytes(one)) for one in word)
    usual = word.upper() if any(one.isdigit() for one in word) else word.capitalize()
    return "".join(one if one == wanted else f"%{ord(one):02X}" for one, wanted in zip(word, usual, strict=True))


def decoded(text: str) -> str | None:
    """Return the name that a folder stands for; None where it was cut off."""
    return None if "%~" in text else "" if text == _NO_NAME else unquote(text)


def _folders(path: Path, key: str) -> list[str]:
    """Return what hive's folders ``key=...`` in a folder are called behind the ``=``, sorted."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name[len(key) + 1 :] for entry in entries if entry.name.startswith(f"{key}="))
    except (FileNotFoundError, NotADirectoryError):
        return []


def file_of(root: Path, table: str, glacier: str) -> Path | None:
    """Return the file that holds a glacier's rows of a table; None where there is none."""
    name = encoded(glacier)
    for region in _folders(root / table, "region"):
        path = root / table / f"region={region}" / f"glacier={name}" / ROWS
        if path.exists():
            return path
    return None


def files_of(root: Path, table: str) -> Iterator[Path]:
    """Yield the files of a table, in the order of regions and glaciers."""
    for region in _folders(root / table, "region"):
        above = root / table / f"region={region}"
        for glacier in _folders(above, "glacier"):
            path = above / f"glacier={glacier}" / ROWS
            if path.exists():
                yield path


def glaciers_of(root: Path, table: str) -> dict[str, Path]:
    """Return the folder names of the glaciers that a table holds rows of, and their files."""
    return {path.parent.name.partition("=")[2]: path for path in files_of(root, table)}


def region_of(root: Path, glacier: str) -> str:
    """Return the region that a glacier is kept in: the one it has, else the catalog's or that of its RGI name."""
    name = f"glacier={encoded(glacier)}"
    for table in TABLES:
        for region in _folders(root / table, "region"):
            if (root / table / f"region={region}" / name).exists():
                return decoded(region) or ""
    found = _RGI.search(glacier)
    return f"RGI-{found[1]}" if found else _catalog_regions().get(glacier, "") or _OTHER


@cache
def _catalog_regions() -> dict[str, str]:
    from glaciertime.catalog import load_catalog

    return {name: entry.region for name, entry in load_catalog().glaciers.items()}
