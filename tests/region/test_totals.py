"""Sums of correlated errors against a dense covariance matrix, and shared ground against squares drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
import shapely

from glaciertime.errors import UsageError
from glaciertime.region.overlap import shared_ground, simple_outline
from glaciertime.region.totals import check_correlation, sum_sigma, total_of

GEOD = pyproj.Geod(ellps="WGS84")


@pytest.mark.parametrize("rho", [0.0, 0.2, 0.5, 1.0])
def test_the_sigma_of_a_sum_is_that_of_the_covariance_matrix(rho: float) -> None:
    sigma = np.random.default_rng(3).uniform(0.1, 4.0, 40)
    covariance = np.outer(sigma, sigma) * (rho + (1 - rho) * np.eye(40))
    assert sum_sigma(sigma, correlation=rho) == pytest.approx(math.sqrt(np.ones(40) @ covariance @ np.ones(40)))


def test_the_sigma_of_a_weighted_sum_is_too() -> None:
    rng = np.random.default_rng(4)
    sigma, years = rng.uniform(0.1, 4.0, 25), rng.uniform(5, 30, 25)
    covariance = np.outer(sigma, sigma) * (0.5 + 0.5 * np.eye(25))
    weights = 1 / years
    assert sum_sigma(sigma / years, correlation=0.5) == pytest.approx(math.sqrt(weights @ covariance @ weights))


def test_a_total_shows_none_and_full_correlation_beside() -> None:
    total = total_of([-3.0, -4.0], [3.0, 4.0], correlation=0.5, qualifiers=["", "at most"])
    assert (total.value, total.sigma_independent, total.sigma_full, total.qualifier) == (-7.0, 5.0, 7.0, "at most")
    assert total.sigma == pytest.approx(math.sqrt(0.5 * 25 + 0.5 * 49))
    assert total.times(-1).qualifier == "at least"


def test_unknown_stays_unknown() -> None:
    assert math.isnan(total_of([1.0, 2.0], [1.0, math.nan]).sigma)
    assert math.isnan(total_of([1.0, 2.0], [1.0, 1.0], qualifiers=["at most", "at least"]).value)


@pytest.mark.parametrize("rho", [-0.1, 1.1, math.nan])
def test_what_is_no_correlation_is_refused(rho: float) -> None:
    with pytest.raises(UsageError, match="between 0"):
        check_correlation(rho)


def square(lon: float, lat: float, size: float = 0.1) -> shapely.Polygon:
    return shapely.segmentize(shapely.box(lon, lat, lon + size, lat + size), 0.005)


def true_km2(shape: shapely.Polygon) -> float:
    return abs(GEOD.geometry_area_perimeter(shape)[0]) / 1e6


def test_shared_ground_is_measured_on_the_ellipsoid() -> None:
    found = shared_ground({"A": square(10.0, 46.0), "B": square(10.05, 46.0), "C": square(10.3, 46.0)})
    assert [(pair.one, pair.other) for pair in found] == [("A", "B")]
    half = true_km2(shapely.segmentize(shapely.box(10.05, 46.0, 10.1, 46.1), 0.005))
    assert found[0].area_km2 == pytest.approx(half, rel=1e-5)
    assert found[0].share == pytest.approx(0.5, abs=1e-3)
    assert not found[0].is_same


def test_neighbours_that_touch_share_nothing_and_doubles_are_the_same() -> None:
    assert shared_ground({"A": square(10.0, 46.0), "B": square(10.1, 46.0)}) == []
    (pair,) = shared_ground({"A": square(10.0, 46.0), "B": square(10.002, 46.0)})
    assert pair.is_same
    tiny = square(10.0, 46.0, 0.0005)
    assert shared_ground({"A": tiny, "B": tiny})[0].is_same


def test_ground_is_shared_across_the_180th_meridian() -> None:
    east = simple_outline(square(179.95, 67.0))
    west = simple_outline(square(-180.02, 67.0))
    cut = shapely.MultiPolygon([shapely.box(179.95, 67, 180, 67.1), shapely.box(-180, 67, -179.95, 67.1)])
    found = shared_ground({"east": east, "west": west, "cut": simple_outline(cut)})
    assert [(pair.one, pair.other) for pair in found] == [("east", "west"), ("east", "cut"), ("west", "cut")]
    assert found[1].is_same
