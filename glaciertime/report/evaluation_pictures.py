"""The pictures of an evaluation, each as PNG: confusion matrix, ROC, reliability, and where the masks are wrong."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from glaciertime.plot.canvas import COLOURS, STYLE
from glaciertime.plot.confusion_matrix import draw_confusion
from glaciertime.plot.confusion_matrix import short_name as _short
from glaciertime.report.evaluation_text import MARK
from glaciertime.segment.judge.sums import BINS
from glaciertime.walls import readable_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.segment.judge.evaluation import Evaluation, Judged

__all__ = ["confusion_picture", "error_map", "reliability_picture", "roc_picture", "threshold_picture"]

#: Right, called without being so, missed: blue, orange and violet are told apart by all readers.
_ERRORS = (("true positive", "#0072b2"), ("false positive", "#e69f00"), ("false negative", "#cc2f8f"))
_IGNORED = "#f2f2f2"
_STYLE: Any = STYLE
_PLAIN: Any = {**STYLE, "axes.grid": False}
_LARGEST_PX = 1_000_000


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, bbox_inches="tight", metadata={"Software": MARK})
    return buffer.getvalue()


def confusion_picture(held: Evaluation, *, title: str) -> bytes:
    """Return the confusion matrix: the share of each label's pixels, and their number."""
    names, total = held.match.names, held.total
    counts = np.zeros((len(names),) * 2) if total is None else total.confusion
    side = max(3.6, 0.95 * len(names) + 1.6)
    with mpl.rc_context(_PLAIN):
        figure = Figure(figsize=(side + 0.8, side))
        axes = figure.add_subplot()
        draw_confusion(axes, counts, names)
        axes.set_title(_wrapped(f"{title}: share of each label's pixels"), fontsize=10, loc="left")
        return _png(figure)


def roc_picture(held: Evaluation, *, title: str) -> bytes:
    """Return the ROC curve of each class against the rest, drawn in steps of 0.01 of the log-odds."""
    areas = held.ranking.areas()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 5.0))
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="#999999", lw=0.8, ls=":", label="guessing")
        for label, name in enumerate(held.match.names):
            others, own = held.ranking.steps.counts[label].astype(float)[:, ::-1]
            if not np.isfinite(areas[label]):
                axes.plot([], [], color=COLOURS[label % len(COLOURS)], label=f"{_short(name)}: not defined")
                continue
            false, true = (np.concatenate([[0], np.cumsum(part) / part.sum()]) for part in (others, own))
            axes.plot(
                false, true, color=COLOURS[label % len(COLOURS)], ls=("-", "--", "-.")[label % 3],
                label=f"{_short(name)}: {areas[label]:.4f}",
            )  # fmt: skip
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8, title="area under the curve", title_fontsize=8
        )
        axes.set_title(_wrapped(title), fontsize=10, loc="left")
        return _png(figure)


def reliability_picture(held: Evaluation, *, title: str) -> bytes:
    """Return how often a class is there where it is given a probability, and how many pixels have it."""
    total = held.total
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 5.8))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
        above.plot([0, 1], [0, 1], color="#999999", lw=0.8, ls=":")
        middles = (np.arange(BINS) + 0.5) / BINS
        for label, name in enumerate(held.match.names):
            if total is None:
                continue
            count, sure, right = total.reliability[label].T
            known = count > 0
            error = np.abs(sure - right).sum() / count.sum()
            colour = COLOURS[label % len(COLOURS)]
            above.plot(
                sure[known] / count[known], right[known] / count[known], color=colour, marker="o", ms=3.5, lw=1.2,
                ls=("-", "--", "-.")[label % 3], label=f"{_short(name)}: error {error:.4f}",
            )  # fmt: skip
            below.plot(middles[known], count[known], color=colour, marker=".", lw=1)
        above.set(ylabel="share that is of the class", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        if held.match.names and total is not None:
            above.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8)
            below.set_yscale("log")
        below.set(xlabel=f"probability of the class, {BINS} bins", ylabel="pixels")
        above.set_title(_wrapped(title), fontsize=10, loc="left")
        return _png(figure)


def threshold_picture(found: dict[str, Any], *, title: str) -> bytes:
    """Return the IoU of each class by the threshold of its probability, with the best one marked."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 4.0))
        axes = figure.add_subplot()
        for label, (name, swept) in enumerate(found["thresholds"].items()):
            colour = COLOURS[label % len(COLOURS)]
            values = np.array([np.nan if value is None else value for value in swept["iou"]])
            best = swept["best"]
            told = "never labelled" if best is None else f"best {best['iou']:.3f} at {best['threshold']:.2f}"
            axes.plot(swept["threshold"], values, color=colour, ls=("-", "--", "-.")[label % 3],
                      label=f"{_short(name)}: {told}")  # fmt: skip
            if best is not None:
                axes.plot(best["threshold"], best["iou"], "o", color=colour, ms=5)
        axes.set(xlabel="threshold of the probability", ylabel="IoU", xlim=(0, 1), ylim=(-0.01, 1.01))
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8)
        axes.set_title(_wrapped(f"{title}: best thresholds are chosen on these data, too good on others"), fontsize=10,
                       loc="left")  # fmt: skip
        return _png(figure)


def error_map(judged: Judged, image: NDArray[np.floating], *, names: tuple[str, ...], title: str) -> bytes:
    """Return an image, and beside it where each class is right, called without being there, and missed.

    Of two classes one is enough: the glacier, or else the second.

    Parameters
    ----------
    judged : Judged
    image : (C, H, W)
        Shown by its first band.
    names : tuple of str
    title : str
    """
    step = max(1, int(np.ceil((judged.labels.size / _LARGEST_PX) ** 0.5)))
    cut = (slice(None, None, step), slice(None, None, step))
    labels, predicted, valid = judged.labels[cut], judged.predicted[cut], judged.valid[cut]
    shown = [label for label, name in enumerate(names) if name.casefold() == "glacier"][:1] or [len(names) - 1]
    shown = shown if len(names) == 2 else list(range(len(names)))
    height, width = labels.shape
    tall = min(max(height / width, 0.15), 2.5)
    panels = 1 + len(shown)
    columns = min(panels, 2 if width > 1.5 * height else 5)
    rows = -(-panels // columns)
    side = 2.7 if columns > 2 or tall >= 0.7 else 4.5
    with mpl.rc_context(_PLAIN):
        figure = Figure(figsize=(side * columns, (side * tall + 0.4) * rows + 0.9))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        _grey(axes[0], np.asarray(image[0], dtype=np.float64)[cut])
        for panel, label in zip(axes[1:], shown, strict=False):
            panel.imshow(_errors(labels == label, predicted == label, valid), interpolation="nearest")
            panel.set_title(_short(names[label]), fontsize=9)
        for panel in axes:
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(visible=True, color="#999999", linewidth=0.6)
        for panel in axes[panels:]:
            panel.set_axis_off()
        keys = [Patch(color=colour, label=text) for text, colour in _ERRORS]
        keys += [
            Patch(facecolor="white", edgecolor="#999999", label="neither"),
            Patch(facecolor=_IGNORED, edgecolor="#999999", hatch="////", label="not labelled or not seen"),
        ]
        figure.legend(
            handles=keys, loc="lower center", ncols=5 if columns > 2 else 2, fontsize=8, bbox_to_anchor=(0.5, -0.02)
        )
        figure.suptitle(_wrapped(title, 34 * columns), fontsize=10, x=0.01, ha="left")
        figure.tight_layout(rect=(0, 0.35 / figure.get_figheight(), 1, 0.99))
        return _png(figure)


def _grey(axes: Axes, band: NDArray[np.float64]) -> None:
    known = band[np.isfinite(band)]
    low, high = np.percentile(known, (1, 99)) if known.size else (0, 1)
    axes.imshow(band, cmap="gray", vmin=low, vmax=high if high > low else low + 1, interpolation="nearest")
    axes.set_title("image, first band", fontsize=9)


def _errors(label: NDArray[np.bool_], mask: NDArray[np.bool_], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    out = np.ones((*label.shape, 3))
    for chosen, (_, colour) in zip((label & mask, ~label & mask, label & ~mask), _ERRORS, strict=True):
        out[chosen] = to_rgb(colour)
    row, column = np.indices(label.shape)
    stripe = (row + column) % 8 < 2
    out[~valid] = to_rgb(_IGNORED)
    out[~valid & stripe] = to_rgb("#bdbdbd")
    return out


def _wrapped(text: str, width: int = 62) -> str:
    return "\n".join(textwrap.wrap(readable_text(text).replace("$", r"\$"), width))
