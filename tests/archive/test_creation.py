"""One archive, many processes: made by one of them, filled by all, whatever dies on the way."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from glaciertime.archive import Archive
from glaciertime.errors import ArchiveError
from tests.archive.test_archive import tracked

FORK = get_context("fork")  # what is imported already need not be imported by every writer


def of(name: str) -> dict[str, Any]:
    given = tracked([f"{name}-{i}" for i in range(20)], input_file=name)
    for table, column in (("fronts", "GlacierID"), ("observations", "glacier"), ("footprints", "glacier")):
        given[table][column] = name
    return {**given, "inputs": [(name, *row[1:]) for row in given["inputs"]]}


def store(name: str, go: Path, times: int, path: Path) -> None:
    given = of(name)
    while not go.exists():
        time.sleep(0.001)
    for _ in range(times):
        Archive(path).store_tracked(**given)


def start(name: str, go: Path, times: int, path: Path) -> BaseProcess:
    process = FORK.Process(target=store, args=(name, go, times, path))
    process.start()
    return process


def rows(path: Path, table: str) -> pd.DataFrame:
    frame = pd.DataFrame(Archive(path).read(table))
    return frame.sort_values(list(frame.columns[:8]), ignore_index=True).astype(str)


def test_first_runs_at_once_into_a_new_archive_lose_nothing(tmp_path: Path) -> None:
    names = ["A", "B", "C"]
    for name in names:
        Archive(tmp_path / "solo.gpkg").store_tracked(**of(name))
    for attempt in range(5):
        go, path = tmp_path / f"go{attempt}", tmp_path / f"{attempt}.gpkg"
        processes = [start(name, go, 1, path) for name in names]
        go.touch()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        for table in ("observations", "fronts", "footprints", "inputs"):
            pd.testing.assert_frame_equal(rows(path, table), rows(tmp_path / "solo.gpkg", table))
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".gpkg" and not path.name.startswith("go")] == []


def test_many_writers_of_one_archive_wait_for_each_other(tmp_path: Path) -> None:
    go, path = tmp_path / "go", tmp_path / "a.gpkg"
    writers = [start(f"G{i}", go, 4, path) for i in range(8)]
    go.touch()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * 8
    assert Archive(path).read("observations").groupby("glacier").size().tolist() == [20] * 8


def test_a_killed_writer_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    path, go = tmp_path / "a.gpkg", tmp_path / "go"
    Archive(path).store_tracked(**tracked(["one"]))
    go.touch()
    for delay in (0.02, 0.06, 0.11):
        writer = start("B", go, 1000, path)
        time.sleep(delay)
        writer.kill()
        writer.join()
        held = Archive(path).read("observations")
        assert (held["glacier"] == "Crane").sum() == 1
        assert (held["glacier"] == "B").sum() in (0, 20)
    Archive(path).store_tracked(**tracked(["one"]))
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith((".", "a.gpkg-"))] == []


def test_an_archive_whose_making_was_broken_off_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    path.touch()
    archive = Archive(path)
    assert not archive.exists()
    assert archive.read("observations").empty
    archive.store_tracked(**tracked(["one"]))
    assert len(archive.read("observations")) == 1


def broken_off(path: Path) -> None:
    """Leave what a crash leaves: half the pages of a change in the file, and the journal that takes them back."""
    code = (
        "import sqlite3, sys, os\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('PRAGMA cache_size = 1'); db.execute('PRAGMA cache_spill = 1')\n"
        "db.execute('BEGIN IMMEDIATE')\n"
        "db.execute('UPDATE observations SET value = -1')\n"
        "db.executemany('INSERT INTO inputs (glacier, input) VALUES (?, ?)', [('x' * 900, 'y' * 900)] * 200)\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    assert Path(f"{path}-journal").stat().st_size > 512


def test_a_reader_takes_back_what_a_crash_left_half_written(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    archive = Archive(path)
    archive.store_tracked(**tracked(["one", "two"]))
    broken_off(path)
    assert archive.read("observations")["value"].tolist() == [600.0, 600.0]
    assert not Path(f"{path}-journal").exists()


def test_a_reader_that_may_not_write_reads_a_recovered_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gpkg"
    told: list[str] = []
    archive = Archive(path, tell=told.append)
    archive.store_tracked(**tracked(["one", "two"]))
    broken_off(path)
    connect = sqlite3.connect
    # Root may write anywhere: the place is made read-only by the way it is opened.
    monkeypatch.setattr(
        "sqlite3.connect", lambda name, **given: connect(name.replace("mode=rw", "mode=ro") if str(tmp_path) in name
                                                         else name, **given),
    )  # fmt: skip
    assert archive.read("observations")["value"].tolist() == [600.0, 600.0]
    assert "recovered copy" in told[0]
    assert Path(f"{path}-journal").exists()


def test_a_writer_waits_for_another_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gpkg"
    Archive(path).store_tracked(**tracked(["one"]))
    monkeypatch.setattr("glaciertime.archive.connection._TELL_AFTER_SECONDS", 0.2)
    code = (
        "import sqlite3, sys, time\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute('BEGIN EXCLUSIVE'); print('held', "
        "flush=True); time.sleep(1.0); db.execute('ROLLBACK')"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "held"
        told: list[str] = []
        Archive(path, tell=told.append).store_tracked(**tracked(["two"], input_file="b.tif"))
    assert len(told) == 1
    assert "in use by another process; waiting" in told[0]
    assert len(Archive(path).read("observations")) == 2


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link", "device", "no folder"])
def test_a_place_that_is_no_file_is_refused_and_kept(tmp_path: Path, kind: str) -> None:
    path, real = tmp_path / "a.gpkg", tmp_path / "real.gpkg"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        real.write_bytes(b"mine")
        path.symlink_to(real)
    elif kind == "dangling link":
        path.symlink_to(real)
    elif kind == "device":
        path = Path(os.devnull)
    else:
        path = tmp_path / "none" / "a.gpkg"
    with pytest.raises(ArchiveError, match=r"folder|link|device"):
        Archive(path).store_tracked(**tracked(["one"]))
    assert not real.exists() or real.read_bytes() == b"mine"
    assert kind != "device" or not os.path.isfile(os.devnull)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Archive(tmp_path / "held.gpkg").store_tracked(**tracked(["one"]))
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anywhere
    with pytest.raises(ArchiveError, match=r"a\.gpkg cannot be made \(folder .* cannot be written\); give --archive"):
        Archive(tmp_path / "a.gpkg").store_tracked(**tracked(["one"]))
    with pytest.raises(ArchiveError, match=r"held\.gpkg cannot be written \(read-only\?\)"):
        Archive(tmp_path / "held.gpkg").store_tracked(**tracked(["two"]))
    assert not (tmp_path / "a.gpkg").exists()
