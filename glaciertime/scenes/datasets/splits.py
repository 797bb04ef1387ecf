"""Splits that keep a glacier, or a spatial block, whole: a patch never has its neighbour on the other side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from glaciertime.errors import InputError, nearest_names
from glaciertime.scenes.datasets.sample import SampleInfo

__all__ = ["Split", "split_by_block", "split_by_glacier", "split_by_own"]


@dataclass(frozen=True)
class Split:
    """Indices of the samples to train on, to choose the checkpoint by, and to test on; no two share an index."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.train:
            raise InputError("the split leaves no sample to train on; hold out fewer glaciers or blocks")


def split_by_glacier(infos: Sequence[SampleInfo], *, test: Iterable[str] = (), validation: Iterable[str] = ()) -> Split:
    """Hold whole glaciers out.

    Parameters
    ----------
    infos : sequence of SampleInfo
    test, validation : names of glaciers

    Raises
    ------
    InputError
        If a name is unknown, is in both, or nothing is left to train on.

    Examples
    --------
    >>> infos = [SampleInfo("a", "Crane"), SampleInfo("b", "Jorum"), SampleInfo("c", "Crane")]
    >>> split_by_glacier(infos, test=["Jorum"])
    Split(train=(0, 2), validation=(), test=(1,))
    """
    test, validation = set(test), set(validation)
    known = {info.glacier for info in infos}
    for name in sorted((test | validation) - known):
        near = nearest_names(name, known) or sorted(known)
        raise InputError(f"glacier '{name}' to hold out is not in the data; nearest: {', '.join(near)}")
    if test & validation:
        raise InputError(f"{sorted(test & validation)} are held out for both validation and test; name each once")
    return _split(infos, [info.glacier for info in infos], test, validation)


def split_by_block(
    infos: Sequence[SampleInfo], *, test_fraction: float, validation_fraction: float, seed: int
) -> Split:
    """Hold whole blocks (glacier and block) out, drawn at random until the fraction of samples is reached.

    Parameters
    ----------
    infos : sequence of SampleInfo
    test_fraction, validation_fraction : float
        Of the samples, 0 to below 1 together.
    seed : int

    Examples
    --------
    >>> infos = [SampleInfo(str(i), "Crane", block=str(i // 5)) for i in range(20)]
    >>> split = split_by_block(infos, test_fraction=0.25, validation_fraction=0.25, seed=0)
    >>> len(split.train), len(split.validation), len(split.test)
    (10, 5, 5)
    """
    if not (test_fraction >= 0 and validation_fraction >= 0 and test_fraction + validation_fraction < 1):
        raise InputError(
            f"fractions {test_fraction} and {validation_fraction} given, two that add to less than 1 expected"
        )
    keys = [f"{info.glacier}/{info.block}" for info in infos]
    order = np.random.default_rng(seed).permutation(sorted(set(keys)))
    wanted = {"test": test_fraction * len(keys), "validation": validation_fraction * len(keys)}
    held: dict[str, set[str]] = {"test": set(), "validation": set()}
    blocks = iter(order)
    for part, count in wanted.items():
        taken = 0
        while taken < count - 0.5:
            block = next(blocks, None)
            if block is None:
                break
            held[part].add(block)
            taken += keys.count(block)
    return _split(infos, keys, held["test"], held["validation"])


def split_by_own(infos: Sequence[SampleInfo]) -> Split:
    """Use the split that the data set itself names (``train``, ``val`` or ``validation``, ``test``).

    Examples
    --------
    >>> split_by_own([SampleInfo("a", "COL", split="test"), SampleInfo("b", "DBE", split="train")])
    Split(train=(1,), validation=(), test=(0,))
    """
    parts = [info.split for info in infos]
    unknown = sorted(set(parts) - {"train", "val", "validation", "test"})
    if unknown:
        raise InputError(f"splits {unknown} given, train, validation and test expected; split by glacier instead")
    return _split(infos, parts, {"test"}, {"val", "validation"})


def _split(infos: Sequence[SampleInfo], keys: Sequence[str], test: set[str], validation: set[str]) -> Split:
    places = range(len(infos))
    return Split(
        train=tuple(i for i in places if keys[i] not in test | validation),
        validation=tuple(i for i in places if keys[i] in validation),
        test=tuple(i for i in places if keys[i] in test),
    )
