"""Cutting a patch out of an image, turned, scaled, mirrored and bent, and of its labels with it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.scenes.datasets.radiometry import Seed
from glaciertime.scenes.datasets.sample import IGNORE

__all__ = ["smooth_field", "warp"]


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
        source_rows = source_rows + bend_px * smooth_field(size, cells=6, rng=rng)
    if elastic_px > 0:
        source_rows = source_rows + elastic_px * smooth_field(size, cells=5, rng=rng)
        source_columns = source_columns + elastic_px * smooth_field(size, cells=5, rng=rng)
    places = np.stack([source_rows, source_columns])
    cut = _nearest(labels, source_rows, source_columns)
    patch = np.stack([ndimage.map_coordinates(band, places, order=1, mode="mirror") for band in image])
    return patch.astype(np.float32, copy=False), cut


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
