"""What is asked of samples is asked of every reader alike: a class against all others, filters, splits."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from glaciertime.errors import UsageError
from glaciertime.scenes.datasets.named_splits import SplitPlan, split_named
from glaciertime.scenes.datasets.readers import open_training_data, reader_names
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.scenes.datasets.selection import Selected, Selection, open_selection
from tests.dataset_trees import SIMULATED, TREES

#: What is ice of each; of a reader that is not named here, what its codes say.
ICE = {
    "caffe": ["glacier"], "folder": ["glacier"], "glacierhack": ["clean ice", "debris-covered ice"],
    "hkh-aryal": ["clean ice", "debris-covered ice"], "hkh-baraka": ["clean ice", "debris-covered ice"],
    "landsat-fronts": ["glacier"], "nird": ["glacier"], "simulated": ["glacier"],
}  # fmt: skip
#: What the samples of each say at least; of a reader that is not named here, what they do say.
KNOWN = {
    "date": {"caffe", "folder", "landsat-fronts"},
    "sensor": {"caffe", "hkh-aryal", "hkh-baraka", "landsat-fronts", "simulated"},
    "region": {"nird"},
    "glacier": {"caffe", "hkh-aryal", "hkh-baraka", "landsat-fronts", "nird", "simulated"},
}


def of(name: str, root: Path, selection: Selection) -> Selected:
    options = SIMULATED if name == "simulated" else None
    return open_selection(name, root=root, options=options, selection=selection)


@pytest.mark.parametrize("name", TREES)
def test_ice_against_all_else(name: str, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    plain = open_training_data(name, root=tmp_path, options=SIMULATED if name == "simulated" else None)
    of_ice = ICE.get(name, [each for each, code in zip(plain.classes, plain.codes, strict=True) if code == 127])
    if not of_ice:
        with pytest.raises(UsageError, match="is glacier ice; say with --positive NAME"):
            of(name, tmp_path, Selection(binary=True))
        first = plain.classes[0]
        found = of(name, tmp_path, Selection(binary=True, positive=(first,)))
        assert found.classes == (f"not {first}", first)
        return
    found = of(name, tmp_path, Selection(binary=True))
    assert len(found.classes) == len(set(found.codes)) == 2
    assert 127 in found.codes
    place = found.codes.index(127)
    for index in range(len(found)):
        ice = np.isin(plain[index].labels, [plain.classes.index(each) for each in of_ice])
        assert ((found[index].labels == place) == ice).all()
        assert set(np.unique(found[index].labels)) <= {0, 1, IGNORE}
    assert len(found) == len(plain)


@pytest.mark.parametrize("what", KNOWN)
@pytest.mark.parametrize("name", TREES)
def test_filters_are_used_or_refused(name: str, what: str, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    plain = of(name, tmp_path, Selection())
    held = getattr(plain.infos[0], what)
    asked: dict[str, Selection] = {
        "date": Selection(start=held, end=held) if held else Selection(start=dt.date(2000, 1, 1)),
        "sensor": Selection(sensors=(held or "ERS",)),
        "region": Selection(regions=(held or "AN",)),
        "glacier": Selection(glaciers=(held or "Crane",)),
    }
    assert held or name not in KNOWN[what]
    if not held:
        with pytest.raises(UsageError, match=f"the samples of {name} say no {what}"):
            of(name, tmp_path, asked[what])
        return
    found = of(name, tmp_path, asked[what])
    assert {getattr(info, what) for info in found.infos} == {held}
    assert len(found) == sum(getattr(info, what) == held for info in plain.infos)


@pytest.mark.parametrize("name", TREES)
def test_a_random_split_is_possible_and_says_what_it_is(name: str, tmp_path: Path) -> None:
    TREES[name](tmp_path)
    found = of(name, tmp_path, Selection())
    split = split_named(found.infos, SplitPlan(kind="random", test_fraction=0.5, validation_fraction=0))
    assert len(split.train) == len(split.test) == len(found) // 2
    assert split.told.startswith("parted at random")


def test_no_reader_is_left_out() -> None:
    assert sorted(TREES) == reader_names()
