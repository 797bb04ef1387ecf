"""``glaciertime adapt``: from images and labels to a model that ``track`` takes, and to what it gained."""

import datetime as dt
import json
import os

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from glaciertime.__main__ import run  # noqa: E402
from glaciertime.archive import Archive  # noqa: E402
from glaciertime.segment.adapt.leaving_out import Gain  # noqa: E402
from glaciertime.segment.description import read_spec  # noqa: E402
from glaciertime.segment.predict.weights import load_model, save_model  # noqa: E402
from tests.segment.adapt.places import SPEC, front, tiny_network, write_fronts, write_images, write_masks  # noqa: E402

DAYS = {dt.date(2001, 7, 3): 18, dt.date(2002, 7, 3): 24, dt.date(2004, 7, 3): 30}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    write_images(folder / "images", DAYS)
    write_fronts(folder / "fronts.gpkg", [(date, "Nordbrae", front(row + 0.5)) for date, row in DAYS.items()])
    save_model(tiny_network(), SPEC, folder / "tiny.safetensors")
    return folder


def adapt(folder, *more, labels=None, out=None):
    """Adapt to a few steps only; what is tested is what is said and written."""
    given = ["--data", folder / "images", "--labels", labels or folder / "fronts.gpkg", "--ocean", "north"]
    given += ["--weights", folder / "tiny.safetensors", "--steps", "1", "--out", out or folder / "out"]
    return run(["adapt", "--glacier", "Nordbrae", *map(str, given), *more])


def every_share_gains(monkeypatch):
    """What an untrained network draws is worth nothing; here it is believed."""
    monkeypatch.setattr(Gain, "is_gain", property(lambda gain: gain.count > 0))
    monkeypatch.setattr("glaciertime.segment.adapt.leaving_out.better_turn", lambda errors: 0)


def test_the_result_is_a_model_of_the_same_description_that_track_takes_and_says_where_it_is_not_made_for(
    place, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    every_share_gains(monkeypatch)
    assert adapt(place, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["count"] == 3
    assert [one["date"] for one in told["left_out"]] == [str(date) for date in DAYS]
    means = [sum(one[key] for one in told["left_out"]) / 3 for key in ("before_px", "after_px")]
    assert [told["mean_before_px"], told["mean_after_px"]] == pytest.approx(means, abs=1e-3)
    assert told["is_adapted"]
    network, spec = load_model(place / "out" / "weights.safetensors")
    assert read_spec(place / "out" / "model.onnx").adapted_to == spec.adapted_to == "Nordbrae"
    assert spec.name == "tiny-nordbrae"
    assert spec.licence == SPEC.licence
    assert "adapted to Nordbrae on labels of 2001-07-03, 2002-07-03, 2004-07-03, nothing rehearsed" in (spec.trained_on)
    assert (spec.frame, spec.bands, spec.codes, spec.zones) == (SPEC.frame, SPEC.bands, SPEC.codes, SPEC.zones)
    assert any(
        not torch.equal(value, tiny_network().state_dict()[name]) for name, value in network.state_dict().items()
    )
    for glacier, is_its_own in (("Nordbrae", True), ("Sydbrae", False)):
        (tmp_path / f"{glacier}.yaml").write_text(f"kind: glacier\nname: {glacier}\n")
        given = ["--glacier", glacier, "--manifest", f"{glacier}.yaml", "--data", str(place / "images"), "--images"]
        given += ["--ocean", "north"]
        run(["track", *given, "--weights", str(place / "out" / "model.onnx"), "--archive", f"{glacier}.gpkg"])
        rows = Archive(tmp_path / f"{glacier}.gpkg").read("observations", glacier=glacier)
        assert len(rows)
        assert rows["quality"].str.contains("tiny-nordbrae was adapted to Nordbrae").any() != is_its_own


def test_what_is_not_better_at_dates_left_out_is_not_handed_out(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Gain, "is_gain", property(lambda gain: False))
    monkeypatch.setattr("glaciertime.segment.adapt.leaving_out.better_turn", lambda errors: 0)
    assert adapt(place, out=tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "the model as it was given is kept" in printed
    assert "tiny as it was given" in printed
    network, spec = load_model(tmp_path / "out" / "weights.safetensors")
    assert (spec.name, spec.adapted_to, spec.trained_on) == ("tiny", "", SPEC.trained_on)
    assert read_spec(tmp_path / "out" / "model.onnx").name == "tiny"
    assert all(torch.equal(value, tiny_network().state_dict()[name]) for name, value in network.state_dict().items())


def test_masks_are_labels_too_and_adapting_again_replaces_the_own_files_and_says_so(
    place, tmp_path, monkeypatch, capsys
):
    every_share_gains(monkeypatch)
    masks = write_masks(tmp_path / "masks", DAYS)
    assert adapt(place, labels=masks, out=tmp_path / "out") == 0
    assert "left out in turn, 3 labelled images" in capsys.readouterr().out
    assert (
        adapt(place, "--weights", str(tmp_path / "out" / "weights.safetensors"), labels=masks, out=tmp_path / "two")
        == 0
    )
    assert "was adapted before, to Nordbrae" in capsys.readouterr().err
    assert read_spec(tmp_path / "two" / "weights.safetensors").adapted_to == "Nordbrae"
    assert adapt(place, labels=masks, out=tmp_path / "two") == 0


def test_without_labels_the_fronts_of_the_images_alone_stand_beside_what_the_others_say(place, tmp_path, capsys):
    given = [
        "--glacier",
        "Nordbrae",
        "--data",
        str(place / "images"),
        "--ocean",
        "north",
        "--out",
        str(tmp_path / "out"),
    ]
    given += ["--weights", str(place / "tiny.safetensors"), "--out", str(tmp_path / "out")]
    code = run(["adapt", *given, "--json"])
    told = capsys.readouterr()
    if code == 0:
        rows = json.loads(told.out)
        assert [row["date"] for row in rows] == [str(date) for date in DAYS]
        assert all((row["with_stack_m"] is None) == (row["unclear"] == "") for row in rows)
        table = (tmp_path / "out" / "stack.csv").read_text().splitlines()
        assert table[0] == "date,image,sensor,alone_m,with_stack_m,apart_m,unclear,said"
        assert len(table) == 4
        assert json.loads((tmp_path / "out" / "fronts.geojson").read_text())["description"] == "glaciertime adapt"
    else:
        assert "the model is sure of 0" in told.err
    assert not (tmp_path / "out" / "weights.safetensors").exists()
    assert run(["adapt", *given, "--rehearse", "simulated=."]) == 2
    assert "--rehearse: of labels or of learning, and no --labels are given" in capsys.readouterr().err
    assert run(["adapt", *given, "--steps", "7"]) == 2
    assert "--steps: of labels or of learning" in capsys.readouterr().err


def test_two_labelled_dates_are_refused_and_nothing_is_written(place, tmp_path, capsys):
    rows = [(date, "Nordbrae", front(row + 0.5)) for date, row in list(DAYS.items())[:2]]
    rows.append((dt.date(2003, 1, 1), "Nordbrae", front(20.5)))
    write_fronts(tmp_path / "two.gpkg", rows)
    assert adapt(place, labels=tmp_path / "two.gpkg", out=tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "of 2003-01-01 is of no image" in told
    assert "Nordbrae: 2 labelled dates can be used, at least 3 are needed; label more of the 3 dates" in told
    assert list((tmp_path / "out").iterdir()) == []


def test_files_of_somebody_else_and_folders_that_cannot_be_written_stop_it_before_any_work(place, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "adapted.json").write_text('{"mine": 1}')
    assert adapt(place, out=tmp_path / "out") == 2
    assert "adapted.json" in capsys.readouterr().err
    assert (tmp_path / "out" / "adapted.json").read_text() == '{"mine": 1}'
    if os.geteuid():
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        assert adapt(place, out=closed) == 1
    assert adapt(place, out=tmp_path / "no" / "folder") == 2
    assert "create it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--weights", "sar-zones"], "sar-zones draws no front as one line"),
        (["--rehearse", "landsat-fronts"], "READER=FOLDER expected"),
        (["--rehearse", "nonsense=here"], "nonsense"),
        (["--steps", "0"], "--steps"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(place, tmp_path, capsys, more, told):
    assert adapt(place, *more, out=tmp_path / "out") in (1, 2)
    assert told in capsys.readouterr().err


def test_an_ocean_that_seems_to_lie_on_another_side_is_told(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("glaciertime.segment.adapt.leaving_out.better_turn", lambda errors: 2)
    assert adapt(place, out=tmp_path / "out") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "THE OCEAN SEEMS TO LIE ON ANOTHER SIDE: with it at 0 degrees" in told
    assert "at 180 degrees" in told
    card = json.loads((tmp_path / "out" / "adapted.json").read_text())
    assert card["name"] == card["from"] == "tiny"
    assert not card["is_adapted"]
    assert "THE OCEAN SEEMS TO LIE ON ANOTHER SIDE" in card["said"][0]
