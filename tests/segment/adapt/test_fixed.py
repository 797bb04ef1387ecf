"""Fixed is what labels and images that were seen agree on; a front that moved there is not taught away."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from glaciertime.scenes.datasets.sample import IGNORE  # noqa: E402
from glaciertime.segment.adapt.fixed import fixed_labels, with_fixed_labels  # noqa: E402
from tests.segment.adapt.places import SPEC, sample  # noqa: E402


def tall(row, *, year):
    """Return a labelled image of 100 rows, of the columns 4 to 35."""
    one = sample(20, year=year)
    labels = np.where(np.arange(100)[:, None] < row, 1, 0).repeat(40, axis=1).astype(np.uint8)
    labels[:, :4] = labels[:, 36:] = IGNORE
    return dataclasses.replace(one, labels=labels, image=np.ones((1, 100, 40), np.float32))


def test_twenty_pixels_on_either_side_of_all_fronts_are_open_and_beside_them_nothing_is_known():
    fixed = fixed_labels([tall(45, year=2001).labels, tall(55, year=2002).labels], SPEC)
    assert (fixed[:, :4] == IGNORE).all()
    assert np.unique(fixed[:24, 10]).tolist() == [1]
    assert np.unique(fixed[76:, 10]).tolist() == [0]
    assert (fixed[26:74, 10] == IGNORE).all()


def test_a_jump_that_the_model_is_sure_of_is_left_open_and_one_that_it_is_not_sure_of_does_not_count():
    labelled = [tall(30, year=2001), tall(32, year=2003)]
    others = [tall(70, year=2002), tall(31, year=2004)]
    jump = np.where(np.arange(100)[:, None] < 70, 1, 0).repeat(40, axis=1).astype(np.uint8)
    near = np.where(np.arange(100)[:, None] < 31, 1, 0).repeat(40, axis=1).astype(np.uint8)
    sure = with_fixed_labels(others, labelled, SPEC, seen=[jump, near])
    assert len(sure) == 2
    # Between the labelled fronts and the one that jumped nothing is taught, on that image or another.
    assert all((one.labels[10:89] == IGNORE).all() for one in sure)
    unsure = with_fixed_labels(others, labelled, SPEC, seen=[None, near])
    assert (unsure[0].labels[60:, 10] == 0).all()


def test_an_image_of_a_labelled_day_or_of_another_size_is_left_alone():
    labelled = [tall(30, year=2001), tall(32, year=2003)]
    assert with_fixed_labels([tall(31, year=2003), sample(20, year=2005)], labelled, SPEC, seen=[None, None]) == []
