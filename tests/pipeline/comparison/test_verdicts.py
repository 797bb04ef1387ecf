"""What a comparison says follows from the counts of its images, over glaciers or scenes and never over seeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glaciertime.pipeline.comparison.conducting import Conducted
from glaciertime.pipeline.comparison.plan import ComparisonPlan, DataSet
from glaciertime.pipeline.comparison.unit_scores import class_scores, unit_of, unit_scores
from glaciertime.pipeline.comparison.verdicts import findings_of
from glaciertime.report.trainings_content import content_of

from .conftest import image_rows

Rows = Callable[..., pd.DataFrame]
MODELS = ("unet-small", "segformer-b0", "glacier-seg")
RNG = np.random.default_rng(5)
GOOD = {model: RNG.uniform(0.5, 0.7, 8) + 0.05 * at for at, model in enumerate(MODELS)}


def plan_of(**given: Any) -> ComparisonPlan:
    return ComparisonPlan(data={"ice": DataSet(reader="caffe")}, models=MODELS, **{"draws": 200, **given})


def models_rows(rows_of: Rows, *, seeds: tuple[int, ...] = (1, 2), shift: float = 0.01, **about: Any) -> pd.DataFrame:
    return rows_of({
        (("model", model), ("seed", seed)): list(GOOD[model] + shift * (seed - 1)) for model in MODELS for seed in seeds
    }, **about)  # fmt: skip


def found_of(rows: pd.DataFrame, **given: Any) -> dict[str, Any]:
    found = findings_of(plan_of(**given), Conducted(rows))
    json.dumps(found, allow_nan=False)
    return found


def test_tests_are_of_the_units_whatever_the_number_of_seeds(rows_of: Rows) -> None:
    for seeds in ((1, 2), (1, 2, 3, 4, 5, 6)):
        rows = models_rows(rows_of, seeds=seeds, shift=0.0)
        family = next(one for one in found_of(rows)["families"] if one["metric"] == "iou")
        assert (family["unit"], family["units"]) == ("glacier", 8)
        scored = unit_scores(rows[rows["split"] == "test"], by=["model", "seed"], unit="glacier")
        wide = scored.groupby(["unit", "model"])["iou"].mean().unstack()[list(MODELS)]
        pair = family["pairs"][0]
        expected = stats.ttest_rel(wide[MODELS[0]], wide[MODELS[1]])
        assert (pair["t"], pair["p_t"]) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-6)
        assert family["anova"]["f"] == pytest.approx(stats.f_oneway(*wide.to_numpy().T).statistic, rel=1e-6)
        assert family["friedman"]["p"] == pytest.approx(stats.friedmanchisquare(*wide.to_numpy().T).pvalue, rel=1e-9)


def test_with_few_glaciers_the_units_are_scenes_and_with_few_of_both_there_is_no_p(rows_of: Rows) -> None:
    rows = models_rows(rows_of, unit="scene")
    family = found_of(rows)["families"][0]
    assert (family["unit"], family["units"]) == ("scene", 8)
    few = rows[rows["scene"].isin(["scene0", "scene1", "scene2", "s"])]
    pair = found_of(few)["families"][0]["pairs"][0]
    assert pair["p_t"] is None
    assert pair["reason"].endswith("units in common: no p-value of fewer than 5")


def test_seeds_are_told_as_the_noise_of_training(rows_of: Rows) -> None:
    found = found_of(models_rows(rows_of, seeds=(1, 2), shift=0.02))
    noise = next(one for one in found["seeds"] if one["metric"] == "iou")
    assert noise["degrees_of_freedom"] == 3
    assert noise["pooled_sd"] == pytest.approx(0.02 / np.sqrt(2), rel=0.02)
    alone = found_of(models_rows(rows_of, seeds=(1,)))
    assert alone["seeds"][0]["pooled_sd"] is None


def test_all_pairs_of_one_question_are_corrected_together(rows_of: Rows) -> None:
    rows = models_rows(rows_of)
    both = pd.concat([rows.assign(modality="a"), rows.assign(modality="b")])
    families = [one for one in found_of(both)["families"] if one["factor"] == "model" and one["metric"] == "iou"]
    assert [one["tests_corrected_for"] for one in families] == [6, 6]
    pair = families[0]["pairs"][0]
    assert pair["p_t_bonferroni"] == pytest.approx(min(1.0, 6 * pair["p_t"]))


def test_with_a_baseline_only_pairs_with_it_are_made(rows_of: Rows) -> None:
    family = found_of(models_rows(rows_of), baseline="segformer-b0")["families"][0]
    assert [(pair["first"], pair["second"]) for pair in family["pairs"]] == [
        ("unet-small", "segformer-b0"), ("glacier-seg", "segformer-b0"),
    ]  # fmt: skip


def test_other_data_are_other_places_and_not_paired(rows_of: Rows) -> None:
    rows = models_rows(rows_of)
    both = pd.concat([rows, rows.assign(data="sea")])
    plan = ComparisonPlan(data={"ice": DataSet(reader="caffe"), "sea": DataSet(reader="nird")}, models=MODELS)
    family = next(one for one in findings_of(plan, Conducted(both))["families"] if one["factor"] == "data")
    assert (family["paired"], family["pairs"], family["friedman"]) == (False, [], None)


def test_models_that_were_not_tested_on_the_same_places_are_not_paired(rows_of: Rows) -> None:
    rows = models_rows(rows_of)
    other = rows["model"] == "glacier-seg"
    rows.loc[other, "glacier"] = "other-" + rows.loc[other, "glacier"]
    family = next(one for one in found_of(rows, baseline="glacier-seg")["families"] if one["metric"] == "iou")
    assert {pair["reason"] for pair in family["pairs"]} == {"0 units in common: no p-value of fewer than 5"}


def test_scores_are_of_summed_counts_and_not_means_of_images() -> None:
    rows = pd.DataFrame([*image_rows(1.0, pixels=100, sample="a"), *image_rows(0.0, pixels=900, sample="b", scene="t")])
    whole = unit_scores(rows, by=["model"], unit="")
    # 100 of 100 right, 0 of 900 in either class: tp 100, fp 900, fn 900.
    assert whole["iou"].item() == pytest.approx(100 / 1900)
    assert whole["pixel_accuracy"].item() == pytest.approx(0.1)
    by_scene = unit_scores(rows, by=["model"], unit="scene")
    assert sorted(by_scene["iou"]) == [0.0, 1.0]


def test_a_class_that_a_unit_does_not_have_is_no_score_of_it() -> None:
    rows = pd.DataFrame(image_rows(0.5))
    rows.loc[rows["class"] == "ocean", "value"] = [0.0, 0.0, 0.0, 2000.0]
    scored = class_scores(rows, by=["model"], unit="").set_index("class")
    assert np.isnan(scored.loc["ocean", "iou"])
    assert unit_scores(rows, by=["model"], unit="")["iou"].item() == scored.loc["glacier", "iou"]


def test_images_of_no_glacier_are_no_glacier(rows_of: Rows) -> None:
    rows = models_rows(rows_of)
    test = rows[rows["split"] == "test"]
    assert unit_of(test) == "glacier"
    assert unit_of(test[test["glacier"].isin([f"glacier{at}" for at in range(4)])].assign(x=1)) == "scene"


def test_images_of_no_known_glacier_are_no_unit_of_a_test_and_are_told(rows_of: Rows) -> None:
    rows = models_rows(rows_of)
    nameless = [row for model in MODELS for seed in (1, 2)
                for row in image_rows(0.1, model=model, seed=seed, glacier="", scene="x", sample="x")]  # fmt: skip
    found = found_of(pd.concat([rows, pd.DataFrame(nameless)]))
    plain = found_of(rows)
    assert {one["units"] for one in found["families"]} == {8}
    assert found["families"][0]["pairs"] == plain["families"][0]["pairs"]
    assert found["conditions"][0]["scores"]["iou"]["mean"] < plain["conditions"][0]["scores"]["iou"]["mean"]
    assert any(one.startswith("ice: 1 test images are of no known glacier") for one in found["told"])


def test_what_is_paired_over_glaciers_on_other_images_is_told(rows_of: Rows) -> None:
    kinds = {(("modality", kind),): list(GOOD["unet-small"]) for kind in ("optical", "radar")}
    rows = rows_of(kinds)
    other = (rows["modality"] == "radar") & (rows["glacier"] == "glacier3") & (rows["metric"] == "fn")
    for is_same, tested in ((True, rows), (False, rows.assign(value=rows["value"] + 7 * other))):
        found = found_of(tested)
        assert {one["same_images"] for one in found["families"]} == {is_same}
        told = any("not on the same images" in note for part in content_of(found) for note in part.notes)
        assert told is not is_same


def test_fronts_that_were_not_found_are_told_beside_the_error_of_the_others(rows_of: Rows) -> None:
    rows = models_rows(rows_of)
    images = rows[(rows["metric"] == "tp") & (rows["class"] == "glacier")].assign(**{"class": "all"})
    lost = (images["model"] == "unet-small") & (images["seed"] == 1)
    fronts = [images.assign(metric=name, value=value) for name, value in
              (("front_sum_px", 20.0), ("front_count", 10.0), ("front_labelled", 1.0))]  # fmt: skip
    fronts[0].loc[lost, "value"] = fronts[1].loc[lost, "value"] = 0.0
    fronts.append(images.assign(metric="front_missed", value=lost.astype(float)))
    found = found_of(pd.concat([rows, *fronts]), metrics=("iou", "front_error_px"))
    assert found["conditions"][0]["fronts"] == {"labelled": 16, "missed": 8}
    notes = " ".join(note for section in content_of(found) for note in section.notes)
    assert "all seeds together: ice, unet-small 8 of 16. A model that misses" in notes
    noise = next(one for one in found["seeds"] if one["metric"] == "front_error_px")
    # Two seeds of two models; of the third one seed alone has an error.
    assert noise["degrees_of_freedom"] == 2


def test_runs_that_failed_are_rows_with_their_reason_and_no_score(rows_of: Rows) -> None:
    rows = models_rows(rows_of)
    gone = rows.iloc[:1].assign(
        model="vim-seg", status="failed", reason="no memory", split="", glacier="", value=np.nan
    )
    found = found_of(pd.concat([rows, gone]))
    assert [(one["model"], one["reason"]) for one in found["failed"]] == [("vim-seg", "no memory")]
    assert all(one["model"] != "vim-seg" for one in found["conditions"])
    nothing = found_of(gone)
    assert (nothing["conditions"], nothing["families"]) == ([], [])


def test_simulated_images_are_told(rows_of: Rows) -> None:
    assert found_of(models_rows(rows_of))["simulated"] == []
    assert found_of(models_rows(rows_of).assign(source="simulated"))["simulated"] == ["ice"]


def test_of_few_units_the_interval_is_as_wide_as_by_students_t(rows_of: Rows) -> None:
    """And what scenes of one glacier say is told to be of it alone."""
    rows = models_rows(rows_of, unit="scene")
    rows = rows[~rows["scene"].isin(["scene5", "scene6", "scene7"])]
    found = found_of(rows, draws=2_000)
    family = next(one for one in found["families"] if one["metric"] == "iou")
    pair = family["pairs"][0]
    assert (family["units"], family["glaciers"]) == (5, 1)
    scored = unit_scores(rows[rows["split"] == "test"], by=["model", "seed"], unit="scene")
    wide = scored.groupby(["unit", "model"])["iou"].mean().unstack()
    gap = (wide[MODELS[0]] - wide[MODELS[1]]).to_numpy()
    half = stats.t.ppf(0.975, 4) * gap.std(ddof=1) / np.sqrt(5)
    plain = stats.norm.ppf(0.975) * gap.std(ddof=0) / np.sqrt(5)
    assert (pair["high"] - pair["low"]) / 2 > 1.2 * plain
    assert (pair["high"] - pair["low"]) / 2 == pytest.approx(half, rel=0.25)
    told = " ".join(content_of(found)[0].lead)
    assert "Tests over scenes of 1 glacier say whether another scene of the same places" in told
    assert "Of 5 units Wilcoxon's p cannot be below 0.062" in told


def test_data_of_the_same_images_are_not_compared_as_other_places(rows_of: Rows) -> None:
    rows = models_rows(rows_of)
    both = pd.concat([rows, rows.assign(data="again")])
    plan = ComparisonPlan(data={"ice": DataSet(reader="caffe"), "again": DataSet(reader="caffe")}, models=MODELS,
                          draws=200)  # fmt: skip
    found = findings_of(plan, Conducted(both, same_images=frozenset({frozenset({"ice", "again"})})))
    assert all(one["factor"] == "model" for one in found["families"])
    assert any(one.startswith("again and ice are tested on the same images") for one in found["told"])
    apart = findings_of(plan, Conducted(both))
    assert any(one["factor"] == "data" for one in apart["families"])
