"""The selective scan on Triton's kernels: how it is cut up, and its operators for torch.

Called eagerly, the launches stand directly behind an autograd function; while torch traces a graph they stand behind
the operators ``glaciertime::selective_scan`` and ``glaciertime::selective_scan_backward``, which cost more per call
but can be compiled around.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glaciertime.nn.gpu import scan_backward, scan_kernels
from glaciertime.nn.gpu.launch import on_device_of, padded, strides_of, tl

__all__ = ["selective_scan_triton"]

# Samples taken at once, whose states are held in registers backward.
_STEPS = 4
_KEPT = 2
# Numbers of the state, N x WIDTH, that a warp holds.
_WARP_NUMBERS = 512
# Chunks of a sequence at most: every program goes through those before its own.
_MOST_CHUNKS = 256
# Programs that keep a card busy, and the samples below which a chunk is not worth a program.
_BUSY_PROGRAMS = 1024
_LEAST_SAMPLES = 32


@dataclass(frozen=True)
class _Plan:
    """How a scan is cut into blocks of channels and chunks of time."""

    batch: int
    channels: int
    length: int
    states: int
    groups: int
    rows: int
    width: int
    warps: int
    in_group: int
    chunk: int
    chunks: int
    share: int

    @property
    def blocks(self) -> int:
        return self.groups * self.in_group

    @property
    def slots(self) -> int:
        """Programs per group that add up rows of B and C."""
        return -(-self.in_group // self.share)


def _plan(u: Tensor, states: int, groups: int) -> _Plan:
    batch, channels, length = u.shape
    per_group = channels // groups
    width = min(max(1, _WARP_NUMBERS // padded(states)), padded(per_group))
    in_group = -(-per_group // width)
    most = min(_MOST_CHUNKS, -(-length // _LEAST_SAMPLES))
    chunks = max(1, min(most, _BUSY_PROGRAMS // max(1, batch * groups * in_group)))
    # As many blocks share their sums of B and C as keeps these sums smaller than the input.
    slots = max(1, per_group * u.element_size() // (16 * states))
    return _cut(u, states, groups, width=width, warps=1, chunks=chunks, share=-(-in_group // slots))


def _cut(u: Tensor, states: int, groups: int, *, width: int, warps: int, chunks: int, share: int) -> _Plan:
    batch, channels, length = u.shape
    in_group = -(-(channels // groups) // width)
    chunk = -(-length // (chunks * _STEPS)) * _STEPS
    chunks = -(-length // chunk)
    return _Plan(batch, channels, length, states, groups, padded(states), width, warps, in_group, chunk, chunks, share)


def _number(u: Tensor) -> tuple[torch.dtype, Any]:
    """Return the dtype that is computed in, torch's and Triton's."""
    return (torch.float64, tl.float64) if u.dtype == torch.float64 else (torch.float32, tl.float32)


def selective_scan_triton(
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
) -> tuple[Tensor, Tensor]:
    """Run :func:`glaciertime.nn.selective_scan` on CUDA, without checks; B and C have a time axis.

    Half precision is read and written as it is and computed in float32.
    """
    B, C = (matrix[:, None] if matrix.ndim == 3 else matrix for matrix in (B, C))
    groups = max(B.shape[1], C.shape[1])
    A = A.contiguous()
    D, delta_bias, h0 = (None if given is None else given.contiguous() for given in (D, delta_bias, h0))
    given = (u, delta, A, _spread(B, groups), _spread(C, groups), D, z, delta_bias, h0, dt)
    keeps = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in given)
    if torch.compiler.is_compiling() or type(u) not in (Tensor, torch.nn.Parameter):
        return scan_operator(*given, delta_softplus, keeps)[:2]
    with on_device_of(u):
        if not keeps:
            return _forward(*given, delta_softplus, False)[:2]
        return _Scan.apply(*given, delta_softplus)


def _spread(matrix: Tensor, groups: int) -> Tensor:
    return matrix if matrix.shape[1] == groups else matrix.repeat_interleave(groups // matrix.shape[1], dim=1)


def _empty_outputs(u: Tensor, plan: _Plan, keeps: bool) -> tuple[Tensor, Tensor, Tensor]:
    shape = (plan.batch, plan.chunks if keeps and plan.chunks > 1 else 0, plan.states, plan.channels)
    return (
        torch.empty_like(u),
        u.new_empty((plan.batch, plan.channels, plan.states)),
        torch.empty(shape, dtype=_number(u)[0], device=u.device),
    )


def _forward(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    dt: Tensor | None,
    delta_softplus: bool,
    keeps: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return y, the last state, and, if ``keeps`` and there are several, the states before the chunks."""
    plan = _plan(u, A.shape[1], B.shape[1])
    dtype, number = _number(u)
    y, last, starts = _empty_outputs(u, plan, keeps)
    if plan.batch == 0:
        return y, last, starts
    several = plan.chunks > 1
    shape = (plan.batch, plan.chunks, plan.states, plan.channels)
    ends = torch.empty(shape, dtype=dtype, device=u.device) if several else None
    sums = torch.empty((plan.batch, plan.chunks, plan.channels), dtype=dtype, device=u.device) if several else None
    sizes = (
        plan.channels, plan.length, plan.states, plan.channels // plan.groups, plan.blocks, plan.chunks, plan.chunk
    )  # fmt: skip
    even = plan.length % _STEPS == 0
    fixed = (delta_softplus, even, plan.rows, plan.width, _STEPS)
    u_at, delta_at, B_at, dt_at = u.stride(), delta.stride(), B.stride(), strides_of(dt, 2)
    if several:
        scan_kernels.chunk_ends[(plan.blocks * (plan.chunks - 1) * plan.batch,)](
            u, delta, A, B, delta_bias, dt, ends, sums,
            *u_at, *delta_at, *B_at, *dt_at, *sizes, *fixed, number, num_warps=plan.warps,
        )  # fmt: skip
    scan_kernels.outputs[(plan.blocks * plan.chunks * plan.batch,)](
        u, delta, A, B, C, D, z, delta_bias, h0, dt,
        ends, sums, starts if keeps and several else None, y, last,
        *u_at, *delta_at, *B_at, *C.stride(), *strides_of(z, 3), *y.stride(), *dt_at,
        *sizes, *fixed, 4, number, num_warps=plan.warps,
    )  # fmt: skip
    return y, last, starts


def _backward(
    gy: Tensor | None,
    glast: Tensor | None,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    dt: Tensor | None,
    starts: Tensor,
    delta_softplus: bool,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of u, delta, A, B, C, D, z, delta_bias, h0 and dt."""
    grads = tuple(
        None if given is None else torch.empty_like(given) for given in (u, delta, A, B, C, D, z, delta_bias, h0, dt)
    )
    plan = _plan(u, A.shape[1], B.shape[1])
    if plan.batch == 0:
        return tuple(None if grad is None else grad.zero_() for grad in grads)
    gu, gdelta, gA, gB, gC, gD, gz, gbias, gh0, gdt = grads
    dtype, number = _number(u)
    if gy is None:
        gy = torch.zeros_like(u)
    glast = None if glast is None else glast.contiguous()
    several = plan.chunks > 1
    tasks = plan.batch * plan.groups * plan.slots

    def space(*shape: int) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=u.device)

    back = torch.empty_like(starts) if several else None
    parts = space(plan.batch * plan.chunks, plan.states + 2, plan.channels)
    rows = space(tasks, plan.length, 2, plan.states)
    gaps = None if dt is None else space(tasks, plan.length)
    room = space(tasks * plan.chunks, -(-plan.chunk // (_STEPS * _KEPT)), plan.rows * plan.width)
    sizes = (plan.channels, plan.length, plan.states, plan.channels // plan.groups)
    cut = (plan.chunks, plan.chunk)
    fixed = (delta_softplus, plan.length % _STEPS == 0, plan.rows, plan.width, _STEPS)
    u_at, delta_at, B_at, C_at, z_at = u.stride(), delta.stride(), B.stride(), C.stride(), strides_of(z, 3)
    gy_at, dt_at = gy.stride(), strides_of(dt, 2)
    if several:
        sums = space(plan.batch, plan.chunks, plan.channels)
        scan_backward.chunk_starts[(plan.blocks * (plan.chunks - 1) * plan.batch,)](
            delta, A, C, z, delta_bias, dt, gy, back, sums,
            *delta_at, *C_at, *z_at, *gy_at, *dt_at, *sizes, plan.blocks, *cut, *fixed, number, num_warps=plan.warps,
        )  # fmt: skip
        lanes = max(1, 128 // plan.rows)
        blocks = -(-plan.channels // lanes)
        scan_backward.carry_back[(plan.batch * blocks,)](
            A, glast, back, sums, plan.channels, plan.states, blocks, plan.chunks,
            plan.rows, lanes, 8, number, num_warps=1,
        )  # fmt: skip
    scan_backward.gradients[(tasks * plan.chunks,)](
        u, delta, A, B, C, D, z, delta_bias, h0, dt, gy, glast,
        starts if several else None, back, room,
        gu, gdelta, gz, gh0, parts, rows, gaps,
        *u_at, *delta_at, *B_at, *C_at, *z_at, *gy_at, *dt_at,
        *gu.stride(), *gdelta.stride(), *strides_of(gz, 3),
        *sizes, plan.groups * plan.slots, *cut, plan.share, *fixed, _KEPT, number, num_warps=plan.warps,
    )  # fmt: skip
    times = -(-plan.length // 32)
    of_rows = plan.batch * plan.groups * times
    of_parts = (plan.states + 2) * -(-plan.channels // 32)
    scan_backward.totals[(of_rows + of_parts,)](
        parts, rows, gaps, gA, gD, gbias, gB, gC, gdt,
        *gB.stride(), *gC.stride(), *strides_of(gdt, 2),
        plan.channels, plan.length, plan.states, plan.groups, plan.slots, plan.batch * plan.chunks, of_rows, times,
        plan.rows, 32, 32, 16, number, num_warps=1,
    )  # fmt: skip
    return grads


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor, Tensor]:
        y, last, starts = _forward(*given, True)
        ctx.delta_softplus = given[-1]
        ctx.save_for_backward(*given[:-1], starts)
        ctx.set_materialize_grads(False)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor | None, glast: Tensor | None) -> tuple[Tensor | None, ...]:
        with on_device_of(ctx.saved_tensors[0]):
            return (*_backward(gy, glast, *ctx.saved_tensors, ctx.delta_softplus), None)


@torch.library.custom_op("glaciertime::selective_scan", mutates_args=())
def scan_operator(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    dt: Tensor | None,
    delta_softplus: bool,
    keeps: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the scan as one operator; the third output is what the backward pass needs."""
    with on_device_of(u):
        return _forward(u, delta, A, B, C, D, z, delta_bias, h0, dt, delta_softplus, keeps)


@scan_operator.register_fake
def _(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    dt: Tensor | None,
    delta_softplus: bool,
    keeps: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return _empty_outputs(u, _plan(u, A.shape[1], B.shape[1]), keeps)


@torch.library.custom_op("glaciertime::selective_scan_backward", mutates_args=())
def scan_backward_operator(
    gy: Tensor | None,
    glast: Tensor | None,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    dt: Tensor | None,
    starts: Tensor,
    delta_softplus: bool,
) -> list[Tensor]:
    """Return the gradients of those of the ten inputs that are given."""
    with on_device_of(u):
        grads = _backward(gy, glast, u, delta, A, B, C, D, z, delta_bias, h0, dt, starts, delta_softplus)
    return [grad for grad in grads if grad is not None]


@scan_backward_operator.register_fake
def _(
    gy: Tensor | None,
    glast: Tensor | None,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    dt: Tensor | None,
    starts: Tensor,
    delta_softplus: bool,
) -> list[Tensor]:
    given = (u, delta, A, B, C, D, z, delta_bias, h0, dt)
    return [torch.empty_like(tensor) for tensor in given if tensor is not None]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *given, ctx.delta_softplus, _ = inputs
    ctx.save_for_backward(*given, output[2])
    ctx.set_materialize_grads(False)


def _backward_of_operator(ctx: Any, gy: Tensor | None, glast: Tensor | None, _: Tensor | None) -> tuple[Any, ...]:
    *given, starts = ctx.saved_tensors
    grads = iter(scan_backward_operator(gy, glast, *given, starts, ctx.delta_softplus))
    return (*(None if tensor is None else next(grads) for tensor in given), None, None)


scan_operator.register_autograd(_backward_of_operator, setup_context=_keep)
