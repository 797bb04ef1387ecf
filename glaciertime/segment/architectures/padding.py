"""Inputs of any size for networks that need a multiple of their stride."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from glaciertime.errors import InputError

__all__ = ["PaddedModel"]


class PaddedModel(nn.Module):
    """Pad to a multiple at the bottom and the right, run the core, crop the logits.

    The padding repeats the edge: zeros would look like nodata, reflection cannot
    pad by more than the size of the image.

    Parameters
    ----------
    core : torch.nn.Module
        Maps (B, C, H, W) to (B, classes, H, W) for H and W divisible by ``multiple``.
    name : str
        The architecture's name, kept for checkpoints and messages.
    in_channels, classes : int
        Channels in and out.
    multiple : int
        The stride of the core's coarsest feature map.
    """

    def __init__(self, core: nn.Module, *, name: str, in_channels: int, classes: int, multiple: int) -> None:
        super().__init__()
        self.core = core
        self.name = name
        self.in_channels = in_channels
        self.classes = classes
        self.multiple = multiple

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch.

        Parameters
        ----------
        image : torch.Tensor
            (B, in_channels, H, W), float.

        Returns
        -------
        torch.Tensor
            (B, classes, H, W), logits.

        Raises
        ------
        InputError
            If the input is not four-dimensional or has another number of channels.
        """
        if image.ndim != 4 or image.shape[1] != self.in_channels:
            raise InputError(
                f"{self.name}: input of shape {tuple(image.shape)} given, (batch, {self.in_channels}, height, width) "
                f"expected; select the {self.in_channels} bands it was built for, or build it for these"
            )
        height, width = image.shape[-2], image.shape[-1]
        below = -height % self.multiple
        right = -width % self.multiple
        padded = functional.pad(image, (0, right, 0, below), mode="replicate")
        return self.core(padded)[..., :height, :width]
