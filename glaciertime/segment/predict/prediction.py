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
from glaciertime.segment.predict.blending import PatchGrid
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

    The patches lie on a grid that is the raster's own, see :class:`.blending.PatchGrid`, whatever ``window_px`` is, and
    every pixel blends the same patches in the same order: how the raster is cut changes memory and speed, not the
    result. Patches without an observed pixel are skipped.

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
        tops = grid.rows()
        for top, below in zip(tops, [*tops[1:], grid.height], strict=True):
            line.move(top)
            seen = seen or bool(line.observed.any())
            for group, patches in line.batches(batch):
                for left, probability in zip(group, run(patches), strict=True):
                    blend.add(probability, left=left, share=grid.share(top, left))
            done += len(lefts)
            yield blend.finish(top, below, observed=line.observed)
            if progress is not None:
                progress(done, total)
    if not seen:
        raise InputError("no pixel of the raster is observed (all nodata or NaN); there is nothing to segment")


def probability_of_image(source: Any, *, run: Engine, spec: ModelSpec, batch: int = 4) -> NDArray[np.float32]:
    """Return the class probabilities of an image of any size, held in memory: (K, H, W) float32, NaN where unseen.

    Parameters
    ----------
    source : Imagery
        An opened image.
    run : Engine
    spec : ModelSpec
    batch : int
        Patches per call of the engine.
    """
    limits.raster_bytes(
        pixels=source.height * source.width,
        bytes_per_pixel=16 * len(spec.codes) + 8 * len(spec.bands),
        file_bytes=None,
        what=f"{Path(source.path).name}, segmented as a whole",
        advice="cut it to the glacier",
    )
    probability = np.full((len(spec.codes), source.height, source.width), np.nan, dtype=np.float32)
    for strip in predict_strips(source, run=run, spec=spec, batch=batch):
        rows = slice(strip.row, strip.row + strip.probability.shape[1])
        columns = slice(strip.column, strip.column + strip.probability.shape[2])
        probability[:, rows, columns] = strip.probability
    return probability


class _Line:
    """The pixels of one line of patches, normalised; what the line before has read is not read again."""

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
        self.first, self.width = lefts[0], lefts[-1] + grid.shape[1] - lefts[0]
        self.top = 0
        self.pixels = np.empty((0, 0, 0), dtype=np.float32)
        self.observed = np.empty((0, 0), dtype=bool)

    def move(self, top: int) -> None:
        """Go on to the line whose patches start at a row; lines come in order."""
        held = max(0, self.top + self.pixels.shape[1] - top)
        fresh, seen = self._read(top + held, self.grid.shape[0] - held)
        if held:
            fresh = np.concatenate([self.pixels[:, -held:], fresh], axis=1)
            seen = np.concatenate([self.observed[-held:], seen])
        self.top, self.pixels, self.observed = top, fresh, seen

    def _read(self, row: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        pixels = self.source.read(row, self.first, height, self.width)
        observed = np.asarray(np.isfinite(pixels[0]))
        for band in pixels[1:]:
            observed |= np.isfinite(band)
        return self.rule.apply(pixels, statistics=self.statistics, top=row), observed

    def batches(self, size: int) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Yield the first columns of patches with an observed pixel, and the patches; overwritten by the next ones."""
        height, width = self.grid.shape
        anything = np.asarray(self.observed.any(axis=0))
        wanted = [left for left in self.lefts if anything[left - self.first : left - self.first + width].any()]
        held = np.empty((size, len(self.pixels), height, width), dtype=np.float32)
        for place in range(0, len(wanted), size):
            group = wanted[place : place + size]
            for patch, left in zip(held, group, strict=False):
                patch[:] = self.pixels[..., left - self.first : left - self.first + width]
            yield group, held[: len(group)]


class _Blend:
    """Weighted sums of the lines of patches that are not finished, over one window's columns."""

    def __init__(self, grid: PatchGrid, *, classes: int, lefts: list[int], start: int, stop: int) -> None:
        self.first, self.start, self.stop = lefts[0], start, stop
        self.weights = grid.weights()
        height, width = grid.shape
        across = lefts[-1] + width - self.first
        self.sums = np.zeros((classes, height, across), dtype=np.float32)
        self.total = np.zeros((height, across), dtype=np.float32)
        self.product = np.empty((height, width), dtype=np.float32)

    def add(self, probability: NDArray[np.float32], *, left: int, share: float) -> None:
        """Add one patch of the current line."""
        columns = slice(left - self.first, left - self.first + self.product.shape[1])
        weights = self.weights if share == 1 else self.weights * np.float32(share)
        self.total[:, columns] += weights
        for layer, of_class in zip(probability, self.sums, strict=True):
            np.multiply(layer, weights, out=self.product)
            of_class[:, columns] += self.product

    def finish(self, top: int, below: int, *, observed: NDArray[np.bool_]) -> Strip:
        """Take out the rows above that at which the next line of patches starts; ``observed`` is of the whole line."""
        done = below - top
        columns = slice(self.start - self.first, self.stop - self.first)
        seen = observed[:done, columns].copy()
        with np.errstate(invalid="ignore", divide="ignore"):
            probability = self.sums[:, :done, columns] / self.total[:done, columns]
        np.copyto(probability, np.float32(np.nan), where=~seen)
        for held in (*self.sums, self.total):
            held[:-done] = held[done:].copy()
            held[-done:] = 0
        return Strip(row=top, column=self.start, probability=probability, observed=seen)


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
