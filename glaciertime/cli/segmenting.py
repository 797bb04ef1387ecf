"""One image on its way to a mask: by a model or by the reflectance of its pixels, with all that is written of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glaciertime.cli.common import note
from glaciertime.cli.running import the_run
from glaciertime.cli.segment_files import (
    MARK,
    Files,
    Maker,
    mask_file,
    probability_file,
    with_uncertainty,
    write_vector,
)
from glaciertime.cli.segment_settings import Loaded, Settings
from glaciertime.cli.segmented import Outcome
from glaciertime.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import shapely
    from numpy.typing import NDArray

    from glaciertime.provenance import RunRecord
    from glaciertime.scenes.image_listing import ListedImage
    from glaciertime.scenes.imagery import Imagery
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.legend import Legend
    from glaciertime.segment.predict.engine import Engine
    from glaciertime.writing.rasters import RasterDraft

__all__ = ["load", "open_image", "run_of_images", "segment_image"]

_TILE = 256


@dataclass
class _Made:
    """What came of the pixels: the mask where it is held whole, its front, and what is known against it."""

    zones: NDArray[np.uint8] | None = None
    probability: NDArray[np.float32] | None = None
    disagreement: NDArray[np.float32] | None = None
    front: shapely.Geometry | None = None
    flags: dict[str, str] = field(default_factory=dict)


def load(settings: Settings) -> Loaded:
    """Return the model that the settings name, or several to be merged.

    Raises
    ------
    UsageError
        If an option does not go with it, or the models cannot be merged.
    """
    from glaciertime.segment.predict.merging import unite

    members = [_load_one(name, settings) for name in settings.weights]
    if len({each.spec.name for each in members}) < len(members):
        # Two of one name are told apart by their files.
        members = [
            replace(each, spec=replace(each.spec, name=f"{each.spec.name} ({each.path.name})")) for each in members
        ]
    specs = [each.spec for each in members]
    names = " and ".join(spec.name for spec in specs)
    if (settings.ocean is not None or settings.centreline is not None) and all(
        spec.frame.up == "any" for spec in specs
    ):
        takes = "take" if len(specs) > 1 else "takes"
        raise UsageError(f"{names} {takes} images in any orientation; leave --ocean and --centreline out")
    if settings.sensor is not None and not any(_asks_for_sensor(spec, settings.bands) for spec in specs):
        bands = dict.fromkeys(band for spec in specs for band in spec.bands)
        raise UsageError(
            f"--sensor: no band of {names} ({', '.join(bands)}) is found by it; leave it out, or name the "
            "bands to use with --bands"
        )
    for spec in specs:
        if "no real image" in spec.trained_on:
            note(f"{spec.name} was trained on {spec.trained_on}: its masks of real ones are not to be relied on")
        if spec.adapted_to:
            note(f"{spec.name} was adapted to {spec.adapted_to}: of another glacier its masks are not to be relied on")
    if settings.merge is None:
        return members[0]
    united = unite(specs, settings.merge)
    for sentence in united.told:
        note(sentence)
    return replace(members[0], spec=united.spec, members=tuple(members), united=united)


def _load_one(name: str, settings: Settings) -> Loaded:
    from glaciertime.segment.description import weights_path
    from glaciertime.segment.predict.engine import load_engine

    run, spec = load_engine(name, engine=settings.engine, threads=settings.threads)
    path = weights_path(name, suffix=".onnx" if settings.engine == "onnx" else ".safetensors")
    quick = run
    if settings.mc_dropout:
        run = _dropout(path, engine=settings.engine, draws=settings.mc_dropout)
    if spec.augmented if settings.tta is None else settings.tta:
        from glaciertime.segment.predict.uncertainty import varied

        run = varied(run)
    return Loaded(path, spec, run, quick)


def _asks_for_sensor(spec: ModelSpec, bands: str | None) -> bool:
    """Return whether a sensor says which bands a model gets, or what their numbers are."""
    from glaciertime.scenes.sensors import KNOWN

    return set(spec.bands) <= set(KNOWN) or (bands is not None and not _has_numbers(bands))


def _dropout(path: Path, *, engine: str, draws: int) -> Engine:
    from glaciertime.segment.predict.uncertainty import dropout_engine

    if engine != "torch":
        raise UsageError("--mc-dropout needs --engine torch: dropout is not part of an exported model")
    return dropout_engine(path, draws=draws, seed=0)


def segment_image(image: ListedImage, files: Files, *, settings: Settings, model: Loaded | None) -> Outcome:
    """Segment one image and write what came of it, whole or not at all.

    Parameters
    ----------
    image : ListedImage
    files : Files
    settings : Settings
    model : Loaded or None
        None: ``settings.method`` needs none.

    Raises
    ------
    GlacierTimeError
        If it cannot be segmented; nothing was written then.
    """
    from glaciertime import limits
    from glaciertime.pipeline.zone_areas import AreaSum
    from glaciertime.segment.legend import GROUND, legend_of_model
    from glaciertime.writing import drafts
    from glaciertime.writing.marks import made_by

    path = image.path
    if path is not None and path.is_file() and made_by(MARK)(path):
        raise InputError(f"{image.name} is a mask that this command made; give the image that it came from")
    inputs = [one for one in (path, *map(Path, settings.weights), settings.centreline) if one is not None]
    legend = GROUND if model is None else legend_of_model(model.spec)
    with (
        limits.timed(image.name),
        drafts(files.targets(), inputs=inputs, overwrite=settings.overwrite) as made_files,
        ExitStack() as opened,
    ):
        drafted = iter(made_files)
        mask = next(drafted)
        probable = next(drafted) if files.probabilities is not None else None
        vector = next(drafted) if files.vector is not None else None
        pixels, flags = open_image(image, settings, None if model is None else model.single[0], opened)
        layer = None if pixels.clouds is None or pixels.clouds.path == pixels.path else pixels.clouds.path
        maker = _maker(image, settings, model, layer=layer)
        place = pixels.place
        if place is None and (vector is not None or settings.min_area_km2):
            option = "--vector" if vector is not None else "--min-area"
            raise UsageError(f"{option}: {image.name} has no georeference, its pixels no size; leave it out")
        if place is not None and place[1] is None:
            note(f"{image.name} names no coordinate system: its coordinates are taken for metres")
        sums = AreaSum(legend, place)
        # A PNG cannot be written as it goes.
        whole = vector is not None or settings.min_area_km2 > 0 or files.mask.suffix.lower() == ".png"
        with ExitStack() as writing:
            target = writing.enter_context(mask_file(mask, pixels, legend=legend, maker=maker, cog=settings.cog))
            spread = None
            if probable is not None and model is not None:
                spread = writing.enter_context(
                    probability_file(probable, pixels, spec=model.spec, maker=maker, is_merged=bool(model.members))
                )
            if model is not None and model.members:
                made, also = _zones_of_several(image, pixels, settings, model, opened)
                flags = {**also, **flags}
            else:
                made = _zones(pixels, settings, model, target, spread, sums, whole=whole)
            if made.zones is not None:
                zones = _without_small(made.zones, legend, settings, place)
                target.write(zones[None])
                sums.add(zones)
                made.zones = zones
            if spread is not None and made.probability is not None:
                spread.write(with_uncertainty(made.probability, made.disagreement))
        flags |= made.flags
        if vector is not None and place is not None and made.zones is not None:
            told = {
                "image": image.name, "date": None if image.date is None else image.date.isoformat(),
                "flags": ", ".join(sorted(flags)),
            }  # fmt: skip
            write_vector(
                (vector, next(drafted)), made.zones, front=made.front, place=place, legend=legend, maker=maker,
                told=told,
            )  # fmt: skip
        size = (pixels.height, pixels.width)
    the_run().stored.append(f"zones in {files.mask}")
    return Outcome(
        image=image.source, date=image.date, model=maker.name, mask=files.mask, vector=files.vector,
        probabilities=files.probabilities, clouds=layer, size=size, areas=sums.areas(), flags=flags,
    )  # fmt: skip


def open_image(
    image: ListedImage, settings: Settings, model: Loaded | None, opened: ExitStack
) -> tuple[Imagery, dict[str, str]]:
    """Open an image, look at its values before they are believed, and say what was assumed."""
    from glaciertime.cli.reflectance import open_reflectance, reading_of_sensor, said_of_reading
    from glaciertime.scenes.imagery import Imagery
    from glaciertime.scenes.pixel_values import parse_bands
    from glaciertime.scenes.sensors import looks_like_reflectance, model_bands, sensor_named
    from glaciertime.segment.predict.checks import check_values

    source = image.source if image.path is None else image.path
    if model is None:
        pixels = opened.enter_context(
            open_reflectance(
                source, method=str(settings.method), bands=settings.bands, sensor=settings.sensor,
                values=settings.values, scaled=settings.scaled, clouds=settings.clouds,
            )
        )  # fmt: skip
        if said := pixels.said_of_clouds():
            note(said)
        return pixels, {}
    spec = model.spec
    known = None if settings.sensor is None else sensor_named(settings.sensor)
    bands = parse_bands(settings.bands) if _has_numbers(settings.bands) else None
    with Imagery(source) as every:
        if bands is None:
            bands = model_bands(
                every.path, spec.bands, descriptions=every.descriptions, sensor=known, told=settings.bands
            )
        named = every.descriptions
    if bands is not None and settings.bands is None:
        shown = ", ".join(f"{band} {number}" for band, number in zip(spec.bands, bands, strict=True))
        if bands != tuple(range(1, len(named) + 1)):
            note(f"{image.name}: bands by their names: {shown}")
    pixels = opened.enter_context(
        Imagery(source, bands=bands, expected=len(spec.bands), values=settings.values, clouds=settings.clouds)
    )
    if said := pixels.said_of_clouds():
        note(said)
    told = settings.values
    sample = pixels.sample()
    if known is not None and not known.is_radar and not settings.scaled and _saw_reflectances(spec):
        told = reading_of_sensor(known, sample, name=image.name, values=told)
        if not looks_like_reflectance(sample):
            pixels.values = told
            note(said_of_reading(told, name=image.name))
            sample = pixels.sample()
        else:
            told = settings.values
    checked = check_values(sample, spec=spec, values=told, name=image.name)
    pixels.values = checked.values
    for sentence in (*checked.notes, *(f"{image.name}: {doubt}" for doubt in checked.doubts)):
        note(sentence)
    return pixels, {"unlike-training": ", ".join(checked.doubts)} if checked.doubts else {}


def _has_numbers(bands: str | None) -> bool:
    return bands is not None and any(not part.strip() or part.strip().isdigit() for part in bands.split(","))


def _saw_reflectances(spec: ModelSpec) -> bool:
    """Return whether a model was trained on reflectances: bands of light whose values were around 0 to 1."""
    from glaciertime.scenes.sensors import BANDS

    return bool(spec.seen) and set(spec.bands) <= set(BANDS) and all(high < 4 for _, high in spec.seen)


def _zones(
    pixels: Imagery,
    settings: Settings,
    model: Loaded | None,
    target: RasterDraft,
    spread: RasterDraft | None,
    sums: Any,
    *,
    whole: bool,
) -> _Made:
    """Return the mask of an image, or write it as it comes, where nothing needs it whole."""
    from glaciertime.cli.framing import predict_in_frame
    from glaciertime.cli.reflectance import zones_of_image
    from glaciertime.segment.predict.prediction import predict_image, zones_from_probability

    if model is None:
        return _Made(zones_of_image(pixels, method=str(settings.method)))
    spec = model.spec
    if spec.frame.up == "ocean":
        framed = predict_in_frame(
            pixels, run=model.run, quick=model.quick, spec=spec, ocean=settings.ocean, centreline=settings.centreline,
            smoothness=settings.smoothness, threads=settings.threads,
        )  # fmt: skip
        return _Made(framed.zones, framed.probability, None, framed.front, framed.flags)
    if max(pixels.height, pixels.width) <= spec.patch_px:
        probability = predict_image(pixels.read_all(), run=model.run, spec=spec)
        return _Made(zones_from_probability(probability, spec=spec), probability)
    return _strips(pixels, settings, model, target, spread, sums, whole=whole)


def _zones_of_several(
    image: ListedImage, pixels: Imagery, settings: Settings, model: Loaded, opened: ExitStack
) -> tuple[_Made, dict[str, str]]:
    """Return the mask of an image by several models, and what is known against it in their eyes.

    Each reads the image as it needs it and sees it in its own frame; they are merged on the grid of the image.
    """
    from glaciertime.cli.merging import merge_image

    read: list[Imagery] = [pixels]
    flags: dict[str, str] = {}
    for member in model.members[1:]:
        other, doubts = open_image(image, settings, member, opened)
        read.append(other)
        flags |= doubts
    made = merge_image(read, settings, model)
    front = None
    if made.scene.prediction is not None and pixels.place is not None:
        front = made.scene.prediction.front_in(pixels.place[0])
    merged = made.scene.pixels
    return _Made(merged.zones, merged.probability, merged.disagreement, front, made.flags), flags


def _strips(
    pixels: Imagery,
    settings: Settings,
    model: Loaded,
    target: RasterDraft,
    spread: RasterDraft | None,
    sums: Any,
    *,
    whole: bool,
) -> _Made:
    import numpy as np
    from rasterio.windows import Window
    from rich.progress import Progress

    from glaciertime.cli.quiet import progress_console
    from glaciertime.segment.predict.prediction import predict_strips, zones_from_probability

    held = None
    if whole:
        pixels.check_whole(bytes_per_pixel=20, step="held whole for --vector, --min-area or a PNG")
        held = np.full((pixels.height, pixels.width), model.spec.unobserved, dtype=np.uint8)
    with Progress(console=progress_console(), transient=True) as bar:
        task = bar.add_task("segment", total=None)
        # A multiple of the tiles of the output: no tile is written twice.
        window = max(_TILE, settings.window // _TILE * _TILE)
        for strip in predict_strips(
            pixels,
            run=model.run,
            spec=model.spec,
            window_px=window,
            batch=settings.batch,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        ):
            height, width = strip.observed.shape
            place = Window(strip.column, strip.row, width, height)
            zones = zones_from_probability(strip.probability, spec=model.spec)
            if held is None:
                target.write(zones[None], window=place)
                sums.add(zones, row=strip.row, column=strip.column)
            else:
                held[strip.row : strip.row + height, strip.column : strip.column + width] = zones
            if spread is not None:
                spread.write(with_uncertainty(strip.probability), window=place)
    return _Made(held)


def _without_small(
    zones: NDArray[np.uint8], legend: Legend, settings: Settings, place: tuple[Any, Any] | None
) -> NDArray[np.uint8]:
    from glaciertime.pipeline.zone_areas import without_small_parts

    if place is None or not settings.min_area_km2:
        return zones
    return without_small_parts(
        zones, legend=legend, least_km2=settings.min_area_km2, transform=place[0], crs=place[1]
    )  # fmt: skip


def run_of_images(
    images: Sequence[ListedImage],
    settings: Settings,
    model: Loaded | None,
    *,
    layers: Mapping[str, Path | None],
    refused: Sequence[str] = (),
) -> RunRecord:
    """Return the run as the files that it writes tell it: the images, their cloud layers, the weights.

    Parameters
    ----------
    images : sequence of ListedImage
        That the file was made of.
    settings : Settings
    model : Loaded or None
    layers : mapping of role to Path
        Files of the clouds over them.
    refused : sequence of str
        What of the images could not be used.
    """
    from glaciertime.pipeline.runs import card_of

    read = [
        ("", "", each.name, each.source.partition("?")[0] if each.path is None else str(each.path.resolve()))
        for each in images
    ]
    if model is None:
        decided: dict[str, Any] = {"method": settings.method, "sensor": settings.sensor, "bands": settings.bands}
        return the_run().record(images=read, files=layers, settings={**decided, "refused": list(refused)})
    return the_run().record(
        images=read,
        files={
            **{"weights" if k == 0 else f"weights {k + 1}": each.path for k, each in enumerate(model.single)},
            "centreline": settings.centreline, **layers,
        },
        settings={
            "models": {each.spec.name: card_of(each.path) for each in model.single}, "engine": settings.engine,
            "bands": settings.bands, "codes": list(model.spec.codes), "refused": list(refused),
            **({} if settings.merge is None else {"merge": settings.merge.text, "classes": list(model.spec.classes)}),
        },
    )  # fmt: skip


def _maker(image: ListedImage, settings: Settings, model: Loaded | None, *, layer: Path | None) -> Maker:
    """Return what the files say of where they come from: the image, its cloud layer beside it, the weights."""
    import glaciertime

    tag = run_of_images((image,), settings, model, layers={"clouds": layer}).tag()
    if model is None:
        return Maker(str(settings.method), glaciertime.__version__, (), tag)
    spec = model.spec
    log = logging.getLogger("glaciertime.segment")
    for one in model.single:
        log.info("model %s (%s), engine %s, weights %s", one.spec.name, one.spec.model, settings.engine, one.path)
        log.info("bands %s, expected %s", settings.bands or "as they come", ", ".join(one.spec.bands))
    return Maker(spec.name, spec.made_by, tuple(one.path for one in model.single), tag)
