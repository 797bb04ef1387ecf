"""The calving front itself, forecast: known geometry, properties, leakage, and real fronts."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from glaciertime.errors import InputError, UsageError
from glaciertime.forecast.example import straight_fronts
from glaciertime.forecast.front.contour import CONTOUR_COLUMNS, forecast_contour
from glaciertime.forecast.front.contour_backtest import backtest_contour, front_distance_m, summarise_contours
from glaciertime.forecast.front.fjord import fjord_frame

CENTRELINE = shapely.LineString([(0, 0), (20_000, 0)])


def forecast(fronts: gpd.GeoDataFrame, **given: object) -> gpd.GeoDataFrame:
    settings = {"centreline": CENTRELINE, "crs": None, "target_dates": ["2011-01-01"], "model": "drift"}
    return forecast_contour(fronts, **(settings | given))


def test_a_steady_retreat_goes_on_in_place_and_date() -> None:
    made = forecast(straight_fronts(rate_m_per_year=-100.0), target_dates=["2011-01-01", "2012-07-02"])
    lines = made[made["kind"] == "front"].geometry
    x = [shapely.get_coordinates(line)[:, 0] for line in lines]
    assert np.ptp(x[0]) < 1e-6
    assert [float(values.mean()) for values in x] == pytest.approx([8900.0, 8750.0], abs=2.0)
    assert list(made.columns) == list(CONTOUR_COLUMNS)
    assert set(made["source"]) == {"simulated"}


def test_bands_are_nested_and_hold_the_front() -> None:
    fronts = straight_fronts(rate_m_per_year=-100.0, count=25, first_year=1985, noise_m=30.0, seed=2)
    made = forecast(fronts, target_dates=["2010-01-01"], levels=[0.5, 0.9])
    bands = {(row.kind, row.level): row.geometry for row in made.itertuples()}
    line = made.geometry.iloc[0]
    for kind in ("band-share", "band-whole"):
        assert bands[kind, 0.9].contains(line)
        assert bands[kind, 0.9].buffer(1e-6).contains(bands[kind, 0.5])
    assert bands["band-whole", 0.9].buffer(1e-6).contains(bands["band-share", 0.9])


def test_coverage_on_simulated_fronts_is_within_binomial_error() -> None:
    inside, whole = [], []
    for seed in range(6):
        fronts = straight_fronts(rate_m_per_year=0.0, count=34, first_year=1970, noise_m=40.0, seed=seed)
        rows = backtest_contour(fronts, centreline=CENTRELINE, crs=None, models=["last"], horizons=["1y"],
                                first_origin="1990-01-01", every=2)  # fmt: skip
        inside += rows["inside_share_90"].tolist()
        whole += rows["whole_90"].tolist()
    assert np.mean(inside) == pytest.approx(0.9, abs=0.04)
    # Seven of six times seven are about three standard deviations.
    assert np.mean(whole) == pytest.approx(0.9, abs=0.15)


def test_a_turned_and_moved_fjord_changes_nothing() -> None:
    fronts = straight_fronts(rate_m_per_year=-80.0, noise_m=20.0, seed=1)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])

    def moved(geometry: shapely.Geometry) -> shapely.Geometry:
        return shapely.transform(geometry, lambda xy: xy @ turn.T + [5e5, -2e6])

    there = fronts.set_geometry([moved(line) for line in fronts.geometry])
    here, other = forecast(fronts), forecast(there, centreline=moved(CENTRELINE))
    assert moved(here.geometry.iloc[0]).equals_exact(other.geometry.iloc[0], tolerance=0.5)
    assert here["half_width_m"].to_numpy()[1:] == pytest.approx(other["half_width_m"].to_numpy()[1:], abs=0.5)


def test_fronts_after_the_cutoff_change_no_byte() -> None:
    fronts = straight_fronts(rate_m_per_year=-100.0, count=20, noise_m=30.0, seed=4)
    late = pd.to_datetime(fronts["Date"]) > "2012-06-01"
    changed = fronts.copy()
    rng = np.random.default_rng(0)
    changed.loc[late, "geometry"] = [
        shapely.transform(line, lambda xy: xy + rng.normal(0, 900, xy.shape)) for line in fronts.geometry[late]
    ]
    changed.loc[late, "QualFlag"] = "outlier-jump"
    settings = {"cutoff": "2012-06-01", "target_dates": ["2013-01-01", "2015-01-01"], "model": "kalman"}
    texts = [forecast(table, **settings).to_wkt().to_csv() for table in (fronts, changed, fronts[~late])]
    assert texts[0] == texts[1] == texts[2]
    judged = {"centreline": CENTRELINE, "crs": None, "models": ["drift"], "horizons": ["1y"],
              "first_origin": "2010-01-01"}  # fmt: skip
    scores = [backtest_contour(table, **judged) for table in (fronts, changed)]
    known = [rows[rows["target_date"] < "2012-06-01"].to_csv() for rows in scores]
    assert known[0] == known[1]


def test_row_order_changes_nothing() -> None:
    fronts = straight_fronts(rate_m_per_year=-100.0, noise_m=30.0)
    assert forecast(fronts).to_wkt().equals(forecast(fronts.sample(frac=1, random_state=1)).to_wkt())


def test_flowlines_each_by_itself_follow_their_own_rate() -> None:
    fronts = straight_fronts(rate_m_per_year=0.0)
    years = np.arange(len(fronts))
    # One side stands, the other retreats by 100 m a year.
    lines = [
        shapely.transform(line, lambda xy, k=k: np.column_stack([xy[:, 0] - 100 * k * (xy[:, 1] > 0), xy[:, 1]]))
        for k, line in zip(years, fronts.geometry, strict=True)
    ]
    made = forecast(fronts.set_geometry(lines), joint=False)
    xy = shapely.get_coordinates(made.geometry.iloc[0])
    assert xy[xy[:, 1] < -150, 0] == pytest.approx(10_000, abs=2)
    assert xy[xy[:, 1] > 150, 0] == pytest.approx(8900, abs=2)


def test_front_distance_is_symmetric_and_known() -> None:
    first = shapely.LineString([(0, 0), (0, 1000)])
    second = shapely.LineString([(30, 0), (30, 500)])
    assert front_distance_m(first, second) == front_distance_m(second, first)
    # Forward: 30 on half, then sqrt(30^2 + t^2) for t up to 500; back: 30.
    t = np.linspace(0, 500, 100_001)
    forward = (30 + np.trapezoid(np.hypot(30, t), t) / 500) / 2
    assert front_distance_m(first, second, spacing_m=1.0) == pytest.approx((forward + 30) / 2, rel=1e-3)


def test_fjord_coordinates_round_trip_where_the_fjord_bends() -> None:
    angle = np.linspace(0, np.pi / 2, 60)
    bend = shapely.LineString(np.column_stack([12_000 * np.sin(angle), 12_000 * (1 - np.cos(angle))]))
    fronts = [shapely.LineString([(8000, 2500), (7000, 6000)])]
    frame = fjord_frame(bend, fronts)
    xy = shapely.get_coordinates(shapely.segmentize(fronts[0], 100.0))
    back = frame.to_plane(*frame.to_frame(xy))
    assert np.hypot(*(back - xy).T).max() < 1.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target_dates": ["2009-01-01"]}, "does not lie after"),
        ({"levels": [90]}, "between 0 and 1"),
        ({"flowlines": 1}, "at least 2"),
        ({"crs": "EPSG:4326"}, "not in metres"),
        ({"cutoff": "1990-01-01"}, "later cutoff"),
        ({"centreline": shapely.LineString()}, "centreline is empty"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        forecast(straight_fronts(rate_m_per_year=-100.0), **given)


def test_models_over_many_glaciers_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="learns from other glaciers"):
        forecast(straight_fronts(rate_m_per_year=-100.0), model="gbm")


def test_too_few_fronts_are_a_row_that_says_why() -> None:
    made = forecast(straight_fronts(rate_m_per_year=-100.0, count=2), model="damped-drift")
    assert made["status"].iloc[0].startswith("Example, fronts: 2 observations, damped-drift needs 5")
    assert made.geometry.isna().all()


def test_a_horizon_in_observations_is_refused() -> None:
    with pytest.raises(InputError, match="counts observations"):
        backtest_contour(straight_fronts(rate_m_per_year=-100.0), centreline=CENTRELINE, crs=None, horizons=[3])


def test_real_fronts_of_jakobshavn(shared_data: object) -> None:
    source = f"{shared_data}/jakobshavn/jakobshavn.gpkg"
    traces, line = gpd.read_file(source, layer="fronts"), gpd.read_file(source, layer="centreline")
    fronts = gpd.GeoDataFrame(
        {
            "GlacierID": "Jakobshavn", "Date": pd.to_datetime(traces["date"]), "DecDate": 0.0, "QualFlag": "ok",
            "Satellite": "-", "ImageID": traces["Image_ID"].fillna("-").astype(str), "Author": "-", "sigma_m": np.nan,
            "coverage": 1.0, "resolution_m": np.nan, "model": "", "source": "observed",
        },
        geometry=traces.geometry,
    )  # fmt: skip
    fronts = fronts[fronts["Date"] > "2015-01-01"]
    settings = {"centreline": line.geometry.iloc[0].reverse(), "crs": "EPSG:3413", "flowlines": 31}
    rows = backtest_contour(fronts, models=["last"], horizons=["30d"], first_origin="2017-06-01", every=12, **settings)
    summary = summarise_contours(rows).iloc[0]
    assert summary["n"] >= 6
    # Weekly to monthly changes are hundreds of metres on a front 18 km long.
    assert 100 < summary["distance_m"] < 700
    assert rows["outside_share"].max() < 0.2


def test_a_front_is_moved_only_where_that_has_surely_paid() -> None:
    from glaciertime.forecast.front.contour import _paying

    rng = np.random.default_rng(0)
    still = 100 + rng.normal(0, 30, 40)
    ages = np.arange(40) * 0.25
    # 20 of 100 m less with a scatter of 30 in each quarter: 4.2 standard errors of 40 quarters; 5 less is one.
    sure = np.array([still, still - 20 - rng.normal(0, 30, 40)])
    chance = np.array([still, still - 3 - rng.normal(0, 30, 40)])
    assert _paying(sure, np.ones(40), ages, sure=1.645, block_years=0.25) == 1
    assert _paying(chance, np.ones(40), ages, sure=1.645, block_years=0.25) == 0
    assert _paying(np.array([still, still + 20]), np.ones(40), ages, sure=1.645, block_years=0.25) == 0
    # Forty fronts of two quarters tell of two quarters.
    assert _paying(sure, np.ones(40), np.repeat([0.0, 0.3], 20), sure=1.645, block_years=0.25) == 0


def test_where_the_last_front_is_the_forecast_that_is_said() -> None:
    line = shapely.LineString([(0, 0), (20_000, 0)])
    moving = straight_fronts(rate_m_per_year=-100.0)
    when = [pd.Timestamp(moving["Date"].max()) + pd.Timedelta(days=366)]
    told = forecast_contour(moving, centreline=line, crs=None, target_dates=when, model="drift", levels=[0.9])
    assert told.attrs["stayed"] == []
    still = forecast_contour(straight_fronts(rate_m_per_year=0.0), centreline=line, crs=None, target_dates=when,
                             model="drift", levels=[0.9])  # fmt: skip
    assert len(still.attrs["stayed"]) == 1


def test_a_front_that_has_surely_moved_goes_on_at_leads_that_few_dates_tell_of() -> None:
    """Eleven years tell of one year ahead, hardly of five: the front does not jump back to where it was."""
    dates = [f"{year}-01-01" for year in range(2011, 2019)]
    made = forecast(straight_fronts(rate_m_per_year=-100.0), target_dates=dates)
    x = [shapely.get_coordinates(line)[:, 0].mean() for line in made[made["kind"] == "front"].geometry]
    assert x == pytest.approx([8900.0 - 100 * k for k in range(8)], abs=4.0)
    assert made.attrs["stayed"] == []
    still = forecast(straight_fronts(rate_m_per_year=0.0), target_dates=dates)
    assert len(still.attrs["stayed"]) == len(dates)
