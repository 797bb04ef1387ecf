"""Which glaciers share ground: found by their polygons, with areas on the ellipsoid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely

from glaciertime.meridian import joined_at_180
from glaciertime.units import polygon_area_km2

__all__ = ["Shared", "shared_ground", "simple_outline"]

# Neighbours touch: what they share up to this is the width of a pen, unless it is most of one of them.
_TOUCHING_KM2, _TOUCHING_SHARE, _MOST = 0.01, 1e-4, 0.5
#: Two polygons of which so much is common are of one and the same glacier.
_SAME_SHARE = 0.9
# A metre or so, in degrees: corners that do not matter for what is shared.
_SIMPLE_DEGREES = 1e-5


@dataclass(frozen=True)
class Shared:
    """Ground that two polygons share."""

    one: str
    other: str
    area_km2: float
    #: Of the smaller of the two, and of both together.
    share: float
    share_of_both: float

    @property
    def is_same(self) -> bool:
        """Whether they are so alike that they are of one glacier."""
        return self.share_of_both >= _SAME_SHARE


def simple_outline(shape: shapely.Geometry) -> shapely.Geometry:
    """Return a polygon in degrees, whole across the 180th meridian, without corners that do not matter here."""
    whole = joined_at_180(shapely.force_2d(shape))
    plain = shapely.simplify(whole, _SIMPLE_DEGREES)
    return plain if plain.is_valid and not plain.is_empty else shapely.make_valid(whole)


def shared_ground(outlines: Mapping[str, shapely.Geometry]) -> list[Shared]:
    """Return every pair of polygons that share more than neighbours do who touch.

    Parameters
    ----------
    outlines : mapping of name to polygon
        In longitude and latitude; what crosses the 180th meridian goes on beyond it.

    Returns
    -------
    list of Shared
        By the names in their order.
    """
    names = list(outlines)
    shapes = np.array([outlines[name] for name in names], dtype=object)
    if len(names) < 2:
        return []
    # A polygon beyond the meridian lies where its neighbours on the other side do, a turn away.
    turned, whose = list(shapes), list(range(len(names)))
    for number, shape in enumerate(shapes):
        x_min, _, x_max, _ = shape.bounds
        for turn in [-360.0] * (x_max > 180) + [360.0] * (x_min < -180):
            turned.append(shapely.transform(shape, lambda xy, turn=turn: xy + np.array([turn, 0.0])))
            whose.append(number)
    laid = np.array(turned, dtype=object)
    left, right = shapely.STRtree(laid).query(laid, predicate="intersects")
    areas: dict[int, float] = {}
    found: dict[tuple[int, int], Shared] = {}
    for i, j in zip(left, right, strict=True):
        one, other = whose[i], whose[j]
        if one >= other or (one, other) in found:
            continue
        common = laid[i].intersection(laid[j])
        if common.area <= 0:
            continue
        shared = polygon_area_km2(common, crs="EPSG:4326")
        for number in (one, other):
            if number not in areas:
                areas[number] = polygon_area_km2(shapes[number], crs="EPSG:4326")
        smaller, larger = sorted((areas[one], areas[other]))
        if shared <= max(_TOUCHING_KM2, _TOUCHING_SHARE * smaller) and shared < _MOST * smaller:
            continue
        both = smaller + larger - shared
        found[one, other] = Shared(names[one], names[other], shared, shared / smaller, shared / both if both else 1.0)
    return [found[key] for key in sorted(found)]
