"""What forecasts of one variable share, whichever glacier and cutoff asks: the bank, its trees, and the mixes.

One pool serves all glaciers of an archive. What it gives for one of them is of the other folds of glaciers, and was
known at the cutoff; it does not depend on which others are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.bank import Bank
from glaciertime.forecast.learned.blend import blend_weights
from glaciertime.forecast.learned.gbm import REFIT_YEARS, GlobalTrees
from glaciertime.forecast.learned.kept import Kept

__all__ = ["CANDIDATES", "LOCAL", "Pool", "pool_of"]

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

    def mix(
        self, cutoff: float, fold: int, count: int, evidence: NDArray[np.int64], table: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Return the weights of the first candidates that served the other folds best; None where too few tell.

        Parameters
        ----------
        cutoff, fold
            All glaciers of a fold have the same others at a cutoff.
        count : int
            How many of the candidates are mixed.
        evidence : (N,) int
            Rows of the bank, of :meth:`evidence`.
        table : (N, C) float64
            What the candidates forecast for them.
        """
        key = (cutoff, fold, count)
        if key not in self._mixes:
            bank, use = self.bank, table[:, :count]
            told = np.isfinite(use).all(axis=1) & (bank.target_year[evidence] > cutoff - _MIX_MEMORY_YEARS)
            rows = evidence[told]
            self._mixes[key] = blend_weights(
                self.candidates[:count], use[told], bank.target[rows], bank.series[rows], is_area=self.is_area
            )
        return self._mixes[key]


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
