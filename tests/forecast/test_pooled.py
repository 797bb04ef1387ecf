"""What the models over many glaciers are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glaciertime.forecast import forecast_series
from glaciertime.forecast.example import make_series
from glaciertime.forecast.learned.blend import blend_weights, own_weights
from glaciertime.forecast.learned.gbm import refit_year
from glaciertime.forecast.learned.linear import series_weights
from glaciertime.forecast.learned.pooled import Workbench
from glaciertime.forecast.series import Series
from glaciertime.forecast.task import Task

CUTOFF = np.datetime64("1984-01-01")
DATES = np.array(["1985-01-01", "1987-01-01"], dtype="datetime64[D]")


def test_areas_are_mixed_without_the_straight_line(glaciers):
    length = glaciers[0].until(CUTOFF)
    area = replace(length, variable="area_km2", unit="km2", values=np.abs(length.values))
    names = [Workbench([Task(one, CUTOFF, DATES)], [], (0.9,)).pool.candidates for one in (length, area)]
    assert set(names[0]) - set(names[1]) == {"linear"}


def test_the_straight_line_carries_a_rate_on(glaciers):
    """Every glacier retreats by its own constant rate: what was always true of the others holds for the last one."""
    lines = [
        replace(one, values=-(5.0 + number) * one.years + np.random.default_rng(number).normal(0, 0.1, len(one)))
        for number, one in enumerate(glaciers)
    ]
    table = forecast_series(lines[0], models=["linear"], target_dates=DATES, cutoff=CUTOFF, training=lines)
    got = table.loc[table["quantile"] == 0.5, "value"].to_numpy()
    truth = -5.0 * DATES.astype("datetime64[D]").astype(float) / 365.25
    np.testing.assert_allclose(got, truth, atol=1.0)


def test_refit_dates_lie_on_a_calendar():
    np.testing.assert_array_equal(refit_year(np.array([19.9, 20.0, 21.9, 22.0])), [18.0, 20.0, 20.0, 22.0])
    assert refit_year(24.9, every=5.0) == 20.0


def test_rows_of_a_long_series_count_less():
    weight = series_weights(np.ones(6), np.ones(6), np.array([0, 0, 0, 0, 1, 1]), power=1.0)
    np.testing.assert_allclose(weight[:4].sum(), weight[4:].sum())


def test_where_evidence_is_silent_areas_stay_at_their_last_value_and_lengths_follow_the_record():
    """All candidates alike: the mix is the one that evidence would have to speak against."""
    same = np.ones((60, 4))
    target = np.tile([2.0, 3.0, 4.0], 20)
    series = np.repeat(np.arange(6), 10)
    names = ["last", "drift", "kalman", "gbm"]
    area, length = (blend_weights(names, same, target, series, is_area=flag) for flag in (True, False))
    np.testing.assert_allclose(area, [0.5, 0, 0, 0.5], atol=0.1)
    np.testing.assert_allclose(length, [0, 0, 0.5, 0.5], atol=0.1)


def walks(count: int) -> list[Series]:
    """Glaciers that lose 8 m a year, with a scatter of 10 m a year, from 1980 to 2009."""
    found = []
    for number in range(count):
        values = np.cumsum(np.random.default_rng(number).normal(-8, 10, 30))
        made = make_series([f"{1980 + k}-01-01" for k in range(30)], values, variable="length_change_m")
        found.append(replace(made, glacier=f"walk {number}"))
    return found


def test_a_clean_line_among_other_glaciers_has_an_interval_that_holds_its_going_on():
    line = replace(walks(1)[0], glacier="line", values=-10.0 * np.arange(30))
    table = forecast_series(line, models=["auto", "gbm"], target_dates=["2015-01-01", "2020-01-01"], levels=[0.9],
                            training=walks(5))  # fmt: skip
    wide = table.pivot_table(index=["model", "target_date"], columns="quantile", values="value")
    low, middle, high = wide.to_numpy().T
    truth = np.tile([-350.0, -400.0], 2)
    # The others lose 8 m a year.
    assert np.abs(middle - truth).max() > 5
    assert (low <= truth).all()
    assert (truth <= high).all()
    assert (high - low < 120).all()


def test_three_other_glaciers_are_enough_to_forecast():
    """Of each of them fewer than three others are known: a column without a value, that trees cannot be grown on."""
    own, *others = walks(4)
    table = forecast_series(own, models=["auto", "gbm"], target_dates=["2012-01-01"], training=others)
    assert (table["status"] == "ok").all()
    assert np.isfinite(table["value"]).all()


def test_of_earlier_origins_those_count_that_were_as_sure_as_now():
    """The Kalman forecast erred ten times as much as the last value where it was unsure, a tenth where it was sure."""
    target = np.ones(200)
    is_sure = np.arange(200) >= 100
    candidates = np.column_stack([np.zeros(200), np.full(200, -5.0), np.where(is_sure, 0.9, 11.0)])
    narrowed = np.where(is_sure, -3.0, 1.0)
    unsure, sure, beyond = own_weights(candidates, target, narrowed, np.array([1.0, -3.0, -9.0]))
    assert unsure[2] <= 0.1
    np.testing.assert_allclose(sure, [0.0, 0.0, 1.0], atol=0.1)
    np.testing.assert_allclose(beyond, sure)


def test_where_a_record_tells_nothing_the_mix_is_the_fixed_one():
    none = own_weights(np.empty((0, 3)), np.empty(0), np.empty(0), np.zeros(2))
    still = own_weights(np.zeros((9, 3)), np.zeros(9), np.zeros(9), np.zeros(2))
    np.testing.assert_allclose([none, still], np.full((2, 2, 3), [0.3, 0.0, 0.7]))


def test_two_targets_hardly_move_the_mix_and_two_hundred_do():
    """The last value was right each time."""

    def mix(count):
        candidates = np.column_stack([np.ones(count), np.zeros(count), np.zeros(count)])
        return own_weights(candidates, np.ones(count), np.zeros(count), np.zeros(1))[0]

    np.testing.assert_allclose(mix(2), [0.3, 0.0, 0.7], atol=0.11)
    np.testing.assert_allclose(mix(200), [1.0, 0.0, 0.0], atol=0.01)


def test_a_season_that_is_known_by_now_is_forecast_by_a_glacier_alone():
    """Six years of a cycle of 400 m: in the first ones it was not known, and the last value erred less."""
    rng = np.random.default_rng(3)
    dates = np.datetime64("2018-01-05") + 24 * np.arange(92)
    years = (dates - dates[0]).astype(float) / 365.25

    def truth(when):
        return 5000 - 200 * when + 400 * np.cos(2 * np.pi * when)

    series = make_series(dates, truth(years) + rng.normal(0, 30, len(dates)), variable="front_position_m")
    ahead = dates[-1] + np.array([90, 180, 270, 360])
    table = forecast_series(series, models=["auto"], target_dates=ahead)
    held = table.pivot_table(index="target_date", columns="quantile", values="value")
    expected = truth((ahead - dates[0]).astype(float) / 365.25)
    np.testing.assert_allclose(held[0.5], expected, atol=60)
    assert ((held[0.05] < expected) & (expected < held[0.95])).all()
    assert (held[0.95] - held[0.05]).max() < 250
