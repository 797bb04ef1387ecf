"""The boundary between ocean and glacier pixels as lines, traced on runs of pixels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

from glaciertime.scenes.acquisition import GLACIER, OCEAN
from glaciertime.track.scene.runs import Runs, encode

__all__ = ["front_lines", "front_lines_of_runs"]


def front_lines(zones: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Return the lines between ocean and glacier pixels; see :func:`front_lines_of_runs`.

    Examples
    --------
    >>> front_lines(np.array([[127, 127, 254], [127, 127, 254]], dtype=np.uint8))[0].tolist()
    [[2.0, 0.5], [2.0, 1.5]]
    """
    return front_lines_of_runs(encode(zones))


def front_lines_of_runs(runs: Runs) -> list[NDArray[np.float64]]:
    """Return the lines between ocean and glacier pixels.

    A vertex lies in the middle of the edge that an ocean pixel shares with a glacier pixel; vertices of edges that meet
    at a corner are joined, which cuts the corners of the staircase as marching squares do. Boundaries of the ocean
    with rock, with no data and with the image's edge are no front: there a line ends. Where two glacier pixels touch
    at a corner only, the ocean passes between them.

    Returns
    -------
    list of (N, 2) float64
        Column and row of the vertices, in pixels from the upper left corner of the raster; closed lines repeat their
        first vertex. Single edges without a neighbour are left out.
    """
    x, y, vertical, ocean_first = _edges(runs.rows, runs.starts, runs.stops, runs.values, OCEAN, GLACIER)
    count = len(x)
    if count == 0:
        return []
    # The two corners where each edge ends, as one number each.
    width = np.int64(runs.shape[1] + 1)
    first = np.where(vertical, y * width + x, y * width + x)
    second = np.where(vertical, (y + 1) * width + x, y * width + x + 1)
    corners = np.concatenate([first, second])
    order = np.argsort(corners, kind="stable")
    links = _links(corners[order], order % count, count, x, y, vertical, ocean_first)
    sequence, parts = _chains(links)
    centres = np.column_stack([np.where(vertical, x, x + 0.5), np.where(vertical, y + 0.5, y)])
    lines = [centres[sequence[a:b]] for a, b in pairwise(parts)]
    return [line for line in lines if len(line) > 1]


@njit(cache=True)
def _edges(rows, starts, stops, values, ocean, glacier):  # type: ignore[no-untyped-def]  # compiled
    """Return column, row, direction and side of every edge between an ocean and a glacier pixel."""
    n_rows = rows.shape[0] - 1
    # Counted first, then filled: arrays that grow would take longer to compile than to count.
    total = 0
    for turn in range(2):
        x = np.empty(total, dtype=np.int64)
        y = np.empty(total, dtype=np.int64)
        vertical = np.empty(total, dtype=np.bool_)
        ocean_first = np.empty(total, dtype=np.bool_)
        count = 0
        for r in range(n_rows):
            for k in range(rows[r] + 1, rows[r + 1]):
                a, b = values[k - 1], values[k]
                if (a == ocean and b == glacier) or (a == glacier and b == ocean):
                    if turn == 1:
                        x[count], y[count], vertical[count], ocean_first[count] = starts[k], r, True, a == ocean
                    count += 1
            if r == 0:
                continue
            above, here = rows[r - 1], rows[r]
            while above < rows[r] and here < rows[r + 1]:
                a, b = values[above], values[here]
                if (a == ocean and b == glacier) or (a == glacier and b == ocean):
                    first, last = max(starts[above], starts[here]), min(stops[above], stops[here])
                    if turn == 1:
                        for c in range(first, last):
                            at = count + c - first
                            x[at], y[at], vertical[at], ocean_first[at] = c, r, False, a == ocean
                    count += max(0, last - first)
                if stops[above] <= stops[here]:
                    if stops[above] == stops[here]:
                        here += 1
                    above += 1
                else:
                    here += 1
        total = count
    return x, y, vertical, ocean_first


@njit(cache=True)
def _links(corners, edges, count, x, y, vertical, ocean_first):  # type: ignore[no-untyped-def]  # compiled
    """Return the one or two neighbours of every edge, -1 where there is none."""
    links = np.full((count, 2), -1)
    i = 0
    while i < corners.shape[0]:
        j = i
        while j < corners.shape[0] and corners[j] == corners[i]:
            j += 1
        if j - i == 2:
            _join(links, edges[i], edges[i + 1])
        elif j - i == 4:
            # Two glacier pixels touch at this corner: the edges around each of them belong together.
            top = bottom = left = right = -1
            top_row, left_column = np.int64(1) << 62, np.int64(1) << 62
            for k in range(i, j):
                e = edges[k]
                if vertical[e]:
                    top_row = min(top_row, y[e])
                else:
                    left_column = min(left_column, x[e])
            for k in range(i, j):
                e = edges[k]
                if vertical[e]:
                    if y[e] == top_row:
                        top = e
                    else:
                        bottom = e
                elif x[e] == left_column:
                    left = e
                else:
                    right = e
            if ocean_first[top]:
                _join(links, top, right)
                _join(links, bottom, left)
            else:
                _join(links, top, left)
                _join(links, bottom, right)
        i = j
    return links


@njit(cache=True)
def _join(links, a, b):  # type: ignore[no-untyped-def]  # compiled
    links[a, 0 if links[a, 0] < 0 else 1] = b
    links[b, 0 if links[b, 0] < 0 else 1] = a


@njit(cache=True)
def _chains(links):  # type: ignore[no-untyped-def]  # compiled
    """Return edges in order of their lines, and where each line starts."""
    count = links.shape[0]
    seen = np.zeros(count, dtype=np.bool_)
    sequence = np.empty(2 * count, dtype=np.int64)
    parts = np.empty(count + 1, dtype=np.int64)
    parts[0] = 0
    n_parts, at = 0, 0
    for closed in range(2):
        for start in range(count):
            if seen[start] or (closed == 0 and links[start, 1] >= 0):
                continue
            previous, current = -1, start
            while current >= 0 and not seen[current]:
                seen[current] = True
                sequence[at] = current
                at += 1
                following = links[current, 0]
                if following == previous and links[current, 1] != previous:
                    following = links[current, 1]
                elif following == previous:
                    # A line of two edges that share both corners, or a dead end.
                    following = links[current, 1] if previous < 0 else -1
                previous, current = current, following
            if closed == 1:
                sequence[at] = start
                at += 1
            n_parts += 1
            parts[n_parts] = at
    return sequence[:at], parts[: n_parts + 1]
