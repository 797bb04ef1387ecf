"""A channel along a centreline, in which the area behind a front is measured: a strip, a rectangle or a fjord."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import shapely
import shapely.ops
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.track.ruler.crossings import (
    BEYOND,
    EVEN,
    INLAND_CAP,
    LEFT,
    PARTIAL,
    RIGHT,
    SEA_CAP,
    SPANS,
    bank_moment,
    inland_area,
)
from glaciertime.track.ruler.pieces import joined

# Area, share, outcome, length of the front inside, chord: what crossings.inland_area returns.
Cut: TypeAlias = tuple[float, float, int, float, float]

__all__ = ["Channel", "InlandArea", "fjord_channel", "rectangle", "strip"]

# Below this share of the channel's width a front that ends inside it says too little.
_LEAST_SHARE = 0.5
# A centreline is straight if it leaves the line between its ends by no more than this share of its length.
_STRAIGHT_SHARE = 3e-4


@dataclass(frozen=True, kw_only=True)
class InlandArea:
    """The area of a channel behind a front.

    ``share`` is that of the channel's width which the front covers; ``front_length_m`` the length of front inside, and
    ``chord_m`` the straight distance between the banks where it meets them.
    """

    area_m2: float
    share: float
    front_length_m: float
    chord_m: float


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A polygon with a left and a right bank, both from inland to the sea.

    Coordinates are kept relative to ``origin``, so that areas do not lose digits to large map coordinates.
    """

    name: str
    width_m: float
    #: Distance along the centreline at which the inland cap lies.
    start_m: float
    polygon: shapely.Polygon
    origin: NDArray[np.float64]
    ring: NDArray[np.float64]
    sides: NDArray[np.int64]
    starts: NDArray[np.int64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    left_moment: NDArray[np.float64]
    right_moment: NDArray[np.float64]

    def inland_area(self, front: shapely.LineString | shapely.MultiLineString) -> InlandArea:
        """Return the area between the inland cap and a front.

        One side of the front is ice everywhere: where it crosses the channel several times, ice and ocean alternate
        from inland to the sea, and what it cuts off along a bank is ocean if it lies in ice and ice if it lies in the
        ocean. A front in pieces of which none spans the channel is joined straight across its gaps, and one that ends
        inside the channel is prolonged straight to the nearest point of the bank; ``share`` says how much of the width
        was seen.

        Raises
        ------
        InputError
            Where less than half of the channel's width was seen, where the front runs through one of its ends, or where
            it crosses the channel an even number of times, so that both ends are ice or both ocean.
        """
        return self._told(*self._cut(front))

    def covered_share(self, front: shapely.LineString | shapely.MultiLineString) -> float:
        """Return the share of the channel's width that a front covers, from 0 to 1; NaN where it leaves by an end."""
        _, share, outcome, _, _ = self._cut(front)
        return float("nan") if outcome == BEYOND else float(share)

    def inland_area_of(self, coordinates: NDArray[np.float64], parts: NDArray[np.int64]) -> InlandArea:
        """Do what :meth:`inland_area` does for vertices (N, 2) and where the pieces start, (P + 1,), N at the end.

        Pieces are not joined.
        """
        return self._told(*self._cut_of(coordinates, parts))

    def _cut(self, front: shapely.LineString | shapely.MultiLineString) -> Cut:
        coordinates, index = shapely.get_coordinates(shapely.get_parts(front), return_index=True)
        cut = self._cut_of(coordinates, np.append(np.unique(index, return_index=True)[1], len(coordinates)))
        if cut[2] in (SPANS, EVEN) or index[-1] == 0:
            return cut
        whole = joined(front)
        area, share, outcome, _, chord = self._cut_of(
            shapely.get_coordinates(whole.line), np.array([0, shapely.get_num_coordinates(whole.line)])
        )
        if outcome not in (SPANS, PARTIAL) or chord <= 0:
            return cut
        seen = max(0.0, share - whole.gap_m(self.polygon) / chord)
        return area, seen, PARTIAL if seen < 1 else outcome, cut[3], chord

    def _cut_of(self, coordinates: NDArray[np.float64], parts: NDArray[np.int64]) -> Cut:
        return inland_area(
            coordinates - self.origin, parts, self.ring, self.sides, self.starts,
            self.left, self.right, self.left_moment, self.right_moment,
        )  # fmt: skip

    def _told(self, area: float, share: float, outcome: int, length: float, chord: float) -> InlandArea:
        if outcome == SPANS or (outcome == PARTIAL and share >= _LEAST_SHARE):
            return InlandArea(area_m2=area, share=share, front_length_m=length, chord_m=chord)
        if outcome == PARTIAL:
            raise InputError(
                f"the front covers {share:.0%} of the width of the {self.name}, at least {_LEAST_SHARE:.0%} is needed"
            )
        if outcome == BEYOND:
            raise InputError(f"the front runs through an end of the {self.name}; give a longer centreline or fjord")
        if outcome == EVEN:
            raise InputError(
                f"the front crosses the {self.name} an even number of times: both of its ends are ice, or both ocean; "
                "give a longer centreline, or a narrower box with --box-width"
            )
        raise InputError(f"the front does not cross the {self.name}")


def _channel(
    name: str, polygon: shapely.Polygon, corners: NDArray[np.float64], *, width_m: float, start_m: float
) -> Channel:
    """Build a channel from a polygon and its four corners: inland left and right, seaward right and left."""
    ring = shapely.get_coordinates(shapely.orient_polygons(polygon, exterior_cw=True).exterior)[:-1]
    inland_left, inland_right, sea_right, sea_left = (
        int(np.argmin(np.hypot(*(ring - corner).T))) for corner in corners
    )
    left, right = _walk(ring, inland_left, sea_left, 1), _walk(ring, inland_right, sea_right, -1)
    inland_cap, sea_cap = _walk(ring, inland_right, inland_left, 1), _walk(ring, sea_left, sea_right, 1)
    if len(left) < 2 or len(right) < 2:
        raise InputError(f"the {name} has no two banks along the centreline; draw it longer than wide")
    origin = ring.mean(axis=0)
    pieces = ((left, LEFT, 1), (sea_cap, SEA_CAP, 1), (right[::-1], RIGHT, -1), (inland_cap, INLAND_CAP, 1))
    vertices, sides, starts = [], [], []
    for piece, side, direction in pieces:
        count = len(piece) - 1
        vertices.append(piece[:-1])
        sides.append(np.full(count, side))
        # Against the bank, segment k from the sea starts at bank position count - k and runs down.
        starts.append(np.arange(count) if direction > 0 else -(count - np.arange(count)))
    closed = np.vstack([*vertices, vertices[0][:1]]) - origin
    left, right = np.ascontiguousarray(left - origin), np.ascontiguousarray(right - origin)
    return Channel(
        name=name, width_m=width_m, start_m=start_m, polygon=polygon, origin=origin,
        ring=np.ascontiguousarray(closed), sides=np.concatenate(sides).astype(np.int64),
        starts=np.concatenate(starts).astype(np.int64), left=left, right=right,
        left_moment=bank_moment(left), right_moment=bank_moment(right),
    )  # fmt: skip


def _walk(ring: NDArray[np.float64], start: int, stop: int, step: int) -> NDArray[np.float64]:
    """Return the vertices of a closed ring from one index to another, both included."""
    count = (stop - start) % len(ring) if step > 0 else (start - stop) % len(ring)
    return ring[(start + step * np.arange(count + 1)) % len(ring)]


def strip(centreline: shapely.LineString, *, width_m: float, name: str = "curvilinear box") -> Channel:
    """Return the strip of a width around a centreline: the curvilinear box of Lea et al. (2014).

    Parameters
    ----------
    centreline : LineString
        From inland to the sea, in a metric plane.
    width_m : float

    References
    ----------
    Lea, J. M., et al. (2014), doi:10.3189/2014JoG13J061.

    Examples
    --------
    >>> box = strip(shapely.LineString([(0, 0), (100, 0)]), width_m=20)
    >>> round(box.inland_area(shapely.LineString([(30, -50), (40, 50)])).area_m2, 6)
    700.0
    """
    polygon = shapely.buffer(centreline, width_m / 2, cap_style="flat", quad_segs=16)
    if polygon.geom_type != "Polygon" or len(polygon.interiors):
        raise InputError(
            f"a {name} of {width_m:g} m around the centreline overlaps itself; choose a narrower one with --box-width"
        )
    ends = shapely.get_coordinates(centreline)
    ends = ends[np.concatenate([[True], np.any(np.diff(ends, axis=0) != 0, axis=1)])]
    corners = []
    for point, direction in ((ends[0], ends[1] - ends[0]), (ends[-1], ends[-1] - ends[-2])):
        normal = np.array([-direction[1], direction[0]]) / np.hypot(*direction) * width_m / 2
        corners.append((point + normal, point - normal))
    (inland_left, inland_right), (sea_left, sea_right) = corners
    return _channel(
        name, polygon, np.array([inland_left, inland_right, sea_right, sea_left]), width_m=width_m, start_m=0.0
    )


def rectangle(centreline: shapely.LineString, *, width_m: float, span_m: tuple[float, float] | None = None) -> Channel:
    """Return the rectilinear box: a rectangle of a width along the straight line between two points of a centreline.

    Parameters
    ----------
    centreline : LineString
        From inland to the sea.
    width_m : float
    span_m : (float, float), optional
        Distances along the centreline between which the line is drawn; by default its whole length.
    """
    start, stop = span_m or (0.0, centreline.length)
    axis = shapely.LineString([centreline.interpolate(start), centreline.interpolate(stop)])
    if axis.length == 0:
        raise InputError("the centreline ends where it starts; a rectilinear box has no direction")
    between = shapely.ops.substring(centreline, start, stop)
    if shapely.hausdorff_distance(between, axis) <= _STRAIGHT_SHARE * axis.length:
        # A line that is straight on the map it was drawn on bends by metres on any other.
        axis = between
    channel = strip(axis, width_m=width_m, name="rectilinear box")
    return Channel(**{**channel.__dict__, "start_m": start})


def fjord_channel(fjord: shapely.Polygon, *, centreline: shapely.LineString) -> Channel:
    """Return a fjord as a channel: its outline is cut where the centreline enters and leaves it.

    The width is the mean one: the fjord's area over the length of the centreline inside it.

    Raises
    ------
    InputError
        Where the centreline does not run through the fjord from one end to the other.
    """
    line, before_m = _prolonged(centreline, fjord)
    hits = shapely.get_coordinates(fjord.exterior.intersection(line))
    if len(hits) < 2:
        raise InputError("the centreline does not run through the fjord; draw one that enters and leaves it")
    along = shapely.line_locate_point(line, shapely.points(hits)) - before_m
    inland, sea = hits[along.argmin()], hits[along.argmax()]
    length = float(np.ptp(along))
    polygon = fjord
    for x, y in (inland, sea):
        polygon = _with_vertex(polygon, x, y)
    corners = np.array([inland, inland, sea, sea])
    return _channel("fjord", polygon, corners, width_m=fjord.area / length, start_m=float(along.min()))


def _prolonged(centreline: shapely.LineString, fjord: shapely.Polygon) -> tuple[shapely.LineString, float]:
    """Return a centreline prolonged straight where it ends inside the fjord or on its edge, and by how much inland."""
    x_min, y_min, x_max, y_max = fjord.bounds
    reach = float(np.hypot(x_max - x_min, y_max - y_min))
    vertices = shapely.get_coordinates(centreline)
    by = []
    for point, direction in ((vertices[0], vertices[0] - vertices[1]), (vertices[-1], vertices[-1] - vertices[-2])):
        inside = fjord.distance(shapely.Point(point)) <= 1e-6 * reach
        by.append((reach if inside else 0.0) * direction / np.hypot(*direction))
    line = shapely.LineString(np.vstack([vertices[0] + by[0], vertices, vertices[-1] + by[1]]))
    return line, float(np.hypot(*by[0]))


def _with_vertex(polygon: shapely.Polygon, x: float, y: float) -> shapely.Polygon:
    """Return a polygon with one more vertex on its outline."""
    ring = shapely.LineString(polygon.exterior.coords)
    at = ring.project(shapely.Point(x, y))
    coordinates = shapely.get_coordinates(ring)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(coordinates, axis=0).T))])
    index = int(np.searchsorted(lengths, at, side="right"))
    return shapely.Polygon(np.insert(coordinates, min(index, len(coordinates) - 1), [x, y], axis=0))
