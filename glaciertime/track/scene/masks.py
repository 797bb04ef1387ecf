"""Areas and the calving front of a raster of zones."""

from __future__ import annotations

import math

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, MaskScene
from glaciertime.track.measurement import Area, Front, Measurement
from glaciertime.track.place import Place
from glaciertime.track.scene.components import clean_runs
from glaciertime.track.scene.lines import drop_short_pieces, merge_lines
from glaciertime.track.scene.outlines import FILL_TOLERANCE
from glaciertime.track.scene.rasterarea import zone_areas_km2
from glaciertime.track.scene.runs import Runs, encode
from glaciertime.track.scene.tracing import front_lines_of_runs
from glaciertime.track.settings import TrackSettings
from glaciertime.units import polygon_area_km2

__all__ = ["image_polygon", "mask_area", "measure_mask", "to_map"]

# A footprint is wholly imaged if no more than this share of it is missing: its edge cuts pixels.
_WHOLE = 0.999


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
    ice = float(areas[GLACIER])
    coverage = valid / footprint_km2
    flags: dict[str, str] = {}
    if ice <= FILL_TOLERANCE * valid:
        flags = dict.fromkeys(("censored", "no-front"), f"no ice in the {name}")
    elif ice >= (1 - FILL_TOLERANCE) * valid:
        flags = dict.fromkeys(("censored", "no-front"), f"the ice fills the {name}")
    if coverage < _WHOLE:
        flags["partial-coverage"] = f"{coverage:.1%} of the {name} imaged"
    return Area(
        footprint=name,
        polygon=footprint,
        footprint_area_km2=footprint_km2,
        area_km2=ice,
        method="mask",
        coverage=coverage if coverage < _WHOLE else 1.0,
        flags=flags,
    )


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
    cleaned = clean_runs(runs)
    counted = runs if settings.count_icebergs else cleaned
    areas = [mask_area(counted, box, name=name, scene=scene)]
    front, front_flags = None, {}
    if here.fjord is not None:
        try:
            # What drifts in the fjord is no glacier: the area there is that behind the front.
            areas.append(mask_area(cleaned, here.fjord, name="fjord", scene=scene))
        except InputError as error:
            # The box may be seen where the fjord is not.
            front_flags = {"no-front": str(error)}
    front_flags = front_flags or {key: text for key, text in areas[-1].flags.items() if key == "no-front"}
    if not front_flags:
        regions = [region for region in (box if name == "box" else None, here.fjord) if region is not None]
        front = _front(cleaned, scene, regions=regions, min_length_m=settings.min_front_length_m)
        if front is None:
            front_flags = {"no-front": "no boundary between ice and ocean"}
    return Measurement(
        crs=crs,
        areas=tuple(areas),
        front=front,
        front_flags=front_flags,
        coverage=areas[-1].coverage,
        centreline_points_inland=_points_inland(zones, scene, here.centreline),
    )


def _front(cleaned: Runs, scene: MaskScene, *, regions: list[shapely.Polygon], min_length_m: float) -> Front | None:
    pieces = front_lines_of_runs(cleaned)
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
    merged = merge_lines(line)
    return None if merged is None else drop_short_pieces(merged, min_length_m=min_length_m)


def _points_inland(zones: NDArray[np.uint8], scene: MaskScene, centreline: shapely.LineString | None) -> bool:
    """Return whether the centreline starts in ocean and ends in ice, as far as the image shows it."""
    if centreline is None:
        return False
    spacing = math.sqrt(abs(scene.transform.determinant))
    count = min(2_000, int(centreline.length / spacing) + 2)
    points = shapely.get_coordinates(
        shapely.line_interpolate_point(centreline, np.linspace(0, 1, count), normalized=True)
    )
    column, row = np.floor(to_map(points, ~scene.transform)).astype(int).T
    inside = (row >= 0) & (row < scene.shape[0]) & (column >= 0) & (column < scene.shape[1])
    seen = zones[row[inside], column[inside]]
    seen = seen[(seen == GLACIER) | (seen == OCEAN)]
    return bool(len(seen) > 1 and seen[0] == OCEAN and seen[-1] == GLACIER)
