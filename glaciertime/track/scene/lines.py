"""Lines that bound ice: cleaned, cut to where a front can be, put in order."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["clean_line", "drop_short_pieces", "front_of_ice", "ground_lengths_m", "merge_lines"]


def merge_lines(geometry: shapely.Geometry) -> shapely.LineString | shapely.MultiLineString | None:
    """Return the line parts of a geometry joined end to end; None where it holds no line."""
    if geometry.geom_type == "LineString":
        return geometry if geometry.length > 0 else None
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in ("LineString", "LinearRing")]
    parts = [shapely.LineString(part.coords) for part in parts if part.length > 0]
    if not parts:
        return None
    merged = shapely.line_merge(shapely.MultiLineString(parts))
    pieces = sorted(shapely.get_parts(merged), key=lambda piece: -piece.length)
    return pieces[0] if len(pieces) == 1 else shapely.MultiLineString(pieces)


def drop_short_pieces(
    line: shapely.LineString | shapely.MultiLineString, *, min_length_m: float, scale: tuple[float, float] = (1.0, 1.0)
) -> shapely.LineString | shapely.MultiLineString:
    """Return a line without its pieces shorter than a limit; the longest piece always stays.

    ``scale`` is the length on the ground, in metres, of one unit along x and along y.
    """
    if line.geom_type == "LineString":
        return line
    lengths = ground_lengths_m(line, scale=scale)
    order = np.argsort(-lengths, kind="stable")
    pieces = shapely.get_parts(line)
    kept = [pieces[index] for index in order if lengths[index] >= min_length_m] or [pieces[order[0]]]
    return kept[0] if len(kept) == 1 else shapely.MultiLineString(kept)


def ground_lengths_m(line: shapely.Geometry, *, scale: tuple[float, float]) -> NDArray[np.float64]:
    """Return the length on the ground of each part of a line, given the metres of one unit along x and along y."""
    parts = shapely.get_parts(line)
    return np.asarray(shapely.length(shapely.transform(parts, lambda xy: xy * np.array(scale))), dtype=float)


def clean_line(geometry: shapely.Geometry) -> shapely.LineString | shapely.MultiLineString:
    """Return a traced line in two dimensions, its parts joined, repeated vertices removed.

    Raises
    ------
    InputError
        Where it holds no line of any length, or a coordinate that is not finite.
    """
    if geometry is None or geometry.is_empty:
        raise InputError("the trace is empty; expected a line")
    flat = shapely.force_2d(geometry)
    if not np.isfinite(shapely.get_coordinates(flat)).all():
        raise InputError("the trace holds coordinates that are not finite; repair it")
    merged = merge_lines(shapely.remove_repeated_points(flat))
    if merged is None:
        raise InputError("the trace has no length; expected a line of two or more different points")
    return merged


def front_of_ice(
    ice: shapely.Geometry,
    *,
    box: shapely.Polygon | None,
    fjord: shapely.Polygon | None,
    inland: shapely.Point | None = None,
    seaward: shapely.Point | None = None,
    edge_tolerance_m: float,
) -> shapely.LineString | shapely.MultiLineString | None:
    """Return the boundary of the ice that faces the ocean: neither the edge of the box nor outside the fjord.

    A hole in the ice is rock or a pond and its boundary no front, unless the sea lies in it.

    Parameters
    ----------
    ice : polygons inside the box
    box, fjord : polygons or None
        Boundary within ``edge_tolerance_m`` of the box edge is not a front; neither is any outside the fjord.
    inland : Point or None
        With it, only the parts of the ice in the fjord that hang together with this point bound the glacier; what
        drifts in front of it does not.
    seaward : Point or None
        A point in the sea: a hole that holds it is the sea.
    edge_tolerance_m : float
    """
    parts = [part for part in shapely.get_parts(ice) if part.geom_type == "Polygon"]
    if fjord is not None:
        near = fjord.buffer(edge_tolerance_m)
        parts = [part for part in parts if part.intersects(near)]
    if not parts:
        return None
    if inland is not None and len(parts) > 1:
        nearest = min(parts, key=lambda part: (part.distance(inland), -part.area))
        parts = [nearest]
    rings = [part.exterior for part in parts]
    if seaward is not None:
        rings += [ring for part in parts for ring in part.interiors if shapely.Polygon(ring).intersects(seaward)]
    boundary = shapely.union_all([shapely.LineString(ring) for ring in rings])
    if fjord is not None:
        boundary = boundary.intersection(fjord)
    if box is not None:
        boundary = boundary.difference(box.boundary.buffer(edge_tolerance_m))
    return merge_lines(boundary)
