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
