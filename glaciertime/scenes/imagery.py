"""Images to be segmented: any raster GDAL reads, in windows, with what was not observed as NaN."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from glaciertime.errors import InputError
from glaciertime.scenes.raster_files import check_pixels, open_raster, reading
from glaciertime.walls import wall

__all__ = ["Imagery"]

_SAMPLED_PX = 4_000_000


class Imagery:
    """One raster, opened for windowed reading.

    Parameters
    ----------
    path : Path
        GeoTIFF, PNG or whatever else GDAL reads; a georeference is carried along where there is one.
    bands : sequence of int, optional
        Numbers of the bands to use, from 1; by default all but a transparency band, and only the first of three that
        are equal (a grey picture stored in colour) where one is expected.
    expected : int, optional
        Number of bands a model needs.

    Raises
    ------
    DataNotFoundError
        If the file does not exist.
    InputError
        If it cannot be read, or has another number of bands than expected.
    """

    def __init__(self, path: Path, *, bands: Sequence[int] | None = None, expected: int | None = None) -> None:
        self.path = Path(path)
        self._source = open_raster(self.path, what="an image (GeoTIFF or PNG)")
        try:
            with wall(f"{path} cannot be read as an image", "export it again"):
                self.height, self.width = self._source.height, self._source.width
                # Asked of the file once: rasterio builds these lists anew each time.
                self._mask_kinds = self._source.mask_flag_enums
                self._nodata = self._source.nodatavals
                self.bands = self._choose(bands, expected)
        except BaseException:
            self._source.close()
            raise

    def __enter__(self) -> Imagery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    @property
    def georeference(self) -> dict[str, Any]:
        """Return CRS and transform for an output of the same pixels; empty for a picture without them."""
        if self._source.crs is None and self._source.transform.is_identity:
            return {}
        return {"crs": self._source.crs, "transform": self._source.transform}

    def _choose(self, bands: Sequence[int] | None, expected: int | None) -> list[int]:
        count = self._source.count
        if bands is not None:
            chosen = list(bands)
            wrong = [band for band in chosen if not 1 <= band <= count]
            if wrong:
                raise InputError(f"{self.path} has bands 1 to {count}, {wrong} asked for")
        else:
            chosen = [
                band
                for band, meaning in zip(self._source.indexes, self._source.colorinterp, strict=True)
                if meaning != ColorInterp.alpha
            ]
            if expected == 1 and len(chosen) == 3 and self._all_equal(chosen):
                chosen = chosen[:1]
        if expected is not None and len(chosen) != expected:
            raise InputError(
                f"{self.path} has {len(chosen)} bands, the model expects {expected}; "
                f"choose them with --bands, for example --bands {','.join(str(1 + i) for i in range(expected))}"
            )
        return chosen

    def _all_equal(self, bands: list[int]) -> bool:
        shape = (min(self.height, 256), min(self.width, 256))
        with reading(self.path):
            picture = self._source.read(bands, out_shape=(len(bands), *shape))
        return bool((picture == picture[:1]).all())

    def check_whole(self, *, bytes_per_pixel: float, step: str) -> None:
        """Refuse an image that cannot be held whole, with what a step needs for each of its pixels beside it.

        Raises
        ------
        InputError
        """
        check_pixels(self._source, bytes_per_pixel=bytes_per_pixel, step=step, bands=len(self.bands))

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        """Return (C, height, width) float32 of a window inside the raster, NaN where not observed."""
        return self._read(window=Window(column, row, width, height))

    def read_all(self) -> NDArray[np.float32]:
        """Return the whole raster, (C, H, W) float32, NaN where not observed."""
        self.check_whole(bytes_per_pixel=4 * len(self.bands), step="read as a whole")
        return self.read(0, 0, self.height, self.width)

    def _read(self, **place: Any) -> NDArray[np.float32]:
        with reading(self.path):
            stored = self._source.read(self.bands, **place)
            pixels = stored.astype(np.float32)
            for number, band in enumerate(self.bands):
                if self._mask_kinds[band - 1] != [MaskFlags.all_valid]:
                    missing = self._missing(stored[number], band, place)
                    np.copyto(pixels[number], np.float32(np.nan), where=missing)
        return pixels

    def _missing(self, stored: NDArray[Any], band: int, place: dict[str, Any]) -> NDArray[np.bool_]:
        nodata = self._nodata[band - 1]
        if self._mask_kinds[band - 1] == [MaskFlags.nodata] and stored.dtype.kind in "iu" and stored.itemsize <= 4:
            limits = np.iinfo(stored.dtype)
            if nodata is not None and nodata == round(nodata) and limits.min <= nodata <= limits.max:
                # What GDAL would do, without reading the pixels once more.
                return np.asarray(stored == stored.dtype.type(nodata))
        return np.asarray(self._source.read_masks(band, **place) == 0)

    def statistics(self, rule: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and spread of each band after ``rule.prepare``, of at most four million pixels.

        A larger raster is sampled in whole rows of its blocks, evenly over its height: the same rows however the
        raster is processed afterwards.
        """
        total = self.height * self.width
        step = max(1, int(np.ceil(total / _SAMPLED_PX)))
        rows = range(step // 2, self.height, step)
        count = np.zeros(len(self.bands))
        summed, squared = np.zeros_like(count), np.zeros_like(count)
        for row in rows:
            values = rule.prepare(self.read(row, 0, 1, self.width)).astype(np.float64)
            seen = np.isfinite(values)
            filled = np.where(seen, values, 0.0)
            count += seen.sum(axis=(1, 2))
            summed += filled.sum(axis=(1, 2))
            squared += (filled**2).sum(axis=(1, 2))
        known = np.maximum(count, 1)
        mean = summed / known
        spread = np.sqrt(np.maximum(squared / known - mean**2, 0))
        return mean.astype(np.float32), np.where(spread > 1e-6, spread, 1.0).astype(np.float32)
