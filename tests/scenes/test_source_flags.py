"""Flags of a data set stay with its traces."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from glaciertime.catalog import Glacier, Source
from glaciertime.scenes.source_flags import flags_told
from glaciertime.scenes.vectors import trace_scenes


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        ("00", {}),
        (0, {}),
        (0.0, {}),
        (np.nan, {}),
        (None, {}),
        ("ok", {}),
        (3, {"source-flag": "QualFlag 3"}),
        (13.0, {"source-flag": "QualFlag 13"}),
        ("cloudy; partly", {"source-flag": "QualFlag cloudy; partly"}),
        ("year-only;outlier-length: 3 m", {"year-only": "", "outlier-length": "3 m"}),
    ],
)
def test_what_a_data_set_says_is_kept(value, flags):
    assert flags_told({"QualFlag": value, "Author": "x"}, ["QualFlag", "Author"]) == flags


def test_traces_keep_the_flags_of_their_file(tmp_path):
    table = gpd.GeoDataFrame(
        {"GlacierID": "G", "Date": ["2010-01-01", "2011-01-01"], "QualFlag": ["00", "05"]},
        geometry=[shapely.LineString([(0, k), (1_000, k)]) for k in range(2)], crs="EPSG:3413",
    )  # fmt: skip
    table.to_file(tmp_path / "traces.gpkg")
    source = Source(dataset="d", format="traces", path="traces.gpkg")
    scenes = list(trace_scenes(tmp_path / "traces.gpkg", glacier=Glacier(name="G"), source=source))
    assert [dict(scene.acquisition.flags) for scene in scenes] == [{}, {"source-flag": "QualFlag 05"}]
