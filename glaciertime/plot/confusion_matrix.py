"""The confusion matrix of an evaluation: the share of each label's pixels, and their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glaciertime.errors import InputError
from glaciertime.plot.canvas import new_axes
from glaciertime.walls import readable_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.segment.judge.evaluation import Evaluation

__all__ = ["confusion", "draw_confusion", "short_name"]

_LONGEST_NAME = 24
_LEAST_INCHES = 3.6


def confusion(evaluation: Evaluation | Mapping[str, Any], *, ax: Axes | None = None, names: bool = True) -> Axes:
    """Draw a confusion matrix: rows are labels, columns what the mask says, each cell the share of its label's pixels.

    The uncertainty of the shares is that of the images: see the intervals of the evaluation.

    Parameters
    ----------
    evaluation : Evaluation or mapping
        What :func:`glaciertime.segment.judge.evaluation.evaluate` returned, or the JSON that ``glaciertime evaluate``
        wrote.
    ax : Axes, optional
    names : bool
        Write the labels' names at the axes.

    Returns
    -------
    Axes
        The caller's, or new ones. A row for each label, from above, a column for each class of the mask; a cell holds
        the share of its label's pixels, 0 to 100 %, and their number.

    Raises
    ------
    InputError
        For a mapping that holds no confusion matrix.
    """
    labels, counts = _matrix(evaluation)
    side = max(_LEAST_INCHES, 0.95 * len(labels) + 1.6)
    ax = new_axes(ax, size=(side + 0.8, side))
    draw_confusion(ax, counts, labels if names else [""] * len(labels))
    return ax


def _matrix(evaluation: Any) -> tuple[list[str], np.ndarray]:
    if not isinstance(evaluation, Mapping):
        total = evaluation.total
        size = len(evaluation.match.names)
        return list(evaluation.match.names), np.zeros((size, size)) if total is None else total.confusion
    held = evaluation.get("confusion")
    if not isinstance(held, Mapping) or not {"labels_by_row", "pixels"} <= held.keys():
        raise InputError("an evaluation with 'confusion' expected, such as glaciertime evaluate --out FILE.json writes")
    labels = [str(name) for name in held["labels_by_row"]]
    try:
        counts = np.array(held["pixels"] or np.zeros((len(labels),) * 2), dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError("the pixels of the confusion matrix are no numbers in rows of one length") from error
    if counts.shape != (len(labels),) * 2 or not np.isfinite(counts).all() or (counts < 0).any():
        raise InputError(
            f"a confusion matrix of {len(labels)} labels has {len(labels)} rows of counts; {counts.shape} given"
        )
    return labels, counts


def draw_confusion(ax: Axes, counts: np.ndarray, names: Sequence[str]) -> None:
    """Draw counts of pixels, rows by label and columns by mask.

    Parameters
    ----------
    ax : Axes
    counts : (C, C)
    names : sequence of str
    """
    rows = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, rows, out=np.zeros_like(counts, dtype=float), where=rows > 0)
    shown = [short_name(name) for name in names]
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(names)):
        for column in range(len(names)):
            text = f"{share[row, column]:.1%}\n{_count(counts[row, column])}" if rows[row, 0] else "no pixel"
            dark = share[row, column] > 0.55
            ax.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if dark else "#222222")
    ax.grid(visible=False)
    many = len(names) > 2
    ax.set_xticks(range(len(names)), shown, rotation=35 if many else 0, ha="right" if many else "center")
    ax.set_yticks(range(len(names)), shown)
    ax.set_xlabel("mask (share of the label's pixels; pixels)")
    ax.set_ylabel("label")


def short_name(name: str) -> str:
    """Return a name of a class that fits beside an axis."""
    text = readable_text(name).replace("$", r"\$")
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def _count(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"
