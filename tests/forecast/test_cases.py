"""Records on which forecasts were wrong, read from their files, each with what is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glaciertime.forecast import (
    Origins,
    Series,
    backtest,
    forecast_series,
    observations_from_table,
    series_from_observations,
)
from glaciertime.forecast.regime import break_texts

MODELS = ["last", "drift", "damped-drift", "gp", "kalman", "arima", "auto-arima", "lstm", "mamba", "auto"]


def read(folder: Path, name: str) -> Series:
    (series,) = series_from_observations(observations_from_table(pd.read_csv(folder / "series" / f"{name}.csv")))
    return series


def intervals(series: Series, date: str) -> dict[str, np.ndarray]:
    """Quantiles 0.05, 0.5, 0.95 of each model that takes so few values."""
    table = forecast_series(series, models=MODELS, target_dates=[date], levels=[0.9])
    good = table[table["status"] == "ok"]
    assert {"last", "drift", "kalman", "auto"} <= set(good["model"])
    return {model: rows["value"].to_numpy() for model, rows in good.groupby("model", sort=False)}


@pytest.mark.parametrize(("name", "date"), [("larsen_just", "2003-01-01"), ("larsen_just", "2011-01-01"),
                                            ("larsen", "2019-01-01")])  # fmt: skip
def test_a_shelf_that_collapsed_goes_on_from_what_is_left(shared_cases: Path, name: str, date: str) -> None:
    series = read(shared_cases, name)
    # Of `larsen` the year after belongs to it, too: ten times what followed.
    behind = "2002-01-01" if name == "larsen_just" else "2003-01-01"
    (text,) = break_texts(series)
    assert f"a break between 2001-01-01 and {behind}, -5" in text
    for model, (lower, middle, upper) in intervals(series, date).items():
        assert 0 < lower < 645, model
        assert (560 if name == "larsen_just" else 500) <= middle <= 660, model
        assert upper < 760, model


def test_a_value_of_huge_sigma_is_hardly_believed(shared_cases: Path) -> None:
    for model, (lower, middle, upper) in intervals(read(shared_cases, "sigma_huge_last"), "2012-01-01").items():
        assert -66 < middle < -49, model
        assert -110 < lower < upper < 0, model


def test_equal_values_have_the_spread_of_their_last_digit(shared_cases: Path) -> None:
    for model, (lower, middle, upper) in intervals(read(shared_cases, "constant"), "2022-01-01").items():
        assert middle == pytest.approx(5, abs=0.01), model
        assert 4.8 < lower < 5 < upper < 5.2, model


@pytest.mark.parametrize(("name", "most"), [("zero_area", 0.2), ("vanishing_area", 0.5)])
def test_ice_that_is_gone_or_going_is_neither_negative_nor_coming_back(shared_cases: Path, name: str, most: float):
    for model, (lower, middle, upper) in intervals(read(shared_cases, name), "2022-01-01").items():
        assert 0 <= lower < 0.01, model
        assert middle <= 0.06, model
        assert 0 < upper < most, model


def test_a_steep_steady_retreat_is_carried_on(shared_data: Path) -> None:
    """Of Leclercq et al. (2014): the last value errs thrice as much at five years as theta and drift."""
    table = pd.read_csv(shared_data / "series" / "benchmark.csv")
    table = table[(table["variable"] == "length_change_m") & table["glacier"].str.contains("Hochjoch|Niederjoch")]
    for series in series_from_observations(observations_from_table(table)):
        found = backtest([series], models=["last", "kalman"], horizons=["5y"], metrics=["mae"],
                         origins=Origins(min_train=25, step=5))  # fmt: skip
        errors = found[found["metric"] == "mae"].set_index("model")["value"]
        assert errors["kalman"] < 0.5 * errors["last"], series.label
