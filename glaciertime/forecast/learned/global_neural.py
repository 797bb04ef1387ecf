"""The recurrent forecasters over all glaciers, ``lstm`` and ``mamba``: weights shipped or one's own, without torch.

A set of weights carries the date it was trained until, and is refused for an earlier cutoff. Of those that are shipped
there is one set per group of glaciers, which has not seen that group; one's own may have seen every glacier up to that
date. The intervals that the networks give are widened or narrowed by their past errors on other glaciers, with targets
no later than the cutoff that the weights were not trained on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import SeriesTooShortError
from glaciertime.forecast.learned.bank import fold_of
from glaciertime.forecast.learned.conformal import weighted_quantile
from glaciertime.forecast.learned.network_weights import NetworkWeights, session_of, shipped_weights, weights_for
from glaciertime.forecast.learned.pooled import Workbench
from glaciertime.forecast.learned.sequences import MIN_VALUES, Examples, build_examples, encode_origin, query_of
from glaciertime.forecast.series import Series, as_days, as_years
from glaciertime.forecast.task import Outcome, Task

__all__ = ["run_lstm", "run_mamba"]

_LEAD_WIDTH = 0.35
_MEMORY_YEARS = 30.0
_MIN_RATIOS = 100

Array = NDArray[np.float64]


def _ask(weights: NetworkWeights, steps: Any, gaps: Any, context: Any, query: Any) -> Array:
    """Return quantiles of scaled changes, (B, K, 9)."""
    given = {"steps": steps, "gaps": gaps, "context": context, "query": query}
    inputs = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in given.items()}
    answer: Array = session_of(weights).run(None, inputs)[0].astype(float)
    return answer


def _native(answer: Array, known: tuple[float, ...], quantiles: Array) -> Array:
    """Return quantiles asked for from those a network gives, (..., 9) -> (..., Q), straight in normal scores."""
    from scipy.special import ndtri

    have, want = ndtri(np.array(known)), ndtri(quantiles)
    place = np.clip(np.searchsorted(have, want) - 1, 0, len(have) - 2)
    share = (want - have[place]) / (have[place + 1] - have[place])
    found: Array = answer[..., place] + share * (answer[..., place + 1] - answer[..., place])
    return found


def _past_of(model: str, examples: Examples, latest: NetworkWeights, quantiles: Array) -> dict[str, Array]:
    """Return errors over the network's own half interval, per quantile, of every known target of every series."""
    outer = np.array([min(quantiles.min(), 0.05), 0.5, max(quantiles.max(), 0.95)])
    ratio = np.full((2, *examples.target.shape), np.nan)
    for weights in (latest,) if latest.is_own else shipped_weights():
        if (weights.model, weights.trained_until) != (model, latest.trained_until):
            continue
        # One's own may have learnt from every glacier: what came after its training alone tells its errors.
        index = np.flatnonzero(np.ones(len(examples)) if latest.is_own else np.isin(examples.fold, weights.left_out))
        if not len(index):
            continue
        raw = _ask(weights, *(getattr(examples, name)[index] for name in ("steps", "gaps", "context", "query")))
        found = _native(raw, weights.quantiles, outer)
        error = examples.target[index] - found[..., 1]
        ratio[0][index] = -error / np.maximum(found[..., 1] - found[..., 0], 1e-9)
        ratio[1][index] = error / np.maximum(found[..., 2] - found[..., 1], 1e-9)
    if latest.is_own:
        ratio[:, examples.target_year <= float(as_years(as_days([latest.trained_until]))[0])] = np.nan
    return {"below": ratio[0], "above": ratio[1]}


def _run(bench: Workbench, model: str) -> list[Outcome]:
    latest = max(task.cutoff for task in bench.tasks)
    seen = {series.key: series.until(latest) for series in bench.training}
    others = [series for series in seen.values() if len(series) >= MIN_VALUES]
    examples = build_examples(others) if others else None
    pasts: dict[str, dict[str, Array]] = {}
    outcomes = []
    for task in bench.tasks:
        failed = np.full((len(task.dates), len(bench.quantiles)), np.nan)
        weights = weights_for(model, glacier=task.series.glacier, cutoff=task.cutoff, own=bench.weights)
        if isinstance(weights, str):
            outcomes.append(Outcome(failed, f"{task.series.label}: {weights}"))
            continue
        if len(task.series) < MIN_VALUES:
            error = SeriesTooShortError(task.series.label, len(task.series), model, MIN_VALUES, 'use model "last"')
            outcomes.append(Outcome(failed, str(error)))
            continue
        if examples is not None and weights.trained_until not in pasts:
            pasts[weights.trained_until] = _past_of(model, examples, weights, bench.quantiles)
        past = pasts.get(weights.trained_until)
        outcomes.append(Outcome(_forecast(task, weights, bench.quantiles, examples, past), "ok"))
    return outcomes


def _forecast(
    task: Task, weights: NetworkWeights, quantiles: Array, examples: Examples | None, past: dict[str, Array] | None
) -> Array:
    series: Series = task.series
    made = encode_origin(series.years, series.values, is_area=series.variable == "area_km2")
    ahead = as_years(task.dates) - series.years[-1]
    query = query_of(made.context, ahead)
    raw = _ask(weights, made.steps[None], made.gaps[None], made.context[None], query[None])[0]
    change = _native(raw, weights.quantiles, quantiles)
    middle = _native(raw, weights.quantiles, np.array([0.5]))
    if examples is not None and past is not None:
        cutoff = float(as_years(np.array([task.cutoff], dtype="datetime64[D]"))[0])
        known = examples.known_at(cutoff) & (examples.target_year > cutoff - _MEMORY_YEARS)
        known &= (examples.fold != fold_of(series.glacier))[:, None] & np.isfinite(past["below"])
        outer = np.array([min(quantiles.min(), 0.05), max(quantiles.max(), 0.95)])
        edge = _native(raw, weights.quantiles, outer)
        for place, years in enumerate(ahead):
            adjusted = _calibrated(examples, past, known, float(years), quantiles)
            if adjusted is not None:
                half = np.where(quantiles < 0.5, middle[place] - edge[place, 0], edge[place, 1] - middle[place])
                change[place] = middle[place] + adjusted * half
    values: Array = series.values[-1] + made.scale * np.sqrt(ahead)[:, None] * change
    return values


def _calibrated(
    examples: Examples, past: dict[str, Array], known: NDArray[np.bool_], ahead: float, quantiles: Array
) -> Array | None:
    """Return quantiles of past errors, in half intervals of the network, at a lead; None where too few are known."""
    row, column = np.nonzero(known)
    weight = np.exp(-0.5 * (np.log(examples.ahead[row, column] / ahead) / _LEAD_WIDTH) ** 2)
    near = weight > 1e-3
    if near.sum() < _MIN_RATIOS:
        return None
    row, column, weight = row[near], column[near], weight[near]
    # Every series weighs alike, however many origins it has.
    share = np.bincount(examples.series[row], weights=weight)
    weight = weight / share[examples.series[row]]
    above = past["above"][row, column]
    signed = np.where(above > 0, above, -past["below"][row, column])
    count = len(np.unique(examples.series[row]))
    outward = np.clip(0.5 + (quantiles - 0.5) * (count + 1) / count, 1e-4, 1 - 1e-4)
    found = weighted_quantile(signed, weight, outward)
    # The point forecast is the median that is given; past errors may lie to one side of it.
    found = np.where(quantiles < 0.5 - 1e-9, np.minimum(found, 0.0), np.maximum(found, 0.0))
    found[np.abs(quantiles - 0.5) < 1e-9] = 0.0
    return found


def run_lstm(bench: Workbench) -> list[Outcome]:
    """Forecast by the shipped LSTM (Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735)."""
    return _run(bench, "lstm")


def run_mamba(bench: Workbench) -> list[Outcome]:
    """Forecast by the shipped Mamba, whose states decay by the real time between samples (arXiv:2312.00752)."""
    return _run(bench, "mamba")
