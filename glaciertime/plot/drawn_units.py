"""The units that axes may be drawn in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["UNITS", "draw_in_units"]

#: The units of each kind of quantity, and how many of them ours is; ours is the first.
UNITS = {"length": {"m": 1.0, "km": 1e-3}, "area": {"km2": 1.0, "ha": 100.0, "m2": 1e6}}
_SET = {"m": "m", "km": "km", "km2": "km²", "ha": "ha", "m2": "m²"}


def draw_in_units(ax: Axes, units: Mapping[str, str]) -> None:
    """Let the y axis show its values in other units; what is drawn stays.

    Parameters
    ----------
    ax : Axes
        As :mod:`glaciertime.plot` drew them: the label ends in the unit.
    units : mapping of ``length`` or ``area`` to one of :data:`UNITS`
    """
    from matplotlib.ticker import FuncFormatter

    for kind, unit in units.items():
        ours = next(iter(UNITS[kind]))
        ending = f"({_SET[ours]})"
        if unit == ours or not ax.get_ylabel().endswith(ending):
            continue
        factor = UNITS[kind][unit]
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _, factor=factor: f"{value * factor:,.6g}"))
        ax.set_ylabel(f"{ax.get_ylabel().removesuffix(ending)}({_SET[unit]})")
