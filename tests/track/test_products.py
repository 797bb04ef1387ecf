"""Series made of observations: periods, cycles, breaks and flowlines of known size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glaciertime.breaks import change_table, segment_table
from glaciertime.combining import one_per_day
from glaciertime.errors import InputError
from glaciertime.track import TrackSettings, track_scenes
from glaciertime.track.record.periods import annual_rates, period_means, seasonal_cycle
from glaciertime.track.ruler.flowlines import flowline_positions, flowline_retreat

from .test_screening import series
from .test_series import crane, mask_scene, toy_glacier  # noqa: F401  # a fixture


def test_a_month_without_an_observation_has_no_row():
    table = series([1.0, 2.0, 3.0], every_days=45)
    months = period_means(table, period="month")
    assert months["start_date"].dt.month.tolist() == [1, 2, 3]
    gap = period_means(series([1.0, 3.0], every_days=100), period="month")
    assert gap["start_date"].dt.month.tolist() == [1, 4]


def test_a_year_is_the_mean_of_its_months_not_of_its_images():
    table = series([10.0] * 9 + [50.0], every_days=3)
    table.loc[9, "date"] = pd.Timestamp("2020-07-01")
    assert period_means(table, period="year")["value"].tolist() == [30.0]


def test_december_belongs_to_the_next_winter():
    table = series([1.0, 2.0, 3.0])
    table["date"] = pd.to_datetime(["2019-12-10", "2020-01-10", "2020-02-10"])
    winter = period_means(table, period="season")
    assert winter[["start_date", "value", "n"]].values.tolist() == [[pd.Timestamp("2019-12-01"), 2.0, 3]]
    with pytest.raises(InputError, match="unknown period 'week'"):
        period_means(table, period="week")


def test_seasonal_cycle_has_the_amplitude_and_the_dates_put_in():
    days = np.arange(0, 3 * 365, 10)
    values = 300 * np.cos(2 * np.pi * (days - 150) / 365.25)
    cycle = seasonal_cycle(series(values, every_days=10))
    assert cycle["year"].tolist()[:2] == [2020, 2021]
    assert cycle["amplitude"].iloc[0] == pytest.approx(600, abs=3)
    assert cycle["maximum_date"].iloc[0].dayofyear == pytest.approx(151, abs=5)


def test_crane_broke_in_2002_by_at_least_100_km2(crane):  # noqa: F811
    breaks = change_table(crane.observations).query("variable == 'area_km2' and footprint == 'box'")
    collapse = breaks.iloc[0]
    assert (str(collapse["after"].date()), str(collapse["before"].date())) == ("2001-03-15", "2002-03-15")
    assert collapse["qualifier"] == "at least"
    assert collapse["step"] < -100
    assert collapse["p_value"] < 0.05


def test_crane_after_2010_reads_as_stable_not_as_retreating(crane):  # noqa: F811
    segments = segment_table(crane.observations).query("variable == 'area_km2' and footprint == 'box'")
    assert segments["reading"].tolist()[0] == "bound"
    last = segments.iloc[-1]
    assert last["end_date"].year == 2021
    assert last["reading"] in ("stable", "growing")
    assert last["rate_per_year"] > 0


def test_flowlines_retreat_by_what_the_masks_lost():
    settings = TrackSettings(box_width_m=3_000, centreline_count=5)
    tracked = track_scenes([mask_scene(6_000, 0), mask_scene(5_400, 100)], glacier=toy_glacier(), settings=settings)
    matrix = flowline_positions(tracked.fronts, glacier=toy_glacier(), settings=settings)
    assert matrix.shape == (2, 5)
    np.testing.assert_allclose(matrix.iloc[0] - matrix.iloc[1], 600, atol=1)
    retreat = flowline_retreat(tracked.fronts, glacier=toy_glacier(), settings=settings)
    np.testing.assert_allclose(retreat["retreat_m"], 600, atol=1)
    np.testing.assert_allclose(retreat.to_crs(toy_glacier().crs).length, 600, atol=1)


def test_dates_before_nanoseconds_have_means_and_rates() -> None:
    days = np.array(["1600-08-12", "1650-01-01", "1700-01-01", "2003-08-12"], dtype="datetime64[s]")
    rows = pd.DataFrame({
        "glacier": "Toy", "variable": "front_position_m", "method": "centreline", "footprint": "centreline",
        "dataset": "toy", "date": days, "image_id": list("abcd"), "sigma": 10.0, "unit": "m", "source": "observed",
        "quality": "ok", "value": [4.0, 3.0, 2.0, 1.0],
    })  # fmt: skip
    means = period_means(rows, period="year")
    assert means["end_date"].dt.strftime("%Y-%m-%d").tolist()[:2] == ["1600-12-31", "1650-12-31"]
    assert one_per_day(rows)["date"].dtype == "datetime64[s]"


def test_the_annual_rate_of_a_straight_line_is_its_slope_whatever_days_of_the_months_were_seen():
    table = series([0.0] * 4)
    table["date"] = pd.to_datetime(["2016-06-01", "2016-07-02", "2017-06-30", "2017-07-31"])
    table["value"] = -300 * (table["date"] - pd.Timestamp("2016-01-01")).dt.days / 365.25
    assert annual_rates(table)["rate_per_year"].tolist() == pytest.approx([-300.0])


def test_an_annual_rate_errs_by_the_scatter_of_its_months_or_by_its_sigmas_whichever_is_more():
    # 2017 and 2018 have as many days in between: a year of 365, the same in every month.
    dates = [f"{year}-{month:02d}-10" for year in (2017, 2018) for month in (3, 5, 7, 9)]
    table = series([0.0] * 8).assign(date=pd.to_datetime(dates), value=[0.0] * 4 + [-90.0, -100, -110, -120])
    years = 365 / 365.25
    for sigma, spread in ((0.1, np.std([90, 100, 110, 120], ddof=1)), (50.0, 50 * 2**0.5)):
        (row,) = annual_rates(table.assign(sigma=sigma), level=0.9).itertuples()
        assert (row.months, row.rate_per_year) == (4, pytest.approx(-105 / years))
        assert row.sigma == pytest.approx(spread / 2 / years)
        assert row.high - row.rate_per_year == pytest.approx(stats.t.ppf(0.95, 3) * row.sigma)
    # Two months tell no scatter: the sigmas alone, each year with its own.
    two = table[table["date"].dt.month <= 5].assign(sigma=[3.0, 3, 4, 4])
    (row,) = annual_rates(two, level=0.9).itertuples()
    assert row.sigma == pytest.approx(5 / 2**0.5 / years)
    assert row.rate_per_year - row.low == pytest.approx(stats.norm.ppf(0.95) * row.sigma)


def test_an_amplitude_errs_by_its_two_values_and_periods_end_on_their_last_day():
    table = series([0.0, 5, 10, 5, 0, -5, 4], every_days=31).assign(sigma=[3.0, 3, 4, 3, 3, 3, 3])
    (cycle,) = seasonal_cycle(table).itertuples()
    assert (cycle.amplitude, cycle.amplitude_sigma) == (15.0, 5.0)
    ends = period_means(table, period="month")["end_date"].dt.strftime("%Y-%m-%d").tolist()
    assert ends[:3] == ["2020-01-31", "2020-02-29", "2020-03-31"]
