"""What a page says beside forecasts: of each variable the latest hazard, and no verdict that saw what they did not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from glaciertime.archive import Archive
from glaciertime.catalog import Catalog, Glacier
from glaciertime.forecast import Origins, backtest, forecast_series, series_from_observations
from glaciertime.record import GlacierRecord
from glaciertime.report.content.forecasts import forecast_section
from glaciertime.report.content.parts import Paragraph, Phrase
from glaciertime.report.wording import wording_of
from glaciertime.tables import empty

from .test_page import GLACIER, fronts, observations


@pytest.fixture
def store(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "a.gpkg")
    rows = observations("observed")
    inputs = [(GLACIER, "observed set", image, "a.tif") for image in rows["image_id"]]
    archive.store_tracked(
        fronts=fronts("observed"), observations=rows, footprints=empty("footprints"), inputs=inputs
    )  # fmt: skip
    return archive


def phrases(store: Archive) -> list[Phrase]:
    section = forecast_section(GlacierRecord(store, GLACIER, source="observed"))
    told = [one for block in section.blocks if isinstance(block, Paragraph) for one in block.sentences]
    return [one for one in told if isinstance(one, Phrase)]


def test_each_variable_shows_its_latest_hazard(store: Archive) -> None:
    row = {"glacier": GLACIER, "terminus": "shelf", "glaciers": 3, "rate_per_year": float("nan"), "low": float("nan"),
           "high": float("nan"), "reading": "too few to say", "source": "observed"}  # fmt: skip
    held = [("area_km2", "2005-01-01", 1), ("area_km2", "2010-01-01", 2), ("volume_km3", "2008-01-01", 4)]
    rows = [{**row, "variable": variable, "cutoff": pd.Timestamp(date), "losses": count, "exposure_years": 9.0}
            for variable, date, count in held]  # fmt: skip
    store.store_hazards(pd.DataFrame(rows))
    told = [one.values["n"].value for one in phrases(store) if one.key == "hazard.seen"]  # type: ignore[union-attr]
    assert sorted(told) == [2, 4]


@pytest.mark.parametrize(
    ("terminus", "german"),
    [("not known", "nicht bekannt"), ("tidewater", "im Meer"), ("shelf", "Schelf"), ("ice shelf", "Schelfeis")],
)
def test_what_glaciers_end_in_is_said_in_the_language_of_the_page(store: Archive, terminus: str, german: str) -> None:
    row = {"glacier": GLACIER, "terminus": terminus, "glaciers": 3, "rate_per_year": float("nan"),
           "low": float("nan"), "high": float("nan"), "reading": "too few to say", "source": "observed",
           "variable": "area_km2", "cutoff": pd.Timestamp("2010-01-01"), "losses": 2,
           "exposure_years": 9.0}  # fmt: skip
    store.store_hazards(pd.DataFrame([row]))
    (told,) = [one for one in phrases(store) if one.key == "hazard.seen"]
    assert f"von 3 Gletschern mit dem Ende: {german};" in wording_of("de").text(told)


def test_a_forecast_of_the_past_has_no_verdict_beside_it(store: Archive) -> None:
    (series,) = series_from_observations(observations("observed"), variable="front_position_m")
    store.store_scores(backtest([series], models=["last"], horizons=["1y"], origins=Origins(min_train=12)))
    store.store_forecasts(forecast_series(series, models=["last"], cutoff="2010-06-01", target_dates=["2020-03-15"]))
    keys = [one.key for one in phrases(store)]
    assert "forecast.cut" in keys
    assert not [key for key in keys if key.startswith("verdict")]
    assert "forecast.unjudged" not in keys
    store.store_forecasts(forecast_series(series, models=["last"], target_dates=["2020-03-15"]))
    assert "forecast.cut" not in [one.key for one in phrases(store)]


def test_an_event_after_the_record_is_told_and_one_within_it_or_of_simulated_values_is_not(store: Archive) -> None:
    said = [{"date": f"{year}-01-21", "what": f"the tongue of {year} calved", "doi": "10.1/x"} for year in (2010, 2022)]
    events = [{**one, "date": dt.date.fromisoformat(str(one["date"]))} for one in said]
    place = Glacier.model_validate({"name": GLACIER, "events": events})
    catalog = Catalog([place], [])
    for source, expected in (("observed", [dt.date(2022, 1, 21)]), ("simulated", [])):
        section = forecast_section(GlacierRecord(store, GLACIER, source=source, catalog=catalog))
        told = [one for block in section.blocks if isinstance(block, Paragraph) for one in block.sentences]
        days = [one.values["date"] for one in told if isinstance(one, Phrase) and one.key == "forecast.event"]
        assert days == expected
    with pytest.raises(ValueError, match="is no day; write it as 2002-03-15"):
        Glacier.model_validate({"name": GLACIER, "events": [{"date": 2022, "what": "x"}]})
