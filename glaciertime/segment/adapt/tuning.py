"""A trained network taught a few labelled images of one place, with earlier images rehearsed beside them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.augmentation import Augmentation, draw_patch, transplant_ocean
from glaciertime.scenes.datasets.sample import TrainingData, TrainingSample
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.losses.front_loss import FrontLoss
from glaciertime.segment.normalisation import band_statistics
from glaciertime.segment.predict.engine import Engine, probabilities_from_logits

__all__ = ["CHANGES", "Tuning", "engine_of", "mixed", "rehearsal_chances", "tune"]

#: What a labelled image goes through before it is shown again: few images, many looks.
CHANGES = Augmentation(
    rotation_deg=10.0,
    shift_px=(30.0, 20.0),
    scale=(0.8, 1.25),
    stretch=0.05,
    elastic_px=2.0,
    bend_px=4.0,
    noise=0.1,
    tone_step=0.25,
    class_tone=0.3,
    veil=0.25,
    saturation=0.15,
    gaps=0.05,
    scene_edge=0.1,
    transplant=0.25,
)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How a network is tuned to a place.

    Attributes
    ----------
    steps, batch : int
        Steps of so many patches each.
    learning_rate : float
        At its peak, after a tenth of the steps; it falls as a cosine.
    rehearsed : float
        Share of the patches that are of earlier images, where there are some.
    stack : float
        Share of those that are of unlabelled images of the place, with what is fixed there, where there are some.
    average : float
        Decay of the running average of the weights.
    share : float
        How far from the weights as they were given to that average lie those that are kept.
    patch : (int, int)
        Height and width, pixels.
    seed : int
    """

    steps: int = 40
    batch: int = 8
    learning_rate: float = 1e-3
    rehearsed: float = 0.35
    stack: float = 0.25
    average: float = 0.97
    share: float = 0.5
    patch: tuple[int, int] = (256, 192)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not self.learning_rate > 0 or not 0 <= self.rehearsed + self.stack < 1:
            raise InputError(f"{self} given; steps, a batch and a learning rate above 0, a share below 1 expected")
        if not 0 < self.share <= 1:
            raise InputError(f"{self} given; a share of what was learnt above 0 and up to 1 expected")


class _Scenes:
    """Samples at the scale of a network, each brought there once."""

    def __init__(
        self,
        spec: ModelSpec,
        labelled: Sequence[TrainingSample],
        earlier: TrainingData | None,
        stack: Sequence[TrainingSample],
    ) -> None:
        self.spec = spec
        # One after the other, so that each has a place of its own among what is held.
        self.own = [*labelled, *stack]
        self.labelled = len(labelled)
        self.earlier = earlier
        self._held: dict[int, tuple[NDArray[np.float32], NDArray[np.uint8]]] = {}

    def own_at(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        return self._scaled(index, self.own[index])

    def earlier_at(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        assert self.earlier is not None
        key = -1 - index
        return self._held[key] if key in self._held else self._scaled(key, self.earlier[index])

    def _scaled(self, key: int, sample: TrainingSample) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        if key not in self._held:
            self._held[key] = (self.spec.normalisation.scale(sample.image), sample.labels)
        return self._held[key]


def rehearsal_chances(earlier: TrainingData, *, without: str = "") -> NDArray[np.float64]:
    """Return how often each earlier sample is drawn: glaciers by the square root of their images, one of them never.

    Examples
    --------
    >>> from glaciertime.scenes.datasets.mixture import InMemory
    >>> from glaciertime.scenes.datasets.sample import SampleInfo
    >>> def sample(name):
    ...     image = np.zeros((1, 2, 2), np.float32)
    ...     labels, present = np.zeros((2, 2), np.uint8), np.ones(1, bool)
    ...     return TrainingSample(image=image, labels=labels, present=present, info=SampleInfo(name, glacier=name))
    >>> data = InMemory(tuple(map(sample, "aab")), bands=("grey",), classes=("g", "o"), codes=(127, 254))
    >>> rehearsal_chances(data, without="b").round(3).tolist()
    [0.5, 0.5, 0.0]
    """
    names = np.array([info.glacier for info in earlier.infos])
    counts = np.array([float((names == name).sum()) for name in names])
    chances = np.where(names == without, 0.0, counts**-0.5) if len(names) else np.zeros(0)
    total = float(chances.sum())
    if not total > 0:
        raise InputError(f"no earlier image is left to be rehearsed beside those of {without}; leave the option out")
    return np.asarray(chances / total)


def tune(
    network: nn.Module,
    spec: ModelSpec,
    labelled: Sequence[TrainingSample],
    *,
    tuning: Tuning,
    earlier: TrainingData | None = None,
    chances: NDArray[np.float64] | None = None,
    stack: Sequence[TrainingSample] = (),
    progress: Callable[[int], None] | None = None,
) -> nn.Module:
    """Return a copy of a network that has learnt the labelled images; the one given stays as it is.

    All weights learn; the statistics of batch normalisation stay those of the first training, for a few images of one
    place would move them to its tones. What is kept lies half-way between the weights as they were and a running
    average of those that learn: less of what was known is lost (doi:10.1109/CVPR52688.2022.00780).

    Parameters
    ----------
    network : torch.nn.Module
    spec : ModelSpec
        Of the network: how raw values are brought to its scale.
    labelled : sequence of TrainingSample
        In the frame of the model.
    tuning : Tuning
    earlier : TrainingData, optional
        Images of other places to be rehearsed.
    chances : (N,), optional
        Of each of them, see :func:`rehearsal_chances`.
    stack : sequence of TrainingSample
        Other images of the place, with what is fixed there as their labels, see :mod:`.fixed`.
    progress : callable, optional
        Told the number of steps done.

    Raises
    ------
    InputError
        If nothing is labelled, or the loss is not finite: nothing was learnt that could be used.
    """
    if not labelled:
        raise InputError("no labelled image given to adapt to")
    rng = np.random.default_rng([tuning.seed, 11])
    torch.manual_seed(tuning.seed)
    learning = copy.deepcopy(network).train()
    for module in learning.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    kept = copy.deepcopy(learning).eval()
    parameters = list(learning.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=tuning.learning_rate, weight_decay=0.0)
    scenes = _Scenes(spec, labelled, earlier, stack)
    loss_of = FrontLoss()
    for step in range(tuning.steps):
        for group in optimiser.param_groups:
            group["lr"] = tuning.learning_rate * _share_of_rate(step, tuning.steps)
        image, labels = _batch(scenes, tuning, chances, rng)
        loss = loss_of(learning(image).float(), labels)
        if not bool(torch.isfinite(loss)):
            raise InputError(
                f"the loss is not finite at step {step + 1} of {tuning.steps}: nothing was adapted; check the values "
                "of the labelled images, or lower the learning rate"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        _average(kept, learning, decay=min(tuning.average, (step + 1) / (step + 5)))
        if progress is not None:
            progress(step + 1)
    return mixed(network, kept, share=tuning.share)


@torch.no_grad()
def mixed(network: nn.Module, adapted: nn.Module, *, share: float) -> nn.Module:
    """Return a network whose weights lie between two: 0 is the first, 1 the second; both stay as they are.

    Examples
    --------
    >>> one, other = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = one.weight.data.fill_(2.0), other.weight.data.fill_(4.0)
    >>> mixed(one, other, share=0.25).weight.item()
    2.5
    """
    out, learnt = copy.deepcopy(network).eval(), adapted.state_dict()
    for name, value in out.state_dict().items():
        if value.is_floating_point():
            value.lerp_(learnt[name], share)
    return out


def _share_of_rate(step: int, steps: int) -> float:
    warm = max(1, steps // 10)
    return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def _average(kept: nn.Module, learning: nn.Module, *, decay: float) -> None:
    for mine, theirs in zip(kept.state_dict().values(), learning.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(theirs, 1 - decay)


def _batch(
    scenes: _Scenes, tuning: Tuning, chances: NDArray[np.float64] | None, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return patches, (B, C, h, w) as the network sees them, and their labels, (B, h, w)."""
    plan = replace(CHANGES, size=tuning.patch)
    images, labels = [], []
    for _ in range(tuning.batch):
        scene = _drawn(scenes, chances, rng, rehearsed=tuning.rehearsed, stack=tuning.stack)
        if rng.random() < plan.transplant:
            scene = transplant_ocean(*scene, *_drawn(scenes, chances, rng, rehearsed=0.5, stack=0.0), seed=rng)
        patch, zones, rows = draw_patch(*scene, plan=plan, seed=rng)
        if scenes.spec.normalisation.kind == "image":
            mean, std = band_statistics(patch)
            patch = (patch - mean[:, None, None]) / std[:, None, None]
        seen = np.isfinite(patch)
        filled = np.where(seen, patch, np.float32(0)).astype(np.float32)
        images.append(scenes.spec.normalisation.append(filled, seen, rows=rows))
        labels.append(zones)
    shown = torch.from_numpy(np.stack(images)).contiguous(memory_format=torch.channels_last)
    return shown, torch.from_numpy(np.stack(labels)).long()


def _drawn(
    scenes: _Scenes, chances: NDArray[np.float64] | None, rng: np.random.Generator, *, rehearsed: float, stack: float
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    kind = rng.random()
    if scenes.earlier is not None and kind < rehearsed:
        return scenes.earlier_at(int(rng.choice(len(scenes.earlier), p=chances)))
    if len(scenes.own) > scenes.labelled and rehearsed <= kind < rehearsed + stack:
        return scenes.own_at(int(rng.integers(scenes.labelled, len(scenes.own))))
    return scenes.own_at(int(rng.integers(scenes.labelled)))


def engine_of(network: nn.Module, spec: ModelSpec) -> Engine:
    """Return a network in memory as an engine to predict with."""
    network = network.eval()

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits = network(torch.from_numpy(np.ascontiguousarray(batch))).float().numpy()
        return probabilities_from_logits(logits, temperature=spec.temperature)

    return run
