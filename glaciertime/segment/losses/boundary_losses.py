"""Losses of boundaries; :mod:`glaciertime.segment.losses.registry` says what all losses share."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from glaciertime.segment.losses.pixel_losses import IGNORE_LABEL, check_labels, dice_loss, probabilities_and_targets

__all__ = ["SelfLearningBoundaryLoss", "boundary_loss", "dice_boundary_loss"]

_TINY = 1e-6


def boundary_loss(
    logits: torch.Tensor, labels: torch.Tensor, *, tolerance_px: int = 2, ignore_label: int = IGNORE_LABEL
) -> torch.Tensor:
    """Return one minus the soft F1 score of the boundaries, the mean over the labelled classes.

    The boundary of a map is what a 3 x 3 erosion takes away. Precision is the share
    of the predicted boundary within ``tolerance_px`` (in rows and columns) of the
    labelled one, recall the reverse. Boundaries that only the ignored pixels or the
    frame make do not count.

    Parameters
    ----------
    logits : (B, C, H, W) float
    labels : (B, H, W) int
    tolerance_px : int
        At least 0.
    ignore_label : int
        Label of the pixels that do not count.

    Returns
    -------
    torch.Tensor
        Scalar, 0 to 1; 0 where no labelled class has a boundary.

    References
    ----------
    Bokhovkin and Burnaev 2019, doi:10.1007/978-3-030-22808-8_38

    Examples
    --------
    >>> def parted_at(row):
    ...     return (torch.arange(16) >= row).long()[None, :, None].expand(1, 16, 16)
    >>> def sure_of(labels):
    ...     return 99.0 * torch.stack([1 - 2 * labels, 2 * labels - 1], dim=1)
    >>> round(boundary_loss(sure_of(parted_at(5)), parted_at(5)).item(), 4)
    0.0
    >>> round(boundary_loss(sure_of(parted_at(11)), parted_at(5)).item(), 4)
    1.0
    """
    kept = check_labels(logits, labels, ignore_label)
    probability, target = probabilities_and_targets(logits, labels, ignore_label)
    inside = kept[:, None].to(probability.dtype)
    predicted = _edge(probability, inside)
    truth = _edge(target, inside)
    predicted_wide = functional.max_pool2d(predicted, 2 * tolerance_px + 1, stride=1, padding=tolerance_px)
    truth_wide = functional.max_pool2d(truth, 2 * tolerance_px + 1, stride=1, padding=tolerance_px)
    axes = (0, 2, 3)
    precision = (predicted * truth_wide).sum(axes) / predicted.sum(axes).clamp_min(_TINY)
    recall = (truth * predicted_wide).sum(axes) / truth.sum(axes).clamp_min(_TINY)
    score = 2 * precision * recall / (precision + recall).clamp_min(_TINY)
    bounded = truth.sum(axes) > 0
    return (1 - score)[bounded].mean() if bool(bounded.any()) else logits.sum() * 0


def dice_boundary_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    dice_share: float = 0.5,
    tolerance_px: int = 2,
    ignore_label: int = IGNORE_LABEL,
) -> torch.Tensor:
    """Return ``a Dice + (1 - a) Boundary``, a weight that stays as it is given.

    Parameters
    ----------
    logits, labels, tolerance_px, ignore_label
        As for :func:`boundary_loss`.
    dice_share : float
        a, 0 to 1.

    References
    ----------
    Aryal et al. 2023, doi:10.7557/18.6789, equation 1

    Examples
    --------
    >>> labels = (torch.arange(16) >= 8).long()[None, :, None].expand(1, 16, 16)
    >>> round(dice_boundary_loss(99.0 * torch.stack([1 - 2 * labels, 2 * labels - 1], dim=1), labels).item(), 4)
    0.0
    """
    overlap = dice_loss(logits, labels, ignore_label=ignore_label)
    boundary = boundary_loss(logits, labels, tolerance_px=tolerance_px, ignore_label=ignore_label)
    return dice_share * overlap + (1 - dice_share) * boundary


class SelfLearningBoundaryLoss(nn.Module):
    """Dice and boundary loss with two weights that are learned along.

    ``L = Dice / (2 a1^2) + Boundary / (2 a2^2) + |ln(a1 a2)|``, a1 = a2 = 1 at first.
    The weights are parameters: hand this module's to the optimiser with the model's.

    Parameters
    ----------
    tolerance_px : int
        Of :func:`boundary_loss`.
    ignore_label : int
        Label of the pixels that do not count.

    References
    ----------
    Aryal et al. 2023, doi:10.7557/18.6789

    Examples
    --------
    >>> loss = SelfLearningBoundaryLoss()
    >>> [round(weight, 2) for weight in loss.weights()]
    [0.5, 0.5]
    """

    def __init__(self, *, tolerance_px: int = 2, ignore_label: int = IGNORE_LABEL) -> None:
        super().__init__()
        self.tolerance_px = tolerance_px
        self.ignore_label = ignore_label
        self.alpha_dice = nn.Parameter(torch.ones(()))
        self.alpha_boundary = nn.Parameter(torch.ones(()))

    def weights(self) -> tuple[float, float]:
        """Return the present weights of Dice and boundary, 1 / (2 a^2)."""
        return tuple(0.5 / alpha.item() ** 2 for alpha in (self.alpha_dice, self.alpha_boundary))  # type: ignore[return-value]

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar of at least 0."""
        overlap = dice_loss(logits, labels, ignore_label=self.ignore_label)
        boundary = boundary_loss(logits, labels, tolerance_px=self.tolerance_px, ignore_label=self.ignore_label)
        weighted = overlap / (2 * self.alpha_dice**2) + boundary / (2 * self.alpha_boundary**2)
        # In two terms, so that a weight that crossed zero does not make the logarithm undefined.
        return weighted + (self.alpha_dice.abs().log() + self.alpha_boundary.abs().log()).abs()


def _edge(soft: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return what a 3 x 3 erosion takes from a map, where the whole neighbourhood counts."""
    eroded = -functional.max_pool2d(-soft, 3, stride=1, padding=1)
    outside_near = functional.max_pool2d(1 - inside, 3, stride=1, padding=1)
    return (soft - eroded) * (1 - outside_near)
