"""Trainings of a tiny network from end to end: equal, resumed, extended, stopped, and what they leave."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402

from glaciertime.errors import FitError, InputError  # noqa: E402
from glaciertime.scenes.datasets.augmentation import Augmentation  # noqa: E402
from glaciertime.scenes.datasets.mixture import InMemory  # noqa: E402
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample  # noqa: E402
from glaciertime.segment.normalisation import Normalisation  # noqa: E402
from glaciertime.segment.predict.weights import load_model  # noqa: E402
from glaciertime.segment.teach import keeping, training  # noqa: E402
from glaciertime.segment.teach.config import TrainConfig, read_config  # noqa: E402
from glaciertime.segment.teach.patches import PatchDataset  # noqa: E402
from glaciertime.segment.teach.training import Trained, train  # noqa: E402


class Tiny(nn.Module):
    """Two convolutions, so that a training takes no time."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.1)
        )
        self.head = nn.Conv2d(4, classes, 1)

    def forward(self, x):
        return self.head(self.body(x))


DRAWN = keeping.learning_curve


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(keeping, "learning_curve", lambda *_, **__: b"\x89PNG")
    monkeypatch.setattr(
        training, "build_network", lambda name, *, in_channels, classes, fold: Tiny(in_channels, classes)
    )


def data(count=4, *, classes=2, seed=0, nan=False) -> InMemory:
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(count):
        labels = (np.arange(16)[:, None] < 8 + index % 3).repeat(16, 1).astype(np.uint8)
        image = (labels * 2.0 - 1 + 0.3 * rng.normal(size=(16, 16)))[None].astype(np.float32)
        if nan:
            image[:, 3:6] = np.nan
        samples.append(TrainingSample(image, labels, np.ones(1, bool), SampleInfo(f"s{index}", glacier=f"g{index}")))
    names = ("glacier", "ocean", "rock")[:classes]
    return InMemory(tuple(samples), bands=("b",), classes=names, codes=(127, 254, 64)[:classes])


def settings(**given) -> TrainConfig:
    usual = {"model": "pspnet", "epochs": 2, "patch": (12, 12), "batch": 2, "draws": 4, "devices": 1}
    return TrainConfig(data="simulated", root=Path("."), **{**usual, "validation": ("g1",), **given})


def run(out: Path, found: InMemory | None = None, **given) -> Trained:
    return train(data() if found is None else found, settings(**given), out=out, progress=False)


def same(one: Path, other: Path) -> bool:
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_two_equal_runs_give_equal_weights_and_another_seed_others(tmp_path):
    one, two, other = (run(tmp_path / name, seed=seed) for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    assert same(one.weights, two.weights)
    assert (tmp_path / "a/history.json").read_bytes() == (tmp_path / "b/history.json").read_bytes()
    assert not same(one.weights, other.weights)


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_a_finished_training_is_extended_as_if_it_had_been_longer(tmp_path, schedule, caplog):
    given = {"schedule": schedule, "warm_up": 0, "average": 0.5}
    whole = run(tmp_path / "whole", epochs=4, **given)
    run(tmp_path / "parts", epochs=2, **given)
    parts = run(tmp_path / "parts", epochs=4, **given)
    assert "a training of 2 epochs is extended to 4" in caplog.text
    assert len(parts.history) == 4
    assert (tmp_path / "parts/history.csv").read_bytes() == (tmp_path / "whole/history.csv").read_bytes()
    assert same(parts.weights, whole.weights)
    assert json.loads((tmp_path / "parts/config.json").read_text())["epochs"] == 4


def test_an_extended_cosine_rises_again_and_says_so(tmp_path, caplog):
    run(tmp_path, epochs=2)
    history = run(tmp_path, epochs=4).history
    assert "the learning rate rises again" in caplog.text
    rates = [row["learning_rate"] for row in history]
    assert rates[2] > rates[1]
    assert rates[3] < rates[2]


def test_what_cannot_be_extended_is_refused(tmp_path):
    run(tmp_path / "cycle", schedule="one-cycle")
    with pytest.raises(InputError, match="in one cycle, which ends where it ends"):
        run(tmp_path / "cycle", schedule="one-cycle", epochs=3)
    with pytest.raises(InputError, match="holds a training of 2 epochs, 1 given; give as many or more"):
        run(tmp_path / "cycle", schedule="one-cycle", epochs=1)


def test_data_that_changed_since_are_told_and_a_leak_is_refused(tmp_path, caplog):
    run(tmp_path / "a")
    run(tmp_path / "a", data(seed=1), epochs=3)
    assert "the training part has changed since (3 images then)" in caplog.text
    run(tmp_path / "b", own_split=False)
    moved = data(seed=1)
    with pytest.raises(InputError, match="1 image of the validation part, such as s2, was trained on before"):
        train(moved, settings(epochs=3), out=tmp_path / "b", split=training.Split((0, 1), (2,), ()), progress=False)
    # What was refused has changed nothing: the training is still the one of two epochs.
    assert json.loads((tmp_path / "b/config.json").read_text())["epochs"] == 2
    assert list(json.loads((tmp_path / "b/split.json").read_text())["parts"]["validation"]) == ["s1"]


def test_patience_ends_a_training_and_a_longer_one_goes_on(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    # Without a step there is no better score than the first.
    given = {"learning_rate": 1e-30, "weight_decay": 0.0, "epochs": 9, "metric": "dice"}
    stopped = run(tmp_path, patience=2, **given)
    assert len(stopped.history) == 3
    assert "no better dice for 2 epochs" in caplog.text
    again = run(tmp_path, patience=2, **given)
    assert len(again.history) == 3
    assert "raise patience to go on" in caplog.text
    assert len(run(tmp_path, patience=4, **given).history) == 5


def test_patience_without_a_labelled_image_to_score_is_refused(tmp_path):
    found = data()
    found.samples[1].labels[:] = IGNORE
    for given in ({"patience": 2}, {"schedule": "plateau"}):
        with pytest.raises(InputError, match="no image of the validation part has a label to score"):
            run(tmp_path, found, **given)
    assert "score" not in json.loads((run(tmp_path, found).weights.parent / "history.json").read_text())[0]


class Bursting(nn.Module):
    """A loss that is not finite from some step on."""

    def __init__(self, last_good: int) -> None:
        super().__init__()
        self.left = last_good

    def forward(self, logits, labels):
        if self.training:
            self.left -= 1
        return logits.square().mean() * (1 if self.left >= 0 else float("nan"))


@pytest.mark.parametrize("last_good", [2, 3, 4, 5])
def test_the_first_loss_that_is_not_finite_stops_it_and_the_last_good_weights_stay(tmp_path, monkeypatch, last_good):
    """Two steps an epoch: with two or three good ones the weights of the first epoch stay, with four those of two."""
    monkeypatch.setattr(training, "build_loss", lambda *_, **__: Bursting(last_good))
    with pytest.raises(FitError, match=rf"the loss is nan at step {last_good + 1}, in epoch {last_good // 2 + 1}"):
        run(tmp_path / "bad", epochs=5, schedule="constant", warm_up=0, validation=(), validation_fraction=0.0)
    monkeypatch.setattr(training, "build_loss", lambda *_, **__: Bursting(99))
    good = run(
        tmp_path / "good",
        epochs=last_good // 2,
        schedule="constant",
        warm_up=0,
        validation=(),
        validation_fraction=0.0,
    )
    assert same(tmp_path / "bad/weights.safetensors", good.weights)
    assert len(json.loads((tmp_path / "bad/history.json").read_text())) == last_good // 2
    assert (tmp_path / "bad/learning_curve.png").is_file()


def test_weights_that_are_not_finite_are_not_kept(tmp_path, monkeypatch):
    """A finite loss can have a gradient that is not: the square root of nothing."""

    class Edge(nn.Module):
        def forward(self, logits, labels):
            return (logits - logits.detach()).square().sum().sqrt()

    monkeypatch.setattr(training, "build_loss", lambda *_, **__: Edge())
    with pytest.raises(FitError, match=r"(weights are not finite|the loss is nan).*no weights are kept"):
        run(tmp_path, draws=2)
    assert not (tmp_path / "weights.safetensors").exists()


def test_the_history_has_all_scores_as_json_csv_and_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "learning_curve", DRAWN)
    trained = run(tmp_path, metric="mcc", epochs=3)
    told = json.loads((tmp_path / "history.json").read_text())
    with (tmp_path / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    for row, line in zip(told, rows, strict=True):
        assert {"loss", "score", "validation_loss", "learning_rate", "iou_0", "dice_1", "recall", "auc"} <= row.keys()
        assert row["score"] == row["mcc"]
        assert all(float(line[key]) == value for key, value in row.items())
    assert (tmp_path / "learning_curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    # The last loss and IoU of the validation part, by another path.
    network, spec = torch_model(trained, tmp_path)
    sample = data()[1]
    image = torch.from_numpy(spec.apply(sample.image))[None]
    with torch.no_grad():
        predicted = network(image).argmax(1).numpy()[0]
    hit = [((predicted == k) & (sample.labels == k)).sum() for k in (0, 1)]
    either = [((predicted == k) | (sample.labels == k)).sum() for k in (0, 1)]
    best = max(told, key=lambda row: (row["score"], row["epoch"]))
    assert [best["iou_0"], best["iou_1"]] == pytest.approx([h / e for h, e in zip(hit, either, strict=True)])


def torch_model(trained: Trained, folder: Path) -> tuple[nn.Module, Normalisation]:
    network = Tiny(1, 2)
    network.load_state_dict(load_file(trained.weights))
    return network.eval(), trained.spec.normalisation


def test_the_weights_that_the_boundary_loss_learns_are_in_the_history(tmp_path):
    history = run(tmp_path, loss="self-learning-boundary", epochs=3, learning_rate=0.05, weight_decay=0.5).history
    learned = [(row["weight_dice"], row["weight_boundary"]) for row in history]
    assert learned[0] != learned[-1]
    assert all(0.1 < weight < 1 for pair in learned for weight in pair)


@pytest.mark.parametrize(
    "given",
    [
        {"optimiser": "sgd"}, {"optimiser": "rmsprop"}, {"schedule": "constant"}, {"schedule": "one-cycle"},
        {"warm_up": 1}, {"weight_decay": 0.9}, {"gradient_clip": 1e-4, "optimiser": "sgd"},
        {"loss": "tversky"}, {"loss": "bce-dice", "loss_options": {"dice": 3}},
        {"loss": "bce-dice", "class_weights": "inverse"}, {"augmentation": "none"}, {"augmentation": "strong"},
        {"copies": 1}, {"dropout": 0.5},
    ],
)  # fmt: skip
def test_every_setting_has_an_effect(tmp_path_factory, given, usual):
    folder = tmp_path_factory.mktemp("other")
    assert not same(run(folder, **given).weights, usual)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "learning_curve", lambda *_, **__: b"\x89PNG")
        patch.setattr(training, "build_network", lambda name, *, in_channels, classes, fold: Tiny(in_channels, classes))
        return run(tmp_path_factory.mktemp("usual")).weights


def test_images_with_gaps_odd_patches_and_batches_larger_than_the_data(tmp_path):
    trained = run(tmp_path, data(nan=True), patch=(13, 7), batch=64, epochs=1)
    assert np.isfinite(trained.history[0]["loss"])


def test_one_image_and_a_class_that_is_not_there(tmp_path):
    given = {"validation": (), "validation_fraction": 0.0, "draws": None, "loss": "cross-entropy"}
    trained = run(tmp_path, data(1, classes=3), class_weights="median", **given)
    assert np.isfinite(trained.history[-1]["loss"])


def test_a_training_part_without_labels_is_refused(tmp_path):
    found = data()
    for place in (0, 2, 3):
        found.samples[place].labels[:] = IGNORE
    with pytest.raises(InputError, match="no pixel of the training part has a label"):
        run(tmp_path, found)


def test_a_rate_that_bursts_the_weights_ends_in_a_sentence(tmp_path):
    """Its weights are finite, and what they make of an image is not."""
    with pytest.raises(FitError, match=r"not finite after epoch|the loss is nan"):
        run(tmp_path, learning_rate=1e9, warm_up=0)
    with pytest.raises(InputError, match="setting 'learning_rate'"):
        read_config({"data": "simulated", "root": ".", "learning_rate": 1e38})


def test_a_score_that_the_validation_part_does_not_define_is_told_once(tmp_path, caplog):
    found = data()
    found.samples[1].labels[:] = 0
    run(tmp_path, found, metric="auc")
    assert caplog.text.count("auc is not defined on the validation part") == 1


def test_an_activation_and_a_dropout_come_back_with_the_weights(tmp_path, monkeypatch):
    from glaciertime.segment.architectures.folding import build_network

    monkeypatch.setattr(training, "build_network", build_network)
    given = {"model": "unet-ps1", "activation": "elu", "dropout": 0.25, "epochs": 1, "draws": 2, "patch": (16, 16)}
    network, spec = load_model(run(tmp_path, **given).weights)
    assert (spec.activation, spec.dropout) == ("elu", 0.25)
    assert sum(isinstance(module, nn.ELU) for module in network.modules()) == 18
    assert not any(isinstance(module, nn.ReLU) for module in network.modules())
    assert {module.p for module in network.modules() if isinstance(module, nn.Dropout2d)} == {0.25}


def test_originals_are_not_changed_and_copies_are():
    found, plan = data(), Augmentation(size=(16, 16))
    patches = PatchDataset(found, normalisation=Normalisation(), plan=plan, class_weights=None, seed=0)
    patches.originals = 2
    plain = Normalisation().apply(found[0].image)
    assert np.allclose(patches[0, 1, 0][0].numpy(), plain, atol=1e-6)
    assert not np.allclose(patches[0, 2, 0][0].numpy(), plain, atol=1e-2)


def test_a_share_of_the_patches_is_changed():
    found = data()
    plan = Augmentation(size=(16, 16), share=0.15)
    patches = PatchDataset(found, normalisation=Normalisation(), plan=plan, class_weights=None, seed=0)
    plain = Normalisation().apply(found[0].image)
    changed = [not np.allclose(patches[0, place, 0][0].numpy(), plain, atol=1e-6) for place in range(200)]
    assert 0.09 < np.mean(changed) < 0.22
