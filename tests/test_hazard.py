"""How often large losses come, on records of which the count is known."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glaciertime.breaks import hazard_table, hazard_text, hazards_of, watched
from glaciertime.breaks.hazard import _rate, losses

from .track.test_screening import series


def dates(first: int, count: int) -> np.ndarray:
    return np.array([f"{first + k}-03-01" for k in range(count)], dtype="M8[D]")


def exposure(spans) -> float:
    return sum(end - start for start, end in spans)


def areas(values, *, glacier: str = "A", first: int = 1990, **columns) -> pd.DataFrame:
    table = series([float(value) for value in values])
    table = table.assign(glacier=glacier, variable="area_km2", unit="km2", source="observed")
    table["date"] = pd.to_datetime(dates(first, len(values)))
    return table.assign(**columns)


def test_a_loss_that_is_regained_within_five_years_is_none():
    values = np.full(20, 100.0)
    values[8:11] = 60
    assert losses(dates(1990, 20), values)[1] == ()
    values[8:14] = 60
    (found,) = losses(dates(1990, 20), values)[1]
    assert (found.start, found.end) == (100, 60)


def test_a_loss_over_several_years_or_in_the_last_five_is_none_and_no_exposure():
    years = dates(1990, 20)
    values = np.where(np.arange(20) < 10, 100.0, 60.0)
    gap = np.delete(np.arange(20), [9, 10])
    spans, found = losses(years[gap], values[gap])
    assert found == ()
    assert exposure(spans) == pytest.approx(8 + 4 - 1, abs=0.1)
    spans, found = losses(years, np.where(np.arange(20) < 16, 100.0, 10.0))
    assert found == ()
    assert exposure(spans) == pytest.approx(14, abs=0.1)


def test_losses_of_one_embayment_at_one_time_are_one_and_of_two_times_two():
    values = [100.0] * 8 + [20.0] * 8
    rows = [
        areas(values, glacier="Larsen A"),
        areas(values, glacier="Larsen B"),
        areas(values, glacier="Wordie (Prospect)", first=1995),
        areas(values, glacier="Wordie (Harriott)", first=1998),
        areas(values, glacier="Glacier 1"),
        areas(values, glacier="Glacier 2"),
    ]
    table = hazard_table([one for part in rows for one in watched(part, terminus="ice shelf")])
    assert table["losses"].tolist() == [5]
    assert table["terminus"].tolist() == ["ice shelf"]


def test_the_rate_has_its_poisson_interval_and_is_none_below_ten():
    values = [100.0] * 8 + [20.0] * 8
    watches = [one for k in range(12) for one in watched(areas(values, glacier=f"G{k}", first=1970 + 2 * k))]
    (row,) = hazard_table(watches).itertuples()
    assert row.losses == 12
    assert row.exposure_years == pytest.approx(12 * 10, rel=0.01)

    def at_least(count: int, expected: float) -> float:
        """Chance of so many where ten or more are told of."""
        return float(stats.poisson.sf(count - 1, expected) / stats.poisson.sf(9, expected))

    assert at_least(12, row.low * row.exposure_years) == pytest.approx(0.025, abs=1e-5)
    assert 1 - at_least(13, row.high * row.exposure_years) == pytest.approx(0.025, abs=1e-5)
    assert row.low < row.rate_per_year < row.losses / row.exposure_years
    assert "seen 10 % a year" in row.reading
    few = hazard_table(watches[:9])
    assert math.isnan(few["rate_per_year"].iloc[0])
    assert "too few to say" in hazard_text(few)[0]


def told(counts: Iterable[int], exposure_years: float = 100.0) -> np.ndarray:
    """Rate, lower and upper bound of so many losses each, (N, 3)."""
    return np.array([_rate(count, exposure_years) for count in counts])


@pytest.mark.parametrize("expected", [6.0, 8.0, 12.0, 20.0, 40.0])
def test_rates_hold_on_average_of_the_collections_of_which_one_is_told(expected: float):
    """Ten losses of eight expected are seen by luck, and the quotient is then claimed of the lucky ones alone."""
    counts = np.arange(10, 120)
    chance = stats.poisson.pmf(counts, expected)
    chance /= chance.sum()
    rate, low, high = told(counts).T * 100
    assert expected / float(chance @ rate) == pytest.approx(1, abs=0.1 if expected > 6 else 0.15)
    assert float(chance @ ((low <= expected) & (expected <= high))) >= 0.95
    if expected < 10:
        assert expected / float(chance @ counts) < 0.75


def test_of_many_losses_the_rate_is_the_quotient_and_the_interval_that_of_garwood():
    (rate, low, high), (most, _, _) = told([200, 20_000], 50.0)
    assert rate == pytest.approx(4, rel=0.005)
    assert (low, high) == pytest.approx((stats.chi2.ppf(0.025, 400) / 100, stats.chi2.ppf(0.975, 402) / 100), rel=1e-5)
    assert most == pytest.approx(400, rel=1e-4)


def test_ten_losses_do_not_exclude_a_rate_near_zero():
    ((rate, low, high),) = told([10], 1.0)
    assert low == 0
    assert 3 < rate < 5
    assert stats.poisson.pmf(10, high) / stats.poisson.sf(9, high) == pytest.approx(0.025, abs=1e-5)


def test_simulated_and_observed_glaciers_are_not_pooled():
    values = [100.0] * 8 + [20.0] * 8
    watches = [*watched(areas(values)), *watched(areas(values, glacier="B", source="simulated"))]
    table = hazard_table(watches)
    assert table[["losses", "source"]].values.tolist() == [[1, "observed"], [1, "simulated"]]
    assert "(simulated)" in hazard_text(table)[1]


def test_a_length_change_has_no_fifth_to_lose():
    rows = areas([0.0] * 8 + [-900.0] * 8).assign(variable="length_change_m", unit="m")
    assert watched(rows) == []


def test_a_loss_in_many_small_steps_within_a_year_is_one():
    """Sixty per cent within nine months, seen every month: no step is a fifth."""
    days = pd.date_range("2000-01-01", "2015-12-01", freq="MS").to_numpy().astype("M8[D]")
    years = np.arange(len(days)) / 12
    values = 100 - 60 * np.clip((years - 5) / 0.75, 0, 1) + np.random.default_rng(0).normal(0, 0.3, len(days))
    spans, (one,) = losses(days, values)
    assert exposure(spans) == pytest.approx(11, abs=0.1)
    assert np.datetime64("2004-12-31") < one.after < one.before <= np.datetime64("2005-10-01")
    assert (one.start, one.end) == pytest.approx((100, 40), rel=0.15)
    # The same over eight years is none.
    assert losses(days, 100 - 60 * np.clip((years - 3) / 8, 0, 1))[1] == ()


def test_what_follows_one_value_that_is_too_high_is_no_loss():
    values = np.full(30, 100.0) + np.random.default_rng(1).normal(0, 1, 30)
    values[10] = 135
    assert losses(dates(1985, 30), values)[1] == ()
    values[11:] = 60
    (one,) = losses(dates(1985, 30), values)[1]
    assert one.before == np.datetime64("1996-03-01")


def test_a_simulation_that_is_longer_takes_nothing_from_what_was_observed():
    values = [100.0] * 8 + [20.0] * 8
    simulated = areas([100.0] * 40, source="simulated", first=1980, dataset="model")
    both = watched(pd.concat([areas(values), simulated], ignore_index=True))
    table = hazard_table(both)
    assert table[["losses", "source"]].values.tolist() == [[1, "observed"], [0, "simulated"]]


def test_bounds_are_no_values():
    values = [100.0] * 8 + [20.0] * 8
    assert watched(areas(values, quality="censored: the ice fills the box")) == []


def test_names_that_say_nothing_are_no_embayment():
    values = [100.0] * 8 + [20.0] * 8
    rows = [
        areas(values, glacier=name)
        for name in ("Glacier A", "Glacier B", "Unnamed (1)", "Unnamed (2)", "Lake 1", "Lake 2", "G 1", "G 2")
    ]
    assert hazard_table([one for part in rows for one in watched(part)])["losses"].tolist() == [8]


@pytest.mark.parametrize(
    "names", [("Abbot 1", "Abbot 2"), ("Larsen D", "Larsen D 1"), ("Larsen B", "larsen a"), ("Getz_1", "Getz-2")]
)
def test_parts_that_bear_a_number_or_another_case_share_an_embayment(names: tuple[str, str]):
    values = [100.0] * 8 + [20.0] * 8
    rows = [areas(values, glacier=name) for name in (*names, "Crane", "Jorum")]
    assert hazard_table([one for part in rows for one in watched(part)])["losses"].tolist() == [3]


def test_the_hazard_of_a_glacier_is_that_of_its_kind_and_says_what_was_its_own():
    broken = [100.0] * 8 + [20.0] * 8
    rows = pd.concat([areas(broken, glacier=f"Shelf {k}", first=1990 + k) for k in range(10, 22)]
                     + [areas([5.0] * 16, glacier="Inland")])  # fmt: skip
    watches = watched(rows, terminus=lambda name: "shelf" if name.startswith("Shelf") else "land")
    found = hazards_of(watches, ["Shelf 12", "Inland", "unheard of"], cutoff=np.datetime64("2030-01-01"))
    shelf, inland = found.to_dict("records")
    # Each is watched for ten years and a bit: 12 losses of 12 glaciers in 12 x 10 years.
    assert (shelf["terminus"], shelf["losses"], shelf["glaciers"]) == ("shelf", 12, 12)
    assert 0.8 < shelf["rate_per_year"] / (12 / shelf["exposure_years"]) < 0.9
    assert shelf["low"] < stats.chi2.ppf(0.025, 24) / 2 / shelf["exposure_years"]
    assert shelf["reading"].endswith("of itself: 2009-03-01 to 2010-03-01")
    assert (inland["terminus"], inland["losses"]) == ("land", 0)
    assert math.isnan(inland["rate_per_year"])
    assert inland["reading"].endswith("none of itself")
    assert hazards_of(watches, ["unheard of"], cutoff=np.datetime64("2030-01-01")).empty


def test_the_time_that_parts_of_an_embayment_were_watched_in_counts_once():
    values = [100.0] * 16
    # 1990 to 2000 and 1995 to 2005 are watched: fifteen years of one embayment, and ten of another glacier.
    rows = [areas(values, glacier="Larsen A"), areas(values, glacier="Larsen B", first=1995),
            areas(values, glacier="Crane")]  # fmt: skip
    (row,) = hazard_table([one for part in rows for one in watched(part)]).itertuples()
    assert row.exposure_years == pytest.approx(15 + 10, abs=0.1)
    assert row.glaciers == 3
    assert "in 25 glacier-years of 3 glaciers (parts of one embayment count once at a time: 2)" in row.reading
    apart = [areas(values, glacier="Larsen A"), areas(values, glacier="Larsen B", first=2010)]
    (row,) = hazard_table([one for part in apart for one in watched(part)]).itertuples()
    assert row.exposure_years == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize(
    "name", ["RGI2000-v7.0-G-11-{:05d}", "RGI60-11.{:05d}", "Glims_{:03d}", "Basin X {}", "Fjord {}"]
)
def test_glaciers_that_are_numbered_are_no_parts_of_one(name: str):
    values = [100.0] * 8 + [20.0] * 8
    rows = [areas(values, glacier=name.format(k)) for k in range(1, 15)]
    (row,) = hazard_table([one for part in rows for one in watched(part)]).itertuples()
    assert (row.losses, row.glaciers) == (14, 14)
    assert row.exposure_years == pytest.approx(14 * 10, rel=0.01)
    assert "embayment" not in row.reading
