"""What a format cannot hold is refused, and not written as something else."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from glaciertime.errors import UsageError
from glaciertime.report.files import FORMATS
from glaciertime.units import polygon_area_km2


@pytest.mark.parametrize("form", ["kml", "geojson"])
def test_lines_without_a_place_on_earth_are_no_degrees(form: str, tmp_path: Path) -> None:
    rows = gpd.GeoDataFrame({"GlacierID": ["A"]}, geometry=[shapely.LineString([(0, 0), (0, -3000)])])
    with pytest.raises(UsageError, match="no place on Earth"):
        FORMATS[form](rows, tmp_path / f"a.{form}")


@pytest.mark.parametrize("form", ["gpkg", "geojson", "shp", "kml", "parquet"])
def test_what_crosses_the_180th_meridian_does_not_go_round_the_earth(form: str, tmp_path: Path) -> None:
    """The width of each part in degrees, and the area of the box on the ellipsoid, are those of what was measured."""
    box = shapely.Polygon([(179.9, 66.9), (-179.9, 66.9), (-179.9, 67.1), (179.9, 67.1)])
    east = shapely.LineString([(10.0, 60.0), (10.2, 60.0)])
    shapes = [box] if form == "parquet" else [shapely.LineString([(179.9, 67), (-179.9, 67)]), east]
    rows = gpd.GeoDataFrame({"GlacierID": list("AB")[: len(shapes)]}, geometry=shapes, crs="EPSG:4326")
    path = tmp_path / f"a.{form}"
    FORMATS[form](rows, path)
    held = gpd.read_parquet(path) if form == "parquet" else gpd.read_file(path)
    parts = held.geometry.explode()
    assert (parts.bounds["maxx"] - parts.bounds["minx"]).max() == pytest.approx(0.1 if form == "parquet" else 0.2)
    assert parts.bounds["minx"].min() == pytest.approx(-180)
    assert parts.bounds["maxx"].max() == pytest.approx(180)
    if form == "parquet":
        straight = shapely.transform(box, lambda xy: xy % [360.0, 360.0])
        assert sum(polygon_area_km2(one, crs="EPSG:4326") for one in parts) == pytest.approx(
            polygon_area_km2(straight, crs="EPSG:4326"), rel=1e-4
        )
    else:
        assert held.geometry.iloc[1].equals(east)
