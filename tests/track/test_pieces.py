"""A front is measured with all its pieces, on what is both drawn and seen; what is missing is told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine

from glaciertime.catalog import Glacier, Line, Region, load_catalog, read_manifest
from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import (
    GLACIER,
    NO_DATA,
    OCEAN,
    ROCK,
    Acquisition,
    MaskScene,
    OutlineScene,
    TraceScene,
)
from glaciertime.scenes.vectors import trace_scenes
from glaciertime.track import METHODS, TrackSettings, front_position, track_scenes
from glaciertime.track.ruler.pieces import joined

from ..geodesics import geodesic_m

CRS = pyproj.CRS.from_epsg(3031)
LINE = shapely.LineString([(0, 0), (20_000, 0)])
BOXES = ("rectilinear-box", "curvilinear-box", "area-change")
FJORD = shapely.box(0, -1_000, 20_000, 1_000)
# Off the pole, where the map's scale is nearly the same everywhere in the fjord.
X, Y = -2_400_000.0, 1_250_000.0


def fjord_glacier(start: float = -1_000, stop: float = 21_000) -> Glacier:
    """A fjord 20 by 4 km of the map, and a centreline between two distances along it."""
    corners = [(X, Y), (X + 20_000, Y), (X + 20_000, Y + 4_000), (X, Y + 4_000)]
    return Glacier(
        name="G", crs="EPSG:3031", fjord=Region(drawn_by="x", coordinates=corners),
        centreline=Line(drawn_by="x", coordinates=[(X + start, Y + 2_000), (X + stop, Y + 2_000)]),
    )  # fmt: skip


def acquired() -> Acquisition:
    return Acquisition(
        glacier="G", date=dt.date(2010, 1, 1), dataset="d", image_id="a", source="simulated", input="x", crs=CRS,
        resolution_m=20.0,
    )  # fmt: skip


def mask(front_m: float, *, first_m: float = 0.0, rock_m: float = 0.0, hidden: slice | None = None) -> MaskScene:
    """Ice up to a distance in the fjord, rock along one wall, the image from a distance on."""
    zones = np.full((200, 1000), OCEAN, np.uint8)
    zones[:, : round(front_m / 20)] = GLACIER
    if rock_m:
        zones[: round(rock_m / 20)] = ROCK
    if hidden is not None:
        zones[:, hidden] = NO_DATA
    zones = zones[:, round(first_m / 20) :]
    transform = Affine(20, 0, X + first_m, 0, -20, Y + 4_000)
    return MaskScene(acquisition=acquired(), shape=zones.shape, transform=transform, read=lambda: zones)


def row(scene, glacier: Glacier, method: str = "area-change"):
    settings = TrackSettings(methods=(method,))
    rows = track_scenes([scene], glacier=glacier, settings=settings).observations
    return rows.query("variable == 'front_position_m'").iloc[0]


def along_m(glacier: Glacier, front_m: float) -> float:
    start = glacier.centreline.coordinates[0]
    return geodesic_m([start, (X + front_m, Y + 2_000)], CRS)


@pytest.mark.parametrize("front_m", [10_000, 15_000, 16_000])
@pytest.mark.parametrize("reach", [(-1_000, 21_000), (2_000, 18_000), (0, 20_000), (-5_000, 17_000)])
def test_masks_outlines_and_traces_stand_where_they_are_along_any_centreline(reach, front_m):
    glacier = fjord_glacier(*reach)
    expected = along_m(glacier, front_m)
    trace = TraceScene(acquisition=acquired(), line=shapely.LineString([(X + front_m, Y), (X + front_m, Y + 4_000)]))
    outline = OutlineScene(acquisition=acquired(), ice=shapely.box(X - 100, Y - 100, X + front_m, Y + 4_100))
    for scene in (mask(front_m), trace, outline):
        assert row(scene, glacier).value == pytest.approx(expected, abs=3)


def test_rock_in_the_fjord_is_neither_ice_nor_ocean():
    # A fifth of the fjord's width is rock: rates were 0.8 of the true ones.
    glacier = fjord_glacier()
    for front_m in (8_000, 16_000):
        assert row(mask(front_m, rock_m=800), glacier).value == pytest.approx(along_m(glacier, front_m), abs=5)


@pytest.mark.parametrize(
    "scene",
    [
        mask(15_000, first_m=10_000),
        mask(15_000, hidden=slice(0, 500)),
        mask(15_000, hidden=slice(800, 1000)),
        mask(15_000, hidden=slice(100, 400)),
        mask(15_000, rock_m=800, hidden=slice(0, 500)),
    ],
    ids=["image begins there", "inland half without data", "seaward end without data", "cloud on the ice", "with rock"],
)
def test_half_an_image_gives_the_whole_position(scene):
    glacier = fjord_glacier()
    measured = row(scene, glacier)
    assert measured.value == pytest.approx(along_m(glacier, 15_000), abs=8)
    assert measured.coverage < 0.91
    assert ("partial-coverage" in measured.quality) == (measured.coverage < 0.8)


@pytest.mark.parametrize("method", BOXES)
def test_a_front_that_leaves_and_comes_back_is_refused(method):
    # It was -3,000 m.
    u = shapely.LineString([(8_000, -3_000), (8_000, 2_000), (11_000, 2_000), (11_000, -3_000)])
    with pytest.raises(InputError, match="an even number of times: both of its ends are ice, or both ocean"):
        front_position(u, centreline=LINE, method=method, fjord=FJORD)
    # Three times is told from once.
    back = shapely.LineString([*u.coords, (14_000, -3_000), (14_000, 3_000)])
    assert front_position(back, centreline=LINE, method=method, fjord=FJORD) == pytest.approx(11_000, abs=1)


def slanted(*, gap: tuple[float, float] | None = None) -> shapely.Geometry:
    """A front from (8,000, -2,000) to (12,000, 2,000), without the stretch between two distances across."""
    at = np.linspace(-2_000, 2_000, 81)
    if gap is None:
        return shapely.LineString(np.column_stack([10_000 + at, at]))
    below, above = at[at <= gap[0]], at[at >= gap[1]]
    return shapely.MultiLineString([np.column_stack([10_000 + part, part]) for part in (below, above[::-1])])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gap", [(-100, 100), (-900, -700), (300, 650), (600, 800)])
def test_all_pieces_count_in_every_method(method, gap):
    whole = front_position(slanted(), centreline=LINE, method=method, fjord=FJORD)
    pieces = front_position(slanted(gap=gap), centreline=LINE, method=method, fjord=FJORD)
    assert whole == pytest.approx(10_000, abs=1)
    assert pieces == pytest.approx(10_000, abs=1)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1), (3, 2, 1, 0)])
def test_pieces_are_joined_in_any_order_and_direction(order):
    parts = [[(0, 10 * k), (0, 10 * k + 8)] for k in range(4)]
    front = shapely.MultiLineString([parts[k][:: -1 if k % 2 else 1] for k in order])
    whole = joined(front)
    assert whole.line.length == pytest.approx(38)
    assert whole.seen == pytest.approx(32 / 38)
    assert len(whole.gaps) == 3


def test_an_island_is_no_piece_of_the_front():
    island = shapely.Point(50, 3).buffer(2).exterior
    whole = joined(shapely.MultiLineString([island.coords, [(0, 0), (0, 10)]]))
    assert whole.line.length == pytest.approx(10)
    assert whole.seen == 1


def test_what_is_missing_is_told_and_beyond_a_share_not_trusted():
    glacier = Glacier(name="G", crs="EPSG:3031", centreline=fjord_glacier().centreline)

    def seen(gap: float, method: str):
        front = shapely.MultiLineString(
            [
                [(X + 9_000, Y), (X + 9_000, Y + 2_000 - gap / 2)],
                [(X + 9_000, Y + 2_000 + gap / 2), (X + 9_000, Y + 4_000)],
            ]
        )
        return row(TraceScene(acquisition=acquired(), line=front), glacier, method)

    few, many = seen(200, "curvilinear-box"), seen(600, "curvilinear-box")
    assert few.coverage == pytest.approx(0.9, abs=0.01)
    assert few.quality == "ok"
    assert many.coverage == pytest.approx(0.7, abs=0.01)
    # 600 m of the map are 589 m.
    assert many.quality == "partial-coverage: 71% of the front seen"
    assert "at least 50% is needed" in seen(1_200, "curvilinear-box").quality
    # In the gap nobody knows where the front stands: up to half the gap to either side, uniformly.
    assert seen(600, "centreline").sigma == pytest.approx(np.hypot(20 / 12**0.5, 600 * 0.9814 / 12**0.5), rel=0.02)


def test_a_real_front_in_two_pieces_stands_where_the_whole_one_does(shared_data):
    folder = Path(__file__).parents[3] / "shared" / "cases" / "place"
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}")
    glacier = read_manifest(folder / "gap" / "tm.yaml") if (folder / "gap" / "tm.yaml").is_file() else None
    assert isinstance(glacier, Glacier)
    source = load_catalog().glacier("Jakobshavn").sources[0].model_copy(
        update={"layer": "", "centreline_layer": "", "code": "", "path": "slanted_front_gap.geojson"}
    )  # fmt: skip
    methods = tuple(method for method in METHODS if method != "area-change")
    rows = track_scenes(
        trace_scenes(folder / "gap" / source.path, glacier=glacier, source=source),
        glacier=glacier,
        settings=TrackSettings(methods=methods),
    ).observations.query("variable == 'front_position_m'")
    assert len(rows) == 2 * len(methods)
    # 10,000 m of the map.
    np.testing.assert_allclose(rows.value, 9_973.8, atol=0.2)
    assert rows.query("method == 'curvilinear-box'").sort_values("date").coverage.iloc[1] == pytest.approx(
        0.9, abs=0.01
    )
