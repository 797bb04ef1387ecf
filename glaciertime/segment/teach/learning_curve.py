"""The learning curve of a training as a picture: losses above, scores below, epoch by epoch."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = ["learning_curve"]

_SCORES = ("iou", "dice", "precision", "recall", "accuracy", "mcc", "auc")
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#9a9a9a"


def learning_curve(history: Sequence[dict[str, float]], *, metric: str, larger_is_better: bool) -> bytes:
    """Return a PNG of a history: training and validation loss, the learning rate, and the scores.

    Parameters
    ----------
    history : sequence of dict
        As :mod:`.keeping` has it, one epoch each, at least one.
    metric : str
        The score that the checkpoint is chosen by; drawn thick, its best epoch marked.
    larger_is_better : bool
        Of that score.
    """
    epochs = [int(row["epoch"]) + 1 for row in history]

    def column(name: str) -> list[float]:
        return [row.get(name, math.nan) for row in history]

    scored = any(not math.isnan(value) for value in column("score"))
    figure = Figure(figsize=(7.5, 6.4 if scored else 3.6), layout="constrained")
    axes = list(figure.subplots(2 if scored else 1, 1, sharex=True, squeeze=False)[:, 0])
    upper = axes[0]
    upper.plot(epochs, column("loss"), color=_BLUE, marker="o", ms=3, label="training loss")
    if scored:
        upper.plot(epochs, column("validation_loss"), color=_ORANGE, marker="s", ms=3, label="validation loss")
    upper.set_ylabel("loss")
    rate = upper.twinx()
    rate.plot(epochs, column("learning_rate"), color=_GREY, lw=1, ls="--", label="learning rate")
    rate.set_ylabel("learning rate at the end of the epoch", color="#666666")
    rate.set_ylim(bottom=0)
    handles = [*upper.get_legend_handles_labels()[0], *rate.get_legend_handles_labels()[0]]
    upper.legend(handles=handles, frameon=False, loc="upper right")
    if scored:
        lower = axes[1]
        if metric != "front":
            for name in _SCORES:
                if name != metric:
                    lower.plot(epochs, column(name), lw=1, alpha=0.7, label=name)
        values = column("score")
        lower.plot(epochs, values, color=_ORANGE, lw=2.2, label=f"{metric} (chosen by)")
        known = [(value if larger_is_better else -value, place) for place, value in enumerate(values) if value == value]
        best = max(known)[1]
        lower.plot(epochs[best], values[best], "k*", ms=11, label=f"best: epoch {epochs[best]}, {values[best]:.4g}")
        lower.set_ylabel("deviation of the front (px)" if metric == "front" else "score, validation part")
        lower.legend(frameon=False, fontsize=8, ncol=2)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    for axis in axes:
        axis.grid(color="#e4e4e4", lw=0.6)
        axis.set_axisbelow(True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": "glaciertime train"})
    return buffer.getvalue()
