"""A folder of dated images: told apart from masks by their values, every one as a scene to be segmented."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from glaciertime.dates import Dated
from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError
from glaciertime.scenes.acquisition import Acquisition, ImageScene, UnreadableScene
from glaciertime.scenes.cloud_layers import is_cloud_layer, layer_beside
from glaciertime.scenes.folder import RASTER_ENDINGS, MaskReading, mask_files, named_with_date
from glaciertime.scenes.imagery import Imagery
from glaciertime.scenes.listing import unwritable
from glaciertime.scenes.names import DATE_FORMS, date_in_name, sensor_in_name
from glaciertime.scenes.pixel_values import PixelReading
from glaciertime.scenes.raster_files import open_raster
from glaciertime.scenes.raster_files import reading as reading_file
from glaciertime.sentences import sentence
from glaciertime.units import resolution_m
from glaciertime.walls import readable_text

__all__ = ["format_of_rasters", "images_in_folder", "is_image", "is_mask"]

#: A band of a mask has fewer different values than this, one of an image more.
_CLASSES = 32
_SAMPLED = 512
#: What files say that they hold whose values look like probabilities: those of :mod:`glaciertime.scenes.sources`.
_MEASURED = ("reflectance", "gamma0", "amplitude")
_RADARS = ("Sentinel-1", "TerraSAR-X", "TanDEM-X", "ENVISAT", "ERS", "RADARSAT", "PALSAR")
_LOOKED_AT = 5


def format_of_rasters(path: Path, reading: MaskReading) -> Literal["masks", "images"]:
    """Return whether the rasters of a folder, or one file, are masks or images, as told or by their values.

    Raises
    ------
    InputError
        If some are masks and others images.
    """
    if reading.are_images is not None:
        return "images" if reading.are_images else "masks"
    if reading.classes.text:
        return "masks"
    files = image_files(path, reading)
    step = max(1, len(files) // _LOOKED_AT)
    chosen = files[::step]
    kinds = {file: is_image(file) for file in chosen}
    if len(set(kinds.values()) - {None}) > 1:
        image = next(file for file, kind in kinds.items() if kind)
        mask = next(file for file, kind in kinds.items() if kind is False)
        raise InputError(
            f"{image.name} looks like an image and {mask.name} like a mask: give one kind in --data, or say "
            "--images or --masks"
        )
    return "images" if True in kinds.values() else "masks"


def image_files(folder: Path, reading: MaskReading) -> list[Path]:
    """Return the rasters of a folder without the cloud layers among them; all, where there is nothing else."""
    files = mask_files(folder)
    return [path for path in files if not is_cloud_layer(path, reading.clouds)] or files


def is_image(path: Path) -> bool | None:
    """Return whether a raster holds measured values and not classes; None where it cannot be read.

    A palette, few different values, and probabilities from 0 to 1 are those of a mask.
    """
    try:
        with open_raster(path) as raster, reading_file(path):
            return _holds_values(raster)
    except GlacierTimeError:
        return None


def is_mask(path: Path) -> bool:
    """Return whether a raster holds classes for certain: whole numbers, and few of them, or colours of a palette.

    Numbers with fractions are left to what they are taken for: reflectances lie between 0 and 1 as probabilities do.
    """
    try:
        with open_raster(path) as raster, reading_file(path):
            return not _holds_values(raster) and not any(dtype.startswith("float") for dtype in raster.dtypes)
    except GlacierTimeError:
        return False


def _holds_values(raster: DatasetReader) -> bool:
    bands = [
        band for band, meaning in zip(raster.indexes, raster.colorinterp, strict=True) if meaning != ColorInterp.alpha
    ]
    if not bands or raster.colorinterp[bands[0] - 1] == ColorInterp.palette:
        return False
    if raster.tags().get("VALUES") in _MEASURED:
        return True
    shape = (min(raster.height, _SAMPLED), min(raster.width, _SAMPLED))
    # Nearest neighbours: a mean of classes is a value that the file does not hold.
    sample = raster.read(bands, out_shape=(len(bands), *shape), masked=True)
    if np.iscomplexobj(sample):
        return True
    most = 0
    for band in sample:
        seen = band.compressed()
        seen = seen[np.isfinite(seen)] if seen.dtype.kind == "f" else seen
        if seen.dtype.kind == "f" and seen.size and seen.min() >= 0 and seen.max() <= 1 and len(bands) <= 5:
            continue
        most = max(most, len(np.unique(seen)))
    if len(bands) == 3 and all(dtype == "uint8" for dtype in raster.dtypes[:3]):
        # Colours of a mask: few of them together, whatever each band holds.
        colours = np.unique(sample.filled(0).reshape(3, -1), axis=1).shape[1]
        return bool(colours > 4 * _CLASSES)
    return most > _CLASSES


def images_in_folder(
    folder: Path, *, glacier: str, dataset: str, reading: MaskReading
) -> Iterator[ImageScene | UnreadableScene]:
    """Yield every image of a folder in order of date; a file that cannot be one yields its reason.

    Raises
    ------
    DataNotFoundError
        Where the folder holds no raster at all.
    """
    files = image_files(folder, reading)
    if not files:
        raise DataNotFoundError(f"{folder} holds no images; expected files ending in {', '.join(RASTER_ENDINGS)}")
    scenes: list[ImageScene | UnreadableScene] = []
    for path in files:
        if why := unwritable(path):
            yield UnreadableScene(input=readable_text(path), reason=why)
            continue
        try:
            dated = reading.dates.get(path.name) or date_in_name(named_with_date(path), reading=reading.date_reading)
        except InputError as error:
            dated = str(error)
        if not isinstance(dated, Dated):
            reason = dated or (
                f"{path.name} names no date; rename it (known forms: {DATE_FORMS}), or give --dates FILE.csv with the "
                "columns file and date"
            )
            yield UnreadableScene(input=str(path), reason=reason)
            continue
        scenes.append(_image(path, glacier=glacier, dataset=dataset, dated=dated, reading=reading))
    yield from sorted(scenes, key=_order)


def _order(scene: ImageScene | UnreadableScene) -> tuple[str, str]:
    what = scene.acquisition
    return ("", "") if what is None else (what.date.isoformat(), what.image_id)


def _image(
    path: Path, *, glacier: str, dataset: str, dated: Dated, reading: MaskReading
) -> ImageScene | UnreadableScene:
    name = named_with_date(path)
    acquisition = Acquisition(
        glacier=glacier, date=dated.date, dataset=dataset, image_id=Path(name).stem, source="observed",
        input=str(path.resolve()), sensor=sensor_in_name(name), flags={**reading.flags, **dated.flags},
        georeferencing_sigma_m=reading.georeferencing_sigma_m,
    )  # fmt: skip
    try:
        if reading.are_images is None and is_image(path) is False:
            raise InputError(
                f"{path.name} looks like a mask among images: give masks in a --data of their own, or say --images if "
                "it is an image"
            )
        with Imagery(path, bands=reading.image_bands, clouds=reading.clouds) as pixels:
            shape, place = (pixels.height, pixels.width), pixels.place
            if pixels.clouds is not None and pixels.clouds.path != path:
                acquisition = replace(acquisition, parts=(acquisition.input, str(pixels.clouds.path.resolve())))
        if place is None and reading.local_resolution_m is not None:
            return _local(path, acquisition, shape, reading)
        if place is None:
            raise InputError(
                f"{path.name} has no georeference: georeference it, or say how large its pixels are with --resolution "
                "if it has the ocean up"
            )
        transform, crs = place
        crs = crs or reading.crs
        if crs is None:
            raise InputError(f"{path.name} names no coordinate system; give it with --crs")
        size = resolution_m(transform, shape=shape, crs=crs)
    except GlacierTimeError as error:
        acquisition = _with_layer(path, acquisition, reading.clouds)
        return UnreadableScene(
            input=str(path), reason=str(error), date=acquisition.date, acquisition=acquisition
        )  # fmt: skip
    return ImageScene(
        acquisition=replace(acquisition, crs=crs, resolution_m=size), path=path, shape=shape, transform=transform,
        weights="" if acquisition.sensor in _RADARS else "landsat-fronts", values=_values(reading),
        bands=reading.image_bands, clouds=reading.clouds,
    )  # fmt: skip


def _with_layer(path: Path, what: Acquisition, clouds: str) -> Acquisition:
    """Return an image that was not opened with the cloud layer beside it: it may be for its sake that it was not."""
    try:
        layer = layer_beside(path, clouds)
    except GlacierTimeError:
        return what
    return what if layer is None else replace(what, parts=(what.input, str(layer.resolve())))


def _local(path: Path, what: Acquisition, shape: tuple[int, int], reading: MaskReading) -> ImageScene:
    """Return an image without a georeference in a local frame of metres, taken to have the ocean up."""
    size_m = reading.local_resolution_m or math.nan
    flags = {**what.flags, "unregistered": sentence("ocean-up")}
    return ImageScene(
        acquisition=replace(what, resolution_m=size_m, flags=flags), path=path, shape=shape,
        transform=Affine(size_m, 0, 0, 0, -size_m, shape[0] * size_m), weights="landsat-fronts",
        values=_values(reading), bands=reading.image_bands, clouds=reading.clouds,
    )  # fmt: skip


def _values(reading: MaskReading) -> PixelReading:
    """Return how the numbers of images are read: with the nodata value and the scale that were told."""
    nodata = reading.classes.nodata
    told = PixelReading(scale=reading.scale[0], offset=reading.scale[1])
    if nodata is None:
        return told
    return replace(told, trust_header=False) if nodata == "none" else replace(told, nodata=(float(nodata),))
