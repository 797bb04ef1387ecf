"""How much of the boundary of outlined ice moves at all: what never moved carries no error of a change.

Outlines do not tell ocean from rock. A stretch of boundary that lies in the same place on every date, a coast or the
edge of a box, cancels in every difference of areas; what counts is the boundary inside the zone that was ice on some
dates and not on others.
"""

from __future__ import annotations

from collections.abc import Sequence

import shapely

__all__ = ["changed_zone", "moving_length_m"]


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
        A boundary this near to the zone lies in it.

    Examples
    --------
    >>> both = [shapely.box(0, 0, 4, 2), shapely.box(0, 0, 3, 2)]
    >>> box = shapely.box(0, 0, 9, 2)
    >>> zone = changed_zone(both, footprint=box)
    >>> round(moving_length_m(both[0], zone=zone, footprint=box, tolerance_m=1e-6), 3)
    2.0
    """
    inner = footprint.buffer(-2 * tolerance_m)
    return float(ice.boundary.intersection(inner).intersection(zone.buffer(tolerance_m)).length)
