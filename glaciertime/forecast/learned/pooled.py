"""The forecasters that learn from other glaciers: ``linear``, ``gbm``, ``ensemble`` and ``auto``.

All share one bank of past origins and one set of trees per variable. Whatever they take from it for a task -
training targets, blend weights, past errors - is of other glaciers and was known at the task's cutoff.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import GlacierTimeError, SeriesTooShortError
from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.learned.bank import Bank, bank_of, build_bank, fold_of
from glaciertime.forecast.learned.blend import own_weights
from glaciertime.forecast.learned.conformal import PastErrors
from glaciertime.forecast.learned.drivers import driver_inputs, driver_inputs_of_bank
from glaciertime.forecast.learned.gbm import MIN_ROWS
from glaciertime.forecast.learned.kept import Kept, name_of_arrays
from glaciertime.forecast.learned.network_weights import NetworkWeights
from glaciertime.forecast.learned.past import OriginRow, describe_origin, pasts_of
from glaciertime.forecast.learned.pool import LOCAL, Pool, moves, pool_of
from glaciertime.forecast.local.simple import Last
from glaciertime.forecast.prediction import quantiles_of
from glaciertime.forecast.reading import widened
from glaciertime.forecast.series import Series, as_years
from glaciertime.forecast.task import MIN_MIXED, Outcome, Task
from glaciertime.processes import process_pool

__all__ = ["Workbench", "run_auto", "run_ensemble", "run_gbm", "run_linear"]

#: A change is excluded that lies so many standard deviations from what the record itself lets expect.
_EXCLUDED = 4.0
#: What was learned of other glaciers last in this process, by name of their values: of lengths and areas, each with a
#: few futures of covariates.
_pools: dict[str, Pool] = {}
_POOLS = 6


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
    covariates : Covariates, optional
        Only ``gbm`` takes them.
    """

    tasks: list[Task]
    training: Sequence[Series]
    levels: tuple[float, ...]
    jobs: int = 1
    seed: int = 0
    report: Callable[[int, int], None] | None = None
    kept: Kept | None = None
    weights: tuple[NetworkWeights, ...] = ()
    covariates: Covariates | None = None
    _own: dict[int, Bank] = field(default_factory=dict)

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
    def pool(self) -> Pool:
        """Bank and trees, which have answered for all that is evidence at the cutoffs of the tasks."""
        if self.covariates is not None:
            pool = self._driven_pool(self.covariates)
        elif self.kept is not None and self.training:
            # Of all values, whichever cutoff asks next: what was not known at one is left out row by row.
            pool = self.kept.pool(self.training, seed=self.seed, jobs=self.jobs)
        else:
            latest = max(task.cutoff for task in self.tasks)
            seen = {series.key: series.until(latest) for series in self.training}
            pool = self._pool_held([series for series in seen.values() if len(series)])
        pool.answer(self.cutoffs, jobs=self.jobs)
        return pool

    def _pool_held(self, known: list[Series]) -> Pool:
        """Return the pool of series: one that was made before in this process, where it is of the same values."""

        def made() -> Pool:
            bank = build_bank(known, jobs=self.jobs, report=self.report)
            return pool_of(bank, variable=self.tasks[0].series.variable, seed=self.seed)

        return _held(self._name_of(known), made)

    def _driven_pool(self, covariates: Covariates) -> Pool:
        """Return bank and trees that see covariates: of what the covariates cover, and kept in this process alone."""
        latest = max(task.cutoff for task in self.tasks)
        known = {series.key: series for series in self.training}
        if self.kept is None:
            known = {key: series.until(latest) for key, series in known.items()}
        ordered = sorted((series for series in known.values() if len(series)), key=lambda series: series.key)

        def made() -> Pool:
            pasts = pasts_of(ordered, jobs=self.jobs) if self.kept is None else self.kept.pasts(ordered, jobs=self.jobs)
            bank, drivers = driver_inputs_of_bank(covariates, bank_of(ordered, pasts), ordered, pasts)
            return pool_of(bank, variable=self.tasks[0].series.variable, seed=self.seed, drivers=drivers)

        given = (covariates.names, covariates.effect, covariates.season, *covariates.values)
        days = (dates.astype("datetime64[D]").astype(np.int64) for dates in covariates.dates)
        return _held(name_of_arrays(self._name_of(ordered), *given, *days), made)

    def _name_of(self, known: Sequence[Series]) -> str:
        told = ((*one.key, one.unit, one.source) for one in known)
        values = (column for one in known for column in (one.dates.astype(np.int64), one.values, one.sigma))
        return name_of_arrays(self.tasks[0].series.variable, self.seed, MIN_ROWS, *told, *values)

    @cached_property
    def _learned(self) -> dict[int, tuple[NDArray[np.float64], int]]:
        """What the trees answer for each task that something is known of, (2, D), and how many targets they know."""
        good = [index for index, row in enumerate(self.rows) if isinstance(row, OriginRow)]
        changes, counts = self.pool.trees.forecast(
            [self.rows[index] for index in good],  # type: ignore[misc]
            [self.tasks[index].series.glacier for index in good], self.cutoffs[good], jobs=self.jobs,
            drivers=None if self.covariates is None else [
                driver_inputs(self.covariates, self.tasks[index].series, self.rows[index])  # type: ignore[arg-type]
                for index in good
            ],
        )  # fmt: skip
        return dict(zip(good, zip(changes, counts, strict=True), strict=True))

    def known_targets(self, index: int) -> int:
        """Return how many targets of other glaciers the trees of a task know."""
        return self._learned[index][1]

    def forecasts(self, index: int) -> dict[str, NDArray[np.float64]]:
        """Return what each candidate forecasts for a task's dates, (D,) each, in scales."""
        row = self.rows[index]
        assert isinstance(row, OriginRow)
        line, trees = self._learned[index][0]
        return {"last": np.zeros_like(row.mean), "drift": row.drift * row.ahead, "kalman": row.mean, "linear": line,
                "gbm": trees}  # fmt: skip

    def input_effects(self, index: int) -> list[tuple[str, NDArray[np.float64]]]:
        """Return by how much each input moves the trees' forecast of a task, see :meth:`.gbm.GlobalTrees`."""
        row, glacier = self.rows[index], self.tasks[index].series.glacier
        if not isinstance(row, OriginRow):
            return []
        return self.pool.trees.input_effects(row, glacier, float(self.cutoffs[index]))

    def table(self, index: int) -> NDArray[np.float64]:
        """Return what the candidates of the pool forecast for a task's dates, (D, C), in scales."""
        forecasts = self.forecasts(index)
        return np.column_stack([forecasts[name] for name in self.pool.candidates])

    def asked(self, index: int) -> tuple[float, int]:
        """Return the cutoff of a task and the fold of its glacier: what of others counts for it."""
        return float(self.cutoffs[index]), self.fold(index)

    def fold(self, index: int) -> int:
        """Return the fold of a task's glacier."""
        return fold_of(self.tasks[index].series.glacier)

    def own_bank(self, index: int) -> Bank:
        """Past origins of the task's own series."""
        if index not in self._own:
            self._own[index] = build_bank([self.tasks[index].series])
        return self._own[index]

    def interval(
        self, index: int, change: NDArray[np.float64], past: PastErrors, *, kalman_share: float
    ) -> NDArray[np.float64]:
        """Return quantiles (D, Q) of a task in its unit, around a forecast change (D,), from past errors.

        The spread is as in :meth:`around`; ``past`` are the errors that the same model made for others.
        """
        row = self.rows[index]
        assert isinstance(row, OriginRow)
        width = row.spread**kalman_share * row.walk ** (1 - kalman_share)
        far = moves(change, row.drift * row.ahead, row.mean, width)
        native = _native(self.quantiles)
        offsets = np.empty((len(row.ahead), len(self.quantiles)))
        for place, ahead in enumerate(row.ahead):
            with np.errstate(divide="ignore"):
                shape = np.log(row.spread[place] / row.walk[place]) if row.walk[place] > 0 else 0.0
            inputs = np.concatenate([row.features, [np.log(ahead), shape], far[place]])
            offsets[place] = past.offsets(float(ahead), inputs, native, self.quantiles)
        return self.around(index, change, offsets, kalman_share=kalman_share)

    def around(
        self, index: int, change: NDArray[np.float64], offsets: NDArray[np.float64], *,
        kalman_share: NDArray[np.float64] | float,
    ) -> NDArray[np.float64]:  # fmt: skip
        """Return quantiles (D, Q) of a task in its unit, around a forecast change (D,), from offsets in spreads.

        The spread is the geometric mean of those of the Kalman forecast, with weight ``kalman_share`` (of each date,
        or one), and of a random walk; offsets are (D, Q), or (Q,) of all dates. Where the record's own Kalman forecast
        excludes the change, as that of a line without scatter does, no past error tells how far it errs: how far the
        two are apart counts as one standard deviation at least.
        """
        row = self.rows[index]
        assert isinstance(row, OriginRow)
        width = row.spread**kalman_share * row.walk ** (1 - kalman_share)
        out = row.last + row.scale * (change[:, None] + width[:, None] * offsets)
        apart = np.abs(row.mean - change)
        drawn = np.where(apart > _EXCLUDED * row.spread, row.scale * apart, 0.0)
        return widened(out, drawn[:, None] * _native(self.quantiles), self.quantiles)


def _held(name: str, make: Callable[[], Pool]) -> Pool:
    """Return the pool of a name, made where this process has none of it."""
    pool = _pools.get(name)
    if pool is None:
        pool = _pools[name] = make()
        for oldest in list(_pools)[:-_POOLS]:
            _pools.pop(oldest, None)
    return pool


def _native(quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import special

    # Heavier tails than normal, the same variance.
    return np.asarray(special.stdtrit(6.0, quantiles) * np.sqrt(4.0 / 6.0))


def _task_row(task: Task) -> OriginRow | str:
    try:
        if len(task.series) < MIN_MIXED:
            raise SeriesTooShortError(task.series.label, len(task.series), "a model over many glaciers", MIN_MIXED,
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
    if not np.isfinite(bench.forecasts(index)["gbm"]).all():
        task = bench.tasks[index]
        if bench.covariates is not None:
            return (f"{task.series.label}: {bench.known_targets(index)} known values of other glaciers before "
                    f"{task.cutoff} that {bench.covariates.label} covers, {model} needs {MIN_ROWS}; give earlier "
                    "values of the covariates, more glaciers, or use kalman")  # fmt: skip
        return (f"{task.series.label}: {bench.known_targets(index)} known values of other glaciers before "
                f"{task.cutoff}, {model} needs {MIN_ROWS}; give more glaciers of {task.series.variable}, or use "
                "kalman or auto")  # fmt: skip
    return None


def run_gbm(bench: Workbench) -> list[Outcome]:
    """Forecast by the trees alone, with intervals from their past errors on other glaciers."""
    return _run_learned(bench, "gbm")


def run_linear(bench: Workbench) -> list[Outcome]:
    """Forecast by the straight line under the trees, with intervals from its past errors on other glaciers."""
    return _run_learned(bench, "linear")


def _run_learned(bench: Workbench, model: str) -> list[Outcome]:
    outcomes = []
    for index in range(len(bench.tasks)):
        reason = _too_few(bench, index, model)
        if reason is not None:
            outcomes.append(_failed(bench, index, reason))
            continue
        past = bench.pool.past_errors(
            model, *bench.asked(index), forecast=partial(_of_candidate, bench.pool, model)
        )  # fmt: skip
        outcomes.append(Outcome(bench.interval(index, bench.forecasts(index)[model], past, kalman_share=0.5), "ok"))
    return outcomes


def run_ensemble(bench: Workbench) -> list[Outcome]:
    """Forecast by the median of the candidates, each weighted by its past skill on other glaciers."""
    outcomes = []
    for index in range(len(bench.tasks)):
        reason = _too_few(bench, index, "ensemble")
        if reason is not None:
            outcomes.append(_failed(bench, index, reason))
            continue
        evidence, told = bench.pool.table(*bench.asked(index))
        is_told = np.isfinite(told).all(axis=1)
        error = np.abs(told[is_told] - bench.pool.bank.target[evidence[is_told], None])
        count = len(bench.pool.candidates)
        skill = np.ones(count) if len(error) == 0 else 1 / np.maximum(np.median(error, axis=0), 1e-9) ** 2
        past = bench.pool.past_errors(
            "ensemble", *bench.asked(index), forecast=partial(_of_ensemble, skill)
        )  # fmt: skip
        change = _weighted_median(bench.table(index), skill)
        outcomes.append(Outcome(bench.interval(index, change, past, kalman_share=0.5), "ok"))
    return outcomes


def _of_candidate(
    pool: Pool, model: str, evidence: NDArray[np.int64], table: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return what one candidate forecast for evidence (N,), which need not be one that is mixed, and its share."""
    return pool.forecasts(evidence)[model], 0.5


def _of_ensemble(
    skill: NDArray[np.float64], evidence: NDArray[np.int64], table: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the weighted median of what candidates forecast (N, C), NaN where one is missing, and its share."""
    is_told = np.isfinite(table).all(axis=1)
    found = np.full(len(table), np.nan)
    found[is_told] = _weighted_median(table[is_told], skill)
    return found, 0.5


def _of_mix(
    weights: NDArray[np.float64], evidence: NDArray[np.int64], table: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the mix of the first candidates (N, C) with weights, and its share of drift and kalman.

    Those carry a trend on, and share its uncertainty.
    """
    return (table[:, : len(weights)] * weights).sum(axis=1), float(weights[1:LOCAL].sum())


def _weighted_median(candidates: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(candidates, axis=1, kind="stable")
    x = np.take_along_axis(candidates, order, axis=1)
    w = weights[order]
    middle = (np.cumsum(w, axis=1) - w / 2) / w.sum(axis=1, keepdims=True)
    return np.array([np.interp(0.5, m, v) for m, v in zip(middle, x, strict=True)])


def run_auto(bench: Workbench) -> list[Outcome]:
    """Forecast by the mix of candidates that served other glaciers best at earlier origins.

    With fewer than five other glaciers, or too few of their values, the mix is that of last, drift and kalman which
    served the glacier itself at its earlier origins, drawn towards a fixed one; how far it is drawn from its main part
    then counts as one standard deviation at least. Of fewer than four values it is the last one.
    """
    outcomes = []
    for index, task in enumerate(bench.tasks):
        if len(task.series) < MIN_MIXED:
            outcomes.append(Outcome(Last().fit(task.series).predict(task.dates, levels=bench.levels).values, "ok"))
            continue
        row = bench.rows[index]
        if isinstance(row, str):
            outcomes.append(_failed(bench, index, row))
            continue
        own = bench.table(index)
        weights = _weights(bench, index, own.shape[1])
        if weights is None:
            outcomes.append(Outcome(_alone(bench, index), "ok"))
            continue
        mix = partial(_of_mix, weights)
        past = bench.pool.past_errors(("auto", weights.tobytes()), *bench.asked(index), forecast=mix)
        change, share = mix(np.arange(len(own)), own)
        values = bench.interval(index, change, past, kalman_share=share)
        outcomes.append(Outcome(values, "ok"))
    return outcomes


def _weights(bench: Workbench, index: int, every: int) -> NDArray[np.float64] | None:
    """Return the weights of the first candidates, as many as are mixed; None where no other glacier tells them."""
    counts = [LOCAL]
    if np.isfinite(bench.forecasts(index)["gbm"]).all():
        counts.insert(0, every)
    found = (bench.pool.mix(*bench.asked(index), count) for count in counts)
    return next((weights for weights in found if weights is not None), None)


def _alone(bench: Workbench, index: int) -> NDArray[np.float64]:
    """Return quantiles (D, Q) of the mix of last, drift and kalman that served the glacier itself.

    The errors of fewer than five others are not those of this one: the parts' own spreads are what is told.
    """
    from scipy import special

    row, bank = bench.rows[index], bench.own_bank(index)
    assert isinstance(row, OriginRow)
    told = np.column_stack([np.zeros_like(bank.mean), bank.drift, bank.mean])
    shares = own_weights(told, bank.target, _narrowed(bank.spread, bank.walk), _narrowed(row.spread, row.walk))
    own, native = bench.table(index)[:, :LOCAL], _native(bench.quantiles)
    normal = special.ndtri(bench.quantiles)
    # Heavy tails of the same variance are narrower than normal ones at 90 %, where nothing says that they are.
    native = np.where(np.abs(native) < np.abs(normal), normal, native)
    change = (own * shares).sum(axis=1)
    values = bench.around(index, change, native, kalman_share=shares[:, 1:].sum(axis=1))
    # Nobody's past errors tell how far a mix errs: of a line without noise its parts' spread is none.
    main = np.take_along_axis(own, np.argmax(shares, axis=1)[:, None], axis=1)[:, 0]
    return widened(values, (row.scale * np.abs(main - change))[:, None] * native, bench.quantiles)


def _narrowed(spread: NDArray[np.float64], walk: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the spread of a Kalman forecast over that of a random walk (N,), 0 where one is none."""
    is_told = (spread > 0) & (walk > 0)
    return np.log(np.where(is_told, spread, 1.0) / np.where(is_told, walk, 1.0))
