"""Which scenes of a catalogue count: each acquisition once, tiles of one pass together, the best of each month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import shapely

from glaciertime.errors import InputError
from glaciertime.scenes.sources.numbers import baseline_of
from glaciertime.scenes.sources.products import Product, product_of
from glaciertime.scenes.sources.search import StacItem

__all__ = ["Pass", "passes_over"]

#: Tiles of one pass lie so near to each other in time; the next pass comes an orbit, 98 minutes, later.
_PASS = dt.timedelta(minutes=15)
#: The same tile twice within this time, on the same ground, is one acquisition processed twice.
_SAME = dt.timedelta(seconds=100)
_SAME_GROUND = 0.8


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one satellite saw of a box in one pass: one item, or neighbouring tiles."""

    items: tuple[tuple[StacItem, Product], ...]

    @property
    def first(self) -> StacItem:
        return self.items[0][0]

    @property
    def product(self) -> Product:
        return self.items[0][1]

    @property
    def date(self) -> dt.date:
        """The day of acquisition in UTC, of the earliest tile."""
        return min(item.acquired for item, _ in self.items).date()

    @property
    def id(self) -> str:
        """The names of its items, in the order in which their pixels count."""
        return "+".join(item.id for item, _ in self.items)

    @property
    def scene_clouds(self) -> float | None:
        """What the catalogue says of the clouds of the least cloudy of its scenes, from 0 to 1; None where nothing."""
        told = [item.number("eo:cloud_cover") for item, _ in self.items]
        known = [value / 100 for value in told if value is not None]
        return min(known) if len(known) == len(told) else None


def passes_over(items: Sequence[StacItem], box: shapely.Geometry) -> tuple[list[Pass], list[str], list[str]]:
    """Return the passes that the items of a catalogue are of, what was left out as one of two, and what is no product.

    Parameters
    ----------
    items : sequence of StacItem
    box : geometry in degrees
        Items whose outline shares no area with it are left out.

    Returns
    -------
    list of Pass
        In order of time.
    notes, problems : list of str
    """
    notes: list[str] = []
    problems: list[str] = []
    known: list[tuple[StacItem, Product]] = []
    for item in items:
        try:
            if item.footprint is not None and not _shares_ground(item.footprint, box):
                continue
            known.append((item, product_of(item)))
        except InputError as error:
            problems.append(str(error))
    single = _newest(known, notes)
    groups: list[list[tuple[StacItem, Product]]] = []
    for item, product in sorted(single, key=lambda each: (each[0].acquired, each[0].id)):
        for group in groups:
            last, other = group[-1]
            same = (_satellite(item), product.family, product.level) == (_satellite(last), other.family, other.level)
            if same and item.acquired - last.acquired <= _PASS:
                group.append((item, product))
                break
        else:
            groups.append([(item, product)])
    passes = []
    for group in groups:
        group.sort(key=lambda each: (-_covered(each[0], box), each[0].id))
        if len(group) > 1 and _covered(group[0][0], box) > 0.9999:
            others = ", ".join(item.id for item, _ in group[1:])
            notes.append(f"{group[0][0].id} shows the whole box; {others} of the same pass not counted again")
            group = group[:1]
        elif len(group) > 1:
            notes.append(f"{' and '.join(item.id for item, _ in group)} are tiles of one pass: joined")
        passes.append(Pass(items=tuple(group)))
    return passes, notes, problems


def _shares_ground(footprint: shapely.Geometry, box: shapely.Geometry) -> bool:
    return float(footprint.intersection(box).area) > 0


def _covered(item: StacItem, box: shapely.Geometry) -> float:
    return 0.0 if item.footprint is None else float(item.footprint.intersection(box).area / box.area)


def _satellite(item: StacItem) -> str:
    return item.text("platform").casefold().replace("_", "-") or item.id.casefold()[:4]


def _tile(item: StacItem) -> str:
    """Return which tile of its product's grid an item is, where that is told."""
    grid = item.text("grid:code", "s2:mgrs_tile")
    if grid:
        return grid.casefold().removeprefix("mgrs-")
    parts = [item.text(name) for name in ("mgrs:utm_zone", "mgrs:latitude_band", "mgrs:grid_square")]
    if all(parts):
        return "".join(parts).casefold()
    return "/".join(item.text(name).lstrip("0") for name in ("landsat:wrs_path", "landsat:wrs_row"))


def _newest(items: list[tuple[StacItem, Product]], notes: list[str]) -> list[tuple[StacItem, Product]]:
    """Return items without those that are an older processing of the same acquisition."""
    kept: list[tuple[StacItem, Product]] = []
    for item, product in sorted(items, key=lambda each: _age(each[0]), reverse=True):
        newer = next((held for held, other in kept if _are_one(item, product, held, other)), None)
        if newer is None:
            kept.append((item, product))
        else:
            notes.append(f"{item.id} is an older processing of {newer.id}: left out")
    return kept


def _are_one(item: StacItem, product: Product, held: StacItem, other: Product) -> bool:
    if (product.family, product.level, _satellite(item)) != (other.family, other.level, _satellite(held)):
        return False
    if _tile(item) != _tile(held) or abs(item.acquired - held.acquired) > _SAME:
        return False
    if item.footprint is None or held.footprint is None:
        return True
    shared = item.footprint.intersection(held.footprint).area
    return bool(shared >= _SAME_GROUND * item.footprint.union(held.footprint).area)


def _age(item: StacItem) -> tuple[float, int, str, str]:
    """Return what grows with each processing of one acquisition."""
    tier = item.text("landsat:collection_category").upper()
    made = item.text("s2:generation_time", "processing:datetime", "created", "updated")
    return baseline_of(item) or 0.0, {"RT": 0, "T2": 1, "T1": 2}.get(tier, 1), made, item.id
