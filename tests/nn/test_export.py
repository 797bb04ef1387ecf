"""Every block in one exported graph, since starting the exporter takes longer than exporting."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from glaciertime.nn import Mamba2Block, MambaBlock, MambaStack, SS2DBlock

SEQUENCE = ("mamba in both directions", "mamba2 in both directions", "stack of one direction")
IMAGE = ("mamba", "mamba2")


class Sequences(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [
                MambaBlock(6, d_state=3, bidirectional=True),
                Mamba2Block(6, d_state=3, headdim=4, chunk_size=8, bidirectional=True),
                MambaStack([MambaBlock(6, d_state=3), Mamba2Block(6, d_state=3, headdim=4, chunk_size=8)]),
            ]
        )

    def forward(self, x: torch.Tensor, dt: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # Without the residual, which would hide an error.
        return tuple(block(x, dt=dt) - x for block in self.blocks)


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [SS2DBlock(4, core="mamba", d_state=3), SS2DBlock(4, core="mamba2", d_state=3, headdim=4, chunk_size=8)]
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(block(x) - x for block in self.blocks)


def export(
    module: nn.Module, inputs: dict[str, torch.Tensor], axes: dict[str, dict[int, object]], path: Path
) -> onnxruntime.InferenceSession:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, (), kwargs=inputs, dynamo=True, dynamic_shapes=axes, input_names=list(inputs), verbose=False
        )
    program.save(path)
    return onnxruntime.InferenceSession(path)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sequences, onnxruntime.InferenceSession]:
    torch.manual_seed(0)
    module = Sequences().eval()
    free = torch.export.Dim.DYNAMIC
    inputs = {"x": torch.randn(2, 20, 6), "dt": torch.rand(2, 20)}
    axes = {"x": {0: free, 1: free}, "dt": {0: free, 1: free}}
    return module, export(module, inputs, axes, tmp_path_factory.mktemp("onnx") / "sequences.onnx")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Images, onnxruntime.InferenceSession]:
    torch.manual_seed(0)
    module = Images().eval()
    free = torch.export.Dim.DYNAMIC
    axes = {"x": {0: free, 2: free, 3: free}}
    path = tmp_path_factory.mktemp("onnx") / "images.onnx"
    return module, export(module, {"x": torch.randn(2, 4, 6, 5)}, axes, path)


def errors(module: nn.Module, session: onnxruntime.InferenceSession, *inputs: torch.Tensor) -> list[float]:
    with torch.no_grad():
        expected = [y.numpy() for y in module(*inputs)]
    given = {entry.name: tensor.numpy() for entry, tensor in zip(session.get_inputs(), inputs, strict=True)}
    found = session.run(None, given)
    return [float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(found, expected, strict=True)]


# 600 samples are more than one block of 64 chunks of 8.
@pytest.mark.parametrize(("batch", "length"), [(2, 20), (1, 1), (1, 8), (3, 17), (2, 600)])
def test_sequence_blocks_run_in_onnxruntime_at_any_batch_and_length(
    sequences: tuple[Sequences, onnxruntime.InferenceSession], batch: int, length: int
) -> None:
    module, session = sequences
    x, dt = torch.randn(batch, length, 6), 2 * torch.rand(batch, length)
    found = dict(zip(SEQUENCE, errors(module, session, x, dt), strict=True))
    assert max(found.values()) < 1e-4, found


@pytest.mark.parametrize(("batch", "height", "width"), [(2, 6, 5), (1, 1, 1), (3, 4, 9), (1, 30, 20)])
def test_image_blocks_run_in_onnxruntime_at_any_batch_and_size(
    images: tuple[Images, onnxruntime.InferenceSession], batch: int, height: int, width: int
) -> None:
    module, session = images
    found = dict(zip(IMAGE, errors(module, session, torch.randn(batch, 4, height, width)), strict=True))
    assert max(found.values()) < 1e-4, found


def test_gaps_reach_the_exported_graph(sequences: tuple[Sequences, onnxruntime.InferenceSession]) -> None:
    _, session = sequences
    x = np.random.default_rng(0).normal(size=(1, 9, 6)).astype(np.float32)
    near, far = (session.run(None, {"x": x, "dt": np.full((1, 9), gap, np.float32)}) for gap in (0.1, 10.0))
    for name, a, b in zip(SEQUENCE, near, far, strict=True):
        assert not np.allclose(a, b, atol=1e-6), name
