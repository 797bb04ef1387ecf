"""Dated scenes of one glacier in, its fronts and its observations out, one scene at a time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import pandas as pd
import pyproj
import shapely

from glaciertime.catalog import Glacier
from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.scenes.acquisition import Acquisition, MaskScene, OutlineScene, Scene, UnreadableScene
from glaciertime.tables import empty, join_flags, validate
from glaciertime.track.lines import clean_line, drop_short_pieces, merge_lines
from glaciertime.track.masks import measure_mask
from glaciertime.track.measurement import Area, Measurement
from glaciertime.track.measures import centreline_position_m, front_width_m
from glaciertime.track.outlines import measure_outline
from glaciertime.track.place import Place, place_of, reproject
from glaciertime.track.settings import TrackSettings
from glaciertime.track.uncertainty import area_sigma_km2, boundary_sigma_m, position_sigma_m
from glaciertime.units import M2_PER_KM2, decimal_year

__all__ = ["EARLIEST", "FOOTPRINT_COLUMNS", "Tracked", "track_scenes"]

#: No satellite and hardly a photograph is older.
EARLIEST = dt.date(1850, 1, 1)

FOOTPRINT_COLUMNS = ("glacier", "footprint", "dataset", "area_km2", "source", "geometry")

_WGS84 = pyproj.CRS.from_epsg(4326)


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """What the scenes of a glacier tell.

    Parameters
    ----------
    fronts : GeoDataFrame
        The table ``fronts`` of :mod:`glaciertime.tables`, one row per scene with a front, in EPSG:4326; without a
        CRS where the scenes lie in a local metric frame.
    observations : DataFrame
        The table ``observations``.
    footprints : GeoDataFrame
        One row per footprint in which areas were measured, columns :data:`FOOTPRINT_COLUMNS`, in the CRS of
        ``fronts``.
    """

    fronts: gpd.GeoDataFrame
    observations: pd.DataFrame
    footprints: gpd.GeoDataFrame


def track_scenes(
    scenes: Iterable[Scene | UnreadableScene], *, glacier: Glacier, settings: TrackSettings | None = None
) -> Tracked:
    """Measure the areas, the calving front and the front positions of every scene.

    Scenes are measured one by one as they come, so that memory does not grow with their number. A scene that cannot be
    measured becomes a row whose quality says why; it never ends the run.

    Parameters
    ----------
    scenes : iterable of MaskScene, OutlineScene, TraceScene or UnreadableScene
        Of one glacier, in any order.
    glacier : Glacier
        From the catalog: box, fjord and centreline.
    settings : TrackSettings, optional

    Returns
    -------
    Tracked

    Examples
    --------
    >>> from glaciertime.scenes.acquisition import Acquisition, OutlineScene
    >>> what = Acquisition(
    ...     glacier="Toy", date=dt.date(2020, 1, 1), dataset="toy", image_id="a", source="simulated", input="a.gpkg"
    ... )
    >>> scene = OutlineScene(acquisition=what, ice=shapely.box(0, 0, 4000, 2000), box=shapely.box(0, 0, 9000, 2000))
    >>> tracked = track_scenes([scene], glacier=Glacier(name="Toy"))
    >>> tracked.observations.query("variable == 'area_km2'").value.tolist()
    [8.0]
    """
    settings = settings or TrackSettings()
    front_rows: list[dict[str, Any]] = []
    observation_rows: list[dict[str, Any]] = []
    footprint_rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    places: dict[str, Place] = {}
    local = False
    for scene in scenes:
        if isinstance(scene, UnreadableScene):
            if scene.acquisition is not None:
                observation_rows.append(_failed(scene.acquisition, "area_km2", "km2", "box", scene.reason))
            continue
        acquisition = scene.acquisition
        try:
            _check_date(acquisition.date)
            place = _place(acquisition, scene, glacier, places)
            measurement = _measure(scene, place, settings)
            rows, front = _rows(acquisition, measurement, place, settings)
        except (GlacierTimeError, shapely.errors.GEOSException, pyproj.exceptions.ProjError, OSError) as error:
            observation_rows.append(_failed(acquisition, "area_km2", "km2", "box", str(error)))
            continue
        local = local or acquisition.crs is None
        observation_rows.extend(rows)
        if front is not None:
            front_rows.append(front)
        for area in measurement.areas:
            key = (area.footprint, acquisition.dataset, acquisition.source)
            if key not in footprint_rows:
                footprint_rows[key] = {
                    "glacier": glacier.name,
                    "footprint": area.footprint,
                    "dataset": acquisition.dataset,
                    "area_km2": area.footprint_area_km2,
                    "source": acquisition.source,
                    "geometry": _published(area.polygon, measurement.crs),
                }
    crs = None if local else _WGS84
    fronts = gpd.GeoDataFrame(front_rows or empty("fronts"), geometry="geometry", crs=crs)
    footprints = gpd.GeoDataFrame(
        list(footprint_rows.values()), columns=list(FOOTPRINT_COLUMNS), geometry="geometry", crs=crs
    )
    observations = pd.DataFrame(observation_rows) if observation_rows else empty("observations")
    observations = validate(observations, "observations")
    order = ["glacier", "variable", "method", "footprint", "dataset", "date", "image_id"]
    fronts = gpd.GeoDataFrame(validate(fronts.sort_values(["Date", "ImageID"], kind="stable"), "fronts"))
    return Tracked(
        fronts=fronts,
        observations=observations.sort_values(order, kind="stable").reset_index(drop=True),
        footprints=footprints,
    )


def _check_date(date: dt.date) -> None:
    if not EARLIEST <= date <= dt.date.today():
        raise InputError(f"{date} is before {EARLIEST.year} or in the future; correct the date")


def _place(acquisition: Acquisition, scene: Scene, glacier: Glacier, places: dict[str, Place]) -> Place:
    key = "local" if acquisition.crs is None else acquisition.crs.to_wkt()
    if key not in places:
        place = place_of(glacier, scene_crs=acquisition.crs)
        if place.crs is not None and place.crs.is_geographic:
            place = place.to(_plane_around(scene, place.crs))
        places[key] = place
    return places[key]


def _plane_around(scene: Scene, crs: pyproj.CRS) -> pyproj.CRS:
    """Return an equal-area plane centred near a scene; positions need metres."""
    if isinstance(scene, MaskScene):
        x, y = scene.transform * (scene.shape[1] / 2, scene.shape[0] / 2)
    else:
        x_min, y_min, x_max, y_max = (scene.ice if isinstance(scene, OutlineScene) else scene.line).bounds
        x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
    longitude, latitude = pyproj.Transformer.from_crs(crs, _WGS84, always_xy=True).transform(x, y)
    return pyproj.CRS.from_proj4(
        f"+proj=laea +lat_0={latitude:.1f} +lon_0={longitude:.1f} +ellps=WGS84 +units=m +no_defs"
    )


def _measure(scene: Scene, place: Place, settings: TrackSettings) -> Measurement:
    if isinstance(scene, MaskScene):
        return measure_mask(scene, place=place, settings=settings)
    if isinstance(scene, OutlineScene):
        return measure_outline(scene, place=place, settings=settings)
    line: shapely.Geometry = reproject(clean_line(scene.line), source=scene.acquisition.crs, target=place.crs)
    if place.fjord is not None:
        line = line.intersection(place.fjord)
        if line.is_empty:
            raise InputError("the trace lies outside the fjord; check its CRS and its glacier")
    merged = merge_lines(line)
    if merged is None:
        raise InputError("the trace only touches the fjord in a point; check its CRS and its glacier")
    return Measurement(
        crs=place.crs, areas=(), front=drop_short_pieces(merged, min_length_m=settings.min_front_length_m)
    )


def _published(geometry: shapely.Geometry, crs: pyproj.CRS | None) -> shapely.Geometry:
    return reproject(geometry, source=crs, target=None if crs is None else _WGS84)


def _row(
    acquisition: Acquisition, variable: str, unit: str, method: str, footprint: str, value: float, *,
    sigma: float = math.nan, coverage: float = 1.0, flags: dict[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "glacier": acquisition.glacier,
        "date": acquisition.date,
        "variable": variable,
        "value": value,
        "sigma": sigma,
        "unit": unit,
        "method": method,
        "footprint": footprint,
        "dataset": acquisition.dataset,
        "sensor": acquisition.sensor,
        "image_id": acquisition.image_id,
        "coverage": coverage,
        "quality": join_flags({**acquisition.flags, **(flags or {})}),
        "source": acquisition.source,
    }


def _failed(acquisition: Acquisition, variable: str, unit: str, footprint: str, reason: str) -> dict[str, Any]:
    row = _row(acquisition, variable, unit, "none", footprint, math.nan, coverage=math.nan, flags={"failed": reason})
    # An impossible date cannot stand in the table's column of dates beyond what pandas can hold.
    if not 1678 <= acquisition.date.year <= 2261:
        row["date"] = EARLIEST
    return row


def _rows(
    acquisition: Acquisition, measurement: Measurement, place: Place, settings: TrackSettings
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    boundary_m = boundary_sigma_m(acquisition, settings=settings)
    georeferencing_m = acquisition.georeferencing_sigma_m
    front = measurement.front
    if front is not None and settings.simplify_m:
        front = shapely.simplify(front, settings.simplify_m)
    work_front = None if front is None else reproject(front, source=measurement.crs, target=place.crs)
    sigma_km2 = math.nan
    if work_front is not None:
        sigma_km2 = area_sigma_km2(
            front_length_m=work_front.length,
            front_width_m=front_width_m(work_front),
            boundary_m=boundary_m,
            georeferencing_m=georeferencing_m,
            correlation_m=settings.correlation_length_m,
        )
    rows = [
        _row(
            acquisition, "area_km2", "km2", area.method, area.footprint, area.area_km2,
            sigma=math.nan if "censored" in area.flags else sigma_km2, coverage=area.coverage, flags=area.flags,
        )
        for area in measurement.areas
    ]  # fmt: skip
    for method in settings.methods:
        row = _position_row(method, acquisition, measurement, place, work_front, boundary_m, sigma_km2)
        if row is not None:
            rows.append(row)
    if work_front is None:
        return rows, None
    rows.append(
        _row(
            acquisition, "front_width_m", "m", "end-to-end", _front_footprint(place, measurement),
            front_width_m(work_front), sigma=math.sqrt(2) * boundary_m, coverage=measurement.coverage,
        )
    )  # fmt: skip
    record = {
        "GlacierID": acquisition.glacier,
        "Date": acquisition.date,
        "DecDate": decimal_year(acquisition.date),
        "QualFlag": join_flags({**acquisition.flags, **measurement.front_flags}),
        "Satellite": acquisition.sensor,
        "ImageID": acquisition.image_id,
        "Author": acquisition.author or acquisition.dataset,
        "sigma_m": position_sigma_m(boundary_m, georeferencing_m=georeferencing_m),
        "coverage": measurement.coverage,
        "resolution_m": acquisition.resolution_m,
        "model": "",
        "source": acquisition.source,
        "geometry": _published(work_front, place.crs),
    }
    return rows, record


def _front_footprint(place: Place, measurement: Measurement) -> str:
    if place.fjord is not None:
        return "fjord"
    return measurement.areas[-1].footprint if measurement.areas else "trace"


def _position_row(
    method: str,
    acquisition: Acquisition,
    measurement: Measurement,
    place: Place,
    front: shapely.Geometry | None,
    boundary_m: float,
    sigma_km2: float,
) -> dict[str, Any] | None:
    if place.centreline is None:
        return None
    footprint = "fjord" if method == "area-change" else "centreline"
    if front is None:
        return _row(
            acquisition, "front_position_m", "m", method, footprint, math.nan, coverage=measurement.coverage,
            flags=measurement.front_flags,
        )  # fmt: skip
    try:
        if method == "centreline":
            value = centreline_position_m(front, centreline=place.centreline)
            sigma = position_sigma_m(boundary_m, georeferencing_m=acquisition.georeferencing_sigma_m)
        else:
            fjord = next((area for area in measurement.areas if area.footprint == "fjord"), None)
            if fjord is None:
                return None
            value, sigma = _area_position(fjord, place, sigma_km2)
    except InputError as error:
        return _row(
            acquisition, "front_position_m", "m", method, footprint, math.nan, coverage=measurement.coverage,
            flags={"failed": str(error)},
        )  # fmt: skip
    return _row(
        acquisition, "front_position_m", "m", method, footprint, value, sigma=sigma, coverage=measurement.coverage,
        flags={key: text for key, text in measurement.front_flags.items() if key != "no-front"},
    )  # fmt: skip


def _area_position(fjord: Area, place: Place, sigma_km2: float) -> tuple[float, float]:
    """Return the position at which a fjord of its mean width would hold the ice measured, and its sigma.

    The share of ice in the fjord times the centreline's length inside it: the fjord's width cancels the map's scale.
    """
    span, width = place.fjord_span_m, place.fjord_width_m
    if span is None or width is None:
        raise InputError("the centreline does not run through the fjord; draw one that does")
    share = fjord.area_km2 / (fjord.footprint_area_km2 * fjord.coverage)
    sigma_m = sigma_km2 * M2_PER_KM2 / width
    return span[0] + share * (span[1] - span[0]), sigma_m
