"""What glaciers are forecast to be together, beside sums of normal variables known in closed form."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glaciertime.errors import InputError
from glaciertime.forecast.totals import shared_weather, total_forecasts

QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def normal(glacier: str, mean: float, sigma: float, **columns: object) -> pd.DataFrame:
    rows = {
        "glacier": glacier, "variable": "area_km2", "method": "polygon", "footprint": "box", "dataset": "test",
        "front_of": "", "model": "auto", "cutoff": pd.Timestamp("2010-01-01"),
        "target_date": pd.Timestamp("2012-01-01"), "horizon_days": 730.0, "quantile": QUANTILES,
        "value": stats.norm.ppf(QUANTILES, mean, sigma), "unit": "km2", "status": "ok", "source": "observed",
    }  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_the_sum_of_normal_parts_has_their_mean_and_their_shared_variance(correlation: float) -> None:
    parts = pd.concat([normal("A", 100, 3), normal("B", 50, 4), normal("C", 10, 1)])
    total = total_forecasts(parts, label="all", correlation=correlation)
    variance = (1 - correlation) * (9 + 16 + 1) + correlation * 8**2
    assert total["value"].to_numpy() == pytest.approx(stats.norm.ppf(QUANTILES, 160, np.sqrt(variance)), abs=0.2)
    assert total["value"].iloc[2] == pytest.approx(160, abs=0.05)
    assert set(total["footprint"]) == {"3 glaciers"}


def test_dates_that_are_not_of_all_have_no_total_and_what_cannot_be_added_is_refused() -> None:
    late = pd.Timestamp("2013-01-01")
    parts = pd.concat([normal("A", 100, 3), normal("B", 50, 4), normal("A", 90, 3, target_date=late)])
    assert total_forecasts(parts, label="all")["target_date"].nunique() == 1
    position = {"variable": "front_position_m", "unit": "m"}
    with pytest.raises(InputError, match="has no sum"):
        total_forecasts(normal("A", 1, 1, **position), label="all")
    twice = pd.concat([normal("A", 100, 3), normal("A", 100, 3, footprint="fjord")])
    with pytest.raises(InputError, match="A: several series or cutoffs of area_km2"):
        total_forecasts(twice, label="all")
    with pytest.raises(InputError, match=r"correlation is 1\.5"):
        total_forecasts(parts, label="all", correlation=1.5)
    assert total_forecasts(parts.assign(status="failed"), label="all").empty


def test_a_glacier_that_a_model_failed_at_leaves_no_total_of_the_others() -> None:
    lost = normal("C", 10, 1).assign(status="too few values", value=np.nan, quantile=0.5).head(1)
    parts = pd.concat([normal("A", 100, 3), normal("B", 50, 4), lost])
    assert total_forecasts(parts, label="all").empty
    both = total_forecasts(pd.concat([parts, *(normal(name, 10, 1, model="last") for name in "ABC")]), label="all")
    assert set(both["model"]) == {"last"}
    assert set(both["footprint"]) == {"3 glaciers"}


@pytest.mark.parametrize("variable", ["area_km2", "thing"])
def test_units_are_not_mixed_and_a_median_alone_is_refused(variable: str) -> None:
    parts = pd.concat([normal("A", 100, 3), normal("B", 5e6, 4e5, unit="m2")]).assign(variable=variable)
    with pytest.raises(InputError, match=f"{variable} is given in km2 and m2"):
        total_forecasts(parts, label="all")
    with pytest.raises(InputError, match=r"quantile 0\.5 alone says nothing"):
        total_forecasts(normal("A", 100, 3).query("quantile == 0.5"), label="all")


def test_a_sum_of_areas_is_not_below_zero() -> None:
    nearly_gone = normal("A", 0, 1).assign(value=[0.0, 2.0, 3.0, 4.0, 5.0], quantile=[0.25, 0.4, 0.5, 0.6, 0.75])
    many = pd.concat([nearly_gone.assign(glacier=name) for name in "ABCDEFGH"])
    # Below its first quantile each is gone: the mean of the sum is that of parts cut off at zero.
    from_draws = total_forecasts(many, label="all", correlation=0.0)
    drawn = np.interp(
        np.random.default_rng(1).normal(size=(20_000, 8)), stats.norm.ppf([0.25, 0.4, 0.5, 0.6]), [0.0, 2.0, 3.0, 4.0]
    )
    assert from_draws["value"].iloc[0] >= np.quantile(drawn.sum(axis=1), 0.25) - 0.2


def test_the_weather_that_errors_share_is_found() -> None:
    rng = np.random.default_rng(0)
    for rho in (0.0, 0.6):
        z = np.sqrt(rho) * rng.normal(size=(200, 1)) + np.sqrt(1 - rho) * rng.normal(size=(200, 20))
        table = pd.DataFrame(z).stack().rename("z").rename_axis(["target_date", "glacier"]).reset_index()
        assert shared_weather(table) == pytest.approx(rho, abs=0.06)
    assert np.isnan(shared_weather(table[table["target_date"] < 5]))


def test_the_shared_weather_of_two_glaciers_is_their_mean_product_over_the_mean_square() -> None:
    first, second = np.array([1.0, -2, 1, 2, -1, 0, 3, 1]), np.array([1.0, -1, 2, 0, 1, 1, 2, 1])
    rows = [(date, name, value) for name, z in (("A", first), ("B", second)) for date, value in enumerate(z)]
    # One date of a glacier alone has no pair, and two errors of one date are one, their mean.
    rows += [(8, "A", 5.0), (7, "B", 1.0)]
    table = pd.DataFrame(rows, columns=["target_date", "glacier", "z"])
    square = (np.sum(first**2) + np.sum(second**2) + 25) / 17
    assert shared_weather(table) == pytest.approx(np.mean(first * second) / square)
    assert shared_weather(table.assign(z=np.where(table["glacier"] == "A", -table["z"], table["z"]))) == 0


def test_no_part_of_a_sum_of_areas_falls_below_zero_where_all_errors_are_shared() -> None:
    parts = pd.concat([normal("A", 0, 3), normal("B", 50, 4)])
    total = total_forecasts(parts, label="all", correlation=1.0).set_index("quantile")["value"]
    assert total[0.05] == pytest.approx(stats.norm.ppf(0.05, 50, 4))
    assert total[0.95] == pytest.approx(stats.norm.ppf(0.95, 50, 7))
    # Of what may be negative, nothing is cut off.
    free = total_forecasts(parts.assign(variable="thing"), label="all", correlation=1.0).set_index("quantile")["value"]
    assert free[0.05] == pytest.approx(stats.norm.ppf(0.05, 50, 7))


def mean_of(rows: pd.DataFrame) -> float:
    """Return the mean of a quantile function, straight in the normal score between and beyond its quantiles."""
    scores = stats.norm.ppf(rows["quantile"].to_numpy(dtype=float))
    value = rows["value"].to_numpy(dtype=float)
    z = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    low = value[0] + (value[1] - value[0]) / (scores[1] - scores[0]) * (z - scores[0])
    high = value[-1] + (value[-1] - value[-2]) / (scores[-1] - scores[-2]) * (z - scores[-1])
    inside = np.interp(z, scores, value)
    return float(np.where(z < scores[0], low, np.where(z > scores[-1], high, inside)).mean())


def test_the_mean_of_a_total_is_the_sum_of_means_and_its_interval_lies_between_those_of_independent_and_shared() -> (
    None
):
    fine = np.linspace(0.01, 0.99, 99)
    parts = []
    for k, name in enumerate("ABCDEF"):
        # Lopsided, each in its own way: a sum of their medians would be no mean of anything.
        value = stats.lognorm.ppf(fine, 0.3 + 0.1 * k, scale=20 + 5 * k)
        head = normal(name, 1, 1).drop(columns=["quantile", "value"]).head(1)
        one = pd.DataFrame({"quantile": fine, "value": value}).merge(head, how="cross")
        parts.append(one)
    table = pd.concat(parts)
    widths = []
    for rho in (0.0, 0.4, 1.0):
        total = total_forecasts(table, label="all", correlation=rho)
        assert mean_of(total) == pytest.approx(sum(map(mean_of, parts)), rel=0.01)
        by = total.set_index(total["quantile"].round(2))["value"]
        widths.append(by[0.95] - by[0.05])
    assert widths[0] < widths[1] < widths[2]
    shared = sum(part.loc[np.isclose(part["quantile"], 0.95), "value"].iloc[0] for part in parts)
    assert by[0.95] == pytest.approx(shared, rel=1e-9)


def test_glaciers_last_seen_on_different_days_are_added_on_one_day_a_year() -> None:
    days = {"A": [f"{year}-03-15" for year in range(2011, 2016)], "B": [f"{year}-08-01" for year in range(2010, 2015)]}
    parts = pd.concat([
        normal(name, 100 - 10 * (pd.Timestamp(day) - pd.Timestamp("2010-01-01")).days / 365.25, 1,
               target_date=pd.Timestamp(day), cutoff=pd.Timestamp(f"{2010 - (name == 'B')}-01-01"))
        for name, its in days.items() for day in its
    ])  # fmt: skip
    total = total_forecasts(parts, label="all").query("quantile == 0.5")
    assert total["target_date"].dt.strftime("%Y-%m-%d").tolist() == [f"{year}-08-01" for year in range(2011, 2015)]
    years = (total["target_date"] - pd.Timestamp("2010-01-01")).dt.days / 365.25
    assert total["value"].to_numpy() == pytest.approx(200 - 20 * years, abs=0.05)
    assert set(total["cutoff"]) == {pd.Timestamp("2010-01-01")}
    # Dates that lie apart, and gaps of years, are no dates of all.
    apart = pd.concat([normal("A", 1, 1), normal("B", 1, 1, target_date=pd.Timestamp("2020-01-01"))])
    assert total_forecasts(apart, label="all").empty
    beyond = [normal("B", 1, 1, target_date=pd.Timestamp(f"{year}-01-01")) for year in (2012, 2020)]
    far = pd.concat([normal("A", 1, 1, target_date=pd.Timestamp("2016-01-01")), *beyond])
    assert total_forecasts(far, label="all").empty


def test_changes_from_dates_of_their_own_are_not_added() -> None:
    with pytest.raises(InputError, match="mass_gt of several glaciers has no sum"):
        total_forecasts(normal("A", 1, 1, variable="mass_gt", unit="Gt"), label="all")
