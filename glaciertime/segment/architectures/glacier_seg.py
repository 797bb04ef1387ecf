"""Glacier-Seg as published: involution stem, four stages of Mamba or attention, a SegFormer head.

The thesis contradicts itself; these are the readings taken.

- **0.68 M, 7.5 GFLOPs** (its tables of complexity and of hyperparameters; "677k"
  in its text): Mamba in all four stages at strides 2, 4, 8, 16, depth one, widths
  16, 32, 64, 128; strided involution and a 1 x 1 projection in the first two
  stages, a 3 x 3 stride-2 convolution in the last two, as its list of stages says;
  the head 1 x 1 to 128 each, 1 x 1 from 512 to 128, one 3 x 3. This gives 677,206
  parameters at 11 channels and 2 classes: ``glacier-seg``.
- Its text has a 3 x 3 convolution **after** the involution instead of the
  projection: 682,662 parameters, ``glacier-seg-text``.
- **0.43 and 0.52 M** (its block ablations) are 597,016 and 682,498 parameters, of
  which a counter that does not look inside a Mamba block left out 162,336:
  involution in all stages (``glacier-seg-involution``) and convolution in all
  stages (``glacier-seg-conv``). "Deep" is depth two, "wider" doubles the widths;
  "shallow" has the same count as the default there: the first two stages at depth
  one is all there is, so it is taken as the same network.
- **Stage1-Deep and Stage4-Deep** (its layer ablations) deepen one stage; how deep is
  not said: four blocks in that stage, which mixes by Mamba, two in the others, as
  the variants D2 beside them have (``glacier-seg-s1-deep``, ``glacier-seg-s4-deep``).
- **Three stages** stands beside four strides and four widths: four.
- **Strides 4, 8, 16, 32** in one section are SegFormer's; stage 1 is given as
  16 x 128 x 128 for an image of 256 x 256: stride 2.
- **2.59 M** (its latency table) has no configuration beside it and is not offered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from glaciertime.nn import DropPath, MambaBlock

__all__ = ["VARIANTS", "GlacierSeg", "Involution", "SegFormerHead", "Variant", "build"]

Embedding = Literal["involution", "involution-conv", "conv"]
_HEAD = 128


@dataclass(frozen=True)
class Variant:
    """One configuration of Glacier-Seg.

    Attributes
    ----------
    embeddings : tuple of str
        How each stage halves the image: ``involution`` (strided, then 1 x 1),
        ``involution-conv`` (then 3 x 3 with stride 2) or ``conv`` (3 x 3 with stride 2).
    mamba : tuple of int
        Stages, from 1 to 4, that mix by Mamba; the others by attention.
    depths : tuple of int
        Blocks of each stage.
    widths : tuple of int
        Channels of each stage.
    """

    embeddings: tuple[Embedding, Embedding, Embedding, Embedding] = ("involution", "involution", "conv", "conv")
    mamba: tuple[int, ...] = (1, 2, 3, 4)
    depths: tuple[int, int, int, int] = (1, 1, 1, 1)
    widths: tuple[int, int, int, int] = (16, 32, 64, 128)


_DEFAULT = Variant()
_ALL_INVOLUTION = Variant(embeddings=("involution",) * 4)
_ALL_CONV = Variant(embeddings=("conv",) * 4)
_DEEP = (2, 2, 2, 2)
_WIDE = (32, 64, 128, 256)

VARIANTS: dict[str, Variant] = {
    "default": _DEFAULT,
    "text": Variant(embeddings=("involution-conv", "involution-conv", "conv", "conv")),
    "shallow": _DEFAULT,
    "deep": replace(_DEFAULT, depths=_DEEP),
    "wider": replace(_DEFAULT, widths=_WIDE),
    "involution": _ALL_INVOLUTION,
    "involution-deep": replace(_ALL_INVOLUTION, depths=_DEEP),
    "involution-wider": replace(_ALL_INVOLUTION, widths=_WIDE),
    "conv": _ALL_CONV,
    "conv-deep": replace(_ALL_CONV, depths=_DEEP),
    "conv-wider": replace(_ALL_CONV, widths=_WIDE),
    **{
        f"s{''.join(map(str, stages))}{suffix}": replace(_DEFAULT, mamba=stages, depths=depths)
        for stages in ((1, 2), (4,), (1,), (1, 2, 3, 4))
        for suffix, depths in (("", (1, 1, 1, 1)), ("-d2", _DEEP))
    },
    "s1-deep": replace(_DEFAULT, mamba=(1,), depths=(4, 2, 2, 2)),
    "s4-deep": replace(_DEFAULT, mamba=(4,), depths=(2, 2, 2, 4)),
}


class Involution(nn.Module):
    """A 3 x 3 kernel of its own at every place, shared by all channels.

    The kernel comes from the place's own channels, averaged over the stride:
    1 x 1 to a quarter of the channels, ReLU, 1 x 1 to nine weights.

    Parameters
    ----------
    channels : int
        Channels in and out.
    stride : int
        1 or 2; at 2 height and width must be even.

    References
    ----------
    Li et al. 2021, doi:10.1109/CVPR46437.2021.01214
    """

    def __init__(self, channels: int, *, stride: int = 1) -> None:
        super().__init__()
        hidden = max(channels // 4, 1)
        self.stride = stride
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.span = nn.Conv2d(hidden, 9, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, C, H / stride, W / stride) from (B, C, H, W)."""
        kernel = self.span(functional.relu(self.reduce(self.pool(x))))
        padded = functional.pad(x, (1, 1, 1, 1))
        rows, columns = kernel.shape[-2], kernel.shape[-1]
        total = torch.zeros_like(kernel[:, :1])
        for place in range(9):
            down, right = divmod(place, 3)
            shifted = padded[..., down :: self.stride, right :: self.stride][..., :rows, :columns]
            total = total + shifted * kernel[:, place : place + 1]
        return total


def _embedding(kind: Embedding, inputs: int, outputs: int) -> nn.Sequential:
    if kind == "involution":
        return nn.Sequential(Involution(inputs, stride=2), nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))
    conv = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    tail = [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(Involution(inputs), *tail) if kind == "involution-conv" else nn.Sequential(*tail)


class _Mlp(nn.Module):
    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.body = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop = DropPath(drop_path)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens + self.drop(self.body(self.norm(tokens)))


class _Attention(nn.Module):
    """Multi-head attention whose keys and values are means over ``reduction`` x ``reduction`` pixels."""

    def __init__(self, width: int, *, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.heads = max(width // 32, 1)
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.pool = nn.AvgPool2d(reduction) if reduction > 1 else nn.Identity()
        self.drop = DropPath(drop_path)

    def _heads(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return tokens (B, H W, C) from an image (B, C, H, W)."""
        tokens = x.flatten(2).transpose(1, 2)
        normed = self.norm(tokens)
        pooled = self.pool(normed.transpose(1, 2).reshape(x.shape)).flatten(2).transpose(1, 2)
        key, value = self.key_value(pooled).chunk(2, dim=-1)
        mixed = functional.scaled_dot_product_attention(
            self._heads(self.query(normed)), self._heads(key), self._heads(value)
        )
        return tokens + self.drop(self.out(mixed.transpose(1, 2).flatten(2)))


class _Block(nn.Module):
    def __init__(self, width: int, *, mamba: bool, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.mamba = mamba
        self.mixer: nn.Module
        if mamba:
            self.mixer = MambaBlock(width, d_state=16, d_conv=4, expand=2, drop_path=drop_path)
        else:
            self.mixer = _Attention(width, reduction=reduction, drop_path=drop_path)
        self.mlp = _Mlp(width, drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.mixer(x.flatten(2).transpose(1, 2)) if self.mamba else self.mixer(x)
        return self.mlp(tokens).transpose(1, 2).reshape(x.shape)


class SegFormerHead(nn.Module):
    """Project every stage to one width, bring all to the finest, fuse, classify.

    Parameters
    ----------
    widths : tuple of int
        Channels of the stages, finest first, each at half the size of the one before.
    classes : int
        Channels of the logits.

    References
    ----------
    Xie et al. 2021, arXiv:2105.15203
    """

    def __init__(self, widths: tuple[int, ...], *, classes: int) -> None:
        super().__init__()

        def conv(inputs: int, kernel: int) -> nn.Sequential:
            layer = nn.Conv2d(inputs, _HEAD, kernel, padding=kernel // 2, bias=False)
            return nn.Sequential(layer, nn.BatchNorm2d(_HEAD), nn.ReLU(inplace=True))

        self.project = nn.ModuleList(conv(width, 1) for width in widths)
        self.fuse = nn.Sequential(conv(_HEAD * len(widths), 1), conv(_HEAD, 3))
        self.classify = nn.Conv2d(_HEAD, classes, 1)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return logits at the size of the first feature map."""
        projected = []
        for level, (feature, project) in enumerate(zip(features, self.project, strict=True)):
            x = project(feature)
            if level > 0:
                x = functional.interpolate(x, scale_factor=2.0**level, mode="bilinear", align_corners=False)
            projected.append(x)
        return self.classify(self.fuse(torch.cat(projected, dim=1)))


class GlacierSeg(nn.Module):
    """Four stages at strides 2, 4, 8 and 16, fused at stride 2, logits doubled to full size.

    Parameters
    ----------
    variant : Variant
        Embeddings, mixers, depths and widths.
    in_channels, classes : int
        Channels in and out.
    drop_path : float
        Probability of leaving out the last block's branches while training, in [0, 1);
        it grows linearly from 0 at the first block. The thesis has 0.2.
    """

    def __init__(self, variant: Variant, *, in_channels: int, classes: int, drop_path: float = 0.2) -> None:
        super().__init__()
        rates = iter(torch.linspace(0, drop_path, sum(variant.depths)).tolist())
        stages: list[nn.Module] = []
        inputs = in_channels
        for stage, (kind, depth, width) in enumerate(
            zip(variant.embeddings, variant.depths, variant.widths, strict=True), start=1
        ):
            blocks = [
                _Block(width, mamba=stage in variant.mamba, reduction=2 ** (4 - stage), drop_path=next(rates))
                for _ in range(depth)
            ]
            stages.append(nn.Sequential(_embedding(kind, inputs, width), *blocks))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.head = SegFormerHead(variant.widths, classes=classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by 16."""
        features: list[torch.Tensor] = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        logits = self.head(features)
        return functional.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build one of :data:`VARIANTS`."""
    return GlacierSeg(VARIANTS[variant], in_channels=in_channels, classes=classes)
