"""Co-registration on stable rock: known shifts come back, and what cannot be told is said."""

import dataclasses
import datetime as dt
import math
import tracemalloc

import numpy as np
import pyproj
import pytest
from affine import Affine
from rasterio.transform import array_bounds
from rasterio.warp import Resampling, calculate_default_transform, reproject
from scipy import ndimage

from glaciertime.catalog import Glacier
from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import Acquisition, MaskScene
from glaciertime.track import TrackSettings, track_scenes
from glaciertime.track.scene.coregistration import coregistered, rock_shifts

UTM = pyproj.CRS("EPSG:32633")
SHIFTS = np.array([(60.0, -20.0), (-45.0, 75.0), (10.0, -40.0), (-25.0, -15.0)])


def scene(number, shift=(0.0, 0.0), *, pixel_m=30.0, south_up=False, walls="wavy", front_m=4500.0):
    """A fjord between rock walls that all run north to south but wave; its content displaced east and north."""
    side = int(9000 / pixel_m)
    y, x = np.mgrid[:side, :side]
    x, y = (x + 0.5) * pixel_m - shift[0], (y + 0.5) * pixel_m + shift[1]
    wave = 0 if walls == "straight" else 300 * np.sin(y / 700) + 150 * np.sin(y / 260)
    rock = (x < 2200 + wave) | (x > 6800 - wave)
    if walls == "none":
        rock[:] = False
    zones = np.where(rock, 64, np.where(y < front_m, 254, 127)).astype(np.uint8)
    transform = Affine(pixel_m, 0, 500_000, 0, -pixel_m, 8_700_000)
    if south_up:
        zones, transform = zones[::-1].copy(), Affine(pixel_m, 0, 500_000, 0, pixel_m, 8_700_000 - side * pixel_m)
    what = Acquisition(
        glacier="G", date=dt.date(2000 + number, 1, 1), dataset="d", image_id=f"i{number}", source="observed",
        input=f"f{number}", crs=UTM, resolution_m=pixel_m,
    )  # fmt: skip
    return MaskScene(acquisition=what, shape=zones.shape, transform=transform, read=lambda: zones)


@pytest.mark.parametrize(("sizes", "up"), [((30, 30, 30, 30), ()), ((30, 20, 45, 30), (1, 3))])
def test_known_shifts_come_back_to_a_tenth_of_a_pixel(sizes, up):
    scenes = [scene(k, SHIFTS[k], pixel_m=sizes[k], south_up=k in up) for k in range(4)]
    found = np.array([(shift.east_m, shift.north_m) for shift in rock_shifts(scenes)])
    assert np.abs(found + SHIFTS).max() < 3.0
    sigmas = np.array([shift.sigma_m for shift in rock_shifts(scenes)])
    assert np.sqrt(np.mean((found + SHIFTS) ** 2)) < 3 * np.sqrt(np.mean(sigmas**2))


def speckled(number, shift_px):
    """A scene whose rock is many patches of some pixels, its content displaced by whole or half rows and columns."""
    field = ndimage.gaussian_filter(np.random.default_rng(7).normal(size=(400, 400)), 2.0, mode="wrap")
    patches = ndimage.shift(field, shift_px, order=1, mode="wrap")[50:350, 50:350] > 0.3 * field.std()
    y, x = np.mgrid[:300, :300]
    zones = np.where(patches & ((x < 110) | (x > 190)), 64, np.where(y < 150, 254, 127)).astype(np.uint8)
    return dataclasses.replace(scene(number), read=lambda: zones)


@pytest.mark.parametrize("shifts", [[(0, 0), (10, 15)], [(0, 0), (-5, 4), (6, -5)], [(0, 0), (-10, 8), (12, -10)]])
def test_a_scene_is_not_registered_to_itself(shifts):
    """Its own rock in the reference holds it where it is: two scenes 18 pixels apart were told to lie well, +-0.02."""
    found = rock_shifts([speckled(k, shift) for k, shift in enumerate(shifts)])
    moved = np.array([(-each.north_m, each.east_m) for each in found]) / 30
    assert np.abs(moved + shifts - np.mean(shifts, axis=0)).max() < 0.15


def test_two_scenes_far_apart_are_moved_all_the_way():
    """Of 720 m east and 360 m north 158 and 79 m were left, one sigma 2 m: three rounds did not reach them."""
    found = rock_shifts([scene(0), scene(1, (720.0, 360.0))])
    assert found[0].east_m - found[1].east_m == pytest.approx(720, abs=1.5)
    assert found[0].north_m - found[1].north_m == pytest.approx(360, abs=1.5)


def test_the_scene_with_most_rock_may_be_the_odd_one():
    """All others lie 40 pixels off it and well on each other: it alone is left out."""
    scenes = [scene(0, (0.0, 1200.0)), *(scene(k, (30.0 * k, 0.0)) for k in (1, 2, 3))]
    most = scenes[0].read()
    most[-1, :] = 64
    found = rock_shifts(scenes)
    assert [bool(each.reason) for each in found] == [True, False, False, False]
    assert found[1].east_m - found[3].east_m == pytest.approx(60, abs=3)


def test_moved_scenes_show_the_front_where_it_stands():
    """The front does not move, the scenes do: as they are they tell of 120 m, moved of less than a pixel."""
    glacier = Glacier(name="G")
    scenes = [scene(k, SHIFTS[k]) for k in range(4)]

    def spread(given):
        tracked = track_scenes(given, glacier=glacier, settings=TrackSettings(screening=None))
        positions = tracked.observations.query("variable == 'front_position_m' and method == 'centreline'")
        return np.ptp(positions["value"]), positions

    as_they_are, _ = spread(scenes)
    moved, rows = spread(coregistered(scenes))
    assert as_they_are > 100
    # What is left is the rounding of a straight front to pixels of 30 m.
    assert moved < 30
    assert rows["quality"].str.contains("coregistered: moved").all()
    assert (rows["sigma"] < 30).all()


def test_a_scene_without_rock_stays_and_says_so():
    moved = coregistered([scene(0, SHIFTS[0]), scene(1, SHIFTS[1]), scene(2, walls="none")])
    assert "hardly any rock" in moved[2].acquisition.flags["unregistered"]
    assert moved[2].transform == scene(2).transform
    assert "coregistered" in moved[0].acquisition.flags


def test_walls_that_run_one_way_do_not_tell_a_shift_along_them():
    shifts = rock_shifts([scene(k, (20.0 * k, 50.0 * k), walls="straight") for k in range(3)])
    assert all("all run one way" in shift.reason and math.isnan(shift.sigma_m) for shift in shifts)


def test_masks_without_rock_are_refused():
    with pytest.raises(InputError, match=r"0 of 2 scenes hold rock.*leave --coregister out"):
        rock_shifts([scene(0, walls="none"), scene(1, walls="none")])


def test_a_scene_on_a_plane_that_is_turned_is_moved_along_its_own_axes():
    """Polar stereographic is turned by 60 degrees against UTM there: east on one plane is not east on the other."""
    polar, side = pyproj.CRS("EPSG:3413"), 300
    first = scene(0)
    transform, width, height = calculate_default_transform(
        UTM, polar, side, side, *array_bounds(side, side, first.transform), resolution=30
    )
    zones = np.zeros((height, width), dtype=np.uint8)
    reproject(
        first.read(), zones, src_transform=first.transform, src_crs=UTM.to_wkt(), dst_transform=transform,
        dst_crs=polar.to_wkt(), resampling=Resampling.nearest, src_nodata=0, dst_nodata=0,
    )  # fmt: skip
    displaced = Affine.translation(150, 0) @ transform
    what = dataclasses.replace(first.acquisition, image_id="turned", date=dt.date(2004, 1, 1), crs=polar)
    turned = MaskScene(acquisition=what, shape=zones.shape, transform=displaced, read=lambda: zones)
    moved = coregistered([first, turned, scene(1)])
    # The scenes' mean is held: what counts is how the turned one lies against the first.
    to_utm = pyproj.Transformer.from_crs(polar, UTM, always_xy=True)
    middle = width / 2, height / 2
    stands = np.array(to_utm.transform(*(moved[1].transform @ middle)))
    is_to_stand = np.array(to_utm.transform(*(transform @ middle)))
    held = np.array([moved[0].transform.c - first.transform.c, moved[0].transform.f - first.transform.f])
    assert np.abs(stands - held - is_to_stand).max() < 3.0


def test_a_shift_of_which_nobody_can_tell_how_sure_it_is_is_none():
    """One rock in a corner: its shift was used with a sigma of nan, which counts as none."""

    def with_one_rock(number: int, east_px: int) -> MaskScene:
        plain = scene(number, walls="none")
        zones = plain.read().copy()
        y, x = np.mgrid[: zones.shape[0], : zones.shape[1]]
        zones[(y - 35) ** 2 + (x - 35 - east_px) ** 2 < 25**2] = 64
        return dataclasses.replace(plain, read=lambda: zones)

    found = rock_shifts([with_one_rock(0, 0), with_one_rock(1, 2)])
    assert [shift.east_m for shift in found] == [0.0, 0.0]
    assert all("rock lies in one place" in shift.reason for shift in found)


def test_a_scene_far_off_is_found_as_surely_as_one_that_is_near():
    far = np.array([(600.0, -540.0), (-610.0, 530.0), (40.0, 20.0), (-30.0, -10.0)])
    found = np.array([(shift.east_m, shift.north_m) for shift in rock_shifts([scene(k, far[k]) for k in range(4)])])
    assert np.abs(found + far).max() < 3.0


def test_memory_does_not_grow_with_the_number_of_scenes():
    """Two layers of every scene were held: 93 scenes of Crane did not fit a small machine."""

    def peak(count: int) -> int:
        scenes = [scene(k, SHIFTS[k % 4], pixel_m=60.0) for k in range(count)]
        tracemalloc.start()
        rock_shifts(scenes)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    layer = 4 * 150 * 150
    assert peak(13) - peak(3) < 2 * layer
