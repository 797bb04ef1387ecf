"""The scan of Mamba-2 as matrix products over chunks of the sequence: for a GPU, and for an exported graph.

Within a chunk the recurrence is one product with a masked matrix of decays; the states between chunks are another,
over blocks of chunks, and those between blocks a third, so that no matrix grows with the square of the length.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from glaciertime.nn.checks import is_tracing

__all__ = ["ssd_chunked"]

_CHUNKS_PER_BLOCK = 64
# An exported graph always carries whole blocks, and an image's sequence is often shorter than one of 64.
_CHUNKS_PER_EXPORTED_BLOCK = 16


def ssd_chunked(
    x: Tensor,
    step: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    h0: Tensor | None,
    *,
    chunk_size: int = 64,
) -> tuple[Tensor, Tensor]:
    """Run h[t] = exp(log_decay[t]) h[t-1] + step[t] x[t] B[t]^T and y[t] = h[t] C[t].

    Parameters
    ----------
    x : (B, L, H, P)
    step, log_decay : (B, L, H); in float32 where x has half precision.
    B, C : (B, L, G, N)
    h0 : (B, H, P, N)
    chunk_size : samples per chunk.

    Returns
    -------
    y : (B, L, H, P)
    last_state : (B, H, P, N)

    Examples
    --------
    >>> ones = torch.ones(1, 3, 1, 1)
    >>> y, h = ssd_chunked(ones, ones[..., 0], torch.zeros(1, 3, 1), ones, ones, None, chunk_size=2)
    >>> y.flatten().tolist(), h.item()
    ([1.0, 2.0, 3.0], 3.0)
    """
    # One by one: of a slice of its shape a tracer keeps the numbers of the example.
    length, heads = x.shape[1], x.shape[2]
    repeats = heads // B.shape[2]
    # Padding by up to a whole chunk keeps the length symbolic in an exported graph.
    drive = _cut(x * step[..., None].to(x.dtype), chunk_size)
    B = _cut(B, chunk_size)
    C = _cut(C, chunk_size)
    pad = (-length) % chunk_size
    padded = functional.pad(log_decay, (0, 0, 0, pad))
    log_decays = padded.unflatten(1, (-1, chunk_size)).movedim(-1, 2)
    cumulated = log_decays.cumsum(-1)
    between = _decay_between(log_decays)
    mixing = (C @ B.mT).repeat_interleave(repeats, dim=2) * between.to(x.dtype)
    within = mixing @ drive
    # What each chunk adds to the state at its end.
    to_end = between[..., -1, :, None].to(x.dtype)
    added = ((drive * to_end).mT @ B.repeat_interleave(repeats, dim=2)).to(log_decay.dtype)
    entering, last = _carry(cumulated[..., -1], added, h0)
    faded = C.repeat_interleave(repeats, dim=2) * torch.exp(cumulated)[..., None].to(x.dtype)
    y = within + faded @ entering.to(x.dtype).mT
    return y.movedim(2, 3).flatten(1, 2)[:, :length], last


def _cut(sequence: Tensor, chunk_size: int) -> Tensor:
    """Return (B, L, H, P), padded with zeros, as (B, chunks, H, chunk_size, P)."""
    pad = (-sequence.shape[1]) % chunk_size
    return functional.pad(sequence, (0, 0, 0, 0, 0, pad)).unflatten(1, (-1, chunk_size)).movedim(3, 2)


def _carry(log_decay: Tensor, added: Tensor, h0: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the states that enter each chunk, (B, chunks, H, P, N), and the one after the last, (B, H, P, N).

    ``log_decay`` is (B, chunks, H), over a whole chunk; ``added`` (B, chunks, H, P, N).
    """
    batch, chunks = added.shape[0], added.shape[1]
    if not is_tracing() and chunks <= _CHUNKS_PER_BLOCK:
        return _carry_block(log_decay, added, h0)
    size = _CHUNKS_PER_EXPORTED_BLOCK if is_tracing() else _CHUNKS_PER_BLOCK
    pad = (-chunks) % size
    blocks = functional.pad(log_decay, (0, 0, 0, pad)).unflatten(1, (-1, size))
    inner = functional.pad(added, (0, 0, 0, 0, 0, 0, 0, pad)).unflatten(1, (-1, size))
    count = blocks.shape[1]
    entering, leaving = _carry_block(blocks.flatten(0, 1), inner.flatten(0, 1), None)
    before, last = _carry_block(blocks.sum(2), leaving.unflatten(0, (batch, count)), h0)
    # A state that enters a block reaches its k-th chunk faded by the chunks before that.
    reach = torch.exp(functional.pad(blocks[:, :, :-1].cumsum(2), (0, 0, 1, 0)))
    entering = entering.unflatten(0, (batch, count)) + reach[..., None, None] * before[:, :, None]
    return entering.flatten(1, 2)[:, :chunks], last


def _carry_block(log_decay: Tensor, added: Tensor, h0: Tensor | None) -> tuple[Tensor, Tensor]:
    first = torch.zeros_like(added[:, :1]) if h0 is None else h0[:, None]
    boundary = torch.cat([first, added], dim=1).movedim(2, 1)
    states = (
        (_decay_between(functional.pad(log_decay.mT, (1, 0))) @ boundary.flatten(-2))
        .unflatten(-1, added.shape[-2:])
        .movedim(1, 2)
    )
    return states[:, :-1], states[:, -1]


def _decay_between(log_decay: Tensor) -> Tensor:
    """Return the decay from sample j (last axis) to sample i (the axis before), 0 above the diagonal.

    It sums what lies between the two alone: a difference of two running sums loses all figures beside one long gap.
    """
    size = log_decay.shape[-1]
    all_pairs = torch.ones(size, size, dtype=torch.bool, device=log_decay.device)
    between = log_decay[..., :, None].masked_fill(all_pairs.triu(), 0.0).cumsum(-2)
    return torch.exp(between.masked_fill(all_pairs.triu(1), float("-inf")))
