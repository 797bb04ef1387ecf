"""A centreline is drawn once, from all scenes together; no single one of them bends it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine

from glaciertime.catalog import Glacier
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
from glaciertime.scenes.classes import parse_classes
from glaciertime.scenes.folder import MaskReading, masks_in_folder
from glaciertime.scenes.vectors import trace_scenes
from glaciertime.track import Tracked, TrackSettings, track_scenes
from glaciertime.track.place import Ruler, reproject
from glaciertime.track.ruler.centrelines import centreline_from_traces, centreline_from_zones

UTM = pyproj.CRS.from_epsg(32633)
X, Y = 480_000.0, 8_594_000.0
METHODS = TrackSettings(methods=("centreline", "curvilinear-box", "extrapolated-centreline"))


@pytest.fixture(scope="module")
def places() -> Path:
    folder = Path(__file__).parents[3] / "shared" / "cases" / "place"
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}")
    return folder


def acquired(year: int, crs: pyproj.CRS | None = UTM) -> Acquisition:
    return Acquisition(
        glacier="Toy", date=dt.date(year, 7, 1), dataset="toy", image_id=f"image{year}", source="simulated",
        input="toy", crs=crs, resolution_m=40.0,
    )  # fmt: skip


def fjord_scene(year: int, front_m: float, *, hidden: tuple[slice, slice] | None = None, walls: bool = True):
    """Ice from the left up to a distance in a fjord 12 by 6 km, with 1 km of rock at both sides or none."""
    zones = np.full((150, 300), OCEAN, np.uint8)
    zones[:, : round(front_m / 40)] = GLACIER
    if walls:
        zones[:25] = zones[-25:] = ROCK
    if hidden is not None:
        zones[hidden] = NO_DATA
    transform = Affine(40, 0, X, 0, -40, Y + 6_000)
    return MaskScene(acquisition=acquired(year), shape=zones.shape, transform=transform, read=lambda: zones)


def drawn(tracked: Tracked) -> Ruler:
    return next(ruler for ruler in tracked.rulers if ruler.kind == "centreline")


def line_on_map(tracked: Tracked) -> np.ndarray:
    """The drawn line as distance along and to the side of the fjord's axis, in metres of the map."""
    ruler = drawn(tracked)
    return shapely.get_coordinates(reproject(ruler.geometry, source=ruler.crs, target=UTM)) - (X, Y + 3_000)


def positions(tracked: Tracked, method: str = "centreline") -> list[float]:
    rows = tracked.observations.query("variable == 'front_position_m' and method == @method")
    return rows.sort_values("date").value.tolist()


YEARS = {2000: 6_000.0, 2001: 5_400.0, 2002: 5_000.0, 2003: 4_800.0}


@pytest.mark.parametrize("walls", [True, False])
def test_the_line_runs_straight_through_the_middle(walls):
    tracked = track_scenes([fjord_scene(*each, walls=walls) for each in YEARS.items()], glacier=Glacier(name="Toy"))
    along, across = line_on_map(tracked).T
    assert np.abs(across).max() < 60
    assert along[0] < 100
    assert along[-1] > 11_900
    # UTM near its middle meridian is 0.04 % too short.
    assert np.diff(positions(tracked)) == pytest.approx([-600 / 0.9996, -400 / 0.9996, -200 / 0.9996], abs=1)
    assert drawn(tracked).origin == "drawn"
    assert "4 scenes" in drawn(tracked).drawn_from


@pytest.mark.parametrize(
    "hidden",
    [
        (slice(0, 75), slice(0, 200)),
        (slice(90, 150), slice(100, 300)),
        (slice(25, 60), slice(120, 160)),
        (slice(0, 150), slice(0, 100)),
    ],
    ids=["corner inland", "corner to the sea", "cloud on the front", "inland end"],
)
@pytest.mark.parametrize("walls", [True, False])
def test_what_one_scene_does_not_show_does_not_bend_the_line(hidden, walls):
    plain = [fjord_scene(*each, walls=walls) for each in YEARS.items()]
    for place in (0, 3):
        scenes = list(plain)
        year = list(YEARS)[place]
        scenes[place] = fjord_scene(year, YEARS[year], hidden=hidden, walls=walls)
        across = line_on_map(track_scenes(scenes, glacier=Glacier(name="Toy")))[:, 1]
        assert np.abs(across).max() < 100


def test_one_line_for_scenes_of_every_coordinate_system_and_order():
    scenes = [fjord_scene(*each) for each in YEARS.items()]
    polar = pyproj.CRS.from_epsg(3413)
    moved = [
        TraceScene(acquisition=acquired(year, polar), line=_front(front_m, polar)) for year, front_m in YEARS.items()
    ]
    mixed = [scenes[0], moved[1], scenes[2], moved[3]]
    first, second = (
        track_scenes(each, glacier=Glacier(name="Toy"), settings=METHODS) for each in (scenes, mixed[::-1])
    )
    for method in METHODS.methods:
        assert np.diff(positions(second, method)) == pytest.approx(np.diff(positions(first, method)), abs=15)
    assert len([ruler for ruler in second.rulers if ruler.kind == "centreline"]) == 1


def _front(front_m: float, crs: pyproj.CRS) -> shapely.LineString:
    line = shapely.LineString([(X + front_m, Y + 1_000), (X + front_m, Y + 5_000)])
    return reproject(shapely.segmentize(line, 50.0), source=UTM, target=crs)


def test_the_ruler_of_an_earlier_run_measures_the_next():
    first = track_scenes([fjord_scene(2000, 6_000.0)], glacier=Glacier(name="Toy"))
    later = track_scenes(
        [fjord_scene(2003, 4_800.0, hidden=(slice(0, 60), slice(0, 200)))],
        glacier=Glacier(name="Toy"),
        rulers=first.rulers,
    )
    assert later.rulers == first.rulers
    both = track_scenes([fjord_scene(2000, 6_000.0), fjord_scene(2003, 6_000.0)], glacier=Glacier(name="Toy"),
                        rulers=first.rulers)  # fmt: skip
    assert positions(both) == pytest.approx(positions(first) * 2, abs=1e-3)
    assert positions(first)[0] - positions(later)[0] == pytest.approx(1_200 / 0.9996, abs=1)
    assert (later.observations.query("method == 'centreline'").footprint == "drawn centreline").all()


def test_a_line_that_halves_of_the_scenes_draw_elsewhere_is_told():
    # Half of the scenes show one fjord, half another, 3 km beside it.
    def beside(year: int, front_m: float) -> MaskScene:
        zones = fjord_scene(year, front_m).read()
        zones = np.vstack([np.full((75, 300), ROCK, np.uint8), zones[:75]]) if year % 2 else zones
        zones = zones.copy()
        zones[100:] = ROCK if year % 2 == 0 else zones[100:]
        return dataclasses.replace(fjord_scene(year, front_m), read=lambda: zones)

    tracked = track_scenes([beside(2000 + k, 6_000.0 - 40 * k) for k in range(8)], glacier=Glacier(name="Toy"))
    assert any("cannot be drawn surely" in note and "--centreline FILE" in note for note in tracked.notes)
    sure = track_scenes([fjord_scene(2000 + k, 6_000.0 - 40 * k) for k in range(8)], glacier=Glacier(name="Toy"))
    assert sure.notes == ()


def test_traces_alone_are_measured_square_to_their_direction():
    scenes = [TraceScene(acquisition=acquired(year), line=_front(front_m, UTM)) for year, front_m in YEARS.items()]
    tracked = track_scenes(scenes, glacier=Glacier(name="Toy"))
    assert np.diff(positions(tracked)) == pytest.approx([-600 / 0.9996, -400 / 0.9996, -200 / 0.9996], abs=0.1)
    rows = tracked.observations.query("method == 'centreline'")
    assert rows.quality.str.contains("assumed-seaward").all()
    assert any("do not tell ice from ocean" in note for note in tracked.notes)


def test_outlines_alone_say_that_positions_need_a_line():
    ice = shapely.box(X, Y, X + 6_000, Y + 6_000)
    scene = OutlineScene(acquisition=acquired(2000), ice=ice, box=shapely.box(X, Y, X + 12_000, Y + 6_000))
    tracked = track_scenes([scene], glacier=Glacier(name="Toy"))
    assert positions(tracked) == []
    assert any("outlines do not tell ocean from rock" in note and "--centreline" in note for note in tracked.notes)


def test_an_assumed_direction_stays_told_in_later_runs():
    first = [TraceScene(acquisition=acquired(year), line=_front(front_m, UTM)) for year, front_m in YEARS.items()]
    rulers = track_scenes(first[:2], glacier=Glacier(name="Toy")).rulers
    later = track_scenes(first[2:], glacier=Glacier(name="Toy"), rulers=rulers).observations
    assert later.query("method == 'centreline'").quality.str.contains("assumed-seaward").all()


def test_traces_of_any_direction_draw_no_line():
    star = [shapely.LineString([(0, 0), (np.cos(a), np.sin(a))]) for a in np.linspace(0, np.pi, 7)[:-1]]
    with pytest.raises(ValueError, match="no common direction; give the line"):
        centreline_from_traces(star)
    with pytest.raises(ValueError, match="one trace tells no direction"):
        centreline_from_traces(star[:1])


def test_a_tongue_that_ends_in_open_water_has_its_line_out_to_sea():
    zones = np.full((100, 100), OCEAN, np.uint8)
    zones[40:60, :50] = GLACIER
    zones[:40, :30] = zones[60:, :30] = ROCK
    x, y = shapely.get_coordinates(centreline_from_zones(zones, transform=Affine.identity())).T
    assert x[-1] > x[0] + 90
    assert np.abs(y - 50).max() < 2


@pytest.mark.parametrize("method", ["centreline", "curvilinear-box", "mean-trace"])
def test_masks_without_geometry_in_an_open_box(places, method):
    # 1,500 m of the map, then 300 m thrice, on the ellipsoid.
    scenes = masks_in_folder(
        places / "drawn", glacier="T", dataset="d", reading=MaskReading(classes=parse_classes("0=ocean,1=glacier"))
    )
    tracked = track_scenes(scenes, glacier=Glacier(name="T"), settings=TrackSettings(methods=(method,)))
    assert np.diff(positions(tracked, method)) == pytest.approx([-1471.6, -294.3, -294.3, -294.3], abs=0.5)


def test_masks_in_two_coordinate_systems_by_turns(places):
    reading = MaskReading(classes=parse_classes("0=ocean,1=glacier,2=rock"), common_footprint=True)
    scenes = masks_in_folder(places / "mixed_crs_masks", glacier="Testbreen", dataset="d", reading=reading)
    tracked = track_scenes(scenes, glacier=Glacier(name="Testbreen"), settings=METHODS)
    for method, within in (("centreline", 40), ("curvilinear-box", 12), ("extrapolated-centreline", 10)):
        since = positions(tracked, method)[0] - np.array(positions(tracked, method))
        assert since == pytest.approx([0, 234.2, 407.7, 655.6], abs=within)


def test_traces_without_a_line_have_positions(places):
    source = {"dataset": "mine", "format": "traces", "path": "fronts.geojson"}
    glacier = Glacier(name="Testbreen", sources=(source,))
    scenes = trace_scenes(places / "traces_no_position" / "fronts.geojson", glacier=glacier, source=glacier.sources[0])
    since = positions(track_scenes(scenes, glacier=glacier))
    assert since[0] - since[3] == pytest.approx(655.9, abs=1)
    assert len(since) == 12


def test_a_change_of_what_the_front_is_does_not_tell_where_the_sea_lies():
    # A shelf's fronts at 0 to 20 m and calving fronts at 5,000 m: both retreat towards smaller x.
    stands = [20, 10, 0, 5_020, 5_010, 5_000]
    traces = [shapely.LineString([(x, 0), (x, 2_000)]) for x in stands]
    kinds = ["shelf"] * 3 + ["calving front"] * 3
    line = centreline_from_traces(traces, kinds=kinds)
    assert line.coords[0][0] < line.coords[-1][0]
    assert centreline_from_traces(traces).coords[0][0] > line.coords[0][0]


def test_masks_on_both_counts_of_longitude_at_180_draw_one_line():
    # Fronts at 180.05, 180.04, ... degrees east of a raster that starts at 179.9 or at -180.1.
    scenes = []
    for year, columns in enumerate((150, 140, 130, 120)):
        zones = np.full((50, 200), OCEAN, np.uint8)
        zones[:, :columns] = GLACIER
        transform = Affine(0.001, 0, 179.9 if year % 2 else -180.1, 0, -0.001, 70.05)
        acquisition = dataclasses.replace(acquired(2000 + year, pyproj.CRS.from_epsg(4326)), resolution_m=80.0)
        scenes.append(
            MaskScene(acquisition=acquisition, shape=zones.shape, transform=transform, read=lambda zones=zones: zones)
        )
    tracked = track_scenes(scenes, glacier=Glacier(name="Toy"))
    degree_m = pyproj.Geod(ellps="WGS84").line_length([180, 180.01], [70.025, 70.025])
    assert np.diff(positions(tracked)) == pytest.approx([-degree_m] * 3, abs=0.5)
    assert not any("cannot be drawn surely" in note for note in tracked.notes)
