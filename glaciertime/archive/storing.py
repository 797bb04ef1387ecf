"""What is stored replaces what it is the news of, and nothing else; in the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from glaciertime.archive.geopackage import to_blobs, update_contents
from glaciertime.archive.reading import GEOGRAPHIC
from glaciertime.archive.schema import LOCAL_FRONTS, TABLES, ArchiveTable, quoted
from glaciertime.tables import has_flag

__all__ = ["ImageKey", "delete_where", "insert", "replace", "replace_geometry", "store_series", "store_tracked"]

ImageKey = tuple[str, str, str]  # glacier, dataset, image_id


def store_tracked(
    database: sqlite3.Connection,
    *,
    fronts: gpd.GeoDataFrame,
    observations: pd.DataFrame,
    inputs: Iterable[tuple[str, str, str, str]],
) -> set[ImageKey]:
    """Store fronts and observations; return the images that failed and kept their earlier rows."""
    kept = _measured_before(database, _only_failed(observations))
    images = [row for row in dict.fromkeys(inputs) if row[:3] not in kept]
    gone = {row[:3] for row in images}
    for glacier, dataset, source in {(glacier, dataset, source) for glacier, dataset, _, source in images}:
        found = database.execute(
            "SELECT glacier, dataset, image_id FROM inputs WHERE glacier = ? AND dataset = ? AND input = ?",
            (glacier, dataset, source),
        )
        gone.update(found.fetchall())
    keys = sorted(gone - kept)
    for table in ("fronts", LOCAL_FRONTS):
        delete_where(database, TABLES[table], ("GlacierID", "dataset", "ImageID"), keys)
    for table in ("observations", "inputs"):
        delete_where(database, TABLES[table], ("glacier", "dataset", "image_id"), keys)
    insert(database, TABLES["inputs"], pd.DataFrame(images, columns=list(TABLES["inputs"].columns)))
    new = [key not in kept for key in _image_keys(observations)]
    insert(database, TABLES["observations"], observations[new])
    insert(database, TABLES[LOCAL_FRONTS if fronts.crs is None else "fronts"], _with_datasets(fronts, images))
    for table in ("fronts", LOCAL_FRONTS, "observations", "inputs"):
        update_contents(database, table, spatial=TABLES[table].is_layer)
    return kept


def store_series(
    database: sqlite3.Connection,
    observations: pd.DataFrame,
    *,
    source_file: str,
    glaciers: set[str] | None,
    variables: set[str] | None,
) -> None:
    """Store the series of a file in place of what the same file gave before."""
    images = [(*key, source_file) for key in dict.fromkeys(_image_keys(observations))]
    before = database.execute(
        "SELECT glacier, dataset, image_id FROM inputs WHERE input = ?", (source_file,)
    ).fetchall()
    gone = [key for key in before if glaciers is None or key[0] in glaciers]
    # What has the same name is the same thing, from whichever folder the file came.
    named = {key: set(rows["variable"]) for key, rows in observations.groupby(["glacier", "dataset", "image_id"])}
    key_columns = ("glacier", "dataset", "image_id")
    if variables is None:
        delete_where(database, TABLES["observations"], key_columns, gone)
    else:
        keys = [(*key, variable) for key in gone for variable in sorted(variables)]
        delete_where(database, TABLES["observations"], (*key_columns, "variable"), keys)
    keys = [(*key, variable) for key, held in named.items() for variable in sorted(held)]
    delete_where(database, TABLES["observations"], (*key_columns, "variable"), keys)
    left = "SELECT 1 FROM observations WHERE glacier IS ? AND dataset IS ? AND image_id IS ? LIMIT 1"
    unused = [key for key in {*gone, *named} if key in named or database.execute(left, key).fetchone() is None]
    delete_where(database, TABLES["inputs"], key_columns, unused)
    insert(database, TABLES["inputs"], pd.DataFrame(images, columns=list(TABLES["inputs"].columns)))
    insert(database, TABLES["observations"], observations)
    for table in ("observations", "inputs"):
        update_contents(database, table, spatial=False)


def _with_datasets(fronts: gpd.GeoDataFrame, images: list[tuple[str, str, str, str]]) -> gpd.GeoDataFrame:
    """Return fronts with the data set each belongs to: its own, else the only one that has an image of that name."""
    datasets: dict[tuple[str, str], list[str]] = {}
    for glacier, dataset, image, _ in images:
        datasets.setdefault((glacier, image), []).append(dataset)
    places: dict[tuple[str, str], int] = {}
    filled = []
    for glacier, image, own in zip(fronts["GlacierID"], fronts["ImageID"], fronts["dataset"], strict=True):
        held = datasets.get((glacier, image), [""])
        if not own:
            # Several data sets name the image, and so do as many fronts: in the order in which they were measured.
            place = places[(glacier, image)] = places.get((glacier, image), -1) + 1
            own = held[min(place, len(held) - 1)]
        filled.append(own)
    return fronts.assign(dataset=filled)


def replace_geometry(database: sqlite3.Connection, table: ArchiveTable, rows: gpd.GeoDataFrame) -> None:
    """Replace what a layer holds of the glaciers and data sets of the rows; local frames have no place in it."""
    if rows.crs is None:
        return
    key = ["glacier", "dataset"]
    delete_where(database, table, tuple(key), list(rows[key].drop_duplicates().itertuples(index=False, name=None)))
    insert(database, table, rows)
    update_contents(database, table.name, spatial=True)


def replace(database: sqlite3.Connection, table: ArchiveTable, rows: pd.DataFrame, key: tuple[str, ...]) -> None:
    """Replace the rows that are equal to the given ones in the columns of a key."""
    delete_where(database, table, key, _plain(table, rows[list(key)].drop_duplicates()))
    if not (table.is_layer and table.srs > 0 and rows.crs is None and rows.geometry.notna().any()):
        insert(database, table, rows)
    update_contents(database, table.name, spatial=table.is_layer)


def delete_where(
    database: sqlite3.Connection, table: ArchiveTable, columns: tuple[str, ...], keys: list[tuple[Any, ...]]
) -> int:
    """Delete the rows that have one of the keys in the columns; return how many."""
    name = quoted(table.name)
    where = " AND ".join(f"{name}.{quoted(column)} IS ?" for column in columns)
    return max(database.executemany(f"DELETE FROM {name} WHERE {where}", keys).rowcount, 0) if keys else 0  # nosec B608


def insert(database: sqlite3.Connection, table: ArchiveTable, rows: pd.DataFrame) -> None:
    """Add rows to a table."""
    if rows.empty:
        return
    columns = [name for name in table.schema.columns if name in rows]
    names = ", ".join("geom" if name == "geometry" else quoted(name) for name in columns)
    values = _plain(table, _placed(table, rows)[columns])
    marks = ", ".join("?" * len(columns))
    database.executemany(f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({marks})", values)  # nosec B608


def _placed(table: ArchiveTable, rows: pd.DataFrame) -> pd.DataFrame:
    if table.srs > 0 and isinstance(rows, gpd.GeoDataFrame) and rows.crs is not None:
        return rows.to_crs(GEOGRAPHIC)
    return rows


def _image_keys(observations: pd.DataFrame) -> list[ImageKey]:
    return list(zip(observations["glacier"], observations["dataset"], observations["image_id"], strict=True))


def _only_failed(observations: pd.DataFrame) -> set[ImageKey]:
    """Return the images that gave nothing but failures."""
    failed = has_flag(observations["quality"], "failed")
    return set(_image_keys(observations[failed])) - set(_image_keys(observations[~failed]))


def _measured_before(database: sqlite3.Connection, images: set[ImageKey]) -> set[ImageKey]:
    """Return those of the images that the archive holds a value of."""
    query = (
        "SELECT 1 FROM observations WHERE glacier = ? AND dataset = ? AND image_id = ? AND value IS NOT NULL LIMIT 1"
    )
    return {key for key in images if database.execute(query, key).fetchone()}


def _plain(table: ArchiveTable, rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the rows as values that SQLite stores: dates as text, unknown as NULL, geometry as a blob."""
    columns: list[list[Any]] = []
    for column in rows.columns:
        values, kind = rows[column], table.schema.columns[column]
        if kind == "date":
            columns.append([None if pd.isna(value) else value.strftime("%Y-%m-%d") for value in values])
        elif kind == "geometry":
            columns.append(list(to_blobs(list(values), geometry_type=table.geometry_type, srs=table.srs)))
        elif kind == "integer":
            columns.append([int(value) for value in values])
        elif kind == "number":
            columns.append([None if np.isnan(value) else float(value) for value in values])
        else:
            columns.append(list(values))
    return list(zip(*columns, strict=True))
