"""Vector files open in other programs without a warning, with their style and the licences of their data."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from glaciertime.__main__ import run
from glaciertime.archive import Archive
from glaciertime.archive.schema import create_styles
from glaciertime.exchange.layers import write_layer
from glaciertime.qgis_style import LAYER_STYLES, fronts_style, style_of

LAYERS = ("fronts", "footprints", "centrelines")


def store(archive: Archive, glacier: str, *, east: float, years: list[int]) -> None:
    """Store a glacier whose fronts have two pieces each, dates as dense as they come."""
    dates = pd.to_datetime([f"{year}-07-01" for year in years])
    rows = pd.DataFrame(
        {"glacier": glacier, "date": dates, "variable": "front_position_m", "value": 1000.0, "sigma": 30.0, "unit": "m",
         "method": "centreline", "footprint": "centreline", "dataset": "toy", "sensor": "", "coverage": 1.0,
         "image_id": [f"{glacier}{year}" for year in years], "quality": "ok", "source": "observed"}
    )  # fmt: skip
    shapes = [
        shapely.MultiLineString(
            [[(east + 300 * i, 7_600_000), (east + 300 * i, 7_602_000)],
             [(east + 300 * i, 7_603_000), (east + 300 * i, 7_604_000)]]
        ) for i in range(len(years))
    ]  # fmt: skip
    shapes[0] = shapely.LineString([(east, 7_600_000), (east, 7_604_000)])
    fronts = gpd.GeoDataFrame(
        {"GlacierID": glacier, "Date": dates, "DecDate": [year + 0.5 for year in years], "QualFlag": "ok",
         "ImageID": rows["image_id"], "Author": "tests", "source": "observed", "dataset": "toy"},
        geometry=shapes, crs="EPSG:32622",
    )  # fmt: skip
    box = gpd.GeoDataFrame(
        {"glacier": [glacier] * 2, "footprint": ["box", "fjord"], "dataset": "toy", "area_km2": 60.0,
         "source": "observed"},
        geometry=[shapely.box(east - 1000, 7_599_000, east + 5000, 7_605_000),
                  shapely.box(east - 500, 7_599_500, east + 4500, 7_604_500)], crs="EPSG:32622",
    )  # fmt: skip
    line = gpd.GeoDataFrame(
        {"glacier": [glacier], "dataset": ["toy"], "drawn_by": ["tests"], "source": ["observed"]},
        geometry=[shapely.LineString([(east, 7_602_000), (east + 4000, 7_602_000)])], crs="EPSG:32622",
    )  # fmt: skip
    inputs = [(glacier, "toy", image, "a.tif") for image in rows["image_id"]]
    archive.store_tracked(fronts=fronts, observations=rows, footprints=box, centrelines=line, inputs=inputs)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("layers") / "two.gpkg"
    held = Archive(path)
    store(held, "Long", east=500_000, years=[1990, 2017, 2018, 2019])
    store(held, "Short", east=520_000, years=[2018, 2019])
    return path


def export(archive: Path, table: str, form: str, out: Path, *more: str) -> Path:
    given = ["export", "--all", "--archive", str(archive), "--table", table, "--format", form, "--out", str(out), *more]
    assert run(given) == 0
    return out


@pytest.fixture(scope="module")
def exported(archive: Path) -> dict[str, Path]:
    return {
        table: export(archive, table, "gpkg", archive.parent / f"{table}.gpkg") for table in (*LAYERS, "observations")
    }


def opened_in_qgis(path: Path, *layers: str) -> dict[str, Any]:
    python = Path("/usr/bin/python3")
    environment = {"QT_QPA_PLATFORM": "offscreen", "PATH": os.environ["PATH"], "HOME": str(path.parent),
                   "XDG_RUNTIME_DIR": str(path.parent)}  # fmt: skip
    there = python.exists() and subprocess.run(
        [python, "-c", "import qgis.core"], env=environment, capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    if not there:
        pytest.skip("QGIS is not installed here: apt-get install python3-qgis")
    script = Path(__file__).parents[2] / "scripts" / "qgis_layers.py"
    done = subprocess.run(
        [python, script, path, path.parent, *layers], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_qgis_opens_every_layer_of_an_archive_with_its_style(archive: Path) -> None:
    found = opened_in_qgis(archive, *LAYERS, "fronts_local", "rulers", "contours", "observations")
    assert found["told"] == []
    for name, layer in found["layers"].items():
        assert layer["valid"], name
        assert layer["error"] == "", name
        assert layer.get("failed", []) == [], name
        assert layer["style"] == (name in LAYER_STYLES), name
    colours = set(found["layers"]["fronts"]["colours"])
    # The first and the last rank of the ramp: each glacier has both, whatever its years.
    assert {"#440154", "#fde725"} <= colours
    assert {"#000000", "#d55e00"} <= set(found["layers"]["footprints"]["colours"])


def test_qgis_opens_every_export_with_its_style(exported: dict[str, Path]) -> None:
    for table, path in exported.items():
        found = opened_in_qgis(path, "rows")
        assert found["told"] == [], table
        assert found["layers"]["rows"]["valid"], table
        assert found["layers"]["rows"]["style"] == (table in LAYER_STYLES), table


def test_ogrinfo_opens_them_without_a_warning(archive: Path, exported: dict[str, Path]) -> None:
    if shutil.which("ogrinfo") is None:
        pytest.skip("ogrinfo is not installed here: apt-get install gdal-bin")
    kml = export(archive, "fronts", "kml", archive.parent / "f.kml")
    geojson = export(archive, "fronts", "geojson", archive.parent / "f.geojson")
    for path in (archive, kml, geojson, *exported.values()):
        done = subprocess.run(["ogrinfo", "-ro", "-al", path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), path
    told = subprocess.run(
        ["ogrinfo", "-ro", "-so", exported["fronts"], "rows"], capture_output=True, text=True, check=True
    )
    assert "Geometry: Multi Line String" in told.stdout
    assert "Feature Count: 6" in told.stdout


def test_duckdb_and_geopandas_read_geoparquet(archive: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed here")
    path = export(archive, "fronts", "parquet", archive.parent / "f.parquet")
    assert duckdb.sql(f"SELECT count(*), count(DISTINCT GlacierID) FROM '{path}'").fetchall() == [(6, 2)]
    assert gpd.read_parquet(path).crs.to_epsg() == 4326
    from pyarrow import parquet

    metadata = parquet.read_schema(path).metadata
    assert json.loads(metadata[b"geo"])["primary_column"] == "geometry"
    assert "for you to state" in json.loads(metadata[b"licences"])[0]


def test_exports_are_geopackages_that_old_readers_know(exported: dict[str, Path]) -> None:
    for path in exported.values():
        with contextlib.closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA user_version").fetchone() == (10200,)
            times = [row[0] for row in database.execute("SELECT last_change FROM gpkg_contents")]
            assert all(len(one) == 24 and one.endswith("Z") for one in times)
            (licence,) = database.execute("SELECT metadata FROM gpkg_metadata").fetchone()
            assert "for you to state" in licence


@pytest.mark.parametrize("form", ["geojson", "kml"])
def test_the_licence_stands_in_the_file_and_in_the_note(archive: Path, form: str) -> None:
    path = export(archive, "fronts", form, archive.parent / f"g.{form}")
    assert "for you to state" in path.read_text()
    assert len(gpd.read_file(path)) == 6
    note = json.loads(path.with_name(f"{path.name}.run.json").read_text())
    assert "for you to state" in note["licences"][0]
    export(archive, "fronts", form, path)  # its own file is replaced without --overwrite


def test_kml_names_what_it_shows(archive: Path) -> None:
    path = export(archive, "fronts", "kml", archive.parent / "h.kml")
    assert "<name>Long 1990-07-01</name>" in path.read_text()


def test_a_layer_of_one_part_each_is_declared_so(tmp_path: Path) -> None:
    single = gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.LineString([(0, 0), (1, 1)])], crs="EPSG:4326")
    write_layer(single, tmp_path / "a.gpkg")
    assert set(gpd.read_file(tmp_path / "a.gpkg").geom_type) == {"LineString"}
    write_layer(single, tmp_path / "b.gpkg", several=True)
    assert set(gpd.read_file(tmp_path / "b.gpkg").geom_type) == {"MultiLineString"}


def test_styles_of_earlier_releases_are_replaced_and_those_of_users_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    store(Archive(path), "Toy", east=500_000, years=[2000, 2001])
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE layer_styles SET styleName = 'fronts by date' WHERE f_table_name = 'fronts'")
        database.execute(
            "UPDATE layer_styles SET styleName = 'mine', update_time = '2020-01-02 03:04:05' "
            "WHERE f_table_name = 'footprints'"
        )
        create_styles(database)
        held = dict(database.execute("SELECT f_table_name, styleName FROM layer_styles"))
        time = database.execute("SELECT update_time FROM layer_styles WHERE styleName = 'mine'").fetchone()
    assert (held["fronts"], held["footprints"]) == ("fronts by rank of date", "mine")
    assert time == ("2020-01-02T03:04:05.000Z",)


def test_a_layer_without_a_date_has_one_colour() -> None:
    assert "array_agg" in fronts_style(("Date", "GlacierID"))
    assert "SourceDate" in fronts_style(("SourceDate", "Official_n"))
    assert "array_agg" not in fronts_style(("Date",))
    assert style_of("observations", ()) == ("", "")


@pytest.mark.parametrize("form", ["geojson", "kml", "gpkg", "parquet", "csv"])
def test_one_file_holds_one_coordinate_system(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    """In Greenland the columns of TermPicks go with its plane, elsewhere with degrees: no layer is both."""
    held = Archive(tmp_path / "two.gpkg")
    store(held, "Green", east=500_000, years=[2018, 2019])
    store(held, "West", east=-2_000_000, years=[2018])
    out = tmp_path / f"all.{form}"
    given = ["export", "--all", "--archive", str(tmp_path / "two.gpkg"), "--table", "fronts", "--format", form,
             "--columns", "termpicks", "--out", str(out)]  # fmt: skip
    assert run(given) == 3
    assert "West: its fronts have places on Earth in EPSG:4326, those before it places" in capsys.readouterr().err
    if form == "gpkg":
        layer = gpd.read_file(out)
        assert (layer["GlacierID"].unique().tolist(), layer.crs.to_epsg()) == (["Green"], 3413)
