"""Kernels of Mamba-2's scan over chunks, with matrix products on tensor cores; what each computes is in ``ssd.py``.

With a[i, j] the decay from sample j of a chunk to sample i of it, a[end, j] to its end, a[i] and a from its start,
H the state that enters it and u = step x, of every chunk::

    y[i]  = sum over j <= i of a[i, j] (C[i] . B[j]) u[j]  +  a[i] H C[i]
    H'    = a H  +  sum over j of a[end, j] u[j] B[j]^T

``K`` is the dtype of sums, ``T`` that in which matrices are multiplied, ``PRECISION`` how float32 is: all fixed when a
kernel is compiled.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

from glaciertime.nn.gpu.launch import jit, tl
from glaciertime.nn.gpu.ssd_tiles import decays_between, decays_to_end, row, tile, weight

__all__ = ["add_to_states", "mix_chunk", "pass_states"]


@jit
def add_to_states(
    value, step, decay, matrix, states_of_chunks, totals,
    value_b, value_l, value_h, value_p, row_b, row_l, row_h, matrix_b, matrix_l, matrix_g, matrix_n, length, chunks,
    heads, width, states, repeats,
    BACKWARD: tl.constexpr, Q: tl.constexpr, BP: tl.constexpr, BN: tl.constexpr, K: tl.constexpr, T: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Write what a chunk adds to the state at its end, (B, chunks, H, P, N), and its whole log decay, (B, chunks, H).

    Backward the values are the gradients of y and the matrix is C: what the chunk adds to the gradient of the state
    that enters it.
    """
    chunk = tl.program_id(0)
    head = tl.program_id(1).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    blocks = tl.cdiv(states, BN) * tl.cdiv(width, BP)
    block = chunk % blocks
    chunk = chunk // blocks
    channels = (block // tl.cdiv(states, BN)) * BP + tl.arange(0, BP)
    entries = (block % tl.cdiv(states, BN)) * BN + tl.arange(0, BN)
    first = chunk * Q
    samples = first + tl.arange(0, Q)
    logs = row(decay + batch * row_b + head * row_h, row_l, first, length, Q, K)
    if BACKWARD:
        weights = tl.exp(tl.cumsum(logs, 0))
    else:
        weights = decays_to_end(logs, Q) * row(step + batch * row_b + head * row_h, row_l, first, length, Q, K)
    values = tile(value + batch * value_b + head * value_h, samples, value_l, length, channels, value_p, width, K)
    rows = tile(
        matrix + batch * matrix_b + (head // repeats) * matrix_g,
        samples,
        matrix_l,
        length,
        entries,
        matrix_n,
        states,
        T,
    )
    added = tl.dot(tl.trans((values * weights[:, None]).to(T)), rows, input_precision=PRECISION, out_dtype=K)
    place = (batch * chunks + chunk) * heads + head
    where = channels.to(tl.int64)[:, None] * states + entries[None, :]
    inside = (channels < width)[:, None] & (entries < states)[None, :]
    tl.store(states_of_chunks + place * width * states + where, added, mask=inside)
    if block == 0:
        tl.store(totals + place, tl.sum(logs, 0))


@jit
def _added(states, totals, chunk, inside, heads, size, chunks, K: tl.constexpr):
    """Return what a chunk adds and its whole log decay, 0 and 0 where there is no such chunk."""
    there = (chunk >= 0) & (chunk < chunks)
    place = chunk.to(tl.int64) * heads
    added = tl.load(states + place * size, mask=inside & there, other=0.0).to(K)
    return added, tl.load(totals + place, mask=there, other=0.0).to(K)


@jit
def _pass(states, state, added, total, chunk, inside, heads, size, chunks):
    """Write the state that enters a chunk, and return the one that leaves it."""
    there = (chunk >= 0) & (chunk < chunks)
    tl.store(states + chunk.to(tl.int64) * heads * size, state, mask=inside & there)
    return tl.exp(total) * state + added


@jit
def pass_states(
    states_of_chunks, totals, start, end,
    chunks, heads, size,
    HAS_START: tl.constexpr, BACKWARD: tl.constexpr, BLOCK: tl.constexpr, K: tl.constexpr,
):  # fmt: skip
    """Turn what every chunk adds into the state that enters it, in place, and write the one after the last.

    Backward it runs from the last chunk to the first, from the gradient of the last state to that of the first: what
    is left in place is the gradient of the state that leaves each chunk.
    """
    head = tl.program_id(1).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    entries = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = entries < size
    whole = (batch * heads + head) * size + entries
    if HAS_START:  # noqa: SIM108
        state = tl.load(start + whole, mask=inside, other=0.0).to(K)
    else:
        state = tl.zeros([BLOCK], dtype=K)
    first = states_of_chunks + batch * chunks * heads * size + head * size + entries
    totals += batch * chunks * heads + head
    for turn in range(0, chunks, 4):
        # Four are on their way at once: one after the other, the memory's answer is what takes the time.
        place_0 = chunks - 1 - turn if BACKWARD else turn
        place_1 = chunks - 2 - turn if BACKWARD else turn + 1
        place_2 = chunks - 3 - turn if BACKWARD else turn + 2
        place_3 = chunks - 4 - turn if BACKWARD else turn + 3
        added_0, total_0 = _added(first, totals, place_0, inside, heads, size, chunks, K)
        added_1, total_1 = _added(first, totals, place_1, inside, heads, size, chunks, K)
        added_2, total_2 = _added(first, totals, place_2, inside, heads, size, chunks, K)
        added_3, total_3 = _added(first, totals, place_3, inside, heads, size, chunks, K)
        state = _pass(first, state, added_0, total_0, place_0, inside, heads, size, chunks)
        state = _pass(first, state, added_1, total_1, place_1, inside, heads, size, chunks)
        state = _pass(first, state, added_2, total_2, place_2, inside, heads, size, chunks)
        state = _pass(first, state, added_3, total_3, place_3, inside, heads, size, chunks)
    tl.store(end + whole, state, mask=inside)


@jit
def mix_chunk(
    x, step, decay, B, C, entering, D, z, gy, y, gz,
    x_b, x_l, x_h, x_p, row_b, row_l, row_h, B_b, B_l, B_g, B_n, C_b, C_l, C_g, C_n, D_h, D_p, z_b, z_l, z_h, z_p,
    gy_b, gy_l, gy_h, gy_p, length, chunks, heads, width, states, repeats,
    HAS_D: tl.constexpr, HAS_Z: tl.constexpr, BACKWARD: tl.constexpr, Q: tl.constexpr, BP: tl.constexpr,
    BN: tl.constexpr, K: tl.constexpr, T: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Write y (B, L, H, P), contiguous, of one chunk and a block of channels: (y + D x) silu(z).

    Backward y is the gradient of what the gate multiplies, and gz that of the gate.
    """
    blocks = tl.cdiv(width, BP)
    chunk = tl.program_id(0) // blocks
    head = tl.program_id(1).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    channels = (tl.program_id(0) % blocks) * BP + tl.arange(0, BP)
    first = chunk * Q
    samples = first + tl.arange(0, Q)
    logs = row(decay + batch * row_b + head * row_h, row_l, first, length, Q, K)
    steps = row(step + batch * row_b + head * row_h, row_l, first, length, Q, K)
    B += batch * B_b + (head // repeats) * B_g
    C += batch * C_b + (head // repeats) * C_g
    entering += ((batch * chunks + chunk) * heads + head) * width * states
    products = tl.zeros([Q, Q], dtype=K)
    faded = tl.zeros([Q, BP], dtype=K)
    for start in range(0, states, BN):
        entries = start + tl.arange(0, BN)
        rows_B = tile(B, samples, B_l, length, entries, B_n, states, T)
        rows_C = tile(C, samples, C_l, length, entries, C_n, states, T)
        state = tile(entering, channels, states, width, entries, 1, states, T)
        products += tl.dot(rows_C, tl.trans(rows_B), input_precision=PRECISION, out_dtype=K)
        faded += tl.dot(rows_C, tl.trans(state), input_precision=PRECISION, out_dtype=K)
    mixing = products * decays_between(logs, Q) * steps[None, :]
    values = tile(x + batch * x_b + head * x_h, samples, x_l, length, channels, x_p, width, T)
    found = tl.dot(mixing.to(T), values, input_precision=PRECISION, out_dtype=K)
    found += tl.exp(tl.cumsum(logs, 0))[:, None] * faded
    where = ((batch * length + samples)[:, None] * heads + head) * width + channels[None, :]
    inside = (samples < length)[:, None] & (channels < width)[None, :]
    if HAS_D:
        found += weight(D + head * D_h, channels, D_p, width, K)[None, :] * values.to(K)
    if HAS_Z:
        gate = tile(z + batch * z_b + head * z_h, samples, z_l, length, channels, z_p, width, K)
        open_share = 1.0 / (1.0 + tl.exp(-gate))
        if BACKWARD:
            grads = tile(gy + batch * gy_b + head * gy_h, samples, gy_l, length, channels, gy_p, width, K)
            slope = open_share * (1.0 + gate * (1.0 - open_share))
            tl.store(gz + where, grads * found * slope, mask=inside)
            found = grads * gate * open_share
        else:
            found *= gate * open_share
    tl.store(y + where, found, mask=inside)
