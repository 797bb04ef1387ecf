"""``glaciertime scenes`` and ``track --scenes``: a catalogue on localhost, its list, and the fronts of its scenes."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glaciertime.archive import Archive
from glaciertime.scenes.image_folder import is_image

from ..scenes.sources.server import BASELINE, Catalogue, catalogue_served, numbers, tiff
from .conftest import Command

pytest.importorskip("pystac_client", reason="the extra 'stac' is not installed")
pytest.importorskip("rasterio", minversion="1.4", reason="the extra 'stac' needs a newer rasterio")

WEST, NORTH, SIZE_M, SIDE = 491_000.0, 7_609_000.0, 60.0, 300
MANIFEST = """\
name: Testbreen
crs: EPSG:32622
box: [491000, 7591000, 509000, 7609000]
centreline:
  drawn_by: the tests
  coordinates: [[506000, 7602200], [494000, 7597800]]
"""
FRONTS_M = {"2018-08-01": 600.0, "2020-08-03": 0.0, "2023-08-02": -900.0}
NOWHERE = "http://127.0.0.1:1"
DAYS = ["--from", "2017-01-01", "--to", "2024-12-31"]


def scene(front_m: float) -> np.ndarray:
    """Simulated reflectances, (300, 300): a glacier that ends in dark water towards 250 degrees, its face bright."""
    row, column = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    x, y = (column - SIDE / 2) * SIZE_M, (SIDE / 2 - row) * SIZE_M
    angle = math.radians(250)
    along = x * math.sin(angle) + y * math.cos(angle)
    grey = np.where(along > front_m, 60.0, 150.0) + np.random.default_rng(0).normal(0, 6, along.shape)
    grey[np.abs(along - front_m) < SIZE_M] = 240
    return np.asarray(grey.clip(1, 255) / 300)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glaciertime.scenes.sources.web.WAIT_S", 0.0)


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    """Three simulated scenes of a glacier that retreats: two as Sentinel-2 wrote them before and after its offset."""
    (tmp_path / "t.yaml").write_text(MANIFEST)
    monkeypatch.setenv("GLACIERTIME_DOWNLOADS", str(tmp_path / "downloads"))
    with catalogue_served() as served:
        for day, front_m in FRONTS_M.items():
            baseline, added = ("02.08", 0) if day < "2022" else ("05.09", 1000)
            stored = (np.round(scene(front_m) * 10_000) + added).astype("uint16")
            place = {"west": WEST, "north": NORTH}
            files = {"green": tiff(stored, size_m=SIZE_M, nodata=0, **place),
                     "scl": tiff(numbers(11, shape=(150, 150), dtype="uint8"), size_m=2 * SIZE_M, **place)}  # fmt: skip
            served.add(
                f"S2A_22WEB_{day.replace('-', '')}_0_L2A", f"{day}T15:00:00Z", files,
                **{BASELINE: baseline, "eo:cloud_cover": 3.0, "glaciertime:source": "simulated"},
            )  # fmt: skip
        yield served


def fronts(path: str) -> list[np.ndarray]:
    table = Archive(Path(path)).read("fronts").sort_values("Date")
    return [np.asarray(line.coords) for line in table.geometry]


def test_fronts_out_of_a_catalogue_are_those_of_the_same_scenes_on_disk(
    catalogue: Catalogue, command: Command, tmp_path: Path
) -> None:
    found = command("track", "--glacier", "Testbreen", "--manifest", "t.yaml", "--scenes", f"stac:{catalogue.url}",
                    *DAYS, "--archive", "a.gpkg", "--json")  # fmt: skip
    assert found.code == 0, found.err
    (told,) = found.json
    assert (told["source"], told["fronts"], told["dataset"]) == ("simulated", 3, "sentinel-2-l2a")
    folder = tmp_path / "disk"
    folder.mkdir()
    for day, front_m in FRONTS_M.items():
        values = (np.round(scene(front_m) * 10_000) / 10_000).astype("float32")
        content = tiff(values, size_m=SIZE_M, west=WEST, north=NORTH)
        (folder / f"S2_{day}.tif").write_bytes(content)
    disk = command("track", "--glacier", "Testbreen", "--manifest", "t.yaml", "--data", folder, "--images",
                   "--archive", "b.gpkg")  # fmt: skip
    assert disk.code == 0, disk.err
    ours, theirs = fronts("a.gpkg"), fronts("b.gpkg")
    assert len(ours) == len(theirs) == 3
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, abs=1e-3 if np.abs(one).max() > 360 else 1e-8)
    rows = Archive(Path("a.gpkg")).read("observations")
    rows = rows[(rows["variable"] == "front_position_m") & (rows["method"] == "centreline")].sort_values("date")
    assert np.diff(rows["value"]).tolist() == pytest.approx([-600, -900], abs=90)
    assert set(rows["source"]) == {"simulated"}
    assert set(rows["sensor"]) == {"Sentinel-2"}


def test_scenes_are_listed_with_the_clouds_over_the_box_then_fetched_once(
    catalogue: Catalogue, command: Command
) -> None:
    asked = ["scenes", "--glacier", "Testbreen", "--manifest", "t.yaml", "--stac", catalogue.url, *DAYS]
    listed = command(*asked)
    assert listed.code == 0, listed.err
    assert [line.split()[:4] for line in listed.out.splitlines()[2:5]] == [
        [day, "Sentinel-2", "0.0%", "100.0%"] for day in FRONTS_M
    ]
    assert "3 scenes, at most about 19" in listed.out  # one band at 10 m
    assert catalogue.url in listed.err
    fetched = command(*asked, "--all", "--out", "windows")
    assert fetched.code == 0, fetched.err
    files = sorted(Path("windows").glob("*.tif"))
    assert [file.name[:10] for file in files] == list(FRONTS_M)
    with (Path("windows") / "scenes.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["sha256"] for row in rows} == {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert [row["offset"] for row in rows if row["band"] == "green"] == ["0.0", "0.0", "-0.1"]
    with rasterio.open(files[2]) as raster:
        assert raster.descriptions == ("green",)
        assert raster.read(1) == pytest.approx(scene(-900.0), abs=6e-5)
    for written in (*files, Path("windows") / "scenes.csv"):
        run = command("why", written, "--json").json[0]["run"]
        assert run["command"].startswith("glaciertime scenes --glacier Testbreen")
        assert run["input"] == catalogue.url
        assert any(files[2].name in text or "green from http" in text for text in run["decided"])
    # One band from 0 to 1 looks like a probability; the file says that it is a reflectance.
    assert is_image(files[2])
    before = len(catalogue.asked)
    again = command(*asked, "--all", "--out", "windows")
    assert again.code == 0, again.err
    assert catalogue.asked[before:] == ["GET /", "POST /search"], "what is there is not asked for again"


def test_scenes_of_several_glaciers_go_into_a_folder_each(
    catalogue: Catalogue, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "u.yaml").write_text(
        MANIFEST.replace("Testbreen", "Andre Bre").replace("491000, 7591000", "500000, 7600000")
    )
    (tmp_path / "v.yaml").write_text("name: Uten Boks\n")
    given = [part for name in "tuv" for part in ("--manifest", f"{name}.yaml")]
    names = [part for name in ("Testbreen", "Andre Bre", "Uten Boks") for part in ("--glacier", name)]
    found = command("scenes", *names, *given, "--stac", catalogue.url, "--from", "2020-01-01", "--to", "2020-12-31",
                    "--all", "--out", "windows")  # fmt: skip
    assert found.code == 3, found.err
    assert "Uten Boks: Uten Boks has no box, and no fjord" in found.err
    shapes = {}
    for file in sorted(Path("windows").rglob("*.tif")):
        with rasterio.open(file) as raster:
            shapes[file.parent.name] = raster.shape
    assert shapes == {"Andre_Bre": (150, 150), "Testbreen": (300, 300)}


def test_a_table_of_ones_own_is_not_written_over(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(MANIFEST)
    (tmp_path / "windows").mkdir()
    (tmp_path / "windows" / "scenes.csv").write_text("my,own\n")
    found = command("scenes", "--glacier", "Testbreen", "--manifest", "t.yaml", "--stac", NOWHERE, *DAYS, "--all",
                    "--out", "windows")  # fmt: skip
    assert found.code == 2
    assert "scenes.csv exists and was not made by this command; add --overwrite" in found.err
    assert (tmp_path / "windows" / "scenes.csv").read_text() == "my,own\n"


def test_a_manifest_names_the_catalogue_and_an_option_another(command: Command, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(MANIFEST + "stac: http://127.0.0.1:2/own\n")
    asked = ["scenes", "--glacier", "Testbreen", *DAYS, "--manifest", "own.yaml"]
    assert "http://127.0.0.1:2/own: sentinel-2-l2a over the box of Testbreen" in command(*asked).err
    assert f"{NOWHERE}: sentinel-2-l2a over" in command(*asked, "--stac", NOWHERE).err
    (tmp_path / "bad.yaml").write_text(MANIFEST + "stac: file:///etc/passwd\n")
    assert "begins with https:// or http:// expected" in command(*asked, "--manifest", "bad.yaml").err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--from", "2020-01-01"], "--to: a day such as 2020-08-01 expected"),
        (["--from", "2020-13-01", "--to", "2021-01-01"], "--from 2020-13-01: a day such as"),
        (["--from", "2021-01-01", "--to", "2020-01-01"], "--from 2021-01-01 lies after --to 2020-01-01"),
        ([*DAYS, "--per", "week"], "--per week: month expected"),
        ([*DAYS, "--per", "month", "--all"], "--all and --per: give one of them"),
        ([*DAYS, "--out", "windows"], "--out: say whether --all scenes"),
        ([*DAYS, "--bands", "green,thermal"], "--bands thermal: expected some of blue"),
        ([*DAYS, "--stac", "nowhere/catalog.json"], "the first file of a catalogue on disk, expected"),
        ([*DAYS, "--stac", "file:///etc/passwd"], "begins with https:// or http:// expected"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    command: Command, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    (tmp_path / "t.yaml").write_text(MANIFEST)
    found = command("scenes", "--glacier", "Testbreen", "--manifest", "t.yaml", "--stac", NOWHERE, *arguments)
    assert found.code == 2, found.err
    assert reason in found.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--scenes", "disk:/data", *DAYS], "--scenes disk:/data: stac, or stac:URL"),
        (["--from", "2020-01-01"], "--from: belong to --scenes stac"),
        (["--scenes", f"stac:{NOWHERE}", "--data", ".", *DAYS], "--data and --scenes: give one of them"),
        (["--scenes", "stac", "--scale", "0.0001,0", "--resolution", "10", *DAYS], "--resolution, --scale: of files"),
        (["--scenes", "stac", "--sign", "file:///etc/passwd", *DAYS], "begins with https:// or http:// expected"),
        (["--scenes", f"stac:{NOWHERE}", "--bands", "green,red", *DAYS], "landsat-fronts takes 1 (grey)"),
    ],
)
def test_track_refuses_what_contradicts_a_catalogue(
    command: Command, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    (tmp_path / "t.yaml").write_text(MANIFEST)
    found = command("track", "--glacier", "Testbreen", "--manifest", "t.yaml", *arguments)
    assert found.code == 2, found.err
    assert reason in found.err
