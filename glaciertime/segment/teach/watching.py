"""What is looked at while a network learns, and the running average of its weights, without making a GPU wait.

Whatever is read from a GPU by ``float``, ``bool`` or ``.item()`` waits until it has done all that it was asked for, and
the host, which asks for hundreds of small things a step, falls behind for good.
"""

from __future__ import annotations

import itertools
import math
from collections import deque

import torch
from torch import Tensor, nn

__all__ = ["LossWatch", "RunningAverage", "are_finite"]


class LossWatch:
    """Losses of the steps so far, each looked at when it has come; a GPU goes on meanwhile.

    Examples
    --------
    >>> watch = LossWatch()
    >>> watch.add(7, torch.tensor(float("nan")))
    >>> watch.first_not_finite()
    (7, nan)
    """

    def __init__(self) -> None:
        self._coming: deque[tuple[int, Tensor, torch.cuda.Event | None]] = deque()

    def add(self, step: int, loss: Tensor) -> None:
        """Take the loss of a step, a tensor without axes."""
        kept, event = loss.detach(), None
        if kept.device.type == "cuda":
            kept = torch.empty((), dtype=kept.dtype, pin_memory=True).copy_(kept, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        self._coming.append((step, kept, event))

    def first_not_finite(self, *, waits: bool = False) -> tuple[int, float] | None:
        """Return step and value of the first loss that is not finite, of those that have come, or of all if ``waits``.

        What was looked at is forgotten.
        """
        while self._coming:
            step, loss, event = self._coming[0]
            if event is not None and not event.query():
                if not waits:
                    return None
                event.synchronize()
            self._coming.popleft()
            value = float(loss.cpu().numpy())
            if not math.isfinite(value):
                return step, value
        return None


class RunningAverage(torch.optim.swa_utils.AveragedModel):
    """The exponential running average of weights and buffers; torch's own asks the device twice a step where it is.

    Parameters
    ----------
    network : what is averaged; its first weights are the first average.
    decay : in [0, 1), weight of the average beside new weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, use_buffers=True)
        self.decay = decay
        self._has_begun: bool | None = None

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``."""
        if self._has_begun is None:
            # Of a training that is resumed; asked once.
            self._has_begun = bool(self.n_averaged > 0)
        ours, theirs = (list(itertools.chain(each.parameters(), each.buffers())) for each in (self.module, model))
        real = [place for place, value in enumerate(ours) if self._has_begun and value.is_floating_point()]
        if real:
            torch._foreach_lerp_([ours[place] for place in real], [theirs[place] for place in real], 1 - self.decay)
        for place in set(range(len(ours))).difference(real):
            value = theirs[place]
            if self._has_begun:
                value = ours[place] * self.decay + value * (1 - self.decay)
            ours[place].copy_(value)
        self.n_averaged += 1
        self._has_begun = True


def are_finite(tensors: list[Tensor]) -> bool:
    """Return whether all numbers of tensors on one device are finite, with one question to the device.

    Examples
    --------
    >>> are_finite([torch.ones(2), torch.tensor([1.0, float("inf")])])
    False
    """
    return not tensors or bool(torch.stack([tensor.detach().isfinite().all() for tensor in tensors]).all())
