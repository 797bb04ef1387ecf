"""Icebergs and ponds taken out of a raster of zones, without letting what was not seen or is rock decide.

The CaFFe reference (:mod:`~glaciertime.track.scene.components`) counts rock and unobserved ground as solid: a striped
image then parts the ocean, and a corner without data can outweigh the glacier. Here, at each step:

==================  ===================================================================================================
unobserved ground   takes the class of the nearest observed pixel, for what hangs together only: it has no area, and no
                    front runs along it
rock                joins ice to ice (a glacier round a nunatak is one) and is never turned into ocean
icebergs            ice that does not hang together, over ice and rock, with the glacier becomes ocean; the glacier is
                    the ice at the inland end of the centreline, else the largest piece
ocean               stays where it is the largest piece, or a tenth of that at least and reaches rock or the image's
                    edge (an arm of the sea behind a headland)
water on land       a smaller piece of ocean that touches rock becomes rock: neither ice nor sea
ponds               any other piece of ocean lies in ice and becomes glacier
==================  ===================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK
from glaciertime.track.scene.components import component_labels
from glaciertime.track.scene.runs import Runs, encode

__all__ = ["Cleaned", "clean"]

# Added to the code of a zone where it was not observed but taken from the nearest observed pixel.
_UNSEEN = 1
# A piece of ocean of this share of the largest is sea, if it is open to somewhere.
_SEA_SHARE = 0.1
# A first piece of ice on the centreline smaller than this share of all ice is a speck, not the glacier.
_SPECK_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """A cleaned raster.

    Parameters
    ----------
    seen : Runs
        What was observed, cleaned; no data where nothing was.
    whole : Runs
        The same, unobserved ground filled from the nearest observed; the same object where all was observed.
    """

    seen: Runs
    whole: Runs


def clean(zones: NDArray[np.uint8], *, along: NDArray[np.int64] | None = None) -> Cleaned:
    """Return a raster of zones without icebergs and ponds.

    Parameters
    ----------
    zones : (H, W) uint8
        0 no data, 64 rock, 127 glacier, 254 ocean.
    along : (N, 2) int, optional
        Rows and columns of pixels along the centreline, from inland: the first ice on it is the glacier.

    Examples
    --------
    An unobserved stripe does not part the ocean; the iceberg in it goes:

    >>> zones = np.array([[127, 127, 254, 254, 254], [0, 0, 0, 0, 0], [127, 127, 254, 127, 254]], dtype=np.uint8)
    >>> clean(zones).seen.decode().tolist()
    [[127, 127, 254, 254, 254], [0, 0, 0, 0, 0], [127, 127, 254, 254, 254]]
    """
    raster = np.ascontiguousarray(zones, dtype=np.uint8)
    complete = not (raster == NO_DATA).any()
    runs = encode(raster if complete else _filled(raster))
    values = runs.values.copy()
    unseen = np.isin(values, np.array([ROCK, GLACIER, OCEAN]) + _UNSEEN)
    values[unseen] -= _UNSEEN
    length = (runs.stops - runs.starts).astype(np.int64)

    land = (values == GLACIER) | (values == ROCK)
    labels = component_labels(runs, land)
    seen_ice = np.where((values == GLACIER) & ~unseen, length, 0)
    ice = np.bincount(labels, weights=seen_ice, minlength=len(values)).astype(float)
    if ice.any():
        glacier = _glacier(runs, values, unseen, labels, ice, along)
        values[(values == GLACIER) & (labels != glacier)] = OCEAN

    water = values == OCEAN
    if water.any():
        labels = component_labels(runs, water)
        size = np.bincount(labels, weights=np.where(water, length, 0), minlength=len(values))
        by_rock, by_edge = _touches(runs.rows, runs.starts, runs.stops, values, labels, runs.shape[1], OCEAN, ROCK)
        main = int(np.argmax(size))
        sea = (np.arange(len(values)) == main) | ((size >= _SEA_SHARE * size[main]) & (by_rock | by_edge))
        values[water & ~sea[labels] & by_rock[labels]] = ROCK
        values[water & ~sea[labels] & ~by_rock[labels]] = GLACIER

    whole = Runs(shape=runs.shape, rows=runs.rows, starts=runs.starts, stops=runs.stops, values=values)
    if complete:
        return Cleaned(seen=whole, whole=whole)
    seen = np.where(unseen, np.uint8(NO_DATA), values)
    return Cleaned(
        seen=Runs(shape=runs.shape, rows=runs.rows, starts=runs.starts, stops=runs.stops, values=seen), whole=whole
    )


def _glacier(
    runs: Runs,
    values: NDArray[np.uint8],
    unseen: NDArray[np.bool_],
    labels: NDArray[np.int64],
    ice: NDArray[np.float64],
    along: NDArray[np.int64] | None,
) -> int:
    """Return the label of the glacier: the first ice along the centreline that is no speck, else the most ice."""
    if along is not None and len(along):
        rows, columns = along.T
        # Runs are in order of their row and column, so that one search finds them all.
        width = np.int64(runs.shape[1] + 1)
        row_of = np.repeat(np.arange(runs.shape[0]), np.diff(runs.rows))
        at = np.searchsorted(row_of * width + runs.starts, rows * width + columns, side="right") - 1
        met = at[(values[at] == GLACIER) & ~unseen[at]]
        met = met[ice[labels[met]] >= _SPECK_SHARE * ice.sum()]
        if len(met):
            return int(labels[met[0]])
    return int(np.argmax(ice))


def _filled(zones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return zones whose pixels without data have the class of the nearest observed pixel, plus one."""
    out = zones.copy()
    _spread(out, np.zeros(zones.shape, dtype=np.int32))
    return out


@njit(cache=True)
def _spread(out, distance):  # type: ignore[no-untyped-def]  # compiled
    """Carry the class of the nearest observed pixel into those without data: two sweeps with steps of 3 and 4."""
    height, width = out.shape
    far = np.int32(1 << 30)
    for r in range(height):
        for c in range(width):
            if out[r, c] == 0:
                distance[r, c] = far
    for sweep in range(2):
        step = 1 if sweep == 0 else -1
        for i in range(height):
            r = i if sweep == 0 else height - 1 - i
            for j in range(width):
                c = j if sweep == 0 else width - 1 - j
                if distance[r, c] == 0:
                    continue
                best, value = distance[r, c], out[r, c]
                for dr, dc, cost in ((0, -1, 3), (-1, 0, 3), (-1, -1, 4), (-1, 1, 4)):
                    rr, cc = r + dr * step, c + dc * step
                    if rr < 0 or rr >= height or cc < 0 or cc >= width:
                        continue
                    if distance[rr, cc] + cost < best:
                        best, value = distance[rr, cc] + cost, out[rr, cc]
                if best < distance[r, c]:
                    distance[r, c] = best
                    # A neighbour that was itself filled bears the tag already.
                    out[r, c] = value if _is_tagged(value) else value + _UNSEEN


@njit(cache=True)
def _is_tagged(value):  # type: ignore[no-untyped-def]  # compiled
    return value == ROCK + _UNSEEN or value == GLACIER + _UNSEEN or value == OCEAN + _UNSEEN


@njit(cache=True)
def _touches(rows, starts, stops, values, labels, width, chosen, other):  # type: ignore[no-untyped-def]  # compiled
    """Return for each label of runs of one value whether one of them touches another value, and the raster's edge."""
    near = np.zeros(values.shape[0], dtype=np.bool_)
    edge = np.zeros(values.shape[0], dtype=np.bool_)
    n_rows = rows.shape[0] - 1
    for r in range(n_rows):
        for k in range(rows[r], rows[r + 1]):
            if values[k] == chosen:
                if r == 0 or r == n_rows - 1 or starts[k] == 0 or stops[k] == width:
                    edge[labels[k]] = True
                if k > rows[r] and values[k - 1] == other:
                    near[labels[k]] = True
                if k + 1 < rows[r + 1] and values[k + 1] == other:
                    near[labels[k]] = True
        if r == 0:
            continue
        above, here = rows[r - 1], rows[r]
        while above < rows[r] and here < rows[r + 1]:
            if starts[here] < stops[above] and starts[above] < stops[here]:
                if values[above] == chosen and values[here] == other:
                    near[labels[above]] = True
                if values[here] == chosen and values[above] == other:
                    near[labels[here]] = True
            if stops[above] <= stops[here]:
                above += 1
            else:
                here += 1
    return near, edge
