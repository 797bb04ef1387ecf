"""A catalogue on disk that the user names: read, and nothing outside its folder."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import rasterio
import shapely
from pyproj import CRS

from glaciertime.errors import GlacierTimeError
from glaciertime.scenes.sources.place import Place
from glaciertime.scenes.sources.stac import StacRequest, fetch_listed, list_scenes
from glaciertime.scenes.sources.web import Web

from .server import BASELINE, Catalogue, numbers, tiff

pytest.importorskip("rasterio", minversion="1.4", reason="the extra 'stac' needs a newer rasterio")

PLACE = Place(polygon=shapely.box(500_400, 7_600_400, 501_600, 7_601_600), crs=CRS(32622), what="the box of the test")


@pytest.fixture
def folder(tmp_path: Path, catalogue: Catalogue) -> Path:
    """A catalogue with one scene, its files beside it."""
    content = tiff(numbers(3000, shape=(50, 50)), size_m=40, nodata=0)
    item = catalogue.add("S2A_1_L2A", "2020-08-01T15:00:00Z", {"green": content}, **{BASELINE: "02.14"})
    home = tmp_path / "catalogue"
    (home / "items").mkdir(parents=True)
    (home / "green.tif").write_bytes(content)
    (tmp_path / "outside.tif").write_bytes(content)
    item["assets"]["green"]["href"] = "../green.tif"
    write(home, item)
    links = [{"rel": "item", "href": "./items/1.json"}]
    (home / "catalog.json").write_text(json.dumps({"type": "Catalog", "id": "c", "links": links}))
    return home


def write(home: Path, item: dict[str, Any]) -> None:
    (home / "items" / "1.json").write_text(json.dumps(item))


def fetched(home: Path, name: str = "catalog.json") -> Path:
    request = StacRequest(
        address=str(home / name), since=dt.date(2020, 1, 1), until=dt.date(2021, 1, 1), bands=("green",)
    )  # fmt: skip
    (each,) = list_scenes(request, PLACE, web=Web(wait_s=0)).listed
    return fetch_listed(each, request, PLACE, web=Web(wait_s=0)).path


def test_a_catalogue_on_disk_is_read_without_any_request(folder: Path, catalogue: Catalogue) -> None:
    with rasterio.open(fetched(folder)) as raster:
        assert raster.read(1) == pytest.approx(0.3)
    assert catalogue.asked == []


def test_a_list_of_items_on_disk_may_name_files_on_the_web(folder: Path, catalogue: Catalogue) -> None:
    item = catalogue.items["S2A_1_L2A"]
    item["assets"]["green"]["href"] = f"{catalogue.url}/files/S2A_1_L2A/green.tif"
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    with rasterio.open(fetched(folder, "items.json")) as raster:
        assert raster.read(1) == pytest.approx(0.3)
    assert [line.split()[1] for line in catalogue.asked] == ["/files/S2A_1_L2A/green.tif"]


@pytest.mark.parametrize(
    "href",
    ["../../outside.tif", "file:///etc/passwd", "/etc/passwd", "s3://bucket/a.tif", "link.tif", "", None, "../x"],
)
def test_files_outside_the_folder_of_a_catalogue_are_refused(folder: Path, catalogue: Catalogue, href: object) -> None:
    (folder / "items" / "link.tif").symlink_to(folder.parent / "outside.tif")
    item = catalogue.items["S2A_1_L2A"]
    item["assets"]["green"]["href"] = href
    write(folder, item)
    with pytest.raises(GlacierTimeError, match=r"leads out of|is not read|names no address|no such file"):
        fetched(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("[]", "no object of JSON"), ("{}", "no catalogue, no collection and no item"), ("{", "is not JSON"),
     ('{"links": [{"rel": "item", "href": "../../outside.tif"}]}', "leads out of"),
     ('{"links": [{"rel": "item", "href": "gone.json"}]}', "gone.json")],
)  # fmt: skip
def test_what_is_no_catalogue_is_refused(folder: Path, content: str, reason: str) -> None:
    (folder / "catalog.json").write_text(content)
    with pytest.raises(GlacierTimeError, match=reason):
        fetched(folder)
