"""How a position answers to errors of the front: weights along it, to first order.

A position is a function of the front; an error square to the front at one point moves it by a weight, and the variance
is the sum of all weights times the correlation of their errors (the law of propagation, JCGM 100:2008, 5.2.2). Of boxes
the weights are all alike, and their sum has a closed form (:mod:`glaciertime.track.ruler.uncertainty`); of the methods
here they are not: a mean over the points of a line answers to what stretches it, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from glaciertime.track.measurement import Front, Rounding
from glaciertime.track.ruler.measures import TRIM_SHARE, along_and_offset, resampled
from glaciertime.track.ruler.uncertainty import correlation_of

__all__ = ["Influence", "extrapolated_influence", "lines_influence", "mean_trace_influence"]

# Errors are followed at this many points per correlation length, but not at more than so many points.
_POINTS_PER_LENGTH = 10
_MOST_POINTS = 300
# Derivatives along the centreline are taken over this length.
_STEP_M = 1.0
# Pixels of a slanted front lengthen it by some percent, more or less along its way: what that moves the mean of its
# points by, as a share of their spread along the centreline (measured on simulated fronts).
_STRETCH = 0.0075


@dataclass(frozen=True)
class Influence:
    """What a position answers to.

    ``weights`` (N,) are its change in metres for an error of one metre square to the front at the points ``at`` (N,),
    distances along the front in metres; ``shift`` is its change for a shift of the image by one metre in the direction
    in which it answers most; ``stretch_m`` is what pixels move it by as they lengthen the front unevenly;
    ``is_sampled`` says that it answers to the points alone and not to what lies between them.
    """

    weights: NDArray[np.float64]
    at: NDArray[np.float64]
    shift: float
    stretch_m: float = 0.0
    is_sampled: bool = False

    def sigma_m(self, boundary_m: float, *, correlation_m: float, georeferencing_m: float, rounding: Rounding) -> float:
        """Return one standard deviation of the position; see :func:`averaged_sigma_m` for the parameters."""
        shifted = 0.0 if math.isnan(georeferencing_m) else self.shift * georeferencing_m
        drawn = boundary_m * self._alike(correlation_m) if boundary_m else boundary_m
        rounded = rounding.sigma_m * self._alike(rounding.length_m) if rounding.sigma_m else 0.0
        return math.hypot(drawn, shifted, rounded, self.stretch_m if rounding.sigma_m else 0.0)

    def _alike(self, correlation_m: float) -> float:
        apart = np.abs(self.at[:, None] - self.at[None])
        spacing = float(np.median(np.diff(self.at))) if len(self.at) > 1 else 0.0
        if correlation_m < spacing:
            # Between two points the error is independent many times over: each stands for the mean of its stretch.
            # The ends lie at the edge of what was measured, not off by a pixel.
            inner = self.weights if self.is_sampled else self.weights[1:-1]
            return math.sqrt(float(inner @ inner) * (1.0 if self.is_sampled else correlation_m / spacing))
        return math.sqrt(
            max(0.0, float(self.weights @ correlation_of(apart, correlation_m=correlation_m) @ self.weights))
        )


def _spacing_m(length_m: float, correlation_m: float) -> float:
    return max(correlation_m / _POINTS_PER_LENGTH, length_m / _MOST_POINTS)


def _normals(points: NDArray[np.float64]) -> NDArray[np.float64]:
    tangent = np.gradient(points, axis=0)
    return np.column_stack([-tangent[:, 1], tangent[:, 0]]) / np.maximum(np.hypot(*tangent.T), 1e-12)[:, None]


def extrapolated_influence(front: Front, *, centreline: shapely.LineString, correlation_m: float) -> Influence:
    """Return what the mean over the width of a front of the distance along the centreline answers to.

    Of the quotient of the integral of ``s dn`` over that of ``dn`` both vary: a front whose end errs sideways spans
    more or less, at a place that lies before or behind the mean.

    Parameters
    ----------
    front : line
    centreline : LineString
    correlation_m : float
        Length along the front within which the error is the same.
    """
    pieces = []
    moment, spanned, before_m = 0.0, 0.0, 0.0
    for piece in shapely.get_parts(front):
        points = resampled(piece, spacing_m=_spacing_m(front.length, correlation_m))
        normal = _normals(points)
        along, offset = along_and_offset(points, centreline)
        changes = [_changes(points, by, centreline) for by in (normal, np.array([1.0, 0.0]), np.array([0.0, 1.0]))]
        step = np.diff(offset)
        direction = 1.0 if step.sum() >= 0 else -1.0
        moment += direction * float(np.sum(0.5 * (along[1:] + along[:-1]) * step))
        spanned += direction * float(step.sum())
        # Of the sum of 0.5 (s[i] + s[i + 1]) (n[i + 1] - n[i]) by each s, and by each n; of the sum of steps by each n.
        by_along, by_offset, span = np.zeros(len(points)), np.zeros(len(points)), np.zeros(len(points))
        by_along[1:] += 0.5 * step
        by_along[:-1] += 0.5 * step
        middle = 0.5 * (along[1:] + along[:-1])
        by_offset[1:] += middle
        by_offset[:-1] -= middle
        span[[0, -1]] = -1.0, 1.0
        at = before_m + np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        # Pieces err independently of each other.
        before_m = at[-1] + 10 * correlation_m
        pieces.append((direction, by_along, by_offset, span, changes, at))
    mean = moment / spanned

    def answer(which: int) -> NDArray[np.float64]:
        return np.concatenate(
            [
                direction * (by_along * changes[which][0] + (by_offset - mean * span) * changes[which][1]) / spanned
                for direction, by_along, by_offset, span, changes, _ in pieces
            ]
        )

    shift = math.hypot(float(answer(1).sum()), float(answer(2).sum()))
    return Influence(weights=answer(0), at=np.concatenate([at for *_, at in pieces]), shift=shift)


def _changes(
    points: NDArray[np.float64], by: NDArray[np.float64], centreline: shapely.LineString
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how the distance along a centreline and the offset from it change as points move by a direction."""
    ahead, behind = (along_and_offset(points + sign * _STEP_M * by, centreline) for sign in (1, -1))
    return (ahead[0] - behind[0]) / (2 * _STEP_M), (ahead[1] - behind[1]) / (2 * _STEP_M)


def mean_trace_influence(front: Front, *, centreline: shapely.LineString, correlation_m: float) -> Influence:
    """Return what the foot of the mean of a front's points answers to.

    The points lie evenly along the trimmed front: an error that lengthens one part of it draws the mean there, and
    moves the ends of what is left.

    Parameters
    ----------
    front, centreline, correlation_m
        As for :func:`extrapolated_influence`.
    """
    longest = max(shapely.get_parts(front), key=lambda piece: piece.length)
    points = resampled(longest, spacing_m=_spacing_m(longest.length, correlation_m))
    steps = np.diff(points, axis=0)
    lengths = np.hypot(*steps.T)
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    middles = 0.5 * (at[1:] + at[:-1])
    kept = (middles > TRIM_SHARE * at[-1]) & (middles < (1 - TRIM_SHARE) * at[-1])
    if kept.sum() < 2:
        kept[:] = True
    centres = 0.5 * (points[1:] + points[:-1])
    mean = np.average(centres[kept], axis=0, weights=lengths[kept])
    foot = float(shapely.line_locate_point(centreline, shapely.Point(mean)))
    around = [max(0.0, foot - _STEP_M), min(centreline.length, foot + _STEP_M)]
    (ax, ay), (bx, by) = shapely.get_coordinates(shapely.line_interpolate_point(centreline, around))
    flow = np.array([bx - ax, by - ay]) / math.hypot(bx - ax, by - ay)
    along = centres @ flow
    position = float(np.average(along[kept], weights=lengths[kept]))
    total = float(lengths[kept].sum())
    first, last = np.flatnonzero(kept)[[0, -1]]
    # By the length of each step: what it adds itself, and how it moves the two ends of the trimmed front.
    index = np.arange(len(lengths))
    by_length = np.where(kept, along, 0.0) - position * (1 - 2 * TRIM_SHARE)
    by_length += along[first] * ((index < first) - TRIM_SHARE)
    by_length += along[last] * ((1 - TRIM_SHARE) - (index <= last))
    normal, tangent = _normals(points), steps / lengths[:, None]
    weights = np.zeros(len(points))
    carried = np.where(kept, 0.5 * lengths, 0.0)
    weights[:-1] += carried * (normal[:-1] @ flow) - by_length * np.sum(tangent * normal[:-1], axis=1)
    weights[1:] += carried * (normal[1:] @ flow) + by_length * np.sum(tangent * normal[1:], axis=1)
    spread = math.sqrt(float(np.average((along[kept] - position) ** 2, weights=lengths[kept])))
    return Influence(weights=weights / total, at=at, shift=1.0, stretch_m=_STRETCH * spread)


def lines_influence(positions_m: NDArray[np.float64], offsets_m: NDArray[np.float64]) -> Influence:
    """Return what the mean of the crossings of several lines answers to.

    An error square to a slanted front moves a crossing by more: by the length of the front between two lines over the
    distance between them.

    Parameters
    ----------
    positions_m, offsets_m : (N,) float64
        Of the crossings; NaN where the front does not cross a line.
    """
    crossed = np.isfinite(positions_m)
    along, offset = positions_m[crossed], offsets_m[crossed]
    count = len(along)
    if count < 2:
        return Influence(weights=np.ones(count), at=np.zeros(count), shift=1.0)
    slope = np.gradient(along, offset)
    at = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(along), np.diff(offset)))])
    chord = float((along[-1] - along[0]) / (offset[-1] - offset[0]))
    return Influence(weights=np.hypot(1.0, slope) / count, at=at, shift=math.hypot(1.0, chord), is_sampled=True)
