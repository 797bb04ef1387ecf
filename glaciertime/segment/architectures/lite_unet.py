"""A U-Net on an EfficientNet-Lite encoder: ImageNet weights can be had for it, and its decoder is a light one."""

from __future__ import annotations

import torch
from timm import create_model
from timm.layers import Conv2dSame
from torch import nn
from torch.nn import functional

from glaciertime.segment.architectures.small_unet import Residual

__all__ = ["LiteUnet", "build"]

_WIDTHS = (128, 96, 64, 48, 32)


class _EvenSame(Conv2dSame):
    """TensorFlow's padding of a stride of 2 for even sizes, which all are here: fixed, so that it can be exported."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before, after = (self.kernel_size[0] - 2) // 2, (self.kernel_size[0] - 1) // 2
        x = functional.pad(x, (before, after, before, after))
        return functional.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class LiteUnet(nn.Module):
    """EfficientNet-Lite at strides 2 to 32, residual blocks up to stride 2, four logits a class for its 2 x 2 pixels.

    Parameters
    ----------
    in_channels, classes : int
    encoder : str
        timm's name, such as ``tf_efficientnet_lite0`` (arXiv:1905.11946 without squeeze and excitation).
    dropout : float
        Probability that a channel of the coarsest features is dropped in training.

    Examples
    --------
    >>> LiteUnet(1, 2)(torch.zeros(1, 1, 64, 32)).shape
    torch.Size([1, 2, 64, 32])
    """

    def __init__(
        self, in_channels: int, classes: int, *, encoder: str = "tf_efficientnet_lite0", dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.encoder: nn.Module = create_model(encoder, features_only=True, in_chans=in_channels, pretrained=False)
        for module in self.encoder.modules():
            if isinstance(module, Conv2dSame):
                module.__class__ = _EvenSame
        channels = list(self.encoder.feature_info.channels())  # type: ignore[union-attr,operator]
        skips = (*channels[-2:0:-1], channels[0] + 4 * in_channels)
        self.bottom = nn.Conv2d(channels[-1], _WIDTHS[0], 1)
        self.dropout = nn.Dropout2d(dropout)
        self.up = nn.ModuleList(Residual(_WIDTHS[level] + skip, _WIDTHS[level + 1]) for level, skip in enumerate(skips))
        self.head = nn.Conv2d(_WIDTHS[-1], 4 * classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by 32."""
        features = self.encoder(image)
        features[0] = torch.cat([features[0], functional.pixel_unshuffle(image, 2)], dim=1)
        x = self.dropout(self.bottom(features[-1]))
        for block, skip in zip(self.up, features[-2::-1], strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear")
            x = block(torch.cat([x, skip], dim=1))
        return functional.pixel_shuffle(self.head(x), 2)


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build the network on the encoder named, with random weights."""
    return LiteUnet(in_channels, classes, encoder=variant)
