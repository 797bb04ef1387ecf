"""What `evaluate` counts, against scikit-learn, torchmetrics and plain loops, and what it says of what is missing."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn import metrics as sklearn

from glaciertime.errors import UsageError
from glaciertime.scenes.datasets.mixture import InMemory
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.judge.boundaries import boundary_counts, boundary_pixels, front_sums
from glaciertime.segment.judge.class_matching import match_bands, match_classes, parse_matches
from glaciertime.segment.judge.evaluation import THRESHOLDS, Evaluation, evaluate
from glaciertime.segment.judge.exact_ranking import ExactRanking
from glaciertime.segment.judge.findings import findings_of
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.predict.sampled import ReadyModel

NAMES = ("glacier", "ocean", "rock", "snow")


def model_of(classes: int, names: tuple[str, ...] = NAMES) -> ReadyModel:
    """A model that returns the image it is given: its bands are the probabilities of its classes."""
    bands = tuple(f"p{number}" for number in range(classes))
    spec = ModelSpec(
        name="echo", model="none", bands=bands, classes=names[:classes], codes=tuple(range(10, 10 + classes)),
        normalisation=Normalisation(kind="fixed", mean=(0.0,) * classes, std=(1.0,) * classes),
    )  # fmt: skip

    def run(batch: np.ndarray) -> np.ndarray:
        return batch.copy()

    return ReadyModel(Path("echo.onnx"), spec, run, run)


def data_of(
    images: list[np.ndarray], labels: list[np.ndarray], names: tuple[str, ...] = NAMES, **known: object
) -> InMemory:
    classes = len(images[0])
    infos = [
        SampleInfo(f"image {number}", glacier=f"G{number % 3}", date=dt.date(2010 + number, 7, 1), resolution_m=20.0)
        for number in range(len(images))
    ]
    samples = [
        TrainingSample(image, known_labels.astype(np.uint8), np.ones(classes, bool), replace(info, **known))  # type: ignore[arg-type]
        for image, known_labels, info in zip(images, labels, infos, strict=True)
    ]
    return InMemory(
        bands=tuple(f"p{number}" for number in range(classes)), classes=names[:classes],
        codes=tuple(range(10, 10 + classes)), samples=tuple(samples),
    )  # fmt: skip


def judged(images: list[np.ndarray], labels: list[np.ndarray], **given: object) -> Evaluation:
    classes = len(images[0])
    data = data_of(images, labels)
    match = match_classes(NAMES[:classes], data.classes)
    return evaluate(data, model=model_of(classes), match=match, bands=range(classes), **given)  # type: ignore[arg-type]


def drawn(
    classes: int, *, absent: str = "", digits: int = 3, seed: int = 0
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Three images of which the last has no label; a class may be absent of the labels, of the masks, or of both."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for number in range(3):
        known = rng.integers(0, classes, (17, 23))
        logits = rng.normal(size=(classes, 17, 23)) + 1.2 * np.eye(classes)[known].transpose(2, 0, 1)
        if absent in ("label", "both"):
            known[known == classes - 1] = 0
        if absent in ("mask", "both"):
            logits[-1] -= 9
        sure = np.exp(logits) / np.exp(logits).sum(axis=0)
        # Ties among the probabilities, as a quantised model has them.
        images.append((np.round(sure, digits) / np.round(sure, digits).sum(axis=0)).astype(np.float32))
        known = np.where(rng.random(known.shape) < 0.2, IGNORE, known)
        labels.append(np.full_like(known, IGNORE) if number == 2 else known)
    return images, labels


def flat(images: list[np.ndarray], labels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    kept = [known != IGNORE for known in labels]
    sure = np.concatenate([image[:, chosen] for image, chosen in zip(images, kept, strict=True)], axis=1)
    return sure.astype(np.float64), np.concatenate([known[chosen] for known, chosen in zip(labels, kept, strict=True)])


@pytest.mark.parametrize("absent", ["", "label", "mask", "both"])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_scores_equal_those_of_scikit_learn(classes: int, absent: str) -> None:
    images, labels = drawn(classes, absent=absent, digits=3 if absent in ("", "label") else 6)
    found = findings_of(judged(images, labels), draws=0)
    sure, known = flat(images, labels)
    mask = sure.argmax(axis=0)
    for place, name in enumerate(NAMES[:classes]):
        own, called = known == place, mask == place
        with np.errstate(invalid="ignore"):
            expected = {
                "iou": sklearn.jaccard_score(own, called) if own.any() or called.any() else np.nan,
                "dice": sklearn.f1_score(own, called, zero_division=np.nan),
                "precision": sklearn.precision_score(own, called, zero_division=np.nan),
                "recall": sklearn.recall_score(own, called, zero_division=np.nan),
                "accuracy": sklearn.accuracy_score(own, called),
                "mcc": sklearn.matthews_corrcoef(own, called) if len({*own, *called}) > 1 else np.nan,
                "auc": sklearn.roc_auc_score(own, sure[place]) if own.any() else np.nan,
                "ap": sklearn.average_precision_score(own, sure[place]) if own.any() else np.nan,
            }
        for key, value in expected.items():
            got = found["classes"][name][key]
            if math.isnan(value):
                assert got is None, (name, key)
                assert found["reasons"]["classes"][name][key]
            else:
                assert got == pytest.approx(value, abs=1e-9), (name, key)
    assert found["mean"]["pixel_accuracy"] == pytest.approx(sklearn.accuracy_score(known, mask), abs=1e-9)
    expected = sklearn.matthews_corrcoef(known, mask) if len({*known, *mask}) > 1 else None
    assert found["mean"]["mcc_gorodkin"] == pytest.approx(expected, abs=1e-9)
    np.testing.assert_array_equal(
        found["confusion"]["pixels"], sklearn.confusion_matrix(known, mask, labels=range(classes))
    )
    assert found["counted"]["images"] == 2
    assert found["counted"]["images_without_label"] == 1


@pytest.mark.parametrize("absent", ["", "label", "mask"])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_scores_equal_those_of_torchmetrics(classes: int, absent: str) -> None:
    torch = pytest.importorskip("torch")
    other = pytest.importorskip("torchmetrics.functional.classification")
    images, labels = drawn(classes, absent=absent, digits=6, seed=1)
    found = findings_of(judged(images, labels), draws=0)
    sure = torch.from_numpy(np.stack(images).astype(np.float64))
    known = torch.from_numpy(np.stack(labels))
    given = {"num_classes": classes, "average": "none", "ignore_index": IGNORE}
    by_class = {
        "iou": other.multiclass_jaccard_index(sure, known, **given),
        "dice": other.multiclass_f1_score(sure, known, **given),
        "auc": other.multiclass_auroc(sure, known, **given),
        "ap": other.multiclass_average_precision(sure, known, **given),
        "precision": other.multiclass_precision(sure, known, **given),
        "recall": other.multiclass_recall(sure, known, **given),
    }
    for key, values in by_class.items():
        for name, value in zip(NAMES[:classes], values.tolist(), strict=True):
            got = found["classes"][name][key]
            # torchmetrics says 0, or nothing, where a score is not defined; so does the reason here.
            if got is None:
                assert value == 0 or math.isnan(value), (name, key)
            else:
                # torchmetrics divides in single precision.
                assert got == pytest.approx(value, abs=1e-6), (name, key)
    counts = other.multiclass_stat_scores(sure, known, **given).double()
    for place, name in enumerate(NAMES[:classes]):
        right, wrong, rest, missed, _ = counts[place].tolist()
        got = found["classes"][name]
        assert got["iou"] == pytest.approx(right / (right + wrong + missed), abs=1e-9)
        assert got["dice"] == pytest.approx(2 * right / (2 * right + wrong + missed), abs=1e-9)
        assert got["accuracy"] == pytest.approx((right + rest) / (right + rest + wrong + missed), abs=1e-9)
    whole = {"num_classes": classes, "ignore_index": IGNORE}
    # With one class on a side it is 0; torchmetrics adds a small number to the denominator there.
    assert (classes == 2 and bool(absent)) or found["mean"]["mcc_gorodkin"] == pytest.approx(
        other.multiclass_matthews_corrcoef(sure, known, **whole).item(), abs=1e-6
    )
    assert found["mean"]["ece_top"] == pytest.approx(
        other.multiclass_calibration_error(sure, known, n_bins=15, **whole).item(), abs=1e-6
    )
    for place, name in enumerate(NAMES[:classes]):
        own = torch.where(known == IGNORE, IGNORE, (known == place).long())
        expected = other.binary_calibration_error(sure[:, place], own, n_bins=15, ignore_index=IGNORE).item()
        assert found["classes"][name]["ece"] == pytest.approx(expected, abs=1e-6)


def test_what_does_not_fit_is_counted_in_steps_and_said() -> None:
    images, labels = drawn(3, seed=2)
    exact, stepped = (judged(images, labels, exact_values=limit) for limit in (4_000_000, 10))
    assert exact.ranking.is_exact == (True,) * 3
    assert stepped.ranking.is_exact == (False,) * 3
    np.testing.assert_allclose(exact.ranking.areas(), stepped.ranking.areas(), atol=2e-3)
    told = findings_of(stepped, draws=0)["counted"]["auc_and_ap"]
    assert told == "in steps of 0.01 of the log-odds: glacier, ocean, rock"
    assert findings_of(exact, draws=0)["counted"]["auc_and_ap"] == "exact"


def test_merging_keeps_every_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    from glaciertime.segment.judge import exact_ranking

    monkeypatch.setattr(exact_ranking, "_PENDING", 50)
    rng = np.random.default_rng(0)
    sure, known = rng.integers(0, 40, 600) / 40, rng.integers(0, 2, 600)
    ranking = ExactRanking(2)
    for start in range(0, 600, 37):
        part = sure[start : start + 37]
        ranking.update(np.stack([1 - part, part]), known[start : start + 37])
    assert ranking.areas()[1] == pytest.approx(sklearn.roc_auc_score(known, sure), abs=1e-12)
    assert ranking.precisions()[1] == pytest.approx(sklearn.average_precision_score(known, sure), abs=1e-12)


def test_thresholds_are_those_of_a_plain_count() -> None:
    images, labels = drawn(2, seed=3)
    held = judged(images, labels)
    sure, known = flat(images, labels)
    swept = findings_of(held, draws=0)["thresholds"]["ocean"]
    for place in (0, 9, 49, 98):
        called = sure[1] >= THRESHOLDS[place]
        assert swept["iou"][place] == pytest.approx(sklearn.jaccard_score(known == 1, called), abs=1e-12)
        assert swept["recall"][place] == pytest.approx(sklearn.recall_score(known == 1, called), abs=1e-12)
    best = max(swept["iou"])
    assert swept["best"]["iou"] == best
    assert swept["threshold"][swept["iou"].index(best)] == swept["best"]["threshold"]
    assert "too good on others" in swept["best"]["chosen_on"]


def test_boundaries_are_those_of_a_search_of_nearest_points() -> None:
    rng = np.random.default_rng(5)
    labels, mask = (rng.random((20, 24)).repeat(3, 0).repeat(3, 1).round().astype(int) for _ in range(2))
    valid = rng.random(labels.shape) > 0.1
    found = boundary_counts(mask, labels, classes=2, valid=valid, tolerance_px=2.0)
    for label in range(2):
        points = [np.argwhere(boundary_pixels(zones, label, valid=valid)) for zones in (mask, labels)]
        there, back = (cKDTree(points[one]).query(points[1 - one])[0] <= 2.0 for one in (1, 0))
        assert found[label].tolist() == [there.sum(), len(points[0]), back.sum(), len(points[1])]
    front = front_sums(mask, labels, glacier=0, ocean=1, valid=valid, pixel_m=10.0)
    points = [np.argwhere(boundary_pixels(zones, 1, valid=valid)) for zones in (mask, labels)]
    pool = np.concatenate([cKDTree(points[one]).query(points[1 - one])[0] for one in (0, 1)])
    assert front[:4] == pytest.approx([pool.sum(), len(pool), 10 * pool.sum(), len(pool)])


def moved_front(rows: list[tuple[int, int]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Images with the front in the first row given, labels with it in the second; -1 for none."""
    images, labels = [], []
    for found, known in rows:
        row = np.arange(30)[:, None].repeat(12, 1)
        ocean = np.where(row < found, 0.9, 0.1) if found >= 0 else np.full(row.shape, 0.1)
        ocean = ocean + 1e-3 * np.arange(12)
        images.append(np.stack([1 - ocean, ocean]).astype(np.float32))
        labels.append((row < known).astype(int) if known >= 0 else np.zeros(row.shape, int))
    return images, labels


def test_the_front_error_is_of_images_that_have_one_and_says_of_how_many() -> None:
    found = findings_of(judged(*moved_front([(10, 13), (15, 14), (-1, 9), (5, -1)])), draws=0)
    # 3 and 1 pixels of 20 m, 12 columns and both ways each.
    assert found["mean"]["front_error_px"] == 2.0
    assert found["mean"]["front_error_m"] == 40.0
    assert found["front"]["images_with_front"] == 3
    assert found["front"]["images_where_none_was_found"] == 1
    assert found["front"]["images_with_a_front_that_is_not_labelled"] == 1
    missed = findings_of(judged(*moved_front([(-1, 9)])), draws=0)
    assert missed["mean"]["front_error_m"] is None
    assert missed["reasons"]["mean"]["front_error_m"] == "no front was found where one is labelled"


def test_the_front_error_of_pixels_that_are_not_square_is_of_their_sides() -> None:
    images, labels = moved_front([(10, 13)])
    data = data_of(images, labels, resolution_m=math.sqrt(10.0 * 30.0), sides_m=(10.0, 30.0))
    match = match_classes(NAMES[:2], data.classes)
    found = findings_of(evaluate(data, model=model_of(2), match=match, bands=range(2)), draws=0)
    # Three rows of 30 m each.
    assert found["mean"]["front_error_px"] == 3.0
    assert found["mean"]["front_error_m"] == 90.0


def test_probabilities_that_add_up_to_just_above_one_are_scored() -> None:
    logits = np.random.default_rng(1).normal(scale=3.0, size=(3, 60, 60)).astype(np.float32)
    logits[1] -= 25
    sure = np.exp(logits - logits.max(axis=0))
    sure = sure / sure.sum(axis=0)
    assert (sure[0] + sure[2] > 1).any()  # in single precision
    known = np.random.default_rng(2).integers(0, 2, (60, 60))
    data = data_of([sure], [known], names=("not glacier", "glacier", "rock"))
    data = replace(data, classes=("not glacier", "glacier"), codes=(10, 11))
    match = match_classes(("rock", "glacier", "ocean"), data.classes, binary=True)
    found = findings_of(
        evaluate(data, model=model_of(3, ("rock", "glacier", "ocean")), match=match, bands=range(3)), draws=0
    )
    ice = sure[1].astype(np.float64).ravel()
    assert found["classes"]["glacier"]["auc"] == pytest.approx(sklearn.roc_auc_score(known.ravel(), ice), abs=1e-9)
    assert found["classes"]["not glacier"]["auc"] is not None


def test_groups_add_up_to_the_whole() -> None:
    images, labels = drawn(3, seed=4)
    held = judged(images, labels)
    for by in ("glacier", "season", "sensor", "resolution"):
        groups = findings_of(held, draws=0)["groups"][by]
        assert sum(group["pixels"] for group in groups) == sum((known != IGNORE).sum() for known in labels)
    assert [group["glacier"] for group in findings_of(held, draws=0)["groups"]["glacier"]] == ["G0", "G1"]
    assert findings_of(held, draws=0)["groups"]["resolution"][0]["resolution"] == "20 m"


def test_intervals_are_of_whole_scenes_and_of_glaciers_where_there_are_five() -> None:
    rng = np.random.default_rng(0)
    images, labels = moved_front([(12 + int(rng.integers(-3, 4)), 12) for _ in range(12)])
    held = judged(images, labels)
    ranges = held.intervals(draws=400)
    assert (ranges.unit, ranges.units) == ("scene", 12)
    # The same by drawing the images themselves.
    matrices = np.array([
        sklearn.confusion_matrix(known.ravel(), image.argmax(axis=0).ravel(), labels=[0, 1])
        for image, known in zip(images, labels, strict=True)
    ])  # fmt: skip
    other = np.random.default_rng(1)
    drawn_iou = []
    for _ in range(4000):
        total = matrices[other.integers(12, size=12)].sum(axis=0)
        drawn_iou.append(total[1, 1] / (total.sum() - total[0, 0]))
    np.testing.assert_allclose(ranges.of_classes["iou"][1], np.quantile(drawn_iou, [0.025, 0.975]), atol=0.01)
    assert held.intervals(draws=400).of_classes["iou"].tolist() == ranges.of_classes["iou"].tolist()
    few = judged(images[:4], labels[:4])
    assert few.intervals().told.startswith("no intervals: fewer than 5 glaciers and fewer than 5 scenes")
    assert findings_of(few)["intervals"]["classes"]["ocean"] == {}
    data = data_of(images, labels)
    samples = [
        replace(sample, info=replace(sample.info, glacier=f"G{number % 6}"))
        for number, sample in enumerate(data.samples)
    ]
    match = match_classes(NAMES[:2], NAMES[:2])
    many = evaluate(replace(data, samples=tuple(samples)), model=model_of(2), match=match, bands=range(2))
    assert (many.intervals(draws=10).unit, many.intervals(draws=10).units) == ("glacier", 6)


def test_images_of_no_known_glacier_are_not_counted_as_one() -> None:
    images, labels = drawn(2)
    data = data_of(images[:1] * 10, labels[:1] * 10)
    match = match_classes(NAMES[:2], NAMES[:2])

    def of_glaciers(names: list[str]) -> Evaluation:
        samples = [
            replace(sample, info=replace(sample.info, glacier=names[number % len(names)]))
            for number, sample in enumerate(data.samples)
        ]
        return evaluate(replace(data, samples=tuple(samples)), model=model_of(2), match=match, bands=range(2))

    four = of_glaciers(["", "A", "B", "C", "D"])
    assert four.intervals(draws=10).unit == "scene"
    assert findings_of(four, draws=0)["counted"]["glaciers"] == 4
    assert findings_of(of_glaciers([""]), draws=0)["counted"]["glaciers"] == 0


def test_without_a_labelled_pixel_every_score_is_none_with_its_reason() -> None:
    images, labels = drawn(3)
    found = findings_of(judged(images, [np.full_like(known, IGNORE) for known in labels]))
    json.dumps(found, allow_nan=False)
    for name in NAMES[:3]:
        scores = {key: value for key, value in found["classes"][name].items() if not key.endswith("pixels")}
        assert set(scores.values()) == {None}
        assert set(found["reasons"]["classes"][name]) == set(scores)
    assert set(found["mean"].values()) == {None}
    assert set(found["reasons"]["mean"]) == set(found["mean"])
    assert found["counted"]["images_without_label"] == 3


def test_an_image_that_cannot_be_judged_is_a_row_and_the_others_count() -> None:
    images, labels = drawn(2)
    images[0] = np.full_like(images[0], np.nan)
    labels[1][0, 0] = 7
    images.append(images[1])
    labels.append(np.where(labels[1] == 7, 0, labels[1]))
    found = findings_of(judged(images, labels))
    assert [one["name"] for one in found["failed"]] == ["image 0", "image 1"]
    assert "no pixel is observed" in found["failed"][0]["reason"]
    assert "classes [7] given" in found["failed"][1]["reason"]
    assert found["counted"]["images"] == 1


def test_what_was_not_observed_counts_nowhere_and_is_told() -> None:
    images, labels = drawn(2)
    images[0][:, :5] = np.nan
    held = judged(images, labels)
    assert held.rows[0].unseen == (labels[0][:5] != IGNORE).sum()
    assert held.rows[0].pixels == (labels[0][5:] != IGNORE).sum()


def test_classes_are_matched_by_name_and_never_by_number() -> None:
    images, labels = drawn(3, digits=9, seed=6)
    usual = findings_of(judged(images, labels), draws=0)
    order = (2, 0, 1)
    data = data_of([image[list(order)] for image in images], labels)
    model = model_of(3, tuple(NAMES[place] for place in order))
    match = match_classes(model.spec.classes, data.classes)
    turned = findings_of(evaluate(data, model=model, match=match, bands=range(3)), draws=0)
    for name in NAMES[:3]:
        assert turned["classes"][name] == usual["classes"][name]
    with pytest.raises(
        UsageError, match="they do not match by name; say which is which with --match 'snow=LABEL', or --binary"
    ):
        match_classes(("glacier", "snow"), ("glacier", "ocean"))
    with pytest.raises(UsageError, match="--match 'rock=LABEL'"):
        match_classes(("glacier", "ocean", "rock"), ("glacier", "ocean"))
    with pytest.raises(UsageError, match='by name; --classes "glacier,ocean" leaves the pixels of rock out'):
        match_classes(("ocean", "glacier"), ("glacier", "ocean", "rock"))
    with pytest.raises(UsageError, match="the labels have no class 'glacer'; nearest: glacier"):
        match_classes(("ice", "sea"), ("glacier", "ocean"), told={"ice": "glacer"})
    folded = match_classes(
        ("Glacier", "clean_ice", "sea"), ("glacier", "ocean"), told={"clean ice": "glacier", "sea": "ocean"}
    )
    assert folded.target == (0, 0, 1)
    sure = np.array([0.2, 0.5, 0.3])[:, None, None]
    assert folded.probability(sure).ravel() == pytest.approx([0.7, 0.3])


def test_a_model_of_several_classes_is_scored_on_two() -> None:
    match = match_classes(("no data", "rock", "glacier", "ocean"), ("not glacier", "glacier"), binary=True)
    assert match.target == (0, 0, 1, 0)
    assert "'rock' of the model is 'not glacier'" in match.told
    three = match_classes(("background", "clean ice", "debris-covered ice"), ("background", "glacier"), binary=True)
    assert three.target == (0, 1, 1)
    with pytest.raises(UsageError, match="do not match by name"):
        match_classes(("rock", "ocean"), ("not glacier", "glacier"), binary=True)


def test_bands_are_matched_by_name() -> None:
    assert match_bands(("nir", "red"), ("red", "green", "nir")) == (2, 0)
    assert match_bands(("nir", "red"), ("B1", "B2", "B3"), told="3,B1") == (2, 0)
    with pytest.raises(UsageError, match="with --bands B1,B2"):
        match_bands(("nir", "red"), ("B1", "B2", "B3"))
    with pytest.raises(UsageError, match="those of the data grey: too few"):
        match_bands(("nir", "red"), ("grey",))
    with pytest.raises(UsageError, match="2 of the data's bands expected"):
        match_bands(("nir", "red"), ("B1", "B2"), told="1,4")
    with pytest.raises(UsageError, match="MODEL=DATA expected"):
        parse_matches(["ice"])


def test_a_large_image_is_predicted_in_patches_and_memory_does_not_grow_with_images() -> None:
    images, labels = ([np.tile(one, (3, 2)) for one in each] for each in drawn(2, digits=9))
    model = model_of(2)
    small = replace(model, spec=replace(model.spec, patch_px=32))
    data = data_of(images, labels)
    match = match_classes(NAMES[:2], data.classes)
    whole, pieces = (evaluate(data, model=one, match=match, bands=range(2)) for one in (model, small))
    assert whole.total is not None
    assert pieces.total is not None
    np.testing.assert_array_equal(whole.total.confusion, pieces.total.confusion)
    one_day = [replace(sample, info=replace(sample.info, glacier="G", block="s", date=None)) for sample in data.samples]
    tiles = evaluate(replace(data, samples=tuple(one_day * 5)), model=model, match=match, bands=range(2))
    assert len(tiles.by_cell) == 1
