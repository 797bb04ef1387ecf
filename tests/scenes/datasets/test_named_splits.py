"""Splits by name: nothing on two sides that should not be, and what is is told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from skimage import io

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.datasets.caffe_training import official_validation
from glaciertime.scenes.datasets.kept_split import keep_split, read_split
from glaciertime.scenes.datasets.mixture import InMemory
from glaciertime.scenes.datasets.named_splits import SplitPlan, leaks, parse_split, split_named
from glaciertime.scenes.datasets.readers import open_training_data
from glaciertime.scenes.datasets.sample import SampleInfo, TrainingSample
from glaciertime.scenes.datasets.splits import Split

MANY = [
    SampleInfo(f"{glacier}{year}", glacier, region="AN" if glacier < "D" else "GR", date=dt.date(year, 7, 1))
    for glacier in ("A", "B", "C", "D", "E")
    for year in range(2001, 2011)
]


@pytest.mark.parametrize("seed", range(3))
def test_a_random_split_is_60_20_20_and_the_same_for_a_seed(seed: int) -> None:
    split = split_named(MANY, SplitPlan(kind="random", seed=seed))
    assert [len(part) for part in (split.train, split.validation, split.test)] == [30, 10, 10]
    assert sorted((*split.train, *split.validation, *split.test)) == list(range(50))
    assert split == split_named(MANY, SplitPlan(kind="random", seed=seed))
    assert split != split_named(MANY, SplitPlan(kind="random", seed=seed + 1))
    assert "5 glaciers (A, ...) on both sides" in split.told


@pytest.mark.parametrize("kind", ["glacier", "region"])
def test_units_are_whole(kind: str) -> None:
    split = split_named(MANY, SplitPlan(kind=kind, validation_fraction=0.2 if kind == "glacier" else 0))
    sides = [{getattr(MANY[i], kind) for i in part} for part in (split.train, split.validation, split.test)]
    assert not sides[0] & (sides[1] | sides[2])
    assert not sides[1] & sides[2]
    assert split.test


def test_named_glaciers_are_held_out_whatever_their_case() -> None:
    split = split_named(MANY, SplitPlan(kind="glacier", test=("e",), validation=("D",)))
    assert {MANY[i].glacier for i in split.test} == {"E"}
    assert {MANY[i].glacier for i in split.train} == {"A", "B", "C"}
    with pytest.raises(UsageError, match="glacier 'F' to hold out is not in the data"):
        split_named(MANY, SplitPlan(kind="glacier", test=("F",)))
    with pytest.raises(UsageError, match="they go with --split glacier or region"):
        split_named(MANY, SplitPlan(kind="random", test=("E",)))


def test_by_date_the_test_part_is_later_than_all_that_is_trained_on() -> None:
    year_only = SampleInfo("x", "A", date=dt.date(2008, 1, 1), date_flag="year-only")
    infos = [*MANY, year_only, SampleInfo("y", "A")]
    split = split_named(infos, SplitPlan(kind="date", day=dt.date(2008, 3, 1)))
    dates = [[infos[i].date for i in part] for part in (split.train, split.validation, split.test)]
    assert max(dates[0]) < min(dates[1]) <= max(dates[1]) < dt.date(2008, 3, 1) <= min(dates[2])  # type: ignore[type-var]
    assert [len(part) for part in dates] == [25, 10, 15]
    assert "2 samples whose day is not known well enough are not used" in split.told
    with pytest.raises(InputError, match="nothing was taken before that day"):
        split_named(MANY, SplitPlan(kind="date", day=dt.date(2000, 1, 1)))


def tiles(*, stride: int = 10, side: int = 10, blocks: int = 3) -> list[SampleInfo]:
    """Tiles along one scene, a block for every ``blocks`` of them."""
    return [
        SampleInfo(
            f"t{n}", "A", block=f"b{n // blocks}", scene="s", ground="g", bounds=(n * stride, 0, n * stride + side, 10)
        )
        for n in range(15)
    ]


def test_tiles_of_one_scene_on_both_sides_are_told_and_shared_pixels_refused() -> None:
    split = split_named(tiles(), SplitPlan(kind="random"))
    assert "leak: tiles of scene s are on both sides, 6 of 6 held-out tiles among them" in split.told
    assert "show ground" not in split.told  # edges touch, and no more
    with pytest.raises(InputError, match="the same pixels would be learned and scored"):
        split_named(tiles(side=15), SplitPlan(kind="random"))


def test_blocks_share_no_ground_even_where_tiles_overlap() -> None:
    infos = tiles(side=15)
    split = split_named(infos, SplitPlan(kind="block"))
    assert all((split.train, split.validation, split.test))
    parts = [[infos[i].bounds for i in part] for part in (split.train, split.validation, split.test)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not any(a[0] < b[2] and b[0] < a[2] for a in parts[one] for b in parts[other])
    assert "over the edge of a block are not used" in split.told


def test_equal_images_and_equal_ground_on_both_sides_are_told() -> None:
    infos = [
        SampleInfo("a", "A", ground="g", bounds=(0, 0, 2, 2)),
        SampleInfo("b", "B", ground="g", bounds=(1, 1, 3, 3)),
    ]
    split = Split(train=(0,), validation=(), test=(1,))
    assert leaks(infos, split, digests=("11", "11")) == [
        "leak: 1 held-out images are also trained on, pixel for pixel (b)",
        "leak: 1 of 1 held-out samples show ground that is trained on: scores are not those of a new place",
    ]


@pytest.mark.parametrize("kind", ["glacier", "region", "block", "date:2003"])
def test_what_samples_do_not_know_cannot_part_them(kind: str) -> None:
    name, day = parse_split(kind)
    with pytest.raises(UsageError, match=f"the samples say no {name}"):
        split_named([SampleInfo("a", ""), SampleInfo("b", "")], SplitPlan(kind=name, day=day))


@pytest.mark.parametrize(
    ("text", "told"), [("date", "date:2015-01-01"), ("rnadom", "nearest: random"), ("random:3", "only date")]
)
def test_a_split_is_typed_so(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_split(text)


def test_the_official_validation_of_caffe_is_its_own_split(tmp_path: Path) -> None:
    stems = [f"Crane_20{n:02d}-11-09_ERS_20_2_061" for n in range(20)]
    for part, ending in (("sar_images", ""), ("zones", "_zones")):
        folder = tmp_path / part / "train"
        folder.mkdir(parents=True)
        for stem in stems:
            io.imsave(
                folder / f"{stem}{ending}.png", __import__("numpy").full((4, 4), 127, "uint8"), check_contrast=False
            )
    infos = open_training_data("caffe", root=tmp_path).infos
    split = split_named(infos, SplitPlan(kind="own"))
    assert list(split.validation) == official_validation(20)
    assert len(split.train) == 18
    assert "glacier Crane on both sides" in split.told


def test_the_parts_are_kept_beside_the_weights_and_found_by_image(tmp_path: Path) -> None:
    infos = [SampleInfo(name, "X") for name in "abc"]
    samples = tuple(
        TrainingSample(np.zeros((1, 2, 2), np.float32), np.zeros((2, 2), np.uint8), np.ones(1, bool), i) for i in infos
    )
    data = InMemory(samples, ("b",), ("x", "y"), (1, 2))
    split = Split(train=(0,), validation=(1,), test=(2,), told="as told")
    keep_split(tmp_path, data, split, name="folder", kind="random", seed=3, settings={"binary": True})
    kept = read_split(tmp_path / "weights.safetensors")
    assert kept is not None
    assert (kept.data, kept.split, kept.seed, kept.told, kept.settings) == (
        "folder",
        "random",
        3,
        "as told",
        {"binary": True},
    )
    assert kept.part_of([SampleInfo(name, "X") for name in "cabz"]) == ["test", "train", "validation", ""]
    assert read_split(tmp_path / "elsewhere" / "weights.safetensors") is None
    (tmp_path / "split.json").write_text('{"parts": 3}')
    with pytest.raises(InputError, match="is damaged"):
        read_split(tmp_path / "weights.safetensors")
