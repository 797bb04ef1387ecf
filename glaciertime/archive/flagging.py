"""What is stored later may tell what earlier rows are worth: the flags of a whole record are brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import geopandas as gpd
import pandas as pd

from glaciertime.archive.migrations import Layout
from glaciertime.archive.places import Place
from glaciertime.archive.reading import condition, read_rows
from glaciertime.archive.schema import LOCAL_FRONTS, TABLES, ArchiveTable, quoted
from glaciertime.archive.storage import Database
from glaciertime.archive.storing import days_as_text
from glaciertime.tables import has_flag

__all__ = ["Flagging", "FlaggingOf", "Series", "flag_anew", "flagging_of_each", "series_in"]

#: Tables of fronts and the observations -> the same rows, with the flags that they are to have.
Flagging = Callable[[Sequence[gpd.GeoDataFrame], pd.DataFrame], tuple[list[gpd.GeoDataFrame], pd.DataFrame]]
#: Tables of fronts and the observations -> by what they were given their flags; None where that is not known.
FlaggingOf = Callable[[Sequence[gpd.GeoDataFrame], pd.DataFrame], Flagging | None]
Series = tuple[str, str, str]  # glacier, dataset, source
_FLAGGED = ("fronts", LOCAL_FRONTS, "observations")


def series_in(database: Database, where: str, values: Sequence[Any]) -> list[Series]:
    """Return glacier, data set and source of the observations that match."""
    query = f"SELECT DISTINCT glacier, dataset, source FROM observations{where}"  # nosec B608
    return database.execute(query, values).fetchall()


def flagging_of_each(
    database: Database,
    path: Place,
    series: Iterable[Series],
    *,
    flagging_of: FlaggingOf,
    tell: Callable[[str], None],
) -> dict[Series, Flagging]:
    """Return by what the rows held now were given their flags; those of which nobody can tell are told of."""
    layout = database.layout()
    out = {}
    for key in series:
        *fronts, observations = _held(database, layout, path, key, tell=tell)
        flagging = flagging_of([gpd.GeoDataFrame(table) for table in fronts], observations)
        if flagging is not None:
            out[key] = flagging
        elif len(observations):
            tell(f"{key[0]} ({key[1]}): not screened again, its flags are not those of this release; run track again")
    return out


def flag_anew(
    database: Database,
    path: Place,
    flaggings: Mapping[Series, Flagging],
    *,
    tell: Callable[[str], None],
) -> None:
    """Give all rows of some glaciers, data sets and sources new flags; in the caller's transaction."""
    layout = database.layout()
    for key, flagged in flaggings.items():
        held = _held(database, layout, path, key, tell=tell)
        if held[-1].empty:
            continue
        fronts, found = flagged([gpd.GeoDataFrame(table) for table in held[:2]], held[2])
        for name, before, after in zip(_FLAGGED, held, [*fronts, found], strict=True):
            if _update(database, TABLES[name], before, after):
                database.note_change(name)


def _held(
    database: Database, layout: Layout, path: Place, series: Series, *, tell: Callable[[str], None]
) -> list[pd.DataFrame]:
    """Return the tables of fronts and the observations that an archive holds of a glacier, data set and source."""
    names = dict(zip(("glacier", "dataset", "source"), series, strict=True))
    return [
        read_rows(database, layout, path, TABLES[name], condition(TABLES[name], names=names), tell=tell)
        for name in _FLAGGED
    ]


def _update(database: Database, table: ArchiveTable, before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Write the flags that changed; return whether any did."""
    column = "quality" if "quality" in before else "QualFlag"
    # Flags of a newer release are kept as that release wrote them.
    changed = (before[column] != after[column]) & ~has_flag(before[column], "unknown-flag")
    if not changed.any():
        return False
    # Data sets and kinds of front may share the images of a glacier.
    key = [name for name in dict.fromkeys([*table.schema.key, "dataset", "front_of"]) if name in before]
    rows = before.loc[changed, key].copy()
    for name in key:
        if table.schema.columns[name] == "date":
            rows[name] = days_as_text(rows[name])
    unknown = table.schema.nullable
    where = " AND ".join(
        f"coalesce({quoted(name)}, '') = ?" if name in unknown else f"{quoted(name)} = ?" for name in key
    )
    database.executemany(
        f"UPDATE {quoted(table.name)} SET {quoted(column)} = ? WHERE {where}",  # nosec B608
        [
            (text, *values)
            for text, values in zip(after.loc[changed, column], rows.itertuples(index=False), strict=True)
        ],
    )
    return True
