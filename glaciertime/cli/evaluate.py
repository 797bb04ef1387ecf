"""``glaciertime evaluate``: what a model is worth on labelled images, as a referee would ask."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import JsonOption, LimitOption, OverwriteOption, StrictOption, note, print_json_value
from glaciertime.cli.datasets import (
    BinaryOption,
    ClassesOption,
    DateFromOption,
    DateToOption,
    FoldClassesOption,
    GlaciersOption,
    MinLabelledOption,
    MonthsOption,
    PositiveOption,
    ReaderOption,
    RegionsOption,
    SensorsOption,
    open_selected,
    reader_options,
    selection_settings,
)
from glaciertime.cli.messages import by_kind, exit_code
from glaciertime.errors import UsageError

if TYPE_CHECKING:
    pass

__all__ = ["evaluate"]


def evaluate(
    weights: Annotated[
        str, typer.Argument(metavar="WEIGHTS", help="A shipped name, .onnx, or .safetensors (extra 'train').")
    ],
    data: Annotated[str, typer.Option(help="Reader: landsat-fronts, caffe, nird, hkh-aryal, ...")],
    root: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the data lie.")],
    split: Annotated[
        str | None,
        typer.Option(
            metavar="PART",
            help="test, validation, train or all, as the training parted the images or the data set does. [default: "
            "test where the weights know their parts, else all]",
        ),
    ] = None,
    binary: BinaryOption = False,
    positive: PositiveOption = None,
    classes: ClassesOption = None,
    fold_classes: FoldClassesOption = None,
    date_from: DateFromOption = None,
    date_to: DateToOption = None,
    month: MonthsOption = None,
    sensor: SensorsOption = None,
    region: RegionsOption = None,
    glacier: GlaciersOption = None,
    min_labelled: MinLabelledOption = None,
    reader: ReaderOption = None,
    match: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL=DATA",
            help="Which class of the labels a class of the model is, else by name; may be repeated.",
        ),
    ] = None,
    bands: Annotated[
        str | None, typer.Option(metavar="LIST", help="The data's bands to use, in the model's order; else by name.")
    ] = None,
    ocean: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Of models that have the ocean up: up (in the image), auto, or a direction. [default: up]",
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0.0, metavar="PIXELS", help="Of the boundary F1.")] = 2.0,
    draws: Annotated[int, typer.Option(min=0, help="Draws of the intervals; 0 for none.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE|FOLDER", help="Also write .csv, .json, .md or .tex; into a folder all four."),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Also draw confusion matrix, ROC, reliability, thresholds, and maps of three images."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Of onnxruntime, or of torch; 0: its own choice.")] = 0,
    overwrite: OverwriteOption = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Score a model on labelled images, each predicted as `segment` does.

    Per class and in the mean: IoU, Dice, precision, recall, accuracy, Matthews correlation, ROC-AUC, average precision,
    calibration error, boundary F1; the front error where glacier and ocean are among the classes. Intervals are over
    glaciers where there are five, else over scenes. A score that is not defined is null, with the reason.

    Examples:

    glaciertime evaluate landsat-fronts --data landsat-fronts --root data/landsat_fronts

    glaciertime evaluate model.onnx --data caffe --root CaFFe --out scores --pictures scores
    """
    from glaciertime.cli.evaluating import (
        PARTS,
        check_places,
        draw,
        judged,
        made_with,
        scored_part,
        targets_of,
        warnings_of,
        write,
    )
    from glaciertime.report.evaluation_text import terminal_text
    from glaciertime.segment.judge.class_matching import match_bands, match_classes, parse_matches
    from glaciertime.segment.judge.findings import findings_of
    from glaciertime.segment.predict.orientation import parse_ocean
    from glaciertime.segment.predict.sampled import ready_model

    targets = targets_of(out)
    check_places(targets, pictures, overwrite=overwrite)
    if not math.isfinite(tolerance):
        raise UsageError(f"--tolerance {tolerance}: a number of pixels expected")
    if ocean is not None:
        parse_ocean(ocean)
    told = parse_matches(match or ())
    model = ready_model(weights, threads=threads)
    if ocean is not None and model.spec.frame.up != "ocean":
        raise UsageError(f"{model.spec.name} takes images in any orientation; leave --ocean out")
    if split is not None and split not in PARTS:
        raise UsageError(f"--split {split}: one of {', '.join(PARTS)} expected")
    settings = selection_settings(
        date_from=date_from, date_to=date_to, months=month, sensors=sensor, regions=region, glaciers=glacier,
        classes=classes, fold_classes=fold_classes, binary=binary, positive=positive, min_labelled=min_labelled,
    )  # fmt: skip
    opened = open_selected(data, root, options=reader_options(reader), settings=settings, strict=strict)
    matched = match_classes(model.spec.classes, opened.classes, told=told, binary=binary)
    places = match_bands(model.spec.bands, opened.bands, told=bands)
    indices, warnings = scored_part(model, opened, split)
    warnings += warnings_of(model, opened, indices, places, ocean=ocean)
    for warning in warnings:
        note(warning)
    held = judged(opened, indices, model, matched, places, ocean=ocean or "up", tolerance=tolerance)
    found: dict[str, Any] = {
        "description": "glaciertime evaluate",
        "model": model.spec.name,
        "data": data,
        **findings_of(held, draws=draws, seed=seed),
        "made_with": made_with(model, opened, indices),
        "warnings": warnings,
    }
    if pictures is not None and held.judged:
        draw(pictures, held, found, opened, indices, model, places, ocean=ocean or "up", overwrite=overwrite)
    if targets:
        write(targets, found, model, overwrite=overwrite)
    if as_json:
        print_json_value(found)
    else:
        typer.echo(terminal_text(found, width=shutil.get_terminal_size((100, 24)).columns))
    for count, problem in by_kind([row.reason for row in held.failed], names=[row.info.name for row in held.failed]):
        note(problem + (f" (and {count - 1} more like it)" if count > 1 else ""))
    if not held.judged:
        note("nothing could be scored: no image has a labelled pixel that is observed")
        raise typer.Exit(1)
    if found["failed"]:
        raise typer.Exit(exit_code(stored=True, failed=True, strict=strict))
