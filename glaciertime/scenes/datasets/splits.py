"""Splits that keep a glacier, or a spatial block, whole: a patch never has its neighbour on the other side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from glaciertime.errors import InputError, nearest_names
from glaciertime.naming import agreeing, counted
from glaciertime.scenes.datasets.sample import SampleInfo

__all__ = ["Split", "drawn_units", "split_by_block", "split_by_glacier", "split_by_own"]

# How far from the share asked for a split by larger units may be before smaller ones are tried, relative.
_NEAR_ENOUGH = 0.25
# Fronts of one place so many days apart look the same.
_GUARD_DAYS = 30


@dataclass(frozen=True)
class Split:
    """Indices of the samples to train on, to choose the checkpoint by, and to test on; no two share an index.

    ``told`` says what a reader of the scores should know of how they were parted.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    told: str = field(default="", compare=False, repr=False)

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
    """Hold out whole glaciers, else whole places within them, else whole years of a place, near the share asked for.

    The first of the three that comes within a quarter of both shares is taken, the nearest of them where none does;
    how much was held out, where it is not what was asked for, is said in ``Split.told``. Which glaciers, places or
    years is drawn at random. Where years are held out, images of the same glacier less than 30 days from one that is
    held out are in no part: they show the same front.

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
    wanted = (test_fraction * len(infos), validation_fraction * len(infos))
    best: tuple[float, str, Split] | None = None
    for unit, keys in _units(infos).items():
        rng = np.random.default_rng(seed)
        test = drawn_units(keys, wanted[0], set(), rng)
        validation = drawn_units(keys, wanted[1], test, rng)
        try:
            split = _split(infos, keys, test, validation)
        except InputError:
            continue
        held = (len(split.test), len(split.validation))
        off = max((abs(got - share) / share for got, share in zip(held, wanted, strict=True) if share), default=0.0)
        if best is None or off < best[0]:
            best = (off, unit, split)
        if off <= _NEAR_ENOUGH:
            break
    if best is None:
        raise InputError("the split leaves no sample to train on: all are of one glacier, place and year")
    off, unit, split = best
    if unit == "year":
        split = _guarded(infos, split)
    told = [f"held out by {unit}"]
    for name, part, share in (("test", split.test, wanted[0]), ("validation", split.validation, wanted[1])):
        if share and abs(len(part) - share) > _NEAR_ENOUGH * share:
            told.append(f"{len(part)} of {counted(len(infos), 'samples')} for {name}, {share:.0f} asked for")
    left_out = len(infos) - len(split.train) - len(split.validation) - len(split.test)
    if left_out:
        told.append(
            f"{counted(left_out, 'samples')} within {counted(_GUARD_DAYS, 'days')} of one that is held out "
            f"{agreeing(left_out, 'are')} not used"
        )
    return replace(split, told="; ".join(told))


def _units(infos: Sequence[SampleInfo]) -> dict[str, list[str]]:
    """Return what may be held out as a whole, coarse to fine: the key of each sample by the name of the unit."""
    glaciers = [info.glacier for info in infos]
    places = [f"{info.glacier}/{info.block}" for info in infos]
    years = [
        f"{place}/{'' if info.date is None else info.date.year}" for place, info in zip(places, infos, strict=True)
    ]
    return {"glacier": glaciers, "place": places, "year": years}


def drawn_units(keys: Sequence[str], wanted: float, taken: set[str], rng: np.random.Generator) -> set[str]:
    """Return units, drawn at random, that together hold about so many samples: each that brings the sum nearer."""
    held: set[str] = set()
    count = 0
    for key in rng.permutation(sorted(set(keys) - taken)):
        size = keys.count(key)
        if abs(count + size - wanted) < abs(count - wanted):
            held.add(str(key))
            count += size
    if wanted and not held and (free := sorted(set(keys) - taken)):
        # All are larger than twice the share: the smallest is nearest to it.
        held.add(min(free, key=keys.count))
    return held


def _guarded(infos: Sequence[SampleInfo], split: Split) -> Split:
    """Return the split without the training samples that lie within days of a held-out one of the same glacier."""
    held = [infos[index] for index in (*split.test, *split.validation)]

    def near(info: SampleInfo) -> bool:
        return info.date is not None and any(
            other.date is not None
            and other.glacier == info.glacier
            and abs((other.date - info.date).days) < _GUARD_DAYS
            for other in held
        )

    return replace(split, train=tuple(index for index in split.train if not near(infos[index])))


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
