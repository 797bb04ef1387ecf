"""A comparison from its plan to its rows: what is done already is read, what is missing is done."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from glaciertime.errors import GlacierTimeError, InputError, one_line
from glaciertime.pipeline.comparison.expansion import Run, expand
from glaciertime.pipeline.comparison.merged import check_merge, member_runs
from glaciertime.pipeline.comparison.parts import Opened, opened_for, parts_of
from glaciertime.pipeline.comparison.performing import Task, as_table, folder_of, held_rows, perform, task_of
from glaciertime.pipeline.comparison.plan import ComparisonPlan
from glaciertime.processes import process_pool
from glaciertime.scenes.datasets.splits import Split

__all__ = ["Choice", "Conducted", "conduct", "planned"]

Rows = list[dict[str, Any]]
Done = tuple[Task, Rows, str]


@dataclass(frozen=True)
class Choice:
    """What a search chose for one condition, by the validation part alone.

    Attributes
    ----------
    condition : tuple
        Of each factor.
    candidate : str
    score : float
        Mean of its seeds.
    metric : str
    tried : int
        Settings whose seeds all ended.
    failed : int
        Settings of which a seed did not.
    """

    condition: tuple[Any, ...]
    candidate: str
    score: float
    metric: str
    tried: int
    failed: int


@dataclass
class Conducted:
    """What came of a comparison.

    Attributes
    ----------
    rows : DataFrame
        One row per run, scene, class and metric.
    choices : list of Choice
    told : list of str
        What was said of the data and of how they are parted.
    done, kept, failed : int
        Trainings done now, taken from before, and without a score.
    same_images : frozenset of frozenset of str
        Pairs of data sets that are tested on an image that both have.
    """

    rows: pd.DataFrame
    choices: list[Choice] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    done: int = 0
    kept: int = 0
    failed: int = 0
    same_images: frozenset[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Planned:
    """The trainings of a comparison: those that can be done, and those that cannot, with the reason."""

    tasks: tuple[Task, ...]
    refused: tuple[tuple[Task, str], ...]
    told: tuple[str, ...]


def planned(plan: ComparisonPlan, *, out: Path) -> Planned:
    """Return what is to be done, reading the data but training nothing."""
    tasks: dict[tuple[Any, ...], Task] = {}
    refused, told = [], []
    is_search = bool(plan.grid or plan.random)
    # What is merged comes after what it is of.
    for run in sorted(expand(plan), key=lambda one: one.merge is not None):
        try:
            opened = opened_for(run)
            split = parts_of(run, opened, split_seed=plan.split_seed)
            members = [] if run.merge is None else _members(run, opened, split, tasks, split_seed=plan.split_seed)
        except GlacierTimeError as error:
            refused.append((Task(run, "", folder_of(run, "refused", out=out), plan.split_seed), one_line(str(error))))
            continue
        where = f"{run.data}, {run.modality}" if run.modality != "all" else run.data
        said = [*opened.selected.told, *(filter(None, [split.told]))]
        told += [f"{where}: {one}" for one in said]
        tasks[run.condition, run.seed, run.candidate] = task_of(
            run, opened=opened, split=split, out=out, split_seed=plan.split_seed, is_tested=not is_search,
            members=members,
        )  # fmt: skip
    return Planned(tuple(tasks.values()), tuple(refused), tuple(dict.fromkeys(told)))


def _members(
    run: Run, opened: Opened, split: Split, tasks: Mapping[tuple[Any, ...], Task], *, split_seed: int
) -> list[Task]:
    """Return the trainings whose models a run merges, which are planned already.

    Raises
    ------
    InputError
        If one of them is not, or they cannot be merged.
    """
    found, parts = [], {}
    for condition, seed in member_runs(run):
        held = tasks.get((condition, seed, ""))
        if held is None:
            raise InputError(f"{run.data}: {condition[0]} has no training of {run.name.removeprefix(run.data + ', ')}")
        found.append(held)
        data = opened_for(held.run)
        parts[held.run.data] = (held.run, data, parts_of(held.run, data, split_seed=split_seed))
    check_merge(run, opened, split, parts)
    return found


def conduct(
    plan: ComparisonPlan,
    *,
    out: Path,
    jobs: int = 1,
    progress: Callable[[int, int, Task, str], None] = lambda done, total, task, reason: None,
) -> Conducted:
    """Do what is missing of a comparison and return the rows of all of it.

    Parameters
    ----------
    plan : ComparisonPlan
    out : Path
        Each training has a folder of its own in ``runs``.
    jobs : int
        Processes.
    progress : callable
        Told how many trainings are done, of how many, the last, and the reason why it has no score.
    """
    wanted = planned(plan, out=out)
    found = Conducted(pd.DataFrame(), told=list(wanted.told))
    done, found.kept = _do([one for one in wanted.tasks if not one.members], jobs=jobs, progress=progress)
    merged, kept = _merged([one for one in wanted.tasks if one.members], done, jobs=jobs, progress=progress)
    done, found.kept = done + merged, found.kept + kept
    found.done = sum(not reason for *_, reason in done) - found.kept
    if plan.grid or plan.random:
        found.choices = _chosen(done)
        done = _tested(done, found.choices, jobs=jobs, progress=progress)
    done += [(task, [], reason) for task, reason in wanted.refused]
    found.failed = sum(bool(reason) for *_, reason in done)
    found.rows = as_table(done)
    found.same_images = _same_images(wanted.tasks)
    mine = {task.folder.name for task, *_ in done}
    others = [path for path in (out / "runs").glob("*/scores.json") if path.parent.name not in mine]
    if others:
        found.told.append(f"{len(others)} trainings in {out / 'runs'} are of other settings or data: left as they are")
    return found


def _merged(
    tasks: Sequence[Task], done: Sequence[Done], *, jobs: int, progress: Callable[[int, int, Task, str], None]
) -> tuple[list[Done], int]:
    """Return what came of merged models, and how many were there before; of one that lacks a member, the reason."""
    reasons = {task.folder: reason for task, _, reason in done if reason}
    lacking: list[Done] = []
    whole = []
    for task in tasks:
        failed = [f"{one.run.name}: {reasons[one.folder]}" for one in task.members if one.folder in reasons]
        if failed:
            lacking.append((task, [], f"a model that it is of failed: {failed[0]}"))
        else:
            whole.append(task)
    found, kept = _do(whole, jobs=jobs, progress=progress)
    return found + lacking, kept


def _same_images(tasks: Sequence[Task]) -> frozenset[frozenset[str]]:
    """Return the pairs of data sets that are tested on an image that both have."""
    held: dict[str, set[str]] = {}
    for task in tasks:
        held.setdefault(task.run.data, set()).update(task.images)
    return frozenset(frozenset(pair) for pair in itertools.combinations(held, 2) if held[pair[0]] & held[pair[1]])


def _tested(
    done: Sequence[Done], choices: Sequence[Choice], *, jobs: int, progress: Callable[[int, int, Task, str], None]
) -> list[Done]:
    """Return what came of a search with the test scores of what it chose, and of nothing else."""
    picked = {(choice.condition, choice.candidate) for choice in choices}
    is_picked = [(task.run.condition, task.run.candidate) in picked and not reason for task, _, reason in done]
    wanted = [replace(task, is_tested=True) for (task, *_), yes in zip(done, is_picked, strict=True) if yes]
    scored = iter(_do(wanted, jobs=jobs, progress=progress)[0])
    return [
        next(scored) if yes else (task, [row for row in rows if row["split"] != "test"], reason)
        for (task, rows, reason), yes in zip(done, is_picked, strict=True)
    ]


def _do(tasks: Sequence[Task], *, jobs: int, progress: Callable[[int, int, Task, str], None]) -> tuple[list[Done], int]:
    """Return what came of tasks, in their order, and how many were done before."""
    held: dict[Path, Done] = {}
    missing = []
    for task in tasks:
        rows = held_rows(task)
        if rows is None:
            missing.append(task)
        else:
            held[task.folder] = (task, rows, "")
    kept = len(tasks) - len(missing)
    # Two levels that come to the same settings are trained once.
    unique = list({task.folder: task for task in missing}.values())
    for count, one in enumerate(_each(unique, jobs), start=1):
        held[one[0].folder] = one
        progress(count, len(unique), one[0], one[2])
    return [(task, *held[task.folder][1:]) for task in tasks], kept


def _each(tasks: Sequence[Task], jobs: int) -> Any:
    """Yield what comes of each task as it ends."""
    if jobs <= 1 or len(tasks) < 2:
        for task in tasks:
            yield perform(task)
        return
    import os

    threads = max(1, (os.cpu_count() or 1) // jobs)
    with process_pool(min(jobs, len(tasks)), spawn=True) as pool:
        waiting = [pool.submit(functools.partial(perform, threads=threads), task) for task in tasks]
        for future in as_completed(waiting):
            yield future.result()


def _chosen(done: Sequence[Done]) -> list[Choice]:
    """Return the settings of each condition whose mean score on the validation part is the best."""
    held: dict[tuple[Any, ...], dict[str, list[float]]] = {}
    of: dict[tuple[Any, ...], Run] = {}
    for task, rows, _ in done:
        run = task.run
        of[run.condition] = run
        score = next((row["value"] for row in rows if row["metric"] == "validation_score"), float("nan"))
        held.setdefault(run.condition, {}).setdefault(run.candidate, []).append(score)
    found = []
    for condition, by_candidate in held.items():
        metric = of[condition].config.metric
        # A seed that failed makes a NaN of the mean: settings that do not always work are not chosen.
        means = {name: sum(scores) / len(scores) for name, scores in by_candidate.items()}
        known = {name: score for name, score in means.items() if score == score}
        if known:
            sign = -1.0 if metric == "front" else 1.0
            best = max(known, key=lambda name: sign * known[name])
            found.append(Choice(condition, best, known[best], metric, len(known), len(means) - len(known)))
    return found
