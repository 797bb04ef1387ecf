"""The selective scan on a card; skips, saying so, where there is none."""

from __future__ import annotations

import logging

import pytest
import torch

from glaciertime.nn import MambaBlock, backends, selective_scan
from glaciertime.nn.gpu import reason_against
from tests.nn.cases import relative_error, scan_inputs

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or bool(reason_against(torch.zeros(1, device="cuda"))),
    reason="no CUDA device that Triton compiles for: its kernels are not run here",
)

HALVES = ("u", "delta", "B", "C", "z")


def scan(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    *positional, h0, dt = tensors
    y, last = selective_scan(*positional, delta_softplus=True, h0=h0, dt=dt, return_last_state=True)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
    return y, (y * weights).sum() + last.sum()


def outcome(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    y, total = scan(*tensors)
    return [y, *torch.autograd.grad(total, tensors)]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    "shape", [(2, 64, 1, 16), (2, 40, 301, 16), (1, 100, 2048, 16), (1, 16, 100, 64), (2, 6, 90, 3)]
)
@pytest.mark.parametrize(
    ("dtype", "limit"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 1e-2)]
)
def test_equals_the_cpu_in_double_precision(
    shape: tuple[int, int, int, int], dtype: torch.dtype, limit: float, channels_last: bool
) -> None:
    kept = dtype if dtype.itemsize > 2 else torch.float32
    given = scan_inputs(*shape, channels_last=channels_last)
    given = {name: tensor.to(dtype if name in HALVES else kept) for name, tensor in given.items()}
    expected = outcome([tensor.double() for tensor in given.values()])
    found = outcome([tensor.cuda() for tensor in given.values()])
    for name, mine, theirs in zip(("y", *given), found, expected, strict=True):
        assert relative_error(mine.cpu(), theirs.detach()) < limit, name


def test_is_taken_without_being_asked_for(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLACIERTIME_SCAN", raising=False)
    backends._told.cache_clear()
    with caplog.at_level(logging.INFO, logger="glaciertime.nn"):
        scan(*(tensor.cuda() for tensor in scan_inputs(1, 4, 8, 2).values()))
    assert caplog.messages == ["selective scan: triton on cuda"]


def test_another_call_with_other_tensors_is_not_the_first() -> None:
    for seed in (0, 1, 2):
        given = scan_inputs(2, 32, 200, 8, seed=seed, dtype=torch.float32)
        found = scan(*(tensor.cuda() for tensor in given.values()))[0]
        expected = scan(*(tensor.double() for tensor in given.values()))[0]
        assert relative_error(found.cpu(), expected.detach()) < 1e-5


def test_a_compiled_block_trains_under_autocast() -> None:
    torch.manual_seed(0)
    block = MambaBlock(32).cuda()
    x, dt = torch.randn(2, 100, 32, device="cuda"), torch.rand(2, 100, device="cuda")
    expected = block(x, dt=dt) - x
    compiled = torch.compile(block, fullgraph=True)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        y = compiled(x, dt=dt)
        y.float().square().mean().backward()
    assert relative_error((y.float() - x).cpu(), expected.detach().cpu()) < 5e-2
    assert block.mixer.A_log.grad.abs().sum() > 0
