"""Patches of a raster on one fixed grid, and the weights they are blended with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["PatchGrid", "gaussian_weights"]


def gaussian_weights(side: int) -> NDArray[np.float32]:
    """Return weights of a square patch: Gaussian around its centre, sigma an eighth of its side, nowhere zero.

    What underflows at the corners is replaced by the smallest weight that does not.

    Parameters
    ----------
    side : int
        Pixels.

    Returns
    -------
    (side, side) float32
        Largest 1 (up to the half pixel between the middle ones), smallest above 0.

    Examples
    --------
    >>> weights = gaussian_weights(512)
    >>> bool(weights.min() > 0), round(float(weights.max()), 3), bool((weights == weights.T[::-1]).all())
    (True, 1.0, True)
    """
    offset = np.arange(side) - (side - 1) / 2
    profile = np.exp(-0.5 * (offset / (side / 8)) ** 2)
    weights = np.outer(profile, profile).astype(np.float32)
    # Weights are summed in float32: one that vanishes beside the others would leave 0 / 0 at a raster's corner.
    floor = np.float32(1e-6)
    return np.maximum(weights, floor)


@dataclass(frozen=True)
class PatchGrid:
    """Patches of one side, half a side apart, anchored to the raster's own origin.

    Every pixel lies in the middle half (along both axes) of exactly one patch, so that each patch is read with twice
    the context of the pixels it counts most for. The grid does not know in which pieces a raster is processed.

    Attributes
    ----------
    height, width : int
        Of the raster.
    side : int
        Of a patch, an even number.

    Examples
    --------
    >>> grid = PatchGrid(height=100, width=200, side=64)
    >>> list(grid.rows()), grid.columns(0, 50)
    ([-16, 16, 48, 80], [-16, 16, 48])
    """

    height: int
    width: int
    side: int

    def __post_init__(self) -> None:
        if self.side < 32 or self.side % 4:
            raise InputError(f"patches of {self.side} px asked for, a multiple of 4 of at least 32 expected")

    @property
    def stride(self) -> int:
        """Return the distance of neighbouring patches, pixels."""
        return self.side // 2

    def rows(self) -> range:
        """Return the first row of every line of patches; the first lies above the raster, the last may reach below."""
        return range(-self.side // 4, self.height - self.side // 4, self.stride)

    def columns(self, start: int, stop: int) -> list[int]:
        """Return the first column of every patch that touches the columns from start to stop (exclusive)."""
        lefts = range(-self.side // 4, self.width - self.side // 4, self.stride)
        return [left for left in lefts if left + self.side > start and left < stop]
