"""``glaciertime segment``: an image to a mask of zones, with a shipped model or one of your own, without torch."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import (
    LimitOption,
    OverwriteOption,
    note,
)
from glaciertime.cli.running import the_run
from glaciertime.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glaciertime.provenance import RunRecord
    from glaciertime.scenes.imagery import Imagery
    from glaciertime.scenes.pixel_values import PixelReading
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.predict.engine import Engine
    from glaciertime.writing import Target
    from glaciertime.writing.rasters import RasterDraft

__all__ = ["segment"]

_DEFAULT = "landsat-fronts"
_TILE = 256
_MARK = "glaciertime segment"
_TIFF = (".tif", ".tiff")
_GROUND = {"ice and snow": 127, "water": 254, "other": 64, "not observed": 0}


def segment(
    image: Annotated[Path, typer.Argument(help="A raster: GeoTIFF, or a grey PNG without georeference.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The mask to write: .tif or .png, one uint8 band.")],
    weights: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="landsat-fronts, sar-zones, or an .onnx/.safetensors file.")
    ] = _DEFAULT,
    method: Annotated[
        str | None,
        typer.Option(help="Mountain glaciers, without a model: band-ratio or ndsi of reflectances; 127 ice and snow."),
    ] = None,
    sensor: Annotated[
        str | None, typer.Option(help="With --method, what the stored values are: landsat-8, sentinel-2, ...")
    ] = None,
    min_area: Annotated[
        float, typer.Option(min=0.0, metavar="KM2", help="With --method, patches of ice below it are left out.")
    ] = 0.0,
    engine: Annotated[str, typer.Option(help="onnx, or torch (needs the extra 'train').")] = "onnx",
    bands: Annotated[str | None, typer.Option(help="Bands to use, from 1, comma-separated.")] = None,
    nodata: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="Value that was not observed, or none, whatever the file says."),
    ] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="FACTOR,OFFSET", help="What makes stored values measured ones.")
    ] = None,
    probabilities: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write each class's probability and the uncertainty.")
    ] = None,
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
    centreline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Vector file with the glacier's line, from inland to the sea.")
    ] = None,
    mc_dropout: Annotated[int, typer.Option(min=0, help="Average over that many dropout masks (engine torch).")] = 0,
    smoothness: Annotated[float, typer.Option(min=0, help="Stiffness of the front, models with one line.")] = 0.1,
    window: Annotated[int, typer.Option(min=256, help="Columns of a large raster held in memory at a time.")] = 16384,
    batch: Annotated[int, typer.Option(min=1, help="Patches at a time.")] = 1,
    cog: Annotated[bool, typer.Option("--cog", help="Write a Cloud-Optimized GeoTIFF.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="Of onnxruntime; 0: its own choice.")] = 0,
    overwrite: OverwriteOption = False,
    limit: LimitOption = None,
) -> None:
    """Part an image into zones: 0 no data, 64 rock, 127 glacier, 254 ocean and ice melange.

    The front is where 254 meets 127. A scene with a georeference is turned and resampled as the model needs it, and
    its mask comes back on the scene's own grid.

    Examples:

    glaciertime segment landsat.png --out zones.png

    glaciertime segment LC08_20200801.tif --out zones.tif --ocean west

    glaciertime segment S2_20230801.tif --method band-ratio --sensor sentinel-2 --out ice.tif

    glaciertime segment sentinel1.tif --weights sar-zones --out zones.tif --probabilities p.tif
    """
    from glaciertime.cli.framing import predict_in_frame
    from glaciertime.scenes.imagery import Imagery
    from glaciertime.scenes.pixel_values import parse_bands, parse_nodata, parse_scale
    from glaciertime.segment.predict.checks import check_values
    from glaciertime.segment.predict.engine import load_engine
    from glaciertime.writing import check_target, drafts

    targets = _targets(out, probabilities, cog=cog)
    inputs = (image, Path(weights), *((centreline,) if centreline is not None else ()))
    for target in targets:
        check_target(target, inputs=inputs, overwrite=overwrite)
    factor, offset = parse_scale(scale)
    told = replace(parse_nodata(nodata), scale=factor, offset=offset)
    if method is not None:
        _by_reflectance(
            image, out, method=method, bands=bands, sensor=sensor, values=told, scaled=scale is not None,
            min_area_km2=min_area, cog=cog, overwrite=overwrite,
            others=(
                probabilities, ocean, centreline, tta, mc_dropout or None, None if weights == _DEFAULT else weights,
            ),
        )  # fmt: skip
        return
    if sensor is not None or min_area:
        raise UsageError("--sensor and --min-area belong to --method; leave them out")
    run, spec = load_engine(weights, engine=engine, threads=threads)
    if spec.frame.up == "any" and (ocean is not None or centreline is not None):
        raise UsageError(f"{spec.name} takes images in any orientation; leave --ocean and --centreline out")
    if "no real image" in spec.trained_on:
        note(f"{spec.name} was trained on {spec.trained_on}: its masks of real ones are not to be relied on")
    quick = run
    if mc_dropout:
        run = _dropout(weights, engine=engine, draws=mc_dropout)
    if spec.augmented if tta is None else tta:
        from glaciertime.segment.predict.uncertainty import varied

        run = varied(run)
    chosen = parse_bands(bands)
    tag = _record(image, weights, engine=engine, spec=spec, bands=chosen, centreline=centreline).tag()
    with (
        Imagery(image, bands=chosen, expected=len(spec.bands), values=told) as pixels,
        drafts(targets, inputs=inputs, overwrite=overwrite) as files,
    ):
        checked = check_values(pixels.sample(), spec=spec, values=told, name=image.name)
        pixels.values = checked.values
        for sentence in (*checked.notes, *(f"{image.name}: {doubt}" for doubt in checked.doubts)):
            note(sentence)
        mask, probable = files[0], files[1] if probabilities is not None else None
        whole = max(pixels.height, pixels.width) <= spec.patch_px
        if spec.frame.up == "ocean":
            probability, zones = predict_in_frame(
                pixels, run=run, quick=quick, spec=spec, ocean=ocean, centreline=centreline, smoothness=smoothness
            )
            _write(pixels, probability, zones, spec=spec, out=mask, probabilities=probable, cog=cog, tag=tag)
        elif whole:
            _whole(pixels, run=run, spec=spec, out=mask, probabilities=probable, cog=cog, tag=tag)
        else:
            _strips(
                pixels, run=run, spec=spec, out=mask, probabilities=probable, window=window, batch=batch, cog=cog,
                tag=tag,
            )  # fmt: skip
    the_run().stored.append(f"zones in {out}")
    typer.echo(f"{image}: {spec.name}, {pixels.width} x {pixels.height} pixels, zones in {out}", err=True)


def _record(
    image: Path, weights: str, *, engine: str, spec: ModelSpec, bands: tuple[int, ...] | None, centreline: Path | None
) -> RunRecord:
    """Return what the files say of where they come from."""
    from glaciertime.pipeline.runs import card_of
    from glaciertime.segment.description import weights_path

    path = weights_path(weights, suffix=".onnx" if engine == "onnx" else ".safetensors")
    log = logging.getLogger("glaciertime.segment")
    log.info("model %s (%s), engine %s, weights %s", spec.name, spec.model, engine, path)
    log.info("bands %s, expected %s", bands or "as they come", ", ".join(spec.bands))
    return the_run().record(
        images=[("", "", image.name, str(image.resolve()))],
        files={"weights": path, "centreline": centreline},
        settings={"models": {spec.name: card_of(path)}, "engine": engine, "bands": bands, "codes": list(spec.codes)},
    )


def _targets(out: Path, probabilities: Path | None, *, cog: bool) -> list[Target]:
    """Return what is to be written; names that no raster can have are refused before any work."""
    from glaciertime.writing import Target
    from glaciertime.writing.marks import made_by

    own = made_by(_MARK)
    kinds = _TIFF if cog else (*_TIFF, ".png")
    if out.suffix.lower() not in kinds:
        raise UsageError(f"{'--cog: ' if cog else ''}--out {out}: {' or '.join(dict.fromkeys(kinds))} expected")
    targets = [Target(out, "--out", own)]
    if probabilities is not None:
        if probabilities.suffix.lower() not in _TIFF:
            raise UsageError(f"--probabilities {probabilities}: float bands are written as .tif")
        targets.append(Target(probabilities, "--probabilities", own))
    return targets


def _by_reflectance(
    image: Path,
    out: Path,
    *,
    method: str,
    bands: str | None,
    sensor: str | None,
    values: PixelReading,
    scaled: bool,
    min_area_km2: float,
    others: tuple[object, ...],
    cog: bool,
    overwrite: bool,
) -> None:
    """Write the mask of a method that needs no model."""
    from glaciertime.cli.reflectance import open_reflectance, zones_of_image
    from glaciertime.writing import drafts

    if any(other is not None for other in others):
        raise UsageError(
            "--method has no model: leave --weights, --probabilities, --ocean, --centreline, --tta, --mc-dropout out"
        )
    targets = _targets(out, None, cog=cog)
    with (
        open_reflectance(image, method=method, bands=bands, sensor=sensor, values=values, scaled=scaled) as pixels,
        drafts(targets, inputs=(image,), overwrite=overwrite) as files,
    ):
        zones = zones_of_image(pixels, method=method, min_area_km2=min_area_km2)
        tag = the_run().record(
            images=[("", "", image.name, str(image.resolve()))], files={},
            settings={
                "method": method, "bands": list(pixels.bands), "scale": [pixels.values.scale, pixels.values.offset]
            },
        ).tag()  # fmt: skip
        options = {"nodata": 0, "compress": "deflate"}
        with _open(files[0], pixels, count=1, dtype="uint8", cog=cog, tag=tag, options=options) as target:
            target.write(zones[None])
    shares = ", ".join(f"{name} {(zones == code).mean():.1%}" for name, code in _GROUND.items())
    typer.echo(f"{image}: {method}, {shares}; zones in {out}", err=True)


def _dropout(weights: str, *, engine: str, draws: int) -> Engine:
    from glaciertime.segment.description import weights_path
    from glaciertime.segment.predict.uncertainty import dropout_engine

    if engine != "torch":
        raise UsageError("--mc-dropout needs --engine torch: dropout is not part of an exported model")
    return dropout_engine(weights_path(weights, suffix=".safetensors"), draws=draws, seed=0)


def _whole(
    pixels: Imagery, *, run: Engine, spec: ModelSpec, out: Path, probabilities: Path | None, cog: bool, tag: str
) -> None:
    from glaciertime.segment.predict.prediction import predict_image, zones_from_probability

    probability = predict_image(pixels.read_all(), run=run, spec=spec)
    zones = zones_from_probability(probability, spec=spec)
    _write(pixels, probability, zones, spec=spec, out=out, probabilities=probabilities, cog=cog, tag=tag)


def _write(
    pixels: Imagery,
    probability: NDArray[np.float32],
    zones: NDArray[np.uint8],
    *,
    spec: ModelSpec,
    out: Path,
    probabilities: Path | None,
    cog: bool,
    tag: str,
) -> None:
    with ExitStack() as files:
        files.enter_context(_mask_file(out, pixels, spec, cog=cog, tag=tag)).write(zones[None])
        if probabilities is not None:
            target = files.enter_context(_probability_file(probabilities, pixels, spec, tag=tag))
            target.write(_with_uncertainty(probability))


def _strips(
    pixels: Imagery,
    *,
    run: Engine,
    spec: ModelSpec,
    out: Path,
    probabilities: Path | None,
    window: int,
    batch: int,
    cog: bool,
    tag: str,
) -> None:
    from rasterio.windows import Window
    from rich.console import Console
    from rich.progress import Progress

    from glaciertime.segment.predict.prediction import predict_strips, zones_from_probability

    if out.suffix.lower() == ".png":
        raise InputError(f"{out}: a raster of {pixels.width} x {pixels.height} is written as it goes, which PNG cannot")
    with ExitStack() as files:
        mask = files.enter_context(_mask_file(out, pixels, spec, cog=cog, tag=tag))
        target = None
        if probabilities is not None:
            target = files.enter_context(_probability_file(probabilities, pixels, spec, tag=tag))
        bar = files.enter_context(Progress(console=Console(stderr=True), transient=True))
        task = bar.add_task("segment", total=None)
        # A multiple of the tiles of the output: no tile is written twice.
        window = max(_TILE, window // _TILE * _TILE)
        for strip in predict_strips(
            pixels,
            run=run,
            spec=spec,
            window_px=window,
            batch=batch,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        ):
            height, width = strip.observed.shape
            place = Window(strip.column, strip.row, width, height)
            mask.write(zones_from_probability(strip.probability, spec=spec)[None], window=place)
            if target is not None:
                target.write(_with_uncertainty(strip.probability), window=place)


def _with_uncertainty(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    from glaciertime.segment.predict.uncertainty import entropy

    return np.concatenate([probability, entropy(probability)[None]])


def _mask_file(path: Path, pixels: Imagery, spec: ModelSpec, *, cog: bool, tag: str) -> RasterDraft:
    options = {"nodata": spec.unobserved, "compress": "deflate"}
    return _open(path, pixels, count=1, dtype="uint8", cog=cog, tag=tag, options=options)


def _probability_file(path: Path, pixels: Imagery, spec: ModelSpec, *, tag: str) -> RasterDraft:
    options = {"nodata": float("nan"), "compress": "deflate", "predictor": 3}
    target = _open(path, pixels, count=len(spec.codes) + 1, dtype="float32", cog=False, tag=tag, options=options)
    target.describe((*spec.classes, "uncertainty (entropy, 0 to 1)"))
    return target


def _open(
    path: Path, pixels: Imagery, *, count: int, dtype: str, cog: bool, tag: str, options: dict[str, Any]
) -> RasterDraft:
    from glaciertime.provenance.tags import TAG
    from glaciertime.writing.rasters import RasterDraft

    shape = {"height": pixels.height, "width": pixels.width, "count": count, "dtype": dtype}
    if path.suffix.lower() == ".png":
        return RasterDraft(path, mark=_MARK, tags={TAG: tag}, driver="PNG", **shape)
    tiles = {"tiled": True, "blockxsize": _TILE, "blockysize": _TILE, "BIGTIFF": "IF_SAFER"}
    return RasterDraft(
        path, mark=_MARK, cog=cog, tags={TAG: tag}, driver="GTiff", **shape, **tiles, **options, **pixels.georeference
    )
