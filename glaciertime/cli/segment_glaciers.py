"""Images of several glaciers for ``glaciertime segment``: a folder of each, in the folder that was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.naming import counted, fold_name

if TYPE_CHECKING:
    from glaciertime.pipeline.selection import Chosen
    from glaciertime.scenes.image_listing import ListedImage, Listing

__all__ = ["images_of_glaciers"]

_SHOWN = 5


def images_of_glaciers(
    given: Sequence[str], chosen: Chosen, *, are_named: bool, mark: str, outputs: Path, clouds: str
) -> tuple[Listing, list[str], dict[str, str]]:
    """Return the images of glaciers, each with its output in a folder of its glacier.

    The images of a glacier lie where its manifest says (``format: images``), below the folder given, else in the folder
    there that is called like it.

    Parameters
    ----------
    given : sequence of str
        One folder.
    chosen : Chosen
    are_named : bool
        Whether each was named: then it is a failure where one has no images.
    mark, outputs, clouds
        As of :func:`~glaciertime.scenes.image_listing.list_images`.

    Returns
    -------
    Listing
    list of str
        What is to be said.
    dict
        Why there are no images of a glacier, by its name.

    Raises
    ------
    UsageError
        Where no folder is given.
    DataNotFoundError
        Where it holds no images of any of them.
    """
    from glaciertime.scenes.image_listing import Listing, list_images
    from glaciertime.writing.targets import file_names

    root = Path(given[0])
    if len(given) != 1 or not root.is_dir():
        raise UsageError(
            f"{' '.join(given)}: of chosen glaciers one folder is expected, with a folder of images of each in it"
        )
    inside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    stems = {name: Path(file).stem for name, file in file_names(chosen.names, ".tif").items()}
    called, doubtful = _by_name(inside, chosen)
    listings: list[Listing] = []
    failed: dict[str, str] = {}
    whose: dict[Path, str] = {}
    without: list[str] = []
    for name in chosen.names:
        try:
            folder = _folder_of(name, chosen, root, called)
            if folder is None:
                without.append(name)
                continue
            if folder in whose:
                raise InputError(f"{name}: its images would be those of {whose[folder]}, in {folder}")
            whose[folder] = name
            found = list_images([str(folder)], mark=mark, outputs=outputs, clouds=clouds)
        except (DataNotFoundError, InputError) as error:
            failed[name] = str(error)
            continue
        listings.append(replace(found, images=tuple(_placed(found, stems[name]))))
    if are_named:
        failed |= {
            name: f"{name}: no folder in {root} is called like it, nor named by its manifest" for name in without
        }
    if not listings:
        reason = next(iter([*doubtful, *failed.values()]), f"its folders are {_listed([path.name for path in inside])}")
        raise DataNotFoundError(
            f"{root} holds no images of {chosen.label} ({reason}); give each a folder of its name, or its manifest"
        )
    said = [*doubtful, f"{counted(len(listings), 'glaciers')} with images in {root}"]
    if without and not are_named:
        said.append(f"of {counted(len(without), 'glaciers')} there are no images; left out ({_listed(without)})")
    others = [path.name for path in inside if not any(path == folder or path in folder.parents for folder in whose)]
    if others:
        said.append(f"{counted(len(others), 'folders')} of no chosen glacier; left out ({_listed(others)})")
    images = tuple(image for found in listings for image in found.images)
    sums = {name: sum(getattr(found, name) for found in listings) for name in ("own", "twice", "clouds")}
    return Listing(images, **sums), said, failed


def _placed(found: Listing, folder: str) -> list[ListedImage]:
    return [replace(image, place=f"{folder}/{image.place}") for image in found.images]


def _folder_of(name: str, chosen: Chosen, root: Path, called: dict[str, list[Path]]) -> Path | None:
    """Return the folder of a glacier's images; None where there is none."""
    entry = chosen.known.entry(name)
    told = [root / source.path for source in (entry.sources if entry else ()) if source.format == "images"]
    there = [folder for folder in dict.fromkeys(told) if folder.is_dir() and folder.resolve() != root.resolve()]
    if not there:
        there = called.get(name, [])
    if len(there) > 1:
        raise InputError(f"{name}: {_listed([str(folder) for folder in there])} are called like it; leave one of them")
    return there[0] if there else None


def _by_name(inside: Sequence[Path], chosen: Chosen) -> tuple[dict[str, list[Path]], list[str]]:
    """Return the folders by the chosen glacier that they are called like, and what is said of names of several."""
    names = {fold_name(name): name for name in chosen.names}
    found: dict[str, list[Path]] = {}
    told: list[str] = []
    for folder in inside:
        try:
            name = chosen.catalog.glacier(folder.name).name
        except UsageError as error:
            name = names.get(fold_name(folder.name), "")
            told += [f"{folder}: {error}"] if "glaciers are called" in str(error) and not name else []
        found.setdefault(name, []).append(folder)
    return found, told


def _listed(names: Sequence[str]) -> str:
    return (", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")) or "none"
