"""Only the rows asked for are read; what cannot be read with certainty is told, and the rest is read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from glaciertime.archive import Archive
from glaciertime.errors import ArchiveError, UsageError
from glaciertime.tables import has_flag
from tests.archive.test_archive import tracked


def of(glacier: str, images: list[str], **given: Any) -> dict[str, Any]:
    tables = tracked(images, input_file=glacier, **given)
    for table, column in (("fronts", "GlacierID"), ("observations", "glacier"), ("footprints", "glacier")):
        tables[table][column] = glacier
    return {**tables, "inputs": [(glacier, *row[1:]) for row in tables["inputs"]]}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def archive(tmp_path: Path, told: list[str]) -> Archive:
    store = Archive(tmp_path / "a.gpkg", tell=told.append)
    for glacier in ("Crane", 'D\'Arcy "Æ"', "Jorum"):
        store.store_tracked(**of(glacier, ["one", "two", "three"]))
    return store


def change(archive: Archive, *statements: str) -> None:
    with closing(sqlite3.connect(archive.path)) as database, database:
        for statement in statements:
            database.execute(statement)


@pytest.mark.parametrize("table", ["observations", "fronts", "footprints", "inputs"])
@pytest.mark.parametrize("glacier", ["Crane", 'D\'Arcy "Æ"', "none"])
def test_rows_of_a_glacier_are_those_chosen_from_all(archive: Archive, table: str, glacier: str) -> None:
    every = archive.read(table)
    column = "GlacierID" if table == "fronts" else "glacier"
    expected = every[every[column] == glacier].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.DataFrame(archive.read(table, glacier=glacier)), pd.DataFrame(expected))
    assert len(expected) == 0 or glacier != "none"


def test_dates_variables_and_several_glaciers(archive: Archive) -> None:
    rows = archive.read("observations", glacier=["Crane", "Jorum"], since="2003-03-15", until="2003-03-15")
    assert rows[["glacier", "image_id"]].values.tolist() == [["Crane", "two"], ["Jorum", "two"]]
    assert archive.read("observations", variable="front_position_m").empty
    assert archive.read("observations", glacier="Crane", since="2003", until="2003")["image_id"].tolist() == ["two"]
    assert archive.read("observations", glacier="Crane", until="2003-02")["image_id"].tolist() == ["one"]
    assert len(archive.read("observations", variable=["area_km2"], source="observed", footprint="box")) == 9
    assert len(archive.read("fronts", glacier="Jorum", image="one", dataset="test")) == 1
    assert archive.read("observations", glacier=[]).empty


def test_rows_chosen_by_what_a_table_does_not_have_are_refused(archive: Archive) -> None:
    with pytest.raises(UsageError, match="table footprints has no variable"):
        archive.read("footprints", variable="area_km2")
    with pytest.raises(UsageError, match="no table 'front', did you mean fronts"):
        archive.read("front")


def test_the_glaciers_of_an_archive(archive: Archive) -> None:
    assert archive.glaciers() == ["Crane", 'D\'Arcy "Æ"', "Jorum"]
    assert archive.glaciers("scores") == []
    assert archive.holds("Jorum")
    assert not archive.holds("jorum")


def test_a_glacier_is_found_by_index_in_every_table(archive: Archive) -> None:
    with closing(sqlite3.connect(archive.path)) as database:
        for table, column in (("fronts", "GlacierID"), ("fronts_local", "GlacierID"), ("observations", "glacier"),
                              ("footprints", "glacier"), ("centrelines", "glacier"), ("contours", "glacier"),
                              ("rulers", "glacier"), ("forecasts", "glacier"), ("scores", "glacier"),
                              ("inputs", "glacier")):  # fmt: skip
            plan = database.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {table}.{column} = 'x'").fetchall()
            assert "USING INDEX" in plan[0][3], table


@pytest.mark.parametrize("column", ["sensor", "value", "sigma"])
def test_a_missing_column_is_an_error_and_no_value(archive: Archive, column: str) -> None:
    change(
        archive,
        *(["DROP INDEX observations_by_0"] if column == "value" else []),
        f"ALTER TABLE observations DROP COLUMN {column}",
    )
    with pytest.raises(ArchiveError, match=f"lacks column {column} of table observations; .*archive repair"):
        archive.read("observations")
    with pytest.raises(ArchiveError, match=f"lacks column {column}"):
        archive.store_tracked(**of("Crane", ["four"]))


def test_a_row_with_an_unknown_flag_is_kept_told_and_trusted_by_nobody(archive: Archive, told: list[str]) -> None:
    change(
        archive,
        "UPDATE observations SET quality = 'year-only;cloudy: half of it' WHERE glacier = 'Crane' AND image_id = 'two'",
    )
    rows = archive.read("observations", glacier="Crane")
    assert rows["quality"].tolist() == ["ok", "year-only;unknown-flag: cloudy: half of it", "ok"]
    assert has_flag(rows["quality"], "unknown-flag").tolist() == [False, True, False]
    assert told == [
        f"archive {archive.path}: 1 row of observations bears a flag that this release does not know (cloudy), "
        "kept as unknown-flag: nothing rests on that"
    ]
    told.clear()
    assert len(archive.read("observations", glacier="Jorum")) == 3
    assert told == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("sigma = -1.0", "sigma is negative"),
        ("source = 'guessed'", "source is 'guessed'"),
        ("date = 'soon'", "expected a date"),
        ("unit = 'm2'", "given in 'm2'"),
        ("value = 'many'", "expected a number"),
        ("bound = 'perhaps'", "bound is 'perhaps'"),
        ("glacier = 'Crane', quality = NULL", "column quality is empty"),
    ],
)
def test_a_row_that_breaks_the_rules_is_left_out_and_told(
    archive: Archive, told: list[str], wrong: str, reason: str
) -> None:
    change(archive, f"UPDATE observations SET {wrong} WHERE glacier = 'Crane' AND image_id = 'two'")
    rows = archive.read("observations")
    assert len(rows) == 8
    assert rows[rows["glacier"] == "Crane"]["image_id"].tolist() == ["one", "three"]
    assert len(told) == 1
    assert reason in told[0]
    assert "1 row of observations cannot be used" in told[0]
    assert rows.dtypes.equals(archive.read("observations", glacier="Jorum").dtypes)


def test_one_image_in_two_data_sets_keeps_a_front_in_each(tmp_path: Path) -> None:
    one = tracked(["same"])
    other = tracked(["same"])
    other["observations"]["dataset"] = "other"
    both = {
        "fronts": pd.concat([one["fronts"].assign(dataset="test"), other["fronts"].assign(dataset="other")]),
        "observations": pd.concat([one["observations"], other["observations"]]),
        "footprints": one["footprints"],
        "inputs": [*one["inputs"], ("Crane", "other", "same", "b.tif")],
    }
    archive = Archive(tmp_path / "a.gpkg")
    archive.store_tracked(**both)
    assert sorted(archive.read("fronts")["dataset"]) == ["other", "test"]
    archive.store_tracked(**tracked(["renamed"], input_file="a.tif"))
    assert archive.read("fronts")[["dataset", "ImageID"]].values.tolist() == [["other", "same"], ["test", "renamed"]]


def test_an_image_without_a_place_leaves_the_footprints_of_the_others(archive: Archive) -> None:
    local = of("Crane", ["local"])
    for table in ("fronts", "footprints"):
        local[table] = local[table].set_crs(None, allow_override=True)
    archive.store_tracked(**{**local, "inputs": [("Crane", "test", "local", "local.png")]})
    assert len(archive.read("footprints", glacier="Crane")) == 1
    assert len(archive.read("fronts", glacier="Crane")) == 3
    assert len(archive.read("fronts_local", glacier="Crane")) == 1


def test_local_fronts_of_one_glacier_are_exported_beside_georeferenced_ones_of_another(
    archive: Archive, told: list[str]
) -> None:
    local = of("Local", ["one"])
    local["fronts"] = local["fronts"].set_crs(None, allow_override=True)
    local["footprints"] = local["footprints"].iloc[:0]
    archive.store_tracked(**local)
    assert archive.read_for_export("fronts", glacier="Local").crs is None
    assert len(archive.read_for_export("fronts", glacier="Local")) == 1
    assert len(archive.read_for_export("fronts", glacier="Crane")) == 3
    assert told == []
    assert len(archive.read_for_export("fronts")) == 9
    assert "1 front of images without georeference (Local)" in told[0]


@pytest.mark.parametrize("cell", ["0.5", "1e308", "'text'", "x'00'", "x'4750'", "x'475000ff00000000'", "x''"])
def test_a_geometry_that_is_none_leaves_its_row_out(archive: Archive, told: list[str], cell: str) -> None:
    whole = archive.read("fronts")
    change(archive, "DROP TRIGGER IF EXISTS rtree_fronts_geom_update1", *_no_triggers(archive), _set(cell))
    held = archive.read("fronts")
    assert len(held) == len(whole) - 1
    assert any("1 row of fronts cannot be used" in text for text in told)


def _set(cell: str) -> str:
    return f"UPDATE fronts SET geom = {cell} WHERE rowid = (SELECT min(rowid) FROM fronts)"


def _no_triggers(archive: Archive) -> list[str]:
    with closing(sqlite3.connect(archive.path)) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    return [f'DROP TRIGGER IF EXISTS "{name}"' for name in names]
