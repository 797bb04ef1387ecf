"""How Mamba-2's scan is cut into programs, and what each of its kernels is given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from glaciertime.nn.gpu import ssd_gradients, ssd_kernels
from glaciertime.nn.gpu.launch import INTERPRETED, launch, padded, strides_of, tl

__all__ = ["Plan", "samples_per_chunk"]

# 16 is the least that a matrix product takes.
_LEAST = 16
# Samples, channels and states in a block, by the bytes of a number, and the warps that share it: the quickest on an
# H200 among what registers hold.
_MOST = {2: (64, 64, 64), 4: (64, 32, 32), 8: (32, 32, 32)}
_WARPS = {2: 8, 4: 4, 8: 4}
_BLOCK_OF_STATES = 512
# As many programs keep a large GPU busy while it sums the gradients of B and C over heads.
_PROGRAMS_WANTED = 512


def samples_per_chunk(chunk_size: int, dtype: torch.dtype) -> int:
    """Return the samples per chunk that a kernel takes: the power of two at or below what is asked, in its limits.

    Examples
    --------
    >>> samples_per_chunk(50, torch.float32), samples_per_chunk(1, torch.float32)
    (32, 16)
    """
    return min(max(1 << (chunk_size.bit_length() - 1), _LEAST), _MOST[dtype.itemsize][0])


class Plan:
    """One scan cut into chunks of samples and blocks of channels and states; its methods launch the kernels."""

    def __init__(self, x: Tensor, step: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, chunk: int) -> None:
        self.batch, self.length, self.heads, self.width = x.shape
        self.groups, self.states = B.shape[2:]
        # One set of strides serves the steps and the decays.
        self.x, self.B, self.C, self.rows = x, B, C, (step.contiguous(), log_decay.contiguous())
        self.chunks = -(-self.length // chunk)
        _, *most = _MOST[x.dtype.itemsize]
        sizes = zip((self.width, self.states), most, strict=True)
        width, states = (min(max(padded(size), _LEAST), limit) for size, limit in sizes)
        self.blocks_of_width, self.blocks_of_states = -(-self.width // width), -(-self.states // states)
        self.sizes = (self.length, self.chunks, self.heads, self.width, self.states, self.heads // self.groups)
        # In the order in which all kernels that multiply matrices take them.
        self.number, *others = _kinds(x, step)
        self.constants = (chunk, width, states, self.number, *others)
        self.options = {"num_warps": _WARPS[x.dtype.itemsize], "num_stages": 1}

    def add_to_states(self, value: Tensor, matrix: Tensor, out: Tensor, totals: Tensor, *, backward: bool) -> None:
        """Write what every chunk adds to the state at its end; backward, to the gradient of the state before it."""
        grid = (self.chunks * self.blocks_of_width * self.blocks_of_states, self.heads, self.batch)
        tensors = (value, *self.rows, matrix, out, totals)
        strides = (*value.stride(), *self._row_strides(), *matrix.stride())
        launch(
            ssd_kernels.add_to_states, grid, tensors, (*strides, *self.sizes, backward, *self.constants), **self.options
        )  # fmt: skip

    def pass_states(
        self, of_chunks: Tensor, totals: Tensor, start: Tensor | None, end: Tensor, *, backward: bool
    ) -> None:
        """Turn what the chunks add into the states that enter them, in place; backward, from the end."""
        size = self.width * self.states
        block = min(padded(size), _BLOCK_OF_STATES)
        first = of_chunks if start is None else start.contiguous()
        fixed = (start is not None, backward, block, self.number)
        launch(
            ssd_kernels.pass_states, (-(-size // block), self.heads, self.batch), (of_chunks, totals, first, end),
            (self.chunks, self.heads, size, *fixed),
        )  # fmt: skip

    def mix_chunks(self, entering: Tensor, D: Tensor | None, z: Tensor | None, y: Tensor, *backward: Tensor) -> None:
        """Write y; given the gradient of y and room for that of z, write the gradient of what the gate multiplies."""
        gy, gz = backward or (y, y)
        x = self.x
        tensors = (x, *self.rows, self.B, self.C, entering, x if D is None else D, x if z is None else z, gy, y, gz)
        strides = (*x.stride(), *self._row_strides(), *self.B.stride(), *self.C.stride())
        strides += (*strides_of(D, 2), *strides_of(z, 4), *gy.stride())
        grid = (self.chunks * self.blocks_of_width, self.heads, self.batch)
        fixed = (D is not None, z is not None, bool(backward), *self.constants)
        launch(ssd_kernels.mix_chunk, grid, tensors, (*strides, *self.sizes, *fixed), **self.options)

    def differentiate(
        self, gy: Tensor, entering: Tensor, g_leaving: Tensor, D: Tensor | None, found: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Write the gradients of x, the steps, the log decays and D into ``found``; return those of B and C."""
        x, B, C = self.x, self.B, self.C
        read = (x, gy, *self.rows, B, C, entering, g_leaving)
        strides = (*x.stride(), *gy.stride(), *self._row_strides(), *B.stride(), *C.stride())
        shares = self._shares()
        of_shares = entering.new_empty(2, shares, *B.shape) if shares > 1 else None
        # One share is the whole: it is written where it stays.
        room = [entering.new_empty(B.shape) for _ in range(2)] if of_shares is None else list(of_shares)
        launch(
            ssd_gradients.gradient_of_values, (self.chunks, self.heads, self.batch),
            (*read, x if D is None else D, *found),
            (*strides, *strides_of(D, 2), *self.sizes, D is not None, *self.constants), **self.options,
        )  # fmt: skip
        launch(
            ssd_gradients.gradient_of_matrices,
            (self.chunks, self.blocks_of_states, self.batch * self.groups * shares), (*read, *room),
            (*strides, *self.sizes, shares, self.groups, *self.constants), **self.options,
        )  # fmt: skip
        if of_shares is None:
            return room[0].to(B.dtype), room[1].to(C.dtype)
        gB, gC = of_shares.sum(1)
        # An operator may not return two views of one tensor.
        return gB.to(B.dtype, copy=True), gC.to(C.dtype, copy=True)

    def _row_strides(self) -> tuple[int, ...]:
        return self.rows[0].stride()

    def _shares(self) -> int:
        """Return into how many shares the heads of a group are divided, so that there is work for a whole GPU."""
        repeats = self.heads // self.groups
        wanted = _PROGRAMS_WANTED / (self.batch * self.chunks * self.groups * self.blocks_of_states)
        return next(n for n in range(1, repeats + 1) if repeats % n == 0 and (n >= wanted or n == repeats))


def _kinds(x: Tensor, step: Tensor) -> tuple[Any, Any, str]:
    """Return in which dtype a kernel adds up, in which it multiplies, and how float32 is multiplied."""
    kinds = {
        torch.float64: tl.float64,
        torch.float32: tl.float32,
        torch.float16: tl.float16,
        torch.bfloat16: tl.bfloat16,
    }
    sums = kinds[step.dtype]
    # The interpreter multiplies bfloat16 as integers. Three products of TF32 are as good as one of float32.
    precision = "tf32x3" if x.dtype == torch.float32 and not INTERPRETED else "ieee"
    return sums, sums if INTERPRETED else kinds[x.dtype], precision
