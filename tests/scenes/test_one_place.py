"""Rows that no column gives to a glacier: of one, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from glaciertime.errors import InputError
from glaciertime.pipeline import TrackRequest, track_glacier
from glaciertime.scenes.glacier_rows import VectorReading

UTM = "EPSG:32632"
X, Y = 630_000, 5_180_000


@pytest.fixture
def track(tmp_path: Path):  # type: ignore[no-untyped-def]
    (tmp_path / "m.yaml").write_text("name: G\n")

    def call(shapes: list[Any], dates: list[str], *, crs: str = UTM, name_column: str = "") -> Any:
        path = tmp_path / "rows.gpkg"
        gpd.GeoDataFrame({"date": dates}, geometry=shapes, crs=crs).to_file(path)
        request = TrackRequest(
            glacier="G",
            data=path,
            manifests=(tmp_path / "m.yaml",),
            columns=VectorReading(name_column=name_column),
        )
        return track_glacier(request).tracked.observations

    return call


def square(x_m: float, size_m: float = 3000) -> shapely.Polygon:
    return shapely.box(X + x_m, Y, X + x_m + size_m, Y + size_m)


@pytest.mark.parametrize("x_m", [3000, 2900, 6000])
def test_neighbours_of_different_years_are_not_one_glacier(track, x_m: float) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="as if of several"):
        track([square(0), square(x_m)], ["2003-08-12", "2010-08-12"])
    told = track([square(0), square(x_m)], ["2003-08-12", "2010-08-12"], name_column="none")
    assert told.query("variable == 'area_km2'").value.tolist() == pytest.approx([9.003, 9.003], abs=0.001)


def test_outlines_that_shrink_are_of_one_glacier(track) -> None:  # type: ignore[no-untyped-def]
    rows = track([square(0), square(0, 2500), square(0, 1000)], ["2003-08-12", "2010-08-12", "2020-08-12"])
    assert rows.query("variable == 'area_km2'").value.tolist() == pytest.approx([9.0034, 6.2523, 1.0004], abs=0.001)


def test_outlines_on_both_sides_of_the_180th_meridian_are_of_one_glacier(track) -> None:  # type: ignore[no-untyped-def]
    west, east = shapely.box(-180.1, 70, -179.9, 70.1), shapely.box(179.91, 70, 180.09, 70.1)
    rows = track([west, east], ["2003-08-12", "2010-08-12"], crs="EPSG:4326")
    assert rows.query("variable == 'area_km2'").value.tolist() == pytest.approx([85.0, 76.5], abs=0.01)


def front(y_m: float, x_m: float = 0) -> shapely.LineString:
    return shapely.LineString([(X + x_m, Y + y_m), (X + x_m, Y + y_m + 4000)])


def test_fronts_of_one_day_two_fronts_apart_are_not_one_front(track) -> None:  # type: ignore[no-untyped-def]
    days = ["2003-08-12", "2003-08-12", "2004-08-12", "2004-08-12"]
    with pytest.raises(InputError, match="as if of several"):
        track([front(0), front(12_000), front(0, -300), front(12_000, -300)], days)


def test_pieces_of_a_front_with_a_gap_between_are_one_front(track) -> None:  # type: ignore[no-untyped-def]
    days = ["2003-08-12", "2003-08-12", "2004-08-12", "2004-08-12"]
    rows = track([front(0), front(5000), front(0, -300), front(5000, -300)], days)
    assert len(rows.query("variable == 'front_width_m'")) == 2
