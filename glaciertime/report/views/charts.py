"""Plots of a report as pictures: series with error bars, forecast fans, the map of a region; each an SVG text.

Each is drawn in two widths, so that its letters are of one size on a desk and on a telephone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.dates as mdates
from matplotlib.figure import Figure

from glaciertime.plot.canvas import COLOURS, STYLE, plain
from glaciertime.report.content.parts import Fan, FanPlot, Item, Point, RegionMap, SeriesPlot, Trace, Unit
from glaciertime.report.views.region_map import region_map
from glaciertime.report.wording import Wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NARROW_IN", "WIDE_IN", "chart"]

#: Widths in inches: of the text at 1280 and at 390 pixels.
WIDE_IN, NARROW_IN = 9.0, 3.8
_FAN = "#0072b2"
_SEEN = "#333333"


def chart(plot: SeriesPlot | FanPlot | RegionMap, *, wording: Wording, width_in: float) -> str:
    """Return a plot as SVG.

    Parameters
    ----------
    plot : SeriesPlot, FanPlot or RegionMap
    wording : Wording
        The language of its labels.
    width_in : float
        Inches of 96 pixels; letters are of ten points whatever it is.
    """
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = _drawn(plot, wording, width_in)
        if plot.source == "simulated":
            _stamp(figure, wording)
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
    return region_map(
        plot.points, plot.values, unit=wording.unit(f"{plot.unit} a-1"), labels=plot.names, width_in=width_in,
        wording=wording,
    )  # fmt: skip


def _stamp(figure: Figure, wording: Wording) -> None:
    size = 3.0 * figure.get_figwidth()
    figure.text(
        0.5, 0.5, wording.text(_view("simulated")), ha="center", va="center", rotation=20, fontsize=size,
        color="#b00020", alpha=0.18,
    )  # fmt: skip


def _view(name: str) -> Any:
    from glaciertime.report.content.parts import say

    return say(f"view.{name}")


def _axis_label(label: Item, unit: str, wording: Wording) -> str:
    name = wording.title(label)
    return plain(f"{name} ({wording.text(Unit(unit))})" if unit else name)


def _series(plot: SeriesPlot, wording: Wording, width_in: float) -> Figure:
    is_wide = width_in > 6
    heights = [(2.7 if is_wide else 2.5) + 0.22 * _legend_rows(panel, is_wide) for panel in plot.panels]
    figure = Figure(figsize=(width_in, 0.2 + sum(heights)), layout="constrained")
    axes_of = figure.subplots(len(plot.panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights}).ravel()
    for axes, panel in zip(axes_of, plot.panels, strict=True):
        for index, trace in enumerate(panel):
            _trace(axes, trace, COLOURS[index % len(COLOURS)], wording)
        axes.set_ylabel(_axis_label(plot.label, plot.unit, wording))
        _date_axis(axes, wording, is_wide=is_wide)
        handles, labels = axes.get_legend_handles_labels()
        # Above the plot, never on the values.
        axes.legend(
            handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2 if is_wide else 1, fontsize=9,
            borderaxespad=0.2, handlelength=1.2,
        )  # fmt: skip
    return figure


def _legend_rows(panel: Sequence[Trace], is_wide: bool) -> int:
    entries = sum(len({point.kind for point in trace.points} | {"ok"}) for trace in panel)
    return -(-entries // 2) if is_wide else entries


def _trace(axes: Axes, trace: Trace, colour: str, wording: Wording) -> None:
    label = plain(wording.title(trace.label))
    good = _of_kind(trace, "ok")
    axes.plot(*_xy(good), color=colour, linewidth=0.8, alpha=0.6)
    axes.errorbar(
        *_xy(good), yerr=[_sigma(point) for point in good], fmt="o", markersize=3.5, color=colour, elinewidth=1,
        capsize=2, label=label,
    )  # fmt: skip
    if flagged := _of_kind(trace, "flagged"):
        axes.plot(
            *_xy(flagged), "o", markersize=4, markerfacecolor="none", color=colour, alpha=0.7,
            label=f"{label}: {wording.text(_view('flagged'))}",
        )  # fmt: skip
    for kind, arrow in (("at-least", "$\\uparrow$"), ("at-most", "$\\downarrow$")):
        if bounds := _of_kind(trace, kind):
            axes.plot(
                *_xy(bounds), marker=arrow, linestyle="none", markersize=8, color=colour,
                label=f"{label}: {wording.text(_view(kind))}",
            )  # fmt: skip


def _of_kind(trace: Trace, kind: str) -> list[Point]:
    return [point for point in trace.points if point.kind == kind]


def _xy(points: Iterable[Point]) -> tuple[Any, Any]:
    held = list(points)
    return [point.date for point in held], [point.value for point in held]


def _sigma(point: Point) -> float:
    return point.sigma if math.isfinite(point.sigma) else 0.0


def _date_axis(axes: Axes, wording: Wording, *, is_wide: bool) -> None:
    locator = mdates.AutoDateLocator(maxticks=9 if is_wide else 5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        mdates.ConciseDateFormatter(
            locator, formats=["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%S"],
            zero_formats=["", "%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M"], offset_formats=[""] * 6,
        )
    )  # fmt: skip
    axes.set_xlabel(wording.title(_view("date")))
    axes.yaxis.set_major_formatter(lambda value, _: wording.plain(value))


def _fans(plot: FanPlot, wording: Wording, width_in: float) -> Figure:
    is_wide = width_in > 6
    columns = min(len(plot.fans), 2 if is_wide else 1)
    rows = -(-len(plot.fans) // columns)
    figure = Figure(figsize=(width_in, 0.5 + 2.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    flat = panels.ravel()
    for index, (axes, fan) in enumerate(zip(flat, plot.fans, strict=False)):
        _fan(axes, plot, fan, wording)
        axes.set_title(plain(wording.text(fan.label)), fontsize=10, loc="left")
        _date_axis(axes, wording, is_wide=is_wide and columns == 1)
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


def _fan(axes: Axes, plot: FanPlot, fan: Fan, wording: Wording) -> None:
    good, flagged = _of_kind(plot.seen, "ok"), _of_kind(plot.seen, "flagged")
    axes.plot(*_xy(good), color=_SEEN, linewidth=0.8)
    axes.errorbar(
        *_xy(good), yerr=[_sigma(point) for point in good], fmt="o", markersize=2.5, color=_SEEN, elinewidth=0.8,
        label=wording.text(plot.seen.label),
    )  # fmt: skip
    dates: Any = list(fan.dates)
    for level, alpha in ((0.95, 0.15), (0.8, 0.22), (0.5, 0.32)):
        low, high = _band(fan.quantiles, level)
        if low and high:
            share = f"{100 * level:.0f}\u202f%"
            axes.fill_between(dates, low, high, color=_FAN, alpha=alpha, linewidth=0, label=share)
    if middle := fan.quantiles.get(0.5):
        start = [] if plot.last is None else [plot.last]
        line = [*start, *(Point(date=date, value=value) for date, value in zip(fan.dates, middle, strict=True))]
        axes.plot(
            *_xy(line), color=_FAN, linewidth=1.4,
            label=wording.text(_view("median")),
        )  # fmt: skip
    if flagged:
        axes.plot(
            *_xy(flagged), "o", markersize=4, markerfacecolor="none", color=_SEEN, alpha=0.7,
            label=wording.text(_view("flagged")),
        )  # fmt: skip


def _band(quantiles: Mapping[float, Sequence[float]], level: float) -> tuple[Sequence[float], Sequence[float]]:
    return quantiles.get(round((1 - level) / 2, 4), ()), quantiles.get(round((1 + level) / 2, 4), ())
