"""Where scenes are looked for: the box of a glacier, in its own coordinates and in degrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from glaciertime.catalog import Glacier
from glaciertime.errors import InputError

__all__ = ["Place", "place_of_glacier"]

_POINTS = 40


@dataclass(frozen=True, kw_only=True)
class Place:
    """The box over which scenes are wanted.

    ``polygon`` is in the coordinates of ``crs``; ``what`` says what it is.
    """

    polygon: shapely.Polygon
    crs: pyproj.CRS
    what: str

    def on(self, crs: pyproj.CRS) -> shapely.Polygon:
        """Return the box in other coordinates, its sides followed closely."""
        if crs.equals(self.crs):
            return self.polygon
        length = max(self.polygon.length / (4 * _POINTS), 1e-12)
        mover = pyproj.Transformer.from_crs(self.crs, crs, always_xy=True)

        def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack(mover.transform(xy[:, 0], xy[:, 1]))

        return shapely.transform(self.polygon.segmentize(length), move)

    def boxes(self) -> list[tuple[float, float, float, float]]:
        """Return west, south, east, north in degrees: one box, or two where it lies across the 180th meridian.

        Raises
        ------
        InputError
            Where it lies around a pole, or its coordinates are none of its CRS.
        """
        xy = shapely.get_coordinates(self.on(pyproj.CRS.from_epsg(4326)))
        if not np.isfinite(xy).all():
            raise InputError(f"{self.what} has coordinates that {self.crs.name} does not have; correct it")
        steps = (np.diff(xy[:, 0]) + 180) % 360 - 180
        east = xy[0, 0] + np.concatenate([[0.0], np.cumsum(steps)])
        if abs(steps.sum()) > 180:
            raise InputError(f"{self.what} lies around a pole; give a smaller one with --box FILE")
        west, south, last, north = float(east.min()), float(xy[:, 1].min()), float(east.max()), float(xy[:, 1].max())
        turn = 360 * np.floor((west + 180) / 360)
        west, last = west - turn, last - turn
        if last <= 180:
            return [(west, south, last, north)]
        return [(west, south, 180.0, north), (-180.0, south, last - 360, north)]

    def degrees(self) -> shapely.Geometry:
        """Return its boxes in degrees as one geometry."""
        return shapely.union_all([shapely.box(*box) for box in self.boxes()])

    def inside(self, transform: Affine, shape: tuple[int, int], crs: pyproj.CRS) -> NDArray[np.bool_]:
        """Return which pixels of a grid have their centres in the box, (H, W)."""
        return np.asarray(geometry_mask([self.on(crs)], shape, transform, invert=True))


def place_of_glacier(glacier: Glacier) -> Place:
    """Return the box of a glacier: its own, else that around its fjord.

    Raises
    ------
    InputError
        Where nothing says where it ends.
    """
    crs = glacier.projection
    if crs is not None and glacier.box_polygon is not None:
        return Place(polygon=glacier.box_polygon, crs=crs, what=f"the box of {glacier.name}")
    if crs is not None and glacier.fjord is not None:
        around = shapely.box(*glacier.fjord.polygon.bounds)
        return Place(polygon=around, crs=crs, what=f"the box around the fjord of {glacier.name}")
    raise InputError(
        f"{glacier.name} has no box, and no fjord, to look for scenes over: give one with --box FILE, or in a manifest "
        "(glaciertime catalog --template prints one)"
    )
