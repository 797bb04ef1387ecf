"""What a forecast hangs on, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.errors import FitError, InputError
from glaciertime.forecast import forecast_series
from glaciertime.forecast.example import straight_series
from glaciertime.forecast.judged.influence import influence_of
from glaciertime.forecast.series import Series


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


def test_of_the_trees_observations_and_inputs_are_told(glaciers: list[Series]) -> None:
    """Each row is the forecast of the trees without that observation, learned from the same other glaciers."""
    series, others = glaciers[0], glaciers[1:]
    date = series.dates[-1] + np.timedelta64(730, "D")
    found = influence_of(series, model="gbm", date=date, latest=3, training=others)
    assert set(found.observations["status"]) == {"ok"}
    assert found.observations["moves_median"].abs().max() > 0
    bent = series.take(np.arange(len(series)) != len(series) - 2)
    without = forecast_series(bent, models=["gbm"], target_dates=[date], cutoff=str(series.dates[-1]), levels=(0.9,),
                              training=others)  # fmt: skip
    middle = without.loc[without["quantile"].round(2) == 0.5, "value"].item()
    assert found.observations.iloc[1]["median"] == pytest.approx(middle, rel=1e-9)
    assert len(found.inputs) > 5
    assert np.isfinite(found.inputs["moves_median"]).all()
    order = found.inputs["moves_median"].abs().to_numpy()
    assert (np.diff(order) <= 0).all()
    whole = influence_of(series, model="auto", date=date, latest=1, training=others)
    assert len(whole.inputs) == 0
    assert "is told of gbm" in whole.told[-1]
