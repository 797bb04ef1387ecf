"""A record that grows scene by scene is screened as a whole, as if all of it had come at once."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from glaciertime.archive import Archive

from .conftest import Command, write_mask, zones

# Columns of 100 m: a spike that is undone, and a retreat that stays.
COLUMNS = [40, 39, 40, 39, 40, 39, 40, 55, 39, 40, 39, 40, 25, 25, 24]


@pytest.fixture
def growing(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "all"
    folder.mkdir()
    paths = [folder / f"toy_{2001 + k}-03-15.tif" for k in range(len(COLUMNS))]
    for path, columns in zip(paths, COLUMNS, strict=True):
        write_mask(path, zones(columns))
    return paths


def rows(archive: str, table: str = "observations") -> pd.DataFrame:
    found = pd.DataFrame(Archive(Path(archive)).read(table))
    names = [name for name in ("variable", "method", "footprint", "date", "Date", "image_id") if name in found]
    return found.sort_values(names).reset_index(drop=True)


def flags(archive: str) -> dict[int, str]:
    found = rows(archive).query("variable == 'front_position_m' and method == 'centreline'")
    return {row.date.year: row.quality.partition(":")[0] for row in found.itertuples() if row.quality != "ok"}


def test_one_at_a_time_gives_the_flags_of_all_at_once(
    command: Command, manifest: Path, growing: list[Path], tmp_path: Path
) -> None:
    track = ("track", "--glacier", "Toy", "--manifest", manifest, "--dataset", "a")
    assert command(*track, "--data", growing[0].parent, "--archive", "once.gpkg").code == 0
    assert flags("once.gpkg") == {2008: "outlier-jump"}
    one = tmp_path / "one"
    one.mkdir()
    seen = {}
    for path in [*growing[:3], *growing[4:7]]:
        shutil.copy(path, one)
    assert command(*track, "--data", one, "--archive", "grown.gpkg").code == 0
    # In any order: the last scene to come lies in the middle.
    for path in [*growing[7:], growing[3]]:
        result = command(*track, "--data", path, "--archive", "grown.gpkg")
        assert result.code == 0, result.err
        seen[path.name[4:8]] = flags("grown.gpkg")
    # The spike: unconfirmed as the last, told once a later one is there. The jump: unconfirmed, then nothing.
    assert seen["2008"] == {2008: "unconfirmed"}
    assert seen["2009"] == {2008: "outlier-jump"}
    assert seen["2013"] == {2008: "outlier-jump", 2013: "unconfirmed"}
    assert seen["2015"] == {2008: "outlier-jump"}
    for table, column in (("observations", "quality"), ("fronts", "QualFlag")):
        assert rows("grown.gpkg", table)[column].tolist() == rows("once.gpkg", table)[column].tolist()
    # Notes are of the record, not of the one scene of this run.
    assert "not screened" not in result.err
    again = command(*track, "--data", growing[0], "--archive", "grown.gpkg")
    assert again.code == 0
    assert rows("grown.gpkg")["quality"].tolist() == rows("once.gpkg")["quality"].tolist()


def test_flags_that_a_data_set_came_with_stay(command: Command, manifest: Path, growing: list[Path]) -> None:
    track = ("track", "--glacier", "Toy", "--manifest", manifest, "--dataset", "a", "--data", growing[0].parent)
    assert command(*track).code == 0
    own = {"toy_2002-03-15": "outlier-length: by eye", "toy_2003-03-15": "of-a-later-release: x"}
    with sqlite3.connect("glaciertime.gpkg") as database:
        for image, text in own.items():
            database.execute(
                "UPDATE observations SET quality = ? WHERE image_id = ? AND method = 'centreline'", (text, image)
            )
    command("track", "--glacier", "Toy", "--manifest", manifest, "--dataset", "a", "--data", growing[7])
    with sqlite3.connect("glaciertime.gpkg") as database:
        held = database.execute("SELECT image_id, quality FROM observations WHERE method = 'centreline'").fetchall()
    assert {image: text for image, text in held if image in own} == own


def test_what_stays_is_screened_again_when_values_go_or_come(
    command: Command, manifest: Path, growing: list[Path], tmp_path: Path
) -> None:
    """Flags were those of a record that was no more: a value undone by others that are gone stayed an outlier."""
    track = ("track", "--glacier", "Toy", "--manifest", manifest, "--dataset", "a")
    assert command(*track, "--data", growing[0].parent, "--archive", "all.gpkg").code == 0
    assert flags("all.gpkg") == {2008: "outlier-jump"}
    # Without what came after, the spike is the last value.
    assert command("forget", "--from", "2009-01-01", "--archive", "all.gpkg").code == 0
    assert flags("all.gpkg") == {2008: "unconfirmed"}
    assert rows("all.gpkg", "fronts")["QualFlag"].str.contains("outlier-jump").sum() == 0
    later = tmp_path / "later"
    later.mkdir()
    for path in growing[8:]:
        shutil.move(path, later / path.name)
    assert command(*track, "--data", later, "--archive", "later.gpkg").code == 0
    assert command("archive", "merge", "all.gpkg", "later.gpkg").code == 0
    assert flags("all.gpkg") == {2008: "outlier-jump"}
    # The later files go, their folder stays: so do their values, and the spike is the last again.
    for path in later.glob("*.tif"):
        path.rename(tmp_path / path.name)
    (later / "notes.txt").write_text("moved")
    assert command(*track, "--data", growing[0].parent, "--archive", "all.gpkg", "--prune").code == 0
    assert flags("all.gpkg") == {2008: "unconfirmed"}


def test_flags_of_which_nobody_knows_the_limits_stay_and_are_told(
    command: Command, manifest: Path, growing: list[Path]
) -> None:
    track = ("track", "--glacier", "Toy", "--manifest", manifest, "--dataset", "a", "--data", growing[0].parent)
    assert command(*track).code == 0
    with sqlite3.connect("glaciertime.gpkg") as database:
        database.execute(
            "UPDATE observations SET quality = 'outlier-jump: 9 m ahead of the values before and after it, by its own "
            "series' WHERE image_id = 'toy_2003-03-15' AND method = 'centreline'"
        )
    result = command("forget", "--image", "toy_2015-03-15")
    assert result.code == 0
    assert "Toy (a): not screened again, its flags are not those of this release; run track again" in result.err
    assert flags("glaciertime.gpkg") == {2003: "outlier-jump", 2008: "outlier-jump"}
