"""What is cut at the 180th meridian stays what it was: lines stay lines, areas areas, and nothing is there twice."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from glaciertime.meridian import cut_at_180, densified

TOUCHING = {
    "area that begins there": ("POLYGON ((180 70, -179.9 70, -179.9 70.1, 180 70.1, 180 70))", 0.01),
    "area with a side there": (
        "POLYGON ((179.9 70, 180 70, 180 70.1, -179.9 70.1, -179.9 70.2, 179.9 70.2, 179.9 70))", 0.03,
    ),
    "area with a tip there": (
        "POLYGON ((179.9 70, 180 70.05, 179.9 70.1, -179.9 70.1, -179.9 70.2, 179.9 70.2, 179.9 70))", 0.025,
    ),
    "two areas": (
        "MULTIPOLYGON (((179.9 70, 180 70, 180 70.1, 179.9 70.1, 179.9 70)),"
        "((179.9 71, -179.9 71, -179.9 71.1, 179.9 71.1, 179.9 71)))", 0.03,
    ),
    "line that begins there": ("LINESTRING (180 70, -179.9 70)", 0.1),
    "line with a tip there": ("LINESTRING (179.7 70, 180 70.4, 179.7 70.8, -179.7 71.6)", 2.0),
    "line along it": ("LINESTRING (179.9 70, 180 70, 180 70.1, -179.9 70.1)", 0.3),
}  # fmt: skip


@pytest.mark.parametrize("name", TOUCHING)
def test_what_also_touches_the_meridian_keeps_its_kind_and_its_size(name: str) -> None:
    text, size = TOUCHING[name]
    whole = shapely.from_wkt(text)
    cut = cut_at_180(whole)
    assert cut.geom_type.removeprefix("Multi") == whole.geom_type.removeprefix("Multi")
    measure = shapely.length if "Line" in cut.geom_type else shapely.area
    assert measure(cut) == pytest.approx(size)
    parts = shapely.get_parts(cut)
    assert max(part.bounds[2] - part.bounds[0] for part in parts) < 0.7
    assert all(-180 <= part.bounds[0] <= part.bounds[2] <= 180 for part in parts)


def test_edges_of_more_than_half_a_turn_are_short_ones_and_those_of_a_turn_are_kept() -> None:
    square = densified(shapely.Polygon([(90, 89), (180, 89), (-90, 89), (0, 89)]), 10)
    x = shapely.get_coordinates(square)[:, 0]
    assert np.abs(np.diff(x[:-1])).max() <= 10 + 1e-9
    whole = shapely.box(-180, -90, 180, 90)
    assert densified(whole, 10).area == whole.area
