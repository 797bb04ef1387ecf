"""What forecasts of one variable share, whichever glacier and cutoff asks: the bank, its trees, and the mixes.

One pool serves all glaciers of an archive. What it gives for one of them is of the other folds of glaciers, and was
known at the cutoff; it does not depend on which others are asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.bank import Bank
from glaciertime.forecast.learned.blend import blend_weights
from glaciertime.forecast.learned.conformal import PastErrors
from glaciertime.forecast.learned.gbm import REFIT_YEARS, GlobalTrees
from glaciertime.forecast.learned.kept import Kept

__all__ = ["CANDIDATES", "LOCAL", "Pool", "moves", "pool_of"]

#: What ``auto`` and ``ensemble`` are made of.
CANDIDATES = ("last", "drift", "kalman", "linear", "gbm")
#: For areas without the straight line: what ice shelves lose in a day they do not lose at a rate.
_AREA_CANDIDATES = ("last", "drift", "kalman", "gbm")
_AREA_REFIT_YEARS = 5.0
#: How many of them need no other glaciers.
LOCAL = 3
#: How long past errors count for intervals, and for the mix, which follows the climate of the day.
_MEMORY_YEARS = 30.0
_MIX_MEMORY_YEARS = 12.0
#: In expected errors: below it forecasts do not differ.
_LEAST_DIFFERENCE = 0.05
#: So many past errors stay in memory, some 80 bytes each: all glaciers of a fold share those of a cutoff.
_HELD_ERRORS = 2_000_000


Array = NDArray[np.float64]


@dataclass(eq=False)
class Pool:
    """Bank and trees of one variable.

    Attributes
    ----------
    bank : Bank
    trees : GlobalTrees
        Over the bank.
    is_area : bool
    """

    bank: Bank
    trees: GlobalTrees
    is_area: bool
    _mixes: dict[tuple[float, int, int], NDArray[np.float64] | None] = field(default_factory=dict)
    _evidence: tuple[tuple[float, int], NDArray[np.int64], NDArray[np.float64]] | None = None
    _errors: OrderedDict[tuple[object, float, int], PastErrors] = field(default_factory=OrderedDict)

    @property
    def candidates(self) -> tuple[str, ...]:
        """What ``auto`` and ``ensemble`` are made of."""
        return _AREA_CANDIDATES if self.is_area else CANDIDATES

    def answer(self, cutoffs: NDArray[np.float64], *, jobs: int = 1) -> None:
        """Let the trees answer for all that is evidence at some cutoffs."""
        when, asked = self.bank.target_year, np.append(np.sort(cutoffs), np.inf)
        # The first cutoff at which a row was known; a little more than what counts, whatever is rounded.
        wanted = asked[np.searchsorted(asked, when)] < when + _MEMORY_YEARS + 0.01
        self.trees.answers(wanted, jobs=jobs)

    def evidence(self, cutoff: float, fold: int) -> NDArray[np.int64]:
        """Return the rows of the bank that tell of the other folds of glaciers and were known at a cutoff."""
        bank = self.bank
        rows = np.flatnonzero(bank.known_at(cutoff) & (bank.fold != fold) & (bank.target_year > cutoff - _MEMORY_YEARS))
        return rows[bank.first_series(bank.series[rows])]

    def forecasts(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Return what each candidate forecast for rows of the bank, (N,) each; the learned ones may be NaN."""
        bank = self.bank
        line, trees = self.trees.known_answers[:, rows]
        return {"last": np.zeros(len(rows)), "drift": bank.drift[rows], "kalman": bank.mean[rows], "linear": line,
                "gbm": trees}  # fmt: skip

    def table(self, cutoff: float, fold: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the evidence at a cutoff, (N,) rows of the bank, and what the candidates forecast for it, (N, C)."""
        key = (cutoff, fold)
        if self._evidence is None or self._evidence[0] != key:
            rows = self.evidence(cutoff, fold)
            forecasts = self.forecasts(rows)
            self._evidence = key, rows, np.column_stack([forecasts[name] for name in self.candidates])
        return self._evidence[1:]

    def mix(self, cutoff: float, fold: int, count: int) -> NDArray[np.float64] | None:
        """Return the weights of the first candidates that served the other folds best; None where too few tell.

        Parameters
        ----------
        cutoff, fold
            All glaciers of a fold have the same others at a cutoff.
        count : int
            How many of the candidates are mixed.
        """
        key = (cutoff, fold, count)
        if key not in self._mixes:
            evidence, table = self.table(cutoff, fold)
            bank, use = self.bank, table[:, :count]
            told = np.isfinite(use).all(axis=1) & (bank.target_year[evidence] > cutoff - _MIX_MEMORY_YEARS)
            rows = evidence[told]
            self._mixes[key] = blend_weights(
                self.candidates[:count], use[told], bank.target[rows], bank.series[rows], is_area=self.is_area
            )
        return self._mixes[key]

    def past_errors(
        self, model: object, cutoff: float, fold: int, *,
        forecast: Callable[[NDArray[np.int64], NDArray[np.float64]], tuple[Array, float]],
    ) -> PastErrors:  # fmt: skip
        """Return the errors that a model made for the other folds by a cutoff: learned once for all glaciers of a fold.

        Parameters
        ----------
        model : hashable
            A name of what ``forecast`` does.
        cutoff, fold
        forecast : callable
            Given the evidence (N,) and what the candidates forecast for it (N, C), returns what the model did, (N,),
            and ``kalman_share`` as of :meth:`errors_of`.
        """
        key = (model, cutoff, fold)
        if key not in self._errors:
            evidence, table = self.table(cutoff, fold)
            change, share = forecast(evidence, table)
            self._errors[key] = self.errors_of(evidence, change, cutoff=cutoff, kalman_share=share)
            while len(self._errors) > 1 and sum(len(one.errors) for one in self._errors.values()) > _HELD_ERRORS:
                self._errors.popitem(last=False)
        self._errors.move_to_end(key)
        return self._errors[key]

    def errors_of(
        self, evidence: NDArray[np.int64], change: Array, *, cutoff: float, kalman_share: float
    ) -> PastErrors:
        """Return the errors of forecast changes (N,) of the evidence at a cutoff, (N,) rows of the bank.

        The spread expected is the geometric mean of those of the Kalman forecast, with weight ``kalman_share``,
        and of a random walk.
        """
        bank = self.bank
        is_told = np.isfinite(change) & (bank.walk[evidence] > 0) & (bank.spread[evidence] > 0)
        known = evidence[is_told]
        expected = bank.spread[known] ** kalman_share * bank.walk[known] ** (1 - kalman_share)
        errors = (bank.target[known] - change[is_told]) / expected
        inputs = np.column_stack([
            bank.origin_features[bank.origin[known]], np.log(bank.ahead[known]),
            np.log(bank.spread[known] / bank.walk[known]),
            moves(change[is_told], bank.drift[known], bank.mean[known], expected),
        ])  # fmt: skip
        return PastErrors.learn(
            errors, inputs, lead_years=bank.ahead[known], target_year=bank.target_year[known], cutoff_year=cutoff,
            is_area=self.is_area,
        )  # fmt: skip


def moves(
    change: NDArray[np.float64], drift: NDArray[np.float64], mean: NDArray[np.float64], width: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what a forecast says of its own errors (N, 3): how far it goes, and how far others of the record differ.

    The change (N,) over the width (N,) expected of its error, with and without its sign, and the logarithm of how
    the last value, the drift and the Kalman mean differ.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        far = change / width
        differ = np.std([np.zeros_like(drift), drift, mean], axis=0) / width
    return np.column_stack([far, np.abs(far), np.log(differ + _LEAST_DIFFERENCE)])


def pool_of(
    bank: Bank, *, variable: str, seed: int = 0, kept: Kept | None = None, drivers: NDArray[np.float64] | None = None
) -> Pool:
    """Return the pool of a bank of series of a variable, with what covariates tell of its rows."""
    is_area = variable == "area_km2"
    trees = GlobalTrees(
        bank, seed=seed, stacked=not is_area, refit_years=_AREA_REFIT_YEARS if is_area else REFIT_YEARS, kept=kept,
        drivers=drivers,
    )  # fmt: skip
    return Pool(bank, trees, is_area)
