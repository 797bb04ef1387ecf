"""Losses of single pixels and of overlap; :mod:`glaciertime.segment.losses.registry` says what they share."""

from __future__ import annotations

import torch
from torch.nn import functional

from glaciertime.errors import InputError

__all__ = [
    "IGNORE_LABEL",
    "bce_dice_loss",
    "check_labels",
    "cross_entropy_loss",
    "dice_loss",
    "focal_loss",
    "focal_tversky_loss",
    "probabilities_and_targets",
    "tversky_loss",
]

IGNORE_LABEL = 255
_TINY = 1e-6


def cross_entropy_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    class_weights: torch.Tensor | None = None,
    ignore_label: int = IGNORE_LABEL,
) -> torch.Tensor:
    """Return the weighted cross-entropy, ``sum_i w(y_i) (-log p_i(y_i)) / sum_i w(y_i)``.

    With one logit this is the binary cross-entropy; with two it is the same of
    their difference.

    Parameters
    ----------
    logits : (B, C, H, W) float
    labels : (B, H, W) int
    class_weights : (C,) float, or (2,) where C = 1, optional
        Weights, at least 0.
    ignore_label : int
        Label of the pixels that do not count.

    Returns
    -------
    torch.Tensor
        Scalar, nats, at least 0.

    Raises
    ------
    InputError
        If the shapes do not fit or a label is outside the classes.

    Examples
    --------
    >>> logits = torch.zeros(1, 2, 1, 2)
    >>> round(cross_entropy_loss(logits, torch.tensor([[[0, 255]]])).item(), 4)
    0.6931
    """
    pixels = _log_likelihood(logits, labels, ignore_label)
    if pixels is None:
        return logits.sum() * 0
    likelihood, kept = pixels
    if class_weights is None:
        return -likelihood.mean()
    weight = _weights(class_weights, logits)[kept]
    return -(weight * likelihood).sum() / weight.sum().clamp_min(_TINY)


def focal_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    gamma: float = 2.0,
    class_weights: torch.Tensor | None = None,
    ignore_label: int = IGNORE_LABEL,
) -> torch.Tensor:
    """Return the focal loss, the mean of ``w(y) (1 - p(y))^gamma (-log p(y))``.

    Parameters
    ----------
    logits, labels, class_weights, ignore_label
        As for :func:`cross_entropy_loss`; the weights are not divided out, as in the source.
    gamma : float
        At least 0; 0 gives the cross-entropy.

    Returns
    -------
    torch.Tensor
        Scalar, at least 0.

    References
    ----------
    Lin et al. 2017, doi:10.1109/ICCV.2017.324

    Examples
    --------
    >>> logits = torch.zeros(1, 1, 1, 1)
    >>> round(focal_loss(logits, torch.ones(1, 1, 1, dtype=torch.long)).item(), 4)
    0.1733
    """
    pixels = _log_likelihood(logits, labels, ignore_label)
    if pixels is None:
        return logits.sum() * 0
    likelihood, kept = pixels
    focal = -((1 - likelihood.exp()).clamp_min(0) ** gamma) * likelihood
    if class_weights is not None:
        focal = focal * _weights(class_weights, logits)[kept]
    return focal.mean()


def tversky_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    false_positive_weight: float = 0.3,
    false_negative_weight: float = 0.7,
    ignore_label: int = IGNORE_LABEL,
) -> torch.Tensor:
    """Return one minus the Tversky index, the mean over the labelled classes.

    ``TI = TP / (TP + a FP + b FN)`` with TP = sum p g, FP = sum p (1 - g), FN = sum (1 - p) g.

    Parameters
    ----------
    logits : (B, C, H, W) float
    labels : (B, H, W) int
    false_positive_weight, false_negative_weight : float
        a and b, at least 0; 0.5 each gives Dice, 1 each gives the soft IoU.
    ignore_label : int
        Label of the pixels that do not count.

    Returns
    -------
    torch.Tensor
        Scalar, 0 to 1.

    References
    ----------
    Salehi et al. 2017, doi:10.1007/978-3-319-67389-9_44

    Examples
    --------
    >>> logits = torch.tensor([[[[0.0, 99.0, -99.0]]]])
    >>> round(tversky_loss(logits, torch.tensor([[[1, 1, 0]]])).item(), 4)
    0.1892
    """
    missed = _one_minus_tversky(logits, labels, false_positive_weight, false_negative_weight, ignore_label)
    return logits.sum() * 0 if missed is None else missed.mean()


def focal_tversky_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    gamma: float = 4 / 3,
    false_positive_weight: float = 0.3,
    false_negative_weight: float = 0.7,
    ignore_label: int = IGNORE_LABEL,
) -> torch.Tensor:
    """Return the mean over the labelled classes of ``(1 - TI)^(1 / gamma)``.

    Parameters
    ----------
    logits, labels, false_positive_weight, false_negative_weight, ignore_label
        As for :func:`tversky_loss`.
    gamma : float
        Above 0; the source uses 4/3.

    Returns
    -------
    torch.Tensor
        Scalar, 0 to 1.

    References
    ----------
    Abraham and Khan 2019, doi:10.1109/ISBI.2019.8759329

    Examples
    --------
    >>> logits = torch.tensor([[[[0.0, 99.0, -99.0]]]])
    >>> round(focal_tversky_loss(logits, torch.tensor([[[1, 1, 0]]]), gamma=1.0).item(), 4)
    0.1892
    """
    missed = _one_minus_tversky(logits, labels, false_positive_weight, false_negative_weight, ignore_label)
    # The power has an infinite slope at 0.
    return logits.sum() * 0 if missed is None else (missed.clamp_min(_TINY) ** (1 / gamma)).mean()


def dice_loss(logits: torch.Tensor, labels: torch.Tensor, *, ignore_label: int = IGNORE_LABEL) -> torch.Tensor:
    """Return the masked Dice loss, ``1 - 2 sum p g / (sum p + sum g)``, the mean over the labelled classes.

    Parameters
    ----------
    logits : (B, C, H, W) float
    labels : (B, H, W) int
    ignore_label : int
        Label of the pixels that do not count.

    Returns
    -------
    torch.Tensor
        Scalar, 0 to 1.

    References
    ----------
    Milletari et al. 2016, doi:10.1109/3DV.2016.79

    Examples
    --------
    >>> logits = torch.tensor([[[[0.0, 99.0, -99.0, 99.0]]]])
    >>> round(dice_loss(logits, torch.tensor([[[1, 1, 0, 255]]])).item(), 4)
    0.1429
    """
    return tversky_loss(logits, labels, false_positive_weight=0.5, false_negative_weight=0.5, ignore_label=ignore_label)


def bce_dice_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    cross_entropy_share: float = 1.0,
    dice_share: float = 1.0,
    class_weights: torch.Tensor | None = None,
    ignore_label: int = IGNORE_LABEL,
) -> torch.Tensor:
    """Return ``a cross-entropy + b Dice``, in equal parts by default.

    Parameters
    ----------
    logits, labels, class_weights, ignore_label
        As for :func:`cross_entropy_loss`; the weights are those of the cross-entropy alone.
    cross_entropy_share, dice_share : float
        a and b, at least 0.

    Returns
    -------
    torch.Tensor
        Scalar, at least 0.

    Examples
    --------
    >>> logits, labels = torch.zeros(1, 1, 1, 2), torch.tensor([[[0, 1]]])
    >>> round(bce_dice_loss(logits, labels).item(), 4)
    1.1931
    """
    entropy = cross_entropy_loss(logits, labels, class_weights=class_weights, ignore_label=ignore_label)
    overlap = dice_loss(logits, labels, ignore_label=ignore_label)
    return cross_entropy_share * entropy + dice_share * overlap


def check_labels(logits: torch.Tensor, labels: torch.Tensor, ignore_label: int) -> torch.Tensor:
    """Return where labels count, after checking that shapes and labels fit."""
    if logits.ndim != 4 or labels.shape != (logits.shape[0], *logits.shape[2:]):
        raise InputError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} given; (batch, classes, height, width) and "
            "(batch, height, width) of the same sizes expected"
        )
    classes = max(logits.shape[1], 2)
    kept = labels != ignore_label
    wrong = kept & ((labels < 0) | (labels >= classes))
    if bool(wrong.any()):
        found = sorted(labels[wrong].unique().tolist())[:5]
        raise InputError(
            f"labels {found} given, 0 to {classes - 1} expected beside the ignored {ignore_label}; "
            "remap the labels or build the model with more classes"
        )
    return kept


def _log_likelihood(
    logits: torch.Tensor, labels: torch.Tensor, ignore_label: int
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return log p(label) and the label of the pixels that count, None if there are none."""
    kept = check_labels(logits, labels, ignore_label)
    if not bool(kept.any()):
        return None
    known = labels[kept].long()
    if logits.shape[1] == 1:
        return functional.logsigmoid(torch.where(known == 1, logits[:, 0][kept], -logits[:, 0][kept])), known
    chosen = logits.log_softmax(dim=1).movedim(1, -1)[kept]
    return chosen.gather(1, known[:, None])[:, 0], known


def _weights(class_weights: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    classes = max(logits.shape[1], 2)
    if class_weights.shape != (classes,):
        raise InputError(f"{class_weights.numel()} class weights given for {classes} classes; give one per class")
    return class_weights.to(logits)


def probabilities_and_targets(
    logits: torch.Tensor, labels: torch.Tensor, ignore_label: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities and targets (B, K, H, W); K is 1, the foreground, for a single logit."""
    if logits.shape[1] == 1:
        return logits.sigmoid(), (labels == 1)[:, None].to(logits.dtype)
    known = torch.where(labels == ignore_label, 0, labels).long()
    target = functional.one_hot(known, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    return logits.softmax(dim=1), target


def _one_minus_tversky(
    logits: torch.Tensor, labels: torch.Tensor, positive: float, negative: float, ignore_label: int
) -> torch.Tensor | None:
    """Return 1 - TI of each labelled class, None if there is none."""
    kept = check_labels(logits, labels, ignore_label)[:, None]
    probability, target = probabilities_and_targets(logits, labels, ignore_label)
    if logits.shape[1] == 1 and not bool((target * kept).any()):
        # Nothing but background is labelled: it is the class to be found, or foreground everywhere would cost nothing.
        probability, target = 1 - probability, 1 - target
    probability, target = probability * kept, target * kept
    axes = (0, 2, 3)
    hit = (probability * target).sum(axes)
    predicted, labelled = probability.sum(axes), target.sum(axes)
    index = hit / (hit + positive * (predicted - hit) + negative * (labelled - hit)).clamp_min(_TINY)
    return (1 - index)[labelled > 0] if bool((labelled > 0).any()) else None
