"""The band ratio and the snow index of mountain glaciers, on surface reflectances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError, nearest_names

__all__ = ["METHODS", "OTHER", "needed_bands", "zones_of_reflectance"]

ICE, OTHER, WATER, UNOBSERVED = 127, 64, 254, 0
_RATIO = 2.0
_NDSI = 0.4
#: Water is darker than this in the near infrared, ice and snow in shadow hardly ever.
_NIR_OF_WATER = 0.05
_NDWI_OF_WATER = 0.3
_BLUE_OF_SHADOW = 0.02
METHODS = {"band-ratio": ("blue", "green", "red", "nir", "swir1"), "ndsi": ("green", "nir", "swir1")}


def needed_bands(method: str) -> tuple[str, ...]:
    """Return the bands that a method needs, by name.

    Raises
    ------
    InputError
        If there is no such method.
    """
    if method not in METHODS:
        near = nearest_names(method, METHODS) or list(METHODS)
        raise InputError(f"method '{method}' is not known; nearest: {', '.join(near)}")
    return METHODS[method]


def zones_of_reflectance(
    bands: dict[str, NDArray[np.floating]], *, method: str, median_px: int = 3
) -> NDArray[np.uint8]:
    """Return where ice and snow, water and other ground are, by the reflectance of each pixel.

    ``band-ratio``: ice and snow where ``red > 2 swir1`` and blue is not that of deep shadow (Paul et al. 2013,
    doi:10.3189/2013AoG63A296); a shortwave infrared of zero or less, as the correction of the atmosphere leaves over
    snow, counts as none. ``ndsi``: where ``(green - swir1) / (green + swir1) > 0.4`` (Hall et al. 1995,
    doi:10.1016/0034-4257(95)00137-P). Both take water for ice: what is darker than 0.05 in the near infrared is none.

    Parameters
    ----------
    bands : dict of str to (H, W)
        Surface reflectances by name, see :func:`needed_bands`; NaN where not observed.
    method : str
    median_px : int
        Side of the median filter of the mask; 1 for none.

    Returns
    -------
    (H, W) uint8
        127 ice and snow, 254 water, 64 other, 0 not observed.

    Examples
    --------
    >>> one = lambda *values: dict(zip(("blue", "green", "red", "nir", "swir1"), np.reshape(values, (5, 1, 1))))
    >>> snow, rock = one(0.6, 0.6, 0.6, 0.5, -0.002), one(0.1, 0.1, 0.14, 0.19, 0.23)
    >>> lake = one(0.1, 0.15, 0.1, 0.02, 0.01)
    >>> [int(zones_of_reflectance(each, method="band-ratio", median_px=1)[0, 0]) for each in (snow, rock, lake)]
    [127, 64, 254]
    """
    seen = np.all([np.isfinite(bands[name]) for name in needed_bands(method)], axis=0)
    green, nir, swir = (np.where(seen, bands[name], 0.0) for name in ("green", "nir", "swir1"))
    swir = np.maximum(swir, 0.0)
    if method == "ndsi":
        bright = green > 0
        ice = bright & (green - swir > _NDSI * (green + swir))
    else:
        red, blue = np.where(seen, bands["red"], 0.0), np.where(seen, bands["blue"], 0.0)
        ice = (red > 0) & (red > _RATIO * swir) & (blue > _BLUE_OF_SHADOW)
    dark = nir < _NIR_OF_WATER
    water = dark & (green > 0) & (green - nir > _NDWI_OF_WATER * (green + np.maximum(nir, 0)))
    ice &= ~dark
    if median_px > 1:
        ice = ndimage.median_filter(ice.astype(np.uint8), size=median_px, mode="nearest") > 0
        ice &= ~water & seen
    zones = np.where(ice, ICE, np.where(water, WATER, OTHER))
    return np.where(seen, zones, UNOBSERVED).astype(np.uint8)
