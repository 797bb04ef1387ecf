"""Images and masks of one's own, found in folders and paired by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.naming import counted, fold_name
from glaciertime.scenes.cloud_layers import is_cloud_layer
from glaciertime.scenes.folder import RASTER_ENDINGS
from glaciertime.scenes.listing import entries

__all__ = ["Paired", "pair_by_name", "rasters_below", "role_folders"]

ENDINGS = (*RASTER_ENDINGS, ".jpg", ".jpeg")
_IMAGES = ("images", "image", "imgs", "img", "scenes", "scene", "sar_images", "pictures", "inputs", "x")
_MASKS = (
    "masks", "mask", "labels", "label", "zones", "annotations", "annotation", "gt", "groundtruth", "ground_truth",
    "segmentation", "targets", "target", "y",
)  # fmt: skip
# What the name of a mask has before or behind that of its image.
_OF_MASKS = ("mask", "masks", "label", "labels", "zones", "zone", "gt", "seg", "segmentation", "annotation", "target")
_OF_IMAGES = ("image", "img", "scene", "input", "sat")
_PARTS = ("train", "training", "val", "valid", "validation", "test", "testing")
_DEEPEST = 4


@dataclass(frozen=True)
class Paired:
    """Images with their masks.

    Attributes
    ----------
    pairs : tuple of (image, mask)
    told : tuple of str
        What was left without a partner, in sentences.
    problems : tuple of str
        A sentence for each image of which it is not certain which mask is its.
    """

    pairs: tuple[tuple[Path, Path], ...]
    told: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def role_folders(root: Path, images: str, masks: str) -> tuple[Path, Path | None]:
    """Return the folders of images and of masks: those named, or those that are called so; one may hold both.

    Raises
    ------
    DataNotFoundError
        If a folder that was named is not there.
    InputError
        If several could be meant.
    """
    for name in (images, masks):
        if name and not (root / name).is_dir():
            raise DataNotFoundError(f"{root / name} is no folder; name the folders of images and of masks below {root}")
    if not root.is_dir():
        raise DataNotFoundError(f"{root} is no folder; give the one that holds the images")
    of_images = root / images if images else _called(root, _IMAGES, "images")
    of_masks = root / masks if masks else _called(root, _MASKS, "masks")
    return of_images or root, of_masks


def _called(root: Path, names: Sequence[str], role: str) -> Path | None:
    found = [path for path in entries(root) if path.is_dir() and path.name.casefold() in names]
    if len(found) > 1:
        shown = ", ".join(sorted(path.name for path in found))
        raise InputError(f"{root}: {shown} could all hold the {role}; say which with --reader {role}={found[0].name}")
    return found[0] if found else None


def rasters_below(folder: Path, *, besides: Path | None = None) -> list[Path]:
    """Return the rasters of a folder and its sub-folders, without hidden ones, cloud layers and another folder."""
    return [path for path in sorted(_walk(folder, besides, 0)) if not is_cloud_layer(path)]


def _walk(folder: Path, besides: Path | None, depth: int) -> Iterator[Path]:
    for path in entries(folder):
        if path.name.startswith(".") or path == besides:
            continue
        if path.is_dir() and depth < _DEEPEST:
            yield from _walk(path, besides, depth + 1)
        elif path.suffix.lower() in ENDINGS and (path.is_file() or path.is_symlink()):
            # A link that leads nowhere is told where it is read.
            yield path


def pair_by_name(images_in: Path, masks_in: Path | None) -> Paired:
    """Return images with the masks that bear their names.

    A mask has the name of its image, whatever the ending, or that name with ``mask``, ``label``, ``zones``, ``gt`` or
    the like before or behind it; both may lie in one folder then. Of equal names in several sub-folders those pair
    whose sub-folders are the same.

    Raises
    ------
    DataNotFoundError
        If there is no image or no mask.
    """
    both = masks_in is None or masks_in == images_in
    files = rasters_below(images_in, besides=None if both else masks_in)
    masks = [path for path in files if _is_mask(path, images_in)] if both else rasters_below(masks_in)  # type: ignore[arg-type]
    images = [path for path in files if path not in set(masks)] if both else files
    if not images:
        raise DataNotFoundError(f"{images_in} holds no images; expected files ending in {', '.join(ENDINGS)}")
    if not masks:
        raise DataNotFoundError(
            f"{masks_in or images_in} holds no masks; put them into a folder masks beside the images, call them like "
            "the images with _mask behind the name, or give --reader outlines=FILE"
        )
    of_key: dict[str, list[Path]] = {}
    for path in masks:
        of_key.setdefault(_key(path, (*_OF_MASKS, *_OF_IMAGES)), []).append(path)
    pairs, problems, used = [], [], set()
    alone = []
    claims: dict[Path, list[Path]] = {}
    for image in images:
        found = of_key.get(_key(image, _OF_IMAGES), [])
        below = _below(image, images_in)
        near = [path for path in found if _below(path, masks_in or images_in) == below]
        # A mask of another sub-folder is of another glacier or part; one of them may have no sub-folders at all.
        near = near or [path for path in found if not below or not _below(path, masks_in or images_in)]
        used |= set(near)
        if not near:
            alone.append(image)
        elif len(near) > 1:
            names = " and ".join(path.name for path in near[:3])
            problems.append(f"{image.name}: {counted(len(near), 'masks', 'bear')} its name ({names}); keep one")
        else:
            claims.setdefault(near[0], []).append(image)
    for mask, claiming in claims.items():
        if len(claiming) == 1:
            pairs.append((claiming[0], mask))
            continue
        names = " and ".join(path.relative_to(images_in).as_posix() for path in claiming[:3])
        problems.append(
            f"{names}: {mask.name} bears the name of {counted(len(claiming), 'images')}; give each image its own mask"
        )
    pairs.sort()
    told = []
    if alone:
        told.append(
            f"{len(alone)} of {counted(len(images), 'images', 'have')} no mask ({alone[0].name}) and are left out"
        )
    if left := [path for path in masks if path not in used]:
        told.append(f"{len(left)} of {counted(len(masks), 'masks', 'have')} no image ({left[0].name}) and are left out")
    if not pairs:
        why = problems[0] if problems else told[0]
        raise InputError(
            f"{images_in}: no image has a mask of its name; {why}. A mask is called like its image, with another "
            "ending, or with _mask, _label, _zones or _gt behind the name"
        )
    return Paired(tuple(pairs), tuple(told), tuple(problems))


def part_of(path: Path, folder: Path) -> str:
    """Return the part of the data, ``train``, ``val`` or ``test``, that a sub-folder names; empty where none does."""
    words = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
    found = [part.casefold() for part in path.relative_to(folder).parts[:-1] if part.casefold() in _PARTS]
    return words.get(found[0], found[0]) if found else ""


def place_of(path: Path, folder: Path) -> str:
    """Return the sub-folder that is called after a glacier; empty where a file lies in none.

    A sub-folder that names a part of the data or a date, or holds digits alone, is none.
    """
    names = [
        part
        for part in path.relative_to(folder).parts[:-1]
        if part.casefold() not in (*_PARTS, *_IMAGES, *_MASKS)
        and not re.search(r"\d{4}", part)
        and re.search(r"[^\W\d_]", part)
    ]
    return names[-1].replace("_", " ") if names else ""


def _below(path: Path, folder: Path) -> tuple[str, ...]:
    """Return the sub-folders of a file but for those that say what it is: ``train/masks`` and ``train/images``."""
    parts = (part.casefold() for part in path.relative_to(folder).parts[:-1])
    return tuple(part for part in parts if part not in (*_IMAGES, *_MASKS))


def _words(path: Path) -> list[str]:
    return re.split(r"[-_. ]+", fold_name(path.stem))


def _is_mask(path: Path, folder: Path) -> bool:
    """Return whether a file among images is a mask: by the sub-folder that it lies in, or by its own name."""
    parts = [part.casefold() for part in path.relative_to(folder).parts[:-1]]
    role = next((part for part in reversed(parts) if part in (*_IMAGES, *_MASKS)), "")
    if role:
        return role in _MASKS
    words = _words(path)
    return len(words) > 1 and (words[0] in _OF_MASKS or words[-1] in _OF_MASKS)


def _key(path: Path, marks: Sequence[str]) -> str:
    """Return what the name of an image and that of its mask share."""
    words = _words(path)
    while len(words) > 1 and words[-1] in marks:
        words.pop()
    while len(words) > 1 and words[0] in marks:
        words.pop(0)
    return "_".join(words)
