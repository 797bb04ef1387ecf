"""Fronts and masks in the forms of others, there and back."""

from __future__ import annotations

import dataclasses

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine

from glaciertime.errors import InputError, UsageError
from glaciertime.track import track_scenes
from glaciertime.track.record.formats import ARCHIVES, from_archive_columns, to_archive_columns
from glaciertime.track.record.stack import mask_stack, scenes_of_stack

from .test_series import mask_scene, toy_glacier


@pytest.fixture(scope="module")
def fronts() -> gpd.GeoDataFrame:
    return track_scenes([mask_scene(6_000, 0), mask_scene(5_400, 10)], glacier=toy_glacier()).fronts


@pytest.mark.parametrize("archive", ARCHIVES)
def test_columns_are_those_of_the_archive_and_lead_back(archive, fronts):
    flagged = fronts.assign(QualFlag=["ok", "outlier-length: 90 m"])
    theirs = to_archive_columns(flagged, archive=archive)
    assert set(ARCHIVES[archive]) <= set(theirs.columns)
    assert theirs.crs == fronts.crs
    back = from_archive_columns(theirs)
    same = ["GlacierID", "Date", "ImageID", "QualFlag", "source"]
    assert back[same].astype(str).values.tolist() == flagged[same].astype(str).values.tolist()
    assert back.geometry.geom_equals(flagged.geometry).all()


def test_numbers_of_flags_say_whether_not_what(fronts):
    theirs = to_archive_columns(fronts.assign(QualFlag=["ok", "outlier-jump: undone"]), archive="CALFIN")
    assert theirs["QualFlag"].tolist() == [0, 1]
    assert theirs["Latitude"].between(66, 72).all()


def test_a_centre_behind_the_180th_meridian_has_a_longitude_on_earth(fronts):
    east = gpd.GeoSeries([shapely.LineString([(179.95, 70), (180.2, 70)])] * 2, crs="EPSG:4326")
    theirs = to_archive_columns(fronts.set_geometry(east), archive="CALFIN")
    assert theirs["Longitude"].tolist() == pytest.approx([-179.925] * 2)
    assert theirs["Center_X"].tolist() == pytest.approx([-179.925] * 2)


def test_a_table_of_measures_without_author_or_glacier():
    table = gpd.GeoDataFrame(
        {"SourceDate": ["2017-02-03"], "Quality_Fl": ["3"], "Sensor": ["S1A"], "Image_ID": [None]},
        geometry=[shapely.LineString([(0, 0), (1, 1)])], crs="EPSG:3413",
    )  # fmt: skip
    row = from_archive_columns(table, glacier="Toy", author="Joughin").iloc[0]
    assert (row.Satellite, row.Author, row.QualFlag) == ("S1A", "Joughin", "manual: flag 3 of the archive")
    assert row.ImageID == "row 0 of 2017-02-03"
    with pytest.raises(InputError, match="names no glacier"):
        from_archive_columns(table)
    with pytest.raises(InputError, match="no column of dates"):
        from_archive_columns(table.drop(columns="SourceDate"), glacier="Toy")


def test_unknown_archives_get_the_nearest_name(fronts):
    with pytest.raises(UsageError, match="did you mean calfin"):
        to_archive_columns(fronts, archive="calfine")


def test_a_stack_of_masks_measures_as_the_masks_do(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    scenes = [mask_scene(6_000, 0), mask_scene(5_400, 10)]
    mask_stack(scenes).to_netcdf(tmp_path / "stack.nc")
    with xarray.open_dataset(tmp_path / "stack.nc") as stack:
        assert stack.attrs["Conventions"] == "CF-1.11"
        assert stack["zone"].attrs["flag_meanings"] == "nodata rock glacier ocean"
        again = track_scenes(scenes_of_stack(stack, input="stack.nc"), glacier=toy_glacier()).observations
    plain = track_scenes(scenes, glacier=toy_glacier()).observations
    np.testing.assert_allclose(again["value"], plain["value"], rtol=1e-9)
    moved = dataclasses.replace(scenes[1], transform=Affine(30, 0, 0, 0, -30, 0))
    with pytest.raises(InputError, match="image10 lies on another grid than image0"):
        mask_stack([scenes[0], moved])


def test_a_stack_keeps_what_is_known_of_each_mask(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    plain = mask_scene(6_000, 0)
    told = dataclasses.replace(
        plain.acquisition, flags={"year-only": "", "unregistered": "by eye"}, delineation_sigma_m=30.0,
        georeferencing_sigma_m=50.0, model="m1", author="A. Uthor", sensor="Landsat 5", resolution_m=60.0,
    )  # fmt: skip
    scene = dataclasses.replace(plain, acquisition=told, box=shapely.box(*toy_glacier().box), has_ocean=False)
    mask_stack([scene, mask_scene(5_400, 10)]).to_netcdf(tmp_path / "stack.nc")
    with xarray.open_dataset(tmp_path / "stack.nc") as stack:
        again, other = scenes_of_stack(stack, input=told.input)
    assert dataclasses.replace(again.acquisition, crs=told.crs) == told
    assert again.box.equals(scene.box)
    assert not again.has_ocean
    assert (other.acquisition.flags, other.box, other.has_ocean) == ({}, None, True)
    assert np.isnan(other.acquisition.delineation_sigma_m)


def test_quelccaya_areas_are_the_published_ones(shared_data):
    import importlib.util
    from pathlib import Path

    path = Path(__file__).parents[2] / "scripts" / "check_quelccaya.py"
    if not path.is_file():
        pytest.skip(f"no {path.name}: the scripts are not part of the installed package")
    spec = importlib.util.spec_from_file_location("check_quelccaya", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = module.measured(shared_data)
    assert len(table) == 18
    assert table["difference_percent"].abs().max() < 1.5


def test_flags_in_words_and_dates_in_digits_are_read():
    line = shapely.LineString([(0, 0), (1, 1)])
    flags = ["cloud; shadow", "0", "3", None, " "]
    dates = [20050312, 20060312, 20070312, 20080312, 20090312]
    table = gpd.GeoDataFrame({"GlacierID": "A", "Date": dates, "QualFlag": flags}, geometry=[line] * 5, crs=4326)
    fronts = from_archive_columns(table)
    assert fronts["Date"].dt.strftime("%Y%m%d").astype(int).tolist() == dates
    assert fronts["QualFlag"].tolist() == [
        "manual: flag cloud, shadow of the archive", "ok", "manual: flag 3 of the archive", "ok", "ok",
    ]  # fmt: skip
