"""Skill and scenarios against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.errors import InputError, UsageError
from glaciertime.forecast import Origins, run_backtest
from glaciertime.forecast.example import make_series, straight_series
from glaciertime.forecast.scenario import scenario_series
from glaciertime.forecast.skill import skill_table


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


@pytest.mark.parametrize(("scenario", "value"), [("held", 78.0), ("doubled", 76.0), ("zero", 80.0)])
def test_scenarios_multiply_the_recent_rate(scenario, value):
    table = scenario_series(straight_series(rate_per_year=-2.0), scenario=scenario, target_dates=["2011-01-01"])
    assert table.loc[table["quantile"] == 0.5, "value"].item() == pytest.approx(value, abs=0.01)
    assert set(table["model"]) == {f"scenario-{scenario}"}


def test_an_unknown_scenario_is_refused():
    with pytest.raises(UsageError, match="no scenario 'tripled'; give one of held, doubled, zero"):
        scenario_series(straight_series(rate_per_year=-2.0), scenario="tripled", target_dates=["2011-01-01"])
