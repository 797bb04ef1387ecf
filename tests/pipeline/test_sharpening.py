"""Two fronts of an unclear image stand side by side; of a clear one the image alone is right."""

import dataclasses
import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from glaciertime.errors import InputError
from glaciertime.pipeline.images import Towards
from glaciertime.pipeline.place_images import PlacedImage
from glaciertime.pipeline.place_stack import PlaceStack
from glaciertime.pipeline.sharpening import fronts_geojson, fronts_of_stack
from glaciertime.scenes.acquisition import Acquisition, ImageScene
from glaciertime.scenes.rasters import parse_crs
from glaciertime.segment.predict.framing import Framing
from tests.segment.adapt.places import SPEC, TRANSFORM


def image(row, *, year, sure=0.95, unclear="", shift=0.0):
    """Return an image of 60 rows whose model sees the front above a row."""
    ocean = np.where(row > np.arange(60)[:, None], sure, 1 - sure).repeat(40, axis=1).astype(np.float32)
    what = Acquisition(
        glacier="Testbrae", date=dt.date(year, 7, 1), dataset="d", image_id=f"i{year}", source="observed", input="i",
        crs=parse_crs("EPSG:32622"), resolution_m=50.0,
    )  # fmt: skip
    transform = TRANSFORM @ Affine.translation(shift, 0)
    scene = ImageScene(acquisition=what, path=Path(f"i{year}.tif"), shape=(60, 40), transform=transform, weights="")
    framing = Framing(to_scene=Affine.identity(), shape=(60, 40), pixel_m=50.0, ocean_deg=0.0)
    return PlacedImage(
        scene=scene, framing=framing, image=np.ones((1, 60, 40), np.float32), to_ground=transform, ocean=ocean,
        unclear=unclear,
    )  # fmt: skip


def stack_of(*images):
    return PlaceStack(images=images, spec=SPEC, towards=Towards(ocean_deg=0.0))


def test_an_unclear_image_has_two_fronts_and_a_clear_jump_is_flagged_and_kept():
    fronts, said = fronts_of_stack(
        stack_of(
            image(20, year=2001),
            image(20, year=2002),
            image(20, year=2003, sure=0.5, unclear="unsure"),
            image(40, year=2004),
            image(20, year=2005),
        )
    )
    assert said == []
    rows = [one.row() for one in fronts]
    assert rows[0]["alone_m"] == pytest.approx(0, abs=1)
    assert rows[0]["with_stack_m"] is None
    # The blank image by itself parts anywhere; with the others where they do.
    assert rows[2]["with_stack_m"] == pytest.approx(0, abs=250)
    assert rows[2]["said"].startswith("unclear")
    # Twenty rows of 50 m inland, sure: that is what stands there, whatever the others say.
    assert rows[3]["alone_m"] == pytest.approx(-1000, abs=1)
    assert rows[3]["with_stack_m"] is None


def test_the_fronts_lie_in_longitude_and_latitude_where_they_were_drawn():
    fronts, _ = fronts_of_stack(stack_of(image(20, year=2001), image(22, year=2002), image(24, year=2003, unclear="u")))
    told = json.loads(fronts_geojson(fronts, mark="glaciertime adapt"))
    assert [each["properties"]["front"] for each in told["features"]] == ["image alone"] * 3 + ["with the stack"]
    import pyproj

    longitude, latitude = told["features"][0]["geometry"]["coordinates"][0]
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32622", always_xy=True).transform(longitude, latitude)
    assert (x, y) == pytest.approx(TRANSFORM @ (0.5, 20.0), abs=1.0)


def test_images_of_other_pixels_are_left_out_and_too_few_are_refused():
    shifted = image(20, year=2004, shift=10.0)
    same = [image(20, year=2001), image(22, year=2002), image(24, year=2003)]
    fronts, said = fronts_of_stack(stack_of(*same, shifted))
    assert len(fronts) == 3
    assert said == ["i2004.tif is of other pixels than most images, and left out"]
    with pytest.raises(InputError, match="2 images share their pixels and the model is sure of 2: at least 3"):
        fronts_of_stack(stack_of(*same[:2]))
    unclear = [dataclasses.replace(one, unclear="haze") for one in same]
    with pytest.raises(InputError, match="the model is sure of 0"):
        fronts_of_stack(stack_of(*unclear))
