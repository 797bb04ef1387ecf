"""On which scale the values of images lie: counts beside reflectances, or 8 beside 16 bits, teach nonsense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.naming import counted
from glaciertime.scenes.imagery import Imagery

__all__ = ["Level", "check_levels", "level_of", "some_rows"]

# The bright end of images of one sensor differs by the sun, the season and the snow: less than this.
_ONE_TYPE = 100.0
# Of images that are stored in different ways it differs by less; 8 and 16 bits are a factor of 256 apart.
_OTHER_TYPE = 8.0
# Below so many images it is not certain which of them is odd.
_FEW = 5
_ROWS = 32
# Decibels are below 0 nearly all; what is linear is hardly ever.
_DECIBELS, _LINEAR = 0.75, 0.05


@dataclass(frozen=True)
class Level:
    """How the values of an image are stored, how large its bright ones are (NaN: all are 0), and the share below 0."""

    stored: str
    bright: float
    below: float = 0.0


def some_rows(pixels: Imagery) -> NDArray[np.float32]:
    """Return a few rows of an open image, (C, rows, W), evenly over its height, the first and the last among them."""
    rows = np.unique(np.linspace(0, pixels.height - 1, _ROWS).round().astype(int))
    return np.concatenate([pixels.read(int(row), 0, 1, pixels.width) for row in rows], axis=1)


def level_of(pixels: Imagery) -> Level:
    """Return the level of an open image: the 99th percentile of the values of a few of its rows."""
    values = some_rows(pixels)
    values = values[np.isfinite(values)]
    bright = float(np.percentile(np.abs(values), 99)) if values.size else math.nan
    below = float((values < 0).mean()) if values.size else 0.0
    return Level(pixels.stored, bright if bright > 0 else math.nan, below)


def check_levels(levels: Sequence[tuple[str, Level]]) -> tuple[dict[str, str], str]:
    """Return a sentence for each image that lies on another scale than the others, and what is to be said of them all.

    Parameters
    ----------
    levels : sequence of (name, Level)

    Raises
    ------
    InputError
        If the images lie on several scales.

    Examples
    --------
    >>> check_levels([("a.tif", Level("uint8", 250.0)), ("b.tif", Level("uint16", 240.0))])
    ({}, 'images are stored as uint8 and uint16, with values of one size: they are taken to be on one scale')
    """
    decibels = [name for name, level in levels if level.below > _DECIBELS]
    linear = [name for name, level in levels if level.below < _LINEAR and not math.isnan(level.bright)]
    if decibels and linear:
        raise InputError(
            f"{decibels[0]} is below 0 nearly all, as decibels are, and {linear[0]} is not ({len(decibels)} and "
            f"{counted(len(linear), 'images')}): the images of a folder must be on one scale; bring them to one, or "
            "keep each kind "
            "in a folder of its own and name it with --reader images=FOLDER"
        )
    known = sorted((level.bright, name, level.stored) for name, level in levels if not math.isnan(level.bright))
    kinds = sorted({stored for _, _, stored in known}, key=lambda kind: (len(kind), kind))
    middles = {}
    for kind in kinds:
        rows = [row for row in known if row[2] == kind]
        middles[kind] = rows[len(rows) // 2]
    ordered = sorted(middles.values())
    if len(ordered) > 1 and ordered[-1][0] > _OTHER_TYPE * ordered[0][0]:
        raise InputError(_two_scales(ordered[-1], ordered[0]))
    odd: dict[str, str] = {}
    if known:
        middle = known[len(known) // 2]
        for row in known:
            if max(row[0], middle[0]) > _ONE_TYPE * min(row[0], middle[0]):
                odd[row[1]] = _two_scales(*sorted((row, middle), reverse=True))
        # One image among many is at fault itself; of two nobody can say which.
        if len(odd) > max(1, len(known) // 10) or (odd and len(known) < _FEW):
            raise InputError(next(iter(odd.values())))
    if len(kinds) < 2:
        return odd, ""
    said = f"images are stored as {' and '.join(kinds)}, with values of one size: they are taken to be on one scale"
    return odd, said


def _two_scales(above: tuple[float, str, str], below: tuple[float, str, str]) -> str:
    return (
        f"{above[1]} holds values up to {above[0]:.4g} ({above[2]}) and {below[1]} up to {below[0]:.4g} ({below[2]}): "
        "the images of a folder must be on one scale; bring them to one, or keep each kind in a folder of its own and "
        "name it with --reader images=FOLDER"
    )
