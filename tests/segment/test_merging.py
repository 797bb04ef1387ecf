"""Several models made one: the rule pixel by pixel, classes by name, the spread of fronts, and the commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from glaciertime.__main__ import run
from glaciertime.errors import InputError, UsageError
from glaciertime.segment.description import ModelSpec, weights_path
from glaciertime.segment.frame import Frame
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.predict.framed import FramedScene, predict_scene
from glaciertime.segment.predict.merged_scene import MemberScene, front_apart_px, merge_scene
from glaciertime.segment.predict.merging import merge_pixels, parse_merge, parse_weights, unite

PLAIN = Normalisation(kind="fixed", mean=(0.0,), std=(1.0,))


def spec(name: str, classes: tuple[str, ...], codes: tuple[int, ...], **more) -> ModelSpec:
    return ModelSpec(
        name=name, model="unet", bands=("grey",), classes=classes, codes=codes, normalisation=PLAIN, **more
    )


CLEAN = spec("clean", ("background", "clean ice"), (0, 1))
DEBRIS = spec("debris", ("background", "debris-covered ice"), (0, 1))
LINE = spec(
    "line", ("glacier", "ocean"), (127, 254), zones="line", frame=Frame(up="ocean"), scores={"front_sigma_px": 1.0}
)


def probabilities(rng: np.random.Generator, classes: int, shape: tuple[int, int] = (30, 20)) -> np.ndarray:
    return rng.dirichlet(np.ones(classes), size=shape).transpose(2, 0, 1).astype(np.float32)


def masks(found: np.ndarray, of: ModelSpec) -> np.ndarray:
    return np.array(of.codes, dtype=np.uint8)[found.argmax(axis=0)]


def test_the_rule_of_precedence_holds_pixel_by_pixel() -> None:
    rng = np.random.default_rng(0)
    both = unite([CLEAN, DEBRIS], parse_merge("debris>clean"))
    given = [probabilities(rng, 2), probabilities(rng, 2)]
    zones = [masks(one, of) for one, of in zip(given, (CLEAN, DEBRIS), strict=True)]
    made = merge_pixels(both, given, zones)
    code = dict(zip(both.spec.classes, both.spec.codes, strict=True))
    expected = np.where(zones[1] == 1, code["debris-covered ice"], np.where(zones[0] == 1, code["clean ice"], 0))
    assert len(set(both.spec.codes)) == 3
    assert np.array_equal(made.zones, expected)
    assert np.allclose(made.probability.sum(axis=0), 1, atol=1e-6)
    assert np.allclose(made.probability[2], given[1][1], atol=1e-6)
    assert np.allclose(made.probability[1], given[0][1] * given[1][0], atol=1e-6)
    assert np.allclose(made.disagreement, given[0][1] * given[1][1], atol=1e-6)


def test_probabilities_of_precedence_are_how_often_the_rule_gives_each_class() -> None:
    three = [spec(name, ("a", "b", "c"), (1, 2, 3)) for name in ("x", "y")]
    both = unite(three, parse_merge("c>a>b"))
    given = [np.array([0.5, 0.3, 0.2]).reshape(3, 1, 1), np.array([0.1, 0.6, 0.3]).reshape(3, 1, 1)]
    given = [one.astype(np.float32) for one in given]
    made = merge_pixels(both, given, [masks(one, three[0]) for one in given])
    rng = np.random.default_rng(0)
    drawn = np.stack([rng.choice(3, 200_000, p=one.ravel() / one.sum()) for one in given])
    place = np.array([1, 2, 0])[drawn].min(axis=0)
    often = [(place == rank).mean() for rank in (1, 2, 0)]
    assert np.allclose(made.probability[:, 0, 0], often, atol=0.005)


def test_mean_and_vote_of_models_whose_classes_stand_in_another_order() -> None:
    first, second = spec("x", ("ice", "rock"), (1, 0)), spec("y", ("rock", "ice"), (7, 1))
    both = unite([first, second], parse_merge("mean"))
    assert both.spec.codes == (1, 0)
    assert both.told == ("the class rock is 0 in the merged mask, 7 in that of y",)
    of_x = np.array([0.9, 0.1], np.float32).reshape(2, 1, 1)
    of_y = np.array([0.8, 0.2], np.float32).reshape(2, 1, 1)
    made = merge_pixels(both, [of_x, of_y], [np.array([[1]], np.uint8), np.array([[7]], np.uint8)])
    assert np.allclose(made.probability[:, 0, 0], [0.55, 0.45])
    assert made.zones.tolist() == [[1]]
    three = unite([first, second, spec("z", ("ice", "rock"), (1, 0))], parse_merge("vote"))
    zones = [np.array([[1]], np.uint8), np.array([[7]], np.uint8), np.array([[0]], np.uint8)]
    made = merge_pixels(three, [of_x, of_y, np.array([0.49, 0.51], np.float32).reshape(2, 1, 1)], zones)
    assert made.zones.tolist() == [[0]]


@pytest.mark.parametrize(
    ("clean", "rest", "codes"),
    [
        (("not clean ice", "clean ice"), "not clean ice or debris", (1, 2, 3)),
        (("background", "clean ice"), "background", (1, 2, 3)),
        (("rock", "clean ice", "ocean"), "rock", (1, 2, 4, 3)),
    ],
)
def test_what_a_model_of_one_class_against_all_others_denies_is_left_to_the_others(clean, rest, codes) -> None:
    first = spec("c", clean, (1, 2, 4)[: len(clean)])
    second = spec("d", ("not debris", "debris"), (1, 2))
    order = "debris > clean" if len(clean) == 2 else "debris > clean > ocean"
    both = unite([first, second], parse_merge(order))
    assert both.spec.classes == (rest, *clean[1:], "debris")
    assert both.spec.codes == codes
    assert any(rest in told and "not debris" in told for told in both.told)
    rng = np.random.default_rng(3)
    given = [probabilities(rng, len(clean)), probabilities(rng, 2)]
    zones = [masks(one, of) for one, of in zip(given, (first, second), strict=True)]
    made = merge_pixels(both, given, zones)
    assert np.array_equal(made.zones, np.where(zones[1] == 2, 3, zones[0]))
    assert np.allclose(made.probability.sum(axis=0), 1, atol=1e-6)


def test_what_is_named_in_the_order_keeps_its_place() -> None:
    first, second = spec("c", ("not clean", "clean"), (0, 1)), spec("d", ("not debris", "debris"), (0, 2))
    named = unite([first, second], parse_merge("debris>not clean>clean"))
    assert named.spec.classes == ("not clean", "clean", "not debris", "debris")
    snow = spec("s", ("cloud", "snow"), (0, 3))
    with pytest.raises(UsageError, match="have no place in the order"):
        unite([spec("b", ("rock", "clean"), (0, 1)), snow, second], parse_merge("debris>clean>snow"))


def test_what_one_model_did_not_see_is_not_observed() -> None:
    both = unite([CLEAN, DEBRIS], parse_merge("debris>clean"))
    rng = np.random.default_rng(0)
    given = [probabilities(rng, 2), probabilities(rng, 2)]
    given[0][:, :5] = np.nan
    made = merge_pixels(both, given, [masks(np.nan_to_num(one), CLEAN) for one in given])
    assert np.isnan(made.probability[:, :5]).all()
    assert (made.zones[:5] == both.spec.unobserved).all()
    given[1][:, 5:] = np.nan
    with pytest.raises(InputError, match="no pixel was seen by all"):
        merge_pixels(both, given, [masks(np.nan_to_num(one), CLEAN) for one in given])


def test_a_code_of_what_was_not_observed_is_never_that_of_a_class() -> None:
    both = unite([spec("x", ("a", "b"), (0, 1)), spec("y", ("a", "c"), (0, 255))], parse_merge("c>b"))
    assert both.spec.codes == (0, 1, 255)
    assert both.spec.unobserved == 254


@pytest.mark.parametrize(
    ("members", "merge", "told"),
    [
        ([CLEAN, DEBRIS], "mean", "such as --merge 'debris-covered ice>clean ice>background'"),
        ([CLEAN, DEBRIS], "vote", "of a class that one of them lacks there is no vote"),
        ([CLEAN, DEBRIS], "debri>claen", "'claen' is no class of the models; did you mean"),
        ([CLEAN, LINE], "ocean>clean", "glacier have no place in the order|background, glacier"),
        ([CLEAN, spec("c", ("background", "clean snow"), (0, 2))], "clean>background", "begins the names of several"),
        ([CLEAN], "mean", "merges two models or more"),
    ],
)
def test_what_cannot_be_united_is_refused_with_what_to_type(members, merge, told) -> None:
    with pytest.raises(UsageError, match=told):
        unite(members, parse_merge(merge))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stack", "no command fits one"), ("median", "mean, vote, or classes"), ("debris>", "mean, vote, or classes"),
        ("a>A", "named twice"), ("", "mean, vote, or classes"),
    ],
)  # fmt: skip
def test_a_rule_that_is_none_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_merge(text)


def test_several_weights_need_a_rule_and_a_rule_needs_several(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say how they become one with --merge mean"):
        parse_weights("a.onnx,b.onnx", None)
    with pytest.raises(UsageError, match="two models or more"):
        parse_weights("a.onnx", "mean")
    with pytest.raises(UsageError, match="named twice"):
        parse_weights("a.onnx,a.onnx", "mean")
    with pytest.raises(UsageError, match="a name is missing"):
        parse_weights("a.onnx,", "mean")
    (tmp_path / "a,b.onnx").touch()
    assert parse_weights(str(tmp_path / "a,b.onnx"), None) == ((str(tmp_path / "a,b.onnx"),), None)
    (tmp_path / "c.onnx").write_bytes(b"same")
    (tmp_path / "d.onnx").write_bytes(b"same")
    with pytest.raises(UsageError, match="hold the same model"):
        parse_weights(f"{tmp_path / 'c.onnx'},{tmp_path / 'd.onnx'}", "mean")
    (tmp_path / "copy.onnx").write_bytes(weights_path("sar-zones").read_bytes())
    with pytest.raises(UsageError, match="hold the same model"):
        parse_weights(f"sar-zones,{tmp_path / 'copy.onnx'}", "mean")


def engine(front: float, *, width: float = 1.0):
    """Return an engine that sees ocean above a row, whatever the image shows."""

    def answer(batch: np.ndarray) -> np.ndarray:
        rows = np.arange(batch.shape[2], dtype=np.float32)[:, None] + 0.5
        ocean = 1 / (1 + np.exp((rows - front) / width)) * np.ones((1, batch.shape[3]), np.float32)
        return np.broadcast_to(np.stack([1 - ocean, ocean])[None], (len(batch), 2, *batch.shape[2:])).astype(np.float32)

    return answer


def test_the_fronts_of_two_models_give_their_mean_and_their_spread() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(100, 10, (1, 60, 40)).astype(np.float32)
    scene = FramedScene(
        read=lambda row, column, height, width: image[:, row : row + height, column : column + width],
        shape=(60, 40), transform=Affine(10, 0, 0, 0, -10, 600), crs=None,
    )  # fmt: skip
    members = []
    for front in (26.0, 34.0):
        made = predict_scene(scene, run=engine(front), spec=LINE, ocean_deg=0.0)
        members.append(MemberScene(made.probability_on(scene), made.zones_on(scene, LINE), made.sigma_px * 10, made))
    both = unite([LINE, LINE], parse_merge("mean"))
    merged = merge_scene(both, members, scene)
    assert merged.prediction is not None
    assert np.allclose(merged.prediction.rows, 30, atol=0.5)
    assert (merged.pixels.zones == 254).sum() == 30 * 40
    # Two fronts 8 pixels of 10 m apart: their sample standard deviation is 8 / sqrt(2) pixels.
    assert merged.apart_m == pytest.approx(80 / np.sqrt(2))
    own = np.mean([each.sigma_m**2 for each in members])
    assert merged.sigma_m >= np.sqrt(own + merged.apart_m**2) - 1e-6
    assert front_apart_px([np.full((4, 4), 254, np.uint8)] * 2) != front_apart_px([members[0].zones] * 2) == 0


@pytest.fixture
def two_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files that stand for a model of clean ice and one of ice under debris, by the grey of a pixel."""
    monkeypatch.chdir(tmp_path)
    for name in ("clean.onnx", "debris.onnx"):
        Path(name).write_bytes(name.encode())

    def load(name, **_):
        def answer(batch: np.ndarray) -> np.ndarray:
            grey = batch[:, 0]
            seen = 1 / (1 + np.exp((grey - 120) / 10 * (1 if "debris" in str(name) else -1)))
            seen = np.where(np.abs(grey - 120) < 8, 0.7, seen)
            return np.stack([1 - seen, seen], axis=1).astype(np.float32)

        return answer, DEBRIS if "debris" in str(name) else CLEAN

    monkeypatch.setattr("glaciertime.segment.predict.engine.load_engine", load)
    monkeypatch.setattr("glaciertime.pipeline.runs.card_of", lambda path: {"name": path.stem})
    grey = np.random.default_rng(0).integers(60, 180, (64, 48)).astype(np.uint8)
    transform = rasterio.Affine(30, 0, 500_000, 0, -30, 3_000_000)
    with rasterio.open("tile.tif", "w", driver="GTiff", height=64, width=48, count=1, dtype="uint8", crs="EPSG:32645",
                       transform=transform) as target:  # fmt: skip
        target.write(grey, 1)
    return tmp_path


def test_the_command_merges_a_tile_by_precedence_and_says_of_what(two_models, capsys) -> None:
    both = ["--weights", "clean.onnx,debris.onnx", "--merge", "debris>clean"]
    assert run(["segment", "tile.tif", *both, "--out", "both.tif", "--probabilities", "p.tif", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)[0]
    for name in ("clean", "debris"):
        assert run(["segment", "tile.tif", "--weights", f"{name}.onnx", "--out", f"{name}.tif"]) == 0
    parts = {}
    for name in ("both", "clean", "debris"):
        with rasterio.open(f"{name}.tif") as opened:
            parts[name], tags = opened.read(1), opened.tags()
            if name == "both":
                assert tags["GLACIERTIME_MODEL"] == "clean + debris by debris-covered ice>clean ice"
                assert len(tags["GLACIERTIME_WEIGHTS_SHA256"].split(", ")) == 2
    code = {area["class"]: area["code"] for area in found["classes"]}
    expected = np.where(
        parts["debris"] == 1, code["debris-covered ice"], np.where(parts["clean"] == 1, code["clean ice"], 0)
    )
    assert np.array_equal(parts["both"], expected)
    assert ((parts["debris"] == 1) & (parts["clean"] == 1)).sum() > 50
    with rasterio.open("p.tif") as opened:
        assert opened.descriptions[-2:] == ("uncertainty (entropy, 0 to 1)", "disagreement of the models (0 to 1)")
        probability = opened.read()
    assert np.allclose(probability[:3].sum(axis=0), 1, atol=1e-5)
    claimed = (parts["debris"] == 1) & (parts["clean"] == 1)
    assert probability[-1][claimed].mean() > 2 * probability[-1][~claimed].mean()
    capsys.readouterr()
    assert run(["why", "both.tif"]) == 0
    told = capsys.readouterr().out
    assert "clean.onnx" in told
    assert "debris.onnx" in told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--weights", "clean.onnx,debris.onnx"], "say how they become one with --merge mean"),
        (["--weights", "clean.onnx", "--merge", "mean"], "two models or more"),
        (["--weights", "clean.onnx,debris.onnx", "--merge", "stack"], "no command fits one"),
        (["--weights", "clean.onnx,debris.onnx", "--merge", "mean"], "of a class that one of them lacks"),
        (["--weights", "clean.onnx,debris.onnx", "--merge", "debris>clean", "--ocean", "west"], "any orientation"),
        (["--method", "ndsi", "--merge", "mean"], "leave --merge out"),
    ],
)
def test_the_command_refuses_what_it_would_not_use(two_models, capsys, given: list[str], told: str) -> None:
    assert run(["segment", "tile.tif", *given, "--out", "both.tif"]) == 2
    assert told in capsys.readouterr().err
    assert not Path("both.tif").exists()
