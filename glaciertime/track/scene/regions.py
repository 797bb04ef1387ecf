"""Where a raster of zones lies on its map, and which part of it holds data."""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes

from glaciertime.scenes.acquisition import NO_DATA, MaskScene

__all__ = ["image_polygon", "imaged_region", "to_map"]

# Specks without data up to this share of the image do not shape what was imaged; coverage records them.
_SPECK_SHARE = 1e-3


def to_map(vertices: NDArray[np.float64], transform: Affine) -> NDArray[np.float64]:
    """Return map coordinates of (N, 2) columns and rows counted from the upper left corner of a raster."""
    x, y = vertices[:, 0], vertices[:, 1]
    return np.column_stack(
        [transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f]
    )


def image_polygon(scene: MaskScene) -> shapely.Polygon:
    """Return the outline of a raster in its own map coordinates."""
    height, width = scene.shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    return shapely.Polygon(to_map(corners, scene.transform))


def imaged_region(zones: NDArray[np.uint8], scene: MaskScene) -> shapely.Geometry:
    """Return the part of a raster that holds data, as polygons in its map coordinates, small specks filled."""
    image = image_polygon(scene)
    valid = zones != NO_DATA
    if valid.all():
        return image
    least = _SPECK_SHARE * image.area
    parts = []
    for geometry, _ in shapes(valid.astype(np.uint8), mask=valid, transform=scene.transform):
        rings = geometry["coordinates"]
        part = shapely.Polygon(rings[0], [ring for ring in rings[1:] if shapely.Polygon(ring).area > least])
        if part.area > least:
            parts.append(part)
    return shapely.union_all(parts)
