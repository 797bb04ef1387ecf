"""Kernels of the gradients of Mamba-2's scan; symbols and dtypes as in ``ssd_kernels.py``."""

# mypy: allow-untyped-defs
from __future__ import annotations

from glaciertime.nn.gpu.launch import jit, tl
from glaciertime.nn.gpu.ssd_tiles import decays_between, decays_to_end, row, tile, weight

__all__ = ["gradient_of_matrices", "gradient_of_values"]


@jit
def gradient_of_values(
    x, gy, step, decay, B, C, entering, g_leaving, D, gx, gstep, gdecay, gD,
    x_b, x_l, x_h, x_p, gy_b, gy_l, gy_h, gy_p, row_b, row_l, row_h, B_b, B_l, B_g, B_n, C_b, C_l, C_g, C_n, D_h, D_p,
    length, chunks, heads, width, states, repeats,
    HAS_D: tl.constexpr, Q: tl.constexpr, BP: tl.constexpr, BN: tl.constexpr, K: tl.constexpr, T: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Write the gradients of x (B, L, H, P), of the steps and of the log decays (B, L, H), contiguous, of one chunk,
    and its part of that of D, (B, chunks, H, P).

    A decay between two samples j < t <= i weighs what j gives to i: its gradient is the sum of such products.
    """
    chunk = tl.program_id(0)
    head = tl.program_id(1).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    first = chunk * Q
    samples = first + tl.arange(0, Q)
    logs = row(decay + batch * row_b + head * row_h, row_l, first, length, Q, K)
    steps = row(step + batch * row_b + head * row_h, row_l, first, length, Q, K)
    to_end = decays_to_end(logs, Q)
    x += batch * x_b + head * x_h
    gy += batch * gy_b + head * gy_h
    B += batch * B_b + (head // repeats) * B_g
    C += batch * C_b + (head // repeats) * C_g
    place = (batch * chunks + chunk) * heads + head
    entering += place * width * states
    g_leaving += place * width * states
    products = tl.zeros([Q, Q], dtype=K)
    for start in range(0, states, BN):
        entries = start + tl.arange(0, BN)
        rows_B = tile(B, samples, B_l, length, entries, B_n, states, T)
        rows_C = tile(C, samples, C_l, length, entries, C_n, states, T)
        products += tl.dot(rows_C, tl.trans(rows_B), input_precision=PRECISION, out_dtype=K)
    mixing = products * decays_between(logs, Q)
    turned = tl.trans(mixing.to(T))
    pairs = tl.zeros([Q, Q], dtype=K)
    found_step = tl.zeros([Q], dtype=K)
    from_start = tl.zeros([Q], dtype=K)
    into_end = tl.zeros([Q], dtype=K)
    through = tl.zeros([BP, BN], dtype=K)
    for low in range(0, width, BP):
        channels = low + tl.arange(0, BP)
        values = tile(x, samples, x_l, length, channels, x_p, width, T)
        grads = tile(gy, samples, gy_l, length, channels, gy_p, width, T)
        pairs += tl.dot(grads, tl.trans(values), input_precision=PRECISION, out_dtype=K)
        from_end = tl.zeros([Q, BP], dtype=K)
        read = tl.zeros([Q, BP], dtype=K)
        for start in range(0, states, BN):
            entries = start + tl.arange(0, BN)
            rows_B = tile(B, samples, B_l, length, entries, B_n, states, T)
            rows_C = tile(C, samples, C_l, length, entries, C_n, states, T)
            state = tile(entering, channels, states, width, entries, 1, states, K)
            g_state = tile(g_leaving, channels, states, width, entries, 1, states, K)
            from_end += tl.dot(rows_B, tl.trans(g_state.to(T)), input_precision=PRECISION, out_dtype=K)
            read += tl.dot(rows_C, tl.trans(state.to(T)), input_precision=PRECISION, out_dtype=K)
            through += state * g_state
        from_end *= to_end[:, None]
        drive = tl.dot(turned, grads, input_precision=PRECISION, out_dtype=K) + from_end
        found_step += tl.sum(values.to(K) * drive, 1)
        into_end += tl.sum(values.to(K) * from_end, 1)
        from_start += tl.sum(grads.to(K) * read, 1)
        where = ((batch * length + samples)[:, None] * heads + head) * width + channels[None, :]
        inside = (samples < length)[:, None] & (channels < width)[None, :]
        found = drive * steps[:, None]
        if HAS_D:
            found += weight(D + head * D_h, channels, D_p, width, K)[None, :] * grads.to(K)
            tl.store(gD + place * width + channels, tl.sum(values.to(K) * grads.to(K), 0), mask=channels < width)
        tl.store(gx + where, found, mask=inside)
    # What j gives to i passes all decays with j < t <= i; that of t is summed with its parts one sample before it.
    order = tl.arange(0, Q)
    below = order[:, None] > order[None, :]
    passing = tl.where(below, tl.cumsum(tl.where(below, pairs * mixing * steps[None, :], 0.0), 1), 0.0)
    before = tl.sum(passing, 0) + tl.cumsum(into_end * steps, 0)
    found_decay = tl.sum(tl.where(order[:, None] + 1 == order[None, :], before[:, None], 0.0), 0)
    found_decay += tl.cumsum(tl.exp(tl.cumsum(logs, 0)) * from_start, 0, reverse=True)
    found_decay += tl.exp(tl.sum(logs, 0)) * tl.sum(tl.sum(through, 1), 0)
    where = (batch * length + samples) * heads + head
    tl.store(gstep + where, found_step, mask=samples < length)
    tl.store(gdecay + where, found_decay, mask=samples < length)


@jit
def gradient_of_matrices(
    x, gy, step, decay, B, C, entering, g_leaving, gB, gC,
    x_b, x_l, x_h, x_p, gy_b, gy_l, gy_h, gy_p, row_b, row_l, row_h, B_b, B_l, B_g, B_n, C_b, C_l, C_g, C_n, length,
    chunks, heads, width, states, repeats, shares, groups,
    Q: tl.constexpr, BP: tl.constexpr, BN: tl.constexpr, K: tl.constexpr, T: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Write the gradients of B and C of one chunk, summed over a share of a group's heads: (shares, B, L, G, N)."""
    chunk = tl.program_id(0)
    entries = tl.program_id(1) * BN + tl.arange(0, BN)
    share = tl.program_id(2) % shares
    group = ((tl.program_id(2) // shares) % groups).to(tl.int64)
    batch = (tl.program_id(2) // (shares * groups)).to(tl.int64)
    first = chunk * Q
    samples = first + tl.arange(0, Q)
    pairs = tl.zeros([Q, Q], dtype=K)
    found_B = tl.zeros([Q, BN], dtype=K)
    found_C = tl.zeros([Q, BN], dtype=K)
    for turn in range(repeats // shares):
        head = group * repeats + share * (repeats // shares) + turn
        logs = row(decay + batch * row_b + head * row_h, row_l, first, length, Q, K)
        steps = row(step + batch * row_b + head * row_h, row_l, first, length, Q, K)
        place = ((batch * chunks + chunk) * heads + head) * width * states
        of_head = tl.zeros([Q, Q], dtype=K)
        from_end = tl.zeros([Q, BN], dtype=K)
        from_start = tl.zeros([Q, BN], dtype=K)
        for low in range(0, width, BP):
            channels = low + tl.arange(0, BP)
            values = tile(x + batch * x_b + head * x_h, samples, x_l, length, channels, x_p, width, T)
            grads = tile(gy + batch * gy_b + head * gy_h, samples, gy_l, length, channels, gy_p, width, T)
            state = tile(entering + place, channels, states, width, entries, 1, states, T)
            g_state = tile(g_leaving + place, channels, states, width, entries, 1, states, T)
            of_head += tl.dot(grads, tl.trans(values), input_precision=PRECISION, out_dtype=K)
            from_end += tl.dot(values, g_state, input_precision=PRECISION, out_dtype=K)
            from_start += tl.dot(grads, state, input_precision=PRECISION, out_dtype=K)
        pairs += of_head * decays_between(logs, Q) * steps[None, :]
        found_B += (steps * decays_to_end(logs, Q))[:, None] * from_end
        found_C += tl.exp(tl.cumsum(logs, 0))[:, None] * from_start
    weights = pairs.to(T)
    rows_B = tile(B + batch * B_b + group * B_g, samples, B_l, length, entries, B_n, states, T)
    rows_C = tile(C + batch * C_b + group * C_g, samples, C_l, length, entries, C_n, states, T)
    found_B += tl.dot(tl.trans(weights), rows_C, input_precision=PRECISION, out_dtype=K)
    found_C += tl.dot(weights, rows_B, input_precision=PRECISION, out_dtype=K)
    batches = tl.num_programs(2) // (shares * groups)
    line = ((share * batches + batch) * length + samples) * groups + group
    where = line[:, None] * states + entries[None, :]
    inside = (samples < length)[:, None] & (entries < states)[None, :]
    tl.store(gB + where, found_B, mask=inside)
    tl.store(gC + where, found_C, mask=inside)
