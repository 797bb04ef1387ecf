"""``glaciertime segment`` and ``glaciertime train`` as functions of a command line, in process."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import typer
from rasterio.enums import ColorInterp
from typer.testing import CliRunner

from glaciertime.__main__ import run
from glaciertime.cli.segment import segment
from glaciertime.cli.train import train
from glaciertime.errors import GlacierTimeError

app = typer.Typer()
app.command()(segment)
app.command()(train)


def call(*given):
    outcome = CliRunner().invoke(app, [str(part) for part in given])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome


def scene(height=300, width=200, front=140):
    rng = np.random.default_rng(0)
    image = np.where(np.arange(height)[:, None] < front, 60, 150) + rng.normal(0, 6, (height, width))
    image[front] = 240
    return image.clip(0, 255).astype(np.uint8)


def write_png(path, image, *, bands=1):
    profile = {"driver": "PNG", "height": image.shape[0], "width": image.shape[1], "count": bands, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile) as target:
        for band in range(1, bands + 1):
            target.write(np.full_like(image, 255) if band == 4 else image, band)
        if bands == 4:
            target.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    return path


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_a_grey_png_becomes_zones_of_its_own_size_with_a_front(tmp_path, bands):
    image = write_png(tmp_path / "scene.png", scene(), bands=bands)
    call("segment", image, "--out", tmp_path / "zones.png")
    with rasterio.open(tmp_path / "zones.png") as found:
        assert (found.count, found.height, found.width, found.dtypes) == (1, 300, 200, ("uint8",))
        zones = found.read(1)
    assert set(np.unique(zones)) == {127, 254}
    assert (zones[0] == 254).all()
    assert (zones[-1] == 127).all()


def test_a_front_that_is_not_to_be_seen_is_told(tmp_path):
    image = write_png(tmp_path / "scene.png", scene())
    said = call("segment", image, "--out", tmp_path / "zones.png").stderr
    assert "unclear" not in said
    haze = np.random.default_rng(0).normal(128, 3, (300, 200)).astype(np.uint8)
    image = write_png(tmp_path / "haze.png", haze)
    said = call("segment", image, "--out", tmp_path / "zones.png").stderr
    assert "The front is unclear, " in said
    assert (tmp_path / "zones.png").is_file()


def test_every_shipped_model_loads_without_torch_and_without_a_pickle(tmp_path):
    image = write_png(tmp_path / "scene.png", scene(96, 80, 40))
    for name in ("landsat-fronts", "sar-zones"):
        code = (
            "import sys; sys.modules['torch'] = None;\n"
            "from glaciertime.cli.segment import segment\n"
            "from pathlib import Path\n"
            f"segment([{str(image)!r}], out=Path({str(tmp_path / (name + '.tif'))!r}), weights={name!r},"
            "engine='onnx',"
            "bands=None, probabilities=None, tta=None, mc_dropout=0, smoothness=2.0, window=4096, batch=1, cog=False,"
            "threads=1)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with rasterio.open(tmp_path / f"{name}.tif") as found:
            assert set(np.unique(found.read(1))) <= {0, 64, 127, 254}


def test_probabilities_add_to_one_and_the_georeference_is_kept(tmp_path):
    path = tmp_path / "scene.tif"
    transform = rasterio.Affine(30, 0, 500_000, 0, -30, 7_600_000)
    profile = {"driver": "GTiff", "height": 120, "width": 90, "count": 1, "dtype": "uint8", "nodata": 0}
    picture = scene(120, 90, 60)
    picture[:, :10] = 0
    with rasterio.open(path, "w", **profile, crs="EPSG:32622", transform=transform) as target:
        target.write(picture, 1)
    call("segment", path, "--out", tmp_path / "z.tif", "--probabilities", tmp_path / "p.tif", "--cog")
    with rasterio.open(tmp_path / "z.tif") as zones, rasterio.open(tmp_path / "p.tif") as probability:
        assert zones.crs == "EPSG:32622"
        assert zones.transform == transform == probability.transform
        assert zones.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert zones.nodata == 0
        bands, mask = probability.read(), zones.read(1)
        assert probability.descriptions == ("glacier", "ocean", "uncertainty (entropy, 0 to 1)")
    assert (mask[:, :10] == 0).all()
    assert np.isnan(bands[:, :, :10]).all()
    assert np.allclose(bands[:2, :, 10:].sum(axis=0), 1, atol=1e-5)
    assert (bands[2, :, 10:] >= 0).all()
    assert (bands[2, :, 10:] <= 1).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--weights", "landsat-front"], "landsat-fronts"),
        (["--bands", "1,x"], "numbers from 1"),
        (["--bands", "2"], "has bands 1 to 1"),
        (["--engine", "keras"], "engine 'keras'"),
        (["--mc-dropout", "3"], "needs --engine torch"),
    ],
)
def test_bad_options_are_one_sentence(tmp_path, given, message):
    image = write_png(tmp_path / "scene.png", scene(64, 64, 30))
    with pytest.raises(GlacierTimeError, match=message):
        call("segment", image, "--out", tmp_path / "z.tif", *given)


def test_bad_images_are_one_sentence(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    colour = tmp_path / "colour.tif"
    with rasterio.open(colour, "w", driver="GTiff", height=64, width=64, count=2, dtype="uint8") as target:
        target.write(np.zeros((2, 64, 64), np.uint8))
    empty = tmp_path / "empty.tif"
    with rasterio.open(empty, "w", driver="GTiff", height=64, width=64, count=1, dtype="uint8", nodata=0) as target:
        target.write(np.zeros((1, 64, 64), np.uint8))
    cases = {
        tmp_path / "none.png": "there is no such file",
        tmp_path / "text.png": "cannot be opened as an image",
        colour: "has 2 bands, the model expects 1",
        empty: "nothing to segment",
    }
    for image, message in cases.items():
        with pytest.raises(GlacierTimeError, match=message):
            call("segment", image, "--out", tmp_path / "z.tif")


def test_real_images_all_have_a_front(shared_data, tmp_path):
    pictures = sorted((shared_data / "landsat_fronts" / "images").glob("*.png"))[::20]
    for picture in pictures:
        call("segment", picture, "--out", tmp_path / "z.png")
        with rasterio.open(tmp_path / "z.png") as found:
            zones = found.read(1)
        assert ((zones[:-1] == 254) & (zones[1:] == 127)).any(axis=0).all()


def test_train_then_segment_with_what_was_trained(tmp_path, capsys):
    pytest.importorskip("lightning")
    settings = tmp_path / "train.yaml"
    settings.write_text(
        "data: simulated\nroot: .\ndata_options: {count: 6, size: [48, 48]}\nmodel: unet-ps1\nepochs: 2\n"
        "patch: [32, 32]\nbatch: 3\nvalidation_fraction: 0.3\n"
    )
    call("train", settings, "--model", "pspnet", "--epochs", "1", "--out", tmp_path / "run")
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (kept["model"], kept["epochs"]) == ("pspnet", 1)
    for name in ("weights.safetensors", "model.onnx"):
        capsys.readouterr()
        assert run(["why", str(tmp_path / "run" / name), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)[0]
        assert told["sha256"] == hashlib.sha256((tmp_path / "run" / name).read_bytes()).hexdigest()
        read = {one["input"]: one["sha256"] for one in told["files"]}
        assert read["train.yaml"] == hashlib.sha256(settings.read_bytes()).hexdigest()
        assert len(read["simulated: 6 samples"]) == 64
        assert {"model: pspnet", "epochs: 1", f"seed: {kept['seed']}"} <= set(told["run"]["decided"])
        assert run(["why", str(tmp_path / "run" / name)]) == 0
        assert "settings   data: simulated" in capsys.readouterr().out
    image = write_png(tmp_path / "scene.png", scene(70, 60, 30))
    call("segment", image, "--weights", tmp_path / "run" / "model.onnx", "--out", tmp_path / "a.tif")
    given = ["--engine", "torch", "--weights", tmp_path / "run" / "weights.safetensors"]
    call("segment", image, *given, "--out", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "a.tif") as one, rasterio.open(tmp_path / "b.tif") as other:
        assert (one.read(1) == other.read(1)).mean() > 0.999
    import torch

    threads = torch.get_num_threads()
    try:
        call("segment", image, *given, "--threads", threads + 1, "--out", tmp_path / "c.tif")
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("given", "at_once"), [((), 2), (("--threads", "1"), 1)])
def test_the_ocean_is_searched_with_no_more_threads_than_were_given(tmp_path, monkeypatch, given, at_once):
    from glaciertime.segment.predict import framed

    asked = []

    def search(doubt_at, *, first_deg, at_once):
        asked.append(at_once)
        return {first_deg: doubt_at(first_deg), first_deg + 90: 1.0}

    monkeypatch.setattr(framed, "search", search)
    image = write_png(tmp_path / "scene.png", scene(60, 50, 30))
    call("segment", image, "--out", tmp_path / "zones.tif", "--ocean", "auto", *given)
    assert asked == [at_once]


def test_the_template_is_printed():
    assert "epochs:" in call("train", "--template-config").stdout
