"""The corridor's door: what it lets through, and what it says of what it does not."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from glaciertime.errors import InputError
from glaciertime.tables import SCHEMAS, empty, flags_of, has_flag, join_flags, validate


def observation(**changes: object) -> pd.DataFrame:
    row = {
        "glacier": "Crane", "date": "2002-03-15", "variable": "area_km2", "value": 654.09, "unit": "km2",
        "method": "polygon", "footprint": "box", "dataset": "test", "image_id": "a",
        "quality": "ok", "source": "observed",
    }  # fmt: skip
    return pd.DataFrame([{**row, **changes}])


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_an_empty_table_is_valid(name: str) -> None:
    assert list(validate(empty(name), name).columns) == list(SCHEMAS[name].columns)


def test_columns_come_in_order_and_typed_and_others_go() -> None:
    table = validate(observation(extra=1), "observations")
    assert list(table.columns) == list(SCHEMAS["observations"].columns)
    assert table["date"].dtype == "datetime64[s]"
    assert table["sigma"].isna().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "guessed"}, "source is 'guessed', expected one of observed, simulated"),
        ({"source": ""}, "column source is empty in 1 of 1 rows"),
        ({"sigma": -1.0}, "sigma is negative"),
        ({"unit": "m2"}, "area_km2 is given in 'm2', expected 'km2'"),
        ({"value": "many"}, "column value: .* expected a number"),
        ({"date": "soon"}, "column date: .* expected a date"),
        ({"quality": "fine"}, "quality flag 'fine' is not known"),
        ({"glacier": None}, "column glacier is empty"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        validate(observation(**changes), "observations")


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match="column unit is missing"):
        validate(observation().drop(columns="unit"), "observations")


def test_fronts_keep_their_coordinate_system() -> None:
    row = {
        "GlacierID": "Crane", "Date": "2002-03-15", "DecDate": 2002.2, "QualFlag": "ok", "ImageID": "a",
        "Author": "test", "source": "simulated",
    }  # fmt: skip
    table = gpd.GeoDataFrame([row], geometry=[shapely.LineString([(0, 0), (1, 1)])], crs="EPSG:3031")
    assert validate(table, "fronts").crs == "EPSG:3031"


def test_flags_go_there_and_back() -> None:
    flags = {"no-front": "the ice fills the box", "year-only": ""}
    assert flags_of(join_flags(flags)) == flags
    assert join_flags({}) == "ok"
    assert has_flag(pd.Series(["ok", join_flags(flags)]), "no-front").tolist() == [False, True]


def test_a_reason_cannot_break_the_list_of_flags() -> None:
    assert flags_of(join_flags({"failed": "a; b"})) == {"failed": "a, b"}
