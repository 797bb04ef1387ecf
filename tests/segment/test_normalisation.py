"""Everything between a raw pixel and a network's input is one rule that travels with the weights."""

import json
from pathlib import Path

import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import BandScaling
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.frame import LANDSAT_FRONTS, Frame
from glaciertime.segment.normalisation import Normalisation, band_statistics

PARTS = {"name": "a", "model": "unet-small", "bands": ("b", "c"), "classes": ("g", "o"), "codes": (127, 254)}


def test_values_in_any_unit_are_normalised_alike():
    image = np.random.default_rng(0).uniform(3, 242, (1, 20, 30)).astype(np.float32)
    expected = Normalisation().apply(image)
    for unit in (1e-9, 1e-4, 1e6):
        np.testing.assert_allclose(Normalisation().apply(image * np.float32(unit)), expected, atol=1e-4)


def test_rounding_beside_large_values_is_no_spread():
    flat = np.full((1, 8, 8), 7e8, np.float64)
    flat[0, 0, 0] += 64
    assert band_statistics(flat)[1].tolist() == [1.0]


def test_scaling_logarithm_and_fixed_statistics_follow_each_other():
    rule = Normalisation(
        kind="fixed", mean=(0.5, -1.0), std=(0.25, 2.0), low=(100.0, 0.0), high=(300.0, 1.0), log_bands=(False, True),
        floor=0.001,
    )  # fmt: skip
    found = rule.apply(np.array([[[250.0]], [[0.099]]], np.float32))
    assert found[:, 0, 0].tolist() == pytest.approx([(0.75 - 0.5) / 0.25, (-1.0 + 1.0) / 2.0], abs=1e-6)


def test_a_piece_of_a_stretched_image_is_what_the_whole_says():
    rule = Normalisation(percentiles=(2.0, 98.0))
    image = np.random.default_rng(1).normal(500, 90, (2, 40, 40)).astype(np.float32)
    whole = rule.apply(image)
    piece = rule.apply(image[:, 10:20, 5:25], statistics=rule.statistics(image))
    np.testing.assert_array_equal(piece, whole[:, 10:20, 5:25])


@pytest.mark.parametrize(
    "wrong",
    [{"low": (1.0,), "high": (1.0,)}, {"low": (1.0,)}, {"percentiles": (98.0, 2.0)}, {"floor": 0.0}],
    ids=lambda wrong: "-".join(wrong),
)
def test_a_rule_that_means_nothing_is_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        Normalisation(**wrong)


def test_a_rule_for_another_number_of_bands_is_refused():
    with pytest.raises(InputError, match="image with 1 bands given, 2 expected"):
        Normalisation(low=(0.0, 0.0), high=(1.0, 2.0)).apply(np.zeros((1, 4, 4)))


def test_the_description_carries_rule_frame_and_values_seen():
    scaling = BandScaling(low=(0.0, 1.0), high=(2.0, 3.0), log=(True, False), percentiles=(1.0, 99.0))
    spec = ModelSpec(
        **PARTS, normalisation=Normalisation().scaled_as(scaling), frame=LANDSAT_FRONTS, seen=((0.0, 9.0), (1.0, 2.0))
    )
    assert ModelSpec.from_json(spec.to_json()).to_json() == spec.to_json()
    assert ModelSpec.from_json(ModelSpec(**PARTS).to_json()).frame.up == "any"


def test_the_first_descriptions_are_read_and_mean_what_they_meant():
    first = json.loads(ModelSpec(**PARTS, zones="line").to_json())
    for name in ("format", "made_by", "frame", "seen"):
        del first[name]
    for name in ("low", "high", "log_bands", "floor", "percentiles"):
        del first["normalisation"][name]
    spec = ModelSpec.from_json(json.dumps(first))
    assert spec.frame == LANDSAT_FRONTS
    assert spec.normalisation == Normalisation()
    assert ModelSpec.from_json(json.dumps({**first, "zones": "argmax"})).frame.up == Frame().up


def test_a_later_description_says_who_made_it():
    later = {**json.loads(ModelSpec(**PARTS).to_json()), "format": 99, "made_by": "7.1", "colour": "blue"}
    with pytest.raises(InputError, match=r"x\.onnx was made by glaciertime 7\.1, this is .*; upgrade"):
        ModelSpec.from_json(json.dumps(later), path=Path("x.onnx"))
