"""Products of the series, and that a page says what ``glaciertime series`` says."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from glaciertime.report.content.changes import Changes, change_section, rate_section, season_section
from glaciertime.report.content.parts import Section, Table
from glaciertime.report.products import series_product
from glaciertime.report.wording import wording_of
from glaciertime.track.record.periods import period_means
from glaciertime.track.ruler.sensors import remove_sensor_offsets

from ..track.test_screening import series


def fortnightly(start: str, end: str) -> pd.DataFrame:
    dates = pd.date_range(start, end, freq="14D")
    return series(10_000 - 300 * (dates - dates[0]).days / 365.25).assign(date=dates)


def product(name: str, table: pd.DataFrame) -> pd.DataFrame:
    return series_product(name, observations=table, fronts=None, glacier=None).table


class Rows:
    """A record of nothing but observations."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.observations, self.footprints = rows, None


def tables(section: Callable[[Changes], Section | None], rows: pd.DataFrame) -> dict[str, list[list[str]]]:
    """Return the cells of the tables of a section, by the name of the table, with plain spaces."""
    words = wording_of("en")
    held = section(Changes(Rows(rows)))
    return {
        block.name: [[words.text(cell).replace("\u00a0", " ") for cell in row] for row in block.rows]
        for block in held.blocks if isinstance(block, Table)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("start", "end"), [("2016-10-15", "2019-02-20"), ("2014-11-01", "2024-02-20"), ("2016-10-01", "2018-03-20")]
)
def test_a_straight_retreat_has_its_rate_in_the_product_and_on_the_page(start, end):
    table = fortnightly(start, end)
    (rate,) = product("rates", table).itertuples()
    assert rate.rate_per_year == pytest.approx(-300, abs=1)
    assert rate.low < -300 < rate.high
    assert rate.of == "annual means"
    assert tables(rate_section, table)["rates"][0][4].startswith("−300")


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
    shown = tables(season_section, table)["cycle"][0]
    assert shown[2] == "12"
    assert shown[7] == "200 ± 14 m"


def test_a_step_of_kilometres_is_written_without_an_exponent():
    values = np.repeat([50_000.0, 36_000.0], 12) + np.random.default_rng(0).normal(0, 20, 24)
    text = [cell for row in tables(rate_section, series(values, every_days=365))["breaks"] for cell in row]
    assert any(re.fullmatch(r"−1[34],\d{3} ± .* m", cell) for cell in text)
    assert not any("e+" in cell for cell in text)


def switched(offset_m: float) -> pd.DataFrame:
    """A front that stands still, seen by a second sensor from 2017 on, for a year by both."""
    dates = pd.date_range("2014-01-05", "2019-12-28", freq="10D")
    is_both = (dates >= "2017-01-01") & (dates < "2018-01-01") & (np.arange(len(dates)) % 2 == 0)
    is_first = (dates < "2017-01-01") | is_both
    noise = np.random.default_rng(0).normal(0, 5, len(dates))
    table = series(noise + np.where(is_first, 0.0, offset_m), sensors=np.where(is_first, "L8", "S2"))
    return table.assign(date=dates, sigma=5.0)


def test_a_new_sensor_is_neither_a_rate_nor_a_break():
    """The means of the years were without the sensors' offsets, the rate through them was not: 47 [20, 74]."""
    (rate,) = product("rates", switched(200.0)).itertuples()
    assert abs(rate.rate_per_year) < 2
    assert rate.low < 0 < rate.high
    assert product("changes", switched(200.0)).empty
    assert product("segments", switched(200.0))["reading"].tolist() == ["stable"]


def test_a_bound_tells_nothing_of_the_offset_of_a_sensor_and_keeps_its_value():
    table = switched(200.0)
    is_bound = np.arange(len(table)) % 9 == 0
    table.loc[is_bound, ["value", "quality"]] = [5_000.0, "censored: the ice fills the box"]
    out = remove_sensor_offsets(table)
    assert (out.loc[is_bound, "value"] == 5_000).all()
    assert np.abs(out.loc[~is_bound, "value"]).max() < 25


def test_what_was_lost_is_said_of_every_footprint_by_its_own_areas():
    dates = pd.to_datetime(["2001-07-01", "2011-07-01"])
    parts = []
    for footprint, values in {"fjord": [30.0, 22.0], "box": [100.0, 91.0]}.items():
        one = series(values).assign(date=dates, variable="area_km2", method="mask", footprint=footprint, unit="km2")
        parts.append(one.assign(sigma=0.1))
    rows = pd.concat(parts, ignore_index=True)
    shown = tables(change_section, rows)["areas"]
    assert [(row[4], row[7].split(",")[0]) for row in shown] == [
        ("9.00 ± 0.14 km²", "box"),
        ("8.00 ± 0.14 km²", "fjord"),
    ]
