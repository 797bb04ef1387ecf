"""Explanations of networks whose answer is known: which band, which place, and what random weights say of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glaciertime.errors import InputError, UsageError
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.explain.attribution import answer_of
from glaciertime.segment.explain.explanation import METHODS, Explainer, band_table, mass_near_front
from glaciertime.segment.explain.merged import merged_engine, merged_network, one_input, zones_seen
from glaciertime.segment.explain.targets import target_of
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.predict.engine import probabilities_from_logits
from glaciertime.segment.predict.merging import parse_merge, unite

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")
pytest.importorskip("captum", reason="the extra 'train' is not installed")

SPEC = ModelSpec(
    name="toy", model="unet", bands=("red", "noise"), classes=("glacier", "ocean"), codes=(127, 254),
    normalisation=Normalisation(kind="fixed", mean=(0.0, 0.0), std=(1.0, 1.0)),
)  # fmt: skip


class Thresholded(torch.nn.Module):
    """Ocean where the first band is above zero, whatever the second shows; surer the farther from zero."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.maps = torch.nn.Conv2d(2, 4, 1, bias=False)
        self.out = torch.nn.Conv2d(4, 2, 1, bias=False)
        with torch.no_grad():
            self.maps.weight.zero_()
            self.maps.weight[0, 0], self.maps.weight[1, 0] = gain, -gain
            self.out.weight.zero_()
            self.out.weight[0, 1] = self.out.weight[1, 0] = 1.0

    def forward(self, image):
        return self.out(torch.relu(self.maps(image)))


def explainer(network) -> Explainer:
    def run(batch):
        with torch.no_grad():
            return probabilities_from_logits(network(torch.from_numpy(batch)).numpy())

    return Explainer(SPEC, run, network.eval())


@pytest.fixture
def image():
    """The first band falls from 4 to -4 down the rows, the second is noise."""
    rows = np.linspace(4, -4, 40, dtype=np.float32)[:, None]
    noise = np.random.default_rng(0).normal(0, 1, (40, 32)).astype(np.float32)
    return np.stack([np.broadcast_to(rows, (40, 32)), noise])


@pytest.mark.parametrize("method", ["saliency", "integrated-gradients", "occlusion", "permutation"])
def test_a_band_that_the_network_ignores_counts_nothing(image, method, monkeypatch):
    monkeypatch.setattr("glaciertime.segment.explain.explanation.random_network", lambda spec, *, seed: (None, None))
    monkeypatch.setattr(Explainer, "_sanity", lambda *_: None)
    found = explainer(Thresholded()).explain(image, method=method)
    assert abs(found.scores[0]) > 0
    assert found.scores[1] == 0


@pytest.mark.parametrize("method", ["grad-cam", "saliency"])
def test_what_decides_the_front_lies_along_it(image, method, monkeypatch):
    monkeypatch.setattr(Explainer, "_sanity", lambda *_: None)
    found = explainer(Thresholded(gain=6.0)).explain(image, method=method, target="front")
    assert mass_near_front(found, within_px=5) > 0.9


def test_the_maps_of_a_front_are_those_on_the_way_down_and_of_a_class_the_last(image):
    """By their sizes: 1/2, 1/8, 1/16, 1/8, 1; and what runs twice has no one output."""
    from torch import nn

    from glaciertime.segment.explain.attribution import _maps_of

    half, eighth, narrow = nn.Conv2d(2, 4, 2, 2), nn.Conv2d(4, 5, 4, 4), nn.Conv2d(5, 6, 2, 2)
    back, wide, out = nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=8), nn.Conv2d(6, 2, 1)
    network = nn.Sequential(half, eighth, narrow, back, wide, out).eval()
    given = torch.zeros(1, 2, 32, 32)
    assert _maps_of(network, network, given, classes=2, of_front=True) is eighth
    assert _maps_of(network, network, given, classes=2, of_front=False) is wide
    flat = nn.Sequential(nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1))
    assert _maps_of(flat, flat, given, classes=2, of_front=True) is flat[1]


def test_the_weights_of_an_attention_are_no_maps(image):
    """8 x 8 places of an image of 32 x 32 give a square of 64 x 64, which has nothing of its rows and columns."""
    from torch import nn

    from glaciertime.segment.explain.attribution import _maps_of

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps, self.weights, self.out = nn.Conv2d(2, 4, 4, 4), nn.Dropout(0.0), nn.Conv2d(4, 2, 1)

        def forward(self, given):
            maps = self.maps(given)
            places = maps.flatten(2)
            # Of three heads, more than there are classes.
            weights = self.weights((places.mT @ places).softmax(-1)[:, None].expand(-1, 3, -1, -1))
            mixed = (places @ weights.mean(dim=1).mT).reshape(maps.shape)
            return nn.functional.interpolate(self.out(mixed), size=given.shape[-2:])

    network = Attention().eval()
    for given in (torch.rand(1, 2, 32, 32), torch.rand(1, 2, 32, 160)):
        for of_front in (True, False):
            assert _maps_of(network, network, given, classes=2, of_front=of_front) is network.maps


def test_gradients_are_those_of_differences(image, monkeypatch):
    monkeypatch.setattr(Explainer, "_sanity", lambda *_: None)
    network = Thresholded()
    found = explainer(network).explain(image, method="saliency", target="ocean")
    weights = torch.from_numpy(found.target.weights)

    def answer(given):
        with torch.no_grad():
            return float(
                (torch.log_softmax(network.double()(torch.from_numpy(given)[None].double()), 1) * weights).sum()
            )

    moved = image.astype(np.float64)
    moved[0, 5, 7] += 1e-5
    assert found.heat[5, 7] == pytest.approx(abs(answer(moved) - answer(image.astype(np.float64))) / 1e-5, rel=1e-3)


def test_integrated_gradients_add_up_to_the_rise_of_the_answer(image, monkeypatch):
    from glaciertime.segment.explain.attribution import integrated_gradients

    network = Thresholded().eval()
    aim = target_of("ocean", zones=np.where(image[0] > 0, 254, 127).astype(np.uint8), spec=SPEC)
    maps = integrated_gradients(network, image, weights=aim.weights, steps=64)
    with torch.no_grad():
        log = torch.log_softmax(network(torch.from_numpy(np.stack([image, np.zeros_like(image)]))), 1).numpy()
    rise = float((log[0] * aim.weights).sum() - (log[1] * aim.weights).sum())
    assert float(maps.sum()) == pytest.approx(rise, rel=1e-3)


def test_the_bands_alone_add_up_where_a_network_sees_the_row_too(image):
    """The answer hangs on the product of the band and of the row: from the mean image at the same rows it rises."""
    from glaciertime.segment.explain.attribution import integrated_gradients

    class Both(torch.nn.Module):
        def forward(self, given):
            ocean = given[:, :1] * (1 + given[:, 2:])
            return torch.cat([-ocean, ocean], dim=1)

    rows = np.broadcast_to(np.arange(40, dtype=np.float32)[:, None] / 20, (1, 40, 32))
    seen = np.concatenate([image, rows])
    aim = target_of("ocean", zones=np.where(image[0] > 0, 254, 127).astype(np.uint8), spec=SPEC)
    maps = integrated_gradients(Both(), seen, weights=aim.weights, channels=2, steps=64)
    without = np.concatenate([np.zeros_like(image), rows])
    log = torch.log_softmax(Both()(torch.from_numpy(np.stack([seen, without]))), 1).numpy()
    rise = float((log[0] * aim.weights).sum() - (log[1] * aim.weights).sum())
    assert float(maps[:2].sum()) == pytest.approx(rise, rel=1e-3)


def test_an_explanation_that_random_weights_give_too_is_told(image, monkeypatch):
    network = Thresholded()
    made = explainer(network)
    monkeypatch.setattr(
        "glaciertime.segment.explain.explanation.random_network", lambda spec, *, seed: (network, made.run)
    )
    found = made.explain(image, method="saliency")
    assert found.sanity.correlation == pytest.approx(1.0)
    assert found.sanity.is_trusted is False
    assert "NOT TO BE TRUSTED" in found.sanity.told


def test_what_cannot_be_explained_is_refused(image):
    made = explainer(Thresholded())
    with pytest.raises(UsageError, match="did you mean saliency"):
        made.explain(image, method="salience")
    with pytest.raises(InputError, match="did you mean ocean"):
        made.explain(image, method="occlusion", target="ocaen")
    with pytest.raises(InputError, match="no pixel"):
        made.explain(np.abs(image) + 1, method="occlusion", target="glacier")
    with pytest.raises(UsageError, match="safetensors"):
        Explainer(SPEC, made.run).explain(image, method="grad-cam")
    assert set(METHODS) >= {"grad-cam", "saliency", "integrated-gradients", "occlusion"}


def test_shares_of_bands_have_an_interval_from_eight_images_on():
    rng = np.random.default_rng(1)
    scores = [np.array([3.0, 1.0]) * rng.uniform(0.8, 1.2, 2) for _ in range(8)]
    few, many = band_table(("a", "b"), scores[:7]), band_table(("a", "b"), scores)
    assert few[0]["share_low"] is None
    assert many[0]["share"] == pytest.approx(np.mean([s[0] / s.sum() for s in scores]))
    assert many[0]["share_low"] < many[0]["share"] < many[0]["share_high"]
    assert sum(row["share"] for row in many) == pytest.approx(1.0)


def of_differences(made, image, weights, place):
    """Return how fast the answer rises with a pixel, by moving it."""
    found = []
    for step in (-1e-2, 1e-2):
        moved = image.copy()
        moved[place] += step
        found.append(answer_of(made.run(moved[None])[0].astype(np.float64), weights.astype(np.float64)))
    return (found[1] - found[0]) / 2e-2


def test_gradients_are_those_of_the_probabilities_at_the_models_temperature(image, monkeypatch):
    monkeypatch.setattr(Explainer, "_sanity", lambda *_: None)
    network = Thresholded()

    def run(batch):
        with torch.no_grad():
            return probabilities_from_logits(network(torch.from_numpy(batch)).numpy(), temperature=3.0)

    made = Explainer(replace(SPEC, temperature=3.0), run, network.eval())
    found = made.explain(image, method="saliency", target="ocean")
    steep = of_differences(made, image, found.target.weights, (0, 18, 7))
    assert found.heat[18, 7] == pytest.approx(abs(steep), rel=0.02)
    warm = explainer(network).explain(image, method="saliency", target="ocean").heat[18, 7]
    assert warm != pytest.approx(found.heat[18, 7], rel=0.1)


@pytest.mark.parametrize("merge", ["mean", "vote", "ocean>glacier"])
def test_merged_models_are_explained_as_the_one_that_they_make(image, merge, monkeypatch):
    monkeypatch.setattr(Explainer, "_sanity", lambda *_: None)
    networks = [Thresholded(), Thresholded(gain=4.0)]
    members = [replace(SPEC, name="a", temperature=2.0), replace(SPEC, name="b")]
    united = unite(members, parse_merge(merge))

    def runs(network, spec):
        def run(batch):
            with torch.no_grad():
                logits = network(torch.from_numpy(batch)).numpy()
            return probabilities_from_logits(logits, temperature=spec.temperature)

        return run

    single = [runs(network, spec) for network, spec in zip(networks, members, strict=True)]
    together = merged_network(united, networks)
    made = Explainer(one_input(united), merged_engine(united, single), together, united=united)
    with torch.no_grad():
        logs = together(torch.from_numpy(image[None])).numpy()[0]
    assert np.allclose(np.exp(logs), made.run(image[None])[0], atol=1e-5)
    zones = zones_seen(image, list(zip(single, members, strict=True)), united)
    found = made.explain(image, method="saliency", target="ocean", zones=zones)
    steep = of_differences(made, image, found.target.weights, (0, 18, 7))
    assert found.heat[18, 7] == pytest.approx(abs(steep), rel=0.03)
    assert made.explain(image, method="grad-cam", target="front", zones=zones).heat.max() > 0
    assert made.explain(image, method="occlusion", target="front", zones=zones).scores[1] == pytest.approx(0, abs=1e-6)


def test_models_that_see_other_numbers_are_not_explained_together():
    other = replace(SPEC, name="b", normalisation=Normalisation(kind="fixed", mean=(1.0, 0.0), std=(1.0, 1.0)))
    with pytest.raises(UsageError, match="differ in their normalisation"):
        one_input(unite([SPEC, other], parse_merge("mean")))


def test_the_front_that_is_explained_is_the_one_that_was_given(image, monkeypatch):
    monkeypatch.setattr(Explainer, "_sanity", lambda *_: None)
    zones = np.full((40, 32), 127, np.uint8)
    zones[:9] = 254
    found = explainer(Thresholded()).explain(image, method="saliency", target="front", zones=zones)
    assert np.flatnonzero(found.target.front.any(axis=1)).tolist() == [8]
