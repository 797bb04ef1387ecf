"""Mamba-2's scan on a GPU: chunks of the sequence in parallel, the states between them in turn, as torch operators.

Forward three kernels run: what each chunk adds to the state at its end, the states that enter the chunks, and the
outputs. The entering states are kept, as many numbers as x has times N / chunk; all else is made again backward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from glaciertime.nn.gpu.launch import INTERPRETED, padded, tl

__all__ = ["ssd_triton"]

# 16 is the least that a matrix product takes.
_LEAST = 16
# Samples, channels and states in a block, by the bytes of a number: what the registers of eight warps hold.
_MOST = {2: (64, 64, 32), 4: (64, 32, 32), 8: (32, 32, 32)}
_LAUNCH = {"num_warps": 8, "num_stages": 1}
_BLOCK_OF_STATES = 256
# As many programs keep a large GPU busy while it sums the gradients of B and C over heads.
_PROGRAMS_WANTED = 512


def ssd_triton(
    x: Tensor,
    step: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    h0: Tensor | None,
    *,
    chunk_size: int = 64,
) -> tuple[Tensor, Tensor]:
    """Run h[t] = exp(log_decay[t]) h[t-1] + step[t] x[t] B[t]^T and y[t] = h[t] C[t] on a GPU.

    Parameters
    ----------
    x : (B, L, H, P)
    step, log_decay : (B, L, H); in float32 where x has half precision.
    B, C : (B, L, G, N)
    h0 : (B, H, P, N)
    chunk_size : samples per chunk; the power of two at or below it is taken, from 16 to what the GPU holds.

    Returns
    -------
    y : (B, L, H, P)
    last_state : (B, H, P, N), in the dtype of the steps.
    """
    chunk = min(max(1 << (chunk_size.bit_length() - 1), _LEAST), _MOST[x.dtype.itemsize][0])
    y, last, _, _ = torch.ops.glaciertime.ssd_forward(x, step, log_decay, B, C, h0, chunk)
    return y, last


@torch.library.custom_op("glaciertime::ssd_forward", mutates_args=())
def _forward(
    x: Tensor, step: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, h0: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from glaciertime.nn.gpu import ssd_kernels

    plan = _Plan(x, step, log_decay, B, C, chunk)
    y, last, entering, totals = _empty_forward(plan.x, plan.step, plan.B, chunk)
    plan.add_to_states(ssd_kernels, plan.x, plan.B, entering, totals, backward=False)
    plan.pass_states(ssd_kernels, entering, totals, h0, last, backward=False)
    grid = (plan.chunks * plan.blocks_of_width, plan.heads, plan.batch)
    with plan.on_device():
        ssd_kernels.mix_chunk[grid](
            plan.x,
            *plan.x.stride(),
            plan.step,
            plan.log_decay,
            *plan.step.stride(),
            plan.B,
            *plan.B.stride(),
            plan.C,
            *plan.C.stride(),
            entering,
            y,
            *plan.sizes,
            **plan.constants,
        )
    return y, last, entering, totals


@_forward.register_fake
def _(
    x: Tensor, step: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, h0: Tensor | None, chunk: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _empty_forward(x, step, B, chunk)


def _empty_forward(x: Tensor, step: Tensor, B: Tensor, chunk: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, length, heads, width = x.shape
    states, chunks = B.shape[3], (length + chunk - 1) // chunk
    return (
        x.new_empty(batch, length, heads, width),
        step.new_empty(batch, heads, width, states),
        step.new_empty(batch, chunks, heads, width, states),
        step.new_empty(batch, chunks, heads),
    )


@torch.library.custom_op("glaciertime::ssd_backward", mutates_args=())
def _backward(
    gy: Tensor,
    glast: Tensor | None,
    x: Tensor,
    step: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    entering: Tensor,
    totals: Tensor,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    from glaciertime.nn.gpu import ssd_kernels

    plan = _Plan(x, step, log_decay, B, C, chunk)
    gx, gstep, gdecay, gB, gC, gh0 = _empty_backward(plan.x, plan.step, plan.B, plan.C)
    g_leaving = torch.empty_like(entering)
    plan.add_to_states(ssd_kernels, gy, plan.C, g_leaving, torch.empty_like(totals), backward=True)
    plan.pass_states(ssd_kernels, g_leaving, totals, glast, gh0, backward=True)
    read = (
        plan.x,
        *plan.x.stride(),
        gy,
        *gy.stride(),
        plan.step,
        plan.log_decay,
        *plan.step.stride(),
        plan.B,
        *plan.B.stride(),
        plan.C,
        *plan.C.stride(),
        entering,
        g_leaving,
    )
    shares = plan.shares()
    summed = gB.dtype == step.dtype and shares == 1
    of_shares = (gB, gC) if summed else step.new_empty(2, shares, *gB.shape).unbind()
    with plan.on_device():
        ssd_kernels.gradient_of_values[plan.chunks, plan.heads, plan.batch](
            *read, gx, gstep, gdecay, *plan.sizes, **plan.constants
        )
        ssd_kernels.gradient_of_matrices[plan.chunks, plan.blocks_of_states, plan.batch * plan.groups * shares](
            *read, *of_shares, *plan.sizes, shares, plan.groups, **plan.constants
        )
    if not summed:
        gB, gC = (part.sum(0).to(B.dtype) for part in of_shares)
    return gx, gstep, gdecay, gB, gC, gh0


@_backward.register_fake
def _(
    gy: Tensor,
    glast: Tensor | None,
    x: Tensor,
    step: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    entering: Tensor,
    totals: Tensor,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    return _empty_backward(x, step, B, C)


def _empty_backward(
    x: Tensor, step: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, _, heads, width = x.shape
    return (
        x.new_empty(x.shape),
        step.new_empty(step.shape),
        step.new_empty(step.shape),
        B.new_empty(B.shape),
        C.new_empty(C.shape),
        step.new_empty(batch, heads, width, B.shape[3]),
    )


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, step, log_decay, B, C, h0, chunk = inputs
    _, _, entering, totals = output
    ctx.save_for_backward(x, step, log_decay, B, C, entering, totals)
    ctx.chunk = chunk
    ctx.start = None if h0 is None else h0.dtype
    ctx.mark_non_differentiable(entering, totals)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, gy: Tensor | None, glast: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
    if gy is None and glast is None:
        return (None,) * 7
    x, *others = ctx.saved_tensors
    gy = x.new_zeros(x.shape) if gy is None else gy
    *grads, gh0 = torch.ops.glaciertime.ssd_backward(gy, glast, x, *others, ctx.chunk)
    return *grads, None if ctx.start is None else gh0.to(ctx.start), None


_forward.register_autograd(_differentiate, setup_context=_keep)


class _Plan:
    """How a scan is cut into programs, and what each kernel is given."""

    def __init__(self, x: Tensor, step: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, chunk: int) -> None:
        self.batch, self.length, self.heads, self.width = x.shape
        self.groups, self.states = B.shape[2:]
        self.x, self.B, self.C = x, B, C
        # One set of strides serves both.
        self.step, self.log_decay = step.contiguous(), log_decay.contiguous()
        self.chunks = -(-self.length // chunk)
        _, *most = _MOST[x.dtype.itemsize]
        sizes = zip((self.width, self.states), most, strict=True)
        width, states = (min(max(padded(size), _LEAST), limit) for size, limit in sizes)
        self.blocks_of_width, self.blocks_of_states = -(-self.width // width), -(-self.states // states)
        self.sizes = (self.length, self.chunks, self.heads, self.width, self.states, self.heads // self.groups)
        self.constants = {"Q": chunk, "BP": width, "BN": states, **_kinds(x, step), **_LAUNCH}

    def add_to_states(
        self, kernels: Any, value: Tensor, matrix: Tensor, out: Tensor, totals: Tensor, *, backward: bool
    ) -> None:
        grid = (self.chunks * self.blocks_of_width * self.blocks_of_states, self.heads, self.batch)
        with self.on_device():
            kernels.add_to_states[grid](
                value,
                *value.stride(),
                self.step,
                self.log_decay,
                *self.step.stride(),
                matrix,
                *matrix.stride(),
                out,
                totals,
                *self.sizes,
                BACKWARD=backward,
                **self.constants,
            )

    def pass_states(
        self, kernels: Any, of_chunks: Tensor, totals: Tensor, start: Tensor | None, end: Tensor, *, backward: bool
    ) -> None:
        size = self.width * self.states
        block = min(padded(size), _BLOCK_OF_STATES)
        with self.on_device():
            kernels.pass_states[-(-size // block), self.heads, self.batch](
                of_chunks,
                totals,
                of_chunks if start is None else start.contiguous(),
                end,
                self.chunks,
                self.heads,
                size,
                HAS_START=start is not None,
                BACKWARD=backward,
                BLOCK=block,
                K=self.constants["K"],
            )

    def shares(self) -> int:
        """Return into how many shares the heads of a group are divided, so that there is work for a whole GPU."""
        repeats = self.heads // self.groups
        wanted = _PROGRAMS_WANTED / (self.batch * self.chunks * self.groups * self.blocks_of_states)
        return next(n for n in range(1, repeats + 1) if repeats % n == 0 and (n >= wanted or n == repeats))

    def on_device(self) -> Any:
        return torch.cuda.device_of(self.x)


def _kinds(x: Tensor, step: Tensor) -> dict[str, Any]:
    """Return in which dtype a kernel adds up, in which it multiplies, and how float32 is multiplied."""
    kinds = {
        torch.float64: tl.float64,
        torch.float32: tl.float32,
        torch.float16: tl.float16,
        torch.bfloat16: tl.bfloat16,
    }
    sums = kinds[step.dtype]
    # The interpreter multiplies bfloat16 as integers. Three products of TF32 are as good as one of float32.
    precision = "tf32x3" if x.dtype == torch.float32 and not INTERPRETED else "ieee"
    return {"K": sums, "T": sums if INTERPRETED else kinds[x.dtype], "PRECISION": precision}
