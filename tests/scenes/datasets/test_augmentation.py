import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.augmentation import Augmentation, augment, draw_patch, transplant_ocean
from glaciertime.scenes.datasets.colours import turned_hue
from glaciertime.scenes.datasets.radiometry import add_speckle, gain_as_printed, shift_gain, speckle_as_printed
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.scenes.datasets.tones import blurred, class_tone, scan_line_gaps, scene_edge, veil
from glaciertime.scenes.datasets.warping import places, take


def warp(image, labels, *, size, **change):
    return take(image, labels, *places(size, **change))


def scene():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 40, 30)).astype(np.float32), (np.arange(40)[:, None] < 20).repeat(30, 1).astype(np.uint8)


def test_nothing_changes_where_nothing_may():
    image, labels = scene()
    patch, cut = warp(image, labels, size=(40, 30), centre=(19.5, 14.5))
    assert np.allclose(patch, image, atol=1e-6)
    assert (cut == labels).all()


def test_a_quarter_turn_is_the_quarter_turn_of_an_array():
    image, labels = scene()
    patch, cut = warp(image, labels, size=(30, 40), centre=(19.5, 14.5), rotation_deg=90)
    turned = [np.rot90(image, turns, axes=(1, 2)) for turns in (1, 3)]
    assert any(np.allclose(patch, one, atol=1e-4) for one in turned)
    assert any((cut == np.rot90(labels, turns)).all() for turns in (1, 3))


def test_labels_outside_the_image_are_ignored():
    image, labels = scene()
    _, cut = warp(image, labels, size=(40, 30), centre=(0, 14.5))
    assert (cut[:19] == IGNORE).all()
    assert (cut[20:] != IGNORE).all()


def test_doubling_the_scale_doubles_the_area_twice():
    image, labels = scene()
    labels[:] = 0
    labels[18:22, 13:17] = 1
    _, cut = warp(image, labels, size=(40, 30), centre=(19.5, 14.5), scale=2.0)
    assert (cut == 1).sum() == pytest.approx(64, abs=8)


def test_image_and_labels_move_together():
    labels = (np.arange(60)[:, None] < 30).repeat(50, 1).astype(np.uint8)
    image = np.where(labels == 1, 100.0, -100.0)[None].astype(np.float32)
    plan = Augmentation(
        size=(48, 40), noise=0, gaps=0, tone_step=0, illumination=0, brightness=0, contrast=0, blur_px=0
    )
    for seed in range(8):
        patch, cut = augment(image, labels, plan=plan, seed=seed)
        known = cut != IGNORE
        assert ((patch[0] > 0) == (cut == 1))[known].mean() > 0.97


def test_the_same_seed_gives_the_same_patch_and_another_another():
    image, labels = scene()
    plan = Augmentation(size=(32, 24))
    first, again, other = (augment(image, labels, plan=plan, seed=seed)[0] for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()


def test_not_observed_stays_not_observed():
    image, labels = scene()
    image[1] = np.nan
    patch, _ = augment(image, labels, plan=Augmentation(size=(32, 24)), seed=3)
    assert np.isnan(patch[1]).all()
    assert np.isfinite(patch[0]).all()


def test_stretching_makes_rows_taller_and_columns_narrower():
    image, labels = scene()
    labels[:] = 0
    labels[16:24, 11:19] = 1
    _, cut = warp(image, labels, size=(40, 30), centre=(19.5, 14.5), stretch=4.0)
    rows, columns = np.nonzero(cut == 1)
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (16, 4)


def test_bending_moves_rows_and_no_columns():
    columns = np.tile(np.arange(30, dtype=np.float32), (40, 1))[None]
    rows = np.tile(np.arange(40, dtype=np.float32)[:, None], (1, 30))[None]
    bent = {"size": (40, 30), "centre": (19.5, 14.5), "bend_px": 3.0, "seed": 5}
    labels = np.zeros((40, 30), np.uint8)
    assert np.allclose(warp(columns, labels, **bent)[0], columns, atol=1e-4)
    assert np.abs(warp(rows, labels, **bent)[0] - rows).max() > 1


def test_the_tone_of_one_class_leaves_the_others():
    image, labels = scene()
    changed = class_tone(image, labels, gain=2.0, offset=0.5, seed=3) != image
    upper, lower = changed[:, :18], changed[:, 22:]
    assert (upper.all() and not lower.any()) or (lower.all() and not upper.any())
    assert (class_tone(image, np.full_like(labels, IGNORE), gain=2.0, offset=0.5, seed=3) == image).all()


def test_a_veil_draws_towards_one_brightness():
    image, _ = scene()
    veiled = veil(image, opacity=0.9, brightness=1.0, seed=4)
    target = image.mean(axis=(1, 2), keepdims=True) + image.std(axis=(1, 2), keepdims=True)
    assert (np.abs(veiled - target) <= np.abs(image - target) + 1e-5).all()


def test_gaps_hold_the_value_they_are_given():
    gapped = scan_line_gaps(np.ones((1, 80, 80), np.float32), value=-7.0, seed=0)
    assert set(np.unique(gapped)) == {-7.0, 1.0}


def test_the_printed_formulas_are_the_physical_ones_under_each_others_names():
    ones = np.ones((256, 256))
    speckle, printed_gain = add_speckle(ones, looks=3, seed=0), gain_as_printed(ones, looks=3, seed=0)
    gain, printed_speckle = shift_gain(ones, sigma_db=2, seed=0), speckle_as_printed(ones, sigma_db=2, seed=0)
    assert speckle.std() == pytest.approx(1 / np.sqrt(3), rel=0.02)
    assert printed_gain.std() < 1e-6
    assert gain.std() < 1e-6
    assert printed_speckle.std() > 0.3
    assert speckle.mean() == pytest.approx(1.0, abs=0.01)
    assert printed_speckle.mean() == pytest.approx(np.exp((np.log(10) / 10 * 2) ** 2 / 2), rel=0.01)


def test_speckle_needs_looks():
    with pytest.raises(InputError, match="0 looks given"):
        add_speckle(np.ones(3), looks=0, seed=0)


def test_beyond_the_edge_of_a_scene_there_is_nothing_and_on_this_side_nothing_changes():
    image = np.random.default_rng(0).normal(size=(2, 60, 50)).astype(np.float32)
    for seed in range(12):
        cut = scene_edge(image, share=0.3, value=-99.0, seed=seed)
        blank = cut[0] == -99.0
        assert blank.mean() == pytest.approx(0.3, abs=0.02)
        assert (cut[:, ~blank] == image[:, ~blank]).all()
        corners = blank[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert 1 <= corners.sum() <= 2  # one piece, at the side of the image


def test_the_edge_of_a_scene_leaves_the_labels():
    image, labels = scene()
    plan, without = (Augmentation(size=(40, 30), gaps=0, scene_edge=share) for share in (1.0, 0.0))
    with_edge, cut = augment(image, labels, plan=plan, seed=3)
    whole, same = augment(image, labels, plan=without, seed=3)
    assert (cut == same).all()
    beyond = with_edge != whole
    assert 0 < beyond.mean() < 0.35
    assert (with_edge[beyond] == whole.min()).all()


STILL = dict(
    flip_columns=False, rotation_deg=0, scale=(1, 1), shift_px=(0, 0), elastic_px=0, brightness=0, contrast=0,
    gamma_log=0, illumination=0, noise=0, blur_px=0, tone_step=0, gaps=0,
)  # fmt: skip


def test_patches_come_from_anywhere_in_a_large_image():
    rows, columns = np.mgrid[:120, :150].astype(np.float32)
    plan = Augmentation(size=(32, 24), **STILL)
    seen = np.zeros((120, 150), bool)
    for seed in range(400):
        patch, labels = augment(np.stack([rows, columns]), np.zeros((120, 150), np.uint8), plan=plan, seed=seed)
        assert (labels == 0).all()
        seen[np.rint(patch[0]).astype(int), np.rint(patch[1]).astype(int)] = True
    # Centred patches would show 32 x 24 of it, 4 %.
    assert seen.mean() > 0.97


def test_a_patch_as_tall_as_the_image_stays_in_its_middle():
    image = np.arange(40, dtype=np.float32)[None, :, None].repeat(60, axis=2)
    patch, _ = augment(image, np.zeros((40, 60), np.uint8), plan=Augmentation(size=(40, 20), **STILL), seed=3)
    np.testing.assert_array_equal(patch[0, :, 0], np.arange(40))


def test_a_patch_knows_the_rows_it_shows():
    image = np.arange(128, dtype=np.float32)[None, :, None].repeat(64, axis=2)
    plan = Augmentation(size=None, **{**STILL, "scale": (2, 2)})
    patch = draw_patch(image, np.zeros((128, 64), np.uint8), plan=plan, seed=1)
    np.testing.assert_allclose(patch.rows, patch.image[0], atol=1e-4)
    assert (patch.rows[0, 0], patch.rows[-1, 0]) == pytest.approx((31.75, 95.25))


@pytest.mark.parametrize("change", [{"gaps": 1.0}, {"scene_edge": 1.0}, {"blur_px": 0.8}, {"rotation_deg": 25}, {}])
def test_what_was_not_observed_stays_so_and_does_not_spread(change):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, 64, 64)).astype(np.float32)
    image[1] = np.nan
    image[0, :, :20] = np.nan
    labels = np.zeros((64, 64), np.uint8)
    labels[:, :20] = 1
    for seed in range(8):
        patch, cut = augment(image, labels, plan=Augmentation(size=None, **{**STILL, **change}), seed=seed)
        assert np.isnan(patch[1]).all()
        inside = cut != IGNORE
        # The nearest pixel decides of both; on the line between two pixels they may differ.
        assert (np.isnan(patch[0]) == (cut == 1))[inside].mean() > (0.97 if "rotation_deg" in change else 0.9999)


def test_a_blur_next_to_nothing_keeps_the_level():
    image = np.full((1, 9, 9), 5.0, np.float32)
    image[0, :, 4:] = np.nan
    np.testing.assert_allclose(blurred(image, sigma_px=1.5)[0, :, :4], 5.0, rtol=1e-6)


def test_the_band_that_is_dropped_was_there_and_not_the_last():
    image = np.random.default_rng(0).normal(size=(3, 16, 16)).astype(np.float32)
    image[1] = np.nan
    plan, labels = Augmentation(size=None, **{**STILL, "missing": 1.0}), np.zeros((16, 16), np.uint8)
    left = [tuple(np.isfinite(augment(image, labels, plan=plan, seed=s)[0]).any(axis=(1, 2))) for s in range(30)]
    assert set(left) == {(True, False, False), (False, False, True)}
    image[2] = np.nan
    assert np.isfinite(augment(image, labels, plan=plan, seed=0)[0][0]).all()


@pytest.mark.parametrize("shape", [(60, 40), (80, 30), (100, 50)])
def test_an_ocean_of_another_size_is_fitted(shape):
    labels, other = np.zeros((80, 40), np.uint8), np.zeros(shape, np.uint8)
    labels[:40] = 1
    other[:30] = 1
    image, ocean = np.ones((1, 80, 40), np.float32), np.full((1, *shape), -1, np.float32)
    mixed, zones = transplant_ocean(image, labels, ocean, other, seed=1)
    assert mixed.shape == image.shape
    assert (mixed[0][zones == 1] < 0.5).all()


def test_the_ocean_of_a_fjord_fills_the_other_fjord_and_what_lies_beside_it_stays():
    labels, other = np.full((80, 60), IGNORE, np.uint8), np.full((80, 60), IGNORE, np.uint8)
    labels[:40, 10:50], labels[40:, 10:50] = 1, 0
    other[:30, 30:45], other[30:, 30:45] = 1, 0
    image, ocean = np.full((1, 80, 60), 5, np.float32), np.full((1, 80, 60), 9, np.float32)
    image[0, :, 10:50], ocean[0, :, 30:45] = 1, -1
    for seed in range(5):
        mixed, zones = transplant_ocean(image, labels, ocean, other, seed=seed)
        assert (mixed[0][zones == 1] < 0.5).all()
        assert (mixed[0][:, :10] == 5).all()
        assert (mixed[0][:, 50:] == 5).all()
        assert (zones[:, :10] == IGNORE).all()
        assert (zones[:, 10:50] != IGNORE).all()


def test_oceans_of_real_images_are_exchanged(shared_data):
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts

    data = LandsatFronts(shared_data / "landsat_fronts")
    samples = [data[index] for index in range(0, 120, 10)]
    changed = [
        not np.array_equal(transplant_ocean(one.image, one.labels, two.image, two.labels, seed=1)[0], one.image)
        for one, two in pairwise(samples)
    ]
    assert sum(changed) >= 6


def test_a_preset_changes_nothing_little_or_much():
    image = (np.mgrid[:40, :40].sum(axis=0) / 20 - 2).astype(np.float32)[None]
    labels = np.zeros((40, 40), np.uint8)
    changed = {}
    for name in ("none", "light", "strong"):
        plan = dataclasses.replace(Augmentation.preset(name), flip_columns=False)
        found = [augment(image, labels, plan=plan, seed=seed)[0] for seed in range(30)]
        changed[name] = float(np.mean([np.abs(each - image).mean() for each in found]))
    assert changed["none"] < 1e-6
    assert 0.05 < changed["light"] < 0.8 * changed["strong"]


def test_hue_turns_about_grey_and_keeps_brightness_and_distance():
    image = np.random.default_rng(1).normal(size=(3, 5, 6)).astype(np.float32)
    image[1, 0, 0] = np.nan
    turned = turned_hue(image, angle_deg=50)
    seen = np.isfinite(image).all(axis=0)
    np.testing.assert_allclose(turned.mean(axis=0)[seen], image.mean(axis=0)[seen], atol=1e-6)
    spread = np.linalg.norm(image - image.mean(axis=0), axis=0)
    np.testing.assert_allclose(np.linalg.norm(turned - turned.mean(axis=0), axis=0)[seen], spread[seen], atol=1e-5)
    np.testing.assert_array_equal(turned[:, 0, 0], image[:, 0, 0])
    # The angle between the colours, seen along the greys.
    one, two = (each - each.mean(axis=0) for each in (image, turned))
    cosine = (one * two).sum(axis=0) / (np.linalg.norm(one, axis=0) * np.linalg.norm(two, axis=0))
    np.testing.assert_allclose(cosine[seen], np.cos(np.deg2rad(50)), atol=1e-5)
    np.testing.assert_allclose(turned_hue(turned, angle_deg=-50)[:, seen], image[:, seen], atol=1e-5)


def test_perspective_keeps_lines_straight_and_magnifies_one_side():
    rows, columns = places((21, 31), centre=(10, 15), tilt=(0.0, 0.3))
    for line in (0, 7, 20):
        # Three points of one row of the patch lie on one line of the image.
        along = np.stack([rows[line], columns[line], np.ones(31)], axis=1)
        assert abs(np.linalg.det(along[[0, 14, 30]])) < 1e-4
    steps = np.diff(columns[10])
    assert steps[0] > 1.5 * steps[-1]
    assert (rows[10, 15], columns[10, 15]) == (10, 15)


def test_changes_of_colour_need_colours():
    with pytest.raises(InputError, match="hue_deg 20 needs three bands"):
        Augmentation(hue_deg=20).check_bands(4)
    with pytest.raises(InputError, match=r"colour 0\.2 needs two bands"):
        Augmentation(colour=0.2).check_bands(1)
    image = np.random.default_rng(1).normal(size=(3, 9, 9)).astype(np.float32)
    still = dataclasses.replace(Augmentation.preset("none"), hue_deg=60.0, colour=0.5)
    found = augment(image, np.zeros((9, 9), np.uint8), plan=still, seed=0)[0]
    assert not np.allclose(found, image, atol=1e-2)
    np.testing.assert_allclose(found.mean(axis=0), image.mean(axis=0), atol=1e-5)
