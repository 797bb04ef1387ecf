"""All that an epoch scores on the validation part: the score a checkpoint is chosen by, and the others beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glaciertime.segment.judge.metrics import scores_from_confusion
from glaciertime.segment.judge.scoring import AucScore, ConfusionScore, build_score

__all__ = ["EpochScores"]


class EpochScores:
    """Adds up images; answers with the score of one name, and with all of them.

    Parameters
    ----------
    metric : str
        Of :func:`glaciertime.segment.judge.scoring.score_names`.
    classes : int
    sides : (int, int)
        Classes of glacier and of ocean, for ``front``.

    Examples
    --------
    >>> scores = EpochScores("iou", classes=2)
    >>> scores.update(np.array([[[[0.9, 0.2]], [[0.1, 0.8]]]]), np.array([[[0, 0]]]), loss=0.5)
    >>> scores.chosen(), scores.values()["accuracy"], scores.values()["validation_loss"]
    (0.25, 0.5, 0.5)
    """

    def __init__(self, metric: str, *, classes: int, sides: tuple[int, int] = (0, 1)) -> None:
        self._chosen = build_score(metric, classes=classes, sides=sides)
        self._areas = AucScore("auc", classes=classes)
        self._confusion = ConfusionScore("iou", classes=classes)
        self.metric = metric
        self.larger_is_better = self._chosen.larger_is_better
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self._losses: list[float] = []
        for part in (self._chosen, self._areas, self._confusion):
            part.reset()

    def update(self, probability: NDArray[np.floating], labels: NDArray[np.integer], *, loss: float) -> None:
        """Add images: probabilities (B, K, H, W), labels (B, H, W), and their loss."""
        self._losses.append(loss)
        for part in (self._chosen, self._areas, self._confusion):
            part.update(probability, labels)

    def chosen(self) -> float:
        """Return the score of the name given, of what was added."""
        return float(self._chosen.value()) if self._losses else float("nan")

    def values(self) -> dict[str, float]:
        """Return loss and scores, per class and in the mean; nothing where nothing was added."""
        if not self._losses:
            return {}
        found = scores_from_confusion(self._confusion.confusion).as_dict()
        told = {"validation_loss": float(np.mean(self._losses)), "accuracy": found.pop("pixel_accuracy")}
        told |= {name.removesuffix("_macro"): value for name, value in found.items()}
        areas = self._areas.ranking.areas()
        told["auc"] = float(np.mean(areas[~np.isnan(areas)])) if (~np.isnan(areas)).any() else float("nan")
        if self.metric == "front":
            told["front"] = self.chosen()
        return told
