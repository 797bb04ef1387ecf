"""What a training reads: batches of random patches, and the images held out."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import DataLoader

from glaciertime.errors import InputError, nearest_names
from glaciertime.scenes.datasets.augmentation import Augmentation
from glaciertime.scenes.datasets.sample import IGNORE, TrainingData
from glaciertime.scenes.datasets.splits import Split
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.patches import PatchDataset, ValidationDataset, class_counts
from glaciertime.segment.teach.sampling import EpochSampler, Place, group_weights, inverse_frequency

__all__ = ["PatchLoader", "augmentation_of", "batches_per_device", "data_loaders"]

_log = logging.getLogger(__name__)


def data_loaders(
    data: TrainingData,
    config: TrainConfig,
    split: Split,
    normalisation: Normalisation,
    draw_weights: Sequence[float] | None,
) -> tuple[PatchLoader, DataLoader[Any] | None]:
    """Return the patches of each epoch, and the held-out images; None where none of these has a label.

    ``draw_weights`` are the chances of the images of ``split.train``, by default those of ``config.balance``.
    """
    cores = os.cpu_count() or 1
    if config.workers == 0 and cores > 1 and torch.cuda.is_available():
        _log.warning(
            "the GPU waits while patches are cut; setting workers: %d would cut them beside", min(8, cores - 1)
        )
    plan = replace(augmentation_of(config), size=config.patch)
    plan.check_bands(len(data.bands))
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
        copies=config.copies,
        seed=config.seed,
    )
    patches.originals = sampler.originals
    training = PatchLoader(
        patches,
        sampler,
        batch=config.batch,
        workers=config.workers,
        epochs=config.epochs,
        # Each device has at least one batch then.
        drop_last=sampler.draws >= config.batch * (1 if config.devices == "auto" else config.devices),
    )
    labelled = [index for index in split.validation if (data[index].labels != IGNORE).any()]
    if not labelled:
        return training, None
    return training, DataLoader(ValidationDataset(data, labelled, normalisation=normalisation), batch_size=1)


def batches_per_device(loader: PatchLoader, config: TrainConfig) -> int:
    """Return how many batches each device draws in an epoch; the loader's own length before devices are known."""
    devices = torch.cuda.device_count() if config.devices == "auto" else config.devices
    if devices <= 1:
        return len(loader)
    share = math.ceil(len(loader.sampler.sampler) / devices)
    return share // config.batch if loader.drop_last else math.ceil(share / config.batch)


class PatchLoader:
    """Batches of one epoch whenever it is iterated; its workers go on to the next epoch meanwhile.

    A GPU that waits at the beginning of every epoch until the first batches are cut waits for a third of short ones.

    Parameters
    ----------
    patches : PatchDataset
    sampler : EpochSampler
    batch : int
    workers : int
        Processes that cut patches; 0 for none.
    epochs : int
        How many there are: no patch is cut for one beyond.
    drop_last : bool
        Leave out a last batch that is not whole.
    """

    def __init__(
        self, patches: PatchDataset, sampler: EpochSampler, *, batch: int, workers: int, epochs: int, drop_last: bool
    ) -> None:
        self.patches = patches
        self.sampler = _Epochs(sampler)
        self.batch = batch
        self.workers = workers
        self.epochs = epochs
        self.drop_last = drop_last
        self._ahead: tuple[int, Iterator[Any]] | None = None

    def __len__(self) -> int:
        draws = len(self.sampler)
        return draws // self.batch if self.drop_last else math.ceil(draws / self.batch)

    def __iter__(self) -> Iterator[Any]:
        epoch = self.sampler.epoch
        # An epoch that was not iterated to its end, or another one than is next, begins anew.
        batches = self._ahead[1] if self._ahead and self._ahead[0] == epoch else self._from(epoch)
        self._ahead = None
        for _ in range(len(self)):
            yield next(batches)
        self._ahead = epoch + 1, batches

    def _from(self, epoch: int) -> Iterator[Any]:
        return iter(
            DataLoader(
                self.patches,
                batch_sampler=_BatchesFrom(self, epoch),
                num_workers=self.workers,
                # A batch in pinned memory reaches a GPU while the one before is computed.
                pin_memory=torch.cuda.is_available(),
            )
        )


class _BatchesFrom(torch.utils.data.Sampler[Any]):
    """The batches of all epochs from one on, one after the other."""

    def __init__(self, loader: PatchLoader, epoch: int) -> None:
        self.loader = loader
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        loader = self.loader
        for epoch in range(self.epoch, max(loader.epochs, self.epoch + 1)):
            places = loader.sampler.of_epoch(epoch)
            for number in range(len(loader)):
                yield places[number * loader.batch : (number + 1) * loader.batch]


class _Epochs(torch.utils.data.Sampler[Any]):
    """The draws of one device; Lightning calls ``set_epoch`` on it.

    Several devices share the draws of an epoch out among them: device ``r`` of ``n`` takes draws r, r + n, ... The
    first draws are taken once more where n does not divide them, so that no device waits for a batch that never comes.
    """

    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler

    @property
    def epoch(self) -> int:
        return self.sampler.epoch

    def set_epoch(self, epoch: int) -> None:
        self.sampler.set_epoch(epoch)

    def of_epoch(self, epoch: int) -> list[Place]:
        """Return this device's draws of any epoch."""
        rank, count = _devices()
        draws = list(self.sampler.of_epoch(epoch))
        draws += draws[: -len(draws) % count]
        return draws[rank::count]

    def __len__(self) -> int:
        return math.ceil(len(self.sampler) / _devices()[1])

    def __iter__(self) -> Iterator[Place]:
        return iter(self.of_epoch(self.epoch))


def _devices() -> tuple[int, int]:
    """Return the number of this device and how many there are."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def augmentation_of(config: TrainConfig) -> Augmentation:
    """Return the limits of the random changes that a configuration asks for: a preset, or single settings beside one.

    Raises
    ------
    InputError
        If a setting or a preset is unknown, or out of range.

    Examples
    --------
    >>> strong = TrainConfig(data="simulated", root=".", augmentation={"preset": "strong", "noise": 0})
    >>> augmentation_of(strong).noise, augmentation_of(strong).rotation_deg
    (0, 45.0)
    """
    given = {"preset": config.augmentation} if isinstance(config.augmentation, str) else dict(config.augmentation)
    preset = given.pop("preset", None)
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    known = sorted(Augmentation.__dataclass_fields__)
    for name in values:
        if name not in known or name == "size":
            near = nearest_names(name, known)
            hint = f"did you mean {near[0]}?" if near else f"settings out of {', '.join(known)} expected"
            raise InputError(f"augmentation '{name}' is not known; {hint}")
    try:
        return replace(Augmentation.preset(preset) if preset is not None else Augmentation(), **values)
    except TypeError as error:
        raise InputError(f"augmentation {values} given, numbers expected: {error}") from error
