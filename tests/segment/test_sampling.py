"""Which patch comes next, and what it holds: balance of the classes, several devices, speckle, rows."""

import numpy as np
import pytest

pytest.importorskip("torch")

from glaciertime.scenes.datasets.augmentation import Augmentation
from glaciertime.scenes.datasets.mixture import InMemory
from glaciertime.scenes.datasets.sample import SampleInfo, TrainingSample
from glaciertime.segment.normalisation import Normalisation, band_statistics
from glaciertime.segment.teach import loading
from glaciertime.segment.teach.patches import PatchDataset, ValidationDataset
from glaciertime.segment.teach.sampling import EpochSampler, class_centre, inverse_frequency


@pytest.mark.parametrize(("power", "share"), [(0.0, 0.1), (0.5, 0.25), (1.0, 0.5)])
def test_a_class_that_fills_a_tenth_gets_its_share_of_the_patches(power, share):
    labels = np.zeros((100, 100), np.uint8)
    labels[:, :10] = 1
    weights = inverse_frequency(np.bincount(labels.ravel()), power=power)
    rng = np.random.default_rng(0)
    centres = [class_centre(labels, weights=weights, rng=rng) for _ in range(2000)]
    assert np.mean([labels[int(row), int(column)] for row, column in centres]) == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize("draws", [12, 13])
def test_devices_share_the_draws_of_an_epoch_out(monkeypatch, draws):
    sampler = EpochSampler(range(draws), seed=0)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(loading, "_devices", lambda rank=rank: (rank, 2))
        part = loading._Epochs(sampler)
        parts.append([index for _, _, index in part])
        assert len(parts[-1]) == len(part) == (draws + 1) // 2
    assert set(parts[0]) | set(parts[1]) == set(range(draws))
    assert len(set(parts[0]) & set(parts[1])) == draws % 2


STILL = dict(
    flip_columns=False, rotation_deg=0, scale=(1, 1), shift_px=(0, 0), elastic_px=0, brightness=0, contrast=0,
    gamma_log=0, illumination=0, noise=0, blur_px=0, tone_step=0, gaps=0,
)  # fmt: skip


def one_image(image, labels):
    sample = TrainingSample(image, labels, np.ones(len(image), bool), SampleInfo("x", "g"))
    return InMemory((sample,), ("intensity",), ("a", "b"), (0, 127))


@pytest.mark.parametrize("log", [False, True])
def test_speckle_is_as_strong_on_dark_as_on_bright_ground(log):
    image = np.repeat(np.float32([0.01, 0.05, 0.2]), 100)[None, None].repeat(100, axis=1)
    data = one_image(image, np.zeros(image.shape[1:], np.uint8))
    rule = Normalisation(log=log)
    plan = Augmentation(speckle_looks=(4, 4), **STILL)
    patch, _ = PatchDataset(data, normalisation=rule, plan=plan, class_weights=None, seed=0)[(0, 0, 0)]
    mean, std = band_statistics(rule.prepare(image))
    intensity = patch.numpy()[0] * std + mean
    intensity = 10**intensity if log else intensity
    for level in range(3):
        part = intensity[:, 100 * level : 100 * level + 100]
        assert part.std() / part.mean() == pytest.approx(0.5, rel=0.05)
        assert part.min() > -1e-5


def test_a_patch_has_the_row_band_of_its_place_in_the_image():
    image = np.random.default_rng(0).normal(size=(1, 128, 64)).astype(np.float32)
    labels = np.zeros((128, 64), np.uint8)
    data, rule = one_image(image, labels), Normalisation(row_band=True)
    plan = Augmentation(size=(64, 64), **STILL)
    patch, _ = PatchDataset(data, normalisation=rule, plan=plan, class_weights=None, seed=0)[(0, 0, 0)]
    whole, _ = ValidationDataset(data, [0], normalisation=rule)[0]
    row = int(np.flatnonzero((whole[0, :, 0] - patch[0, 0, 0]).abs() < 1e-6)[0])
    assert patch[1, 0, 0] == whole[1, row, 0]
    assert patch[1, 63, 5] == whole[1, row + 63, 5]


def test_what_is_put_in_the_place_of_the_ocean_has_as_many_looks():
    image = np.full((1, 80, 200), 0.1, np.float32)
    image[:, :40] = 0.2
    labels = np.repeat(np.uint8([[1], [0]]), 40, axis=0).repeat(200, axis=1)
    plan = Augmentation(speckle_looks=(4, 4), transplant=1.0, **STILL)
    data, rule = one_image(image, labels), Normalisation()
    patches = PatchDataset(data, normalisation=rule, plan=plan, class_weights=None, seed=0, partners=(0,))
    patch, zones = patches[(0, 0, 0)]
    mean, std = band_statistics(image)
    intensity = patch.numpy()[0] * std + mean
    # Away from the front, whose pixels are a mean of both sides, and from the columns that were stretched.
    ocean = intensity[:20][zones.numpy()[:20] == 1]
    assert ocean.std() / ocean.mean() == pytest.approx(0.5, rel=0.06)


def patch_loader(**options):
    image = np.random.default_rng(0).normal(size=(1, 16, 16)).astype(np.float32)
    data = one_image(image, np.zeros((16, 16), np.uint8))
    plan = Augmentation(size=(8, 8))
    patches = PatchDataset(data, normalisation=Normalisation(), plan=plan, class_weights=None, seed=0)
    sampler = EpochSampler([0], draws=7, weights=[1.0], seed=0)
    return loading.PatchLoader(patches, sampler, **{"batch": 2, "workers": 0, "epochs": 3, "drop_last": True} | options)


def epoch_of(loader, epoch):
    loader.sampler.set_epoch(epoch)
    return [image for image, _ in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_is_the_same_after_the_one_before_and_by_itself(workers):
    going_on = patch_loader(workers=workers)
    for epoch in range(3):
        expected = epoch_of(patch_loader(), epoch)
        found = epoch_of(going_on, epoch)
        assert len(found) == len(expected) == len(going_on) == 3
        assert all(bool((mine == theirs).all()) for mine, theirs in zip(found, expected, strict=True))
    # Beyond the last, and back.
    assert all(bool((a == b).all()) for a, b in zip(epoch_of(going_on, 1), epoch_of(patch_loader(), 1), strict=True))


def test_an_epoch_that_was_left_begins_anew():
    loader = patch_loader()
    next(iter(loader))
    expected = epoch_of(patch_loader(), 0)
    assert all(bool((a == b).all()) for a, b in zip(epoch_of(loader, 0), expected, strict=True))


def test_a_last_batch_that_is_not_whole_can_be_kept():
    assert [len(images) for images in epoch_of(patch_loader(drop_last=False), 0)] == [2, 2, 2, 1]
