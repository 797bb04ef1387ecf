"""What every forecaster must do: units, signs, bounds, degenerate series, row order, known answers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from glaciertime.errors import InputError, SeriesTooShortError
from glaciertime.forecast import forecast_series, model_names, series_from_observations, target_dates_until
from glaciertime.forecast.example import make_series, straight_series
from glaciertime.forecast.local.kalman import Kalman
from glaciertime.forecast.local.simple import DampedDrift, SeasonalLast
from glaciertime.forecast.models import MODELS

NAMES = model_names()
LOCAL = [name for name in NAMES if not MODELS[name].is_global]
TARGETS = ["1987-01-01", "1990-06-15"]


def forecast(series, models, **options):
    return forecast_series(series, models=models, target_dates=TARGETS, **options)


def even(series):
    """The last twenty years without gaps, so that every model can be fitted."""
    dates = np.array([f"{1966 + i}-01-01" for i in range(20)], dtype="datetime64[D]")
    values = np.interp(dates.astype(int), series.dates.astype(int), series.values)
    rng = np.random.default_rng(3)
    return make_series(dates, values + rng.normal(0, 4.0, 20), glacier=series.glacier, variable=series.variable)


@pytest.mark.parametrize("model", LOCAL)
def test_a_change_of_unit_carries_through(model, glaciers):
    series = even(glaciers[0])
    metres = forecast(series, [model])
    kilometres = forecast(replace(series, values=series.values / 1000), [model])
    assert set(metres["status"]) == {"ok"}
    spread = np.ptp(metres["value"])
    np.testing.assert_allclose(1000 * kilometres["value"], metres["value"], rtol=1e-6, atol=1e-6 * spread)


def test_a_change_of_unit_carries_through_the_global_models(glaciers):
    names = [name for name in NAMES if MODELS[name].is_global]
    metres = forecast(glaciers[0], names, training=glaciers)
    small = [replace(series, values=series.values / 1000) for series in glaciers]
    kilometres = forecast(small[0], names, training=small)
    np.testing.assert_allclose(1000 * kilometres["value"], metres["value"], rtol=1e-6)


@pytest.mark.parametrize(
    "model", ["last", "seasonal-last", "drift", "damped-drift", "theta", "ets", "auto-arima", "kalman", "gp"]
)
def test_a_change_of_sign_mirrors_the_additive_models(model, glaciers):
    series = even(glaciers[1])
    plus = forecast(series, [model])["value"].to_numpy().reshape(2, -1)
    minus = forecast(replace(series, values=-series.values), [model])["value"].to_numpy().reshape(2, -1)
    np.testing.assert_allclose(-minus[:, ::-1], plus, rtol=1e-5, atol=1e-5 * np.ptp(plus))


@pytest.mark.parametrize("model", NAMES)
def test_areas_are_never_negative(model):
    dates = [f"{1966 + i}-01-01" for i in range(20)]
    values = np.maximum(200.0 - 11.0 * np.arange(20.0) + np.random.default_rng(0).normal(0, 3, 20), 1.0)
    shrinking = make_series(dates, values, variable="area_km2", unit="km2")
    table = forecast(shrinking, [model])
    good = table[table["status"] == "ok"]
    assert (good["value"] >= 0).all()
    assert MODELS[model].is_global or len(good) > 2


@pytest.mark.parametrize("model", LOCAL)
@pytest.mark.parametrize("kind", ["constant", "two points", "outlier", "sigma zero", "three points"])
def test_degenerate_series_give_a_finite_forecast_or_a_reason(model, kind):
    dates = [f"{1966 + i}-01-01" for i in range(20)]
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(-2, 3, 20))
    series = {
        "constant": lambda: make_series(dates, np.full(20, 7.0)),
        "two points": lambda: make_series(dates[:2], [3.0, 5.0]),
        "three points": lambda: make_series(dates[:3], [3.0, 5.0, 4.0]),
        "outlier": lambda: make_series(dates, np.where(np.arange(20) == 9, 1e7, walk)),
        "sigma zero": lambda: make_series(dates, walk, sigma=0.0),
    }[kind]()
    table = forecast(series, [model])
    ok = table["status"] == "ok"
    assert np.isfinite(table.loc[ok, "value"]).all()
    assert table.loc[~ok, "value"].isna().all()
    assert table.loc[~ok, "status"].str.len().gt(20).all()
    if kind == "constant" and ok.any():
        np.testing.assert_allclose(table.loc[ok & (table["quantile"] == 0.5), "value"], 7.0, atol=1e-3)
    if kind == "two points":
        assert ok.all() == (MODELS[model].min_observations <= 2)


def test_auto_works_for_one_glacier_alone(glaciers):
    table = forecast(glaciers[0], ["auto", "gbm"])
    status = table.groupby("model")["status"].first()
    assert status["auto"] == "ok"
    assert "0 known values of other glaciers" in status["gbm"]


@pytest.mark.parametrize("model", ["last", "drift", "kalman"])
def test_order_of_rows_does_not_matter(model, glaciers):
    series = glaciers[2]
    rows = pd.DataFrame({
        "glacier": "A", "date": series.dates.astype("M8[ns]"), "variable": series.variable, "value": series.values,
        "unit": "m", "method": "-", "footprint": "-", "dataset": "-", "image_id": "-", "quality": "ok",
        "source": "simulated",
    })  # fmt: skip
    shuffled = rows.sample(frac=1.0, random_state=0)
    one, two = (forecast(series_from_observations(table)[0], [model]) for table in (rows, shuffled))
    assert one.to_csv() == two.to_csv()


def test_quantiles_increase_and_widen(glaciers):
    table = forecast(glaciers[3], ["last", "drift", "damped-drift", "kalman", "gp"])
    for _, rows in table.groupby(["model", "target_date"]):
        assert (np.diff(rows["value"]) > 0).all()
    wide = table[table["quantile"].isin([0.05, 0.95])].groupby(["model", "target_date"])["value"].agg(np.ptp).unstack()
    assert (wide.iloc[:, 1] > wide.iloc[:, 0]).all()


def test_seasonal_last_takes_the_same_season():
    months = np.arange("2010-01", "2016-01", dtype="datetime64[M]")
    cycle = 100 * np.sin(2 * np.pi * np.arange(len(months)) / 12)
    series = make_series(months.astype("M8[D]"), cycle)
    fitted = SeasonalLast().fit(series)
    got = fitted.predict(np.array(["2016-04-01", "2017-07-01"], "M8[D]")).median
    np.testing.assert_allclose(got, [100.0, 0.0], atol=1e-9)


def test_kalman_learns_an_annual_cycle():
    months = np.arange("2008-01", "2016-01", dtype="datetime64[M]").astype("M8[D]")
    phase = 2 * np.pi * (months.astype(int) / 365.25)
    noise = np.random.default_rng(0).normal(0, 5, len(months))
    fitted = Kalman().fit(make_series(months, 100 * np.sin(phase) + noise))
    ahead = np.array(["2016-04-01", "2016-07-01", "2016-10-01"], "M8[D]")
    truth = 100 * np.sin(2 * np.pi * ahead.astype(int) / 365.25)
    np.testing.assert_allclose(fitted.predict(ahead).median, truth, atol=15)


def test_kalman_sets_a_huge_outlier_aside(glaciers):
    series = glaciers[4]
    values = series.values.copy()
    values[15] += 1e5
    dates = np.array(["1987-01-01"], "M8[D]")
    fitted = Kalman().fit(replace(series, values=values))
    assert fitted.outliers == (15,)
    clean = Kalman().fit(series).predict(dates)
    again = fitted.predict(dates)
    assert abs(again.median - clean.median)[0] < np.ptp(clean.values)


def test_kalman_opens_a_change_point():
    rng = np.random.default_rng(5)
    values = np.cumsum(rng.normal(0, 1, 40)) - 5000.0 * (np.arange(40) >= 20)
    fitted = Kalman().fit(make_series([f"{1950 + i}-01-01" for i in range(40)], values))
    assert fitted.breaks == (20,)


def test_a_date_between_last_and_target_changes_nothing(glaciers):
    for model in ("kalman", "gp"):
        alone = forecast_series(glaciers[5], models=[model], target_dates=["1995-01-01"])
        split = forecast_series(glaciers[5], models=[model], target_dates=["1988-03-01", "1991-01-01", "1995-01-01"])
        both = split[split["target_date"] == "1995-01-01"]["value"].to_numpy()
        np.testing.assert_allclose(both, alone["value"], rtol=1e-9)


def test_known_sigma_smooths_more_than_no_sigma():
    rng = np.random.default_rng(2)
    dates = [f"{1980 + i}-01-01" for i in range(25)]
    values = rng.normal(0, 10, 25)
    values[-1] = 40.0
    noisy = Kalman().fit(make_series(dates, values, sigma=10.0)).predict(np.array(["2005-06-01"], "M8[D]"))
    exact = Kalman().fit(make_series(dates, values, sigma=[10.0] * 24 + [0.01])).predict(
        np.array(["2005-06-01"], "M8[D]"))  # fmt: skip
    assert noisy.median[0] < exact.median[0]


def test_coverage_of_kalman_on_simulated_walks_is_nominal():
    rng = np.random.default_rng(11)
    dates = np.array([f"{1960 + i}-01-01" for i in range(32)], dtype="datetime64[D]")
    hits = []
    for _ in range(200):
        values = np.cumsum(rng.normal(-3, 5, 32)) + rng.normal(0, 2, 32)
        table = forecast_series(make_series(dates[:30], values[:30]), models=["kalman"], target_dates=[dates[31]],
                                levels=(0.9,))  # fmt: skip
        low, _, high = table["value"]
        hits.append(low <= values[31] <= high)
    # Three binomial standard errors of 200 draws at 90 %.
    assert abs(np.mean(hits) - 0.9) < 3 * np.sqrt(0.9 * 0.1 / 200)


def test_damped_drift_fades():
    fitted = DampedDrift().fit(straight_series(rate_per_year=-10.0, count=20))
    dates = np.array(["2020-01-01", "2120-01-01"], "M8[D]")
    near, far = fitted.predict(dates).median - -90.0
    assert near < 0
    assert far > -10.0 * 101


@pytest.mark.parametrize(
    ("targets", "options", "match"),
    [
        (["1980-01-01"], {}, "does not lie after the cutoff 1985"),
        (["1990-01-01"], {"levels": (90.0,)}, "level 90.0 is not a coverage between 0 and 1"),
        (["1990-01-01"], {"cutoff": "1900-01-01"}, "no observation up to 1900-01-01"),
        ([], {}, "no target date was given"),
        (["soon"], {}, "'soon' is not a date"),
    ],
)
def test_what_cannot_be_forecast_is_refused(targets, options, match, glaciers):
    with pytest.raises(InputError, match=match):
        forecast_series(glaciers[0], models=["last"], target_dates=targets, **options)


def test_a_single_value_is_refused():
    with pytest.raises(SeriesTooShortError, match="1 observation, a forecast needs 2"):
        forecast_series(make_series(["2000-01-01"], [1.0]), models=["last"], target_dates=["2001-01-01"])


def test_target_dates_follow_the_pace_of_the_series():
    yearly = straight_series(rate_per_year=1.0)
    assert target_dates_until(yearly, 2012).astype(str).tolist() == ["2011-01-01", "2012-01-01"]
    assert target_dates_until(yearly, "2011-05-01").astype(str).tolist() == ["2011-01-01", "2011-05-01"]
    weekly = make_series(np.arange("2018-01-03", "2019-01-03", 7, dtype="datetime64[D]"), np.arange(53.0))
    monthly = target_dates_until(weekly, 2019)
    assert (monthly[0].astype(str), len(monthly)) == ("2019-02-01", 11)
    with pytest.raises(InputError, match="does not lie after the last observation"):
        target_dates_until(yearly, 2009)


def test_importing_the_room_is_light():
    heavy = ("torch", "statsmodels", "pmdarima", "statsforecast", "sklearn", "numba")
    code = f"import sys, glaciertime.forecast; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
