"""Plots of a report as pictures: series with error bars, forecast fans, the map of a region; each an SVG text.

What is drawn is drawn by :mod:`glaciertime.plot`; here it is laid out, in two widths, so that its letters are of one
size on a desk and on a telephone.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from glaciertime.plot.canvas import STYLE, PlotWords, plain, stamp
from glaciertime.plot.forecast_fan import draw_fan
from glaciertime.plot.points import FanPoints
from glaciertime.plot.time_series import draw_traces
from glaciertime.report.content.parts import FanPlot, Item, RegionMap, SeriesPlot, Trace, Unit
from glaciertime.report.views.region_map import region_map
from glaciertime.report.wording import Wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NARROW_IN", "WIDE_IN", "chart"]

#: Widths in inches: of the text at 1280 and at 390 pixels.
WIDE_IN, NARROW_IN = 9.0, 3.8
#: Of a legend: the letters that a line has room for in either width, and the height of one.
_LEGEND_LETTERS, _LEGEND_LINE_IN = 40, 0.2


def chart(plot: SeriesPlot | FanPlot | RegionMap, *, wording: Wording, width_in: float) -> str:
    """Return a plot as SVG.

    Parameters
    ----------
    plot : SeriesPlot, FanPlot or RegionMap
    wording : Wording
        The language of its labels, and its units.
    width_in : float
        Inches of 96 pixels; letters are of ten points whatever it is.
    """
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = _drawn(plot, wording, width_in)
        buffer = io.StringIO()
        # The map of a region has margins of its own.
        tight = {"bbox_inches": "tight"} if isinstance(plot, RegionMap) else {}
        figure.savefig(buffer, format="svg", metadata={"Date": None}, **tight)  # type: ignore[arg-type]
        return buffer.getvalue()


def _drawn(plot: SeriesPlot | FanPlot | RegionMap, wording: Wording, width_in: float) -> Figure:
    if isinstance(plot, SeriesPlot):
        return _series(plot, wording, width_in)
    if isinstance(plot, FanPlot):
        return _fans(plot, wording, width_in)
    figure = region_map(
        plot.points, plot.values, unit=f"{plot.unit} a-1", labels=plot.names, width_in=width_in, wording=wording
    )
    for axes in figure.axes[:1]:
        stamp(axes, plot.source, _words(wording, ""))
    return figure


def _words(wording: Wording, unit: str) -> PlotWords:
    said = {name: wording.text(_view(name.replace("_", "-"))) for name in ("flagged", "at_least", "at_most", "median",
            "simulated")}  # fmt: skip
    return PlotWords(date=wording.title(_view("date")), number=lambda value: wording.plain(value, unit=unit), **said)


def _view(name: str) -> Any:
    from glaciertime.report.content.parts import say

    return say(f"view.{name}")


def _axis_label(label: Item, unit: str, wording: Wording) -> str:
    name = wording.title(label)
    return plain(f"{name} ({wording.text(Unit(unit))})" if unit else name)


def _series(plot: SeriesPlot, wording: Wording, width_in: float) -> Figure:
    is_wide = width_in > 6
    columns, words = 2 if is_wide else 1, _words(wording, plot.unit)
    heights = [(2.7 if is_wide else 2.5) + _LEGEND_LINE_IN * _legend_lines(panel, words, wording, columns)
               for panel in plot.panels]  # fmt: skip
    figure = Figure(figsize=(width_in, 0.2 + sum(heights)), layout="constrained")
    axes_of = figure.subplots(len(plot.panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights}).ravel()
    for axes, panel in zip(axes_of, plot.panels, strict=True):
        names = [wording.title(trace.label) for trace in panel]
        draw_traces(axes, list(zip(names, (trace.points for trace in panel), strict=True)), words=words)
        axes.set_ylabel(_axis_label(plot.label, plot.unit, wording))
        _legend(axes, names, columns)
        stamp(axes, plot.source, words)
    return figure


def _legend(axes: Axes, names: Sequence[str], columns: int) -> None:
    """Write what is drawn above the plot, never on the values: each series before what is flagged of it."""
    handles, labels = axes.get_legend_handles_labels()

    def place(label: str) -> tuple[int, int]:
        of = max((name for name in names if label.startswith(plain(name))), key=len, default=names[0])
        return names.index(of), len(label)

    order = sorted(range(len(labels)), key=lambda index: place(labels[index]))
    axes.legend(
        [handles[index] for index in order], [_wrapped(labels[index]) for index in order], loc="lower left",
        bbox_to_anchor=(0, 1.0), ncols=columns, fontsize=9, borderaxespad=0.2, handlelength=1.2,
    )  # fmt: skip


def _wrapped(label: str) -> str:
    return textwrap.fill(label, _LEGEND_LETTERS)


def _legend_lines(panel: Sequence[Trace], words: PlotWords, wording: Wording, columns: int) -> int:
    kinds = {"ok": "", "flagged": f": {words.flagged}", "at-least": f": {words.at_least}",
             "at-most": f": {words.at_most}"}  # fmt: skip
    lines = [
        _wrapped(wording.title(trace.label) + kinds[kind]).count("\n") + 1
        for trace in panel for kind in {point.kind for point in trace.points}
    ]  # fmt: skip
    return -(-sum(lines) // columns)


def _fans(plot: FanPlot, wording: Wording, width_in: float) -> Figure:
    is_wide = width_in > 6
    columns = min(len(plot.fans), 2 if is_wide else 1)
    rows = -(-len(plot.fans) // columns)
    figure = Figure(figsize=(width_in, 0.5 + 2.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    flat = panels.ravel()
    words = replace(_words(wording, plot.unit), series=wording.text(plot.seen.label))
    for index, (axes, fan) in enumerate(zip(flat, plot.fans, strict=False)):
        points = FanPoints(seen=plot.seen.points, last=plot.last, dates=fan.dates, quantiles=fan.quantiles)
        draw_fan(axes, points, words=words)
        axes.set_title(plain(wording.text(fan.label)), fontsize=10, loc="left")
        stamp(axes, plot.source, words)
        if index + columns < len(plot.fans):
            axes.set_xlabel("")
        else:
            axes.tick_params(labelbottom=True)
    for axes in flat[len(plot.fans) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel(_axis_label(plot.label, plot.unit, wording))
    handles, labels = flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels) if is_wide else 3, fontsize=9)
    return figure
