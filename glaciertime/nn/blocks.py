"""Residual blocks around the mixers, for sequences: norm, mix, add; one direction or both; whole or step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from glaciertime.errors import InputError
from glaciertime.nn.checks import check_gaps, check_shape
from glaciertime.nn.mixers import Mamba, Mamba2, MixerState

__all__ = ["DropPath", "Mamba2Block", "MambaBlock", "MambaStack"]


class DropPath(nn.Module):
    """Leave a residual branch out for whole samples at random, while training (stochastic depth).

    Parameters
    ----------
    probability : of leaving it out, in [0, 1).

    Examples
    --------
    >>> import torch
    >>> DropPath(0.5).eval()(torch.ones(2, 1)).tolist()
    [[1.0], [1.0]]
    """

    def __init__(self, probability: float = 0.0) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise InputError(f"DropPath: probability is {probability}, expected at least 0 and below 1")
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Return x with whole samples zeroed, the others scaled up so that the mean stays."""
        if self.probability == 0 or not self.training:
            return x
        keep = 1 - self.probability
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * mask / keep

    def extra_repr(self) -> str:
        """Return what is shown between the brackets of the module's name."""
        return f"probability={self.probability}"


class _SequenceBlock(nn.Module):
    """x + drop_path(mixer(norm(x))), with a second mixer on the reversed sequence if bidirectional."""

    def __init__(self, mixer: Mamba | Mamba2, reverse: Mamba | Mamba2 | None, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(mixer.d_model, eps=1e-5)
        self.mixer = mixer
        self.mixer_reverse = reverse
        self.drop_path = DropPath(drop_path)

    @property
    def bidirectional(self) -> bool:
        """Whether samples also see what comes after them."""
        return self.mixer_reverse is not None

    def forward(self, x: Tensor, *, dt: Tensor | None = None) -> Tensor:
        """Mix along the sequence.

        Parameters
        ----------
        x : (B, L, d_model), L at least 1.
        dt : (B, L); gap between each sample and the one before, at least 0, in one unit throughout; the first
            only matters after an earlier state. 1 everywhere if not given.

        Returns
        -------
        (B, L, d_model)

        Raises
        ------
        InputError
            If a shape does not fit, a gap is negative, or a value on the CPU is not finite.
        """
        name = type(self).__name__
        check_shape(name, "x", x, {"B": None, "L": None, "d_model": self.mixer.d_model})
        if dt is not None:
            check_gaps(name, dt, x.shape[0], x.shape[1])
            dt = dt.to(_gap_dtype(x))
        inner = self.norm(x)
        mixed = self.mixer(inner, dt=dt)
        if self.mixer_reverse is not None:
            # Seen from the end, the gap before a sample is the one that followed it.
            back = None if dt is None else dt.roll(-1, dims=1).flip(1)
            mixed = mixed + self.mixer_reverse(inner.flip(1), dt=back).flip(1)
        return x + self.drop_path(mixed)

    def init_state(self, batch: int) -> MixerState:
        """Return the state before the first sample of a stream."""
        self._must_be_causal()
        return self.mixer.init_state(batch)

    def step(
        self, x: Tensor, state: MixerState | None = None, *, dt: Tensor | None = None
    ) -> tuple[Tensor, MixerState]:
        """Take one sample of a stream; the results equal those of the whole sequence at once.

        Parameters
        ----------
        x : (B, d_model)
        state : what the last call returned; None before the first sample.
        dt : (B,); gap since the sample before.

        Returns
        -------
        y : (B, d_model)
        state : to be passed to the next call.

        Raises
        ------
        InputError
            If the block is bidirectional, or an argument does not fit.
        """
        self._must_be_causal()
        name = type(self).__name__
        check_shape(name, "x", x, {"B": None, "d_model": self.mixer.d_model})
        if dt is not None:
            check_shape(name, "dt", dt, {"B": x.shape[0]})
            dt = dt[:, None].to(_gap_dtype(x))
        state = self.mixer.init_state(x.shape[0]) if state is None else state
        mixed, state = self.mixer(self.norm(x)[:, None], dt=dt, state=state, return_state=True)
        return x + self.drop_path(mixed[:, 0]), state

    def _must_be_causal(self) -> None:
        if self.bidirectional:
            raise InputError(
                f"{type(self).__name__}: step() of a bidirectional block would need samples not yet seen; build it "
                "with bidirectional=False"
            )


def _gap_dtype(x: Tensor) -> torch.dtype:
    # Half precision would round a date to a week.
    return torch.float32 if x.dtype.itemsize == 2 else x.dtype


class MambaBlock(_SequenceBlock):
    """Residual Mamba block over a sequence (B, L, d_model).

    Parameters
    ----------
    d_model : channels in and out.
    d_state, d_conv, expand : states per channel, taps of the convolution, inner channels per channel.
    dt_rank : rank of the projection to the step; "auto" is d_model / 16, rounded up.
    drop_path : probability of leaving the branch out while training.
    bidirectional : whether a second mixer reads the sequence backwards; the two are added.

    References
    ----------
    Gu and Dao 2023, doi:10.48550/arXiv.2312.00752.

    Examples
    --------
    >>> import torch
    >>> block = MambaBlock(8)
    >>> block(torch.zeros(2, 5, 8), dt=torch.ones(2, 5)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        d_model: int,
        *,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | Literal["auto"] = "auto",
        drop_path: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        def mixer() -> Mamba:
            return Mamba(d_model, d_state=d_state, d_conv=d_conv, expand=expand, dt_rank=dt_rank)

        super().__init__(mixer(), mixer() if bidirectional else None, drop_path)


class Mamba2Block(_SequenceBlock):
    """Residual Mamba-2 block over a sequence (B, L, d_model).

    Parameters
    ----------
    d_model : channels in and out.
    d_state, d_conv, expand : states per channel, taps of the convolution, inner channels per channel.
    headdim : channels per head; divides expand * d_model.
    ngroups : groups of heads that share B and C.
    drop_path : probability of leaving the branch out while training.
    bidirectional : whether a second mixer reads the sequence backwards; the two are added.
    chunk_size : samples per chunk of the scan; changes speed, not the result.

    References
    ----------
    Dao and Gu 2024, doi:10.48550/arXiv.2405.21060.

    Examples
    --------
    >>> import torch
    >>> block = Mamba2Block(8, d_state=4, headdim=4)
    >>> y, state = block.step(torch.zeros(2, 8))
    >>> y.shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        d_model: int,
        *,
        d_state: int = 64,
        d_conv: int = 4,
        expand: int = 2,
        headdim: int = 64,
        ngroups: int = 1,
        drop_path: float = 0.0,
        bidirectional: bool = False,
        chunk_size: int = 64,
    ) -> None:
        def mixer() -> Mamba2:
            return Mamba2(
                d_model,
                d_state=d_state,
                d_conv=d_conv,
                expand=expand,
                headdim=headdim,
                ngroups=ngroups,
                chunk_size=chunk_size,
            )

        super().__init__(mixer(), mixer() if bidirectional else None, drop_path)


class MambaStack(nn.Module):
    """Blocks one after the other, which all see the same gaps.

    Parameters
    ----------
    blocks : MambaBlock or Mamba2Block, at least one.

    Examples
    --------
    >>> import torch
    >>> stack = MambaStack([MambaBlock(8), Mamba2Block(8, d_state=4, headdim=4)])
    >>> stack(torch.zeros(2, 5, 8), dt=torch.ones(2, 5)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, blocks: Iterable[MambaBlock | Mamba2Block]) -> None:
        super().__init__()
        chain = list(blocks)
        if not chain:
            raise InputError("MambaStack: no block given, expected at least one")
        self.blocks = nn.ModuleList(chain)

    def forward(self, x: Tensor, *, dt: Tensor | None = None) -> Tensor:
        """Mix (B, L, d_model) through every block; ``dt`` as in the blocks."""
        for block in self.blocks:
            x = block(x, dt=dt)
        return x

    def step(
        self, x: Tensor, states: Sequence[MixerState] | None = None, *, dt: Tensor | None = None
    ) -> tuple[Tensor, tuple[MixerState, ...]]:
        """Take one sample (B, d_model) of a stream; the results equal those of the whole sequence at once."""
        given: Sequence[MixerState | None] = [None] * len(self.blocks) if states is None else states
        after = []
        for block, state in zip(self.blocks, given, strict=True):
            x, state = cast(_SequenceBlock, block).step(x, state, dt=dt)
            after.append(state)
        return x, tuple(after)
