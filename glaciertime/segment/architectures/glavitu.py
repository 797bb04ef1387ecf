"""GlaViTU: a small vision transformer for the context, then a residual U-Net for the detail."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["GlaViTU", "build"]

_PATCH = 16
_WIDTH = 64
_TABLE = 24  # the published patch of 384 px in tokens of 16 px


def _double_conv(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.3)]
    return nn.Sequential(*layers)


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = _double_conv(inputs, outputs)
        self.project = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + self.project(x)


class _UpConv(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        doubled = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.norm(self.conv(functional.pad(doubled, (0, 1, 0, 1))))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        batch, places, width = tokens.shape
        qkv = self.qkv(self.norm1(tokens)).reshape(batch, places, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.out(mixed.transpose(1, 2).reshape(batch, places, width))
        return tokens + self.mlp(self.norm2(tokens))


class _Context(nn.Module):
    """Tokens of 16 x 16 px, twelve transformer blocks, four doublings back to full resolution."""

    def __init__(self, depth: int = 12) -> None:
        super().__init__()
        self.embed = nn.Conv2d(_WIDTH, _WIDTH, _PATCH, stride=_PATCH)
        self.position = nn.Parameter(torch.zeros(1, _WIDTH, _TABLE, _TABLE))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.Sequential(*(_Block(_WIDTH, heads=4, hidden=256) for _ in range(depth)))
        self.norm = nn.LayerNorm(_WIDTH)
        self.rise = nn.ModuleList(
            nn.Sequential(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1), nn.BatchNorm2d(_WIDTH)) for _ in range(4)
        )
        self.out = nn.Conv2d(_WIDTH, _WIDTH, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        rows, columns = x.shape[-2], x.shape[-1]
        x = x + functional.interpolate(self.position, size=(rows, columns), mode="bilinear", align_corners=False)
        tokens = self.norm(self.blocks(x.flatten(2).transpose(1, 2)))
        x = tokens.transpose(1, 2).reshape(-1, _WIDTH, rows, columns)
        for step in self.rise[:-1]:
            x = functional.interpolate(step(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        x = self.out(self.rise[-1](x))
        return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class _ResUNet(nn.Module):
    def __init__(self, steps: int = 2) -> None:
        super().__init__()
        widths = [_WIDTH * 2**step for step in range(steps + 1)]
        self.down = nn.ModuleList(
            _Residual(inputs, outputs) for inputs, outputs in zip([_WIDTH, *widths[:-1]], widths, strict=True)
        )
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.rise = nn.ModuleList(_UpConv(deep, shallow) for deep, shallow in pairs)
        self.up = nn.ModuleList(_Residual(2 * shallow, shallow) for _, shallow in pairs)
        self.out = nn.Conv2d(_WIDTH, _WIDTH, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for rise, block in zip(self.rise, self.up, strict=True):
            x = block(torch.cat([rise(x), skips.pop()], dim=1))
        return self.out(x)


class GlaViTU(nn.Module):
    """Transformer and convolutions in sequence, each added to what it was given.

    The published model fuses one branch per modality and supervises the
    transformer's output too; here the bands enter as one modality and only the
    final output is returned. The convolutions go down two steps: 3.87 M parameters,
    beside the 3.98 M stated in comparisons; the first publication's code goes down
    three, 9.97 M.

    Parameters
    ----------
    in_channels, classes : int
        Channels in and out.

    References
    ----------
    Maslov et al. 2023, doi:10.1109/IGARSS52108.2023.10281828; Maslov et al. 2024, arXiv:2401.15113
    """

    def __init__(self, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.fuse = _double_conv(in_channels, _WIDTH)
        self.context = _Context()
        self.detail = _ResUNet()
        self.head = nn.Conv2d(_WIDTH, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by 16."""
        x = self.fuse(x)
        x = x + self.context(x)
        return self.head(x + self.detail(x))


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build GlaViTU; there is one variant, ``"published"``."""
    return GlaViTU(in_channels=in_channels, classes=classes)
