"""``glaciertime adapt``: a shipped model tuned to one glacier on a few labelled dates, and what that gained."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import GlacierOption, JsonOption, LimitOption, ManifestOption, OverwriteOption, note
from glaciertime.cli.dating import DateFormatOption, DayFirstOption, MonthFirstOption, date_reading
from glaciertime.cli.messages import exit_code
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.cli.selecting import chosen_known, make_folder, selection_of
from glaciertime.naming import counted

if TYPE_CHECKING:
    from glaciertime.pipeline.adapting import Adapted, AdaptRequest
    from glaciertime.pipeline.place_stack import PlaceStack

__all__ = ["MARK", "adapt"]

MARK = "glaciertime adapt"
_WEIGHTS, _ONNX, _CARD = "weights.safetensors", "model.onnx", "adapted.json"
_STACK, _FRONTS = "stack.csv", "fronts.geojson"
_STEPS = 40


def adapt(
    glacier: GlacierOption,
    data: Annotated[Path, typer.Option(metavar="IMAGES", help="Folder of dated images of the glacier.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the adapted model goes.")],
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FRONTS|MASKS", help="Vector file of dated fronts, or folder of dated masks: 3 or more."),
    ] = None,
    weights: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Model to begin from: a shipped name or .safetensors.")
    ] = "landsat-fronts",
    rehearse: Annotated[
        str | None,
        typer.Option(
            metavar="READER=FOLDER", help="Earlier images shown beside the labels, not to be forgotten; default: none."
        ),
    ] = None,
    ocean: Annotated[
        str | None, typer.Option(metavar="WHERE", help="Where the ocean lies in images; as for track.")
    ] = None,
    centreline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Line from inland to the sea; as for track.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help="What the pixels of the masks mean; as for track.")] = None,
    nodata: Annotated[str | None, typer.Option(metavar="VALUE", help="Value of images that was not observed.")] = None,
    crs: Annotated[str | None, typer.Option(help="Coordinate system of images or labels that name none.")] = None,
    resolution: Annotated[
        float | None,
        typer.Option(min=0.001, max=10_000, help="Pixel size in metres of images without georeference, ocean up."),
    ] = None,
    bands: Annotated[str | None, typer.Option(help="Bands of images to use, from 1, comma-separated.")] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="FACTOR,OFFSET", help="What makes the values of images measured ones.")
    ] = None,
    clouds: Annotated[
        str | None, typer.Option(metavar="BAND|PATTERN", help="Cloud layers of images; as for track.")
    ] = None,
    dates: Annotated[Path | None, typer.Option(help="CSV with the columns file and date.")] = None,
    date_format: DateFormatOption = "",
    day_first: DayFirstOption = False,
    month_first: MonthFirstOption = False,
    name_column: Annotated[str, typer.Option(metavar="COLUMN", help="Column of FRONTS that names glaciers.")] = "",
    id_column: Annotated[str, typer.Option(metavar="COLUMN", help="Column of FRONTS that numbers glaciers.")] = "",
    date_column: Annotated[str, typer.Option(metavar="COLUMN", help="Column of FRONTS that holds dates.")] = "",
    manifest: ManifestOption = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of learning, of 8 patches each.")] = _STEPS,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Adapt a model that draws calving fronts to one glacier, and say by leaving dates out what that gained.

    Every labelled date is left out in turn, and its front measured by the model as it was given and by one that learnt
    the other dates. Where that gained nothing, it is said, and FOLDER holds the model as it was given. The result is
    for images of that glacier: FOLDER/model.onnx is what --weights of track takes.

    Without --labels nothing is learnt: FOLDER/stack.csv has of every image that the model is unsure of two fronts, that
    of the image alone and that with what the other images say of where a front can be.

    Examples:

    glaciertime adapt --glacier Helheim --data scenes --labels fronts.gpkg --out helheim

    glaciertime adapt --glacier Jakobshavn --data landsat_fronts --labels landsat_fronts --out jakobshavn
    """
    from glaciertime.errors import MissingExtraError
    from glaciertime.pipeline.adapting import adapt as run_adapt
    from glaciertime.pipeline.adapting import read_place_images

    try:
        from glaciertime.segment.adapt.tuning import Tuning
    except ModuleNotFoundError as error:
        raise MissingExtraError("adapting a model", "train") from error

    began = time.monotonic()
    told = date_reading(day_first=day_first, month_first=month_first, form=date_format, hemisphere="")
    request = _request(
        glacier, data, labels, weights=weights, rehearse=rehearse, ocean=ocean, centreline=centreline, classes=classes,
        nodata=nodata, crs=crs, resolution=resolution, bands=bands, scale=scale, clouds=clouds, dates=dates, told=told,
        columns=(name_column, id_column, date_column), manifest=manifest,
    )  # fmt: skip
    if labels is None:
        _refuse_unused(
            {"--rehearse": rehearse, "--classes": classes, "--name-column": name_column, "--id-column": id_column,
             "--date-column": date_column, "--steps": steps != _STEPS, "--seed": seed != 0}
        )  # fmt: skip
    make_folder(out)
    _check_places(out, request, overwrite=overwrite)
    from rich.progress import Progress

    from glaciertime.cli.quiet import progress_console

    with Progress(console=progress_console(), transient=True) as bar:
        looking = bar.add_task("images", total=None)
        stack = read_place_images(request, tell=note, progress=lambda: bar.update(looking, advance=1))
        for problem in stack.problems:
            note(f"left out: {problem}")
        bar.remove_task(looking)
        if labels is None:
            _write_stack(out, stack, overwrite=overwrite, as_json=as_json)
            raise typer.Exit(exit_code(stored=True, failed=bool(stack.problems)))
        learning = bar.add_task("learning", total=None)
        made = run_adapt(
            request, stack, tuning=Tuning(steps=steps, seed=seed), tell=note,
            progress=lambda done, total: bar.update(learning, completed=done, total=total),
        )  # fmt: skip
    card = _card(request, stack, made, minutes=(time.monotonic() - began) / 60, steps=steps, seed=seed)
    _write(out, made, card, request, stack, overwrite=overwrite)
    _print(out, made, card, as_json=as_json)
    raise typer.Exit(exit_code(stored=True, failed=bool(stack.problems)))


def _request(
    glacier: str,
    data: Path,
    labels: Path | None,
    *,
    weights: str,
    rehearse: str | None,
    ocean: str | None,
    centreline: Path | None,
    classes: str | None,
    nodata: str | None,
    crs: str | None,
    resolution: float | None,
    bands: str | None,
    scale: str | None,
    clouds: str | None,
    dates: Path | None,
    told: Any,
    columns: tuple[str, str, str],
    manifest: list[Path] | None,
) -> AdaptRequest:
    from glaciertime.catalog import Glacier
    from glaciertime.cli.track import parse_direction
    from glaciertime.errors import UsageError
    from glaciertime.pipeline.adapting import AdaptRequest
    from glaciertime.scenes.classes import parse_classes
    from glaciertime.scenes.folder import MaskReading
    from glaciertime.scenes.glacier_rows import VectorReading
    from glaciertime.scenes.names import dates_of_files
    from glaciertime.scenes.pixel_values import parse_bands, parse_scale
    from glaciertime.scenes.rasters import parse_crs

    chosen = chosen_known(selection_of([glacier], manifest=manifest))
    (name,) = chosen.names
    known = chosen.known.entry(name) or Glacier(name=name)
    of_files = dates_of_files(dates, reading=told) if dates else {}
    plane = parse_crs(crs) if crs else None
    images = MaskReading(
        classes=parse_classes(None, nodata=nodata), crs=plane, local_resolution_m=resolution, dates=of_files,
        image_bands=parse_bands(bands), scale=parse_scale(scale), clouds=clouds or "auto",
    )  # fmt: skip
    masks = MaskReading(
        classes=parse_classes(classes, nodata=None), crs=plane, local_resolution_m=resolution, dates=of_files
    )
    earlier = None
    if rehearse is not None:
        reader, equals, folder = rehearse.partition("=")
        if not (reader and equals and folder):
            raise UsageError(f"--rehearse '{rehearse}': READER=FOLDER expected, such as landsat-fronts=data")
        earlier = (reader.strip(), Path(folder.strip()))
    name_column, id_column, date_column = columns
    return AdaptRequest(
        glacier=known, data=data, labels=labels, weights=weights, reading=images, label_reading=masks,
        columns=VectorReading(dates=told, name_column=name_column, date_column=date_column, id_column=id_column),
        ocean=parse_direction(ocean), centreline=centreline, rehearse=earlier,
    )  # fmt: skip


def _check_places(out: Path, request: AdaptRequest, *, overwrite: bool) -> None:
    """Refuse places that must not be written to before any work."""
    from glaciertime.segment.description import weights_path
    from glaciertime.writing import Target, check_target

    inputs = [weights_path(request.weights, suffix=".safetensors"), request.data, *filter(None, [request.labels])]
    names = (_WEIGHTS, _ONNX, _CARD) if request.labels is not None else (_STACK, _FRONTS)
    for name in names:
        check_target(Target(out / name, "--out", _own(name)), inputs=inputs, overwrite=overwrite)
    for name in (_WEIGHTS, _ONNX) if request.labels is not None else ():
        check_note(out / name, overwrite=overwrite)


def _refuse_unused(options: dict[str, Any]) -> None:
    from glaciertime.errors import UsageError

    given = [name for name, value in options.items() if value]
    if given:
        raise UsageError(f"{', '.join(given)}: of labels or of learning, and no --labels are given; leave it out")


def _own(name: str) -> Callable[[Path], bool]:
    """Return what says of a file of this name whether an earlier run made it."""
    from glaciertime.pipeline.sharpening import COLUMNS
    from glaciertime.writing.marks import made_by

    return made_by("glaciertime train") if name == _WEIGHTS else made_by(MARK, columns=[COLUMNS])


def _write_stack(out: Path, stack: PlaceStack, *, overwrite: bool, as_json: bool) -> None:
    """Write and print the fronts of the images with and without what the others say."""
    import pandas as pd

    from glaciertime.cli.common import print_json_value
    from glaciertime.pipeline.sharpening import COLUMNS, fronts_geojson, fronts_of_stack
    from glaciertime.writing import write_bytes

    fronts, said = fronts_of_stack(stack)
    for sentence in said:
        note(sentence)
    rows = [one.row() for one in fronts]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    write_bytes(out / _STACK, table.to_csv(index=False).encode(), option="--out", own=_own(_STACK), overwrite=overwrite)
    lines = fronts_geojson(fronts, mark=MARK)
    if lines is not None:
        write_bytes(out / _FRONTS, lines, option="--out", own=_own(_FRONTS), overwrite=overwrite)
    the_run().stored.append(f"the fronts of {counted(len(fronts), 'images')} in {out}")
    if as_json:
        print_json_value(rows)
        return
    for row in rows:
        both = "" if row["with_stack_m"] is None else f"{row['with_stack_m']:9.1f}"
        typer.echo(f"{row['date']:11} {row['alone_m']:9.1f} {both:9}  {row['said']}")
    far = sum(one.is_far and bool(one.image.unclear) for one in fronts)
    typer.echo(
        f"{out / _STACK}: metres from the middle front, positive towards the ocean, by the image alone and with the "
        f"other images; {sum(bool(one.image.unclear) for one in fronts)} of {counted(len(fronts), 'images', 'are')} "
        f"unclear, {far} of "
        "them would be moved by more than ten pixels and have to be looked at"
    )


def _card(
    request: AdaptRequest, stack: PlaceStack, made: Adapted, *, minutes: float, steps: int, seed: int
) -> dict[str, Any]:
    """Return what is kept beside an adapted model: what it is of, and what leaving dates out gave."""
    from glaciertime.segment.adapt.leaving_out import sentences

    gain, spec = made.gain, made.spec
    return {
        "description": MARK,
        "name": spec.name,
        "adapted_to": spec.adapted_to,
        "from": stack.spec.name,
        "images": len(stack.images),
        "labelled": [{"image": one.info.name, "date": str(one.info.date)} for one in made.labelled],
        "left_out": [
            {"image": one.name, "date": one.date, "before_px": _number(one.before_px),
             "after_px": _number(one.after_px), "pixel_m": _number(one.pixel_m)}
            for one in gain.images
        ],
        "moved": [
            {"image": one.name, "date": one.date, "before_row": round(one.before_row, 2),
             "after_row": round(one.after_row, 2), "apart_px": round(one.apart_px, 2)}
            for one in made.moved
        ],
        "mean_before_px": _number(gain.before_px),
        "mean_after_px": _number(gain.after_px),
        "count": gain.count,
        "pixel_m": _number(gain.pixel_m),
        "is_gain": gain.is_gain,
        "is_adapted": made.is_adapted,
        "said": [*([made.doubt, "the model as it was given is kept"] if made.doubt else []), *sentences(gain)],
        "trained_on": spec.trained_on,
        "licence": spec.licence,
        "steps": steps,
        "seed": seed,
        "minutes": round(minutes, 2),
    }  # fmt: skip


def _number(value: float) -> float | None:
    return round(value, 4) if value == value else None


def _write(
    out: Path, made: Adapted, card: dict[str, Any], request: AdaptRequest, stack: PlaceStack, *, overwrite: bool
) -> None:
    from glaciertime.pipeline.runs import card_of
    from glaciertime.segment.description import weights_path
    from glaciertime.segment.export.folded_export import export_model
    from glaciertime.segment.predict.weights import save_model
    from glaciertime.writing import write_bytes
    from glaciertime.writing.marks import made_by

    save_model(made.network, made.spec, out / _WEIGHTS, overwrite=overwrite)
    export_model(made.network, made.spec, out / _ONNX, mark=MARK, overwrite=overwrite)
    content = json.dumps(card, indent=1, ensure_ascii=False).encode()
    write_bytes(out / _CARD, content, option="--out", own=made_by(MARK), overwrite=overwrite)
    run = the_run()
    record = run.record(
        glacier=request.glacier.name,
        images=[
            (one.info.glacier, "", one.info.name, one.scene.acquisition.input) for one in stack.images
        ],
        files={"weights it began with": weights_path(request.weights, suffix=".safetensors")},
        settings={"models": {made.spec.name: card_of(out / _WEIGHTS)}, "left out": card["left_out"]},
    )  # fmt: skip
    for name in (_WEIGHTS, _ONNX):
        write_note(out / name, record, overwrite=overwrite)
    run.stored.append(f"the model {made.spec.name} in {out}")


def _print(out: Path, made: Adapted, card: dict[str, Any], *, as_json: bool) -> None:
    from glaciertime.cli.common import print_json_value

    if as_json:
        print_json_value({**card, "weights": str(out / _ONNX)})
        return
    gain = made.gain
    typer.echo(f"{'date':11} {'before':>8} {'after':>8}  image   (pixels of {gain.pixel_m:.1f} m)")
    for one in gain.images:
        typer.echo(f"{one.date:11} {one.before_px:8.2f} {one.after_px:8.2f}  {one.name}")
    for sentence in card["said"]:
        typer.echo(sentence)
    for it in made.moved:
        note(
            f"{it.date}: adapting moved the front of {it.name} by {it.apart_px:.0f} pixels (mean row "
            f"{it.before_row:.0f} before, {it.after_row:.0f} after): it was lost, or it is a real jump; look at it"
        )
    whose = f"for images of {made.spec.adapted_to}" if made.is_adapted else f"{made.spec.name} as it was given"
    typer.echo(f"{out / _ONNX}: {whose}, {card['minutes']:.1f} minutes")
