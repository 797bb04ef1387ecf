"""Where samples lie: which of them show the same ground, and the blocks that a place is parted into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyproj
from rasterio.warp import transform_bounds

from glaciertime.errors import InputError

__all__ = ["Grounds", "block_of", "grounds_of"]

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Grounds:
    """Images by the ground that they show.

    Attributes
    ----------
    names : tuple of str
        Of each image the ground; images that overlap, or are joined by others that do, share one.
    crs : dict
        Of each ground the coordinate system that its bounds are told in.
    """

    names: tuple[str, ...]
    crs: dict[str, pyproj.CRS]

    def bounds(self, index: int, bounds: Bounds, crs: pyproj.CRS) -> Bounds:
        """Return bounds inside an image in the coordinates of its ground."""
        return _moved(bounds, crs, self.crs[self.names[index]])


def grounds_of(bounds: Sequence[Bounds], crs: Sequence[pyproj.CRS]) -> Grounds:
    """Return which images show the same ground.

    Parameters
    ----------
    bounds : of each image, west, south, east, north in its own coordinates
    crs : of each image
    """
    groups: list[tuple[list[int], pyproj.CRS, list[Bounds]]] = []
    for index, (box, own) in enumerate(zip(bounds, crs, strict=True)):
        met = []
        for number, (_, system, held) in enumerate(groups):
            try:
                moved = _moved(box, own, system)
            except InputError:
                continue  # nothing of it lies where that system can be used
            if any(_overlap(moved, each) for each in held):
                met.append(number)
        if not met:
            groups.append(([index], own, [box]))
            continue
        members, system, held = groups[met[0]]
        members.append(index)
        held.append(_moved(box, own, system))
        for number in reversed(met[1:]):
            others, _, _ = groups.pop(number)
            members += others
            held += [_moved(bounds[each], crs[each], system) for each in others]
    names = [""] * len(bounds)
    systems = {}
    for members, system, _ in groups:
        name = f"place {min(members) + 1}"
        systems[name] = system
        for index in members:
            names[index] = name
    return Grounds(tuple(names), systems)


def _moved(box: Bounds, own: pyproj.CRS, into: pyproj.CRS) -> Bounds:
    if own.equals(into, ignore_axis_order=True):
        return box
    try:
        moved = transform_bounds(own.to_wkt(), into.to_wkt(), *box, densify_pts=21)
    except Exception as error:  # rasterio raises several kinds for points that a projection has no place for
        raise InputError(f"bounds {box} have no place in {into.name}") from error
    if not all(abs(each) < 1e12 for each in moved):
        raise InputError(f"bounds {box} have no place in {into.name}")
    return (float(moved[0]), float(moved[1]), float(moved[2]), float(moved[3]))


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
