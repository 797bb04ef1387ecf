"""What is stored replaces what it is the news of, and nothing else; in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from glaciertime.archive.reading import GEOGRAPHIC
from glaciertime.archive.schema import LOCAL_FRONTS, RUN, TABLES, ArchiveTable, quoted
from glaciertime.archive.storage import Database, Scope
from glaciertime.provenance import RunRecord
from glaciertime.tables import has_flag

__all__ = [
    "RULER_KEY",
    "ImageKey",
    "days_as_text",
    "delete_where",
    "drop_runs",
    "held_runs",
    "insert",
    "keep_run",
    "replace",
    "replace_geometry",
    "runs_of",
    "runs_without_images",
    "scope_of",
    "store_series",
    "store_tracked",
    "take_in_runs",
]

#: What tells rulers apart.
RULER_KEY = ("glacier", "dataset", "source", "kind")
ImageKey = tuple[str, str, str]  # glacier, dataset, image_id


def store_tracked(
    database: Database,
    *,
    fronts: gpd.GeoDataFrame,
    observations: pd.DataFrame,
    inputs: Iterable[tuple[str, str, str, str]],
    run: RunRecord | None = None,
) -> set[ImageKey]:
    """Store fronts and observations; return the images that failed and kept their earlier rows."""
    named = "" if run is None else run.run
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
    insert(database, TABLES["observations"], observations[new], run=named)
    insert(
        database, TABLES[LOCAL_FRONTS if fronts.crs is None else "fronts"], _with_datasets(fronts, images), run=named
    )
    _forget_read(database, keys)
    if run is not None:
        keep_run(database, run, kept=kept)
    for table in ("fronts", LOCAL_FRONTS, "observations", "inputs"):
        database.note_change(table)
    return kept


def store_series(
    database: Database,
    observations: pd.DataFrame,
    *,
    source_file: str,
    glaciers: set[str] | None,
    variables: set[str] | None,
    run: RunRecord | None = None,
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
    insert(database, TABLES["observations"], observations, run="" if run is None else run.run)
    if run is not None:
        keep_run(database, run)
    for table in ("observations", "inputs"):
        database.note_change(table)


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


def replace_geometry(database: Database, table: ArchiveTable, rows: gpd.GeoDataFrame) -> None:
    """Replace what a layer holds of the glaciers and data sets of the rows; local frames have no place in it."""
    if rows.crs is None:
        return
    key = ["glacier", "dataset"]
    delete_where(database, table, tuple(key), list(rows[key].drop_duplicates().itertuples(index=False, name=None)))
    insert(database, table, rows)
    database.note_change(table.name)


def replace(
    database: Database,
    table: ArchiveTable,
    rows: pd.DataFrame,
    key: tuple[str, ...],
    *,
    run: RunRecord | None = None,
) -> None:
    """Replace the rows that are equal to the given ones in the columns of a key."""
    keys = _plain(database, table, rows[list(key)].drop_duplicates())
    before = runs_of(database, table, key, keys) if run is not None and table.names_run else set()
    delete_where(database, table, key, keys)
    if not (table.is_layer and table.srs > 0 and rows.crs is None and rows.geometry.notna().any()):
        insert(database, table, rows, run="" if run is None else run.run)
    if run is not None:
        keep_run(database, run)
        glaciers = sorted(set(rows[table.glacier_column]))
        drop_runs(database, [name for name in sorted(before - {run.run}) if not _is_named(database, name, glaciers)])
    database.note_change(table.name)


def runs_of(
    database: Database, table: ArchiveTable, columns: tuple[str, ...], keys: Iterable[tuple[Any, ...]]
) -> set[str]:
    """Return the runs that stored the rows which have one of the keys in the columns."""
    where = " AND ".join(f"{quoted(column)} IS ?" for column in columns)
    query = f"SELECT DISTINCT run FROM {quoted(table.name)} WHERE {where}"  # nosec B608
    return {row[0] for key in keys for row in database.execute(query, key) if row[0]}


#: What one run may store together: it is forgotten with the last row of any of them.
_LOOKING_AHEAD = ("forecasts", "hazards", "scores", "verdicts", "contours")


def _is_named(database: Database, run: str, glaciers: Iterable[str]) -> bool:
    """Return whether a row of some glaciers that looks ahead names a run."""
    queries = [
        f"SELECT 1 FROM {quoted(name)} WHERE glacier = ? AND run = ? LIMIT 1"  # nosec B608
        for name in _LOOKING_AHEAD
    ]
    return any(database.execute(query, (name, run)).fetchone() for name in glaciers for query in queries)


def drop_runs(database: Database, runs: Iterable[str]) -> None:
    """Forget runs that no row names any more."""
    for table in ("runs", "run_inputs"):
        delete_where(database, TABLES[table], ("run",), [(run,) for run in runs])


@dataclass(frozen=True)
class HeldRuns:
    """The runs of a glacier as they go into another archive, and which run each measured row names."""

    glacier: str = ""
    runs: list[tuple[Any, ...]] = field(default_factory=list)
    inputs: list[tuple[Any, ...]] = field(default_factory=list)
    named: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)


def _key_of(table: ArchiveTable) -> tuple[str, ...]:
    """Return the columns that tell rows of what was measured apart; the image of a row is its last three."""
    image = ("GlacierID", "dataset", "ImageID") if table.schema.name == "fronts" else ("glacier", "dataset", "image_id")
    return (*(name for name in (*table.schema.key, "source") if name not in image), *image)


_MEASURED = ("observations", "fronts", LOCAL_FRONTS)


def held_runs(database: Database, columns: Mapping[str, Iterable[str]], glacier: str) -> HeldRuns:
    """Return the runs that measured rows of a glacier name; none of an archive of before there were any."""
    if any(RUN not in columns.get(name, ()) for name in _MEASURED):
        return HeldRuns()
    named = {}
    for name in _MEASURED:
        chosen = ", ".join(map(quoted, (RUN, *_key_of(TABLES[name]))))
        where = f"{quoted(TABLES[name].glacier_column)} = ? AND run <> ''"
        query = f"SELECT {chosen} FROM {quoted(name)} WHERE {where}"  # nosec B608
        named[name] = database.execute(query, (glacier,)).fetchall()
    used = sorted({row[0] for rows in named.values() for row in rows})

    def rows(table: str, also: str = "", *values: str) -> list[tuple[Any, ...]]:
        chosen = ", ".join(map(quoted, TABLES[table].columns))
        query = f"SELECT {chosen} FROM {table} WHERE run = ?{also} ORDER BY {table}.rowid"  # nosec B608
        return [row for run in used for row in database.execute(query, (run, *values))]

    return HeldRuns(glacier, rows("runs"), rows("run_inputs", " AND coalesce(glacier, '') IN ('', ?)", glacier), named)


def take_in_runs(database: Database, held: HeldRuns, *, kept: set[ImageKey]) -> None:
    """Store runs of another archive whose rows were just stored; ``kept`` images have still their own rows."""
    names = [row[0] for row in held.runs]
    delete_where(database, TABLES["runs"], ("run",), [(run,) for run in names])
    pairs = [(run, glacier) for run in names for glacier in (held.glacier, "")]
    delete_where(database, TABLES["run_inputs"], ("run", "glacier"), pairs)
    for name, rows in (("runs", held.runs), ("run_inputs", held.inputs)):
        database.add(name, list(TABLES[name].columns), rows)
        database.note_change(name)
    for name, rows in held.named.items():
        where = " AND ".join(f"{quoted(column)} IS ?" for column in _key_of(TABLES[name]))
        database.executemany(
            f"UPDATE {quoted(name)} SET run = ? WHERE {where} AND run IS NULL",  # nosec B608
            [row for row in rows if row[-3:] not in kept],
        )


def runs_without_images(database: Database, runs: Iterable[str]) -> list[str]:
    """Return those of some runs that no image is of any more."""
    query = "SELECT 1 FROM run_inputs WHERE run = ? AND image_id <> '' LIMIT 1"
    return [run for run in sorted(runs) if database.execute(query, (run,)).fetchone() is None]


_IMAGE = ("glacier", "dataset", "image_id")


def _forget_read(database: Database, images: Sequence[ImageKey]) -> None:
    """Forget what runs read of images whose rows are replaced: it explains nothing any more."""
    before = runs_of(database, TABLES["run_inputs"], _IMAGE, images)
    delete_where(database, TABLES["run_inputs"], _IMAGE, list(images))
    drop_runs(database, runs_without_images(database, before))


def keep_run(database: Database, run: RunRecord, *, kept: Iterable[ImageKey] = ()) -> None:
    """Store a run and what it read; of ``kept`` images nothing: their rows are still those of an earlier run."""
    drop_runs(database, [run.run])
    insert(database, TABLES["runs"], run.row)
    failed = set(kept)
    read = [image not in failed for image in zip(*(run.inputs[name] for name in _IMAGE), strict=True)]
    insert(database, TABLES["run_inputs"], run.inputs[read])
    for name in ("runs", "run_inputs"):
        database.note_change(name)


def delete_where(database: Database, table: ArchiveTable, columns: tuple[str, ...], keys: list[tuple[Any, ...]]) -> int:
    """Delete the rows that have one of the keys in the columns; return how many."""
    name = quoted(table.name)
    where = " AND ".join(f"{name}.{quoted(column)} IS ?" for column in columns)
    return max(database.executemany(f"DELETE FROM {name} WHERE {where}", keys).rowcount, 0) if keys else 0  # nosec B608


def insert(database: Database, table: ArchiveTable, rows: pd.DataFrame, *, run: str = "") -> None:
    """Add rows to a table, with the name of the run that stores them where the table has it."""
    if rows.empty:
        return
    columns = [name for name in table.schema.columns if name in rows]
    values = _plain(database, table, _placed(table, rows)[columns])
    if table.names_run and run:
        columns = [*columns, RUN]
        values = [(*row, run) for row in values]
    database.add(table.name, ["geom" if name == "geometry" else name for name in columns], values)


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


def _measured_before(database: Database, images: set[ImageKey]) -> set[ImageKey]:
    """Return those of the images that the archive holds a value of."""
    query = (
        "SELECT 1 FROM observations WHERE glacier = ? AND dataset = ? AND image_id = ? AND value IS NOT NULL LIMIT 1"
    )
    return {key for key in images if database.execute(query, key).fetchone()}


def _plain(database: Database, table: ArchiveTable, rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the rows as values that a database stores: dates as text, unknown as NULL, geometry as its cells."""
    columns: list[list[Any]] = []
    for column in rows.columns:
        values, kind = rows[column], table.schema.columns[column]
        if kind == "date":
            columns.append(days_as_text(values))
        elif kind == "geometry":
            columns.append(list(database.cells(list(values), table)))
        elif kind == "integer":
            columns.append([int(value) for value in values])
        elif kind == "number":
            columns.append([None if np.isnan(value) else float(value) for value in values])
        else:
            columns.append(list(values))
    return list(zip(*columns, strict=True))


def days_as_text(values: pd.Series) -> list[str | None]:
    """Return dates as YYYY-MM-DD, years before 1000 too; None where there is none."""
    days = values.to_numpy().astype("datetime64[D]")
    return [None if np.isnat(day) else str(day) for day in days]


def scope_of(glaciers: Iterable[str], run: RunRecord | None = None, *, also: Sequence[tuple[Any, Any]] = ()) -> Scope:
    """Return what a change of some glaciers touches, with the run that is stored with it and what that run read."""
    if run is None:
        return Scope(sorted(set(glaciers)), also)
    named = {*glaciers, *run.inputs["glacier"]}
    return Scope(sorted(named - {""}) or [""], also, (run.run,))
