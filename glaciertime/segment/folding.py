"""A network that works on blocks of pixels: detail becomes channels, so that context costs less."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from glaciertime.segment.architectures.registry import build_model

__all__ = ["Folded", "build_network"]


class Folded(nn.Module):
    """Put each block of n x n pixels into n^2 channels, run the core, and spread its channels out again.

    Pixel unshuffle and shuffle of Shi et al. 2016, doi:10.1109/CVPR.2016.207: nothing is averaged away, and the core
    does 1/n^2 of the work.

    Parameters
    ----------
    core : torch.nn.Module
        (B, n^2 C, H/n, W/n) -> (B, n^2 K, H/n, W/n).
    factor : int
        n.
    """

    def __init__(self, core: nn.Module, *, factor: int) -> None:
        super().__init__()
        self.core = core
        self.factor = factor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K, H, W) from (B, C, H, W) of any size."""
        height, width = image.shape[-2], image.shape[-1]
        padded = functional.pad(image, (0, -width % self.factor, 0, -height % self.factor), mode="replicate")
        logits = functional.pixel_shuffle(self.core(functional.pixel_unshuffle(padded, self.factor)), self.factor)
        return logits[..., :height, :width]


def build_network(name: str, *, in_channels: int, classes: int, fold: int = 1) -> nn.Module:
    """Build an architecture by name, folded where ``fold`` is above 1.

    Examples
    --------
    >>> network = build_network("pspnet", in_channels=1, classes=2, fold=2).eval()
    >>> network(torch.zeros(1, 1, 65, 70)).shape
    torch.Size([1, 2, 65, 70])
    """
    if fold == 1:
        return build_model(name, in_channels=in_channels, classes=classes)
    core = build_model(name, in_channels=in_channels * fold**2, classes=classes * fold**2)
    return Folded(core, factor=fold)
