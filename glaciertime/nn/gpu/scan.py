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
from glaciertime.nn.gpu.launch import Launch, on_device_of, padded, strides_of, tl

__all__ = ["selective_scan_triton"]

# Samples taken at once, whose states are held in registers backward.
_STEPS = 4
# A state is kept every so many steps, from which those between are computed again.
_KEPT = 2
# Chunks whose ends are loaded at once.
_AHEAD = 8
# Launches remembered, one for every combination of shapes, strides and dtypes.
_MOST_LAUNCHES = 1024
# Numbers of the state, N x WIDTH, that a program of one warp holds: fewer let more programs run at once, more share
# sums over channels, of which only ``gradients`` has many.
_NARROW_NUMBERS = 256
_WIDE_NUMBERS = 512
# Chunks of a sequence at most: every program goes through those before its own.
_MOST_CHUNKS = 512
# Programs that keep a card busy, and the samples below which a chunk is not worth a program.
_BUSY_PROGRAMS = 4096
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
    narrow: int
    width: int
    chunk: int
    chunks: int
    share: int

    @property
    def narrow_blocks(self) -> int:
        """Blocks of channels of all kernels but ``gradients``."""
        return self.groups * -(-(self.channels // self.groups) // self.narrow)

    @property
    def sizes(self) -> tuple[int, ...]:
        """What every kernel is told of the shapes."""
        return self.channels, self.length, self.states, self.channels // self.groups

    @property
    def cut(self) -> tuple[int, int]:
        """How many chunks, how long."""
        return self.chunks, self.chunk

    def fixed(self, delta_softplus: bool, width: int, along: int) -> tuple[Any, ...]:
        """What a kernel is compiled for."""
        return delta_softplus, self.length % _STEPS == 0, self.rows, width, _STEPS, along

    @property
    def slots(self) -> int:
        """Programs per group of ``gradients``, each with its sums for B and C."""
        return -(-self.channels // (self.groups * self.width * self.share))


def _plan(u: Tensor, states: int, groups: int) -> _Plan:
    batch, channels, length = u.shape
    per_group = channels // groups
    rows = padded(states)
    widest = padded(per_group)
    narrow, width = (min(max(1, numbers // rows), widest) for numbers in (_NARROW_NUMBERS, _WIDE_NUMBERS))
    blocks = -(-per_group // width)
    # A state per chunk is kept: the more states, the longer a chunk.
    most = min(_MOST_CHUNKS, -(-length // max(_LEAST_SAMPLES, 2 * rows)))
    chunks = max(1, min(most, _BUSY_PROGRAMS // max(1, batch * groups * blocks)))
    # As many blocks share their sums of B and C as keeps these sums smaller than the input.
    slots = max(1, per_group * u.element_size() // (16 * states))
    return _cut(u, states, groups, narrow=narrow, width=width, chunks=chunks, share=-(-blocks // slots))


def _cut(u: Tensor, states: int, groups: int, *, narrow: int, width: int, chunks: int, share: int) -> _Plan:
    batch, channels, length = u.shape
    chunk = -(-length // (chunks * _STEPS)) * _STEPS
    chunks = -(-length // chunk)
    return _Plan(batch, channels, length, states, groups, padded(states), narrow, width, chunk, chunks, share)


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
    if B.ndim == 4 or C.ndim == 4:
        B, C = (matrix[:, None] if matrix.ndim == 3 else matrix for matrix in (B, C))
        groups = max(B.shape[1], C.shape[1])
        B, C = _spread(B, groups), _spread(C, groups)
    A = A.contiguous()
    D, delta_bias, h0 = (None if given is None else given.contiguous() for given in (D, delta_bias, h0))
    given = (u, delta, A, B, C, D, z, delta_bias, h0, dt)
    keeps = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in given)
    if torch.compiler.is_compiling() or type(u) not in (Tensor, torch.nn.Parameter):
        return scan_operator(*given, delta_softplus, keeps)[:2]
    with on_device_of(u):
        if not keeps:
            return _forward(*given, delta_softplus, False)[:2]
        return _Scan.apply(*given, delta_softplus)


def _spread(matrix: Tensor, groups: int) -> Tensor:
    return matrix if matrix.shape[1] == groups else matrix.repeat_interleave(groups // matrix.shape[1], dim=1)


def _empty_starts(u: Tensor, plan: _Plan) -> Tensor:
    shape = (plan.batch, plan.chunks if plan.chunks > 1 else 0, plan.states, plan.channels)
    return torch.empty(shape, dtype=_number(u)[0], device=u.device)


def _key(*tensors: Tensor | None) -> tuple[Any, ...]:
    """Return what a launch was made for: device, and of every tensor dtype, shape, strides and alignment."""
    return tuple(
        None if tensor is None else (tensor.dtype, tensor.shape, tensor.stride(), tensor.data_ptr() & 15)
        for tensor in tensors
    )


def _grouped(matrix: Tensor) -> tuple[int, ...]:
    """Return the strides of B or C (B, G, N, L); one group has none."""
    strides = matrix.stride()
    return strides if len(strides) == 4 else (strides[0], 0, *strides[1:])


def _along(*tensors: Tensor | None) -> int:
    """Return which tensors have their samples side by side, one bit each; see ``take`` among the kernels."""
    return sum(1 << bit for bit, tensor in enumerate(tensors) if tensor is not None and tensor.stride(-1) == 1)


_forward_launches: dict[Any, tuple[_Plan, Launch | None, Launch]] = {}
_backward_launches: dict[Any, tuple[_Plan, Launch | None, Launch | None, Launch, Launch]] = {}


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
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return y, the last state, and, if ``keeps``, the states before the chunks, empty where there is one."""
    key = (u.device.index, delta_softplus, keeps, _key(u, delta, A, B, C, D, z, delta_bias, h0, dt))
    found = _forward_launches.get(key)
    plan = found[0] if found else _plan(u, A.shape[1], _groups(B))
    y = torch.empty_like(u)
    last = torch.empty((plan.batch, plan.channels, plan.states), dtype=u.dtype, device=u.device)
    starts = _empty_starts(u, plan) if keeps else None
    if plan.batch == 0:
        return y, last, starts
    if not found:
        found = _prepare_forward(plan, u, delta, B, C, z, dt, y, delta_softplus)
        _remember(_forward_launches, key, found)
    _, chunk_ends, outputs = found
    ends = None
    if chunk_ends is not None:
        shape = (plan.batch, plan.chunks, plan.states + 1, plan.channels)
        ends = torch.empty(shape, dtype=_number(u)[0], device=u.device)
        chunk_ends(u, delta, A, B, delta_bias, dt, ends)
    outputs(u, delta, A, B, C, D, z, delta_bias, h0, dt, ends, starts if plan.chunks > 1 else None, y, last)
    return y, last, starts


def _groups(B: Tensor) -> int:
    return B.shape[1] if B.ndim == 4 else 1


def _remember(launches: dict[Any, Any], key: Any, found: Any) -> None:
    if len(launches) >= _MOST_LAUNCHES:
        launches.clear()
    launches[key] = found


def _prepare_forward(
    plan: _Plan,
    u: Tensor,
    delta: Tensor,
    B: Tensor,
    C: Tensor,
    z: Tensor | None,
    dt: Tensor | None,
    y: Tensor,
    delta_softplus: bool,
) -> tuple[_Plan, Launch | None, Launch]:
    u_at, delta_at, B_at, dt_at = u.stride(), delta.stride(), _grouped(B), strides_of(dt, 2)
    fixed = plan.fixed(delta_softplus, plan.narrow, _along(u, delta, B, C, z, None, y, None, None, None, dt))
    number = _number(u)[1]
    chunk_ends = None
    if plan.chunks > 1:
        chunk_ends = Launch(
            scan_kernels.chunk_ends, plan.narrow_blocks * (plan.chunks - 1) * plan.batch,
            *u_at, *delta_at, *B_at, *dt_at, *plan.sizes, plan.narrow_blocks, *plan.cut, *fixed, number,
        )  # fmt: skip
    outputs = Launch(
        scan_kernels.outputs, plan.narrow_blocks * plan.chunks * plan.batch,
        *u_at, *delta_at, *B_at, *_grouped(C), *strides_of(z, 3), *y.stride(), *dt_at,
        *plan.sizes, plan.narrow_blocks, *plan.cut, *fixed, _AHEAD, number,
    )  # fmt: skip
    return plan, chunk_ends, outputs


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
    wants_dt: bool,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of u, delta, A, B, C, D, z, delta_bias, h0 and, if ``wants_dt``, of dt."""
    given = (u, delta, A, B, C, D, z, delta_bias, h0, dt if wants_dt else None)
    grads: tuple[Any, ...] = tuple(None if tensor is None else torch.empty_like(tensor) for tensor in given)
    if u.shape[0] == 0:
        return tuple(None if grad is None else grad.zero_() for grad in grads)
    gu, gdelta, gA, gB, gC, gD, gz, gbias, gh0, gdt = grads
    if gy is None:
        gy = torch.zeros_like(u)
    glast = None if glast is None else glast.contiguous()
    key = (u.device.index, delta_softplus, wants_dt, _key(gy, glast, u, delta, A, B, C, D, z, delta_bias, h0, dt))
    found = _backward_launches.get(key)
    if not found:
        plan = _plan(u, A.shape[1], _groups(B))
        found = _prepare_backward(plan, gy, u, delta, B, C, z, dt, grads, delta_softplus)
        _remember(_backward_launches, key, found)
    plan, chunk_starts, carry_back, gradients, totals = found
    tasks = plan.batch * plan.groups * plan.slots
    dtype, device = starts.dtype, u.device
    back = torch.empty((plan.batch * plan.chunks, plan.states + 3, plan.channels), dtype=dtype, device=device)
    rows = torch.empty((tasks, plan.length, 2, plan.states), dtype=dtype, device=device)
    gaps = None if gdt is None else torch.empty((tasks, plan.length), dtype=dtype, device=device)
    kept = -(-plan.chunk // (_STEPS * _KEPT))
    room = torch.empty((tasks * plan.chunks, kept, plan.rows * plan.width), dtype=dtype, device=device)
    if chunk_starts is not None and carry_back is not None:
        chunk_starts(delta, A, C, z, delta_bias, dt, gy, back)
        carry_back(A, glast, back)
    gradients(
        u, delta, A, B, C, D, z, delta_bias, h0, dt, gy, glast, starts if plan.chunks > 1 else None, back, room,
        gu, gdelta, gz, gh0, rows, gaps,
    )  # fmt: skip
    totals(back, rows, gaps, gA, gD, gbias, gB, gC, gdt)
    return grads


def _prepare_backward(
    plan: _Plan,
    gy: Tensor,
    u: Tensor,
    delta: Tensor,
    B: Tensor,
    C: Tensor,
    z: Tensor | None,
    dt: Tensor | None,
    grads: tuple[Any, ...],
    delta_softplus: bool,
) -> tuple[_Plan, Launch | None, Launch | None, Launch, Launch]:
    gu, gdelta, _, gB, gC, _, gz, _, _, gdt = grads
    number = _number(u)[1]
    delta_at, C_at, z_at, gy_at, dt_at = delta.stride(), _grouped(C), strides_of(z, 3), gy.stride(), strides_of(dt, 2)
    along = _along(u, delta, B, C, z, gy, None, gu, gdelta, gz, dt)
    chunk_starts = carry_back = None
    if plan.chunks > 1:
        chunk_starts = Launch(
            scan_backward.chunk_starts, plan.narrow_blocks * (plan.chunks - 1) * plan.batch,
            *delta_at, *C_at, *z_at, *gy_at, *dt_at, *plan.sizes, plan.narrow_blocks, *plan.cut,
            *plan.fixed(delta_softplus, plan.narrow, along), number,
        )  # fmt: skip
        lanes = max(1, 128 // plan.rows)
        blocks = -(-plan.channels // lanes)
        carry_back = Launch(
            scan_backward.carry_back, plan.batch * blocks,
            plan.channels, plan.states, blocks, plan.chunks, plan.rows, lanes, _AHEAD, number,
        )  # fmt: skip
    tasks = plan.batch * plan.groups * plan.slots
    gradients = Launch(
        scan_backward.gradients, tasks * plan.chunks,
        *u.stride(), *delta_at, *_grouped(B), *C_at, *z_at, *gy_at, *dt_at,
        *gu.stride(), *gdelta.stride(), *strides_of(gz, 3),
        *plan.sizes, plan.groups * plan.slots, *plan.cut, plan.share,
        *plan.fixed(delta_softplus, plan.width, along), _KEPT, number,
    )  # fmt: skip
    times = -(-plan.length // 32)
    of_rows = plan.batch * plan.groups * times
    of_parts = (plan.states + 2) * -(-plan.channels // 32)
    totals = Launch(
        scan_backward.totals, of_rows + of_parts,
        *_grouped(gB), *_grouped(gC), *strides_of(gdt, 2),
        plan.channels, plan.length, plan.states, plan.groups, plan.slots, plan.batch * plan.chunks, of_rows, times,
        plan.rows, 32, 32, 16, number,
    )  # fmt: skip
    return plan, chunk_starts, carry_back, gradients, totals


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        *given, ctx.delta_softplus = inputs
        y, last, starts = _forward(*given, ctx.delta_softplus, True)  # type: ignore[call-arg]
        ctx.save_for_backward(*given, starts)
        ctx.set_materialize_grads(False)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor | None, glast: Tensor | None) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        with on_device_of(saved[0]):
            grads = _backward(gy, glast, *saved, ctx.delta_softplus, ctx.needs_input_grad[9])  # type: ignore[call-arg]
        return (*grads, None)


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
        y, last, starts = _forward(u, delta, A, B, C, D, z, delta_bias, h0, dt, delta_softplus, keeps)
    return y, last, u.new_empty(0) if starts is None else starts


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
    starts = _empty_starts(u, _plan(u, A.shape[1], _groups(B))) if keeps else u.new_empty(0)
    return torch.empty_like(u), u.new_empty((u.shape[0], u.shape[1], A.shape[1])), starts


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
    wants_dt: bool,
) -> list[Tensor]:
    """Return the gradients of those of the ten inputs that are given, of dt if ``wants_dt``."""
    with on_device_of(u):
        grads = _backward(gy, glast, u, delta, A, B, C, D, z, delta_bias, h0, dt, starts, delta_softplus, wants_dt)
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
    wants_dt: bool,
) -> list[Tensor]:
    given = (u, delta, A, B, C, D, z, delta_bias, h0, dt if wants_dt else None)
    return [torch.empty_like(tensor) for tensor in given if tensor is not None]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *given, ctx.delta_softplus, _ = inputs
    ctx.save_for_backward(*given, output[2])
    ctx.set_materialize_grads(False)


def _backward_of_operator(ctx: Any, gy: Tensor | None, glast: Tensor | None, _: Tensor | None) -> tuple[Any, ...]:
    *given, starts = ctx.saved_tensors
    wants_dt = ctx.needs_input_grad[9]
    grads = iter(scan_backward_operator(gy, glast, *given, starts, ctx.delta_softplus, wants_dt))
    there = [tensor is not None for tensor in given[:-1]] + [wants_dt]
    return (*(next(grads) if one else None for one in there), None, None)


scan_operator.register_autograd(_backward_of_operator, setup_context=_keep)
