"""Several data sets as one, each with its share of the draws; and data that already lie in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import BandScaling, SampleInfo, TrainingData, TrainingSample

__all__ = ["InMemory", "Mixture"]


@dataclass(frozen=True)
class InMemory:
    """Samples that are already read.

    Parameters
    ----------
    samples : tuple of TrainingSample
    bands, classes, codes
        As of any training data.
    """

    samples: tuple[TrainingSample, ...]
    bands: tuple[str, ...]
    classes: tuple[str, ...]
    codes: tuple[int, ...]

    @property
    def infos(self) -> Sequence[SampleInfo]:
        """Return what is known of each sample."""
        return tuple(sample.info for sample in self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[TrainingSample]:
        return iter(self.samples)

    def __getitem__(self, index: int) -> TrainingSample:
        return self.samples[index]


@dataclass(frozen=True)
class Mixture:
    """Data sets of the same bands and classes, one after the other.

    Parameters
    ----------
    parts : tuple of TrainingData
    shares : tuple of float
        Of the draws, one per part.
    """

    parts: tuple[TrainingData, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.parts) != len(self.shares) or not self.parts or min(self.shares) < 0 or not sum(self.shares):
            raise InputError(
                f"{len(self.parts)} data sets and shares {self.shares} given, one share >= 0 each expected"
            )
        if len({getattr(part, "scaling", None) for part in self.parts}) > 1:
            raise InputError("data sets of different scalings given; only equal ones mix")
        kinds = {(part.bands, part.codes) for part in self.parts}
        if len(kinds) > 1:
            raise InputError(f"data sets of different bands and codes given, {sorted(kinds)}; only equal ones mix")

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the bands of every part."""
        return self.parts[0].bands

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the classes of every part."""
        return self.parts[0].classes

    @property
    def codes(self) -> tuple[int, ...]:
        """Return the codes of every part."""
        return self.parts[0].codes

    @property
    def scaling(self) -> BandScaling | None:
        """Return the scaling that every part was published with."""
        return getattr(self.parts[0], "scaling", None)

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return what is known of each sample, part after part."""
        return tuple(info for part in self.parts for info in part.infos)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum([len(part) for part in self.parts])])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.parts[part][index - int(self._starts[part])]

    def draw_weights(self, indices: Sequence[int], *, within: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return weights of samples that give every part its share.

        Parameters
        ----------
        indices : sequence of int
            The samples to draw from.
        within : (len(indices),)
            Relative weights of the samples inside their part.

        Examples
        --------
        >>> one = InMemory((None,) * 3, ("b",), ("g", "o"), (127, 254))
        >>> two = InMemory((None,), ("b",), ("g", "o"), (127, 254))
        >>> Mixture((one, two), (0.5, 0.5)).draw_weights([0, 2, 3], within=np.ones(3))
        array([0.25, 0.25, 0.5 ])
        """
        part = np.searchsorted(self._starts, np.asarray(indices), side="right") - 1
        weights = np.asarray(within, dtype=np.float64).copy()
        for number, share in enumerate(self.shares):
            mine = part == number
            if mine.any():
                weights[mine] *= share / weights[mine].sum()
        return weights
