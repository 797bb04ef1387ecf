"""The scan of Mamba-2 compiled by numba: LANES channels of a head side by side, all states of a sample in turn.

One decay serves all channels and states of a head, so that a state costs two multiply-adds and no exponential. As in
:mod:`glaciertime.nn.cpu.kernels`, the state at the start of every run is kept, and a run is repeated from it in the
backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from glaciertime.nn.cpu import simd, tiles
from glaciertime.nn.cpu.jit import compile_cached, source_stamp
from glaciertime.nn.cpu.simd import add_into, fill, fma, load, load_one, store, sum_rows
from glaciertime.nn.cpu.tiles import load_lanes, load_tile, store_lanes, store_tile

__all__ = ["SSD_ARGUMENTS", "ssd_backward", "ssd_forward", "ssd_workspace_numbers"]

# Addresses (0 where not given), strides in elements, sizes. Steps and decay factors are (B, H, L) without gaps.
_FIELDS = (
    "x x_b x_h x_p x_t y y_b y_h y_p y_t step factor B B_b B_t B_g B_n C C_b C_t C_g C_n h0 last kept "
    "gy gy_b gy_h gy_p gy_t gx gx_b gx_h gx_p gx_t gstep gfactor gB gC gh0 glast "
    "batch length heads width states groups blocks run runs slots padded lines itemsize lanes"
)
SSD_ARGUMENTS = np.dtype([(name, np.int64) for name in _FIELDS.split()])


def ssd_workspace_numbers(run: int, states: int, lanes: int) -> int:
    """Return how many numbers one thread works in.

    Examples
    --------
    >>> ssd_workspace_numbers(32, 16, 16)
    11264
    """
    padded = -(-states // lanes) * lanes
    return (5 * run + (run + 2) * padded) * lanes


@njit(nogil=True)
def _forward(one: Any, arguments: Any, work: int, first: int, stop: int) -> None:
    m = arguments[0]
    lanes, states, run = m.lanes, m.states, m.run
    # The record is read here once: after a store the compiler would read it again in every turn of a loop.
    B_at, B_step, C_at, C_step = m.B, m.B_n, m.C, m.C_n
    factor_at, step_at = m.factor, m.step
    vector = lanes * m.itemsize
    xs, ys, hs = work, work + run * vector, work + 2 * run * vector
    for unit in range(first, stop):
        b = unit // (m.heads * m.blocks)
        head = unit // m.blocks % m.heads
        p0 = unit % m.blocks * lanes
        channels = min(lanes, m.width - p0)
        g = head // (m.heads // m.groups)
        line = (b * m.heads + head) * m.length
        for n in range(states):
            store(hs, n * lanes, fill(one, 0.0))
            if m.h0 != 0:
                start = ((b * m.heads + head) * m.width + p0) * states + n
                load_lanes(one, m.h0, start, states, channels, lanes, hs + n * vector)
        for r in range(m.runs):
            t0 = r * run
            count = min(run, m.length - t0)
            if m.kept != 0:
                for n in range(states):
                    store(m.kept, ((unit * m.runs + r) * states + n) * lanes, load(one, hs, n * lanes))
            start = b * m.x_b + head * m.x_h + p0 * m.x_p + t0 * m.x_t
            load_tile(one, m.x, start, m.x_p, m.x_t, channels, count, lanes, xs)
            for t in range(count):
                factor = fill(one, load_one(one, factor_at, line + t0 + t))
                drive = load(one, xs, t * lanes) * fill(one, load_one(one, step_at, line + t0 + t))
                B = b * m.B_b + (t0 + t) * m.B_t + g * m.B_g
                C = b * m.C_b + (t0 + t) * m.C_t + g * m.C_g
                y0, y1, y2, y3 = fill(one, 0.0), fill(one, 0.0), fill(one, 0.0), fill(one, 0.0)
                # Four sums side by side, since one alone would wait for itself.
                for n in range(0, states - 3, 4):
                    h = fma(drive, fill(one, load_one(one, B_at, B + n * B_step)), factor * load(one, hs, n * lanes))
                    store(hs, n * lanes, h)
                    y0 = fma(h, fill(one, load_one(one, C_at, C + n * C_step)), y0)
                    k = n + 1
                    h = fma(drive, fill(one, load_one(one, B_at, B + k * B_step)), factor * load(one, hs, k * lanes))
                    store(hs, k * lanes, h)
                    y1 = fma(h, fill(one, load_one(one, C_at, C + k * C_step)), y1)
                    k = n + 2
                    h = fma(drive, fill(one, load_one(one, B_at, B + k * B_step)), factor * load(one, hs, k * lanes))
                    store(hs, k * lanes, h)
                    y2 = fma(h, fill(one, load_one(one, C_at, C + k * C_step)), y2)
                    k = n + 3
                    h = fma(drive, fill(one, load_one(one, B_at, B + k * B_step)), factor * load(one, hs, k * lanes))
                    store(hs, k * lanes, h)
                    y3 = fma(h, fill(one, load_one(one, C_at, C + k * C_step)), y3)
                for n in range(states // 4 * 4, states):
                    h = fma(drive, fill(one, load_one(one, B_at, B + n * B_step)), factor * load(one, hs, n * lanes))
                    store(hs, n * lanes, h)
                    y0 = fma(h, fill(one, load_one(one, C_at, C + n * C_step)), y0)
                store(ys, t * lanes, (y0 + y1) + (y2 + y3))
            start = b * m.y_b + head * m.y_h + p0 * m.y_p + t0 * m.y_t
            store_tile(one, m.y, start, m.y_p, m.y_t, channels, count, lanes, ys)
        if m.last != 0:
            for n in range(states):
                start = ((b * m.heads + head) * m.width + p0) * states + n
                store_lanes(one, m.last, start, states, channels, hs + n * vector)


@njit(nogil=True)
def _backward(one: Any, arguments: Any, work: int, first: int, stop: int) -> None:
    m = arguments[0]
    per_group = m.heads // m.groups
    per_slot = (per_group + m.slots - 1) // m.slots
    for task in range(first, stop):
        b = task // (m.groups * m.slots)
        g = task // m.slots % m.groups
        low = task % m.slots * per_slot
        for index in range(low, min(low + per_slot, per_group)):
            for block in range(m.blocks):
                _block_backward(one, m, work, b, g, g * per_group + index, block, task)


@njit(nogil=True)
def _block_backward(one: Any, m: Any, work: int, b: int, g: int, head: int, block: int, task: int) -> None:
    lanes, states, run = m.lanes, m.states, m.run
    # The record is read here once: after a store the compiler would read it again in every turn of a loop.
    B_at, B_step, C_at, C_step = m.B, m.B_n, m.C, m.C_n
    factor_at, step_at = m.factor, m.step
    vector = lanes * m.itemsize
    tile = run * vector
    padded_states = (states + lanes - 1) // lanes * lanes
    gB_at, gC_at, kept_at = m.gB, m.gC, m.kept
    p0 = block * lanes
    channels = min(lanes, m.width - p0)
    unit = (b * m.heads + head) * m.blocks + block
    line = (b * m.heads + head) * m.length
    xs, gys, gsteps, gfactors = work, work + tile, work + 2 * tile, work + 3 * tile
    sums = work + 4 * tile
    ghs = work + 5 * tile
    # The states before the run, then after each of its samples; rows beyond the last state stay zero.
    past = ghs + padded_states * vector
    for n in range(padded_states):
        store(ghs, n * lanes, fill(one, 0.0))
        if n < states and m.glast != 0:
            start = ((b * m.heads + head) * m.width + p0) * states + n
            load_lanes(one, m.glast, start, states, channels, lanes, ghs + n * vector)
    for t in range(run + 1):
        for n in range(states, padded_states):
            store(past, (t * padded_states + n) * lanes, fill(one, 0.0))
    for r in range(m.runs - 1, -1, -1):
        t0 = r * run
        count = min(run, m.length - t0)
        whole = (count + lanes - 1) // lanes * lanes
        start = b * m.x_b + head * m.x_h + p0 * m.x_p + t0 * m.x_t
        load_tile(one, m.x, start, m.x_p, m.x_t, channels, count, lanes, xs)
        start = b * m.gy_b + head * m.gy_h + p0 * m.gy_p + t0 * m.gy_t
        load_tile(one, m.gy, start, m.gy_p, m.gy_t, channels, count, lanes, gys)
        for n in range(states):
            store(past, n * lanes, load(one, kept_at, ((unit * m.runs + r) * states + n) * lanes))
        for t in range(count):
            factor = fill(one, load_one(one, factor_at, line + t0 + t))
            drive = load(one, xs, t * lanes) * fill(one, load_one(one, step_at, line + t0 + t))
            B = b * m.B_b + (t0 + t) * m.B_t + g * m.B_g
            before = t * padded_states
            after = before + padded_states
            for n in range(states):
                h = factor * load(one, past, (before + n) * lanes)
                h = fma(drive, fill(one, load_one(one, B_at, B + n * B_step)), h)
                store(past, (after + n) * lanes, h)
        for t in range(count, whole):
            store(gsteps, t * lanes, fill(one, 0.0))
            store(gfactors, t * lanes, fill(one, 0.0))
        for t in range(count - 1, -1, -1):
            factor = fill(one, load_one(one, factor_at, line + t0 + t))
            step = fill(one, load_one(one, step_at, line + t0 + t))
            x, gy = load(one, xs, t * lanes), load(one, gys, t * lanes)
            drive = x * step
            B = b * m.B_b + (t0 + t) * m.B_t + g * m.B_g
            C = b * m.C_b + (t0 + t) * m.C_t + g * m.C_g
            before = t * padded_states
            after = before + padded_states
            gdrive, gfactor = fill(one, 0.0), fill(one, 0.0)
            place = (task * m.padded + t0 + t) * m.lines
            for n0 in range(0, padded_states, lanes):
                for k in range(lanes):
                    store(sums, k * lanes, gy * load(one, past, (after + n0 + k) * lanes))
                add_into(gC_at, place + n0, sum_rows(one, sums))
                for k in range(min(lanes, states - n0)):
                    n = n0 + k
                    gh = fma(fill(one, load_one(one, C_at, C + n * C_step)), gy, load(one, ghs, n * lanes))
                    store(sums, k * lanes, gh * drive)
                    gdrive = fma(fill(one, load_one(one, B_at, B + n * B_step)), gh, gdrive)
                    gfactor = fma(gh, load(one, past, (before + n) * lanes), gfactor)
                    store(ghs, n * lanes, gh * factor)
                for k in range(states - n0, lanes):
                    store(sums, k * lanes, fill(one, 0.0))
                add_into(gB_at, place + n0, sum_rows(one, sums))
            store(gsteps, t * lanes, gdrive * x)
            store(gfactors, t * lanes, gfactor)
            store(xs, t * lanes, gdrive * step)
        start = b * m.gx_b + head * m.gx_h + p0 * m.gx_p + t0 * m.gx_t
        store_tile(one, m.gx, start, m.gx_p, m.gx_t, channels, count, lanes, xs)
        place = (b * m.heads + head) * m.padded + t0
        for t in range(0, whole, lanes):
            add_into(m.gstep, place + t, sum_rows(one, gsteps + t * vector))
            add_into(m.gfactor, place + t, sum_rows(one, gfactors + t * vector))
    if m.gh0 != 0:
        for n in range(states):
            start = ((b * m.heads + head) * m.width + p0) * states + n
            store_lanes(one, m.gh0, start, states, channels, ghs + n * vector)


def _entries(stamp: int) -> tuple[Callable[..., None], Callable[..., None]]:
    # The stamp is a free variable, which numba's cache keys on: code compiled from other sources is not taken up.
    def forward(one: Any, arguments: Any, work: int, first: int, stop: int, thread: int) -> None:
        if stamp != 0:
            _forward(one, arguments, work, first, stop)

    def backward(one: Any, arguments: Any, work: int, first: int, stop: int, thread: int) -> None:
        if stamp != 0:
            _backward(one, arguments, work, first, stop)

    return compile_cached(forward), compile_cached(backward)


ssd_forward, ssd_backward = _entries(source_stamp(__file__, simd.__file__, tiles.__file__))
