"""Forecasters of other packages in our backtest, and ours in theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glaciertime.errors import InputError, SeriesTooShortError, UsageError
from glaciertime.forecast import MODELS, Origins, run_backtest
from glaciertime.forecast.adapters import ForSktime, ForStatsforecast, FromSktime, FromStatsforecast, extra_models
from glaciertime.forecast.example import make_series, straight_series
from glaciertime.forecast.series import Series

TARGETS = np.array(["2012-01-01", "2013-07-02"], dtype="M8[D]")


def noisy() -> Series:
    rng = np.random.default_rng(3)
    dates = np.array([f"{1990 + k}-01-01" for k in range(22)], dtype="M8[D]")
    return make_series(dates, np.cumsum(rng.normal(-5, 3, 22)) + 500)


def test_a_statsforecast_drift_is_their_drift_at_exact_dates() -> None:
    from statsforecast.models import RandomWalkWithDrift

    series = noisy()
    found = FromStatsforecast(RandomWalkWithDrift()).fit(series).predict(TARGETS, levels=(0.9,))
    theirs = RandomWalkWithDrift().fit(series.values).predict(h=3, level=[90])
    assert found.values[0] == pytest.approx([theirs["lo-90"][0], theirs["mean"][0], theirs["hi-90"][0]], abs=0.05)
    # Half way between the second and third step.
    assert found.median[1] == pytest.approx(theirs["mean"][1:].mean(), abs=0.05)


def test_a_model_without_intervals_says_what_to_do() -> None:
    from statsforecast.models import WindowAverage

    with pytest.raises(Exception, match="prediction_intervals"):
        FromStatsforecast(WindowAverage(window_size=3)).fit(noisy()).predict(TARGETS)


def test_only_the_last_stretch_without_gaps_is_seen() -> None:
    from statsforecast.models import Naive

    series = noisy()
    gappy = series.take(np.arange(len(series)) != 5)
    changed = make_series(gappy.dates, np.where(np.arange(21) < 5, 9999.0, gappy.values))
    one, other = (FromStatsforecast(Naive()).fit(given).predict(TARGETS).values for given in (gappy, changed))
    assert np.array_equal(one, other)
    short = gappy.take(slice(0, 9))
    with pytest.raises(SeriesTooShortError, match="even steps"):
        FromStatsforecast(Naive()).fit(short)


def test_foreign_models_stand_beside_ours_in_a_backtest_and_go_afterwards() -> None:
    from statsforecast.models import Naive, RandomWalkWithDrift

    foreign = {"naive": FromStatsforecast(Naive()), "rwd": FromStatsforecast(RandomWalkWithDrift())}
    with extra_models(foreign):
        result = run_backtest([noisy()], models=["naive", "last", "rwd", "drift"], horizons=[1],
                              origins=Origins(min_train=12))  # fmt: skip
        with pytest.raises(InputError, match="is taken"), extra_models({"last": FromStatsforecast(Naive())}):
            pass
    assert not set(foreign) & set(MODELS)
    assert (result.rows["status"] == "ok").all()
    forecast = {model: rows["forecast"].to_numpy() for model, rows in result.rows.groupby("model")}
    assert forecast["naive"] == pytest.approx(forecast["last"])
    # Years differ by a day: a rate per year is nearly one per step.
    assert forecast["rwd"] == pytest.approx(forecast["drift"], abs=0.1)


def test_ours_runs_in_the_cross_validation_of_statsforecast() -> None:
    from statsforecast import StatsForecast

    series = noisy()
    frame = pd.DataFrame({"unique_id": "A", "ds": np.arange(len(series)), "y": series.values})
    judge = StatsForecast(models=[ForStatsforecast("drift"), ForStatsforecast("last")], freq=1)
    table = judge.cross_validation(df=frame, h=2, n_windows=3, step_size=2, level=[90])
    assert len(table) == 6
    first = table.iloc[0]
    known = series.values[: int(first["cutoff"]) + 1]
    assert first["glaciertime-last"] == known[-1]
    rate = (known[-1] - known[0]) / (len(known) - 1)
    assert first["glaciertime-drift"] == pytest.approx(known[-1] + rate, abs=0.05)
    assert (table["glaciertime-drift-lo-90"] < table["glaciertime-drift"]).all()


def test_global_and_unknown_models_are_not_lent() -> None:
    with pytest.raises(InputError, match="learns from other glaciers"):
        ForStatsforecast("gbm")
    with pytest.raises(UsageError, match="did you mean"):
        ForStatsforecast("drif")


def test_both_ways_with_sktime() -> None:
    pytest.importorskip("sktime", reason="sktime is not installed")
    from sktime.forecasting.naive import NaiveForecaster

    series = straight_series(rate_per_year=-2.0, count=12)
    found = FromSktime(NaiveForecaster(strategy="drift")).fit(series).predict(TARGETS[:1], levels=(0.9,))
    assert found.median == pytest.approx([76.0], abs=0.01)
    lent = ForSktime("drift").fit(pd.Series(series.values))
    assert lent.predict(fh=[1, 3]).to_numpy() == pytest.approx([76.0, 72.0], abs=0.05)
    bounds = lent.predict_interval(fh=[2], coverage=0.9).to_numpy()[0]
    assert bounds[0] <= 74.0 + 0.05
    assert bounds[1] >= 74.0 - 0.05


def test_a_forecaster_lent_to_sktime_can_be_saved_copied_and_tells_what_it_is() -> None:
    base = pytest.importorskip("sktime.base", reason="sktime is not installed")
    lent = ForSktime("drift").fit(pd.Series(np.arange(10.0)))
    loaded = base.load(lent.save())
    assert loaded.predict(fh=[1]).to_numpy() == pytest.approx([10.0], abs=0.05)
    kind = type(lent)
    assert "evenly spaced" in kind.__doc__
    assert len(kind.get_test_params()) == 2
    assert kind(**kind.get_test_params()[0]).name == "drift"


@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_sktime_itself_pass() -> None:
    checks = pytest.importorskip("sktime.utils.estimator_checks", reason="sktime is not installed")
    from glaciertime.forecast.sktime_forecaster import GlaciertimeForecaster

    found = checks.check_estimator(GlaciertimeForecaster, raise_exceptions=False, verbose=False)
    assert len(found) > 300
    assert {name: told for name, told in found.items() if told != "PASSED"} == {}
