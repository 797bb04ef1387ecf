"""U-Nets of plain convolutions: the classic one, the custom binary one and the boundary one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["VARIANTS", "ConvUNet", "UNetVariant", "build"]


@dataclass(frozen=True)
class UNetVariant:
    """What distinguishes one plain U-Net from another.

    Attributes
    ----------
    features : int
        Channels of the first block; each of the four levels below doubles them.
    batch_norm : bool
        Whether each 3 x 3 convolution is followed by batch normalisation.
    activation : type of torch.nn.Module
        Activation after each convolution.
    dropout : float
        Probability of dropping a whole feature map after each block, in [0, 1).
    """

    features: int
    batch_norm: bool
    activation: type[nn.Module]
    dropout: float


VARIANTS = {
    # Ronneberger et al. 2015 with padded convolutions; batch norm because it does not train from scratch without.
    "classic": UNetVariant(64, batch_norm=True, activation=nn.ReLU, dropout=0.0),
    # 3 x 3 convolutions, ReLU, max pooling and transposed convolutions only; 32 features give the 7 M stated.
    "ps1": UNetVariant(32, batch_norm=False, activation=nn.ReLU, dropout=0.0),
    # Aryal et al.: GELU, batch norm, spatial dropout 0.1 after each block, 32 features.
    "boundary": UNetVariant(32, batch_norm=True, activation=nn.GELU, dropout=0.1),
}

_LEVELS = 4


def _block(inputs: int, outputs: int, variant: UNetVariant) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=not variant.batch_norm))
        if variant.batch_norm:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(variant.activation())
    layers.append(nn.Dropout2d(variant.dropout))
    return nn.Sequential(*layers)


class ConvUNet(nn.Module):
    """Encoder and decoder of double 3 x 3 convolutions with skip connections at every level.

    Parameters
    ----------
    variant : UNetVariant
        Width, normalisation, activation and dropout.
    in_channels, classes : int
        Channels in and out.

    References
    ----------
    Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28
    """

    def __init__(self, variant: UNetVariant, *, in_channels: int, classes: int) -> None:
        super().__init__()
        widths = [variant.features * 2**level for level in range(_LEVELS + 1)]
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(
            _block(inputs, outputs, variant)
            for inputs, outputs in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(deep, shallow, 2, stride=2) for deep, shallow in pairs)
        self.up = nn.ModuleList(_block(2 * shallow, shallow, variant) for _, shallow in pairs)
        self.head = nn.Conv2d(variant.features, classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by 16."""
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for rise, block in zip(self.rise, self.up, strict=True):
            x = block(torch.cat([skips.pop(), rise(x)], dim=1))
        return self.head(x)


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build one of :data:`VARIANTS`."""
    return ConvUNet(VARIANTS[variant], in_channels=in_channels, classes=classes)
