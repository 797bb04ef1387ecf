"""Checks find what is wrong, copies are whole, repairs keep what can be kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from glaciertime.archive import Archive
from glaciertime.archive.maintenance import back_up, check, repair
from glaciertime.errors import ArchiveError, DataNotFoundError, UsageError
from tests.archive.test_archive import tracked
from tests.archive.test_migrations import check_numbers, old_archive


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    store = Archive(tmp_path / "a.gpkg")
    store.store_tracked(**tracked(["one", "two"]))
    return store


def change(archive: Archive, *statements: str) -> None:
    with closing(sqlite3.connect(archive.path)) as database, database:
        for statement in statements:
            database.execute(statement)


def test_a_sound_archive_is_called_sound(archive: Archive) -> None:
    found = check(archive.path)
    assert (found.problems, found.notes) == ((), ())
    assert found.is_sound
    assert (found.counts["observations"], found.counts["fronts"], found.counts["scores"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["ALTER TABLE observations DROP COLUMN sensor"], "column sensor of table observations is missing"),
        (["DROP TABLE rulers"], "table rulers is missing"),
        (["DROP INDEX inputs_by_0"], "table inputs lacks an index"),
        (["UPDATE gpkg_contents SET max_x = 99 WHERE table_name = 'fronts'"], "fronts: its stated extent is not that"),
        (["DELETE FROM rtree_fronts_geom WHERE id = 1"], "its spatial index has 1 entries for 2 geometries"),
        (["DELETE FROM gpkg_contents WHERE table_name = 'scores'"], "scores is not listed"),
        (["PRAGMA user_version = 10400"], "the version is not 1.2"),
        (["UPDATE gpkg_geometry_columns SET geometry_type_name = 'LINESTRING' WHERE table_name = 'fronts'"],
         "fronts is not declared as MULTILINESTRING"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_and_mended_in_place(archive: Archive, statements: list[str], problem: str) -> None:
    change(archive, *statements)
    found = check(archive.path)
    assert any(problem in text for text in found.problems), found
    path, done = repair(archive.path)
    assert path == archive.path
    assert done
    assert check(archive.path).problems == ()
    assert archive.read("observations")["value"].tolist() == [600.0, 600.0]
    assert len(archive.read("fronts")) == 2


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE observations SET quality = 'cloudy' WHERE fid = 1", "a flag that this release does not know (cloudy)"),
        ("UPDATE observations SET sigma = -1 WHERE fid = 1", "sigma is negative"),
        ("INSERT INTO scores SELECT NULL, 'A', 'area_km2', 'p', 'box', 't', '', 'last', '1y', 'mae', 1, 1, 0, "
         "'observed', NULL FROM fronts", "scores: 1 facts are there twice"),
    ],
)  # fmt: skip
def test_rows_that_no_repair_can_judge_are_listed(archive: Archive, statement: str, problem: str) -> None:
    change(archive, statement)
    assert any(problem in text for text in check(archive.path).problems)


def test_rows_without_their_like_are_noted(archive: Archive) -> None:
    change(archive, "DELETE FROM inputs WHERE image_id = 'one'", "DELETE FROM observations WHERE image_id = 'two'")
    notes = check(archive.path).notes
    assert "1 image names no file that they came from" in notes
    assert "1 row of fronts belongs to no observation" in notes


def test_a_column_that_cannot_be_unknown_is_not_made_up(archive: Archive) -> None:
    change(archive, "ALTER TABLE fronts DROP COLUMN QualFlag")
    with pytest.raises(ArchiveError, match="column QualFlag of table fronts is gone, and nothing can bring it back"):
        repair(archive.path)


def test_an_old_archive_is_checked_without_a_change_and_repaired_up_to_date(tmp_path: Path) -> None:
    archive = old_archive(tmp_path / "a.gpkg")
    before = archive.path.read_bytes()
    assert check(archive.path).version == 1
    assert archive.path.read_bytes() == before
    repair(archive.path)
    assert check(archive.path).is_sound
    check_numbers(archive)


def test_a_copy_is_whole_and_never_goes_over_another_file(archive: Archive) -> None:
    copy = back_up(archive.path)
    assert copy.name.startswith("a.backup-")
    assert Archive(copy).read("observations").equals(archive.read("observations"))
    assert back_up(archive.path) != copy
    with pytest.raises(UsageError, match="archive"):
        back_up(archive.path, copy)
    with pytest.raises(DataNotFoundError, match="there is no archive"):
        back_up(archive.path.with_name("none.gpkg"))


def damage(archive: Archive, *, page: int) -> None:
    with archive.path.open("r+b") as stream:
        stream.seek((page - 1) * 4096)
        stream.write(b"\x5a" * 4096)


def test_what_can_be_read_of_a_damaged_file_is_saved_and_the_file_is_kept(archive: Archive) -> None:
    archive.store_tracked(**tracked([f"i{i}" for i in range(200)], input_file="many.tif"))
    with closing(sqlite3.connect(archive.path)) as database:
        page = database.execute(
            "SELECT pageno FROM dbstat WHERE name = 'observations' AND pagetype = 'leaf' ORDER BY pageno LIMIT 1, 1"
        ).fetchone()[0]
    damage(archive, page=page)
    before = archive.path.read_bytes()
    assert check(archive.path).problems
    path, done = repair(archive.path)
    assert path.name == "a.repaired.gpkg"
    assert archive.path.read_bytes() == before
    assert "lost" in " ".join(done)
    saved = Archive(path).read("observations")
    assert 100 < len(saved) < 202
    assert set(saved["value"]) == {600.0}
    assert len(Archive(path).read("fronts")) == 202
    assert check(path).problems == ()


def test_a_file_that_is_nothing_can_not_be_repaired(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(ArchiveError, match="not even its list of tables can be read"):
        repair(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.gpkg"]


@pytest.mark.parametrize("edge", ["'here'", "x'00'", "1e400"])
def test_an_extent_that_is_no_number_is_a_problem_and_is_mended(archive: Archive, edge: str) -> None:
    change(archive, f"UPDATE gpkg_contents SET min_x = {edge} WHERE table_name = 'fronts'")
    assert "layer fronts: its stated extent is not that of its rows" in check(archive.path).problems
    repair(archive.path)
    assert check(archive.path).is_sound
