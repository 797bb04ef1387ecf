"""Masks of rasters of any size: read in pieces, blended on one fixed grid of patches, written as they are finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glaciertime import limits
from glaciertime.errors import InputError
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.normalisation import ImageStatistics, Normalisation
from glaciertime.segment.predict.blending import PatchGrid, gaussian_weights
from glaciertime.segment.predict.engine import Engine
from glaciertime.segment.predict.front_line import SMOOTHNESS, zones_from_ocean

__all__ = [
    "PixelSource",
    "Strip",
    "predict_image",
    "predict_strips",
    "probability_of_image",
    "zones_from_probability",
]

_LINE_LIMIT = 40_000_000


class PixelSource(Protocol):
    """A raster as prediction sees it.

    ``read(row, column, height, width)`` returns (C, height, width) float32 of pixels inside the raster, NaN where
    not observed; ``statistics(rule)`` what ``rule.statistics`` says of the whole raster.
    """

    height: int
    width: int

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]: ...

    def statistics(self, rule: Normalisation) -> ImageStatistics: ...


@dataclass(frozen=True)
class Strip:
    """Finished pixels of a raster.

    Attributes
    ----------
    row, column : int
        Where the strip's first pixel lies.
    probability : (K, h, w) float32
        Adds to 1 over K; NaN where not observed.
    observed : (h, w) bool
    """

    row: int
    column: int
    probability: NDArray[np.float32]
    observed: NDArray[np.bool_]


def predict_image(image: NDArray[np.floating], *, run: Engine, spec: ModelSpec) -> NDArray[np.float32]:
    """Return the class probabilities of an image that fits into memory, in one piece.

    Parameters
    ----------
    image : (C, H, W)
        NaN where not observed.
    run : Engine
    spec : ModelSpec

    Returns
    -------
    (K, H, W) float32
        NaN where no band was observed.

    Raises
    ------
    InputError
        If the number of bands is not the model's, or nothing was observed.
    """
    if image.ndim != 3 or len(image) != len(spec.bands):
        raise InputError(
            f"image of shape {image.shape} given, '{spec.name}' expects {len(spec.bands)} bands "
            f"({', '.join(spec.bands)}); choose them with --bands"
        )
    observed = np.isfinite(image).any(axis=0)
    if not observed.any():
        raise InputError("no pixel of the image is observed (all nodata or NaN); there is nothing to segment")
    probability = run(spec.normalisation.apply(image)[None])[0]
    probability[:, ~observed] = np.nan
    return probability


def predict_strips(
    source: PixelSource,
    *,
    run: Engine,
    spec: ModelSpec,
    window_px: int = 4096,
    batch: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Strip]:
    """Yield the class probabilities of a raster, a finished strip at a time.

    The patches lie on a grid that is anchored to the raster, whatever ``window_px`` is, and every pixel blends the
    same patches in the same order: how the raster is cut changes memory and speed, not the result. A patch reads
    twice the width of the pixels it counts most for; beyond the raster it sees the edge repeated. Patches without an
    observed pixel are skipped.

    Parameters
    ----------
    source : PixelSource
    run : Engine
    spec : ModelSpec
        ``patch_px`` is the side of a patch.
    window_px : int
        Width of the column of the raster that is worked through at a time; bounds the memory.
    batch : int
        Patches per call of the engine.
    progress : callable, optional
        Called with patches done and patches in all.

    Yields
    ------
    Strip
        Left to right by windows, within each from the top; together they cover each pixel once.

    Raises
    ------
    InputError
        If ``window_px`` is below 1, or no pixel is observed.
    """
    if window_px < 1:
        raise InputError(f"window of {window_px} px given, at least 1 expected")
    grid = PatchGrid(height=source.height, width=source.width, side=spec.patch_px)
    statistics = source.statistics(spec.normalisation) if spec.normalisation.needs_statistics else None
    windows = [(left, min(left + window_px, grid.width)) for left in range(0, grid.width, window_px)]
    total = sum(len(grid.columns(*window)) for window in windows) * len(grid.rows())
    done = 0
    seen = False
    for start, stop in windows:
        lefts = grid.columns(start, stop)
        blend = _Blend(grid, classes=len(spec.codes), lefts=lefts, start=start, stop=stop)
        line = _Line(source, grid, rule=spec.normalisation, statistics=statistics, lefts=lefts)
        for top in grid.rows():
            line.move(top)
            seen = seen or bool(line.observed.any())
            for group, patches in line.batches(batch):
                for left, probability in zip(group, run(patches), strict=True):
                    blend.add(probability, left=left)
            done += len(lefts)
            strip = blend.finish(top, observed=line.observed)
            if strip is not None:
                yield strip
            if progress is not None:
                progress(done, total)
    if not seen:
        raise InputError("no pixel of the raster is observed (all nodata or NaN); there is nothing to segment")


def probability_of_image(source: Any, *, run: Engine, spec: ModelSpec) -> NDArray[np.float32]:
    """Return the class probabilities of an image of any size, held in memory: (K, H, W) float32, NaN where unseen.

    Parameters
    ----------
    source : Imagery
        An opened image.
    run : Engine
    spec : ModelSpec
    """
    if max(source.height, source.width) <= spec.patch_px:
        return predict_image(source.read_all(), run=run, spec=spec)
    limits.raster_bytes(
        pixels=source.height * source.width,
        bytes_per_pixel=16 * len(spec.codes) + 8 * len(spec.bands),
        file_bytes=None,
        what=f"{Path(source.path).name}, segmented as a whole",
        advice="cut it to the glacier",
    )
    probability = np.full((len(spec.codes), source.height, source.width), np.nan, dtype=np.float32)
    for strip in predict_strips(source, run=run, spec=spec):
        rows = slice(strip.row, strip.row + strip.probability.shape[1])
        columns = slice(strip.column, strip.column + strip.probability.shape[2])
        probability[:, rows, columns] = strip.probability
    return probability


class _Line:
    """The pixels of one line of patches, normalised; what the line before has read is not read again.

    They are held as two halves, the lower of which is the upper one of the next line, with the raster's edge repeated
    beyond it.
    """

    def __init__(
        self,
        source: PixelSource,
        grid: PatchGrid,
        *,
        rule: Normalisation,
        statistics: ImageStatistics | None,
        lefts: list[int],
    ) -> None:
        self.source, self.grid, self.rule, self.statistics, self.lefts = source, grid, rule, statistics, lefts
        self.halves: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self.seen: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None
        self.observed = np.zeros((0, 0), dtype=bool)

    def move(self, top: int) -> None:
        """Go on to the line whose patches start at a row; lines come in order."""
        if self.halves is None or self.seen is None:
            upper, upper_seen = self._read(top)
        else:
            upper, upper_seen = self.halves[1], self.seen[1]
        below = top + self.grid.stride
        if below < self.grid.height:
            lower, lower_seen = self._read(below)
        else:
            lower, lower_seen = np.repeat(upper[:, -1:], self.grid.stride, axis=1), np.zeros_like(upper_seen)
        self.halves, self.seen = (upper, lower), (upper_seen, lower_seen)
        self.observed = np.concatenate(self.seen)

    def _read(self, top: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        left, right = self.lefts[0], self.lefts[-1] + self.grid.side
        row, column = max(top, 0), max(left, 0)
        height, width = min(top + self.grid.stride, self.grid.height) - row, min(right, self.grid.width) - column
        pixels = self.source.read(row, column, height, width)
        around = (
            (row - top, self.grid.stride - height - (row - top)),
            (column - left, right - left - width - (column - left)),
        )
        observed = np.asarray(np.isfinite(pixels[0]))
        for band in pixels[1:]:
            observed |= np.isfinite(band)
        normalised = self.rule.apply(pixels, statistics=self.statistics, top=row)
        if any(max(pair) for pair in around):
            normalised = np.pad(normalised, ((0, 0), *around), mode="edge")
            observed = np.pad(observed, around)
        return normalised, observed

    def batches(self, size: int) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Yield the first columns of patches with an observed pixel, and the patches; overwritten by the next ones."""
        if self.halves is None:
            return
        side, stride, origin = self.grid.side, self.grid.stride, self.lefts[0]
        anything = np.asarray(self.observed.any(axis=0))
        wanted = [left for left in self.lefts if anything[left - origin : left - origin + side].any()]
        held = np.empty((size, len(self.halves[0]), side, side), dtype=np.float32)
        for place in range(0, len(wanted), size):
            group = wanted[place : place + size]
            for patch, left in zip(held, group, strict=False):
                columns = slice(left - origin, left - origin + side)
                patch[:, :stride], patch[:, stride:] = (half[..., columns] for half in self.halves)
            yield group, held[: len(group)]


class _Blend:
    """Weighted sums of the lines of patches that are not finished, over one window's columns.

    They are held in square blocks, of which a patch covers exactly four: each lies in one piece of memory.
    """

    def __init__(self, grid: PatchGrid, *, classes: int, lefts: list[int], start: int, stop: int) -> None:
        self.grid, self.origin = grid, lefts[0]
        self.start, self.stop = start, stop
        half = grid.stride
        self.weights = gaussian_weights(grid.side)
        blocks = len(lefts) + 1
        self.upper, self.lower = (np.zeros((blocks, classes, half, half), dtype=np.float32) for _ in range(2))
        self.upper_total, self.lower_total = (np.zeros((blocks, half, half), dtype=np.float32) for _ in range(2))
        self.product = np.empty((half, half), dtype=np.float32)

    def add(self, probability: NDArray[np.float32], *, left: int) -> None:
        """Add one patch of the current line."""
        half = self.grid.stride
        first = (left - self.origin) // half
        for rows, sums, totals in (
            (slice(half), self.upper, self.upper_total),
            (slice(half, None), self.lower, self.lower_total),
        ):
            for block, columns in ((first, slice(half)), (first + 1, slice(half, None))):
                weights = self.weights[rows, columns]
                totals[block] += weights
                for layer, of_class in zip(probability, sums[block], strict=True):
                    np.multiply(layer[rows, columns], weights, out=self.product)
                    of_class += self.product

    def finish(self, top: int, *, observed: NDArray[np.bool_]) -> Strip | None:
        """Take out the rows that no later line of patches reaches; ``observed`` covers the whole line of patches."""
        half = self.grid.stride
        last_line = top + half >= self.grid.height - self.grid.side // 4
        first, last = max(top, 0), min(top + (self.grid.side if last_line else half), self.grid.height)
        strip = None
        if last > first:
            probability = np.empty((self.upper.shape[1], last - first, self.stop - self.start), dtype=np.float32)
            for number, (sums, totals) in enumerate(
                ((self.upper, self.upper_total), (self.lower, self.lower_total))[: 1 + last_line]
            ):
                row = top + number * half
                rows = slice(max(row, first), min(row + half, last))
                if rows.stop > rows.start:
                    self._divide(sums, totals, rows=rows, row=row, into=probability[:, rows.start - first :])
            seen = observed[first - top : last - top, self.start - self.origin : self.stop - self.origin].copy()
            if not seen.all():
                np.copyto(probability, np.float32(np.nan), where=~seen)
            strip = Strip(row=first, column=self.start, probability=probability, observed=seen)
        self.upper, self.lower = self.lower, self.upper
        self.upper_total, self.lower_total = self.lower_total, self.upper_total
        self.lower.fill(0)
        self.lower_total.fill(0)
        return strip

    def _divide(
        self,
        sums: NDArray[np.float32],
        totals: NDArray[np.float32],
        *,
        rows: slice,
        row: int,
        into: NDArray[np.float32],
    ) -> None:
        within = slice(rows.start - row, rows.stop - row)
        for block, (of_block, total) in enumerate(zip(sums, totals, strict=True)):
            left = self.origin + block * self.grid.stride
            first, last = max(left, self.start), min(left + self.grid.stride, self.stop)
            if last > first:
                columns = slice(first - left, last - left)
                out = into[:, : within.stop - within.start, first - self.start : last - self.start]
                with np.errstate(invalid="ignore", divide="ignore"):
                    np.divide(of_block[:, within, columns], total[within, columns], out=out)


def zones_from_probability(probability: NDArray[np.float32], *, spec: ModelSpec, smoothness: float = SMOOTHNESS) -> Any:
    """Return the mask that probabilities stand for.

    Parameters
    ----------
    probability : (K, H, W)
        NaN where not observed.
    spec : ModelSpec
        ``zones`` says how.
    smoothness : float
        Of the line, where there is one.

    Returns
    -------
    (H, W) uint8
        ``spec.codes``; ``spec.unobserved`` where not observed.

    Examples
    --------
    >>> spec = ModelSpec(name="a", model="unet", bands=("b",), classes=("g", "o"), codes=(127, 254))
    >>> zones_from_probability(np.array([[[0.9, np.nan]], [[0.1, np.nan]]], np.float32), spec=spec)
    array([[127,   0]], dtype=uint8)
    """
    observed = np.isfinite(probability[0])
    for layer in probability[1:]:
        observed &= np.isfinite(layer)
    if spec.zones == "line" and probability.shape[1] >= 2:
        if observed.size > _LINE_LIMIT:
            raise InputError(
                f"'{spec.name}' draws one line across the whole image, at most {_LINE_LIMIT} pixels; "
                f"{observed.size} given: cut out the glacier first"
            )
        zones = zones_from_ocean(probability[spec.codes.index(254)], smoothness=smoothness)
    else:
        zones = np.full(observed.shape, spec.codes[0], dtype=np.uint8)
        best = probability[0]
        for code, layer in zip(spec.codes[1:], probability[1:], strict=True):
            np.copyto(zones, np.uint8(code), where=layer > best)
            best = np.maximum(best, layer)
    zones[~observed] = spec.unobserved
    return zones
