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

__all__ = ["Place", "place_of_glacier", "within_180"]

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

    def degrees(self) -> shapely.Geometry:
        """Return its outline in degrees, cut where it crosses the 180th meridian.

        Raises
        ------
        InputError
            Where it lies around a pole, or its coordinates are none of its CRS.
        """
        xy = shapely.get_coordinates(self.on(pyproj.CRS.from_epsg(4326)).exterior)
        if not np.isfinite(xy).all():
            raise InputError(f"{self.what} has coordinates that {self.crs.name} does not have; correct it")
        steps = (np.diff(xy[:, 0]) + 180) % 360 - 180
        if abs(steps.sum()) > 180:
            raise InputError(f"{self.what} lies around a pole; give a smaller one with --box FILE")
        east = xy[0, 0] + np.concatenate([[0.0], np.cumsum(steps)])
        outline = shapely.make_valid(shapely.Polygon(np.column_stack([east, xy[:, 1]])))
        return within_180(outline)

    def boxes(self) -> list[tuple[float, float, float, float]]:
        """Return west, south, east, north in degrees: one box, or two where it lies across the 180th meridian."""
        outline = self.degrees()
        halves = [outline.intersection(shapely.box(*half)) for half in ((0, -90, 180, 90), (-180, -90, 0, 90))]
        is_cut = outline.bounds[2] - outline.bounds[0] > 180
        found = [half.bounds for half in halves if half.area > 0] if is_cut else [outline.bounds]
        return [(float(west), float(south), float(east), float(north)) for west, south, east, north in found]

    def inside(self, transform: Affine, shape: tuple[int, int], crs: pyproj.CRS) -> NDArray[np.bool_]:
        """Return which pixels of a grid have their centres in the box, (H, W)."""
        return np.asarray(geometry_mask([self.on(crs)], shape, transform, invert=True))


def within_180(outline: shapely.Geometry) -> shapely.Geometry:
    """Return an outline in degrees, whose longitudes may go on beyond 180, cut there and brought into -180 to 180."""
    world = shapely.box(-180, -90, 180, 90)
    turns = [
        shapely.transform(outline, lambda xy, turn=turn: xy + np.array([turn, 0.0])).intersection(world)
        for turn in (-360.0, 0.0, 360.0)
    ]
    return shapely.union_all(turns)


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
