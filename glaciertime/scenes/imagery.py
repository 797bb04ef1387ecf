"""Images to be segmented: any raster GDAL reads, in windows, with what was not observed as NaN."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.cloud_layers import AUTO, NONE, CloudLayer, band_of_clouds, layer_beside
from glaciertime.scenes.pixel_values import PixelReading, grey_table
from glaciertime.scenes.raster_files import check_pixels, open_raster, reading
from glaciertime.scenes.remote import address, name_of
from glaciertime.walls import wall

__all__ = ["Imagery"]

_SAMPLED_PX = 4_000_000
_BENT_PX = 2.0


class Imagery:
    """One raster, opened for windowed reading.

    Parameters
    ----------
    path : Path or str
        GeoTIFF, PNG or whatever else GDAL reads, also behind an address; a georeference is carried along where there is
        one.
    bands : sequence of int, optional
        Numbers of the bands to use, from 1; by default all but a transparency band, and only the first of three that
        are equal (a grey picture stored in colour) where one is expected.
    expected : int, optional
        Number of bands a model needs.
    values : PixelReading, optional
        How stored numbers become measured values.
    clouds : str
        Where its cloud layer is: ``auto``, ``none``, the number or description of a band, or a pattern of file names;
        see :mod:`glaciertime.scenes.cloud_layers`. What it hides is not observed.

    Raises
    ------
    DataNotFoundError
        If the file does not exist.
    InputError
        If it cannot be read, or has another number of bands than expected.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        bands: Sequence[int] | None = None,
        expected: int | None = None,
        values: PixelReading | None = None,
        clouds: str = NONE,
    ) -> None:
        url = address(path) if isinstance(path, str) else None
        self.path = Path(path if url is None else name_of(url))
        self.values = PixelReading() if values is None else values
        self._source = open_raster(path, what="an image (GeoTIFF or PNG)")
        try:
            with wall(f"{path} cannot be read as an image", "export it again"):
                self.height, self.width = self._source.height, self._source.width
                # Asked of the file once: rasterio builds these lists anew each time.
                self._mask_kinds = self._source.mask_flag_enums
                self._nodata = self._source.nodatavals
                self._alpha = self._alpha_band()
                self._cloud_band = band_of_clouds(self._source.descriptions, clouds, name=self.path.name)
                self.bands = self._choose(bands, expected)
                self._greys = self._palette()
                self.clouds = self._cloud_layer(clouds)
        except BaseException:
            self._source.close()
            raise

    def __enter__(self) -> Imagery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, and its cloud layer."""
        if self.clouds is not None:
            self.clouds.close()
        self._source.close()

    @property
    def georeference(self) -> dict[str, Any]:
        """Return what places an output of the same pixels; empty for a picture without it."""
        points, crs = self._source.gcps
        if points and self._source.crs is None and self._source.transform.is_identity:
            return {"gcps": points, "crs": crs}
        if self._source.crs is None and self._source.transform.is_identity:
            return {}
        return {"crs": self._source.crs, "transform": self._source.transform}

    @property
    def descriptions(self) -> tuple[str | None, ...]:
        """Return what the file calls each of its bands."""
        return tuple(self._source.descriptions)

    @property
    def stored(self) -> str:
        """Return the type that the values of the bands used are stored as."""
        return str(np.result_type(*(self._source.dtypes[band - 1] for band in self.bands)))

    @property
    def declared_scale(self) -> tuple[float, float] | None:
        """Return factor and offset that the file names for the bands used; None where it names none, or several."""
        pairs = {(self._source.scales[band - 1], self._source.offsets[band - 1]) for band in self.bands}
        return None if pairs == {(1.0, 0.0)} or len(pairs) > 1 else next(iter(pairs))

    @property
    def place(self) -> tuple[Affine, pyproj.CRS | None] | None:
        """Return what maps columns and rows to coordinates, and their CRS; None for a picture without a place.

        Ground control points are taken for the corners of a plane picture.

        Raises
        ------
        InputError
            If they do not lie on a plane, or coordinates have no CRS and cannot be metres.
        """
        points, crs = self._source.gcps
        transform = self._source.transform
        if self._source.crs is None and transform.is_identity:
            if not points:
                return None
            return self._plane_of(points), None if crs is None else pyproj.CRS.from_wkt(crs.to_wkt())
        if self._source.crs is not None:
            return transform, pyproj.CRS.from_wkt(self._source.crs.to_wkt())
        pixel = abs(transform.determinant) ** 0.5
        if not 0.5 <= pixel <= 1000:
            raise InputError(
                f"{self.path} names no coordinate system, and its pixels of {pixel:g} cannot be metres; name it with "
                f"gdal_edit.py -a_srs EPSG:4326 {self.path.name}, or whatever it is"
            )
        return transform, None

    def _plane_of(self, points: Sequence[Any]) -> Affine:
        pixels = np.array([[point.col, point.row, 1.0] for point in points])
        places = np.array([[point.x, point.y] for point in points])
        found, _, rank, _ = np.linalg.lstsq(pixels, places, rcond=None)
        if rank < 3:
            raise InputError(f"{self.path}: its {len(points)} ground control points lie on one line; georeference it")
        transform = Affine(*found[:, 0], *found[:, 1])
        left = np.asarray(~transform @ places.T).T - pixels[:, :2]
        if np.abs(left).max() > _BENT_PX:
            raise InputError(
                f"{self.path}: its ground control points are up to {np.abs(left).max():.0f} pixels from a plane; warp "
                f"it first, with gdalwarp -tps {self.path.name} warped.tif"
            )
        return transform

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
                if meaning != ColorInterp.alpha and band not in (self._alpha, self._cloud_band)
            ]
            if expected == 1 and len(chosen) == 3 and self._all_equal(chosen):
                chosen = chosen[:1]
        if expected is not None and len(chosen) != expected:
            raise InputError(
                f"{self.path} has {len(chosen)} bands, the model expects {expected}; "
                f"choose them with --bands, for example --bands {','.join(str(1 + i) for i in range(expected))}"
            )
        return chosen

    def said_of_clouds(self) -> str:
        """Return what is to be said of the cloud layer that was used; empty where there is none."""
        if self.clouds is None:
            return ""
        step = max(1, self.height * self.width // _SAMPLED_PX)
        share = float(
            np.mean([self.clouds.hidden(row, 0, 1, self.width).mean() for row in range(0, self.height, step)])
        )
        if not share:
            return ""
        where = f"its band {self._cloud_band}" if self._cloud_band is not None else self.clouds.path.name
        return (
            f"{self.path.name}: {share:.0%} is cloud or its shadow by {where}, and not observed; --clouds none keeps it"
        )

    def _cloud_layer(self, told: str) -> CloudLayer | None:
        if self._cloud_band is not None:
            return CloudLayer(self.path, image=self._source, band=self._cloud_band)
        # What is fetched from afar has no folder to look in.
        beside = layer_beside(self.path, told) if isinstance(self.path, Path) and self.path.is_file() else None
        if beside is not None:
            return CloudLayer(beside, image=self._source)
        if told not in (AUTO, NONE):
            raise UsageError(f"--clouds {told}: {self.path} has no band of that name and no folder to look in")
        return None

    def _alpha_band(self) -> int | None:
        """Return the number of a last band that holds nothing but 0 and its largest value and does not say why."""
        last = self._source.count
        if last not in (2, 4) or not self._source.dtypes[last - 1].startswith("uint"):
            return None
        if self._source.colorinterp[last - 1] != ColorInterp.undefined or self._source.descriptions[last - 1]:
            return None
        shape = (min(self.height, 512), min(self.width, 512))
        with reading(self.path):
            found = set(np.unique(self._source.read(last, out_shape=shape)).tolist())
        return last if found <= {0, int(np.iinfo(self._source.dtypes[last - 1]).max)} and len(found) == 2 else None

    def _palette(self) -> NDArray[np.float32] | None:
        if len(self.bands) != 1 or self._source.colorinterp[self.bands[0] - 1] != ColorInterp.palette:
            return None
        return grey_table(self._source.colormap(self.bands[0]), name=self.path.name)

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
        pixels = self._read(window=Window(column, row, width, height))
        if self.clouds is not None:
            pixels[:, self.clouds.hidden(row, column, height, width)] = np.nan
        return pixels

    def read_all(self) -> NDArray[np.float32]:
        """Return the whole raster, (C, H, W) float32, NaN where not observed."""
        self.check_whole(bytes_per_pixel=4 * len(self.bands), step="read as a whole")
        return self.read(0, 0, self.height, self.width)

    def _read(self, **place: Any) -> NDArray[np.float32]:
        with reading(self.path):
            stored = self._source.read(self.bands, **place)
            if np.iscomplexobj(stored):
                raise InputError(
                    f"{self.path.name} holds complex numbers; a model sees amplitudes: write them first, for example "
                    f"with gdal_translate -ot Float32 DERIVED_SUBDATASET:AMPLITUDE:{self.path.name} amplitude.tif"
                )
            pixels = stored.astype(np.float32)
            for number, band in enumerate(self.bands):
                if self._mask_kinds[band - 1] != [MaskFlags.all_valid] and self.values.trust_header:
                    missing = self._missing(stored[number], band, place)
                    np.copyto(pixels[number], np.float32(np.nan), where=missing)
                if self.values.nodata:
                    np.copyto(pixels[number], np.float32(np.nan), where=self.values.hidden(stored[number]))
            if self._alpha is not None and self._alpha not in self.bands:
                pixels[:, self._source.read(self._alpha, **place) == 0] = np.nan
        if self._greys is not None:
            pixels = np.where(np.isnan(pixels), pixels, self._greys[stored.astype(np.uint8)])
        return self.values.measured(pixels)

    def _missing(self, stored: NDArray[Any], band: int, place: dict[str, Any]) -> NDArray[np.bool_]:
        nodata = self._nodata[band - 1]
        if self._mask_kinds[band - 1] == [MaskFlags.nodata] and stored.dtype.kind in "iu" and stored.itemsize <= 4:
            limits = np.iinfo(stored.dtype)
            if nodata is not None and nodata == round(nodata) and limits.min <= nodata <= limits.max:
                # What GDAL would do, without reading the pixels once more.
                return np.asarray(stored == stored.dtype.type(nodata))
        return np.asarray(self._source.read_masks(band, **place) == 0)

    def sample(self) -> NDArray[np.float32]:
        """Return the raster, (C, H, W) float32, or of a larger one whole rows evenly over its height.

        At most four million pixels; the same ones however the raster is processed afterwards.
        """
        step = max(1, int(np.ceil(self.height * self.width / _SAMPLED_PX)))
        if step == 1:
            return self.read_all()
        rows = range(step // 2, self.height, step)
        return np.concatenate([self.read(row, 0, 1, self.width) for row in rows], axis=1)

    def statistics(self, rule: Any) -> Any:
        """Return what a rule needs to know of the whole image: ``rule.statistics`` of :meth:`sample`."""
        return rule.statistics(self.sample())
