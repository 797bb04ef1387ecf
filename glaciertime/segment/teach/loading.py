"""What a training reads: batches of random patches, and the images held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import DataLoader

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.augmentation import Augmentation
from glaciertime.scenes.datasets.sample import IGNORE, TrainingData
from glaciertime.scenes.datasets.splits import Split
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.patches import PatchDataset, ValidationDataset, class_counts
from glaciertime.segment.teach.sampling import EpochSampler, group_weights, inverse_frequency

__all__ = ["data_loaders"]


def data_loaders(
    data: TrainingData,
    config: TrainConfig,
    split: Split,
    normalisation: Normalisation,
    draw_weights: Sequence[float] | None,
) -> tuple[DataLoader[Any], DataLoader[Any] | None]:
    """Return the patches of each epoch, and the held-out images; None where none of these has a label.

    ``draw_weights`` are the chances of the images of ``split.train``, by default those of ``config.balance``.
    """
    plan = replace(_plan(config), size=config.patch)
    weights = None
    if config.class_balance:
        weights = inverse_frequency(class_counts(data, split.train), power=config.class_balance)
    if draw_weights is None and config.balance:
        draw_weights = list(group_weights([data.infos[index] for index in split.train], power=config.balance))
    patches = PatchDataset(
        data,
        normalisation=normalisation,
        plan=plan,
        class_weights=weights,
        seed=config.seed,
        # A model that draws one line across an image sees it in one piece when it predicts, too.
        whole=config.zones == "line" and config.normalisation == "image",
        partners=split.train,
        chances=draw_weights,
    )
    sampler = EpochSampler(
        split.train,
        weights=draw_weights,
        draws=config.draws,
        seed=config.seed,
    )
    training = DataLoader(
        patches,
        batch_size=config.batch,
        sampler=_Epochs(sampler),
        num_workers=config.workers,
        drop_last=sampler.draws >= config.batch,
    )
    labelled = [index for index in split.validation if (data[index].labels != IGNORE).any()]
    if not labelled:
        return training, None
    return training, DataLoader(ValidationDataset(data, labelled, normalisation=normalisation), batch_size=1)


class _Epochs(torch.utils.data.Sampler[Any]):
    """Hands an :class:`EpochSampler` to a loader; Lightning calls ``set_epoch`` on it."""

    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler

    def set_epoch(self, epoch: int) -> None:
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Any:
        return iter(self.sampler)


def _plan(config: TrainConfig) -> Augmentation:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in config.augmentation.items()
    }
    try:
        return Augmentation(**values)
    except TypeError as error:
        known: Sequence[str] = sorted(Augmentation.__dataclass_fields__)
        raise InputError(f"augmentation {values} given, settings out of {', '.join(known)} expected") from error
