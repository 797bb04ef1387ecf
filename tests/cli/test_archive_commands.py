"""Commands that look after the archive: files that were renamed or deleted, images to forget, an archive in use."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from glaciertime.archive import Archive

from .conftest import Command, Result


@pytest.fixture
def track(command: Command, masks: Path, manifest: Path):  # type: ignore[no-untyped-def]
    def call(*more: object) -> Result:
        return command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks, *more)

    return call


def images() -> list[str]:
    return sorted(set(Archive(Path("glaciertime.gpkg")).read("observations")["image_id"]))


def test_a_renamed_file_is_told_and_its_old_rows_go_with_prune(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    first = track()
    assert first.code == 0
    assert "gone" not in first.err
    before = images()
    old = sorted(masks.glob("*.tif"))[0]
    new = old.rename(old.with_name(f"{old.stem}_final.tif"))
    told = track()
    assert f"1 image is there twice, once from a file that is gone ({old.name} is now {new.stem}?)" in told.err
    assert "add --prune" in told.err
    assert len(images()) == len(before) + 1

    would = track("--prune", "--dry-run")
    assert would.code == 0
    assert "observations" in would.out
    assert "would go" in would.out
    assert str(old) in would.err
    assert len(images()) == len(before) + 1

    done = track("--prune")
    assert done.code == 0
    assert "came from files that are gone" in done.err
    assert images() == sorted([*(set(before) - {old.stem}), new.stem])
    assert "gone" not in track().err
    assert "nothing would go" in track("--prune", "--dry-run").err


def test_a_deleted_file_is_told_and_goes_with_prune(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    track()
    old = sorted(masks.glob("*.tif"))[-1]
    old.unlink()
    assert f"1 image comes from files that are gone ({old.name}) and still count in the series" in track().err
    track("--prune")
    assert old.stem not in images()
    assert "gone" not in track().err


def test_dry_run_without_prune_says_what_is_to_be_done(track) -> None:  # type: ignore[no-untyped-def]
    result = track("--dry-run")
    assert result.code == 0
    assert "0 done, 1 to do" in result.out
    assert not Path("glaciertime.gpkg").exists()


def test_forget_takes_out_what_it_said(track, command: Command) -> None:  # type: ignore[no-untyped-def]
    track()
    name = images()[0]
    would = command("forget", "--glacier", "toy", "--image", name, "--dry-run", "--json")
    assert {row["table"] for row in would.json} == {"fronts", "observations", "inputs", "run_inputs"}
    assert name in images()
    done = command("forget", "--glacier", "toy", "--image", name, "--json")
    assert [row["rows"] for row in done.json] == [row["rows"] for row in would.json]
    assert name not in images()
    assert command("forget", "--glacier", "Toy", "--image", name).code == 1
    assert command("forget").code == 2
    assert "nothing in glaciertime.gpkg matches" in command("forget", "--dataset", "none").err


def test_check_backup_and_repair(track, command: Command) -> None:  # type: ignore[no-untyped-def]
    track()
    path = Path("glaciertime.gpkg")
    sound = command("archive", "check", path)
    assert sound.code == 0
    assert sound.out.endswith("sound\n")
    copy = command("archive", "backup", path, "--out", "copy.gpkg")
    assert (copy.code, copy.out) == (0, "copy.gpkg\n")
    with sqlite3.connect(path) as database:
        database.execute("DROP INDEX fronts_by_0")
    wrong = command("archive", "check", path, "--json")
    assert wrong.code == 1
    assert wrong.json[0]["problems"] == ["table fronts lacks an index: it is slow"]
    assert command("archive", "repair", path).code == 0
    assert command("archive", "check", path).code == 0
    assert command("archive", "check", "none.gpkg").code == 1


def test_what_was_measured_while_the_archive_was_held_is_not_lost(  # type: ignore[no-untyped-def]
    track, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    track()
    solo = images()
    Path("glaciertime.gpkg").rename("solo.gpkg")
    Archive(Path("glaciertime.gpkg")).forget(glacier="none")
    command("archive", "merge", "glaciertime.gpkg", "solo.gpkg")
    command("forget", "--glacier", "Toy")
    monkeypatch.setattr("glaciertime.archive.connection.WAIT_SECONDS", 0.05)
    other = sqlite3.connect("glaciertime.gpkg", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        result = track()
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert result.code == 1
    assert "being written by another process" in result.err
    aside = next(Path().glob("glaciertime.unstored-*.gpkg"))
    assert f"glaciertime archive merge glaciertime.gpkg {aside} puts it in" in result.err
    assert command("archive", "merge", "glaciertime.gpkg", aside).code == 0
    assert images() == solo


def test_a_row_that_cannot_be_used_stays_behind_and_the_exit_code_says_so(track, command: Command) -> None:  # type: ignore[no-untyped-def]
    track()
    Path("glaciertime.gpkg").rename("other.gpkg")
    with sqlite3.connect("other.gpkg") as database:
        database.execute("UPDATE observations SET unit = 'furlong' WHERE rowid = 1")
    strict = command("archive", "merge", "glaciertime.gpkg", "other.gpkg", "--strict")
    assert strict.code == 1
    assert "1 row cannot be used; nothing was taken in" in strict.err
    assert not Path("glaciertime.gpkg").exists()
    merged = command("archive", "merge", "glaciertime.gpkg", "other.gpkg")
    assert merged.code == 3
    assert "1 row that cannot be used" in merged.out
    held = len(Archive(Path("other.gpkg"), tell=str).read("observations"))
    assert len(Archive(Path("glaciertime.gpkg")).read("observations")) == held > 0


@pytest.mark.parametrize("place", ["/dev/null", ".", "link.gpkg"])
def test_a_place_that_is_no_file_is_refused_before_the_work(track, place: str) -> None:  # type: ignore[no-untyped-def]
    if place == "link.gpkg":
        Path(place).symlink_to("elsewhere.gpkg")
    result = track("--archive", place)
    assert result.code == 1
    assert "device" in result.err or "folder" in result.err or "link" in result.err
    assert result.out == ""
    assert not Path("elsewhere.gpkg").exists()


def test_nothing_rests_on_a_row_with_a_flag_of_a_later_release(track, command: Command) -> None:  # type: ignore[no-untyped-def]
    track()
    first, last = command("table", "--json").json, images()[-1]
    with sqlite3.connect("glaciertime.gpkg") as database:
        database.execute("UPDATE observations SET quality = 'smoke: all over' WHERE image_id = ?", (last,))
    result = command("table", "--json")
    assert "a flag that this release does not know (smoke)" in result.err
    assert result.json[0]["end_date"] < first[0]["end_date"]
    assert command("report", "--glacier", "Toy", "--out", "toy.html").code == 0
    assert "smoke: all over" in Path("toy.html").read_text()
    assert command("series", "--glacier", "Toy", "--product", "raw").out.count(last) == 0
