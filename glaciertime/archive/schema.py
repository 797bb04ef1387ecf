"""The tables of an archive as SQL: columns, indexes, and how a new file comes to hold them."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from glaciertime.archive.geopackage import NOW, create_metadata, create_spatial_index, list_table
from glaciertime.qgis_style import LAYER_STYLES
from glaciertime.tables import SCHEMAS, SERIES_KEY, Schema

__all__ = [
    "LOCAL_FRONTS",
    "RUN",
    "TABLES",
    "VERSION",
    "VERSION_TABLE",
    "ArchiveTable",
    "create",
    "create_indexes",
    "create_style_table",
    "create_styles",
    "quoted",
    "store_style",
]

#: The version of the schema that this release writes; see ``migrations`` for the steps up to it.
VERSION = 5
VERSION_TABLE = "glaciertime_schema"
LOCAL_FRONTS = "fronts_local"
#: The column of a row that names the run which stored it, a row of the table ``runs``.
RUN = "run"
_SQL_TYPES = {"text": "TEXT", "number": "REAL", "integer": "INTEGER", "date": "DATE"}


@dataclass(frozen=True)
class ArchiveTable:
    """A table of the archive.

    ``indexes`` are the columns that rows are looked up by; ``geometry_type`` is that of GeoPackage, empty for a table
    without geometry.
    """

    name: str
    description: str
    indexes: tuple[tuple[str, ...], ...]
    geometry_type: str = ""
    srs: int = 0
    schema_name: str = ""
    #: Whether each row names the run that stored it: of the archive alone, the corridor does not carry it.
    names_run: bool = False

    @property
    def schema(self) -> Schema:
        """Its columns, as the corridor knows them."""
        return SCHEMAS[self.schema_name or self.name]

    @property
    def is_layer(self) -> bool:
        """Whether it has a geometry."""
        return bool(self.geometry_type)

    @property
    def glacier_column(self) -> str:
        """The column that names the glacier; empty where there is none."""
        return next((name for name in ("glacier", "GlacierID") if name in self.schema.columns), "")

    @property
    def columns(self) -> dict[str, str]:
        """SQL name and type of every column except ``fid`` and the geometry, in order."""
        kinds = self.schema.columns.items()
        own = {RUN: "TEXT"} if self.names_run else {}
        return {**{name: _SQL_TYPES[kind] for name, kind in kinds if kind != "geometry"}, **own}

    def create(self, database: sqlite3.Connection, *, name: str = "", extra: dict[str, str] | None = None) -> None:
        """Create the table, under its own or another name; ``extra`` columns are a user's own."""
        shape = [f"geom {self.geometry_type}"] if self.is_layer else []
        kinds = {**self.columns, **{column: _type(kind) for column, kind in (extra or {}).items()}}
        columns = [f"{quoted(column)} {kind}".strip() for column, kind in kinds.items()]
        parts = ["fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL", *shape, *columns]
        database.execute(f"CREATE TABLE {quoted(name or self.name)} ({', '.join(parts)})")


_OF_IMAGE = ("glacier", "dataset", "image_id")
_FRONT_INDEXES = (("GlacierID", "dataset", "ImageID"), ("GlacierID", "Date"))
_BY_SERIES = (*SERIES_KEY, "model")

TABLES = {
    table.name: table
    for table in (
        ArchiveTable("fronts", "calving fronts", _FRONT_INDEXES, "MULTILINESTRING", 4326, names_run=True),
        ArchiveTable(
            LOCAL_FRONTS, "calving fronts of images without georeference, in metres of each image", _FRONT_INDEXES,
            "MULTILINESTRING", -1, "fronts", names_run=True,
        ),
        ArchiveTable("footprints", "where areas were measured", (("glacier", "dataset"),), "MULTIPOLYGON", 4326),
        ArchiveTable("centrelines", "what positions were measured along", (("glacier", "dataset"),), "MULTILINESTRING",
                     4326),
        ArchiveTable(
            "contours", "predicted calving fronts", (("glacier", "source", "model"),), "GEOMETRY", 4326, names_run=True,
        ),
        ArchiveTable("rulers", "with what each glacier is measured", (("glacier", "dataset"),), "GEOMETRY", 4326),
        ArchiveTable(
            "observations", "what was measured",
            (SCHEMAS["observations"].key, _OF_IMAGE), names_run=True,
        ),
        ArchiveTable("forecasts", "what was forecast", ((*_BY_SERIES, "cutoff"),), names_run=True),
        ArchiveTable("scores", "what forecasts were worth", (_BY_SERIES,), names_run=True),
        ArchiveTable("verdicts", "which model a backtest speaks for", (SERIES_KEY,), names_run=True),
        ArchiveTable(
            "hazards", "how often glaciers of a kind lose much at once", (("glacier", "variable"),), names_run=True,
        ),
        ArchiveTable(
            "inputs", "which file each image came from", (_OF_IMAGE, ("glacier", "dataset", "input"), ("input",)),
        ),
        ArchiveTable("runs", "which commands wrote", (("run",),)),
        ArchiveTable("run_inputs", "which files each command read", (("run",), _OF_IMAGE, ("sha256",))),
    )
}  # fmt: skip


def quoted(name: str) -> str:
    """Return a name as SQL.

    Every name in a query of this package is one of the schema, or has been through here; every value is bound (``?``).
    The lines marked ``nosec B608`` have been read for that.
    """
    return '"' + name.replace('"', '""') + '"'


def _type(kind: str) -> str:
    """Return the type of a user's column as SQL: any text can be one, and some would be more than a type."""
    return kind if re.fullmatch(r"[A-Za-z_ ]*(\(\d+(, ?\d+)?\))?", kind) else quoted(kind)


def create(database: sqlite3.Connection, *, written_by: str) -> None:
    """Fill an empty file with the tables of an archive; in the caller's transaction."""
    create_metadata(database)
    for table in TABLES.values():
        table.create(database)
        finish(database, table)
    create_styles(database)
    create_version_table(database)
    record_version(database, written_by=written_by)


def finish(database: sqlite3.Connection, table: ArchiveTable) -> None:
    """List a table among the contents and make its indexes."""
    list_table(
        database, table.name, description=table.description, geometry_type=table.geometry_type, srs=table.srs
    )  # fmt: skip
    create_indexes(database, table)
    if table.is_layer:
        create_spatial_index(database, table.name)


def create_indexes(database: sqlite3.Connection, table: ArchiveTable) -> None:
    """Make the indexes of a table anew."""
    for number, columns in enumerate(table.indexes):
        name = quoted(f"{table.name}_by_{number}")
        database.execute(f"DROP INDEX IF EXISTS {name}")
        database.execute(f"CREATE INDEX {name} ON {quoted(table.name)} ({', '.join(map(quoted, columns))})")


def create_version_table(database: sqlite3.Connection) -> None:
    """Make the table that says which schema the file has, and who gave it."""
    database.execute(
        f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (version INTEGER NOT NULL PRIMARY KEY, written_by TEXT NOT NULL, "
        f"since TEXT NOT NULL DEFAULT ({NOW}))"
    )


def record_version(database: sqlite3.Connection, *, written_by: str) -> None:
    """Say that the file has the schema of this release."""
    database.execute(
        f"INSERT OR REPLACE INTO {VERSION_TABLE} (version, written_by) VALUES (?, ?)", (VERSION, written_by)
    )


#: How the styles of earlier releases were called: they are replaced, a user's own are not.
_FORMER_STYLES = ("fronts by date",)


def create_styles(database: sqlite3.Connection) -> None:
    """Store how QGIS draws the layers, where QGIS looks for it; what a user stored there stays."""
    create_style_table(database)
    marks = ", ".join("?" * len(_FORMER_STYLES))
    database.execute(f"DELETE FROM layer_styles WHERE styleName IN ({marks}) AND owner = ''", _FORMER_STYLES)  # nosec B608
    # What SQLite writes as the present time is no time of a GeoPackage, of which readers warn.
    database.execute(
        "UPDATE layer_styles SET update_time = replace(update_time, ' ', 'T') || '.000Z' "
        "WHERE update_time LIKE '____-__-__ __:__:__'"
    )
    for layer, (name, style) in LAYER_STYLES.items():
        store_style(database, layer, name=name, style=style)
    list_table(database, "layer_styles", description="how QGIS draws the layers")


def create_style_table(database: sqlite3.Connection) -> None:
    """Make the table in which QGIS looks for styles."""
    database.execute(
        "CREATE TABLE IF NOT EXISTS layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "
        "f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), "
        "styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), "
        f"ui TEXT(30), update_time DATETIME DEFAULT ({NOW}))"
    )


def store_style(database: sqlite3.Connection, layer: str, *, name: str, style: str, geometry: str = "geom") -> None:
    """Store how QGIS draws a layer that has no style yet."""
    held = database.execute("SELECT 1 FROM layer_styles WHERE f_table_name = ? LIMIT 1", (layer,)).fetchone()
    if held is None:
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "  # nosec B608
            f"styleName, styleQML, styleSLD, useAsDefault, description, owner, update_time) "
            f"VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '', {NOW})",
            (layer, geometry, name, style, name),
        )
