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
