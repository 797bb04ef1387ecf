"""Work is done once, by one process or by many, and a second run does what is not done."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pandas as pd
import pytest
import rasterio
from rasterio.shutil import copy
from rasterio.vrt import WarpedVRT

from glaciertime.archive import Archive
from glaciertime.catalog import load_catalog
from glaciertime.pipeline import tracking

from .conftest import Command, Result, true_m, write_mask, zones

TABLES = ("observations", "fronts", "footprints", "centrelines", "inputs", "rulers")


@pytest.fixture
def track(command: Command, masks: Path, manifest: Path):
    """Track the toy; other arguments come behind."""

    def call(*more: object) -> Result:
        load_catalog.cache_clear()  # as a process of its own reads it
        return command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks, *more)

    return call


@pytest.fixture
def no_measuring(monkeypatch: pytest.MonkeyPatch):
    """Make whoever measures fail."""

    def refuse() -> None:
        def fail(*_: object, **__: object) -> None:
            raise AssertionError("it was measured again")

        monkeypatch.setattr(tracking, "track_scenes", fail)

    return refuse


def last_position(archive: str = "glaciertime.gpkg") -> float:
    rows = Archive(Path(archive)).read("observations", glacier="Toy", method="centreline")
    return float(rows.sort_values("date")["value"].iloc[-1])


def test_what_is_stored_is_not_measured_again_and_printed_the_same(track, no_measuring):
    first = track()
    held = {name: Archive(Path("glaciertime.gpkg")).read(name) for name in (*TABLES, "runs", "run_inputs")}
    no_measuring()
    again = track()
    assert (again.code, again.out) == (0, first.out)
    assert "Toy: measured before, from the same 3 scenes in the same way: not measured again" in again.err
    assert "not measured again" not in first.err
    for name, rows in held.items():
        pd.testing.assert_frame_equal(pd.DataFrame(Archive(Path("glaciertime.gpkg")).read(name)), pd.DataFrame(rows))


def test_whose_changed_file_is_measured_again(track, masks: Path):
    track()
    write_mask(masks / "toy_2003-03-15.tif", zones(30))
    assert "not measured again" not in track().err
    assert last_position() == pytest.approx(true_m(3000), abs=0.05)


def test_a_changed_world_file_is_a_changed_scene(track, masks: Path):
    world = masks / "toy_2003-03-15.tfw"
    write_mask(masks / "toy_2003-03-15.tif", zones(36), transform=None)
    world.write_text("100\n0\n0\n-100\n-2399950\n1259950\n")
    track()
    assert last_position() == pytest.approx(true_m(3600), abs=0.05)
    assert "not measured again" in track().err
    world.write_text("100\n0\n0\n-100\n-2399850\n1259950\n")
    assert "not measured again" not in track().err
    assert last_position() == pytest.approx(true_m(3700), abs=0.05)


def test_pixels_that_a_virtual_raster_shows_are_those_of_a_scene(track, masks: Path, tmp_path: Path):
    shown, virtual = tmp_path / "shown.tif", masks / "toy_2003-03-15.vrt"
    (masks / "toy_2003-03-15.tif").unlink()
    write_mask(shown, zones(36))
    with WarpedVRT(rasterio.open(shown)) as grid:
        copy(grid, virtual, driver="VRT")
    track()
    assert last_position() == pytest.approx(true_m(3600), abs=0.05)
    assert "not measured again" in track().err
    write_mask(shown, zones(30))
    assert "not measured again" not in track().err
    assert last_position() == pytest.approx(true_m(3000), abs=0.05)


@pytest.mark.parametrize("option", [("--method", "mean-trace"), ("--common-footprint",), ("--dataset", "Other")])
def test_other_settings_are_other_work(track, option):
    track()
    assert "not measured again" not in track(*option).err
    assert "not measured again" in track(*option).err


def test_a_changed_manifest_is_other_work(track, manifest: Path):
    track()
    manifest.write_text(manifest.read_text() + "terminus_type: land\n")
    assert "not measured again" not in track().err


def test_a_new_scene_one_that_is_gone_and_one_that_was_forgotten_are_work(track, command: Command, masks: Path):
    track()
    write_mask(masks / "toy_2004-03-15.tif", zones(33))
    assert "not measured again" not in track().err
    assert last_position() == pytest.approx(true_m(3300), abs=0.05)
    command("forget", "--glacier", "Toy", "--from", "2004-01-01")
    assert last_position() == pytest.approx(true_m(3600), abs=0.05)
    assert "not measured again" not in track().err
    assert last_position() == pytest.approx(true_m(3300), abs=0.05)
    (masks / "toy_2002-03-15.tif").unlink()
    assert "not measured again" not in track().err


def test_a_file_that_could_not_be_used_is_told_of_again(track, masks: Path, no_measuring):
    (masks / "toy_2003-03-15.tif").write_bytes(b"no raster")
    first = track()
    assert first.code == 3
    no_measuring()
    again = track()
    assert again.code == 3
    assert "toy_2003-03-15" in again.err


def test_with_another_ruler_nothing_passes_for_done(track, command: Command, masks: Path, manifest: Path):
    track()
    text = manifest.read_text()
    manifest.write_text(text.replace("[-2400000, 1257000]", "[-2400500, 1257000]"))
    refused = track()
    assert refused.code == 1
    assert "its line to measure along is not that of the positions" in refused.err
    assert track("--redraw").code == 0
    manifest.write_text(text)
    assert track().code == 1


def test_redraw_measures_again(track):
    track()
    assert "not measured again" not in track("--redraw").err


def test_moved_files_are_work(track, command: Command, masks: Path, manifest: Path, tmp_path: Path):
    track()
    moved = tmp_path / "elsewhere"
    shutil.copytree(masks, moved)
    said = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", moved).err
    assert "not measured again" not in said


def test_a_cluster_gives_the_same_tables_as_one_process(
    track, command: Command, masks: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    second = tmp_path / "second.yaml"
    second.write_text(manifest.read_text().replace("name: Toy", "name: Second"))
    both = ("track", "--glacier", "Toy", "--glacier", "Second", "--manifest", "toy.yaml", "--manifest", "second.yaml",
            "--data", "masks")  # fmt: skip
    assert command(*both, "--archive", "one.gpkg").code == 0
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address=":0", host="127.0.0.1", silence_logs=logging.CRITICAL
    ) as cluster:
        far = command(*both, "--archive", "far.gpkg", "--scheduler", cluster.scheduler_address)
        assert far.code == 0, far.err
        again = command(*both, "--archive", "far.gpkg", "--scheduler", cluster.scheduler_address)
        assert again.err.count("not measured again") == 2
    for name in TABLES:
        rows = [pd.DataFrame(Archive(Path(path)).read(name)) for path in ("one.gpkg", "far.gpkg")]
        rows = [table.drop(columns=[column for column in ("made_at",) if column in table]) for table in rows]
        pd.testing.assert_frame_equal(*rows)


@pytest.mark.parametrize("jobs", [0, -1, 100_000])
def test_jobs_out_of_range_are_refused(track, jobs: int):
    assert track("--jobs", jobs).code == 2


def test_what_is_no_scheduler_is_refused_before_any_work(track, no_measuring):
    no_measuring()
    refused = track("--scheduler", "localhost:8786")
    assert refused.code == 2
    assert "tcp://HOST:PORT expected" in refused.err
    assert not Path("glaciertime.gpkg").exists()


def test_a_dry_run_tells_the_tasks_what_is_done_and_what_is_left(track, command: Command, manifest: Path, masks: Path):
    first = track("--dry-run", "--json")
    assert first.code == 0, first.err
    plan = first.json
    size = sum(path.stat().st_size for path in masks.glob("*.tif"))
    assert plan["tasks"] == [{"glacier": "Toy", "scenes": 3, "bytes": size, "done": False, "error": ""}]
    assert (plan["left"], plan["done"], plan["bytes_to_read"]) == (1, 0, size)
    assert plan["cpu_hours"] > 0
    assert plan["bytes_to_store"] > 0
    assert plan["known_from"] == "Toy, 3 scenes measured for it now and not stored"
    assert not Path("glaciertime.gpkg").exists()
    track()
    done = track("--dry-run")
    assert done.out.splitlines() == [
        f"Toy: done, 3 scenes, {size / 1e6:,.1f} MB",
        "1 glacier: 1 done, 0 to do, 0 that cannot be",
    ]
    write_mask(masks / "toy_2004-03-15.tif", zones(33))
    left = track("--dry-run")
    assert "by 1 glacier that the archive holds" in left.out
    assert "to do: 4 scenes" in left.out
    assert len(Archive(Path("glaciertime.gpkg")).read("inputs")) == 3


def test_a_dry_run_tells_what_cannot_be_done(command: Command, manifest: Path, masks: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    told = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", tmp_path / "empty", "--dry-run")
    assert "Toy: cannot be done" in told.out
    assert "is empty" in told.err


def test_forecasts_by_two_processes_are_those_of_one(
    track, command: Command, masks: Path, manifest: Path, tmp_path: Path
):
    for year in range(2004, 2014):
        write_mask(masks / f"toy_{year}-03-15.tif", zones(40 - year % 7))
    second = tmp_path / "second.yaml"
    second.write_text(manifest.read_text().replace("name: Toy", "name: Second"))
    load_catalog.cache_clear()
    command("track", "--glacier", "Toy", "--glacier", "Second", "--manifest", manifest, "--manifest", second, "--data",
            masks)  # fmt: skip
    found = []
    for jobs in (1, 2):
        told = command("forecast", "--all", "--until", "2016", "--model", "last,drift", "--jobs", jobs)
        assert told.code == 0, told.err
        found.append((told.out, Archive(Path("glaciertime.gpkg")).read("forecasts")))
    assert found[0][0] == found[1][0]
    assert set(found[0][1]["glacier"]) == {"Second", "Toy"}
    pd.testing.assert_frame_equal(found[0][1], found[1][1])
