"""Dated scenes of one glacier in, its fronts and its observations out, one scene at a time."""

from __future__ import annotations

import datetime as dt
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
from glaciertime.tables import empty, validate
from glaciertime.track.lines import clean_line, drop_short_pieces, merge_lines
from glaciertime.track.masks import image_polygon, measure_mask
from glaciertime.track.measurement import Measurement
from glaciertime.track.outlines import measure_outline
from glaciertime.track.place import Place, place_of, reproject
from glaciertime.track.rows import EARLIEST, WGS84, failed_row, published, rows_of
from glaciertime.track.ruler import FrontRuler
from glaciertime.track.screening import screen, screen_fronts
from glaciertime.track.settings import TrackSettings

__all__ = ["FOOTPRINT_COLUMNS", "Tracked", "track_scenes"]

FOOTPRINT_COLUMNS = ("glacier", "footprint", "dataset", "area_km2", "source", "geometry")


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
    rulers: dict[str, FrontRuler] = {}
    local = False
    for scene in scenes:
        if isinstance(scene, UnreadableScene):
            if scene.acquisition is not None:
                observation_rows.append(failed_row(scene.acquisition, scene.reason))
            continue
        acquisition = scene.acquisition
        try:
            _check_date(acquisition.date)
            ruler = _ruler(acquisition, scene, glacier, settings, rulers)
            measurement = _measure(scene, ruler.place, settings)
            rows, front = rows_of(acquisition, measurement, ruler)
        except (GlacierTimeError, shapely.errors.GEOSException, pyproj.exceptions.ProjError, OSError) as error:
            observation_rows.append(failed_row(acquisition, str(error)))
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
                    "geometry": published(area.polygon, measurement.crs),
                }
    crs = None if local else WGS84
    fronts = gpd.GeoDataFrame(front_rows or empty("fronts"), geometry="geometry", crs=crs)
    footprints = gpd.GeoDataFrame(
        list(footprint_rows.values()), columns=list(FOOTPRINT_COLUMNS), geometry="geometry", crs=crs
    )
    observations = pd.DataFrame(observation_rows) if observation_rows else empty("observations")
    observations = validate(observations, "observations")
    order = ["glacier", "variable", "method", "footprint", "dataset", "date", "image_id"]
    fronts = gpd.GeoDataFrame(validate(fronts.sort_values(["Date", "ImageID"], kind="stable"), "fronts"))
    observations = observations.sort_values(order, kind="stable").reset_index(drop=True)
    if settings.screening is not None:
        fronts = screen_fronts(fronts, settings=settings.screening)
        observations = screen(observations, fronts=fronts, settings=settings.screening)
    return Tracked(
        fronts=fronts,
        observations=observations,
        footprints=footprints,
    )


def _check_date(date: dt.date) -> None:
    if not EARLIEST <= date <= dt.date.today():
        raise InputError(f"{date} is before {EARLIEST.year} or in the future; correct the date")


def _ruler(
    acquisition: Acquisition, scene: Scene, glacier: Glacier, settings: TrackSettings, rulers: dict[str, FrontRuler]
) -> FrontRuler:
    key = "local" if acquisition.crs is None else acquisition.crs.to_wkt()
    if key not in rulers:
        place = place_of(glacier, scene_crs=acquisition.crs)
        if place.crs is not None and place.crs.is_geographic:
            place = place.to(_plane_around(scene, place.crs))
        rulers[key] = FrontRuler(place=place, settings=settings)
    return rulers[key]


def _plane_around(scene: Scene, crs: pyproj.CRS) -> pyproj.CRS:
    """Return an equal-area plane centred near a scene; positions need metres."""
    if isinstance(scene, MaskScene):
        x, y = image_polygon(scene).centroid.coords[0]
    else:
        x_min, y_min, x_max, y_max = (scene.ice if isinstance(scene, OutlineScene) else scene.line).bounds
        x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
    longitude, latitude = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True).transform(x, y)
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
