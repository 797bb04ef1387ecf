"""What reading a record leaves open: no forecast is nearer to its median than that."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.forecast import forecast_series
from glaciertime.forecast.example import make_series
from glaciertime.forecast.reading import resolution_of

MODELS = ["drift", "damped-drift", "theta", "ets", "auto-arima", "gp", "kalman", "arima", "auto"]


def line(count: int, *, sigma: float = np.nan):
    """Two metres less every 365 days, so that no leap day disturbs the line."""
    dates = np.datetime64("2000-01-01") + 365 * np.arange(count)
    return make_series(dates, 100.0 - 2.0 * np.arange(count), sigma=sigma)


def quantiles(series, model: str) -> np.ndarray:
    date = series.dates[-1] + 365
    table = forecast_series(series, models=[model], target_dates=[date], levels=[0.9])
    assert (table["status"] == "ok").all(), table["status"].unique()
    return table["value"].to_numpy()


def test_three_values_on_a_line_are_carried_on_with_their_rounding():
    low, middle, high = quantiles(line(3), "drift")
    assert middle == pytest.approx(94.0)
    # Whole metres, a year beyond two: 0.45 m on each side, twice.
    assert (low, high) == pytest.approx((94 - 0.9, 94 + 0.9))


@pytest.mark.parametrize("model", MODELS)
def test_no_model_is_surer_than_the_last_digit_or_the_sigma(model):
    low, middle, high = quantiles(line(12), model)
    assert min(high - middle, middle - low) >= 0.45
    low, middle, high = quantiles(line(12, sigma=5.0), model)
    assert min(high - middle, middle - low) >= 1.644 * 5


def test_the_finest_value_tells_the_resolution():
    assert [resolution_of(value) for value in (1200.0, 0.1 + 0.2, -3.25, 0.0)] == [100.0, 0.01, 0.01, 1.0]
    series = make_series(["2001-01-01", "2002-01-01", "2003-01-01"], [12.0, 11.5, 11.0])
    assert np.ptp(quantiles(series, "drift")) == pytest.approx(0.9 * 0.1 * 2, rel=0.02)


def test_auto_of_two_or_three_values_is_the_last_one():
    for count in (2, 3):
        assert quantiles(line(count), "auto") == pytest.approx(quantiles(line(count), "last"))


@pytest.mark.parametrize("count", [6, 9, 12])
def test_auto_of_a_line_alone_is_no_surer_than_its_parts_agree(count):
    dates = np.datetime64("2000-01-01") + 365 * np.arange(count)
    low, middle, high = quantiles(make_series(dates, 1000.1 - 20.0 * np.arange(count)), "auto")
    # On it goes, by as much again: the mix is drawn to the last value, and knows by how much.
    assert low <= 1000.1 - 20.0 * count <= middle <= high
    assert high - low < 4 * 20
