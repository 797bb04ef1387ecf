"""What the README says one types for one's own images, typed on small ones."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.cli.conftest import Command, write_mask, zones

pytest.importorskip("lightning")

SECTION = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split("## Your own images")[1]
COMMANDS = re.findall(r"^(glaciertime .+)$", SECTION.split("```")[1], flags=re.MULTILINE)
YEARS = range(2001, 2009)


def scene(seed: int, column: int) -> np.ndarray:
    """Bright ice and dark ground."""
    ice = zones(column, size=64) == 127
    return np.clip(np.where(ice, 180, 60) + np.random.default_rng(seed).normal(0, 12, ice.shape), 1, 254).astype(
        np.uint8
    )


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Eight images of one place, the ice two columns shorter each year, and another image without a mask."""
    root = tmp_path / "my_images"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for number, year in enumerate(YEARS):
        write_mask(root / "images" / f"toy_{year}-08-12.tif", scene(number, 40 - 2 * number))
        ice = (zones(40 - 2 * number, size=64) == 127).astype(np.uint8)
        write_mask(root / "masks" / f"toy_{year}-08-12.png", 255 * ice, driver="PNG", crs=None, transform=None)
    write_mask(tmp_path / "new_scene.tif", scene(9, 20))
    return root


def test_the_commands_of_the_readme(command: Command, images: Path, tmp_path: Path) -> None:
    """The very first look at the data, a training, its scores and a mask of a new scene."""
    (tmp_path / "small.yaml").write_text(
        "data: folder\nroot: my_images\nepochs: 6\nbatch: 4\nfold: 2\ndraws: 24\npatch: [64, 64]\n"
        "loss: focal\naugmentation: {flip_columns: true, rotation_deg: 0.0, elastic_px: 0.0}\n"
    )
    check, train, evaluate, segment = (shlex.split(text)[1:] for text in COMMANDS)

    found = command(*check)
    assert found.code == 0, found.err
    assert re.search(r"glacier +\d[\d,]* \(\d+\.\d%\)", found.out)
    with rasterio.open(tmp_path / "runs/mine/check.png") as picture:
        assert picture.width > 1000
    assert "parted by date: 3 samples from 2006-01-01 on for test" in found.err
    assert "show ground that is trained on" in found.err
    assert "larger than images of 64 x 64" in found.err
    assert [path.name for path in (tmp_path / "runs/mine").iterdir()] == ["check.png"]

    found = command(train[0], "small.yaml", *train[1:])
    assert found.code == 0, found.err
    kept = json.loads((tmp_path / "runs/mine/split.json").read_text())
    assert sorted(kept["parts"]["test"]) == [f"toy_{year}-08-12" for year in (2006, 2007, 2008)]

    found = command(*evaluate, "--json")
    assert found.code == 0, found.err
    assert found.json["classes"]["glacier"]["iou"] > 0.5

    assert command(*segment).code == 0
    with rasterio.open(tmp_path / "mask.tif") as mask:
        assert set(np.unique(mask.read(1))) <= {0, 64, 127}
        assert mask.crs.to_epsg() == 3031


def test_one_class_alone_trains_nothing(command: Command, images: Path) -> None:
    for path in (images / "masks").glob("*.png"):
        write_mask(path, np.zeros((64, 64), np.uint8), driver="PNG", crs=None, transform=None)
    found = command(
        "train", "--data", "folder", "--root", images, "--out", "out", "--reader", "legend=0=rock,255=glacier"
    )
    assert found.code == 1
    assert "only rock is labelled in the 8 images used" in found.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--region", "AN"], "--region AN: the samples of folder say no region; leave --region AN away"),
        (["--split", "regoin"], "--split regoin: no such split; nearest: region"),
        (["--reader", "tiles=32"], "no option is called tiles; nearest: tile"),
        (["--reader", "tile"], "NAME=VALUE expected"),
        (["--binary", "--positive", "lake"], "class 'lake' is not in the data"),
        (["--month", "14"], "--month 14"),
        (["--from", "2009"], "no sample is left; --from 2009-01-01: 8 of 8 samples left out"),
        (["--split", "block", "--reader", "tile=65"], "no image is as large as a tile of 65 x 65"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(command: Command, images: Path, options: list[str], told: str) -> None:
    found = command("train", "--data", "folder", "--root", images, "--out", "out", *options)
    assert found.code in (1, 2)
    assert told in " ".join(found.err.split())
    assert not Path("out").exists()
