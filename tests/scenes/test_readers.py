"""Readers of scenes, on small files that bear the real names."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from skimage.io import imsave

from glaciertime.catalog import Glacier, Source, load_catalog
from glaciertime.dates import DateReading
from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.scenes.acquisition import MaskScene, OutlineScene, TraceScene, UnreadableScene
from glaciertime.scenes.caffe import bounding_box, caffe_scenes
from glaciertime.scenes.crane_simulation import known_position_m, simulated_crane, simulated_scenes, simulation_dates
from glaciertime.scenes.folder import MaskReading
from glaciertime.scenes.glacier_rows import VectorReading
from glaciertime.scenes.locate import glacier_in_data, locate
from glaciertime.scenes.vectors import outline_scenes, trace_scenes


@pytest.fixture
def caffe(tmp_path: Path) -> Path:
    """A CaFFe tree of two images of different sensors and sizes, and one with a name that is none."""
    zones = tmp_path / "data_raw" / "zones" / "train"
    boxes = tmp_path / "data_raw" / "bounding_boxes"
    zones.mkdir(parents=True)
    boxes.mkdir()
    for stem, size, columns, corner in (
        ("Crane_2002-11-09_ERS_20_2_061", (100, 120), 60, (10, 90)),
        ("Crane_2010-03-15_TSX_7_1_012", (300, 360), 150, (40, 260)),
    ):
        mask = np.full(size, 254, dtype=np.uint8)
        mask[:, :columns] = 127
        imsave(zones / f"{stem}_zones.png", mask, check_contrast=False)
        low, high = corner
        (boxes / f"{stem}_front_extent_coord.txt").write_text(
            f"x,y\n{low},{high}\n{low},{low}\n{high},{low}\n{high},{high}\n"
        )
    imsave(zones / "Crane_lost_zones.png", np.zeros((4, 4), dtype=np.uint8), check_contrast=False)
    return tmp_path


def test_caffe_scenes_keep_date_sensor_and_resolution(caffe: Path) -> None:
    found = list(caffe_scenes(caffe, glacier="Crane", code="Crane", dataset="CaFFe"))
    bad = [scene for scene in found if isinstance(scene, UnreadableScene)]
    assert len(bad) == 1
    assert "is no CaFFe name" in bad[0].reason
    first, second = (scene for scene in found if isinstance(scene, MaskScene))
    assert (first.acquisition.date, first.acquisition.sensor, first.acquisition.resolution_m) == (
        dt.date(2002, 11, 9), "ERS", 20.0,
    )  # fmt: skip
    assert second.acquisition.sensor == "TerraSAR-X"
    assert first.acquisition.image_id == "Crane_2002-11-09_ERS_20_2_061"
    assert set(np.unique(first.read())) == {127, 254}


def test_caffe_boxes_register_the_images(caffe: Path) -> None:
    first, second = (
        scene for scene in caffe_scenes(caffe, glacier="Crane", code="Crane", dataset="CaFFe")
        if isinstance(scene, MaskScene)
    )  # fmt: skip
    # The lower left corner of each box is the origin of its frame: pixel (x_min, y_max).
    assert first.transform @ (10, 90) == pytest.approx((0, 0))
    assert second.transform @ (40, 260) == pytest.approx((0, 0))
    assert first.box is not None
    assert first.box.bounds == pytest.approx((0, 0, 1600, 1600))


def test_a_box_without_four_corners_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("x,y\n1,2\n3,4\n")
    with pytest.raises(InputError, match="holds 2 corners"):
        bounding_box(tmp_path / "b.txt")


def test_a_folder_that_is_a_caffe_tree_is_found(caffe: Path) -> None:
    located = locate(load_catalog().glacier("Crane"), data=caffe)
    assert located.dataset == "CaFFe"
    assert not located.simulated


def outlines(path: Path) -> Path:
    table = gpd.GeoDataFrame(
        {"glacier": ["A", "A", "B", "A"], "date": ["2001-01-01", "2000-01-01", "2000-01-01", "2001-02-30"]},
        geometry=[shapely.box(0, 0, n, 1000) for n in (3000, 4000, 5000, 1)],
        crs="EPSG:3031",
    )
    table.to_file(path, layer="ice", driver="GPKG")
    boxes = gpd.GeoDataFrame({"glacier": ["A"]}, geometry=[shapely.box(0, 0, 9000, 1000)], crs="EPSG:3031")
    boxes.to_file(path, layer="boxes", driver="GPKG")
    return path


def test_outlines_come_by_date_and_an_impossible_date_is_named(tmp_path: Path) -> None:
    source = Source(dataset="d", format="outlines", layer="ice", boxes_layer="boxes")
    found = list(outline_scenes(outlines(tmp_path / "o.gpkg"), glacier=Glacier(name="A"), source=source))
    good = [scene for scene in found if isinstance(scene, OutlineScene)]
    assert [scene.acquisition.date.year for scene in good] == [2000, 2001]
    assert good[0].box is not None
    assert good[0].box.area == 9e6
    assert [
        "there is no day 30 in month 2" in scene.reason for scene in found if isinstance(scene, UnreadableScene)
    ] == [True]


def test_a_glacier_that_only_the_data_names_is_found(tmp_path: Path) -> None:
    outlines(tmp_path / "o.gpkg")
    glacier = glacier_in_data("b", tmp_path)
    assert glacier is not None
    assert len(list(locate(glacier, data=tmp_path).scenes)) == 1
    assert glacier_in_data("C", tmp_path) is None


def test_traces_keep_author_image_and_those_of_one_day(tmp_path: Path) -> None:
    path = tmp_path / "t.gpkg"
    gpd.GeoDataFrame(
        {"GlacierID": "A", "Date": "2001-01-01", "Author": ["one", "two"], "Image_ID": "LC08_L1TP_009011_20010101"},
        geometry=[shapely.LineString([(0, 0, 5), (0, 1000, 5)]), shapely.LineString([(10, 0), (10, 1000)])],
        crs="EPSG:3413",
    ).to_file(path, driver="GPKG")
    found = list(trace_scenes(path, glacier=Glacier(name="A"), source=Source(dataset="d", format="traces")))
    assert [scene.acquisition.author for scene in found if isinstance(scene, TraceScene)] == ["one", "two"]
    assert len({scene.acquisition.image_id for scene in found if scene.acquisition is not None}) == 2
    assert not any(scene.line.has_z for scene in found if isinstance(scene, TraceScene))


def test_a_damaged_vector_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.gpkg").write_bytes(b"SQLite format 3\x00" + b"x" * 100)
    with pytest.raises((InputError, DataNotFoundError), match=r"t\.gpkg"):
        list(trace_scenes(tmp_path / "t.gpkg", glacier=Glacier(name="A"), source=Source(dataset="d", format="traces")))


def test_the_simulation_is_the_same_every_time_and_says_what_it_is() -> None:
    crane = load_catalog().glacier("Crane")
    scenes = list(simulated_scenes(crane))
    assert len(scenes) == len(simulation_dates())
    assert {scene.acquisition.source for scene in scenes} == {"simulated"}
    assert (scenes[40].read() == list(simulated_scenes(crane))[40].read()).all()
    gaps = np.diff([scene.acquisition.date.toordinal() for scene in scenes])
    assert gaps.min() > 0
    assert gaps.max() > 700
    assert known_position_m(dt.date(2002, 3, 4)) - known_position_m(dt.date(2002, 3, 6)) > 5000
    box, fjord = simulated_crane(crane).box_polygon, simulated_crane(crane).fjord
    assert box is not None
    assert fjord is not None
    assert box.contains(fjord.polygon)


def test_a_data_set_that_was_asked_for_is_used_or_missed_but_never_another(tmp_path: Path) -> None:
    outlines(tmp_path / "first.gpkg")
    outlines(tmp_path / "second.gpkg")
    sources = tuple(
        Source(dataset=name, format="outlines", path=f"{name}.gpkg", layer="ice", boxes_layer="boxes", code="A")
        for name in ("first", "second", "third")
    )
    glacier = Glacier(name="A", crs="EPSG:3031", sources=sources)
    assert locate(glacier, data=tmp_path).origin.endswith("first.gpkg")
    assert locate(glacier, data=tmp_path, dataset="Second").origin.endswith("second.gpkg")
    for absent in ("third", "no such"):
        with pytest.raises(DataNotFoundError, match=f"holds nothing of A called '{absent}'"):
            locate(glacier, data=tmp_path, dataset=absent)
    with pytest.raises(DataNotFoundError, match="no source is called 'no such'; known are first, second, third"):
        locate(glacier, data=None, dataset="no such")


def test_data_of_ones_own_bear_the_name_that_is_given(tmp_path: Path) -> None:
    path = outlines(tmp_path / "o.gpkg")
    glacier = glacier_in_data("b", tmp_path, dataset="Mine 2026")
    assert glacier is not None
    assert locate(glacier, data=tmp_path, dataset="Mine 2026").dataset == "Mine 2026"
    assert locate(Glacier(name="A"), data=path, dataset="Mine 2026").dataset == "Mine 2026"
    assert locate(Glacier(name="A"), data=tmp_path, dataset="Mine 2026").dataset == "Mine 2026"


def test_a_data_set_is_known_by_its_alias() -> None:
    assert load_catalog().dataset_name("LANDSAT_FRONTS") == "Mohajerani et al. 2019"
    assert load_catalog().dataset_name("mine") == "mine"


def test_what_is_told_of_the_dates_of_masks_is_used_or_refused(tmp_path: Path) -> None:
    (tmp_path / "m_2003-08-12.tif").touch()
    order = MaskReading(date_reading=DateReading(order="day-first"))
    with pytest.raises(UsageError, match=r"--day-first: no file name of .* needs it; leave it out"):
        locate(Glacier(name="G"), data=tmp_path, reading=order)
    with pytest.raises(UsageError, match="--date-format decimal-year: it is of columns"):
        locate(Glacier(name="G"), data=tmp_path, reading=MaskReading(date_reading=DateReading(form="decimal-year")))
    with pytest.raises(UsageError, match=r"--id-column: .* has no columns; leave it out"):
        locate(Glacier(name="G"), data=tmp_path, columns=VectorReading(id_column="x"))
    (tmp_path / "m_12_08_2003.tif").touch()
    assert locate(Glacier(name="G"), data=tmp_path, reading=order).dataset == tmp_path.name
