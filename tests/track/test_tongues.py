"""A line is drawn through one glacier where masks show several, and through its end where it has sides."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine

from glaciertime.catalog import Glacier, Line
from glaciertime.scenes.acquisition import GLACIER, OCEAN, ROCK, Acquisition, MaskScene, OutlineScene
from glaciertime.track import Tracked, TrackSettings, track_scenes

from ..geodesics import geodesic_m

POLAR = pyproj.CRS.from_epsg(3031)
X, Y, PIXEL_M = -2_400_000.0, 1_260_000.0, 60
FRONTS_M = [7200, 6900, 6480, 6000, 5520]


def fjord(front_m: float, *, wall: int = ROCK) -> np.ndarray:
    """Ice from the left in a fjord 3.6 km wide."""
    zones = np.full((100, 200), OCEAN, np.uint8)
    zones[:, : round(front_m / PIXEL_M)] = GLACIER
    zones[:20] = zones[-20:] = wall
    return zones


def acquired(year: int) -> Acquisition:
    return Acquisition(
        glacier="Toy", date=dt.date(year, 2, 12), dataset="toy", image_id=f"image{year}", source="simulated",
        input="toy", crs=POLAR, resolution_m=PIXEL_M,
    )  # fmt: skip


def tracked(masks: list[np.ndarray], **settings: object) -> Tracked:
    transform = Affine(PIXEL_M, 0, X, 0, -PIXEL_M, Y)
    scenes = [
        MaskScene(acquisition=acquired(2000 + i), shape=zones.shape, transform=transform, read=lambda z=zones: z)
        for i, zones in enumerate(masks)
    ]
    return track_scenes(scenes, glacier=Glacier(name="Toy"), settings=TrackSettings(**settings))


def true_changes() -> list[float]:
    y = Y - 3000
    return [
        np.copysign(geodesic_m([(X + FRONTS_M[0], y), (X + front, y)], "EPSG:3031"), front - FRONTS_M[0] or 1)
        if front != FRONTS_M[0]
        else 0.0
        for front in FRONTS_M
    ]


def changes(result: Tracked) -> np.ndarray:
    rows = result.observations.query("variable == 'front_position_m'").sort_values("date")
    return rows.value.to_numpy() - rows.value.iloc[0]


def test_rock_called_ocean_does_not_turn_the_line_to_a_side_of_the_tongue() -> None:
    result = tracked([fjord(front, wall=OCEAN) for front in FRONTS_M])
    assert changes(result) == pytest.approx(true_changes(), abs=1.5)


def test_of_two_glaciers_side_by_side_one_is_followed_and_told() -> None:
    result = tracked([np.vstack([fjord(front), fjord(front - 1200)]) for front in FRONTS_M])
    assert changes(result) == pytest.approx(true_changes(), abs=1.5)
    assert any("several glaciers" in note for note in result.notes)


def test_a_line_ends_before_the_glacier_on_the_other_side_of_the_fjord() -> None:
    result = tracked([np.hstack([fjord(front), fjord(front)[:, ::-1]]) for front in FRONTS_M])
    assert np.abs(changes(result)) == pytest.approx(np.abs(true_changes()), abs=3)
    assert any("several glaciers" in note for note in result.notes)


def test_a_nunatak_in_the_front_does_not_slant_the_line() -> None:
    masks = [fjord(front) for front in FRONTS_M]
    for zones in masks:
        zones[45:55, 60:150] = ROCK
    assert changes(tracked(masks)) == pytest.approx(true_changes(), rel=0.01, abs=17)


def test_an_island_of_ice_that_one_wrong_mask_leaves_is_no_glacier() -> None:
    masks = [fjord(front) for front in FRONTS_M]
    wrong = masks[2].copy()
    wrong[masks[2] == OCEAN], wrong[masks[2] == GLACIER] = GLACIER, OCEAN
    result = tracked([*masks[:2], wrong, *masks[3:]])
    assert changes(result)[[1, 3, 4]] == pytest.approx([true_changes()[i] for i in (1, 3, 4)], abs=1.5)
    assert not any("several glaciers" in note for note in result.notes)


@pytest.fixture
def outlines():  # type: ignore[no-untyped-def]
    """Outlines of a glacier 4 km wide, measured along a line and no box."""

    def call(x_m: tuple[float, float], *, y_m: float = 0.0, **settings: object) -> Tracked:
        y = Y - 3000
        ice = [shapely.box(X - 5000, y - 2000, X + front, y + 2000) for front in FRONTS_M]
        scenes = [
            OutlineScene(acquisition=acquired(2000 + i), ice=shapely.MultiPolygon([each])) for i, each in enumerate(ice)
        ]
        line = Line(drawn_by="x", coordinates=[(X + x, y + y_m) for x in x_m])
        glacier = Glacier(name="Toy", crs="EPSG:3031", centreline=line)
        return track_scenes(scenes, glacier=glacier, settings=TrackSettings(**settings))

    return call


@pytest.mark.parametrize("method", ["centreline", "mean-trace", "curvilinear-box"])
@pytest.mark.parametrize("start_m", [0, -8000])
def test_outlines_without_a_box_are_measured_along_a_line(outlines, method: str, start_m: float) -> None:  # type: ignore[no-untyped-def]
    result = outlines((start_m, 15_000), methods=(method,))
    assert changes(result) == pytest.approx(true_changes(), abs=0.5)
    assert len(result.observations.query("variable == 'area_km2'")) == 5
    # What lies beside the line is no width of the glacier.
    assert result.observations.query("variable == 'front_width_m'").empty


def test_a_line_that_runs_into_outlines_from_the_sea_is_refused(outlines) -> None:  # type: ignore[no-untyped-def]
    rows = outlines((15_000, 0)).observations.query("variable == 'front_position_m'")
    assert rows.value.isna().all()
    assert rows.quality.str.contains("the centreline runs from the sea inland").all()


def test_a_line_beside_outlines_gives_no_front(outlines) -> None:  # type: ignore[no-untyped-def]
    rows = outlines((0, 15_000), y_m=9000).observations.query("variable == 'front_position_m'")
    assert rows.quality.str.contains("no-front: the ice does not end on the centreline").all()
