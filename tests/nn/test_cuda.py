"""What only a CUDA machine can show; skips, saying so, elsewhere.

Beside equality, ``python scripts/bench_scan.py --device cuda --ssd`` prints the times.
"""

from __future__ import annotations

import importlib.util

import pytest
import torch

from glaciertime.nn import Mamba2Block, MambaBlock, SS2DBlock, selective_scan, ssd_scan
from tests.nn.cases import relative_error, scan_inputs, ssd_inputs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here: the GPU paths are not run")
needs_mamba_ssm = pytest.mark.skipif(
    importlib.util.find_spec("mamba_ssm") is None, reason="mamba-ssm is not installed: its kernel is not compared"
)

SCAN = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
SSD = ("x", "delta", "A", "B", "C", "D", "z", "delta_bias")


def on_cuda(given: dict[str, torch.Tensor], dtype: torch.dtype, halves: set[str]) -> list[torch.Tensor]:
    """Return the tensors on CUDA, those in ``halves`` in the dtype given, the others in at least float32."""
    kept = dtype if dtype.itemsize > 2 else torch.float32
    return [
        tensor.to("cuda", dtype if name in halves else kept).detach().requires_grad_() for name, tensor in given.items()
    ]


def outcome(call: object, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    y = call(*tensors)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
    return [y, *torch.autograd.grad((y * weights).sum(), tensors)]


@pytest.mark.parametrize("length", [1, 100, 1000])
def test_chunked_selective_scan_on_cuda_equals_the_cpu(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = scan_inputs(2, 32, length, 16, dtype=torch.float32)

    def scan(*tensors: torch.Tensor) -> torch.Tensor:
        *positional, h0, dt = tensors
        return selective_scan(*positional, delta_softplus=True, h0=h0, dt=dt)

    expected = outcome(scan, [tensor.double().requires_grad_() for tensor in given.values()])
    monkeypatch.setenv("GLACIERTIME_SCAN", "chunked")
    found = outcome(scan, on_cuda(given, torch.float32, set(given)))
    for name, mine, theirs in zip(("y", *given), found, expected, strict=True):
        assert relative_error(mine.cpu(), theirs) < 1e-5, name


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_chunked_ssd_on_cuda_equals_the_cpu(dtype: torch.dtype, limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: t.to(dtype).float() for name, t in ssd_inputs(2, 500, 4, 64, 1, 64, dtype=torch.float32).items()}

    def scan(*tensors: torch.Tensor) -> torch.Tensor:
        *positional, h0, dt = tensors
        return ssd_scan(*positional, delta_softplus=True, h0=h0, dt=dt)

    expected = outcome(scan, [tensor.double().requires_grad_() for tensor in given.values()])
    monkeypatch.setenv("GLACIERTIME_SCAN", "chunked")
    found = outcome(scan, on_cuda(given, dtype, {"x", "delta", "B", "C", "z"}))
    for name, mine, theirs in zip(("y", *given), found, expected, strict=True):
        assert relative_error(mine.cpu(), theirs) < limit, name


@pytest.mark.parametrize(
    ("dtype", "limit"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 2e-2)]
)
@pytest.mark.parametrize("shape", [(2, 500, 4, 64, 2, 64), (2, 131, 6, 40, 1, 37), (1, 70, 2, 16, 1, 128)])
def test_triton_ssd_on_cuda_equals_the_cpu(
    shape: tuple[int, ...], dtype: torch.dtype, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = {"x", "delta", "B", "C", "z"}
    kept = dtype if dtype.itemsize > 2 else torch.float32
    given = {name: t.to(dtype if name in halves else kept) for name, t in ssd_inputs(*shape).items()}

    def scan(*tensors: torch.Tensor) -> torch.Tensor:
        *positional, h0, dt = tensors
        return ssd_scan(*positional, delta_softplus=True, h0=h0, dt=dt)

    expected = outcome(scan, [tensor.double().requires_grad_() for tensor in given.values()])
    monkeypatch.setenv("GLACIERTIME_SCAN", "triton")
    found = outcome(scan, on_cuda(given, dtype, halves))
    for name, mine, theirs in zip(("y", *given), found, expected, strict=True):
        assert relative_error(mine.cpu(), theirs) < limit, name


def test_triton_ssd_keeps_its_figures_beside_a_long_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ssd_inputs(2, 200, 2, 32, 1, 16, dtype=torch.float32)
    given["dt"][:, 77] = 1e6

    def scan(*tensors: torch.Tensor) -> torch.Tensor:
        *positional, h0, dt = tensors
        return ssd_scan(*positional, delta_softplus=True, h0=h0, dt=dt)

    expected = outcome(scan, [tensor.double().requires_grad_() for tensor in given.values()])
    monkeypatch.setenv("GLACIERTIME_SCAN", "triton")
    found = outcome(scan, on_cuda(given, torch.float32, set(given)))
    for name, mine, theirs in zip(("y", *given), found, expected, strict=True):
        assert relative_error(mine.cpu(), theirs) < 1e-5, name


@needs_mamba_ssm
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-3)])
def test_mamba_ssms_kernel_is_taken_and_equals_the_chunks(
    dtype: torch.dtype, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {name: tensor for name, tensor in scan_inputs(2, 64, 500, 16).items() if name in SCAN}
    tensors = on_cuda(given, dtype, {"u", "delta", "B", "C", "z"})

    def scan(*tensors: torch.Tensor) -> torch.Tensor:
        return selective_scan(*tensors, delta_softplus=True)

    # Asked for: without that Triton's kernels are taken.
    monkeypatch.setenv("GLACIERTIME_SCAN", "mamba_ssm")
    theirs = scan(*tensors)
    monkeypatch.setenv("GLACIERTIME_SCAN", "chunked")
    mine = scan(*tensors)
    assert mine.dtype == theirs.dtype == dtype
    # Both end in one rounding to the dtype, which alone may differ by half its last place.
    assert relative_error(mine.float(), theirs.float()) < max(limit, 0.75 * torch.finfo(dtype).eps)


@needs_mamba_ssm
def test_mamba_ssms_mamba2_kernel_equals_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: tensor for name, tensor in ssd_inputs(2, 500, 4, 64, 1, 64).items() if name in SSD and name != "z"}
    tensors = on_cuda(given, torch.bfloat16, {"x", "delta", "B", "C"})
    order = ("x", "delta", "A", "B", "C", "D")

    def scan() -> torch.Tensor:
        by_name = dict(zip(given, tensors, strict=True))
        return ssd_scan(*(by_name[n] for n in order), None, by_name["delta_bias"], delta_softplus=True)

    monkeypatch.setenv("GLACIERTIME_SCAN", "mamba_ssm")
    theirs = scan()
    monkeypatch.setenv("GLACIERTIME_SCAN", "chunked")
    assert relative_error(scan().float(), theirs.float()) < 2e-2


@pytest.mark.parametrize("name", ["mamba", "mamba2", "image"])
def test_blocks_train_on_cuda_with_and_without_autocast(name: str) -> None:
    torch.manual_seed(0)
    block = {
        "mamba": lambda: MambaBlock(16),
        "mamba2": lambda: Mamba2Block(16, headdim=16),
        "image": lambda: SS2DBlock(16),
    }[name]()
    x = torch.randn(2, 16, 20, 20) if name == "image" else torch.randn(2, 300, 16)
    expected = block(x) - x
    block.cuda()
    for autocast in (False, True):
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=autocast):
            y = block(x.cuda())
            y.float().square().mean().backward()
        assert relative_error((y.float().cpu() - x), expected) < (5e-2 if autocast else 1e-3)
