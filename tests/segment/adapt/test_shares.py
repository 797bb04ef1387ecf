"""Less than all of what was learnt is kept where that errs less at dates left out, and none where nothing gains."""

import pytest

torch = pytest.importorskip("torch")

from glaciertime.segment.adapt.leaving_out import Gain, LeftOut, leave_out  # noqa: E402
from glaciertime.segment.adapt.shares import SHARES, Gains, mixed, sentences_of_gains  # noqa: E402
from tests.segment.adapt.places import SPEC, sample, tiny_network  # noqa: E402


class Level(torch.nn.Module):
    """Draws its front above the row that its only weight holds, whatever the image."""

    def __init__(self, row: float) -> None:
        super().__init__()
        self.row = torch.nn.Parameter(torch.tensor(row), requires_grad=False)

    def forward(self, image):
        ocean = torch.where(torch.arange(image.shape[2]) < self.row, 6.0, -6.0)[None, :, None]
        ocean = ocean.expand(len(image), -1, image.shape[3])
        return torch.stack([-ocean, ocean], dim=1)


@pytest.mark.parametrize(("learnt", "share"), [(28.0, 0.5), (24.0, 1.0), (36.0, 0.25), (12.0, 0.0)])
def test_the_share_is_that_of_the_least_error_at_the_dates_left_out(learnt, share):
    # Fronts at row 24, the model as given at 20: it is right where the mixture lies at 24.
    labelled = [sample(24, year=2001 + number) for number in range(3)]
    given = Level(20.0)
    versions = {each: lambda adapted, each=each: mixed(given, adapted, share=each) for each in SHARES}
    made = leave_out(labelled, network=given, spec=SPEC, learn=lambda known: Level(learnt), versions=versions)
    gains = Gains(tuple(made.items()))
    assert gains.share == share
    if share:
        assert gains.chosen.after_px == pytest.approx(0)
        assert f"kept are {share:.0%} of what was learnt" in next(iter(sentences_of_gains(gains)))
    else:
        assert gains.chosen.after_px == pytest.approx(12)
        assert "no share of what was learnt gains" in next(iter(sentences_of_gains(gains)))


def test_the_ends_of_a_mixture_are_the_two_networks_and_neither_changes():
    one, other = tiny_network(), tiny_network()
    with torch.no_grad():
        for value in other.parameters():
            value.add_(1.0)
    before = {name: value.clone() for name, value in one.state_dict().items()}
    for share, end in ((0.0, one), (1.0, other)):
        for name, value in mixed(one, other, share=share).state_dict().items():
            torch.testing.assert_close(value, end.state_dict()[name], rtol=0, atol=2e-7)
    half = mixed(one, other, share=0.5).state_dict()
    name = next(iter(dict(one.named_parameters())))
    torch.testing.assert_close(half[name], before[name] + 0.5)
    assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())


def test_a_share_that_loses_a_front_is_not_chosen_however_near_it_is_elsewhere():
    def gain(*after):
        return Gain(tuple(LeftOut(f"i{k}", f"200{k}-07-03", 5.0, value, 30.0) for k, value in enumerate(after)))

    assert Gains(((1.0, gain(0.1, 0.1, float("nan"))), (0.5, gain(3.0, 3.0, 3.0)))).share == 0.5
