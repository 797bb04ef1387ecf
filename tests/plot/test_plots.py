"""Plots draw what the record holds, on the caller's axes, with units and errors, and mark what is simulated."""

from __future__ import annotations

import datetime as dt
import math
import re
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import shapely

mpl.use("Agg")

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from glaciertime import plot
from glaciertime.archive import Archive
from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.forecast import forecast_series, series_from_observations
from glaciertime.plot.forecast_fan import draw_fan
from glaciertime.plot.front_lines import rank_colour
from glaciertime.plot.points import FanPoints, Point
from glaciertime.plot.seasonal_cycle import anomalies
from glaciertime.plot.time_series import draw_traces
from glaciertime.record import GlacierRecord

DATES = pd.DatetimeIndex([*pd.date_range("1990-07-01", periods=5, freq="3652D"),
                          *pd.date_range("2031-01-15", periods=12, freq="30D")])  # fmt: skip


def rows(source: str, dates: pd.DatetimeIndex = DATES) -> pd.DataFrame:
    count = len(dates)
    base = {
        "glacier": "Toy", "date": dates, "dataset": f"{source} set", "sensor": "", "coverage": 1.0, "quality": "ok",
        "image_id": [f"{source}{i}" for i in range(count)], "source": source, "bound": "", "front_of": "",
    }  # fmt: skip
    front = {**base, "variable": "front_position_m", "value": 9000.0 - 100 * np.arange(count), "sigma": 30.0,
             "unit": "m", "method": "centreline", "footprint": "centreline"}  # fmt: skip
    area = {**base, "variable": "area_km2", "value": 50.0 - np.arange(count), "sigma": 0.3, "unit": "km2",
            "method": "mask", "footprint": "box"}  # fmt: skip
    return pd.concat([pd.DataFrame(front), pd.DataFrame(area)], ignore_index=True)


def lines(source: str, dates: pd.DatetimeIndex = DATES) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"GlacierID": "Toy", "Date": dates, "DecDate": dates.year + dates.dayofyear / 366, "QualFlag": "ok",
         "ImageID": [f"{source}{i}" for i in range(len(dates))], "Author": "test", "source": source},
        geometry=[shapely.LineString([(5e5 + 50 * i, 7e6), (5e5 + 50 * i, 7.004e6)]) for i in range(len(dates))],
        crs="EPSG:32622",
    )  # fmt: skip


def store_all(store: Archive, source: str, dates: pd.DatetimeIndex = DATES) -> pd.DataFrame:
    held = rows(source, dates)
    inputs = [("Toy", f"{source} set", image, "a.tif") for image in held["image_id"].unique()]
    box = gpd.GeoDataFrame(
        {"glacier": ["Toy"], "footprint": ["box"], "dataset": [f"{source} set"], "area_km2": [60.0],
         "source": [source]}, geometry=[shapely.box(499_000, 6.999e6, 502_000, 7.005e6)], crs="EPSG:32622",
    )  # fmt: skip
    store.store_tracked(fronts=lines(source, dates), observations=held, footprints=box, inputs=inputs)
    return held


def stored(folder: Path, *sources: str) -> GlacierRecord:
    store = Archive(folder / "a.gpkg")
    for source in sources:
        held = store_all(store, source)
        for one in series_from_observations(held):
            store.store_forecasts(forecast_series(one, models=["last", "drift"], target_dates=["2035-01-01"]))
    return GlacierRecord(store, "Toy")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> GlacierRecord:
    return stored(tmp_path_factory.mktemp("plot"), "observed", "simulated")


@pytest.fixture
def axes() -> Axes:
    return Figure().add_subplot()


EVALUATION = {"confusion": {"labels_by_row": ["ice", "sea"], "pixels": [[3, 1], [0, 4]]}}
OF_RECORD = ("fronts", "series", "fan", "retreat", "seasonal")


def texts(axes: Axes) -> set[str]:
    return {text.get_text() for text in axes.texts}


@pytest.mark.parametrize("kind", OF_RECORD)
@pytest.mark.parametrize("source", ["observed", "simulated"])
def test_the_callers_axes_are_drawn_on_and_returned(record: GlacierRecord, axes: Axes, kind: str, source: str) -> None:
    assert getattr(plot, kind)(record, ax=axes, source=source) is axes
    assert ("simulated, not observed" in texts(axes)) == (source == "simulated")
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_every_kind_is_a_function_of_the_package() -> None:
    assert set(plot.KINDS) == set(plot.__all__) - {"KINDS"} == {*OF_RECORD, "confusion"}
    assert all(callable(getattr(plot, kind)) for kind in plot.KINDS)


def test_fronts_are_coloured_by_the_rank_of_their_date(record: GlacierRecord, axes: Axes) -> None:
    """By the date, twelve of seventeen fronts of one last year would have one colour."""
    plot.fronts(record, ax=axes)
    (drawn,) = [one for one in axes.collections if isinstance(one, LineCollection)]
    ranks = np.arange(len(DATES)) / (len(DATES) - 1)
    assert np.allclose(drawn.get_colors(), [to_rgba(rank_colour(rank)) for rank in ranks])
    assert len(set(map(rank_colour, ranks))) == len(DATES)
    (bar,) = [one for one in axes.figure.axes if one is not axes]
    shown = [label.get_text() for label in bar.get_yticklabels()]
    assert (shown[0], shown[-1]) == ("1990-07-01", f"{DATES[-1]:%Y-%m-%d}")
    assert "17 dates" in bar.get_ylabel()


def test_units_are_on_the_axes(record: GlacierRecord) -> None:
    for kind, variable, label in (
        ("series", "area_km2", "area (km²)"), ("series", None, "front position (towards the sea) (m)"),
        ("retreat", None, "retreat (m)"), ("retreat", "area_km2", "area lost (km²)"), ("fan", "area_km2", "area (km²)"),
        ("seasonal", None, "off its year's mean (m)"),
    ):  # fmt: skip
        ax = Figure().add_subplot()
        getattr(plot, kind)(record, variable=variable, ax=ax)
        assert ax.get_ylabel() == label
    ax = plot.fronts(record, ax=Figure().add_subplot())
    assert ax.get_xlabel() == "easting (km, EPSG:32622)"


def test_retreat_is_positive_inland_and_its_sigma_is_of_both_dates(record: GlacierRecord, axes: Axes) -> None:
    plot.retreat(record, ax=axes)
    curve = axes.lines[0].get_xydata()[:, 1]
    assert np.allclose(curve, 100 * np.arange(len(DATES)))
    ((_, _, (bars,)),) = [held.lines for held in axes.containers]
    half = [np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments()]
    assert half[0] == 0
    assert np.allclose(half[1:], 30 * 2**0.5)


def test_error_bars_are_one_sigma(record: GlacierRecord, axes: Axes) -> None:
    plot.series(record, variable="area_km2", ax=axes)
    ((_, _, (bars,)),) = [held.lines for held in axes.containers]
    assert np.allclose([np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments()], 0.3)


def test_a_fan_is_of_one_model_and_says_which(record: GlacierRecord, axes: Axes) -> None:
    plot.fan(record, model="drift", ax=axes)
    assert axes.get_title(loc="left").startswith("drift, centreline, from values up to 2031-12-11")
    with pytest.raises(UsageError, match="no model 'drit', did you mean drift\\?; there are drift, last"):
        plot.fan(record, model="drit", ax=axes)


def test_the_cycle_is_off_its_years_mean() -> None:
    dates = pd.date_range("2001-04-01", periods=27, freq="MS") + pd.Timedelta(days=14)
    kept = rows("observed", dates).iloc[:27].copy()
    kept["value"] = 1000.0 * (dates.year - 2000) + 10.0 * np.where(dates.month <= 6, 1, -1)
    found = anomalies(kept)
    assert set(found["year"]) == {2002}, "2001 has no value of its first quarter, 2003 none of its last"
    full = found[found["year"] == 2002].set_index("month")["value"]
    assert full.abs().max() < 40, "the years' own level is no part of the cycle"
    assert full[3] - full[9] == pytest.approx(20)


def test_a_glacier_without_a_cycle_is_one_sentence(tmp_path: Path) -> None:
    store = Archive(tmp_path / "a.gpkg")
    store_all(store, "observed", DATES[:5])
    record = GlacierRecord(store, "Toy")
    with pytest.raises(DataNotFoundError, match="six calendar months"):
        plot.seasonal(record)
    with pytest.raises(DataNotFoundError, match="run glaciertime forecast --glacier Toy"):
        plot.fan(record)
    with pytest.raises(UsageError, match="no variable 'area', did you mean area_km2"):
        plot.series(record, variable="area")
    with pytest.raises(DataNotFoundError, match="no calving front of Toy \\(simulated\\)"):
        plot.fronts(record, source="simulated")


def test_confusion_shows_shares_of_each_label(axes: Axes) -> None:
    assert plot.confusion(EVALUATION, ax=axes) is axes
    assert {"75.0%\n3", "25.0%\n1", "0.0%\n0", "100.0%\n4"} == texts(axes)
    assert (axes.get_ylabel(), axes.get_xlabel()[:4]) == ("label", "mask")


@pytest.mark.parametrize(
    "held", [{}, {"confusion": {"labels_by_row": ["a"], "pixels": [[1, 2]]}},
             {"confusion": {"labels_by_row": ["a", "b"], "pixels": [[1, 2], [3]]}},
             {"confusion": {"labels_by_row": ["a"], "pixels": [[-1]]}}, {"confusion": [1]}],
)  # fmt: skip
def test_what_is_no_confusion_matrix_is_refused(held: dict[str, object], axes: Axes) -> None:
    with pytest.raises(InputError, match="confusion"):
        plot.confusion(held, ax=axes)


def test_without_axes_a_figure_is_made(record: GlacierRecord) -> None:
    from matplotlib import pyplot

    ax = plot.series(record)
    assert ax.figure.number in pyplot.get_fignums()
    pyplot.close(ax.figure)


@pytest.mark.parametrize("width", [1.5, 9.0])
def test_dates_of_any_span_have_ticks_and_each_is_a_day_of_its_own(width: float) -> None:
    """matplotlib warns where none of its intervals fits; a warning fails a test."""
    for days in (0, 1, 2, 40, 59, 100, 500, 700, 740, 1300, 2500, 40000):
        ax = Figure(figsize=(width, 2.5), layout="constrained").add_subplot()
        first = dt.date(1899, 12, 30)
        points = [Point(date=first + dt.timedelta(days=k), value=1.0) for k in (0, days)]
        draw_traces(ax, [("one", points)])
        ax.figure.draw_without_rendering()
        low, high = ax.get_xlim()
        ticks = zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
        shown = [label.get_text() for at, label in ticks if low <= at <= high]
        assert 1 <= len(shown) <= 10, (days, shown)
        assert len(set(shown)) == len(shown), (days, shown)
        assert ax.get_xlabel() == "date"


def test_a_value_of_unknown_sigma_has_no_bar(axes: Axes) -> None:
    held = [Point(date=dt.date(2000 + k, 1, 1), value=1.0, sigma=sigma) for k, sigma in enumerate((0.5, math.nan))]
    draw_traces(axes, [("one", held)])
    ((_, caps, (bars,)),) = [one.lines for one in axes.containers]
    lengths = [np.ptp(segment[:, 1]) for segment in bars.get_segments() if len(segment)]
    assert [one for one in lengths if np.isfinite(one)] == [1.0]
    assert all(np.isnan(cap.get_ydata()[1]) for cap in caps)


def test_the_legend_shows_a_bar_only_where_one_is_drawn(axes: Axes) -> None:
    dates = [dt.date(2000 + k, 1, 1) for k in range(3)]
    for name, sigma in (("none", math.nan), ("some", 1.0)):
        draw_traces(axes, [(name, [Point(date=date, value=1.0, sigma=sigma) for date in dates])])
    handles, labels = axes.get_legend_handles_labels()
    assert {label: handle.has_yerr for handle, label in zip(handles, labels, strict=True)} == {
        "none": False, "some": True,
    }  # fmt: skip


def test_a_series_without_a_sound_value_is_named_by_what_it_has(axes: Axes) -> None:
    held = [Point(date=dt.date(2000 + k, 1, 1), value=1.0, kind=kind) for k, kind in enumerate(("flagged", "at-most"))]
    draw_traces(axes, [("one", held)])
    assert axes.get_legend_handles_labels()[1] == ["one: flagged", "one: at most"]


def test_the_page_lays_out_what_the_plots_draw(monkeypatch: pytest.MonkeyPatch, record: GlacierRecord) -> None:
    """One drawing: what the library draws of a series and of a forecast is what stands on the page."""
    from glaciertime.report.content import glacier_content
    from glaciertime.report.content.parts import FanPlot, SeriesPlot
    from glaciertime.report.views import charts
    from glaciertime.report.wording import wording_of

    drawn: list[str] = []
    for name in ("draw_traces", "draw_fan"):
        real = getattr(charts, name)
        monkeypatch.setattr(
            charts, name, lambda *given, name=name, real=real, **named: (drawn.append(name), real(*given, **named))
        )
    blocks = [block for section in glacier_content(record).sections for block in section.blocks]
    for kind in (SeriesPlot, FanPlot):
        one = next(block for block in blocks if isinstance(block, kind))
        assert charts.chart(one, wording=wording_of("de"), width_in=3.8).startswith("<?xml")
    assert drawn == ["draw_traces", "draw_fan", "draw_fan"]


def test_the_page_maps_the_fronts_that_the_plot_draws(record: GlacierRecord, axes: Axes) -> None:
    """One drawing: lines, colours, dashes, outlines and what is looked at are the same on the page and on axes."""
    from glaciertime.report.content.pictures import map_section
    from glaciertime.report.views.map_svg import map_svg
    from glaciertime.report.wording import wording_of

    plot.fronts(record, ax=axes, bar=False)
    (shown,) = map_section(record.of("observed")).blocks
    (drawn,) = [one for one in axes.collections if isinstance(one, LineCollection)]
    pieces = [np.array(piece) / 1000 for line in shown.lines for piece in line.pieces]
    assert all(np.allclose(ours, theirs) for ours, theirs in zip(drawn.get_segments(), pieces, strict=True))
    page = map_svg(shown, wording=wording_of("en"))
    colours = re.findall(r'fill="none" stroke="(#\w+)" stroke-width="2"', page)
    assert [to_rgba(colour) for colour in colours] == [tuple(one) for one in drawn.get_colors()]
    x0, y1 = (float(re.search(f'data-{name}="([^"]+)"', page)[1]) / 1000 for name in ("x0", "y1"))
    assert (axes.get_xlim()[0], axes.get_ylim()[1]) == pytest.approx((x0, y1))


def test_the_interval_of_a_single_date_is_seen(axes: Axes) -> None:
    """The legend named intervals of which nothing was drawn."""
    last = Point(date=dt.date(2020, 1, 1), value=5.0)
    draw_fan(axes, FanPoints(seen=[last], last=last, dates=[dt.date(2030, 1, 1)],
                             quantiles={0.025: [1.0], 0.5: [5.0], 0.975: [9.0]}))  # fmt: skip
    (area,) = [one for one in axes.collections if len(one.get_paths()) and len(one.get_paths()[0].vertices) > 4]
    assert np.ptp(area.get_paths()[0].vertices, axis=0) == pytest.approx((3653, 8.0))
