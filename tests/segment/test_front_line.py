import itertools

import numpy as np
import pytest
from scipy.stats import norm

from glaciertime.errors import InputError
from glaciertime.segment.predict.front_line import front_deviation_px, front_pixels, front_spread_px, zones_from_ocean


def exhaustive(ocean, smoothness, clip):
    probability = np.clip(ocean, 1e-6, 1 - 1e-6)
    logit = np.clip(np.log(probability / (1 - probability)), -clip, clip)
    height, width = ocean.shape

    def cost(rows):
        steps = sum(abs(a - b) for a, b in itertools.pairwise(rows))
        return sum(-logit[: r + 1, c].sum() for c, r in enumerate(rows)) + smoothness * steps

    return min(itertools.product(range(height - 1), repeat=width), key=cost), cost


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("smoothness", [0.0, 0.7, 3.0])
def test_the_line_is_the_best_of_all_lines(seed, smoothness):
    ocean = np.random.default_rng(seed).uniform(0.02, 0.98, size=(6, 5))
    best, cost = exhaustive(ocean, smoothness, 4.0)
    zones = zones_from_ocean(ocean, smoothness=smoothness, clip_logit=4.0)
    found = (zones == 254).sum(axis=0) - 1
    assert cost(tuple(found)) == pytest.approx(cost(best))


def test_there_is_always_a_front():
    for fill in (0.0, 0.5, 1.0, np.nan):
        zones = zones_from_ocean(np.full((12, 9), fill))
        assert front_pixels(zones).any(axis=0).all()
        assert (zones[0] == 254).all()
        assert (zones[-1] == 127).all()


def test_mirroring_the_image_mirrors_the_zones():
    ocean = np.random.default_rng(0).uniform(size=(30, 20))
    assert (zones_from_ocean(ocean[:, ::-1]) == zones_from_ocean(ocean)[:, ::-1]).all()


def test_an_island_does_not_become_a_front():
    ocean = np.zeros((40, 30))
    ocean[:20] = 0.99
    ocean[30:33, 10:14] = 0.99
    zones = zones_from_ocean(ocean)
    assert (zones[:20] == 254).all()
    assert (zones[20:] == 127).all()


def test_a_front_that_lies_n_rows_off_deviates_by_n():
    for shift in (0, 1, 5):
        traced, front = np.zeros((30, 20), bool), np.zeros((30, 20), bool)
        traced[10, 4:16], front[10 + shift] = True, True
        assert front_deviation_px(front, traced) == pytest.approx(shift)


def test_the_deviation_looks_at_the_columns_of_the_trace_alone():
    traced, front = np.zeros((30, 20), bool), np.zeros((30, 20), bool)
    traced[10, 4:16] = front[10, 4:16] = True
    front[25, :4] = front[25, 16:] = True
    assert front_deviation_px(front, traced) == 0
    front[:, 4:16] = False
    assert np.isnan(front_deviation_px(front, traced))


def test_a_trace_of_another_size_is_refused():
    with pytest.raises(InputError, match="equal sizes"):
        front_deviation_px(np.ones((3, 3), bool), np.ones((4, 3), bool))
    with pytest.raises(InputError, match="at least two rows"):
        zones_from_ocean(np.ones((1, 3)))


@pytest.mark.parametrize("sigma_px", [3.0, 10.0])
def test_the_spread_is_the_standard_deviation_of_a_blurred_front(sigma_px):
    rows = np.arange(100)[:, None] + 0.5
    ocean = norm.sf((rows - 50 - np.arange(40) % 7) / sigma_px)
    assert front_spread_px(ocean) == pytest.approx(sigma_px, abs=0.5)


def test_sides_where_nothing_is_to_be_seen_do_not_widen_the_spread():
    ocean = np.full((60, 40), 0.5)
    ocean[:, 10:30] = (np.arange(60) < 30)[:, None]
    assert front_spread_px(ocean) == 0
    ocean[:, :32] = 0.5
    assert front_spread_px(ocean) == 30


def test_columns_that_were_not_observed_make_no_front_certain():
    ocean = np.tile(np.linspace(0.99, 0.01, 40)[:, None], (1, 100)).astype(np.float32)
    whole = front_spread_px(ocean)
    ocean[:, :26] = np.nan
    assert front_spread_px(ocean) == whole > 10
    ocean[:] = np.nan
    assert np.isnan(front_spread_px(ocean))


def test_rows_that_were_not_observed_may_hide_the_front():
    ocean = np.where(np.arange(40)[:, None] < 20, 0.99, 0.01).repeat(8, axis=1)
    ocean[10:30] = np.nan
    assert front_spread_px(ocean) == 10.0
    sharp = np.where(np.arange(40)[:, None] < 20, 0.99, 0.01).repeat(8, axis=1)
    sharp[30:] = np.nan
    assert front_spread_px(sharp) == 0.0
