"""Large rasters: the result does not know how the raster was cut."""

import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.predict.blending import PatchGrid
from glaciertime.segment.predict.prediction import predict_image, predict_strips, zones_from_probability


class Array:
    """A raster in memory."""

    def __init__(self, pixels):
        self.pixels = pixels
        self.height, self.width = pixels.shape[1:]
        self.largest = self.pixels_read = 0

    def read(self, row, column, height, width):
        assert row >= 0
        assert column >= 0
        assert row + height <= self.height
        assert column + width <= self.width
        self.largest = max(self.largest, height * width)
        self.pixels_read += height * width
        return self.pixels[:, row : row + height, column : column + width].copy()

    def statistics(self, rule):
        return rule.statistics(self.pixels)


def spec(patch=64, **changes):
    values = {"name": "t", "model": "unet", "bands": ("b",), "classes": ("g", "o"), "codes": (127, 254)}
    return ModelSpec(**{**values, "patch_px": patch, **changes})


def smooth(batch):
    """A model with context: the mean over the whole patch moves every pixel."""
    value = 1 / (1 + np.exp(-(batch[:, :1] + batch.mean(axis=(1, 2, 3), keepdims=True))))
    return np.concatenate([1 - value, value], axis=1).astype(np.float32)


def scene(height=150, width=213):
    rng = np.random.default_rng(0)
    return rng.normal(size=(1, height, width)).astype(np.float32).cumsum(axis=1).cumsum(axis=2) / 20


def assemble(source, **given):
    out = np.full((2, source.height, source.width), -1.0, np.float32)
    seen = np.zeros((source.height, source.width), int)
    for strip in predict_strips(source, **given):
        height, width = strip.observed.shape
        place = np.s_[strip.row : strip.row + height, strip.column : strip.column + width]
        out[:, place[0], place[1]] = strip.probability
        seen[place] += 1
    assert (seen == 1).all()
    return out


@pytest.mark.parametrize("window", [37, 64, 100, 5000])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_cut_changes_nothing(window, batch):
    source = Array(scene())
    expected = assemble(source, run=smooth, spec=spec(), window_px=4096)
    found = assemble(source, run=smooth, spec=spec(), window_px=window, batch=batch)
    assert np.array_equal(found, expected)


def test_probabilities_add_to_one_up_to_the_corners():
    out = assemble(Array(scene()), run=smooth, spec=spec(), window_px=90)
    assert np.allclose(out.sum(axis=0), 1, atol=1e-5)
    assert out.min() >= 0


def test_no_pixel_is_read_twice():
    source = Array(scene(300, 200))
    assemble(source, run=smooth, spec=spec(), window_px=4096)
    assert source.pixels_read == 300 * 200


# From one line of patches to a raster that ends just before, at and behind the middle of one.
@pytest.mark.parametrize("height", [5, 15, 16, 17, 47, 48, 49, 80, 81])
def test_a_model_without_context_gives_itself_at_every_pixel(height):
    def pointwise(batch):
        value = (batch[:, :1] > 0).astype(np.float32)
        return np.concatenate([1 - value, value], axis=1)

    source = Array(scene(height))
    rule = spec(normalisation=Normalisation(kind="fixed", mean=(1.0,), std=(2.0,)))
    out = assemble(source, run=pointwise, spec=rule, window_px=70)
    assert (out[1] > 0.5).astype(int).tolist() == (source.pixels[0] > 1).astype(int).tolist()


def test_the_memory_is_bounded_by_the_window():
    source = Array(scene(300, 700))
    assemble(source, run=smooth, spec=spec(), window_px=128)
    assert source.largest <= 64 * (128 + 2 * 64)


def test_nodata_stays_nodata_and_empty_patches_are_not_run():
    pixels = scene()
    pixels[:, :, 100:] = np.nan
    calls = []

    def counted(batch):
        assert np.isfinite(batch).all()
        calls.append(len(batch))
        return smooth(batch)

    out = assemble(Array(pixels), run=counted, spec=spec(), window_px=4096, batch=2)
    assert np.isnan(out[:, :, 100:]).all()
    assert np.isfinite(out[:, :, :100]).all()
    total = len(PatchGrid(150, 213, 64).rows()) * len(PatchGrid(150, 213, 64).columns(0, 213))
    assert sum(calls) < total
    zones = zones_from_probability(out, spec=spec())
    assert (zones[:, 100:] == 0).all()
    assert set(np.unique(zones[:, :100])) <= {127, 254}


def test_unobserved_is_never_the_value_of_a_class():
    seen = np.array([[[0.9, 0.2, np.nan]], [[0.1, 0.8, np.nan]]], np.float32)
    background = ModelSpec(name="a", model="unet", bands=("b",), classes=("no glacier", "glacier"), codes=(0, 127))
    assert zones_from_probability(seen, spec=background).tolist() == [[0, 127, 255]]
    four = ModelSpec(name="a", model="unet", bands=("b",), classes=("a", "b"), codes=(0, 255))
    assert zones_from_probability(seen, spec=four).tolist() == [[0, 255, 254]]


def test_a_raster_of_nodata_is_one_sentence():
    with pytest.raises(InputError, match="nothing to segment"):
        assemble(Array(np.full((1, 80, 80), np.nan, np.float32)), run=smooth, spec=spec())
    with pytest.raises(InputError, match="nothing to segment"):
        predict_image(np.full((1, 8, 8), np.nan), run=smooth, spec=spec())


def test_a_wrong_number_of_bands_is_one_sentence():
    with pytest.raises(InputError, match=r"expects 1 bands \(b\)"):
        predict_image(np.zeros((3, 8, 8)), run=smooth, spec=spec())


def test_the_patches_cover_the_raster_and_lie_inside_it():
    for height, width in ((1, 1), (64, 64), (65, 200), (150, 31), (97, 128)):
        grid = PatchGrid(height, width, 64)
        rows, columns = grid.shape
        count = np.zeros((height, width), int)
        for top in grid.rows():
            assert 0 <= top <= height - rows
            for left in grid.columns(0, width):
                assert 0 <= left <= width - columns
                count[top : top + rows, left : left + columns] += 1
        assert count.min() >= 1
        assert grid.columns(width - 1, width)[-1] == width - columns


def test_no_weight_is_zero_and_the_profile_is_gaussian():
    weights = PatchGrid(600, 600, 256).weights()
    assert weights.min() > 0
    ratio = weights[128, 128 + 32] / weights[128, 128]
    assert ratio == pytest.approx(np.exp(-0.5 * (32.5**2 - 0.5**2) / 32**2), rel=1e-4)
    assert (PatchGrid(100, 200, 256).weights() == 1).all(), "a patch alone is not blended"


def test_a_raster_of_one_patch_is_what_the_model_says_of_it():
    pixels = scene(64, 50)
    np.testing.assert_array_equal(
        assemble(Array(pixels), run=smooth, spec=spec()), predict_image(pixels, run=smooth, spec=spec())
    )


def test_a_raster_that_outgrows_a_patch_by_a_pixel_is_seen_nearly_the_same():
    pixels = scene(65, 64)
    exact = predict_image(pixels[:, :64], run=smooth, spec=spec())
    found = assemble(Array(pixels), run=smooth, spec=spec())[:, :64]
    assert np.abs(found - exact).max() < 0.01
    assert len(PatchGrid(65, 64, 64).rows()) == 2


def test_a_line_that_must_be_drawn_needs_no_certain_pixel():
    rule = spec(zones="line")
    zones = zones_from_probability(np.full((2, 20, 10), 0.5, np.float32), spec=rule)
    assert (zones[0] == 254).all()
    assert (zones[-1] == 127).all()


def test_the_row_band_counts_from_the_top_of_the_raster_whatever_the_patch():
    rule = Normalisation(row_band=True)
    source = Array(scene())

    def row_as_probability(batch):
        return np.concatenate([batch[:, 1:], 1 - batch[:, 1:]], axis=1)

    assert rule.channels(1) == 2
    found = assemble(source, run=row_as_probability, spec=spec(normalisation=rule))
    expected = np.arange(source.height) / 128 - 1
    assert np.allclose(found[0], expected[:, None], atol=1e-5)
