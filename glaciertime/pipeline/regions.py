"""Which glaciers are of a region: one of the catalog's, of the RGI's, or a polygon of the user's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import geopandas as gpd

from glaciertime.archive import Archive
from glaciertime.catalog import Catalog, Glacier
from glaciertime.errors import UsageError, nearest_names
from glaciertime.naming import fold_name, other_spellings
from glaciertime.rgi_regions import REGIONS, region_in_words, region_numbered
from glaciertime.scenes.region_polygon import RegionPolygon, read_region

if TYPE_CHECKING:
    Points = dict[str, tuple[float, float]]

__all__ = ["Region", "places_held", "region_named"]

_BATCH = 500


class _Known(Protocol):
    @property
    def catalog(self) -> Catalog: ...

    def point(self, name: str) -> tuple[float, float] | None: ...


@dataclass(frozen=True)
class Region:
    """A region: what it is called, and its polygons, or the names and numbers that glaciers are said to be of."""

    label: str
    polygon: RegionPolygon | None = None
    words: frozenset[str] = frozenset()
    codes: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """By what rule a glacier is in it, as a sentence."""
        if self.polygon is not None:
            return (
                f"in {self.label} is a glacier where a point inside its outline, or else the middle of its fjord, box, "
                "line or fronts, lies in the polygon or on its edge"
            )
        return f"in {self.label} is a glacier that its manifest or inventory says to be of it"

    def of(self, names: Sequence[str], known: _Known, placed: Points) -> tuple[list[str], list[str]]:
        """Return the names of those in it, and of those of which that is not known."""
        if self.polygon is None:
            told = {name: _catalog_entry(name, known.catalog) for name in names}
            unknown = [name for name, entry in told.items() if entry is None or not (entry.region or entry.rgi_region)]
            return [name for name, entry in told.items() if entry is not None and self._says(entry)], unknown
        points = {name: placed.get(name) or _point(name, known) for name in names}
        there = {name: point for name, point in points.items() if point is not None}
        inside = self.polygon.holds(list(there.values()))
        return (
            [name for name, holds in zip(there, inside, strict=True) if holds],
            [name for name, point in points.items() if point is None],
        )

    def _says(self, entry: Glacier) -> bool:
        if fold_name(entry.region) in self.words:
            return True
        return any(entry.rgi_region == code or entry.rgi_region.startswith(f"{code}-") for code in self.codes)

    def why_none(self, known: _Known, placed: Points | None = None) -> str:
        """Return, to be set behind a sentence that nothing lies in it, where it and the glaciers lie."""
        if self.polygon is None:
            return ""
        points = list((placed or {}).values())
        points += [point for name in known.catalog.glaciers if not placed and (point := known.point(name)) is not None]
        lies = f": it spans {self.polygon.span}"
        if points:
            east, north = zip(*points, strict=True)
            lies += (
                f", and the glaciers lie at {min(east):.2f} to {max(east):.2f} degrees east, "
                f"{min(north):.2f} to {max(north):.2f} north"
            )
        return f"{lies}; check its coordinate system"


def region_named(text: str, known: _Known, *, held: Iterable[str] = ()) -> Region:
    """Return a region by its name, its number or its file.

    Raises
    ------
    UsageError
        For what is none of these; the nearest known names are offered.
    """
    path = Path(text)
    if path.is_file():
        return Region(path.name, polygon=read_region(path))
    words = {fold_name(entry.region): entry.region for entry in known.catalog.glaciers.values() if entry.region}
    codes = tuple(region_numbered(text))
    wanted = fold_name(text)
    if wanted in words or codes:
        label = words.get(wanted) or " and ".join(region_in_words(code) for code in codes)
        return Region(label, words=frozenset({wanted} & set(words)), codes=codes)
    if path.suffix or "/" in text:
        raise UsageError(f"--region {text}: there is no such file, and no region of that name")
    every = [*dict.fromkeys(words.values()), *REGIONS.values()]
    near = other_spellings(text, every) or nearest_names(text, every)
    hint = f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else f"known are {', '.join(words.values())}"
    raise UsageError(
        f"--region '{text}' is no region of the catalog or of the RGI (11, 11-01, Central Europe, Alps), and no file; "
        f"{hint}"
    )


def places_held(region: Region, names: Sequence[str], archive: Archive, known: _Known) -> Points:
    """Return where the glaciers of an archive lie, by what is known of them, else by what was measured.

    Only where the region asks for it: a footprint, else a centreline, else a front of theirs is read.
    """
    if region.polygon is None:
        return {}
    points: Points = {name: point for name in names if (point := _point(name, known)) is not None}
    for table, column in (("footprints", "glacier"), ("centrelines", "glacier"), ("fronts", "GlacierID")):
        left = [name for name in names if name not in points]
        for start in range(0, len(left), _BATCH):
            rows = archive.read(table, glacier=left[start : start + _BATCH])
            points |= _middles(rows, column)
    return points


def _middles(rows: gpd.GeoDataFrame, column: str) -> Points:
    """Return a point of the first geometry of each glacier that has a place on Earth."""
    rows = rows[rows.geometry.notna() & ~rows.geometry.is_empty].drop_duplicates(column)
    if rows.empty or rows.crs is None:
        return {}
    inside = rows.geometry.representative_point()
    return {name: (point.x, point.y) for name, point in zip(rows[column], inside, strict=True)}


def _catalog_entry(name: str, catalog: Catalog) -> Glacier | None:
    try:
        return catalog.glacier(name)
    except UsageError:
        return None


def _point(name: str, known: _Known) -> tuple[float, float] | None:
    entry = _catalog_entry(name, known.catalog)
    return None if entry is None else known.point(entry.name)
