"""The footprint that all dates share: images of one glacier differ in extent, and only what all show compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyproj
import shapely

from glaciertime.scenes.acquisition import MaskScene
from glaciertime.track.measurement import Area, Front, Measurement
from glaciertime.track.place import Place, reproject
from glaciertime.track.scene.cleaning import clean
from glaciertime.track.scene.masks import mask_area, pixels_along
from glaciertime.track.scene.regions import imaged_region
from glaciertime.track.scene.runs import encode
from glaciertime.track.settings import TrackSettings

__all__ = ["MeasuredMask", "common_areas", "needs_common_footprint", "of_another_extent"]


@dataclass(frozen=True, kw_only=True)
class MeasuredMask:
    """A mask that was measured once: its scene, its main footprint in the work's coordinates, and its front there.

    ``place`` is that of the work, ``measurement`` what was measured then, in the coordinates of the scene.
    """

    scene: MaskScene
    place: Place
    measurement: Measurement
    region: shapely.Polygon
    front: Front | None

    @property
    def crs(self) -> pyproj.CRS | None:
        """Of the work."""
        return self.place.crs

    @property
    def main(self) -> Area:
        """The ice inside the main footprint."""
        return self.measurement.areas[0]


def needs_common_footprint(masks: Sequence[MeasuredMask]) -> bool:
    """Return whether the masks' areas do not compare as they are: a footprint not wholly imaged, or not the same."""
    if len(masks) < 2:
        return False
    if any(mask.main.coverage < 1 for mask in masks):
        return True
    if all(mask.main.footprint == "box" for mask in masks):
        return False
    first = masks[0].region
    return any(mask.region.symmetric_difference(first).area > 1e-6 * first.area for mask in masks[1:])


def of_another_extent(masks: Sequence[MeasuredMask]) -> list[MeasuredMask]:
    """Return the masks measured over their whole image that show another extent than most: their areas do not compare.

    Extents that differ by a hundredth, as those of other pixel sizes do, count as one.
    """
    whole = [mask for mask in masks if mask.main.footprint == "image"]
    kinds: list[list[MeasuredMask]] = []
    for mask in whole:
        for kind in kinds:
            first = kind[0].region
            if mask.region.symmetric_difference(first).area <= 0.01 * first.area:
                kind.append(mask)
                break
        else:
            kinds.append([mask])
    usual = max(kinds, key=len, default=[])
    return [mask for mask in whole if not any(mask is each for each in usual)]


def common_areas(
    masks: Sequence[MeasuredMask], *, settings: TrackSettings
) -> tuple[list[tuple[MeasuredMask, Area, Front | None]], shapely.Geometry]:
    """Return the ice of every mask inside the footprint that all of them show, and that footprint.

    Masks that show less than ``settings.least_coverage`` of their own box or of the footprint common so far are left
    out of the comparison, so that one sliver does not shrink it to nothing. Masks are read once more for it, one at a
    time.

    Returns
    -------
    list of (MeasuredMask, Area, front or None)
        The front is cut to the footprint.
    Polygon or MultiPolygon
        In the work's coordinates; empty where the masks share nothing.
    """
    # Of a whole image the margins that warping leaves without data tell nothing; of a box they are what is missing.
    usable = [mask for mask in masks if mask.main.footprint == "image" or mask.main.coverage >= settings.least_coverage]
    common: shapely.Geometry = shapely.Polygon()
    chosen: list[MeasuredMask] = []
    for mask in sorted(usable, key=lambda mask: -mask.main.coverage * mask.region.area):
        region = mask.region
        if mask.main.coverage < 1 or mask.main.footprint == "image":
            imaged = imaged_region(mask.scene.read(), mask.scene)
            region = region.intersection(reproject(imaged, source=mask.scene.acquisition.crs, target=mask.crs))
        shared = region if not chosen else common.intersection(region)
        if chosen and shared.area < settings.least_coverage * common.area:
            continue
        common = shared
        chosen.append(mask)
    parts = [part for part in shapely.get_parts(common) if part.geom_type == "Polygon" and part.area > 0]
    footprint = shapely.MultiPolygon(parts) if len(parts) != 1 else parts[0]
    if len(chosen) < 2 or footprint.is_empty:
        return [], shapely.Polygon()
    out = []
    for mask in masks:
        if not any(mask is each for each in chosen):
            continue
        zones = mask.scene.read()
        along = pixels_along(mask.scene, mask.place.to(mask.scene.acquisition.crs).centreline)
        counted = encode(zones) if settings.count_icebergs else clean(zones, along=along).seen
        here = reproject(footprint, source=mask.crs, target=mask.scene.acquisition.crs)
        area = mask_area(counted, here, name="common", scene=mask.scene)
        front = None if mask.front is None else _cut(mask.front, footprint)
        out.append((mask, area, front))
    return out, footprint


def _cut(front: Front, footprint: shapely.Geometry) -> Front | None:
    parts = [
        part
        for part in shapely.get_parts(front.intersection(footprint))
        if part.geom_type == "LineString" and part.length
    ]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else shapely.MultiLineString(parts)
