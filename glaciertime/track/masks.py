"""Areas and the calving front of a raster of zones."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from scipy import ndimage
from skimage.measure import find_contours

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, MaskScene
from glaciertime.track.lines import drop_short_pieces, merge_lines
from glaciertime.track.measurement import Area, Measurement
from glaciertime.track.outlines import FILL_TOLERANCE
from glaciertime.track.place import Place
from glaciertime.track.settings import TrackSettings
from glaciertime.units import mask_area_km2, polygon_area_km2

__all__ = ["clean_zones", "front_of_zones", "measure_mask"]

_EIGHT = np.ones((3, 3), dtype=bool)


def clean_zones(zones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return zones with icebergs turned to ocean and holes to glacier, as the CaFFe reference does.

    Of what is not ocean, all but the largest 8-connected component becomes ocean; then all but the largest
    component of ocean becomes glacier.
    """
    out = zones.copy()
    solid, count = ndimage.label(zones != OCEAN, structure=_EIGHT)
    if count > 1:
        sizes = np.bincount(solid.ravel())
        sizes[0] = 0
        out[(solid != sizes.argmax()) & (solid > 0)] = OCEAN
    water, count = ndimage.label(out == OCEAN, structure=_EIGHT)
    if count > 1:
        sizes = np.bincount(water.ravel())
        sizes[0] = 0
        out[(water != sizes.argmax()) & (water > 0)] = GLACIER
    return out


def front_of_zones(
    zones: NDArray[np.uint8],
) -> list[NDArray[np.float64]]:
    """Return the lines between ocean and glacier pixels, in pixel coordinates.

    Returns
    -------
    list of (N, 2) float64
        Column and row of the vertices, pixel centres at .5; a vertex lies halfway between an ocean pixel and the
        glacier pixel beside it. Boundaries of ocean with rock, with no data and with the image's edge are left out.
    """
    ocean = zones == OCEAN
    pieces = []
    for contour in find_contours(ocean.astype(np.float32), 0.5):
        low, high = np.floor(contour).astype(int), np.ceil(contour).astype(int)
        first, second = zones[low[:, 0], low[:, 1]], zones[high[:, 0], high[:, 1]]
        is_front = (first == GLACIER) | (second == GLACIER)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], is_front, [False]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2):
            if stop - start > 1:
                pieces.append(contour[start:stop, ::-1] + 0.5)
    return pieces


def measure_mask(scene: MaskScene, *, place: Place, settings: TrackSettings) -> Measurement:
    """Measure a raster of zones.

    Raises
    ------
    InputError
        Where the raster holds no data at all, or none inside the box.
    """
    crs = scene.acquisition.crs
    zones = scene.read()
    transform = scene.transform
    here = place.to(crs)
    box, name = (scene.box, "box") if scene.box is not None else (here.box, "box")
    height, width = scene.shape
    image = shapely.Polygon([transform @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))])
    if box is None:
        box, name = image, "image"
    if not (zones != NO_DATA).any():
        raise InputError("every pixel is without data; check the classes of the mask")
    areas = []
    for footprint_name, footprint in ((name, box), ("fjord", here.fjord)):
        if footprint is None:
            continue
        if not footprint.intersects(image):
            raise InputError(f"the {footprint_name} lies outside the image; check the CRS of both")
        inside = ~geometry_mask([footprint], scene.shape, transform)
        valid = mask_area_km2(inside & (zones != NO_DATA), transform=transform, crs=crs)
        if valid == 0:
            raise InputError(f"no pixel inside the {footprint_name} holds data")
        area_km2 = mask_area_km2(inside & (zones == GLACIER), transform=transform, crs=crs)
        footprint_km2 = polygon_area_km2(footprint, crs=crs)
        coverage = min(1.0, valid / footprint_km2)
        coverage = 1.0 if coverage > 0.999 else coverage
        flags: dict[str, str] = {}
        if area_km2 <= FILL_TOLERANCE * valid:
            flags = dict.fromkeys(("censored", "no-front"), f"no ice in the {footprint_name}")
        elif area_km2 >= (1 - FILL_TOLERANCE) * valid:
            flags = dict.fromkeys(("censored", "no-front"), f"the ice fills the {footprint_name}")
        if coverage < 1:
            flags["partial-coverage"] = f"{coverage:.1%} of the {footprint_name} imaged"
        areas.append(
            Area(
                footprint=footprint_name,
                polygon=footprint,
                footprint_area_km2=footprint_km2,
                area_km2=area_km2,
                method="mask",
                coverage=coverage,
                flags=flags,
            )  # fmt: skip
        )
    front, front_flags = None, {key: text for key, text in areas[-1].flags.items() if key == "no-front"}
    if not front_flags:
        front = _front(zones, scene, box=box if name == "box" else None, fjord=here.fjord, settings=settings)
        if front is None:
            front_flags = {"no-front": "no boundary between ice and ocean"}
    return Measurement(
        crs=crs, areas=tuple(areas), front=front, front_flags=front_flags, coverage=areas[-1].coverage
    )  # fmt: skip


def _front(
    zones: NDArray[np.uint8],
    scene: MaskScene,
    *,
    box: shapely.Polygon | None,
    fjord: shapely.Polygon | None,
    settings: TrackSettings,
) -> shapely.LineString | shapely.MultiLineString | None:
    t = scene.transform
    pieces = [
        shapely.LineString(np.column_stack(t @ (xy[:, 0], xy[:, 1]))) for xy in front_of_zones(clean_zones(zones))
    ]
    if not pieces:
        return None
    line: shapely.Geometry = shapely.MultiLineString(pieces)
    for region in (box, fjord):
        if region is not None:
            line = line.intersection(region)
    merged = merge_lines(line)
    if merged is None:
        return None
    return drop_short_pieces(merged, min_length_m=settings.min_front_length_m)
