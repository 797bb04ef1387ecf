"""Scores against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from glaciertime.forecast.judged import metrics
from glaciertime.forecast.prediction import quantiles_of


def test_crps_of_many_quantiles_is_that_of_the_normal_distribution():
    p = np.linspace(0.0005, 0.9995, 1000)
    got = metrics.crps(np.array([0.7]), stats.norm.ppf(p)[None, :], quantiles=p)[0]
    z = 0.7
    exact = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    assert got == pytest.approx(exact, abs=2e-3)


def test_crps_of_a_point_is_the_absolute_error():
    quantiles = quantiles_of((0.5, 0.9))
    got = metrics.crps(np.array([3.0, -1.0]), np.zeros((2, len(quantiles))), quantiles=quantiles)
    np.testing.assert_allclose(got, [3.0, 1.0])


def test_interval_score_adds_twenty_times_the_miss_at_90_percent():
    got = metrics.interval_score(np.array([0.5, -1.0]), np.zeros(2), np.ones(2), level=0.9)
    np.testing.assert_allclose(got, [1.0, 21.0])


def test_smape_reaches_two_hundred_and_is_zero_for_zeros():
    assert metrics.smape(np.array([1.0]), np.array([-1.0])) == pytest.approx(200.0)
    assert metrics.smape(np.array([0.0]), np.array([0.0])) == 0.0


def test_pinball_of_the_median_is_half_the_absolute_error():
    loss = metrics.pinball(np.array([1.0, 5.0]), np.array([[3.0], [3.0]]), quantiles=np.array([0.5]))
    np.testing.assert_allclose(loss, [[1.0], [1.0]])
