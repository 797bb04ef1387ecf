"""Rows of all glaciers, or of many, by DuckDB's own reader of Parquet; geometry stays WKB until shapely reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from glaciertime.archive.folder.files import columns_of
from glaciertime.archive.schema import ArchiveTable, quoted
from glaciertime.archive.storage import Condition
from glaciertime.errors import ArchiveError, MissingExtraError

__all__ = ["distinct", "query_rows"]

#: Files of one query: of so many rows are in memory at once where a table is read in parts.
FILES_AT_ONCE = 500
_LIST = "IN (SELECT value FROM json_each(?))"
_DUCKDB_LIST = "IN (SELECT unnest(from_json(?, '[\"VARCHAR\"]')))"


def query_rows(
    files: Sequence[Path], table: ArchiveTable, where: Condition, *, rows: int | None = None
) -> Iterator[pd.DataFrame]:
    """Yield the rows of some files that match, as the archive holds them, geometry as WKB in ``geom``.

    Parameters
    ----------
    files : sequence of Path
    table : ArchiveTable
    where : Condition
    rows : int, optional
        At most so many at a time; default all at once.
    """
    columns = columns_of(table)
    chosen = ", ".join(quoted(name) for name in columns)
    groups = [files] if rows is None else [files[i : i + FILES_AT_ONCE] for i in range(0, len(files), FILES_AT_ONCE)]
    for group in groups:
        found = _asked(group, table, f"SELECT {chosen}", where)
        for start in range(0, max(found.num_rows, 1), rows or max(found.num_rows, 1)):
            yield _frame(found.slice(start, rows), table)


def distinct(files: Sequence[Path], table: ArchiveTable, where: Condition) -> set[str]:
    """Return the glaciers of the rows that match."""
    found = _asked(files, table, f"SELECT DISTINCT {quoted(table.glacier_column)}", where)
    return {str(name) for name in found.column(0).to_pylist()}


def _asked(files: Sequence[Path], table: ArchiveTable, select: str, where: Condition) -> pa.Table:
    if not files:
        return pa.table({name: pa.array([], type=kind) for name, kind in columns_of(table).items()})
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("an archive in a folder", "folder") from error
    text, values = where
    # By name: a file of an older release lacks columns, which are unknown in it.
    source = f"read_parquet(?, hive_partitioning = false, union_by_name = true) AS {quoted(table.name)}"
    query = f"{select} FROM {source}{text.replace(_LIST, _DUCKDB_LIST)}"  # nosec B608
    try:
        with duckdb.connect(config={"threads": 2}) as database:
            return database.sql(query, params=[[str(path) for path in files], *values]).to_arrow_table()
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        gone = [path for path in files if not path.exists()]
        raise (FileNotFoundError(str(gone[0])) if gone else ArchiveError(f"archive: {reason}")) from error


def _frame(found: pa.Table, table: ArchiveTable) -> pd.DataFrame:
    """Return Arrow as rows that the checks of the corridor take: dates at midnight, unknown texts as None."""
    kinds = columns_of(table)
    data: dict[str, Any] = {}
    for name, kind in kinds.items():
        cells = found.column(name)
        if kind == pa.date32():
            data[name] = cells.cast(pa.timestamp("s")).to_pandas()
        elif kind == pa.float64():
            data[name] = cells.to_pandas()
        else:
            data["geom" if name == "geometry" else name] = pd.Series(cells.to_pylist(), dtype=object)
    return pd.DataFrame(data)
