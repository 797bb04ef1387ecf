"""Which patch comes next: order, balance and random changes that depend on seed, epoch and place alone.

No state is carried from one draw to the next, so that a training resumed at an epoch draws what an uninterrupted
one would have drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.naming import counted
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo

__all__ = ["EpochSampler", "Place", "class_centre", "group_weights", "inverse_frequency"]

Place = tuple[int, int, int]
"""Epoch, position within it, index of the sample."""


class EpochSampler:
    """Yield ``(epoch, position, index)`` for a number of draws per epoch, with given weights.

    Parameters
    ----------
    indices : sequence of int
        Samples to draw from.
    weights : sequence of float, optional
        Relative probability of each; drawn with replacement. Without, each comes once, in random order.
    draws : int, optional
        Per epoch; the number of indices by default.
    copies : int
        How often each draw comes once more, in any order: draws x (copies + 1) an epoch. Those at positions from
        :attr:`originals` on are the copies.
    seed : int

    Examples
    --------
    >>> sampler = EpochSampler([4, 5, 6], seed=0)
    >>> sampler.set_epoch(3)
    >>> sorted(index for _, _, index in sampler), next(iter(sampler))[:2]
    ([4, 5, 6], (3, 0))
    """

    def __init__(
        self,
        indices: Sequence[int],
        *,
        weights: Sequence[float] | None = None,
        draws: int | None = None,
        copies: int = 0,
        seed: int,
    ) -> None:
        if not len(indices):
            raise InputError("no samples to draw from; the split is empty")
        self.indices = np.asarray(indices, dtype=np.int64)
        drawn = len(self.indices) if draws is None else draws
        self.copies = copies
        self.draws = drawn * (1 + copies)
        #: The positions below it are the draws themselves; 0 where there are no copies.
        self.originals = drawn if copies else 0
        self.seed = seed
        self.epoch = 0
        self._probability: NDArray[np.float64] | None = None
        if weights is not None:
            values = np.asarray(weights, dtype=np.float64)
            if (
                len(values) != len(self.indices)
                or not np.isfinite(values).all()
                or values.min() < 0
                or not values.sum()
            ):
                raise InputError(
                    f"{len(values)} weights given for {counted(len(self.indices), 'samples')}; one >= 0 each expected"
                )
            self._probability = values / values.sum()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws the next iteration yields."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.draws

    def __iter__(self) -> Iterator[Place]:
        return self.of_epoch(self.epoch)

    def of_epoch(self, epoch: int) -> Iterator[Place]:
        """Yield the draws of any epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        count = self.draws // (1 + self.copies)
        if self._probability is None and count <= len(self.indices):
            drawn = rng.permutation(self.indices)[:count]
        else:
            drawn = rng.choice(self.indices, size=count, p=self._probability)
        if self.copies:
            order = rng.permutation(self.draws)
            return ((epoch, int(position), int(drawn[position % count])) for position in order)
        return ((epoch, position, int(index)) for position, index in enumerate(drawn))


def group_weights(infos: Sequence[SampleInfo], *, power: float = 0.5) -> NDArray[np.float64]:
    """Return weights that even out glaciers with many and with few images.

    ``w = n_glacier^(-power)``: 0 leaves the images equal, 1 makes the glaciers equal.

    Examples
    --------
    >>> group_weights([SampleInfo("a", "Crane"), SampleInfo("b", "Jorum"), SampleInfo("c", "Jorum")], power=1.0)
    array([1. , 0.5, 0.5])
    """
    names = [info.glacier for info in infos]
    return np.array([names.count(name) ** -power for name in names], dtype=np.float64)


def inverse_frequency(counts: NDArray[np.integer], *, power: float = 0.5) -> NDArray[np.float64]:
    """Return weights of classes, ``(N / (K n_k))^power``; a class that never occurs gets 0.

    Parameters
    ----------
    counts : (K,) integer
        Pixels of each class.
    power : float
        1 for full balance, 0.5 for its square root.

    Examples
    --------
    >>> inverse_frequency(np.array([75, 25, 0]), power=1.0).round(3)
    array([0.667, 2.   , 0.   ])
    """
    values = np.asarray(counts, dtype=np.float64)
    present = values > 0
    if not present.any():
        raise InputError("no pixel has a label; check the label mapping")
    weights = np.zeros_like(values)
    weights[present] = (values.sum() / (present.sum() * values[present])) ** power
    return weights


def class_centre(
    labels: NDArray[np.uint8], *, weights: NDArray[np.floating], rng: np.random.Generator
) -> tuple[float, float]:
    """Return the place of a random pixel, each weighted by its class, so that rare classes get their share of patches.

    With the weights of :func:`inverse_frequency` and its power 1, classes that fill 10 and 90 % of an image are the
    centre of half of the patches each; with power 0 of 10 and 90 %.

    Parameters
    ----------
    labels : (H, W) uint8
    weights : (K,)
        Weight of a pixel of each class.
    rng : Generator

    Returns
    -------
    (float, float)
        Row and column; the centre of the image where nothing is labelled.

    Examples
    --------
    >>> labels = np.zeros((8, 8), np.uint8); labels[2, 5] = 1
    >>> class_centre(labels, weights=np.array([0.0, 1.0]), rng=np.random.default_rng(0))
    (2.0, 5.0)
    """
    present, pixels = np.unique(labels[labels != IGNORE], return_counts=True)
    chance = np.asarray(weights, dtype=np.float64)[present] * pixels if present.size else np.zeros(0)
    if not chance.sum():
        return (labels.shape[0] - 1) / 2, (labels.shape[1] - 1) / 2
    chosen = rng.choice(present, p=chance / chance.sum())
    places = np.flatnonzero(labels == chosen)
    row, column = np.unravel_index(int(rng.choice(places)), labels.shape)
    return float(row), float(column)
