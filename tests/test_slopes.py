"""Slopes with intervals that hold what they say, or none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from glaciertime.errors import InputError
from glaciertime.slopes import theil_sen_slope, weighted_slope


@pytest.mark.parametrize("n", [3, 4, 5, 6, 8])
@pytest.mark.parametrize("level", [0.2, 0.8, 0.95])
def test_the_robust_interval_holds_as_often_as_asked_or_is_not_given(n, level):
    rng = np.random.default_rng(n)
    days = np.arange(n) * 365.25
    fits = [theil_sen_slope(days, rng.normal(size=n), level=level) for _ in range(600)]
    given = [fit for fit in fits if np.isfinite(fit.low)]
    assert len(given) in (0, 600)
    if given:
        held = np.mean([fit.low <= 0 <= fit.high for fit in given])
        assert held > level - 2 * np.sqrt(level * (1 - level) / 600)
    # The widest interval there is holds 1 - 2 / n! of the orders.
    else:
        assert level > {3: 1 - 2 / 6, 4: 1 - 2 / 24}[n]


def test_a_lower_level_gives_a_narrower_interval():
    days = np.arange(20.0)
    values = np.sin(days * 7) + days * 0.01
    narrow, wide = (theil_sen_slope(days, values, level=level) for level in (0.2, 0.8))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_values_of_one_day_form_no_slope():
    fit = theil_sen_slope([0, 0, 10, 10, 20, 20, 30, 30], [0, 1, -10, -9, -20, -19, -30, -29.0])
    assert fit.slope_per_year == pytest.approx(-365.25)
    assert fit.low < fit.slope_per_year < fit.high


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_is_a_probability(level):
    with pytest.raises(InputError, match=f"level is {level}; expected a probability"):
        theil_sen_slope([0, 1, 2], [0, 1, 2], level=level)
    with pytest.raises(InputError, match="expected a probability"):
        weighted_slope([0, 1, 2], [0, 1, 2], [1, 1, 1], level=level)


def test_the_weighted_slope_errs_by_its_scatter_or_by_its_sigmas_whichever_is_more():
    days = np.arange(6) * 365.25
    values = np.array([0.0, 9.0, 22.0, 29.0, 41.0, 50.0])
    line = stats.linregress(np.arange(6.0), values)
    t = stats.t.ppf(0.95, 4)
    # Unknown sigmas, and such as the scatter of 1.3 exceeds by far: the error of least squares, and Student's t.
    for sigma in (np.nan, 0.1):
        fit = weighted_slope(days, values, np.full(6, sigma), level=0.9)
        assert fit.slope_per_year == pytest.approx(line.slope)
        assert fit.sigma_per_year == pytest.approx(line.stderr)
        assert (fit.low, fit.high) == pytest.approx((line.slope - t * line.stderr, line.slope + t * line.stderr))
    # Sigmas of 10 could have scattered more: they count, over the 17.5 years squared that six years spread.
    fit = weighted_slope(days, values, np.full(6, 10.0))
    assert fit.sigma_per_year == pytest.approx(10 / 17.5**0.5)
    # The sigmas alone: no Student.
    fit = weighted_slope(days, values, np.full(6, 10.0), extra_scatter=False, level=0.9)
    assert fit.high - fit.slope_per_year == pytest.approx(stats.norm.ppf(0.95) * 10 / 17.5**0.5)
