"""The filter's steps against the integrals that they stand for, and a forecast worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate

from glaciertime.forecast.local.filter import _transition, forecast_moments, innovations

LEVEL, RATE = 2.0, 3.0


@pytest.mark.parametrize("x", [1e-4, 0.015, 0.0199, 0.0201, 0.5, 4.0])
def test_a_step_is_the_integral_of_the_rate_that_decays(x):
    tau = 5.0
    dt = x * tau
    got = np.empty(5)
    _transition(dt, LEVEL, RATE, tau, got)

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
    _transition(dt, 0.0, RATE, tau, got)
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
    _transition(1.0, 0.0, RATE, 4.0, step)
    assert found[1] == pytest.approx(6.0 / np.sqrt(RATE * 4.0 / 2 * reach**2 + step[2]))
