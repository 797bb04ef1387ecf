"""The forecasters that learn from other glaciers: ``linear``, ``gbm``, ``ensemble`` and ``auto``.

All share one bank of past origins and one set of trees per variable. Whatever they take from it for a task -
training targets, blend weights, past errors - is of other glaciers and was known at the task's cutoff.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import GlacierTimeError, SeriesTooShortError
from glaciertime.forecast.learned.bank import Bank, bank_of, build_bank, fold_of
from glaciertime.forecast.learned.blend import blend_weights, own_weights
from glaciertime.forecast.learned.conformal import half_widths
from glaciertime.forecast.learned.gbm import MIN_ROWS, REFIT_YEARS, GlobalTrees
from glaciertime.forecast.learned.kept import Kept
from glaciertime.forecast.learned.network_weights import NetworkWeights
from glaciertime.forecast.learned.past import MIN_HISTORY, OriginRow, describe_origin
from glaciertime.forecast.prediction import quantiles_of
from glaciertime.forecast.series import Series, as_years
from glaciertime.forecast.task import Outcome, Task
from glaciertime.processes import process_pool

__all__ = ["CANDIDATES", "Workbench", "run_auto", "run_ensemble", "run_gbm", "run_linear"]

#: What ``auto`` and ``ensemble`` are made of.
CANDIDATES = ("last", "drift", "kalman", "linear", "gbm")
#: For areas without the straight line: what ice shelves lose in a day they do not lose at a rate.
_AREA_CANDIDATES = ("last", "drift", "kalman", "gbm")
_AREA_REFIT_YEARS = 5.0
#: How many of them need no other glaciers.
_LOCAL = 3
#: How long past errors count for intervals, and for the mix, which follows the climate of the day.
_MEMORY_YEARS = 30.0
_MIX_MEMORY_YEARS = 12.0


@dataclass(eq=False)
class Workbench:
    """The tasks of one variable, and what is shared between the global models that forecast them.

    Attributes
    ----------
    tasks : list of Task
    training : sequence of Series
        Of the same variable; cut off here at the latest cutoff, and row by row at each task's own.
    levels : tuple of float
    jobs, seed : int
    report : callable
        Called with (done, total) of the bank.
    kept : Kept, optional
        What was learned before of the series and of what is trained on them.
    weights : tuple of NetworkWeights
        One's own, in place of those in the package.
    """

    tasks: list[Task]
    training: Sequence[Series]
    levels: tuple[float, ...]
    jobs: int = 1
    seed: int = 0
    report: Callable[[int, int], None] | None = None
    kept: Kept | None = None
    weights: tuple[NetworkWeights, ...] = ()
    _own: dict[int, Bank] = field(default_factory=dict)
    _mixes: dict[tuple[float, int, int], NDArray[np.float64] | None] = field(default_factory=dict)

    @cached_property
    def quantiles(self) -> NDArray[np.float64]:
        """Quantiles asked for, (Q,)."""
        return quantiles_of(self.levels)

    @cached_property
    def cutoffs(self) -> NDArray[np.float64]:
        """Cutoff of each task in years since 1970, (T,)."""
        return as_years(np.array([task.cutoff for task in self.tasks], dtype="datetime64[D]"))

    @cached_property
    def rows(self) -> list[OriginRow | str]:
        """What is known of each task's own past, or why nothing can be said."""
        if self.jobs > 1 and len(self.tasks) > 3:
            with process_pool(self.jobs) as pool:
                return list(pool.map(_task_row, self.tasks, chunksize=8))
        return [_task_row(task) for task in self.tasks]

    @cached_property
    def bank(self) -> Bank:
        """Past origins of all series, cut off at the latest cutoff of all tasks."""
        latest = max(task.cutoff for task in self.tasks)
        if self.kept is not None:
            # What is kept is of all values of a series, whichever cutoff asks next; here it ends at this one.
            each = {series.key: series for series in self.training}
            ordered = [each[key] for key in sorted(each)]
            pasts = self.kept.pasts(ordered, jobs=self.jobs)
            pairs = [(series.until(latest), past) for series, past in zip(ordered, pasts, strict=True)]
            pairs = [(series, past) for series, past in pairs if len(series)]
            return bank_of([series for series, _ in pairs], [past for _, past in pairs])
        seen = {series.key: series.until(latest) for series in self.training}
        return build_bank([series for series in seen.values() if len(series)], jobs=self.jobs, report=self.report)

    @cached_property
    def trees(self) -> GlobalTrees:
        """The trees' answers for the bank and the tasks."""
        good = [index for index, row in enumerate(self.rows) if isinstance(row, OriginRow)]
        when = self.bank.target_year
        wanted = np.zeros(len(when), dtype=bool)
        for cutoff in np.unique(self.cutoffs):
            wanted |= (when <= cutoff) & (when > cutoff - _MEMORY_YEARS)
        found = GlobalTrees.train(
            self.bank, [self.rows[index] for index in good],  # type: ignore[misc]
            [self.tasks[index].series.glacier for index in good], self.cutoffs[good], jobs=self.jobs, seed=self.seed,
            wanted=wanted, stacked=not self.is_area, refit_years=_AREA_REFIT_YEARS if self.is_area else REFIT_YEARS,
            kept=self.kept,
        )  # fmt: skip
        change, line = ([np.full(len(task.dates), np.nan) for task in self.tasks] for _ in range(2))
        counts = np.zeros(len(self.tasks), dtype=np.int64)
        for place, index in enumerate(good):
            change[index], line[index] = found.task_change[place], found.task_line[place]
            counts[index] = found.task_rows[place]
        return GlobalTrees(found.bank_change, found.bank_line, change, line, counts)

    @property
    def is_area(self) -> bool:
        """Whether the variable is the area."""
        return self.tasks[0].series.variable == "area_km2"

    @cached_property
    def candidates(self) -> tuple[str, ...]:
        """What ``auto`` and ``ensemble`` are made of."""
        return _AREA_CANDIDATES if self.is_area else CANDIDATES

    @cached_property
    def bank_candidates(self) -> NDArray[np.float64]:
        """Forecast changes of the candidates for every row of the bank, (R, C); the learned ones may be NaN."""
        bank, trees = self.bank, self.trees
        made = {"last": np.zeros_like(bank.mean), "drift": bank.drift, "kalman": bank.mean,
                "linear": trees.bank_line, "gbm": trees.bank_change}  # fmt: skip
        return np.column_stack([made[name] for name in self.candidates])

    def task_candidates(self, index: int) -> NDArray[np.float64]:
        """Forecast changes of the candidates for a task's dates, (D, C), in scales."""
        row = self.rows[index]
        assert isinstance(row, OriginRow)
        made = {"last": np.zeros_like(row.mean), "drift": row.drift * row.ahead, "kalman": row.mean,
                "linear": self.trees.task_line[index], "gbm": self.trees.task_change[index]}  # fmt: skip
        return np.column_stack([made[name] for name in self.candidates])

    def evidence(self, index: int) -> NDArray[np.int64]:
        """Rows of the bank that tell of other glaciers and were known at the task's cutoff."""
        bank, cutoff = self.bank, float(self.cutoffs[index])
        others = bank.fold != fold_of(self.tasks[index].series.glacier)
        recent = bank.target_year > cutoff - _MEMORY_YEARS
        return np.flatnonzero(bank.known_at(cutoff) & others & recent)

    def own_bank(self, index: int) -> Bank:
        """Past origins of the task's own series."""
        if index not in self._own:
            self._own[index] = build_bank([self.tasks[index].series])
        return self._own[index]

    def interval(
        self, index: int, evidence: NDArray[np.int64], change: NDArray[np.float64], bank_change: NDArray[np.float64],
        *, kalman_share: float,
    ) -> NDArray[np.float64]:  # fmt: skip
        """Return quantiles (D, Q) of a task in its unit, around a forecast change (D,), from past errors.

        The spread is the geometric mean of those of the Kalman forecast, with weight ``kalman_share``, and of a
        random walk. ``bank_change`` (R,) is what the same model forecast for the bank.
        """
        row, bank = self.rows[index], self.bank
        assert isinstance(row, OriginRow)
        cutoff = float(self.cutoffs[index])
        known = evidence[np.isfinite(bank_change[evidence]) & (bank.walk[evidence] > 0)]
        errors = np.abs(bank.target[known] - bank_change[known])
        errors /= bank.spread[known] ** kalman_share * bank.walk[known] ** (1 - kalman_share)
        width = row.spread**kalman_share * row.walk ** (1 - kalman_share)
        native = _native(self.quantiles)
        side = np.sign(np.round(native, 12))
        out = np.empty((len(row.ahead), len(self.quantiles)))
        for place, ahead in enumerate(row.ahead):
            half = half_widths(
                errors, np.abs(native), lead_years=bank.ahead[known], age_years=cutoff - bank.target_year[known],
                group=bank.series[known], ahead=float(ahead), levels=np.abs(2 * self.quantiles - 1),
            )  # fmt: skip
            out[place] = row.last + row.scale * (change[place] + width[place] * side * half)
        return out


def _native(quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import special

    # Heavier tails than normal, the same variance.
    return np.asarray(special.stdtrit(6.0, quantiles) * np.sqrt(4.0 / 6.0))


def _task_row(task: Task) -> OriginRow | str:
    try:
        if len(task.series) < 4:
            raise SeriesTooShortError(task.series.label, len(task.series), "a model over many glaciers", 4,
                                      'use model "last"')  # fmt: skip
        return describe_origin(task.series, task.dates)
    except GlacierTimeError as error:
        return str(error)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        return f"{type(error).__name__}: {error}"


def _failed(bench: Workbench, index: int, reason: str) -> Outcome:
    return Outcome(np.full((len(bench.tasks[index].dates), len(bench.quantiles)), np.nan), reason)


def _too_few(bench: Workbench, index: int, model: str) -> str | None:
    row = bench.rows[index]
    if isinstance(row, str):
        return row
    count = int(bench.trees.task_rows[index])
    if not np.isfinite(bench.trees.task_change[index]).all():
        task = bench.tasks[index]
        return (f"{task.series.label}: {count} known values of other glaciers before {task.cutoff}, {model} needs "
                f"{MIN_ROWS}; give more glaciers of {task.series.variable}, or use kalman or auto")  # fmt: skip
    return None


def run_gbm(bench: Workbench) -> list[Outcome]:
    """Forecast by the trees alone, with intervals from their past errors on other glaciers."""
    return _run_learned(bench, "gbm", bench.trees.task_change, bench.trees.bank_change)


def run_linear(bench: Workbench) -> list[Outcome]:
    """Forecast by the straight line under the trees, with intervals from its past errors on other glaciers."""
    return _run_learned(bench, "linear", bench.trees.task_line, bench.trees.bank_line)


def _run_learned(
    bench: Workbench, model: str, change: list[NDArray[np.float64]], bank_change: NDArray[np.float64]
) -> list[Outcome]:
    outcomes = []
    for index in range(len(bench.tasks)):
        reason = _too_few(bench, index, model)
        if reason is not None:
            outcomes.append(_failed(bench, index, reason))
            continue
        values = bench.interval(index, bench.evidence(index), change[index], bank_change, kalman_share=0.5)
        outcomes.append(Outcome(values, "ok"))
    return outcomes


def run_ensemble(bench: Workbench) -> list[Outcome]:
    """Forecast by the median of the candidates, each weighted by its past skill on other glaciers."""
    outcomes = []
    for index in range(len(bench.tasks)):
        reason = _too_few(bench, index, "ensemble")
        if reason is not None:
            outcomes.append(_failed(bench, index, reason))
            continue
        evidence = bench.evidence(index)
        evidence = evidence[np.isfinite(bench.bank_candidates[evidence]).all(axis=1)]
        error = np.abs(bench.bank_candidates[evidence] - bench.bank.target[evidence, None])
        skill = (
            np.ones(len(bench.candidates))
            if len(evidence) == 0
            else 1 / np.maximum(np.median(error, axis=0), 1e-9) ** 2
        )
        change = _weighted_median(bench.task_candidates(index), skill)
        bank_change = np.full(len(bench.bank.origin), np.nan)
        bank_change[evidence] = _weighted_median(bench.bank_candidates[evidence], skill)
        values = bench.interval(index, evidence, change, bank_change, kalman_share=0.5)
        outcomes.append(Outcome(values, "ok"))
    return outcomes


def _weighted_median(candidates: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(candidates, axis=1, kind="stable")
    x = np.take_along_axis(candidates, order, axis=1)
    w = weights[order]
    middle = (np.cumsum(w, axis=1) - w / 2) / w.sum(axis=1, keepdims=True)
    return np.array([np.interp(0.5, m, v) for m, v in zip(middle, x, strict=True)])


def run_auto(bench: Workbench) -> list[Outcome]:
    """Forecast by the mix of candidates that served other glaciers best at earlier origins.

    With fewer than five other glaciers, or too few of their values, the mix is that of last, drift and kalman which
    served the glacier itself at its earlier origins, drawn towards a fixed one.
    """
    outcomes = []
    for index in range(len(bench.tasks)):
        row = bench.rows[index]
        if isinstance(row, str):
            outcomes.append(_failed(bench, index, row))
            continue
        evidence = bench.evidence(index)
        use, weights = _mix(bench, index, evidence)
        change = bench.task_candidates(index)[:, use] @ weights
        # Drift and kalman carry a trend on, and share its uncertainty.
        share = float(weights[(use == 1) | (use == 2)].sum())
        bank_change = bench.bank_candidates[:, use] @ weights
        values = bench.interval(index, evidence, change, bank_change, kalman_share=share)
        outcomes.append(Outcome(values, "ok"))
    return outcomes


def _mix(bench: Workbench, index: int, evidence: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which candidates are mixed, and the weights."""
    bank, candidates = bench.bank, bench.bank_candidates
    evidence = evidence[bank.target_year[evidence] > bench.cutoffs[index] - _MIX_MEMORY_YEARS]
    choices = [np.arange(_LOCAL)]
    if np.isfinite(bench.trees.task_change[index]).all():
        choices.insert(0, np.arange(len(bench.candidates)))
    for use in choices:
        # All glaciers of a fold have the same others at a cutoff.
        key = (float(bench.cutoffs[index]), fold_of(bench.tasks[index].series.glacier), len(use))
        if key not in bench._mixes:
            told = evidence[np.isfinite(candidates[evidence][:, use]).all(axis=1)]
            names = [bench.candidates[place] for place in use]
            bench._mixes[key] = blend_weights(
                names, candidates[np.ix_(told, use)], bank.target[told], bank.series[told], is_area=bench.is_area
            )
        weights = bench._mixes[key]
        if weights is not None:
            return use, weights
    if len(bench.tasks[index].series) <= MIN_HISTORY:
        return np.arange(_LOCAL), own_weights(list(CANDIDATES[:_LOCAL]), np.empty((0, _LOCAL)), np.empty(0))
    own = bench.own_bank(index)
    table = np.column_stack([np.zeros_like(own.mean), own.drift, own.mean])
    return np.arange(_LOCAL), own_weights(list(CANDIDATES[:_LOCAL]), table, own.target)
