"""ARIMA with and without gaps: the same drift."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.example import make_series
from glaciertime.forecast.local.arima import Arima

AHEAD = np.array(["2000-01-01", "2009-01-01", "2019-01-01"], dtype="M8[D]")


def test_a_missing_year_does_not_bend_the_drift():
    years = np.arange(1960, 2000)
    errors = []
    for seed in range(2):
        values = np.cumsum(np.random.default_rng(seed).normal(-10, 3, 40))
        found = []
        for keep in (years > 0, years != 1970):
            series = make_series([f"{year}-01-01" for year in years[keep]], values[keep])
            found.append(Arima().fit(series).predict(AHEAD).median)
        truth = values[-1] - 10 * np.array([1, 10, 20])
        errors.append([np.abs(median - truth) for median in found])
    even, gap = np.mean(errors, axis=0)
    # The rate is known to 3 / sqrt(39) a year, and either record tells it about as well.
    assert even[2] < 20
    assert gap[2] < 20


def test_the_drift_of_a_gapped_line_is_its_rate():
    years = np.array([year for year in range(1960, 2000) if year not in (1970, 1985)])
    values = -50.0 * (years - 1960) + np.random.default_rng(0).normal(0, 5, len(years))
    median = Arima().fit(make_series([f"{year}-01-01" for year in years], values)).predict(AHEAD).median
    np.testing.assert_allclose(median, [-2000, -2450, -2950], atol=15)


@pytest.mark.parametrize(
    ("years", "step"),
    [
        ([1900, 1910, 1915, 1920, 1930, 1940, 1950, 1955, 1960, 1970], 5.0),
        ([2001, 2003, 2005, 2009, 2011, 2015, 2017], 2.0),
        ([1990, 1993, 1996, 1999, 2002, 2005, 2008, 2011, 2014, 2017], 3.0),
        ([2001, 2003, 2005, 2007, 2008, 2010, 2012, 2014, 2016, 2018], 1.0),
    ],
)
def test_years_that_were_never_observed_are_no_place_for_swings(years: list[int], step: float):
    """A steady retreat of 50 m a year, seen every second, third or fifth year, does not leap in the years between."""
    noise = np.random.default_rng(0).normal(0, 20, len(years))
    series = make_series([f"{year}-08-12" for year in years], 5000 - 50 * (np.array(years) - years[0]) + noise)
    ahead = years[-1] + np.arange(1, 6)
    fitted = Arima().fit(series)
    median = fitted.predict(np.array([f"{year}-08-12" for year in ahead], dtype="M8[D]")).median
    assert fitted.grid.step_years == step
    assert np.abs(np.diff(median)).max() < 150


@pytest.mark.parametrize("noise", [0.0, 5.0])
@pytest.mark.parametrize(
    "years", [list(range(2000, 2008)), [2000, 2001, 2002, 2004, 2005, 2008, 2009, 2010, 2012, 2013]]
)
def test_a_line_of_few_values_goes_on(years: list[int], noise: float):
    values = -20.0 * (np.array(years) - 2000) + np.random.default_rng(1).normal(0, 1, len(years)) * noise
    fitted = Arima().fit(make_series([f"{year}-07-01" for year in years], values))
    median = fitted.predict(np.array([f"{years[-1] + 10}-07-01"], dtype="M8[D]")).median
    assert fitted.order[1] == 1
    assert median[0] == pytest.approx(-20.0 * (years[-1] + 10 - 2000), abs=1 + 5 * noise)


def test_few_values_about_a_level_stay_there():
    values = 1000 + np.random.default_rng(2).normal(0, 5, 12)
    fitted = Arima().fit(make_series([f"{2000 + k}-07-01" for k in range(12)], values))
    assert fitted.order[1] == 0
    assert fitted.predict(np.array(["2030-07-01"], dtype="M8[D]")).median[0] == pytest.approx(1000, abs=5)


def test_a_walk_with_a_gap_goes_nowhere():
    """Of a random walk the likeliest model is the walk, whose forecast is the last value; a drift is not made up."""
    years = np.array([year for year in range(1960, 2000) if year not in (1970, 1985)])
    values = np.cumsum(np.random.default_rng(0).normal(0, 5, len(years)))
    fitted = Arima().fit(make_series([f"{year}-01-01" for year in years], values))
    assert fitted.order == (0, 1, 0)
    np.testing.assert_allclose(fitted.predict(AHEAD).median, values[-1], rtol=1e-9)


def test_a_trend_below_a_cycle_is_found_where_only_larger_orders_tell_it():
    dates = np.datetime64("2015-01-01") + (np.arange(80) * 30.44).astype(int)
    for seed in (1, 4):
        walk = np.cumsum(np.random.default_rng(seed).normal(-3, 5, 80))
        series = make_series(dates, 1000 + walk + 30 * np.sin(np.arange(80) * 2 * np.pi / 12))
        ahead = dates[-1] + np.array([3652])
        # It falls by 36 a year; the mean of so many steps is known to about a tenth of that.
        change = float(Arima().fit(series).predict(ahead).median[0]) - series.values[-1]
        assert -600 < change < -200, seed


def test_values_that_repeat_to_the_last_digit_have_a_forecast():
    dates = np.array([f"{year}-01-01" for year in range(1978, 2000)], dtype="M8[D]")
    found = Arima().fit(make_series(dates, np.tile([101.0, 102.0], 11))).predict(AHEAD).median
    assert ((found > 100) & (found < 103)).all()


def test_what_is_not_known_of_a_coefficient_widens_the_interval_as_in_regression():
    """White noise about a covariate, forecast where the covariate lies far out: the errors of ordinary regression."""
    rng = np.random.default_rng(1)
    dates = np.datetime64("1990-01-01") + (365.25 * np.arange(23)).astype("timedelta64[D]")
    warmth = np.append(rng.normal(0, 1, 20), [0.0, 3.0, 9.0])
    values = 40 * warmth[:20] + rng.normal(0, 10, 20)
    covariates = Covariates(names=("warmth",), dates=(dates,), values=(warmth,))
    fitted = Arima(max_order=0, covariates=covariates).fit(make_series(dates[:20], values))
    assert fitted.order == (0, 0, 0)
    got = np.ptp(fitted.predict(dates[20:], levels=(0.9,)).values[:, [0, -1]], axis=1) / (2 * ndtri(0.95))
    count = 1 + (fitted.result.model.trend == "c")
    x = np.column_stack([warmth - warmth[:20].mean(), np.ones(23)][:count])
    y = values - np.median(values)
    _, square, *_ = np.linalg.lstsq(x[:20], y, rcond=None)
    leverage = np.einsum("dc,ce,de->d", x[20:], np.linalg.inv(x[:20].T @ x[:20]), x[20:])
    np.testing.assert_allclose(got, np.sqrt(square[0] / (20 - count) * (1 + leverage)), rtol=0.01)
    assert got[2] > 1.5 * got[0]


def test_the_drift_of_twelve_values_is_known_to_its_standard_error():
    """Ten years on, the error of the rate is as large as that of the walk."""
    rng = np.random.default_rng(0)
    dates = np.datetime64("1990-01-01") + (365.25 * np.arange(22)).astype("timedelta64[D]")
    values = np.cumsum(rng.normal(-100, 5, 12))
    fitted = Arima(max_order=0).fit(make_series(dates[:12], values))
    assert fitted.order == (0, 1, 0)
    got = np.ptp(fitted.predict(dates[21:], levels=(0.9,)).values[0, [0, -1]]) / (2 * ndtri(0.95))
    steps = np.diff(values)
    np.testing.assert_allclose(got, np.sqrt(np.var(steps, ddof=1) * (10 + 10**2 / 11)), rtol=0.02)
