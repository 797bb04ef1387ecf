"""Compile what a scan would launch, for cards that are not here: run in a process without Triton's interpreter.

    python -m tests.nn.gpu.ahead_of_time ssd

prints a line of JSON for every kernel, compute capability, dtype and size.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

from glaciertime.nn.gpu.ssd import ssd_triton

CAPABILITIES = (80, 90)
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# B, L, H, P, G, N: one block of 16 in every direction, and what a network's sizes take, which compiles for longer.
SMALL, USUAL = (1, 16, 1, 16, 1, 16), (2, 64, 8, 64, 1, 128)


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


def run_ssd(dtype: torch.dtype, size: tuple[int, ...]) -> None:
    """Run the scan of Mamba-2 forward and backward."""
    batch, length, heads, width, groups, states = size
    kept = dtype if dtype.itemsize > 2 else torch.float32
    x = torch.zeros(batch, length, heads, width, dtype=dtype, requires_grad=True)
    step, decay = torch.zeros(2, batch, length, heads, dtype=kept)
    B, C = torch.zeros(2, batch, length, groups, states, dtype=dtype)
    h0 = torch.zeros(batch, heads, width, states, dtype=kept)
    D = torch.zeros(heads, dtype=kept)
    y, last = ssd_triton(x, step, decay, B, C, D, torch.zeros_like(x), h0, chunk_size=min(length, 64))
    torch.autograd.grad((y.to(kept).sum() + last.sum()), x)


def compile_for(capability: int, run: Callable[[], None]) -> dict[str, Any]:
    """Return what is compiled of each kernel that a call launches; nothing is launched."""
    found: dict[str, Any] = {}

    def launch(kernel: JITFunction, grid: object) -> Callable[..., None]:
        def warm(*arguments: Any, **options: Any) -> None:
            found[kernel.fn.__name__] = kernel.run(*arguments, grid=grid, warmup=True, **options)

        return warm

    triton.runtime.driver.set_active(_Card(capability))
    JITFunction.__getitem__ = launch
    run()
    return found


def _print_all(run: Callable[[torch.dtype, tuple[int, ...]], None]) -> None:
    usual = {(80, torch.float32)}
    for capability in CAPABILITIES:
        for dtype in DTYPES if capability == 90 else DTYPES[:3]:
            size = USUAL if (capability, dtype) in usual else SMALL
            for name, kernel in compile_for(capability, lambda given=(dtype, size): run(*given)).items():
                row = {
                    "kernel": name,
                    "capability": capability,
                    "dtype": str(dtype).removeprefix("torch."),
                    "shared_bytes": kernel.metadata.shared,
                    "cubin_bytes": len(kernel.asm["cubin"]),
                }
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    _print_all({"ssd": run_ssd}[sys.argv[1]])
