"""Vision Mamba for segmentation: overlapping patches, a stack of bidirectional Mamba blocks, a linear head."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from glaciertime.nn import causal_conv1d, selective_scan

__all__ = ["ScanDirection", "VisionMamba", "VisionMambaBlock", "build"]

_PATCH = 16
_STRIDE = 8
_TABLE = 27  # tokens along one side of the published 224 px


class ScanDirection(nn.Module):
    """Convolution, projections and scan of one reading direction."""

    def __init__(self, inner: int, *, rank: int, states: int, taps: int) -> None:
        super().__init__()
        self.rank = rank
        self.states = states
        self.conv1d = nn.Conv1d(inner, inner, taps, groups=inner, padding=taps - 1)
        self.x_proj = nn.Linear(inner, rank + 2 * states, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        # Steps between 0.001 and 0.1 after the softplus, as Mamba starts.
        steps = torch.exp(torch.rand(inner) * math.log(100.0) + math.log(0.001))
        with torch.no_grad():
            self.dt_proj.bias.copy_(steps + torch.log(-torch.expm1(-steps)))
        self.A_log = nn.Parameter(torch.arange(1, states + 1, dtype=torch.float32).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))

    def forward(self, u: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        u = cast(torch.Tensor, causal_conv1d(u, self.conv1d.weight[:, 0], self.conv1d.bias, activation="silu"))
        rank, enter, read = self.x_proj(u.mT).split([self.rank, self.states, self.states], dim=-1)
        delta = functional.linear(rank, self.dt_proj.weight).mT
        rates = -torch.exp(self.A_log)
        return cast(
            torch.Tensor,
            selective_scan(u, delta, rates, enter.mT, read.mT, self.D, z, self.dt_proj.bias, delta_softplus=True),
        )


class VisionMambaBlock(nn.Module):
    """Norm, one projection in, a scan each way, one projection out, residual.

    The two directions share the projections and have their own convolution, steps
    and rates; :class:`glaciertime.nn.MambaBlock` with two full mixers would have
    twice the parameters.

    Parameters
    ----------
    width : int
        Channels in and out.
    states : int
        States per inner channel.
    """

    def __init__(self, width: int, *, states: int = 16) -> None:
        super().__init__()
        inner = 2 * width
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        rank = math.ceil(width / 16)
        self.ahead = ScanDirection(inner, rank=rank, states=states, taps=4)
        self.back = ScanDirection(inner, rank=rank, states=states, taps=4)
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, L, width) from (B, L, width)."""
        u, z = self.in_proj(self.norm(tokens)).mT.chunk(2, dim=1)
        both = self.ahead(u, z) + self.back(u.flip(-1), z.flip(-1)).flip(-1)
        return tokens + self.out_proj(both.mT)


class VisionMamba(nn.Module):
    """Vision Mamba, tiny: patches of 16 px every 8 px, 192 channels, 24 blocks.

    The class token of the classifier has no place in a mask and is left out; the
    table of positions is stretched to the image.

    Parameters
    ----------
    in_channels, classes : int
        Channels in and out.
    width, depth : int
        Channels and number of the blocks.

    References
    ----------
    Zhu et al. 2024, arXiv:2401.09417
    """

    def __init__(self, *, in_channels: int, classes: int, width: int = 192, depth: int = 24) -> None:
        super().__init__()
        # A margin of 4 px gives exactly one token per 8 x 8 px.
        self.embed = nn.Conv2d(in_channels, width, _PATCH, stride=_STRIDE, padding=(_PATCH - _STRIDE) // 2)
        self.position = nn.Parameter(torch.zeros(1, width, _TABLE, _TABLE))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.Sequential(*(VisionMambaBlock(width) for _ in range(depth)))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by 8."""
        x = self.embed(x)
        size = (x.shape[-2], x.shape[-1])
        x = x + functional.interpolate(self.position, size=size, mode="bilinear", align_corners=False)
        tokens = self.norm(self.blocks(x.flatten(2).transpose(1, 2)))
        logits = self.head(tokens.transpose(1, 2).reshape(x.shape))
        return functional.interpolate(logits, scale_factor=float(_STRIDE), mode="bilinear", align_corners=False)


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build Vision Mamba; there is one variant, ``"tiny"``."""
    return VisionMamba(in_channels=in_channels, classes=classes)
