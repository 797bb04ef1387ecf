"""The plane that maps are drawn on."""

from __future__ import annotations

import geopandas as gpd
import pytest
import shapely

from glaciertime.catalog import Glacier
from glaciertime.track.place import map_plane


def fronts(longitude: float, latitude: float) -> gpd.GeoDataFrame:
    line = shapely.LineString([(longitude, latitude), (longitude + 0.01, latitude)])
    return gpd.GeoDataFrame(geometry=[line], crs="EPSG:4326")


@pytest.mark.parametrize(
    ("longitude", "latitude", "crs", "plane"),
    [
        (-50, 69, "EPSG:3413", "EPSG:3413"),
        (-50, 69, "EPSG:4326", "EPSG:32622"),
        (-50, 69, None, "EPSG:32622"),
        (-70, 84.5, None, "EPSG:3413"),
        (-60, -81, None, "EPSG:3031"),
    ],
)
def test_maps_are_drawn_in_metres(longitude, latitude, crs, plane):
    assert map_plane(fronts(longitude, latitude), glacier=Glacier(name="G", crs=crs)).to_string() == plane
    assert map_plane(fronts(longitude, latitude).set_crs(None, allow_override=True), glacier=None) is None


@pytest.mark.parametrize(
    ("lines", "plane"),
    [
        ([(179.93, 180.2)], "EPSG:32601"),
        ([(179.8, 180.1)], "EPSG:32660"),
        # One across the meridian, one wholly beyond it: the middle is not that of -179.95 and 180.1.
        ([(179.9, 180.1), (-179.95, -179.85)], "EPSG:32601"),
        ([(0.5, 5.0)], "EPSG:32631"),
    ],
)
def test_the_plane_of_fronts_at_the_180th_meridian_is_of_their_zone(
    lines: list[tuple[float, float]], plane: str
) -> None:
    shapes = [shapely.LineString([(west, 70), (east, 70.01)]) for west, east in lines]
    table = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326")
    assert map_plane(table, glacier=None).to_string() == plane
    length = table.to_crs(plane).geometry.length.max()
    assert length < 200_000
