"""Gradient-boosted trees over all glaciers, on top of a straight line: the median change ahead, from scale-free pasts.

Trained forward in time and never on the glacier that is forecast: a model for one fold of glaciers and one refit
date has seen the targets of the other folds up to that date. Refit dates lie on a fixed calendar, so that they do
not depend on the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.bank import FOLDS, Bank, fold_of
from glaciertime.forecast.learned.design import common_signal, design_matrix
from glaciertime.forecast.learned.kept import Kept, name_of_arrays
from glaciertime.forecast.learned.linear import fit_linear, linear_inputs, series_weights
from glaciertime.forecast.learned.past import OriginRow
from glaciertime.processes import process_pool

__all__ = ["MIN_ROWS", "REFIT_YEARS", "GlobalTrees"]

#: Years between refits, counted from 1970, unless others are asked for.
REFIT_YEARS = 2.0
#: Fewer known targets of other glaciers, and the trees are not grown.
MIN_ROWS = 300
_CLIP = 20.0


def refit_year(year: NDArray[np.float64] | float, *, every: float = REFIT_YEARS) -> NDArray[np.float64]:
    """Return the latest refit date at or before a date, in years since 1970."""
    return np.floor(np.asarray(year, dtype=float) / every + 1e-9) * every


@dataclass(frozen=True, eq=False)
class _Block:
    """Rows of a design matrix (R, F), and the root of the years ahead of each (R,)."""

    design: NDArray[np.float32]
    root_ahead: NDArray[np.float64]

    def take(self, index: NDArray[Any]) -> _Block:
        return _Block(self.design[index], self.root_ahead[index])

    def with_column(self, column: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.column_stack([self.design, column.astype(np.float32)])


@dataclass(frozen=True, eq=False)
class _Job:
    """What one fold at one refit date is trained on, and asked."""

    train: _Block
    target: NDArray[np.float64]
    error: NDArray[np.float64]
    series: NDArray[np.int64]
    seed: int
    stacked: bool
    questions: list[_Block]


def _grow(design: NDArray[np.float32], target: NDArray[np.float64], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=80, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=40,
        l2_regularization=1.0, max_features=0.5, early_stopping=False, random_state=seed,
    ).fit(design, target)  # fmt: skip


def _grow_and_ask(job: _Job) -> list[NDArray[np.float64]]:
    """Return the answers (2, D) of the straight line and of the trees to each question."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        train = job.train
        line = fit_linear(linear_inputs(train.design, train.root_ahead), job.target,
                          series_weights(job.error, train.root_ahead, job.series, power=0.5))  # fmt: skip
        design, rows = train.design, np.arange(len(job.target))
        if job.stacked:
            design = train.with_column(line(linear_inputs(train.design, train.root_ahead)))
            # Drawn so that every series counts alike, as in relative errors; weights would be slower.
            weight = series_weights(job.error, train.root_ahead, job.series, power=1.0)
            weight = np.minimum(weight, np.quantile(weight, 0.98))
            rows = np.random.default_rng(job.seed).choice(len(weight), len(weight), p=weight / weight.sum())
        trees = _grow(design[rows], job.target[rows], job.seed)
        answers = []
        for asked in job.questions:
            straight = line(linear_inputs(asked.design, asked.root_ahead))
            seen = asked.with_column(straight) if job.stacked else asked.design
            answers.append(np.stack([straight, trees.predict(seen) if len(straight) else straight]))
    return answers


@dataclass(frozen=True, eq=False)
class GlobalTrees:
    """The trees' out-of-sample answers for a bank and for tasks.

    Attributes
    ----------
    bank_change, bank_line : (R,) float64
        Forecast of each row of the bank, by the trees and by the straight line under them, by a model that knew no
        target after the last refit date before its origin and none of its glacier's fold; NaN where too little was
        known, and where it was not asked.
    task_change, task_line : list of (D,) float64
        The same for each task.
    task_rows : (T,) int
        Targets that each task's model was trained on.
    """

    bank_change: NDArray[np.float64]
    bank_line: NDArray[np.float64]
    task_change: list[NDArray[np.float64]]
    task_line: list[NDArray[np.float64]]
    task_rows: NDArray[np.int64]

    @classmethod
    def train(
        cls, bank: Bank, tasks: list[OriginRow], glaciers: list[str], cutoffs: NDArray[np.float64], *,
        jobs: int = 1, seed: int = 0, wanted: NDArray[np.bool_] | None = None, use_gaps: bool = True,
        stacked: bool = True, refit_years: float = REFIT_YEARS, kept: Kept | None = None,
    ) -> GlobalTrees:  # fmt: skip
        """Train one model per fold and refit date that is needed, and ask it.

        Parameters
        ----------
        bank : Bank
        tasks, glaciers : list of OriginRow, list of str
            What to forecast, and the glacier of each.
        cutoffs : (T,) float64
            Cutoff of each, in years since 1970.
        jobs, seed : int
        wanted : (R,) bool, optional
            Rows of the bank to forecast too, for calibration and blending; all by default.
        stacked : bool
            Whether the trees see the answer of the straight line, and rows drawn so that every series counts alike.
        refit_years : float
            Years between refits.
        use_gaps : bool
            Whether the lengths of the gaps and the time ahead are inputs; without them a step is a step.
        kept : Kept, optional
            May know the answers for the bank, which depend on no task.
        """
        design = bank_design(bank)
        designs = [task_design(bank, row, name) for row, name in zip(tasks, glaciers, strict=True)]
        rows = _Block(design, np.sqrt(bank.ahead))
        questions = [_Block(made, np.sqrt(row.ahead)) for made, row in zip(designs, tasks, strict=True)]
        if not use_gaps:
            rows, questions = _without_gaps(rows), [_without_gaps(question) for question in questions]
        target = np.clip(bank.target / np.sqrt(bank.ahead), -_CLIP, _CLIP)
        error = np.abs(bank.target - bank.mean)
        asked_for = np.ones(len(bank.origin), dtype=bool) if wanted is None else wanted
        row_refit = refit_year(bank.origin_year[bank.origin], every=refit_years) if len(bank.origin) else np.empty(0)
        task_refit = refit_year(cutoffs, every=refit_years)
        task_fold = np.array([fold_of(name) for name in glaciers])
        fold, series = bank.fold, bank.series
        name, answered = "", None
        if kept is not None:
            name = name_of_arrays(*vars(bank).values(), asked_for, seed, use_gaps, stacked, refit_years)
            answered = kept.answers(name)
        bank_answers = np.full((2, len(bank.origin)), np.nan)
        if answered is not None:
            bank_answers[:, asked_for] = answered
            asked_for = np.zeros(len(bank.origin), dtype=bool)
        task_answers = [np.full((2, len(row.ahead)), np.nan) for row in tasks]
        task_rows = np.zeros(len(tasks), dtype=np.int64)
        work, places = [], []
        for refit in np.union1d(row_refit[asked_for], task_refit):
            known = bank.known_at(float(refit))
            for group in range(FOLDS):
                mine = np.flatnonzero((task_refit == refit) & (task_fold == group))
                asked = np.flatnonzero((row_refit == refit) & (fold == group) & asked_for)
                train = np.flatnonzero(known & (fold != group))
                task_rows[mine] = len(train)
                if len(train) < MIN_ROWS or len(mine) + len(asked) == 0:
                    continue
                blocks = [rows.take(asked), *(questions[index] for index in mine)]
                work.append(_Job(rows.take(train), target[train], error[train], series[train], seed, stacked, blocks))
                places.append((asked, mine))
        for (asked, mine), answers in zip(places, _map(work, jobs), strict=True):
            bank_answers[:, asked] = answers[0] * np.sqrt(bank.ahead[asked])
            for index, answer in zip(mine, answers[1:], strict=True):
                task_answers[index] = answer * np.sqrt(tasks[index].ahead)
        if kept is not None and answered is None:
            kept.keep_answers(name, bank_answers[:, asked_for])
        return cls(bank_answers[1], bank_answers[0], [answer[1] for answer in task_answers],
                   [answer[0] for answer in task_answers], task_rows)  # fmt: skip


def _map(work: list[_Job], jobs: int) -> list[list[NDArray[np.float64]]]:
    if jobs <= 1 or len(work) < 2:
        return [_grow_and_ask(arguments) for arguments in work]
    with process_pool(jobs) as pool:
        return list(pool.map(_grow_and_ask, work))


def bank_design(bank: Bank) -> NDArray[np.float32]:
    """Return the trees' input for every row of a bank."""
    names = bank.glaciers[bank.origin_series]
    cache: dict[tuple[float, str], NDArray[np.float64]] = {}
    common = np.empty((len(bank.origin_year), 10))
    for index, (year, name) in enumerate(zip(bank.origin_year, names, strict=True)):
        key = (float(year), str(name))
        if key not in cache:
            cache[key] = common_signal(bank, *key)
        common[index] = cache[key]
    row = bank.origin
    return design_matrix(bank.origin_features[row], common[row], ahead=bank.ahead, mean=bank.mean,
                         spread=bank.spread, drift=bank.drift)  # fmt: skip


def task_design(bank: Bank, row: OriginRow, glacier: str) -> NDArray[np.float32]:
    """Return the trees' input for the dates of a task."""
    count = len(row.ahead)
    common = common_signal(bank, row.year, glacier)
    return design_matrix(np.tile(row.features, (count, 1)), np.tile(common, (count, 1)), ahead=row.ahead,
                         mean=row.mean, spread=row.spread, drift=row.drift * row.ahead)  # fmt: skip


def _without_gaps(rows: _Block) -> _Block:
    from glaciertime.forecast.learned.design import TARGET_FEATURES
    from glaciertime.forecast.learned.features import FEATURES

    blind = rows.design.copy()
    offset = len(TARGET_FEATURES)
    blind[:, [0, offset + FEATURES.index("last gap years"), offset + FEATURES.index("record years")]] = 0.0
    return _Block(blind, np.ones(len(blind)))
