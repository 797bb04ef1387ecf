"""The archive keeps what it had, replaces what changed, and opens in other programs."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from glaciertime.archive import Archive
from glaciertime.errors import ArchiveError
from glaciertime.tables import SCHEMAS, validate


def tracked(images: list[str], *, value: float = 600.0, input_file: str = "a.tif") -> dict[str, object]:
    dates = pd.date_range("2002-03-15", periods=len(images), freq="365D")
    fronts = gpd.GeoDataFrame(
        {
            "GlacierID": "Crane", "Date": dates, "DecDate": 2002.2, "QualFlag": "ok", "Satellite": "",
            "ImageID": images, "Author": "test", "sigma_m": 30.0, "coverage": 1.0, "resolution_m": np.nan,
            "model": "", "source": "observed",
        },
        geometry=[shapely.LineString([(-2.40e6, 1.26e6), (-2.39e6, 1.261e6 + i)]) for i in range(len(images))],
        crs="EPSG:3031",
    )  # fmt: skip
    observations = pd.DataFrame(
        {
            "glacier": "Crane", "date": dates, "variable": "area_km2", "value": value, "sigma": np.nan, "unit": "km2",
            "method": "polygon", "footprint": "box", "dataset": "test", "sensor": "", "image_id": images,
            "coverage": 1.0, "quality": "ok", "source": "observed",
        }
    )  # fmt: skip
    footprints = gpd.GeoDataFrame(
        {"glacier": ["Crane"], "footprint": ["box"], "dataset": ["test"], "area_km2": [784.0], "source": ["observed"]},
        geometry=[shapely.box(-2.41e6, 1.25e6, -2.39e6, 1.27e6)],
        crs="EPSG:3031",
    )
    inputs = [("Crane", "test", image, input_file) for image in images]
    return {"fronts": fronts, "observations": observations, "footprints": footprints, "inputs": inputs}


def test_reading_returns_what_was_stored(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a.gpkg")
    given = tracked(["one", "two"])
    archive.store_tracked(**given)
    pd.testing.assert_frame_equal(archive.read("observations"), validate(given["observations"], "observations"))
    fronts = archive.read("fronts").to_crs("EPSG:3031")
    expected = validate(given["fronts"].assign(dataset="test"), "fronts")
    assert_geodataframe_equal(fronts, expected, check_less_precise=True)


def test_an_archive_that_is_not_there_reads_as_empty(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "none.gpkg")
    assert len(archive.read("observations")) == len(archive.read("fronts")) == 0
    assert not archive.exists()


def test_storing_again_adds_nothing_and_a_changed_input_replaces(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a.gpkg")
    for _ in range(2):
        archive.store_tracked(**tracked(["one", "two"]))
    assert len(archive.read("observations")) == len(archive.read("fronts")) == 2
    # The file now holds one image less, with another value: both of the old rows came from it.
    archive.store_tracked(**tracked(["one"], value=590.0))
    assert archive.read("observations")["value"].tolist() == [590.0]
    assert len(archive.read("footprints")) == 1
    # Another file leaves them alone.
    archive.store_tracked(**tracked(["three"], input_file="b.tif"))
    assert sorted(archive.read("observations")["image_id"]) == ["one", "three"]


def test_geopandas_and_the_sqlite_command_open_it(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    Archive(path).store_tracked(**tracked(["one", "two"]))
    layer = gpd.read_file(path, layer="fronts")
    assert [name for name in SCHEMAS["fronts"].columns if name not in layer.columns] == []
    assert layer.crs == "EPSG:4326"
    assert layer["Date"].dt.strftime("%Y-%m-%d").tolist() == ["2002-03-15", "2003-03-15"]
    printed = subprocess.run(
        ["sqlite3", str(path), "SELECT glacier, date, value, unit FROM observations ORDER BY date LIMIT 1"],
        capture_output=True, text=True, check=False,
    ) if _has_sqlite() else None  # fmt: skip
    if printed is None:
        pytest.skip("the sqlite3 command is not installed")
    assert printed.stdout.strip() == "Crane|2002-03-15|600.0|km2"


def _has_sqlite() -> bool:
    return any((Path(folder) / "sqlite3").is_file() for folder in os.environ["PATH"].split(os.pathsep))


def test_qgis_finds_a_default_style_and_the_extent(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    Archive(path).store_tracked(**tracked(["one"]))
    with sqlite3.connect(path) as database:
        style = database.execute("SELECT styleQML FROM layer_styles WHERE f_table_name = 'fronts' AND useAsDefault = 1")
        assert "DecDate" in style.fetchone()[0]
        west = database.execute("SELECT min_x FROM gpkg_contents WHERE table_name = 'fronts'").fetchone()[0]
    assert -63 < west < -61


def test_a_failure_half_way_keeps_what_was_there(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a.gpkg")
    archive.store_tracked(**tracked(["one"]))
    broken = tracked(["one"], value=1.0)
    broken["fronts"] = broken["fronts"].drop(columns="source")
    with pytest.raises(ValueError, match="column source is missing"):
        archive.store_tracked(**broken)
    assert archive.read("observations")["value"].tolist() == [600.0]
    assert len(archive.read("fronts")) == 1


def test_a_file_that_is_no_archive_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    path.write_bytes(b"no database at all" * 100)
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match="damaged or is no GeoPackage"):
        Archive(path).store_tracked(**tracked(["one"]))
    assert path.read_bytes() == before


def test_an_archive_that_another_process_writes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gpkg"
    archive = Archive(path)
    archive.store_tracked(**tracked(["one"]))
    monkeypatch.setattr("glaciertime.archive.connection.WAIT_SECONDS", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(ArchiveError, match="being written by another process"):
            archive.store_tracked(**tracked(["two"]))
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert archive.read("observations")["image_id"].tolist() == ["one"]


def test_a_folder_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"cannot be made .*give --archive FILE"):
        Archive(tmp_path / "missing" / "a.gpkg").store_tracked(**tracked(["one"]))
