"""The rolling origin: which dates, which targets, which scores, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.errors import InputError, SeriesTooShortError, UsageError
from glaciertime.forecast import Origins, backtest, flag_interpolated, run_backtest, scores_of
from glaciertime.forecast.example import make_series, straight_series
from glaciertime.forecast.judged.origins import parse_horizon, targets_at


def test_last_value_errs_by_the_rate_times_the_horizon_and_drift_by_nothing():
    series = straight_series(rate_per_year=-3.0, count=20)
    table = backtest([series], models=["last", "drift"], horizons=["1y", "2y"], metrics=["mae", "bias"])
    value = table.set_index(["model", "horizon", "metric"])["value"]
    assert value[("last", "1y", "mae")] == pytest.approx(3.0, abs=0.01)
    assert value[("last", "2y", "bias")] == pytest.approx(6.0, abs=0.01)
    assert value[("drift", "2y", "mae")] < 0.02
    assert (table["source"] == "simulated").all()


def test_percentage_errors_are_refused_where_zero_is_arbitrary():
    series = straight_series(rate_per_year=1.0, count=20)
    with pytest.raises(InputError, match="mape is refused for Example, front_position_m: its zero is arbitrary"):
        backtest([series], models=["last"], metrics=["mape"])
    assert "mape" not in set(backtest([series], models=["last"])["metric"])


def test_percentage_errors_are_given_for_areas():
    dates = [f"{2000 + i}-01-01" for i in range(14)]
    area = make_series(dates, [100.0] * 13 + [50.0], variable="area_km2", unit="km2")
    table = backtest([area], models=["last"], horizons=[1], metrics=["mape"], origins=Origins(min_train=10))
    assert table["value"].item() == pytest.approx(100.0 / 4)


def test_failures_are_counted_and_left_out():
    dates = [f"{2000 + i}-01-01" for i in range(14)]
    series = make_series(dates, np.arange(14.0))
    table = backtest([series], models=["arima"], horizons=[1], metrics=["mae"], origins=Origins(min_train=6))
    row = table.iloc[0]
    assert (row["n"], row["n_failed"]) == (6, 2)


def test_origins_are_counted_back_from_the_end():
    series = straight_series(rate_per_year=1.0, count=30)
    assert Origins(min_train=20, step=5, limit=6, ahead=5).indices(series) == [24, 19]
    assert Origins(min_train=12, step=2, limit=4, ahead=5).indices(series.take(slice(0, 24))) == [18, 16, 14, 12]


def test_horizons_find_the_observation_at_their_true_dates():
    series = make_series(["2000-01-01", "2000-02-10", "2001-03-01", "2003-01-01"], [0.0, 1.0, 2.0, 3.0])
    asked = [parse_horizon("1y"), parse_horizon("30d"), parse_horizon(3), parse_horizon("10y")]
    assert [(h.label, i) for h, i in targets_at(series, 0, asked)] == [("1y", 2), ("lead 3", 3)]


@pytest.mark.parametrize("text", ["0", "soon", "-1y", "0d"])
def test_horizons_of_another_form_are_refused(text):
    with pytest.raises(InputError, match=r"horizon .* is not known"):
        parse_horizon(text)


def test_interpolated_values_are_never_targets():
    values = [0.0, 5.0, 7.0, 1.0, 4.0, 9.0, 3.0, 8.0, 2.0, 6.0, 8.0, 10.0, 12.0, 7.0]
    series = flag_interpolated(make_series([f"{2000 + i}-01-01" for i in range(14)], values))
    assert np.flatnonzero(series.has_flag("interpolated")).tolist() == [10, 11]
    result = run_backtest([series], models=["last"], horizons=[1], origins=Origins(min_train=5))
    assert set(result.rows["target_date"].dt.year) & {2010, 2011} == set()
    assert len(result.rows) == 7


def test_sliding_window_forgets():
    values = np.concatenate([np.full(20, 100.0), 100.0 - np.arange(20.0)])
    series = make_series([f"{1980 + i}-01-01" for i in range(40)], values)
    rule = Origins(min_train=39)
    wide = backtest([series], models=["drift"], horizons=[1], metrics=["mae"], origins=rule)["value"].item()
    narrow = backtest([series], models=["drift"], horizons=[1], metrics=["mae"], origins=rule, window_years=10)
    assert narrow["value"].item() < 0.01 < wide


def test_too_short_and_unknown_names_say_what_to_do():
    with pytest.raises(SeriesTooShortError, match="a backtest needs 11; lower the minimum history"):
        backtest([straight_series(rate_per_year=1.0, count=5)], models=["last"])
    with pytest.raises(UsageError, match="no model 'kalmann'; did you mean kalman"):
        backtest([straight_series(rate_per_year=1.0, count=20)], models=["kalmann"])
    with pytest.raises(InputError, match="metric 'nse' is not known"):
        backtest([straight_series(rate_per_year=1.0, count=20)], models=["last"], metrics=["nse"])


def test_scores_of_a_backtest_equal_those_of_the_one_call(glaciers):
    rule = Origins(min_train=25)
    result = run_backtest(glaciers[:2], models=["last", "drift"], horizons=[1, 2], origins=rule)
    whole = backtest(glaciers[:2], models=["last", "drift"], horizons=[1, 2], origins=rule)
    np.testing.assert_array_equal(scores_of(result)["value"], whole["value"])
