"""Random changes of an image, and of its labels where they move pixels, for training.

Every function takes ``seed``, an integer or a :class:`numpy.random.Generator`, and leaves its input alone. NaN
(not observed) stays NaN. The radiometric ones that know physics (speckle, gain) are in :mod:`.radiometry`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.radiometry import add_speckle
from glaciertime.scenes.datasets.sample import IGNORE

__all__ = [
    "Augmentation",
    "Seed",
    "augment",
    "brightness_contrast",
    "class_tone",
    "gamma",
    "illumination",
    "saturate",
    "scan_line_gaps",
    "tone_step",
    "transplant_ocean",
    "veil",
    "warp",
]

Seed = int | np.random.Generator


@dataclass(frozen=True)
class Augmentation:
    """How far each change may go; the defaults suit one optical band with the ocean up.

    Attributes
    ----------
    size : (int, int) or None
        Height and width of the patch cut out, pixels; None keeps the image's.
    flip_columns, flip_rows : bool
        Mirror left and right, up and down, each with probability one half.
    rotation_deg : float
        Largest rotation either way, degrees.
    scale : (float, float)
        Smallest and largest magnification, drawn evenly in its logarithm.
    shift_px : (float, float)
        Largest shift of the patch's centre along rows and along columns, pixels.
    stretch : float
        Largest |ln| of the magnification along rows over that along columns, halved.
    elastic_px : float
        Standard deviation of a smooth random displacement, pixels.
    bend_px : float
        Standard deviation of a smooth displacement along rows alone, pixels: another shape of the front.
    brightness, contrast, gamma_log : float
        Largest offset in standard deviations, largest relative change of contrast, largest |ln gamma|.
    illumination : float
        Amplitude of a smooth additive field, standard deviations.
    noise : float
        Largest standard deviation of white noise, in standard deviations of the image.
    blur_px : float
        Largest standard deviation of a Gaussian blur, pixels.
    tone_step : float
        Probability that one side of a line is darker or brighter: a cloud's shadow, the seam of a mosaic.
    class_tone : float
        Probability that one class is brighter or darker than it was: neither side of a front is always the bright one.
    veil : float
        Probability of haze or thin cloud.
    saturation : float
        Probability that everything above some brightness looks the same, as snow does in the early sensors.
    gaps : float
        Probability of scan-line gaps as of Landsat 7 after May 2003.
    invert : float
        Probability of turning bright into dark.
    speckle_looks : (float, float) or None
        Range of the number of looks of added speckle (image in intensity); None for none.
    missing : float
        Probability that one band that is present is dropped (only where there are several).
    transplant : float
        Probability that the ocean of another sample takes the place of this one's, see :func:`transplant_ocean`.
    """

    size: tuple[int, int] | None = None
    flip_columns: bool = True
    flip_rows: bool = False
    rotation_deg: float = 25.0
    scale: tuple[float, float] = (0.7, 1.4)
    shift_px: tuple[float, float] = (30.0, 20.0)
    stretch: float = 0.0
    elastic_px: float = 2.0
    bend_px: float = 0.0
    brightness: float = 0.4
    contrast: float = 0.4
    gamma_log: float = 0.5
    illumination: float = 0.3
    noise: float = 0.2
    blur_px: float = 0.8
    tone_step: float = 0.15
    class_tone: float = 0.0
    veil: float = 0.0
    saturation: float = 0.0
    gaps: float = 0.1
    invert: float = 0.0
    speckle_looks: tuple[float, float] | None = None
    missing: float = 0.0
    transplant: float = 0.0


def warp(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    *,
    size: tuple[int, int],
    centre: tuple[float, float],
    rotation_deg: float = 0.0,
    scale: float = 1.0,
    flip_rows: bool = False,
    flip_columns: bool = False,
    stretch: float = 1.0,
    elastic_px: float = 0.0,
    bend_px: float = 0.0,
    seed: Seed = 0,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut a patch out of an image, turned, scaled, mirrored and bent; linear for the image, nearest for labels.

    Parameters
    ----------
    image : (C, H, W) float32
    labels : (H, W) uint8
    size : (int, int)
        Height and width of the patch.
    centre : (float, float)
        Row and column of the image that the patch's centre shows.
    rotation_deg : float
        Degrees, counter-clockwise as seen with rows growing downwards.
    scale : float
        Above 1 magnifies.
    flip_rows, flip_columns : bool
    stretch : float
        Above 1 magnifies rows by its root and shrinks columns by it.
    elastic_px, bend_px : float
        Standard deviation of a smooth displacement in any direction, and of one along rows alone, pixels.

    Returns
    -------
    (C, h, w) float32, (h, w) uint8
        Outside the image the edge is mirrored and the label is :data:`IGNORE`.

    Examples
    --------
    >>> image = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    >>> patch, labels = warp(image, np.zeros((3, 4), np.uint8), size=(3, 4), centre=(1, 1.5), flip_columns=True)
    >>> patch[0, 0]
    array([3., 2., 1., 0.], dtype=float32)
    """
    height, width = size
    rows = np.arange(height, dtype=np.float32) - (height - 1) / 2
    columns = np.arange(width, dtype=np.float32) - (width - 1) / 2
    down, right = np.meshgrid(rows * (-1 if flip_rows else 1), columns * (-1 if flip_columns else 1), indexing="ij")
    angle = np.deg2rad(rotation_deg)
    tall = np.sqrt(stretch)
    source_rows = (np.cos(angle) * down + np.sin(angle) * right) / (scale * tall) + centre[0]
    source_columns = (-np.sin(angle) * down + np.cos(angle) * right) / (scale / tall) + centre[1]
    rng = np.random.default_rng(seed)
    if bend_px > 0:
        source_rows = source_rows + bend_px * _smooth_field(size, cells=6, rng=rng)
    if elastic_px > 0:
        source_rows = source_rows + elastic_px * _smooth_field(size, cells=5, rng=rng)
        source_columns = source_columns + elastic_px * _smooth_field(size, cells=5, rng=rng)
    places = np.stack([source_rows, source_columns])
    cut = _nearest(labels, source_rows, source_columns)
    patch = np.stack([ndimage.map_coordinates(band, places, order=1, mode="mirror") for band in image])
    return patch.astype(np.float32, copy=False), cut


def _nearest(labels: NDArray[np.uint8], rows: NDArray[np.floating], columns: NDArray[np.floating]) -> NDArray[np.uint8]:
    row, column = np.rint(rows).astype(np.int32), np.rint(columns).astype(np.int32)
    inside = (row >= 0) & (row < labels.shape[0]) & (column >= 0) & (column < labels.shape[1])
    cut = labels[row.clip(0, labels.shape[0] - 1), column.clip(0, labels.shape[1] - 1)]
    return np.where(inside, cut, np.uint8(IGNORE))


def _smooth_field(size: tuple[int, int], *, cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    coarse = rng.standard_normal((cells, cells))
    return (_blend(size[0], cells) @ coarse @ _blend(size[1], cells).T).astype(np.float32)


@lru_cache(maxsize=32)
def _blend(length: int, cells: int) -> NDArray[np.float64]:
    """Return (length, cells) weights that pass smoothly from one cell to the next."""
    distance = np.abs(np.linspace(0, cells - 1, length)[:, None] - np.arange(cells)[None])
    return np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0.0)


def brightness_contrast(image: NDArray[np.float32], *, contrast: float, brightness: float) -> NDArray[np.float32]:
    """Return ``contrast * (image - mean) + mean + brightness * std``, band by band.

    Examples
    --------
    >>> brightness_contrast(np.array([[[0.0, 2.0]]], np.float32), contrast=2.0, brightness=1.0)
    array([[[0., 4.]]], dtype=float32)
    """
    mean, spread = _moments(image)
    return (contrast * (image - mean) + mean + brightness * spread).astype(np.float32)


def _moments(image: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
    field = _smooth_field((image.shape[1], image.shape[2]), cells=3, rng=np.random.default_rng(seed))
    return (image + amplitude * _moments(image)[1] * field).astype(np.float32)


def tone_step(image: NDArray[np.float32], *, amplitude: float, width_px: float, seed: Seed) -> NDArray[np.float32]:
    """Brighten one side of a random line by ``amplitude`` standard deviations, over a width of ``width_px``."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: image.shape[1], : image.shape[2]]
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * (rows - rng.uniform(0, image.shape[1])) + np.sin(angle) * (
        columns - rng.uniform(0, image.shape[2])
    )
    side = 0.5 + 0.5 * np.tanh(along / width_px)
    return (image + amplitude * _moments(image)[1] * side).astype(np.float32)


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
    return (image + share * ((gain - 1) * image + offset * _moments(image)[1])).astype(np.float32)


def veil(image: NDArray[np.float32], *, opacity: float, brightness: float, seed: Seed) -> NDArray[np.float32]:
    """Lay a smooth patchy veil over the image: ``(1 - a) x + a (mean + brightness * std)``, a from 0 to ``opacity``.

    Examples
    --------
    >>> veil(np.ones((1, 32, 32), np.float32), opacity=0.5, brightness=0.0, seed=0).max()
    np.float32(1.0)
    """
    rng = np.random.default_rng(seed)
    shape = (image.shape[1], image.shape[2])
    share = opacity * np.clip(rng.uniform(-0.3, 0.7) + _smooth_field(shape, cells=5, rng=rng), 0, 1)
    mean, spread = _moments(image)
    return (image + share * (mean + brightness * spread - image)).astype(np.float32)


def saturate(image: NDArray[np.float32], *, limit: float) -> NDArray[np.float32]:
    """Cut each band off at ``limit`` standard deviations above its mean.

    Examples
    --------
    >>> saturate(np.array([[[0.0, 2.0]]], np.float32), limit=0.5)
    array([[[0. , 1.5]]], dtype=float32)
    """
    mean, spread = _moments(image)
    return np.minimum(image, mean + limit * spread).astype(np.float32)


def scan_line_gaps(image: NDArray[np.float32], *, value: float, seed: Seed) -> NDArray[np.float32]:
    """Blank slanted stripes, as Landsat 7 has since its scan-line corrector failed in May 2003.

    Parameters
    ----------
    image : (C, H, W) float32
    value : float
        What a gap holds.
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
    return np.where((phase < width)[None], np.float32(value), image).astype(np.float32)


def augment(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    *,
    plan: Augmentation,
    seed: Seed,
    centre: tuple[float, float] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Change an image and its labels at random within the limits of a plan.

    Parameters
    ----------
    image : (C, H, W) float32
        NaN where not observed.
    labels : (H, W) uint8
    plan : Augmentation
    seed : int or Generator
    centre : (float, float), optional
        Row and column the patch is centred on before it is shifted; the image's centre by default.

    Returns
    -------
    (C, h, w) float32, (h, w) uint8
        The same seed gives the same patch.

    Examples
    --------
    >>> patch, labels = augment(np.ones((1, 40, 40), np.float32), np.zeros((40, 40), np.uint8),
    ...                         plan=Augmentation(size=(32, 24)), seed=1)
    >>> patch.shape, labels.shape
    ((1, 32, 24), (32, 24))
    """
    rng = np.random.default_rng(seed)
    height, width = image.shape[1:]
    size = plan.size or (height, width)
    row, column = ((height - 1) / 2, (width - 1) / 2) if centre is None else centre
    shifted = (row + rng.uniform(-1, 1) * plan.shift_px[0], column + rng.uniform(-1, 1) * plan.shift_px[1])
    patch, cut = warp(
        image,
        labels,
        size=size,
        centre=shifted,
        rotation_deg=rng.uniform(-1, 1) * plan.rotation_deg,
        scale=float(np.exp(rng.uniform(*np.log(plan.scale)))),
        flip_rows=plan.flip_rows and rng.random() < 0.5,
        flip_columns=plan.flip_columns and rng.random() < 0.5,
        stretch=float(np.exp(2 * rng.uniform(-1, 1) * plan.stretch)),
        elastic_px=plan.elastic_px * rng.random(),
        bend_px=plan.bend_px * rng.random(),
        seed=rng,
    )
    return _recolour(patch, cut, plan=plan, rng=rng), cut


def transplant_ocean(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    other: NDArray[np.float32],
    other_labels: NDArray[np.uint8],
    *,
    seed: Seed,
    glacier: int = 0,
    ocean: int = 1,
    reach_px: int = 60,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Put the ocean of another image above a front of another shape: what remains to tell by is each side's texture.

    The new front is this image's, moved up and down by a smooth random curve of 8 pixels standard deviation. This image
    moves up and the other down until the one is glacier everywhere below the new front and the other ocean everywhere
    above it.

    Parameters
    ----------
    image, other : (C, H, W) float32
    labels, other_labels : (H, W) uint8
        Ocean up, glacier down, one front; nearly every column must have both. As many rows about the front stay
        without a label as were without one.
    seed : int or Generator
    glacier, ocean : int
        Labels of the two sides.
    reach_px : int
        Largest displacement; beyond it nothing is done.

    Returns
    -------
    (C, H, W) float32, (H, W) uint8
        The input where a front is missing or the two do not fit.

    Examples
    --------
    >>> labels = np.repeat(np.uint8([[1], [1], [0], [0], [0], [0]]), 8, axis=1)
    >>> ice, water = np.ones((1, 6, 8), np.float32), np.zeros((1, 6, 8), np.float32)
    >>> mixed, zones = transplant_ocean(ice, labels, water, labels, seed=1, reach_px=100)
    >>> bool((mixed[0][zones == 1] < 0.5).all())
    True
    """
    for zones in (labels, other_labels):
        if ((zones == glacier).any(axis=0) & (zones == ocean).any(axis=0)).mean() < 0.9:
            return image, labels
    rng = np.random.default_rng(seed)
    height, width = labels.shape
    mine, theirs = (
        ((zones == ocean).sum(axis=0) + height - (zones == glacier).sum(axis=0)) / 2 for zones in (labels, other_labels)
    )
    front = mine + np.interp(np.arange(width), np.linspace(0, width, 7), rng.normal(0, 8, 7))
    front = np.clip(front, 1, height - 1)
    up, down = max(0, math.ceil((mine - front).max())), max(0, math.ceil((front - theirs).max()))
    if max(up, down) > min(reach_px, height - 1):
        return image, labels
    rows = np.arange(height)
    below = image[:, np.minimum(rows + up, height - 1)]
    above = other[:, np.abs(rows - down)]
    zones = rows[:, None] < front[None]
    share = ndimage.uniform_filter(zones.astype(np.float32), size=(3, 1))
    found = np.where(zones, ocean, glacier).astype(np.uint8)
    unsure = (labels != ocean).sum(axis=0) - (labels == glacier).sum(axis=0)
    found[2 * np.abs(rows[:, None] + 0.5 - front) < unsure] = IGNORE
    return (above * share + below * (1 - share)).astype(np.float32), found


def _recolour(
    patch: NDArray[np.float32], labels: NDArray[np.uint8], *, plan: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    if plan.speckle_looks is not None:
        patch = add_speckle(patch, looks=rng.uniform(*plan.speckle_looks), seed=rng)
    if rng.random() < 0.5:
        patch = gamma(patch, exponent=float(np.exp(rng.uniform(-1, 1) * plan.gamma_log)))
    if rng.random() < plan.invert:
        patch = -patch
    patch = brightness_contrast(
        patch,
        contrast=float(np.exp(rng.uniform(-1, 1) * np.log1p(plan.contrast))),
        brightness=rng.uniform(-1, 1) * plan.brightness,
    )
    if rng.random() < 0.5:
        patch = illumination(patch, amplitude=plan.illumination, seed=rng)
    if rng.random() < plan.tone_step:
        patch = tone_step(patch, amplitude=rng.uniform(-1, 1), width_px=rng.uniform(1, 12), seed=rng)
    if rng.random() < plan.class_tone:
        patch = class_tone(
            patch, labels, gain=float(np.exp(rng.normal(0, 0.3))), offset=rng.uniform(-0.8, 0.8), seed=rng
        )
    if rng.random() < plan.veil:
        patch = veil(patch, opacity=rng.uniform(0.2, 0.9), brightness=rng.uniform(-1.5, 2.0), seed=rng)
    if rng.random() < plan.saturation:
        patch = saturate(patch, limit=rng.uniform(0.0, 1.5))
    blur = rng.uniform(-1, 1) * plan.blur_px
    if blur > 0.2:
        patch = ndimage.gaussian_filter(patch, sigma=(0, blur, blur))
    spread = _moments(patch)[1]
    level = max(0.0, rng.uniform(-1, 1)) * plan.noise
    patch = (patch + level * spread * rng.standard_normal(patch.shape, dtype=np.float32)).astype(np.float32)
    if rng.random() < plan.gaps:
        patch = scan_line_gaps(patch, value=float(np.min(patch, initial=np.inf, where=np.isfinite(patch))), seed=rng)
    if patch.shape[0] > 1 and rng.random() < plan.missing:
        patch[rng.integers(patch.shape[0])] = np.nan
    return patch.astype(np.float32)
