"""How much of what was learnt is kept: weights between those given and those adapted, chosen at dates left out."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from glaciertime.segment.adapt.leaving_out import Gain

__all__ = ["SHARES", "Gains", "mixed", "sentences_of_gains"]

#: All that was learnt, and less of it.
SHARES = (1.0, 0.75, 0.5, 0.25)


@torch.no_grad()
def mixed(network: nn.Module, adapted: nn.Module, *, share: float) -> nn.Module:
    """Return a network whose weights lie between two: 0 is the first, 1 the second.

    Half-way between weights before and after a fine-tuning the loss is often lower than at either end
    (doi:10.1109/CVPR52688.2022.00780): less of what was known is lost, and most of what was learnt is kept.

    Parameters
    ----------
    network, adapted : torch.nn.Module
        Of one architecture; both stay as they are.
    share : float
        0 to 1.

    Examples
    --------
    >>> one, other = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = one.weight.data.fill_(2.0), other.weight.data.fill_(4.0)
    >>> mixed(one, other, share=0.25).weight.item()
    2.5
    """
    out = copy.deepcopy(network)
    learnt = adapted.state_dict()
    for name, value in out.state_dict().items():
        if value.is_floating_point():
            value.lerp_(learnt[name], share)
        elif share:
            value.copy_(learnt[name])
    return out


@dataclass(frozen=True)
class Gains:
    """What came of leaving dates out, by the share of what was learnt that is kept.

    Attributes
    ----------
    of : tuple of (share, Gain)
        The largest share first.
    """

    of: tuple[tuple[float, Gain], ...]

    @property
    def share(self) -> float:
        """Return how much of what is learnt is to be kept: the share of the least error that is a gain; 0 without one.

        Examples
        --------
        >>> from glaciertime.segment.adapt.leaving_out import LeftOut
        >>> gain = lambda after: Gain((LeftOut("a", "2001-01-01", 2.0, after, 30.0),))
        >>> Gains(((1.0, gain(3.0)), (0.5, gain(1.0)))).share, Gains(((1.0, gain(3.0)),)).share
        (0.5, 0.0)
        """
        gained = [(gain.after_px, -share) for share, gain in self.of if gain.is_gain]
        return -min(gained)[1] if gained else 0.0

    @property
    def chosen(self) -> Gain:
        """Return what the chosen share gained; where none did, what all that was learnt would have come to."""
        return dict(self.of)[self.share] if self.share else self.of[0][1]


def sentences_of_gains(gains: Gains) -> Iterable[str]:
    """Return how the share was chosen, to be read by a person."""
    errors = ", ".join(f"{gain.after_px:.2f} with {share:.0%}" for share, gain in gains.of)
    before = gains.of[0][1].before_px
    if gains.share:
        yield (
            f"kept are {gains.share:.0%} of what was learnt, the best at dates left out ({errors}; {before:.2f} pixels "
            "before): chosen among four by these labels, so its figure is a little too good"
        )
    else:
        yield f"no share of what was learnt gains at dates left out ({errors}; {before:.2f} pixels before)"
