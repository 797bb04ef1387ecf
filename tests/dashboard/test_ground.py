"""What the page stands on, without a browser: names, room, commands, pictures, places, rates."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import urllib.request
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

pytest.importorskip("panel", reason="the extra 'dashboard' is not installed")

from glaciertime.dashboard.commands import Commands
from glaciertime.dashboard.draw_tab import parse_places, rates_with
from glaciertime.dashboard.preview import picture
from glaciertime.dashboard.uploads import check_content, checked_name
from glaciertime.dashboard.workplace import Workplace, at_key
from glaciertime.errors import InputError
from glaciertime.tables import empty
from tests.dashboard_server import served


def to_its_end(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a thread: the browser of other tests keeps a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.mark.parametrize(
    "name", ["../a.tif", "..\\a.tif", "/etc/a.tif", "a\x00.tif", ".a.tif", "a<b>.tif", "a.svg", "a.tif.exe", "x" * 130]
)
def test_a_name_that_is_none_of_a_file_of_that_kind_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"bring|rename"):
        checked_name(name, kind="images")


def test_names_of_people_who_write_otherwise_are_taken() -> None:
    assert checked_name("Škeiðarárjökull 2003-08-12 (cut).TIF", kind="images") == "Škeiðarárjökull 2003-08-12 (cut).TIF"


def test_a_session_leaves_nothing_behind_and_its_key_ends() -> None:
    place = Workplace()
    (place.new_folder("mask") / "a.tif").write_bytes(b"x")
    assert at_key(place.key) is place
    assert place.folder.stat().st_mode & 0o077 == 0
    place.close()
    assert not place.folder.exists()
    assert at_key(place.key) is None


def test_a_session_takes_no_more_than_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_MAX_SESSION_MB", "1")
    place = Workplace()
    try:
        place.check_room("a.tif", 0.9)
        (place.folder / "b.tif").write_bytes(b"x" * 200_000)
        with pytest.raises(InputError, match="session-mb"):
            place.check_room("a.tif", 0.9)
        with pytest.raises(InputError, match="upload-mb"):
            place.check_room("a.tif", 501)
    finally:
        place.close()


def test_a_command_tells_its_sentences_its_result_and_itself(tmp_path: Path) -> None:
    said: list[str] = []

    async def both() -> None:
        commands = Commands(tmp_path)
        ended = await commands.run(["table", "--archive", "none.gpkg"], hear=said.append)
        assert (ended.code, ended.has_result) == (1, False)
        assert "there is no archive none.gpkg" in ended.sentences[-1]
        assert said == list(ended.sentences)
        assert ended.command == "glaciertime table --archive none.gpkg"

    to_its_end(both())


def test_a_command_that_is_stopped_ends_and_says_so(tmp_path: Path) -> None:
    async def stop() -> None:
        commands = Commands(tmp_path)
        running = asyncio.ensure_future(
            commands.run(["-n", "1", "import time; time.sleep(60)"], hear=lambda _: None, module="timeit")
        )
        while not commands.is_busy:
            await asyncio.sleep(0.05)
        await commands.stop()
        ended = await running
        assert ended.code < 0
        assert ended.sentences[-1] == "Stopped."
        assert not commands.is_busy

    to_its_end(stop())


def test_a_picture_keeps_what_was_not_observed_clear(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = np.arange(100, dtype="float32").reshape(10, 10)
    values[0] = -9999
    values[1, 0] = np.nan
    with rasterio.open(
        path, "w", driver="GTiff", width=10, height=10, count=1, dtype="float32", nodata=-9999
    ) as raster:
        raster.write(values, 1)
    rgba, told = picture(path)
    assert (rgba[0, :, 3] == 0).all()
    assert rgba[1, 0, 3] == 0
    assert (rgba[2:, :, 3] == 255).all()
    assert rgba[2, 0, 0] < rgba[9, 9, 0]
    assert (told["width"], told["height"], told["count"], told["crs"]) == (10, 10, 1, None)


def test_a_picture_of_bands_that_are_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8") as raster:
        raster.write(np.ones((4, 4), "uint8"), 1)
    with pytest.raises(InputError, match="has 1 bands"):
        picture(path, bands=(3, 2, 1))
    (tmp_path / "b.tif").write_text("no raster")
    with pytest.raises(InputError, match="cannot be opened as an image"):
        picture(tmp_path / "b.tif")


def test_a_line_that_crosses_itself_is_refused() -> None:
    crossed = "0,0\n2,2\n2,0\n0,2"
    for kind in ("front", "centreline", "fjord"):
        with pytest.raises(InputError, match="crosses itself"):
            parse_places(crossed, kind=kind)
    assert len(parse_places(crossed, kind="box")) == 4
    assert len(parse_places("0,0\n2,0\n2,2\n0,2", kind="fjord")) == 4
    assert parse_places("0,0\n0,0\n2,2", kind="front") == [(0.0, 0.0), (2.0, 2.0)]


@pytest.mark.parametrize("text", ["", "1", "1,2", "1,2\n1,2", "200, 10\n1,1", "a,b\n1,1", "1,91\n1,1"])
def test_places_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"degrees|needed"):
        parse_places(text, kind="front")


def test_the_rate_with_a_drawn_front_is_that_of_the_series_with_its_value() -> None:
    days = [dt.date(2000 + year, 1, 1) for year in range(6)]
    rows = pd.DataFrame(
        {
            "glacier": "A", "date": pd.to_datetime(days), "variable": "front_position_m",
            "value": [1000.0 - 10 * year for year in range(6)], "sigma": 1.0, "unit": "m", "method": "centreline",
            "footprint": "centreline", "dataset": "theirs", "sensor": "", "image_id": [f"i{k}" for k in range(6)],
            "coverage": 1.0, "quality": "ok", "source": "observed", "front_of": "", "bound": "",
        }
    )  # fmt: skip
    rows = rows.reindex(columns=empty("observations").columns)
    drawn = rows.iloc[[5]].assign(value=900.0, dataset="drawn by me")
    table = rates_with(pd.concat([rows, drawn]), date=days[5], drawn="drawn by me", instead_of="theirs")
    assert len(table) == 1
    years = (pd.to_datetime(days) - pd.Timestamp("2000-01-01")).days.to_numpy() / 365.25
    for name, values in (("was", rows["value"]), ("now", [*rows["value"][:5], 900.0])):
        slope = np.polyfit(years, np.asarray(values, float), 1)[0]
        assert table[f"rate_{name}"].iloc[0] == pytest.approx(slope, rel=1e-6)
    assert (table["was"].iloc[0], table["now"].iloc[0]) == (950.0, 900.0)


def test_a_front_of_a_date_that_nobody_else_measured_changes_no_rate() -> None:
    rows = empty("observations")
    assert rates_with(rows, date=dt.date(2000, 1, 1), drawn="a", instead_of="b").empty


def test_a_name_of_a_mac_is_the_one_that_others_write() -> None:
    assert checked_name("Sko\u0308gar.tif", kind="images") == "Sk\u00f6gar.tif"
    with pytest.raises(InputError, match="too long"):
        checked_name("\u51b0" * 100 + ".tif", kind="images")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tif", b'<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>'),
        ("a.tif", b"\x89HDF\r\n\x1a\n" + bytes(64)),
        ("a.tif", b"CDF\x01" + bytes(64)),
        ("a.tif", b"%PDF-1.7"),
        ("a.png", b"<GDAL_WMS><Service name='TMS'/></GDAL_WMS>"),
        ("a.kml", b"<OGRVRTDataSource><!-- <kml --></OGRVRTDataSource>"),
        ("a.geojson", b"<OGRVRTDataSource></OGRVRTDataSource>"),
        ("a.gpkg", b"PK\x03\x04"),
    ],
)
def test_a_file_that_leads_elsewhere_is_no_image_whatever_it_is_called(
    name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"is no "):
        check_content(tmp_path / name, name)


def test_a_picture_is_not_made_of_the_bytes_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(range(100)))
    path = tmp_path / "brought" / "a.tif"
    path.parent.mkdir()
    path.write_text(
        '<VRTDataset rasterXSize="10" rasterYSize="10"><VRTRasterBand dataType="Byte" band="1" '
        f'subClass="VRTRawRasterBand"><SourceFilename relativeToVRT="0">{tmp_path / "secret"}</SourceFilename>'
        "<ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>10</LineOffset></VRTRasterBand>"
        "</VRTDataset>"
    )
    with pytest.raises(InputError, match="raw bytes"):
        picture(path)


def test_work_of_two_commands_is_not_begun_twice_and_is_stopped_as_one(tmp_path: Path) -> None:
    async def work() -> None:
        said: list[str] = []
        commands = Commands(tmp_path)
        assert commands.take()
        assert commands.is_busy  # before the first command has a process
        assert not commands.take()
        await commands.stop()
        ended = await commands.run(["--version"], hear=said.append)
        assert (ended.has_result, said) == (False, ["Stopped."])
        commands.give_back()
        assert commands.take()
        assert (await commands.run(["--version"], hear=said.append)).code == 0
        commands.give_back()
        commands.end()
        assert commands.take()
        assert not (await commands.run(["--version"], hear=said.append)).has_result

    to_its_end(work())


def test_all_that_runs_is_ended_with_the_session(tmp_path: Path) -> None:
    async def both() -> None:
        commands = Commands(tmp_path)
        sleep = ["-n", "1", "import time; time.sleep(60)"]
        running = [asyncio.ensure_future(commands.run(sleep, hear=lambda _: None, module="timeit")) for _ in range(2)]
        await asyncio.sleep(2)
        commands.end()
        for ended in await asyncio.wait_for(asyncio.gather(*running), 20):
            assert ended.code < 0

    to_its_end(both())


def test_what_the_system_ended_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    kill = ["-n", "1", "import os; os.kill(os.getpid(), 9)"]
    ended = to_its_end(Commands(tmp_path).run(kill, hear=said.append, module="timeit"))
    assert ended.code == -9
    assert "not be enough memory" in said[-1]


def test_a_server_that_is_ended_leaves_no_files(tmp_path: Path) -> None:
    with served(tmp_path) as (address, _):
        urllib.request.urlopen(address, timeout=60).close()
        assert list(tmp_path.glob("glaciertime-dashboard-*"))
    assert not list(tmp_path.glob("glaciertime-dashboard-*"))


def test_a_glacier_without_series_shows_nothing_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from glaciertime.dashboard import look as module
    from glaciertime.dashboard.session import Session
    from glaciertime.record import GlacierRecord

    rows = pd.DataFrame(
        {
            "glacier": "A", "date": pd.to_datetime(["2000-01-01", "2000-01-01", "2001-01-01"]), "variable": "area_km2",
            "value": [3.0, 2.0, 1.0], "sigma": 0.1, "unit": "km2", "method": "mask", "footprint": "box",
            "dataset": "d", "sensor": "", "image_id": ["a", "b", "c"], "coverage": 1.0, "quality": "ok",
            "source": "observed", "front_of": "", "bound": "",
        }
    )  # fmt: skip
    rows = rows.reindex(columns=empty("observations").columns)

    def record(archive: Any, name: str) -> GlacierRecord:
        read = {table: empty(table) for table in ("observations", "fronts", "inputs")}
        return GlacierRecord(archive, name, read=read | ({"observations": rows} if name == "A" else {}))

    monkeypatch.setattr(module, "read_record", record)
    session = Session(Path("none.gpkg"))
    try:
        session.glacier.options = {"A": "A", "B": "B"}
        look = module._Look(session)
        session.glacier.value = "A"
        assert look.date.texts == ["2000-01-01", "2000-01-01 (2)", "2001-01-01"]
        look._tapped("indices", [], [0])
        assert "3 ± 0.1 km²" in look.told.object
        session.glacier.value = "B"
        assert not look.chart.objects
        assert "km" not in look.told.object
    finally:
        session.close()


def test_fronts_that_are_shown_are_those_of_the_run() -> None:
    import geopandas as gpd

    from glaciertime.dashboard.forecast_tab import _of_these

    held = gpd.GeoDataFrame(
        {"source": "observed", "cutoff": pd.Timestamp("2020-01-01"), "model": "m", "kind": ["front", "front"],
         "target_date": pd.to_datetime(["2025-01-01", "2030-01-01"]), "status": "ok"}, geometry=[None, None],
    )  # fmt: skip
    printed = pd.DataFrame(held.drop(columns="geometry").iloc[[1]]).assign(
        cutoff="2020-01-01", target_date="2030-01-01"
    )
    assert _of_these(held, printed)["target_date"].tolist() == [pd.Timestamp("2030-01-01")]


def test_a_stop_ends_the_waiting_for_others_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from glaciertime.dashboard import commands as module

    monkeypatch.setattr(module, "_AT_ONCE", 1)

    async def work() -> None:
        first, second = Commands(tmp_path), Commands(tmp_path)
        said: list[str] = []
        sleep = ["-n", "1", "import time; time.sleep(60)"]
        long = asyncio.ensure_future(first.run(sleep, hear=lambda _: None, module="timeit"))
        await asyncio.sleep(0.1)
        assert second.take()
        queued = asyncio.ensure_future(second.run(["--version"], hear=said.append))
        await asyncio.sleep(0.1)
        assert said == ["Waiting: 1 computation of others before this one."]
        await second.stop()
        ended = await asyncio.wait_for(queued, 5)
        assert (ended.has_result, said[-1], long.done()) == (False, "Stopped.", False)
        second.give_back()
        first.end()
        await asyncio.wait_for(long, 200)  # it may still begin
        assert second.take()  # the place that was waited for is free again
        assert (await asyncio.wait_for(second.run(["--version"], hear=said.append), 200)).code == 0

    to_its_end(work())


def test_a_picture_does_not_wait_for_the_computations_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glaciertime.dashboard import commands as module

    monkeypatch.setattr(module, "_AT_ONCE", 1)

    async def work() -> None:
        computing, seeing = Commands(tmp_path), Commands(tmp_path)
        sleep = ["-n", "1", "-r", "1", "import time; time.sleep(500)"]
        long = asyncio.ensure_future(computing.run(sleep, hear=lambda _: None, module="timeit"))
        await asyncio.sleep(0.1)
        said: list[str] = []
        made = seeing.run(["none.tif", "--out", "none.npy"], hear=said.append, module="glaciertime.dashboard.preview")
        ended = await asyncio.wait_for(made, 200)
        assert (ended.code, long.done()) == (1, False)
        assert not [sentence for sentence in said if "Waiting" in sentence]
        computing.end()
        await asyncio.wait_for(long, 200)

    to_its_end(work())


def test_a_command_sees_the_environment_and_the_folder_that_are_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ["-n", "1", "-s", "import os", "print(os.environ.get('GLACIERTIME_DATA'), os.getcwd())"]
    for value in ("one", "two"):
        monkeypatch.setenv("GLACIERTIME_DATA", value)
        ended = to_its_end(Commands(tmp_path).run(told, hear=lambda _: None, module="timeit"))
        assert ended.out.splitlines()[0] == f"{value} {tmp_path}"


def test_a_command_finds_imported_what_takes_long(tmp_path: Path) -> None:
    asked = "print(sorted({'pandas', 'rasterio', 'onnxruntime'} - {*sys.modules}))"
    told = ["-n", "1", "-r", "1", "-s", "import sys", asked]
    ended = to_its_end(Commands(tmp_path).run(told, hear=lambda _: None, module="timeit"))
    assert ended.out.splitlines()[0] == "[]"


def test_what_is_kept_while_a_command_writes_is_what_was_stored_last(tmp_path: Path) -> None:
    import sqlite3

    from glaciertime.dashboard.session import Session

    session = Session()
    try:
        writer = sqlite3.connect(session.workplace.own_archive, isolation_level=None)
        writer.execute("CREATE TABLE t (a)")
        writer.execute("INSERT INTO t VALUES (1)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (2)")
        session.commands.done.append("glaciertime track")
        script, copy = session.kept()
        writer.execute("COMMIT")
        writer.close()
        assert script.read_text() == "glaciertime track\n"
        assert sqlite3.connect(copy).execute("SELECT a FROM t").fetchall() == [(1,)]
    finally:
        session.close()


@pytest.mark.xdist_group("dashboard")  # with the archive that the others there look at
def test_the_page_says_first_what_the_report_says_first(archive: Path) -> None:
    import html

    from glaciertime.archive import Archive
    from glaciertime.dashboard.headline import headline_html
    from glaciertime.record import read_record
    from glaciertime.report.content import glacier_content
    from glaciertime.report.forms import lay_out

    record = read_record(Archive(archive), "Crane")
    told = [html.unescape(re.sub("<[^>]+>", "", line)) for line in headline_html(record).splitlines()]
    page = html.unescape(re.sub("<[^>]+>", "", lay_out(glacier_content(record), form=".html").decode()))
    page = re.sub(r"\s+", " ", page)
    paragraphs = [line for line in told if line.startswith(("Simulated", "Area", "Front position, centreline on"))]
    assert len(paragraphs) >= 3
    for line in paragraphs[:3]:
        assert re.sub(r"\s+", " ", line) in page


def test_a_mask_of_a_model_that_saw_no_real_image_is_not_called_sound() -> None:
    from glaciertime.dashboard.segment_tab import areas_html

    row = {"classes": [], "model": "sar-zones", "flags": {}}
    doubt = "sar-zones was trained on 400 simulated scenes; no real image: its masks of real are not to be relied on"
    assert "Nothing is known against" in areas_html(row, "a.tif", said=["a.tif: 4 x 4 pixels"])
    told = areas_html(row, "a.tif", said=["a.tif: 4 x 4 pixels", doubt])
    assert "Nothing is known against" not in told
    assert doubt in told


def test_a_long_title_is_broken_into_lines_that_a_narrow_page_shows() -> None:
    from glaciertime.dashboard.figures import picture_figure

    name = "landsat-fronts: LC08_L2SP_233017_20200801_20200914_02_T1_SR_B4_2020-08-01.tif"
    drawn, _ = picture_figure(np.zeros((2, 2, 4), np.uint8), width=2, height=2, title=name)
    lines = drawn.title.text.splitlines()
    assert max(map(len, lines)) <= 40
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")


def test_the_password_of_a_server_reaches_its_command_and_is_shown_nowhere(tmp_path: Path) -> None:
    from glaciertime.archive import place_of

    place = place_of("postgresql://anna:geheim@127.0.0.1:1/ice")
    told = ["-n", "1", "-r", "1", "-s", "import sys", "print(sys.argv[-1])", place]
    commands = Commands(tmp_path)
    ended = to_its_end(commands.run(told, hear=lambda _: None, module="timeit"))
    assert "geheim" not in ended.command
    assert "anna@127.0.0.1" in ended.command


def test_what_is_drawn_on_a_page_changes_in_the_turn_of_the_page() -> None:
    import geopandas as gpd
    import shapely
    from bokeh.document import Document

    from glaciertime.dashboard.figures import map_figure, mark

    fronts = gpd.GeoDataFrame(
        {"Date": ["2000-01-01"], "QualFlag": "", "Author": "a"}, geometry=[shapely.LineString([(0, 0), (1, 1)])],
        crs=4326,
    )  # fmt: skip
    drawn, marked = map_figure(fronts)
    document = Document()
    document.add_root(drawn)
    mark(marked, fronts)
    (turn,) = document.session_callbacks
    assert marked.data["xs"] == []
    turn.callback()
    assert len(marked.data["xs"]) == 1


def test_a_session_copies_the_shared_archive_page_by_page(tmp_path: Path) -> None:
    """Every row was read and written again: 5 s of processor and 190 MB for 180 glaciers, for each of ten users."""
    import asyncio
    import sqlite3
    from concurrent.futures import ThreadPoolExecutor

    from glaciertime.dashboard.session import Session

    shared = tmp_path / "shared.gpkg"
    with sqlite3.connect(shared) as held:
        held.execute("CREATE TABLE t (a)")
        held.execute("INSERT INTO t VALUES (7)")
    session = Session()
    try:
        session.workplace.shared = shared
        said: list[str] = []

        async def no_command(*_: object, **__: object) -> None:
            raise AssertionError("a command read every row")

        session.commands.run = no_command  # type: ignore[method-assign, assignment]
        runner = type("Runner", (), {"say": lambda _, text, **__: said.append(text)})()
        # In a thread of its own: a browser of another test has its loop in this one.
        with ThreadPoolExecutor(1) as other:
            assert other.submit(asyncio.run, session.own_archive(runner)).result()
        assert sqlite3.connect(session.workplace.own_archive).execute("SELECT a FROM t").fetchall() == [(7,)]
        assert said == []
        assert list(session.workplace.folder.glob("*.part")) == []
    finally:
        session.close()


def test_a_front_across_180_degrees_is_a_short_line_of_the_map() -> None:
    """Its part beyond the meridian was drawn on the other side of the Earth, with a line between the two."""
    pytest.importorskip("bokeh", reason="the extra 'dashboard' is not installed")
    from glaciertime.dashboard.figures import _mapped

    lines = [shapely.LineString([(179.9, 67), (180.1, 67.1)]), shapely.LineString([(10, 46), (10.1, 46)])]
    across, plain = _mapped(gpd.GeoDataFrame({"Date": ["a", "b"]}, geometry=lines, crs="EPSG:4326")).geometry
    assert across.length < 60_000
    (as_proj_has_it,) = gpd.GeoSeries(lines[1:], crs="EPSG:4326").to_crs("EPSG:3857")
    assert shapely.equals_exact(plain, as_proj_has_it, tolerance=1e-3)
