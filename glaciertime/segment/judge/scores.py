"""Scores of counts: per class, in the mean over the classes, and of all pixels together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glaciertime.segment.judge.exact_ranking import areas_of_counts, precision_of_counts
from glaciertime.segment.judge.sums import Sums

__all__ = ["OF_ALL", "OF_CLASSES", "ScoreTable", "mean_over_classes", "score_sums"]

OF_CLASSES = ("iou", "dice", "precision", "recall", "accuracy", "mcc", "auc", "ap", "ece", "boundary_f1")
"""Of each class against the rest; the mean is over the classes that have the score."""

OF_ALL = ("pixel_accuracy", "mcc_gorodkin", "ece_top", "front_error_px", "front_error_m")
"""Of all pixels, or all fronts, together."""


class ScoreTable(NamedTuple):
    """``of_classes``: (..., K) by name of :data:`OF_CLASSES`; ``of_all``: (...) by name of :data:`OF_ALL`.

    NaN where a score has no denominator.
    """

    of_classes: dict[str, NDArray[np.float64]]
    of_all: dict[str, NDArray[np.float64]]


def score_sums(sums: Sums) -> ScoreTable:
    """Return the scores of counts, of each set along the first axes.

    ``iou`` TP / (TP + FP + FN), ``dice`` 2 TP / (2 TP + FP + FN), ``precision`` TP / (TP + FP), ``recall``
    TP / (TP + FN), ``accuracy`` (TP + TN) / all, of a class against the rest. ``mcc``: Matthews correlation of a class
    against the rest; 0 where the labels or the mask are all, or none, of it, NaN where both are. ``mcc_gorodkin``: that
    of all classes together (Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006). ``auc`` and ``ap``: of counts in
    128 steps of the log-odds, see :mod:`.exact_ranking` for the exact ones. ``ece``: mean distance between the
    probability of a class and how often it is there, over 15 bins of equal width; ``ece_top`` that of the class of the
    largest probability. ``boundary_f1``: harmonic mean of the shares of the mask's and of the label's boundary that lie
    within the tolerance of the other. ``front_error_*``: mean of all distances between the labelled and the predicted
    front, both ways.

    Examples
    --------
    >>> import numpy as np
    >>> none = np.zeros((3, 15, 3)), np.zeros((2, 2, 128)), np.zeros((2, 4)), np.zeros(7), np.array(1.0)
    >>> table = score_sums(Sums(np.array([[6.0, 2.0], [1.0, 3.0]]), *none))
    >>> table.of_classes["iou"].round(4).tolist(), table.of_all["pixel_accuracy"].item()
    ([0.6667, 0.5], 0.75)
    """
    counts = sums.confusion
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    labelled, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    pixels = counts.sum(axis=(-2, -1))
    of_all = pixels[..., None]
    rest = of_all - labelled - predicted + hit
    spread = labelled * (of_all - labelled) * predicted * (of_all - predicted)
    absent = (labelled + predicted == 0) | ((labelled == of_all) & (predicted == of_all))
    mcc = np.where(spread > 0, _ratio(hit * of_all - labelled * predicted, np.sqrt(spread)), 0.0)
    near = sums.boundary
    found, kept = _ratio(near[..., 0], near[..., 1]), _ratio(near[..., 2], near[..., 3])
    drawn = (near[..., 1] > 0) | (near[..., 3] > 0)
    both = np.nan_to_num(found) + np.nan_to_num(kept)
    boundary = np.where(drawn, np.nan_to_num(_ratio(2 * np.nan_to_num(found) * np.nan_to_num(kept), both)), np.nan)
    calibration = _calibration_error(sums.reliability)
    return ScoreTable(
        {
            "iou": _ratio(hit, labelled + predicted - hit),
            "dice": _ratio(2 * hit, labelled + predicted),
            "precision": _ratio(hit, predicted),
            "recall": _ratio(hit, labelled),
            "accuracy": _ratio(hit + rest, np.broadcast_to(of_all, hit.shape)),
            "mcc": np.where(absent, np.nan, mcc),
            "auc": areas_of_counts(sums.ranks[..., 0, :], sums.ranks[..., 1, :]),
            "ap": precision_of_counts(sums.ranks[..., 0, :], sums.ranks[..., 1, :]),
            "ece": calibration[..., :-1],
            "boundary_f1": boundary,
        },
        {
            "pixel_accuracy": _ratio(hit.sum(axis=-1), pixels),
            "mcc_gorodkin": _gorodkin(hit.sum(axis=-1), labelled, predicted, pixels),
            "ece_top": calibration[..., -1],
            "front_error_px": _ratio(sums.front[..., 0], sums.front[..., 1]),
            "front_error_m": _ratio(sums.front[..., 2], sums.front[..., 3]),
        },
    )


def mean_over_classes(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean over the last axis of what is no NaN, and how many that are; NaN where none is.

    Examples
    --------
    >>> mean, count = mean_over_classes(np.array([0.5, np.nan, 1.0]))
    >>> mean.item(), count.item()
    (0.75, 2)
    """
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    return _ratio(np.where(known, values, 0.0).sum(axis=-1), count), count


def _gorodkin(
    hit: NDArray[np.float64],
    labelled: NDArray[np.float64],
    predicted: NDArray[np.float64],
    pixels: NDArray[np.float64],
) -> NDArray[np.float64]:
    # Shares, not counts: the fourth power of a count of pixels has no room in a double.
    label, mask = _ratio(labelled, pixels[..., None]), _ratio(predicted, pixels[..., None])
    above = _ratio(hit, pixels) - (label * mask).sum(axis=-1)
    one_label, one_mask = ((counts > 0).sum(axis=-1) <= 1 for counts in (labelled, predicted))
    below = np.sqrt(np.maximum((1 - (label**2).sum(axis=-1)) * (1 - (mask**2).sum(axis=-1)), 0))
    same = one_label & one_mask & (hit == pixels)
    value = np.where(one_label | one_mask, 0.0, _ratio(above, below))
    return np.where(same | (pixels == 0), np.nan, value)


def _calibration_error(reliability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the expected calibration error of counts (..., B, 3)."""
    gap = np.abs(reliability[..., 1] - reliability[..., 2]).sum(axis=-1)
    return _ratio(gap, reliability[..., 0].sum(axis=-1))


def _ratio(above: NDArray[np.floating], below: NDArray[np.generic]) -> NDArray[np.float64]:
    above, under = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.divide(above, under, out=np.full(np.broadcast(above, under).shape, np.nan), where=under > 0)
