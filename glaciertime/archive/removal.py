"""What is taken out of the archive: all of some images, with what was made from them; in the caller's transaction."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glaciertime.archive.measured_ice import has_outlines
from glaciertime.archive.reading import condition
from glaciertime.archive.schema import LOCAL_FRONTS, TABLES, ArchiveTable, quoted
from glaciertime.archive.storage import Condition, Database
from glaciertime.archive.storing import ImageKey, delete_where, drop_runs, runs_of, runs_without_images
from glaciertime.errors import UsageError
from glaciertime.tables import MEASURED_ICE, SERIES_KEY

__all__ = ["GoneInputs", "delete_images", "forget", "gone_inputs", "holders"]

_OF_IMAGES = ("fronts", LOCAL_FRONTS, "observations", "inputs", "run_inputs")
_OF_DATASETS = ("footprints", "centrelines", "rulers")
#: A table of numbers was taken over when it was imported: it may go, an image is measured again.
_READ_ONCE = (".csv", ".tsv", ".txt", ".dat", ".xlsx", ".xls", ".ods")
#: What was made from values that are gone rests on nothing; a forecast of before them does not.
_DERIVED = ("forecasts", "scores", "verdicts", "hazards", "contours")


@dataclass(frozen=True)
class GoneInputs:
    """What an archive holds of files that are no longer where they were.

    Attributes
    ----------
    images : dict of ImageKey to str
        Images whose file is gone, though its folder is there, and the file.
    away : dict of ImageKey to str
        Images whose folder is not there, or is empty: its disk may not be mounted.
    renamed : dict of ImageKey to str
        Of ``images``, those whose date and sensor another image of the data set has; with that image's name.
    """

    images: dict[ImageKey, str] = field(default_factory=dict)
    away: dict[ImageKey, str] = field(default_factory=dict)
    renamed: dict[ImageKey, str] = field(default_factory=dict)


def gone_inputs(database: Database, glacier: str) -> GoneInputs:
    """Return which images of a glacier come from files that are gone."""
    rows = database.execute(
        "SELECT glacier, dataset, image_id, input FROM inputs WHERE glacier = ? ORDER BY fid", (glacier,)
    ).fetchall()
    images: dict[ImageKey, str] = {}
    away: dict[ImageKey, str] = {}
    present: set[ImageKey] = set()
    exists: dict[str, bool] = {}
    there: dict[Path, bool] = {}
    for *key, source in rows:
        path = Path(source)
        if not path.is_absolute() or path.suffix.lower() in _READ_ONCE:  # the simulation has a name, no file
            continue
        if source not in exists:  # many images may come from one file
            exists[source] = path.exists()
        if exists[source]:
            present.add((key[0], key[1], key[2]))
            continue
        folder = path.parent
        if folder not in there:
            there[folder] = folder.is_dir() and any(os.scandir(folder))
        (images if there[folder] else away)[(key[0], key[1], key[2])] = source
    return GoneInputs(images, away, _renamed(database, images, present))


def _renamed(database: Database, images: Mapping[ImageKey, str], present: set[ImageKey]) -> dict[ImageKey, str]:
    out: dict[ImageKey, str] = {}
    query = (
        "SELECT b.image_id FROM observations AS a JOIN observations AS b ON b.glacier = a.glacier AND "
        "b.dataset = a.dataset AND b.date = a.date AND b.sensor IS a.sensor AND b.source = a.source "
        "WHERE a.glacier = ? AND a.dataset = ? AND a.image_id = ? AND b.image_id <> a.image_id"
    )
    for key in images:
        others = [row[0] for row in database.execute(query, key) if (key[0], key[1], row[0]) in present]
        if others:
            out[key] = str(others[0])
    return out


def delete_images(database: Database, keys: Iterable[ImageKey]) -> dict[str, int]:
    """Delete all that the archive holds of some images, and what was forecast from them; return counts by table."""
    images = sorted(set(keys))
    counts: Counter[str] = Counter()
    _forget_derived(database, images, counts)
    runs = runs_of(database, TABLES["run_inputs"], ("glacier", "dataset", "image_id"), images)
    for name in _OF_IMAGES:
        table = TABLES[name]
        columns = (table.glacier_column, "dataset", "ImageID" if table.schema.name == "fronts" else "image_id")
        counts[name] += delete_where(database, table, columns, images)
    drop_runs(database, runs_without_images(database, runs))
    for glacier, dataset in sorted({(key[0], key[1]) for key in images}):
        left = database.execute(
            "SELECT 1 FROM observations WHERE glacier = ? AND dataset = ? LIMIT 1", (glacier, dataset)
        ).fetchone()
        if left is None:
            for name in _OF_DATASETS:
                counts[name] += delete_where(database, TABLES[name], ("glacier", "dataset"), [(glacier, dataset)])
        elif not has_outlines(database, glacier, dataset):
            key = (glacier, dataset, MEASURED_ICE)
            counts["footprints"] += delete_where(
                database, TABLES["footprints"], ("glacier", "dataset", "footprint"), [key]
            )  # fmt: skip
    for name, count in counts.items():
        if count:
            database.note_change(name)
    return {name: count for name, count in counts.items() if count}


def _forget_derived(database: Database, images: list[ImageKey], counts: Counter[str]) -> None:
    """Delete forecasts that saw a value of the images, scores of their series, and fronts predicted from them."""
    series: dict[tuple[str, ...], str] = {}
    fronts: dict[tuple[str, str], str] = {}
    query = (
        f"SELECT {', '.join(SERIES_KEY)}, source, min(date) FROM observations "  # nosec B608
        "WHERE glacier = ? AND dataset = ? AND image_id = ? AND value IS NOT NULL "
        "GROUP BY glacier, variable, method, footprint, dataset, front_of, source"
    )
    for key in images:
        for *name, source, first in database.execute(query, key):
            one = tuple(name)
            series[one] = min(series.get(one, first), first)
            if name[1] == "front_position_m":
                pair = (name[0], source)
                fronts[pair] = min(fronts.get(pair, first), first)
    where = " AND ".join(f"{name} = ?" for name in SERIES_KEY)
    for one, first in series.items():
        later = f"DELETE FROM forecasts WHERE {where} AND cutoff >= ?"  # nosec B608
        counts["forecasts"] += database.execute(later, (*one, first)).rowcount
        for table in ("scores", "verdicts"):
            counts[table] += database.execute(f"DELETE FROM {table} WHERE {where}", one).rowcount  # nosec B608
        counts["hazards"] += database.execute(
            "DELETE FROM hazards WHERE glacier = ? AND variable = ? AND cutoff >= ?", (one[0], one[1], first)
        ).rowcount
    for pair, first in fronts.items():
        counts["contours"] += database.execute(
            "DELETE FROM contours WHERE glacier = ? AND source = ? AND cutoff >= ?", (*pair, first)
        ).rowcount


def forget(
    database: Database,
    *,
    glacier: str | Iterable[str] | None,
    dataset: str | Iterable[str] | None,
    image: str | Iterable[str] | None,
    since: Any,
    until: Any,
) -> dict[str, int]:
    """Delete what matches, with what was made from it; return counts by table."""
    keys: set[ImageKey] = set()
    names = {"glacier": glacier, "dataset": dataset, "image": image}
    for name in ("observations", "fronts", LOCAL_FRONTS, *(("inputs",) if since is None and until is None else ())):
        table = TABLES[name]
        where, values = condition(table, names=names, since=since, until=until)
        column = "ImageID" if table.schema.name == "fronts" else "image_id"
        images = f"SELECT DISTINCT {quoted(table.glacier_column)}, dataset, {quoted(column)} FROM {quoted(name)}{where}"  # nosec B608
        found = database.execute(images, values)
        keys.update((str(a or ""), str(b or ""), str(c or "")) for a, b, c in found)
    if since is not None or until is not None:
        _check_whole(database, keys, since=since, until=until)
    counts = Counter(delete_images(database, keys))
    if image is None and since is None and until is None:
        # The whole of a glacier or of a data set: also what hangs on no image.
        for name in (*_OF_DATASETS, *_DERIVED, *_OF_IMAGES):
            table = TABLES[name]
            if dataset is not None and "dataset" not in table.columns:
                continue
            where, values = condition(table, names={"glacier": glacier, "dataset": dataset})
            counts[name] += _delete(database, table, where, values)
    return {name: counts[name] for name in TABLES if counts[name]}


def holders(
    names: Mapping[str, str | Iterable[str] | None], *, since: Any, until: Any
) -> list[tuple[ArchiveTable, Condition]]:
    """Return in which tables, and by what, the glaciers are found of which :func:`forget` takes something out."""
    dated = ("observations", "fronts", LOCAL_FRONTS)
    found = [(TABLES[name], condition(TABLES[name], names=names, since=since, until=until)) for name in dated]
    if since is not None or until is not None:
        return found
    found.append((TABLES["inputs"], condition(TABLES["inputs"], names=names)))
    if names.get("image") is None:
        whole = {name: given for name, given in names.items() if name != "image"}
        tables = [TABLES[name] for name in (*_OF_DATASETS, *_DERIVED)]
        found += [(table, condition(table, names=whole)) for table in tables if "dataset" in table.columns]
    return found


def _check_whole(database: Database, keys: Iterable[ImageKey], *, since: Any, until: Any) -> None:
    """Refuse to forget for some dates what holds values of others, too: an imported file goes as a whole."""
    table = TABLES["observations"]
    for glacier, dataset, image in sorted(keys):
        names = {"glacier": glacier, "dataset": dataset, "image": image}
        query = "SELECT count(*), min(date), max(date) FROM observations"
        where, values = condition(table, names=names, since=since, until=until)
        matching = database.execute(f"{query}{where}", values).fetchone()[0]  # nosec B608
        where, values = condition(table, names=names)
        count, begin, end = database.execute(f"{query}{where}", values).fetchone()  # nosec B608
        if count == matching:
            continue
        raise UsageError(
            f"{image} of {glacier} ({dataset}) holds values from {begin[:10]} to {end[:10]}, which go together; forget "
            "it whole, without dates, and import a file of those that stay; or name what is to go with --dataset "
            "or --image"
        )


def _delete(database: Database, table: ArchiveTable, where: str, values: list[Any]) -> int:
    count = database.execute(f"DELETE FROM {quoted(table.name)}{where}", values).rowcount  # nosec B608
    if count:
        database.note_change(table.name)
    return count
