"""Covariates with known future values: they matter where they do, are checked, and let nothing later in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from glaciertime.errors import InputError, UsageError
from glaciertime.forecast import forecast_series
from glaciertime.forecast.covariates import Covariates, covariates_from_table
from glaciertime.forecast.example import make_series, straight_series
from glaciertime.forecast.local.kalman import Kalman
from glaciertime.forecast.series import as_days, as_years

YEARS = np.arange(1950, 2001)
DATES = as_days([f"{year}-01-01" for year in YEARS])
RNG = np.random.default_rng(5)
WARMTH = RNG.normal(0.0, 1.0, len(YEARS)) + np.where(YEARS > 1985, 4.0, 0.0)
KNOWN = YEARS <= 1985
TARGETS = ["1990-01-01", "1995-01-01", "2000-01-01"]


def table(values=WARMTH, name="warmth"):
    return pd.DataFrame({"date": [str(day) for day in DATES], "name": name, "value": values})


def level_series(effect=-30.0):
    """A walk, noise, and an effect of the warmth on the level; its truth up to 2000."""
    rng = np.random.default_rng(2)
    values = np.cumsum(rng.normal(-3.0, 2.0, len(YEARS))) + effect * WARMTH + rng.normal(0, 1.0, len(YEARS))
    return make_series(DATES[KNOWN], values[KNOWN]), values


def rate_series(effect=-30.0):
    """A length whose change per year is proportional to the warmth between the dates."""
    rng = np.random.default_rng(3)
    mean = (WARMTH[1:] + WARMTH[:-1]) / 2 * np.diff(as_years(DATES))
    values = np.concatenate([[0.0], np.cumsum(effect * mean + rng.normal(0, 3.0, len(mean)))])
    return make_series(DATES[KNOWN], values[KNOWN]), values


def medians(rows):
    return rows.loc[rows["quantile"] == 0.5, "value"].to_numpy()


@pytest.mark.parametrize("model", ["kalman", "arima"])
@pytest.mark.parametrize(("make", "effect"), [(level_series, "level"), (rate_series, "rate")])
def test_a_covariate_that_matters_makes_the_forecast_better(model, make, effect):
    series, truth = make()
    wanted = truth[np.isin(DATES, as_days(TARGETS))]
    given = covariates_from_table(table(), effect=effect)
    plain = forecast_series(series, models=[model], target_dates=TARGETS)
    told = forecast_series(series, models=[model], target_dates=TARGETS, covariates=given)
    assert set(told["model"]) == {f"{model}+warmth"}
    assert set(told["status"]) == {"ok"}
    assert np.abs(medians(told) - wanted).max() < 0.35 * np.abs(medians(plain) - wanted).max()


@pytest.mark.parametrize(("make", "effect"), [(level_series, "level"), (rate_series, "rate")])
def test_the_effect_is_found(make, effect):
    series, _ = make()
    fitted = Kalman(covariates=covariates_from_table(table(), effect=effect)).fit(series)
    np.testing.assert_allclose(fitted.effect, [-30.0], rtol=0.1)


def test_a_covariate_without_effect_changes_little():
    series, _ = level_series(effect=0.0)
    plain = forecast_series(series, models=["kalman"], target_dates=TARGETS)
    told = forecast_series(series, models=["kalman"], target_dates=TARGETS, covariates=covariates_from_table(table()))
    width = np.ptp(plain["value"])
    assert np.abs(medians(told) - medians(plain)).max() < 0.25 * width


@pytest.mark.parametrize("model", ["kalman", "arima"])
def test_nothing_later_is_seen(model):
    series, truth = level_series()
    given = covariates_from_table(table())
    options = {"models": [model], "target_dates": ["1988-07-01", "1990-01-01"], "cutoff": "1985-01-01"}
    expected = forecast_series(series, covariates=given, **options)
    changed = make_series(DATES, np.where(KNOWN, truth, 1e6))
    beyond = np.datetime64("1990-01-01") < DATES
    other = covariates_from_table(table(np.where(beyond, -1e6, WARMTH)))
    assert forecast_series(changed, covariates=given, **options).to_csv() == expected.to_csv()
    assert forecast_series(series, covariates=other, **options).to_csv() == expected.to_csv()
    future = covariates_from_table(table(np.where(np.datetime64("1990-01-01") == DATES, 9.0, WARMTH)))
    assert forecast_series(series, covariates=future, **options).to_csv() != expected.to_csv()


def test_a_covariate_in_another_unit_changes_nothing():
    series, _ = level_series()
    one, other = (
        forecast_series(series, models=["kalman"], target_dates=TARGETS, covariates=covariates_from_table(table(x)))
        for x in (WARMTH, 1000 * WARMTH + 273.15)
    )
    np.testing.assert_allclose(one["value"], other["value"], rtol=1e-6)


def test_the_season_is_a_covariate_of_arima():
    days = as_days(pd.date_range("2000-01-15", periods=96, freq="MS").strftime("%Y-%m-%d"))
    cycle = 100 * np.cos(2 * np.pi * as_years(days))
    series = make_series(days[:84], (cycle + np.random.default_rng(0).normal(0, 3, 96))[:84])
    rows = forecast_series(series, models=["arima"], target_dates=days[84:], covariates=Covariates(season=True))
    assert set(rows["model"]) == {"arima+season"}
    np.testing.assert_allclose(medians(rows), cycle[84:], atol=15)


def test_covariates_must_cover_record_and_horizon():
    series = straight_series(rate_per_year=-1.0, count=20, first_year=1950)
    options = {"models": ["kalman"], "target_dates": ["2001-06-01"]}
    with pytest.raises(InputError, match="ends on 2000-01-01, before the last target date, 2001-06-01"):
        forecast_series(series, covariates=covariates_from_table(table()), **options)
    late = covariates_from_table(table().iloc[5:])
    with pytest.raises(InputError, match="begins on 1955-01-01, after the first value"):
        forecast_series(series, models=["kalman"], target_dates=["1999-01-01"], covariates=late)
    holed = covariates_from_table(table().drop(range(20, 30)))
    with pytest.raises(InputError, match="has no value in the 4,017 days after 1969-01-01"):
        forecast_series(series, models=["kalman"], target_dates=["1999-01-01"], covariates=holed)


def test_models_without_covariates_refuse_them():
    series, _ = level_series()
    with pytest.raises(UsageError, match="drift takes no covariates; give --model with some of kalman, arima, gbm"):
        forecast_series(series, models=["kalman", "drift"], target_dates=TARGETS,
                        covariates=covariates_from_table(table()))  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows.drop(columns="name"), "column name is missing"),
        (lambda rows: rows.assign(value="warm"), "values are not finite numbers"),
        (lambda rows: pd.concat([rows, rows.iloc[:1]]), "two values on 1950-01-01"),
        (lambda rows: rows.iloc[:1], "at least two are needed"),
        (lambda rows: rows.iloc[:0], "no rows"),
    ],
)
def test_a_bad_table_is_refused(change, reason):
    with pytest.raises(InputError, match=reason):
        covariates_from_table(change(table()))


def test_an_unknown_effect_is_refused():
    with pytest.raises(UsageError, match="level, rate"):
        replace(Covariates(season=True), effect="both")
