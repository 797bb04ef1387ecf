"""What a folder holds, up to the number of files that is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from glaciertime import limits
from glaciertime.errors import DataNotFoundError
from glaciertime.walls import readable_text

__all__ = ["below", "entries", "unwritable"]


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted by name.

    Raises
    ------
    DataNotFoundError, InputError
        Where it cannot be looked into, or holds more than the limit.
    """
    return _counted(folder, folder.iterdir())


def below(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder and of those in it that fit a pattern, by name; raises as :func:`entries`."""
    return sorted(_counted(folder, folder.rglob(pattern)), key=lambda path: path.name)


def _counted(folder: Path, paths: Iterable[Path]) -> list[Path]:
    most = limits.limit("files")
    try:
        found = list(islice(paths, int(min(most, 1e9)) + 1))
    except OSError as error:
        raise DataNotFoundError(f"{folder} cannot be looked into: {error.strerror}") from error
    limits.check("files", len(found), str(folder), advice="give a folder of fewer")
    return sorted(found)


def unwritable(path: Path) -> str:
    """Return why a name cannot be written down, empty where it can: no table and no page holds bytes that are no text.

    Examples
    --------
    >>> unwritable(Path("toy_2001-03-15\\udcff.tif"))
    "the name of 'toy_2001-03-15\\\\udcff.tif' holds bytes that are no UTF-8; rename it"
    >>> unwritable(Path("toy_2001-03-15.tif"))
    ''
    """
    try:
        path.name.encode("utf-8")
    except UnicodeEncodeError:
        return f"the name of '{readable_text(path.name)}' holds bytes that are no UTF-8; rename it"
    return ""
