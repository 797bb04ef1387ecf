"""Catalogues and servers that are slow, broken, moved, endless, or mean harm."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import CRS

from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError
from glaciertime.scenes.sources.choice import passes_over
from glaciertime.scenes.sources.place import Place
from glaciertime.scenes.sources.search import search
from glaciertime.scenes.sources.stac import Listing, StacRequest, fetch_listed, list_scenes
from glaciertime.scenes.sources.web import Ranges, Web, asset_address

from .server import BASELINE, Catalogue, Handler, numbers, tiff, times

pytest.importorskip("pystac_client", reason="the extra 'stac' is not installed")
pytest.importorskip("rasterio", minversion="1.4", reason="the extra 'stac' needs a newer rasterio")

PLACE = Place(polygon=shapely.box(500_400, 7_600_400, 501_600, 7_601_600), crs=CRS(32622), what="the box of the test")
GREEN = "/files/S2A_1_L2A/green.tif"


def web(**more: Any) -> Web:
    return Web(**{"wait_s": 0.0, "timeout_s": 2.0, **more})


def add(
    catalogue: Catalogue, name: str = "S2A_1_L2A", date: str = "2020-08-01T15:00:00Z", **more: Any
) -> dict[str, Any]:
    files = {"green": tiff(numbers(3000, shape=(50, 50)), size_m=40, nodata=0)}
    return catalogue.add(name, date, files, **{BASELINE: "02.14", **more})


def ask(catalogue: Catalogue, *, using: Web | None = None) -> tuple[StacRequest, Listing]:
    request = StacRequest(
        address=catalogue.url, since=dt.date(2000, 1, 1), until=dt.date(2025, 12, 31),
        collections=("sentinel-2-l2a",), bands=("green",),
    )  # fmt: skip
    return request, list_scenes(request, PLACE, web=using or web())


def green(catalogue: Catalogue, *, using: Web | None = None) -> np.ndarray:
    request, listing = ask(catalogue, using=using)
    (each,) = listing.listed
    assert not each.problem, each.problem
    kept = fetch_listed(each, request, PLACE, web=using or web())
    with rasterio.open(kept.path) as raster:
        return np.asarray(raster.read(1))


def found(catalogue: Catalogue, *, since: dt.date = dt.date(2000, 1, 1), until: dt.date = dt.date(2025, 12, 31)) -> Any:
    items, problems = search(
        catalogue.url, boxes=PLACE.boxes(), since=since, until=until, collections=("sentinel-2-l2a",), web=web()
    )
    return [item.id for item in items], problems


def fails(status: int, **headers: str) -> Any:
    return lambda handler: handler.send(b"{}", status, **headers)


def fails_always(status: int) -> Any:
    return lambda handler: handler.send(b"{}", status) or True


# What passes: asked again, the right answer comes.


@pytest.mark.parametrize("path", ["/", "/search", GREEN])
@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_has_no_time_is_asked_again(catalogue: Catalogue, path: str, status: int) -> None:
    add(catalogue)
    catalogue.faults[path] = times(2, fails(status))
    assert green(catalogue) == pytest.approx(0.3)


def test_a_server_is_left_alone_as_long_as_it_says(catalogue: Catalogue) -> None:
    add(catalogue)
    catalogue.faults[GREEN] = times(1, fails(429, Retry_After="7"))
    slept: list[float] = []
    assert green(catalogue, using=web(sleep=slept.append)) == pytest.approx(0.3)
    assert slept == [7.0]


def test_a_server_that_wants_an_hour_is_not_waited_for(catalogue: Catalogue) -> None:
    add(catalogue)
    catalogue.faults["/search"] = times(9, fails(429, Retry_After="3600"))
    with pytest.raises(DataNotFoundError, match="wants to be left alone for 3600 s"):
        found(catalogue)


@pytest.mark.parametrize("path", ["/search", GREEN])
def test_a_body_that_breaks_off_is_fetched_again(catalogue: Catalogue, path: str) -> None:
    add(catalogue)
    catalogue.faults[path] = times(1, lambda handler: handler.send(b'{"type": "Feat', length=900_000 // 2))
    assert green(catalogue) == pytest.approx(0.3)


def test_a_slow_server_is_told_of_and_not_waited_for_for_ever(catalogue: Catalogue) -> None:
    add(catalogue)
    catalogue.faults["/search"] = times(9, lambda _: time.sleep(1.0))
    with pytest.raises(DataNotFoundError, match="timed out, 2 times; run this again later"):
        search(catalogue.url, boxes=PLACE.boxes(), since=dt.date(2020, 1, 1), until=dt.date(2021, 1, 1),
               collections=(), web=web(timeout_s=0.2, tries=2))  # fmt: skip


def test_a_server_that_drips_is_given_up(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    """No single step takes too long: all of them do."""
    add(catalogue)
    monkeypatch.setattr("glaciertime.scenes.transfer._SLOWEST_S", 0.3)

    def drip(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(100):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.05)
        return True

    catalogue.faults[GREEN] = drip
    with pytest.raises(DataNotFoundError, match=r"the server sent \d+ bytes in 0 s, 2 times"):
        Ranges(catalogue.url + GREEN, web=web(tries=2))


# What moved is followed, with what was asked.


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_search_that_moved_is_still_that_search(catalogue: Catalogue, status: int) -> None:
    """As a GET without its body it would be answered with everything that there is."""
    add(catalogue)
    add(catalogue, "S2A_2_L2A", "1999-08-01T15:00:00Z")
    there = catalogue.url + "/search?moved=1"
    catalogue.faults["/search"] = times(1, lambda handler: handler.send(b"", status, Location=there))
    assert found(catalogue) == (["S2A_1_L2A"], [])
    assert [line.split()[0] for line in catalogue.asked if "/search" in line] == ["POST", "POST"]


def test_a_file_that_moved_is_read_where_it_is(catalogue: Catalogue) -> None:
    add(catalogue)
    catalogue.files["/elsewhere.tif"] = catalogue.files[GREEN]
    catalogue.faults[GREEN] = lambda handler: handler.send(b"", 302, Location="/elsewhere.tif") or True
    assert green(catalogue) == pytest.approx(0.3)


@pytest.mark.parametrize("there", ["file:///etc/passwd", "ftp://127.0.0.1/a.tif"])
def test_a_file_that_moved_off_the_web_is_not_followed(catalogue: Catalogue, there: str) -> None:
    add(catalogue)
    catalogue.faults[GREEN] = lambda handler: handler.send(b"", 302, Location=there) or True
    with pytest.raises(GlacierTimeError, match=r"302|sends elsewhere"):
        green(catalogue)


# Servers that do not know how to give pieces, or give others.


def test_a_server_without_ranges_gives_the_whole_file(catalogue: Catalogue) -> None:
    add(catalogue)
    catalogue.has_ranges = False
    assert green(catalogue) == pytest.approx(0.3)


def test_other_bytes_than_those_asked_for_are_refused(catalogue: Catalogue) -> None:
    add(catalogue)
    wrong = catalogue.files[GREEN][1:]
    catalogue.faults[GREEN] = lambda handler: (
        handler.send(wrong, 206, Content_Range=f"bytes 1-{len(wrong)}/{len(wrong) + 1}") or True
    )
    with pytest.raises(InputError, match="gives other bytes than those asked for"):
        green(catalogue)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_why_a_later_piece_could_not_be_had_is_told(
    catalogue: Catalogue, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(catalogue)
    rng = np.random.default_rng(0)
    catalogue.files[GREEN] = tiff(rng.integers(1, 20_000, (300, 300)).astype("uint16"), size_m=10)
    catalogue.faults[GREEN] = lambda handler: (
        "bytes=0-" not in handler.headers["Range"] and (handler.send(b"{}", 503) or True)
    )
    with pytest.raises(DataNotFoundError, match=r"the server answers 503 .*, 5 times; run this again"):
        green(catalogue)
    assert "Traceback" not in capfd.readouterr().err

    fetch = Ranges._fetch

    def interrupted(ranges: Ranges, first: int, count: int) -> None:
        if first:
            raise KeyboardInterrupt
        fetch(ranges, first, count)

    request, listing = ask(catalogue)
    monkeypatch.setattr(Ranges, "_fetch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch_listed(listing.listed[0], request, PLACE, web=web())


def test_a_file_that_changes_while_it_is_read_is_refused(catalogue: Catalogue) -> None:
    rng = np.random.default_rng(0)
    catalogue.files["/big.tif"] = tiff(rng.integers(1, 60_000, (400, 400)).astype("uint16"), size_m=10)
    catalogue.faults["/big.tif"] = lambda handler: (
        handler.send_file(catalogue.files["/big.tif"], etag=f'"{len(catalogue.asked)}"') or True
    )
    ranges = Ranges(catalogue.url + "/big.tif", web=web())
    with pytest.raises(InputError, match="changed while it was read"):
        ranges.read()


def test_pieces_of_a_file_are_those_of_the_whole(catalogue: Catalogue) -> None:
    content = bytes(np.random.default_rng(0).integers(0, 256, 300_001, dtype="uint8"))
    catalogue.files["/a.bin"] = content
    ranges = Ranges(catalogue.url + "/a.bin", web=web())
    for place, count in ((0, 5), (65_530, 20), (299_990, 100), (131_072, 65_536), (65_536, 1), (300_001, 5)):
        ranges.seek(place)
        assert ranges.read(count) == content[place : place + count]
    ranges.seek(0)
    assert ranges.read() == content
    assert len(catalogue.asked) == 5, "no block is asked for twice"


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"II*\0" + b"\0" * 40])
def test_what_is_no_raster_is_refused(catalogue: Catalogue, content: bytes) -> None:
    add(catalogue)
    catalogue.files[GREEN] = content
    with pytest.raises(GlacierTimeError, match=r"S2A_1_L2A, green|is empty|other bytes|another number"):
        green(catalogue)


def test_a_truncated_file_is_refused_and_named(catalogue: Catalogue) -> None:
    add(catalogue)
    rng = np.random.default_rng(0)
    whole = tiff(rng.integers(2000, 4000, (50, 50)).astype("uint16"), size_m=40)
    catalogue.files[GREEN] = whole[: len(whole) // 2]
    with pytest.raises(InputError, match=r"S2A_1_L2A, green.*cannot be read"):
        green(catalogue)


def test_a_virtual_raster_that_leads_elsewhere_is_not_opened(catalogue: Catalogue) -> None:
    add(catalogue)
    catalogue.files[GREEN] = b'<VRTDataset rasterXSize="9" rasterYSize="9"><SourceFilename>/etc/passwd</SourceFilename>'
    with pytest.raises(InputError, match="neither a GeoTIFF nor JPEG 2000"):
        green(catalogue)


# What catalogues say.


def answers(body: bytes) -> Any:
    return lambda handler: handler.send(body) or True


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "is not JSON"),
        (b"[1, 2]", "is no object of JSON"),
        (b'{"type": "FeatureCollection"}', "holds no list of items"),
        (b'{"type": "FeatureCollection", "features": ["a"], "links": []}', "something else than items"),
        (b'{"features": ' + b"[" * 3000 + b"]" * 3000 + b"}", "levels"),
        (b"\xff\xfe", "cannot be searched"),
    ],
)
def test_an_answer_that_is_none_is_refused(catalogue: Catalogue, body: bytes, reason: str) -> None:
    add(catalogue)
    catalogue.faults["/search"] = answers(body)
    with pytest.raises(InputError, match=reason):
        found(catalogue)


def test_every_page_is_read_and_an_empty_one_is_not_the_end(catalogue: Catalogue) -> None:
    for number in range(7):
        add(catalogue, f"S2A_{number}_L2A", f"2020-08-{number + 1:02d}T15:00:00Z")
    catalogue.page_items = 2
    assert len(found(catalogue)[0]) == 7
    empty = {"type": "FeatureCollection", "features": [],
             "links": [{"rel": "next", "href": f"{catalogue.url}/search?rest=1", "method": "GET"}]}  # fmt: skip
    catalogue.faults["/search"] = times(1, lambda handler: handler.send_json(empty))
    rest = {"type": "FeatureCollection", "features": [catalogue.items["S2A_3_L2A"]], "links": []}
    first = catalogue.faults["/search"]

    def then(handler: Handler) -> bool:
        return first(handler) or (handler.send_json(rest) or True)

    catalogue.faults["/search"] = then
    assert found(catalogue)[0] == ["S2A_3_L2A"]


def test_a_catalogue_that_is_asked_by_get_alone_is(catalogue: Catalogue) -> None:
    for number in range(5):
        add(catalogue, f"S2A_{number}_L2A", f"2020-08-{number + 1:02d}T15:00:00Z")
    catalogue.methods, catalogue.page_items = ("GET",), 2
    assert len(found(catalogue)[0]) == 5


def static(catalogue: Catalogue) -> str:
    """Write the items of a catalogue as files that lead to each other, in a circle too; return the first."""
    import json

    links = [{"rel": "child", "href": "./s2/collection.json"}, {"rel": "self", "href": "./catalog.json"}]
    items = [{"rel": "item", "href": f"../items/{name}.json"} for name in catalogue.items]
    circle = {"rel": "child", "href": "../catalog.json"}
    written = {
        "/static/catalog.json": {"type": "Catalog", "id": "c", "links": links},
        "/static/s2/collection.json": {"type": "Collection", "id": "sentinel-2-l2a", "links": [*items, circle]},
        **{f"/static/items/{name}.json": item for name, item in catalogue.items.items()},
    }
    catalogue.files |= {path: json.dumps(held).encode() for path, held in written.items()}
    return catalogue.url + "/static/catalog.json"


def test_a_catalogue_that_is_files_is_walked(catalogue: Catalogue) -> None:
    for number in range(3):
        item = add(catalogue, f"S2A_{number}_L2A", f"202{number}-08-01T15:00:00Z")
        item["assets"]["green"]["href"] = f"../../files/S2A_{number}_L2A/green.tif"
    add(catalogue, "S2A_9_L2A", "1999-08-01T15:00:00Z")
    request = StacRequest(
        address=static(catalogue), since=dt.date(2021, 1, 1), until=dt.date(2025, 1, 1), bands=("green",)
    )
    listing = list_scenes(request, PLACE, web=web())
    assert [each.one.id for each in listing.listed] == ["S2A_1_L2A", "S2A_2_L2A"]
    assert fetch_listed(listing.listed[0], request, PLACE, web=web()).is_new
    assert not [line for line in catalogue.asked if "search" in line]


@pytest.mark.parametrize("there", ["file:///etc/passwd", "s3://bucket/item.json"])
def test_files_that_lead_off_the_web_are_not_followed(catalogue: Catalogue, there: str) -> None:
    catalogue.faults["/"] = lambda handler: (
        handler.send_json({"type": "Catalog", "id": "c", "links": [{"rel": "item", "href": there}]}) or True
    )
    with pytest.raises(InputError, match="leads on to"):
        found(catalogue)


def test_other_collections_than_those_asked_for_are_left_out_and_told_where_there_is_nothing_else(
    catalogue: Catalogue,
) -> None:
    page = {"type": "FeatureCollection", "features": [add(catalogue, collection="sentinel-2-c1-l2a")], "links": []}
    catalogue.faults["/search"] = lambda handler: handler.send_json(page) or True
    assert found(catalogue) == ([], ["It has scenes of sentinel-2-c1-l2a: name what is wanted with --collection"])
    page["features"].append(add(catalogue, "S2A_2_L2A"))
    assert found(catalogue) == (["S2A_2_L2A"], [])


def test_pages_that_lead_in_a_circle_end(catalogue: Catalogue) -> None:
    item = add(catalogue)
    more = {"rel": "next", "href": f"{catalogue.url}/search", "method": "POST", "body": {"token": 1}}
    page = {"type": "FeatureCollection", "features": [item], "links": [more]}
    catalogue.faults["/search"] = lambda handler: handler.send_json(page) or True
    with pytest.raises(InputError, match="its pages lead in a circle"):
        found(catalogue)


def test_pages_without_end_end(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    item = add(catalogue)
    monkeypatch.setenv("GLACIERTIME_MAX_SCENES", "20")

    def more(handler: Handler) -> bool:
        links = [{"rel": "next", "href": f"{catalogue.url}/search?page={len(catalogue.asked)}", "method": "GET"}]
        handler.send_json({"type": "FeatureCollection", "features": [item], "links": links})
        return True

    catalogue.faults["/search"] = more
    with pytest.raises(InputError, match="at most 20 taken; ask for fewer days, or raise the limit with"):
        found(catalogue)
    assert len(catalogue.asked) < 30


@pytest.mark.parametrize("there", ["file:///etc/passwd", "/etc/passwd\\x", "s3://bucket/search"])
def test_a_catalogue_that_leads_off_the_web_is_not_followed(catalogue: Catalogue, there: str) -> None:
    item = add(catalogue)
    page = {"type": "FeatureCollection", "features": [item], "links": [{"rel": "next", "href": there}]}
    catalogue.faults["/search"] = lambda handler: handler.send_json(page) or True
    with pytest.raises(InputError, match="leads on to"):
        found(catalogue)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"properties": {"datetime": None}}, "says no date"),
        ({"properties": {"datetime": "yesterday"}}, "its date 'yesterday' is none"),
        ({"properties": {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z",
                         "end_datetime": "2020-12-31T00:00:00Z"}}, "from 2020-01-01 to 2020-12-31, no day"),
        ({"assets": None}, "says nothing of its properties or its files"),
        ({"id": ""}, "without a name"),
        ({"geometry": {"type": "Polygon", "coordinates": [[["a", "b"]]]}}, "its outline cannot be read"),
    ],
)  # fmt: skip
def test_an_item_that_cannot_be_used_is_told_of_and_the_others_are(
    catalogue: Catalogue, change: dict[str, Any], reason: str
) -> None:
    good = add(catalogue, "S2A_2_L2A")
    bad = {**add(catalogue), **change}
    page = {"type": "FeatureCollection", "features": [bad, good], "links": []}
    catalogue.faults["/search"] = lambda handler: handler.send_json(page) or True
    ids, problems = found(catalogue)
    assert ids == ["S2A_2_L2A"]
    assert [reason in problem for problem in problems] == [True]


@pytest.mark.parametrize(
    ("told", "day"),
    [
        ("2020-08-01T23:30:00-03:00", "2020-08-02"),
        ("2020-08-01T00:00:00Z", "2020-08-01"),
        ("2020-08-01T00:30:00+01:00", "2020-07-31"),
        ("2020-08-01T15:01:02.123456Z", "2020-08-01"),
        ("2020-08-01T15:01:02", "2020-08-01"),
    ],
)
def test_the_day_of_a_scene_is_that_in_utc(catalogue: Catalogue, told: str, day: str) -> None:
    item = add(catalogue)
    item["properties"]["datetime"] = told
    items, _ = search(
        catalogue.url, boxes=PLACE.boxes(), since=dt.date(2020, 7, 1), until=dt.date(2020, 9, 1), collections=(),
        web=web(),
    )  # fmt: skip
    assert [item.date.isoformat() for item in items] == [day]


def test_the_last_day_counts_and_the_next_does_not(catalogue: Catalogue) -> None:
    add(catalogue, "S2A_1_L2A", "2020-08-01T23:59:58Z")
    add(catalogue, "S2A_2_L2A", "2020-08-02T00:00:00Z")
    assert found(catalogue, since=dt.date(2020, 8, 1), until=dt.date(2020, 8, 1))[0] == ["S2A_1_L2A"]


@pytest.mark.parametrize(
    "there",
    ["file:///etc/passwd", "s3://sentinel-cogs/a.tif", "gs://a/b.tif", "/vsicurl/http://a.org/b.tif", "", None,
     "ftp://a.org/b.tif", "data:text/plain,a", "C:\\b.tif", "http://user:secret@127.0.0.1/b.tif", "javascript:alert(1)",
     "http://[", "FILE:///etc/passwd"],
)  # fmt: skip
def test_a_file_that_is_not_on_the_web_is_refused_for_that_scene(catalogue: Catalogue, there: object) -> None:
    item = add(catalogue)
    add(catalogue, "S2A_2_L2A", "2021-08-01T15:00:00Z")
    item["assets"]["green"]["href"] = there
    request, listing = ask(catalogue)
    first, second = listing.listed
    with pytest.raises(InputError, match="S2A_1_L2A, green: "):
        fetch_listed(first, request, PLACE, web=web())
    assert fetch_listed(second, request, PLACE, web=web()).is_new


def test_a_relative_address_counts_from_the_item(catalogue: Catalogue) -> None:
    item = add(catalogue)
    item["assets"]["green"]["href"] = "../../../files/S2A_1_L2A/green.tif"
    assert green(catalogue) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        ("http://a.org/b.tif", "is not encrypted"),
        ("https://127.0.0.1/b.tif", "private network"),
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("https://localhost/b.tif", "private network"),
        ("https://[::1]/b.tif", "private network"),
        ("https://10.0.0.7/b.tif", "private network"),
    ],
)
def test_a_public_catalogue_leads_to_no_machine_behind_the_wall(href: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        asset_address(href, base="https://a.org/items/1")


def test_an_item_that_says_it_is_elsewhere_does_not_stop_the_others(catalogue: Catalogue) -> None:
    for place, href in enumerate(("http://[", "file:///etc/passwd", "http://10.0.0.7/items/1", None)):
        item = add(catalogue, f"S2A_{place}_L2A", f"2020-08-0{place + 1}T15:00:00Z")
        item["links"] = [{"rel": "self", "href": href}, "no link"]
    assert found(catalogue) == ([f"S2A_{place}_L2A" for place in range(4)], [])


def test_a_missing_file_is_told_with_those_that_are_there(catalogue: Catalogue) -> None:
    item = add(catalogue)
    item["assets"]["blue"] = item["assets"].pop("green")
    _, listing = ask(catalogue)
    assert listing.listed[0].problem == "S2A_1_L2A has no band green; its files are blue"
    item["assets"]["green"] = {**item["assets"]["blue"], "href": f"{catalogue.url}/files/gone.tif"}
    request, listing = ask(catalogue)
    with pytest.raises(DataNotFoundError, match=r"gone\.tif: the server answers 404"):
        fetch_listed(listing.listed[0], request, PLACE, web=web())


def test_what_the_catalogue_says_of_the_projection_is_not_needed(catalogue: Catalogue) -> None:
    add(catalogue, **{"proj:epsg": None, "proj:transform": [1, 0, 0, 0, 1, 0]})
    assert green(catalogue) == pytest.approx(0.3)


def test_files_that_want_tokens_get_them_and_no_message_shows_them(catalogue: Catalogue) -> None:
    add(catalogue)
    add(catalogue, "S2A_2_L2A", "2021-08-01T15:00:00Z")
    catalogue.faults["/token/sentinel-2-l2a"] = lambda handler: handler.send_json({"token": "sig=s3cret"}) or True

    def closed(handler: Handler) -> bool:
        if "sig=s3cret" in handler.path:
            return False
        handler.send_json({}, 409)
        return True

    catalogue.faults[GREEN] = closed
    catalogue.faults["/files/S2A_2_L2A/green.tif"] = fails_always(403)
    request, listing = ask(catalogue)
    with pytest.raises(DataNotFoundError, match="where the catalogue wants tokens, say --sign"):
        fetch_listed(listing.listed[0], request, PLACE, web=web())
    request = replace(request, sign=f"{catalogue.url}/token/{{collection}}")
    using = web()
    kept = fetch_listed(listing.listed[0], request, PLACE, web=using)
    assert "s3cret" not in str(kept)
    with pytest.raises(DataNotFoundError, match="403") as told:
        fetch_listed(listing.listed[1], request, PLACE, web=using)
    assert "s3cret" not in str(told.value)
    assert sum("/token/" in line for line in catalogue.asked) == 1


@pytest.mark.parametrize("answer", [{}, {"token": None}, {"token": "a b"}, {"token": "a\r\nHost: b"}, ["token"]])
def test_an_answer_without_a_token_is_refused(catalogue: Catalogue, answer: Any) -> None:
    add(catalogue)
    catalogue.faults["/token"] = lambda handler: handler.send_json(answer) or True
    request, listing = ask(catalogue)
    with pytest.raises(InputError, match="holds no token"):
        fetch_listed(listing.listed[0], replace(request, sign=f"{catalogue.url}/token"), PLACE, web=web())


# Where scenes lie.


def test_a_scene_of_which_only_a_point_is_told_is_looked_at(catalogue: Catalogue) -> None:
    add(catalogue, footprint={"type": "Point", "coordinates": [-50.98, 68.52]})
    assert green(catalogue) == pytest.approx(0.3)


def test_a_scene_that_only_touches_the_box_is_left_out(catalogue: Catalogue) -> None:
    add(catalogue)
    west, south, _, north = PLACE.boxes()[0]
    beside = shapely.geometry.mapping(shapely.box(west - 1, south, west, north))
    add(catalogue, "S2A_2_L2A", "2020-09-01T15:00:00Z", footprint=beside)
    assert [each.one.id for each in ask(catalogue)[1].listed] == ["S2A_1_L2A"]


def test_a_scene_beside_a_box_that_is_turned_against_north_is_left_out(catalogue: Catalogue) -> None:
    """It lies in the corner of the box around the box."""
    turned = Place(polygon=shapely.affinity.rotate(PLACE.polygon, 45), crs=PLACE.crs, what="it")
    west, south, east, north = turned.boxes()[0]
    add(
        catalogue,
        footprint=shapely.geometry.mapping(
            shapely.box(west, south, west + 0.2 * (east - west), south + 0.2 * (north - south))
        ),
    )
    items, _ = search(
        catalogue.url,
        boxes=turned.boxes(),
        since=dt.date(2020, 1, 1),
        until=dt.date(2021, 1, 1),
        collections=(),
        web=web(),
    )
    assert len(items) == 1
    assert passes_over(items, turned.degrees())[0] == []


def test_a_box_across_the_180th_meridian_is_asked_for_on_both_sides(catalogue: Catalogue) -> None:
    place = Place(polygon=shapely.box(-1e5, -1e5, 1e5, 1e5), crs=CRS("+proj=laea +lat_0=68 +lon_0=180"), what="it")
    (west, _, middle, _), (other, _, east, _) = place.boxes()
    assert (middle, other) == (180.0, -180.0)
    assert [west, east] == pytest.approx([177.4, -177.4], abs=0.2)
    assert place.degrees().bounds[0] == -180


@pytest.mark.parametrize(
    "ring",
    [
        [(179, 67), (181, 67), (181, 69), (179, 69)],
        [(-181, 67), (-179, 67), (-179, 69), (-181, 69)],
        [(179, 67), (-179, 67), (-179, 69), (179, 69)],
    ],
)
def test_an_outline_across_the_180th_meridian_is_the_same_in_whatever_form(catalogue: Catalogue, ring: Any) -> None:
    add(catalogue, footprint=shapely.geometry.mapping(shapely.Polygon(ring)))
    (item,), _ = search(
        catalogue.url, boxes=[(-180, -90, 180, 90)], since=dt.date(2020, 1, 1), until=dt.date(2021, 1, 1),
        collections=(), web=web(),
    )  # fmt: skip
    assert item.footprint is not None
    expected = shapely.union(shapely.box(179, 67, 180, 69), shapely.box(-180, 67, -179, 69))
    assert item.footprint.symmetric_difference(expected).area == pytest.approx(0, abs=1e-9)


def test_a_box_around_a_pole_is_refused() -> None:
    place = Place(polygon=shapely.box(-1e5, -1e5, 1e5, 1e5), crs=CRS(3031), what="the box")
    with pytest.raises(InputError, match="the box lies around a pole"):
        place.boxes()
