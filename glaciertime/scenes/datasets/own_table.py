"""``images.csv`` beside one's own images: what their names do not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from glaciertime import limits
from glaciertime.dates import Dated, DateReading, read_dates
from glaciertime.errors import InputError
from glaciertime.naming import clean_name, column_key, counted
from glaciertime.walls import wall

__all__ = ["Row", "Table", "read_table"]

_COLUMNS = ("file", "date", "glacier", "region", "sensor", "part")
_PARTS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Row:
    """What the table says of an image; empty where it says nothing."""

    dated: Dated | None = None
    glacier: str = ""
    region: str = ""
    sensor: str = ""
    part: str = ""


@dataclass(frozen=True)
class Table:
    """Rows by the name of the file, or its end: ``Crane/a.tif`` is no ``Jorum/a.tif``."""

    rows: dict[str, Row] = field(default_factory=dict)
    name: str = ""

    def of(self, path: Path) -> Row:
        """Return what is said of an image; the row that names most of its sub-folders counts."""
        return next((self.rows[name] for name in _ends(path) if name in self.rows), Row())

    def unused(self, images: Sequence[Path]) -> list[str]:
        """Return a sentence where rows speak of images that are not there."""
        met = Counter(next((name for name in _ends(path) if name in self.rows), "") for path in images)
        left = sorted(set(self.rows) - set(met))
        return [f"{self.name}: {counted(len(left), 'files', 'are')} not among the images ({left[0]})"] if left else []

    def check(self, images: Sequence[Path]) -> None:
        """Refuse a row of several images.

        Raises
        ------
        InputError
        """
        met: dict[str, list[Path]] = {}
        for path in images:
            met.setdefault(next((name for name in _ends(path) if name in self.rows), ""), []).append(path)
        for name, paths in met.items():
            if name and len(paths) > 1:
                raise InputError(
                    f"{self.name}: {counted(len(paths), 'images', 'are')} called {name}; name their folders in the "
                    "column file too, "
                    f"such as {paths[0].parent.name}/{paths[0].name}"
                )


def _ends(path: Path) -> list[str]:
    """Return the path of a file without 0, 1, 2, ... of its first folders."""
    return [path.as_posix(), *("/".join(path.parts[start:]) for start in range(1, len(path.parts)))]


def read_table(path: Path, *, reading: DateReading) -> Table:
    """Read the table; without the file there is nothing to say.

    Columns: ``file``, and any of ``date``, ``glacier``, ``region``, ``sensor``, ``part`` (train, val, test).

    Raises
    ------
    InputError
        If a column is unknown, a date is none, or a file is named twice.
    """
    if not path.is_file():
        return Table()
    limits.check("table-mb", path.stat().st_size / 1e6, path.name)
    with wall(f"{path} is not a CSV table in UTF-8", "export it again"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", sep=None, engine="python")
    table.columns = pd.Index([column_key(column) for column in table.columns])
    unknown = [column for column in table.columns if column not in _COLUMNS]
    if unknown or "file" not in table:
        raise InputError(
            f"{path}: columns {', '.join(table.columns)} given, file and any of {', '.join(_COLUMNS[1:])} expected"
        )
    days: Sequence[Dated | str] = [""] * len(table)
    if "date" in table:
        days = read_dates(table["date"], reading=reading, where=f"{path.name}, column date").rows
    rows: dict[str, Row] = {}
    for place, file in enumerate(table["file"]):
        name = file.strip().replace("\\", "/").removeprefix("./")
        cells = {column: clean_name(table[column][place]) for column in table.columns}
        day = days[place]
        if isinstance(day, str) and cells.get("date"):
            raise InputError(f"{path}, row {place + 1}: {day}")
        if (part := cells.get("part", "")) and part.casefold() not in _PARTS:
            raise InputError(f"{path}, row {place + 1}: part '{part}', train, val or test expected")
        if name in rows:
            raise InputError(f"{path}: {name} is named twice; keep one row")
        rows[name] = Row(
            dated=None if isinstance(day, str) else day, glacier=cells.get("glacier", ""),
            region=cells.get("region", ""), sensor=cells.get("sensor", ""), part=_PARTS.get(part.casefold(), ""),
        )  # fmt: skip
    return Table(rows, path.name)
