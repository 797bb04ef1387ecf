"""With what data sets of a glacier were measured: whether their values compare."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import pyproj
import pytest
import shapely

from glaciertime.pipeline.rulers import have_same_rulers, rulers_table
from glaciertime.track.place import Ruler

UTM = pyproj.CRS(32622)
LINE = shapely.LineString([(400_000, 7_600_000), (410_000, 7_600_000)])
BOX = shapely.box(400_000, 7_599_000, 410_000, 7_601_000)


def table(dataset: str, *, source: str = "observed", **geometries: shapely.Geometry) -> gpd.GeoDataFrame:
    rulers = [
        Ruler(kind=kind, origin="file", drawn_from="", made_at="2024-01-01", crs=UTM, geometry=geometry)
        for kind, geometry in geometries.items()
    ]
    return rulers_table(rulers, glacier="A", dataset=dataset, source=source)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (table("b", centreline=LINE, box=BOX), True),
        (table("b", centreline=shapely.transform(LINE, lambda xy: xy + 0.1), box=BOX), True),
        (table("b", centreline=shapely.transform(LINE, lambda xy: xy + 50), box=BOX), False),
        (table("b", centreline=LINE, box=shapely.box(400_000, 7_599_000, 410_000, 7_602_000)), False),
        (table("b", centreline=LINE), False),
        (table("b", centreline=LINE, box=BOX, source="simulated"), False),
        (table("c", centreline=LINE, box=BOX), False),
    ],
)
def test_values_compare_where_box_fjord_and_line_are_the_same(other: gpd.GeoDataFrame, is_same: bool) -> None:
    rulers = pd.concat([table("a", centreline=LINE, box=BOX), other], ignore_index=True)
    assert have_same_rulers(rulers, "a", "b") == is_same
    assert have_same_rulers(rulers, "b", "a") == is_same


def test_what_was_measured_in_a_picture_without_a_place_does_not_compare_with_the_earth() -> None:
    placed = table("a", centreline=LINE, box=BOX)
    unplaced = table("b", centreline=LINE, box=BOX).assign(crs="")
    rulers = pd.concat([placed, unplaced], ignore_index=True)
    assert not have_same_rulers(rulers, "a", "b")
    assert not have_same_rulers(rulers, "b", "a")
    both = pd.concat([placed.assign(crs=""), unplaced], ignore_index=True)
    assert have_same_rulers(both, "a", "b")
