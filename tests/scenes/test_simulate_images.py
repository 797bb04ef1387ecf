import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.scenes.simulate_ground import fractal_field, simulate_ground
from glaciertime.scenes.simulate_images import SENSORS, SimulatedFronts, simulate_optical, simulate_sar


def test_ocean_lies_above_the_front_and_glacier_below():
    for seed in range(6):
        ground = simulate_ground((120, 90), seed=seed)
        rows = np.arange(120)[:, None]
        assert set(np.unique(ground.zones)) <= {64, 127, 254}
        assert not (ground.zones[rows.repeat(90, 1) > ground.front_row[None]] == 254).any()
        assert ground.front.any()


def test_the_same_fjord_with_a_front_that_advances():
    still, moved = (simulate_ground((160, 90), seed=3, advance_px=advance) for advance in (0, 11))
    assert np.allclose(still.front_row - moved.front_row, 11)
    top_still, top_moved = (np.argwhere(ground.front)[:, 0].mean() for ground in (still, moved))
    assert top_still - top_moved == pytest.approx(11, abs=4)


def test_speckle_has_the_looks_it_was_asked_for():
    ground = simulate_ground((200, 150), seed=1)
    spread = []
    for looks in (1.0, 16.0):
        image, zones = simulate_sar(ground, seed=5, looks=looks)
        inside = image[(zones == 127)].astype(float)
        spread.append(inside.std() / inside.mean())
    assert spread[0] > 1.5 * spread[1]


def test_outside_the_swath_image_and_zones_say_so_together():
    ground = simulate_ground((100, 80), seed=2)
    outside = 0
    for seed in range(12):
        image, zones = simulate_sar(ground, seed=seed)
        assert ((image == 0) == (zones == 0)).all()
        outside += bool((zones == 0).any())
    assert 0 < outside < 12


def test_terrain_moves_towards_the_sensor_in_radar_only():
    ground = simulate_ground((160, 120), seed=4)
    _, zones = simulate_sar(ground, seed=1, resolution_m=7.0)
    moved = (zones != ground.zones) & (zones != 0)
    flat = (ground.dem_m < 1) & (ground.zones == 254)
    assert moved.sum() > 0
    assert moved[ground.zones == 64].mean() > moved[flat].mean()


def test_scenes_do_not_depend_on_the_order_they_are_asked_for():
    data = SimulatedFronts(count=6, kind="optical", size=(64, 48), seed=1)
    last = data[5].image
    assert (SimulatedFronts(count=6, kind="optical", size=(64, 48), seed=1)[5].image == last).all()
    assert not (data[4].image == last).all()


def test_a_simulated_glacier_says_that_it_is_simulated():
    data = SimulatedFronts(count=8, kind="sar", size=(64, 48))
    assert all(info.glacier.startswith("simulated-") for info in data.infos)
    assert {info.sensor for info in data.infos} <= set(SENSORS)
    assert len({info.resolution_m for info in data.infos}) > 2


def test_rock_has_no_label_in_optical_scenes():
    sample = SimulatedFronts(count=1, kind="optical", size=(80, 64), seed=3)[0]
    assert set(np.unique(sample.labels)) <= {0, 1, IGNORE}


def test_clouds_brighten():
    ground = simulate_ground((80, 64), seed=1)
    veiled = [simulate_optical(ground, seed=seed, cloud=1.0).astype(float) for seed in range(6)]
    clear = [simulate_optical(ground, seed=seed, cloud=0.0).astype(float) for seed in range(6)]
    assert any(not np.array_equal(one, other) for one, other in zip(veiled, clear, strict=True))


def test_a_fractal_field_is_rougher_with_a_smaller_slope():
    step = [
        np.abs(np.diff(fractal_field((128, 128), slope=slope, rng=np.random.default_rng(0)), axis=1)).mean()
        for slope in (0.5, 1.5)
    ]
    assert step[0] > 2 * step[1]


def test_a_scene_of_another_kind_or_too_small_is_refused():
    with pytest.raises(InputError, match="'optical' or 'sar' expected"):
        SimulatedFronts(count=1, kind="thermal")
    with pytest.raises(InputError, match="at least 32 x 32"):
        simulate_ground((16, 16), seed=0)
