"""What a region says, of the glaciers that were chosen: read from the archive one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from glaciertime.archive import Archive
from glaciertime.pipeline.selection import Chosen
from glaciertime.provenance import table_digest
from glaciertime.record import GlacierRecord
from glaciertime.region.changes import changes_of
from glaciertime.region.reading import RegionReading, read_region_changes
from glaciertime.region.totals import CORRELATION, check_correlation
from glaciertime.units import polygon_area_km2

__all__ = ["labels_of", "region_reading"]


def region_reading(
    chosen: Chosen,
    archive: Archive,
    *,
    date_from: Any = None,
    date_to: Any = None,
    max_gap_days: float = 180,
    correlation: float | None = None,
    variable: str | None = None,
    seen: Callable[[GlacierRecord], None] | None = None,
    along: Callable[[Iterator[GlacierRecord]], Iterable[GlacierRecord]] = iter,
    ahead: Sequence[str] = (),
) -> tuple[RegionReading, str]:
    """Return what a region says, and the digest of the observations that it rests on.

    Parameters
    ----------
    chosen : Chosen
        Its glaciers, with what is known of the region.
    archive : Archive
    date_from, date_to : date or text, optional
        Default each series' first and last date.
    max_gap_days : float
        How far an observation may be from a date asked for; what lies no farther apart is one period.
    correlation : float, optional
        Of the errors of any two glaciers; default 0.5.
    variable : str, optional
        Only this one.
    seen : callable, optional
        Given each record once it is read: for what else is made of it, without reading it again.
    along : callable
        Given the records and yields them, for whoever shows how far it is.
    ahead : sequence of str
        Tables that ``seen`` asks for, to be read of many glaciers at a time.

    Raises
    ------
    InputError
        Where nothing can be said of any of them.
    """
    rho = check_correlation(CORRELATION if correlation is None else correlation)
    total = hashlib.sha256()

    def read() -> Iterator[GlacierRecord]:
        for record in along(chosen.records(archive, ahead=("observations", "footprints", *ahead))):
            total.update(table_digest(record.observations).encode())
            if seen is not None:
                seen(record)
            yield record

    changes = changes_of(
        read(), date_from=date_from, date_to=date_to, max_gap_days=max_gap_days, variable=variable
    )  # fmt: skip
    for name in chosen.names:
        if name not in changes.points and (point := chosen.known.point_of(name)) is not None:
            changes.points[name] = point
    reading = read_region_changes(
        changes, label=chosen.label, correlation=rho, same_period_days=max_gap_days, missing=chosen.missing,
        areas_km2=_inventory_areas(chosen),
    )  # fmt: skip
    return reading, total.hexdigest()


def _inventory_areas(chosen: Chosen) -> dict[str, float]:
    """Return the areas of all glaciers of the region by the outlines of an inventory; empty without one."""
    areas = {}
    for name in (*chosen.names, *chosen.missing):
        outline = chosen.known.outline_of(name)
        if outline is not None:
            areas[name] = polygon_area_km2(outline.geometry, crs="EPSG:4326")
    return areas


def labels_of(chosen: Chosen) -> dict[str, str]:
    """Return what the glaciers of an inventory are called, beside their numbers."""
    outlines = {name: chosen.known.outline_of(name) for name in chosen.names}
    return {name: outline.name for name, outline in outlines.items() if outline is not None and outline.name}
