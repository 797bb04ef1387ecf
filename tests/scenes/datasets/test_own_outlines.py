"""Outlines on images in degrees: their margin is as wide to the east as to the north."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from affine import Affine

from glaciertime.scenes.datasets.own_images import OwnImages
from glaciertime.scenes.datasets.sample import IGNORE
from tests.scenes.datasets.test_own_images import write


def test_a_margin_in_metres_is_one_on_images_in_degrees(tmp_path: Path) -> None:
    to_utm = pyproj.Transformer.from_crs(4326, 32620, always_xy=True)
    x, y = to_utm.transform(-63.0, 70.0)
    ice = shapely.Point(x, y).buffer(3000).difference(shapely.Point(x + 500, y).buffer(900))
    gpd.GeoDataFrame({"name": ["A"]}, geometry=[ice], crs="EPSG:32620").to_file(tmp_path / "outlines.gpkg")
    place = Affine(0.002, 0, -63.12, 0, -0.001, 70.06)
    write(tmp_path / "images" / "a.tif", np.full((120, 120), 7, np.uint16), transform=place, crs="EPSG:4326")
    labels = OwnImages(tmp_path, outlines="outlines.gpkg", margin_m=600)[0].labels
    columns, rows = np.meshgrid(np.arange(120) + 0.5, np.arange(120) + 0.5)
    points = shapely.points(*to_utm.transform(place.c + place.a * columns, place.f + place.e * rows))
    expected = np.where(shapely.contains(ice, points), 1, 0)
    far = shapely.distance(ice, points) > 600
    assert ((labels == 1) != (expected == 1)).sum() <= 2
    # The rim of 600 m is some 1,200 pixels; it was 14 % wrong where both degrees were taken for equally long.
    assert ((labels == IGNORE) != far).sum() < 0.02 * (~far).sum()


def test_what_an_outline_without_a_date_shows_beyond_a_dated_one_is_no_background(tmp_path: Path) -> None:
    place = Affine(30, 0, 400_000, 0, -30, 7_200_000)
    write(tmp_path / "images" / "a_2002-07-01.tif", np.full((60, 60), 7, np.uint16), transform=place, crs="EPSG:32620")
    small, large = (shapely.box(400_300, 7_198_900, east, 7_199_800) for east in (401_200, 401_500))
    rows = {"name": ["A", "A"], "date": ["2002-01-01", None]}
    gpd.GeoDataFrame(rows, geometry=[small, large], crs="EPSG:32620").to_file(tmp_path / "outlines.gpkg")
    data = OwnImages(tmp_path, outlines="outlines.gpkg")
    values, counts = np.unique(data[0].labels, return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {0: 2400, 1: 900, IGNORE: 300}
    assert any("have no date where others have one" in sentence for sentence in data.told)
