"""The front as the CaFFe reference takes it from zones: pixels, not a line.

References
----------
Gourmelon, N., et al. (2022), doi:10.5194/essd-14-4287-2022.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, OCEAN
from glaciertime.track.scene.components import clean_zones, component_sizes
from glaciertime.track.scene.runs import encode

__all__ = ["reference_front_pixels"]

_LEAST_M = 750.0


def reference_front_pixels(
    zones: NDArray[np.uint8],
    *,
    resolution_m: float,
    box: tuple[float, float, float, float] | None = None,
    least_m: float = _LEAST_M,
) -> NDArray[np.bool_]:
    """Return the pixels of the calving front by the steps of the CaFFe reference.

    1. Of what is not ocean, all but the largest 8-connected component becomes ocean. 2. All ocean but its largest
    component becomes glacier. 3. The front are the ocean pixels with a glacier pixel among their four neighbours.
    4. 8-connected components of at most ``least_m / resolution_m`` pixels (a count, not a length) are dropped. 5. Only
    then is everything outside the box dropped.

    Parameters
    ----------
    zones : (H, W) uint8
        0 no data, 64 rock, 127 glacier, 254 ocean and ice mélange.
    resolution_m : float
        Size of a pixel.
    box : (x_min, y_min, x_max, y_max), optional
        In pixels, y downwards, all included after rounding.
    least_m : float

    Returns
    -------
    (H, W) bool

    Raises
    ------
    InputError
        For zones that are not two-dimensional, or a resolution that is not positive.

    Examples
    --------
    >>> zones = np.full((4, 40), 254, dtype=np.uint8)
    >>> zones[:2] = 127
    >>> reference_front_pixels(zones, resolution_m=20).sum(axis=1).tolist()
    [0, 0, 40, 0]
    """
    if zones.ndim != 2:
        raise InputError(f"zones of shape {zones.shape} given, (height, width) expected")
    if not resolution_m > 0:
        raise InputError(f"resolution_m is {resolution_m}; expected the size of a pixel in metres")
    cleaned = clean_zones(zones)
    ocean, glacier = cleaned == OCEAN, cleaned == GLACIER
    beside = np.zeros_like(ocean)
    beside[1:] |= glacier[:-1]
    beside[:-1] |= glacier[1:]
    beside[:, 1:] |= glacier[:, :-1]
    beside[:, :-1] |= glacier[:, 1:]
    front = ocean & beside
    runs = encode(front.astype(np.uint8))
    sizes = component_sizes(runs, runs.values == 1)
    kept = sizes > least_m / resolution_m
    front = np.repeat(kept, runs.stops - runs.starts).reshape(zones.shape)
    if box is not None:
        x_min, y_min, x_max, y_max = (round(value) for value in box)
        inside = np.zeros_like(front)
        inside[max(0, y_min) : y_max + 1, max(0, x_min) : x_max + 1] = True
        front &= inside
    return front
