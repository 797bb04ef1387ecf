"""Which images were named: files, folders, patterns, lists in CSV and addresses, each with the place of its output."""

from __future__ import annotations

import datetime as dt
import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import pandas as pd

from glaciertime import limits
from glaciertime.dates import Dated, read_dates
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.naming import column_key
from glaciertime.scenes.cloud_layers import AUTO, is_cloud_layer
from glaciertime.scenes.folder import RASTER_ENDINGS, named_with_date
from glaciertime.scenes.listing import below
from glaciertime.scenes.names import date_in_name
from glaciertime.scenes.remote import address, name_of
from glaciertime.walls import wall
from glaciertime.writing.marks import made_by

__all__ = ["ListedImage", "Listing", "is_several", "list_images"]

_ENDINGS = (*RASTER_ENDINGS, ".jpg", ".jpeg")
_FILE_COLUMNS = ("file", "image", "path", "url")


@dataclass(frozen=True)
class ListedImage:
    """An image that is to be segmented.

    Attributes
    ----------
    source : str
        A file, or an address.
    place : str
        Where its output goes inside the folder of outputs, without an ending, parted by ``/``.
    date : date or None
        Of acquisition, as the list or its name says.
    is_chosen : bool
        Whether it was named itself, and not found in a folder or by a pattern.
    """

    source: str
    place: str = ""
    date: dt.date | None = None
    is_chosen: bool = True

    @property
    def name(self) -> str:
        """Return the name of the file."""
        url = address(self.source)
        return Path(self.source).name if url is None else name_of(url)

    @property
    def path(self) -> Path | None:
        """Return the file; None for an address."""
        return Path(self.source) if address(self.source) is None else None


@dataclass(frozen=True)
class Listing:
    """Images, and how many of what was found was left out.

    Attributes
    ----------
    images : tuple of ListedImage
        Each once, in the order given.
    own, twice, clouds : int
        Masks of this command that lay among them, images that were named more than once, and cloud layers.
    """

    images: tuple[ListedImage, ...]
    own: int = 0
    twice: int = 0
    clouds: int = 0


def is_several(given: Sequence[str]) -> bool:
    """Return whether what was given can be more than one image, so that outputs go into a folder."""
    return len(given) != 1 or _kind(given[0]) != "image"


def _kind(text: str) -> str:
    if address(text) is not None:
        return "image"
    path = Path(text)
    if path.is_dir():
        return "folder"
    if path.suffix.lower() == ".csv":
        return "list"
    return "pattern" if not path.exists() and glob.has_magic(text) else "image"


def list_images(given: Sequence[str], *, mark: str, outputs: Path | None = None, clouds: str = AUTO) -> Listing:
    """Return every image that was named, once.

    Parameters
    ----------
    given : sequence of str
        Files; folders, with those inside them; patterns such as ``scenes/*.tif``; CSV files with a column ``file`` (and
        ``date``), whose names are those beside the CSV; addresses.
    mark : str
        Of the command: what it made itself is no input where it is found in a folder or by a pattern.
    outputs : Path, optional
        A folder that what is found in it is left out of.
    clouds : str
        How cloud layers are called: those found beside images are theirs and no images.

    Raises
    ------
    DataNotFoundError
        If a folder or a pattern holds no image.
    InputError
        If a list cannot be read.
    """
    found: list[tuple[ListedImage, Path | None]] = []
    own = layers = 0
    is_own = made_by(mark)
    for text in given:
        kind = _kind(text)
        if kind == "list":
            found += [(image, None) for image in _in_list(Path(text))]
        elif kind == "image":
            found.append((ListedImage(text), None))
        else:
            root = Path(text) if kind == "folder" else _root_of(text)
            there = [path for path in _in_folder(text, kind) if not _is_inside(path, outputs, root)]
            kept = [path for path in there if not is_own(path)]
            own += len(there) - len(kept)
            if not kept:
                raise DataNotFoundError(
                    f"{text}: no image is found there; expected files ending in {', '.join(_ENDINGS)}"
                )
            images_there = [path for path in kept if not is_cloud_layer(path, clouds)] or kept
            layers += len(kept) - len(images_there)
            found += [(ListedImage(str(path), is_chosen=False), root) for path in images_there]
    once: dict[str, tuple[ListedImage, Path | None]] = {}
    for image, above in found:
        file = image.path
        once.setdefault(image.source if file is None else os.path.realpath(file), (image, above))
    images = [
        replace(image, place=place, date=image.date or _date_of(image))
        for (image, _), place in zip(once.values(), _places(list(once.values())), strict=True)
    ]
    return Listing(tuple(images), own=own, twice=len(found) - len(once), clouds=layers)


def _in_folder(text: str, kind: str) -> Iterator[Path]:
    if kind == "pattern":
        paths = [Path(path) for path in sorted(glob.glob(text, recursive=True))]
        limits.check("files", len(paths), text, advice="give fewer")
    else:
        paths = sorted(below(Path(text), "*"))
    for path in paths:
        inner = path.relative_to(text).parts if kind == "folder" else (path.name,)
        if path.suffix.lower() in _ENDINGS and not any(part.startswith(".") for part in inner) and path.is_file():
            yield path


def _root_of(pattern: str) -> Path:
    """Return the folder that a pattern begins in."""
    plain = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        plain.append(part)
    return Path(*plain)


def _is_inside(path: Path, folder: Path | None, root: Path) -> bool:
    """Return whether a file lies in the folder of outputs, where that is not the folder looked into."""
    if folder is None or os.path.realpath(folder) == os.path.realpath(root):
        return False
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _in_list(path: Path) -> list[ListedImage]:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataNotFoundError(f"{path} cannot be read: {error.strerror}; give a list of images") from error
    limits.check("table-mb", size / 1e6, path.name)
    with wall(f"{path} is not a CSV table in UTF-8", "give one with the columns file and, if known, date"):
        first = path.read_text(encoding="utf-8-sig").partition("\n")[0]
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8-sig", sep=max(",;\t", key=first.count)
        )
    table.columns = pd.Index([column_key(column) for column in table.columns])
    column = next((name for name in _FILE_COLUMNS if name in table), None)
    if column is None:
        raise InputError(f"{path}: the column file is missing, it has {', '.join(table.columns[:8])}")
    names = table[column].str.strip()
    if not len(table) or (names == "").all():
        raise InputError(f"{path} names no image in its column {column}")
    days: list[dt.date | None] = [None] * len(table)
    if "date" in table:
        given = table["date"].str.strip()
        rows = read_dates(given.where(given != "", None), where=f"{path.name}, column date").rows
        for at, (row, text) in enumerate(zip(rows, given, strict=True)):
            if isinstance(row, Dated):
                days[at] = row.date
            elif text:
                raise InputError(f"{path}, row {at + 2}: {row}")
    return [
        ListedImage(name if address(name) is not None else str(path.parent / name), date=day)
        for name, day in zip(names, days, strict=True)
        if name
    ]


def _date_of(image: ListedImage) -> dt.date | None:
    try:
        path = image.path
        dated = date_in_name(image.name if path is None else named_with_date(path))
    except InputError:  # several dates, or one that can mean two days: the image is as good without
        return None
    return dated.date if isinstance(dated, Dated) and not dated.flags else None


def _places(images: list[tuple[ListedImage, Path | None]]) -> list[str]:
    """Return where each output goes: as in the folder that was given, and where names meet, with what parts them."""
    stems = [_stem(image, root) for image, root in images]
    met = _met(stems)
    if met:
        # Files of one name from several folders keep the folders in which they differ.
        sources = [str(image.path.resolve()) if image.path is not None else image.source for image, _ in images]
        parts = [Path(source).parts for source in sources]
        levels = zip(*(each[:-1] for each in parts), strict=False)
        common = len(list(takewhile(lambda level: len(set(level)) == 1, levels)))
        for at in met:
            if images[at][0].path is not None:
                stems[at] = "/".join([*parts[at][common:-1], Path(parts[at][-1]).stem])
    for at in _met(stems):
        ending = Path(images[at][0].name).suffix.lstrip(".").lower()
        stems[at] = f"{stems[at]}_{ending}" if ending else stems[at]
    while met := _met(stems):
        for number, at in enumerate(met, start=1):
            stems[at] = f"{stems[at]}_{number}"
    return stems


def _stem(image: ListedImage, root: Path | None) -> str:
    path = image.path
    if root is None or path is None:
        return Path(image.name).stem
    return path.relative_to(root).with_suffix("").as_posix()


def _met(stems: list[str]) -> list[int]:
    """Return which names are those of another, on a system that knows no capitals too."""
    folded = [stem.casefold() for stem in stems]
    counts = Counter(folded)
    return [at for at, name in enumerate(folded) if counts[name] > 1]
