"""Which glaciers a command is for: named, all, those of a region, of manifests, of an inventory of outlines.

One selection for all commands. :func:`choose_held` chooses among the glaciers that an archive holds, for commands that
read results; :func:`choose_known` among those of the catalog, for commands that make them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from glaciertime.archive import Archive
from glaciertime.catalog import Catalog, DataSet, Glacier, catalog_with, load_catalog, own_manifests
from glaciertime.errors import DataNotFoundError, UsageError
from glaciertime.naming import counted, fold_name
from glaciertime.pipeline.regions import Region, places_held, region_named
from glaciertime.record import GlacierRecord, held_name
from glaciertime.scenes.inventory import Inventory, Outline, read_inventory

__all__ = ["Chosen", "Known", "Selection", "choose_held", "choose_known", "read_known"]

_SHOWN = 5
#: So many glaciers' rows are read at a time where all are read one after the other.
_AHEAD = 100


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was asked for: at most one of ``glaciers``, ``every`` and ``region``.

    With none of them, all glaciers of the manifests and inventories that are given.
    """

    glaciers: tuple[str, ...] = ()
    every: bool = False
    #: The name or the number of a region, or a file of polygons.
    region: str = ""
    #: Files, or folders of them.
    manifests: tuple[Path, ...] = ()
    #: Files of outlines.
    rgi: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        given = [
            name
            for name, is_given in (
                ("--glacier", bool(self.glaciers)), ("--all", self.every), ("--region", bool(self.region)),
            )
            if is_given
        ]  # fmt: skip
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} say each which glaciers are meant; give one of them")

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was said."""
        return not (self.glaciers or self.every or self.region or self.manifests or self.rgi)


@dataclass(frozen=True)
class Known:
    """The catalog with the user's manifests and inventories, and which file each glacier is from."""

    catalog: Catalog
    manifests: dict[str, Path] = field(default_factory=dict)
    datasets: tuple[Path, ...] = ()
    inventories: tuple[Inventory, ...] = ()

    @property
    def own(self) -> list[str]:
        """The glaciers of the user's manifests and inventories."""
        return [*self.manifests, *(name for inventory in self.inventories for name in inventory.outlines)]

    def entry(self, name: str) -> Glacier | None:
        """Return a glacier by its name in the catalog, of an inventory with its line; None for one not known."""
        inventory = self.inventory_of(name)
        return inventory.entry(name) if inventory is not None else self.catalog.glaciers.get(name)

    def inventory_of(self, name: str) -> Inventory | None:
        """Return the inventory that a glacier is from."""
        return next((inventory for inventory in self.inventories if name in inventory.outlines), None)

    def outline_of(self, name: str) -> Outline | None:
        """Return the outline of a glacier of an inventory, by any of its names; None for one that is in none."""
        known = self._called(name)
        inventory = None if known is None else self.inventory_of(known)
        return None if inventory is None or known is None else inventory.outlines[known]

    def point_of(self, name: str) -> tuple[float, float] | None:
        """Return a point that stands for a glacier, by any of its names; see :meth:`point`."""
        known = self._called(name)
        return None if known is None else self.point(known)

    def _called(self, name: str) -> str | None:
        try:
            return self.catalog.glacier(name).name
        except UsageError:
            return None

    def manifests_of(self, name: str) -> tuple[Path, ...]:
        """Return the files that tracking a glacier rests on: its manifest, and those of data sets."""
        own = self.manifests.get(name)
        return (*((own,) if own is not None else ()), *self.datasets)

    def point(self, name: str) -> tuple[float, float] | None:
        """Return a point (longitude, latitude) that stands for a glacier; None where nothing says where it lies.

        Of an outline a point inside it; else the middle of the fjord, the box or the centreline of the manifest.
        """
        inventory = self.inventory_of(name)
        if inventory is not None:
            inside = inventory.outlines[name].geometry.representative_point()
            return inside.x, inside.y
        return _point(self.catalog.glaciers[name]) if name in self.catalog.glaciers else None


@dataclass(frozen=True)
class Chosen:
    """The glaciers that were chosen, by name, and what was assumed in choosing them."""

    names: tuple[str, ...]
    known: Known
    #: What they are together, for a person and for the name of a file: ``all glaciers of a.gpkg``, ``Central Europe``.
    label: str
    notes: tuple[str, ...] = ()
    #: How many glaciers the selection speaks of, where more are known than the archive holds; else their own number.
    of: int = 0
    #: Names of those that are known and not held.
    missing: tuple[str, ...] = ()
    #: Whether several may be meant, so that what fails of one is a row and does not stop the others.
    is_many: bool = True

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog that knows them."""
        return self.known.catalog

    def records(self, archive: Archive, *, ahead: Sequence[str] = ()) -> Iterator[GlacierRecord]:
        """Yield the record of each, one after the other: what one costs does not grow with how many there are.

        Tables named in ``ahead``, that have a column ``glacier``, are read for some hundred glaciers at a time: a
        fraction of what it costs to ask for each.
        """
        for start in range(0, len(self.names), _AHEAD):
            some = self.names[start : start + _AHEAD]
            held = {name: archive.read(name, glacier=some) for name in ahead} if len(some) > 1 else {}
            of_each = {name: dict(list(rows.groupby("glacier", sort=False))) for name, rows in held.items()}
            for glacier in some:
                read = {
                    name: of_each[name].get(glacier, rows.iloc[:0]).reset_index(drop=True)
                    for name, rows in held.items()
                }
                yield GlacierRecord(archive, glacier, catalog=self.known.catalog, read=read)


def read_known(manifests: tuple[Path, ...], rgi: tuple[Path, ...]) -> Known:
    """Return the catalog with manifests and inventories of the user.

    Raises
    ------
    GlacierTimeError
        Where one of them cannot be read, or a number stands for two glaciers.
    """
    own = own_manifests(manifests)
    base = catalog_with([entry for _, entry in own]) if own else load_catalog()
    inventories = tuple(read_inventory(path) for path in dict.fromkeys(rgi))
    catalog = base
    if inventories:
        inventoried = [entry for inventory in inventories for entry in inventory.entries()]
        shared: dict[str, list[str]] = {}
        for inventory in inventories:
            for name in inventory.shared_names:
                shared.setdefault(name, []).extend(inventory.glacier_called(name))
        catalog = Catalog(
            base.glaciers.values(), base.datasets.values(), inventoried=inventoried, shared=shared
        )  # fmt: skip
    return Known(
        catalog,
        {entry.name: path for path, entry in own if not isinstance(entry, DataSet)},
        tuple(path for path, entry in own if isinstance(entry, DataSet)),
        inventories,
    )


def choose_known(selection: Selection, *, named_elsewhere: bool = False) -> Chosen:
    """Return the glaciers of the catalog that a selection means.

    Parameters
    ----------
    selection : Selection
    named_elsewhere : bool
        Let names pass that the catalog does not know: data of the user may know them.

    Raises
    ------
    UsageError
        Where nothing is selected, or a name or a region is unknown; the nearest known ones are offered.
    """
    if selection.is_empty:
        raise UsageError(
            "name a glacier with --glacier NAME, or give --all, --region NAME or --rgi FILE; glaciertime catalog lists "
            "those that are known"
        )
    known = read_known(selection.manifests, selection.rgi)
    notes = _notes(known)
    if selection.glaciers:
        names = tuple(dict.fromkeys(_known_name(known.catalog, name, named_elsewhere) for name in selection.glaciers))
        return Chosen(names, known, _listed(names), notes, of=len(names), is_many=len(names) > 1)
    if selection.region:
        region = region_named(selection.region, known)
        inside, told = _in_region(region, sorted(known.catalog.glaciers), known)
        if not inside:
            raise UsageError(f"no glacier of the catalog lies in {region.label}{region.why_none(known)}")
        return Chosen(inside, known, region.label, (*notes, *told, region.rule), of=len(inside))
    every = sorted(known.catalog.glaciers)
    names = tuple(every) if selection.every else tuple(dict.fromkeys(known.own))
    whole = (
        f"all {counted(len(names), 'glaciers')} of the catalog"
        if selection.every
        else f"all {len(names)} of {_files(selection)}"
    )
    return Chosen(names, known, whole, (*notes, f"chosen: {whole}"), of=len(names))


def choose_held(selection: Selection, archive: Archive, *, all_unless_told: bool = False) -> Chosen:
    """Return the glaciers of an archive that a selection means.

    Parameters
    ----------
    selection : Selection
    archive : Archive
        One that is there.
    all_unless_told : bool
        Let a selection of nothing be one of all.

    Raises
    ------
    UsageError
        Where nothing is selected, or a region is unknown.
    DataNotFoundError
        For a name, or a whole selection, that the archive holds nothing of; the nearest held names are offered.
    """
    if selection.is_empty and not all_unless_told:
        raise UsageError(
            "name a glacier with --glacier NAME, or give --all, --region NAME or --rgi FILE; the archive says what it "
            f"holds: glaciertime archive info {archive.path}"
        )
    known = read_known(selection.manifests, selection.rgi)
    if selection.glaciers:
        names = tuple(
            dict.fromkeys(held_name(archive, name, catalog=known.catalog) for name in selection.glaciers)
        )  # fmt: skip
        return Chosen(names, known, _listed(names), _notes(known), of=len(names), is_many=len(names) > 1)
    held = archive.glaciers()
    if not held:
        raise DataNotFoundError(
            f"the archive {archive.path} holds no glacier; run glaciertime track or glaciertime import first"
        )
    if selection.every or selection.is_empty:
        whole = f"all {counted(len(held), 'glaciers')} of {archive.path.name}"
        said = (f"chosen: {whole}",) if selection.every else ()
        return Chosen(tuple(held), known, whole, (*_notes(known), *said), of=len(held))
    by_fold = {fold_name(name): name for name in held}
    if not selection.region:
        return _of_files(selection, known, by_fold, archive)
    region = region_named(selection.region, known, held=held)
    placed = places_held(region, held, archive, known)
    inside, told = _in_region(region, held, known, placed)
    own = [name for name in dict.fromkeys(known.own) if not _held_as(name, known.catalog, by_fold)]
    missing, _ = _in_region(region, own, known)
    if not inside:
        raise DataNotFoundError(
            f"the archive {archive.path} holds no glacier of {region.label}{region.why_none(known, placed)}"
        )
    of = len(inside) + len(missing)
    return Chosen(inside, known, region.label, (*_notes(known), *told, region.rule), of=of, missing=missing)


def _of_files(selection: Selection, known: Known, by_fold: dict[str, str], archive: Archive) -> Chosen:
    """Return the glaciers of manifests and inventories that an archive holds, by any of their names."""
    found: list[str] = []
    missing: list[str] = []
    for name in dict.fromkeys(known.own):
        held = _held_as(name, known.catalog, by_fold)
        (found if held else missing).append(held or name)
    if not found:
        raise DataNotFoundError(
            f"the archive {archive.path} holds none of the {counted(len(missing), 'glaciers')} of {_files(selection)}; "
            "run glaciertime track with the same options first"
        )
    names = tuple(dict.fromkeys(found))
    of = len(names) + len(missing)
    whole = f"{counted(of, 'glaciers')} of {_files(selection)}"
    told = f"chosen: {len(names)} of the {whole}, those that {archive.path.name} holds"
    return Chosen(names, known, _files(selection), (*_notes(known), told), of=of, missing=tuple(missing))


def _held_as(name: str, catalog: Catalog, by_fold: dict[str, str]) -> str:
    """Return what an archive calls a glacier of the catalog; empty where it holds nothing of it."""
    alone = [alias for alias in catalog.glaciers[name].aliases if _stands_for(catalog, alias, name)]
    return next((by_fold[fold_name(one)] for one in (name, *alone) if fold_name(one) in by_fold), "")


def _stands_for(catalog: Catalog, alias: str, name: str) -> bool:
    try:
        return catalog.glacier(alias).name == name
    except UsageError:
        return False


def _in_region(
    region: Region, names: Sequence[str], known: Known, placed: dict[str, tuple[float, float]] | None = None
) -> tuple[tuple[str, ...], list[str]]:
    """Return which of some glaciers lie in a region, and what is said of those of which it is not known."""
    inside, unknown = region.of(names, known, placed or {})
    told = [f"chosen: {len(inside)} of {counted(len(names), 'glaciers')}, those of {region.label}"]
    if unknown:
        shown = ", ".join(unknown[:_SHOWN]) + (", ..." if len(unknown) > _SHOWN else "")
        told.append(f"of {counted(len(unknown), 'glaciers')} nothing says where they lie; left out ({shown})")
    return tuple(inside), told


def _known_name(catalog: Catalog, name: str, named_elsewhere: bool) -> str:
    try:
        return catalog.glacier(name).name
    except UsageError as error:
        if named_elsewhere and "glaciers are called" not in str(error):
            return name
        raise


def _notes(known: Known) -> tuple[str, ...]:
    return tuple(note for inventory in known.inventories for note in inventory.notes)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} glaciers"


def _files(selection: Selection) -> str:
    return ", ".join(path.name for path in (*selection.manifests, *selection.rgi))


def _point(entry: Glacier) -> tuple[float, float] | None:
    from glaciertime.track.place import WGS84, reproject

    shape = entry.fjord.polygon if entry.fjord else entry.box_polygon
    if shape is None and entry.centreline is not None:
        shape = entry.centreline.linestring.interpolate(0.5, normalized=True)
    if shape is None or entry.projection is None:
        return None
    middle = reproject(shape.representative_point(), source=entry.projection, target=WGS84)
    return middle.x, middle.y
