"""What one archive takes in from another: what was measured, as if its images had been measured again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pandas as pd

from glaciertime.archive import storing
from glaciertime.archive.flagging import Flagging, FlaggingOf, Series, flag_anew, flagging_of_each, series_in
from glaciertime.archive.measured_ice import with_measured_ice
from glaciertime.archive.places import Place
from glaciertime.archive.reading import condition
from glaciertime.archive.schema import LOCAL_FRONTS, TABLES
from glaciertime.archive.storage import Database, Storage
from glaciertime.errors import ArchiveError
from glaciertime.naming import counted

__all__ = ["take_in"]

_MEASURED = ("fronts", LOCAL_FRONTS, "observations", "footprints", "centrelines", "rulers", "inputs")


class _Archive(Protocol):
    """What is asked of an archive here."""

    path: Place
    tell: Callable[[str], None]

    @property
    def storage(self) -> Storage: ...

    def read(self, table: str, *, glacier: str) -> pd.DataFrame: ...

    def glaciers(self, table: str) -> list[str]: ...


def take_in(
    archive: _Archive, other: _Archive, *, flagging_of: FlaggingOf | None, strict: bool
) -> tuple[dict[str, int], int]:
    """Store what another archive holds of measurements; see :meth:`Archive.take_in`."""
    glaciers = sorted({name for table in _MEASURED for name in other.glaciers(table)})
    left_out = 0
    if strict:
        every = (other.read(table, glacier=name) for name in glaciers for table in _MEASURED)
        left_out = sum(rows.attrs.get("left_out", 0) for rows in every)
        if left_out:
            raise ArchiveError(
                f"archive {other.path}: {counted(left_out, 'rows')} cannot be used; nothing was taken in"
            )
    storage = archive.storage
    counts = dict.fromkeys(_MEASURED, 0)
    for some in [[name] for name in glaciers] if storage.keeps_glaciers_apart else [glaciers]:

        def work(database: Database, some: list[str] = some) -> list[dict[str, tuple[int, int]]]:
            return [_take_in(archive, database, other, name, flagging_of) for name in some]

        for taken in storage.change(work, storing.scope_of(some)):
            left_out += sum(left for _, left in taken.values())
            for table, (came, _) in taken.items():
                counts[table] += came
    return {name: count for name, count in counts.items() if count}, left_out


def _take_in(
    archive: _Archive, database: Database, other: _Archive, glacier: str, flagging_of: FlaggingOf | None
) -> dict[str, tuple[int, int]]:
    """Store what another archive holds of a glacier; return by table how many rows came and were left behind."""
    tables: dict[str, Any] = {name: other.read(name, glacier=glacier) for name in _MEASURED}
    named = tables["inputs"][["glacier", "dataset", "image_id", "input"]]
    images = list(named.itertuples(index=False, name=None))
    keys = tables["observations"][["glacier", "dataset", "source"]].drop_duplicates()
    come = list(keys.itertuples(index=False, name=None))
    with other.storage.reading([glacier]) as held:
        runs = storing.HeldRuns() if held is None else storing.held_runs(held, held.layout().columns, glacier)
        flaggings = _flaggings(archive, database, other, held, come, flagging_of)
    kept = storing.store_tracked(database, fronts=tables["fronts"], observations=tables["observations"], inputs=images)
    storing.insert(database, TABLES[LOCAL_FRONTS], tables[LOCAL_FRONTS])
    database.note_change(LOCAL_FRONTS)
    tables["footprints"] = with_measured_ice(
        database, archive.path, tables["footprints"], observations=tables["observations"], tell=archive.tell
    )  # fmt: skip
    for name in ("footprints", "centrelines"):
        storing.replace_geometry(database, TABLES[name], tables[name])
    storing.replace(database, TABLES["rulers"], tables["rulers"], storing.RULER_KEY)
    storing.take_in_runs(database, runs, kept=kept)
    flag_anew(database, archive.path, flaggings, tell=archive.tell)
    return {name: (len(rows), rows.attrs.get("left_out", 0)) for name, rows in tables.items()}


def _flaggings(
    archive: _Archive,
    database: Database,
    other: _Archive,
    read: Database | None,
    series: list[Series],
    flagging_of: FlaggingOf | None,
) -> dict[Series, Flagging]:
    """Return by what rows were given their flags: by what those held here were, else those of the other archive."""
    if flagging_of is None:
        return {}
    held = {key for key in series if series_in(database, *_of_series(key))}
    here = [key for key in series if key in held]
    out = flagging_of_each(database, archive.path, here, flagging_of=flagging_of, tell=archive.tell)
    if read is not None:
        new = [key for key in series if key not in held]
        out |= flagging_of_each(read, other.path, new, flagging_of=flagging_of, tell=archive.tell)
    return out


def _of_series(series: Series) -> tuple[str, list[Any]]:
    return condition(TABLES["observations"], names=dict(zip(("glacier", "dataset", "source"), series, strict=True)))
