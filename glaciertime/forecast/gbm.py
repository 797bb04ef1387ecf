"""Gradient-boosted trees over all glaciers: the median change ahead from scale-free past changes.

Trained forward in time and never on the glacier that is forecast: a model for one fold of glaciers and one refit
date has seen the targets of the other folds up to that date. Refit dates lie on a fixed calendar, so that they do
not depend on the data.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.bank import FOLDS, Bank, OriginRow, fold_of
from glaciertime.forecast.features import common_signal, design_matrix

__all__ = ["MIN_ROWS", "REFIT_YEARS", "GlobalTrees"]

#: Years between refits, counted from 1970.
REFIT_YEARS = 5.0
#: Fewer known targets of other glaciers, and the trees are not grown.
MIN_ROWS = 300
_CLIP = 20.0


def refit_year(year: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return the latest refit date at or before a date, in years since 1970."""
    return np.floor(np.asarray(year, dtype=float) / REFIT_YEARS + 1e-9) * REFIT_YEARS


def _grow(design: NDArray[np.float32], target: NDArray[np.float64], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=80, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=40,
            l2_regularization=1.0, max_features=0.5, early_stopping=False, random_state=seed,
        ).fit(design, target)  # fmt: skip


def _ask(model: Any, design: NDArray[np.float32]) -> NDArray[np.float64]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        answer: NDArray[np.float64] = model.predict(design)
    return answer


def _grow_and_ask(
    arguments: tuple[NDArray[np.float32], NDArray[np.float64], int, list[NDArray[np.float32]]],
) -> list[NDArray[np.float64]]:
    design, target, seed, questions = arguments
    model = _grow(design, target, seed)
    return [_ask(model, question) if len(question) else np.empty(0) for question in questions]


@dataclass(frozen=True, eq=False)
class GlobalTrees:
    """The trees' out-of-sample answers for a bank and for tasks.

    Attributes
    ----------
    bank_change : (R,) float64
        Forecast of each row of the bank by a model that knew no target after the last refit date before its origin
        and none of its glacier's fold; NaN where too little was known.
    task_change : list of (D,) float64
        The same for each task.
    task_rows : (T,) int
        Targets that each task's model was trained on.
    """

    bank_change: NDArray[np.float64]
    task_change: list[NDArray[np.float64]]
    task_rows: NDArray[np.int64]

    @classmethod
    def train(
        cls, bank: Bank, tasks: list[OriginRow], glaciers: list[str], cutoffs: NDArray[np.float64], *,
        jobs: int = 1, seed: int = 0, with_bank: bool = True, use_gaps: bool = True,
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
        with_bank : bool
            Whether to forecast the bank's own rows too; calibration and blending need them.
        use_gaps : bool
            Whether the lengths of the gaps and the time ahead are inputs; without them a step is a step.
        """
        design = bank_design(bank)
        questions = [task_design(bank, row, name) for row, name in zip(tasks, glaciers, strict=True)]
        if not use_gaps:
            design, questions = _without_gaps(design), [_without_gaps(question) for question in questions]
        scaled = np.clip(bank.target / np.sqrt(bank.ahead), -_CLIP, _CLIP)
        row_refit = refit_year(bank.origin_year[bank.origin]) if len(bank.origin) else np.empty(0)
        task_refit = refit_year(cutoffs)
        task_fold = np.array([fold_of(name) for name in glaciers])
        fold = bank.fold
        refits = np.union1d(row_refit, task_refit) if with_bank else np.unique(task_refit)
        bank_change = np.full(len(bank.origin), np.nan)
        task_change = [np.full(len(row.ahead), np.nan) for row in tasks]
        task_rows = np.zeros(len(tasks), dtype=np.int64)
        work, places = [], []
        for refit in refits:
            known = bank.known_at(float(refit))
            for group in range(FOLDS):
                mine = np.flatnonzero((task_refit == refit) & (task_fold == group))
                asked = np.flatnonzero((row_refit == refit) & (fold == group)) if with_bank else np.empty(0, int)
                train = known & (fold != group)
                task_rows[mine] = int(train.sum())
                if train.sum() < MIN_ROWS or len(mine) + len(asked) == 0:
                    continue
                blocks = [design[asked], *(questions[index] for index in mine)]
                work.append((design[train], scaled[train], seed, blocks))
                places.append((asked, mine))
        for (asked, mine), answers in zip(places, _map(work, jobs), strict=True):
            bank_change[asked] = answers[0] * np.sqrt(bank.ahead[asked])
            for index, answer in zip(mine, answers[1:], strict=True):
                task_change[index] = answer * np.sqrt(tasks[index].ahead)
        return cls(bank_change, task_change, task_rows)


def _map(work: list[Any], jobs: int) -> list[list[NDArray[np.float64]]]:
    if jobs <= 1 or len(work) < 2:
        return [_grow_and_ask(arguments) for arguments in work]
    with ProcessPoolExecutor(jobs) as pool:
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


def _without_gaps(design: NDArray[np.float32]) -> NDArray[np.float32]:
    from glaciertime.forecast.features import FEATURES, TARGET_FEATURES

    blind = design.copy()
    offset = len(TARGET_FEATURES)
    blind[:, [0, offset + FEATURES.index("last gap years"), offset + FEATURES.index("record years")]] = 0.0
    return blind
