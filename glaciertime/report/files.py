"""Tables as files for other programs."""

from __future__ import annotations

import errno
import json
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from glaciertime.cells import quote_formulas
from glaciertime.errors import UsageError
from glaciertime.exchange.layers import LAYER, carry_along, write_kml, write_layer
from glaciertime.exchange.long_tables import LONG_COLUMNS
from glaciertime.exchange.wgms import WGMS_COLUMNS
from glaciertime.meridian import cut_at_180
from glaciertime.provenance import RunRecord, sidecar, sidecar_text
from glaciertime.provenance.tags import has_tag
from glaciertime.tables import SCHEMAS
from glaciertime.writing import Target, check_target, drafts
from glaciertime.writing.marks import made_by

__all__ = ["FORMATS", "check_table_target", "ending_of", "write_table"]

_MARK = "glaciertime export"
#: Names of at most ten letters, which is all that a Shapefile holds.
_SHAPEFILE_NAMES = {"resolution_m": "resol_m"}
#: What other programs know by its ending alone.
_NEED_SUFFIX = ("gpkg", "shp", "kml", "netcdf")
#: The ends of names that stand for a format, and may not be given to another.
_SUFFIXES = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".geoparquet": "parquet",
    ".gpkg": "gpkg",
    ".geojson": "geojson",
    ".shp": "shp",
    ".kml": "kml",
    ".nc": "netcdf",
}
_ENDING = {"netcdf": "nc"}


def _as_written(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with days as texts, and with what crosses the 180th meridian in degrees cut there."""
    rows = rows.copy()
    for column in rows.select_dtypes("datetime").columns:
        rows[column] = rows[column].dt.strftime("%Y-%m-%d")
    if isinstance(rows, gpd.GeoDataFrame) and rows.crs is not None and rows.crs.is_geographic:
        west, east = rows.geometry.bounds["minx"], rows.geometry.bounds["maxx"]
        crossing = ((east - west > 180) | (east > 180) | (west < -180)).to_numpy()
        if crossing.any():
            rows.geometry = [
                cut_at_180(one) if crosses else one for one, crosses in zip(rows.geometry, crossing, strict=True)
            ]
    return rows


def _csv(rows: pd.DataFrame, draft: Path) -> None:
    draft.write_bytes(_csv_bytes(rows))


def _csv_bytes(rows: pd.DataFrame, *, header: bool = True) -> bytes:
    rows = _as_written(rows)
    if isinstance(rows, gpd.GeoDataFrame):
        rows = pd.DataFrame(rows).assign(geometry=rows.geometry.to_wkt())
    return str(quote_formulas(rows).to_csv(index=False, header=header, lineterminator="\n")).encode()


def _parquet(rows: pd.DataFrame, draft: Path) -> None:
    from pyarrow import parquet

    _as_written(rows).to_parquet(draft, index=False)
    table = parquet.read_table(draft)
    parquet.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), b"generator": _MARK}), draft)


def _vector(driver: str, *, append: bool = False, several: bool = False) -> Callable[[pd.DataFrame, Path], None]:
    def write(rows: pd.DataFrame, draft: Path) -> None:
        rows = _as_written(rows)
        if driver == "GPKG":
            write_layer(rows, draft, append=append, several=several, description=_MARK)
            return
        if not isinstance(rows, gpd.GeoDataFrame):
            raise UsageError(f"this table has no geometry, so it cannot be {driver}; use csv, parquet or gpkg")
        if driver in ("KML", "GeoJSON") and rows.crs is None and not rows.geometry.isna().all():
            raise UsageError(f"these lines have no place on Earth, which {driver} needs; use gpkg or parquet")
        mode = "a" if append else "w"
        if driver == "ESRI Shapefile":
            rows.rename(columns=_SHAPEFILE_NAMES).to_file(draft, driver=driver, mode=mode)
        elif driver == "KML":
            write_kml(rows, draft, mark=_MARK)
        else:
            rows.to_file(draft, driver=driver, DESCRIPTION=_MARK)

    return write


def _netcdf(rows: pd.DataFrame, draft: Path) -> None:
    from glaciertime.exchange.netcdf_series import write_series

    write_series(rows, draft, mark=_MARK)


FORMATS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv": _csv,
    "parquet": _parquet,
    "gpkg": _vector("GPKG"),
    "geojson": _vector("GeoJSON"),
    "shp": _vector("ESRI Shapefile"),
    "kml": _vector("KML"),
    "netcdf": _netcdf,
}


def _rows_in(path: Path, form: str) -> int:
    """Return how many rows a file holds, all of them read."""
    if form == "csv":
        if not path.read_bytes().endswith(b"\n"):
            raise OSError(errno.EIO, "its last line is cut short", str(path))
        return len(pd.read_csv(path, dtype=str, keep_default_na=False))
    if form == "parquet":
        return len(pd.read_parquet(path))
    if form == "geojson":
        return len(json.loads(path.read_bytes())["features"])
    if form == "netcdf":
        from glaciertime.exchange.netcdf_series import rows_in

        return rows_in(path)
    if form == "kml":
        text = path.read_bytes().rstrip()
        if not text.endswith(b"</kml>"):
            raise OSError(errno.EIO, "its end is cut off", str(path))
        return text.count(b"<Placemark")
    if form == "shp":
        _check_lengths(path)
    return len(gpd.read_file(path, layer=LAYER) if form == "gpkg" else gpd.read_file(path))


def _check_lengths(path: Path) -> None:
    """Raise where a part of a shapefile is not as long as its header says: what is cut off reads as empty."""
    for part in (path, path.with_suffix(".shx"), path.with_suffix(".dbf")):
        head = part.read_bytes()[:32]
        if part.suffix == ".dbf":
            records, start, each = struct.unpack("<IHH", head[4:12])
            told = start + records * each
        else:
            told = 2 * struct.unpack(">I", head[24:28])[0]
        if not told <= part.stat().st_size <= told + 1:
            raise OSError(errno.EIO, f"{part.name} has {part.stat().st_size} bytes, {told} expected", str(part))


def ending_of(form: str) -> str:
    """Return the ending of a format's files, with its dot."""
    return f".{_ENDING.get(form, form)}"


def _target(path: Path, form: str, columns: tuple[str, ...] = ()) -> Target:
    if form not in FORMATS:
        raise UsageError(f"--format '{form}' is not known; known are {', '.join(FORMATS)}")
    named = _SUFFIXES.get(path.suffix.lower())
    if named not in (None, form) or (form in _NEED_SUFFIX and named is None):
        other = f", or --format {named}" if named else ""
        raise UsageError(
            f"--out {path}: --format {form} writes no such file; give --out {path.stem}{ending_of(form)}{other}"
        )
    kinds = [tuple(schema.columns) for schema in SCHEMAS.values()]
    kinds += [(*(name for name in names if name != "geometry"), "row", *names[-1:]) if names[-1] == "geometry"
              else (*names, "row") for names in kinds]  # fmt: skip
    kinds += [tuple(names) for names in (WGMS_COLUMNS, *LONG_COLUMNS)]
    if columns:
        kinds.append(columns)
    short = [tuple(_SHAPEFILE_NAMES.get(name, name) for name in names) for names in kinds]
    return Target(path, "--out", made_by(_MARK, columns=[*kinds, *short]))


def check_table_target(path: Path, *, form: str, archive: object = None) -> None:
    """Refuse a place that no table can be written to, before the rows are known; see ``writing.check_target``."""
    check_target(_target(path, form), archive=archive, overwrite=True)


def write_table(
    rows: pd.DataFrame | Iterable[pd.DataFrame],
    path: Path,
    *,
    form: str,
    archive: object = None,
    overwrite: bool = False,
    run: RunRecord | Callable[[], RunRecord] | None = None,
    columns: tuple[str, ...] = (),
    table: str = "",
    licences: Callable[[], Sequence[str]] | Sequence[str] = (),
) -> int:
    """Write rows to a file, whole or not at all.

    Parameters
    ----------
    rows : DataFrame or GeoDataFrame, or several one after the other
        Dates are written as YYYY-MM-DD; in CSV geometry is WKT, and text that a spreadsheet would take for a formula
        is quoted (:mod:`glaciertime.cells`). A Shapefile's names have ten letters: ``resolution_m`` becomes
        ``resol_m``. Several tables of the same columns are written as they come (GeoJSON, KML and NetCDF at the
        end): a region is no more in memory than a glacier.
    path : Path
    form : str
        A key of :data:`FORMATS`.
    archive : Path or server, optional
        Where the rows are from; it is never written over.
    overwrite : bool
        Replace a file that is there whoever made it; else only what carries the mark of an export, or, in CSV and
        Shapefile, has the columns of one.
    run : RunRecord, or what returns it once all rows are written, optional
        What writes it: told in a note beside it, see :func:`glaciertime.provenance.sidecar`.
    columns : tuple of str
        Of several tables those that all have, for telling what this command made.
    table : str
        What the rows are, for how QGIS draws a GeoPackage of them.
    licences : sequence of str, or what returns it once all rows are written
        What is carried along of the data that the rows were made of, where the format has room for it.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    UsageError
        For an unknown format, a table without geometry in a format that needs one, or a place that must not be
        written to.
    WritingError
        Where the file could not be written whole; what was there is unchanged.
    """
    parts: Iterable[pd.DataFrame] = (rows,) if isinstance(rows, pd.DataFrame) else rows
    target = _target(path, form, tuple(rows.columns) if isinstance(rows, pd.DataFrame) else columns)
    written = 0

    def check(made: Path) -> None:
        found = _rows_in(made, form)
        if found != written:
            raise OSError(errno.EIO, f"{found} of {written} rows read back", str(made))

    targets = [replace(target, check=check)]
    if run is not None:
        targets.append(Target(sidecar(path), "--out", has_tag))
    with drafts(targets, archive=archive, overwrite=overwrite) as files:
        written = _write(parts, files[0], form)
        told = licences if isinstance(licences, Sequence) else licences()
        carry_along(files[0], form, licences=list(told), table=table, mark=_MARK)
        if run is not None:
            record = run if isinstance(run, RunRecord) else run()
            files[1].write_bytes(sidecar_text(record.tag(), files[0]).encode())
    return written


def _write(parts: Iterable[pd.DataFrame], draft: Path, form: str) -> int:
    """Write tables one after the other into one file; return how many rows they have."""
    coming = iter(parts)
    first = next(coming, None)
    if first is None:
        raise UsageError("there is nothing to write")
    if form in ("geojson", "kml", "netcdf"):
        whole = [first, *coming]
        table = pd.concat(whole, ignore_index=True) if len(whole) > 1 else first
        FORMATS[form](table, draft)
        return len(table)
    second = next(coming, None)
    if second is None:
        FORMATS[form](first, draft)
        return len(first)
    count = 0
    every = chain((first, second), coming)
    if form == "parquet":
        return _parquet_parts(every, draft)
    for number, part in enumerate(every):
        if number == 0:
            (_vector("GPKG", several=True) if form == "gpkg" else FORMATS[form])(part, draft)
        elif form == "csv":
            with draft.open("ab") as stream:
                stream.write(_csv_bytes(part, header=False))
        else:
            _vector({"gpkg": "GPKG", "shp": "ESRI Shapefile"}[form], append=True, several=True)(part, draft)
        count += len(part)
    return count


def _parquet_parts(parts: Iterable[pd.DataFrame], draft: Path) -> int:
    from io import BytesIO

    from pyarrow import parquet

    writer, count = None, 0
    try:
        for part in parts:
            held = BytesIO()
            _as_written(part).to_parquet(held, index=False)
            table = parquet.read_table(held)
            if writer is None:
                told = {**(table.schema.metadata or {}), b"generator": _MARK}
                schema = _without_nulls(table.schema).with_metadata(told)
                writer = parquet.ParquetWriter(draft, schema)
            writer.write_table(table.cast(writer.schema))
            count += len(part)
    finally:
        if writer is not None:
            writer.close()
    return count


def _without_nulls(schema: Any) -> Any:
    """Return a schema in which a column that is empty in the first table can hold texts in the next."""
    import pyarrow as pa

    for index, field in enumerate(schema):
        if pa.types.is_null(field.type):
            schema = schema.set(index, field.with_type(pa.string()))
    return schema
