"""The validators of the submission forms pass on what we write, and each finds what was broken, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from glaciertime.errors import DataNotFoundError, UsageError
from glaciertime.exchange.glims import GLIMS_COLUMNS, glims_id, glims_problems, to_glims
from glaciertime.exchange.submitter import Submitter
from glaciertime.exchange.termpicks import termpicks_problems
from glaciertime.exchange.wgms import WGMS_COLUMNS, to_wgms, wgms_problems
from glaciertime.track.record.formats import to_archive_columns

WHO = Submitter("Ada Lovelace", "University of X", "Lovelace 2020 (https://doi.org/10.1/x)", "GL", {"Toy": "12345"})


def observations(**changes: Any) -> pd.DataFrame:
    dates = pd.to_datetime(["2001-07-01", "2002-08-15", "2003-01-01", "2004-09-30"])
    return pd.DataFrame(
        {"glacier": "Toy", "date": dates, "variable": "front_position_m", "value": [1000.0, 940.0, 955.5, 900.0],
         "sigma": [30.0, 40.0, 30.0, np.nan], "unit": "m", "method": "centreline", "footprint": "centreline",
         "dataset": "toy", "sensor": "", "image_id": list("abcd"), "coverage": 1.0,
         "quality": ["ok", "ok", "year-only", "ok"], "source": "observed", "front_of": "", "bound": "", **changes}
    )  # fmt: skip


def read_back(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as it is read from the CSV that it is written to."""
    import io

    return pd.read_csv(io.StringIO(table.to_csv(index=False)), dtype=str, keep_default_na=False)


def test_front_variations_are_advances_with_the_sigma_of_both_dates() -> None:
    table = to_wgms(observations(), WHO)
    assert tuple(table.columns) == WGMS_COLUMNS
    assert table["FRONT_VARIATION"].tolist() == [-60.0, 15.5, -55.5]
    assert table["FRONT_VAR_UNC"].tolist()[:2] == [50.0, 50.0]
    assert np.isnan(table["FRONT_VAR_UNC"].iloc[2]), "an unknown error is not 0"
    assert table["SURVEY_DATE"].tolist() == ["20020815", "20039999", "20040930"]
    assert table["REFERENCE_DATE"].tolist() == ["20010701", "20020815", "20039999"]
    assert table["YEAR"].tolist() == [2002, 2003, 2004]
    assert wgms_problems(read_back(table)) == []


def test_flagged_values_and_bounds_are_no_front_variation() -> None:
    rows = observations(quality=["ok", "outlier-jump: undone", "censored: the ice fills the box", "ok"])
    table = to_wgms(rows, WHO)
    assert table["FRONT_VARIATION"].tolist() == [-100.0]


def test_what_the_form_leaves_out_is_told() -> None:
    rows = observations(quality=["ok", "outlier-jump: undone", "censored: the ice fills the box", "ok"])
    drawn = observations(source="simulated", dataset="simulated Toy")
    other = observations(method="curvilinear-box")
    told: list[str] = []
    table = to_wgms(pd.concat([rows, drawn, other], ignore_index=True), WHO, tell=told.append)
    assert len(table) == 1
    assert told == [
        "Toy: 10 of 12 values of its front left out (4 simulated, 2 flagged or bounds, 4 of other methods or data sets)"
    ]
    to_wgms(observations(), WHO, tell=lambda text: pytest.fail(text))


@pytest.mark.parametrize(
    ("rows", "who", "said"),
    [
        (observations(source="simulated"), WHO, "its fronts are simulated"),
        (observations(), Submitter("Ada", country="Greenland", ids={"Toy": "1"}), "two letters such as GL"),
        (observations(), Submitter("Ada", country="GL", ids={"Tof": "1"}), "no id of Toy; it names Tof"),
        (observations(variable="area_km2"), WHO, "no two values of a front"),
    ],
)  # fmt: skip
def test_what_cannot_be_submitted_is_refused(rows: pd.DataFrame, who: Submitter, said: str) -> None:
    with pytest.raises((UsageError, DataNotFoundError), match=said):
        to_wgms(rows, who)


def cell(place: int, column: str, value: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        out = table.copy()
        out[column] = out[column].astype(object)
        out.loc[place, column] = value
        return out

    return change


BROKEN_WGMS = {
    "columns YEAR are missing": lambda table: table.drop(columns="YEAR"),
    "no row": lambda table: table.iloc[:0],
    "POLITICAL_UNIT 'Greenland'": cell(0, "POLITICAL_UNIT", "Greenland"),
    "WGMS_ID 'A1'": cell(0, "WGMS_ID", "A1"),
    "SURVEY_DATE '20020231' is no date": cell(0, "SURVEY_DATE", "20020231"),
    "SURVEY_DATE '2002-08-15' is not YYYYMMDD": cell(0, "SURVEY_DATE", "2002-08-15"),
    "not before the survey date": cell(0, "REFERENCE_DATE", "20050101"),
    "YEAR 2005 is not that of the survey date": cell(0, "YEAR", "2005"),
    "FRONT_VARIATION '-60 m'": cell(0, "FRONT_VARIATION", "-60 m"),
    "FRONT_VAR_UNC '-5'": cell(0, "FRONT_VAR_UNC", "-5"),
    "SURVEY_PLATFORM_METHOD 'satellite'": cell(0, "SURVEY_PLATFORM_METHOD", "satellite"),
    "REMARKS begins or ends with a space": cell(0, "REMARKS", "two  spaces"),
    "neither FRONT_VARIATION nor": cell(0, "FRONT_VARIATION", ""),
    "the same glacier and dates": lambda table: pd.concat([table, table.iloc[:1]], ignore_index=True),
    "has 2 names": cell(0, "NAME", "OTHER"),
    "knows the day and not the month": cell(0, "SURVEY_DATE", "20029915"),
    "lies in the future": lambda table: cell(2, "YEAR", "2099")(cell(2, "SURVEY_DATE", "20990101")(table)),
    "REMARKS 'data set simulated Crane': nothing that is simulated": cell(0, "REMARKS", "data set simulated Crane"),
    "the column EXTRA is none": lambda table: table.assign(EXTRA="1"),
}  # fmt: skip


@pytest.mark.parametrize("said", BROKEN_WGMS)
def test_a_broken_wgms_form_is_found(said: str) -> None:
    table = read_back(to_wgms(observations(), WHO))
    found = wgms_problems(BROKEN_WGMS[said](table))
    assert found
    assert any(said in one for one in found), found


def fronts() -> gpd.GeoDataFrame:
    dates = pd.to_datetime(["2001-07-01", "2002-08-15"])
    lines = [shapely.LineString([(-190_000 + 100 * i, -2_270_000), (-190_000, -2_265_000)]) for i in range(2)]
    own = gpd.GeoDataFrame(
        {"GlacierID": "Toy", "Date": dates, "DecDate": [2001.4973, 2002.6206], "QualFlag": "ok", "Satellite": "L7",
         "ImageID": list("ab"), "Author": "Ada", "sigma_m": 30.0, "coverage": 1.0, "resolution_m": 30.0, "model": "",
         "source": "observed", "dataset": "toy", "front_of": ""}, geometry=lines, crs="EPSG:3413",
    )  # fmt: skip
    return to_archive_columns(own, archive="termpicks")


BROKEN_TERMPICKS = {
    "columns Author are missing": lambda layer: layer.drop(columns="Author"),
    "no front": lambda layer: layer.iloc[:0],
    "EPSG:4326, EPSG:3413 expected": lambda layer: layer.to_crs("EPSG:4326"),
    "Date '15.8.2002' is not YYYY-MM-DD": cell(0, "Date", "15.8.2002"),
    "Year, Month and Day are 2001-12-01": cell(0, "Month", 12),
    "DecDate 2003.2 is not that of": cell(0, "DecDate", 2003.2),
    "QualFlag 'good' is no number": cell(0, "QualFlag", "good"),
    "Author is empty": cell(0, "Author", ""),
    "its centre": cell(0, "Center_X", 0.0),
    "Point, a line expected": lambda layer: layer.set_geometry(layer.centroid),
    "the same as an earlier one": lambda layer: pd.concat([layer, layer.iloc[:1]], ignore_index=True),
    "outside of Greenland": lambda layer: layer.set_geometry(layer.translate(0, 3_000_000)),
    "source 'simulated': nothing that is simulated": cell(0, "source", "simulated"),
    "ImageID 'simulated_2002-08-15': nothing": cell(0, "ImageID", "simulated_2002-08-15"),
    "it has no line": lambda layer: layer.set_geometry([None, *layer.geometry[1:]]).set_crs(layer.crs),
}  # fmt: skip


def test_our_termpicks_layer_passes() -> None:
    assert termpicks_problems(fronts()) == []


@pytest.mark.parametrize("said", BROKEN_TERMPICKS)
def test_a_broken_termpicks_layer_is_found(said: str) -> None:
    found = termpicks_problems(BROKEN_TERMPICKS[said](fronts()))
    assert any(said in one for one in found), found


def outlines(**changes: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"glacier": "Toy", "date": pd.to_datetime(["2001-07-01", "2002-08-15"]), "image_id": list("ab"),
         "sigma_m": [30.0, np.nan], "source": "observed", **changes},
        geometry=[shapely.box(500_000, 7_600_000, east, 7_603_000) for east in (505_000, 504_000)],
        crs="EPSG:32622",
    )  # fmt: skip


BROKEN_GLIMS = {
    "columns line_type are missing": lambda layer: layer.drop(columns="line_type"),
    "no outline": lambda layer: layer.iloc[:0],
    "EPSG:32622, longitude and latitude": lambda layer: layer.to_crs("EPSG:32622"),
    "line_type 'ice' is none": cell(0, "line_type", "ice"),
    "glac_id 'Toy' is none": cell(0, "glac_id", "Toy"),
    "src_date '2001' is not": cell(0, "src_date", "2001"),
    "anlst_surn is empty": cell(0, "anlst_surn", ""),
    "area 99.0 km2 is not that of its polygon": cell(0, "area", 99.0),
    "image_id 'simulated_2002-08-15': nothing": cell(0, "image_id", "simulated_2002-08-15"),
    "Point, a polygon expected": lambda layer: layer.set_geometry(layer.representative_point()),
    "loc_unc_x '-3.0' is no length": cell(0, "loc_unc_x", -3.0),
    "crosses itself": lambda layer: layer.set_geometry(
        [shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])] * 2
    ).set_crs(layer.crs),
    "the same glacier and day": lambda layer: pd.concat([layer, layer.iloc[:1]], ignore_index=True),
    "no longitude and latitude": lambda layer: layer.set_geometry(layer.translate(0, 40)),
}  # fmt: skip


def test_our_glims_layer_passes_and_names_a_glacier_by_its_place() -> None:
    layer = to_glims(outlines(), WHO)
    assert tuple(layer.columns) == (*GLIMS_COLUMNS, "geometry")
    assert glims_problems(to_glims(outlines(), Submitter("Ada Lovelace"))) == []
    assert [said for said in glims_problems(layer) if "glac_id '12345'" not in said] == []
    assert glims_id(shapely.Point(-49.75, 69.166)) == "G310250E69166N"
    # A box of 5 by 3 km on a plane whose scale is 0.9996 at its middle.
    assert layer["area"].iloc[0] == pytest.approx(15 / 0.9996**2, rel=1e-4)


@pytest.mark.parametrize("said", BROKEN_GLIMS)
def test_a_broken_glims_layer_is_found(said: str) -> None:
    found = glims_problems(BROKEN_GLIMS[said](to_glims(outlines(), Submitter("Ada Lovelace"))))
    assert any(said in one for one in found), found


def test_simulated_outlines_are_not_submitted() -> None:
    with pytest.raises(UsageError, match="simulated"):
        to_glims(outlines(source="simulated"), WHO)
