"""Every method of measuring a front says what it says of fronts worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import shapely
import shapely.affinity
from hypothesis import given, settings
from hypothesis import strategies as st

from glaciertime.errors import InputError
from glaciertime.track import METHODS, TrackSettings
from glaciertime.track.record.comparison import compare_methods
from glaciertime.track.ruler.channel import fjord_channel, rectangle, strip
from glaciertime.track.ruler.measures import front_obliquity, offset_positions_m
from glaciertime.track.ruler.ruler import front_position

LINE = shapely.LineString([(0, 0), (10_000, 0)])
FJORD = shapely.box(1_000, -2_500, 9_000, 2_500)
WIDE = TrackSettings(methods=tuple(METHODS), box_width_m=2_000)


def position(front, method, *, line=LINE, fjord=FJORD) -> float:
    return front_position(front, centreline=line, method=method, fjord=fjord, settings=WIDE)


def across(x: float, *, lean: float = 0.0, half: float = 3_000) -> shapely.LineString:
    return shapely.LineString([(x - lean * half, -half), (x + lean * half, half)])


@pytest.mark.parametrize("method", METHODS)
def test_straight_front_square_to_the_centreline_stands_where_it_stands(method):
    assert position(across(4_000), method) == pytest.approx(4_000, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_an_advance_is_positive_whatever_the_slant(method):
    before, after = across(4_000, lean=0.4), across(4_350, lean=0.4)
    assert position(after, method) - position(before, method) == pytest.approx(350, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=25, deadline=None)
@given(
    knots=st.lists(st.floats(-900, 900), min_size=4, max_size=12),
    angle=st.floats(0, 2 * np.pi),
    shift=st.tuples(st.floats(-3e6, 3e6), st.floats(-3e6, 3e6)),
)
def test_position_survives_reversal_rotation_translation_and_denser_vertices(method, knots, angle, shift):
    front = shapely.LineString(np.column_stack([5_000 + np.array(knots), np.linspace(-2_600, 2_600, len(knots))]))

    def moved(geometry):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return shapely.transform(geometry, lambda xy: xy @ turn + np.array(shift))

    plain = position(front, method)
    assert position(front.reverse(), method) == pytest.approx(plain, abs=1e-6)
    assert position(shapely.segmentize(front, 17.0), method) == pytest.approx(plain, abs=4.0)
    mirrored = shapely.transform(front, lambda xy: xy * [1, -1])
    assert position(mirrored, method) == pytest.approx(plain, abs=1e-6)
    assert position(moved(front), method, line=moved(LINE), fjord=moved(FJORD)) == pytest.approx(plain, abs=1e-3)


def by_polygons(channel, front) -> float:
    """The area behind a front that crosses once, by an independent way."""
    pieces = shapely.get_parts(shapely.polygonize([shapely.union_all([channel.polygon.exterior, front])]))
    inland = shapely.Point(channel.left[0] + channel.origin)
    return min(pieces, key=lambda piece: piece.distance(inland)).area


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1_500, 1_500), min_size=3, max_size=20), st.floats(200, 1_800))
def test_inland_area_is_that_of_the_polygon_behind_the_front(knots, width):
    bend = shapely.LineString([(0, 0), (3_000, 300), (6_000, -700), (10_000, 200)])
    channel = strip(bend, width_m=width)
    front = shapely.LineString(np.column_stack([5_000 + np.array(knots), np.linspace(-2_500, 2_500, len(knots))]))
    crossings = shapely.get_num_geometries(front.intersection(channel.polygon))
    if crossings == 1:
        assert channel.inland_area(front).area_m2 == pytest.approx(by_polygons(channel, front), rel=1e-9)


def test_bay_behind_the_front_is_taken_away_and_tongue_before_it_is_added():
    channel = rectangle(LINE, width_m=2_000)
    bay = [(3_000, 900), (3_200, 900)]
    with_bay = shapely.LineString([(4_000, -1_500), (4_000, 1_500), (3_200, 1_500), *bay[::-1], (3_000, 1_500)])
    assert channel.inland_area(with_bay).area_m2 == pytest.approx(4_000 * 2_000 - 200 * 100)
    with_tongue = shapely.LineString([(4_000, -1_500), (4_000, 1_500), (5_000, 1_500), (5_000, 900), (5_200, 900),
                                      (5_200, 1_500)])  # fmt: skip
    assert channel.inland_area(with_tongue).area_m2 == pytest.approx(4_000 * 2_000 + 200 * 100)


def test_front_that_ends_inside_the_box_says_how_much_it_covers():
    half = shapely.LineString([(4_000, -1_500), (4_000, 500)])
    inland = strip(LINE, width_m=2_000).inland_area(half)
    assert inland.share == pytest.approx(0.75, abs=1e-4)
    assert inland.area_m2 == pytest.approx(4_000 * 2_000)
    with pytest.raises(InputError, match="covers 25% of the width of the curvilinear box, at least 50%"):
        strip(LINE, width_m=2_000).inland_area(shapely.LineString([(4_000, -1_500), (4_000, -500)]))


def test_front_in_two_pieces_is_taken_whole():
    pieces = shapely.MultiLineString([[(4_000, -1_500), (4_000, 1_500)], [(4_300, 1_600), (4_300, 2_600)]])
    assert strip(LINE, width_m=2_000).inland_area(pieces).area_m2 == pytest.approx(8e6)


def test_front_beyond_the_end_of_the_box_is_refused():
    around = shapely.LineString([(-500, -500), (500, -500), (500, 500), (-500, 500)])
    with pytest.raises(InputError, match="runs through an end of the curvilinear box"):
        strip(LINE, width_m=2_000).inland_area(around)
    with pytest.raises(InputError, match="does not cross the curvilinear box"):
        strip(LINE, width_m=2_000).inland_area(across(12_000))


def test_strip_that_overlaps_itself_is_refused():
    circle = shapely.LineString([(np.cos(a) * 500, np.sin(a) * 500) for a in np.linspace(0, 6.2, 60)])
    with pytest.raises(InputError, match="overlaps itself; choose a narrower one"):
        strip(circle, width_m=900)


def test_fjord_that_widens_is_measured_by_its_own_area():
    funnel = shapely.Polygon([(0, -1_000), (8_000, -3_000), (8_000, 3_000), (0, 1_000)])
    channel = fjord_channel(funnel, centreline=shapely.LineString([(-500, 0), (9_000, 0)]))
    assert channel.width_m == pytest.approx(4_000)
    assert channel.start_m == pytest.approx(500)
    # Half-way the funnel is 4 km wide: behind it lie 4 km times the mean of 2 and 4 km.
    assert channel.inland_area(across(4_000)).area_m2 == pytest.approx(12e6)


def test_centreline_outside_the_fjord_is_refused():
    with pytest.raises(InputError, match="does not run through the fjord"):
        fjord_channel(FJORD, centreline=shapely.LineString([(0, 9_000), (10_000, 9_000)]))


def test_front_along_the_flow_is_refused_by_the_extrapolated_centreline():
    along = shapely.LineString([(1_000, 500), (9_000, 510)])
    with pytest.raises(InputError, match="it runs along the flow"):
        position(along, "extrapolated-centreline")


def test_multi_centreline_of_a_slanted_front_is_its_middle():
    assert position(across(4_000, lean=0.5), "multi-centreline") == pytest.approx(4_000, abs=1e-6)


def test_comparison_removes_one_constant_and_counts_failures():
    def row(method, day, value):
        return {"glacier": "Toy", "dataset": "toy", "source": "simulated", "variable": "front_position_m",
                "method": method, "date": pd.Timestamp("2020-01-01") + pd.Timedelta(days=day), "image_id": str(day),
                "value": value}  # fmt: skip

    rows = [row("curvilinear-box", day, 10.0 * day) for day in range(5)]
    rows += [row("centreline", day, 10.0 * day + 7 + (3 if day == 4 else 0)) for day in range(4)]
    rows += [row("centreline", 4, np.nan)]
    table = compare_methods(pd.DataFrame(rows)).set_index("method")
    assert table.loc["centreline", ["n", "n_failed", "offset_m", "max_abs_m"]].tolist() == [4, 1, 7.0, 0.0]


def test_fronts_of_two_kinds_in_one_image_are_not_averaged_before_they_are_compared():
    def row(method, day, value, front_of):
        return {"glacier": "Toy", "dataset": "toy", "source": "simulated", "variable": "front_position_m",
                "method": method, "date": pd.Timestamp(2020, 1, 1 + day), "image_id": str(day), "front_of": front_of,
                "value": value}  # fmt: skip

    rows = [row("curvilinear-box", day, 10.0 * day, "calving front") for day in range(5)]
    rows += [row("centreline", day, 10.0 * day + 7, "calving front") for day in range(5)]
    rows += [row("curvilinear-box", day, 900.0 + 50 * day, "mélange edge") for day in range(5)]
    rows += [row("centreline", day, 900.0 + 53 * day, "mélange edge") for day in range(3)]
    table = compare_methods(pd.DataFrame(rows)).query("method == 'centreline'").set_index("front_of")
    assert table.loc["calving front", ["n", "n_failed", "offset_m", "max_abs_m"]].tolist() == [5, 0, 7.0, 0.0]
    assert table.loc["mélange edge", ["n", "n_failed", "offset_m", "max_abs_m"]].tolist() == [3, 2, 3.0, 3.0]


def test_jakobshavn_agrees_with_maqit(shared_data):
    from glaciertime.scenes.vectors import read_layer

    table = read_layer(shared_data / "jakobshavn" / "jakobshavn.gpkg", "fronts")
    line = read_layer(shared_data / "jakobshavn" / "jakobshavn.gpkg", "centreline").geometry.iloc[0].reverse()
    theirs = pd.read_csv(shared_data / "jakobshavn" / "maqit_curvilinear_box.csv")["Terminus Position on flowline"]
    channel = strip(line, width_m=2_000)
    ours = np.array([channel.inland_area(front).area_m2 / 2_000 for front in table.geometry])
    difference = ours + theirs.to_numpy()
    difference -= np.median(difference)
    assert np.median(np.abs(difference)) < 1
    assert np.abs(difference).max() < 10


@pytest.mark.parametrize("angle", [0, 30, 117, 200])
def test_the_slant_of_a_front_does_not_depend_on_where_the_fjord_points(angle):
    front, line = (
        shapely.affinity.rotate(shapely.LineString(points), angle, origin=(0, 0))
        for points in ([(0, -50), (100, 50)], [(0, 0), (100, 0)])
    )
    assert front_obliquity(front, centreline=line, position_m=50, reach_m=20) == pytest.approx(np.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("vertices", [[(0, 0), (0, 0), (9_000, 0)], [(0, 0), (9_000, 0), (9_000, 0)]])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_vertex_of_the_centreline_that_repeats_changes_no_position(vertices, method):
    fjord = shapely.box(0, -2_500, 10_000, 2_500)
    front = shapely.LineString([(5_000, -3_000), (5_500, 3_000)])
    plain = shapely.LineString([(0, 0), (9_000, 0)])
    at = front_position(front, centreline=plain, method=method, fjord=fjord)
    assert front_position(front, centreline=shapely.LineString(vertices), method=method, fjord=fjord) == pytest.approx(
        at
    )
    if method == "extrapolated-centreline":
        beyond = shapely.LineString([(9_500, -3_000), (9_500, 3_000)])
        assert front_position(beyond, centreline=shapely.LineString(vertices), method=method) == pytest.approx(9_500)


def test_of_several_crossings_of_an_offset_line_the_one_nearest_to_the_sea_counts() -> None:
    centreline = shapely.LineString([(0, 0), (10_000, 0)])
    line = shapely.LineString([(0, 500), (10_000, 500)])
    # The front runs out to 7 km and back across the line at 4 km before it ends.
    front = shapely.LineString([(7000, -1000), (7000, 800), (4000, 800), (4000, 200)])
    found = offset_positions_m(front, centreline=centreline, lines=[line])
    assert found.tolist() == [7000.0]
