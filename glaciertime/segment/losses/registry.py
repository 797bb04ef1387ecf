"""Losses of segmentation, each with pixels that do not count.

Every loss takes logits (B, C, H, W) and labels (B, H, W). With C of at least 2 the
labels are class numbers 0 to C - 1 and the probabilities a softmax; with C = 1 they
are 0 or 1 and the probability is a sigmoid. Pixels of the ignored label take no
part, neither in a sum nor in a boundary; a batch of nothing else has the loss 0.
Overlap losses are means over the classes that the batch's labels contain: a class
that is nowhere labelled is left out, its false positives are another's misses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.segment.losses.boundary_losses import SelfLearningBoundaryLoss, boundary_loss, dice_boundary_loss
from glaciertime.segment.losses.front_loss import FrontLoss, LineLoss
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
    "all_loss_names",
    "bce_dice_loss",
    "boundary_loss",
    "build_loss",
    "check_loss",
    "cross_entropy_loss",
    "dice_boundary_loss",
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
    "dice-boundary": dice_boundary_loss,
    "focal-tversky": focal_tversky_loss,
    "iou": partial(tversky_loss, false_positive_weight=1.0, false_negative_weight=1.0),
    "tversky": tversky_loss,
}
_LEARNED = "self-learning-boundary"
#: Of glacier and ocean alone.
_OF_TWO_SIDES: dict[str, Callable[..., nn.Module]] = {"front": FrontLoss, "line": LineLoss}

#: What each loss can be told: its name for a user, the keyword of the function.
_SETTINGS: dict[str, dict[str, str]] = {
    "bce-dice": {"cross_entropy": "cross_entropy_share", "dice": "dice_share"},
    "boundary": {"tolerance_px": "tolerance_px"},
    "dice-boundary": {"dice": "dice_share", "tolerance_px": "tolerance_px"},
    "focal": {"gamma": "gamma"},
    "focal-tversky": {"alpha": "false_positive_weight", "beta": "false_negative_weight", "gamma": "gamma"},
    "front": {"cross_entropy": "cross_entropy_share", "dice": "dice_share", "gain": "gain", "reach_px": "reach_px"},
    "line": {"share": "share"},
    "tversky": {"alpha": "false_positive_weight", "beta": "false_negative_weight"},
    _LEARNED: {"tolerance_px": "tolerance_px"},
}
#: The least value of each setting, and whether it is a whole number.
_LEAST = {"gamma": (0.0, False), "reach_px": (1.0, True), "tolerance_px": (0.0, True)}


def loss_names() -> list[str]:
    """Return the names of the losses of any classes, sorted; ``front`` and ``line`` are of glacier and ocean.

    Examples
    --------
    >>> "bce-dice" in loss_names()
    True
    """
    return sorted([*_WEIGHTED, *_UNWEIGHTED, _LEARNED])


def all_loss_names() -> list[str]:
    """Return the names that :func:`build_loss` knows, sorted.

    Examples
    --------
    >>> sorted(set(all_loss_names()) - set(loss_names()))
    ['front', 'line']
    """
    return sorted([*loss_names(), *_OF_TWO_SIDES])


def check_loss(name: str, *, settings: Mapping[str, Any] | None = None, weighted: bool = False) -> dict[str, Any]:
    """Return the settings of a loss as keywords of its function.

    Raises
    ------
    UsageError
        If no loss has that name.
    InputError
        If a setting is unknown to this loss or out of range, or if it takes no class weights and is to have them.

    Examples
    --------
    >>> check_loss("tversky", settings={"alpha": 0.2})
    {'false_positive_weight': 0.2}
    """
    if name not in all_loss_names():
        near = ", ".join(nearest_names(name, all_loss_names())) or ", ".join(all_loss_names())
        raise UsageError(f"loss {name!r} is not known; nearest: {near}")
    if weighted and name not in _WEIGHTED:
        raise InputError(f"loss {name!r} takes no class weights; use one of {', '.join(sorted(_WEIGHTED))}")
    known = _SETTINGS.get(name, {})
    given = dict(settings or {})
    for key, value in given.items():
        if key not in known:
            takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise InputError(f"setting {key!r} of loss {name!r} is not known; {takes}")
        least, whole = _LEAST.get(key, (0.0, False))
        plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not plain or value < least or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            raise InputError(f"{key} {value!r} of loss {name!r} given, {kind} of at least {least:g} expected")
        if key == "gamma" and name == "focal-tversky" and not value:
            raise InputError(f"gamma 0 of loss {name!r} given, a number above 0 expected")
        if key == "reach_px" and int(value) % 2 == 0:
            raise InputError(f"reach_px {value} of loss {name!r} given, an odd number expected")
    if name == "dice-boundary" and given.get("dice", 0) > 1:
        raise InputError(f"dice {given['dice']} of loss {name!r} given, a share from 0 to 1 expected")
    for pair in (("alpha", "beta"), ("cross_entropy", "dice")):
        if pair[0] in known and pair[1] in known and all(given.get(key, 1) == 0 for key in pair):
            raise InputError(f"{pair[0]} and {pair[1]} of loss {name!r} are both 0; give one above 0")
    return {known[key]: int(value) if _LEAST.get(key, (0, False))[1] else value for key, value in given.items()}


def build_loss(
    name: str,
    *,
    class_weights: Sequence[float] | None = None,
    settings: Mapping[str, Any] | None = None,
    ignore_label: int = IGNORE_LABEL,
    sides: tuple[int, int] = (0, 1),
) -> nn.Module:
    """Return a loss by name, a module of logits and labels.

    Parameters
    ----------
    name : str
        One of :func:`all_loss_names`.
    class_weights : sequence of float, optional
        One per class, at least 0, not all 0; for ``bce-dice``, ``cross-entropy`` and ``focal``.
    settings : dict, optional
        Of this loss: ``alpha`` and ``beta`` (weights of false positives and of false negatives), ``gamma``,
        ``cross_entropy`` and ``dice`` (their shares), ``tolerance_px``, ``gain``, ``reach_px``, ``share``.
    ignore_label : int
        Label of the pixels that do not count; ``front`` and ``line`` have 255.
    sides : (int, int)
        Labels of glacier and of ocean, for ``line``.

    Returns
    -------
    torch.nn.Module
        ``self-learning-boundary`` has two parameters, the others none.

    Raises
    ------
    UsageError
        If no loss has that name.
    InputError
        If weights or a setting are given to a loss without them, or are out of range.

    Examples
    --------
    >>> loss = build_loss("dice")
    >>> loss(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1), 255)).item()
    0.0
    >>> half = torch.zeros(1, 2, 1, 1)
    >>> round(build_loss("bce-dice", settings={"dice": 0})(half, torch.zeros(1, 1, 1).long()).item(), 4)
    0.6931
    """
    keywords = check_loss(name, settings=settings, weighted=class_weights is not None)
    weights = None
    if class_weights is not None:
        weights = torch.as_tensor(class_weights, dtype=torch.float32)
        if weights.ndim != 1 or bool((weights < 0).any()) or not bool(weights.isfinite().all()) or not weights.any():
            raise InputError(
                f"class weights {list(class_weights)} given, one of at least 0 per class expected, not all 0"
            )
    if name == "line":
        return LineLoss(**keywords, glacier=sides[0], ocean=sides[1])
    if name in _OF_TWO_SIDES:
        return _OF_TWO_SIDES[name](**keywords)
    if name == _LEARNED:
        return SelfLearningBoundaryLoss(**keywords, ignore_label=ignore_label)
    function = _WEIGHTED.get(name) or _UNWEIGHTED[name]
    return Loss(partial(function, **keywords), class_weights=weights, ignore_label=ignore_label)
