"""Handing tensors to compiled kernels: their addresses and strides in one record, the work shared among threads.

Threads of our own rather than numba's: as many as torch is told to use, none started for little work, no clash with
torch's or with a fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["LANES", "Launch", "divide_blocks", "share_out", "usable_threads"]

LANES = {torch.float32: 16, torch.float64: 8}
_ONE = {torch.float32: np.float32(1), torch.float64: np.float64(1)}
# Vectors of work (a sample, a state, LANES channels) below which a second thread costs more than it saves.
_WORTH_A_THREAD = 20_000
_pools: dict[int, ThreadPoolExecutor] = {}
# Threads do not survive a fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)


class Launch:
    """Collects what a kernel is told, and keeps the tensors alive whose addresses it hands out.

    Parameters
    ----------
    fields : dtype of the record that the kernel reads, all int64.
    dtype : float32 or float64.
    sizes : fields that are neither addresses nor strides.

    Examples
    --------
    >>> fields = np.dtype([("u", np.int64), ("u_b", np.int64), ("batch", np.int64)])
    >>> launch = Launch(fields, torch.float32, batch=2)
    >>> launch.add("u", torch.zeros(2, 3), "b")
    >>> launch.record()["u_b"].item(), launch.record()["batch"].item()
    (3, 2)
    """

    def __init__(self, fields: np.dtype, dtype: torch.dtype, **sizes: int) -> None:
        self._fields = fields
        self._dtype = dtype
        self._alive: list[Tensor] = []
        self.lanes = LANES[dtype]
        self._values = {"lanes": self.lanes, "itemsize": dtype.itemsize} | sizes

    def add(self, name: str, tensor: Tensor | None, axes: str = "") -> None:
        """Add a tensor's address, and its strides under the letters of its axes."""
        if tensor is None:
            return
        self._alive.append(tensor)
        self._values[name] = tensor.data_ptr()
        for axis, stride in zip(axes, tensor.stride(), strict=False):
            self._values[f"{name}_{axis}"] = stride

    def record(self) -> np.ndarray:
        """Return the record, 0 where nothing was given."""
        return np.array([self._values.get(name, 0) for name in self._fields.names or ()]).view(self._fields)

    def run(self, kernel: Callable[..., Any], tasks: int, *, threads: int, work_numbers: int) -> None:
        """Run a kernel over all tasks, every thread with its own room of ``work_numbers`` numbers."""
        record = self.record()
        one = _ONE[self._dtype]

        def work(first: int, stop: int, thread: int) -> None:
            space = torch.empty(work_numbers + self.lanes, dtype=self._dtype)
            # Vectors that straddle two cache lines take twice as long.
            address = -(-space.data_ptr() // 64) * 64
            kernel(one, record, address, first, stop, thread)

        share_out(tasks, threads, work)


def share_out(tasks: int, threads: int, call: Callable[[int, int, int], Any]) -> None:
    """Call ``call(first, stop, thread)`` for consecutive shares of the tasks, each in a thread of its own.

    Parameters
    ----------
    tasks : how many there are, at least as many as threads.
    threads : how many to use, the caller's among them; see :func:`usable_threads`.
    call : releases the interpreter's lock.

    Examples
    --------
    >>> share_out(3, 1, lambda first, stop, thread: print(first, stop, thread))
    0 3 0
    """
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


def usable_threads(tasks: int, vectors: int) -> int:
    """Return how many threads are worth using: no more than torch does, and one for little work.

    Parameters
    ----------
    tasks : parts that cannot be divided further.
    vectors : how much work all are together, in samples x states x blocks of LANES channels.

    Examples
    --------
    >>> usable_threads(100, 10)
    1
    """
    return max(1, min(torch.get_num_threads(), tasks, vectors // _WORTH_A_THREAD))


def divide_blocks(whole: int, blocks: int, vectors: int) -> int:
    """Return into how many slots the blocks of each whole must be divided to keep every thread busy.

    Parameters
    ----------
    whole : sums that every block of theirs adds to, which one thread at a time may write.
    blocks : blocks per whole.
    vectors : how much work all are together.

    Examples
    --------
    >>> divide_blocks(8, 4, 0), divide_blocks(1, 4, 0)
    (1, 1)
    """
    threads = usable_threads(whole * blocks, vectors)
    if whole % threads == 0 or whole >= 4 * threads:
        return 1
    return min(blocks, threads)
