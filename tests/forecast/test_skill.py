"""Skill against numbers worked out by hand."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glaciertime.errors import InputError
from glaciertime.forecast import Origins, run_backtest, scores_of
from glaciertime.forecast.example import make_series, straight_series
from glaciertime.forecast.judged.backtest import Backtest
from glaciertime.forecast.judged.skill import diebold_mariano, skill_scores, skill_table
from glaciertime.forecast.judged.verdict import verdicts


def test_a_model_has_no_skill_against_itself_and_drift_has_on_lines():
    lines = [
        make_series([f"{2000 + i}-01-01" for i in range(16)], rate * np.arange(16.0), glacier=f"G{rate}")
        for rate in range(1, 10)
    ]
    result = run_backtest(lines, models=["last", "drift"], horizons=[1, 2], origins=Origins(min_train=8))
    table = skill_table(result).set_index(["model", "horizon"])
    assert (table.loc["last", ["skill", "lower", "upper"]] == 0).all().all()
    assert (table.loc["drift", "lower"] > 0.9).all()
    assert (table.loc["drift", "p_worse"] == 0).all()
    assert (table["n_series"] == 9).all()


def test_failures_are_left_out_for_both_and_counted():
    series = straight_series(rate_per_year=1.0, count=12)
    result = run_backtest([series], models=["last", "theta"], horizons=[1], origins=Origins(min_train=5))
    row = skill_table(result).set_index("model").loc["theta"]
    assert row["n_left_out"] == 3
    with pytest.raises(InputError, match="model 'drift' is not in the backtest"):
        skill_table(result, reference="drift")


def test_skill_is_stored_as_scores_of_one_series():
    line = straight_series(rate_per_year=1.0, count=50)
    result = run_backtest([line], models=["last", "drift"], horizons=[1], origins=Origins(min_train=5))
    rows = skill_scores(result).set_index("metric")
    assert set(rows["model"]) == {"drift"}
    assert rows.loc["skill_last_lower", "value"] <= rows.loc["skill_last", "value"] <= 1.0
    assert rows.loc["skill_last", "value"] > 0.9
    assert (rows["n"] == 45).all()


def test_a_handful_of_blocks_has_a_skill_and_no_interval():
    line = straight_series(rate_per_year=1.0, count=30)
    result = run_backtest([line], models=["last", "drift"], horizons=[1], origins=Origins(min_train=5))
    rows = skill_scores(result).set_index("metric")["value"]
    assert rows["skill_last"] > 0.9
    assert np.isnan(rows[["skill_last_lower", "skill_last_upper"]]).all()
    assert rows["skill_last_p_value"] < 0.01


def test_diebold_and_mariano_reject_equal_forecasts_as_often_as_they_say():
    rng = np.random.default_rng(0)
    p = np.array([diebold_mariano(rng.normal(size=12)) for _ in range(2000)])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.015)
    # Overlapping targets: sums of three shocks in a row.
    p = [diebold_mariano(np.convolve(rng.normal(size=42), np.ones(3), "valid"), overlap=3) for _ in range(1000)]
    assert np.mean(np.array(p) < 0.05) < 0.12
    alone = stats.ttest_1samp(np.arange(10.0), 2.0).pvalue
    assert diebold_mariano(np.arange(10.0) - 2.0) == pytest.approx(alone, rel=1e-9)
    assert np.isnan(diebold_mariano([1.0] * 7))
    assert np.isnan(diebold_mariano([0.0] * 20))


def test_the_verdict_is_the_last_value_where_nothing_surely_beats_it():
    rng = np.random.default_rng(5)
    walk = make_series([f"{1950 + i}-01-01" for i in range(60)], np.cumsum(rng.normal(0, 5, 60)))
    line = make_series([f"{1950 + i}-01-01" for i in range(60)], -7.0 * np.arange(60) + rng.normal(0, 1, 60))
    few = make_series([f"{1950 + i}-01-01" for i in range(14)], -7.0 * np.arange(14))
    found = {}
    for name, series in (("walk", walk), ("line", line), ("few", few)):
        result = run_backtest([series], models=["last", "drift", "damped-drift"], horizons=["1y"])
        (found[name],) = verdicts(skill_scores(result)).itertuples()
    assert found["walk"].use == "last"
    assert "use last" in found["walk"].verdict
    assert found["line"].use == found["line"].best == "drift"
    assert found["line"].error_ratio < 0.3
    assert found["line"].verdict.startswith("1y: use drift: it errs 0.")
    assert found["few"].use == "last"
    assert "too few" in found["few"].verdict


def test_models_are_scored_on_the_forecasts_that_all_gave():
    """Theta needs eight even values: the others answered three more origins, which are no comparison."""
    rng = np.random.default_rng(2)
    series = make_series([f"{1950 + i}-01-01" for i in range(30)], np.cumsum(rng.normal(-3, 5, 30)))
    result = run_backtest([series], models=["last", "drift", "theta"], horizons=[1], origins=Origins(min_train=5))
    scores = scores_of(result, metrics=["mae"]).set_index(["model", "metric"])
    assert scores.loc[(["last", "drift", "theta"], "mae"), "n"].tolist() == [22, 22, 22]
    assert scores.loc[("last", "mae_own"), "n"] == 25
    assert ("theta", "mae_own") not in scores.index
    rows = result.rows[(result.rows["model"] == "last") & (result.rows["cutoff"] >= np.datetime64("1957-01-01"))]
    right = np.abs(rows["forecast"] - rows["observed"]).mean()
    assert scores.loc[("last", "mae"), "value"] == pytest.approx(right, rel=1e-12)
    assert (skill_scores(result)["n"] == 22).all()


def test_skill_of_several_series_is_not_stored_as_one():
    lines = [straight_series(rate_per_year=1.0, count=14), make_series(["2000-01-01", "2001-01-01"], [1.0, 2.0])]
    lines.append(make_series([f"{2000 + i}-01-01" for i in range(14)], np.arange(14.0), glacier="Other"))
    result = run_backtest(lines, models=["last", "drift"], horizons=[1], origins=Origins(min_train=5))
    with pytest.raises(InputError, match="holds 2 series"):
        skill_scores(result)


def test_skill_of_one_series_is_one_minus_the_ratio_of_its_errors():
    rng = np.random.default_rng(3)
    values = np.cumsum(rng.normal(-1, 4, 60))
    values[40:50] += np.cumsum(np.full(10, -30))
    values[50:] -= 300
    series = make_series([f"{1950 + i}-01-01" for i in range(60)], values)
    result = run_backtest([series], models=["last", "drift", "damped-drift"], horizons=[1])
    given = skill_table(result).set_index("model")
    error = scores_of(result, metrics=["mae"]).set_index("model")["value"]
    right = 1 - error / error["last"]
    for model in ("drift", "damped-drift"):
        assert given.loc[model, "skill"] == pytest.approx(right[model], abs=1e-12)
        assert given.loc[model, "lower"] <= right[model] <= given.loc[model, "upper"]
    assert right["damped-drift"] > 0.2


def test_skill_of_one_series_draws_origins_in_the_order_of_time():
    """Blocks of five in a row: one bad spell of five origins is drawn whole or not at all."""
    values = np.zeros(30)
    values[20:25] = 100.0 * np.cumsum([1, -1, 1, -1, 1])
    values[25:] = values[24]
    series = make_series([f"{1950 + i}-01-01" for i in range(30)], values)
    result = run_backtest([series], models=["last", "drift"], horizons=[1], origins=Origins(min_train=20))
    shuffled = replace(result, rows=result.rows.sample(frac=1.0, random_state=1))
    one, two = (skill_table(table).sort_values("model").reset_index(drop=True) for table in (result, shuffled))
    assert one.equals(two)


def test_the_table_of_errors_grows_with_the_forecasts_and_not_with_their_product():
    """Sixteen glaciers at dates of their own: 16 x 60 x 60 dates would take gigabytes."""
    series = []
    for number in range(16):
        rng = np.random.default_rng(number)
        dates = np.datetime64("2015-01-01") + np.sort(rng.choice(3000, 40, replace=False))
        series.append(make_series(dates, np.cumsum(rng.normal(0, 3, 40)), glacier=f"G{number}"))
    result = run_backtest(series, models=["last", "drift"], horizons=[1, 2])
    tracemalloc.start()
    table = skill_table(result, draws=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (table["n_series"] == 16).all()
    assert peak < 20e6


def test_a_model_that_is_the_last_value_does_not_beat_it_and_forecasts_are_not_too_few():
    series = make_series([f"{1950 + i}-01-01" for i in range(40)], np.cumsum([1.0, -2.0, 3.0, -1.0] * 10))
    result = run_backtest([series], models=["last", "seasonal-last"], horizons=[1])
    rows = result.rows
    rows["forecast"] = np.where(rows["model"] == "last", rows["forecast"], np.nan)
    rows["forecast"] = rows.groupby("cutoff")["forecast"].transform("max")
    (row,) = verdicts(skill_scores(result)).itertuples()
    assert row.use == "last"
    assert "too few" not in row.verdict
    assert "1.00 times" in row.verdict


def test_origins_that_lie_close_together_are_not_taken_for_so_many_proofs():
    """Twelve origins five years apart and ten within one year, whose forecasts five years ahead share one shock."""
    days = np.concatenate([np.arange(12) * 5.0, 60 + np.linspace(0, 0.9, 10)]) * 365.25
    cutoffs = pd.Timestamp("1900-01-01") + pd.to_timedelta(days.round(), "D")
    rng = np.random.default_rng(0)
    chances = []
    for _ in range(200):
        loss = np.concatenate([rng.normal(size=12), rng.normal() + 0.1 * rng.normal(size=10)])
        parts = [
            pd.DataFrame({
                "glacier": "A", "variable": "length_m", "method": "-", "footprint": "-", "dataset": "-", "front_of": "",
                "model": model, "horizon": "5y", "cutoff": cutoffs, "target_date": cutoffs + pd.Timedelta(days=1826),
                "observed": 0.0, "forecast": errors, "status": "ok", "unit": "m", "source": "observed",
            })
            for model, errors in (("last", np.full(22, 10.0)), ("drift", 10 + loss))
        ]  # fmt: skip
        result = Backtest(pd.concat(parts, ignore_index=True), np.array([0.5]), np.zeros((44, 1)))
        chances.append(skill_table(result, draws=2).set_index("model").loc["drift", "p_value"])
    assert np.mean(np.array(chances) < 0.05) < 0.2
