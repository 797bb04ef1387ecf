"""``glaciertime train``: a segmentation model from labelled images; stopped, it goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import LimitOption, OverwriteOption, StrictOption, note
from glaciertime.cli.datasets import (
    BinaryOption,
    ClassesOption,
    DataOption,
    DateFromOption,
    DateToOption,
    FoldClassesOption,
    GlaciersOption,
    MinLabelledOption,
    MonthsOption,
    PositiveOption,
    ReaderOption,
    RegionsOption,
    RootOption,
    SensorsOption,
    SplitOption,
    open_selected,
    reader_options,
    selection_settings,
)
from glaciertime.cli.messages import exit_code
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.cli.train_check import check_training
from glaciertime.errors import InputError, MissingExtraError, UsageError
from glaciertime.naming import counted

if TYPE_CHECKING:
    from glaciertime.scenes.datasets.sample import SampleInfo, TrainingSample
    from glaciertime.scenes.datasets.selection import Selected
    from glaciertime.scenes.datasets.splits import Split
    from glaciertime.segment.teach.training import Trained

__all__ = ["train"]


def train(
    config: Annotated[Path | None, typer.Argument(help="YAML of the settings; see --template-config.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Weights, history and state; resumed from.")
    ] = None,
    data: DataOption = None,
    root: RootOption = None,
    reader: ReaderOption = None,
    date_from: DateFromOption = None,
    date_to: DateToOption = None,
    month: MonthsOption = None,
    sensor: SensorsOption = None,
    region: RegionsOption = None,
    glacier: GlaciersOption = None,
    classes: ClassesOption = None,
    fold_classes: FoldClassesOption = None,
    binary: BinaryOption = False,
    positive: PositiveOption = None,
    min_labelled: MinLabelledOption = None,
    split: SplitOption = None,
    model: Annotated[str | None, typer.Option(help="Architecture, one of `glaciertime models`.")] = None,
    encoder_weights: Annotated[
        str | None, typer.Option(metavar="PACKAGE|FILE", help="Weights that the architecture's encoder starts from.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="front, bce-dice, focal, ...")] = None,
    loss_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of the loss, such as alpha=0.3; may be repeated.")
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(metavar="RULE|NUMBERS", help="none, inverse, median (frequency), or as many as classes: 1,2.5,1."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="What the checkpoint is chosen by: iou, dice, front, ...")] = None,
    test: Annotated[list[str] | None, typer.Option("--test", help="Glacier to leave out; may be repeated.")] = None,
    augmentation: Annotated[str | None, typer.Option(help="none, light, default or strong.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="adamw, adam, nadam, rmsprop or sgd.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Its peak.")] = None,
    schedule: Annotated[str | None, typer.Option(help="cosine, constant, plateau or one-cycle.")] = None,
    warm_up: Annotated[float | None, typer.Option(metavar="EPOCHS", help="In which the rate rises.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Patches a step.")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the training part; more than before extend it.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, metavar="EPOCHS", help="Stop after so many without a better score.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    initial: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Fine-tune these .safetensors or shipped weights.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Draw twelve patches into --out, count pixels by class, and stop.")
    ] = False,
    onnx: Annotated[
        bool, typer.Option("--onnx/--no-onnx", help="Also write model.onnx, for use without torch.")
    ] = True,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    limit: LimitOption = None,
    template_config: Annotated[bool, typer.Option("--template-config", help="Print commented settings.")] = False,
) -> None:
    """Train a model; options win over the file. Splits are by glacier or block, never by patch.

    Examples:

    glaciertime train --template-config > train.yaml

    glaciertime train train.yaml --model glacier-seg-fast --test Sverdrup --out runs/sverdrup
    """
    from glaciertime.pipeline.runs import card_of

    try:
        from glaciertime.segment.teach.config import read_config, template
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error

    if template_config:
        typer.echo(template(), nl=False)
        return
    given: dict[str, Any] = {
        "data": data,
        "root": root,
        "model": model,
        "encoder_weights": encoder_weights,
        "loss": loss,
        "loss_options": _numbers(loss_option) if loss_option else None,
        "class_weights": _weights(class_weights),
        "metric": metric,
        "test": test,
        "augmentation": augmentation,
        "optimiser": optimiser,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "warm_up": warm_up,
        "batch": batch,
        "epochs": epochs,
        "patience": patience,
        "seed": seed,
        "split": split,
        "data_options": reader_options(reader) or None,
        **selection_settings(
            date_from=date_from, date_to=date_to, months=month, sensors=sensor, regions=region, glaciers=glacier,
            classes=classes, fold_classes=fold_classes, binary=binary, positive=positive, min_labelled=min_labelled,
        ),
    }  # fmt: skip
    settings = read_config(_merged(config, {key: value for key, value in given.items() if value is not None}))
    if out is None:
        raise UsageError("--out is missing; give the folder for weights, history and state")
    try:
        from glaciertime.segment.teach.contradictions import check_settings
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    check_settings(settings)
    if settings.split:
        from glaciertime.scenes.datasets.named_splits import parse_split

        parse_split(settings.split)
    samples = _Samples()
    if check:
        opened, parts = _opened(settings, samples, strict=strict)
        check_training(opened, settings, parts, out=out)
        return
    weights, model_file = out / "weights.safetensors", out / "model.onnx"
    if out.is_dir():
        for path in (weights, *([model_file] if onnx else [])):
            check_note(path, overwrite=overwrite)
    try:
        trained, failed = _train(settings, samples, out=out, initial=initial, overwrite=overwrite, strict=strict)
    except KeyboardInterrupt:
        _note_epochs(out)
        raise
    if onnx:
        from glaciertime.segment.export.folded_export import export_model
        from glaciertime.segment.predict.weights import load_model

        network, spec = load_model(trained.weights)
        export_model(network, spec, model_file, mark="glaciertime train", overwrite=True)
    made_by = the_run().record(
        files={"settings": config, "weights it began with": None if initial is None else _initial(initial)},
        tables={f"{settings.data}: {len(samples.rows)} samples": samples.digest()},
        settings={
            "decided": [f"{name}: {value}" for name, value in settings.model_dump(mode="json").items()],
            "models": {trained.spec.name: card_of(trained.weights)},
            "refused": samples.problems,
        },
    )  # fmt: skip
    for path in (trained.weights, *([model_file] if onnx else [])):
        write_note(path, made_by, overwrite=overwrite)
    last = trained.history[-1] if trained.history else {}
    typer.echo(f"{trained.weights}", err=False)
    typer.echo(f"{len(trained.history)} epochs, last {_told(last)}; {out / 'learning_curve.png'}", err=True)
    if failed:
        raise typer.Exit(exit_code(stored=True, failed=True))


def _told(row: dict[str, float]) -> str:
    return ", ".join(f"{name} {row[name]:.4g}" for name in ("loss", "validation_loss", "score") if name in row)


def _numbers(options: list[str]) -> dict[str, float]:
    """Return NAME=VALUE options as numbers by name."""
    found: dict[str, float] = {}
    for option in options:
        name, mark, value = option.partition("=")
        try:
            number = float(value)
        except ValueError:
            mark = ""
        if not mark or not name or name in found:
            raise UsageError(f"--loss-option {option} given, NAME=NUMBER expected, each name once, such as alpha=0.3")
        found[name] = number
    return found


def _weights(given: str | None) -> str | list[float] | None:
    """Return class weights as a rule's name, or as numbers where they are some."""
    if given is None or "," not in given:
        return given
    try:
        return [float(part) for part in given.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--class-weights {given} given; none, inverse, median or numbers as 1,2.5 expected"
        ) from error


def _note_epochs(out: Path) -> None:
    """Note how many epochs a training that was broken off has kept."""
    import json

    with contextlib.suppress(OSError, ValueError):
        count = len(json.loads((out / "history.json").read_bytes()))
        run = the_run()
        run.stored.append(f"{count} epochs in {out}")
        run.next = "run the same command again: it goes on after the last of them"


def _merged(config: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    from glaciertime.segment.teach.config import read_config

    if config is None:
        missing = [name for name in ("data", "root") if name not in options]
        if missing:
            raise UsageError(f"--{missing[0]} is missing; give it, or a file as of --template-config")
        return options
    return {**read_config(config).model_dump(exclude_unset=True), **options}


class _Samples:
    """What a training has read: every sample with the SHA-256 of its pixels and labels, whatever file they lay in."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []
        self.problems: list[str] = []

    def add(self, info: SampleInfo, sample: TrainingSample) -> None:
        """Note a sample."""
        total = hashlib.sha256()
        for part in (sample.image, sample.labels, sample.present):
            total.update(f"{part.dtype} {part.shape}".encode() + part.tobytes())
        self.rows.append((info.name, total.hexdigest()))

    def digest(self) -> str:
        """Return the SHA-256 of them all."""
        import pandas as pd

        from glaciertime.provenance import table_digest

        return table_digest(pd.DataFrame(self.rows, columns=["sample", "sha256"]))


def _initial(name: str) -> Path:
    from glaciertime.segment.description import weights_path

    return weights_path(name, suffix=".safetensors")


def _opened(settings: Any, samples: _Samples, *, strict: bool) -> tuple[Selected, Split]:
    """Return what can be read of what was asked for, and how it is parted; what was left out is told."""
    try:
        from glaciertime.segment.teach.training import make_split
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    opened = open_selected(
        settings.data, settings.root, options=settings.data_options, settings=settings.model_dump(), seen=samples.add,
        strict=strict,
    )  # fmt: skip
    samples.problems += opened.problems
    if len(opened.labelled) < 2:
        raise InputError(
            f"only {opened.labelled[0] if opened.labelled else 'nothing'} is labelled in the "
            f"{counted(len(opened), 'images')} used "
            "and a model tells two classes apart; look at the masks, or at what --classes and other options left out"
        )
    split = make_split(opened, settings)
    if split.told:
        note(split.told)
    return opened, split


def _train(
    settings: Any, samples: _Samples, *, out: Path, initial: str | None, overwrite: bool, strict: bool
) -> tuple[Trained, bool]:
    """Train on what can be read; return what came of it, and whether something could not be."""
    opened, split = _opened(settings, samples, strict=strict)
    from glaciertime.segment.teach.training import train as run

    start = None if initial is None else _initial(initial)
    trained = run(opened, settings, out=out, name=out.name, initial=start, split=split, overwrite=overwrite)
    return trained, bool(opened.problems)
