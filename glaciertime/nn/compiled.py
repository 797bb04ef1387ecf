"""The compiled selective scan as a torch function: addresses handed to the kernels, work shared among threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glaciertime.nn import kernels

__all__ = ["selective_scan_compiled", "share_out"]

_LANES = {torch.float32: 16, torch.float64: 8}
_ONE = {torch.float32: np.float32(1), torch.float64: np.float64(1)}
# Vectors of work (a sample, a state, LANES channels) below which a second thread costs more than it saves.
_WORTH_A_THREAD = 20_000
_pools: dict[int, ThreadPoolExecutor] = {}
# Threads do not survive a fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)


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


def share_out(tasks: int, vectors: int, call: Callable[[int, int, int], Any]) -> None:
    """Call ``call(first, stop, thread)`` for consecutive shares of the tasks, in as many threads as torch uses.

    Parameters
    ----------
    tasks : how many there are.
    vectors : how much work they are together, to judge whether threads pay.
    call : releases the interpreter's lock.

    Examples
    --------
    >>> share_out(3, 1, lambda first, stop, thread: print(first, stop, thread))
    0 3 0
    """
    threads = _threads(tasks, vectors)
    if threads == 1:
        call(0, tasks, 0)
        return
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads - 1, thread_name_prefix="glaciertime-scan")
    edges = [tasks * share // threads for share in range(threads + 1)]
    others = [_pools[threads].submit(call, edges[i], edges[i + 1], i) for i in range(1, threads)]
    try:
        call(edges[0], edges[1], 0)
    finally:
        # The addresses handed out stay valid only until this returns.
        wait(others)
    for other in others:
        other.result()


def _threads(tasks: int, vectors: int) -> int:
    return max(1, min(torch.get_num_threads(), tasks, vectors // _WORTH_A_THREAD))


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
        given = _Arguments(u, delta, A, B, C, D, z, delta_bias, h0, dt, delta_softplus)
        y = torch.empty_like(u)
        last = u.new_empty(u.shape[0], u.shape[1], A.shape[1])
        given.add("y", y, "b d t")
        given.add("last", last)
        kept = None
        if any(ctx.needs_input_grad):
            kept = u.new_empty(given.units * given.runs * given.states * given.lanes)
            given.add("kept", kept)
        given.call(kernels.forward, given.units)
        ctx.delta_softplus = delta_softplus
        ctx.save_for_backward(u, delta, A, B, C, D, z, delta_bias, h0, dt, kept)
        ctx.set_materialize_grads(False)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor | None, glast: Tensor | None) -> tuple[Tensor | None, ...]:
        u, delta, A, B, C, D, z, delta_bias, h0, dt, kept = ctx.saved_tensors
        given = _Arguments(u, delta, A, B, C, D, z, delta_bias, h0, dt, ctx.delta_softplus)
        tasks, slots = given.tasks()
        padded = -(-given.length // given.lanes) * given.lanes
        given.values |= {"slots": slots, "padded": padded}
        threads = _threads(tasks, given.vectors)
        grads = {
            "gu": torch.empty_like(u),
            "gdelta": torch.empty_like(delta),
            "gz": None if z is None else torch.empty_like(z),
            "gB": u.new_zeros(tasks, given.states, padded),
            "gC": u.new_zeros(tasks, given.states, padded),
            "gdt": None if dt is None else u.new_zeros(tasks, padded),
            "gA": u.new_zeros(threads, *A.shape),
            "gD": u.new_zeros(threads, A.shape[0]),
            "gbias": u.new_zeros(threads, A.shape[0]),
            "gh0": None if h0 is None else torch.empty_like(h0),
        }
        given.add("gy", torch.zeros_like(u) if gy is None else gy, "b d t")
        given.add("glast", None if glast is None else glast.contiguous())
        given.add("kept", kept)
        for name, grad in grads.items():
            given.add(name, grad, "b d t" if name in ("gu", "gdelta", "gz") else "")
        given.call(kernels.backward, tasks)
        shape = (u.shape[0], B.shape[1], slots, given.states, padded)
        gB, gC = (grads[name].view(shape).sum(2)[..., : given.length] for name in ("gB", "gC"))
        gdt = None if dt is None else grads["gdt"].view(u.shape[0], -1, padded).sum(1)[:, : given.length]
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


class _Arguments:
    """Collects what the kernels are told, and keeps the tensors alive whose addresses it hands out."""

    def __init__(
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
    ) -> None:
        batch, channels, self.length = u.shape
        self.states = A.shape[1]
        self.dtype = u.dtype
        self.lanes = _LANES[u.dtype]
        groups = B.shape[1]
        blocks = -(-(channels // groups) // self.lanes)
        self.units = batch * groups * blocks
        # A longer run keeps fewer states, so that what is kept stays of the order of the input.
        self.run = max(32, -(-2 * self.states // self.lanes) * self.lanes)
        self.runs = -(-self.length // self.run)
        self.vectors = self.units * self.length * self.states
        self._alive: list[Tensor] = []
        self.values = {
            "batch": batch,
            "channels": channels,
            "length": self.length,
            "states": self.states,
            "groups": groups,
            "blocks": blocks,
            "run": self.run,
            "runs": self.runs,
            "softplus": int(delta_softplus),
            "itemsize": u.element_size(),
            "lanes": self.lanes,
        }
        for name, tensor, axes in (
            ("u", u, "b d t"),
            ("delta", delta, "b d t"),
            ("z", z, "b d t"),
            ("dt", dt, "b t"),
            ("B", B, "b g n t"),
            ("C", C, "b g n t"),
            ("A", A, ""),
            ("D", D, ""),
            ("bias", delta_bias, ""),
            ("h0", h0, ""),
        ):
            self.add(name, tensor, axes)

    def add(self, name: str, tensor: Tensor | None, axes: str = "") -> None:
        if tensor is None:
            return
        self._alive.append(tensor)
        self.values[name] = tensor.data_ptr()
        for axis, stride in zip(axes.split(), tensor.stride(), strict=False):
            self.values[f"{name}_{axis}"] = stride

    def tasks(self) -> tuple[int, int]:
        """Return the tasks of the backward pass and the slots per group: as few as keep every thread busy."""
        blocks = self.values["blocks"]
        whole = self.units // blocks
        threads = _threads(self.units, self.vectors)
        if whole % threads == 0 or whole >= 4 * threads:
            return whole, 1
        slots = min(blocks, threads)
        return whole * slots, slots

    def call(self, kernel: Callable[..., Any], tasks: int) -> None:
        """Run a kernel over all tasks."""
        block = np.array([self.values.get(name, 0) for name in kernels.ARGUMENTS.names or ()]).view(kernels.ARGUMENTS)
        one = _ONE[self.dtype]
        numbers = kernels.workspace_numbers(self.run, self.states, self.lanes)

        def work(first: int, stop: int, thread: int) -> None:
            space = torch.empty(numbers + self.lanes, dtype=self.dtype)
            # Vectors that straddle two cache lines take twice as long.
            address = -(-space.data_ptr() // 64) * 64
            kernel(one, block, address, first, stop, thread)

        share_out(tasks, self.vectors, work)


def _spread(matrix: Tensor, groups: int) -> Tensor:
    return matrix if matrix.shape[1] == groups else matrix.repeat_interleave(groups // matrix.shape[1], dim=1)
