"""Glacier-Seg, faster: convolutions where the image is large, Mamba-2 where it is small, a U-Net's skips throughout.

Against the published layout (Mamba in all stages, one fusion at half resolution)
this one

- spends its sequence mixing at strides 8 and 16 only, where a pixel's context is
  the fjord and not the next crevasse;
- reads the image in four orders (rows and columns, both ways) instead of one, so
  that no pixel is blind to one side of the front;
- brings the detail back through a skip at every stride, and gives every pixel
  logits of its own from the four sub-pixels of the finest features, because a front
  is wanted to the pixel; nothing is computed at full size, where a channel costs most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from glaciertime.nn import Mamba2Block

__all__ = ["VARIANTS", "FastVariant", "GlacierSegFast", "ImageOrder", "build"]


@dataclass(frozen=True)
class FastVariant:
    """Sizes of the network.

    Attributes
    ----------
    widths : tuple of int
        Channels at strides 2, 4, 8 and 16.
    decoder : tuple of int
        Channels of the decoder at strides 2, 4 and 8.
    last : int
        Channels before the logits.
    blocks : tuple of int
        Convolution blocks at strides 2 and 4.
    expand : tuple of int
        Expansion of the Mamba-2 blocks at strides 8 and 16.
    d_state : int
        States per channel.
    drop_path : float
        Probability of leaving out a residual branch while training, in [0, 1).
    """

    widths: tuple[int, int, int, int]
    decoder: tuple[int, int, int]
    last: int
    blocks: tuple[int, int]
    expand: tuple[int, int]
    d_state: int
    drop_path: float


VARIANTS = {
    "default": FastVariant((24, 40, 96, 128), (24, 40, 64), 16, (1, 1), (1, 2), d_state=16, drop_path=0.05),
}

_HEAD_WIDTH = 32
# Of the scan: 1024 tokens of an image of 256 px make 32 chunks. Changes the speed of an exported graph only.
_CHUNK = 32


def _conv(inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(inputs, inputs, 3, groups=inputs), nn.ReLU(inplace=True), _conv(inputs, outputs), nn.ReLU(inplace=True)
    )


class _ConvBlock(nn.Module):
    """5 x 5 depthwise, doubled and halved by 1 x 1, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, channels, 5, groups=channels),
            _conv(channels, 2 * channels),
            nn.ReLU(inplace=True),
            _conv(2 * channels, channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class ImageOrder(nn.Module):
    """Run a sequence block over the pixels of an image in one of four orders.

    Parameters
    ----------
    block : torch.nn.Module
        Maps (B, L, C) to (B, L, C).
    columns : bool
        Read column by column instead of row by row.
    backwards : bool
        Read from the last pixel to the first.

    Examples
    --------
    >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> class Total(nn.Module):
    ...     def forward(self, x):
    ...         return x.cumsum(dim=1)
    >>> ImageOrder(Total(), columns=True, backwards=True)(image).flatten().tolist()
    [6.0, 4.0, 6.0, 3.0]
    """

    def __init__(self, block: nn.Module, *, columns: bool, backwards: bool) -> None:
        super().__init__()
        self.block = block
        self.columns = columns
        self.backwards = backwards

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, C, H, W) from (B, C, H, W)."""
        if self.columns:
            x = x.transpose(-1, -2)
        batch, channels, rows, columns = x.shape
        tokens = x.reshape(batch, channels, rows * columns).transpose(1, 2)
        tokens = self.block(tokens.flip(1)).flip(1) if self.backwards else self.block(tokens)
        x = tokens.transpose(1, 2).reshape(batch, channels, rows, columns)
        return x.transpose(-1, -2) if self.columns else x


def _both_ways(channels: int, expand: int, variant: FastVariant, *, columns: bool) -> list[nn.Module]:
    return [
        ImageOrder(
            Mamba2Block(
                channels,
                d_state=variant.d_state,
                expand=expand,
                headdim=_HEAD_WIDTH,
                chunk_size=_CHUNK,
                drop_path=variant.drop_path,
            ),
            columns=columns,
            backwards=backwards,
        )
        for backwards in (False, True)
    ]


class GlacierSegFast(nn.Module):
    """Convolutions at strides 2 and 4, Mamba-2 at 8 and 16, a decoder with skips at every stride.

    Parameters
    ----------
    variant : FastVariant
        Sizes of the network.
    in_channels, classes : int
        Channels in and out.
    """

    def __init__(self, variant: FastVariant, *, in_channels: int, classes: int) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = variant.widths
        self.stages = nn.ModuleList(
            [
                self._stage(in_channels, half, [_ConvBlock(half) for _ in range(variant.blocks[0])]),
                self._stage(half, quarter, [_ConvBlock(quarter) for _ in range(variant.blocks[1])]),
                self._stage(quarter, eighth, _both_ways(eighth, variant.expand[0], variant, columns=False)),
                self._stage(
                    eighth,
                    sixteenth,
                    [*_both_ways(sixteenth, variant.expand[1], variant, columns=True), _ConvBlock(sixteenth)],
                ),
            ]
        )
        # From coarse to fine: what comes up, what is beside it, how both are mixed.
        outs = variant.decoder[::-1]
        ups = (sixteenth, *outs[:-1])
        skips = (eighth, quarter, half)
        self.rise = nn.ModuleList(_conv(inputs, outputs) for inputs, outputs in zip(ups, outs, strict=True))
        self.beside = nn.ModuleList(_conv(inputs, outputs) for inputs, outputs in zip(skips, outs, strict=True))
        self.mix = nn.ModuleList(_separable(outputs, outputs) for outputs in outs[:-1])
        self.mix.append(nn.Sequential(_conv(outs[-1], variant.last, 3), nn.ReLU(inplace=True)))
        self.head = nn.Sequential(nn.Conv2d(variant.last, 4 * classes, 1), nn.PixelShuffle(2))

    @staticmethod
    def _stage(inputs: int, outputs: int, blocks: Sequence[nn.Module]) -> nn.Sequential:
        return nn.Sequential(_conv(inputs, outputs, 3, stride=2), nn.ReLU(inplace=True), *blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by 16."""
        skips: list[torch.Tensor] = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        skips.pop()
        for rise, beside, mix in zip(self.rise, self.beside, self.mix, strict=True):
            up = functional.interpolate(rise(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = mix(functional.relu(up + beside(skips.pop())))
        return self.head(x)


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build one of :data:`VARIANTS`."""
    return GlacierSegFast(VARIANTS[variant], in_channels=in_channels, classes=classes)
