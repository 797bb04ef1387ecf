"""Images become positions whose error knows the model that drew them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage import io

from glaciertime.pipeline import TrackRequest, track_glacier
from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M
from glaciertime.segment import engine
from glaciertime.segment.weights import ModelSpec

SPEC = ModelSpec(name="ruler", model="unet", bands=("grey",), classes=("glacier", "ocean"), codes=(127, 254))
SIZE, FRONT_ROW = (60, 40), 20


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "landsat_fronts"
    for part in ("images", "fronts"):
        (folder / part).mkdir(parents=True)
    rows = ["glacier,date,sensor,pathrow,level,tier,band,image,front"]
    for date in ("2000-05-01", "2000-06-01"):
        io.imsave(folder / "images" / f"{date}.png", np.full(SIZE, 90, np.uint8), check_contrast=False)
        rows.append(f"Sverdrup,{date},LE07,20007,L1TP,T1,B2,{date}.png,{date}.png")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def positions(folder: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    """Return values and sigmas of the positions, with a model that sees a level front."""

    def run(batch: np.ndarray) -> np.ndarray:
        ocean = np.zeros((len(batch), *SIZE), np.float32)
        ocean[:, :FRONT_ROW] = 1
        return np.stack([1 - ocean, ocean], axis=1)

    monkeypatch.setattr(engine, "load_engine", lambda name: (run, spec))
    tracked = track_glacier(TrackRequest(glacier="Sverdrup", data=folder)).tracked
    assert tracked is not None
    rows = tracked.observations.query("variable == 'front_position_m' and method == 'centreline'")
    return rows["value"].to_numpy(), rows["sigma"].to_numpy()


def test_the_sigma_is_that_of_the_model_and_of_the_pixel(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value, sigma = positions(images, replace(SPEC, scores={"front_sigma_px": 2.0}), monkeypatch)
    assert value == pytest.approx([(SIZE[0] - FRONT_ROW) * RESOLUTION_M] * 2)
    assert sigma == pytest.approx([RESOLUTION_M * np.hypot(2.0, 1 / np.sqrt(12))] * 2)


def test_a_model_that_was_never_measured_has_an_unknown_sigma(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value, sigma = positions(images, SPEC, monkeypatch)
    assert np.isfinite(value).all()
    assert np.isnan(sigma).all()
