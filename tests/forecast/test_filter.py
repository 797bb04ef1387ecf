"""The filter's steps against the integrals that they stand for, and a forecast worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate

from glaciertime.forecast.local.filter import filter_one, innovations, transition
from glaciertime.forecast.local.filter_rows import filter_grid, filter_without, forecast_moments

LEVEL, RATE = 2.0, 3.0


@pytest.mark.parametrize("x", [1e-4, 0.015, 0.0199, 0.0201, 0.5, 4.0])
def test_a_step_is_the_integral_of_the_rate_that_decays(x):
    tau = 5.0
    dt = x * tau
    got = np.empty(5)
    transition(dt, LEVEL, RATE, tau, got)

    def over(function):
        return integrate.quad(function, 0, dt)[0]

    def reach(ago):
        return tau * (1 - np.exp(-ago / tau))

    right = [
        np.exp(-x), reach(dt), LEVEL * dt + RATE * over(lambda u: reach(u) ** 2),
        RATE * over(lambda u: np.exp(-u / tau) * reach(u)), RATE * over(lambda u: np.exp(-2 * u / tau)),
    ]  # fmt: skip
    np.testing.assert_allclose(got, right, rtol=2e-5)
    # The part of the rate alone, which the level's own noise may hide.
    transition(dt, 0.0, RATE, tau, got)
    np.testing.assert_allclose(got[2], right[2] - LEVEL * dt, rtol=1e-4)


def one_level(obs, noise, *, years=(0.0, 1.0)):
    """Two values, a level that moves, and nothing known of the rate but that it is zero."""
    years, values = np.array(years), np.array([0.0, 6.0])
    row = np.array([[obs, LEVEL, 0.0, 1.0, 0.0, 0.0, 0.0]])
    noise = np.array(noise)
    return years, values, noise, np.zeros(2), row


def test_a_forecast_is_of_an_observation_with_its_noise():
    years, values, noise, shift, row = one_level(1.0, [0.0, 0.0])
    mean, variance = forecast_moments(years, values, noise, shift, row, 0, np.array([2.0, 5.0]))
    # Known after the first: 1; a year later 1 + 2, seen with 1 more: gain 3 / 4, what is left 3 / 4.
    np.testing.assert_allclose(mean, [[4.5, 4.5]])
    np.testing.assert_allclose(variance, [[0.75 + LEVEL + 1, 0.75 + 4 * LEVEL + 1]])


def test_a_known_variance_counts_where_it_is_known():
    years, values, noise, shift, row = one_level(1.0, [0.0, 5.0])
    found = innovations(years, values, noise, shift, row[0], 0)
    np.testing.assert_allclose(found, [0.0, 6.0 / np.sqrt(1 + LEVEL + 1 + 5)])
    mean, variance = forecast_moments(years, values, noise, shift, row, 0, np.array([2.0]))
    np.testing.assert_allclose(mean, [[6 * 3 / 9]])
    np.testing.assert_allclose(variance, [[3 - 9 / 9 + LEVEL + 1]])


def test_a_rate_without_a_mean_begins_as_uncertain_as_it_stays():
    years, values = np.array([0.0, 1.0]), np.array([0.0, 6.0])
    row = np.array([0.0, 0.0, RATE, 4.0, 0.0, 0.0, 0.0])
    found = innovations(years, values, np.zeros(2), np.zeros(2), row, 0)
    reach, step = 4.0 * (1 - np.exp(-0.25)), np.empty(5)
    transition(1.0, 0.0, RATE, 4.0, step)
    assert found[1] == pytest.approx(6.0 / np.sqrt(RATE * 4.0 / 2 * reach**2 + step[2]))


@pytest.mark.parametrize("size", [1.0, 1e60])
def test_many_models_side_by_side_are_those_one_by_one_to_the_last_bit(size):
    """Even and uneven dates, known variances, jumps, models of several memories that fill no whole number of lanes."""
    rng = np.random.default_rng(4)
    for gaps in (rng.choice([365.0, 366.0, 730.0], 60), rng.uniform(1.0, 500.0, 60)):
        years = np.cumsum(gaps) / 365.25
        values = size * np.cumsum(rng.normal(-1, 3, 60))
        noise, shift = size**2 * rng.uniform(0, 2, 60), np.zeros(60)
        shift[[9, 40]] = 100.0 * size**2
        grid = np.zeros((75, 7))
        grid[:, :3] = size**2 * 10.0 ** rng.uniform(-5, 1, (75, 3))
        grid[:, 3] = rng.choice([1.0, 9.0, 1e6], 75)
        grid[:, 5] = np.where(rng.random(75) < 0.5, size**2, 0.0)
        ahead = years[-1] + np.array([0.5, 3.0])
        sums = filter_grid(years, values, noise, shift, grid, 0)
        moments = forecast_moments(years, values, noise, shift, grid, 0, ahead)
        for k, row in enumerate(grid):
            alone = filter_one(years, values, noise, shift, row, 0, np.empty(3), np.empty((3, 3)), np.empty(0))
            np.testing.assert_array_equal(sums[k], alone)
            one = forecast_moments(years, values, noise, shift, row[None], 0, ahead)
            for all_of_them, of_one in zip(moments, one, strict=True):
                np.testing.assert_array_equal(all_of_them[k], of_one[0])


def test_the_filter_without_an_event_is_that_of_a_record_in_which_it_is_set_apart():
    rng = np.random.default_rng(5)
    years, values = np.arange(20.0), np.cumsum(rng.normal(size=20))
    noise, shift, row = np.full(20, 0.5), np.zeros(20), np.array([[0.3, 1.0, 0.1, 9.0, 0.0, 1.0, 0.0]])
    places, is_break = np.array([4, 4, 11]), np.array([False, True, True])
    found = filter_without(years, values, noise, shift, row, 0, places, is_break, 50.0)
    assert (noise == 0.5).all()
    assert (shift == 0).all()
    for e, (place, jumped) in enumerate(zip(places, is_break, strict=True)):
        more = 50.0 * (np.arange(20) == place)
        alone = filter_grid(years, values, noise + more * ~jumped, shift + more * jumped, row, 0)
        np.testing.assert_array_equal(found[e], alone)
