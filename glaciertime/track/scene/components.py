"""Connected pieces of runs of pixels, and the cleaning of zones by the steps of the CaFFe reference.

What is tracked is cleaned by :mod:`~glaciertime.track.scene.cleaning`, which does not let rock and missing data decide.

References
----------
Gourmelon, N., et al. (2022), doi:10.5194/essd-14-4287-2022.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from glaciertime.scenes.acquisition import GLACIER, OCEAN
from glaciertime.track.scene.runs import Runs, encode

__all__ = ["clean_runs", "clean_zones", "component_labels", "component_sizes"]


def clean_runs(runs: Runs) -> Runs:
    """Return zones without icebergs and without holes.

    Of what is not ocean, all but the largest 8-connected component becomes ocean; then all but the largest 8-connected
    component of ocean becomes glacier. Of components of equal size the one met first, from the top left, stays.
    """
    solid = _largest(runs.rows, runs.starts, runs.stops, runs.values != OCEAN)
    water = _largest(runs.rows, runs.starts, runs.stops, ~solid)
    values = np.where(water, np.uint8(OCEAN), np.where(solid, runs.values, np.uint8(GLACIER)))
    return Runs(shape=runs.shape, rows=runs.rows, starts=runs.starts, stops=runs.stops, values=values)


def clean_zones(zones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a raster of zones without icebergs and without holes, as :func:`clean_runs` does.

    Parameters
    ----------
    zones : (H, W) uint8
        0 no data, 64 rock, 127 glacier, 254 ocean.

    Examples
    --------
    An iceberg in the ocean, and a pond in the glacier:

    >>> zones = np.array([[127, 127, 127, 127, 254, 254], [127, 254, 127, 127, 254, 127],
    ...                   [127, 127, 127, 127, 254, 254]], dtype=np.uint8)
    >>> zones[1, 5] = 127
    >>> clean_zones(zones)[1].tolist()
    [127, 127, 127, 127, 254, 254]
    """
    return clean_runs(encode(zones)).decode()


def component_labels(runs: Runs, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, for each run, the index of the first run of its 8-connected component of chosen runs.

    Parameters
    ----------
    runs : Runs
    chosen : (K,) bool
        Runs not chosen are components of their own.
    """
    return np.asarray(_labels(runs.rows, runs.starts, runs.stops, chosen))


def component_sizes(runs: Runs, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, for each run, the number of pixels of the 8-connected component of chosen runs it belongs to.

    Parameters
    ----------
    runs : Runs
    chosen : (K,) bool
        Runs not chosen belong to none and get 0.
    """
    parents = _labels(runs.rows, runs.starts, runs.stops, chosen)
    return _sizes(parents, runs.starts, runs.stops, chosen)


def _largest(
    rows: NDArray[np.int64], starts: NDArray[np.int32], stops: NDArray[np.int32], chosen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the chosen runs that belong to their largest component."""
    parents = _labels(rows, starts, stops, chosen)
    sizes = _sizes(parents, starts, stops, chosen)
    if not chosen.any():
        return chosen
    winner = parents[int(np.argmax(sizes))]
    return chosen & (parents == winner)


@njit(cache=True)
def _root(parents, k):  # type: ignore[no-untyped-def]  # compiled
    while parents[k] != k:
        parents[k] = parents[parents[k]]
        k = parents[k]
    return k


@njit(cache=True)
def _labels(rows, starts, stops, chosen):  # type: ignore[no-untyped-def]  # compiled
    """Return for each run the first run of its component; runs not chosen are their own."""
    parents = np.arange(starts.shape[0])
    for r in range(rows.shape[0] - 1):
        for k in range(rows[r] + 1, rows[r + 1]):
            if chosen[k] and chosen[k - 1]:
                a, b = _root(parents, k - 1), _root(parents, k)
                parents[max(a, b)] = min(a, b)
        if r == 0:
            continue
        above, here = rows[r - 1], rows[r]
        while above < rows[r] and here < rows[r + 1]:
            # Runs that touch at a corner are connected: stop == start is enough.
            touches = starts[here] <= stops[above] and starts[above] <= stops[here]
            if touches and chosen[above] and chosen[here]:
                a, b = _root(parents, above), _root(parents, here)
                if a != b:
                    parents[max(a, b)] = min(a, b)
            if stops[above] < stops[here]:
                above += 1
            elif stops[above] > stops[here]:
                here += 1
            else:
                # Both end at the same column: each touches the other's successor at a corner.
                if here + 1 < rows[r + 1] and chosen[above] and chosen[here + 1]:
                    a, b = _root(parents, above), _root(parents, here + 1)
                    if a != b:
                        parents[max(a, b)] = min(a, b)
                above += 1
    for k in range(parents.shape[0]):
        parents[k] = _root(parents, k)
    return parents


@njit(cache=True)
def _sizes(parents, starts, stops, chosen):  # type: ignore[no-untyped-def]  # compiled
    totals = np.zeros(parents.shape[0], dtype=np.int64)
    for k in range(parents.shape[0]):
        if chosen[k]:
            totals[parents[k]] += stops[k] - starts[k]
    out = np.zeros(parents.shape[0], dtype=np.int64)
    for k in range(parents.shape[0]):
        if chosen[k]:
            out[k] = totals[parents[k]]
    return out
