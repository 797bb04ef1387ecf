"""Areas and the calving front of a raster of zones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK, MaskScene
from glaciertime.sentences import sentence
from glaciertime.track.measurement import Area, Front, Measurement, Rounding
from glaciertime.track.place import Place
from glaciertime.track.scene.cleaning import Cleaned, clean
from glaciertime.track.scene.lines import drop_short_pieces, ground_lengths_m, merge_lines
from glaciertime.track.scene.outlines import FILL_TOLERANCE
from glaciertime.track.scene.probability import subpixel_lines
from glaciertime.track.scene.rasterarea import zone_areas_km2
from glaciertime.track.scene.regions import image_polygon, to_map
from glaciertime.track.scene.rounding import rounding_of
from glaciertime.track.scene.runs import Runs, encode
from glaciertime.track.scene.tracing import front_lines_of_runs
from glaciertime.track.settings import TrackSettings
from glaciertime.units import polygon_area_km2

__all__ = ["image_polygon", "mask_area", "measure_mask", "pixels_along", "to_map"]

# The true area of the pixels in a footprint and that of its outline agree to less than this share.
_WHOLE = 0.9999
# A footprint of which no more than this is missing can be compared: warping a mask loses that much at its edges.
_PARTIAL = 0.999
# A front of which less is hidden is seen whole: pixels at the edge of a stripe join one way or the other.
_SEEN = 0.995
_ON_LAND = "no calving front: the glacier ends on land, its masks have no ocean"


def mask_area(runs: Runs, footprint: shapely.Polygon | shapely.MultiPolygon, *, name: str, scene: MaskScene) -> Area:
    """Return the ice of a raster inside a footprint.

    Raises
    ------
    InputError
        Where the footprint lies outside the raster, or none of its pixels holds data.
    """
    crs = scene.acquisition.crs
    if not footprint.intersects(image_polygon(scene)):
        raise InputError(f"the {name} lies outside the image; check the CRS of both")
    areas = zone_areas_km2(runs, footprint, transform=scene.transform, crs=crs)
    valid = float(areas.sum() - areas[NO_DATA])
    if valid <= 0:
        raise InputError(f"no pixel inside the {name} holds data")
    footprint_km2 = polygon_area_km2(footprint, crs=crs)
    ice, ocean = float(areas[GLACIER]), float(areas[OCEAN])
    coverage = valid / footprint_km2
    flags: dict[str, str] = {}
    if ice <= FILL_TOLERANCE * valid:
        flags = dict.fromkeys(("censored", "no-front"), sentence("no-ice", name=name))
    elif scene.has_ocean and ocean <= FILL_TOLERANCE * (ice + ocean):
        flags = dict.fromkeys(("censored", "no-front"), _filled(name, rock_km2=float(areas[ROCK])))
    if coverage < _PARTIAL:
        flags["partial-coverage"] = sentence("imaged", share=f"{100 * coverage:.1f}", name=name)
    return Area(
        footprint=name,
        polygon=footprint,
        footprint_area_km2=footprint_km2,
        area_km2=ice,
        method="mask",
        coverage=coverage if coverage < _WHOLE else 1.0,
        flags=flags,
        ocean_km2=ocean,
        rock_km2=float(areas[ROCK]),
    )


def _filled(name: str, *, rock_km2: float) -> str:
    """Return why an area without ocean is a bound."""
    if rock_km2 == 0:
        return sentence("ice-fills", name=name)
    return sentence("ice-fills-land", name=name)


def measure_mask(scene: MaskScene, *, place: Place, settings: TrackSettings) -> Measurement:
    """Measure a raster of zones.

    Raises
    ------
    InputError
        Where the raster has not the size its scene says, holds no data, or none inside the box.
    """
    crs = scene.acquisition.crs
    zones = scene.read()
    if zones.shape != scene.shape:
        raise InputError(f"the mask has {zones.shape} pixels, {scene.shape} were expected; is the file damaged?")
    runs = encode(zones)
    if not (runs.values != NO_DATA).any():
        raise InputError("every pixel is without data; check the classes of the mask")
    here = place.to(crs)
    box, name = scene.box if scene.box is not None else here.box, "box"
    if box is None:
        box, name = image_polygon(scene), "image"
    along = pixels_along(scene, here.centreline)
    cleaned = clean(zones, along=along)
    areas = [mask_area(runs if settings.count_icebergs else cleaned.seen, box, name=name, scene=scene)]
    front, front_flags, seen, sigma_m = None, {}, 1.0, math.nan
    if here.fjord is not None:
        try:
            # What drifts in the fjord is no glacier: the area there is that behind the front.
            areas.append(mask_area(cleaned.seen, here.fjord, name="fjord", scene=scene))
        except InputError as error:
            # The box may be seen where the fjord is not.
            front_flags = {"no-front": str(error)}
    areas = [_with_presumed(area, cleaned, scene) for area in areas]
    if not scene.has_ocean:
        front_flags = {"no-front": _ON_LAND}
    front_flags = front_flags or {key: text for key, text in areas[-1].flags.items() if key == "no-front"}
    if not front_flags:
        regions = [region for region in (box if name == "box" else None, here.fjord) if region is not None]
        front, seen, sigma_m = _front(cleaned, scene, regions=regions, min_length_m=settings.min_front_length_m)
        if front is None:
            front_flags = {"no-front": sentence("no-boundary")}
    return Measurement(
        crs=crs,
        areas=tuple(areas),
        front=front,
        front_flags=front_flags,
        coverage=areas[-1].coverage,
        centreline_points_inland=_points_inland(zones, along),
        front_seen=seen,
        delineation_sigma_m=sigma_m,
        rounding=None if front is None or math.isfinite(sigma_m) else _rounding(front, scene),
    )


def _with_presumed(area: Area, cleaned: Cleaned, scene: MaskScene) -> Area:
    """Return an area with what the ground not observed may be, and the part of its footprint inside the image."""
    if area.coverage >= 1:
        return area
    areas = zone_areas_km2(cleaned.whole, area.polygon, transform=scene.transform, crs=scene.acquisition.crs)
    presumed = float(areas[GLACIER]), float(areas[OCEAN]), float(areas[ROCK])
    is_inside = sum(presumed) >= _PARTIAL * area.footprint_area_km2
    inside = None if is_inside else image_polygon(scene).intersection(area.polygon)
    return replace(area, presumed_km2=presumed, observed=inside)


def _rounding(front: Front, scene: MaskScene) -> Rounding:
    """Return what the pixels leave of a front that runs along their edges; none where their size is unknown."""
    pixel_m = scene.acquisition.resolution_m
    return Rounding() if math.isnan(pixel_m) else rounding_of(front, transform=scene.transform, pixel_m=pixel_m)


def _front(
    cleaned: Cleaned, scene: MaskScene, *, regions: list[shapely.Polygon], min_length_m: float
) -> tuple[Front | None, float, float]:
    """Return the front that was seen, the share of the whole that this is, and the error of its delineation.

    The whole front is traced with unobserved ground taken from its neighbours: stripes cut it into pieces that belong
    together, and would otherwise be dropped one by one as too short.
    """
    whole = _cut(front_lines_of_runs(cleaned.whole), scene, regions)
    if whole is None:
        return None, 1.0, math.nan
    scale = ground_scale(scene)
    whole = drop_short_pieces(whole, min_length_m=min_length_m, scale=scale)
    lines = front_lines_of_runs(cleaned.seen)
    sigma_m = math.nan
    read = scene.probability() if scene.probability is not None else None
    if read is not None:
        lines, sigma_px = subpixel_lines(lines, *read)
        known = np.concatenate(sigma_px) if sigma_px else np.array([math.nan])
        # That of the rounding to pixels, which the acquisition has beside it, is not made here.
        sigma_m = math.sqrt(float(np.mean(known**2))) * scene.acquisition.resolution_m
        if not scene.sigma_is_of_probability:
            # How far a model errs is what it showed where the truth was known, not how steep its probabilities are.
            sigma_m = scene.acquisition.delineation_sigma_m
    seen = _cut(lines, scene, regions)
    if seen is None:
        return None, 0.0, math.nan
    if cleaned.seen is cleaned.whole and read is None:
        return whole, 1.0, sigma_m
    # Of what was seen, that which belongs to the whole without its short pieces: within two pixels of it.
    pixel = max(math.hypot(scene.transform.a, scene.transform.d), math.hypot(scene.transform.b, scene.transform.e))
    middles = [piece.interpolate(0.5, normalized=True) for piece in shapely.get_parts(seen)]
    kept = shapely.get_parts(seen)[shapely.distance(middles, whole) <= 2 * pixel]
    front = merge_lines(shapely.MultiLineString(list(kept))) if len(kept) else None
    if front is None:
        return None, 0.0, math.nan
    share = float(ground_lengths_m(front, scale=scale).sum() / ground_lengths_m(whole, scale=scale).sum())
    return front, 1.0 if share >= _SEEN or cleaned.seen is cleaned.whole else share, sigma_m


def _cut(pieces: list[NDArray[np.float64]], scene: MaskScene, regions: list[shapely.Polygon]) -> Front | None:
    """Return lines in pixels as one line on the map, cut to where a front can be."""
    if not pieces:
        return None
    line: shapely.Geometry = shapely.multilinestrings(
        shapely.linestrings(
            np.vstack([to_map(piece, scene.transform) for piece in pieces]),
            indices=np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces]),
        )
    )
    for region in regions:
        line = line.intersection(region)
    return merge_lines(line)


def ground_scale(scene: MaskScene) -> tuple[float, float]:
    """Return the length on the ground, in metres, of one unit of a scene's map along x and along y, at its middle.

    In degrees the two differ; in feet, or in Web Mercator, neither is one.
    """
    crs = scene.acquisition.crs
    if crs is None:
        return 1.0, 1.0
    middle = image_polygon(scene).centroid
    step = 0.5 * math.sqrt(abs(scene.transform.determinant))
    x = np.array([middle.x - step, middle.x + step, middle.x, middle.x])
    y = np.array([middle.y, middle.y, middle.y - step, middle.y + step])
    longitude, latitude = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    _, _, lengths = pyproj.Geod(ellps="WGS84").inv(longitude[::2], latitude[::2], longitude[1::2], latitude[1::2])
    return float(lengths[0] / (2 * step)), float(lengths[1] / (2 * step))


def pixels_along(scene: MaskScene, centreline: shapely.LineString | None) -> NDArray[np.int64] | None:
    """Return rows and columns of the pixels that a centreline passes inside the image, from inland, (N, 2)."""
    if centreline is None:
        return None
    pixels = shapely.transform(centreline, lambda xy: to_map(xy, ~scene.transform))
    count = min(20_000, 2 * int(pixels.length) + 2)
    points = shapely.get_coordinates(shapely.line_interpolate_point(pixels, np.linspace(0, 1, count), normalized=True))
    column, row = np.floor(points).astype(np.int64).T
    inside = (row >= 0) & (row < scene.shape[0]) & (column >= 0) & (column < scene.shape[1])
    return np.column_stack([row[inside], column[inside]])


def _points_inland(zones: NDArray[np.uint8], along: NDArray[np.int64] | None) -> bool:
    """Return whether the centreline starts in ocean and ends in ice, as far as the image shows it."""
    if along is None:
        return False
    seen = zones[along[:, 0], along[:, 1]]
    seen = seen[(seen == GLACIER) | (seen == OCEAN)]
    return bool(len(seen) > 1 and seen[0] == OCEAN and seen[-1] == GLACIER)
