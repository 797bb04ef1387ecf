"""The units that axes may be drawn in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from glaciertime.plot.canvas import unit_text
from glaciertime.units import SHOWN_UNITS, shown_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_in_units"]


def draw_in_units(ax: Axes, units: Mapping[str, str]) -> None:
    """Let the y axis show its values in other units; what is drawn stays.

    Parameters
    ----------
    ax : Axes
        As :mod:`glaciertime.plot` drew them: the label ends in the unit.
    units : mapping of ``length`` or ``area`` to one of :data:`glaciertime.units.SHOWN_UNITS`
    """
    from matplotlib.ticker import FuncFormatter

    for kind in units:
        ours = SHOWN_UNITS[kind][0]
        wanted, factor = shown_in(ours, units)
        ending = f"({unit_text(ours)})"
        if wanted == ours or not ax.get_ylabel().endswith(ending):
            continue
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _, factor=factor: f"{value * factor:,.6g}"))
        ax.set_ylabel(f"{ax.get_ylabel().removesuffix(ending)}({unit_text(wanted)})")
