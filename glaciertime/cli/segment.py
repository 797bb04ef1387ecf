"""``glaciertime segment``: images to masks of zones, with a shipped model or one of your own, without torch."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import (
    GlaciersOption,
    JsonOption,
    LimitOption,
    ManifestOption,
    OverwriteOption,
    note,
    print_json_value,
)
from glaciertime.cli.merging import MergeOption
from glaciertime.cli.messages import exit_code
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.cli.segment_files import MARK, TIFF, Files
from glaciertime.cli.selecting import AllOption, RegionOption, RgiOption, chosen_known, selection_of
from glaciertime.errors import GlacierTimeError, InputError, UsageError
from glaciertime.naming import agreeing, counted

if TYPE_CHECKING:
    from glaciertime.cli.segment_settings import Loaded, Settings
    from glaciertime.cli.segmented import Outcome
    from glaciertime.scenes.image_listing import ListedImage

__all__ = ["segment"]

_DEFAULT = "landsat-fronts"


def segment(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="Rasters: files, folders, patterns ('scenes/*.tif'), a CSV with the columns file and date, "
            "https://...; of chosen glaciers one folder, with a folder of each in it.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE|FOLDER", help="The mask to write, .tif or .png; of several images a folder.")
    ],
    glacier: GlaciersOption = None,
    every: AllOption = False,
    region: RegionOption = None,
    manifest: ManifestOption = None,
    rgi: RgiOption = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help=f"landsat-fronts, sar-zones, or an .onnx/.safetensors file; several with --merge, separated by "
            f"commas. [default: {_DEFAULT}]",
        ),
    ] = None,
    merge: MergeOption = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Mountain glaciers, without a model: band-ratio or ndsi of reflectances; 127 ice and snow, 254 water, "
            "64 other. Debris and seasonal snow are not told apart from rock and ice."
        ),
    ] = None,
    sensor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What made the images, for the names of their bands and their scale: landsat-4 to landsat-9, "
            "sentinel-2, sentinel-2-before-2022, sentinel-1, planetscope, aster.",
        ),
    ] = None,
    min_area: Annotated[
        float,
        typer.Option(
            min=0.0, metavar="KM2", help="Parts of any class smaller than that join what is largest around them."
        ),
    ] = 0.0,
    engine: Annotated[str, typer.Option(help="onnx, or torch (needs the extra 'train').")] = "onnx",
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Bands to use, by number from 1, or by name (red,nir,swir1) where the file or --sensor names them; "
            "elsewhere the names of all bands of the file, in order.",
        ),
    ] = None,
    nodata: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="Value that was not observed, or none, whatever the file says."),
    ] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="FACTOR,OFFSET", help="What makes stored values measured ones.")
    ] = None,
    probabilities: Annotated[
        Path | None,
        typer.Option(metavar="FILE|FOLDER", help="Also write each class's probability and the uncertainty."),
    ] = None,
    vector: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Also write polygons of each class and the front: .gpkg in the image's CRS, .geojson in degrees.",
        ),
    ] = None,
    table: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the table of areas as CSV.")] = None,
    tta: Annotated[
        bool | None,
        typer.Option("--tta/--no-tta", help="Average over mirror images and magnifications; else as the model says."),
    ] = None,
    ocean: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Where the ocean lies: north, east, south, west, degrees clockwise from north, up (in the image), or "
            "auto: where the model is surest. Default: auto with a georeference, else up.",
        ),
    ] = None,
    clouds: Annotated[
        str,
        typer.Option(
            metavar="BAND|PATTERN",
            help="Its cloud layer: number or name of a band, or file names such as '*_QA_PIXEL.TIF'; none, or auto: "
            "what is called QA_PIXEL, SCL or Fmask beside it or in it.",
        ),
    ] = "auto",
    centreline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Vector file with the glacier's line, from inland to the sea.")
    ] = None,
    mc_dropout: Annotated[int, typer.Option(min=0, help="Average over that many dropout masks (engine torch).")] = 0,
    smoothness: Annotated[
        float | None, typer.Option(min=0, help="Stiffness of the front, models with one line. [default: 0.1]")
    ] = None,
    window: Annotated[int, typer.Option(min=256, help="Columns of a large raster held in memory at a time.")] = 16384,
    batch: Annotated[int, typer.Option(min=1, help="Patches at a time.")] = 1,
    cog: Annotated[bool, typer.Option("--cog", help="Write Cloud-Optimized GeoTIFF.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="Of onnxruntime, or of torch; 0: its own choice.")] = 0,
    overwrite: OverwriteOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where any image failed.")] = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Part images into zones: 0 no data, 64 rock, 127 glacier, 254 ocean and ice melange; print the area of each.

    The front is where 254 meets 127. A scene with a georeference is turned and resampled as the model needs it, and
    its mask comes back on the scene's own grid. Of several images each has its own mask, NAME_zones.tif in the folder
    --out, and one that cannot be segmented is told with its reason. Areas are those on the WGS84 ellipsoid.

    With --glacier, --all, --region, --manifest or --rgi the images are those of glaciers: of each in the folder that
    its manifest names, else in one that is called like it. Their masks come into a folder of each in --out, one after
    the other, and one that fails stops none.

    Examples:

    glaciertime segment landsat.png --out zones.png

    glaciertime segment LC08_20200801.tif --out zones.tif --ocean west --vector zones.gpkg

    glaciertime segment scenes --out masks --table areas.csv

    glaciertime segment scenes --all --out masks

    glaciertime segment tile.tif --weights clean.onnx,debris.onnx --merge "debris>clean" --out ice.tif

    glaciertime segment S2_20230801.tif --method band-ratio --sensor sentinel-2 --min-area 0.01 --out ice.tif
    """
    from glaciertime.cli.segment_glaciers import images_of_glaciers
    from glaciertime.cli.segment_settings import Settings
    from glaciertime.cli.segmented import Outcome, print_outcomes
    from glaciertime.cli.segmenting import load
    from glaciertime.scenes.image_listing import is_several, list_images
    from glaciertime.scenes.pixel_values import parse_nodata, parse_scale
    from glaciertime.segment.predict.merging import parse_weights

    factor, offset = parse_scale(scale)
    names, rule = parse_weights(weights or _DEFAULT, merge if method is None else None)
    settings = Settings(
        weights=names, merge=rule, method=method, sensor=sensor, bands=bands,
        values=replace(parse_nodata(nodata), scale=factor, offset=offset), scaled=scale is not None,
        min_area_km2=min_area, engine=engine, tta=tta, ocean=ocean, centreline=centreline,
        clouds=clouds, mc_dropout=mc_dropout,
        smoothness=0.1 if smoothness is None else smoothness, window=window, batch=batch, cog=cog, threads=threads,
        overwrite=overwrite,
    )  # fmt: skip
    _check_method(settings, given={
        "--weights": weights, "--merge": merge, "--probabilities": probabilities, "--smoothness": smoothness,
    })  # fmt: skip
    several = is_several(images) or (out.suffix.lower() not in (*TIFF, ".png") and (out.is_dir() or not out.suffix))
    selection = selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi)
    lost: dict[str, str] = {}
    if selection.is_empty:
        listing = list_images(images, mark=MARK, outputs=out if several else None, clouds=clouds)
    else:
        chosen = chosen_known(selection)
        if centreline is not None and len(chosen) > 1:
            raise UsageError(f"--centreline {centreline}: a line of one glacier; choose that one alone")
        listing, said, lost = images_of_glaciers(
            images, chosen, are_named=bool(glacier), mark=MARK, outputs=out, clouds=clouds
        )
        for text in (*said, *lost.values()):
            note(text)
    if listing.own:
        note(
            f"{counted(listing.own, 'masks')} that this command made before {agreeing(listing.own, 'lie')} among "
            f"the images and {agreeing(listing.own, 'are')} left out"
        )
    if listing.clouds:
        note(f"{listing.clouds} cloud layers lie among the images and are not segmented themselves")
    if listing.twice:
        note(f"{counted(listing.twice, 'images', 'are')} named more than once and segmented once")
    places = [
        _files(image, out=out, probabilities=probabilities, vector=vector, several=several, cog=cog)
        for image in listing.images
    ]
    targets = _check_places(listing.images, places, settings, table=table, several=several)
    model = load(settings) if method is None else None
    if several:
        for folder in sorted({target.parent for target in targets}):
            folder.mkdir(parents=True, exist_ok=True)
    outcomes = _segment_all(listing.images, places, settings, model, alone=not several)
    outcomes += [Outcome(image=str(Path(images[0]) / name), reason=reason) for name, reason in lost.items()]
    if table is not None:
        _write_table(table, outcomes, listing.images, settings, model)
    if as_json:
        print_json_value([outcome.as_json() for outcome in outcomes])
    else:
        print_outcomes(outcomes)
    failed = [outcome for outcome in outcomes if outcome.reason]
    if failed:
        note(f"{len(outcomes) - len(failed)} of {counted(len(outcomes), 'images')} segmented, {len(failed)} failed")
        stored = len(failed) < len(outcomes)
        raise typer.Exit(exit_code(stored=stored, failed=True, strict=strict))


def _check_method(settings: Settings, *, given: dict[str, object]) -> None:
    """Refuse options that a method without a model, or a model, would ignore."""
    from glaciertime.scenes.sensors import sensor_named
    from glaciertime.segment.pixels.indices import needed_bands
    from glaciertime.segment.predict.orientation import parse_ocean

    if settings.ocean is not None:
        parse_ocean(settings.ocean)
    if settings.sensor is not None:
        sensor_named(settings.sensor)
    if settings.method is None:
        return
    needed_bands(settings.method)
    given = {
        **given, "--ocean": settings.ocean, "--centreline": settings.centreline, "--tta": settings.tta,
        "--mc-dropout": settings.mc_dropout or None,
    }  # fmt: skip
    wrong = [name for name, value in given.items() if value is not None]
    if settings.engine != "onnx":
        wrong.append("--engine")
    if wrong:
        raise UsageError(f"--method has no model: leave {', '.join(wrong)} out")


def _files(
    image: ListedImage, *, out: Path, probabilities: Path | None, vector: Path | None, several: bool, cog: bool
) -> Files:
    """Return what is to be written of an image; names that no such file can have are refused before any work."""
    from glaciertime.pipeline.zone_outlines import ENDINGS

    if several:
        for option, path in (("--out", out), ("--probabilities", probabilities), ("--vector", vector)):
            if path is not None and (path.is_file() or path.suffix.lower() in (*TIFF, ".png", *ENDINGS)):
                raise UsageError(f"{option} {path}: of several images each has its own file; name a folder")
            if path is not None and not path.parent.is_dir():
                raise UsageError(f"{option} {path}: folder {path.parent} does not exist; create it first")
        return Files(
            out / f"{image.place}_zones.tif",
            None if probabilities is None else probabilities / f"{image.place}_probabilities.tif",
            None if vector is None else vector / f"{image.place}_zones.gpkg",
        )
    kinds = TIFF if cog else (*TIFF, ".png")
    if out.suffix.lower() not in kinds:
        raise UsageError(f"{'--cog: ' if cog else ''}--out {out}: {' or '.join(dict.fromkeys(kinds))} expected")
    if probabilities is not None and probabilities.suffix.lower() not in TIFF:
        raise UsageError(f"--probabilities {probabilities}: float bands are written as .tif")
    if vector is not None and vector.suffix.lower() not in ENDINGS:
        raise UsageError(f"--vector {vector}: {' or '.join(ENDINGS)} expected")
    return Files(out, probabilities, vector)


def _check_places(
    images: tuple[ListedImage, ...], places: list[Files], settings: Settings, *, table: Path | None, several: bool
) -> list[Path]:
    """Refuse places that are those of an image, of each other, or in no folder, before any work; return them."""
    from glaciertime.cli.segmented import COLUMNS
    from glaciertime.writing import Target, check_target
    from glaciertime.writing.marks import made_by

    inputs = {os.path.realpath(image.path): image.path for image in images if image.path is not None}
    all_targets = [target for files in places for target in files.targets()]
    for target in all_targets:
        taken = inputs.get(os.path.realpath(target.path))
        if taken is not None:
            raise UsageError(
                f"{target.option} {target.path} is the input {taken}; name another file, the input is never written "
                "over"
            )
        if not several:
            given = [path for path in (*inputs.values(), *map(Path, settings.weights), settings.centreline) if path]
            check_target(target, inputs=given, overwrite=settings.overwrite)
    if table is not None:
        own = made_by(MARK, columns=[COLUMNS])
        check_target(Target(table, "--table", own), inputs=list(inputs.values()), overwrite=settings.overwrite)
        check_note(table, option="--table", overwrite=settings.overwrite)
        if table.suffix.lower() != ".csv":
            raise UsageError(f"--table {table}: .csv expected")
    return [target.path for target in all_targets]


def _segment_all(
    images: tuple[ListedImage, ...], places: list[Files], settings: Settings, model: Loaded | None, *, alone: bool
) -> list[Outcome]:
    """Segment one image after the other; what one of several fails by is kept as its row."""
    from glaciertime.cli.segmented import Outcome
    from glaciertime.cli.segmenting import segment_image
    from glaciertime.scenes.image_folder import is_mask

    run = the_run()
    run.next = "run the same command again"
    outcomes: list[Outcome] = []
    for number, (image, files) in enumerate(zip(images, places, strict=True), start=1):
        try:
            if not image.is_chosen and image.path is not None and is_mask(image.path):
                raise InputError(f"{image.name} looks like a mask among images; name it itself if it is an image")
            outcome = segment_image(image, files, settings=settings, model=model)
        except GlacierTimeError as error:
            if alone:
                raise
            outcome = Outcome(image=image.source, date=image.date, reason=str(error))
            note(f"{number}/{len(images)} {image.name} FAILED: {error}")
        else:
            shown = f"{outcome.size[1]} x {outcome.size[0]} pixels"
            note(f"{'' if alone else f'{number}/{len(images)} '}{image.name}: {outcome.model}, {shown}, zones in "
                 f"{outcome.mask}")  # fmt: skip
        outcomes.append(outcome)
    return outcomes


def _write_table(
    table: Path,
    outcomes: list[Outcome],
    images: tuple[ListedImage, ...],
    settings: Settings,
    model: Loaded | None,
) -> None:
    """Write the table of areas, and the note of the run beside it."""
    from glaciertime.cli.segmented import COLUMNS, csv_of
    from glaciertime.cli.segmenting import run_of_images
    from glaciertime.writing import write_bytes
    from glaciertime.writing.marks import made_by

    own = made_by(MARK, columns=[COLUMNS])
    write_bytes(table, csv_of(outcomes), option="--table", own=own, overwrite=settings.overwrite)
    record = run_of_images(
        images, settings, model,
        layers={f"clouds over {each.image}": each.clouds for each in outcomes},
        refused=[f"{each.image}: {each.reason}" for each in outcomes if each.reason],
    )  # fmt: skip
    write_note(table, record, option="--table", overwrite=settings.overwrite)
