"""Several models made one: the rule that merges them, the classes they share, and what comes of every pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.naming import counted
from glaciertime.segment.description import ModelSpec, shipped_names, weights_path
from glaciertime.segment.frame import Frame
from glaciertime.segment.predict.uncertainty import mutual_information

__all__ = ["Merge", "MergedPixels", "United", "merge_pixels", "merged_probability", "parse_merge",
           "parse_weights", "unite"]  # fmt: skip

MEAN, VOTE, PRECEDENCE = "mean", "vote", "precedence"
_EXPECTED = "mean, vote, or classes in their order of precedence such as debris>clean expected"


@dataclass(frozen=True)
class Merge:
    """How several models of one image become one.

    Attributes
    ----------
    kind : {"mean", "vote", "precedence"}
    order : tuple of str
        Of ``precedence``: the classes, the one that wins first.
    """

    kind: str
    order: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return it as ``--merge`` names it."""
        return ">".join(self.order) if self.kind == PRECEDENCE else self.kind


def parse_merge(text: str) -> Merge:
    """Return the rule that ``--merge`` names.

    Raises
    ------
    UsageError
        If it is none, or one that nothing can fit.

    Examples
    --------
    >>> parse_merge("debris > clean"), parse_merge("mean").text
    (Merge(kind='precedence', order=('debris', 'clean')), 'mean')
    """
    word = " ".join(text.split())
    if word.casefold() in (MEAN, VOTE):
        return Merge(word.casefold())
    if word.casefold() in ("stack", "stacked", "stacking"):
        raise UsageError(
            f"--merge {word}: a combination that is learned has to be fitted to images with labels, and no command "
            "fits one; use mean, vote or an order of classes such as debris>clean"
        )
    order = tuple(part.strip() for part in word.split(">"))
    if len(order) < 2 or not all(order):
        raise UsageError(f"--merge '{text}': {_EXPECTED}")
    if len({name.casefold() for name in order}) < len(order):
        raise UsageError(f"--merge '{text}': a class is named twice; name each once")
    return Merge(PRECEDENCE, order)


def parse_weights(weights: str, merge: str | None) -> tuple[tuple[str, ...], Merge | None]:
    """Return the models that ``--weights`` names, and how they are merged; None for one alone.

    Parameters
    ----------
    weights : str
        Shipped names or files, separated by commas; a file whose name holds one is one file.
    merge : str or None
        See :func:`parse_merge`.

    Raises
    ------
    UsageError
        If several are named without a rule, a rule without several, or one model twice.

    Examples
    --------
    >>> parse_weights("clean.onnx, debris.onnx", "debris>clean")[0]
    ('clean.onnx', 'debris.onnx')
    """
    parts = [weights] if Path(weights).is_file() else [part.strip() for part in weights.split(",")]
    if len(parts) == 1 and merge is None:
        return (weights,), None
    if not all(parts):
        raise UsageError(f"--weights {weights}: a name is missing between the commas")
    if merge is None:
        raise UsageError(
            f"--weights {weights}: {counted(len(parts), 'models')} named; say how they become one with --merge "
            "mean, --merge vote, "
            "or the classes in their order of precedence, such as --merge 'debris>clean'"
        )
    rule = parse_merge(merge)
    if len(parts) == 1:
        raise UsageError(f"--merge {merge} merges two models or more; name them with --weights a,b")
    shipped = {part: str(weights_path(part)) for part in parts if part in shipped_names()}
    files = {part: shipped.get(part, str(Path(part).resolve()) if Path(part).is_file() else part) for part in parts}
    if len(set(files.values())) < len(parts):
        raise UsageError(f"--weights {weights}: a model is named twice; name each once")
    held = [hashlib.sha256(Path(path).read_bytes()).digest() for path in files.values() if Path(path).is_file()]
    if len(set(held)) < len(held):
        raise UsageError(f"--weights {weights}: two of the files hold the same model; name each model once")
    return tuple(parts), rule


@dataclass(frozen=True)
class United:
    """Models with one set of classes.

    Attributes
    ----------
    spec : ModelSpec
        What the merged masks hold; it is not to be run.
    members : tuple of ModelSpec
    merge : Merge
        With the classes of the models by their whole names.
    told : tuple of str
        What was assumed, in sentences.
    """

    spec: ModelSpec
    members: tuple[ModelSpec, ...]
    merge: Merge
    told: tuple[str, ...] = ()

    @property
    def ranks(self) -> NDArray[np.intp]:
        """Return the place of each class of ``spec`` in the order of precedence, 0 the one that wins."""
        order = self.merge.order
        return np.array([order.index(name) if name in order else len(order) for name in self.spec.classes])

    def layers(self, member: int, probability: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of a member, (k, ...), by the classes of ``spec``, (K, ...); 0 of one it lacks."""
        out = np.zeros((len(self.spec.classes), *probability.shape[1:]), dtype=np.float32)
        for name, layer in zip(self.members[member].classes, probability, strict=True):
            out[self.spec.classes.index(name)] = layer
        return out

    def numbers(self, member: int, zones: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Return the mask of a member by the numbers of the classes of ``spec``, (H, W); -1 where not observed."""
        number = np.full(256, -1, dtype=np.intp)
        own = self.members[member]
        for name, code in zip(own.classes, own.codes, strict=True):
            number[code] = self.spec.classes.index(name)
        return number[zones]


def unite(members: Sequence[ModelSpec], merge: Merge) -> United:
    """Return models with their classes united by name.

    A class has the code of the first model that knows it; one whose code is taken by then gets the next that is free.
    What is called "not" the other class of its model, as by ``binary``, is what is left where no model claims a pixel:
    in an order of precedence that does not name it, it is one class with what is left of the others.

    Parameters
    ----------
    members : sequence of ModelSpec
    merge : Merge
        Classes in an order may be named by their beginning, where it is that of one class alone.

    Raises
    ------
    UsageError
        If they cannot be merged in this way, with what to type instead.

    Examples
    --------
    >>> parts = dict(model="unet", bands=("b",))
    >>> clean = ModelSpec(name="c", classes=("other", "clean ice"), codes=(0, 1), **parts)
    >>> debris = ModelSpec(name="d", classes=("other", "debris"), codes=(0, 1), **parts)
    >>> both = unite([clean, debris], parse_merge("debris>clean"))
    >>> both.spec.classes, both.spec.codes, both.merge.text
    (('other', 'clean ice', 'debris'), (0, 1, 2), 'debris>clean ice')
    """
    _check_members(members)
    told: list[str] = []
    if merge.kind == PRECEDENCE:
        members, told = _one_rest(members, merge)
    codes: dict[str, int] = {}
    for spec in members:
        for name, code in zip(spec.classes, spec.codes, strict=True):
            if name not in codes:
                free = next((each for each in (code, *range(1, 256)) if each not in codes.values()), None)
                if free is None:
                    raise UsageError("the models have more than 255 classes together; merge fewer of them")
                codes[name] = free
            if codes[name] != code:
                told.append(f"the class {name} is {codes[name]} in the merged mask, {code} in that of {spec.name}")
    names = tuple(codes)
    whole = merge
    if merge.kind == PRECEDENCE:
        whole = replace(merge, order=_ordered(merge, names))
    else:
        _check_same_classes(members, merge)
    are_lines = merge.kind == MEAN and all(spec.zones == "line" for spec in members)
    spec = ModelSpec(
        name=f"{' + '.join(each.name for each in members)} by {whole.text}",
        model=" + ".join(each.model for each in members), bands=members[0].bands, classes=names,
        codes=tuple(codes.values()), zones="line" if are_lines else "argmax",
        frame=members[0].frame if are_lines else Frame(),
        trained_on="; ".join(dict.fromkeys(each.trained_on for each in members if each.trained_on)),
        licence="; ".join(dict.fromkeys(each.licence for each in members if each.licence)),
        made_by=members[0].made_by if len({each.made_by for each in members}) == 1 else "",
    )  # fmt: skip
    return United(spec, tuple(members), whole, tuple(dict.fromkeys(told)))


def _check_members(members: Sequence[ModelSpec]) -> None:
    if len(members) < 2:
        raise UsageError("--merge merges two models or more; name them with --weights a,b")
    for spec in members:
        if len(set(spec.classes)) < len(spec.classes):
            classes = ", ".join(spec.classes)
            raise UsageError(f"{spec.name} has two classes of one name ({classes}): classes are merged by their names")


def _check_same_classes(members: Sequence[ModelSpec], merge: Merge) -> None:
    first = members[0]
    for spec in members[1:]:
        if set(spec.classes) != set(first.classes):
            every = dict.fromkeys(name for each in members for name in each.classes)
            raise UsageError(
                f"--merge {merge.kind}: {first.name} knows {', '.join(first.classes)}, {spec.name} "
                f"{', '.join(spec.classes)}: of a class that one of them lacks there is no {merge.kind}; say which "
                f"class wins, such as --merge '{'>'.join(reversed(list(every)))}'"
            )


def _one_rest(members: Sequence[ModelSpec], merge: Merge) -> tuple[list[ModelSpec], list[str]]:
    """Return models in which all that the order does not name and that is called "not" a class has one name."""
    names = tuple(dict.fromkeys(name for spec in members for name in spec.classes))
    order = _whole_names(merge, names)
    left = [name for name in names if name not in order]
    denied = {name: other for spec in members if len(spec.classes) == 2
              for name, other in (spec.classes, spec.classes[::-1])
              if name in left and name.casefold() == f"not {other}".casefold()}  # fmt: skip
    known = [name for name in left if name not in denied]
    if not denied or len(left) < 2 or len(known) > 1:
        return list(members), []
    # Classes that a model tells apart stay apart.
    if any(len(set(spec.classes) & set(left)) > 1 for spec in members):
        return list(members), []
    rest = known[0] if known else f"not {' or '.join(dict.fromkeys(denied.values()))}"
    renamed = [
        replace(spec, classes=tuple(rest if name in denied else name for name in spec.classes)) for spec in members
    ]
    return renamed, [f"where no model claims a pixel it is {rest}: {', '.join(denied)} of the models are one with it"]


def _whole_names(merge: Merge, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the order by the whole names of classes."""
    found = []
    for word in merge.order:
        same = [name for name in names if name.casefold() == word.casefold()]
        same = same or [name for name in names if name.casefold().startswith(word.casefold())]
        if len(same) != 1:
            near = same or nearest_names(word, names) or list(names)
            what = "begins the names of several classes" if same else "is no class of the models"
            raise UsageError(f"--merge {merge.text}: '{word}' {what}; did you mean {', '.join(near)}?")
        found.append(same[0])
    if len(set(found)) < len(found):
        raise UsageError(f"--merge {merge.text}: {', '.join(found)}: a class is named twice; name each once")
    return tuple(found)


def _ordered(merge: Merge, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the order by the whole names of classes, all but at most one of them."""
    found = _whole_names(merge, names)
    rest = [name for name in names if name not in found]
    if len(rest) > 1:
        raise UsageError(
            f"--merge {merge.text}: {', '.join(rest)} have no place in the order, and the models may differ on them; "
            f"name all but one, such as '{'>'.join([*found, *rest[:-1]])}'"
        )
    return found


@dataclass(frozen=True, eq=False)
class MergedPixels:
    """What several models say of the same pixels.

    Attributes
    ----------
    probability : (K, H, W) float32
        Of the classes of the united models. By ``mean`` and ``vote`` the mean of theirs. By an order of precedence the
        probability that the rule gives the class, where each model's class is drawn from its own probabilities:
        ``prod_m P_m(rank >= k) - prod_m P_m(rank >= k + 1)``. NaN where any of them did not observe.
    zones : (H, W) uint8
        By the rule, of the masks of the models.
    disagreement : (H, W) float32
        0 to 1, NaN where not observed. Of models of the same classes the mutual information, see
        :func:`.uncertainty.mutual_information`; of models of different classes the largest probability, over pairs of
        them, that both give a class above the last one, and not the same one.
    """

    probability: NDArray[np.float32]
    zones: NDArray[np.uint8]
    disagreement: NDArray[np.float32]


def merge_pixels(
    united: United, probabilities: Sequence[NDArray[np.float32]], zones: Sequence[NDArray[np.uint8]]
) -> MergedPixels:
    """Return several models' answers about the same pixels as one.

    Parameters
    ----------
    united : United
    probabilities : sequence of (k, H, W) float32
        Of each member, by its own classes; NaN where it did not observe.
    zones : sequence of (H, W) uint8
        The mask of each, by its own codes.

    Raises
    ------
    InputError
        If they are not of the same pixels, or no pixel was observed by all.

    Examples
    --------
    >>> parts = dict(model="unet", bands=("b",))
    >>> clean = ModelSpec(name="c", classes=("other", "clean"), codes=(0, 1), **parts)
    >>> debris = ModelSpec(name="d", classes=("other", "debris"), codes=(0, 2), **parts)
    >>> both = unite([clean, debris], parse_merge("debris>clean"))
    >>> of_clean = np.array([[[0.1, 0.1, 0.9]], [[0.9, 0.9, 0.1]]], np.float32)
    >>> of_debris = np.array([[[0.2, 0.8, 0.8]], [[0.8, 0.2, 0.2]]], np.float32)
    >>> masks = [np.array([[1, 1, 0]], np.uint8), np.array([[2, 0, 0]], np.uint8)]
    >>> made = merge_pixels(both, [of_clean, of_debris], masks)
    >>> made.zones.tolist(), (100 * made.probability[:, 0, 0]).round().tolist()
    ([[2, 1, 0]], [2.0, 18.0, 80.0])
    >>> (100 * made.disagreement).round().tolist()
    [[72.0, 18.0, 2.0]]
    """
    shapes = {(*each.shape[1:], *mask.shape) for each, mask in zip(probabilities, zones, strict=True)}
    if len(shapes) != 1 or len(probabilities) != len(united.members):
        raise InputError(f"pixels of {counted(len(probabilities), 'models')} given, in the shapes {sorted(shapes)}; "
                         "those of "
                         f"{counted(len(united.members), 'models')} expected, in one")  # fmt: skip
    observed = np.logical_and.reduce([np.isfinite(each).all(axis=0) for each in probabilities])
    if not observed.any():
        raise InputError("no pixel was seen by all of the models; there is nothing to merge")
    layers = np.stack([united.layers(place, each) for place, each in enumerate(probabilities)])
    numbers = np.stack([united.numbers(place, each) for place, each in enumerate(zones)])
    classes = {frozenset(spec.classes) for spec in united.members}
    disagreement = mutual_information(layers) if len(classes) == 1 else _conflict(united, layers)
    merged = merged_probability(united, layers)
    if united.merge.kind == PRECEDENCE:
        ranks = np.where(numbers < 0, len(united.spec.classes), united.ranks[numbers])
        winner = np.take_along_axis(numbers, ranks.argmin(axis=0)[None], axis=0)[0]
    elif united.merge.kind == VOTE:
        votes = np.stack([(numbers == k).sum(axis=0) for k in range(len(united.spec.classes))])
        # Where as many give another class, the more probable one.
        winner = (votes + 0.5 * np.nan_to_num(merged)).argmax(axis=0)
    else:
        winner = np.nan_to_num(merged).argmax(axis=0)
    codes = np.array(united.spec.codes, dtype=np.uint8)
    mask = np.where(observed, codes[np.maximum(winner, 0)], united.spec.unobserved).astype(np.uint8)
    merged[:, ~observed] = np.nan
    return MergedPixels(merged, mask, np.where(observed, disagreement, np.nan).astype(np.float32))


def merged_probability(united: United, layers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the merged probabilities, (K, H, W), of those of each member by the united classes, (M, K, H, W).

    See :attr:`MergedPixels.probability`.
    """
    if united.merge.kind != PRECEDENCE:
        return np.asarray(layers.mean(axis=0, dtype=np.float32))
    ranks = united.ranks
    out = np.zeros(layers.shape[1:], dtype=np.float32)
    below = np.ones(layers.shape[2:], dtype=np.float64)
    for rank in range(int(ranks.max()) + 1):
        # That none of them gives a class of this rank or one before it.
        after = np.prod(layers[:, ranks > rank].sum(axis=1, dtype=np.float64), axis=0)
        out[int(np.flatnonzero(ranks == rank)[0])] = np.maximum(below - after, 0)
        below = after
    return out


def _conflict(united: United, layers: NDArray[np.float32]) -> NDArray[np.floating]:
    """Return how probable it is that two members claim a pixel for different classes above the last one."""
    shown = layers[:, united.ranks < united.ranks.max()].astype(np.float64)
    pairs = [one.sum(axis=0) * other.sum(axis=0) - (one * other).sum(axis=0) for one, other in combinations(shown, 2)]
    return np.clip(np.max(pairs, axis=0), 0, 1)
