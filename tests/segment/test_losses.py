"""The losses against values worked out by hand, and what they leave out."""

from __future__ import annotations

import math

import pytest
import torch

from glaciertime.errors import InputError, UsageError
from glaciertime.segment.losses.registry import (
    SelfLearningBoundaryLoss,
    bce_dice_loss,
    boundary_loss,
    build_loss,
    cross_entropy_loss,
    dice_loss,
    focal_loss,
    focal_tversky_loss,
    loss_names,
    tversky_loss,
)

IGNORED = 255


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


# One foreground probability per pixel; labels 1, 1, 0 and one that does not count.
PROBABILITIES = (0.8, 0.6, 0.3, 0.9)
BINARY = torch.tensor([logit(p) for p in PROBABILITIES]).reshape(1, 1, 1, 4)
TWO = torch.cat([torch.zeros_like(BINARY), BINARY], dim=1)
LABELS = torch.tensor([[[1, 1, 0, IGNORED]]])
TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = 0.8 + 0.6, 0.3, 0.2 + 0.4


def test_cross_entropy_by_hand() -> None:
    expected = -(math.log(0.8) + math.log(0.6) + math.log(0.7)) / 3
    assert cross_entropy_loss(BINARY, LABELS).item() == pytest.approx(expected, rel=1e-6)
    assert cross_entropy_loss(TWO, LABELS).item() == pytest.approx(expected, rel=1e-6)


def test_weighted_cross_entropy_by_hand_and_as_torch_has_it() -> None:
    weights = torch.tensor([3.0, 1.0])
    expected = -(math.log(0.8) + math.log(0.6) + 3 * math.log(0.7)) / 5
    assert cross_entropy_loss(TWO, LABELS, class_weights=weights).item() == pytest.approx(expected, rel=1e-6)
    logits = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(4, (2, 5, 6), generator=torch.Generator().manual_seed(1))
    labels[0, 0] = IGNORED
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    torch.testing.assert_close(
        cross_entropy_loss(logits, labels, class_weights=weights),
        torch.nn.functional.cross_entropy(logits, labels, weight=weights, ignore_index=IGNORED),
    )


def test_focal_by_hand() -> None:
    expected = -(0.2**2 * math.log(0.8) + 0.4**2 * math.log(0.6) + 0.3**2 * math.log(0.7)) / 3
    assert focal_loss(BINARY, LABELS).item() == pytest.approx(expected, rel=1e-5)
    assert focal_loss(TWO, LABELS).item() == pytest.approx(expected, rel=1e-5)


def test_focal_without_focus_is_cross_entropy() -> None:
    torch.testing.assert_close(focal_loss(TWO, LABELS, gamma=0.0), cross_entropy_loss(TWO, LABELS))


def test_tversky_by_hand() -> None:
    index = TRUE_POSITIVE / (TRUE_POSITIVE + 0.3 * FALSE_POSITIVE + 0.7 * FALSE_NEGATIVE)
    assert tversky_loss(BINARY, LABELS).item() == pytest.approx(1 - index, rel=1e-5)
    assert focal_tversky_loss(BINARY, LABELS).item() == pytest.approx((1 - index) ** 0.75, rel=1e-5)


def test_dice_by_hand() -> None:
    expected = 1 - 2 * TRUE_POSITIVE / (0.8 + 0.6 + 0.3 + 2)
    assert dice_loss(BINARY, LABELS).item() == pytest.approx(expected, rel=1e-5)
    assert bce_dice_loss(BINARY, LABELS).item() == pytest.approx(
        expected + cross_entropy_loss(BINARY, LABELS).item(), rel=1e-6
    )


def test_dice_of_two_classes_is_the_mean_of_both() -> None:
    background = 1 - 2 * 0.7 / (0.2 + 0.4 + 0.7 + 1)
    foreground = 1 - 2 * TRUE_POSITIVE / (0.8 + 0.6 + 0.3 + 2)
    assert dice_loss(TWO, LABELS).item() == pytest.approx((background + foreground) / 2, rel=1e-5)


def parted_at(row: int, size: int = 20) -> torch.Tensor:
    return (torch.arange(size) >= row).long()[None, :, None].expand(1, size, size).clone()


def sure(labels: torch.Tensor) -> torch.Tensor:
    return 60.0 * torch.stack([1.0 - 2 * labels, 2.0 * labels - 1], dim=1)


@pytest.mark.parametrize(("moved_by", "expected"), [(0, 0.0), (2, 0.0), (3, 1.0), (6, 1.0)])
def test_boundary_loss_forgives_up_to_the_tolerance(moved_by: int, expected: float) -> None:
    loss = boundary_loss(sure(parted_at(8 + moved_by)), parted_at(8), tolerance_px=2)
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_a_boundary_against_ignored_pixels_is_none() -> None:
    labels = torch.zeros(1, 20, 20, dtype=torch.long)
    labels[:, 10:] = IGNORED
    assert boundary_loss(sure(torch.zeros_like(labels)), labels).item() == 0.0


def test_learned_weights_start_at_a_half_and_learn() -> None:
    loss = SelfLearningBoundaryLoss()
    logits, labels = sure(parted_at(14)) / 30, parted_at(8)
    by_hand = dice_loss(logits, labels) / 2 + boundary_loss(logits, labels) / 2
    torch.testing.assert_close(loss(logits, labels), by_hand)
    optimiser = torch.optim.SGD(loss.parameters(), lr=0.005)
    for _ in range(60):
        optimiser.zero_grad()
        loss(logits, labels).backward()
        optimiser.step()
    # The logarithm holds a1 a2 at 1; within that the smaller part gains weight, until both weigh the same.
    weight_dice, weight_boundary = loss.weights()
    assert 4 * weight_dice * weight_boundary == pytest.approx(1.0, abs=0.05)
    assert dice_loss(logits, labels) < boundary_loss(logits, labels)
    assert weight_dice > 0.51
    assert weight_boundary < 0.49


def test_learned_weights_by_formula() -> None:
    loss = SelfLearningBoundaryLoss()
    with torch.no_grad():
        loss.alpha_dice.fill_(0.9)
        loss.alpha_boundary.fill_(1.5)
    logits, labels = sure(parted_at(9)) / 30, parted_at(8)
    parts = dice_loss(logits, labels) / (2 * 0.9**2) + boundary_loss(logits, labels) / (2 * 1.5**2)
    assert loss(logits, labels).item() == pytest.approx(parts.item() + abs(math.log(0.9 * 1.5)), rel=1e-5)


@pytest.mark.parametrize("name", loss_names())
@pytest.mark.parametrize("classes", [1, 2, 4])
class TestEveryLoss:
    def test_ignored_pixels_have_no_gradient(self, name: str, classes: int) -> None:
        generator = torch.Generator().manual_seed(3)
        logits = torch.randn(2, classes, 12, 12, generator=generator, requires_grad=True)
        labels = torch.randint(max(classes, 2), (2, 12, 12), generator=generator)
        labels[:, 6:] = IGNORED
        loss = build_loss(name)(logits, labels)
        loss.backward()
        assert torch.isfinite(loss)
        assert loss >= 0
        assert torch.all(logits.grad[:, :, 6:] == 0)
        assert torch.any(logits.grad[:, :, :6] != 0)

    def test_nothing_labelled_costs_nothing(self, name: str, classes: int) -> None:
        logits = torch.randn(1, classes, 8, 8, requires_grad=True)
        loss = build_loss(name)(logits, torch.full((1, 8, 8), IGNORED))
        loss.backward()
        assert loss.item() == 0.0
        assert torch.all(logits.grad == 0)

    def test_a_right_answer_costs_less_than_a_wrong_one(self, name: str, classes: int) -> None:
        labels = torch.zeros(1, 16, 16, dtype=torch.long)
        labels[:, 8:] = max(classes, 2) - 1
        if classes == 1:
            right = (40.0 * labels - 20)[:, None]
        else:
            right = 20.0 * torch.nn.functional.one_hot(labels, classes).movedim(-1, 1)
        loss = build_loss(name)
        assert loss(right, labels) < 1e-3
        assert loss(-right.roll(4, dims=-2), labels) > 0.1


def test_labels_outside_the_classes_are_told() -> None:
    with pytest.raises(InputError, match=r"labels \[2\] given, 0 to 1 expected beside the ignored 255"):
        dice_loss(TWO, torch.tensor([[[0, 1, 2, 255]]]))


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(InputError, match="of the same sizes expected"):
        dice_loss(TWO, torch.zeros(1, 1, 3, dtype=torch.long))


def test_weights_are_checked() -> None:
    with pytest.raises(InputError, match="takes no class weights"):
        build_loss("dice", class_weights=[1.0, 2.0])
    with pytest.raises(InputError, match="at least 0 per class"):
        build_loss("focal", class_weights=[1.0, -2.0])
    with pytest.raises(InputError, match="3 class weights given for 2 classes"):
        build_loss("focal", class_weights=[1.0, 2.0, 3.0])(TWO, LABELS)


def test_a_mistyped_loss_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="nearest: focal"):
        build_loss("focall")


@pytest.mark.parametrize("name", ["dice", "tversky", "focal-tversky"])
def test_foreground_everywhere_on_background_costs_all(name: str) -> None:
    logits, labels = torch.full((1, 1, 8, 8), 9.0), torch.zeros(1, 8, 8, dtype=torch.long)
    assert build_loss(name)(logits, labels).item() == pytest.approx(1.0, abs=0.01)
    assert build_loss(name)(-logits, labels).item() == pytest.approx(0.0, abs=0.01)
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)
    assert build_loss(name)(both, labels).item() == pytest.approx(1.0, abs=0.01)
