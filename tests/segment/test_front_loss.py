"""The losses of a front against values worked out by hand."""

import math

import pytest
import torch

from glaciertime.segment.losses.front_loss import FrontLoss, LineLoss

IGNORED = 255


def fjord(rows: list[int], height: int = 8) -> torch.Tensor:
    """Labels with the ocean (1) in the given number of rows of each column."""
    return (torch.arange(height)[:, None] < torch.tensor(rows)[None]).long()[None]


def test_without_evidence_the_row_costs_the_logarithm_of_the_number_of_rows() -> None:
    labels = fjord([3, 4, 5])
    logits = torch.zeros(1, 2, 8, 3)
    rows = LineLoss(share=1.0)(logits, labels) - FrontLoss()(logits, labels)
    assert rows.item() == pytest.approx(math.log(7), rel=1e-6)


def test_the_row_costs_what_the_log_odds_above_it_say() -> None:
    labels = fjord([1], height=3)
    odds = torch.tensor([2.0, -1.0, 0.5])
    logits = torch.stack([torch.zeros(3), odds]).reshape(1, 2, 3, 1)
    # Parting after row 0 has the sum 2, after row 1 the sum 1; the truth is 1 : 2 : 1, its upper part at the edge.
    total = math.log(math.exp(2.0) + math.exp(1.0))
    expected = -(0.75 * (2.0 - total) + 0.25 * (1.0 - total))
    rows = LineLoss(share=1.0)(logits, labels) - FrontLoss()(logits, labels)
    assert rows.item() == pytest.approx(expected, rel=1e-5)


def test_rows_without_a_label_cannot_hold_the_front() -> None:
    labels = fjord([5])
    labels[0, :2] = labels[0, 7:] = IGNORED
    rows = LineLoss(share=1.0)(torch.zeros(1, 2, 8, 1), labels) - FrontLoss()(torch.zeros(1, 2, 8, 1), labels)
    assert rows.item() == pytest.approx(math.log(4), rel=1e-6)


def test_columns_without_one_front_have_no_part() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 8, 4)
    labels = fjord([3, 4, 5, 2])
    labels[0, :, 1] = IGNORED
    labels[0, :, 2] = 0
    labels[0, 6, 3] = 1
    logits_alone, labels_alone = logits[..., :1], labels[..., :1]
    rows = LineLoss(share=1.0)(logits, labels) - FrontLoss()(logits, labels)
    alone = LineLoss(share=1.0)(logits_alone, labels_alone) - FrontLoss()(logits_alone, labels_alone)
    assert rows.item() == pytest.approx(alone.item(), rel=1e-5)
    labels[:] = IGNORED
    assert LineLoss()(logits, labels).item() == pytest.approx(FrontLoss()(logits, labels).item())


def test_every_row_is_drawn_to_its_own_side_of_the_front() -> None:
    labels = fjord([4] * 6, height=16)
    logits = torch.stack([torch.zeros(1, 16, 6), torch.where(labels == 1, 1.0, -1.0)], dim=1)
    logits[:, 1, 10:] = 1.0
    logits.requires_grad_()
    (LineLoss(share=1.0)(logits, labels) - FrontLoss()(logits, labels)).backward()
    assert (logits.grad[:, 1, 5:-1] > 0).all()
    assert (logits.grad[:, 1, 1:3] < 0).all()
