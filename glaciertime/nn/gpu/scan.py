"""The selective scan on Triton's kernels, and its operators for torch.

Called eagerly, the launches stand directly behind an autograd function; while torch traces a graph they stand behind
the operators ``glaciertime::selective_scan`` and ``glaciertime::selective_scan_backward``, which cost more per call
but can be compiled around.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glaciertime.nn.gpu.launch import on_device_of
from glaciertime.nn.gpu.scan_launch import Given, Recipe, find_recipe, recall
from glaciertime.nn.gpu.scan_plan import make_plan, number_of

__all__ = ["scan_again", "selective_scan_triton"]

# Given, as an operator's schema has it: the one place where it is spelled out for torch.
_TENSORS = "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, Tensor? delta_bias, "
_TENSORS += "Tensor? h0, Tensor? dt"
_COUNT = len(Given._fields)


def scan_again(given: Sequence[Any], *, delta_softplus: bool, wants_last: bool) -> tuple[Tensor, Any] | None:
    """Scan tensors whose like was checked and scanned before; None where it was not.

    A short scan takes no longer than to look at everything again.
    """
    if type(given[0]) not in (Tensor, torch.nn.Parameter):
        return None
    recipe = recall(given, delta_softplus)
    return None if recipe is None else _run(recipe, Given(*given), wants_last)


def selective_scan_triton(given: Sequence[Any], *, delta_softplus: bool, wants_last: bool) -> tuple[Tensor, Any]:
    """Run :func:`glaciertime.nn.selective_scan` on CUDA, without checks; B and C have a time axis.

    Half precision is read and written as it is and computed in float32. The last state is None if not wanted, or what
    it costs nothing to return.
    """
    u, delta, A, B, C, D, z, delta_bias, h0, dt = given
    if B.ndim == 4 or C.ndim == 4:
        B, C = (matrix[:, None] if matrix.ndim == 3 else matrix for matrix in (B, C))
        groups = max(B.shape[1], C.shape[1])
        B, C = _spread(B, groups), _spread(C, groups)
    D, delta_bias, h0 = (None if tensor is None else tensor.contiguous() for tensor in (D, delta_bias, h0))
    given = Given(u, delta, A.contiguous(), B, C, D, z, delta_bias, h0, dt)
    if torch.compiler.is_compiling() or type(u) not in (Tensor, torch.nn.Parameter):
        return scan_operator(*given, delta_softplus, _keeps(given))[:2]
    return _run(find_recipe(given, delta_softplus), given, wants_last)


def _spread(matrix: Tensor, groups: int) -> Tensor:
    return matrix if matrix.shape[1] == groups else matrix.repeat_interleave(groups // matrix.shape[1], dim=1)


def _keeps(given: Given) -> bool:
    if not torch.is_grad_enabled():
        return False
    return any([tensor is not None and tensor.requires_grad for tensor in given])


def _run(recipe: Recipe, given: Given, wants_last: bool) -> tuple[Tensor, Any]:
    with on_device_of(given[0]):
        if _keeps(given):
            return _Scan.apply(recipe, wants_last, *given)
        return recipe.forward(given, keeps=False, wants_last=wants_last)[:2]


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, recipe: Recipe, wants_last: bool, *tensors: Any) -> tuple[Tensor, Tensor | None]:
        ctx.recipe = recipe
        y, last, starts = recipe.forward(Given(*tensors), keeps=True, wants_last=wants_last)
        ctx.save_for_backward(*tensors, starts)
        ctx.set_materialize_grads(False)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor | None, glast: Tensor | None) -> tuple[Tensor | None, ...]:
        *tensors, starts = ctx.saved_tensors
        given = Given(*tensors)
        with on_device_of(given.u):
            grads = ctx.recipe.backward(gy, glast, given, starts, wants_dt=ctx.needs_input_grad[-1])
        return (None, None, *grads)


@torch.library.custom_op(
    "glaciertime::selective_scan",
    mutates_args=(),
    schema=f"({_TENSORS}, bool delta_softplus, bool keeps) -> (Tensor, Tensor, Tensor)",
)
def scan_operator(*inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Run the scan as one operator; the third output is what the backward pass needs."""
    *tensors, delta_softplus, keeps = inputs
    given = Given(*tensors)
    with on_device_of(given.u):
        y, last, starts = find_recipe(given, delta_softplus).forward(given, keeps=keeps, wants_last=True)
    assert last is not None
    return y, last, given.u.new_empty(0) if starts is None or not keeps else starts


@scan_operator.register_fake
def _(*inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
    *tensors, _, keeps = inputs
    given = Given(*tensors)
    u, states = given.u, given.A.shape[1]
    starts = u.new_empty(0)
    if keeps:
        plan = make_plan(u, states, given.B.shape[1] if given.B.ndim == 4 else 1)
        starts = u.new_empty(plan.kept_shape, dtype=number_of(u)) if plan.chunks > 1 else starts
    return torch.empty_like(u), u.new_empty((u.shape[0], u.shape[1], states)), starts


@torch.library.custom_op(
    "glaciertime::selective_scan_backward",
    mutates_args=(),
    schema=f"(Tensor? gy, Tensor? glast, {_TENSORS}, Tensor starts, bool delta_softplus, bool wants_dt) -> Tensor[]",
)
def scan_backward_operator(*inputs: Any) -> list[Tensor]:
    """Return the gradients of those of the ten inputs that are given, of dt if ``wants_dt``."""
    gy, glast, *tensors, starts, delta_softplus, wants_dt = inputs
    given = Given(*tensors)
    with on_device_of(given.u):
        grads = find_recipe(given, delta_softplus).backward(gy, glast, given, starts, wants_dt=wants_dt)
    return [grad for grad in grads if grad is not None]


@scan_backward_operator.register_fake
def _(*inputs: Any) -> list[Tensor]:
    *given, dt = inputs[2 : 2 + _COUNT]
    return [torch.empty_like(tensor) for tensor in (*given, dt if inputs[-1] else None) if tensor is not None]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *given, ctx.delta_softplus, _ = inputs
    ctx.save_for_backward(*given, output[2])
    ctx.set_materialize_grads(False)


def _backward_of_operator(ctx: Any, gy: Tensor | None, glast: Tensor | None, _: Tensor | None) -> tuple[Any, ...]:
    *given, starts = ctx.saved_tensors
    wants_dt = ctx.needs_input_grad[_COUNT - 1]
    grads: Iterator[Tensor] = iter(scan_backward_operator(gy, glast, *given, starts, ctx.delta_softplus, wants_dt))
    there = [tensor is not None for tensor in given[:-1]] + [wants_dt]
    return (*(next(grads) if one else None for one in there), None, None)


scan_operator.register_autograd(_backward_of_operator, setup_context=_keep)
