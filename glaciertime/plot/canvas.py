"""What all plots share: their style, axes to draw on, labels with units, and the mark of what is simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.dates as mdates

from glaciertime.tables import variable_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.record import GlacierRecord

__all__ = [
    "COLOURS",
    "ENGLISH",
    "STYLE",
    "PlotWords",
    "axis_label",
    "colours",
    "date_axis",
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


@dataclass(frozen=True)
class PlotWords:
    """What a plot says beside its data; ``number`` is how a tick of the y axis reads, None as matplotlib has it."""

    date: str = "date"
    flagged: str = "flagged"
    at_least: str = "at least"
    at_most: str = "at most"
    median: str = "median"
    series: str = "series"
    simulated: str = "simulated, not observed"
    number: Callable[[float], str] | None = None


ENGLISH = PlotWords()


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


def stamp(ax: Axes, source: str, words: PlotWords = ENGLISH) -> None:
    """Write across the axes that what they show is simulated, where it is."""
    if source == "simulated":
        size = max(8.0, min(22.0, 3.0 * _width_in(ax)))
        ax.text(
            0.5, 0.5, words.simulated, transform=ax.transAxes, ha="center", va="center", rotation=20, fontsize=size,
            color="#b00020", alpha=0.18, zorder=10, clip_on=True,
        )  # fmt: skip


def unit_text(unit: str) -> str:
    """Return a unit as it is set: km² for km2.

    Examples
    --------
    >>> unit_text("km2"), unit_text("m")
    ('km²', 'm')
    """
    return unit.replace("m2", "m²").replace("m3", "m³")


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


def date_axis(ax: Axes, words: PlotWords = ENGLISH) -> None:
    """Let the x axis show dates, of which there is room for so many, by their numbers."""
    # Two ticks and five find an interval for any span: months by six reach two years, days by 21 two months.
    locator = mdates.AutoDateLocator(minticks=2, maxticks=max(5, min(9, int(1.3 * _width_in(ax)))))
    # Dates have days: the ticks of a span of two days are midnights.
    locator.intervald[mdates.HOURLY] = [24]  # type: ignore[attr-defined]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(
        mdates.ConciseDateFormatter(
            locator, formats=["%Y", "%Y-%m", "%m-%d", "%m-%d", "%m-%d", "%m-%d"],
            zero_formats=["", "%Y", "%Y-%m", "%m-%d", "%m-%d", "%m-%d"], offset_formats=[""] * 6,
        )
    )  # fmt: skip
    ax.set_xlabel(words.date)
    if words.number is not None:
        say = words.number
        ax.yaxis.set_major_formatter(lambda value, _: say(value))


def _width_in(ax: Axes) -> float:
    return float(ax.get_window_extent().width / ax.figure.dpi)
