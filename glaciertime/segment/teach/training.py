"""Train a segmentation model: one call that starts, or resumes where a killed one stopped."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from glaciertime.documents import read_json
from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.datasets.kept_split import keep_split
from glaciertime.scenes.datasets.named_splits import SplitPlan, leaks, parse_split, split_named
from glaciertime.scenes.datasets.sample import SIMULATED, SampleInfo, TrainingData
from glaciertime.scenes.datasets.splits import Split, split_by_block, split_by_glacier
from glaciertime.segment.architectures.encoder_weights import load_encoder_weights
from glaciertime.segment.architectures.folding import build_network
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.frame import Frame
from glaciertime.segment.judge.scoring import Score, build_score
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.predict.weights import load_model, save_model
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.graphs import record
from glaciertime.segment.teach.loading import batches_per_device, data_loaders
from glaciertime.segment.teach.patches import training_range, training_statistics
from glaciertime.segment.teach.resume import SafeCheckpointIO, read_state
from glaciertime.writing import Target, check_target, write_bytes

__all__ = ["Segmenter", "Trained", "make_split", "normalisation_of", "train"]

_STATE = "state.safetensors"
_AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
_FILES = ("config.json", "split.json", "history.json", "weights.safetensors", "model.onnx", _STATE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """Where a training left its results.

    Attributes
    ----------
    weights : Path
        Safetensors of the epoch that is best by the metric; of the last one where nothing is held out.
    spec : ModelSpec
    history : list of dict
        Epoch, training loss, validation score; the same as ``history.json``.
    """

    weights: Path
    spec: ModelSpec
    history: list[dict[str, float]]


class Segmenter(lightning.LightningModule):
    """The network with its loss, its schedule and a running average of its weights.

    The learning rate rises over a twentieth of the steps and falls as a cosine. Randomness inside the network is
    seeded anew at each step, so that a resumed training repeats an uninterrupted one.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        loss: nn.Module,
        score: Score,
        config: TrainConfig,
        channels: int,
        steps: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.averaged = (
            torch.optim.swa_utils.AveragedModel(
                network,
                multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average),
                use_buffers=True,
            )
            if config.average
            else None
        )
        self.loss = loss
        self.score = score
        self.config = config
        self.steps = steps
        self.batch_shape = (config.batch, channels, *config.patch)
        # In a list: no part of this module, whose state would hold the weights twice.
        self._recorded: list[Callable[[torch.Tensor], torch.Tensor]] = []

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
        """Seed what the network itself draws, such as dropout: nothing else may shift it, a resumed run least."""
        torch.manual_seed(self.config.seed * 1_000_003 + self.global_step)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        """Return the loss of one batch."""
        image, labels = batch
        # Convolutions of few channels run half again as fast with the channels last.
        image = image.contiguous(memory_format=torch.channels_last)
        loss = self.loss(self._answer(image).float(), labels.long())
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(image), prog_bar=True)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average towards the weights."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch's images."""
        self.score.reset()

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> None:
        """Add one image to the score."""
        image, labels = batch
        probability = self.best_network()(image).float().softmax(dim=1)
        self.score.update(probability.cpu().numpy(), labels.cpu().numpy())

    def on_validation_epoch_end(self) -> None:
        """Log the score."""
        self.log("score", float(self.score.value()), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Return AdamW with its schedule."""
        optimiser = torch.optim.AdamW(
            [*self.network.parameters(), *self.loss.parameters()],
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )
        warm = max(1, self.steps // 20)

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, self.steps - warm))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Keeper(lightning.Callback):
    """Writes history and weights after every epoch, so that a killed training leaves what it had."""

    def __init__(self, out: Path, spec: ModelSpec, *, larger_is_better: bool) -> None:
        self.out = out
        self.spec = spec
        self.sign = 1.0 if larger_is_better else -1.0
        self.history: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        seen = {key: float(value) for key, value in trainer.callback_metrics.items()}
        row = {"epoch": trainer.current_epoch, "loss": seen.get("loss", math.nan), "score": seen.get("score", math.nan)}
        past = [self.sign * entry["score"] for entry in self.history if not math.isnan(entry["score"])]
        self.history = [*self.history, row]
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, Segmenter)
        if math.isnan(row["score"]) or not past or self.sign * row["score"] >= max(past):
            save_model(
                pl_module.best_network(),
                replace(self.spec, scores=_finite(row)),
                self.out / "weights.safetensors",
                overwrite=True,
            )
        told = json.dumps([_finite(entry) for entry in self.history], indent=1)
        write_bytes(self.out / "history.json", told.encode(), overwrite=True)


def _finite(row: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in row.items() if math.isfinite(value)}


class _StateCheckpoint(ModelCheckpoint):
    FILE_EXTENSION = ".safetensors"


def make_split(data: TrainingData, config: TrainConfig) -> Split:
    """Return the split a configuration asks for; never by random patch. ``told`` says how it came out.

    Raises
    ------
    InputError
        If it names unknown glaciers or leaves nothing to train on.
    """
    digests = getattr(data, "digests", ())
    if config.split or config.own_split:
        kind, day = parse_split(config.split or "own")
        plan = SplitPlan(
            kind=kind, day=day, test=config.test, validation=config.validation, test_fraction=config.test_fraction,
            validation_fraction=0.2 if config.validation_fraction is None else config.validation_fraction,
            seed=config.seed,
        )  # fmt: skip
        return split_named(data.infos, plan, digests=digests)
    fraction = 0.1 if config.validation_fraction is None else config.validation_fraction
    if config.validation or not fraction:
        return split_by_glacier(data.infos, test=config.test, validation=config.validation)
    outer = split_by_glacier(data.infos, test=config.test)
    inner = split_by_block(
        [data.infos[index] for index in outer.train], test_fraction=0.0, validation_fraction=fraction, seed=config.seed
    )
    split = Split(
        train=tuple(outer.train[place] for place in inner.train),
        validation=tuple(outer.train[place] for place in inner.validation),
        test=outer.test,
    )
    shared = [told for told in leaks(data.infos, split, digests=digests) if told.startswith("leak")]
    return replace(split, told="; ".join((inner.told, *shared)))


def build_loss(name: str) -> nn.Module:
    """Return a loss by name: ``front``, ``line``, or one of :mod:`glaciertime.segment.losses.registry`."""
    if name in ("front", "line"):
        from glaciertime.segment.losses.front_loss import FrontLoss, LineLoss

        return FrontLoss() if name == "front" else LineLoss()
    from glaciertime.segment.losses import registry as losses

    return losses.build_loss(name)


def train(
    data: TrainingData,
    config: TrainConfig,
    *,
    out: Path,
    name: str = "model",
    initial: Path | None = None,
    split: Split | None = None,
    draw_weights: Sequence[float] | None = None,
    progress: bool = True,
    overwrite: bool = False,
) -> Trained:
    """Train, or resume a training in the same folder.

    Parameters
    ----------
    data : TrainingData
    config : TrainConfig
    out : Path
        Folder of this training. ``state.safetensors`` there is resumed from; ``weights.safetensors``,
        ``history.json`` and ``config.json`` are written after every epoch.
    name : str
        Name of the model in its spec.
    initial : Path, optional
        Safetensors to fine-tune from; must be of the same architecture, channels and classes.
    split : Split, optional
        In place of the one the configuration describes.
    draw_weights : sequence of float, optional
        Relative probability of each sample of the training part, in place of the balance of glaciers.
    progress : bool
        Show a progress bar on stderr.
    overwrite : bool
        Replace files of those names that no training made.

    Returns
    -------
    Trained

    Raises
    ------
    UsageError
        If files of the same names lie in the folder that no training made, or if there are two beginnings: ``initial``
        and weights of the encoder.
    InputError
        If the folder holds another training, the split is empty, or labels lie outside the classes. What was
        trained so far is kept.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is no folder; name one for weights, history and state")
    out.mkdir(parents=True, exist_ok=True)
    _check_same(config, out, overwrite=overwrite)
    split = make_split(data, config) if split is None else split
    if split.told:
        _log.info("split: %s", split.told)
    keep_split(
        out, data, split, name=config.data, kind=config.split, seed=config.seed,
        settings=config.model_dump(mode="json", exclude_unset=True),
    )  # fmt: skip
    lightning.seed_everything(config.seed, verbose=False)
    normalisation = normalisation_of(data, config, split)
    spec = ModelSpec(
        name=name,
        model=config.model,
        bands=tuple(data.bands),
        classes=tuple(data.classes),
        codes=tuple(data.codes),
        normalisation=normalisation,
        fold=config.fold,
        zones=config.zones,
        frame=_frame(data, config, split),
        seen=training_range(data, split.train),
        resolution_m=_pixel_m([data.infos[index] for index in split.train]),
        trained_on=f"{config.data}: {', '.join(sorted({data.infos[i].glacier for i in split.train})[:8])}",
    )
    network = build_network(config.model, in_channels=spec.channels, classes=len(spec.classes), fold=config.fold)
    if config.encoder_weights:
        if initial is not None:
            raise UsageError(f"encoder_weights {config.encoder_weights} and initial {initial} given; give one of them")
        load_encoder_weights(network, config.encoder_weights)
    if initial is not None:
        _start_from(network, spec, initial)
    loaders = data_loaders(data, config, split, normalisation, draw_weights)
    score = build_score(config.metric, classes=len(spec.classes))
    module = Segmenter(
        network,
        loss=build_loss(config.loss),
        score=score,
        config=config,
        channels=spec.channels,
        steps=config.epochs * batches_per_device(loaders[0], config),
    )
    keeper = _Keeper(out, spec, larger_is_better=score.larger_is_better)
    state = out / _STATE
    for logger in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    trainer = lightning.Trainer(
        max_epochs=config.epochs,
        accelerator="auto",
        devices=config.devices,
        precision=config.precision,
        gradient_clip_val=1.0,
        callbacks=[keeper, _StateCheckpoint(dirpath=out, filename="state", enable_version_counter=False)],
        plugins=[SafeCheckpointIO()],
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    if state.is_file():
        read_state(state)
    with _ctrl_c_told():
        trainer.fit(module, *loaders, ckpt_path=str(state) if state.is_file() else None, weights_only=True)
    return Trained(weights=out / "weights.safetensors", spec=spec, history=keeper.history)


@contextlib.contextmanager
def _ctrl_c_told() -> Iterator[None]:
    """Let Ctrl-C come out as what it is: the trainer ends the process with 1 instead, and ignores it from then on."""
    is_main = threading.current_thread() is threading.main_thread()
    usual = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        raise KeyboardInterrupt from None
    finally:
        if is_main and usual is not None:
            signal.signal(signal.SIGINT, usual)


def _check_same(config: TrainConfig, out: Path, *, overwrite: bool) -> None:
    kept, text = out / "config.json", config.model_dump_json(indent=1)
    # Without weights or a state nothing was trained yet: a setting that was refused may be mended.
    begun = any((out / name).is_file() for name in (_STATE, "weights.safetensors"))
    if begun and kept.is_file():
        remedy = "what was trained there is not known: give another folder"
        was, now = read_json(kept, what=f"{kept} is damaged: it", remedy=remedy), json.loads(text)
        if not isinstance(was, dict):
            raise InputError(f"{kept} is damaged: it holds no settings; {remedy}")
        changed = sorted(key for key in was.keys() | now if was.get(key) != now.get(key))
        if changed:
            raise InputError(f"{out} holds a training with other settings ({', '.join(changed)}); give another folder")
    # A folder is a training's by its settings; then so are the files in it.
    ours = _is_of_training(kept)
    for name in _FILES:
        check_target(Target(out / name, "--out", lambda _: ours), overwrite=overwrite)
    write_bytes(kept, text.encode(), overwrite=True)


def _is_of_training(kept: Path) -> bool:
    try:
        found = json.loads(kept.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"data", "root", "model"} <= found.keys() <= set(TrainConfig.model_fields)


def _pixel_m(infos: Sequence[SampleInfo]) -> float:
    """Return the usual pixel size of the samples, of the simulated ones only where there are no others."""
    known = [info for info in infos if math.isfinite(info.resolution_m)]
    real = [info for info in known if not info.glacier.startswith(SIMULATED)] or known
    return float(np.median([info.resolution_m for info in real])) if real else math.nan


def _frame(data: TrainingData, config: TrainConfig, split: Split) -> Frame:
    """Return the frame of the training images: one line is drawn where all have the ocean up."""
    pixel_m = _pixel_m([data.infos[index] for index in split.train])
    if config.zones != "line":
        return Frame(pixel_m=pixel_m)
    height, width = np.median([data[index].labels.shape for index in split.train], axis=0)
    return Frame(up="ocean", pixel_m=pixel_m, height_px=round(height), width_px=round(width))


def normalisation_of(data: TrainingData, config: TrainConfig, split: Split) -> Normalisation:
    """Return what is done to raw values before the network sees them, by the training part alone."""
    rule = Normalisation(kind="image", log=config.log).scaled_as(getattr(data, "scaling", None))
    if config.normalisation == "fixed":
        rule = training_statistics(data, split.train, log=config.log)
    return replace(rule, mask_bands=config.mask_bands, row_band=config.row_band)


def _start_from(network: nn.Module, spec: ModelSpec, initial: Path) -> None:
    source, given = load_model(initial, model=spec.model)
    if (given.channels, given.classes, given.fold) != (spec.channels, spec.classes, spec.fold):
        raise InputError(
            f"{initial}: {given.channels} channels, classes {given.classes}, fold {given.fold} given; "
            f"{spec.channels}, {spec.classes}, {spec.fold} expected"
        )
    network.load_state_dict(source.state_dict())
