import datetime as dt

import pytest

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import SampleInfo
from glaciertime.scenes.datasets.splits import split_by_block, split_by_glacier

INFOS = [
    SampleInfo(f"{g}{b}{i}", g, block=str(b)) for g in ("Crane", "Jorum", "DBE") for b in range(4) for i in range(3)
]


def test_no_glacier_is_on_two_sides():
    split = split_by_glacier(INFOS, test=["Jorum"], validation=["DBE"])
    sides = [{INFOS[i].glacier for i in part} for part in (split.train, split.validation, split.test)]
    assert sides == [{"Crane"}, {"DBE"}, {"Jorum"}]


@pytest.mark.parametrize("seed", range(5))
def test_no_block_is_on_two_sides(seed):
    split = split_by_block(INFOS, test_fraction=0.25, validation_fraction=0.25, seed=seed)
    sides = [{(INFOS[i].glacier, INFOS[i].block) for i in part} for part in (split.train, split.validation, split.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert len(split.test) == len(split.validation) == 9


def test_an_unknown_glacier_gets_the_nearest_name():
    with pytest.raises(InputError, match="nearest: Jorum"):
        split_by_glacier(INFOS, test=["jorun"])


def test_a_glacier_cannot_be_held_out_twice():
    with pytest.raises(InputError, match="name each once"):
        split_by_glacier(INFOS, test=["Jorum"], validation=["Jorum"])


def test_holding_everything_out_is_refused():
    with pytest.raises(InputError, match="no sample to train on"):
        split_by_glacier(INFOS, test=["Jorum", "Crane", "DBE"])


def dated(glacier, count, *, days, start=dt.date(2001, 3, 1)):
    return [SampleInfo(f"{glacier}{i}", glacier, date=start + dt.timedelta(days=days * i)) for i in range(count)]


def test_whole_glaciers_are_held_out_where_that_comes_near_the_share():
    infos = [info for name in "abcdefghij" for info in dated(name, 10, days=40)]
    split = split_by_block(infos, test_fraction=0.0, validation_fraction=0.1, seed=1)
    assert len(split.validation) == 10
    assert not {infos[i].glacier for i in split.train} & {infos[i].glacier for i in split.validation}
    assert split.told == "held out by glacier"


@pytest.mark.parametrize("seed", range(4))
def test_years_are_held_out_where_glaciers_are_too_large_and_their_neighbours_in_time_are_not_used(seed):
    infos = [*dated("A", 60, days=70), *dated("B", 20, days=70), *dated("C", 20, days=70)]
    split = split_by_block(infos, test_fraction=0.0, validation_fraction=0.1, seed=seed)
    assert 8 <= len(split.validation) <= 12
    for held in (infos[i] for i in split.validation):
        near = [abs((infos[i].date - held.date).days) for i in split.train if infos[i].glacier == held.glacier]
        assert min(near, default=99) >= 30
    assert split.told.startswith("held out by year")


def test_a_share_that_cannot_be_had_is_told():
    infos = [SampleInfo(f"{g}{i}", g) for g, n in (("A", 60), ("B", 20), ("C", 20)) for i in range(n)]
    split = split_by_block(infos, test_fraction=0.0, validation_fraction=0.1, seed=0)
    assert len(split.validation) == 20
    assert "20 of 100 samples for validation, 10 asked for" in split.told


def test_images_of_one_day_cannot_be_parted():
    infos = [SampleInfo(str(i), "A", date=dt.date(2001, 1, 1)) for i in range(5)]
    with pytest.raises(InputError, match="all are of one glacier, place and year"):
        split_by_block(infos, test_fraction=0.0, validation_fraction=0.2, seed=0)
