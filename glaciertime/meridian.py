"""Geometries in degrees that cross the 180th meridian, in whatever form they come."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["cut_at_180", "densified", "joined_at_180"]

# Parts are joined again where they were cut at the meridian to this many degrees.
_CUT_DEGREES = 1e-6


def joined_at_180(geometry: shapely.Geometry) -> shapely.Geometry:
    """Return a geometry in longitude and latitude with longitudes that do not jump at the 180th meridian.

    A line from 179.9 to -179.9 degrees is meant to go the short way: its western longitudes become 180.1 and the
    like. Parts that were cut at the meridian are joined. A geometry that is not near the meridian is returned as it
    is; one that goes round a pole is too.

    Parameters
    ----------
    geometry : in degrees, x the longitude

    Examples
    --------
    >>> joined_at_180(shapely.LineString([(179.9, 67), (-179.9, 67)])).wkt
    'LINESTRING (179.9 67, 180.1 67)'
    """
    if geometry is None or geometry.is_empty:
        return geometry
    x_min, _, x_max, _ = geometry.bounds
    if x_max - x_min <= 180:
        turns = -360.0 if x_min >= 180 else 360.0 if x_min < -180 else 0.0
        return shapely.transform(geometry, lambda xy: xy + np.array([turns, 0.0])) if turns else geometry
    parts = shapely.get_parts(geometry)
    shifted = [shapely.transform(part, _eastern) for part in parts]
    if any(part.bounds[2] - part.bounds[0] > 180 for part in shifted):
        return geometry
    joined = shapely.union_all([_closed_to_cut(part) for part in shifted]) if len(shifted) > 1 else shifted[0]
    if joined.geom_type == "MultiLineString":
        joined = shapely.line_merge(joined)
    x_min, _, x_max, _ = joined.bounds
    return geometry if x_max - x_min > 180 else joined


def densified(geometry: shapely.Geometry, edge_degrees: float) -> shapely.Geometry:
    """Return a geometry in longitude and latitude with no edge longer than so many degrees.

    An edge of more than half a turn is meant to go the short way: around a pole a ring goes from 179 to -179 degrees.
    Its longitudes go on, and it ends a turn from where it began. An edge of a whole turn, as of a box around the Earth,
    stays as it is.

    Parameters
    ----------
    geometry : in degrees, x the longitude
    edge_degrees : float

    Examples
    --------
    >>> densified(shapely.LineString([(120, 89), (-120, 89)]), 60).wkt
    'LINESTRING (120 89, 180 89, 240 89)'
    """
    west, _, east, _ = geometry.bounds if not geometry.is_empty else (0.0, 0.0, 0.0, 0.0)
    if east - west <= 180:
        return shapely.segmentize(geometry, edge_degrees)
    if geometry.geom_type == "Polygon":
        exterior, *holes = (_short_way(ring, edge_degrees) for ring in (geometry.exterior, *geometry.interiors))
        return shapely.Polygon(exterior, holes)
    if geometry.geom_type in ("LineString", "LinearRing"):
        return shapely.LineString(_short_way(geometry, edge_degrees))
    parts = [densified(part, edge_degrees) for part in shapely.get_parts(geometry)]
    if geometry.geom_type == "MultiPolygon":
        return shapely.MultiPolygon(parts)
    return shapely.MultiLineString(parts) if geometry.geom_type == "MultiLineString" else geometry


def _short_way(line: shapely.LineString, edge_degrees: float) -> NDArray[np.float64]:
    xy = shapely.get_coordinates(line)
    step = np.diff(xy[:, 0])
    is_whole = np.abs(step) == 360
    short = np.where(np.abs(step) > 180, step - 360.0 * np.sign(step), step)
    # From 180 to -180 degrees, in a ring that goes round a pole without it, there is no way at all.
    keeps = is_whole & (abs(short[~is_whole].sum()) < 359)
    xy[1:, 0] = xy[0, 0] + np.cumsum(np.where(keeps, step, short))
    return shapely.get_coordinates(shapely.segmentize(shapely.LineString(xy), edge_degrees))


def cut_at_180(geometry: shapely.Geometry) -> shapely.Geometry:
    """Return a geometry in longitude and latitude in parts that end at the 180th meridian, as other programs need it.

    A line from 179.9 to -179.9 degrees, drawn as it stands, goes once round the Earth. A geometry that does not cross
    the meridian, or goes round a pole, is returned with longitudes from -180 to 180 and else as it is.

    Parameters
    ----------
    geometry : in degrees, x the longitude

    Examples
    --------
    >>> cut_at_180(shapely.LineString([(179.9, 67), (-179.9, 67)])).wkt
    'MULTILINESTRING ((179.9 67, 180 67), (-180 67, -179.9 67))'
    """
    if geometry is None or geometry.is_empty:
        return geometry
    joined = joined_at_180(geometry)
    west, _, east, _ = joined.bounds
    if east <= 180 or east - west > 180:
        return joined
    whole = shapely.make_valid(joined) if "Polygon" in joined.geom_type else joined
    # What lies on the meridian is of one side only.
    east_of = [part for part in _clipped(whole, 180, 540) if part.bounds[2] > 180]
    back = [shapely.transform(part, lambda xy: xy - np.array([360.0, 0.0])) for part in east_of]
    return shapely.union_all([*_clipped(whole, -180, 180), *back])


def _clipped(whole: shapely.Geometry, west: float, east: float) -> list[shapely.Geometry]:
    """Return the parts of a geometry between two meridians; where it only touches one of them there is none."""
    parts = shapely.get_parts(shapely.intersection(whole, shapely.box(west, -90, east, 90)))
    return [part for part in parts if shapely.get_dimensions(part) == shapely.get_dimensions(whole)]


def _eastern(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    out = xy.copy()
    out[:, 0] = np.where(out[:, 0] < 0, out[:, 0] + 360.0, out[:, 0])
    return out


def _closed_to_cut(part: shapely.Geometry) -> shapely.Geometry:
    """Return a part with vertices that lie on the cut but for rounding brought onto it."""

    def snap(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        out = xy.copy()
        out[:, 0] = np.where(np.abs(out[:, 0] - 180.0) < _CUT_DEGREES, 180.0, out[:, 0])
        return out

    return shapely.transform(part, snap)
