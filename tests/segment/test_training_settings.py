"""Settings of a training: each does what its name says, by another path, and contradictory ones are refused."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from torch import nn  # noqa: E402

from glaciertime.errors import InputError, UsageError  # noqa: E402
from glaciertime.scenes.datasets.mixture import InMemory  # noqa: E402
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample  # noqa: E402
from glaciertime.segment.architectures.choices import choose  # noqa: E402
from glaciertime.segment.architectures.folding import build_network  # noqa: E402
from glaciertime.segment.losses.registry import build_loss  # noqa: E402
from glaciertime.segment.teach import training  # noqa: E402
from glaciertime.segment.teach.class_weights import class_weights, median_frequency  # noqa: E402
from glaciertime.segment.teach.config import TrainConfig, read_config  # noqa: E402
from glaciertime.segment.teach.contradictions import check_settings  # noqa: E402
from glaciertime.segment.teach.optimisers import build_optimiser, plateau_drops, rate_factor  # noqa: E402
from glaciertime.segment.teach.sampling import EpochSampler  # noqa: E402


def settings(**given) -> TrainConfig:
    return TrainConfig(data="simulated", root=Path("."), **given)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("nadam", torch.optim.NAdam),
        ("rmsprop", torch.optim.RMSprop),
        ("sgd", torch.optim.SGD),
    ],
)
def test_the_optimiser_is_the_one_asked_for(name, kind):
    config = settings(optimiser=name, learning_rate=0.03, weight_decay=0.2)
    optimiser = build_optimiser(config, nn.Linear(1, 1), build_loss("dice"))
    assert type(optimiser) is kind
    (group,) = optimiser.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.03, 0.2)


def test_momentum_is_that_given():
    for name, given, expected in (("sgd", None, 0.9), ("sgd", 0.5, 0.5), ("rmsprop", None, 0.0), ("rmsprop", 0.3, 0.3)):
        config = settings(optimiser=name, momentum=given)
        assert build_optimiser(config, nn.Linear(1, 1), build_loss("dice")).param_groups[0]["momentum"] == expected


def test_a_step_of_sgd_with_decay_and_without_for_what_the_loss_learns():
    network, loss = nn.Linear(1, 1, bias=False), build_loss("self-learning-boundary")
    optimiser = build_optimiser(
        settings(optimiser="sgd", momentum=0.0, learning_rate=0.1, weight_decay=0.5), network, loss
    )
    before = network.weight.item()
    for parameter in (*network.parameters(), *loss.parameters()):
        parameter.grad = torch.full_like(parameter, 2.0)
    optimiser.step()
    assert network.weight.item() == pytest.approx(before - 0.1 * (2 + 0.5 * before))
    assert [alpha.item() for alpha in loss.parameters()] == pytest.approx([1 - 0.1 * 2] * 2)


def test_one_cycle_is_that_of_torch():
    optimiser = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1.0, total_steps=40, cycle_momentum=False)
    for step in range(40):
        ours = rate_factor(settings(schedule="one-cycle"), step, steps=40)
        assert ours == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimiser.step()
        if step < 39:
            theirs.step()


def test_plateau_is_that_of_torch():
    rng = np.random.default_rng(3)
    scores = np.cumsum(rng.normal(0, 1, 60)).round(1).tolist()
    for larger in (True, False):
        optimiser = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser, mode="max" if larger else "min", factor=0.5, patience=3, threshold=0, eps=0
        )
        config = settings(schedule="plateau", plateau_epochs=3, plateau_factor=0.5, warm_up=0)
        for count in range(1, 61):
            theirs.step(scores[count - 1])
            ours = rate_factor(config, 7, steps=100, scores=scores[:count], larger_is_better=larger)
            assert ours == pytest.approx(optimiser.param_groups[0]["lr"])
    assert plateau_drops([math.nan] * 4, epochs=1, larger_is_better=True) == 2


def test_warm_up_and_constant():
    config = settings(schedule="constant", warm_up=0.5, epochs=4)
    assert [rate_factor(config, step, steps=16) for step in (0, 1, 2, 15)] == [0.5, 1.0, 1.0, 1.0]
    assert [rate_factor(settings(warm_up=0), step, steps=4) for step in (0, 2)] == pytest.approx([1.0, 0.5])


def images(*labels: np.ndarray) -> InMemory:
    samples = tuple(
        TrainingSample(np.zeros((1, *each.shape), np.float32), each, np.ones(1, bool), SampleInfo(f"s{k}", f"g{k}"))
        for k, each in enumerate(labels)
    )
    return InMemory(samples, bands=("b",), classes=("ice", "rock", "sea"), codes=(127, 64, 254))


def test_class_weights_are_those_of_the_training_part_alone(caplog):
    one = np.uint8([[0, 0, 0, 1], [0, 0, 1, IGNORE]])
    two = np.uint8([[0, 0, 0, 0]])
    held_out = np.full((9, 9), 2, np.uint8)
    data = images(one, two, held_out)
    inverse = class_weights(settings(loss="focal", class_weights="inverse"), data, [0, 1])
    # 9 pixels of ice, 2 of rock, 11 labelled, two classes present.
    assert inverse == pytest.approx((11 / (2 * 9), 11 / (2 * 2), 0.0))
    assert "class sea has no pixel in the training part" in caplog.text
    median = class_weights(settings(loss="focal", class_weights="median"), data, [0, 1])
    # Ice has 9 of 11 pixels of the images that show it, rock 2 of 7.
    middle = (9 / 11 + 2 / 7) / 2
    assert median == pytest.approx((middle / (9 / 11), middle / (2 / 7), 0.0))
    assert class_weights(settings(), data, [0, 1]) is None
    given = settings(loss="focal", class_weights={"sea": 3, "ice": 1, "rock": 2})
    assert class_weights(given, data, [0]) == (1, 2, 3)
    assert class_weights(settings(loss="focal", class_weights=[1, 2, 0.5]), data, [0]) == (1, 2, 0.5)


def test_class_weights_that_do_not_fit_are_refused():
    data = images(np.zeros((2, 2), np.uint8))
    for given, message in (
        ([1, 2], "2 class weights given, 3 expected: one each of ice, rock, sea"),
        ({"ice": 1, "rokc": 2, "sea": 1}, "'rokc', which the data do not have; nearest: rock"),
        ({"ice": 1}, "not rock, sea"),
    ):
        with pytest.raises(InputError, match=message):
            class_weights(settings(loss="focal", class_weights=given), data, [0])
    with pytest.raises(InputError, match="no pixel has a label"):
        median_frequency(np.zeros((2, 3), int))


def numpy_terms(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and one-hot labels of the pixels that count, both (N, K)."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = np.moveaxis(exponents / exponents.sum(axis=1, keepdims=True), 1, -1)
    kept = labels != IGNORE
    return probability[kept], np.eye(logits.shape[1])[labels[kept]]


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (2, 6, 7))
    labels[0, 0] = IGNORE
    return rng.normal(size=(2, 3, 6, 7)), labels


def value(name: str, scene: tuple[np.ndarray, np.ndarray], **given) -> float:
    loss = build_loss(name, **given)
    return float(loss(torch.from_numpy(scene[0]), torch.from_numpy(scene[1])))


def test_shares_weights_and_parameters_of_losses_by_another_formula(scene):
    p, y = numpy_terms(*scene)
    weights = np.array([0.2, 1.0, 3.0])
    entropy = -(y * np.log(p)).sum(axis=1)
    weighted = ((y @ weights) * entropy).sum() / (y @ weights).sum()
    dice = (1 - 2 * (p * y).sum(0) / (p.sum(0) + y.sum(0))).mean()
    tversky = 1 - (p * y).sum(0) / ((p * y).sum(0) + 0.2 * (p * (1 - y)).sum(0) + 0.9 * ((1 - p) * y).sum(0))
    parts = {"cross_entropy": 0.3, "dice": 2.0}
    assert value("bce-dice", scene, class_weights=weights, settings=parts) == pytest.approx(0.3 * weighted + 2 * dice)
    assert value("tversky", scene, settings={"alpha": 0.2, "beta": 0.9}) == pytest.approx(tversky.mean())
    shape = {"alpha": 0.2, "beta": 0.9, "gamma": 2}
    assert value("focal-tversky", scene, settings=shape) == pytest.approx((tversky**0.5).mean())
    focal = ((1 - (p * y).sum(1)) ** 3 * entropy).mean()
    assert value("focal", scene, settings={"gamma": 3}) == pytest.approx(focal)
    boundary = value("boundary", scene, settings={"tolerance_px": 1})
    fixed = value("dice-boundary", scene, settings={"dice": 0.7, "tolerance_px": 1})
    assert fixed == pytest.approx(0.7 * dice + 0.3 * boundary)
    assert value("boundary", scene, settings={"tolerance_px": 3}) < boundary
    two = (scene[0][:, :2], np.where(scene[1] == 2, IGNORE, scene[1]))
    whole, half = (value("front", two, settings={"cross_entropy": 0, "dice": share}) for share in (1.0, 0.5))
    assert whole == pytest.approx(2 * half)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"momentum": 0.9}, "momentum 0.9 given, but adamw has its own"),
        ({"plateau_factor": 0.5}, "plateau_factor 0.5 given with schedule cosine"),
        ({"schedule": "one-cycle", "warm_up": 1}, "warm_up given with schedule one-cycle"),
        ({"warm_up": 31}, "warm_up of 31 epochs given, but the training has 30"),
        ({"patience": 3, "validation_fraction": 0}, "patience 3 given, but nothing is held out"),
        ({"schedule": "plateau", "validation_fraction": 0}, "schedule plateau given, but nothing is held out"),
        (
            {"schedule": "plateau", "plateau_epochs": 5, "patience": 6},
            "patience 6 given with schedule plateau, whose rate",
        ),
        ({"schedule": "plateau", "patience": 2}, "whose rate falls after 11 epochs.*give patience above 11"),
        ({"class_weights": "inverse"}, "loss 'front' takes no class weights; use one of bce-dice"),
        ({"class_weights": "invers", "loss": "focal"}, "class_weights 'invers' given"),
        ({"loss_options": {"alpha": 0.3}}, "setting 'alpha' of loss 'front' is not known; it takes cross_entropy"),
        ({"loss": "dice", "loss_options": {"alpha": 0.3}}, "'alpha' of loss 'dice' is not known; it takes none"),
        ({"loss": "tversky", "loss_options": {"alpha": -1}}, "alpha -1.0 of loss 'tversky' given, a number of at lea"),
        ({"loss": "tversky", "loss_options": {"alpha": 0, "beta": 0}}, "alpha and beta of loss 'tversky' are both 0"),
        ({"loss": "dice-boundary", "loss_options": {"dice": 1.2}}, "dice 1.2 of loss 'dice-boundary' given, a share"),
        ({"loss": "boundary", "loss_options": {"tolerance_px": 1.5}}, "a whole number of at least 0 expected"),
        ({"loss_options": {"reach_px": 4}}, "reach_px 4.0 of loss 'front' given, an odd number expected"),
        ({"copies": 2, "augmentation": "none"}, "copies 2 given with augmentation none"),
        ({"augmentation": "lite"}, "augmentation 'lite' is not known; nearest: light"),
        ({"augmentation": {"rotation": 3}}, "augmentation 'rotation' is not known; did you mean rotation_deg"),
        ({"augmentation": {"gaps": 1.5}}, "augmentation gaps 1.5 given, 0 to 1 expected"),
        ({"augmentation": {"scale": [1.4, 0.7]}}, "augmentation scale .* two rising numbers above 0"),
    ],
)
def test_what_does_not_go_together_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        check_settings(settings(**given))


@pytest.mark.parametrize("given", [{"optimiser": "adm"}, {"schedule": "step"}, {"learning_rate": 0}, {"patience": 0}])
def test_what_is_out_of_range_is_named(given):
    with pytest.raises(InputError, match=f"setting '{next(iter(given))}'"):
        read_config({"data": "simulated", "root": ".", **given})


def test_dropout_and_activation_where_the_architecture_has_them():
    network = build_network("unet-small", in_channels=1, classes=2)
    choose(network, "unet-small", dropout=0.4)
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout2d)] == [0.4]
    network = build_network("glacier-seg-fast", in_channels=1, classes=2)
    choose(network, "glacier-seg-fast", drop_path=0.2)
    assert {module.probability for module in network.modules() if hasattr(module, "probability")} == {0.2}
    for name, given, message in (
        ("glacier-seg-fast", {"dropout": 0.1}, "has no dropout layer; it leaves out residual branches instead"),
        ("linknet", {"dropout": 0.1}, "'linknet' has no dropout layer$"),
        ("unet-small", {"drop_path": 0.1}, "leaves no residual branch out"),
        ("unet-small", {"activation": "gelu"}, "'unet-small' has its own; boundary-unet, unet-classic"),
    ):
        network = build_network(name, in_channels=1, classes=2)
        with pytest.raises(InputError, match=message):
            choose(network, name, **given)
    with pytest.raises(UsageError, match="activation 'gelo' is not known; nearest: gelu"):
        choose(network, "unet-ps1", activation="gelo")


def test_copies_come_beside_the_originals():
    sampler = EpochSampler([4, 5], copies=2, seed=0)
    drawn = list(sampler.of_epoch(1))
    assert len(sampler) == len(drawn) == 6
    assert sorted(position for _, position, _ in drawn) == list(range(6))
    for number in (4, 5):
        positions = [position for _, position, index in drawn if index == number]
        assert len(positions) == 3
        assert sum(position < sampler.originals for position in positions) == 1
    assert [position for _, position, _ in drawn] != list(range(6))


def fjords(classes: tuple[str, ...], codes: tuple[int, ...]) -> InMemory:
    """Ocean above, ice below; labels in the order of the classes."""
    ocean = classes.index("sea") if "sea" in classes else 0
    labels = np.full((16, 16), 1 - ocean, np.uint8)
    labels[:6] = ocean
    pixels = np.where(labels == ocean, 1.0, 9.0).astype(np.float32)[None]
    samples = tuple(
        TrainingSample(pixels + number, labels, np.ones(1, bool), SampleInfo(f"s{number}", f"g{number}"))
        for number in range(3)
    )
    return InMemory(samples, bands=("b",), classes=classes, codes=codes)


def test_the_sides_of_a_front_are_those_of_the_classes_in_any_order(tmp_path, monkeypatch):
    """Masks of 0 ocean and 1 glacier: loss and score must not take the first class for the glacier."""
    seen = []
    monkeypatch.setattr(training, "_fit", lambda module, *_, **__: seen.append(module))
    config = settings(loss="line", metric="front", model="unet-small", validation=("g2",), patch=(16, 16))
    for number, (names, codes) in enumerate(((("ice", "sea"), (127, 254)), (("sea", "ice"), (254, 127)))):
        with contextlib.suppress(AttributeError):
            training.train(fjords(names, codes), config, out=tmp_path / str(number))
    truth = torch.from_numpy(fjords(("ice", "sea"), (127, 254))[0].labels.astype(np.int64))[None]
    logits = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0)) + 3 * torch.stack(
        [1 - truth, truth], dim=1
    )
    losses, fronts = [], []
    for module, order in zip(seen, ([0, 1], [1, 0]), strict=True):
        turned, labels = logits[:, order], truth if order[0] == 0 else 1 - truth
        losses.append(module.loss(turned, labels).item())
        module.scores.reset()
        module.scores.update(turned.softmax(dim=1).numpy(), labels.numpy(), loss=0.0)
        fronts.append(module.scores.chosen())
    assert losses[0] == pytest.approx(losses[1])
    assert fronts[0] == fronts[1] < 1


@pytest.mark.parametrize("given", [{"loss": "line"}, {"metric": "front"}])
def test_what_is_of_a_front_is_refused_where_there_is_none(tmp_path, given):
    config = settings(model="unet-small", validation=("g2",), patch=(16, 16), **given)
    with pytest.raises(InputError, match="front between glacier and ocean, and the classes are background, glacier"):
        training.train(fjords(("background", "glacier"), (64, 127)), config, out=tmp_path)
