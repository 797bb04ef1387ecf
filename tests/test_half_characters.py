"""Texts that are none: half characters in YAML and JSON, bytes that are no UTF-8 in Parquet, a CRS that is lost."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyproj
import pytest
import rasterio
import shapely
from pyarrow import parquet

from glaciertime import limits
from glaciertime.catalog import read_manifest
from glaciertime.documents import parse_json, read_yaml
from glaciertime.errors import InputError
from glaciertime.scenes.layers import layers_of, read_layer
from glaciertime.scenes.one_place import _are_fronts_of_several, _outlines_lie_apart
from glaciertime.scenes.raster_files import open_raster
from glaciertime.scenes.series import read_series
from glaciertime.units import crs_on_earth


@pytest.mark.parametrize("text", ['name: "\\ud800"\n', 'name: A\nregion: "x\\uDFFF"\n', '"\\ud800": 1\n'])
def test_half_a_character_in_a_manifest_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="half a character"):
        read_manifest(path)
    with pytest.raises(InputError, match="half a character"):
        read_yaml(path, what="a", remedy="b")


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '["\\udfff"]', '{"\\uD8AB": 1}'])
def test_half_a_character_in_json_is_told(text: str) -> None:
    with pytest.raises(InputError, match="half a character"):
        parse_json(text, what="a", remedy="b")


def test_two_halves_are_a_character() -> None:
    assert parse_json('{"a": "\\ud83c\\udfd4"}', what="a", remedy="b") == {"a": "\U0001f3d4"}


def no_utf8(column: pa.Array) -> pa.Array:
    """Return texts of the same lengths of bytes that no encoding of them has."""
    broken = b"\xff" * column.buffers()[2].size
    return pa.Array.from_buffers(pa.string(), len(column), [None, column.buffers()[1], pa.py_buffer(broken)])


def test_parquet_with_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = gpd.GeoDataFrame({"name": ["Toy"], "date": ["2001-03-15"]}, geometry=[shapely.box(0, 60, 1, 61)],
                             crs="EPSG:4326")  # fmt: skip
    frame.to_parquet(path)
    table = parquet.read_table(path)
    for column in ("name", "date"):
        index = table.schema.get_field_index(column)
        wrong = table.set_column(index, column, no_utf8(table[column].combine_chunks()))
        parquet.write_table(wrong.replace_schema_metadata(table.schema.metadata), path)
        with pytest.raises(InputError, match="cannot be read"):
            read_layer(layers_of(path)[0])
        with pytest.raises(InputError, match="cannot be read"):
            read_series(path)


def test_a_coordinate_system_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    """PROJ takes an axis without a unit and writes a text of it that it does not read."""
    told = json.loads(pyproj.CRS("EPSG:3413").to_json())
    del told["coordinate_system"]["axis"][0]["unit"]
    with pytest.raises(InputError, match="is not a coordinate system"):
        crs_on_earth(json.dumps(told), what="the CRS")


def test_a_column_without_a_name_has_one(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame = gpd.GeoDataFrame({"name": ["Toy"]}, geometry=[shapely.box(0, 60, 1, 61)], crs="EPSG:4326")
    frame.to_parquet(path)
    table = parquet.read_table(path)
    told = json.loads(table.schema.metadata[b"pandas"])
    told["columns"][0]["name"] = None
    metadata = {**table.schema.metadata, b"pandas": json.dumps(told).encode()}
    parquet.write_table(table.replace_schema_metadata(metadata), path)
    assert all(isinstance(name, str) for name in read_layer(layers_of(path)[0]).columns)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_outlines_lie_in_one_place(count: int) -> None:
    assert not _outlines_lie_apart([(None, shapely.box(0, 0, 1, 1))] * count)  # type: ignore[list-item]
    assert not _are_fronts_of_several([shapely.LineString([(0, 0), (1, 1)])] * count)


def test_a_raster_of_very_many_bands_is_refused_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", driver="GTiff", width=1, height=1, count=5, dtype="uint8", crs="EPSG:3413") as raster:
        raster.write(np.ones((5, 1, 1), np.uint8))
    with limits.given({"bands": 4}), pytest.raises(InputError, match=r"5 bands of a raster.*--limit bands=N"):
        open_raster(path)
    open_raster(path).close()
