"""Dated scenes of one glacier in, its fronts and its observations out, one scene at a time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from glaciertime import limits
from glaciertime.catalog import Glacier
from glaciertime.dates import EARLIEST
from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.scenes.acquisition import Acquisition, MaskScene, OutlineScene, Scene, UnreadableScene
from glaciertime.scenes.parts import polygons_of
from glaciertime.sentences import sentence
from glaciertime.tables import MEASURED_ICE, SERIES_KEY, empty, flags_of, join_flags, validate
from glaciertime.track.measurement import Measurement, Rounding, front_width_m
from glaciertime.track.place import ASSUMED_SEAWARD, WGS84, Place, Ruler, place_of, published, reproject
from glaciertime.track.record.screening import screen, screen_fronts, screening_notes
from glaciertime.track.rows import ToldByAll, add_told, area_row, failed_row, front_sigma_km2, rows_of, with_own_sigma
from glaciertime.track.ruler.drawing import SURE_SHARE, Drawing, Sketch, draw_centreline, sketch_of_zones
from glaciertime.track.ruler.moving import changed_zone, moving_chord_m, moving_length_m
from glaciertime.track.ruler.ruler import FrontRuler
from glaciertime.track.ruler.uncertainty import area_sigma_km2, delineation_sigma_m
from glaciertime.track.scene.common import MeasuredMask, common_areas, needs_common_footprint, of_another_extent
from glaciertime.track.scene.lines import clean_line, drop_short_pieces, merge_lines
from glaciertime.track.scene.masks import image_polygon, measure_mask
from glaciertime.track.scene.outlines import NEEDS_A_LINE, measure_outline
from glaciertime.track.settings import ScreeningSettings, TrackSettings
from glaciertime.units import M2_PER_KM2, polygon_area_km2, true_plane
from glaciertime.walls import wall

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
    rulers : tuple of Ruler
        With what it was measured: the plane, the box, the fjord and the centreline, given or drawn.
    notes : tuple of str
        What a user has to know of them.
    screening : ScreeningSettings, optional
        Limits of the screening in time, where there was one.
    """

    fronts: gpd.GeoDataFrame
    observations: pd.DataFrame
    footprints: gpd.GeoDataFrame
    rulers: tuple[Ruler, ...] = ()
    notes: tuple[str, ...] = ()
    screening: ScreeningSettings | None = None


def track_scenes(
    scenes: Iterable[Scene | UnreadableScene],
    *,
    glacier: Glacier,
    settings: TrackSettings | None = None,
    rulers: Sequence[Ruler] = (),
    told_by_all: Callable[[], ToldByAll] | None = None,
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
    rulers : sequence of Ruler
        With what the glacier was measured before, so that it is measured with the same again; they fill in what the
        catalog does not have. Without a centreline, one is drawn from all scenes together.
    told_by_all : callable, optional
        Called when all scenes were measured: flags that only they together tell, see :func:`.rows.add_told`.

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
    run = _Run(glacier=glacier, settings=settings, known=rulers)
    for scene in scenes:
        if isinstance(scene, UnreadableScene):
            if scene.acquisition is not None:
                run.observations.append(failed_row(scene.acquisition, scene.reason))
            continue
        try:
            # A scene can be broken in ways that no reader sees: it is a row all the same, and the others are measured.
            with (
                limits.timed(scene.acquisition.image_id),
                wall("it cannot be measured", "look at its file"),
            ):
                run.measure(scene)
        except GlacierTimeError as error:
            run.observations.append(failed_row(scene.acquisition, str(error)))
    run.draw()
    if len(run.masks) > 1 and (run.settings.common_footprint or needs_common_footprint(run.masks)):
        run.measure_common_footprint()
    run.count_moving_boundaries()
    if told_by_all is not None:
        add_told(run.observations, run.fronts, told_by_all())
    return run.tables()


@dataclass(kw_only=True)
class _Run:
    """What has been gathered of one glacier's scenes so far: rows, not pixels."""

    glacier: Glacier
    settings: TrackSettings
    known: Sequence[Ruler] = ()
    #: Of scenes on Earth (False) and of those in a local frame (True): the place, and the ruler on its true plane.
    places: dict[bool, Place] = field(default_factory=dict)
    rulers: dict[bool, FrontRuler] = field(default_factory=dict)
    fronts: list[dict[str, Any]] = field(default_factory=list)
    observations: list[dict[str, Any]] = field(default_factory=list)
    footprints: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    masks: list[MeasuredMask] = field(default_factory=list)
    #: Outlines in the coordinates of their box: vectors, which cost little to hold.
    outlines: list[tuple[Acquisition, shapely.Geometry, shapely.Polygon]] = field(default_factory=list)
    #: The ice that outlines showed, by data set and source.
    ice: dict[tuple[str, str], list[shapely.Geometry]] = field(default_factory=dict)
    is_local: bool = False
    #: Scenes measured before there was a line to measure positions along.
    pending: list[tuple[Acquisition, Measurement, Sketch | None]] = field(default_factory=list)
    drawings: dict[bool, Drawing] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def measure(self, scene: Scene) -> None:
        """Measure one scene; its rows are written at once, or, without a centreline yet, when all scenes are seen."""
        acquisition = scene.acquisition
        _check_date(acquisition.date)
        place = self._at(scene)
        once, zones = scene, None
        if isinstance(scene, MaskScene) and place.centreline is None:
            # Read once: an image that a model has to segment takes long.
            zones = scene.read()
            once = replace(scene, read=partial(np.asarray, zones))
        measurement = _measure(once, place, self.settings)
        self.is_local = self.is_local or acquisition.crs is None
        for area in measurement.areas:
            self._keep_footprint(acquisition, area.footprint, area.footprint_area_km2, area.polygon, measurement.crs)
        if measurement.ice is not None:
            self.ice.setdefault((acquisition.dataset, acquisition.source), []).append(measurement.ice)
        if isinstance(scene, MaskScene):
            self._keep_mask(scene, measurement, place)
        if isinstance(scene, OutlineScene):
            box = next((area.polygon for area in measurement.areas if area.footprint == "box"), None)
            if box is not None:
                self.outlines.append(
                    (acquisition, reproject(scene.ice, source=acquisition.crs, target=measurement.crs), box)
                )
        if place.centreline is not None:
            self._write(acquisition, measurement, self._ruler(place))
            return
        sketch = None
        if measurement.front is not None and not isinstance(scene, OutlineScene):
            sketch = Sketch(name=acquisition.image_id, front=measurement.front)
            if isinstance(scene, MaskScene) and zones is not None:
                here = place.to(acquisition.crs)
                region = here.fjord or scene.box or here.box
                sketch = sketch_of_zones(
                    zones, name=sketch.name, front=sketch.front, transform=scene.transform, crs=acquisition.crs,
                    region=region,
                )  # fmt: skip
        self.pending.append((acquisition, measurement, sketch))

    def _write(self, acquisition: Acquisition, measurement: Measurement, ruler: FrontRuler) -> None:
        rows, front = rows_of(acquisition, measurement, ruler)
        self.observations.extend(rows)
        if front is not None:
            self.fronts.append(front)

    def draw(self) -> None:
        """Draw the centreline from all scenes that wait for one, and write their rows."""
        for is_local in dict.fromkeys(acquisition.crs is None for acquisition, _, _ in self.pending):
            waiting = [each for each in self.pending if (each[0].crs is None) == is_local]
            waiting.sort(key=lambda each: (each[0].date, each[0].image_id))
            ruler = self._ruler_drawn(self.places[is_local], waiting)
            self.rulers[is_local] = ruler
            for acquisition, measurement, _ in waiting:
                try:
                    with wall("its front cannot be measured", "look at it, and draw it again"):
                        self._write(acquisition, measurement, ruler)
                except GlacierTimeError as error:
                    self.observations.append(failed_row(acquisition, str(error)))

    def _ruler_drawn(
        self, place: Place, waiting: Sequence[tuple[Acquisition, Measurement, Sketch | None]]
    ) -> FrontRuler:
        """Return the ruler with a line drawn from all scenes; without one where none can be drawn."""
        shown = [
            reproject(part.envelope, source=each.crs, target=place.crs)
            for _, each, _ in waiting
            for part in (each.front, *(area.polygon for area in each.areas))
            if part is not None
        ]
        there = place.on_true_plane(around=shapely.GeometryCollection(shown) if shown else None)
        ruler = FrontRuler(place=there, settings=self.settings)
        fronts = [(what, one, each) for what, each, one in waiting if one is not None]
        needs_a_line = any(
            each.front is not None or NEEDS_A_LINE in each.front_flags.values() for _, each, _ in waiting
        )
        if self.settings.draw_centreline and not fronts and needs_a_line:
            self.notes.append(f"{sentence('areas-only')}; {sentence('give-centreline')}")
        if not self.settings.draw_centreline or not fronts:
            return ruler
        sketches = [
            replace(one, front=reproject(each.front, source=each.crs, target=there.crs), front_of=what.front_of)
            for what, one, each in fronts
        ]
        width_m = float(np.median([front_width_m(sketch.front) for sketch in sketches]))
        try:
            with wall("the fronts are odd", "look at them"):
                drawing = draw_centreline(sketches, crs=there.crs, width_m=width_m)
        except InputError as error:
            self.notes.append(f"no centreline could be drawn ({error}): there are no positions")
            return ruler
        if drawing.shift_share > SURE_SHARE:
            self.notes.append(
                "the centreline cannot be drawn surely: from halves of the scenes it "
                + (
                    f"shifts by {drawing.shift_share:.0%} of the front's width"
                    if math.isfinite(drawing.shift_share)
                    else "could not be drawn at all"
                )
                + "; give the line to measure along with --centreline FILE"
            )
        if drawing.has_others:
            self.notes.append(
                "the masks hold several glaciers that end in the sea: the line follows the one with the longest front, "
                "areas and widths are of all; give --centreline FILE and --box FILE to measure one"
            )
        if not drawing.is_directed:
            self.notes.append(
                "the line was drawn from traces, which do not tell ice from ocean: the end from which they retreat is "
                "taken to lie to the sea; give the line to measure along with --centreline FILE"
            )
        self.drawings[there.crs is None] = drawing
        line = replace(there, centreline=drawing.line, is_drawn=True, is_directed=drawing.is_directed)
        return FrontRuler(place=line, settings=self.settings)

    def count_moving_boundaries(self) -> None:
        """Give the areas of outlines in their box the error of every boundary that moved there, not of one front."""
        if len(self.outlines) < 2:
            return
        footprint = self.outlines[0][2]
        if any(not box.equals(footprint) for _, _, box in self.outlines):
            return
        zone = changed_zone([ice for _, ice, _ in self.outlines], footprint=footprint)
        # A boundary's length on the map, and on the ellipsoid.
        crs = self.places[self.outlines[0][0].crs is None].crs
        scale = math.sqrt(polygon_area_km2(footprint, crs=crs) * M2_PER_KM2 / footprint.area)
        sigmas: dict[tuple[str, str], float] = {}
        for acquisition, ice, box in self.outlines:
            length_m = scale * moving_length_m(ice, zone=zone, footprint=box)
            if length_m > 0:
                sigmas[acquisition.dataset, acquisition.image_id] = area_sigma_km2(
                    front_length_m=length_m,
                    front_width_m=scale * moving_chord_m(ice, zone=zone, footprint=box),
                    boundary_m=delineation_sigma_m(acquisition, settings=self.settings),
                    rounding=Rounding.of_pixels(acquisition.resolution_m),
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
            with wall("the masks cannot be cut to it", "look at their outlines"):
                areas, footprint = common_areas(self.masks, settings=self.settings)
        except GlacierTimeError as error:
            self.observations.append(failed_row(self.masks[0].scene.acquisition, f"common footprint: {error}"))
            return
        odd = {mask.scene.acquisition.image_id for mask in of_another_extent(self.masks)}
        for row in self.observations:
            is_area = row["variable"] == "area_km2" and row["footprint"] == "image"
            if is_area and row["image_id"] in odd and "partial-coverage" not in row["quality"]:
                why = {"partial-coverage": sentence("other-extent")}
                row["quality"] = join_flags({**flags_of(row["quality"]), **why})
        for mask, area, front in areas:
            acquisition = mask.scene.acquisition
            ruler = self.rulers[acquisition.crs is None]
            there = None if front is None else reproject(front, source=mask.crs, target=ruler.place.crs)
            sigma_km2 = front_sigma_km2(
                with_own_sigma(acquisition, mask.measurement), there, self.settings, rounding=mask.measurement.rounding
            )
            self.observations.append(area_row(acquisition, area, sigma_km2=sigma_km2))
            self._keep_footprint(acquisition, "common", area.footprint_area_km2, footprint, mask.crs)

    def tables(self) -> Tracked:
        """Return what was gathered as validated, screened tables."""
        crs = None if self.is_local else WGS84
        if not self.is_local:
            self._keep_ice()
        fronts = gpd.GeoDataFrame(self.fronts or empty("fronts"), geometry="geometry", crs=crs)
        fronts = gpd.GeoDataFrame(validate(fronts.sort_values(["Date", "ImageID"], kind="stable"), "fronts"))
        observations = pd.DataFrame(self.observations) if self.observations else empty("observations")
        observations = validate(observations, "observations")
        order = [*SERIES_KEY, "date", "image_id"]
        observations = observations.sort_values(order, kind="stable").reset_index(drop=True)
        screening = self.settings.screening
        if screening is not None:
            screening = replace(screening, surging=screening.surging or self.glacier.surging)
            fronts = screen_fronts(fronts, settings=screening)
            observations = screen(observations, fronts=fronts, settings=screening)
            self.notes += screening_notes(observations, settings=screening)
        footprints = gpd.GeoDataFrame(
            list(self.footprints.values()), columns=list(FOOTPRINT_COLUMNS), geometry="geometry", crs=crs
        )
        return Tracked(
            fronts=fronts, observations=observations, footprints=footprints, rulers=self.used(),
            notes=tuple(self.notes), screening=screening,
        )  # fmt: skip

    def _at(self, scene: Scene) -> Place:
        """Return where a scene is measured: on one plane for all scenes of the glacier that have a place on Earth."""
        crs = scene.acquisition.crs
        if (crs is None) not in self.places:
            place = place_of(self.glacier, scene_crs=crs, rulers=self.known)
            if place.crs is not None and place.crs.is_geographic:
                place = place.to(true_plane(place.extent or _outline_of(scene), crs=place.crs))
            self.places[crs is None] = place
        return self.places[crs is None]

    def _ruler(self, place: Place) -> FrontRuler:
        """Return the ruler of the glacier, on the plane where metres are true ones."""
        key = place.crs is None
        if key not in self.rulers:
            self.rulers[key] = FrontRuler(place=place.on_true_plane(), settings=self.settings)
        return self.rulers[key]

    def used(self) -> tuple[Ruler, ...]:
        """Return what the glacier was measured with and where it comes from."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        out: list[Ruler] = []
        for is_local, place in self.places.items():
            before = {ruler.kind: ruler for ruler in self.known if (ruler.crs is None) == is_local}
            given = {"box": self.glacier.box, "fjord": self.glacier.fjord, "centreline": self.glacier.centreline}
            if (self.glacier.projection is None) != is_local:
                given = {}
            drawing = self.drawings.get(is_local)
            origin, whence = ("manifest", "") if self.glacier.crs else ("drawn", "the first scene")
            out.append(
                before.get("plane") or Ruler(kind="plane", origin=origin, drawn_from=whence, made_at=now, crs=place.crs)
            )
            for kind in ("box", "fjord", "centreline"):
                own = given.get(kind)
                if own is not None:
                    drawn_by = getattr(own, "drawn_by", "")
                    earlier = before.get(kind)
                    is_same = earlier is not None and (earlier.origin, earlier.drawn_from) == ("manifest", drawn_by)
                    made_at = earlier.made_at if earlier is not None and is_same else now
                    out.append(
                        Ruler(
                            kind=kind, origin="manifest", drawn_from=drawn_by, made_at=made_at, crs=place.crs,
                            geometry=getattr(place, kind),
                        )
                    )  # fmt: skip
                elif kind in before:
                    out.append(before[kind])
                elif kind == "centreline" and drawing is not None:
                    out.append(
                        Ruler(
                            kind=kind, origin="drawn", drawn_from=_drawn_from(drawing), made_at=now,
                            crs=self.rulers[is_local].place.crs, geometry=drawing.line,
                        )
                    )  # fmt: skip
        return tuple(out)

    def _keep_ice(self) -> None:
        """Keep all the ice that outlines showed as a footprint: what two glaciers share is told by it, not by boxes."""
        crs = self.places[False].crs if self.ice else None
        for (dataset, source), parts in self.ice.items():
            ice, _ = polygons_of(shapely.union_all(parts))
            if not ice.is_empty:
                self.footprints[MEASURED_ICE, dataset, source] = {
                    "glacier": self.glacier.name, "footprint": MEASURED_ICE, "dataset": dataset,
                    "area_km2": polygon_area_km2(ice, crs=crs), "source": source, "geometry": published(ice, crs),
                }  # fmt: skip

    def _keep_mask(self, scene: MaskScene, measurement: Measurement, place: Place) -> None:
        main = measurement.areas[0]
        front = measurement.front
        self.masks.append(
            MeasuredMask(
                scene=scene,
                place=place,
                measurement=measurement,
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


def _drawn_from(drawing: Drawing) -> str:
    names = drawing.names
    listed = ", ".join(names if len(names) <= 6 else (*names[:3], "...", *names[-2:]))
    scenes = f"{len(names)} scene{'s' if len(names) > 1 else ''}: {listed}"
    if drawing.is_directed:
        return scenes
    return f"{ASSUMED_SEAWARD} by a retreat over the record; {scenes}"


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
