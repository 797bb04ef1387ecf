"""Every number of a page is in its JSON with unit and sigma, and the other way round: of every kind of page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glaciertime.archive import Archive
from glaciertime.cli.selecting import chosen_held, selection_of
from glaciertime.forecast import Origins, backtest, forecast_series, series_from_observations
from glaciertime.pipeline.regional import region_reading
from glaciertime.record import GlacierRecord
from glaciertime.region.forecasts import ForecastsHeld, sum_forecasts
from glaciertime.report.content import glacier_content, region_content
from glaciertime.report.content.parts import Content, Table
from glaciertime.report.forms import lay_out
from glaciertime.report.views.html_view import html_view
from glaciertime.report.wording import wording_of
from glaciertime.tables import empty

from .test_page import numbers_of_json, numbers_of_page, words_of

UNITS = {"area": "ha", "length": "km"}


def stored(folder: Path, series: dict[str, tuple[list[str], np.ndarray]], *, flags: str | list[str] = "ok") -> Archive:
    """Return an archive of areas, with forecasts, and a backtest where there are dates enough."""
    folder.mkdir(exist_ok=True)
    store = Archive(folder / "a.gpkg")
    for glacier, (dates, values) in series.items():
        rows = pd.DataFrame(
            {"glacier": glacier, "date": pd.to_datetime(dates), "variable": "area_km2", "value": values, "sigma": 0.2,
             "unit": "km2", "method": "mask", "footprint": "box", "dataset": "masks", "sensor": "", "coverage": 1.0,
             "image_id": [f"{glacier} {date}" for date in dates], "quality": flags, "source": "observed"}
        )  # fmt: skip
        inputs = [(glacier, "masks", image, "a.tif") for image in rows["image_id"]]
        store.store_tracked(fronts=empty("fronts"), observations=rows, footprints=empty("footprints"), inputs=inputs)
        if flags != "ok":
            continue
        for one in series_from_observations(rows):
            store.store_forecasts(forecast_series(one, models=["last", "drift"], target_dates=["2030-03-01"]))
            if len(dates) > 12:
                store.store_scores(
                    backtest([one], models=["last", "drift"], horizons=["1y"], origins=Origins(min_train=12))
                )
    return store


def years(first: int, count: int, *, step: int = 1) -> list[str]:
    return [f"{first + step * k}-03-01" for k in range(count)]


def four_dates(folder: Path) -> Content:
    store = stored(folder, {"Vier/Ü": (years(2001, 4, step=6), np.array([12.0, 11.5, 10.1, 9.7]))})
    return glacier_content(GlacierRecord(store, "Vier/Ü"))


def collapse(folder: Path) -> Content:
    values = np.where(np.arange(24) < 12, 80.0, 40.0) + 0.1 * np.arange(24) * (-1.0) ** np.arange(24)
    store = stored(folder, {"Bruch": (years(1995, 24), values)})
    return glacier_content(GlacierRecord(store, "Bruch"))


def one_date(folder: Path) -> Content:
    store = stored(folder, {"Einzeln": (years(2010, 1), np.array([12.0]))}, flags="source-flag: doubtful")
    return glacier_content(GlacierRecord(store, "Einzeln"))


def bounds_alone(folder: Path) -> Content:
    store = stored(folder, {"Voll": (years(2010, 8), np.full(8, 12.0))}, flags="censored: the ice fills the box")
    return glacier_content(GlacierRecord(store, "Voll"))


def a_day_apart(folder: Path) -> Content:
    store = stored(folder, {"Kurz": (["2020-07-01", "2020-07-02"], np.array([12.0, 11.5]))})
    return glacier_content(GlacierRecord(store, "Kurz"))


def a_season(folder: Path) -> Content:
    days = [f"2020-{month:02d}-01" for month in range(1, 11)]
    store = stored(folder, {"Sommer": (days, 12.0 - 0.3 * np.arange(10))})
    return glacier_content(GlacierRecord(store, "Sommer"))


def advance(folder: Path) -> Content:
    store = stored(folder, {"Wachsend": (years(2000, 20), 5.0 + 0.3 * np.arange(20))})
    return glacier_content(GlacierRecord(store, "Wachsend"))


def region(folder: Path) -> Content:
    rng = np.random.default_rng(0)
    series = {
        name: (years(2000, 20), 100 - rate * np.arange(20) + rng.normal(0, 0.3, 20))
        for name, rate in (("A", 1.0), ("B", 0.2), ("C", -0.5))
    }
    store = stored(folder, series)
    chosen, held = chosen_held(store, selection_of(None, every=True)), ForecastsHeld()
    reading, _ = region_reading(chosen, store, seen=held.take, ahead=("forecasts",))
    return region_content(reading, sums=sum_forecasts(reading, held, correlation=None))


PAGES: dict[str, tuple[Callable[[Path], Content], str]] = {
    "four dates": (four_dates, "too few dates"),
    "collapse": (collapse, "is no rate of today"),
    "one date": (one_date, "one date only"),
    "bounds alone": (bounds_alone, "all are bounds"),
    "a day apart": (
        a_day_apart,
        "it lost 0.50 ± 0.28 km² (4.2 ± 2.3 % of what was there), too short a time for a rate",
    ),
    "a season": (a_season, "less than eleven months, too short a time for a rate per year"),
    "advance": (advance, "it gained 5.70 ± 0.28 km²"),
    "region": (region, "in all of 3 of the 3 counted glaciers"),
}


@pytest.mark.parametrize("kind", PAGES)
def test_every_number_of_a_page_is_in_its_json_and_the_other_way_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("glaciertime.report.views.html_view.chart", lambda *given, **named: "<svg/>")
    make, said = PAGES[kind]
    content = make(tmp_path)
    english = lay_out(content, form=".html").decode()
    assert said in words_of(english)
    held = sorted(numbers_of_json(json.loads(lay_out(content, form=".json"))), key=repr)
    assert len(held) > 2
    for language in ("en", "de"):
        for units in ({}, UNITS):
            page = lay_out(content, form=".html", language=language, units=units).decode()
            assert sorted(numbers_of_page(page), key=repr) == held, (language, units)
    german = words_of(lay_out(content, form=".html", language="de").decode())
    assert " the " not in german.replace("Journal of the American", "")
    assert "glaciers" not in german


def test_a_page_of_bounds_offers_no_forecast_that_fails_and_speaks_of_no_error_bar(tmp_path: Path) -> None:
    content = bounds_alone(tmp_path)
    page = lay_out(content, form=".md").decode()
    assert "error bars are one standard deviation" not in page
    assert "glaciertime forecast" not in page
    assert "glaciertime backtest" not in page
    assert "None can be made: there is no value to forecast from" in page
    assert "Es lässt sich keine erstellen" in lay_out(content, form=".md", language="de").decode()


def test_a_region_is_titled_in_its_language_and_no_area_is_exact(tmp_path: Path) -> None:
    held = years(2000, 4)
    stored(tmp_path, {"A": (held, 9 - np.arange(4.0))}, flags=["censored: the ice fills the box", "ok", "ok", "ok"])
    store = stored(tmp_path, {"B": (held, 7 - np.arange(4.0))})
    reading, _ = region_reading(chosen_held(store, selection_of(None, every=True)), store)
    content = region_content(reading)
    assert "Fläche, Maske, Ausschnitt; masks, beobachtet" in lay_out(content, form=".md", language="de").decode()
    blocks = [block for section in content.sections for block in section.blocks if isinstance(block, Table)]
    (ranking,) = [block for block in blocks if block.name == "ranking"]
    ends = [one for row in ranking.rows for one in row[3:5]]
    assert sorted(str(one.sigma) for one in ends) == ["0.2", "0.2", "0.2", "nan"]


def test_of_what_has_no_sum_and_no_rate_no_empty_table_is_told(tmp_path: Path) -> None:
    store = Archive(tmp_path / "a.gpkg")
    rows = pd.DataFrame(
        {"glacier": "A", "date": pd.to_datetime(["2001-01-01", "2001-11-01"]), "variable": "mass_balance_mwe",
         "value": [-0.5, -1.5], "sigma": 0.1, "unit": "m w.e.", "method": "-", "footprint": "-", "dataset": "m.csv",
         "sensor": "", "coverage": 1.0, "image_id": ["a", "b"], "quality": "ok", "source": "observed"}
    )  # fmt: skip
    for glacier in ("A", "B"):
        store.store_tracked(
            fronts=empty("fronts"), observations=rows.assign(glacier=glacier), footprints=empty("footprints"),
            inputs=[(glacier, "m.csv", image, "m.csv") for image in ("a", "b")],
        )  # fmt: skip
    reading, _ = region_reading(chosen_held(store, selection_of(None, every=True)), store)
    tables = [b for section in region_content(reading).sections for b in section.blocks if isinstance(b, Table)]
    assert [table.name for table in tables] == ["ranking"]


def test_on_paper_an_error_may_stand_below_its_value(tmp_path: Path) -> None:
    """Nine columns of areas in square metres ran 16 mm into the margin."""
    content = four_dates(tmp_path)
    for is_print in (False, True):
        page = html_view(content, wording=wording_of("de").in_units({"area": "m2"}), mark="", is_print=is_print)
        cell = re.search(r'<td class="number"[^>]*><span><data[^>]*>([^<]*±[^<]*)<', page)
        assert cell is not None
        assert ("\u00a0±" in cell[1]) != is_print


def rates_of(held: object) -> list[float]:
    """Return the numbers per year of a JSON that are known."""
    if isinstance(held, dict):
        own = [held["value"]] if str(held.get("unit", "")).endswith("a-1") and held.get("value") is not None else []
        return own + [rate for one in held.values() for rate in rates_of(one)]
    return [rate for one in held for rate in rates_of(one)] if isinstance(held, list) else []


@pytest.mark.parametrize("kind", ["a day apart", "a season"])
def test_what_lies_less_than_eleven_months_apart_has_no_rate_per_year(tmp_path: Path, kind: str) -> None:
    """Two dates a day apart lost 183 km2 per year, of a glacier of 12."""
    content = PAGES[kind][0](tmp_path)
    assert rates_of(json.loads(lay_out(content, form=".json"))) == []
    assert rates_of(json.loads(lay_out(advance(tmp_path / "b"), form=".json")))


def test_of_bounds_alone_no_rate_is_told_and_each_end_is_told_as_a_bound(tmp_path: Path) -> None:
    page = lay_out(bounds_alone(tmp_path), form=".md").decode()
    assert "| 2010-03-01 | 2017-03-01 | at least 12 | at least 12 | not known |" in page
    assert "| 8 dates, all are bounds | not known | not known |" in page
    assert (
        "vom Eis ausgefüllt (Ausschnitt)" in lay_out(bounds_alone(tmp_path / "b"), form=".md", language="de").decode()
    )
