"""``glaciertime export-model``: an architecture or a trained model as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import OverwriteOption, note
from glaciertime.cli.quiet import working
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.naming import counted

if TYPE_CHECKING:
    from glaciertime.segment.description import ModelSpec

__all__ = ["export_model"]


def export_model(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An architecture, or a model that comes with the package.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.onnx", help="Where to write it.")],
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE.safetensors", help="Trained weights of that architecture.")
    ] = None,
    in_channels: Annotated[int, typer.Option(min=1, help="Bands, where there are no weights to tell.")] = 3,
    classes: Annotated[int, typer.Option(min=1, help="Classes, where there are no weights to tell.")] = 2,
    check: Annotated[bool, typer.Option(help="Compare it with torch at several sizes.")] = True,
    int8: Annotated[
        Path | None, typer.Option("--int8", metavar="FILE.onnx", help="Write an eight-bit version as well.")
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Image to find the ranges of --int8 on; may be repeated.")
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write a model as ONNX with a free batch and size.

    Without weights the model is untrained: good for timing, not for masks.

    Examples:

    glaciertime export-model pspnet --out pspnet.onnx

    glaciertime export-model landsat-fronts --out fronts.onnx --int8 fronts-int8.onnx --image scene.png
    """
    from glaciertime.errors import InputError, UsageError
    from glaciertime.pipeline.runs import card_of
    from glaciertime.segment.architectures.registry import build_model
    from glaciertime.segment.description import shipped_names, weights_path
    from glaciertime.segment.export.onnx import MARK, check_onnx, export_onnx
    from glaciertime.segment.predict.weights import load_model
    from glaciertime.writing import Target, check_target
    from glaciertime.writing.marks import made_by

    if int8 is not None and not image:
        raise UsageError("--int8 given without --image; give images like those it will see, 20 or more do well")
    inputs = [*(image or ()), *([] if weights is None else [weights])]
    check_target(Target(out, "--out", made_by(MARK)), inputs=inputs, overwrite=overwrite)
    check_note(out, overwrite=overwrite)
    if int8 is not None:
        check_note(int8, option="--int8", overwrite=overwrite)
        check_target(Target(int8, "--int8", made_by(MARK)), inputs=[*inputs, out], overwrite=overwrite)
    spec = None
    kept = weights_path(name, suffix=".safetensors") if weights is None and name in shipped_names() else weights
    if weights is not None:
        model, spec = load_model(weights, model=name)
    elif kept is not None:
        model, spec = load_model(kept)
    else:
        model = build_model(name, in_channels=in_channels, classes=classes)
        note(f"{name}: exported with random weights; give --weights for trained ones")
    channels = in_channels if spec is None else spec.channels
    multiple, told = 1, ""

    def compare(made: Path, written: ModelSpec | None = None) -> None:
        nonlocal told
        if not check:
            return
        steps = 1 if written is None else written.multiple
        done = check_onnx(made, model, in_channels=channels, multiple=steps)
        told = f"largest relative difference from torch over {len(done.shapes)} sizes: {done.relative_error:.1e}"
        if done.relative_error > 1e-3:
            raise InputError(
                f"the exported model differs from torch by {done.relative_error:.1e}; {out} is not written"
            )

    with working("exporting"):
        if spec is None:
            export_onnx(model, out, in_channels=channels, check=compare, overwrite=overwrite)
        else:
            from glaciertime.segment.export.folded_export import export_model as export_trained

            multiple = export_trained(model, spec, out, check=compare, overwrite=overwrite).multiple
    run = the_run()
    record = run.record(
        images=[("", "", path.stem, str(path.resolve())) for path in image or ()],
        files={"weights": kept},
        settings={"models": {name: {"note": "random weights"} if kept is None else card_of(kept)}, "checked": told},
    )
    write_note(out, record, overwrite=overwrite)
    run.stored.append(f"the model {name} in {out}")
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB")
    if told:
        typer.echo(told)
    if int8 is not None:
        import numpy as np

        from glaciertime.scenes.imagery import Imagery
        from glaciertime.segment.export.quantise import quantise_onnx
        from glaciertime.segment.normalisation import Normalisation

        rule = Normalisation() if spec is None else spec.normalisation
        bands = in_channels if spec is None else len(spec.bands)
        batches = []
        for path in image or ():
            with Imagery(path, expected=bands) as pixels:
                values = pixels.read_all()
            if not np.isfinite(values).any():
                raise InputError(f"{path}: no pixel is observed (all nodata or NaN); give another image for --int8")
            normalised = rule.apply(values)
            around = [(0, 0), *((0, -side % multiple) for side in normalised.shape[1:])]
            batches.append(np.pad(normalised, around, mode="edge")[None])
        loss = quantise_onnx(out, int8, images=batches, overwrite=overwrite)
        write_note(int8, record, option="--int8", overwrite=overwrite)
        typer.echo(
            f"{int8}: {loss.size_after_bytes / 1e6:.2f} MB; on the {counted(len(batches), 'images')} given "
            f"{100 * loss.agreement:.2f} % of pixels get the same class, mean IoU of the masks {loss.mean_iou:.4f}"
        )
