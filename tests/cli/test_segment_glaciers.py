"""``glaciertime segment`` on glaciers that are chosen: a folder of each, and one that fails stops none."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import shapely

from .conftest import Command
from .test_segment_many import NORTH, write

_MANIFEST = "name: Far\ncrs: EPSG:32622\nsources:\n  - {dataset: own, format: images, path: deep/far}\n"


def _masks(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.tif"))


def test_each_glacier_has_its_folder_of_masks(command: Command, tmp_path: Path) -> None:
    scenes = tmp_path / "in"
    for name in ("crane glacier/a_2001-08-01.tif", "Jorum/a_2001-08-01.tif", "Nobody/b.tif", "deep/far/c.tif"):
        write(scenes / name)
    (scenes / "Jorum" / "broken.tif").write_bytes(b"II*\x00")
    (tmp_path / "far.yaml").write_text(_MANIFEST)
    every = command("segment", "in", "--all", "--manifest", "far.yaml", "--out", "masks", *NORTH, "--json")
    assert every.code == 3
    assert _masks(tmp_path / "masks") == [
        "Crane/a_2001-08-01_zones.tif", "Far/c_zones.tif", "Jorum/a_2001-08-01_zones.tif"
    ]  # fmt: skip
    assert [row["status"] for row in every.json].count("failed") == 1
    assert "1 folders of no chosen glacier; left out (Nobody)" in every.err.replace("folder ", "folders ")
    one = command("segment", "in", "--manifest", "far.yaml", "--out", "own", *NORTH)
    assert one.code == 0
    assert _masks(tmp_path / "own") == ["Far/c_zones.tif"]
    # A name that no catalog knows is that of its folder.
    named = command("segment", "in", "--glacier", "Nobody", "--glacier", "DBE", "--out", "named", *NORTH)
    assert named.code == 3
    assert _masks(tmp_path / "named") == ["Nobody/b_zones.tif"]
    assert "DBE: no folder in in is called like it" in named.err
    assert command("segment", "in", "--glacier", "Nobody", "--glacier", "DBE", "--out", "named", "--strict").code == 1


def test_what_is_not_one_folder_with_their_images_is_refused(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "in" / "Crane" / "a.tif")
    write(tmp_path / "in" / "Crane Glacier" / "a.tif")
    write(tmp_path / "in" / "Jorum" / "a.tif")
    assert "one folder is expected" in command("segment", "in/Jorum/a.tif", "--all", "--out", "masks").err
    assert "holds no images of Mapple" in command("segment", "in", "--glacier", "Mapple", "--out", "masks").err
    assert "give one of them" in command("segment", "in", "--all", "--glacier", "Crane", "--out", "masks").err
    both = command("segment", "in", "--glacier", "Crane", "--glacier", "Jorum", "--out", "masks", *NORTH)
    assert both.code == 3
    assert "are called like it; leave one of them" in both.err
    assert _masks(tmp_path / "masks") == ["Jorum/a_zones.tif"]


def test_a_line_of_one_glacier_and_a_folder_called_like_two_are_of_none(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "in" / "Twin" / "a.tif")
    write(tmp_path / "in" / "RGI60-11.00002" / "b.tif")
    boxes = [shapely.box(10.0, 46.0, 10.1, 46.1), shapely.box(10.2, 46.0, 10.3, 46.1)]
    columns = {"RGIId": ["RGI60-11.00001", "RGI60-11.00002"], "Name": ["Twin", "Twin"], "GLIMSId": ["a", "b"],
               "O1Region": "11", "O2Region": "1", "BgnDate": "20030801", "Area": 1.0}  # fmt: skip
    gpd.GeoDataFrame(columns, geometry=boxes, crs="EPSG:4326").to_file(tmp_path / "rgi.gpkg")
    result = command("segment", "in", "--rgi", "rgi.gpkg", "--out", "masks", *NORTH)
    assert result.code == 0, result.err
    assert _masks(tmp_path / "masks") == ["RGI60-11.00002/b_zones.tif"]
    assert "2 glaciers are called 'Twin'" in result.err
    line = gpd.GeoSeries([shapely.LineString([(0, 0), (1, 1)])], crs="EPSG:4326")
    line.to_file(tmp_path / "line.gpkg")
    refused = command("segment", "in", "--rgi", "rgi.gpkg", "--out", "masks", "--centreline", "line.gpkg")
    assert refused.code == 2
    assert "a line of one glacier" in refused.err
