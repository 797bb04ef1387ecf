"""The Kalman forecaster: events found, known sigmas in the forecast, intervals that do not scale with the trend."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.example import make_series
from glaciertime.forecast.local.gp import GaussianProcess
from glaciertime.forecast.local.kalman import Kalman
from glaciertime.forecast.local.scaled import ScaledRecord

DAYS = np.array([f"{1900 + i}-07-01" for i in range(130)], dtype="M8[D]")


def fitted(values, **given):
    return Kalman().fit(make_series(DAYS[: len(values)], values, **given))


def half_width(fit, ahead):
    low, _, high = fit.predict(np.array([ahead], "M8[D]"), levels=(0.9,)).values[0]
    return (high - low) / 2


def walk(count, *, seed, step=5.0):
    return np.cumsum(np.random.default_rng(seed).normal(0, step, count))


@pytest.mark.parametrize("count", [12, 20, 40])
@pytest.mark.parametrize("seed", [0, 1])
def test_one_spike_is_found_however_short_the_record(count, seed):
    values = walk(count, seed=seed)
    spiked = values.copy()
    spiked[count // 2] += 400
    fit = fitted(spiked)
    assert fit.outliers == (count // 2,)
    assert fit.breaks == ()
    kept = np.arange(count) != count // 2
    clean = Kalman().fit(make_series(DAYS[:count][kept], values[kept]))
    assert 0.8 < half_width(fit, DAYS[count]) / half_width(clean, DAYS[count]) < 1.3


@pytest.mark.parametrize(("count", "places"), [(12, (4, 8)), (20, (5, 10, 15))])
def test_several_spikes_are_found_together_though_each_hides_the_others(count, places):
    values = walk(count, seed=3)
    values[list(places)] += 400
    assert fitted(values).outliers == places


def test_a_spike_is_found_where_sigmas_are_known_too():
    values = walk(20, seed=1)
    values[10] += 400
    assert fitted(values, sigma=3.0).outliers == (10,)


def test_records_without_events_have_none():
    rng = np.random.default_rng(0)
    for count in (8, 12, 30):
        for _ in range(8):
            noisy = rng.normal(0, 5, count)
            for values in (np.cumsum(rng.normal(-3, 5, count)), noisy, np.cumsum(rng.normal(0, 5, count)) + noisy):
                fit = fitted(values)
                assert fit.outliers == fit.breaks == ()


def test_what_is_set_aside_tells_nothing_of_the_scale():
    years = np.arange(12.0)
    values = walk(12, seed=0)
    sigma = np.full(12, np.nan)
    whole = ScaledRecord(years, values, sigma, harmonics=0)
    less = ScaledRecord(years, values, sigma, harmonics=0)
    less.set_apart((5,), ())
    rows = whole.grid()[:50]
    # Eleven innovations and the pseudo-observation; ten and it.
    assert whole.likelihood(rows)[0].shape == less.likelihood(rows)[0].shape
    flat = less.likelihood(rows)
    again = np.delete(years, 5), np.delete(values, 5)
    short = ScaledRecord(*again, sigma[1:], harmonics=0)
    short.scale, short.values = less.scale, (again[1] - values[-1]) / less.scale
    dropped = short.likelihood(rows)
    np.testing.assert_allclose(flat[0][:, 0], dropped[0][:, 0], rtol=1e-3)
    np.testing.assert_allclose(np.diff(flat[1]), np.diff(dropped[1]), atol=1e-2)


@pytest.mark.parametrize("rate", [50.0, 1000.0])
@pytest.mark.parametrize("count", [10, 30, 60])
def test_the_interval_of_a_clean_line_is_that_of_its_noise(rate, count):
    values = -rate * np.arange(count) + np.random.default_rng(1).normal(0, 1, count)
    for sigma in (np.nan, 1.0):
        fit = Kalman(robust=False).fit(make_series(DAYS[:count], values, sigma=sigma))
        assert 1.0 < half_width(fit, DAYS[count]) < 4.0
        assert abs(fit.predict(DAYS[[count]]).median[0] + rate * count) < 4.0


def test_a_trend_added_moves_the_forecast_and_not_its_width():
    values = walk(30, seed=5)
    level, steep = (fitted(values - rate * np.arange(30)) for rate in (0.0, 300.0))
    assert half_width(steep, DAYS[34]) == pytest.approx(half_width(level, DAYS[34]), rel=0.25)


def test_a_cycle_about_a_steep_trend_is_no_wider_than_about_none():
    months = np.arange("2008-01", "2014-01", dtype="datetime64[M]").astype("M8[D]")
    years = months.astype(int) / 365.25
    cycle = 50 * np.sin(2 * np.pi * years) + np.random.default_rng(0).normal(0, 5, len(months))
    widths = []
    for rate in (0.0, 2000.0):
        fit = Kalman().fit(make_series(months, cycle - rate * (years - years[0])))
        widths.append(half_width(fit, "2014-06-01"))
    assert widths[1] == pytest.approx(widths[0], rel=0.25)


def test_an_exact_line_goes_on():
    fit = fitted(-40.0 * np.arange(20))
    assert fit.predict(DAYS[[24]]).median[0] == pytest.approx(-40.0 * 24, abs=0.5)
    assert 0 < half_width(fit, DAYS[24]) < 4.0


def test_what_fell_for_a_century_and_stopped_is_not_carried_on():
    """Three to seven years after the stop, against the last value; carried on, the errors are 1.9 times as large."""
    ratio = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rate = np.where(np.arange(110) >= 100, 5.0, rng.uniform(20, 60))
        values = -np.cumsum(rate) + rng.normal(0, 3, 110)
        errors = []
        for origin in (102, 104, 106):
            ahead = slice(origin + 1, origin + 4)
            truth = values[ahead]
            errors.append((np.abs(fitted(values[: origin + 1]).predict(DAYS[ahead]).median - truth).mean(),
                           np.abs(values[origin] - truth).mean()))  # fmt: skip
        mine, last = np.mean(errors, axis=0)
        ratio.append(np.log(mine / last))
    assert np.exp(np.mean(ratio)) < 1.1


@pytest.mark.parametrize(("model", "draws"), [(Kalman(), 100), (GaussianProcess(), 30)])
def test_a_known_sigma_is_one_of_the_observation_forecast_too(model, draws):
    inside = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        values = np.cumsum(rng.normal(0, 1, 31)) + rng.normal(0, 10, 31)
        fit = model.fit(make_series(DAYS[:30], values[:30], sigma=10.0))
        low, _, high = fit.predict(DAYS[[30]], levels=(0.9,)).values[0]
        inside.append(low <= values[30] <= high)
    # Three binomial standard errors at 90 %.
    assert abs(np.mean(inside) - 0.9) < 3 * np.sqrt(0.09 / draws)


def test_a_known_sigma_is_in_the_forecast_with_covariates_too():
    rng = np.random.default_rng(0)
    warmth = rng.normal(0, 1, 60)
    covariates = Covariates(("warmth",), (DAYS[:60],), (warmth,))
    widths = []
    for sigma in (0.01, 10.0):
        values = 3 * warmth[:40] + np.cumsum(rng.normal(0, 1, 40)) + rng.normal(0, sigma, 40)
        fit = Kalman(covariates=covariates).fit(make_series(DAYS[:40], values, sigma=sigma))
        widths.append(half_width(fit, DAYS[40]))
    assert widths[1] > 1.6449 * 10.0
    assert widths[0] < 6.0


def test_the_sigma_of_the_forecast_is_a_typical_recent_one():
    series = make_series(DAYS[:20], walk(20, seed=0), sigma=[100.0] * 10 + [5.0] * 9 + [1000.0])
    assert series.recent_sigma == 5.0
    assert make_series(DAYS[:20], walk(20, seed=0)).recent_sigma == 0.0
    assert make_series(DAYS[:3], [1.0, 2.0, 3.0], sigma=[2.0, np.nan, 4.0]).recent_sigma == 2.0


@pytest.mark.parametrize("changed", [np.arange(20) == 9, np.arange(20) > 9])
def test_a_record_that_only_jumps_is_forecast_alike_in_every_unit(changed):
    values = np.where(changed, 50.0, 5.0)
    metres, kilometres = (half_width(fitted(unit * values), DAYS[22]) for unit in (1.0, 1e-3))
    assert kilometres == pytest.approx(metres / 1000, rel=1e-6)
    assert 0 < metres < 10


def test_the_prior_of_a_cycle_is_that_of_what_varies_about_the_trend():
    years = np.arange(0, 6, 1 / 12)
    cycle = 50 * np.sin(2 * np.pi * years) + np.random.default_rng(0).normal(0, 5, len(years))
    record = ScaledRecord(years, cycle - 2000 * years, np.full(len(years), np.nan), harmonics=2)
    # With the trend in it, it would be ten thousand times as large.
    assert 0.5 * np.var(cycle) < record.cycle_variance * record.scale**2 < 5 * np.var(cycle)


def test_a_known_sigma_enters_as_its_variance():
    sigma = np.linspace(1, 4, 12)
    record = ScaledRecord(np.arange(12.0), walk(12, seed=0), sigma, harmonics=0)
    np.testing.assert_allclose(np.sqrt(record.noise) * record.scale, sigma)
