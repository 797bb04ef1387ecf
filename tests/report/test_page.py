"""The page holds what the archive holds, says where it comes from, and needs nothing from outside."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from glaciertime.archive import Archive
from glaciertime.errors import InputError, UsageError
from glaciertime.forecast import Origins, backtest, forecast_series, series_from_observations
from glaciertime.forecast.scenario import scenario_series
from glaciertime.record import GlacierRecord
from glaciertime.report import retreat_text
from glaciertime.report.findings import rates_and_breaks
from glaciertime.report.page import report_page
from glaciertime.report.plots import fan_plot, series_plot
from glaciertime.tables import empty
from glaciertime.track import retreat_table

GLACIER = "Toy & <Sons>"


def observations(source: str) -> pd.DataFrame:
    dates = pd.date_range("2000-03-15", periods=16, freq="365D")
    rows = []
    for index, date in enumerate(dates):
        base = {"glacier": GLACIER, "date": date, "dataset": f"{source} set", "sensor": "",
                "image_id": f"{source}{index}",
                "coverage": 1.0, "quality": "ok", "source": source}  # fmt: skip
        rows.append({**base, "variable": "area_km2", "value": 100.0 - index, "sigma": 0.2, "unit": "km2",
                     "method": "mask", "footprint": "box"})  # fmt: skip
        rows.append({**base, "variable": "front_position_m", "value": 9000.0 - 50 * index, "sigma": 20.0, "unit": "m",
                     "method": "centreline", "footprint": "centreline"})  # fmt: skip
    table = pd.DataFrame(rows)
    table.loc[0, ["sigma", "quality"]] = [np.nan, "censored: the ice fills the box"]
    return table


def fronts(source: str) -> gpd.GeoDataFrame:
    dates = pd.date_range("2000-03-15", periods=16, freq="365D")
    return gpd.GeoDataFrame(
        {"GlacierID": GLACIER, "Date": dates, "DecDate": 2000.2 + np.arange(16), "QualFlag": "ok",
         "ImageID": [f"{source}{index}" for index in range(16)], "Author": "test", "source": source},
        geometry=[shapely.LineString([(500_000 + 50 * i, 7e6), (500_000 + 50 * i, 7.004e6)]) for i in range(16)],
        crs="EPSG:32622",
    )  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    store = Archive(tmp_path_factory.mktemp("report") / "a.gpkg")
    for source in ("observed", "simulated"):
        rows = observations(source)
        footprints = gpd.GeoDataFrame(
            {"glacier": [GLACIER], "footprint": ["box"], "dataset": [f"{source} set"], "area_km2": [120.0],
             "source": [source]},
            geometry=[shapely.box(495_000, 6.999e6, 505_000, 7.005e6)], crs="EPSG:32622",
        )  # fmt: skip
        inputs = [(GLACIER, f"{source} set", image, "a.tif") for image in rows["image_id"]]
        store.store_tracked(fronts=fronts(source), observations=rows, footprints=footprints, inputs=inputs)
        for series in series_from_observations(rows):
            store.store_forecasts(forecast_series(series, models=["last", "drift"], target_dates=["2020-03-15"]))
            store.store_scores(backtest([series], models=["last"], horizons=["1y"], origins=Origins(min_train=12)))
    return store


@pytest.fixture(scope="module")
def page(archive: Archive) -> str:
    return report_page(GlacierRecord(archive, GLACIER))


def pictures(page: str) -> list[str]:
    return [base64.b64decode(data).decode() for data in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)]


def test_names_are_escaped(page: str) -> None:
    assert "<Sons>" not in page
    assert "Toy &amp; &lt;Sons&gt;" in page


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    assert re.findall(r"(?:src|href)=\"(?!data:|https://doi\.org/)", page) == []
    assert "<script" not in page


def test_every_picture_is_sound(page: str) -> None:
    # For either source: a map, two series and two forecasts.
    assert len(pictures(page)) == 10
    for svg in pictures(page):
        assert ET.fromstring(svg).tag.endswith("svg")


def test_observed_and_simulated_stand_apart(page: str) -> None:
    before, after = page.split("Nothing here was observed")
    assert "simulated set" not in before
    assert "observed set" not in after.split("<h2>Sources")[0]


def test_the_numbers_are_those_of_the_archive(page: str) -> None:
    assert "85.00 ± 0.20 km2" in page
    assert "8,250 ± 20 m" in page
    assert "at least 15.00" in page
    assert "the ice fills the box" in page


def test_a_scenario_stands_apart_from_the_forecasts(tmp_path: Path) -> None:
    store = Archive(tmp_path / "s.gpkg")
    rows = observations("observed")
    inputs = [(GLACIER, "observed set", image, "a.tif") for image in rows["image_id"]]
    store.store_tracked(fronts=fronts("observed"), observations=rows, footprints=empty("footprints"), inputs=inputs)
    series = series_from_observations(rows, variable="front_position_m")[0]
    store.store_forecasts(forecast_series(series, models=["drift"], target_dates=["2020-03-15"]))
    store.store_forecasts(scenario_series(series, scenario="doubled", target_dates=["2020-03-15"]))
    html = report_page(GlacierRecord(store, GLACIER))
    assert html.count("SCENARIO, not a forecast") == 1
    what_if, forecast = html.split("<h3>What if</h3>")[1].split("</figure>")[:2]
    assert "scenario-doubled" in pictures(what_if)[0]
    assert "scenario-doubled" not in pictures(forecast)[0]


def test_images_that_are_not_registered_and_fronts_that_are_unclear_are_told(tmp_path: Path) -> None:
    rows = observations("observed").iloc[2:].copy()
    rows["quality"] = "unregistered: path/row 9011"
    last = rows["date"] == rows["date"].max()
    rows.loc[last, "quality"] += ";unclear-front: one sigma of 20 pixels, 1.5 usually"
    store = Archive(tmp_path / "s.gpkg")
    inputs = [(GLACIER, "observed set", image, "a.tif") for image in rows["image_id"]]
    store.store_tracked(fronts=fronts("observed"), observations=rows, footprints=empty("footprints"), inputs=inputs)
    html = report_page(GlacierRecord(store, GLACIER))
    assert html.index("not known to be registered to each other") < html.index("<h2>Series")
    cards = html.split('<div class="cards">')[1].split("<h2>")[0]
    assert cards.count(", unclear-front") == 2
    assert "one sigma of 20 pixels" in html.split("<h3>Flagged fronts")[1].split("</table>")[0]


def test_a_retreat_ends_at_a_clear_front_and_is_none_between_unregistered_images() -> None:
    rows = observations("observed").query("variable == 'area_km2'").copy()
    rows["quality"] = "unregistered: path/row 9011"
    rows.iloc[-1, rows.columns.get_loc("quality")] += ";unclear-front: one sigma of 20 pixels"
    row = retreat_table(rows).iloc[0]
    assert row.end_area_km2 == rows["value"].iloc[-2]
    assert "not known to be registered to each other: no measured retreat" in row.note
    only = retreat_table(rows.iloc[-1:]).iloc[0]
    assert "the front is unclear at the start; the front is unclear at the end" in only.note


def test_a_glacier_without_observations_says_what_to_do(archive: Archive) -> None:
    with pytest.raises(InputError, match="run glaciertime track --glacier Other first"):
        report_page(GlacierRecord(archive, "Other"))


def test_the_same_archive_gives_the_same_pictures(archive: Archive, page: str) -> None:
    assert pictures(report_page(GlacierRecord(archive, GLACIER))) == pictures(page)


@pytest.fixture
def table() -> pd.DataFrame:
    return retreat_table(observations("observed"))


def test_latex_is_escaped(table: pd.DataFrame) -> None:
    text = retreat_text(table, form="latex")
    assert r"Toy \& <Sons>" in text
    assert r"Loss (\%)" in text
    assert text.count(r"\\") == 2


def test_markdown_has_as_many_cells_in_every_row(table: pd.DataFrame) -> None:
    lines = retreat_text(table, form="markdown").strip().splitlines()
    assert len({line.count("|") for line in lines}) == 1


def test_csv_has_plain_numbers(table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(retreat_text(table, form="csv"))
    read = pd.read_csv(tmp_path / "t.csv")
    assert read["loss_km2"].item() == 15.0
    assert read["start_date"].item() == "2000-03-15"


def test_an_unknown_format_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="known are text, csv, markdown, latex"):
        retreat_text(table, form="html")


def fan(last_quality: str, *, beside: float | None = None) -> list[tuple[float, float]]:
    """Return the vertices of the median of a forecast, in pixels of its picture, of a series whose end is a spike.

    A second value may lie ``beside`` it, on the same day.
    """
    rows = observations("observed").query("variable == 'front_position_m'")
    if beside is not None:
        rows = pd.concat([rows, rows.iloc[-1:].assign(image_id="a twin", value=beside)], ignore_index=True)
    last = rows.index[rows["image_id"] == "observed15"]
    rows.loc[last, ["value", "quality"]] = [2_000.0, last_quality]
    forecasts = pd.DataFrame(
        [
            {"model": "last", "cutoff": rows["date"].max(), "target_date": rows["date"].max() + pd.Timedelta(days=365),
             "quantile": quantile, "value": value, "status": "ok", "variable": "front_position_m",
             "source": "observed"}
            for quantile, value in ((0.025, 8_200.0), (0.5, 8_300.0), (0.975, 8_400.0))
        ]
    )  # fmt: skip
    svg = fan_plot(rows, forecasts)
    # The median is the widest line.
    path = re.findall(r'<path d="([^"]*)"[^>]*stroke: #0072b2; stroke-width: 1.4', svg)[0]
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path)]


def test_a_fan_does_not_start_from_a_value_that_the_screening_set_aside() -> None:
    (_, start), (_, end) = fan("outlier-jump: undone")
    (_, spike), (_, low) = fan("ok")
    # 8300 against 8300 from the last sound value, and against the 2000 of the spike.
    assert abs(start - end) < 5
    assert abs(spike - low) > 50


def test_a_fan_does_not_start_from_a_part_or_a_bound() -> None:
    for quality in ("partial-coverage: 40 % of the footprint", "no-front", "censored: the ice fills the box"):
        (_, start), (_, end) = fan(quality)
        assert abs(start - end) < 5, quality


def test_a_fan_starts_from_what_a_day_of_several_values_is_to_the_forecast() -> None:
    # The mean of 2,000 and of 14,600 is the forecast of 8,300.
    (_, start), (_, end) = fan("ok", beside=14_600.0)
    assert abs(start - end) < 1


def test_bounds_point_to_the_side_where_the_truth_lies() -> None:
    rows = observations("observed").query("variable == 'area_km2'").assign(bound="", front_of="")
    assert "at most" not in series_plot(rows, variable="area_km2")
    rows.iloc[-1, rows.columns.get_loc("quality")] = "censored: no ice in the box"
    rows.iloc[-2, rows.columns.get_loc("bound")] = "at-most"
    svg = series_plot(rows, variable="area_km2")
    assert svg.count("<!-- mask, box: at least -->") == 1
    assert svg.count("<!-- mask, box: at most -->") == 1


def test_series_of_two_data_sets_bear_their_names() -> None:
    one = observations("observed").assign(bound="", front_of="")
    both = pd.concat([one, one.assign(dataset="other $et", value=one["value"] + 7)], ignore_index=True)
    assert "observed set" not in rates_and_breaks(one)
    html = rates_and_breaks(both)
    assert html.count("observed set") == html.count("other $et") >= 2
    assert "mask, box, other $et" in series_plot(both, variable="area_km2").replace("\\$", "$")


def test_cards_show_the_last_day_of_each_data_set(tmp_path: Path) -> None:
    store = Archive(tmp_path / "a.gpkg")
    one = observations("observed").query("variable == 'area_km2'")
    twin = one.iloc[-1:].assign(image_id="twin", value=89.0)
    other = one.assign(dataset="other set", value=one["value"] + 700)
    rows = pd.concat([one, twin, other], ignore_index=True)
    images = rows[["glacier", "dataset", "image_id"]].itertuples(index=False)
    inputs = [(*image, f"{k}") for k, image in enumerate(images)]
    store.store_tracked(fronts=empty("fronts"), observations=rows, footprints=empty("footprints"), inputs=inputs)
    cards = re.findall(r'<div class="card">.*?</div>', report_page(GlacierRecord(store, GLACIER)))
    assert len(cards) == 2
    # 85 and 89 of one day, each 2 off their mean.
    assert any("observed set" in card and "<b>87.00 ± 2.00 km2</b>" in card for card in cards)
    assert any("other set" in card and "<b>785.00 ± 0.20 km2</b>" in card for card in cards)


def test_a_predicted_front_names_its_own_model_and_bands(tmp_path: Path) -> None:
    store = Archive(tmp_path / "a.gpkg")
    rows = observations("observed")
    inputs = [(GLACIER, "observed set", f"observed{k}", f"f{k}") for k in range(16)]
    store.store_tracked(fronts=fronts("observed"), observations=rows, footprints=empty("footprints"), inputs=inputs)
    line = shapely.LineString([(500_500, 7e6), (500_500, 7.004e6)])
    for model, level, shift in (("drift", 0.8, 0.0), ("last", 0.5, 900.0)):
        there = shapely.transform(line, lambda xy, shift=shift: xy + np.array([shift, 0]))
        base = {
            "glacier": GLACIER, "cutoff": pd.Timestamp("2012-01-01"), "target_date": pd.Timestamp("2015-01-01"),
            "horizon_days": 1000.0, "model": model, "half_width_m": 1.0, "n_calibration": 5.0, "status": "ok",
            "source": "observed",
        }  # fmt: skip
        bands = [{**base, "kind": "front", "level": np.nan}, {**base, "kind": "band-share", "level": level}]
        store.store_contours(gpd.GeoDataFrame(bands, geometry=[there, there.buffer(200)], crs="EPSG:32622"))
    page = report_page(GlacierRecord(store, GLACIER))
    captions = re.findall(r"Calving front predicted for [^<]*", page)
    assert len(captions) == 2
    assert "by drift from fronts up to 2012-01-01, and where 80% of its length should lie" in captions[0]
    assert "by last from fronts up to 2012-01-01, and where 50% of its length should lie" in captions[1]
