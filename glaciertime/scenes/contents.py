"""What a folder holds of a glacier, and what of that is not measured together."""

from __future__ import annotations

from pathlib import Path

from glaciertime.catalog import Glacier
from glaciertime.errors import GlacierTimeError, InputError, UsageError
from glaciertime.naming import agreeing, counted
from glaciertime.scenes.folder import MaskReading, mask_files, named_with_date, rasters_in
from glaciertime.scenes.glacier_rows import VectorReading, rows_of_glacier
from glaciertime.scenes.layers import (
    Layer,
    files_in,
    geometry_kinds,
    is_damaged,
    is_one_file,
    layers_of,
    read_layer,
    vector_files,
)
from glaciertime.scenes.listing import entries
from glaciertime.scenes.names import date_in_name, dated_folders
from glaciertime.scenes.vectors import VectorInput, find_in_vectors

__all__ = ["holds_masks", "left_beside_masks", "missing_files", "vector_input", "vectors_in"]


def vectors_in(glacier: Glacier, data: Path, given: VectorInput, known: set[Path]) -> Path | None:
    """Return the vector file of a folder that names a glacier, or the folder where several do; nearest first.

    Files of the folder itself that name no glacier at all are taken too: then all of them are of it.
    """
    holding: dict[Path, Path] = {}
    for folder in (data, *(path for path in entries(data) if path.is_dir())):
        files = [path for path in files_in(folder) if path not in known]
        naming = [path for path in files if find_in_vectors(path, glacier, given=given)]
        if naming:
            # A damaged file beside it may be of the glacier too: it is to be told.
            alone = len(naming) == 1 and not any(is_damaged(path) for path in files)
            holding[folder] = naming[0] if alone else folder
        if data in holding:
            return holding[data]
    if len(holding) == 1:
        return next(iter(holding.values()))
    if holding:
        if not files_in(data) and set(holding) <= set(dated_folders(data)):
            return data
        raise InputError(
            f"--data {data}: {len(holding)} of its folders hold {glacier.name} "
            f"({', '.join(folder.name for folder in holding)}); give one of them"
        )
    files = [path for path in vector_files(data) if path not in known]
    if files and not known and not any(_names_glaciers(path, given) for path in files):
        return files[0] if len(files) == 1 else data
    return None


def holds_masks(glacier: Glacier, folder: Path, reading: MaskReading, columns: VectorReading) -> bool:
    """Return whether the rasters of a folder are to be measured; undated ones beside vector files may be elevations."""
    files = mask_files(folder)
    if not files or any(path.name in reading.dates or _is_dated(named_with_date(path)) for path in files):
        return bool(files)
    given = vector_input(reading, columns)
    return not any(find_in_vectors(path, glacier, given=given) for path in files_in(folder))


def _is_dated(name: str) -> bool:
    try:
        return date_in_name(name) is not None
    except InputError:
        return True


def missing_files(reading: MaskReading, path: Path) -> list[str]:
    """Return which files of ``--dates`` are not there.

    Raises
    ------
    UsageError
        Where none of them is.
    """
    files = [path] if is_one_file(path) else [*mask_files(path), *vector_files(path)]
    there = {file.name for file in files} | {Path(layer.member).name for file in files for layer in _members_of(file)}
    missing = [name for name in reading.dates if name not in there]
    if not missing:
        return []
    shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    if len(missing) == len(reading.dates):
        raise UsageError(f"--dates: {path.name} holds none of its files ({shown}); write the names as they are there")
    return [f"{counted(len(missing), 'files')} of --dates {agreeing(len(missing), 'are')} not in {path.name} ({shown})"]


def _members_of(file: Path) -> list[Layer]:
    return layers_of(file) if file.suffix.lower() == ".zip" else []


def left_beside_masks(glacier: Glacier, folder: Path, given: VectorInput) -> list[str]:
    """Return what a folder of masks holds of a glacier that is not measured with them."""
    notes = []
    deeper = [file for inner in entries(folder) if inner.is_dir() for file in rasters_in(inner)]
    if rasters_in(folder) and deeper:
        shown = deeper[0].relative_to(folder)
        count = len(deeper)
        notes.append(
            f"{counted(count, 'rasters')} in sub-folders {agreeing(count, 'were')} not read ({shown}); put them beside "
            "the masks"
        )
    vectors = [path for path in files_in(folder) if find_in_vectors(path, glacier, given=given)]
    if vectors:
        notes.append(
            f"{counted(len(vectors), 'vector files')} that {agreeing(len(vectors), 'name')} {glacier.name} "
            f"{agreeing(len(vectors), 'were')} not read beside the masks ({vectors[0].name}); give them with --data in "
            "a run of their own"
        )
    return notes


def _names_glaciers(path: Path, given: VectorInput) -> bool:
    """Return whether a file has a column that names glaciers, or is no layer of lines or polygons."""
    nobody = Glacier(name="\0")
    for layer in layers_of(path):
        try:
            table = read_layer(layer, crs=given.crs)
            if (
                next(geometry_kinds(table), "")
                and not rows_of_glacier(table, nobody, reading=given.reading, where=layer.label).is_named
            ):
                return False
        except GlacierTimeError:
            if not is_damaged(path):
                continue
            return False
    return True


def vector_input(reading: MaskReading, columns: VectorReading) -> VectorInput:
    return VectorInput(reading=columns, crs=reading.crs, dates=reading.dates)
