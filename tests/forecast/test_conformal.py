"""Intervals from past errors: each side by itself, by the years that they are of, and by what makes errors large."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri, stdtrit

from glaciertime.forecast.learned.conformal import MIN_ERRORS, PastErrors, weighted_quantile

QUANTILES = np.array([0.05, 0.5, 0.95])
NATIVE = np.array([-1.0, 0.0, 1.0])


def learned(
    errors: np.ndarray, *, inputs: np.ndarray | None = None, years: int = 50, is_area: bool = True
) -> PastErrors:
    """Past errors at a lead of a year, spread evenly over the targets of so many years."""
    count = len(errors)
    given = np.zeros((count, 1)) if inputs is None else inputs
    return PastErrors.learn(errors, given, lead_years=np.ones(count), cutoff_year=0.0,
                            target_year=-0.5 - np.arange(count) % years, is_area=is_area)  # fmt: skip


def test_misses_that_are_lopsided_make_intervals_that_are() -> None:
    rng = np.random.default_rng(1)
    errors = np.where(rng.random(20_000) < 0.5, -3.0, 1.0) * rng.exponential(1.0, 20_000)
    low, middle, high = learned(errors).offsets(1.0, np.zeros(1), NATIVE, QUANTILES)
    assert middle == 0
    # Half of the errors are losses of mean 3, so that 0.05 lies at 3 ln 10; fifty years are trusted 50 / 60.
    assert low == pytest.approx(-((3 * np.log(10)) ** (5 / 6)), rel=0.1)
    assert high == pytest.approx(np.log(10) ** (5 / 6), rel=0.1)


def test_errors_of_few_years_are_trusted_less_and_the_next_year_is_wider() -> None:
    rng = np.random.default_rng(2)
    errors = rng.normal(size=90_000) / 1.6448536
    of_many = learned(errors).offsets(1.0, np.zeros(1), NATIVE, QUANTILES)
    of_four = learned(errors, years=4).offsets(1.0, np.zeros(1), NATIVE, QUANTILES)
    assert of_many == pytest.approx(NATIVE, abs=0.05)
    # Student's t with five degrees of freedom of four years: 2.015 / 1.645 times the root of 1 + 1/4, to the 0.3.
    assert of_four == pytest.approx(NATIVE * (2.015 / 1.6449 * np.sqrt(1.25)) ** 0.3, rel=0.03)
    # Of five years ahead, four years hold less than one spell.
    lead = PastErrors(
        errors,
        np.full(90_000, 5.0),
        -0.5 - np.arange(90_000) % 4,
        0.0,
        True,
        np.zeros(1),
        np.ones(1),
        np.zeros((2, 1)),
    )
    assert lead.offsets(5.0, np.zeros(1), NATIVE, QUANTILES)[2] > of_four[2]
    half = learned(10 * errors, years=10).offsets(1.0, np.zeros(1), NATIVE, QUANTILES)
    assert half[2] == pytest.approx(10**0.5 * (1.796 / 1.6449 * np.sqrt(1.1)) ** 0.3, rel=0.03)


def test_lengths_forget_faster_than_areas_and_share_more_of_their_weather() -> None:
    rng = np.random.default_rng(5)
    errors = rng.normal(size=90_000) / 1.6448536
    of_four = learned(errors, years=4, is_area=False).offsets(1.0, np.zeros(1), NATIVE, QUANTILES)
    assert of_four == pytest.approx(NATIVE * (2.015 / 1.6449 * np.sqrt(1.25)) ** 0.4, rel=0.03)
    # Three times as large until four years ago: of that a length remembers little.
    calmer = np.where(np.arange(90_000) % 12 >= 4, 3.0, 1.0) * errors
    length, area = (
        learned(calmer, years=12, is_area=is_area).offsets(1.0, np.zeros(1), NATIVE, QUANTILES)[2]
        for is_area in (False, True)
    )
    assert length < 0.9 * area


def test_what_makes_errors_large_makes_intervals_wide() -> None:
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(20_000, 2))
    found = learned(rng.normal(size=20_000) * np.exp(0.5 * inputs[:, 0]), inputs=inputs)
    quiet, wild = (found.offsets(1.0, np.array([x, 0.0]), NATIVE, QUANTILES)[2] for x in (-1.0, 1.0))
    assert 1.8 < wild / quiet < np.e
    assert found.size(np.array([np.nan, np.inf])) == pytest.approx(found.size(np.array([0.0, 20.0])))


def test_of_lengths_each_side_has_its_own_size_and_of_areas_both_the_same() -> None:
    rng = np.random.default_rng(6)
    inputs = rng.normal(size=(40_000, 1))
    errors = rng.normal(size=40_000)
    # Losses alone are large where the input is.
    errors *= np.where(errors < 0, np.exp(0.5 * inputs[:, 0]), 1.0)
    below, above = learned(errors, inputs=inputs, is_area=False).size(np.array([1.5])) / learned(
        errors, inputs=inputs, is_area=False
    ).size(np.array([-1.5]))
    assert below > 3
    assert above == pytest.approx(1.0, abs=0.1)
    below, above = learned(errors, inputs=inputs).size(np.array([1.0]))
    assert below == above > 1.1


def test_what_made_errors_large_long_ago_counts_less_of_lengths() -> None:
    rng = np.random.default_rng(7)
    inputs = rng.normal(size=(40_000, 1))
    is_old = np.arange(40_000) % 50 >= 20
    errors = rng.normal(size=40_000) * np.exp(np.where(is_old, 0.5, 0.0) * inputs[:, 0])
    length, area = (learned(errors, inputs=inputs, is_area=kind).size(np.array([1.0])).mean() for kind in (False, True))
    assert 1.0 < length < 0.9 * area


def test_too_few_errors_leave_the_models_own_interval() -> None:
    few = learned(np.full(MIN_ERRORS - 1, 100.0), years=10)
    assert few.offsets(1.0, np.zeros(1), NATIVE, QUANTILES).tolist() == NATIVE.tolist()
    none = PastErrors.learn(np.empty(0), np.empty((0, 3)), lead_years=np.empty(0), target_year=np.empty(0),
                            cutoff_year=0.0)  # fmt: skip
    assert none.offsets(1.0, np.zeros(3), NATIVE, QUANTILES).tolist() == NATIVE.tolist()
    # Errors that are all of one sign: the other side is a fifth of both, never nothing.
    one_way = learned(-np.ones(5000)).offsets(1.0, np.zeros(1), NATIVE, QUANTILES)
    assert one_way[2] > 0.15
    assert np.all(np.diff(one_way) > 0)


def test_a_weighted_quantile_is_that_of_values_as_often_as_they_weigh() -> None:
    values, weights = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0])
    assert weighted_quantile(values, weights, np.array([0.125, 0.375, 0.75])).tolist() == [1.0, 2.0, 3.0]


def test_errors_of_each_side_are_brought_to_one_size_by_their_own_inputs() -> None:
    rng = np.random.default_rng(7)
    told = rng.uniform(-1, 1, 6000)
    size = np.abs(rng.normal(size=6000))
    found = learned(np.where(rng.random(6000) < 0.5, -np.exp(2 * told) * size, size), inputs=told[:, None],
                    is_area=False)  # fmt: skip
    for side in (found.errors < 0, found.errors > 0):
        slope = np.polyfit(told[side], np.log(np.abs(found.errors[side])), 1)[0]
        # The ridge leaves a tenth of what the inputs tell.
        assert slope == pytest.approx(0, abs=0.3)


def test_the_errors_of_a_lead_are_weighed_as_each_by_itself_whatever_was_asked_before() -> None:
    rng = np.random.default_rng(8)
    lead, year = rng.choice([0.5, 1.0, 1.002, 4.0], 3000), -rng.uniform(0, 60, 3000)
    found = PastErrors(rng.normal(size=3000), lead, year, 0.0, False, np.zeros(1), np.ones(1), np.zeros((2, 1)))
    for ahead in (1.0, 3.0, 1.0):
        weight = np.exp(-0.5 * (np.log(lead / ahead) / 0.35) ** 2) * 0.5 ** (-year / 2.0)
        near = weight > 1e-3
        both = weighted_quantile(np.abs(found.errors[near]), weight[near], np.array([0.9, 0.0, 0.9]))
        sides = np.array([-1, 0, 1]) * weighted_quantile(found.errors[near], weight[near], QUANTILES)
        count = len(np.unique(np.floor(year[near])))
        spells = max(count / ahead, 1.5)
        wider = stdtrit(spells + 1, 0.95) / ndtri(0.95) * np.sqrt(1 + 1 / spells)
        half = np.maximum(sides, 0.2 * both)[[0, 2]] ** (count / (count + 10)) * wider**0.4
        offsets = found.offsets(ahead, np.zeros(1), NATIVE, QUANTILES)
        assert offsets == pytest.approx([-half[0], 0.0, half[1]], rel=1e-12)


def test_intervals_grow_with_the_lead_also_beyond_those_that_errors_are_known_of():
    """Errors of one to eight years, smaller than the spreads that were foreseen, and a few of thirty."""
    rng = np.random.default_rng(0)
    lead = np.concatenate([np.tile(np.arange(1.0, 9.0), 500), np.full(20, 30.0)])
    learned = PastErrors.learn(
        0.4 * rng.normal(size=len(lead)), np.zeros((len(lead), 1)), lead_years=lead,
        target_year=rng.uniform(0, 40, len(lead)), cutoff_year=40.0, is_area=False,
    )  # fmt: skip
    ahead = np.arange(1.0, 46.0)
    native, quantiles = np.array([-1.645, 0.0, 1.645]), np.array([0.05, 0.5, 0.95])
    width = [np.ptp(learned.offsets(years, np.zeros(1), native, quantiles)) * np.sqrt(years) for years in ahead]
    steps = np.array(width[1:]) / np.array(width[:-1])
    assert (steps > 0.98).all()
    assert (steps[5:] < 1.3).all()
