"""The network in training: loss, learning rate, running average of its weights, and what each epoch scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import nn

from glaciertime.errors import FitError
from glaciertime.segment.losses.registry import SelfLearningBoundaryLoss
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.epoch_scores import EpochScores
from glaciertime.segment.teach.graphs import record
from glaciertime.segment.teach.optimisers import build_optimiser, rate_factor
from glaciertime.segment.teach.watching import LossWatch, RunningAverage, are_finite

__all__ = ["Segmenter"]

_AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Segmenter(lightning.LightningModule):
    """The network with its loss, its schedule and a running average of its weights.

    The learning rate is a function of the step and the scores so far, and randomness inside the network is seeded anew
    at each step, so that a resumed training repeats an uninterrupted one.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        loss: nn.Module,
        scores: EpochScores,
        config: TrainConfig,
        channels: int,
        steps: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.averaged = RunningAverage(network, config.average) if config.average else None
        self.loss = loss
        self.scores = scores
        self.config = config
        self.steps = steps
        self.batch_shape = (config.batch, channels, *config.patch)
        #: Scores of the epochs that are over, for a rate that follows them.
        self.past: list[float] = []
        # In a list: no part of this module, whose state would hold the weights twice.
        self._recorded: list[Callable[[torch.Tensor], torch.Tensor]] = []
        self._watch = LossWatch()

    def best_network(self) -> nn.Module:
        """Return the network to keep: the averaged one where there is one."""
        return self.network if self.averaged is None else self.averaged.module

    def on_fit_start(self) -> None:
        """Make ready for a GPU: weights lie in its memory as the images do, and the network is recorded."""
        if self.device.type != "cuda":
            return
        self.network.to(memory_format=torch.channels_last)
        if self.trainer.world_size == 1:
            recorded = record(
                self.network.train(), self.batch_shape, device=self.device, precision=_AUTOCAST[self.config.precision]
            )
            self._recorded = [] if recorded is None else [recorded]

    def on_fit_end(self) -> None:
        """Give back the memory of what was recorded."""
        self._recorded = []

    def _answer(self, image: torch.Tensor) -> torch.Tensor:
        if self._recorded and tuple(image.shape) == self.batch_shape:
            return self._recorded[0](image)
        answer: torch.Tensor = self.network(image)
        return answer

    def on_train_batch_start(self, *_: Any) -> None:
        """Set the learning rate, and seed what the network itself draws, such as dropout.

        Nothing else may shift what is drawn, a resumed run least.
        """
        self._check_losses(waits=False)
        factor = rate_factor(
            self.config,
            self.global_step,
            steps=self.steps,
            scores=self.past,
            larger_is_better=self.scores.larger_is_better,
        )
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.config.learning_rate * factor
        torch.manual_seed(self.config.seed * 1_000_003 + self.global_step)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        """Return the loss of one batch."""
        image, labels = batch
        # Convolutions of few channels run half again as fast with the channels last.
        image = image.contiguous(memory_format=torch.channels_last)
        loss: torch.Tensor = self.loss(self._answer(image).float(), labels.long())
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(image), prog_bar=True)
        self._watch.add(self.global_step, loss)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average towards the weights."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    def _check_losses(self, *, waits: bool) -> None:
        """Stop where the loss of a step was not finite: looked at a step later or more, a GPU is not waited for."""
        found = self._watch.first_not_finite(waits=waits)
        if found is not None:
            step, value = found
            raise FitError(f"the loss is {value} at step {step + 1}, in epoch {self.current_epoch + 1}")

    def check_finite(self) -> None:
        """Stop before weights that are not finite are scored or kept.

        Raises
        ------
        FitError
        """
        self._check_losses(waits=True)
        if not are_finite([*self.network.parameters(), *self.best_network().parameters(), *self.loss.parameters()]):
            raise FitError(f"weights are not finite after epoch {self.current_epoch + 1}")

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch's images."""
        self.check_finite()
        self.scores.reset()

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> None:
        """Add one image to the scores."""
        image, labels = batch
        logits = self.best_network()(image).float()
        if not bool(logits.isfinite().all()):
            raise FitError(f"what the network answers is not finite after epoch {self.current_epoch + 1}")
        loss = float(self.loss(logits, labels.long()))
        self.scores.update(logits.softmax(dim=1).cpu().numpy(), labels.cpu().numpy(), loss=loss)

    def on_validation_epoch_end(self) -> None:
        """Log the score that the checkpoint is chosen by."""
        self.log("score", self.scores.chosen(), prog_bar=True)

    def told(self) -> dict[str, float]:
        """Return what the history says of an epoch beside its loss: rate, scores, weights that the loss learned."""
        row = {"learning_rate": float(self.trainer.optimizers[0].param_groups[0]["lr"]), **self.scores.values()}
        if isinstance(self.loss, SelfLearningBoundaryLoss):
            row["weight_dice"], row["weight_boundary"] = self.loss.weights()
        return row

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser; its rate is set at every step."""
        return build_optimiser(self.config, self.network, self.loss)
