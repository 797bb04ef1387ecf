"""What a forecast hangs on, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.errors import FitError, InputError
from glaciertime.forecast import forecast_series
from glaciertime.forecast.example import straight_series
from glaciertime.forecast.judged.influence import influence_of


def test_the_last_value_hangs_on_the_last_observation_alone() -> None:
    series = straight_series(rate_per_year=-2.0)
    found = influence_of(series, model="last", date="2012-01-01")
    moved = found.observations["moves_median"].to_numpy()
    assert np.flatnonzero(moved).tolist() == [len(series) - 1]
    assert moved[-1] == pytest.approx(-2.0)


def test_each_row_is_the_forecast_without_that_observation() -> None:
    series = straight_series(rate_per_year=-2.0)
    bent = series.take(np.arange(len(series)) != 4)
    found = influence_of(series, model="drift", date="2013-01-01", cutoff="2010-06-01")
    without = forecast_series(bent, models=["drift"], target_dates=["2013-01-01"], cutoff="2010-06-01", levels=(0.9,))
    value = {round(row.quantile, 2): row.value for row in without.itertuples()}
    row = found.observations.iloc[4]
    assert row["median"] == pytest.approx(value[0.5])
    assert row["width"] == pytest.approx(value[0.95] - value[0.05])
    assert found.median - row["moves_median"] == pytest.approx(value[0.5])


def test_only_the_latest_are_left_out_where_so_many_are_asked_for_and_that_is_told() -> None:
    series = straight_series(rate_per_year=-2.0)
    found = influence_of(series, model="last", date="2012-01-01", latest=3)
    assert len(found.observations) == 3
    assert found.observations["date"].iloc[-1] == series.dates[-1]
    assert f"{len(series) - 3} observations before" in found.told[-1]


def test_what_gives_no_forecast_and_what_is_too_short_is_told() -> None:
    series = straight_series(rate_per_year=-2.0)
    with pytest.raises(InputError, match="each can be left out"):
        influence_of(series.take(slice(0, 2)), model="last", date="2012-01-01")
    with pytest.raises(FitError, match="gives no forecast to explain"):
        influence_of(series.take(slice(0, 4)), model="theta", date="2012-01-01")
    with pytest.raises(InputError, match="does not lie after the cutoff"):
        influence_of(series, model="last", date="1990-01-01")
