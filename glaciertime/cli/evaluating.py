"""What ``glaciertime evaluate`` does around the scores: which images, what speaks against them, files and pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.errors import InputError, UsageError
from glaciertime.naming import counted

if TYPE_CHECKING:
    from glaciertime.scenes.datasets.selection import Selected
    from glaciertime.segment.judge.class_matching import ClassMatch
    from glaciertime.segment.judge.evaluation import Evaluation
    from glaciertime.segment.predict.sampled import ReadyModel

__all__ = ["PARTS", "check_places", "draw", "judged", "made_with", "scored_part", "targets_of", "warnings_of", "write"]

PARTS = ("test", "validation", "train", "all")
CURVES = ("confusion", "roc", "reliability", "thresholds")
MAPS = ("worst", "median", "best")
KINDS = (".csv", ".json", ".md", ".tex")


def scored_part(model: ReadyModel, data: Selected, split: str | None) -> tuple[list[int], list[str]]:
    """Return which images are scored, and what is to be said of them: those that were trained on are told."""
    from glaciertime.scenes.datasets.kept_split import read_split

    kept = read_split(model.path)
    every = list(range(len(data)))
    parts = [] if kept is None else kept.part_of(data.infos, digests=data.digests)
    known = any(parts)
    if not known:
        parts = [{"val": "validation"}.get(info.split, info.split) for info in data.infos]
    wanted = split or ("test" if known and "test" in parts else "all")
    if wanted == "all":
        chosen = every
    elif any(parts):
        chosen = [index for index in every if parts[index] == wanted]
    else:
        raise UsageError(
            f"--split {wanted}: neither {model.path.name} nor the data set says how the images were parted; leave it "
            "out, or keep split.json of the training beside the weights"
        )
    if not chosen:
        held = sorted({part or "none" for part in parts})
        raise InputError(
            f"--split {wanted}: none of the {counted(len(data), 'images')} is in that part, they are in "
            f"{', '.join(held)}; "
            "name one of these"
        )
    said = []
    if known and (trained := sum(parts[index] in ("train", "validation") for index in chosen)):
        said.append(
            f"THE WEIGHTS WERE TRAINED ON, OR CHOSEN BY, {trained} OF THESE {len(chosen)} IMAGES: the scores tell how "
            "well they are remembered, not how others are found"
        )
    elif known:
        said.append(f"none of these {counted(len(chosen), 'images')} was trained on, by split.json beside the weights")
    else:
        said += _remembered(model, data, chosen)
    if len(chosen) < len(data):
        said.append(f"{len(chosen)} of {counted(len(data), 'images')} scored, those of the part '{wanted}'")
    return chosen, said


def _remembered(model: ReadyModel, data: Selected, chosen: Sequence[int]) -> list[str]:
    """Return what is to be said where only the words of the weights tell what they were trained on."""
    trained_on = model.spec.trained_on
    text = trained_on.casefold()
    names = {data.infos[index].glacier for index in chosen}
    seen = sorted(name for name in names if name and re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", text))
    if seen:
        of = sum(data.infos[index].glacier in seen for index in chosen)
        more = ", ..." if len(seen) > 5 else ""
        return [
            f"THE WEIGHTS WERE TRAINED ON THESE GLACIERS ({', '.join(seen[:5])}{more}; {of} of "
            f"{counted(len(chosen), 'images')}): "
            "the scores tell how well they are remembered, not how others are found"
        ]
    if not trained_on:
        return ["the weights do not say what they were trained on: these images may be among it"]
    return [f"trained on {trained_on}: where these images are among it, the scores tell how well they are remembered"]


def made_with(model: ReadyModel, data: Selected, indices: Sequence[int]) -> dict[str, Any]:
    """Return what a reader of the scores needs to repeat them."""
    import hashlib

    import glaciertime

    samples = "".join(f"{data.infos[index].name} {data.digests[index]}\n" for index in indices)
    return {
        "glaciertime": glaciertime.__version__,
        "weights": model.path.name,
        "weights_sha256": hashlib.sha256(model.path.read_bytes()).hexdigest(),
        "samples": len(indices),
        "samples_sha256": hashlib.sha256(samples.encode("utf-8", "backslashreplace")).hexdigest(),
    }


def warnings_of(
    model: ReadyModel, data: Selected, indices: Sequence[int], places: Sequence[int], *, ocean: str | None
) -> list[str]:
    """Return what else speaks against the scores: other pixels, other bands, a direction that was assumed."""
    from glaciertime.scenes.datasets.sample import SIMULATED

    spec = model.spec
    found = []
    simulated = sum(data.infos[index].glacier.startswith(SIMULATED) for index in indices)
    if simulated:
        found.append(
            f"{simulated} of {counted(len(indices), 'images', 'are')} SIMULATED: the scores say nothing of real ones"
        )
    pairs = [(name, data.bands[place]) for name, place in zip(spec.bands, places, strict=True)]
    other = [f"'{band}' is given for '{name}'" for name, band in pairs if name.casefold() != band.casefold()]
    if other:
        found.append(f"bands: {', '.join(other)}")
    pixel = spec.resolution_m
    off = {
        f"{info.resolution_m:.3g} m"
        for info in (data.infos[index] for index in indices)
        if info.resolution_m == info.resolution_m and pixel == pixel and not 0.5 <= info.resolution_m / pixel <= 2
    }
    if off and spec.frame.up != "ocean":
        found.append(f"pixels of {', '.join(sorted(off))} are seen as they are; the model was trained on {pixel:.3g} m")
    if spec.frame.up == "ocean" and ocean is None:
        found.append("the ocean is taken to be up in every image; --ocean auto looks for it")
    return found


def judged(
    data: Selected,
    indices: Sequence[int],
    model: ReadyModel,
    match: ClassMatch,
    places: Sequence[int],
    *,
    ocean: str,
    tolerance: float,
) -> Evaluation:
    from rich.progress import Progress

    from glaciertime.cli.quiet import progress_console
    from glaciertime.segment.judge.evaluation import evaluate as judge

    with Progress(console=progress_console(), transient=True) as bar:
        task = bar.add_task("evaluate", total=None)
        return judge(
            data, model=model, match=match, bands=places, indices=indices, ocean=ocean, tolerance_px=tolerance,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip


def targets_of(out: Path | None) -> dict[str, Path]:
    """Return what is to be written, by its suffix."""
    if out is None:
        return {}
    kind = out.suffix.lower()
    if kind in KINDS and not out.is_dir():
        return {kind: out}
    if kind and not out.is_dir():
        raise UsageError(f"--out {out}: one of {', '.join(KINDS)} expected, or a folder for all four")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is no folder; name one, or a file that ends in {', '.join(KINDS)}")
    return {each: out / f"scores{each}" for each in KINDS}


def check_places(targets: dict[str, Path], pictures: Path | None, *, overwrite: bool) -> None:
    """Refuse, before any work, places that must not be written to.

    Raises
    ------
    UsageError
    """
    from glaciertime.writing import Target, check_target

    if pictures is not None and pictures.exists() and not pictures.is_dir():
        raise UsageError(f"--pictures {pictures} is no folder; name one")
    files = [Target(path, "--out", _is_own) for path in targets.values()]
    files += [
        Target(pictures / f"{name}.png", "--pictures", _is_own) for name in (*CURVES, *MAPS) if pictures is not None
    ]
    for target in files:
        # A folder is made; the place of a single file has to be there.
        if (len(targets) == 1 and target.option == "--out") or target.path.parent.is_dir():
            check_target(target, overwrite=overwrite)
            if target.option == "--out":
                check_note(target.path, overwrite=overwrite)


def _is_own(path: Path) -> bool:
    """Return whether a file says that this command made it."""
    from glaciertime.report.evaluation_text import COLUMNS, MARK
    from glaciertime.writing.marks import made_by

    with path.open("rb") as stream:
        head = stream.read(len(MARK) + 8)
    return MARK.encode() in head or made_by(MARK, columns=[COLUMNS])(path)


def write(targets: dict[str, Path], found: dict[str, Any], model: ReadyModel, *, overwrite: bool) -> None:
    """Write the scores, each kind of file where it is to be."""
    from glaciertime.pipeline.runs import card_of
    from glaciertime.report.evaluation_text import csv_text, latex_text, markdown_text
    from glaciertime.writing import write_bytes

    texts = {".csv": csv_text, ".md": markdown_text, ".tex": latex_text}
    made_by = the_run().record(
        files={"weights": model.path},
        tables={f"{found['data']}: {found['made_with']['samples']} samples": found["made_with"]["samples_sha256"]},
        settings={"models": {model.spec.name: card_of(model.path)}, "notes": list(found["warnings"])},
    )
    for kind, path in targets.items():
        text = texts[kind](found) if kind in texts else json.dumps(found, indent=1, allow_nan=False) + "\n"
        if len(targets) > 1:
            path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(
            path, text.encode("utf-8", "backslashreplace"), own=_is_own, inputs=[model.path], overwrite=overwrite
        )
        write_note(path, made_by, overwrite=overwrite)
        the_run().stored.append(f"scores in {path}")


def draw(
    folder: Path,
    held: Evaluation,
    found: dict[str, Any],
    data: Selected,
    indices: Sequence[int],
    model: ReadyModel,
    places: Sequence[int],
    *,
    ocean: str,
    overwrite: bool,
) -> None:
    """Draw the curves, and the images of the least, the middle and the largest mean IoU."""
    from glaciertime.report import evaluation_pictures as pictured
    from glaciertime.segment.judge.evaluation import judge_sample
    from glaciertime.writing import write_bytes

    title = f"{model.spec.name} on {found['data']}"
    pictures = {
        "confusion": pictured.confusion_picture(held, title=title),
        "roc": pictured.roc_picture(held, title=title),
        "reliability": pictured.reliability_picture(held, title=title),
        "thresholds": pictured.threshold_picture(found, title=title),
    }
    places_of = {id(row): index for row, index in zip(held.rows, indices, strict=True)}
    ranked = sorted(held.judged, key=lambda row: (row.mean_iou, row.info.name))
    for word, row in zip(MAPS, (ranked[0], ranked[len(ranked) // 2], ranked[-1]), strict=True):
        sample = data[places_of[id(row)]]
        judged = judge_sample(sample, model=model, match=held.match, bands=places, ocean=ocean)
        about = f"{row.info.name}: the {word} of {len(ranked)} by mean IoU, {row.mean_iou:.3f}"
        pictures[word] = pictured.error_map(judged, sample.image[list(places)], names=held.match.names, title=about)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        path = folder / f"{name}.png"
        write_bytes(path, content, option="--pictures", own=_is_own, overwrite=overwrite)
        the_run().stored.append(f"picture {path}")
