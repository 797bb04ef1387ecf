"""The picture of what a forecast hangs on: the record, each observation's influence, and the inputs of the trees."""

from __future__ import annotations

import io
import textwrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from glaciertime.forecast.judged.influence import Influence
from glaciertime.plot.canvas import STYLE
from glaciertime.walls import readable_text

__all__ = ["MARK", "influence_picture"]

#: How a picture says what made it.
MARK = "glaciertime explain-forecast"
_UP, _DOWN, _GREY = "#0072b2", "#d55e00", "#57606a"
_INPUTS = 12


def influence_picture(found: Influence) -> bytes:
    """Return what a forecast hangs on as PNG.

    Parameters
    ----------
    found : Influence
    """
    series, unit = found.series, found.series.unit
    has_inputs = len(found.inputs) > 0
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(12.4 if has_inputs else 8.2, 6.4), layout="constrained")
        grid = figure.add_gridspec(3, 2 if has_inputs else 1, height_ratios=(2, 1, 1))
        record = figure.add_subplot(grid[0, 0])
        _draw_record(record, found)
        for place, (column, what) in enumerate(
            (("moves_median", "moves the median"), ("moves_width", "moves the interval's width")), start=1
        ):
            axes = figure.add_subplot(grid[place, 0], sharex=record)
            _draw_bars(axes, found, column, f"{what}\n[{unit}]")
        if has_inputs:
            _draw_inputs(figure.add_subplot(grid[:, 1]), found, unit)
        source = ", SIMULATED" if series.source == "simulated" else ""
        heading = (
            f"{readable_text(series.label)}{source}: what the forecast of {found.date} by {found.model} hangs on; each "
            "observation left out in turn"
        ).replace("$", r"\$")
        figure.suptitle(textwrap.fill(heading, 150 if has_inputs else 100), fontsize=10, x=0.01, ha="left")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": MARK})
    return buffer.getvalue()


def _draw_record(axes: Any, found: Influence) -> None:
    series = found.series
    dates = series.dates.astype("M8[ns]")
    axes.plot(dates, series.values, color=_GREY, linewidth=0.8, marker=".", markersize=3)
    known = found.observations.dropna(subset=["moves_median"])
    most = float(known["moves_median"].abs().max()) if len(known) else 0.0
    if most > 0:
        size = 6 + 120 * known["moves_median"].abs() / most
        axes.scatter(known["date"], known["value"], s=size, alpha=0.6, linewidths=0,
                     c=np.where(known["moves_median"] > 0, _UP, _DOWN))  # fmt: skip
    axes.plot([found.date.astype("M8[ns]")], [found.median], marker="D", color="black", linestyle="none", markersize=5)
    axes.annotate(f"{found.median:,.4g}", (found.date.astype("M8[ns]"), found.median), textcoords="offset points",
                  xytext=(-6, 6), fontsize=8, ha="right")  # fmt: skip
    axes.set_ylabel(f"{series.variable} [{series.unit}]", fontsize=8)
    axes.tick_params(labelsize=8)


def _draw_bars(axes: Any, found: Influence, column: str, label: str) -> None:
    rows = found.observations.dropna(subset=[column])
    axes.vlines(rows["date"], 0, rows[column], colors=np.where(rows[column] > 0, _UP, _DOWN), linewidth=2)
    axes.axhline(0, color=_GREY, linewidth=0.8)
    axes.set_ylabel(label, fontsize=8)
    axes.tick_params(labelsize=8)


def _draw_inputs(axes: Any, found: Influence, unit: str) -> None:
    rows = found.inputs.head(_INPUTS)[::-1]
    places = np.arange(len(rows))
    axes.barh(places, rows["moves_median"], color=np.where(rows["moves_median"] > 0, _UP, _DOWN), height=0.6)
    axes.axvline(0, color=_GREY, linewidth=0.8)
    axes.set_yticks(places, [readable_text(name) for name in rows["input"]], fontsize=8)
    axes.set_xlabel(f"moves the median [{unit}], against the usual input", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
