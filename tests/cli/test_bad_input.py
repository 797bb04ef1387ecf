"""Bad input: one clear sentence, exit code 1 or 2, no traceback, and the archive keeps what it had."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from glaciertime.archive import Archive

from .conftest import GLACIER, OCEAN, TOY_TRANSFORM, Command, Result, write_mask, zones


@pytest.fixture
def track(command: Command, masks: Path, manifest: Path):  # type: ignore[no-untyped-def]
    """Track the toy glacier from a folder, the masks by default."""

    def call(*more: object, data: Path = masks) -> Result:
        return command("track", "--glacier", "Toy", "--manifest", manifest, "--data", data, *more)

    return call


def complaint(result: Result, *, code: int = 1) -> str:
    """Return what a command printed when it refused; fails where it did not refuse, or with a traceback."""
    assert result.code == code, result
    assert "Traceback" not in result.err
    return result.err


def held() -> int:
    return len(Archive(Path("glaciertime.gpkg")).read("observations"))


def test_an_unknown_glacier_offers_the_nearest_names(command: Command) -> None:
    assert "unknown glacier 'Crain', did you mean Crane" in complaint(command("track", "--glacier", "Crain"), code=2)


def test_no_glacier_named(command: Command) -> None:
    assert "name a glacier with --glacier NAME" in complaint(command("track"), code=2)


def test_an_unknown_option(command: Command) -> None:
    assert command("track", "--glazier", "Crane").code == 2


def test_an_empty_folder(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "empty").mkdir()
    assert "is empty; expected" in complaint(track(data=tmp_path / "empty"))
    assert not Path("glaciertime.gpkg").exists()


def test_data_that_is_not_there_never_falls_back_to_the_simulation(command: Command, tmp_path: Path) -> None:
    assert "there is no such folder or file" in complaint(
        command("track", "--glacier", "Crane", "--data", tmp_path / "none")
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("nothing of use")
    assert "holds nothing of Crane" in complaint(command("track", "--glacier", "Crane", "--data", tmp_path / "other"))
    assert not Path("glaciertime.gpkg").exists()


def test_the_environment_variable_counts_like_the_option(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLACIERTIME_DATA", str(tmp_path / "none"))
    assert "there is no such folder or file" in complaint(command("track", "--glacier", "Crane"))


def test_a_mask_full_of_ice_has_no_front_and_its_area_is_a_bound(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    write_mask(masks / "toy_2000-03-15.tif", np.full((60, 60), GLACIER, dtype=np.uint8))
    assert track().code == 0
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    area = observations[(observations["date"] == pd_date("2000-03-15")) & (observations["variable"] == "area_km2")]
    assert area["quality"].str.contains("censored").all()
    assert len(area)
    position = observations[(observations["date"] == pd_date("2000-03-15")) & (observations["method"] == "centreline")]
    assert position["value"].isna().all()
    assert position["quality"].str.contains("no-front").all()


def pd_date(text: str) -> object:
    import pandas as pd

    return pd.Timestamp(text)


def test_a_mask_without_ice_has_no_front(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    write_mask(masks / "toy_2004-03-15.tif", np.full((60, 60), OCEAN, dtype=np.uint8))
    assert track().code == 0
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    rows = observations[observations["date"] == pd_date("2004-03-15")]
    assert rows.loc[rows["variable"] == "area_km2", "value"].eq(0).all()
    assert rows["quality"].str.contains("no-front|censored").all()


def test_a_mask_of_nodata_is_a_failure_and_the_others_count(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    write_mask(masks / "toy_2004-03-15.tif", np.zeros((60, 60), dtype=np.uint8))
    assert "without data" in complaint(track(), code=3)
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    assert observations.loc[observations["date"] == pd_date("2004-03-15"), "quality"].str.contains("failed").all()
    assert observations["value"].notna().sum() >= 6


def test_a_mask_of_another_size(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    write_mask(masks / "toy_2004-03-15.tif", zones(30)[:, :50])
    assert track().code == 0
    rows = Archive(Path("glaciertime.gpkg")).read("observations").query("variable == 'area_km2'")
    assert sorted(rows.query("footprint == 'common'").image_id.str[-10:-6]) == ["2001", "2002", "2003", "2004"]
    other = rows.query("footprint == 'image' and image_id == 'toy_2004-03-15'").iloc[0]
    assert "partial-coverage: shows another extent than most masks" in other.quality


def test_images_of_other_sizes_without_a_place_are_not_compared(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    for year, column in ((2001, 40), (2002, 38), (2003, 36)):
        (masks / f"toy_{year}-03-15.tif").unlink()
        write_mask(masks / f"toy_{year}-03-15.png", zones(column), crs=None, transform=None, driver="PNG")
    small = zones(30)[:, :50]
    write_mask(masks / "toy_2004-03-15.png", small, crs=None, transform=None, driver="PNG")
    said = complaint(track("--resolution", 100), code=3)
    assert "has 60 x 50 pixels, its neighbours have 60 x 60" in said
    assert track("--resolution", 100, "--common-footprint").code == 0


def test_a_mask_in_another_crs(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    write_mask(masks / "toy_2004-03-15.tif", zones(30), crs="EPSG:32720")
    assert "km from most of its neighbours and shares no ground with them" in complaint(track(), code=3)


def test_a_rotated_mask(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    write_mask(masks / "toy_2004-03-15.tif", zones(30), transform=TOY_TRANSFORM @ Affine.rotation(10))
    assert "rotated geotransform" in complaint(track(), code=3)


def test_a_mask_without_a_crs_says_how(track, command: Command, masks: Path) -> None:  # type: ignore[no-untyped-def]
    for path in masks.iterdir():
        path.unlink()
    for year, column in ((2001, 40), (2002, 38)):
        write_mask(masks / f"toy_{year}-03-15.tif", zones(column), crs=None)
    result = track()
    assert "--crs EPSG:CODE" in complaint(result)
    assert "--resolution METRES" in result.err
    assert track("--crs", "EPSG:3031").code == 0
    for year, column in ((2001, 40), (2002, 38)):
        write_mask(masks / f"toy_{year}-03-15.png", zones(column), crs=None, transform=None, driver="PNG")
        (masks / f"toy_{year}-03-15.tif").unlink()
    assert track("--resolution", "100", "--archive", "local.gpkg").code == 0
    rows = command("table", "--archive", "local.gpkg", "--json").json
    assert rows[0]["loss_km2"] == pytest.approx(2 * 40 * 0.01)


def test_two_masks_of_one_date(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    write_mask(masks / "copy_2003-03-15.tif", zones(30))
    assert "has the same date, 2003-03-15, as" in complaint(track(), code=3)


def test_a_name_without_a_date(track, masks: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write_mask(masks / "final.tif", zones(30))
    assert "final.tif names no date" in complaint(track(), code=3)
    (tmp_path / "dates.csv").write_text("file,date\nfinal.tif,2005-03-15\n")
    assert track("--dates", tmp_path / "dates.csv").code == 0


@pytest.mark.parametrize("size", [0, 400])
def test_a_truncated_mask_keeps_the_earlier_measurement(track, masks: Path, size: int) -> None:  # type: ignore[no-untyped-def]
    assert track().code == 0
    before = Archive(Path("glaciertime.gpkg")).read("observations")
    path = masks / "toy_2003-03-15.tif"
    path.write_bytes(path.read_bytes()[:size])
    result = track()
    assert ("empty (0 bytes)" if size == 0 else "truncated") in complaint(result, code=3)
    assert "earlier measurement" in result.err
    after = Archive(Path("glaciertime.gpkg")).read("observations")
    assert len(after) == len(before)
    assert after["value"].notna().sum() == before["value"].notna().sum()


def test_values_that_name_no_zone(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    write_mask(masks / "toy_2004-03-15.tif", (zones(30) == GLACIER).astype(np.uint8))
    assert "--classes 0=ocean,1=glacier" in complaint(track(), code=3)


def test_failures_of_one_kind_are_one_line_with_a_count_and_the_option_that_helps(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    for year in (2004, 2005, 2006):
        write_mask(masks / f"toy_{year}-03-15.tif", (zones(30) == GLACIER).astype(np.uint8))
    (masks / "toy_2007-03-15.tif").write_bytes(b"")
    result = track()
    assert result.code == 3
    said = [line for line in result.err.splitlines() if line.startswith("Toy: toy_")]
    assert len(said) == 2
    assert "toy_2004-03-15.tif holds the values 0, 1" in said[0]
    assert "(and 2 more like it)" in said[0]
    assert "toy_2007-03-15.tif is empty" in said[1]
    assert "measured: 3 scenes; not measured: 4; --classes would change that for 3" in result.out


def test_strict_stores_nothing_that_failed_in_part(track, masks: Path) -> None:  # type: ignore[no-untyped-def]
    (masks / "toy_2007-03-15.tif").write_bytes(b"")
    assert "is empty (0 bytes)" in complaint(track("--strict"))
    assert not Path("glaciertime.gpkg").exists()
    (masks / "toy_2007-03-15.tif").unlink()
    assert track("--strict").code == 0


@pytest.mark.parametrize("classes", ["0=ocean", "glacier", "0=ice,1=glacier", "1=glacier,1=ocean"])
def test_wrong_classes(track, classes: str) -> None:  # type: ignore[no-untyped-def]
    assert f"--classes '{classes}'" in complaint(track("--classes", classes), code=2)


def test_a_wrong_crs(track) -> None:  # type: ignore[no-untyped-def]
    assert "--crs 'EPSG:1' is not a coordinate system" in complaint(track("--crs", "EPSG:1"), code=2)


def test_an_unknown_method(track) -> None:  # type: ignore[no-untyped-def]
    assert "did you mean centreline" in complaint(track("--method", "centerline"), code=2)


def test_a_corrupt_archive_is_kept(track) -> None:  # type: ignore[no-untyped-def]
    path = Path("glaciertime.gpkg")
    path.write_bytes(b"not a database" * 200)
    assert "damaged or is no GeoPackage" in complaint(track())
    assert path.read_bytes() == b"not a database" * 200


def test_a_foreign_database_is_kept(track) -> None:  # type: ignore[no-untyped-def]
    with sqlite3.connect("glaciertime.gpkg") as database:
        database.execute("CREATE TABLE mine (a)")
    assert "is no archive of glaciertime" in complaint(track())


def test_an_archive_that_is_locked(track, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    track()
    count = held()
    monkeypatch.setattr("glaciertime.archive.connection.WAIT_SECONDS", 0.05)
    other = sqlite3.connect("glaciertime.gpkg", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert "being written by another process" in complaint(track())
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert held() == count


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    assert "cannot be made" in complaint(track("--archive", folder / "a.gpkg"))


def test_a_full_disk(track, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    track()
    count = held()

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("glaciertime.archive.storing.insert", full)
    # Of other settings: what is held of these is not measured again, and writes nothing.
    assert "the disk is full" in complaint(track("--method", "centreline"))
    assert held() == count


def test_commands_before_tracking_say_what_to_do_first(command: Command, tmp_path: Path) -> None:
    for text in ("table", "forecast --glacier Crane --until 2030", "backtest --glacier Crane",
                 "report --glacier Crane", "export --glacier Crane --out x.csv"):  # fmt: skip
        arguments = text.split()
        assert "run glaciertime track --glacier NAME first" in complaint(command(*arguments))


def test_a_glacier_that_was_not_tracked(track, command: Command) -> None:  # type: ignore[no-untyped-def]
    track()
    assert "holds nothing of 'Crane'; it holds Toy" in complaint(command("table", "--glacier", "Crane"))


def test_a_table_date_too_far_from_any_observation(track, command: Command) -> None:  # type: ignore[no-untyped-def]
    track()
    assert "--max-gap" in complaint(command("table", "--from", "1990-01-01"))
    assert command("table", "--from", "1990-01-01", "--max-gap", "5000").code == 0
    assert "'soon' is not a date" in complaint(command("table", "--from", "soon"))
    assert "--format 'word' is not known" in complaint(command("table", "--format", "word"), code=2)


def test_a_forecast_that_looks_back_or_knows_no_model(track, command: Command) -> None:  # type: ignore[no-untyped-def]
    track()
    assert "does not lie after the last observation" in complaint(
        command("forecast", "--glacier", "Toy", "--until", "1999")
    )
    assert "drift" in complaint(command("forecast", "--glacier", "Toy", "--until", "2030", "--model", "drft"), code=2)
    assert "--min-train" in complaint(command("backtest", "--glacier", "Toy"))


def test_an_export_to_an_unknown_format_or_folder(track, command: Command) -> None:  # type: ignore[no-untyped-def]
    track()
    assert "--format 'xls'" in complaint(
        command("export", "--glacier", "Toy", "--format", "xls", "--out", "x.xls"), code=2
    )
    assert "folder no/where does not exist; create it first" in complaint(
        command("export", "--glacier", "Toy", "--out", "no/where/x.csv"), code=2
    )
    assert "--table 'rows'" in complaint(
        command("export", "--glacier", "Toy", "--table", "rows", "--out", "x.csv"), code=2
    )


def test_a_download_that_does_not_exist(command: Command) -> None:
    assert "did you mean CaFFe" in complaint(command("data", "fetch", "CaFe"), code=2)
