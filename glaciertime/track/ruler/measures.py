"""Front positions: how far towards the sea a calving front stands, by each of the field's methods.

Positions are distances along the centreline from its inland end, in metres of the plane that the lines are given on
(:class:`glaciertime.track.ruler.ruler.FrontRuler` lays them on one where these are true metres), and grow towards the
sea: an advance is positive, whatever the front looks like.

Of a front that is straight and square to a straight centreline all methods say the same. They differ where the front
is bent, where the centreline bends, and where a part of the front is missing: see :func:`front_position`.
"""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.track.measurement import Front
from glaciertime.track.ruler.pieces import joined

__all__ = [
    "TRIM_SHARE",
    "along_and_offset",
    "centreline_position_m",
    "extrapolated_centreline_position_m",
    "front_obliquity",
    "mean_trace_position_m",
    "offset_centrelines",
    "offset_positions_m",
    "resampled",
]

# TermPicks: Goliber et al. (2022), doi:10.5194/tc-16-3215-2022.
_VERTEX_SPACING_M = 30.0
#: Share of a front left out at each end, where it runs along the walls of the fjord.
TRIM_SHARE = 0.05


def centreline_position_m(front: Front, *, centreline: shapely.LineString) -> float:
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


def front_obliquity(front: Front, *, centreline: shapely.LineString, position_m: float, reach_m: float) -> float:
    """Return one over the cosine of the angle between a front's normal and the centreline where they cross.

    Parameters
    ----------
    front, centreline : lines
    position_m : float
        Of :func:`centreline_position_m`.
    reach_m : float
        The front's direction is that of the chord between the points this far along it on both sides.

    Returns
    -------
    float
        1 for a front square to the centreline, at most 5.

    Examples
    --------
    >>> front, line = shapely.LineString([(0, -50), (100, 50)]), shapely.LineString([(0, 0), (100, 0)])
    >>> round(front_obliquity(front, centreline=line, position_m=50, reach_m=20), 4)
    1.4142
    """
    crossing = shapely.line_interpolate_point(centreline, position_m)
    piece = min(shapely.get_parts(front), key=lambda part: part.distance(crossing))
    at = shapely.line_locate_point(piece, crossing)
    ends = shapely.line_interpolate_point(piece, [max(0.0, at - reach_m), min(piece.length, at + reach_m)])
    step = max(1e-6 * centreline.length, 0.1)
    around = [max(0.0, position_m - step), min(centreline.length, position_m + step)]
    (ax, ay), (bx, by) = shapely.get_coordinates(ends)
    (cx, cy), (dx, dy) = shapely.get_coordinates(shapely.line_interpolate_point(centreline, around))
    across = abs((dx - cx) * (by - ay) - (dy - cy) * (bx - ax))
    lengths = math.hypot(bx - ax, by - ay) * math.hypot(dx - cx, dy - cy)
    return min(5.0, float(lengths / across)) if across > 0 else 5.0


def offset_centrelines(
    centreline: shapely.LineString, *, width_m: float, count: int
) -> tuple[NDArray[np.float64], list[shapely.LineString]]:
    """Return lines parallel to a centreline, evenly spread over a band around it.

    Parameters
    ----------
    centreline : LineString
        From inland to the sea.
    width_m : float
        Of the band; each line stands for an equal share of it.
    count : int
        How many lines.

    Returns
    -------
    offsets_m : (count,) float64
        Positive to the left of the way to the sea.
    lines : list of LineString

    Examples
    --------
    >>> offsets, lines = offset_centrelines(shapely.LineString([(0, 0), (9, 0)]), width_m=3, count=3)
    >>> offsets.tolist(), lines[0].coords[0]
    ([-1.0, 0.0, 1.0], (0.0, -1.0))
    """
    offsets = ((np.arange(count) + 0.5) / count - 0.5) * width_m
    lines = []
    for offset in offsets:
        line = shapely.offset_curve(centreline, float(offset)) if offset else centreline
        pieces = shapely.get_parts(line)
        lines.append(max(pieces, key=lambda piece: piece.length))
    return offsets, lines


def offset_positions_m(
    front: Front, *, centreline: shapely.LineString, lines: list[shapely.LineString]
) -> NDArray[np.float64]:
    """Return where a front crosses each of several offset lines, as distances along the centreline.

    Parameters
    ----------
    front : line
    centreline : LineString
        From inland to the sea; a crossing counts where its foot falls on this line.
    lines : list of LineString
        Of :func:`offset_centrelines`.

    Returns
    -------
    (N,) float64
        m; NaN for a line that the front does not cross. Of several crossings the one nearest to the sea counts.
    """
    crossing = shapely.intersection(front, np.asarray(lines, dtype=object))
    coordinates, index = shapely.get_coordinates(crossing, return_index=True)
    out = np.full(len(lines), np.nan)
    if len(coordinates):
        along = shapely.line_locate_point(centreline, shapely.points(coordinates))
        np.fmax.at(out, index, along)
    return out


def resampled(line: shapely.LineString, *, spacing_m: float, trim_share: float = 0.0) -> NDArray[np.float64]:
    """Return points at an even spacing along a line.

    Parameters
    ----------
    line : LineString
    spacing_m : float
        The nearest spacing that divides the line evenly is used.
    trim_share : float
        Share of the line's length left out at each end, from 0 to below 0.5.

    Returns
    -------
    (N, 2) float64

    Examples
    --------
    >>> resampled(shapely.LineString([(0, 0), (90, 0)]), spacing_m=30)[:, 0].tolist()
    [0.0, 30.0, 60.0, 90.0]
    """
    coordinates = shapely.get_coordinates(line)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(coordinates, axis=0).T))])
    start, stop = trim_share * along[-1], (1 - trim_share) * along[-1]
    count = max(1, round((stop - start) / spacing_m)) + 1
    at = np.linspace(start, stop, count)
    return np.column_stack([np.interp(at, along, coordinates[:, 0]), np.interp(at, along, coordinates[:, 1])])


def mean_trace_position_m(
    front: Front,
    *,
    centreline: shapely.LineString,
    spacing_m: float = _VERTEX_SPACING_M,
    trim_share: float = TRIM_SHARE,
) -> float:
    """Return the foot on the centreline of the mean of a front's points.

    The front is resampled to an even spacing and 5 % of its length is left out at each end, where traces run along the
    walls of the fjord. A front in several pieces is joined first (:func:`glaciertime.track.ruler.pieces.joined`).

    References
    ----------
    Goliber, S., et al. (2022), TermPicks, doi:10.5194/tc-16-3215-2022.

    Examples
    --------
    >>> front = shapely.LineString([(20, -50), (40, 50)])
    >>> round(mean_trace_position_m(front, centreline=shapely.LineString([(0, 0), (100, 0)])), 6)
    30.0
    """
    whole = joined(front).line
    mean = resampled(whole, spacing_m=spacing_m, trim_share=trim_share).mean(axis=0)
    return float(shapely.line_locate_point(centreline, shapely.Point(mean)))


def extrapolated_centreline_position_m(
    front: Front, *, centreline: shapely.LineString, spacing_m: float = _VERTEX_SPACING_M
) -> float:
    """Return the mean over the whole width of a front of the distance along the centreline, extended sideways.

    Every point of the front is given the distance ``s`` of its foot on the centreline and the offset ``n`` from it;
    the position is the integral of ``s dn`` over that of ``dn``, so that a fold of the front counts no more than the
    width it spans.

    Raises
    ------
    InputError
        Where the front runs along the centreline more than across it, so that it spans no width.

    References
    ----------
    After the extrapolated centreline method of Lea, J. M., et al. (2014), doi:10.3189/2014JoG13J061.

    Examples
    --------
    >>> front = shapely.LineString([(20, -50), (40, 50)])
    >>> round(extrapolated_centreline_position_m(front, centreline=shapely.LineString([(0, 0), (100, 0)])), 6)
    30.0
    """
    moment, spanned, length = 0.0, 0.0, 0.0
    for piece in shapely.get_parts(front):
        points = resampled(piece, spacing_m=spacing_m)
        along, offset = along_and_offset(points, centreline)
        step = np.diff(offset)
        direction = 1.0 if step.sum() >= 0 else -1.0
        moment += direction * float(np.sum(0.5 * (along[1:] + along[:-1]) * step))
        spanned += direction * float(step.sum())
        length += piece.length
    # A front more than ten times as long as wide hugs the centreline; the quotient would amplify its error.
    if spanned < 0.1 * length:
        raise InputError(
            f"the front spans {spanned:.0f} m across the centreline over {length:.0f} m of its length; "
            "it runs along the flow, use curvilinear-box"
        )
    return moment / spanned


def along_and_offset(
    points: NDArray[np.float64], centreline: shapely.LineString
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distance along a centreline and offset to its left for points, its ends prolonged straight."""
    at = shapely.line_locate_point(centreline, shapely.points(points))
    vertices = shapely.get_coordinates(centreline)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(vertices, axis=0).T))])
    segment = np.clip(np.searchsorted(lengths, at, side="right") - 1, 0, len(vertices) - 2)
    direction = np.diff(vertices, axis=0)
    direction = (direction / np.hypot(*direction.T)[:, None])[segment]
    relative = points - vertices[segment]
    along = lengths[segment] + np.sum(relative * direction, axis=1)
    # Away from the two ends the foot lies on the line or at one of its corners.
    along = np.where((at > 0) & (at < lengths[-1]), at, along)
    foot = shapely.get_coordinates(shapely.line_interpolate_point(centreline, at))
    distance = np.hypot(*(points - foot).T)
    side = direction[:, 0] * relative[:, 1] - direction[:, 1] * relative[:, 0]
    return along, np.where((at > 0) & (at < lengths[-1]), np.sign(side) * distance, side)
