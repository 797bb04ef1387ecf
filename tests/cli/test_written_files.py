"""What commands write: never over an input, the archive or somebody else's file; whole or not at all."""

from __future__ import annotations

import csv
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from glaciertime.__main__ import run
from glaciertime.archive import Archive
from glaciertime.cells import unquote_formulas
from glaciertime.report.files import FORMATS
from glaciertime.report.forms import MARK
from glaciertime.writing.marks import read_mark

from .conftest import Command, Result, write_mask, zones

FORMAT_FILES = {
    "csv": "a.csv", "parquet": "a.parquet", "gpkg": "a.gpkg", "geojson": "a.geojson", "shp": "a.shp", "kml": "a.kml",
    "netcdf": "a.nc",
}  # fmt: skip
TABLE_OF = {"netcdf": "observations"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that holds the toy glacier."""
    folder = tmp_path_factory.mktemp("tracked")
    (folder / "toy.yaml").write_text(
        "name: Toy\ncrs: EPSG:3031\ncentreline:\n  drawn_by: the tests\n"
        "  coordinates: [[-2400000, 1257000], [-2394000, 1257000]]\n"
    )
    (folder / "masks").mkdir()
    for year, column in ((2001, 40), (2002, 38), (2003, 36)):
        write_mask(folder / "masks" / f"toy_{year}-03-15.tif", zones(column))
    given = ["--manifest", folder / "toy.yaml", "--data", folder / "masks", "--archive", folder / "toy.gpkg"]
    assert run(["track", "--glacier", "Toy", *map(str, given)]) == 0
    return folder / "toy.gpkg"


@pytest.fixture
def tracked(command: Command, archive: Path) -> Command:
    """The command line in a folder whose archive holds the toy glacier."""
    shutil.copy(archive, "glaciertime.gpkg")
    return command


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    picture = np.where(np.arange(96)[:, None] < 40, 60, 150) + np.random.default_rng(0).normal(0, 6, (96, 80))
    return write_mask(tmp_path / "scene.tif", picture.clip(0, 255).astype(np.uint8))


def refused(result: Result, *, code: int = 2) -> str:
    assert result.code == code, result
    *told, last = result.err.splitlines()
    assert last.startswith("glaciertime: "), result.err
    assert not any(line.startswith(("glaciertime: ", "Traceback")) for line in told), result.err
    return last


@pytest.fixture
def short_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages take seconds; what is in them does not count here."""
    page = f'<!DOCTYPE html>\n<meta name="generator" content="{MARK}">\n{"x" * 500}</html>\n'
    monkeypatch.setattr("glaciertime.pipeline.pages.lay_out", lambda *_, **__: page.encode())


def export(command: Command, form: str, out: object, *more: object) -> Result:
    table = TABLE_OF.get(form, "fronts")
    return command("export", "--glacier", "Toy", "--table", table, "--format", form, "--out", out, *more)


def test_segment_never_writes_over_its_image(command: Command, scene: Path) -> None:
    before = scene.read_bytes()
    (scene.parent / "link.tif").symlink_to(scene)
    os.link(scene, scene.parent / "hard.tif")
    for out in (scene, "scene.tif", "./scene.tif", "masks/../scene.tif", "link.tif", "hard.tif"):
        if str(out).startswith("masks"):
            Path("masks").mkdir(exist_ok=True)
        assert "is the input" in refused(command("segment", scene, "--out", out, "--overwrite"))
        given = ("--out", "z.tif", "--probabilities", out, "--overwrite")
        assert "is the input" in refused(command("segment", scene, *given))
    assert scene.read_bytes() == before
    assert not Path("z.tif").exists()


def test_segment_writes_two_files_to_two_places(command: Command, scene: Path) -> None:
    result = command("segment", scene, "--out", "z.tif", "--probabilities", "./z.tif")
    assert "--out and --probabilities are both" in refused(result)
    assert not Path("z.tif").exists()


def test_segment_replaces_its_own_masks_and_nobody_elses(command: Command, scene: Path) -> None:
    for name in ("z.tif", "z.png"):
        assert command("segment", scene, "--out", name).code == 0
        assert read_mark(Path(name)) == "glaciertime segment"
        assert command("segment", scene, "--out", name).code == 0
    write_mask(Path("by_hand.tif"), zones(30))
    before = Path("by_hand.tif").read_bytes()
    assert "add --overwrite" in refused(command("segment", scene, "--out", "by_hand.tif"))
    assert Path("by_hand.tif").read_bytes() == before
    assert command("segment", scene, "--out", "by_hand.tif", "--overwrite").code == 0


@pytest.mark.parametrize("name", ["z.tif", "z.png"])
def test_a_failed_segment_leaves_the_good_mask(
    command: Command, scene: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert command("segment", scene, "--out", name).code == 0
    before = Path(name).read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("glaciertime.segment.predict.framed.zones_from_probability", fail)
    with pytest.raises(MemoryError):
        command("segment", scene, "--out", name)
    assert Path(name).read_bytes() == before
    assert not list(Path.cwd().glob(".*"))


def test_a_mask_that_the_disk_lost_is_not_taken(command: Command, scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GDAL says nothing of a block that was never written: it reads as zeros."""
    from glaciertime.writing.rasters import RasterDraft

    write = RasterDraft.write

    def lose(self: RasterDraft, values: np.ndarray, **place: object) -> None:
        write(self, values, **place)
        self._raster.write(np.zeros_like(values), **place)

    monkeypatch.setattr(RasterDraft, "write", lose)
    assert "reads back differently" in refused(command("segment", scene, "--out", "z.tif"), code=1)
    assert not Path("z.tif").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_export_replaces_its_own_files_and_nobody_elses(tracked: Command, form: str) -> None:
    name = FORMAT_FILES[form]
    assert export(tracked, form, name).code == 0
    assert export(tracked, form, name).code == 0
    Path(name).write_text("somebody's")
    assert "add --overwrite" in refused(export(tracked, form, name))
    assert Path(name).read_text() == "somebody's"
    assert export(tracked, form, name, "--overwrite").code == 0
    assert not list(Path.cwd().glob(".*"))


def test_an_export_of_another_table_is_own_and_a_user_s_table_is_not(tracked: Command) -> None:
    assert export(tracked, "csv", "a.csv").code == 0
    assert tracked("export", "--glacier", "Toy", "--out", "a.csv").code == 0
    Path("a.csv").write_text("glacier,date,value\nToy,2001-01-01,3\n")
    assert "add --overwrite" in refused(tracked("export", "--glacier", "Toy", "--out", "a.csv"))


def test_the_archive_is_never_written_over(tracked: Command) -> None:
    archive = Path("glaciertime.gpkg")
    before = archive.read_bytes()
    Path("link.gpkg").symlink_to(archive)
    os.link(archive, "hard.gpkg")
    for out in ("glaciertime.gpkg", "./glaciertime.gpkg", "link.gpkg", "hard.gpkg"):
        assert "is the archive" in refused(export(tracked, "gpkg", out, "--overwrite"))
        assert "is the archive" in refused(tracked("report", "--glacier", "Toy", "--out", out, "--overwrite"))
    shutil.copy(archive, "other.gpkg")
    assert "an archive of glaciertime" in refused(export(tracked, "gpkg", "other.gpkg", "--overwrite"))
    assert archive.read_bytes() == before


@pytest.mark.parametrize("out", ["/dev/null", "pipe", "loose", "none/x.csv", "a.gpkg", "a.shp"])
def test_places_that_no_table_goes_to(tracked: Command, out: str) -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("loose").symlink_to("nowhere")
    refused(export(tracked, "csv", out, "--overwrite"))
    assert not Path("nowhere").exists()


def test_a_shapefile_never_takes_a_table_of_the_user_s(tracked: Command) -> None:
    Path("a.dbf").write_text("mine")
    assert "its a.dbf would replace a file" in refused(export(tracked, "shp", "a.shp"))
    assert Path("a.dbf").read_text() == "mine"


@pytest.mark.usefixtures("short_page")
@pytest.mark.parametrize("name", ["../../out", "/tmp/out", "a/b", "..", "<script>", "=cmd"])
def test_a_report_stays_in_the_folder_whatever_the_glacier_is_called(
    tracked: Command, name: str, tmp_path: Path
) -> None:
    import sqlite3

    with sqlite3.connect("glaciertime.gpkg") as database:
        # those of the spatial index need functions that SQLite lacks
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')
        for table, column in (("observations", "glacier"), ("fronts", "GlacierID"), ("footprints", "glacier")):
            database.execute(f"UPDATE {table} SET {column} = ?", (name,))
    around = {path for path in tmp_path.parent.rglob("*.html")}
    result = tracked("report", "--glacier", name)
    assert result.code == 0, result
    made = {path for path in tmp_path.parent.rglob("*.html")} - around
    assert {path.parent for path in made} == {tmp_path}
    assert [path.name for path in made] == [result.out.strip()]


def test_a_page_carries_the_mark_of_its_command(tracked: Command) -> None:
    assert tracked("report", "--glacier", "Toy").code == 0
    assert read_mark(Path("Toy.html")) == MARK


@pytest.mark.usefixtures("short_page")
def test_a_report_replaces_reports_only(tracked: Command) -> None:
    assert tracked("report", "--glacier", "Toy").code == 0
    assert tracked("report", "--glacier", "Toy").code == 0
    Path("Toy.html").write_text("<!DOCTYPE html><p>my notes</p>")
    assert "add --overwrite" in refused(tracked("report", "--glacier", "Toy"))
    assert tracked("report", "--glacier", "Toy", "--overwrite").code == 0
    assert "</html>" in Path("Toy.html").read_text()


def test_names_that_are_formulas_run_in_no_spreadsheet(tracked: Command) -> None:
    import sqlite3

    import pandas as pd

    name = '=HYPERLINK("http://x","y")'
    with sqlite3.connect("glaciertime.gpkg") as database:
        database.execute("UPDATE observations SET glacier = ?, image_id = '@' || image_id", (name,))
    assert tracked("export", "--glacier", name, "--out", "a.csv").code == 0
    with open("a.csv", newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert f"'{name}" in cells
    assert [cell for cell in cells if cell[:1] in "=+@\t\r" and cell] == []
    held = Archive(Path("glaciertime.gpkg")).read("observations")
    back = unquote_formulas(pd.read_csv("a.csv"))
    assert back["glacier"].tolist() == held["glacier"].tolist()
    assert back["image_id"].tolist() == held["image_id"].tolist()
    assert np.allclose(back["value"], held["value"], equal_nan=True)
    assert tracked("import", "a.csv", "--archive", "back.gpkg").code == 0
    assert set(Archive(Path("back.gpkg")).read("observations")["glacier"]) == {name}


@contextmanager
def no_file_beyond(bytes_: int) -> Iterator[None]:
    """Let every write past a size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


LIMITED = [
    *(
        ["export", "--glacier", "Toy", "--table", TABLE_OF.get(form, "fronts"), "--format", form, "--out", name]
        for form, name in FORMAT_FILES.items()
    ),
    ["report", "--glacier", "Toy", "--out", "a.html"],
    ["segment", "scene.tif", "--out", "a.tif"],
    ["segment", "scene.tif", "--out", "a.png"],
    ["segment", "scene.tif", "--out", "m.tif", "--probabilities", "a.tif"],
    ["segment", "scene.tif", "--out", "a.tif", "--cog"],
]


@pytest.mark.usefixtures("short_page")
@pytest.mark.parametrize("arguments", LIMITED, ids=lambda given: f"{given[0]}-{given[-1]}")
def test_a_write_that_fails_is_one_sentence_and_the_old_file_stays(
    tracked: Command, scene: Path, arguments: list[str]
) -> None:
    name = next(given for given in arguments if given.startswith("a."))
    Path(name).write_text("old")
    with no_file_beyond(100):
        result = tracked(*arguments, "--overwrite")
    assert "could not be written (File too large)" in refused(result, code=1)
    assert Path(name).read_text() == "old"
    left = {path.name for path in Path.cwd().iterdir()}
    assert left == {name, "scene.tif", "glaciertime.gpkg"}


@pytest.mark.usefixtures("short_page")
@pytest.mark.parametrize("arguments", LIMITED, ids=lambda given: f"{given[0]}-{given[-1]}")
def test_a_full_disk_is_one_sentence_and_the_old_file_stays(
    tracked: Command, scene: Path, arguments: list[str], tmp_path: Path, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(12288)
    named = [f"{disk}/{given}" if given.startswith(("a.", "m.")) else given for given in arguments]
    old = disk / next(given for given in arguments if given.startswith("a."))
    old.write_text("old")
    (disk / "filler").write_bytes(bytes(8192))
    result = tracked(*named, "--overwrite")
    assert "could not be written (No space left on device): free some space" in refused(result, code=1)
    assert {path.name: path.stat().st_size for path in disk.iterdir()} == {old.name: 3, "filler": 8192}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_table_that_is_cut_short_in_silence_is_not_taken(
    tracked: Command, monkeypatch: pytest.MonkeyPatch, form: str, kept: float
) -> None:
    """GDAL ends well on a full disk: GeoJSON, and the parts of a shapefile, are then cut short."""
    write = FORMATS[form]

    def cut(rows: object, draft: Path) -> None:
        write(rows, draft)  # type: ignore[arg-type]
        for part in [draft, *draft.parent.glob("*.dbf")]:
            os.truncate(part, int(kept * part.stat().st_size))

    monkeypatch.setitem(FORMATS, form, cut)
    name = FORMAT_FILES[form]
    Path(name).write_text("old")
    assert f"{name} could not be written" in refused(export(tracked, form, name, "--overwrite"), code=1)
    assert Path(name).read_text() == "old"


ODD_NAMES = (
    "../../x", "..", ".", "/etc/passwd", "CON", "nul.html", "x" * 300, "ø" * 300, "two\nlines", "gla\u202egpj", "a:b",
    "-rf", "~", "$HOME", "%00", "a\\b", "=1+1", "<script>alert(1)</script>", " ", "a.html/../b", "\u200b", "'; --",
)  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_page_of_any_glacier_lies_in_this_folder(command: Command, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "work" / "here"
    folder.mkdir(parents=True)
    os.chdir(folder)
    with Path("odd.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [("glacier", "date", "length_m"), *((name, f"{year}-09-01", 9500 - year) for year in range(2001, 2005))]
        )
    given = ("import", "odd.csv") if name.strip("\u200b ") else ("import", "odd.csv", "--glacier", "odd")
    imported = command(*given)
    assert imported.code in (0, 1, 3), imported
    if imported.code == 1:  # refused: a name that names nothing
        assert not Path("glaciertime.gpkg").exists()
        return
    (held,) = Archive(Path("glaciertime.gpkg")).glaciers()
    before = set(tmp_path.rglob("*"))
    result = command("report", f"--glacier={held}")
    assert result.code == 0, result
    (made,) = set(tmp_path.rglob("*")) - before
    assert made.parent == folder
    assert made.suffix == ".html"
    assert made.name.isprintable()
    assert not made.name.startswith((".", "-"))
    assert len(made.name.encode()) < 200
    assert made.stem.casefold().split(".")[0] not in ("con", "nul")
    assert "<script>alert" not in made.read_text()
    assert command("why", made).code == 0


def test_cells_of_markdown_and_latex_show_their_text(command: Command) -> None:
    name = "=1|[x](javascript:1)<b>`*\\"
    with Path("odd.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [("glacier", "date", "length_m"), (name, "2001-09-01", 9500), (name, "2002-09-01", 9400)]
        )
    assert command("import", "odd.csv").code == 0
    markdown = command("table", "--variable", "length_m", "--format", "markdown").out
    head, _, row = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(re.findall(r"(?<!\\)\|", row)) == len(re.findall(r"\|", head)), "no cell more"
    assert r"\[x](javascript:1)\<b>\`\*\\" in row
    latex = command("table", "--variable", "length_m", "--format", "latex").out
    assert r"\textbackslash{}" in latex
    table = command("table", "--variable", "length_m", "--format", "csv").out
    (row,) = csv.DictReader(table.splitlines())
    assert row["glacier"] == f"'{name}"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [("catalog",), ("catalog", "--json"), ("--help",), ("doctor", "--json")])
def test_an_output_without_room_is_one_sentence(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "glaciertime", *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
            cwd=tmp_path, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "glaciertime: No space left on device; check the path and the free space"
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
