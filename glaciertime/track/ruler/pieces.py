"""A front in several pieces as one line: the pieces in order, joined straight across what was not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from glaciertime.track.measurement import Front

__all__ = ["Joined", "joined"]


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A front as one line, and the straight lines in it that nobody saw.

    ``seen`` is the share of its width, piece by piece from end to end, that was seen.
    """

    line: shapely.LineString
    gaps: tuple[shapely.LineString, ...] = ()
    seen: float = 1.0

    def gap_m(self, inside: shapely.Geometry) -> float:
        """Return the length of what was not seen inside a polygon."""
        return float(sum(gap.intersection(inside).length for gap in self.gaps))


def joined(front: Front) -> Joined:
    """Join the pieces of a front.

    From the longest piece on, the piece whose end lies nearest to an end of the line so far is added, until none is
    left. Closed pieces, which bound an island or a pond, are left out where there are open ones.

    Examples
    --------
    >>> whole = joined(shapely.MultiLineString([[(0, 0), (0, 4)], [(0, 6), (0, 10)]]))
    >>> whole.line.length, whole.seen, whole.gap_m(shapely.box(-1, 0, 1, 5))
    (10.0, 0.8, 1.0)
    """
    parts = [shapely.get_coordinates(part) for part in shapely.get_parts(front)]
    if len(parts) == 1:
        return Joined(line=shapely.LineString(parts[0]))
    waiting = [part for part in parts if np.any(part[0] != part[-1])] or parts[:1]
    waiting.sort(key=lambda part: float(np.hypot(*np.diff(part, axis=0).T).sum()))
    line = waiting.pop()
    seen_m = _chord(line)
    gaps: list[NDArray[np.float64]] = []
    while waiting:
        ends = np.array([(part[0], part[-1]) for part in waiting])
        to_last = np.hypot(*(ends - line[-1]).transpose(2, 0, 1))
        to_first = np.hypot(*(ends - line[0]).transpose(2, 0, 1))
        at_last = to_last.min() <= to_first.min()
        index, end = np.unravel_index(int(np.argmin(to_last if at_last else to_first)), to_last.shape)
        part = waiting.pop(int(index))
        part = part if end == 0 else part[::-1]
        seen_m += _chord(part)
        if at_last:
            gaps.append(np.array([line[-1], part[0]]))
            line = np.vstack([line, part])
        else:
            gaps.append(np.array([part[0], line[0]]))
            line = np.vstack([part[::-1], line])
    missing = sum(_chord(gap) for gap in gaps)
    return Joined(
        line=shapely.LineString(line),
        gaps=tuple(shapely.LineString(gap) for gap in gaps if _chord(gap) > 0),
        seen=seen_m / (seen_m + missing) if seen_m + missing > 0 else 1.0,
    )


def _chord(part: NDArray[np.float64]) -> float:
    return float(np.hypot(*(part[-1] - part[0])))
