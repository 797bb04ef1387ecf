"""Images in windows: what was not observed is NaN, by whatever means the file says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.scenes.imagery import Imagery
from glaciertime.scenes.zones import read_zones


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    bands, height, width = pixels.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": pixels.dtype.name}
    with rasterio.open(path, "w", **{**profile, **options}) as target:
        target.write(pixels)
    return path


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("uint8", 0), ("uint8", 7), ("int16", -9999), ("uint16", 65535), ("float32", -9999.0), ("float32", np.nan)],
)
def test_nodata_is_nan_where_gdal_masks_it(tmp_path: Path, dtype: str, nodata: float) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 9, size=(2, 30, 40)).astype(dtype)
    pixels[:, 5:9] = nodata
    path = write(tmp_path / "image.tif", pixels, nodata=nodata)
    with Imagery(path) as image, rasterio.open(path) as stored:
        read = image.read(3, 2, 20, 30)
        masked = stored.read_masks()[:, 3:23, 2:32] == 0
    assert masked.any()
    assert np.array_equal(np.isnan(read), masked)
    assert np.array_equal(read[~masked], pixels[:, 3:23, 2:32][~masked])


def test_a_mask_band_is_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "image.tif", np.full((1, 6, 6), 3, np.uint8))
    seen = np.full((6, 6), 255, np.uint8)
    seen[0] = 0
    with rasterio.open(path, "r+") as target:
        target.write_mask(seen)
    with Imagery(path) as image:
        assert np.array_equal(np.isnan(image.read_all()[0]), seen == 0)


def test_without_nodata_every_pixel_is_observed(tmp_path: Path) -> None:
    with Imagery(write(tmp_path / "image.tif", np.zeros((1, 6, 6), np.uint8))) as image:
        assert np.array_equal(image.read_all(), np.zeros((1, 6, 6), np.float32))


def test_a_picture_that_is_cut_short_is_not_read_as_black(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).choice(np.array([0, 64, 127, 254], np.uint8), size=(1, 60, 40))
    path = write(tmp_path / "image.png", pixels, driver="PNG")
    assert (read_zones(path) == pixels[0]).all()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Imagery(path) as image, pytest.raises(InputError, match=r"image\.png cannot be read to its end"):
        image.read_all()
    with pytest.raises(InputError, match=r"image\.png cannot be read to its end"):
        read_zones(path)


def test_a_coloured_picture_that_is_cut_short_is_named(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 255, size=(1, 60, 40)).astype(np.uint8)
    path = write(tmp_path / "image.png", grey.repeat(3, axis=0), driver="PNG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"image\.png cannot be read to its end"):
        Imagery(path, expected=1)


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "a\0.png"])
def test_a_name_that_no_file_has_is_one_sentence(tmp_path, name):
    with pytest.raises(GlacierTimeError, match=r"cannot be looked for|there is no such file"):
        Imagery(tmp_path / name)


def test_what_is_no_raster_by_its_content_is_not_opened_as_a_list_of_addresses(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:9/a</ServerUrl></Service></GDAL_WMS>")
    with pytest.raises(InputError, match=r"a\.tif cannot be opened as an image"):
        Imagery(path)
