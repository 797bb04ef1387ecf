"""A network learns a few labelled images, and the one it began from stays as it was."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from glaciertime.errors import InputError  # noqa: E402
from glaciertime.segment.adapt.leaving_out import front_error_px, predicting  # noqa: E402
from glaciertime.segment.adapt.tuning import Tuning, rehearsal_chances, tune  # noqa: E402
from tests.segment.adapt.places import SPEC, as_data, sample, tiny_network  # noqa: E402

TUNING = Tuning(steps=30, batch=4, learning_rate=1e-2, patch=(48, 40), average=0.5, share=1.0)
LABELLED = [sample(row, year=2001 + number) for number, row in enumerate((18, 24, 30))]


def test_what_was_learnt_finds_a_front_that_was_not_shown_and_leaves_the_first_network_alone():
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    learnt = tune(network, SPEC, LABELLED, tuning=TUNING)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    unseen = sample(27, year=2010)
    as_given = front_error_px(unseen, run=predicting(network, SPEC), spec=SPEC)
    assert front_error_px(unseen, run=predicting(learnt, SPEC), spec=SPEC) < min(2.0, 0.5 * as_given)


def test_two_equal_runs_learn_equal_weights_and_another_seed_others():
    short = Tuning(steps=2, batch=2, patch=(48, 40))
    one, two = (tune(tiny_network(), SPEC, LABELLED, tuning=short).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = tune(tiny_network(), SPEC, LABELLED, tuning=Tuning(steps=2, batch=2, patch=(48, 40), seed=1)).state_dict()
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_what_is_kept_lies_half_way_between_what_was_given_and_what_was_learnt():
    given = tiny_network().state_dict()
    half, whole = (
        tune(tiny_network(), SPEC, LABELLED, tuning=Tuning(steps=2, batch=2, patch=(48, 40), **share)).state_dict()
        for share in ({}, {"share": 1.0})
    )
    assert any(not torch.equal(given[name], whole[name]) for name in given)
    for name, value in given.items():
        torch.testing.assert_close(half[name], torch.lerp(value, whole[name], 0.5) if value.ndim else value)
    with pytest.raises(InputError, match="a share of what was learnt above 0"):
        Tuning(share=0.0)


def test_nothing_of_the_glacier_itself_is_rehearsed():
    data = as_data(*LABELLED, sample(20, year=2003, glacier="Other"))
    assert rehearsal_chances(data, without="Testbrae").tolist() == [0, 0, 0, 1]
    with pytest.raises(InputError, match="no earlier image is left to be rehearsed beside those of Testbrae"):
        rehearsal_chances(as_data(*LABELLED), without="Testbrae")


def test_values_that_make_no_finite_loss_adapt_nothing():
    network = tiny_network()
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="the loss is not finite at step 1 of 2: nothing was adapted"):
        tune(network, SPEC, LABELLED, tuning=Tuning(steps=2, batch=2, patch=(48, 40)))


def test_without_a_label_nothing_is_adapted():
    with pytest.raises(InputError, match="no labelled image given"):
        tune(tiny_network(), SPEC, [], tuning=TUNING)


def test_what_was_not_observed_is_the_mean_to_the_network():
    hidden = sample(24, year=2001)
    hidden.image[:, :, :10] = np.nan
    learnt = tune(tiny_network(), SPEC, [hidden], tuning=Tuning(steps=1, batch=1, patch=(48, 40)))
    assert all(bool(torch.isfinite(value).all()) for value in learnt.state_dict().values())
