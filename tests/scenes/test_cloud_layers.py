"""What clouds hide was not observed, whatever says where they are."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.transform
import rasterio.warp

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.cloud_layers import is_cloud_layer, layer_beside
from glaciertime.scenes.imagery import Imagery

UTM = "EPSG:32622"
CLEAR, CLOUD, SHADOW, CIRRUS = 21824, 22280, 23888, 54724
"""Values of QA_PIXEL as the guide to Landsat Collection 2 tabulates them."""


def write(path, bands, *, size_m=30.0, crs=UTM, names=(), dtype="uint16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": bands.shape[1], "width": bands.shape[2], "count": len(bands), "crs": crs}
    transform = rasterio.Affine(size_m, 0, 500_000, 0, -size_m, 7_600_000)
    with rasterio.open(path, "w", **profile, dtype=dtype, transform=transform) as target:
        target.write(bands.astype(dtype))
        for number, name in enumerate(names, start=1):
            target.set_band_description(number, name)
    return path


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(7000, 30000, (1, 40, 60))


def hidden_of(path, **more):
    with Imagery(path, clouds=more.pop("clouds", "auto"), **more) as pixels:
        return np.isnan(pixels.read_all()).all(axis=0), pixels.said_of_clouds()


def quality(shape=(40, 60)):
    layer = np.full((1, *shape), CLEAR)
    layer[0, :5], layer[0, 5:8], layer[0, 8:10] = CLOUD, SHADOW, CIRRUS
    return layer


@pytest.mark.parametrize(
    "name", ["LC08_L2SP_009011_20200801_20200907_02_T1_SR_B2.TIF", "LC08_L2SP_009011_20200801_20200907_02_T1.tif"]
)
def test_clouds_and_their_shadows_of_landsat_are_not_observed_and_cirrus_is(tmp_path, image, name):
    path = write(tmp_path / name, image)
    write(tmp_path / "LC08_L2SP_009011_20200801_20200907_02_T1_QA_PIXEL.TIF", quality())
    write(tmp_path / "LC08_L2SP_009011_20200817_20200907_02_T1_QA_PIXEL.TIF", np.full((1, 40, 60), CLOUD))
    hidden, said = hidden_of(path)
    assert hidden[:8].all()
    assert not hidden[8:].any()
    assert "20% is cloud or its shadow by LC08_L2SP_009011_20200801_20200907_02_T1_QA_PIXEL.TIF" in said
    assert not hidden_of(path, clouds="none")[0].any()
    np.testing.assert_array_equal(hidden_of(path, clouds="*_QA_PIXEL.TIF")[0], hidden)


def test_the_scene_classes_of_sentinel_2_are_found_in_their_folder_and_read_on_the_finer_grid(tmp_path, image):
    path = write(tmp_path / "IMG_DATA/R10m/T22WEB_20230801T150921_B03_10m.tif", image, size_m=10.0)
    layer = np.full((1, 20, 30), 11)
    layer[0, :4], layer[0, 4:6], layer[0, 6:7] = 9, 3, 10
    write(tmp_path / "IMG_DATA/R20m/T22WEB_20230801T150921_SCL_20m.tif", layer, size_m=20.0, dtype="uint8")
    hidden, _ = hidden_of(path)
    assert hidden[:12].all()
    assert not hidden[12:].any()


def test_a_band_of_the_image_itself_is_its_cloud_layer_and_none_that_a_model_gets(tmp_path, image):
    path = write(tmp_path / "a_20200801.tif", np.concatenate([image, quality()]), names=("green", "QA_PIXEL"))
    hidden, _ = hidden_of(path, expected=1)
    assert hidden[:8].all()
    assert not hidden[8:].any()
    plain = write(tmp_path / "b_20200801.tif", np.concatenate([image, (quality() == CLOUD) * 1]))
    assert hidden_of(plain, clouds="2", expected=1)[0].sum() == 5 * 60


def test_what_cannot_be_the_cloud_layer_is_refused(tmp_path, image):
    path = write(tmp_path / "a_20200801.tif", image)
    with pytest.raises(InputError, match=r"--clouds \*_mask.tif: 0 files .* exactly one expected"):
        hidden_of(path, clouds="*_mask.tif")
    with pytest.raises(UsageError, match=r"--clouds 7: a_20200801\.tif has bands 1 to 1"):
        hidden_of(path, clouds="7")
    write(tmp_path / "x_20200801_mask.tif", image)
    with pytest.raises(InputError, match="different values: a cloud layer is QA_PIXEL"):
        hidden_of(path, clouds="*_mask.tif")
    write(tmp_path / "a_20200801_QA_PIXEL.tif", quality()[:, :20])
    with pytest.raises(InputError, match="covers 50% of the image"):
        hidden_of(path)


def test_a_layer_on_another_grid_in_another_place_system_is_warped(tmp_path, image):
    path = write(tmp_path / "a_20200801.tif", image)
    layer = np.zeros((1, 80, 120))
    layer[0, :, 60:] = 1
    other = tmp_path / "wide_20200801_clouds.tif"
    with rasterio.open(path) as source:
        west, south, east, north = rasterio.warp.transform_bounds(
            source.crs, "EPSG:4326", *source.bounds, densify_pts=21
        )
    transform = rasterio.transform.from_bounds(west, south, east, north, 120, 80)
    with rasterio.open(
        other, "w", driver="GTiff", height=80, width=120, count=1, dtype="uint8", crs="EPSG:4326", transform=transform
    ) as target:
        target.write(layer.astype("uint8"))
    hidden, _ = hidden_of(path, clouds="*_clouds.tif")
    assert not hidden[:, :28].any()
    assert hidden[:, 32:].all()


@pytest.mark.parametrize(
    "name", ["a_QA_PIXEL.TIF", "T22WEB_20230801T150921_SCL_20m.jp2", "a_Fmask.tif", "x_clouds.tif"]
)
def test_layers_are_told_from_images_by_their_names(name):
    assert is_cloud_layer(Path(name))


@pytest.mark.parametrize(
    "name", ["cloudy_2020.tif", "muscle_2020.tif", "LC08_20200801_B2.tif", "clouds_over_front_20200801.tif"]
)
def test_images_are_none(name, tmp_path):
    assert not is_cloud_layer(Path(name))
    assert layer_beside(tmp_path / name, "auto") is None
