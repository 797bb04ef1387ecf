"""The pictures of a comparison of trainings, each as PNG: scores, differences, mean ranks."""

from __future__ import annotations

import io
import textwrap
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from glaciertime.plot.canvas import COLOURS, STYLE
from glaciertime.report.trainings_content import MARK, METRIC_NAMES, condition_name
from glaciertime.walls import readable_text

__all__ = ["difference_picture", "rank_picture", "score_picture"]

_STYLE: Any = STYLE
_MOST = 60
_LONGEST = 58


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, bbox_inches="tight", metadata={"Software": MARK})
    return buffer.getvalue()


def _short(text: str) -> str:
    shown = readable_text(text).replace("$", r"\$")
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _titled(axes: Any, text: str, width: int = 88) -> None:
    axes.set_title("\n".join(textwrap.wrap(text, width)), fontsize=9, loc="left")


def _shown(held: list[Any], every: list[Any]) -> str:
    """Return how many there are where not all are drawn."""
    return "" if len(held) == len(every) else f" The first {len(held)} of {len(every)}."


def _simulated(found: dict[str, Any]) -> str:
    return " SIMULATED images are among them." if found.get("simulated") else ""


def score_picture(found: dict[str, Any]) -> bytes | None:
    """Return the first metric of each combination: mean over units with its interval, and each seed; None without."""
    metric = found["metrics"][0]
    every = [one for one in found["conditions"] if one["scores"][metric]["unit_mean"] is not None]
    held = every[:_MOST]
    if not held:
        return None
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 0.34 * len(held) + 1.5))
        axes = figure.add_subplot()
        models = list(dict.fromkeys(one["model"] for one in held))
        for at, one in enumerate(held):
            score = one["scores"][metric]
            colour = COLOURS[models.index(one["model"]) % len(COLOURS)]
            if score["low"] is not None:
                axes.plot([score["low"], score["high"]], [at, at], color=colour, lw=2)
            axes.plot(score["unit_mean"], at, "o", color=colour, ms=6)
            seeds = list(score["by_seed"].values())
            axes.plot(seeds, [at + 0.22] * len(seeds), "|", color="#777777", ms=7)
        axes.set_yticks(range(len(held)), [_short(condition_name(one)) for one in held], fontsize=8)
        axes.set_ylim(len(held) - 0.4, -0.6)
        axes.set_xlabel(METRIC_NAMES[metric])
        keys = [
            Line2D([], [], marker="o", color="#444444", lw=2, label="mean over glaciers or scenes, 95 % interval"),
            Line2D([], [], marker="|", color="#777777", lw=0, ms=7, label="a seed, all test pixels together"),
        ]
        axes.legend(handles=keys, loc="upper center", bbox_to_anchor=(0.4, -0.55 / (0.34 * len(held) + 0.6)), ncols=2,
                    fontsize=8)  # fmt: skip
        _titled(axes, f"Test part, {METRIC_NAMES[metric]}.{_shown(held, every)}{_simulated(found)}", 70)
        return _png(figure)


def difference_picture(found: dict[str, Any]) -> bytes | None:
    """Return the differences of the first metric, of all pairs that are tested, with their intervals."""
    metric, name = found["metrics"][0], found["correction"]
    held = [(one, pair) for one in found["families"] if one["metric"] == metric for pair in one["pairs"]
            if not pair["reason"]]  # fmt: skip
    every, held = held, held[:_MOST]
    if not held:
        return None
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 0.34 * len(held) + 1.5))
        axes = figure.add_subplot()
        axes.axvline(0, color="#888888", lw=0.8)
        for at, (_, pair) in enumerate(held):
            sure = sum(pair[f"{which}_{name}"] < 0.05 for which in ("p_t", "p_wilcoxon"))
            colour = ("#999999", COLOURS[4], COLOURS[0])[sure]
            axes.plot([pair["low"], pair["high"]], [at, at], color=colour, lw=2)
            axes.plot(pair["difference"], at, "o", color=colour, ms=6)
        labels = []
        for one, pair in held:
            where = condition_name(one["fixed"])
            labels.append(_short(f"{pair['first']} - {pair['second']}" + (f" ({where})" if where else "")))
        axes.set_yticks(range(len(held)), labels, fontsize=8)
        axes.set_ylim(len(held) - 0.4, -0.6)
        axes.set_xlabel(f"difference of {METRIC_NAMES[metric]}, first - second")
        keys = [
            Line2D([], [], marker="o", color=colour, lw=2, label=text)
            for colour, text in ((COLOURS[0], "both tests below 0.05"), (COLOURS[4], "one of them"),
                                 ("#999999", "neither"))
        ]  # fmt: skip
        axes.legend(handles=keys, loc="upper center", bbox_to_anchor=(0.4, -0.55 / (0.34 * len(held) + 0.6)), ncols=3,
                    fontsize=8)  # fmt: skip
        _titled(
            axes,
            f"Paired over glaciers or scenes, 95 % intervals, p by {name.capitalize()}.{_shown(held, every)}"
            f"{_simulated(found)}",
            70,
        )
        return _png(figure)


def rank_picture(found: dict[str, Any]) -> bytes | None:
    """Return mean ranks with the critical difference, of each group of three or more that Friedman's test is of."""
    metric = found["metrics"][0]
    held = [one for one in found["families"]
            if one["metric"] == metric and one["friedman"] and not one["friedman"]["reason"]]  # fmt: skip
    every, held = held, held[:12]
    if not held:
        return None
    with mpl.rc_context(_STYLE):
        sizes = [0.28 * len(one["levels"]) + 1.0 for one in held]
        figure = Figure(figsize=(7.2, sum(sizes) + 0.6))
        panels = figure.subplots(len(held), 1, squeeze=False, gridspec_kw={"height_ratios": sizes})[:, 0]
        for axes, one in zip(panels, held, strict=True):
            ranks, critical = one["friedman"]["mean_ranks"], one["friedman"]["critical_difference"]
            order = sorted(range(len(ranks)), key=ranks.__getitem__)
            best = ranks[order[0]]
            axes.axvspan(best, best + critical, color="#56b4e9", alpha=0.25, lw=0)
            for place, at in enumerate(order):
                axes.plot(ranks[at], place, "o", color=COLOURS[0] if ranks[at] - best <= critical else "#999999", ms=6)
                axes.annotate(f"{ranks[at]:.2f}", (ranks[at], place), xytext=(6, 0), textcoords="offset points",
                              va="center", fontsize=8)  # fmt: skip
            axes.set_yticks(range(len(order)), [_short(one["levels"][at]) for at in order], fontsize=8)
            axes.set_ylim(len(order) - 0.5, -0.5)
            axes.set_xlim(0.9, len(order) + 0.35)
            where = condition_name(one["fixed"])
            p = one["friedman"]["p"]
            told = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
            _titled(axes, f"{where + ': ' if where else ''}{one['units']} {one['unit']}s, Friedman {told}, critical "
                          f"difference {critical:.2f}")  # fmt: skip
        panels[-1].set_xlabel(
            f"mean rank of {METRIC_NAMES[metric]}, 1 the best; shaded: not told from it.{_shown(held, every)}"
            f"{_simulated(found)}"
        )
        figure.tight_layout()
        return _png(figure)
