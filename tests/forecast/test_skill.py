"""Skill against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.forecast import Origins, run_backtest
from glaciertime.forecast.example import make_series, straight_series
from glaciertime.forecast.judged.skill import skill_scores, skill_table


def test_a_model_has_no_skill_against_itself_and_drift_has_on_lines():
    lines = [
        make_series([f"{2000 + i}-01-01" for i in range(16)], rate * np.arange(16.0), glacier=f"G{rate}")
        for rate in (1, 2, 3)
    ]
    result = run_backtest(lines, models=["last", "drift"], horizons=[1, 2], origins=Origins(min_train=8))
    table = skill_table(result).set_index(["model", "horizon"])
    assert (table.loc["last", ["skill", "lower", "upper"]] == 0).all().all()
    assert (table.loc["drift", "lower"] > 0.9).all()
    assert (table.loc["drift", "p_worse"] == 0).all()
    assert (table["n_series"] == 3).all()


def test_failures_are_left_out_for_both_and_counted():
    series = straight_series(rate_per_year=1.0, count=12)
    result = run_backtest([series], models=["last", "theta"], horizons=[1], origins=Origins(min_train=5))
    row = skill_table(result).set_index("model").loc["theta"]
    assert row["n_left_out"] == 3
    with pytest.raises(InputError, match="model 'drift' is not in the backtest"):
        skill_table(result, reference="drift")


def test_skill_is_stored_as_scores_of_one_series():
    line = straight_series(rate_per_year=1.0, count=30)
    result = run_backtest([line], models=["last", "drift"], horizons=[1], origins=Origins(min_train=5))
    rows = skill_scores(result).set_index("metric")
    assert set(rows["model"]) == {"drift"}
    assert rows.loc["skill_last_lower", "value"] <= rows.loc["skill_last", "value"] <= 1.0
    assert rows.loc["skill_last", "value"] > 0.9
    assert (rows["n"] == 25).all()


def test_skill_of_several_series_is_not_stored_as_one():
    lines = [straight_series(rate_per_year=1.0, count=14), make_series(["2000-01-01", "2001-01-01"], [1.0, 2.0])]
    lines.append(make_series([f"{2000 + i}-01-01" for i in range(14)], np.arange(14.0), glacier="Other"))
    result = run_backtest(lines, models=["last", "drift"], horizons=[1], origins=Origins(min_train=5))
    with pytest.raises(InputError, match="holds 2 series"):
        skill_scores(result)
