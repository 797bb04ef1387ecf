"""Patches for the training loop: read, cut, changed at random, normalised; each a function of seed, epoch and place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.augmentation import Augmentation, draw_patch, transplant_ocean
from glaciertime.scenes.datasets.radiometry import add_speckle
from glaciertime.scenes.datasets.sample import IGNORE, TrainingData, TrainingSample
from glaciertime.segment.normalisation import Normalisation, band_statistics, known_spread
from glaciertime.segment.teach.sampling import Place, class_centre

__all__ = ["PatchDataset", "ValidationDataset", "class_counts", "training_range", "training_statistics"]

_CACHED = 512


class _Reader:
    """Reads samples of a data set, keeps the recent ones, and names the sample in what goes wrong."""

    def __init__(self, data: TrainingData, normalisation: Normalisation) -> None:
        self.data = data
        self.normalisation = normalisation
        self.read = lru_cache(maxsize=_CACHED)(self._read)

    def speckled(
        self, index: int, *, looks: float, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return a sample whose linear intensity was multiplied by speckle before it is brought to the network's scale.

        The scale stays that of the image as it is: a change of the image does not change its normalisation.
        """
        sample = self.data[index]
        check_sample(sample, classes=len(self.data.classes))
        noisy = add_speckle(sample.image, looks=looks, seed=rng)
        statistics = self.normalisation.statistics(sample.image)
        return self.normalisation.scale(noisy, statistics=statistics), sample.labels

    def _read(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        sample = self.data[index]
        check_sample(sample, classes=len(self.data.classes))
        return self.normalisation.scale(sample.image), sample.labels

    def finish(self, scaled: NDArray[np.float32], rows: NDArray[np.floating] | None = None) -> torch.Tensor:
        observed = np.isfinite(scaled)
        filled = np.where(observed, scaled, np.float32(0)).astype(np.float32)
        return torch.from_numpy(self.normalisation.append(filled, observed, rows=rows))


def check_sample(sample: TrainingSample, *, classes: int) -> None:
    """Raise where labels lie outside the classes, or where no pixel of a sample was observed.

    Raises
    ------
    InputError
    """
    known = sample.labels[sample.labels != IGNORE]
    if known.size and int(known.max()) >= classes:
        raise InputError(
            f"{sample.info.name}: label {int(known.max())} given, 0 to {classes - 1} or the ignore label {IGNORE} "
            "expected; remap the labels"
        )
    if not np.isfinite(sample.image).any():
        raise InputError(f"{sample.info.name}: no pixel is observed (all nodata or NaN); leave it out of the split")


class PatchDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Random patches; the key is ``(epoch, position, index)`` as :class:`EpochSampler` yields it.

    Parameters
    ----------
    data : TrainingData
    normalisation : Normalisation
    plan : Augmentation
    class_weights : (K,) or None
        Centre each patch on a pixel of a class drawn with these weights.
    seed : int
    whole : bool
        A patch stands for a whole image: after the random changes it gets mean 0 and standard deviation 1 again.
    partners, chances : sequence, optional
        Samples whose ocean ``plan.transplant`` may take, and their relative probabilities; equal ones by default.
    """

    def __init__(
        self,
        data: TrainingData,
        *,
        normalisation: Normalisation,
        plan: Augmentation,
        class_weights: NDArray[np.float64] | None,
        seed: int,
        whole: bool = False,
        partners: Sequence[int] = (),
        chances: Sequence[float] | None = None,
    ) -> None:
        self.reader = _Reader(data, normalisation)
        self.whole = whole
        self.partners = partners
        self.chances = None if chances is None else np.asarray(chances, dtype=np.float64) / np.sum(chances)
        self.plan = plan
        #: Patches at positions below it are cut and not changed.
        self.originals = 0
        self.class_weights = class_weights
        self.seed = seed

    def __getitem__(self, place: Place) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, position, index = place
        # The sampler draws from [seed, epoch]: the third number keeps the two streams apart.
        rng = np.random.default_rng([self.seed, epoch, position + 1])
        plan = self.plan
        if position < self.originals or (plan.share < 1 and rng.random() >= plan.share):
            plan = replace(Augmentation.preset("none"), size=plan.size)
        looks = None if plan.speckle_looks is None else float(rng.uniform(*plan.speckle_looks))
        if looks is None:
            scaled, labels = self.reader.read(index)
        else:
            scaled, labels = self.reader.speckled(index, looks=looks, rng=rng)
        centre = None
        if self.class_weights is not None:
            centre = class_centre(labels, weights=self.class_weights, rng=rng)
        if self.partners and rng.random() < plan.transplant:
            partner = int(rng.choice(self.partners, p=self.chances))
            # The same looks on both sides of a front: they are one image's.
            other = self.reader.read(partner)
            if looks is not None:
                other = self.reader.speckled(partner, looks=looks, rng=rng)
            scaled, labels = transplant_ocean(scaled, labels, *other, seed=rng)
        patch, cut, rows = draw_patch(scaled, labels, plan=plan, seed=rng, centre=centre)
        if self.whole:
            mean, std = band_statistics(patch)
            patch = (patch - mean[:, None, None]) / std[:, None, None]
        # Labels as bytes: an eighth of what would go to a GPU otherwise.
        return self.reader.finish(patch, rows), torch.from_numpy(cut)


class ValidationDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Whole images as they are."""

    def __init__(self, data: TrainingData, indices: Sequence[int], *, normalisation: Normalisation) -> None:
        self.reader = _Reader(data, normalisation)
        self.indices = list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        scaled, labels = self.reader.read(self.indices[position])
        return self.reader.finish(scaled), torch.from_numpy(labels.astype(np.int64))


def class_counts(data: TrainingData, indices: Sequence[int]) -> NDArray[np.int64]:
    """Return the number of labelled pixels of each class among the samples named."""
    counts = np.zeros(256, dtype=np.int64)
    for index in indices:
        counts += np.bincount(data[index].labels.ravel(), minlength=256)
    return counts[: len(data.classes)]


def training_statistics(data: TrainingData, indices: Sequence[int], *, log: bool) -> Normalisation:
    """Return the rule that brings the observed pixels of the samples named to zero mean and unit spread."""
    rule = Normalisation(log=log).scaled_as(getattr(data, "scaling", None))
    count = np.zeros(len(data.bands))
    total, squares = np.zeros_like(count), np.zeros_like(count)
    for index in indices:
        values = rule.prepare(data[index].image).astype(np.float64)
        seen = np.isfinite(values)
        filled = np.where(seen, values, 0)
        count += seen.sum(axis=(1, 2))
        total += filled.sum(axis=(1, 2))
        squares += (filled**2).sum(axis=(1, 2))
    if not count.all():
        missing = [band for band, seen in zip(data.bands, count, strict=True) if not seen]
        raise InputError(f"bands {missing} are observed nowhere in the training part; leave them out")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return replace(
        rule,
        kind="fixed",
        mean=tuple(float(value) for value in mean),
        std=tuple(float(value) for value in known_spread(mean, std)),
    )


def training_range(
    data: TrainingData, indices: Sequence[int], *, seen_by: Callable[[TrainingSample], None] | None = None
) -> tuple[tuple[float, float], ...]:
    """Return the least and the largest raw value of each band of the samples named, their outermost 0.1 % left out.

    ``seen_by`` is called with each sample, so that what else is to be known of them all is known after one reading.
    """
    lows, highs = np.full(len(data.bands), np.inf), np.full(len(data.bands), -np.inf)
    for index in indices:
        sample = data[index]
        if seen_by is not None:
            seen_by(sample)
        for band, values in enumerate(sample.image):
            seen = values[np.isfinite(values)]
            if seen.size:
                low, high = np.percentile(seen, (0.1, 99.9))
                lows[band], highs[band] = min(lows[band], low), max(highs[band], high)
    if not np.isfinite(lows).all():
        return ()
    return tuple((float(low), float(high)) for low, high in zip(lows, highs, strict=True))
