"""Dates of a glacier beside each other: clear fronts are confirmed, of unclear ones the others' is told, none moves."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from glaciertime.pipeline.neighbours import SeenDates
from glaciertime.scenes.acquisition import Acquisition, ImageScene
from glaciertime.scenes.rasters import parse_crs
from glaciertime.segment.predict.framed import Prediction
from glaciertime.segment.predict.framing import Framing
from tests.segment.adapt.places import SPEC, TRANSFORM

SHAPE = (120, 60)
GROUND = np.random.default_rng(0).uniform(40, 200, SHAPE)
ODDS = -5.0


def add(dates, row, *, year, against=None, image=None, sure=0.97, odds=ODDS, shift=0.0, month=7):
    """Keep an image whose model sees the front at a row, on ground that is the same but for the fjord's middle."""
    if image is None:
        image = GROUND.copy()
        image[:, 20:40] = np.random.default_rng(100 * year + month).uniform(40, 200, (SHAPE[0], 20))
    ocean = np.where(np.arange(SHAPE[0])[:, None] + 0.5 < row, sure, 1 - sure) * np.ones(SHAPE)
    probability = np.stack([ocean if code == 254 else 1 - ocean for code in SPEC.codes]).astype(np.float32)
    what = Acquisition(
        glacier="Testbrae", date=dt.date(year, month, 1), dataset="d", image_id=f"i{year}-{month}", source="observed",
        input="i", crs=parse_crs("EPSG:32622"), resolution_m=50.0,
    )  # fmt: skip
    transform = TRANSFORM @ Affine.translation(shift, 0)
    scene = ImageScene(acquisition=what, path=Path("i.tif"), shape=SHAPE, transform=transform, weights="")
    framing = Framing(to_scene=Affine.identity(), shape=SHAPE, pixel_m=50.0, ocean_deg=0.0)
    made = Prediction(
        framing, probability, np.where(ocean > 0.5, 254, 127).astype(np.uint8), 1.5, np.full(SHAPE[1], float(row)),
        odds=odds, image=image[None].astype(np.float32),
    )  # fmt: skip
    dates.keep(scene, made, spec=SPEC, against=against or {})
    return dates


def six(**kwargs):
    dates = SeenDates()
    for year, row in zip(range(2001, 2007), (50, 56, 60, 66, 70, 54), strict=True):
        add(dates, row, year=year, **kwargs)
    return dates


def test_a_clear_front_among_the_others_on_their_ground_is_confirmed():
    told = add(six(), 62, year=2007).told()
    assert list(told["d", "i2007-7"]) == ["seen-clearly"]
    assert "among the fronts of 6 other dates" in told["d", "i2007-7"]["seen-clearly"]


@pytest.mark.parametrize(
    "worse",
    [
        {"row": 90},
        {"odds": -1.0},
        {"odds": float("nan")},
        {"shift": 10.0},
        {"image": np.random.default_rng(9).uniform(40, 200, SHAPE)},
        {"image": np.full(SHAPE, 180.0)},
    ],
    ids=["a jump", "by its image", "without odds", "other pixels", "other ground", "flat"],
)
def test_it_is_not_where_anything_speaks_against_it(worse):
    told = add(six(), worse.get("row", 62), year=2007, **{k: v for k, v in worse.items() if k != "row"}).told()
    assert ("d", "i2007-7") not in told


def test_images_of_one_other_day_are_one_date():
    few = add(SeenDates(), 62, year=2007)
    for place, year in enumerate((2001, 2001, 2002, 2002, 2003, 2003)):
        add(few, 50 + 4 * place, year=year)
    assert few.told() == {}
    unclear = add(six(), 62, year=2007, against={"unclear-front": "no line"})
    add(unclear, 60, year=2006)
    assert "what 6 other dates show" in unclear.told()["d", "i2007-7"]["unclear-front"]


def test_few_dates_and_those_of_one_day_confirm_none():
    few = SeenDates()
    for year in (2001, 2002, 2003, 2004):
        add(few, 60, year=year)
    assert few.told() == {}
    one_day = SeenDates()
    for _ in range(8):
        add(one_day, 60, year=2001)
    assert one_day.told() == {}


@pytest.mark.parametrize("flag", ["unclear-front", "unlike-training"])
def test_an_unclear_front_is_told_where_it_would_lie_and_confirms_nobody(flag):
    dates = add(six(), 100, year=2007, sure=0.55, against={flag: "a reason"})
    told = dates.told()
    assert list(told["d", "i2007-7"]) == [flag]
    said = told["d", "i2007-7"][flag]
    assert said.startswith("a reason, with what 6 other dates show it would lie ")
    assert "m further seaward, unless it is a real jump: look at the image" in said
    assert all("of 5 other dates" in flags["seen-clearly"] for key, flags in told.items() if key[1] != "i2007-7")


def test_what_is_held_has_a_limit(monkeypatch):
    monkeypatch.setattr("glaciertime.pipeline.neighbours._HELD", 5 * 2 * SHAPE[0] * SHAPE[1])
    dates = six()
    assert len(dates.images) == 5
    assert replace(dates.images[0]).detail.dtype == np.float16
