"""What is measured of one scene as rows of the tables of observations and of fronts."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import shapely

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import Acquisition
from glaciertime.tables import join_flags
from glaciertime.track.measurement import Area, Front, Measurement, front_width_m
from glaciertime.track.place import Place, published, reproject
from glaciertime.track.ruler.ruler import FrontRuler
from glaciertime.track.ruler.uncertainty import area_sigma_km2, boundary_sigma_m, position_sigma_m
from glaciertime.track.settings import TrackSettings
from glaciertime.units import M2_PER_KM2, decimal_year

__all__ = ["EARLIEST", "area_row", "failed_row", "front_sigma_km2", "rows_of"]

#: No satellite and hardly a photograph is older.
EARLIEST = dt.date(1850, 1, 1)


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
    }


def failed_row(acquisition: Acquisition, reason: str) -> dict[str, Any]:
    """Return the row of a scene that could not be measured."""
    row = _row(
        acquisition, _AREA, method="none", footprint="box", value=math.nan, coverage=math.nan, flags={"failed": reason}
    )
    # pandas holds no dates before 1678: the reason names the date that was given.
    if not 1678 <= acquisition.date.year <= 2261:
        row["date"] = EARLIEST
    return row


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


def front_sigma_km2(acquisition: Acquisition, front: Front | None, settings: TrackSettings) -> float:
    """Return the error of an area that a front bounds; NaN without a front."""
    if front is None:
        return math.nan
    return area_sigma_km2(
        front_length_m=front.length,
        front_width_m=front_width_m(front),
        boundary_m=boundary_sigma_m(acquisition, settings=settings),
        georeferencing_m=acquisition.georeferencing_sigma_m,
        correlation_m=settings.correlation_length_m,
    )


def rows_of(
    acquisition: Acquisition, measurement: Measurement, ruler: FrontRuler
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the observations of one scene, and its front as a row or None."""
    place, settings = ruler.place, ruler.settings
    if math.isfinite(measurement.delineation_sigma_m):
        acquisition = replace(acquisition, delineation_sigma_m=measurement.delineation_sigma_m)
    boundary_m = boundary_sigma_m(acquisition, settings=settings)
    front = measurement.front
    work_front = None if front is None else reproject(front, source=measurement.crs, target=place.crs)
    shown, shown_crs = front, measurement.crs
    if work_front is not None and settings.simplify_m:
        work_front = shapely.simplify(work_front, settings.simplify_m)
        shown, shown_crs = work_front, place.crs
    width_m = math.nan if work_front is None else front_width_m(work_front)
    sigma_km2 = front_sigma_km2(acquisition, work_front, settings)
    rows = [area_row(acquisition, area, sigma_km2=sigma_km2) for area in measurement.areas]
    for method in settings.methods:
        if place.centreline is not None and (method != "area-change" or place.fjord is not None):
            rows.append(_position_row(method, acquisition, measurement, ruler, work_front, boundary_m, sigma_km2))
    if work_front is None:
        return rows, None
    footprint = (
        "fjord" if place.fjord is not None else measurement.areas[-1].footprint if measurement.areas else "trace"
    )
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
        "geometry": published(shown, shown_crs),
    }
    return rows, record


def _hidden(measurement: Measurement) -> dict[str, str]:
    """Return the flag of a front of which the scene hides a part."""
    if measurement.front_seen >= 1:
        return {}
    return {"partial-coverage": f"{measurement.front_seen:.0%} of the front seen"}


def _front_coverage(front: Front, measurement: Measurement, ruler: FrontRuler) -> float:
    """Return the share of the fjord's width that a front covers; without a fjord, of the footprint imaged."""
    seen = measurement.front_seen if measurement.front_seen < 1 else measurement.coverage
    if ruler.place.fjord is None or ruler.place.centreline is None:
        return seen
    try:
        share = ruler.fjord.covered_share(front)
    except InputError:
        return seen
    return seen if math.isnan(share) else share


def _position_row(
    method: str,
    acquisition: Acquisition,
    measurement: Measurement,
    ruler: FrontRuler,
    front: Front | None,
    boundary_m: float,
    sigma_km2: float,
) -> dict[str, Any]:
    footprint = ruler.footprint(method)
    value, sigma, coverage = math.nan, math.nan, measurement.coverage
    flags = dict(measurement.front_flags)
    if not ruler.place.is_directed:
        flags["assumed-seaward"] = "the line was drawn so that the fronts retreat"
    try:
        if measurement.centreline_points_inland:
            raise InputError(
                "the centreline runs from the sea inland; reverse it, or set centreline_runs_inland in the manifest"
            )
        fjord = next((area for area in measurement.areas if area.footprint == "fjord"), None)
        if front is None:
            pass
        elif method == "area-change" and fjord is not None:
            value, sigma = _area_position(fjord, ruler.place, sigma_km2)
        else:
            position = ruler.position(
                method, front, boundary_m=boundary_m, georeferencing_m=acquisition.georeferencing_sigma_m
            )
            value, sigma, coverage = position.value_m, position.sigma_m, coverage * position.coverage
            if position.coverage < 1:
                flags["partial-coverage"] = f"the front covers {position.coverage:.0%} of the {footprint}"
    except InputError as error:
        flags["failed"] = str(error)
    return _row(
        acquisition, _POSITION, method=method, footprint=footprint, value=value, sigma=sigma, coverage=coverage,
        flags=flags,
    )  # fmt: skip


def _area_position(fjord: Area, place: Place, sigma_km2: float) -> tuple[float, float]:
    """Return the position at which a fjord of its mean width would hold the ice measured, and its sigma.

    The share of ice in the fjord times the centreline's length inside it: the map's scale cancels.
    """
    span, width = place.fjord_span_m, place.fjord_width_m
    if span is None or width is None:
        raise InputError("the centreline does not run through the fjord; draw one that does")
    share = fjord.area_km2 / (fjord.footprint_area_km2 * fjord.coverage)
    return span[0] + share * (span[1] - span[0]), sigma_km2 * M2_PER_KM2 / width
