"""What is measured of one scene as rows of the tables of observations and of fronts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyproj
import shapely

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import Acquisition
from glaciertime.sentences import sentence
from glaciertime.tables import FRONT_VARIABLES, flags_of, join_flags
from glaciertime.track.measurement import Area, Front, Measurement, Rounding, front_width_m
from glaciertime.track.place import published, reproject
from glaciertime.track.ruler.pieces import joined
from glaciertime.track.ruler.ruler import FrontRuler
from glaciertime.track.ruler.uncertainty import (
    area_sigma_km2,
    boundary_sigma_m,
    delineation_sigma_m,
    position_sigma_m,
)
from glaciertime.track.settings import TrackSettings
from glaciertime.units import M2_PER_KM2, decimal_year

__all__ = ["ToldByAll", "add_told", "area_row", "failed_row", "front_sigma_km2", "rows_of", "with_own_sigma"]

#: Flags with their reasons, by data set and image.
ToldByAll = Mapping[tuple[str, str], Mapping[str, str]]

# Where polygons of one line differ by less than twice this, it is by rounding.
_SLIVER_M = 1.0
_POSITION = ("front_position_m", "m")
_AREA = ("area_km2", "km2")
_WIDTH = ("front_width_m", "m")


def _row(
    acquisition: Acquisition,
    quantity: tuple[str, str],
    *,
    method: str,
    footprint: str,
    value: float,
    sigma: float = math.nan,
    coverage: float = 1.0,
    flags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "glacier": acquisition.glacier,
        "date": acquisition.date,
        "variable": quantity[0],
        "value": value,
        "sigma": sigma,
        "unit": quantity[1],
        "method": method,
        "footprint": footprint,
        "dataset": acquisition.dataset,
        "sensor": acquisition.sensor,
        "image_id": acquisition.image_id,
        "coverage": coverage,
        "quality": join_flags({**acquisition.flags, **(flags or {})}),
        "source": acquisition.source,
        # An area is one of ice, whatever it ends in.
        "front_of": "" if quantity == _AREA else acquisition.front_of,
    }


def failed_row(acquisition: Acquisition, reason: str) -> dict[str, Any]:
    """Return the row of a scene that could not be measured."""
    return _row(
        acquisition, _AREA, method="none", footprint="box", value=math.nan, coverage=math.nan, flags={"failed": reason}
    )


def area_row(acquisition: Acquisition, area: Area, *, sigma_km2: float) -> dict[str, Any]:
    """Return an area as a row of observations; a bound has no sigma."""
    return _row(
        acquisition,
        _AREA,
        method=area.method,
        footprint=area.footprint,
        value=area.area_km2,
        sigma=math.nan if "censored" in area.flags else sigma_km2,
        coverage=area.coverage,
        flags=area.flags,
    )


def front_sigma_km2(
    acquisition: Acquisition, front: Front | None, settings: TrackSettings, *, rounding: Rounding | None = None
) -> float:
    """Return the error of an area that a front bounds; NaN without a front."""
    if front is None:
        return math.nan
    return area_sigma_km2(
        front_length_m=front.length,
        front_width_m=front_width_m(front),
        boundary_m=delineation_sigma_m(acquisition, settings=settings),
        georeferencing_m=acquisition.georeferencing_sigma_m,
        correlation_m=settings.correlation_length_m,
        rounding=rounding or Rounding.of_pixels(acquisition.resolution_m),
    )


def with_own_sigma(acquisition: Acquisition, measurement: Measurement) -> Acquisition:
    """Return an acquisition whose error of delineation is that which the front itself tells, where it does."""
    if math.isnan(measurement.delineation_sigma_m):
        return acquisition
    return replace(acquisition, delineation_sigma_m=measurement.delineation_sigma_m)


def rows_of(
    acquisition: Acquisition, measurement: Measurement, ruler: FrontRuler
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the observations of one scene, and its front as a row or None."""
    place, settings = ruler.place, ruler.settings
    acquisition = with_own_sigma(acquisition, measurement)
    rounding = measurement.rounding or Rounding.of_pixels(acquisition.resolution_m)
    boundary_m = boundary_sigma_m(acquisition, settings=settings, rounding=rounding)
    front = measurement.front
    work_front = None if front is None else reproject(front, source=measurement.crs, target=place.crs)
    shown, shown_crs = front, measurement.crs
    if work_front is not None and settings.simplify_m:
        work_front = shapely.simplify(work_front, settings.simplify_m)
        shown, shown_crs = work_front, place.crs
    width_m = math.nan if work_front is None else front_width_m(work_front)
    bounding = work_front if measurement.is_whole_front else None
    sigma_km2 = front_sigma_km2(acquisition, bounding, settings, rounding=rounding)
    rows = [area_row(acquisition, area, sigma_km2=sigma_km2) for area in measurement.areas]
    for method in settings.methods:
        if place.centreline is not None and (method != "area-change" or place.fjord is not None):
            rows.append(_position_row(method, acquisition, measurement, ruler, work_front, rounding, sigma_km2))
    if work_front is None:
        return rows, None
    footprint = (
        "fjord" if place.fjord is not None else measurement.areas[-1].footprint if measurement.areas else "trace"
    )
    # The outline of a glacier on land closes on itself: it has no two ends.
    if measurement.is_whole_front and width_m > 0:
        rows.append(
            _row(
                acquisition,
                _WIDTH,
                method="end-to-end",
                footprint=footprint,
                value=width_m,
                sigma=math.sqrt(2) * boundary_m,
                coverage=measurement.coverage,
            )
        )
    record = {
        "GlacierID": acquisition.glacier,
        "Date": acquisition.date,
        "DecDate": decimal_year(acquisition.date),
        "QualFlag": join_flags({**acquisition.flags, **measurement.front_flags, **_hidden(measurement)}),
        "Satellite": acquisition.sensor,
        "ImageID": acquisition.image_id,
        "Author": acquisition.author or acquisition.dataset,
        "sigma_m": position_sigma_m(boundary_m, georeferencing_m=acquisition.georeferencing_sigma_m),
        "coverage": _front_coverage(work_front, measurement, ruler),
        "resolution_m": acquisition.resolution_m,
        "model": acquisition.model,
        "source": acquisition.source,
        "dataset": acquisition.dataset,
        "front_of": acquisition.front_of,
        "geometry": published(shown, shown_crs),
    }
    return rows, record


def _hidden(measurement: Measurement) -> dict[str, str]:
    """Return the flag of a front of which the scene hides a part."""
    if measurement.front_seen >= 1:
        return {}
    return {"partial-coverage": sentence("front-seen", share=f"{100 * measurement.front_seen:.0f}")}


def _front_coverage(front: Front, measurement: Measurement, ruler: FrontRuler) -> float:
    """Return the share of the front that was seen: of the fjord's width, or, without a fjord, from end to end."""
    seen = measurement.front_seen
    if ruler.place.fjord is None or ruler.place.centreline is None:
        return min(seen, joined(front).seen)
    try:
        share = ruler.fjord.covered_share(front)
    except InputError:
        return seen
    return seen if math.isnan(share) else min(seen, share)


def _position_row(
    method: str,
    acquisition: Acquisition,
    measurement: Measurement,
    ruler: FrontRuler,
    front: Front | None,
    rounding: Rounding,
    sigma_km2: float,
) -> dict[str, Any]:
    footprint = ruler.footprint(method)
    value, sigma, coverage = math.nan, math.nan, measurement.coverage
    flags = dict(measurement.front_flags)
    if not ruler.place.is_directed:
        flags["assumed-seaward"] = sentence("drawn-retreating")
    try:
        if measurement.centreline_points_inland:
            raise InputError(
                "the centreline runs from the sea inland; reverse it, or set centreline_runs_inland in the manifest"
            )
        fjord = next((area for area in measurement.areas if area.footprint == "fjord"), None)
        if front is None:
            pass
        elif method == "area-change" and fjord is not None:
            value, sigma = _area_position(fjord, measurement.crs, ruler, front, sigma_km2)
            coverage = fjord.coverage
        else:
            position = ruler.position(
                method, front, boundary_m=delineation_sigma_m(acquisition, settings=ruler.settings),
                georeferencing_m=acquisition.georeferencing_sigma_m, rounding=rounding,
            )  # fmt: skip
            value, sigma = position.value_m, position.sigma_m
            coverage = position.coverage
            if method != "centreline":
                coverage = min(coverage, measurement.front_seen)
        if front is not None and coverage < ruler.settings.least_seen:
            what = "fjord" if method == "area-change" and fjord is not None else "front"
            flags["partial-coverage"] = sentence("seen", share=f"{100 * coverage:.0f}", name=what)
    except InputError as error:
        flags["failed"] = str(error)
    return _row(
        acquisition, _POSITION, method=method, footprint=footprint, value=value, sigma=sigma, coverage=coverage,
        flags=flags,
    )  # fmt: skip


def _area_position(
    fjord: Area, crs: pyproj.CRS | None, ruler: FrontRuler, front: Front, sigma_km2: float
) -> tuple[float, float]:
    """Return the position at which a fjord of its mean width would hold the ice measured, and its sigma.

    The ice's share of ice and ocean times the length of the fjord's channel: the formula of
    :func:`glaciertime.track.ruler.channel.fjord_channel` for traces, in which rock belongs to neither. What was not
    observed is like the nearest that was; what lies outside the image is ice inland of the front, ocean seaward of it,
    and like the rest beside it.
    """
    channel = ruler.fjord
    ice, ocean = fjord.area_km2, fjord.ocean_km2
    if math.isnan(ocean):
        ocean = fjord.footprint_area_km2 * fjord.coverage - fjord.area_km2
    rock = max(0.0, fjord.footprint_area_km2 * fjord.coverage - ice - ocean)
    if fjord.presumed_km2 is not None:
        ice, ocean, rock = fjord.presumed_km2
    hidden_ice, hidden_ocean = _hidden_km2(fjord, crs, ruler, front)
    passable = (ice + ocean) / (ice + ocean + rock)
    ice, ocean = ice + passable * hidden_ice, ocean + passable * hidden_ocean
    length_m = channel.polygon.area / channel.width_m
    return channel.start_m + ice / (ice + ocean) * length_m, sigma_km2 * M2_PER_KM2 / channel.width_m


def _hidden_km2(fjord: Area, crs: pyproj.CRS | None, ruler: FrontRuler, front: Front) -> tuple[float, float]:
    """Return how much of a fjord lies outside the image inland of the front, and seaward of it."""
    if fjord.observed is None:
        return 0.0, 0.0
    line = ruler.centreline
    hidden = ruler.fjord.polygon.difference(reproject(fjord.observed, source=crs, target=ruler.place.crs))
    # Slivers of rounding along the image's edge would join what lies inland to what lies seaward.
    hidden = hidden.buffer(-_SLIVER_M).buffer(_SLIVER_M, join_style="mitre")
    stands = shapely.line_locate_point(line, shapely.points(shapely.get_coordinates(front)))
    inland = seaward = 0.0
    for part in shapely.get_parts(hidden):
        if part.area <= 0:
            continue
        along = shapely.line_locate_point(line, shapely.points(shapely.get_coordinates(part)))
        middle = float(shapely.line_locate_point(line, part.centroid))
        # A part that reaches past the front on both sides tells nothing of it: it counts as what was seen does.
        if along.max() <= stands.max() and middle <= stands.min():
            inland += part.area
        elif along.min() >= stands.min() and middle >= stands.max():
            seaward += part.area
    return inland / M2_PER_KM2, seaward / M2_PER_KM2


def add_told(observations: Sequence[dict[str, Any]], fronts: Sequence[dict[str, Any]], told: ToldByAll) -> None:
    """Add to rows what all scenes of a glacier together tell of one: a flag it has gets a new reason, others are added.

    Flags that a row does not have are added to what is measured of a front alone.
    """
    places = [(row, "image_id", "quality", row["variable"] in FRONT_VARIABLES) for row in observations]
    places += [(row, "ImageID", "QualFlag", True) for row in fronts]
    for row, image, quality, is_of_front in places:
        own = flags_of(row[quality])
        if "failed" in own:
            continue
        flags = told.get((row["dataset"], row[image]), {})
        new = {flag: reason for flag, reason in flags.items() if flag in own or is_of_front}
        if new:
            row[quality] = join_flags({**own, **new})
