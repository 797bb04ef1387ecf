"""Which samples of any training data set are used, and which classes: asked in one place for every reader."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.dates import as_date, last_day, month_of
from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.naming import counted, fold_name, other_spellings
from glaciertime.scenes.datasets.legend import Legend, Relabelled, binary, chosen, folded, is_background, own_legend
from glaciertime.scenes.datasets.readable import Readable, readable_part
from glaciertime.scenes.datasets.readers import open_training_data, reader_fields
from glaciertime.scenes.datasets.sample import BandScaling, SampleInfo, TrainingData, TrainingSample, possible_days
from glaciertime.scenes.names import sensor_in_name

__all__ = ["Selected", "Selection", "by_what_is_known", "open_selection", "parse_months", "read_selection", "select"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is asked of samples; nothing by default.

    Attributes
    ----------
    start, end : datetime.date or None
        First and last day (UTC).
    months : tuple of int
        1 to 12.
    sensors, regions, glaciers : tuple of str
        Any of them; ``Landsat`` means every Landsat.
    classes : tuple of str
        Those that are told apart; the pixels of all others are ignored.
    fold_classes : mapping of a new name to the classes that become it
    binary : bool
        One class, or several as one, against all others.
    positive : tuple of str
        Which one; by default what is glacier ice.
    min_labelled : float
        Least share, 0 to 1, of pixels of a class that is no background; samples below it are left out.
    """

    start: dt.date | None = None
    end: dt.date | None = None
    months: tuple[int, ...] = ()
    sensors: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    glaciers: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    fold_classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    binary: bool = False
    positive: tuple[str, ...] = ()
    min_labelled: float = 0.0

    def __post_init__(self) -> None:
        if self.start and self.end and self.end < self.start:
            raise UsageError(f"--from {self.start} --to {self.end}: the first day comes after the last")
        if wrong := [month for month in self.months if not 1 <= month <= 12]:
            raise UsageError(f"--month {wrong[0]}: 1 to 12 expected")
        if self.positive and not self.binary:
            raise UsageError("--positive says which class is told from all others; it goes with --binary")
        if not 0 <= self.min_labelled <= 1:
            raise UsageError(f"--min-labelled {self.min_labelled:g}: a share from 0 to 1 expected, such as 0.1")


@dataclass
class Selected:
    """What of a data set is used.

    Attributes
    ----------
    data : TrainingData
        With its new legend.
    kept : tuple of int
        Which of its samples are used.
    told : tuple of str
        What was left out and what became of the classes, in sentences.
    problems : tuple of str
        A sentence for each sample that could not be read.
    digests : tuple of str
        SHA-256 of the image of each sample used.
    counts : (N, K) int64
        Labelled pixels of each class in each sample used.
    pixels : (N,) int64
        All pixels of each.
    """

    data: TrainingData
    kept: tuple[int, ...]
    infos: Sequence[SampleInfo]
    told: tuple[str, ...]
    problems: tuple[str, ...]
    digests: tuple[str, ...]
    counts: NDArray[np.int64]
    pixels: NDArray[np.int64]

    def __post_init__(self) -> None:
        self.bands, self.classes, self.codes = self.data.bands, self.data.classes, self.data.codes

    @property
    def scaling(self) -> BandScaling | None:
        """The scaling that the data set was published with."""
        return getattr(self.data, "scaling", None)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> TrainingSample:
        return replace(self.data[self.kept[index]], info=self.infos[index])

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    @property
    def labelled(self) -> tuple[str, ...]:
        """Return the classes that at least one pixel has."""
        seen = self.counts.sum(axis=0) > 0
        return tuple(name for name, is_there in zip(self.classes, seen, strict=True) if is_there)


def parse_months(given: Sequence[str | int]) -> tuple[int, ...]:
    """Return months, 1 to 12, from numbers, names and spans of them.

    Examples
    --------
    >>> parse_months(["6-8", "october", "11-1"])
    (1, 6, 7, 8, 10, 11, 12)
    """
    found: set[int] = set()
    for text in given:
        first, dash, last = str(text).partition("-")
        ends = [_month(part, text) for part in ((first, last) if dash else (first, first))]
        # From November to January is through the new year.
        found |= {(ends[0] - 1 + step) % 12 + 1 for step in range((ends[1] - ends[0]) % 12 + 1)}
    return tuple(sorted(found))


def _month(text: str, given: str | int) -> int:
    number = int(text) if text.strip().isdecimal() else month_of(text.strip())
    if number is None or not 1 <= number <= 12:
        raise UsageError(f"--month {given}: a month from 1 to 12, or 6-9 for June to September, expected")
    return number


def read_selection(settings: Mapping[str, Any]) -> Selection:
    """Return what settings of a training, or the same options of another command, ask of samples.

    Raises
    ------
    UsageError
        If a date or a month is none.
    """

    def day(name: str, option: str, read: Callable[[Any], dt.date]) -> dt.date | None:
        if not settings.get(name):
            return None
        try:
            return read(settings[name])
        except InputError as error:
            raise UsageError(f"{option} {settings[name]}: {error}") from error

    plain: dict[str, Any] = {
        name: tuple(settings.get(name) or ()) for name in ("sensors", "regions", "glaciers", "classes", "positive")
    }
    return Selection(
        start=day("date_from", "--from", as_date), end=day("date_to", "--to", last_day),
        months=parse_months(settings.get("months") or ()), fold_classes=dict(settings.get("fold_classes") or {}),
        binary=bool(settings.get("binary")), min_labelled=float(settings.get("min_labelled") or 0), **plain,
    )  # fmt: skip


def open_selection(
    name: str,
    *,
    root: Path,
    options: Mapping[str, Any] | None = None,
    selection: Selection | None = None,
    seen: Callable[[SampleInfo, TrainingSample], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Selected:
    """Open a data set by the name of its reader and return what is asked of it, see :func:`select`.

    A reader that has a binary form of its own (``binary`` among its options) is opened in it where two classes are
    asked for without saying which.
    """
    selection = selection or Selection()
    given = dict(options or {})
    is_plain = selection.binary and not (selection.positive or selection.fold_classes or selection.classes)
    if is_plain and "binary" in reader_fields(name):
        given.setdefault("binary", True)
    return select(
        open_training_data(name, root=root, options=given), selection, what=name, seen=seen, progress=progress
    )  # fmt: skip


def select(
    data: TrainingData,
    selection: Selection,
    *,
    what: str = "the data",
    seen: Callable[[SampleInfo, TrainingSample], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Selected:
    """Read a data set once and return what is asked of it.

    Parameters
    ----------
    data : TrainingData
    selection : Selection
    what : str
        What messages call the data.
    seen : callable, optional
        Called with each sample that is read, as the data set has it.
    progress : callable, optional
        Called with samples done and samples in all.

    Raises
    ------
    UsageError
        If samples do not know what is asked of them, or a class is unknown.
    InputError
        If nothing is left, or masks of two classes are given where several are expected.
    """
    legend = _legend(data, selection)
    infos, told = _one_spelling(data.infos)
    kept, dropped = by_what_is_known(infos, selection, what)
    told += dropped
    looked: list[tuple[str, NDArray[np.int64]]] = []
    observed: list[bool] = []

    def look(info: SampleInfo, sample: TrainingSample) -> None:
        digest = hashlib.sha256(f"{sample.image.shape}".encode() + sample.image.tobytes()).hexdigest()
        looked.append((digest, np.bincount(sample.labels.ravel(), minlength=256)))
        observed.append(bool(np.isfinite(sample.image).any()))
        if seen is not None:
            seen(info, sample)

    part = Readable(data, kept, tuple(getattr(data, "problems", ())))
    opened = readable_part(part, seen=look, progress=progress)
    if isinstance(opened, Readable) and opened is not part:
        kept = tuple(kept[index] for index in opened.kept)
    problems = tuple(getattr(opened, "problems", ()))
    raw = np.stack([counts for _, counts in looked])
    _check_masks(data, raw, selection, what)
    counts = np.stack(
        [raw[:, np.equal(legend.lookup, place)].sum(axis=1) for place in range(len(legend.classes))], axis=1
    )
    pixels = raw.sum(axis=1)
    left, dropped = _by_labels(counts, pixels, observed, legend, selection, what)
    told += (*dropped, *_equal([(infos[kept[index]].name, looked[index][0]) for index in left]))
    return Selected(
        data=Relabelled(data, legend), kept=tuple(kept[index] for index in left),
        infos=tuple(infos[kept[index]] for index in left), told=(*getattr(data, "told", ()), *legend.told, *told),
        problems=problems, digests=tuple(looked[index][0] for index in left), counts=counts[left], pixels=pixels[left],
    )  # fmt: skip


def _legend(data: TrainingData, selection: Selection) -> Legend:
    legend = own_legend(data)
    if selection.fold_classes:
        legend = folded(legend, selection.fold_classes)
    if selection.classes:
        legend = chosen(legend, selection.classes)
    return binary(legend, selection.positive) if selection.binary else legend


def _one_spelling(infos: Sequence[SampleInfo]) -> tuple[list[SampleInfo], tuple[str, ...]]:
    """Return samples whose glaciers are written in one way: two spellings would be on two sides of a split."""
    first: dict[str, str] = {}
    for info in infos:
        first.setdefault(fold_name(info.glacier), info.glacier)
    told = [
        f"{name} and {first[fold_name(name)]} are taken for one glacier"
        for name in sorted({info.glacier for info in infos})
        if first[fold_name(name)] != name
    ]
    names = sorted(set(first.values()) - {""})
    for place, name in enumerate(names):
        if near := other_spellings(name, names[place + 1 :]):
            told.append(f"{name} and {near[0]} are two glaciers here; write them alike if they are one")
    if not told:
        return list(infos), ()
    return [replace(info, glacier=first[fold_name(info.glacier)]) for info in infos], tuple(told)


def by_what_is_known(
    infos: Sequence[SampleInfo], selection: Selection, what: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return which samples are of the dates, sensors, regions and glaciers asked for, and what was left out."""
    left = list(range(len(infos)))
    told = []

    def keep(option: str, known: Callable[[SampleInfo], bool], holds: Callable[[SampleInfo], bool], of: str) -> None:
        nonlocal left
        if not any(known(info) for info in infos):
            raise UsageError(f"{option}: the samples of {what} say no {of}; leave {option} away")
        unknown = sum(not known(infos[index]) for index in left)
        found = [index for index in left if known(infos[index]) and holds(infos[index])]
        away = len(left) - len(found)
        if away:
            aside = f", {unknown} of them as their {of} is not known" if unknown else ""
            told.append(f"{option}: {away} of {counted(len(left), 'samples')} left out{aside}")
        left = found

    if selection.start or selection.end:
        start, end = selection.start or dt.date.min, selection.end or dt.date.max
        option = " ".join(
            f"{name} {day}" for name, day in (("--from", selection.start), ("--to", selection.end)) if day
        )
        keep(option, lambda info: info.date is not None, lambda info: _is_within(info, start, end), "date")
    if selection.months:
        keep(
            f"--month {','.join(map(str, selection.months))}",
            lambda info: info.date is not None and info.date_flag != "year-only",
            lambda info: info.date is not None and info.date.month in selection.months,
            "month",
        )
    for of, names, same in (
        ("sensor", selection.sensors, _is_sensor),
        ("region", selection.regions, _is_name),
        ("glacier", selection.glaciers, _is_name),
    ):
        if not names:
            continue
        known = sorted({str(getattr(info, of)) for info in infos} - {""})
        for name in names:
            if known and not any(same(name, one) for one in known):
                near = nearest_names(name, known) or known[:8]
                raise UsageError(f"--{of} {name}: {what} has none of it; nearest: {', '.join(near)}")
        wanted = {one for one in known if any(same(name, one) for name in names)}
        keep(f"--{of} {', '.join(names)}", partial(_is_among, of, set(known)), partial(_is_among, of, wanted), of)
    if not left:
        raise InputError(f"{what}: no sample is left; {'; '.join(told)}" if told else f"{what} holds no sample")
    return tuple(left), tuple(told)


def _is_among(of: str, names: set[str], info: SampleInfo) -> bool:
    return getattr(info, of) in names


def _is_within(info: SampleInfo, start: dt.date, end: dt.date) -> bool:
    """Return whether all that is known of a date lies within: of a year, its first day and its last."""
    if info.date is None:
        return False
    first, last = possible_days(info.date, info.date_flag)
    return start <= first and last <= end


def _is_name(asked: str, name: str) -> bool:
    return fold_name(asked) == fold_name(name)


def _is_sensor(asked: str, name: str) -> bool:
    """Return whether a sensor is the one asked for, by any of its names, or one of the family that was asked for."""
    asked_words, held_words = (
        [re.findall(r"[a-z]+|\d+", fold_name(text)) for text in (name, sensor_in_name(name)) if text]
        for name in (asked, name)
    )
    return any(words and held[: len(words)] == words for words in asked_words for held in held_words)


def _check_masks(data: TrainingData, raw: NDArray[np.int64], selection: Selection, what: str) -> None:
    """Refuse masks of two classes where a data set has several: 0 and 1, or 0 and 255, stand for no and yes there.

    A reader says as ``yes_or_no`` which labels such masks come out as.
    """
    pairs: Sequence[tuple[int, ...]] = getattr(data, "yes_or_no", ())
    found = set(np.flatnonzero(raw.sum(axis=0)[: len(data.classes)]).tolist())
    if selection.binary or selection.classes or selection.fold_classes or len(data.classes) < 3 or not found:
        return
    pair = next((pair for pair in pairs if found == set(pair)), None)
    if pair is not None:
        names = [data.classes[place] for place in pair]
        raise InputError(
            f"{what}: all masks hold {' and '.join(names)} only, as masks of yes and no do, where "
            f"{', '.join(data.classes)} are expected; give --binary for glacier or none, or if there is really "
            f'nothing else --classes "{",".join(names)}"'
        )


def _equal(images: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Tell of images that are there more than once."""
    names: dict[str, list[str]] = {}
    for name, digest in images:
        names.setdefault(digest, []).append(name)
    again = [held for held in names.values() if len(held) > 1]
    if not again:
        return ()
    return (f"{counted(sum(map(len, again)), 'images', 'are')} equal pixel for pixel ({', '.join(again[0][:3])})",)


def _by_labels(
    counts: NDArray[np.int64],
    pixels: NDArray[np.int64],
    observed: Sequence[bool],
    legend: Legend,
    selection: Selection,
    what: str,
) -> tuple[list[int], tuple[str, ...]]:
    """Return which samples have enough labelled pixels, and what was left out."""
    left, told = list(range(len(counts))), []
    for why, holds in (
        ("nothing was observed in them", observed),
        (f"no pixel of them is labelled {' or '.join(legend.classes)}", counts.sum(axis=1) > 0),
    ):
        found = [index for index in left if holds[index]]
        if len(found) < len(left):
            told.append(f"{len(left) - len(found)} of {counted(len(left), 'samples')} left out: {why}")
        left = found
    if selection.min_labelled:
        objects = [place for place, name in enumerate(legend.classes) if not is_background(name)]
        share = counts[:, objects].sum(axis=1) / np.maximum(pixels, 1)
        found = [index for index in left if share[index] >= selection.min_labelled]
        names = ", ".join(legend.classes[place] for place in objects)
        told.append(
            f"--min-labelled {selection.min_labelled:g}: {len(left) - len(found)} of "
            f"{counted(len(left), 'samples')} left out, "
            f"with less than {selection.min_labelled:.0%} of their pixels {names}"
        )
        left = found
    if not left:
        raise InputError(f"{what}: no sample is left; {'; '.join(told)}")
    return left, tuple(told)
