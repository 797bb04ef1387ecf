"""``glaciertime compare``: what is missing is trained, once; what is said is of the counts that are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from glaciertime.provenance import sidecar

from .conftest import Command

pytest.importorskip("lightning", reason="the extra 'train' is not installed here")

PLAN = """\
data:
  sim:
    reader: simulated
    options: {count: 24, size: [48, 32], scenes_per_fjord: 1}
    settings: {split: glacier, test_fraction: 0.25}
    stands_for: caffe
models: [MODELS]
seeds: [SEEDS]
settings: {epochs: 1, draws: 2, batch: 2, patch: [48, 32], augmentation: none}
draws: 200
tables: ["6.1"]
"""


def plan(
    folder: Path, *, models: str = "unet-small, unet-small-deep", seeds: str = "1", more: str = "", name: str = "c.yaml"
) -> Path:
    path = folder / name
    path.write_text(PLAN.replace("MODELS", models).replace("SEEDS", seeds) + more)
    return path


def weights_of(out: Path) -> dict[str, float]:
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("runs/*/weights.safetensors")}


def test_what_is_written_holds_together_and_a_second_call_trains_only_what_is_missing(
    command: Command, tmp_path: Path
) -> None:
    out = Path("out")
    first = command("compare", plan(tmp_path), "--out", out, "--json")
    assert first.code == 0, first.err
    found = first.json
    assert found["counted"] == {"runs": 2, "done_now": 2, "kept": 0, "failed": 0}
    rows = pd.read_parquet(out / "c.parquet")
    assert set(rows["source"]) == {"simulated"}
    assert found["simulated"] == ["sim"]
    check_scores(rows, found)
    check_files(command, out)
    before = weights_of(out)
    notes = {path: path.read_bytes() for path in out.glob("runs/*/*.run.json")}
    assert command("compare", plan(tmp_path, seeds="1, 2"), "--out", out, "--dry-run").out.endswith(
        "4 trainings: 2 to do, 2 done, 0 refused\n"
    )
    again = command("compare", plan(tmp_path), "--out", out, "--json")
    assert again.json["counted"] == {"runs": 2, "done_now": 0, "kept": 2, "failed": 0}
    assert weights_of(out) == before
    assert notes
    assert {path: path.read_bytes() for path in notes} == notes, "a training keeps the note of the run that made it"
    assert again.json["families"] == found["families"]
    # A folder that lost its scores, and one whose scores were touched, are done again and come to the same.
    one, other = sorted(out.glob("runs/*/scores.json"))
    one.unlink()
    (one.parent / "weights.safetensors").unlink()
    held = json.loads(other.read_text())
    held["rows"][-1][-1] = 0.123
    other.write_text(json.dumps(held))
    mended = command("compare", plan(tmp_path), "--out", out, "--json")
    assert mended.json["counted"]["done_now"] == 2
    assert mended.json["families"] == found["families"]
    two = command("compare", plan(tmp_path), "--out", "two", "--jobs", "2", "--json")
    assert two.code == 0, two.err
    assert two.json["families"] == found["families"], "two processes come to the same"


def check_scores(rows: pd.DataFrame, found: dict[str, Any]) -> None:
    """The scores that are told follow from the counts of the images."""
    test = rows[(rows["split"] == "test") & rows["metric"].isin(["tp", "fp", "fn"])]
    for condition in found["conditions"]:
        own = test[test["model"] == condition["model"]]
        sums = own.groupby(["class", "metric"])["value"].sum().unstack()
        iou = (sums["tp"] / sums.sum(axis=1)).mean()
        assert condition["scores"]["iou"]["mean"] == pytest.approx(iou, abs=1e-9)
        assert condition["units"] == own["glacier"].nunique() == 6
    assert set(rows["split"]) == {"train", "validation", "test"}
    parts = rows.groupby("split")["sample"].unique()
    assert not set(parts["test"]) & set(parts["validation"])


def check_files(command: Command, out: Path) -> None:
    """Every file tells its run, and the report shows published and ours apart."""
    names = {path.name for path in out.iterdir() if path.is_file() and not path.name.endswith(".run.json")}
    assert {"c.parquet", "c.json", "c.md", "c.html", "c.tex", "c_scores.png"} <= names
    weights = sorted(out.glob("runs/*/weights.safetensors"))
    for path in [*(out / name for name in names), *weights, *out.glob("runs/*/scores.json")]:
        assert sidecar(path).is_file(), path
    asked = command("why", out / "c.parquet", "--json")
    assert asked.code == 0, asked.err
    assert asked.json[0]["run"]["command"].startswith("glaciertime compare")
    text = (out / "c.md").read_text()
    assert "Dataset 1, Mean IoU, published | Dataset 1, Mean IoU, ours" in text
    row = next(line for line in text.splitlines() if line.startswith("| U-Net |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "0.390"
    assert cells[2].endswith("(unet-small)")
    assert cells[6] == ""
    assert "sim (SIMULATED): reader simulated, in place of caffe" in text.replace("\\", "")


def test_a_training_that_fails_is_a_row_with_its_reason_and_the_others_go_on(command: Command, tmp_path: Path) -> None:
    config = plan(tmp_path, models="unet-small", more="variants: {plain: {}, wild: {learning_rate: 1.0e+9}}\n")
    found = command("compare", config, "--out", "out", "--json")
    assert found.code in (0, 3), found.err
    failed = found.json["failed"]
    assert all(one["variant"] == "wild" and one["reason"] for one in failed)
    assert {one["variant"] for one in found.json["conditions"]} >= {"plain"}
    if failed:
        assert found.code == 3
        assert command("compare", config, "--out", "out", "--strict").code == 1


def test_a_search_is_chosen_on_the_validation_part_and_only_that_is_tested(command: Command, tmp_path: Path) -> None:
    config = plan(tmp_path, models="unet-small", more="grid: {learning_rate: [0.001, 0.01]}\n")
    found = command("compare", config, "--out", "out", "--json")
    assert found.code == 0, found.err
    rows = pd.read_parquet(Path("out") / "c.parquet")
    scores = rows[rows["metric"] == "validation_score"].set_index(["model", "candidate"])["value"]
    tested = rows[rows["split"] == "test"].groupby("model")["candidate"].unique()
    for choice in found.json["search"]:
        own = scores[choice["model"]]
        assert choice["chosen"] == own.idxmax()
        assert choice["validation_score"] == pytest.approx(own.max())
        assert list(tested[choice["model"]]) == [choice["chosen"]]
    again = command("compare", config, "--out", "out", "--json").json
    assert again["counted"] == {"runs": 2, "done_now": 0, "kept": 2, "failed": 0}


def test_results_of_another_file_of_the_same_name_are_not_replaced(command: Command, tmp_path: Path) -> None:
    out = Path("out")
    out.mkdir()
    (out / "c.json").write_text(json.dumps({"description": "glaciertime compare", "file": "/elsewhere/c.yaml"}))
    result = command("compare", plan(tmp_path), "--out", out)
    assert result.code == 2
    assert "holds the results of /elsewhere/c.yaml" in result.err
    (out / "c.json").unlink()
    (out / "c.md").write_text("my notes")
    assert "was not made by this command" in command("compare", plan(tmp_path), "--out", out).err
    assert (out / "c.md").read_text() == "my notes"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split: glacier, test_fraction: 0.25": "validation: [simulated-1]"}, "nothing is held out to test on"),
        ({"split: glacier, test_fraction: 0.25": "split: random, test_fraction: 0.25"}, None),
        ({"tables": "samples: [500]\ntables"}, "500 samples asked for"),
        ({"tables": "regions: [Alps]\ntables"}, "region Alps: no sample is of it"),
        ({"tables": "modalities: {red: {bands: [red]}}\ntables"}, "band 'red' is not among the data's"),
        ({"tables": "train_on: {july: {months: [7]}}\ntables"}, "say no month"),
    ],
)
def test_data_that_cannot_be_compared_are_refused_before_any_training(
    command: Command, tmp_path: Path, change: dict[str, str], message: str | None
) -> None:
    config = plan(tmp_path)
    text = config.read_text()
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)
    result = command("compare", config, "--out", "out", "--dry-run")
    assert result.code == (0 if message is None else 1), result.err
    if message is None:
        assert "2 to do" in result.out
        return
    assert "2 refused" in result.out
    assert message in result.out


def test_images_that_are_on_both_sides_are_refused(command: Command, tmp_path: Path) -> None:
    """The same image under two names, one of another glacier."""
    import numpy as np
    from PIL import Image

    folder = tmp_path / "own"
    for part in ("images", "masks"):
        for at in range(6):
            (folder / part / f"g{at}").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for at in range(6):
        image = rng.integers(0, 255, (32, 32), dtype=np.uint8) if at < 5 else image  # noqa: F821
        mask = np.where(np.arange(32)[:, None] < 10 + at, 127, 254).astype(np.uint8) * np.ones((1, 32), np.uint8)
        Image.fromarray(image).save(folder / "images" / f"g{at}" / f"a{at}_2001-01-0{at + 1}.png")
        Image.fromarray(mask).save(folder / "masks" / f"g{at}" / f"a{at}_2001-01-0{at + 1}.png")
    config = tmp_path / "own.yaml"
    config.write_text(
        "data: {own: {reader: folder, root: own, settings: {test: [g5], validation: [g0]}}}\nmodels: [unet-small]\n"
    )
    result = command("compare", config, "--out", "out", "--dry-run", "--json")
    assert result.code == 1, result.err
    assert "pixel for pixel" in result.json[0]["state"]


def test_published_tables_are_printed_as_they_were_published(command: Command) -> None:
    found = command("compare", "--published", "5.10", "--json")
    assert found.json["rows"][0] == ["optical_only_500", "-0.380", "21.84", "< 0.001", "4.82"]
    text = command("compare", "--published", "boundary:3")
    assert "35.94%" in text.out
    assert "clean, IoU, ours" in text.out
    assert "are empty" in text.err
    listed = command("compare", "--published", "list", "--json").json
    assert len(listed) == 33
    nothing = command("compare", "--published", "5.33")
    assert nothing.code == 2
    assert "nearest: 5.3" in nothing.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--published", "5.3", "--out", "out"), "leave the file, --out and --dry-run away"),
        (("c.yaml", "--format", "csv"), "--format is of --published"),
        ((), "name a file"),
        (("c.yaml",), "--out is missing"),
        (("none.yaml", "--out", "o"), "none.yaml"),
    ],
)
def test_an_option_is_used_or_refused(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    plan(tmp_path)
    result = command("compare", *arguments)
    assert result.code in (1, 2)
    assert message in result.err


def test_the_template_is_printed(command: Command) -> None:
    assert command("compare", "--template-config").out.startswith("# Trainings to compare")


def zone_images(folder: Path) -> None:
    """Eight glaciers of two dates each: ocean above, rock at the sides, ice between."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for at in range(8):
        for part in ("images", "masks"):
            (folder / part / f"g{at}").mkdir(parents=True)
        for day in range(2):
            zones = np.full((48, 48), 64, dtype=np.uint8)
            zones[:, 14 + at : 34 + at // 2] = 127
            zones[: 16 + at + 2 * day, 10:40] = 254
            grey = np.select([zones == 64, zones == 127], [60, 150], 220) + rng.normal(0, 30, zones.shape)
            name = f"a{at}_2001-01-0{day + 1}.png"
            Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"g{at}" / name)
            Image.fromarray(zones).save(folder / "masks" / f"g{at}" / name)


MERGED = """\
data:
  ice: {reader: folder, root: own, settings: {split: glacier, test_fraction: 0.4, binary: true, positive: [glacier]}}
  sea: {reader: folder, root: own, settings: {split: glacier, test_fraction: 0.4, binary: true, positive: [ocean]}}
  both:
    reader: folder
    root: own
    settings: {split: glacier, test_fraction: 0.4}
    merge: {of: [ice, sea], rule: ocean > glacier}
models: [unet-small]
settings: {epochs: 1, draws: 8, batch: 4, patch: [48, 48], augmentation: none, learning_rate: 0.01}
draws: 200
"""


def test_models_that_are_merged_are_tested_as_one(command: Command, tmp_path: Path) -> None:
    """The counts of the merged model are those of the two masks, merged here pixel by pixel."""
    import numpy as np
    from PIL import Image

    from glaciertime.segment.predict.sampled import predict_sample, ready_model

    zone_images(tmp_path / "own")
    config = tmp_path / "m.yaml"
    config.write_text(MERGED)
    found = command("compare", config, "--out", "out", "--json")
    assert found.code == 0, found.err
    assert found.json["counted"] == {"runs": 3, "done_now": 3, "kept": 0, "failed": 0}
    # The same images by other labels are no other places.
    assert found.json["families"] == []
    assert "both and ice are tested on the same images" in " ".join(found.json["told"])
    rows = pd.read_parquet(Path("out") / "m.parquet")
    rows = rows[(rows["data"] == "both") & (rows["split"] == "test")]
    weights = {name: next(Path("out", "runs").glob(f"{name}-*")) / "weights.safetensors" for name in ("ice", "sea")}
    models = {name: ready_model(str(path)) for name, path in weights.items()}
    counted = dict.fromkeys(((k, n) for k in ("rock", "glacier", "ocean") for n in ("tp", "fp", "fn")), 0)
    for path in sorted((tmp_path / "own" / "images").rglob("*.png")):
        if path.stem not in {Path(name).stem for name in rows["sample"]}:
            continue
        image = np.asarray(Image.open(path), dtype=np.float32)[None]
        truth = np.asarray(Image.open(tmp_path / "own" / "masks" / path.parent.name / path.name))
        yes = {name: predict_sample(image, model=model, name="x").predicted == model.spec.classes.index(one)
               for (name, model), one in zip(models.items(), ("glacier", "ocean"), strict=True)}  # fmt: skip
        mine = np.where(yes["sea"], 254, np.where(yes["ice"], 127, 64))
        for name, code in (("rock", 64), ("glacier", 127), ("ocean", 254)):
            counted[name, "tp"] += int(((mine == code) & (truth == code)).sum())
            counted[name, "fp"] += int(((mine == code) & (truth != code)).sum())
            counted[name, "fn"] += int(((mine != code) & (truth == code)).sum())
    told = rows[rows["metric"].isin(["tp", "fp", "fn"])].groupby(["class", "metric"])["value"].sum()
    assert {key: int(value) for key, value in told.items()} == counted
    assert sum(counted.values()) > 10_000
    again = command("compare", config, "--out", "out", "--json").json
    assert again["counted"] == {"runs": 3, "done_now": 0, "kept": 3, "failed": 0}
    # By the other order of precedence it is another model; the two that it is of are kept.
    config.write_text(MERGED.replace("ocean > glacier", "glacier > ocean"))
    other = command("compare", config, "--out", "out", "--json").json
    assert other["counted"] == {"runs": 3, "done_now": 1, "kept": 2, "failed": 0}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rule: ocean > glacier", "rule: ocean > snow", "'snow' is no class of the models"),
        ("sea: {reader: folder, root: own", "sea: {reader: simulated, options: {count: 20}", "its bands are"),
        (
            "test_fraction: 0.4, binary: true, positive: [ocean]",
            "test_fraction: 0.1, binary: true, positive: [ocean]",
            "both, of what sea has learned from: .* are also trained on",
        ),
    ],
)
def test_what_cannot_be_merged_is_refused_before_any_training(
    command: Command, tmp_path: Path, old: str, new: str, message: str
) -> None:
    import re

    zone_images(tmp_path / "own")
    config = tmp_path / "m.yaml"
    assert old in MERGED
    config.write_text(MERGED.replace(old, new))
    found = command("compare", config, "--out", "out", "--dry-run", "--json")
    states = [row["state"] for row in found.json]
    assert states[:2] == ["to do", "to do"]
    assert re.search(message, states[2]), states


def test_a_training_goes_on_where_its_data_were_moved(command: Command, tmp_path: Path) -> None:
    zone_images(tmp_path / "own")
    config = tmp_path / "m.yaml"
    config.write_text(MERGED)
    assert command("compare", config, "--out", "out").code == 0
    for path in Path("out", "runs").glob("ice-*/scores.json"):
        path.unlink()
    (tmp_path / "own").rename(tmp_path / "moved")
    config.write_text(MERGED.replace("root: own", "root: moved"))
    found = command("compare", config, "--out", "out", "--json")
    assert found.json["counted"] == {"runs": 3, "done_now": 1, "kept": 2, "failed": 0}, found.err
