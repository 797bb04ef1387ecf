"""The archive: one GeoPackage per project, readable by QGIS and by SQL.

Layers ``fronts`` (longitude and latitude), ``fronts_local`` (fronts of images without georeference, in metres of
their own frame), ``footprints``, ``centrelines`` and ``contours``; tables ``observations``, ``forecasts`` and
``scores``. Every change is one transaction: it happens as a whole or not at all, and what the archive held stays.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from glaciertime.errors import ArchiveError, UsageError
from glaciertime.qgis_style import FRONTS_STYLE
from glaciertime.tables import SCHEMAS, empty, has_flag, validate

__all__ = ["Archive"]

_GEOGRAPHIC = "EPSG:4326"
_LOCAL_FRONTS = "fronts_local"
_LAYERS = {
    "fronts": ("LineString", 4326),
    _LOCAL_FRONTS: ("LineString", -1),
    "footprints": ("Polygon", 4326),
    "centrelines": ("LineString", 4326),
    "contours": ("Unknown", 4326),
}
_SQL_TYPES = {"text": "TEXT", "number": "REAL", "integer": "INTEGER", "date": "DATE"}
_WAIT_SECONDS = 5.0


class Archive:
    """A GeoPackage file that holds the results of a project.

    Parameters
    ----------
    path : Path
        The file; it is made when something is first stored.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Archive({str(self.path)!r})"

    def exists(self) -> bool:
        """Return whether the file is there."""
        return self.path.is_file()

    def read(self, table: str) -> pd.DataFrame:
        """Return a table of the corridor; without rows where nothing was stored yet.

        ``fronts`` come as a GeoDataFrame in longitude and latitude; fronts of images without georeference are read
        with the name ``fronts_local``.

        Raises
        ------
        ArchiveError
            Where the file is no archive or cannot be read.
        """
        schema = "fronts" if table == _LOCAL_FRONTS else table
        with self._open(write=False) as database:
            if database is None:
                frame = empty(schema)
                return (
                    frame.set_crs(_GEOGRAPHIC)
                    if isinstance(frame, gpd.GeoDataFrame) and table != _LOCAL_FRONTS
                    else frame
                )
            columns = list(SCHEMAS[schema].columns)
            rows = database.execute(f"SELECT {', '.join(_quoted(columns, geometry='geom'))} FROM {table}").fetchall()
        frame = pd.DataFrame(rows, columns=columns)
        if "geometry" not in columns:
            return validate(frame, schema)
        geometry = [_from_blob(blob) for blob in frame["geometry"]]
        crs = None if table == _LOCAL_FRONTS else _GEOGRAPHIC
        return validate(gpd.GeoDataFrame(frame.drop(columns="geometry"), geometry=geometry, crs=crs), schema)

    def read_for_export(self, table: str) -> pd.DataFrame:
        """Return all rows of a table; fronts of local frames where it holds no others.

        Raises
        ------
        UsageError
            For a table that does not exist.
        """
        if table not in ("fronts", "observations", "forecasts", "scores"):
            raise UsageError(f"--table '{table}' is not known; known are fronts, observations, forecasts and scores")
        rows = self.read(table)
        return self.read(_LOCAL_FRONTS) if table == "fronts" and rows.empty else rows

    def store_tracked(
        self,
        *,
        fronts: gpd.GeoDataFrame,
        observations: pd.DataFrame,
        footprints: gpd.GeoDataFrame,
        inputs: Iterable[tuple[str, str, str, str]],
        centrelines: gpd.GeoDataFrame | None = None,
    ) -> tuple[str, ...]:
        """Store what was measured; it replaces what the same inputs and images gave before.

        An image that was measured before and fails now keeps its earlier rows: a damaged file is no news of a
        glacier.

        Parameters
        ----------
        fronts, observations, footprints
            Tables of the corridor; fronts and footprints in any CRS, or without one for a local frame.
        inputs : iterable of (glacier, dataset, image_id, input)
            Which file each image came from.
        centrelines : GeoDataFrame, optional
            The lines that positions were measured along.

        Returns
        -------
        tuple of str
            The images that failed and kept their earlier rows.
        """
        checked = validate(observations, "observations")
        lines = validate(fronts, "fronts")
        areas = validate(footprints, "footprints")
        with self._open(write=True) as database:
            assert database is not None
            kept = _measured_before(database, _only_failed(checked))
            images = [row for row in dict.fromkeys(inputs) if row[:3] not in kept]
            gone = {row[:3] for row in images}
            for glacier, dataset, _, source in images:
                found = database.execute(
                    "SELECT glacier, dataset, image_id FROM inputs WHERE glacier = ? AND dataset = ? AND input = ?",
                    (glacier, dataset, source),
                )
                gone.update(found.fetchall())
            keys = sorted(gone - kept)
            for table in ("fronts", _LOCAL_FRONTS):
                database.executemany(
                    f'DELETE FROM {table} WHERE "GlacierID" = ? AND "dataset" = ? AND "ImageID" = ?', keys
                )
            for table in ("observations", "inputs"):
                database.executemany(f"DELETE FROM {table} WHERE glacier = ? AND dataset = ? AND image_id = ?", keys)
            database.executemany("INSERT INTO inputs (glacier, dataset, image_id, input) VALUES (?, ?, ?, ?)", images)
            new = [key not in kept for key in _image_keys(checked)]
            self._insert(database, "observations", checked[new])
            dataset_of = {(glacier, image): dataset for glacier, dataset, image, _ in images}
            extra = [dataset_of.get(key, "") for key in zip(lines["GlacierID"], lines["ImageID"], strict=True)]
            layer = _LOCAL_FRONTS if lines.crs is None else "fronts"
            self._insert(database, layer, _geographic(lines), extra={"dataset": extra})
            self._replace_geometry(database, "footprints", areas)
            if centrelines is not None:
                self._replace_geometry(database, "centrelines", validate(centrelines, "centrelines"))
        return tuple(sorted(image for _, _, image in kept))

    def _replace_geometry(self, database: sqlite3.Connection, layer: str, rows: gpd.GeoDataFrame) -> None:
        """Replace what a layer holds of the glaciers and data sets of the rows; local frames have no place in it."""
        for row in rows.drop_duplicates(["glacier", "dataset"]).itertuples():
            database.execute(f"DELETE FROM {layer} WHERE glacier = ? AND dataset = ?", (row.glacier, row.dataset))
        if rows.crs is not None:
            self._insert(database, layer, _geographic(rows))

    def store_contours(self, contours: gpd.GeoDataFrame) -> None:
        """Store predicted fronts and their bands; those of the same glacier, source and model are replaced."""
        checked = validate(contours, "contours")
        key = ["glacier", "source", "model"]
        with self._open(write=True) as database:
            assert database is not None
            for row in _plain(pd.DataFrame(checked[key].drop_duplicates()), SCHEMAS["contours"].columns):
                database.execute("DELETE FROM contours WHERE glacier = ? AND source = ? AND model = ?", row)
            if checked.crs is not None:
                self._insert(database, "contours", _geographic(checked))

    def store_forecasts(self, forecasts: pd.DataFrame) -> None:
        """Store forecasts; those of the same series, model and cutoff are replaced."""
        self._replace(
            "forecasts", forecasts, ("glacier", "variable", "method", "footprint", "dataset", "model", "cutoff")
        )

    def store_scores(self, scores: pd.DataFrame) -> None:
        """Store the scores of a backtest; those of the same series and model are replaced."""
        self._replace("scores", scores, ("glacier", "variable", "method", "footprint", "dataset", "model"))

    def _replace(self, table: str, rows: pd.DataFrame, key: tuple[str, ...]) -> None:
        checked = validate(rows, table)
        condition = " AND ".join(f'"{column}" = ?' for column in key)
        keys = _plain(checked[list(key)].drop_duplicates(), SCHEMAS[table].columns)
        with self._open(write=True) as database:
            assert database is not None
            database.executemany(f"DELETE FROM {table} WHERE {condition}", keys)
            self._insert(database, table, checked)

    def _insert(
        self, database: sqlite3.Connection, layer: str, rows: pd.DataFrame, *, extra: dict[str, list[str]] | None = None
    ) -> None:
        if rows.empty:
            return
        schema = SCHEMAS["fronts" if layer == _LOCAL_FRONTS else layer]
        columns = [*_quoted(list(schema.columns), geometry="geom"), *(extra or {})]
        values = _plain(rows, schema.columns, srs=_LAYERS[layer][1] if layer in _LAYERS else None)
        if extra:
            values = [(*row, *added) for row, added in zip(values, zip(*extra.values(), strict=True), strict=True)]
        marks = ", ".join("?" * len(columns))
        database.executemany(f"INSERT INTO {layer} ({', '.join(columns)}) VALUES ({marks})", values)
        if layer in _LAYERS:
            self._grow_extent(database, layer, rows.total_bounds)

    @staticmethod
    def _grow_extent(database: sqlite3.Connection, layer: str, bounds: Any) -> None:
        """Enlarge the extent that a GeoPackage states of a layer: QGIS zooms to it."""
        old = database.execute(
            "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = ?", (layer,)
        ).fetchone()
        new = [float(value) for value in bounds]
        if old and None not in old:
            new = [min(old[0], new[0]), min(old[1], new[1]), max(old[2], new[2]), max(old[3], new[3])]
        database.execute(
            "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ?, "
            "last_change = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE table_name = ?",
            (*new, layer),
        )

    @contextmanager
    def _open(self, *, write: bool) -> Iterator[sqlite3.Connection | None]:
        """Open the archive in one transaction, and put what goes wrong into one sentence."""
        if not self.exists():
            if not write:
                yield None
                return
            _make(self.path)
        try:
            if write:
                database = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
            else:
                database = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", timeout=_WAIT_SECONDS, uri=True)
            try:
                self._check(database)
                if write:
                    database.execute("BEGIN IMMEDIATE")
                try:
                    yield database
                except BaseException:
                    if database.in_transaction:
                        database.rollback()
                    raise
                if write:
                    database.execute("COMMIT")
            finally:
                database.close()
        except sqlite3.Error as error:
            raise ArchiveError(_reason(self.path, error)) from error

    def _check(self, database: sqlite3.Connection) -> None:
        names = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        wanted = {*_LAYERS, "observations", "forecasts", "scores", "inputs"}
        if not wanted <= names:
            raise ArchiveError(
                f"{self.path} is no archive of glaciertime (it lacks {', '.join(sorted(wanted - names))}); "
                "name another file with --archive"
            )


def _image_keys(observations: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(zip(observations["glacier"], observations["dataset"], observations["image_id"], strict=True))


def _only_failed(observations: pd.DataFrame) -> set[tuple[str, str, str]]:
    """Return the images that gave nothing but failures."""
    failed = has_flag(observations["quality"], "failed")
    return set(_image_keys(observations[failed])) - set(_image_keys(observations[~failed]))


def _measured_before(database: sqlite3.Connection, images: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Return those of the images that the archive holds a value of."""
    query = (
        "SELECT 1 FROM observations WHERE glacier = ? AND dataset = ? AND image_id = ? AND value IS NOT NULL LIMIT 1"
    )
    return {key for key in images if database.execute(query, key).fetchone()}


def _reason(path: Path, error: sqlite3.Error) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return f"archive {path} is being written by another process; wait until it has finished, then run this again"
    if "readonly" in text or "unable to open" in text:
        return f"archive {path} cannot be written (read-only?); make it and its folder writable, or give --archive"
    if "full" in text:
        return f"archive {path}: the disk is full; free some space, nothing was changed"
    if "not a database" in text or "malformed" in text:
        return f"archive {path} is damaged or is no GeoPackage; restore it from a copy, or name another with --archive"
    return f"archive {path}: {text}; nothing was changed"


def _make(path: Path) -> None:
    """Make an empty archive beside its place and move it there whole."""
    try:
        with TemporaryDirectory(dir=path.resolve().parent, prefix=".glaciertime-") as folder:
            draft = Path(folder) / "new.gpkg"
            _write_empty(draft)
            draft.replace(path)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ArchiveError(
            f"archive {path} cannot be made ({reason}); give --archive FILE in a folder you can write"
        ) from error


def _write_empty(path: Path) -> None:
    """Let GDAL write the metadata of the layers, then add the tables and the style by SQL."""
    for layer, (geometry_type, _) in _LAYERS.items():
        frame = empty("fronts" if layer == _LOCAL_FRONTS else layer)
        # GDAL warns of a layer without a CRS; the SRS of the local layer is corrected below.
        frame = gpd.GeoDataFrame(frame, geometry="geometry", crs=_GEOGRAPHIC)
        pyogrio.write_dataframe(
            frame, path, layer=layer, driver="GPKG", geometry_type=geometry_type, append=path.exists(),
            SPATIAL_INDEX="NO", GEOMETRY_NAME="geom",
        )  # fmt: skip
    with sqlite3.connect(path) as database:
        for layer in _LAYERS:
            # Rebuilt so that dates are dates and the column names are exactly those of the schema.
            schema = SCHEMAS["fronts" if layer == _LOCAL_FRONTS else layer]
            columns = [f'"{name}" {_SQL_TYPES[kind]}' for name, kind in schema.columns.items() if kind != "geometry"]
            extra = ['"dataset" TEXT'] if layer in ("fronts", _LOCAL_FRONTS) else []
            shape = [
                "fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL",
                f"geom {_LAYERS[layer][0].upper().replace('UNKNOWN', 'GEOMETRY')}",
            ]
            database.execute(f"DROP TABLE {layer}")
            database.execute(f"CREATE TABLE {layer} ({', '.join([*shape, *columns, *extra])})")
            database.execute(
                "UPDATE gpkg_geometry_columns SET srs_id = ? WHERE table_name = ?", (_LAYERS[layer][1], layer)
            )
            database.execute("UPDATE gpkg_contents SET srs_id = ? WHERE table_name = ?", (_LAYERS[layer][1], layer))
        # GDAL's cache of row counts would not follow rows inserted by SQL.
        database.execute("DROP TABLE IF EXISTS gpkg_ogr_contents")
        for table in ("observations", "forecasts", "scores"):
            columns = [f'"{name}" {_SQL_TYPES[kind]}' for name, kind in SCHEMAS[table].columns.items()]
            key = ", ".join(f'"{name}"' for name in SCHEMAS[table].key)
            database.execute(
                f"CREATE TABLE {table} (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, {', '.join(columns)})"
            )
            database.execute(f"CREATE INDEX {table}_key ON {table} ({key})")
            database.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES (?, 'attributes', ?, 0)",
                (table, table),
            )
        database.execute("CREATE TABLE inputs (glacier TEXT, dataset TEXT, image_id TEXT, input TEXT)")
        _write_style(database)
    database.close()


def _write_style(database: sqlite3.Connection) -> None:
    """Store how QGIS draws the fronts, where QGIS looks for it."""
    database.execute(
        "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT, f_table_catalog TEXT(256), "
        "f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), "
        "styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), "
        "update_time DATETIME DEFAULT CURRENT_TIMESTAMP)"
    )
    for layer in ("fronts", _LOCAL_FRONTS):
        database.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
            "styleQML, styleSLD, useAsDefault, description, owner) "
            "VALUES ('', '', ?, 'geom', 'fronts by date', ?, '', 1, 'calving fronts coloured by date', '')",
            (layer, FRONTS_STYLE),
        )
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', 0)"
    )


def _geographic(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return table if table.crs is None or table.empty else table.to_crs(_GEOGRAPHIC)


def _quoted(columns: list[str], *, geometry: str) -> list[str]:
    return [geometry if column == "geometry" else f'"{column}"' for column in columns]


def _plain(rows: pd.DataFrame, kinds: dict[str, str], *, srs: int | None = None) -> list[tuple[Any, ...]]:
    """Return the rows as values that SQLite stores: dates as text, unknown as NULL, geometry as a blob."""
    columns: list[list[Any]] = []
    for column in rows.columns:
        values, kind = rows[column], kinds[column]
        if kind == "date":
            columns.append([None if pd.isna(value) else value.strftime("%Y-%m-%d") for value in values])
        elif kind == "geometry":
            columns.append([_to_blob(value, 0 if srs is None else srs) for value in values])
        elif kind == "integer":
            columns.append([int(value) for value in values])
        elif kind == "number":
            columns.append([None if np.isnan(value) else float(value) for value in values])
        else:
            columns.append(list(values))
    return list(zip(*columns, strict=True))


def _to_blob(geometry: shapely.Geometry | None, srs: int) -> bytes | None:
    """Return a geometry in the binary form of GeoPackage: magic, version, flags, SRS, then WKB, without envelope."""
    if geometry is None:
        return None
    return b"GP" + struct.pack("<BBi", 0, 1, srs) + shapely.to_wkb(geometry, byte_order=1)


def _from_blob(blob: bytes | None) -> shapely.Geometry | None:
    if blob is None:
        return None
    envelope_bytes = (0, 32, 48, 48, 64)[(blob[3] >> 1) & 7]
    return shapely.from_wkb(blob[8 + envelope_bytes :])
