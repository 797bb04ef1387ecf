"""Tiles joined into one scene: every pixel of all of them, whatever way their grid is turned."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyproj
import pytest
from affine import Affine

from glaciertime.scenes.acquisition import GLACIER, Acquisition, MaskScene
from glaciertime.scenes.mosaics import join


def tile(name: str, transform: Affine, crs: pyproj.CRS | None) -> MaskScene:
    zones = np.full((60, 80), GLACIER, dtype=np.uint8)
    what = Acquisition(
        glacier="G", date=dt.date(2010, 1, 1), dataset="d", image_id=name, source="observed", input=name, crs=crs,
        resolution_m=30.0,
    )  # fmt: skip
    return MaskScene(acquisition=what, shape=zones.shape, transform=transform, read=lambda: zones)


@pytest.mark.parametrize("turned_deg", [0, 30, 45, 90, 200])
@pytest.mark.parametrize("crs", [pyproj.CRS("EPSG:3413"), None], ids=["on Earth", "local frame"])
def test_tiles_of_a_turned_grid_are_joined_whole(turned_deg, crs):
    place = Affine.translation(5_000, 7_000) @ Affine.rotation(turned_deg) @ Affine.scale(30, -30)
    scene, refused = join([tile("a", place, crs), tile("b", place @ Affine.translation(80, 0), crs)])
    assert not refused
    assert scene.shape == (60, 160)
    assert (scene.read() == GLACIER).all()
    assert scene.transform.almost_equals(place)
