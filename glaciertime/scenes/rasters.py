"""Rasters of zones: one dated mask file as a scene, or the reason why it cannot be one."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.scenes.acquisition import NO_DATA, ZONES, Acquisition, MaskScene
from glaciertime.scenes.imagery import STRICT
from glaciertime.units import resolution_m

__all__ = ["CAFFE_CLASSES", "mask_scene", "parse_classes", "parse_crs", "read_zones"]

#: The codes that are taken for granted where no classes are given.
CAFFE_CLASSES: dict[int, int] = {code: code for code in ZONES.values()}


def parse_classes(text: str) -> dict[int, int]:
    """Return the zone of every value of a mask from ``value=zone`` pairs, separated by commas.

    Several values may mean the same zone. Zones are ocean, glacier, rock and nodata.

    Examples
    --------
    >>> parse_classes("0=ocean,1=glacier,2=glacier")
    {0: 254, 1: 127, 2: 127}
    """
    classes: dict[int, int] = {}
    for pair in text.split(","):
        value, equals, zone = (part.strip() for part in pair.partition("="))
        if not equals or zone.lower() not in ZONES or not value.lstrip("-").isdigit():
            raise UsageError(
                f"--classes '{text}': '{pair.strip()}' is not value=zone with a zone out of {', '.join(ZONES)}; "
                "give for example --classes 0=ocean,1=glacier"
            )
        if int(value) in classes:
            raise UsageError(f"--classes '{text}': value {value} is given twice; give each value one zone")
        classes[int(value)] = ZONES[zone.lower()]
    if ZONES["glacier"] not in classes.values():
        raise UsageError(f"--classes '{text}': no value means glacier; give for example --classes 0=ocean,1=glacier")
    return classes


def parse_crs(text: str) -> pyproj.CRS:
    """Return the coordinate system named on the command line."""
    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise UsageError(f"--crs '{text}' is not a coordinate system; give an EPSG code such as EPSG:3031") from error


def mask_scene(
    path: Path,
    *,
    glacier: str,
    date: dt.date,
    dataset: str,
    sensor: str = "",
    classes: Mapping[int, int] | None = None,
    crs: pyproj.CRS | None = None,
    local_resolution_m: float | None = None,
    flags: Mapping[str, str] | None = None,
    box: shapely.Polygon | None = None,
    delineation_sigma_m: float = float("nan"),
    georeferencing_sigma_m: float = float("nan"),
) -> MaskScene:
    """Open a raster of zones; its pixels are read only when the scene is measured.

    Parameters
    ----------
    path : Path
        A raster that GDAL reads; the first band counts.
    classes : mapping of value to zone code, default the codes of CaFFe
    crs : CRS
        Taken where the file has none; a file that has another one is refused.
    local_resolution_m : float
        Pixel size of an image without georeference: its scene lies in a local metric frame.

    Raises
    ------
    DataNotFoundError, InputError
        Where the file is absent, empty, truncated, rotated, without a CRS, or in another one than ``crs``.
    """
    if not path.is_file():
        raise DataNotFoundError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes); fetch or export it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as raster:
                shape, transform, own_crs = raster.shape, raster.transform, raster.crs
    except (RasterioError, OSError) as error:
        raise InputError(
            f"{path.name} cannot be opened as a raster; is it truncated? Fetch or export it again"
        ) from error
    transform, place = _place(path, shape, transform, own_crs, crs, local_resolution_m)
    acquisition = Acquisition(
        glacier=glacier,
        date=date,
        dataset=dataset,
        image_id=path.stem,
        source="observed",
        input=str(path.resolve()),
        sensor=sensor,
        author=dataset,
        crs=place,
        resolution_m=resolution_m(transform, shape=shape, crs=place),
        georeferencing_sigma_m=georeferencing_sigma_m,
        delineation_sigma_m=delineation_sigma_m,
        flags=dict(flags or {}),
    )
    read = partial(read_zones, path, dict(classes or CAFFE_CLASSES))
    return MaskScene(acquisition=acquisition, shape=shape, transform=transform, read=read, box=box)


def _place(
    path: Path,
    shape: tuple[int, int],
    transform: Affine,
    own_crs: Any,
    given_crs: pyproj.CRS | None,
    local_resolution_m: float | None,
) -> tuple[Affine, pyproj.CRS | None]:
    """Return the geotransform and the coordinate system that a raster is to be read in."""
    if own_crs is None and given_crs is None and local_resolution_m is None:
        raise InputError(
            f"{path.name} has no coordinate system; say which one it is in with --crs EPSG:CODE, or give the pixel "
            "size in metres of an image without georeference with --resolution METRES"
        )
    if own_crs is None and local_resolution_m is not None:
        return Affine(local_resolution_m, 0, 0, 0, -local_resolution_m, shape[0] * local_resolution_m), None
    if transform.b or transform.d:
        raise InputError(
            f"{path.name} has a rotated geotransform ({transform.b:g}, {transform.d:g} off the diagonal); "
            f"make it north-up first: gdalwarp {path.name} north_up.tif"
        )
    if own_crs is None:
        if transform.is_identity:
            raise InputError(f"{path.name} has no geotransform, so --crs cannot place it; give --resolution METRES")
        return transform, given_crs
    place = pyproj.CRS.from_wkt(own_crs.to_wkt())
    if given_crs is not None and not place.equals(given_crs, ignore_axis_order=True):
        raise InputError(
            f"{path.name} is in {place.name}, but --crs says {given_crs.name}; leave --crs away, or reproject the file"
        )
    return transform, place


def read_zones(path: Path, classes: Mapping[int, int]) -> NDArray[np.uint8]:
    """Read the first band of a raster as (H, W) uint8 of zone codes.

    The raster's own nodata value is no data, whatever the classes say.

    Raises
    ------
    InputError
        Where the file is truncated, or holds a value that no class names.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.Env(**STRICT), rasterio.open(path) as raster:
                values, nodata = raster.read(1), raster.nodata
    except (RasterioError, OSError) as error:
        raise InputError(f"{path.name} cannot be read to its end; is it truncated? Fetch or export it again") from error
    if values.dtype != np.uint8:
        values, nodata = _as_small_integers(path, values, nodata, classes)
    table = np.full(256, NO_DATA, dtype=np.uint8)
    named = np.zeros(256, dtype=bool)
    for value, zone in classes.items():
        if 0 <= value <= 255:
            table[value], named[value] = zone, True
    if nodata is not None and 0 <= nodata <= 255 and nodata == int(nodata):
        table[int(nodata)], named[int(nodata)] = NO_DATA, True
    present = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    unknown = [int(value) for value in present if not named[value]]
    if unknown:
        raise InputError(_unknown_values(path, unknown, [int(value) for value in present]))
    return table[values]


def _as_small_integers(
    path: Path, values: NDArray[Any], nodata: float | None, classes: Mapping[int, int]
) -> tuple[NDArray[np.uint8], float | None]:
    """Return a mask of another type as uint8 positions, or refuse values that are no classes."""
    real = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, dtype=bool)
    missing = ~real if nodata is None else ~real | (values == nodata)
    kept = values[~missing]
    unknown = sorted({float(value) for value in np.unique(kept)[:1000]} - {float(value) for value in classes})
    if unknown or any(not 0 <= value <= 255 for value in np.unique(kept)):
        raise InputError(_unknown_values(path, unknown or sorted(classes), sorted({float(v) for v in np.unique(kept)})))
    spare = next(code for code in range(256) if code not in classes)
    return np.where(missing, spare, values).astype(np.uint8), float(spare)


def _unknown_values(path: Path, unknown: list[Any], present: list[Any]) -> str:
    def listed(values: list[Any]) -> str:
        return ", ".join(f"{value:g}" for value in values[:6]) + (", ..." if len(values) > 6 else "")

    return (
        f"{path.name} holds the values {listed(present)}, of which {listed(unknown)} name no zone; say what each "
        "means, for example --classes 0=ocean,1=glacier (zones: ocean, glacier, rock, nodata)"
    )
