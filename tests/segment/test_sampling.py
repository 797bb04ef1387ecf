"""Which patch comes next: balance of the classes, and what each of several devices draws."""

import numpy as np
import pytest

pytest.importorskip("torch")

from glaciertime.segment.teach import loading
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
