"""The map of a region: where its glaciers lie and what each does, with labels that do not lie on each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pyproj
import shapely
from matplotlib.cm import ScalarMappable
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from glaciertime.plot.canvas import STYLE
from glaciertime.report.content.parts import say
from glaciertime.report.wording import Wording, wording_of
from glaciertime.units import true_plane

__all__ = ["region_map"]

_LABELS = 12
#: Half of what a point is wide, in pixels of the screen that labels are placed on.
_DOT_PX = 6.0
#: Where a label may stand beside its point, in points: to the right first.
_PLACES = (
    (7, 0, "left", "center"), (-7, 0, "right", "center"), (0, 8, "center", "bottom"), (0, -8, "center", "top"),
    (6, 7, "left", "bottom"), (-6, 7, "right", "bottom"), (6, -7, "left", "top"), (-6, -7, "right", "top"),
)  # fmt: skip


def region_map(
    points: Mapping[str, tuple[float, float]],
    values: Mapping[str, float],
    *,
    unit: str,
    labels: Mapping[str, str] | None = None,
    width_in: float = 9.0,
    wording: Wording | None = None,
) -> Figure:
    """Return a map of glaciers coloured by what they do.

    Parameters
    ----------
    points : mapping of glacier to (longitude, latitude)
    values : mapping of glacier to change per year
        Glaciers without one are grey.
    unit : str
        Of the values, per year, by its name.
    labels : mapping of glacier to text, optional
        What they are called; the largest changes are named first, as far as there is room.
    width_in : float
        Inches of 96 pixels; letters are of one size whatever it is.
    wording : Wording, optional
        The language of its labels; default English.
    """
    words = wording or wording_of()

    def said(name: str) -> str:
        return words.title(say(f"region.{name}"))

    names = list(points)
    plane = true_plane(shapely.MultiPoint([points[name] for name in names]), crs="EPSG:4326")
    to_plane = pyproj.Transformer.from_crs("EPSG:4326", plane, always_xy=True)
    lon, lat = np.array([points[name] for name in names], dtype=float).T
    x, y = (np.asarray(one) / 1000 for one in to_plane.transform(lon, lat))
    value = np.array([values.get(name, np.nan) for name in names])
    known = np.isfinite(value)
    largest = float(np.nanquantile(np.abs(value[known]), 0.95)) if known.any() else 1.0
    largest = largest or float(np.nanmax(np.abs(value[known]), initial=0.0)) or 1.0
    norm = TwoSlopeNorm(0.0, -largest, largest)
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width_in, 0.74 * width_in if width_in > 6 else 1.15 * width_in))
        axes = figure.add_subplot()
        if (~known).any():
            axes.scatter(x[~known], y[~known], s=14, color="#b8bec4", label=said("map_grey"), linewidths=0)
        order = np.flatnonzero(known)[np.argsort(np.abs(value[known]))]
        colours = mpl.colormaps["RdBu"](norm(value[order]))
        axes.scatter(x[order], y[order], s=34, c=colours, edgecolors="#33333388", linewidths=0.5, zorder=3)
        margin = 0.08 * max(np.ptp(x), np.ptp(y), 2.0)
        half = max(np.ptp(x), np.ptp(y), 2.0) / 2 + margin
        for low, high, set_limits in ((x.min(), x.max(), axes.set_xlim), (y.min(), y.max(), axes.set_ylim)):
            middle, reach = (low + high) / 2, max((high - low) / 2 + margin, 0.35 * half)
            set_limits(middle - reach, middle + reach)
        axes.set(xlabel=f"{said('map_east')} (km)", ylabel=f"{said('map_north')} (km)", aspect="equal")
        sides = (known.any() and value[known].min() < -largest, known.any() and value[known].max() > largest)
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(sides, "neither")
        # Beside the map on a desk, below it on a telephone.
        where = {"shrink": 0.8, "pad": 0.02} if width_in > 6 else {"location": "bottom", "pad": 0.16}
        bar = figure.colorbar(ScalarMappable(norm, mpl.colormaps["RdBu"]), ax=axes, extend=extend, **where)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda number, _: words.plain(number))
        told = bar.ax.yaxis if width_in > 6 else bar.ax.xaxis
        told.set_major_formatter(lambda number, _: words.plain(number, unit=unit))
        bar.set_label(f"{said('map_bar')} ({words.unit(unit)})")
        if (~known).any():
            axes.legend(loc="upper left", fontsize=9)
        first = order[::-1][:_LABELS]
        _place_labels(figure, axes, [(x[i], y[i], (labels or {}).get(names[i], names[i])) for i in first], x, y)
        return figure


def _place_labels(
    figure: Figure, axes: Any, wanted: Sequence[tuple[float, float, str]], x: np.ndarray, y: np.ndarray
) -> None:
    """Write names beside their points, each only where it lies on no other name and on no other point."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    inside = axes.get_window_extent(renderer)
    dots = axes.transData.transform(np.column_stack([x, y]))
    taken: list[Any] = []
    for at_x, at_y, text in wanted:
        at = axes.transData.transform((at_x, at_y))
        short = text if len(text) <= 28 else f"{text[:27]}…"
        for dx, dy, side, level in _PLACES:
            label = axes.annotate(
                short.replace("$", r"\$"), (at_x, at_y), xytext=(dx, dy), textcoords="offset points", ha=side, va=level,
                fontsize=8, color="#1b1f24",
            )  # fmt: skip
            box = label.get_window_extent(renderer).expanded(1.02, 1.1)
            hides = (
                (dots[:, 0] > box.x0 - _DOT_PX)
                & (dots[:, 0] < box.x1 + _DOT_PX)
                & (dots[:, 1] > box.y0 - _DOT_PX)
                & (dots[:, 1] < box.y1 + _DOT_PX)
            )
            hides = (hides & ((dots[:, 0] != at[0]) | (dots[:, 1] != at[1]))).any()
            leaves = box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
            if hides or leaves or any(box.overlaps(other) for other in taken):
                label.remove()
                continue
            taken.append(box)
            break
