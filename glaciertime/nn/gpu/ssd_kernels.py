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

__all__ = ["add_to_states", "gradient_of_matrices", "gradient_of_values", "mix_chunk", "pass_states"]


@jit
def _row(pointer, stride, first, length, Q: tl.constexpr, K: tl.constexpr):
    """Return one number per sample of a chunk, 0 past the end of the sequence."""
    place = first + tl.arange(0, Q)
    return tl.load(pointer + place.to(tl.int64) * stride, mask=place < length, other=0.0).to(K)


@jit
def _weight(pointer, channels, stride, width, K: tl.constexpr):
    """Return the weight of the input for each channel."""
    return tl.load(pointer + channels * stride, mask=channels < width, other=0.0).to(K)


@jit
def _tile(pointer, rows, row_stride, row_end, columns, column_stride, column_end, T: tl.constexpr):
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
def _decays_between(logs, Q: tl.constexpr):
    """Return the decay from sample j (column) to sample i (row), 0 above the diagonal."""
    place = tl.arange(0, Q)
    return tl.where(place[:, None] >= place[None, :], tl.exp(tl.cumsum(_spread(logs, Q), 0)), 0.0)


@jit
def _decays_to_end(logs, Q: tl.constexpr):
    """Return the decay from each sample to the end of the chunk."""
    return tl.exp(tl.sum(_spread(logs, Q), 0))


@jit
def add_to_states(
    value,
    value_b,
    value_l,
    value_h,
    value_p,
    step,
    decay,
    row_b,
    row_l,
    row_h,
    matrix,
    matrix_b,
    matrix_l,
    matrix_g,
    matrix_n,
    states_of_chunks,
    totals,
    length,
    chunks,
    heads,
    width,
    states,
    repeats,
    BACKWARD: tl.constexpr,
    Q: tl.constexpr,
    BP: tl.constexpr,
    BN: tl.constexpr,
    K: tl.constexpr,
    T: tl.constexpr,
    PRECISION: tl.constexpr,
):
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
    logs = _row(decay + batch * row_b + head * row_h, row_l, first, length, Q, K)
    if BACKWARD:
        weight = tl.exp(tl.cumsum(logs, 0))
    else:
        weight = _decays_to_end(logs, Q) * _row(step + batch * row_b + head * row_h, row_l, first, length, Q, K)
    values = _tile(value + batch * value_b + head * value_h, samples, value_l, length, channels, value_p, width, K)
    rows = _tile(
        matrix + batch * matrix_b + (head // repeats) * matrix_g,
        samples,
        matrix_l,
        length,
        entries,
        matrix_n,
        states,
        T,
    )
    added = tl.dot(tl.trans((values * weight[:, None]).to(T)), rows, input_precision=PRECISION, out_dtype=K)
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
    states_of_chunks,
    totals,
    start,
    end,
    chunks,
    heads,
    size,
    HAS_START: tl.constexpr,
    BACKWARD: tl.constexpr,
    BLOCK: tl.constexpr,
    K: tl.constexpr,
):
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
    x,
    x_b,
    x_l,
    x_h,
    x_p,
    step,
    decay,
    row_b,
    row_l,
    row_h,
    B,
    B_b,
    B_l,
    B_g,
    B_n,
    C,
    C_b,
    C_l,
    C_g,
    C_n,
    entering,
    D,
    D_h,
    D_p,
    z,
    z_b,
    z_l,
    z_h,
    z_p,
    gy,
    gy_b,
    gy_l,
    gy_h,
    gy_p,
    y,
    gz,
    length,
    chunks,
    heads,
    width,
    states,
    repeats,
    HAS_D: tl.constexpr,
    HAS_Z: tl.constexpr,
    BACKWARD: tl.constexpr,
    Q: tl.constexpr,
    BP: tl.constexpr,
    BN: tl.constexpr,
    K: tl.constexpr,
    T: tl.constexpr,
    PRECISION: tl.constexpr,
):
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
    logs = _row(decay + batch * row_b + head * row_h, row_l, first, length, Q, K)
    steps = _row(step + batch * row_b + head * row_h, row_l, first, length, Q, K)
    B += batch * B_b + (head // repeats) * B_g
    C += batch * C_b + (head // repeats) * C_g
    entering += ((batch * chunks + chunk) * heads + head) * width * states
    products = tl.zeros([Q, Q], dtype=K)
    faded = tl.zeros([Q, BP], dtype=K)
    for start in range(0, states, BN):
        entries = start + tl.arange(0, BN)
        rows_B = _tile(B, samples, B_l, length, entries, B_n, states, T)
        rows_C = _tile(C, samples, C_l, length, entries, C_n, states, T)
        state = _tile(entering, channels, states, width, entries, 1, states, T)
        products += tl.dot(rows_C, tl.trans(rows_B), input_precision=PRECISION, out_dtype=K)
        faded += tl.dot(rows_C, tl.trans(state), input_precision=PRECISION, out_dtype=K)
    mixing = products * _decays_between(logs, Q) * steps[None, :]
    values = _tile(x + batch * x_b + head * x_h, samples, x_l, length, channels, x_p, width, T)
    found = tl.dot(mixing.to(T), values, input_precision=PRECISION, out_dtype=K)
    found += tl.exp(tl.cumsum(logs, 0))[:, None] * faded
    where = ((batch * length + samples)[:, None] * heads + head) * width + channels[None, :]
    inside = (samples < length)[:, None] & (channels < width)[None, :]
    if HAS_D:
        found += _weight(D + head * D_h, channels, D_p, width, K)[None, :] * values.to(K)
    if HAS_Z:
        gate = _tile(z + batch * z_b + head * z_h, samples, z_l, length, channels, z_p, width, K)
        open_share = 1.0 / (1.0 + tl.exp(-gate))
        if BACKWARD:
            grads = _tile(gy + batch * gy_b + head * gy_h, samples, gy_l, length, channels, gy_p, width, K)
            slope = open_share * (1.0 + gate * (1.0 - open_share))
            tl.store(gz + where, grads * found * slope, mask=inside)
            found = grads * gate * open_share
        else:
            found *= gate * open_share
    tl.store(y + where, found, mask=inside)


@jit
def gradient_of_values(
    x,
    x_b,
    x_l,
    x_h,
    x_p,
    gy,
    gy_b,
    gy_l,
    gy_h,
    gy_p,
    step,
    decay,
    row_b,
    row_l,
    row_h,
    B,
    B_b,
    B_l,
    B_g,
    B_n,
    C,
    C_b,
    C_l,
    C_g,
    C_n,
    entering,
    g_leaving,
    D,
    D_h,
    D_p,
    gx,
    gstep,
    gdecay,
    gD,
    length,
    chunks,
    heads,
    width,
    states,
    repeats,
    HAS_D: tl.constexpr,
    Q: tl.constexpr,
    BP: tl.constexpr,
    BN: tl.constexpr,
    K: tl.constexpr,
    T: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Write the gradients of x (B, L, H, P), of the steps and of the log decays (B, L, H), contiguous, of one chunk,
    and its part of that of D, (B, chunks, H, P).

    A decay between two samples j < t <= i weighs what j gives to i: its gradient is the sum of such products.
    """
    chunk = tl.program_id(0)
    head = tl.program_id(1).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    first = chunk * Q
    samples = first + tl.arange(0, Q)
    logs = _row(decay + batch * row_b + head * row_h, row_l, first, length, Q, K)
    steps = _row(step + batch * row_b + head * row_h, row_l, first, length, Q, K)
    to_end = _decays_to_end(logs, Q)
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
        rows_B = _tile(B, samples, B_l, length, entries, B_n, states, T)
        rows_C = _tile(C, samples, C_l, length, entries, C_n, states, T)
        products += tl.dot(rows_C, tl.trans(rows_B), input_precision=PRECISION, out_dtype=K)
    mixing = products * _decays_between(logs, Q)
    turned = tl.trans(mixing.to(T))
    pairs = tl.zeros([Q, Q], dtype=K)
    found_step = tl.zeros([Q], dtype=K)
    from_start = tl.zeros([Q], dtype=K)
    into_end = tl.zeros([Q], dtype=K)
    through = tl.zeros([BP, BN], dtype=K)
    for low in range(0, width, BP):
        channels = low + tl.arange(0, BP)
        values = _tile(x, samples, x_l, length, channels, x_p, width, T)
        grads = _tile(gy, samples, gy_l, length, channels, gy_p, width, T)
        pairs += tl.dot(grads, tl.trans(values), input_precision=PRECISION, out_dtype=K)
        from_end = tl.zeros([Q, BP], dtype=K)
        read = tl.zeros([Q, BP], dtype=K)
        for start in range(0, states, BN):
            entries = start + tl.arange(0, BN)
            rows_B = _tile(B, samples, B_l, length, entries, B_n, states, T)
            rows_C = _tile(C, samples, C_l, length, entries, C_n, states, T)
            state = _tile(entering, channels, states, width, entries, 1, states, K)
            g_state = _tile(g_leaving, channels, states, width, entries, 1, states, K)
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
            found += _weight(D + head * D_h, channels, D_p, width, K)[None, :] * grads.to(K)
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
    x,
    x_b,
    x_l,
    x_h,
    x_p,
    gy,
    gy_b,
    gy_l,
    gy_h,
    gy_p,
    step,
    decay,
    row_b,
    row_l,
    row_h,
    B,
    B_b,
    B_l,
    B_g,
    B_n,
    C,
    C_b,
    C_l,
    C_g,
    C_n,
    entering,
    g_leaving,
    gB,
    gC,
    length,
    chunks,
    heads,
    width,
    states,
    repeats,
    shares,
    groups,
    Q: tl.constexpr,
    BP: tl.constexpr,
    BN: tl.constexpr,
    K: tl.constexpr,
    T: tl.constexpr,
    PRECISION: tl.constexpr,
):
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
        logs = _row(decay + batch * row_b + head * row_h, row_l, first, length, Q, K)
        steps = _row(step + batch * row_b + head * row_h, row_l, first, length, Q, K)
        place = ((batch * chunks + chunk) * heads + head) * width * states
        of_head = tl.zeros([Q, Q], dtype=K)
        from_end = tl.zeros([Q, BN], dtype=K)
        from_start = tl.zeros([Q, BN], dtype=K)
        for low in range(0, width, BP):
            channels = low + tl.arange(0, BP)
            values = _tile(x + batch * x_b + head * x_h, samples, x_l, length, channels, x_p, width, T)
            grads = _tile(gy + batch * gy_b + head * gy_h, samples, gy_l, length, channels, gy_p, width, T)
            state = _tile(entering + place, channels, states, width, entries, 1, states, T)
            g_state = _tile(g_leaving + place, channels, states, width, entries, 1, states, T)
            of_head += tl.dot(grads, tl.trans(values), input_precision=PRECISION, out_dtype=K)
            from_end += tl.dot(values, g_state, input_precision=PRECISION, out_dtype=K)
            from_start += tl.dot(grads, state, input_precision=PRECISION, out_dtype=K)
        pairs += of_head * _decays_between(logs, Q) * steps[None, :]
        found_B += (steps * _decays_to_end(logs, Q))[:, None] * from_end
        found_C += tl.exp(tl.cumsum(logs, 0))[:, None] * from_start
    weights = pairs.to(T)
    rows_B = _tile(B + batch * B_b + group * B_g, samples, B_l, length, entries, B_n, states, T)
    rows_C = _tile(C + batch * C_b + group * C_g, samples, C_l, length, entries, C_n, states, T)
    found_B += tl.dot(tl.trans(weights), rows_C, input_precision=PRECISION, out_dtype=K)
    found_C += tl.dot(weights, rows_B, input_precision=PRECISION, out_dtype=K)
    batches = tl.num_programs(2) // (shares * groups)
    row = ((share * batches + batch) * length + samples) * groups + group
    where = row[:, None] * states + entries[None, :]
    inside = (samples < length)[:, None] & (entries < states)[None, :]
    tl.store(gB + where, found_B, mask=inside)
    tl.store(gC + where, found_C, mask=inside)
