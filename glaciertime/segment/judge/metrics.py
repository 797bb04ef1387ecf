"""Scores of masks: overlap, agreement and ranking, per class and in the mean.

One confusion matrix carries all but the ROC-AUC. A score that has no denominator is
NaN, not 0 or 1: a class that is neither labelled nor predicted has no IoU, and a
mean over the classes leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from glaciertime.errors import InputError
from glaciertime.segment.judge.ranking import Ranking, log_odds_of_logits

if TYPE_CHECKING:
    import torch

__all__ = [
    "MaskScores",
    "SegmentationMetrics",
    "check_numbers",
    "confusion_matrix",
    "mean_image_iou",
    "scores_from_confusion",
]


@dataclass(frozen=True)
class MaskScores:
    """Scores of masks against labels.

    Attributes
    ----------
    iou, dice, precision, recall : (C,) float64
        Per class, 0 to 1. ``TP / (TP + FP + FN)``, ``2 TP / (2 TP + FP + FN)``,
        ``TP / (TP + FP)`` and ``TP / (TP + FN)``; NaN where the denominator is 0.
    pixel_accuracy : float
        Share of pixels given their label, 0 to 1; NaN without pixels.
    mcc : float
        Matthews correlation, -1 to 1, multi-class for more than two classes (Gorodkin
        2004); 0 where masks or labels are all of one class, NaN without pixels.
    confusion : (C, C) int64
        Pixels by label (row) and prediction (column).
    """

    iou: npt.NDArray[np.float64]
    dice: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    pixel_accuracy: float
    mcc: float
    confusion: npt.NDArray[np.int64]

    def macro(self, metric: str) -> float:
        """Return the mean over the classes that have a value, NaN if none has.

        Parameters
        ----------
        metric : str
            ``iou``, ``dice``, ``precision`` or ``recall``.

        Examples
        --------
        >>> scores_from_confusion(np.array([[4, 0, 0], [0, 4, 0], [0, 0, 0]])).macro("iou")
        1.0
        """
        if metric not in ("iou", "dice", "precision", "recall"):
            raise InputError(f"metric {metric!r} given; a macro mean exists of iou, dice, precision and recall")
        values = getattr(self, metric)
        return float(np.mean(values[~np.isnan(values)])) if np.any(~np.isnan(values)) else float("nan")

    def as_dict(self) -> dict[str, float]:
        """Return every score by name: ``iou_0``, ..., ``iou_macro``, ..., ``pixel_accuracy``, ``mcc``."""
        table: dict[str, float] = {}
        for metric in ("iou", "dice", "precision", "recall"):
            values = getattr(self, metric)
            table |= {f"{metric}_{label}": float(value) for label, value in enumerate(values)}
            table[f"{metric}_macro"] = self.macro(metric)
        return table | {"pixel_accuracy": self.pixel_accuracy, "mcc": self.mcc}


def scores_from_confusion(confusion: npt.NDArray[np.integer]) -> MaskScores:
    """Return all scores of a confusion matrix.

    Parameters
    ----------
    confusion : (C, C) int
        Pixels by label (row) and prediction (column), C at least 2.

    Returns
    -------
    MaskScores

    Raises
    ------
    InputError
        If the matrix is not square or has a negative count.

    References
    ----------
    Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006

    Examples
    --------
    >>> scores = scores_from_confusion(np.array([[6, 2], [1, 3]]))
    >>> scores.iou.round(4).tolist(), scores.pixel_accuracy, round(scores.mcc, 4)
    ([0.6667, 0.5], 0.75, 0.4781)
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or len(confusion) < 2 or np.any(confusion < 0):
        raise InputError(f"confusion matrix of shape {confusion.shape} given; a square one of counts expected")
    counts = confusion.astype(np.int64)
    hit = np.diag(counts).astype(np.float64)
    labelled = counts.sum(axis=1).astype(np.float64)
    predicted = counts.sum(axis=0).astype(np.float64)
    pixels = float(counts.sum())
    covariance = hit.sum() * pixels - labelled @ predicted
    spread = (pixels**2 - predicted @ predicted) * (pixels**2 - labelled @ labelled)
    mcc = float("nan") if pixels == 0 else float(covariance / np.sqrt(spread)) if spread > 0 else 0.0
    return MaskScores(
        iou=_ratio(hit, labelled + predicted - hit),
        dice=_ratio(2 * hit, labelled + predicted),
        precision=_ratio(hit, predicted),
        recall=_ratio(hit, labelled),
        pixel_accuracy=float(hit.sum() / pixels) if pixels else float("nan"),
        mcc=mcc,
        confusion=counts,
    )


def confusion_matrix(
    predicted: npt.NDArray[np.integer],
    labels: npt.NDArray[np.integer],
    *,
    classes: int,
    ignore_label: int = 255,
) -> npt.NDArray[np.int64]:
    """Return the pixels by label (row) and prediction (column).

    Parameters
    ----------
    predicted, labels : array of int, same shape
        Class numbers, 0 to ``classes`` - 1; a label may also be ``ignore_label``.
    classes : int
        At least 2.
    ignore_label : int
        Label of the pixels that do not count.

    Returns
    -------
    (classes, classes) int64

    Raises
    ------
    InputError
        If the shapes differ or a number is outside the classes.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 255]), classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    if predicted.shape != labels.shape:
        raise InputError(
            f"masks of shape {predicted.shape} and labels of shape {labels.shape} given; equal ones expected"
        )
    kept = labels != ignore_label
    chosen, known = predicted[kept].astype(np.int64), labels[kept].astype(np.int64)
    check_numbers(chosen, classes=classes, what="mask")
    check_numbers(known, classes=classes)
    return np.bincount(known * classes + chosen, minlength=classes**2).reshape(classes, classes)


def check_numbers(numbers: npt.NDArray[np.integer], *, classes: int, what: str = "labels") -> None:
    """Raise where a class number is outside the classes.

    Raises
    ------
    InputError
        The first five of those that are outside are named.
    """
    wrong = np.unique(numbers[(numbers < 0) | (numbers >= classes)])[:5]
    if wrong.size:
        raise InputError(f"{what}: classes {wrong.tolist()} given, 0 to {classes - 1} expected; remap them first")


def mean_image_iou(confusions: list[npt.NDArray[np.integer]]) -> float:
    """Return the mean over images of the IoU averaged over the classes, as the CaFFe benchmark counts it.

    Parameters
    ----------
    confusions : list of (C, C) int
        One confusion matrix per image; a class absent from an image and its mask is
        left out of that image's mean.

    Returns
    -------
    float
        0 to 1; NaN without an image that has a class.

    Examples
    --------
    >>> round(mean_image_iou([np.array([[4, 0], [0, 0]]), np.array([[1, 1], [1, 1]])]), 4)
    0.6667
    """
    values = np.array([scores_from_confusion(confusion).macro("iou") for confusion in confusions])
    return float(np.mean(values[~np.isnan(values)])) if np.any(~np.isnan(values)) else float("nan")


class SegmentationMetrics:
    """Scores gathered batch by batch from logits.

    Parameters
    ----------
    classes : int
        Channels of the logits; 1 is a binary model whose mask is ``sigmoid > 0.5``.
    ignore_label : int
        Label of the pixels that do not count.

    Notes
    -----
    The ROC-AUC is one-against-the-rest per class, 0 to 1, see :class:`.ranking.Ranking`; NaN for a class that all or
    none of the labels have. The macro mean is over the classes with a value.

    Examples
    --------
    >>> import torch
    >>> metrics = SegmentationMetrics(classes=2)
    >>> metrics.update(torch.tensor([[[[2.0, 0.0]], [[0.0, 1.0]]]]), torch.tensor([[[0, 1]]]))
    >>> scores = metrics.compute()
    >>> scores["iou_macro"], scores["auc_macro"]
    (1.0, 1.0)
    """

    def __init__(self, *, classes: int, ignore_label: int = 255) -> None:
        self.classes = classes
        self.ignore_label = ignore_label
        self.reset()

    def reset(self) -> None:
        """Forget what was gathered."""
        self._matrix = np.zeros((max(self.classes, 2),) * 2, dtype=np.int64)
        self._ranking = Ranking(max(self.classes, 2))

    def update(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch.

        Parameters
        ----------
        logits : (B, C, H, W) float
        labels : (B, H, W) int

        Raises
        ------
        InputError
            If the shapes do not fit or a label is outside the classes.
        """
        from glaciertime.segment.losses.pixel_losses import check_labels

        if logits.shape[1] != self.classes:
            raise InputError(f"logits of {logits.shape[1]} channels given, {self.classes} expected")
        check_labels(logits, labels, self.ignore_label)
        odds = log_odds_of_logits(logits.detach().float().cpu().numpy())
        known = labels.cpu().numpy()
        self._matrix += confusion_matrix(
            odds.argmax(axis=1), known, classes=len(self._matrix), ignore_label=self.ignore_label
        )
        kept = known != self.ignore_label
        self._ranking.update(np.moveaxis(odds, 1, 0)[:, kept], known[kept])

    def scores(self) -> MaskScores:
        """Return the scores of the masks gathered so far."""
        return scores_from_confusion(self._matrix)

    def compute(self) -> dict[str, float]:
        """Return all scores by name, ``auc_0``, ..., ``auc_macro`` among them."""
        table = self.scores().as_dict()
        areas = self._ranking.areas()
        table |= {f"auc_{label}": float(area) for label, area in enumerate(areas)}
        table["auc_macro"] = float(np.mean(areas[~np.isnan(areas)])) if np.any(~np.isnan(areas)) else float("nan")
        return table


def _ratio(above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
