"""What is looked at while a network learns: nothing that a GPU would be waited for, and nothing that is missed."""

from __future__ import annotations

import math
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from glaciertime.scenes.datasets.mixture import InMemory  # noqa: E402
from glaciertime.scenes.datasets.sample import SampleInfo, TrainingSample  # noqa: E402
from glaciertime.segment.teach import keeping, training  # noqa: E402
from glaciertime.segment.teach.config import TrainConfig  # noqa: E402
from glaciertime.segment.teach.segmenter import Segmenter  # noqa: E402
from glaciertime.segment.teach.watching import LossWatch, RunningAverage  # noqa: E402


class Questions(TorchDispatchMode):
    """Keeps where a number was read from a tensor, or places looked for in it: a GPU would be waited for there."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        aten = torch.ops.aten
        waits = func in (
            aten._local_scalar_dense.default,
            aten.nonzero.default,
            aten.masked_select.default,
            aten.equal.default,
        )
        if func in (aten.index.Tensor, aten.index_put_.default):
            waits = any(place is not None and place.dtype == torch.bool for place in args[1])
        stack = list(traceback.extract_stack())[:-1] if waits else []
        # The numbers of steps of an optimiser lie on the host.
        if waits and not any(frame.name == "_get_value" for frame in stack):
            self.found.append(f"{func}: " + " < ".join(f"{Path(at.filename).name}:{at.lineno}" for at in stack[:-6:-1]))
        return func(*args, **(kwargs or {}))


def data() -> InMemory:
    rng = np.random.default_rng(0)
    labels = (np.arange(16)[:, None] < 8).repeat(16, 1).astype(np.uint8)
    samples = tuple(
        TrainingSample(
            (labels[None] + rng.normal(0, 0.1, (1, 16, 16))).astype(np.float32), labels, np.ones(1, bool),
            SampleInfo(str(number), "g"),
        )
        for number in range(2)
    )  # fmt: skip
    return InMemory(samples, bands=("intensity",), classes=("a", "b"), codes=(0, 127))


@pytest.mark.parametrize("progress", [False, True])
def test_no_step_of_a_training_asks_the_device_for_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: bool
) -> None:
    monkeypatch.setattr(keeping, "learning_curve", lambda *_, **__: b"\x89PNG")
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    monkeypatch.setattr(training, "build_network", lambda *_, **__: network)
    questions, steps = Questions(), []
    before, after = Segmenter.on_train_batch_start, Segmenter.on_train_batch_end

    def begin(self: Segmenter, *given: Any) -> None:
        # The first step of all begins the average, which is asked once where it stands.
        if self.global_step > 0:
            questions.__enter__()
        before(self, *given)

    def end(self: Segmenter, *given: Any) -> None:
        after(self, *given)
        if self.global_step > 1:
            questions.__exit__(None, None, None)
        steps.append(self.global_step)

    monkeypatch.setattr(Segmenter, "on_train_batch_start", begin)
    monkeypatch.setattr(Segmenter, "on_train_batch_end", end)
    config = TrainConfig(
        data="folder", root=tmp_path, epochs=2, draws=6, batch=2, patch=(16, 16), average=0.9,
        validation_fraction=0.0, devices=1,
    )  # fmt: skip
    training.train(data(), config, out=tmp_path / "out", progress=progress)
    assert steps == [1, 2, 3, 4, 5, 6]
    assert questions.found == []


def test_the_running_average_is_that_of_torch(tmp_path: Path) -> None:
    """Bit for bit, with the counts of a batch norm; one that is resumed goes on."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    other = torch.optim.swa_utils
    expected = other.AveragedModel(network, multi_avg_fn=other.get_ema_multi_avg_fn(0.9), use_buffers=True)
    found = RunningAverage(network, 0.9)
    for step in range(5):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        network(torch.randn(2, 1, 8, 8))
        if step == 3:
            resumed = RunningAverage(network, 0.9)
            resumed.load_state_dict(found.state_dict())
            found = resumed
        for average in (expected, found):
            average.update_parameters(network)
        ours, theirs = found.state_dict(), expected.state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert int(found.n_averaged) == 5


class Coming:
    """Stands for a loss on its way from a GPU."""

    def __init__(self) -> None:
        self.has_come, self.waited = False, 0

    def query(self) -> bool:
        return self.has_come

    def synchronize(self) -> None:
        self.has_come, self.waited = True, self.waited + 1


def watched(*losses: float) -> tuple[LossWatch, list[Coming]]:
    watch, events = LossWatch(), [Coming() for _ in losses]
    for step, (loss, event) in enumerate(zip(losses, events, strict=True)):
        watch._coming.append((step, torch.tensor(loss), event))
    return watch, events


def test_a_loss_that_has_not_come_is_not_waited_for() -> None:
    watch, events = watched(1.0, math.inf, math.nan)
    assert watch.first_not_finite() is None
    events[0].has_come = True
    assert watch.first_not_finite() is None
    assert [event.waited for event in events] == [0, 0, 0]
    events[1].has_come = True
    assert watch.first_not_finite() == (1, math.inf)


def test_all_losses_are_waited_for_before_weights_are_kept() -> None:
    watch, events = watched(1.0, 2.0, math.inf)
    assert watch.first_not_finite(waits=True) == (2, math.inf)
    assert [event.waited for event in events] == [1, 1, 1]
    assert watch.first_not_finite(waits=True) is None


def test_a_loss_is_that_of_its_step_whatever_comes_of_the_tensor() -> None:
    watch = LossWatch()
    weight = torch.tensor(2.0, requires_grad=True)
    watch.add(3, weight * math.inf)
    watch.add(4, weight * 1)
    assert watch.first_not_finite() == (3, math.inf)
    assert watch.first_not_finite() is None


@pytest.mark.parametrize("name", ["front", "line"])
def test_the_losses_of_fronts_ask_the_device_for_nothing(name: str) -> None:
    from glaciertime.segment.losses.registry import build_loss

    labels = torch.from_numpy(data().samples[0].labels).long()[None]
    logits = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = build_loss(name)
    with Questions() as questions:
        loss(logits, labels).backward()
    assert questions.found == []
    assert logits.grad.abs().sum() > 0
