"""The pictures of a report, each as an SVG text: what :mod:`glaciertime.plot` draws, in the figures of a page."""

from __future__ import annotations

import io
from typing import Any

import geopandas as gpd
import matplotlib as mpl
import pandas as pd
import shapely
from matplotlib.figure import Figure

from glaciertime.plot.canvas import STYLE, doubtful, stamp
from glaciertime.plot.forecast_fan import draw_fan
from glaciertime.plot.front_map import draw_contours, draw_fronts
from glaciertime.plot.time_series import draw_series

__all__ = ["contour_map", "doubtful", "fan_plot", "front_map", "series_plot", "svg_text"]


def svg_text(figure: Figure) -> str:
    """Return a figure as SVG, the same whenever it is drawn."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return buffer.getvalue()


def front_map(
    fronts: gpd.GeoDataFrame,
    *,
    footprints: gpd.GeoDataFrame,
    centreline: shapely.LineString | None,
    crs: Any,
    source: str,
) -> str:
    """Return the map of the fronts coloured by the rank of their date, as SVG.

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
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(8.6, 6.6))
        axes = figure.add_subplot()
        draw_fronts(axes, fronts, footprints=footprints, centreline=centreline, crs=crs)
        stamp(axes, source)
        return svg_text(figure)


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
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(8.0, 6.2))
        axes = figure.add_subplot()
        draw_contours(axes, fronts, contours, crs=crs)
        stamp(axes, source)
        return svg_text(figure)


def series_plot(observations: pd.DataFrame, *, variable: str) -> str:
    """Return the series of a variable with error bars of one sigma, one colour per method and footprint, as SVG.

    Values that are bounds are drawn as arrows, flagged ones hollow.
    """
    rows = observations[(observations["variable"] == variable) & observations["value"].notna()]
    # Areas of different footprints differ by their size, not by the ice: each has its own panel.
    panels = [one for _, one in rows.groupby("footprint", sort=False)] if variable == "area_km2" else [rows]
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(9.0, 0.4 + 2.9 * len(panels)), layout="constrained")
        for axes, panel in zip(figure.subplots(len(panels), 1, squeeze=False).ravel(), panels, strict=True):
            draw_series(axes, panel)
            stamp(axes, "simulated" if (panel["source"] == "simulated").any() else "observed")
        return svg_text(figure)


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
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        columns = min(len(models), 2)
        rows = -(-len(models) // columns)
        figure = Figure(figsize=(4.6 * columns, 3.0 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, model in zip(panels, models, strict=False):
            draw_fan(axes, observations, good[good["model"] == model], legend=False)
            axes.set_title(model, fontsize=10, loc="left")
            axes.label_outer()
            stamp(axes, str(forecasts["source"].iloc[0]))
        for axes in panels[len(models) :]:
            axes.set_visible(False)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
        return svg_text(figure)
