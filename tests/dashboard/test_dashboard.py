"""The dashboard in a real browser: from upload to download, what is refused, narrow and wide, by keyboard."""

from __future__ import annotations

import contextlib
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from tests.dashboard.conftest import WIDE_PX

pytestmark = pytest.mark.xdist_group("dashboard")


TABS = {
    "Look": "Look at a glacier", "Segment": "Segment an image", "Track": "Track a glacier", "Draw": "Draw",
    "Forecast": "Forecast a series", "Explain": "Explain an answer", "Own series": "Your own series",
}  # fmt: skip


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()
    page.get_by_role("heading", name=TABS[name], exact=True).wait_for()


def is_shown(what: Any) -> bool:
    """Wait for something of the page, at most as long as the page waits for anything, and say whether it is seen."""
    what.wait_for()
    return bool(what.is_visible())


def bring(page: Any, *files: Path) -> None:
    page.locator("input[type=file]").last.set_input_files([str(path) for path in files])
    for path in files:
        page.get_by_text(f"{path.name}: here").last.wait_for()


def test_look_shows_the_map_the_series_and_the_value_of_a_date(page: Any) -> None:
    open_tab(page, "Look")
    page.get_by_label("Glacier", exact=True).select_option("Crane")
    shown = page.get_by_text("; quality:")
    shown.wait_for()
    before = shown.inner_text()
    assert "km²" in before
    assert "±" in before
    assert "simulated" in before
    page.get_by_role("slider").first.press("ArrowLeft")
    page.wait_for_timeout(100)
    page.get_by_text(before).wait_for(state="detached")
    assert shown.inner_text() < before  # an earlier date


def test_a_scene_becomes_a_mask_that_can_be_kept(page: Any, scene: Path, tmp_path: Path) -> None:
    open_tab(page, "Segment")
    bring(page, scene)
    page.get_by_text("512 × 512 pixels, 1 band of uint8").wait_for()
    page.get_by_label("Where the ocean lies").select_option("north")
    page.get_by_role("button", name="Segment", exact=True).last.click()
    page.get_by_text("Areas by landsat-fronts").wait_for()
    areas = page.get_by_role("region", name="Areas by landsat-fronts").inner_text()
    assert "glacier" in areas
    assert "ocean" in areas
    assert "km²" in areas
    with page.expect_download() as started:
        page.get_by_text("Mask (GeoTIFF)").click()
    kept = tmp_path / "mask.tif"
    started.value.save_as(kept)
    with rasterio.open(kept) as raster:
        codes = raster.read(1)
        assert raster.crs.to_epsg() == 3413
    assert codes.shape == (512, 512)
    assert np.mean(codes[:200] == 254) > 0.95
    assert np.mean(codes[-200:] == 127) > 0.95


def test_another_image_of_the_same_name_takes_the_place_of_the_first(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "same name ü_2020-08-01.tif"
    open_tab(page, "Segment")
    for side in (80, 64):
        with rasterio.open(path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint8") as raster:
            raster.write(np.tile(np.arange(1, side + 1, dtype="uint8"), (side, 1)), 1)
        bring(page, path)
        page.get_by_text(f"{side} × {side} pixels").wait_for()
        if side == 80:
            page.get_by_label("Model", exact=True).select_option(label="NDSI (mountain glaciers, green and SWIR)")
            page.get_by_role("button", name="Segment", exact=True).last.click()
            page.get_by_text("Nothing came of it").wait_for()  # one band: told why
            page.get_by_label("Model", exact=True).select_option(index=0)
            page.get_by_label("Where the ocean lies").select_option("up")
            page.get_by_role("button", name="Segment", exact=True).last.click()
            page.get_by_role("region", name=f"Areas by landsat-fronts: {path.name}").wait_for()
    assert page.get_by_text("80 × 80 pixels").count() == 0
    assert page.get_by_role("region", name="Areas by landsat-fronts").count() == 0


def test_a_table_becomes_a_forecast_and_a_verdict(page: Any, tmp_path: Path) -> None:
    table = tmp_path / "lengths.csv"
    # As spreadsheets of Europe write it.
    rows = [f"My Glacier;01.09.{1980 + year};length_change_m;{-20 * year + (year % 3)},5;m" for year in range(16)]
    table.write_text("\n".join(["glacier;date;variable;value;unit", *rows, ""]))
    open_tab(page, "Own series")
    bring(page, table)
    page.get_by_role("button", name="Read and forecast").click()
    page.get_by_text("give --day-first or --month-first").wait_for()
    page.get_by_label("03/04/2002 is").last.select_option("3 April")
    page.get_by_role("button", name="Read and forecast").click()
    page.get_by_role("region", name="Forecasts, m").wait_for()
    page.get_by_text("use ").last.wait_for()
    assert "auto" in page.get_by_role("region", name="Forecasts, m").inner_text()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("picture.svg", b"<svg><script>alert(1)</script></svg>", "is not taken here"),
        ("bomb.zip", b"PK\x03\x04", "is not taken here"),
        ("leads_away.tif", b"<VRTDataset rasterXSize='1' rasterYSize='1'/>", "is no raster that can be read"),
        ("notes.tif", b"no raster at all", "is no raster that can be read"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence(
    page: Any, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    open_tab(page, "Segment")
    page.locator("input[type=file]").last.set_input_files(str(path))
    assert is_shown(page.get_by_text(sentence).first)


def test_a_raster_that_claims_a_million_by_a_million_pixels_is_refused(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "vast.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=1_000_000, height=1_000_000, count=1, dtype="uint8", tiled=True,
        blockxsize=65536, blockysize=65536, sparse_ok=True, bigtiff="yes", compress="deflate",
    ):  # fmt: skip
        pass
    open_tab(page, "Segment")
    bring(page, path)
    assert is_shown(page.get_by_text("1,000,000,000,000 pixels").first)


def test_a_front_by_hand_is_stored_and_does_not_compare_with_a_simulation(page: Any) -> None:
    open_tab(page, "Draw")
    page.get_by_label("Glacier", exact=True).select_option("Crane")
    page.get_by_role("button", name="Take the front").click()
    places = page.get_by_label("Places, longitude, latitude")
    page.get_by_label("Drawn by").fill("A. Student")
    page.get_by_label("Drawn by").press("Tab")
    page.get_by_role("button", name="Store it", exact=True).click()
    page.get_by_text("the drawn front does not compare with it").wait_for()
    assert len(places.input_value().splitlines()) > 50
    assert page.get_by_text("The page failed").count() == 0
    assert page.get_by_role("region", name="What the drawn front does").count() == 0
    with page.expect_download() as started:
        page.get_by_text("Front (GeoJSON)").click()
    assert "A. Student" in started.value.path().read_text()


def post(address: str, query: str, body: Any, **headers: str) -> tuple[int, str]:
    asked = urllib.request.Request(f"{address}upload?{query}", data=body, method="POST", headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def key_of(page: Any) -> str:
    open_tab(page, "Segment")
    return page.locator(".drop").last.get_attribute("data-address").partition("key=")[2]


def test_no_upload_leaves_its_folder_or_comes_in_without_a_key(page: Any, address: str, sessions_folder: Path) -> None:
    key = key_of(page)
    assert post(address, "key=guessed&kind=images&name=a.tif", b"x")[0] == 403
    beside = ("a.tif.ovr", "a.tif.msk", "a.tif.aux.xml", "a.tfw")  # what GDAL would read with a.tif
    for name in ("..%2F..%2Fa.tif", "..%5Ca.tif", "%2Fetc%2Fa.tif", ".hidden.tif", *beside):
        code, text = post(address, f"key={key}&kind=images&name={name}", b"x")
        assert (code, "refused" in text) == (413, True), name
    code, text = post(address, f"key={key}&kind=images&name=a.tif", b"x" * 1000)
    assert (code, "is no raster" in text) == (415, True)
    code, text = post(address, f"key={key}&kind=images&name=a.tif", b"II*\0" + b"x" * 1000)
    assert (code, "a.tif" in text) == (200, True)
    log = (sessions_folder / "server.log").read_text()
    assert "413 POST /upload" in log
    assert key not in log


def test_more_than_the_limit_is_refused_before_it_is_read(page: Any, address: str) -> None:
    import http.client
    from urllib.parse import urlsplit

    key = key_of(page)
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    line.putrequest("POST", f"/upload?key={key}&kind=images&name=large.tif")
    line.putheader("Content-Length", "2000000000")
    line.endheaders()
    answer = line.getresponse()
    assert answer.status == 413
    assert "upload-mb" in answer.read().decode()
    line.close()


def test_more_than_the_limit_of_unknown_length_is_answered_and_nothing_of_it_is_kept(
    page: Any, address: str, sessions_folder: Path
) -> None:
    """Without Content-Length the line was cut at the limit with a bare 400."""
    import http.client
    from urllib.parse import urlsplit

    key, piece = key_of(page), b"II*\0" + b"x" * 999_996
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    line.request("POST", f"/upload?key={key}&kind=images&name=endless.tif", body=(piece for _ in range(80)),
                 encode_chunked=True, headers={"Transfer-Encoding": "chunked"})  # fmt: skip
    answer = line.getresponse()
    told = answer.read().decode()
    assert answer.status == 413
    assert "endless.tif: 50" in told
    assert "upload-mb" in told
    assert list(sessions_folder.rglob("endless*")) == []
    line.close()
    body = (piece for _ in range(2))
    assert post(address, f"key={key}&kind=images&name=short.tif", body, **{"Transfer-Encoding": "chunked"})[0] == 200


def test_the_page_has_one_landmark_and_the_width_of_a_telephone(browser: Any, address: str) -> None:
    phone = browser.new_context(viewport={"width": 390, "height": 800}, is_mobile=True, device_scale_factor=2)
    opened = phone.new_page()
    opened.goto(address)
    opened.get_by_role("button", name="Look", exact=True).wait_for()
    assert opened.get_by_role("main").count() == 1
    assert opened.get_by_role("main").get_by_role("button", name="Look", exact=True).count() == 1
    assert opened.evaluate("() => window.innerWidth") == 390
    phone.close()


def test_a_series_of_one_date_tells_it_and_offers_no_slider(page: Any, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("glacier,date,area_km2\nSolo,2003-08-19,12.5\n")
    open_tab(page, "Own series")
    bring(page, tmp_path / "one.csv")
    page.get_by_role("button", name="Read and forecast").click()
    page.get_by_text("Done.").first.wait_for()
    open_tab(page, "Look")
    page.get_by_label("Glacier", exact=True).select_option("Solo")
    page.get_by_text("Date: 2003-08-19").wait_for()
    assert page.get_by_role("slider").count() == 0
    page.get_by_label("Glacier", exact=True).select_option("Crane")
    page.get_by_role("slider").first.wait_for()


def test_two_who_draw_at_once_keep_each_their_own(browser: Any, address: str) -> None:
    contexts = [browser.new_context(accept_downloads=True) for _ in range(2)]
    pages = []
    for context, author in zip(contexts, ("Ada", "Ben"), strict=True):
        opened = context.new_page()
        opened.set_default_timeout(120_000)
        opened.goto(address)
        open_tab(opened, "Draw")
        opened.get_by_label("Glacier", exact=True).select_option("Crane")
        opened.get_by_role("button", name="Take the front").click()
        opened.get_by_label("Drawn by").fill(author)
        opened.get_by_label("Drawn by").press("Tab")
        pages.append(opened)
    for opened in pages:
        opened.get_by_role("button", name="Store it", exact=True).click(no_wait_after=True)
    for opened, mine, theirs in zip(pages, ("Ada", "Ben"), ("Ben", "Ada"), strict=True):
        with opened.expect_download() as started:
            opened.get_by_text("Front (GeoJSON)").click()
        text = started.value.path().read_text()
        assert mine in text
        assert theirs not in text
        with opened.expect_download() as started:
            opened.get_by_role("button", name="Keep what was made", exact=True).click()
            opened.get_by_text("Archive of this session (GeoPackage)").click()
        authors = authors_of(started.value.path())
        assert mine in authors
        assert theirs not in authors
    for context in contexts:
        context.close()


def authors_of(archive: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(f"file:{archive}?mode=ro", uri=True)) as held:
        return {str(author) for (author,) in held.execute("SELECT DISTINCT Author FROM fronts")}


def test_a_session_sees_nothing_of_another(browser: Any, address: str, page: Any, scene: Path) -> None:
    open_tab(page, "Segment")
    bring(page, scene)
    other = browser.new_context().new_page()
    other.goto(address)
    open_tab(other, "Segment")
    assert key_of(other) != key_of(page)
    assert other.get_by_label("Image", exact=True).locator("option").count() == 0
    assert scene.name not in other.content()
    assert scene.name in page.get_by_label("Image", exact=True).locator("option").all_inner_texts()
    other.context.close()


def opened_tabs(page: Any, width: int) -> Iterator[str]:
    """Open one tab after the other on a page of that width; yield their names."""
    page.set_viewport_size({"width": width, "height": 900})
    for name in TABS:
        open_tab(page, name)
        page.wait_for_timeout(300)
        yield name


@pytest.mark.parametrize("width", [WIDE_PX, 390])
def test_no_tab_is_wider_than_the_page(page: Any, width: int) -> None:
    for name in opened_tabs(page, width):
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, name


@pytest.mark.parametrize("width", [WIDE_PX, 390])
def test_every_tab_can_be_heard_and_told_from_its_ground(page: Any, axe: Path, width: int) -> None:
    page.add_script_tag(path=str(axe))
    for name in opened_tabs(page, width):
        found = page.evaluate("() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
        assert found["passes"]
        assert [(name, one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []


def test_every_tab_is_reached_by_the_keyboard(page: Any) -> None:
    open_tab(page, "Look")
    page.get_by_role("button", name="Look", exact=True).focus()
    for title in list(TABS.values())[1:]:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert is_shown(page.get_by_role("heading", name=title, exact=True))
