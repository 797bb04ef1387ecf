"""Where the ocean lies in a folder of images of several kinds: asked of those that the model segments."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from affine import Affine

from glaciertime.errors import InputError
from glaciertime.pipeline import images as module
from glaciertime.pipeline.images import Towards, checked_towards, find_towards
from glaciertime.scenes.acquisition import Acquisition, ImageScene
from glaciertime.scenes.rasters import parse_crs
from glaciertime.segment.frame import Frame
from tests.segment.adapt.places import SPEC


def scenes(*weights):
    what = Acquisition(
        glacier="Testbrae", date=dt.date(2001, 7, 1), dataset="d", image_id="i", source="observed", input="i",
        crs=parse_crs("EPSG:32622"), resolution_m=50.0,
    )  # fmt: skip
    return [
        ImageScene(
            acquisition=replace(what, date=dt.date(2001 + place, 7, 1)), path=Path(f"{place}.tif"), shape=(9, 9),
            transform=Affine(50, 0, 0, 0, -50, 0), weights=name,
        )
        for place, name in enumerate(weights)
    ]  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    """The images that are opened to look at; none can be."""
    opened = []

    def refuse(scene, spec):
        opened.append(scene.path.name)
        raise InputError("not today")

    spec = replace(SPEC, frame=replace(SPEC.frame or Frame(), up="ocean"))
    monkeypatch.setattr(module, "model_engine", lambda name: (None, spec))
    monkeypatch.setattr(module, "opened_image", refuse)
    return opened


@pytest.mark.parametrize("kinds", [("", "m", "", "m"), ("m", "m", "", "")])
def test_images_that_no_model_is_for_hide_none_of_the_others(kinds, asked):
    given = scenes(*kinds)
    checked_towards(given, Towards(ocean_deg=90.0))
    find_towards(given)
    wanted = [scene.path.name for scene in given if scene.weights]
    assert asked == wanted * 2
