"""Numbers of Sentinel-2 with the 1000 of baseline 04.00, or without it, are told from what a user says of them."""

import numpy as np
import pytest

from glaciertime.cli.reflectance import reading_of_sensor
from glaciertime.errors import InputError
from glaciertime.scenes.pixel_values import PixelReading
from glaciertime.scenes.sensors import sensor_named


@pytest.fixture
def numbers():
    """Green and SWIR of snow and dark rock, as they were before 2022; 0 beyond the swath."""
    rng = np.random.default_rng(0)
    stored = np.stack([rng.uniform(300, 9000, (50, 50)), rng.uniform(150, 900, (50, 50))]).astype(np.float32)
    stored[:, :5] = 0
    return stored


def read(stored, name):
    return reading_of_sensor(sensor_named(name), stored, name="a.tif", values=PixelReading())


def test_the_offset_is_used_where_it_is_in_the_numbers(numbers):
    shifted = np.where(numbers == 0, 0, numbers + 1000)
    assert read(shifted, "sentinel-2").offset == -0.1
    assert read(numbers, "sentinel-2-before-2022").offset == 0.0


def test_the_wrong_profile_is_refused_either_way(numbers):
    with pytest.raises(InputError, match="is not in them; say --sensor sentinel-2-before-2022"):
        read(numbers, "sentinel-2")
    with pytest.raises(InputError, match="seems to be in them; say --sensor sentinel-2, or --scale"):
        read(np.where(numbers == 0, 0, numbers + 1000), "sentinel-2-before-2022")
