"""The long tables of forecasting libraries, in and out, without a change to a number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glaciertime.errors import InputError
from glaciertime.exchange import from_long, to_long
from glaciertime.exchange.licences import DataSource, data_sources, licence_texts
from glaciertime.tables import SERIES_KEY, validate

from .test_forms import observations


@pytest.mark.parametrize(("layout", "columns"), [("statsforecast", ["unique_id", "ds", "y"]),
                                                 ("darts", ["series", "time", "value"])])  # fmt: skip
def test_a_series_goes_out_and_comes_in_as_it_was(layout: str, columns: list[str]) -> None:
    rows = observations()
    table = to_long(rows, layout=layout)
    assert table.columns[:3].tolist() == columns
    back = validate(from_long(table, layout=layout), "observations")
    for column in (*SERIES_KEY, "date", "value", "sigma", "unit", "source"):
        assert back[column].fillna(-1).astype(str).tolist() == rows[column].fillna(-1).astype(str).tolist(), column


def test_values_of_a_day_are_one_and_bounds_are_none() -> None:
    rows = observations(date=pd.to_datetime(["2001-07-01", "2001-07-01", "2002-01-01", "2003-01-01"]), sigma=30.0,
                        quality=["ok", "ok", "censored: the ice fills the box", "ok"])  # fmt: skip
    table = to_long(rows)
    assert table["y"].tolist() == pytest.approx([970.0, 900.0])


def test_what_the_values_are_has_to_be_said() -> None:
    frame = pd.DataFrame({"unique_id": "Toy", "ds": ["2001-01-01"], "y": [9.0]})
    with pytest.raises(InputError, match="give the variable with its unit"):
        from_long(frame)
    with pytest.raises(InputError, match="'area' names no unit"):
        from_long(frame, variable="area")
    with pytest.raises(InputError, match="unique_id, ds, y; y missing"):
        from_long(frame.drop(columns="y"))
    with pytest.raises(InputError, match="unknown layout"):
        to_long(observations(), layout="prophet")


def test_statsforecast_takes_what_goes_out() -> None:
    statsforecast = pytest.importorskip("statsforecast", reason="statsforecast is not installed")
    from statsforecast.models import Naive

    dates = pd.date_range("2001-01-01", periods=12, freq="MS")
    parts = [observations().iloc[[0] * 12].assign(date=dates, image_id=[*map(str, range(12))], value=np.arange(12.0))]
    frame = to_long(pd.concat(parts))[["unique_id", "ds", "y"]]
    found = statsforecast.StatsForecast([Naive()], freq="MS").forecast(df=frame, h=2)
    assert found["Naive"].tolist() == [11.0, 11.0]


def test_the_licence_of_every_data_set_is_told_once() -> None:
    from glaciertime.catalog import load_catalog

    rows = pd.DataFrame({"dataset": ["Picton et al. 2025", "mine", "Picton et al. 2025", "drawn"],
                         "source": ["observed", "observed", "observed", "simulated"]})  # fmt: skip
    first, second, third = licence_texts(data_sources(rows, load_catalog()))
    assert "10.5281/zenodo.14945924" in first
    assert first.endswith("NOT to be passed on")
    assert "for you to state" in second
    assert "not observed" in third
    assert DataSource("a", "observed", licence="MIT").text == "a; licence: MIT"
