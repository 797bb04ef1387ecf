"""Boosted trees with covariates: better where the covariate drives the glaciers, blind to what no cutoff could know."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from glaciertime.errors import InputError
from glaciertime.forecast import forecast_series
from glaciertime.forecast.covariates import Covariates, covariates_from_table
from glaciertime.forecast.example import make_series
from glaciertime.forecast.predict import make_task
from glaciertime.forecast.series import Series, as_days
from glaciertime.forecast.tasks import run_tasks

YEARS = np.arange(1970, 2011)
DATES = as_days([f"{year}-01-01" for year in YEARS])
CUTOFF = "2000-01-01"
KNOWN = YEARS <= 2000
TARGETS = ["2002-01-01", "2005-01-01"]
#: Warm and cool decades, and a warm future that no past of the series tells of.
MELT = np.sin(YEARS / 3.0) + np.random.default_rng(0).normal(0, 0.4, len(YEARS)) + np.where(YEARS > 2000, 2.0, 0.0)


def made(effect: float = -40.0) -> tuple[list[Series], list[np.ndarray]]:
    """Return lengths up to 2000 of glaciers whose change a year follows the melt, each by its own, and the truth."""
    series, truth = [], []
    mean = (MELT[1:] + MELT[:-1]) / 2
    for k in range(12):
        rng = np.random.default_rng(k)
        change = effect * (0.5 + k / 12) * mean - 5 + rng.normal(0, 6, len(mean))
        values = 20_000 + np.concatenate([[0.0], np.cumsum(change)])
        series.append(make_series(DATES[KNOWN], values[KNOWN], glacier=f"G{k}", variable="length_m", unit="m"))
        truth.append(values)
    return series, truth


def melt(values: np.ndarray = MELT, *, keep: np.ndarray | slice = slice(None)) -> Covariates:
    table = pd.DataFrame({"date": [str(day) for day in DATES[keep]], "name": "melt", "value": values[keep]})
    return covariates_from_table(table, effect="rate")


@pytest.fixture(autouse=True, scope="module")
def few_refits() -> Iterator[None]:
    """Trees are grown anew every ten years instead of every two: what is learned is the same, five times faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glaciertime.forecast.learned.pool.REFIT_YEARS", 10.0)
        yield


def medians(chosen: list[Series], training: list[Series], given: Covariates | None) -> np.ndarray:
    """Return the forecasts of some glaciers, (G, 2), made together."""
    tasks = [make_task(one, cutoff=CUTOFF, target_dates=TARGETS) for one in chosen]
    found = run_tasks(tasks, models=["gbm"], levels=[0.9], training=training, covariates=given)["gbm"]
    assert {outcome.status for outcome in found} == {"ok"}
    return np.array([outcome.values[:, 1] for outcome in found])


@pytest.fixture(scope="module")
def told(few_refits: None) -> np.ndarray:
    series, _ = made()
    return medians(series[::3], series, melt())


def test_trees_that_are_told_the_melt_err_less_where_it_drives_the_glaciers(told: np.ndarray) -> None:
    series, truth = made()
    right = np.array([values[np.isin(DATES, as_days(TARGETS))] for values in truth[::3]])
    blind = medians(series[::3], series, None)
    error, error_blind = (np.abs(found - right).mean(axis=0) for found in (told, blind))
    assert (error < 0.6 * error_blind).all(), (error, error_blind)


def test_another_told_future_gives_another_forecast_and_changes_nothing_before_it_parts(told: np.ndarray) -> None:
    series, _ = made()
    cool, late = MELT.copy(), MELT.copy()
    cool[YEARS > 2000] -= 2.0
    assert (medians(series[::3], series, melt(cool)) > told + 20).all()
    # What was learned of the past does not depend on the future that is told.
    late[YEARS > 2003] += 3.0
    parted = medians(series[::3], series, melt(late))
    np.testing.assert_array_equal(parted[:, 0], told[:, 0])
    assert (parted[:, 1] < told[:, 1]).all()


def test_values_after_the_cutoff_change_nothing(told: np.ndarray) -> None:
    _, truth = made()
    later = [
        make_series(DATES, values, glacier=f"G{k}", variable="length_m", unit="m") for k, values in enumerate(truth)
    ]
    np.testing.assert_array_equal(medians(later[::3], later, melt()), told)


def test_a_future_that_is_not_told_is_refused_and_too_short_a_past_is_a_reason() -> None:
    series, _ = made()
    with pytest.raises(InputError, match="melt ends on 2003-01-01, before the last target date, 2005-01-01"):
        forecast_series(series[0], models=["gbm"], target_dates=TARGETS, covariates=melt(keep=YEARS <= 2003))
    with pytest.raises(InputError, match="melt begins on 1980-01-01, after the first value"):
        forecast_series(series[0], models=["gbm"], target_dates=TARGETS, covariates=melt(keep=YEARS >= 1980))
    short = [one.take(slice(20, len(one))) for one in series]
    rows = forecast_series(
        short[0], models=["gbm"], target_dates=TARGETS, training=series, covariates=melt(keep=YEARS >= 1990)
    )
    assert rows["status"].str.contains("that melt covers, gbm needs 300").all()
