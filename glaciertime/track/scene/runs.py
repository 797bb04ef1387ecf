"""A raster of zones as runs of equal pixels: read once, then areas, components and fronts cost next to nothing.

Runs of a row follow one another without a gap: run ``k`` holds the columns ``starts[k]`` to ``starts[k + 1] - 1`` of
its row, up to the row's end, and rows share one array of runs cut by ``rows``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Runs", "encode"]


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs of equal pixels.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the raster.
    rows : (H + 1,) int64
        The runs of row ``r`` are ``rows[r]`` to ``rows[r + 1] - 1``.
    starts, stops : (K,) int32
        First column of each run and the one after its last.
    values : (K,) uint8
        Zone of each run.
    """

    shape: tuple[int, int]
    rows: NDArray[np.int64]
    starts: NDArray[np.int32]
    stops: NDArray[np.int32]
    values: NDArray[np.uint8]

    def decode(self) -> NDArray[np.uint8]:
        """Return the raster, (H, W) uint8."""
        return np.repeat(self.values, self.stops - self.starts).reshape(self.shape)


def encode(zones: NDArray[np.uint8]) -> Runs:
    """Return a raster of zones as runs.

    Examples
    --------
    >>> runs = encode(np.array([[7, 7, 9], [9, 9, 9]], dtype=np.uint8))
    >>> runs.starts.tolist(), runs.stops.tolist(), runs.values.tolist(), runs.rows.tolist()
    ([0, 2, 0], [2, 3, 3], [7, 9, 9], [0, 2, 3])
    """
    raster = np.ascontiguousarray(zones, dtype=np.uint8)
    height, width = raster.shape
    # Eight pixels are compared at a time; a width that eight does not divide is padded with its last column.
    padded = raster if width % 8 == 0 else np.pad(raster, ((0, 0), (0, 8 - width % 8)), mode="edge")
    words = padded.view(np.uint64)
    rows = np.zeros(height + 1, dtype=np.int64)
    starts, stops, values = _room(8 * height + 64)
    row = 0
    while (row := _encode(padded, words, width, row, rows, starts, stops, values)) < height:
        held = len(starts)
        more = _room(2 * held + width)
        more[0][:held], more[1][:held], more[2][:held] = starts, stops, values
        starts, stops, values = more
    count = rows[height]
    return Runs(
        shape=(height, width),
        rows=rows,
        starts=starts[:count].copy(),
        stops=stops[:count].copy(),
        values=values[:count].copy(),
    )


def _room(count: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]:
    return np.empty(count, dtype=np.int32), np.empty(count, dtype=np.int32), np.empty(count, dtype=np.uint8)


@njit(cache=True)
def _encode(raster, words, width, row, rows, starts, stops, values):  # type: ignore[no-untyped-def]  # compiled
    """Encode from a row on while there is room; return the first row that is not encoded.

    Arrays are made and enlarged outside: three slice assignments in here took five seconds to compile.
    """
    count = rows[row]
    for r in range(row, raster.shape[0]):
        if count + width + 1 > starts.shape[0]:
            return r
        current = raster[r, 0]
        starts[count] = 0
        values[count] = current
        pattern = np.uint64(current) * np.uint64(0x0101010101010101)
        for w in range(words.shape[1]):
            if words[r, w] == pattern:
                continue
            for c in range(8 * w, min(8 * w + 8, width)):
                if raster[r, c] != current:
                    stops[count] = c
                    count += 1
                    current = raster[r, c]
                    starts[count] = c
                    values[count] = current
            pattern = np.uint64(current) * np.uint64(0x0101010101010101)
        stops[count] = width
        count += 1
        rows[r + 1] = count
    return raster.shape[0]
