"""The compiled scan of Mamba-2 as a torch function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glaciertime.nn.cpu import ssd_kernels
from glaciertime.nn.cpu.launch import LANES, Launch, divide_blocks, usable_threads

__all__ = ["ssd_compiled"]


def ssd_compiled(
    x: Tensor, step: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, h0: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Run h[t] = exp(log_decay[t]) h[t-1] + step[t] x[t] B[t]^T and y[t] = h[t] C[t] on the CPU.

    Parameters
    ----------
    x : (B, L, H, P) float32 or float64
    step, log_decay : (B, L, H)
    B, C : (B, L, G, N)
    h0 : (B, H, P, N)

    Returns
    -------
    y : (B, L, H, P)
    last_state : (B, H, P, N)

    Examples
    --------
    >>> ones = torch.ones(1, 2, 1, 1)
    >>> y, h = ssd_compiled(ones, ones[..., 0], torch.zeros(1, 2, 1), ones, ones, None)
    >>> y.flatten().tolist(), h.item()
    ([1.0, 2.0], 2.0)
    """
    return _Scan.apply(x, step.mT.contiguous(), torch.exp(log_decay).mT.contiguous(), B, C, h0)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, step: Tensor, factor: Tensor, B: Tensor, C: Tensor, h0: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        h0 = None if h0 is None else h0.contiguous()
        plan = _Plan(x, B)
        launch = plan.launch(x, step, factor, B, C, h0)
        y = torch.empty_like(x)
        last = x.new_empty(plan.batch, plan.heads, plan.width, plan.states)
        kept = x.new_empty(plan.units * plan.runs * plan.states * plan.lanes) if any(ctx.needs_input_grad) else None
        launch.add("y", y, "bthp")
        launch.add("last", last)
        launch.add("kept", kept)
        plan.run_kernel(launch, ssd_kernels.ssd_forward, plan.units)
        ctx.save_for_backward(x, step, factor, B, C, h0, kept)
        ctx.set_materialize_grads(False)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor | None, glast: Tensor | None) -> tuple[Tensor | None, ...]:
        x, step, factor, B, C, h0, kept = ctx.saved_tensors
        plan = _Plan(x, B)
        slots = divide_blocks(plan.batch * plan.groups, plan.heads // plan.groups, plan.vectors)
        tasks = plan.batch * plan.groups * slots
        padded = -(-plan.length // plan.lanes) * plan.lanes
        lines = -(-plan.states // plan.lanes) * plan.lanes
        launch = plan.launch(x, step, factor, B, C, h0, slots=slots, padded=padded, lines=lines)
        gx = torch.empty_like(x)
        gstep, gfactor = x.new_zeros(2, plan.batch, plan.heads, padded)
        gB, gC = x.new_zeros(2, tasks, padded, lines)
        gh0 = None if h0 is None else torch.empty_like(h0)
        launch.add("gy", torch.zeros_like(x) if gy is None else gy, "bthp")
        launch.add("glast", None if glast is None else glast.contiguous())
        launch.add("gx", gx, "bthp")
        plain = {"kept": kept, "gstep": gstep, "gfactor": gfactor, "gB": gB, "gC": gC, "gh0": gh0}
        for name, tensor in plain.items():
            launch.add(name, tensor)
        plan.run_kernel(launch, ssd_kernels.ssd_backward, tasks)
        shape = (plan.batch, plan.groups, slots, padded, lines)
        gB, gC = (g.view(shape).sum(2)[:, :, : plan.length, : plan.states].transpose(1, 2) for g in (gB, gC))
        return gx, gstep[..., : plan.length], gfactor[..., : plan.length], gB, gC, gh0


class _Plan:
    """How a scan is cut into runs of samples and blocks of channels."""

    def __init__(self, x: Tensor, B: Tensor) -> None:
        self.batch, self.length, self.heads, self.width = x.shape
        self.groups, self.states = B.shape[2:]
        self.dtype = x.dtype
        self.lanes = LANES[x.dtype]
        self.blocks = -(-self.width // self.lanes)
        self.units = self.batch * self.heads * self.blocks
        # A longer run keeps fewer states but needs more room: the states of a whole run.
        self.run = 32 if self.states <= 32 else 64
        self.runs = -(-self.length // self.run)
        self.vectors = self.units * self.length * self.states

    def launch(
        self, x: Tensor, step: Tensor, factor: Tensor, B: Tensor, C: Tensor, h0: Tensor | None, **sizes: int
    ) -> Launch:
        launch = Launch(
            ssd_kernels.SSD_ARGUMENTS,
            self.dtype,
            batch=self.batch,
            length=self.length,
            heads=self.heads,
            width=self.width,
            states=self.states,
            groups=self.groups,
            blocks=self.blocks,
            run=self.run,
            runs=self.runs,
            **sizes,
        )
        launch.add("x", x, "bthp")
        launch.add("B", B, "btgn")
        launch.add("C", C, "btgn")
        for name, plain in (("step", step), ("factor", factor), ("h0", h0)):
            launch.add(name, plain)
        return launch

    def run_kernel(self, launch: Launch, kernel: Callable[..., Any], tasks: int) -> None:
        numbers = ssd_kernels.ssd_workspace_numbers(self.run, self.states, self.lanes)
        launch.run(kernel, tasks, threads=usable_threads(tasks, self.vectors), work_numbers=numbers)
