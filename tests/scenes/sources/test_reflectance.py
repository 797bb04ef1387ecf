"""A known reflectance through the whole path: from the numbers that a server gives to the window that a model sees."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import CRS
from rasterio.shutil import copy

from glaciertime.scenes.sources.place import Place
from glaciertime.scenes.sources.stac import Listing, StacRequest, fetch_listed, list_scenes
from glaciertime.scenes.sources.web import Web

from .server import BASELINE, Catalogue, numbers, tiff

pytest.importorskip("pystac_client", reason="the extra 'stac' is not installed")
pytest.importorskip("rasterio", minversion="1.4", reason="the extra 'stac' needs a newer rasterio")

PLACE = Place(polygon=shapely.box(500_300, 7_600_500, 501_500, 7_601_500), crs=CRS(32622), what="the box of the test")
GREEN, SWIR1 = 0.4321, 0.0555
FINE = {"blue", "green", "red", "nir"}
SENTINEL_2 = ("blue", "green", "red", "nir", "swir16", "swir22")
EARLY, LATE = "2020-08-01T15:01:02Z", "2023-08-01T15:01:02Z"


def ask(catalogue: Catalogue, *collections: str, **more: Any) -> tuple[StacRequest, Listing]:
    request = StacRequest(
        address=catalogue.url, since=dt.date(2000, 1, 1), until=dt.date(2025, 12, 31), collections=collections, **more
    )
    return request, list_scenes(request, PLACE, web=Web(wait_s=0))


def window(catalogue: Catalogue, *collections: str, **more: Any) -> dict[str, np.ndarray]:
    """Return the bands of the only scene by name."""
    request, listing = ask(catalogue, *collections, **more)
    (each,) = listing.listed
    assert not each.problem
    kept = fetch_listed(each, request, PLACE, web=Web(wait_s=0))
    with rasterio.open(kept.path) as raster:
        return dict(zip(raster.descriptions, raster.read(), strict=True))


def sentinel_2(names: tuple[str, ...], *, scale: float, offset: float) -> dict[str, bytes]:
    """Return files whose numbers stand for GREEN in one band, SWIR1 in another, and something else in the rest."""
    out = {}
    for place, name in enumerate(names):
        value = {1: GREEN, 4: SWIR1}.get(place, 0.2)
        size = 10 if place < 4 else 20
        stored = numbers(round((value - offset) / scale), shape=(2000 // size, 2000 // size))
        out[name] = tiff(stored, size_m=size, nodata=0)
    return out


def check(bands: dict[str, np.ndarray]) -> None:
    assert set(bands) == {"blue", "green", "red", "nir", "swir1", "swir2"}
    assert bands["green"] == pytest.approx(GREEN, abs=1e-4)
    assert bands["swir1"] == pytest.approx(SWIR1, abs=1e-4)
    assert bands["nir"] == pytest.approx(0.2, abs=1e-4)


def test_sentinel_2_before_baseline_4_has_no_offset(catalogue: Catalogue) -> None:
    catalogue.add("S2A_1_L2A", EARLY, sentinel_2(SENTINEL_2, scale=1e-4, offset=0), **{BASELINE: "02.14"})
    check(window(catalogue, "sentinel-2-l2a"))


def test_an_offset_that_a_catalogue_names_for_an_early_baseline_is_not_used(catalogue: Catalogue) -> None:
    """As Earth Search does: of a scene of 2020 a tenth too little was read by who believed it."""
    catalogue.add(
        "S2A_1_L2A", EARLY, sentinel_2(SENTINEL_2, scale=1e-4, offset=0), declared={"scale": 0.0001, "offset": -0.1},
        **{BASELINE: "02.14", "earthsearch:boa_offset_applied": False},
    )  # fmt: skip
    check(window(catalogue, "sentinel-2-l2a"))
    request, listing = ask(catalogue, "sentinel-2-l2a")
    notes = fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0)).notes
    assert "has no offset; the -0.1 that the catalogue names is not used" in notes[0]


def test_a_file_is_read_over_the_web_where_the_catalogue_has_it_there_too(catalogue: Catalogue) -> None:
    """As the Copernicus Data Space writes it: names of bands, factors at the file itself, two places."""
    names = ("B02_10m", "B03_10m", "B04_10m", "B08_10m", "B11_20m", "B12_20m")
    item = catalogue.add(
        "S2C_MSIL2A_20250330T100051_N0511_R122_T33UWP_20250330T145914", "2025-03-30T10:00:51.024Z",
        sentinel_2(names, scale=1e-4, offset=-0.1), platform="sentinel-2c",
    )  # fmt: skip
    for asset in item["assets"].values():
        asset["alternate"] = {"https": {"href": asset["href"]}}
        asset |= {"href": "s3://eodata/a.jp2", "raster:scale": 0.0001, "raster:offset": -0.1}
    check(window(catalogue, "sentinel-2-l2a"))


def test_sentinel_2_since_baseline_4_has_1000_taken_out(catalogue: Catalogue) -> None:
    names = ("B02", "B03", "B04", "B08", "B11", "B12")  # as another catalogue calls them
    catalogue.add("S2A_1_L2A", LATE, sentinel_2(names, scale=1e-4, offset=-0.1), **{BASELINE: "05.09"})
    check(window(catalogue, "sentinel-2-l2a"))


def test_an_early_scene_that_was_processed_anew_has_1000_taken_out_too(catalogue: Catalogue) -> None:
    name = "S2A_MSIL2A_20180801T150000_N0500_R082_T22WEB_20230901T000000"
    catalogue.add(name, "2018-08-01T15:00:00Z", sentinel_2(SENTINEL_2, scale=1e-4, offset=-0.1))
    check(window(catalogue, "sentinel-2-l2a"))


def test_an_offset_that_the_catalogue_has_applied_is_not_applied_again(catalogue: Catalogue) -> None:
    """Earth Search leaves the offset in ``raster:bands`` of scenes from which it was taken out."""
    catalogue.add(
        "S2A_1_L2A", LATE, sentinel_2(SENTINEL_2, scale=1e-4, offset=0), declared={"scale": 0.0001, "offset": -0.1},
        **{BASELINE: "04.00", "earthsearch:boa_offset_applied": True},
    )  # fmt: skip
    check(window(catalogue, "sentinel-2-l2a"))


@pytest.mark.parametrize(("told", "offset"), [("true", 0), ("True", 0), ("false", -0.1), (False, -0.1)])
def test_whether_an_offset_was_applied_may_be_a_word(catalogue: Catalogue, told: object, offset: float) -> None:
    catalogue.add(
        "S2A_1_L2A", LATE, sentinel_2(SENTINEL_2, scale=1e-4, offset=offset),
        **{BASELINE: "05.09", "earthsearch:boa_offset_applied": told},
    )  # fmt: skip
    check(window(catalogue, "sentinel-2-l2a"))


def test_an_offset_that_the_catalogue_names_is_applied(catalogue: Catalogue) -> None:
    catalogue.add(
        "S2A_1_L2A", LATE, sentinel_2(SENTINEL_2, scale=1e-4, offset=-0.1), declared={"scale": 0.0001, "offset": -0.1},
        **{"earthsearch:boa_offset_applied": False, BASELINE: "05.11"},
    )  # fmt: skip
    check(window(catalogue, "sentinel-2-l2a"))


def test_a_catalogue_that_says_the_offset_is_nought_is_believed(catalogue: Catalogue) -> None:
    catalogue.add(
        "S2A_1_L2A", LATE, sentinel_2(SENTINEL_2, scale=1e-4, offset=0), declared={"scale": 0.0001, "offset": 0},
        **{BASELINE: "05.11"},
    )  # fmt: skip
    check(window(catalogue, "sentinel-2-l2a"))


def test_level_1c_is_read_by_the_same_rule_and_its_clouds_are_not_known(catalogue: Catalogue) -> None:
    files = sentinel_2(SENTINEL_2, scale=1e-4, offset=-0.1)
    catalogue.add("S2B_1_L1C", LATE, files, collection="sentinel-2-l1c", platform="sentinel-2b", **{BASELINE: "05.09"})
    check(window(catalogue, "sentinel-2-l1c"))
    _, listing = ask(catalogue, "sentinel-2-l1c")
    assert math.isnan(listing.listed[0].sky.clouds)
    assert listing.listed[0].sky.seen == pytest.approx(1)


@pytest.mark.parametrize(
    ("properties", "declared", "offset", "reason"),
    [
        ({}, None, 0, "neither its processing baseline nor an offset is told"),
        ({BASELINE: "05.11"}, {"scale": 0.0001, "offset": -0.1}, 0, "the 1000 that the catalogue wants taken out is"),
        ({BASELINE: "05.09", "earthsearch:boa_offset_applied": "perhaps"}, None, -0.1, "true or false expected"),
        ({BASELINE: "99.99"}, None, 0, "neither its processing baseline nor an offset is told"),
        ({BASELINE: "02.14"}, {"scale": 0.001}, 0, r"0 100% of it is no reflectance \(values from 4.321"),
        ({BASELINE: "05.11"}, {"scale": 0, "offset": -0.1}, 0, "scale of its numbers is 0"),
        ({BASELINE: "05.11"}, {"scale": "0.0001x", "offset": -0.1}, 0, "a number expected"),
    ],
)
def test_numbers_that_nobody_can_be_sure_of_are_refused(
    catalogue: Catalogue, properties: dict[str, Any], declared: dict[str, Any] | None, offset: float, reason: str
) -> None:
    files = sentinel_2(SENTINEL_2, scale=1e-4, offset=offset)
    catalogue.add("S2A_1_L2A", LATE, files, declared=declared, **properties)
    request, listing = ask(catalogue, "sentinel-2-l2a")
    with pytest.raises(ValueError, match=reason):
        fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0))


LANDSAT = ("blue", "green", "red", "nir08", "swir16", "swir22")


def landsat(*, scale: float, offset: float, qa: int = 21824) -> dict[str, bytes]:
    values = {"green": GREEN, "swir16": SWIR1}
    files = {
        name: tiff(numbers(round((values.get(name, 0.2) - offset) / scale), shape=(80, 80)), size_m=30, nodata=0)
        for name in LANDSAT
    }
    return {**files, "qa_pixel": tiff(numbers(qa, shape=(80, 80)), size_m=30)}


@pytest.mark.parametrize("declared", [None, {"scale": 2.75e-05, "offset": -0.2}])
def test_landsat_collection_2_level_2(catalogue: Catalogue, declared: dict[str, Any] | None) -> None:
    catalogue.add(
        "LC08_L2SP_009011_20200801_20200916_02_T1", EARLY, landsat(scale=2.75e-5, offset=-0.2), declared=declared,
        collection="landsat-c2-l2", platform="landsat-8",
    )  # fmt: skip
    check(window(catalogue, "landsat-c2-l2"))


def test_landsat_level_1_of_oli_needs_the_height_of_the_sun(catalogue: Catalogue) -> None:
    sine = math.sin(math.radians(30))
    item = catalogue.add(
        "LC09_L1TP_009011_20200801_20200916_02_T1", EARLY, landsat(scale=2e-5 / sine, offset=-0.1 / sine),
        collection="landsat-c2-l1", platform="landsat-9", **{"view:sun_elevation": 30.0},
    )  # fmt: skip
    check(window(catalogue, "landsat-c2-l1"))
    item["assets"]["green"]["raster:bands"] = [{"scale": 0.01, "offset": -50}]  # of radiance
    request, listing = ask(catalogue, "landsat-c2-l1")
    with pytest.raises(ValueError, match=r"level 1 has the factors 0\.00002 and -0.1 of reflectance"):
        fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0))
    del item["assets"]["green"]["raster:bands"], item["properties"]["view:sun_elevation"]
    request, listing = ask(catalogue, "landsat-c2-l1")
    with pytest.raises(ValueError, match="the height of the sun, which level 1 needs, is not told"):
        fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0))


def test_landsat_level_1_of_tm_is_refused(catalogue: Catalogue) -> None:
    catalogue.add(
        "LT05_L1TP_009011_20050801_20200916_02_T1", "2005-08-01T15:00:00Z", landsat(scale=2e-5, offset=-0.1),
        collection="landsat-c2-l1", platform="landsat-5", **{"view:sun_elevation": 30.0},
    )  # fmt: skip
    request, listing = ask(catalogue, "landsat-c2-l1")
    with pytest.raises(ValueError, match="stands in its MTL file; take level 2"):
        fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0))


def test_radar_in_decibels_becomes_linear_and_linear_stays(catalogue: Catalogue) -> None:
    values = np.full((200, 200), 0.05, dtype="float32")
    catalogue.add(
        "S1A_IW_GRDH_1SDH_20200801_rtc", EARLY, {"hh": tiff(values, size_m=10, nodata=-32768)},
        collection="sentinel-1-rtc", platform="sentinel-1a",
    )  # fmt: skip
    assert window(catalogue, "sentinel-1-rtc")["hh"] == pytest.approx(0.05, rel=1e-6)
    catalogue.items.clear()
    catalogue.add(
        "S1B_IW_GRDH_1SDH_20200802_rtc", EARLY, {"hh": tiff(10 * np.log10(values), size_m=10)},
        declared={"unit": "dB"}, collection="sentinel-1-rtc", platform="sentinel-1b",
    )  # fmt: skip
    assert window(catalogue, "sentinel-1-rtc")["hh"] == pytest.approx(0.05, rel=1e-5)


def test_decibels_that_nobody_calls_so_are_refused(catalogue: Catalogue) -> None:
    values = np.full((200, 200), -13.0, dtype="float32")
    catalogue.add(
        "S1A_IW_GRDH_1SDH_20200801_rtc", EARLY, {"hh": tiff(values, size_m=10)}, collection="sentinel-1-rtc",
        platform="sentinel-1a",
    )  # fmt: skip
    request, listing = ask(catalogue, "sentinel-1-rtc")
    with pytest.raises(ValueError, match=r"is no gamma0 .* are they decibels"):
        fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0))


def test_a_file_that_names_other_factors_than_its_catalogue_is_refused(catalogue: Catalogue) -> None:
    item = catalogue.add("S2A_1_L2A", LATE, sentinel_2(SENTINEL_2, scale=1e-4, offset=-0.1), **{BASELINE: "05.09"})
    path = "/files/S2A_1_L2A/green.tif"
    for offset in (-0.1, 0.0):
        with rasterio.MemoryFile(catalogue.files[path]) as memory, memory.open() as raster:
            profile, values = raster.profile, raster.read()
        with rasterio.MemoryFile() as memory:
            with memory.open(**profile) as target:
                target.write(values)
                target.scales, target.offsets = (0.0001,), (offset,)
            catalogue.files[path] = memory.read()
        item["properties"]["updated"] = str(offset)
        if offset:
            check(window(catalogue, "sentinel-2-l2a"))
    request, listing = ask(catalogue, "sentinel-2-l2a")
    with pytest.raises(ValueError, match=r"the file itself says x 0\.0001 \+ 0, and by the catalogue"):
        fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0))


def test_landsat_with_factors_of_something_else_is_refused(catalogue: Catalogue) -> None:
    catalogue.add(
        "LC08_L2SP_009011_20200801_20200916_02_T1", EARLY, landsat(scale=2.75e-5, offset=-0.2),
        declared={"scale": 0.0001, "offset": 0}, collection="landsat-c2-l2", platform="landsat-8",
    )  # fmt: skip
    request, listing = ask(catalogue, "landsat-c2-l2")
    with pytest.raises(ValueError, match=r"the catalogue names 0\.0001 and 0\.0; it is of something else"):
        fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0))


def test_jpeg_2000_is_read_too(catalogue: Catalogue, tmp_path: Path) -> None:
    """As level 1C is distributed."""
    files = sentinel_2(SENTINEL_2, scale=1e-4, offset=-0.1)
    catalogue.add("S2B_1_L1C", LATE, files, collection="sentinel-2-l1c", platform="sentinel-2b", **{BASELINE: "05.09"})
    for name, content in files.items():
        with rasterio.MemoryFile(content) as memory:
            copy(memory.name, tmp_path / "a.jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
        catalogue.files[f"/files/S2B_1_L1C/{name}.tif"] = (tmp_path / "a.jp2").read_bytes()
    check(window(catalogue, "sentinel-2-l1c"))


def test_clouds_by_the_products_own_layer_are_not_observed(catalogue: Catalogue) -> None:
    scl = numbers(11, shape=(100, 100), dtype="uint8")
    scl[:50] = 9  # the northern half of the scene: the upper half of the box
    files = {**sentinel_2(SENTINEL_2, scale=1e-4, offset=0), "scl": tiff(scl, size_m=20)}
    catalogue.add("S2A_1_L2A", EARLY, files, **{BASELINE: "02.14"})
    _, listing = ask(catalogue, "sentinel-2-l2a")
    assert listing.listed[0].sky.clouds == pytest.approx(0.5)
    green = window(catalogue, "sentinel-2-l2a")["green"]
    assert np.isnan(green[:50]).all()
    assert green[50:] == pytest.approx(GREEN, abs=1e-4)


@pytest.mark.parametrize(("qa", "hidden"), [(21824, 0), (30048, 0), (22280, 1), (23888, 1), (54596, 1)])
def test_landsat_clouds_and_shadows_are_hidden_and_snow_is_not(catalogue: Catalogue, qa: int, hidden: int) -> None:
    catalogue.add(
        "LC08_L2SP_009011_20200801_20200916_02_T1", EARLY, landsat(scale=2.75e-5, offset=-0.2, qa=qa),
        collection="landsat-c2-l2", platform="landsat-8",
    )  # fmt: skip
    assert np.isnan(window(catalogue, "landsat-c2-l2")["green"]).mean() == hidden


def test_the_window_lies_where_the_scene_has_it(catalogue: Catalogue) -> None:
    """Each pixel's number says its row and column in the scene; the window has those of the box, none moved."""
    row, column = np.mgrid[0:200, 0:200]
    stored = (1000 + 97 * row + column).astype("uint16")
    files = sentinel_2(SENTINEL_2, scale=1e-4, offset=0)
    files["green"] = tiff(stored, size_m=10, nodata=0)
    catalogue.add("S2A_1_L2A", EARLY, files, **{BASELINE: "02.14"})
    request, listing = ask(catalogue, "sentinel-2-l2a", bands=("green",))
    kept = fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0))
    with rasterio.open(kept.path) as raster:
        assert raster.bounds == (500_300, 7_600_500, 501_500, 7_601_500)
        assert np.round(raster.read(1) * 1e4) == pytest.approx(stored[50:150, 30:150])
