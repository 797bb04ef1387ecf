"""Rasters of zones: one dated mask file as a scene, or the reason why it cannot be one."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pyproj
import shapely
from affine import Affine
from rasterio.io import DatasetReader

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.acquisition import Acquisition, MaskScene
from glaciertime.scenes.classes import CAFFE, Classes
from glaciertime.scenes.layouts import layout_of
from glaciertime.scenes.raster_files import check_pixels, open_raster
from glaciertime.scenes.zones import read_probability, read_zones
from glaciertime.units import crs_on_earth, resolution_m
from glaciertime.walls import wall

__all__ = ["mask_scene", "parse_crs"]

# Zones, what was observed, components and runs of a mask, beside its pixels.
_BYTES_PER_PIXEL = 8


def parse_crs(text: str) -> pyproj.CRS:
    """Return the coordinate system named on the command line."""
    try:
        return crs_on_earth(text, what=f"--crs '{text}'")
    except InputError as error:
        raise UsageError(str(error)) from error


def mask_scene(
    path: Path,
    *,
    glacier: str,
    date: dt.date,
    dataset: str,
    sensor: str = "",
    classes: Classes = CAFFE,
    crs: pyproj.CRS | None = None,
    local_resolution_m: float | None = None,
    image_resolution_m: float | None = None,
    flags: Mapping[str, str] | None = None,
    box: shapely.Polygon | None = None,
    on_land: bool = False,
    delineation_sigma_m: float = float("nan"),
    georeferencing_sigma_m: float = float("nan"),
) -> MaskScene:
    """Open a raster of zones; its pixels are read only when the scene is measured.

    Parameters
    ----------
    path : Path
        A raster that GDAL reads: one band of classes or of a probability, three of colour, or one per zone.
    classes : Classes
        What its pixels mean; by default the names in the file, or the codes of CaFFe.
    crs : CRS
        Taken where the file has none; a file that has another one is refused.
    local_resolution_m : float
        Pixel size of an image without georeference: its scene lies in a local metric frame.
    image_resolution_m : float, optional
        Resolution of the image that the mask was drawn on, where its pixels are finer or coarser.
    on_land : bool
        Whether the glacier ends on land.

    Raises
    ------
    DataNotFoundError, InputError
        Where the file is absent, empty, truncated, rotated, without a CRS, or in another one than ``crs``.
    """
    with (
        open_raster(path) as raster,
        wall(f"{path.name} cannot be opened as a raster", "is it truncated? Fetch or export it again"),
    ):
        shape = raster.shape
        check_pixels(raster, bytes_per_pixel=_BYTES_PER_PIXEL, step="measured as a mask")
        transform, place = _place(path, raster, crs, local_resolution_m)
        layout = layout_of(path, raster, classes)
    pixel_m = resolution_m(transform, shape=shape, crs=place)
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
        resolution_m=pixel_m if image_resolution_m is None else image_resolution_m,
        georeferencing_sigma_m=georeferencing_sigma_m,
        delineation_sigma_m=delineation_sigma_m,
        flags=dict(flags or {}),
    )
    return MaskScene(
        acquisition=acquisition,
        shape=shape,
        transform=transform,
        read=partial(read_zones, path, classes),
        box=box,
        probability=partial(read_probability, path, classes) if layout.may_be_probability else None,
        has_ocean=layout.has_ocean and not on_land,
        palette=layout.palette,
    )


def _place(
    path: Path, raster: DatasetReader, given_crs: pyproj.CRS | None, local_resolution_m: float | None
) -> tuple[Affine, pyproj.CRS | None]:
    """Return the geotransform and the coordinate system that a raster is to be read in."""
    transform, own_crs, height = raster.transform, raster.crs, raster.height
    warp = f"gdalwarp -r near {_unobserved(raster)} {path.name} north_up_{path.stem}.tif"
    if raster.gcps[0] and transform.is_identity:
        raise InputError(
            f"{path.name} is placed by {len(raster.gcps[0])} ground control points, not by a geotransform; "
            f"warp it first: {warp}"
        )
    if raster.rpcs is not None and transform.is_identity:
        raise InputError(f"{path.name} is placed by rational polynomials (RPC); warp it first: {warp} -rpc")
    _check_grid(path, transform)
    if own_crs is None and given_crs is None and local_resolution_m is None:
        raise InputError(
            f"{path.name} has no coordinate system; say which one it is in with --crs EPSG:CODE, or give the pixel "
            "size in metres of an image without georeference with --resolution METRES"
        )
    if own_crs is None and local_resolution_m is not None and not transform.is_identity:
        if (
            abs(abs(transform.a) / local_resolution_m - 1) > 0.01
            or abs(abs(transform.e) / local_resolution_m - 1) > 0.01
        ):
            raise InputError(
                f"{path.name} has pixels of {abs(transform.a):g} by {abs(transform.e):g} by its world file, "
                f"--resolution says {local_resolution_m:g}; say its coordinate system with --crs instead"
            )
    elif own_crs is None and local_resolution_m is not None:
        return Affine(local_resolution_m, 0, 0, 0, -local_resolution_m, height * local_resolution_m), None
    if transform.b or transform.d:
        raise InputError(
            f"{path.name} has a rotated geotransform ({transform.b:g}, {transform.d:g} off the diagonal); make it "
            f"north-up first: {warp}"
        )
    if transform.is_identity:
        has = "has no geotransform, so --crs cannot place it" if own_crs is None else "has a CRS but no geotransform"
        raise InputError(f"{path.name} {has}; georeference it: gdal_translate -a_ullr X_MIN Y_MAX X_MAX Y_MIN IN OUT")
    if own_crs is None and given_crs is None:
        return transform, None
    if own_crs is None:
        _check_coordinates(path, raster, given_crs)
        return transform, given_crs
    place = crs_on_earth(own_crs.to_wkt(), what=f"the coordinate system of {path.name}")
    if given_crs is not None and not place.equals(given_crs, ignore_axis_order=True):
        raise InputError(
            f"{path.name} is in {place.name}, but --crs says {given_crs.name}; leave --crs away, or reproject the file"
        )
    _check_coordinates(path, raster, place)
    return transform, place


def _check_grid(path: Path, transform: Affine) -> None:
    """Refuse a geotransform that no raster on Earth has: pixels of no size, or coordinates that are no numbers."""
    sizes = (math.hypot(transform.a, transform.d), math.hypot(transform.b, transform.e))
    if not all(math.isfinite(each) for each in transform[:6]) or not all(1e-9 < each < 1e6 for each in sizes):
        raise InputError(
            f"{path.name} has a geotransform that no grid has ({', '.join(f'{each:g}' for each in transform[:6])}); "
            "georeference it again: gdal_translate -a_ullr X_MIN Y_MAX X_MAX Y_MIN IN OUT"
        )
    if max(abs(transform.c), abs(transform.f)) > 1e9:
        raise InputError(
            f"{path.name} lies at {transform.c:g}, {transform.f:g}, which is not on Earth; check its corners"
        )


def _unobserved(raster: DatasetReader) -> str:
    """Return the option with which gdalwarp marks what lies outside the image: not as the class called 0."""
    return "-dstnodata nan" if raster.dtypes[0].startswith("float") else "-dstalpha"


def _check_coordinates(path: Path, raster: DatasetReader, crs: pyproj.CRS | None) -> None:
    """Refuse coordinates that cannot be those of the CRS: degrees in a map of metres, and metres in one of degrees."""
    if crs is None:
        return
    left, bottom, right, top = raster.bounds
    across, up = max(abs(left), abs(right)), max(abs(bottom), abs(top))
    if crs.is_geographic and (across > 540 or up > 90.001):
        raise InputError(
            f"{path.name} reaches from {left:g}, {bottom:g} to {right:g}, {top:g}: these are no degrees, but its CRS "
            f"is {crs.name}; say the right one: gdal_edit -a_srs EPSG:CODE {path.name}"
        )
    if crs.is_projected and across <= 360 and up <= 90 and abs(raster.transform.a) < 0.5:
        raise InputError(
            f"{path.name} reaches from {left:g}, {bottom:g} to {right:g}, {top:g}: these are degrees, but its CRS is "
            f"{crs.name}; say the right one: gdal_edit -a_srs EPSG:4326 {path.name}"
        )
