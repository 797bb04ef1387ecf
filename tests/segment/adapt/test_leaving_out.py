"""What is said to be gained is measured at dates that were not learnt from."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from glaciertime.errors import InputError  # noqa: E402
from glaciertime.scenes.datasets.sample import IGNORE  # noqa: E402
from glaciertime.segment.adapt.leaving_out import (  # noqa: E402
    Gain,
    LeftOut,
    better_turn,
    leave_out,
    sentences,
    traced_front,
    turns_errors_px,
)
from tests.segment.adapt.places import SPEC, sample  # noqa: E402


class Level(torch.nn.Module):
    """Draws its front above one row, whatever the image."""

    def __init__(self, row: int) -> None:
        super().__init__()
        self.row = row
        self.anything = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image):
        ocean = torch.where(torch.arange(image.shape[2]) < self.row, 6.0, -6.0)[None, :, None]
        ocean = ocean.expand(len(image), -1, image.shape[3])
        return torch.stack([-ocean, ocean], dim=1)


def test_each_date_is_left_out_of_what_is_learnt_before_it_is_measured():
    labelled = [sample(row, year=2001 + number) for number, row in enumerate((18, 24, 30))]
    labelled.append(sample(30, year=2003, month=7))
    seen = []

    def learn(known):
        seen.append(sorted({one.info.date.year for one in known}))
        return Level(24)

    gain = leave_out(labelled, network=Level(20), spec=SPEC, learn=learn)
    assert seen == [[2002, 2003], [2001, 2003], [2001, 2002]]
    # Rows 18, 24, 30 and 30 against a front at 20, and at 24.
    assert [one.before_px for one in gain.images] == pytest.approx([2, 4, 10, 10])
    assert [one.after_px for one in gain.images] == pytest.approx([6, 0, 6, 6])
    assert gain.count == 4
    assert gain.before_px == pytest.approx(6.5)
    assert gain.after_px == pytest.approx(4.5)
    assert gain.is_gain
    (told,) = sentences(gain)
    assert "left out in turn, 4 labelled images: mean error of the front from 325 m (6.50 pixels) to 225 m" in told


def test_no_gain_is_said_and_the_model_before_kept():
    gain = Gain(tuple(LeftOut(f"i{k}", f"200{k}-07-03", 1.0, 1.5, 30.0) for k in range(3)))
    assert not gain.is_gain
    assert list(sentences(gain))[-1].endswith("the model as it was given is kept")


def test_a_front_that_is_lost_after_adapting_is_no_gain_however_near_the_others_are():
    lost = LeftOut("i3", "2003-07-03", 5.0, float("nan"), 30.0)
    gain = Gain((*(LeftOut(f"i{k}", f"200{k}-07-03", 5.0, 1.0, 30.0) for k in range(3)), lost))
    assert gain.count == 3
    assert not gain.is_gain
    assert any("1 more have no front" in told for told in sentences(gain))


def test_fewer_than_three_dates_are_refused():
    labelled = [sample(20, year=2001), sample(22, year=2001), sample(24, year=2002)]
    with pytest.raises(InputError, match="2 labelled dates given, at least 3 are needed"):
        leave_out(labelled, network=Level(20), spec=SPEC, learn=lambda known: Level(20))


def test_many_dates_are_left_out_in_five_groups_and_each_once():
    labelled = [sample(20, year=2001 + number) for number in range(7)]
    learnt = []
    gain = leave_out(labelled, network=Level(20), spec=SPEC, learn=lambda known: learnt.append(known) or Level(20))
    assert len(learnt) == 5
    assert [one.date[:4] for one in gain.images] == [str(year) for year in range(2001, 2008)]
    assert np.isclose(gain.before_px, 0)


def dark_is_ocean(batch):
    """Tell ocean from glacier by brightness alone, wherever it lies."""
    ocean = (batch[:, 0] < batch[:, 0].mean(axis=(1, 2), keepdims=True)).astype(np.float32) * 0.96 + 0.02
    return np.stack([1 - ocean, ocean], axis=1)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_labels_whose_ocean_is_on_the_wrong_side_are_told_by_the_turn_that_sets_them_right(turns):
    lying = []
    for number, row in enumerate((18, 24, 30)):
        right = sample(row, year=2001 + number)
        # A traced line has no sides: with a wrong direction the front lies right and its ocean on the wrong side.
        front = np.rot90(front_of(right), -turns)
        zones = np.full(front.shape, IGNORE, np.uint8)
        seen = front.any(axis=0)
        last = np.where(front, np.arange(len(front))[:, None], -1).max(axis=0)
        zones[:, seen] = np.where(np.arange(len(front))[:, None] <= last, 1, 0)[:, seen]
        lying.append(replace(right, image=np.rot90(right.image, -turns, axes=(1, 2)), labels=zones))
    errors = turns_errors_px(lying, run=dark_is_ocean, spec=SPEC)
    assert errors.shape == (3, 4)
    assert better_turn(errors) == turns
    assert errors[:, turns].max() < 2


def front_of(one):
    return traced_front(one.labels, SPEC)
