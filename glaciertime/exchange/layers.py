"""Vector files as GIS programs open them without a warning, with their style and the licences of their data."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from html import escape
from pathlib import Path

import geopandas as gpd
import pandas as pd

from glaciertime.archive.geopackage import NOW
from glaciertime.archive.schema import create_style_table, store_style
from glaciertime.qgis_style import style_of
from glaciertime.writing.netcdf import netcdf_told

__all__ = ["LAYER", "carry_along", "write_kml", "write_layer"]

#: What the layer of an exported GeoPackage is called.
LAYER = "rows"
_METADATA_TABLES = (
    "CREATE TABLE IF NOT EXISTS gpkg_metadata (id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL, md_scope TEXT NOT "
    "NULL DEFAULT 'dataset', md_standard_uri TEXT NOT NULL, mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT "
    "NOT NULL DEFAULT '')",
    "CREATE TABLE IF NOT EXISTS gpkg_metadata_reference (reference_scope TEXT NOT NULL, table_name TEXT, column_name "
    "TEXT, row_id_value INTEGER, timestamp DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), "
    "md_file_id INTEGER NOT NULL, md_parent_id INTEGER, CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES "
    "gpkg_metadata(id), CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata(id))",
    "CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, "
    "definition TEXT NOT NULL, scope TEXT NOT NULL, CONSTRAINT ge_tce UNIQUE (table_name, column_name, "
    "extension_name))",
)
_MULTI = {
    frozenset({"LineString", "MultiLineString"}): "MultiLineString",
    frozenset({"Polygon", "MultiPolygon"}): "MultiPolygon",
}


def write_layer(
    rows: pd.DataFrame, draft: Path, *, append: bool = False, several: bool = False, description: str = ""
) -> None:
    """Write rows as the layer of a GeoPackage 1.2, the newest that QGIS 3.22 and GDAL 3.4 read without a warning.

    Where a line or polygon has several parts, or the next rows may have (``several``), the layer is declared as one of
    such; a table without geometry is an attribute table.
    """
    import pyogrio

    if not isinstance(rows, gpd.GeoDataFrame):
        options = {"append": True} if append else {"DESCRIPTION": description, "VERSION": "1.2"}
        pyogrio.write_dataframe(pd.DataFrame(rows), draft, driver="GPKG", layer=LAYER, **options)
        return
    kinds = set(rows.geometry.dropna().geom_type)
    declared = next((multi for held, multi in _MULTI.items() if kinds and kinds <= held), "Unknown")
    is_multi = declared != "Unknown" and (several or len(kinds) > 1)
    shape = {"geometry_type": declared, "promote_to_multi": True} if is_multi else {}
    if len(kinds) > 1 and not is_multi:
        shape = {"geometry_type": "Unknown"}
    options = {} if append else {"DESCRIPTION": description, "VERSION": "1.2"}
    rows.to_file(draft, driver="GPKG", layer=LAYER, mode="a" if append else "w", engine="pyogrio", **shape, **options)


def write_kml(rows: gpd.GeoDataFrame, draft: Path, *, mark: str) -> None:
    """Write rows as KML, in longitude and latitude, each named by its glacier and date."""
    glacier = next((name for name in ("GlacierID", "glacier", "Official_n") if name in rows), None)
    date = next((name for name in ("Date", "SourceDate", "target_date", "footprint") if name in rows), None)
    names = [
        " ".join(str(rows[column].iloc[place]) for column in (glacier, date) if column) for place in range(len(rows))
    ]
    placed = rows if rows.crs is None or rows.crs.is_geographic else rows.to_crs("EPSG:4326")
    placed.assign(Name=names).to_file(draft, driver="KML", engine="pyogrio")
    text = draft.read_text(encoding="utf-8")
    head, start, rest = text.partition("<kml ")
    draft.write_text(f"{head}<!--{mark}-->\n{start}{rest}", encoding="utf-8")


def carry_along(draft: Path, form: str, *, licences: Sequence[str], table: str, mark: str) -> None:
    """Put into a finished file how it is drawn, and under which licences its data are, where it has room for that."""
    if form == "gpkg":
        _into_geopackage(draft, licences, table, mark)
    elif form == "geojson" and licences:
        text = draft.read_text(encoding="utf-8").rstrip()
        told = json.dumps(list(licences), ensure_ascii=False)
        draft.write_text(f'{text.removesuffix("}").rstrip()},\n"licences": {told}\n}}\n', encoding="utf-8")
    elif form == "kml" and licences:
        text = draft.read_text(encoding="utf-8")
        told = f"<description>{escape(' '.join(licences))}</description>"
        head, start, rest = text.partition("<Document")
        opening, end, rest = rest.partition(">")
        draft.write_text(f"{head}{start}{opening}{end}{told}{rest}", encoding="utf-8")
    elif form == "netcdf" and licences:
        import netCDF4

        with netcdf_told(draft), netCDF4.Dataset(draft, "a") as dataset:
            dataset.license = "; ".join(licences)
    elif form == "parquet" and licences:
        from pyarrow import parquet

        held = parquet.read_table(draft)
        packed = json.dumps(list(licences), ensure_ascii=False).encode()
        parquet.write_table(held.replace_schema_metadata({**(held.schema.metadata or {}), b"licences": packed}), draft)


def _into_geopackage(draft: Path, licences: Sequence[str], table: str, mark: str) -> None:
    with contextlib.closing(sqlite3.connect(draft)) as database, database:
        columns = {row[1] for row in database.execute(f'PRAGMA table_info("{LAYER}")')}
        name, style = style_of(table, columns)
        spatial = (
            database.execute("SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (LAYER,)).fetchone()
            if _has(database, "gpkg_geometry_columns")
            else None
        )
        if style and spatial:
            create_style_table(database)
            store_style(database, LAYER, name=name, style=style, geometry=spatial[0])
        if licences:
            _tell_licences(database, licences)


def _tell_licences(database: sqlite3.Connection, licences: Sequence[str]) -> None:
    """Store licences as the metadata of a GeoPackage (annex F.8 of the standard)."""
    for statement in _METADATA_TABLES:
        database.execute(statement)
    found = database.execute(
        "INSERT INTO gpkg_metadata (md_scope, md_standard_uri, mime_type, metadata) VALUES ('dataset', ?, ?, ?)",
        ("http://purl.org/dc/terms/license", "text/plain", "\n".join(licences)),
    )
    database.execute(
        "INSERT INTO gpkg_metadata_reference (reference_scope, timestamp, md_file_id) "  # nosec B608
        f"VALUES ('geopackage', {NOW}, ?)",
        (found.lastrowid,),
    )
    database.executemany(
        "INSERT OR IGNORE INTO gpkg_extensions (table_name, column_name, extension_name, definition, scope) "
        "VALUES (?, NULL, 'gpkg_metadata', 'http://www.geopackage.org/spec120/#extension_metadata', 'read-write')",
        [("gpkg_metadata",), ("gpkg_metadata_reference",)],
    )


def _has(database: sqlite3.Connection, table: str) -> bool:
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None
