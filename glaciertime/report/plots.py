"""The pictures of a report: fronts on a map, series with error bars, forecast fans; each as an SVG text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import shapely
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glaciertime.forecast.series import Series, series_from_observations
from glaciertime.tables import OUTLIER_FLAGS, VARIABLES, has_flag, side_of_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["contour_map", "doubtful", "fan_plot", "front_map", "series_plot"]

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


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return buffer.getvalue()


def _stamp(figure: Figure, source: str) -> None:
    if source == "simulated":
        figure.text(
            0.5, 0.5, _SIMULATED, ha="center", va="center", rotation=20, fontsize=26, color="#b00020", alpha=0.18
        )


def _label(variable: str) -> str:
    known = VARIABLES.get(variable)
    return f"{known.label} ({known.unit})" if known else variable


def front_map(
    fronts: gpd.GeoDataFrame,
    *,
    footprints: gpd.GeoDataFrame,
    centreline: shapely.LineString | None,
    crs: Any,
    source: str,
) -> str:
    """Return the map of the fronts coloured by date, as SVG.

    Parameters
    ----------
    fronts : GeoDataFrame
        The table ``fronts``; without a CRS for a local frame.
    footprints : GeoDataFrame
        The polygons in which areas were measured.
    centreline : LineString, optional
        In ``crs``.
    crs : anything pyproj reads, or None
        The plane to draw in.
    source : str
        ``simulated`` is written across the map.
    """
    drawn = fronts if crs is None or fronts.crs is None else fronts.to_crs(crs)
    areas = footprints if crs is None or footprints.crs is None or footprints.empty else footprints.to_crs(crs)
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(8.6, 6.6))
        axes = figure.add_subplot()
        for row in areas.itertuples():
            _outline(axes, row.geometry, row.footprint)
        if centreline is not None:
            x, y = np.asarray(centreline.coords).T / 1000
            axes.plot(x, y, color="#777777", linewidth=1.0, linestyle=(0, (4, 3)), label="centreline")
            axes.annotate("sea", (x[-1], y[-1]), xytext=(3, 3), textcoords="offset points", color="#777777", fontsize=9)
        years = drawn["DecDate"].to_numpy()
        styles = np.where(doubtful(drawn["QualFlag"]), "dashed", "solid")
        norm = Normalize(years.min(), max(years.max(), years.min() + 0.1))
        for geometry, year, style in zip(drawn.geometry, years, styles, strict=True):
            pieces = [shapely.get_coordinates(part) / 1000 for part in shapely.get_parts(geometry)]
            colour = mpl.colormaps["viridis"](norm(year))
            ends = "round" if style == "solid" else "butt"
            axes.add_collection(
                LineCollection(pieces, colors=[colour], linewidths=1.6, linestyles=style, capstyle=ends)
            )
        bar = figure.colorbar(ScalarMappable(norm, mpl.colormaps["viridis"]), ax=axes, shrink=0.8, pad=0.02)
        bar.set_label("date of acquisition (year)")
        if np.ptp(years) > 4:
            bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        _frame(axes, drawn, areas)
        name = "local frame" if crs is None or fronts.crs is None else _crs_label(crs)
        axes.set(xlabel=f"easting (km, {name})", ylabel=f"northing (km, {name})", aspect="equal")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", fontsize=9)
        _stamp(figure, source)
        return _svg(figure)


def contour_map(fronts: gpd.GeoDataFrame, contours: gpd.GeoDataFrame, *, crs: Any, source: str) -> str:
    """Return the map of a predicted front with the bands that hold a share of its length, as SVG.

    Parameters
    ----------
    fronts : GeoDataFrame
        The table ``fronts``; the last one is drawn.
    contours : GeoDataFrame
        Rows of the table ``contours`` of one target date.
    crs : anything pyproj reads
        The plane to draw in.
    source : str
        ``simulated`` is written across the map.
    """
    contours, last = contours.to_crs(crs), fronts.to_crs(crs).sort_values("Date").iloc[-1:]
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(8.0, 6.2))
        axes = figure.add_subplot()
        bands = contours[contours["kind"] == "band-share"].sort_values("level", ascending=False)
        for row, alpha in zip(bands.itertuples(), np.linspace(0.18, 0.5, max(1, len(bands))), strict=True):
            for index, part in enumerate(shapely.get_parts(row.geometry)):
                x, y = np.asarray(part.exterior.coords).T / 1000
                label = f"{row.level:.0%} of its length" if index == 0 else None
                axes.fill(x, y, color="#0072b2", alpha=alpha, linewidth=0, label=label)
        for table, colour, label in (
            (last, "#333333", f"last front, {last['Date'].iloc[0]:%Y-%m-%d}"),
            (contours[contours["kind"] == "front"], "#0072b2", "predicted front"),
        ):
            for index, part in enumerate(shapely.get_parts(table.geometry.to_numpy())):
                x, y = np.asarray(part.coords).T / 1000
                axes.plot(x, y, color=colour, linewidth=1.6, label=label if index == 0 else None)
        name = _crs_label(crs)
        axes.set(xlabel=f"easting (km, {name})", ylabel=f"northing (km, {name})", aspect="equal")
        axes.legend(loc="best", fontsize=9)
        _stamp(figure, source)
        return _svg(figure)


def _crs_label(crs: Any) -> str:
    import pyproj

    authority = pyproj.CRS.from_user_input(crs).to_authority()
    return ":".join(authority) if authority else pyproj.CRS.from_user_input(crs).name


def _outline(axes: Axes, geometry: shapely.Geometry, name: str) -> None:
    style = {"box": ("#000000", "-", 0.8), "fjord": ("#d55e00", "-", 0.9)}.get(name, ("#999999", ":", 0.8))
    for index, part in enumerate(shapely.get_parts(geometry)):
        x, y = np.asarray(part.exterior.coords).T / 1000
        axes.plot(x, y, color=style[0], linestyle=style[1], linewidth=style[2], label=name if index == 0 else None)


def _frame(axes: Axes, fronts: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> None:
    """Look at the fronts, with the fjord around them where it is not much larger."""
    x_min, y_min, x_max, y_max = fronts.total_bounds / 1000
    fjord = areas[areas["footprint"] == "fjord"] if len(areas) else areas
    if len(fjord):
        bounds = fjord.total_bounds / 1000
        x_min, y_min = min(x_min, bounds[0]), min(y_min, bounds[1])
        x_max, y_max = max(x_max, bounds[2]), max(y_max, bounds[3])
    margin = 0.15 * max(x_max - x_min, y_max - y_min, 1.0)
    axes.set_xlim(x_min - margin, x_max + margin)
    axes.set_ylim(y_min - margin, y_max + margin)


def series_plot(observations: pd.DataFrame, *, variable: str) -> str:
    """Return the series of a variable with error bars of one sigma, one colour per method and footprint, as SVG.

    Values that are bounds are drawn as arrows, flagged ones hollow.
    """
    rows = observations[(observations["variable"] == variable) & observations["value"].notna()]
    # Areas of different footprints differ by their size, not by the ice: each has its own panel.
    panels = [one for _, one in rows.groupby("footprint", sort=False)] if variable == "area_km2" else [rows]
    apart = rows["dataset"].nunique() > 1
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(9.0, 0.4 + 2.9 * len(panels)), layout="constrained")
        for axes, panel in zip(figure.subplots(len(panels), 1, squeeze=False).ravel(), panels, strict=True):
            groups = panel.groupby(["footprint", "method", "dataset", "front_of"], sort=False)
            for colour, (key, group) in zip(_cycle(), groups, strict=False):
                _draw_series(axes, group.sort_values("date"), colour, _name(key, apart))
            axes.set_ylabel(_label(variable))
            _date_axis(axes)
            axes.legend(fontsize=9, loc="best")
        _stamp(figure, "simulated" if (rows["source"] == "simulated").any() else "observed")
        return _svg(figure)


def _name(key: tuple[str, str, str, str], apart: bool) -> str:
    footprint, method, dataset, front_of = key
    # A dollar begins a formula in a label.
    return ", ".join(filter(None, (method, footprint, front_of, dataset if apart else ""))).replace("$", r"\$")


def _cycle() -> Sequence[str]:
    return COLOURS * 3


def doubtful(quality: pd.Series) -> NDArray[np.bool_]:
    """Return which observations have something against them that is of their own, not of all their data set."""
    return np.any(
        [has_flag(quality, flag).to_numpy() for flag in (*OUTLIER_FLAGS, "unclear-front", "failed", "unknown-flag")],
        axis=0,
    )


def _draw_series(axes: Axes, group: pd.DataFrame, colour: str, label: str) -> None:
    sides = np.array(
        [side_of_bound(*pair) for pair in zip(group["quality"], group["bound"], strict=True)], dtype=object
    )
    bound = sides != ""
    against = doubtful(group["quality"])
    good = group[~bound & ~against]
    axes.plot(good["date"], good["value"], color=colour, linewidth=0.8, alpha=0.6)
    sigma = good["sigma"].fillna(0.0)
    axes.errorbar(
        good["date"],
        good["value"],
        yerr=sigma,
        fmt="o",
        markersize=3.5,
        color=colour,
        elinewidth=1,
        capsize=2,
        label=label,
    )
    if against.any():
        axes.plot(
            group["date"][against], group["value"][against], "o", markersize=4, markerfacecolor="none",
            color=colour, alpha=0.7, label=f"{label}: flagged",
        )  # fmt: skip
    for side, arrow in (("at-least", "$\\uparrow$"), ("at-most", "$\\downarrow$")):
        if (sides == side).any():
            axes.plot(
                group["date"][sides == side], group["value"][sides == side], marker=arrow, linestyle="none",
                markersize=8, color=colour, label=f"{label}: {side.replace('-', ' ')}",
            )  # fmt: skip


def _date_axis(axes: Axes) -> None:
    locator = mdates.AutoDateLocator(maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))


def fan_plot(observations: pd.DataFrame, forecasts: pd.DataFrame) -> str:
    """Return what was observed and the forecasts of one series, one panel per model, as SVG.

    Parameters
    ----------
    observations : DataFrame
        Rows of one series.
    forecasts : DataFrame
        Rows of the same series of any number of models; intervals of 50, 80 and 95 % are drawn where they are.
    """
    good = forecasts[forecasts["status"] == "ok"]
    models = list(dict.fromkeys(good["model"]))
    # The series as a forecast sees it: one value a day, no bounds and no parts of a footprint.
    seen = _points(series_from_observations(observations)[0])
    doubted = doubtful(seen["quality"])
    cutoff = good["cutoff"].max()
    span = good["target_date"].max() - cutoff
    recent = seen["date"] >= cutoff - max(5 * span, pd.Timedelta(days=3653))
    shown, aside = seen[recent & ~doubted], seen[recent & doubted]
    # A fan starts where the series that it was made from ends: what the screening set aside was no part of it.
    used = _points(series_from_observations(observations)[0].screened())
    last = used[used["date"] <= cutoff].iloc[-1:]
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        columns = min(len(models), 2)
        rows = -(-len(models) // columns)
        figure = Figure(figsize=(4.6 * columns, 3.0 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, model in zip(panels, models, strict=False):
            _draw_fan(axes, shown, last, good[good["model"] == model])
            axes.set_title(model, fontsize=10, loc="left")
            if len(aside):
                axes.plot(
                    aside["date"], aside["value"], "o", markersize=4, markerfacecolor="none", color="#333333",
                    alpha=0.7, label="flagged",
                )  # fmt: skip
        for axes in panels[len(models) :]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            axes.set_ylabel(_label(str(forecasts["variable"].iloc[0])))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
        _stamp(figure, str(forecasts["source"].iloc[0]))
        return _svg(figure)


def _points(series: Series) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "date": series.dates.astype("M8[s]"), "value": series.values, "sigma": series.sigma,
            "quality": series.quality,
        }
    )  # fmt: skip


def _draw_fan(axes: Axes, seen: pd.DataFrame, last: pd.DataFrame, rows: pd.DataFrame) -> None:
    axes.plot(seen["date"], seen["value"], color="#333333", linewidth=0.8)
    axes.errorbar(
        seen["date"], seen["value"], yerr=seen["sigma"].fillna(0.0), fmt="o", markersize=2.5, color="#333333",
        elinewidth=0.8, label="series",
    )  # fmt: skip
    wide = rows.assign(quantile=rows["quantile"].round(4)).pivot_table(
        index="target_date", columns="quantile", values="value"
    )
    dates = wide.index
    for level, alpha in ((0.95, 0.15), (0.8, 0.22), (0.5, 0.32)):
        low, high = round((1 - level) / 2, 4), round((1 + level) / 2, 4)
        if low in wide and high in wide:
            axes.fill_between(
                dates, wide[low], wide[high], color="#0072b2", alpha=alpha, linewidth=0, label=f"{level:.0%}"
            )
    middle = pd.concat([last.set_index("date")["value"], wide[0.5]])
    axes.plot(middle.index, middle, color="#0072b2", linewidth=1.4, label="median")
    _date_axis(axes)
