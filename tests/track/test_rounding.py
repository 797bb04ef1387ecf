"""What pixels leave of a front: much where it runs along them, little where it runs askew."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from affine import Affine

from glaciertime.scenes.acquisition import GLACIER, OCEAN
from glaciertime.track.scene.masks import to_map
from glaciertime.track.scene.rounding import rounding_of
from glaciertime.track.scene.tracing import front_lines

PIXEL = 30.0


def drawn(columns: np.ndarray) -> tuple[shapely.LineString, Affine]:
    """Return the front of a mask whose ice reaches to a column in each row."""
    transform = Affine(PIXEL, 0, 1_000, 0, -PIXEL, 9_000)
    zones = np.where(np.arange(200)[None, :] + 0.5 < columns[:, None], GLACIER, OCEAN).astype(np.uint8)
    return shapely.LineString(to_map(front_lines(zones)[0], transform)), transform


def area_sigma_m2(columns: np.ndarray) -> float:
    front, transform = drawn(columns)
    rounding = rounding_of(front, transform=transform, pixel_m=PIXEL)
    return rounding.sigma_m * math.sqrt(front.length * rounding.length_m)


def test_a_front_along_the_pixels_is_rounded_everywhere_alike():
    # 100 rows, each off by the same uniform error of a pixel.
    assert area_sigma_m2(np.full(100, 60.3)) == pytest.approx(100 * PIXEL**2 / math.sqrt(12), rel=0.02)


def test_a_front_askew_is_rounded_anew_in_every_row():
    rng = np.random.default_rng(3)
    rows = np.arange(120)
    errors, stated = [], []
    for _ in range(150):
        columns = (
            60 + rng.uniform() + rng.uniform(0.2, 0.8) * (rows - 60) * 0.4 + 8 * np.sin(rows / 25 + rng.uniform(0, 6))
        )
        errors.append(float(np.sum(np.ceil(columns - 0.5) - columns)) * PIXEL**2)
        stated.append(area_sigma_m2(columns))
    ratio = float(np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(stated))))
    assert 0.8 < ratio < 1.25


def test_the_error_at_a_point_is_uniform_along_the_pixels_and_less_across_their_corners():
    straight, transform = drawn(np.full(100, 60.3))
    diagonal, _ = drawn(np.arange(100) + 40.3)
    at = [rounding_of(front, transform=transform, pixel_m=PIXEL).sigma_m for front in (straight, diagonal)]
    assert at[0] == pytest.approx(PIXEL / math.sqrt(12), rel=0.01)
    # Half a diagonal's distance between two lines of pixels: 1 / sqrt(24).
    assert at[1] == pytest.approx(PIXEL / math.sqrt(24), rel=0.1)


def test_a_turned_grid_changes_nothing():
    front, transform = drawn(60 + 8 * np.sin(np.arange(120) / 25))
    turned = Affine.rotation(35) @ transform
    moved = shapely.transform(front, lambda xy: to_map(to_map(xy, ~transform), turned))
    one, other = (
        rounding_of(front, transform=transform, pixel_m=PIXEL),
        rounding_of(moved, transform=turned, pixel_m=PIXEL),
    )
    assert (one.sigma_m, one.length_m) == pytest.approx((other.sigma_m, other.length_m))


def test_pixels_in_degrees_are_as_large_as_they_are_on_the_ground():
    front, transform = drawn(60 + 8 * np.sin(np.arange(120) / 25))
    degrees = Affine(1e-3, 0, -50, 0, -3e-4, 69)
    moved = shapely.transform(front, lambda xy: to_map(to_map(xy, ~transform), degrees))
    one, other = (
        rounding_of(line, transform=grid, pixel_m=PIXEL) for line, grid in ((front, transform), (moved, degrees))
    )
    assert (one.sigma_m, one.length_m) == pytest.approx((other.sigma_m, other.length_m))
