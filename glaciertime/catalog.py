"""The catalog: what is known of a glacier and of a data set before any image is opened.

One YAML file per glacier or data set, in ``data_manifests`` (installed with the package) or given by the user.
A glacier has names, a coordinate system, a box, and where known a fjord, a centreline and sources in order of
preference; a data set has a citation, a licence and files to download with their checksums.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import pyproj
import shapely
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from glaciertime import limits
from glaciertime.documents import read_yaml
from glaciertime.errors import DataNotFoundError, InputError, UsageError, nearest_names
from glaciertime.front_kinds import front_kind
from glaciertime.naming import fold_name, other_spellings
from glaciertime.rgi_regions import REGIONS
from glaciertime.units import crs_on_earth

__all__ = [
    "TEMPLATE",
    "Catalog",
    "DataFile",
    "DataSet",
    "FrontPeriod",
    "Glacier",
    "Line",
    "Region",
    "Source",
    "catalog_with",
    "is_surging",
    "load_catalog",
    "manifest_folder",
    "own_manifests",
    "read_manifest",
]

_NAMES_SHOWN = 20

Coordinates = Annotated[list[tuple[float, float]], Field(min_length=2)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Region(_Entry):
    """A polygon in the glacier's coordinate system, and where it comes from."""

    coordinates: Annotated[list[tuple[float, float]], Field(min_length=4)]
    drawn_by: str

    @property
    def polygon(self) -> shapely.Polygon:
        """The polygon."""
        return shapely.Polygon(self.coordinates)

    @model_validator(mode="after")
    def _is_valid(self) -> Region:
        if not self.polygon.is_valid:
            raise ValueError(f"the polygon is not simple: {shapely.is_valid_reason(self.polygon)}")
        return self


class Line(_Entry):
    """A centreline in the glacier's coordinate system, from inland to the sea, and where it comes from."""

    coordinates: Coordinates
    drawn_by: str

    @property
    def linestring(self) -> shapely.LineString:
        """The line; distance along it grows towards the sea."""
        return shapely.LineString(self.coordinates)


class FrontPeriod(_Entry):
    """What the fronts of a source are made of between two dates, both included; without one, for all time."""

    front_of: str = Field(alias="is")
    since: dt.date | None = Field(default=None, alias="from")
    until: dt.date | None = None

    @field_validator("since", "until", mode="before")
    @classmethod
    def _is_a_day(cls, value: object) -> object:
        if value is None or (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
            return value
        raise ValueError(f"'{value}' is no day; write it as 2002-03-15")

    @field_validator("front_of")
    @classmethod
    def _is_known(cls, word: str) -> str:
        try:
            return front_kind(word)
        except InputError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _is_in_order(self) -> FrontPeriod:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError(f"from {self.since} lies after until {self.until}")
        return self

    def holds(self, date: dt.date) -> bool:
        """Return whether a date lies in it."""
        return (self.since is None or self.since <= date) and (self.until is None or date <= self.until)


class Source(_Entry):
    """One place a glacier's scenes can come from.

    ``path`` is relative to the folder of data that the user names. ``layer``, ``boxes_layer`` and
    ``centreline_layer`` name layers of a vector file; ``code`` is the glacier's name inside the source.
    """

    dataset: str
    format: Literal["outlines", "traces", "caffe", "masks", "images", "landsat-fronts", "simulation"]
    path: str = ""
    layer: str = ""
    boxes_layer: str = ""
    centreline_layer: str = ""
    #: Whether the centreline of the source runs from the sea inland and has to be turned round.
    centreline_runs_inland: bool = False
    code: str = ""
    #: One standard deviation of the position of a boundary that was drawn, and of the image it was drawn on.
    delineation_sigma_m: float | None = Field(default=None, gt=0)
    georeferencing_sigma_m: float | None = Field(default=None, ge=0)
    resolution_m: float | None = Field(default=None, gt=0)
    flags: dict[str, str] = Field(default_factory=dict)
    #: What its fronts are made of: one word, or periods, between which it is not known.
    front_of: tuple[FrontPeriod, ...] = ()

    @field_validator("front_of", mode="before")
    @classmethod
    def _is_a_word_or_periods(cls, value: object) -> object:
        return [{"is": value}] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _periods_are_apart(self) -> Source:
        periods = sorted(self.front_of, key=lambda period: period.since or dt.date.min)
        for earlier, later in pairwise(periods):
            if earlier.until is None or later.since is None or later.since <= earlier.until:
                raise ValueError(
                    f"front_of says twice of some days what the front is ({earlier.front_of}, {later.front_of}); give "
                    "every period its from and until"
                )
        return self

    def front_on(self, date: dt.date) -> str:
        """Return what a front of a date is made of; empty where that is not known."""
        return next((period.front_of for period in self.front_of if period.holds(date)), "")


class Glacier(_Entry):
    """A glacier as the catalog knows it. All coordinates are in ``crs``."""

    kind: Literal["glacier"] = "glacier"
    name: str
    aliases: tuple[str, ...] = ()
    region: str = ""
    #: First or first and second order region of the RGI, such as 11 or 11-01.
    rgi_region: str = ""
    hemisphere: Literal["north", "south"] | None = None
    terminus_type: Literal["ice shelf", "tidewater", "land"] | None = None
    #: Whether the glacier is known to surge (see :func:`is_surging`): no advance of it is called an error.
    surging: bool = False
    crs: str | None = None
    box: tuple[float, float, float, float] | None = None
    fjord: Region | None = None
    centreline: Line | None = None
    notes: str = ""
    sources: tuple[Source, ...] = ()

    @field_validator("rgi_region")
    @classmethod
    def _is_a_region(cls, value: str) -> str:
        if value and value not in REGIONS:
            raise ValueError(f"'{value}' is no region of the RGI; write 11, or 11-01")
        return value

    @field_validator("crs")
    @classmethod
    def _crs_exists(cls, value: str | None) -> str | None:
        if value is not None:
            crs_on_earth(value, what=f"'{value}'")
        return value

    @model_validator(mode="after")
    def _geometry_has_a_crs(self) -> Glacier:
        if self.crs is None and (self.box or self.fjord or self.centreline):
            raise ValueError("box, fjord and centreline are coordinates: name their coordinate system in 'crs'")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError(f"box is x_min, y_min, x_max, y_max in {self.crs}; given {list(self.box)}")
        return self

    @property
    def box_polygon(self) -> shapely.Polygon | None:
        """The box as a polygon."""
        return None if self.box is None else shapely.box(*self.box)

    @property
    def projection(self) -> pyproj.CRS | None:
        """The coordinate system."""
        return None if self.crs is None else pyproj.CRS.from_user_input(self.crs)


def is_surging(code: object) -> bool:
    """Return whether an attribute ``Surging`` (RGI 5, 6) or ``surge_type`` (RGI 7) speaks of a surge.

    0 is no evidence, 1 a possible, 2 a probable and 3 an observed surge, 9 unknown. A possible one counts: a surge
    that is taken for an error is lost, an error on such a glacier is seen in the record.

    Examples
    --------
    >>> [is_surging(code) for code in (0, 1, "3", 2.0, 9, None, "")]
    [False, True, True, True, False, False, False]
    """
    try:
        return int(float(str(code))) in (1, 2, 3)
    except (ValueError, OverflowError):
        return False


class DataFile(_Entry):
    """One file of a data set: where it is downloaded from and what it must then be."""

    url: str
    #: Where it goes, relative to the folder of downloads.
    path: str
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    md5: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    size_bytes: int | None = Field(default=None, gt=0)
    #: Whether it is a zip archive whose content is what is wanted.
    unpack: bool = False

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, url: str) -> str:
        if not re.match(r"https?://[^/\s]", url):
            raise ValueError(f"'{url[:200]}': an address that begins with https:// or http:// expected")
        return url

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = re.split(r"[/\\]", path)
        if "\\" in path or ":" in path or not path.isprintable() or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"'{path[:200]}': a path inside the folder of downloads expected, such as set/file.zip")
        return path


class DataSet(_Entry):
    """A data set: citation, licence, files, and how to get it where no direct download exists."""

    kind: Literal["dataset"]
    name: str
    aliases: tuple[str, ...] = ()
    title: str
    citation: str
    doi: str = ""
    licence: str
    #: What has to be done by hand, where a file cannot be downloaded without an account.
    by_hand: str = ""
    files: tuple[DataFile, ...] = ()


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
            raise UsageError(f"{len(bearers)} glaciers are called '{name}'; name one by its number: {_some(bearers)}")
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
    package = Path(__file__).resolve().parent
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
