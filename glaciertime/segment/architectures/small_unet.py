"""A residual U-Net small enough to come with the package."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Residual", "SmallUnet", "build"]

_WIDTHS = {"default": (16, 24, 32, 48, 64), "deep": (24, 32, 40, 56, 64, 64), "deep-wide": (48, 64, 80, 112, 128, 128)}


class Residual(nn.Module):
    """Two 3 x 3 convolutions added to a 1 x 1 projection of the input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(x) + self.skip(x))


class SmallUnet(nn.Module):
    """Residual blocks at strides 1 to 16 (32 where there are six), bilinear upsampling, a skip at every stride.

    Parameters
    ----------
    in_channels, classes : int
    widths : tuple of int
        Channels at strides 1, 2, 4, ...
    dropout : float
        Probability that a channel of the coarsest features is dropped in training.

    Examples
    --------
    >>> SmallUnet(1, 2)(torch.zeros(1, 1, 32, 48)).shape
    torch.Size([1, 2, 32, 48])
    """

    def __init__(
        self, in_channels: int, classes: int, *, widths: tuple[int, ...] = _WIDTHS["default"], dropout: float = 0.1
    ) -> None:
        super().__init__()
        before = (in_channels, *widths[:-1])
        self.down = nn.ModuleList(Residual(i, o) for i, o in zip(before, widths, strict=True))
        self.up = nn.ModuleList(Residual(widths[k] + widths[k + 1], widths[k]) for k in range(len(widths) - 1))
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by the largest stride."""
        features = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            features.append(x)
        x = self.dropout(x)
        for level in range(len(self.up) - 1, -1, -1):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear")
            x = self.up[level](torch.cat([features[level], x], dim=1))
        return self.head(x)


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build the network with random weights."""
    return SmallUnet(in_channels, classes, widths=_WIDTHS[variant])
