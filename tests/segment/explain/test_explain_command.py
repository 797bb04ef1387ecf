"""``glaciertime explain`` in process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glaciertime.__main__ import run


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bright ice below, dark water above, in a small grey picture."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    grey = np.where(np.arange(96)[:, None] < 40, 60, 200) + rng.normal(0, 8, (96, 64))
    Image.fromarray(grey.clip(1, 254).astype(np.uint8)).save("scene.png")
    return tmp_path / "scene.png"


def test_a_picture_and_numbers_come_of_one_image(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["explain", "scene.png", "--weights", "landsat-fronts", "--method", "permutation", "--out", "p.png",
                "--json"])  # fmt: skip
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bands"][0]["band"] == "grey"
    assert found["images"][0]["target"] == "front"
    assert Image.open("p.png").size[0] > 300
    assert run(["why", "p.png"]) == 0
    assert "scene.png" in capsys.readouterr().out


def test_images_in_folders_of_their_glaciers_are_explained_in_such_folders(scene: Path) -> None:
    for name in ("Crane", "DBE"):
        (scene.parent / "scenes" / name).mkdir(parents=True)
        Image.open(scene).crop((0, 0, 64, 64)).save(scene.parent / "scenes" / name / f"{name}.png")
    assert run(["explain", "scenes", "--method", "permutation", "--out", "why"]) == 0
    assert sorted(path.parent.name for path in Path("why").rglob("*_explained.png")) == ["Crane", "DBE"]


def test_a_map_is_compared_with_that_of_random_weights(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("captum", reason="the extra 'train' is not installed")
    assert run(["explain", "scene.png", "--method", "grad-cam", "--out", "p.png", "--json"]) == 0
    sanity = json.loads(capsys.readouterr().out)["images"][0]["sanity"]
    assert 0 <= sanity["rank_correlation"] <= 1
    assert sanity["trusted"] is (sanity["rank_correlation"] <= 0.3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--method", "gradcam"], "did you mean grad-cam"),
        (["--class", "glaicer"], "did you mean glacier"),
        (["--weights", "nowhere"], "nowhere"),
        (["--out", "p.tif"], ".png expected"),
        (["--out", "scene.png"], "scene.png"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    scene: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = scene.read_bytes()
    assert run(["explain", "scene.png", "--method", "permutation", "--out", "p.png", *arguments]) in (1, 2)
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert scene.read_bytes() == before
    assert not Path("p.png").exists()
