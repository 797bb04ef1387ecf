"""Gradient-boosted trees over all glaciers, on top of a straight line: the median change ahead, from scale-free pasts.

Trained forward in time and never on the glacier that is forecast: a model for one fold of glaciers and one refit
date has seen the targets of the other folds up to that date. Refit dates lie on a fixed calendar, so that they do
not depend on the data.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.bank import MOST_SERIES, Bank, fold_of
from glaciertime.forecast.learned.design import COMMON, TARGET_FEATURES, common_signals, design_matrix
from glaciertime.forecast.learned.features import FEATURES
from glaciertime.forecast.learned.kept import Kept, name_of_arrays
from glaciertime.forecast.learned.linear import Line, fit_linear, linear_inputs, series_weights
from glaciertime.forecast.learned.past import OriginRow
from glaciertime.forecast.learned.trees import Trees, trees_of
from glaciertime.processes import process_pool

__all__ = ["MIN_ROWS", "REFIT_YEARS", "GlobalTrees"]

#: Years between refits, counted from 1970, unless others are asked for.
REFIT_YEARS = 2.0
#: Fewer known targets of other glaciers, and the trees are not grown.
MIN_ROWS = 300
_CLIP = 20.0
#: Of the change that goes with covariates by a glacier's own past: shrunk there, it may be too small.
_MOST_GAIN = 1.5
#: So many ensembles stay in memory, some 0.2 MB each: a fold and a refit date of one glacier serve others too.
_HELD = 512


def refit_year(year: NDArray[np.float64] | float, *, every: float = REFIT_YEARS) -> NDArray[np.float64]:
    """Return the latest refit date at or before a date, in years since 1970."""
    return np.floor(np.asarray(year, dtype=float) / every + 1e-9) * every


@dataclass(frozen=True, eq=False)
class _Block:
    """Rows of a design matrix (R, F), and the root of the years ahead of each (R,).

    ``driven`` (R,) is the change over that root which goes with covariates, 0 without them.
    """

    design: NDArray[np.float32]
    root_ahead: NDArray[np.float64]
    driven: NDArray[np.float64] | float = 0.0

    def with_column(self, column: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.column_stack([self.design, column.astype(np.float32)])


@dataclass(frozen=True, eq=False)
class _Job:
    """What one fold at one refit date is trained on."""

    train: _Block
    target: NDArray[np.float64]
    error: NDArray[np.float64]
    series: NDArray[np.int64]
    seed: int
    stacked: bool


@dataclass(frozen=True, eq=False)
class _Grown:
    """The straight line and the trees of one fold at one refit date, and how much of what is driven came true."""

    line: Line
    trees: Trees
    stacked: bool
    gain: float = 0.0

    def told(self) -> NDArray[np.float64]:
        """Return all of it as one row of numbers, to be kept."""
        parts = [self.line.centre, self.line.spread, self.line.weights, self.trees.roots, self.trees.nodes.ravel()]
        head = [self.trees.base, float(self.stacked), self.gain, *(len(part) for part in parts)]
        return np.concatenate([np.array(head), *parts])

    def answer(self, asked: _Block) -> NDArray[np.float64]:
        """Return the answers (2, R) of the straight line and of the trees."""
        straight = self.line(linear_inputs(asked.design, asked.root_ahead))
        if not len(straight):
            return np.stack([straight, straight])
        seen = asked.with_column(straight) if self.stacked else asked.design
        return np.stack([straight, self.trees(seen)]) + self.gain * asked.driven


def _grown_of(told: NDArray[np.float64]) -> _Grown:
    """Return what :meth:`_Grown.told` told."""
    base, stacked, gain = told[:3]
    ends = 8 + np.cumsum(told[3:8].astype(np.int64))
    centre, spread, weights, roots, nodes = np.split(told[8:], ends[:-1] - 8)
    return _Grown(
        Line(centre, spread, weights), Trees(nodes.reshape(-1, 7), roots.astype(np.int64), float(base)),
        bool(stacked), float(gain),
    )  # fmt: skip


def _grow(design: NDArray[np.float32], target: NDArray[np.float64], seed: int) -> Trees:
    from sklearn.ensemble import HistGradientBoostingRegressor

    # What is known of no row, as the others' rates where there are fewer than three, splits none; scikit-learn cannot
    # bin it.
    design = np.where(np.isnan(design).all(axis=0), np.float32(0.0), design)
    grown = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=80, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=40,
        l2_regularization=1.0, max_features=0.5, early_stopping=False, random_state=seed,
    ).fit(design, target)  # fmt: skip
    return trees_of(grown)


def _train(job: _Job) -> _Grown:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        train, target, gain = job.train, job.target, 0.0
        even = series_weights(job.error, train.root_ahead, job.series, power=0.5)
        if isinstance(train.driven, np.ndarray):
            # Trees do not go beyond what they saw, and a told future may: what it drives is carried on straight.
            along = fit_linear(train.driven[:, None], target, even)
            gain = float(np.clip(along.weights[1] / along.spread[0], 0.0, _MOST_GAIN))
            target = target - gain * train.driven
        line = fit_linear(linear_inputs(train.design, train.root_ahead), target, even)
        design, rows = train.design, np.arange(len(job.target))
        if job.stacked:
            design = train.with_column(line(linear_inputs(train.design, train.root_ahead)))
            # Drawn so that every series counts alike, as in relative errors; weights would be slower.
            weight = series_weights(job.error, train.root_ahead, job.series, power=1.0)
            weight = np.minimum(weight, np.quantile(weight, 0.98))
            rows = np.random.default_rng(job.seed).choice(len(weight), len(weight), p=weight / weight.sum())
        return _Grown(line, _grow(design[rows], target[rows], job.seed), job.stacked, gain)


class GlobalTrees:
    """Trees over a bank, one ensemble per fold of glaciers and refit date, grown where something is asked of it.

    An ensemble knows no target after its refit date, and none of the fold of glaciers that it is asked about. What it
    answers depends neither on what else is asked nor on what became known later, so that it may be kept, and is the
    same for one glacier and for all.

    Parameters
    ----------
    bank : Bank
    seed : int
    stacked : bool
        Whether the trees see the answer of the straight line, and rows drawn so that every series counts alike.
    refit_years : float
        Years between refits.
    use_gaps : bool
        Whether the lengths of the gaps and the time ahead are inputs; without them a step is a step.
    kept : Kept, optional
        May know the answers for the bank.
    drivers : (R, C) float64, optional
        What covariates tell of the rows of the bank; answers that rest on them are not kept.
    """

    def __init__(
        self, bank: Bank, *, seed: int = 0, stacked: bool = True, refit_years: float = REFIT_YEARS,
        use_gaps: bool = True, kept: Kept | None = None, drivers: NDArray[np.float64] | None = None,
    ) -> None:  # fmt: skip
        self.drivers = drivers
        self.bank, self.seed, self.stacked, self.use_gaps = bank, seed, stacked, use_gaps
        self.refit_years, self.kept = refit_years, kept if drivers is None else None
        self._target = np.clip(bank.target / np.sqrt(bank.ahead), -_CLIP, _CLIP)
        self._error = np.abs(bank.target - bank.mean)
        self._refit = refit_year(bank.origin_year[bank.origin], every=refit_years)
        self._common = np.full((len(bank.origin_year), len(COMMON)), np.nan)
        self._has_common = np.zeros(len(bank.origin_year), dtype=bool)
        #: Forecast changes of the rows of the bank by the straight line and by the trees, (2, R), as far as asked for.
        self.known_answers = np.full((2, len(bank.origin)), np.nan)
        self._answered: set[float] = set()
        self._grown: OrderedDict[tuple[float, int], _Grown] = OrderedDict()
        #: How many targets each ensemble learns from.
        self._counts: dict[tuple[float, int], int] = {}
        #: Of which ensembles is known that they are kept.
        self._told: set[tuple[float, int]] = set()

    def answers(self, wanted: NDArray[np.bool_] | None = None, *, jobs: int = 1) -> NDArray[np.float64]:
        """Return the forecast changes of rows of the bank by the straight line and by the trees, (2, R).

        Parameters
        ----------
        wanted : (R,) bool, optional
            Rows to forecast, all by default; others may be NaN. So are rows of whose time too little was known.
        jobs : int
            Processes.
        """
        asked = np.unique(self._refit if wanted is None else self._refit[wanted])
        missing = []
        for refit in map(float, asked):
            if refit in self._answered:
                continue
            here = np.flatnonzero(self._refit == refit)
            found = None if self.kept is None else self.kept.answers(self._name(refit, here))
            if found is None or found.shape != (2, len(here)):
                missing.append((refit, here))
            else:
                self.known_answers[:, here] = found
                self._answered.add(refit)
        keys = [(refit, fold) for refit, here in missing for fold in np.unique(self.bank.fold[here]).tolist()]
        places = {refit: here for refit, here in missing}
        for (refit, fold), grown in self._grow_all(keys, jobs=jobs):
            rows = places[refit][self.bank.fold[places[refit]] == fold]
            if grown is not None:
                self.known_answers[:, rows] = grown.answer(self._block(rows)) * np.sqrt(self.bank.ahead[rows])
        for refit, here in missing:
            self._answered.add(refit)
            if self.kept is not None:
                self.kept.keep_answers(self._name(refit, here), self.known_answers[:, here])
        return self.known_answers

    def forecast(
        self,
        tasks: list[OriginRow],
        glaciers: list[str],
        cutoffs: NDArray[np.float64],
        *,
        jobs: int = 1,
        drivers: list[NDArray[np.float64]] | None = None,
    ) -> tuple[list[NDArray[np.float64]], list[int]]:
        """Return the forecast changes of tasks by the straight line and by the trees, (2, D) each, and their targets.

        Parameters
        ----------
        tasks, glaciers : list of OriginRow, list of str
            What to forecast, and the glacier of each.
        cutoffs : (T,) float64
            Cutoff of each, in years since 1970.
        jobs : int
            Processes.
        drivers : list of (D, C) float64, optional
            What covariates tell of each.

        Returns
        -------
        list of (2, D) float64, list of int
            Changes, NaN where too little was known; how many targets were learned from.
        """
        refits = refit_year(cutoffs, every=self.refit_years)
        keys = [(float(refit), fold_of(name)) for refit, name in zip(refits, glaciers, strict=True)]
        changes = [np.full((2, len(row.ahead)), np.nan) for row in tasks]
        for key in {*keys} - self._counts.keys():
            self._counts[key] = len(self._training(*key))
        common = common_signals(self.bank, np.array([row.year for row in tasks]), np.array(glaciers, dtype=object))
        for key, grown in self._grow_all(dict.fromkeys(keys), jobs=jobs, is_kept=True):
            if grown is None:
                continue
            for index in (index for index, its in enumerate(keys) if its == key):
                row = tasks[index]
                told = None if drivers is None else drivers[index]
                changes[index] = grown.answer(self._question(row, common[index], told)) * np.sqrt(row.ahead)
        return changes, [self._counts[key] for key in keys]

    def input_effects(self, row: OriginRow, glacier: str, cutoff: float) -> list[tuple[str, NDArray[np.float64]]]:
        """Return by how much each input moves the trees' forecast of a task, in the unit of its values.

        The same trees are asked again with one input as it usually is, its median over the rows that they learned
        from; the straight line under them sees that too. The effects do not add up where inputs act together.

        Parameters
        ----------
        row : OriginRow
        glacier : str
        cutoff : float
            In years since 1970.

        Returns
        -------
        list of (str, (D,) float64)
            Each input, and the forecast less that without it; empty where too little is known for trees.
        """
        key = (float(refit_year(cutoff, every=self.refit_years)), fold_of(glacier))
        rows = self._training(*key)
        ((_, grown),) = self._grow_all([key], jobs=1)
        if grown is None:
            return []
        common = common_signals(self.bank, np.array([row.year]), np.array([glacier], dtype=object))
        asked = self._question(row, common[0])
        with warnings.catch_warnings():
            # What no row knows has no median.
            warnings.simplefilter("ignore", RuntimeWarning)
            usual = np.nanmedian(self._block(rows).design, axis=0)
        unit, base = np.sqrt(row.ahead) * row.scale, grown.answer(asked)[1]
        found = []
        for column, name in enumerate((*TARGET_FEATURES, *FEATURES, *COMMON)):
            design = asked.design.copy()
            design[:, column] = usual[column]
            found.append((name, (base - grown.answer(_Block(design, asked.root_ahead))[1]) * unit))
        return found

    def _training(self, refit: float, fold: int) -> NDArray[np.int64]:
        """Return the rows that the ensemble of a fold at a refit date learns from."""
        rows = np.flatnonzero(self.bank.known_at(refit) & (self.bank.fold != fold))
        return rows[self.bank.first_series(self.bank.series[rows])]

    def _grow_all(
        self, keys: Iterable[tuple[float, int]], *, jobs: int, is_kept: bool = False
    ) -> Iterator[tuple[tuple[float, int], _Grown | None]]:
        """Yield the ensemble of each refit date and fold; None where too little was known.

        Those that forecast (``is_kept``) are kept whole: they may be asked anything. Of those that answer for rows
        of the bank, the answers are kept.
        """
        wanted = list(keys)
        for key in wanted:
            if key in self._grown:
                self._grown.move_to_end(key)
                if is_kept:
                    self._keep({key: self._grown[key]})
                yield key, self._grown[key]
        left = iter([key for key in wanted if key not in self._grown])
        # A few at a time: what each learns from is held until it is grown.
        while some := list(islice(left, 4 * max(jobs, 1))):
            work = {key: rows for key in some if len(rows := self._training(*key)) >= MIN_ROWS}
            made = self._kept_ones(work) if is_kept else {}
            new = {key: rows for key, rows in work.items() if key not in made}
            grown = _map([self._job(rows) for rows in new.values()], jobs)
            made |= zip(new, grown, strict=True)
            if is_kept:
                self._keep(made)
            for key in some:
                yield key, made.get(key)
            self._grown.update(made)
            while len(self._grown) > _HELD:
                self._grown.popitem(last=False)

    def _kept_ones(self, work: dict[tuple[float, int], NDArray[np.int64]]) -> dict[tuple[float, int], _Grown]:
        """Return the ensembles that were kept before."""
        if self.kept is None:
            return {}
        told = {key: self.kept.answers(self._name_of_trees(key, rows)) for key, rows in work.items()}
        self._told |= {key for key, one in told.items() if one is not None}
        return {key: _grown_of(one) for key, one in told.items() if one is not None}

    def _keep(self, made: dict[tuple[float, int], _Grown]) -> None:
        """Keep ensembles, each once."""
        if self.kept is None:
            return
        for key in made.keys() - self._told:
            self.kept.keep_answers(self._name_of_trees(key, self._training(*key)), made[key].told())
        self._told |= made.keys()

    def _name_of_trees(self, key: tuple[float, int], rows: NDArray[np.int64]) -> str:
        """Return a name of all that an ensemble rests on."""
        return name_of_arrays("ensemble", key[1], self._name(key[0], rows))

    def _job(self, rows: NDArray[np.int64]) -> _Job:
        return _Job(
            self._block(rows), self._target[rows], self._error[rows], self.bank.series[rows], self.seed, self.stacked
        )

    def _block(self, rows: NDArray[np.int64]) -> _Block:
        """Return the input for rows of the bank."""
        bank, origins = self.bank, self.bank.origin[rows]
        new = np.unique(origins[~self._has_common[origins]])
        self._common[new] = common_signals(bank, bank.origin_year[new], bank.glaciers[bank.origin_series[new]])
        self._has_common[new] = True
        design = design_matrix(
            bank.origin_features[origins], self._common[origins], ahead=bank.ahead[rows], mean=bank.mean[rows],
            spread=bank.spread[rows], drift=bank.drift[rows],
        )  # fmt: skip
        drivers = None if self.drivers is None else self.drivers[rows]
        return self._seen(_driven_block(design, np.sqrt(bank.ahead[rows]), drivers))

    def _question(
        self, row: OriginRow, common: NDArray[np.float64], drivers: NDArray[np.float64] | None = None
    ) -> _Block:
        """Return the input for the dates of a task."""
        count = len(row.ahead)
        design = design_matrix(np.tile(row.features, (count, 1)), np.tile(common, (count, 1)), ahead=row.ahead,
                               mean=row.mean, spread=row.spread, drift=row.drift * row.ahead)  # fmt: skip
        return self._seen(_driven_block(design, np.sqrt(row.ahead), drivers))

    def _seen(self, block: _Block) -> _Block:
        return block if self.use_gaps else _without_gaps(block)

    def _name(self, refit: float, asked: NDArray[np.int64]) -> str:
        """Return a name of all that the answers at a refit date rest on: what was known of it, and what is asked."""
        bank = self.bank
        seen = np.flatnonzero(bank.origin_year < refit + self.refit_years)
        known = np.flatnonzero(bank.known_at(refit))
        owner = bank.origin_series[seen]
        each, place = np.unique(owner, return_inverse=True)
        told: list[Any] = [refit, self.seed, self.stacked, self.use_gaps, self.refit_years, MIN_ROWS, MOST_SERIES]
        told += [list(bank.glaciers[each]), place, bank.origin_year[seen], bank.origin_features[seen]]
        for rows in (known, asked):
            told += [np.searchsorted(seen, bank.origin[rows]), bank.ahead[rows], bank.mean[rows], bank.spread[rows]]
            told += [bank.drift[rows]]
        return name_of_arrays(*told, bank.target[known])


def _driven_block(
    design: NDArray[np.float32], root_ahead: NDArray[np.float64], drivers: NDArray[np.float64] | None
) -> _Block:
    """Return the input with what covariates tell, (R, C), whose last column is the change that goes with them."""
    if drivers is None:
        return _Block(design, root_ahead)
    return _Block(np.column_stack([design, drivers.astype(np.float32)]), root_ahead, drivers[:, -1] / root_ahead)


def _map(work: list[_Job], jobs: int) -> list[_Grown]:
    if jobs <= 1 or len(work) < 2:
        return [_train(job) for job in work]
    with process_pool(jobs) as pool:
        return list(pool.map(_train, work))


def _without_gaps(rows: _Block) -> _Block:
    blind = rows.design.copy()
    offset = len(TARGET_FEATURES)
    blind[:, [0, offset + FEATURES.index("last gap years"), offset + FEATURES.index("record years")]] = 0.0
    return _Block(blind, np.ones(len(blind)), rows.driven)
