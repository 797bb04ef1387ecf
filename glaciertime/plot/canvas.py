"""What all plots share: their style, axes to draw on, labels with units, and the mark of what is simulated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
import pandas as pd

from glaciertime.tables import OUTLIER_FLAGS, has_flag, variable_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from glaciertime.record import GlacierRecord

__all__ = [
    "COLOURS",
    "STYLE",
    "axis_label",
    "colours",
    "date_axis",
    "doubtful",
    "new_axes",
    "one_source",
    "plain",
    "stamp",
    "unit_text",
]

STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "glaciertime",
}
#: Told apart also by readers who do not see red or green.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
_SIMULATED = "simulated, not observed"


def new_axes(ax: Axes | None, *, size: tuple[float, float]) -> Axes:
    """Return the axes given, else new ones in a figure of so many inches, which pyplot shows in a notebook."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        return pyplot.subplots(figsize=size, layout="constrained")[1]


def one_source(record: GlacierRecord, source: str = "") -> tuple[GlacierRecord, str]:
    """Return the part of a record that one plot may show: what was observed, or where nothing was, the simulated.

    Parameters
    ----------
    record : GlacierRecord
    source : str
        ``observed`` or ``simulated`` for just that.
    """
    chosen = source or record.source
    if not chosen:
        held = set(record.sources) | set(record.shown_fronts()["source"])
        chosen = "observed" if "observed" in held or not held else "simulated"
    return (record if record.source == chosen else record.of(chosen)), chosen


def stamp(ax: Axes, source: str) -> None:
    """Write across the axes that what they show is simulated, where it is."""
    if source == "simulated":
        ax.text(
            0.5, 0.5, _SIMULATED, transform=ax.transAxes, ha="center", va="center", rotation=20, fontsize=22,
            color="#b00020", alpha=0.18, zorder=10, clip_on=True,
        )  # fmt: skip


def unit_text(unit: str) -> str:
    """Return a unit as it is set: km² for km2.

    Examples
    --------
    >>> unit_text("km2"), unit_text("m")
    ('km²', 'm')
    """
    return unit.replace("km2", "km²").replace("km3", "km³")


def axis_label(variable: str, *, what: str = "") -> str:
    """Return what an axis is labelled with: the variable, or what is made of it, and its unit.

    Examples
    --------
    >>> axis_label("area_km2"), axis_label("front_position_m", what="retreat")
    ('area (km²)', 'retreat (m)')
    """
    known = variable_named(variable)
    name = what or plain(known.label)
    return f"{name} ({unit_text(known.unit)})" if known.unit else name


def plain(text: str) -> str:
    """Return a text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def colours() -> Sequence[str]:
    """Return colours for any number of series that fit on axes."""
    return COLOURS * 3


def date_axis(ax: Axes) -> None:
    """Let the x axis show dates, with no more of them than there is room for."""
    width = ax.get_window_extent().width / ax.figure.dpi
    locator = mdates.AutoDateLocator(minticks=3, maxticks=max(4, min(9, int(1.3 * width))))
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    ax.set_xlabel("date")


def doubtful(quality: pd.Series) -> NDArray[np.bool_]:
    """Return which observations have something against them that is of their own, not of all their data set."""
    return np.any(
        [has_flag(quality, flag).to_numpy() for flag in (*OUTLIER_FLAGS, "unclear-front", "failed", "unknown-flag")],
        axis=0,
    )
