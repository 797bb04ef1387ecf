"""Every number, image and file can be asked where it comes from, and what it answers is true."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glaciertime.archive import Archive
from glaciertime.provenance import sidecar
from glaciertime.provenance.versions import versions

from .conftest import Command, write_mask, zones


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def tracked(command: Command, masks: Path, manifest: Path) -> Command:
    assert command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks).code == 0
    return command


def told(command: Command, what: object) -> Any:
    result = command("why", what, "--json")
    assert result.code == 0, result.err
    return result.json[0]


def test_a_row_names_its_image_with_its_hash_and_the_command(tracked: Command, masks: Path, manifest: Path) -> None:
    assert tracked("export", "--glacier", "Toy", "--out", "o.csv").code == 0
    for row in rows_of(Path("o.csv")):
        found = told(tracked, row["row"])
        image = masks / f"{row['image_id']}.tif"
        files = {Path(one["input"]).name: one for one in found["files"]}
        assert files[image.name]["sha256"] == sha256(image)
        assert files[image.name]["bytes"] == image.stat().st_size
        assert files[image.name]["now"] == "unchanged"
        assert files["toy.yaml"]["sha256"] == sha256(manifest)
        assert len([name for name in files if name.endswith(".tif")]) == 1, "images of other rows are none of its own"
        assert found["row"]["value"] == float(row["value"])
        run = found["run"]
        assert run["command"] == f"glaciertime track --glacier Toy --manifest {manifest} --data {masks}"
        assert run["folder"] == os.getcwd()
        assert run["versions"]["GDAL"] == versions()["GDAL"]
        assert run["versions"]["numpy"] == np.__version__
        assert any(line.startswith("centreline: manifest (the tests)") for line in run["ruler"])


def test_the_stored_command_gives_the_same_rows_again(tracked: Command) -> None:
    import shlex

    before = Archive(Path("glaciertime.gpkg")).read("observations")
    run = told(tracked, "toy_2002-03-15")["run"]
    Path("glaciertime.gpkg").unlink()
    _, *arguments = shlex.split(run["command"])
    assert tracked(*arguments).code == 0
    assert Archive(Path("glaciertime.gpkg")).read("observations").equals(before)
    assert told(tracked, "toy_2002-03-15")["run"]["run"] == run["run"], "the same run has the same name"


def test_what_was_refused_is_kept(command: Command, masks: Path, manifest: Path) -> None:
    (masks / "toy_2004-03-15.tif").write_bytes(b"no raster")
    assert command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks).code == 3
    run = told(command, "toy_2002-03-15")["run"]
    assert any("toy_2004-03-15" in text for text in run["refused"])


def test_an_image_that_was_replaced_belongs_to_the_later_run(tracked: Command, masks: Path, manifest: Path) -> None:
    first = told(tracked, "toy_2001-03-15")["run"]["run"]
    write_mask(masks / "toy_2001-03-15.tif", zones(41))
    given = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    assert tracked(*given, "--method", "centreline").code == 0
    found = told(tracked, "toy_2001-03-15")
    assert found["run"]["run"] != first
    assert [one["sha256"] for one in found["files"] if one["image"]] == [sha256(masks / "toy_2001-03-15.tif")]
    with closing(sqlite3.connect("glaciertime.gpkg")) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,), "no row names the first any more"
        assert database.execute("SELECT count(DISTINCT run) FROM run_inputs").fetchone() == (1,)


def test_an_image_that_fails_later_keeps_the_run_that_measured_it(
    tracked: Command, masks: Path, manifest: Path
) -> None:
    before = told(tracked, "toy_2001-03-15")
    (masks / "toy_2001-03-15.tif").write_bytes(b"damaged")
    given = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    assert tracked(*given).code == 3
    after = told(tracked, "toy_2001-03-15")
    assert after["run"]["run"] == before["run"]["run"] != told(tracked, "toy_2002-03-15")["run"]["run"]
    (image,) = [one for one in after["files"] if one["image"]]
    assert (image["sha256"], image["now"]) == (before["files"][0]["sha256"], "changed since")


def test_a_file_that_images_came_from_lists_their_rows(tracked: Command, masks: Path, tmp_path: Path) -> None:
    copy = tmp_path / "renamed.tif"
    copy.write_bytes((masks / "toy_2003-03-15.tif").read_bytes())
    found = told(tracked, copy)
    assert found["image"]["image_id"] == "toy_2003-03-15"
    assert {row["variable"] for row in found["rows"] if row["table"] == "observations"} == {
        "area_km2", "front_position_m", "front_width_m",
    }  # fmt: skip
    assert [row["table"] for row in found["rows"]].count("fronts") == 1
    for row in found["rows"]:
        assert told(tracked, row["row"])["name"] == row["row"]


def test_a_changed_file_is_told_as_changed(tracked: Command, masks: Path) -> None:
    write_mask(masks / "toy_2003-03-15.tif", zones(20))
    result = tracked("why", masks / "toy_2003-03-15.tif")
    assert result.code == 1
    assert "has changed since it was read" in result.err


def test_a_strange_file_is_told_as_strange(tracked: Command, tmp_path: Path) -> None:
    (tmp_path / "strange.txt").write_text("hello")
    result = tracked("why", tmp_path / "strange.txt")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert sha256(tmp_path / "strange.txt") in result.err


@pytest.mark.parametrize("what", ["o3fa9c1d2e07b", "nothing", "../../x", "\0", "x" * 5000, "", "🧊", "o' OR '1'='1"])
def test_what_is_not_known_is_one_sentence(tracked: Command, what: str) -> None:
    result = tracked("why", what)
    assert result.code in (1, 2)
    assert (result.out, result.err.count("\n")) == ("", 1), result


def test_a_forecast_names_the_series_and_says_when_it_has_changed(
    tracked: Command, masks: Path, manifest: Path
) -> None:
    assert tracked("forecast", "--glacier", "Toy", "--until", "2005", "--model", "last").code == 0
    assert tracked("export", "--glacier", "Toy", "--table", "forecasts", "--out", "f.csv").code == 0
    row = next(row for row in rows_of(Path("f.csv")) if row["variable"] == "area_km2")
    found = told(tracked, row["row"])
    (series,) = found["series"]
    assert (series["variable"], series["rows"], series["now"]) == ("area_km2", 3, "unchanged")
    (behind,) = series["runs"]
    assert behind["rows"] == 3
    assert behind["command"].startswith("glaciertime track")
    assert found["run"]["models"] == ["last"]
    write_mask(masks / "toy_2003-03-15.tif", zones(20))
    tracked("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    # the forecast saw another series: that it stands there still is told
    (series,) = told(tracked, row["row"])["series"]
    assert series["now"] == "changed since"


def test_scores_and_predicted_fronts_name_their_runs(command: Command, tmp_path: Path, manifest: Path) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    for index in range(14):
        write_mask(folder / f"toy_{1998 + index}-03-15.tif", zones(45 - index))
    command("track", "--glacier", "Toy", "--manifest", manifest, "--data", folder)
    assert command("backtest", "--glacier", "Toy", "--model", "last", "--horizon", "1y").code == 0
    assert command("forecast", "--glacier", "Toy", "--until", "2013", "--contour", "--model", "last").code == 0
    for table in ("scores", "contours", "fronts"):
        assert command("export", "--glacier", "Toy", "--table", table, "--out", f"{table}.csv").code == 0
        found = told(command, rows_of(Path(f"{table}.csv"))[0]["row"])
        assert found["run"]["command"].split()[1] == {"scores": "backtest", "contours": "forecast"}.get(table, "track")


def test_an_imported_value_names_its_table(command: Command, tmp_path: Path) -> None:
    table = tmp_path / "lengths.csv"
    table.write_text("glacier,date,length_m\nRhone,2001-09-01,9500\nRhone,2002-09-01,9480\n")
    assert command("import", table).code == 0
    rows = command("series", "--glacier", "Rhone", "--product", "raw", "--json").json
    found = told(command, rows[0]["row"])
    assert [(one["input"], one["sha256"]) for one in found["files"]] == [(str(table), sha256(table))]
    assert found["run"]["command"] == f"glaciertime import {table}"
    assert told(command, table)["stored"] == {"observations": 2}


def test_the_retreat_table_names_the_rows_that_it_compares(tracked: Command) -> None:
    (row,) = tracked("table", "--json").json
    start, end = told(tracked, row["start_row"]), told(tracked, row["end_row"])
    assert start["row"]["value"] == row["start_area_km2"]
    assert (start["row"]["date"], end["row"]["date"]) == (row["start_date"], row["end_date"])


def test_a_value_of_two_images_of_a_day_names_both(tracked: Command, masks: Path, manifest: Path) -> None:
    other = masks.parent / "others"
    other.mkdir()
    for letter, column in (("a", 36), ("b", 34)):
        write_mask(other / f"S2{letter}_2003-03-15.tif", zones(column))
    write_mask(other / "S2a_2001-03-15.tif", zones(40))
    given = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", other, "--archive", "two.gpkg")
    tracked(*given)
    for row in tracked("table", "--json", "--archive", "two.gpkg").json:
        for side in ("start", "end"):
            found = tracked("why", row[f"{side}_row"], "--archive", "two.gpkg", "--json").json
            values = [one["row"]["value"] for one in found]
            assert min(values) <= row[f"{side}_area_km2"] <= max(values)
            assert {one["row"]["date"] for one in found} == {row[f"{side}_date"]}


@pytest.mark.parametrize("form", ["csv", "parquet", "gpkg", "geojson", "shp"])
def test_a_written_table_names_its_run_with_and_without_the_archive(tracked: Command, form: str) -> None:
    out = Path(f"f.{form}")
    assert tracked("export", "--glacier", "Toy", "--table", "fronts", "--format", form, "--out", out).code == 0
    found = told(tracked, out)
    assert found["kept_in"] == "glaciertime.gpkg"
    assert found["run"]["command"] == f"glaciertime export --glacier Toy --table fronts --format {form} --out {out}"
    Path("glaciertime.gpkg").unlink()
    alone = told(tracked, out)
    assert (alone["run"]["run"], alone["run"]["command"]) == (found["run"]["run"], found["run"]["command"])
    assert alone["files"][0]["sha256"] == found["files"][0]["sha256"]


def test_a_note_beside_another_content_says_so(tracked: Command) -> None:
    assert tracked("export", "--glacier", "Toy", "--out", "o.csv").code == 0
    Path("o.csv").write_text(Path("o.csv").read_text().replace("2003", "2004"))
    assert "another content" in told(tracked, "o.csv")["warning"]


def test_a_page_names_its_run_and_no_folder_of_its_maker(tracked: Command, tmp_path: Path) -> None:
    assert tracked("report", "--glacier", "Toy").code == 0
    found = told(tracked, "Toy.html")
    assert found["run"]["command"] == "glaciertime report --glacier Toy"
    assert any(one["input"].startswith("observations: ") for one in found["files"])
    assert str(tmp_path) not in Path("Toy.html").read_text()


def test_a_figure_saved_from_a_page_names_the_run_of_the_page(tracked: Command) -> None:
    import base64
    import re

    assert tracked("report", "--glacier", "Toy").code == 0
    figures = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", Path("Toy.html").read_text())
    assert figures
    for figure in figures:
        Path("figure.svg").write_bytes(base64.b64decode(figure))
        assert told(tracked, "figure.svg")["run"] == told(tracked, "Toy.html")["run"]


@pytest.mark.parametrize("out", ["z.tif", "z.png"])
def test_a_mask_names_its_image_and_its_model(command: Command, tmp_path: Path, out: str) -> None:
    picture = np.where(np.arange(96)[:, None] < 40, 60, 150) + np.random.default_rng(0).normal(0, 6, (96, 80))
    scene = write_mask(tmp_path / "scene.tif", picture.clip(0, 255).astype(np.uint8))
    assert command("segment", scene, "--out", out).code == 0
    found = told(command, out)
    read = {one["input"]: one["sha256"] for one in found["files"]}
    assert read["scene.tif"] == sha256(scene)
    assert "landsat-fronts.onnx" in read
    assert found["run"]["models"]["landsat-fronts"]["licence"]
    assert found["run"]["command"] == f"glaciertime segment {scene} --out {out}"


def test_rows_of_an_earlier_release_say_that_nothing_was_kept(tracked: Command, masks: Path) -> None:
    with closing(sqlite3.connect("glaciertime.gpkg")) as database, database:
        database.create_function("ST_IsEmpty", 1, lambda shape: 0)
        for name in ("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
            database.create_function(name, 1, lambda shape: 0.0)
        for table in ("observations", "fronts"):
            database.execute(f"UPDATE {table} SET run = NULL")
    result = tracked("why", "toy_2001-03-15")
    assert result.code == 0
    assert "not known" in result.out
    assert str(masks / "toy_2001-03-15.tif") in result.out


def test_a_merged_archive_still_knows(tracked: Command) -> None:
    name = tracked("series", "--glacier", "Toy", "--product", "raw", "--json").json[0]["row"]
    before = told(tracked, name)
    Path("glaciertime.gpkg").rename("other.gpkg")
    assert tracked("archive", "merge", "new.gpkg", "other.gpkg").code == 0
    result = tracked("why", name, "--archive", "new.gpkg", "--json")
    assert result.json[0]["run"] == before["run"]
    assert result.json[0]["files"] == before["files"]


def test_what_is_forgotten_leaves_no_run(tracked: Command) -> None:
    assert tracked("forget", "--glacier", "Toy").code == 0
    with closing(sqlite3.connect("glaciertime.gpkg")) as database:
        assert database.execute("SELECT count(*) FROM run_inputs").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_a_read_only_archive_still_exports(tracked: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from glaciertime.archive import connection
    from glaciertime.errors import ArchiveError

    def refuse(path: Path) -> None:
        raise ArchiveError(f"archive {path} cannot be written (read-only?); make it writable")

    monkeypatch.setattr(connection, "check_place", refuse)
    result = tracked("export", "--glacier", "Toy", "--out", "o.csv")
    assert result.code == 0
    assert "that this was written was not noted in the archive" in result.err
    assert told(tracked, "o.csv")["run"]["command"] == "glaciertime export --glacier Toy --out o.csv"


def test_the_note_of_a_table_is_no_input_of_track(tracked: Command, tmp_path: Path) -> None:
    out = tmp_path / "fronts"
    out.mkdir()
    table = out / "toy_fronts.geojson"
    assert tracked("export", "--glacier", "Toy", "--table", "fronts", "--format", "geojson", "--out", table).code == 0
    assert sidecar(table).is_file()
    result = tracked("track", "--glacier", "Toy", "--data", out, "--archive", "again.gpkg")
    assert "run.json" not in result.err
    assert json.loads(sidecar(table).read_text())["written"] == {table.name: sha256(table)}


def test_an_export_comes_back_as_it_went(tracked: Command) -> None:
    assert tracked("export", "--glacier", "Toy", "--out", "o.csv").code == 0
    assert tracked("import", "o.csv", "--archive", "again.gpkg").code == 0
    before = Archive(Path("glaciertime.gpkg")).read("observations")
    assert sorted(Archive(Path("again.gpkg")).read("observations")["value"]) == sorted(before["value"])


def test_a_table_of_areas_names_every_image_and_those_that_failed(command: Command, tmp_path: Path) -> None:
    picture = np.where(np.arange(96)[:, None] < 40, 60, 150) + np.random.default_rng(0).normal(0, 6, (96, 80))
    (tmp_path / "scenes").mkdir()
    scene = write_mask(tmp_path / "scenes" / "a_2003-03-15.tif", picture.clip(0, 255).astype(np.uint8))
    (tmp_path / "scenes" / "b_2004-03-15.tif").write_bytes(b"II*\0 no image")
    given = ("segment", "scenes", "--out", "zones", "--table", "areas.csv")
    assert command(*given).code == 3
    found = told(command, "areas.csv")
    read = {one["input"]: one["sha256"] for one in found["files"]}
    assert read["a_2003-03-15.tif"] == sha256(scene)
    assert read["b_2004-03-15.tif"] == sha256(tmp_path / "scenes" / "b_2004-03-15.tif")
    assert "landsat-fronts.onnx" in read
    assert found["run"]["command"] == "glaciertime " + " ".join(given)
    assert found["run"]["models"]["landsat-fronts"]["licence"]
    (refused,) = found["run"]["refused"]
    assert "b_2004-03-15.tif" in refused
    Path("areas.csv.run.json").write_text("mine")
    (tmp_path / "areas.csv").unlink()
    assert command(*given).code == 2
    assert Path("areas.csv.run.json").read_text() == "mine"


def test_a_row_of_a_mask_that_segment_wrote_leads_on_to_the_image(command: Command, tmp_path: Path) -> None:
    picture = np.where(np.arange(96)[:, None] < 40, 60, 150) + np.random.default_rng(0).normal(0, 6, (96, 80))
    scene = write_mask(tmp_path / "scene.tif", picture.clip(0, 255).astype(np.uint8))
    (tmp_path / "zones").mkdir()
    mask = tmp_path / "zones" / "toy_2003-03-15.tif"
    assert command("segment", scene, "--out", mask, "--ocean", "up").code == 0
    (tmp_path / "toy.yaml").write_text("name: Toy\n")
    assert command("track", "--glacier", "Toy", "--manifest", "toy.yaml", "--data", "zones").code in (0, 3)
    (image,) = [one for one in told(command, "toy_2003-03-15")["files"] if one["image"]]
    assert image["written_by"]["command"].startswith(f"glaciertime segment {scene}")
    assert sha256(scene) in [one["sha256"] for one in image["written_by"]["inputs"]]
    text = command("why", "toy_2003-03-15").out
    assert "written by run" in text
    assert sha256(scene) in text
    both = command("why", mask, "--json").json
    assert [one["is"] for one in both] == ["file written by glaciertime", "file that an image came from"]


TAG = {"run": "a1", "command": "x", "version": "1", "inputs": []}
HOSTILE_TAGS = (
    {**TAG, "versions": 5}, {**TAG, "inputs": ["x", {"input": {}, "sha256": []}, 7]}, {**TAG, "notes": {"a": 1}},
    {**TAG, "models": {"a": 5, "b": {"licence": {"c": []}}}}, {**TAG, "models": [{}, 5, "x"]}, {**TAG, "started": 5},
    {**TAG, "series": [5, {}]}, {**TAG, "command": {"a": "\x1b[2J"}}, {**TAG, "notes": ["\x1b[2J\x1b]0;owned\x07"]},
    {**TAG, "is": "row", "row": 5, "file": 7, "warning": []}, {"run": "a1"}, {"run": 5}, [], 5, None, "text",
)  # fmt: skip


@pytest.mark.parametrize("tag", HOSTILE_TAGS, ids=str)
@pytest.mark.parametrize("kind", ["page", "note"])
def test_what_a_file_says_of_itself_steers_nothing(command: Command, tag: object, kind: str) -> None:
    from glaciertime.provenance.tags import html_tag

    if kind == "page":
        Path("a.html").write_text(f"<!DOCTYPE html>{html_tag(json.dumps(tag))}")
    else:
        Path("a.html").write_text("a")
        Path("a.html.run.json").write_text(json.dumps(tag))
    for given in ((), ("--json",)):
        result = command("why", "a.html", *given)
        assert result.code in (0, 1), result
        assert given or result.out.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "content",
    [
        b'<meta name="GLACIERTIME_RUN" content="' + b"[" * 100_000 + b'">',
        b"\x89PNG\r\n\x1a\n\x7f\xff\xff\xfftEXtGLACIERTIME_RUN\0",
        b"\x89PNG\r\n\x1a\n\0\0\0\x12iTXtGLACIERTIME_RUN\0\1",
        b"\x89PNG\r\n\x1a\n\0\0\0\x14zTXtGLACIERTIME_RUN\0\0abc",
        b"II*\0\xff\xff\xff\xff", b"MM\0+\0", b"", b"\0" * 3000,
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_sentence(command: Command, content: bytes) -> None:
    Path("a").write_bytes(content)
    result = command("why", "a")
    assert (result.code, result.err.count("\n")) == (1, 1), result


def test_an_archive_that_was_tampered_with_is_told_without_a_traceback(tracked: Command) -> None:
    name = tracked("series", "--glacier", "Toy", "--product", "raw", "--json").json[0]["row"]
    for settings in ('{"versions": 5, "ruler": {}}', "[", "5", "[" * 100_000, '{"command": 5, "notes": "x"}'):
        with closing(sqlite3.connect("glaciertime.gpkg")) as database, database:
            database.execute("UPDATE runs SET settings = ?", (settings,))
            database.execute("UPDATE run_inputs SET size_bytes = 'many', sha256 = NULL")
            database.execute("UPDATE observations SET value = 'much', sigma = 'more'")
        result = tracked("why", name)
        assert result.code == 0, result
        assert "glaciertime track --glacier Toy" in result.out


def test_what_a_mean_is_made_of_is_said_and_every_row_of_it_has_a_name(tracked: Command) -> None:
    asked = ("series", "--glacier", "Toy", "--variable", "area_km2")
    done = tracked(*asked, "--product", "annual")
    raw = tracked(*asked, "--product", "raw", "--json").json
    assert f"annual of {len(raw)} observations: those that --product raw lists" in done.err
    for row in raw:
        assert told(tracked, row["row"])["row"]["value"] == pytest.approx(row["value"])


#: What each command writes, and what tells the run of it: a test of this file, or of the file of tests named.
WRITERS = {
    "track": "rows of the archive", "forecast": "rows of the archive", "backtest": "rows of the archive",
    "import": "rows of the archive", "forget": "rows of the archive", "archive": "rows of the archive",
    "export": "a note", "segment": "a tag, a note", "report": "a tag, a note",
    "export-model": "a note", "train": "a note",
    "scenes": "a note", "data": "a note", "adapt": "a note", "explain": "a note", "explain-forecast": "a note",
    "train-forecaster": "a note",
    "evaluate": "a note", "plot": "a note", "compare": "a note", "dashboard": "by the commands that it runs",
    "export-masks": "a note", "demo": "what its commands write",
    "table": "", "inventories": "", "series": "", "catalog": "", "models": "", "why": "", "doctor": "",
}  # fmt: skip


def test_of_every_command_it_is_known_whether_it_writes() -> None:
    from typer.main import get_command

    from glaciertime.cli import app

    assert sorted(WRITERS) == sorted(get_command(app).commands)  # type: ignore[attr-defined]
