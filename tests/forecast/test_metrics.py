"""Scores against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from glaciertime.forecast.judged import metrics
from glaciertime.forecast.prediction import quantiles_of


def test_crps_of_normal_quantiles_is_that_of_the_normal_distribution():
    p = quantiles_of((0.5, 0.8, 0.9, 0.95))
    z = np.linspace(-4, 4, 33)
    got = metrics.crps(z, np.tile(stats.norm.ppf(p), (33, 1)), quantiles=p)
    exact = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(got, exact, atol=1e-12)


def test_crps_is_the_integral_of_the_pinball_loss_of_its_own_quantile_function():
    p = quantiles_of((0.5, 0.8, 0.9, 0.95))
    rng = np.random.default_rng(0)
    given = np.sort(rng.normal(size=(20, len(p))) ** 3, axis=1)
    # Flat in the middle, at the lower and at the upper end.
    given[1, 3:6], given[2, :3], given[3, -3:] = given[1, 3], given[2, 0], given[3, -1]
    observed = rng.normal(0, 2, 20)
    fine = np.linspace(-8, 8, 200_001)
    knots = stats.norm.ppf(p)
    piece = np.clip(np.searchsorted(knots, fine) - 1, 0, len(knots) - 2)
    level, weight = stats.norm.cdf(fine), stats.norm.pdf(fine) * (fine[1] - fine[0])
    numeric = []
    for row, value in zip(given, observed, strict=True):
        slope = (row[piece + 1] - row[piece]) / (knots[piece + 1] - knots[piece])
        error = value - (row[piece] + slope * (fine - knots[piece]))
        numeric.append(2 * np.sum(np.maximum(level * error, (level - 1) * error) * weight))
    np.testing.assert_allclose(metrics.crps(observed, given, quantiles=p), numeric, atol=1e-7)


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


def test_crps_keeps_its_digits_where_the_spread_is_small_beside_the_values():
    p = quantiles_of((0.5, 0.8, 0.9, 0.95))
    for level, spread in ((1e12, 1.0), (1e9, 1e-3), (5e6, 1e-6)):
        got = metrics.crps(np.array([level]), level + spread * stats.norm.ppf(p)[None], quantiles=p)
        np.testing.assert_allclose(got, spread * (2 / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi)), rtol=1e-3)
