"""What makes an SQLite file a GeoPackage 1.2: its metadata, its geometries, its spatial indexes and extents.

GeoPackage 1.2 (OGC 12-128r14) is the newest version that QGIS 3.22 and GDAL 3.4 read without a warning. Geometries are
two-dimensional ISO WKB behind a header with their envelope; the triggers of a spatial index call functions that
:func:`register_functions` gives to a connection, as GDAL does to its own.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely

from glaciertime.errors import InputError

__all__ = [
    "create_metadata",
    "create_spatial_index",
    "drop_spatial_index",
    "envelope",
    "fitting",
    "list_table",
    "read_geometries",
    "register_functions",
    "single_parts",
    "to_blobs",
    "update_contents",
]

APPLICATION_ID = 0x47504B47  # "GPKG"
USER_VERSION = 10200
NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
RTREE_EXTENSION = "gpkg_rtree_index"

_WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,'
    'AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]'
)
_METADATA = (
    "CREATE TABLE IF NOT EXISTS gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, "
    "organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, "
    "description TEXT)",
    "CREATE TABLE IF NOT EXISTS gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, "
    "identifier TEXT UNIQUE, description TEXT DEFAULT '', "
    f"last_change DATETIME NOT NULL DEFAULT ({NOW}), min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, "
    "srs_id INTEGER, CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))",
    "CREATE TABLE IF NOT EXISTS gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, "
    "geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL, "
    "CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name), "
    "CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name), "
    "CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))",
    "CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, "
    "definition TEXT NOT NULL, scope TEXT NOT NULL, "
    "CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))",
)
_SYSTEMS = (
    ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", "undefined Cartesian coordinate reference system"),
    ("Undefined geographic SRS", 0, "NONE", 0, "undefined", "undefined geographic coordinate reference system"),
    ("WGS 84 geodetic", 4326, "EPSG", 4326, _WGS84, "longitude and latitude in decimal degrees on WGS 84"),
)
# Annex F.3 of the standard; T is the table, the index is rtree_T_geom.
_TRIGGERS = {
    "insert": 'AFTER INSERT ON "T" WHEN (NEW.geom NOTNULL AND NOT ST_IsEmpty(NEW.geom)) BEGIN INSERT OR REPLACE INTO '
    '"rtree_T_geom" VALUES (NEW.fid, ST_MinX(NEW.geom), ST_MaxX(NEW.geom), ST_MinY(NEW.geom), ST_MaxY(NEW.geom)); END',
    "update1": 'AFTER UPDATE OF geom ON "T" WHEN OLD.fid = NEW.fid AND (NEW.geom NOTNULL AND NOT ST_IsEmpty(NEW.geom)) '
    'BEGIN INSERT OR REPLACE INTO "rtree_T_geom" VALUES (NEW.fid, ST_MinX(NEW.geom), ST_MaxX(NEW.geom), '
    "ST_MinY(NEW.geom), ST_MaxY(NEW.geom)); END",
    "update2": 'AFTER UPDATE OF geom ON "T" WHEN OLD.fid = NEW.fid AND (NEW.geom ISNULL OR ST_IsEmpty(NEW.geom)) '
    'BEGIN DELETE FROM "rtree_T_geom" WHERE id = OLD.fid; END',
    "update3": 'AFTER UPDATE ON "T" WHEN OLD.fid != NEW.fid AND (NEW.geom NOTNULL AND NOT ST_IsEmpty(NEW.geom)) '
    'BEGIN DELETE FROM "rtree_T_geom" WHERE id = OLD.fid; INSERT OR REPLACE INTO "rtree_T_geom" VALUES (NEW.fid, '
    "ST_MinX(NEW.geom), ST_MaxX(NEW.geom), ST_MinY(NEW.geom), ST_MaxY(NEW.geom)); END",
    "update4": 'AFTER UPDATE ON "T" WHEN OLD.fid != NEW.fid AND (NEW.geom ISNULL OR ST_IsEmpty(NEW.geom)) '
    'BEGIN DELETE FROM "rtree_T_geom" WHERE id IN (OLD.fid, NEW.fid); END',
    "delete": 'AFTER DELETE ON "T" WHEN OLD.geom NOT NULL BEGIN DELETE FROM "rtree_T_geom" WHERE id = OLD.fid; END',
}
_MULTI = {
    "MULTILINESTRING": (("LineString", "LinearRing", "MultiLineString"), shapely.MultiLineString),
    "MULTIPOLYGON": (("Polygon", "MultiPolygon"), shapely.MultiPolygon),
}
#: How many rows on the rim of a layer are looked at for its exact extent.
_RIM_ROWS = 64


def create_metadata(database: sqlite3.Connection) -> None:
    """Write, or bring up to date, what marks the file as a GeoPackage 1.2."""
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {USER_VERSION}")
    for statement in _METADATA:
        database.execute(statement)
    database.executemany(
        "INSERT OR IGNORE INTO gpkg_spatial_ref_sys (srs_name, srs_id, organization, organization_coordsys_id, "
        "definition, description) VALUES (?, ?, ?, ?, ?, ?)",
        _SYSTEMS,
    )


def list_table(
    database: sqlite3.Connection, table: str, *, description: str, geometry_type: str = "", srs: int = 0
) -> None:
    """List a table in the contents, as a layer where it has a geometry type."""
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (table_name) DO UPDATE SET data_type = excluded.data_type, description = excluded.description, "
        "srs_id = excluded.srs_id",
        (table, "features" if geometry_type else "attributes", table, description, srs),
    )
    if geometry_type:
        database.execute(
            "INSERT OR REPLACE INTO gpkg_geometry_columns (table_name, column_name, geometry_type_name, srs_id, z, m) "
            "VALUES (?, 'geom', ?, ?, 0, 0)",
            (table, geometry_type, srs),
        )


def create_spatial_index(database: sqlite3.Connection, table: str) -> None:
    """Make the R-tree of a layer anew, with the triggers that keep it."""
    drop_spatial_index(database, table)
    database.execute(f'CREATE VIRTUAL TABLE "rtree_{table}_geom" USING rtree(id, minx, maxx, miny, maxy)')
    rows = database.execute(f'SELECT fid, geom FROM "{table}" WHERE geom NOTNULL')  # nosec B608
    entries = ((fid, *bounds) for fid, blob in rows if (bounds := envelope(blob)) is not None)
    database.executemany(f'INSERT INTO "rtree_{table}_geom" VALUES (?, ?, ?, ?, ?)', list(entries))  # nosec B608
    for name, body in _TRIGGERS.items():
        of_table = body.replace("T_geom", f"{table}_geom").replace('ON "T"', f'ON "{table}"')
        database.execute(f'CREATE TRIGGER "rtree_{table}_geom_{name}" {of_table}')
    database.execute(
        "INSERT OR REPLACE INTO gpkg_extensions (table_name, column_name, extension_name, definition, scope) "
        "VALUES (?, 'geom', ?, 'http://www.geopackage.org/spec120/#extension_rtree', 'write-only')",
        (table, RTREE_EXTENSION),
    )


def drop_spatial_index(database: sqlite3.Connection, table: str) -> None:
    """Remove the R-tree of a layer and its triggers, whoever made them."""
    prefix = f"rtree_{table}_geom"
    triggers = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, ?) = ?",
        (len(prefix) + 1, f"{prefix}_"),
    ).fetchall()
    for (name,) in triggers:
        database.execute(f'DROP TRIGGER "{name}"')
    database.execute(f'DROP TABLE IF EXISTS "{prefix}"')
    database.execute(
        "DELETE FROM gpkg_extensions WHERE table_name = ? AND extension_name = ?", (table, RTREE_EXTENSION)
    )


def register_functions(database: sqlite3.Connection) -> None:
    """Give a connection the functions that the triggers of a spatial index call."""

    def side(place: int) -> Any:
        def value(blob: bytes | None) -> float | None:
            bounds = None if blob is None else envelope(blob)
            return None if bounds is None else bounds[place]

        return value

    database.create_function("ST_IsEmpty", 1, lambda blob: None if blob is None else int(envelope(blob) is None))
    for place, name in enumerate(("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")):
        database.create_function(name, 1, side(place))


#: Where an envelope of four doubles ends.
_ENVELOPE_ENDS = 40


def envelope(blob: bytes) -> tuple[float, float, float, float] | None:
    """Return min x, max x, min y, max y of a stored geometry; None of an empty one, or of a damaged one."""
    wkb = _wkb_of(blob)
    if wkb is None or blob[3] & 0x10:
        return None
    if (blob[3] >> 1) & 7:
        return struct.unpack_from("<4d" if blob[3] & 1 else ">4d", blob, 8) if len(blob) >= _ENVELOPE_ENDS else None
    bounds = shapely.bounds(shapely.from_wkb(wkb, on_invalid="ignore"))
    return None if np.isnan(bounds).any() else (bounds[0], bounds[2], bounds[1], bounds[3])


def to_blobs(geometries: Sequence[shapely.Geometry | None], *, geometry_type: str, srs: int) -> list[bytes | None]:
    """Return geometries in the binary form of GeoPackage: header, envelope, then two-dimensional ISO WKB.

    A layer of MULTI geometries gets single ones as one part.

    Raises
    ------
    InputError
        For a geometry that the layer cannot hold.
    """
    if not len(geometries):
        return []
    array = np.array([fitting(one, geometry_type) for one in geometries], dtype=object)
    flat = shapely.force_2d(array)
    bounds = shapely.bounds(flat)
    wkb = shapely.to_wkb(flat, byte_order=1, flavor="iso")
    out: list[bytes | None] = []
    for body, (min_x, min_y, max_x, max_y) in zip(wkb, bounds, strict=True):
        if body is None:
            out.append(None)
        elif np.isnan(min_x):
            out.append(struct.pack("<2sBBi", b"GP", 0, 0x11, srs) + body)
        else:
            out.append(struct.pack("<2sBBi4d", b"GP", 0, 3, srs, min_x, max_x, min_y, max_y) + body)
    return out


def fitting(geometry: shapely.Geometry | None, geometry_type: str) -> shapely.Geometry | None:
    """Return a geometry as a layer holds it: a layer of MULTI geometries gets a single one as one part.

    Raises
    ------
    InputError
        For a geometry that the layer cannot hold.
    """
    if geometry is None or geometry_type not in _MULTI:
        return geometry
    kinds, multi = _MULTI[geometry_type]
    if geometry.geom_type not in kinds:
        raise InputError(f"a {geometry.geom_type} was given where the archive holds {kinds[0]} or {kinds[-1]}")
    if geometry.geom_type.startswith("Multi"):
        return geometry
    return multi([] if geometry.is_empty else [geometry])


def read_geometries(blobs: Sequence[bytes | None], *, geometry_type: str) -> list[shapely.Geometry | None]:
    """Return stored geometries; one part of a MULTI layer as a single geometry, None for what is damaged."""
    array = shapely.from_wkb(np.array([*map(_wkb_of, blobs)], dtype=object), on_invalid="ignore") if blobs else []
    return single_parts(array, geometry_type)


def single_parts(array: Iterable[shapely.Geometry | None], geometry_type: str) -> list[shapely.Geometry | None]:
    """Return geometries of a layer; one part of a MULTI layer as a single geometry."""
    if geometry_type not in _MULTI:
        return list(array)
    return [
        one if one is None or shapely.get_num_geometries(one) != 1 else shapely.get_geometry(one, 0) for one in array
    ]


def _wkb_of(blob: object) -> bytes | None:
    """Return the geometry behind the head of a cell; None where the cell is none of a GeoPackage."""
    if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP":
        return None
    sizes = (0, 32, 48, 48, 64)
    kind = (blob[3] >> 1) & 7
    return blob[8 + sizes[kind] :] if kind < len(sizes) else None


def update_contents(database: sqlite3.Connection, table: str, *, spatial: bool) -> None:
    """State anew when a table changed and, of a layer, its extent: QGIS zooms to it."""
    bounds = _extent(database, table) if spatial else (None, None, None, None)
    database.execute(
        f"UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ?, last_change = {NOW} "  # nosec B608
        "WHERE table_name = ?",
        (*bounds, table),
    )


def _extent(database: sqlite3.Connection, table: str) -> tuple[float | None, ...]:
    """Return min x, min y, max x, max y of a layer from the root of its R-tree, without a walk over its rows.

    The R-tree holds single precision, rounded outwards; the rows on the rim give the exact value.
    """
    row = database.execute(f'SELECT data FROM "rtree_{table}_geom_node" WHERE nodeno = 1').fetchone()  # nosec B608
    count = struct.unpack_from(">H", row[0], 2)[0] if row else 0
    if not count:
        return (None, None, None, None)
    cells = np.array([struct.unpack_from(">8x4f", row[0], 4 + 24 * i) for i in range(count)])
    rough = (cells[:, 0].min(), cells[:, 1].max(), cells[:, 2].min(), cells[:, 3].max())
    exact = []
    for place, (column, sign) in enumerate((("minx", "<="), ("maxx", ">="), ("miny", "<="), ("maxy", ">="))):
        blobs = database.execute(
            f'SELECT geom FROM "{table}" WHERE fid IN '  # nosec B608
            f'(SELECT id FROM "rtree_{table}_geom" WHERE {column} {sign} ? LIMIT {_RIM_ROWS})',
            (float(rough[place]),),
        ).fetchall()
        values = [bounds[place] for (blob,) in blobs if blob is not None and (bounds := envelope(blob)) is not None]
        pick = min if sign == "<=" else max
        exact.append(pick(values) if values else float(rough[place]))
    return (exact[0], exact[2], exact[1], exact[3])
