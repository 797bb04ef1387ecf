"""The area under the ROC curve, added up image by image in steps of the log-odds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ranking", "log_odds_of_logits", "log_odds_of_probability"]

# Steps of 0.01: ties that are none change the area by less than 1e-5. Probabilities in double precision end at 37.
_LARGEST_ODDS, _STEPS_PER_UNIT = 40.0, 100
_BINS = int(2 * _LARGEST_ODDS * _STEPS_PER_UNIT) + 1


def log_odds_of_probability(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return ``ln(p / (1 - p))``; infinite at 0 and 1, also where a sum in single precision ends just beyond."""
    given = np.clip(np.asarray(probability, dtype=np.float64), 0.0, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(given) - np.log1p(-given))


def log_odds_of_logits(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the log-odds of each class under the softmax, (B, K, ...): exact where the probability rounds to 1.

    ``l_k - ln(sum_(j != k) exp l_j)``; one channel is read as the log-odds of the second of two classes.

    Examples
    --------
    >>> log_odds_of_logits(np.array([[0.0, 50.0]])).tolist()
    [[-50.0, 50.0]]
    """
    given = np.asarray(logits, dtype=np.float64)
    if given.shape[1] == 1:
        return np.concatenate([-given, given], axis=1)
    others = [np.logaddexp.reduce(np.delete(given, label, axis=1), axis=1) for label in range(given.shape[1])]
    return given - np.stack(others, axis=1)


class Ranking:
    """Counts of pixels by class, by whether they are labelled so, and by step of their log-odds.

    Memory does not grow with the images. A step is 0.01; ties count one half.

    Parameters
    ----------
    classes : int

    Examples
    --------
    >>> ranking = Ranking(2)
    >>> odds = np.array([-2.0, -0.4, 0.4, 0.8])
    >>> ranking.update(np.stack([-odds, odds]), np.array([0, 1, 0, 1]))
    >>> ranking.areas().tolist()
    [0.75, 0.75]
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counts = np.zeros((classes, 2, _BINS), dtype=np.int64)

    def update(self, log_odds: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        """Add pixels: log-odds (K, N), labels (N,), 0 to K - 1."""
        for label in range(self.classes):
            odds = np.clip(log_odds[label], -_LARGEST_ODDS, _LARGEST_ODDS)
            step = np.rint((odds + _LARGEST_ODDS) * _STEPS_PER_UNIT).astype(np.int64)
            place = (labels == label) * _BINS + step
            self.counts[label] += np.bincount(place, minlength=2 * _BINS).reshape(2, _BINS)

    def areas(self) -> NDArray[np.float64]:
        """Return the area of each class against the rest, (K,), 0 to 1; NaN where none or all pixels are of it."""
        others, own = self.counts[:, 0].astype(np.float64), self.counts[:, 1].astype(np.float64)
        pairs = own.sum(axis=1) * others.sum(axis=1)
        below = np.cumsum(others, axis=1) - others
        won = (own * (below + others / 2)).sum(axis=1)
        return np.divide(won, pairs, out=np.full(self.classes, np.nan), where=pairs > 0)
