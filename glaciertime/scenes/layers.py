"""Layers of vector files: one file, a zip of them, or a folder of them."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from glaciertime import limits
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.field_names import check_field_names
from glaciertime.scenes.listing import entries
from glaciertime.scenes.names import dated_folders
from glaciertime.scenes.packed import check_layer_zip, check_parquet, check_shapefile
from glaciertime.units import crs_on_earth
from glaciertime.walls import wall

__all__ = [
    "VECTOR_ENDINGS",
    "Layer",
    "files_in",
    "geometry_kinds",
    "is_damaged",
    "is_one_file",
    "is_vector",
    "layers_of",
    "read_layer",
    "vector_files",
]

VECTOR_ENDINGS = (
    ".gpkg", ".shp", ".geojson", ".json", ".parquet", ".geoparquet", ".fgb", ".kml", ".kmz", ".gml", ".zip",
)  # fmt: skip

#: A folder that GDAL reads as one file.
_GEODATABASE = ".gdb"
_PARQUET = (".parquet", ".geoparquet")
_JSON_START = 10_000


@dataclass(frozen=True)
class Layer:
    """One layer of a file; ``member`` is the file inside a zip, ``name`` empty where a file has but one."""

    path: Path
    name: str = ""
    member: str = ""

    @property
    def stem(self) -> str:
        """Name of the file, without folder and ending."""
        return Path(self.member).stem if self.member else self.path.stem

    @property
    def label(self) -> str:
        """What a message calls it."""
        inside = f"{self.path.name}/{self.member}" if self.member else self.path.name
        return f"{inside}, layer {self.name}" if self.name and self.name != self.stem else inside

    @property
    def ending(self) -> str:
        """Ending of the file, in lower case."""
        return Path(self.member or self.path.name).suffix.lower()

    @property
    def address(self) -> str:
        """Where GDAL finds it."""
        return f"/vsizip/{self.path.resolve()}/{self.member}" if self.member else str(self.path)


def is_vector(path: Path) -> bool:
    """Return whether a path ends like a vector file."""
    return path.suffix.lower() in (*VECTOR_ENDINGS, _GEODATABASE)


def is_one_file(path: Path) -> bool:
    """Return whether a path is a file, or the folder that a file geodatabase is."""
    return path.is_file() or (path.suffix.lower() == _GEODATABASE and path.is_dir())


def vector_files(folder: Path) -> list[Path]:
    """Return the vector files of a folder, sorted by name; without any, those of its sub-folders that sort by date."""
    return files_in(folder) or [file for inner in dated_folders(folder) for file in files_in(inner)]


def files_in(folder: Path) -> list[Path]:
    """Return the vector files of a folder itself, sorted by name.

    Hidden files are none: what a system keeps beside a shapefile bears its ending too.
    """
    return sorted(
        path for path in entries(folder) if is_vector(path) and is_one_file(path) and not path.name.startswith(".")
    )


def layers_of(path: Path) -> list[Layer]:
    """Return the layers with a geometry of a file, of the files in a zip, or of the files of a folder.

    A damaged file counts as a layer, so that reading it gives the reason; a file without any geometry has none.
    """
    if not is_one_file(path) and path.is_dir():
        return [layer for file in vector_files(path) for layer in layers_of(file)]
    if path.suffix.lower() == ".zip":
        members = _members(path)
        return [Layer(path)] if members is None else [
            layer for member in members for layer in _layers_in(Layer(path, member=member))
        ]  # fmt: skip
    return _layers_in(Layer(path))


def is_damaged(path: Path) -> bool:
    """Return whether a file ends like a vector file, but cannot be opened as one."""
    for layer in layers_of(path):
        if layer.name or layer.ending in _PARQUET:
            continue
        try:
            read_layer(layer, crs="EPSG:4326")
        except InputError:
            return True
    return False


def _members(path: Path) -> list[str] | None:
    """Return the vector files in a zip; None where it cannot be opened."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # what is wrong with it is told when it is read
        return None
    hidden = ("__macosx/", ".")
    return sorted(
        name
        for name in names
        if Path(name).suffix.lower() in VECTOR_ENDINGS[:-1]
        and not name.lower().startswith(hidden)
        and not Path(name).name.startswith(".")
    )


def _layers_in(file: Layer) -> list[Layer]:
    if file.ending in _PARQUET:
        return [file]
    try:
        check_field_names(file.path, member=file.member, what=file.label)
        with _quietly():
            found = [str(name) for name, kind in pyogrio.list_layers(file.address) if kind is not None]
    except Exception:  # GDAL and pyogrio raise many kinds; what is wrong is told when the layer is read
        return [] if file.ending == ".json" and not _says_features(file) else [file]
    return [Layer(file.path, name, file.member) for name in found]


def _says_features(file: Layer) -> bool:
    """Return whether a file of JSON means to hold features; most hold something else."""
    try:
        if file.member:
            with zipfile.ZipFile(file.path) as archive, archive.open(file.member) as opened:
                start = opened.read(_JSON_START)
        else:
            with file.path.open("rb") as stream:
                start = stream.read(_JSON_START)
    except Exception:  # what is wrong with it is told when it is read
        return True
    return b'"Feature' in start


def read_layer(path: Path | Layer, layer: str = "", *, crs: Any = None) -> gpd.GeoDataFrame:
    """Read one layer of a vector file; without a name, its only or first layer with a geometry.

    Parameters
    ----------
    path : Path or Layer
    layer : str
        The layer's name, where a path is given.
    crs : anything pyproj reads, optional
        The coordinate system of a layer that names none.

    Returns
    -------
    GeoDataFrame
        Texts as they are written: a reader of dates that is not ours has not seen them. Not to be changed in place.

    Raises
    ------
    DataNotFoundError, InputError
        Where the file is absent, cannot be opened, lacks the layer, or has no CRS.
    """
    file = path.path if isinstance(path, Layer) else Path(path)
    if not is_one_file(file):
        raise DataNotFoundError(f"{file}: there is no such file")
    wanted = path if isinstance(path, Layer) else _layer_named(file, layer)
    state = file.stat()
    table = _read(wanted, state.st_mtime_ns, state.st_size)
    if table.crs is None:
        if crs is None:
            raise InputError(
                f"{wanted.label} has no coordinate system; give --crs EPSG:CODE, or assign one with ogr2ogr -a_srs"
            )
        return table.set_crs(crs)
    crs_on_earth(table.crs, what=f"the coordinate system of {wanted.label}")
    return table


def _layer_named(path: Path, name: str) -> Layer:
    layers = layers_of(path)
    if not name:
        return layers[0] if layers else Layer(path)
    for layer in layers:
        if name in (layer.name, layer.member):
            return layer
    known = ", ".join(layer.name for layer in layers if layer.name) or "none"
    raise InputError(f"{path.name} has no layer '{name}'; it has {known}")


@lru_cache(maxsize=8)
def _read(layer: Layer, _mtime_ns: int, _size: int) -> gpd.GeoDataFrame:
    """Read a layer; the time and size of its file tell a cached one that has changed since."""
    with wall(f"{layer.label} cannot be read as a vector file", "is it damaged?"):
        if layer.path.suffix.lower() in (".zip", ".kmz"):
            check_layer_zip(layer.path, what=layer.path.name)
        if layer.ending in _PARQUET:
            return _plain_columns(_read_parquet(layer))
        if layer.ending == ".shp" and not layer.member:
            check_shapefile(layer.path)
        check_field_names(layer.path, member=layer.member, what=layer.label)
        options = {"DATE_AS_STRING": "YES"} if layer.ending in (".geojson", ".json") else {}
        with _quietly():
            try:
                table = pyogrio.read_dataframe(layer.address, layer=layer.name or None, **options)
            except shapely.errors.ShapelyError:
                # A geometry that is none, such as a line of one point, is told of its row.
                options["on_invalid"] = "ignore"
                table = pyogrio.read_dataframe(layer.address, layer=layer.name or None, **options)
        if not isinstance(table, gpd.GeoDataFrame):
            raise InputError(f"{layer.label} holds no geometry; give a layer of lines or polygons")
        limits.check("cells", len(table) * len(table.columns), layer.label)
        return _plain_columns(table)


def _plain_columns(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return a layer whose columns hold single values: lists as text, categories as what they stand for."""
    # Parquet knows columns without a name, and pandas makes None or NaN of it.
    table.columns = [one if isinstance(one, str) else str(one) for one in table.columns]
    active = table.geometry.name
    for column in [one for one in table.columns if one != active]:
        values = table[column]
        if isinstance(values.dtype, pd.CategoricalDtype):
            table[column] = values.astype(object)
        elif values.dtype == object and any(isinstance(value, bytes) for value in values):
            table[column] = values.map(
                lambda value: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            )
        elif isinstance(values, gpd.GeoSeries):
            table = table.drop(columns=column)
        elif values.dtype == object and any(isinstance(value, (list, dict, np.ndarray)) for value in values):
            table[column] = values.map(str)
    return table


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep to itself what GDAL finds odd and can read: what is wrong with a row is said of the row."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _read_parquet(layer: Layer) -> gpd.GeoDataFrame:
    if not layer.member:
        check_parquet(layer.path, what=layer.label)
        return gpd.read_parquet(layer.path)
    with zipfile.ZipFile(layer.path) as archive:
        content = io.BytesIO(archive.read(layer.member))
    check_parquet(content, what=layer.label)
    return gpd.read_parquet(content)


def geometry_kinds(table: gpd.GeoDataFrame) -> Iterator[str]:
    """Yield "outlines" and "traces" as far as a layer holds polygons and lines, the more frequent first."""
    mixed = table.geometry[table.geom_type == "GeometryCollection"]
    kinds = pd.concat([table.geom_type.dropna(), mixed.explode().geom_type])
    areal = int(kinds.isin(["Polygon", "MultiPolygon"]).sum())
    linear = int(kinds.isin(["LineString", "MultiLineString", "LinearRing"]).sum())
    found = [(areal, "outlines"), (linear, "traces")]
    yield from (kind for count, kind in sorted(found, key=lambda pair: -pair[0]) if count)
