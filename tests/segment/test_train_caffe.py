"""From a CaFFe tree to its mean distance error, on a tree that is generated: small, with fronts that are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("lightning")

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_caffe.py"
if not SCRIPT.is_file():
    pytest.skip("the scripts are not part of the installed package", allow_module_level=True)
sys.path.insert(0, str(SCRIPT.parent))

import train_caffe  # noqa: E402

TRAIN = ("Crane_2002-11-09_ERS_20_2_061", "Crane_2003-06-09_ERS_20_2_061", "DBE_2008-03-30_ENVISAT_20_1_049")
TEST = ("COL_2011-11-13_TDX_7_1_092", "Mapple_2007-10-29_ENVISAT_20_2_061")
SIZE, BOX = 128, (10, 100)


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def zones_at(row: int) -> np.ndarray:
    zones = np.full((SIZE, SIZE), 254, np.uint8)
    zones[:row] = 127
    zones[:, :4] = 64
    return zones


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright glacier above dark ocean, rock at the left; the front is the first row of the ocean, 40 to 80."""
    root = tmp_path_factory.mktemp("caffe")
    rng = np.random.default_rng(0)
    for place, stem in enumerate((*TRAIN, *TEST)):
        split, row = "train" if stem in TRAIN else "test", 40 + 10 * place
        zones = zones_at(row)
        speckle = rng.gamma(4, 0.25, zones.shape)
        image = np.clip(np.where(zones == 127, 150, 30) * speckle, 1, 255)
        front = np.zeros_like(zones)
        front[row, BOX[0] : BOX[1] + 1] = 255
        write(root / "data_raw" / "sar_images" / split / f"{stem}.png", image.astype(np.uint8))
        write(root / "data_raw" / "zones" / split / f"{stem}_zones.png", zones)
        write(root / "data_raw" / "fronts" / split / f"{stem}_front.png", front)
        box = root / "data_raw" / "bounding_boxes" / f"{stem}_front_extent_coord.txt"
        box.parent.mkdir(exist_ok=True)
        corners = [(x, y) for x in BOX for y in (0, SIZE - 1)]
        box.write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in corners))
    return root


def test_a_front_that_is_pixels_away_is_as_many_metres_away(tree: Path) -> None:
    images = list(train_caffe.find_test_images(tree))
    assert [image.name.stem for image in images] == list(TEST)
    rows = iter((70 + 3, 80 - 2))
    distances = train_caffe.measure(images, lambda _: zones_at(next(rows)))
    table = train_caffe.table_of(images, distances).set_index(["part", "of"])
    assert table.loc[("glacier", "COL"), "mean_distance_error_m"] == 3 * 7
    assert table.loc[("glacier", "Mapple"), "mean_distance_error_m"] == 2 * 20
    # As many pixels in each: the mean of both. November is winter in Alaska, October summer on the Peninsula.
    assert table.loc[("all", "all"), "mean_distance_error_m"] == 30.5
    assert table.loc[("season", "winter"), "mean_distance_error_m"] == 21
    assert table.loc[("season", "summer"), "mean_distance_error_m"] == 40
    assert (table["without_prediction"] == 0).all()


def test_an_image_without_a_predicted_front_is_counted_not_averaged(tree: Path) -> None:
    images = list(train_caffe.find_test_images(tree))
    zones = iter((np.full((SIZE, SIZE), 127, np.uint8), zones_at(80)))
    table = train_caffe.table_of(images, train_caffe.measure(images, lambda _: next(zones)))
    assert table.iloc[0].to_dict() == {
        "part": "all", "of": "all", "mean_distance_error_m": 0.0, "images": 2, "without_prediction": 1,
        "without_label": 0,
    }  # fmt: skip


def run(*given: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "ignore", str(SCRIPT), *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_tree_is_trained_on_and_scored_to_the_end(tree: Path, tmp_path: Path) -> None:
    small = ("--epochs", 2, "--draws", 8, "--batch", 4, "--patch", 64, "--model", "unet-small")
    done = run("--root", tree, "--out", tmp_path, *small)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is downloaded" in done.stdout
    assert {"weights.safetensors", "model.onnx", "front_error.csv", "fronts.csv"} <= {
        p.name for p in tmp_path.iterdir()
    }
    table = pd.read_csv(tmp_path / "front_error.csv")
    assert table.loc[0, "images"] == 2
    assert set(pd.read_csv(tmp_path / "fronts.csv")["image"]) == set(TEST)


def test_a_folder_without_the_data_is_told(tmp_path: Path) -> None:
    done = run("score", "--root", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "holds no CaFFe tree" in done.stderr


def test_an_unknown_step_is_refused(tmp_path: Path) -> None:
    done = run("scores", "--root", tmp_path, "--out", tmp_path)
    assert done.returncode == 2
    assert "step scores given, some of fetch, train, score expected" in done.stderr
