"""Losses for two zones whose boundary is what counts: weighted towards the front, and on its row in every column."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import IGNORE

__all__ = ["FrontLoss", "LineLoss", "boundary_weights"]


def boundary_weights(labels: torch.Tensor, *, gain: float, reach_px: int) -> torch.Tensor:
    """Return 1 far from any boundary between two labels, rising to about ``1 + gain`` on it.

    The boundary is blurred with two box filters of side ``reach_px``, a triangle that reaches ``reach_px`` far, and
    scaled so that its maximum is 1.

    Parameters
    ----------
    labels : (B, H, W) integer
        A boundary to the ignore label does not count.
    gain : float
    reach_px : int
        Odd, pixels.

    Returns
    -------
    (B, H, W) float32

    Examples
    --------
    >>> labels = torch.zeros(1, 9, 9, dtype=torch.long); labels[:, :4] = 1
    >>> weights = boundary_weights(labels, gain=4.0, reach_px=3)
    >>> [round(float(value), 2) for value in weights[0, :, 4]]
    [1.0, 1.8, 3.4, 5.0, 5.0, 3.4, 1.8, 1.0, 1.0]
    """
    if reach_px < 1 or reach_px % 2 == 0:
        raise InputError(f"reach of {reach_px} px given, an odd number of at least 1 expected")
    edge = torch.zeros(labels.shape, dtype=torch.float32, device=labels.device)
    for axis in (1, 2):
        one = labels.narrow(axis, 0, labels.shape[axis] - 1)
        other = labels.narrow(axis, 1, labels.shape[axis] - 1)
        differs = ((one != other) & (one != IGNORE) & (other != IGNORE)).float()
        edge.narrow(axis, 0, labels.shape[axis] - 1).add_(differs)
        edge.narrow(axis, 1, labels.shape[axis] - 1).add_(differs)
    near = edge.clamp(max=1)[:, None]
    for _ in range(2):
        near = functional.avg_pool2d(near, reach_px, stride=1, padding=reach_px // 2, count_include_pad=False)
    peak = near.amax(dim=(1, 2, 3), keepdim=True)
    return 1 + gain * (near / peak.clamp(min=1e-6))[:, 0]


class FrontLoss(nn.Module):
    """Weighted cross-entropy plus half of one minus the weighted Dice of each class.

    ``L = a sum w m CE / sum w m + b (1 - mean_k (2 sum w m p_k y_k + 1) / (sum w m (p_k + y_k) + 1))`` with the
    weights w of :func:`boundary_weights` and m = 0 at the ignore label.

    Parameters
    ----------
    gain : float
    reach_px : int
    cross_entropy_share, dice_share : float
        a and b.

    Examples
    --------
    >>> labels = torch.zeros(1, 8, 8, dtype=torch.long); labels[:, :4] = 1
    >>> logits = torch.stack([1.0 - 2 * labels, 2.0 * labels - 1], dim=1) * 20
    >>> round(float(FrontLoss()(logits, labels)), 3)
    0.0
    """

    def __init__(
        self, *, gain: float = 4.0, reach_px: int = 7, cross_entropy_share: float = 1.0, dice_share: float = 0.5
    ) -> None:
        super().__init__()
        self.cross_entropy_share = cross_entropy_share
        self.dice_share = dice_share
        self.gain = gain
        self.reach_px = reach_px

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of logits (B, K, H, W) against labels (B, H, W); 0 where nothing is labelled."""
        known = labels != IGNORE
        target = torch.where(known, labels, torch.zeros_like(labels)).long()
        weights = boundary_weights(labels, gain=self.gain, reach_px=self.reach_px) * known
        total = weights.sum().clamp(min=1e-6)
        entropy = (functional.cross_entropy(logits, target, reduction="none") * weights).sum() / total
        probability = logits.softmax(dim=1)
        number = torch.arange(logits.shape[1], device=logits.device)[:, None, None]
        truth = (target[:, None] == number).to(probability.dtype)
        shared = (weights[:, None] * probability * truth).sum(dim=(0, 2, 3))
        both = (weights[:, None] * (probability + truth)).sum(dim=(0, 2, 3))
        overlap = 1 - ((2 * shared + 1) / (both + 1)).mean()
        return self.cross_entropy_share * entropy + self.dice_share * overlap


class LineLoss(nn.Module):
    """:class:`FrontLoss` plus the log loss of the front's row in every column, for images with the ocean up.

    A front at row r of a column means ocean in the rows above it and glacier from r on. With the log-odds of ocean l,
    cut off at plus and minus 6, ``log p(r) = sum_{y < r} l(y) - log sum_r' exp sum_{y < r'} l(y)``: the energy that
    :func:`~glaciertime.segment.predict.front_line.zones_from_ocean` minimises, without its smoothness. An island of the
    wrong class costs little as long as no other row explains the column better; two rows that compete cost much. The
    truth is spread over three rows, 1 : 2 : 1. Rows without a label cannot hold the front; columns whose labelled
    rows are not in one piece, or hold no or more than one front, have no part in it.

    Parameters
    ----------
    share : float
        Weight of the log loss, in nats per column, beside the other two terms.
    glacier, ocean : int
        Classes of the two sides.

    Examples
    --------
    >>> labels = torch.zeros(1, 12, 8, dtype=torch.long); labels[:, :4] = 1
    >>> right = torch.stack([1.0 - 2 * labels, 2.0 * labels - 1], dim=1) * 20
    >>> upwards = right.roll(-3, dims=2)
    >>> bool(LineLoss()(right, labels) < LineLoss()(upwards, labels))
    True
    """

    CLIP = 6.0

    def __init__(self, *, share: float = 0.15, glacier: int = 0, ocean: int = 1) -> None:
        super().__init__()
        self.zones = FrontLoss()
        self.share = share
        self.glacier = glacier
        self.ocean = ocean

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of logits (B, K, H, W) against labels (B, H, W)."""
        return self.zones(logits, labels) + self.share * self._rows(logits, labels)

    def _rows(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        odds = (logits[:, self.ocean] - logits[:, self.glacier]).clamp(-self.CLIP, self.CLIP)
        known = (labels == self.ocean) | (labels == self.glacier)
        # Parting after row r, r = 0 .. H - 2, within the labelled rows of the column.
        within = known[:, :-1] & known[:, 1:]
        falls = within & (labels[:, :-1] == self.ocean) & (labels[:, 1:] == self.glacier)
        rises = within & (labels[:, :-1] == self.glacier) & (labels[:, 1:] == self.ocean)
        pieces = known[:, 0].long() + (known[:, 1:] & ~known[:, :-1]).sum(dim=1)
        single = (falls.sum(dim=1) == 1) & ~rises.any(dim=1) & (pieces == 1)
        total = (odds * known).cumsum(dim=1)[:, :-1]
        log_probability = functional.log_softmax(total.masked_fill(~within & single[:, None], -1e4), dim=1)
        row = falls.long().argmax(dim=1)
        last = within.shape[1] - 1
        found = torch.zeros_like(log_probability[:, 0])
        for step, weight in ((-1, 0.25), (0, 0.5), (1, 0.25)):
            place = (row + step).clamp(0, last)[:, None]
            place = torch.where(within.gather(1, place), place, row[:, None])
            found = found + weight * log_probability.gather(1, place)[:, 0]
        return -(found * single).sum() / single.sum().clamp(min=1)
