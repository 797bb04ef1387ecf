"""Images become positions whose error knows the model that drew them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from skimage import io

from glaciertime.pipeline import TrackRequest, track_glacier
from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.predict import engine

SPEC = ModelSpec(name="ruler", model="unet", bands=("grey",), classes=("glacier", "ocean"), codes=(127, 254))
SIZE, FRONT_ROW = (60, 40), 20.0


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "landsat_fronts"
    for part in ("images", "fronts"):
        (folder / part).mkdir(parents=True)
    rows = ["glacier,date,sensor,pathrow,level,tier,band,image,front"]
    picture = np.random.default_rng(3).integers(60, 120, SIZE, dtype=np.uint8)
    for date in ("2000-05-01", "2000-06-01"):
        io.imsave(folder / "images" / f"{date}.png", picture, check_contrast=False)
        rows.append(f"Sverdrup,{date},LE07,20007,L1TP,T1,B2,{date}.png,{date}.png")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def observations(
    folder: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, *, blur_px: float = 0, front_row: float = FRONT_ROW
) -> pd.DataFrame:
    """Return the positions along the centreline, with a model that sees a level front, more or less blurred."""
    rows = np.arange(SIZE[0])[:, None]
    clear = (rows < front_row).astype(float)
    below = norm.sf((rows + 0.5 - front_row) / blur_px) if blur_px else clear

    def run(batch: np.ndarray) -> np.ndarray:
        ocean = np.broadcast_to(below, (len(batch), *SIZE)).astype(np.float32)
        return np.stack([1 - ocean, ocean], axis=1)

    monkeypatch.setattr(engine, "load_engine", lambda name: (run, spec))
    tracked = track_glacier(TrackRequest(glacier="Sverdrup", data=folder)).tracked
    assert tracked is not None
    return tracked.observations.query("variable == 'front_position_m' and method == 'centreline'")


def positions(folder: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    """Return values and sigmas of the positions, with a model that sees a level front."""
    rows = observations(folder, spec, monkeypatch)
    return rows["value"].to_numpy(), rows["sigma"].to_numpy()


def test_the_sigma_is_that_of_the_model_and_of_the_pixel(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value, sigma = positions(images, replace(SPEC, scores={"front_sigma_px": 2.0}), monkeypatch)
    assert value == pytest.approx([(SIZE[0] - FRONT_ROW) * RESOLUTION_M] * 2)
    assert sigma == pytest.approx([RESOLUTION_M * np.hypot(2.0, 1 / np.sqrt(12))] * 2)


def test_a_model_that_was_never_measured_has_an_unknown_sigma(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value, sigma = positions(images, SPEC, monkeypatch)
    assert np.isfinite(value).all()
    assert np.isnan(sigma).all()


def test_a_front_that_the_model_leaves_open_errs_by_as_much_and_is_flagged(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(SPEC, zones="line", scores={"front_sigma_px": 2.0})
    rows = {blur: observations(images, spec, monkeypatch, blur_px=blur) for blur in (1.0, 8.0)}
    assert rows[8.0]["value"].to_numpy() == pytest.approx(rows[1.0]["value"].to_numpy(), abs=RESOLUTION_M)
    assert rows[1.0]["sigma"].to_numpy() == pytest.approx([RESOLUTION_M * np.hypot(2.0, 1 / np.sqrt(12))] * 2)
    assert rows[8.0]["sigma"].to_numpy() == pytest.approx([RESOLUTION_M * 8.0] * 2, rel=0.05)
    assert not rows[1.0]["quality"].str.contains("unclear-front").any()
    assert rows[8.0]["quality"].str.contains("unclear-front: one sigma of 8 pixels, 2.0 usually").all()


@pytest.mark.parametrize("zones", ["line", "argmax"])
def test_the_front_of_an_image_lies_below_the_pixel(images: Path, monkeypatch: pytest.MonkeyPatch, zones: str) -> None:
    spec = replace(SPEC, zones=zones, scores={"front_sigma_px": 2.0})
    for front_row in (20.0, 20.3, 20.75):
        rows = observations(images, spec, monkeypatch, blur_px=1.0, front_row=front_row)
        assert rows["value"].to_numpy() / RESOLUTION_M == pytest.approx([SIZE[0] - front_row] * 2, abs=0.03)


def test_an_image_that_cannot_be_read_fails_alone(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt = images / "landsat_fronts" / "images" / "2000-05-01.png"
    io.imsave(spoilt, np.random.default_rng(0).integers(0, 255, SIZE, dtype=np.uint8))
    spoilt.write_bytes(spoilt.read_bytes()[:900])
    rows = observations(images, replace(SPEC, scores={"front_sigma_px": 2.0}), monkeypatch)
    assert rows["date"].astype(str).tolist() == ["2000-06-01"]
    outcome = track_glacier(TrackRequest(glacier="Sverdrup", data=images))
    assert outcome.exit_code == 3
    assert len(outcome.problems) == 1
    assert outcome.tracked is not None
    failed = outcome.tracked.observations.query("quality.str.contains('failed')")
    assert failed["image_id"].tolist() == ["2000-05-01"]


def test_a_model_of_other_classes_is_not_taken_for_one_of_zones(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(SPEC, classes=("no glacier", "glacier"), codes=(0, 127))
    monkeypatch.setattr(engine, "load_engine", lambda name: (None, spec))
    outcome = track_glacier(TrackRequest(glacier="Sverdrup", data=images))
    assert "the classes of the model ruler are no glacier, glacier" in outcome.problems[0]
    assert outcome.exit_code == 1


def test_observations_say_the_path_and_row_of_their_image(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = observations(images, SPEC, monkeypatch)
    assert rows["quality"].str.contains("unregistered: path/row 20007").all()


def test_a_glacier_that_ended_its_process_is_an_outcome_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from glaciertime.pipeline import tracking_many
    from glaciertime.pipeline.tracking import TrackOutcome
    from glaciertime.pipeline.work import Result

    def run_tasks(tasks, **_):  # type: ignore[no-untyped-def]
        for task in tasks:
            lost = "its process was ended by the system" if task.name == "Huge" else ""
            yield Result(task=task, value=None if lost else TrackOutcome(glacier=task.name), lost=lost)

    monkeypatch.setattr(tracking_many, "run_tasks", run_tasks)
    requests = [TrackRequest(glacier=name) for name in ("A", "Huge", "B")]
    outcomes = {outcome.glacier: outcome for outcome in tracking_many.track_many(requests, jobs=2)}
    assert [name for name, outcome in outcomes.items() if not outcome.error] == ["A", "B"]
    assert outcomes["Huge"].error == "Huge: its process was ended by the system"
    assert outcomes["Huge"].exit_code == 1


def test_what_no_reader_foresaw_stops_one_glacier(monkeypatch: pytest.MonkeyPatch) -> None:
    from glaciertime.pipeline import track_many, tracking

    def broken(request: tracking.TrackRequest) -> tracking.TrackOutcome:
        if request.glacier == "Odd":
            raise KeyError("a defect")
        return tracking.TrackOutcome(glacier=request.glacier)

    monkeypatch.setattr(tracking, "track_glacier", broken)
    requests = [tracking.TrackRequest(glacier=name) for name in ("A", "Odd", "B")]
    outcomes = list(track_many(requests))
    assert [outcome.glacier for outcome in outcomes] == ["A", "Odd", "B"]
    assert "it cannot be tracked ('a defect'); this is a defect: please report it" in outcomes[1].error
