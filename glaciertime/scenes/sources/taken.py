"""A folder of windows: the files, and one table of their checksums and of what each was made of."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glaciertime.errors import UsageError
from glaciertime.scenes.sources.kept import Kept
from glaciertime.scenes.sources.web import shown
from glaciertime.writing import Target, check_target, draft, write_bytes
from glaciertime.writing.marks import made_by

if TYPE_CHECKING:
    from glaciertime.scenes.sources.stac import Listed

__all__ = ["TABLE", "check_folder", "take_into"]

_MARK, TABLE = "glaciertime scenes", "scenes.csv"
_COLUMNS = (
    "file", "date", "sensor", "scene", "bands", "clouds", "seen", "sha256", "catalogue", "band", "address", "etag",
    "bytes", "scale", "offset", "unit", "why",
)  # fmt: skip
_own = made_by(_MARK, columns=[_COLUMNS])


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Make a folder for windows, and refuse one whose table is not of this command, before any work.

    Raises
    ------
    UsageError
        Where the folder cannot be made, or holds a table of that name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be made ({error.strerror}); name a folder") from error
    check_target(Target(folder / TABLE, "--out", _own), overwrite=overwrite)


def take_into(folder: Path, windows: Sequence[tuple[Listed, Kept]], *, address: str, overwrite: bool = False) -> None:
    """Copy windows into a folder, with a table of the files of the catalogue that each was made of.

    Raises
    ------
    UsageError
        Where another file of that name is there.
    WritingError
        Where a file could not be written.
    """
    table = folder / TABLE
    rows = []
    for each, kept in windows:
        with draft(folder / kept.path.name, own=_own, overwrite=overwrite) as made:
            shutil.copyfile(kept.path, made)
        rows += [_row(each, kept, part, address=address) for part in kept.parts]
    if table.is_file() and _own(table):
        new = {row["file"] for row in rows}
        with table.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["file"] not in new] + rows
    rows.sort(key=lambda row: (row["date"], row["file"], row["scene"], row["band"]))
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(table, text.getvalue().encode(), own=_own, overwrite=overwrite)


def _row(each: Listed, kept: Kept, part: Mapping[str, Any], *, address: str) -> dict[str, Any]:
    numbers = part["numbers"]
    return {
        "file": kept.path.name,
        "date": each.one.date.isoformat(),
        "sensor": each.one.product.sensor,
        "scene": part["item"],
        "bands": " ".join(kept.bands),
        "clouds": kept.sky.clouds,
        "seen": kept.sky.seen,
        "sha256": kept.sha256,
        "catalogue": shown(address),
        "band": part["band"],
        "address": part["address"],
        "etag": part["etag"],
        "bytes": part["size"],
        **{name: "" if numbers is None else numbers[name] for name in ("scale", "offset", "unit", "why")},
    }
