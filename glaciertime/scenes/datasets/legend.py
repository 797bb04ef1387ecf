"""Classes of a training data set made others: folded together, some of them left, or one against all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import UsageError, nearest_names
from glaciertime.naming import fold_name
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK
from glaciertime.scenes.classes import zone_of_word
from glaciertime.scenes.datasets.sample import IGNORE, BandScaling, SampleInfo, TrainingData, TrainingSample

__all__ = ["Legend", "Relabelled", "binary", "chosen", "folded", "is_background", "own_legend"]

_BACKGROUND = ("background", "other", "others", "not glacier", "no glacier", "non glacier", "none", "void")


@dataclass(frozen=True)
class Legend:
    """What each class of a data set becomes.

    Attributes
    ----------
    classes, codes : tuple
        Of the result.
    table : tuple of int
        For each class of the data set the index of its new one, or :data:`IGNORE`.
    told : tuple of str
        What became of the classes, in sentences.
    """

    classes: tuple[str, ...]
    codes: tuple[int, ...]
    table: tuple[int, ...]
    told: tuple[str, ...] = ()

    @property
    def lookup(self) -> NDArray[np.uint8]:
        """Return the new label of each old one, (256,); what is ignored stays so."""
        found = np.full(256, IGNORE, dtype=np.uint8)
        found[: len(self.table)] = self.table
        return found


def own_legend(data: TrainingData) -> Legend:
    """Return the classes as the data set has them."""
    return Legend(tuple(data.classes), tuple(data.codes), tuple(range(len(data.classes))))


def is_background(name: str) -> bool:
    """Return whether a class is what nobody labelled: background, all others, or no data.

    Examples
    --------
    >>> [is_background(name) for name in ("background", "no data", "rock", "clean ice")]
    [True, True, False, False]
    """
    plain = " ".join(fold_name(name).replace("-", " ").replace("_", " ").split())
    return plain in _BACKGROUND or zone_of_word(name) == NO_DATA


def folded(legend: Legend, groups: Mapping[str, Sequence[str]]) -> Legend:
    """Fold classes together under a name of their own.

    Parameters
    ----------
    legend : Legend
    groups : mapping of a new name to the classes that it stands for; classes that are in none stay.

    Raises
    ------
    UsageError
        If a class is unknown or in two groups.

    Examples
    --------
    >>> found = folded(Legend(("rock", "clean ice", "debris-covered ice"), (64, 85, 170), (0, 1, 2)),
    ...                {"glacier": ["clean ice", "debris-covered ice"]})
    >>> found.classes, found.codes, found.table
    (('rock', 'glacier'), (64, 127), (0, 1, 1))
    """
    group_of: dict[int, str] = {}
    for name, members in groups.items():
        if name in legend.classes and _plain(name) not in map(_plain, members):
            raise UsageError(f"--fold-classes {name}: the data have a class of that name; give another, or fold it too")
        for place in places_of(members, legend.classes, option="--fold-classes"):
            if group_of.setdefault(place, name) != name:
                raise UsageError(
                    f"--fold-classes: {legend.classes[place]} is in {group_of[place]} and in {name}; name it once"
                )
    names: list[str] = []
    for place, own in enumerate(legend.classes):
        name = group_of.get(place, own)
        if name not in names:
            names.append(name)
    into = [names.index(group_of.get(place, own)) for place, own in enumerate(legend.classes)]
    codes = _codes(
        names, [[legend.codes[p] for p, new in enumerate(into) if new == index] for index in range(len(names))]
    )
    told = [
        f"{name}: {', '.join(own for place, own in enumerate(legend.classes) if group_of.get(place) == name)}"
        for name in groups
    ]
    return Legend(tuple(names), codes, _joined(legend, into), (*legend.told, "classes folded: " + "; ".join(told)))


def chosen(legend: Legend, names: Sequence[str]) -> Legend:
    """Leave some classes; the pixels of the others are ignored by loss and scores.

    Raises
    ------
    UsageError
        If a name is unknown, or fewer than two are left.
    """
    kept = sorted(places_of(names, legend.classes, option="--classes"))
    if len(kept) < 2:
        raise UsageError(
            f"--classes {legend.classes[kept[0]]}: one class is left, and a model tells at least two apart; for this "
            f'one against all others give --binary --positive "{legend.classes[kept[0]]}"'
        )
    into = [kept.index(place) if place in kept else IGNORE for place in range(len(legend.classes))]
    gone = [name for place, name in enumerate(legend.classes) if place not in kept]
    told = (f"ignored, as --classes leaves them out: {', '.join(gone)}",) if gone else ()
    return Legend(
        tuple(legend.classes[place] for place in kept), tuple(legend.codes[place] for place in kept),
        _joined(legend, into), (*legend.told, *told),
    )  # fmt: skip


def binary(legend: Legend, positive: Sequence[str] = ()) -> Legend:
    """Set some classes, by default all that are glacier ice, against all others.

    What is called no data is ignored. The order is negative, positive; two classes that are told apart already keep
    theirs.

    Raises
    ------
    UsageError
        If a name is unknown, no class is ice and none was named, or nothing stands against the positive ones.

    Examples
    --------
    >>> found = binary(Legend(("no data", "rock", "glacier", "ocean"), (0, 64, 127, 254), (0, 1, 2, 3)))
    >>> found.classes, found.codes, found.table, found.told
    (('not glacier', 'glacier'), (1, 127), (255, 0, 1, 0), ('binary: glacier against rock, ocean; no data is ignored',))
    """
    if positive:
        yes = places_of(positive, legend.classes, option="--positive")
    else:
        yes = [place for place, name in enumerate(legend.classes) if zone_of_word(name) == GLACIER]
        if not yes:
            raise UsageError(
                f"--binary: none of the classes {', '.join(legend.classes)} is glacier ice; say with --positive NAME "
                "which one is to be told from all others"
            )
    unseen = [p for p, name in enumerate(legend.classes) if zone_of_word(name) == NO_DATA and p not in yes]
    no = [place for place in range(len(legend.classes)) if place not in yes and place not in unseen]
    if not no:
        raise UsageError(
            f"--binary: {', '.join(legend.classes[place] for place in yes)} stand against no other class; name fewer "
            "with --positive"
        )
    names_yes, names_no = ([legend.classes[place] for place in part] for part in (yes, no))
    told = f"binary: {', '.join(names_yes)} against {', '.join(names_no)}"
    told += f"; {', '.join(legend.classes[place] for place in unseen)} is ignored" if unseen else ""
    if len(yes) == len(no) == 1:
        kept = sorted((*yes, *no))
        name_of = [legend.classes[place] for place in kept]
        code_of = [legend.codes[place] for place in kept]
        order = kept
        into = [order.index(place) if place in order else IGNORE for place in range(len(legend.classes))]
        return Legend(tuple(name_of), tuple(code_of), _joined(legend, into), (*legend.told, told))
    is_ice = all(zone_of_word(name) == GLACIER for name in names_yes)
    name = names_yes[0] if len(yes) == 1 else "glacier" if is_ice else " or ".join(names_yes)
    # Ocean called rock would be a wrong front: what stands for both has a name and a code of its own.
    is_land = all(zone_of_word(each) == ROCK or is_background(each) for each in names_no)
    other = names_no[0] if len(no) == 1 else "background" if is_land else f"not {name}"
    code = GLACIER if is_ice else legend.codes[yes[0]]
    code_no = legend.codes[no[0]] if len(no) == 1 else ROCK if is_land else 1
    if code_no == code:
        code_no = 0 if code else 1
    into = [1 if p in yes else 0 if p in no else IGNORE for p in range(len(legend.classes))]
    return Legend((other, name), (code_no, code), _joined(legend, into), (*legend.told, told))


def places_of(names: Sequence[str], classes: Sequence[str], *, option: str) -> list[int]:
    """Return the places of classes by their names, in any case, or by their numbers from 0.

    Raises
    ------
    UsageError
        If there is none of a name.
    """
    by_name = {_plain(name): place for place, name in enumerate(classes)}
    found = []
    for name in names:
        if _plain(name) in by_name:
            found.append(by_name[_plain(name)])
            continue
        near = nearest_names(name, classes) or list(classes)
        raise UsageError(f"{option}: class '{name}' is not in the data; nearest: {', '.join(near)}")
    return list(dict.fromkeys(found))


def _plain(name: str) -> str:
    return " ".join(fold_name(name).replace("-", " ").replace("_", " ").split())


def _joined(legend: Legend, into: Sequence[int]) -> tuple[int, ...]:
    return tuple(IGNORE if place == IGNORE else into[place] for place in legend.table)


def _codes(names: Sequence[str], members: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return the code of each class: that of its zone, else its first member's, each once."""
    zones = {GLACIER, OCEAN, ROCK}
    codes: list[int] = []
    for name, own in zip(names, members, strict=True):
        zone = zone_of_word(name)
        wanted = [own[0]] if len(own) == 1 else [*([zone] if zone in zones else []), *own]
        others = {code for each in members if each is not own for code in each}
        free = (code for code in (*wanted, *range(1, 255)) if code not in codes and code not in others)
        codes.append(next(free))
    return tuple(codes)


@dataclass(frozen=True)
class Relabelled:
    """A data set with another legend.

    Attributes
    ----------
    data : TrainingData
    legend : Legend
    """

    data: TrainingData
    legend: Legend

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the bands of the data set."""
        return self.data.bands

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the new classes."""
        return self.legend.classes

    @property
    def codes(self) -> tuple[int, ...]:
        """Return the value of each new class in a mask."""
        return self.legend.codes

    @property
    def scaling(self) -> BandScaling | None:
        """Return the scaling that the data set was published with."""
        return getattr(self.data, "scaling", None)

    @property
    def infos(self) -> Sequence[SampleInfo]:
        """Return what is known of each sample."""
        return self.data.infos

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        sample = self.data[index]
        return TrainingSample(sample.image, self.legend.lookup[sample.labels], sample.present, sample.info)
