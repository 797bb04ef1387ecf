"""Boosted trees as plain numbers: they answer without the library that grew them, and can be kept beside an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Trees", "trees_of"]

_COLUMNS = ("feature_idx", "num_threshold", "missing_go_to_left", "left", "right", "is_leaf", "value")


@dataclass(frozen=True, eq=False)
class Trees:
    """Regression trees whose answers add up.

    Attributes
    ----------
    nodes : (N, 7) float64
        Of all trees, one after the other: input, threshold, whether what is missing goes left, place of both branches,
        whether it is a leaf, and its value. Up to the threshold it goes left.
    roots : (T,) int64
        Where each tree begins.
    base : float
        What is answered before the first tree.
    """

    nodes: NDArray[np.float64]
    roots: NDArray[np.int64]
    base: float

    def __call__(self, asked: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the answers (Q,) for inputs (Q, F).

        Examples
        --------
        >>> stump = Trees(np.array([[0, 1.5, 1, 1, 2, 0, 0], [0, 0, 0, 0, 0, 1, -1], [0, 0, 0, 0, 0, 1, 1.0]]),
        ...               np.array([0]), 10.0)
        >>> stump(np.array([[1.5], [2.0], [np.nan]]))
        array([ 9., 11.,  9.])
        """
        # Every question in every tree at once, a level at a time.
        place = np.broadcast_to(self.roots, (len(asked), len(self.roots))).copy()
        rows = np.arange(len(asked))[:, None]
        feature = self.nodes[:, 0].astype(np.int64)
        while (open_ones := self.nodes[place, 5] == 0).any():
            seen = asked[rows, feature[place]].astype(np.float64)
            left = np.where(np.isnan(seen), self.nodes[place, 2] > 0, seen <= self.nodes[place, 1])
            next_place = np.where(left, self.nodes[place, 3], self.nodes[place, 4]).astype(np.int64)
            place = np.where(open_ones, next_place, place)
        answer = np.full(len(asked), self.base)
        for column in self.nodes[place, 6].T:
            answer += column
        return answer


def trees_of(grown: Any) -> Trees:
    """Return the trees of a fitted ``HistGradientBoostingRegressor`` without categories; they answer as it does."""
    parts, roots, count = [], [], 0
    for (tree,) in grown._predictors:
        nodes = np.column_stack([tree.nodes[name].astype(np.float64) for name in _COLUMNS])
        nodes[:, 3:5] += count
        parts.append(nodes)
        roots.append(count)
        count += len(nodes)
    return Trees(np.concatenate(parts), np.array(roots), float(grown._baseline_prediction.ravel()[0]))
