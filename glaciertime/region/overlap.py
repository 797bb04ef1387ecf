"""Which glaciers share ground: found by their polygons, with areas on the ellipsoid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import shapely

from glaciertime.meridian import joined_at_180
from glaciertime.track.record.ground import common_area_km2, near_pairs
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
    west, _, east, _ = whole.bounds
    if east - west > 180:  # round a pole: in degrees it is no polygon, and has no corner that does not matter
        return whole
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
    shapes = [outlines[name] for name in names]
    if len(names) < 2:
        return []
    areas: dict[int, float] = {}
    found: dict[tuple[int, int], Shared] = {}
    for one, other in near_pairs(shapes, crs="EPSG:4326"):
        shared = common_area_km2(shapes[one], shapes[other], crs="EPSG:4326")
        if shared <= 0:
            continue
        for number in (one, other):
            if number not in areas:
                areas[number] = polygon_area_km2(shapes[number], crs="EPSG:4326")
        smaller, larger = sorted((areas[one], areas[other]))
        if shared <= max(_TOUCHING_KM2, _TOUCHING_SHARE * smaller) and shared < _MOST * smaller:
            continue
        both = smaller + larger - shared
        found[one, other] = Shared(names[one], names[other], shared, shared / smaller, shared / both if both else 1.0)
    return [found[key] for key in sorted(found)]
