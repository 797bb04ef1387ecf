"""Changes of the colours of an image: their hue and their saturation, about the grey of the same brightness.

NaN (not observed) stays NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["changed_saturation", "turned_hue"]


def turned_hue(image: NDArray[np.float32], *, angle_deg: float) -> NDArray[np.float32]:
    """Turn the colours of a three-band image about the axis of the greys; red becomes green at 120 degrees.

    The mean of the bands stays, and the distance from grey (Rodrigues' rotation about (1, 1, 1)). A pixel that is not
    observed in all three bands stays as it is.

    Parameters
    ----------
    image : (3, H, W) float32
    angle_deg : float

    Examples
    --------
    >>> red = np.array([1.0, 0.0, 0.0], np.float32).reshape(3, 1, 1)
    >>> np.abs(turned_hue(red, angle_deg=120).ravel()).round(3).tolist()
    [0.0, 1.0, 0.0]
    """
    if image.shape[0] != 3:
        raise InputError(f"image of {image.shape[0]} bands given, three expected: a hue is one of red, green and blue")
    angle = np.deg2rad(angle_deg)
    cosine, sine = np.cos(angle), np.sin(angle) / np.sqrt(3)
    same, before, after = (1 + 2 * cosine) / 3, (1 - cosine) / 3 - sine, (1 - cosine) / 3 + sine
    turn = np.array([[same, before, after], [after, same, before], [before, after, same]])
    turned = np.tensordot(turn, image, axes=1)
    return np.where(np.isfinite(image).all(axis=0), turned, image).astype(np.float32)


def changed_saturation(image: NDArray[np.float32], *, factor: float) -> NDArray[np.float32]:
    """Return ``grey + factor (image - grey)``, grey the mean of the bands observed at each pixel.

    Parameters
    ----------
    image : (C, H, W) float32
        C of at least 2.
    factor : float
        0 for grey, above 1 for brighter colours.

    Examples
    --------
    >>> colours = np.array([2.0, 0.0], np.float32).reshape(2, 1, 1)
    >>> changed_saturation(colours, factor=0.5).ravel().tolist()
    [1.5, 0.5]
    """
    seen = np.isfinite(image)
    count = np.maximum(seen.sum(axis=0), 1)
    grey = np.where(seen, image, 0).sum(axis=0, dtype=np.float64) / count
    return (grey + factor * (image - grey)).astype(np.float32)
