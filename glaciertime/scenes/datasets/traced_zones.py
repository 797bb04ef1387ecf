"""Zone labels from a traced calving front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["zones_from_trace"]

GLACIER, OCEAN, NO_DATA = 127, 254, 0


def zones_from_trace(trace: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return glacier and ocean on the two sides of a front that was traced across an image with the ocean up.

    The two ends of the trace are carried on to the sides of the image along their rows; what is then connected to
    the first row is ocean, what is connected to the last row is glacier, the traced pixels themselves are ocean.
    Columns that the trace does not reach stay without a label, and so do pockets that touch neither row: there,
    nothing says on which side of the front a pixel lies. The ocean pixels with a glacier pixel among their four
    neighbours, within the labelled columns, are the traced pixels again where the trace is one pixel wide.

    Parameters
    ----------
    trace : (H, W) bool
        True on the front, 8-connected.

    Returns
    -------
    (H, W) uint8
        0 no label, 127 glacier, 254 ocean.

    Raises
    ------
    InputError
        If nothing is traced, or the trace does not separate the first row from the last.

    Examples
    --------
    >>> trace = np.zeros((4, 5), bool)
    >>> trace[1, 1:3] = trace[2, 3] = True
    >>> zones_from_trace(trace)
    array([[  0, 254, 254, 254,   0],
           [  0, 254, 254, 254,   0],
           [  0, 127, 127, 254,   0],
           [  0, 127, 127, 127,   0]], dtype=uint8)
    """
    from scipy import ndimage

    if trace.ndim != 2 or not trace.any():
        raise InputError(f"front trace of shape {trace.shape} without a traced pixel given, one line expected")
    columns = np.flatnonzero(trace.any(axis=0))
    first, last = int(columns[0]), int(columns[-1])
    barrier = trace.copy()
    barrier[int(np.flatnonzero(trace[:, first])[0]), :first] = True
    barrier[int(np.flatnonzero(trace[:, last])[0]), last + 1 :] = True
    regions, _ = ndimage.label(~barrier)
    above = np.setdiff1d(np.unique(regions[0]), 0)
    below = np.setdiff1d(np.unique(regions[-1]), 0)
    if np.intersect1d(above, below).size:
        raise InputError(
            f"front trace over columns {first} to {last} has gaps: the ocean above and the ice below touch; close it"
        )
    zones = np.full(trace.shape, NO_DATA, dtype=np.uint8)
    zones[np.isin(regions, below)] = GLACIER
    zones[np.isin(regions, above) | trace] = OCEAN
    zones[:, :first] = zones[:, last + 1 :] = NO_DATA
    return zones
