"""The benchmark's ratios: paired, so that a model that fails where it is hard gains nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glaciertime.forecast import Backtest
from glaciertime.forecast.example import straight_series


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


def test_shares_are_uncertain_by_the_years_that_they_are_of_not_by_how_many_glaciers_there_are(benchmark):
    years, glaciers = np.repeat([2001, 2002], 100), np.tile(np.arange(100), 2)
    bad_year = (years == 2001).astype(float)[:, None]
    shares = benchmark.drawn_shares(bad_year, years, glaciers)[:, 0]
    # The bad one of two years is drawn never, once or twice: 1/4, 1/2, 1/4.
    assert shares.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert set(shares.round(6)) == {0.0, 0.5, 1.0}
    bad_glaciers = (glaciers < 50).astype(float)[:, None]
    assert benchmark.drawn_shares(bad_glaciers, years, glaciers).std() == pytest.approx(0.05, rel=0.1)


def test_coverage_is_printed_by_lead_decade_and_tail(benchmark, result, capsys):
    benchmark.print_coverage(result, "last")
    lines = capsys.readouterr().out.splitlines()
    cells = {line.split()[0]: line.split() for line in lines[3:]}
    assert set(cells) == {"all", "lead_1", "2000s"}
    # 0 is observed, the intervals are error - 1 to error + 1: two lie over it, two hold it.
    assert (cells["all"][1], cells["all"][2], cells["all"][5]) == ("4", "0.500", "0.500")
    benchmark.print_against_parts(result, "picky", ("last",))
    assert "last 1.000 (at most 1.000)" in capsys.readouterr().out


def test_without_the_last_values_no_target_of_the_benchmark_is_left(benchmark):
    long = straight_series(rate_per_year=-1.0, count=70)
    (cut,) = benchmark.without_last([long, straight_series(rate_per_year=-1.0, count=40)], 30)
    targets = {origin + lead for origin in benchmark.origins_of(long).indices(long) for lead in benchmark.LEADS}
    assert len(cut) == 40
    assert min(targets) >= len(cut)
