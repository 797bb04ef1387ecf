"""Which samples and classes of a data set are used: asked alike of every reader, and told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from skimage import io

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.datasets.legend import Legend, binary, chosen, folded
from glaciertime.scenes.datasets.mixture import InMemory
from glaciertime.scenes.datasets.readers import open_training_data
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample
from glaciertime.scenes.datasets.selection import (
    Selection,
    open_selection,
    parse_months,
    read_selection,
    select,
)

CAFFE = Legend(("no data", "rock", "glacier", "ocean"), (0, 64, 127, 254), (0, 1, 2, 3))


def data(
    infos: list[SampleInfo], labels: list[np.ndarray] | None = None, classes: tuple[str, ...] = ("rock", "ice")
) -> InMemory:
    rng = np.random.default_rng(0)
    labels = labels or [np.array([[0, 1], [1, 0]], np.uint8)] * len(infos)
    samples = tuple(
        TrainingSample(rng.normal(size=(1, *each.shape)).astype(np.float32), each, np.ones(1, bool), info)
        for info, each in zip(infos, labels, strict=True)
    )
    return InMemory(samples, ("grey",), classes, tuple(range(1, 1 + len(classes))))


DATED = [
    SampleInfo("a", "Crane", date=dt.date(2002, 7, 1), sensor="Landsat 7", region="AN"),
    SampleInfo("b", "Crane", date=dt.date(2003, 1, 5), sensor="ERS", region="AN"),
    SampleInfo("c", "Jorum", date=dt.date(2004, 7, 1), sensor="Landsat 8", region="GR"),
    SampleInfo("d", "Jorum", date=dt.date(2004, 1, 1), date_flag="year-only"),
]


def names(selection: Selection) -> list[str]:
    return [info.name for info in select(data(DATED), selection).infos]


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"start": dt.date(2003, 1, 1)}, "bcd"),
        ({"start": dt.date(2004, 2, 1)}, "c"),  # a year alone may lie before
        ({"end": dt.date(2003, 1, 5)}, "ab"),
        ({"months": (7,)}, "ac"),
        ({"months": (1,)}, "b"),  # 1 January stands for a year here
        ({"sensors": ("landsat",)}, "ac"),
        ({"sensors": ("LC08",)}, "c"),
        ({"sensors": ("Landsat 7", "ERS")}, "ab"),
        ({"regions": ("gr",)}, "c"),
        ({"glaciers": ("CRANE",)}, "ab"),
    ],
)
def test_samples_are_those_asked_for(asked: dict[str, object], left: str) -> None:
    assert "".join(names(Selection(**asked))) == left  # type: ignore[arg-type]


def test_what_was_left_out_is_counted() -> None:
    found = select(data(DATED), Selection(months=(7,)))
    assert found.told == ("--month 7: 2 of 4 samples left out, 1 of them as their month is not known",)
    assert [sample.info.name for sample in found] == ["a", "c"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"sensors": ("Landsat",)}, "say no sensor"),
        ({"regions": ("GR",)}, "say no region"),
        ({"start": dt.date(2003, 1, 1)}, "say no date"),
        ({"months": (3,)}, "say no month"),
        ({"glaciers": ("Crane",)}, "say no glacier"),
    ],
)
def test_what_samples_do_not_know_is_refused(asked: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        select(data([SampleInfo("a", ""), SampleInfo("b", "")]), Selection(**asked))  # type: ignore[arg-type]


def test_an_unknown_name_gets_the_nearest_and_nothing_left_is_refused() -> None:
    with pytest.raises(UsageError, match="nearest: Jorum"):
        names(Selection(glaciers=("Jorun",)))
    with pytest.raises(InputError, match="no sample is left; --from 2005-01-01: 4 of 4"):
        names(Selection(start=dt.date(2005, 1, 1)))


def test_one_glacier_in_two_spellings_is_one() -> None:
    infos = [SampleInfo("a", "Helheim"), SampleInfo("b", "HELHEIM "), SampleInfo("c", "Jakobshavn Isbrae"),
             SampleInfo("d", "Jakobshavn Isbræ")]  # fmt: skip
    found = select(data(infos), Selection())
    assert [info.glacier for info in found.infos][:2] == ["Helheim", "Helheim"]
    assert "HELHEIM  and Helheim are taken for one glacier" in found.told
    assert any("are two glaciers here" in told for told in found.told)


def test_binary_of_caffe_keeps_ocean_and_rock_from_being_one_zone() -> None:
    found = binary(CAFFE)
    assert (found.classes, found.codes, found.table) == (("not glacier", "glacier"), (1, 127), (IGNORE, 0, 1, 0))
    assert binary(CAFFE, ["ocean"]).classes == ("not ocean", "ocean")
    both = binary(Legend(("glacier", "ocean"), (127, 254), (0, 1)))
    assert (both.classes, both.codes, both.table) == (("glacier", "ocean"), (127, 254), (0, 1))


def test_binary_of_ice_kinds_is_glacier_against_background() -> None:
    found = binary(Legend(("background", "clean ice", "debris-covered ice"), (64, 127, 128), (0, 1, 2)))
    assert (found.classes, found.codes, found.table) == (("background", "glacier"), (64, 127), (0, 1, 1))


def test_classes_left_out_are_ignored_and_one_alone_is_refused() -> None:
    found = chosen(CAFFE, ["Ocean", "glacier"])
    assert (found.classes, found.table) == (("glacier", "ocean"), (IGNORE, IGNORE, 0, 1))
    assert found.told == ("ignored, as --classes leaves them out: no data, rock",)
    with pytest.raises(UsageError, match="--binary --positive"):
        chosen(CAFFE, ["ocean"])
    with pytest.raises(UsageError, match="nearest: ocean"):
        chosen(CAFFE, ["ocaen", "rock"])


def test_folding() -> None:
    found = folded(CAFFE, {"not ice": ["rock", "ocean"]})
    assert (found.classes, found.table) == (("no data", "not ice", "glacier"), (0, 1, 2, 1))
    assert len(set(found.codes)) == 3
    with pytest.raises(UsageError, match="have a class of that name"):
        folded(CAFFE, {"ocean": ["rock"]})
    with pytest.raises(UsageError, match="is in a and in b"):
        folded(CAFFE, {"a": ["rock"], "b": ["rock", "ocean"]})


def test_labels_are_the_new_ones_and_counted() -> None:
    labels = [np.array([[0, 1, 2, 3, 255]], np.uint8)] * 2
    found = select(data([SampleInfo("a", "X"), SampleInfo("b", "X")], labels, CAFFE.classes), Selection(binary=True))
    assert found[0].labels.tolist() == [[255, 0, 1, 0, 255]]
    assert found.counts.tolist() == [[2, 1]] * 2
    assert found.pixels.tolist() == [5, 5]
    assert found.labelled == ("not glacier", "glacier")


def test_images_with_too_little_labelled_are_left_out() -> None:
    """Three of 30 pixels are 10 %: kept at 0.1; background and what is ignored count as not labelled."""
    few, enough = np.zeros((5, 6), np.uint8), np.zeros((5, 6), np.uint8)
    few[0, :2], enough[0, :3] = 1, 1
    few[1], enough[1] = IGNORE, IGNORE
    made = data([SampleInfo("few", "X"), SampleInfo("enough", "X")], [few, enough], ("background", "glacier"))
    found = select(made, Selection(min_labelled=0.1))
    assert [info.name for info in found.infos] == ["enough"]
    assert "1 of 2 samples left out, with less than 10% of their pixels glacier" in found.told[0]
    with pytest.raises(InputError, match="no sample is left"):
        select(made, Selection(min_labelled=0.5))


@pytest.mark.parametrize("yes", [1, 255])
def test_masks_of_yes_and_no_are_read_so_only_when_told(tmp_path: Path, yes: int) -> None:
    for number in range(3):
        for band in range(1, 6):
            (tmp_path / f"Band{band}").mkdir(exist_ok=True)
            io.imsave(tmp_path / f"Band{band}" / f"i{number}.tif", np.full((8, 8), 9, np.uint16), check_contrast=False)
        (tmp_path / "labels").mkdir(exist_ok=True)
        mask = np.where(np.arange(64).reshape(8, 8) < 4 + number, yes, 0).astype(np.uint8)
        io.imsave(tmp_path / "labels" / f"i{number}.tif", mask, check_contrast=False)
    with pytest.raises(InputError, match=f"hold 0 and {yes} only.*give --binary"):
        open_selection("glacierhack", root=tmp_path)
    found = open_selection("glacierhack", root=tmp_path, selection=Selection(binary=True))
    assert found.classes == ("background", "glacier")
    assert found.counts[:, 1].tolist() == [4, 5, 6]


def test_masks_of_one_kind_of_ice_are_told_from_masks_of_yes_and_no(tmp_path: Path) -> None:
    for number in range(2):
        np.save(tmp_path / f"tiff_{number}_slice_0.npy", np.ones((4, 4, 8), np.float32))
        np.save(tmp_path / f"mask_{number}_slice_0.npy", np.eye(4, dtype=np.uint8))
    with pytest.raises(InputError, match=r'--binary .*--classes "background,clean ice"'):
        open_selection("hkh-aryal", root=tmp_path)
    found = open_selection("hkh-aryal", root=tmp_path, selection=Selection(classes=("background", "clean ice")))
    assert found.counts.sum(axis=0).tolist() == [24, 8]
    assert open_selection("hkh-aryal", root=tmp_path, selection=Selection(binary=True)).counts.sum(axis=0)[1] == 8


def test_streets_in_seven_groups(tmp_path: Path) -> None:
    picture = tmp_path / "leftImg8bit/train/ulm/a_leftImg8bit.png"
    label = tmp_path / "gtFine/train/ulm/a_gtFine_labelIds.png"
    for path, pixels in ((picture, np.full((2, 3, 3), 50)), (label, np.array([[7, 8, 11], [33, 23, 4]]))):
        path.parent.mkdir(parents=True)
        io.imsave(path, pixels.astype(np.uint8), check_contrast=False)
    found = open_training_data("cityscapes", root=tmp_path, options={"categories": True})
    assert found.classes == ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
    assert found[0].labels.tolist() == [[0, 0, 1], [6, 4, 255]]


def test_months_and_dates_as_they_are_typed() -> None:
    assert parse_months(["11-2", 7]) == (1, 2, 7, 11, 12)
    with pytest.raises(UsageError, match="--month 13"):
        parse_months(["13"])
    found = read_selection({"date_from": "2003", "date_to": "2004", "months": ["6"], "data": "passed over"})
    assert (found.start, found.end) == (dt.date(2003, 1, 1), dt.date(2004, 12, 31))
    with pytest.raises(UsageError, match="--from 01/02/2003"):
        read_selection({"date_from": "01/02/2003"})


def test_equal_images_have_equal_digests() -> None:
    made = data([SampleInfo("a", "X"), SampleInfo("b", "X")])
    twice = InMemory((made.samples[0], made.samples[0], made.samples[1]), made.bands, made.classes, made.codes)
    digests = select(twice, Selection()).digests
    assert digests[0] == digests[1] != digests[2]
