"""Areas and the calving front of ice given as polygons."""

from __future__ import annotations

import math

import shapely

from glaciertime.scenes.acquisition import OutlineScene
from glaciertime.sentences import sentence
from glaciertime.track.measurement import Area, Measurement
from glaciertime.track.place import Place, reproject
from glaciertime.track.scene.lines import drop_short_pieces, front_of_ice, merge_lines
from glaciertime.track.settings import TrackSettings
from glaciertime.units import polygon_area_km2, true_plane

__all__ = ["NEEDS_A_LINE", "fill_flags", "measure_outline"]

# Share of a footprint that may be missing from, or be left of, ice that fills or has left it.
FILL_TOLERANCE = 1e-4
NEEDS_A_LINE = "an outline tells no calving front without a fjord or a centreline"


def fill_flags(share: float, footprint: str) -> dict[str, str]:
    """Return the flags of an area of which a share of the footprint is ice.

    Examples
    --------
    >>> fill_flags(1.0, "fjord")
    {'censored': 'the ice fills the fjord', 'no-front': 'the ice fills the fjord'}
    >>> fill_flags(0.5, "fjord")
    {}
    """
    if share >= 1 - FILL_TOLERANCE:
        reason = sentence("ice-fills", name=footprint)
    elif share <= FILL_TOLERANCE:
        reason = sentence("no-ice", name=footprint)
    else:
        return {}
    return {"censored": reason, "no-front": reason}


def measure_outline(scene: OutlineScene, *, place: Place, settings: TrackSettings) -> Measurement:
    """Measure ice given as polygons: inside the box and the fjord, or whole where the place has neither.

    What is not ice is ocean or rock, which outlines do not tell apart: the boundary is a front inside the fjord, or
    in the box where a centreline crosses it, or beside the centreline where there is no box. Without a fjord and a
    centreline an outline has an area, and no front.

    Raises
    ------
    InputError
        Where the ice lies outside the box and the fjord.
    """
    source = scene.acquisition.crs
    ice = shapely.make_valid(shapely.force_2d(scene.ice))
    ice = reproject(ice, source=source, target=place.crs)
    box = place.box if scene.box is None else reproject(scene.box, source=source, target=place.crs)
    if box is None and place.fjord is None:
        return _whole(ice, place, width_m=settings.box_width_m)
    areas, measured = [], []
    for name, footprint in (("box", box), ("fjord", place.fjord)):
        if footprint is None:
            continue
        inside = ice.intersection(footprint)
        measured.append(inside)
        area_km2 = polygon_area_km2(inside, crs=place.crs)
        footprint_km2 = polygon_area_km2(footprint, crs=place.crs)
        areas.append(
            Area(
                footprint=name,
                polygon=footprint,
                footprint_area_km2=footprint_km2,
                area_km2=area_km2,
                method="polygon",
                flags=fill_flags(area_km2 / footprint_km2, name),
            )
        )
    resolution = scene.acquisition.resolution_m
    tolerance = 0.25 * resolution if math.isfinite(resolution) else 1.0
    inland = shapely.Point(place.centreline.coords[0]) if place.centreline is not None else None
    seaward = shapely.Point(place.centreline.coords[-1]) if place.centreline is not None else None
    front_flags = areas[-1].flags
    front = None
    if place.fjord is None and place.centreline is None:
        front_flags = {"no-front": NEEDS_A_LINE}
    if not front_flags:
        front = front_of_ice(
            ice, box=box, fjord=place.fjord, inland=inland, seaward=seaward, edge_tolerance_m=tolerance
        )
        if front is None:
            front_flags = {"no-front": sentence("ice-no-boundary")}
        else:
            front = drop_short_pieces(front, min_length_m=settings.min_front_length_m)
    return Measurement(
        crs=place.crs,
        areas=tuple(areas),
        front=front,
        front_flags=front_flags,
        centreline_points_inland=_points_inland(ice, place, box),
        ice=shapely.union_all(measured),
    )


def _whole(ice: shapely.Geometry, place: Place, *, width_m: float) -> Measurement:
    """Return the area of a whole outline, and of its boundary what the centreline crosses, where there is one."""
    area_km2 = polygon_area_km2(ice, crs=place.crs)
    area = Area(
        footprint="outline", polygon=ice, footprint_area_km2=area_km2, area_km2=area_km2, method="polygon", flags={}
    )  # fmt: skip
    front = None if place.centreline is None else _across(ice, place, place.centreline, width_m=width_m)
    why = NEEDS_A_LINE if place.centreline is None else "the ice does not end on the centreline"
    return Measurement(
        crs=place.crs,
        areas=(area,),
        front=front,
        front_flags={"no-front": why} if front is None else {},
        centreline_points_inland=place.centreline is not None and _runs_into(place.centreline, ice),
        is_whole_front=False,
        ice=ice,
    )


def _runs_into(centreline: shapely.LineString, ice: shapely.Geometry) -> bool:
    """Return whether a centreline starts outside the ice and ends in it."""
    first, last = (shapely.Point(centreline.coords[index]) for index in (0, -1))
    return bool(not ice.covers(first) and ice.covers(last))


def _across(
    ice: shapely.Geometry, place: Place, centreline: shapely.LineString, *, width_m: float
) -> shapely.LineString | None:
    """Return the boundary of the ice within half a width of where the centreline leaves it for the last time."""
    plane = true_plane(ice, crs=place.crs)
    flat, line = (reproject(each, source=place.crs, target=plane) for each in (ice, centreline))
    parts = [part for part in shapely.get_parts(flat) if part.geom_type == "Polygon"]
    if not parts:
        return None
    inland = shapely.Point(line.coords[0])
    glacier = min(parts, key=lambda part: (part.distance(inland), -part.area))
    beside = shapely.buffer(line, width_m / 2, cap_style="flat")
    merged = merge_lines(shapely.LineString(glacier.exterior.coords).intersection(beside))
    last: tuple[float, shapely.LineString] | None = None
    for piece in () if merged is None else shapely.get_parts(merged):
        met = shapely.get_coordinates(piece.intersection(line))
        if len(met):
            along = float(shapely.line_locate_point(line, shapely.points(met)).max())
            last = max(last or (-math.inf, piece), (along, piece), key=lambda pair: pair[0])
    return None if last is None else reproject(last[1], source=plane, target=place.crs)


def _points_inland(ice: shapely.Geometry, place: Place, box: shapely.Polygon | None) -> bool:
    """Return whether the centreline starts in the ocean and ends in ice, within the fjord or the box."""
    region = place.fjord if place.fjord is not None else box
    if place.centreline is None or region is None:
        return False
    inside = place.centreline.intersection(region)
    if inside.is_empty:
        return False
    vertices = shapely.points(shapely.get_coordinates(inside))
    along = shapely.line_locate_point(place.centreline, vertices)
    # Half a metre inside, since the ends lie on the edge of the region.
    first, last = shapely.line_interpolate_point(place.centreline, [along.min() + 0.5, along.max() - 0.5])
    return bool(not ice.covers(first) and ice.covers(last))
