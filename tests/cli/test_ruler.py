"""One ruler per glacier: kept in the archive, used again, given in files, and never changed between two dates."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from glaciertime.archive import Archive

from .conftest import Command, true_m, write_mask, zones

X, Y = -2_400_000, 1_254_000


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A manifest with nothing but a name."""
    path = tmp_path / "bare.yaml"
    path.write_text("name: Toy\n")
    return path


def line_file(path: Path, *, y: float = Y + 3_000, names: tuple[str, ...] = ("Toy",)) -> Path:
    lines = [shapely.LineString([(X, y + 500 * k), (X + 6_000, y + 500 * k)]) for k in range(len(names))]
    gpd.GeoDataFrame({"name": names}, geometry=lines, crs="EPSG:3031").to_crs(4326).to_file(path)
    return path


def positions(method: str = "centreline") -> pd.Series:
    rows = Archive(Path("glaciertime.gpkg")).read("observations").query("method == @method and value.notna()")
    return rows.sort_values("date").set_index("image_id")["value"]


def stored(kind: str) -> pd.Series:
    return Archive(Path("glaciertime.gpkg")).read("rulers").query("kind == @kind").iloc[0]


def test_the_line_of_the_first_run_measures_the_second(command: Command, masks: Path, bare: Path, tmp_path: Path):
    later = tmp_path / "later"
    later.mkdir()
    assert command("track", "--glacier", "Toy", "--manifest", bare, "--data", masks, "--dataset", "a").code == 0
    line, first = stored("centreline"), positions()
    # A later scene that shows half of the fjord would draw another line.
    half = zones(34)
    half[35:] = 0
    write_mask(later / "toy_2004-03-15.tif", half)
    result = command("track", "--glacier", "Toy", "--manifest", bare, "--data", later, "--dataset", "a")
    assert result.code == 0, result.err
    assert "centreline: drawn (3 scenes: toy_2001-03-15" in result.out
    pd.testing.assert_series_equal(positions()[first.index], first)
    assert stored("centreline")["made_at"] == line["made_at"]
    assert stored("centreline")["wkt"] == line["wkt"]


def test_another_data_set_of_the_glacier_has_the_same_line(command: Command, masks: Path, bare: Path, tmp_path: Path):
    command("track", "--glacier", "Toy", "--manifest", bare, "--data", masks, "--dataset", "a")
    command("track", "--glacier", "Toy", "--manifest", bare, "--data", masks, "--dataset", "b")
    rulers = Archive(Path("glaciertime.gpkg")).read("rulers").query("kind == 'centreline'")
    assert rulers["wkt"].nunique() == 1
    assert sorted(rulers["dataset"]) == ["a", "b"]


def test_drawing_anew_measures_all_again_or_nothing(command: Command, masks: Path, bare: Path, tmp_path: Path):
    some = tmp_path / "some"
    some.mkdir()
    shutil.copy(masks / "toy_2001-03-15.tif", some)
    arguments = ("track", "--glacier", "Toy", "--manifest", bare, "--dataset", "a")
    command(*arguments, "--data", masks)
    before = positions()
    result = command(*arguments, "--data", some, "--redraw")
    assert result.code == 1
    assert "positions of 2 images (2002-03-15 to 2003-03-15) measured along another line" in result.err
    pd.testing.assert_series_equal(positions(), before)
    assert command(*arguments, "--data", masks, "--redraw").code == 0


def test_drawing_anew_does_not_leave_a_value_of_the_old_line_because_its_scene_is_damaged_now(
    command: Command, masks: Path, bare: Path
):
    """Such an image keeps its earlier value, which stood beside the new ones with nothing to tell them apart."""
    arguments = ("track", "--glacier", "Toy", "--manifest", bare, "--dataset", "a", "--data", masks)
    command(*arguments)
    before = positions()
    write_mask(masks / "toy_2002-03-15.tif", np.zeros_like(zones(40)))
    result = command(*arguments, "--redraw")
    assert result.code == 1
    assert "cannot measure (toy_2002-03-15); mend them, take them out with glaciertime forget" in result.err
    pd.testing.assert_series_equal(positions(), before)
    assert command("forget", "--image", "toy_2002-03-15").code == 0
    assert command(*arguments, "--redraw").code == 3


def test_drawing_anew_says_which_data_sets_keep_the_ruler_of_before(command: Command, masks: Path, bare: Path):
    arguments = ("track", "--glacier", "Toy", "--manifest", bare, "--data", masks)
    command(*arguments, "--dataset", "a")
    command(*arguments, "--dataset", "b")
    result = command(*arguments, "--dataset", "a", "--redraw")
    assert result.code == 0
    assert "b of Toy in the archive were measured with the ruler of before" in result.err


def test_another_box_does_not_join_areas_of_the_first_where_there_is_no_front(
    command: Command, masks: Path, bare: Path, tmp_path: Path
):
    """Ice that ends on land has areas alone: these of two boxes stood in one series."""
    for path in masks.glob("*.tif"):
        land = zones(40)
        land[land == 254] = 64
        write_mask(path, land)

    def box(name: str, width: float) -> Path:
        shape = shapely.segmentize(shapely.box(X + 1_000, Y + 1_500, X + width, Y + 4_500), 100)
        gpd.GeoDataFrame(geometry=[shape], crs="EPSG:3031").to_crs(4326).to_file(tmp_path / name)
        return tmp_path / name

    arguments = ("track", "--glacier", "Toy", "--manifest", bare, "--data", masks, "--dataset", "a")
    assert command(*arguments, "--box", box("wide.geojson", 5_000)).code in (0, 3)
    stored = Archive(Path("glaciertime.gpkg")).read("observations")
    result = command(*arguments, "--box", box("narrow.geojson", 3_000))
    assert result.code == 1
    assert "its box is not that of the positions and areas in the archive" in result.err
    pd.testing.assert_frame_equal(Archive(Path("glaciertime.gpkg")).read("observations"), stored)


def test_a_line_from_a_file(command: Command, masks: Path, bare: Path, tmp_path: Path):
    path = line_file(tmp_path / "line.gpkg", names=("Other", "Toy"))
    result = command("track", "--glacier", "Toy", "--manifest", bare, "--data", masks, "--centreline", path)
    assert result.code == 0, result.err
    assert "centreline: file (line.gpkg)" in result.out
    assert positions().iloc[0] == pytest.approx(true_m(4_000), abs=0.5)
    assert np.diff(positions())[0] == pytest.approx(true_m(3_800) - true_m(4_000), abs=0.05)
    # The next run measures along it without being told.
    again = command("track", "--glacier", "Toy", "--manifest", bare, "--data", masks)
    assert "centreline: file (line.gpkg)" in again.out


def test_a_box_from_a_file(command: Command, masks: Path, bare: Path, tmp_path: Path):
    box = shapely.box(X + 1_000, Y + 1_500, X + 5_000, Y + 4_500)
    path = tmp_path / "box.geojson"
    gpd.GeoDataFrame(geometry=[shapely.segmentize(box, 100)], crs="EPSG:3031").to_crs(4326).to_file(path)
    assert command("track", "--glacier", "Toy", "--manifest", bare, "--data", masks, "--box", path).code == 0
    areas = Archive(Path("glaciertime.gpkg")).read("observations").query("footprint == 'box'")
    # 3 by 3 km of the map, 3.6 % less on the ellipsoid.
    assert areas.sort_values("date")["value"].iloc[0] == pytest.approx(9.0 * 0.9636, rel=2e-3)


@pytest.mark.parametrize("names", [(), ("A", "B")])
def test_a_file_without_one_line_of_the_glacier_is_refused(
    command: Command, masks: Path, bare: Path, tmp_path: Path, names: tuple[str, ...]
):
    path = tmp_path / "lines.geojson"
    if names:
        line_file(path, names=names)
    else:
        gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=4326).to_file(path)
    result = command("track", "--glacier", "Toy", "--manifest", bare, "--data", masks, "--centreline", path)
    assert result.code == 1
    assert "--centreline lines.geojson: expected one line from inland to the sea of Toy, found 0" in result.err


def test_another_line_does_not_join_the_series_of_the_first(
    command: Command, masks: Path, manifest: Path, bare: Path, tmp_path: Path
):
    command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    before = positions()
    other = line_file(tmp_path / "line.gpkg", y=Y + 2_000)
    arguments = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks, "--centreline", other)
    result = command(*arguments)
    assert result.code == 1
    assert "its line to measure along is not that of the positions and areas in the archive" in result.err
    pd.testing.assert_series_equal(positions(), before)
    assert command(*arguments, "--redraw").code == 0
    assert stored("centreline")["origin"] == "file"


def test_another_line_is_another_one_in_longitude_and_latitude_too(
    command: Command, masks: Path, bare: Path, tmp_path: Path
):
    """What two lines of files in degrees lie apart was taken for metres: 500 m were no difference."""
    arguments = ("track", "--glacier", "Toy", "--manifest", bare, "--data", masks, "--centreline")
    assert command(*arguments, line_file(tmp_path / "a.gpkg")).code == 0
    result = command(*arguments, line_file(tmp_path / "b.gpkg", y=Y + 3_500))
    assert result.code == 1
    assert "its line to measure along is not that of the positions and areas in the archive" in result.err
    assert command(*arguments, line_file(tmp_path / "c.gpkg")).code == 0


def test_positions_of_an_earlier_version_are_not_continued(
    command: Command, masks: Path, manifest: Path, tmp_path: Path
):
    import sqlite3

    command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks, "--dataset", "a")
    with sqlite3.connect("glaciertime.gpkg") as database:
        database.execute("DELETE FROM rulers")
    later = tmp_path / "later"
    later.mkdir()
    write_mask(later / "toy_2004-03-15.tif", zones(34))
    result = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", later, "--dataset", "a")
    assert result.code == 1
    assert "positions of 3 images (2001-03-15 to 2003-03-15) of an earlier version, in metres of the map" in result.err
