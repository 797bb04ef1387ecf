"""Models of several data sets, each of some of the classes, tested as one: what is merged, and how it is judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from glaciertime.errors import InputError
from glaciertime.pipeline.comparison.expansion import Run
from glaciertime.pipeline.comparison.parts import Opened, check_leaks
from glaciertime.scenes.datasets.sample import TrainingSample
from glaciertime.scenes.datasets.splits import Split
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.judge.class_matching import match_classes
from glaciertime.segment.judge.evaluation import Judged, judge_mask
from glaciertime.segment.predict.merging import United, parse_merge, unite
from glaciertime.segment.predict.sampled import predict_merged, ready_model

__all__ = ["check_merge", "member_runs", "merge_key", "merged_judge", "summed"]

#: Of a merged model they are those of its members together.
_SUMMED = ("parameters_m", "size_mb", "train_s", "train_cpu_s")


def member_runs(run: Run) -> list[tuple[Any, ...]]:
    """Return what the runs that a run merges are called: their data sets with the levels and the seed of its own."""
    assert run.merge is not None
    return [(replace(run, data=name).condition, run.seed) for name in run.merge.of]


def united_of(rule: str, members: Sequence[ModelSpec], *, labels: Sequence[str]) -> United:
    """Return models as one, by the classes of the labels.

    What stands in a model for all that it does not tell apart, and is no class of the labels, is the one class of the
    labels that no model tells from others.

    Raises
    ------
    UsageError
        If they cannot be merged by the rule.
    InputError
        If it is not clear which class of the labels the rest is.
    """
    told_apart = {name for spec in members for name in spec.classes} & set(labels)
    rest = [name for name in labels if name not in told_apart] or [labels[0]]
    renamed = []
    for spec in members:
        unknown = [name for name in spec.classes if name not in labels]
        if len(unknown) > 1 or (unknown and (len(rest) > 1 or rest[0] in spec.classes)):
            raise InputError(
                f"{spec.name} knows {', '.join(spec.classes)}, the labels are {', '.join(labels)}: which of these "
                f"{' and '.join(unknown)} is cannot be told; train on data whose classes are among them, or `binary`"
            )
        renamed.append(replace(spec, classes=tuple(rest[0] if name in unknown else name for name in spec.classes)))
    united = unite(renamed, parse_merge(rule))
    match_classes(united.spec.classes, labels)
    return united


def check_merge(run: Run, opened: Opened, split: Split, members: Mapping[str, tuple[Run, Opened, Split]]) -> None:
    """Refuse, before anything is trained, what could not be merged or tested.

    Parameters
    ----------
    run : Run
    opened, split
        Of the images that the merged model is tested on.
    members : mapping of str to (Run, Opened, Split)
        Of the data sets that it is of.

    Raises
    ------
    InputError
        If bands or classes do not fit, or a model has learned from what is tested.
    UsageError
        If classes cannot be merged by the rule.
    """
    assert run.merge is not None
    specs = []
    for name, (member, data, parts) in members.items():
        if tuple(data.data.bands) != tuple(opened.data.bands):
            raise InputError(
                f"{run.data}: its bands are {', '.join(opened.data.bands)}, those of {name} "
                f"{', '.join(data.data.bands)}; merge models of the same bands"
            )
        learned = (*parts.train, *parts.validation)
        first = len(opened.selected.infos)
        check_leaks(
            f"{run.data}, of what {name} has learned from", [*opened.selected.infos, *data.selected.infos],
            [*opened.selected.digests, *data.selected.digests], learned=[first + at for at in learned],
            test=split.test,
        )  # fmt: skip
        specs.append(
            ModelSpec(name=name, model=member.model, bands=tuple(data.data.bands), classes=tuple(data.data.classes),
                      codes=tuple(data.data.codes))
        )  # fmt: skip
    united_of(run.merge.rule, specs, labels=opened.data.classes)


def merge_key(run: Run, opened: Opened, split: Split, keys: Sequence[str]) -> str:
    """Return the SHA-256 of all that the numbers of a merged model follow from."""
    assert run.merge is not None
    held = {
        "merge": run.merge.rule, "members": list(keys), "data": opened.digest,
        "test": [opened.selected.infos[at].name for at in split.test],
    }  # fmt: skip
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def merged_judge(
    run: Run, opened: Opened, weights: Sequence[Path], *, threads: int = 0
) -> tuple[tuple[str, ...], Callable[[TrainingSample], Judged]]:
    """Return the classes that a merged model is scored by, and what judges it on an image."""
    assert run.merge is not None
    models = [ready_model(str(path), threads=threads) for path in weights]
    labels = opened.data.classes
    united = united_of(run.merge.rule, [one.spec for one in models], labels=labels)
    match = match_classes(united.spec.classes, labels)

    def judge(sample: TrainingSample) -> Judged:
        info = sample.info
        mask = predict_merged(
            sample.image, models=models, united=united, name=info.name, pixel_m=info.resolution_m, sides_m=info.sides_m
        )
        return judge_mask(sample, mask, match=match)

    return match.names, judge


def summed(members: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Return what a merged model weighs and took: its members together; none where one is not known."""
    found = {}
    for metric in _SUMMED:
        values = [float(row["value"]) for rows in members for row in rows if row["metric"] == metric]
        if len(values) == len(members):
            found[metric] = sum(values)
    return found
