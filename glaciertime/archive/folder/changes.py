"""A change of several files that happens as a whole or not at all.

The new files are written into a room of their own, ``.changes/.NAME.PID-START-HOST.draft``, and are on the disk before
the room is renamed to ``NAME.stored``: from that moment the change has happened. Then each file moves to its place. A
process that is killed before leaves a draft, which the next one removes; one that is killed after leaves a room, which
the next one that holds the lock of a glacier in it, or reads, moves to its place first.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from glaciertime.archive.folder.files import write_file
from glaciertime.archive.folder.locks import try_lock
from glaciertime.archive.schema import TABLES
from glaciertime.errors import WritingError
from glaciertime.writing.leftovers import draft_name, remove_stale_drafts
from glaciertime.writing.replacement import sentence_of, signals_as_exceptions, sync
from glaciertime.writing.targets import Target

__all__ = ["CHANGES", "FileChange", "finish_stored", "settle", "store_change"]

CHANGES = ".changes"
_STORED = ".stored"
_LIST = "change.json"
#: Stands in a room for a file that goes.
_GONE = ".gone"

#: Table and glacier of each file, where it is or will be, and its rows; None where the file goes.
FileChange = tuple[str, str, Path, pa.Table | None]


def store_change(root: Path, files: Collection[FileChange]) -> None:
    """Let files take their places; the caller holds the locks of their glaciers.

    Raises
    ------
    WritingError
        Where they could not be written whole; nothing is changed.
    """
    if not files:
        return
    above = root / CHANGES
    remove_stale_drafts(above)
    name = uuid.uuid4().hex[:16]
    target = Target(root, "--archive")
    room = above / draft_name(above / name)
    try:
        room.mkdir()
        with signals_as_exceptions():
            whose: dict[str, str] = {}
            for table, glacier, path, rows in files:
                place = path.relative_to(root)
                draft = room / place
                draft.parent.mkdir(parents=True, exist_ok=True)
                if rows is None:
                    draft = draft.with_name(draft.name + _GONE)
                    draft.touch()
                else:
                    write_file(draft, TABLES[table], rows)
                    sync(draft)
                whose[str(place)] = glacier
            (room / _LIST).write_text(json.dumps(whose), encoding="utf-8")
            sync(room / _LIST)
            stored = above / f"{name}{_STORED}"
            room.rename(stored)
            sync(above)
    except OSError as error:
        sentence = None if isinstance(error, WritingError) else sentence_of(error, [target], [room], target)
        if sentence is None:
            raise
        raise WritingError(f"archive {sentence.partition(';')[0]}; nothing was changed") from error
    finally:
        shutil.rmtree(room, ignore_errors=True)
    try:
        _move(root, stored, whose, None)
    except OSError as error:
        raise WritingError(
            f"archive {root}: what was to be stored is on the disk, but could not be put in its place "
            f"({error.strerror or error}); the next command that can write there does it"
        ) from error


def _move(root: Path, room: Path, whose: Mapping[str, str], held: Collection[str] | None) -> None:
    """Move the files of a room to their places, those of the glaciers whose locks are held; None of all."""
    folders = set()
    for place, glacier in whose.items():
        if held is not None and glacier not in held:
            continue
        made, gone, target = room / place, room / (place + _GONE), root / place
        if made.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            made.replace(target)
            folders.add(target.parent)
        elif gone.exists():
            target.unlink(missing_ok=True)
            if target.parent.exists():
                folders.add(target.parent)
            sync_all(folders)
            gone.unlink()
    sync_all(folders)
    if not any((room / place).exists() or (room / (place + _GONE)).exists() for place in whose):
        shutil.rmtree(room, ignore_errors=True)


def sync_all(folders: Collection[Path]) -> None:
    """Wait until the names in some folders are on the disk."""
    for folder in folders:
        with contextlib.suppress(OSError):  # not every system syncs folders
            sync(folder)


def _left(root: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield the rooms of changes that have happened and are not all in their places."""
    try:
        with os.scandir(root / CHANGES) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(_STORED))
    except OSError:
        return
    for name in names:
        room = root / CHANGES / name
        with contextlib.suppress(FileNotFoundError):  # done by now
            yield room, json.loads((room / _LIST).read_text(encoding="utf-8"))


def finish_stored(root: Path, glaciers: Collection[str]) -> None:
    """Finish what killed processes left of changes of some glaciers; the caller holds their locks."""
    for room, whose in _left(root):
        if not set(whose.values()).isdisjoint(glaciers):
            _move(root, room, whose, set(glaciers))


def settle(root: Path) -> bool:
    """Finish what killed processes left, before reading; return whether all is in its place, or being put there.

    What a living process is about to move is left to it; so is all where nothing can be written.
    """
    for room, whose in _left(root):
        for glacier in sorted(set(whose.values())):
            try:
                handle = try_lock(root, glacier)
                if handle is None:
                    continue
                try:
                    if room.exists():
                        _move(root, room, whose, {glacier})
                finally:
                    os.close(handle)
            except FileNotFoundError:
                continue
            except OSError:
                return False
    return True
