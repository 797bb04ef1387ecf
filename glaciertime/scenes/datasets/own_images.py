"""One's own images with masks or outlines as training data, whole or cut into tiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import get_type_hints

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from glaciertime.dates import DateReading
from glaciertime.errors import GlacierTimeError, InputError, UsageError
from glaciertime.naming import counted
from glaciertime.scenes.datasets.options import as_type
from glaciertime.scenes.datasets.own_image import (
    OwnImage,
    described,
    name_of,
    of_equal_bands,
    on_outlines,
    undeclared_nodata,
)
from glaciertime.scenes.datasets.own_levels import check_levels
from glaciertime.scenes.datasets.own_masks import MaskLegend, legend_of_masks, read_labels
from glaciertime.scenes.datasets.own_outlines import CLASSES, CODES, Outlines, read_outlines, told_of_outlines
from glaciertime.scenes.datasets.own_table import read_table
from glaciertime.scenes.datasets.own_tiles import Tiles
from glaciertime.scenes.datasets.pairing import pair_by_name, rasters_below, role_folders
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample
from glaciertime.scenes.imagery import Imagery
from glaciertime.scenes.pixel_values import PixelReading, parse_bands, parse_nodata
from glaciertime.units import pixel_sides_m

__all__ = ["OwnImages"]

# Masks of so many images are kept: their tiles are read in turn.
_KEPT = 4


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
    nodata : str
        Value of images that stands for what was not observed, beside what files declare; ``none``: all was observed. By
        default what was not observed for certain is found, as ``segment`` finds it.
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
    nodata: str = ""

    def __post_init__(self) -> None:
        kinds = get_type_hints(OwnImages)
        for each in fields(self):
            if each.name != "root":
                object.__setattr__(self, each.name, as_type(kinds[each.name], getattr(self, each.name), name=each.name))
        if min(self._gap_days, self.margin_m) < 0:
            raise UsageError(f"max_gap_days {self._gap_days}, margin_m {self.margin_m:g}: 0 or more expected")
        if self.tile < 0 or self.stride < 0 or (self.stride and not self.tile):
            raise UsageError(f"tile {self.tile}, stride {self.stride}: pixels expected, and a stride only with a tile")
        if self.outlines and (self.masks or self.legend):
            raise UsageError("outlines and masks were given; labels come from the one or the other")
        if self.date_order not in ("", "day-first", "month-first"):
            raise UsageError(f"date_order {self.date_order}: day-first or month-first expected")
        _ = self._values
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
    def _values(self) -> PixelReading:
        return parse_nodata(self.nodata or None)

    @cached_property
    def _found(self) -> tuple[tuple[OwnImage, ...], tuple[str, ...], tuple[str, ...]]:
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
        hidden: Counter[float] = Counter()
        stems = Counter(name_of(image, folder) for image, _ in pairs)
        for image, mask in pairs:
            if stems[name_of(image, folder)] > 1:
                problems.append(f"{image.name}: another image has its name and another ending; keep one of them")
                continue
            try:
                with self._open(image, self._values) as pixels:
                    undeclared = undeclared_nodata(pixels)
                    pixels.values = replace(pixels.values, nodata=(*pixels.values.nodata, *undeclared))
                    made, dated = described(image, mask, folder=folder, table=table, reading=self._dates, pixels=pixels)
                hidden.update(undeclared)
                one = made if outlines is None else on_outlines(made, outlines, dated, max_gap_days=self._gap_days)
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
                else f"{folder}: none of {counted(len(pairs), 'images')} lies where outlines are"
            )  # fmt: skip
        if outlines is not None:
            painted = [image.painted for image in found if image.painted is not None]
            told += told_of_outlines(outlines, painted, elsewhere, self._gap_days, margin_m=self.margin_m)
        for value, count in sorted(hidden.items()):
            told.append(
                f"{value:g} is taken for not observed in {counted(count, 'images')}, though they do not say so; "
                "--reader "
                "nodata=none keeps it"
            )
        kept, odd = of_equal_bands(found)
        strange, said = check_levels([(image.info.name, image.level) for image in kept])
        told += filter(None, [said])
        kept = [image for image in kept if image.info.name not in strange]
        return tuple(kept), tuple(told), (*problems, *odd, *strange.values())

    @cached_property
    def _masks(self) -> tuple[MaskLegend, dict[Path, str]]:
        folder, masks_in = role_folders(Path(self.root), self.images, self.masks)
        return legend_of_masks([mask for _, mask in pair_by_name(folder, masks_in).pairs], self.legend)

    def _open(self, path: Path, values: PixelReading) -> Imagery:
        bands = parse_bands(self.bands_used) if self.bands_used else None
        return Imagery(path, bands=bands, clouds=self.clouds, values=values)

    @property
    def told(self) -> tuple[str, ...]:
        """Return in sentences what was assumed and what was left out."""
        return (*self._found[1], *self._tiles.told)

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
    def _tiles(self) -> Tiles:
        return Tiles(self._found[0], side=self.tile, stride=self.stride or self.tile)

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return what is known of each image or tile."""
        return self._tiles.infos

    def __len__(self) -> int:
        return len(self._tiles.places)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        number, row, column = self._tiles.places[index]
        image = self._found[0][number]
        height, width = (self.tile, self.tile) if self.tile else image.shape
        with self._open(image.path, image.values) as source:
            source.check_whole(bytes_per_pixel=8 * len(source.bands), step="read as training data")
            pixels = source.read(row, column, height, width)
        labels = self._labels(number)[row : row + height, column : column + width].copy()
        seen = np.isfinite(pixels)
        labels[~seen.any(axis=0)] = IGNORE
        return TrainingSample(pixels, labels, np.asarray(seen.any(axis=(1, 2))), self.infos[index])

    def _margin(self, image: OwnImage) -> tuple[float, float]:
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
