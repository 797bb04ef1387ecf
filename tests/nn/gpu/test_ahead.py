"""The kernels of the selective scan compile for cards that are not there; needs Triton, no GPU."""

from __future__ import annotations

import pytest

pytest.importorskip("triton", reason="Triton is not installed: its kernels are not compiled")

from glaciertime.nn.gpu import is_interpreted, scan_backward, scan_kernels
from glaciertime.nn.gpu.launch import tl
from tests.nn.gpu.ahead import compile_ahead

pytestmark = pytest.mark.skipif(is_interpreted(), reason="TRITON_INTERPRET is set: nothing is compiled")

KERNELS = {
    kernel.__name__: kernel
    for kernel in (
        scan_kernels.chunk_ends,
        scan_kernels.outputs,
        scan_backward.chunk_starts,
        scan_backward.carry_back,
        scan_backward.gradients,
        scan_backward.totals,
    )
}
# What is in the dtype of the data; all else is float32 beside half precision.
DATA = ("u", "delta", "B", "C", "z", "y", "last", "gy", "glast", "gu", "gdelta", "gz", "gB", "gC")
OPTIONAL = ("D", "z", "bias", "h0", "dt", "glast", "gz", "gh0", "gaps", "gD", "gbias", "gdt")
ROWS = ("B", "C", "gB", "gC")
UNEVEN = ("length", "per_group", "blocks", "chunks", "chunk_length", "share", "groups", "slots", "parts", "times")


def compiled(name: str, dtype: str, capability: int, *, every: bool, along: bool = True) -> object:
    """Compile with every optional argument or with none, samples or else channels side by side in memory."""
    others = "fp64" if dtype == "fp64" else "fp32"
    return compile_ahead(
        KERNELS[name],
        capability,
        pointers={"*": others} | {f"{data}_ptr": dtype for data in DATA},
        constants={
            "SOFTPLUS": every, "EVEN": not every, "N": 2, "WIDTH": 4, "STEPS": 4, "KEPT": 2, "AHEAD": 4,
            "ALONG": 2047 if along else 0,
            "TIMES": 32, "LANES": 32, "DEEP": 16, "NUMBER": tl.float64 if dtype == "fp64" else tl.float32,
        },
        ones={f"{data}_{'t' if along else 'n' if data in ROWS else 'd'}" for data in (*DATA, "dt", "gdt")},
        absent=() if every else {f"{optional}_ptr" for optional in OPTIONAL},
        uneven=UNEVEN,
    )  # fmt: skip


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_compiles_for_every_card_and_dtype(name: str, dtype: str, capability: int) -> None:
    found = compiled(name, dtype, capability, every=capability == 90)
    assert len(found.asm["cubin"]) > 1000


@pytest.mark.parametrize("name", ["outputs", "carry_back", "totals"])
def test_double_precision_compiles(name: str) -> None:
    assert len(compiled(name, "fp64", 90, every=True).asm["cubin"]) > 1000


@pytest.mark.parametrize("name", ["chunk_ends", "outputs", "chunk_starts", "gradients"])
def test_channels_side_by_side_compile(name: str) -> None:
    assert len(compiled(name, "bf16", 90, every=False, along=False).asm["cubin"]) > 1000
