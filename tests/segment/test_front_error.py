"""The pooled front error on fronts made by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.segment.judge.front_error import front_distances, mean_front_error, season


def row(at: int, *, length: int = 10) -> np.ndarray:
    front = np.zeros((12, 10), bool)
    front[at, :length] = True
    return front


def test_a_front_moved_by_two_pixels_is_off_by_two_resolutions() -> None:
    error = mean_front_error([front_distances(row(5), row(3), resolution_m=17.0)])
    assert error.mean_m == pytest.approx(34.0)
    assert (error.n_images, error.n_without_prediction, error.n_without_label) == (1, 0, 0)


def test_every_distance_counts_alike_not_every_image() -> None:
    long = front_distances(row(4), row(3), resolution_m=10.0)
    short = front_distances(row(8, length=1), row(3, length=1), resolution_m=10.0)
    assert mean_front_error([long, short]).mean_m == pytest.approx((20 * 10 + 2 * 50) / 22)


def test_both_ways_are_measured() -> None:
    distances = front_distances(row(3, length=1), row(3), resolution_m=1.0)
    assert distances.to_label_m.tolist() == [0.0]
    assert distances.to_prediction_m.tolist() == list(range(10))
    swapped = front_distances(row(3), row(3, length=1), resolution_m=1.0)
    assert swapped.to_label_m.tolist() == distances.to_prediction_m.tolist()


def test_missing_fronts_are_counted_and_left_out() -> None:
    none = np.zeros((12, 10), bool)
    error = mean_front_error(
        [
            front_distances(row(4), row(3), resolution_m=5.0),
            front_distances(none, row(3), resolution_m=5.0),
            front_distances(row(3), none, resolution_m=5.0),
            front_distances(none, none, resolution_m=5.0),
        ]
    )
    assert error.mean_m == pytest.approx(5.0)
    assert (error.n_images, error.n_without_prediction, error.n_without_label) == (4, 1, 2)


def test_without_any_front_there_is_no_mean() -> None:
    assert np.isnan(mean_front_error([]).mean_m)


@pytest.mark.parametrize(
    ("month", "north"), [(1, "winter"), (3, "winter"), (4, "summer"), (8, "summer"), (9, "winter"), (12, "winter")]
)
def test_seasons_are_opposite(month: int, north: str) -> None:
    date = dt.date(2010, month, 15)
    assert season(date, southern=False) == north
    assert season(date, southern=True) != north


def test_bad_input_is_told() -> None:
    with pytest.raises(InputError, match="two equal ones expected"):
        front_distances(row(3), row(3)[:5], resolution_m=5.0)
    with pytest.raises(InputError, match="metres per pixel above 0 expected"):
        front_distances(row(3), row(3), resolution_m=0.0)
