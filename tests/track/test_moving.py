"""The error of an area inside a box counts every boundary that moves, and none that stays."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest
import shapely
import shapely.affinity

from glaciertime.catalog import Glacier
from glaciertime.scenes.acquisition import Acquisition, OutlineScene
from glaciertime.track import track_scenes
from glaciertime.track.ruler.moving import changed_zone, moving_chord_m, moving_length_m
from glaciertime.track.ruler.uncertainty import area_sigma_km2

BOX = shapely.box(0, 0, 30_000, 20_000)


def outline(year: int, *fronts: float) -> OutlineScene:
    """Ice of several glaciers, each 4 km wide between 1 km of rock, that reach from the left to their fronts."""
    tongues = [shapely.box(0, 5_000 * index, front, 5_000 * index + 4_000) for index, front in enumerate(fronts)]
    acquisition = Acquisition(
        glacier="Toy", date=dt.date(year, 1, 1), dataset="toy", image_id=str(year), source="simulated", input="toy",
        resolution_m=100.0, delineation_sigma_m=50.0,
    )  # fmt: skip
    return OutlineScene(acquisition=acquisition, ice=shapely.union_all(tongues), box=BOX)


def shifted(year: int, *fronts: float) -> OutlineScene:
    """As :func:`outline`, on an image whose place is known to 80 m and on which nothing else errs."""
    scene = outline(year, *fronts)
    what = dataclasses.replace(
        scene.acquisition, georeferencing_sigma_m=80.0, delineation_sigma_m=1e-6, resolution_m=1e-6
    )
    return dataclasses.replace(scene, acquisition=what)


def sigma(*scenes: OutlineScene) -> float:
    observations = track_scenes(scenes, glacier=Glacier(name="Toy")).observations
    return float(observations.query("variable == 'area_km2' and footprint == 'box'")["sigma"].iloc[0])


def expected(length_m: float) -> float:
    return area_sigma_km2(
        front_length_m=length_m, front_width_m=length_m, boundary_m=(50.0**2 + 100.0**2 / 12) ** 0.5,
        georeferencing_m=float("nan"), correlation_m=1000.0,
    )  # fmt: skip


def test_one_front_that_moves() -> None:
    assert sigma(outline(2000, 9_000, 7_000), outline(2001, 8_000, 7_000)) == pytest.approx(expected(4_000), rel=0.3)


def test_two_fronts_that_move_err_independently() -> None:
    one = sigma(outline(2000, 9_000, 7_000), outline(2001, 8_000, 7_000))
    both = sigma(outline(2000, 9_000, 7_000), outline(2001, 8_000, 6_000))
    assert both / one == pytest.approx(2**0.5, rel=0.1)


def test_a_shift_of_the_image_sweeps_the_chord_of_what_moves() -> None:
    # One tongue, 4 km wide: its sides lie in the zone that changed too, and cancel.
    assert sigma(shifted(2000, 3_000, 9_000), shifted(2001, 3_000, 5_000)) == pytest.approx(0.080 * 4.0, rel=0.01)


def test_fronts_that_face_each_other_cancel_under_a_shift() -> None:
    facing = [shifted(2000, 3_000, 9_000), shifted(2001, 3_000, 5_000)]
    twins = [
        dataclasses.replace(scene, ice=scene.ice.union(shapely.affinity.scale(scene.ice, -1, 1, origin=(15_000, 0))))
        for scene in facing
    ]
    assert sigma(*twins) < 0.01


def test_a_coast_that_was_cut_anew_does_not_move() -> None:
    # The coast slants, so that each cut leaves slivers of rounding along all of it.
    ice = shapely.Polygon([(0, 0), (10_000, 0), (10_000, 3_000.7), (0, 1_000.1)])
    dates = [ice.intersection(shapely.box(-1, -1, at, 9_999)) for at in (10_000, 9_000, 8_111.3)]
    footprint = shapely.box(-100, 0, 12_000, 5_000)
    zone = changed_zone(dates, footprint=footprint)
    # The last front alone; the first one and the coast before which the ice went.
    assert moving_length_m(dates[2], zone=zone, footprint=footprint) == pytest.approx(2_622, abs=6)
    assert moving_length_m(dates[0], zone=zone, footprint=footprint) == pytest.approx(3_001 + 1_926, abs=6)


def test_a_coast_drawn_anew_to_centimetres_does_not_move() -> None:
    rng = np.random.default_rng(0)
    xs = np.linspace(0, 8_000, 50)
    footprint = shapely.box(-100, 0, 12_000, 5_000)
    dates = [
        shapely.Polygon([(0, 0), (front, 0), *zip(at, 1_000 + 0.2 * at + rng.normal(0, 0.05, 50), strict=True)])
        for front, at in ((10_000, xs[::-1] * 1.25), (8_000, xs[::-1]))
    ]
    zone = changed_zone(dates, footprint=footprint)
    assert moving_length_m(dates[1], zone=zone, footprint=footprint) == pytest.approx(2_600, abs=10)


def test_stretches_add_up_as_vectors_whatever_way_they_slant() -> None:
    # A cape whose two flanks retreated and whose tip did not: (2, 3) and (2, -3) metres make 4.
    before = shapely.Polygon([(0, 0), (8, 0), (8, 2), (6, 4), (2, 4), (0, 2)])
    after = shapely.Polygon([(0, 0), (8, 0), (8, 1), (6, 3), (6, 4), (2, 4), (2, 3), (0, 1)])
    box = shapely.box(-9, -9, 19, 9)
    zone = changed_zone([before, after], footprint=box)
    for ice in (before, after):
        for turn in (0, 50, 140, 230):
            moved = [shapely.affinity.rotate(each, turn, origin=(0, 0)) for each in (ice, zone, box.buffer(40))]
            chord_m = moving_chord_m(moved[0], zone=moved[1], footprint=moved[2], tolerance_m=1e-6)
            assert chord_m == pytest.approx(4.0, abs=1e-4)


def test_which_side_is_ice_does_not_hang_on_the_order_of_the_vertices() -> None:
    # Two fronts that look the same way sweep twice the width; an outline may go round either way.
    box = shapely.box(-1, -9, 19, 99)
    for turned in (False, True):
        lower, upper = shapely.box(0, 0, 4, 2), shapely.box(0, 5, 4, 7)
        ice = shapely.MultiPolygon([lower, upper.reverse() if turned else upper])
        zone = shapely.union(shapely.box(3, 0, 4, 2), shapely.box(3, 5, 4, 7))
        assert moving_chord_m(ice, zone=zone, footprint=box, tolerance_m=1e-6) == pytest.approx(4.0, abs=1e-4)
