"""``glaciertime evaluate``: what a model is worth on labelled images, as a referee would ask."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import JsonOption, LimitOption, OverwriteOption, StrictOption, note, print_json_value
from glaciertime.cli.messages import by_kind, exit_code
from glaciertime.cli.running import the_run
from glaciertime.errors import UsageError

if TYPE_CHECKING:
    from glaciertime.scenes.datasets.sample import TrainingData
    from glaciertime.segment.judge.class_matching import ClassMatch
    from glaciertime.segment.judge.evaluation import Evaluation
    from glaciertime.segment.predict.sampled import ReadyModel

__all__ = ["evaluate"]

_KINDS = (".csv", ".json", ".md", ".tex")


def evaluate(
    weights: Annotated[
        str, typer.Argument(metavar="WEIGHTS", help="A shipped name, .onnx, or .safetensors (extra 'train').")
    ],
    data: Annotated[str, typer.Option(help="Reader: landsat-fronts, caffe, nird, hkh-aryal, ...")],
    root: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the data lie.")],
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
    seed: Annotated[int, typer.Option(help="Of the intervals.")] = 0,
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
    threads: Annotated[int, typer.Option(min=0, help="Of onnxruntime; 0: its own choice.")] = 0,
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
    from glaciertime.report.evaluation_text import terminal_text
    from glaciertime.segment.judge.class_matching import match_bands, match_classes, parse_matches
    from glaciertime.segment.judge.findings import findings_of
    from glaciertime.segment.predict.orientation import parse_ocean
    from glaciertime.segment.predict.sampled import ready_model

    targets = _targets(out)
    if pictures is not None and pictures.exists() and not pictures.is_dir():
        raise UsageError(f"--pictures {pictures} is no folder; name one")
    if ocean is not None:
        parse_ocean(ocean)
    told = parse_matches(match or ())
    model = ready_model(weights, threads=threads)
    if ocean is not None and model.spec.frame.up != "ocean":
        raise UsageError(f"{model.spec.name} takes images in any orientation; leave --ocean out")
    opened = _open(data, root)
    matched = match_classes(model.spec.classes, opened.classes, told=told, binary=False)
    places = match_bands(model.spec.bands, opened.bands, told=bands)
    warnings = _warnings(model, opened, places, data, ocean=ocean)
    held = _judged(opened, model, matched, places, ocean=ocean or "up", tolerance=tolerance)
    found: dict[str, Any] = {
        "description": "glaciertime evaluate",
        "model": model.spec.name,
        "data": data,
        **findings_of(held, draws=draws, seed=seed),
        "warnings": warnings,
    }
    if pictures is not None and held.judged:
        _draw(pictures, held, found, opened, model, places, ocean=ocean or "up", overwrite=overwrite)
    if targets:
        _write(targets, found, model, overwrite=overwrite)
    if as_json:
        print_json_value(found)
    else:
        typer.echo(terminal_text(found, width=shutil.get_terminal_size((100, 24)).columns))
    for warning in warnings if as_json else ():
        note(warning)
    problems = [one["reason"] for one in found["failed"]]
    for count, problem in by_kind(problems, names=[one["name"] for one in found["failed"]]):
        note(problem + (f" (and {count - 1} more like it)" if count > 1 else ""))
    if not held.judged:
        note("nothing could be scored: no image has a labelled pixel that is observed")
        raise typer.Exit(1)
    if problems:
        raise typer.Exit(exit_code(stored=True, failed=True, strict=strict))


def _open(data: str, root: Path) -> TrainingData:
    from glaciertime.scenes.datasets.readers import open_training_data

    return open_training_data(data, root=root)


def _warnings(
    model: ReadyModel, data: TrainingData, places: Sequence[int], reader: str, *, ocean: str | None
) -> list[str]:
    """Return what speaks against the scores: weights that have seen the data, other pixels, other bands."""
    spec = model.spec
    glaciers = sorted({info.glacier for info in data.infos if info.glacier})
    text = f" {spec.trained_on.casefold()} "
    seen = [name for name in glaciers if name.casefold() in text]
    found = []
    if seen:
        of = sum(info.glacier in seen for info in data.infos)
        found.append(
            f"THE WEIGHTS WERE TRAINED ON THESE GLACIERS ({', '.join(seen[:5])}{', ...' if len(seen) > 5 else ''}; "
            f"{of} of {len(data)} images): the scores tell how well they are remembered, not how others are found"
        )
    elif reader.replace("_", "-") in text.replace("_", "-"):
        found.append(
            f"the weights were trained on {spec.trained_on}: where these images are among them, the scores tell how "
            "well they are remembered"
        )
    pairs = [(name, data.bands[place]) for name, place in zip(spec.bands, places, strict=True)]
    other = [f"'{band}' is given for '{name}'" for name, band in pairs if name.casefold() != band.casefold()]
    if other:
        found.append(f"bands: {', '.join(other)}")
    pixel = spec.resolution_m
    off = {
        f"{info.resolution_m:.3g} m"
        for info in data.infos
        if info.resolution_m == info.resolution_m and pixel == pixel and not 0.5 <= info.resolution_m / pixel <= 2
    }
    if off and spec.frame.up != "ocean":
        found.append(f"pixels of {', '.join(sorted(off))} are seen as they are; the model was trained on {pixel:.3g} m")
    if spec.frame.up == "ocean" and ocean is None:
        found.append("the ocean is taken to be up in every image; --ocean auto looks for it")
    return found


def _judged(
    data: TrainingData, model: ReadyModel, match: ClassMatch, places: Sequence[int], *, ocean: str, tolerance: float
) -> Evaluation:
    from rich.console import Console
    from rich.progress import Progress

    from glaciertime.segment.judge.evaluation import evaluate as judge

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("evaluate", total=None)
        return judge(
            data, model=model, match=match, bands=places, ocean=ocean, tolerance_px=tolerance,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip


def _targets(out: Path | None) -> dict[str, Path]:
    """Return what is to be written, by its suffix."""
    if out is None:
        return {}
    kind = out.suffix.lower()
    if kind in _KINDS and not out.is_dir():
        return {kind: out}
    if kind and not out.is_dir():
        raise UsageError(f"--out {out}: one of {', '.join(_KINDS)} expected, or a folder for all four")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is no folder; name one, or a file that ends in {', '.join(_KINDS)}")
    return {each: out / f"scores{each}" for each in _KINDS}


def _write(targets: dict[str, Path], found: dict[str, Any], model: ReadyModel, *, overwrite: bool) -> None:
    from glaciertime.report.evaluation_text import COLUMNS, MARK, csv_text, latex_text, markdown_text
    from glaciertime.writing import write_bytes
    from glaciertime.writing.marks import made_by

    texts = {".csv": csv_text, ".md": markdown_text, ".tex": latex_text}

    def own(path: Path) -> bool:
        with path.open("rb") as stream:
            head = stream.read(len(MARK) + 8)
        return MARK.encode() in head or made_by(MARK, columns=[COLUMNS])(path)

    for kind, path in targets.items():
        text = texts[kind](found) if kind in texts else json.dumps(found, indent=1, allow_nan=False) + "\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, text.encode(), own=own, inputs=[model.path], overwrite=overwrite)
        the_run().stored.append(f"scores in {path}")


def _draw(
    folder: Path,
    held: Evaluation,
    found: dict[str, Any],
    data: TrainingData,
    model: ReadyModel,
    places: Sequence[int],
    *,
    ocean: str,
    overwrite: bool,
) -> None:
    """Draw the curves, and the images of the least, the middle and the largest mean IoU."""
    from glaciertime.report import evaluation_pictures as draw
    from glaciertime.segment.judge.evaluation import judge_sample
    from glaciertime.writing import write_bytes
    from glaciertime.writing.marks import made_by

    title = f"{model.spec.name} on {found['data']}"
    pictures = {
        "confusion": draw.confusion_picture(held, title=title),
        "roc": draw.roc_picture(held, title=title),
        "reliability": draw.reliability_picture(held, title=title),
        "thresholds": draw.threshold_picture(found, title=title),
    }
    places_of = {row.info.name: index for index, row in enumerate(held.rows)}
    ranked = sorted(held.judged, key=lambda row: (row.mean_iou, row.info.name))
    for word, row in (("worst", ranked[0]), ("median", ranked[len(ranked) // 2]), ("best", ranked[-1])):
        sample = data[places_of[row.info.name]]
        judged = judge_sample(sample, model=model, match=held.match, bands=places, ocean=ocean)
        about = f"{row.info.name}: the {word} of {len(ranked)} by mean IoU, {row.mean_iou:.3f}"
        pictures[word] = draw.error_map(judged, sample.image[list(places)], names=held.match.names, title=about)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        path = folder / f"{name}.png"
        write_bytes(path, content, option="--pictures", own=made_by("glaciertime evaluate"), overwrite=overwrite)
        the_run().stored.append(f"picture {path}")
