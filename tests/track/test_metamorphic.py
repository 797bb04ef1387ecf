"""The same ice told in another way is the same ice: masks, outlines and traces, all scenes or every second one.

A fjord 12 by 4 km with a bent front that retreats. However the scenes are turned, mirrored, projected, sampled, cut,
named and ordered, changes of position stay within two sigma and areas within 0.1 %.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

import numpy as np
import pyproj
import pytest
import shapely
import shapely.affinity
from affine import Affine

from glaciertime.catalog import Glacier, Line, Region
from glaciertime.scenes.acquisition import GLACIER, OCEAN, ROCK, Acquisition, MaskScene, OutlineScene, TraceScene
from glaciertime.track import TrackSettings, track_scenes
from glaciertime.track.place import reproject

UTM = pyproj.CRS.from_epsg(32633)
POLAR = pyproj.CRS.from_epsg(3413)
DEGREES = pyproj.CRS.from_epsg(4326)
ORIGIN = (480_000.0, 8_600_000.0)
#: Distances of the front from the inland end at its ends, by year: it stands 300 m further out in the middle.
FRONTS = {2010: 7_000.0, 2011: 6_650.0, 2012: 6_500.0, 2013: 5_900.0}
METHODS = ("centreline", "curvilinear-box", "area-change")
Turn = Callable[[shapely.Geometry], shapely.Geometry]


def turned(degrees: float = 0.0, *, mirrored: bool = False) -> Turn:
    """Return what lays the fjord, inland end first, from its own frame onto the map."""
    angle = np.radians(degrees)
    flip = -1.0 if mirrored else 1.0
    matrix = [np.cos(angle), -flip * np.sin(angle), np.sin(angle), flip * np.cos(angle), *ORIGIN]
    return lambda geometry: shapely.affinity.affine_transform(geometry, matrix)


def front(year: int, half_m: float = 2_000.0) -> shapely.LineString:
    across = np.linspace(-half_m, half_m, 81)
    return shapely.LineString(np.column_stack([FRONTS[year] + 300 * (1 - (across / 2_000) ** 2), across]))


def acquired(year: int, crs: pyproj.CRS, resolution_m: float) -> Acquisition:
    return Acquisition(
        glacier="G", date=dt.date(year, 7, 1), dataset="d", image_id=f"image{year}", source="simulated", input="x",
        crs=crs, resolution_m=resolution_m,
    )  # fmt: skip


def mask(year: int, *, turn: Turn, crs: pyproj.CRS = UTM, resolution_m: float = 60.0) -> MaskScene:
    """Draw the zones of a year: each pixel is what its centre is."""
    ground = turn(shapely.box(-200, -3_000, 12_200, 3_000))
    shown = reproject(ground, source=UTM, target=crs)
    size = resolution_m if crs is not DEGREES else resolution_m / 111_000
    x_min, y_min, x_max, y_max = shown.bounds
    wide = size * (4.0 if crs is DEGREES else 1.0)
    shape = (int((y_max - y_min) / size), int((x_max - x_min) / wide))
    transform = Affine(wide, 0, x_min, 0, -size, y_max)
    columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = x_min + wide * columns.ravel(), y_max - size * rows.ravel()
    if crs is not UTM:
        x, y = pyproj.Transformer.from_crs(crs, UTM, always_xy=True).transform(x, y)
    zones = np.full(len(x), ROCK, np.uint8)
    # Rock begins beyond the fjord that is measured: no pixel is cut by both.
    fjord = turn(shapely.box(-200, -2_400, 12_200, 2_400))
    ice = turn(shapely.Polygon([(-300, -2_400), *front(year, 2_400).coords, (-300, 2_400)]))
    zones[shapely.contains_xy(fjord, x, y)] = OCEAN
    zones[shapely.contains_xy(ice, x, y) & (zones == OCEAN)] = GLACIER
    zones = zones.reshape(shape)
    return MaskScene(
        acquisition=acquired(year, crs, resolution_m), shape=shape, transform=transform, read=lambda: zones
    )


def outline(year: int, *, turn: Turn, crs: pyproj.CRS = UTM, resolution_m: float = 60.0) -> OutlineScene:
    ice = turn(shapely.Polygon([(-300, -2_400), *front(year, 2_400).coords, (-300, 2_400)]))
    return OutlineScene(acquisition=acquired(year, crs, resolution_m), ice=reproject(ice, source=UTM, target=crs))


def trace(year: int, *, turn: Turn, crs: pyproj.CRS = UTM, resolution_m: float = 60.0) -> TraceScene:
    line = reproject(turn(front(year)), source=UTM, target=crs)
    return TraceScene(acquisition=acquired(year, crs, resolution_m), line=line)


KINDS = {"masks": mask, "outlines": outline, "traces": trace}


def glacier(turn: Turn, *, is_drawn: bool) -> Glacier:
    if is_drawn:
        return Glacier(name="G")
    fjord = turn(shapely.box(0, -2_000, 12_000, 2_000))
    line = turn(shapely.LineString([(0, 0), (12_000, 0)]))
    return Glacier(
        name="G", crs="EPSG:32633", fjord=Region(drawn_by="x", coordinates=list(fjord.exterior.coords)),
        centreline=Line(drawn_by="x", coordinates=list(line.coords)),
    )  # fmt: skip


def renamed(scene, suffix: str):
    what = dataclasses.replace(scene.acquisition, image_id=f"{suffix}{scene.acquisition.image_id}")
    return dataclasses.replace(scene, acquisition=what)


def in_two(scene):
    """A trace in two pieces, the second one backwards."""
    if not isinstance(scene, TraceScene):
        return scene
    xy = shapely.get_coordinates(scene.line)
    return dataclasses.replace(scene, line=shapely.MultiLineString([xy[:41], xy[:39:-1]]))


def backwards(scene):
    if isinstance(scene, TraceScene):
        return dataclasses.replace(scene, line=shapely.reverse(scene.line))
    return dataclasses.replace(scene, ice=shapely.reverse(scene.ice)) if isinstance(scene, OutlineScene) else scene


#: What is done to a scene: how it is drawn, and what is done to it then.
VARIANTS = {
    "polar map": ({"crs": POLAR}, None),
    "degrees": ({"crs": DEGREES}, None),
    "finer": ({"resolution_m": 40.0}, None),
    "coarser": ({"resolution_m": 90.0}, None),
    "renamed": ({}, lambda scene: renamed(scene, "z")),
    "in two": ({}, in_two),
    "backwards": ({}, backwards),
}


def measured(scenes, known: Glacier):
    settings = TrackSettings(methods=METHODS, min_front_length_m=0.0)
    return track_scenes(scenes, glacier=known, settings=settings).observations


def check(rows, *, area_too: bool) -> None:
    """Changes of position and areas are those of the ice, on the ellipsoid."""
    years = np.array(list(FRONTS))
    # UTM near its middle meridian: 0.04 % too short.
    true = (np.array(list(FRONTS.values())) - FRONTS[2010]) / 0.99960
    for method, positions in rows[rows.variable == "front_position_m"].groupby("method"):
        assert not positions.quality.str.contains("failed").any(), positions.quality.tolist()
        first = positions[positions.date.dt.year == 2010].iloc[0]
        for row in positions.itertuples():
            change = row.value - first.value
            within = 2 * np.hypot(row.sigma, first.sigma)
            assert abs(change - true[years == row.date.year][0]) < within, (method, row.date, change, within)
    areas = rows[(rows.variable == "area_km2") & (rows.footprint == "fjord")]
    assert areas.empty is not area_too
    for row in areas.itertuples():
        ice = shapely.Polygon([(0, -2_000), *front(row.date.year).coords, (0, 2_000)]).area / 1e6 / 0.99960**2
        assert row.value == pytest.approx(ice, rel=1e-3)


@pytest.mark.parametrize("mixture", ["all", "every second"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("kind", "is_drawn"),
    [("masks", False), ("masks", True), ("outlines", False), ("traces", False), ("traces", True)],
)
def test_the_same_ice_told_in_another_way(kind, is_drawn, variant, mixture):
    turn = turned(20.0)
    how, then = VARIANTS[variant]
    scenes = []
    for k, year in enumerate(FRONTS):
        changes = mixture == "all" or k % 2 == 1
        scene = KINDS[kind](year, turn=turn, **(how if changes else {}))
        scenes.append(then(scene) if then is not None and changes else scene)
    check(measured(scenes, glacier(turn, is_drawn=is_drawn)), area_too=kind != "traces" and not is_drawn)


@pytest.mark.parametrize(
    "turn",
    [turned(90), turned(180), turned(217), turned(0, mirrored=True), turned(63, mirrored=True)],
    ids=["right angle", "about", "askew", "mirrored", "mirrored askew"],
)
@pytest.mark.parametrize(
    ("kind", "is_drawn"), [("masks", False), ("masks", True), ("outlines", False), ("traces", True)]
)
def test_the_same_ice_turned_and_mirrored(kind, is_drawn, turn):
    scenes = [KINDS[kind](year, turn=turn) for year in FRONTS]
    check(measured(scenes, glacier(turn, is_drawn=is_drawn)), area_too=kind != "traces" and not is_drawn)


@pytest.mark.parametrize("is_drawn", [True, False])
def test_the_same_scenes_shuffled_and_twice(is_drawn):
    turn = turned(20.0)
    known = glacier(turn, is_drawn=is_drawn)
    scenes = [mask(year, turn=turn) for year in FRONTS]
    first = measured(scenes, known)
    shuffled = measured([scenes[k] for k in (2, 0, 3, 1)], known)
    columns = ["date", "variable", "method", "footprint", "image_id"]
    both = first.merge(shuffled, on=columns, suffixes=("", "_shuffled"))
    assert len(both) == len(first)
    np.testing.assert_allclose(both["value_shuffled"], both["value"], rtol=1e-9)
    twice = measured([*scenes, *(renamed(scene, "again") for scene in scenes)], known)
    assert len(twice) == 2 * len(first)
    check(twice, area_too=not is_drawn)


def test_masks_outlines_and_traces_of_one_glacier_together():
    turn = turned(20.0)
    kinds = [mask, outline, trace, mask]
    scenes = [
        kind(year, turn=turn, crs=crs)
        for kind, year, crs in zip(kinds, FRONTS, (UTM, POLAR, DEGREES, POLAR), strict=True)
    ]
    check(measured(scenes, glacier(turn, is_drawn=False)), area_too=True)
