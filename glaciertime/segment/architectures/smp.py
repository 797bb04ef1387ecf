"""The architectures that segmentation-models-pytorch provides, made to export."""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch
from torch import nn
from torch.nn import functional

__all__ = ["AdaptiveMean", "LibraryModel", "PyramidLevel", "build"]


class AdaptiveMean(nn.Module):
    """Mean over a grid of ``bins`` x ``bins`` cells, as two matrix products.

    Equal to :class:`torch.nn.AdaptiveAvgPool2d`, whose cells no exporter can write
    for a size that is only known when the model runs.

    Parameters
    ----------
    bins : int
        Cells along each axis. Cell i of n covers rows floor(i H / n) to
        ceil((i + 1) H / n) - 1.

    Examples
    --------
    >>> AdaptiveMean(2)(torch.arange(9.0).reshape(1, 1, 3, 3)).tolist()
    [[[[2.0, 3.0], [5.0, 6.0]]]]
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def _cells(self, size: int, like: torch.Tensor) -> torch.Tensor:
        cell = torch.arange(self.bins, device=like.device)[:, None]
        place = torch.arange(size, device=like.device)[None, :]
        first = cell * size // self.bins
        stop = ((cell + 1) * size + self.bins - 1) // self.bins
        inside = ((place >= first) & (place < stop)).to(like.dtype)
        return inside / inside.sum(dim=1, keepdim=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, C, bins, bins) from (B, C, H, W)."""
        rows = self._cells(x.shape[-2], x)
        columns = self._cells(x.shape[-1], x)
        return rows @ x @ columns.T


class PyramidLevel(nn.Module):
    """Mean over a grid, a convolution, and back to the size of the input.

    The library takes another way to the mean while exporting, which freezes the
    cells at the size of the example and is silently wrong at any other.

    Parameters
    ----------
    bins : int
        Cells along each axis.
    conv : torch.nn.Module
        What is applied to the means.
    """

    def __init__(self, bins: int, conv: nn.Module) -> None:
        super().__init__()
        self.mean = AdaptiveMean(bins)
        self.conv = conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, channels of the convolution, H, W) from (B, C, H, W)."""
        size = (x.shape[-2], x.shape[-1])
        return functional.interpolate(self.conv(self.mean(x)), size=size, mode="bilinear", align_corners=True)


class LibraryModel(nn.Module):
    """A model of the library without its own check of the input size.

    The check compares the size in Python, which would freeze it on export; the
    padding around every model here makes it superfluous.
    """

    def __init__(self, model: smp.base.SegmentationModel) -> None:
        super().__init__()
        self.encoder: nn.Module = model.encoder
        self.decoder: nn.Module = model.decoder
        self.segmentation_head: nn.Module = model.segmentation_head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes, H, W) for H and W divisible by 32."""
        return self.segmentation_head(self.decoder(self.encoder(x)))


def build(variant: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build ``Class:encoder`` of the library with random weights.

    Parameters
    ----------
    variant : str
        Class and encoder of segmentation-models-pytorch, separated by a colon.
    in_channels, classes : int
        Channels in and out.
    """
    architecture, encoder = variant.split(":")
    model = getattr(smp, architecture)(encoder, encoder_weights=None, in_channels=in_channels, classes=classes)
    if encoder.startswith("efficientnet"):
        # The classifier's last convolution gets no gradient here, which breaks training on several GPUs.
        model.encoder._conv_head = nn.Identity()
        model.encoder._bn1 = nn.Identity()
    if architecture == "PSPNet":
        blocks = model.decoder.psp.blocks
        model.decoder.psp.blocks = nn.ModuleList(PyramidLevel(block.pool_size, block.pool[1]) for block in blocks)
        # The decoder reads the first half of the encoder only.
        model.encoder.layer3 = nn.Identity()
        model.encoder.layer4 = nn.Identity()
    return LibraryModel(model)
