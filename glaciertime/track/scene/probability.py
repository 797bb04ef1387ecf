"""The front between ocean and glacier below the size of a pixel, from a model's probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, OCEAN, ZONES
from glaciertime.track.scene.cleaning import clean
from glaciertime.track.scene.tracing import front_lines_of_runs

__all__ = ["SubpixelFront", "front_of_probabilities", "subpixel_lines"]


@dataclass(frozen=True, kw_only=True)
class SubpixelFront:
    """A front in pixel coordinates.

    Parameters
    ----------
    lines : tuple of (N, 2) float64
        Column and row of the vertices, from the upper left corner of the raster.
    sigma_px : tuple of (N,) float64
        One standard deviation of each vertex along the direction it was interpolated in.
    """

    lines: tuple[NDArray[np.float64], ...]
    sigma_px: tuple[NDArray[np.float64], ...]


def front_of_probabilities(
    probabilities: NDArray[np.floating], *, classes: tuple[int, ...] = tuple(ZONES.values())
) -> SubpixelFront:
    """Return the front at which ocean becomes as probable as glacier.

    The most probable zones are cleaned and traced as masks are. Each vertex then moves along the line between the
    centres of its ocean and its glacier pixel to where their log-odds ``log(p_ocean / p_glacier)`` are interpolated to
    be zero; where cleaning, not probability, made the boundary, it stays halfway. Taking the logistic curve through
    both pixels for the distribution of the front's position gives ``sigma = pi / sqrt(3) / slope of the log-odds``,
    which is as good as the probabilities are calibrated.

    Parameters
    ----------
    probabilities : (K, H, W) float
        One layer per class, adding up to one.
    classes : tuple of int
        Zone code of each layer; by default no data, rock, glacier, ocean.

    Returns
    -------
    SubpixelFront

    Raises
    ------
    InputError
        Where the number of layers is not that of the classes, or ocean or glacier is not among them.

    Examples
    --------
    Two classes; the log-odds change sign a quarter of a pixel beyond the middle of the first glacier pixel:

    >>> glacier = np.tile([0.98, 0.75, 0.1, 0.02], (3, 1))
    >>> front = front_of_probabilities(np.stack([glacier, 1 - glacier]), classes=(127, 254))
    >>> front.lines[0][:, 0].round(3).tolist()
    [1.833, 1.833, 1.833]
    """
    if probabilities.ndim != 3 or len(probabilities) != len(classes):
        raise InputError(
            f"probabilities of shape {probabilities.shape} given, ({len(classes)}, height, width) expected"
        )
    if OCEAN not in classes or GLACIER not in classes:
        raise InputError(f"classes are {classes}; glacier ({GLACIER}) and ocean ({OCEAN}) must be among them")
    codes = np.array(classes, dtype=np.uint8)
    zones = codes[np.argmax(probabilities, axis=0)]
    lines, sigmas = subpixel_lines(front_lines_of_runs(clean(zones).seen), probabilities, classes)
    return SubpixelFront(lines=tuple(lines), sigma_px=tuple(sigmas))


def subpixel_lines(
    lines: list[NDArray[np.float64]], probabilities: NDArray[np.floating], classes: tuple[int, ...]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Return lines between ocean and glacier pixels moved to where the two are equally probable, and their sigma.

    Where the probabilities leave one of the two out, it is the complement of the other.
    """
    tiny = 1e-6
    ocean, glacier = (
        np.clip(probabilities[classes.index(code)], tiny, 1 - tiny) if code in classes else None
        for code in (OCEAN, GLACIER)
    )
    ocean = 1 - glacier if ocean is None and glacier is not None else ocean
    glacier = 1 - ocean if glacier is None and ocean is not None else glacier
    if ocean is None or glacier is None:
        raise InputError(f"classes are {classes}; glacier ({GLACIER}) or ocean ({OCEAN}) must be among them")
    odds = np.log(ocean / glacier)
    moved_lines, sigmas = [], []
    for line in lines:
        x, y = line[:, 0], line[:, 1]
        vertical = x == np.floor(x)
        row = np.floor(np.where(vertical, y, y - 0.5)).astype(int)
        column = np.floor(np.where(vertical, x - 0.5, x)).astype(int)
        first = odds[row, column]
        second = odds[row + ~vertical, column + vertical]
        slope = second - first
        crosses = first * second < 0
        share = np.where(crosses, -first / np.where(slope == 0, 1, slope), 0.5)
        moved = np.column_stack([np.where(vertical, x - 0.5 + share, x), np.where(vertical, y, y - 0.5 + share)])
        moved_lines.append(moved)
        # Where the boundary is not one of probability, all that is known is that it lies between two centres.
        width = np.pi / np.sqrt(3) / np.maximum(np.abs(slope), tiny)
        sigmas.append(np.where(crosses, width, 1 / np.sqrt(12)))
    return moved_lines, sigmas
