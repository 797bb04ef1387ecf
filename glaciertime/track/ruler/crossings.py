"""Where a front cuts through a channel, compiled: the inner loop of every box method.

A channel is bounded by a left and a right bank, both running from inland to the sea, and by two caps. The compiled
functions work on plain arrays; :mod:`glaciertime.track.ruler.channel` is the door to them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["bank_moment", "crossings", "inland_area"]

LEFT, RIGHT, INLAND_CAP, SEA_CAP = 0, 1, 2, 3
#: What became of a front: it spans the channel, it ends inside it, it lies outside, it runs through a cap, it spans the
#: channel an even number of times.
SPANS, PARTIAL, OUTSIDE, BEYOND, EVEN = 0, 1, 2, 3, 4

_LONGER_M = 0.01


@njit(cache=True)
def bank_moment(bank: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return twice the signed area that a bank sweeps around the origin, summed up to each vertex."""
    out = np.zeros(bank.shape[0])
    for i in range(1, bank.shape[0]):
        out[i] = out[i - 1] + bank[i - 1, 0] * bank[i, 1] - bank[i, 0] * bank[i - 1, 1]
    return out


@njit(cache=True)
def _twice_as_long(table: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = table.shape
    out = np.empty((2 * rows, columns))
    for i in range(rows):
        for j in range(columns):
            out[i, j] = table[i, j]
    return out


@njit(cache=True)
def crossings(
    front: NDArray[np.float64], ring: NDArray[np.float64], sides: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return where a polyline crosses the closed ring of a channel, in order along the polyline.

    Parameters
    ----------
    front : (N, 2) float64
    ring : (M + 1, 2) float64
        Closed; segment ``j`` runs from vertex ``j`` to ``j + 1``.
    sides : (M,) int64
        Which side of the channel each segment belongs to.
    starts : (M,) int64
        Index of the segment within its bank, counted from inland, negative where the ring runs against the bank.

    Returns
    -------
    (K, 5) float64
        Position along the front (vertex index and fraction), side, position along the bank, x, y.
    """
    count = 0
    found = np.empty((16, 5))
    m = ring.shape[0] - 1
    low_x = low_y = np.inf
    high_x = high_y = -np.inf
    for j in range(m):
        low_x, high_x = min(low_x, ring[j, 0]), max(high_x, ring[j, 0])
        low_y, high_y = min(low_y, ring[j, 1]), max(high_y, ring[j, 1])
    for i in range(front.shape[0] - 1):
        ax, ay, bx, by = front[i, 0], front[i, 1], front[i + 1, 0], front[i + 1, 1]
        x0, x1 = min(ax, bx), max(ax, bx)
        y0, y1 = min(ay, by), max(ay, by)
        if x1 < low_x or x0 > high_x or y1 < low_y or y0 > high_y:
            continue
        first = count
        dx, dy = bx - ax, by - ay
        for j in range(m):
            cx, cy, ex, ey = ring[j, 0], ring[j, 1], ring[j + 1, 0], ring[j + 1, 1]
            if max(cx, ex) < x0 or min(cx, ex) > x1 or max(cy, ey) < y0 or min(cy, ey) > y1:
                continue
            # Half-open side tests: a vertex that lies on a line counts to one side, so that it is crossed once.
            from_front_c = dx * (cy - ay) - dy * (cx - ax)
            from_front_e = dx * (ey - ay) - dy * (ex - ax)
            if (from_front_c >= 0) == (from_front_e >= 0):
                continue
            fx, fy = ex - cx, ey - cy
            from_ring_a = fx * (ay - cy) - fy * (ax - cx)
            from_ring_b = fx * (by - cy) - fy * (bx - cx)
            if (from_ring_a >= 0) == (from_ring_b >= 0):
                continue
            t = from_ring_a / (from_ring_a - from_ring_b)
            u = from_front_c / (from_front_c - from_front_e)
            if count == found.shape[0]:
                found = _twice_as_long(found)
            start = starts[j]
            found[count, 0] = i + t
            found[count, 1] = sides[j]
            found[count, 2] = start + u if start >= 0 else -start - u
            found[count, 3] = ax + t * dx
            found[count, 4] = ay + t * dy
            count += 1
        # A segment of the front rarely crosses twice: insertion sort, which also compiles much faster than argsort.
        for a in range(first + 1, count):
            b = a
            while b > first and found[b - 1, 0] > found[b, 0]:
                for column in range(5):
                    found[b - 1, column], found[b, column] = found[b, column], found[b - 1, column]
                b -= 1
    return found[:count]


@njit(cache=True)
def _inside(x: float, y: float, ring: NDArray[np.float64]) -> bool:
    inside = False
    for j in range(ring.shape[0] - 1):
        y0, y1 = ring[j, 1], ring[j + 1, 1]
        if (y0 > y) != (y1 > y) and x < ring[j, 0] + (y - y0) / (y1 - y0) * (ring[j + 1, 0] - ring[j, 0]):
            inside = not inside
    return inside


@njit(cache=True)
def _moment_at(moment: NDArray[np.float64], bank: NDArray[np.float64], at: float, x: float, y: float) -> float:
    """Return the bank's moment up to a point on it."""
    j = min(int(at), bank.shape[0] - 2)
    return moment[j] + bank[j, 0] * y - x * bank[j, 1]


@njit(cache=True)
def _piece_moment(front: NDArray[np.float64], p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Return twice the signed area that the front sweeps around the origin between two points on it."""
    total = 0.0
    x, y = p[3], p[4]
    for i in range(int(np.floor(p[0])) + 1, int(np.ceil(q[0]))):
        total += x * front[i, 1] - front[i, 0] * y
        x, y = front[i, 0], front[i, 1]
    return total + x * q[4] - q[3] * y


@njit(cache=True)
def _nearest_on(bank: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    """Return position along the bank, x, y and distance of the point of a bank nearest to a point."""
    best = np.array([0.0, 0.0, 0.0, np.inf])
    for j in range(bank.shape[0] - 1):
        dx, dy = bank[j + 1, 0] - bank[j, 0], bank[j + 1, 1] - bank[j, 1]
        length2 = dx * dx + dy * dy
        if length2 == 0:
            continue
        u = min(1.0, max(0.0, ((x - bank[j, 0]) * dx + (y - bank[j, 1]) * dy) / length2))
        px, py = bank[j, 0] + u * dx, bank[j, 1] + u * dy
        distance = np.hypot(px - x, py - y)
        if distance < best[3]:
            best[0], best[1], best[2], best[3] = j + u, px, py, distance
    return best


@njit(cache=True)
def _with_longer_ends(piece: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a polyline a centimetre longer at both ends: one that was cut at a bank then crosses it for sure."""
    out = piece.copy()
    last = piece.shape[0] - 1
    for end, inner in ((0, 1), (last, last - 1)):
        dx, dy = piece[end, 0] - piece[inner, 0], piece[end, 1] - piece[inner, 1]
        length = np.hypot(dx, dy)
        if length > 0:
            out[end, 0] += _LONGER_M * dx / length
            out[end, 1] += _LONGER_M * dy / length
    return out


@njit(cache=True)
def inland_area(
    front: NDArray[np.float64],
    parts: NDArray[np.int64],
    ring: NDArray[np.float64],
    sides: NDArray[np.int64],
    starts: NDArray[np.int64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    left_moment: NDArray[np.float64],
    right_moment: NDArray[np.float64],
) -> tuple[float, float, int, float, float]:
    """Return the area of a channel between its inland cap and a front.

    Parameters
    ----------
    front : (N, 2) float64
        Vertices of all pieces of the front, one after another.
    parts : (P + 1,) int64
        Where the pieces start; the last entry is N.
    ring, sides, starts
        The closed ring of the channel, as :func:`crossings` takes it.
    left, right, left_moment, right_moment
        The banks from inland to the sea, and their :func:`bank_moment`.

    Returns
    -------
    tuple
        Area in m2, share of the channel's width that the front covers, what became of it, the length of the front
        inside the channel and the straight distance between the points where it meets the banks.
    """
    cap_moment = right[0, 0] * left[0, 1] - left[0, 0] * right[0, 1]
    inside_length, chord = 0.0, 0.0
    partial_area, partial_share, partial_chord, beyond = np.nan, 0.0, 0.0, False
    # Per cut: kind (0 spans, 1 bites into the left bank, 2 into the right), positions along the banks, area.
    cut = np.empty((16, 4))
    n_cuts, n_spans = 0, 0
    for part in range(parts.shape[0] - 1):
        piece = _with_longer_ends(front[parts[part] : parts[part + 1]])
        n = piece.shape[0]
        cuts = crossings(piece, ring, sides, starts)
        k = cuts.shape[0]
        inside = _inside(piece[0, 0], piece[0, 1], ring)
        for c in range(k + 1):
            if inside:
                p = np.array([0.0, -1.0, 0.0, piece[0, 0], piece[0, 1]]) if c == 0 else cuts[c - 1]
                q = np.array([n - 1.0, -1.0, 0.0, piece[-1, 0], piece[-1, 1]]) if c == k else cuts[c]
                length, x, y = 0.0, p[3], p[4]
                for i in range(int(np.floor(p[0])) + 1, int(np.ceil(q[0]))):
                    length += np.hypot(piece[i, 0] - x, piece[i, 1] - y)
                    x, y = piece[i, 0], piece[i, 1]
                inside_length += length + np.hypot(q[3] - x, q[4] - y)
                moment = _piece_moment(piece, p, q)
                p_side, q_side = int(p[1]), int(q[1])
                if p_side > RIGHT or q_side > RIGHT:
                    beyond = True
                elif p_side >= 0 and q_side >= 0:
                    if n_cuts == cut.shape[0]:
                        cut = _twice_as_long(cut)
                    if p_side == q_side:
                        bank = left if p_side == LEFT else right
                        bank_m = left_moment if p_side == LEFT else right_moment
                        along = _moment_at(bank_m, bank, q[2], q[3], q[4]) - _moment_at(bank_m, bank, p[2], p[3], p[4])
                        cut[n_cuts, 0] = 1.0 + p_side
                        cut[n_cuts, 1], cut[n_cuts, 2] = min(p[2], q[2]), max(p[2], q[2])
                        cut[n_cuts, 3] = abs(moment - along) / 2
                    else:
                        area = _spanned(p, q, moment, left, right, left_moment, right_moment, cap_moment)
                        at_left, at_right = (p[2], q[2]) if p_side == LEFT else (q[2], p[2])
                        cut[n_cuts, 0], cut[n_cuts, 3] = 0.0, area
                        cut[n_cuts, 1], cut[n_cuts, 2] = at_left, at_right
                        n_spans += 1
                        chord = max(chord, np.hypot(p[3] - q[3], p[4] - q[4]))
                    n_cuts += 1
                else:
                    share, p, q, moment = _extended(p, q, moment, left, right)
                    if share > partial_share:
                        partial_share = share
                        partial_chord = np.hypot(p[3] - q[3], p[4] - q[4])
                        partial_area = _spanned(p, q, moment, left, right, left_moment, right_moment, cap_moment)
            if c < k:
                inside = not inside
    if n_spans > 0 and n_spans % 2 == 0:
        return np.nan, 0.0, EVEN, inside_length, chord
    if n_spans > 0:
        return _alternating(cut[:n_cuts]), 1.0, SPANS, inside_length, chord
    if partial_share > 0:
        return partial_area, partial_share, PARTIAL, inside_length, partial_chord
    return np.nan, 0.0, BEYOND if beyond else OUTSIDE, inside_length, 0.0


@njit(cache=True)
def _extended(p, q, moment, left, right):  # type: ignore[no-untyped-def]  # compiled
    """Return a front that ends inside the channel, prolonged straight to the nearest point of the missing bank."""
    gap = 0.0
    if p[1] < 0 and q[1] < 0:
        to_left, to_right = _nearest_on(left, p[3], p[4]), _nearest_on(right, p[3], p[4])
        end_left, end_right = _nearest_on(left, q[3], q[4]), _nearest_on(right, q[3], q[4])
        p_goes_left = to_left[3] + end_right[3] <= to_right[3] + end_left[3]
        first, last = (to_left, end_right) if p_goes_left else (to_right, end_left)
        p_side, q_side = (LEFT, RIGHT) if p_goes_left else (RIGHT, LEFT)
    else:
        p_side = RIGHT - int(q[1]) if p[1] < 0 else int(p[1])
        q_side = RIGHT - int(p[1]) if q[1] < 0 else int(q[1])
        first = _nearest_on(left if p_side == LEFT else right, p[3], p[4])
        last = _nearest_on(left if q_side == LEFT else right, q[3], q[4])
    if p[1] < 0:
        gap += first[3]
        moment += first[1] * p[4] - p[3] * first[2]
        p = np.array([p[0], float(p_side), first[0], first[1], first[2]])
    if q[1] < 0:
        gap += last[3]
        moment += q[3] * last[2] - last[1] * q[4]
        q = np.array([q[0], float(q_side), last[0], last[1], last[2]])
    width = np.hypot(p[3] - q[3], p[4] - q[4])
    return max(0.0, 1.0 - gap / width) if width > 0 else 0.0, p, q, moment


@njit(cache=True)
def _spanned(p, q, moment, left, right, left_moment, right_moment, cap_moment):  # type: ignore[no-untyped-def]
    """Return the area between the inland cap and a piece of front from bank to bank."""
    at_left, at_right, sign = (p, q, 1.0) if int(p[1]) == LEFT else (q, p, -1.0)
    return 0.5 * abs(
        _moment_at(left_moment, left, at_left[2], at_left[3], at_left[4])
        + sign * moment
        - _moment_at(right_moment, right, at_right[2], at_right[3], at_right[4])
        + cap_moment
    )


@njit(cache=True)
def _alternating(cut: NDArray[np.float64]) -> float:
    """Return the area of ice: each cut of the front turns ice into ocean or back, counted from inland."""
    total = 0.0
    for i in range(cut.shape[0]):
        kind, low = int(cut[i, 0]), cut[i, 1]
        before = 0
        for j in range(cut.shape[0]):
            if j == i:
                continue
            if int(cut[j, 0]) == 0:
                before += (cut[j, 2] if kind == 2 else cut[j, 1]) < low
            elif int(cut[j, 0]) == kind:
                before += (cut[j, 1] < low) + (cut[j, 2] < low)
        # Ice lies behind the first span; a bite into ice takes away, one into ocean adds.
        gains = before % 2 == (0 if kind == 0 else 1)
        total += cut[i, 3] if gains else -cut[i, 3]
    return total
