"""Which glaciers a command is for: the same options for all commands, and what is said of the choice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import note

if TYPE_CHECKING:
    from glaciertime.archive import Archive
    from glaciertime.pipeline.selection import Chosen, Selection

__all__ = [
    "AllOption",
    "CorrelationOption",
    "RegionOption",
    "RgiOption",
    "chosen_held",
    "chosen_known",
    "folder_meant",
    "make_folder",
    "selection_of",
]

AllOption = Annotated[
    bool, typer.Option("--all", help="Every glacier of the archive; of the catalog for track and segment.")
]  # fmt: skip
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="NAME|FILE",
        help="Glaciers of a region: of the catalog, of the RGI (11, Alps), in polygons.",
    ),
]
RgiOption = Annotated[
    list[Path] | None,
    typer.Option("--rgi", metavar="FILE", help="Outlines of RGI 5 to 7 as a catalog; alone, all of them are meant."),
]
CorrelationOption = Annotated[
    float | None,
    typer.Option(help="Of the errors of two glaciers, 0 to 1, in totals; default 0.5. Shown beside: 0 and 1."),
]


def selection_of(
    glacier: list[str] | None,
    *,
    every: bool = False,
    region: str | None = None,
    manifest: list[Path] | None = None,
    rgi: list[Path] | None = None,
) -> Selection:
    """Return what the options of a command select; contradictions are refused."""
    from glaciertime.pipeline.selection import Selection

    return Selection(
        glaciers=tuple(glacier or ()), every=every, region=region or "", manifests=tuple(manifest or ()),
        rgi=tuple(rgi or ()),
    )  # fmt: skip


def chosen_held(archive: Archive, selection: Selection, *, all_unless_told: bool = False) -> Chosen:
    """Return the glaciers of an archive that are meant, and say what was assumed in choosing them."""
    from glaciertime.pipeline.selection import choose_held

    return _told(choose_held(selection, archive, all_unless_told=all_unless_told))


def chosen_known(selection: Selection) -> Chosen:
    """Return the glaciers of the catalog, or of the user's data, that are meant, and say what was assumed."""
    from glaciertime.pipeline.selection import choose_known

    return _told(choose_known(selection, named_elsewhere=True))


def _told(chosen: Chosen) -> Chosen:
    for text in chosen.notes:
        note(text)
    return chosen


def folder_meant(out: Path, *, is_many: bool) -> bool:
    """Return whether a place stands for a folder: one that is there, or for several glaciers a name without ending."""
    return out.is_dir() or (is_many and not out.suffix and not out.is_file())


def make_folder(out: Path) -> None:
    """Make a folder inside one that is there.

    Raises
    ------
    UsageError, WritingError
        Where that cannot be.
    """
    from glaciertime.errors import UsageError, WritingError

    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: folder {out.parent} does not exist; create it first")
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        raise WritingError(f"--out {out}: the folder cannot be made ({error.strerror}); name another") from error
