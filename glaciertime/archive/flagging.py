"""What is stored later may tell what earlier rows are worth: the flags of a whole record are brought up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import geopandas as gpd
import pandas as pd

from glaciertime.archive.geopackage import update_contents
from glaciertime.archive.migrations import layout_of
from glaciertime.archive.reading import condition, read_rows
from glaciertime.archive.schema import LOCAL_FRONTS, TABLES, ArchiveTable, quoted
from glaciertime.tables import has_flag

__all__ = ["Flagging", "flag_anew"]

#: Tables of fronts and the observations -> the same rows, with the flags that they are to have.
Flagging = Callable[[Sequence[gpd.GeoDataFrame], pd.DataFrame], tuple[list[gpd.GeoDataFrame], pd.DataFrame]]


def flag_anew(
    database: sqlite3.Connection,
    path: Path,
    *,
    observations: pd.DataFrame,
    flagged: Flagging,
    tell: Callable[[str], None],
) -> None:
    """Give all rows of the glaciers and data sets of some observations new flags; in the caller's transaction."""
    layout = layout_of(database, path)
    for (glacier, dataset, source), _ in observations.groupby(["glacier", "dataset", "source"], sort=False):
        names = {"glacier": glacier, "dataset": dataset, "source": source}
        held = [
            read_rows(database, layout, path, table, condition(table, names=names), tell=tell)
            for table in (TABLES["fronts"], TABLES[LOCAL_FRONTS], TABLES["observations"])
        ]
        fronts, found = flagged([gpd.GeoDataFrame(table) for table in held[:2]], held[2])
        for name, before, after in zip(("fronts", LOCAL_FRONTS, "observations"), held, [*fronts, found], strict=True):
            if _update(database, TABLES[name], before, after):
                update_contents(database, name, spatial=TABLES[name].is_layer)


def _update(database: sqlite3.Connection, table: ArchiveTable, before: pd.DataFrame, after: pd.DataFrame) -> bool:
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
            rows[name] = rows[name].dt.strftime("%Y-%m-%d")
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
