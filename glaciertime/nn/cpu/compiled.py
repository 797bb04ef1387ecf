"""The compiled selective scan as a torch function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glaciertime.nn.cpu import kernels
from glaciertime.nn.cpu.launch import LANES, Launch, divide_blocks, usable_threads

__all__ = ["selective_scan_compiled"]


def selective_scan_compiled(
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
    """Run :func:`glaciertime.nn.selective_scan` on the CPU, without checks; B and C have a time axis.

    Examples
    --------
    >>> ones = torch.ones(1, 1, 2)
    >>> y, h = selective_scan_compiled(
    ...     ones, ones, torch.zeros(1, 1), ones, ones, None, None, None, delta_softplus=False, h0=None, dt=None
    ... )
    >>> y.flatten().tolist(), h.item()
    ([1.0, 2.0], 2.0)
    """
    grouped_B = B[:, None] if B.ndim == 3 else B
    grouped_C = C[:, None] if C.ndim == 3 else C
    groups = max(grouped_B.shape[1], grouped_C.shape[1])
    return _Scan.apply(
        u, delta, A, _spread(grouped_B, groups), _spread(grouped_C, groups), D, z, delta_bias, h0, dt, delta_softplus
    )


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
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
    ) -> tuple[Tensor, Tensor]:
        A = A.contiguous()
        D, delta_bias, h0 = (None if given is None else given.contiguous() for given in (D, delta_bias, h0))
        plan = _Plan(u, A.shape[1], B.shape[1])
        launch = plan.launch(u, delta, A, B, C, D, z, delta_bias, h0, dt, delta_softplus)
        y = torch.empty_like(u)
        last = u.new_empty(u.shape[0], u.shape[1], A.shape[1])
        kept = u.new_empty(plan.units * plan.runs * plan.states * plan.lanes) if any(ctx.needs_input_grad) else None
        launch.add("y", y, "bdt")
        launch.add("last", last)
        launch.add("kept", kept)
        plan.run_kernel(launch, kernels.forward, plan.units, usable_threads(plan.units, plan.vectors))
        ctx.delta_softplus = delta_softplus
        ctx.save_for_backward(u, delta, A, B, C, D, z, delta_bias, h0, dt, kept)
        ctx.set_materialize_grads(False)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor | None, glast: Tensor | None) -> tuple[Tensor | None, ...]:
        u, delta, A, B, C, D, z, delta_bias, h0, dt, kept = ctx.saved_tensors
        plan = _Plan(u, A.shape[1], B.shape[1])
        slots = divide_blocks(plan.batch * plan.groups, plan.blocks, plan.vectors)
        tasks = plan.batch * plan.groups * slots
        padded = -(-plan.length // plan.lanes) * plan.lanes
        threads = usable_threads(tasks, plan.vectors)
        launch = plan.launch(
            u, delta, A, B, C, D, z, delta_bias, h0, dt, ctx.delta_softplus, slots=slots, padded=padded
        )
        grads = {
            "gu": torch.empty_like(u),
            "gdelta": torch.empty_like(delta),
            "gz": None if z is None else torch.empty_like(z),
            "gB": u.new_zeros(tasks, plan.states, padded),
            "gC": u.new_zeros(tasks, plan.states, padded),
            "gdt": None if dt is None else u.new_zeros(tasks, padded),
            "gA": u.new_zeros(threads, *A.shape),
            "gD": u.new_zeros(threads, A.shape[0]),
            "gbias": u.new_zeros(threads, A.shape[0]),
            "gh0": None if h0 is None else torch.empty_like(h0),
        }
        launch.add("gy", torch.zeros_like(u) if gy is None else gy, "bdt")
        launch.add("glast", None if glast is None else glast.contiguous())
        launch.add("kept", kept)
        for name, grad in grads.items():
            launch.add(name, grad, "bdt" if name in ("gu", "gdelta", "gz") else "")
        plan.run_kernel(launch, kernels.backward, tasks, threads)
        shape = (u.shape[0], B.shape[1], slots, plan.states, padded)
        gB, gC = (grads[name].view(shape).sum(2)[..., : plan.length] for name in ("gB", "gC"))
        gdt = None if dt is None else grads["gdt"].view(u.shape[0], -1, padded).sum(1)[:, : plan.length]
        return (
            grads["gu"],
            grads["gdelta"],
            grads["gA"].sum(0),
            gB,
            gC,
            None if D is None else grads["gD"].sum(0),
            grads["gz"],
            None if delta_bias is None else grads["gbias"].sum(0),
            grads["gh0"],
            gdt,
            None,
        )


class _Plan:
    """How a scan is cut into runs of samples and blocks of channels."""

    def __init__(self, u: Tensor, states: int, groups: int) -> None:
        self.batch, self.channels, self.length = u.shape
        self.dtype = u.dtype
        self.states = states
        self.groups = groups
        self.lanes = LANES[u.dtype]
        self.blocks = -(-(self.channels // groups) // self.lanes)
        self.units = self.batch * groups * self.blocks
        # A longer run keeps fewer states, so that what is kept stays of the order of the input.
        longest = max(64, -(-2 * states // self.lanes) * self.lanes)
        self.run = min(longest, -(-self.length // self.lanes) * self.lanes)
        self.runs = -(-self.length // self.run)
        self.vectors = self.units * self.length * states

    def launch(
        self,
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
        **sizes: int,
    ) -> Launch:
        launch = Launch(
            kernels.ARGUMENTS,
            self.dtype,
            batch=self.batch,
            channels=self.channels,
            length=self.length,
            states=self.states,
            groups=self.groups,
            blocks=self.blocks,
            run=self.run,
            runs=self.runs,
            softplus=int(delta_softplus),
            **sizes,
        )
        for name, tensor in (("u", u), ("delta", delta), ("z", z)):
            launch.add(name, tensor, "bdt")
        launch.add("dt", dt, "bt")
        launch.add("B", B, "bgnt")
        launch.add("C", C, "bgnt")
        for name, plain in (("A", A), ("D", D), ("bias", delta_bias), ("h0", h0)):
            launch.add(name, plain)
        return launch

    def run_kernel(self, launch: Launch, kernel: Callable[..., Any], tasks: int, threads: int) -> None:
        numbers = kernels.workspace_numbers(self.run, self.states, self.lanes)
        launch.run(kernel, tasks, threads=threads, work_numbers=numbers)


def _spread(matrix: Tensor, groups: int) -> Tensor:
    return matrix if matrix.shape[1] == groups else matrix.repeat_interleave(groups // matrix.shape[1], dim=1)
