"""Scenes of known geometry give known areas, fronts and positions."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine

from glaciertime.catalog import Glacier, Line, Region, load_catalog
from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, OCEAN, ROCK, Acquisition, MaskScene, OutlineScene, TraceScene
from glaciertime.scenes.vectors import outline_scenes
from glaciertime.track import TrackSettings, retreat_table, track_scenes

from ..geodesics import geodesic_m

CRS = pyproj.CRS.from_epsg(3413)
ORIGIN = (-300_000.0, -2_200_000.0)


def true_m(along_m: float) -> float:
    """Length on the ellipsoid of so much of the toy's centreline, whose metres on the map are 0.08 % too long."""
    x, y = ORIGIN
    return geodesic_m([(x, y + 3_000), (x + along_m, y + 3_000)], CRS)


def toy_glacier() -> Glacier:
    x, y = ORIGIN
    return Glacier(
        name="Toy",
        crs="EPSG:3413",
        box=(x, y, x + 12_000, y + 6_000),
        fjord=Region(
            drawn_by="test",
            coordinates=[(x, y + 1_000), (x + 11_000, y + 1_000), (x + 11_000, y + 5_000), (x, y + 5_000)],
        ),
        centreline=Line(drawn_by="test", coordinates=[(x, y + 3_000), (x + 12_000, y + 3_000)]),
    )


def acquired(day: int, **more) -> Acquisition:
    given = {"glacier": "Toy", "dataset": "toy", "image_id": f"image{day}", "source": "simulated", "input": "toy.tif",
             "crs": CRS, "resolution_m": 30.0, "date": dt.date(2020, 1, 1) + dt.timedelta(days=day)}  # fmt: skip
    return Acquisition(**{**given, **more})


def mask_scene(front_m: float, day: int, *, resolution: float = 30.0) -> MaskScene:
    """Ice up to ``front_m`` along the box, rock walls of 1 km on both sides."""
    shape = (int(6_000 / resolution), int(12_000 / resolution))
    zones = np.full(shape, OCEAN, dtype=np.uint8)
    zones[:, : round(front_m / resolution)] = GLACIER
    wall = round(1_000 / resolution)
    zones[:wall] = zones[-wall:] = ROCK
    transform = Affine(resolution, 0, ORIGIN[0], 0, -resolution, ORIGIN[1] + 6_000)
    return MaskScene(acquisition=acquired(day), shape=shape, transform=transform, read=lambda: zones)


def values(tracked, variable: str, method: str) -> list[float]:
    rows = tracked.observations
    return rows[(rows.variable == variable) & (rows.method == method)].sort_values("date").value.tolist()


def test_mask_front_that_retreats_600_m_is_600_m_further_inland():
    tracked = track_scenes([mask_scene(6_000, 0), mask_scene(5_400, 10)], glacier=toy_glacier())
    before, after = values(tracked, "front_position_m", "centreline")
    # In metres of the map, 6,000 and 5,400.
    assert before == pytest.approx(true_m(6_000), abs=0.05)
    assert after == pytest.approx(true_m(5_400), abs=0.05)
    before, after = values(tracked, "front_position_m", "area-change")
    assert before - after == pytest.approx(true_m(600), abs=15)


def test_front_of_a_mask_does_not_run_along_rock():
    tracked = track_scenes([mask_scene(6_000, 0)], glacier=toy_glacier())
    front = tracked.fronts.to_crs(CRS).geometry.iloc[0]
    assert front.length == pytest.approx(4_000, abs=60)
    assert np.ptp(shapely.get_coordinates(front)[:, 0]) < 1


def test_ice_that_fills_the_box_has_no_front_and_bounds_the_area():
    tracked = track_scenes([mask_scene(12_000, 0)], glacier=toy_glacier())
    areas = tracked.observations.query("variable == 'area_km2' and footprint == 'fjord'")
    assert tracked.fronts.empty
    assert areas.quality.str.contains("censored").all()
    assert areas.quality.str.contains("no-front").all()


def test_a_scene_that_fails_is_a_row_and_the_others_are_measured():
    def damaged():
        raise OSError("truncated file")

    broken = mask_scene(6_000, 5)
    broken = MaskScene(acquisition=acquired(5), shape=broken.shape, transform=broken.transform, read=damaged)
    tracked = track_scenes([mask_scene(6_000, 0), broken], glacier=toy_glacier())
    failed = tracked.observations[tracked.observations.quality.str.contains("failed")]
    assert failed.quality.tolist() == ["failed: it cannot be measured (truncated file), look at its file"]
    assert len(tracked.fronts) == 1


def test_a_future_date_is_refused_with_its_reason():
    scene = TraceScene(acquisition=acquired(200_000), line=shapely.LineString([(0, 0), (1, 1)]))
    tracked = track_scenes([scene], glacier=toy_glacier())
    assert "in the future" in tracked.observations.quality.iloc[0]


def test_trace_that_misses_the_centreline_says_by_how_much():
    x, y = ORIGIN
    line = shapely.LineString([(x + 5_000, y + 3_400), (x + 5_000, y + 4_800)])
    tracked = track_scenes([TraceScene(acquisition=acquired(0), line=line)], glacier=toy_glacier())
    row = tracked.observations.query("method == 'centreline'")
    assert "it passes 400 m from it" in row.quality.iloc[0]
    assert row.value.isna().all()


def test_outline_and_mask_of_the_same_ice_agree():
    x, y = ORIGIN
    outline = OutlineScene(acquisition=acquired(0), ice=shapely.box(x, y + 1_000, x + 6_000, y + 5_000))
    by_outline = track_scenes([outline], glacier=toy_glacier())
    by_mask = track_scenes([mask_scene(6_000, 0)], glacier=toy_glacier())
    assert values(by_outline, "area_km2", "polygon")[1] == pytest.approx(
        values(by_mask, "area_km2", "mask")[1], rel=0.01
    )


@pytest.fixture(scope="module")
def crane(shared_data: Path):
    glacier = load_catalog().glacier("Crane")
    source = glacier.sources[0]
    return track_scenes(outline_scenes(shared_data / source.path, glacier=glacier, source=source), glacier=glacier)


def test_crane_lost_31_km2_of_true_area(crane):
    row = retreat_table(crane.observations, date_from="2002-03-15", date_to="2010-03-15").iloc[0]
    assert row.start_area_km2 == pytest.approx(654.09, rel=5e-4)
    assert row.end_area_km2 == pytest.approx(622.97, rel=5e-4)
    assert row.loss_km2 == pytest.approx(31.12, abs=0.02)
    assert row.loss_percent == pytest.approx(4.76, abs=0.005)
    assert row.qualifier == ""


def test_crane_before_the_collapse_reads_at_least(crane):
    row = retreat_table(crane.observations, date_from="2001-03-15", date_to="2002-03-15").iloc[0]
    assert row.qualifier == "at least"
    assert row.loss_km2 == pytest.approx(754.71 - 654.08, abs=0.05)


def test_a_date_too_far_from_any_observation_is_refused(crane):
    with pytest.raises(InputError, match=r"165 days away.*--max-gap"):
        retreat_table(crane.observations, date_from="2002-10-01", max_gap_days=100)


def test_settings_offer_the_nearest_method():
    with pytest.raises(InputError, match="did you mean centreline"):
        TrackSettings(methods=("centerline",))
