"""A variable against its date, with one standard deviation, one colour per series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glaciertime.plot.canvas import axis_label, colours, date_axis, doubtful, new_axes, one_source, plain, stamp
from glaciertime.plot.choosing import chosen_series, series_name
from glaciertime.tables import side_of_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.record import GlacierRecord

__all__ = ["draw_series", "series"]


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
    for colour, (_, group) in zip(colours(), groups, strict=False):
        name = series_name(group.iloc[0])
        name = ", ".join(filter(None, (name, str(group["dataset"].iloc[0]) if apart else ""))) or "values"
        _draw_one(ax, group.sort_values("date"), colour, plain(name))
    ax.set_ylabel(axis_label(str(rows["variable"].iloc[0])))
    date_axis(ax)
    if legend:
        ax.legend(fontsize=9, loc="best")


def _draw_one(ax: Axes, group: pd.DataFrame, colour: str, label: str) -> None:
    sides = np.array(
        [side_of_bound(*pair) for pair in zip(group["quality"], group["bound"], strict=True)], dtype=object
    )
    bound = sides != ""
    against = doubtful(group["quality"])
    good = group[~bound & ~against]
    ax.plot(good["date"], good["value"], color=colour, linewidth=0.8, alpha=0.6)
    ax.errorbar(
        good["date"], good["value"], yerr=good["sigma"].fillna(0.0), fmt="o", markersize=3.5, color=colour,
        elinewidth=1, capsize=2, label=label,
    )  # fmt: skip
    if (against & ~bound).any():
        shown = against & ~bound
        ax.plot(
            group["date"][shown], group["value"][shown], "o", markersize=4, markerfacecolor="none",
            color=colour, alpha=0.7, label=f"{label}: flagged",
        )  # fmt: skip
    for side, arrow in (("at-least", "$\\uparrow$"), ("at-most", "$\\downarrow$")):
        if (sides == side).any():
            ax.plot(
                group["date"][sides == side], group["value"][sides == side], marker=arrow, linestyle="none",
                markersize=8, color=colour, label=f"{label}: {side.replace('-', ' ')}",
            )  # fmt: skip
