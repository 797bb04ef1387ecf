"""Front positions: how far towards the sea a calving front stands, by several methods.

Positions are distances along the centreline from its inland end, in metres of the map plane (the convention of the
front archives), and grow towards the sea.
"""

from __future__ import annotations

import math

import numpy as np
import shapely

from glaciertime.errors import InputError

__all__ = ["centreline_position_m", "front_width_m"]


def centreline_position_m(
    front: shapely.LineString | shapely.MultiLineString, *, centreline: shapely.LineString
) -> float:
    """Return where a front crosses the centreline, as the distance from the centreline's inland end.

    Of several crossings the one nearest to the sea counts: up to there the glacier reaches.

    Parameters
    ----------
    front : line in the plane of the centreline
    centreline : LineString
        From inland to the sea.

    Returns
    -------
    float
        m, between 0 and the length of the centreline.

    Raises
    ------
    InputError
        Where the front does not cross the centreline.

    Examples
    --------
    >>> front = shapely.LineString([(3, -5), (3, 5)])
    >>> centreline_position_m(front, centreline=shapely.LineString([(0, 0), (10, 0)]))
    3.0
    """
    crossing = front.intersection(centreline)
    if crossing.is_empty:
        gap = front.distance(centreline)
        raise InputError(f"the front does not cross the centreline; it passes {gap:.0f} m from it")
    points = shapely.points(shapely.get_coordinates(crossing))
    return float(np.max(shapely.line_locate_point(centreline, points)))


def front_width_m(front: shapely.LineString | shapely.MultiLineString) -> float:
    """Return the straight distance between the two ends of a front.

    Of a front in several pieces, the largest distance between the ends of any two pieces.

    Examples
    --------
    >>> front_width_m(shapely.LineString([(0, 0), (3, 0), (3, 4)]))
    5.0
    """
    ends = np.array([piece.coords[index] for piece in shapely.get_parts(front) for index in (0, -1)])
    return math.sqrt(float(((ends[:, None] - ends[None]) ** 2).sum(axis=2).max()))
