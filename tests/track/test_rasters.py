"""Runs, components, traced lines and areas of rasters against plain reference implementations."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.features import rasterize
from scipy import ndimage

from glaciertime.catalog import load_catalog
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK, MaskScene, OutlineScene
from glaciertime.scenes.vectors import outline_scenes
from glaciertime.track import retreat_table, track_scenes
from glaciertime.track.scene.components import clean_zones
from glaciertime.track.scene.rasterarea import zone_areas_km2
from glaciertime.track.scene.runs import encode
from glaciertime.track.scene.tracing import front_lines
from glaciertime.units import mask_area_km2

EIGHT = np.ones((3, 3), dtype=bool)
ZONES = st.sampled_from([NO_DATA, ROCK, GLACIER, OCEAN])
rasters = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24), elements=ZONES)


def reference_cleaning(zones):
    """The two steps as the CaFFe reference does them, with scipy."""
    out = zones.copy()
    for chosen, becomes in ((lambda z: z != OCEAN, OCEAN), (lambda z: z == OCEAN, GLACIER)):
        labels, count = ndimage.label(chosen(out), structure=EIGHT)
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        if count > 1:
            out[(labels > 0) & (labels != sizes.argmax())] = becomes
    return out


@settings(max_examples=200, deadline=None)
@given(rasters)
def test_runs_give_the_raster_back(zones):
    np.testing.assert_array_equal(encode(zones).decode(), zones)


@settings(max_examples=300, deadline=None)
@given(rasters)
def test_cleaning_is_that_of_the_reference(zones):
    np.testing.assert_array_equal(clean_zones(zones), reference_cleaning(zones))


def front_edges(zones) -> set[tuple[float, float]]:
    """Middles of all edges between an ocean and a glacier pixel."""
    pairs = lambda a, b: ((a == OCEAN) & (b == GLACIER)) | ((a == GLACIER) & (b == OCEAN))  # noqa: E731
    rows, columns = np.nonzero(pairs(zones[:, :-1], zones[:, 1:]))
    found = {(column + 1.0, row + 0.5) for row, column in zip(rows, columns, strict=True)}
    rows, columns = np.nonzero(pairs(zones[:-1], zones[1:]))
    return found | {(column + 0.5, row + 1.0) for row, column in zip(rows, columns, strict=True)}


@settings(max_examples=300, deadline=None)
@given(rasters)
def test_traced_lines_visit_each_edge_of_the_front_once(zones):
    visited = []
    for line in front_lines(zones):
        closed = len(line) > 2 and (line[0] == line[-1]).all()
        visited += [tuple(vertex) for vertex in (line[:-1] if closed else line)]
        assert np.hypot(*np.diff(line, axis=0).T).max() <= 1.0
    assert len(visited) == len(set(visited))
    assert set(visited) <= front_edges(zones)
    # What is left out are edges that touch no other edge of the front.
    for x, y in front_edges(zones) - set(visited):
        near = [(a, b) for a, b in visited if np.hypot(a - x, b - y) < 0.75]
        assert len(near) in (0, 2, 3, 4)


def test_front_of_a_straight_edge_lies_on_the_edge():
    zones = np.full((40, 60), OCEAN, dtype=np.uint8)
    zones[:, :25] = GLACIER
    (line,) = front_lines(zones)
    assert (line[:, 0] == 25).all()
    assert sorted(line[:, 1]) == [row + 0.5 for row in range(40)]


def test_front_does_not_follow_rock_or_missing_data():
    zones = np.full((40, 60), OCEAN, dtype=np.uint8)
    zones[:, :25] = GLACIER
    zones[:10, :25] = ROCK
    zones[30:, :25] = NO_DATA
    (line,) = front_lines(zones)
    assert sorted(line[:, 1]) == [row + 0.5 for row in range(10, 30)]


def test_whole_raster_has_the_area_of_its_pixels():
    rng = np.random.default_rng(3)
    zones = rng.choice(np.array([ROCK, GLACIER, OCEAN], np.uint8), size=(150, 170))
    transform = Affine(90, 20, -2_415_000, 15, -95, 1_275_000)
    crs = pyproj.CRS.from_epsg(3031)
    areas = zone_areas_km2(encode(zones), None, transform=transform, crs=crs)
    for zone in (ROCK, GLACIER, OCEAN):
        assert areas[zone] == pytest.approx(mask_area_km2(zones == zone, transform=transform, crs=crs), rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-2, 22), st.floats(-2, 17)), min_size=3, max_size=9))
def test_area_inside_a_polygon_is_that_of_the_intersection(corners):
    polygon = shapely.convex_hull(shapely.MultiPoint(corners))
    if polygon.geom_type != "Polygon":
        return
    zones = np.full((15, 20), GLACIER, dtype=np.uint8)
    areas = zone_areas_km2(encode(zones), polygon, transform=Affine(1, 0, 0, 0, -1, 15), crs=None)
    exact = polygon.intersection(shapely.box(0, 0, 20, 15)).area / 1e6
    assert areas[GLACIER] == pytest.approx(exact, abs=1e-15)


def test_areas_add_up_over_a_mosaic():
    rng = np.random.default_rng(5)
    zones = rng.choice(np.array([GLACIER, OCEAN], np.uint8), size=(60, 60))
    transform = Affine(30, 0, 500_000, 0, -30, 7_000_000)
    crs = pyproj.CRS.from_epsg(32622)
    whole = zone_areas_km2(encode(zones), None, transform=transform, crs=crs)[GLACIER]
    tiles = sum(
        zone_areas_km2(
            encode(zones[row : row + 20, column : column + 30]), None,
            transform=Affine(30, 0, 500_000 + 30 * column, 0, -30, 7_000_000 - 30 * row), crs=crs,
        )[GLACIER]
        for row in range(0, 60, 20)
        for column in range(0, 60, 30)
    )  # fmt: skip
    assert tiles == pytest.approx(whole, rel=1e-7)


@pytest.mark.parametrize("flip", [(slice(None), slice(None, None, -1)), (slice(None, None, -1), slice(None))])
def test_flips_change_no_area_and_no_front(flip):
    rng = np.random.default_rng(8)
    field = ndimage.gaussian_filter(rng.normal(size=(80, 90)), 6) + np.linspace(0.15, -0.15, 90)
    zones = np.where(field > 0, GLACIER, OCEAN).astype(np.uint8)
    assert (encode(zones).values == GLACIER).any()
    plain = sorted(len(line) for line in front_lines(clean_zones(zones)))
    assert sorted(len(line) for line in front_lines(clean_zones(zones[flip]))) == plain


def crane_masks(scenes, resolution: float):
    for scene in scenes:
        x_min, _, _, y_max = scene.box.bounds
        # A margin of half a pixel more than whole pixels: the box does not fall on the grid.
        transform = Affine(resolution, 0, x_min - 310, 0, -resolution, y_max + 295)
        shape = (int(28_600 / resolution), int(28_600 / resolution))
        zones = np.where(rasterize([scene.ice], out_shape=shape, transform=transform) == 1, GLACIER, OCEAN)
        yield MaskScene(
            acquisition=scene.acquisition, shape=shape, transform=transform, box=scene.box,
            read=lambda zones=zones: zones.astype(np.uint8),
        )  # fmt: skip


def test_crane_through_masks_of_30_m(shared_data):
    glacier = load_catalog().glacier("Crane")
    source = glacier.sources[0]
    scenes = [
        scene
        for scene in outline_scenes(shared_data / source.path, glacier=glacier, source=source)
        if isinstance(scene, OutlineScene) and scene.acquisition.date.isoformat() in ("2002-03-15", "2010-03-15")
    ]
    by_masks = track_scenes(crane_masks(scenes, 30.0), glacier=glacier)
    row = retreat_table(by_masks.observations).iloc[0]
    assert row.start_area_km2 == pytest.approx(654.09, rel=3e-3)
    assert row.end_area_km2 == pytest.approx(622.97, rel=3e-3)
    assert row.loss_percent == pytest.approx(4.76, abs=0.01)
    by_outlines = track_scenes(scenes, glacier=glacier)
    positions = [
        tracked.observations.query("variable == 'front_position_m' and method == 'centreline'").value.to_numpy()
        for tracked in (by_masks, by_outlines)
    ]
    np.testing.assert_allclose(positions[0], positions[1], atol=30)
