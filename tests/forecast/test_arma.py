"""The compiled likelihood is that of statsmodels, and the number of differences that of its KPSS test."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from glaciertime.forecast.local.arma import differences, mean_log_likelihood, with_slopes


def _record(rng: np.random.Generator, count: int) -> np.ndarray:
    values = np.cumsum(rng.normal(0.2, 1.0, count))
    values[1:-1][rng.random(count - 2) < 0.3] = np.nan
    return values


@pytest.mark.parametrize("d", [0, 1, 2])
@pytest.mark.parametrize(("p", "q"), [(0, 0), (2, 1), (1, 2)])
@pytest.mark.parametrize(("constant", "width"), [(False, 0), (True, 0), (True, 2)])
def test_the_likelihood_is_that_of_statsmodels(p: int, d: int, q: int, constant: bool, width: int):
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    rng = np.random.default_rng([p, d, q, constant, width])
    values, regressors = _record(rng, 25), rng.normal(size=(25, width))
    model = SARIMAX(values, regressors if width else None, order=(p, d, q), trend="c" if constant else "n",
                    concentrate_scale=True)  # fmt: skip
    free = rng.normal(size=constant + width + p + q)
    ours = 25 * mean_log_likelihood(free, values, regressors, (p, d, q), constant)
    assert ours == pytest.approx(model.loglike(free, transformed=False), abs=1e-7)


def test_slopes_point_along_the_likelihood():
    rng = np.random.default_rng(0)
    values, none = _record(rng, 40), np.empty((40, 0))
    free = np.array([0.1, 0.4, -0.3])
    value, slopes = with_slopes(free, values, none, (1, 1, 1), True)
    assert value == -mean_log_likelihood(free, values, none, (1, 1, 1), True)
    for k, slope in enumerate(slopes):
        step = np.eye(3)[k] * 1e-4
        above, below = (mean_log_likelihood(free + sign * step, values, none, (1, 1, 1), True) for sign in (1, -1))
        assert slope == pytest.approx(-(above - below) / 2e-4, abs=1e-4)


@pytest.mark.parametrize("count", [20, 90, 200])
def test_differences_are_those_of_a_kpss_test(count: int):
    from statsmodels.tsa.stattools import kpss

    found = set()
    for seed in range(12):
        noise = np.random.default_rng([seed, count]).normal(size=count)
        values = (noise, np.cumsum(noise), np.cumsum(np.cumsum(noise)))[seed % 3]
        expected, left = 0, values
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            while expected < 2 and kpss(left, regression="c", nlags=int(4 * (len(left) / 100) ** 0.25))[0] > 0.463:
                expected, left = expected + 1, np.diff(left)
        assert differences(values) == expected
        found.add(expected)
    assert len(found) > 1


def test_a_line_is_differenced_once_and_equal_values_never():
    assert differences(np.arange(30.0)) == differences(np.arange(8.0)) == differences(np.array([1.0, 2.0])) == 1
    assert differences(np.full(8, 3.0)) == 0
