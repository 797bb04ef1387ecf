"""Rasters behind an address: read by GDAL in ranges, over http and https only, and not for ever."""

from __future__ import annotations

import re
import warnings
from urllib.parse import urlsplit

import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

from glaciertime import limits
from glaciertime.errors import InputError
from glaciertime.scenes.transfer import check_url
from glaciertime.walls import wall

__all__ = ["ACCESS", "address", "name_of", "open_remote"]

_PREFIX = "/vsicurl/"
_ITEM_BYTES = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2}
#: No virtual rasters: they name further files, of this machine too.
_DRIVERS = ["GTiff", "COG", "PNG", "JPEG", "JP2OpenJPEG", "WEBP"]
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

#: Options of GDAL for reading: a server that is silent, or trickles, is given up.
ACCESS = {
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_TIMEOUT": "300",
    "GDAL_HTTP_LOW_SPEED_TIME": "30",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_NETRC": "NO",
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
}


def address(text: str) -> str | None:
    """Return the address that a text names, with or without GDAL's prefix; None for the name of a file.

    Raises
    ------
    InputError
        If it is an address of another kind than http and https, or holds a password.

    Examples
    --------
    >>> address("/vsicurl/https://example.org/a.tif"), address("scenes/a.tif")
    ('https://example.org/a.tif', None)
    """
    bare = text.removeprefix(_PREFIX)
    if not bare.startswith(("/vsi", "/VSI")) and not _SCHEME.match(bare):
        return None if bare == text else check_url(bare)
    if not bare.lower().startswith(("http://", "https://")):
        raise InputError(
            f"'{text[:200]}': an address that begins with https:// or http:// expected; fetch other files first"
        )
    return check_url(bare)


def name_of(url: str) -> str:
    """Return the name of the file behind an address.

    Examples
    --------
    >>> name_of("https://example.org/x/a.tif?token=b")
    'a.tif'
    """
    return urlsplit(url).path.rpartition("/")[2] or "image"


def open_remote(url: str, *, what: str) -> DatasetReader:
    """Open a raster behind an address.

    Raises
    ------
    InputError
        If it cannot be opened, or claims more than is taken.
    """
    name = name_of(url)
    with wall(f"{url.partition('?')[0]} cannot be opened as {what}", "check the address, or fetch the file first"):
        # Nothing is asked for but the file itself.
        with warnings.catch_warnings(), rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", **ACCESS) as gdal:
            known = sorted(set(_DRIVERS) & set(gdal.drivers()))
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            raster = DatasetReader(f"{_PREFIX}{check_url(url)}", driver=known, sharing=False)
        try:
            item_bytes = max(_ITEM_BYTES.get(dtype, 8) for dtype in raster.dtypes)
            gigabytes = raster.width * raster.height * raster.count * item_bytes / 1e9
            limits.check("raster-gb", gigabytes, name, advice="fetch it first, or cut it")
        except BaseException:
            raster.close()
            raise
    return raster
