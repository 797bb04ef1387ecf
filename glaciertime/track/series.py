"""Dated scenes of one glacier in, its fronts and its observations out, one scene at a time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import geopandas as gpd
import pandas as pd
import pyproj
import shapely
from rasterio.features import geometry_mask

from glaciertime.catalog import Glacier
from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.scenes.acquisition import Acquisition, MaskScene, OutlineScene, Scene, UnreadableScene
from glaciertime.tables import empty, validate
from glaciertime.track.measurement import Measurement
from glaciertime.track.place import WGS84, Place, place_of, published, reproject
from glaciertime.track.record.screening import screen, screen_fronts
from glaciertime.track.rows import EARLIEST, area_row, failed_row, front_sigma_km2, rows_of
from glaciertime.track.ruler.centrelines import centreline_from_zones
from glaciertime.track.ruler.moving import changed_zone, moving_chord_m, moving_length_m
from glaciertime.track.ruler.ruler import FrontRuler
from glaciertime.track.ruler.uncertainty import area_sigma_km2, boundary_sigma_m
from glaciertime.track.scene.common import MeasuredMask, common_areas, needs_common_footprint
from glaciertime.track.scene.lines import clean_line, drop_short_pieces, merge_lines
from glaciertime.track.scene.masks import image_polygon, measure_mask
from glaciertime.track.scene.outlines import measure_outline
from glaciertime.track.settings import TrackSettings
from glaciertime.units import M2_PER_KM2, polygon_area_km2, true_plane

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
    run = _Run(glacier=glacier, settings=settings)
    for scene in scenes:
        if isinstance(scene, UnreadableScene):
            if scene.acquisition is not None:
                run.observations.append(failed_row(scene.acquisition, scene.reason))
            continue
        try:
            run.measure(scene)
        except (GlacierTimeError, shapely.errors.GEOSException, pyproj.exceptions.ProjError, OSError) as error:
            run.observations.append(failed_row(scene.acquisition, str(error)))
    if needs_common_footprint(run.masks):
        run.measure_common_footprint()
    run.count_moving_boundaries()
    return run.tables()


@dataclass(kw_only=True)
class _Run:
    """What has been gathered of one glacier's scenes so far: rows, not pixels."""

    glacier: Glacier
    settings: TrackSettings
    #: Of scenes on Earth (False) and of those in a local frame (True): the place, and the ruler on its true plane.
    places: dict[bool, Place] = field(default_factory=dict)
    rulers: dict[bool, FrontRuler] = field(default_factory=dict)
    fronts: list[dict[str, Any]] = field(default_factory=list)
    observations: list[dict[str, Any]] = field(default_factory=list)
    footprints: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    masks: list[MeasuredMask] = field(default_factory=list)
    #: Outlines in the coordinates of their box: vectors, which cost little to hold.
    outlines: list[tuple[Acquisition, shapely.Geometry, shapely.Polygon]] = field(default_factory=list)
    is_local: bool = False

    def measure(self, scene: Scene) -> None:
        """Measure one scene and keep its rows."""
        acquisition = scene.acquisition
        _check_date(acquisition.date)
        place = self._at(scene)
        ruler = self._ruler(scene, place)
        measurement = _measure(scene, place, self.settings)
        if measurement.front is not None and ruler.place.centreline is None and isinstance(scene, MaskScene):
            ruler = self._with_drawn_centreline(scene, ruler)
        rows, front = rows_of(acquisition, measurement, ruler)
        self.is_local = self.is_local or acquisition.crs is None
        self.observations.extend(rows)
        if front is not None:
            self.fronts.append(front)
        for area in measurement.areas:
            self._keep_footprint(acquisition, area.footprint, area.footprint_area_km2, area.polygon, measurement.crs)
        if isinstance(scene, MaskScene):
            self._keep_mask(scene, measurement, place)
        if isinstance(scene, OutlineScene):
            box = next((area.polygon for area in measurement.areas if area.footprint == "box"), None)
            if box is not None:
                self.outlines.append(
                    (acquisition, reproject(scene.ice, source=acquisition.crs, target=measurement.crs), box)
                )

    def count_moving_boundaries(self) -> None:
        """Give the areas of outlines in their box the error of every boundary that moved there, not of one front."""
        if len(self.outlines) < 2:
            return
        footprint = self.outlines[0][2]
        if any(not box.equals(footprint) for _, _, box in self.outlines):
            return
        zone = changed_zone([ice for _, ice, _ in self.outlines], footprint=footprint)
        # A boundary's length on the map, and on the ellipsoid.
        crs = self.places[self.is_local].crs
        scale = math.sqrt(polygon_area_km2(footprint, crs=crs) * M2_PER_KM2 / footprint.area)
        sigmas: dict[tuple[str, str], float] = {}
        for acquisition, ice, box in self.outlines:
            length_m = scale * moving_length_m(ice, zone=zone, footprint=box)
            if length_m > 0:
                sigmas[acquisition.dataset, acquisition.image_id] = area_sigma_km2(
                    front_length_m=length_m,
                    front_width_m=scale * moving_chord_m(ice, zone=zone, footprint=box),
                    boundary_m=boundary_sigma_m(acquisition, settings=self.settings),
                    georeferencing_m=acquisition.georeferencing_sigma_m,
                    correlation_m=self.settings.correlation_length_m,
                )
        for row in self.observations:
            is_box = row["variable"] == "area_km2" and row["footprint"] == "box"
            if is_box and "censored" not in row["quality"]:
                row["sigma"] = sigmas.get((row["dataset"], row["image_id"]), row["sigma"])

    def measure_common_footprint(self) -> None:
        """Measure the areas once more inside the footprint that all masks share."""
        try:
            areas, footprint = common_areas(self.masks, settings=self.settings)
        except (GlacierTimeError, shapely.errors.GEOSException, pyproj.exceptions.ProjError, OSError) as error:
            self.observations.append(failed_row(self.masks[0].scene.acquisition, f"common footprint: {error}"))
            return
        for mask, area, front in areas:
            acquisition = mask.scene.acquisition
            ruler = self.rulers[acquisition.crs is None]
            there = None if front is None else reproject(front, source=mask.crs, target=ruler.place.crs)
            sigma_km2 = front_sigma_km2(acquisition, there, self.settings)
            self.observations.append(area_row(acquisition, area, sigma_km2=sigma_km2))
            self._keep_footprint(acquisition, "common", area.footprint_area_km2, footprint, mask.crs)

    def tables(self) -> Tracked:
        """Return what was gathered as validated, screened tables."""
        crs = None if self.is_local else WGS84
        fronts = gpd.GeoDataFrame(self.fronts or empty("fronts"), geometry="geometry", crs=crs)
        fronts = gpd.GeoDataFrame(validate(fronts.sort_values(["Date", "ImageID"], kind="stable"), "fronts"))
        observations = pd.DataFrame(self.observations) if self.observations else empty("observations")
        observations = validate(observations, "observations")
        order = ["glacier", "variable", "method", "footprint", "dataset", "date", "image_id"]
        observations = observations.sort_values(order, kind="stable").reset_index(drop=True)
        screening = self.settings.screening
        if screening is not None:
            fronts = screen_fronts(fronts, settings=screening)
            observations = screen(observations, fronts=fronts, settings=screening)
        footprints = gpd.GeoDataFrame(
            list(self.footprints.values()), columns=list(FOOTPRINT_COLUMNS), geometry="geometry", crs=crs
        )
        return Tracked(fronts=fronts, observations=observations, footprints=footprints)

    def _at(self, scene: Scene) -> Place:
        """Return where a scene is measured: on one plane for all scenes of the glacier that have a place on Earth."""
        crs = scene.acquisition.crs
        key = crs is None
        if key not in self.places:
            place = place_of(self.glacier, scene_crs=crs)
            if place.crs is not None and place.crs.is_geographic:
                place = place.to(true_plane(place.extent or _outline_of(scene), crs=place.crs))
            self.places[key] = place
        return self.places[key]

    def _ruler(self, scene: Scene, place: Place) -> FrontRuler:
        """Return the ruler of the glacier, on the plane where metres are true ones."""
        key = scene.acquisition.crs is None
        if key not in self.rulers:
            there = place.on_true_plane()
            if place.extent is None and place.crs is not None:
                there = place.to(true_plane(_outline_of(scene), crs=scene.acquisition.crs))
            self.rulers[key] = FrontRuler(place=there, settings=self.settings)
        return self.rulers[key]

    def _with_drawn_centreline(self, scene: MaskScene, ruler: FrontRuler) -> FrontRuler:
        """Return the ruler with a centreline drawn from a mask, kept for later scenes; as it is where none can be."""
        if not self.settings.draw_centreline:
            return ruler
        crs = scene.acquisition.crs
        box = scene.box if scene.box is not None else ruler.place.to(crs).box
        region = None if box is None else ~geometry_mask([box], scene.shape, scene.transform)
        try:
            line = centreline_from_zones(scene.read(), transform=scene.transform, region=region)
        except InputError:
            return ruler
        line = reproject(line, source=crs, target=ruler.place.crs)
        drawn = FrontRuler(place=replace(ruler.place, centreline=line, is_drawn=True), settings=self.settings)
        self.rulers[crs is None] = drawn
        return drawn

    def _keep_mask(self, scene: MaskScene, measurement: Measurement, place: Place) -> None:
        main = measurement.areas[0]
        front = measurement.front
        self.masks.append(
            MeasuredMask(
                scene=scene,
                crs=place.crs,
                main=main,
                region=reproject(main.polygon, source=measurement.crs, target=place.crs),
                front=None if front is None else reproject(front, source=measurement.crs, target=place.crs),
            )
        )

    def _keep_footprint(
        self,
        acquisition: Acquisition,
        name: str,
        area_km2: float,
        polygon: shapely.Geometry,
        crs: pyproj.CRS | None,
    ) -> None:
        key = (name, acquisition.dataset, acquisition.source)
        if key not in self.footprints:
            self.footprints[key] = {
                "glacier": self.glacier.name,
                "footprint": name,
                "dataset": acquisition.dataset,
                "area_km2": area_km2,
                "source": acquisition.source,
                "geometry": published(polygon, crs),
            }


def _check_date(date: dt.date) -> None:
    if not EARLIEST <= date <= dt.date.today():
        raise InputError(f"{date} is before {EARLIEST.year} or in the future; correct the date")


def _outline_of(scene: Scene) -> shapely.Geometry:
    """Return what a scene shows as a geometry in its own coordinates."""
    if isinstance(scene, MaskScene):
        return image_polygon(scene)
    return scene.ice if isinstance(scene, OutlineScene) else scene.line


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
