"""What is counted of images, so that the scores of any set of them follow from the sum of their counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from glaciertime.segment.judge.boundaries import boundary_counts, front_sums
from glaciertime.segment.judge.metrics import confusion_matrix
from glaciertime.segment.judge.ranking import log_odds_of_probability

__all__ = ["BINS", "STEPS", "Sums", "chunks", "stacked", "sum_image"]

BINS = 15
"""Bins of equal width of a probability, for the calibration error."""

STEPS = 128
_LARGEST_ODDS = 16.0
_CHUNK_PX = 1_000_000


@dataclass(frozen=True)
class Sums:
    """Counts of one image, or of many; every field may have more axes in front, one entry for each set of images.

    Attributes
    ----------
    confusion : (K, K)
        Pixels by label (row) and mask (column).
    reliability : (K + 1, BINS, 3)
        Pixels, summed probability and how often it was right, by bin: of each class, and of the class of the mask's
        largest probability.
    ranks : (K, 2, STEPS)
        Pixels of other classes and of the class by step of its log-odds, for intervals and groups.
    boundary : (K, 4)
        See :func:`.boundaries.boundary_counts`.
    front : (7,)
        See :func:`.boundaries.front_sums`; zeros where there is no front to be had.
    images : ()
    """

    confusion: NDArray[np.float64]
    reliability: NDArray[np.float64]
    ranks: NDArray[np.float64]
    boundary: NDArray[np.float64]
    front: NDArray[np.float64]
    images: NDArray[np.float64]

    def __add__(self, other: Sums) -> Sums:
        """Return the counts of both."""
        return Sums(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def drawn(self, weights: NDArray[np.floating]) -> Sums:
        """Return the counts of sets that hold each entry of the first axis so many times, ``weights`` (D, N)."""
        return Sums(*(np.tensordot(weights, getattr(self, part.name), axes=1) for part in fields(self)))


def stacked(parts: Sequence[Sums]) -> Sums:
    """Return counts stacked along a new first axis."""
    return Sums(*(np.stack([getattr(one, part.name) for one in parts]) for part in fields(Sums)))


def sum_image(
    probability: NDArray[np.floating],
    predicted: NDArray[np.integer],
    labels: NDArray[np.integer],
    *,
    valid: NDArray[np.bool_],
    tolerance_px: float,
    front: tuple[int, int] | None,
    pixel_m: float,
    sides_m: tuple[float, ...] = (),
) -> Sums:
    """Count one image.

    Parameters
    ----------
    probability : (K, H, W)
        Adds to 1 over K where valid.
    predicted, labels : (H, W) int
        0 .. K-1 where valid.
    valid : (H, W) bool
        Labelled and observed.
    tolerance_px : float
    front : (int, int) or None
        Numbers of glacier and ocean, where there is a front.
    pixel_m : float
    sides_m : (width, height) or ()
        Of a pixel that is not square.
    """
    classes = len(probability)
    reliability, ranks = np.zeros((classes + 1, BINS, 3)), np.zeros((classes, 2, STEPS))
    for sure, known in chunks(probability, labels, valid=valid):
        for label in range(classes):
            own = known == label
            reliability[label] += _in_bins(sure[label], own)
            ranks[label] += _in_steps(sure[label], own)
        reliability[classes] += _in_bins(sure.max(axis=0), sure.argmax(axis=0) == known)
    seen = labels[valid]
    return Sums(
        confusion=confusion_matrix(predicted[valid], seen, classes=max(classes, 2)).astype(np.float64),
        reliability=reliability,
        ranks=ranks,
        boundary=boundary_counts(predicted, labels, classes=classes, valid=valid, tolerance_px=tolerance_px),
        front=np.zeros(7)
        if front is None
        else front_sums(
            predicted, labels, glacier=front[0], ocean=front[1], valid=valid, pixel_m=pixel_m, sides_m=sides_m
        ),
        images=np.array(1.0),
    )


def chunks(
    probability: NDArray[np.floating], labels: NDArray[np.integer], *, valid: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.floating], NDArray[np.integer]]]:
    """Yield the valid pixels of an image, probabilities (K, N) and labels (N,), some rows at a time."""
    rows = max(1, _CHUNK_PX // max(1, labels.shape[1]))
    for top in range(0, len(labels), rows):
        here = valid[top : top + rows]
        yield probability[:, top : top + rows][:, here], labels[top : top + rows][here]


def _in_bins(sure: NDArray[np.floating], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    given = sure.astype(np.float64)
    place = np.minimum(np.searchsorted(np.linspace(0, 1, BINS + 1), given, side="right") - 1, BINS - 1)
    held = [np.bincount(place, weights=weights, minlength=BINS) for weights in (None, given, right)]
    return np.stack(held, axis=1).astype(np.float64)


def _in_steps(sure: NDArray[np.floating], own: NDArray[np.bool_]) -> NDArray[np.float64]:
    odds = np.clip(log_odds_of_probability(sure), -_LARGEST_ODDS, _LARGEST_ODDS)
    step = np.rint((odds + _LARGEST_ODDS) * (STEPS - 1) / (2 * _LARGEST_ODDS)).astype(np.int64)
    return np.bincount(own * STEPS + step, minlength=2 * STEPS).reshape(2, STEPS).astype(np.float64)
