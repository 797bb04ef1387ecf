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
