"""Archives of other releases: earlier ones are brought up to date with the same numbers, later ones refused."""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from glaciertime.archive import Archive
from glaciertime.archive.schema import VERSION
from glaciertime.errors import ArchiveError
from tests.archive.test_archive import tracked

# What the first release wrote, as `.dump` of its file.
SCHEMA_1 = Path(__file__).with_name("schema_1.sql")


def old_archive(path: Path) -> Archive:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA_1.read_text(encoding="utf-8"))
    told: list[str] = []
    archive = Archive(path, tell=told.append)
    archive.told = told  # type: ignore[attr-defined]
    return archive


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        names = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        if "glaciertime_schema" not in names:
            return 1
        return int(database.execute("SELECT max(version) FROM glaciertime_schema").fetchone()[0])


def check_numbers(archive: Archive) -> None:
    observations = archive.read("observations")
    assert observations["value"].tolist() == [600.0, 600.0, 600.0]
    assert observations["image_id"].tolist() == ["one", "two", "three"]
    assert observations["quality"].tolist() == ["ok", "ok", "unregistered: no place;year-only"]
    assert np.isnan(observations["sigma"]).tolist() == [True, True, False]
    assert observations["bound"].tolist() == observations["front_of"].tolist() == ["", "", ""]
    fronts = archive.read("fronts").to_crs("EPSG:3031")
    assert fronts.geom_type.tolist() == ["LineString", "MultiLineString"]
    assert fronts.geometry.iloc[0].coords[0] == pytest.approx((-2.40e6, 1.26e6), abs=0.01)
    assert fronts["dataset"].tolist() == ["test", "test"]
    assert archive.read("fronts_local").geometry.iloc[0].coords[0] == (-2.40e6, 1.26e6)
    assert archive.read("centrelines").to_crs("EPSG:3031").length.tolist() == pytest.approx([2e4], rel=1e-6)
    assert archive.read("forecasts")["value"].tolist() == [600.0]
    assert archive.read("scores")[["value", "n", "n_failed"]].values.tolist() == [[1.25, 7, 1]]
    assert archive.read("inputs")["input"].tolist() == ["a.tif", "a.tif", "c.png"]


def test_reading_an_archive_of_the_first_release_brings_it_up_to_date(tmp_path: Path) -> None:
    archive = old_archive(tmp_path / "a.gpkg")
    check_numbers(archive)
    assert version_of(archive.path) == VERSION
    assert archive.told == [  # type: ignore[attr-defined]
        f"archive {archive.path}: brought from schema 1 to {VERSION}; earlier releases of glaciertime can no longer "
        "write to it"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(gpd.read_file(archive.path, layer="fronts")) == 2


def test_an_archive_of_schema_2_gets_forecasts_and_scores_of_no_known_front(tmp_path: Path) -> None:
    archive = old_archive(tmp_path / "a.gpkg")
    rows, scores = archive.read("forecasts"), archive.read("scores")
    with closing(sqlite3.connect(archive.path)) as database:
        for table in ("forecasts", "scores"):
            for (index,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", (table,)
            ).fetchall():
                database.execute(f'DROP INDEX "{index}"')
            database.execute(f"ALTER TABLE {table} DROP COLUMN front_of")
        # What an earlier migration left.
        database.execute("UPDATE observations SET front_of = NULL, bound = NULL")
        database.execute("UPDATE glaciertime_schema SET version = 2")
        database.commit()
    check_numbers(archive)
    assert version_of(archive.path) == VERSION
    with closing(sqlite3.connect(archive.path)) as database:
        for table in ("observations", "fronts", "forecasts", "scores"):
            assert set(database.execute(f"SELECT DISTINCT front_of FROM {table}")) == {("",)}
    assert archive.read("forecasts")["front_of"].tolist() == archive.read("scores")["front_of"].tolist() == [""]
    # What was stored before is replaced by the same series forecast again, not kept beside it.
    archive.store_forecasts(rows.assign(value=500.0))
    archive.store_scores(scores)
    assert archive.read("forecasts")["value"].tolist() == [500.0]
    assert len(archive.read("scores")) == len(scores)


def test_an_archive_of_schema_4_gets_tables_of_verdicts_and_hazards(tmp_path: Path) -> None:
    archive = old_archive(tmp_path / "a.gpkg")
    check_numbers(archive)
    with closing(sqlite3.connect(archive.path)) as database:
        for table in ("verdicts", "hazards"):
            database.execute(f"DROP TABLE {table}")
            database.execute("DELETE FROM gpkg_contents WHERE table_name = ?", (table,))
        database.execute("UPDATE glaciertime_schema SET version = 4")
        database.commit()
    assert archive.read("hazards").empty
    assert version_of(archive.path) == VERSION
    check_numbers(archive)
    row = {"glacier": "A", "terminus": "shelf", "variable": "area_km2", "cutoff": "2010-01-01", "glaciers": 1,
           "exposure_years": 9.5, "losses": 1, "reading": "too few to say", "source": "observed"}  # fmt: skip
    archive.store_hazards(pd.DataFrame([row]))
    assert archive.read("hazards")["losses"].tolist() == [1]


def test_writing_into_an_archive_of_the_first_release(tmp_path: Path) -> None:
    archive = old_archive(tmp_path / "a.gpkg")
    archive.store_tracked(**tracked(["one", "two"], value=590.0))
    assert sorted(archive.read("observations")["value"]) == [590.0, 590.0, 600.0]


def test_a_change_that_fails_leaves_the_archive_of_the_first_release_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = old_archive(tmp_path / "a.gpkg")
    before = archive.path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("glaciertime.archive.migrations.finish", full)
    with pytest.raises(ArchiveError, match="the disk is full"):
        archive.store_tracked(**tracked(["four"]))
    assert archive.path.read_bytes() == before


def test_an_old_archive_that_cannot_be_written_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = old_archive(tmp_path / "a.gpkg")
    monkeypatch.setattr("os.access", lambda *_: False)
    check_numbers(archive)
    assert archive.read("rulers").empty
    assert len(archive.read("observations", glacier="Crane", since="2003-01-01")) == 1
    assert version_of(archive.path) == 1


def test_what_a_user_added_stays(tmp_path: Path) -> None:
    archive = old_archive(tmp_path / "a.gpkg")
    with closing(sqlite3.connect(archive.path)) as database, database:
        database.execute("ALTER TABLE observations ADD COLUMN remark TEXT")
        # A type may be any text, and is given back without its quotes.
        database.execute("""ALTER TABLE observations ADD COLUMN odd "TEXT, more INTEGER DEFAULT 7" """)
        database.execute("UPDATE observations SET remark = 'seen by me' WHERE image_id = 'two'")
        database.execute("CREATE VIEW areas AS SELECT glacier, value FROM observations")
        database.execute("CREATE TABLE mine (a)")
    check_numbers(archive)
    with closing(sqlite3.connect(archive.path)) as database:
        assert database.execute("SELECT image_id FROM observations WHERE remark = 'seen by me'").fetchall() == [
            ("two",)
        ]
        assert database.execute("SELECT count(*) FROM areas").fetchone() == (3,)
        assert database.execute("SELECT count(*) FROM mine").fetchone() == (0,)
        kinds = {name: kind for _, name, kind, *_ in database.execute("PRAGMA table_info(observations)")}
        assert (kinds["remark"], kinds["odd"]) == ("TEXT", "TEXT, more INTEGER DEFAULT 7")
        assert "more" not in kinds


def test_an_archive_of_a_later_release_is_refused_and_kept(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a.gpkg")
    archive.store_tracked(**tracked(["one"]))
    with closing(sqlite3.connect(archive.path)) as database, database:
        database.execute("INSERT INTO glaciertime_schema (version, written_by) VALUES (7, '3.1.4')")
    before = archive.path.read_bytes()
    for use in (lambda: archive.read("observations"), lambda: archive.store_tracked(**tracked(["two"]))):
        with pytest.raises(ArchiveError, match=rf"schema 7, written by glaciertime 3\.1\.4; .* up to {VERSION}"):
            use()
    assert archive.path.read_bytes() == before
