"""The images of a comparison, read once, and how they are parted: one way for every model and every seed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from glaciertime.errors import InputError, nearest_names
from glaciertime.naming import counted, fold_name
from glaciertime.pipeline.comparison.expansion import Run
from glaciertime.pipeline.comparison.plan import TrainPart
from glaciertime.scenes.datasets.band_choice import choose_bands
from glaciertime.scenes.datasets.named_splits import leaks
from glaciertime.scenes.datasets.sample import SampleInfo
from glaciertime.scenes.datasets.selection import Selected, by_what_is_known, open_selection, read_selection
from glaciertime.scenes.datasets.splits import Split

__all__ = ["Opened", "check_leaks", "opened_for", "parts_of"]


@dataclasses.dataclass(frozen=True)
class Opened:
    """The images of a data set in one modality.

    Attributes
    ----------
    selected : Selected
    data : TrainingData
        The same with the bands asked for.
    digest : str
        SHA-256 of all of them, images and labels.
    """

    selected: Selected
    data: Any
    digest: str


def opened_for(run: Run) -> Opened:
    """Return the images of a run, which runs of the same data share."""
    config = run.config
    settings = {name: getattr(config, name) for name in _SELECTED}
    return _open(config.data, str(config.root), _Frozen(config.data_options), _Frozen(settings), run.bands)


_SELECTED = (
    "date_from", "date_to", "months", "sensors", "regions", "glaciers", "classes", "fold_classes", "binary",
    "positive", "min_labelled",
)  # fmt: skip


class _Frozen:
    """A mapping that is equal to another of the same content, for a cache."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self._key = repr(sorted(values.items(), key=lambda pair: pair[0]))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and self._key == other._key


@lru_cache(maxsize=4)
def _open(reader: str, root: str, options: _Frozen, settings: _Frozen, bands: tuple[str, ...]) -> Opened:
    from pathlib import Path

    total = hashlib.sha256()

    def look(info: SampleInfo, sample: Any) -> None:
        total.update(info.name.encode("utf-8", "backslashreplace"))
        for part in (sample.image, sample.labels):
            total.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())

    selected = open_selection(
        reader, root=Path(root), options=options.values, selection=read_selection(settings.values), seen=look
    )
    total.update(repr((selected.classes, selected.codes, bands)).encode())
    return Opened(selected, choose_bands(selected, bands), total.hexdigest())


def parts_of(run: Run, opened: Opened, *, split_seed: int) -> Split:
    """Return the samples that a run learns from, chooses by and is tested on.

    The split is that of the data, whatever the seed of the training; what a region, a part to train on or a number of
    samples leaves out is left out of it afterwards, so that models that differ in these are tested on the same images.

    Raises
    ------
    InputError
        If a part is empty, or what is tested was trained on.
    """
    from glaciertime.segment.teach.training import make_split

    infos, digests = opened.selected.infos, opened.selected.digests
    config = run.config.model_copy(update={"seed": split_seed})
    split = make_split(opened.selected, config)
    train, validation, test = split.train, split.validation, split.test
    if run.region:
        held = _of_region(infos, run.region)
        train, validation, test = (tuple(at for at in part if at in held) for part in (train, validation, test))
    if run.part != TrainPart():
        held = _of_part(infos, run.part)
        train, validation = (tuple(at for at in part if at in held) for part in (train, validation))
    where = f"{run.data}" + (f", region {run.region}" if run.region else "")
    if not test:
        raise InputError(
            f"{where}: nothing is held out to test on; give `settings: {{test: [GLACIER]}}` or `split: glacier` to the "
            "data set"
        )
    if run.merge is not None:
        return Split(train=split.train, validation=(), test=test, told=split.told)
    if not train:
        raise InputError(f"{where}: nothing is left to train on with train_on '{run.train_on}'")
    if run.samples:
        if run.samples > len(train):
            raise InputError(
                f"{where}: {counted(run.samples, 'samples')} asked for, {len(train)} are there to train on"
            )
        order = np.random.default_rng([split_seed, 1]).permutation(len(train))
        train = tuple(sorted(train[at] for at in order[: run.samples]))
    found = Split(train=train, validation=validation, test=test, told=split.told)
    check_leaks(where, infos, digests, learned=(*train, *validation), test=test)
    if run.candidate and not validation:
        raise InputError(
            f"{where}: a search chooses on the validation part, and there is none; give validation glaciers or a "
            "validation_fraction"
        )
    return found


def check_leaks(
    where: str, infos: Sequence[SampleInfo], digests: Sequence[str], *, learned: Sequence[int], test: Sequence[int]
) -> None:
    """Refuse what is tested on images, scenes or ground that was learned from.

    Raises
    ------
    InputError
    """
    both = Split(train=tuple(learned), validation=(), test=tuple(test))
    shared = [told for told in leaks(infos, both, digests=digests) if told.startswith("leak")]
    if shared:
        raise InputError(f"{where}: {shared[0].removeprefix('leak: ')}; part the data by glacier or block")


def _of_region(infos: Sequence[SampleInfo], region: str) -> set[int]:
    known = sorted({info.region for info in infos} - {""})
    held = {at for at, info in enumerate(infos) if info.region and fold_name(info.region) == fold_name(region)}
    if not held:
        near = nearest_names(region, known) or known[:8] or ["none is known"]
        raise InputError(f"region {region}: no sample is of it; nearest: {', '.join(near)}")
    return held


def _of_part(infos: Sequence[SampleInfo], part: TrainPart) -> set[int]:
    """Return which samples are of a part to train on."""
    kept, _ = by_what_is_known(infos, read_selection(part.model_dump()), "the training part")
    return set(kept)
