"""Rows as GeoParquet 1.1: geometry as WKB with its coordinate system, dates as days, unknown numbers as null."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import shapely
from pyarrow import parquet

from glaciertime.archive.reading import GEOGRAPHIC
from glaciertime.archive.schema import VERSION, ArchiveTable
from glaciertime.errors import ArchiveError

__all__ = ["as_rows", "columns_of", "read_file", "table_of_rows", "write_file"]

_ARROW = {"text": pa.string(), "number": pa.float64(), "integer": pa.int64(), "date": pa.date32()}
_GEOMETRY = "geometry"


def columns_of(table: ArchiveTable) -> dict[str, pa.DataType]:
    """Return the columns of the files of a table; the geometry is the last."""
    kinds = {name: _ARROW[kind] for name, kind in table.schema.columns.items() if kind != "geometry"}
    own = {name: pa.string() for name in table.columns if name not in kinds}
    return {**kinds, **own, **({_GEOMETRY: pa.binary()} if table.is_layer else {})}


def table_of_rows(table: ArchiveTable, rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Return rows, values in the order of :func:`columns_of` with dates as text and geometry as WKB, as Arrow.

    Raises
    ------
    ArchiveError
        For a value that is not of the kind of its column.
    """
    kinds = columns_of(table)
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(kinds)
    arrays = []
    for (name, kind), values in zip(kinds.items(), cells, strict=True):
        try:
            if kind == pa.date32():
                arrays.append(pa.array(values, type=pa.string()).cast(kind))
            else:
                arrays.append(pa.array(values, type=kind))
        except (pa.ArrowException, UnicodeError) as error:
            reason = str(error).partition("\n")[0]
            raise ArchiveError(
                f"table {table.name}, column {name}: {reason}; rows with such a value cannot be kept in a folder"
            ) from error
    return pa.table(arrays, schema=pa.schema(list(kinds.items())))


def as_rows(table: ArchiveTable, held: pa.Table) -> list[tuple[Any, ...]]:
    """Return Arrow as rows, the inverse of :func:`table_of_rows`; columns that a file lacks are unknown."""
    columns = []
    for name, kind in columns_of(table).items():
        if name not in held.column_names:
            columns.append([None] * held.num_rows)
            continue
        cells = held.column(name)
        columns.append((cells.cast(pa.string()) if kind == pa.date32() else cells).to_pylist())
    return list(zip(*columns, strict=True))


def write_file(draft: Path, table: ArchiveTable, rows: pa.Table) -> None:
    """Write a file of rows; of a layer as GeoParquet."""
    told = {b"glaciertime_schema": str(VERSION).encode()}
    if table.is_layer:
        told[b"geo"] = json.dumps(_geo(table, rows)).encode()
    parquet.write_table(rows.replace_schema_metadata(told), draft, compression="zstd")


def _geo(table: ArchiveTable, rows: pa.Table) -> dict[str, Any]:
    shapes = shapely.from_wkb(np.array(rows.column(_GEOMETRY).to_pylist() or [None], dtype=object))
    kinds = sorted({one.geom_type for one in shapes if one is not None})
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": kinds, "crs": _crs() if table.srs > 0 else None}
    bounds = shapely.total_bounds(shapes)
    if not np.isnan(bounds).any():
        column["bbox"] = [float(edge) for edge in bounds]
    return {"version": "1.1.0", "primary_column": _GEOMETRY, "columns": {_GEOMETRY: column}}


@cache
def _crs() -> dict[str, Any]:
    return pyproj.CRS(GEOGRAPHIC).to_json_dict()


def read_file(path: Path) -> pa.Table | None:
    """Return the rows of a file; None where it is not there (any more).

    Raises
    ------
    ArchiveError
        For a file that is damaged, or of a newer release.
    """
    try:
        with parquet.ParquetFile(path) as opened:
            held = opened.read()
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise ArchiveError(
            f"{path} is damaged or cannot be read ({reason}); restore it from a copy, or take it away and run track or "
            "import of that glacier again"
        ) from error
    version = (held.schema.metadata or {}).get(b"glaciertime_schema", b"0")
    if not version.isdigit() or int(version) > VERSION:
        raise ArchiveError(
            f"{path} has schema {version.decode(errors='replace')}; this release knows schemas up to {VERSION}: update "
            "glaciertime"
        )
    return held.replace_schema_metadata(None)
