"""Mamba-2's scan on a GPU: chunks of the sequence in parallel, the states between them in turn, as torch operators.

Forward three kernels run: what each chunk adds to the state at its end, the states that enter the chunks, and the
outputs. The entering states are kept, as many numbers as x has times N / chunk; all else is made again backward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glaciertime.nn.gpu.ssd_launch import Plan, samples_per_chunk

__all__ = ["ssd_triton"]


def ssd_triton(
    x: Tensor,
    step: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    h0: Tensor | None,
    *,
    chunk_size: int = 64,
) -> tuple[Tensor, Tensor]:
    """Run h[t] = exp(log_decay[t]) h[t-1] + step[t] x[t] B[t]^T and y[t] = (h[t] C[t] + D x[t]) silu(z[t]) on a GPU.

    Parameters
    ----------
    x : (B, L, H, P)
    step, log_decay : (B, L, H); in float32 where x has half precision.
    B, C : (B, L, G, N)
    D : (H,) or (H, P)
    z : (B, L, H, P)
    h0 : (B, H, P, N)
    chunk_size : samples per chunk; the power of two at or below it is taken, from 16 to what the GPU holds.

    Returns
    -------
    y : (B, L, H, P)
    last_state : (B, H, P, N), in the dtype of the steps.
    """
    chunk = samples_per_chunk(chunk_size, x.dtype)
    # An operator can stand in a graph, but costs more per call.
    run = torch.ops.glaciertime.ssd_forward if torch.compiler.is_compiling() else _Scan.apply
    y, last, _, _ = run(x, step, log_decay, B, C, D, z, h0, chunk)
    return y, last


def _forward(
    x: Tensor,
    step: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    h0: Tensor | None,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    plan = Plan(x, step, log_decay, B, C, chunk)
    y, last, entering, totals = _empty_results(x, step, log_decay, B, C, D, z, h0, chunk)
    plan.add_to_states(x, B, entering, totals, backward=False)
    plan.pass_states(entering, totals, h0, last, backward=False)
    plan.mix_chunks(entering, _of_channels(D, x), z, y)
    return y, last, entering, totals


def _of_channels(D: Tensor | None, x: Tensor) -> Tensor | None:
    """Return D by head and channel, (H, P), where it is given by head alone."""
    return D[:, None].expand(x.shape[2:]) if D is not None and D.ndim == 1 else D


def _empty_results(
    x: Tensor,
    step: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    h0: Tensor | None,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, length, heads, width = x.shape
    states, chunks = B.shape[3], (length + chunk - 1) // chunk
    return (
        x.new_empty(x.shape),
        step.new_empty(batch, heads, width, states),
        step.new_empty(batch, chunks, heads, width, states),
        step.new_empty(batch, chunks, heads),
    )


def _backward(
    gy: Tensor,
    glast: Tensor | None,
    x: Tensor,
    step: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    entering: Tensor,
    totals: Tensor,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    plan = Plan(x, step, log_decay, B, C, chunk)
    weights = _of_channels(D, x)
    gx, gstep, gdecay, _, _, _, gz, gh0 = _empty_gradients(
        gy, glast, x, step, log_decay, B, C, D, z, entering, totals, chunk
    )
    if z is not None:
        before_gate = torch.empty_like(gx)
        plan.mix_chunks(entering, weights, z, before_gate, gy, gz)
        gy = before_gate
    g_leaving = torch.empty_like(entering)
    plan.add_to_states(gy, C, g_leaving, torch.empty_like(totals), backward=True)
    plan.pass_states(g_leaving, totals, glast, gh0, backward=True)
    of_chunks = totals.new_empty((*totals.shape, x.shape[3]) if D is not None else 0)
    gB, gC = plan.differentiate(gy, entering, g_leaving, weights, (gx, gstep, gdecay, of_chunks))
    gD = of_chunks if D is None else of_chunks.sum((0, 1) if D.ndim == 2 else (0, 1, 3)).to(D.dtype)
    return gx, gstep, gdecay, gB, gC, gD, gz, gh0


def _empty_gradients(
    gy: Tensor,
    glast: Tensor | None,
    x: Tensor,
    step: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    entering: Tensor,
    totals: Tensor,
    chunk: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    return (
        x.new_empty(x.shape),
        step.new_empty(step.shape),
        step.new_empty(step.shape),
        B.new_empty(B.shape),
        C.new_empty(C.shape),
        step.new_empty(0) if D is None else D.new_empty(D.shape),
        x.new_empty(0 if z is None else z.shape),
        step.new_empty(x.shape[0], *x.shape[2:], B.shape[3]),
    )


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, h0, chunk = inputs
    _, _, entering, totals = output
    ctx.save_for_backward(*tensors, entering, totals)
    ctx.chunk = chunk
    ctx.start = None if h0 is None else h0.dtype
    ctx.mark_non_differentiable(entering, totals)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, backward: Any, gy: Tensor | None, glast: Tensor | None) -> tuple[Tensor | None, ...]:
    if gy is None and glast is None:
        return (None,) * 9
    saved = ctx.saved_tensors
    x, D, z = saved[0], saved[5], saved[6]
    gy = x.new_zeros(x.shape) if gy is None else gy
    *grads, gD, gz, gh0 = backward(gy, glast, *saved, ctx.chunk)
    given = (None if D is None else gD, None if z is None else gz, None if ctx.start is None else gh0.to(ctx.start))
    return *grads, *given, None


class _Scan(torch.autograd.Function):
    # With a setup_context of its own, torch would look at the signature of forward at every call.
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        output = _forward(*inputs)
        _keep(ctx, inputs, output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor | None, glast: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        return _differentiate(ctx, _backward, gy, glast)


_operator = torch.library.custom_op("glaciertime::ssd_forward", _forward, mutates_args=())
_operator.register_fake(_empty_results)
_backward_operator = torch.library.custom_op("glaciertime::ssd_backward", _backward, mutates_args=())
_backward_operator.register_fake(_empty_gradients)
_operator.register_autograd(
    lambda ctx, gy, glast, *_: _differentiate(ctx, torch.ops.glaciertime.ssd_backward, gy, glast), setup_context=_keep
)
