"""One image of one's own: what its file, its name, its row of a table and the outlines on it say of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyproj
from affine import Affine
from rasterio.transform import array_bounds

from glaciertime.dates import Dated, DateReading
from glaciertime.errors import InputError
from glaciertime.scenes.caffe import parse_caffe_name
from glaciertime.scenes.datasets.own_levels import Level, level_of, some_rows
from glaciertime.scenes.datasets.own_outlines import Outlines, Painted
from glaciertime.scenes.datasets.own_table import Table
from glaciertime.scenes.datasets.pairing import part_of, place_of
from glaciertime.scenes.datasets.sample import SampleInfo, possible_days
from glaciertime.scenes.folder import named_with_date
from glaciertime.scenes.imagery import Imagery
from glaciertime.scenes.names import date_in_name, sensor_in_name
from glaciertime.scenes.pixel_values import PixelReading, may_hold_nodata, suspected_nodata
from glaciertime.units import pixel_sides_m, resolution_m

__all__ = ["OwnImage", "bounds_of", "described", "name_of", "of_equal_bands", "on_outlines", "undeclared_nodata"]

# Sides of a pixel that differ by less are equal: a map projection is never quite true.
_SQUARE = 0.01


@dataclass(frozen=True)
class OwnImage:
    """An image that can be used, and what is known of it."""

    path: Path
    mask: Path | None
    painted: Painted | None
    shape: tuple[int, int]
    place: tuple[Affine, pyproj.CRS | None] | None
    bands: tuple[str, ...]
    level: Level
    info: SampleInfo
    #: How its numbers are read: with what was told, or found, not to be observed.
    values: PixelReading = field(default_factory=PixelReading)


def described(
    path: Path, mask: Path | None, *, folder: Path, table: Table, reading: DateReading, pixels: Imagery
) -> tuple[OwnImage, Dated | None]:
    """Return an open image with what is known of it, and its date.

    Raises
    ------
    InputError
        If its name and that of its mask say two dates.
    """
    row = table.of(path)
    dated = row.dated or _date(path, mask, reading)
    shape, place = (pixels.height, pixels.width), pixels.place
    transform, crs = place or (None, None)
    info = SampleInfo(
        name=name_of(path, folder), glacier=row.glacier or place_of(path, folder) or _caffe_glacier(path),
        date=None if dated is None else dated.date, date_flag="" if dated is None else _flag(dated),
        sensor=row.sensor or sensor_in_name(path.name), region=row.region, split=row.part or part_of(path, folder),
        resolution_m=resolution_m(transform, shape=shape, crs=crs) if transform and crs else math.nan,
        sides_m=_sides_m(transform, shape, crs) if transform and crs else (),
    )  # fmt: skip
    level = level_of(pixels)
    return OwnImage(path, mask, None, shape, place, _band_names(pixels), level, info, pixels.values), dated


def undeclared_nodata(pixels: Imagery) -> tuple[float, ...]:
    """Return values of an open image that it does not declare and that were not observed for certain.

    They are those that ``segment`` finds in the same image, see :func:`.pixel_values.suspected_nodata`.
    """
    told = pixels.values
    # The whole is read only where a few rows hold what can be such a value.
    if told.nodata or not told.trust_header or not may_hold_nodata(some_rows(pixels)):
        return ()
    return tuple(sorted({value for value in map(suspected_nodata, pixels.sample()) if value is not None}))


def on_outlines(image: OwnImage, outlines: Outlines, dated: Dated | None, *, max_gap_days: int) -> OwnImage | None:
    """Return an image with the outlines on it; None where it lies where none are.

    Raises
    ------
    InputError
        If it is not known where it lies, or all outlines on it are too far off in time.
    """
    path = image.path
    transform, crs = image.place or (None, None)
    if transform is None or crs is None:
        raise InputError(f"{path.name} has no georeference, so outlines have no place on it; give it one, or masks")
    span = None if dated is None else possible_days(dated.date, dated.flag)
    try:
        painted = outlines.on(bounds_of(image.shape, transform), crs, span, max_gap_days=max_gap_days)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    if painted is None:
        return None
    if not painted.shapes:
        raise InputError(
            f"{path.name} is of {dated.date if dated else 'no date'}, and all outlines on it are more than "
            f"{max_gap_days} days off; --reader max_gap_days=N allows more"
        )
    return replace(image, painted=painted, info=replace(image.info, glacier=image.info.glacier or painted.name))


def of_equal_bands(images: Sequence[OwnImage]) -> tuple[list[OwnImage], list[str]]:
    """Return the images that have the bands of most, and a sentence for each of the others.

    Raises
    ------
    InputError
        If images name their bands differently.
    """
    usual = Counter(len(image.bands) for image in images).most_common(1)[0][0]
    kept = [image for image in images if len(image.bands) == usual]
    names = Counter(image.bands for image in kept)
    odd = [
        f"{image.path.name} has {len(image.bands)} bands, most have {usual}; it is left out, or choose those that all "
        f"have: --reader bands_used={','.join(str(1 + band) for band in range(min(len(image.bands), usual)))}"
        for image in images
        if len(image.bands) != usual
    ]
    orders = {tuple(name.casefold() for name in bands) for bands in names if not bands[0].startswith("band ")}
    if len(orders) > 1:
        first, second = sorted(orders)[:2]
        raise InputError(
            f"images name their bands differently ({', '.join(first)} and {', '.join(second)}); give all the same "
            "bands in the same order"
        )
    return kept, odd


def name_of(path: Path, folder: Path) -> str:
    """Return what an image is called: its place in the folder, without the ending."""
    return path.relative_to(folder).with_suffix("").as_posix()


def bounds_of(shape: tuple[int, int], transform: Affine) -> tuple[float, float, float, float]:
    """Return west, south, east and north of an image, whichever way its rows run."""
    west, south, east, north = array_bounds(shape[0], shape[1], transform)
    # An image whose rows run northwards has its lower bound above.
    return float(min(west, east)), float(min(south, north)), float(max(west, east)), float(max(south, north))


def _date(path: Path, mask: Path | None, reading: DateReading) -> Dated | None:
    """Return the date that the name of an image says; one whose mask says another is refused."""
    dated = date_in_name(named_with_date(path), reading=reading)
    other = None if mask is None else date_in_name(mask.name, reading=reading)
    if dated and other and not _can_agree(dated, other):
        raise InputError(
            f"{path.name} is of {dated.date} and its mask {mask.name if mask else ''} of {other.date}; rename the "
            "one that is wrong"
        )
    return dated or other


def _can_agree(one: Dated, other: Dated) -> bool:
    """Return whether two dates can be of one day: a year alone agrees with each of its days."""
    (first, last), (start, end) = (possible_days(each.date, each.flag) for each in (one, other))
    return first <= end and start <= last


def _sides_m(transform: Affine, shape: tuple[int, int], crs: pyproj.CRS) -> tuple[float, ...]:
    """Return width and height of a pixel that is not square on the ground, as those of longitude and latitude are."""
    width, height = pixel_sides_m(transform, shape=shape, crs=crs)
    return (width, height) if abs(width / height - 1) > _SQUARE else ()


def _band_names(pixels: Imagery) -> tuple[str, ...]:
    names = [pixels.descriptions[band - 1] or f"band {band}" for band in pixels.bands]
    return tuple(names) if len(set(names)) == len(names) else tuple(f"band {band}" for band in pixels.bands)


def _caffe_glacier(path: Path) -> str:
    try:
        return parse_caffe_name(path.name).glacier
    except InputError:
        return ""


def _flag(dated: Dated) -> str:
    return dated.flag if dated.flag in ("year-only", "month-only") else ""
