"""The optimiser of a training, and its learning rate at every step: a function of the step and the scores so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from glaciertime.segment.teach.config import TrainConfig

__all__ = ["PLATEAU_EPOCHS", "build_optimiser", "epochs_since_best", "plateau_drops", "rate_factor"]

#: Without a better score, after which the rate of ``plateau`` falls, where no other number is given.
PLATEAU_EPOCHS = 10
_RISING = 0.3  # of the steps of one cycle
_START, _END = 1 / 25, 1 / 25e4  # of the peak, at the first and at the last step of one cycle


def build_optimiser(config: TrainConfig, network: nn.Module, loss: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of the weights of a network, and of those that its loss learns.

    Weights of a loss are kept out of the weight decay, which would draw them to 0.
    """
    groups = [{"params": list(network.parameters()), "weight_decay": config.weight_decay}]
    learned = list(loss.parameters())
    if learned:
        groups.append({"params": learned, "weight_decay": 0.0})
    rate = config.learning_rate
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.9 if config.momentum is None else config.momentum)
    if config.optimiser == "rmsprop":
        return torch.optim.RMSprop(groups, lr=rate, momentum=config.momentum or 0.0)
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "nadam": torch.optim.NAdam}
    return kinds[config.optimiser](groups, lr=rate)


def rate_factor(
    config: TrainConfig, step: int, *, steps: int, scores: Sequence[float] = (), larger_is_better: bool = True
) -> float:
    """Return what the learning rate's peak is multiplied by at a step.

    Parameters
    ----------
    config : TrainConfig
    step : int
        From 0.
    steps : int
        Of the whole training; where it is extended, of the longer one.
    scores : sequence of float
        Of the epochs that are over; for ``plateau``.
    larger_is_better : bool

    Returns
    -------
    float
        ``cosine``: ``(1 + cos(pi t)) / 2``, t from 0 at the end of the warm-up to 1 at the last step. ``one-cycle``:
        Smith and Topin 2018, arXiv:1708.07120, in two halves of a cosine, from 1/25 to 1 and on to 1/250,000.

    Examples
    --------
    >>> settings = TrainConfig(data="simulated", root=".", epochs=10, warm_up=1)
    >>> [round(rate_factor(settings, step, steps=100), 2) for step in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    if config.schedule == "one-cycle":
        top = _RISING * steps - 1
        if step <= top:
            return _half_cosine(_START, 1.0, step / max(top, 1))
        return _half_cosine(1.0, _END, min(1.0, (step - top) / max(steps - 1 - top, 1)))
    warm = max(1, steps // 20) if config.warm_up is None else round(config.warm_up * steps / config.epochs)
    if step < warm:
        return (step + 1) / warm
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))
    if config.schedule == "plateau":
        drops = plateau_drops(scores, epochs=config.plateau_epochs or PLATEAU_EPOCHS, larger_is_better=larger_is_better)
        return float((config.plateau_factor or 0.1) ** drops)
    return 1.0


def plateau_drops(scores: Sequence[float], *, epochs: int, larger_is_better: bool) -> int:
    """Return how often more than ``epochs`` epochs went by without a better score than the best so far.

    The count begins anew after each drop, as in :class:`torch.optim.lr_scheduler.ReduceLROnPlateau`.

    Examples
    --------
    >>> plateau_drops([0.5, 0.4, 0.5, 0.6, 0.6, 0.6], epochs=1, larger_is_better=True)
    2
    """
    best, waited, drops = -math.inf, 0, 0
    for score in scores:
        value = score if larger_is_better else -score
        if value > best:
            best, waited = value, 0
        else:
            waited += 1
        if waited > epochs:
            drops, waited = drops + 1, 0
    return drops


def epochs_since_best(scores: Sequence[float], *, larger_is_better: bool) -> int:
    """Return how many epochs have gone by since the best score; a score that is not known is no better one.

    Examples
    --------
    >>> epochs_since_best([0.2, 0.7, 0.7, 0.6], larger_is_better=True)
    2
    """
    values = [(score if larger_is_better else -score) for score in scores]
    known = [value for value in values if not math.isnan(value)]
    return len(values) - 1 - values.index(max(known)) if known else len(values)


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))
