"""The options of ``train``: what reaches the settings, what is refused, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("lightning")

from glaciertime.cli.train import train
from glaciertime.errors import FitError, GlacierTimeError, InputError, UsageError
from glaciertime.segment.teach import keeping, segmenter
from glaciertime.segment.teach.config import TrainConfig, template

OPTIONS = [
    "--optimiser", "sgd", "--learning-rate", "0.01", "--schedule", "plateau", "--warm-up", "0", "--patience", "12",
    "--batch", "2", "--loss", "bce-dice", "--class-weights", "1,2.5", "--loss-option", "dice=0.5",
    "--augmentation", "light", "--epochs", "1",
]  # fmt: skip


@pytest.fixture
def command(tmp_path: Path):
    path = tmp_path / "train.yaml"
    path.write_text(
        "data: simulated\nroot: .\ndata_options: {count: 8, size: [32, 32]}\nmodel: unet-small\npatch: [16, 16]\n"
        "draws: 4\nvalidation_fraction: 0.4\n"
    )
    app = typer.Typer()
    app.command()(train)

    def run(*given: str) -> None:
        outcome = CliRunner().invoke(app, [str(path), "--out", str(tmp_path / "out"), "--no-onnx", *given])
        if outcome.exception is not None:
            raise outcome.exception

    return run


def test_the_options_reach_the_settings(command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(*OPTIONS)
    kept = json.loads((tmp_path / "out/config.json").read_text())
    expected = {
        "optimiser": "sgd", "learning_rate": 0.01, "schedule": "plateau", "warm_up": 0.0, "patience": 12, "batch": 2,
    }  # fmt: skip
    assert {name: kept[name] for name in expected} == expected
    assert (kept["class_weights"], kept["loss_options"], kept["augmentation"]) == ([1.0, 2.5], {"dice": 0.5}, "light")
    assert json.loads((tmp_path / "out/history.json").read_text())[0]["learning_rate"] == 0.01
    assert (tmp_path / "out/learning_curve.png").is_file()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--loss-option alpha", "--loss-option alpha given, NAME=NUMBER expected"),
        ("--loss-option a=1 --loss-option a=2", "each name once"),
        ("--class-weights 1,x", "--class-weights 1,x given"),
        ("--class-weights inverse", "loss 'front' takes no class weights"),
        ("--patience 3 --optimiser adm", "setting 'optimiser'"),
        ("--augmentation mild", "augmentation 'mild' is not known"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_read(command, given: str, message: str) -> None:
    with pytest.raises((InputError, UsageError), match=message):
        command(*given.split())


def test_a_loss_that_is_not_finite_ends_with_exit_code_1(command, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(keeping, "learning_curve", lambda *_, **__: b"")
    monkeypatch.setattr(segmenter, "rate_factor", lambda *_, **__: float("inf"))
    with pytest.raises(FitError, match=r"no weights are kept; give a learning_rate below 0\.002") as caught:
        command("--epochs", "2", "--class-weights", "none")
    assert isinstance(caught.value, GlacierTimeError)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "out/weights.safetensors").exists()


def test_every_setting_has_a_meaning_in_the_template() -> None:
    plain = {"batch", "seed", "date_to", "positive"}
    for line in template().splitlines():
        name = line.split(":")[0]
        assert name in TrainConfig.model_fields
        assert "  # " in line or name in plain, name
