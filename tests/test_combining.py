"""Several values made one: of a day, of a month, of a year."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from glaciertime.combining import days_of_each, evened, mean_of_days, one_per_day, weighted_mean, yearly_means


def days(dates: list[str], values: list[float], sigma: float = np.nan) -> pd.DataFrame:
    return pd.DataFrame(
        {"date": pd.to_datetime(dates), "value": values, "sigma": sigma, "quality": "ok", "image_id": dates}
    )


def test_the_mean_is_weighted_by_variances_and_widened_by_the_scatter():
    # Weights 1, 1/4, 1/16: (0 + 2.5 + 2.5) / (21 / 16).
    mean, sigma = weighted_mean(np.array([0.0, 10.0, 40.0]), np.array([1.0, 2.0, 4.0]))
    assert mean == pytest.approx(5 / (21 / 16))
    chi = mean**2 + (10 - mean) ** 2 / 4 + (40 - mean) ** 2 / 16
    assert sigma == pytest.approx((chi / 2 / (21 / 16)) ** 0.5)


def test_an_unknown_sigma_is_the_median_of_the_known_ones():
    values, sigmas = np.array([0.0, 0.0, 0.0, 9.0]), np.array([1.0, 2.0, 9.0, np.nan])
    weights = 1 / np.array([1.0, 2.0, 9.0, 2.0]) ** 2
    assert weighted_mean(values, sigmas)[0] == pytest.approx(9 * weights[-1] / weights.sum())


def test_the_order_of_the_values_changes_not_even_the_last_bit():
    rng = np.random.default_rng(0)
    pairs = list(zip(rng.normal(1e4, 300, 5), rng.uniform(5, 90, 5), strict=True))
    found = {weighted_mean(*map(np.array, zip(*order, strict=True))) for order in itertools.permutations(pairs)}
    assert len(found) == 1


def test_a_day_keeps_the_flags_of_its_values():
    rows = days(["2001-05-06", "2001-05-06", "2001-05-07"], [1.0, 3.0, 5.0], 1.0)
    rows["quality"] = ["unregistered", "manual: by hand", "ok"]
    rows["date"] += pd.to_timedelta([3, 21, 0], unit="h")
    daily = one_per_day(rows)
    assert daily["value"].tolist() == [2.0, 5.0]
    assert daily["quality"].tolist() == ["manual: by hand;unregistered", "ok"]


def test_a_month_errs_by_its_scatter_or_by_its_sigmas_whichever_is_more():
    scattered = days(["2001-05-01", "2001-05-11", "2001-05-21"], [1.0, 4.0, 7.0], 0.3)
    assert mean_of_days(scattered)[1:] == pytest.approx((4.0, (9 / 3) ** 0.5))
    calm = days(["2001-05-01", "2001-05-11", "2001-05-21"], [4.0, 4.0, 4.0], 0.3)
    assert mean_of_days(calm)[1:] == pytest.approx((4.0, 0.3 / 3**0.5))


def test_months_of_a_year_err_independently():
    date, value, sigma = mean_of_days(
        days([f"2001-{month:02d}-15" for month in (1, 4, 7, 10)], [1.0, 3.0, 5.0, 7.0], 2)
    )
    assert (value, sigma) == pytest.approx((4.0, 2 / 4**0.5))
    assert date == pd.Timestamp("2001-05-31")


def test_years_with_more_than_three_days_are_made_even():
    dense = days([f"2001-{month:02d}-15" for month in (1, 4, 7, 10)], [1.0, 3.0, 5.0, 7.0], 2)
    sparse = days(["2002-06-01", "2003-06-01"], [5.0, 6.0], 2)
    daily = one_per_day(pd.concat([dense, sparse], ignore_index=True))
    assert evened(daily)["value"].tolist() == [4.0, 5.0, 6.0]
    assert len(evened(daily[1:])) == 5
    assert yearly_means(daily)["n"].tolist() == [4, 1, 1]


def test_days_of_one_row_and_of_several_stand_in_order_of_time():
    rows = days(["2003-01-01", "2001-05-06", "2002-02-02", "2001-05-06"], [9.0, 1.0, 7.0, 3.0], 1.0)
    daily = one_per_day(rows)
    assert daily["date"].dt.year.tolist() == [2001, 2002, 2003]
    assert daily["value"].tolist() == [2.0, 7.0, 9.0]
    assert daily["n"].tolist() == [2, 1, 1]
    twice = one_per_day(rows[rows["date"].dt.year == 2001])
    assert twice[["value", "n"]].to_numpy().tolist() == [[2.0, 2]]
    assert one_per_day(rows[:0]).empty


def test_series_that_share_a_day_are_each_combined_by_themselves():
    rows = days(["2001-05-06", "2001-05-06", "2001-05-05", "2001-05-06"], [1.0, 10.0, 7.0, 3.0], 1.0)
    daily, which = days_of_each(rows, np.array([1, 0, 1, 1]))
    assert which.tolist() == [0, 1, 1]
    assert daily["value"].tolist() == [10.0, 7.0, 2.0]
    assert daily["n"].tolist() == [1, 1, 2]
