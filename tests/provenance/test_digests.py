"""Digests are those of the bytes and of the rows, and names of rows hold on to the fact."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from glaciertime.provenance import digest_of, table_digest
from glaciertime.provenance.rows import key_of, name_of_row, names_of_rows, tables_of, with_names
from glaciertime.provenance.secrets import without_secrets
from glaciertime.tables import SCHEMAS


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"ice" * 1_000_000)
    (found,) = digest_of(path)
    assert (found.sha256, found.size_bytes) == (hashlib.sha256(b"ice" * 1_000_000).hexdigest(), 3_000_000)


def test_a_file_of_the_same_size_and_another_content_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    before = digest_of(path)[0]
    path.write_bytes(b"two")
    os.utime(path, ns=(10**18, 10**18))
    assert digest_of(path)[0].sha256 == hashlib.sha256(b"two").hexdigest() != before.sha256


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from glaciertime.provenance import digests

    path = tmp_path / "a.bin"
    path.write_bytes(b"once")
    first = digest_of(path)
    monkeypatch.setattr(digests.hashlib, "sha256", lambda *given: pytest.fail("it was read again"))
    assert digest_of(path) == first


def test_every_part_of_a_shapefile_counts(tmp_path: Path) -> None:
    for end in (".shp", ".dbf", ".prj", ".shx", ".txt"):
        (tmp_path / f"a{end}").write_text(end)
    assert [Path(one.path).suffix for one in digest_of(tmp_path / "a.shp")] == [".shp", ".dbf", ".shx", ".prj"]


def test_every_file_that_a_virtual_raster_shows_counts(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a&b.tif").write_bytes(b"one")
    inner, outer = tmp_path / "raw" / "inner.vrt", tmp_path / "outer.vrt"
    shown = '<VRTDataset><SourceFilename relativeToVRT="{}" shared="0">{}</SourceFilename></VRTDataset>'
    inner.write_text(shown.format(1, "a&amp;b.tif"))
    outer.write_text(shown.format(0, inner))
    assert [Path(one.path).name for one in digest_of(outer)] == ["outer.vrt", "inner.vrt", "a&b.tif"]
    inner.write_text(shown.format(1, "../outer.vrt"))
    assert [Path(one.path).name for one in digest_of(outer)] == ["outer.vrt", "inner.vrt"]
    outer.write_text(shown.format(0, "/vsicurl/http://127.0.0.1/a.tif"))
    assert digest_of(outer) == []


@pytest.mark.parametrize("name", ["", "gone.tif", ".", "a\0b", "simulated Crane"])
def test_what_is_no_file_has_no_digest(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert digest_of(name) == []


def test_rows_in_another_order_are_the_same_rows() -> None:
    rows = gpd.GeoDataFrame(
        {"name": ["a", "b"], "value": [1.5, float("nan")], "date": pd.to_datetime(["2001-02-03", None])},
        geometry=[shapely.Point(1, 2), None], crs="EPSG:3031",
    )  # fmt: skip
    assert table_digest(rows) == table_digest(rows.iloc[::-1])
    moved = rows.set_geometry([shapely.Point(1, 2.000000001), None])
    assert table_digest(moved) != table_digest(rows)
    assert table_digest(rows.rename(columns={"value": "other"})) != table_digest(rows)


def row(**changed: object) -> dict[str, object]:
    plain = {name: "" for name in SCHEMAS["observations"].columns}
    return {**plain, "glacier": "Toy", "date": "2003-03-15", "variable": "area_km2", "value": 1.0, **changed}


def test_a_row_keeps_its_name_when_its_value_is_measured_anew() -> None:
    assert name_of_row(row(value=2.0, sigma=9.0, quality="ok"), "observations") == name_of_row(row(), "observations")


@pytest.mark.parametrize("column", key_of("observations"))
def test_each_part_of_the_key_of_a_row_counts(column: str) -> None:
    assert name_of_row(row(**{column: "other"}), "observations") != name_of_row(row(), "observations")


def test_a_name_is_the_same_from_sql_and_from_pandas() -> None:
    frame = pd.DataFrame([row(front_of=None)]).assign(date=pd.Timestamp("2003-03-15"))
    assert names_of_rows(frame, "observations") == [name_of_row(row(), "observations")]


def test_the_parts_of_a_name_do_not_run_together() -> None:
    one, other = row(glacier="ab", variable="c"), row(glacier="a", variable="bc")
    assert name_of_row(one, "observations") != name_of_row(other, "observations")


def test_only_tables_of_rows_get_names() -> None:
    frame = pd.DataFrame({"glacier": ["A"], "footprint": ["box"]})
    assert with_names(frame, "footprints") is frame


@pytest.mark.parametrize("text", ["", "o", "x3fa9c1d2e07b", "o3fa9c1d2e07", "o3fa9c1d2e07bb", "o3fa9c1d2e0ZZ"])
def test_what_is_no_name_of_a_row(text: str) -> None:
    assert tables_of(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "https://anna:geheim@example.org/x",
        "http://example.org/?access_token=geheim&x=1",
        "AWS_SECRET_ACCESS_KEY=geheim",
        "password: geheim",
        "--password geheim",
        "Authorization: Bearer geheim",
        "X-Amz-Signature=geheim",
        'api_key="geheim"',
    ],
)
def test_no_secret_is_kept(text: str) -> None:
    assert "geheim" not in without_secrets(text)
    assert "***" in without_secrets(text)


@pytest.mark.parametrize("text", ["glaciertime track --glacier 'Key Glacier' --data keys/a", "the key is: none known"])
def test_words_that_are_no_secrets_stay(text: str) -> None:
    assert without_secrets(text).split()[0] == text.split()[0]
