"""Boosted trees with covariates: better where the covariate drives the glaciers, blind to what no cutoff could know."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from glaciertime.errors import InputError, UsageError
from glaciertime.forecast import Backtest, Origins, forecast_series, run_backtest
from glaciertime.forecast.covariates import Covariates, covariates_from_table
from glaciertime.forecast.example import make_series
from glaciertime.forecast.learned.bank import bank_of
from glaciertime.forecast.learned.drivers import driver_inputs, driver_inputs_of_bank
from glaciertime.forecast.learned.past import describe_origin, pasts_of
from glaciertime.forecast.predict import make_task
from glaciertime.forecast.series import Series, as_days, as_years
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


def whole() -> list[Series]:
    """The same glaciers with what came after 2000."""
    return [
        make_series(DATES, values, glacier=f"G{k}", variable="length_m", unit="m") for k, values in enumerate(made()[1])
    ]


def judged(given: Covariates, models: tuple[str, ...] = ("last", "gbm", "kalman")) -> Backtest:
    """Forecast two glaciers again from three origins, the last of them 2005."""
    series = whole()
    return run_backtest(series[2::6], models=models, horizons=["1y", "5y"], training=series,
                        origins=Origins(min_train=26, step=5, ahead=5, limit=3), covariates=given)  # fmt: skip


@pytest.fixture(scope="module")
def scored(few_refits: None) -> Backtest:
    return judged(melt())


def test_a_backtest_scores_with_and_without_covariates_on_the_same_origins(scored: Backtest) -> None:
    rows = scored.rows
    assert list(dict.fromkeys(rows["model"])) == ["last", "gbm", "kalman", "gbm+melt", "kalman+melt"]
    assert (rows["status"] == "ok").all()
    places = rows.groupby("model")[["glacier", "cutoff", "target_date"]].apply(lambda part: part.to_numpy().tolist())
    assert all(place == places.iloc[0] for place in places)
    error = (rows["forecast"] - rows["observed"]).abs().groupby([rows["model"], rows["horizon"]]).mean()
    assert (error["gbm+melt"] < 0.75 * error["gbm"]).all(), error


def test_what_a_covariate_comes_to_after_a_target_changes_no_score_of_it(scored: Backtest) -> None:
    end = "2001-01-01"
    other = judged(melt(np.where(np.datetime64(end) < DATES, 50.0 - MELT, MELT)))
    before = (scored.rows["target_date"] <= end).to_numpy()
    assert before.any()
    np.testing.assert_array_equal(other.values[before], scored.values[before])
    given = scored.rows["model"].str.endswith("+melt").to_numpy()
    np.testing.assert_array_equal(other.values[~given], scored.values[~given])
    assert (other.values[given & ~before] != scored.values[given & ~before]).all()


def test_what_is_learned_at_an_origin_is_blind_to_what_the_covariate_comes_to_later(scored: Backtest) -> None:
    # A covariate straight in time after the origin moves the forecast by the effect that was found up to it: twice
    # as much of it twice as far.
    one = scored.rows["cutoff"] == scored.rows["cutoff"].max()
    place = (one & (scored.rows["model"] == "kalman+melt")).to_numpy()
    later = np.maximum(YEARS - 2005, 0.0)
    assert str(scored.rows["cutoff"].max())[:4] == "2005"
    moved = [
        judged(melt(MELT + share * later)).values[place][:, 1] - scored.values[place][:, 1] for share in (1.0, 2.0)
    ]
    np.testing.assert_allclose(moved[1], 2 * moved[0], rtol=0.02)
    assert (moved[0] < 0).all()


def test_a_backtest_of_models_that_take_no_covariates_refuses_them() -> None:
    series = whole()
    with pytest.raises(UsageError, match="last takes no covariates; give --model with some of kalman, arima, gbm"):
        run_backtest(series[:1], models=["last"], covariates=melt())
    with pytest.raises(InputError, match=r"melt ends on 2003-01-01, before the last target date.*shorter horizons"):
        run_backtest(series[:1], models=["kalman"], horizons=["1y"], covariates=melt(keep=YEARS <= 2003))


def test_the_change_that_goes_with_a_covariate_is_the_ridge_of_the_record_so_far() -> None:
    # Every 1461 days, four years: y = 3 x + 7 t without noise, so that only the ridge draws the effect to zero.
    days = np.datetime64("1950-01-01") + 1461 * np.arange(14)
    x = np.array([0.0, 1, 0, 2, 1, 3, 1, 0, 2, 4, 3, 1, 5, 9])
    given = Covariates(("x",), (days,), (x,))
    years = 4.0 * np.arange(14)
    known = make_series(days[:11], 3 * x[:11] + 7 * years[:11], variable="length_m", unit="m")
    row = describe_origin(known, days[12:])
    found = driver_inputs(given, known, row)
    usual = (x[10] - x[0]) / 40
    excess = x[12:] - x[10] - usual * (years[12:] - 40)
    assert found[:, 1] * row.scale == pytest.approx(3 * 10 / 12 * excess)
    part = (np.diff(x[:11]) - 4 * usual) / 2
    assert found[:, 0] == pytest.approx(excess / np.sqrt(np.mean(part**2)))
    # In another unit of the covariate nothing is different.
    far = Covariates(("x",), (days,), (1e-9 * x,))
    assert driver_inputs(far, known, row) == pytest.approx(found)


def test_the_inputs_of_a_bank_are_those_of_each_record_cut_off_at_its_origin() -> None:
    series = [one.take(slice(0, 26)) for one in made()[0][:2]]
    given = melt(keep=(YEARS >= 1972) & (YEARS <= 1994))
    pasts = pasts_of(series)
    bank, found = driver_inputs_of_bank(given, bank_of(series, pasts), series, pasts)
    assert len(found) == len(bank.target) > 40
    first, last = as_years(as_days(["1972-01-01", "1994-01-01"]))
    assert bank.target_year.max() == pytest.approx(last)
    assert bank.origin_year[bank.origin].min() >= first + 5
    for place in range(0, len(found), 7):
        origin = bank.origin[place]
        one = series[bank.origin_series[origin]]
        seen = one.take((one.years >= first) & (one.years <= bank.origin_year[origin]))
        whole = one.take(one.years <= bank.origin_year[origin])
        date = one.dates[np.isclose(one.years, bank.target_year[place])]
        row = describe_origin(whole, date)
        assert driver_inputs(given, seen, row)[0] == pytest.approx(found[place])
