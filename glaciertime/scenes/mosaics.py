"""Tiles of one date and one pass joined into one scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import NO_DATA, MaskScene
from glaciertime.units import resolution_m

__all__ = ["bounds_of", "join"]

# Tiles may differ along their seams, in this share of what both show; where they show the same, in nothing.
_SEAM_SHARE = 0.02
_SAME_GROUND = 0.5
_MOST_PIXELS = 500_000_000
# In a local frame nothing is projected.
_ANY_PLANE = "EPSG:3857"


def bounds_of(scene: MaskScene) -> tuple[float, float, float, float]:
    """Return the bounds of a raster in its own coordinates: x_min, y_min, x_max, y_max."""
    height, width = scene.shape
    corners = [scene.transform @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
    x, y = zip(*corners, strict=True)
    return min(x), min(y), max(x), max(y)


def join(tiles: Sequence[MaskScene]) -> tuple[MaskScene, list[tuple[MaskScene, float]]]:
    """Return one scene of the tiles of a date, and the tiles that contradict it with the share in which they do.

    The grid is that of the finest tile; others are brought onto it by their nearest pixels. What the tiles before have
    not observed is taken from the next. A tile that shows mostly the same ground has to agree with what is there
    already, pixel by pixel; along a seam two in a hundred may differ.

    Raises
    ------
    InputError
        Where the tiles lie so far apart that no raster can hold them.
    """
    finest = min(tiles, key=lambda tile: resolution_m(tile.transform, shape=tile.shape, crs=tile.acquisition.crs))
    transform, shape = _grid(tiles, finest)
    kept, refused = [tiles[0]], []
    held = _on_grid(tiles[0], finest, transform, shape)
    for tile in tiles[1:]:
        more = _on_grid(tile, finest, transform, shape)
        both = (held != NO_DATA) & (more != NO_DATA)
        shared, least = int(both.sum()), min(int((held != NO_DATA).sum()), int((more != NO_DATA).sum()))
        differing = float((held[both] != more[both]).sum()) / max(1, shared)
        if differing > (_SEAM_SHARE if shared < _SAME_GROUND * least else 0):
            refused.append((tile, differing))
            continue
        kept.append(tile)
        held = np.where(held == NO_DATA, more, held)
    if len(kept) == 1:
        return kept[0], refused
    first = kept[0].acquisition
    acquisition = replace(
        first,
        image_id="+".join(dict.fromkeys(tile.acquisition.image_id for tile in kept)),
        crs=finest.acquisition.crs,
        resolution_m=max(tile.acquisition.resolution_m for tile in kept),
        flags={flag: text for tile in kept for flag, text in tile.acquisition.flags.items()},
        parts=tuple(tile.acquisition.input for tile in kept),
    )
    scene = MaskScene(
        acquisition=acquisition,
        shape=shape,
        transform=transform,
        read=partial(_read, tuple(kept), finest, transform, shape),
        has_ocean=any(tile.has_ocean for tile in kept),
    )
    return scene, refused


def _grid(tiles: Sequence[MaskScene], finest: MaskScene) -> tuple[Affine, tuple[int, int]]:
    """Return the grid of the finest tile, enlarged to hold all."""
    crs, back = finest.acquisition.crs, ~finest.transform
    outlines = []
    for tile in tiles:
        # The outline itself: the grid may be turned against x and y, and bounds along those cut or widen it.
        x, y = _moved(tile.transform, *_outline(tile.shape))
        if tile.acquisition.crs != crs:
            x, y = pyproj.Transformer.from_crs(tile.acquisition.crs, crs, always_xy=True).transform(x, y)
        outlines.append(_moved(back, x, y))
    pixels = np.hstack(outlines)
    # Half a thousandth of a pixel is no pixel.
    low, high = np.floor(pixels.min(axis=1) + 5e-4), np.ceil(pixels.max(axis=1) - 5e-4)
    width, height = (high - low).astype(int)
    if not 0 < width * height <= _MOST_PIXELS or not math.isfinite(float(width * height)):
        raise InputError(
            f"{tiles[0].acquisition.image_id} and {tiles[1].acquisition.image_id} have one date and lie too far apart "
            "to be tiles of one image; keep one, or correct the CRS of the other"
        )
    return finest.transform @ Affine.translation(*low), (int(height), int(width))


def _moved(t: Affine, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f


def _outline(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns and rows of points along the edges of a raster."""
    along = np.linspace(0.0, 1.0, 22)
    column = np.concatenate([along, along, 0 * along, 0 * along + 1]) * shape[1]
    row = np.concatenate([0 * along, 0 * along + 1, along, along]) * shape[0]
    return column, row


def _on_grid(tile: MaskScene, finest: MaskScene, transform: Affine, shape: tuple[int, int]) -> NDArray[np.uint8]:
    out = np.full(shape, NO_DATA, dtype=np.uint8)
    crs, own = finest.acquisition.crs, tile.acquisition.crs
    reproject(
        tile.read(),
        out,
        src_transform=tile.transform,
        src_crs=_ANY_PLANE if own is None else own.to_wkt(),
        src_nodata=NO_DATA,
        dst_transform=transform,
        dst_crs=_ANY_PLANE if crs is None else crs.to_wkt(),
        dst_nodata=NO_DATA,
        resampling=Resampling.nearest,
    )
    return out


def _read(
    tiles: tuple[MaskScene, ...], finest: MaskScene, transform: Affine, shape: tuple[int, int]
) -> NDArray[np.uint8]:
    held = _on_grid(tiles[0], finest, transform, shape)
    for tile in tiles[1:]:
        held = np.where(held == NO_DATA, _on_grid(tile, finest, transform, shape), held)
    return held
