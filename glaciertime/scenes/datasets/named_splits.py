"""Splits by name: by glacier, region, date, spatial block, at random or the data set's own; and what leaks in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.naming import agreeing, counted, fold_name
from glaciertime.scenes.datasets.sample import SampleInfo, possible_days
from glaciertime.scenes.datasets.splits import Split, drawn_units, split_by_own

__all__ = ["KINDS", "SplitPlan", "leaks", "parse_split", "split_named"]

KINDS = ("glacier", "region", "date", "block", "random", "own")
# Bounds that share an edge share no ground; rounding makes it a sliver.
_SLIVER = 1e-6


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """How samples are parted.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    day : datetime.date or None
        Of ``date``: what was taken before it is learned, what was taken from it on is the test part.
    test, validation : tuple of str
        Of ``glacier`` and ``region``: names to hold out; drawn at random where none is given.
    test_fraction, validation_fraction : float
        Shares of the samples.
    seed : int
        Equal seeds give equal parts.
    """

    kind: str
    day: dt.date | None = None
    test: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test_fraction: float = 0.2
    validation_fraction: float = 0.2
    seed: int = 0


def parse_split(text: str) -> tuple[str, dt.date | None]:
    """Return kind and day of a split as it is typed: ``random``, ``glacier``, ``date:2015-01-01``.

    Examples
    --------
    >>> parse_split("block"), parse_split("date:2015")
    (('block', None), ('date', datetime.date(2015, 1, 1)))
    """
    from glaciertime.dates import as_date

    kind, colon, rest = text.partition(":")
    if kind not in KINDS:
        near = nearest_names(kind, KINDS) or list(KINDS)
        raise UsageError(f"--split {text}: no such split; nearest: {', '.join(near)}")
    if (kind == "date") != bool(colon):
        raise UsageError(
            f"--split {text}: give the first day of the test part, --split date:2015-01-01" if kind == "date"
            else f"--split {text}: only date takes a value"
        )  # fmt: skip
    return kind, as_date(rest) if colon else None


def split_named(infos: Sequence[SampleInfo], plan: SplitPlan, *, digests: Sequence[str] = ()) -> Split:
    """Part samples; what a reader of the scores should know of it is in ``told``.

    Parameters
    ----------
    infos : sequence of SampleInfo
    plan : SplitPlan
    digests : sequence of str, optional
        Of the image of each sample: equal ones on two sides are told.

    Raises
    ------
    UsageError, InputError
        If the samples do not know what they are to be parted by, nothing is left to train on, or tiles that overlap
        would lie on both sides.

    Examples
    --------
    >>> infos = [SampleInfo(str(i), f"G{i % 5}") for i in range(10)]
    >>> split = split_named(infos, SplitPlan(kind="random"))
    >>> len(split.train), len(split.validation), len(split.test)
    (6, 2, 2)
    """
    shares = (plan.test_fraction, plan.validation_fraction)
    if not (min(shares) >= 0 and sum(shares) < 1):
        raise InputError(
            f"shares {shares[0]:g} for test and {shares[1]:g} for validation: less than 1 together expected"
        )
    if plan.kind not in ("glacier", "region") and (plan.test or plan.validation):
        raise UsageError(f"--split {plan.kind} with names to hold out ({', '.join((*plan.test, *plan.validation))}): "
                         "they go with --split glacier or region")  # fmt: skip
    split = _PARTED[plan.kind](infos, plan)
    if plan.kind in ("random", "own"):
        _refuse_shared_pixels(infos, split, plan)
    return replace(split, told="; ".join((split.told, *leaks(infos, split, digests=digests))))


def _by_unit(infos: Sequence[SampleInfo], plan: SplitPlan, keys: Sequence[str], unit: str) -> Split:
    """Hold whole units out: those named, the others drawn at random near the share asked for."""
    names = {fold_name(key): key for key in keys if key}
    if not names:
        raise UsageError(
            f"--split {unit}: the samples say no {unit}; part them another way, for example --split random"
        )
    missing = sum(not key for key in keys)
    parts = []
    for given in (plan.test, plan.validation):
        for name in given:
            if fold_name(name) not in names:
                near = nearest_names(name, names.values()) or sorted(names.values())[:8]
                raise UsageError(f"{unit} '{name}' to hold out is not in the data; nearest: {', '.join(near)}")
        parts.append({names[fold_name(name)] for name in given})
    test, validation = parts
    if both := sorted(test & validation):
        raise UsageError(f"{', '.join(both)}: held out for test and for validation; name each once")
    rng = np.random.default_rng(plan.seed)
    if not plan.test and plan.test_fraction:
        test = drawn_units(keys, plan.test_fraction * len(infos), validation | {""}, rng)
    if not plan.validation and plan.validation_fraction:
        validation = drawn_units(keys, plan.validation_fraction * len(infos), test | {""}, rng)
    places = range(len(infos))
    train = tuple(place for place in places if keys[place] and keys[place] not in test | validation)
    if not train:
        raise InputError(
            f"--split {unit}: {len(set(names.values()))} of them, and none is left to train on; hold fewer out, or "
            "part by --split block, date or random"
        )
    told = f"parted by {unit}: {len(set(keys) - test - validation - {''})} to train on"
    for name, units in (("validation", validation), ("test", test)):
        shown = ", ".join(sorted(units)[:8]) + (", ..." if len(units) > 8 else "")
        told += f", {len(units)} for {name}" + (f" ({shown})" if units and unit != "block" else "")
    told += f"; {counted(missing, 'samples')} of no {unit} {agreeing(missing, 'are')} not used" if missing else ""
    return Split(
        train=train, validation=tuple(p for p in places if keys[p] in validation),
        test=tuple(p for p in places if keys[p] in test), told=told,
    )  # fmt: skip


def _by_glacier(infos: Sequence[SampleInfo], plan: SplitPlan) -> Split:
    return _by_unit(infos, plan, [info.glacier for info in infos], "glacier")


def _by_region(infos: Sequence[SampleInfo], plan: SplitPlan) -> Split:
    return _by_unit(infos, plan, [info.region for info in infos], "region")


def _by_block(infos: Sequence[SampleInfo], plan: SplitPlan) -> Split:
    """Hold whole blocks of ground out, without the training samples that overlap one of them."""
    keys = [f"{info.glacier}/{info.block}".strip("/") if info.block else "" for info in infos]
    split = _by_unit(infos, plan, keys, "block")
    over = _overlapping(infos, split.train, (*split.test, *split.validation))
    # A validation sample over a test one would choose the checkpoint by what is tested.
    over |= _overlapping(infos, split.validation, split.test)
    if len(set(keys)) == len(keys) and not any(info.bounds for info in infos):
        split = replace(split, told=f"{split.told}; each sample is a block of its own, neighbours may be on both sides")
    if not over:
        return split
    train, validation = (tuple(p for p in part if p not in over) for part in (split.train, split.validation))
    told = (
        f"{split.told}; {counted(len(over), 'samples')} over the edge of a block {agreeing(len(over), 'are')} not used"
    )
    return Split(train=train, validation=validation, test=split.test, told=told)


def _by_date(infos: Sequence[SampleInfo], plan: SplitPlan) -> Split:
    """Learn from what was taken before a day, choose the checkpoint by the last of it, test on what came after."""
    if plan.day is None:
        raise UsageError("--split date: give the first day of the test part, --split date:2015-01-01")
    known = [place for place, info in enumerate(infos) if info.date is not None]
    if not known:
        raise UsageError("--split date: the samples say no date; part them another way, for example --split random")
    before, after = [], []
    for place in known:
        first, last = _days(infos[place])
        if last < plan.day:
            before.append(place)
        elif first >= plan.day:
            after.append(place)
    if not before or not after:
        days = sorted(_days(infos[place])[0] for place in known)
        raise InputError(f"--split date:{plan.day}: {'nothing' if not before else 'all'} was taken before that day; "
                         f"the samples are of {days[0]} to {days[-1]}")  # fmt: skip
    days = sorted({_days(infos[place])[0] for place in before})
    wanted = plan.validation_fraction * (len(before) + len(after))
    held: list[int] = []
    for day in reversed(days[1:]):
        more = [place for place in before if _days(infos[place])[0] == day]
        if abs(len(held) + len(more) - wanted) >= abs(len(held) - wanted):
            break
        held += more
    unused = len(infos) - len(before) - len(after)
    told = f"parted by date: {counted(len(after), 'samples')} from {plan.day} on for test"
    if held:
        told += f", {len(held)} from {min(_days(infos[place])[0] for place in held)} on for validation"
    told += (
        f"; {counted(unused, 'samples')} whose day is not known well enough {agreeing(unused, 'are')} not used"
        if unused
        else ""
    )
    train = tuple(place for place in before if place not in set(held))
    return Split(train=train, validation=tuple(sorted(held)), test=tuple(after), told=told)


def _days(info: SampleInfo) -> tuple[dt.date, dt.date]:
    """Return the first and the last day that a sample can be of."""
    assert info.date is not None
    return possible_days(info.date, info.date_flag)


def _at_random(infos: Sequence[SampleInfo], plan: SplitPlan) -> Split:
    order = [int(place) for place in np.random.default_rng(plan.seed).permutation(len(infos))]
    test = round(plan.test_fraction * len(infos))
    rest = test + round(plan.validation_fraction * len(infos))
    if rest >= len(infos):
        raise InputError(f"--split random: {counted(len(infos), 'samples', 'are')} too few for parts of these shares")
    return Split(
        train=tuple(sorted(order[rest:])), validation=tuple(sorted(order[test:rest])), test=tuple(sorted(order[:test])),
        told=f"parted at random: {len(order) - rest} to train on, {rest - test} for validation, {test} for test",
    )  # fmt: skip


def _own(infos: Sequence[SampleInfo], plan: SplitPlan) -> Split:
    split = split_by_own(infos)
    return replace(split, told=f"the data set's own parts: {counted(len(split.train), 'samples')} to train on, "
                               f"{len(split.validation)} for validation, {len(split.test)} for test")  # fmt: skip


_PARTED: dict[str, Callable[[Sequence[SampleInfo], SplitPlan], Split]] = {
    "glacier": _by_glacier, "region": _by_region, "date": _by_date, "block": _by_block, "random": _at_random,
    "own": _own,
}  # fmt: skip


def leaks(infos: Sequence[SampleInfo], split: Split, *, digests: Sequence[str] = ()) -> list[str]:
    """Return in sentences what is on both sides: tiles of one scene, equal images, the same ground, one glacier.

    The sides are what is trained on, and what a checkpoint is chosen by or a score is given for.
    """
    held = (*split.validation, *split.test)
    told = []
    for what, key in (
        ("scene", lambda place: infos[place].scene),
        ("glacier", lambda place: infos[place].glacier),
    ):
        both = ({key(place) for place in split.train} & {key(place) for place in held}) - {""}
        count = sum(key(place) in both for place in held)
        if both and what == "scene":
            told.append(
                f"leak: tiles of {_some('scene', both)} are on both sides, {count} of {len(held)} held-out tiles among "
                "them: scores are not those of a new scene"
            )
        elif both:
            told.append(f"{_some('glacier', both)} on both sides: scores are not those of a new glacier")
    if digests:
        learned = {digests[place] for place in split.train}
        if again := [infos[place].name for place in held if digests[place] in learned]:
            told.append(f"leak: {len(again)} held-out images are also trained on, pixel for pixel ({again[0]})")
    if over := _overlapping(infos, held, split.train):
        told.append(
            f"leak: {len(over)} of {len(held)} held-out samples show ground that is trained on: scores are not those "
            "of a new place"
        )
    return told


def _some(what: str, names: set[str]) -> str:
    first = min(names)
    return f"{what} {first}" if len(names) == 1 else f"{len(names)} {what}s ({first}, ...)"


def _overlapping(infos: Sequence[SampleInfo], ones: Sequence[int], others: Sequence[int]) -> set[int]:
    """Return which of some samples share ground with any of the others."""
    boxes: dict[str, list[int]] = {}
    for place in others:
        if infos[place].ground and len(infos[place].bounds) == 4:
            boxes.setdefault(infos[place].ground, []).append(place)
    trees = {
        ground: shapely.STRtree([shapely.box(*infos[place].bounds) for place in places])
        for ground, places in boxes.items()
    }
    found = set()
    for place in ones:
        info = infos[place]
        if info.ground in trees and len(info.bounds) == 4:
            west, south, east, north = info.bounds
            dx, dy = _SLIVER * (east - west), _SLIVER * (north - south)
            inner = shapely.box(west + dx, south + dy, east - dx, north - dy)
            if len(trees[info.ground].query(inner, predicate="intersects")):
                found.add(place)
    return found


def _refuse_shared_pixels(infos: Sequence[SampleInfo], split: Split, plan: SplitPlan) -> None:
    """Refuse tiles of one scene that overlap and lie on both sides: the same pixels would be learned and scored."""
    scenes: dict[str, tuple[list[int], list[int]]] = {}
    for side, part in enumerate((split.train, (*split.validation, *split.test))):
        for place in part:
            if infos[place].scene:
                scenes.setdefault(infos[place].scene, ([], []))[side].append(place)
    for scene, (train, held) in scenes.items():
        if over := _overlapping(infos, held, train):
            raise InputError(
                f"--split {plan.kind}: {len(over)} held-out tiles of scene {scene} overlap tiles that are trained on: "
                "the same pixels would be learned and scored; part by --split block or glacier, or cut tiles that do "
                "not overlap (stride not below tile)"
            )
