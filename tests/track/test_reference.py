"""Fronts by the CaFFe reference, and fronts below the size of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, OCEAN, ROCK
from glaciertime.track.scene.probability import front_of_probabilities
from glaciertime.track.scene.reference import reference_front_pixels

from .test_rasters import EIGHT, reference_cleaning


def plain_reference(zones, resolution, box):
    """The reference's steps in their own words."""
    clean = reference_cleaning(zones)
    cross = ndimage.generate_binary_structure(2, 1)
    front = (clean == OCEAN) & ndimage.binary_dilation(clean == GLACIER, structure=cross)
    labels, count = ndimage.label(front, structure=EIGHT)
    for k in range(1, count + 1):
        if (labels == k).sum() <= 750 / resolution:
            front[labels == k] = False
    out = np.zeros_like(front)
    x_min, y_min, x_max, y_max = box
    out[y_min : y_max + 1, x_min : x_max + 1] = front[y_min : y_max + 1, x_min : x_max + 1]
    return out


@pytest.mark.parametrize("seed", range(8))
def test_front_pixels_are_those_of_the_reference(seed):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(120, 140)), 4) + np.linspace(0.12, -0.12, 140)
    zones = np.where(field > 0, GLACIER, OCEAN).astype(np.uint8)
    zones[:15] = ROCK
    box = (10, 5, 130, 110)
    expected = plain_reference(zones, 40, box)
    np.testing.assert_array_equal(reference_front_pixels(zones, resolution_m=40, box=box), expected)
    assert expected.any()


def test_the_limit_counts_pixels_before_the_box_cuts():
    zones = np.full((10, 80), OCEAN, dtype=np.uint8)
    zones[:5] = GLACIER
    assert reference_front_pixels(zones, resolution_m=20, box=(0, 0, 9, 9)).sum() == 10
    assert reference_front_pixels(zones[:, :37], resolution_m=20).sum() == 0
    with pytest.raises(InputError, match="resolution_m is 0"):
        reference_front_pixels(zones, resolution_m=0)


def test_subpixel_front_of_a_slanted_edge_beats_pixels():
    rows, columns = np.mgrid[:60, :80] + 0.5
    true = 40 + 0.23 * (rows - 30)
    ocean = 1 / (1 + np.exp(-(columns - true) / 0.8))
    front = front_of_probabilities(np.stack([1 - ocean, ocean]), classes=(GLACIER, OCEAN))
    (line,) = front.lines
    error = line[:, 0] - (40 + 0.23 * (line[:, 1] - 30))
    assert np.abs(error).max() < 0.02
    # A logistic curve of scale 0.8 px has a standard deviation of 0.8 pi / sqrt(3).
    vertical = line[:, 1] % 1 == 0.5
    np.testing.assert_allclose(front.sigma_px[0][vertical], 0.8 * np.pi / np.sqrt(3), rtol=0.05)


def test_probabilities_need_ocean_and_glacier():
    with pytest.raises(InputError, match=r"glacier \(127\) and ocean \(254\) must be among them"):
        front_of_probabilities(np.zeros((2, 4, 4)), classes=(0, 64))
    with pytest.raises(InputError, match=r"\(4, height, width\) expected"):
        front_of_probabilities(np.zeros((2, 4, 4)))
