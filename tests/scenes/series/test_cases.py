"""Every small table of the shared cases, with its right value, and others of its kind."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glaciertime.dates import DateReading
from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.scenes.series import (
    SeriesOptions,
    SeriesTable,
    raw_table_from_file,
    raw_table_from_frame,
    series_of_table,
)

CASES = Path(__file__).parents[4] / "shared" / "cases" / "series"


def read(table: Path | str | pd.DataFrame, **told: Any) -> SeriesTable:
    raw = raw_table_from_frame(table) if isinstance(table, pd.DataFrame) else raw_table_from_file(Path(table))
    return series_of_table(raw, SeriesOptions(**told))


@pytest.fixture
def case() -> Any:
    """Read a shared case, or skip where they are absent."""

    def call(name: str, **told: Any) -> SeriesTable:
        path = CASES / f"{name}.csv"
        if not path.is_file():
            pytest.skip(f"no shared cases at {CASES}")
        return read(path, **told)

    return call


def tidy(dates: list[Any], values: list[Any], *, variable: str = "length_change_m", unit: str = "m") -> pd.DataFrame:
    return pd.DataFrame({"glacier": "A", "date": dates, "variable": variable, "value": values, "unit": unit})


def days(found: SeriesTable) -> list[str]:
    return [f"{day:%Y-%m-%d}" for day in found.observations["date"]]


def values(found: SeriesTable) -> list[float]:
    return [float(value) for value in found.observations["value"].round(6)]


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("comma_decimal", 4, 0.5, 3.0),
        ("constant", 20, 5.0, 5.0),
        ("constant_area", 20, 5.0, 5.0),
        ("four", 4, 5.0, 3.4),
        ("larsen", 16, 1200.0, 575.0),
        ("larsen_just", 7, 1200.0, 640.0),
        ("mass_gt", 12, 0.0, -3080.0),
        ("sigma_huge_last", 12, 0.0, 500.0),
        ("snowline", 12, 2970.541837, 3040.268973),
        ("vanishing_area", 20, 2.0, 0.05),
        ("zero_area", 20, 3.0, 0.0),
        ("yyyymmdd_int", 4, 0.0, 3.0),
    ],
)
def test_what_a_plain_table_holds_is_handed_on(case: Any, name: str, count: int, first: float, last: float) -> None:
    found = case(name)
    assert found.told.problems() == []
    assert (len(found.observations), values(found)[0], values(found)[-1]) == (count, first, last)


def test_minus_zero_is_zero(case: Any) -> None:
    assert str(case("mass_gt").observations["value"].iloc[0]) == "0.0"


def test_a_huge_sigma_is_kept(case: Any) -> None:
    assert case("sigma_huge_last").observations["sigma"].iloc[-1] == 1000


def test_a_gap_stays_a_gap(case: Any) -> None:
    found = case("gap40")
    gaps = found.observations["date"].diff().dt.days.to_numpy()[1:] / 365.25
    assert len(found.observations) == 20
    assert sorted(gaps)[-1] == pytest.approx(41, abs=0.1)


def test_decimal_years_are_days(case: Any) -> None:
    assert days(case("decimal_year"))[:2] == ["2002-04-17", "2002-05-09"]


def test_a_glaciological_year_is_its_end_and_flagged(case: Any) -> None:
    found = case("year_range")
    assert days(found) == ["2003-09-30", "2004-09-30", "2005-09-30"]
    assert found.observations["quality"].str.startswith("year-only").all()
    south = case("year_range", dates=DateReading(hemisphere="south"))
    assert days(south) == ["2003-03-31", "2004-03-31", "2005-03-31"]


@pytest.mark.parametrize("name", ["day_first", "dayfirst_silent"])
def test_day_and_month_that_could_be_exchanged_refuse_the_table(case: Any, name: str) -> None:
    with pytest.raises(InputError, match="give --day-first or --month-first"):
        case(name)
    assert days(case(name, dates=DateReading(order="day-first")))[0] == "2002-04-03"


def test_years_of_two_digits_are_refused_row_by_row(case: Any) -> None:
    found = case("two_digit")
    assert found.observations.empty
    assert "3 rows left out" in found.told.problems()[0]
    assert "01-Sep-65" in found.told.problems()[0]


def test_times_of_a_zone_are_days_in_utc(case: Any) -> None:
    assert days(case("tz_all")) == ["2002-01-02", "2003-06-01", "2004-01-01"]


def test_values_of_one_day_that_contradict_are_told_and_left_out(case: Any) -> None:
    found = case("duplicate_conflict")
    assert values(found) == [2.0, 3.0]
    assert "0 and 5000 m; keep one" in found.told.problems()[0]


@pytest.mark.parametrize("pair", [(10.0, 300.0), (10.0, 10.0 + 5 * 2**0.5 * 2.0)])
def test_contradictions_of_one_day_by_steps_or_by_sigma(pair: tuple[float, float]) -> None:
    table = tidy(["2000-01-01", "2001-01-01", "2001-01-01", "2002-01-01", "2003-01-01"], [8, *pair, 13, 15])
    if pair[1] < 100:
        table["sigma"] = 2.0
    found = read(table)
    assert values(found) == [8, 13, 15]
    assert found.told.failed_values == 2


def test_two_values_of_one_day_that_agree_stay_and_equal_ones_count_once() -> None:
    table = tidy(["2000-01-01", "2001-01-01", "2001-01-01", "2001-01-01", "2002-01-01"], [0, 10, 11, 10, 20])
    found = read(table)
    assert values(found) == [0, 10, 11, 20]
    assert found.told.problems() == []
    assert found.observations["image_id"].nunique() == 2
    assert "stands in the table twice" in found.told.remarks()[-1]


def test_figures_for_no_value_are_no_values_and_told(case: Any) -> None:
    found = case("minus9999")
    assert len(found.observations) == 10
    assert found.observations["value"].min() > -12
    assert found.told.problems() == []
    assert "2 cells hold a figure that stands for no value" in found.told.remarks()[-1]


@pytest.mark.parametrize("figure", [-9999, "-9999.0", -999, "-99999", "NaN", "n/a", "", "-"])
def test_other_figures_and_words_for_no_value(figure: Any) -> None:
    found = read(tidy(["2000-01-01", "2001-01-01", "2002-01-01", "2003-01-01"], ["5", "4", figure, "3"]))
    assert values(found) == [5, 4, 3]
    assert found.told.problems() == []
    assert found.told.remarks()


def test_a_length_change_of_minus_999_among_such_is_a_value() -> None:
    found = read(tidy(["2000-01-01", "2001-01-01", "2002-01-01", "2003-01-01"], [-950, -980, -999, -1020]))
    assert values(found) == [-950, -980, -999, -1020]


def test_areas_below_zero_refuse_the_series(case: Any) -> None:
    found = case("neg_unknown_var")
    assert found.observations.empty
    assert "11 of 12 values of lake_area_km2 are negative" in found.told.problems()[0]


def test_one_area_below_zero_is_that_rows_reason() -> None:
    dates = [f"20{year:02d}-01-01" for year in range(8)]
    found = read(tidy(dates, [5, 4.5, 4, -3.5, 3, 2.5, 2, 0], variable="area_km2", unit="km2"))
    assert values(found) == [5, 4.5, 4, 3, 2.5, 2, 0]
    assert "area_km2 of -3.5 km2 is negative" in found.told.problems()[0]


def test_changes_per_period_are_summed_only_where_that_is_said(case: Any) -> None:
    with pytest.raises(InputError, match=r"--per-period \(they are summed\) or --cumulative"):
        case("annual_changes")
    summed = case("annual_changes", per_period=True)
    assert values(summed)[0] == pytest.approx(-3.877243)
    assert values(summed)[14] == pytest.approx(-159.774371)
    assert values(summed)[-1] == pytest.approx(-159.774371 - 134.99276, abs=1e-4)
    assert values(case("annual_changes", cumulative=True))[1] == pytest.approx(-17.666995)


def test_a_file_of_several_glaciers_per_period_is_asked_about_too() -> None:
    rng = np.random.default_rng(1)
    dates = [f"{year}-09-01" for year in range(1990, 2005)]
    parts = [tidy(dates, list(rng.normal(-12, 3, 15).round(1))).assign(glacier=name) for name in "ABC"]
    with pytest.raises(InputError, match="--per-period"):
        read(pd.concat(parts))


def test_a_stable_cumulative_series_is_not_taken_for_changes() -> None:
    rng = np.random.default_rng(2)
    dates = [f"{year}-09-01" for year in range(1980, 2005)]
    assert len(read(tidy(dates, list(rng.normal(0, 5, 25).round(1)))).observations) == 25


def test_a_reference_that_moves_is_refused_or_joined(case: Any) -> None:
    found = case("length_reset")
    assert found.observations.empty
    assert "--resets join" in found.told.problems()[0]
    assert "1995-01-01" in found.told.problems()[0]
    joined = case("length_reset", resets="join")
    assert values(joined)[-1] == pytest.approx(-159.774371 - 134.99276, abs=1e-4)
    assert values(joined)[:15] == values(case("length_reset", resets="keep"))[:15]


def test_two_resets_of_a_growing_glacier() -> None:
    steps = [12.0, 9, 11, 10, 13, 8, 11]
    series = [*np.cumsum(steps), *np.cumsum(steps), *np.cumsum(steps)]
    dates = [f"{1980 + index}-10-01" for index in range(len(series))]
    assert read(tidy(dates, series)).observations.empty
    assert values(read(tidy(dates, series), resets="join"))[-1] == 3 * 74


def test_a_surge_is_no_reset() -> None:
    series = [-10.0, -20, -31, -40, -52, -60, 400, 380, 365, 350, 340, 332]
    assert len(read(tidy([f"{1980 + index}-10-01" for index in range(12)], series)).observations) == 12


def test_the_real_series_are_read_whole(shared_data: Path) -> None:
    found = read(shared_data / "series" / "benchmark.csv")
    assert found.told.problems() == []
    assert found.observations.groupby(["glacier", "variable", "dataset"]).ngroups == 273
    assert len(found.observations) == 10_587  # one row stands in the table twice
    given = pd.read_csv(shared_data / "series" / "benchmark.csv").drop_duplicates()
    assert found.observations["value"].sum() == pytest.approx(given["value"].sum())


def test_an_observation_of_the_future_is_that_rows_reason() -> None:
    year = dt.date.today().year + 1
    found = read(tidy(["2000-01-01", f"{year}-01-01"], [1, 2]))
    assert values(found) == [1]
    assert "future" in found.told.problems()[0]


def test_errors_are_of_the_package() -> None:
    with pytest.raises(GlacierTimeError):
        read(pd.DataFrame({"a": ["x"], "b": ["y"]}))
