"""The file is a GeoPackage 1.2: other programs read and write it without a warning, and it stays right."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely

from glaciertime.archive import Archive
from glaciertime.archive.schema import TABLES
from glaciertime.errors import InputError
from tests.archive.test_archive import tracked


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    store = Archive(tmp_path / "a.gpkg")
    store.store_tracked(**tracked(["one", "two"]))
    return store


@contextmanager
def opened(archive: Archive) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(archive.path)) as database:
        yield database


def extent(archive: Archive, layer: str = "fronts") -> tuple[float, ...]:
    with opened(archive) as database:
        return database.execute(
            "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = ?", (layer,)
        ).fetchone()


def test_it_says_what_it_is(archive: Archive) -> None:
    assert archive.path.read_bytes()[68:72] == b"GPKG"
    with opened(archive) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (10200,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        types = dict(database.execute("SELECT table_name, geometry_type_name FROM gpkg_geometry_columns"))
        assert types["fronts"] == types["fronts_local"] == "MULTILINESTRING"
        changes = [row[0] for row in database.execute("SELECT last_change FROM gpkg_contents")]
        assert all(pd.Timestamp(change).tzinfo is not None and change.endswith("Z") for change in changes)
        for name, table in TABLES.items():
            columns = {row[1] for row in database.execute(f"PRAGMA table_info({name})")}
            assert set(table.columns) <= columns


def test_gdal_reads_every_layer_without_a_warning(archive: Archive) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers = dict(pyogrio.list_layers(archive.path))
        assert layers["fronts"] == "MultiLineString"
        for name in layers:
            pyogrio.read_dataframe(archive.path, layer=name)
        inside = gpd.read_file(archive.path, layer="fronts", bbox=(-63, -66, -61, -65))
        outside = gpd.read_file(archive.path, layer="fronts", bbox=(0, 0, 1, 1))
    assert (len(inside), len(outside)) == (2, 0)


def test_gdal_writes_into_it_and_we_go_on(archive: Archive) -> None:
    added = gpd.read_file(archive.path, layer="fronts").iloc[:1].assign(ImageID="drawn", GlacierID="Other")
    added.geometry = [shapely.MultiLineString([[(10, 10), (11, 12)]])]
    added.to_file(archive.path, layer="fronts", driver="GPKG", mode="a")
    assert archive.read("fronts", glacier="Other").geometry.iloc[0].coords[:] == [(10, 10), (11, 12)]
    assert extent(archive)[2] == 11
    archive.store_tracked(**tracked(["one", "two"]))
    with opened(archive) as database:
        assert database.execute("SELECT rtreecheck('rtree_fronts_geom')").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM rtree_fronts_geom").fetchone() == (3,)


def test_extent_and_index_follow_what_is_deleted(archive: Archive) -> None:
    far = tracked(["far"], input_file="far.tif")
    far["fronts"].geometry = [shapely.LineString([(0, 5e5), (1e5, 6e5)])]
    archive.store_tracked(**far)
    lines = archive.read("fronts")
    assert extent(archive) == pytest.approx(tuple(lines.total_bounds), abs=1e-12)
    assert extent(archive)[2] > 0
    # The file now holds another image, elsewhere.
    archive.store_tracked(**tracked(["near"], input_file="far.tif"))
    lines = archive.read("fronts")
    assert extent(archive) == pytest.approx(tuple(lines.total_bounds), abs=1e-12)
    assert extent(archive)[2] < -61
    with opened(archive) as database:
        stored = {row[0] for row in database.execute("SELECT fid FROM fronts")}
        assert {row[0] for row in database.execute("SELECT id FROM rtree_fronts_geom")} == stored


def test_geometries_are_flat_iso_wkb_with_an_envelope(archive: Archive) -> None:
    high = tracked(["high"], input_file="h.tif")
    high["fronts"].geometry = [shapely.LineString([(-2.40e6, 1.26e6, 7.0), (-2.39e6, 1.261e6, 9.0)])]
    archive.store_tracked(**high)
    with opened(archive) as database:
        blob = database.execute("SELECT geom FROM fronts WHERE ImageID = 'high'").fetchone()[0]
    assert blob[:4] == b"GP\x00\x03"
    assert blob[40:45] == b"\x01\x05\x00\x00\x00"  # little-endian ISO code 5, MultiLineString without Z
    assert not shapely.from_wkb(blob[40:]).has_z


def test_parts_come_back_as_they_were_given(archive: Archive) -> None:
    parts = tracked(["parts"], input_file="p.tif")
    line = shapely.MultiLineString([[(-2.40e6, 1.26e6), (-2.395e6, 1.26e6)], [(-2.394e6, 1.26e6), (-2.39e6, 1.26e6)]])
    parts["fronts"].geometry = [line]
    archive.store_tracked(**parts)
    kinds = archive.read("fronts").geom_type.tolist()
    assert kinds == ["LineString", "LineString", "MultiLineString"]


def test_a_geometry_that_a_layer_cannot_hold_is_refused(archive: Archive) -> None:
    wrong = tracked(["point"], input_file="q.tif")
    wrong["fronts"].geometry = [shapely.Point(-2.40e6, 1.26e6)]
    with pytest.raises(InputError, match="a Point was given where the archive holds LineString"):
        archive.store_tracked(**wrong)
    assert len(archive.read("fronts")) == 2


def test_many_layers_of_an_index_give_the_exact_extent(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a.gpkg")
    many = tracked([f"i{i}" for i in range(200)])
    archive.store_tracked(**many)
    assert extent(archive) == pytest.approx(tuple(archive.read("fronts").total_bounds), abs=1e-12)
