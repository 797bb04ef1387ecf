"""Each acquisition counts once: older processings, tiles of one pass, the best of each month, what is kept."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import CRS, Transformer

from glaciertime.scenes.sources.place import Place
from glaciertime.scenes.sources.stac import Kept, Listing, StacRequest, fetch_listed, list_scenes
from glaciertime.scenes.sources.web import Web

from .server import BASELINE, NORTH, WEST, Catalogue, numbers, tiff

pytest.importorskip("pystac_client", reason="the extra 'stac' is not installed")
pytest.importorskip("rasterio", minversion="1.4", reason="the extra 'stac' needs a newer rasterio")

PLACE = Place(polygon=shapely.box(500_400, 7_600_400, 501_600, 7_601_600), crs=CRS(32622), what="the box of the test")


def add(
    catalogue: Catalogue, name: str, date: str, *, value: int = 3000, clouds: float = 0.0, **more: Any
) -> dict[str, Any]:
    """Add a scene of 50 x 50 pixels of 40 m; ``clouds`` is the share of its rows, from the top, under cloud."""
    place = {key: more.pop(key) for key in ("west", "north", "crs") if key in more}
    scl = numbers(11, shape=(50, 50), dtype="uint8")
    scl[: round(50 * clouds)] = 9
    files = {
        "green": tiff(numbers(value, shape=(50, 50)), size_m=40, nodata=0, **place),
        "scl": tiff(scl, size_m=40, **place),
    }
    return catalogue.add(name, date, files, **{BASELINE: "02.14", **more})


def ask(catalogue: Catalogue, **more: Any) -> tuple[StacRequest, Listing]:
    request = StacRequest(
        **{"address": catalogue.url, "since": dt.date(2000, 1, 1), "until": dt.date(2025, 12, 31),
           "collections": ("sentinel-2-l2a",), "bands": ("green",), **more}
    )  # fmt: skip
    return request, list_scenes(request, PLACE, web=Web(wait_s=0))


def fetched(catalogue: Catalogue, **more: Any) -> list[Kept]:
    request, listing = ask(catalogue, **more)
    return [fetch_listed(each, request, PLACE, web=Web(wait_s=0)) for each in listing.listed]


def green(kept: Kept) -> np.ndarray:
    with rasterio.open(kept.path) as raster:
        return np.asarray(raster.read(1))


def test_of_two_processings_of_one_acquisition_the_newest_baseline_counts(catalogue: Catalogue) -> None:
    tile = {"grid:code": "MGRS-22WEB"}
    add(catalogue, "S2A_22WEB_20180801_1_L2A", "2018-08-01T15:00:03Z", value=4000, **{**tile, BASELINE: "05.00"})
    add(catalogue, "S2A_22WEB_20180801_0_L2A", "2018-08-01T15:00:00Z", value=3000, **tile)
    _, listing = ask(catalogue)
    assert [each.one.id for each in listing.listed] == ["S2A_22WEB_20180801_1_L2A"]
    assert listing.notes == ("S2A_22WEB_20180801_0_L2A is an older processing of S2A_22WEB_20180801_1_L2A: left out",)
    assert green(fetched(catalogue)[0]) == pytest.approx(0.3), "with the offset of its own baseline"


def test_of_the_same_baseline_the_one_made_last_counts(catalogue: Catalogue) -> None:
    for name, made in (("b", "2020-08-02T00:00:00Z"), ("a", "2020-08-09T00:00:00Z")):
        add(catalogue, f"S2A_{name}_L2A", "2020-08-01T15:00:00Z", **{"s2:generation_time": made})
    assert [each.one.id for each in ask(catalogue)[1].listed] == ["S2A_a_L2A"]


def test_landsat_in_real_time_gives_way_to_what_was_processed_later(catalogue: Catalogue) -> None:
    files = {"green": tiff(numbers(12_000, shape=(50, 50)), size_m=40, nodata=0)}
    row = {"collection": "landsat-c2-l2", "platform": "landsat-8", "landsat:wrs_path": "009", "landsat:wrs_row": "011"}
    for made, tier in (("20200801", "RT"), ("20200807", "T1")):
        name = f"LC08_L2SP_009011_20200801_{made}_02_{tier}"
        catalogue.add(name, "2020-08-01T15:00:00Z", files, **row, **{"landsat:collection_category": tier})
    _, listing = ask(catalogue, collections=("landsat-c2-l2",))
    assert [each.one.id for each in listing.listed] == ["LC08_L2SP_009011_20200801_20200807_02_T1"]


def test_the_same_scene_in_two_collections_counts_once(catalogue: Catalogue) -> None:
    add(
        catalogue,
        "S2A_T22WEB_20200801_L2A",
        "2020-08-01T15:00:00Z",
        collection="sentinel-2-c1-l2a",
        **{BASELINE: "05.00"},
    )
    add(catalogue, "S2A_22WEB_20200801_0_L2A", "2020-08-01T15:00:00Z")
    _, listing = ask(catalogue, collections=("sentinel-2-l2a", "sentinel-2-c1-l2a"))
    assert [each.one.id for each in listing.listed] == ["S2A_T22WEB_20200801_L2A"]


def test_tiles_of_one_pass_are_joined_and_their_overlap_counts_once(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_22WEB_L2A", "2020-08-01T15:00:00Z", west=WEST - 1000, clouds=0.5)
    add(catalogue, "S2A_22WEC_L2A", "2020-08-01T15:00:14Z", west=WEST + 800, value=5000)
    (kept,) = fetched(catalogue)
    values = green(kept)
    assert values.shape == (30, 30)
    # Columns 0 to 9 are shown by the western tile alone, whose upper half is under cloud; from 10 by the eastern.
    assert np.unique(values[20:, :10]) == pytest.approx([0.3])
    assert np.unique(values[:, 10:]) == pytest.approx([0.5])
    assert np.isnan(values[:10, :10]).all()
    assert kept.sky.seen == pytest.approx(1)
    assert kept.sky.clouds == pytest.approx(np.isnan(values).mean())
    assert "are tiles of one pass: joined" in ask(catalogue)[1].notes[0]


def test_a_tile_that_shows_the_whole_box_makes_the_others_needless(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_22WEB_L2A", "2020-08-01T15:00:00Z")
    add(catalogue, "S2A_22WEC_L2A", "2020-08-01T15:00:14Z", west=WEST + 800, value=5000)
    assert [kept.path.name for kept in fetched(catalogue)] == ["2020-08-01_S2A_22WEB_L2A.tif"]


def test_tiles_of_two_zones_are_brought_onto_the_grid_of_one(catalogue: Catalogue) -> None:
    """The east of the box is shown by a tile in the coordinates of the zone beside it alone."""
    x, y = Transformer.from_crs(32622, 32623, always_xy=True).transform(501_000, 7_601_000)
    add(catalogue, "S2A_22WEB_L2A", "2020-08-01T15:00:00Z", west=WEST - 600)
    other = {"west": x - 200, "north": y + 1000, "crs": "EPSG:32623"}
    add(catalogue, "S2A_23WEB_L2A", "2020-08-01T15:00:14Z", value=5000, **other)
    (kept,) = fetched(catalogue)
    values = green(kept)
    assert kept.crs == CRS(32622)
    assert np.unique(values[:, :25]) == pytest.approx([0.3])
    assert np.unique(values[:, 25:]) == pytest.approx([0.5])
    assert kept.sky.seen == pytest.approx(1)


def test_two_passes_of_a_day_are_two_scenes(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_1_L2A", "2020-08-01T13:20:00Z")
    add(catalogue, "S2A_2_L2A", "2020-08-01T15:00:00Z")
    add(catalogue, "S2B_1_L2A", "2020-08-01T15:01:00Z", platform="sentinel-2b")
    assert [each.one.id for each in ask(catalogue)[1].listed] == ["S2A_1_L2A", "S2A_2_L2A", "S2B_1_L2A"]


def test_clouds_are_those_over_the_box_and_the_best_of_a_month_has_fewest(catalogue: Catalogue) -> None:
    """The scene's own figure says the contrary."""
    add(catalogue, "S2A_1_L2A", "2020-08-01T15:00:00Z", clouds=0.5, **{"eo:cloud_cover": 1.0})
    add(catalogue, "S2A_2_L2A", "2020-08-11T15:00:00Z", clouds=0.3, **{"eo:cloud_cover": 94.0})
    add(catalogue, "S2A_3_L2A", "2020-09-11T15:00:00Z", clouds=1.0)
    _, listing = ask(catalogue)
    # The box begins 10 rows below the top and ends 10 above the bottom.
    assert [each.sky.clouds for each in listing.listed] == pytest.approx([15 / 30, 5 / 30, 1])
    assert [each.one.id for each in ask(catalogue, per="month")[1].listed] == ["S2A_2_L2A", "S2A_3_L2A"]
    _, listing = ask(catalogue, per="month", most_clouds=0.4)
    assert [each.one.id for each in listing.listed] == ["S2A_2_L2A"]
    assert "2 passes left out: more than 40% of the box under clouds" in listing.notes


def test_a_scene_that_could_not_be_looked_at_is_told_where_it_may_have_been_the_best(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_1_L2A", "2020-08-01T15:00:00Z", clouds=0.5)
    add(catalogue, "S2A_2_L2A", "2020-08-11T15:00:00Z")
    catalogue.faults["/files/S2A_2_L2A/scl.tif"] = lambda handler: handler.send(b"{}", 404) or True
    _, listing = ask(catalogue, per="month")
    assert [each.one.id for each in listing.listed] == ["S2A_1_L2A"]
    assert "scl.tif: the server answers 404" in listing.problems[0]


def test_what_the_catalogue_calls_cloudy_is_not_looked_at_and_that_is_said(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_1_L2A", "2020-08-01T15:00:00Z", **{"eo:cloud_cover": 96.0})
    add(catalogue, "S2A_2_L2A", "2020-08-11T15:00:00Z", **{"eo:cloud_cover": 94.0})
    _, listing = ask(catalogue)
    assert [each.one.id for each in listing.listed] == ["S2A_2_L2A"]
    assert "1 passes not looked at: the catalogue calls more than 95%" in listing.notes[0]
    assert not [line for line in catalogue.asked if "S2A_1_L2A" in line]
    assert len(ask(catalogue, sieve=1.0)[1].listed) == 2


def test_of_a_month_the_scene_that_shows_more_of_the_box_counts(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_1_L2A", "2020-08-01T15:00:00Z", north=NORTH + 1000)
    add(catalogue, "S2A_2_L2A", "2020-08-11T15:00:00Z", clouds=0.3)
    _, listing = ask(catalogue)
    assert [each.sky.seen for each in listing.listed] == pytest.approx([15 / 30, 1])
    assert [each.one.id for each in ask(catalogue, per="month")[1].listed] == ["S2A_2_L2A"]


def test_where_the_first_tile_has_a_gap_the_next_one_counts_with_its_clouds(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_22WEB_L2A", "2020-08-01T15:00:00Z", west=WEST - 600)
    add(catalogue, "S2A_22WEC_L2A", "2020-08-01T15:00:14Z", west=WEST + 800, value=5000, clouds=1.0)
    stored = numbers(3000, shape=(50, 50))
    stored[:, 40:45] = 0  # columns 15 to 20 of the box
    catalogue.files["/files/S2A_22WEB_L2A/green.tif"] = tiff(stored, size_m=40, nodata=0, west=WEST - 600)
    (kept,) = fetched(catalogue)
    columns = np.flatnonzero(np.isfinite(green(kept)).any(axis=0))
    assert columns.tolist() == [*range(15), *range(20, 25)]
    assert (kept.sky.seen, kept.sky.clouds) == pytest.approx((1, 10 / 30))


def test_tiles_of_two_baselines_have_each_its_own_offset(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_22WEB_L2A", "2020-08-01T15:00:00Z", west=WEST - 1000, value=3000)
    add(catalogue, "S2A_22WEC_L2A", "2020-08-01T15:00:14Z", west=WEST + 800, value=4000, **{BASELINE: "05.00"})
    assert np.unique(green(fetched(catalogue)[0])) == pytest.approx([0.3])


# What is kept.


def test_what_is_kept_is_not_asked_for_again_and_is_the_same(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_1_L2A", "2020-08-01T15:00:00Z")
    (first,) = fetched(catalogue)
    asked = len(catalogue.asked)
    (second,) = fetched(catalogue)
    assert catalogue.asked[asked:] == ["GET /", "POST /search"]
    assert (first.is_new, second.is_new, first.sha256 == second.sha256) == (True, False, True)


def test_a_kept_window_that_is_damaged_is_fetched_anew_and_told(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_1_L2A", "2020-08-01T15:00:00Z")
    (first,) = fetched(catalogue)
    first.path.write_bytes(first.path.read_bytes()[:-7] + b"damaged")
    (second,) = fetched(catalogue)
    assert second.is_new
    assert second.notes[-1] == "S2A_1_L2A: the file that was kept is damaged; fetched anew"
    assert second.sha256 == first.sha256


def test_a_scene_that_the_catalogue_describes_otherwise_is_fetched_anew_and_told(catalogue: Catalogue) -> None:
    item = add(catalogue, "S2A_1_L2A", "2020-08-01T15:00:00Z")
    fetched(catalogue)
    item["properties"][BASELINE] = "05.00"
    catalogue.files["/files/S2A_1_L2A/green.tif"] = tiff(numbers(5000, shape=(50, 50)), size_m=40, nodata=0)
    (kept,) = fetched(catalogue)
    assert "the catalogue describes it otherwise" in kept.notes[-1]
    assert green(kept) == pytest.approx(0.4)


def test_a_file_that_changed_on_the_server_is_seen_when_asked_for_and_told(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_1_L2A", "2020-08-01T15:00:00Z")
    fetched(catalogue)
    catalogue.files["/files/S2A_1_L2A/green.tif"] = tiff(numbers(5000, shape=(50, 50)), size_m=40, nodata=0)
    assert green(fetched(catalogue)[0]) == pytest.approx(0.3)
    (kept,) = fetched(catalogue, refresh=True)
    assert "green on the server is another file by now" in kept.notes[-1]
    assert green(kept) == pytest.approx(0.5)
    assert not fetched(catalogue, refresh=True)[0].is_new


def test_another_box_is_another_window(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_1_L2A", "2020-08-01T15:00:00Z")
    request, listing = ask(catalogue)
    small = Place(polygon=shapely.box(500_800, 7_600_800, 501_200, 7_601_200), crs=CRS(32622), what="a part")
    one = fetch_listed(listing.listed[0], request, PLACE, web=Web(wait_s=0))
    other = fetch_listed(listing.listed[0], request, small, web=Web(wait_s=0))
    assert (one.shape, other.shape) == ((30, 30), (10, 10))
