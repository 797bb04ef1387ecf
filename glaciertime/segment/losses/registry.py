"""Losses of segmentation, each with pixels that do not count.

Every loss takes logits (B, C, H, W) and labels (B, H, W). With C of at least 2 the
labels are class numbers 0 to C - 1 and the probabilities a softmax; with C = 1 they
are 0 or 1 and the probability is a sigmoid. Pixels of the ignored label take no
part, neither in a sum nor in a boundary; a batch of nothing else has the loss 0.
Overlap losses are means over the classes that the batch's labels contain: a class
that is nowhere labelled is left out, its false positives are another's misses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.segment.losses.boundary_losses import SelfLearningBoundaryLoss, boundary_loss
from glaciertime.segment.losses.pixel_losses import (
    IGNORE_LABEL,
    bce_dice_loss,
    cross_entropy_loss,
    dice_loss,
    focal_loss,
    focal_tversky_loss,
    tversky_loss,
)

__all__ = [
    "IGNORE_LABEL",
    "Loss",
    "SelfLearningBoundaryLoss",
    "bce_dice_loss",
    "boundary_loss",
    "build_loss",
    "cross_entropy_loss",
    "dice_loss",
    "focal_loss",
    "focal_tversky_loss",
    "loss_names",
    "tversky_loss",
]


class Loss(nn.Module):
    """A loss function with its settings, as a module.

    Parameters
    ----------
    function : callable
        Maps logits and labels to a scalar, with ``ignore_label`` and, where
        ``class_weights`` is not None, ``class_weights`` as keywords.
    class_weights : torch.Tensor, optional
        Moves between devices with the module.
    ignore_label : int
        Label of the pixels that do not count.
    """

    class_weights: torch.Tensor | None

    def __init__(
        self, function: Callable[..., torch.Tensor], *, class_weights: torch.Tensor | None, ignore_label: int
    ) -> None:
        super().__init__()
        self.function = function
        self.ignore_label = ignore_label
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar."""
        if self.class_weights is None:
            return self.function(logits, labels, ignore_label=self.ignore_label)
        return self.function(logits, labels, ignore_label=self.ignore_label, class_weights=self.class_weights)


_WEIGHTED: dict[str, Callable[..., torch.Tensor]] = {
    "bce-dice": bce_dice_loss,
    "cross-entropy": cross_entropy_loss,
    "focal": focal_loss,
}
_UNWEIGHTED: dict[str, Callable[..., torch.Tensor]] = {
    "boundary": boundary_loss,
    "dice": dice_loss,
    "focal-tversky": focal_tversky_loss,
    "iou": partial(tversky_loss, false_positive_weight=1.0, false_negative_weight=1.0),
    "tversky": tversky_loss,
}
_LEARNED = "self-learning-boundary"


def loss_names() -> list[str]:
    """Return the names that :func:`build_loss` knows, sorted.

    Examples
    --------
    >>> "bce-dice" in loss_names()
    True
    """
    return sorted([*_WEIGHTED, *_UNWEIGHTED, _LEARNED])


def build_loss(
    name: str, *, class_weights: Sequence[float] | None = None, ignore_label: int = IGNORE_LABEL
) -> nn.Module:
    """Return a loss by name, a module of logits and labels.

    Parameters
    ----------
    name : str
        One of :func:`loss_names`.
    class_weights : sequence of float, optional
        One per class, at least 0; for ``bce-dice``, ``cross-entropy`` and ``focal``.
    ignore_label : int
        Label of the pixels that do not count.

    Returns
    -------
    torch.nn.Module
        ``self-learning-boundary`` has two parameters, the others none.

    Raises
    ------
    UsageError
        If no loss has that name.
    InputError
        If weights are given to a loss without them, or one is negative.

    Examples
    --------
    >>> loss = build_loss("dice")
    >>> loss(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1), 255)).item()
    0.0
    """
    if name not in loss_names():
        near = ", ".join(nearest_names(name, loss_names())) or ", ".join(loss_names())
        raise UsageError(f"loss {name!r} is not known; nearest: {near}")
    weights = None
    if class_weights is not None:
        if name not in _WEIGHTED:
            raise InputError(f"loss {name!r} takes no class weights; use one of {', '.join(sorted(_WEIGHTED))}")
        weights = torch.as_tensor(class_weights, dtype=torch.float32)
        if weights.ndim != 1 or bool((weights < 0).any()) or not bool(weights.isfinite().all()):
            raise InputError(f"class weights {list(class_weights)} given, one of at least 0 per class expected")
    if name == _LEARNED:
        return SelfLearningBoundaryLoss(ignore_label=ignore_label)
    function = _WEIGHTED.get(name) or _UNWEIGHTED[name]
    return Loss(function, class_weights=weights, ignore_label=ignore_label)
