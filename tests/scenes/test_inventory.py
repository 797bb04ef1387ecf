"""Inventories of outlines: ids as names, planes, boxes and lines, in whatever coordinate system they come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely

from glaciertime.errors import InputError
from glaciertime.scenes.inventory import read_inventory

#: A tongue that flows east, 5 km long and 0.8 km wide, on UTM 32.
TONGUE = shapely.box(630_000, 5_190_000, 635_000, 5_190_800)


def outlines(path: Path, rows: list[dict[str, Any]], *, crs: str = "EPSG:32632", to: str = "EPSG:4326") -> Path:
    table = gpd.GeoDataFrame(rows, geometry="geometry", crs=crs)
    (table.to_crs(to) if to else table).to_file(path)
    return path


def rgi6(number: int, geometry: shapely.Geometry = TONGUE, **more: Any) -> dict[str, Any]:
    return {
        "RGIId": f"RGI60-11.{number:05}", "Name": "Zunge", "O1Region": "11", "O2Region": "1", "Aspect": 90,
        "TermType": 0, "Surging": 9, "BgnDate": "20030799", "geometry": geometry, **more,
    }  # fmt: skip


def rgi7(number: int, geometry: shapely.Geometry = TONGUE, **more: Any) -> dict[str, Any]:
    lon, lat = pyproj.Transformer.from_crs(32632, 4326, always_xy=True).transform(635_000, 5_190_400)
    return {
        "rgi_id": f"RGI2000-v7.0-G-11-{number:05}", "glac_name": "Zunge", "o1region": "11", "o2region": "11-01",
        "termlon": lon, "termlat": lat, "term_type": 3, "surge_type": 1, "geometry": geometry, **more,
    }  # fmt: skip


def test_a_glacier_of_rgi6_has_plane_box_and_a_line_that_runs_down_its_aspect(tmp_path: Path) -> None:
    entry = read_inventory(outlines(tmp_path / "a.shp", [rgi6(1)])).entry("RGI60-11.00001")
    assert (entry.crs, entry.rgi_region, entry.hemisphere, entry.terminus_type) == (
        "EPSG:32632", "11-01", "north", "land",
    )  # fmt: skip
    assert entry.aliases == ("Zunge",)
    assert entry.box == pytest.approx((629_500, 5_189_500, 635_500, 5_191_300), abs=1.5)
    assert entry.centreline is not None
    assert "middle line" in entry.centreline.drawn_by
    line = entry.centreline.linestring
    assert line.coords[0][0] < 630_500
    assert line.coords[-1][0] > 635_150
    assert all(abs(line.interpolate(share, normalized=True).y - 5_190_400) < 60 for share in (0.2, 0.5, 0.8))


def test_the_aspect_turns_the_line_and_none_is_drawn_where_it_goes_across(tmp_path: Path) -> None:
    held = read_inventory(outlines(tmp_path / "a.shp", [rgi6(1, Aspect=270), rgi6(2, Aspect=0), rgi6(3, Aspect=-9)]))
    west = held.entry("RGI60-11.00001").centreline
    assert west is not None
    assert west.coordinates[-1][0] < west.coordinates[0][0]
    assert held.entry("RGI60-11.00002").centreline is None
    assert "no line" in held.entry("RGI60-11.00003").notes


def test_a_glacier_of_rgi7_ends_where_its_attributes_say(tmp_path: Path) -> None:
    entry = read_inventory(outlines(tmp_path / "a.shp", [rgi7(1)])).entry("RGI2000-v7.0-G-11-00001")
    assert entry.terminus_type == "ice shelf"
    assert entry.surging
    assert entry.centreline is not None
    assert entry.centreline.coordinates[-1][0] > 635_100


def test_lines_of_the_product_of_centrelines_beside_it_are_used_downhill(tmp_path: Path) -> None:
    path = outlines(tmp_path / "RGI2000-v7.0-G-11_x.shp", [rgi7(1), rgi7(2, TONGUE)])
    uphill = shapely.LineString([(634_900, 5_190_500), (632_000, 5_190_600), (630_100, 5_190_500)])
    side = shapely.LineString([(632_000, 5_190_700), (632_000, 5_190_600)])
    rows = [
        {"rgi_g_id": "RGI2000-v7.0-G-11-00001", "is_main": main, "geometry": line}
        for main, line in ((1, uphill), (0, side))
    ]
    outlines(tmp_path / "RGI2000-v7.0-L-11_x.shp", rows)
    held = read_inventory(path)
    line = held.entry("RGI2000-v7.0-G-11-00001", with_line=False).centreline
    assert line is not None
    assert "RGI 7 centrelines" in line.drawn_by
    assert line.coordinates[0] == pytest.approx((630_100, 5_190_500), abs=0.2)
    assert held.entry("RGI2000-v7.0-G-11-00002", with_line=False).centreline is None


def test_a_name_of_two_glaciers_is_that_of_neither(tmp_path: Path) -> None:
    far = shapely.transform(TONGUE, lambda xy: np.add(xy, (20_000, 0)))
    held = read_inventory(outlines(tmp_path / "a.shp", [rgi6(1), rgi6(2, far), rgi6(3, far, Name="Ferner")]))
    assert [held.entry(name, with_line=False).aliases for name in held.outlines] == [(), (), ("Ferner",)]
    assert held.glacier_called("zunge") == ["RGI60-11.00001", "RGI60-11.00002"]


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:3035", "EPSG:3857", "EPSG:2056"])
def test_outlines_in_another_coordinate_system_are_the_same(tmp_path: Path, crs: str) -> None:
    entry = read_inventory(outlines(tmp_path / "a.gpkg", [rgi6(1)], to=crs)).entry("RGI60-11.00001")
    assert entry.crs == "EPSG:32632"
    assert entry.box == pytest.approx((629_500, 5_189_500, 635_500, 5_191_300), abs=2)


def test_an_outline_across_the_180th_meridian_is_one(tmp_path: Path) -> None:
    east, west = shapely.box(179.9, 67.0, 180.0, 67.05), shapely.box(-180.0, 67.0, -179.9, 67.05)
    path = outlines(tmp_path / "a.gpkg", [rgi6(1, shapely.MultiPolygon([east, west]))], crs="EPSG:4326")
    held = read_inventory(path)
    entry = held.entry("RGI60-11.00001", with_line=False)
    assert entry.crs in ("EPSG:32660", "EPSG:32601")
    assert entry.box is not None
    assert entry.box[2] - entry.box[0] < 12_000
    assert pyproj.Geod(ellps="WGS84").geometry_area_perimeter(held.outlines["RGI60-11.00001"].geometry)[0] < 6e7


@pytest.mark.parametrize(("lat", "plane"), [(85.0, "EPSG:3413"), (-81.0, "EPSG:3031"), (-70.0, "EPSG:32719")])
def test_near_a_pole_the_plane_is_that_of_the_pole(tmp_path: Path, lat: float, plane: str) -> None:
    path = outlines(tmp_path / "a.gpkg", [rgi6(1, shapely.box(-69.9, lat, -69.5, lat + 0.1))], crs="EPSG:4326")
    assert read_inventory(path).entry("RGI60-11.00001", with_line=False).crs == plane


def test_what_is_no_inventory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column that numbers glaciers"):
        read_inventory(outlines(tmp_path / "a.gpkg", [{"Name": "Zunge", "geometry": TONGUE}]))
    with pytest.raises(InputError, match="stand in several rows"):
        read_inventory(outlines(tmp_path / "b.gpkg", [rgi6(1), rgi6(1)]))
    with pytest.raises(InputError, match="holds no polygons"):
        read_inventory(outlines(tmp_path / "c.gpkg", [rgi6(1, shapely.LineString([(0, 0), (1, 1)]))]))
    table = gpd.GeoDataFrame([rgi6(1)], geometry="geometry", crs="EPSG:4326")
    table.to_file(tmp_path / "d.gpkg")
    with pytest.raises(InputError, match="coordinates beyond 90 degrees"):
        read_inventory(tmp_path / "d.gpkg")


def test_rows_without_a_number_or_an_outline_are_told(tmp_path: Path) -> None:
    crossed = shapely.Polygon([(0, 0), (1000, 1000), (1000, 0), (0, 1000)])
    moved = shapely.transform(crossed, lambda xy: np.add(xy, (630_000, 5_190_000)))
    rows = [rgi6(1), {**rgi6(2), "RGIId": None}, rgi6(3, None), rgi6(4, moved)]  # type: ignore[arg-type]
    held = read_inventory(outlines(tmp_path / "a.gpkg", rows))
    assert list(held.outlines) == ["RGI60-11.00001", "RGI60-11.00004"]
    told = " ".join(held.notes)
    assert "1 row has no identifier" in told
    assert "1 outline has no polygon" in told
    assert "1 outline was mended where sides cross" in told


def test_the_outlines_of_the_oetztal_have_the_areas_that_rgi_gives(shared_data: Path) -> None:
    held = read_inventory(shared_data / "oetztal" / "rgi_oetztal.shp")
    geod = pyproj.Geod(ellps="WGS84")
    assert len(held.outlines) == 20
    assert held.outlines["RGI50-11.00897"].name == "Hintereisferner"
    assert held.outlines["RGI50-11.00648"].name == ""  # a letter that a field of fixed width left behind
    for outline in held.outlines.values():
        area = abs(geod.geometry_area_perimeter(outline.geometry)[0]) / 1e6
        assert area == pytest.approx(outline.attributes["Area"], abs=0.006)
    line = held.entry("RGI50-11.00897").centreline
    assert line is not None
    assert 7_000 < line.linestring.length < 11_000
