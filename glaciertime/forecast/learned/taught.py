"""A recurrent forecaster taught from series up to a date, and how it fared on what came after."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.forecast.learned.networks import QUANTILES
from glaciertime.forecast.learned.neural_training import export_network, predict_examples, train_network
from glaciertime.forecast.learned.sequences import CONTEXT, LENGTH, MIN_VALUES, STEP, Examples, build_examples
from glaciertime.forecast.series import Series, as_days, as_years

__all__ = ["Taught", "teach"]


@dataclass(frozen=True, eq=False)
class Taught:
    """A network that was taught, and how it fared afterwards.

    Attributes
    ----------
    network : ChangeNetwork
    card : dict
        What is kept in its file: model, date, seed, steps, digest of the series, glaciers, variables.
    later : int
        Targets after the date: none of them was learned from.
    error, last_error : float
        Mean absolute error of the median on them, and of the last value, in typical changes of each series; NaN where
        there is none.
    covered : float
        Share of them within the network's own 90 % interval.
    scores : dict of str to dict
        Of each variable, on the same targets in its unit: ``unit``, ``targets``, ``mae``, ``rmse``, those of the last
        value (``last_mae``, ``last_rmse``), and ``mape`` in percent, NaN where zero is arbitrary.
    """

    network: Any
    card: dict[str, Any]
    later: int
    error: float
    last_error: float
    covered: float
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)

    def export(self, path: Path, *, graph: Any = None, overwrite: bool = False) -> int:
        """Write the network as ONNX with its card; return the size in bytes."""
        return export_network(self.network, path, graph=graph, card=self.card, overwrite=overwrite)


def teach(
    series: Sequence[Series],
    *,
    model: str,
    until: str,
    steps: int = 80,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> Taught:
    """Return a network that learned from series what was known up to a date.

    Several variables are learned together: changes have no scale, and areas are told from the others.

    Parameters
    ----------
    series : sequence of Series
        Whole: nothing after ``until`` is learned from, and what came after says how the network fares.
    model : {"lstm", "mamba"}
    until : date
    steps : int
        Of the optimiser, each on 128 origins.
    seed : int
        On one thread of a CPU the same seed gives the same weights.
    progress : callable, optional
        Called with (step, loss).

    Raises
    ------
    InputError
        If no series has an origin with a target by then.
    """
    import torch

    date = as_days([until])[0]
    long = [one for one in series if len(one) > MIN_VALUES]
    if not long:
        raise InputError(f"{model}: no series has more than {MIN_VALUES} values; there is nothing to learn from")
    examples = build_examples(long)
    known = examples.known_at(float(as_years(np.array([date]))[0]))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = train_network(
            model, examples, train=np.ones(len(examples), dtype=bool), known=known, seed=seed, steps=steps,
            report=progress,
        )  # fmt: skip
    finally:
        torch.set_num_threads(threads)
    learned = np.unique(examples.series[known.any(axis=1)])
    ordered = sorted(long, key=lambda one: one.key)
    card = {
        "model": model, "trained_until": str(date), "optimiser_steps": steps, "seed": seed, "data": _digest(long, date),
        "steps": LENGTH, "channels": list(STEP), "context": list(CONTEXT), "quantiles": list(QUANTILES),
        "left_out_folds": [], "series": len(learned), "origins": int(known.any(axis=1).sum()),
        "glaciers": len({ordered[k].glacier for k in learned}),
        "variables": sorted({ordered[k].variable for k in learned}),
        "source": "simulated" if any(ordered[k].source == "simulated" for k in learned) else "observed",
        "parameters": sum(value.numel() for value in network.parameters()),
        "trained_on": sorted({ordered[k].dataset for k in learned}),
    }  # fmt: skip
    return Taught(network, card, *_later(network, examples, known), _scores(network, examples, known, ordered))


def _later(network: Any, examples: Examples, known: NDArray[np.bool_]) -> tuple[int, float, float, float]:
    """Return how many targets became known later, the errors on them of the network and of the last value, coverage."""
    later = np.isfinite(examples.target) & ~known & ~np.isfinite(examples.dropped_from)
    rows = np.flatnonzero(later.any(axis=1))
    if not len(rows):
        return 0, float("nan"), float("nan"), float("nan")
    answer, held = predict_examples(network, examples, rows), later[rows]
    grown = np.sqrt(examples.ahead[rows])[held]
    target = examples.target[rows][held]
    middle = answer[..., len(QUANTILES) // 2][held]
    low, high = (answer[..., QUANTILES.index(level)][held] for level in (0.05, 0.95))
    error = float(np.mean(np.abs(target - middle) * grown))
    inside = float(np.mean((target >= low) & (target <= high)))
    return int(held.sum()), error, float(np.mean(np.abs(target) * grown)), inside


def _scores(
    network: Any, examples: Examples, known: NDArray[np.bool_], ordered: Sequence[Series]
) -> dict[str, dict[str, Any]]:
    """Return the errors on what became known later, of each variable in its unit."""
    later = np.isfinite(examples.target) & ~known & ~np.isfinite(examples.dropped_from)
    rows = np.flatnonzero(later.any(axis=1))
    if not len(rows):
        return {}
    middle = predict_examples(network, examples, rows)[..., len(QUANTILES) // 2]
    change = middle * np.sqrt(examples.ahead[rows]) * examples.scale[rows][:, None]
    found: dict[str, list[tuple[float, float, float]]] = {}
    for place, row in enumerate(rows):
        one = ordered[examples.series[row]]
        last = one.values[np.searchsorted(one.years, examples.origin_year[row] - 1e-9)]
        for column in np.flatnonzero(later[row]):
            at = np.searchsorted(one.years, examples.target_year[row, column] - 1e-9)
            found.setdefault(one.variable, []).append((one.values[at], last, last + change[place, column]))
    units = {one.variable: (one.unit, one.is_ratio_scale) for one in ordered}
    scores = {}
    for variable, told in sorted(found.items()):
        actual, last, forecast = np.array(told).T
        unit, has_zero = units[variable]
        is_percent = has_zero and bool((actual > 0).all())
        scores[variable] = {
            "unit": unit, "targets": len(actual), "mae": float(np.abs(forecast - actual).mean()),
            "rmse": float(np.sqrt(((forecast - actual) ** 2).mean())), "last_mae": float(np.abs(last - actual).mean()),
            "last_rmse": float(np.sqrt(((last - actual) ** 2).mean())),
            "mape": float(100 * np.abs(forecast / actual - 1).mean()) if is_percent else float("nan"),
        }  # fmt: skip
    return scores


def _digest(series: Sequence[Series], until: np.datetime64) -> str:
    """Return the SHA-256 of what was learned from."""
    total = hashlib.sha256()
    for one in sorted(series, key=lambda held: held.key):
        seen = one.until(until)
        total.update("\0".join(map(str, one.key)).encode())
        total.update(seen.dates.astype("datetime64[D]").astype("<i8").tobytes() + seen.values.astype("<f8").tobytes())
    return total.hexdigest()
