"""Conversions against closed forms."""

from __future__ import annotations

import datetime as dt

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from glaciertime.errors import InputError
from glaciertime.units import (
    as_date,
    decimal_year,
    mask_area_km2,
    pixel_area_m2,
    polygon_area_km2,
    resolution_m,
    true_plane,
    years_between,
)


def cap_area_km2(latitude: float) -> float:
    """The area of the ellipsoid poleward of a latitude, in closed form (Snyder 1987, eq. 3-12)."""
    a, f = 6378.137, 1 / 298.257223563
    e = np.sqrt(f * (2 - f))

    def q(phi: float) -> float:
        s = np.sin(phi)
        return (1 - e**2) * (s / (1 - e**2 * s**2) - np.log((1 - e * s) / (1 + e * s)) / (2 * e))

    return float(np.pi * a**2 * (q(np.pi / 2) - q(np.deg2rad(latitude))))


@pytest.mark.parametrize("crs", ["EPSG:3031", "EPSG:3413"])
def test_a_polar_cap_has_its_closed_form_area(crs: str) -> None:
    # In a polar stereographic plane a cap about the pole is a disc, whose plane area is not the true one.
    latitude = 80.0
    sign = -1 if crs == "EPSG:3031" else 1
    transformer = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    radius = np.hypot(*transformer.transform(0.0, sign * latitude))
    disc = shapely.Point(0, 0).buffer(radius, quad_segs=2000)
    assert polygon_area_km2(disc, crs=crs) == pytest.approx(cap_area_km2(latitude), rel=1e-6)
    assert abs(disc.area / 1e6 / cap_area_km2(latitude) - 1) > 0.02


def test_the_true_area_does_not_depend_on_the_projection() -> None:
    box = shapely.box(-2_422_000, 1_250_000, -2_394_000, 1_278_000)
    there = polygon_area_km2(box, crs="EPSG:3031")
    dense = gpd.GeoSeries([shapely.segmentize(box, 200)], crs="EPSG:3031")
    for crs in ("EPSG:4326", "EPSG:32720", "EPSG:6932"):
        assert polygon_area_km2(dense.to_crs(crs).iloc[0], crs=crs) == pytest.approx(there, rel=1e-6)


def test_a_mask_has_the_area_of_its_polygon() -> None:
    transform = Affine(30, 0, -2_422_000, 0, -30, 1_278_000)
    mask = np.zeros((700, 900), dtype=bool)
    mask[100:650, 200:777] = True
    polygon = shapely.box(*(transform @ (200, 650)), *(transform @ (777, 100)))
    assert mask_area_km2(mask, transform=transform, crs="EPSG:3031") == pytest.approx(
        polygon_area_km2(polygon, crs="EPSG:3031"), rel=1e-7
    )


def test_a_mask_in_degrees_has_the_area_of_its_polygon() -> None:
    transform = Affine(0.01, 0, -70.9, 0, -0.01, -13.83)
    mask = np.zeros((40, 50), dtype=bool)
    mask[5:33, 7:41] = True
    polygon = shapely.box(*(transform @ (7, 33)), *(transform @ (41, 5)))
    assert mask_area_km2(mask, transform=transform, crs="EPSG:4326") == pytest.approx(
        polygon_area_km2(polygon, crs="EPSG:4326"), rel=1e-5
    )


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 40))
def test_areas_add_up_over_a_mosaic(seed: int, row: int, column: int) -> None:
    mask = np.random.default_rng(seed).random((41, 41)) < 0.5
    transform = Affine(240, 0, -2_400_000, 0, -240, 1_260_000)
    whole = mask_area_km2(mask, transform=transform, crs="EPSG:3031")
    parts = sum(
        mask_area_km2(mask[rows, columns], transform=transform @ Affine.translation(x, y), crs="EPSG:3031")
        for rows, y in ((slice(0, row), 0), (slice(row, None), row))
        for columns, x in ((slice(0, column), 0), (slice(column, None), column))
    )
    assert parts == pytest.approx(whole, rel=1e-6)


def test_a_local_frame_has_plane_areas() -> None:
    assert mask_area_km2(np.ones((10, 10), dtype=bool), transform=Affine.scale(20, -20), crs=None) == 0.04
    assert polygon_area_km2(shapely.box(0, 0, 200, 200), crs=None) == 0.04


def test_the_true_pixel_is_smaller_than_the_map_pixel_off_the_standard_parallel() -> None:
    there = resolution_m(Affine(30, 0, -2_422_000, 0, -30, 1_278_000), shape=(900, 900), crs="EPSG:3031")
    assert there == pytest.approx(29.43, abs=0.02)


def test_leap_years_count() -> None:
    assert decimal_year("2004-07-01") == pytest.approx(2004 + 182 / 366)
    assert decimal_year("2003-07-01") == pytest.approx(2003 + 181 / 365)
    assert years_between("2003-01-01", "2004-01-01") == pytest.approx(365 / 365.25)


@given(st.dates(dt.date(1850, 1, 1), dt.date(2100, 1, 1)))
def test_decimal_years_keep_the_order_of_days(day: dt.date) -> None:
    assert decimal_year(day) < decimal_year(day + dt.timedelta(days=1))


def test_a_time_zone_is_brought_to_utc() -> None:
    assert as_date("2002-03-15T23:30:00-05:00") == dt.date(2002, 3, 16)


def test_what_is_no_date_is_named() -> None:
    with pytest.raises(InputError, match="'soon' is not a date; give it as YYYY-MM-DD"):
        as_date("soon")


def test_coordinates_outside_the_projection_are_refused() -> None:
    with pytest.raises(InputError, match="do not lie in the domain"):
        polygon_area_km2(shapely.box(1e12, 1e12, 1e12 + 1, 1e12 + 1), crs="EPSG:32645")


@pytest.mark.parametrize(
    ("crs", "start", "end"),
    [
        ("EPSG:3031", (-2_400_000, 1_250_000), (-2_320_000, 1_290_000)),
        ("EPSG:3413", (-200_000, -2_273_000), (-180_000, -2_273_000)),
        ("EPSG:32633", (480_000, 8_600_000), (492_000, 8_594_000)),
        ("EPSG:4326", (179.5, -77.5), (180.5, -77.3)),
        ("EPSG:3995", (1_000, -2_000), (60_000, 9_000)),
    ],
)
def test_a_line_has_its_length_on_the_ellipsoid(crs: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    line = shapely.segmentize(shapely.LineString([start, end]), 0.001 if crs == "EPSG:4326" else 100.0)
    degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    geodesic = pyproj.Geod(ellps="WGS84").line_length(*degrees.transform(*shapely.get_coordinates(line).T))
    plane = true_plane(line, crs=crs)
    there = pyproj.Transformer.from_crs(crs, plane, always_xy=True)
    length = shapely.transform(line, lambda xy: np.column_stack(there.transform(*xy.T))).length
    assert length == pytest.approx(geodesic, rel=2e-5)


def test_a_local_frame_has_true_metres() -> None:
    assert true_plane(shapely.Point(0, 0), crs=None) is None


def test_coordinates_outside_a_map_have_no_true_plane() -> None:
    with pytest.raises(InputError, match="do not lie in the domain"):
        true_plane(shapely.Point(9e9, 9e9), crs="EPSG:32633")


def test_the_size_of_a_pixel_is_that_at_the_middle_of_its_raster() -> None:
    transform = Affine(1000.0, 0.0, -1_000_000.0, 0.0, -1000.0, -1_000_000.0)
    corner, middle = (np.sqrt(pixel_area_m2([k], [k], transform=transform, crs="EPSG:3413")[0]) for k in (0, 500))
    got = resolution_m(transform, shape=(1001, 1001), crs="EPSG:3413")
    assert got == pytest.approx(middle, rel=1e-9)
    assert abs(corner / middle - 1) > 1e-3


def test_areas_on_a_national_datum_are_those_on_wgs84() -> None:
    geod = pyproj.Geod(ellps="WGS84")
    for crs, x, y in (("EPSG:27700", 300_000, 700_000), ("EPSG:21781", 600_000, 150_000)):
        square = shapely.box(x, y, x + 3000, y + 3000)
        to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        ring = shapely.get_coordinates(shapely.segmentize(square, 50))
        right, _ = geod.polygon_area_perimeter(*to_degrees.transform(*ring.T))
        assert polygon_area_km2(square, crs=crs) == pytest.approx(abs(right) / 1e6, rel=2e-5)


def test_an_outline_in_degrees_around_a_pole_has_its_area() -> None:
    """The edge of its ring from 179 to -179 degrees was taken for one around the Earth: half of the area."""
    ring = [(longitude, 89.9) for longitude in (0, 60, 120, 179, -179, -120, -60)]
    crossing = [(longitude, 89.9) for longitude in (0, 60, 120, 180, -180, -120, -60)]
    true = np.pi * 11.169**2
    for outline in (ring, crossing):
        for degrees in (shapely.Polygon(outline), shapely.Polygon(outline[::-1])):
            assert polygon_area_km2(degrees, crs="EPSG:4326") == pytest.approx(true, rel=1e-3)


@pytest.mark.parametrize("latitude", [0.0, 0.4, -77.5])
@pytest.mark.parametrize("half_km", [0.01, 5.0])
def test_an_area_across_the_180th_meridian_is_that_elsewhere_at_any_latitude(latitude: float, half_km: float) -> None:
    """Its plane was centred on the other side of the Earth: at the equator areas were wrong thousandfold, or NaN."""
    half = half_km / 111.0
    elsewhere = polygon_area_km2(shapely.box(-half, latitude - half, half, latitude + half), crs="EPSG:4326")
    rows = (latitude - half, latitude + half)
    east, west = shapely.box(180 - half, rows[0], 180, rows[1]), shapely.box(-180, rows[0], half - 180, rows[1])
    jumping = [(180 - half, rows[0]), (half - 180, rows[0]), (half - 180, rows[1]), (180 - half, rows[1])]
    for crossing in (shapely.MultiPolygon([east, west]), shapely.Polygon(jumping)):
        assert polygon_area_km2(crossing, crs="EPSG:4326") == pytest.approx(elsewhere, rel=1e-4)
