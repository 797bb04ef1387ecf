"""Every data set by the commands of the README: train, evaluate, segment and track, each typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray

from glaciertime.archive import Archive
from glaciertime.scenes.datasets.readers import open_training_data, reader_names
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.units import mask_area_km2, polygon_area_km2
from tests.cli.conftest import GLACIER, TOY_TRANSFORM, Command, zones
from tests.dataset_trees import SIMULATED, TREES

pytest.importorskip("lightning")

WITHOUT_ICE = ("cdw-seg", "cityscapes")
ICE = ("glacier", "clean ice", "debris-covered ice")
GIVEN = ["--reader", "count=4", "--reader", "size=72,64"]


def read(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as source:
        return np.asarray(source.read())


def write_scene(path: Path, bands: NDArray[Any]) -> Path:
    """Write bands, (C, H, W), as a scene of the toy glacier."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=bands.shape[1], width=bands.shape[2], count=len(bands),
        dtype=bands.dtype.name, crs="EPSG:3031", transform=TOY_TRANSFORM,
    ) as target:  # fmt: skip
        target.write(bands)
    return path


@pytest.mark.parametrize("name", TREES)
def test_train_evaluate_segment_and_track(name: str, command: Command, manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    raw = TREES[name](tmp_path / "tree")
    bands = read(raw) if isinstance(raw, Path) else np.asarray(raw)
    given = ["--data", name, "--root", "tree", *(GIVEN if name == "simulated" else [])]
    (tmp_path / "small.yaml").write_text(
        f"data: {name}\nroot: tree\nepochs: 1\nbatch: 2\nfold: 2\nloss: focal\ndraws: 4\npatch: [32, 32]\n"
        f"validation_fraction: 0\nworkers: 0\nmask_bands: {str(name == 'nird').lower()}\n"
    )
    found = command("train", "small.yaml", *given, "--model", "unet-small", "--out", "run")
    assert found.code == 0, found.err

    options = ["--split", "all", "--draws", "0", "--json"]
    found = command("evaluate", "run/weights.safetensors", *given, *options)
    assert found.code == 0, found.err
    data = open_training_data(name, root=tmp_path / "tree", options=SIMULATED if name == "simulated" else None)
    assert list(found.json["classes"]) == list(data.classes)
    # All that is labelled and observed is scored, once.
    scored = [sample.labels != IGNORE for sample in data]
    assert sum(map(sum, found.json["confusion"]["pixels"])) == sum(int(each.sum()) for each in scored)
    for where in ("classes", "mean"):
        json.dumps(found.json[where], allow_nan=False)
    both = command("evaluate", "run/model.onnx", *given, *options)
    assert both.code == 0, both.err
    assert both.json["confusion"] == found.json["confusion"]
    ice_names = [each for each, code in zip(data.classes, data.codes, strict=True) if each in ICE or code == 127]
    assert not (ice_names and name in WITHOUT_ICE)
    if ice_names:
        ice = command("evaluate", "run/model.onnx", *given, *options, "--binary")
        assert ice.code == 0, ice.err
        assert {"glacier", *ice_names} & {*ice.json["classes"]}
        assert len(ice.json["classes"]) == 2

    # The same pixels as scenes of a glacier: what the mask of segment shows is what track measures.
    scenes = [write_scene(tmp_path / "scenes" / f"toy_200{year}-08-12.tif", bands) for year in (1, 2)]
    found = command("segment", scenes[0], "--weights", "run/model.onnx", "--out", "mask.tif")
    assert found.code == 0, found.err
    mask = read(tmp_path / "mask.tif")[0]
    assert mask.shape == bands.shape[1:]
    assert set(np.unique(mask)) <= {0, 255, *data.codes}
    given = ["--glacier", "Toy", "--manifest", manifest, "--data", "scenes", "--images", "--ocean", "east"]
    found = command("track", *given, "--weights", "run/model.onnx", "--archive", "toy.gpkg")
    if not ice_names:
        assert found.code == 1
        assert "not rock, glacier and ocean (64, 127, 254): write masks with glaciertime segment" in found.err
        return
    ice_drawn = np.isin(mask, [code for each, code in zip(data.classes, data.codes, strict=True) if each in ice_names])
    right = mask_area_km2(ice_drawn, transform=TOY_TRANSFORM, crs="EPSG:3031")
    rows = Archive(tmp_path / "toy.gpkg").read("observations", glacier="Toy")
    areas = rows[(rows["variable"] == "area_km2") & ~rows["quality"].str.startswith("failed")]
    assert set(map(str, areas["date"].dt.date)) == {"2001-08-12", "2002-08-12"}, found.err
    assert areas["value"].to_numpy() == pytest.approx(right, rel=1e-3)


def test_no_data_set_is_left_out() -> None:
    assert sorted(TREES) == reader_names()


def test_ones_own_images_with_outlines(command: Command, manifest: Path, tmp_path: Path) -> None:
    """Six scenes of one glacier under one outline each, in another coordinate system, and a seventh scene."""
    shapes, dates = [], []
    for number, year in enumerate(range(2001, 2008)):
        column = 40 - 2 * number
        ice = zones(column, size=64) == GLACIER
        grey = np.where(ice, 180, 60) + np.random.default_rng(number).normal(0, 12, ice.shape)
        folder = "scenes" if year == 2007 else "mine"
        write_scene(tmp_path / folder / f"toy_{year}-08-12.tif", np.clip(grey, 1, 254).astype(np.uint8)[None])
        corners = [TOY_TRANSFORM @ corner for corner in ((0, 10), (column, 10), (column, 50), (0, 50))]
        shapes.append(shapely.Polygon(corners))
        dates.append(f"{year}-08-12")
    table = gpd.GeoDataFrame({"name": "Toy", "date": dates}, geometry=shapes, crs="EPSG:3031")
    table[:6].to_crs("EPSG:4326").to_file(tmp_path / "mine" / "outlines.gpkg")
    (tmp_path / "small.yaml").write_text(
        "data: folder\nroot: mine\nepochs: 6\nbatch: 4\nfold: 2\nloss: focal\ndraws: 24\npatch: [64, 64]\n"
        "augmentation: {flip_columns: true, rotation_deg: 0.0, elastic_px: 0.0}\n"
    )
    given = ["--data", "folder", "--root", "mine", "--reader", "outlines=outlines.gpkg"]
    found = command("train", "small.yaml", *given, "--split", "date:2006", "--model", "unet-small", "--out", "run")
    assert found.code == 0, found.err
    found = command("evaluate", "run/weights.safetensors", *given, "--json")
    assert found.code == 0, found.err
    assert found.json["classes"]["glacier"]["iou"] > 0.9
    assert command("segment", "scenes/toy_2007-08-12.tif", "--weights", "run/model.onnx", "--out", "m.tif").code == 0
    given = ["--glacier", "Toy", "--manifest", manifest, "--data", "scenes", "--images", "--ocean", "east"]
    assert command("track", *given, "--weights", "run/model.onnx", "--archive", "toy.gpkg").code == 0
    rows = Archive(tmp_path / "toy.gpkg").read("observations", glacier="Toy").set_index("variable")
    mask = read(tmp_path / "m.tif")[0] == GLACIER
    drawn = mask_area_km2(mask, transform=TOY_TRANSFORM, crs="EPSG:3031")
    assert rows.loc["area_km2", "value"] == pytest.approx(drawn, rel=1e-6)
    assert drawn == pytest.approx(polygon_area_km2(shapes[6], crs="EPSG:3031"), rel=0.05)
