"""ROC curves and what lies under them: every probability that occurs while there are few enough, then in steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glaciertime.segment.judge.ranking import Ranking, log_odds_of_probability

__all__ = ["ExactRanking", "areas_of_counts", "precision_of_counts"]

_PENDING = 2_000_000


def areas_of_counts(others: NDArray[np.floating], own: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the area under the ROC curve, of counts by rising score along the last axis.

    The share of the pairs of a pixel of the class and one of another that are ranked right; ties count one half.

    Parameters
    ----------
    others, own : (..., S)
        Pixels of another class and of the class itself, by step.

    Returns
    -------
    (...) float64
        0 to 1; NaN where one of the two is empty.

    Examples
    --------
    >>> areas_of_counts(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0, 1.0])).item()
    0.75
    """
    others, own = np.asarray(others, dtype=np.float64), np.asarray(own, dtype=np.float64)
    below = np.cumsum(others, axis=-1) - others
    won = (own * (below + others / 2)).sum(axis=-1)
    pairs = own.sum(axis=-1) * others.sum(axis=-1)
    return np.divide(won, pairs, out=np.full(np.shape(won), np.nan), where=pairs > 0)


def precision_of_counts(others: NDArray[np.floating], own: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the average precision, of counts by rising score along the last axis.

    ``sum_n (R_n - R_(n-1)) P_n`` over the scores that occur, from the largest down; not interpolated.

    Returns
    -------
    (...) float64
        0 to 1; NaN where no pixel is of the class.

    Examples
    --------
    >>> precision_of_counts(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0, 1.0])).round(4).item()
    0.8333
    """
    others, own = np.asarray(others, dtype=np.float64), np.asarray(own, dtype=np.float64)
    right = np.cumsum(own[..., ::-1], axis=-1)[..., ::-1]
    called = right + np.cumsum(others[..., ::-1], axis=-1)[..., ::-1]
    share = np.divide(right, called, out=np.zeros_like(right), where=called > 0)
    total = own.sum(axis=-1)
    return np.divide((own * share).sum(axis=-1), total, out=np.full(np.shape(total), np.nan), where=total > 0)


class ExactRanking:
    """Counts of pixels by class and by probability.

    Every probability that occurs is kept, until there are more of them than the limit; from then on a class has only
    the steps of 0.01 of the log-odds that are counted beside it. Memory does not grow with the images.

    Parameters
    ----------
    classes : int
    limit : int
        Different probabilities of a class that are kept, some 20 bytes each.

    Examples
    --------
    >>> ranking = ExactRanking(2)
    >>> second = np.array([0.1, 0.4, 0.35, 0.8])
    >>> ranking.update(np.stack([1 - second, second]), np.array([0, 0, 1, 1]))
    >>> ranking.areas().tolist(), ranking.is_exact
    ([0.75, 0.75], (True, True))
    """

    def __init__(self, classes: int, *, limit: int = 4_000_000) -> None:
        self.classes, self.limit = classes, limit
        self.steps = Ranking(classes)
        self._held: list[tuple[NDArray[np.floating], NDArray[np.floating]] | None] = [
            (np.empty(0), np.empty((2, 0))) for _ in range(classes)
        ]
        self._pending: list[tuple[NDArray[np.floating], NDArray[np.integer]]] = []

    def update(self, probability: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        """Add pixels: probabilities (K, N), labels (N,), 0 to K - 1."""
        if not labels.size:
            return
        self.steps.update(log_odds_of_probability(probability), labels)
        if any(held is not None for held in self._held):
            self._pending.append((probability, labels))
            if sum(known.size for _, known in self._pending) > _PENDING:
                self._merge()

    @property
    def is_exact(self) -> tuple[bool, ...]:
        """Return of each class whether every probability was kept."""
        self._merge()
        return tuple(held is not None for held in self._held)

    def counts(self, label: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the pixels of other classes and of a class by rising probability of that class."""
        self._merge()
        held = self._held[label]
        both = self.steps.counts[label].astype(np.float64) if held is None else held[1]
        return both[0].astype(np.float64), both[1].astype(np.float64)

    def areas(self) -> NDArray[np.float64]:
        """Return the area under the ROC curve of each class against the rest, (K,), NaN where it has none."""
        return np.array([areas_of_counts(*self.counts(label)) for label in range(self.classes)])

    def precisions(self) -> NDArray[np.float64]:
        """Return the average precision of each class against the rest, (K,), NaN where no pixel is of it."""
        return np.array([precision_of_counts(*self.counts(label)) for label in range(self.classes)])

    def _merge(self) -> None:
        if not self._pending:
            return
        labels = np.concatenate([known for _, known in self._pending])
        probability = np.concatenate([given for given, _ in self._pending], axis=1)
        self._pending = []
        for label, held in enumerate(self._held):
            if held is None:
                continue
            fresh, place = np.unique(probability[label], return_inverse=True)
            count = np.bincount(place * 2 + (labels == label), minlength=2 * len(fresh)).reshape(-1, 2).T
            values, place = np.unique(np.concatenate([held[0], fresh]), return_inverse=True)
            both = np.concatenate([held[1], count], axis=1)
            total = np.stack([np.bincount(place, weights=row, minlength=len(values)) for row in both]).astype(
                np.float64
            )
            self._held[label] = (values, total) if len(values) <= self.limit else None
