"""One training of a comparison, and the scores of its test part, in a folder of its own: done once."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.documents import read_json
from glaciertime.errors import GlacierTimeError, one_line
from glaciertime.pipeline.comparison.expansion import Run
from glaciertime.pipeline.comparison.merged import merge_key, merged_judge, summed
from glaciertime.pipeline.comparison.parts import Opened, opened_for, parts_of
from glaciertime.pipeline.comparison.plan import FACTORS
from glaciertime.scenes.datasets.sample import SIMULATED, TrainingSample
from glaciertime.scenes.datasets.splits import Split
from glaciertime.segment.judge.boundaries import FRONT_CLASSES
from glaciertime.segment.judge.class_matching import match_classes
from glaciertime.segment.judge.evaluation import Judged, judge_sample, scene_of
from glaciertime.segment.judge.scores import mean_over_classes, score_sums
from glaciertime.segment.judge.sums import sum_image
from glaciertime.segment.teach.config import TrainConfig, read_config
from glaciertime.writing import write_bytes

__all__ = ["COLUMNS", "Task", "as_table", "folder_of", "held_rows", "perform", "task_of"]

#: Of the results: what the run was, what was scored, and the score.
COLUMNS = (
    "run", *FACTORS, "candidate", "seed", "split", "glacier", "scene", "date", "sensor", "sample", "class", "metric",
    "value", "source", "status", "reason",
)  # fmt: skip
KEPT = "scores.json"
WEIGHTS = "weights.safetensors"
#: Settings that change no number: where the data lie, and what computes.
_ELSEWHERE = ("root", "workers", "devices")
_log = logging.getLogger(__name__)
#: What runs are made by: raised where the same settings give other numbers.
_VERSION = 1


@dataclass(frozen=True)
class Task:
    """A run, with what tells it from every other: its settings, its images and how they are parted.

    Attributes
    ----------
    run : Run
    key : str
        SHA-256 of all that its numbers follow from.
    folder : Path
        Of its own.
    split_seed : int
    is_tested : bool
        Whether its test part is scored; else only the validation part was, as a search does.
    train : tuple of int
        Images that it learns from.
    images : frozenset of str
        SHA-256 of each image that it is tested on.
    members : tuple of Task
        Whose models are merged, where nothing is trained.
    """

    run: Run
    key: str
    folder: Path
    split_seed: int
    is_tested: bool = True
    train: tuple[int, ...] = ()
    images: frozenset[str] = frozenset()
    members: tuple[Task, ...] = ()


def task_of(
    run: Run, *, opened: Opened, split: Split, out: Path, split_seed: int, is_tested: bool = True,
    members: Sequence[Task] = (),
) -> Task:  # fmt: skip
    """Return what is to be done for a run, and where."""
    images = frozenset(opened.selected.digests[at] for at in split.test)
    if members:
        key = merge_key(run, opened, split, [one.key for one in members])
        return Task(run, key, folder_of(run, key, out=out), split_seed, images=images, members=tuple(members))
    config = run.config.model_dump(mode="json")
    # Where the data lie changes no number.
    told = {name: value for name, value in config.items() if name not in _ELSEWHERE}
    parts = {name: [opened.selected.infos[at].name for at in getattr(split, name)]
             for name in ("train", "validation", "test")}  # fmt: skip
    held = {"version": _VERSION, "settings": told, "data": opened.digest, "parts": parts, "bands": list(run.bands)}
    key = hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()
    return Task(run, key, folder_of(run, key, out=out), split_seed, is_tested, split.train, images)


def folder_of(run: Run, key: str, *, out: Path) -> Path:
    """Return the folder of a run: named for a reader, and by the hash of all that its numbers follow from."""
    levels = [str(level) for level in run.condition if level not in ("", "all", 0)]
    words = re.sub(r"[^\w.=+-]+", "_", "-".join([*levels, f"s{run.seed}"]))[:80]
    return out / "runs" / f"{words}-{key[:12]}"


def held_rows(task: Task) -> list[dict[str, Any]] | None:
    """Return the rows that a run has left; None where it has not ended, or something else lies there."""
    path = task.folder / KEPT
    if not path.is_file():
        return None
    try:
        held = read_json(path, what=str(path), remedy="the run is done again")
        if held["key"] != task.key or (task.is_tested and not held["tested"]):
            return None
        if held["sha256"] != _digest(held["rows"]):
            _log.warning("%s has changed since it was written: the run is scored again", path)
            return None
        return [dict(zip(held["columns"], row, strict=True)) for row in held["rows"]]
    except (GlacierTimeError, KeyError, TypeError, ValueError):
        _log.warning("%s is damaged: the run is scored again", path)
        return None


def perform(task: Task, *, threads: int = 0) -> tuple[Task, list[dict[str, Any]], str]:
    """Train, or go on where a training stopped, and score; return the rows, or the reason why there are none."""
    try:
        return task, _perform(task, threads=threads), ""
    except GlacierTimeError as error:
        return task, [], one_line(str(error))
    except (RuntimeError, MemoryError, OSError, ValueError) as error:
        # One run that a library cannot do is a row with its reason, not the end of the others.
        _log.warning("%s: %s", task.run.name, error, exc_info=True)
        return task, [], one_line(f"{type(error).__name__}: {error}")[:500]


def _perform(task: Task, *, threads: int) -> list[dict[str, Any]]:
    opened = opened_for(task.run)
    split = parts_of(task.run, opened, split_seed=task.split_seed)
    task.folder.mkdir(parents=True, exist_ok=True)
    make = _merged_rows if task.members else _trained_rows
    rows = make(task, opened, split, threads=threads)
    columns = ["split", "glacier", "scene", "date", "sensor", "sample", "class", "metric", "value"]
    values = [[row[name] for name in columns] for row in rows]
    held = {
        "description": "glaciertime compare", "key": task.key, "tested": task.is_tested, "name": task.run.name,
        "sha256": _digest(values), "columns": columns, "rows": values,
    }  # fmt: skip
    write_bytes(task.folder / KEPT, (json.dumps(held, allow_nan=False) + "\n").encode(), overwrite=True)
    return rows


def _merged_rows(task: Task, opened: Opened, split: Split, *, threads: int) -> list[dict[str, Any]]:
    """Return the rows of models that are merged; each has ended before."""
    names, judge = merged_judge(task.run, opened, [one.folder / WEIGHTS for one in task.members], threads=threads)
    together = summed([held_rows(one) or [] for one in task.members])
    rows = [_row("train", metric=name, value=value) for name, value in together.items()]
    return rows + _scene_rows(opened, split.test, names, judge, part="test")


def _trained_rows(task: Task, opened: Opened, split: Split, *, threads: int) -> list[dict[str, Any]]:
    import torch

    from glaciertime.segment.predict.sampled import ready_model
    from glaciertime.segment.teach.continuing import STATE
    from glaciertime.segment.teach.training import train

    if threads:
        torch.set_num_threads(threads)
    run = task.run
    state = task.folder / STATE
    if state.is_file() and not (task.folder / WEIGHTS).is_file():
        # A training that is over would not write its weights again.
        state.unlink()
    # Of a training that goes on the time of its beginning is not known.
    goes_on = state.is_file()
    start, spent = time.perf_counter(), time.process_time()
    trained = train(
        opened.data, _as_begun(run.config, task.folder), out=task.folder, name=run.name, split=split, progress=False
    )
    times = None if goes_on else (time.perf_counter() - start, time.process_time() - spent)
    model = ready_model(str(trained.weights), threads=threads)
    rows = _run_rows(trained.history, run, times=times, weights=trained.weights)
    match = match_classes(model.spec.classes, opened.data.classes)
    bands = range(len(opened.data.bands))
    judge = functools.partial(judge_sample, model=model, match=match, bands=bands)
    for part in ("validation", *(("test",) if task.is_tested else ())):
        rows += _scene_rows(opened, getattr(split, part), match.names, judge, part=part)
    return rows


def _as_begun(config: TrainConfig, folder: Path) -> TrainConfig:
    """Return settings with what changes no number as a training that goes on has it: its data may have been moved."""
    try:
        was = read_json(folder / "config.json", what="", remedy="")
        return config.model_copy(update={name: getattr(read_config(was), name) for name in _ELSEWHERE})
    except (GlacierTimeError, TypeError):
        return config


def _digest(rows: Any) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _run_rows(
    history: Sequence[dict[str, float]], run: Run, *, times: tuple[float, float] | None, weights: Path
) -> list[dict[str, Any]]:
    """Return the rows of a training itself."""
    from glaciertime.segment.predict.weights import load_model

    larger = run.config.metric != "front"
    scored = [(row["score"], place) for place, row in enumerate(history) if np.isfinite(row.get("score", np.nan))]
    # Of equal ones the last is kept, as the training does.
    best = max(scored, key=lambda pair: (pair[0] if larger else -pair[0], pair[1])) if scored else None
    module = load_model(weights)[0]
    values: dict[str, float | None] = {
        "epochs": float(len(history)),
        "best_epoch": None if best is None else float(best[1] + 1),
        "validation_score": None if best is None else float(best[0]),
        "train_loss": _finite(history[-1].get("loss")) if history else None,
        "validation_loss": _finite(history[best[1] if best else -1].get("validation_loss")) if history else None,
        "train_s": None if times is None else times[0],
        "train_cpu_s": None if times is None else times[1],
        "parameters_m": sum(one.numel() for one in module.parameters() if one.requires_grad) / 1e6,
        "size_mb": weights.stat().st_size / 1e6,
    }
    return [_row("train", metric=name, value=value) for name, value in values.items() if value is not None]


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _scene_rows(
    opened: Opened, places: Sequence[int], classes: Sequence[str], judge: Callable[[TrainingSample], Judged], *,
    part: str,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the counts and scores of each image of a part, of each class and of all."""
    data = opened.data
    names = [name.casefold() for name in classes]
    front = (names.index(FRONT_CLASSES[0]), names.index(FRONT_CLASSES[1])) if set(FRONT_CLASSES) <= set(names) else None
    rows: list[dict[str, Any]] = []
    for place in places:
        info = data.infos[place]
        judged = judge(data[place])
        if not judged.valid.any():
            continue
        sums = sum_image(
            judged.probability, judged.predicted, judged.labels, valid=judged.valid, tolerance_px=2.0, front=front,
            pixel_m=info.resolution_m, sides_m=info.sides_m,
        )  # fmt: skip
        table = score_sums(sums)
        glacier, scene = scene_of(info)
        about = {
            "glacier": glacier, "scene": scene, "date": "" if info.date is None else info.date.isoformat(),
            "sensor": info.sensor, "sample": info.name,
        }  # fmt: skip
        counts, labelled, predicted = sums.confusion, sums.confusion.sum(axis=1), sums.confusion.sum(axis=0)
        for label, name in enumerate(classes):
            hit = counts[label, label]
            values = {
                "tp": hit, "fp": predicted[label] - hit, "fn": labelled[label] - hit,
                "tn": counts.sum() - labelled[label] - predicted[label] + hit,
                **{key: table.of_classes[key][label] for key in _OF_CLASSES},
            }  # fmt: skip
            rows += [_row(part, metric=key, value=float(value), of=name, **about)
                     for key, value in values.items() if np.isfinite(value)]  # fmt: skip
        whole = {key: mean_over_classes(table.of_classes[key])[0] for key in _OF_CLASSES}
        whole |= {key: table.of_all[key] for key in _OF_ALL}
        if front is not None:
            whole |= {"front_sum_px": sums.front[0], "front_count": sums.front[1],
                      "front_labelled": sums.front[4], "front_missed": sums.front[5]}  # fmt: skip
        rows += [_row(part, metric=key, value=float(value), of="all", **about)
                 for key, value in whole.items() if np.isfinite(value)]  # fmt: skip
    return rows


_OF_CLASSES = ("iou", "dice", "precision", "recall", "mcc", "boundary_f1")
_OF_ALL = ("pixel_accuracy", "mcc_gorodkin", "front_error_px", "front_error_m")


def _row(part: str, *, metric: str, value: float, of: str = "all", **about: str) -> dict[str, Any]:
    known = {"glacier": "", "scene": "", "date": "", "sensor": "", "sample": "", **about}
    return {"split": part, **known, "class": of, "metric": metric, "value": value}


def as_table(done: Sequence[tuple[Task, list[dict[str, Any]], str]]) -> pd.DataFrame:
    """Return all rows of runs; one that failed is a row with its reason."""
    rows: list[dict[str, Any]] = []
    simulated = {task.run.data for task, *_ in done if task.run.config.data == "simulated"}
    for task, held, reason in done:
        run = task.run
        about = {"run": task.folder.name, **{factor: getattr(run, factor) for factor in FACTORS},
                 "candidate": run.candidate, "seed": run.seed}  # fmt: skip
        if reason:
            held = [_row("", metric="", value=float("nan"), of="")]
        rows += [{**about, **row, "status": "failed" if reason else "ok", "reason": reason} for row in held]
    for row in rows:
        is_simulated = row["glacier"].startswith(SIMULATED) or row["data"] in simulated
        row["source"] = "simulated" if is_simulated else "observed"
    return pd.DataFrame(rows, columns=list(COLUMNS))
