"""Glaciers and data sets by any of their names, and the manifests that they are read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from glaciertime import limits
from glaciertime.catalog.entries import DataSet, Glacier
from glaciertime.documents import read_yaml
from glaciertime.errors import DataNotFoundError, InputError, UsageError, nearest_names
from glaciertime.naming import counted, fold_name, other_spellings

__all__ = [
    "TEMPLATE",
    "Catalog",
    "catalog_with",
    "load_catalog",
    "manifest_folder",
    "own_manifests",
    "read_manifest",
]

_NAMES_SHOWN = 20

TEMPLATE = """\
# A glacier of your own. Only the name is needed, and only it is live: take the "# " away in front of what you know, and
# put your numbers in place of those of the example, which lies in Greenland.
name: My Glacier

# aliases: [Other Name]
# region: West Greenland
# rgi_region: 05-01            # first, or first and second order region of the RGI
# hemisphere: north            # north or south: which months are winter
# terminus_type: tidewater     # ice shelf, tidewater or land

# crs: EPSG:3413               # of all coordinates below
# box: [-205000, -2283000, -179000, -2263000]   # x_min, y_min, x_max, y_max: areas are measured inside
# fjord:                       # only a front inside it is a calving front
#   drawn_by: your name
#   coordinates: [[-205000, -2283000], [-179000, -2283000], [-179000, -2263000], [-205000, -2263000]]
# centreline:                  # from inland to the sea
#   drawn_by: your name
#   coordinates: [[-180000, -2273000], [-204000, -2273000]]

# stac: https://earth-search.aws.element84.com/v1   # where glaciertime scenes looks for it

# sources:                     # used when the folder given with --data holds them; the first found wins
#   - dataset: my masks
#     format: masks            # outlines, traces, caffe, masks or images
#     path: my_glacier/masks
#     front_of: calving front  # or tongue, mélange edge, shelf; or periods, which are never joined into one series:
#     # front_of: [{until: 1995-01-31, is: shelf}, {from: 1995-03-15, is: calving front}]
"""


class Catalog:
    """Glaciers and data sets by any of their names.

    Parameters
    ----------
    glaciers : iterable of Glacier
    datasets : iterable of DataSet
    inventoried : iterable of Glacier
        Of inventories, in which several may bear one name: such a name stands for none of them, and each is called by
        its identifier. What a manifest names is not named by an inventory.
    shared : mapping of name to identifiers
        Names that several glaciers of one inventory bear.
    """

    def __init__(
        self,
        glaciers: Iterable[Glacier],
        datasets: Iterable[DataSet],
        *,
        inventoried: Iterable[Glacier] = (),
        shared: Mapping[str, list[str]] | None = None,
    ) -> None:
        self.glaciers = {glacier.name: glacier for glacier in glaciers}
        self.datasets = {dataset.name: dataset for dataset in datasets}
        self._glacier_names = _by_name(self.glaciers.values())
        self._dataset_names = _by_name(self.datasets.values())
        self._shared = {fold_name(name): list(bearers) for name, bearers in (shared or {}).items()}
        self._take_in(list(inventoried))

    def _take_in(self, inventoried: list[Glacier]) -> None:
        bearers: dict[str, list[str]] = {}
        for entry in inventoried:
            if fold_name(entry.name) in self._glacier_names:
                raise InputError(
                    f"the name '{entry.name}' belongs to a glacier of an inventory and to another of a manifest or an "
                    "inventory; give one of them"
                )
            self.glaciers[entry.name] = entry
            self._glacier_names[fold_name(entry.name)] = entry.name
            for alias in entry.aliases:
                bearers.setdefault(fold_name(alias), []).append(entry.name)
        for name, entries in bearers.items():
            if len(entries) == 1 and name not in self._shared:
                self._glacier_names.setdefault(name, entries[0])
            else:
                self._shared[name] = [*self._shared.get(name, ()), *entries]

    def glacier(self, name: str) -> Glacier:
        """Return the glacier of that name or alias, upper and lower case alike.

        Raises
        ------
        UsageError
            For an unknown name, the nearest known ones are offered; and for one that several glaciers bear.
        """
        found = self._glacier_names.get(fold_name(name))
        if found is None and fold_name(name) in self._shared:
            bearers = self._shared[fold_name(name)]
            raise UsageError(
                f"{counted(len(bearers), 'glaciers', 'are')} called '{name}'; name one by its number: {_some(bearers)}"
            )
        if found is None:
            raise UsageError(
                f"unknown glacier '{name}'{_did_you_mean(name, self._all_names(self.glaciers.values()))}; known are "
                f"{_some(sorted(self.glaciers))}. For a glacier of your own give --manifest FILE "
                "(glaciertime catalog --template prints one)"
            )
        return self.glaciers[found]

    def dataset(self, name: str) -> DataSet:
        """Return the data set of that name or alias, upper and lower case alike.

        Raises
        ------
        UsageError
            For an unknown name; the nearest known ones are offered.
        """
        found = self._dataset_names.get(fold_name(name))
        if found is None:
            raise UsageError(
                f"unknown data set '{name}'{_did_you_mean(name, self._all_names(self.datasets.values()))}; known are "
                f"{', '.join(sorted(self.datasets))}"
            )
        return self.datasets[found]

    def dataset_name(self, name: str) -> str:
        """Return the name of the data set that a name or alias stands for; an unknown one is returned as it is."""
        return self._dataset_names.get(fold_name(name), name)

    @staticmethod
    def _all_names(entries: Iterable[Glacier | DataSet]) -> list[str]:
        return [name for entry in entries for name in (entry.name, *entry.aliases)]


def _by_name(entries: Iterable[Glacier | DataSet]) -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in entries:
        for name in (entry.name, *entry.aliases):
            other = names.setdefault(fold_name(name), entry.name)
            if other != entry.name:
                raise InputError(f"the name '{name}' belongs to two manifests, {other} and {entry.name}; rename one")
    return names


def _some(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = other_spellings(name, known := list(known)) or nearest_names(name, known)
    return f", did you mean {' or '.join(near)}?" if near else ""


def manifest_folder() -> Path:
    """Return the folder of the manifests: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "data_manifests"
    return inside if inside.is_dir() else package.parent / "data_manifests"


def read_manifest(path: Path) -> Glacier | DataSet:
    """Read and check one manifest.

    Raises
    ------
    DataNotFoundError
        Where there is no such file.
    InputError
        Where it is not YAML, or a field is unknown, missing or of the wrong form; the message names the field.
    """
    content = read_yaml(path, what=f"manifest {path}", remedy="glaciertime catalog --template prints an example")
    if not isinstance(content, dict):
        raise InputError(f"manifest {path} holds no fields; glaciertime catalog --template prints an example")
    model = DataSet if content.get("kind") == "dataset" else Glacier
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(
            f"manifest {path}, field {where}: {first['msg']}; glaciertime catalog --template prints an example"
        ) from error


@lru_cache(maxsize=8)
def load_catalog(manifests: tuple[Path, ...] = ()) -> Catalog:
    """Return the catalog of the package, with the user's own manifests before it.

    Parameters
    ----------
    manifests : tuple of Path
        Files of the user, or folders of them; one that bears the name of a catalog entry replaces it.
    """
    return catalog_with([entry for _, entry in own_manifests(manifests)])


def catalog_with(own: Sequence[Glacier | DataSet]) -> Catalog:
    """Return the catalog of the package, with some entries before it that replace those of their names."""
    replaced = {entry.name for entry in own}
    entries = [*own, *(entry for entry in _shipped() if entry.name not in replaced)]
    return Catalog(
        [entry for entry in entries if isinstance(entry, Glacier)],
        [entry for entry in entries if isinstance(entry, DataSet)],
    )


@lru_cache(maxsize=1)
def _shipped() -> tuple[Glacier | DataSet, ...]:
    return tuple(read_manifest(path) for path in sorted(manifest_folder().glob("*.yaml")))


def own_manifests(manifests: Iterable[Path]) -> list[tuple[Path, Glacier | DataSet]]:
    """Return the entries of the user's manifests with their files: of files, and of all YAML files of folders.

    Raises
    ------
    DataNotFoundError
        Where there is no such file, or a folder holds none.
    InputError
        Where one cannot be read, or two bear one name.
    """
    files: list[Path] = []
    for given in manifests:
        if not given.is_dir():
            files.append(given)
            continue
        inside = sorted(path for path in given.iterdir() if path.suffix.lower() in (".yaml", ".yml"))
        inside = [path for path in inside if path.is_file() and not path.name.startswith(".")]
        limits.check("files", len(inside), str(given))
        if not inside:
            raise DataNotFoundError(f"{given} holds no manifest; glaciertime catalog --template prints one")
        files += inside
    found = [(path, read_manifest(path)) for path in dict.fromkeys(files)]
    seen: dict[str, Path] = {}
    for path, entry in found:
        other = seen.setdefault(entry.name, path)
        if other is not path:
            raise InputError(f"the name '{entry.name}' belongs to two manifests, {other} and {path}; rename one")
    return found
