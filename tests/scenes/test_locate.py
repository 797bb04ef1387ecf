"""Folders as people keep them: what is in them is measured, or it is told what is not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from glaciertime.dates import Dated
from glaciertime.errors import InputError, UsageError
from glaciertime.pipeline import TrackOutcome, TrackRequest, track_glacier
from glaciertime.scenes.classes import parse_classes
from glaciertime.scenes.folder import MaskReading

UTM = "EPSG:32632"
DAYS = ("2003-08-12", "2010-08-12", "2015-08-12")
SIZES_KM = (3.0, 2.5, 2.0)


def outline(path: Path, km: float, *, date: str = "", name: str = "", layer: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, Any] = {"note": ["x"]}
    columns |= {"glac_name": [name]} if name else {}
    columns |= {"date": [date]} if date else {}
    box = shapely.box(630_000, 5_180_000, 633_000, 5_180_000 + 1000 * km)
    gpd.GeoDataFrame(columns, geometry=[box], crs=UTM).to_file(
        path, mode="a" if path.exists() else "w", **({"layer": layer} if layer else {})
    )


def mask(path: Path, front_column: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    zones = np.zeros((40, 60), np.uint8)
    zones[:, :front_column] = 1
    with rasterio.open(
        path, "w", driver="GTiff", height=40, width=60, count=1, dtype="uint8", crs=UTM,
        transform=Affine(100, 0, 630_000, 0, -100, 5_184_000),
    ) as raster:  # fmt: skip
        raster.write(zones, 1)


@pytest.fixture
def track(tmp_path: Path):  # type: ignore[no-untyped-def]
    manifest = tmp_path / "g.yaml"
    manifest.write_text("name: G\n")

    def call(data: Path) -> TrackOutcome:
        reading = MaskReading(classes=parse_classes("0=ocean,1=glacier"))
        return track_glacier(TrackRequest(glacier="G", data=data, manifests=(manifest,), reading=reading))

    return call


def areas(outcome: TrackOutcome) -> list[float]:
    assert outcome.tracked is not None
    rows = outcome.tracked.observations.query("variable == 'area_km2' and value == value")
    return [round(value, 2) for value in rows.value]


def test_damaged_files_of_a_folder_are_told(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for day, km in zip(DAYS, SIZES_KM, strict=True):
        outline(tmp_path / "half" / f"G_{day}.gpkg", km, name="G")
    (tmp_path / "half" / "G_2011-01-01.gpkg").write_bytes(b"broken" * 100)
    (tmp_path / "half" / "G_2012-01-01.geojson").write_text('{"type":"FeatureCollection","features":[')
    (tmp_path / "half" / "G_2013-01-01.zip").write_bytes(b"PK broken")
    (tmp_path / "half" / "metadata.json").write_text('{"scene": 12')
    outcome = track(tmp_path / "half")
    assert outcome.exit_code == 3
    assert areas(outcome) == [9.0, 7.5, 6.0]
    assert sorted(text.split()[0] for text in outcome.problems) == [
        "G_2011-01-01.gpkg", "G_2012-01-01.geojson", "G_2013-01-01.zip",
    ]  # fmt: skip


def test_the_one_good_file_does_not_hide_the_damaged_one(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    outline(tmp_path / "two" / "G_2003-08-12.gpkg", 3.0, name="G")
    (tmp_path / "two" / "G_2010-08-12.gpkg").write_bytes(b"broken" * 100)
    outcome = track(tmp_path / "two")
    assert (outcome.exit_code, areas(outcome), len(outcome.problems)) == (3, [9.0], 1)


def test_what_a_system_keeps_beside_shapefiles_is_no_shapefile(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for day, km in zip(DAYS, SIZES_KM, strict=True):
        outline(tmp_path / "shp" / f"outline_{day}.shp", km)
    for name in ("._outline_2003-08-12.shp", ".DS_Store", "outline_2003-08-12.shp.xml", "Thumbs.db", "read.me"):
        (tmp_path / "shp" / name).write_bytes(b"\0\1junk")
    outcome = track(tmp_path / "shp")
    assert (outcome.exit_code, areas(outcome)) == (0, [9.0, 7.5, 6.0])


def test_folders_that_sort_by_date_are_one_source(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for day, km in zip(DAYS, SIZES_KM, strict=True):
        outline(tmp_path / "years" / day[:4] / f"G_{day}.gpkg", km, name="G")
        mask(tmp_path / "masks" / f"{day[:4]}_August" / f"m_{day}.tif", int(10 * km))
    assert areas(track(tmp_path / "years")) == [9.0, 7.5, 6.0]
    assert areas(track(tmp_path / "masks")) == [12.0, 10.0, 8.0]


def test_several_folders_that_hold_a_glacier_are_not_guessed_from(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    outline(tmp_path / "data" / "calfin" / "a_2003-08-12.gpkg", 3.0, name="G")
    outline(tmp_path / "data" / "termpicks" / "b_2003-08-12.gpkg", 2.5, name="G")
    with pytest.raises(InputError, match=r"2 of its folders hold G \(calfin, termpicks\)"):
        track(tmp_path / "data")
    assert areas(track(tmp_path / "data" / "calfin")) == [9.0]


def test_layers_of_a_file_are_all_read(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for layer, day, km in zip(("first", "second", "third"), DAYS, SIZES_KM, strict=True):
        outline(tmp_path / "layers.gpkg", km, date=day, name="G", layer=layer)
    outline(tmp_path / "layers.gpkg", 5.0, name="G", layer="basin")
    outcome = track(tmp_path / "layers.gpkg")
    assert (outcome.exit_code, areas(outcome)) == (0, [9.0, 7.5, 6.0])
    assert any(
        "a layer was left out: layers.gpkg, layer basin has no column of dates" in text for text in outcome.notes
    )


def test_traces_left_out_beside_outlines_are_told(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    outline(tmp_path / "both" / "G_2003-08-12.gpkg", 3.0, name="G")
    line = shapely.LineString([(633_000, 5_180_000), (633_000, 5_183_000)])
    traces = gpd.GeoDataFrame({"glac_name": ["G"], "date": ["2010-08-12"]}, geometry=[line], crs=UTM)
    traces.to_file(tmp_path / "both" / "fronts.gpkg")
    outcome = track(tmp_path / "both")
    told = " ".join(outcome.notes)
    assert "left out beside the" in told


def test_what_is_not_read_beside_masks_is_told(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    mask(tmp_path / "masks" / "m_2003-08-12.tif", 30)
    mask(tmp_path / "masks" / "more" / "m_2010-08-12.tif", 25)
    outline(tmp_path / "masks" / "G_2015-08-12.gpkg", 2.0, name="G")
    outcome = track(tmp_path / "masks")
    told = " ".join(outcome.notes)
    assert areas(outcome) == [12.0]
    assert "1 raster in sub-folders was not read (more/m_2010-08-12.tif)" in told
    assert "1 vector file that names G was not read beside the masks (G_2015-08-12.gpkg)" in told


def test_a_raster_without_a_date_beside_outlines_is_no_mask(track, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    outline(tmp_path / "dem" / "G_2003-08-12.gpkg", 3.0, name="G")
    mask(tmp_path / "dem" / "srtm.tif", 30)
    assert areas(track(tmp_path / "dem")) == [9.0]


def test_files_of_the_table_of_dates_that_are_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text("name: G\n")
    mask(tmp_path / "masks" / "first.tif", 30)

    def track_dated(*names: str) -> TrackOutcome:
        reading = MaskReading(
            classes=parse_classes("0=ocean,1=glacier"),
            dates={name: Dated(dt.date(2003, 8, 12)) for name in names},
        )
        request = TrackRequest(
            glacier="G", data=tmp_path / "masks", manifests=(tmp_path / "g.yaml",), reading=reading
        )  # fmt: skip
        return track_glacier(request)

    outcome = track_dated("first.tif", "second.tif")
    assert areas(outcome) == [12.0]
    assert "1 file of --dates is not in masks (second.tif)" in outcome.notes
    with pytest.raises(UsageError, match=r"masks holds none of its files \(second.tif\)"):
        track_dated("second.tif")
