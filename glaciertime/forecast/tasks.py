"""Forecast tasks: one series cut off at a date, the dates asked for, and running many of them at once.

A task is cut off before any model sees it, and so are the series of other glaciers that global models learn from:
nothing after the cutoff reaches a model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glaciertime.errors import GlacierTimeError, SeriesTooShortError, UsageError
from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.learned.kept import Kept
from glaciertime.forecast.learned.network_weights import NetworkWeights
from glaciertime.forecast.models import MODELS, Model, get_models
from glaciertime.forecast.prediction import quantiles_of
from glaciertime.forecast.reading import at_least_as_read
from glaciertime.forecast.regime import Regime, answer_without_model, present_regime, since_gone
from glaciertime.forecast.series import Series
from glaciertime.forecast.task import Outcome, Task, bound
from glaciertime.processes import process_pool

__all__ = ["run_tasks", "which_take_covariates"]

Progress = Callable[[int, int], None]


def which_take_covariates(models: Sequence[str]) -> list[str]:
    """Return those of several models that take covariates.

    Raises
    ------
    UsageError
        If a model is not known, or none takes any.
    """
    chosen = get_models(models)
    able = [model.name for model in chosen if model.takes_covariates]
    if not able:
        raise _blind([model.name for model in chosen])
    return able


def _blind(names: Sequence[str]) -> UsageError:
    able = ", ".join(model.name for model in MODELS.values() if model.takes_covariates)
    return UsageError(f"{', '.join(names)} takes no covariates; give --model with some of {able}")


def run_tasks(
    tasks: Sequence[Task],
    *,
    models: Sequence[str],
    levels: Sequence[float],
    training: Sequence[Series] = (),
    jobs: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
    covariates: Covariates | None = None,
    kept: Kept | None = None,
    weights: Sequence[NetworkWeights] = (),
) -> dict[str, list[Outcome]]:
    """Return, per model, the outcome of every task, in the order of the tasks.

    Parameters
    ----------
    tasks : sequence of Task
    models : sequence of str
        Names of :data:`glaciertime.forecast.models.MODELS`.
    levels : sequence of float in (0, 1)
    training : sequence of Series
        Series that global models may learn from, each up to the cutoff of a task and never of its glacier.
    jobs : int
        Processes.
    seed : int
        For models that draw random numbers.
    progress : callable, optional
        Called with (done, total).
    covariates : Covariates, optional
        Checked against the dates by the forecasters; only some take them.
    kept : Kept, optional
        What global models learned before.
    weights : sequence of NetworkWeights
        Networks of one's own, in place of the shipped ones of their model.

    Raises
    ------
    UsageError
        If a model is not known, or covariates are given to one that takes none.
    """
    total = len(tasks) * len(models)
    done = 0
    chosen = get_models(models)
    if covariates is not None:
        blind = [model.name for model in chosen if not model.takes_covariates]
        if blind:
            raise _blind(blind)
    quantiles = quantiles_of(levels)
    answered: dict[int, Outcome] = {}
    for index, task in enumerate(tasks):
        values = answer_without_model(task.series, task.dates, quantiles)
        if values is not None:
            answered[index] = Outcome(values, "ok")
    open_places = [index for index in range(len(tasks)) if index not in answered]
    # Once per task, whatever the number of models. Covariates may explain what would else be a break.
    regimes = [
        present_regime(tasks[index].series)
        if covariates is None
        else Regime(since_gone(tasks[index].series), since_gone(tasks[index].series), ())
        for index in open_places
    ]
    still_open = []
    for index, one in zip(open_places, regimes, strict=True):
        # What is left without its breaks may tell nothing of change either.
        values = answer_without_model(one.series, tasks[index].dates, quantiles) if len(one.series) > 1 else None
        if values is None:
            still_open.append((index, one))
        else:
            values = at_least_as_read(values, tasks[index].series, quantiles, tasks[index].dates)
            answered[index] = Outcome(bound(values, replace(tasks[index], series=one.series), quantiles), "ok")
    open_places, regimes = [index for index, _ in still_open], [one for _, one in still_open]
    settled = [replace(tasks[k], series=one.series) for k, one in zip(open_places, regimes, strict=True)]
    as_observed = [replace(tasks[k], series=one.own_sigmas) for k, one in zip(open_places, regimes, strict=True)]
    is_global = any(model.is_global for model in chosen) and bool(settled)
    benches = []
    if is_global:
        benches = _benches(settled, training, levels, jobs, seed, kept, tuple(weights), covariates)
    outcomes: dict[str, list[Outcome]] = {}
    for model in chosen:
        offset = done

        def report(count: int, offset: int = offset) -> None:
            if progress is not None:
                progress(offset + count, total)

        if model.is_global:
            found = _run_global(model, benches, len(settled))
        else:
            found = _run_local(model, as_observed if model.weighs_sigma else settled, levels, jobs, report, covariates)
        places = dict(answered)
        for index, task, outcome in zip(open_places, settled, found, strict=True):
            if outcome.status == "ok":
                values = at_least_as_read(outcome.values, tasks[index].series, quantiles, task.dates)
                outcome = replace(outcome, values=bound(values, task, quantiles))
            places[index] = outcome
        outcomes[model.name] = [places[index] for index in range(len(tasks))]
        done += len(tasks)
        report(len(tasks), offset)
    return outcomes


def _benches(
    tasks: Sequence[Task],
    training: Sequence[Series],
    levels: Sequence[float],
    jobs: int,
    seed: int,
    kept: Kept | None,
    weights: tuple[NetworkWeights, ...],
    covariates: Covariates | None,
) -> list[tuple[list[int], Any]]:
    """Return one workbench per variable, with the places of its tasks."""
    from glaciertime.forecast.learned.pooled import Workbench

    found = []
    for variable in dict.fromkeys(task.series.variable for task in tasks):
        places = [index for index, task in enumerate(tasks) if task.series.variable == variable]
        others = [series for series in training if series.variable == variable]
        here = [tasks[index] for index in places]
        bench = Workbench(
            here, others, tuple(levels), jobs, seed, kept=kept, weights=weights, covariates=covariates
        )  # fmt: skip
        found.append((places, bench))
    return found


def _run_global(model: Model, benches: list[tuple[list[int], Any]], count: int) -> list[Outcome]:
    results: list[Outcome | None] = [None] * count
    run = model.load()
    for places, bench in benches:
        for place, outcome in zip(places, run(bench), strict=True):
            results[place] = outcome
    return [outcome for outcome in results if outcome is not None]


def _run_local(
    model: Model, tasks: Sequence[Task], levels: Sequence[float], jobs: int, report: Callable[[int], None],
    covariates: Covariates | None,
) -> list[Outcome]:  # fmt: skip
    results: list[Outcome] = []
    if jobs <= 1 or len(tasks) < 4:
        for task in tasks:
            results.append(_run_one(model, task, tuple(levels), covariates))
            report(len(results))
        return results
    with process_pool(jobs) as pool:
        count = len(tasks)
        arguments = ([model] * count, tasks, [tuple(levels)] * count, [covariates] * count)
        for outcome in pool.map(_run_one, *arguments, chunksize=max(1, len(tasks) // (8 * jobs))):
            results.append(outcome)
            report(len(results))
    return results


def _run_one(model: Model, task: Task, levels: tuple[float, ...], covariates: Covariates | None = None) -> Outcome:
    series = task.series
    nothing = np.full((len(task.dates), len(quantiles_of(levels))), np.nan)
    try:
        if len(series) < model.min_observations:
            raise SeriesTooShortError(f"{series.label}", len(series), model.name, model.min_observations,
                                      'use model "last", or a later cutoff')  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            values = model.make(covariates=covariates).fit(series).predict(task.dates, levels=levels).values
    except GlacierTimeError as error:
        return Outcome(nothing, str(error))
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        return Outcome(nothing, f"{model.name} could not be fitted: {type(error).__name__}: {error}")
    if not np.isfinite(values).all():
        return Outcome(nothing, f"{model.name} gave a forecast that is not finite")
    return Outcome(values, "ok")
