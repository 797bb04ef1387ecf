"""Masks of rasters of any size: read in pieces, blended on one fixed grid of patches, written as they are finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.segment.blending import PatchGrid, gaussian_weights
from glaciertime.segment.engine import Engine
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.weights import ModelSpec

__all__ = ["PixelSource", "Strip", "predict_image", "predict_strips", "zones_from_probability"]

NO_DATA = 0
_LINE_LIMIT = 40_000_000


class PixelSource(Protocol):
    """A raster as prediction sees it.

    ``read(row, column, height, width)`` returns (C, height, width) float32 of pixels inside the raster, NaN where
    not observed; ``statistics(rule)`` mean and standard deviation of each band of the whole raster, after
    ``rule.prepare``.
    """

    height: int
    width: int

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]: ...

    def statistics(self, rule: Normalisation) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...


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
    statistics = source.statistics(spec.normalisation) if spec.normalisation.kind == "image" else None
    windows = [(left, min(left + window_px, grid.width)) for left in range(0, grid.width, window_px)]
    total = sum(len(grid.columns(*window)) for window in windows) * len(grid.rows())
    done = 0
    seen = False
    for start, stop in windows:
        lefts = grid.columns(start, stop)
        blend = _Blend(grid, classes=len(spec.codes), start=start, stop=stop)
        for top in grid.rows():
            pixels, observed, offset = _read_line(source, grid, top=top, first=lefts[0], last=lefts[-1] + grid.side)
            seen = seen or bool(observed.any())
            for group in _groups(lefts, pixels, grid, batch):
                patches = np.stack(
                    [
                        spec.normalisation.apply(_cut(pixels, grid, top, left, offset), statistics=statistics)
                        for left in group
                    ]
                )
                for left, probability in zip(group, run(patches), strict=True):
                    blend.add(probability, left=left)
            done += len(lefts)
            strip = blend.finish(top, observed=observed, offset=offset)
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
    probability = np.full((len(spec.codes), source.height, source.width), np.nan, dtype=np.float32)
    for strip in predict_strips(source, run=run, spec=spec):
        rows = slice(strip.row, strip.row + strip.probability.shape[1])
        columns = slice(strip.column, strip.column + strip.probability.shape[2])
        probability[:, rows, columns] = strip.probability
    return probability


def _read_line(
    source: PixelSource, grid: PatchGrid, *, top: int, first: int, last: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_], tuple[int, int]]:
    row, column = max(top, 0), max(first, 0)
    height, width = min(top + grid.side, grid.height) - row, min(last, grid.width) - column
    pixels = source.read(row, column, height, width)
    return pixels, np.asarray(np.isfinite(pixels).any(axis=0)), (row, column)


def _groups(lefts: list[int], pixels: NDArray[np.float32], grid: PatchGrid, batch: int) -> Iterator[list[int]]:
    first = max(lefts[0], 0)
    wanted = [
        left
        for left in lefts
        if np.isfinite(pixels[:, :, max(left - first, 0) : max(left + grid.side - first, 0)]).any()
    ]
    return (wanted[place : place + batch] for place in range(0, len(wanted), batch))


def _cut(
    pixels: NDArray[np.float32], grid: PatchGrid, top: int, left: int, offset: tuple[int, int]
) -> NDArray[np.float32]:
    rows = np.clip(np.arange(top, top + grid.side), 0, grid.height - 1) - offset[0]
    columns = np.clip(np.arange(left, left + grid.side), 0, grid.width - 1) - offset[1]
    if rows[-1] - rows[0] == grid.side - 1 and columns[-1] - columns[0] == grid.side - 1:
        return pixels[:, rows[0] : rows[0] + grid.side, columns[0] : columns[0] + grid.side]
    return pixels[:, rows[:, None], columns[None, :]]


class _Blend:
    """Weighted sums of the lines of patches that are not finished, over one window's columns."""

    def __init__(self, grid: PatchGrid, *, classes: int, start: int, stop: int) -> None:
        self.grid = grid
        self.start, self.stop = start, stop
        self.weights = gaussian_weights(grid.side)
        self.sums = np.zeros((classes, grid.side, stop - start), dtype=np.float32)
        self.total = np.zeros((grid.side, stop - start), dtype=np.float32)

    def add(self, probability: NDArray[np.float32], *, left: int) -> None:
        """Add one patch of the current line."""
        first, last = max(left, self.start), min(left + self.grid.side, self.stop)
        there, here = slice(first - self.start, last - self.start), slice(first - left, last - left)
        weights = self.weights[:, here]
        self.sums[:, :, there] += probability[:, :, here] * weights
        self.total[:, there] += weights

    def finish(self, top: int, *, observed: NDArray[np.bool_], offset: tuple[int, int]) -> Strip | None:
        """Take out the rows that no later line of patches reaches, and move the others up."""
        last_line = top + self.grid.stride >= self.grid.height - self.grid.side // 4
        ready = self.grid.side if last_line else self.grid.stride
        first, last = max(top, 0), min(top + ready, self.grid.height)
        strip = None
        if last > first:
            rows = slice(first - top, last - top)
            seen = observed[first - offset[0] : last - offset[0], self.start - offset[1] : self.stop - offset[1]]
            total = self.total[rows]
            with np.errstate(invalid="ignore", divide="ignore"):
                probability = self.sums[:, rows] / total
            probability[:, ~seen] = np.nan
            strip = Strip(row=first, column=self.start, probability=probability, observed=seen.copy())
        keep = self.grid.side - self.grid.stride
        for array in (self.sums, self.total):
            array[..., :keep, :] = array[..., self.grid.stride :, :].copy()
            array[..., keep:, :] = 0
        return strip


def zones_from_probability(probability: NDArray[np.float32], *, spec: ModelSpec, smoothness: float = 0.5) -> Any:
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
        ``spec.codes``; 0 where not observed.

    Examples
    --------
    >>> spec = ModelSpec(name="a", model="unet", bands=("b",), classes=("g", "o"), codes=(127, 254))
    >>> zones_from_probability(np.array([[[0.9, np.nan]], [[0.1, np.nan]]], np.float32), spec=spec)
    array([[127,   0]], dtype=uint8)
    """
    observed = np.isfinite(probability).all(axis=0)
    if spec.zones == "line" and probability.shape[1] >= 2:
        from glaciertime.segment.front_line import zones_from_ocean

        if observed.size > _LINE_LIMIT:
            raise InputError(
                f"'{spec.name}' draws one line across the whole image, at most {_LINE_LIMIT} pixels; "
                f"{observed.size} given: cut out the glacier first"
            )
        zones = zones_from_ocean(probability[spec.codes.index(254)], smoothness=smoothness)
    else:
        zones = np.asarray(spec.codes, dtype=np.uint8)[np.nan_to_num(probability).argmax(axis=0)]
    zones[~observed] = NO_DATA
    return zones
