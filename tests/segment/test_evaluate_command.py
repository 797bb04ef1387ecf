"""``glaciertime evaluate`` in process, on simulated scenes and on a small tree of traced fronts."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image

from glaciertime.__main__ import run
from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
from glaciertime.scenes.simulate_images import SimulatedFronts
from glaciertime.segment.judge.class_matching import match_classes
from glaciertime.segment.judge.evaluation import evaluate, judge_sample
from glaciertime.segment.predict.sampled import ready_model

SAR = ["evaluate", "sar-zones", "--data", "simulated", "--root", ".", "--threads", "1"]
SMALL = ["--reader", "kind=sar", "--reader", "count=6"]


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated optical scenes in the layout of the traced Landsat fronts."""
    root = tmp_path_factory.mktemp("fronts")
    (root / "images").mkdir()
    (root / "fronts").mkdir()
    rows = ["glacier,date,sensor,pathrow,image,front"]
    data = SimulatedFronts(count=2, size=(120, 80), seed=3)
    for number, sample in enumerate(data):
        image = np.nan_to_num(sample.image[0])
        grey = np.clip(255 * (image - image.min()) / np.ptp(image), 1, 254).astype(np.uint8)
        Image.fromarray(grey).save(root / "images" / f"{number}.png")
        trace = np.full(grey.shape, 255, np.uint8)
        trace[50 + number] = 0
        Image.fromarray(trace).save(root / "fronts" / f"{number}.png")
        rows.append(f"Toy,200{number}-07-01,LT05,1,{number}.png,{number}.png")
    (root / "index.csv").write_text("\n".join(rows) + "\n")
    return root


def test_it_works_without_torch_where_the_weights_are_onnx(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'lightning', 'torchvision', 'torchmetrics', 'safetensors'): sys.modules[name] = None\n"
        f"from glaciertime.__main__ import run\nsys.exit(run({[*SAR, *SMALL, '--json', '--pictures', str(tmp_path)]}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found["classes"]) == ["no data", "rock", "glacier", "ocean"]
    assert 0.3 < found["classes"]["glacier"]["iou"] < 1
    assert "are SIMULATED" in done.stderr
    names = ("confusion", "roc", "reliability", "thresholds", "worst", "median", "best")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.png" for name in names)
    code = code.replace("'sar-zones'", repr(str(Path("nowhere.safetensors"))))
    (tmp_path / "w.safetensors").write_bytes(b"x")
    code = code.replace("nowhere.safetensors", str(tmp_path / "w.safetensors"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "pip install 'glaciertime[train]'" in done.stderr


def test_every_number_is_finite_or_has_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*SAR, *SMALL, "--json", "--out", "scores", "--draws", "50"]) == 0
    found = json.loads(capsys.readouterr().out)
    for name, values in found["classes"].items():
        for key, value in values.items():
            assert (value is None) == (key in found["reasons"]["classes"][name])
    for key, value in found["mean"].items():
        assert (value is None) == (key in found["reasons"]["mean"])
    of_classes = [values["iou"] for values in found["classes"].values() if values["iou"] is not None]
    assert found["mean"]["iou"] == pytest.approx(np.mean(of_classes))
    assert found["mean_of"]["iou"] == len(of_classes)
    assert found["intervals"]["unit"] == "scene"
    low, high = found["intervals"]["mean"]["iou"]
    assert low <= found["mean"]["iou"] <= high
    assert json.loads(Path("scores/scores.json").read_text()) == found
    with Path("scores/scores.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["by"] == "all" and row["score"] == "dice"]
    assert [float(row["value"]) for row in rows if row["class"] == "ocean"] == [found["classes"]["ocean"]["dice"]]
    markdown, tex = (Path("scores", f"scores{suffix}").read_text() for suffix in (".md", ".tex"))
    shown = f"{found['mean']['iou']:.4f} [{low:.4f}, {high:.4f}]"
    assert shown in markdown
    assert shown in tex
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") >= 3
    assert all(line.count("&") == 6 for line in tex.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines())
    # What it made it replaces; what another made it does not.
    assert run([*SAR, *SMALL, "--json", "--out", "scores", "--draws", "50"]) == 0
    Path("mine.md").write_text("mine")
    capsys.readouterr()
    assert run([*SAR, *SMALL, "--out", "mine.md"]) == 2
    assert "mine.md" in capsys.readouterr().err
    assert Path("mine.md").read_text() == "mine"


def test_the_masks_are_those_of_segment(fronts: Path, tmp_path: Path) -> None:
    model = ready_model("landsat-fronts", threads=1)
    data = LandsatFronts(fronts)
    match = match_classes(model.spec.classes, data.classes)
    for number in range(2):
        out = tmp_path / f"{number}.png"
        image = fronts / "images" / f"{number}.png"
        assert run(["segment", str(image), "--out", str(out), "--threads", "1"]) == 0
        with rasterio.open(out) as raster:
            zones = raster.read(1)
        judged = judge_sample(data[number], model=model, match=match, bands=(0,))
        np.testing.assert_array_equal(np.array([127, 254])[judged.predicted], zones)
    held = evaluate(data, model=model, match=match, bands=(0,))
    assert held.total is not None
    assert held.total.front[4] == 2


def test_a_sample_that_is_broken_is_a_row_and_the_others_are_scored(
    fronts: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = pd.read_csv(fronts / "index.csv", dtype=str)
    root = tmp_path / "broken"
    root.mkdir()
    for name in ("images", "fronts"):
        (root / name).symlink_to(fronts / name)
    table.loc[len(table)] = ["Toy", "2009-01-01", "LT05", "1", "gone.png", "0.png"]
    table.to_csv(root / "index.csv", index=False)
    command = [
        "evaluate",
        "landsat-fronts",
        "--data",
        "landsat-fronts",
        "--root",
        str(root),
        "--json",
        "--threads",
        "1",
    ]
    assert run(command) == 3
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["counted"]["images"] == 2
    assert found["counted"]["images_failed"] == 1
    assert "gone.png" in found["failed"][0]["reason"]
    assert found["intervals"]["unit"] is None
    assert found["intervals"]["told"].startswith("no intervals: fewer than 5")
    assert run([*command, "--strict"]) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["evaluate", "landsat-fronts", "--data", "landsat-fronts"], "--root"),
        (
            [*SAR, "--reader", "count=1"],
            "the model's classes are no data, rock, glacier, ocean, those of the labels glacier",
        ),
        ([*SAR, *SMALL, "--split", "tset"], "--split tset: one of test, validation, train, all expected"),
        ([*SAR, *SMALL, "--split", "test"], "says how the images were parted"),
        ([*SAR, *SMALL, "--ocean", "up"], "takes images in any orientation; leave --ocean out"),
        ([*SAR, *SMALL, "--out", "scores.xlsx"], "one of .csv, .json, .md, .tex expected, or a folder"),
        ([*SAR, *SMALL, "--match", "rock"], "MODEL=DATA expected"),
        ([*SAR, *SMALL, "--tolerance", "inf"], "--tolerance inf: a number of pixels expected"),
        ([*SAR, *SMALL, "--seed", "-1"], "--seed"),
        ([*SAR, *SMALL, "--out", "nowhere/s.md"], "nowhere does not exist"),
        ([*SAR, *SMALL, "--bands", "grey,grey"], "1 of the data's bands expected"),
        (["evaluate", "w.pth", "--data", "simulated", "--root", "."], "can run code when it is loaded"),
    ],
)
def test_bad_input_is_one_sentence(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(given) in (1, 2)
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_zones_is_scored_on_ice_and_all_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SAR, *SMALL, "--binary", "--json", "--draws", "0"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["classes"]) == ["not glacier", "glacier"]
    assert "'rock' of the model is 'not glacier'" in found["counted"]["classes_matched"]
    assert "front" in found["reasons"]["mean"]["front_error_m"]


def test_images_that_were_trained_on_are_told(fronts: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import shutil

    from glaciertime.segment.description import weights_path

    weights = tmp_path / "model.onnx"
    shutil.copy(weights_path("landsat-fronts"), weights)
    parts = {"train": {"0": ""}, "validation": {}, "test": {"1": ""}}
    kept = {"data": "landsat-fronts", "split": "random", "seed": 0, "told": "", "settings": {}, "parts": parts}
    (tmp_path / "split.json").write_text(json.dumps(kept))
    command = ["evaluate", str(weights), "--data", "landsat-fronts", "--root", str(fronts), "--json", "--threads", "1"]
    for more, count, said in (
        ([], 1, "none of these 1 image was trained on"),
        (["--split", "train"], 1, "THE WEIGHTS WERE TRAINED ON, OR CHOSEN BY, 1 OF THESE 1 IMAGES"),
        (["--split", "all"], 2, "CHOSEN BY, 1 OF THESE 2 IMAGES"),
    ):
        assert run([*command, *more]) == 0
        told = capsys.readouterr()
        assert json.loads(told.out)["counted"]["images"] == count
        assert said in told.err
    assert run([*command, "--split", "validation"]) == 1
    assert "they are in test, train" in capsys.readouterr().err


def test_only_whole_names_of_glaciers_are_recognised() -> None:
    from types import SimpleNamespace
    from typing import Any

    from glaciertime.cli.evaluating import _remembered
    from glaciertime.scenes.datasets.sample import SampleInfo

    model: Any = SimpleNamespace(spec=SimpleNamespace(trained_on="caffe: COL, Crane"))
    data: Any = SimpleNamespace(infos=[SampleInfo("a", "CO"), SampleInfo("b", "Cran")])
    assert _remembered(model, data, [0, 1])[0].startswith("trained on caffe: COL, Crane: where these images")
    data.infos.append(SampleInfo("c", "crane"))
    assert "THESE GLACIERS (crane; 1 of 3 images)" in _remembered(model, data, [0, 1, 2])[0]


def test_a_picture_of_somebody_else_is_refused_before_any_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "roc.png").write_bytes(b"mine")
    assert run([*SAR, "--reader", "kind=sar", "--reader", "count=1000000", "--pictures", str(tmp_path)]) == 2
    assert "roc.png" in capsys.readouterr().err
    assert (tmp_path / "roc.png").read_bytes() == b"mine"


def test_scores_say_where_they_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*SAR, *SMALL, "--out", "scores.csv", "--draws", "10"]) == 0
    capsys.readouterr()
    assert run(["why", "scores.csv"]) == 0
    told = capsys.readouterr().out
    assert "evaluate sar-zones" in told
    assert "sar-zones" in told.split("evaluate sar-zones", 1)[1]
