"""What a forecast starts from: breaks behind it, doubts settled, records that tell nothing of change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glaciertime.forecast import forecast_series
from glaciertime.forecast.example import make_series
from glaciertime.forecast.regime import break_texts, present_regime
from glaciertime.forecast.series import Series

LOCAL = ["last", "drift", "damped-drift", "seasonal-last", "gp", "kalman"]
LEARNED = ["lstm", "mamba", "auto"]


def yearly(values, *, first: int = 2000, variable: str = "length_change_m", sigma=None) -> Series:
    dates = [f"{first + k}-01-01" for k in range(len(values))]
    unit = "km2" if variable == "area_km2" else "m"
    return make_series(dates, values, variable=variable, unit=unit, sigma=sigma)


def quantiles(series: Series, models, date: str, **options) -> dict[str, np.ndarray]:
    """Quantiles 0.05, 0.5 and 0.95 per model."""
    table = forecast_series(series, models=models, target_dates=[date], levels=[0.9], **options)
    assert (table["status"] == "ok").all(), table["status"].unique()
    return {model: rows["value"].to_numpy() for model, rows in table.groupby("model", sort=False)}


def shelf(years_after: int) -> Series:
    """Losing 4 or 5 km2 a year, and half of itself in 2001."""
    before = [1200, 1195, 1191, 1186, 1182, 1177]
    after = [640 - 4 * k - k // 2 for k in range(years_after)]
    return yearly([*before, *after], first=1996, variable="area_km2")


@pytest.mark.parametrize("years_after", [1, 9])
@pytest.mark.parametrize("model", [*LOCAL, *LEARNED])
def test_a_collapse_is_behind_the_forecast(model, years_after):
    series = shelf(years_after)
    last = series.values[-1]
    lower, middle, upper = quantiles(series, [model], f"{2002 + years_after + 8}-01-01")[model]
    assert last - 90 < middle <= last + 1
    assert lower > last - 150
    assert upper < last + 60


def test_a_loss_of_a_length_is_taken_out_as_a_difference():
    length = yearly(np.concatenate([-3.0 * np.arange(10), -500 - 3.0 * np.arange(10, 20)]))
    assert np.diff(present_regime(length).series.values) == pytest.approx(-3 * np.ones(19), abs=0.01)


def changes_before(scale_behind: float, *, behind: int = 16) -> np.ndarray:
    """How the changes before a loss of seven tenths are seen from behind it, over what they were."""
    rng = np.random.default_rng(4)
    steps = rng.normal(-4, 5, 14 + behind)
    before = 1000 + np.concatenate([[0.0], np.cumsum(steps[:14])])
    after = 0.3 * before[-1] + np.concatenate([[0.0], np.cumsum(scale_behind * steps[14:])])
    series = yearly(np.concatenate([before, after]), variable="area_km2")
    regime = present_regime(series)
    assert len(regime.breaks) == 1
    return np.diff(regime.series.values)[:14] / steps[:14]


def test_changes_before_a_loss_shrink_with_the_ice_only_where_those_behind_it_did():
    as_before, smaller = changes_before(1.0), changes_before(0.3)
    assert as_before == pytest.approx(np.full(14, 1.0), abs=0.03)
    assert smaller == pytest.approx(np.full(14, 0.3), abs=0.03)
    # Of one value behind it nothing is told: unchanged is twice as likely, of which this is the expected variance.
    assert changes_before(0.3, behind=0) == pytest.approx(np.full(14, np.sqrt(0.3**2 / 3 + 2 / 3)), abs=0.01)


def test_a_shelf_that_grew_before_its_loss_is_never_seen_below_zero():
    values = [100.0 + 60.0 * k for k in range(16)] + [400.0]
    assert (present_regime(yearly(values, variable="area_km2")).series.values >= 0).all()


def test_a_loss_that_goes_on_and_a_small_one_stay():
    under_way = yearly([1200, 1195, 1191, 1186, 1182, 1177, 1173, 900, 650], variable="area_km2")
    assert present_regime(under_way).breaks == ()
    calving = yearly([1200, 1205, 1211, 1216, 1222, 1227, 1170, 1174, 1180, 1185], variable="area_km2")
    assert present_regime(calving).breaks == ()


def test_a_dense_record_breaks_between_two_of_its_own_days():
    days = np.arange(0, 12 * 365, 30)
    dates = np.datetime64("2000-01-01") + days
    values = 100 * np.sin(2 * np.pi * days / 365.25) - days / 50 + 20_000
    values[dates >= np.datetime64("2006-03-01")] -= 6_000
    regime = present_regime(make_series(dates, values, variable="front_position_m"))
    (found,) = regime.breaks
    assert dates[found.start] < np.datetime64("2006-03-01") <= dates[found.end]
    assert np.abs(np.diff(regime.series.values)).max() < 400


@pytest.mark.parametrize("model", [*LOCAL, *LEARNED])
def test_a_last_value_of_unusual_sigma_is_hardly_believed(model):
    values = [-5.0 * k for k in range(11)] + [500.0]
    series = yearly(values, sigma=[1.0] * 11 + [1000.0])
    _, middle, _ = quantiles(series, [model], "2012-01-01")[model]
    assert middle == pytest.approx(-60, abs=8)


def test_unknown_and_equal_sigmas_leave_the_last_value_as_it_is():
    values = [-5.0 * k for k in range(11)] + [500.0]
    for sigma in (None, [1000.0] * 12):
        assert present_regime(yearly(values, sigma=sigma)).series.values[-1] == 500.0


@pytest.mark.parametrize("model", [*LOCAL, "arima", *LEARNED])
def test_equal_values_are_forecast_with_the_spread_of_their_last_digit(model):
    found = quantiles(yearly([5.0] * 20), [model], "2025-01-01")[model]
    assert found == pytest.approx([4.955, 5.0, 5.045])
    found = quantiles(yearly([5.0] * 20, sigma=[0.4] * 20), [model], "2025-01-01")[model]
    assert found == pytest.approx([5 - 1.645 * 0.4, 5.0, 5 + 1.645 * 0.4], abs=1e-3)


@pytest.mark.parametrize("model", [*LOCAL, "arima", *LEARNED])
def test_a_glacier_that_is_gone_stays_so(model):
    values = np.maximum(3.0 - 0.5 * np.arange(20), 0.0)
    found = quantiles(yearly(values, variable="area_km2"), [model], "2030-01-01")[model]
    assert found[:2].tolist() == [0.0, 0.0]
    # The least that was ever seen of it.
    assert 0 < found[2] <= 0.5


@pytest.mark.parametrize("model", [*LOCAL, "arima", *LEARNED])
def test_a_vanishing_area_is_not_surely_gone_at_once(model):
    series = yearly(np.linspace(2.0, 0.05, 20), variable="area_km2")
    lower, middle, upper = quantiles(series, [model], "2020-01-01")[model]
    assert 0 <= lower <= middle <= 0.06
    assert upper > 0.02


def test_a_front_is_not_forecast_beyond_the_end_of_its_line():
    values = np.array([11000.0, 10800, 10500, 9800, 9000, 8100, 7300, 6400, 5500, 4600])
    own = make_series([f"{2000 + k}-01-01" for k in range(10)], values, variable="front_position_m")
    position = replace(own, method="centreline")
    lower, middle, _ = quantiles(position, ["drift"], "2020-01-01")["drift"]
    assert 0 < lower <= middle
    # Of a position whose zero is anybody's nothing is known.
    assert quantiles(own, ["drift"], "2020-01-01")["drift"][0] < 0


def test_an_old_value_of_large_sigma_lies_on_the_line_of_the_later_ones():
    dates = ["1900-01-01", *(f"{year}-01-01" for year in range(1950, 2001, 2))]
    years = np.array([float(date[:4]) for date in dates])
    lengths = 10_000 - 50 * (years - 1900) + np.where(np.arange(len(years)) % 2, 4.0, -4.0)
    series = make_series(dates, lengths, variable="length_m", sigma=[100.0] + [10.0] * (len(years) - 1))
    assert present_regime(series).series.values[0] == pytest.approx(10_000, abs=60)
    assert quantiles(series, ["drift"], "2010-01-01")["drift"][1] == pytest.approx(4500, abs=60)


@pytest.mark.parametrize("doubtful", [0.0, 500.0])
@pytest.mark.parametrize("model", LOCAL)
def test_a_doubtful_last_area_is_neither_gone_nor_what_bounds_are_measured_by(model, doubtful):
    values = [30 - 0.1 * k for k in range(14)] + [doubtful]
    series = yearly(values, variable="area_km2", sigma=[0.5] * 14 + [1000.0])
    lower, middle, upper = quantiles(series, [model], "2015-01-01")[model]
    assert middle == pytest.approx(28.5, abs=0.5)
    assert 25 < lower < middle < upper < 32


def test_a_winter_at_the_end_of_a_dense_record_is_no_break():
    dates = np.arange(np.datetime64("2005-01-15"), np.datetime64("2015-12-31"), np.timedelta64(30, "D"))
    years = dates.astype(float) / 365.25
    noise = np.random.default_rng(1).normal(0, 20, len(years))
    series = make_series(dates, 5000 - 20 * (years - years[0]) + 500 * np.cos(2 * np.pi * years) + noise)
    found = [str(dates[k - 1]) for k in range(60, len(dates)) if present_regime(series.take(slice(0, k))).breaks]
    assert found == []


@pytest.mark.parametrize("count_after", [3, 5, 7, 12])
def test_a_dense_collapse_has_its_whole_size_within_its_own_year(count_after):
    dates = np.arange(np.datetime64("2005-01-15"), np.datetime64("2018-12-31"), np.timedelta64(30, "D"))
    areas = 1000 + np.random.default_rng(1).normal(0, 2, len(dates))
    at = int(np.searchsorted(dates, np.datetime64("2015-08-01")))
    areas[at:] -= 500
    regime = present_regime(make_series(dates, areas, variable="area_km2", unit="km2").take(slice(0, at + count_after)))
    (found,) = regime.breaks
    assert (found.start, found.end) == (at - 1, at)
    assert found.step == pytest.approx(-500, abs=4)


def test_what_hardly_was_says_nothing_by_its_shares():
    before = 0.01 + 0.004 * np.random.default_rng(0).random(10)
    lake = np.concatenate([before, 10 + 0.1 * np.arange(5)])
    for values in (lake, np.where(lake < 1, 0.0, lake)):
        regime = present_regime(yearly(values, variable="area_km2"))
        assert len(regime.breaks) == 1
        assert np.abs(np.diff(regime.series.values)).max() < 0.2


def test_a_small_break_is_named_with_its_digits():
    values = np.concatenate([0.8 - 0.003 * np.arange(10), 0.4 - 0.003 * np.arange(5)])
    (text,) = break_texts(yearly(values, variable="area_km2"))
    assert "-0.37 km2" in text


def test_many_doubtful_values_of_a_dense_record_are_settled_by_the_nearest(monkeypatch):
    from glaciertime.forecast.local.kalman import Kalman

    lengths, fit = [], Kalman.fit_alone
    monkeypatch.setattr(Kalman, "fit_alone", lambda self, s, **given: lengths.append(len(s)) or fit(self, s, **given))
    sigma = np.where(np.arange(600) >= 595, 50.0, 1.0)
    dates = np.datetime64("2000-01-01") + 9 * np.arange(600)
    values = np.random.default_rng(0).normal(0, 1, 600).cumsum()
    present_regime(make_series(dates, values, sigma=sigma))
    assert len(lengths) == 1
    assert lengths[0] <= 100


GONE_AND_BACK = [40.0, 38, 37, 35, 33.5, 32, 30, 0, 0, 0, 0.5, 0.6, 0.8, 0.9, 1.1, 1.2]


@pytest.mark.parametrize("model", [*LOCAL, "auto"])
def test_what_grew_from_nothing_goes_on_as_it_grew_whatever_was_there_before(model):
    back = yearly(GONE_AND_BACK, variable="area_km2")
    alone = back.take(slice(9, None))
    assert present_regime(back).series.values.tolist() == GONE_AND_BACK[9:]
    for date in ("2017-01-01", "2025-01-01"):
        assert quantiles(back, [model], date)[model] == pytest.approx(quantiles(alone, [model], date)[model])
    (text,) = break_texts(back)
    assert "nothing was left on 2009-01-01 of what has come back since" in text


def test_zeros_between_values_of_one_size_were_misread_and_no_regime_begins_with_them():
    away = yearly([40.0, 38, 37, 35, 33.5, 32, 30, 0, 0, 0, 26, 25, 23.5, 22, 21, 20], variable="area_km2")
    seen = present_regime(away).series
    assert seen.values[0] <= 40
    assert (seen.values > 0).all()
    lower, middle, upper = quantiles(away, ["kalman"], "2017-01-01")["kalman"]
    assert 14 < lower < middle < upper < 22
    one = yearly([40.0, 38, 37, 35, 33.5, 32, 30, 0, 27, 26, 25, 23.5, 22, 21, 20], variable="area_km2")
    assert len(present_regime(one).series) == 15


def test_a_position_of_zero_is_a_place_and_nothing_was_gone():
    values = [40.0, 30, 20, 10, 0, 1, 2, 3, 4, 5]
    series = make_series([f"{2000 + k}-01-01" for k in range(10)], values, variable="front_position_m")
    assert len(present_regime(series).series) == 10
