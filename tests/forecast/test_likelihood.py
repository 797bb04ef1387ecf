"""The diffuse likelihood of the exact-date model against the discrete local linear trend of statsmodels."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from glaciertime.forecast.example import make_series
from glaciertime.forecast.local.kalman import Kalman
from glaciertime.forecast.local.likelihood import diffuse_likelihood


def walk(count, *, seed):
    rng = np.random.default_rng(seed)
    rate = np.cumsum(rng.normal(0, 0.5, count)) - 5
    return np.cumsum(rate + rng.normal(0, 4, count)) + rng.normal(0, 3, count)


def trend_model(values):
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return UnobservedComponents(values, "lltrend", use_exact_diffuse=True)


@pytest.mark.parametrize(("noise", "level", "slope"), [(9.0, 16.0, 0.25), (1.0, 0.0, 4.0), (4.0, 2.0, 0.0)])
def test_the_discrete_local_linear_trend_is_one_of_the_models(noise, level, slope):
    values = walk(40, seed=1)
    row = np.array([noise, level + slope / 6, slope, 1e7, 0.0, 0.0, 0.0])
    zero = np.zeros(40)
    ours, scale = diffuse_likelihood(np.arange(40.0), values, zero, zero, row, 0, False)
    theirs = trend_model(values).loglikeobs([noise, level, slope])[2:].sum()
    assert scale == 1.0
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize("seed", range(6))
def test_no_local_linear_trend_is_more_likely_than_the_fitted_model(seed):
    values = walk(30, seed=seed)
    dates = np.datetime64("1900-01-01") + 365 * np.arange(30)
    ours = Kalman(robust=False).fit(make_series(dates, values)).log_likelihood
    model = trend_model(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit(disp=False)
    assert ours > model.loglikeobs(found.params)[2:].sum() - 1e-3


def test_the_likelihood_is_in_the_unit_of_the_series():
    values = walk(30, seed=3)
    dates = np.datetime64("1900-01-01") + 365 * np.arange(30)
    metres, kilometres = (Kalman().fit(make_series(dates, scale * values)).log_likelihood for scale in (1.0, 1e-3))
    np.testing.assert_allclose(kilometres - metres, 28 * np.log(1e3), rtol=1e-6)


def test_a_known_sigma_fixes_the_scale():
    values = walk(30, seed=4)
    dates = np.datetime64("1900-01-01") + 365 * np.arange(30)
    right, wrong = (
        Kalman(robust=False).fit(make_series(dates, values, sigma=sigma)).log_likelihood for sigma in (3.0, 60.0)
    )
    assert right > wrong + 5
