"""What of a training data set can be read: each sample that cannot is told, and the others are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from glaciertime import limits
from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.naming import counted
from glaciertime.scenes.datasets.sample import BandScaling, SampleInfo, TrainingData, TrainingSample

__all__ = ["Readable", "readable_part"]


@dataclass
class Readable:
    """A data set without the samples that cannot be read.

    Attributes
    ----------
    data : TrainingData
        The whole.
    kept : tuple of int
        Which of its samples can be read.
    problems : tuple of str
        A sentence for each of the others, and for each that the reader itself left out.
    """

    data: TrainingData
    kept: tuple[int, ...]
    problems: tuple[str, ...]

    def __post_init__(self) -> None:
        self.bands, self.classes, self.codes = self.data.bands, self.data.classes, self.data.codes

    @property
    def scaling(self) -> BandScaling | None:
        """The scaling that the data set was published with."""
        return getattr(self.data, "scaling", None)

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """What is known of each sample."""
        infos = self.data.infos
        return tuple(infos[index] for index in self.kept)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> TrainingSample:
        return self.data[self.kept[index]]

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))


def readable_part(
    data: TrainingData,
    *,
    progress: Callable[[int, int], None] | None = None,
    seen: Callable[[SampleInfo, TrainingSample], None] | None = None,
) -> TrainingData:
    """Return what of a data set can be read; the data set itself where that is all of it.

    Every sample is read once: one that broke off in the middle of a training would cost what was trained.

    Parameters
    ----------
    data : TrainingData
    progress : callable, optional
        Called with samples done and samples in all.
    seen : callable, optional
        Called with each sample that can be read.

    Raises
    ------
    InputError
        Where none can be read; the text says why of the first.
    """
    kept, problems = [], list(getattr(data, "problems", ()))
    for index in range(len(data)):
        try:
            with limits.timed(data.infos[index].name):
                sample = data[index]
        except GlacierTimeError as error:
            problems.append(str(error))
        else:
            kept.append(index)
            if seen is not None:
                seen(data.infos[index], sample)
        if progress is not None:
            progress(index + 1, len(data))
    if not problems:
        return data
    if not kept:
        raise InputError(f"none of {counted(len(data), 'samples')} can be read: {problems[0]}")
    return Readable(data, tuple(kept), tuple(problems))
