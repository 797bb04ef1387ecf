"""Which class of a model is which of the labels: by name, never by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import UsageError, nearest_names
from glaciertime.scenes.acquisition import GLACIER
from glaciertime.scenes.classes import zone_of_word

__all__ = ["ClassMatch", "match_bands", "match_classes", "parse_matches"]


@dataclass(frozen=True)
class ClassMatch:
    """Which class of the labels each class of a model is.

    Attributes
    ----------
    names : tuple of str
        Of the labels, in their order.
    target : tuple of int
        For each class of the model, its place in ``names``.
    told : str
        What is to be said of it; empty where all names are the same.
    """

    names: tuple[str, ...]
    target: tuple[int, ...]
    told: str = ""

    def probability(self, probability: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the probabilities of the labels' classes, (K, H, W), of those of the model's."""
        if self.target == tuple(range(len(self.names))):
            return probability
        sums = np.stack([
            np.sum([probability[at] for at, to in enumerate(self.target) if to == label], axis=0)
            for label in range(len(self.names))
        ])  # fmt: skip
        # In single precision what adds to 1 can end just above it.
        return np.minimum(sums, 1, out=sums)


def parse_matches(given: Sequence[str]) -> dict[str, str]:
    """Return what ``--match MODEL=DATA`` says, by the model's class.

    Examples
    --------
    >>> parse_matches(["clean ice=glacier"])
    {'clean ice': 'glacier'}
    """
    found: dict[str, str] = {}
    for text in given:
        model, equals, data = (part.strip() for part in text.partition("="))
        if not (model and equals and data):
            raise UsageError(f"--match '{text}': MODEL=DATA expected, a class of the model and what the labels call it")
        if _plain(model) in map(_plain, found):
            raise UsageError(f"--match names the class '{model}' twice; name it once")
        found[model] = data
    return found


def match_classes(
    model: Sequence[str], data: Sequence[str], *, told: Mapping[str, str] | None = None, binary: bool = False
) -> ClassMatch:
    """Return which class of a model is which of the labels.

    Names are compared without case; spaces, hyphens and underscores are the same. Several classes of a model may be one
    of the labels, where that is told, or where the labels are only the one class and the rest (``binary``).

    Parameters
    ----------
    model, data : sequence of str
    told : mapping of str to str, optional
        For a class of the model, what the labels call it.
    binary : bool
        The labels were folded into two: what of the model is ice is the one that is ice, all else the other.

    Raises
    ------
    UsageError
        If a class of the one has none of the other.

    Examples
    --------
    >>> match_classes(["ocean", "glacier"], ["glacier", "ocean"]).target
    (1, 0)
    >>> match_classes(["rock", "glacier", "ocean"], ["other", "glacier"], binary=True).target
    (0, 1, 0)
    """
    asked = {_plain(name): other for name, other in (told or {}).items()}
    known = {_plain(name): place for place, name in enumerate(data)}
    for name, other in (told or {}).items():
        for given, names, whose in ((name, model, "the model"), (other, data, "the labels")):
            if _plain(given) not in map(_plain, names):
                near = nearest_names(given, names) or list(names)
                raise UsageError(f"--match {name}={other}: {whose} have no class '{given}'; nearest: {', '.join(near)}")
    target = [known.get(_plain(asked.get(_plain(name), name))) for name in model]
    said = [f"'{name}' of the model is '{asked[_plain(name)]}'" for name in model if _plain(name) in asked]
    if binary and len(data) == 2:
        ice = [zone_of_word(name) == GLACIER for name in data]
        yes = 0 if ice == [True, False] else 1
        for place, name in enumerate(model):
            if target[place] is None:
                target[place] = yes if ice[yes] and zone_of_word(name) == GLACIER else 1 - yes
                said.append(f"'{name}' of the model is '{data[int(target[place] or 0)]}'")
    without = [name for name, place in zip(model, target, strict=True) if place is None]
    missing = [name for place, name in enumerate(data) if place not in target]
    if without or missing:
        ways = [f"say which is which with --match '{name}=LABEL'" for name in without[:1]]
        if not without:
            kept = [name for place, name in enumerate(data) if place in target]
            ways = [f'--classes "{",".join(kept)}" leaves the pixels of {", ".join(missing)} out']
        ways += [] if binary else ["--binary scores glacier ice against all else"]
        raise UsageError(
            f"the model's classes are {', '.join(model)}, those of the labels {', '.join(data)}: they do not match by "
            f"name; {', or '.join(ways)}"
        )
    places = tuple(int(place) for place in target if place is not None)
    return ClassMatch(tuple(data), places, "; ".join(said))


def match_bands(model: Sequence[str], data: Sequence[str], *, told: str | None = None) -> tuple[int, ...]:
    """Return the places, among the bands of a data set, of the bands of a model.

    Parameters
    ----------
    model, data : sequence of str
    told : str, optional
        Bands of the data, by name or by number from 1, in the order of the model's, separated by commas.

    Raises
    ------
    UsageError
        If they are not to be found by name; one band stands for one, whatever they are called.

    Examples
    --------
    >>> match_bands(["red", "nir"], ["nir", "green", "red"]), match_bands(["grey"], ["amplitude"])
    ((2, 0), (0,))
    """
    known = {_plain(name): place for place, name in enumerate(data)}
    shown = f"the model's bands are {', '.join(model)}, those of the data {', '.join(data)}"
    if told is None:
        places = [known.get(_plain(name)) for name in model]
        if None in places and len(model) == len(data) == 1:
            return (0,)
        if len(data) < len(model):
            raise UsageError(f"{shown}: too few; choose data with the model's bands, or another model")
        if None in places:
            first = ",".join(data[: len(model)])
            raise UsageError(f"{shown}; say which to use, in the model's order, with --bands {first}")
        return tuple(int(place) for place in places if place is not None)
    parts = [part.strip() for part in told.split(",")]
    found = [int(part) - 1 if part.isdigit() else known.get(_plain(part), -1) for part in parts]
    if len(found) != len(model) or not all(0 <= place < len(data) for place in found):
        raise UsageError(f"--bands {told}: {len(model)} of the data's bands expected; {shown}")
    return tuple(found)


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
