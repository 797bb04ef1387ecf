"""What other images say moves an unclear front, is told beside it, and never takes its place."""

import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.segment.adapt.prior import prior_odds, sharpen

ROWS = np.arange(60)[:, None]


def seen(row, *, sure=0.95):
    return np.where(row > ROWS, sure, 1 - sure).repeat(20, axis=1)


def test_an_image_that_shows_nothing_has_its_front_where_those_of_its_time_have_theirs():
    stack = np.stack([seen(20), np.full((60, 20), 0.5), seen(22), seen(50)])
    odds = prior_odds(stack, years=[2000.0, 2000.2, 2000.4, 2020.0], clear=[True, False, True, True], at=1)
    found = sharpen(stack[1], odds)
    assert found.both.mean() == pytest.approx(21, abs=2)
    # Twenty years later says little.
    assert found.both.max() < 26


def test_a_jump_that_the_image_shows_is_kept_as_it_is_beside_what_the_others_say():
    stack = np.stack([seen(20), seen(45, sure=0.99), seen(20), seen(21)])
    odds = prior_odds(stack, years=[2000.0, 2000.5, 2001.0, 2001.5], clear=[True, False, True, True], at=1)
    found = sharpen(stack[1], odds)
    assert found.alone.mean() == pytest.approx(45, abs=0.6)
    assert found.is_far == (abs(found.alone.mean() - found.both.mean()) > 10)


def test_the_others_have_no_more_say_than_their_limit_and_an_unclear_one_a_tenth():
    stack = np.stack([seen(20, sure=0.999), np.full((60, 20), 0.5)])
    odds = prior_odds(stack, years=[2000.0, 2000.0], clear=[True, True], at=1)
    assert odds.max() == pytest.approx(2.0)
    assert odds.min() == pytest.approx(-2.0)
    mixed = np.stack([seen(20), np.full((60, 20), 0.5), seen(40)])
    between = prior_odds(mixed, years=[2000.0] * 3, clear=[True, False, False], at=1)[30]
    assert (between < 0).all()
    assert (prior_odds(mixed, years=[2000.0] * 3, clear=[False, False, True], at=1)[30] > 0).all()


def test_by_hand():
    stack = np.stack([np.full((9, 2), 0.8), np.full((9, 2), 0.5), np.full((9, 2), 0.6)])
    odds = prior_odds(stack, years=[2000.0, 2003.0, 2006.0], clear=[True, True, True], at=1)
    weight = 2 * np.exp(-1)
    mean = np.exp(-1) * (0.8 + 0.6)
    by_hand = np.log((mean + 0.05 * weight) / (weight - mean + 0.05 * weight))
    assert np.allclose(odds, by_hand)


def test_one_image_alone_has_no_prior():
    with pytest.raises(InputError, match="no other one says where its front can be"):
        prior_odds(np.full((1, 9, 9), 0.5), years=[2000.0], clear=[True], at=0)
