import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.segment.judge.calibration import expected_calibration_error, fit_temperature
from glaciertime.segment.predict.uncertainty import (
    ensemble,
    entropy,
    magnified,
    mirrored,
    mutual_information,
    turned,
    varied,
)


def pointwise(batch):
    value = 1 / (1 + np.exp(-batch[:, :1]))
    return np.concatenate([1 - value, value], axis=1).astype(np.float32)


def lopsided(batch):
    """A model that looks one pixel to the left."""
    return pointwise(np.roll(batch, 1, axis=3))


@pytest.mark.parametrize("wrap", [mirrored, turned])
def test_a_model_that_looks_at_one_pixel_is_not_changed(wrap):
    batch = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)
    assert np.allclose(wrap(pointwise)(batch), pointwise(batch), atol=1e-6)


def test_mirroring_makes_a_lopsided_model_even():
    batch = np.random.default_rng(0).normal(size=(1, 1, 6, 8)).astype(np.float32)
    run = mirrored(lopsided)
    assert np.allclose(run(batch[..., ::-1].copy())[..., ::-1], run(batch), atol=1e-6)
    assert not np.allclose(lopsided(batch[..., ::-1].copy())[..., ::-1], lopsided(batch), atol=1e-3)


def test_turning_makes_it_even_under_quarter_turns():
    batch = np.random.default_rng(0).normal(size=(1, 1, 8, 8)).astype(np.float32)
    run = turned(lopsided)
    quarter = np.rot90(run(np.rot90(batch, 1, axes=(2, 3)).copy()), -1, axes=(2, 3))
    assert np.allclose(quarter, run(batch), atol=1e-6)


def test_magnifying_changes_nothing_where_the_image_is_a_plane():
    rows, columns = np.mgrid[:30, :20].astype(np.float32)
    plane = (0.1 * rows + 0.05 * columns)[None, None]

    def odds(batch):
        return np.concatenate([batch, 1 - batch], axis=1)

    assert np.allclose(
        magnified(odds, (0.5, 1.0, 2.0))(plane)[..., 4:-4, 4:-4], odds(plane)[..., 4:-4, 4:-4], atol=1e-4
    )
    assert varied(pointwise)(plane).shape == (1, 2, 30, 20)


def test_a_front_stays_where_it_is_under_magnification():
    step = (np.arange(60) < 24).astype(np.float32)[None, None, :, None].repeat(40, axis=3)
    mean = magnified(pointwise, (0.85, 1.0, 1.2))(8 * step - 4)[0, 1]
    assert ((mean > 0.5).sum(axis=0) == 24).all()


@pytest.mark.parametrize("factors", [(), (1.0, 0.0)])
def test_magnifications_must_be_positive(factors):
    with pytest.raises(InputError, match="positive numbers expected"):
        magnified(pointwise, factors)


def test_an_ensemble_averages_and_needs_a_member():
    batch = np.zeros((1, 1, 2, 2), np.float32)
    flipped = lambda x: pointwise(x)[:, ::-1]  # noqa: E731
    assert np.allclose(ensemble([pointwise, flipped])(batch + 3), 0.5)
    with pytest.raises(InputError, match="no models"):
        ensemble([])


def test_members_that_agree_tell_each_other_nothing():
    members = np.full((3, 2, 4, 4), 0.5)
    assert (entropy(members[0]) == 1).all()
    assert np.allclose(mutual_information(members), 0)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(true):
    rng = np.random.default_rng(0)
    images = []
    for _ in range(20):
        logits = rng.normal(0, 2, size=(2, 40, 40))
        ocean = 1 / (1 + np.exp(-(logits[1] - logits[0]) / true))
        images.append((logits, (rng.uniform(size=ocean.shape) < ocean).astype(np.uint8)))
    found = fit_temperature(images, resamples=10)
    assert found.temperature == pytest.approx(true, rel=0.1)
    assert found.log_loss_after <= found.log_loss_before + 1e-9
    assert 0 < found.sigma < 0.2 * true


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0, 1e6])
def test_no_temperature_is_too_large_or_too_small_to_be_found(scale):
    """Log-odds that are right three times in four should have been ln 3, whatever they are."""
    logits = np.zeros((2, 1, 400))
    logits[0] = scale * np.log(3)
    labels = (np.arange(400) % 4 == 3).astype(int)[None]
    assert fit_temperature([(logits, labels)]).temperature == pytest.approx(scale, rel=1e-6)


def test_labels_that_fix_no_temperature_are_refused():
    logits = np.random.default_rng(0).normal(0, 2, size=(2, 20, 20))
    with pytest.raises(InputError, match="all 400 held-out pixels are right"):
        fit_temperature([(logits, logits.argmax(axis=0))])
    with pytest.raises(InputError, match="tell nothing of the labels of 400"):
        fit_temperature([(logits, logits.argmin(axis=0))])


def test_confidences_of_a_bin_are_averaged_and_those_of_two_are_not():
    def error(*sure_and_right: tuple[float, bool]) -> float:
        probability = np.array([[sure, 1 - sure] for sure, _ in sure_and_right])
        return expected_calibration_error(
            probability, np.array([int(not right) for _, right in sure_and_right]), bins=10
        )

    # 0.79 and 0.81 lie in two bins: (0.21 + 0.81) / 2. 0.81 and 0.89 in one: (1 - 0.81 - 0.89) / 2.
    assert error((0.79, True), (0.81, False)) == pytest.approx(0.51)
    assert error((0.81, True), (0.89, False)) == pytest.approx(0.35)
    assert error((1.0, True), (0.95, True)) == pytest.approx(0.025)


def test_ignored_pixels_do_not_count_and_nothing_is_refused():
    with pytest.raises(InputError, match="no labelled pixel"):
        fit_temperature([(np.zeros((2, 3, 3)), np.full((3, 3), 255))])
    assert np.isnan(expected_calibration_error(np.zeros((0, 2)), np.zeros(0, int)))
