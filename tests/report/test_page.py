"""The page holds what the archive holds, says where it comes from, and needs nothing from outside."""

from __future__ import annotations

import base64
import datetime as dt
import html
import json
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
from glaciertime.report.content import glacier_content
from glaciertime.report.content.changes import Changes, rate_section
from glaciertime.report.content.parts import FanPlot, Number, SeriesPlot, Table, say
from glaciertime.report.content.pictures import fan_plot, series_section
from glaciertime.report.forms import lay_out
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


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages whose words and numbers are looked at: their pictures are what takes the time."""
    monkeypatch.setattr("glaciertime.report.views.html_view.chart", lambda *given, **named: "<svg/>")


def report_page(record: GlacierRecord) -> str:
    return lay_out(glacier_content(record), form=".html").decode()


def words_of(page: str) -> str:
    """Return what a reader of a page reads, with plain spaces."""
    body = re.sub(r"<(script|style)>.*?</\1>|<svg.*?</svg>", "", page, flags=re.S)
    return html.unescape(re.sub(r"<[^>]*>", "", body)).replace("\u00a0", " ")


def pictures(page: str) -> list[str]:
    return [base64.b64decode(data).decode() for data in re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)]


def test_names_are_escaped(page: str) -> None:
    assert "<Sons>" not in page
    assert "Toy &amp; &lt;Sons&gt;" in page


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    assert re.findall(r"(?:src|href)=\"(?!data:|https://doi\.org/)", page) == []
    assert not re.findall(r"<script[^>]|fetch\(|XMLHttp|import\(|@import|url\(", page)
    assert re.findall(r"https?://[^\s\"<]*", re.sub(r'href="[^"]*"', "", page)) == ["http://www.w3.org/2000/svg"]


def test_every_picture_is_sound(page: str) -> None:
    # For either source two series and two forecasts, each in two widths; the maps are within the page.
    assert len(pictures(page)) == 16
    assert page.count('<svg class="zoom"') == 2
    for svg in pictures(page):
        assert ET.fromstring(svg).tag.endswith("svg")


def test_observed_and_simulated_stand_apart(page: str) -> None:
    before, after = page.split("Nothing here was observed")
    assert "simulated set" not in before
    assert "observed set" not in after.split("<h2>Sources")[0]
    assert after.count("simulated, not observed") == 1  # across its map; across its plots it is drawn


def test_the_numbers_are_those_of_the_archive(page: str) -> None:
    words = words_of(page)
    assert "85.00 ± 0.20 km²" in words
    assert "8,250 ± 20 m" in words
    assert "at least 15.00 ± 0.20" in words
    assert "the ice fills the box" in words


@pytest.mark.usefixtures("without_pictures")
def test_a_scenario_stands_apart_from_the_forecasts(tmp_path: Path) -> None:
    store = Archive(tmp_path / "s.gpkg")
    rows = observations("observed")
    inputs = [(GLACIER, "observed set", image, "a.tif") for image in rows["image_id"]]
    store.store_tracked(fronts=fronts("observed"), observations=rows, footprints=empty("footprints"), inputs=inputs)
    series = series_from_observations(rows, variable="front_position_m")[0]
    store.store_forecasts(forecast_series(series, models=["drift"], target_dates=["2020-03-15"]))
    store.store_forecasts(scenario_series(series, scenario="doubled", target_dates=["2020-03-15"]))
    content = glacier_content(GlacierRecord(store, GLACIER))
    assert lay_out(content, form=".html").decode().count("SCENARIO, not a forecast") == 1
    fans = [block for section in content.sections for block in section.blocks if isinstance(block, FanPlot)]
    assert [[fan.label for fan in plot.fans] for plot in fans] == [["drift"], ["scenario-doubled"]]


@pytest.mark.usefixtures("without_pictures")
def test_images_that_are_not_registered_and_fronts_that_are_unclear_are_told(tmp_path: Path) -> None:
    rows = observations("observed").iloc[2:].copy()
    rows["quality"] = "unregistered: path/row 9011"
    last = rows["date"] == rows["date"].max()
    rows.loc[last, "quality"] += ";unclear-front: one sigma of 20 pixels, 1.5 usually"
    store = Archive(tmp_path / "s.gpkg")
    inputs = [(GLACIER, "observed set", image, "a.tif") for image in rows["image_id"]]
    store.store_tracked(fronts=fronts("observed"), observations=rows, footprints=empty("footprints"), inputs=inputs)
    page = report_page(GlacierRecord(store, GLACIER))
    assert page.index("not known to be registered to each other") < page.index("<h2>Series")
    head = page.split("<h2>In short")[1].split("<h2>")[0]
    assert head.count(", unclear-front") == 2
    assert head.count("no change is stated") == 2
    assert "retreated" not in head
    assert "one sigma of 20 pixels" in page.split("<h3>Flagged fronts")[1].split("</table>")[0]


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


def fan(last_quality: str, *, beside: float | None = None) -> float | None:
    """Return the value that a fan starts from, of a series whose end is a spike of 2,000.

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
    said = say("series.observed")
    plot = fan_plot(rows, forecasts, title=said, caption=said, source="observed")
    return None if plot.last is None else plot.last.value


def test_a_fan_does_not_start_from_a_value_that_the_screening_set_aside() -> None:
    assert fan("outlier-jump: undone") == 8_300
    assert fan("ok") == 2_000


def test_a_fan_does_not_start_from_a_part_or_a_bound() -> None:
    for quality in ("partial-coverage: 40 % of the footprint", "no-front", "censored: the ice fills the box"):
        assert fan(quality) == 8_300, quality


def test_a_fan_starts_from_what_a_day_of_several_values_is_to_the_forecast() -> None:
    # The mean of 2,000 and of 14,600 is the forecast of 8,300.
    assert fan("ok", beside=14_600.0) == pytest.approx(8_300)


class Rows:
    """A record of nothing but observations, of one source."""

    glacier, source = GLACIER, "observed"

    def __init__(self, rows: pd.DataFrame) -> None:
        self.observations = rows.assign(**{name: "" for name in ("bound", "front_of") if name not in rows})


def test_bounds_point_to_the_side_where_the_truth_lies() -> None:
    rows = observations("observed").query("variable == 'area_km2'").assign(bound="", front_of="")
    rows.iloc[-1, rows.columns.get_loc("quality")] = "censored: no ice in the box"
    rows.iloc[-2, rows.columns.get_loc("bound")] = "at-most"
    (plot,) = series_section(Rows(rows)).blocks
    assert isinstance(plot, SeriesPlot)
    ((trace,),) = plot.panels
    assert [point.kind for point in trace.points] == ["at-least", *["ok"] * 13, "at-most", "at-most"]


def test_series_of_two_data_sets_bear_their_names() -> None:
    one = observations("observed")
    both = pd.concat([one, one.assign(dataset="other $et", value=one["value"] + 7)], ignore_index=True)

    def labels(rows: pd.DataFrame) -> list[object]:
        return [row[0] for block in rate_section(Changes(Rows(rows))).blocks for row in getattr(block, "rows", ())]

    assert not any("observed set" in label for label in labels(one))
    named = labels(both)
    assert sum("observed set" in label for label in named) == sum("other $et" in label for label in named) >= 2


@pytest.mark.usefixtures("without_pictures")
def test_cards_show_the_last_day_of_each_data_set(tmp_path: Path) -> None:
    store = Archive(tmp_path / "a.gpkg")
    one = observations("observed").query("variable == 'area_km2'")
    twin = one.iloc[-1:].assign(image_id="twin", value=89.0)
    other = one.assign(dataset="other set", value=one["value"] + 700)
    rows = pd.concat([one, twin, other], ignore_index=True)
    images = rows[["glacier", "dataset", "image_id"]].itertuples(index=False)
    inputs = [(*image, f"{k}") for k, image in enumerate(images)]
    store.store_tracked(fronts=empty("fronts"), observations=rows, footprints=empty("footprints"), inputs=inputs)
    cards = [
        words_of(card)
        for card in re.findall(r'<div class="card">.*?</div>', report_page(GlacierRecord(store, GLACIER)))
    ]
    assert len(cards) == 2
    # 85 and 89 of one day, each 2 off their mean.
    assert any("observed set" in card and "87.0 ± 2.0 km²" in card for card in cards)
    assert any("other set" in card and "785.00 ± 0.20 km²" in card for card in cards)


@pytest.mark.usefixtures("without_pictures")
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
    captions = re.findall(r"Front predicted for .*? of its length", words_of(page))
    assert captions == [
        f"Front predicted for 2015-01-01 by {model} from fronts up to 2012-01-01. "
        f"The bands should hold {share} % of its length"
        for model, share in (("drift", 80), ("last", 50))
    ]


def numbers_of_json(held: object) -> list[tuple[object, ...]]:
    """Return the numbers that a report holds as JSON, those of the points of plots left out."""
    if isinstance(held, dict):
        if "value" in held and "text" in held:
            return [tuple(held.get(name) for name in ("value", "unit", "sigma", "low", "high", "level", "bound"))]
        parts = [
            value for name, value in held.items() if name not in ("panels", "fans", "seen", "last", "warnings", "run")
        ]
        return [one for part in parts for one in numbers_of_json(part)]
    return [one for part in held for one in numbers_of_json(part)] if isinstance(held, list) else []


def numbers_of_page(page: str) -> list[tuple[object, ...]]:
    """Return the numbers that a page shows."""
    found = []
    for text in re.findall(r"<data([^>]*)>", page):
        told = {
            name.removeprefix("data-"): html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', text)
        }
        numbers = [float(told[name]) if name in told else None for name in ("sigma", "low", "high", "level")]
        value = float(told["value"]) if "value" in told else None
        found.append((value, told.get("unit", ""), *numbers, told.get("bound")))
    return found


@pytest.mark.usefixtures("without_pictures")
def test_every_number_of_the_page_is_in_the_json_and_the_other_way_round(archive: Archive) -> None:
    content = glacier_content(GlacierRecord(archive, GLACIER))
    page = lay_out(content, form=".html").decode()
    shown, held = numbers_of_page(page), numbers_of_json(json.loads(lay_out(content, form=".json")))
    assert len(shown) > 100
    assert sorted(shown, key=repr) == sorted(held, key=repr)


@pytest.mark.usefixtures("without_pictures")
def test_no_number_stands_on_the_page_outside_what_the_json_knows(archive: Archive) -> None:
    content = glacier_content(GlacierRecord(archive, GLACIER), today=dt.date(2024, 1, 2))
    body = lay_out(content, form=".html").decode().split("<body>")[1]
    # Maps have axes of their own; names, reasons and citations are texts of the data.
    body = re.sub(r"<(script|svg|data|time|a)\b.*?</\1>|<section class=\"(methods|data|reading|quality)\".*?</section>",
                  "", body, flags=re.S)  # fmt: skip
    left = set(re.findall(r"[^\s<>]*\d[^\s<>]*", html.unescape(re.sub(r"<[^>]*>", " ", body))))
    assert {
        one for one in left if not re.match(r"(EPSG:\d+\)|2\.0|0\.1\.0|[125]y:?|95|90|8|[01]$|km²\)?\.?)", one)
    } == set()


@pytest.mark.usefixtures("without_pictures")
def test_every_language_says_the_same(archive: Archive) -> None:
    content = glacier_content(GlacierRecord(archive, GLACIER))
    english, german = (numbers_of_page(lay_out(content, form=".html", language=one).decode()) for one in ("en", "de"))
    assert sorted(english, key=repr) == sorted(german, key=repr)
    words = words_of(lay_out(content, form=".html", language="de").decode())
    assert "85,00 ± 0,20 km²" in words
    assert "8\u202f250 ± 20 m" in words


@pytest.mark.usefixtures("without_pictures")
def test_a_reader_has_his_units_and_a_machine_those_of_the_archive(archive: Archive) -> None:
    content = glacier_content(GlacierRecord(archive, GLACIER))
    units = {"area": "ha", "length": "km"}
    page = lay_out(content, form=".html", units=units).decode()
    words = words_of(page)
    assert "8,500 ± 20 ha" in words
    assert "8.250 ± 0.020 km" in words
    assert not re.search(r"\d km²|\(km²|\d m\b|\(m\)|\(m per year\)", words)
    # Whoever reads the page by a program finds what it finds in JSON, in the same units.
    assert sorted(numbers_of_page(page), key=repr) == sorted(
        numbers_of_page(lay_out(content, form=".html").decode()), key=repr
    )
    held = [lay_out(content, form=".json", units=one) for one in ({}, units)]
    assert held[0] == held[1]


def test_the_numbers_of_a_column_are_in_its_unit(archive: Archive) -> None:
    content = glacier_content(GlacierRecord(archive, GLACIER))
    tables = [block for section in content.sections for block in section.blocks if isinstance(block, Table)]
    assert tables
    for table in tables:
        for place, column in enumerate(table.columns):
            cells = [row[place] for row in table.rows if isinstance(row[place], Number)]
            assert {cell.unit for cell in cells} <= ({column.unit} if column.unit else {cell.unit for cell in cells})


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(("sigma", "is_known"), [(0.2, True), (float("nan"), False)])
def test_a_page_speaks_of_no_standard_deviation_that_nobody_stated(
    sigma: float, is_known: bool, tmp_path: Path
) -> None:
    dates = pd.to_datetime([f"{year}-07-01" for year in range(2000, 2004)])
    rows = pd.DataFrame(
        {"glacier": "Toy", "date": dates, "dataset": "own", "sensor": "", "coverage": float("nan"), "quality": "ok",
         "image_id": [f"row {i}" for i in range(4)], "source": "observed", "bound": "", "front_of": "",
         "variable": "area_km2", "value": [9.0, 8.5, 8.2, 8.0], "sigma": sigma, "unit": "km2", "method": "-",
         "footprint": "-"}
    )  # fmt: skip
    store = Archive(tmp_path / "a.gpkg")
    store.store_series(rows, source_file="own.csv")
    words = words_of(lay_out(glacier_content(GlacierRecord(store, "Toy")), form=".html").decode())
    assert ("error bars are one standard deviation" in words) == is_known
    assert ("One standard deviation, as the data set states it" in words) == is_known
    assert ("no sigma is known" in words) != is_known
