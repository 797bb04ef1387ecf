"""A front beside those of other dates: the same ground, whatever its light, and the place where fronts can be."""

import math

import numpy as np
import pytest

from glaciertime.segment.predict.neighbours import Beside, fixed_detail, outside_px, share_recognised

ROWS = np.full(60, 50.0)


def ground(seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(40, 200, (100, 60))


def moving(fixed, seed):
    """Return an image of the ground whose middle moves, as ice and floes do."""
    image = fixed.copy()
    image[:, 15:45] = np.random.default_rng(seed).uniform(40, 200, (100, 30))
    return image


@pytest.fixture(scope="module")
def others():
    fixed = ground()
    return fixed, np.mean([fixed_detail(moving(fixed, seed)) for seed in range(1, 9)], axis=0)


def test_ground_is_recognised_in_another_light_and_not_under_a_cloud_or_elsewhere(others):
    fixed, mean = others
    another = moving(fixed, 100)
    seen = share_recognised(fixed_detail(another * 3e-4 + 0.02), mean, ROWS)
    assert seen > 0.9
    clouded = another.copy()
    clouded[25:75] = 210 + np.random.default_rng(5).normal(0, 1, (50, 60))
    assert share_recognised(fixed_detail(clouded), mean, ROWS) < 0.3
    assert share_recognised(fixed_detail(moving(ground(7), 100)), mean, ROWS) < 0.3
    assert share_recognised(fixed_detail(np.roll(another, 6, axis=0)), mean, ROWS) < 0.3


def test_what_was_not_observed_and_what_is_flat_has_no_detail(others):
    fixed, mean = others
    holed = fixed.copy()
    holed[:, :30] = np.nan
    detail = fixed_detail(holed)
    assert np.isfinite(detail).all()
    assert (detail[:, :30] == 0).all()
    assert share_recognised(detail, mean, ROWS) > 0.3
    for nothing in (np.full((100, 60), np.nan), np.full((100, 60), 7.0)):
        assert (fixed_detail(nothing) == 0).all()
        assert share_recognised(fixed_detail(nothing), mean, ROWS) == 0.0


def test_a_front_is_outside_where_none_of_the_others_lies():
    several = [np.full(60, row) for row in (40.0, 55.0)]
    assert outside_px(ROWS, several) == 0.0
    assert outside_px(ROWS + 9, several) == 4.0
    assert outside_px(ROWS - 12, several) == 2.0


@pytest.mark.parametrize(
    "worse",
    [{"odds": math.log(0.11)}, {"odds": math.nan}, {"recognised": 0.59}, {"outside_px": 2.1}, {"others": 3}],
)
def test_a_front_is_confirmed_where_everything_speaks_for_it(worse):
    right = {"odds": math.log(0.09), "recognised": 0.6, "outside_px": 2.0, "others": 4}
    assert Beside(**right).is_confirmed
    assert not Beside(**{**right, **worse}).is_confirmed
