"""Tables as files for other programs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import pandas as pd

from glaciertime.errors import InputError, UsageError

__all__ = ["FORMATS", "write_table"]

#: Names of at most ten letters, which is all that a Shapefile holds.
_SHAPEFILE_NAMES = {"resolution_m": "resol_m"}


def _text_dates(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.copy()
    for column in rows.select_dtypes("datetime").columns:
        rows[column] = rows[column].dt.strftime("%Y-%m-%d")
    return rows


def _csv(rows: pd.DataFrame, path: Path) -> None:
    rows = _text_dates(rows)
    if isinstance(rows, gpd.GeoDataFrame):
        rows = pd.DataFrame(rows.assign(geometry=rows.geometry.to_wkt()))
    rows.to_csv(path, index=False)


def _parquet(rows: pd.DataFrame, path: Path) -> None:
    _text_dates(rows).to_parquet(path, index=False)


def _vector(driver: str) -> Callable[[pd.DataFrame, Path], None]:
    def write(rows: pd.DataFrame, path: Path) -> None:
        rows = _text_dates(rows)
        if not isinstance(rows, gpd.GeoDataFrame):
            if driver != "GPKG":
                raise UsageError(f"this table has no geometry, so it cannot be {driver}; use csv, parquet or gpkg")
            rows = gpd.GeoDataFrame(rows, geometry=[None] * len(rows), crs="EPSG:4326")
        if driver == "ESRI Shapefile":
            rows = rows.rename(columns=_SHAPEFILE_NAMES)
        if driver == "GPKG":
            rows.to_file(path, driver=driver, layer="rows")
        else:
            rows.to_file(path, driver=driver)

    return write


FORMATS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv": _csv,
    "parquet": _parquet,
    "gpkg": _vector("GPKG"),
    "geojson": _vector("GeoJSON"),
    "shp": _vector("ESRI Shapefile"),
}


def write_table(rows: pd.DataFrame, path: Path, *, form: str) -> None:
    """Write rows to a file, whole or not at all.

    Parameters
    ----------
    rows : DataFrame or GeoDataFrame
        Dates are written as YYYY-MM-DD; geometry as WKT in CSV. A Shapefile's names have ten letters:
        ``resolution_m`` becomes ``resol_m``.
    path : Path
    form : str
        A key of :data:`FORMATS`.

    Raises
    ------
    UsageError
        For an unknown format, or a table without geometry in a format that needs one.
    InputError
        Where the folder cannot be written.
    """
    if form not in FORMATS:
        raise UsageError(f"--format '{form}' is not known; known are {', '.join(FORMATS)}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"{path.parent} is no folder that can be written; name another with --out")
    with TemporaryDirectory(dir=path.parent, prefix=".glaciertime-") as folder:
        draft = Path(folder) / path.name
        FORMATS[form](rows, draft)
        for part in Path(folder).iterdir():
            part.replace(path.parent / part.name)
