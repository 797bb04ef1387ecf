"""Train a segmentation model: one call that starts, or resumes where a killed one stopped."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from glaciertime.errors import FitError, InputError, UsageError
from glaciertime.scenes.datasets.kept_split import keep_split
from glaciertime.scenes.datasets.named_splits import SplitPlan, leaks, parse_split, split_named
from glaciertime.scenes.datasets.sample import SIMULATED, SampleInfo, TrainingData
from glaciertime.scenes.datasets.splits import Split, split_by_block, split_by_glacier
from glaciertime.segment.architectures.choices import choose
from glaciertime.segment.architectures.encoder_weights import load_encoder_weights
from glaciertime.segment.architectures.folding import build_network
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.frame import Frame
from glaciertime.segment.losses.registry import build_loss
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.predict.weights import load_model
from glaciertime.segment.teach.class_weights import class_weights
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.continuing import STATE, Marks, check_same, history_of, note_settings
from glaciertime.segment.teach.contradictions import check_settings, needs_validation, sides_of
from glaciertime.segment.teach.epoch_scores import EpochScores
from glaciertime.segment.teach.keeping import Keeper, is_over
from glaciertime.segment.teach.loading import batches_per_device, data_loaders
from glaciertime.segment.teach.patches import training_range, training_statistics
from glaciertime.segment.teach.resume import SafeCheckpointIO, read_state
from glaciertime.segment.teach.segmenter import Segmenter

__all__ = ["Trained", "make_split", "normalisation_of", "train"]

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
        Epoch, training loss, the score that the weights are chosen by, learning rate, loss and all scores of the
        validation part, weights that the loss learned; the same as ``history.json``.
    """

    weights: Path
    spec: ModelSpec
    history: list[dict[str, float]]


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
    """Train, or resume a training in the same folder, or go on with one that is finished but has fewer epochs.

    A training that is extended follows the schedule of the longer one from where it stands: a cosine that had come to
    its end rises again; a constant rate and a plateau go on as if the training had been longer from the first, where
    ``warm_up`` was given.

    Parameters
    ----------
    data : TrainingData
    config : TrainConfig
    out : Path
        Folder of this training. ``state.safetensors`` there is resumed from; ``weights.safetensors``,
        ``history.json`` and ``history.csv`` are written after every epoch, ``learning_curve.png`` at the end and every
        minute.
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
        If the folder holds another training, settings contradict each other, the split is empty, or labels lie
        outside the classes. What was trained so far is kept.
    FitError
        At the first loss, or the first weights, that are not finite; the weights of the epochs before are kept.
    """
    check_settings(config)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is no folder; name one for weights, history and state")
    out.mkdir(parents=True, exist_ok=True)
    check_same(config, out, overwrite=overwrite)
    sides = sides_of(config, data.classes, data.codes)
    split = make_split(data, config) if split is None else split
    if split.told:
        _log.info("split: %s", split.told)
    lightning.seed_everything(config.seed, verbose=False)
    normalisation = normalisation_of(data, config, split)
    marks = Marks()
    spec = ModelSpec(
        name=name,
        model=config.model,
        bands=tuple(data.bands),
        classes=tuple(data.classes),
        codes=tuple(data.codes),
        normalisation=normalisation,
        fold=config.fold,
        activation=config.activation,
        dropout=config.dropout,
        zones=config.zones,
        frame=_frame(data, config, split),
        seen=training_range(data, split.train, seen_by=marks.add),
        resolution_m=_pixel_m([data.infos[index] for index in split.train]),
        trained_on=f"{config.data}: {', '.join(sorted({data.infos[i].glacier for i in split.train})[:8])}",
    )
    if not marks.is_labelled:
        raise InputError("no pixel of the training part has a label; look at the masks and how their values are read")
    network = build_network(config.model, in_channels=spec.channels, classes=len(spec.classes), fold=config.fold)
    choose(network, config.model, activation=config.activation, dropout=config.dropout, drop_path=config.drop_path)
    if config.encoder_weights:
        if initial is not None:
            raise UsageError(f"encoder_weights {config.encoder_weights} and initial {initial} given; give one of them")
        load_encoder_weights(network, config.encoder_weights)
    if initial is not None:
        _start_from(network, spec, initial)
    loaders = data_loaders(data, config, split, normalisation, draw_weights)
    if loaders[1] is None and needs_validation(config):
        raise InputError(
            f"{needs_validation(config)[0]} given, but no image of the validation part has a label to score; "
            "hold out glaciers with labels (validation) or leave it out"
        )
    scores = EpochScores(config.metric, classes=len(spec.classes), sides=sides)
    module = Segmenter(
        network,
        loss=build_loss(
            config.loss,
            class_weights=class_weights(config, data, split.train),
            settings=config.loss_options,
            sides=sides,
        ),
        scores=scores,
        config=config,
        channels=spec.channels,
        steps=config.epochs * batches_per_device(loaders[0], config),
    )
    keeper = Keeper(
        out,
        spec,
        metric=config.metric,
        larger_is_better=scores.larger_is_better,
        patience=config.patience,
        data=marks.of([data.infos[index].name for index in split.train]),
    )
    state = out / STATE
    if state.is_file():
        before = history_of(read_state(state), marks, [data.infos[index].name for index in split.validation], out=out)
        if is_over(before, patience=config.patience, larger_is_better=scores.larger_is_better):
            _log.warning(
                "%s: no better %s for %d epochs: the training is over; raise patience to go on",
                out,
                config.metric,
                config.patience,
            )
            return Trained(weights=out / "weights.safetensors", spec=spec, history=before)
    note_settings(config, out)
    keep_split(
        out, data, split, name=config.data, kind=config.split, seed=config.seed,
        settings=config.model_dump(mode="json", exclude_unset=True),
    )  # fmt: skip
    _fit(module, loaders, keeper, config, out=out, progress=progress)
    return Trained(weights=out / "weights.safetensors", spec=spec, history=keeper.history)


def _fit(module: Segmenter, loaders: Any, keeper: Keeper, config: TrainConfig, *, out: Path, progress: bool) -> None:
    for logger in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    trainer = lightning.Trainer(
        max_epochs=config.epochs,
        accelerator="auto",
        devices=config.devices,
        precision=config.precision,
        gradient_clip_val=config.gradient_clip or None,
        callbacks=[keeper, _StateCheckpoint(dirpath=out, filename="state", enable_version_counter=False)],
        plugins=[SafeCheckpointIO()],
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    state = out / STATE
    try:
        with _ctrl_c_told(), warnings.catch_warnings():
            # A folder that is gone on with is meant; what a library means to change is no user's concern.
            warnings.filterwarnings("ignore", r"Checkpoint directory .* exists and is not empty", UserWarning)
            warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\)")
            trainer.fit(
                module,
                train_dataloaders=loaders[0],
                val_dataloaders=loaders[1],
                ckpt_path=str(state) if state.is_file() else None,
                weights_only=True,
            )
    except BaseException as error:
        # A picture that cannot be written is not what went wrong.
        with contextlib.suppress(OSError):
            keeper.draw()
        if not isinstance(error, FitError):
            raise
        kept = (
            f"the best weights of the {len(keeper.history)} epochs before are kept in {out / 'weights.safetensors'}"
            if keeper.history
            else "no epoch was over, no weights are kept"
        )
        raise FitError(
            f"{error}: the training stops; {kept}; give a learning_rate below {config.learning_rate:g}, or longer "
            "warm_up, and another --out (--initial begins with weights that are kept)"
        ) from error
    keeper.draw()


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
    theirs, ours = (
        f"{each.channels} channels, classes {each.classes}, fold {each.fold}"
        + (f", activation {each.activation}" if each.activation else "")
        for each in (given, spec)
    )
    if theirs != ours:
        raise InputError(f"{initial}: {theirs} given; {ours} expected")
    network.load_state_dict(source.state_dict())
