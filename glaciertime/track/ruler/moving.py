"""How much of the boundary of outlined ice moves at all: what never moved carries no error of a change.

Outlines do not tell ocean from rock. A stretch of boundary that lies in the same place on every date, a coast or the
edge of a box, cancels in every difference of areas; what counts is the boundary inside the zone that was ice on some
dates and not on others. A coast that was cut or drawn anew never comes back to the same digits: a zone narrower than
the tolerance on both sides is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

__all__ = ["changed_zone", "moving_chord_m", "moving_length_m"]

# Which side of a boundary is ice is looked up this far from it, as a share of the segment's length.
_BESIDE = 1e-3


def changed_zone(ice: Sequence[shapely.Geometry], *, footprint: shapely.Polygon) -> shapely.Geometry:
    """Return where a footprint was ice on some dates and not on others.

    Parameters
    ----------
    ice : sequence of polygons
        In the coordinates of the footprint, one per date.
    footprint : Polygon

    Examples
    --------
    >>> zone = changed_zone([shapely.box(0, 0, 4, 2), shapely.box(0, 0, 3, 2)], footprint=shapely.box(0, 0, 9, 2))
    >>> zone.bounds
    (3.0, 0.0, 4.0, 2.0)
    """
    inside = shapely.intersection(list(ice), footprint)
    return shapely.difference(shapely.union_all(inside), shapely.intersection_all(inside))


def moving_length_m(
    ice: shapely.Geometry, *, zone: shapely.Geometry, footprint: shapely.Polygon, tolerance_m: float = 1.0
) -> float:
    """Return the length of the boundary of ice that lies in the zone that changed, the footprint's edge left out.

    Parameters
    ----------
    ice : polygons
    zone : polygons
        Of :func:`changed_zone`.
    footprint : Polygon
    tolerance_m : float
        A boundary this near to the zone lies in it; a zone no wider than twice this is left out.

    Examples
    --------
    >>> both = [shapely.box(0, 0, 4, 2), shapely.box(0, 0, 3, 2)]
    >>> box = shapely.box(0, 0, 9, 2)
    >>> zone = changed_zone(both, footprint=box)
    >>> round(moving_length_m(both[0], zone=zone, footprint=box, tolerance_m=1e-6), 3)
    2.0
    """
    return float(_moving(ice, zone=zone, footprint=footprint, tolerance_m=tolerance_m).length)


def moving_chord_m(
    ice: shapely.Geometry, *, zone: shapely.Geometry, footprint: shapely.Polygon, tolerance_m: float = 1.0
) -> float:
    """Return the straight distance that a shift of the whole image sweeps with the boundary that moves.

    Every stretch of it counts as the vector from its one end to its other, ice on its left: a shift ``d`` changes the
    area by the cross product of ``d`` with their sum. Bays, and fronts that face each other, cancel.

    Parameters
    ----------
    ice, zone, footprint, tolerance_m
        As for :func:`moving_length_m`.

    Examples
    --------
    >>> both = [shapely.box(0, 0, 4, 2), shapely.Polygon([(0, 0), (3, 0), (1, 1), (3, 2), (0, 2)])]
    >>> box = shapely.box(0, 0, 9, 2)
    >>> zone = changed_zone(both, footprint=box)
    >>> round(moving_chord_m(both[1], zone=zone, footprint=box, tolerance_m=1e-6), 3)
    2.0
    """
    moving = _moving(ice, zone=zone, footprint=footprint, tolerance_m=tolerance_m)
    parts = [part for part in shapely.get_parts(moving) if part.geom_type == "LineString" and part.length > 0]
    total = np.zeros(2)
    for piece in shapely.get_parts(shapely.line_merge(shapely.MultiLineString(parts))):
        vertices = shapely.get_coordinates(piece)
        steps = np.diff(vertices, axis=0)
        longest = int(np.argmax(np.hypot(*steps.T)))
        step = steps[longest]
        left = vertices[longest] + step / 2 + _BESIDE * np.array([-step[1], step[0]])
        total += (vertices[-1] - vertices[0]) * (1 if ice.covers(shapely.Point(left)) else -1)
    return float(np.hypot(*total))


def _moving(
    ice: shapely.Geometry, *, zone: shapely.Geometry, footprint: shapely.Polygon, tolerance_m: float
) -> shapely.Geometry:
    inner = footprint.buffer(-2 * tolerance_m)
    wide = zone.buffer(-tolerance_m, join_style="mitre").buffer(2 * tolerance_m, join_style="mitre")
    return ice.boundary.intersection(inner).intersection(wide)
