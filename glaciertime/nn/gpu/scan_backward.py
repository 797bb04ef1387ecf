# mypy: ignore-errors
# ruff: noqa: RUF005, SIM102  (Triton knows neither unpacking nor "and" before a branch that is not compiled)
"""The selective scan in Triton, backward: the gradients of everything that goes in.

First every chunk but the first is run from its end with nothing behind it (``chunk_starts``). Then ``gradients`` takes
up what comes from later chunks, which ``carry`` puts together before where they are many, computes the states of a
chunk again, keeps every so many in a room of the program's own, and goes back through time. ``totals`` adds up what
several programs contributed to.
"""

from __future__ import annotations

from glaciertime.nn.gpu.launch import jit, tl
from glaciertime.nn.gpu.scan_kernels import COUNTS, carried, columns, leave, place_of, sigmoid, steps_of, take

__all__ = ["chunk_starts", "gradients", "totals"]


@jit
def _gated(gy, z, STEPS: tl.constexpr):
    """Return the gradients of what was read from the state, before the gate."""
    found = ()
    for i in tl.static_range(STEPS):
        found = found + (gy[i] * z[i] * sigmoid(z[i]),)
    return found


@jit(do_not_specialize=COUNTS)
def chunk_starts(
    delta_ptr, A_ptr, C_ptr, z_ptr, bias_ptr, dt_ptr, gy_ptr, back_ptr,
    delta_b, delta_d, delta_t, C_b, C_g, C_n, C_t, z_b, z_d, z_t, gy_b, gy_d, gy_t, dt_b, dt_t,
    channels, length, states, per_group, blocks, chunks, chunk_length,
    SOFTPLUS: tl.constexpr, EVEN: tl.constexpr, N: tl.constexpr, WIDTH: tl.constexpr, STEPS: tl.constexpr,
    ALONG: tl.constexpr, NUMBER: tl.constexpr,
):  # fmt: skip
    """Leave what every chunk but the first adds to the gradient of the state before it, then its decay time."""
    block, chunk, b = place_of(blocks, chunks - 1)
    chunk += 1
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
    delta_rows = delta_ptr + b * delta_b + d * delta_d
    if dt_ptr is not None:
        dt_rows = dt_ptr + b * dt_b + 0 * d
    gy_rows = gy_ptr + b * gy_b + d * gy_d
    C_row = C_ptr + b * C_b + g * C_g + n.to(tl.int64) * C_n
    q = tl.zeros((N, WIDTH), NUMBER)
    total = tl.zeros((WIDTH,), NUMBER)
    count = tl.cdiv(tl.minimum(chunk_length, length - start), STEPS)
    for j in range(0, count):
        t = start + (count - 1 - j) * STEPS
        left = length - t
        raw = take(delta_rows + t * delta_t, delta_t, lanes, left, (ALONG & 2) != 0, STEPS, EVEN, NUMBER)
        steps = steps_of(raw, bias, left, STEPS, EVEN, SOFTPLUS)
        if dt_ptr is not None:
            gaps = take(dt_rows + t * dt_t, dt_t, lanes, left, (ALONG & 1024) != 0, STEPS, EVEN, NUMBER)
        gy = take(gy_rows + t * gy_t, gy_t, lanes, left, (ALONG & 32) != 0, STEPS, EVEN, NUMBER)
        if z_ptr is not None:
            z = take(z_ptr + b * z_b + d * z_d + t * z_t, z_t, lanes, left, (ALONG & 16) != 0, STEPS, EVEN, NUMBER)
            gy = _gated(gy, z, STEPS)
        reads = columns(C_row + t * C_t, C_t, n < states, left, WIDTH, (ALONG & 8) != 0, STEPS, EVEN, NUMBER)
        for i in tl.static_range(STEPS - 1, -1, -1):
            time = steps[i]
            if dt_ptr is not None:
                time = time * gaps[i]
            q = tl.exp2(rates * time[None, :]) * (q + reads[i] * gy[i][None, :])
            total += time
    kept = back_ptr + (b * chunks + chunk) * (states + 1) * channels + d
    tl.store(kept[None, :] + n[:, None] * channels, q, mask=there)
    tl.store(kept + states * channels, total, mask=lanes)


@jit(do_not_specialize=[*COUNTS, "share"])
def gradients(
    u_ptr, delta_ptr, A_ptr, B_ptr, C_ptr, D_ptr, z_ptr, bias_ptr, h0_ptr, dt_ptr, gy_ptr, glast_ptr,
    starts_ptr, back_ptr, room_ptr,
    gu_ptr, gdelta_ptr, gz_ptr, gh0_ptr, rows_ptr, gaps_ptr, parts_ptr,
    u_b, u_d, u_t, delta_b, delta_d, delta_t, B_b, B_g, B_n, B_t, C_b, C_g, C_n, C_t, z_b, z_d, z_t, gy_b, gy_d, gy_t,
    dt_b, dt_t, gu_b, gu_d, gu_t, gdelta_b, gdelta_d, gdelta_t, gz_b, gz_d, gz_t,
    channels, length, states, per_group, blocks, chunks, chunk_length, share,
    SOFTPLUS: tl.constexpr, EVEN: tl.constexpr, N: tl.constexpr, WIDTH: tl.constexpr, STEPS: tl.constexpr,
    ALONG: tl.constexpr, AHEAD: tl.constexpr, KEPT: tl.constexpr, NUMBER: tl.constexpr,
):  # fmt: skip
    """Leave all gradients: those of u, delta, z and h0 whole, the others in parts.

    A program takes ``share`` blocks of channels one after the other and adds up what they contribute to the gradients
    of B and C (``rows``: a B row and a C row per sample) and of the gaps.
    """
    slots, chunk, b = place_of(blocks, chunks)
    in_group = tl.cdiv(per_group, WIDTH)
    slots_in_group = tl.cdiv(in_group, share)
    g = slots // slots_in_group
    n = tl.arange(0, N)
    start = tl.multiple_of(chunk.to(tl.int64) * chunk_length, STEPS)
    count = tl.cdiv(tl.minimum(chunk_length, length - start), STEPS)
    B_row = B_ptr + b * B_b + g * B_g + n.to(tl.int64) * B_n
    C_row = C_ptr + b * C_b + g * C_g + n.to(tl.int64) * C_n
    own = b * blocks + slots
    rows = rows_ptr + own * length * 2 * states + n
    room = room_ptr + (own * chunks + chunk) * tl.cdiv(chunk_length, STEPS * KEPT) * N * WIDTH
    room += n[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    first = (slots % slots_in_group) * share
    for block in range(first, tl.minimum(first + share, in_group)):
        again = block > first
        lane = block * WIDTH + tl.arange(0, WIDTH)
        lanes = lane < per_group
        d = (g * per_group + lane).to(tl.int64)
        there = (n < states)[:, None] & lanes[None, :]
        rates = tl.load(A_ptr + d[None, :] * states + n[:, None], mask=there, other=0.0).to(NUMBER)
        rates = rates * 1.4426950408889634
        bias = tl.zeros((WIDTH,), NUMBER)
        if bias_ptr is not None:
            bias += tl.load(bias_ptr + d, mask=lanes, other=0.0).to(NUMBER)
        past = tl.zeros((WIDTH,), NUMBER)
        if D_ptr is not None:
            past += tl.load(D_ptr + d, mask=lanes, other=0.0).to(NUMBER)
        state = (b * channels + d[None, :]) * states + n[:, None]
        h = tl.zeros((N, WIDTH), NUMBER)
        q = tl.zeros((N, WIDTH), NUMBER)
        if glast_ptr is not None:
            q += tl.load(glast_ptr + state, mask=there, other=0.0).to(NUMBER)
        if starts_ptr is not None:
            size = (states + 1) * channels
            numbers = b * chunks * size + n[:, None] * channels + d[None, :]
            own_chunk = chunk.to(tl.int64) * size
            h += tl.load(starts_ptr + numbers + own_chunk, mask=there, other=0.0)
            if AHEAD == 0:
                q = tl.load(back_ptr + numbers + own_chunk, mask=there, other=0.0)
            else:
                sums = back_ptr + b * chunks * size + states * channels + d
                q = carried(
                    q, rates, back_ptr + numbers, sums, chunk + 1, 1, chunks - 1 - chunk, size, there, lanes, AHEAD
                )  # fmt: skip
        else:
            if h0_ptr is not None:
                h += tl.load(h0_ptr + state, mask=there, other=0.0).to(NUMBER)
        u_rows = u_ptr + b * u_b + d * u_d
        delta_rows = delta_ptr + b * delta_b + d * delta_d
        if dt_ptr is not None:
            dt_rows = dt_ptr + b * dt_b + 0 * d
        gy_rows = gy_ptr + b * gy_b + d * gy_d
        gu_rows = gu_ptr + b * gu_b + d * gu_d
        gdelta_rows = gdelta_ptr + b * gdelta_b + d * gdelta_d
        # Forward once more, to leave a state every KEPT times STEPS samples.
        for j in range(0, count):
            if j % KEPT == 0:
                tl.store(room + (j // KEPT) * (N * WIDTH), h)
            t = start + j * STEPS
            left = length - t
            us = take(u_rows + t * u_t, u_t, lanes, left, (ALONG & 1) != 0, STEPS, EVEN, NUMBER)
            raw = take(delta_rows + t * delta_t, delta_t, lanes, left, (ALONG & 2) != 0, STEPS, EVEN, NUMBER)
            steps = steps_of(raw, bias, left, STEPS, EVEN, SOFTPLUS)
            if dt_ptr is not None:
                gaps = take(dt_rows + t * dt_t, dt_t, lanes, left, (ALONG & 1024) != 0, STEPS, EVEN, NUMBER)
            enter = take(B_row + t * B_t, B_t, n < states, left, (ALONG & 4) != 0, STEPS, EVEN, NUMBER)
            for i in tl.static_range(STEPS):
                time = steps[i]
                if dt_ptr is not None:
                    time = time * gaps[i]
                h = tl.exp2(rates * time[None, :]) * h + enter[i][:, None] * (steps[i] * us[i])[None, :]
        # What one thread left in the room another may take up.
        tl.debug_barrier()
        grates = tl.zeros((N, WIDTH), NUMBER)
        gpast = tl.zeros((WIDTH,), NUMBER)
        gbias = tl.zeros((WIDTH,), NUMBER)
        for passed in range(0, count):
            j = count - 1 - passed
            h = tl.load(room + (j // KEPT) * (N * WIDTH))
            for k in range(j - j % KEPT, j):
                t = start + k * STEPS
                left = length - t
                us = take(u_rows + t * u_t, u_t, lanes, left, (ALONG & 1) != 0, STEPS, EVEN, NUMBER)
                raw = take(delta_rows + t * delta_t, delta_t, lanes, left, (ALONG & 2) != 0, STEPS, EVEN, NUMBER)
                steps = steps_of(raw, bias, left, STEPS, EVEN, SOFTPLUS)
                if dt_ptr is not None:
                    gaps = take(dt_rows + t * dt_t, dt_t, lanes, left, (ALONG & 1024) != 0, STEPS, EVEN, NUMBER)
                enter = take(B_row + t * B_t, B_t, n < states, left, (ALONG & 4) != 0, STEPS, EVEN, NUMBER)
                for i in tl.static_range(STEPS):
                    time = steps[i]
                    if dt_ptr is not None:
                        time = time * gaps[i]
                    h = tl.exp2(rates * time[None, :]) * h + enter[i][:, None] * (steps[i] * us[i])[None, :]
            t = start + j * STEPS
            left = length - t
            us = take(u_rows + t * u_t, u_t, lanes, left, (ALONG & 1) != 0, STEPS, EVEN, NUMBER)
            raw = take(delta_rows + t * delta_t, delta_t, lanes, left, (ALONG & 2) != 0, STEPS, EVEN, NUMBER)
            steps = steps_of(raw, bias, left, STEPS, EVEN, SOFTPLUS)
            if dt_ptr is not None:
                gaps = take(dt_rows + t * dt_t, dt_t, lanes, left, (ALONG & 1024) != 0, STEPS, EVEN, NUMBER)
            enter = take(B_row + t * B_t, B_t, n < states, left, (ALONG & 4) != 0, STEPS, EVEN, NUMBER)
            reads = take(C_row + t * C_t, C_t, n < states, left, (ALONG & 8) != 0, STEPS, EVEN, NUMBER)
            gy = take(gy_rows + t * gy_t, gy_t, lanes, left, (ALONG & 32) != 0, STEPS, EVEN, NUMBER)
            before = ()
            read = ()
            for i in tl.static_range(STEPS):
                before = before + (h,)
                time = steps[i]
                if dt_ptr is not None:
                    time = time * gaps[i]
                h = tl.exp2(rates * time[None, :]) * h + enter[i][:, None] * (steps[i] * us[i])[None, :]
                if z_ptr is not None:
                    read = read + (tl.sum(h * reads[i][:, None], 0) + past * us[i],)
            if z_ptr is not None:
                z = take(z_ptr + b * z_b + d * z_d + t * z_t, z_t, lanes, left, (ALONG & 16) != 0, STEPS, EVEN, NUMBER)
                gz = ()
                for i in tl.static_range(STEPS):
                    open = sigmoid(z[i])
                    gz = gz + (gy[i] * read[i] * open * (1.0 + z[i] * (1.0 - open)),)
                leave(gz_ptr + b * gz_b + d * gz_d + t * gz_t, gz_t, lanes, left, gz, (ALONG & 512) != 0, STEPS, EVEN)
                gy = _gated(gy, z, STEPS)
            gus = ()
            gdeltas = ()
            for i in tl.static_range(STEPS - 1, -1, -1):
                gap = 1.0
                if dt_ptr is not None:
                    gap = gaps[i]
                time = steps[i] * gap
                # The state after this sample is the one before the next.
                inside = n < states if EVEN else (n < states) & (i < left)
                row = rows + (t + i) * (2 * states)
                g_h = q + reads[i][:, None] * gy[i][None, :]
                g_enter = tl.sum(g_h * (steps[i] * us[i])[None, :], 1)
                g_reads = tl.sum(h * gy[i][None, :], 1)
                g_enter += tl.load(row, mask=inside & again, other=0.0)
                g_reads += tl.load(row + states, mask=inside & again, other=0.0)
                tl.store(row, g_enter, mask=inside)
                tl.store(row + states, g_reads, mask=inside)
                g_drive = tl.sum(g_h * enter[i][:, None], 0)
                q = tl.exp2(rates * time[None, :]) * g_h
                h = before[i]
                g_log = q * h
                g_time = tl.sum(g_log * rates, 0) * 0.6931471805599453
                grates += g_log * time[None, :]
                if gaps_ptr is not None:
                    slot = gaps_ptr + own * length + t + i
                    g_gap = tl.sum(g_time * steps[i], 0)
                    g_gap += tl.load(slot, mask=again & (i < left), other=0.0)
                    tl.store(slot, g_gap, mask=i < left)
                g_step = g_drive * us[i] + g_time * gap
                if SOFTPLUS:
                    g_step = g_step * sigmoid(raw[i] + bias)
                if not EVEN:
                    g_step = tl.where(i < left, g_step, 0.0)
                gbias += g_step
                gpast += gy[i] * us[i]
                gus = (g_drive * steps[i] + past * gy[i],) + gus
                gdeltas = (g_step,) + gdeltas
            leave(gu_rows + t * gu_t, gu_t, lanes, left, gus, (ALONG & 128) != 0, STEPS, EVEN)
            leave(gdelta_rows + t * gdelta_t, gdelta_t, lanes, left, gdeltas, (ALONG & 256) != 0, STEPS, EVEN)
        parts = parts_ptr + (b * chunks + chunk) * (states + 2) * channels + d
        tl.store(parts[None, :] + n[:, None] * channels, grates, mask=there)
        tl.store(parts + states * channels, gpast, mask=lanes)
        tl.store(parts + (states + 1) * channels, gbias, mask=lanes)
        if gh0_ptr is not None:
            if chunk == 0:
                tl.store(gh0_ptr + state, q.to(gh0_ptr.dtype.element_ty), mask=there)
        tl.debug_barrier()


@jit
def _total_rows(
    program, rows_ptr, gaps_ptr, gB_ptr, gC_ptr, gdt_ptr,
    gB_b, gB_g, gB_n, gB_t, gC_b, gC_g, gC_n, gC_t, gdt_b, gdt_t,
    length, states, groups, slots, times, N: tl.constexpr, TIMES: tl.constexpr, NUMBER: tl.constexpr,
):  # fmt: skip
    t = (program % times) * TIMES + tl.arange(0, TIMES)
    g = (program // times) % groups
    b = (program // times // groups).to(tl.int64)
    n = tl.arange(0, N)
    inside = (t < length)[:, None] & (n < states)[None, :]
    far = t.to(tl.int64)[:, None]
    g_enter = tl.zeros((TIMES, N), NUMBER)
    g_reads = tl.zeros((TIMES, N), NUMBER)
    for slot in range(0, slots):
        own = (b * groups + g) * slots + slot
        row = rows_ptr + own * length * 2 * states + far * (2 * states) + n[None, :]
        g_enter += tl.load(row, mask=inside, other=0.0)
        g_reads += tl.load(row + states, mask=inside, other=0.0)
    place = gB_ptr + b * gB_b + g * gB_g + far * gB_t + n[None, :] * gB_n
    tl.store(place, g_enter.to(gB_ptr.dtype.element_ty), mask=inside)
    place = gC_ptr + b * gC_b + g * gC_g + far * gC_t + n[None, :] * gC_n
    tl.store(place, g_reads.to(gC_ptr.dtype.element_ty), mask=inside)
    if gdt_ptr is not None:
        if g == 0:
            g_gap = tl.zeros((TIMES,), NUMBER)
            for slot in range(0, slots * groups):
                gap = gaps_ptr + (b * groups * slots + slot) * length + t
                g_gap += tl.load(gap, mask=t < length, other=0.0)
            tl.store(gdt_ptr + b * gdt_b + t * gdt_t, g_gap.to(gdt_ptr.dtype.element_ty), mask=t < length)


@jit
def _total_parts(
    program, parts_ptr, gA_ptr, gD_ptr, gbias_ptr, channels, states, parts,
    LANES: tl.constexpr, DEEP: tl.constexpr, NUMBER: tl.constexpr,
):  # fmt: skip
    n = program % (states + 2)
    d = (program // (states + 2)) * LANES + tl.arange(0, LANES)
    lanes = d < channels
    total = tl.zeros((DEEP, LANES), NUMBER)
    for k in range(0, parts, DEEP):
        deep = k + tl.arange(0, DEEP)
        place = parts_ptr + (deep.to(tl.int64)[:, None] * (states + 2) + n) * channels + d[None, :]
        total += tl.load(place, mask=(deep < parts)[:, None] & lanes[None, :], other=0.0)
    sums = tl.sum(total, 0)
    if n < states:
        tl.store(gA_ptr + d * states + n, sums.to(gA_ptr.dtype.element_ty), mask=lanes)
    if gD_ptr is not None:
        if n == states:
            tl.store(gD_ptr + d, sums.to(gD_ptr.dtype.element_ty), mask=lanes)
    if gbias_ptr is not None:
        if n == states + 1:
            tl.store(gbias_ptr + d, sums.to(gbias_ptr.dtype.element_ty), mask=lanes)


@jit(do_not_specialize=["length", "groups", "slots", "parts", "of_rows", "times"])
def totals(
    parts_ptr, rows_ptr, gaps_ptr, gA_ptr, gD_ptr, gbias_ptr, gB_ptr, gC_ptr, gdt_ptr,
    gB_b, gB_g, gB_n, gB_t, gC_b, gC_g, gC_n, gC_t, gdt_b, gdt_t,
    channels, length, states, groups, slots, parts, of_rows, times,
    N: tl.constexpr, TIMES: tl.constexpr, LANES: tl.constexpr, DEEP: tl.constexpr, NUMBER: tl.constexpr,
):  # fmt: skip
    """Add up the parts: the first ``of_rows`` programs those of B, C and dt, the others those of A, D and the bias."""
    program = tl.program_id(0)
    if program < of_rows:
        _total_rows(
            program, rows_ptr, gaps_ptr, gB_ptr, gC_ptr, gdt_ptr,
            gB_b, gB_g, gB_n, gB_t, gC_b, gC_g, gC_n, gC_t, gdt_b, gdt_t,
            length, states, groups, slots, times, N, TIMES, NUMBER,
        )  # fmt: skip
    else:
        _total_parts(
            program - of_rows, parts_ptr, gA_ptr, gD_ptr, gbias_ptr, channels, states, parts, LANES, DEEP, NUMBER
        )
