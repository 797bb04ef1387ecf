"""Products of the series, and that a page says what ``glaciertime series`` says."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from glaciertime.report.findings import rates_and_breaks, seasonal
from glaciertime.report.products import series_product
from glaciertime.track.record.periods import period_means

from ..track.test_screening import series


def fortnightly(start: str, end: str) -> pd.DataFrame:
    dates = pd.date_range(start, end, freq="14D")
    return series(10_000 - 300 * (dates - dates[0]).days / 365.25).assign(date=dates)


def product(name: str, table: pd.DataFrame) -> pd.DataFrame:
    return series_product(name, observations=table, fronts=None, glacier=None).table


def cells(html: str) -> list[str]:
    return re.findall(r"<td[^>]*>([^<]*)</td>", html)


@pytest.mark.parametrize(
    ("start", "end"), [("2016-10-15", "2019-02-20"), ("2014-11-01", "2024-02-20"), ("2016-10-01", "2018-03-20")]
)
def test_a_straight_retreat_has_its_rate_in_the_product_and_on_the_page(start, end):
    table = fortnightly(start, end)
    (rate,) = product("rates", table).itertuples()
    assert rate.rate_per_year == pytest.approx(-300, abs=1)
    assert rate.low < -300 < rate.high
    assert rate.of == "annual means"
    assert cells(rates_and_breaks(table))[4].startswith("-300")


def test_means_of_a_straight_line_lie_on_it():
    table = fortnightly("2016-10-15", "2019-02-20")
    for period in ("month", "season", "year"):
        means = period_means(table, period=period)
        at = -300 * (means["mean_date"] - table["date"].iloc[0]).dt.days / 365.25
        np.testing.assert_allclose(means["value"] - 10_000, at, atol=0.5)


def test_the_cycle_on_the_page_is_that_of_the_product_without_the_offsets_of_sensors():
    dates = pd.date_range("2018-01-05", "2019-12-28", freq="6D")
    values = 10_000 + 100 * np.sin(2 * np.pi * (dates - dates[0]).days / 365.25)
    table = series(values, sensors=np.resize(["S1", "L8"], len(dates))).assign(date=dates)
    table.loc[table["sensor"] == "L8", "value"] += 80
    cycle = product("cycle", table)
    assert cycle["amplitude"].tolist() == pytest.approx([200, 200], abs=2)
    shown = cells(seasonal(table))
    assert shown[2] == "12"
    assert shown[5] == "200 ± 14"


def test_a_step_of_kilometres_is_written_without_an_exponent():
    values = np.repeat([50_000.0, 36_000.0], 12) + np.random.default_rng(0).normal(0, 20, 24)
    text = cells(rates_and_breaks(series(values, every_days=365)))
    assert any(re.fullmatch(r"-14,00\d ± .* m", cell) for cell in text)
    assert not any("e+" in cell for cell in text)
