"""Training: resumed after a kill, refused where it cannot go on, and never unpickling."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from safetensors.torch import load_file  # noqa: E402

from glaciertime.errors import GlacierTimeError, InputError, UsageError, WritingError  # noqa: E402
from glaciertime.scenes.datasets.mixture import InMemory  # noqa: E402
from glaciertime.scenes.datasets.sample import SampleInfo, TrainingSample  # noqa: E402
from glaciertime.segment.description import read_spec  # noqa: E402
from glaciertime.segment.normalisation import Normalisation  # noqa: E402
from glaciertime.segment.teach import loading, training  # noqa: E402
from glaciertime.segment.teach.config import TrainConfig, read_config, template  # noqa: E402
from glaciertime.segment.teach.training import train  # noqa: E402

SCRIPT = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from glaciertime.scenes.simulate_images import SimulatedFronts
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach import training
data = SimulatedFronts(count=6, size=(48, 48), scenes_per_fjord=1)
config = TrainConfig(data="simulated", root=".", model="pspnet", epochs=4, patch=(32, 32), batch=3, average=0.9,
                     validation_fraction=0.3)
slow = float(sys.argv[2])
if slow:
    from glaciertime.segment.teach.keeping import Keeper
    keep = Keeper.on_train_epoch_end
    def wait(self, *given):
        keep(self, *given)
        time.sleep(slow)
    Keeper.on_train_epoch_end = wait
training.train(data, config, out=Path(sys.argv[1]), progress=False)
"""


def run(out: Path, slow: float = 0.0) -> subprocess.Popen:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(out), str(slow)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)


def test_a_killed_training_ends_at_the_weights_of_one_that_was_not(tmp_path):
    assert run(tmp_path / "whole").wait(timeout=300) == 0
    killed = run(tmp_path / "killed", slow=2.0)
    for _ in range(600):
        history = tmp_path / "killed" / "history.json"
        if (tmp_path / "killed" / "state.safetensors").is_file() and len(json.loads(history.read_text())) >= 2:
            break
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(timeout=60) == -signal.SIGKILL
    assert len(json.loads(history.read_text())) < 4
    assert run(tmp_path / "killed").wait(timeout=300) == 0
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    histories = [json.loads((tmp_path / name / "history.json").read_text()) for name in ("whole", "killed")]
    assert histories[0] == histories[1]
    assert len(histories[0]) == 4


def data(count=4, *, classes=2, nodata=False):
    rng = np.random.default_rng(0)
    samples = []
    for index in range(count):
        labels = (np.arange(32)[:, None] < 16 + index).repeat(32, 1).astype(np.uint8)
        image = (labels * 2.0 - 1 + 0.1 * rng.normal(size=(32, 32)))[None].astype(np.float32)
        image = np.full_like(image, np.nan) if nodata else image
        info = SampleInfo(f"s{index}", glacier=f"g{index}")
        samples.append(TrainingSample(image, labels, np.ones(1, bool), info))
    names = ("glacier", "ocean", "rock")[:classes]
    return InMemory(tuple(samples), bands=("b",), classes=names, codes=(127, 254, 64)[:classes])


CONFIG = TrainConfig(
    data="simulated",
    root=Path("."),
    model="pspnet",
    epochs=1,
    patch=(32, 32),
    batch=2,
    test=("g0",),
    validation=("g1",),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    return train(data(), CONFIG, out=out, name="tiny", progress=False), out


def test_weights_carry_what_they_expect(trained):
    result, _ = trained
    from glaciertime.segment.predict.weights import load_model

    network, spec = load_model(result.weights)
    assert (spec.name, spec.model, spec.codes, spec.normalisation.kind) == ("tiny", "pspnet", (127, 254), "image")
    assert "g2" in spec.trained_on
    assert "g0" not in spec.trained_on
    assert network(torch.zeros(1, 1, 40, 33)).shape == (1, 2, 40, 33)
    assert not network.training


def test_another_training_is_not_mixed_into_a_folder(trained):
    _, out = trained
    before = (out / "weights.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"other settings \(learning_rate\)"):
        train(data(), CONFIG.model_copy(update={"learning_rate": 0.5}), out=out, progress=False)
    assert (out / "weights.safetensors").read_bytes() == before


@pytest.mark.parametrize(("card", "workers", "told"), [(True, 0, True), (True, 2, False), (False, 0, False)])
def test_a_gpu_that_waits_for_patches_is_told(monkeypatch, caplog, card, workers, told):
    monkeypatch.setattr(loading.torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr(loading.os, "cpu_count", lambda: 4)
    config = CONFIG.model_copy(update={"workers": workers})
    loading.data_loaders(data(), config, training.make_split(data(), config), Normalisation(), None)
    assert ("setting workers: 3 would" in caplog.text) == told


def test_other_workers_go_on_with_a_training(tmp_path):
    steady = CONFIG.model_copy(update={"schedule": "constant", "warm_up": 0.0})
    for out, epochs, workers in (("one", 1, 0), ("one", 2, 2), ("two", 2, 0)):
        config = steady.model_copy(update={"epochs": epochs, "workers": workers})
        train(data(), config, out=tmp_path / out, progress=False)
    one, two = (load_file(tmp_path / out / "state.safetensors") for out in ("one", "two"))
    weights = [name for name in two if name.startswith("state_dict")] or list(two)
    assert weights
    assert all(torch.equal(one[name], two[name]) for name in weights)


def test_the_order_of_the_changes_is_no_setting(tmp_path):
    changes = {"noise": 0.1, "gaps": 0.0}
    for order in (changes, dict(reversed(changes.items()))):
        config = CONFIG.model_copy(update={"augmentation": order})
        assert train(data(), config, out=tmp_path, progress=False).weights.is_file()


def test_damaged_settings_are_named_and_the_weights_stay(trained, tmp_path):
    _, out = trained
    (tmp_path / "weights.safetensors").write_bytes((out / "weights.safetensors").read_bytes())
    (tmp_path / "config.json").write_text("")
    with pytest.raises(InputError, match=r"config\.json is damaged"):
        train(data(), CONFIG, out=tmp_path, progress=False)
    assert (tmp_path / "weights.safetensors").read_bytes() == (out / "weights.safetensors").read_bytes()


def test_a_setting_that_was_refused_can_be_mended_in_the_same_folder(tmp_path):
    with pytest.raises(GlacierTimeError, match="no-such-loss"):
        train(data(), CONFIG.model_copy(update={"loss": "no-such-loss"}), out=tmp_path, progress=False)
    assert train(data(), CONFIG, out=tmp_path, progress=False).weights.is_file()


def test_a_poisoned_state_is_refused_and_the_weights_stay(trained, tmp_path):
    _, out = trained
    trap = tmp_path / "trap"

    class Planted:
        def __reduce__(self):
            return (open, (str(trap), "w"))

    state = out / "state.safetensors"
    kept, before = state.read_bytes(), (out / "weights.safetensors").read_bytes()
    torch.save({"epoch": Planted()}, state)
    trap.unlink(missing_ok=True)
    with pytest.raises(InputError, match="not a training state"):
        train(data(), CONFIG, out=out, progress=False)
    state.write_bytes(kept)
    assert not trap.exists()
    assert (out / "weights.safetensors").read_bytes() == before


def test_labels_outside_the_classes_are_named(tmp_path):
    wrong = data(classes=2)
    wrong.samples[2].labels[0, 0] = 7
    with pytest.raises(InputError, match="s2: label 7 given, 0 to 1"):
        train(wrong, CONFIG, out=tmp_path, progress=False)


def test_a_sample_without_an_observed_pixel_is_named(tmp_path):
    with pytest.raises(InputError, match="no pixel is observed"):
        train(data(nodata=True), CONFIG, out=tmp_path, progress=False)


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(InputError, match="no sample to train on"):
        train(data(2), CONFIG, out=tmp_path, progress=False)


def test_a_mistyped_setting_gets_the_nearest_one(tmp_path):
    with pytest.raises(InputError, match="did you mean epochs"):
        read_config({"data": "simulated", "root": ".", "epoch": 3})


def test_the_template_can_be_read_back(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(template())
    assert read_config(path) == TrainConfig(data="landsat-fronts", root=Path("data/landsat_fronts"))


def test_a_mistyped_metric_gets_the_nearest_one(tmp_path):
    with pytest.raises(UsageError, match="nearest: iou"):
        train(data(), CONFIG.model_copy(update={"metric": "io"}), out=tmp_path, progress=False)


def test_the_checkpoint_kept_is_the_best_by_the_area_under_the_curve(tmp_path):
    trained = train(data(), CONFIG.model_copy(update={"metric": "auc", "epochs": 2}), out=tmp_path, progress=False)
    scores = [row["score"] for row in trained.history]
    assert all(0 <= score <= 1 for score in scores)
    assert read_spec(trained.weights).scores["score"] == pytest.approx(max(scores))


def test_it_learns_what_is_easy(tmp_path):
    config = CONFIG.model_copy(
        update={"epochs": 6, "draws": 16, "model": "unet-small", "augmentation": {"rotation_deg": 0.0}, "metric": "iou"}
    )
    history = train(data(6), config, out=tmp_path, progress=False).history
    assert max(row["score"] for row in history) > 0.9
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


@pytest.mark.parametrize("limit", [100, 6000])
def test_a_full_disk_ends_a_training_and_keeps_what_was_written(trained, tmp_path, limit):
    """At 100 bytes the settings do not fit, at 6,000 they do and the weights do not."""
    _, out = trained
    for name in ("config.json", "weights.safetensors", "state.safetensors", "history.json"):
        shutil.copy(out / name, tmp_path / name)
    (tmp_path / "state.safetensors").unlink()
    before = (tmp_path / "weights.safetensors").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(WritingError, match=r"could not be written \(File too large\).*is unchanged"):
            train(data(), CONFIG, out=tmp_path, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "weights.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_files_that_no_training_made_stay(tmp_path):
    for name in ("config.json", "weights.safetensors", "model.onnx", "history.json"):
        (tmp_path / name).write_text('{"a": "model of another program"}')
        with pytest.raises(UsageError, match=f"{name} exists and was not made by this command; add --overwrite"):
            train(data(), CONFIG, out=tmp_path, progress=False)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is no folder"):
        train(data(), CONFIG, out=tmp_path / "file", progress=False)
