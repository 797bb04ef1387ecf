"""Calving fronts on a map, coloured by the rank of their date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize

from glaciertime.errors import DataNotFoundError
from glaciertime.plot.canvas import new_axes, one_source, plain, stamp
from glaciertime.plot.front_lines import OUTLINE_COLOURS, FrontMap, Pieces, frame_of, front_map, rank_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.record import GlacierRecord

__all__ = ["fronts"]

_TICKS = 6
#: Lines of more dates than this are drawn thinner.
_DENSE = 60


def fronts(
    record: GlacierRecord, *, ax: Axes | None = None, source: str = "", bar: bool = True, legend: bool = True
) -> Axes:
    """Draw the calving fronts of a glacier on a map, coloured by the rank of their date; flagged ones are dashed.

    By rank, thirty years and a dense last one are both told apart: each date is as far from the next as any other.

    Parameters
    ----------
    record : GlacierRecord
    ax : Axes, optional
        Where to draw; default a figure of its own.
    source : str
        ``observed`` or ``simulated``; default what was observed, where there is some.
    bar : bool
        Draw a colour bar with dates beside the axes.
    legend : bool
        Name the footprints and the centreline.

    Returns
    -------
    Axes
        The caller's, or new ones. x and y: kilometres of the plane that the labels name; one line a front, coloured by
        rank from 0 (first date) to 1 (last).

    Raises
    ------
    DataNotFoundError
        Where the archive holds no front of the glacier.
    """
    part, source = one_source(record, source)
    shown = front_map(part)
    if shown is None:
        raise DataNotFoundError(
            f"the archive holds no calving front of {record.glacier} ({source}) that could be drawn"
        )
    ax = new_axes(ax, size=(8.6, 6.6))
    _draw(ax, shown)
    if bar:
        _bar(ax, [line.date for line in shown.lines])
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best", fontsize=9)
    stamp(ax, source)
    return ax


def _draw(ax: Axes, shown: FrontMap) -> None:
    """Draw outlines, centreline and fronts in kilometres, and look at the fronts, with the fjord around them."""
    points = [point for line in shown.lines for piece in line.pieces for point in piece]
    for name, rings in shown.outlines:
        _outline(ax, rings, name)
        points += [point for ring in rings for point in ring] if name == "fjord" else []
    if shown.centreline is not None:
        _centreline(ax, shown.centreline)
    is_dense = len({line.date for line in shown.lines}) > _DENSE
    for dashed in (False, True):
        lines = [line for line in shown.lines if line.is_dashed == dashed]
        pieces = [np.array(piece) / 1000 for line in lines for piece in line.pieces]
        colours = [rank_colour(line.rank) for line in lines for _ in line.pieces]
        if pieces:
            ax.add_collection(
                LineCollection(
                    pieces, colors=colours, linewidths=1.0 if is_dense else 1.6,
                    linestyles="dashed" if dashed else "solid", capstyle="butt" if dashed else "round",
                )
            )  # fmt: skip
    x_min, y_min, x_max, y_max = (one / 1000 for one in frame_of(points))
    name = plain(shown.crs) or "local frame"
    ax.set(xlim=(x_min, x_max), ylim=(y_min, y_max), aspect="equal",
           xlabel=f"easting (km, {name})", ylabel=f"northing (km, {name})")  # fmt: skip


def _centreline(ax: Axes, pieces: Pieces) -> None:
    for index, piece in enumerate(pieces):
        x, y = np.array(piece).T / 1000
        ax.plot(x, y, color="#777777", linewidth=1.0, linestyle=(0, (4, 3)), label="" if index else "centreline")
    ax.annotate("sea", (x[-1], y[-1]), xytext=(3, 3), textcoords="offset points", color="#777777", fontsize=9,
                annotation_clip=True)  # fmt: skip


def _bar(ax: Axes, of_lines: Sequence[dt.date]) -> None:
    """Draw the colours of the ranks beside the map, with the dates that some of them have."""
    dates = sorted(set(of_lines))
    last = max(len(dates) - 1, 1)
    ramp = ListedColormap([rank_colour(rank) for rank in np.linspace(0, 1, 256)])
    ticks = np.unique(np.linspace(0, len(dates) - 1, min(_TICKS, len(dates))).round().astype(int))
    bar = ax.figure.colorbar(ScalarMappable(Normalize(0, last), ramp), ax=ax, shrink=0.8, pad=0.02)
    bar.set_ticks(ticks.tolist(), labels=[dates[tick].isoformat() for tick in ticks])
    count = f"{len(dates)} dates" if len(dates) > 1 else "one date"
    bar.set_label(f"date of acquisition, by rank ({count})")


def _outline(ax: Axes, rings: Pieces, name: str) -> None:
    for index, ring in enumerate(rings):
        x, y = np.array(ring).T / 1000
        ax.plot(x, y, color=OUTLINE_COLOURS[name], linestyle=":" if name == "common" else "-", linewidth=0.9,
                label="" if index else name)  # fmt: skip
