"""Calving fronts on a map, coloured by the rank of their date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import shapely
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize

from glaciertime.errors import DataNotFoundError
from glaciertime.plot.canvas import new_axes, one_source, plain, stamp
from glaciertime.plot.points import doubtful
from glaciertime.track.place import map_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.record import GlacierRecord

__all__ = ["crs_label", "draw_fronts", "fronts"]

_RAMP = "viridis"
_SHOWN_FOOTPRINTS = ("box", "fjord", "common")
_TICKS = 6


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
    table = part.shown_fronts()
    if table.empty:
        raise DataNotFoundError(
            f"the archive holds no calving front of {record.glacier} ({source}) that could be drawn"
        )
    footprints = part.footprints[part.footprints["footprint"].isin(_SHOWN_FOOTPRINTS)]
    crs = map_plane(part.fronts, glacier=part.place) if len(part.fronts) else None
    lines = part.centrelines
    centreline = None if crs is None or lines.empty else lines.to_crs(crs).geometry.iloc[0]
    ax = new_axes(ax, size=(8.6, 6.6))
    draw_fronts(ax, table, footprints=footprints, centreline=centreline, crs=crs, bar=bar, legend=legend)
    stamp(ax, source)
    return ax


def draw_fronts(
    ax: Axes,
    table: gpd.GeoDataFrame,
    *,
    footprints: gpd.GeoDataFrame,
    centreline: shapely.LineString | None,
    crs: Any,
    bar: bool = True,
    legend: bool = True,
) -> None:
    """Draw fronts coloured by the rank of their date among the dates drawn.

    Parameters
    ----------
    ax : Axes
    table : GeoDataFrame
        The table ``fronts``; without a CRS for a local frame.
    footprints : GeoDataFrame
        The polygons in which areas were measured.
    centreline : LineString, optional
        In ``crs``.
    crs : anything pyproj reads, or None
        The plane to draw in.
    bar, legend : bool
    """
    drawn = (table if crs is None or table.crs is None else table.to_crs(crs)).sort_values("DecDate")
    areas = footprints if crs is None or footprints.crs is None or footprints.empty else footprints.to_crs(crs)
    for row in areas.itertuples():
        _outline(ax, row.geometry, row.footprint)
    if centreline is not None:
        x, y = np.asarray(centreline.coords).T / 1000
        ax.plot(x, y, color="#777777", linewidth=1.0, linestyle=(0, (4, 3)), label="centreline")
        ax.annotate("sea", (x[-1], y[-1]), xytext=(3, 3), textcoords="offset points", color="#777777", fontsize=9,
                    annotation_clip=True)  # fmt: skip
    dates, rank = np.unique(drawn["Date"].to_numpy(), return_inverse=True)
    ramp, norm = mpl.colormaps[_RAMP], Normalize(0, max(len(dates) - 1, 1))
    against = doubtful(drawn["QualFlag"])
    for dashed in (False, True):
        pieces, of_piece = [], []
        for geometry, place in zip(drawn.geometry[against == dashed], rank[against == dashed], strict=True):
            parts = [shapely.get_coordinates(part) / 1000 for part in shapely.get_parts(geometry)]
            pieces += parts
            of_piece += [place] * len(parts)
        if pieces:
            ax.add_collection(
                LineCollection(
                    pieces, colors=ramp(norm(of_piece)), linewidths=1.6 if len(dates) <= 60 else 1.0,
                    linestyles="dashed" if dashed else "solid", capstyle="butt" if dashed else "round",
                )
            )  # fmt: skip
    _frame(ax, drawn, areas)
    name = "local frame" if crs is None or table.crs is None else crs_label(crs)
    ax.set(xlabel=f"easting (km, {name})", ylabel=f"northing (km, {name})", aspect="equal")
    if bar:
        _bar(ax, dates, ScalarMappable(norm, ramp))
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best", fontsize=9)


def _bar(ax: Axes, dates: np.ndarray, mapped: ScalarMappable) -> None:
    """Draw the colours of the ranks beside the map, with the dates that some of them have."""
    ticks = np.unique(np.linspace(0, len(dates) - 1, min(_TICKS, len(dates))).round().astype(int))
    days = dates.astype("datetime64[D]").astype(str)
    bar = ax.figure.colorbar(mapped, ax=ax, shrink=0.8, pad=0.02)
    bar.set_ticks(ticks.tolist(), labels=[days[tick] for tick in ticks])
    count = f"{len(dates)} dates" if len(dates) > 1 else "one date"
    bar.set_label(f"date of acquisition, by rank ({count})")


def crs_label(crs: Any) -> str:
    """Return what a coordinate system is called on an axis."""
    import pyproj

    found = pyproj.CRS.from_user_input(crs)
    authority = found.to_authority()
    return ":".join(authority) if authority else plain(found.name)


def _outline(ax: Axes, geometry: shapely.Geometry, name: str) -> None:
    style = {"box": ("#000000", "-", 0.8), "fjord": ("#d55e00", "-", 0.9)}.get(name, ("#999999", ":", 0.8))
    for index, part in enumerate(shapely.get_parts(geometry)):
        x, y = np.asarray(part.exterior.coords).T / 1000
        ax.plot(x, y, color=style[0], linestyle=style[1], linewidth=style[2], label=name if index == 0 else None)


def _frame(ax: Axes, fronts: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> None:
    """Look at the fronts, with the fjord around them."""
    x_min, y_min, x_max, y_max = fronts.total_bounds / 1000
    fjord = areas[areas["footprint"] == "fjord"] if len(areas) else areas
    if len(fjord):
        bounds = fjord.total_bounds / 1000
        x_min, y_min = min(x_min, bounds[0]), min(y_min, bounds[1])
        x_max, y_max = max(x_max, bounds[2]), max(y_max, bounds[3])
    margin = 0.15 * max(x_max - x_min, y_max - y_min, 1.0)
    ax.set_xlim(x_min - margin, x_max + margin)
    ax.set_ylim(y_min - margin, y_max + margin)
