"""WaveMix: token mixing by a multi-level Haar wavelet transform.

The published package does not import with NumPy 2, takes three channels only and
fixes the size of the image on export, hence this implementation.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["WaveMix", "WaveMixBlock", "build", "haar"]


def haar(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one level of the orthonormal two-dimensional Haar transform.

    Parameters
    ----------
    x : torch.Tensor
        (B, C, H, W), H and W even.

    Returns
    -------
    low : torch.Tensor
        (B, C, H / 2, W / 2), twice the mean of each 2 x 2 block.
    bands : torch.Tensor
        (B, 4 C, H / 2, W / 2): low, horizontal, vertical and diagonal details.

    Examples
    --------
    >>> low, bands = haar(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    >>> bands.flatten().tolist()
    [5.0, -1.0, -2.0, 0.0]
    """
    a, b = x[..., ::2, ::2], x[..., ::2, 1::2]
    c, d = x[..., 1::2, ::2], x[..., 1::2, 1::2]
    low = (a + b + c + d) / 2
    bands = torch.cat([low, (a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2], dim=1)
    return low, bands


def _mix_and_double(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, 2 * hidden, 1),
        nn.GELU(),
        nn.Conv2d(2 * hidden, hidden, 1),
        nn.ConvTranspose2d(hidden, outputs, 4, stride=2, padding=1),
        nn.BatchNorm2d(outputs),
    )


class WaveMixBlock(nn.Module):
    """Reduce to a quarter of the channels, transform, mix each level and climb back.

    Parameters
    ----------
    channels : int
        Channels in and out, divisible by 4.
    levels : int
        Levels of the transform; height and width must be divisible by 2 to that power.
    """

    def __init__(self, channels: int, *, levels: int = 4) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        half = channels // 2
        self.mix = nn.ModuleList(
            _mix_and_double(
                channels if level == levels - 1 else channels + half, channels, channels if level == 0 else half
            )
            for level in range(levels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, channels, H, W) from (B, channels, H, W)."""
        low = self.reduce(x)
        bands: list[torch.Tensor] = []
        for _ in self.mix:
            low, detail = haar(low)
            bands.append(detail)
        coarse: torch.Tensor | None = None
        for mix, detail in zip(reversed(self.mix), reversed(bands), strict=True):
            coarse = mix(detail if coarse is None else torch.cat([detail, coarse], dim=1))
        return x if coarse is None else x + coarse


class WaveMix(nn.Module):
    """Two strided convolutions, a stack of WaveMix blocks, two transposed convolutions.

    Parameters
    ----------
    channels : int
        Channels of the blocks, divisible by 4.
    depth : int
        Number of blocks.
    in_channels, classes : int
        Channels in and out.

    References
    ----------
    Jeevan et al. 2022, arXiv:2205.14375
    """

    def __init__(self, channels: int, depth: int, *, in_channels: int, classes: int) -> None:
        super().__init__()
        half = channels // 2
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, half, 3, stride=2, padding=1), nn.Conv2d(half, channels, 3, stride=2, padding=1)
        )
        self.blocks = nn.Sequential(*(WaveMixBlock(channels) for _ in range(depth)))
        self.head = nn.Sequential(
            nn.ConvTranspose2d(channels, half, 4, stride=2, padding=1),
            nn.ConvTranspose2d(half, half // 2, 4, stride=2, padding=1),
            nn.Conv2d(half // 2, classes, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by 64."""
        return self.head(self.blocks(self.stem(x)))


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build ``CHANNELS/DEPTH``, the notation of the publication."""
    channels, depth = (int(part) for part in variant.split("/"))
    return WaveMix(channels, depth, in_channels=in_channels, classes=classes)
