"""What the kernels of the selective scan are given: a recipe for all scans of tensors of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from glaciertime.nn.gpu import scan_backward, scan_kernels
from glaciertime.nn.gpu.launch import Launch, kinds_of, padded, strides_of, tl
from glaciertime.nn.gpu.scan_plan import STEPS, make_plan, number_of

__all__ = ["Given", "Recipe", "find_recipe", "recall"]

# A state is kept every so many steps, from which those between are computed again.
_KEPT = 2
# Chunks whose ends are loaded at once.
_AHEAD = 8
# Chunks over which ``carry`` carries at once, at most, and the channels of a program of its.
_TALL, _LANES = 128, 16
# Recipes remembered, one for every combination of shapes, strides and dtypes.
_MOST_RECIPES = 1024


class Given(NamedTuple):
    """The tensors of a scan, in the order of :func:`glaciertime.nn.selective_scan`."""

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    delta_bias: Tensor | None
    h0: Tensor | None
    dt: Tensor | None


_recipes: dict[Any, Recipe] = {}


def recall(given: Sequence[Tensor | None], delta_softplus: bool) -> Recipe | None:
    """Return the recipe of tensors whose like was scanned before, None where there is none."""
    try:
        return _recipes.get((delta_softplus, kinds_of(given)))
    except AttributeError:  # no tensors: the checks have the words for it
        return None


def find_recipe(given: Given, delta_softplus: bool) -> Recipe:
    """Return the recipe of tensors, made where their like was not scanned before."""
    key = (delta_softplus, kinds_of(given))
    found = _recipes.get(key)
    if found is None:
        if len(_recipes) >= _MOST_RECIPES:
            _recipes.clear()
        found = _recipes[key] = Recipe(given, delta_softplus)
    return found


class Recipe:
    """How tensors of one kind are scanned: the cut, and the launches, made when first wanted."""

    def __init__(self, given: Given, delta_softplus: bool) -> None:
        B = given.B
        self.plan = make_plan(given.u, given.A.shape[1], B.shape[1] if B.ndim == 4 else 1)
        self.delta_softplus = delta_softplus
        self.dtype = number_of(given.u)
        self._number = tl.float64 if self.dtype == torch.float64 else tl.float32
        self._forward: dict[Any, tuple[Launch | None, Launch | None, Launch]] = {}
        self._backward: dict[Any, _Backward] = {}

    def forward(self, given: Given, *, keeps: bool, wants_last: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return y, the last state, and, if ``keeps``, the states before the chunks, None where there is one."""
        u, plan = given.u, self.plan
        y = torch.empty_like(u)
        last = None
        if wants_last:
            last = torch.empty((plan.batch, plan.channels, plan.states), dtype=u.dtype, device=u.device)
        kept = starts = None
        if plan.chunks > 1:
            kept = torch.empty(plan.kept_shape, dtype=self.dtype, device=u.device)
            if plan.is_carried_before:
                starts = kept
            elif keeps:
                starts = torch.empty_like(kept)
        if plan.batch == 0:
            return y, last, starts
        launches = self._forward.get((keeps, wants_last))
        if launches is None:
            launches = self._forward[keeps, wants_last] = self._prepare_forward(given, y)
        chunk_ends, carry, outputs = launches
        if chunk_ends is not None:
            chunk_ends(u, given.delta, given.A, given.B, given.delta_bias, given.dt, kept)
        if carry is not None:
            carry(given.A, given.h0, kept)
        outputs(*given, kept, None if carry is not None else starts, y, last)
        return y, last, starts

    def _prepare_forward(self, given: Given, y: Tensor) -> tuple[Launch | None, Launch | None, Launch]:
        u, delta, _, B, C, _, z, *_, dt = given
        plan, blocks = self.plan, self.plan.narrow_blocks
        u_at, delta_at, B_at, dt_at = u.stride(), delta.stride(), _grouped(B), strides_of(dt, 2)
        fixed = plan.fixed(
            self.delta_softplus, plan.narrow, _along(u, delta, B, C, z, None, y, None, None, None, dt)
        )  # fmt: skip
        chunk_ends = carry = None
        if plan.chunks > 1:
            chunk_ends = Launch(
                scan_kernels.chunk_ends, (blocks * (plan.chunks - 1) * plan.batch,),
                *u_at, *delta_at, *B_at, *dt_at, *plan.sizes, blocks, *plan.cut, *fixed, self._number, num_warps=1,
            )  # fmt: skip
            carry = self._prepare_carry(back=False)
        outputs = Launch(
            scan_kernels.outputs, (blocks * plan.chunks * plan.batch,),
            *u_at, *delta_at, *B_at, *_grouped(C), *strides_of(z, 3), *y.stride(), *dt_at,
            *plan.sizes, blocks, *plan.cut, *fixed, 0 if carry else _AHEAD, self._number, num_warps=1,
        )  # fmt: skip
        return chunk_ends, carry, outputs

    def _prepare_carry(self, *, back: bool) -> Launch | None:
        plan = self.plan
        if not plan.is_carried_before:
            return None
        blocks = -(-plan.channels // _LANES)
        return Launch(
            scan_kernels.carry, (plan.states * blocks * plan.batch,),
            plan.channels, plan.states, blocks, plan.chunks, back, min(_TALL, padded(plan.chunks)), _LANES,
            self._number, num_warps=4,
        )  # fmt: skip

    def backward(
        self, gy: Tensor | None, glast: Tensor | None, given: Given, starts: Tensor | None, *, wants_dt: bool
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of u, delta, A, B, C, D, z, delta_bias, h0 and, if ``wants_dt``, of dt."""
        u, delta, A, B, C, D, z, delta_bias, h0, dt = given
        wanted = (u, delta, A, B, C, D, z, delta_bias, h0, dt if wants_dt else None)
        grads: tuple[Any, ...] = tuple([None if tensor is None else torch.empty_like(tensor) for tensor in wanted])
        if u.shape[0] == 0:
            return tuple(None if grad is None else grad.zero_() for grad in grads)
        gu, gdelta, gA, gB, gC, gD, gz, gbias, gh0, gdt = grads
        if gy is None:
            gy = torch.zeros_like(u)
        if glast is not None:
            glast = glast.contiguous()
        key = (wants_dt, kinds_of((gy, glast)))
        found = self._backward.get(key)
        if found is None:
            found = self._backward[key] = self._prepare_backward(gy, given, grads)
        # One piece of memory for all that is used here alone.
        room = torch.empty(found.numbers, dtype=self.dtype, device=u.device)
        back, rows, of_gaps, states, parts = torch.split_with_sizes(room, found.pieces)
        if found.chunk_starts is not None:
            found.chunk_starts(delta, A, C, z, delta_bias, dt, gy, back)
        if found.carry is not None:
            found.carry(A, glast, back)
        if self.plan.chunks == 1:
            starts = None
        gaps = None if gdt is None else of_gaps
        found.gradients(
            *given, gy, glast, starts, back, states, gu, gdelta, gz, gh0, rows, gaps, parts,
        )  # fmt: skip
        found.totals(parts, rows, gaps, gA, gD, gbias, gB, gC, gdt)
        return grads

    def _prepare_backward(self, gy: Tensor, given: Given, grads: tuple[Any, ...]) -> _Backward:
        u, delta, _, B, C, _, z, *_, dt = given
        gu, gdelta, _, gB, gC, _, gz, _, _, gdt = grads
        plan, blocks, number = self.plan, self.plan.narrow_blocks, self._number
        delta_at, C_at, z_at, gy_at, dt_at = (
            delta.stride(), _grouped(C), strides_of(z, 3), gy.stride(), strides_of(dt, 2)
        )  # fmt: skip
        along = _along(u, delta, B, C, z, gy, None, gu, gdelta, gz, dt)
        chunk_starts = None
        if plan.chunks > 1:
            chunk_starts = Launch(
                scan_backward.chunk_starts, (blocks * (plan.chunks - 1) * plan.batch,),
                *delta_at, *C_at, *z_at, *gy_at, *dt_at, *plan.sizes, blocks, *plan.cut,
                *plan.fixed(self.delta_softplus, plan.narrow, along), number, num_warps=1,
            )  # fmt: skip
        carry = self._prepare_carry(back=True)
        tasks = plan.batch * plan.groups * plan.slots
        gradients = Launch(
            scan_backward.gradients, (tasks * plan.chunks,),
            *u.stride(), *delta_at, *_grouped(B), *C_at, *z_at, *gy_at, *dt_at,
            *gu.stride(), *gdelta.stride(), *strides_of(gz, 3),
            *plan.sizes, plan.groups * plan.slots, *plan.cut, plan.share,
            *plan.fixed(self.delta_softplus, plan.width, along), 0 if carry else _AHEAD, _KEPT, number, num_warps=1,
        )  # fmt: skip
        times = -(-plan.length // 32)
        of_rows = plan.batch * plan.groups * times
        of_parts = (plan.states + 2) * -(-plan.channels // 32)
        totals = Launch(
            scan_backward.totals, (of_rows + of_parts,),
            *_grouped(gB), *_grouped(gC), *strides_of(gdt, 2),
            plan.channels, plan.length, plan.states, plan.groups, plan.slots, plan.batch * plan.chunks, of_rows, times,
            plan.rows, 32, 32, 16, number, num_warps=1,
        )  # fmt: skip
        of_chunks = plan.batch * plan.chunks * plan.channels
        numbers = (
            of_chunks * (plan.states + 1) if plan.chunks > 1 else 0,
            tasks * plan.length * 2 * plan.states,
            0 if gdt is None else tasks * plan.length,
            tasks * plan.chunks * -(-plan.chunk // (STEPS * _KEPT)) * plan.rows * plan.width,
            of_chunks * (plan.states + 2),
        )
        # Each begins at a multiple of sixteen bytes, as tensors of their own do.
        pieces = [-(-count // 4) * 4 for count in numbers]
        return _Backward(chunk_starts, carry, gradients, totals, sum(pieces), pieces)


class _Backward(NamedTuple):
    chunk_starts: Launch | None
    carry: Launch | None
    gradients: Launch
    totals: Launch
    numbers: int
    pieces: list[int]


def _grouped(matrix: Tensor) -> tuple[int, ...]:
    """Return the strides of B or C (B, G, N, L); one group has none."""
    strides = matrix.stride()
    return strides if len(strides) == 4 else (strides[0], 0, *strides[1:])


def _along(*tensors: Tensor | None) -> int:
    """Return which tensors have their samples side by side, one bit each; see ``take`` among the kernels."""
    return sum(1 << bit for bit, tensor in enumerate(tensors) if tensor is not None and tensor.stride(-1) == 1)
