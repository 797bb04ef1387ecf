"""Cloud layers of images: what an agency's mask, or anybody's, calls cloud or its shadow was not observed.

Known by the end of a file's name, or by the description of a band of the image itself: ``QA_PIXEL`` of Landsat
Collection 2, ``SCL`` of Sentinel-2, ``Fmask``, and masks that are 0 where clear. Thin cirrus is no cloud here: fronts
are seen through it, and over ice it is often seen where there is none.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from glaciertime.errors import InputError, UsageError
from glaciertime.naming import counted
from glaciertime.scenes.names import date_in_name
from glaciertime.scenes.raster_files import open_raster, reading

__all__ = ["AUTO", "NONE", "CloudLayer", "band_of_clouds", "is_cloud_layer", "layer_beside"]

AUTO, NONE = "auto", "none"
_WORDS = ("qa_pixel", "scl", "fmask", "cloudmask", "cloud_mask", "clouds", "cloud")
_LAYER = re.compile(rf"(?:^|[_.-])({'|'.join(_WORDS)})(?:_\d0m)?$")
_BAND = re.compile(r"(?:[_.-](?:sr_|st_|toa_)?(?:b\d{1,2}a?|tci|blue|green|red|nir|pan))(?:_\d0m)?$")
#: QA_PIXEL: fill, dilated cloud, cloud, shadow of a cloud.
_QA_BITS = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4
#: No data, shadow of a cloud, clouds of medium and of high probability.
_SCL = (0, 3, 8, 9)
#: Shadow of a cloud, cloud, no data.
_FMASK = (2, 4, 255)
_SHARE_COVERED = 0.98


def is_cloud_layer(path: Path, told: str = AUTO) -> bool:
    """Return whether a file is called as cloud layers are, or as was told.

    Examples
    --------
    >>> is_cloud_layer(Path("LC08_L2SP_009011_20200801_02_T1_QA_PIXEL.TIF")), is_cloud_layer(Path("cloudy_2020.tif"))
    (True, False)
    """
    if told not in (AUTO, NONE) and not told.isdigit() and fnmatch(path.name, Path(told).name):
        return True
    return _LAYER.search(path.stem.casefold()) is not None


def band_of_clouds(descriptions: tuple[str | None, ...], told: str, *, name: str) -> int | None:
    """Return the number of the band of an image that is its cloud layer, from 1; None where it has none.

    Raises
    ------
    UsageError
        If there is no band of the number that was told.
    """
    if told == NONE:
        return None
    if told.isdigit():
        if not 1 <= int(told) <= len(descriptions):
            raise UsageError(f"--clouds {told}: {name} has bands 1 to {len(descriptions)}")
        return int(told)
    for number, text in enumerate(descriptions, start=1):
        word = (text or "").strip().casefold()
        if word and (word == told.casefold() or (told == AUTO and _LAYER.search(word))):
            return number
    return None


def layer_beside(image: Path, told: str) -> Path | None:
    """Return the file with the cloud layer of an image: named as the image but for its end, or as was told.

    Parameters
    ----------
    image : Path
    told : str
        ``auto``, ``none`` or a pattern of names, such as ``*_QA_PIXEL.TIF``: of the files that it fits, in the folder
        of the image or that it names, the one of the image's date is taken.

    Raises
    ------
    InputError
        If a pattern fits no file of the image's date, or several.
    """
    if told == NONE or told.isdigit():
        return None
    if told == AUTO:
        stem = image.stem.casefold()
        starts = {stem, _BAND.sub("", stem)}
        # Sentinel-2 keeps its bands of 10 m and its scene classes of 20 m in two folders.
        folders = [
            image.parent,
            *(image.parent.parent / name for name in ("R20m", "R60m") if image.parent.name == "R10m"),
        ]
        for folder in folders:
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                found = _LAYER.search(path.stem.casefold())
                if found and path != image and path.stem.casefold()[: found.start()] in starts and _is_raster(path):
                    return path
        return None
    pattern = Path(told)
    folder = pattern.parent if pattern.is_absolute() or len(pattern.parts) > 1 else image.parent
    fitting = [path for path in sorted(folder.glob(pattern.name)) if path != image] if folder.is_dir() else []
    dated = date_in_name(image.name)
    mine = [path for path in fitting if date_in_name(path.name) == dated]
    if len(mine) != 1:
        raise InputError(
            f"--clouds {told}: {counted(len(mine), 'files')} in {folder} fit it and bear the date of {image.name}, "
            "exactly one "
            "expected; --clouds none leaves clouds in"
        )
    return mine[0]


def _is_raster(path: Path) -> bool:
    return path.suffix.casefold() in (".tif", ".tiff", ".jp2", ".img", ".vrt", ".png")


class CloudLayer:
    """A cloud layer, opened on the grid of an image.

    Parameters
    ----------
    path : Path
    band : int
    image : DatasetReader
        On whose grid it is read.

    Raises
    ------
    InputError
        If it does not cover the image, or its values have no known meaning.
    """

    def __init__(self, path: Path, *, image: DatasetReader, band: int = 1) -> None:
        self.path, self.band = path, band
        self._source = open_raster(path, what="a cloud layer")
        self._grid: DatasetReader | WarpedVRT = self._source
        try:
            words = _LAYER.search((self._source.descriptions[band - 1] or "").casefold()) or _LAYER.search(
                path.stem.casefold()
            )
            self.kind = words[1] if words else ""
            same = (self._source.height, self._source.width) == (image.height, image.width)
            if not (same and self._source.transform == image.transform and self._source.crs == image.crs):
                self._grid = self._on_grid(image, same=same)
            if self.kind not in ("qa_pixel", "scl", "fmask"):
                self._check_binary()
        except BaseException:
            self.close()
            raise

    def _on_grid(self, image: DatasetReader, *, same: bool) -> DatasetReader | WarpedVRT:
        if image.crs is None or self._source.crs is None:
            if same:
                return self._source
            raise InputError(
                f"{self.path.name} has {self._source.width} x {self._source.height} pixels, the image {image.width} x "
                f"{image.height}, and one of them has no georeference: give a cloud layer on the image's grid"
            )
        left, bottom, right, top = transform_bounds(self._source.crs, image.crs, *self._source.bounds)
        west, south, east, north = image.bounds
        across = max(0.0, min(right, east) - max(left, west)) / (east - west)
        along = max(0.0, min(top, north) - max(bottom, south)) / (north - south)
        if across * along < _SHARE_COVERED:
            raise InputError(f"{self.path.name} covers {across * along:.0%} of the image; give the cloud layer of it")
        return WarpedVRT(
            self._source, crs=image.crs, transform=image.transform, width=image.width, height=image.height,
            resampling=Resampling.nearest,
        )  # fmt: skip

    def _check_binary(self) -> None:
        shape = (min(self._source.height, 512), min(self._source.width, 512))
        with reading(self.path):
            found = set(np.unique(self._source.read(self.band, out_shape=shape)).tolist())
        if len(found - {0}) > 1:
            raise InputError(
                f"{self.path.name} holds {len(found)} different values: a cloud layer is QA_PIXEL, SCL or Fmask by its "
                "name, or 0 where clear and one other value where not"
            )

    def close(self) -> None:
        """Close the files."""
        if self._grid is not self._source:
            self._grid.close()
        self._source.close()

    def hidden(self, row: int, column: int, height: int, width: int) -> NDArray[np.bool_]:
        """Return what clouds and their shadows hide in a window of the image, (height, width)."""
        with reading(self.path):
            values = self._grid.read(self.band, window=Window(column, row, width, height))
        if self.kind == "qa_pixel":
            return np.asarray((values.astype(np.int64) & _QA_BITS) > 0)
        if self.kind in ("scl", "fmask"):
            return np.isin(values, _SCL if self.kind == "scl" else _FMASK)
        return np.asarray(values != 0)
