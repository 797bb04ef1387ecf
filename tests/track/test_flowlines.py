"""Retreat along parallel lines is in true metres, whatever coordinates the glacier is given in."""

from __future__ import annotations

import pyproj
import pytest
import shapely

from glaciertime.catalog import Glacier, Line
from glaciertime.track import TrackSettings, track_scenes
from glaciertime.track.place import reproject
from glaciertime.track.ruler.flowlines import flowline_positions, flowline_retreat

from .test_series import CRS, mask_scene, toy_glacier, true_m


def in_degrees() -> Glacier:
    line = toy_glacier().centreline.linestring
    degrees = reproject(line, source=CRS, target=pyproj.CRS.from_epsg(4326))
    coordinates = [(float(x), float(y)) for x, y in shapely.get_coordinates(degrees)]
    return Glacier(name="Toy", crs="EPSG:4326", centreline=Line(drawn_by="x", coordinates=coordinates))


@pytest.mark.parametrize("glacier", [toy_glacier(), in_degrees()], ids=["map", "degrees"])
def test_lines_lie_metres_apart_and_measure_metres(glacier):
    # Six hundred metres of the map.
    fronts = track_scenes([mask_scene(6_000, 0), mask_scene(5_400, 365)], glacier=toy_glacier()).fronts
    settings = TrackSettings(box_width_m=2_000.0, centreline_count=5)
    positions = flowline_positions(fronts, glacier=glacier, settings=settings)
    assert list(positions.columns) == [-800.0, -400.0, 0.0, 400.0, 800.0]
    assert positions.notna().all().all()
    retreat = flowline_retreat(fronts, glacier=glacier, settings=settings)
    assert retreat["retreat_m"].to_numpy() == pytest.approx(true_m(600), abs=0.5)
    ends = shapely.get_coordinates(retreat.to_crs(CRS).geometry.iloc[0])
    assert shapely.LineString(ends).length == pytest.approx(600, abs=1)
