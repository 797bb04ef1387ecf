"""Moving tiles of a tensor in and out of the vector layout of the CPU kernels.

A tile is LANES channels over a run of samples, kept as one vector per sample. A tensor may have any strides: where
channels lie next to each other a row is one load, where samples do a square is transposed in registers, anything
else is moved number by number.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from glaciertime.nn.cpu.simd import fill, itemsize, load, load_one, store, store_one, transpose

__all__ = ["load_lanes", "load_tile", "store_lanes", "store_tile"]


@njit(nogil=True)
def load_tile(
    one: Any,
    base: int,
    start: int,
    channel_step: int,
    time_step: int,
    channels: int,
    samples: int,
    lanes: int,
    tile: int,
) -> None:
    """Copy (channels, samples) from ``start`` elements after ``base`` to rows of a tile; lanes left over are zero."""
    whole = 0
    if channels == lanes and channel_step == 1:
        whole = samples
        for t in range(samples):
            store(tile, t * lanes, load(one, base, start + t * time_step))
    elif channels == lanes and time_step == 1:
        whole = samples // lanes * lanes
        size: int = itemsize(one)
        for t in range(0, whole, lanes):
            transpose(one, base + (start + t) * size, channel_step, tile + t * lanes * size, lanes)
    for t in range(whole, samples):
        store(tile, t * lanes, fill(one, 0.0))
        for lane in range(channels):
            store_one(tile, t * lanes + lane, load_one(one, base, start + lane * channel_step + t * time_step))


@njit(nogil=True)
def store_tile(
    one: Any,
    base: int,
    start: int,
    channel_step: int,
    time_step: int,
    channels: int,
    samples: int,
    lanes: int,
    tile: int,
) -> None:
    """Copy rows of a tile to (channels, samples) from ``start`` elements after ``base``."""
    whole = 0
    if channels == lanes and channel_step == 1:
        whole = samples
        for t in range(samples):
            store(base, start + t * time_step, load(one, tile, t * lanes))
    elif channels == lanes and time_step == 1:
        whole = samples // lanes * lanes
        size: int = itemsize(one)
        for t in range(0, whole, lanes):
            transpose(one, tile + t * lanes * size, lanes, base + (start + t) * size, channel_step)
    for t in range(whole, samples):
        for lane in range(channels):
            store_one(base, start + lane * channel_step + t * time_step, load_one(one, tile, t * lanes + lane))


@njit(nogil=True)
def load_lanes(one: Any, base: int, start: int, step: int, channels: int, lanes: int, row: int) -> None:
    """Copy ``channels`` numbers a step apart to one vector; lanes left over are zero."""
    store(row, 0, fill(one, 0.0))
    for lane in range(channels):
        store_one(row, lane, load_one(one, base, start + lane * step))


@njit(nogil=True)
def store_lanes(one: Any, base: int, start: int, step: int, channels: int, row: int) -> None:
    """Copy the first ``channels`` numbers of a vector to places a step apart."""
    for lane in range(channels):
        store_one(base, start + lane * step, load_one(one, row, lane))
