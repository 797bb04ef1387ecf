"""From stored numbers to measured values: what was not observed, scale and offset, decibels, palettes of greys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError, UsageError

__all__ = [
    "PixelReading",
    "grey_table",
    "may_hold_nodata",
    "parse_bands",
    "parse_nodata",
    "parse_scale",
    "suspected_nodata",
]

#: Values that programs write where nothing was observed, and that no sensor measures.
_SENTINELS = (
    -9999.0,
    -99999.0,
    -32768.0,
    -32767.0,
    -999.0,
    -1e20,
    -3.4028234663852886e38,
    9999.0,
    32767.0,
    65535.0,
    1e20,
)
#: No sensor measures as much, in whatever unit: programs fill with 1e30, 9.97e36 and the like.
_ABSURD = 1e15
#: A value further from all others than this share of their range is none of them.
_GAP = 0.2
_LEAST_SHARE = 0.002
#: Share of its convex hull that what was cut out with straight sides fills, and the most corners of the hull. What juts
#: out by less than this share of a side, or so many pixels, is no corner: an island is round.
_STRAIGHT, _CORNERS, _CORNER_SHARE, _CORNER_PX = 0.97, 8, 0.01, 1.5


@dataclass(frozen=True, kw_only=True)
class PixelReading:
    """How stored numbers are read.

    Attributes
    ----------
    nodata : tuple of float
        Values that stand for what was not observed, beside what the file says.
    trust_header : bool
        Whether the file's own nodata value counts.
    scale, offset : float
        ``value = stored * scale + offset``.
    decibels : bool
        Values are decibels and become linear ones, ``10 ** (value / 10)``.
    """

    nodata: tuple[float, ...] = ()
    trust_header: bool = True
    scale: float = 1.0
    offset: float = 0.0
    decibels: bool = False

    def hidden(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where a band holds one of the values that were not observed."""
        out = np.zeros(stored.shape, dtype=bool)
        for value in self.nodata:
            if stored.dtype.kind == "f":
                # What was typed, or found among pixels read in single precision, is the nearest of these.
                with np.errstate(over="ignore"):
                    out |= stored.astype(np.float32) == np.float32(value)
            else:
                out |= stored == value
        return out

    def measured(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return measured values of stored ones, NaN stays NaN."""
        if self.scale != 1 or self.offset:
            pixels = pixels * np.float32(self.scale) + np.float32(self.offset)
        if self.decibels:
            pixels = np.power(np.float32(10), pixels / np.float32(10))
        return pixels

    def stored(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the stored numbers of values that :meth:`measured` made of them, NaN stays NaN.

        What programs write for nothing is had back exactly, zero too; other numbers to within a rounding.
        """
        if self.scale == 1 and not self.offset:
            return pixels
        # In double precision: a large number less its offset and a small one are rounded in single precision.
        numbers = (pixels.astype(np.float64) - np.float32(self.offset)) / np.float32(self.scale)
        out = numbers.astype(np.float32)
        known = np.array([0.0, *_SENTINELS], dtype=np.float32)
        with np.errstate(over="ignore"):
            made = known * np.float32(self.scale) + np.float32(self.offset)
        for value, number in zip(made, known, strict=True):
            out[pixels == value] = number
        return out


def parse_nodata(text: str | None) -> PixelReading:
    """Return what ``--nodata`` says: a value, or ``none`` where all was observed whatever the file says.

    Raises
    ------
    UsageError
        If it is neither.

    Examples
    --------
    >>> parse_nodata("-9999").nodata, parse_nodata("none").trust_header
    ((-9999.0,), False)
    """
    if text is None:
        return PixelReading()
    if text.strip().casefold() == "none":
        return PixelReading(trust_header=False)
    try:
        return PixelReading(nodata=(float(text),))
    except ValueError as error:
        raise UsageError(f"--nodata '{text}': a number, or none, expected") from error


def parse_scale(text: str | None) -> tuple[float, float]:
    """Return factor and offset that ``--scale`` names.

    Raises
    ------
    UsageError
        If it is not one or two numbers, or the factor is 0.

    Examples
    --------
    >>> parse_scale("0.0000275,-0.2"), parse_scale(None)
    ((2.75e-05, -0.2), (1.0, 0.0))
    """
    if text is None:
        return 1.0, 0.0
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not np.isfinite(numbers).all() or numbers[0] == 0:
        raise UsageError(f"--scale '{text}': FACTOR or FACTOR,OFFSET expected, such as --scale 0.0000275,-0.2")
    return numbers[0], numbers[1] if len(numbers) == 2 else 0.0


def parse_bands(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of bands that ``--bands`` names, from 1.

    Raises
    ------
    UsageError
        If they are none.

    Examples
    --------
    >>> parse_bands("3,2,1"), parse_bands(None)
    ((3, 2, 1), None)
    """
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--bands '{text}': numbers from 1 expected, such as --bands 3,2,1") from error


def may_hold_nodata(values: NDArray[np.floating]) -> bool:
    """Return whether values hold one that :func:`suspected_nodata` would look at more closely."""
    known = np.isin(values, np.array([0.0, *_SENTINELS], dtype=values.dtype))
    return bool((known | (np.abs(values) >= _ABSURD)).any())


def suspected_nodata(band: NDArray[np.floating]) -> float | None:
    """Return the value of a band that no file declares and that cannot have been measured, or None.

    It is one of those that programs write for nothing, far from all others, and not of a pixel here and there only.

    Parameters
    ----------
    band : (H, W)
        NaN where already known to be unobserved.

    Examples
    --------
    >>> suspected_nodata(np.array([[-9999.0, 0.1], [0.2, 0.3]])), suspected_nodata(np.array([[0.1, 0.2]]))
    (-9999.0, None)
    """
    seen = band[np.isfinite(band)]
    if not seen.size:
        return None
    for value in (float(seen.min()), float(seen.max())):
        is_known = any(np.isclose(value, sentinel, rtol=1e-6, atol=0) for sentinel in _SENTINELS)
        if not (is_known or abs(value) >= _ABSURD):
            continue
        others = seen[seen != value]
        share = 1 - others.size / seen.size
        if not others.size or share < _LEAST_SHARE:
            continue
        gap = min(abs(float(others.min()) - value), abs(float(others.max()) - value))
        if gap > _GAP * max(float(np.ptp(others)), abs(float(others.mean())) * 1e-3):
            return value
    return None if not _has_empty_border(band) else 0.0


def _has_empty_border(band: NDArray[np.floating]) -> bool:
    """Return whether zeros reach in from the edges of a band whose other values are all well above zero."""
    zero = band == 0
    share = float(zero.mean())
    if not 0.02 < share < 0.98:
        return False
    if _is_cut_out(zero):
        return True
    others = band[np.isfinite(band) & ~zero]
    # What was measured has dark pixels too, and some of them just above zero.
    if (
        not others.size
        or float(np.percentile(others, 0.05)) < 0.1 * float(np.percentile(others, 50))
        or others.min() < 0
    ):
        return False
    labels, _ = ndimage.label(zero)
    edges = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    reached = np.isin(labels, edges[edges > 0])
    return bool(reached.mean() > 0.9 * share)


def _is_cut_out(zero: NDArray[np.bool_]) -> bool:
    """Return whether zeros fill three corners and more, and what is left has straight sides, as a turned scene does."""
    corners = sum(bool(zero[row, column]) for row in (0, -1) for column in (0, -1))
    rows = np.flatnonzero(~zero.all(axis=1))
    if corners < 3 or len(rows) < 3:
        return False
    kept = ~zero[rows]
    first, last = kept.argmax(axis=1), kept.shape[1] - kept[:, ::-1].argmax(axis=1)
    sides = [(column, row + edge) for column_of in (first, last) for row, column in zip(rows, column_of, strict=True)
             for edge in (0, 1)]  # fmt: skip
    if np.ptp(np.array(sides), axis=0).min() < 3:
        return False
    hull = shapely.MultiPoint(sides).convex_hull
    corners_of = hull.simplify(max(_CORNER_PX, _CORNER_SHARE * hull.length / 4))
    has_corners = shapely.get_num_coordinates(corners_of) - 1 <= _CORNERS
    is_filled = (last - first).sum() > _STRAIGHT * hull.area and kept.sum() > 0.9 * (last - first).sum()
    return bool(has_corners and is_filled)


def grey_table(colours: dict[int, tuple[int, ...]], *, name: str) -> NDArray[np.float32]:
    """Return the grey of each number of a palette, (256,), NaN where it has none.

    Raises
    ------
    InputError
        If it holds colours: numbers of colours are no measured values.

    Examples
    --------
    >>> grey_table({0: (10, 10, 10, 255), 1: (7, 7, 7, 255)}, name="a.tif")[:2].tolist()
    [10.0, 7.0]
    """
    table = np.full(256, np.nan, dtype=np.float32)
    for number, entry in colours.items():
        if len(set(entry[:3])) > 1:
            raise InputError(
                f"{name} holds numbers of colours in a palette, not measured values; give the image itself, or one "
                f"expanded with gdal_translate -expand rgb {name} rgb.tif and --bands"
            )
        if 0 <= number < 256 and (len(entry) < 4 or entry[3] != 0):
            table[number] = entry[0]
    return table
