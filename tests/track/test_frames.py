"""The same ice on other grids, in other coordinate systems and in mixtures of them: the same areas and changes."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyproj
import pytest
from affine import Affine
from rasterio.transform import array_bounds
from rasterio.warp import calculate_default_transform

from glaciertime.catalog import Glacier, Line, Region
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK, Acquisition, MaskScene
from glaciertime.track import TrackSettings, track_scenes
from glaciertime.units import resolution_m

UTM = pyproj.CRS.from_epsg(32633)
GRID = Affine(40, 0, 480_000, 0, -40, 8_600_000)
SIZE = (150, 300)
FRONTS = {2001: 200, 2002: 190, 2003: 180}
TOY = Glacier(
    name="O", crs="EPSG:32633", box=(481_000, 8_594_500, 491_000, 8_599_500),
    fjord=Region(
        drawn_by="x",
        coordinates=[(481_000, 8_594_400), (491_500, 8_594_400), (491_500, 8_599_600), (481_000, 8_599_600)],
    ),
    centreline=Line(drawn_by="x", coordinates=[(480_100, 8_597_000), (491_900, 8_597_000)]),
)  # fmt: skip


def zones_at(year: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Zones at map coordinates of EPSG:32633: a front that bends, so that it does not run along the pixels."""
    front = 480_000 + 40 * FRONTS[year] + 320 * np.sin((8_600_000 - y) / 700) + 0.05 * (y - 8_597_000)
    zones = np.where(x < front, np.uint8(GLACIER), np.uint8(OCEAN))
    zones[np.abs(y - 8_597_000) > 2_200] = ROCK
    outside = (x < 480_000) | (x > 492_000) | (y < 8_594_000) | (y > 8_600_000)
    zones[outside] = NO_DATA
    return zones


def ice(year: int) -> np.ndarray:
    column, row = np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5)
    return zones_at(year, *(GRID @ (column, row)))


def scene(year: int, zones: np.ndarray, transform: Affine, crs: pyproj.CRS = UTM) -> MaskScene:
    acquisition = Acquisition(
        glacier="O", date=dt.date(year, 7, 1), dataset="d", image_id=str(year), source="observed", input="x", crs=crs,
        resolution_m=resolution_m(transform, shape=zones.shape, crs=crs),
    )  # fmt: skip
    return MaskScene(acquisition=acquisition, shape=zones.shape, transform=transform, read=lambda: zones)


def plain(year: int) -> MaskScene:
    return scene(year, ice(year), GRID)


def south_up(year: int) -> MaskScene:
    return scene(year, ice(year)[::-1].copy(), GRID @ Affine(1, 0, 0, 0, -1, SIZE[0]))


def mirrored(year: int) -> MaskScene:
    return scene(year, ice(year)[:, ::-1].copy(), GRID @ Affine(-1, 0, SIZE[1], 0, 1, 0))


def turned(year: int) -> MaskScene:
    return scene(year, np.rot90(ice(year)).copy(), GRID @ Affine(0, -1, SIZE[1], 1, 0, 0))


def feet(year: int) -> MaskScene:
    unit = 3937 / 1200
    return scene(year, ice(year), Affine.scale(unit) @ GRID, pyproj.CRS("+proj=utm +zone=33 +datum=WGS84 +units=us-ft"))


def drawn(year: int, crs: pyproj.CRS, resolution: tuple[float, float]) -> MaskScene:
    """The same ice drawn on a grid of its own."""
    transform, width, height = calculate_default_transform(
        UTM.to_wkt(), crs.to_wkt(), SIZE[1], SIZE[0], *array_bounds(*SIZE, GRID), resolution=resolution
    )
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = pyproj.Transformer.from_crs(crs, UTM, always_xy=True).transform(*(transform @ (column, row)))
    return scene(year, zones_at(year, x, y), transform, crs)


def finer(year: int) -> MaskScene:
    return drawn(year, UTM, (17.0, 17.0))


def degrees(year: int) -> MaskScene:
    return drawn(year, pyproj.CRS.from_epsg(4326), (0.0008, 0.0002))


def polar(year: int) -> MaskScene:
    return drawn(year, pyproj.CRS.from_epsg(3413), (20.0, 20.0))


def mercator(year: int) -> MaskScene:
    return drawn(year, pyproj.CRS.from_epsg(3857), (90.0, 90.0))


METHODS = ("centreline", "area-change", "curvilinear-box")


def measured(scenes: list[MaskScene]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return values and sigmas by what was measured."""
    rows = track_scenes(scenes, glacier=TOY, settings=TrackSettings(methods=METHODS, screening=None)).observations
    rows = rows.sort_values("date")
    picked = {
        "box": rows.query("variable == 'area_km2' and footprint == 'box'"),
        "fjord": rows.query("variable == 'area_km2' and footprint == 'fjord'"),
        **{method: rows.query("method == @method") for method in METHODS},
    }
    return {name: (each.value.to_numpy(), each.sigma.to_numpy()) for name, each in picked.items()}


Found = dict[str, tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def expected() -> Found:
    return measured([plain(year) for year in FRONTS])


@pytest.mark.parametrize("frame", [south_up, mirrored, turned, feet], ids=lambda frame: frame.__name__)
def test_the_same_pixels_give_the_same_numbers(frame, expected: Found) -> None:
    found = measured([frame(year) for year in FRONTS])
    for name in ("box", "fjord"):
        np.testing.assert_allclose(found[name][0], expected[name][0], rtol=1e-5)
    for name in METHODS:
        np.testing.assert_allclose(found[name][0], expected[name][0], atol=0.5)


FRAMES = [(finer,) * 3, (degrees,) * 3, (polar,) * 3, (mercator,) * 3, (plain, degrees, feet), (polar, plain, south_up),
          (mercator, finer, polar), (turned, mirrored, degrees)]  # fmt: skip


@pytest.mark.parametrize("frames", FRAMES, ids=lambda frames: "-".join(frame.__name__ for frame in frames))
def test_grids_and_mixtures_of_them_give_the_same_within_their_sigma(frames, expected: Found) -> None:
    found = measured([frame(year) for frame, year in zip(frames, FRONTS, strict=True)])
    for name in ("box", "fjord"):
        np.testing.assert_allclose(found[name][0], expected[name][0], rtol=1e-3)
    errors = []
    for name in METHODS:
        (values, sigmas), (right, of_right) = found[name], expected[name]
        spread = np.sqrt(sigmas[1:] ** 2 + sigmas[:-1] ** 2 + of_right[1:] ** 2 + of_right[:-1] ** 2)
        errors.append((np.diff(values) - np.diff(right)) / spread)
    assert np.abs(errors).max() <= 3
    assert np.sqrt(np.mean(np.square(errors))) <= 1.5
