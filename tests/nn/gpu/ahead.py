"""Compile what the scans would launch, for cards that are not here: run in a process without Triton's interpreter.

    python -m tests.nn.gpu.ahead

prints a line of JSON for every kernel of every run: a scan, a compute capability, a dtype and a form of the scan.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

from glaciertime.nn.gpu import scan_launch, scan_plan
from glaciertime.nn.gpu.scan import selective_scan_triton
from glaciertime.nn.gpu.ssd import ssd_triton
from tests.nn.cases import scan_inputs

HALVES = ("u", "delta", "B", "C", "z")


@dataclass(frozen=True)
class Run:
    """One call of a scan, forward and backward, for one card."""

    capability: int
    dtype: torch.dtype
    form: str
    call: Callable[[torch.dtype], None]


class _Card:
    def __init__(self, capability: int) -> None:
        self.target = GPUTarget("cuda", capability, 32)

    def get_current_device(self) -> int:
        # Triton keeps what it compiled by the number of the device.
        return self.target.arch

    def get_current_stream(self, _device: int) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return self.target


def run_scan(dtype: torch.dtype, *, every: bool, channels_last: bool = False) -> None:
    """Run the selective scan with every optional argument or none, cut into blocks and chunks as large ones are."""
    scan_plan._LEAST_SAMPLES, scan_plan._NARROW_NUMBERS, scan_plan._WIDE_NUMBERS = 8, 8, 8
    kept = dtype if dtype.itemsize > 2 else torch.float32
    # A length that the samples of one load divide, and one that they do not.
    given = scan_inputs(1, 6, 19 if every else 20, 2, channels_last=channels_last)
    given = {name: t.to(dtype if name in HALVES else kept).requires_grad_() for name, t in given.items()}
    assert scan_plan.make_plan(given["u"], 2, 1).chunks > 1
    optional = {name: given[name] if every else None for name in ("D", "z", "delta_bias", "h0", "dt")}
    # The state is carried over the chunks by a kernel of its own; in one run by every program too.
    for scan_plan._CARRIED_BY_ALL in (16, 1) if dtype == torch.float16 and not every else (1,):
        scan_launch._recipes.clear()
        y, last = selective_scan_triton(tuple((given | optional).values()), delta_softplus=every, wants_last=True)
        torch.autograd.grad(y.to(kept).sum() + (last.sum() if every else 0.0), given["u"])


def run_ssd(dtype: torch.dtype, *, size: tuple[int, ...]) -> None:
    """Run the scan of Mamba-2; ``size`` has B, L, H, P, G, N."""
    batch, length, heads, width, groups, states = size
    kept = dtype if dtype.itemsize > 2 else torch.float32
    x = torch.zeros(batch, length, heads, width, dtype=dtype, requires_grad=True)
    step, decay = torch.zeros(2, batch, length, heads, dtype=kept)
    B, C = torch.zeros(2, batch, length, groups, states, dtype=dtype)
    h0 = torch.zeros(batch, heads, width, states, dtype=kept)
    D = torch.zeros(heads, dtype=kept)
    y, last = ssd_triton(x, step, decay, B, C, D, torch.zeros_like(x), h0, chunk_size=min(length, 64))
    torch.autograd.grad((y.to(kept).sum() + last.sum()), x)


def runs_of_scan() -> Iterator[Run]:
    for dtype in (torch.float16, torch.float32):
        yield Run(80, dtype, "bare", partial(run_scan, every=False))
    yield Run(80, torch.bfloat16, "channels last", partial(run_scan, every=False, channels_last=True))
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        yield Run(90, dtype, "every argument", partial(run_scan, every=True))
    yield Run(90, torch.float64, "bare", partial(run_scan, every=False))


def runs_of_ssd() -> Iterator[Run]:
    # One block of 16 in every direction; and what a network's sizes take, which compiles for longer.
    small, usual = (1, 16, 1, 16, 1, 16), (2, 64, 8, 64, 1, 128)
    for capability in (80, 90):
        for dtype in (torch.float16, torch.bfloat16, torch.float32):
            size = usual if (capability, dtype) == (80, torch.float32) else small
            yield Run(capability, dtype, "usual" if size == usual else "small", partial(run_ssd, size=size))
    yield Run(90, torch.float64, "small", partial(run_ssd, size=small))


def compile_for(capability: int, call: Callable[[], None]) -> dict[str, tuple[Any, float]]:
    """Return what is compiled of each kernel that a call launches, and in how many seconds; nothing is launched."""
    found: dict[str, tuple[Any, float]] = {}

    def launch(kernel: JITFunction, grid: object) -> Callable[..., None]:
        def warm(*arguments: Any, **options: Any) -> None:
            start = time.process_time()
            compiled = kernel.run(*arguments, grid=grid, warmup=True, **options)
            found[kernel.fn.__name__] = compiled, time.process_time() - start

        return warm

    triton.runtime.driver.set_active(_Card(capability))
    JITFunction.__getitem__ = launch
    call()
    return found


def _print_all(scan: str, runs: Iterator[Run]) -> None:
    for run in runs:
        for name, (kernel, seconds) in compile_for(run.capability, partial(run.call, run.dtype)).items():
            row = {
                "scan": scan,
                "kernel": name,
                "capability": run.capability,
                "dtype": str(run.dtype).removeprefix("torch."),
                "form": run.form,
                "shared_bytes": kernel.metadata.shared,
                "cubin_bytes": len(kernel.asm["cubin"]),
                "seconds": round(seconds, 2),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    # One process: to import torch costs as much as a run.
    _print_all("scan", runs_of_scan())
    _print_all("ssd", runs_of_ssd())
