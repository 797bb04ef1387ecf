"""The selective scan in torch operations that are parallel over chunks of the sequence: what runs on a GPU without
mamba-ssm, and anywhere with B or C constant in time.

The sequence is taken in segments, which are recomputed in the backward pass, so that memory does not grow with
length times states. Within a segment all chunks advance together, one sample per operation; then the states are
carried from chunk to chunk.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

__all__ = ["linear_recurrence", "selective_scan_chunked"]

# Numbers in the (time, batch, channel, state) tensors of one segment: 256 MB of float32.
_SEGMENT_NUMBERS = 2**26


def selective_scan_chunked(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    *,
    delta_softplus: bool,
    h0: Tensor | None,
    dt: Tensor | None,
    segment: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Run :func:`glaciertime.nn.selective_scan` without checks, ``segment`` samples at a time.

    Examples
    --------
    >>> ones = torch.ones(1, 1, 2)
    >>> y, h = selective_scan_chunked(
    ...     ones, ones, torch.zeros(1, 1), ones, ones, None, None, None, delta_softplus=False, h0=None, dt=None
    ... )
    >>> y.flatten().tolist(), h.item()
    ([1.0, 2.0], 2.0)
    """
    batch, channels, length = u.shape
    if segment is None:
        segment = max(64, _SEGMENT_NUMBERS // (batch * channels * A.shape[1]))
    step = delta if delta_bias is None else delta + delta_bias[:, None]
    if delta_softplus:
        step = functional.softplus(step)
    decay = step if dt is None else step * dt[:, None, :]
    drive = step * u
    state = u.new_zeros(batch, channels, A.shape[1]) if h0 is None else h0
    parts = []
    for start in range(0, length, segment):
        stop = min(start + segment, length)
        given = (
            decay[..., start:stop],
            drive[..., start:stop],
            A,
            B if B.ndim == 2 else B[..., start:stop],
            C if C.ndim == 2 else C[..., start:stop],
            state,
        )
        if torch.is_grad_enabled() and length > segment:
            y, state = checkpoint(_segment, *given, use_reentrant=False, preserve_rng_state=False)
        else:
            y, state = _segment(*given)
        parts.append(y)
    y = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
    if D is not None:
        y = y + D[:, None] * u
    if z is not None:
        y = y * functional.silu(z)
    return y, state


def _segment(decay: Tensor, drive: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    factors = torch.exp(decay.permute(2, 0, 1)[..., None] * A)
    added = drive.permute(2, 0, 1)[..., None] * _over_time(B, decay)
    states = linear_recurrence(factors, added, state)
    y = (states * _over_time(C, decay)).sum(-1)
    return y.permute(1, 2, 0), states[-1]


def _over_time(matrix: Tensor, decay: Tensor) -> Tensor:
    """Return what broadcasts against (L, B, D, N)."""
    if matrix.ndim == 2:
        return matrix
    if matrix.ndim == 3:
        return matrix.permute(2, 0, 1)[:, :, None, :]
    return matrix.permute(3, 0, 1, 2).repeat_interleave(decay.shape[1] // matrix.shape[1], dim=2)


def linear_recurrence(factors: Tensor, added: Tensor, first: Tensor) -> Tensor:
    """Return h[t] = factors[t] h[t-1] + added[t] along the first axis, from h[-1] = first.

    Parameters
    ----------
    factors, added : (L, ...)
    first : (...)

    Examples
    --------
    >>> linear_recurrence(torch.full((3,), 0.5), torch.ones(3), torch.tensor(2.0)).tolist()
    [2.0, 2.0, 2.0]
    """
    return _Recurrence.apply(factors, added, first)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, factors: Tensor, added: Tensor, first: Tensor) -> Tensor:
        states = _advance(factors, added, first)
        ctx.save_for_backward(factors, states, first)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        factors, states, first = ctx.saved_tensors
        # The adjoint is the same recurrence from the end, where the factor of a step acts on the step before.
        adjoint = _advance(factors.flip(0).roll(1, 0), grad.flip(0), torch.zeros_like(first)).flip(0)
        before = torch.cat([first[None], states[:-1]])
        return adjoint * before, adjoint, adjoint[0] * factors[0]


def _advance(factors: Tensor, added: Tensor, first: Tensor) -> Tensor:
    length = factors.shape[0]
    size = max(1, math.isqrt(length))
    chunks = length // size
    whole = chunks * size
    shape = (chunks, size, *factors.shape[1:])
    a = factors[:whole].reshape(shape)
    inner = added[:whole].reshape(shape).clone(memory_format=torch.contiguous_format)
    product = a.clone(memory_format=torch.contiguous_format)
    for t in range(1, size):
        inner[:, t].addcmul_(a[:, t], inner[:, t - 1])
        product[:, t].mul_(product[:, t - 1])
    state = first
    for k in range(chunks):
        inner[k].addcmul_(product[k], state)
        state = inner[k, -1]
    states = inner.flatten(0, 1)
    if whole == length:
        return states
    tail = []
    for t in range(whole, length):
        state = torch.addcmul(added[t], factors[t], state)
        tail.append(state)
    return torch.cat([states, torch.stack(tail)])
