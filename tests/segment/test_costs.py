"""Costs beside published ones: what is said of a difference is true, and nothing that was not measured is shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from glaciertime.__main__ import run  # noqa: E402
from glaciertime.nn import MambaBlock  # noqa: E402
from glaciertime.segment.architectures.registry import build_model, model_names  # noqa: E402
from glaciertime.segment.description import weights_path  # noqa: E402
from glaciertime.segment.export import measured_costs  # noqa: E402
from glaciertime.segment.export.measured_costs import measure_costs  # noqa: E402
from glaciertime.segment.export.models_table import count_arithmetic  # noqa: E402
from glaciertime.segment.export.published_costs import PUBLISHED, published_of  # noqa: E402


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def without_mamba(model: torch.nn.Module) -> torch.nn.Module:
    class Same(torch.nn.Module):
        def forward(self, given: torch.Tensor, *_: object) -> torch.Tensor:
            return given

    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, MambaBlock):
                setattr(module, name, Same())
    return model


def test_the_notebook_counts_the_same_network_at_3_bands_and_19_classes() -> None:
    model = build_model("glacier-seg", in_channels=3, classes=19)
    assert parameters(model) == 679_242
    assert parameters(model.core.stages) == 431_543
    ours = build_model("glacier-seg", in_channels=11, classes=2)
    assert (parameters(ours), parameters(ours.core.stages)) == (677_206, 431_700)
    (table, notebook) = published_of("glacier-seg")
    for number in ("679,242", "431,543", "677,206", "431,700", "3.592", "3.908"):
        assert number in notebook.why
    for bands, whole, rest in ((11, 3.875, 3.735), (3, 3.908, 3.768)):
        model = build_model("glacier-seg", in_channels=bands, classes=2 if bands == 11 else 19)
        # Of 256 x 256 pixels there are sixteen times those of 64 x 64, and nothing else is counted.
        counted = [16 * count_arithmetic(model, in_channels=bands, size_px=64).gflops / 2]
        counted.append(16 * count_arithmetic(without_mamba(model), in_channels=bands, size_px=64).gflops / 2)
        assert counted == pytest.approx([whole, rest], abs=5e-4)
        assert f"{whole:.3f}" in table.why
        assert f"{rest:.3f}" in table.why


def test_other_differences_are_what_is_said_of_them() -> None:
    import segmentation_models_pytorch as smp
    import torchvision

    assert parameters(smp.encoders.get_encoder("vgg19", weights=None)) == 20_024_384
    for name, count, size_gmacs in (("resnet50", 25_557_032, 4.09), ("efficientnet_b3", 12_233_232, 0.96)):
        with torch.device("meta"):
            model = getattr(torchvision.models, name)(weights=None)
        assert parameters(model) == count
        assert count_arithmetic(model, in_channels=3, size_px=224).gflops / 2 == pytest.approx(size_gmacs, abs=5e-3)
    with torch.device("meta"):
        heads = [
            parameters(torchvision.models.segmentation.deeplabv3_resnet50(
                weights=None, weights_backbone=None, aux_loss=aux, num_classes=21))
            for aux in (False, True)
        ]  # fmt: skip
    assert heads == [39_638_869, 42_004_074]
    assert parameters(build_model("unet-ps1", in_channels=3, classes=2)) == 7_760_130
    assert parameters(build_model("segformer-b0", in_channels=3, classes=2)) == 3_714_658
    assert {row.model for row in PUBLISHED} <= set(model_names())


def shipped(_: str, path: Path, **__: object) -> None:
    """A model of one band in place of an export, which takes its time."""
    shutil.copy(weights_path("landsat-fronts"), path)


def test_a_model_is_measured_and_a_gpu_is_not_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_costs, "_export", shipped)
    monkeypatch.setattr(measured_costs, "_apart", lambda task: task())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    threads = torch.get_num_threads()
    try:
        (cost,) = measure_costs(["unet-small"], in_channels=1, classes=2, size_px=64, threads=(1,), repeats=2, steps=1)
    finally:
        torch.set_num_threads(threads)
    assert set(cost.latency_ms) == {1}
    assert cost.latency_ms[1] > 0
    assert cost.training_per_s is not None
    assert cost.training_per_s > 0
    assert (cost.gpu, cost.gpu_latency_ms, cost.gpu_training_per_s) == ("", None, None)
    assert cost.reasons == {"gpu": "no GPU here"}


def test_what_cannot_be_measured_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(task: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(measured_costs, "_export", shipped)
    monkeypatch.setattr(measured_costs, "_apart", broken)
    (cost,) = measure_costs(["unet-small"], in_channels=2, classes=2, size_px=32, threads=(1,))
    assert cost.latency_ms == {}
    assert cost.memory_mb is None
    assert cost.reasons == {"latency_ms": "out of memory", "training_per_s": "out of memory", "gpu": "out of memory"}


def test_published_figures_stand_in_columns_of_their_own(
    capsys: pytest.CaptureFixture[str], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run(["models", "--published", "--model", "segformer-b0,unet-small"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split("  ")[0] == "model"
    first = next(line for line in told if line.startswith("segformer-b0  thesis, table 5.1"))
    assert first.split()[4:10] == ["3.727", "3.73", "1.798", "1.74", "14.91", "14.28"]
    assert next(line for line in told if line.startswith("unet-small")).split()[1] == "nowhere"
    assert run(["models", "--published", "--json", "--model", "segformer-b0"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["parameters"] == 3_727_202
    assert [one["training"] for one in row["published"]] == ["", "Fast"]
    assert [one["parameters_m"] for one in row["published"]] == [3.73, 3.8]
