"""What a training leaves after every epoch: the best weights, the history as JSON and CSV, the learning curve."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning

from glaciertime.segment.description import ModelSpec
from glaciertime.segment.predict.weights import save_model
from glaciertime.segment.teach.learning_curve import learning_curve
from glaciertime.segment.teach.optimisers import epochs_since_best
from glaciertime.segment.teach.segmenter import Segmenter
from glaciertime.writing import write_bytes

__all__ = ["Keeper", "is_over", "past_scores"]

_DRAWN_EVERY_S = 60.0
_log = logging.getLogger(__name__)


class Keeper(lightning.Callback):
    """Writes history and weights after every epoch, so that a killed training leaves what it had.

    Parameters
    ----------
    out : Path
    spec : ModelSpec
    metric : str
        What the score is called in the picture.
    larger_is_better : bool
        Of that score.
    patience : int or None
        Epochs without a better score after which the training ends.
    data : dict
        What the training part was, kept with the state.
    """

    def __init__(
        self,
        out: Path,
        spec: ModelSpec,
        *,
        metric: str,
        larger_is_better: bool,
        patience: int | None,
        data: dict[str, str],
    ) -> None:
        self.out = out
        self.spec = spec
        self.metric = metric
        self.larger_is_better = larger_is_better
        self.patience = patience
        self.data = data
        self.history: list[dict[str, float]] = []
        self._drawn = time.monotonic()
        self._has_told = False

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history, "data": self.data}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Segmenter)
        pl_module.past = past_scores(self.history)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Segmenter)
        pl_module.check_finite()
        seen = {key: float(value) for key, value in trainer.callback_metrics.items()}
        row = {"epoch": trainer.current_epoch, "loss": seen.get("loss", math.nan), "score": seen.get("score", math.nan)}
        row |= pl_module.told()
        if "validation_loss" in row and math.isnan(row["score"]) and not self._has_told:
            self._has_told = True
            _log.warning(
                "epoch %d: %s is not defined on the validation part, where a class or a front is missing: while it is "
                "not, the last weights are kept as if they were the best",
                trainer.current_epoch + 1,
                self.metric,
            )
        self.history = [*self.history, row]
        pl_module.past = past_scores(self.history)
        if is_over(self.history, patience=self.patience, larger_is_better=self.larger_is_better):
            trainer.should_stop = True
            _log.warning("no better %s for %d epochs: the training ends here", self.metric, self.patience)
        if not trainer.is_global_zero:
            return
        if math.isnan(row["score"]) or self._is_best(row["score"]):
            save_model(
                pl_module.best_network(),
                replace(self.spec, scores=_finite(row)),
                self.out / "weights.safetensors",
                overwrite=True,
            )
        told = json.dumps([_finite(entry) for entry in self.history], indent=1)
        write_bytes(self.out / "history.json", told.encode(), overwrite=True)
        write_bytes(self.out / "history.csv", _table(self.history).encode(), overwrite=True)
        if time.monotonic() - self._drawn > _DRAWN_EVERY_S:
            self.draw()

    def _is_best(self, score: float) -> bool:
        """Return whether no epoch before had a better score; of equal ones the last is kept."""
        sign = 1.0 if self.larger_is_better else -1.0
        before = [sign * value for value in past_scores(self.history[:-1]) if not math.isnan(value)]
        return not before or sign * score >= max(before)

    def draw(self) -> None:
        """Draw the learning curve of the epochs so far."""
        if self.history:
            picture = learning_curve(self.history, metric=self.metric, larger_is_better=self.larger_is_better)
            write_bytes(self.out / "learning_curve.png", picture, overwrite=True)
            self._drawn = time.monotonic()


def past_scores(history: Sequence[dict[str, float]]) -> list[float]:
    """Return the score of each epoch, NaN where there was none."""
    return [row.get("score", math.nan) for row in history]


def is_over(history: Sequence[dict[str, float]], *, patience: int | None, larger_is_better: bool) -> bool:
    """Return whether a training ends for want of a better score."""
    scores = past_scores(history)
    return patience is not None and epochs_since_best(scores, larger_is_better=larger_is_better) >= patience


def _finite(row: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in row.items() if math.isfinite(value)}


def _table(history: Sequence[dict[str, float]]) -> str:
    """Return the history as CSV, an epoch a row, empty where nothing is known."""
    columns = list(dict.fromkeys(key for row in history for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow(_finite(row))
    return text.getvalue()
