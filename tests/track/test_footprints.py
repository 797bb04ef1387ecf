"""Areas are compared only where all dates look; what is given badly is handled or says what to do."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from affine import Affine

from glaciertime.catalog import Glacier, Line
from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK, MaskScene, OutlineScene, TraceScene
from glaciertime.track import TrackSettings, retreat_table, sum_row, track_scenes
from glaciertime.track.place import reproject
from glaciertime.track.ruler.centrelines import centreline_from_elevation, centreline_from_zones
from glaciertime.track.scene.lines import clean_line

from .test_series import ORIGIN, acquired, mask_scene, toy_glacier, true_m, values

X, Y = ORIGIN


def with_gap(scene: MaskScene, columns: slice) -> MaskScene:
    zones = scene.read().copy()
    zones[:, columns] = NO_DATA
    return dataclasses.replace(scene, read=lambda: zones)


def areas(tracked, footprint: str) -> list[float]:
    rows = tracked.observations.query("variable == 'area_km2' and footprint == @footprint")
    return rows.sort_values("date").value.tolist()


def test_images_of_different_extent_are_compared_where_both_look():
    whole, cut = mask_scene(6_000, 0), with_gap(mask_scene(6_000, 10), slice(0, 100))
    tracked = track_scenes([whole, cut], glacier=toy_glacier())
    in_box = areas(tracked, "box")
    assert in_box[0] > in_box[1] * 1.5
    assert areas(tracked, "common") == pytest.approx([areas(tracked, "common")[0]] * 2)
    partial = tracked.observations.query("footprint == 'box' and image_id == 'image10'").iloc[0]
    assert partial.coverage == pytest.approx(0.75, abs=0.001)
    assert "75.0% of the box imaged" in partial.quality
    table = retreat_table(tracked.observations, footprint="common", footprints=tracked.footprints)
    assert table.iloc[0].loss_km2 == pytest.approx(0, abs=1e-9)
    common = tracked.footprints.query("footprint == 'common'").iloc[0]
    assert common.area_km2 == pytest.approx(
        0.75 * tracked.footprints.query("footprint == 'box'").iloc[0].area_km2, rel=2e-3
    )


def test_a_sliver_does_not_shrink_the_footprint_of_all():
    scenes = [mask_scene(6_000, 0), mask_scene(5_400, 10), with_gap(mask_scene(5_400, 20), slice(0, 390))]
    tracked = track_scenes(scenes, glacier=toy_glacier())
    rows = tracked.observations.query("footprint == 'common'")
    assert rows.image_id.tolist() == ["image0", "image10"]
    sliver = tracked.observations.query("image_id == 'image20' and variable == 'area_km2'")
    assert sliver.footprint.tolist() == ["box"]


def test_images_without_a_box_are_compared_inside_what_they_share():
    small = mask_scene(5_400, 10)
    zones = small.read()[:, :300]
    small = dataclasses.replace(small, shape=zones.shape, read=lambda: zones)
    tracked = track_scenes([mask_scene(6_000, 0), small], glacier=Glacier(name="Toy"))
    assert len(areas(tracked, "image")) == 2
    lost = np.subtract(*areas(tracked, "common"))
    # 600 m by 4 km, on the ellipsoid.
    assert lost == pytest.approx(2.4, rel=0.02)


def test_complete_images_need_no_common_footprint():
    tracked = track_scenes([mask_scene(6_000, 0), mask_scene(5_400, 10)], glacier=toy_glacier())
    assert areas(tracked, "common") == []


def local_scene(front_px: int, day: int) -> MaskScene:
    zones = np.full((150, 300), OCEAN, dtype=np.uint8)
    zones[:, :front_px] = GLACIER
    zones[:30] = zones[-30:] = ROCK
    what = acquired(day, crs=None, resolution_m=20.0)
    return MaskScene(
        acquisition=what, shape=zones.shape, transform=Affine(20, 0, 0, 0, -20, 3_000), read=lambda: zones,
        box=shapely.box(400, 200, 5_600, 2_800),
    )  # fmt: skip


def test_a_local_frame_without_a_centreline_gets_one_drawn():
    tracked = track_scenes([local_scene(150, 0), local_scene(140, 10)], glacier=Glacier(name="Toy"))
    assert tracked.fronts.crs is None
    before, after = values(tracked, "front_position_m", "centreline")
    assert before - after == pytest.approx(200, abs=2)
    footprints = tracked.observations.query("method == 'centreline'").footprint.unique()
    assert footprints.tolist() == ["drawn centreline"]
    off = track_scenes(
        [local_scene(150, 0)], glacier=Glacier(name="Toy"), settings=TrackSettings(draw_centreline=False)
    )
    assert values(off, "front_position_m", "centreline") == []


def test_drawn_centreline_follows_a_bend_and_runs_to_the_sea():
    rows, columns = np.mgrid[:200, :300]
    middle = 100 + 50 * np.sin(columns / 45)
    zones = np.where(np.abs(rows - middle) < 25, np.where(columns < 160, GLACIER, OCEAN), ROCK).astype(np.uint8)
    line = centreline_from_zones(zones, transform=Affine.scale(10, 10))
    x, y = shapely.get_coordinates(line).T
    assert x[0] < 100
    assert x[-1] > 2_900
    inner = (x > 150) & (x < 2_850)
    assert np.abs(y / 10 - (100 + 50 * np.sin(x / 450)))[inner].max() < 6
    with pytest.raises(InputError, match="no ocean in the region"):
        centreline_from_zones(np.full((20, 20), GLACIER, np.uint8), transform=Affine.identity())


def test_centreline_down_a_valley_ends_at_the_lowest_edge():
    rows, columns = np.mgrid[:80, :120]
    elevation = 1_000.0 - 5 * columns + 0.5 * (rows - 40) ** 2
    glacier = np.abs(rows - 40) < 20
    line = centreline_from_elevation(elevation, transform=Affine.identity(), start=(5.5, 38.5), glacier=glacier)
    assert line.coords[-1][0] > 118
    assert np.abs(shapely.get_coordinates(line)[:, 1] - 40.5).max() < 4
    with pytest.raises(InputError, match="lies outside the glacier"):
        centreline_from_elevation(elevation, transform=Affine.identity(), start=(5, 5), glacier=glacier)


def reversed_glacier() -> Glacier:
    glacier = toy_glacier()
    return glacier.model_copy(
        update={"centreline": Line(drawn_by="test", coordinates=glacier.centreline.coordinates[::-1])}
    )


def test_a_centreline_that_points_inland_is_refused_and_the_areas_stand():
    outline = OutlineScene(acquisition=acquired(0), ice=shapely.box(X, Y + 1_000, X + 6_000, Y + 5_000))
    for scene in (mask_scene(6_000, 0), outline):
        rows = track_scenes([scene], glacier=reversed_glacier()).observations
        failed = rows.query("method == 'centreline'").iloc[0]
        assert "the centreline runs from the sea inland, reverse it" in failed.quality
        assert rows.query("variable == 'area_km2'").value.notna().all()


def front(*vertices) -> shapely.LineString:
    return shapely.LineString([(X + x, Y + y) for x, y in vertices])


STRAIGHT = front((6_000, 500), (6_000, 5_500))


@pytest.mark.parametrize(
    "line",
    [
        STRAIGHT,
        STRAIGHT.reverse(),
        shapely.force_3d(STRAIGHT, 120.0),
        shapely.MultiLineString([front((6_000, 500), (6_000, 2_900)), front((6_000, 2_900), (6_000, 5_500))]),
        front((6_000, 500), (6_000, 500), (6_000, 5_500), (6_000, 5_500)),
        front((6_000, 500), (6_000, 4_400), (6_100, 4_500), (5_900, 4_500), (6_000, 4_400), (6_000, 5_500)),
        shapely.segmentize(STRAIGHT, 0.005),
    ],
    ids=["plain", "reversed", "3-D", "multi-part", "repeated", "self-crossing", "million vertices"],
)
def test_odd_lines_are_measured_as_plain_ones(line):
    settings = TrackSettings(methods=("centreline", "curvilinear-box", "multi-centreline"))
    rows = track_scenes(
        [TraceScene(acquisition=acquired(0), line=line)], glacier=toy_glacier(), settings=settings
    ).observations
    positions = rows.query("variable == 'front_position_m'")
    assert (positions.quality == "ok").all()
    np.testing.assert_allclose(positions.value, true_m(6_000), atol=0.05)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (shapely.LineString(), "the trace is empty"),
        (shapely.LineString([(0, 0), (np.inf, 1)]), "not finite"),
        (shapely.LineString([(5, 5), (5, 5)]), "has no length"),
        (shapely.LineString([(0, 0), (9, 9)]), "lies outside the fjord"),
    ],
)
def test_lines_that_cannot_be_fronts_say_why(line, message):
    rows = track_scenes([TraceScene(acquisition=acquired(0), line=line)], glacier=toy_glacier()).observations
    assert rows.quality.str.contains(message).tolist() == [True]


def test_a_line_with_a_height_keeps_its_place():
    assert not clean_line(shapely.force_3d(STRAIGHT)).has_z


def test_a_front_before_nanoseconds_is_dated():
    scene = TraceScene(acquisition=acquired(0, date=dt.date(1600, 8, 12)), line=STRAIGHT)
    tracked = track_scenes([scene], glacier=toy_glacier())
    assert tracked.observations["date"].dt.strftime("%Y-%m-%d").unique().tolist() == ["1600-08-12"]
    assert tracked.fronts["DecDate"].tolist() == pytest.approx([1600 + 224 / 366])


@pytest.mark.parametrize("year", [999, 2200])
def test_impossible_dates_are_refused(year):
    scene = TraceScene(acquisition=acquired(0, date=dt.date(year, 1, 1)), line=STRAIGHT)
    rows = track_scenes([scene], glacier=toy_glacier()).observations
    assert rows.quality.str.contains(f"{dt.date(year, 1, 1)} is before 1000 or in the future").all()


def test_no_scenes_give_empty_tables():
    tracked = track_scenes([], glacier=toy_glacier())
    assert (len(tracked.fronts), len(tracked.observations), len(tracked.footprints)) == (0, 0, 0)


def test_mask_of_another_size_than_its_scene_is_refused():
    scene = dataclasses.replace(mask_scene(6_000, 0), shape=(10, 10))
    rows = track_scenes([scene], glacier=toy_glacier()).observations
    assert "is the file damaged?" in rows.quality.iloc[0]


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="box_width_m is -5"):
        TrackSettings(box_width_m=-5)
    with pytest.raises(UsageError, match="least_coverage is 0"):
        TrackSettings(least_coverage=0)


def test_overlapping_footprints_are_not_summed_twice():
    def tracked(name: str, shift: float):
        scenes = [mask_scene(6_000, 0), mask_scene(5_400, 10)]
        moved = [
            dataclasses.replace(scene, acquisition=dataclasses.replace(scene.acquisition, glacier=name),
                                transform=Affine(30, 0, X, 0, -30, Y + 6_000 + shift))
            for scene in scenes
        ]  # fmt: skip
        glacier = Glacier(name=name, crs="EPSG:3413", box=(X, Y + shift, X + 12_000, Y + 6_000 + shift))
        return track_scenes(moved, glacier=glacier)

    def total(shift: float):
        both = [tracked("A", 0.0), tracked("B", shift)]
        table = retreat_table(pd.concat([each.observations for each in both]))
        return table, sum_row(table, footprints=pd.concat([each.footprints for each in both]))

    with pytest.raises(InputError, match=r"the footprints of A and B share .* km2, which a sum would count twice"):
        total(3_000.0)
    table, row = total(7_000.0)
    assert row.loss_km2 == pytest.approx(table.loss_km2.sum())


def moved_to(geometry, crs: str):
    return reproject(shapely.segmentize(geometry, 25.0), source=toy_glacier().projection, target=pyproj.CRS(crs))


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32622", "EPSG:3996"])
def test_the_coordinate_system_of_the_input_changes_no_result(crs):
    settings = TrackSettings(methods=("centreline", "curvilinear-box", "area-change", "mean-trace"))
    slanted = front((5_600, 500), (6_100, 2_500), (6_400, 5_500))
    ice = shapely.Polygon([(X, Y), *slanted.coords, (X, Y + 6_000)])
    plain = [TraceScene(acquisition=acquired(0), line=slanted), OutlineScene(acquisition=acquired(1), ice=ice)]
    what = [dataclasses.replace(scene.acquisition, crs=pyproj.CRS(crs)) for scene in plain]
    moved = [
        TraceScene(acquisition=what[0], line=moved_to(slanted, crs)),
        OutlineScene(acquisition=what[1], ice=moved_to(ice, crs)),
    ]
    first, second = (
        track_scenes(scenes, glacier=toy_glacier(), settings=settings).observations for scenes in (plain, moved)
    )
    np.testing.assert_allclose(second["value"], first["value"], rtol=2e-6, atol=0.05)


def test_mixed_coordinate_systems_make_one_series():
    moved = TraceScene(acquisition=acquired(10, crs=pyproj.CRS("EPSG:32622")), line=moved_to(STRAIGHT, "EPSG:32622"))
    tracked = track_scenes([TraceScene(acquisition=acquired(0), line=STRAIGHT), moved], glacier=toy_glacier())
    np.testing.assert_allclose(values(tracked, "front_position_m", "centreline"), true_m(6_000), atol=0.05)


def test_a_line_without_a_place_on_earth_does_not_mix_with_the_catalog():
    tracked = track_scenes([TraceScene(acquisition=acquired(0, crs=None), line=STRAIGHT)], glacier=toy_glacier())
    assert tracked.fronts.crs is None
    assert values(tracked, "front_position_m", "centreline") == []


def test_order_of_scenes_changes_no_row():
    scenes = [mask_scene(6_000 - 60 * k, k) for k in range(6)]
    forward = track_scenes(scenes, glacier=toy_glacier())
    backward = track_scenes(scenes[::-1], glacier=toy_glacier())
    pd.testing.assert_frame_equal(forward.observations, backward.observations)
    assert forward.fronts.geometry.geom_equals(backward.fronts.geometry).all()


def test_an_iceberg_counts_in_the_box_but_neither_in_the_fjord_nor_as_front():
    scene = mask_scene(6_000, 0)
    zones = scene.read().copy()
    zones[95:105, 300:310] = GLACIER
    with_iceberg = dataclasses.replace(scene, read=lambda: zones)
    plain = track_scenes([scene], glacier=toy_glacier())
    drifting = track_scenes([with_iceberg], glacier=toy_glacier())
    assert areas(drifting, "box")[0] > areas(plain, "box")[0] + 0.08
    assert areas(drifting, "fjord") == pytest.approx(areas(plain, "fjord"))
    assert drifting.fronts.geometry.geom_equals(plain.fronts.geometry).all()
    dropped = track_scenes([with_iceberg], glacier=toy_glacier(), settings=TrackSettings(count_icebergs=False))
    assert areas(dropped, "box") == pytest.approx(areas(plain, "box"))


def test_a_front_records_how_much_of_the_fjord_it_covers():
    # The fjord reaches from 1 to 5 km.
    half = TraceScene(acquisition=acquired(0), line=front((6_000, 1_000), (6_000, 4_000)))
    whole = TraceScene(acquisition=acquired(1), line=STRAIGHT)
    assert track_scenes([half, whole], glacier=toy_glacier()).fronts.coverage.tolist() == pytest.approx(
        [0.75, 1.0], abs=1e-4
    )
    settings = TrackSettings(methods=("area-change",))
    positions = track_scenes([half, whole], glacier=toy_glacier(), settings=settings)
    assert values(positions, "front_position_m", "area-change") == pytest.approx([true_m(6_000)] * 2, abs=0.1)


def test_simplified_fronts_move_no_further_than_stated():
    x = 6_000 + 30 * np.sin(np.linspace(0, 40, 400))
    line = front(*np.column_stack([x, np.linspace(500, 5_500, 400)]))
    scene = TraceScene(acquisition=acquired(0), line=line)
    plain, simple = (
        track_scenes([scene], glacier=toy_glacier(), settings=TrackSettings(simplify_m=tolerance)).fronts.to_crs(3413)
        for tolerance in (0.0, 10.0)
    )
    assert (
        shapely.get_num_coordinates(simple.geometry.iloc[0]) < shapely.get_num_coordinates(plain.geometry.iloc[0]) / 3
    )
    assert simple.geometry.iloc[0].hausdorff_distance(plain.geometry.iloc[0]) <= 10.01


def test_the_common_footprint_holds_the_glacier_of_the_line_and_its_own_errors():
    """A larger glacier beside that of the line drifts in none of the tables; probabilities tell sigma in both."""

    def beside(distance_m: float, days: int) -> MaskScene:
        scene = mask_scene(distance_m, days)
        zones = scene.read().copy()
        rows = zones.shape[0]
        zones[: rows // 2 - 10, :-5] = GLACIER
        zones[rows // 2 - 10 : rows // 2 - 5] = OCEAN
        return dataclasses.replace(scene, read=lambda: zones)

    scenes = [beside(6_000, 0), beside(4_000, 10)]
    settings = TrackSettings(common_footprint=True, count_icebergs=False, screening=None)
    tracked = track_scenes(scenes, glacier=toy_glacier(), settings=settings)
    assert areas(tracked, "common") == pytest.approx(areas(tracked, "box"))
    assert areas(tracked, "box")[0] > 1.3 * areas(tracked, "box")[1]
    sigmas = tracked.observations.query("variable == 'area_km2'").pivot(
        index="image_id", columns="footprint", values="sigma"
    )
    assert sigmas["common"].tolist() == pytest.approx(sigmas["box"].tolist())


def test_a_front_that_lies_outside_the_common_footprint_leaves_the_area_there_without_a_sigma():
    scenes = [mask_scene(6_000, 0), mask_scene(3_000, 10)]
    zones = scenes[0].read()
    ends = int(np.flatnonzero((zones == OCEAN).any(axis=0))[0])
    hidden = with_gap(scenes[1], slice(ends - 8, ends + 8))
    tracked = track_scenes([scenes[0], hidden], glacier=toy_glacier(), settings=TrackSettings(common_footprint=True))
    assert len(tracked.observations.query("footprint == 'common'")) == 2


def test_the_common_footprint_takes_sigma_from_the_probabilities_that_the_box_takes_it_from():
    def modelled(scene: MaskScene) -> MaskScene:
        zones = scene.read()
        ocean = np.where(zones == OCEAN, 0.8, 0.2).astype(np.float32)
        what = dataclasses.replace(scene.acquisition, model="m")
        read = lambda: (np.stack([1 - ocean, ocean]), (GLACIER, OCEAN))  # noqa: E731
        return dataclasses.replace(scene, acquisition=what, probability=read)

    scenes = [modelled(mask_scene(6_000, 0)), modelled(mask_scene(4_000, 10))]
    tracked = track_scenes(scenes, glacier=toy_glacier(), settings=TrackSettings(common_footprint=True))
    found = tracked.observations.query("variable == 'area_km2'").set_index("footprint").sigma
    assert found["common"].tolist() == pytest.approx(found["box"].tolist())
