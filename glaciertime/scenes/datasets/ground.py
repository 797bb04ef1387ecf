"""Where samples lie: which of them show the same ground, and the blocks that a place is parted into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyproj
import shapely

from glaciertime.errors import InputError

__all__ = ["Grounds", "block_of", "grounds_of"]

Bounds = tuple[float, float, float, float]
_EARTH = pyproj.CRS.from_epsg(4326)


@dataclass(frozen=True)
class Grounds:
    """Images by the ground that they show.

    Attributes
    ----------
    names : tuple of str
        Of each image the ground; images that overlap, or are joined by others that do, share one.
    crs : dict
        Of each ground the coordinate system that its bounds are told in, that of its first image.
    first : dict
        Of each ground the bounds of its first image.
    """

    names: tuple[str, ...]
    crs: dict[str, pyproj.CRS]
    first: dict[str, Bounds]

    def bounds(self, index: int, bounds: Bounds, crs: pyproj.CRS) -> Bounds:
        """Return bounds inside an image in the coordinates of its ground."""
        ground = self.names[index]
        moved = _moved(bounds, crs, self.crs[ground])
        return _beside(moved, self.first[ground]) if self.crs[ground].is_geographic else moved


def grounds_of(bounds: Sequence[Bounds], crs: Sequence[pyproj.CRS]) -> Grounds:
    """Return which images show the same ground.

    Parameters
    ----------
    bounds : of each image, west, south, east, north in its own coordinates
    crs : of each image
    """
    count = len(bounds)
    boxes = [_on_earth(box, own) for box, own in zip(bounds, crs, strict=True)]
    owners = np.concatenate([np.full(len(parts), index) for index, parts in enumerate(boxes)] or [np.zeros(0, int)])
    tree = shapely.STRtree([part for parts in boxes for part in parts])
    group = np.arange(count)
    for index in range(count):
        near = np.unique(owners[tree.query(boxes[index], predicate="intersects")[1]])
        for other in near[near < index]:
            if group[other] != group[index] and _share(bounds[index], crs[index], bounds[other], crs[other]):
                group[group == group[index]] = group[other]
    firsts = {int(label): int(np.flatnonzero(group == label)[0]) for label in np.unique(group)}
    names = tuple(f"place {firsts[int(label)] + 1}" for label in group)
    of_first = {names[first]: first for first in firsts.values()}
    systems = {name: crs[first] for name, first in of_first.items()}
    return Grounds(names, systems, {name: bounds[first] for name, first in of_first.items()})


def _on_earth(box: Bounds, crs: pyproj.CRS) -> list[shapely.Geometry]:
    """Return bounds in longitude and latitude, parted where they cross the antimeridian; the whole Earth at a pole."""
    west, south, east, north = _transformer(crs, _EARTH).transform_bounds(*box, densify_pts=21, errcheck=False)
    if not all(math.isfinite(each) for each in (west, south, east, north)):
        return [shapely.box(-180, -90, 180, 90)]
    if east - west < 360 and (east > 180 or west < -180):
        west, east = ((each + 180) % 360 - 180 for each in (west, east))
    if west > east:
        return [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
    return [shapely.box(west, south, east, north)]


def _share(box: Bounds, crs: pyproj.CRS, other: Bounds, other_crs: pyproj.CRS) -> bool:
    try:
        moved = _moved(other, other_crs, crs)
        return _overlap(box, _beside(moved, box) if crs.is_geographic else moved)
    except InputError:
        return False  # nothing of it lies where that system can be used


def _moved(box: Bounds, own: pyproj.CRS, into: pyproj.CRS) -> Bounds:
    if own is into or own == into:
        return box
    return _transformed(box, own, into)


def _beside(box: Bounds, other: Bounds) -> Bounds:
    """Return bounds in degrees, told in the turn of the Earth that others are told in."""
    turn = 360 * round(((other[0] + other[2]) - (box[0] + box[2])) / 720)
    return box[0] + turn, box[1], box[2] + turn, box[3]


def _transformed(box: Bounds, own: pyproj.CRS, into: pyproj.CRS) -> Bounds:
    moved = _transformer(own, into).transform_bounds(*box, densify_pts=21, errcheck=False)
    if not all(abs(each) < 1e12 for each in moved):
        raise InputError(f"bounds {box} have no place in {into.name}")
    return (float(moved[0]), float(moved[1]), float(moved[2]), float(moved[3]))


@lru_cache(maxsize=256)
def _transformer(own: pyproj.CRS, into: pyproj.CRS) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(own, into, always_xy=True)


def _overlap(a: Bounds, b: Bounds) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def block_of(bounds: Bounds, side: float) -> str:
    """Return the square of so large a side, in the units of the bounds, that the middle of bounds lies in.

    Examples
    --------
    >>> block_of((0.0, 0.0, 10.0, 10.0), 40.0), block_of((40.0, -20.0, 50.0, -10.0), 40.0)
    ('0,0', '1,-1')
    """
    column = (bounds[0] + bounds[2]) / 2 // side
    row = (bounds[1] + bounds[3]) / 2 // side
    return f"{column:.0f},{row:.0f}"
