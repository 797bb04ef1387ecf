"""The selective scan compiled by numba: LANES channels side by side, a run of samples at a time.

The forward pass keeps the state at the start of every run. The backward pass takes the runs from the last to the
first, repeats each from its kept state, and follows the adjoint recurrence, so that no tensor of B x D x L x N ever
exists. A block of LANES channels is the unit of work and writes its own part of every output; only the gradients of
B, C and dt are sums over blocks, and those of A, D and the bias over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from glaciertime.nn.cpu import simd, tiles
from glaciertime.nn.cpu.jit import compile_cached, source_stamp
from glaciertime.nn.cpu.simd import (
    add_into,
    exp2,
    fill,
    fma,
    load,
    load_one,
    sigmoid,
    softplus,
    store,
    store_one,
    sum_rows,
)
from glaciertime.nn.cpu.tiles import load_lanes, load_tile, store_lanes, store_tile

__all__ = ["ARGUMENTS", "backward", "forward", "workspace_numbers"]

_LOG2_E = math.log2(math.e)
_LN_2 = math.log(2.0)

# Addresses (0 where not given), strides in elements, sizes.
_FIELDS = (
    "u u_b u_d u_t delta delta_b delta_d delta_t z z_b z_d z_t y y_b y_d y_t dt dt_b dt_t "
    "B B_b B_g B_n B_t C C_b C_g C_n C_t A D bias h0 last kept "
    "gy gy_b gy_d gy_t gu gu_b gu_d gu_t gdelta gdelta_b gdelta_d gdelta_t gz gz_b gz_d gz_t "
    "gB gC gdt gA gD gbias gh0 glast "
    "batch channels length states groups blocks run runs slots padded softplus itemsize lanes"
)
ARGUMENTS = np.dtype([(name, np.int64) for name in _FIELDS.split()])
_TILES = 14
# Rows between tiles: without them, rows of one sample in every second tile would meet in the same cache set.
_APART = 5


def workspace_numbers(run: int, states: int, lanes: int) -> int:
    """Return how many numbers one thread works in.

    Examples
    --------
    >>> workspace_numbers(32, 16, 16)
    9376
    """
    return (_TILES * (run + _APART) + 4 * states + 4) * lanes


@njit(nogil=True)
def _prepare(one: Any, m: Any, b: int, d0: int, channels: int, rates: int, row: int) -> None:
    """Put the rates in binary logarithms, the bias and D of a block where vectors can read them."""
    lanes = m.lanes
    vector = lanes * m.itemsize
    for n in range(m.states):
        load_lanes(one, m.A, d0 * m.states + n, m.states, channels, lanes, rates + n * vector)
        store(rates, n * lanes, load(one, rates, n * lanes) * fill(one, _LOG2_E))
    store(row, 0, fill(one, 0.0))
    store(row, lanes, fill(one, 0.0))
    if m.bias != 0:
        load_lanes(one, m.bias, d0, 1, channels, lanes, row)
    if m.D != 0:
        load_lanes(one, m.D, d0, 1, channels, lanes, row + vector)


@njit(nogil=True)
def _forward(one: Any, arguments: Any, work: int, first: int, stop: int) -> None:
    """Scan the units ``first`` to ``stop``: batch entries x groups x blocks of LANES channels."""
    m = arguments[0]
    lanes, states, run = m.lanes, m.states, m.run
    tile = (run + _APART) * lanes * m.itemsize
    vector = lanes * m.itemsize
    us, decays, drives, ys = work, work + tile, work + 2 * tile, work + 3 * tile
    rates = work + 4 * tile
    hs = rates + states * vector
    row = hs + states * vector
    # The record is read here once: after a store the compiler would read it again in every turn of a loop.
    B_at, B_step, C_at, C_step = m.B, m.B_t, m.C, m.C_t
    gated, timed, bent = m.z != 0, m.dt != 0, m.softplus != 0
    dt_at, dt_step = m.dt, m.dt_t
    per_group = m.channels // m.groups
    for unit in range(first, stop):
        b = unit // (m.groups * m.blocks)
        g = unit // m.blocks % m.groups
        d0 = g * per_group + unit % m.blocks * lanes
        channels = min(lanes, (g + 1) * per_group - d0)
        _prepare(one, m, b, d0, channels, rates, row)
        bias, through = load(one, row, 0), load(one, row, lanes)
        for n in range(states):
            store(hs, n * lanes, fill(one, 0.0))
            if m.h0 != 0:
                start = (b * m.channels + d0) * states + n
                load_lanes(one, m.h0, start, states, channels, lanes, hs + n * vector)
        for r in range(m.runs):
            t0 = r * run
            count = min(run, m.length - t0)
            dt_first = b * m.dt_b + t0 * dt_step
            if m.kept != 0:
                for n in range(states):
                    store(m.kept, ((unit * m.runs + r) * states + n) * lanes, load(one, hs, n * lanes))
            load_tile(one, m.u, b * m.u_b + d0 * m.u_d + t0 * m.u_t, m.u_d, m.u_t, channels, count, lanes, us)
            start = b * m.delta_b + d0 * m.delta_d + t0 * m.delta_t
            load_tile(one, m.delta, start, m.delta_d, m.delta_t, channels, count, lanes, decays)
            for t in range(count):
                step = load(one, decays, t * lanes) + bias
                if bent:
                    step = softplus(step)
                u = load(one, us, t * lanes)
                store(drives, t * lanes, step * u)
                store(ys, t * lanes, through * u)
                if timed:
                    step = step * fill(one, load_one(one, dt_at, dt_first + t * dt_step))
                store(decays, t * lanes, step)
            for n in range(states):
                rate = load(one, rates, n * lanes)
                h = load(one, hs, n * lanes)
                B = b * m.B_b + g * m.B_g + n * m.B_n + t0 * m.B_t
                C = b * m.C_b + g * m.C_g + n * m.C_n + t0 * m.C_t
                for t in range(count):
                    drive = load(one, drives, t * lanes) * fill(one, load_one(one, B_at, B + t * B_step))
                    h = fma(exp2(load(one, decays, t * lanes) * rate), h, drive)
                    y = fma(fill(one, load_one(one, C_at, C + t * C_step)), h, load(one, ys, t * lanes))
                    store(ys, t * lanes, y)
                store(hs, n * lanes, h)
            if gated:
                load_tile(one, m.z, b * m.z_b + d0 * m.z_d + t0 * m.z_t, m.z_d, m.z_t, channels, count, lanes, drives)
                for t in range(count):
                    z = load(one, drives, t * lanes)
                    store(ys, t * lanes, load(one, ys, t * lanes) * (z * sigmoid(z)))
            store_tile(one, m.y, b * m.y_b + d0 * m.y_d + t0 * m.y_t, m.y_d, m.y_t, channels, count, lanes, ys)
        if m.last != 0:
            for n in range(states):
                store_lanes(one, m.last, (b * m.channels + d0) * states + n, states, channels, hs + n * vector)


@njit(nogil=True)
def _backward(one: Any, arguments: Any, work: int, first: int, stop: int, thread: int) -> None:
    """Differentiate the scan for the tasks ``first`` to ``stop``: batch entries x groups x slots of blocks.

    The gradients of B, C and dt are summed per task, those of A, D and the bias per thread.
    """
    m = arguments[0]
    lanes, run = m.lanes, m.run
    vector = lanes * m.itemsize
    tile = (run + _APART) * vector
    per_slot = (m.blocks + m.slots - 1) // m.slots
    for task in range(first, stop):
        b = task // (m.groups * m.slots)
        g = task // m.slots % m.groups
        low = task % m.slots * per_slot
        for block in range(low, min(low + per_slot, m.blocks)):
            _block_backward(one, m, work, tile, vector, b, g, block, task, thread)


@njit(nogil=True)
def _block_backward(
    one: Any, m: Any, work: int, tile: int, vector: int, b: int, g: int, block: int, task: int, thread: int
) -> None:
    lanes, states, run = m.lanes, m.states, m.run
    # The record is read here once: after a store the compiler would read it again in every turn of a loop.
    B_at, B_step, C_at, C_step = m.B, m.B_t, m.C, m.C_t
    gated, timed, bent = m.z != 0, m.dt != 0, m.softplus != 0
    dt_at, dt_step = m.dt, m.dt_t
    per_group = m.channels // m.groups
    d0 = g * per_group + block * lanes
    channels = min(lanes, (g + 1) * per_group - d0)
    unit = (b * m.groups + g) * m.blocks + block
    us, raws, gys, drives, decays = work, work + tile, work + 2 * tile, work + 3 * tile, work + 4 * tile
    ys, zs, gdrives, gdecays = work + 5 * tile, work + 6 * tile, work + 7 * tile, work + 8 * tile
    factors, faded, row_B, row_C, steps = (
        work + 9 * tile,
        work + 10 * tile,
        work + 11 * tile,
        work + 12 * tile,
        work + 13 * tile,
    )
    rates = work + 14 * tile
    ghs = rates + states * vector
    gAs = ghs + states * vector
    row = gAs + states * vector
    _prepare(one, m, b, d0, channels, rates, row)
    bias, through = load(one, row, 0), load(one, row, lanes)
    gbias, gthrough = fill(one, 0.0), fill(one, 0.0)
    for n in range(states):
        store(gAs, n * lanes, fill(one, 0.0))
        store(ghs, n * lanes, fill(one, 0.0))
        if m.glast != 0:
            start = (b * m.channels + d0) * states + n
            load_lanes(one, m.glast, start, states, channels, lanes, ghs + n * vector)
    for r in range(m.runs - 1, -1, -1):
        t0 = r * run
        count = min(run, m.length - t0)
        dt_first = b * m.dt_b + t0 * dt_step
        whole = (count + lanes - 1) // lanes * lanes
        load_tile(one, m.u, b * m.u_b + d0 * m.u_d + t0 * m.u_t, m.u_d, m.u_t, channels, count, lanes, us)
        start = b * m.delta_b + d0 * m.delta_d + t0 * m.delta_t
        load_tile(one, m.delta, start, m.delta_d, m.delta_t, channels, count, lanes, raws)
        load_tile(one, m.gy, b * m.gy_b + d0 * m.gy_d + t0 * m.gy_t, m.gy_d, m.gy_t, channels, count, lanes, gys)
        if gated:
            load_tile(one, m.z, b * m.z_b + d0 * m.z_d + t0 * m.z_t, m.z_d, m.z_t, channels, count, lanes, zs)
        for t in range(count):
            u = load(one, us, t * lanes)
            raw = load(one, raws, t * lanes) + bias
            store(raws, t * lanes, raw)
            step = softplus(raw) if bent else raw
            store(steps, t * lanes, step)
            store(drives, t * lanes, step * u)
            if timed:
                step = step * fill(one, load_one(one, dt_at, dt_first + t * dt_step))
            store(decays, t * lanes, step)
            if gated:
                # The gate's own gradient needs the gradient before the gate, which the scan takes after it.
                z = load(one, zs, t * lanes)
                gy = load(one, gys, t * lanes)
                s = sigmoid(z)
                store(gys, t * lanes, gy * (z * s))
                store(zs, t * lanes, gy * (s * (fill(one, 1.0) + z * (fill(one, 1.0) - s))))
                store(ys, t * lanes, through * u)
            store(gdrives, t * lanes, fill(one, 0.0))
            store(gdecays, t * lanes, fill(one, 0.0))
        for t in range(count, whole):
            store(row_B, t * lanes, fill(one, 0.0))
            store(row_C, t * lanes, fill(one, 0.0))
        for n in range(states):
            rate = load(one, rates, n * lanes)
            h = load(one, m.kept, ((unit * m.runs + r) * states + n) * lanes)
            B = b * m.B_b + g * m.B_g + n * m.B_n + t0 * m.B_t
            C = b * m.C_b + g * m.C_g + n * m.C_n + t0 * m.C_t
            for t in range(count):
                factor = exp2(load(one, decays, t * lanes) * rate)
                rest = factor * h
                store(factors, t * lanes, factor)
                store(faded, t * lanes, rest)
                h = fma(load(one, drives, t * lanes), fill(one, load_one(one, B_at, B + t * B_step)), rest)
                store(row_C, t * lanes, h * load(one, gys, t * lanes))
                if gated:
                    y = fma(fill(one, load_one(one, C_at, C + t * C_step)), h, load(one, ys, t * lanes))
                    store(ys, t * lanes, y)
            gh = load(one, ghs, n * lanes)
            grate = load(one, gAs, n * lanes)
            for t in range(count - 1, -1, -1):
                gh = fma(fill(one, load_one(one, C_at, C + t * C_step)), load(one, gys, t * lanes), gh)
                store(row_B, t * lanes, gh * load(one, drives, t * lanes))
                B_t = fill(one, load_one(one, B_at, B + t * B_step))
                store(gdrives, t * lanes, fma(B_t, gh, load(one, gdrives, t * lanes)))
                change = gh * load(one, faded, t * lanes)
                store(gdecays, t * lanes, fma(change, rate, load(one, gdecays, t * lanes)))
                grate = fma(change, load(one, decays, t * lanes), grate)
                gh = gh * load(one, factors, t * lanes)
            store(ghs, n * lanes, gh)
            store(gAs, n * lanes, grate)
            line = (task * states + n) * m.padded + t0
            for t in range(0, whole, lanes):
                add_into(m.gB, line + t, sum_rows(one, row_B + t * vector))
                add_into(m.gC, line + t, sum_rows(one, row_C + t * vector))
        for t in range(count):
            u, step = load(one, us, t * lanes), load(one, steps, t * lanes)
            gdrive = load(one, gdrives, t * lanes)
            gdecay = load(one, gdecays, t * lanes) * fill(one, _LN_2)
            gy = load(one, gys, t * lanes)
            gthrough = fma(gy, u, gthrough)
            store(us, t * lanes, fma(gdrive, step, gy * through))
            gstep = gdrive * u
            if timed:
                store(row_B, t * lanes, gdecay * step)
                gdecay = gdecay * fill(one, load_one(one, dt_at, dt_first + t * dt_step))
            gstep = gstep + gdecay
            if bent:
                gstep = gstep * sigmoid(load(one, raws, t * lanes))
            gbias = gbias + gstep
            store(raws, t * lanes, gstep)
            if gated:
                store(zs, t * lanes, load(one, zs, t * lanes) * load(one, ys, t * lanes))
        if m.gdt != 0:
            for t in range(0, whole, lanes):
                add_into(m.gdt, task * m.padded + t0 + t, sum_rows(one, row_B + t * vector))
        store_tile(one, m.gu, b * m.gu_b + d0 * m.gu_d + t0 * m.gu_t, m.gu_d, m.gu_t, channels, count, lanes, us)
        start = b * m.gdelta_b + d0 * m.gdelta_d + t0 * m.gdelta_t
        store_tile(one, m.gdelta, start, m.gdelta_d, m.gdelta_t, channels, count, lanes, raws)
        if gated:
            start = b * m.gz_b + d0 * m.gz_d + t0 * m.gz_t
            store_tile(one, m.gz, start, m.gz_d, m.gz_t, channels, count, lanes, zs)
    for n in range(states):
        if m.gh0 != 0:
            start = (b * m.channels + d0) * states + n
            store_lanes(one, m.gh0, start, states, channels, ghs + n * vector)
        for lane in range(channels):
            _add_one(one, m.gA, (thread * m.channels + d0 + lane) * states + n, load_one(one, gAs, n * lanes + lane))
    store(row, 0, gbias)
    store(row, lanes, gthrough)
    for lane in range(channels):
        _add_one(one, m.gbias, thread * m.channels + d0 + lane, load_one(one, row, lane))
        _add_one(one, m.gD, thread * m.channels + d0 + lane, load_one(one, row, lanes + lane))


@njit(nogil=True)
def _add_one(one: Any, base: int, index: int, value: float) -> None:
    store_one(base, index, load_one(one, base, index) + value)


def _entries(stamp: int) -> tuple[Callable[..., None], Callable[..., None]]:
    # The stamp is a free variable, which numba's cache keys on: code compiled from other sources is not taken up.
    def forward(one: Any, arguments: Any, work: int, first: int, stop: int, thread: int) -> None:
        if stamp != 0:
            _forward(one, arguments, work, first, stop)

    def backward(one: Any, arguments: Any, work: int, first: int, stop: int, thread: int) -> None:
        if stamp != 0:
            _backward(one, arguments, work, first, stop, thread)

    return compile_cached(forward), compile_cached(backward)


forward, backward = _entries(source_stamp(__file__, simd.__file__, tiles.__file__))
