"""Which forecasts are added up for a region: those that its reading counts, of one kind, one model and one time."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from glaciertime.region.forecasts import ForecastsHeld, SumForecast, sum_forecasts
from glaciertime.region.reading import Completeness, KindReading, RegionReading
from glaciertime.report.sum_text import sum_text

from ..forecast.test_totals import normal

KIND = {"source": "observed", "variable": "area_km2", "method": "polygon", "footprint": "box", "dataset": "test",
        "front_of": "", "unit": "km2"}  # fmt: skip


def reading(*names: str, **kind: str) -> KindReading:
    return KindReading(
        {**KIND, **kind}, pd.DataFrame({"glacier": list(names)}), {}, Completeness(len(names), 9, 1.0, 2.0, 0),
        None, None, None, None, None, None, True, (),
    )  # type: ignore[arg-type]  # fmt: skip


def sums(kinds: list[KindReading], *tables: pd.DataFrame, correlation: float | None = 0.5) -> tuple[SumForecast, ...]:
    held = ForecastsHeld()
    for table in tables:
        held.add(table)
    region = RegionReading("here", tuple(kinds), 0.5, {}, (), ("A", "B", "C"), (), {})
    return sum_forecasts(region, held, correlation=correlation)


def median(found: SumForecast) -> float:
    rows = found.totals[0].rows
    return float(rows.loc[rows["quantile"] == 0.5, "value"].iloc[-1])


def test_who_shares_ground_with_another_and_is_not_counted_is_not_in_the_forecast_of_the_sum() -> None:
    (found,) = sums([reading("A", "B")], normal("A", 100, 3), normal("B", 50, 3), normal("C", 30, 3))
    assert found.totals[0].glaciers == ("A", "B")
    assert median(found) == pytest.approx(150, abs=0.05)
    (none,) = sums([reading("A"), reading("A", "B", footprint="fjord")], normal("A", 100, 3), normal("B", 50, 3))
    assert none.totals == ()
    assert sum_text(none).endswith("box); test, observed: none, one glacier alone is counted; in the footprint fjord "
                                   "2 are counted: glaciertime forecast --footprint fjord\n")  # fmt: skip


def test_simulated_glaciers_and_other_kinds_are_in_no_sum_with_observed_ones() -> None:
    parts = [normal("A", 100, 3), normal("B", 50, 3), normal("A", 70, 3, source="simulated"),
             normal("B", 20, 3, source="simulated"), normal("C", 9, 1, footprint="fjord"),
             normal("C", 8, 1, unit="m2")]  # fmt: skip
    observed, simulated = sums([reading("A", "B", "C"), reading("A", "B", source="simulated")], *parts)
    assert (median(observed), median(simulated)) == (pytest.approx(150, abs=0.05), pytest.approx(90, abs=0.05))
    assert observed.totals[0].missing == {"C": "no forecast by auto"}
    assert simulated.kind["source"] == "simulated"


def test_models_are_not_mixed_and_who_lacks_one_is_named() -> None:
    failed = normal("C", 1, 1, model="kalman", status="kalman needs 4", value=np.nan).head(1)
    parts = [*(normal(name, 100, 3, model="last") for name in "ABC"), normal("A", 90, 3), normal("B", 80, 3), failed,
             normal("A", 1, 1, model="kalman"), normal("B", 1, 1, model="kalman"), normal("C", 5, 1, model="drift"),
             normal("A", 1, 1, model="scenario-held")]  # fmt: skip
    (found,) = sums([reading("A", "B", "C")], *parts)
    assert [(one.model, len(one.glaciers)) for one in found.totals] == [("last", 3), ("auto", 2), ("kalman", 2)]
    assert found.totals[1].missing == {"C": "no forecast by auto"}
    assert found.totals[2].missing == {"C": "kalman needs 4"}
    text = sum_text(found)
    assert "not in the sum by kalman: C (kalman needs 4)" in text
    assert "scenario" not in text


def test_of_several_cutoffs_the_latest_counts_and_a_forecast_that_ends_early_is_left_out() -> None:
    old = pd.Timestamp("1990-01-01")
    late = [pd.Timestamp(f"{year}-01-01") for year in (2014, 2016, 2018)]
    parts = [pd.concat([normal(name, mean, 1, target_date=date) for date in late]) for name, mean in
             (("A", 100), ("B", 50))]  # fmt: skip
    stale = normal("A", 500, 1, cutoff=old)
    early = normal("C", 7, 1, cutoff=old, target_date=pd.Timestamp("1995-01-01"))
    (found,) = sums([reading("A", "B", "C")], pd.concat([parts[0], stale]), parts[1], early)
    assert median(found) == pytest.approx(150, abs=0.05)
    assert found.cutoffs == (pd.Timestamp("2010-01-01"), pd.Timestamp("2010-01-01"))
    assert found.totals[0].missing == {"C": "its forecast ends on 1995-01-01, those of most on 2018-01-01"}


def test_lengths_and_positions_have_no_sum() -> None:
    held = ForecastsHeld()
    for name in "AB":
        held.add(normal(name, 100, 3, variable="length_m", unit="m"))
        held.add(normal(name, 100, 3, variable="mass_gt", unit="Gt"))
    assert held.is_empty
    assert list(held.without_sum) == ["length_m", "mass_gt"]


def test_the_correlation_is_that_of_changes_that_the_forecasts_knew_drawn_towards_what_is_assumed() -> None:
    def found(cutoff: str, *, years: int = 40) -> SumForecast:
        held = ForecastsHeld()
        shared, own = np.random.default_rng(1).normal(size=years), np.random.default_rng(2).normal(size=(3, years))
        for k, name in enumerate("ABC"):
            held.add(normal(name, 100, 3, cutoff=pd.Timestamp(cutoff)))
            # Alike up to 1990, and each for itself after it.
            changes = np.where(np.arange(years) < 30, shared, own[k])
            table = pd.DataFrame({"date": pd.date_range("1960-06-01", periods=years, freq="YS-JUN"),
                                  "value": 100 + np.cumsum(changes)})  # fmt: skip
            table = table.assign(glacier=name, **KIND, quality="ok")
            held.watch(SimpleNamespace(glacier=name, observations=table))  # type: ignore[arg-type]
        region = RegionReading("here", (reading("A", "B", "C"),), 0.5, {}, (), ("A", "B", "C"), (), {})
        return sum_forecasts(region, held)[0]

    early, late = found("1989-12-31"), found("2010-01-01")
    assert (early.years, late.years) == (29, 39)
    assert early.correlation == pytest.approx((29 + 8 * 0.5) / 37, abs=0.01)
    assert late.correlation < early.correlation - 0.05
    assert (found("2010-01-01", years=6).correlation, found("2010-01-01", years=6).years) == (0.5, 0)
