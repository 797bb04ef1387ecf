"""Cutting a patch out of an image, turned, scaled, mirrored and bent, and of its labels with it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.scenes.datasets.radiometry import Seed
from glaciertime.scenes.datasets.sample import IGNORE

__all__ = ["places", "smooth_field", "take"]


def places(
    size: tuple[int, int],
    *,
    centre: tuple[float, float],
    rotation_deg: float = 0.0,
    scale: float = 1.0,
    flip_rows: bool = False,
    flip_columns: bool = False,
    stretch: float = 1.0,
    elastic_px: float = 0.0,
    bend_px: float = 0.0,
    tilt: tuple[float, float] = (0.0, 0.0),
    seed: Seed = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the row and the column of the image that each pixel of a patch shows, both (h, w).

    Parameters
    ----------
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
    tilt : (float, float)
        Of a camera, along rows and along columns: what lies ``(u, v)`` from the centre, in halves of the patch, shows
        what would lie at ``(u, v) / (1 + tilt . (u, v))``. Straight lines stay straight. Below 1 in sum.
    seed : int or Generator
    """
    height, width = size
    rows = np.arange(height, dtype=np.float32) - (height - 1) / 2
    columns = np.arange(width, dtype=np.float32) - (width - 1) / 2
    down, right = np.meshgrid(rows * (-1 if flip_rows else 1), columns * (-1 if flip_columns else 1), indexing="ij")
    if any(tilt):
        depth = 1 + tilt[0] * down / max((height - 1) / 2, 1) + tilt[1] * right / max((width - 1) / 2, 1)
        down, right = down / depth, right / depth
    angle = np.deg2rad(rotation_deg)
    tall = np.sqrt(stretch)
    source_rows = (np.cos(angle) * down + np.sin(angle) * right) / (scale * tall) + centre[0]
    source_columns = (-np.sin(angle) * down + np.cos(angle) * right) / (scale / tall) + centre[1]
    rng = np.random.default_rng(seed)
    if bend_px > 0:
        source_rows = source_rows + bend_px * smooth_field(size, cells=6, rng=rng)
    if elastic_px > 0:
        source_rows = source_rows + elastic_px * smooth_field(size, cells=5, rng=rng)
        source_columns = source_columns + elastic_px * smooth_field(size, cells=5, rng=rng)
    return source_rows, source_columns


def take(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    rows: NDArray[np.floating],
    columns: NDArray[np.floating],
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return what an image and its labels show at places between their pixels.

    Parameters
    ----------
    image : (C, H, W) float32
    labels : (H, W) uint8
    rows, columns : (h, w)

    Returns
    -------
    (C, h, w) float32, (h, w) uint8
        Outside the image the edge is mirrored and the label is :data:`IGNORE`. A pixel is observed where at least half
        of what it is interpolated from is.

    Examples
    --------
    >>> image = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    >>> shown = places((3, 4), centre=(1, 1.5), flip_columns=True)
    >>> take(image, np.zeros((3, 4), np.uint8), *shown)[0][0, 0]
    array([3., 2., 1., 0.], dtype=float32)
    """
    at = np.stack([rows, columns])
    patch = np.stack([_linear(band, at) for band in image])
    return patch.astype(np.float32, copy=False), _nearest(labels, rows, columns)


def _linear(band: NDArray[np.float32], at: NDArray[np.floating]) -> NDArray[np.float32]:
    """Interpolate what was observed; no-data does not spread into its neighbours."""
    seen = np.isfinite(band)
    if seen.all():
        return np.asarray(ndimage.map_coordinates(band, at, order=1, mode="mirror"))
    share = ndimage.map_coordinates(seen.astype(np.float32), at, order=1, mode="mirror")
    total = ndimage.map_coordinates(np.where(seen, band, np.float32(0)), at, order=1, mode="mirror")
    kept = share > 0.5
    return np.where(kept, total / np.where(kept, share, 1), np.float32(np.nan)).astype(np.float32)


def _nearest(labels: NDArray[np.uint8], rows: NDArray[np.floating], columns: NDArray[np.floating]) -> NDArray[np.uint8]:
    row, column = np.rint(rows).astype(np.int32), np.rint(columns).astype(np.int32)
    inside = (row >= 0) & (row < labels.shape[0]) & (column >= 0) & (column < labels.shape[1])
    cut = labels[row.clip(0, labels.shape[0] - 1), column.clip(0, labels.shape[1] - 1)]
    return np.where(inside, cut, np.uint8(IGNORE))


def smooth_field(size: tuple[int, int], *, cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a random field of ``size``, standard normal at ``cells`` x ``cells`` points and smooth in between."""
    coarse = rng.standard_normal((cells, cells))
    return (_blend(size[0], cells) @ coarse @ _blend(size[1], cells).T).astype(np.float32)


@lru_cache(maxsize=32)
def _blend(length: int, cells: int) -> NDArray[np.float64]:
    """Return (length, cells) weights that pass smoothly from one cell to the next."""
    distance = np.abs(np.linspace(0, cells - 1, length)[:, None] - np.arange(cells)[None])
    return np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0.0)
