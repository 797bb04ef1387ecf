"""What statsforecast and pmdarima answer is handed on, in the units and at the dates that were asked for."""

from __future__ import annotations

import numpy as np
import pmdarima
import pytest

from glaciertime.errors import SeriesTooShortError
from glaciertime.forecast.local.classical import AutoArima
from glaciertime.forecast.prediction import quantiles_of

from .conftest import make_series

WALK = 4000 + np.cumsum(np.random.default_rng(4).normal(-20, 30, 24))
YEARS = [f"{1990 + year}-07-01" for year in range(24)]


def test_auto_arima_is_that_of_pmdarima():
    dates = np.array(["2014-07-01", "2016-07-01", "2018-07-01"], "M8[D]")
    found = AutoArima().fit(make_series(YEARS, WALK)).predict(dates, levels=[0.9])
    scale = np.abs(np.diff(WALK)).mean()
    own = pmdarima.auto_arima((WALK - WALK[-1]) / scale, seasonal=False, information_criterion="aicc")
    middle, bounds = own.predict(n_periods=5, return_conf_int=True, alpha=0.1)
    steps = [0, 2, 4]
    assert found.quantiles.tolist() == pytest.approx(quantiles_of([0.9]).tolist())
    # A step of the grid is a year of 365.25 days: the date lies up to a day off it.
    np.testing.assert_allclose(found.median, WALK[-1] + scale * middle[steps], atol=0.01 * scale)
    np.testing.assert_allclose(found.values[:, [0, -1]], WALK[-1] + scale * bounds[steps], atol=0.01 * scale)


def test_auto_arima_takes_no_gap_for_a_step():
    years = [year for year in range(24) if year not in (20, 21)]
    with pytest.raises(SeriesTooShortError, match=r"auto-arima, which needs even steps.*use kalman"):
        AutoArima().fit(make_series([YEARS[year] for year in years], WALK[years]))


def test_auto_arima_says_the_same_in_kilometres():
    cycle = 1000 + 10 * np.sin(np.arange(24) / 2)
    dates = np.array(["2014-07-01", "2018-07-01"], "M8[D]")
    metres, kilometres = (AutoArima().fit(make_series(YEARS, cycle * unit)).predict(dates) for unit in (1, 1e-3))
    np.testing.assert_allclose(1e3 * kilometres.values, metres.values, rtol=1e-9)
