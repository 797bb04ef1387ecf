"""How images are cut into tiles, and on which ground each of them lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pyproj
from affine import Affine

from glaciertime.errors import InputError
from glaciertime.naming import agreeing, counted
from glaciertime.scenes.datasets.ground import Grounds, block_of, grounds_of
from glaciertime.scenes.datasets.own_image import OwnImage, bounds_of
from glaciertime.scenes.datasets.sample import SampleInfo

__all__ = ["Tiles"]

# Tiles that a block of ground has along a side, at most; a third of an image where that is less.
_BLOCK_TILES = 4


@dataclass(frozen=True)
class Tiles:
    """The samples that images are: whole ones, or tiles on a stated grid from their upper left corner.

    Attributes
    ----------
    images : sequence of OwnImage
    side, stride : int
        Of a tile, and from one to the next, pixels; a side of 0 for whole images.
    """

    images: Sequence[OwnImage]
    side: int
    stride: int

    @property
    def places(self) -> tuple[tuple[int, int, int], ...]:
        """Return image, row and column of each tile."""
        return self._cut[0]

    @property
    def told(self) -> tuple[str, ...]:
        """Return in sentences how images are cut, and what was left out."""
        return self._cut[1]

    @cached_property
    def _cut(self) -> tuple[tuple[tuple[int, int, int], ...], tuple[str, ...]]:
        if not self.side:
            return tuple((number, 0, 0) for number in range(len(self.images))), ()
        tiles, small, edge, pixels = [], 0, 0, 0
        for number, image in enumerate(self.images):
            rows, columns = (range(0, side - self.side + 1, self.stride) for side in image.shape)
            if not rows or not columns:
                small += 1
                continue
            tiles += [(number, row, column) for row in rows for column in columns]
            pixels += image.shape[0] * image.shape[1]
            if self.stride <= self.side:
                edge += image.shape[0] * image.shape[1] - (rows[-1] + self.side) * (columns[-1] + self.side)
        told = [
            f"{len(tiles)} tiles of {self.side} x {self.side} pixels, one every {self.stride}, from the upper left "
            "corner"
        ]
        if small:
            told.append(f"{counted(small, 'images', 'are')} smaller than a tile and {agreeing(small, 'are')} left out")
        if edge:
            told.append(f"{edge / pixels:.0%} of the pixels, at right and lower edges, are in no tile")
        if not tiles:
            raise InputError(f"no image is as large as a tile of {self.side} x {self.side} pixels; give a smaller tile")
        return tuple(tiles), tuple(told)

    @cached_property
    def infos(self) -> tuple[SampleInfo, ...]:
        """Return what is known of each image or tile."""
        return tuple(self._info(number, row, column) for number, row, column in self.places)

    def _info(self, number: int, row: int, column: int) -> SampleInfo:
        image = self.images[number]
        grounds, numbers = self._grounds
        height, width = (self.side, self.side) if self.side else image.shape
        if number in numbers:
            place, crs = _place(image)
            transform = place @ Affine.translation(column, row)
            ground = grounds.names[numbers[number]]
            bounds = grounds.bounds(numbers[number], bounds_of((height, width), transform), crs)
            # The same for all images of a place, so that a block has the same edges in each.
            side = self._block_px(self._firsts[ground]) * self._pixels[ground]
        else:
            ground, bounds = f"image {image.info.name}", (column, -row - height, column + width, -row)
            side = self._block_px(number)
        block = f"{ground} {block_of(bounds, side)}" if self.side else ground
        tile = f"/r{row}c{column}" if self.side else ""
        return replace(
            image.info, name=f"{image.info.name}{tile}", scene=image.info.name if self.side else "", block=block,
            ground=ground, bounds=tuple(float(each) for each in bounds),
        )  # fmt: skip

    def _block_px(self, number: int) -> int:
        """Return the side of a block of tiles, pixels of an image."""
        along = min(self.images[number].shape) // self.side if self.side else 0
        return max(1, self.side) * max(1, min(_BLOCK_TILES, along // 3))

    @cached_property
    def _grounds(self) -> tuple[Grounds, dict[int, int]]:
        """Return where the images lie that have a place, and their numbers among those."""
        placed = [number for number, image in enumerate(self.images) if image.place and image.place[1] is not None]
        bounds, systems = [], []
        for number in placed:
            transform, crs = _place(self.images[number])
            bounds.append(bounds_of(self.images[number].shape, transform))
            systems.append(crs)
        return grounds_of(bounds, systems), {number: place for place, number in enumerate(placed)}

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
            image = self.images[number]
            transform, crs = _place(image)
            west, _, east, _ = grounds.bounds(numbers[number], bounds_of(image.shape, transform), crs)
            found[ground] = (east - west) / image.shape[1]
        return found


def _place(image: OwnImage) -> tuple[Affine, pyproj.CRS]:
    assert image.place is not None
    assert image.place[1] is not None
    return image.place[0], image.place[1]
