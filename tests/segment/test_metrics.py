"""Scores against closed forms and against scikit-learn, and what they say of empty classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn

from glaciertime.errors import InputError, UsageError
from glaciertime.segment.judge.metrics import (
    SegmentationMetrics,
    confusion_matrix,
    mean_image_iou,
    scores_from_confusion,
)
from glaciertime.segment.judge.scoring import build_score


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (3, 20, 20))
    predicted = np.where(rng.random(labels.shape) < 0.6, labels, rng.integers(0, 4, labels.shape))
    return predicted, labels


def test_scores_equal_those_of_scikit_learn(masks: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, labels = masks
    scores = scores_from_confusion(confusion_matrix(predicted, labels, classes=4))
    given = (labels.ravel(), predicted.ravel())
    np.testing.assert_allclose(scores.iou, sklearn.jaccard_score(*given, average=None))
    np.testing.assert_allclose(scores.dice, sklearn.f1_score(*given, average=None))
    np.testing.assert_allclose(scores.precision, sklearn.precision_score(*given, average=None))
    np.testing.assert_allclose(scores.recall, sklearn.recall_score(*given, average=None))
    assert scores.pixel_accuracy == pytest.approx(sklearn.accuracy_score(*given))
    assert scores.mcc == pytest.approx(sklearn.matthews_corrcoef(*given))
    np.testing.assert_array_equal(scores.confusion, sklearn.confusion_matrix(*given))


def test_binary_mcc_by_formula() -> None:
    tn, fp, fn, tp = 50.0, 7.0, 11.0, 32.0
    expected = (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert scores_from_confusion(np.array([[50, 7], [11, 32]])).mcc == pytest.approx(expected)


def test_an_absent_class_has_no_score_and_no_say() -> None:
    scores = scores_from_confusion(np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]]))
    assert np.isnan(scores.iou[2])
    assert np.isnan(scores.recall[2])
    assert scores.macro("iou") == pytest.approx((6 / 9 + 3 / 6) / 2)


def test_a_class_predicted_but_never_labelled_has_iou_zero() -> None:
    scores = scores_from_confusion(np.array([[6, 2], [0, 0]]))
    assert scores.iou[1] == 0
    assert np.isnan(scores.recall[1])
    assert scores.mcc == 0


def test_without_pixels_nothing_has_a_score() -> None:
    scores = scores_from_confusion(np.zeros((2, 2), np.int64))
    assert np.isnan([scores.macro("iou"), scores.pixel_accuracy, scores.mcc]).all()


def test_ignored_pixels_do_not_count() -> None:
    predicted, labels = np.array([[0, 1, 1]]), np.array([[0, 1, 255]])
    assert confusion_matrix(predicted, labels, classes=2).tolist() == [[1, 0], [0, 1]]


def test_image_mean_differs_from_the_pooled_one() -> None:
    small, large = np.array([[0, 1], [1, 0]]), np.array([[50, 0], [0, 50]])
    assert mean_image_iou([small, large]) == pytest.approx(0.5)
    assert scores_from_confusion(small + large).macro("iou") > 0.9


def test_batches_add_up(masks: tuple[np.ndarray, np.ndarray]) -> None:
    _, labels = masks
    logits = torch.randn(3, 4, 20, 20, generator=torch.Generator().manual_seed(1))
    logits += 2 * torch.nn.functional.one_hot(torch.from_numpy(labels), 4).movedim(-1, 1)
    whole, parts = SegmentationMetrics(classes=4), SegmentationMetrics(classes=4)
    whole.update(logits, torch.from_numpy(labels))
    for image, mask in zip(logits, torch.from_numpy(labels), strict=True):
        parts.update(image[None], mask[None])
    assert whole.compute() == pytest.approx(parts.compute())
    table = whole.compute()
    expected = sklearn.roc_auc_score(
        labels.ravel(), logits.softmax(1).movedim(1, -1).reshape(-1, 4).numpy(), multi_class="ovr", average="macro"
    )
    assert table["auc_macro"] == pytest.approx(expected, abs=0.003)
    assert table["iou_macro"] == pytest.approx(
        sklearn.jaccard_score(labels.ravel(), logits.argmax(1).numpy().ravel(), average="macro")
    )


def test_one_logit_is_a_binary_model() -> None:
    metrics = SegmentationMetrics(classes=1)
    metrics.update(torch.tensor([[[[2.0, -1.0, 3.0]]]]), torch.tensor([[[1, 0, 255]]]))
    table = metrics.compute()
    assert table["iou_macro"] == table["auc_macro"] == table["pixel_accuracy"] == 1.0
    metrics.reset()
    metrics.update(torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[1, 1]]]))
    assert np.isnan(metrics.compute()["auc_macro"])


def test_bad_input_is_told() -> None:
    with pytest.raises(InputError, match="equal ones expected"):
        confusion_matrix(np.zeros((2, 2), int), np.zeros((2, 3), int), classes=2)
    with pytest.raises(InputError, match=r"labels: classes \[7\] given, 0 to 1 expected"):
        confusion_matrix(np.zeros(2, int), np.array([0, 7]), classes=2)
    with pytest.raises(InputError, match="a square one of counts expected"):
        scores_from_confusion(np.zeros((2, 3), int))
    with pytest.raises(InputError, match="logits of 2 channels given, 3 expected"):
        SegmentationMetrics(classes=3).update(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.long))
    with pytest.raises(InputError, match="a macro mean exists of"):
        scores_from_confusion(np.eye(2, dtype=int)).macro("mcc")


def test_a_checkpoint_can_be_chosen_on_the_area_under_the_roc_curve() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, size=(4, 20, 30))
    odds = rng.normal(size=(4, 3, 20, 30)) + 2 * (labels[:, None] == np.arange(3)[:, None, None])
    probability = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    labels[0, :5] = 255
    kept = labels != 255
    score = build_score("auc", classes=3)
    for part in (slice(2), slice(2, None)):
        score.update(probability[part], labels[part])
    expected = [sklearn.roc_auc_score(labels[kept] == k, probability[:, k][kept]) for k in range(3)]
    assert score.larger_is_better
    assert score.value() == pytest.approx(np.mean(expected), abs=1e-4)
    of_one = build_score("auc_2", classes=3)
    of_one.update(probability, labels)
    assert of_one.value() == pytest.approx(expected[2], abs=1e-4)


def test_the_area_of_a_class_that_all_pixels_have_says_nothing() -> None:
    score = build_score("auc", classes=2)
    score.update(np.full((1, 2, 2, 2), 0.5), np.zeros((1, 2, 2), int))
    assert np.isnan(score.value())
    score.reset()
    assert np.isnan(score.value())


def test_the_area_of_labels_outside_the_classes_is_refused() -> None:
    with pytest.raises(InputError, match=r"labels: classes \[7\] given, 0 to 1 expected"):
        build_score("auc", classes=2).update(np.full((1, 2, 1, 1), 0.5), np.array([[[7]]]))
    with pytest.raises(UsageError, match="metric 'auc_2' is not known; nearest: auc"):
        build_score("auc_2", classes=2)


def test_the_area_of_a_confident_model_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(20000) % 2
    odds = rng.normal(12, 2, 20000) + np.where(labels, 1.0, -1.0)
    expected = sklearn.roc_auc_score(labels, odds)
    metrics = SegmentationMetrics(classes=1)
    metrics.update(torch.tensor(odds).float()[None, None, None], torch.tensor(labels)[None, None])
    assert metrics.compute()["auc_macro"] == pytest.approx(expected, abs=1e-4)
    two = SegmentationMetrics(classes=2)
    two.update(torch.tensor(np.stack([-odds / 2, odds / 2])).float()[None, :, None], torch.tensor(labels)[None, None])
    assert two.compute()["auc_macro"] == pytest.approx(expected, abs=1e-4)
