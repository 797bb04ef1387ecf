"""Rasters opened: one place where GDAL meets a file, behind one wall, and never more pixels than a step can hold."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from glaciertime import limits
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.remote import ACCESS, address, name_of, open_remote
from glaciertime.scenes.virtual import check_virtual
from glaciertime.walls import wall

__all__ = ["STRICT", "check_pixels", "check_unpacked", "open_raster", "reading"]

#: Options of GDAL for opening and for reading: without this one, the lines that a PNG has lost are zero and nothing is
#: said.
STRICT = {"GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO"}

# What a file is opened as, whatever it is called: no list of addresses to fetch from; neither HDF5 nor NetCDF, whose
# libraries end the program over some damaged files.
_DRIVERS = [
    "GTiff", "COG", "PNG", "JPEG", "JP2OpenJPEG", "GIF", "BIGGIF", "BMP", "WEBP", "PNM", "SGI", "VRT", "GPKG", "HFA",
    "ENVI", "AAIGrid", "EHdr", "PCIDSK", "SAGA", "NITF", "RST", "ISIS3", "ERS", "ILWIS", "PCRaster", "RMF",
            "GSAG", "GSBG",
    "GS7BG", "XYZ", "DTED", "SAR_CEOS", "CEOS", "SRTMHGT", "ROI_PAC", "ISCE", "AIG", "GRASSASCIIGrid", "TIL",
]  # fmt: skip

_REMEDY = "is it truncated? Fetch or export it again; HDF5 and NetCDF: gdal_translate IN out.tif"


@cache
def _drivers() -> list[str]:
    with rasterio.Env() as gdal:
        return sorted(set(_DRIVERS) & set(gdal.drivers()))


def open_raster(path: Path | str, *, what: str = "a raster") -> DatasetReader:
    """Open a raster; its header has been read, and is no claim that the file does not bear out.

    A text that is an address is opened there, see :mod:`glaciertime.scenes.remote`; any other is the name of a file.

    Raises
    ------
    DataNotFoundError, InputError
        Where the file is absent, empty, no raster, or beyond a limit.
    """
    if isinstance(path, str) and (url := address(path)) is not None:
        raster = open_remote(url, what=what)
        try:
            check_unpacked(raster, name=name_of(url))
        except BaseException:
            raster.close()
            raise
        return raster
    return _open_file(Path(path), what=what, above=(), seen=set())


def _open_file(path: Path, *, what: str, above: tuple[Path, ...], seen: set[Path]) -> DatasetReader:
    with wall(f"{path} cannot be looked for", "give a name that a file can have"):
        if not path.is_file():
            raise DataNotFoundError(f"{path}: there is no such file; give {what}")
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path.name} is empty (0 bytes); fetch or export it again")
    with wall(f"{path.name} cannot be opened as {what}", _REMEDY):
        with warnings.catch_warnings(), rasterio.Env(**STRICT):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            raster = DatasetReader(str(path), driver=_drivers(), sharing=False)
        try:
            if not raster.count:
                raise InputError(f"{path.name} holds no pixels of its own; give one of the rasters in it")
            limits.check("bands", raster.count, path.name, advice="export those that are needed")
            # A virtual raster holds no pixels: their files do.
            stored = None if raster.driver == "VRT" else size
            limits.raster_bytes(
                pixels=raster.width * raster.height * raster.count, bytes_per_pixel=0, file_bytes=stored,
                what=path.name, advice="export it again",
            )  # fmt: skip
            check_unpacked(raster, name=path.name)
            if raster.driver == "VRT":
                check_virtual(path, _open_source, above=above, seen=seen)
        except BaseException:
            raster.close()
            raise
    return raster


def _open_source(path: Path, above: tuple[Path, ...], seen: set[Path]) -> None:
    _open_file(path, what="the rasters that the virtual one is made of", above=above, seen=seen).close()


def check_unpacked(raster: DatasetReader, *, name: str) -> None:
    """Refuse a raster of which one read unpacks more than is taken, by its header.

    Parameters
    ----------
    raster : DatasetReader
    name : str
        What it is called in the sentence.

    Raises
    ------
    InputError
    """
    shapes: list[tuple[int, int]] = raster.block_shapes
    if raster.driver in _UNPACKED_WHOLE:
        shapes = [raster.shape] * raster.count
    sizes = [
        height * width * _ITEM_BYTES.get(dtype, 8) / 1e6
        for (height, width), dtype in zip(shapes, raster.dtypes, strict=True)
    ]
    is_together = raster.driver in _UNPACKED_WHOLE or raster.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "PIXEL"
    size_mb = sum(sizes) if is_together else max(sizes)
    limits.check(
        "unpacked-mb", size_mb, f"{name} ({raster.width:,} x {raster.height:,} pixels)",
        advice="export it as a GeoTIFF in tiles, cut to the glacier: gdal_translate -co TILED=YES",
    )  # fmt: skip


#: Formats that give no part of an image without what comes before it, and where interlaced without all of it.
_UNPACKED_WHOLE = ("PNG", "JPEG", "GIF", "BIGGIF", "WEBP")


def check_pixels(raster: DatasetReader | Any, *, bytes_per_pixel: float, step: str, bands: int | None = None) -> None:
    """Refuse a raster that a step cannot hold, by its header.

    Parameters
    ----------
    raster : DatasetReader
    bytes_per_pixel : float
        What the step needs for each pixel beside the pixels as they are stored.
    step : str
        What is done, as in "measuring a mask".
    bands : int, optional
        How many are read; default all.

    Raises
    ------
    InputError
    """
    name = Path(raster.name).name
    # The widest band sets the type of what is read.
    item_bytes = max(_ITEM_BYTES.get(dtype, 8) for dtype in raster.dtypes)
    count = raster.count if bands is None else bands
    limits.raster_bytes(
        pixels=raster.width * raster.height,
        bytes_per_pixel=bytes_per_pixel + item_bytes * count,
        file_bytes=None,
        what=f"{name}, {step}",
        advice=f"cut it to the glacier: gdal_translate -projwin X_MIN Y_MAX X_MAX Y_MIN {name} cut_{name}",
    )


_ITEM_BYTES = {
    "uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4, "float32": 4, "complex_int16": 4,
}  # fmt: skip


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read pixels of an open raster: what is damaged becomes one sentence."""
    with (
        wall(f"{path.name} cannot be read to its end", "is it truncated? Fetch or export it again"),
        rasterio.Env(**STRICT, **ACCESS),
    ):
        yield
