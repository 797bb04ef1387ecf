"""Settings of a training that do not go together, or that nothing would use: refused before anything is read."""

from __future__ import annotations

from collections.abc import Sequence

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, OCEAN
from glaciertime.segment.losses.registry import check_loss
from glaciertime.segment.teach.class_weights import check_class_weights
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.loading import augmentation_of
from glaciertime.segment.teach.optimisers import PLATEAU_EPOCHS

__all__ = ["check_settings", "needs_validation", "sides_of"]


def check_settings(config: TrainConfig) -> None:
    """Raise where a setting contradicts another or would be ignored.

    Raises
    ------
    InputError
        The message says which, and what to give instead.
    UsageError
        If the loss is unknown.

    Examples
    --------
    >>> check_settings(TrainConfig(data="simulated", root="."))
    """
    weighted = config.class_weights != "none"
    check_loss(config.loss, settings=config.loss_options, weighted=weighted)
    check_class_weights(config)
    augmentation_of(config)
    if config.momentum is not None and config.optimiser not in ("sgd", "rmsprop"):
        raise InputError(
            f"momentum {config.momentum} given, but {config.optimiser} has its own; it is of sgd and rmsprop"
        )
    for name in ("plateau_epochs", "plateau_factor"):
        value = getattr(config, name)
        if value is not None and config.schedule != "plateau":
            raise InputError(
                f"{name} {value} given with schedule {config.schedule}, which has none; give schedule plateau"
            )
    if config.warm_up is not None:
        if config.schedule == "one-cycle":
            raise InputError("warm_up given with schedule one-cycle, which rises by itself; leave one of them out")
        if config.warm_up > config.epochs:
            raise InputError(f"warm_up of {config.warm_up:g} epochs given, but the training has {config.epochs}")
    lasts = config.plateau_epochs or PLATEAU_EPOCHS
    if config.schedule == "plateau" and config.patience is not None and config.patience <= lasts + 1:
        raise InputError(
            f"patience {config.patience} given with schedule plateau, whose rate falls after {lasts + 1} epochs "
            f"without a better score: it would end before; give patience above {lasts + 1} or fewer plateau_epochs"
        )
    for what in needs_validation(config):
        if not (config.own_split or config.split or config.validation) and config.validation_fraction == 0:
            raise InputError(
                f"{what} given, but nothing is held out to score; "
                "give validation glaciers or a validation_fraction above 0"
            )
    if config.copies and augmentation_of(config).changes_nothing():
        raise InputError(f"copies {config.copies} given with augmentation none: they would be equal; leave one out")


def sides_of(config: TrainConfig, classes: Sequence[str], codes: Sequence[int]) -> tuple[int, int]:
    """Return the places of glacier and of ocean among classes; where nothing asks for a front, the first two.

    Raises
    ------
    InputError
        If loss or metric are of a front, and the classes are not those that it parts.

    Examples
    --------
    >>> sides_of(TrainConfig(data="simulated", root=".", loss="line"), ["ocean", "glacier"], [254, 127])
    (1, 0)
    """
    asked = [f"{name} {getattr(config, name)}" for name, of in (("loss", "line"), ("metric", "front"))
             if getattr(config, name) == of]  # fmt: skip
    if not asked:
        return (0, 1)
    if not {GLACIER, OCEAN} <= set(codes):
        raise InputError(
            f"{asked[0]} given, which is of the front between glacier and ocean, and the classes are "
            f"{', '.join(classes)}; give another"
        )
    return list(codes).index(GLACIER), list(codes).index(OCEAN)


def needs_validation(config: TrainConfig) -> list[str]:
    """Return the settings that follow the score of the validation part."""
    found = [] if config.patience is None else [f"patience {config.patience}"]
    return [*found, "schedule plateau"] if config.schedule == "plateau" else found
