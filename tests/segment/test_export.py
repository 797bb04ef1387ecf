"""What is exported answers as torch does, at any size; what is quantised says what it lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from glaciertime.errors import InputError
from glaciertime.segment import build_model
from glaciertime.segment.architectures.folding import Folded
from glaciertime.segment.architectures.padding import PaddedModel
from glaciertime.segment.description import ModelSpec, open_session, read_spec
from glaciertime.segment.export.folded_export import export_model
from glaciertime.segment.export.onnx import check_onnx, export_onnx, run_onnx
from glaciertime.segment.export.quantise import measure_loss, quantise_onnx
from glaciertime.segment.export.traced import is_traceable
from glaciertime.segment.predict.engine import load_engine, probabilities_from_logits


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("pspnet", in_channels=2, classes=3)


@pytest.fixture(scope="module")
def exported(model: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, path, in_channels=2, metadata={"classes": "ice, rock, ocean"})
    return path


def test_the_mode_is_left_as_it_was(model: torch.nn.Module, exported: Path) -> None:
    assert model.training
    assert exported.is_file()


def test_onnx_equals_torch_at_sizes_it_was_not_exported_at(model: torch.nn.Module, exported: Path) -> None:
    check = check_onnx(exported, model, in_channels=2, shapes=((1, 32, 32), (3, 45, 70), (1, 200, 130)))
    assert check.relative_error < 1e-4
    assert check.size_bytes == exported.stat().st_size


def test_a_file_of_another_model_fails_the_check(exported: Path) -> None:
    torch.manual_seed(1)
    other = build_model("pspnet", in_channels=2, classes=3)
    assert check_onnx(exported, other, in_channels=2, shapes=((1, 32, 32),)).relative_error > 0.01


def test_metadata_and_little_else_is_in_the_file(model: torch.nn.Module, exported: Path) -> None:
    assert open_session(exported).get_modelmeta().custom_metadata_map == {"classes": "ice, rock, ocean"}
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    assert exported.stat().st_size < 1.05 * weights
    assert b"/glaciertime/" not in exported.read_bytes()


def test_eight_bits_are_smaller_and_say_what_they_lose(exported: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.standard_normal((1, 2, 64, 64), dtype=np.float32) for _ in range(3)]
    loss = quantise_onnx(exported, tmp_path / "int8.onnx", images=images)
    assert loss.size_after_bytes < 0.4 * loss.size_before_bytes
    assert 0.8 < loss.agreement <= 1
    masks = [run_onnx(exported, image).argmax(axis=1) for image in images]
    against = measure_loss(exported, tmp_path / "int8.onnx", images=images, labels=masks)
    assert against.accuracy_before == 1.0
    assert against.accuracy_after == pytest.approx(loss.agreement)


def test_a_model_against_itself_loses_nothing(exported: Path) -> None:
    image = np.random.default_rng(1).standard_normal((1, 2, 40, 40), dtype=np.float32)
    labels = run_onnx(exported, image).argmax(axis=1)
    labels[:, :20] = 255
    loss = measure_loss(exported, exported, images=[image], labels=[labels])
    assert (loss.agreement, loss.mean_iou, loss.accuracy_after) == (1.0, 1.0, 1.0)


class MambaLike(torch.nn.Module):
    """Takes the way of the networks that mix sequences; the mixing itself takes half a minute to export."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(dim=(-2, -1), keepdim=True)


def folded(*, mamba: bool) -> Folded:
    """Return a network on blocks of 2 x 2 pixels of two bands, with stride 4 inside."""
    torch.manual_seed(2)
    core = torch.nn.Sequential(
        torch.nn.Conv2d(8, 8, 5, stride=4, padding=2),
        MambaLike() if mamba else torch.nn.ReLU(),
        torch.nn.Upsample(scale_factor=4.0, mode="nearest"),
        torch.nn.Conv2d(8, 12, 1),
    )
    padded = PaddedModel(core, name="t", in_channels=8, classes=12, multiple=4)
    return Folded(padded, factor=2).eval()


@pytest.mark.parametrize("mamba", [True, False])
def test_a_folded_network_answers_as_torch_does_at_any_size(tmp_path: Path, mamba: bool) -> None:
    network = folded(mamba=mamba)
    spec = ModelSpec(
        name="t", model="glacier-seg-fast", bands=("a", "b"), classes=("x", "y", "z"), codes=(64, 127, 254), fold=2
    )
    path = tmp_path / "folded.onnx"
    assert export_model(network, spec, path).multiple == 8
    assert read_spec(path).multiple == 8
    run, _ = load_engine(path, threads=1)
    for batch, height, width in ((1, 8, 8), (2, 21, 50), (1, 100, 64)):
        image = np.random.default_rng(0).standard_normal((batch, 2, height, width), dtype=np.float32)
        with torch.no_grad():
            expected = probabilities_from_logits(network(torch.from_numpy(image)).numpy())
        assert np.allclose(run(image), expected, atol=1e-5)
    assert check_onnx(path, network, in_channels=2, multiple=8).relative_error < 1e-4
    with pytest.raises(InputError, match="does not exist; create it first"):
        export_model(network, spec, tmp_path / "nowhere" / "folded.onnx")


def test_a_network_of_matrix_products_is_traced_and_answers_at_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the exporter that takes minutes over this network was asked")

    monkeypatch.setattr(torch.export, "export", never)
    torch.manual_seed(0)
    network = build_model("glacier-seg-fast", in_channels=1, classes=2)
    path = tmp_path / "fast.onnx"
    export_onnx(network, path, in_channels=1)
    shapes = ((1, 1, 1), (1, 16, 16), (2, 50, 70), (1, 400, 130))
    assert check_onnx(path, network, in_channels=1, shapes=shapes).relative_error < 1e-5
    assert network.training


def test_a_selective_scan_is_not_traced() -> None:
    assert not is_traceable(build_model("glacier-seg", in_channels=1, classes=1))
    assert not is_traceable(build_model("pspnet", in_channels=1, classes=1))


def test_bad_input_is_told(exported: Path, model: torch.nn.Module, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"input of shape \(1, 5, 8, 8\) given"):
        run_onnx(exported, np.zeros((1, 5, 8, 8), np.float32))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(InputError, match=r"broken\.onnx is not an ONNX model"):
        open_session(broken)
    with pytest.raises(InputError, match="does not exist; create it first"):
        export_onnx(model, tmp_path / "nowhere" / "model.onnx", in_channels=2)
    with pytest.raises(InputError, match="no image given"):
        quantise_onnx(exported, tmp_path / "int8.onnx", images=[])
