"""The note of a run beside a file that has no room for it, such as weights: checked before the work, written after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glaciertime.provenance import RunRecord

__all__ = ["check_note", "write_note"]


def check_note(path: Path, *, option: str = "--out", overwrite: bool = False) -> None:
    """Refuse a file whose note would replace a file that is no such note.

    Raises
    ------
    UsageError
    """
    from glaciertime.provenance.tags import has_tag, sidecar
    from glaciertime.writing import Target, check_target

    check_target(Target(sidecar(path), option, has_tag), overwrite=overwrite)


def write_note(path: Path, run: RunRecord, *, option: str = "--out", overwrite: bool = False) -> None:
    """Write the note beside a file that has been written: its run, with the SHA-256 of the file.

    Raises
    ------
    UsageError
    WritingError
    """
    from glaciertime.provenance.tags import has_tag, sidecar, sidecar_text
    from glaciertime.writing import write_bytes

    write_bytes(sidecar(path), sidecar_text(run.tag(), path).encode(), option=option, own=has_tag, overwrite=overwrite)
