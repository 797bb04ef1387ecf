"""A scene in any orientation and resolution, in the frame of a model and back."""

import math
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from affine import Affine

from glaciertime.errors import InputError, UsageError
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.frame import LANDSAT_FRONTS, Frame
from glaciertime.segment.predict.framed import FramedScene, check_side, directions, find_ocean, predict_scene
from glaciertime.segment.predict.framing import frame_scene, ground_of, read_framed, to_scene, trimmed, with_margin
from glaciertime.segment.predict.orientation import CHANCES, Found, best_of, parse_ocean, search

SPEC = ModelSpec(
    name="bright", model="unet", bands=("grey",), classes=("glacier", "ocean"), codes=(127, 254), zones="line",
    frame=LANDSAT_FRONTS, patch_px=64,
)  # fmt: skip
UTM = pyproj.CRS.from_epsg(32622)
EAST, NORTH = 500_000.0, 7_600_000.0


def brightness(batch):
    """An engine that takes bright for ocean, and is the surer the more the ocean is up."""
    ocean = 1 / (1 + np.exp(-4 * batch[:, 0]))
    down = np.linspace(1, -1, batch.shape[2])[:, None]
    sure = np.clip(2.4 * (batch[:, 0] * down).mean(axis=(1, 2), keepdims=True), 0.05, 1)
    ocean = 0.5 + (ocean - 0.5) * sure
    return np.stack([1 - ocean, ocean], axis=1).astype(np.float32)


def place(size_m, *, side_m=9_000.0):
    """A grid, north up, around a point; its transform and the coordinates of its pixels."""
    count = round(side_m / size_m)
    transform = Affine(size_m, 0, EAST - side_m / 2, 0, -size_m, NORTH + side_m / 2)
    row, column = np.mgrid[0:count, 0:count] + 0.5
    x, y = transform @ np.stack([column.ravel(), row.ravel()])
    return (count, count), transform, x.reshape(count, count) - EAST, y.reshape(count, count) - NORTH


def half_plane(size_m, ocean_deg, *, beyond_m=700.0):
    """A scene that is ocean where it lies further than that towards an azimuth, blurred over one pixel."""
    shape, transform, x, y = place(size_m)
    along = x * math.sin(math.radians(ocean_deg)) + y * math.cos(math.radians(ocean_deg))
    image = np.clip((along - beyond_m) / size_m + 0.5, 0, 1).astype(np.float32) * 100
    return image, transform, shape


def scene_of(image, transform, crs=UTM, line=None):
    read = lambda row, column, height, width: image[None, row : row + height, column : column + width]  # noqa: E731
    return FramedScene(read=read, shape=image.shape, transform=transform, crs=crs, line=line)


@pytest.mark.parametrize("ocean_deg", [0.0, 20.0, 45.0, 337.0])
def test_the_front_ends_where_the_scene_does(ocean_deg):
    image, transform, shape = half_plane(30, ocean_deg)
    image[:, :20] = np.nan
    made = predict_scene(scene_of(image, transform), run=brightness, spec=SPEC, ocean_deg=ocean_deg)
    front = shapely.transform(made.front_in(transform), lambda xy: np.column_stack(~transform @ xy.T))
    assert shapely.box(20 - 1.5, -1.5, shape[1] + 1.5, shape[0] + 1.5).contains(front)
    # It is as long as the line across the part that was observed.
    assert front.length > 0.9 * (shape[1] - 20)


@pytest.mark.parametrize("size_m", [10, 30, 60])
@pytest.mark.parametrize("ocean_deg", [0.0, 37.0, 90.0, 200.0, 345.0])
def test_the_front_comes_back_below_the_pixel(size_m, ocean_deg):
    image, transform, _ = half_plane(size_m, ocean_deg)
    made = predict_scene(scene_of(image, transform), run=brightness, spec=SPEC, ocean_deg=ocean_deg)
    assert made.framing.pixel_m == pytest.approx(LANDSAT_FRONTS.pixel_m)
    x, y = shapely.get_coordinates(made.front_in(transform)).T
    angle = math.radians(ocean_deg)
    along = (x - EAST) * math.sin(angle) + (y - NORTH) * math.cos(angle)
    # The grid's north is true north here to within a hundredth of a degree.
    assert np.abs(np.median(along) - 700.0) < 16, "a third of a pixel of the model"


def test_the_mask_on_the_scenes_own_grid_has_the_front_where_the_scene_has_it():
    image, transform, shape = half_plane(30, 37.0)
    scene = scene_of(image, transform)
    made = predict_scene(scene, run=brightness, spec=SPEC, ocean_deg=37.0)
    zones = made.zones_on(scene, SPEC)
    assert zones.shape == shape
    assert (zones != 0).mean() > 0.999
    wrong = (zones == 254) != (image > 50)
    assert wrong.mean() < 0.004, "at most a pixel along a front of 300 in 90,000"
    probability = made.probability_on(scene)
    assert np.isfinite(probability).all()
    np.testing.assert_allclose(probability.sum(axis=0), 1, atol=1e-5)


def test_a_scene_in_degrees_is_taken_with_the_pixels_it_has_on_the_ground():
    crs = pyproj.CRS.from_epsg(4326)
    transform = Affine(0.0006, 0, -50.0, 0, -0.0003, 69.0)
    east, north = ground_of(transform, crs, column=100, row=100)
    assert (east[0], north[1]) == pytest.approx((24.0, -33.5), abs=0.2)
    shape = (200, 300)
    row, column = np.mgrid[0:200, 0:300] + 0.5
    x, y = (column - 150) * east[0], (row - 100) * north[1]
    angle = math.radians(60.0)
    image = (100 * np.clip((x * math.sin(angle) + y * math.cos(angle)) / 30 + 0.5, 0, 1)).astype(np.float32)
    made = predict_scene(scene_of(image, transform, crs), run=brightness, spec=SPEC, ocean_deg=60.0)
    pixels = shapely.transform(made.front_in(transform), lambda xy: np.column_stack(~transform @ xy.T))
    c, r = shapely.get_coordinates(pixels).T
    across = (c - 150) * east[0] * math.sin(angle) + (r - 100) * north[1] * math.cos(angle)
    assert np.median(np.abs(across)) < 10
    assert made.zones_on(scene_of(image, transform, crs), SPEC).shape == shape


def test_an_upright_scene_of_the_models_own_pixels_is_left_as_it_is():
    image, transform, _ = half_plane(49, 0.0)
    scene = scene_of(image, transform, crs=None)
    made = predict_scene(scene, run=brightness, spec=SPEC, ocean_deg=0.0)
    assert made.framing.is_identity
    np.testing.assert_array_equal(made.zones_on(scene, SPEC), made.zones)


@pytest.mark.parametrize("ocean_deg", [0.0, 180.0, 270.0])
def test_the_ocean_is_found_where_the_model_is_surest(ocean_deg):
    scenes = [scene_of(*half_plane(60, ocean_deg, beyond_m=beyond)[:2]) for beyond in (400.0, 900.0)]
    found = find_ocean(scenes, run=brightness, spec=SPEC)
    assert abs((found.ocean_deg - ocean_deg + 180) % 360 - 180) <= 15
    assert found.is_sure


def test_a_scene_that_is_the_same_all_around_is_not_sure():
    shape, transform, x, y = place(60)
    image = (100 * (np.hypot(x, y) > 2_000)).astype(np.float32)
    assert not find_ocean([scene_of(image, transform)], run=brightness, spec=SPEC).is_sure
    assert image.shape == shape


def test_along_a_centreline_a_long_scene_is_looked_at_around_its_front():
    shape, size_m = (1200, 300), 49.0
    transform = Affine(size_m, 0, EAST, 0, -size_m, NORTH)
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]]
    image = np.where(row < 300, 100, 0).astype(np.float32) + 0 * column
    line = shapely.LineString([transform @ (150, 1190), transform @ (150, 10)])
    made = predict_scene(scene_of(image, transform, line=line), run=brightness, spec=SPEC)
    assert made.framing.shape == (300, 200)
    front = shapely.get_coordinates(made.front_in(Affine.identity()) if made.rows is not None else None)
    assert np.abs(front[:, 1] - 300).max() < 1


def test_a_much_larger_scene_without_a_centreline_is_refused():
    image = np.zeros((900, 900), np.float32)
    image[:450] = 100
    scene = scene_of(image, Affine(49, 0, EAST, 0, -49, NORTH))
    with pytest.raises(InputError, match=r"44 x 44 km.*--centreline FILE, or cut it out"):
        predict_scene(scene, run=brightness, spec=SPEC, ocean_deg=0.0)


def test_what_was_not_observed_stays_so_on_both_grids():
    image, transform, _ = half_plane(30, 90.0)
    image[:, :40] = np.nan
    scene = scene_of(image, transform)
    made = predict_scene(scene, run=brightness, spec=SPEC, ocean_deg=90.0)
    zones = made.zones_on(scene, SPEC)
    assert (zones[:, :40] == 0).all()
    assert (zones[:, 42:] != 0).all()


def test_a_fine_scene_is_averaged_and_not_sampled():
    rng = np.random.default_rng(0)
    noisy = rng.normal(0, 1, (500, 500)).astype(np.float32)
    framing = frame_scene(
        Frame(up="ocean", pixel_m=50.0), ground=np.diag([10.0, -10.0]), ocean_deg=0.0,
        shown=np.array([[0.0, 0.0], [500.0, 500.0]]),
    )  # fmt: skip
    read = lambda row, column, height, width: noisy[None, row : row + height, column : column + width]  # noqa: E731
    made = read_framed(read, framing, scene_shape=noisy.shape)
    assert made.shape == (1, 100, 100)
    assert made.std() < 0.3, "a mean of 25 has a fifth of the spread"


def test_edges_of_which_most_is_unobserved_are_left_out_and_margins_continued():
    image = np.ones((1, 40, 40), np.float32)
    image[0, -1] = np.nan
    framing = frame_scene(Frame(), ground=np.diag([1.0, -1.0]), ocean_deg=0.0, shown=np.array([[0, 0], [40, 40]]))
    cut, moved = trimmed(image, framing)
    assert (cut.shape, moved.shape) == ((1, 39, 40), (39, 40))
    corner = np.full((1, 30, 30), np.nan, np.float32)
    corner[0, 20:, 20:] = 5
    filled = with_margin(corner)
    assert filled[0, 15, 25] == 5
    assert np.isnan(filled[0, 5, 5])


def test_layers_come_back_where_they_were():
    framing = frame_scene(
        Frame(up="ocean", pixel_m=1.0), ground=np.diag([1.0, -1.0]), ocean_deg=90.0,
        shown=np.array([[0, 0], [20, 30]]),
    )  # fmt: skip
    assert framing.shape == (20, 30)
    field = np.arange(600, dtype=np.float32).reshape(1, 20, 30)
    back = to_scene(field, framing, scene_shape=(30, 20), order=0)
    np.testing.assert_array_equal(back[0], np.rot90(field[0], -1))


@pytest.mark.parametrize("text", ["seawards", "nan", "", "45-50", "1e-", "4-5"])
def test_what_is_no_direction_is_refused(text):
    with pytest.raises(UsageError, match=r"--ocean '.*': north, east, south, west"):
        parse_ocean(text)


def test_scenes_of_one_place_agree_on_a_direction():
    one, two = {0.0: 0.10, 90.0: 0.09, 180.0: 0.4}, {0.0: 0.1, 90.0: 0.3, 180.0: 0.4}
    assert best_of([one]).ocean_deg == 90.0
    assert best_of([one, two]).ocean_deg == 0.0


@pytest.mark.parametrize("told_deg", [250.0, 290.0])
def test_an_ocean_that_was_told_where_it_is_is_not_doubted(told_deg):
    scenes = [scene_of(*half_plane(60, 270.0, beyond_m=beyond)[:2]) for beyond in (400.0, 900.0)]
    assert check_side(scenes, run=brightness, spec=SPEC, ocean_deg=told_deg) == ""


@pytest.mark.parametrize("told_deg", [0.0, 90.0, 180.0])
def test_an_ocean_that_was_told_on_another_side_is_found_out(told_deg):
    scenes = [scene_of(*half_plane(60, 270.0, beyond_m=beyond)[:2]) for beyond in (400.0, 900.0)]
    said = check_side(scenes, run=brightness, spec=SPEC, ocean_deg=told_deg)
    assert said.startswith(
        f"the ocean seems to lie towards 270 degrees from north, not {told_deg:.0f}: there the model"
    )


def test_so_is_a_centreline_that_runs_inland_and_an_image_that_is_upside_down():
    image, transform, _ = half_plane(60, 270.0)
    seaward = shapely.LineString([(EAST + 4_000, NORTH), (EAST - 4_000, NORTH)])
    for line, is_wrong in ((seaward, False), (seaward.reverse(), True)):
        assert bool(check_side([scene_of(image, transform, line=line)], run=brightness, spec=SPEC)) == is_wrong
    for ocean_deg, is_wrong in ((0.0, False), (180.0, True)):
        scene = scene_of(*half_plane(60, ocean_deg)[:2], crs=None)
        said = check_side([scene], run=brightness, spec=SPEC)
        assert ("180 degrees from the top of the image" in said) == is_wrong


def test_scenes_that_cannot_be_looked_at_say_nothing_of_the_side():
    empty = scene_of(np.full((200, 200), np.nan, np.float32), half_plane(60, 0.0)[1])
    assert check_side([empty], run=brightness, spec=SPEC, ocean_deg=0.0) == ""
    assert check_side([], run=brightness, spec=SPEC, ocean_deg=0.0) == ""


@pytest.mark.parametrize(("doubt", "told"), [(0.3, "6 of 6"), (0.5, "6 of 6"), (0.51, "17 of 19"), (1.0, "4 of 11")])
def test_how_often_a_direction_with_such_a_doubt_was_right_is_told(doubt, told):
    right, count = told.split(" of ")
    said = Found(ocean_deg=0.0, doubt=doubt).chance
    assert (
        said == f"of {count} single images with such a doubt, of glaciers not seen in training, it was right in {right}"
    )


def test_the_chances_told_are_those_that_were_measured():
    rows = pd.read_csv(Path(__file__).parents[2] / "scripts" / "results" / "ocean_auto.csv")
    low, counted = 0.0, []
    for high, _, _ in CHANCES:
        here = rows[(rows["doubt"] > low) & (rows["doubt"] <= high)]
        counted.append((high, int((here["off_deg"].abs() < 45).sum()), len(here)))
        low = high
    assert tuple(counted) == CHANCES


@pytest.mark.parametrize("turn_deg", [0, 17, 90, 200])
@pytest.mark.parametrize("scale", [1.0, 2.3, 4.9])
def test_a_framed_pixel_is_the_mean_of_what_was_observed_at_its_samples(
    turn_deg: float, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scipy import ndimage

    from glaciertime.segment.predict import framing as module

    monkeypatch.setattr(module, "_STRIP_PX", 700)  # several strips
    rng = np.random.default_rng(3)
    pixels = rng.normal(100, 20, (2, 60, 70)).astype(np.float32)
    pixels[1, rng.random((60, 70)) < 0.2] = np.nan
    turned = Affine.translation(31, 27) @ Affine.rotation(turn_deg) @ Affine.scale(scale) @ Affine.translation(-9, -8)
    laid = module.Framing(turned, (16, 18), 30.0, 0.0)
    made = read_framed(lambda r, c, h, w: pixels[:, r : r + h, c : c + w], laid, scene_shape=(60, 70))
    fine = max(1, int(np.ceil(scale - 0.2)))
    steps = (np.arange(fine) + 0.5) / fine
    for band, layer in zip(pixels, made, strict=True):
        for row, column in ((0, 0), (3, 5), (8, 9), (15, 17)):
            x, y = turned @ tuple(np.array([(column + right, row + down) for down in steps for right in steps]).T)
            inside = (x >= 0) & (x <= 70) & (y >= 0) & (y <= 60)
            known, filled = np.isfinite(band).astype(float), np.nan_to_num(band).astype(float)
            at = np.stack([y - 0.5, x - 0.5])
            weight = inside * ndimage.map_coordinates(known, at, order=1, mode="nearest")
            total = inside * ndimage.map_coordinates(filled, at, order=1, mode="nearest")
            expected = total.sum() / weight.sum() if weight.sum() >= 0.5 * fine**2 else np.nan
            assert layer[row, column] == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_directions_tried_two_at_a_time_are_the_same() -> None:
    both = threading.Barrier(2)

    def doubt_at(angle: float) -> float:
        both.wait(30)  # breaks where the other is not tried meanwhile
        return abs((angle - 98 + 180) % 360 - 180)

    alone = search(lambda angle: abs((angle - 98 + 180) % 360 - 180), first_deg=7)
    together = search(doubt_at, first_deg=7, at_once=2)
    assert list(together.items()) == list(alone.items())


def a_scene(reads: list[tuple[int, ...]]) -> FramedScene:
    def read(row: int, column: int, height: int, width: int) -> np.ndarray:
        reads.append((row, column, height, width))
        return np.full((1, height, width), 90, np.float32)

    return FramedScene(read=read, shape=(64, 64), transform=Affine(100, 0, 0, 0, -100, 0), crs=None)


def test_a_small_scene_is_read_once_in_however_many_directions_it_is_tried() -> None:
    reads: list[tuple[int, ...]] = []
    assert len(directions(a_scene(reads), run=brightness, spec=SPEC)) == 16
    assert reads == [(0, 0, 64, 64)]
    predict_scene(a_scene(reads), run=brightness, spec=SPEC)
    assert reads == [(0, 0, 64, 64)] * 2
    check_side([a_scene(reads)], run=brightness, spec=SPEC)
    assert reads == [(0, 0, 64, 64)] * 3


@pytest.mark.parametrize(("threads", "at_once"), [(0, 2), (1, 1), (4, 2)])
def test_no_more_directions_are_tried_at_a_time_than_threads_were_given(threads: int, at_once: int) -> None:
    lock, running, most = threading.Lock(), 0, 0

    def run(batch: np.ndarray) -> np.ndarray:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return brightness(batch)

    predict_scene(a_scene([]), run=run, spec=SPEC, threads=threads)
    assert most == at_once
