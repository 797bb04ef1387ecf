"""Ours stands in a published table only where it is of that row, beside the published figure and never in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glaciertime.pipeline.comparison.conducting import Choice
from glaciertime.pipeline.comparison.filling import filled
from glaciertime.pipeline.comparison.performing import COLUMNS
from glaciertime.pipeline.comparison.plan import ComparisonPlan, DataSet
from glaciertime.pipeline.comparison.unit_scores import unit_scores
from glaciertime.report.published_tables import published_table, section_of, table_names
from glaciertime.segment.architectures.registry import model_names

Rows = Callable[..., pd.DataFrame]
RNG = np.random.default_rng(7)
LAYERS = {name: RNG.uniform(0.4, 0.9, 6) for name in ("glacier-seg-s12-d2", "glacier-seg-s4-d2", "glacier-seg-s1-deep")}


def plan_of(**given: Any) -> ComparisonPlan:
    held = {"reader": "nird", **given}
    return ComparisonPlan(data={"ice": DataSet(**held)}, models=tuple(LAYERS))


def layer_rows(rows_of: Rows) -> pd.DataFrame:
    return rows_of({(("model", name), ("seed", seed)): list(values) for name, values in LAYERS.items()
                    for seed in (1, 2)})  # fmt: skip


def scores(rows: pd.DataFrame) -> pd.DataFrame:
    test = rows[rows["split"] == "test"]
    return unit_scores(test, by=["model"], unit="glacier").pivot_table(index="unit", columns="model", values="iou")


def test_a_row_that_was_run_has_ours_and_the_others_none(rows_of: Rows) -> None:
    rows = layer_rows(rows_of)
    table = published_table("5.7")
    cells = filled(table, plan=plan_of(), rows=rows).ours
    assert {row for row, _ in cells} == {0, 1, 2}
    whole = unit_scores(rows[rows["split"] == "test"], by=["model"], unit="").set_index("model")["iou"]
    assert cells[0, "Mean IoU"] == f"{whole['glacier-seg-s12-d2']:.4f} ± 0.0000"
    section = section_of(table, cells)
    assert section.head[1:3] == ["Mean IoU, published", "Mean IoU, ours"]
    assert [row[1] for row in section.rows] == ["0.9574", "0.9110", "0.8998", "0.8391", "0.8089", "0.4297"]
    assert [bool(row[2]) for row in section.rows] == [True, True, True, False, False, False]


def test_the_tests_of_a_table_are_those_of_scipy_over_the_units(rows_of: Rows) -> None:
    rows = layer_rows(rows_of)
    wide = scores(rows)
    cells = filled(published_table("5.12"), plan=plan_of(), rows=rows).ours
    base = wide["glacier-seg-s12-d2"]
    p_values = {}
    for row, name in ((0, "glacier-seg-s4-d2"), (1, "glacier-seg-s1-deep")):
        expected = stats.ttest_rel(wide[name], base)
        p_values[row] = min(1.0, 2 * expected.pvalue)
        assert cells[row, "t-stat"] == f"{expected.statistic:.2f}"
        assert cells[row, "Mean IoU Diff."] == f"{(wide[name] - base).mean():+.3f}"
    assert cells[0, "p_adj"] == ("< 0.001" if p_values[0] < 0.001 else f"{p_values[0]:.3f}")
    assert (2, "t-stat") not in cells
    anova = filled(published_table("5.11"), plan=plan_of(), rows=rows).ours
    assert anova[0, "F-statistic"] == f"{stats.f_oneway(*wide.to_numpy().T).statistic:.2f}"


def test_of_several_modalities_the_one_that_is_named_stands_in_a_table_that_knows_none(rows_of: Rows) -> None:
    rows = layer_rows(rows_of)
    other = rows.assign(modality="radar")
    other.loc[other["metric"] == "tp", "value"] -= 50
    both = pd.concat([rows.assign(modality="optical"), other])
    table = published_table("5.7")
    unclear = filled(table, plan=plan_of(), rows=both)
    assert unclear.ours == {}
    assert "modality: optical, radar); say with `table_modality`" in unclear.told[-1]
    named = filled(table, plan=plan_of(modalities={"optical": {}, "radar": {}}, table_modality="optical"), rows=both)
    assert named.ours == filled(table, plan=plan_of(), rows=rows).ours
    assert "ice, optical: reader nird" in named.told[0]


def test_the_merged_models_stand_for_those_that_they_are_of(rows_of: Rows) -> None:
    rows = rows_of({(("data", "both"), ("variant", "cross-entropy")): [0.5, 0.6]})
    rows = pd.concat([rows, rows.assign(data="clean")]).replace({"glacier": "clean ice", "ocean": "debris-covered ice"})
    table = published_table("boundary:3")
    clean = DataSet(reader="hkh-aryal")
    plan = ComparisonPlan(data={"clean": clean, "both": DataSet(reader="hkh-aryal", merge={"of": ("clean", "sea"),
                          "rule": "debris > clean"})}, models=("unet-small",))  # fmt: skip
    cells = filled(table, plan=plan, rows=rows)
    assert set(cells.ours) == {(0, name) for name in table.ours}
    assert "both: the models of clean and sea, merged by debris > clean" in cells.told[0]
    alone = ComparisonPlan(data={"clean": clean, "sea": clean}, models=("unet-small",))
    assert filled(table, plan=alone, rows=rows.assign(data=["sea"] * len(rows))).ours == cells.ours


def test_other_data_fill_nothing_unless_they_are_said_to_stand_for_it(rows_of: Rows) -> None:
    rows = layer_rows(rows_of)
    table = published_table("5.7")
    assert filled(table, plan=plan_of(reader="caffe"), rows=rows).ours == {}
    stood = filled(table, plan=plan_of(reader="simulated", stands_for="nird"), rows=rows.assign(source="simulated"))
    assert stood.ours
    assert "ice (SIMULATED): reader simulated, in place of nird" in stood.told[0]


def test_a_cell_that_two_conditions_could_be_is_left_empty(rows_of: Rows) -> None:
    rows = layer_rows(rows_of)
    two = pd.concat([rows, rows.assign(variant="other")])
    assert filled(published_table("5.7"), plan=plan_of(), rows=two).ours == {}


def test_modality_and_samples_of_a_row_are_asked_for(rows_of: Rows) -> None:
    rows = rows_of({(("model", "glacier-seg"), ("modality", kind), ("samples", count)): list(RNG.uniform(0.4, 0.9, 6))
                    for kind, count in (("full", 500), ("Full", 2000), ("optical only", 500))})  # fmt: skip
    cells = filled(published_table("5.2"), plan=plan_of(), rows=rows).ours
    assert {row for row, column in cells if column == "mIoU"} == {0, 1, 5}
    paired = filled(published_table("5.10"), plan=plan_of(), rows=rows).ours
    assert {row for row, _ in paired} == {0, 4}
    assert (0, "p_adj") in paired


def test_july_and_august_are_told_apart_by_the_dates_of_the_test_images(rows_of: Rows) -> None:
    parts = []
    for train_on, july, august in (("july", 0.8, 0.5), ("august", 0.4, 0.9)):
        for month, iou in ((7, july), (8, august)):
            held = rows_of({(("train_on", train_on),): [iou] * 3})
            parts.append(held.assign(date=f"2020-{month:02}-15"))
    cells = filled(published_table("sentinel2:3"), plan=plan_of(reader="folder"), rows=pd.concat(parts)).ours
    dice = {iou: f"{100 * 2 * iou / (1 + iou):.0f}" for iou in (0.4, 0.5, 0.8, 0.9)}
    found = {cell: text.split(".")[0] for cell, text in cells.items()}
    assert found == {
        (0, "F1-score on August test set"): str(int(100 * 1.8 / 1.9)), (0, "F1-score on July test set"): dice[0.4],
        (1, "F1-score on August test set"): str(int(100 / 1.5)), (1, "F1-score on July test set"): str(int(160 / 1.8)),
    }  # fmt: skip
    assert all(text.endswith("%") for text in cells.values())


def test_what_a_search_chose_stands_in_its_table() -> None:
    choice = Choice(("ice", "", "all", "all", 0, "deeplabv3plus", "all"), "dropout=0.3 batch=4", 0.8, "iou", 4, 0)
    rows = pd.DataFrame({"status": [], "split": []})
    cells = filled(published_table("sentinel2:2"), plan=plan_of(), rows=rows, choices=[choice])
    assert cells.ours == {(0, "Dropout"): "0.3"}


def test_the_retreat_table_takes_an_archives_figures() -> None:
    retreat = pd.DataFrame([{
        "glacier": "crane", "start_date": pd.Timestamp("2002-11-09"), "end_date": pd.Timestamp("2010-02-01"),
        "start_area_km2": 654.08, "end_area_km2": 622.95, "loss_km2": 31.13, "loss_percent": 4.76,
    }])  # fmt: skip
    rows = pd.DataFrame({"status": [], "split": []})
    cells = filled(published_table("6.11"), plan=plan_of(), rows=rows, retreat=retreat).ours
    assert (cells[0, "Start Area (km2)"], cells[0, "Total Loss (km2)"]) == ("654.08", "31.13")
    assert cells[0, "Start Year"] == "2002-11-09"
    assert {row for row, _ in cells} == {0}


@pytest.mark.parametrize("name", table_names())
def test_every_published_table_is_whole(name: str) -> None:
    table = published_table(name)
    assert {len(row) for row in table.rows} == {len(table.head)}
    assert set(table.ours) <= set(table.head)
    models = {model for where in (*table.wheres, *table.ours.values()) if where
              for model in np.atleast_1d(where.get("model", []))}  # fmt: skip
    assert models <= set(model_names())
    assert filled(table, plan=plan_of(), rows=pd.DataFrame(columns=list(COLUMNS))).ours == {}
