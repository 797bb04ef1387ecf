"""Everything known of one glacier: its place, its tables, its images, read from the archive once and checked once.

Rooms to the right take a :class:`GlacierRecord`; nobody asks the archive table by table. A region is an iterator of
records: what one glacier costs does not grow with the number of glaciers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd

from glaciertime.errors import DataNotFoundError, UsageError, nearest_names
from glaciertime.naming import counted, fold_name, other_spellings

if TYPE_CHECKING:
    from glaciertime.archive import Archive
    from glaciertime.catalog import Catalog, Glacier

__all__ = ["GlacierRecord", "held_name", "read_record", "records"]

_NAMES_SHOWN = 12


class GlacierRecord:
    """Everything known of one glacier. Each table is read on first use, and then kept.

    Parameters
    ----------
    archive : Archive
    glacier : str
        Its name in the archive.
    catalog : Catalog, optional
        Where its place is known from; default the package's.
    source : str
        ``observed`` or ``simulated`` for only what was made from such scenes; see :meth:`of`.
    read : mapping of table to rows, optional
        What was read of it before, of all sources.
    """

    def __init__(
        self,
        archive: Archive,
        glacier: str,
        *,
        catalog: Catalog | None = None,
        source: str = "",
        read: Mapping[str, Any] | None = None,
    ) -> None:
        self.archive = archive
        self.glacier = glacier
        self.source = source
        self._catalog = catalog
        self._whole: GlacierRecord | None = None
        self._read = dict(read or {})

    def __repr__(self) -> str:
        of_source = f", source={self.source!r}" if self.source else ""
        return f"GlacierRecord({self.archive!r}, {self.glacier!r}{of_source})"

    def of(self, source: str) -> GlacierRecord:
        """Return the part of the record that is of one source; what was read of the whole is not read again."""
        part = GlacierRecord(self.archive, self.glacier, catalog=self._catalog, source=source)
        part._whole = self
        return part

    def _table(self, name: str) -> Any:
        if self._whole is not None:
            rows = getattr(self._whole, name)
            return rows[rows["source"] == self.source].reset_index(drop=True)
        if name in self._read and not self.source:
            return self._read[name]
        return self.archive.read(name, glacier=self.glacier, source=self.source or None)

    @cached_property
    def observations(self) -> pd.DataFrame:
        """What was measured, by scene, variable, method and footprint."""
        return self._table("observations")

    @cached_property
    def fronts(self) -> gpd.GeoDataFrame:
        """Calving fronts in longitude and latitude."""
        return self._table("fronts")

    @cached_property
    def fronts_local(self) -> gpd.GeoDataFrame:
        """Calving fronts of images without georeference, in metres of each image."""
        return self._table("fronts_local")

    @cached_property
    def footprints(self) -> gpd.GeoDataFrame:
        """The polygons that areas were measured in."""
        return self._table("footprints")

    @cached_property
    def centrelines(self) -> gpd.GeoDataFrame:
        """The lines that positions were measured along."""
        return self._table("centrelines")

    @cached_property
    def rulers(self) -> gpd.GeoDataFrame:
        """With what the glacier is measured, and where that comes from."""
        return self._table("rulers")

    @cached_property
    def contours(self) -> gpd.GeoDataFrame:
        """Predicted calving fronts and their bands."""
        return self._table("contours")

    @cached_property
    def forecasts(self) -> pd.DataFrame:
        """What was forecast."""
        return self._table("forecasts")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """What forecasts would have been worth."""
        return self._table("scores")

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """Which model its backtests speak for."""
        return self._table("verdicts")

    @cached_property
    def hazards(self) -> pd.DataFrame:
        """How often glaciers such as it lose much at once."""
        return self._table("hazards")

    @cached_property
    def inputs(self) -> pd.DataFrame:
        """The file that each image came from; of all sources."""
        return self.archive.read("inputs", glacier=self.glacier) if self._whole is None else self._whole.inputs

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog that knows its place and its data sets."""
        from glaciertime.catalog import load_catalog

        return self._catalog or load_catalog()

    @property
    def place(self) -> Glacier | None:
        """The glacier as the catalog knows it; None for one that only the data name."""
        return self.catalog.glaciers.get(self.glacier)

    @property
    def sources(self) -> tuple[str, ...]:
        """``observed``, ``simulated`` or both: what its observations were made from, in this order."""
        held = set(self.observations["source"])
        return tuple(source for source in ("observed", "simulated") if source in held)

    def shown_fronts(self) -> gpd.GeoDataFrame:
        """Return its fronts with a place on Earth, or where there are none, those of local frames."""
        return self.fronts_local if self.fronts.empty else self.fronts


def held_name(archive: Archive, name: str, *, catalog: Catalog | None = None) -> str:
    """Return a glacier's name as the archive has it, given any of its catalog names, in upper or lower case.

    Raises
    ------
    DataNotFoundError
        For a glacier that the archive holds nothing of.
    """
    if archive.holds(name):
        return name
    known = archive.glaciers()
    held = {fold_name(one): one for one in known}
    found = held.get(fold_name(name))
    if found is None:
        from glaciertime.catalog import load_catalog

        try:
            found = held.get(fold_name((catalog or load_catalog()).glacier(name).name))
        except UsageError:
            if not held:
                raise
    if found is None:
        near = known
        if len(known) > _NAMES_SHOWN:
            near = other_spellings(name, known) or nearest_names(name, known)
        more = len(known) - len(near)
        listed = ", ".join([*near, *([f"{more} more" if near else f"{counted(more, 'glaciers')}"] if more else [])])
        raise DataNotFoundError(
            f"the archive holds nothing of '{name}'; it holds {listed or 'no glacier'}. "
            f"Run glaciertime track --glacier {name} first"
        )
    return found


def read_record(archive: Archive, glacier: str, *, catalog: Catalog | None = None) -> GlacierRecord:
    """Return everything known of a glacier, by any of its names.

    Raises
    ------
    DataNotFoundError
        For a glacier that the archive holds nothing of.
    """
    return GlacierRecord(archive, held_name(archive, glacier, catalog=catalog), catalog=catalog)


def records(
    archive: Archive, glaciers: Iterable[str] | None = None, *, catalog: Catalog | None = None
) -> Iterator[GlacierRecord]:
    """Yield the record of every glacier of an archive, or of those named, one after the other.

    Parameters
    ----------
    archive : Archive
    glaciers : iterable of str, optional
        By any of their names; default all that the archive holds observations of.

    Raises
    ------
    DataNotFoundError
        For a glacier that the archive holds nothing of.
    """
    if glaciers is None:
        yield from (GlacierRecord(archive, name, catalog=catalog) for name in archive.glaciers())
        return
    for name in glaciers:
        yield read_record(archive, name, catalog=catalog)
