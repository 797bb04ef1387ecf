"""Scenarios, with and without a profile of the fjord."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glaciertime.errors import InputError, UsageError
from glaciertime.forecast.example import make_series, straight_series
from glaciertime.forecast.profile import Profile, profile_from_table
from glaciertime.forecast.scenario import scenario_series

TARGETS = ["2011-01-01", "2020-01-01"]
LINE = straight_series(rate_per_year=-100.0, start=10_000.0)


def medians(**options):
    rows = scenario_series(LINE, target_dates=TARGETS, **options)
    return rows["model"].iloc[0], rows.loc[rows["quantile"] == 0.5, "value"].to_numpy()


@pytest.mark.parametrize(("name", "factor"), [("held", 1.0), ("doubled", 2.0), ("zero", 0.0)])
def test_the_rate_is_what_its_name_says(name, factor):
    model, values = medians(scenario=name)
    assert model == f"scenario-{name}"
    np.testing.assert_allclose(values, 9000.0 - factor * 100.0 * np.array([1.0, 10.0]), atol=2.0)


def test_a_fjord_of_even_width_changes_nothing():
    even = Profile(np.array([0.0, 20_000.0]), np.array([5000.0, 5000.0]))
    model, values = medians(scenario="held", profile=even)
    assert model == "scenario-held+profile"
    np.testing.assert_allclose(values, medians(scenario="held")[1], atol=0.01)


def test_a_front_moves_faster_where_the_fjord_is_narrower_and_loses_the_same_area():
    narrowing = Profile(np.array([0.0, 9000.0, 20_000.0]), np.array([1000.0, 4000.0, 4000.0]))
    _, values = medians(scenario="held", profile=narrowing)
    assert values[1] < medians(scenario="held")[1][1]
    width = narrowing.at(values)
    lost = (4000.0 + width) / 2 * (9000.0 - values)
    np.testing.assert_allclose(lost / 4000.0, 100.0 * np.array([1.0, 10.0]), rtol=0.003)


def test_a_front_may_not_leave_the_profile():
    short = Profile(np.array([8500.0, 9500.0]), np.array([1000.0, 1000.0]))
    with pytest.raises(InputError, match="would leave the profile"):
        medians(scenario="held", profile=short)
    with pytest.raises(InputError, match="the front is at 9,000 m"):
        medians(scenario="held", profile=Profile(np.array([0.0, 500.0]), np.array([1.0, 1.0])))


def test_a_profile_is_for_front_positions_only():
    area = straight_series(rate_per_year=-1.0)
    area = type(area)(**{**area.__dict__, "variable": "area_km2", "unit": "km2"})
    with pytest.raises(InputError, match="says nothing of area_km2"):
        scenario_series(area, scenario="held", target_dates=TARGETS,
                        profile=Profile(np.array([0.0, 500.0]), np.array([1.0, 1.0])))  # fmt: skip


def test_an_unknown_scenario_is_refused():
    with pytest.raises(UsageError, match="held, doubled, zero"):
        medians(scenario="tripled")


def test_a_bad_profile_is_refused():
    with pytest.raises(InputError, match="column value is missing"):
        profile_from_table(pd.DataFrame({"position_m": [1.0, 2.0]}))
    for values in ([1.0, -2.0], [1.0, np.nan]):
        with pytest.raises(InputError, match="positive finite values"):
            profile_from_table(pd.DataFrame({"position_m": [1.0, 2.0], "value": values}))


def test_a_scenario_starts_from_the_present_regime():
    years = range(1996, 2012)
    areas = [1200, 1195, 1191, 1186, 1182, 1177, *(640 - 4 * k for k in range(10))]
    shelf = make_series([f"{year}-01-01" for year in years], areas, variable="area_km2", unit="km2")
    rows = scenario_series(shelf, scenario="held", target_dates=["2006-01-01"], cutoff="2004-06-01")
    assert rows.loc[rows["quantile"] == 0.5, "value"].item() == pytest.approx(632 - 8, abs=8)
    gone = make_series([f"{year}-01-01" for year in years], np.maximum(3 - 0.5 * np.arange(16), 0),
                       variable="area_km2", unit="km2")  # fmt: skip
    rows = scenario_series(gone, scenario="held", target_dates=["2020-01-01"])
    assert rows["value"].max() <= 0.5
