"""The scan over images: along rows and along columns, forwards and backwards, added up."""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from glaciertime.errors import InputError
from glaciertime.nn.blocks import DropPath
from glaciertime.nn.checks import check_shape
from glaciertime.nn.mixers import initial_steps
from glaciertime.nn.scan import selective_scan
from glaciertime.nn.ssd import ssd_scan

__all__ = ["SS2DBlock"]

_DIRECTIONS = 4


class SS2DBlock(nn.Module):
    """Residual block that scans an image (B, C, H, W) in four directions.

    Parameters
    ----------
    d_model : channels C in and out.
    core : "mamba" (a decay per channel and state) or "mamba2" (a decay per head; faster).
    d_state, expand : states per channel, inner channels per channel.
    d_conv : side of the depthwise convolution before the scan, odd.
    dt_rank : with core "mamba", rank of the projection to the step; "auto" is d_model / 16, rounded up.
    headdim : with core "mamba2", channels per head; divides expand * d_model.
    drop_path : probability of leaving the branch out while training.
    chunk_size : with core "mamba2", samples per chunk of the scan; changes speed, not the result.

    References
    ----------
    Liu et al. 2024, doi:10.48550/arXiv.2401.10166.

    Examples
    --------
    >>> import torch
    >>> SS2DBlock(8, core="mamba2", headdim=4)(torch.zeros(2, 8, 5, 7)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(
        self,
        d_model: int,
        *,
        core: Literal["mamba", "mamba2"] = "mamba2",
        d_state: int = 16,
        d_conv: int = 3,
        expand: int = 2,
        dt_rank: int | Literal["auto"] = "auto",
        headdim: int = 16,
        drop_path: float = 0.0,
        chunk_size: int = 64,
    ) -> None:
        super().__init__()
        if core not in ("mamba", "mamba2"):
            raise InputError(f'SS2DBlock: core is {core!r}, expected "mamba" or "mamba2"')
        if d_conv % 2 != 1:
            raise InputError(f"SS2DBlock: d_conv is {d_conv}, expected an odd number")
        self.d_model = d_model
        self.core = core
        self.d_state = d_state
        self.d_inner = inner = expand * d_model
        self.headdim = headdim if core == "mamba2" else 1
        if inner % self.headdim:
            raise InputError(
                f"SS2DBlock: headdim is {headdim}, expected a divisor of expand * d_model = {inner}; "
                f"try headdim={math.gcd(headdim, inner)}"
            )
        self.chunk_size = chunk_size
        self.norm = nn.LayerNorm(d_model)
        self.in_proj = nn.Linear(d_model, 2 * inner, bias=False)
        self.conv2d = nn.Conv2d(inner, inner, d_conv, padding=d_conv // 2, groups=inner)
        # The step comes through a low rank per channel, or directly per head.
        steps = inner // self.headdim
        self.dt_rank = steps if core == "mamba2" else math.ceil(d_model / 16) if dt_rank == "auto" else dt_rank
        self.x_proj_weight = nn.Parameter(_uniform(_DIRECTIONS, self.dt_rank + 2 * d_state, inner, bound=inner**-0.5))
        if core == "mamba":
            self.dt_proj_weight = nn.Parameter(_uniform(_DIRECTIONS, inner, self.dt_rank, bound=self.dt_rank**-0.5))
            rates = torch.arange(1, d_state + 1, dtype=torch.float32).repeat(_DIRECTIONS * inner, 1)
        else:
            rates = torch.empty(_DIRECTIONS * steps).uniform_(1, 16)
        self.A_log = nn.Parameter(rates.log())
        self.dt_bias = nn.Parameter(initial_steps(_DIRECTIONS * steps, 0.001, 0.1))
        self.D = nn.Parameter(torch.ones(_DIRECTIONS * steps))
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, d_model, bias=False)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Mix an image over its pixels.

        Parameters
        ----------
        x : (B, d_model, H, W), at least one pixel.

        Returns
        -------
        (B, d_model, H, W)

        Raises
        ------
        InputError
            If the shape does not fit, or a value on the CPU is not finite.
        """
        check_shape("SS2DBlock", "x", x, {"B": None, "d_model": self.d_model, "H": None, "W": None})
        inner, z = self.in_proj(self.norm(x.movedim(1, -1))).chunk(2, dim=-1)
        inner = functional.silu(self.conv2d(inner.movedim(-1, 1)))
        directions = _unfold(inner)
        scanned = self._scan_channels(directions) if self.core == "mamba" else self._scan_heads(directions)
        merged = _fold(scanned, x.shape[2], x.shape[3])
        mixed = self.out_proj(self.out_norm(merged.movedim(1, -1)) * functional.silu(z))
        return x + self.drop_path(mixed.movedim(-1, 1))

    def _scan_channels(self, u: Tensor) -> Tensor:
        projected = torch.einsum("bkdl,kcd->bkcl", u, self.x_proj_weight)
        rank, B, C = projected.split([self.dt_rank, self.d_state, self.d_state], dim=2)
        delta = torch.einsum("bkrl,kdr->bkdl", rank, self.dt_proj_weight).to(u.dtype)
        y = selective_scan(
            u.flatten(1, 2),
            delta.flatten(1, 2),
            -torch.exp(self.A_log),
            B,
            C,
            self.D,
            delta_bias=self.dt_bias,
            delta_softplus=True,
        )
        return cast(Tensor, y).unflatten(1, (_DIRECTIONS, self.d_inner))

    def _scan_heads(self, u: Tensor) -> Tensor:
        projected = torch.einsum("bkdl,kcd->blkc", u, self.x_proj_weight)
        delta, B, C = projected.split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        y = ssd_scan(
            u.flatten(1, 2).mT.unflatten(-1, (self.A_log.shape[0], self.headdim)),
            delta.flatten(2),
            -torch.exp(self.A_log),
            B,
            C,
            self.D,
            delta_bias=self.dt_bias,
            delta_softplus=True,
            chunk_size=self.chunk_size,
        )
        return cast(Tensor, y).flatten(2).mT.unflatten(1, (_DIRECTIONS, self.d_inner))


def _unfold(image: Tensor) -> Tensor:
    """Return (B, 4, D, H W): by rows, by columns, and both reversed."""
    both = torch.stack([image.flatten(2), image.mT.flatten(2)], dim=1)
    return torch.cat([both, both.flip(-1)], dim=1)


def _fold(scanned: Tensor, height: int, width: int) -> Tensor:
    """Return (B, D, H, W), the sum over the directions of :func:`_unfold`."""
    both = scanned[:, :2] + scanned[:, 2:].flip(-1)
    return both[:, 0].unflatten(-1, (height, width)) + both[:, 1].unflatten(-1, (width, height)).mT


def _uniform(*shape: int, bound: float) -> Tensor:
    return torch.empty(*shape).uniform_(-bound, bound)
