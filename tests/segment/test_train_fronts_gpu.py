"""Patches and learning on a device, tried on the CPU: the package's own changes, guarded averages, soft labels."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

SCRIPTS = Path(__file__).parents[2] / "scripts"
if not (SCRIPTS / "train_fronts_gpu.py").is_file():
    pytest.skip("the scripts are not part of the installed package", allow_module_level=True)
sys.path.insert(0, str(SCRIPTS))

import device_learning  # noqa: E402
import device_patches  # noqa: E402
import train_fronts_gpu  # noqa: E402

from glaciertime.scenes.datasets.sample import SampleInfo, TrainingSample  # noqa: E402
from glaciertime.scenes.datasets.warping import places, take  # noqa: E402
from glaciertime.scenes.simulate_images import SimulatedFronts  # noqa: E402

STILL = device_patches.Changes(
    **{name: 0.0 for name, value in vars(device_patches.Changes()).items() if isinstance(value, float)},
    size=(96, 64),
    scale=(1.0, 1.0),
    shift_px=(0.0, 0.0),
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scenes():
    samples = list(SimulatedFronts(count=4, size=(96, 64), seed=3, scenes_per_fjord=1))
    images = torch.from_numpy(np.stack([sample.image[0] for sample in samples]).astype(np.uint8))
    labels = torch.from_numpy(np.stack([sample.labels for sample in samples]))
    return device_patches.Scenes(images, labels, room=6, device=CPU)


def test_without_changes_a_patch_is_the_normalised_scene_or_its_mirror_image(scenes):
    torch.manual_seed(0)
    maker = device_patches.PatchMaker(scenes, torch.tensor([0.0, 1.0, 0.0, 0.0]), STILL)
    patch, labels = maker.draw(6, simulated=0.0)
    for image, zones in zip(patch[:, 0], labels, strict=True):
        turned = not torch.equal(zones, scenes.labels[1])
        image, zones = (image.flip(1), zones.flip(1)) if turned else (image, zones)
        assert torch.equal(zones, scenes.labels[1])
        torch.testing.assert_close(image, scenes.images[1].float(), atol=2e-3, rtol=0)


def test_a_glacier_left_out_is_never_drawn_not_even_for_its_ocean(scenes):
    spoilt = device_patches.Scenes(
        torch.zeros((2, 96, 64), dtype=torch.uint8), torch.full((2, 96, 64), 255, dtype=torch.uint8), room=4, device=CPU
    )
    for name in ("images", "labels", "front", "unsure", "first", "last", "fits"):
        getattr(spoilt, name)[:4] = getattr(scenes, name)[:4]
    spoilt.images[2] = 1e4
    spoilt.count = 4
    maker = device_patches.PatchMaker(spoilt, torch.tensor([1.0, 1.0, 0.0, 1.0]), replace(STILL, transplant=1.0))
    torch.manual_seed(0)
    index = maker._choose(200, 0.0)
    image, *_ = maker._with_other_ocean(index)
    assert 2 not in index
    assert image.abs().max() < 100


def test_a_transplanted_ocean_ends_at_the_labelled_front():
    rows = torch.arange(80)[:, None].expand(80, 60)
    labels = torch.where(rows < 30, 1, 0).to(torch.uint8).repeat(2, 1, 1)
    labels[:, :, :5] = labels[:, :, 55:] = 255
    labels[1] = torch.where(labels[1] == 255, labels[1], torch.where(rows < 45, 1, 0).to(torch.uint8))
    images = torch.where(labels == 1, 200, 20).to(torch.uint8)
    images[1] = torch.where(labels[1] == 1, 100, 240).to(torch.uint8)
    scenes = device_patches.Scenes(images, labels, room=2, device=CPU)
    scenes.images[:] = images.half()
    maker = device_patches.PatchMaker(scenes, torch.tensor([0.0, 1.0]), replace(STILL, transplant=1.0))
    torch.manual_seed(1)
    mixed = 0
    for _ in range(30):
        image, zones, front = maker._with_other_ocean(torch.zeros(1, dtype=torch.long))
        if not (image[0][zones[0] == 1] < 150).any():
            continue
        mixed += 1
        np.testing.assert_allclose((zones[0, :, 7:53] == 1).sum(0), front[0, 7:53], atol=1)
        inside, ocean = zones[0] != 255, zones[0] == 1
        # Two pixels from the front either side is what it says.
        near = torch.nn.functional.max_pool2d(ocean[None].float(), 5, 1, 2)[0] > 0
        far = torch.nn.functional.max_pool2d((~ocean & inside)[None].float(), 5, 1, 2)[0] > 0
        middle = torch.zeros_like(inside)
        middle[:, 7:53] = True
        assert (image[0][ocean & ~far & middle] == 100).all()
        assert (image[0][~near & inside & middle] == 20).all()
        assert (zones[0, :, :5] == 255).all()
    assert mixed > 5


def test_melange_looks_like_the_glacier_and_ends_at_the_front():
    rows = torch.arange(80)[:, None].expand(80, 60)
    labels = torch.where(rows < 50, 1, 0).to(torch.uint8)[None]
    labels[:, :, :5] = 255
    images = torch.where(labels == 1, 200, 20).to(torch.uint8)
    scenes = device_patches.Scenes(images, labels, room=1, device=CPU)
    image = images.float()
    maker = device_patches.PatchMaker(scenes, torch.ones(1), replace(STILL, melange=1.0))
    torch.manual_seed(0)
    for _ in range(10):
        found = maker._with_melange(image, labels, scenes.front, torch.tensor([True]))
        changed = (found - image).abs() > 1
        # Darker, as ice is here; from the front on, not on the glacier, not where there is no label.
        assert changed[0, 49, 8:52].all()
        assert (found[0, 49, 8:52] < 150).all()
        assert not changed[labels != 1].any()
    assert torch.equal(maker._with_melange(image, labels, scenes.front, torch.tensor([False])), image)


def test_places_between_pixels_show_what_the_package_shows(scenes):
    rows, columns = places((40, 50), centre=(20, 60), rotation_deg=20, scale=0.8)
    image, labels = scenes.images[:1].float(), scenes.labels[:1]
    there = [torch.from_numpy(np.asarray(array, dtype=np.float32))[None] for array in (rows, columns)]
    patch, cut = device_patches.take(image, labels, *there)
    expected, zones = take(image.numpy(), labels[0].numpy(), rows, columns)
    np.testing.assert_allclose(patch.numpy(), expected, atol=2e-3)
    assert (cut[0].numpy() == zones).mean() > 0.995


def test_every_change_leaves_finite_patches_of_mean_zero(scenes):
    torch.manual_seed(2)
    always = {
        name: 1.0
        for name in (
            "transplant",
            "curve",
            "tone_step",
            "class_tone",
            "texture",
            "veil",
            "saturation",
            "melange",
            "cloud",
        )
    }
    changes = replace(device_patches.Changes(size=(64, 64)), scene_edge=1.0, gaps=1.0, **always)
    patch, labels = device_patches.PatchMaker(scenes, torch.ones(2), changes).draw(8, simulated=0.5)
    assert patch.isfinite().all()
    torch.testing.assert_close(patch.mean(dim=(1, 2, 3)), torch.zeros(8), atol=1e-4, rtol=0)
    torch.testing.assert_close(patch.square().mean(dim=(1, 2, 3)), torch.ones(8), atol=1e-3, rtol=0)
    assert set(labels.unique().tolist()) <= {0, 1, 255}


def learner(**given):
    torch.manual_seed(0)
    return device_learning.Learner("unet-small", 2, loss="front", rate=1e-2, device=CPU, decay=0.5, **given)


def test_soft_labels_move_the_network_towards_the_teacher():
    torch.manual_seed(3)
    batch = torch.nn.functional.interpolate(torch.randn(2, 1, 8, 8), size=(64, 64), mode="bilinear")
    nothing = torch.full((2, 64, 64), 255)
    soft = (batch[:, 0] > 0).float()
    taught = learner()
    for _ in range(25):
        taught.learn(batch, nothing, rate=1.0, soft=soft)
    found = device_learning.soft_labels([taught], batch)
    assert ((found > 0.5) == (soft > 0.5)).float().mean() > 0.9


def test_weights_that_are_not_finite_are_replaced_by_the_last_average_that_was():
    taught = learner()
    labels = torch.zeros(2, 64, 64, dtype=torch.uint8)
    labels[:, :32] = 1
    taught.learn(torch.randn(2, 1, 64, 64), labels, rate=1.0)
    taught.keep_or_restore()
    kept = {key: value.clone() for key, value in taught.average.state_dict().items()}
    taught.learn(torch.full((2, 1, 64, 64), float("nan")), labels, rate=1.0)
    taught.keep_or_restore()
    assert all(torch.equal(kept[key], value) for key, value in taught.average.state_dict().items() if value.ndim)
    taught.learn(torch.randn(2, 1, 64, 64), labels, rate=1.0)
    assert np.isfinite(taught.last_loss())


class Traced:
    """Images of two glaciers, those of Sverdrup brighter."""

    bands, classes, codes = ("grey",), ("glacier", "ocean"), (127, 254)
    infos = (SampleInfo(name="a", glacier="Sverdrup"), SampleInfo(name="b", glacier="Jakobshavn"))

    def __getitem__(self, index):
        image = np.linspace(0, 200 - 100 * index, 100, dtype=np.float32).reshape(1, 10, 10)
        return TrainingSample(
            image=image, labels=np.zeros((10, 10), np.uint8), present=np.ones(1, bool), info=self.infos[index]
        )


def test_predictions_and_the_file_written_are_those_that_the_package_gives(tmp_path):
    from argparse import Namespace

    from glaciertime.segment.predict.engine import load_engine
    from glaciertime.segment.predict.prediction import predict_image
    from glaciertime.segment.predict.uncertainty import varied

    torch.manual_seed(4)
    student = device_learning.Learner(
        train_fronts_gpu.STUDENT["model"], train_fronts_gpu.STUDENT["fold"], loss="front", rate=0, device=CPU, decay=0.5
    )
    image = np.random.default_rng(0).normal(size=(1, 70, 50)).astype(np.float32)
    normal = (image - image.mean()) / image.std()
    found = student.probability(torch.from_numpy(normal), train_fronts_gpu.MAGNIFICATIONS)
    told = {"Sverdrup": train_fronts_gpu.describe(Traced(), "Sverdrup")}
    (tmp_path / "descriptions.json").write_text(json.dumps(told))
    train_fronts_gpu.save_student(student, Namespace(out=tmp_path, data=tmp_path), left_out="Sverdrup")
    run, spec = load_engine(tmp_path / "without-Sverdrup.safetensors", engine="torch")
    expected = predict_image(image, run=varied(run), spec=spec)[1]
    np.testing.assert_allclose(found[0], expected, atol=1e-4)
    assert spec.zones == "line"
    assert spec.seen[0][1] < 200
    assert "Sverdrup" not in spec.trained_on


def test_a_student_goes_on_from_the_weights_it_is_given(tmp_path):
    from safetensors.torch import save_file

    before = learner()
    state = {
        key: (value + 0.01 if value.is_floating_point() else value).contiguous()
        for key, value in before.average.state_dict().items()
    }
    save_file(state, tmp_path / "start.safetensors")
    before.start_from(tmp_path / "start.safetensors")
    batch, labels = torch.randn(2, 1, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8)
    before.learn(batch, labels, rate=0.0)
    for part in (before.network, before.average):
        for key, value in part.state_dict().items():
            if value.is_floating_point() and "running" not in key:
                torch.testing.assert_close(value, state[key], rtol=0, atol=1e-6)


def test_what_the_folds_leave_is_gathered_in_few_files(tmp_path):
    from argparse import Namespace

    from safetensors.torch import load_file

    out = tmp_path / "out"
    out.mkdir()
    teacher = learner()
    np.savez(tmp_path / "without-Sverdrup.npz", name=np.array(["x"]), teachers=np.ones((1, 2, 2), np.uint8))
    for fold in ("all", "Sverdrup"):
        train_fronts_gpu.save_teachers([teacher], Namespace(scratch=tmp_path), left_out=fold)
    train_fronts_gpu.gather(tmp_path, out)
    with np.load(out / "left-out.npz") as stored:
        assert set(stored.files) == {"Sverdrup/name", "Sverdrup/teachers"}
    for name, fold in (("all", "all"), ("left-out", "Sverdrup")):
        found = load_file(out / f"teachers-{name}.safetensors")
        for key, value in teacher.average.state_dict().items():
            torch.testing.assert_close(found[f"{fold}/unet-small/{key}"].to(value), value, rtol=1e-3, atol=1e-3)


def test_learning_rates_rise_and_end_at_zero():
    for schedule in (train_fronts_gpu.risen_then_falling, train_fronts_gpu.stable_then_falling):
        assert schedule(0.0) < 0.1
        assert schedule(0.2) > 0.8
        assert schedule(1.0) == pytest.approx(0.0, abs=1e-9)
