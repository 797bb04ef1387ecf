"""Patches of a raster on one fixed grid, and the weights they are blended with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["PatchGrid"]

#: Weights are summed in float32: one that vanishes beside the others would leave 0 / 0 at a raster's corner.
_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class PatchGrid:
    """Patches of one size inside a raster, half a side apart; the last of each axis ends with the raster.

    A raster no larger than a patch is one patch, as large as itself: nothing is made up beyond its edges. In one that
    is a pixel larger, a second patch counts by how far it lies beyond the first, next to nothing where both see the
    same: what comes of a raster does not jump where it outgrows a patch. The grid does not know in which pieces a
    raster is processed.

    Attributes
    ----------
    height, width : int
        Of the raster.
    side : int
        Of a patch, an even number.

    Examples
    --------
    >>> grid = PatchGrid(height=100, width=50, side=64)
    >>> grid.shape, grid.rows(), grid.columns(0, 50), PatchGrid(height=65, width=96, side=64).columns(0, 20)
    ((64, 50), [0, 32, 36], [0], [0])
    """

    height: int
    width: int
    side: int

    def __post_init__(self) -> None:
        if self.side < 32 or self.side % 4:
            raise InputError(f"patches of {self.side} px asked for, a multiple of 4 of at least 32 expected")

    @property
    def shape(self) -> tuple[int, int]:
        """Return the rows and columns of every patch."""
        return min(self.side, self.height), min(self.side, self.width)

    def rows(self) -> list[int]:
        """Return the first row of every line of patches."""
        return self._starts(self.height)

    def columns(self, start: int, stop: int) -> list[int]:
        """Return the first column of every patch that touches the columns from start to stop (exclusive)."""
        return [left for left in self._starts(self.width) if left + self.shape[1] > start and left < stop]

    def weights(self) -> NDArray[np.float32]:
        """Return the weights of the pixels of a patch, (h, w): Gaussian around its centre, nowhere zero.

        Sigma is an eighth of the side; along an axis of one patch alone all count the same.

        Examples
        --------
        >>> weights = PatchGrid(height=600, width=600, side=512).weights()
        >>> bool(weights.min() > 0), round(float(weights.max()), 3), bool((weights == weights.T[::-1]).all())
        (True, 1.0, True)
        """
        offset = np.arange(self.side) - (self.side - 1) / 2
        profile = np.exp(-0.5 * (offset / (self.side / 8)) ** 2)
        across = [profile if length > self.side else np.ones(length) for length in (self.height, self.width)]
        return np.asarray(np.maximum(np.outer(*across), _LEAST_WEIGHT), dtype=np.float32)

    def share(self, top: int, left: int) -> float:
        """Return how much a patch counts beside others: in full where it lies half a side beyond the one before."""
        stride = self.side // 2
        return float(np.prod([(start % stride or stride) / stride for start in (top, left)]))

    def _starts(self, length: int) -> list[int]:
        last = max(length - self.side, 0)
        return [*range(0, last, self.side // 2), last]
