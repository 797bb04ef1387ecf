"""The fronts of a glacier as a map shows them, wherever it is drawn: lines by the rank of their date, outlines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import matplotlib as mpl
import pandas as pd
import pyproj
import shapely
from matplotlib.colors import to_hex

from glaciertime.plot.points import doubtful
from glaciertime.track.place import map_plane

if TYPE_CHECKING:
    from glaciertime.record import GlacierRecord

__all__ = [
    "OUTLINE_COLOURS",
    "FrontLine",
    "FrontMap",
    "Pieces",
    "crs_name",
    "frame_of",
    "front_map",
    "pieces_of",
    "rank_colour",
    "rings_of",
]

#: Pieces, or rings, of (x, y) in metres.
Pieces = tuple[tuple[tuple[float, float], ...], ...]
#: The end of the ramp is too bright on white.
_RAMP, _BRIGHTEST = "viridis", 0.92
#: By the name of the footprint; those of other names are not drawn.
OUTLINE_COLOURS = {"box": "#1b1f24", "fjord": "#d55e00", "common": "#777777"}
#: On a map a vertex that lies nearer to the line through its neighbours than this share of the map says nothing.
_SMOOTH_SHARE = 1e-4


@dataclass(frozen=True, kw_only=True)
class FrontLine:
    """A front on a map: ``rank`` is that of its date among those drawn, 0 to 1; one that is flagged is dashed."""

    pieces: Pieces
    date: dt.date
    rank: float
    is_dashed: bool


@dataclass(frozen=True)
class FrontMap:
    """What a map of fronts shows.

    Attributes
    ----------
    crs : str
        Name of its plane; empty for a local frame.
    fronts : GeoDataFrame
        The rows that are drawn, in that plane, the first date first.
    lines : tuple of FrontLine
    outlines : sequence of (footprint, rings)
    centreline : pieces, or None
    """

    crs: str
    fronts: gpd.GeoDataFrame
    lines: tuple[FrontLine, ...]
    outlines: Sequence[tuple[str, Pieces]]
    centreline: Pieces | None


def rank_colour(rank: float) -> str:
    """Return the colour of a rank between 0 and 1.

    Examples
    --------
    >>> rank_colour(0.0)
    '#440154'
    """
    return to_hex(mpl.colormaps[_RAMP](_BRIGHTEST * rank))


def crs_name(crs: Any) -> str:
    """Return what a coordinate system is called.

    Examples
    --------
    >>> crs_name("EPSG:3031")
    'EPSG:3031'
    """
    found = pyproj.CRS.from_user_input(crs)
    authority = found.to_authority()
    return ":".join(authority) if authority else str(found.name)


def pieces_of(geometry: Any, smooth: float) -> Pieces:
    """Return a line as pieces, without the vertices that lie nearer than so many metres to the line without them."""
    parts = shapely.get_parts(shapely.simplify(geometry, smooth))
    return tuple(tuple((float(x), float(y)) for x, y in shapely.get_coordinates(part)) for part in parts)


def rings_of(geometry: Any) -> Pieces:
    """Return the rings of polygons, holes too."""
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    return tuple(tuple((float(x), float(y)) for x, y in ring.coords) for ring in rings)


def front_map(record: GlacierRecord) -> FrontMap | None:
    """Return the fronts of a record of one source as a map shows them; None where it has none.

    By rank, and not by date, thirty years and a dense last one are both told apart: each date is as far from the next
    as any other.
    """
    fronts = record.shown_fronts()
    fronts = fronts[fronts.geometry.notna() & ~fronts.geometry.is_empty]
    if fronts.empty:
        return None
    crs = None if record.fronts.empty else map_plane(record.fronts, glacier=record.place)
    drawn = (fronts if crs is None or fronts.crs is None else fronts.to_crs(crs)).sort_values("Date", kind="stable")
    areas = record.footprints[record.footprints["footprint"].isin(list(OUTLINE_COLOURS))]
    areas = areas if crs is None or areas.crs is None or areas.empty else areas.to_crs(crs)
    centreline = None
    if crs is not None and len(record.centrelines):
        centreline = pieces_of(record.centrelines.to_crs(crs).geometry.iloc[0], 1.0)
    return FrontMap(
        "" if crs is None else crs_name(crs), drawn, _lines(drawn),
        [
            (str(row.footprint), rings_of(row.geometry))
            for row in areas.drop_duplicates("footprint").itertuples() if row.geometry is not None
        ],
        centreline or None,
    )  # fmt: skip


def _lines(drawn: gpd.GeoDataFrame) -> tuple[FrontLine, ...]:
    dates = [pd.Timestamp(value).date() for value in drawn["Date"]]
    order = {date: place for place, date in enumerate(sorted(set(dates)))}
    last = max(1, len(order) - 1)
    x_min, y_min, x_max, y_max = drawn.total_bounds
    smooth = max(_SMOOTH_SHARE * max(x_max - x_min, y_max - y_min), 0.1)
    return tuple(
        FrontLine(pieces=pieces_of(geometry, smooth), date=date, rank=order[date] / last, is_dashed=bool(bad))
        for geometry, date, bad in zip(drawn.geometry, dates, doubtful(drawn["QualFlag"]), strict=True)
    )


def frame_of(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """Return what is looked at, x and y from and to, of the places of what has to be seen.

    A strip is no map: it is at least half as wide as high, and half as high as wide.
    """
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_min, x_max, y_min, y_max = min(xs), max(xs), min(ys), max(ys)
    margin = 0.12 * max(x_max - x_min, y_max - y_min, 1000.0)
    x_min, x_max, y_min, y_max = x_min - margin, x_max + margin, y_min - margin, y_max + margin
    more_x = max(0.0, 0.7 * (y_max - y_min) - (x_max - x_min)) / 2
    more_y = max(0.0, 0.5 * (x_max - x_min) - (y_max - y_min)) / 2
    return x_min - more_x, y_min - more_y, x_max + more_x, y_max + more_y
