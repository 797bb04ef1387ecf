"""Dates of which only the year or the month is known: said as such, used where they do, left out where they do not."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

mpl.use("Agg")

from matplotlib.figure import Figure

from glaciertime import plot
from glaciertime.archive import Archive
from glaciertime.record import GlacierRecord
from glaciertime.region.changes import changes_of
from glaciertime.report.content import glacier_content
from glaciertime.report.forms import lay_out
from glaciertime.report.products import series_product

from ..track.test_screening import series


def lengths(quality: str, years: range = range(1900, 2000, 10)) -> pd.DataFrame:
    dates = pd.to_datetime([f"{year}-{'07' if quality == 'month-only' else '01'}-01" for year in years])
    count = len(dates)
    return pd.DataFrame(
        {"glacier": "Toy", "date": dates, "dataset": "Leclercq 2014", "sensor": "", "coverage": float("nan"),
         "quality": quality, "image_id": [f"row {i}" for i in range(count)], "source": "observed", "bound": "",
         "front_of": "", "variable": "length_m", "value": [9000.0 - 100 * i for i in range(count)], "sigma": 20.0,
         "unit": "m", "method": "-", "footprint": "-"}
    )  # fmt: skip


def record(folder: Path, rows: pd.DataFrame) -> GlacierRecord:
    store = Archive(folder / "a.gpkg")
    store.store_series(rows, source_file="lengths.csv")
    return GlacierRecord(store, "Toy")


@pytest.mark.parametrize(
    ("quality", "first", "last"), [("year-only", "1900", "1990"), ("month-only", "1900-07", "1990-07")]
)
@pytest.mark.parametrize("form", [".md", ".html", ".json"])
def test_no_day_is_said_that_nobody_knows(tmp_path: Path, quality: str, first: str, last: str, form: str) -> None:
    content = glacier_content(record(tmp_path, lengths(quality)))
    text = lay_out(content, form=form).decode()
    assert first in text
    assert last in text
    said = text if form != ".json" else "".join(part for part in text.split('"points"')[:1])
    assert f"{last}-01" not in said
    assert f"{first}-01" not in said


def test_months_are_told_only_from_values_whose_month_is_known() -> None:
    # A year's value stands as 1 January: of a glacier seen in summer it would be its January.
    dates = pd.date_range("2018-01-15", periods=24, freq="30D")
    seen = series([10_000.0] * 24).assign(date=dates)
    old = series([20_000.0] * 2).assign(date=pd.to_datetime(["2018-01-01", "2019-01-01"]), quality="year-only")
    table = pd.concat([seen, old], ignore_index=True)
    for name in ("monthly", "seasonal", "cycle"):
        found = series_product(name, observations=table, fronts=None, glacier=None)
        column = "maximum" if name == "cycle" else "value"
        assert found.table[column].max() == 10_000, name
        assert found.left_out == 2
    assert series_product("annual", observations=table, fronts=None, glacier=None).left_out == 0


def test_values_known_to_the_month_are_in_rates_and_in_the_curve_of_retreat(tmp_path: Path) -> None:
    rows = lengths("month-only")
    assert series_product("rates", observations=rows, fronts=None, glacier=None).left_out == 0
    axes = plot.retreat(record(tmp_path, rows), ax=Figure().add_subplot())
    assert len(axes.lines[0].get_xdata()) == len(rows)
    assert "since 1900-07" in axes.get_legend().get_texts()[0].get_text()
    assert "left out" not in axes.get_legend().get_texts()[0].get_text()


def test_the_changes_of_a_region_say_how_much_of_their_dates_is_known(tmp_path: Path) -> None:
    table = changes_of([record(tmp_path, lengths("year-only"))]).table
    assert table[["start_known", "end_known"]].to_numpy().tolist() == [["year", "year"]]
