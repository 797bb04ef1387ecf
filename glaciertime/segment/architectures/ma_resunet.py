"""MA-ResUNet: a residual U-Net with linear position attention and channel attention at every stage."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torchvision.models import resnet34

__all__ = ["ChannelAttention", "LinearAttention", "MAResUNet", "build"]


class LinearAttention(nn.Module):
    """Position attention in linear time: the softmax replaced by its first-order expansion.

    With queries and keys of unit length over the channels,
    ``y_i = (sum_j v_j + q_i . sum_j k_j v_j^T) / (N + q_i . sum_j k_j)``,
    added to the input with a weight that starts at zero.

    Parameters
    ----------
    channels : int
        Channels of the input; queries and keys have an eighth of them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.query = nn.Conv2d(channels, channels // 8, 1)
        self.key = nn.Conv2d(channels, channels // 8, 1)
        self.value = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, C, H, W) from (B, C, H, W)."""
        # The expansion is only positive, and so an average, while the lengths do not exceed one.
        query = functional.normalize(self.query(x).flatten(2), dim=1)
        key = functional.normalize(self.key(x).flatten(2), dim=1)
        value = self.value(x).flatten(2)
        places = torch.ones_like(key[:, :1]).sum(dim=-1, keepdim=True)
        above = value.sum(dim=-1, keepdim=True) + value @ key.transpose(1, 2) @ query
        below = places + key.sum(dim=-1, keepdim=True).transpose(1, 2) @ query
        return x + self.weight * (above / (below + 1e-6)).reshape(x.shape)


class ChannelAttention(nn.Module):
    """Attention between channels by their products over all places, added with a weight that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, C, H, W) from (B, C, H, W)."""
        flat = x.flatten(2)
        energy = flat @ flat.transpose(1, 2)
        attention = (energy.amax(dim=-1, keepdim=True) - energy).softmax(dim=-1)
        return x + self.weight * (attention @ flat).reshape(x.shape)


def _conv_relu(channels: int, kernel: int, *, dropout: float = 0.0) -> nn.Sequential:
    conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
    return nn.Sequential(nn.Dropout2d(dropout), conv, nn.ReLU(inplace=True))


class _AttentionBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = _conv_relu(channels, 3)
        self.position = nn.Sequential(LinearAttention(channels), _conv_relu(channels, 1, dropout=0.1))
        self.channel = nn.Sequential(ChannelAttention(), _conv_relu(channels, 1, dropout=0.1))
        self.leave = _conv_relu(channels, 1, dropout=0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        return self.leave(self.position(x) + self.channel(x))


class _DecoderBlock(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        middle = inputs // 4
        super().__init__(
            nn.Conv2d(inputs, middle, 1),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(middle, middle, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, outputs, 1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class MAResUNet(nn.Module):
    """ResNet-34 encoder, attention on all four stages, additive skips.

    Parameters
    ----------
    in_channels, classes : int
        Channels in and out.

    References
    ----------
    Li et al. 2022, doi:10.1109/LGRS.2021.3063381
    """

    def __init__(self, *, in_channels: int, classes: int) -> None:
        super().__init__()
        trunk = resnet34(weights=None)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False), trunk.bn1, trunk.relu, trunk.maxpool
        )
        widths = (64, 128, 256, 512)
        self.stages = nn.ModuleList([trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4])
        self.attention = nn.ModuleList(_AttentionBlock(width) for width in widths)
        self.decoder = nn.ModuleList(
            _DecoderBlock(inputs, outputs) for inputs, outputs in ((512, 256), (256, 128), (128, 64), (64, 64))
        )
        self.head = nn.Sequential(
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, classes, 3, padding=1),
        )

    @property
    def encoder(self) -> nn.Module:
        """Return what ResNet-34 has before its classifier, under its names."""
        stages = {f"layer{number}": stage for number, stage in enumerate(self.stages, start=1)}
        return nn.ModuleDict({"conv1": self.stem[0], "bn1": self.stem[1], **stages})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by 32."""
        x = self.stem(x)
        skips: list[torch.Tensor] = []
        for stage, attention in zip(self.stages, self.attention, strict=True):
            x = stage(x)
            skips.append(attention(x))
        x = skips.pop()
        for block in self.decoder:
            x = block(x)
            if skips:
                x = x + skips.pop()
        return self.head(x)


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build MA-ResUNet; there is one variant, ``"resnet34"``."""
    return MAResUNet(in_channels=in_channels, classes=classes)
