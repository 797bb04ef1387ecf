"""An input is looked at before it is believed: converted, told or refused, never a confident other mask."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from scipy import ndimage

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.imagery import Imagery
from glaciertime.scenes.pixel_values import PixelReading, parse_nodata, parse_scale, suspected_nodata
from glaciertime.segment.description import ModelSpec, read_spec, weights_path
from glaciertime.segment.frame import Frame
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.predict.checks import check_values, unlike_reason
from glaciertime.segment.predict.cover import evidence_of, why_unclear
from glaciertime.segment.predict.engine import load_engine
from glaciertime.segment.predict.framed import FramedScene, predict_scene

SPEC = ModelSpec(
    name="m", model="unet", bands=("b",), classes=("g", "o"), codes=(127, 254), seen=((0.0, 255.0),)
)  # fmt: skip


@pytest.fixture(scope="module")
def picture():
    """A smooth scene with values from 3 to 242, as a band of 60 x 40."""
    rough = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(60, 40)), 3)
    return (3 + 239 * (rough - rough.min()) / np.ptp(rough)).astype(np.float32)


def check(sample, *, values=None, spec=SPEC):
    return check_values(np.atleast_3d(sample.T).T, spec=spec, values=values or PixelReading(), name="a.tif")


@pytest.mark.parametrize("value", [-9999.0, 65535.0, -32768.0, -3.4028234663852886e38])
def test_what_programs_write_for_nothing_is_not_observed_and_told(picture, value):
    edge = picture.copy()
    edge[:, :10] = value
    found = check(edge)
    assert found.values.nodata == (pytest.approx(value),)
    assert "is taken for not observed" in found.notes[0]
    assert check(edge, values=PixelReading(trust_header=False)).notes == ()


@pytest.mark.parametrize("scale", [(1.0, 0.0), (0.0000275, -0.2), (0.0001, -0.1), (0.5, 0.0)])
@pytest.mark.parametrize("value", [0.0, -9999.0, 65535.0, -32768.0])
def test_what_was_written_for_nothing_is_known_by_its_number_whatever_the_scale(picture, value, scale):
    stored = np.round(7000 + 30 * picture)
    stored[:, :10] = value
    told = PixelReading(scale=scale[0], offset=scale[1])
    found = check(told.measured(stored), values=told)
    assert found.values.nodata == (value,)
    assert found.values.hidden(stored)[:, :10].all()
    assert not found.values.hidden(stored)[:, 10:].any()
    assert found.notes[0].startswith(f"a.tif: {value:g} is taken for not observed")


def test_a_sensor_that_counts_to_65535_is_left_alone(picture):
    bright = picture * 65535 / picture.max()
    bright[bright > 60_000] = 65535
    assert suspected_nodata(bright) is None


def test_black_edges_of_a_bright_scene_are_not_observed_and_dark_water_is(picture):
    scene = picture + 40
    scene[:, :8] = 0
    assert suspected_nodata(scene) == 0
    water = picture.copy()
    water[:30] = np.random.default_rng(1).integers(0, 4, (30, 40))
    assert suspected_nodata(water) is None


def test_decibels_are_made_linear_where_the_model_expects_that(picture):
    decibels = 10 * np.log10(picture / 300)
    found = check(decibels)
    assert found.values.decibels
    np.testing.assert_allclose(found.values.measured(decibels), picture / 300, rtol=1e-5)
    cold = ModelSpec(**{**vars(SPEC), "seen": ((-30.0, 5.0),)})
    assert not check(decibels, spec=cold).values.decibels


def test_a_constant_image_is_refused():
    with pytest.raises(InputError, match=r"a\.tif: band 'b' is 77 everywhere"):
        check(np.full((9, 9), 77.0, np.float32))


def test_saturation_is_told(picture):
    assert "saturated" in check(np.minimum(picture, np.percentile(picture, 60))).doubts[0]
    assert not check(picture).doubts


def test_values_in_another_unit_are_refused_where_the_image_itself_does_not_scale_them(picture):
    fixed = ModelSpec(**{**vars(SPEC), "normalisation": Normalisation(kind="fixed", mean=(100.0,), std=(50.0,))})
    check(picture, spec=fixed)
    for factor in (100.0, 1e-4):
        with pytest.raises(InputError, match=r"another unit than m was trained on.*--scale FACTOR,OFFSET"):
            check(picture * np.float32(factor), spec=fixed)


def write(path, bands, **more):
    profile = {"driver": "GTiff", "height": bands.shape[1], "width": bands.shape[2], "count": len(bands), **more}
    with rasterio.open(path, "w", **profile, dtype=bands.dtype) as target:
        target.write(bands)
        return path


def test_complex_numbers_are_refused(tmp_path, picture):
    path = write(tmp_path / "slc.tif", (picture + 1j * picture).astype(np.complex64)[None])
    with Imagery(path) as pixels, pytest.raises(InputError, match=r"slc\.tif holds complex numbers"):
        pixels.read_all()


def test_a_palette_of_greys_is_read_and_one_of_colours_refused(tmp_path, picture):
    numbers = (picture // 4).astype(np.uint8)[None]
    for name, entry in (("grey", lambda n: (255 - n,) * 3), ("colour", lambda n: (n, 0, 255 - n))):
        path = tmp_path / f"{name}.tif"
        profile = {"driver": "GTiff", "height": 60, "width": 40, "count": 1, "dtype": "uint8", "photometric": "palette"}
        with rasterio.open(path, "w", **profile) as target:
            target.write(numbers)
            target.write_colormap(1, {number: (*entry(number), 255) for number in range(256)})
    with Imagery(tmp_path / "grey.tif") as pixels:
        np.testing.assert_array_equal(pixels.read_all()[0], 255.0 - numbers[0])
    with pytest.raises(InputError, match=r"colour\.tif holds numbers of colours in a palette"):
        Imagery(tmp_path / "colour.tif")


def test_a_last_band_of_nothing_but_0_and_255_says_what_was_observed(tmp_path, picture):
    alpha = np.full(picture.shape, 255, np.uint8)
    alpha[:, :7] = 0
    path = write(tmp_path / "a.tif", np.stack([picture.astype(np.uint8), alpha]))
    with rasterio.open(path) as raster:
        assert raster.colorinterp[1] != ColorInterp.alpha
    with Imagery(path, expected=1) as pixels:
        values = pixels.read_all()[0]
    assert np.isnan(values[:, :7]).all()
    assert np.isfinite(values[:, 7:]).all()


def test_scale_and_nodata_as_told_are_used(tmp_path, picture):
    path = write(tmp_path / "a.tif", picture[None].astype(np.int16))
    told = PixelReading(nodata=(5.0,), scale=0.5, offset=-1.0)
    with Imagery(path, values=told) as pixels:
        values = pixels.read_all()[0]
    stored = picture.astype(np.int16)
    assert np.isnan(values[stored == 5]).all()
    np.testing.assert_allclose(values[stored != 5], stored[stored != 5] * 0.5 - 1)


@pytest.mark.parametrize(("read", "text"), [(parse_nodata, "nought"), (parse_scale, "1,2,3"), (parse_scale, "0")])
def test_what_is_no_number_is_refused(read, text):
    with pytest.raises(UsageError, match=text):
        read(text)


@pytest.mark.parametrize("kind", ["noise", "clouds", "night", "forest", "ramp", "speckle"])
def test_pictures_of_other_things_are_called_unlike(kind):
    rng = np.random.default_rng(3)
    smooth = lambda scale: ndimage.gaussian_filter(rng.normal(size=(300, 200)), scale) * scale  # noqa: E731
    image = {
        "noise": lambda: rng.uniform(0, 255, (300, 200)),
        "clouds": lambda: 120 + 60 * (smooth(20) + smooth(6) + smooth(2)),
        "night": lambda: rng.poisson(2, (300, 200)).astype(float),
        "forest": lambda: 60 + 10 * smooth(1.2) + rng.normal(0, 6, (300, 200)),
        "ramp": lambda: np.tile(np.linspace(1, 255, 200), (300, 1)),
        "speckle": lambda: np.where(np.arange(300)[:, None] < 140, 30, 120) * np.sqrt(rng.gamma(4, 0.25, (300, 200))),
    }[kind]()
    image = image.astype(np.float32)
    run, spec = load_engine("landsat-fronts", threads=1)
    scene = FramedScene(
        read=lambda row, column, height, width: image[None, row : row + height, column : column + width],
        shape=image.shape, transform=rasterio.Affine(48.9, 0, 0, 0, -48.9, 0), crs=None,
    )  # fmt: skip
    made = predict_scene(scene, run=run, spec=spec, ocean_deg=0.0)
    assert made.unlike.startswith("unlike the images landsat-fronts was trained on")
    assert made.sigma_px >= 30


def test_shipped_models_say_what_they_were_trained_on():
    assert "no real image" in read_spec(weights_path("sar-zones")).trained_on


def landsat_like(seed=0):
    """An image with texture everywhere, brighter below a front in row 150."""
    rng = np.random.default_rng(seed)
    below = np.arange(300)[:, None] >= 150
    return (np.where(below, 150, 90) * (1 + 0.15 * rng.normal(size=(300, 200)))).astype(np.float32)


def beside(image, *, row=150.0, sigma_px=1.5, sure=0.97):
    """What is said of a straight front of whose place a model is sure."""
    ocean = np.where(np.arange(300)[:, None] < row, sure, 1 - sure) * np.ones((1, 200))
    ocean[~np.isfinite(image)] = np.nan
    rows = np.full(200, row)
    found = evidence_of(image, rows, ocean=ocean, sigma_px=sigma_px)
    return why_unclear(image[None], rows, found=found, sigma_px=sigma_px)


@pytest.mark.parametrize("scale", [(1.0, 0.0), (2e-4, 0.1), (100.0, 7000.0)])
def test_what_lies_beside_a_front_tells_clouds_and_shadows_in_whatever_unit(scale):
    factor, offset = scale
    image = landsat_like()
    assert beside(image * factor + offset) == ""
    clouded = image.copy()
    clouded[110:150] = 170 + np.random.default_rng(1).normal(0, 1.5, (40, 200))
    assert "along 100% of it lies a bright surface" in beside(clouded * factor + offset)
    shadow = 150 * (1 + 0.05 * np.random.default_rng(1).normal(size=(300, 200)))
    assert beside(shadow * factor + offset, sure=0.94) == ""
    shadow[100:150] *= 0.4
    assert "shadow" in beside(shadow * factor + offset, sure=0.94)


def test_a_model_in_doubt_about_a_front_is_told():
    image = landsat_like()
    assert beside(image, sigma_px=60.0, sure=0.8) != ""
    assert beside(image, sigma_px=1.5) == ""


def test_a_front_beside_what_was_not_observed_is_unclear():
    image = landsat_like()
    image[120:149, 40:] = np.nan
    assert beside(image) == "along 80% of it the image was not observed"
    image[:, 40:] = np.nan
    assert beside(image) == "", "what the image does not show at all is no hole in it"


def test_what_lies_about_the_observed_part_is_nothing_against_it(picture):
    wide = np.full((300, 400), np.nan, np.float32)
    wide[20:80, 300:340] = picture
    assert check(wide).doubts == ()
    wide[250, 10] = 1.0
    assert check(wide).doubts == ("97% of what it shows was not observed",)
    framed = replace(SPEC, frame=Frame(up="ocean", pixel_m=49.0, height_px=60, width_px=40))
    assert check(wide, spec=framed).doubts == (), "what its frame shows is judged, not the scene"
    assert unlike_reason(picture[None], doubt=0.1, spec=framed) == ""
    holed = picture.copy()
    holed[2:-2, 2:-2] = np.nan
    assert unlike_reason(holed[None], doubt=0.1, spec=framed).endswith("84% of its frame was not observed")
    assert unlike_reason(picture[None, :14, :14], doubt=0.1, spec=framed).endswith(
        "it shows 8% of the ground that these do"
    )


def test_zeros_about_a_turned_scene_are_not_observed_however_dark_it_is():
    rng = np.random.default_rng(0)
    row, column = np.mgrid[-60:60, -60:60]
    image = rng.integers(1, 200, row.shape).astype(np.float32)
    turned = (np.abs(0.8 * row + 0.6 * column) < 45) & (np.abs(0.8 * column - 0.6 * row) < 40)
    assert suspected_nodata(np.where(turned, image, 0)) == 0.0
    coast = np.hypot(row + 40, column) + 12 * np.sin(np.arctan2(row, column) * 7) < 60
    assert suspected_nodata(np.where(coast, image, 0)) is None, "dark water has a coast"
    assert suspected_nodata(np.where(row > 0, image, 0)) is None, "half an image may be dark"
    for along in (50, 25):
        island = (row / 50) ** 2 + (column / along) ** 2 < 1
        assert suspected_nodata(np.where(island, image, 0)) is None, "an island in dark water is round"


@pytest.mark.parametrize("value", [1e30, 9.96921e36, -1e16])
def test_what_no_sensor_measures_is_not_observed(picture, value):
    holed = picture.copy()
    holed[10:20, 5:15] = value
    assert check(holed).values.nodata == (np.float32(value),)


def test_a_block_of_zeros_inside_a_dark_image_is_told(picture):
    dark = picture.copy()
    dark[10:20, 5:15] = 0
    dark[40:, ::3] = 1
    assert (
        "is one block of zeros and taken as measured; where that was not observed, say --nodata 0"
        in check(dark).notes[0]
    )
    assert not check(picture).notes
    assert not check(dark, values=PixelReading(trust_header=False)).notes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fill_value_found_in_single_precision_is_hidden_in_double_precision_too(tmp_path, picture, dtype):
    holed = picture.astype(dtype)
    holed[10:20, 5:15] = 1e30
    path = write(tmp_path / "a.tif", holed[None])
    with Imagery(path) as pixels:
        pixels.values = check(pixels.read_all()[0]).values
        hidden = np.isnan(pixels.read_all()[0])
    assert hidden.sum() == 100
    assert hidden[10:20, 5:15].all()
