"""What is forgotten goes wholly, with what was made from it; nothing else goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from glaciertime.archive import Archive
from glaciertime.errors import UsageError
from tests.archive.test_archive import tracked


def forecast(cutoff: str) -> dict[str, Any]:
    return {
        "glacier": "Crane", "variable": "area_km2", "method": "polygon", "footprint": "box", "dataset": "test",
        "model": "last", "cutoff": cutoff, "target_date": "2010-03-15", "horizon_days": 2557.0, "quantile": 0.5,
        "value": 600.0, "unit": "km2", "status": "ok", "source": "observed",
    }  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    store = Archive(tmp_path / "a.gpkg")
    store.store_tracked(**tracked(["one", "two", "three"]))
    other = tracked(["one"], input_file="b.tif")
    for table in ("observations", "footprints"):
        other[table]["dataset"] = "other"
    other["inputs"] = [("Crane", "other", "one", "b.tif")]
    store.store_tracked(**other)
    # Known up to the first image, and up to the second.
    store.store_forecasts(pd.DataFrame([forecast("2002-03-15"), forecast("2003-03-15")]))
    return store


def counts(archive: Archive) -> dict[str, int]:
    return {name: len(archive.read(name)) for name in ("observations", "fronts", "footprints", "inputs", "forecasts")}


def test_an_image_goes_with_the_forecasts_that_saw_it(archive: Archive) -> None:
    before = counts(archive)
    would = archive.forget(glacier="Crane", image="two", dry_run=True)
    assert counts(archive) == before
    assert archive.forget(glacier="Crane", image="two") == would
    assert would == {"fronts": 1, "observations": 1, "forecasts": 1, "inputs": 1}
    assert archive.read("observations")["image_id"].tolist() == ["one", "three", "one"]
    assert archive.read("forecasts")["cutoff"].dt.year.tolist() == [2002]


def test_dates_and_data_sets(archive: Archive) -> None:
    archive.forget(since="2003-01-01", until="2003-12-31")
    assert archive.read("observations")["image_id"].tolist() == ["one", "three", "one"]
    archive.forget(dataset="other")
    assert archive.read("observations")["dataset"].tolist() == ["test", "test"]
    assert archive.read("footprints")["dataset"].tolist() == ["test"]


def test_of_an_imported_file_no_dates_go_alone(archive: Archive) -> None:
    """Its values hang on one image: those from 2003 on were asked for, and those before went with them."""
    rows = archive.read("observations", dataset="test").assign(dataset="file", image_id="a.csv", variable="length_m")
    archive.store_series(rows.assign(unit="m", method="given", footprint="given"), source_file="a.csv")
    before = counts(archive)
    for dates in ({"since": "2003-01-01"}, {"until": "2003"}):
        with pytest.raises(UsageError, match=r"a\.csv of Crane \(file\) holds values from 2002-\d\d-15 to 2004-"):
            archive.forget(dataset="file", **dates)
        assert counts(archive) == before
    assert archive.forget(dataset="file", since="2002", until="2004") == {"observations": 3, "inputs": 1}


def test_a_glacier_goes_wholly(archive: Archive) -> None:
    jorum = tracked(["one"])
    for table, column in (("fronts", "GlacierID"), ("observations", "glacier"), ("footprints", "glacier")):
        jorum[table][column] = "Jorum"
    archive.store_tracked(**{**jorum, "inputs": [("Jorum", "test", "one", "j.tif")]})
    archive.forget(glacier="Crane")
    assert counts(archive) == {"observations": 1, "fronts": 1, "footprints": 1, "inputs": 1, "forecasts": 0}
    assert archive.glaciers() == ["Jorum"]


def test_a_predicted_front_goes_with_the_positions_it_came_from(archive: Archive) -> None:
    rows = archive.read("observations", dataset="test")
    rows["variable"], rows["unit"], rows["method"] = "front_position_m", "m", "centreline"
    contours = gpd.GeoDataFrame(
        [{"glacier": "Crane", "cutoff": cutoff, "target_date": "2010-01-01", "horizon_days": 1.0, "model": model,
          "kind": "front", "status": "ok", "source": "observed"} for cutoff, model in (("2002-06-01", "a"),
                                                                                       ("2004-06-01", "b"))],
        geometry=[shapely.LineString([(-62, -65), (-61, -65)])] * 2, crs="EPSG:4326",
    )  # fmt: skip
    store = Archive(archive.path.with_name("b.gpkg"))
    given = tracked(["one", "two", "three"])
    store.store_tracked(**{**given, "observations": rows})
    store.store_contours(contours)
    assert store.forget(image="three")["contours"] == 1
    assert store.read("contours")["model"].tolist() == ["a"]


def test_nothing_given_forgets_nothing(archive: Archive) -> None:
    with pytest.raises(UsageError, match="say what to forget"):
        archive.forget()
    assert archive.forget(glacier="Nobody") == {}


def test_files_that_are_gone_are_told_from_folders_that_are_away(tmp_path: Path) -> None:
    folder, disk = tmp_path / "masks", tmp_path / "disk"
    folder.mkdir()
    (folder / "there.tif").touch()
    archive = Archive(tmp_path / "a.gpkg")
    for image, source in (("there", folder / "there.tif"), ("gone", folder / "gone.tif"),
                          ("away", disk / "away.tif"), ("simulated", "Crane, simulated"),
                          ("imported", folder / "lengths.csv")):  # fmt: skip
        given = tracked([image])
        archive.store_tracked(**{**given, "inputs": [("Crane", "test", image, str(source))]})
    found = archive.gone_inputs("Crane")
    assert {key[2] for key in found.images} == {"gone"}
    assert {key[2] for key in found.away} == {"away"}
    # All have one date and one sensor: the one that is gone may have been renamed.
    assert found.renamed[("Crane", "test", "gone")] == "there"
    assert archive.prune("Crane", dry_run=True) == {"fronts": 1, "observations": 1, "inputs": 1}
    assert len(archive.read("observations")) == 5
    archive.prune("Crane")
    assert archive.read("observations")["image_id"].tolist() == ["there", "away", "simulated", "imported"]
    # A disk that is mounted empty loses nothing either.
    disk.mkdir()
    assert archive.prune("Crane") == {}
