"""Blocks on interpreted kernels inside of what torch makes of a network: graphs, exports, several processes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from glaciertime.nn import Mamba2Block, MambaBlock
from glaciertime.nn.gpu import scan as gpu_scan
from tests.nn.cases import scan_inputs


@pytest.fixture(autouse=True)
def _on_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_SCAN", "triton")


def make(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return MambaBlock(4, d_state=2) if kind is MambaBlock else Mamba2Block(4, d_state=2, headdim=4)


def inputs(length: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, length, 4, generator=generator), torch.rand(1, length, generator=generator)


def gradients(block: nn.Module, x: torch.Tensor, dt: torch.Tensor) -> list[torch.Tensor]:
    block.zero_grad(set_to_none=True)
    block(x, dt=dt).float().square().mean().backward()
    return [parameter.grad.clone() for parameter in block.parameters() if parameter.grad is not None]


def assert_same(found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    assert len(found) == len(expected) > 0
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("wants_dt", [False, True])
@pytest.mark.parametrize("absent", [set(), {"D", "z", "delta_bias", "h0"}])
def test_the_operator_of_the_gradients_keeps_torchs_rules(wants_dt: bool, absent: set[str]) -> None:
    given = scan_inputs(1, 1, 2, 1, dtype=torch.float32)
    given |= {name: given[name][:, None] for name in "BC"}
    tensors = [None if name in absent else tensor for name, tensor in given.items()]
    y, last, starts = gpu_scan.scan_operator(*tensors, True, True)
    torch.library.opcheck(
        gpu_scan.scan_backward_operator, (y, last, *tensors, starts, True, wants_dt),
        test_utils=("test_schema", "test_faketensor"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", [MambaBlock, Mamba2Block])
def test_a_graph_whose_backward_pass_is_cut_as_inductor_cuts_it_has_the_same_gradients(kind: type[nn.Module]) -> None:
    block = make(kind)
    compiled = torch.compile(block, backend="aot_eager_decomp_partition", fullgraph=True)
    assert_same(gradients(compiled, *inputs()), gradients(block, *inputs()))


def test_a_compiled_block_under_autocast_has_the_gradients_of_one_that_is_not() -> None:
    block = make(MambaBlock)
    compiled = torch.compile(block, backend="aot_eager", fullgraph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = (gradients(each, *inputs()) for each in (compiled, block))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=5e-2, atol=1e-3)


@pytest.mark.parametrize("kind", [MambaBlock, Mamba2Block])
def test_an_exported_block_gives_the_same(kind: type[nn.Module]) -> None:
    block = make(kind).eval()
    x, dt = inputs()
    with torch.no_grad():
        exported = torch.export.export(block, (x,), {"dt": dt}).module()
        torch.testing.assert_close(exported(x, dt=dt), block(x, dt=dt), rtol=1e-4, atol=1e-6)


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("kind", [MambaBlock, Mamba2Block])
def test_a_block_trains_among_processes(kind: type[nn.Module], one_process: None) -> None:
    block = make(kind)
    expected = gradients(copy.deepcopy(block), *inputs())
    assert_same(gradients(DistributedDataParallel(block), *inputs()), expected)
