"""The kernels inside of what torch makes of a network on a card: graphs, compilation, autocast, several processes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from glaciertime.nn import Mamba2Block, MambaBlock
from glaciertime.nn.gpu import reason_against
from tests.nn.cases import relative_error

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or bool(reason_against(torch.zeros(1, device="cuda"))),
    reason="no CUDA device that Triton compiles for: nothing is trained on one here",
)

BLOCKS = (MambaBlock, Mamba2Block)


def make(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind(64).cuda()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator("cuda").manual_seed(1)
    x = torch.randn(2, 100, 64, device="cuda", generator=generator)
    return x, torch.rand(2, 100, device="cuda", generator=generator)


def gradients(block: nn.Module, x: torch.Tensor, dt: torch.Tensor) -> list[torch.Tensor]:
    block.zero_grad(set_to_none=True)
    block(x, dt=dt).float().square().mean().backward()
    return [parameter.grad.clone() for parameter in block.parameters() if parameter.grad is not None]


def assert_near(found: list[torch.Tensor], expected: list[torch.Tensor], limit: float) -> None:
    assert len(found) == len(expected) > 0
    for mine, theirs in zip(found, expected, strict=True):
        assert relative_error(mine.cpu(), theirs.double().cpu()) < limit


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_step_is_captured_and_replayed_with_other_numbers(kind: type[nn.Module]) -> None:
    block = make(kind)
    x, dt = inputs()
    other = torch.randn_like(x), torch.rand_like(dt)
    expected = gradients(block, *other)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            gradients(block, x, dt)
    torch.cuda.current_stream().wait_stream(stream)
    block.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        block(x, dt=dt).float().square().mean().backward()
    x.copy_(other[0])
    dt.copy_(other[1])
    graph.replay()
    assert_near([p.grad for p in block.parameters() if p.grad is not None], expected, 1e-4)


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float16, 5e-2), (torch.bfloat16, 3e-1)])
def test_autocast_changes_gradients_by_its_rounding_alone(
    kind: type[nn.Module], dtype: torch.dtype, limit: float
) -> None:
    block = make(kind)
    x, dt = inputs()
    expected = gradients(block, x, dt)
    block.zero_grad(set_to_none=True)
    with torch.autocast("cuda", dtype=dtype):
        y = block(x, dt=dt)
    # Half precision cannot hold the gradients of a mean.
    scale = 2.0**10
    (scale * y.float().square().mean()).backward()
    assert_near([p.grad / scale for p in block.parameters() if p.grad is not None], expected, limit)


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_compiled_block_has_the_same_gradients(kind: type[nn.Module]) -> None:
    block = make(kind)
    x, dt = inputs()
    expected = gradients(block, x, dt)
    compiled = torch.compile(block, fullgraph=True, mode="reduce-overhead")
    for _ in range(3):
        torch.compiler.cudagraph_mark_step_begin()
        found = gradients(compiled, x, dt)
    assert_near(found, expected, 1e-3)


@pytest.fixture(params=["nccl", "gloo"])
def one_process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group(request.param, init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_trains_among_processes(kind: type[nn.Module], one_process: None) -> None:
    block = make(kind)
    x, dt = inputs()
    expected = gradients(copy.deepcopy(block), x, dt)
    assert_near(gradients(DistributedDataParallel(block, device_ids=[0]), x, dt), expected, 1e-5)


@pytest.mark.parametrize("kind", BLOCKS)
def test_an_exported_block_gives_the_same(kind: type[nn.Module]) -> None:
    block = make(kind).eval()
    x, dt = inputs()
    with torch.no_grad():
        exported = torch.export.export(block, (x,), {"dt": dt}).module()
        assert relative_error(exported(x, dt=dt).cpu(), block(x, dt=dt).double().cpu()) < 1e-4
