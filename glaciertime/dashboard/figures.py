"""Figures of the page: a map of fronts and outlines, a series with its errors, a fan, a picture with a mask over it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from bokeh.models import (  # type: ignore[attr-defined]
    BooleanFilter,
    CDSView,
    ColorBar,
    ColumnDataSource,
    HoverTool,
    LinearColorMapper,
    Range1d,
)  # fmt: skip
from bokeh.palettes import Cividis256
from bokeh.plotting import figure
from numpy.typing import NDArray

from glaciertime.meridian import joined_at_180
from glaciertime.track.record.screening import keep

__all__ = ["MAP_CRS", "fan_figure", "map_figure", "mark", "picture_figure", "rgba_words", "series_figure"]

#: Of the web's maps, metres; it has no place for the poles themselves.
MAP_CRS = "EPSG:3857"
_FARTHEST_LATITUDE = 85.0
_MAP_RADIUS_M = 6_378_137.0
#: In a line of a title, above a figure on a telephone: a canvas cuts off what is longer.
_TITLE_LETTERS = 40
_FRONT, _MARKED = "#0b5394", "#b34700"
_COLOURS = ("#0b5394", "#b34700", "#00664b", "#7a3e8e", "#5c5c00", "#8c1d40", "#333333")


def _dressed(drawn: Any) -> Any:
    drawn.toolbar.logo = None
    drawn.toolbar.autohide = False
    for axis in drawn.axis:
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "14px"
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_color = axis.major_label_text_color = "#222222"
    drawn.title.text = "\n".join(textwrap.wrap(drawn.title.text, _TITLE_LETTERS))
    drawn.title.text_font_size = "15px"
    drawn.title.text_color = "#222222"
    return drawn


def _lines(geometries: Any) -> tuple[list[list[float]], list[list[float]], list[int]]:
    """Return x and y of every part, and which geometry each is of."""
    xs, ys, whose = [], [], []
    for place, geometry in enumerate(geometries):
        if geometry is None or geometry.is_empty:
            continue
        for part in getattr(geometry, "geoms", [geometry]):
            line = part.exterior if part.geom_type == "Polygon" else part
            x, y = np.asarray(line.coords)[:, :2].T
            xs.append(x.tolist())
            ys.append(y.tolist())
            whose.append(place)
    return xs, ys, whose


def _mapped(rows: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    rows = rows[~rows.geometry.isna()]
    if rows.empty:
        return rows
    seen = rows.geometry.bounds
    rows = rows[(seen["miny"] > -_FARTHEST_LATITUDE) & (seen["maxy"] < _FARTHEST_LATITUDE)]
    shown = rows.to_crs("EPSG:4326")
    # What goes on beyond 180 degrees goes on there: PROJ would bring it back, and draw a line around the Earth.
    shapes = [shapely.transform(joined_at_180(shape), _on_the_map) for shape in shown.geometry]
    return rows.set_geometry(gpd.GeoSeries(shapes, index=rows.index, crs=MAP_CRS))


def _on_the_map(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return degrees as metres of the map of the web (EPSG:3857), longitudes as they count on."""
    lon, lat = np.radians(xy).T
    return _MAP_RADIUS_M * np.column_stack([lon, np.arctanh(np.sin(lat))])


def map_figure(
    fronts: gpd.GeoDataFrame,
    *,
    outlines: gpd.GeoDataFrame | None = None,
    lines: gpd.GeoDataFrame | None = None,
    has_tiles: bool = False,
    title: str = "",
) -> tuple[Any, ColumnDataSource]:
    """Return a map with fronts coloured by the rank of their date, and the source of the one that is marked.

    Parameters
    ----------
    fronts, outlines, lines : GeoDataFrame
        In any coordinate system; fronts with the column ``Date``.
    has_tiles : bool
        Draw a map of the web below; the browser fetches it.
    title : str
    """
    drawn = _dressed(
        figure(
            x_axis_type="mercator", y_axis_type="mercator", match_aspect=True, height=460, sizing_mode="stretch_width",
            tools="pan,box_zoom,wheel_zoom,reset,save", title=title, x_axis_label="longitude", y_axis_label="latitude",
        )
    )  # fmt: skip
    if has_tiles:
        drawn.add_tile("OSM", level="image")
    if outlines is not None and not outlines.empty:
        shown = _mapped(outlines)
        xs, ys, whose = _lines(shown.geometry)
        names = shown["footprint"].astype(str).tolist() if "footprint" in shown else [""] * len(shown)
        source = ColumnDataSource({"xs": xs, "ys": ys, "what": [names[k] for k in whose]})
        drawn.multi_line("xs", "ys", source=source, line_color="#555555", line_dash="dashed", legend_label="footprints")
    if lines is not None and not lines.empty:
        xs, ys, _ = _lines(_mapped(lines).geometry)
        drawn.multi_line(xs, ys, line_color="#00664b", line_width=2, legend_label="centreline")
    placed = _mapped(fronts)
    if not placed.empty:
        _look_at(drawn, placed.total_bounds)
    marked = ColumnDataSource({"xs": [], "ys": []})
    if not placed.empty:
        days = pd.to_datetime(placed["Date"])
        ranks = days.rank(method="dense").astype(int)
        xs, ys, whose = _lines(placed.geometry)
        source = ColumnDataSource(
            {
                "xs": xs, "ys": ys, "rank": [int(ranks.iloc[k]) for k in whose],
                "date": [f"{days.iloc[k]:%Y-%m-%d}" for k in whose],
                "flag": [str(placed["QualFlag"].iloc[k]) or "ok" for k in whose],
                "author": [str(placed["Author"].iloc[k]) for k in whose],
            }
        )  # fmt: skip
        mapper = LinearColorMapper(palette=Cividis256, low=1, high=max(2, int(ranks.max())))
        kept = drawn.multi_line(
            "xs", "ys", source=source, line_width=2, line_color={"field": "rank", "transform": mapper}
        )
        drawn.add_tools(
            HoverTool(
                renderers=[kept],
                tooltips=[("date", "@date"), ("quality", "@flag"), ("author", "@author")],
                line_policy="nearest",
            )
        )
        bar = ColorBar(color_mapper=mapper, title="rank of date", width=14, major_label_text_font_size="13px")
        drawn.add_layout(bar, "right")
        drawn.multi_line("xs", "ys", source=marked, line_width=5, line_color=_MARKED, legend_label="date chosen")
    if drawn.legend:
        drawn.legend.label_text_font_size = "13px"
        drawn.legend.background_fill_alpha = 0.85
        drawn.legend.location = "top_left"
    return drawn, marked


def _look_at(drawn: Any, bounds: Any) -> None:
    """Show the fronts and as much again around them; what else is drawn may reach beyond."""
    x_min, y_min, x_max, y_max = bounds
    margin = max(x_max - x_min, y_max - y_min, 1000.0) / 2
    drawn.x_range = Range1d(start=x_min - margin, end=x_max + margin)
    drawn.y_range = Range1d(start=y_min - margin, end=y_max + margin)


def mark(marked: ColumnDataSource, fronts: gpd.GeoDataFrame) -> None:
    """Mark these fronts on a map of :func:`map_figure`."""
    xs, ys, _ = _lines(_mapped(fronts).geometry)
    _set(marked, data={"xs": xs, "ys": ys})


def _set(model: Any, **values: Any) -> None:
    """Change what is drawn; on a page in its turn, which work that has awaited something lost."""
    if model.document is None:
        model.update(**values)
    else:
        model.document.add_next_tick_callback(lambda: model.update(**values))


def series_figure(rows: pd.DataFrame, *, title: str, unit: str, quantity: str) -> tuple[Any, ColumnDataSource]:
    """Return a series with one sigma on both sides, flagged values hollow, and the source whose points can be chosen.

    Parameters
    ----------
    rows : DataFrame
        Of the corridor's ``observations``, of one series.
    title, unit, quantity : str
    """
    drawn = _dressed(
        figure(
            x_axis_type="datetime", height=340, sizing_mode="stretch_width", title=title, x_axis_label="date (UTC)",
            y_axis_label=f"{quantity}, {unit}", tools="pan,box_zoom,wheel_zoom,reset,save,tap",
        )
    )  # fmt: skip
    rows = rows.sort_values("date", kind="stable").reset_index(drop=True)
    good = keep(rows.assign(place=range(len(rows))))["place"]
    has_flag = ~pd.Series(range(len(rows))).isin(good)
    sigma = rows["sigma"].fillna(0.0)
    source = ColumnDataSource(
        {
            "date": rows["date"], "value": rows["value"], "low": rows["value"] - sigma, "high": rows["value"] + sigma,
            "sigma": [f"{one:,.3g}" if np.isfinite(one) else "not known" for one in rows["sigma"]],
            "quality": rows["quality"].fillna("").astype(str).where(lambda text: text != "", "ok"),
            "image": rows["image_id"].fillna("").astype(str),
        }
    )  # fmt: skip
    drawn.segment("date", "low", "date", "high", source=source, line_color=_FRONT, line_width=1.5)
    for wanted, fill, label in ((~has_flag, _FRONT, "value, 1 sigma"), (has_flag, "white", "flagged")):
        if wanted.any():
            drawn.scatter(
                "date", "value", source=source, size=10, line_color=_FRONT, fill_color=fill, legend_label=label,
                view=CDSView(filter=BooleanFilter(wanted.tolist())), selection_fill_color=_MARKED,
                selection_line_color=_MARKED, nonselection_fill_alpha=1.0, nonselection_line_alpha=1.0,
            )  # fmt: skip
    drawn.add_tools(
        HoverTool(
            tooltips=[("date", "@date{%F}"), (quantity, f"@value{{0,0.00}} ± @sigma {unit}"), ("quality", "@quality")],
            formatters={"@date": "datetime"},
        )
    )
    if drawn.legend:
        drawn.legend.label_text_font_size = "13px"
    return drawn, source


def fan_figure(observed: pd.DataFrame, forecasts: pd.DataFrame, *, title: str, unit: str, quantity: str) -> Any:
    """Return what was observed, and the median and 90 % interval of each model's forecasts.

    Parameters
    ----------
    observed : DataFrame
        ``date`` and ``value`` of one series.
    forecasts : DataFrame
        Of the corridor's ``forecasts``, of the same series.
    title, unit, quantity : str
    """
    drawn = _dressed(
        figure(
            x_axis_type="datetime", height=360, sizing_mode="stretch_width", title=title, x_axis_label="date (UTC)",
            y_axis_label=f"{quantity}, {unit}", tools="pan,box_zoom,wheel_zoom,reset,save",
        )
    )  # fmt: skip
    drawn.scatter(observed["date"], observed["value"], size=8, color="#222222", legend_label="observed")
    good = forecasts[forecasts["status"] == "ok"]
    for place, (model, rows) in enumerate(good.groupby("model", sort=False)):
        wide = rows.assign(quantile=rows["quantile"].round(4)).pivot_table(
            index="target_date", columns="quantile", values="value"
        )
        colour = _COLOURS[place % len(_COLOURS)]
        if {0.05, 0.5, 0.95} <= set(wide.columns):
            drawn.varea(wide.index, wide[0.05], wide[0.95], fill_alpha=0.18, fill_color=colour)
        drawn.line(wide.index, wide[0.5], line_color=colour, line_width=2, legend_label=f"{model}, 90 % shaded")
        drawn.scatter(wide.index, wide[0.5], size=6, color=colour)
    drawn.legend.label_text_font_size = "13px"
    drawn.legend.location = "bottom_left"
    drawn.legend.background_fill_alpha = 0.85
    return drawn


def rgba_words(rgba: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return a picture as one word a pixel, the first row at the bottom, as the page draws it."""
    return np.ascontiguousarray(rgba[::-1]).view(np.uint32).reshape(rgba.shape[:2])


def picture_figure(
    picture: NDArray[np.uint8], *, over: Sequence[NDArray[np.uint8]] = (), width: int, height: int, title: str
) -> tuple[Any, Callable[[float], None]]:
    """Return a picture with masks over it, and what sets their opacity, 0 to 1.

    Parameters
    ----------
    picture : (H, W, 4) uint8
    over : sequence of (H, W, 4) uint8
    width, height : int
        Of the raster that it shows, pixels.
    title : str
    """
    drawn = _dressed(
        figure(
            match_aspect=True, height=420, sizing_mode="stretch_width", title=title,
            tools="pan,box_zoom,wheel_zoom,reset,save", x_axis_label="column, pixels",
            y_axis_label="row from the bottom, pixels", x_range=Range1d(start=0, end=width),
            y_range=Range1d(start=0, end=height),
        )
    )  # fmt: skip
    drawn.grid.visible = False
    drawn.image_rgba(image=[rgba_words(picture)], x=0, y=0, dw=width, dh=height)
    laid = [
        drawn.image_rgba(image=[rgba_words(layer)], x=0, y=0, dw=width, dh=height, global_alpha=0.5) for layer in over
    ]

    def set_opacity(share: float) -> None:
        for one in laid:
            _set(one.glyph, global_alpha=share)

    return drawn, set_opacity
