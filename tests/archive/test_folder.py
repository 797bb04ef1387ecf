"""An archive in a folder: what other programs read of it, and what it does with what it was not made for."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow.dataset
import pytest
from pyarrow import parquet

from glaciertime.archive import Archive
from glaciertime.archive.care import check
from glaciertime.archive.folder import changes
from glaciertime.archive.folder.partitions import decoded, encoded
from glaciertime.errors import ArchiveError, UsageError, WritingError
from glaciertime.writing import check_target
from tests.archive.test_archive import tracked
from tests.archive.test_kinds import of_glacier

pytest.importorskip("duckdb", reason="duckdb is not installed here: pip install 'glaciertime[folder]'")

NAMES = ["Mill", "mill", "MILL", "a/b", "../up", "..", ".", "A=B", "50%", "50%25", "Å Glacier", "A\u030a Glacier", " ",
         "con", "x" * 300, "x" * 299 + "y", "é" * 90, "__HIVE_DEFAULT_PARTITION__", "*?[a]",
         "'; DROP TABLE runs; --"]  # fmt: skip


def test_any_name_is_a_glacier_of_its_own(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "store")
    for number, name in enumerate(NAMES):
        archive.store_tracked(**of_glacier(name, ["one"], value=float(number)))
    assert archive.glaciers() == sorted(NAMES)
    for number, name in enumerate(NAMES):
        assert list(archive.read("observations", glacier=name)["value"]) == [number]
    assert len(archive.read("observations")) == len(NAMES)
    assert {path.name for path in tmp_path.iterdir()} == {"store"}
    assert len({encoded(name).casefold() for name in NAMES}) == len(NAMES)
    assert [decoded(encoded(name)) for name in NAMES if len(name) < 60] == [name for name in NAMES if len(name) < 60]


def test_other_programs_read_it(tmp_path: Path) -> None:
    import duckdb

    archive = Archive(tmp_path / "store")
    archive.store_tracked(**tracked(["one", "two"]))
    archive.store_tracked(**of_glacier("Mill 1", ["one"]))
    file = next((tmp_path / "store" / "fronts").glob("*/glacier=Crane/*.parquet"))
    assert file.parent.parent.name == "region=Antarctic%20Peninsula"
    fronts = gpd.read_parquet(file)
    assert fronts.crs == "EPSG:4326"
    assert fronts.total_bounds == pytest.approx(archive.read("fronts", glacier="Crane").total_bounds)
    geo = json.loads(parquet.read_metadata(file).metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["geometry_types"] == ["MultiLineString"]
    pattern = str(tmp_path / "store" / "observations" / "*" / "*" / "*.parquet")
    query = "SELECT DISTINCT region, glacier FROM read_parquet(?, hive_partitioning = true) ORDER BY glacier"
    assert duckdb.execute(query, [pattern]).fetchall() == [("Antarctic Peninsula", "Crane"), ("other", "Mill 1")]
    held = pyarrow.dataset.dataset(tmp_path / "store" / "observations", partitioning="hive").to_table()
    assert held.num_rows == 3


def test_a_folder_of_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    archive = Archive(tmp_path)
    for ask in (archive.exists, archive.check_place, lambda: archive.store_tracked(**tracked(["one"])),
                archive.glaciers, lambda: archive.read("observations")):  # fmt: skip
        with pytest.raises(ArchiveError, match=r"is a folder, and no archive of glaciertime \(it holds notes.txt"):
            ask()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("mark", ["", "{", "5", '{"schema": "x"}', '{"schema": null}', "[]"])
def test_a_damaged_mark_is_one_sentence(tmp_path: Path, mark: str) -> None:
    archive = Archive(tmp_path / "store")
    archive.store_tracked(**tracked(["one"]))
    (tmp_path / "store" / "glaciertime.json").write_text(mark)
    with pytest.raises(ArchiveError, match=r"glaciertime.json"):
        archive.read("observations")


def test_an_archive_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "store")
    archive.store_tracked(**tracked(["one"]))
    mark = tmp_path / "store" / "glaciertime.json"
    told = mark.read_text()
    mark.write_text('{"schema": 99, "written_by": "9.9"}')
    with pytest.raises(ArchiveError, match=r"has schema 99, written by glaciertime 9\.9"):
        archive.store_tracked(**tracked(["one"]))
    mark.write_text(told)
    file = next((tmp_path / "store" / "observations").rglob("*.parquet"))
    rows = parquet.read_table(file)
    parquet.write_table(rows.replace_schema_metadata({b"glaciertime_schema": b"99"}), file)
    with pytest.raises(ArchiveError, match="has schema 99"):
        archive.read("observations", glacier="Crane")


@pytest.mark.parametrize("keep", [0, 3, 200, -8])
def test_a_file_that_is_cut_off_is_one_sentence_and_others_are_read(tmp_path: Path, keep: int) -> None:
    archive = Archive(tmp_path / "store")
    archive.store_tracked(**tracked(["one"]))
    archive.store_tracked(**of_glacier("Jorum", ["one"]))
    file = next((tmp_path / "store" / "observations").glob("*/glacier=Crane/*.parquet"))
    file.write_bytes(file.read_bytes()[:keep])
    for ask in (lambda: archive.read("observations", glacier="Crane"), lambda: archive.read("observations"),
                lambda: list(archive.stream("observations")),
                lambda: archive.store_tracked(**tracked(["two"]))):  # fmt: skip
        with pytest.raises(ArchiveError, match="glacier=Crane"):
            ask()
    assert len(archive.read("observations", glacier="Jorum")) == 1
    assert len(check(archive).problems) == 1


def test_a_disk_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("glaciertime.archive.folder.locks.fcntl.flock", none)
    with pytest.raises(ArchiveError, match="this disk keeps no locks"):
        Archive(tmp_path / "store").store_tracked(**tracked(["one"]))


def test_who_waits_too_long_is_told_who_holds_it(tmp_path: Path) -> None:
    from glaciertime.archive.connection import is_in_use
    from glaciertime.archive.folder.locks import locked

    Archive(tmp_path / "store").store_tracked(**tracked(["one"]))
    archive = Archive(tmp_path / "store", wait_seconds=0.05)
    with locked(tmp_path / "store", ["Crane"], tell=print, wait_seconds=1):
        archive.store_tracked(**of_glacier("Jorum", ["one"]))  # another glacier does not wait
        with pytest.raises(ArchiveError, match=r"Crane in archive .* is being written by another process") as caught:
            archive.store_tracked(**tracked(["two"]))
    assert is_in_use(caught.value)


@pytest.mark.parametrize("reader", ["read", "write"])
def test_what_was_stored_when_its_process_died_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    """Once the room of a change has its last name, the change has happened: the next one puts the files in place."""
    archive = Archive(tmp_path / "store")
    archive.store_tracked(**tracked(["one"], value=1.0))
    before = archive.read("fronts")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(changes, "_move", die)
        with pytest.raises(KeyboardInterrupt):
            archive.store_tracked(**tracked(["one", "two"], value=2.0))
    assert len(list((tmp_path / "store" / ".changes").glob("*.stored"))) == 1
    if reader == "write":
        archive.store_forecasts(pd.DataFrame(columns=list(archive.read("forecasts").columns)))
        archive.store_tracked(**tracked(["three"], input_file="b.tif", value=3.0))
    found = archive.read("observations", glacier="Crane")
    assert dict(zip(found["image_id"], found["value"], strict=True)) == (
        {"one": 2.0, "two": 2.0} | ({"three": 3.0} if reader == "write" else {})
    )
    assert len(archive.read("fronts")) == len(found) > len(before)
    assert list((tmp_path / "store" / ".changes").iterdir()) == []
    assert check(archive).is_sound


def test_what_was_not_yet_stored_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path / "store")
    archive.store_tracked(**tracked(["one"], value=1.0))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(changes, "write_file", full)
        with pytest.raises(WritingError, match=r"No space left on device.*nothing was changed"):
            archive.store_tracked(**tracked(["one", "two"], value=2.0))
    assert list(archive.read("observations")["value"]) == [1.0]
    assert list((tmp_path / "store" / ".changes").iterdir()) == []


def test_nothing_else_is_written_into_it(tmp_path: Path) -> None:
    Archive(tmp_path / "store").store_tracked(**tracked(["one"]))
    with pytest.raises(UsageError, match="is in the folder of the archive"):
        check_target(tmp_path / "store" / "fronts" / "x.csv", archive=tmp_path / "store")
