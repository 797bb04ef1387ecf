"""Many files at once: made in a hidden folder, then moved to their places beside what is there already."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from glaciertime.errors import WritingError
from glaciertime.writing.leftovers import draft_name, remove_stale_drafts
from glaciertime.writing.replacement import sentence_of, signals_as_exceptions
from glaciertime.writing.targets import Target

__all__ = ["folder_draft"]


@contextlib.contextmanager
def folder_draft(folder: Path, name: str) -> Iterator[Path]:
    """Give an empty folder; when the block ends well, the files in it move to the same places in ``folder``.

    Parameters
    ----------
    folder : Path
    name : str
        What the files come from.

    Raises
    ------
    WritingError
        Where a file could not be written, or one of the same name and another content is there.
    """
    remove_stale_drafts(folder)
    target = Target(folder / name, "")
    room = folder / draft_name(target.path)
    try:
        room.mkdir()
        with signals_as_exceptions():
            yield room
        _merge(room, folder)
    except OSError as error:
        if isinstance(error, WritingError) or (sentence := sentence_of(error, [target], [room], target)) is None:
            raise
        raise WritingError(f"unpacking {sentence}") from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _merge(room: Path, folder: Path) -> None:
    files = [path.relative_to(room) for path in sorted(room.rglob("*")) if not path.is_dir()]
    new = []
    for file in files:
        there = folder / file
        if os.path.lexists(there):
            if there.is_symlink() or not there.is_file() or not filecmp.cmp(room / file, there, shallow=False):
                raise WritingError(f"{there} is there with another content; move it away, then run this again")
        else:
            new.append(file)
    if hasattr(os, "sync"):
        os.sync()
    for file in new:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (room / file).replace(folder / file)
