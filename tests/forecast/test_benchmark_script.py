"""The benchmark's ratios: paired, so that a model that fails where it is hard gains nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glaciertime.forecast import Backtest


@pytest.fixture(scope="module")
def benchmark():
    path = Path(__file__).parents[2] / "scripts" / "benchmark_forecast.py"
    if not path.is_file():
        pytest.skip(f"no {path.name}: the scripts are not part of the installed package")
    spec = importlib.util.spec_from_file_location("benchmark_forecast", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def result():
    """Errors of 10, 10, 1, 1 by both models, one of which fails at the first two origins."""
    rows, values = [], []
    for model in ("last", "picky"):
        for place, error in enumerate((10.0, 10.0, 1.0, 1.0)):
            failed = model == "picky" and place < 2
            rows.append({
                "dataset": "D", "variable": "length_change_m", "glacier": "G", "method": "-", "footprint": "-",
                "front_of": "", "model": model, "horizon": "lead 1", "cutoff": pd.Timestamp(f"200{place}-01-01"),
                "target_date": pd.Timestamp(f"200{place + 1}-01-01"), "observed": 0.0,
                "forecast": np.nan if failed else error, "status": "no" if failed else "ok",
            })  # fmt: skip
            values.append([np.nan] * 3 if failed else [error - 1, error, error + 1])
    return Backtest(pd.DataFrame(rows), np.array([0.05, 0.5, 0.95]), np.array(values))


def test_a_model_that_fails_where_it_is_hard_is_paired_with_the_last_value_there(benchmark, result):
    table = benchmark.with_ratio(benchmark.per_series(result))
    picky = table[(table["model"] == "picky") & (table["lead"] == "all")].iloc[0]
    assert (picky["mae"], picky["mae_last"], picky["ratio"]) == (1.0, 1.0, 1.0)
    assert picky["score_ratio"] == 1.0
    assert (picky["n_failed"], picky["inside_n"]) == (2, 2)
    last = table[(table["model"] == "last") & (table["lead"] == "all")].iloc[0]
    assert last["mae"] == last["mae_last"] == 5.5


def test_two_models_are_compared_on_the_targets_that_both_forecast(benchmark, result):
    assert benchmark.log_ratios(result, "picky", "last").tolist() == [0.0]
