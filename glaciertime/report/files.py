"""Tables as files for other programs."""

from __future__ import annotations

import errno
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pandas as pd

from glaciertime.cells import quote_formulas
from glaciertime.errors import UsageError
from glaciertime.provenance import RunRecord, sidecar, sidecar_text
from glaciertime.provenance.tags import has_tag
from glaciertime.tables import SCHEMAS
from glaciertime.writing import Target, check_target, drafts
from glaciertime.writing.marks import made_by

__all__ = ["FORMATS", "check_table_target", "write_table"]

_MARK = "glaciertime export"
#: Names of at most ten letters, which is all that a Shapefile holds.
_SHAPEFILE_NAMES = {"resolution_m": "resol_m"}
#: The ends of names that stand for a format, and may not be given to another.
_SUFFIXES = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".geoparquet": "parquet",
    ".gpkg": "gpkg",
    ".geojson": "geojson",
    ".shp": "shp",
}


def _text_dates(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.copy()
    for column in rows.select_dtypes("datetime").columns:
        rows[column] = rows[column].dt.strftime("%Y-%m-%d")
    return rows


def _csv(rows: pd.DataFrame, draft: Path) -> None:
    rows = _text_dates(rows)
    if isinstance(rows, gpd.GeoDataFrame):
        rows = pd.DataFrame(rows).assign(geometry=rows.geometry.to_wkt())
    draft.write_bytes(quote_formulas(rows).to_csv(index=False, lineterminator="\n").encode())


def _parquet(rows: pd.DataFrame, draft: Path) -> None:
    from pyarrow import parquet

    _text_dates(rows).to_parquet(draft, index=False)
    table = parquet.read_table(draft)
    parquet.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), b"generator": _MARK}), draft)


def _vector(driver: str) -> Callable[[pd.DataFrame, Path], None]:
    def write(rows: pd.DataFrame, draft: Path) -> None:
        rows = _text_dates(rows)
        if not isinstance(rows, gpd.GeoDataFrame):
            if driver != "GPKG":
                raise UsageError(f"this table has no geometry, so it cannot be {driver}; use csv, parquet or gpkg")
            rows = gpd.GeoDataFrame(rows, geometry=[None] * len(rows), crs="EPSG:4326")
        if driver == "ESRI Shapefile":
            rows.rename(columns=_SHAPEFILE_NAMES).to_file(draft, driver=driver)
        elif driver == "GPKG":
            rows.to_file(draft, driver=driver, layer="rows", DESCRIPTION=_MARK)
        else:
            rows.to_file(draft, driver=driver, DESCRIPTION=_MARK)

    return write


FORMATS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv": _csv,
    "parquet": _parquet,
    "gpkg": _vector("GPKG"),
    "geojson": _vector("GeoJSON"),
    "shp": _vector("ESRI Shapefile"),
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
    if form == "shp":
        _check_lengths(path)
    return len(gpd.read_file(path))


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


def _target(path: Path, form: str, columns: tuple[str, ...] = ()) -> Target:
    if form not in FORMATS:
        raise UsageError(f"--format '{form}' is not known; known are {', '.join(FORMATS)}")
    named = _SUFFIXES.get(path.suffix.lower())
    if named not in (None, form) or (form in ("gpkg", "shp") and named is None):
        other = f", or --format {named}" if named else ""
        raise UsageError(f"--out {path}: --format {form} writes no such file; give --out {path.stem}.{form}{other}")
    kinds = [tuple(schema.columns) for schema in SCHEMAS.values()]
    kinds += [(*(name for name in names if name != "geometry"), "row", *names[-1:]) if names[-1] == "geometry"
              else (*names, "row") for names in kinds]  # fmt: skip
    if columns:
        kinds.append(columns)
    short = [tuple(_SHAPEFILE_NAMES.get(name, name) for name in names) for names in kinds]
    return Target(path, "--out", made_by(_MARK, columns=[*kinds, *short]))


def check_table_target(path: Path, *, form: str, archive: Path | None = None) -> None:
    """Refuse a place that no table can be written to, before the rows are known; see ``writing.check_target``."""
    check_target(_target(path, form), archive=archive, overwrite=True)


def write_table(
    rows: pd.DataFrame,
    path: Path,
    *,
    form: str,
    archive: Path | None = None,
    overwrite: bool = False,
    run: RunRecord | None = None,
) -> None:
    """Write rows to a file, whole or not at all.

    Parameters
    ----------
    rows : DataFrame or GeoDataFrame
        Dates are written as YYYY-MM-DD; in CSV geometry is WKT, and text that a spreadsheet would take for a formula
        is quoted (:mod:`glaciertime.cells`). A Shapefile's names have ten letters: ``resolution_m`` becomes
        ``resol_m``.
    path : Path
    form : str
        A key of :data:`FORMATS`.
    archive : Path, optional
        Where the rows are from; it is never written over.
    overwrite : bool
        Replace a file that is there whoever made it; else only what carries the mark of an export, or, in CSV and
        Shapefile, has the columns of one.
    run : RunRecord, optional
        What writes it: told in a note beside it, see :func:`glaciertime.provenance.sidecar`.

    Raises
    ------
    UsageError
        For an unknown format, a table without geometry in a format that needs one, or a place that must not be
        written to.
    WritingError
        Where the file could not be written whole; what was there is unchanged.
    """
    target = _target(path, form, tuple(rows.columns))

    def check(made: Path) -> None:
        found = _rows_in(made, form)
        if found != len(rows):
            raise OSError(errno.EIO, f"{found} of {len(rows)} rows read back", str(made))

    targets = [replace(target, check=check)]
    if run is not None:
        targets.append(Target(sidecar(path), "--out", has_tag))
    with drafts(targets, archive=archive, overwrite=overwrite) as files:
        FORMATS[form](rows, files[0])
        if run is not None:
            draft = files[1]
            draft.write_bytes(sidecar_text(run.tag(), files[0]).encode())
