"""One number per epoch to choose a checkpoint by, added up image by image."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import UsageError, nearest_names
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.segment.judge.metrics import check_numbers, confusion_matrix, scores_from_confusion
from glaciertime.segment.judge.ranking import Ranking, log_odds_of_probability
from glaciertime.segment.predict.front_line import front_deviation_px, front_pixels, zones_from_ocean

__all__ = ["Score", "build_score", "score_names"]


class Score(Protocol):
    """Adds up images and returns one number."""

    larger_is_better: bool

    def reset(self) -> None: ...

    def update(self, probability: NDArray[np.floating], labels: NDArray[np.integer]) -> None: ...

    def value(self) -> float: ...


class ConfusionScore:
    """A score of the confusion matrix of all labelled pixels together; 0 to 1, larger is better.

    ``iou``, ``dice``, ``precision``, ``recall``: mean over the classes where they are defined; with ``_k`` after the
    name, of class k alone. ``accuracy``: of all pixels. ``mcc``: Matthews correlation, -1 to 1. NaN where nothing is
    labelled.

    Examples
    --------
    >>> score = ConfusionScore("iou", classes=2)
    >>> score.update(np.array([[[[0.9, 0.2]], [[0.1, 0.8]]]]), np.array([[[0, 0]]]))
    >>> score.value()
    0.25
    """

    larger_is_better = True

    def __init__(self, name: str, *, classes: int) -> None:
        self.name = name
        self.classes = classes
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.confusion = np.zeros((self.classes, self.classes), dtype=np.int64)

    def update(self, probability: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        """Add images: probabilities (B, K, H, W), labels (B, H, W)."""
        self.confusion += confusion_matrix(
            probability.argmax(axis=1), labels, classes=self.classes, ignore_label=IGNORE
        )

    def value(self) -> float:
        """Return the score of what was added."""
        values = scores_from_confusion(self.confusion).as_dict()
        key = {"accuracy": "pixel_accuracy"}.get(self.name, self.name)
        return values[f"{key}_macro" if key in _MEANS else key]


class DeviationScore:
    """Mean deviation of the front in pixels over images, smaller is better.

    An image without a labelled front is left out.

    Parameters
    ----------
    glacier, ocean : int
        Classes of the two sides.

    Examples
    --------
    >>> ocean = np.zeros((6, 3)); ocean[:2] = 0.9; ocean[2:] = 0.1
    >>> labels = np.zeros((1, 6, 3), int); labels[0, :4] = 1
    >>> score = DeviationScore(); score.update(np.stack([1 - ocean, ocean])[None], labels); score.value()
    2.0
    """

    larger_is_better = False

    def __init__(self, *, glacier: int = 0, ocean: int = 1) -> None:
        self.glacier = glacier
        self.ocean = ocean
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.deviations: list[float] = []

    def update(self, probability: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        """Add images: probabilities (B, 2, H, W), labels (B, H, W)."""
        codes = np.zeros(256, dtype=np.uint8)
        codes[[self.glacier, self.ocean]] = 127, 254
        for ocean, known in zip(probability[:, self.ocean], labels, strict=True):
            traced = front_pixels(codes[known])
            if traced.any():
                self.deviations.append(front_deviation_px(front_pixels(zones_from_ocean(ocean)), traced))

    def value(self) -> float:
        """Return the mean of what was added."""
        return float(np.mean(self.deviations)) if self.deviations else float("nan")


class AucScore:
    """Area under the ROC curve of all labelled pixels together, class against the rest; 0 to 1, larger is better.

    The probability that a pixel of the class is given a larger probability than a pixel of another, in steps of 0.01 of
    the log-odds, so that memory does not grow with the images; ties count one half. ``auc``: mean over the classes that
    some, not all, pixels have; ``auc_k``: of class k alone. NaN where there is none.

    Examples
    --------
    >>> score = AucScore("auc", classes=2)
    >>> probability = np.array([[[[0.9, 0.6, 0.4, 0.3]], [[0.1, 0.4, 0.6, 0.7]]]])
    >>> score.update(probability, np.array([[[0, 1, 0, 1]]]))
    >>> score.value()
    0.75
    """

    larger_is_better = True

    def __init__(self, name: str, *, classes: int) -> None:
        self.name = name
        self.classes = classes
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.ranking = Ranking(self.classes)

    def update(self, probability: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
        """Add images: probabilities (B, K, H, W), labels (B, H, W)."""
        kept = labels != IGNORE
        known = labels[kept]
        check_numbers(known, classes=self.classes)
        ranked = np.moveaxis(probability, 1, 0)[:, kept]
        self.ranking.update(log_odds_of_probability(ranked), known)

    def value(self) -> float:
        """Return the score of what was added."""
        areas = self.ranking.areas()
        if self.name != "auc":
            return float(areas[int(self.name.removeprefix("auc_"))])
        return float(np.mean(areas[~np.isnan(areas)])) if (~np.isnan(areas)).any() else float("nan")


_MEANS = ("dice", "iou", "precision", "recall")


def score_names() -> list[str]:
    """Return the names that :func:`build_score` knows; with ``_k`` after a mean or after auc, it is that of class k.

    Examples
    --------
    >>> score_names()
    ['accuracy', 'auc', 'dice', 'front', 'iou', 'mcc', 'precision', 'recall']
    """
    return sorted((*_MEANS, "accuracy", "auc", "mcc", "front"))


def build_score(name: str, *, classes: int, sides: tuple[int, int] = (0, 1)) -> Score:
    """Return a score by name; ``sides`` are the classes of glacier and of ocean, for ``front``.

    Raises
    ------
    UsageError
        If the name is unknown, or ``front`` is asked for with other than two classes.
    """
    of_one = [f"{mean}_{label}" for mean in _MEANS for label in range(classes)]
    if name in (*_MEANS, "accuracy", "mcc", *of_one):
        return ConfusionScore(name, classes=classes)
    if name in ("auc", *(f"auc_{label}" for label in range(classes))):
        return AucScore(name, classes=classes)
    if name != "front":
        near = nearest_names(name, score_names()) or score_names()
        raise UsageError(f"metric '{name}' is not known; nearest: {', '.join(near)}")
    if classes != 2:
        raise UsageError(f"metric 'front' needs the two classes glacier and ocean, {classes} given; use 'iou'")
    return DeviationScore(glacier=sides[0], ocean=sides[1])
