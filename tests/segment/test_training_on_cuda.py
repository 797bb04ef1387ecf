"""Training on a card: what is recorded as CUDA graphs is what the network does; skips where there is no card."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
if not torch.cuda.is_available():
    pytest.skip("no CUDA device here: nothing is recorded", allow_module_level=True)

from glaciertime.scenes.datasets.mixture import InMemory  # noqa: E402
from glaciertime.scenes.simulate_images import SimulatedFronts  # noqa: E402
from glaciertime.segment.architectures.folding import build_network  # noqa: E402
from glaciertime.segment.teach import segmenter, training  # noqa: E402
from glaciertime.segment.teach.config import TrainConfig  # noqa: E402
from glaciertime.segment.teach.graphs import record  # noqa: E402

CUDA = torch.device("cuda")


@pytest.mark.parametrize("name", ["unet-small", "glacier-seg-fast", "glacier-seg"])
@pytest.mark.parametrize(("precision", "limit"), [(None, 1e-3), (torch.bfloat16, 0.1)])
def test_what_is_recorded_is_what_the_network_does(name: str, precision: torch.dtype | None, limit: float) -> None:
    torch.manual_seed(0)
    network = build_network(name, in_channels=1, classes=2, fold=1).to(CUDA, memory_format=torch.channels_last).train()
    before = [buffer.clone() for buffer in network.buffers()]
    recorded = record(network, (2, 1, 64, 48), device=CUDA, precision=precision)
    assert recorded is not None
    for buffer, value in zip(network.buffers(), before, strict=True):
        assert torch.equal(buffer, value)
    image = torch.randn(2, 1, 64, 48, device=CUDA)
    results = []
    for call in (recorded, network):
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)
        network.zero_grad(set_to_none=True)
        torch.manual_seed(1)
        with torch.autocast("cuda", dtype=precision, enabled=precision is not None):
            answer = call(image)
        answer.float().square().mean().backward()
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        results.append([answer.float().clone(), torch.cat([gradient.flatten() for gradient in gradients])])
    for mine, theirs in zip(*results, strict=True):
        assert (mine - theirs).norm() <= limit * theirs.norm()


def test_a_training_that_is_recorded_learns_as_one_that_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = SimulatedFronts(count=4, size=(64, 48), scenes_per_fjord=1)
    data = InMemory(tuple(simulated), bands=simulated.bands, classes=simulated.classes, codes=simulated.codes)
    config = TrainConfig(
        data="simulated", root=Path("."), model="unet-small", epochs=3, draws=16, batch=4, patch=(64, 48),
        validation_fraction=0.0, devices=1, workers=2,
    )  # fmt: skip
    losses, calls = [], []
    for recorder in (record, lambda *_, **__: None):
        monkeypatch.setattr(segmenter, "record", lambda *a, r=recorder, **k: calls.append(r(*a, **k)) or calls[-1])
        trained = training.train(data, config, out=tmp_path / str(len(losses)), progress=False)
        losses.append([row["loss"] for row in trained.history])
    assert calls[0] is not None
    assert losses[0] == pytest.approx(losses[1], rel=2e-2)
    assert losses[0][-1] < losses[0][0]


def test_no_step_waits_for_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``test_watching.py`` counts it without a card; here by what torch itself says."""
    simulated = SimulatedFronts(count=4, size=(64, 48), scenes_per_fjord=1)
    data = InMemory(tuple(simulated), bands=simulated.bands, classes=simulated.classes, codes=simulated.codes)
    before, after = segmenter.Segmenter.on_train_batch_start, segmenter.Segmenter.on_train_batch_end
    watched = []

    def begin(self: segmenter.Segmenter, *given: object) -> None:
        # The first step builds kernels, and begins the average.
        if self.global_step > 0:
            watched.append(self.global_step)
            torch.cuda.set_sync_debug_mode("error")
        before(self, *given)

    def end(self: segmenter.Segmenter, *given: object) -> None:
        after(self, *given)
        torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(segmenter.Segmenter, "on_train_batch_start", begin)
    monkeypatch.setattr(segmenter.Segmenter, "on_train_batch_end", end)
    config = TrainConfig(
        data="simulated", root=Path("."), model="unet-small", epochs=2, draws=16, batch=4, patch=(64, 48),
        validation_fraction=0.0, devices=1, average=0.9, precision="bf16-mixed",
    )  # fmt: skip
    try:
        training.train(data, config, out=tmp_path / "out", progress=False)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert watched == list(range(1, 8))
