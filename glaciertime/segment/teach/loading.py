"""What a training reads: batches of random patches, and the images held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

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

__all__ = ["batches_per_device", "data_loaders"]


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
        # Workers keep the images they read; a batch in pinned memory reaches a GPU while the one before is computed.
        persistent_workers=config.workers > 0,
        pin_memory=torch.cuda.is_available(),
        # Each device has at least one batch then.
        drop_last=sampler.draws >= config.batch * (1 if config.devices == "auto" else config.devices),
    )
    labelled = [index for index in split.validation if (data[index].labels != IGNORE).any()]
    if not labelled:
        return training, None
    return training, DataLoader(ValidationDataset(data, labelled, normalisation=normalisation), batch_size=1)


def batches_per_device(loader: DataLoader[Any], config: TrainConfig) -> int:
    """Return how many batches each device draws in an epoch; the loader's own length before devices are known."""
    devices = torch.cuda.device_count() if config.devices == "auto" else config.devices
    if devices <= 1:
        return len(loader)
    share = math.ceil(len(cast(Any, loader.sampler).sampler) / devices)
    return share // config.batch if loader.drop_last else math.ceil(share / config.batch)


class _Epochs(torch.utils.data.Sampler[Any]):
    """Hands an :class:`EpochSampler` to a loader; Lightning calls ``set_epoch`` on it.

    Several devices share the draws of an epoch out among them: device ``r`` of ``n`` takes draws r, r + n, ... The
    first draws are taken once more where n does not divide them, so that no device waits for a batch that never comes.
    """

    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler

    def set_epoch(self, epoch: int) -> None:
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return math.ceil(len(self.sampler) / _devices()[1])

    def __iter__(self) -> Any:
        rank, count = _devices()
        draws = list(self.sampler)
        draws += draws[: -len(draws) % count]
        return iter(draws[rank::count])


def _devices() -> tuple[int, int]:
    """Return the number of this device and how many there are."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _plan(config: TrainConfig) -> Augmentation:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in config.augmentation.items()
    }
    try:
        return Augmentation(**values)
    except TypeError as error:
        known: Sequence[str] = sorted(Augmentation.__dataclass_fields__)
        raise InputError(f"augmentation {values} given, settings out of {', '.join(known)} expected") from error
