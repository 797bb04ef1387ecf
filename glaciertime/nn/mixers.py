"""The mixers of Mamba and Mamba-2 without norm and residual, under mamba-ssm's parameter names."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from glaciertime.errors import InputError
from glaciertime.nn.conv import causal_conv1d
from glaciertime.nn.scan import selective_scan
from glaciertime.nn.ssd import ssd_scan

__all__ = ["GatedRMSNorm", "Mamba", "Mamba2", "MixerState", "initial_steps"]


class MixerState(NamedTuple):
    """What a mixer remembers between calls.

    Attributes
    ----------
    conv : (B, channels, d_conv - 1); the last inputs of the convolution.
    ssm : (B, d_inner, d_state) or (B, heads, headdim, d_state); the state of the scan.
    """

    conv: Tensor
    ssm: Tensor


class Mamba(nn.Module):
    """The mixer of Mamba: in-projection, causal convolution, selective scan, gate, out-projection.

    Parameters
    ----------
    d_model : channels in and out.
    d_state, d_conv, expand : states per channel, taps of the convolution, inner channels per channel.
    dt_rank : rank of the projection to the step; "auto" is d_model / 16, rounded up.
    dt_min, dt_max : range of the initial steps.

    References
    ----------
    Gu and Dao 2023, doi:10.48550/arXiv.2312.00752.

    Examples
    --------
    >>> import torch
    >>> Mamba(8)(torch.zeros(2, 5, 8)).shape
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
        dt_min: float = 0.001,
        dt_max: float = 0.1,
    ) -> None:
        super().__init__()
        _check_sizes(d_model=d_model, d_state=d_state, d_conv=d_conv, expand=expand)
        self.d_model = d_model
        self.d_state = d_state
        self.d_conv = d_conv
        self.d_inner = expand * d_model
        self.dt_rank = math.ceil(d_model / 16) if dt_rank == "auto" else dt_rank
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=False)
        self.conv1d = nn.Conv1d(self.d_inner, self.d_inner, d_conv, groups=self.d_inner, padding=d_conv - 1)
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner)
        nn.init.uniform_(self.dt_proj.weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
        with torch.no_grad():
            self.dt_proj.bias.copy_(initial_steps(self.d_inner, dt_min, dt_max))
        rates = torch.arange(1, d_state + 1, dtype=torch.float32).repeat(self.d_inner, 1)
        self.A_log = nn.Parameter(rates.log())
        self.D = nn.Parameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)

    def forward(
        self, x: Tensor, *, dt: Tensor | None = None, state: MixerState | None = None, return_state: bool = False
    ) -> Tensor | tuple[Tensor, MixerState]:
        """Mix a sequence (B, L, d_model), continuing from ``state`` if given; ``dt`` (B, L) are the gaps."""
        u, z = self.in_proj(x).mT.chunk(2, dim=1)
        u, conv_state = causal_conv1d(
            u,
            self.conv1d.weight[:, 0],
            self.conv1d.bias,
            activation="silu",
            initial_state=None if state is None else state.conv,
            return_last_state=True,
        )
        rank, B, C = self.x_proj(u.mT).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        delta = functional.linear(rank, self.dt_proj.weight).mT
        y, last = selective_scan(
            u,
            delta,
            -torch.exp(self.A_log),
            B.mT,
            C.mT,
            self.D,
            z,
            self.dt_proj.bias,
            delta_softplus=True,
            h0=None if state is None else state.ssm,
            return_last_state=True,
            dt=dt,
        )
        out = self.out_proj(y.mT)
        return (out, MixerState(conv_state, last)) if return_state else out

    def init_state(self, batch: int) -> MixerState:
        """Return the state before the first sample: zeros."""
        like = self.A_log
        return MixerState(
            like.new_zeros(batch, self.d_inner, self.d_conv - 1), like.new_zeros(batch, self.d_inner, self.d_state)
        )


class Mamba2(nn.Module):
    """The mixer of Mamba-2: one projection to everything, causal convolution, scan, gated norm, out-projection.

    Parameters
    ----------
    d_model : channels in and out.
    d_state, d_conv, expand : states per channel, taps of the convolution, inner channels per channel.
    headdim : channels per head; divides expand * d_model.
    ngroups : groups of heads that share B and C.
    dt_min, dt_max : range of the initial steps.
    chunk_size : samples per chunk of the scan; changes speed, not the result.

    References
    ----------
    Dao and Gu 2024, doi:10.48550/arXiv.2405.21060.

    Examples
    --------
    >>> import torch
    >>> Mamba2(8, headdim=4)(torch.zeros(2, 5, 8)).shape
    torch.Size([2, 5, 8])
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
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        chunk_size: int = 64,
    ) -> None:
        super().__init__()
        _check_sizes(d_model=d_model, d_state=d_state, d_conv=d_conv, expand=expand, headdim=headdim, ngroups=ngroups)
        self.d_model = d_model
        self.d_state = d_state
        self.d_conv = d_conv
        self.d_inner = expand * d_model
        self.headdim = headdim
        self.ngroups = ngroups
        self.chunk_size = chunk_size
        if self.d_inner % headdim:
            raise InputError(
                f"Mamba2: headdim is {headdim}, expected a divisor of expand * d_model = {self.d_inner}; "
                f"try headdim={math.gcd(headdim, self.d_inner)}"
            )
        self.nheads = self.d_inner // headdim
        if self.nheads % ngroups:
            raise InputError(f"Mamba2: ngroups is {ngroups}, expected a divisor of the {self.nheads} heads")
        self.conv_channels = self.d_inner + 2 * ngroups * d_state
        self.in_proj = nn.Linear(d_model, self.d_inner + self.conv_channels + self.nheads, bias=False)
        self.conv1d = nn.Conv1d(
            self.conv_channels, self.conv_channels, d_conv, groups=self.conv_channels, padding=d_conv - 1
        )
        self.dt_bias = nn.Parameter(initial_steps(self.nheads, dt_min, dt_max))
        self.A_log = nn.Parameter(torch.empty(self.nheads).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(self.nheads))
        self.norm = GatedRMSNorm(self.d_inner)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)

    def forward(
        self, x: Tensor, *, dt: Tensor | None = None, state: MixerState | None = None, return_state: bool = False
    ) -> Tensor | tuple[Tensor, MixerState]:
        """Mix a sequence (B, L, d_model), continuing from ``state`` if given; ``dt`` (B, L) are the gaps."""
        z, xBC, delta = self.in_proj(x).split([self.d_inner, self.conv_channels, self.nheads], dim=-1)
        xBC, conv_state = causal_conv1d(
            xBC.mT,
            self.conv1d.weight[:, 0],
            self.conv1d.bias,
            activation="silu",
            initial_state=None if state is None else state.conv,
            return_last_state=True,
        )
        shared = self.ngroups * self.d_state
        u, B, C = xBC.mT.split([self.d_inner, shared, shared], dim=-1)
        y, last = ssd_scan(
            u.unflatten(-1, (self.nheads, self.headdim)),
            delta,
            -torch.exp(self.A_log),
            B.unflatten(-1, (self.ngroups, self.d_state)),
            C.unflatten(-1, (self.ngroups, self.d_state)),
            self.D,
            None,
            self.dt_bias,
            delta_softplus=True,
            h0=None if state is None else state.ssm,
            return_last_state=True,
            dt=dt,
            chunk_size=self.chunk_size,
        )
        out = self.out_proj(self.norm(y.flatten(-2), z))
        return (out, MixerState(conv_state, last)) if return_state else out

    def init_state(self, batch: int) -> MixerState:
        """Return the state before the first sample: zeros."""
        like = self.A_log
        return MixerState(
            like.new_zeros(batch, self.conv_channels, self.d_conv - 1),
            like.new_zeros(batch, self.nheads, self.headdim, self.d_state),
        )


class GatedRMSNorm(nn.Module):
    """Root-mean-square norm of y * silu(z).

    Examples
    --------
    >>> import torch
    >>> GatedRMSNorm(2)(torch.ones(1, 2), torch.ones(1, 2)).round(decimals=3).tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        """Gate, then divide by the root mean square over the last axis."""
        gated = y * functional.silu(z)
        return gated * torch.rsqrt(gated.square().mean(-1, keepdim=True) + self.eps) * self.weight


def initial_steps(count: int, dt_min: float, dt_max: float) -> Tensor:
    """Return biases whose softplus is log-uniform between two steps.

    Examples
    --------
    >>> steps = functional.softplus(initial_steps(100, 0.001, 0.1))
    >>> bool((steps > 0.0009).all() and (steps < 0.101).all())
    True
    """
    if not 0 < dt_min <= dt_max:
        raise InputError(f"initial steps: dt_min={dt_min}, dt_max={dt_max}, expected 0 < dt_min <= dt_max")
    steps = torch.exp(torch.rand(count) * (math.log(dt_max) - math.log(dt_min)) + math.log(dt_min))
    return steps + torch.log(-torch.expm1(-steps))


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise InputError(f"{name} is {size!r}, expected a whole number of at least 1")
