"""How a selective scan is cut into blocks of channels and chunks of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glaciertime.nn.gpu.launch import padded

__all__ = ["STEPS", "Plan", "cut", "make_plan", "number_of"]

# Samples taken at once, whose states are held in registers backward.
STEPS = 4
# Numbers of the state, N x WIDTH, that a program of one warp holds; of ``gradients``, and of all other kernels: fewer
# let more programs run at once, more share loads and sums over channels. The quickest on an H200 at most sizes.
_NARROW_NUMBERS = 512
_WIDE_NUMBERS = 512
# Chunks of a sequence at most: there is a state for each.
_MOST_CHUNKS = 512
# Programs that keep a card busy, and the samples below which a chunk is not worth a program.
_BUSY_PROGRAMS = 4096
_LEAST_SAMPLES = 32
# Chunks over which every program carries the state by itself; where there are more, a kernel of its own does.
_CARRIED_BY_ALL = 32


@dataclass(frozen=True)
class Plan:
    """One way to cut a scan."""

    batch: int
    channels: int
    length: int
    states: int
    groups: int
    rows: int
    narrow: int
    width: int
    chunk: int
    chunks: int
    share: int

    @property
    def narrow_blocks(self) -> int:
        """Blocks of channels of all kernels but ``gradients``."""
        return self.groups * -(-(self.channels // self.groups) // self.narrow)

    @property
    def sizes(self) -> tuple[int, ...]:
        """What every kernel is told of the shapes."""
        return self.channels, self.length, self.states, self.channels // self.groups

    @property
    def cut(self) -> tuple[int, int]:
        """How many chunks, how long."""
        return self.chunks, self.chunk

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """A state for every chunk, and a row more: for how long it decays meanwhile."""
        return self.batch, self.chunks if self.chunks > 1 else 0, self.states + 1, self.channels

    @property
    def is_carried_before(self) -> bool:
        """Whether the states that the chunks start from are put together before they are run."""
        return self.chunks > _CARRIED_BY_ALL

    @property
    def slots(self) -> int:
        """Programs per group of ``gradients``, each with its sums for B and C."""
        return -(-self.channels // (self.groups * self.width * self.share))

    def fixed(self, delta_softplus: bool, width: int, along: int) -> tuple[Any, ...]:
        """What a kernel is compiled for."""
        return delta_softplus, self.length % STEPS == 0, self.rows, width, STEPS, along


def make_plan(u: Tensor, states: int, groups: int) -> Plan:
    """Return how the scan of ``u`` (B, D, L) is cut."""
    batch, channels, length = u.shape
    per_group = channels // groups
    rows = padded(states)
    widest = padded(per_group)
    narrow, width = (min(max(1, numbers // rows), widest) for numbers in (_NARROW_NUMBERS, _WIDE_NUMBERS))
    blocks = -(-per_group // width)
    # A state per chunk is kept: the more states, the longer a chunk.
    most = min(_MOST_CHUNKS, -(-length // max(_LEAST_SAMPLES, 2 * rows)))
    chunks = max(1, min(most, _BUSY_PROGRAMS // max(1, batch * groups * blocks)))
    # As many blocks share their sums of B and C as keeps these sums smaller than the input.
    slots = max(1, per_group * u.element_size() // (16 * states))
    return cut(u, states, groups, narrow=narrow, width=width, chunks=chunks, share=-(-blocks // slots))


def cut(u: Tensor, states: int, groups: int, *, narrow: int, width: int, chunks: int, share: int) -> Plan:
    """Return a plan with at most so many chunks, each of whole steps."""
    batch, channels, length = u.shape
    chunk = -(-length // (chunks * STEPS)) * STEPS
    chunks = -(-length // chunk)
    return Plan(batch, channels, length, states, groups, padded(states), narrow, width, chunk, chunks, share)


def number_of(u: Tensor) -> torch.dtype:
    """Return the dtype that is computed in."""
    return torch.float64 if u.dtype == torch.float64 else torch.float32
