"""Quantiles of levels, and of Student's t."""

from __future__ import annotations

import numpy as np
from scipy import stats

from glaciertime.forecast.prediction import from_normal, from_student, quantiles_of

DATES = np.array(["2001-01-01"], "M8[D]")


def test_a_level_lies_between_symmetric_quantiles():
    np.testing.assert_allclose(quantiles_of((0.5, 0.8, 0.95)), [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])


def test_few_degrees_of_freedom_widen_the_interval():
    one, many = (
        from_student(DATES, np.array([5.0]), np.array([2.0]), degrees=degrees, levels=(0.9,)).values[0]
        for degrees in (3.0, np.inf)
    )
    np.testing.assert_allclose(one, 5 + 2 * stats.t.ppf([0.05, 0.5, 0.95], 3))
    np.testing.assert_allclose(many, 5 + 2 * stats.norm.ppf([0.05, 0.5, 0.95]))
    np.testing.assert_allclose(from_normal(DATES, np.array([5.0]), np.array([2.0]), levels=(0.9,)).values[0], many)
