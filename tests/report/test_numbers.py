"""Every number of a page is in its JSON with unit and sigma, and the other way round: of every kind of page."""

from __future__ import annotations

import json
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
from glaciertime.report.content.parts import Content
from glaciertime.report.forms import lay_out
from glaciertime.tables import empty

from .test_page import numbers_of_json, numbers_of_page, words_of

UNITS = {"area": "ha", "length": "km"}


def stored(folder: Path, series: dict[str, tuple[list[str], np.ndarray]], *, flags: str = "ok") -> Archive:
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


def test_of_bounds_alone_no_rate_is_told_and_each_end_is_told_as_a_bound(tmp_path: Path) -> None:
    page = lay_out(bounds_alone(tmp_path), form=".md").decode()
    assert "| 2010-03-01 | 2017-03-01 | at least 12 | at least 12 | not known |" in page
    assert "| 8 dates, all are bounds | not known | not known |" in page
    assert (
        "vom Eis ausgefüllt (Ausschnitt)" in lay_out(bounds_alone(tmp_path / "b"), form=".md", language="de").decode()
    )
