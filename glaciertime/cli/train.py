"""``glaciertime train``: a segmentation model from labelled images; stopped, it goes on where it was."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import LimitOption, OverwriteOption, StrictOption, note
from glaciertime.cli.messages import by_kind, exit_code
from glaciertime.cli.running import the_run
from glaciertime.errors import InputError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from glaciertime.segment.teach.training import Trained

__all__ = ["train"]


def train(
    config: Annotated[Path | None, typer.Argument(help="YAML of the settings; see --template-config.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Weights, history and state; resumed from.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Reader: landsat-fronts, caffe, nird, hkh-aryal, ...")] = None,
    root: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where the data lie.")] = None,
    model: Annotated[str | None, typer.Option(help="Architecture, one of `glaciertime models`.")] = None,
    encoder_weights: Annotated[
        str | None, typer.Option(metavar="PACKAGE|FILE", help="Weights that the architecture's encoder starts from.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="front, bce-dice, focal, ...")] = None,
    metric: Annotated[str | None, typer.Option(help="What the checkpoint is chosen by: iou, dice, front, ...")] = None,
    test: Annotated[list[str] | None, typer.Option("--test", help="Glacier to leave out; may be repeated.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training part.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    initial: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Fine-tune these .safetensors or shipped weights.")
    ] = None,
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
        "metric": metric,
        "test": test,
        "epochs": epochs,
        "seed": seed,
    }
    settings = read_config(_merged(config, {key: value for key, value in given.items() if value is not None}))
    if out is None:
        raise UsageError("--out is missing; give the folder for weights, history and state")
    try:
        trained, failed = _train(settings, out=out, initial=initial, overwrite=overwrite, strict=strict)
    except KeyboardInterrupt:
        _note_epochs(out)
        raise
    if onnx:
        from glaciertime.segment.export.folded_export import export_model
        from glaciertime.segment.predict.weights import load_model

        network, spec = load_model(trained.weights)
        export_model(network, spec, out / "model.onnx", mark="glaciertime train", overwrite=True)
    last = trained.history[-1] if trained.history else {}
    typer.echo(f"{trained.weights}", err=False)
    typer.echo(f"{len(trained.history)} epochs, last {last}", err=True)
    if failed:
        raise typer.Exit(exit_code(stored=True, failed=True))


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


def _train(settings: Any, *, out: Path, initial: str | None, overwrite: bool, strict: bool) -> tuple[Trained, bool]:
    """Train on what can be read; return what came of it, and whether something could not be."""
    from glaciertime.scenes.datasets.readable import readable_part
    from glaciertime.scenes.datasets.readers import open_training_data

    try:
        from glaciertime.segment.description import weights_path
        from glaciertime.segment.teach.training import train as run
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    opened = readable_part(open_training_data(settings.data, root=settings.root, options=settings.data_options))
    problems = getattr(opened, "problems", ())
    for count, problem in by_kind(problems):
        note(problem + (f" (and {count - 1} more like it)" if count > 1 else ""))
    if strict and problems:
        raise InputError(f"{len(problems)} samples cannot be read; without --strict the others are used")
    start = None if initial is None else weights_path(initial, suffix=".safetensors")
    return run(opened, settings, out=out, name=out.name, initial=start, overwrite=overwrite), bool(problems)
