"""A variable against its date, with one standard deviation, one colour per series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from glaciertime.plot.canvas import (
    ENGLISH,
    PlotWords,
    axis_label,
    colours,
    date_axis,
    new_axes,
    one_source,
    plain,
    stamp,
)
from glaciertime.plot.choosing import chosen_series, series_name
from glaciertime.plot.points import Point, bars_of, of_kind, points_of_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.record import GlacierRecord

__all__ = ["dates_and_values", "draw_flagged", "draw_series", "draw_traces", "series"]


def series(
    record: GlacierRecord,
    *,
    variable: str | None = None,
    method: str | None = None,
    footprint: str | None = None,
    dataset: str | None = None,
    front_of: str | None = None,
    ax: Axes | None = None,
    source: str = "",
    legend: bool = True,
) -> Axes:
    """Draw a variable against its date, with error bars of one standard deviation.

    Values that are bounds are arrows, flagged ones hollow; a value whose sigma is unknown has no bar. Series of
    different methods and data sets have colours of their own and are never joined.

    Parameters
    ----------
    record : GlacierRecord
    variable : str, optional
        Default the front position, else the area, else what there is.
    method, footprint, dataset, front_of : str, optional
        Of which series; areas are drawn of one footprint, by default the box.
    ax : Axes, optional
    source : str
        ``observed`` or ``simulated``; default what was observed, where there is some.
    legend : bool

    Returns
    -------
    Axes
        The caller's, or new ones. x: dates (UTC days); y: the variable in the unit that its label names (``m``,
        ``km²``), positive towards the sea for positions.

    Raises
    ------
    DataNotFoundError, UsageError
        Where there is no value, or none of that name.
    """
    part, source = one_source(record, source)
    rows = part.observations[part.observations["value"].notna()]
    rows = chosen_series(
        rows, glacier=record.glacier, variable=variable, method=method, footprint=footprint, dataset=dataset,
        front_of=front_of,
    )  # fmt: skip
    ax = new_axes(ax, size=(9.0, 3.6))
    draw_series(ax, rows, legend=legend)
    stamp(ax, source)
    return ax


def draw_series(ax: Axes, rows: pd.DataFrame, *, legend: bool = True) -> None:
    """Draw rows of one variable, one colour per footprint, method, data set and kind of front.

    Parameters
    ----------
    ax : Axes
    rows : DataFrame
        Observations that have a value.
    legend : bool
    """
    apart = rows["dataset"].nunique() > 1
    groups = rows.groupby(["footprint", "method", "dataset", "front_of"], sort=False, dropna=False)
    traces = []
    for _, group in groups:
        name = series_name(group.iloc[0])
        name = ", ".join(filter(None, (name, str(group["dataset"].iloc[0]) if apart else ""))) or "values"
        traces.append((name, points_of_rows(group)))
    draw_traces(ax, traces)
    ax.set_ylabel(axis_label(str(rows["variable"].iloc[0])))
    if legend:
        ax.legend(fontsize=9, loc="best")


def draw_traces(ax: Axes, traces: Sequence[tuple[str, Sequence[Point]]], *, words: PlotWords = ENGLISH) -> None:
    """Draw series against their dates, one colour each; what draws a series anywhere draws it here.

    Values that are bounds are arrows, flagged ones hollow; a value whose sigma is unknown has no bar.

    Parameters
    ----------
    ax : Axes
        Its y axis and its legend are the caller's to label.
    traces : sequence of (label, points)
    words : PlotWords
    """
    for colour, (label, points) in zip(colours(), traces, strict=False):
        _draw_one(ax, points, colour, plain(label), words)
    date_axis(ax, words)


def _draw_one(ax: Axes, points: Sequence[Point], colour: str, label: str, words: PlotWords) -> None:
    if good := of_kind(points, "ok"):
        ax.plot(*dates_and_values(good), color=colour, linewidth=0.8, alpha=0.6)
        ax.errorbar(
            *dates_and_values(good), **bars_of([point.sigma for point in good]), fmt="o", markersize=3.5, color=colour,
            elinewidth=1, capsize=2, label=label,
        )  # fmt: skip
    if flagged := of_kind(points, "flagged"):
        draw_flagged(ax, flagged, colour, f"{label}: {words.flagged}")
    for kind, arrow, said in (
        ("at-least", "$\\uparrow$", words.at_least), ("at-most", "$\\downarrow$", words.at_most),
    ):  # fmt: skip
        if bounds := of_kind(points, kind):
            ax.plot(
                *dates_and_values(bounds), marker=arrow, linestyle="none", markersize=8, color=colour,
                label=f"{label}: {said}",
            )  # fmt: skip


def draw_flagged(ax: Axes, points: Sequence[Point], colour: str, label: str) -> None:
    """Draw values that something speaks against: hollow, joined to none."""
    ax.plot(*dates_and_values(points), "o", markersize=4, markerfacecolor="none", color=colour, alpha=0.7, label=label)


def dates_and_values(points: Sequence[Point]) -> tuple[Any, Any]:
    """Return what matplotlib draws of points: their dates and their values."""
    return [point.date for point in points], [point.value for point in points]
