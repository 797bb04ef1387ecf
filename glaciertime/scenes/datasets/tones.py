"""Changes of what an optical image looks like that move no pixel: brightness, haze, gaps, the edge of a scene.

NaN (not observed) stays NaN. What knows the physics of radar (speckle, gain) is in :mod:`.radiometry`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.radiometry import Seed
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.scenes.datasets.warping import smooth_field

__all__ = [
    "blurred",
    "brightness_contrast",
    "class_tone",
    "gamma",
    "illumination",
    "moments",
    "saturate",
    "scan_line_gaps",
    "scene_edge",
    "tone_step",
    "veil",
]


def brightness_contrast(image: NDArray[np.float32], *, contrast: float, brightness: float) -> NDArray[np.float32]:
    """Return ``contrast * (image - mean) + mean + brightness * std``, band by band.

    Examples
    --------
    >>> brightness_contrast(np.array([[[0.0, 2.0]]], np.float32), contrast=2.0, brightness=1.0)
    array([[[0., 4.]]], dtype=float32)
    """
    mean, spread = moments(image)
    return (contrast * (image - mean) + mean + brightness * spread).astype(np.float32)


def moments(image: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of the observed pixels of each band; 0 where there are none."""
    observed = np.isfinite(image)
    count = np.maximum(observed.sum(axis=(1, 2), keepdims=True), 1)
    mean = np.where(observed, image, 0).sum(axis=(1, 2), keepdims=True, dtype=np.float64) / count
    square = (np.where(observed, image - mean, 0) ** 2).sum(axis=(1, 2), keepdims=True) / count
    return mean, np.sqrt(square)


def gamma(image: NDArray[np.float32], *, exponent: float) -> NDArray[np.float32]:
    """Return the image with each band's range mapped to 0 .. 1, raised to a power, and mapped back.

    Examples
    --------
    >>> gamma(np.array([[[0.0, 2.0, 4.0]]], np.float32), exponent=2.0)
    array([[[0., 1., 4.]]], dtype=float32)
    """
    if not exponent > 0:
        raise InputError(f"gamma exponent {exponent} given, a positive number expected")
    observed = np.isfinite(image)
    low = np.where(observed, image, np.inf).min(axis=(1, 2), keepdims=True)
    spread = np.where(observed, image, -np.inf).max(axis=(1, 2), keepdims=True) - low
    low = np.where(np.isfinite(low), low, 0)
    spread = np.where(np.isfinite(spread), spread, 0)
    unit = np.where(observed, image - low, 0) / np.where(spread > 0, spread, 1)
    return np.where(observed, low + spread * unit**exponent, np.nan).astype(np.float32)


def illumination(image: NDArray[np.float32], *, amplitude: float, seed: Seed) -> NDArray[np.float32]:
    """Add a smooth field of the given amplitude in standard deviations of each band: haze, slope, vignetting."""
    field = smooth_field((image.shape[1], image.shape[2]), cells=3, rng=np.random.default_rng(seed))
    return (image + amplitude * moments(image)[1] * field).astype(np.float32)


def tone_step(image: NDArray[np.float32], *, amplitude: float, width_px: float, seed: Seed) -> NDArray[np.float32]:
    """Brighten one side of a random line by ``amplitude`` standard deviations, over a width of ``width_px``."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: image.shape[1], : image.shape[2]]
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * (rows - rng.uniform(0, image.shape[1])) + np.sin(angle) * (
        columns - rng.uniform(0, image.shape[2])
    )
    side = 0.5 + 0.5 * np.tanh(along / width_px)
    return (image + amplitude * moments(image)[1] * side).astype(np.float32)


def class_tone(
    image: NDArray[np.float32], labels: NDArray[np.uint8], *, gain: float, offset: float, seed: Seed
) -> NDArray[np.float32]:
    """Change one class alone: ``gain * x + offset * std`` within it, with a soft edge about three pixels wide.

    Parameters
    ----------
    image : (C, H, W) float32
    labels : (H, W) uint8
        The class is drawn from those that occur; without any, nothing changes.
    gain, offset : float
        The offset in standard deviations of each band.
    seed : int or Generator

    Examples
    --------
    >>> image, labels = np.ones((1, 2, 20), np.float32), np.zeros((2, 20), np.uint8)
    >>> class_tone(image, labels, gain=3.0, offset=0.0, seed=0)[0, 0, 9].round(3)
    np.float32(3.0)
    """
    present = np.unique(labels)
    present = present[present != IGNORE]
    if not present.size:
        return image
    chosen = np.random.default_rng(seed).choice(present)
    share = ndimage.uniform_filter((labels == chosen).astype(np.float32), size=3)
    return (image + share * ((gain - 1) * image + offset * moments(image)[1])).astype(np.float32)


def veil(image: NDArray[np.float32], *, opacity: float, brightness: float, seed: Seed) -> NDArray[np.float32]:
    """Lay a smooth patchy veil over the image: ``(1 - a) x + a (mean + brightness * std)``, a from 0 to ``opacity``.

    Examples
    --------
    >>> veil(np.ones((1, 32, 32), np.float32), opacity=0.5, brightness=0.0, seed=0).max()
    np.float32(1.0)
    """
    rng = np.random.default_rng(seed)
    shape = (image.shape[1], image.shape[2])
    share = opacity * np.clip(rng.uniform(-0.3, 0.7) + smooth_field(shape, cells=5, rng=rng), 0, 1)
    mean, spread = moments(image)
    return (image + share * (mean + brightness * spread - image)).astype(np.float32)


def blurred(image: NDArray[np.float32], *, sigma_px: float) -> NDArray[np.float32]:
    """Return a Gaussian blur of what was observed; a pixel that was not observed stays so and blurs into none.

    ``sum(g x) / sum(g)`` over the observed pixels, g the weights of the Gaussian.

    Examples
    --------
    >>> image = np.array([[[1.0, 1.0, np.nan]]], np.float32)
    >>> blurred(image, sigma_px=1.0)
    array([[[ 1.,  1., nan]]], dtype=float32)
    """
    sigma = (0, sigma_px, sigma_px)
    seen = np.isfinite(image)
    if seen.all():
        return np.asarray(ndimage.gaussian_filter(image, sigma=sigma))
    share = ndimage.gaussian_filter(seen.astype(np.float32), sigma=sigma)
    total = ndimage.gaussian_filter(np.where(seen, image, np.float32(0)), sigma=sigma)
    return np.where(seen, total / np.where(seen, share, 1), np.float32(np.nan)).astype(np.float32)


def saturate(image: NDArray[np.float32], *, limit: float) -> NDArray[np.float32]:
    """Cut each band off at ``limit`` standard deviations above its mean.

    Examples
    --------
    >>> saturate(np.array([[[0.0, 2.0]]], np.float32), limit=0.5)
    array([[[0. , 1.5]]], dtype=float32)
    """
    mean, spread = moments(image)
    return np.minimum(image, mean + limit * spread).astype(np.float32)


def scan_line_gaps(image: NDArray[np.float32], *, value: float, seed: Seed) -> NDArray[np.float32]:
    """Blank slanted stripes, as Landsat 7 has since its scan-line corrector failed in May 2003.

    Parameters
    ----------
    image : (C, H, W) float32
    value : float
        What a gap holds; what was not observed stays so.
    seed : int or Generator

    Returns
    -------
    (C, H, W) float32
    """
    rng = np.random.default_rng(seed)
    period, width = rng.uniform(18, 40), rng.uniform(2, 7)
    angle = np.deg2rad(rng.uniform(0, 180))
    rows, columns = np.mgrid[: image.shape[1], : image.shape[2]]
    phase = (rows * np.cos(angle) + columns * np.sin(angle) + rng.uniform(0, period)) % period
    return np.where((phase < width)[None] & np.isfinite(image), np.float32(value), image).astype(np.float32)


def scene_edge(image: NDArray[np.float32], *, share: float, value: float, seed: Seed) -> NDArray[np.float32]:
    """Blank what lies beyond a straight line, as where a scene ends within the image.

    Parameters
    ----------
    image : (C, H, W) float32
    share : float
        Of the image that is blanked, 0 to 1.
    value : float
        What is beyond the edge; what was not observed stays so.
    seed : int or Generator
        Of the line's direction: any, for north need not be up.

    Returns
    -------
    (C, H, W) float32

    Examples
    --------
    >>> float(scene_edge(np.ones((1, 40, 30), np.float32), share=0.25, value=0.0, seed=1).mean())
    0.75
    """
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[: image.shape[1], : image.shape[2]]
    along = np.cos(angle) * rows + np.sin(angle) * columns
    beyond = (along > np.quantile(along, 1 - share)) & np.isfinite(image)
    return np.where(beyond, np.float32(value), image).astype(np.float32)
