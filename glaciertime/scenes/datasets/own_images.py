"""One's own images with masks or outlines as training data, whole or cut into tiles."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from rasterio.transform import array_bounds

from glaciertime.dates import Dated, DateReading
from glaciertime.errors import GlacierTimeError, InputError, UsageError
from glaciertime.scenes.caffe import parse_caffe_name
from glaciertime.scenes.datasets.ground import Grounds, block_of, grounds_of
from glaciertime.scenes.datasets.own_masks import MaskLegend, legend_of_masks, read_labels
from glaciertime.scenes.datasets.own_outlines import (
    CLASSES,
    CODES,
    Outlines,
    Painted,
    read_outlines,
    told_of_outlines,
)
from glaciertime.scenes.datasets.own_table import Table, read_table
from glaciertime.scenes.datasets.pairing import pair_by_name, part_of, place_of, rasters_below, role_folders
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample, possible_days
from glaciertime.scenes.folder import named_with_date
from glaciertime.scenes.imagery import Imagery
from glaciertime.scenes.names import date_in_name, sensor_in_name
from glaciertime.scenes.pixel_values import parse_bands
from glaciertime.units import pixel_sides_m, resolution_m

__all__ = ["OwnImages"]

# Sides of a pixel that differ by less are equal: a map projection is never quite true.
_SQUARE = 0.01
# Tiles that a block of ground has along a side, at most; a third of an image where that is less.
_BLOCK_TILES = 4
_KEPT = 4


@dataclass(frozen=True)
class _Image:
    """An image that can be used, and what is known of it."""

    path: Path
    mask: Path | None
    painted: Painted | None
    shape: tuple[int, int]
    place: tuple[Affine, pyproj.CRS | None] | None
    bands: tuple[str, ...]
    info: SampleInfo


@dataclass(frozen=True)
class OwnImages:
    """Read images that lie in a folder, with masks called like them or with outlines of ice.

    Parameters
    ----------
    root : Path
        Holds the images, or folders ``images`` and ``masks`` (or ``labels``, ``zones``, ...). A sub-folder of the
        images called ``train``, ``val`` or ``test`` says the part, another one the glacier; ``images.csv`` may say
        more.
    images, masks : str
        Names of those folders, where they are called otherwise.
    outlines : str
        A vector file, beside or below the root: instead of masks.
    legend : str
        What values or colours of masks mean: ``0=background,1=glacier,255=ignore``, ``#00ffff=glacier,#000000=rock``.
    tile, stride : int
        Side of the tiles that images are cut into from their upper left corner, and from one tile to the next, pixels;
        0 for whole images, and for tiles side by side.
    max_gap_days : int
        Between an image and an outline, 365 by default; ice whose outlines are all farther off is not labelled.
    margin_m : float
        What lies farther than that from all outlined ice is not labelled; 0 for no such limit.
    bands_used : str
        Numbers of the bands to use, ``3,2,1``; all by default.
    crs : str
        Of outlines that name none.
    date_column, date_order, date_form : str
        Of outlines and of file names: ``day-first`` or ``month-first``, and as ``--date-format`` says.
    clouds : str
        See :mod:`glaciertime.scenes.cloud_layers`; what a layer hides is not observed.
    """

    root: Path
    images: str = ""
    masks: str = ""
    outlines: str = ""
    legend: str = ""
    tile: int = 0
    stride: int = 0
    max_gap_days: int | None = None
    margin_m: float = 0.0
    bands_used: str = ""
    crs: str = ""
    date_column: str = ""
    date_order: str = ""
    date_form: str = ""
    clouds: str = "auto"

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name != "root":
                # A number on the command line may be a text here: bands_used=1, crs=3413.
                object.__setattr__(self, each.name, _as(str(each.type), getattr(self, each.name), each.name))
        if min(self._gap_days, self.margin_m) < 0:
            raise UsageError(f"max_gap_days {self._gap_days}, margin_m {self.margin_m:g}: 0 or more expected")
        if self.tile < 0 or self.stride < 0 or (self.stride and not self.tile):
            raise UsageError(f"tile {self.tile}, stride {self.stride}: pixels expected, and a stride only with a tile")
        if self.outlines and (self.masks or self.legend):
            raise UsageError("outlines and masks were given; labels come from the one or the other")
        if self.date_order not in ("", "day-first", "month-first"):
            raise UsageError(f"date_order {self.date_order}: day-first or month-first expected")
        if not self.outlines and (self.crs or self.date_column or self.margin_m or self.max_gap_days is not None):
            raise UsageError(
                "crs, date_column, margin_m and max_gap_days speak of outlines; give --reader outlines=FILE too"
            )

    @property
    def _gap_days(self) -> int:
        return 365 if self.max_gap_days is None else self.max_gap_days

    @cached_property
    def _dates(self) -> DateReading:
        return DateReading(form=self.date_form, order=self.date_order)  # type: ignore[arg-type]

    @cached_property
    def _found(self) -> tuple[tuple[_Image, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the images, what there is to tell, and a sentence for each image that cannot be used."""
        root = Path(self.root)
        folder, masks_in = role_folders(root, self.images, self.masks)
        told: list[str] = []
        problems: list[str] = []
        outlines: Outlines | None = None
        pairs: list[tuple[Path, Path | None]]
        if self.outlines:
            path = root / self.outlines
            outlines = read_outlines(
                path if path.exists() else Path(self.outlines), crs=self.crs or None, dates=self._dates,
                date_column=self.date_column,
            )  # fmt: skip
            pairs = [(path, None) for path in rasters_below(folder, besides=masks_in)]
        else:
            paired = pair_by_name(folder, masks_in)
            told += paired.told
            problems += paired.problems
            bad = self._masks[1]
            problems += [bad[mask] for _, mask in paired.pairs if mask in bad]
            pairs = [(image, mask) for image, mask in paired.pairs if mask not in bad]
            if self._masks[0].told:
                told.append(f"masks: {self._masks[0].told}")
        table = read_table(root / "images.csv", reading=self._dates)
        table.check([image for image, _ in pairs])
        found = []
        elsewhere = 0
        stems = Counter(_name(image, folder) for image, _ in pairs)
        for image, mask in pairs:
            if stems[_name(image, folder)] > 1:
                problems.append(f"{image.name}: another image has its name and another ending; keep one of them")
                continue
            try:
                one = self._image(image, mask, folder, outlines, table)
            except GlacierTimeError as error:
                problems.append(str(error))
                continue
            if one is None:
                elsewhere += 1
            else:
                found.append(one)
        problems += table.unused([image for image, _ in pairs])
        if not found:
            raise InputError(
                f"{folder}: no image can be used; {problems[0]}" if problems
                else f"{folder}: none of {len(pairs)} images lies where outlines are"
            )  # fmt: skip
        if outlines is not None:
            painted = [image.painted for image in found if image.painted is not None]
            told += told_of_outlines(outlines, painted, elsewhere, self._gap_days, margin_m=self.margin_m)
        kept, odd = _of_equal_bands(found)
        return tuple(kept), tuple(told), (*problems, *odd)

    @cached_property
    def _masks(self) -> tuple[MaskLegend, dict[Path, str]]:
        folder, masks_in = role_folders(Path(self.root), self.images, self.masks)
        return legend_of_masks([mask for _, mask in pair_by_name(folder, masks_in).pairs], self.legend)

    def _image(
        self, path: Path, mask: Path | None, folder: Path, outlines: Outlines | None, table: Table
    ) -> _Image | None:
        name = _name(path, folder)
        row = table.of(path)
        dated = row.dated or self._date(path, mask)
        with self._open(path) as pixels:
            shape, place = (pixels.height, pixels.width), pixels.place
            bands = _band_names(pixels)
        transform, crs = place or (None, None)
        info = SampleInfo(
            name=name, glacier=row.glacier or place_of(path, folder) or _caffe_glacier(path),
            date=None if dated is None else dated.date, date_flag="" if dated is None else _flag(dated),
            sensor=row.sensor or sensor_in_name(path.name), region=row.region, split=row.part or part_of(path, folder),
            resolution_m=resolution_m(transform, shape=shape, crs=crs) if transform and crs else math.nan,
            sides_m=_sides_m(transform, shape, crs) if transform and crs else (),
        )  # fmt: skip
        painted = None
        if outlines is not None:
            if transform is None or crs is None:
                raise InputError(
                    f"{path.name} has no georeference, so outlines have no place on it; give it one, or masks"
                )
            span = None if dated is None else possible_days(dated.date, dated.flag)
            try:
                painted = outlines.on(_bounds(shape, transform), crs, span, max_gap_days=self._gap_days)
            except InputError as error:
                raise InputError(f"{path.name}: {error}") from error
            if painted is None:
                return None
            if not painted.shapes:
                raise InputError(
                    f"{path.name} is of {dated.date if dated else 'no date'}, and all outlines on it are more than "
                    f"{self._gap_days} days off; --reader max_gap_days=N allows more"
                )
            info = replace(info, glacier=info.glacier or painted.name)
        return _Image(path, mask, painted, shape, place, bands, info)

    def _open(self, path: Path) -> Imagery:
        return Imagery(path, bands=parse_bands(self.bands_used) if self.bands_used else None, clouds=self.clouds)

    def _date(self, path: Path, mask: Path | None) -> Dated | None:
        """Return the date that the name of an image says; one whose mask says another is refused."""
        dated = date_in_name(named_with_date(path), reading=self._dates)
        other = None if mask is None else date_in_name(mask.name, reading=self._dates)
        if dated and other and not _can_agree(dated, other):
            raise InputError(
                f"{path.name} is of {dated.date} and its mask {mask.name if mask else ''} of {other.date}; rename the "
                "one that is wrong"
            )
        return dated or other

    @property
    def told(self) -> tuple[str, ...]:
        """Return in sentences what was assumed and what was left out."""
        return (*self._found[1], *self._tiles[1])

    @property
    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each image that cannot be used."""
        return self._found[2]

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the labels."""
        return CLASSES if self.outlines else self._masks[0].classes

    @property
    def codes(self) -> tuple[int, ...]:
        """Return the value of each class in a mask."""
        return CODES if self.outlines else self._masks[0].codes

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the names of the bands, as the first image describes them."""
        return self._found[0][0].bands

    @cached_property
    def _tiles(self) -> tuple[tuple[tuple[int, int, int], ...], tuple[str, ...]]:
        """Return image, row and column of each tile, and what was left out."""
        if not self.tile:
            return tuple((number, 0, 0) for number in range(len(self._found[0]))), ()
        stride = self.stride or self.tile
        tiles, small, edge, pixels = [], 0, 0, 0
        for number, image in enumerate(self._found[0]):
            rows, columns = (range(0, side - self.tile + 1, stride) for side in image.shape)
            if not rows or not columns:
                small += 1
                continue
            tiles += [(number, row, column) for row in rows for column in columns]
            pixels += image.shape[0] * image.shape[1]
            if stride <= self.tile:
                edge += image.shape[0] * image.shape[1] - (rows[-1] + self.tile) * (columns[-1] + self.tile)
        told = [
            f"{len(tiles)} tiles of {self.tile} x {self.tile} pixels, one every {stride}, from the upper left corner"
        ]
        if small:
            told.append(f"{small} images are smaller than a tile and are left out")
        if edge:
            told.append(f"{edge / pixels:.0%} of the pixels, at right and lower edges, are in no tile")
        if not tiles:
            raise InputError(f"no image is as large as a tile of {self.tile} x {self.tile} pixels; give a smaller tile")
        return tuple(tiles), tuple(told)

    @cached_property
    def _grounds(self) -> tuple[Grounds, dict[int, int]]:
        """Return where the images lie that have a place, and their numbers among those."""
        placed = [number for number, image in enumerate(self._found[0]) if image.place and image.place[1] is not None]
        images = [self._found[0][number] for number in placed]
        bounds, systems = [], []
        for image in images:
            assert image.place is not None
            assert image.place[1] is not None
            bounds.append(_bounds(image.shape, image.place[0]))
            systems.append(image.place[1])
        return grounds_of(bounds, systems), {number: place for place, number in enumerate(placed)}

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return what is known of each image or tile."""
        return tuple(self._info(number, row, column) for number, row, column in self._tiles[0])

    def _info(self, number: int, row: int, column: int) -> SampleInfo:
        image = self._found[0][number]
        grounds, numbers = self._grounds
        height, width = (self.tile, self.tile) if self.tile else image.shape
        if number in numbers and image.place is not None and image.place[1] is not None:
            transform = image.place[0] @ Affine.translation(column, row)
            ground = grounds.names[numbers[number]]
            bounds = grounds.bounds(numbers[number], _bounds((height, width), transform), image.place[1])
            # The same for all images of a place, so that a block has the same edges in each.
            side = self._block_px(self._firsts[ground]) * self._pixels[ground]
        else:
            ground, bounds = f"image {image.info.name}", (column, -row - height, column + width, -row)
            side = self._block_px(number)
        block = f"{ground} {block_of(bounds, side)}" if self.tile else ground
        tile = f"/r{row}c{column}" if self.tile else ""
        return replace(
            image.info, name=f"{image.info.name}{tile}", scene=image.info.name if self.tile else "", block=block,
            ground=ground, bounds=tuple(float(each) for each in bounds),
        )  # fmt: skip

    def _block_px(self, number: int) -> int:
        """Return the side of a block of tiles, pixels of an image."""
        along = min(self._found[0][number].shape) // self.tile if self.tile else 0
        return max(1, self.tile) * max(1, min(_BLOCK_TILES, along // 3))

    @cached_property
    def _firsts(self) -> dict[str, int]:
        """Return the first image of each ground."""
        grounds, numbers = self._grounds
        found: dict[str, int] = {}
        for number, place in numbers.items():
            found.setdefault(grounds.names[place], number)
        return found

    @cached_property
    def _pixels(self) -> dict[str, float]:
        """Return of each ground the side of a pixel of its first image, in the units of the ground."""
        grounds, numbers = self._grounds
        found: dict[str, float] = {}
        for ground, number in self._firsts.items():
            image = self._found[0][number]
            assert image.place is not None
            assert image.place[1] is not None
            west, _, east, _ = grounds.bounds(numbers[number], _bounds(image.shape, image.place[0]), image.place[1])
            found[ground] = (east - west) / image.shape[1]
        return found

    def __len__(self) -> int:
        return len(self._tiles[0])

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        number, row, column = self._tiles[0][index]
        image = self._found[0][number]
        height, width = (self.tile, self.tile) if self.tile else image.shape
        with self._open(image.path) as source:
            source.check_whole(bytes_per_pixel=8 * len(source.bands), step="read as training data")
            pixels = source.read(row, column, height, width)
        labels = self._labels(number)[row : row + height, column : column + width].copy()
        seen = np.isfinite(pixels)
        labels[~seen.any(axis=0)] = IGNORE
        return TrainingSample(pixels, labels, np.asarray(seen.any(axis=(1, 2))), self.infos[index])

    def _margin(self, image: _Image) -> tuple[float, float]:
        """Return the margin along both coordinates of an image, in their units: a degree has two lengths."""
        assert image.place is not None
        transform, crs = image.place
        side = abs(transform.determinant) ** 0.5
        middle = Affine.translation(*(transform @ (image.shape[1] / 2, image.shape[0] / 2)))
        width, height = pixel_sides_m(middle @ Affine.scale(side), shape=(0, 0), crs=crs)
        return self.margin_m * side / width, self.margin_m * side / height

    @cached_property
    def _drawn(self) -> dict[int, NDArray[np.uint8]]:
        return {}

    def _labels(self, number: int) -> NDArray[np.uint8]:
        """Return the labels of a whole image; those of the last few images are kept, their tiles are read in turn."""
        held = self._drawn
        if number not in held:
            image = self._found[0][number]
            if image.mask is not None:
                labels, _ = read_labels(image.mask, self._masks[0], shape=image.shape, place=image.place)
            else:
                assert image.painted is not None
                assert image.place is not None
                transform = image.place[0]
                labels = image.painted.labels(image.shape, transform, margin=self._margin(image))
            while len(held) >= _KEPT:
                held.pop(next(iter(held)))
            held[number] = labels
        return held[number]


def _as(kind: str, value: Any, name: str) -> Any:
    """Return a setting as the type that it has.

    Raises
    ------
    UsageError
        If it is of another.
    """
    if value is None and kind.endswith("| None"):
        return None
    kind = kind.removesuffix(" | None")
    if kind == "str":
        return (
            value if isinstance(value, str) else ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"{name} {value}: a number expected")
    if kind == "int" and value != int(value):
        raise UsageError(f"{name} {value:g}: a whole number expected")
    return int(value) if kind == "int" else float(value)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _sides_m(transform: Affine, shape: tuple[int, int], crs: pyproj.CRS) -> tuple[float, ...]:
    """Return width and height of a pixel that is not square on the ground, as those of longitude and latitude are."""
    width, height = pixel_sides_m(transform, shape=shape, crs=crs)
    return (width, height) if abs(width / height - 1) > _SQUARE else ()


def _bounds(shape: tuple[int, int], transform: Affine) -> tuple[float, float, float, float]:
    west, south, east, north = array_bounds(shape[0], shape[1], transform)
    # An image whose rows run northwards has its lower bound above.
    return float(min(west, east)), float(min(south, north)), float(max(west, east)), float(max(south, north))


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


def _can_agree(one: Dated, other: Dated) -> bool:
    """Return whether two dates can be of one day: a year alone agrees with each of its days."""
    (first, last), (start, end) = (possible_days(each.date, each.flag) for each in (one, other))
    return first <= end and start <= last


def _of_equal_bands(images: Sequence[_Image]) -> tuple[list[_Image], list[str]]:
    """Return the images that have the bands of most, and a sentence for each of the others."""
    usual = Counter(len(image.bands) for image in images).most_common(1)[0][0]
    kept = [image for image in images if len(image.bands) == usual]
    names = Counter(image.bands for image in kept)
    odd = [
        f"{image.path.name} has {len(image.bands)} bands, most have {usual}; choose with --reader bands_used=1,2,3"
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
