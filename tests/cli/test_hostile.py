"""One hostile file is one row with its reason: the others of the folder are measured, and the exit code says so."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import LineString

from glaciertime.archive import Archive

from .conftest import TOY_TRANSFORM, Command, write_mask, zones


def write_claim(path: Path, size: int) -> None:
    """Write a GeoTIFF of a few kB that says it has so many pixels on a side."""
    with rasterio.open(
        path, "w", driver="GTiff", width=size, height=size, count=1, dtype="uint8", crs="EPSG:3031",
        transform=TOY_TRANSFORM, SPARSE_OK=True, tiled=True, blockxsize=65536, blockysize=65536, BIGTIFF="YES",
    ):  # fmt: skip
        pass


def write_bits(path: Path, size: int) -> None:
    """Write a PNG of one bit a pixel that says it has so many pixels on a side."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", size, size, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(size // 8 + 1) * 20)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def features(path: Path, rows: list[tuple[str, object]], kind: str) -> None:
    """Write dated geometries of the toy glacier as GeoJSON in the plane of the masks."""
    found = [
        {
            "type": "Feature",
            "properties": {"glacier": "Toy", "date": date},
            "geometry": {"type": kind, "coordinates": coordinates},
        }
        for date, coordinates in rows
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3031"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": found}))


def quality_of(image: str) -> str:
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    return str(observations.loc[observations["image_id"].str.contains(image), "quality"].iloc[0])


@pytest.mark.parametrize(("kind", "size"), [("tif", 100_000), ("tif", 1_000_000), ("png", 60_000)])
def test_a_file_that_claims_to_be_huge_is_a_row(
    command: Command, masks: Path, manifest: Path, kind: str, size: int
) -> None:
    bad = masks / f"toy_2004-03-15.{kind}"
    (write_claim if kind == "tif" else write_bits)(bad, size)
    done = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    assert done.code == 3, done
    assert f"{size * size:,} pixels" in done.err
    assert "GLACIERTIME_MAX_RASTER_RATIO" in done.err
    assert quality_of("2001-03-15") == "ok"
    assert "pixels claimed for each byte" in quality_of("2004-03-15")
    assert command("segment", bad, "--out", "m.png").code == 1
    strict = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks, "--strict")
    assert strict.code == 1


def test_a_raster_past_the_memory_is_a_row_and_the_option_takes_it(
    command: Command, masks: Path, manifest: Path
) -> None:
    fine = np.kron(zones(34), np.ones((10, 10), dtype=np.uint8))
    write_mask(masks / "toy_2004-03-15.tif", fine, transform=TOY_TRANSFORM @ Affine.scale(0.1))
    track = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    done = command(*track, "--limit", "raster-gb=0.002")
    assert done.code == 3
    assert "GB of memory for one step on one raster, at most 0.002 taken" in done.err
    assert "cut it to the glacier: gdal_translate -projwin" in done.err
    assert command(*track).code == 0
    assert command(*track, "--limit", "raster=1").code == 2


def test_an_outline_in_disorder_is_a_row(command: Command, tmp_path: Path, manifest: Path) -> None:
    corner = np.array([-2_400_000, 1_254_000])
    disorder = np.random.default_rng(1).uniform(0, 5000, (1500, 2)) + corner
    ring = [*disorder.tolist(), disorder[0].tolist()]
    ice = [[-2_400_000, 1_254_000], [-2_396_000, 1_254_000], [-2_396_000, 1_260_000], [-2_400_000, 1_260_000]]
    features(tmp_path / "toy.geojson", [("2001-03-15", [ring]), ("2002-03-15", [[*ice, ice[0]]])], "Polygon")
    done = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", tmp_path / "toy.geojson")
    assert done.code == 3, done
    assert "crossings of an outline with itself, at most 10,000 taken" in done.err
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    assert observations["date"].dt.year.unique().tolist() == [2002]


@pytest.mark.parametrize("far", [1e308, -1e300, 1e20])
def test_a_trace_off_the_earth_is_a_row(command: Command, tmp_path: Path, manifest: Path, far: float) -> None:
    front = [[-2_396_000, 1_255_000], [-2_396_100, 1_259_000]]
    odd = [[-2_396_000, 1_255_000], [-2_396_100, far]]
    features(tmp_path / "toy.geojson", [("2001-03-15", odd), ("2002-03-15", front)], "LineString")
    done = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", tmp_path / "toy.geojson")
    assert done.code == 3, done
    assert "which is not on Earth" in done.err
    assert len(Archive(Path("glaciertime.gpkg")).read("fronts")) == 1


@pytest.mark.parametrize(
    ("kind", "odd", "why"),
    [
        ("LineString", [[-2_396_000, 1_255_000], [-2_396_100, 1e7]], "a step of 8,745 km"),
        ("LineString", [[-2_396_000, 1_255_000]], "the row has no geometry"),
        ("Polygon", [[[-2.4e6, 1.254e6], [-2.396e6, 1.254e6], [1e7, 0], [-2.4e6, 1.254e6]]], "a step of 12,"),
    ],
)  # fmt: skip
def test_a_geometry_that_nobody_drew_is_a_row_and_the_others_are_measured(
    command: Command, tmp_path: Path, manifest: Path, kind: str, odd: list[object], why: str
) -> None:
    good: list[object] = [[-2_396_000, 1_255_000], [-2_396_100, 1_259_000]]
    if kind == "Polygon":
        good = [[[-2_400_000, 1_254_000], [-2_396_000, 1_254_000], [-2_396_000, 1_260_000], [-2_400_000, 1_254_000]]]
    features(tmp_path / "toy.geojson", [("2001-03-15", odd), ("2002-03-15", good)], kind)
    done = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", tmp_path / "toy.geojson")
    assert done.code == 3, done
    assert why in done.err
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    assert observations.loc[observations["quality"] == "ok", "date"].dt.year.unique().tolist() == [2002]


@pytest.mark.parametrize("size", ["inf", "nan", "1e100", "0", "-20"])
def test_a_pixel_of_no_size_that_there_is_gives_no_number(command: Command, tmp_path: Path, size: str) -> None:
    write_mask(tmp_path / "toy_2001-03-15.png", zones(30), crs=None, transform=None, driver="PNG")
    done = command("track", "--glacier", "Crane", "--data", tmp_path, "--masks", f"--resolution={size}")
    assert (done.code, done.out) == (2, "")
    assert "--resolution" in done.err


def test_names_of_caffe_that_cannot_be_are_rows(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "caffe" / "zones" / "train"
    folder.mkdir(parents=True)
    good = write_mask(folder / "a.png", zones(30), crs=None, transform=None, driver="PNG")
    content = good.read_bytes()
    good.unlink()
    names = ("2002-11-09_ERS_20_2_061", "2003-13-09_ERS_20_2_061", "2003-12-09_ERS_0_2_061", "2004-02-30_ERS_20_2_061")
    for name in names:
        (folder / f"Crane_{name}_zones.png").write_bytes(content)
    done = command("track", "--glacier", "Crane", "--data", tmp_path / "caffe")
    assert done.code == 3, done
    assert "there is no day 9 in month 13 of 2003" in done.err
    assert "a resolution of 0 m" in done.err
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    assert set(observations["image_id"]) == {"Crane_2002-11-09_ERS_20_2_061"}


def test_the_cases_that_were_given(command: Command, shared_cases: Path, tmp_path: Path, manifest: Path) -> None:
    hostile = shared_cases / "hostile"
    for folder in ("caffe-impossible-date", "caffe-resolution-0"):
        assert command("track", "--glacier", "Crane", "--data", hostile / folder).code in (1, 3)
    done = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", hostile / "sparse-tiff")
    assert (done.code, "10,000,000,000 pixels" in done.err) == (1, True)
    (tmp_path / "plain.yaml").write_text("name: Toy\n")
    track = ("track", "--glacier", "Toy", "--manifest", tmp_path / "plain.yaml", "--data", hostile / "trace-1e308")
    assert "not on Earth" in command(*track).err
    for name, why in (("date", "a date or a number that there is not"), ("deep", "levels inside each other")):
        done = command("track", "--glacier", "Toy", "--manifest", hostile / "yaml-bad-date" / f"{name}.yaml")
        assert (done.code, why in done.err) == (1, True)


def test_a_name_that_is_no_text_is_a_row(command: Command, masks: Path, manifest: Path) -> None:
    bad = os.fsencode(masks / "toy_2004-03-15") + b"\xff.tif"
    try:
        os.rename(write_mask(masks / "x.tif", zones(34)), bad)
    except OSError:
        pytest.skip("this disk takes no such name")
    done = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    assert done.code == 3, done
    assert "holds bytes that are no UTF-8" in done.err
    assert len(Archive(Path("glaciertime.gpkg")).read("fronts")) == 3


@pytest.mark.parametrize(("part", "place", "count"), [("dbf", 4, 2), ("dbf", 4, 4), ("shx", None, 2)])
def test_a_shapefile_whose_parts_disagree_loses_no_row_unsaid(
    command: Command, tmp_path: Path, manifest: Path, part: str, place: int | None, count: int
) -> None:
    lines = [LineString([(-2_396_000 - 200 * year, 1_255_000), (-2_396_100, 1_259_000)]) for year in range(3)]
    rows = {"glacier": ["Toy"] * 3, "date": [f"200{year}-03-15" for year in range(1, 4)]}
    gpd.GeoDataFrame(rows, geometry=lines, crs=3031).to_file(tmp_path / "toy.shp")
    path = tmp_path / f"toy.{part}"
    content = path.read_bytes()
    cut = content[:-8] if place is None else content[:place] + struct.pack("<I", count) + content[place + 4 :]
    path.write_bytes(cut)
    done = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", tmp_path / "toy.shp")
    assert done.code == 1, done
    assert f"different numbers of rows ({3 if part == 'shx' else count} in toy.dbf" in done.err


def test_a_table_of_millions_of_cells_is_refused_before_they_are_made(command: Command, tmp_path: Path) -> None:
    for text in ('date,value\n2001-01-01,"' + "x,\n" * 3_000_000, "date,value\n" + "," * 6_000_000):
        (tmp_path / "a.csv").write_text(text)
        done = command("import", tmp_path / "a.csv", "--glacier", "Toy", "--variable", "length_m", "--unit", "m")
        assert done.code == 1, done
        assert "GLACIERTIME_MAX_TEXT_CELLS" in done.err
