"""Stated uncertainties hold on simulated truth whose errors are drawn from another model."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from glaciertime.combining import one_per_day, weighted_mean
from glaciertime.errors import InputError, SeriesTooShortError
from glaciertime.slopes import theil_sen_slope, weighted_slope
from glaciertime.track import METHODS
from glaciertime.track.record.trends import rate_table
from glaciertime.track.ruler.uncertainty import (
    averaged_sigma_m,
    change_sigma,
    correlated_length_m,
    correlation_of,
    covariance,
    ensemble_sigma,
    position_sigma_m,
)

from .test_screening import series


@pytest.fixture(scope="module")
def check():
    import importlib.util
    from pathlib import Path

    path = Path(__file__).parents[2] / "scripts" / "check_uncertainty.py"
    if not path.is_file():
        pytest.skip(f"no {path.name}: the scripts are not part of the installed package")
    spec = importlib.util.spec_from_file_location("check_uncertainty", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def covered(check) -> pd.DataFrame:
    return check.coverage(series=100, seed=11).set_index("quantity")


@pytest.mark.parametrize("error", ["60 m delineation", "40 m georeferencing", "30 m pixels"])
def test_the_sigma_of_every_method_is_that_of_its_errors(check, error):
    table = check.method_table(fronts=64, seed=7, errors=(error,))
    assert set(table["method"]) == set(METHODS)
    for row in table.itertuples():
        # The script draws 1,000 fronts and asks for 0.9 to 1.1; 64 give the RMS to 9 %.
        assert 0.9 - 2 / np.sqrt(2 * row.n) < row.ratio < 1.1 + 2 / np.sqrt(2 * row.n), row
        if error != "30 m pixels":
            assert abs(row.within_68 - 0.68) < 0.04 + 2 * np.sqrt(0.68 * 0.32 / row.n), row


@pytest.mark.parametrize("quantity", ["position, curvilinear-box", "position, area-change", "area", "change of area"])
def test_truth_lies_within_the_intervals_as_often_as_stated(covered, quantity):
    row = covered.loc[quantity]
    # 400 to 800 draws: three points of model error and two standard errors of the count.
    slack = 3 + 200 * math.sqrt(0.683 * 0.317 / row["n"])
    assert abs(row["within 68 %"] - 68.3) < slack
    assert abs(row["within 95 %"] - 95.0) < 3 + 200 * math.sqrt(0.95 * 0.05 / row["n"])


def test_error_of_a_long_front_averages_out_and_of_a_short_one_does_not():
    assert correlated_length_m(10.0, correlation_m=1000) == pytest.approx(10.0, rel=0.01)
    assert correlated_length_m(1e6, correlation_m=1000) == pytest.approx(1000.0, rel=0.001)


def test_shared_errors_cancel_in_a_change():
    assert change_sigma(10.0, 10.0, shared=10.0) == 0.0
    with pytest.raises(InputError, match="shared error 12 is larger"):
        change_sigma(10.0, 20.0, shared=12.0)


def test_an_error_shared_by_all_dates_changes_no_rate_and_one_shared_by_a_sensor_does():
    days = np.array([0, 400, 800, 1200.0])
    sigma = np.full(4, 10.0)
    plain = weighted_slope(days, days * 0, sigma, extra_scatter=False).sigma_per_year
    shared = covariance(sigma, shared=8.0)
    by_all = weighted_slope(days, days * 0, sigma, covariance=shared, extra_scatter=False).sigma_per_year
    assert by_all == pytest.approx(plain * 0.6)
    groups = covariance(sigma, shared=8.0, groups=["A", "A", "B", "B"])
    by_sensor = weighted_slope(days, days * 0, sigma, covariance=groups, extra_scatter=False).sigma_per_year
    assert by_sensor > by_all


def test_ensemble_spread_needs_two_members():
    assert ensemble_sigma([[1.0, np.nan], [3.0, 5.0]]).tolist() == pytest.approx([math.sqrt(2), math.nan], nan_ok=True)


def test_slopes_of_a_straight_line_and_their_units():
    days = np.array([0, 100, 250, 700, 1500.0])
    values = 5.0 - 0.2 * days
    for fit in (theil_sen_slope(days, values), weighted_slope(days, values, np.ones(5))):
        assert fit.slope_per_year == pytest.approx(-0.2 * 365.25)
        assert fit.low <= fit.slope_per_year <= fit.high


def test_robust_slope_ignores_a_third_of_outliers():
    days = np.arange(0, 3000, 100.0)
    values = -0.1 * days
    values[::4] += 5000
    assert theil_sen_slope(days, values).slope_per_year == pytest.approx(-36.525, rel=0.1)


def test_a_slope_needs_three_days():
    with pytest.raises(SeriesTooShortError, match="2 observations"):
        theil_sen_slope([0, 0, 10], [1, 2, 3])


def test_same_day_values_are_weighted_and_disagreement_widens_sigma():
    assert weighted_mean(np.array([10.0, 10.0]), np.array([3.0, 4.0]))[1] == pytest.approx(2.4)
    assert weighted_mean(np.array([0.0, 100.0]), np.array([3.0, 3.0]))[1] == pytest.approx(50.0)
    table = pd.concat([series([0.0, 10.0]), series([4.0])], ignore_index=True)
    assert one_per_day(table)["n"].tolist() == [2, 1]


def test_rate_table_takes_the_window_and_states_bounds():
    table = series(np.arange(20.0) * -100, every_days=100)
    table.loc[0, "quality"] = "censored: the ice fills the box"
    rates = rate_table(table)
    assert rates.iloc[0]["qualifier"] == "bound"
    assert rates.iloc[0]["rate_per_year"] == pytest.approx(-365.25)
    assert rate_table(table, date_from="2021-01-01").iloc[0]["qualifier"] == ""


def test_the_correlation_of_a_delineation_integrates_to_its_length() -> None:
    apart_m = np.linspace(-20_000, 20_000, 400_001)
    correlation = correlation_of(apart_m, correlation_m=1000.0)
    assert np.trapezoid(correlation, apart_m) == pytest.approx(1000.0)
    assert correlation.max() == 1.0


def test_the_mean_along_a_front_is_as_sure_as_its_correlation_says() -> None:
    places_m = np.linspace(0, 3000, 1501)
    between = correlation_of(places_m[:, None] - places_m[None], correlation_m=1000.0)
    assert correlated_length_m(3000.0, correlation_m=1000.0) == pytest.approx(3000 * between.mean(), rel=2e-3)


def test_an_error_square_to_a_slanted_front_moves_its_crossing_by_more() -> None:
    assert position_sigma_m(30.0, georeferencing_m=40.0, obliquity=1 / math.cos(math.radians(60))) == pytest.approx(100)


def test_the_error_of_an_area_moves_a_position_by_itself_over_the_width_of_the_box() -> None:
    """A front of 6 km that winds through a box of 2 km: 30 m along a correlated kilometre, spread over the width."""
    correlated_m = correlated_length_m(6000.0, correlation_m=1000.0)
    expected = 30.0 * math.sqrt(6000.0 * correlated_m) / 2000.0
    assert averaged_sigma_m(30.0, front_length_m=6000, width_m=2000, correlation_m=1000) == pytest.approx(expected)


def test_a_shift_of_the_image_counts_with_the_chord_of_the_front() -> None:
    sigma = averaged_sigma_m(
        0.0, front_length_m=1500, width_m=2000, correlation_m=1000, georeferencing_m=40.0, chord_m=1000.0
    )
    assert sigma == pytest.approx(40.0 * 1000 / 2000)
