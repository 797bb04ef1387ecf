"""What lies over a front: clouds, which a front model takes for ocean or ice, and ground that was not observed.

The edge of an opaque cloud looks like a front to a network that has seen few clouds, and it is as sure of it as of any
other. What gives a cloud away is its surface: bright and without texture, where ice has crevasses, melange has floes
and rock has gullies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["share_smooth", "share_unobserved", "why_covered"]

#: Local spread over the brightness above the darkest of the image, below which a surface has no texture.
_SMOOTH = 0.025
#: Darker than this share of the image, a smooth surface is water or shadow.
_BRIGHT = 0.5
_NEIGHBOURHOOD_PX = 5
#: Rows beside the front, to either side, that are looked at.
_BESIDE_PX = (3.0, 11.0)
#: Share of the columns of a frame along which clouds, or nothing, may lie beside the front. Chosen on fronts of two
#: glaciers and tried on the third; see ``scripts/check_clouds.py``.
_MOST_SMOOTH = 0.4
_MOST_UNOBSERVED = 0.25


def why_covered(image: NDArray[np.floating], rows: NDArray[np.floating], *, detail: float = 1.0) -> str:
    """Return why a front cannot have been seen, or ``""``.

    Parameters
    ----------
    image : (C, h, w)
        In the frame of the model, NaN where not observed.
    rows : (w,)
        Row of the front in each column.
    detail : float
        Pixels of the scene to one of the frame; below 1 the frame is interpolated, and has the less texture.
    """
    unobserved = share_unobserved(image, rows)
    if unobserved > _MOST_UNOBSERVED:
        return f"along {unobserved:.0%} of it the image was not observed"
    smooth = share_smooth(image[0], rows, detail=detail)
    if smooth > _MOST_SMOOTH:
        return f"along {smooth:.0%} of it lies a bright surface without texture, as of a cloud"
    return ""


def share_unobserved(image: NDArray[np.floating], rows: NDArray[np.floating]) -> float:
    """Return the share of the columns, of those that show anything, in which pixels beside the front are missing.

    Examples
    --------
    >>> image = np.ones((1, 40, 4)); image[0, 18:22, 0] = np.nan
    >>> share_unobserved(image, np.full(4, 20.0))
    0.25
    """
    seen = np.isfinite(image).any(axis=0)
    shown = seen.any(axis=0)
    if not shown.any():
        return 1.0
    below = np.arange(len(seen))[:, None] + 0.5 - np.asarray(rows)[None]
    hidden = (~seen & (np.abs(below) <= _BESIDE_PX[0])).any(axis=0)
    return float(hidden[shown].mean())


def share_smooth(band: NDArray[np.floating], rows: NDArray[np.floating], *, detail: float = 1.0) -> float:
    """Return the share of the columns in which the image is bright and smooth beside a front, on its worse side.

    Smooth is where the spread over five pixels is below 2.5 % of the brightness above the darkest of the image, bright
    what is no darker than its median: whatever the unit of the values.

    Parameters
    ----------
    band : (h, w)
        NaN where not observed.
    rows : (w,)
    detail : float
        See :func:`why_covered`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ice = rng.uniform(20, 100, (60, 30))
    >>> cloud = np.where(np.arange(60)[:, None] < 30, 90.0, ice)
    >>> share_smooth(ice, np.full(30, 30.0)), share_smooth(cloud, np.full(30, 30.0))
    (0.0, 1.0)
    """
    seen = np.isfinite(band)
    if not seen.any():
        return 0.0
    values = np.where(seen, band, 0).astype(np.float64)
    count = np.maximum(ndimage.uniform_filter(seen.astype(np.float64), _NEIGHBOURHOOD_PX), 1e-9)
    mean = ndimage.uniform_filter(values, _NEIGHBOURHOOD_PX) / count
    square = ndimage.uniform_filter(values**2, _NEIGHBOURHOOD_PX) / count
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    dark, middle = np.percentile(values[seen], [0.5, 100 * _BRIGHT])
    smooth = seen & (spread < _SMOOTH * min(1.0, detail) * (mean - dark)) & (mean - dark > 0.98 * (middle - dark))
    below = np.arange(len(band))[:, None] + 0.5 - np.asarray(rows)[None]
    shares = []
    for near, far in (_BESIDE_PX, (-_BESIDE_PX[1], -_BESIDE_PX[0])):
        beside = (below >= near) & (below <= far) & seen
        known = beside.sum(axis=0)
        shares.append(
            float(((smooth & beside).sum(axis=0) > 0.6 * np.maximum(known, 3)).sum() / seen.any(axis=0).sum())
        )
    return max(shares)
