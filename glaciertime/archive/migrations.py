"""From the schema of every earlier release to the present one, and no step back.

Schema 1 is that of archives without a table ``glaciertime_schema``. Schema 2 adds the rulers, what a front is made of,
bounds and provenance, and is a GeoPackage 1.2 with spatial indexes. Schema 3 says of forecasts and scores too what the
front is made of. Schema 4 names in each row the run that stored it; of rows from before, that is unknown. Schema 5 has
tables of verdicts and of hazards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glaciertime.archive.geopackage import (
    create_metadata,
    drop_spatial_index,
    list_table,
    read_geometries,
    to_blobs,
    update_contents,
)
from glaciertime.archive.schema import (
    RUN,
    TABLES,
    VERSION,
    VERSION_TABLE,
    ArchiveTable,
    create_styles,
    create_version_table,
    finish,
    quoted,
    record_version,
)
from glaciertime.errors import ArchiveError

__all__ = ["Layout", "layout_of", "migrate", "rebuild"]

#: What an archive of schema 1 holds; all else is newer and unknown in it.
_SERIES = "glacier variable method footprint dataset"
_FRONTS = "GlacierID Date DecDate QualFlag Satellite ImageID Author sigma_m coverage resolution_m model source dataset"
_SCHEMA_1 = {
    "fronts": _FRONTS.split(),
    "fronts_local": _FRONTS.split(),
    "footprints": ["glacier", "footprint", "dataset", "area_km2", "source"],
    "centrelines": ["glacier", "dataset", "drawn_by", "source"],
    "contours": [
        "glacier",
        "cutoff",
        "target_date",
        "horizon_days",
        "model",
        "kind",
        "level",
        "half_width_m",
        "n_calibration",
        "status",
        "source",
    ],
    "observations": f"{_SERIES} date value sigma unit sensor image_id coverage quality source".split(),
    "forecasts": f"{_SERIES} model cutoff target_date horizon_days quantile value unit status source".split(),
    "scores": f"{_SERIES} model horizon metric value n n_failed source".split(),
    "inputs": ["glacier", "dataset", "image_id", "input"],
}
#: What an archive of schema 2 does not hold yet.
_NEW_IN_3 = {"forecasts": {"front_of"}, "scores": {"front_of"}}
_NEW_IN_5 = ("verdicts", "hazards")
#: Columns that say nothing of a row with an empty text, never with NULL: rows are replaced by them.
_NEVER_NULL = ("front_of", "bound")
_CHUNK_ROWS = 5000


@dataclass(frozen=True)
class Layout:
    """What a file holds: its schema version (0: nothing yet), its tables with their columns, and who wrote them."""

    version: int
    columns: dict[str, dict[str, str]]
    written_by: str = ""

    def lacks(self) -> list[str]:
        """Return what the file lacks of the tables of its version, as texts for a person."""
        out = []
        for table in TABLES.values():
            if self.version < 2 and table.name not in _SCHEMA_1:
                continue
            if self.version < 5 and table.name in _NEW_IN_5:
                continue
            if table.name not in self.columns:
                out.append(f"table {table.name}")
                continue
            wanted = set(_SCHEMA_1[table.name] if self.version < 2 else (*table.columns, "fid"))
            wanted |= {"geom"} if table.is_layer else set()
            wanted -= _NEW_IN_3.get(table.name, set()) if self.version < 3 else set()
            wanted -= {RUN} if self.version < 4 and table.names_run else set()
            missing = sorted(wanted - self.columns[table.name].keys())
            out += [f"column {column} of table {table.name}" for column in missing]
        return out


def layout_of(database: sqlite3.Connection, path: Path, *, strict: bool = True) -> Layout:
    """Return what a file holds.

    Raises
    ------
    ArchiveError
        Where it is no archive, was made by a newer release, or (``strict``) lacks a table or a column.
    """
    names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    if not names:
        return Layout(version=0, columns={})
    columns = {
        name: {row[1]: row[2] for row in database.execute(f"PRAGMA table_info({quoted(name)})")}
        for name in names
        if name in TABLES
    }
    if VERSION_TABLE in names:
        row = database.execute(
            f"SELECT version, written_by FROM {VERSION_TABLE} ORDER BY version DESC LIMIT 1"  # nosec B608
        ).fetchone()
        version, written_by = (1, "") if row is None else (int(row[0]), str(row[1]))
    elif _SCHEMA_1.keys() <= columns.keys():
        version, written_by = 1, ""
    else:
        raise ArchiveError(
            f"{path} is no archive of glaciertime (it lacks {', '.join(sorted(_SCHEMA_1.keys() - columns.keys()))}); "
            "name another file with --archive"
        )
    if version > VERSION:
        from glaciertime import __version__

        raise ArchiveError(
            f"archive {path} has schema {version}, written by glaciertime {written_by}; this is glaciertime "
            f"{__version__}, which knows schemas up to {VERSION}: update glaciertime, or name another archive"
        )
    layout = Layout(version=version, columns=columns, written_by=written_by)
    lacking = layout.lacks() if strict else []
    if lacking:
        raise ArchiveError(
            f"archive {path} lacks {', '.join(lacking)}; restore a copy, or run glaciertime archive repair {path}"
        )
    return layout


def migrate(
    database: sqlite3.Connection, layout: Layout, path: Path, *, written_by: str, tell: Callable[[str], None]
) -> None:
    """Bring an archive to the present schema, in the caller's transaction."""
    create_metadata(database)
    for table in TABLES.values():
        rebuild(database, table, layout)
    create_styles(database)
    create_version_table(database)
    record_version(database, written_by=written_by)
    tell(
        f"archive {path}: brought from schema {layout.version} to {VERSION}; earlier releases of glaciertime can no "
        "longer write to it"
    )


def rebuild(database: sqlite3.Connection, table: ArchiveTable, layout: Layout) -> None:
    """Make a table anew with the rows that it has; columns that a user added stay."""
    held = layout.columns.get(table.name)
    if held is None:
        table.create(database)
        finish(database, table)
        return
    extra = {name: kind for name, kind in held.items() if name not in table.columns and name not in ("fid", "geom")}
    new = f"{table.name}_rebuilt"
    if table.is_layer:
        drop_spatial_index(database, table.name)
    database.execute(f"DROP TABLE IF EXISTS {quoted(new)}")
    table.create(database, name=new, extra=extra)
    kept = [name for name in (*table.columns, *extra) if name in held]
    key = ["fid"] if "fid" in held else []
    selected = [*key, *(["geom"] if table.is_layer else []), *kept]
    names = ", ".join(map(quoted, selected))
    marks = ", ".join("?" * len(selected))
    rows = database.execute(f"SELECT {names} FROM {quoted(table.name)} ORDER BY rowid")  # nosec B608
    while chunk := rows.fetchmany(_CHUNK_ROWS):
        if table.is_layer:
            place = len(key)
            shapes = read_geometries([row[place] for row in chunk], geometry_type="")
            blobs = to_blobs(shapes, geometry_type=table.geometry_type, srs=table.srs)
            chunk = [(*row[:place], blob, *row[place + 1 :]) for row, blob in zip(chunk, blobs, strict=True)]
        database.executemany(f"INSERT INTO {quoted(new)} ({names}) VALUES ({marks})", chunk)  # nosec B608
    for column in _NEVER_NULL:
        if column in table.columns:
            name = quoted(column)
            database.execute(f"UPDATE {quoted(new)} SET {name} = '' WHERE {name} IS NULL")  # nosec B608
    database.execute(f"DROP TABLE {quoted(table.name)}")
    database.execute(f"ALTER TABLE {quoted(new)} RENAME TO {quoted(table.name)}")
    database.execute("DELETE FROM gpkg_geometry_columns WHERE table_name = ?", (table.name,))
    list_table(database, table.name, description=table.description, geometry_type=table.geometry_type, srs=table.srs)
    finish(database, table)
    update_contents(database, table.name, spatial=table.is_layer)
