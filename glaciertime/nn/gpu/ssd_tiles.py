"""What the kernels of Mamba-2's scan read of a chunk: rows, matrices, and the decays between its samples."""

# mypy: allow-untyped-defs
from __future__ import annotations

from glaciertime.nn.gpu.launch import jit, tl

__all__ = ["decays_between", "decays_to_end", "row", "tile", "weight"]


@jit
def row(pointer, stride, first, length, Q: tl.constexpr, K: tl.constexpr):
    """Return one number per sample of a chunk, 0 past the end of the sequence."""
    place = first + tl.arange(0, Q)
    return tl.load(pointer + place.to(tl.int64) * stride, mask=place < length, other=0.0).to(K)


@jit
def weight(pointer, channels, stride, width, K: tl.constexpr):
    """Return the weight of the input for each channel."""
    return tl.load(pointer + channels * stride, mask=channels < width, other=0.0).to(K)


@jit
def tile(pointer, rows, row_stride, row_end, columns, column_stride, column_end, T: tl.constexpr):
    """Return a matrix, 0 beyond its ends."""
    inside = (rows < row_end)[:, None] & (columns < column_end)[None, :]
    where = rows.to(tl.int64)[:, None] * row_stride + columns.to(tl.int64)[None, :] * column_stride
    return tl.load(pointer + where, mask=inside, other=0.0).to(T)


@jit
def _spread(logs, Q: tl.constexpr):
    """Return what each sample t (row) takes from each sample j before it (column): log decays where t > j, else 0.

    Sums over rows are then sums of what lies between two samples alone. A difference of two running sums would lose
    all figures beside one long gap.
    """
    place = tl.arange(0, Q)
    return tl.where(place[:, None] > place[None, :], logs[:, None], 0.0)


@jit
def decays_between(logs, Q: tl.constexpr):
    """Return the decay from sample j (column) to sample i (row), 0 above the diagonal."""
    place = tl.arange(0, Q)
    return tl.where(place[:, None] >= place[None, :], tl.exp(tl.cumsum(_spread(logs, Q), 0)), 0.0)


@jit
def decays_to_end(logs, Q: tl.constexpr):
    """Return the decay from each sample to the end of the chunk."""
    return tl.exp(tl.sum(_spread(logs, Q), 0))
