"""A network that works on blocks of pixels: detail becomes channels, so that context costs less."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from glaciertime.segment.architectures.padding import PaddedModel
from glaciertime.segment.architectures.registry import build_model

__all__ = ["Aligned", "Folded", "build_network"]


class Folded(nn.Module):
    """Put each block of n x n pixels into n^2 channels, run the core, and spread its channels out again.

    Pixel unshuffle and shuffle of Shi et al. 2016, doi:10.1109/CVPR.2016.207: nothing is averaged away, and the core
    does 1/n^2 of the work.

    Parameters
    ----------
    core : PaddedModel
        (B, n^2 C, H/n, W/n) -> (B, n^2 K, H/n, W/n).
    factor : int
        n.
    """

    def __init__(self, core: PaddedModel, *, factor: int) -> None:
        super().__init__()
        self.core = core
        self.factor = factor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K, H, W) from (B, C, H, W) of any size."""
        height, width = image.shape[-2], image.shape[-1]
        # Padded once for both: an exporter would have to reason about the remainder of a remainder.
        multiple = self.factor * self.core.multiple
        padded = functional.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        logits = self.core.core(functional.pixel_unshuffle(padded, self.factor))
        return functional.pixel_shuffle(logits, self.factor)[..., :height, :width]


class Aligned(nn.Module):
    """A folded network for sizes that are a multiple of :attr:`multiple` already: nothing to pad, easy to export."""

    def __init__(self, folded: Folded) -> None:
        super().__init__()
        self.core = folded.core.core
        self.factor = folded.factor
        self.multiple = folded.factor * folded.core.multiple

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K, H, W) from (B, C, H, W), H and W divisible by :attr:`multiple`."""
        return functional.pixel_shuffle(self.core(functional.pixel_unshuffle(image, self.factor)), self.factor)


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
    assert isinstance(core, PaddedModel)
    return Folded(core, factor=fold)
