# mypy: ignore-errors
# ruff: noqa: RUF005, SIM102  (Triton knows neither unpacking nor "and" before a branch that is not compiled)
"""The selective scan in Triton, forward: what the kernels compute, a block of channels and a chunk of time per program.

A program holds the states of its channels, (N, WIDTH) numbers, in registers and walks through time: channels lie
side by side in the lanes of a warp, states in the registers of a lane, so that a sample costs a product, an
exponential and a few sums per state. Long sequences are cut into chunks: first every chunk is run from zero
(``chunk_ends``), then every program takes up what the chunks before its own left behind (``outputs``), which is put
together before where they are many (``carry``).

Sizes in brackets: N states and WIDTH channels, both padded to a power of two; STEPS samples are taken at once.
"""

from __future__ import annotations

from glaciertime.nn.gpu.launch import jit, tl

__all__ = [
    "COUNTS",
    "carried",
    "carry",
    "chunk_ends",
    "columns",
    "leave",
    "outputs",
    "place_of",
    "sigmoid",
    "steps_of",
    "take",
]


# What changes from call to call without changing how a kernel loads: no reason to compile it again.
COUNTS = ["length", "per_group", "blocks", "chunks", "chunk_length"]


@jit
def softplus(x):
    small = tl.exp(-tl.abs(x))
    whole = 1.0 + small
    lost = whole == 1.0
    # log(1 + small) without losing the digits that the sum has dropped.
    return tl.maximum(x, 0.0) + tl.where(lost, small, tl.log(whole) * (small / tl.where(lost, 1.0, whole - 1.0)))


@jit
def sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@jit
def take(rows, stride, there, left, ALONG: tl.constexpr, STEPS: tl.constexpr, EVEN: tl.constexpr, NUMBER: tl.constexpr):
    """Return STEPS samples of every row, each [WIDTH]; ``left`` is how many there are before the sequence ends.

    ALONG: samples of a row lie side by side in memory and are loaded four at once.
    """
    found = ()
    for first in tl.static_range(0, STEPS, 4):
        if ALONG:
            place = first + tl.arange(0, 4)
            inside = there[:, None] if EVEN else there[:, None] & (place < left)[None, :]
            quad = tl.load(rows[:, None] + place[None, :], mask=inside, other=0.0).to(NUMBER)
            even, odd = tl.split(tl.reshape(quad, (rows.shape[0], 2, 2)))
            a, c = tl.split(even)
            b, d = tl.split(odd)
            found = found + (a, b, c, d)
        else:
            for i in tl.static_range(first, first + 4):
                inside = there if EVEN else there & (i < left)
                found = found + (tl.load(rows + i * stride, mask=inside, other=0.0).to(NUMBER),)
    return found


@jit
def columns(
    rows, stride, states, left,
    WIDTH: tl.constexpr, ALONG: tl.constexpr, STEPS: tl.constexpr, EVEN: tl.constexpr, NUMBER: tl.constexpr,
):  # fmt: skip
    """Return STEPS samples of B or C, each [N, WIDTH] or [N, 1], the same for all channels.

    Where the states of a sample lie side by side in memory every lane loads them for itself: to hand them round would
    stop the warp at every sample.
    """
    found = ()
    if ALONG:
        narrow = take(rows, stride, states, left, True, STEPS, EVEN, NUMBER)
        for i in tl.static_range(STEPS):
            found = found + (narrow[i][:, None],)
    else:
        there = states[:, None] & (tl.arange(0, WIDTH) >= 0)[None, :]
        spread = rows[:, None] + tl.zeros((1, WIDTH), tl.int32)
        for i in tl.static_range(STEPS):
            inside = there if EVEN else there & (i < left)
            found = found + (tl.load(spread + i * stride, mask=inside, other=0.0).to(NUMBER),)
    return found


@jit
def leave(rows, stride, there, left, values, ALONG: tl.constexpr, STEPS: tl.constexpr, EVEN: tl.constexpr):
    """Write STEPS samples of every row, each [WIDTH]."""
    for first in tl.static_range(0, STEPS, 4):
        if ALONG:
            place = first + tl.arange(0, 4)
            inside = there[:, None] if EVEN else there[:, None] & (place < left)[None, :]
            even = tl.join(values[first], values[first + 2])
            odd = tl.join(values[first + 1], values[first + 3])
            quad = tl.reshape(tl.join(even, odd), (rows.shape[0], 4))
            tl.store(rows[:, None] + place[None, :], quad.to(rows.dtype.element_ty), mask=inside)
        else:
            for i in tl.static_range(first, first + 4):
                inside = there if EVEN else there & (i < left)
                tl.store(rows + i * stride, values[i].to(rows.dtype.element_ty), mask=inside)


@jit
def steps_of(raw, bias, left, STEPS: tl.constexpr, EVEN: tl.constexpr, SOFTPLUS: tl.constexpr):
    """Return the steps: zero behind the end, where nothing may change the state."""
    found = ()
    for i in tl.static_range(STEPS):
        step = softplus(raw[i] + bias) if SOFTPLUS else raw[i] + bias
        found = found + (step if EVEN else tl.where(i < left, step, 0.0),)
    return found


@jit
def place_of(blocks, chunks):
    """Return the block of channels, the chunk and the sample of the batch that a program takes."""
    program = tl.program_id(0)
    block = program % blocks
    rest = program // blocks
    chunk = rest % chunks
    return block, chunk, (rest // chunks).to(tl.int64)


@jit
def carried(h, rates, kept, sums, nearest, step, count, size, there, lanes, AHEAD: tl.constexpr):
    """Carry a state [N, WIDTH] over ``count`` chunks, of which ``nearest`` comes last and ``step`` leads to the others.

    From the last to the first, so that no product waits for the one before: what a chunk left has decayed for as long
    as all later ones last.
    """
    found = tl.zeros_like(h)
    since = tl.sum(tl.zeros_like(h), 0)
    for k in range(0, count, AHEAD):
        for i in tl.static_range(AHEAD):
            chunk = (nearest + step * (k + i)).to(tl.int64)
            end = tl.load(kept + chunk * size, mask=there & (k + i < count), other=0.0)
            total = tl.load(sums + chunk * size, mask=lanes & (k + i < count), other=0.0)
            found += tl.exp2(rates * since[None, :]) * end
            since += total
    return found + tl.exp2(rates * since[None, :]) * h


@jit
def _one_after_the_other(decay, state, next_decay, next_state):
    return decay * next_decay, state * next_decay + next_state


@jit(do_not_specialize=["blocks", "chunks"])
def carry(
    A_ptr, first_ptr, kept_ptr, channels, states, blocks, chunks,
    BACK: tl.constexpr, TALL: tl.constexpr, LANES: tl.constexpr, NUMBER: tl.constexpr,
):  # fmt: skip
    """Replace what every chunk adds to the state by the state that it starts from, in place; ``BACK``: from the end.

    A program takes one number of the state for LANES channels, and TALL chunks at once.
    """
    program = tl.program_id(0)
    n = program % states
    d = ((program // states) % blocks) * LANES + tl.arange(0, LANES)
    b = (program // states // blocks).to(tl.int64)
    lanes = d < channels
    rates = tl.load(A_ptr + d * states + n, mask=lanes, other=0.0).to(NUMBER) * 1.4426950408889634
    h = tl.zeros((LANES,), NUMBER)
    if first_ptr is not None:
        h += tl.load(first_ptr + (b * channels + d) * states + n, mask=lanes, other=0.0).to(NUMBER)
    size = (states + 1) * channels
    rows = kept_ptr + b * chunks * size + d
    order = tl.arange(0, TALL)
    for k in range(0, chunks, TALL):
        place = k + order
        chunk = (chunks - 1 - place) if BACK else place
        # Nothing was left by the last chunk, which no other follows.
        left = (place < chunks - 1)[:, None] & lanes[None, :]
        at = rows[None, :] + chunk.to(tl.int64)[:, None] * size
        added = tl.load(at + n * channels, mask=left, other=0.0)
        decay = tl.exp2(rates[None, :] * tl.load(at + states * channels, mask=left, other=0.0))
        decays, found = tl.associative_scan((decay, added), 0, _one_after_the_other)
        found += decays * h[None, :]
        # What one thread overwrites another may still have to load.
        tl.debug_barrier()
        first = (order == 0)[:, None] & lanes[None, :]
        tl.store(at + n * channels, h[None, :] + tl.zeros((TALL, LANES), NUMBER), mask=first)
        after = ((place + 1 < chunks) & (order + 1 < TALL))[:, None] & lanes[None, :]
        tl.store(at + (-size if BACK else size) + n * channels, found, mask=after)
        h = tl.sum(tl.where((order == TALL - 1)[:, None], found, 0.0), 0)


@jit(do_not_specialize=COUNTS)
def chunk_ends(
    u_ptr, delta_ptr, A_ptr, B_ptr, bias_ptr, dt_ptr, ends_ptr,
    u_b, u_d, u_t, delta_b, delta_d, delta_t, B_b, B_g, B_n, B_t, dt_b, dt_t,
    channels, length, states, per_group, blocks, chunks, chunk_length,
    SOFTPLUS: tl.constexpr, EVEN: tl.constexpr, N: tl.constexpr, WIDTH: tl.constexpr, STEPS: tl.constexpr,
    ALONG: tl.constexpr, NUMBER: tl.constexpr,
):  # fmt: skip
    """Leave the state that every chunk but the last reaches from zero, and behind it the sum of its decay times."""
    block, chunk, b = place_of(blocks, chunks - 1)
    in_group = tl.cdiv(per_group, WIDTH)
    lane = (block % in_group) * WIDTH + tl.arange(0, WIDTH)
    lanes = lane < per_group
    g = block // in_group
    d = (g * per_group + lane).to(tl.int64)
    n = tl.arange(0, N)
    there = (n < states)[:, None] & lanes[None, :]
    rates = tl.load(A_ptr + d[None, :] * states + n[:, None], mask=there, other=0.0).to(NUMBER) * 1.4426950408889634
    bias = tl.zeros((WIDTH,), NUMBER)
    if bias_ptr is not None:
        bias += tl.load(bias_ptr + d, mask=lanes, other=0.0).to(NUMBER)
    start = tl.multiple_of(chunk.to(tl.int64) * chunk_length, STEPS)
    u_rows = u_ptr + b * u_b + d * u_d
    delta_rows = delta_ptr + b * delta_b + d * delta_d
    if dt_ptr is not None:
        # The same for all channels: loaded beside their steps.
        dt_rows = dt_ptr + b * dt_b + 0 * d
    B_row = B_ptr + b * B_b + g * B_g + n.to(tl.int64) * B_n
    h = tl.zeros((N, WIDTH), NUMBER)
    total = tl.zeros((WIDTH,), NUMBER)
    for j in range(0, chunk_length // STEPS):
        t = start + j * STEPS
        left = length - t
        us = take(u_rows + t * u_t, u_t, lanes, left, (ALONG & 1) != 0, STEPS, EVEN, NUMBER)
        raw = take(delta_rows + t * delta_t, delta_t, lanes, left, (ALONG & 2) != 0, STEPS, EVEN, NUMBER)
        steps = steps_of(raw, bias, left, STEPS, EVEN, SOFTPLUS)
        if dt_ptr is not None:
            gaps = take(dt_rows + t * dt_t, dt_t, lanes, left, (ALONG & 1024) != 0, STEPS, EVEN, NUMBER)
        enter = columns(B_row + t * B_t, B_t, n < states, left, WIDTH, (ALONG & 4) != 0, STEPS, EVEN, NUMBER)
        for i in tl.static_range(STEPS):
            time = steps[i]
            if dt_ptr is not None:
                time = time * gaps[i]
            h = tl.exp2(rates * time[None, :]) * h + enter[i] * (steps[i] * us[i])[None, :]
            total += time
    kept = ends_ptr + (b * chunks + chunk) * (states + 1) * channels + d
    tl.store(kept[None, :] + n[:, None] * channels, h, mask=there)
    tl.store(kept + states * channels, total, mask=lanes)


@jit(do_not_specialize=COUNTS)
def outputs(
    u_ptr, delta_ptr, A_ptr, B_ptr, C_ptr, D_ptr, z_ptr, bias_ptr, h0_ptr, dt_ptr,
    kept_ptr, starts_ptr, y_ptr, last_ptr,
    u_b, u_d, u_t, delta_b, delta_d, delta_t, B_b, B_g, B_n, B_t, C_b, C_g, C_n, C_t, z_b, z_d, z_t, y_b, y_d, y_t,
    dt_b, dt_t,
    channels, length, states, per_group, blocks, chunks, chunk_length,
    SOFTPLUS: tl.constexpr, EVEN: tl.constexpr, N: tl.constexpr, WIDTH: tl.constexpr, STEPS: tl.constexpr,
    ALONG: tl.constexpr, AHEAD: tl.constexpr, NUMBER: tl.constexpr,
):  # fmt: skip
    """Leave y, and the last state where it is asked for.

    ``kept_ptr`` has what the chunks added, to be carried over AHEAD at once; where AHEAD is 0, what they start from.
    """
    block, chunk, b = place_of(blocks, chunks)
    in_group = tl.cdiv(per_group, WIDTH)
    lane = (block % in_group) * WIDTH + tl.arange(0, WIDTH)
    lanes = lane < per_group
    g = block // in_group
    d = (g * per_group + lane).to(tl.int64)
    n = tl.arange(0, N)
    there = (n < states)[:, None] & lanes[None, :]
    rates = tl.load(A_ptr + d[None, :] * states + n[:, None], mask=there, other=0.0).to(NUMBER) * 1.4426950408889634
    bias = tl.zeros((WIDTH,), NUMBER)
    if bias_ptr is not None:
        bias += tl.load(bias_ptr + d, mask=lanes, other=0.0).to(NUMBER)
    past = tl.zeros((WIDTH,), NUMBER)
    if D_ptr is not None:
        past += tl.load(D_ptr + d, mask=lanes, other=0.0).to(NUMBER)
    h = tl.zeros((N, WIDTH), NUMBER)
    state = (b * channels + d[None, :]) * states + n[:, None]
    if h0_ptr is not None:
        h += tl.load(h0_ptr + state, mask=there, other=0.0).to(NUMBER)
    if kept_ptr is not None:
        size = (states + 1) * channels
        sums = kept_ptr + b * chunks * size + states * channels + d
        kept = kept_ptr + b * chunks * size + n[:, None] * channels + d[None, :]
        if AHEAD == 0:
            h = tl.load(kept + chunk.to(tl.int64) * size, mask=there, other=0.0)
        else:
            h = carried(h, rates, kept, sums, chunk - 1, -1, chunk, size, there, lanes, AHEAD)
    if starts_ptr is not None:
        starts = starts_ptr + (b * chunks + chunk) * (states + 1) * channels
        tl.store(starts + n[:, None] * channels + d[None, :], h, mask=there)
    start = tl.multiple_of(chunk.to(tl.int64) * chunk_length, STEPS)
    u_rows = u_ptr + b * u_b + d * u_d
    delta_rows = delta_ptr + b * delta_b + d * delta_d
    if dt_ptr is not None:
        # The same for all channels: loaded beside their steps.
        dt_rows = dt_ptr + b * dt_b + 0 * d
    y_rows = y_ptr + b * y_b + d * y_d
    B_row = B_ptr + b * B_b + g * B_g + n.to(tl.int64) * B_n
    C_row = C_ptr + b * C_b + g * C_g + n.to(tl.int64) * C_n
    for j in range(0, tl.cdiv(tl.minimum(chunk_length, length - start), STEPS)):
        t = start + j * STEPS
        left = length - t
        us = take(u_rows + t * u_t, u_t, lanes, left, (ALONG & 1) != 0, STEPS, EVEN, NUMBER)
        raw = take(delta_rows + t * delta_t, delta_t, lanes, left, (ALONG & 2) != 0, STEPS, EVEN, NUMBER)
        steps = steps_of(raw, bias, left, STEPS, EVEN, SOFTPLUS)
        if dt_ptr is not None:
            gaps = take(dt_rows + t * dt_t, dt_t, lanes, left, (ALONG & 1024) != 0, STEPS, EVEN, NUMBER)
        enter = columns(B_row + t * B_t, B_t, n < states, left, WIDTH, (ALONG & 4) != 0, STEPS, EVEN, NUMBER)
        reads = columns(C_row + t * C_t, C_t, n < states, left, WIDTH, (ALONG & 8) != 0, STEPS, EVEN, NUMBER)
        read = ()
        for i in tl.static_range(STEPS):
            time = steps[i]
            if dt_ptr is not None:
                time = time * gaps[i]
            h = tl.exp2(rates * time[None, :]) * h + enter[i] * (steps[i] * us[i])[None, :]
            read = read + (tl.sum(h * reads[i], 0) + past * us[i],)
        if z_ptr is not None:
            z = take(z_ptr + b * z_b + d * z_d + t * z_t, z_t, lanes, left, (ALONG & 16) != 0, STEPS, EVEN, NUMBER)
            gated = ()
            for i in tl.static_range(STEPS):
                gated = gated + (read[i] * z[i] * sigmoid(z[i]),)
            leave(y_rows + t * y_t, y_t, lanes, left, gated, (ALONG & 64) != 0, STEPS, EVEN)
        else:
            leave(y_rows + t * y_t, y_t, lanes, left, read, (ALONG & 64) != 0, STEPS, EVEN)
    if last_ptr is not None:
        if chunk == chunks - 1:
            tl.store(last_ptr + state, h.to(last_ptr.dtype.element_ty), mask=there)
