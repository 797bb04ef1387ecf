"""What was not seen, and rock, do not decide what is glacier, iceberg or sea."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine

from glaciertime.catalog import Glacier, Line, Region
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK, Acquisition, MaskScene
from glaciertime.track import TrackSettings, track_scenes
from glaciertime.track.scene.cleaning import clean
from glaciertime.track.scene.lines import front_of_ice
from glaciertime.track.scene.masks import mask_area, measure_mask
from glaciertime.track.scene.rasterarea import zone_areas_km2
from glaciertime.track.scene.runs import encode

from .test_rasters import reference_cleaning

POLAR = pyproj.CRS.from_epsg(3031)
FJORD = Region(drawn_by="x", coordinates=[(0, 0), (20_000, 0), (20_000, 4_000), (0, 4_000)])
TOY = Glacier(
    name="G",
    crs="EPSG:3031",
    fjord=FJORD,
    centreline=Line(drawn_by="x", coordinates=[(-1_000, 2_000), (21_000, 2_000)]),
)


def scene(zones: np.ndarray, *, crs: pyproj.CRS | None = POLAR, transform: Affine | None = None) -> MaskScene:
    acquisition = Acquisition(
        glacier="G", date=dt.date(2010, 1, 1), dataset="d", image_id="a", source="observed", input="x", crs=crs,
        resolution_m=20,
    )  # fmt: skip
    transform = transform or Affine(20, 0, 0, 0, -20, 20 * zones.shape[0])
    return MaskScene(acquisition=acquisition, shape=zones.shape, transform=transform, read=lambda: zones)


def front_at(column: int, *, shape: tuple[int, int] = (200, 1000)) -> np.ndarray:
    zones = np.full(shape, OCEAN, dtype=np.uint8)
    zones[:, :column] = GLACIER
    return zones


def striped(zones: np.ndarray) -> np.ndarray:
    out = zones.copy()
    for row in range(10, 200, 33):
        out[row : row + 7] = NO_DATA
    return out


def measured(zones: np.ndarray, glacier: Glacier = TOY, **more):
    from glaciertime.track.place import place_of

    what = dataclasses.replace(scene(zones), **more)
    return measure_mask(what, place=place_of(glacier, scene_crs=POLAR), settings=TrackSettings())


def test_stripes_without_data_part_neither_ice_nor_ocean():
    cleaned = clean(striped(front_at(500)))
    np.testing.assert_array_equal(cleaned.seen.decode(), striped(front_at(500)))
    np.testing.assert_array_equal(cleaned.whole.decode(), front_at(500))


def test_a_striped_mask_says_how_much_of_the_front_was_seen():
    whole, cut = measured(front_at(500)), measured(striped(front_at(500)))
    share = (striped(front_at(500)) != NO_DATA).all(axis=1).mean()
    assert whole.front_seen == 1.0
    # A piece of a front starts in the middle of its first pixel.
    assert cut.front_seen == pytest.approx(share, abs=0.05)
    assert cut.front.length == pytest.approx(share * whole.front.length, rel=0.05)
    fjord = cut.areas[-1]
    assert fjord.coverage == pytest.approx(share, abs=1e-4)
    assert fjord.area_km2 / (fjord.area_km2 + fjord.ocean_km2) == pytest.approx(0.5, abs=1e-5)
    assert fjord.observed is None
    assert fjord.presumed_km2[0] == pytest.approx(fjord.presumed_km2[1], rel=1e-5)


def test_tilted_stripes_keep_icebergs_out_of_the_glacier():
    rows, columns = np.mgrid[:200, :1000]
    zones = front_at(500)
    zones[90:110, 700:730] = GLACIER
    zones[((rows + columns // 7) % 33) < 7] = NO_DATA
    cleaned = clean(zones)
    assert (cleaned.whole.decode() == front_at(500)).mean() > 0.999
    assert not (cleaned.seen.decode()[:, 520:] == GLACIER).any()


@pytest.mark.parametrize("what", [NO_DATA, ROCK])
def test_neither_missing_data_nor_a_coast_outweighs_the_glacier(what):
    zones = front_at(80, shape=(200, 400))
    zones[:, 280:] = what
    found = measured(zones)
    # 80 columns of 200 pixels of 20 m, and the map's scale by the pole.
    assert found.areas[-1].area_km2 == pytest.approx(6.763, rel=1e-4)
    assert shapely.get_coordinates(found.front)[:, 0] == pytest.approx(1_600)


def test_a_larger_glacier_on_the_other_side_is_not_the_one_whose_centreline_it_is():
    zones = front_at(80, shape=(200, 400))
    zones[:, 200:] = GLACIER
    found = measured(zones)
    assert shapely.get_coordinates(found.front)[:, 0] == pytest.approx(1_600)


def test_an_arm_of_the_sea_behind_a_headland_is_no_ice():
    zones = front_at(300, shape=(200, 600))
    zones[:, 400:420] = ROCK
    assert not (clean(zones).seen.decode()[:, 300:] == GLACIER).any()


def test_rock_stays_rock_and_a_pond_by_it_is_neither_ice_nor_sea():
    zones = front_at(300, shape=(200, 600))
    zones[150:, 50:100] = ROCK
    zones[140:150, 60:80] = OCEAN
    zones[40:50, 60:80] = OCEAN
    zones[20:60, 500:540] = ROCK
    out = clean(zones).seen.decode()
    assert (out[140:150, 60:80] == ROCK).all()
    assert (out[40:50, 60:80] == GLACIER).all()
    assert (out[20:60, 500:540] == ROCK).all()


def test_without_rock_and_gaps_it_is_the_cleaning_of_the_reference():
    rng = np.random.default_rng(2)
    zones = front_at(60, shape=(80, 120))
    for _ in range(12):
        row, column = rng.integers(5, 70), rng.integers(5, 110)
        zones[row : row + 4, column : column + 4] = GLACIER if column > 70 else OCEAN
    zones[:, 55:70] = front_at(60, shape=(80, 120))[:, 55:70]
    np.testing.assert_array_equal(clean(zones).seen.decode(), reference_cleaning(zones))


@pytest.mark.parametrize("flip", [(slice(None), slice(None, None, -1)), (slice(None, None, -1), slice(None))])
def test_flips_change_no_zone(flip):
    zones = striped(front_at(500))
    zones[60:90, 700:760] = GLACIER
    zones[100:120, 100:140] = ROCK
    np.testing.assert_array_equal(clean(zones[flip]).seen.decode(), clean(zones).seen.decode()[flip])


def test_areas_of_small_boxes_are_those_of_their_polygons():
    rng = np.random.default_rng(0)
    zones = front_at(60, shape=(120, 120))
    runs = encode(zones)
    where = scene(zones, crs=None)
    for _ in range(60):
        x0, y0, x1, y1 = *rng.uniform(0, 40, 2), *rng.uniform(70, 120, 2)
        box = shapely.affinity.rotate(shapely.box(x0 * 20, y0 * 20, x1 * 20, y1 * 20), rng.uniform(0, 90))
        box = box.intersection(shapely.box(0, 0, 2_400, 2_400))
        area = mask_area(runs, box, name="box", scene=where)
        exact = box.intersection(shapely.box(0, 0, 1_200, 2_400)).area / 1e6
        assert area.area_km2 == pytest.approx(exact, rel=1e-9)
        assert area.coverage == 1.0
        assert "partial-coverage" not in area.flags


def test_holes_and_parts_of_a_footprint_count_as_such():
    zones = front_at(60, shape=(120, 120))
    ring = shapely.Point(1_000, 1_100).buffer(700).difference(shapely.Point(1_000, 1_100).buffer(333.3))
    parts = shapely.union(ring, shapely.box(-500, -500, 100, 50))
    for polygon in (ring, parts):
        areas = zone_areas_km2(encode(zones), polygon, transform=Affine(20, 0, 0, 0, -20, 2_400), crs=None)
        assert areas[GLACIER] == pytest.approx(
            polygon.intersection(shapely.box(0, 0, 1_200, 2_400)).area / 1e6, rel=1e-9
        )
        inside = polygon.intersection(shapely.box(0, 0, 2_400, 2_400)).area / 1e6
        assert areas.sum() == pytest.approx(inside, rel=1e-9)


def test_ice_that_fills_the_image_beside_rock_is_a_bound():
    zones = np.full((100, 200), GLACIER, dtype=np.uint8)
    zones[:20] = ROCK
    row = track_scenes([scene(zones, crs=None)], glacier=Glacier(name="G")).observations.iloc[0]
    assert "censored: the ice fills the image" in row.quality
    assert row.value == pytest.approx(80 * 200 * 400 / 1e6)


def test_a_glacier_on_land_has_no_calving_front_and_its_area_is_no_bound():
    zones = np.full((100, 200), ROCK, dtype=np.uint8)
    zones[20:80, 50:120] = GLACIER
    on_land = dataclasses.replace(scene(zones, crs=None), has_ocean=False)
    tracked = track_scenes([on_land], glacier=Glacier(name="G"))
    area = tracked.observations.query("variable == 'area_km2'").iloc[0]
    assert area.quality == "ok"
    assert area.value == pytest.approx(60 * 70 * 400 / 1e6)
    assert len(tracked.fronts) == 0
    assert "ends on land" in measured(np.tile(zones, (2, 5)), has_ocean=False).front_flags["no-front"]


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (pyproj.CRS.from_epsg(32622), Affine(30, 0, 500_000, 0, -30, 7_700_000)),
        (pyproj.CRS.from_epsg(4326), Affine(0.0008, 0, -51, 0, -0.00027, 69.4)),
        (pyproj.CRS.from_epsg(3857), Affine(85, 0, -5_677_000, 0, -85, 10_922_000)),
    ],
    ids=["metres", "degrees", "Web Mercator"],
)
def test_short_pieces_are_short_on_the_ground(crs, transform):
    zones = np.full((300, 300), OCEAN, dtype=np.uint8)
    zones[:, :100] = GLACIER
    # Rock leaves two pieces of the front: one of 3.6 km, one of 300 m.
    zones[120:290, 60:150] = ROCK
    front = track_scenes([scene(zones, crs=crs, transform=transform)], glacier=Glacier(name="G")).fronts.geometry.iloc[
        0
    ]
    assert front.geom_type == "LineString"


ICE = shapely.box(-5_000, -100, 10_000, 4_100).difference(shapely.box(3_000, 1_500, 4_500, 2_500))


def test_a_nunatak_in_an_outline_is_no_front():
    fjord = shapely.box(0, 10, 20_000, 3_990)
    front = front_of_ice(ICE, box=None, fjord=fjord, inland=shapely.Point(0, 2_000), edge_tolerance_m=1)
    assert shapely.get_coordinates(front)[:, 0] == pytest.approx(10_000)


def test_the_sea_in_a_hole_of_an_outline_has_a_front():
    land = shapely.box(-5_000, -5_000, 25_000, 9_000).difference(shapely.box(10_000, 0, 20_000, 4_000))
    fjord = shapely.box(0, 10, 19_990, 3_990)
    front = front_of_ice(land, box=None, fjord=fjord, seaward=shapely.Point(19_000, 2_000), edge_tolerance_m=1)
    assert shapely.get_coordinates(front)[:, 0] == pytest.approx(10_000)


@pytest.mark.parametrize("hidden", [np.s_[:, :350], np.s_[:, 650:], np.s_[:90, :], np.s_[60:120, 700:800]])
def test_half_an_image_gives_the_position_of_the_whole(hidden):
    zones = front_at(500)
    zones[:20] = zones[-20:] = ROCK
    zones[hidden] = NO_DATA
    # The fjord ends exactly where the image does.
    tracked = track_scenes([scene(zones)], glacier=TOY, settings=TrackSettings(methods=("area-change",)))
    whole = front_at(500)
    whole[:20] = whole[-20:] = ROCK
    expected = track_scenes([scene(whole)], glacier=TOY, settings=TrackSettings(methods=("area-change",)))
    position, right = (
        found.observations.query("variable == 'front_position_m'").value.iloc[0] for found in (tracked, expected)
    )
    assert right == pytest.approx(11_308, abs=1)
    assert position == pytest.approx(right, abs=1)


@pytest.mark.parametrize("columns", [slice(400, None), slice(None, 600), slice(400, 600)])
def test_an_image_of_half_the_fjord_gives_the_position_of_the_whole(columns):
    zones = front_at(500)
    zones[:20] = zones[-20:] = ROCK
    start = columns.start or 0
    cut = scene(zones[:, columns], transform=Affine(20, 0, 20 * start, 0, -20, 4_000))
    tracked = track_scenes([cut], glacier=TOY, settings=TrackSettings(methods=("area-change",)))
    position = tracked.observations.query("variable == 'front_position_m'").iloc[0]
    assert position.value == pytest.approx(11_308, abs=1)
    assert "partial-coverage" in position.quality
